"""XMLOutputParser against hostile answers: refused at once, or read in time linear in their length."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from plait.errors import OutputParserException
from plait.output_parsers import XMLOutputParser

BOMB = '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;"><!ENTITY d "&c;&c;&c;">]><a>&d;</a>'
REFUSED = {
    "entities of entities": (BOMB, "document type or entity"),
    "an outer entity": ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "document type or entity"),
    "an outer document type": ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>', "document type or entity"),
    "a parameter entity": ('<!DOCTYPE a [<!ENTITY % b "c"> %b;]><a/>', "document type or entity"),
    "depth": ("<a>" * 100_000, "more than 100 levels"),
    "two attributes of a name": ('<a b="1" b="2"/>', "duplicate attribute"),
}
LONG = {
    "an attribute": lambda size: '<a b="' + "x" * size + '"/>',
    "a comment": lambda size: "<a><!--" + "> " * (size // 2) + "--></a>",
    "a name": lambda size: "<" + "x" * size + "/>",
    "attributes": lambda size: "<a" + "".join(f" b{number}='1'" for number in range(size // 9)) + "/>",
    "an instruction": lambda size: "<?a " + "?" * size + "?><a/>",
    "prose": lambda size: "< " * (size // 2) + "<a/>",
    "blank lines": lambda size: "<a>" + "\n" * size + "</a>",
    "text": lambda size: "<a>" + "x" * size + "</a>",
    "elements": lambda size: "<a>" + "<b>1</b>" * (size // 8) + "</a>",
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_hostile_xml_is_refused(run: Any, text: str, problem: str) -> None:
    """In every mode, whole or in pieces, with the whole text in the error."""
    with pytest.raises(OutputParserException, match=problem) as caught:
        run(XMLOutputParser(), text)
    assert caught.value.llm_output == text
    with pytest.raises(OutputParserException) as again:
        list(XMLOutputParser().transform(text[start : start + 3] for start in range(0, len(text), 3)))
    assert str(again.value) == str(caught.value)


def work(text: str) -> int:
    """Calls, and bytes that the parser behind has to look at again because what it was reading is not complete."""
    counted = 0

    def count(frame: Any, event: str, function: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")
        if event == "c_call" and getattr(function, "__name__", "") == "Parse":
            reading = frame.f_locals["self"]
            counted += reading._open

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        list(XMLOutputParser().transform(text[start : start + 4] for start in range(0, len(text), 4)))
    finally:
        sys.setprofile(before)
    return counted


@pytest.mark.parametrize("make", LONG.values(), ids=LONG)
def test_reading_in_pieces_is_linear(make: Any) -> None:
    """Four times the length is about four times the work, whatever is long in it."""
    small, large = work(make(20_000)), work(make(80_000))
    assert large < 5 * small


@pytest.mark.parametrize("make", LONG.values(), ids=LONG)
def test_a_megabyte_is_read(make: Any) -> None:
    """Pieces of one kilobyte add up to the value of the whole, and it is given child by child."""
    text = make(1_000_000)
    chunks = list(XMLOutputParser().transform(text[start : start + 1000] for start in range(0, len(text), 1000)))
    children = [chunk[next(iter(chunk))] for chunk in chunks]
    whole = XMLOutputParser().parse(text)
    [value] = whole.values()
    assert value == (children[0] if len(children) == 1 else [child for part in children for child in part])


def test_what_is_declared_of_the_encoding_does_not_matter(run: Any) -> None:
    """The answer is text already."""
    text = '<?xml version="1.0" encoding="iso-8859-1"?><a>é€</a>'
    assert run(XMLOutputParser(), text) == {"a": "é€"}


def test_an_element_that_is_complete_is_given_at_once() -> None:
    """Before the next chunk comes, while nothing long is open."""
    taken: list[str] = []

    def chunks() -> Any:
        for text in ("<a><b>", "1</", "b", "><b>2</b><c>", "</c></a>"):
            taken.append(text)
            yield text

    stream = XMLOutputParser().transform(chunks())
    assert next(stream) == {"a": [{"b": "1"}, {"b": "2"}]}
    assert len(taken) == 4
    assert list(stream) == [{"a": [{"c": None}]}]

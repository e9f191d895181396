"""The parsers of lists, XML and single values: what they read, in pieces too, and what they refuse."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import EmptyStreamError, OutputParserException
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk
from plait.output_parsers import (
    BooleanOutputParser,
    CommaSeparatedListOutputParser,
    DatetimeOutputParser,
    EnumOutputParser,
    JsonKeyOutputFunctionsParser,
    JsonOutputFunctionsParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
    XMLOutputParser,
)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


XML = 'Sure:\n```xml\n<?xml version="1.0"?>\n<a>\n <b x="1">é</b><c><d>1</d><d/></c>\n</a>\n``` bye'
READ = [
    (CommaSeparatedListOutputParser(), 'a, "b, c",d ,,\n e', ["a", "b, c", "d", "e"]),
    (CommaSeparatedListOutputParser(), "```text\na, b\n```\n", ["a", "b"]),
    (NumberedListOutputParser(), "Here:\n1. one\n2) two\n\n 3.  three \n4.", ["one", "two", "three"]),
    (MarkdownListOutputParser(), "- a\n* b\r\nx\n  + c\n• d", ["a", "b", "c", "d"]),
    (XMLOutputParser(), XML, {"a": [{"b": "é"}, {"c": [{"d": "1"}, {"d": None}]}]}),
    (XMLOutputParser(), "1 < 2 <a>text &amp; more</a><b/>", {"a": "text & more"}),
    (XMLOutputParser(tags=["a"]), "<a/>", {"a": []}),
]


@pytest.mark.parametrize(("parser", "text", "value"), READ)
def test_texts_are_read(run: Any, parser: Any, text: str, value: Any) -> None:
    """In all modes, of messages too, and with instructions for a model."""
    assert run(parser, text) == value
    assert run(parser, AIMessage(text)) == value
    assert parser.get_format_instructions()


@given(st.sampled_from(READ), st.lists(st.integers(0, 100), max_size=8))
def test_where_a_stream_is_cut_does_not_matter(case: Any, cuts: list[int]) -> None:
    """The chunks add up to the value of the whole."""
    parser, text, value = case
    at = sorted({0, len(text), *(cut % len(text) for cut in cuts)})
    assert merge_all(parser.transform(iter([text[start:end] for start, end in pairwise(at)]))) == value


def test_items_are_given_when_they_are_complete() -> None:
    """Line by line; children of the root of an XML, one by one."""
    assert list(NumberedListOutputParser().transform(iter(["1. o", "ne\n2.", " two\n3. x"]))) == [
        ["one"],
        ["two"],
        ["x"],
    ]
    chunks = list(XMLOutputParser().transform(iter(["<a><b>1</", "b><b>2</b>", "<b>3</b></a>"])))
    assert chunks == [{"a": [{"b": "1"}, {"b": "2"}]}, {"a": [{"b": "3"}]}]


@pytest.mark.parametrize("parser", [CommaSeparatedListOutputParser(), NumberedListOutputParser(), XMLOutputParser()])
def test_nothing_is_not_an_empty_value(run: Any, parser: Any) -> None:
    """A text in which there is nothing to read is an error, and so is a stream without a chunk."""
    with pytest.raises(OutputParserException) as caught:
        run(parser, " \n")
    assert caught.value.llm_output == " \n"
    with pytest.raises(EmptyStreamError):
        list(parser.transform(iter([])))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "line 1, column 13: got a document type"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', "got a document type"),
        ("<x>&lol;</x>", "line 1, column 4: undefined entity"),
        ("<a>" * 200, "more than 100 levels"),
        ("\n  <a></b>", "line 2, column 8: mismatched tag"),
        ("<a>", "no element found"),
        ("<a>\ud83d</a>", "half of a character"),
        ("text", "there is no element in it"),
    ],
)
def test_xml_that_is_wrong_or_hostile_is_refused(run: Any, text: str, problem: str) -> None:
    """Entities and document types are not read at all; the error says where and what."""
    with pytest.raises(OutputParserException, match=problem):
        run(XMLOutputParser(), text)


@pytest.mark.parametrize(
    ("parser", "text", "value"),
    [
        (EnumOutputParser(enum=Colour), " Red\n", Colour.RED),
        (BooleanOutputParser(), "Yes.", True),
        (BooleanOutputParser(true_val="ja", false_val="nein"), "nein", False),
        (DatetimeOutputParser(format="%Y-%m-%d"), "2024-01-02", datetime(2024, 1, 2)),  # noqa: DTZ001 # as it was said
    ],
)
def test_single_values(run: Any, parser: Any, text: str, value: Any) -> None:
    """Blanks and case do not matter; anything else is an error that says what was expected."""
    assert run(parser, text) == value
    assert parser.get_format_instructions()
    for wrong in ("", "maybe", "yes no"):
        with pytest.raises(OutputParserException, match="expected") as caught:
            run(parser, wrong)
        assert caught.value.llm_output == wrong


def test_function_calls(run: Any) -> None:
    """The older form of a tool call, streamed and whole."""
    message = AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": '{"a": [1, 2]}'}})
    assert run(JsonOutputFunctionsParser(), message) == {"a": [1, 2]}
    assert run(JsonOutputFunctionsParser(args_only=False), message) == {"name": "f", "arguments": {"a": [1, 2]}}
    parser = JsonKeyOutputFunctionsParser(key_name="a")
    given_ = [{"name": "f", "arguments": '{"a": [1'}, {"arguments": ", 2]}"}]
    chunks = [AIMessageChunk(content="", additional_kwargs={"function_call": each}) for each in given_]
    assert list(parser.transform(iter(chunks))) == [[1], [1, 2]]
    for wrong in (
        AIMessage("no call"),
        AIMessage("", additional_kwargs={"function_call": {"name": "f", "arguments": "{}"}}),
    ):
        with pytest.raises(OutputParserException, match="expected"):
            run(parser, wrong)

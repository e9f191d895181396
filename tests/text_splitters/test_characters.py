"""Splitters that cut at separators: what every chunk of theirs is."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.documents import Document
from plait.errors import ConfigError
from plait.text_splitters import (
    CharacterTextSplitter,
    Language,
    MarkdownHeaderTextSplitter,
    MarkdownTextSplitter,
    PythonCodeTextSplitter,
    RecursiveCharacterTextSplitter,
)

TEXTS = st.text(alphabet="aab b\n\t.é日", max_size=120)
SEPARATORS = st.sampled_from([["\n\n", "\n", " ", ""], [".", ""], ["aa", "\n", ""], [""]])
KEPT: Any = st.sampled_from([True, "start", "end"])
LENGTHS = st.sampled_from([len, lambda text: len(text.encode()), lambda text: 2 * len(text)])


@st.composite
def splitters(draw: st.DrawFn, keep: Any = KEPT, **fields: Any) -> RecursiveCharacterTextSplitter:
    """Any splitter that can cut between all characters, of which each measures three at the most."""
    size = draw(st.integers(3, 20))
    return RecursiveCharacterTextSplitter(
        draw(SEPARATORS),
        chunk_size=size,
        chunk_overlap=draw(st.integers(0, size - 1)),
        length_function=draw(LENGTHS),
        keep_separator=draw(keep),
        add_start_index=True,
        **fields,
    )


def spans(splitter: RecursiveCharacterTextSplitter, text: str) -> list[tuple[int, int]]:
    """Where the chunks lie in the text."""
    chunks = splitter.create_documents([text])
    return [(each.metadata["start_index"], each.metadata["start_index"] + len(each.page_content)) for each in chunks]


@given(splitters(st.sampled_from([True, False, "start", "end"])), TEXTS)
def test_chunks_are_slices_that_fit(splitter: RecursiveCharacterTextSplitter, text: str) -> None:
    """None is empty or too long, and each stands where it says, also if the text repeats itself."""
    for chunk in splitter.create_documents([text]):
        start = chunk.metadata["start_index"]
        assert chunk.page_content == text[start : start + len(chunk.page_content)] != ""
        assert splitter.length_function(chunk.page_content) <= splitter.chunk_size


@given(splitters(st.sampled_from([True, False])), TEXTS)
def test_chunks_are_in_order_and_overlap_no_more_than_allowed(
    splitter: RecursiveCharacterTextSplitter, text: str
) -> None:
    """Each ends after the one before it, and repeats of it what may be repeated."""
    found = spans(splitter, text)
    for (start, end), (later, last) in pairwise(found):
        assert start <= later
        assert end < last
        assert splitter.length_function(text[later:end]) <= splitter.chunk_overlap


@given(splitters(), TEXTS)
def test_only_white_space_is_lost(splitter: RecursiveCharacterTextSplitter, text: str) -> None:
    """What lies in no chunk is white space."""
    covered = {place for start, end in spans(splitter, text) for place in range(start, end)}
    assert not "".join(letter for place, letter in enumerate(text) if place not in covered).strip()


@given(splitters(strip_whitespace=False), TEXTS)
def test_nothing_is_lost_if_white_space_stays(splitter: RecursiveCharacterTextSplitter, text: str) -> None:
    """Every character lies in a chunk."""
    assert {place for start, end in spans(splitter, text) for place in range(start, end)} == set(range(len(text)))


@given(TEXTS, st.sampled_from([r"\s+", r"(?=a)", r"[.b]", r"x*"]), st.sampled_from([True, False, "end"]))
def test_separators_that_are_regular_expressions(text: str, separator: str, keep: Any) -> None:
    """Those that match nothing at all, too: the chunks are slices that fit."""
    splitter = RecursiveCharacterTextSplitter(
        [separator, ""],
        chunk_size=7,
        chunk_overlap=3,
        is_separator_regex=True,
        keep_separator=keep,
        add_start_index=True,
    )
    found = spans(splitter, text)
    assert all(0 < end - start <= 7 for start, end in found)
    assert found == sorted(found)


def test_texts_are_cut_at_the_strongest_separator() -> None:
    """Paragraphs first, then lines, then words."""
    splitter = RecursiveCharacterTextSplitter(chunk_size=12, chunk_overlap=0)
    assert splitter.split_text("one two\n\nthree\nfour five six") == ["one two", "three", "four five", "six"]


@pytest.mark.parametrize(
    ("keep", "chunks"),
    [
        (False, ["one", "two", "three"]),
        (True, ["one", ", two", ", three"]),
        ("start", ["one", ", two", ", three"]),
        ("end", ["one, ", "two, ", "three"]),
    ],
)
def test_separator_stays_where_it_is_wanted(keep: Any, chunks: list[str]) -> None:
    """At the start of what follows, at the end of what was, or nowhere."""
    splitter = CharacterTextSplitter(", ", chunk_size=7, chunk_overlap=0, keep_separator=keep, strip_whitespace=False)
    assert splitter.split_text("one, two, three") == chunks


def test_one_separator_never_cuts_what_lies_between() -> None:
    """So that may be longer than a chunk."""
    assert CharacterTextSplitter(" ", chunk_size=3, chunk_overlap=0).split_text("a b wonderful c") == [
        "a b",
        "wonderful",
        "c",
    ]


@pytest.mark.parametrize("strip", [True, False])
def test_nothing_has_no_chunks(strip: bool) -> None:
    """An empty text gives an empty list."""
    for splitter in (
        CharacterTextSplitter(strip_whitespace=strip),
        RecursiveCharacterTextSplitter(strip_whitespace=strip),
    ):
        assert splitter.split_text("") == []


def test_what_was_said_is_not_said_again_for_the_sake_of_white_space() -> None:
    """A chunk that would be only the end of the one before is left out."""
    splitter = RecursiveCharacterTextSplitter([" ", ""], chunk_size=4, chunk_overlap=3)
    assert splitter.split_text("ab  ") == ["ab"]
    assert splitter.split_text("a cd    ") == ["a cd"]


@pytest.mark.parametrize("unit", ["x", " ", "\n\n", "ab ", "a\n\nb"])
@pytest.mark.parametrize("overlap", [0, 50])
def test_work_is_linear(unit: str, overlap: int) -> None:
    """Four times the text measures four times as many characters, whatever the text is made of."""

    def work(size: int) -> int:
        measured = []

        def length(text: str) -> int:
            measured.append(len(text))
            return len(text)

        splitter = RecursiveCharacterTextSplitter(chunk_size=500, chunk_overlap=overlap, length_function=length)
        splitter.split_text((unit * size)[:size])
        return sum(measured) + len(measured)

    assert work(400_000) <= 4.2 * work(100_000)


@pytest.mark.parametrize("unit", ["x", " ", "\n\n"])
def test_megabyte_of_hostile_text(unit: str) -> None:
    """It is cut like any other."""
    text = (unit * 1_000_000)[:1_000_000]
    splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=0, strip_whitespace=False)
    assert "".join(splitter.split_text(text)) == text


@pytest.mark.parametrize("language", list(Language))
def test_code_is_cut_where_its_parts_begin(language: Language) -> None:
    """Every language has separators, the last of which cuts anything."""
    splitter = RecursiveCharacterTextSplitter.from_language(language, chunk_size=10, chunk_overlap=0)
    assert RecursiveCharacterTextSplitter.get_separators_for_language(language.value)[-1] == ""
    assert all(len(chunk) <= 10 for chunk in splitter.split_text("x" * 35 + "\n\nword word"))


def test_python_and_markdown_have_splitters_of_their_own() -> None:
    """Functions stay whole, and so do sections."""
    code = "import os\n\ndef one():\n    return 1\n\ndef two():\n    return 2\n"
    assert PythonCodeTextSplitter(chunk_size=30, chunk_overlap=0).split_text(code) == [
        "import os",
        "def one():\n    return 1",
        "def two():\n    return 2",
    ]
    assert MarkdownTextSplitter(chunk_size=14, chunk_overlap=0).split_text("# A\n\nfirst\n\n# B\n\nlast") == [
        "# A\n\nfirst",
        "# B\n\nlast",
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"chunk_size": 0}, "chunk_size must be a whole number of at least 1, got 0"),
        ({"chunk_size": 10.5}, "got 10.5"),
        ({"chunk_size": True}, "got True"),
        ({"chunk_size": 10, "chunk_overlap": 10}, "less than chunk_size=10, got 10"),
        ({"chunk_overlap": -1}, "got -1"),
        ({"separators": []}, r"\[''\] cuts between all characters"),
        ({"separators": ["("], "is_separator_regex": True}, "is no regular expression"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_built(fields: dict[str, Any], says: str) -> None:
    """By an error that says what came."""
    with pytest.raises(ConfigError, match=says):
        RecursiveCharacterTextSplitter(**fields)


def test_setting_that_there_is_not() -> None:
    """A slip of the pen is not dropped in silence."""
    with pytest.raises(ConfigError, match="no setting 'chunk_sise'; did you mean 'chunk_size'"):
        RecursiveCharacterTextSplitter(chunk_sise=10)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="MarkdownHeaderTextSplitter has no setting 'return_each_line'"):
        MarkdownHeaderTextSplitter([("#", "title")], return_each_line=True)  # type: ignore[call-arg]


class Halves:
    """A tokenizer of which two letters are a token."""

    def tokenize(self, text: str) -> list[str]:
        return [text[place : place + 2] for place in range(0, len(text), 2)]


@pytest.mark.parametrize("kind", [CharacterTextSplitter, RecursiveCharacterTextSplitter])
def test_tokens_of_any_tokenizer_are_counted(kind: Any) -> None:
    """Sizes count what the tokenizer makes of a text; a splitter with one can be pickled."""
    splitter = kind.from_huggingface_tokenizer(Halves(), chunk_size=3, chunk_overlap=0)

    assert pickle.loads(pickle.dumps(splitter)).split_text("abcdef\n\nghij") == ["abcdef", "ghij"]
    with pytest.raises(ConfigError, match=r"must have a method tokenize\(text\), got str"):
        kind.from_huggingface_tokenizer("gpt2")


def test_language_that_is_not_known() -> None:
    """The error names those that are."""
    with pytest.raises(ConfigError, match=r"python.*got 'klingon'"):
        RecursiveCharacterTextSplitter.from_language("klingon")


def test_as_a_step(run: Any) -> None:
    """Documents in, their chunks out, in every mode."""
    documents = [Document("one two", metadata={"n": 1}), Document("three", metadata={"n": 2})]
    found = run(RecursiveCharacterTextSplitter(chunk_size=5, chunk_overlap=0), documents)
    assert [(each.page_content, each.metadata) for each in found] == [
        ("one", {"n": 1}),
        ("two", {"n": 1}),
        ("three", {"n": 2}),
    ]


def test_no_overlap_repeats_nothing() -> None:
    """Without an overlap the next chunk begins where the one before ends."""
    splitter = RecursiveCharacterTextSplitter(chunk_size=6, chunk_overlap=0)

    assert splitter.split_text("a a a a a a a") == ["a a a", "a a a", "a"]

"""``plait.partial_json``: at every point of a stream the value so far, in linear time."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.partial_json import (
    NOTHING,
    JsonError,
    JsonInText,
    JsonReader,
    read_json,
    read_json_in_text,
    read_partial_json,
)

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)
TEXTS = st.builds(
    lambda value, indent, ascii_: json.dumps(value, indent=indent, ensure_ascii=ascii_),
    VALUES,
    st.sampled_from([None, 1]),
    st.booleans(),
)


def completed(text: str) -> Any:
    """The value of the longest beginning of a text that some closing brackets, and a quote, make JSON; slow and plain."""
    for end in range(len(text), 0, -1):
        for quote in ('"', ""):
            with suppress(ValueError):
                value = json.loads(text[:end] + quote + closers(text[:end]), strict=False)
                if not (quote and _ends_in_half(value)):
                    return value
    return NOTHING


def closers(text: str) -> str:
    open_, in_string, escaped = [], False, False
    for char in text:
        if in_string:
            in_string, escaped = char != '"' or escaped, char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            open_.append("}" if char == "{" else "]")
        elif char in "}]" and open_:
            open_.pop()
    return "".join(reversed(open_))


def _ends_in_half(value: Any) -> bool:
    while isinstance(value, dict | list) and value:
        value = [*value.values()][-1] if isinstance(value, dict) else value[-1]
    return isinstance(value, str) and "\ud800" <= value[-1:] <= "\udbff"


def pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


def same(a: Any, b: Any) -> bool:
    return a is b or (NOTHING not in (a, b) and json.dumps(a) == json.dumps(b))


@given(TEXTS, st.lists(st.integers(0, 400), max_size=12))
def test_every_value_is_that_of_the_completed_text(text: str, cuts: list[int]) -> None:
    """However a text is cut, the value so far is the reference's; the last is that of the whole."""
    reader, sofar = JsonReader(), ""
    for piece in pieces(text, cuts):
        sofar += piece
        reader.feed(piece)
        assert same(reader.value, completed(sofar))
        assert same(read_partial_json(sofar), completed(sofar))
    assert same(reader.close(), json.loads(text))
    assert same(read_json(text), json.loads(text))


@given(TEXTS, st.lists(st.integers(0, 400), max_size=12))
def test_what_was_given_never_changes(text: str, cuts: list[int]) -> None:
    """A value that was taken is not touched by what comes later."""
    reader, taken = JsonReader(), []
    for piece in pieces(text, cuts):
        reader.feed(piece)
        value = reader.take()
        taken.append((value, copy.deepcopy(value)))
    reader.close()
    assert all(same(value, was) for value, was in taken)


WORDS = st.lists(st.sampled_from(["<think>", "</think>", "<thinking>", "</thinking>", "{", "}", "[1]", "x", "\n"]))


@given(
    st.text(alphabet='{}[],:"\\u0dD8eE+-.1truefalsnl \n`', max_size=60) | WORDS.map("".join),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_whatever_comes_is_read_alike_in_pieces(text: str, cuts: list[int]) -> None:
    """JSON or not, in prose or not: the pieces give what the whole gives, or the same error at the same place."""

    def whole() -> Any:
        return read_json_in_text(text)

    def cut() -> Any:
        found = JsonInText()
        for piece in pieces(text, cuts):
            found.feed(piece)
        return found.close()

    assert _outcome(cut) == _outcome(whole)


def _outcome(work: Any) -> Any:
    try:
        return json.dumps(work())
    except JsonError as error:
        return error.expected, error.position, error.line, error.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": tr', {}),
        ('{"a": 1.', {"a": 1}),
        ("[-", []),
        ("[1e", [1]),
        ('{"a": "x\\', {"a": "x"}),
        ('{"a": "x\\u00', {"a": "x"}),
        ('"\\ud83d', ""),
        ('"\\ud83d\\ude00', "\U0001f600"),
        ('{"a": 1, "a": {"b', {"a": {}}),
        ('{"a', {}),
        ("", NOTHING),
        ("tru", NOTHING),
        ('["line\nbreak', ["line\nbreak"]),
    ],
)
def test_what_cannot_be_seen_yet_is_left_out(text: str, value: Any) -> None:
    """Half a literal, number, escape or pair, and a key without its value, are not a part of the value."""
    assert read_partial_json(text) == value


@pytest.mark.parametrize(
    ("text", "expected", "at"),
    [
        ('{"a" 1}', '":"', (5, 1, 6)),
        ("[1,\n 2 3]", '"," or "]"', (7, 2, 4)),
        ("{a: 1}", 'a key in double quotes or "}"', (1, 1, 2)),
        ('{"a": 1,}', "a key in double quotes", (8, 1, 9)),
        ("[1", '"," or "]"', (2, 1, 3)),
        ('["x', "the end of a string", (3, 1, 4)),
        ('["\\x"]', "an escape such as \\n", (2, 1, 3)),
        ("[1] 2", "the end of the text", (4, 1, 5)),
        ("[NaN]", "a value", (4, 1, 5)),
        ("[1e999]", "a number of reasonable size", (6, 1, 7)),
        ("[" * 101, "at most 100 levels of nesting", (100, 1, 101)),
    ],
)
def test_an_error_says_where_and_what(text: str, expected: str, at: tuple[int, int, int]) -> None:
    """Position, line and column, and what should have been there."""
    with pytest.raises(JsonError) as caught:
        read_json(text)
    assert (caught.value.expected, (caught.value.position, caught.value.line, caught.value.column)) == (expected, at)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "9" * 100_000, "[" + "-" * 100_000, '["' + "\\u" * 9]
)
def test_hostile_texts_are_errors(text: str) -> None:
    """Deep nesting and huge numbers are refused, whole or in pieces, never by a RecursionError."""
    with pytest.raises(JsonError):
        read_json(text)
    reader = JsonReader()
    with pytest.raises(JsonError):
        for start in range(0, len(text), 1000):
            reader.feed(text[start : start + 1000])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Here it is:\n```json\n{"a": 1}\n```\nDone.', {"a": 1}),
        ("```\n[1]\n```", [1]),
        ("```JSON\n[1]", [1]),
        ('`{"a": 1}`', {"a": 1}),
        ('{"a": 1} as you asked', {"a": 1}),
        ('Sure.\n  {"a": 1}', {"a": 1}),
        ('Not ```python\n{x}\n``` but ```json\n{"a": 1}\n```', {"a": 1}),
        ('3 things:\n```json\n{"a": 1}\n```', {"a": 1}),
        ("```json\ntrue\n```", True),
        ('<think>\n{"a": 0}\n</think>\n{"a": 1}', {"a": 1}),
        (" <thinking>1 < 2</think> ```</thinking>```json\n[1]\n```", [1]),
        ("<think>a</think> <think>b</think>3", 3),
        ('<thinker>\n{"a": 1}', {"a": 1}),
        (" 42 ", 42),
        ("null", None),
        ('"text"', "text"),
    ],
)
def test_json_is_found_in_what_models_write(text: str, value: Any) -> None:
    """Alone, fenced, in backticks, behind prose or before it."""
    assert read_json_in_text(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "I cannot do that.",
        "3 things",
        '"a" b',
        '<think>\n{"a": 1}',
        "<think></think>",
        "<thin",
        "```python\nx = {}\n```",
    ],
)
def test_a_text_without_json_is_an_error(text: str) -> None:
    """Nothing is made of nothing, and of a number that begins a sentence neither."""
    with pytest.raises(JsonError):
        read_json_in_text(text)


def _copied(text: str) -> int:
    """How much was copied for snapshots of a text that comes in pieces of four characters: items, and characters."""
    found, copied = JsonInText(), 0
    for start in range(0, len(text), 4):
        found.feed(text[start : start + 4])
        value = found.take()
        copied += len(value) if isinstance(value, list | str) else 0
    found.close()
    return copied


@pytest.mark.parametrize("make", [lambda n: json.dumps([1] * n), lambda n: json.dumps("x" * n)])
def test_snapshots_cost_linear_work(make: Any) -> None:
    """Four times the text has at most about four times as much copied, though each snapshot is of the whole."""
    assert _copied(make(80_000)) < 5 * _copied(make(20_000))

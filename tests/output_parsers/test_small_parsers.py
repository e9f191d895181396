"""Parsers of one value: which texts are one, which are none, and what a model is asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

from plait.errors import OutputParserException
from plait.messages import AIMessageChunk
from plait.output_parsers import BooleanOutputParser, DatetimeOutputParser, EnumOutputParser


class Case(Enum):
    SMALL = "a"
    LARGE = "A"
    NUMBER = 1


@pytest.mark.parametrize(("text", "member"), [("a", Case.SMALL), (" A\n", Case.LARGE), ("1", Case.NUMBER)])
def test_a_member_is_known_by_its_value(run: Any, text: str, member: Case) -> None:
    """Exactly, where case alone tells two of them apart; numbers as they are written."""
    assert run(EnumOutputParser(enum=Case), text) is member


def test_an_error_lists_the_values(run: Any) -> None:
    """So that a model that is asked again knows them."""
    with pytest.raises(OutputParserException, match=r"expected one of 'a', 'A', '1', but the text is 'b'"):
        run(EnumOutputParser(enum=Case), "b")


@pytest.mark.parametrize(("text", "value"), [("**YES**", True), ("The answer is no.", False), ("(yes)", True)])
def test_yes_is_a_word_of_the_text(run: Any, text: str, value: bool) -> None:
    """With marks around it, and other words."""
    assert run(BooleanOutputParser(), text) is value


@pytest.mark.parametrize("text", ["", "yesterday", "notable", "yes or no", "true"])
def test_what_is_neither_or_both_is_refused(run: Any, text: str) -> None:
    """A part of a word is no answer."""
    with pytest.raises(OutputParserException, match=r"expected 'YES' or 'NO', but (both|neither)"):
        run(BooleanOutputParser(), text)


def test_a_moment_has_the_zone_that_the_format_has(run: Any) -> None:
    """And none if it has none."""
    moment = datetime(2024, 1, 2, 3, 4, tzinfo=UTC)
    assert run(DatetimeOutputParser(format="%Y-%m-%dT%H:%M%z"), "2024-01-02T03:04+0000") == moment
    assert run(DatetimeOutputParser(), "2024-01-02T03:04:00.000000Z").tzinfo is None


@pytest.mark.parametrize("text", ["", "2024-02-30", "tomorrow", "2024-01-02 and more"])
def test_an_impossible_moment_is_refused(run: Any, text: str) -> None:
    """With an example of a possible one."""
    with pytest.raises(OutputParserException, match="expected a moment such as '2024-12-31'"):
        run(DatetimeOutputParser(format="%Y-%m-%d"), text)


@pytest.mark.parametrize("format", ["%Q", "%Y-%"])
def test_a_format_that_cannot_be_is_refused_at_once(format: str) -> None:
    """It is no fault of the model, so no answer is waited for."""
    with pytest.raises(ValueError, match="format"):
        DatetimeOutputParser(format=format)


@pytest.mark.parametrize("parser", [EnumOutputParser(enum=Case), BooleanOutputParser(true_val="a", false_val="b")])
def test_a_value_comes_at_the_end_of_a_stream(parser: Any) -> None:
    """Once, when all of the answer is known."""
    chunks = [AIMessageChunk(content=text) for text in ("", " ", "a", "\n")]
    assert list(parser.transform(iter(chunks))) == [parser.parse("a")]

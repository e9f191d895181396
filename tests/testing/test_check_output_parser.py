"""``check_output_parser``: every parser of plait keeps its laws, and each fault that is seeded is found."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest
from pydantic import BaseModel

from plait import (
    AIMessage,
    BaseCumulativeTransformOutputParser,
    BaseOutputParser,
    BaseTransformOutputParser,
    BooleanOutputParser,
    CommaSeparatedListOutputParser,
    DatetimeOutputParser,
    EnumOutputParser,
    JsonKeyOutputFunctionsParser,
    JsonOutputFunctionsParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    JsonOutputToolsParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
    OutputFixingParser,
    OutputParserException,
    PydanticOutputFunctionsParser,
    PydanticOutputParser,
    PydanticToolsParser,
    RetryOutputParser,
    RetryWithErrorOutputParser,
    Runnable,
    RunnableLambda,
    StrOutputParser,
    XMLOutputParser,
)
from plait.testing import ConformanceError, acheck_output_parser, check_output_parser


class Point(BaseModel):
    x: int
    label: str = ""


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Words(BaseCumulativeTransformOutputParser[list[str]]):
    def parse(self, text: str) -> list[str]:
        if not text.split():
            raise OutputParserException("expected words", llm_output=text)
        return text.split()


def calls(*arguments: str) -> AIMessage:
    given = [
        {"id": f"{number}", "function": {"name": "Point", "arguments": each}} for number, each in enumerate(arguments)
    ]
    return AIMessage("", additional_kwargs={"tool_calls": given})


def function(arguments: str, name: str = "Point") -> AIMessage:
    return AIMessage("", additional_kwargs={"function_call": {"name": name, "arguments": arguments}})


def same_text(text: str) -> str:
    return text.rpartition("\n")[2]


JSONS = ['{"x": 1, "label": "a"}', '[{"x": 1.5e3, "y": [true, null]}, "\\u00e9\\ud83d\\ude00"]']
FENCED = 'Sure:\n```json\n{"x": 2, "label": "`"}\n```\nDone.'
NO_JSON = ["none", '{"x": 1', '{"x" 1}', "[1]\n]"[:2]]
CALLS = [
    AIMessage(
        "Well.",
        tool_calls=[
            {"name": "Point", "args": {"x": 1, "label": "a"}, "id": "1"},
            {"name": "Point", "args": {"x": 22}, "id": "2"},
        ],
    ),
    AIMessage("", tool_calls=[{"name": "Point", "args": {"x": 3}, "id": "3"}]),
    calls('{"x": 4}', '{"x": 5}'),
]
NO_CALLS = [calls('{"x": '), calls("[1]"), calls('{"x": 1}}')]
NO_POINT = [*NO_CALLS, calls('{"x": "one"}'), calls("{}")]
FUNCTIONS = [function('{"x": 1, "label": "a"}'), function('{"x": 22}')]
NO_FUNCTIONS = [AIMessage("none"), function('{"x": '), function("[1]")]
ASKED = {"tells-output": "it tells of the last answer of its model"}
ANY_TEXT = {"empty": "an empty text is a text"}

PARSERS: dict[str, tuple[Any, list[Any], list[Any], dict[str, str]]] = {
    "text": (StrOutputParser(), ["one two", "3"], [], ANY_TEXT),
    "JSON": (JsonOutputParser(), [*JSONS, FENCED], NO_JSON, {}),
    "JSON of a form": (JsonOutputParser(pydantic_object=Point), [JSONS[0], FENCED], [*NO_JSON, JSONS[1]], {}),
    "objects": (PydanticOutputParser(pydantic_object=Point), [JSONS[0], FENCED], [*NO_JSON, JSONS[1]], {}),
    "commas": (CommaSeparatedListOutputParser(), ['a, "b, c"\nd', "e"], [",,"], {}),
    "numbers": (NumberedListOutputParser(), ["Here:\n1. one\n2) two\n", "10. x"], ["one", "1.x"], {}),
    "bullets": (MarkdownListOutputParser(), ["Here:\n- one\n* two\n", "+ x"], ["one", "-x"], {}),
    "XML": (
        XMLOutputParser(),
        ['Here: <?xml version="1.0"?>\n<a><b c="d">é</b><b><e/></b></a> bye', "1 < 2 <a>x &amp; y</a>", "<a/>"],
        ["none", "<a>", "<a>\n</b>", "<a>&x;</a>", "\n<!DOCTYPE a><a/>"],
        {},
    ),
    "an enum": (EnumOutputParser(enum=Size), ["small", " LARGE\n"], ["tiny"], {}),
    "yes and no": (BooleanOutputParser(), ["Yes.", "no"], ["maybe", "yes and no"], {}),
    "moments": (DatetimeOutputParser(format="%Y-%m-%d"), ["2024-01-02", " 2024-12-31\n"], ["soon", "2024-13-01"], {}),
    "calls": (JsonOutputToolsParser(return_id=True), CALLS, NO_CALLS, {}),
    "the first call": (JsonOutputToolsParser(first_tool_only=True), CALLS, NO_CALLS, {}),
    "calls of one tool": (JsonOutputKeyToolsParser(key_name="Point"), CALLS, NO_CALLS, {}),
    "calls as objects": (PydanticToolsParser(tools=[Point]), CALLS, NO_POINT, {}),
    "a function": (JsonOutputFunctionsParser(args_only=False), FUNCTIONS, NO_FUNCTIONS, {}),
    "an argument": (JsonKeyOutputFunctionsParser(key_name="x"), FUNCTIONS, [*NO_FUNCTIONS, function("{}")], {}),
    "a function as an object": (
        PydanticOutputFunctionsParser(pydantic_schema={"Point": Point}),
        FUNCTIONS,
        [*NO_FUNCTIONS, function('{"x": "one"}'), function("{}", "Line")],
        {},
    ),
    "repaired": (OutputFixingParser.from_llm(RunnableLambda(same_text), JsonOutputParser()), JSONS, NO_JSON, ASKED),
    "asked again": (RetryOutputParser.from_llm(RunnableLambda(same_text), JsonOutputParser()), JSONS, NO_JSON, {}),
    "asked again with the error": (
        RetryWithErrorOutputParser.from_llm(RunnableLambda(same_text), JsonOutputParser()),
        JSONS,
        NO_JSON,
        {},
    ),
    "words": (Words(), ["one two", "three"], [], {}),
}


@pytest.mark.parametrize(("parser", "answers", "broken", "skip"), PARSERS.values(), ids=PARSERS)
def test_every_parser_keeps_the_laws(parser: Any, answers: list[Any], broken: list[Any], skip: dict[str, str]) -> None:
    """One suite over all of them; the laws of a runnable are checked by their samples."""
    check_output_parser(parser, answers, broken=broken, skip=skip, as_runnable=False)


class Fine(BaseOutputParser[dict[str, Any]]):
    """Breaks nothing; the base of those that do."""

    def parse(self, text: str) -> dict[str, Any]:
        try:
            return {"value": json.loads(text)}
        except (ValueError, RecursionError) as error:
            raise OutputParserException(f"expected JSON: {error}", llm_output=text) from error


class Differs(Fine):
    async def aparse(self, text: str) -> dict[str, Any]:
        return {"value": "other"}


class Blocks(Fine):
    async def aparse(self, text: str) -> dict[str, Any]:
        time.sleep(0.001)  # noqa: ASYNC251  # what is wrong with it
        return self.parse(text)


class Lets(Fine):
    """What a library raises comes out."""

    def parse(self, text: str) -> dict[str, Any]:
        return {"value": json.loads(text)}


class Guesses(Fine):
    """Gives an empty value for what it cannot read."""

    def parse(self, text: str) -> dict[str, Any]:
        try:
            return super().parse(text)
        except OutputParserException:
            return {}


class Forgets(Fine):
    """Does not hold the answer."""

    def parse(self, text: str) -> dict[str, Any]:
        try:
            return super().parse(text)
        except OutputParserException:
            raise OutputParserException("expected JSON") from None


class Recurses(Fine):
    """Goes as deep as the text does."""

    def parse(self, text: str) -> dict[str, Any]:
        return super().parse(text) if self._depth(text) >= 0 else {}

    def _depth(self, text: str) -> int:
        return self._depth(text[1:]) + 1 if text[:1] == "[" else 0


class Each(BaseTransformOutputParser[str]):
    """Takes each chunk for the whole."""

    def parse(self, text: str) -> str:
        return text.strip().capitalize()


class Wanders(Fine):
    """Counts from the beginning of the last chunk."""

    def _transform(self, chunks: Iterator[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:
        whole = [self._text(chunk) for chunk in chunks]
        try:
            yield self.parse("".join(whole))
        except OutputParserException as error:
            raise OutputParserException(f"in chunk {len(whole)}", llm_output=error.llm_output) from error


class Mute(Fine):
    def get_format_instructions(self) -> str:
        return ""


class Counts(Fine):
    """Says something else each time."""

    said: list[int] = []

    def get_format_instructions(self) -> str:
        self.said.append(1)
        return f"Answer {len(self.said)}"


class OnlyTexts(Fine):
    def _text(self, input: Any) -> str:
        return str(input)


class NoParser(Runnable[Any, Any]):
    """No parser: of no kind, and takes anything."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return str(input)


FAULTS: dict[str, tuple[Any, set[str]]] = {
    "other values in async code": (Differs, {"twins", "cuts"}),
    "blocks the loop": (Blocks, {"event-loop"}),
    "lets errors through": (Lets, {"refuses", "empty", "hostile"}),
    "guesses": (Guesses, {"refuses", "empty"}),
    "forgets the answer": (Forgets, {"tells-output"}),
    "recurses": (Recurses, {"hostile"}),
    "takes a chunk for the whole": (Each, {"cuts", "refuses"}),
    "tells of the last chunk": (Wanders, {"same-words"}),
    "has no instructions": (Mute, {"instructions"}),
    "has other instructions": (Counts, {"instructions"}),
    "reads messages as something else": (OnlyTexts, {"works", "only-output"}),
    "is no parser": (NoParser, {"messages", "labels", "only-output", "refuses"}),
}
ANSWERS, BROKEN = ["[1, 2]", '"a  b"'], ["[1,\n2"]


@pytest.mark.parametrize(("made", "laws"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(made: Any, laws: set[str]) -> None:
    """The error names the law that is broken."""
    with pytest.raises(ConformanceError) as caught:
        check_output_parser(made(), ANSWERS, broken=BROKEN, as_runnable=False)

    assert laws <= set(caught.value.laws)


def test_what_is_fine_is_fine() -> None:
    """The base of the faulty ones breaks no law, so it is the fault that is found; nor does it as a runnable."""
    check_output_parser(Fine(), ANSWERS, broken=BROKEN)


def test_laws_can_be_skipped_by_name() -> None:
    """With a reason; an unknown law is refused, as is a check without an answer."""
    check_output_parser(
        Forgets(), ANSWERS, broken=BROKEN, as_runnable=False, skip={"tells-output": "answers are secret"}
    )
    with pytest.raises(ValueError, match="unknown"):
        check_output_parser(Fine(), ANSWERS, as_runnable=False, skip={"no-such-law": "why"})
    with pytest.raises(ValueError, match="at least one answer"):
        check_output_parser(Fine(), [])


async def test_from_inside_a_loop() -> None:
    """The async twin runs in a thread."""
    await acheck_output_parser(Fine(), ANSWERS, broken=BROKEN, as_runnable=False)

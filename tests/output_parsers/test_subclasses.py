"""Parsers that build on those of plait: what they write counts in every mode, in streams too."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from plait.messages import AIMessage, AIMessageChunk
from plait.output_parsers import (
    CommaSeparatedListOutputParser,
    JsonOutputParser,
    JsonOutputToolsParser,
    NumberedListOutputParser,
    PydanticOutputParser,
    PydanticToolsParser,
    XMLOutputParser,
)
from plait.runnables import RunnableLambda


class Point(BaseModel):
    x: int


class Wrapped(JsonOutputParser):
    def parse_result(self, result: Any, *, partial: bool = False) -> Any:
        value = super().parse_result(result, partial=partial)
        return None if value is None else {"of": value}


class Quoted(PydanticOutputParser[Point]):
    def parse(self, text: str) -> Point:
        return super().parse(text.replace("'", '"'))


class Mixin:
    def parse(self, text: str) -> Any:
        return [text]


class Mixed(Mixin, JsonOutputParser):
    pass


class MixedMore(Mixed):
    pass


class Upper(CommaSeparatedListOutputParser):
    def parse(self, text: str) -> list[str]:
        return [item.upper() for item in super().parse(text)]


class First(NumberedListOutputParser):
    def parse(self, text: str) -> list[str]:
        return super().parse(text)[:1]


class Inner(XMLOutputParser):
    def parse(self, text: str) -> dict[str, Any]:
        [value] = super().parse(text).values()
        return {"inner": value}


class Named(JsonOutputToolsParser):
    def parse_result(self, result: Any, *, partial: bool = False) -> Any:
        return {call["type"]: call["args"] for call in super().parse_result(result, partial=partial)}


class Valid(PydanticToolsParser):
    def parse_result(self, result: Any, *, partial: bool = False) -> Any:
        return {"calls": super().parse_result(result, partial=partial)}


CALLS = AIMessage("", tool_calls=[{"name": "Point", "args": {"x": 1}, "id": "1"}])


@pytest.mark.parametrize(
    ("parser", "given", "value"),
    [
        (Wrapped(), '{"a": 1}', {"of": {"a": 1}}),
        (Quoted(pydantic_object=Point), "{'x': 1}", Point(x=1)),
        (Mixed(), "text", ["text"]),
        (MixedMore(), "text", ["text"]),
        (Upper(), "a, b", ["A", "B"]),
        (First(), "1. a\n2. b\n", ["a"]),
        (Inner(), "<a><b>1</b></a>", {"inner": [{"b": "1"}]}),
        (Named(), CALLS, {"Point": {"x": 1}}),
        (Valid(tools=[Point]), CALLS, {"calls": [Point(x=1)]}),
    ],
)
def test_what_a_subclass_writes_counts(run: Any, parser: Any, given: Any, value: Any) -> None:
    """``parse`` or ``parse_result``, whatever it builds on, of a text and of its pieces."""
    assert run(parser, given) == value
    if isinstance(given, str):
        assert list((RunnableLambda(list) | parser.map()).stream([given])) == [[value]]
        assert list(parser.transform(iter(given)))[-1] == value


def test_a_result_that_is_parsed_anew_still_streams() -> None:
    """With ``partial``, as far as it can be read; what cannot be read yet is left out."""
    assert list(Wrapped().transform(iter(['{"a": ', '"x', 'y"}']))) == [
        {"of": {}},
        {"of": {"a": "x"}},
        {"of": {"a": "xy"}},
    ]
    assert list(Wrapped(diff=True).transform(iter(['{"a": "x', 'y"}']))) == [
        [{"op": "replace", "path": "", "value": {"of": {"a": "x"}}}],
        [{"op": "replace", "path": "/of/a", "value": "xy"}],
    ]


async def test_calls_that_are_parsed_anew_still_stream() -> None:
    """Chunk by chunk, in async code too."""

    async def chunks() -> Any:
        for args in ('{"x": 1', "2}"):
            yield AIMessageChunk("", tool_call_chunks=[{"name": "Point", "args": args, "id": "1", "index": 0}])

    values = [value async for value in Valid(tools=[Point]).atransform(chunks())]
    assert values == [{"calls": [Point(x=1)]}, {"calls": [Point(x=12)]}]


def test_what_a_subclass_writes_does_not_block_the_loop() -> None:
    """It runs in a thread, as the ``parse`` of any parser does."""
    threads: list[Any] = []

    class Slow(JsonOutputParser):
        def parse(self, text: str) -> Any:
            threads.append(threading.current_thread())
            return super().parse(text)

    assert asyncio.run(Slow().ainvoke("[1]")) == [1]
    assert threading.main_thread() not in threads

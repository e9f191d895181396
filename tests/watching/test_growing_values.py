"""A value that grows, as parsers of JSON give it, is watched for what is new in it; what was told never changes."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import sys
import weakref
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait import (
    BaseCallbackHandler,
    JsonOutputParser,
    JsonOutputToolsParser,
    Runnable,
    RunnableGenerator,
    RunnableParallel,
    RunnablePassthrough,
)
from plait.merging import DictSnapshot, Growth, merge_all, snapshot
from plait.messages import AIMessageChunk
from plait.watching.values import Copies


def pieces_of(*pieces: Any) -> Runnable[Any, Any]:
    async def stream(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for _ in chunks:
            for piece in pieces:
                yield piece

    return RunnableGenerator(stream)


def cut(text: str, size: int = 4) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def items_of(count: int) -> str:
    return json.dumps({"items": [{"id": number, "tags": ["a", "b"], "size": {"x": 1}} for number in range(count)]})


async def events(chain: Runnable[Any, Any]) -> list[Any]:
    return [each["data"]["chunk"] async for each in chain.astream_events(None) if "chunk" in each["data"]]


async def patches(chain: Runnable[Any, Any]) -> list[Any]:
    return [patch async for patch in chain.astream_log(None)]


async def added(chain: Runnable[Any, Any]) -> Any:
    log: Any = None
    async for patch in chain.astream_log(None):
        log = patch if log is None else log + patch
    return log


def calls_of(consume: Callable[[Any], Any], chain: Runnable[Any, Any]) -> int:
    """How many functions of Python are called to watch a stream to its end."""
    calls = 0

    def called(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()

    async def watch() -> None:  # without a result, of which a task may make the repr
        await consume(chain)

    sys.setprofile(called)
    try:
        asyncio.run(watch(), debug=False)
    finally:
        sys.setprofile(before)
    return calls


def of_json(text: str) -> Runnable[Any, Any]:
    return pieces_of(*cut(text)) | JsonOutputParser()


def of_calls(text: str) -> Runnable[Any, Any]:
    chunks = [
        AIMessageChunk("", tool_call_chunks=[{"name": None, "args": each, "id": None, "index": 0}])
        for each in cut(text)
    ]
    begin = AIMessageChunk("", tool_call_chunks=[{"name": "f", "args": "", "id": "1", "index": 0}])
    return pieces_of(begin, *chunks) | JsonOutputToolsParser()


def of_branches(text: str) -> Runnable[Any, Any]:
    return pieces_of(*cut(text)) | RunnableParallel(a=JsonOutputParser(), b=JsonOutputParser().pick("items"))


def of_assign(text: str) -> Runnable[Any, Any]:
    return of_json(text) | RunnablePassthrough.assign(more=len)


@pytest.mark.parametrize("make", [of_json, of_calls, of_branches, of_assign])
@pytest.mark.parametrize("consume", [events, patches, added])
def test_watching_is_linear(consume: Callable[[Any], Any], make: Callable[[str], Any]) -> None:
    """Four times the value takes about four times the steps to watch, though each chunk is the whole so far."""
    calls_of(consume, make(items_of(1)))  # what is loaded at first use

    assert calls_of(consume, make(items_of(60))) < 5 * calls_of(consume, make(items_of(15)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=25)
@given(st.dictionaries(st.text(max_size=2), JSON, max_size=4), st.integers(1, 5))
def test_what_is_told_is_what_is_streamed(value: dict[str, Any], size: int) -> None:
    """The copies are those values, also when the stream has ended, and their sum is the value."""
    chain = pieces_of(*cut(json.dumps(value), size)) | JsonOutputParser()

    async def told() -> tuple[list[Any], list[Any], Any]:
        streamed = [copy.deepcopy(chunk) async for chunk in chain.astream(None)]
        parsed = [each async for each in chain.astream_events(None, include_types=["parser"])]
        return (
            streamed,
            [each["data"]["chunk"] for each in parsed if each["event"] == "on_parser_stream"],
            await added(chain),
        )

    streamed, chunks, log = asyncio.run(told())
    assert (
        chunks == log.state["streamed_output"] == log.state["logs"]["JsonOutputParser"]["streamed_output"] == streamed
    )
    assert merge_all(chunks) == merge_all(log.state["streamed_output"]) == value


def test_a_reader_may_change_what_it_was_told() -> None:
    """Keys that a listener takes away or adds are there, or not there, in what comes next."""
    values: list[Any] = [{"a": [1]}, {"a": [1, 2]}, {"a": [1, 2], "b": {}}, {"a": [1, 2], "b": {"c": 1}}]
    growth, copies = Growth(), Copies(keep=True)

    for value in values:
        told = copies.of(snapshot(value, growth))
        assert told == value
        if "b" in told:
            told["b"]["c"] = told["b"]["d"] = "changed"
        told["a"].append("more")
        told["x"] = told.pop("a")


def test_the_chain_may_change_what_it_streams() -> None:
    """What was copied stays, whatever is done to the value behind."""
    whole: list[Any] = [1, [2]]
    copies, growth = Copies(keep=True), Growth()
    first = copies.of(snapshot({"a": whole}, growth))
    second = copies.of(snapshot({"a": whole, "b": []}, growth))
    whole.append(3)
    whole[1].append(4)

    assert (first, second) == ({"a": [1, [2]]}, {"a": [1, [2]], "b": []})
    assert second["a"] is first["a"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a": [[1], [2]]}, {"a": [[3], [4], [5]]}),
        ({"a": [[1], [2]]}, {"a": {"0": [1]}}),
        ({"a": {"b": [1]}}, {"a": [[1]]}),
        ({"a": [[1], [2], [3]]}, {"a": [[1]]}),
        ({"a": [1, 2]}, {"a": [True, 2, 3]}),
        ([[1], [2]], {"0": [1]}),
        ({}, {"a": []}),
    ],
)
def test_another_value_in_its_place(before: Any, after: Any) -> None:
    """A key that comes twice, or an answer that begins again, leaves nothing of what was there before."""
    growth, copies = Growth(), Copies(keep=True)
    copies.of(snapshot(before, growth))
    told = copies.of(snapshot(after, growth))

    assert told == after
    assert repr(told) == repr(after)


def test_nothing_is_kept_of_a_value_that_is_gone() -> None:
    """Copies of one stream do not keep what grew in it alive."""
    growth, copies = Growth(), Copies(keep=True)
    told = copies.of(snapshot({"a": [1]}, growth))
    gone = weakref.ref(growth), weakref.ref(told.growth)
    del growth, told
    gc.collect()

    assert [each() for each in gone] == [None, None]


def test_patches_go_to_another_process() -> None:
    """Operations that hold snapshots can be pickled, and add up there, too."""
    log = pickle.loads(pickle.dumps(asyncio.run(added(of_json(items_of(2))))))

    assert merge_all(log.state["streamed_output"]) == log.state["final_output"] == json.loads(items_of(2))


def test_a_run_keeps_the_last_of_its_snapshots() -> None:
    """A listener does not make the record of a run hold each value that its stream has shown."""
    chain = RunnableGenerator(lambda _: iter(cut(items_of(8)))) | JsonOutputParser()
    stream = chain.stream(None, {"callbacks": [BaseCallbackHandler()]})
    alive = [sum(type(each) is DictSnapshot for each in gc.get_objects()) for _ in stream]

    assert len(alive) > 20
    assert max(alive) - alive[0] < 5

"""Cancelling: it reaches the innermost call, whatever was begun has ended when the task has, and nothing is left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from plait.runnables import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


class Leaf:
    """An endless call that notes when it has begun and how it ended; its end takes a few turns of the loop."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ends: list[str] = []
        self.calls = 0

    async def __call__(self, _: object) -> None:
        self.calls += 1
        try:
            self.begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            for _turn in range(3):
                await asyncio.sleep(0)
            self.ends.append("cancelled")
            raise


SHAPES: dict[str, Callable[[Leaf], Runnable[Any, Any]]] = {
    "alone": RunnableLambda,
    "in a chain": lambda leaf: RunnablePassthrough() | leaf | RunnablePassthrough(),
    "in a dict": lambda leaf: RunnableParallel(a=leaf, b=leaf, c=RunnablePassthrough()),
    "in a dict in a dict": lambda leaf: RunnableParallel(a={"b": leaf, "c": leaf}, d=leaf),
    "in a map": lambda leaf: RunnableLambda(lambda _: [1, 2, 3]) | RunnableLambda(leaf).map(),
    "behind a dict": lambda leaf: RunnableParallel(a=str, b=str) | leaf,
    "as an added key": lambda leaf: RunnableParallel(a=str) | RunnablePassthrough.assign(b=leaf),
    "chosen": lambda leaf: RunnableBranch((lambda _: True, leaf), str),
    "as a condition": lambda leaf: RunnableBranch((leaf, str), str),
    "routed to": lambda leaf: RunnableLambda(lambda n: {"key": "k", "input": n}) | RouterRunnable({"k": leaf}),
    "bound": lambda leaf: RunnableLambda(leaf).with_config(tags=["t"]).bind(),
    "given by a function": lambda leaf: RunnableLambda(lambda _: RunnableLambda(leaf)),
    "called in an async function": lambda leaf: _calling(leaf),
    "as an effect": lambda leaf: RunnablePassthrough(leaf),
    "far behind": lambda leaf: RunnablePassthrough().pipe(*[RunnableLambda(str, chunkwise=True)] * 60, leaf),
}


def _calling(leaf: Leaf) -> Runnable[Any, Any]:
    async def call(_: object) -> Any:
        return await RunnableParallel(a=leaf, b=leaf).ainvoke(1)

    return RunnableLambda(call)


async def _all(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


VERBS: dict[str, Callable[[Any], Any]] = {
    "ainvoke": lambda chain: chain.ainvoke(0),
    "ainvoke with a limit": lambda chain: chain.ainvoke(0, {"max_concurrency": 2}),
    "astream": lambda chain: _all(chain.astream(0)),
    "astream with a limit": lambda chain: _all(chain.astream(0, {"max_concurrency": 2})),
    "abatch": lambda chain: chain.abatch([0, 1]),
    "abatch with a limit": lambda chain: chain.abatch([0, 1], {"max_concurrency": 1}),
    "abatch_as_completed": lambda chain: _all(chain.abatch_as_completed([0, 1])),
    "abatch_iter": lambda chain: _all(chain.abatch_iter([0, 1])),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("shape", SHAPES)
async def test_cancelling_reaches_the_innermost_call(shape: str, verb: str) -> None:
    """P04: when a cancelled call has ended, every call inside was cancelled and has ended, and no task is left."""
    leaf = Leaf()
    task = asyncio.ensure_future(VERBS[verb](SHAPES[shape](leaf)))
    async with asyncio.timeout(SOON):
        await leaf.begun.wait()
        task.cancel()
        await asyncio.wait([task], timeout=SOON)

    assert task.cancelled()
    assert leaf.ends == ["cancelled"] * leaf.calls
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("verb", VERBS)
async def test_cancelling_twice_does_not_hurry(verb: str) -> None:
    """P04: whoever cancels again while things end has to wait for them all the same."""
    leaf = Leaf()
    task = asyncio.ensure_future(VERBS[verb](SHAPES["in a dict in a dict"](leaf)))
    async with asyncio.timeout(SOON):
        await leaf.begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=SOON)

    assert task.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_timeout_around_a_call_ends_it() -> None:
    """P04: asyncio.timeout around a call cancels what runs inside, and is the error that the caller sees."""
    leaf = Leaf()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await SHAPES["in a dict in a dict"](leaf).ainvoke(0)
    assert leaf.ends == ["cancelled"] * 3


@pytest.mark.parametrize("verb", VERBS)
async def test_sync_function_in_a_thread_has_ended_when_the_cancelled_call_has(verb: str) -> None:
    """P04: a thread cannot be cancelled, so that the cancelled call waits for it and leaves nothing running behind."""
    begun, cancelled, ended = threading.Event(), threading.Event(), []

    def work(_: object) -> None:
        begun.set()
        cancelled.wait(SOON)
        threading.Event().wait(0.01)  # what the call has to wait for
        ended.append("thread")

    task = asyncio.ensure_future(VERBS[verb](RunnableParallel(a=work, b=str)))
    await asyncio.to_thread(begun.wait, SOON)
    task.cancel()
    await asyncio.sleep(0)
    cancelled.set()
    await asyncio.wait([task], timeout=SOON)

    assert task.cancelled()
    assert ended


async def test_sync_generator_that_waits_for_an_async_step_is_cancelled() -> None:
    """P04: a sync generator that reads an async stream ends when the call is cancelled, and the stream has ended, too."""
    reading, ended = asyncio.Event(), []

    async def source(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        try:
            async for _ in chunks:
                yield "a"
                reading.set()
                await asyncio.Event().wait()
        finally:
            for _turn in range(10):
                await asyncio.sleep(0)
            ended.append("source")

    def reader(chunks: Iterator[str]) -> Iterator[str]:
        try:
            for chunk in chunks:
                yield chunk
        finally:
            ended.append("reader")

    task = asyncio.ensure_future(_all((RunnableGenerator(source) | reader).astream(0)))
    async with asyncio.timeout(SOON):
        await reading.wait()
        task.cancel()
        await asyncio.wait([task], timeout=SOON)

    assert task.cancelled()
    assert sorted(ended) == ["reader", "source"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_close_while_a_sync_generator_waits_for_an_async_step() -> None:
    """P04: a stream whose reader was cancelled in the middle of a chunk can be closed, and is then over."""
    reading, ended = asyncio.Event(), []

    async def source(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
        try:
            async for _ in chunks:
                reading.set()
                await asyncio.Event().wait()
                yield "a"
        finally:
            for _turn in range(10):
                await asyncio.sleep(0)
            ended.append("source")

    def reader(chunks: Iterator[str]) -> Iterator[str]:
        yield from chunks

    stream = (RunnableGenerator(source) | reader | reader).astream(0)
    task = asyncio.ensure_future(anext(stream))  # type: ignore[arg-type]  # it is a coroutine
    async with asyncio.timeout(SOON):
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert ended == ["source"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelled_error_of_a_step_is_not_swallowed() -> None:
    """P25: a CancelledError that a step raises itself ends the call as a cancellation."""

    async def give_up(_: object) -> None:
        raise asyncio.CancelledError

    for chain in (RunnableLambda(give_up), RunnableParallel(a=give_up, b=str), RunnableLambda(give_up).map()):
        with pytest.raises(asyncio.CancelledError):
            await chain.ainvoke([1])


async def test_what_a_cancelled_call_raises_instead_is_raised() -> None:
    """P04: an exception that a call raises while it is cancelled does not stop the others from ending."""
    begun, ended = asyncio.Event(), []

    async def stubborn(_: object) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            raise LookupError

    async def patient(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("patient")

    task = asyncio.ensure_future(RunnableParallel(a=stubborn, b=patient).ainvoke(0))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=SOON)

    assert task.cancelled() or isinstance(task.exception(), LookupError)
    assert ended == ["patient"]


async def test_chain_can_be_used_again_after_a_cancellation() -> None:
    """A chain holds no state of a call: one that was cancelled leaves it as it was."""
    leaf = Leaf()
    chain = RunnableParallel(a=lambda n: RunnableLambda(leaf) if n == 0 else n, b=str)

    task = asyncio.ensure_future(chain.ainvoke(0))
    await leaf.begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=SOON)

    assert await chain.ainvoke(1) == {"a": 1, "b": "1"}

"""Thousands of rounds leave nothing: threads, tasks, files, objects and memory are flat once the engine is warm."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plait.runnables import (
    RouterRunnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts by /proc"),
]

SOON = 10.0  # seconds that nobody has to wait unless something is wrong
ROUNDS = 10_000
WARM = 2_000  # rounds after which nothing may grow


class Silent:
    def on_run_start(self, run: object) -> None: ...

    def on_run_chunk(self, run: object, chunk: object) -> None: ...

    def on_run_end(self, run: object) -> None: ...


def add_1(number: int) -> int:
    return number + 1


async def aadd_1(number: int) -> int:
    return number + 1


def fail(_: object) -> None:
    raise LookupError


def endless(chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        while True:
            yield chunk


async def aendless(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    async for chunk in chunks:
        while True:
            yield chunk


def fresh() -> Any:
    """A chain of new functions and classes, which a cache that remembers users' objects would keep."""

    class Plus:
        def __call__(self, number: int, config: RunnableConfig) -> int:
            return number + 1

    return (
        RunnableLambda(Plus())
        | (lambda number: number + 1)
        | {"a": lambda number: number, "b": RunnableBranch((lambda number: number > 0, Plus()), add_1)}
        | RunnablePassthrough.assign(c=lambda given: given["a"])
        | (lambda given: given["c"])
    )


SOURCE = RunnableGenerator(endless, aendless)
BRANCHES = {"a": RunnablePassthrough(), "b": RunnableLambda(add_1, chunkwise=True)}
FAILING = RunnableLambda(add_1) | {"a": add_1, "b": fail} | add_1


def taken(stream: Any, count: int) -> None:
    for _ in range(count):
        next(stream)
    stream.close()


def failed(call: Callable[[], Any]) -> None:
    with pytest.raises(LookupError):
        call()


SYNC: list[Callable[[], Any]] = [
    lambda: fresh().invoke(1),
    lambda: fresh().invoke(1, {"tags": ["t"], "callbacks": [Silent()], "max_concurrency": 2}),
    lambda: list(fresh().stream(1)),
    lambda: fresh().batch([1, 2, 3]),
    lambda: fresh().batch([1, 2, 3], {"max_concurrency": 2}, return_exceptions=True),
    lambda: list(fresh().batch_as_completed([1, 2, 3])),
    lambda: taken((SOURCE | BRANCHES).stream(1), 3),
    lambda: taken(RunnableSequence(SOURCE, *[RunnablePassthrough().bind()] * 60).stream(1), 3),
    lambda: taken(RunnableLambda(add_1).batch_as_completed(iter(range(50))), 3),
    lambda: taken((SOURCE | RunnableLambda(lambda number: RunnablePassthrough(), chunkwise=True)).stream(1), 3),
    lambda: failed(lambda: FAILING.invoke(1)),
    lambda: failed(lambda: list(FAILING.stream(1, {"callbacks": [Silent()]}))),
    lambda: failed(lambda: FAILING.batch([1, 2])),
    lambda: failed(lambda: list(FAILING.batch_iter([1, 2]))),
    lambda: RunnableLambda(lambda number: [number] * 3).pipe(RunnableLambda(add_1).map()).invoke(1),
    lambda: RouterRunnable({"k": add_1}).with_config(tags=["t"]).invoke({"key": "k", "input": 1}),
    lambda: RunnableLambda(lambda number: fresh()).invoke(1),
]


async def ataken(stream: Any, count: int) -> None:
    for _ in range(count):
        await anext(stream)
    await stream.aclose()


async def dropped(stream: Any) -> None:
    await anext(stream)


async def afailed(call: Awaitable[Any]) -> None:
    with pytest.raises(LookupError):
        await call


async def all_of(stream: Any) -> list[Any]:
    return [chunk async for chunk in stream]


async def cancelled(call: Any) -> None:
    task = asyncio.ensure_future(call)
    for _ in range(3):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=SOON)


async def forever(_: object) -> None:
    await asyncio.Event().wait()


ASYNC: list[Callable[[], Awaitable[Any]]] = [
    lambda: fresh().ainvoke(1),
    lambda: RunnableParallel(a=aadd_1, b=aadd_1).ainvoke(1, {"callbacks": [Silent()], "max_concurrency": 2}),
    lambda: all_of(fresh().astream(1)),
    lambda: fresh().abatch([1, 2, 3], {"max_concurrency": 2}),
    lambda: all_of(RunnableLambda(aadd_1).abatch_as_completed(range(5))),
    lambda: ataken((SOURCE | BRANCHES).astream(1), 3),
    lambda: ataken(RunnableSequence(SOURCE, *[RunnablePassthrough().bind()] * 60).astream(1), 3),
    lambda: ataken((RunnableGenerator(endless) | BRANCHES).astream(1), 3),
    lambda: ataken(RunnableLambda(aadd_1).abatch_iter(iter(range(50))), 3),
    lambda: dropped((SOURCE | BRANCHES).astream(1)),
    lambda: afailed(FAILING.ainvoke(1)),
    lambda: afailed(all_of(FAILING.astream(1, {"callbacks": [Silent()]}))),
    lambda: afailed(FAILING.abatch([1, 2])),
    lambda: cancelled(RunnableParallel(a=forever, b={"c": forever}).ainvoke(1)),
    lambda: cancelled(all_of((RunnableLambda(aadd_1) | {"a": forever, "b": RunnablePassthrough()}).astream(1))),
    lambda: cancelled(RunnableLambda(forever).abatch([1, 2], {"max_concurrency": 1})),
]


def census() -> dict[str, int]:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return {
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - a path for each would be one more
        "objects": len(gc.get_objects()),
        "kilobytes": resident,
    }


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """What has grown by more than chance: idle threads come and go, and the allocator keeps some pages."""
    allowed = {"threads": 20, "files": 0, "objects": 300, "kilobytes": 8_000}
    return {key: after[key] - before[key] for key in before if after[key] - before[key] > allowed[key]}


def test_sync_rounds_leave_nothing() -> None:
    """After 10,000 rounds of build, invoke, stream, abandon and fail, nothing has grown."""
    before: dict[str, int] = {}
    for number in range(ROUNDS):
        if number == WARM:
            before = census()
        SYNC[number % len(SYNC)]()

    assert grown(before, census()) == {}


async def test_async_rounds_leave_nothing() -> None:
    """After 10,000 rounds of build, invoke, stream, abandon, fail and cancel, nothing has grown, tasks included."""
    asyncio.get_running_loop().set_debug(False)  # it would take five times as long, and note every task
    before: dict[str, int] = {}
    for number in range(ROUNDS):
        if number == WARM:
            before = census()
        await ASYNC[number % len(ASYNC)]()

    for _ in range(50):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert grown(before, census()) == {}


def test_loop_after_loop_leaves_nothing() -> None:
    """A thousand event loops, one after the other, share one process and one chain without leaving anything."""
    chain = RunnableLambda(add_1) | {"a": aadd_1, "b": add_1} | RunnablePassthrough.assign(c=aadd_1_of_a)
    before: dict[str, int] = {}
    for number in range(1_000):
        if number == 200:
            before = census()
        assert asyncio.run(chain.ainvoke(1)) == {"a": 3, "b": 3, "c": 4}

    assert grown(before, census()) == {}


async def aadd_1_of_a(given: dict[str, int]) -> int:
    return given["a"] + 1

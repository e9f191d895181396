"""Closing a stream: when close returns, every ``finally`` above has run, downstream first, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from plait.runnables import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    current_config,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong
BY_CHUNKS = RunnableLambda(lambda chunk: chunk, chunkwise=True)


class Log(list[str]):
    """What was closed, in its order; and what was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def step(self, name: str) -> RunnableGenerator[Any, Any]:
        """A generator, in both colours, that notes its end; the async one needs a few turns of the loop for that."""

        def passed(chunks: Iterator[Any]) -> Iterator[Any]:
            self.begun.append(name)
            try:
                for chunk in chunks:  # `yield from` would hand the close on before it takes part in it
                    yield chunk
            finally:
                self.append(name)

        async def apassed(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
            self.begun.append(name)
            try:
                async for chunk in chunks:
                    yield chunk
            finally:
                for _ in range(3):
                    await asyncio.sleep(0)
                self.append(name)

        return RunnableGenerator(passed, apassed)

    def source(self) -> Runnable[Any, Any]:
        """An endless stream, with a step behind it that notes its end."""

        def endless(chunks: Iterator[Any]) -> Iterator[dict[str, str]]:
            for _ in chunks:
                while True:
                    yield {"x": "a"}

        async def aendless(chunks: AsyncIterator[Any]) -> AsyncIterator[dict[str, str]]:
            async for _ in chunks:
                while True:
                    yield {"x": "a"}

        return RunnableGenerator(endless, aendless) | self.step("source")


class SyncLog(Log):
    """The same without async forms, so that async verbs run it in threads."""

    def step(self, name: str) -> RunnableGenerator[Any, Any]:
        return RunnableGenerator(super().step(name).transform_func)  # type: ignore[arg-type]  # it has both forms


@contextmanager
def orphans() -> Iterator[list[str]]:
    """The async generators that were dropped before they had ended, so that their loop must close them some day."""
    found: list[str] = []
    hooks = sys.get_asyncgen_hooks()

    def note(generator: Any) -> None:
        found.append(generator.__qualname__)
        hooks.finalizer(generator)  # type: ignore[misc]  # a running loop has one

    sys.set_asyncgen_hooks(finalizer=note)
    try:
        yield found
    finally:
        sys.set_asyncgen_hooks(*hooks)


# --------------------------------------------------------------------------------------------------------- one by one


LENGTHS = [1, 2, 3, 5, 20, 60]  # 60 are too many for one stack


@pytest.mark.parametrize("length", LENGTHS)
def test_close_ends_every_step_in_reverse_order(length: int) -> None:
    """P04: when close returns, the steps of a chain of any length have ended, the last step first."""
    log = Log()
    chain = log.source().pipe(*[log.step(str(number)) for number in range(1, length)])

    stream = chain.stream(0)
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator

    assert log == [*[str(number) for number in reversed(range(1, length))], "source"]


@pytest.mark.parametrize("length", LENGTHS)
async def test_aclose_ends_every_step_in_reverse_order(length: int) -> None:
    """P04: when aclose returns, the steps of a chain of any length have ended, the last step first."""
    log = Log()
    chain = log.source().pipe(*[log.step(str(number)) for number in range(1, length)])

    stream = chain.astream(0)
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    assert log == [*[str(number) for number in reversed(range(1, length))], "source"]


@pytest.mark.parametrize("length", LENGTHS)
async def test_aclose_ends_sync_steps_in_reverse_order(length: int) -> None:
    """P04: sync generators that run in threads have ended when aclose returns, too."""
    log = SyncLog()
    chain = log.source().pipe(*[log.step(str(number)) for number in range(1, length)])

    async with asyncio.timeout(SOON):
        stream = chain.astream(0)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator

    assert log == [*[str(number) for number in reversed(range(1, length))], "source"]


# --------------------------------------------------------------------------------------------- whatever stands between


def pair(log: Log) -> RunnableParallel[Any]:
    return RunnableParallel(a=log.step("a"), b=log.step("b"))


def chosen(log: Log) -> Runnable[Any, Any]:
    return RunnableBranch((RunnableLambda(lambda _: True, chunkwise=True), log.step("chosen")), RunnablePassthrough())


# What stands behind an endless source.
BETWEEN: dict[str, Callable[[Log], Any]] = {
    "nothing": lambda log: log.source(),
    "a dict": lambda log: log.source() | pair(log),
    "a dict in a dict": lambda log: log.source() | {"c": pair(log), "d": log.step("d")},
    "steps around a dict": lambda log: log.source() | log.step("1") | pair(log) | log.step("2"),
    "dicts in a row": lambda log: log.source() | pair(log) | {"c": log.step("c"), "d": log.step("d")},
    "added keys": lambda log: log.source() | RunnablePassthrough.assign(n=log.step("n")),
    "a picked key": lambda log: (log.source() | log.step("1")).pick("x") | log.step("2"),
    "a branch": lambda log: log.source() | chosen(log),
    "a branch in a dict": lambda log: log.source() | {"a": chosen(log), "b": log.step("b")},
    "a binding": lambda log: (log.source() | log.step("1").with_config(tags=["t"])).bind(),
    "a named sequence": lambda log: log.source() | log.step("1").pipe(log.step("2"), name="n"),
    "functions by chunks": lambda log: log.source() | BY_CHUNKS | log.step("1") | BY_CHUNKS,
    "a function that gives the source": lambda log: RunnableLambda(lambda _: log.source() | log.step("1")),
    "an async function that gives the source": lambda log: RunnableLambda(lambda _: 0) | _given(log),
    "a function that gives a function that does": (
        lambda log: RunnableLambda(lambda _: RunnableLambda(lambda _: log.source() | pair(log)))
    ),
    "a route": (
        lambda log: (
            RunnableLambda(lambda n: {"key": "k", "input": n}) | RouterRunnable({"k": log.source() | log.step("1")})
        )
    ),
    "a runnable that a function gives for each chunk": (
        lambda log: log.source() | RunnableLambda(lambda _: RunnablePassthrough() | log.step("1"), chunkwise=True)
    ),
    "a dict far behind": lambda log: log.source().pipe(*[BY_CHUNKS] * 60, pair(log)),
    "an effect": lambda log: log.source() | log.step("1") | RunnablePassthrough(lambda _: log.append("effect")),
}


def _given(log: Log) -> Any:
    def give(_: object) -> Any:
        return log.source() | log.step("1")

    async def agive(_: object) -> Any:
        await asyncio.sleep(0)
        return log.source() | log.step("1")

    return RunnableLambda(give, agive)


@pytest.mark.parametrize("config", [None, {"tags": ["t"]}, {"max_concurrency": 1}], ids=["plain", "config", "limit"])
@pytest.mark.parametrize("taken", [1, 4])
@pytest.mark.parametrize("name", BETWEEN)
def test_close_ends_everything(name: str, taken: int, config: RunnableConfig | None) -> None:
    """P04: when close returns, every generator of the chain that was begun has ended, the source as the last."""
    log = Log()

    stream = BETWEEN[name](log).stream(0, config)
    for _ in range(taken):
        next(stream)
    stream.close()

    assert sorted(log) == sorted(log.begun)
    assert log[-1] == "source"


@pytest.mark.parametrize("config", [None, {"tags": ["t"]}, {"max_concurrency": 1}], ids=["plain", "config", "limit"])
@pytest.mark.parametrize("kind", [Log, SyncLog], ids=["async steps", "sync steps"])
@pytest.mark.parametrize("name", BETWEEN)
async def test_aclose_ends_everything(name: str, kind: type[Log], config: RunnableConfig | None) -> None:
    """P04: when aclose returns, every generator of the chain that was begun has ended, and no task of it is left."""
    log = kind()

    async with asyncio.timeout(SOON):
        stream = BETWEEN[name](log).astream(0, config)
        for _ in range(3):
            await anext(stream)
        await stream.aclose()

    assert sorted(log) == sorted(log.begun)
    assert log[-1] == "source" or kind is SyncLog  # a pull that is cancelled on its way ends from the source on
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("kind", [Log, SyncLog], ids=["async steps", "sync steps"])
@pytest.mark.parametrize("name", [*BETWEEN, "one step"])
async def test_aclose_leaves_nothing_to_the_garbage_collector(name: str, kind: type[Log]) -> None:
    """P04: every async generator that a stream opened is closed when aclose returns, not dropped for the loop to find."""
    log = kind()
    chain = log.step("alone") if name == "one step" else BETWEEN[name](log)

    with orphans() as left:
        stream = chain.astream(0)
        await anext(stream)
        await stream.aclose()
        del stream
    assert left == []


@pytest.mark.parametrize("name", BETWEEN)
async def test_stream_that_ends_leaves_nothing_to_the_garbage_collector(name: str) -> None:
    """P04: a stream that is read to its end leaves no async generator open either."""
    log = Log()
    log.source = lambda: RunnableLambda(lambda _: {"x": "a"})  # type: ignore[method-assign]  # a stream of one chunk

    with orphans() as left:
        assert [chunk async for chunk in BETWEEN[name](log).astream(0)]
    assert left == []


# ----------------------------------------------------------------------------------------------------- other endings


def test_error_ends_every_step() -> None:
    """P04: when a step fails, those above it have ended by the time that the error is raised."""
    log = Log()

    def fail(chunks: Iterator[Any]) -> Iterator[Any]:
        yield next(chunks)
        raise LookupError

    stream = (log.source() | log.step("1") | fail | log.step("2")).stream(0)
    next(stream)
    with pytest.raises(LookupError):
        next(stream)
    assert log == ["2", "1", "source"]


async def test_error_ends_every_async_step() -> None:
    """P04: when an async step fails, those above it have ended by the time that the error is raised."""
    log = Log()

    async def fail(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        yield await anext(chunks)
        raise LookupError

    stream = (log.source() | log.step("1") | fail | log.step("2")).astream(0)
    await anext(stream)
    with pytest.raises(LookupError):
        await anext(stream)
    assert log == ["2", "1", "source"]


def test_step_that_stops_early_ends_those_above_it() -> None:
    """P04: when a step has enough and the stream ends, what is above it has ended as well."""
    log = Log()

    def two(chunks: Iterator[Any]) -> Iterator[Any]:
        yield next(chunks)
        yield next(chunks)

    assert len(list((log.source() | log.step("1") | two | log.step("2")).stream(0))) == 2
    assert log == ["2", "1", "source"]


async def test_async_step_that_stops_early_ends_those_above_it() -> None:
    """P04: when a step has enough and the stream ends, what is above it has ended as well."""
    log = Log()

    async def two(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        yield await anext(chunks)
        yield await anext(chunks)

    assert len([chunk async for chunk in (log.source() | log.step("1") | two | log.step("2")).astream(0)]) == 2
    assert log == ["2", "1", "source"]


def bad_end(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        for chunk in chunks:
            yield chunk
    finally:
        raise LookupError("at the end")


async def abad_end(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        raise LookupError("at the end")


@pytest.mark.parametrize("place", [1, 2, 3])
def test_error_in_a_finally_is_raised_by_close_and_the_others_run(place: int) -> None:
    """P04: a finally that fails does not keep those above it from running; close raises what it raised."""
    log = Log()
    steps = [log.source(), log.step("1"), log.step("2")]
    steps.insert(place, RunnableGenerator(bad_end))

    stream = steps[0].pipe(*steps[1:]).stream(0)
    next(stream)
    with pytest.raises(LookupError, match="at the end"):
        stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert log == ["2", "1", "source"]


@pytest.mark.parametrize("place", [1, 2, 3])
async def test_error_in_a_finally_is_raised_by_aclose_and_the_others_run(place: int) -> None:
    """P04: a finally that fails does not keep those above it from running; aclose raises what it raised."""
    log = Log()
    steps = [log.source(), log.step("1"), log.step("2")]
    steps.insert(place, RunnableGenerator(abad_end))

    stream = steps[0].pipe(*steps[1:]).astream(0)
    await anext(stream)
    with pytest.raises(LookupError, match="at the end"):
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert log == ["2", "1", "source"]


def test_error_in_the_finally_of_a_branch_is_raised_by_close() -> None:
    """P04: a finally that fails in a branch does not keep the other branch, nor the source, from ending."""
    log = Log()

    stream = (log.source() | {"a": bad_end, "b": log.step("b")}).stream(0)
    while not {"a", "b"} <= {key for _ in range(2) for key in next(stream)}:
        pass
    with pytest.raises(LookupError, match="at the end"):
        stream.close()  # type: ignore[attr-defined]  # it is a generator
    assert sorted(log) == ["b", "source"]


async def test_error_in_the_finally_of_an_async_branch_is_raised_by_aclose() -> None:
    """P04: a finally that fails in a branch does not keep the other branch, nor the source, from ending."""
    log = Log()

    stream = (log.source() | {"a": abad_end, "b": log.step("b")}).astream(0)
    while not {"a", "b"} <= {*await anext(stream), *await anext(stream)}:
        pass
    with pytest.raises(LookupError, match="at the end"):
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert sorted(log) == ["b", "source"]


def test_stream_that_was_never_pulled_does_nothing() -> None:
    """A stream that is closed, or dropped, before its first chunk has run nothing and warns of nothing."""
    log = Log()
    chain = log.source() | log.step("1") | pair(log)

    chain.stream(0).close()  # type: ignore[attr-defined]  # it is a generator
    chain.stream(0)
    assert log == []


async def test_async_stream_that_was_never_pulled_does_nothing() -> None:
    """A stream that is closed, or dropped, before its first chunk has run nothing and warns of nothing."""
    log = Log()
    chain = log.source() | log.step("1") | pair(log)

    await chain.astream(0).aclose()  # type: ignore[attr-defined]  # it is a generator
    chain.astream(0)
    assert log == []


def test_closing_twice_and_after_the_end_is_no_error() -> None:
    """What has ended can be closed again."""
    stream = (RunnablePassthrough() | RunnableParallel(a=RunnablePassthrough(), b=RunnablePassthrough())).stream(0)
    list(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator
    stream.close()  # type: ignore[attr-defined]  # it is a generator


def test_dropped_stream_ends_at_once() -> None:
    """P04: a for loop that breaks drops the stream, and everything in it has ended."""
    log = Log()

    for _ in (log.source() | log.step("1") | BY_CHUNKS).stream(0):
        break

    assert log == ["1", "source"]


@pytest.mark.parametrize("kind", [Log, SyncLog], ids=["async steps", "sync steps"])
@pytest.mark.parametrize("name", BETWEEN)
async def test_dropped_async_stream_is_ended_by_the_loop(
    name: str, kind: type[Log], caplog: pytest.LogCaptureFixture
) -> None:
    """P49: an async stream that is dropped and collected ends soon, and nobody logs an error."""
    log = kind()

    async for _ in BETWEEN[name](log).astream(0):
        break

    for _turn in range(1_000):  # the loop closes it when it likes
        await asyncio.sleep(0.001)
        if sorted(log) == sorted(log.begun) and asyncio.all_tasks() == {asyncio.current_task()}:
            break
    assert sorted(log) == sorted(log.begun)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert "source" in log
    assert not caplog.records


@pytest.mark.parametrize("name", BETWEEN)
async def test_stream_can_be_closed_in_another_task(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """P49: a stream that one task has begun can be closed by another, with a config or without."""
    for config in (None, {"tags": ["t"]}):
        log = Log()
        stream = BETWEEN[name](log).astream(0, config)

        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]  # it is a coroutine
        await asyncio.create_task(anext(stream))  # type: ignore[arg-type]  # it is a coroutine
        await asyncio.create_task(stream.aclose())

        assert sorted(log) == sorted(log.begun)
    assert not caplog.records


def test_stream_can_be_closed_in_another_thread() -> None:
    """P49: a stream that one thread has begun can be closed by another."""
    log = Log()
    stream = (log.source() | log.step("1") | pair(log)).stream(0, {"tags": ["t"]})
    next(stream)

    thread = threading.Thread(target=stream.close)  # type: ignore[attr-defined]  # it is a generator
    thread.start()
    thread.join(SOON)

    assert sorted(log) == sorted(log.begun)
    assert "source" in log


def test_finally_runs_under_the_config_of_its_step() -> None:
    """P09: code in a finally has the config of its call in force, as the code before it."""
    seen: list[Any] = []

    def noted(chunks: Iterator[Any]) -> Iterator[Any]:
        try:
            for chunk in chunks:
                yield chunk
        finally:
            seen.append(current_config()["tags"])

    for build in (lambda: RunnableGenerator(noted), lambda: RunnablePassthrough() | noted | RunnablePassthrough()):
        stream = build().stream(0, {"tags": ["t"]})
        next(stream)
        stream.close()
    assert seen == [["t"], ["t"]]


async def test_finally_runs_under_the_config_of_its_async_step() -> None:
    """P09: code in a finally has the config of its call in force, as the code before it."""
    seen: list[Any] = []

    async def noted(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            seen.append(current_config()["tags"])

    for build in (lambda: RunnableGenerator(noted), lambda: RunnablePassthrough() | noted | RunnablePassthrough()):
        async with aclosing(build().astream(0, {"tags": ["t"]})) as stream:
            await anext(stream)
    assert seen == [["t"], ["t"]]


def test_stream_in_a_cycle_that_its_own_branch_collects_does_not_wait_for_itself() -> None:
    """P04: an abandoned stream in a reference cycle may be collected on a thread of its own, which must not wait for itself."""
    started, collect, collected = threading.Event(), threading.Event(), threading.Event()

    def slow(_: object) -> int:
        started.set()
        collect.wait(SOON)
        gc.collect()
        collected.set()
        return 1

    def abandon() -> None:
        stream = RunnableParallel(fast=lambda _: 1, slow=slow).stream(0)
        cycle: list[Any] = [stream]
        cycle.append(cycle)
        next(stream)
        started.wait(SOON)

    gc.disable()
    try:
        abandon()
        collect.set()
        assert collected.wait(2)
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["nothing", "a dict", "a branch", "a named sequence"])
def test_input_of_transform_is_ended_with_the_stream(name: str) -> None:
    """P04: chunks that the caller hands in, as a generator, are part of the stream: close ends them, too."""
    log = Log()
    behind: dict[str, Any] = {
        "nothing": log.step("1"),
        "a dict": pair(log),
        "a branch": chosen(log),
        "a named sequence": log.step("1").pipe(log.step("2"), name="n"),
    }

    def chunks() -> Iterator[dict[str, str]]:
        try:
            while True:
                yield {"x": "a"}
        finally:
            log.append("chunks")

    source = chunks()
    stream = behind[name].transform(source)
    next(stream)
    stream.close()

    assert log[-1] == "chunks"

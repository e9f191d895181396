"""The hand-over to the consumer of a log or of events: the bound, failures, and every way in which it can end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest

from plait import RunnableGenerator, RunnableLambda, RunnableParallel
from plait.runnables import Runnable
from plait.watching.feed import AHEAD

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


class Source:
    """A stream that counts what it has made, and notes that it has ended."""

    def __init__(self, count: int = 1_000_000, failure: BaseException | None = None) -> None:
        self.count = count
        self.failure = failure
        self.made = 0
        self.ended = False

    async def chunks(self, input: AsyncIterator[Any]) -> AsyncIterator[int]:
        try:
            while self.made < self.count:
                self.made += 1
                yield self.made
            if self.failure is not None:
                raise self.failure
        finally:
            await asyncio.sleep(0)  # an end that takes its time is waited for
            self.ended = True

    @property
    def chain(self) -> Runnable[Any, Any]:
        return RunnableGenerator(self.chunks)


async def idle() -> None:
    """Let everything go on that can."""
    for _ in range(300):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110 - it may become true in another thread
            await asyncio.sleep(0.001)


# ------------------------------------------------------------------------------------------------------------- bound


async def test_chain_is_a_bounded_number_of_patches_ahead() -> None:
    """N14: while the consumer has taken k patches, a fast chain has made exactly k + 64."""
    source = Source()
    async with aclosing(source.chain.astream_log(None)) as log:
        await anext(log)  # the first is no chunk
        await idle()
        assert source.made == AHEAD
        for _ in range(10):
            await anext(log)
        await idle()
        assert source.made == AHEAD + 10


async def test_events_are_bounded_too() -> None:
    """N14: the same holds for events."""
    source = Source()
    async with aclosing(source.chain.astream_events(None)) as events:
        await anext(events)
        await idle()
        assert source.made == AHEAD


async def test_thread_waits_for_room() -> None:
    """N14: a sync stream inside a sync function, which runs in a thread, stops there when the buffer is full."""
    made: list[int] = []

    def numbers(input: Iterator[Any]) -> Iterator[int]:
        for number in range(500):
            made.append(number)
            yield number

    def count(input: Any) -> int:
        return sum(RunnableGenerator(numbers).stream(input))

    async with aclosing(RunnableLambda(count).astream_log(None)) as log:
        await anext(log)  # of the chain
        await anext(log)  # of the generator
        await until(lambda: len(made) == AHEAD)
        await asyncio.sleep(0.01)  # it would have gone on
        assert len(made) == AHEAD
        rest = [patch async for patch in log]

    assert len(made) == 500
    assert rest[-1].ops[-1]["value"] == sum(range(500))


async def test_sync_code_on_the_loop_does_not_wait() -> None:
    """A sync call inside an async function cannot wait for the consumer, whose loop it holds: it goes on."""

    async def count(input: Any) -> int:
        return sum(RunnableGenerator(lambda chunks: iter(range(500))).stream(input))

    patches = [patch async for patch in RunnableLambda(count).astream_log(None)]

    assert patches[-1].ops[-1]["value"] == sum(range(500))
    assert len(patches) > 500


def numbers(chunks: Iterator[Any]) -> Iterator[list[int]]:
    yield from ([number] for number in range(200))


def on_threads(input: Any) -> int:
    """The loop's thread and one more each stream 200 chunks, and the one waits for the other."""

    def branch(input: Any) -> int:
        return sum(len(chunk) for chunk in RunnableGenerator(numbers).stream(input))

    return sum(RunnableParallel(a=branch, b=branch).invoke(input).values())


def on_another_loop(input: Any) -> int:
    """A loop on another thread streams 400 chunks, while the thread of the first waits for it."""

    async def main() -> int:
        return len([chunk async for chunk in Source(400).chain.astream(input)])

    counts: list[int] = []
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: counts.append(context.run(asyncio.run, main())))
    thread.start()
    thread.join()
    return counts[0]


@pytest.mark.parametrize("count", [on_threads, on_another_loop])
async def test_threads_do_not_wait_for_a_loop_that_waits_for_them(count: Callable[[Any], int]) -> None:
    """A loop that is held by sync code waits for its threads; those do not wait for that loop in turn."""

    async def hold(input: Any) -> int:
        return count(input)

    async with asyncio.timeout(SOON):
        patches = [patch async for patch in RunnableLambda(hold).astream_log(None)]

    assert patches[-1].ops[-1]["value"] == 400


async def test_code_on_another_loop_waits_for_room() -> None:
    """N14: async code that a thread runs on a loop of its own waits for room there."""
    source = Source(500)

    def run(input: Any) -> int:
        async def main() -> int:
            return len([chunk async for chunk in source.chain.astream(input)])

        return asyncio.run(main())

    async with aclosing(RunnableLambda(run).astream_log(None)) as log:
        await anext(log)
        await anext(log)
        await until(lambda: source.made == AHEAD)
        await asyncio.sleep(0.01)  # it would have gone on
        assert source.made == AHEAD
        rest = [patch async for patch in log]

    assert rest[-1].ops[-1]["value"] == 500


async def test_many_strands_wait_and_go_on() -> None:
    """A hundred branches that fill the buffer together all come to their end."""
    chain = RunnableParallel({f"k{n}": Source(20).chain for n in range(100)})

    final = [patch async for patch in chain.astream_log(None, {"max_concurrency": 100})][-1].ops[-1]["value"]

    assert final == {f"k{n}": 20 for n in range(100)}


# -------------------------------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize("verb", ["astream_log", "astream_events"])
async def test_failure_comes_after_all_that_was_told(verb: str) -> None:
    """P10: the consumer gets every patch and event, and then the chain's exception itself."""
    failure = ValueError("no")
    source, told = Source(200, failure), []

    with pytest.raises(ValueError, match="no") as caught:
        async for each in getattr(source.chain, verb)(None):
            told.append(each)  # noqa: PERF401 - it ends with an exception

    assert caught.value is failure
    assert len(told) == 1 + 200 + (verb == "astream_events")  # which has an event for the failure


async def test_closing_ends_the_chain() -> None:
    """P04: when ``aclose`` returns, every ``finally`` upstream has run."""
    source = Source()
    log = source.chain.astream_log(None)
    await anext(log)
    assert not source.ended
    await log.aclose()

    assert source.ended


async def test_closing_from_another_task() -> None:
    """A stream that one task began is closed by another, in another context, and nothing is raised."""
    source = Source()
    log = source.chain.astream_log(None)
    await asyncio.create_task(anext(log))  # type: ignore[arg-type]  # as long as it is a coroutine
    await asyncio.create_task(log.aclose(), context=contextvars.Context())

    assert source.ended


async def test_cancelling_the_consumer_ends_the_chain() -> None:
    """A consumer that is cancelled while it waits ends the chain first, however often it is cancelled."""
    begun, ended = asyncio.Event(), []

    async def wait(input: Any) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await idle()
            ended.append(input)

    async def consume() -> None:
        async for _ in RunnableLambda(wait).astream_log(1):
            pass

    consumer = asyncio.create_task(consume())
    await begun.wait()
    for _ in range(3):
        consumer.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await consumer

    assert ended == [1]


async def test_dropped_stream_ends_the_chain() -> None:
    """A consumer that just leaves: the garbage collector closes the stream, and the chain with it."""
    source = Source()

    async def leave() -> None:
        async for _ in source.chain.astream_log(None):
            break

    await leave()
    gc.collect()
    await until(lambda: source.ended)


async def test_stream_that_is_never_begun_runs_nothing() -> None:
    """Nothing runs before the first pull."""
    source = Source()
    log = source.chain.astream_log(None)
    await idle()
    await log.aclose()

    assert source.made == 0


async def test_closing_while_the_chain_waits_for_room() -> None:
    """Who waits for room when the consumer leaves is woken; a thread, too."""
    ended = threading.Event()

    def count(input: Any) -> None:
        try:
            for _ in RunnableGenerator(numbers).stream(input):
                pass
        finally:
            ended.set()

    log = RunnableLambda(count).astream_log(None)
    await anext(log)
    await anext(log)
    async with asyncio.timeout(SOON):
        await log.aclose()

    assert ended.is_set()


async def test_failure_while_closing_is_raised() -> None:
    """What a ``finally`` upstream raises when the stream is closed is not swallowed."""

    async def chunks(input: AsyncIterator[Any]) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            raise RuntimeError("in the end")

    log = RunnableGenerator(chunks).astream_log(None)
    await anext(log)
    await anext(log)
    with pytest.raises(RuntimeError, match="in the end"):
        await log.aclose()


async def test_failure_ahead_of_a_consumer_who_leaves_is_nobodys() -> None:
    """A chain that failed after what the consumer has seen does not spoil the consumer's leaving."""
    source = Source(10, ValueError("no"))
    log = source.chain.astream_log(None)
    await anext(log)
    await idle()
    assert source.ended
    await log.aclose()


async def test_chain_that_swallows_its_cancellation_ends_all_the_same() -> None:
    """A chain that goes on after it was cancelled is closed at its next chunk."""
    ended = False

    async def chunks(input: AsyncIterator[Any]) -> AsyncIterator[int]:
        nonlocal ended
        try:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                yield 1
        finally:
            ended = True

    log = RunnableGenerator(chunks).astream_log(None)
    await anext(log)
    async with asyncio.timeout(SOON):
        await log.aclose()

    assert ended


async def test_chain_that_cancels_itself() -> None:
    """A cancellation that comes from inside the chain reaches the consumer as one."""

    async def give_up(input: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        async for _ in RunnableLambda(give_up).astream_log(None):
            pass


async def test_chain_has_a_context_of_its_own() -> None:
    """The chain sees the context of the consumer, and what it sets there stays with it."""
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(1)

    async def change(input: Any) -> int:
        before = variable.get()
        variable.set(2)
        return before

    final = [patch async for patch in RunnableLambda(change).astream_log(None)][-1].ops[-1]["value"]

    assert (final, variable.get()) == (1, 1)


async def test_nothing_is_kept() -> None:
    """P05: when a log has ended, well or not, nothing holds the chain's chunks or its exception."""

    class Chunk:
        pass

    async def fail(input: AsyncIterator[Any]) -> AsyncIterator[Chunk]:
        yield Chunk()
        raise ValueError("no")

    for _ in range(3):
        with suppress(ValueError):
            async for _ in RunnableGenerator(fail).astream_log(None):
                pass
    await asyncio.sleep(0)  # the loop lets go of the last task
    gc.collect()

    assert [each for each in gc.get_objects() if type(each) is Chunk] == []

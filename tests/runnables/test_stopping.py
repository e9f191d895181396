"""Sync work that is no longer wanted is woken where it waits: nothing can end a thread, so it ends itself."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from contextvars import copy_context
from typing import Any

import pytest

from plait import RunnableLambda, RunnableParallel
from plait.errors import DeadlineError
from plait.stopping import Stop, Stopped, check_stopped, sleep, stoppable, stopping

LONG = 60.0  # seconds that nobody has to wait unless something is wrong


class Waiting:
    """Calls that wait until they are stopped, and one that fails when all of those have begun."""

    def __init__(self, count: int) -> None:
        self.begun = threading.Semaphore(0)
        self.count = count
        self.ended: list[object] = []

    def wait(self, value: Any) -> Any:
        self.begun.release()
        try:
            sleep(LONG)
        finally:
            self.ended.append(value)
        return value

    def fail(self, _: Any) -> Any:
        self.all_begun()
        raise LookupError("the one that fails")

    def all_begun(self) -> None:
        for _ in range(self.count):
            assert self.begun.acquire(timeout=LONG)

    def gen(self, value: Any) -> Iterator[Any]:
        yield value
        self.wait(value)

    def either(self, value: Any) -> Any:
        return self.fail(value) if value == 0 else self.wait(value)


def _failing_parallel(calls: Waiting) -> None:
    RunnableParallel({"a": calls.wait, "b": calls.wait, "c": calls.fail}).invoke(1)


def _failing_stream(calls: Waiting) -> None:
    list(RunnableParallel({"a": RunnableLambda(calls.gen), "b": RunnableLambda(calls.gen), "c": calls.fail}).stream(1))


def _failing_batch(calls: Waiting) -> None:
    RunnableLambda(calls.either).batch([1, 2, 0, 3, 4, 5], {"max_concurrency": 3})


def _failing_completed(calls: Waiting) -> None:
    list(RunnableLambda(calls.either).batch_as_completed([1, 2, 0], {"max_concurrency": 4}))


def _failing_nested(calls: Waiting) -> None:
    inner = RunnableParallel({"a": RunnableLambda(calls.wait).map(), "b": RunnableLambda(lambda _: 0)})
    RunnableParallel({"deep": (lambda _: [1, 2]) | inner, "bad": calls.fail}).invoke(1)


@pytest.mark.parametrize(
    "call", [_failing_parallel, _failing_stream, _failing_batch, _failing_completed, _failing_nested]
)
def test_failure_of_one_wakes_the_others(call: Callable[[Waiting], None]) -> None:
    """P03: in threads, too, what runs beside a step that fails ends at once, and that error is what is raised."""
    calls = Waiting(2)

    with pytest.raises(LookupError, match="the one that fails"):
        call(calls)
    assert len(calls.ended) == 2


def test_close_of_a_stream_wakes_its_branches() -> None:
    """P04: a branch that waits in another thread ends when the stream is closed, which waits for that."""
    calls = Waiting(2)
    with closing(
        RunnableParallel({"a": RunnableLambda(calls.gen), "b": RunnableLambda(calls.gen)}).stream(1)
    ) as stream:  # type: ignore[type-var]
        next(stream)
        next(stream)
        calls.all_begun()

    assert calls.ended == [1, 1]


@pytest.mark.parametrize("ends", ["close", "failure", "deadline"])
def test_source_that_branches_read_is_woken(ends: str) -> None:
    """P04: what comes before a dict waits in the thread of whichever branch asks for more, and ends with it."""
    calls = Waiting(1)

    def read(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from chunks

    def fail(chunks: Iterator[Any]) -> Iterator[Any]:
        yield next(chunks)
        if ends == "failure":
            calls.fail(None)
        yield from chunks

    chain = RunnableLambda(calls.gen) | {"a": read, "b": fail, "c": read}
    errors: dict[str, Any] = {"close": [], "failure": [LookupError], "deadline": [DeadlineError]}
    with suppress(*errors[ends]), closing(chain.stream(1, {"timeout": 0.2} if ends == "deadline" else {})) as stream:  # type: ignore[type-var]
        for _ in range(3):
            next(stream)
        if ends == "close":
            calls.all_begun()
        else:
            next(stream)

    assert calls.ended == [1]


def test_close_of_a_lazy_batch_wakes_what_runs() -> None:
    """P03: whoever leaves a batch early does not wait for the rest of it."""
    calls = Waiting(1)
    chain = RunnableLambda(lambda value: calls.wait(value) if value else value)
    with closing(chain.batch_as_completed([0, 1])) as outputs:  # type: ignore[type-var]
        assert next(outputs) == (0, 0)
        calls.all_begun()

    assert calls.ended == [1]


@pytest.mark.parametrize("shape", ["invoke", "stream", "batch"])
def test_cancelled_task_wakes_its_thread(shape: str) -> None:
    """P04: a sync step under an async verb ends when the task does that waits for it, alone and in a fan-out."""
    calls = Waiting(1 if shape == "invoke" else 2)
    chain: Any = {
        "invoke": RunnableLambda(calls.wait),
        "stream": RunnableParallel({"a": RunnableLambda(calls.gen), "b": RunnableLambda(calls.gen)}),
        "batch": RunnableLambda(lambda value: RunnableLambda(calls.wait).batch([value, value])),
    }[shape]

    async def consume() -> None:
        if shape == "stream":
            async for _ in chain.astream(1):
                pass
        await chain.ainvoke(1)

    async def main() -> None:
        task = asyncio.create_task(consume())
        await asyncio.to_thread(calls.all_begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert len(calls.ended) == calls.count


def test_sequence_does_not_go_on_after_it_was_stopped() -> None:
    """What comes after a step that was woken is not called."""
    calls, after = Waiting(1), list[object]()
    chain = RunnableLambda(calls.wait) | RunnableLambda(after.append)

    with pytest.raises(LookupError):
        RunnableParallel({"a": chain, "b": calls.fail}).invoke(1)
    assert after == []


def test_stopped_is_not_handled_as_a_failure() -> None:
    """P25: it is no Exception, so that nobody who catches failures goes on working for nothing."""
    calls, caught = Waiting(1), list[BaseException]()

    def stubborn(value: Any) -> Any:
        with suppress(Exception):
            return calls.wait(value)
        caught.append(LookupError())
        return value

    with pytest.raises(LookupError, match="the one that fails"):
        RunnableParallel({"a": stubborn, "b": calls.fail}).invoke(1)
    assert caught == []


# ------------------------------------------------------------------------------------------------------------- the parts


def test_nothing_is_to_be_stopped_outside_of_a_call() -> None:
    """Without a call that may have to end there is nothing to look out for."""
    assert stopping.get() is None
    check_stopped()


def test_stop_goes_down_and_not_up() -> None:
    """What ends a call ends those in it, with its reason; what ends one of those leaves the call around it alone."""
    with stoppable() as outer:
        with stoppable() as inner:
            inner.set("inner")
            assert outer.reason is None
        check_stopped()
        with stoppable() as inner:
            outer.set("outer")
            assert inner.reason == "outer"
            with pytest.raises(Stopped):
                check_stopped()
    assert stopping.get() is None


def test_stop_calls_each_callback_once() -> None:
    """Callbacks are called when it is set, at once when it was set before, and not after they were taken back."""
    stop, called = Stop(), list[str]()
    with stop.calling(lambda: called.append("gone")):
        pass
    with stop.calling(lambda: called.append("first")):
        stop.set("reason")
        stop.set("another")
    with stop.calling(lambda: called.append("late")):
        pass

    assert called == ["first", "late"]
    assert stop.reason == "reason"


def test_callback_that_fails_does_not_keep_the_others_asleep() -> None:
    """Whatever waits is woken."""
    stop, called = Stop(), list[int]()
    stop.add(lambda: 1 // 0)
    stop.add(lambda: called.append(1))
    stop.set("reason")

    assert called == [1]


def test_call_that_ended_well_stops_nothing_that_it_has_left_behind() -> None:
    """Work that a step has handed on to a thread of its own, with its context, goes on when the stream has ended."""
    done, threads = list[int](), list[threading.Thread]()
    ended = threading.Event()

    def spawn(value: int) -> int:
        context = copy_context()

        def work() -> None:
            ended.wait()
            context.run(lambda: done.append(RunnableLambda(lambda n: sleep(0) or n).invoke(value)))

        threads.append(threading.Thread(target=work))
        threads[0].start()
        return value

    list(RunnableParallel({"a": spawn, "b": lambda value: value}).stream(1))
    ended.set()
    threads[0].join()

    assert done == [1]

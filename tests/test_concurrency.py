"""What runs at once: permits, the pool, fan-outs and fan-ins in both colours, and what they leave behind: nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, suppress
from contextvars import ContextVar
from typing import Any

import pytest

from plait.concurrency import (
    DEFAULT_CONCURRENCY,
    Permits,
    aas_completed,
    aclose_all,
    acollect,
    afan_in,
    agather,
    aiter_in_thread,
    aonce,
    as_completed,
    atee,
    atransform_in_thread,
    close_all,
    fan_in,
    gather,
    in_thread,
    tee,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def same(value: Any) -> Any:
    return value


async def asame(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def same_item(_index: int, item: Any) -> Any:
    return item


async def asame_item(_index: int, item: Any) -> Any:
    return await asame(item)


async def astream(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        await asyncio.sleep(0)
        yield value


# ------------------------------------------------------------------------------------------------------------- permits


def test_permits_are_one_fewer_than_the_limit() -> None:
    """The strand of the caller is the first; a limit of 3 lets two more run."""
    permits = Permits(3)

    assert [permits.take() for _ in range(3)] == [True, True, False]
    permits.give()
    assert [permits.take() for _ in range(2)] == [True, False]


def test_inner_permits_need_outer_ones() -> None:
    """Who takes a permit inside takes one outside as well, and gives both back; a refusal outside costs nothing inside."""
    outer = Permits(3)
    inner = Permits(5, outer)

    assert [inner.take() for _ in range(3)] == [True, True, False]
    assert not outer.take()
    inner.give()
    assert [inner.take(), inner.take()] == [True, False]
    inner.give()
    inner.give()
    assert [outer.take() for _ in range(3)] == [True, True, False]


def test_permit_that_is_seized_is_owed() -> None:
    """A strand that has to end takes its permit back at once: the next that is given back pays for it."""
    permits = Permits(2)
    permits.take()
    permits.seize()
    permits.give()
    assert not permits.take()
    permits.give()
    assert permits.take()


def test_permit_goes_to_those_who_wait() -> None:
    """Who waits for a permit gets the next that is given back, although somebody else would take it at once."""
    permits = Permits(1)
    waiting = threading.Thread(target=permits.regain)
    waiting.start()
    waiting.join(0.05)  # it waits

    permits.give()
    assert not permits.take()
    waiting.join(SOON)
    permits.give()
    assert permits.take()


async def test_permit_that_nobody_waits_for_any_more_is_not_lost() -> None:
    """Who is cancelled while it waits for a permit leaves the count as if it held one, as its strand will give it back."""
    permits = Permits(1)
    task = asyncio.ensure_future(permits.aregain())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=SOON)

    permits.give()  # of the one who was cancelled
    assert not permits.take()
    permits.give()  # of the caller
    assert permits.take()


def test_permits_are_counted_right_by_many_threads() -> None:
    """Threads that take and give at once lose no permit and make none."""
    outer = Permits(5)
    inner, taken = Permits(4, outer), []

    def work() -> None:
        for _ in range(2_000):
            if inner.take():
                inner.give()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)

    taken = [inner.take() for _ in range(4)]
    assert taken == [True, True, True, False]
    assert [outer.take(), outer.take()] == [True, False]


# ------------------------------------------------------------------------------------------------------------- gather


@pytest.mark.parametrize("limit", [None, 1, 2, 50])
@pytest.mark.parametrize("width", [1, 3, 50])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_gather_is_a_list_comprehension(count: int, width: int, limit: int | None) -> None:
    """gather and agather give call(item) for each item, in order, whatever the width and the permits."""
    permits = limit and Permits(limit)

    assert gather(same_item, range(count), width, permits or None) == list(range(count))
    assert asyncio.run(agather(asame_item, iter(range(count)), width, permits or None)) == list(range(count))


def test_permits_are_given_back() -> None:
    """After gather, whether it failed or not, as many permits are free as before."""
    permits = Permits(4)

    def fail_at_5(_index: int, number: int) -> int:
        return 1 // (number - 5)

    for items in (range(5), range(20)):
        with suppress(ZeroDivisionError):
            gather(fail_at_5, items, 4, permits)
        assert [permits.take() for _ in range(4)] == [True, True, True, False]
        for _ in range(3):
            permits.give()


async def test_permits_are_given_back_by_tasks() -> None:
    """After agather, whether it failed, was cancelled or not, as many permits are free as before."""
    permits = Permits(4)

    async def fail_at_5(_index: int, number: int) -> int:
        await asyncio.sleep(0)
        return 1 // (number - 5)

    for turns, items in itertools.product(range(8), (range(5), range(20))):
        task = asyncio.ensure_future(agather(fail_at_5, items, 4, permits))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task], timeout=SOON)
        task.cancelled() or task.exception()
        assert [permits.take() for _ in range(4)] == [True, True, True, False], turns
        for _ in range(3):
            permits.give()


async def test_tasks_are_as_many_as_there_is_work_for() -> None:
    """agather starts no strand for which there is no item: permits are left for those who can use them."""
    permits, free = Permits(3), []

    async def look(_index: int, _: object) -> None:
        for _turn in range(3):
            await asyncio.sleep(0)
            taken = [permits.take() for _ in range(3)]
            free.append(sum(taken))
            for _ in range(sum(taken)):
                permits.give()

    await agather(look, [1], 1, permits)
    assert free == [2, 2, 2]


def test_gather_is_stopped_by_the_first_failure() -> None:
    """After a failure no item is begun, and the first exception is raised, not a group."""
    begun: list[int] = []

    def work(_index: int, number: int) -> None:
        begun.append(number)
        raise LookupError(number)

    with pytest.raises(LookupError, match="0"):
        gather(work, range(100), 1, None)
    assert begun == [0]


def test_interrupt_waits_for_what_runs() -> None:
    """KeyboardInterrupt while the caller waits: nothing more is begun, what runs is waited for, and it goes on up."""
    code = """if True:
        import _thread, signal, sys, threading, time
        from plait.runnables import RunnableLambda
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        begun, ended = [], []
        def work(number):
            begun.append(number)
            if threading.current_thread() is not threading.main_thread() and number < 4:
                _thread.interrupt_main()
            time.sleep(0.05)
            ended.append(number)
        try:
            sys.argv[1] == "lazy" and list(RunnableLambda(work).batch_iter(range(1000), {"max_concurrency": 2}))
            sys.argv[1] == "eager" and RunnableLambda(work).batch(range(1000), {"max_concurrency": 2})
        except KeyboardInterrupt:
            print(len(begun) < 20, sorted(set(begun) - set(ended)))
    """
    for how in ("lazy", "eager"):
        done = subprocess.run(
            [sys.executable, "-c", code, how],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=30,
        )
        assert done.stdout in ("True []\n", "True [0]\n", "True [1]\n", "True [2]\n"), done.stderr
        # the item that the interrupted thread itself was at may not have ended


# ---------------------------------------------------------------------------------------------------------------- pool


def test_pool_works_in_a_child_process() -> None:
    """P28: threads do not survive a fork; the child's pool starts its own."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    code = """if True:
        import os, threading, warnings
        from plait.runnables import RunnableLambda
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, which is what this is about
        together = threading.Barrier(4, timeout=10)
        RunnableLambda(lambda _: together.wait()).batch(range(4))
        child = os.fork()
        if child == 0:
            try:
                RunnableLambda(lambda _: together.wait()).batch(range(4))
                os._exit(0)
            finally:
                os._exit(1)
        print(os.waitpid(child, 0)[1])
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_interpreter_ends_while_threads_idle() -> None:
    """P28: idle threads of the pool do not keep a program from ending."""
    code = "from plait.runnables import RunnableLambda; print(RunnableLambda(str).batch(range(40))[-1])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=8,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("39\n", "", 0)


async def test_thread_outlives_a_job_that_its_loop_has_forgotten() -> None:
    """P28: a loop that was closed while a thread worked for it does not cost the pool that thread."""
    begun, release = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait(SOON)

    def other_loop() -> None:
        loop = asyncio.new_event_loop()
        task = loop.create_task(in_thread(work))
        loop.run_until_complete(asyncio.sleep(0))
        begun.wait(SOON)
        loop.set_exception_handler(lambda *_: None)
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is what this test is about
        loop.close()

    hooks, threading.excepthook = threading.excepthook, lambda args: failures.append(args.exc_value)
    failures: list[Any] = []
    try:
        thread = threading.Thread(target=other_loop)
        thread.start()
        thread.join(SOON)
        release.set()
        for _ in range(100):
            await in_thread(same, 1)
    finally:
        threading.excepthook = hooks
    assert failures == []


# ---------------------------------------------------------------------------------------------------- sync code in threads


async def test_value_and_error_of_a_thread() -> None:
    """in_thread gives what the function gives, and raises what it raises, as the same object."""
    error = LookupError("mine")

    def fail() -> None:
        raise error

    assert await in_thread(same, 5) == 5
    with pytest.raises(LookupError) as caught:
        await in_thread(fail)
    assert caught.value is error


async def test_stop_iteration_of_a_thread_is_an_error() -> None:
    """A StopIteration would end the coroutine silently; it is raised as RuntimeError instead."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_thread(next, iter(()))


async def test_many_threads_wait_for_each_other() -> None:
    """Functions in threads that run a loop of their own, which needs threads in turn, get done."""

    def down(levels: int) -> int:
        return 1 + (asyncio.run(in_thread(down, levels - 1)) if levels else 0)

    async with asyncio.timeout(SOON):
        assert await asyncio.gather(*[in_thread(down, 3) for _ in range(40)]) == [4] * 40


seen: ContextVar[str] = ContextVar("seen", default="nothing")


async def test_iterator_in_a_thread_runs_in_one_context() -> None:
    """A generator that is pulled in threads keeps its context from chunk to chunk, to its end."""

    def numbers() -> Iterator[str]:
        token = seen.set("mine")
        yield seen.get()
        yield seen.get()
        seen.reset(token)

    assert await acollect(aiter_in_thread(numbers())) == ["mine", "mine"]
    assert seen.get() == "nothing"


async def test_sync_transform_reads_an_async_stream() -> None:
    """A generator function in threads reads an async stream, and the errors of either pass."""

    def doubled(chunks: Iterator[int]) -> Iterator[int]:
        for chunk in chunks:
            yield chunk * 2

    assert await acollect(atransform_in_thread(doubled, astream(1, 2))) == [2, 4]

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise LookupError

    with pytest.raises(LookupError):
        await acollect(atransform_in_thread(doubled, broken()))


SYNC_ON_A_LOOP = {
    "gather": lambda permits: gather(same_item, [1, 2, 3], 2, permits),
    "as_completed": lambda permits: list(
        as_completed(same_item, [1, 2, 3], 2, permits, window=2, ordered=True, lent=False)
    ),
    "fan_in": lambda permits: list(fan_in([(key, iter([1, 2])) for key in "ab"], permits)),
    "tee": lambda permits: [list(branch) for branch in tee(iter([1, 2]), 2, same, permits)],
}


@pytest.mark.parametrize("name", SYNC_ON_A_LOOP)
def test_sync_work_on_a_loop_does_not_wait_for_tasks_of_that_loop(name: str) -> None:
    """P27: a sync verb that an async function calls blocks its loop, so that it must not wait for a task to give way."""
    found: list[Any] = []

    async def main() -> None:
        permits = Permits(1)
        waiting = asyncio.ensure_future(permits.aregain())
        await asyncio.sleep(0)
        found.append(SYNC_ON_A_LOOP[name](permits))
        permits.give()
        await waiting

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    thread.join(2)
    assert found, "it waits for ever"


# ------------------------------------------------------------------------------------------------------------- fan-in


@pytest.mark.parametrize("limit", [None, 1, 2, 10])
def test_fan_in_gives_all_chunks_in_the_order_of_each_stream(limit: int | None) -> None:
    """fan_in gives each stream's chunks under its key in their order, with few permits as with many."""
    found = list(fan_in([(key, iter(range(20))) for key in "abc"], (limit and Permits(limit)) or None))

    assert {key: [chunk for each, chunk in found if each == key] for key in "abc"} == {
        key: list(range(20)) for key in "abc"
    }


@pytest.mark.parametrize("limit", [None, 1, 2, 10])
async def test_afan_in_gives_all_chunks_in_the_order_of_each_stream(limit: int | None) -> None:
    """afan_in gives each stream's chunks under its key in their order, with few permits as with many."""
    found = await acollect(afan_in([(key, astream(*range(20))) for key in "abc"], (limit and Permits(limit)) or None))

    assert {key: [chunk for each, chunk in found if each == key] for key in "abc"} == {
        key: list(range(20)) for key in "abc"
    }


def test_fan_in_raises_the_first_error_and_closes_the_rest() -> None:
    """An error of one stream ends the others, whose finally has run when it is raised."""
    ended: list[str] = []

    def endless(name: str) -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            ended.append(name)

    def broken() -> Iterator[int]:
        yield 1
        raise LookupError

    for limit in (None, 1, 2):
        ended.clear()
        with pytest.raises(LookupError):
            list(fan_in([("b", broken()), ("e", endless("e"))], (limit and Permits(limit)) or None))
        assert ended in (["e"], [])  # with one strand the endless one may not have begun


async def test_afan_in_raises_the_first_error_and_closes_the_rest() -> None:
    """An error of one stream ends the others, whose finally has run when it is raised."""
    ended: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                await asyncio.sleep(0)
                yield 1
        finally:
            ended.append("endless")

    async def broken() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        raise LookupError

    with pytest.raises(LookupError):
        await acollect(afan_in([("b", broken()), ("e", endless())], None))
    assert ended == ["endless"]


# ---------------------------------------------------------------------------------------------------------------- tee


def test_tee_gives_each_branch_every_chunk() -> None:
    """Each branch has all chunks, forked for it, in whatever order the branches are pulled."""
    first, second = tee(iter([[1], [2], [3]]), 2, list.copy, None)

    assert [next(first), next(first), next(second)] == [[1], [2], [1]]
    next(second).append(0)
    assert [*first, *second] == [[3], [3]]


async def test_atee_gives_each_branch_every_chunk() -> None:
    """Each branch has all chunks, forked for it, in whatever order the branches are pulled."""
    first, second = atee(astream([1], [2], [3]), 2, list.copy, None)

    assert [await anext(first), await anext(first), await anext(second)] == [[1], [2], [1]]
    (await anext(second)).append(0)
    assert [*await acollect(first), *await acollect(second)] == [[3], [3]]


def test_tee_tells_each_branch_of_an_error() -> None:
    """What the source raises each branch raises, after the chunks before it."""

    def broken() -> Iterator[int]:
        yield 1
        raise LookupError("mine")

    for branch in tee(broken(), 2, same, None):
        assert next(branch) == 1
        with pytest.raises(LookupError, match="mine"):
            next(branch)


async def test_atee_tells_each_branch_of_an_error() -> None:
    """What the source raises each branch raises, after the chunks before it."""

    async def broken() -> AsyncIterator[int]:
        yield 1
        raise LookupError("mine")

    for branch in atee(broken(), 2, same, None):
        assert await anext(branch) == 1
        with pytest.raises(LookupError, match="mine"):
            await anext(branch)


def test_tee_in_threads_loses_nothing() -> None:
    """Branches that threads pull at the same time each have every chunk once, in order."""
    branches = tee(iter(range(2_000)), 4, same, None)
    together = threading.Barrier(4, timeout=SOON)
    found: dict[int, list[int]] = {}

    def read(index: int) -> None:
        together.wait()
        found[index] = list(branches[index])

    threads = [threading.Thread(target=read, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert found == {index: list(range(2_000)) for index in range(4)}


# ------------------------------------------------------------------------------------------------------ lazy fan-outs


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("window", [1, 3, 10])
def test_as_completed_gives_each_once(window: int, limit: int | None, ordered: bool, lent: bool) -> None:
    """Each item's output comes once, under its index; with ordered, by index."""
    permits = (limit and Permits(limit)) or None
    found = list(as_completed(same_item, iter(range(50)), 3, permits, window=window, ordered=ordered, lent=lent))

    assert sorted(found) == [(number, number) for number in range(50)]
    assert not ordered or found == sorted(found)


@pytest.mark.parametrize("lent", [False, True])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("limit", [None, 1, 2])
@pytest.mark.parametrize("window", [1, 3, 10])
async def test_aas_completed_gives_each_once(window: int, limit: int | None, ordered: bool, lent: bool) -> None:
    """Each item's output comes once, under its index; with ordered, by index."""
    permits = (limit and Permits(limit)) or None
    found = await acollect(
        aas_completed(asame_item, astream(*range(50)), 3, permits, window=window, ordered=ordered, lent=lent)
    )

    assert sorted(found) == [(number, number) for number in range(50)]
    assert not ordered or found == sorted(found)


# ------------------------------------------------------------------------------------------------------------ closing


def test_all_are_closed_although_one_fails() -> None:
    """close_all closes what it can in the order given, and raises the first failure."""
    ended: list[str] = []

    def stream(name: str, error: type[Exception] | None) -> Iterator[int]:
        try:
            yield 1
        finally:
            ended.append(name)
            if error is not None:
                raise error

    streams = [stream("a", None), stream("b", LookupError), stream("c", ValueError), stream("d", None)]
    for each in streams:
        next(each)
    with pytest.raises(LookupError):
        close_all([*streams, iter([1]), None])
    assert ended == ["a", "b", "c", "d"]


async def test_all_are_closed_although_one_fails_async() -> None:
    """aclose_all closes what it can in the order given, and raises the first failure."""
    ended: list[str] = []

    async def stream(name: str, error: type[Exception] | None) -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            ended.append(name)
            if error is not None:
                raise error

    streams = [stream("a", None), stream("b", LookupError), stream("c", ValueError), stream("d", None)]
    for each in streams:
        await anext(each)
    with pytest.raises(LookupError):
        await aclose_all([*streams, iter([1]), None])
    assert ended == ["a", "b", "c", "d"]


def test_files_that_are_iterated_are_left_open(tmp_path: Any) -> None:
    """close_all closes generators; a file belongs to whoever opened it."""
    path = tmp_path / "file"
    path.write_text("text")
    with path.open() as file:
        close_all([file])
        assert not file.closed


async def test_single_chunk() -> None:
    """aonce is a stream of one chunk."""
    assert await acollect(aonce(5)) == [5]


def test_default_does_not_come_from_the_machine() -> None:
    """P59: the default concurrency is one number, whatever machine this is."""
    assert DEFAULT_CONCURRENCY == 16


def test_closed_fan_ins_start_nothing() -> None:
    """A fan-in or a lazy fan-out that is closed before its first chunk has pulled nothing."""
    pulled: list[int] = []
    source = (pulled.append(number) for number in range(3))
    with (
        closing(fan_in([(0, source)], None)),
        closing(as_completed(same_item, source, 2, None, window=2, ordered=True, lent=False)),
    ):
        pass
    assert pulled == []


async def test_closed_async_fan_ins_start_nothing() -> None:
    """A fan-in or a lazy fan-out that is closed before its first chunk has pulled nothing."""
    pulled: list[int] = []

    async def source() -> AsyncIterator[int]:
        pulled.append(1)
        yield 1

    lazy = aas_completed(asame_item, source(), 2, None, window=2, ordered=True, lent=False)
    async with aclosing(afan_in([(0, source())], None)), aclosing(lazy):
        pass
    assert pulled == []

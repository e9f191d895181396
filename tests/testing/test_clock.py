"""The virtual clock (N22): waits take no real time and exactly the time that they should, whatever waits beside them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from heapq import heapify, heapreplace
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.clocks import MACHINE, clock, now
from plait.errors import ConfigError, DeadlineError, StandstillError
from plait.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough
from plait.stopping import asleep, sleep
from plait.testing import FakeListChatModel, VirtualClock


def nap(seconds: float) -> float:
    """Sleep, and say when it was over."""
    sleep(seconds)
    return now()


async def anap(seconds: float) -> float:
    """Sleep, and say when it was over."""
    await asleep(seconds)
    return now()


def after(seconds: float) -> Runnable[Any, float]:
    """A step that takes so long, whatever its input."""
    return RunnableLambda(lambda _: nap(seconds), afunc=lambda _: anap(seconds))


NAP: Runnable[float, float] = RunnableLambda(nap, afunc=anap)
SYNC: Runnable[float, float] = RunnableLambda(nap)
TWO: Any = RunnableParallel(a=NAP, b=SYNC)
BOTH = pytest.mark.parametrize("step", [NAP, SYNC], ids=["own async form", "in threads"])
WIDTHS = pytest.mark.parametrize(("width", "took"), [(1, 60), (2, 30), (3, 20), (4, 20), (6, 10), (16, 10)])


@pytest.fixture
def virtual() -> Iterator[VirtualClock]:
    """As a user would write it."""
    with VirtualClock() as virtual:
        yield virtual


# -------------------------------------------------------------------------------------------------- telling the time


def test_it_starts_at_zero_and_stands_still(virtual: VirtualClock) -> None:
    """Time that nobody waits for does not pass."""
    assert (virtual.elapsed, virtual.monotonic(), virtual.time(), virtual.sleeps) == (0.0, 0.0, 0.0, [])


def test_its_start_is_a_moment_for_records() -> None:
    """The epoch, unless another start is given."""
    with VirtualClock(start=1e9) as virtual:
        sleep(2.5)
    assert (virtual.time(), virtual.monotonic()) == (1e9 + 2.5, 2.5)


def test_the_clock_before_is_in_force_again_afterwards() -> None:
    """Clocks nest; the outer stands still meanwhile."""
    with VirtualClock() as outer:
        sleep(1)
        with VirtualClock() as inner:
            sleep(10)
        assert clock.get() is outer
    assert clock.get() is MACHINE
    assert (outer.elapsed, inner.elapsed) == (1, 10)


async def test_it_is_an_async_context_manager_too() -> None:
    """The same, for those who like it in one line with others."""
    async with VirtualClock() as virtual:
        await asleep(7)
    assert virtual.elapsed == 7


async def test_a_fixture_reaches_async_tests(virtual: VirtualClock) -> None:
    """Whatever context the test function runs in."""
    assert clock.get() is virtual
    await asleep(3)
    assert virtual.elapsed == 3


def test_sleeps_lists_every_wait_in_order(virtual: VirtualClock) -> None:
    """For assertions on a schedule."""
    for seconds in (1, 2, 0.5):
        sleep(seconds)
    assert virtual.sleeps == [1, 2, 0.5]


def test_advance_moves_the_time_at_once(virtual: VirtualClock) -> None:
    """What expires is older then."""
    virtual.advance(3600)
    assert virtual.elapsed == 3600


def test_no_time_passes_for_a_wait_of_nothing(virtual: VirtualClock) -> None:
    """Not even an entry in the list."""
    sleep(0)
    asyncio.run(_asleep_none())
    assert (virtual.elapsed, virtual.sleeps) == (0, [])


async def _asleep_none() -> None:
    await asleep(0)


@pytest.mark.parametrize("wrong", [{"start": inf}, {"patience": 0}, {"patience": -1.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    """By the name of the argument."""
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        VirtualClock(**wrong)


@pytest.mark.parametrize("seconds", [-1, inf])
def test_time_advances_by_what_can_pass(seconds: float) -> None:
    """Not backwards."""
    with pytest.raises(ConfigError, match="seconds"):
        VirtualClock().advance(seconds)


def test_a_clock_that_is_in_force_cannot_be_entered(virtual: VirtualClock) -> None:
    """It has one test as its first strand."""
    with pytest.raises(RuntimeError, match="in force"), virtual:
        pass


# ------------------------------------------------------------------------------------------------------- one strand


def test_a_chain_with_minutes_of_waits_takes_no_time(run: Any, virtual: VirtualClock) -> None:
    """N22: five waits of a minute in all, in every mode."""
    steps = after(20) | after(15) | after(10) | after(10) | after(5)
    assert run(steps, 0) == 60
    assert virtual.sleeps == [20, 15, 10, 10, 5]


def test_runs_tell_the_virtual_time(virtual: VirtualClock) -> None:
    """N22: the times of events are those of the schedule."""
    times: list[tuple[float, float | None]] = []
    listened = after(4).with_listeners(on_end=lambda run: times.append((run.start_time, run.end_time)))
    (after(1) | listened | listened).invoke(0)
    assert times == [(1, 5), (5, 9)]


def test_a_fake_keeps_its_pace_by_the_clock(run: Any, virtual: VirtualClock) -> None:
    """Before an answer, or before each chunk of a stream."""
    run(FakeListChatModel(responses=["one two three"], sleep=10), "go")
    assert virtual.elapsed == (30 if run.is_stream else 10)


def test_a_deadline_passes_by_the_clock(run: Any, virtual: VirtualClock) -> None:
    """N5: at its very moment."""
    with pytest.raises(DeadlineError, match="3600 s"):
        run(NAP, 5000, {"timeout": 3600})
    assert virtual.elapsed == 3600


def test_an_idle_timeout_passes_by_the_clock(virtual: VirtualClock) -> None:
    """Between two chunks."""
    with pytest.raises(DeadlineError):
        list(FakeListChatModel(responses=["one two"], sleep=10).stream("go", {"idle_timeout": 9}))
    assert virtual.elapsed == 9


# ------------------------------------------------------------------------------------------------------ many strands


def test_branches_wait_at_the_same_time(run: Any, virtual: VirtualClock) -> None:
    """Two of ten seconds take ten."""
    assert run(RunnableParallel(a=after(10), b=after(10), c=after(4) | after(3)), 0) == {"a": 10, "b": 10, "c": 7}
    assert virtual.elapsed == 10


@BOTH
def test_map_waits_at_the_same_time(run: Any, step: Any, virtual: VirtualClock) -> None:
    """Each item as long as it takes."""
    assert run(step.map(), [3, 1, 2]) == [3, 1, 2]
    assert virtual.elapsed == 3


@BOTH
@WIDTHS
def test_a_batch_takes_as_long_as_its_strands_need(step: Any, width: int, took: float, virtual: VirtualClock) -> None:
    """N3: six items of ten seconds on two strands are thirty."""
    step.batch([10] * 6, {"max_concurrency": width})
    assert virtual.elapsed == took


@BOTH
@WIDTHS
async def test_an_async_batch_takes_as_long(step: Any, width: int, took: float, virtual: VirtualClock) -> None:
    """N3: the same."""
    await step.abatch([10] * 6, {"max_concurrency": width})
    assert virtual.elapsed == took


def greedy(naps: list[float], width: int) -> list[float]:
    """When each is over, if whoever is free takes the next."""
    free, ends = [0.0] * width, []
    heapify(free)
    for seconds in naps:
        ends.append(free[0] + seconds)
        heapreplace(free, ends[-1])
    return ends


@given(naps=st.lists(st.integers(1, 1000), max_size=12, unique=True), width=st.integers(1, 5))
@settings(max_examples=25)
def test_the_schedule_is_that_of_strands_which_take_the_next(naps: list[float], width: int) -> None:
    """Any durations, sync and async: the same schedule as by hand."""
    expected = greedy(naps, width)
    for step in (NAP, SYNC):
        with VirtualClock():
            assert step.batch(naps, {"max_concurrency": width}) == expected
        with VirtualClock():
            assert asyncio.run(step.abatch(naps, {"max_concurrency": width})) == expected


trees = st.recursive(
    st.integers(1, 50).map(lambda seconds: (after(seconds), float(seconds), float(seconds))),
    lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
        lambda parts: st.sampled_from([_in_sequence(parts), _at_once(parts)])
    ),
    max_leaves=8,
)


def _in_sequence(parts: list[Any]) -> Any:
    chain: Any = RunnablePassthrough()
    for step, _, _ in parts:
        chain = chain | step
    return chain, sum(longest for _, longest, _ in parts), sum(total for _, _, total in parts)


def _at_once(parts: list[Any]) -> Any:
    branches: Any = RunnableParallel({str(index): step for index, (step, _, _) in enumerate(parts)})
    return branches, max(longest for _, longest, _ in parts), sum(total for _, _, total in parts)


@given(trees)
@settings(max_examples=25)
def test_any_nesting_takes_the_longest_path_or_the_sum(tree: Any) -> None:
    """N3: without a bound its longest path, with a bound of 1 the sum of all."""
    chain, longest, total = tree
    for config, expected in (({}, longest), ({"max_concurrency": 1}, total)):
        for took in _times_of(chain, config):
            assert took == expected
    for width in (2, 3):
        for took in _times_of(chain, {"max_concurrency": width}):
            assert max(longest, total / width) <= took <= total


def _times_of(chain: Any, config: Any) -> Iterator[float]:
    for verb in ("invoke", "batch", "stream", "ainvoke", "abatch", "astream"):
        with VirtualClock() as virtual:
            given = [0] if "batch" in verb else 0
            found = getattr(chain, verb)(given, config)
            if verb == "stream":
                list(found)
            elif verb == "astream":
                asyncio.run(_drained(found))
            elif verb.startswith("a"):
                asyncio.run(_awaited(found))
        yield virtual.elapsed


async def _drained(chunks: AsyncIterator[Any]) -> None:
    async for _ in chunks:
        pass


async def _awaited(found: Any) -> None:
    await found


SLOW: Any = RunnableParallel(
    a=FakeListChatModel(responses=["a1 a2 a3"], sleep=10), b=FakeListChatModel(responses=["b1 b2"], sleep=12)
)
BEATS = [(10, "a1"), (12, "b1"), (20, "a2"), (24, "b2"), (30, "a3")]


def test_streams_side_by_side_come_in_the_order_of_their_times(virtual: VirtualClock) -> None:
    """Chunk by chunk, each at its moment."""
    seen = [(now(), chunk.text.strip()) for found in SLOW.stream("go") for chunk in found.values()]
    assert [beat for beat in seen if beat[1]] == BEATS


async def test_async_streams_come_in_the_order_of_their_times(virtual: VirtualClock) -> None:
    """Chunk by chunk, each at its moment."""
    seen = [(now(), chunk.text.strip()) async for found in SLOW.astream("go") for chunk in found.values()]
    assert [beat for beat in seen if beat[1]] == BEATS


def test_a_slow_consumer_is_a_strand_too(virtual: VirtualClock) -> None:
    """It waits while the branches do: they are at most one chunk ahead."""
    seen = []
    for found in SLOW.stream("go"):
        seen += [(now(), chunk.text.strip()) for chunk in found.values() if chunk.text]
        sleep(15)
    assert [text for _, text in seen] == ["a1", "b1", "a2", "b2", "a3"]
    assert [at for at, _ in seen] == [10, 25, 40, 55, 70]


async def test_a_slow_async_consumer_is_a_strand_too(virtual: VirtualClock) -> None:
    """The same."""
    seen = []
    async for found in SLOW.astream("go"):
        seen += [(now(), chunk.text.strip()) for chunk in found.values() if chunk.text]
        await asleep(15)
    assert [text for _, text in seen] == ["a1", "b1", "a2", "b2", "a3"]
    assert [at for at, _ in seen] == [10, 25, 40, 55, 70]


async def test_sync_code_over_a_slow_async_stream_waits_for_it(virtual: VirtualClock) -> None:
    """A generator function in a thread, whose chunks come from a task."""

    def shout(chunks: Iterator[Any]) -> Iterator[str]:
        for chunk in chunks:
            yield f"{chunk.text.strip()}@{now():g} "

    chain = FakeListChatModel(responses=["one two"], sleep=10) | RunnableGenerator(shout)
    assert [chunk async for chunk in chain.astream("go")][:2] == ["one@10 ", "two@20 "]


@BOTH
async def test_a_slow_source_is_waited_for(step: Any, virtual: VirtualClock) -> None:
    """Strands that wait for the source to give them an item wait, too."""

    async def source() -> AsyncIterator[int]:
        for _ in range(3):
            await asleep(10)
            yield 1

    ends = [end async for _, end in step.abatch_as_completed(source(), {"max_concurrency": 3})]
    assert ends == [11, 21, 31]


def test_a_slow_plain_source_is_waited_for(virtual: VirtualClock) -> None:
    """Threads that wait for the source to give them an item wait, too."""

    def source() -> Iterator[int]:
        for _ in range(3):
            sleep(10)
            yield 1

    assert sorted(end for _, end in NAP.batch_as_completed(source(), {"max_concurrency": 3})) == [11, 21, 31]


async def test_a_slow_reader_of_events_and_its_chain_wait_for_each_other(virtual: VirtualClock) -> None:
    """The chain is a strand, and so is who reads what is told of it, if need be slowly."""
    model = FakeListChatModel(responses=["word " * 200])
    heard = []
    async for event in model.astream_events("go"):
        if event["event"] == "on_chat_model_stream":
            heard.append(now())
            await asleep(2)
    assert len(heard) >= 200
    assert heard[:2] == [0, 2]
    assert virtual.elapsed == 2 * len(heard)


def test_a_tee_that_waits_for_its_source_waits(run: Any, virtual: VirtualClock) -> None:
    """Branches that share a stream take turns at pulling it."""

    def slowly(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            for letter in chunk:
                sleep(10)
                yield letter

    chain = RunnableGenerator(slowly) | RunnableParallel(a=RunnablePassthrough(), b=RunnablePassthrough())
    assert run(chain, "abc") == {"a": "abc", "b": "abc"}
    assert virtual.elapsed == 30


async def test_sync_code_on_the_thread_of_a_loop_waits(virtual: VirtualClock) -> None:
    """A sync verb in an async function holds up the loop, and no more than that."""
    chain: Any = RunnableParallel(a=NAP, b=NAP)
    chain.invoke(10)
    assert virtual.elapsed == 10


async def test_a_long_stream_on_the_thread_of_a_loop_waits(virtual: VirtualClock) -> None:
    """It is pulled on the stacks of other threads, for which the loop's own waits."""

    def slowly(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            sleep(1)
            yield chunk

    chain: Any = RunnableGenerator(slowly)
    for _ in range(119):
        chain = chain | RunnableGenerator(slowly)
    assert list(chain.stream("a")) == ["a"]
    assert virtual.elapsed == 120


def test_async_listeners_of_sync_verbs_wait(virtual: VirtualClock) -> None:
    """They run on a loop of their own in another thread."""

    async def listen(_: Any) -> None:
        await asleep(3)

    SYNC.with_alisteners(on_start=listen).batch([1, 1, 1])
    assert virtual.elapsed == 4


async def test_calls_within_threads_of_async_verbs_wait(virtual: VirtualClock) -> None:
    """A sync verb called in a function that has a thread."""
    with_async_steps = RunnableLambda(lambda seconds: TWO.invoke(seconds))
    await asyncio.gather(with_async_steps.ainvoke(10), with_async_steps.ainvoke(20))
    assert virtual.elapsed == 20


async def test_calls_of_the_users_own_gather_wait_at_the_same_time(virtual: VirtualClock) -> None:
    """Tasks that plait has not started, with steps of both colours."""
    ends: Any = await asyncio.gather(NAP.ainvoke(10), SYNC.ainvoke(20), SYNC.ainvoke(5), (NAP | after(2)).ainvoke(4))
    assert ends == [10, 20, 5, 6]


async def test_tasks_may_hand_on_work_by_their_own_means(virtual: VirtualClock) -> None:
    """A queue between two tasks is none of the clock's."""
    queue: asyncio.Queue[float] = asyncio.Queue()

    async def produce() -> None:
        for _ in range(3):
            await NAP.ainvoke(10)
            await queue.put(now())

    task = asyncio.create_task(produce())
    assert [await queue.get() for _ in range(3)] == [10, 20, 30]
    await task


async def test_a_task_that_polls_does_not_stop_the_time(virtual: VirtualClock) -> None:
    """It always has something to do, and does nothing."""
    task = asyncio.create_task(NAP.ainvoke(10))
    while not task.done():  # noqa: ASYNC110 - it is what is tested
        await asyncio.sleep(0)
    assert virtual.elapsed == 10


async def test_a_cancelled_wait_counts_as_over(virtual: VirtualClock) -> None:
    """Or the time would stand still ever after."""
    task = asyncio.create_task(TWO.ainvoke(100))
    await asleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asleep(5)
    assert virtual.elapsed == 6


async def test_a_strand_that_never_began_counts_as_over(virtual: VirtualClock) -> None:
    """Or the time would stand still ever after."""
    stream: Any = NAP.abatch_as_completed([1, 1, 1, 1], {"max_concurrency": 2})
    async with aclosing(stream):
        await anext(stream)
    await asleep(5)
    assert virtual.elapsed == 6


def test_the_end_of_what_is_cancelled_takes_its_time(run: Any, virtual: VirtualClock) -> None:
    """P05: the call returns when nothing of it is left."""

    async def linger(_: Any) -> None:
        try:
            await asleep(1000)
        finally:
            await asleep(5)

    def linger_in_thread(_: Any) -> None:
        try:
            sleep(1000)
        finally:
            clock.get().event().wait(5)

    def fail(_: Any) -> None:
        sleep(3)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(RunnableParallel(a=fail, b=RunnableLambda(linger_in_thread, afunc=linger)), 0)
    assert virtual.elapsed == 8


def test_a_failure_ends_the_waits_beside_it(run: Any, virtual: VirtualClock) -> None:
    """P05: at its moment; the siblings wait no longer."""

    def fail(_: Any) -> None:
        sleep(3)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(RunnableParallel(a=fail, b=after(1000)), 0)
    assert virtual.elapsed == 3


def test_real_work_takes_no_virtual_time(virtual: VirtualClock) -> None:
    """However long it is, those who wait for the clock wait for it."""
    done = threading.Event()

    def work(_: Any) -> float:
        timer = threading.Timer(0.05, done.set)
        timer.start()
        done.wait()
        timer.join()
        return now()

    chain: Any = RunnableParallel(work=work, nap=after(10))
    assert chain.invoke(0) == {"work": 0, "nap": 10}


async def test_real_work_of_tasks_takes_no_virtual_time(virtual: VirtualClock) -> None:
    """Also where it is watched, and so runs beside who reads what is told of it."""
    done = threading.Event()

    async def work(_: Any) -> float:
        timer = threading.Timer(0.05, done.set)
        timer.start()
        await asyncio.to_thread(done.wait)
        timer.join()
        return now()

    chain: Any = RunnableParallel(work=work, nap=after(10))
    assert await chain.ainvoke(0) == {"work": 0, "nap": 10}
    done.clear()
    [*_, last] = [event async for event in chain.astream_events(0)]
    assert last["data"]["output"] == {"work": 10, "nap": 20}


# --------------------------------------------------------------------------------------------------- standing still


def test_a_strand_in_the_way_is_named() -> None:
    """One branch waits for what only the other could do, by means that the clock does not know."""
    done = threading.Event()

    def wait_for_it(_: Any) -> None:
        done.wait(5)

    def do_it(_: Any) -> None:
        try:
            sleep(10)
        finally:
            done.set()

    chain: Any = RunnableParallel(a=wait_for_it, b=do_it)
    with VirtualClock(patience=0.2), pytest.raises(StandstillError, match=r"wait_for_it at .*patience"):
        chain.invoke(0)


async def test_a_task_in_the_way_is_named() -> None:
    """The same in tasks."""
    done = asyncio.Event()

    async def wait_for_it(_: Any) -> None:
        await done.wait()

    chain: Any = RunnableParallel(a=wait_for_it, b=after(10))
    with VirtualClock(patience=0.2), pytest.raises(StandstillError, match="wait_for_it at "):
        await chain.ainvoke(0)


def test_a_wait_that_nothing_will_end_is_an_error(run: Any) -> None:
    """Instead of a test that hangs."""
    with VirtualClock(patience=0.2), pytest.raises(StandstillError, match="ever end"):
        run(NAP, inf)


async def test_a_deadline_that_could_not_come_is_told_at_the_end() -> None:
    """It goes off, so that the test ends, but the clock says that this was not by its time."""

    async def hang(_: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(StandstillError, match="hang at "), VirtualClock(patience=0.2), pytest.raises(DeadlineError):
        await RunnableLambda(hang).ainvoke(0, {"timeout": 60})


async def test_who_still_waits_when_the_clock_is_left_is_told() -> None:
    """A task that was left behind."""
    with VirtualClock():
        task = asyncio.create_task(NAP.ainvoke(10))
        await asyncio.sleep(0)
    with pytest.raises(StandstillError, match="left"):
        await task

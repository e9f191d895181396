"""Calls get leave in the order of arrival, at the moment when it is due, and never more of it than there is."""

import asyncio
import copy
import itertools
import pickle
import random
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import ConfigError, DeadlineError
from plait.language_models import FakeListChatModel, FakeListLLM
from plait.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from plait.runnables import RunnableLambda
from plait.stopping import Stopped, asleep, stoppable
from plait.testing.clock import VirtualClock


def limiter(rate: float = 1, size: float = 1) -> InMemoryRateLimiter:
    return InMemoryRateLimiter(requests_per_second=rate, max_bucket_size=size)


def test_calls_are_spaced() -> None:
    """The first call need not wait; each other one waits for exactly what is left of its interval."""
    with VirtualClock() as clock:
        limits = limiter(rate=4)
        moments = []
        for _ in range(4):
            assert limits.acquire()
            moments.append(clock.elapsed)

    assert moments == pytest.approx([0, 0.25, 0.5, 0.75])
    assert len(clock.sleeps) == 3  # one wait for each, no polling


async def test_tasks_are_spaced() -> None:
    """Tasks wait like threads, without blocking the loop."""
    async with VirtualClock() as clock:
        limits, moments = limiter(rate=4), []

        async def call() -> None:
            assert await limits.aacquire()
            moments.append(clock.elapsed)

        await asyncio.gather(*(call() for _ in range(4)))

    assert moments == pytest.approx([0, 0.25, 0.5, 0.75])


def test_a_pause_fills_the_bucket_and_no_more() -> None:
    """After a long pause as many calls as the bucket holds go through at once, and then one for each interval."""
    with VirtualClock() as clock:
        limits = limiter(rate=2, size=3)
        limits.acquire()
        clock.advance(100)
        moments = [(limits.acquire(), clock.elapsed)[1] - 100 for _ in range(5)]

    assert moments == pytest.approx([0, 0, 0, 0.5, 1.0])


def test_the_start_is_no_burst() -> None:
    """A bucket is not full at the start: a program that is started again and again would not keep its limit."""
    with VirtualClock() as clock:
        limits = limiter(rate=2, size=3)
        moments = [(limits.acquire(), clock.elapsed)[1] for _ in range(3)]

    assert moments == pytest.approx([0, 0.5, 1.0])


@given(
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=30),
    rate=st.floats(0.1, 1000),
    size=st.floats(1, 10),
)
def test_no_window_has_more_than_its_share(pauses: list[float], rate: float, size: float) -> None:
    """In any span of s seconds at most size + s * rate calls get leave, however they come."""
    with VirtualClock() as clock:
        limits, moments = limiter(rate, size), []
        for pause in pauses:
            clock.advance(pause)
            limits.acquire()
            moments.append(clock.elapsed)

    for first, begin in enumerate(moments):
        for last in range(first, len(moments)):
            assert last - first + 1 <= size + (moments[last] - begin) * rate + 1e-3


@pytest.mark.parametrize("start", [0.0, 1e6, 1e9])
def test_old_clocks_are_exact_enough(start: float) -> None:
    """A clock that has run for years does not tell moments apart that finely; nobody waits for ever all the same."""
    with VirtualClock() as clock:
        clock.advance(start)
        limits = limiter(rate=3)
        for _ in range(50):
            limits.acquire()

    assert clock.elapsed - start == pytest.approx(49 / 3, abs=1e-3)


def test_without_waiting_it_says_at_once() -> None:
    """With blocking=False there is leave or none, and no wait."""
    with VirtualClock() as clock:
        limits = limiter()
        assert [limits.acquire(blocking=False), limits.acquire(blocking=False)] == [True, False]
        clock.advance(1)
        assert limits.acquire(blocking=False)

    assert clock.sleeps == []


async def test_order_of_arrival() -> None:
    """Who comes first goes first, and who does not wait cannot get in between."""
    async with VirtualClock():
        limits, order = limiter(rate=10), []

        async def call(name: int) -> None:
            await limits.aacquire()
            order.append(name)

        async def push() -> None:
            for _ in range(20):
                await asleep(0.05)
                assert not await limits.aacquire(blocking=False)

        await asyncio.gather(*(call(name) for name in range(15)), push())

    assert order == list(range(15))


async def test_a_cancelled_task_leaves_its_place() -> None:
    """Those behind a task that is cancelled move up, and no leave is lost."""
    async with VirtualClock() as clock:
        limits, moments = limiter(), {}

        async def call(name: str) -> None:
            await limits.aacquire()
            moments[name] = clock.elapsed

        tasks = {name: asyncio.create_task(call(name)) for name in "abcde"}
        await asleep(0.5)
        tasks["b"].cancel()
        tasks["d"].cancel()
        await asyncio.wait(tasks.values())

    assert moments == pytest.approx({"a": 0, "c": 1, "e": 2})


async def test_leave_that_a_cancelled_task_just_got_goes_on() -> None:
    """A task that is cancelled when it has leave but has not run yet gives it to the next."""
    async with VirtualClock() as clock:
        limits = limiter()
        await limits.aacquire()
        first, second = asyncio.create_task(limits.aacquire()), asyncio.create_task(limits.aacquire())
        await asleep(0.5)
        clock.advance(0.6)
        assert not await limits.aacquire(blocking=False)  # it hands out what is due: the first task has it now
        first.cancel()
        assert await second
        assert clock.elapsed == pytest.approx(1.1)
        with pytest.raises(asyncio.CancelledError):
            await first


def test_a_thread_that_is_told_to_stop_leaves_its_place() -> None:
    """A sync call that is to end stops waiting at once, and those behind move up."""
    with VirtualClock() as clock:
        limits = limiter()
        limits.acquire()
        with stoppable() as stop:
            call_off = clock.call_at(0.25, lambda: stop.set("enough"))
            with pytest.raises(Stopped):
                limits.acquire()
            call_off()
        assert clock.elapsed == 0.25
        limits.acquire()
        assert clock.elapsed == pytest.approx(1)


def test_threads_and_loops_share_one() -> None:
    """Threads and the tasks of several event loops together get no more than one of them would."""
    limits, before = limiter(rate=200), threading.Barrier(4)
    got: list[float] = []

    def sync() -> None:
        before.wait()
        for _ in range(10):
            limits.acquire()
            got.append(1)

    async def call() -> None:
        await limits.aacquire()
        got.append(1)

    async def calls() -> None:
        before.wait()
        await asyncio.gather(*(call() for _ in range(10)))

    works: list[Any] = [sync, sync, lambda: asyncio.run(calls()), lambda: asyncio.run(calls())]
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(got) == 40
    assert not limits._waiting


async def test_a_blocked_loop_holds_up_nobody() -> None:
    """A sync call on the loop's own thread gets its turn, though a task of that loop that cannot run is in front."""
    async with VirtualClock() as clock:
        limits = limiter()
        await limits.aacquire()
        task = asyncio.create_task(limits.aacquire())
        await asleep(0.5)
        assert limits.acquire()  # blocks the loop: the task cannot run
        assert clock.elapsed == pytest.approx(3)  # at 2 it gave the task in front its leave
        assert await task


def test_a_loop_that_is_gone_holds_up_nobody() -> None:
    """Whoever waited in a loop that was closed over it gets no leave in the place of others."""
    with VirtualClock() as clock:
        limits, loop = limiter(), asyncio.new_event_loop()
        limits.acquire()
        loop.create_task(limits.aacquire())
        for _ in range(3):
            loop.run_until_complete(asyncio.sleep(0))
        left = asyncio.all_tasks(loop)
        loop.close()

        assert limits.acquire()
        assert clock.elapsed == pytest.approx(2)  # it would be 3, had the one in front taken leave
        for task in left:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is what this is about
            task.get_coro().close()


async def test_those_in_front_count_for_a_deadline() -> None:
    """Whether it will be too late depends on how many wait already."""
    async with VirtualClock() as clock:
        model = FakeListChatModel(responses=["a"], rate_limiter=limiter())
        waiting = [asyncio.create_task(model.ainvoke("x")) for _ in range(4)]
        await asleep(0.1)
        with pytest.raises(DeadlineError, match=r"leave for this call in 3.9 s"):
            await model.ainvoke("x", {"timeout": 3.5})
        assert clock.elapsed == pytest.approx(0.1)
        await asyncio.wait(waiting)
        assert clock.elapsed == pytest.approx(3)


async def test_too_late_is_said_at_once() -> None:
    """A call whose turn would come after its deadline raises before it waits, and takes no place."""
    async with VirtualClock() as clock:
        limits = limiter(rate=0.1)
        model = FakeListChatModel(responses=["a"], rate_limiter=limits)
        await model.ainvoke("x", {"timeout": 5})
        for verb in (model.ainvoke, lambda *given: asyncio.to_thread(model.invoke, *given)):
            with pytest.raises(DeadlineError, match="leave for this call in 10 s, but the call must be over in 5 s"):
                await verb("x", {"timeout": 5})
        assert clock.elapsed == 0
        await model.ainvoke("x", {"timeout": 15})
        assert clock.elapsed == pytest.approx(10)


def test_a_limit_in_a_batch() -> None:
    """A batch of a model with a limit takes as long as the limit says, and gives every answer in its place."""
    with VirtualClock() as clock:
        model = FakeListChatModel(responses=["a"], rate_limiter=limiter(rate=10))
        assert [answer.content for answer in model.batch(["x"] * 11)] == ["a"] * 11

    assert clock.elapsed == pytest.approx(1)


@pytest.mark.parametrize("kind", [FakeListChatModel, FakeListLLM])
def test_each_call_of_a_model_takes_leave(kind: Any, run: Any) -> None:
    """In every verb one call of the model takes leave once."""
    with VirtualClock() as clock:
        model = kind(responses=["a b c"], rate_limiter=limiter())
        run(model | RunnableLambda(str), "x")
        run(model, "x")

    assert clock.elapsed == pytest.approx(1)


async def test_own_limiter() -> None:
    """A limiter of one's own needs the sync form alone; async code calls it in a thread."""
    threads = []

    class Own(BaseRateLimiter):
        def acquire(self, *, blocking: bool = True) -> bool:
            threads.append(threading.current_thread())
            return True

    model = FakeListChatModel(responses=["a"], rate_limiter=Own())
    await model.ainvoke("x")
    assert threads[0] is not threading.current_thread()


async def test_random_coming_and_going() -> None:
    """Tasks that come at random and are cancelled at random: leave is never lost, never doubled, and in order."""
    luck = random.Random(7)
    async with VirtualClock() as clock:
        limits, got = limiter(rate=10), []

        async def call(number: int) -> None:
            await limits.aacquire()
            got.append((clock.elapsed, number))

        tasks = []
        for number in range(200):
            tasks.append(asyncio.create_task(call(number)))
            if luck.random() < 0.5:
                luck.choice(tasks).cancel()
            await asleep(luck.random() * 0.05)
        await asyncio.wait(tasks)

    assert [number for _, number in got] == sorted(number for _, number in got)
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(got)]
    assert min(gaps) >= 0.1 - 1e-5
    assert max(gaps) <= 0.1 + 1e-5  # there is always somebody: nothing is lost either
    assert len(got) + sum(task.cancelled() for task in tasks) == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_second", 0),
        ("requests_per_second", -1),
        ("requests_per_second", float("inf")),
        ("requests_per_second", "1"),
        ("requests_per_second", 1e-320),
        ("requests_per_second", True),
        ("check_every_n_seconds", 0),
        ("max_bucket_size", 0.5),
        ("max_bucket_size", float("nan")),
    ],
)
def test_bad_settings_are_named(field: str, value: Any) -> None:
    """A setting that cannot be right is refused by name."""
    with pytest.raises(ConfigError, match=rf"^{field} must be .*{value!r}"):
        InMemoryRateLimiter(**{field: value})


def test_copies_share_and_pickles_do_not() -> None:
    """A copy of a model keeps to the same limit; what was unpickled has one of its own, with the same settings."""
    model = FakeListChatModel(responses=["a"], rate_limiter=limiter(rate=7, size=3))
    assert model.model_copy(deep=True).rate_limiter is copy.copy(model).rate_limiter is model.rate_limiter
    unpickled = pickle.loads(pickle.dumps(model)).rate_limiter
    assert unpickled is not model.rate_limiter
    assert repr(unpickled) == "InMemoryRateLimiter(requests_per_second=7, max_bucket_size=3)"

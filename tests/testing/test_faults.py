"""Faults that a test puts around a step: they strike when they are told to, by the clock, and pass on all else."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any, cast

import pytest

from plait.clocks import now
from plait.errors import ConfigError, DeadlineError, ModelConnectionError, StandstillError
from plait.runnables import Runnable, RunnableGenerator, RunnableLambda, RunnableParallel
from plait.testing import Fails, FakeListChatModel, Hangs, Slow, VirtualClock, check_runnable


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    """No test here waits."""
    with VirtualClock(patience=2) as clock:
        yield clock


def spell(chunks: Iterator[str]) -> Iterator[str]:
    """Letter by letter."""
    for chunk in chunks:
        yield from chunk


def opened(stream: Any) -> Generator[Any, None, None]:
    """A stream is one that can be closed."""
    return cast("Generator[Any, None, None]", stream)


SPELL: Runnable[str, str] = RunnableGenerator(spell)
UPPER: Runnable[str, str] = RunnableLambda(str.upper)


def outcome(run: Any, runnable: Any, input: Any) -> Any:
    """The value, or the type of what is raised."""
    try:
        return run(runnable, input)
    except Exception as error:
        return type(error)


# ------------------------------------------------------------------------------------------------------------- Fails


def test_the_first_calls_fail(run: Any) -> None:
    """As many as ``times`` says; the others are passed on."""
    step = Fails(UPPER, times=2, error=TimeoutError("late"))
    assert [outcome(run, step, "a") for _ in range(4)] == [TimeoutError, TimeoutError, "A", "A"]
    assert step.call_count == 4


def test_all_calls_fail_unless_a_number_is_said(run: Any) -> None:
    """With an error that is worth another attempt."""
    step = Fails(UPPER)
    assert [outcome(run, step, "a") for _ in range(3)] == [ModelConnectionError] * 3


def test_a_list_says_of_each_call_how_it_ends(run: Any) -> None:
    """Classes, instances and None for what works; after it all work."""
    step = Fails(UPPER, error=[KeyError, None, ValueError("no")])
    assert [outcome(run, step, "a") for _ in range(5)] == [KeyError, "A", ValueError, "A", "A"]


def test_only_the_inputs_that_are_picked_fail(run: Any) -> None:
    """And only they count."""
    step = Fails(UPPER, when=lambda text: text == "bad", times=1)
    assert [outcome(run, step, text) for text in ("good", "bad", "bad")] == ["GOOD", ModelConnectionError, "BAD"]


def test_a_stream_fails_after_some_chunks() -> None:
    """Those before are given."""
    seen: list[str] = []
    with pytest.raises(ModelConnectionError), closing(opened(Fails(SPELL, at_chunk=2).stream("abcd"))) as chunks:
        seen.extend(chunks)
    assert seen == ["a", "b"]


def test_a_short_stream_fails_at_its_end() -> None:
    """It has no such chunk."""
    seen: list[str] = []
    with pytest.raises(ModelConnectionError):
        seen.extend(Fails(SPELL, at_chunk=9).stream("ab"))
    assert seen == ["a", "b"]


def test_a_failing_call_does_not_reach_what_is_within(run: Any) -> None:
    """It is as if the connection had failed."""
    model = FakeListChatModel(responses=["hello"])
    with pytest.raises(ModelConnectionError):
        run(Fails(model), "go")
    assert model.call_count == 0


def test_each_call_raises_an_error_of_its_own(run: Any) -> None:
    """Or the notes of one call would be on that of another."""
    given, raised = ValueError("no"), []
    step = Fails(UPPER, error=given)
    for _ in range(2):
        with pytest.raises(ValueError, match="no") as caught:
            run(step, "a")
        raised.append(caught.value)
    assert raised[0] is not raised[1]
    assert given.__traceback__ is None


def test_threads_share_one_count() -> None:
    """Exactly ``times`` of all calls fail."""
    step = Fails(UPPER, times=50)
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda _: outcome(Runnable.invoke, step, "a"), range(200)))
    assert ends.count(ModelConnectionError) == 50
    assert step.call_count == 200


def test_a_batch_fails_in_places() -> None:
    """Item by item."""
    step = Fails(UPPER, when=lambda text: text in {"b", "d"})
    found = step.batch(list("abcd"), return_exceptions=True)
    assert [type(end).__name__ for end in found] == ["str", "ModelConnectionError", "str", "ModelConnectionError"]


def test_a_retry_gets_over_it(run: Any, clock: VirtualClock) -> None:
    """What all this is for."""
    chain = Fails(UPPER, times=3).with_retry(
        stop_after_attempt=4, exponential_jitter_params={"initial": 4, "jitter": 0}
    )
    assert run(chain, "a") == "A"
    assert clock.sleeps == [4, 8, 16]


# ------------------------------------------------------------------------------------------------------------- Hangs


def test_a_call_that_hangs_ends_at_its_deadline(run: Any, clock: VirtualClock) -> None:
    """Sync and async, at its very moment."""
    with pytest.raises(DeadlineError):
        run(Hangs(UPPER), "a", {"timeout": 30})
    assert clock.elapsed == 30


def test_a_stream_hangs_after_some_chunks(clock: VirtualClock) -> None:
    """Silence in mid-stream is what ``idle_timeout`` is for."""
    seen: list[tuple[str, float]] = []
    with pytest.raises(DeadlineError):
        seen.extend((chunk, now()) for chunk in Hangs(SPELL, at_chunk=2).stream("abcd", {"idle_timeout": 7}))
    assert seen == [("a", 0), ("b", 0)]
    assert clock.elapsed == 7


def test_what_hangs_ends_when_its_sibling_fails(run: Any, clock: VirtualClock) -> None:
    """P05: threads, too, are told."""
    chain: Any = RunnableParallel(a=Hangs(UPPER), b=Slow(Fails(UPPER, error=ValueError("no")), first=5))
    with pytest.raises(ValueError, match="no"):
        run(chain, "a")
    assert clock.elapsed == 5


async def test_what_hangs_can_be_cancelled() -> None:
    """By the real clock, too."""
    task = asyncio.create_task(Hangs(UPPER).ainvoke("a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_only_the_first_calls_hang(run: Any, clock: VirtualClock) -> None:
    """A retry after a time-out of each attempt."""
    step = Hangs(UPPER, times=2)
    for _ in range(2):
        with pytest.raises(DeadlineError):
            run(step, "a", {"timeout": 10})
    assert run(step, "a", {"timeout": 10}) == "A"
    assert clock.elapsed == 20


def test_a_hang_that_nothing_ends_is_told() -> None:
    """A test without a deadline does not hang itself."""
    with VirtualClock(patience=0.1), pytest.raises(StandstillError):
        Hangs(UPPER).invoke("a")


# -------------------------------------------------------------------------------------------------------------- Slow


def test_a_slow_value_takes_its_time(run: Any, clock: VirtualClock) -> None:
    """Before it comes."""
    assert run(Slow(UPPER, first=12), "a") == "A"
    assert clock.elapsed == 12


def test_a_slow_stream_gives_each_chunk_at_its_time(clock: VirtualClock) -> None:
    """The first token late, the others slowly, and no wait after the last."""
    seen = [(chunk, now()) for chunk in Slow(SPELL, first=10, each=2).stream("abc")]
    assert seen == [("a", 10), ("b", 12), ("c", 14)]
    assert clock.elapsed == 14


async def test_a_slow_async_stream_gives_each_chunk_at_its_time(clock: VirtualClock) -> None:
    """The same."""
    seen = [(chunk, now()) async for chunk in Slow(SPELL, first=10, each=2).astream("abc")]
    assert seen == [("a", 10), ("b", 12), ("c", 14)]


def test_only_some_calls_are_slow(run: Any, clock: VirtualClock) -> None:
    """The first ones, or those that are picked."""
    run(Slow(UPPER, first=5, times=0), "a")
    run(Slow(UPPER, first=5, when=lambda text: text == "b"), "a")
    assert clock.elapsed == 0


# ------------------------------------------------------------------------------------------------------ what all share

FAULTS = [Fails(UPPER, times=0), Hangs(UPPER, times=0), Slow(UPPER), Fails(UPPER, when=lambda _: False)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_does_not_strike_changes_nothing(fault: Any) -> None:
    """It keeps the laws of a runnable."""
    check_runnable(fault, ["a", "b"])


def test_a_fault_passes_chunks_on_as_they_come() -> None:
    """It reads no more than what is within."""
    pulled: list[str] = []

    def source() -> Iterator[str]:
        for letter in "abc":
            pulled.append(letter)
            yield letter

    with closing(opened(Slow(SPELL).transform(source()))) as chunks:
        assert next(chunks) == "a"
    assert pulled == ["a"]


def test_a_fault_reads_a_stream_whole_to_pick_it(run: Any) -> None:
    """Its chunks say little of it."""
    chain = SPELL | Fails(SPELL, when=lambda text: text == "abc")
    with pytest.raises(ModelConnectionError):
        run(chain, "abc")


class ToolCaller(FakeListChatModel):
    """A model that takes tools."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=tools, **kwargs)


def test_a_fault_around_a_chat_model_keeps_its_methods() -> None:
    """What ``bind_tools`` and its kin give is as faulty, by the same count."""

    model: Any = Fails(ToolCaller(responses=["hello"]), times=1)
    bound = model.bind_tools([])
    with pytest.raises(ModelConnectionError):
        bound.invoke("go")
    assert model.invoke("go").content == "hello"
    assert (model.call_count, bound.call_count) == (2, 2)


def test_a_fault_takes_what_a_chain_takes(run: Any) -> None:
    """Functions and dicts."""
    assert run(Slow(lambda text: text + "!"), "a") == "a!"
    assert run(Slow({"a": str.upper}), "a") == {"a": "A"}


def test_a_copy_in_another_process_begins_anew() -> None:
    """Its count is of calls here."""
    step = Fails(UPPER, times=1)
    with suppress(ModelConnectionError):
        step.invoke("a")
    again = pickle.loads(pickle.dumps(step))
    assert again.call_count == 0
    with pytest.raises(ModelConnectionError):
        again.invoke("a")


def test_what_is_around_what_can_be_seen() -> None:
    """In reprs, names and errors."""
    step = Fails(UPPER, times=2, at_chunk=1)
    assert repr(step) == f"Fails({UPPER!r}, times=2, at_chunk=1)"
    assert step.get_name() == f"Fails<{UPPER.get_name()}>"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Fails(UPPER, times=-1), "times"),
        (lambda: Fails(UPPER, at_chunk=-1), "at_chunk"),
        (lambda: Fails(UPPER, error="no"), "error"),  # type: ignore[arg-type]
        (lambda: Fails(UPPER, error=[ValueError, 3]), "error"),  # type: ignore[list-item]
        (lambda: Fails(UPPER, error=[ValueError], times=3), "times"),
        (lambda: Hangs(UPPER, at_chunk=-1), "at_chunk"),
        (lambda: Slow(UPPER, first=-1), "first"),
        (lambda: Slow(UPPER, each=float("nan")), "each"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, named: str) -> None:
    """By the name of the argument."""
    with pytest.raises(ConfigError, match=named):
        make()

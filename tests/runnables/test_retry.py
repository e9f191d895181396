"""Trying again: what is worth another attempt, how long it is waited for, and that each result is of its own input."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from email.utils import formatdate
from math import inf, nan
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait import (
    MissingExtraError,
    MissingKeyError,
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from plait.callbacks import get_usage_metadata_callback
from plait.errors import ChainError, ConfigError, DeadlineError, ModelConnectionError, PromptError
from plait.language_models import BaseChatModel
from plait.merging import StreamReset, merge_all
from plait.messages import AIMessage, BaseMessage
from plait.outputs import ChatGeneration, ChatResult
from plait.runnables.retrying import Policy, Schedule, is_transient, policy_of, wish_of
from plait.runs import Run
from plait.stopping import Stopped
from plait.testing import VirtualClock

AT_ONCE: dict[str, Any] = {"wait_exponential_jitter": False}
EXACT: dict[str, Any] = {"exponential_jitter_params": {"jitter": 0}}


class Failing:
    """A function that fails for the first so many calls, and then doubles its input."""

    def __init__(self, *errors: BaseException | type[BaseException]) -> None:
        self.errors = list(errors)
        self.calls: list[Any] = []

    def __call__(self, value: Any) -> Any:
        self.calls.append(value)
        if len(self.calls) <= len(self.errors):
            raise self.errors[len(self.calls) - 1]
        return value * 2


class Refused(Exception):
    """As the exceptions of HTTP clients look."""

    def __init__(self, status: object, headers: object = None) -> None:
        super().__init__("refused")
        self.response = SimpleNamespace(status_code=status, headers=headers)


class Listener:
    """Keeps the runs that have ended."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def on_run_start(self, run: Run) -> None: ...

    def on_run_chunk(self, run: Run, chunk: Any) -> None: ...

    def on_run_event(self, run: Run, name: str, data: Any) -> None: ...

    def on_run_end(self, run: Run) -> None:
        self.runs.append(run)


# ---------------------------------------------------------------------------------------------------- how often, and what


def test_it_is_tried_until_it_succeeds(run: Any) -> None:
    """Two failures and a success are a success."""
    failing = Failing(OSError, OSError)

    assert run(RunnableLambda(failing).with_retry(**AT_ONCE), 2) == 4
    assert failing.calls == [2, 2, 2]


def test_last_exception_is_raised_as_it_is(run: Any) -> None:
    """When all attempts have failed, the exception of the last one is raised, the same object."""
    errors = [OSError(1), OSError(2), OSError(3)]

    with pytest.raises(OSError, match="3") as caught:
        run(RunnableLambda(Failing(*errors)).with_retry(**AT_ONCE), 1)
    assert caught.value is errors[2]


def test_note_says_which_attempt_it_was(run: Any) -> None:
    """P13: the note of the exception says that it was the last of so many attempts."""
    retried = (RunnablePassthrough() | Failing(OSError(), OSError())).with_retry(**AT_ONCE, stop_after_attempt=2)

    with pytest.raises(OSError) as caught:
        run(retried, 1)
    [note] = caught.value.__notes__
    assert "in attempt 2 of 2 of 'RunnableSequence'" in note


def test_once_is_a_number_of_attempts(run: Any) -> None:
    """With one attempt nothing is tried again."""
    failing = Failing(OSError())

    with pytest.raises(OSError):
        run(RunnableLambda(failing).with_retry(stop_after_attempt=1), 1)
    assert len(failing.calls) == 1


MISTAKES = [
    TypeError(),
    AttributeError(),
    NameError(),
    AssertionError(),
    KeyError(),
    IndexError(),
    NotImplementedError(),
    ImportError(),
    SyntaxError(),
    RecursionError(),
    ConfigError(),
    ChainError(),
    PromptError(),
    MissingKeyError(),
    MissingExtraError(),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda error: type(error).__name__)
def test_mistakes_are_not_retried(mistake: Exception) -> None:
    """P48: a mistake of the program or of its configuration is made once, and the note says why."""
    failing = Failing(mistake)

    with pytest.raises(type(mistake)) as caught:
        RunnableLambda(failing).with_retry(**AT_ONCE).invoke(1)
    assert len(failing.calls) == 1
    assert f"attempt 1 of 3 of 'Failing' ({type(mistake).__name__} is not retried)" in caught.value.__notes__[0]


TRANSIENT = [ValueError(), OSError(), RuntimeError(), TimeoutError(), ModelConnectionError(), DeadlineError()]


@pytest.mark.parametrize("error", TRANSIENT, ids=lambda error: type(error).__name__)
def test_other_exceptions_are_retried(error: Exception) -> None:
    """What may be gone the next time is tried again, a value that a parser refused included."""
    assert is_transient(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 499])
def test_what_the_provider_refuses_is_not_retried(run: Any, status: int) -> None:
    """A status of 4xx blames the request, which would be the same again."""
    failing = Failing(Refused(status))

    with pytest.raises(Refused):
        run(RunnableLambda(failing).with_retry(**AT_ONCE), 1)
    assert len(failing.calls) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 529, 399, 200, True, "404", None])
def test_what_the_provider_may_get_past_is_retried(status: Any) -> None:
    """A conflict, a limit or a fault of the server passes, and what is no status says nothing."""
    assert is_transient(Refused(status))


def test_status_may_be_the_exceptions_own() -> None:
    """An exception may have the status itself; one whose attributes fail says nothing."""

    class Hostile(Exception):
        @property
        def response(self) -> Any:
            raise RuntimeError("no")

    plain: Any = Exception()
    plain.status_code = 404
    assert not is_transient(plain)
    assert is_transient(Hostile())


@pytest.mark.parametrize("kinds", [KeyError, (KeyError,), (OSError, LookupError)], ids=str)
def test_given_types_are_exactly_those(run: Any, kinds: Any) -> None:
    """With types of one's own, these are tried again, mistakes among them, and no other."""
    failing, other = Failing(KeyError()), Failing(ValueError())

    assert run(RunnableLambda(failing).with_retry(retry_if_exception_type=kinds, **AT_ONCE), 1) == 2
    with pytest.raises(ValueError):
        run(RunnableLambda(other).with_retry(retry_if_exception_type=kinds, **AT_ONCE), 1)
    assert len(other.calls) == 1


def test_function_says_what_is_retried(run: Any) -> None:
    """What is tried again may be said by a function of the exception."""
    failing = Failing(ValueError("again"), ValueError("enough"))
    retried = RunnableLambda(failing).with_retry(retry_if_exception_type=lambda error: "again" in str(error), **AT_ONCE)

    with pytest.raises(ValueError, match="enough"):
        run(retried, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, Stopped], ids=str)
def test_wishes_to_end_are_never_retried(error: type[BaseException]) -> None:
    """P25: what is no Exception is somebody's wish, and gets through at once."""
    failing = Failing(error)

    with pytest.raises(error):
        RunnableLambda(failing).with_retry(**AT_ONCE).invoke(1)
    assert len(failing.calls) == 1


def test_exception_that_is_returned_is_a_value(run: Any) -> None:
    """P25: a step that returns an exception object has succeeded."""
    calls: list[int] = []

    def give(value: int) -> Any:
        calls.append(value)
        return ValueError("a value")

    assert isinstance(run(RunnableLambda(give).with_retry(**AT_ONCE), 1), ValueError)
    assert calls == [1]


def test_attempts_do_not_share_a_dict(run: Any) -> None:
    """P47: an attempt that changes its dict and then fails does not change what the next one gets."""
    seen: list[dict[str, int]] = []

    def edit(given: dict[str, int]) -> int:
        seen.append(dict(given))
        given["a"] = 5
        if len(seen) < 3:
            raise OSError
        return given["a"]

    assert run(RunnableLambda(edit).with_retry(**AT_ONCE), {"a": 1}) == 5
    assert seen == [{"a": 1}] * 3


def test_earlier_exceptions_are_not_kept_alive(run: Any) -> None:
    """The exception that is raised holds none of those before it."""

    class Mine(Exception):
        pass

    seen: list[weakref.ref[Mine]] = []

    def fail(_: int) -> None:
        error = Mine()
        seen.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    with pytest.raises(Mine) as caught:
        run(RunnableLambda(fail).with_retry(**AT_ONCE), 1)
    gc.collect()
    assert [ref() for ref in seen] == [None, None, caught.value]
    assert caught.value.__context__ is None


def test_kwargs_reach_every_attempt(run: Any) -> None:
    """Bound and given keyword arguments are those of each attempt."""
    seen: list[int] = []

    def add(value: int, by: int) -> int:
        seen.append(by)
        if len(seen) < 2:
            raise OSError
        return value + by

    assert run(RunnableLambda(add).with_retry(**AT_ONCE).bind(by=5), 1) == 6
    assert seen == [5, 5]


# ------------------------------------------------------------------------------------------------------------- waiting


def waits_of(failing: Callable[[Any], Any], **options: Any) -> list[float]:
    with VirtualClock() as clock:
        with suppress(OSError):
            RunnableLambda(failing).with_retry(**options).invoke(1)
        return clock.sleeps


def test_waits_grow() -> None:
    """Without jitter the waits are initial times exp_base to the power of the failures before, at most max."""
    params = {"initial": 3, "max": 50, "exp_base": 3, "jitter": 0}
    failing = Failing(*[OSError] * 5)

    assert waits_of(failing, exponential_jitter_params=params, stop_after_attempt=6) == [3, 9, 27, 50, 50]


def test_waits_are_jittered(run: Any) -> None:
    """By default another attempt waits one second, then two, each with up to a second more."""
    with VirtualClock() as clock:
        run(RunnableLambda(Failing(OSError, OSError)).with_retry(), 1)

    first, second = clock.sleeps
    assert 1 <= first <= 2 <= second <= 3


def test_no_waiting_when_it_is_not_wanted(run: Any) -> None:
    """With wait_exponential_jitter=False the next attempt follows at once."""
    with VirtualClock() as clock:
        run(RunnableLambda(Failing(OSError, OSError)).with_retry(**AT_ONCE), 1)

    assert clock.elapsed == 0


@pytest.mark.parametrize("options", [{}, AT_ONCE], ids=str)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "20"}, 20),
        ({"Retry-After": "20.5"}, 20.5),
        ({"retry-after": 20}, 20),
        ({"retry-after-ms": "2500", "retry-after": "40"}, 2.5),
        ({"retry-after": formatdate(1000.0 + 30, usegmt=True)}, 30),
    ],
    ids=str,
)
def test_wish_of_the_provider_is_waited_for(run: Any, headers: Any, seconds: float, options: Any) -> None:
    """The wait is what the provider asks for, in seconds, milliseconds or as a date, where that is more."""
    with VirtualClock(start=1000.0) as clock:
        run(RunnableLambda(Failing(Refused(429, headers))).with_retry(**options), 1)

    assert clock.sleeps == [seconds]


def test_wish_does_not_shorten_the_wait() -> None:
    """A provider that asks for less than the schedule does not get its way."""
    assert waits_of(Failing(Refused(503, {"retry-after": "0.1"})), **EXACT) == [1]


HOSTILE: list[Any] = [
    *("nan", "inf", "-inf", "-5", "", "soon", "1" * 5000, "Thu, 99 Foo 2026 99:99:99 GMT", "\x00", "0x10", "1" * 400),
    *(nan, inf, -1, None, True, b"5", ["5"], {}, 10**400),
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["retry-after", "retry-after-ms"])
def test_hostile_wish_is_none(name: str, value: Any) -> None:
    """What is no sensible number of seconds, and no date, is as if it were not there."""
    assert wish_of(Refused(429, {name: value}), 0.0) is None
    assert waits_of(Failing(OSError()), **EXACT) == [1]


@pytest.mark.parametrize("headers", [None, 5, "retry-after: 5", [("retry-after", "5")], object()])
def test_hostile_headers_say_nothing(headers: Any) -> None:
    """Headers may be anything."""
    assert wish_of(Refused(429, headers), 0.0) is None
    assert wish_of(Exception(), 0.0) is None


@pytest.mark.parametrize("wish", ["61", "1e9", "1000000000000", formatdate(1000.0 + 86400, usegmt=True)])
def test_wish_beyond_max_is_not_waited_for(run: Any, wish: str) -> None:
    """A wish for more than max raises the error at once, and its note says so."""
    failing = Failing(Refused(429, {"retry-after": wish}))

    with VirtualClock(start=1000.0) as clock, pytest.raises(Refused) as caught:
        run(RunnableLambda(failing).with_retry(), 1)
    assert clock.elapsed == 0
    assert len(failing.calls) == 1
    assert "the provider wants a wait of" in caught.value.__notes__[0]
    assert "more than max=60" in caught.value.__notes__[0]


def test_date_that_has_passed_asks_for_nothing() -> None:
    """A moment in the past is no wait."""
    assert wish_of(Refused(429, {"retry-after": formatdate(5.0, usegmt=True)}), 1000.0) == 0


def test_no_attempt_starts_that_the_deadline_would_end(run: Any) -> None:
    """N5: when less than its wait is left until the deadline, the error is raised at once, with a note."""
    failing = Failing(OSError(), OSError(), OSError())

    with VirtualClock() as clock, pytest.raises(OSError) as caught:
        run(RunnableLambda(failing).with_retry(**EXACT), 1, {"timeout": 2.5})
    assert clock.sleeps == [1]
    assert "the next would wait 2 s, and 1.5 s are left" in caught.value.__notes__[0]


def test_timeout_within_a_retry_is_that_of_an_attempt(run: Any) -> None:
    """N5: an attempt that ran out of its own time is tried again."""
    from plait.stopping import asleep, sleep

    times: list[float] = [9.0, 9.0, 0.5]

    def slow(value: int) -> int:
        sleep(times.pop(0))
        return value

    async def aslow(value: int) -> int:
        await asleep(times.pop(0))
        return value

    with VirtualClock() as clock:
        retried = RunnableLambda(slow, aslow).with_config(timeout=1).with_retry(**AT_ONCE)
        assert run(retried, 5) == 5
    assert clock.elapsed == pytest.approx(2.5)


def test_waiting_ends_when_the_work_is_to_end() -> None:
    """P03: when a sibling fails, a retry that waits is not waited for."""
    waiting = threading.Event()

    def fail(_: int) -> None:
        waiting.set()
        raise OSError

    def fail_later(_: int) -> None:
        waiting.wait(5)
        raise LookupError

    retried = RunnableLambda(fail).with_retry(exponential_jitter_params={"initial": 60})
    with pytest.raises(LookupError):
        RunnableParallel(a=retried, b=fail_later).invoke(1)


async def test_waiting_is_cancelled() -> None:
    """A task that waits for its next attempt can be cancelled, and no attempt follows."""
    calls, failed = list[int](), asyncio.Event()

    async def fail(value: int) -> None:
        calls.append(value)
        asyncio.get_running_loop().call_soon(failed.set)
        raise OSError

    task = asyncio.create_task(RunnableLambda(fail).with_retry(exponential_jitter_params={"initial": 60}).ainvoke(1))
    await failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == [1]


# -------------------------------------------------------------------------------------------------------- the schedule

NUMBERS = st.floats(min_value=0, max_value=1e308)
SCHEDULES = st.builds(Schedule, initial=NUMBERS, max=NUMBERS, exp_base=NUMBERS, jitter=NUMBERS)
CHANCES = st.floats(min_value=0, max_value=1)


@given(SCHEDULES, st.integers(1, 10**6), CHANCES)
def test_wait_is_bounded(schedule: Schedule, attempt: int, chance: float) -> None:
    """However it is set, a wait is a number from 0 to max."""
    assert 0 <= schedule.wait(attempt, chance) <= schedule.max


@given(SCHEDULES, st.integers(1, 1000), CHANCES)
def test_waits_never_shrink(schedule: Schedule, attempt: int, chance: float) -> None:
    """With a base of at least 1 a later wait is no shorter."""
    schedule = schedule._replace(exp_base=max(schedule.exp_base, 1.0))

    assert schedule.wait(attempt, chance) <= schedule.wait(attempt + 1, chance)


@given(SCHEDULES, st.integers(1, 20), CHANCES, NUMBERS, st.one_of(st.none(), NUMBERS), st.booleans())
def test_wish_and_deadline_are_kept(
    schedule: Schedule, attempt: int, chance: float, wish: float, left: float | None, backs_off: bool
) -> None:
    """A wait is at least the wish, at most max, and less than what is left."""
    policy = Policy(None, schedule, backs_off, 30)
    error = Refused(429, {"retry-after": repr(wish)})

    wait, why = policy.judge(error, attempt, chance=chance, now=0.0, left=left)
    if wait is None:
        assert wish > schedule.max or (left is not None and left <= schedule.max)
        assert why
    else:
        assert wish <= wait <= schedule.max
        assert left is None or wait < left


@given(st.text(max_size=80))
def test_any_text_is_a_header(text: str) -> None:
    """No header makes the reading fail, and what it gives is a finite number from 0."""
    for name in ("retry-after", "retry-after-ms"):
        wish = wish_of(Refused(429, {name: text}), 0.0)
        assert wish is None or 0 <= wish < inf


# -------------------------------------------------------------------------------------------------------------- streams


def breaking(*failures: tuple[str, Exception | None]) -> tuple[Runnable[Any, Any], list[str]]:
    """A streaming step that in each attempt gives so much, chunk by letter, and then fails; and what it was given."""
    plan, given = list(failures), list[str]()

    def sync(chunks: Iterator[str]) -> Iterator[str]:
        gives, error = plan.pop(0)
        given.append("")
        for chunk in chunks:
            given[-1] += chunk
            if len(given[-1]) == 2:
                break
        yield from gives
        if error is not None:
            raise error
        for chunk in chunks:
            given[-1] += chunk

    async def colored(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        gives, error = plan.pop(0)
        given.append("")
        async for chunk in chunks:
            given[-1] += chunk
            if len(given[-1]) == 2:
                break
        for letter in gives:
            yield letter
        if error is not None:
            raise error
        async for chunk in chunks:
            given[-1] += chunk

    return RunnableGenerator(sync, colored), given


def letters(text: str) -> Iterator[str]:
    yield from text


async def aletters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


def streamed(runnable: Any, input: str, mode: str, config: Any = None) -> Iterator[Any]:
    """The chunks of a stream whose input streams in, by letter, in either colour."""
    if mode == "sync":
        yield from runnable.transform(letters(input), config)
        return
    loop = asyncio.new_event_loop()
    stream = runnable.atransform(aletters(input), config)
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(stream))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(stream.aclose())
        loop.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_stream_is_retried_until_its_first_chunk(mode: str) -> None:
    """P24: a stream that fails before its first chunk is tried again, with the same input, and goes on as it comes."""
    step, given = breaking(("", OSError()), ("", OSError()), ("xy", None))

    assert list(streamed(step.with_retry(**AT_ONCE), "abcd", mode)) == ["x", "y"]
    assert given == ["ab", "ab", "abcd"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_failure_in_mid_stream_is_raised(mode: str) -> None:
    """P24: after the first chunk the error is raised, as it is, with what came before it delivered."""
    error = OSError()
    step, given = breaking(("x", error), ("y", None))
    stream = streamed(step.with_retry(**AT_ONCE), "abcd", mode)

    assert next(stream) == "x"
    with pytest.raises(OSError) as caught:
        next(stream)
    assert caught.value is error
    assert "attempt 1 of 3 of 'sync' (it had begun to stream)" in error.__notes__[0]
    assert given == ["ab"]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    "config", [None, {"tags": ["a"]}, {"callbacks": [Listener()]}], ids=["bare", "tags", "watched"]
)
def test_error_of_the_input_is_not_retried(mode: str, config: Any) -> None:
    """What the input of a stream raises is not the step's, and its note does not say that it was an attempt."""
    step, given = breaking(("x", None), ("y", None))

    def broken(chunks: Iterator[str]) -> Iterator[str]:
        yield next(chunks)
        raise OSError("of the input")

    async def abroken(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        yield await anext(chunks)
        raise OSError("of the input")

    chain = RunnableGenerator(broken, abroken) | step.with_retry(**AT_ONCE)
    with pytest.raises(OSError, match="of the input") as caught:
        list(streamed(chain, "abcd", mode, config))
    assert given == ["a"]
    assert "attempt" not in "".join(caught.value.__notes__)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_stream_restarts_if_it_may(mode: str) -> None:
    """N6: with mid_stream="restart" a reset says that what came does not count, and the whole input is given again."""
    step, given = breaking(("xy", OSError()), ("", ValueError()), ("z", OSError()), ("zw", None))
    retried = step.with_retry(**AT_ONCE, mid_stream="restart", stop_after_attempt=4)

    came = list(streamed(retried, "abcd", mode))
    assert came == ["x", "y", StreamReset("OSError"), "z", StreamReset("OSError"), "z", "w"]
    assert merge_all(came) == "zw"
    assert given == ["ab", "ab", "ab", "abcd"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_last_restart_is_raised(mode: str) -> None:
    """N6: when the last attempt fails in mid-stream its error is raised, and no reset comes before that."""
    step, _ = breaking(("x", OSError("1")), ("y", OSError("2")))
    came: list[Any] = []

    with pytest.raises(OSError, match="2") as caught:
        for chunk in streamed(step.with_retry(**AT_ONCE, mid_stream="restart", stop_after_attempt=2), "ab", mode):
            came.append(chunk)  # noqa: PERF402 - what came before the error
    assert came == ["x", StreamReset("OSError"), "y"]
    assert "attempt 2 of 2" in caught.value.__notes__[0]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_steps_after_a_restart_begin_anew(mode: str) -> None:
    """N6: what follows in the chain starts again with the reset, also after a retry or fallbacks that do not restart."""

    def count(chunks: Iterator[str]) -> Iterator[str]:
        for number, chunk in enumerate(chunks):
            yield f"{chunk}{number}"

    for wrap in (lambda it: it, lambda it: it.with_retry(**AT_ONCE), lambda it: it.with_fallbacks([str])):
        step, _ = breaking(("xy", OSError()), ("zw", None))
        chain = wrap(step.with_retry(**AT_ONCE, mid_stream="restart")) | count
        assert list(streamed(chain, "ab", mode)) == ["x0", "y1", StreamReset("OSError"), "z0", "w1"]


def test_mistake_in_mid_stream_is_raised() -> None:
    """N6: what is not retried does not restart a stream either."""
    step, given = breaking(("x", TypeError()), ("y", None))

    with pytest.raises(TypeError):
        list(step.with_retry(**AT_ONCE, mid_stream="restart").stream("ab"))
    assert len(given) == 1


def test_reset_comes_before_the_wait() -> None:
    """N6: the consumer is told at once, and not only when the next attempt begins."""
    step, _ = breaking(("x", OSError()), ("y", None))

    with VirtualClock() as clock:
        stream = step.with_retry(**EXACT, mid_stream="restart").stream("ab")
        assert [next(stream), next(stream)] == ["x", StreamReset("OSError")]
        assert clock.elapsed == 0
        assert list(stream) == ["y"]
        assert clock.elapsed == 1


def test_input_streams_on_after_a_retry() -> None:
    """What an attempt has not pulled yet is pulled as the next one needs it, not before."""
    made: list[str] = []

    def source() -> Iterator[str]:
        for letter in "abcd":
            made.append(letter)
            yield letter

    first = iter([True])

    def fails_once(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            if next(first, False):
                raise OSError
            yield chunk

    stream = RunnableGenerator(fails_once).with_retry(**AT_ONCE).transform(source())
    assert next(stream) == "a"
    assert made == ["a"]
    assert list(stream) == ["b", "c", "d"]


def test_input_is_not_kept_after_the_first_chunk() -> None:
    """Once a stream has begun nothing of its input is held."""

    class Chunk:
        pass

    alive: list[weakref.ref[Chunk]] = []

    def source() -> Iterator[Chunk]:
        for _ in range(50):
            chunk = Chunk()
            alive.append(weakref.ref(chunk))
            yield chunk
            del chunk

    stream = RunnableGenerator(lambda chunks: (1 for _ in chunks)).with_retry().transform(source())
    for _ in range(20):
        next(stream)
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 2
    stream.close()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_failed_attempt_is_closed_before_the_next(mode: str) -> None:
    """Every ``finally`` of an attempt has run when the next one starts."""
    log: list[str] = []

    def inner(chunks: Iterator[str]) -> Iterator[str]:
        log.append("open")
        try:
            yield from chunks
        finally:
            log.append("close")

    def outer(chunks: Iterator[str]) -> Iterator[str]:
        next(chunks)
        if len(log) < 4:
            raise OSError
        yield "x"

    chain = (RunnableGenerator(inner) | outer).with_retry(**AT_ONCE)
    assert list(streamed(chain, "ab", mode)) == ["x"]
    assert log == ["open", "close"] * 3


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_stream_that_fails_to_open_is_retried(mode: str) -> None:
    """P24: a stream of a user's class may fail when it is called, before there is anything to pull."""
    calls: list[str] = []

    class Opening(Runnable[str, str]):
        def transform(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[str]:
            calls.append("x")
            if len(calls) < 3:
                raise OSError
            return iter(input)

        def atransform(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[str]:
            self.transform([])
            return aiter(input)

    retried = Opening().with_retry(**AT_ONCE)
    assert list(streamed(retried, "ab", mode)) == ["a", "b"]
    calls.clear()
    assert list(streamed(Opening().with_fallbacks([Opening(), Opening()]), "ab", mode)) == ["a", "b"]


def test_closed_stream_is_not_retried() -> None:
    """A consumer that leaves ends the stream; that is no failure."""
    step, given = breaking(("xyz", None), ("xyz", None))
    stream = step.with_retry(**AT_ONCE).stream("ab")

    assert next(stream) == "x"
    stream.close()
    assert len(given) == 1


def test_stream_without_chunks_is_no_failure() -> None:
    """A step that gives nothing has given what it gives."""
    assert list(RunnableGenerator(lambda chunks: iter(())).with_retry(**AT_ONCE).stream(1)) == []


# -------------------------------------------------------------------------------------------------------------- batches


class Vector(Runnable[int, int]):
    """A step that does many inputs at once, and of each call fails those that it is told to."""

    def __init__(self, *failing: Iterable[int]) -> None:
        self.failing = [set(each) for each in failing]
        self.calls: list[list[int]] = []

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        [output] = self.batch([input])
        return output

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        self.calls.append(list(inputs))
        fails = self.failing[len(self.calls) - 1] if len(self.calls) <= len(self.failing) else set()
        outputs = [OSError(value) if value in fails else value * 2 for value in inputs]
        if not return_exceptions:
            for output in outputs:
                if isinstance(output, Exception):
                    raise output
        return outputs

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.batch(inputs, config, **kwargs)


CONFIGS: list[Any] = [None, {"tags": ["t"]}, {"callbacks": [Listener()]}, [{"tags": ["t"]}] * 4]


@pytest.mark.parametrize("config", CONFIGS, ids=["bare", "tags", "watched", "each"])
@pytest.mark.parametrize("color", ["sync", "async"])
def test_vectors_are_called_again_with_what_failed(color: str, config: Any) -> None:
    """P01: of a step with a batch of its own only the inputs that failed are passed again, and each gets its output."""
    vector = Vector({2, 4}, {4})
    retried = vector.with_retry(**AT_ONCE)

    if color == "sync":
        assert retried.batch([1, 2, 3, 4], config) == [2, 4, 6, 8]
    else:
        assert asyncio.run(retried.abatch([1, 2, 3, 4], config)) == [2, 4, 6, 8]
    assert vector.calls == [[1, 2, 3, 4], [2, 4], [4]]


@pytest.mark.parametrize("config", CONFIGS, ids=["bare", "tags", "watched", "each"])
@pytest.mark.parametrize("color", ["sync", "async"])
def test_vector_that_goes_on_failing(color: str, config: Any) -> None:
    """P01: what has failed for good is raised, or stands in its own place."""

    def called(retried: Any, **kwargs: Any) -> Any:
        if color == "sync":
            return retried.batch([1, 2, 3, 4], config, **kwargs)
        return asyncio.run(retried.abatch([1, 2, 3, 4], config, **kwargs))

    outputs = called(Vector({2, 3}, {3}).with_retry(**AT_ONCE, stop_after_attempt=2), return_exceptions=True)
    assert [outputs[0], outputs[1], outputs[3]] == [2, 4, 8]
    assert outputs[2].args == (3,)
    assert "attempt 2 of 2" in outputs[2].__notes__[0]
    with pytest.raises(OSError, match="3"):
        called(Vector({2, 3}, {3}).with_retry(**AT_ONCE, stop_after_attempt=2))


@pytest.mark.parametrize("color", ["sync", "async"])
def test_rounds_of_a_vector_do_not_share_dicts(color: str) -> None:
    """P47: a vector that changes the dicts that it gets and then fails does not change what it gets again."""
    seen: list[dict[str, int]] = []

    class Editing(Vector):
        def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
            for given in inputs:
                seen.append(dict(given))
                given.clear()
            return [OSError()] if len(seen) < 3 else [1]

    retried = Editing().with_retry(**AT_ONCE)
    given: Any = [{"a": 1}]
    assert (retried.batch(given) if color == "sync" else asyncio.run(retried.abatch(given))) == [1]
    assert seen == [{"a": 1}] * 3


def test_vectors_wait_once_for_all() -> None:
    """Those of a round that failed wait together, and so long as the one that waits longest."""
    with VirtualClock() as clock:
        Vector({1, 2, 3}, {2}).with_retry(**EXACT).batch([1, 2, 3])

    assert clock.sleeps == [1, 2]


def test_retry_within_a_sequence_of_vectors() -> None:
    """A retried vector is a vector: the sequence around it calls it once for all rows."""
    vector = Vector({2})
    chain = RunnablePassthrough() | vector.with_retry(**AT_ONCE) | (lambda value: value + 1)

    assert chain.batch([1, 2]) == [3, 5]
    assert vector.calls == [[1, 2], [2]]


# ---------------------------------------------------------------------------------------------------- watched, nested


def test_attempts_are_child_runs(run: Any) -> None:
    """P24: each attempt is a run within that of the retry, with the tags and metadata of the call, and its number."""
    listener = Listener()
    config = {"callbacks": [listener], "tags": ["t"], "metadata": {"m": 1}}

    run(RunnableLambda(Failing(OSError, OSError)).with_retry(**AT_ONCE), 1, config)
    *attempts, whole = listener.runs
    assert [attempt.tags for attempt in attempts] == [["t"], ["retry:attempt:2", "t"], ["retry:attempt:3", "t"]]
    assert [attempt.status for attempt in attempts] == ["error", "error", "success"]
    assert all(attempt.parent is whole and attempt.metadata == {"m": 1} for attempt in attempts)
    assert (whole.name, whole.status, whole.tags, whole.inputs, whole.outputs) == ("Failing", "success", ["t"], 1, 2)


def test_attempts_of_a_vector_are_child_runs() -> None:
    """Each input of a batch has its run, and each attempt at it one in that."""
    listener = Listener()
    vector = RunnablePassthrough() | Vector({2})
    vector.with_retry(**AT_ONCE).batch([1, 2], {"callbacks": [listener]})

    wholes = [each for each in listener.runs if each.parent is None]
    assert [(whole.inputs, whole.outputs) for whole in wholes] == [(1, 2), (2, 4)]
    tags = [each.tags for each in listener.runs if each.parent is wholes[1]]
    assert tags == [[], ["retry:attempt:2"]]


class Counted(BaseChatModel):
    """A model that fails every second time, and says what each answer took."""

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with LOCK:
            CALLS.append(len(CALLS))
            turn = CALLS[-1]
        if turn % 2 == 0:
            raise OSError
        usage: Any = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("x", usage_metadata=usage))])


CALLS: list[int] = []
LOCK = threading.Lock()


def test_usage_counts_every_attempt_once(run: Any) -> None:
    """P61: each attempt that was answered counts once, and a retry around a retry makes none of it double."""
    CALLS.clear()
    chain = RunnableParallel(a=Counted().with_retry(**AT_ONCE, stop_after_attempt=9).with_retry(**AT_ONCE))
    with get_usage_metadata_callback() as counter:
        run(chain, "hi")
        run(chain, "hi")

    assert len(CALLS) == 4
    assert counter.usage_metadata["Counted"]["total_tokens"] == 6


def test_retry_in_map_and_parallel(run: Any) -> None:
    """P01: in a map and in branches each item is tried on its own."""
    lock, seen = threading.Lock(), list[int]()

    def fail_first(value: int) -> int:
        with lock:
            seen.append(value)
            if seen.count(value) == 1:
                raise OSError
        return value * 2

    retried = RunnableLambda(fail_first).with_retry(**AT_ONCE)
    chain = RunnableParallel(map=retried.map(), one=(lambda items: items[0] + 10) | retried)
    assert run(chain, [1, 2, 3]) == {"map": [2, 4, 6], "one": 22}
    assert sorted(seen) == [1, 1, 2, 2, 3, 3, 11, 11]


# ----------------------------------------------------------------------------------------------------- what may be said

BAD: list[tuple[dict[str, Any], str]] = [
    ({"stop_after_attempt": 0}, "stop_after_attempt"),
    ({"stop_after_attempt": -1}, "stop_after_attempt"),
    ({"stop_after_attempt": 2.0}, "stop_after_attempt"),
    ({"stop_after_attempt": True}, "stop_after_attempt"),
    ({"stop_after_attempt": None}, "stop_after_attempt"),
    ({"wait_exponential_jitter": 1}, "wait_exponential_jitter"),
    ({"retry_if_exception_type": ()}, "retry_if_exception_type"),
    ({"retry_if_exception_type": "ValueError"}, "retry_if_exception_type"),
    ({"retry_if_exception_type": (ValueError, str)}, "retry_if_exception_type"),
    ({"retry_if_exception_type": (ValueError())}, "retry_if_exception_type"),
    ({"retry_if_exception_type": BaseException}, "retry_if_exception_type"),
    ({"retry_if_exception_type": (KeyboardInterrupt,)}, "retry_if_exception_type"),
    ({"exponential_jitter_params": [1]}, "exponential_jitter_params"),
    ({"exponential_jitter_params": {"maximum": 1}}, "'maximum'; the keys are initial, max, exp_base, jitter"),
    ({"exponential_jitter_params": {"max": -1}}, r"exponential_jitter_params\['max'\]"),
    ({"exponential_jitter_params": {"initial": nan}}, r"exponential_jitter_params\['initial'\]"),
    ({"exponential_jitter_params": {"jitter": inf}}, r"exponential_jitter_params\['jitter'\]"),
    ({"exponential_jitter_params": {"exp_base": "2"}}, r"exponential_jitter_params\['exp_base'\]"),
    ({"exponential_jitter_params": {"exp_base": True}}, r"exponential_jitter_params\['exp_base'\]"),
    ({"exponential_jitter_params": {"initial": 10**400}}, r"exponential_jitter_params\['initial'\]"),
    ({"mid_stream": "again"}, "mid_stream"),
    ({"mid_stream": None}, "mid_stream"),
]


@pytest.mark.parametrize(("options", "named"), BAD, ids=str)
def test_what_cannot_be_right_is_refused(options: dict[str, Any], named: str) -> None:
    """An argument that cannot be right raises ConfigError, which names it, when the retry is made."""
    with pytest.raises(ConfigError, match=named):
        RunnableLambda(str).with_retry(**options)


def test_default_policy() -> None:
    """Three attempts, and the waits that are known."""
    assert policy_of(None, True, None, 3) == Policy(None, Schedule(1, 60, 2, 1), True, 3) == Policy()


@pytest.mark.parametrize("made", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
def test_copies_work_alike(made: Any) -> None:
    """A retry can be pickled and copied, before and after it was used."""
    retried = RunnableLambda(Failing(OSError)).with_retry(stop_after_attempt=2, **AT_ONCE)

    assert made(retried).invoke(2) == 4
    assert made(retried).policy == retried.policy


def test_methods_of_the_model_are_kept() -> None:
    """A retried thing has the methods of what it wraps; a runnable that one gives is retried as well."""

    class Model(Runnable[int, int]):
        def __init__(self, fails: int = 0) -> None:
            self.fails = fails

        def failing(self, fails: int) -> Model:
            return Model(fails)

        def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
            self.fails -= 1
            if self.fails >= 0:
                raise OSError
            return input

    retried: Any = Model().with_retry(**AT_ONCE)
    assert retried.failing(2).invoke(5) == 5
    assert retried.failing(2).policy == retried.policy


def test_what_a_retry_is_made_of() -> None:
    """A retry is drawn and reported as what it wraps, of which it has the name and the types."""

    def count(text: str) -> int:
        return len(text)

    retried = RunnableLambda(count).with_retry()
    assert (retried.InputType, retried.OutputType, retried.get_name()) == (str, int, "count")
    assert [node.name for node in retried.get_graph().nodes.values()] == ["count_input", "count", "count_output"]
    assert retried.stream_report().stops_at == "count"
    assert str(retried).split() == ["count", "function"]
    assert repr(retried) == "RunnableLambda(count).with_retry(3)"


# ------------------------------------------------------------------------------------------------- what nobody waits for


class Stubborn:
    """A step that answers its cancellation with a failure, as a cleanup may; counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.begun = asyncio.Event()

    async def __call__(self, value: Any) -> Any:
        self.calls += 1
        self.begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise ConnectionError("the close has failed")


@pytest.mark.parametrize("verb", ["ainvoke", "astream", "abatch"])
@pytest.mark.parametrize("by", ["task", "deadline"])
async def test_nothing_is_tried_after_a_cancellation(verb: str, by: str) -> None:
    """P04: a step that turns its cancellation into a failure is not tried again, nor replaced, nor is the next input begun."""
    step, paid = Stubborn(), list[Any]()
    chain = RunnableLambda(step).with_retry(wait_exponential_jitter=False).with_fallbacks([RunnableLambda(paid.append)])
    config: Any = {"max_concurrency": 1, **({"timeout": 0.05} if by == "deadline" else {})}

    async def call() -> Any:
        if verb == "abatch":
            return await chain.abatch([1, 2], config, return_exceptions=by == "task")
        if verb == "astream":
            return [chunk async for chunk in chain.astream(1, config)]
        return await chain.ainvoke(1, config)

    task = asyncio.create_task(call())
    await step.begun.wait()
    if by == "task":
        task.cancel()
    with pytest.raises(ConnectionError if by == "task" else DeadlineError):
        await task

    assert (step.calls, paid) == (1, [])


class Bulk(Runnable[int, int]):
    """A step that does many inputs in one request, the first of which fails as a whole."""

    def __init__(self) -> None:
        self.requests = 0

    def invoke(self, input: int, config: Any = None, **kwargs: Any) -> int:
        return self.batch([input], config)[0]

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        self.requests += 1
        if self.requests == 1:
            raise ConnectionError("the whole request")
        return [input * 10 for input in inputs]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.batch(inputs, config)


def test_request_for_all_inputs_is_made_again() -> None:
    """A batch of a step's own that raises has failed for each input."""
    assert Bulk().with_retry(**AT_ONCE).batch([1, 2]) == [10, 20]
    assert asyncio.run(Bulk().with_retry(**AT_ONCE).abatch([1, 2])) == [10, 20]
    assert Bulk().with_fallbacks([RunnableLambda(str)]).batch([1, 2]) == ["1", "2"]
    assert asyncio.run(Bulk().with_fallbacks([RunnableLambda(str)]).abatch([1, 2])) == ["1", "2"]

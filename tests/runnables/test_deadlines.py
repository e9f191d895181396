"""``timeout`` and ``idle_timeout``: what is too slow is ended, everywhere, and the error says where it was."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest

from plait import Runnable, RunnableConfig, RunnableLambda, current_config
from plait.deadlines import left
from plait.errors import ConfigError, DeadlineError, PlaitError
from plait.runs import current
from plait.stopping import asleep, check_stopped, sleep
from plait.testing import VirtualClock

LONG = 60.0  # seconds that nobody has to wait unless something is wrong
SOON = 0.05
LATER = 50.0


def _hang(value: Any) -> Any:
    sleep(LONG)
    return value


async def _ahang(value: Any) -> Any:
    await asleep(LONG)
    return value


def _plus_one(value: int) -> int:
    return value + 1


def _gen(value: int) -> Iterator[int]:
    yield value
    sleep(LONG)
    yield value


async def _agen(value: int) -> AsyncIterator[int]:
    yield value
    await asyncio.sleep(LONG)
    yield value


slow = RunnableLambda(_hang, _ahang, name="slow")
plus = RunnableLambda(_plus_one, name="plus")
dripping = RunnableLambda(_gen, _agen, name="dripping")


class Own(Runnable[int, int]):
    """A class of a user's that hangs in whatever verb it has."""

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return int(_hang(input))

    async def ainvoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return int(await _ahang(input))


class OwnBatch(Own):
    """The same, with a batch of its own."""

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return [_hang(input) for input in inputs]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return [await _ahang(input) for input in inputs]


# ------------------------------------------------------------------------------------------------------- what is raised


@pytest.mark.parametrize(
    "chain",
    [
        slow,
        plus | slow | plus,
        plus | {"a": slow, "b": plus},
        slow.with_config(tags=["a"]),
        RunnableLambda(lambda _: slow),
        Own(),
        plus | Own(),
        OwnBatch(),
        plus | OwnBatch() | plus,
    ],
    ids=["one", "row", "dict", "bound", "returned", "own", "row of own", "own batch", "row of own batch"],
)
def test_call_that_is_too_slow_is_ended(run: Any, chain: Any) -> None:
    """P21: past its timeout any verb of any node raises a TimeoutError."""
    with pytest.raises(TimeoutError, match=r"did not finish within 0\.05 s"):
        run(chain, 1, {"timeout": SOON})


def test_error_names_the_step(run: Any) -> None:
    """N5: the error says which step was at work, and that it is one of ours."""
    named = pytest.raises(DeadlineError, match="it was in 'slow', step 2 of 3 of 'RunnableSequence'")
    with VirtualClock(), named as caught:  # under which no other step takes time, however busy the machine is
        run(plus | slow | plus, 1, {"timeout": SOON})

    assert isinstance(caught.value, PlaitError)
    assert "its input was 2" in "".join(caught.value.__notes__)


def test_error_names_the_branch(run: Any) -> None:
    """Of steps that run side by side one that was at work is named, in threads and in tasks."""
    named = pytest.raises(DeadlineError, match="it was in 'slow', step 2 of 2 of 'RunnableSequence'")
    with VirtualClock(), named as caught:
        run(plus | {"a": plus | slow, "b": plus}, 1, {"timeout": SOON})

    assert "in 'RunnableParallel<a,b>', step 2 of 2" in "".join(caught.value.__notes__)


def test_call_in_time_is_left_alone(run: Any) -> None:
    """A timeout that is not needed changes nothing."""
    assert run(plus | {"a": plus, "b": plus}, 1, {"timeout": LATER}) == {"a": 3, "b": 3}


def test_work_that_cannot_be_woken_is_too_late(run: Any) -> None:
    """A sync function that blocks is waited for; what it gives comes too late, and no step after it is called."""
    called: list[int] = []

    def block(value: int) -> int:
        time.sleep(4 * SOON)  # a library that nobody can wake
        return value

    with pytest.raises(DeadlineError, match="it was in 'block', step 1 of 2"):
        run(RunnableLambda(block) | RunnableLambda(called.append), 1, {"timeout": SOON})
    assert called == []


def test_error_of_a_step_in_time_is_its_own(run: Any) -> None:
    """Under a deadline an exception is still the step's own, a TimeoutError too."""

    def fail(_: Any) -> Any:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine") as caught:
        run(plus | RunnableLambda(fail), 1, {"timeout": LATER})
    assert not isinstance(caught.value, DeadlineError)


# -------------------------------------------------------------------------------------------------------------- nesting


def test_nested_call_may_have_less_time(run: Any) -> None:
    """N5: a step's own, shorter timeout is kept, and named."""
    chain = plus | slow.with_config(timeout=SOON) | plus

    with pytest.raises(DeadlineError, match=r"'slow' did not finish within 0\.05 s"):
        run(chain, 1, {"timeout": LATER})


def test_nested_call_never_has_more_time(run: Any) -> None:
    """N5: a step's longer timeout does not extend that of the call around it."""
    chain = plus | slow.with_config(timeout=LATER) | plus

    with pytest.raises(DeadlineError, match=r"'RunnableSequence' did not finish within 0\.05 s"):
        run(chain, 1, {"timeout": SOON})


def test_what_is_left_goes_down(run: Any) -> None:
    """N5: a nested call finds what is left, which shrinks, however it was called."""
    seen: list[float] = []

    def note(value: int, config: RunnableConfig) -> int:
        seen.extend((config["timeout"] or 0, current_config()["timeout"] or 0, left(current.get()) or 0))
        return value

    noting = RunnableLambda(note)
    again = RunnableLambda(lambda value, config: noting.invoke(value, config))
    copied = RunnableLambda(lambda value, config: noting.invoke(value, {**config, "tags": ["mine"]}))
    run(noting | again | copied, 1, {"timeout": LATER})

    assert seen == sorted(seen, reverse=True)
    assert all(0 < seconds < LATER for seconds in seen)


def test_longer_timeout_within_adds_no_time_to_what_is_left(run: Any) -> None:
    """N5: a function finds the rest of the shorter one, whatever was bound around it."""
    note = RunnableLambda(lambda value, config: (config["timeout"], left(current.get())))

    seen = run(plus | note.with_config(timeout=10 * LATER), 1, {"timeout": LATER})

    assert all(0 < seconds < LATER for seconds in seen)


def test_function_that_hands_on_its_config_adds_no_deadline(run: Any) -> None:
    """A deadline that comes back by a function's config is the same one, so the outer call is who missed it."""
    outer = RunnableLambda(lambda value, config: slow.invoke(value, config), name="outer")

    with pytest.raises(DeadlineError, match="'outer' did not finish"):
        run(outer, 1, {"timeout": SOON})


def test_bound_timeout_yields_to_that_of_the_call(run: Any) -> None:
    """What a call says goes before what was bound."""
    assert run(plus.with_config(timeout=1e-9), 1, {"timeout": LATER}) == 2


def test_timeout_of_the_first_attempt_does_not_shorten_the_second(run: Any) -> None:
    """Two calls with the same bound timeout have each their own."""
    chain = plus.with_config(timeout=LATER)

    assert [run(chain, 1), run(chain, 2)] == [2, 3]


# -------------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_batch_gives_what_was_done_in_time(verb: str) -> None:
    """With return_exceptions the inputs that were done in time have their outputs, and the others the error."""
    chain = RunnableLambda(lambda n: slow if n == 1 else plus)
    found = getattr(chain, verb)([0, 1, 2], {"timeout": 4 * SOON}, return_exceptions=True)
    outputs = asyncio.run(found) if verb == "abatch" else found

    assert outputs[0] == 1
    assert isinstance(outputs[1], DeadlineError)
    assert outputs[2] == 3


@pytest.mark.parametrize("verb", ["batch", "abatch"])
@pytest.mark.parametrize("chain", [OwnBatch(), plus | OwnBatch(), OwnBatch().with_retry()], ids=["own", "row", "retry"])
def test_error_stands_in_each_place_of_a_batch_in_one_call(verb: str, chain: Any) -> None:
    """A step that does all inputs in one call, and is too slow, has failed for each of them."""
    found = getattr(chain, verb)([0, 1, 2], {"timeout": SOON}, return_exceptions=True)
    outputs = asyncio.run(found) if verb == "abatch" else found

    assert [type(output) for output in outputs] == [DeadlineError] * 3


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_inputs_of_a_batch_may_have_deadlines_of_their_own(verb: str) -> None:
    """A list of configs gives each input its time."""
    chain = RunnableLambda(lambda n: slow if n else plus)
    configs: Any = [{"timeout": LATER}, {"timeout": SOON}]
    found = getattr(chain, verb)([0, 1], configs, return_exceptions=True)
    outputs = asyncio.run(found) if verb == "abatch" else found

    assert outputs[0] == 1
    assert isinstance(outputs[1], DeadlineError)


@pytest.mark.parametrize("verb", ["batch_iter", "batch_as_completed"])
def test_lazy_batch_ends_at_the_deadline(verb: str) -> None:
    """The deadline of a lazy batch is that of the whole of it, however many inputs there are."""
    forever = iter(int, 1)

    with pytest.raises(DeadlineError):
        for _ in getattr(slow, verb)(forever, {"timeout": SOON, "max_concurrency": 2}):
            pass


# -------------------------------------------------------------------------------------------------------------- streams


async def _first_error(stream: Any, chunks: list[Any]) -> None:
    async with aclosing(stream) as open:
        async for chunk in open:
            chunks.append(chunk)  # noqa: PERF401 - it raises


@pytest.mark.parametrize("key", ["timeout", "idle_timeout"])
@pytest.mark.parametrize("chain", [dripping, plus | dripping | (lambda chunks: (yield from chunks))])
def test_stream_that_falls_silent_is_ended(key: str, chain: Any) -> None:
    """P21: the chunks that came in time were delivered; then the error comes, in both colours."""
    config: Any = {key: 4 * SOON}
    sync_chunks: list[Any] = []
    with pytest.raises(DeadlineError), closing(chain.stream(0, config)) as stream:
        for chunk in stream:
            sync_chunks.append(chunk)  # noqa: PERF402 - it raises
    async_chunks: list[Any] = []
    with pytest.raises(DeadlineError):
        asyncio.run(_first_error(chain.astream(0, config), async_chunks))

    assert len(sync_chunks) == len(async_chunks) == 1


def test_stream_of_many_steps_is_ended() -> None:
    """A chain that goes on in other threads, since it is long, keeps its deadline at every chunk."""
    chain: Any = dripping
    for _ in range(120):
        chain = chain | (lambda chunks: (yield from chunks))
    with pytest.raises(DeadlineError), closing(chain.stream(0, {"idle_timeout": 4 * SOON})) as stream:  # type: ignore[type-var]
        assert next(stream) == 0
        next(stream)


def test_idle_timeout_says_so(run: Any) -> None:
    """A stream's silence is told from a call's length; a first chunk that does not come is silence, too."""
    if not run.is_stream:
        pytest.skip("only streams fall silent")
    with pytest.raises(DeadlineError, match=r"gave nothing for 0\.05 s; it was in 'slow', step 1 of 2"):
        run(slow | plus, 1, {"idle_timeout": SOON})


def test_idle_timeout_is_no_limit_to_the_whole(run: Any) -> None:
    """A stream may last longer than its idle_timeout, as long as it goes on; a call that gives one value has none."""

    def drip(value: int) -> Iterator[int]:
        for _ in range(4):
            sleep(SOON)
            yield value

    assert run(RunnableLambda(drip), 7, {"idle_timeout": 3 * SOON}) == 7


def test_idle_timeout_is_not_inherited(run: Any) -> None:
    """It is about one stream: a nested one may be silent for longer, if this one is not."""

    def inner(value: int) -> int:
        assert "idle_timeout" not in current_config()
        return sum(RunnableLambda(lambda n: (yield n)).stream(value))

    assert run(RunnableLambda(inner), 1, {"idle_timeout": LATER}) == 1


def test_consumer_may_take_its_time() -> None:
    """The idle_timeout is about the stream, not about who reads it."""
    chunks = RunnableLambda(lambda n: ((yield n), (yield n))).stream(1, {"idle_timeout": SOON})
    with closing(chunks) as open:  # type: ignore[type-var]
        assert next(open) == 1
        time.sleep(2 * SOON)
        assert next(open) == 1


@pytest.mark.parametrize("verb", ["astream_log", "astream_events"])
async def test_log_and_events_end_with_the_error(verb: str) -> None:
    """P21: the deadline holds for a call that is watched, too."""
    with pytest.raises(DeadlineError, match="slow"):
        await _first_error(getattr(plus | slow, verb)(1, {"timeout": SOON}), [])


async def test_timed_out_run_is_told_as_an_error() -> None:
    """Who watches is told that the call failed by its deadline, and that the step was cancelled."""
    events: list[Any] = []
    with pytest.raises(DeadlineError):
        await _first_error((plus | slow).astream_events(1, {"timeout": SOON}), events)

    kinds = [(event["event"], event["name"]) for event in events]
    assert ("on_chain_cancelled", "slow") in kinds


# ----------------------------------------------------------------------------------------------------- how it was ended


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_work_has_ended_when_the_error_is_raised(colour: str) -> None:
    """Each finally has run, in reverse order, before the caller goes on."""
    ended: list[str] = []

    def outer(chunks: Iterator[int]) -> Iterator[int]:
        try:
            yield from chunks
        finally:
            ended.append("outer")

    def inner(value: int) -> Iterator[int]:
        try:
            yield value
            sleep(LONG)
        finally:
            ended.append("inner")

    chain = RunnableLambda(inner) | outer
    with pytest.raises(DeadlineError):
        if colour == "sync":
            list(chain.stream(1, {"timeout": SOON}))
        else:
            asyncio.run(_first_error(chain.astream(1, {"timeout": SOON}), []))

    assert ended == ["inner", "outer"]


def test_deadline_is_no_exception_inside(run: Any) -> None:
    """What a function catches with `except Exception` does not keep it alive past the deadline."""

    def stubborn(_: int) -> str:
        try:
            sleep(LONG)
        except Exception:
            return "kept"
        return "slept"

    with pytest.raises(DeadlineError):
        run(RunnableLambda(stubborn), 1, {"timeout": SOON})


def test_deadline_that_has_passed_begins_nothing(run: Any) -> None:
    """Nothing is called when no time is left from the start."""
    called: list[int] = []

    with pytest.raises(DeadlineError):
        run(RunnableLambda(called.append), 1, {"timeout": 1e-9})
    assert called == []


def test_deadline_reaches_a_thread_that_a_task_waits_for() -> None:
    """A sync function under an async verb is woken where it waits."""
    woken = threading.Event()

    def wait(_: int) -> None:
        try:
            sleep(LONG)
        finally:
            woken.set()

    with pytest.raises(DeadlineError):
        asyncio.run(RunnableLambda(wait).ainvoke(1, {"timeout": SOON}))
    assert woken.is_set()


def test_user_code_may_ask_whether_to_go_on() -> None:
    """A loop of a user's own ends where it asks."""

    def count(_: int) -> None:
        while True:
            check_stopped()

    with pytest.raises(DeadlineError):
        RunnableLambda(count).invoke(1, {"timeout": SOON})


# --------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize("key", ["timeout", "idle_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, 0.0, float("nan"), True, "5"])
def test_wrong_timeout_is_refused(key: str, seconds: Any) -> None:
    """A timeout that cannot be right is named, before anything runs."""
    config: Any = {key: seconds}
    with pytest.raises(ConfigError, match=rf"config\['{key}'\] must be a number of seconds above 0"):
        plus.invoke(1, config)
    with pytest.raises(ConfigError, match=key):
        plus.with_config(config)


async def test_sync_call_inside_an_async_function_keeps_its_time() -> None:
    """A deadline cannot cancel the task that a sync call blocks; the call keeps it itself."""

    async def inside(value: int) -> Any:
        return slow.invoke(value)

    with pytest.raises(DeadlineError):
        await RunnableLambda(inside).ainvoke(1, {"timeout": SOON})

"""Batches that are pulled: any iterable, endless ones too, in order or as completed, with few inputs in hand."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runnables import RunnableConfig, RunnableLambda, RunnablePassthrough

SOON = 10.0  # seconds that nobody has to wait unless something is wrong
SYNC = ["batch_iter", "batch_as_completed"]
ASYNC = ["abatch_iter", "abatch_as_completed"]


def add_1(number: int) -> int:
    return number + 1


def output(found: Any) -> Any:
    """What an iterator gave, without the index that goes with it as completed."""
    return found[1] if isinstance(found, tuple) else found


class Pulled:
    """An endless source of numbers that counts what was taken from it."""

    def __init__(self) -> None:
        self.count = 0

    def __iter__(self) -> Iterator[int]:
        for number in itertools.count():
            self.count += 1
            yield number

    async def slowly(self) -> AsyncIterator[int]:
        for number in self:
            yield number


@pytest.fixture(params=[*SYNC, *ASYNC])
def pull(request: pytest.FixtureRequest) -> Callable[..., list[Any]]:
    """``pull(count, runnable, inputs, config, **kwargs)``: the first outputs of a lazy batch, which is closed then."""
    verb = request.param

    def sync(count: int | None, runnable: Any, *args: Any, **kwargs: Any) -> list[Any]:
        with closing(getattr(runnable, verb)(*args, **kwargs)) as found:
            return [output(each) for each in itertools.islice(found, count)]

    async def pulling(count: int | None, runnable: Any, *args: Any, **kwargs: Any) -> list[Any]:
        given: list[Any] = []
        async with aclosing(getattr(runnable, verb)(*args, **kwargs)) as found:
            while count is None or len(given) < count:
                try:
                    given.append(output(await anext(found)))
                except StopAsyncIteration:
                    break
        return given

    return sync if verb in SYNC else lambda *args, **kwargs: asyncio.run(pulling(*args, **kwargs))


# --------------------------------------------------------------------------------------------------------------- values


def test_outputs_of_all_inputs(pull: Any) -> None:
    """P58: an iterator without a length will do, and each input has its output."""
    assert sorted(pull(None, RunnableLambda(add_1) | RunnablePassthrough(), iter(range(100)))) == list(range(1, 101))


def test_no_inputs_no_outputs(pull: Any) -> None:
    """P58: nothing comes from nothing."""
    assert pull(None, RunnableLambda(add_1), []) == []


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_endless_inputs(pull: Any, limit: int | None) -> None:
    """P58: endless inputs give outputs for as long as somebody takes them."""
    outputs = pull(50, RunnableLambda(add_1), itertools.count(), limit and {"max_concurrency": limit})

    assert len(set(outputs)) == 50
    assert max(outputs) <= 50 + (limit or 16)


@pytest.mark.parametrize(("limit", "buffer"), [(None, 0), (1, 0), (3, 0), (3, 5), (1, 2)])
def test_inputs_in_hand_are_few(pull: Any, limit: int | None, buffer: int) -> None:
    """P58: an input is pulled only while fewer than max_concurrency + buffer are pulled and not yet taken."""
    inputs = Pulled()

    pull(100, RunnableLambda(add_1), iter(inputs), limit and {"max_concurrency": limit}, buffer=buffer)

    assert inputs.count <= 100 + (limit or 16) + buffer


@pytest.mark.parametrize("verb", SYNC)
@pytest.mark.parametrize(("limit", "buffer"), [(1, 0), (3, 0), (3, 5)])
def test_window_holds_at_every_moment(verb: str, limit: int, buffer: int) -> None:
    """P58: at no time are more than max_concurrency + buffer inputs pulled and not taken, however slow the taker."""
    taken, worst = 0, 0

    def inputs() -> Iterator[int]:
        nonlocal worst
        for number in range(300):
            worst = max(worst, number + 1 - taken)
            yield number

    config: RunnableConfig = {"max_concurrency": limit}
    for _ in getattr(RunnableLambda(add_1), verb)(inputs(), config, buffer=buffer):
        taken += 1
    assert taken == 300
    assert worst <= limit + buffer + 1  # what the taker has in hand is taken a moment before it is counted


@pytest.mark.parametrize("verb", ASYNC)
@pytest.mark.parametrize(("limit", "buffer"), [(1, 0), (3, 0), (3, 5)])
async def test_async_window_holds_at_every_moment(verb: str, limit: int, buffer: int) -> None:
    """P58: at no time are more than max_concurrency + buffer inputs pulled and not taken, however slow the taker."""
    taken, worst = 0, 0

    async def inputs() -> AsyncIterator[int]:
        nonlocal worst
        for number in range(300):
            worst = max(worst, number + 1 - taken)
            yield number

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    config: RunnableConfig = {"max_concurrency": limit}
    async for _ in getattr(RunnableLambda(work), verb)(inputs(), config, buffer=buffer):
        taken += 1
        await asyncio.sleep(0)
    assert taken == 300
    assert worst <= limit + buffer + 1  # what the taker has in hand is taken a moment before it is counted


@pytest.mark.parametrize("verb", ASYNC)
async def test_inputs_may_be_async(verb: str) -> None:
    """P58: the async forms take an async iterable, endless or not."""
    inputs = Pulled()

    async with aclosing(inputs.slowly()) as source, aclosing(getattr(RunnableLambda(add_1), verb)(source)) as found:
        assert min([output(await anext(found)) for _ in range(5)]) == 1
    assert inputs.count <= 5 + 16


def test_indices_tell_which_input() -> None:
    """As completed, each output comes with the place of its input."""
    assert sorted(RunnableLambda(add_1).batch_as_completed([5, 6, 7])) == [(0, 6), (1, 7), (2, 8)]


# ---------------------------------------------------------------------------------------------------------------- order


def test_as_completed_gives_the_fast_first() -> None:
    """P58: an input that is done is given although one before it is not."""
    go_on = threading.Event()
    with closing(RunnableLambda(lambda n: n or go_on.wait(SOON)).batch_as_completed([0, 1, 2])) as found:
        assert sorted([next(found), next(found)]) == [(1, 1), (2, 2)]
        go_on.set()
        assert list(found) == [(0, True)]


async def test_as_completed_gives_the_fast_first_async() -> None:
    """P58: an input that is done is given although one before it is not."""
    go_on = asyncio.Event()

    async def work(number: int) -> int:
        return number or await go_on.wait()

    async with aclosing(RunnableLambda(work).abatch_as_completed([0, 1, 2])) as found:
        assert sorted([await anext(found), await anext(found)]) == [(1, 1), (2, 2)]
        go_on.set()
        assert [each async for each in found] == [(0, True)]


def test_in_order_a_slow_head_holds_up_the_outputs_and_no_more_than_the_window_is_pulled() -> None:
    """P58: outputs come in order; behind a slow one, max_concurrency + buffer inputs are pulled and no more."""
    inputs, head_may_go, all_pulled = Pulled(), threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number == 0:
            head_may_go.wait(SOON)
        if number == 6:  # the seventh: 2 at once, and a buffer of 5
            all_pulled.set()
        return number

    def release() -> None:
        all_pulled.wait(SOON)
        threading.Event().wait(0.05)  # an eighth would be pulled in this time
        pulled.append(inputs.count)
        head_may_go.set()

    pulled: list[int] = []
    thread = threading.Thread(target=release)
    thread.start()
    with closing(RunnableLambda(work).batch_iter(inputs, {"max_concurrency": 2}, buffer=5)) as found:
        assert list(itertools.islice(found, 10)) == list(range(10))
    thread.join()
    assert pulled == [7]


async def test_in_order_a_slow_head_holds_up_the_async_outputs() -> None:
    """P58: outputs come in order; behind a slow one, max_concurrency + buffer inputs are pulled and no more."""
    inputs, head_may_go = Pulled(), asyncio.Event()

    async def work(number: int) -> int:
        if number == 0:
            await head_may_go.wait()
        return number

    async with aclosing(RunnableLambda(work).abatch_iter(inputs, {"max_concurrency": 2}, buffer=5)) as found:
        head = asyncio.ensure_future(anext(found))
        for _ in range(50):
            await asyncio.sleep(0)
        assert inputs.count == 7
        head_may_go.set()
        assert [await head, *[await anext(found) for _ in range(9)]] == list(range(10))


# ------------------------------------------------------------------------------------------------------------- failures


def test_error_of_an_item_is_raised(pull: Any) -> None:
    """The exception of an item is raised where the outputs are taken."""
    with pytest.raises(ZeroDivisionError):
        pull(None, RunnableLambda(lambda n: 1 // n), [2, 1, 0, 3])


def test_failures_can_be_had_in_their_places(pull: Any) -> None:
    """With return_exceptions a failure is an output, and the rest goes on."""
    outputs = pull(None, RunnableLambda(lambda n: 1 // n), [1, 0, 1, 0], return_exceptions=True)

    assert sorted(str(each) for each in outputs) == ["1", "1", *["integer division or modulo by zero"] * 2]


def test_error_of_the_input_iterable_is_raised(pull: Any) -> None:
    """What the iterable of inputs raises is raised where the outputs are taken."""

    def inputs() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        pull(None, RunnableLambda(add_1), inputs(), return_exceptions=True)


@pytest.mark.parametrize("verb", ASYNC)
async def test_error_of_the_async_inputs_is_raised(verb: str) -> None:
    """What the async iterable of inputs raises is raised where the outputs are taken."""

    async def inputs() -> AsyncIterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        async for _ in getattr(RunnableLambda(add_1), verb)(inputs()):
            pass


def test_failure_stops_the_pulling(pull: Any) -> None:
    """After a failure no input is pulled."""
    inputs = Pulled()

    with pytest.raises(ZeroDivisionError):
        pull(None, RunnableLambda(lambda n: 1 // (n - 3)), inputs, {"max_concurrency": 1})
    assert inputs.count == 4


# -------------------------------------------------------------------------------------------------------------- closing


@pytest.mark.parametrize("verb", SYNC)
def test_close_waits_for_what_runs(verb: str) -> None:
    """When close returns, what was begun has ended, and nothing more is pulled."""
    inputs, begun, closing_, ended = Pulled(), threading.Event(), threading.Event(), []

    def work(number: int) -> int:
        if number:
            begun.set()
            closing_.wait(SOON)
            threading.Event().wait(0.02)  # what close has to wait for
            ended.append(number)
        return number

    found = getattr(RunnableLambda(work), verb)(inputs, {"max_concurrency": 2})
    next(found)
    begun.wait(SOON)
    threading.Timer(0.01, closing_.set).start()
    found.close()
    assert sorted(ended) == list(range(1, inputs.count))
    closing_.wait(SOON)


@pytest.mark.parametrize("verb", ASYNC)
async def test_close_cancels_what_runs(verb: str) -> None:
    """When aclose returns, what was begun has been cancelled and has ended, and nothing more is pulled."""
    inputs, begun, ended = Pulled(), [], []

    async def work(number: int) -> int:
        begun.append(number)
        try:
            return number if number == 0 else await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    async with aclosing(getattr(RunnableLambda(work), verb)(inputs, {"max_concurrency": 3})) as found:
        await anext(found)
    assert sorted(ended) == sorted(begun)
    assert inputs.count == len(begun) <= 4


@pytest.mark.parametrize("verb", SYNC)
def test_closing_before_the_first_does_nothing(verb: str) -> None:
    """A lazy batch that nobody pulled has not pulled its inputs either."""
    inputs = Pulled()
    getattr(RunnableLambda(add_1), verb)(inputs).close()

    assert inputs.count == 0


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


@pytest.mark.parametrize("verb", ASYNC)
@pytest.mark.parametrize("config", [None, [{}] * 10], ids=["one config", "a list of configs"])
async def test_nothing_is_left_to_the_garbage_collector(verb: str, config: Any) -> None:
    """When aclose returns, every async generator that the call opened is closed."""

    async def inputs() -> AsyncIterator[int]:
        for number in range(10):
            yield number

    with orphans() as left:
        async with aclosing(inputs()) as source:
            found = getattr(RunnableLambda(add_1), verb)(source, config)
            await anext(found)
            await found.aclose()
            del found
    assert left == []


def test_batch_that_its_own_worker_collects_does_not_wait_for_itself() -> None:
    """An abandoned batch in a reference cycle may be collected on a thread of its own, which must not wait for itself."""
    started, collect, collected = threading.Event(), threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number:
            started.set()
            collect.wait(SOON)
            gc.collect()
            collected.set()
        return number

    def abandon() -> None:
        found = RunnableLambda(work).batch_as_completed([0, 1, 2], {"max_concurrency": 1})
        cycle: list[Any] = [found]
        cycle.append(cycle)
        next(found)
        started.wait(SOON)

    gc.disable()
    try:
        abandon()
        collect.set()
        assert collected.wait(2)
    finally:
        gc.enable()


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("verb", [*SYNC, *ASYNC])
@pytest.mark.parametrize(
    ("inputs", "kwargs", "error"),
    [
        ("text", {}, TypeError),
        (5, {}, TypeError),
        ([1], {"config": {"max_concurrency": 0}}, ConfigError),
        ([1], {"config": {"tag": []}}, ConfigError),
        ([1], {"config": [{}, {}]}, ConfigError),
        ([1], {"buffer": -1}, ValueError),
    ],
    ids=["text", "number", "limit of 0", "unknown key", "too many configs", "buffer below 0"],
)
def test_mistakes_are_told_at_the_call(verb: str, inputs: Any, kwargs: Any, error: type[Exception]) -> None:
    """P58: what cannot be right is refused by the call itself, not by the first pull."""
    with pytest.raises(error):
        getattr(RunnableLambda(add_1), verb)(inputs, **kwargs)


@pytest.mark.parametrize("count", [1, 3])
def test_number_of_configs_is_that_of_inputs_without_a_length(pull: Any, count: int) -> None:
    """More or fewer configs than inputs are refused also where the inputs have no length."""
    with pytest.raises(ConfigError, match="as many configs as inputs"):
        pull(None, RunnableLambda(add_1), iter([1, 2]), [{}] * count)


def test_each_input_may_have_its_own_config(pull: Any) -> None:
    """A list of configs is one for each input."""

    def tags(_: object, config: RunnableConfig) -> str:
        return "".join(config["tags"])

    assert sorted(pull(None, RunnableLambda(tags), iter([1, 2]), [{"tags": ["a"]}, {"tags": ["b"]}])) == ["a", "b"]

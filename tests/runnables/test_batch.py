"""Many inputs at once: in order, each on its own way through the chain, each failure in its own place."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

import pytest

from plait.errors import ConfigError
from plait.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel, RunnablePassthrough

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


def inverse(number: int) -> float:
    return 1 / number


@pytest.fixture(params=["batch", "abatch"])
def batch(request: pytest.FixtureRequest) -> Any:
    """``batch(runnable, inputs, config, **kwargs)`` in both colours; a test that uses it is not async itself."""

    def call(runnable: Any, *args: Any, **kwargs: Any) -> Any:
        if request.param == "batch":
            return runnable.batch(*args, **kwargs)
        return asyncio.run(runnable.abatch(*args, **kwargs))

    return call


# -------------------------------------------------------------------------------------------------------------- values


def test_outputs_are_in_the_order_of_the_inputs(batch: Any) -> None:
    """Whoever is done first, the outputs come in the order of the inputs."""
    last_is_done = threading.Event()

    def work(number: int) -> int:
        last_is_done.set() if number == 3 else last_is_done.wait(SOON)
        return -number

    assert batch(RunnableLambda(work), [0, 1, 2, 3]) == [0, -1, -2, -3]


def test_no_inputs_no_outputs(batch: Any) -> None:
    """An empty batch is an empty list."""
    assert batch(RunnableLambda(add_1), []) == []


@pytest.mark.parametrize(
    "inputs",
    [lambda: (1, 2), lambda: iter([1, 2]), lambda: range(1, 3), lambda: {1: 0, 2: 0}.keys()],
    ids=["tuple", "iterator", "range", "keys"],
)
def test_inputs_may_be_any_iterable(batch: Any, inputs: Any) -> None:
    """P58: the inputs need no length."""
    assert batch(RunnableLambda(add_1) | RunnablePassthrough(), inputs()) == [2, 3]


async def test_inputs_may_be_async() -> None:
    """P58: the async form takes an async iterable as well."""

    async def inputs() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(0)
        yield 2

    assert await RunnableLambda(add_1).abatch(inputs()) == [2, 3]


def test_keyword_arguments_go_to_every_item(batch: Any) -> None:
    """What the call says besides goes to each item."""

    def plus(number: int, by: int) -> int:
        return number + by

    assert batch(RunnableLambda(plus), [1, 2], by=10) == [11, 12]


@pytest.mark.parametrize("inputs", ["text", b"bytes", {"a": 1}], ids=repr)
def test_one_value_is_not_a_batch(batch: Any, inputs: Any) -> None:
    """A text or a dict is one input, not many: TypeError says to write it in brackets."""
    with pytest.raises(TypeError, match=r"got one (str|bytes|dict); write \[it\]"):
        batch(RunnableLambda(add_1), inputs)


@pytest.mark.parametrize("inputs", [5, None], ids=repr)
def test_what_is_no_iterable_is_refused(batch: Any, inputs: Any) -> None:
    """Anything that is no iterable is refused with its type."""
    with pytest.raises(TypeError, match="a batch takes a list or another iterable of inputs, got"):
        batch(RunnableLambda(add_1), inputs)


# ------------------------------------------------------------------------------------------------------------- failures


def test_first_failure_is_raised(batch: Any) -> None:
    """The exception of an item is raised as the object that it is."""
    error = LookupError("mine")

    def fail_at_2(number: int) -> int:
        if number == 2:
            raise error
        return number

    with pytest.raises(LookupError) as caught:
        batch(RunnableLambda(fail_at_2), [0, 1, 2, 3])
    assert caught.value is error


def test_failure_stops_the_rest(batch: Any) -> None:
    """After a failure no further input is begun, nor pulled from the iterable."""
    begun: list[int] = []

    def work(number: int) -> float:
        begun.append(number)
        return 1 / number

    inputs = iter([2, 1, 0, 3, 4])
    with pytest.raises(ZeroDivisionError):
        batch(RunnableLambda(work), inputs, {"max_concurrency": 1})
    assert begun == [2, 1, 0]
    assert list(inputs) == [3, 4]


async def test_failure_cancels_what_runs() -> None:
    """The first failure cancels the other items, which have ended when it is raised."""
    started, ended = asyncio.Event(), []

    async def work(number: int) -> None:
        if number == 2:
            await started.wait()
            raise LookupError
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(number)

    async with asyncio.timeout(SOON):
        with pytest.raises(LookupError):
            await RunnableLambda(work).abatch([0, 1, 2])
    assert sorted(ended) == [0, 1]


def test_failures_can_be_had_in_their_places(batch: Any) -> None:
    """With return_exceptions each failure stands in its own place, and the others are done."""
    values = batch(RunnableLambda(inverse) | RunnablePassthrough(), [1, 0, 2, 0], return_exceptions=True)

    assert [type(value) for value in values] == [float, ZeroDivisionError, float, ZeroDivisionError]
    assert values[0::2] == [1, 0.5]


class Stop(BaseException):
    """What is no Exception is no failure of an item."""


@pytest.mark.parametrize("stop", [Stop, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_only_exceptions_are_returned(stop: type[BaseException]) -> None:
    """P25: what is not an Exception ends the batch, whatever return_exceptions says."""

    def work(number: int) -> int:
        if number == 1:
            raise stop
        return number

    with pytest.raises(stop):
        RunnableLambda(work).batch([0, 1, 2], return_exceptions=True)


async def test_cancellation_is_not_returned() -> None:
    """P25: a batch that is cancelled ends, whatever return_exceptions says."""
    started = asyncio.Event()

    async def work(_: object) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(RunnableLambda(work).abatch([0, 1], return_exceptions=True))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_exception_that_a_step_returns_is_a_value(batch: Any) -> None:
    """P25: a step may give an exception object as its value; the steps after it get it."""
    chain = RunnableLambda(lambda n: ValueError(f"value {n}")) | str

    assert batch(chain, [1, 2]) == ["value 1", "value 2"]
    assert batch(chain, [1, 2], return_exceptions=True) == ["value 1", "value 2"]


def test_error_of_the_input_iterable_is_raised(batch: Any) -> None:
    """What the iterable of inputs raises is raised by the batch, whatever return_exceptions says."""

    def inputs() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    for return_exceptions in (False, True):
        with pytest.raises(LookupError, match="no more"):
            batch(RunnableLambda(add_1), inputs(), return_exceptions=return_exceptions)


# ---------------------------------------------------------------------------------------------------------- no barrier


def test_items_go_through_the_steps_on_their_own() -> None:
    """P29: an item is in the second step while another is still in the first: there is no barrier between steps."""
    second_step_was_reached = threading.Event()

    def first(number: int) -> int:
        if number == 0:
            assert second_step_was_reached.wait(SOON)
        return number

    def second(number: int) -> int:
        second_step_was_reached.set()
        return number

    assert (RunnableLambda(first) | second).batch([0, 1]) == [0, 1]


async def test_async_items_go_through_the_steps_on_their_own() -> None:
    """P29: an item is in the second step while another is still in the first: there is no barrier between steps."""
    second_step_was_reached = asyncio.Event()

    async def first(number: int) -> int:
        if number == 0:
            await second_step_was_reached.wait()
        return number

    async def second(number: int) -> int:
        second_step_was_reached.set()
        return number

    async with asyncio.timeout(SOON):
        assert await (RunnableLambda(first) | second).abatch([0, 1]) == [0, 1]


class Vector(Runnable[int, int]):
    """A step that does many inputs in one call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return self.batch([input], config)[0]

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:  # type: ignore[override]
        self.calls.append(list(inputs))
        return [number * 10 for number in self.calls[-1]]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        return self.batch(inputs, config, **kwargs)


def test_step_with_a_batch_of_its_own_gets_all_inputs_at_once(batch: Any) -> None:
    """P29: a step that overrides batch does all inputs in one call, wherever it stands in the chain."""
    vector = Vector()
    chain = RunnableLambda(add_1) | add_1 | vector | add_1 | vector.with_config(tags=["t"])

    assert batch(chain, [1, 2, 3]) == [310, 410, 510]
    assert vector.calls == [[3, 4, 5], [31, 41, 51]]


def test_step_with_a_batch_of_its_own_is_called_for_what_is_left(batch: Any) -> None:
    """P29: inputs that failed before it stay in their places and are not handed to it."""
    vector = Vector()
    chain = RunnableLambda(lambda n: 12 // n) | vector | (lambda n: 1 // (n - 40)) | str

    values = batch(chain, [1, 0, 3, 12], return_exceptions=True)

    assert vector.calls == [[12, 4, 1]]
    assert [str(value) for value in values] == [
        "0",
        "integer division or modulo by zero",
        "integer division or modulo by zero",
        "-1",
    ]


def test_exception_that_is_a_value_reaches_a_vector_step(batch: Any) -> None:
    """P25: an exception object that a step gives as its value goes on through a chain with a vector step as well."""
    chain = RunnableLambda(lambda n: ValueError(f"value {n}")) | str | len | Vector()
    direct = Vector() | RunnableLambda(lambda n: ValueError(f"value {n}")) | str

    assert batch(chain, [1, 2]) == [70, 70]
    assert batch(direct, [1, 2]) == ["value 10", "value 20"]


def test_vector_step_takes_configs_for_each_input(batch: Any) -> None:
    """P29: in a chain with a vector step each input has its own config, too."""

    def tags(_: object, config: RunnableConfig) -> str:
        return "".join(config["tags"])

    configs = [{"tags": ["a"]}, {"tags": ["b"]}]
    assert batch(Vector() | RunnableLambda(tags), [1, 2], configs) == ["a", "b"]


# -------------------------------------------------------------------------------------------------------------- configs


def tags_of(_: object, config: RunnableConfig) -> list[str]:
    return config["tags"]


def test_one_config_is_for_every_input(batch: Any) -> None:
    """A dict is the config of each item."""
    assert batch(RunnableLambda(tags_of), [1, 2], {"tags": ["a"]}) == [["a"], ["a"]]


def test_list_of_configs_is_one_for_each_input(batch: Any) -> None:
    """A list gives each item its own config."""
    assert batch(RunnableLambda(tags_of), [1, 2], [{"tags": ["a"]}, {"tags": ["b"]}]) == [["a"], ["b"]]


@pytest.mark.parametrize("count", [1, 3])
def test_number_of_configs_is_that_of_the_inputs(batch: Any, count: int) -> None:
    """More or fewer configs than inputs are refused before anything is run."""
    called: list[Any] = []

    with pytest.raises(ConfigError, match=f"as many configs as inputs: got {count} for 2 inputs"):
        batch(RunnableLambda(called.append), [1, 2], [{}] * count)
    assert called == []


@pytest.mark.parametrize("count", [1, 3])
def test_number_of_configs_is_that_of_inputs_without_a_length(batch: Any, count: int) -> None:
    """More or fewer configs than inputs are refused also where the inputs have no length."""
    with pytest.raises(ConfigError, match="as many configs as inputs"):
        batch(RunnableLambda(add_1), iter([1, 2]), [{}] * count)


@pytest.mark.parametrize("count", [1, 3])
async def test_number_of_configs_is_that_of_async_inputs(count: int) -> None:
    """More or fewer configs than inputs are refused also where the inputs come from an async iterable."""

    async def inputs() -> AsyncIterator[int]:
        yield 1
        yield 2

    with pytest.raises(ConfigError, match="as many configs as inputs"):
        await RunnableLambda(add_1).abatch(inputs(), [{}] * count)


@pytest.mark.parametrize("config", [5, "ab", [5, 5], ["a", "b"]], ids=repr)
def test_config_of_the_wrong_type_is_refused(batch: Any, config: Any) -> None:
    """What is no dict, nor a list of them, is refused as a config, and the error says so."""
    with pytest.raises(ConfigError, match="a config is a dict"):
        batch(RunnableLambda(add_1), [1, 2], config)


def test_none_in_a_list_of_configs_is_an_empty_one(batch: Any) -> None:
    """None says nothing about its input, as it does elsewhere."""
    assert batch(RunnableLambda(tags_of), [1, 2], [None, {"tags": ["b"]}]) == [[], ["b"]]


def test_one_run_id_cannot_serve_several_inputs(batch: Any) -> None:
    """A run_id for a batch of several is refused; for one, and in a list of configs, it is used."""
    with pytest.raises(ConfigError, match="one run_id cannot serve several inputs"):
        batch(RunnableLambda(add_1), [1, 2], {"run_id": uuid4()})
    assert batch(RunnableLambda(add_1), [1], {"run_id": uuid4()}) == [2]
    assert batch(RunnableLambda(add_1), [1, 2], [{"run_id": uuid4()}, {"run_id": uuid4()}]) == [2, 3]


# -------------------------------------------------------------------------------------------------------------- threads


class Crowd:
    """Counts how many are inside at once; each waits for as many as expected, and a while for one more."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.inside = self.most = 0
        self.changed = threading.Condition()

    def __call__(self, value: Any) -> Any:
        with self.changed:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.most >= self.expected, SOON)
            self.changed.wait_for(lambda: self.most > self.expected, 0.1)
            self.inside -= 1
        return value


@pytest.mark.parametrize("processors", [1, 2, 64])
def test_16_items_run_at_once_unless_said_otherwise(
    batch: Any, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P59: sync and async batches run 16 items at once by default, however many processors there are."""
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    crowd = Crowd(16)

    batch(RunnableLambda(crowd), range(17))

    assert crowd.most == 16


async def test_16_async_items_run_at_once_unless_said_otherwise() -> None:
    """P59: the default bounds async functions as it bounds sync ones."""
    inside, most, sixteen = 0, 0, asyncio.Event()

    async def work(_: object) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 16:
            sixteen.set()
        await sixteen.wait()
        for _turn in range(5):
            await asyncio.sleep(0)
        inside -= 1

    async with asyncio.timeout(SOON):
        await RunnableLambda(work).abatch(range(40))
    assert most == 16


def nested(levels: int) -> Any:
    leaf = RunnableLambda(lambda n: {threading.current_thread().name})
    return (
        leaf
        if not levels
        else RunnableParallel(a=nested(levels - 1), b=nested(levels - 1)) | (lambda both: both["a"] | both["b"])
    )


@pytest.mark.parametrize(
    "config", [None, {"max_concurrency": 1}, {"max_concurrency": 3}, {"max_concurrency": 1000}], ids=repr
)
def test_nested_fan_outs_never_wait_for_each_other(batch: Any, config: Any) -> None:
    """P28: dicts in dicts, five levels deep, in a batch with far more leaves than the pool has threads, get done."""
    assert len(batch(nested(5), range(6), config)) == 6


THREADS = """
import asyncio, threading
from plait.runnables import RunnableLambda, RunnableParallel

def nested(levels):
    leaf = RunnableLambda(lambda value: threading.Event().wait(0.001))
    return leaf if not levels else RunnableParallel(a=nested(levels - 1), b=nested(levels - 1))

nested(5).batch(range(20), {"max_concurrency": 1000})
print(threading.active_count() <= 65)
asyncio.run(nested(2).abatch(range(100), {"max_concurrency": 1000}), debug=False)  # which would tell of a busy machine
print(threading.active_count() <= 65)
"""


def test_number_of_threads_is_bounded() -> None:
    """P28: however deep the nesting, and in both colours, the pool has at most 64 threads, besides the main one."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=False, env=environment)

    assert (done.stdout, done.stderr) == ("True\nTrue\n", "")


def test_threads_are_used_again() -> None:
    """P28: call after call runs on the threads that are there already."""
    together = threading.Barrier(4, timeout=SOON)

    def work(_: object) -> int:
        together.wait()
        return threading.get_ident()

    RunnableLambda(work).batch(range(4))
    before = {thread.ident for thread in threading.enumerate()}
    later = {ident for _ in range(30) for ident in RunnableLambda(work).batch(range(4))}

    assert len(later - before) < 30  # of the 90 that a pool for each call would start


def test_no_thread_is_started_by_import() -> None:
    """P28: importing plait, and building a chain, starts no thread."""
    code = """if True:
        import threading
        from plait.runnables import RunnableLambda
        RunnableLambda(str) | {"a": str}
        print(threading.active_count())
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


colour: ContextVar[str] = ContextVar("colour", default="none")


def test_workers_see_the_callers_context(batch: Any) -> None:
    """P28: every worker runs in a copy of the caller's context, and none of them changes the caller's."""

    def paint(number: int) -> str:
        seen = colour.get()
        colour.set(f"painted {number}")
        return seen

    token = colour.set("callers")
    try:
        assert batch(RunnableLambda(paint), range(20)) == ["callers"] * 20
        assert colour.get() == "callers"
    finally:
        colour.reset(token)


def test_items_on_one_thread_do_not_see_each_others_context(batch: Any) -> None:
    """P28: what an item sets in its context is not seen by the next, although one thread may do both."""

    def paint(number: int) -> str:
        seen = colour.get()
        colour.set(f"painted {number}")
        return seen

    assert batch(RunnableLambda(paint), range(20), {"max_concurrency": 1}) == ["none"] * 20

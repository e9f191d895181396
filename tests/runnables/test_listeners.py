"""Those who listen: each run has one start and one end, whatever happens, and the same record in every mode."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest

from plait.runnables import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


class Listener:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self.chunks: list[tuple[str, Any]] = []
        self.lock = threading.Lock()

    def on_run_start(self, run: Any) -> None:
        with self.lock:
            self.started.append(run)

    def on_run_chunk(self, run: Any, chunk: Any) -> None:
        with self.lock:
            self.chunks.append((run.name, chunk))

    def on_run_end(self, run: Any) -> None:
        with self.lock:
            self.ended.append(run)

    @property
    def config(self) -> RunnableConfig:
        return {"callbacks": [self]}

    def pairs_up(self) -> bool:
        ids = [run.id for run in self.started]
        return sorted(ids) == sorted(run.id for run in self.ended) and len(set(ids)) == len(ids)

    def tree(self) -> set[tuple[str, str | None]]:
        return {(run.name, run.parent and run.parent.name) for run in self.ended}


def add_1(number: int) -> int:
    return number + 1


def double(number: int) -> int:
    return number * 2


def fail(_: object) -> None:
    raise LookupError("mine")


async def aadd_1(number: int) -> int:
    return number + 1


def each_plus_1(chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk + 1


CHAINS: dict[str, tuple[Runnable[Any, Any], Any]] = {
    "a function": (RunnableLambda(add_1), 1),
    "a function with two forms": (RunnableLambda(add_1, aadd_1), 1),
    "a sequence": (RunnableLambda(add_1) | double | each_plus_1, 1),
    "a generator": (RunnableGenerator(each_plus_1), 1),
    "a dict": (RunnableParallel(a=add_1, b=double), 1),
    "a dict in a sequence": (RunnableLambda(add_1) | {"a": add_1, "b": RunnableLambda(double) | add_1}, 1),
    "passthroughs": (RunnablePassthrough() | RunnablePassthrough(), 1),
    "an effect": (RunnablePassthrough(add_1), 1),
    "added keys": (RunnablePassthrough.assign(b=lambda given: given["a"]), {"a": 1}),
    "a picked key": (RunnableParallel(a=add_1).pick("a"), 1),
    "a branch": (RunnableBranch((lambda n: n > 5, add_1), (lambda n: n > 0, double), add_1), 1),
    "a router": (RouterRunnable({"k": add_1}), {"key": "k", "input": 1}),
    "a map": (RunnableLambda(add_1).map(), [1, 2, 3]),
    "a binding": (RunnableLambda(add_1).with_config(run_name="bound").bind(), 1),
    "a named sequence": (RunnableLambda(add_1).pipe(double, name="named") | add_1, 1),
    "a function that gives a runnable": (RunnableLambda(lambda _: RunnableLambda(add_1) | double), 1),
    "a function that calls a chain": (RunnableLambda(lambda n: (RunnableLambda(add_1) | double).invoke(n)), 1),
}


@pytest.mark.parametrize("name", CHAINS)
def test_every_run_has_one_start_and_one_end(run: Any, name: str) -> None:
    """Each run that starts ends once, in success; that somebody listens changes no value."""
    listener = Listener()
    chain, value = CHAINS[name]

    assert run(chain, value, listener.config) == run(chain, value)

    assert listener.started
    assert listener.pairs_up()
    assert {each.status for each in listener.ended} == {"success"}
    assert all(each.end_time >= each.start_time for each in listener.ended)


@pytest.mark.parametrize("name", CHAINS)
def test_record_is_the_same_in_every_mode(run: Any, name: str) -> None:
    """P64: every mode leaves the same set of runs: names, parents, inputs and outputs."""
    chain, value = CHAINS[name]
    by_invoke, by_mode = Listener(), Listener()

    chain.invoke(value, by_invoke.config)
    run(chain, value, by_mode.config)

    assert by_mode.tree() == by_invoke.tree()
    assert _records(by_mode) == _records(by_invoke)


def _records(listener: Listener) -> list[str]:
    return sorted(repr((run.name, run.kind, run.inputs, run.outputs)) for run in listener.ended)


def test_runs_know_their_parents(run: Any) -> None:
    """P09: the run of a step has that of its chain as parent, at every depth, also through functions that call chains."""
    listener = Listener()
    inner = RunnableLambda(add_1).pipe(RunnableLambda(double), name="inner")

    def calls(number: int) -> int:
        return inner.invoke(number)

    run(RunnableParallel(a=calls), 1, listener.config)

    assert listener.tree() == {
        ("RunnableParallel<a>", None),
        ("calls", "RunnableParallel<a>"),
        ("inner", "calls"),
        ("add_1", "inner"),
        ("double", "inner"),
    }


def test_failed_runs_say_so(run: Any) -> None:
    """A run that failed has the exception; the steps before it have succeeded, those after it have not begun."""
    listener = Listener()

    with pytest.raises(LookupError) as caught:
        run(RunnableLambda(add_1).pipe(fail, double, name="whole"), 1, listener.config)

    assert listener.pairs_up()
    by_name = {each.name: each for each in listener.ended}
    assert (by_name["whole"].status, by_name["whole"].error) == ("error", caught.value)
    assert (by_name["fail"].status, by_name["fail"].error) == ("error", caught.value)


def test_cancelled_stream_says_so() -> None:
    """A stream that is closed before its end is a run that was cancelled, and so are the steps in it."""
    listener = Listener()

    def endless(chunks: Iterator[Any]) -> Iterator[int]:
        while True:
            yield 1

    stream = (RunnableGenerator(endless) | each_plus_1 | {"a": RunnablePassthrough(), "b": each_plus_1}).stream(
        0, listener.config
    )
    next(stream)
    stream.close()

    assert listener.pairs_up()
    assert {each.status for each in listener.ended} == {"cancelled"}


async def test_cancelled_call_says_so() -> None:
    """A call that is cancelled is a run that was cancelled, not one that failed."""
    listener, begun = Listener(), asyncio.Event()

    async def endless(_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(RunnableParallel(a=endless, b=endless).ainvoke(0, listener.config))
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=SOON)

    assert listener.pairs_up()
    assert {each.status for each in listener.ended} == {"cancelled"}


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_interrupted_run_ends(stop: type[BaseException]) -> None:
    """A run that is interrupted has its end as well."""
    listener = Listener()

    def interrupt(_: object) -> None:
        raise stop

    with pytest.raises(stop):
        (RunnableLambda(add_1) | interrupt).invoke(1, listener.config)
    assert listener.pairs_up()


def test_chunks_are_heard_as_they_come(run: Any) -> None:
    """A listener hears every chunk of a stream, of each step, in order; their sum is the output."""
    if not run.is_stream:
        return
    listener = Listener()

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    run(
        RunnableGenerator(letters).pipe(RunnableLambda(str.upper, chunkwise=True), name="whole"), "abc", listener.config
    )

    assert [chunk for name, chunk in listener.chunks if name == "letters"] == ["a", "b", "c"]
    assert [chunk for name, chunk in listener.chunks if name == "whole"] == ["A", "B", "C"]
    assert {each.name: each.outputs for each in listener.ended}["whole"] == "ABC"


class Unaddable:
    """A chunk of a user's own that nobody meant to add up."""

    def __add__(self, other: object) -> None:
        raise TypeError("these cannot be added")


def test_chunks_that_cannot_be_added_can_be_listened_to() -> None:
    """A stream whose chunks do not add up is the same with a listener as without, and its run ends."""
    listener = Listener()

    def unaddable(chunks: Iterator[Any]) -> Iterator[Unaddable]:
        yield Unaddable()
        yield Unaddable()

    assert len(list(RunnableGenerator(unaddable).stream(0, listener.config))) == 2
    assert listener.pairs_up()


async def test_async_chunks_that_cannot_be_added_can_be_listened_to() -> None:
    """A stream whose chunks do not add up is the same with a listener as without, and its run ends."""
    listener = Listener()

    async def unaddable(chunks: AsyncIterator[Any]) -> AsyncIterator[Unaddable]:
        yield Unaddable()
        yield Unaddable()

    assert len([chunk async for chunk in RunnableGenerator(unaddable).astream(0, listener.config)]) == 2
    assert listener.pairs_up()


def test_listener_that_fails_disturbs_nobody(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises is logged and changes neither the value nor what another listener hears."""

    class Broken:
        def on_run_start(self, run: Any) -> None:
            raise RuntimeError("broken")

        on_run_end = on_run_start

        def on_run_chunk(self, run: Any, chunk: Any) -> None:
            raise RuntimeError("broken")

    listener = Listener()
    with caplog.at_level(logging.ERROR, "plait"):
        value = run(RunnableLambda(add_1) | double, 1, {"callbacks": [Broken(), listener]})

    assert value == 4
    assert listener.pairs_up()
    assert "on_run_start of Broken failed" in caplog.text


def test_listener_that_is_given_twice_hears_once(run: Any) -> None:
    """The same object as listener of the call and of a binding hears each run once."""
    listener = Listener()

    run(RunnableLambda(add_1).with_config(callbacks=[listener]), 1, {"callbacks": [listener, listener]})

    assert len(listener.started) == 1


def test_listener_of_a_step_hears_of_that_step_only(run: Any) -> None:
    """A listener that is bound to a step hears of it and of what is in it."""
    listener = Listener()

    run(RunnableLambda(add_1) | RunnableLambda(double).with_config(callbacks=[listener]) | add_1, 1)

    assert [each.name for each in listener.ended] == ["double"]


def test_run_carries_what_the_call_said(run: Any) -> None:
    """Name, id, tags and metadata of the call are in the run; tags and metadata in those below as well, the name is not."""
    listener, run_id = Listener(), uuid4()
    said: RunnableConfig = {
        "run_name": "mine",
        "run_id": run_id,
        "tags": ["t"],
        "metadata": {"k": 1},
        "callbacks": [listener],
    }

    run(RunnableLambda(add_1) | double, 1, said)

    whole = next(each for each in listener.ended if each.parent is None)
    assert (whole.name, whole.id, whole.tags, whole.metadata) == ("mine", run_id, ["t"], {"k": 1})
    assert {each.name for each in listener.ended} == {"mine", "add_1", "double"}
    assert all(each.metadata == {"k": 1} for each in listener.ended)
    assert [each.tags for each in listener.started[1:]] == [["seq:step:1", "t"], ["seq:step:2", "t"]]


def test_items_of_a_batch_have_their_own_runs() -> None:
    """P64: each item of a batch is a run of its own, with its own input and output."""
    listener = Listener()

    RunnableSequence(add_1, double).batch([1, 2, 3], listener.config)

    whole = [(each.inputs, each.outputs) for each in listener.ended if each.parent is None]
    assert sorted(whole) == [(1, 4), (2, 6), (3, 8)]
    assert listener.pairs_up()


class Vector(Runnable[int, int]):
    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return input * 10

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:  # type: ignore[override]
        return [self.invoke(each) for each in inputs]


@pytest.mark.parametrize("verb", ["batch", "abatch"])
@pytest.mark.parametrize("vector", [Vector(), Vector().with_config(tags=["t"])], ids=["bare", "bound"])
def test_items_of_a_batch_through_one_call_have_their_own_runs(verb: str, vector: Any) -> None:
    """P64: where a step does all inputs in one call, the chain around it still is a run for each input."""
    listener, alone = Listener(), Listener()
    chain = RunnableLambda(add_1) | vector | double

    done = getattr(chain, verb)([1, 2, 3], listener.config)
    outputs = asyncio.run(done) if verb == "abatch" else done
    for number in (1, 2, 3):
        chain.invoke(number, alone.config)

    assert outputs == chain.batch([1, 2, 3])
    assert listener.pairs_up()
    assert _records_but(listener, "Vector") == _records_but(alone, "Vector")  # what it does inside is its own affair


def _records_but(listener: Listener, name: str) -> list[str]:
    return sorted(_record(each) for each in listener.ended if each.name != name)


def _record(run: Any) -> str:
    return repr((run.name, run.parent and run.parent.name, run.tags, run.inputs, run.outputs))


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_failed_item_of_an_own_batch_is_its_own_failure(verb: str) -> None:
    """Of a batch in one call each input fails or succeeds on its own."""
    listener = Listener()
    chain = Vector() | (lambda number: 100 // (number - 20))

    done = getattr(chain, verb)([1, 2, 3], listener.config, return_exceptions=True)
    outputs = asyncio.run(done) if verb == "abatch" else done

    assert [type(output) for output in outputs] == [int, ZeroDivisionError, int]
    whole = {each.inputs: each.status for each in listener.ended if each.parent is None}
    assert whole == {1: "success", 2: "error", 3: "success"}
    assert listener.pairs_up()


def test_endings_come_before_the_caller_goes_on(run: Any) -> None:
    """When a verb returns, all runs in it have ended: none is reported late."""
    listener = Listener()

    run(RunnableParallel(a=add_1, b={"c": double, "d": add_1}) | RunnableLambda(str), 1, listener.config)

    assert len(listener.ended) == len(listener.started) == 7
    children_first = {each.id: position for position, each in enumerate(listener.ended)}
    assert all(children_first[each.id] < children_first[each.parent.id] for each in listener.ended if each.parent)

"""Laws of watching, over chains made at random: what is told of a call is whole, in order, and the same in every mode."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait import (
    ChatPromptTemplate,
    FakeListChatModel,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    StrOutputParser,
    merge_all,
)
from plait.runs import current

FEWER = settings(max_examples=settings.default.max_examples // 2)  # of what the profile says: these are slow


def sorted_keys(value: Any) -> Any:
    """A dict whose keys came as its branches gave them, in an order that is always the same."""
    return dict(sorted(value.items())) if isinstance(value, dict) else value


class Listener:
    """Keeps what it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any, Any]] = []
        self.lock = threading.Lock()

    def _note(self, event: str, run: Any, fact: Any = None) -> None:
        with self.lock:
            self.heard.append((event, run, fact))

    def on_run_start(self, run: Any) -> None:
        self._note("start", run, run.status)

    def on_run_chunk(self, run: Any, chunk: Any) -> None:
        self._note("chunk", run, chunk)

    def on_run_event(self, run: Any, name: str, data: Any) -> None:
        self._note("event", run, name)

    def on_run_end(self, run: Any) -> None:
        self._note("end", run, run.status)

    @property
    def ended(self) -> list[Any]:
        return [run for event, run, _ in self.heard if event == "end"]

    def records(self) -> list[str]:
        """What is known of each run; ids of answers are random, and a stream of one is a chunk."""
        return sorted(
            re.sub(
                r", id='run-\w+'|(?<=AIMessage)Chunk",
                "",
                repr(
                    (
                        run.name,
                        run.kind,
                        run.parent and run.parent.name,
                        run.tags,
                        sorted_keys(run.inputs),
                        sorted_keys(run.outputs),
                        run.status,
                    )
                ),
            )
            for run in self.ended
        )

    def check(self) -> None:
        """One start and one end each; parents around their children; chunks between; sums right; ids their own."""
        open_now: dict[Any, list[Any]] = {}
        closed: set[Any] = set()
        for event, run, fact in self.heard:
            if event == "start":
                assert run not in open_now
                assert run not in closed
                assert run.parent is None or run.parent in open_now
                assert fact == "running"
                open_now[run] = []
            elif event == "chunk":
                open_now[run].append(fact)
            elif event == "end":
                chunks = open_now.pop(run)
                closed.add(run)
                assert not [each for each in open_now if each.parent is run]
                assert fact in ("success", "error", "cancelled")
                assert (run.error is None) == (fact == "success")
                if chunks:
                    assert merge_all(chunks) == run.outputs
                assert run.end_time >= run.start_time
        assert not open_now
        assert len({run.id for run in closed}) == len(closed)


# ------------------------------------------------------------------------------------------------- chains made at random


class Mine(LookupError):
    """What a step raises."""


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


async def aletters(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for letter in chunk:
            yield letter


def early(chunks: Iterator[str]) -> Iterator[str]:
    yield ">"
    yield from chunks


def deaf(chunks: Iterator[str]) -> Iterator[str]:
    yield "deaf"


def mirror(text: str) -> str:
    return text[::-1]


async def amirror(text: str) -> str:
    await asyncio.sleep(0)
    return text[::-1]


def nested(text: str) -> str:
    return (RunnableLambda(mirror) | str.upper).invoke(text)


def nested_stream(text: str) -> str:
    return "".join((RunnableGenerator(letters) | str.upper).stream(text))


def fail(text: str) -> str:
    raise Mine(text)


def fail_late(chunks: Iterator[str]) -> Iterator[str]:
    for number, chunk in enumerate(chunks):
        if number == 1:
            raise Mine(chunk)
        yield chunk


class Own(Runnable[str, str]):
    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
        return RunnableLambda(mirror).invoke(input, config)


class OwnStream(Runnable[str, str]):
    def stream(self, input: str, config: Any = None, **kwargs: Any) -> Iterator[str]:
        yield from input

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
        return input


SOUND: dict[str, Any] = {
    "whole": lambda: RunnableLambda(mirror),
    "both colours": lambda: RunnableLambda(mirror, amirror),
    "by chunks": lambda: RunnableLambda(str.upper, chunkwise=True),
    "passthrough": RunnablePassthrough,
    "letters": lambda: RunnableGenerator(letters, aletters),
    "sync letters": lambda: RunnableGenerator(letters),
    "early": lambda: RunnableGenerator(early),
    "deaf": lambda: RunnableGenerator(deaf),
    "nested": lambda: RunnableLambda(nested),
    "nested stream": lambda: RunnableLambda(nested_stream),
    "dict": lambda: RunnableParallel(k=mirror, l=RunnablePassthrough()).pick("k"),
    "assign": lambda: RunnableParallel(k=RunnablePassthrough()).assign(l=lambda given: given["k"]).pick("l"),
    "branch": lambda: RunnableBranch((lambda text: len(text) > 3, mirror), RunnablePassthrough()),
    "router": lambda: {"key": lambda _: "a", "input": RunnablePassthrough()} | RouterRunnable({"a": mirror}),
    "map": lambda: RunnableLambda(list) | RunnableLambda(str.upper).map() | "".join,
    "binding": lambda: RunnableGenerator(letters).with_config(tags=["t"], run_name="bound").bind(),
    "named": lambda: RunnableGenerator(letters).pipe(RunnableLambda(str.upper), name="named"),
    "given": lambda: RunnableLambda(lambda _: RunnableGenerator(letters) | mirror),
    "own": Own,
    "own stream": OwnStream,
    "model": lambda: (
        RunnableParallel(x=RunnablePassthrough())
        | ChatPromptTemplate.from_template("{x}")
        | FakeListChatModel(responses=["a b c"])
        | StrOutputParser()
    ),
}
BROKEN: dict[str, Any] = {
    "fails": lambda: RunnableLambda(fail),
    "fails late": lambda: RunnableGenerator(fail_late),
    "fails in a dict": lambda: RunnableParallel(k=mirror, l=fail).pick("k"),
    "fails nested": lambda: RunnableLambda(lambda text: (RunnableLambda(mirror) | fail).invoke(text)),
    "fails in a map": lambda: RunnableLambda(list) | RunnableLambda(fail).map(),
}
sound = st.lists(st.sampled_from(sorted(SOUND)), min_size=1, max_size=4)
any_steps = st.lists(st.sampled_from(sorted({**SOUND, **BROKEN})), min_size=1, max_size=4)
texts = st.text("abc", min_size=1, max_size=6)
MODES = ("invoke", "stream", "batch", "ainvoke", "astream", "abatch")


def built(names: list[str]) -> Runnable[Any, Any]:
    return RunnableSequence(*[{**SOUND, **BROKEN}[name]() for name in names], RunnablePassthrough())


def call(chain: Any, mode: str, text: str, config: Any) -> Any:
    if mode.startswith("a"):
        return asyncio.run(_acall(chain, mode, text, config))
    if mode == "stream":
        return merge_all(list(chain.stream(text, config)))
    return chain.invoke(text, config) if mode == "invoke" else chain.batch([text], config)[0]


async def _acall(chain: Any, mode: str, text: str, config: Any) -> Any:
    if mode == "astream":
        return merge_all([chunk async for chunk in chain.astream(text, config)])
    return await chain.ainvoke(text, config) if mode == "ainvoke" else (await chain.abatch([text], config))[0]


def outcome(chain: Any, mode: str, text: str, config: Any) -> Any:
    try:
        return call(chain, mode, text, config)
    except Mine as error:
        return type(error)  # of several items that fail, which is the first is a matter of time


@FEWER
@given(sound.filter(lambda names: "deaf" not in names), texts, st.sampled_from(MODES))  # in a stream it reads nothing
def test_record_is_whole_and_the_same_in_every_mode(names: list[str], text: str, mode: str) -> None:
    """P10 P64: each run starts and ends once, in its parent; every mode leaves the records that invoke leaves."""
    by_invoke, by_mode = Listener(), Listener()

    value = call(built(names), "invoke", text, {"callbacks": [by_invoke]})

    assert call(built(names), mode, text, {"callbacks": [by_mode]}) == value
    by_mode.check()
    assert by_mode.records() == by_invoke.records()
    assert current.get() is None


@FEWER
@given(any_steps, texts, st.sampled_from(MODES))
def test_watching_changes_nothing(names: list[str], text: str, mode: str) -> None:
    """A watched call gives the value, or raises the error, that it gives or raises unwatched; its record is whole."""
    listener = Listener()

    assert outcome(built(names), mode, text, {"callbacks": [listener]}) == outcome(built(names), mode, text, None)
    listener.check()


@FEWER
@given(any_steps, texts, st.sampled_from(MODES))
def test_five_hear_what_one_hears(names: list[str], text: str, mode: str) -> None:
    """P10: with four more listeners each hears the same runs, chunk by chunk."""
    alone, five = Listener(), [Listener() for _ in range(5)]

    outcome(built(names), mode, text, {"callbacks": [alone]})
    outcome(built(names), mode, text, {"callbacks": five})

    for each in five:
        each.check()
        assert len(each.heard) == len(five[0].heard)
    if not set(names) & set(BROKEN):  # where one fails, how far its siblings got is a matter of time
        assert five[0].records() == alone.records()


@FEWER
@given(sound, texts, st.integers(0, 4), st.sampled_from(["sync", "async"]))
def test_closed_early_is_cancelled(names: list[str], text: str, count: int, colour: str) -> None:
    """P32: a stream that is left has one end, cancelled, with what it had given; in both colours."""
    listener = Listener()
    chain = built(names)
    if colour == "sync":
        with closing(chain.stream(text, {"callbacks": [listener]})) as chunks:
            taken = list(itertools.islice(chunks, count))
    else:
        taken = asyncio.run(_atake(chain, text, count, listener))

    listener.check()
    root = next((run for run in listener.ended if run.parent is None), None)
    if len(taken) == count and count and root is not None and root.status != "success":
        assert root.status == "cancelled"
        assert root.outputs == merge_all(taken)
    assert current.get() is None


async def _atake(chain: Any, text: str, count: int, listener: Listener) -> list[Any]:
    taken: list[Any] = []
    async with aclosing(chain.astream(text, {"callbacks": [listener]})) as chunks:
        while len(taken) < count:
            try:
                taken.append(await anext(chunks))
            except StopAsyncIteration:
                break
    return taken


@FEWER
@given(sound, texts, st.integers(0, 30))
def test_cancelled_anywhere_ends_every_run(names: list[str], text: str, turns: int) -> None:
    """P32: a task that is cancelled after any number of turns of the loop leaves no run without an end."""
    listener = Listener()

    async def main() -> None:
        task = asyncio.ensure_future(built(names).ainvoke(text, {"callbacks": [listener]}))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    listener.check()


@FEWER
@given(any_steps, texts)
def test_log_and_events_tell_of_the_same_runs(names: list[str], text: str) -> None:
    """Events pair up, and the log has an entry for each run but the chain's own; failures are told before they are raised."""

    async def read() -> tuple[list[Any], Any, list[Exception]]:
        events, log, errors = [], None, []
        try:
            async for event in built(names).astream_events(text):
                events.append(event)  # noqa: PERF401 - it may end with an exception
        except Mine as error:
            errors.append(error)
        try:
            async for log in built(names).astream_log(text, diff=False):  # noqa: B007 - the last is wanted
                pass
        except Mine as error:
            errors.append(error)
        return events, log, errors

    events, log, errors = asyncio.run(read())

    starts = [event["run_id"] for event in events if event["event"].endswith("_start")]
    ends = [event["run_id"] for event in events if event["event"].endswith(("_end", "_error", "_cancelled"))]
    assert sorted(starts) == sorted(ends)
    assert len(errors) in (0, 2)
    if errors:
        assert events[-1]["event"] == "on_chain_error"
        assert events[-1]["data"]["error"] is errors[0]
    else:
        assert len(log.state["logs"]) == len(starts) - 1
        assert log.state["final_output"] == events[-1]["data"]["output"]


# ----------------------------------------------------------------------------------------------------------- by example


WRAPPINGS: dict[str, Any] = {
    "tags": lambda chain: chain.with_config(tags=["x"]),
    "metadata": lambda chain: chain.with_config(metadata={"k": 1}),
    "name": lambda chain: chain.with_config(run_name="named"),
    "bind": lambda chain: chain.bind(),
    "listeners": lambda chain: chain.with_listeners(on_start=lambda run: None),
    "types": lambda chain: chain.with_types(input_type=str),
}


async def test_filters_do_not_depend_on_the_order_of_wrappings() -> None:
    """P44: in whatever order tags, names, metadata, arguments, listeners and types were put on, the events are the same."""
    found = set()
    for order in itertools.permutations(WRAPPINGS):
        chain: Any = RunnableLambda(mirror) | str.upper
        for name in order:
            chain = WRAPPINGS[name](chain)
        events = [
            (event["event"], event["name"], tuple(event["tags"]), tuple(event["metadata"].items()))
            async for event in (chain | len).astream_events("ab", include_tags=["x"], include_metadata={"k": 2})
        ]
        assert events
        found.add(tuple(events))

    assert len(found) == 1


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_no_run_outlives_its_call(colour: str) -> None:
    """P45: of 300 calls, of which a third fail and a third are given up, no record is left."""
    kept: list[weakref.ref[Any]] = []

    class Kept:
        def __init__(self, text: str) -> None:
            self.text = text
            kept.append(weakref.ref(self))

    class Quiet(Listener):
        def _note(self, event: str, run: Any, fact: Any = None) -> None:
            pass

    def stream(chunks: Iterator[Any]) -> Iterator[Any]:
        for chunk in chunks:
            yield Kept("a")
            if chunk == 1:
                raise Mine
            yield Kept("b")

    chain = RunnableGenerator(stream) | RunnablePassthrough()
    config: Any = {"callbacks": [Quiet()]}

    async def one(number: int) -> None:
        async with aclosing(chain.astream(number % 3, config)) as chunks:  # type: ignore[type-var]
            await anext(chunks)
            if number % 3 != 2:
                with suppress(Mine):
                    async for _ in chunks:
                        pass

    for number in range(300):
        if colour == "async":
            asyncio.run(one(number))
            continue
        with closing(chain.stream(number % 3, config)) as chunks:  # type: ignore[type-var]
            next(chunks)
            if number % 3 != 2:
                with suppress(Mine):
                    list(chunks)
    gc.collect()

    assert not [ref for ref in kept if ref() is not None]


def test_dropped_stream_ends_its_runs() -> None:
    """P49: a stream that the garbage collector ends has its end told, and no context variable complains."""
    listener = Listener()
    stream = (RunnableGenerator(letters) | RunnablePassthrough()).stream("abc", {"callbacks": [listener]})
    next(stream)

    del stream
    gc.collect()

    listener.check()
    assert {run.status for run in listener.ended} == {"cancelled"}


async def test_stream_closed_from_another_task() -> None:
    """P49: a stream that was read in one task is closed in another: its runs end, and nothing complains."""
    listener = Listener()
    stream: Any = (RunnableGenerator(letters, aletters) | RunnablePassthrough()).astream(
        "abc", {"callbacks": [listener]}
    )
    await asyncio.ensure_future(anext(stream))

    await asyncio.ensure_future(stream.aclose())

    listener.check()
    assert {run.status for run in listener.ended} == {"cancelled"}
    assert current.get() is None

"""Ways to call a runnable that are out of the ordinary: in pieces, left early, cancelled, many at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any, Final, cast

from plait.concurrency import aclose_all, close_all
from plait.merging import merge_all
from plait.runnables import RunnableGenerator
from plait.runs import current
from plait.testing.equality import same, shown
from plait.testing.modes import MODES, AnyRunnable, Mode, Outcome, Told, asum_of, copied, sum_of

__all__ = ["CANCELLED", "CLOSED_EARLY", "IN_PIECES", "LAZILY", "TOGETHER"]

_END: Final[Any] = object()


# ----------------------------------------------------------------------------------------------------------- in pieces


def split(value: Any) -> list[Any]:
    """Parts that add up to ``value``, more than one where that is possible."""
    parts = _parts(value)
    return parts if len(parts) > 1 and same(merge_all(parts), value) else [value]


def _parts(value: Any) -> list[Any]:
    if type(value) is dict:
        items = cast("dict[Any, Any]", value).items()
        return [{key: part} for key, item in items for part in (split(item) if len(items) == 1 else [item])]
    if type(value) in (str, bytes, list, tuple) and len(value) > 1:
        return [value[: len(value) // 2], value[len(value) // 2 :]]
    return [value]


def _pieces(value: Any, closed: list[Any]) -> Iterator[Any]:
    """A stream of the parts, which puts itself down as closed when it ends in whatever way."""
    try:
        for part in split(value):
            yield part
    finally:
        closed.append(value)


async def _apieces(value: Any, closed: list[Any]) -> AsyncGenerator[Any, None]:
    """A stream of the parts, which puts itself down as closed when it ends in whatever way."""
    try:
        for part in split(value):
            yield part
    finally:
        closed.append(value)


def _in_pieces(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for item in inputs:
        upstream = _pieces(item, [])
        outcomes.append(sum_of(partial(runnable.transform, upstream, config)))
        close_all([upstream])
    return outcomes


async def _ain_pieces(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for item in inputs:
        upstream = _apieces(item, [])
        outcomes.append(await asum_of(partial(runnable.atransform, upstream, config)))
        await aclose_all([upstream])
    return outcomes


IN_PIECES: Final = {
    "transform": Mode("transform of an input in pieces", _in_pieces, "transform"),
    "atransform": Mode("atransform of an input in pieces", _ain_pieces, "atransform"),
}


# ---------------------------------------------------------------------------------------------------------- left early


def _first_chunk(start: Callable[[], Any]) -> Outcome:
    """Take one chunk and close; the value is the scope that is in force between the two."""
    outcome, opened = Outcome(), list[Any]()
    try:
        opened.append(start())
        next(iter(opened[0]), None)
        outcome.value = current.get()
        close_all(opened)
    except Exception as error:
        outcome.error = error
    return outcome


async def _afirst_chunk(start: Callable[[], Any]) -> Outcome:
    """Take one chunk and close; the value is the scope that is in force between the two."""
    outcome, opened = Outcome(), list[Any]()
    try:
        opened.append(start())
        await anext(aiter(opened[0]), None)
        outcome.value = current.get()
        await aclose_all(opened)
    except Exception as error:
        outcome.error = error
    return outcome


def _close_stream(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [_first_chunk(partial(runnable.stream, item, config)) for item in inputs]


async def _aclose_stream(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [await _afirst_chunk(partial(runnable.astream, item, config)) for item in inputs]


def _close_chain(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """What comes before it in a chain is closed with it."""
    outcomes: list[Outcome] = []
    for item in inputs:
        closed: list[Any] = []
        chain = RunnableGenerator(_source(item, closed)) | runnable
        outcomes.append(_told_open(_first_chunk(partial(chain.stream, None, config)), closed))
    return outcomes


async def _aclose_chain(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """What comes before it in a chain is closed with it."""
    outcomes: list[Outcome] = []
    for item in inputs:
        closed: list[Any] = []
        chain = RunnableGenerator(_asource(item, closed)) | runnable
        outcomes.append(_told_open(await _afirst_chunk(partial(chain.astream, None, config)), closed))
    return outcomes


def _source(item: Any, closed: list[Any]) -> Callable[[Any], Any]:
    def source(chunks: Any) -> Iterator[Any]:
        return _pieces(item, closed)

    return source


def _asource(item: Any, closed: list[Any]) -> Callable[[Any], Any]:  # twin: told from a sync one by its kind
    async def source(chunks: Any) -> AsyncGenerator[Any, None]:
        pieces = _apieces(item, closed)
        try:
            async for part in pieces:
                yield part
        finally:
            await aclose_all([pieces])

    return source


def _told_open(outcome: Outcome, closed: list[Any]) -> Outcome:
    if not closed and outcome.error is None:
        outcome.error = Told("the generator before it in a chain was left open")
    return outcome


CLOSED_EARLY: Final = {
    "stream": Mode("stream, closed after its first chunk", _close_stream, "stream"),
    "transform": Mode("transform in a chain, closed after its first chunk", _close_chain, "transform"),
    "astream": Mode("astream, closed after its first chunk", _aclose_stream, "astream"),
    "atransform": Mode("atransform in a chain, closed after its first chunk", _aclose_chain, "atransform"),
}


def _take_one(verb: str, runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """Take one output of very many inputs and close; the value is how many were pulled."""
    pulled: list[Any] = []
    outcome = _first_chunk(partial(getattr(runnable, verb), _many(inputs, pulled), config))
    outcome.value = len(pulled)
    return [outcome]


async def _atake_one(verb: str, runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """Take one output of very many inputs and close; the value is how many were pulled."""
    pulled: list[Any] = []
    outcome = await _afirst_chunk(partial(getattr(runnable, verb), _many(inputs, pulled), config))
    outcome.value = len(pulled)
    return [outcome]


def _many(inputs: Sequence[Any], pulled: list[Any]) -> Iterator[Any]:
    """More inputs than anybody should pull for one output; a map, since nobody has to close one."""

    def pull(item: Any) -> Any:
        pulled.append(item)
        return copied(item)

    return map(pull, islice(cycle(inputs), 64))


LAZILY: Final = {
    verb: Mode(f"{verb}, closed after its first output", partial(take, verb), verb)
    for take, verbs in (
        (_take_one, ("batch_iter", "batch_as_completed")),
        (_atake_one, ("abatch_iter", "abatch_as_completed")),
    )
    for verb in verbs
}


# ----------------------------------------------------------------------------------------------------------- cancelled


async def _cancelled(steps: int, runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [await _cancel(runnable.ainvoke(item, config), steps) for item in inputs]


async def _cancel(call: Coroutine[Any, Any, Any], steps: int) -> Outcome:
    """Cancel a call after some steps of the loop, and tell what came instead of CancelledError."""
    task = asyncio.ensure_future(call)
    for _ in range(steps):
        await asyncio.sleep(0)
    if not task.cancel():
        await asyncio.wait([task])
        task.exception()  # it was done before; other laws speak of its outcome
        return Outcome()
    try:
        return Outcome(error=Told(f"it went on and gave {shown(await task)}"))
    except asyncio.CancelledError:
        return Outcome()
    except Exception as error:
        return Outcome(error=error)


CANCELLED: Final = [
    Mode("ainvoke in a task that is cancelled", partial(_cancelled, steps), "ainvoke") for steps in (1, 2, 5)
]


# ------------------------------------------------------------------------------------------------------------ together


def _in_threads(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """Each input in a thread of its own, all let go at once."""
    outcomes = [Outcome() for _ in inputs]
    start = threading.Barrier(len(inputs))

    def call(place: int) -> None:
        start.wait()
        [outcomes[place]] = MODES["invoke"].call(runnable, [inputs[place]], config)

    threads = [threading.Thread(target=call, args=(place,)) for place in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


async def _in_tasks(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """Each input in a task of its own."""
    calls = [MODES["ainvoke"].call(runnable, [item], config) for item in inputs]
    return [outcome for [outcome] in await asyncio.gather(*calls)]


def _in_turns(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """A stream of each input, chunk by chunk in turns."""
    streams = [(Outcome(), iter(runnable.stream(item, config))) for item in inputs]
    left = streams
    while left:
        left = [(outcome, stream) for outcome, stream in left if _took(outcome, next(stream, _END))]
    return [outcome for outcome, _ in streams]


async def _ain_turns(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    """A stream of each input, chunk by chunk in turns."""
    streams = [(Outcome(), aiter(runnable.astream(item, config))) for item in inputs]
    left = streams
    while left:
        left = [(outcome, stream) for outcome, stream in left if _took(outcome, await anext(stream, _END))]
    return [outcome for outcome, _ in streams]


def _took(outcome: Outcome, chunk: Any) -> bool:
    """Whether there was a chunk; the end of a stream makes the sum."""
    if chunk is _END:
        outcome.value = merge_all(outcome.parts)
        return False
    outcome.note(chunk)
    return True


TOGETHER: Final = {
    "invoke": Mode("invoke in several threads at once", _in_threads, "invoke"),
    "ainvoke": Mode("ainvoke in several tasks at once", _in_tasks, "ainvoke"),
    "stream": Mode("several streams in turns", _in_turns, "stream"),
    "astream": Mode("several async streams in turns", _ain_turns, "astream"),
}

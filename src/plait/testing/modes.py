"""Every verb of a runnable as one function, from inputs to what came of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from plait.concurrency import aclose_all, acollect, close_all
from plait.merging import merge_all
from plait.runnables import Runnable

__all__ = ["ASYNC_MODES", "MODES", "RAISING", "SYNC_MODES", "AnyRunnable", "Mode", "Outcome", "Told", "copied"]

AnyRunnable: TypeAlias = Runnable[Any, Any]


class Told(Exception):
    """Stands for an output, and says that there was none or what came in its place."""


@dataclass
class Outcome:
    """What came of one input: a value, which of a stream is the sum of its chunks, or an exception."""

    value: Any = None
    error: Exception | None = None
    parts: list[Any] = field(default_factory=list[Any])  # the chunks, or the value; and as each was when it came
    copies: list[Any] = field(default_factory=list[Any])

    def note(self, part: Any) -> Any:
        """Keep a part, and a copy of it as it is now."""
        self.parts.append(part)
        self.copies.append(copied(part))
        return part


def copied(value: Any) -> Any:
    """A deep copy, or the value itself if it has none."""
    try:
        return deepcopy(value)
    except Exception:
        return value


@dataclass(frozen=True)
class Mode:
    """One way to call: ``call(runnable, inputs, config)`` gives an outcome for each input, or awaits to."""

    name: str
    call: Callable[..., Any]
    verb: str

    @property
    def is_async(self) -> bool:
        return self.verb.startswith("a")

    @property
    def is_stream(self) -> bool:
        return self.verb.endswith(("stream", "transform"))

    @property
    def is_batch(self) -> bool:
        return "batch" in self.verb


# ------------------------------------------------------------------------------------------------------ value by value


def value_of(call: Callable[[], Any]) -> Outcome:
    """What a call gives."""
    outcome = Outcome()
    try:
        outcome.value = outcome.note(call())
    except Exception as error:
        outcome.error = error
    return outcome


async def avalue_of(call: Callable[[], Awaitable[Any]]) -> Outcome:
    """What a call gives."""
    outcome = Outcome()
    try:
        outcome.value = outcome.note(await call())
    except Exception as error:
        outcome.error = error
    return outcome


def _invoke(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [value_of(partial(runnable.invoke, item, config)) for item in inputs]


async def _ainvoke(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [await avalue_of(partial(runnable.ainvoke, item, config)) for item in inputs]


# ------------------------------------------------------------------------------------------------------------- streams


def sum_of(start: Callable[[], Any]) -> Outcome:
    """What the chunks of a stream add up to."""
    outcome, opened = Outcome(), list[Any]()
    try:
        opened.append(start())
        for chunk in opened[0]:
            outcome.note(chunk)
        outcome.value = merge_all(outcome.parts)
    except Exception as error:
        outcome.error = error
    close_all(opened)
    return outcome


async def asum_of(start: Callable[[], Any]) -> Outcome:
    """What the chunks of a stream add up to."""
    outcome, opened = Outcome(), list[Any]()
    try:
        opened.append(start())
        async for chunk in opened[0]:
            outcome.note(chunk)
        outcome.value = merge_all(outcome.parts)
    except Exception as error:
        outcome.error = error
    await aclose_all(opened)
    return outcome


class _Once:
    """A stream of one chunk, of either colour, which needs no closing."""

    def __init__(self, item: Any) -> None:
        self.items = [item]

    def __iter__(self) -> _Once:
        return self

    def __aiter__(self) -> _Once:
        return self

    def __next__(self) -> Any:
        if not self.items:
            raise StopIteration
        return self.items.pop()

    async def __anext__(self) -> Any:
        if not self.items:
            raise StopAsyncIteration
        return self.items.pop()


def _stream(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [sum_of(partial(runnable.stream, item, config)) for item in inputs]


async def _astream(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [await asum_of(partial(runnable.astream, item, config)) for item in inputs]


def _transform(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [sum_of(partial(runnable.transform, _Once(item), config)) for item in inputs]


async def _atransform(runnable: AnyRunnable, inputs: Sequence[Any], config: Any) -> list[Outcome]:
    return [await asum_of(partial(runnable.atransform, _Once(item), config)) for item in inputs]


# ------------------------------------------------------------------------------------------------------------- batches


def _batch(runnable: AnyRunnable, inputs: Sequence[Any], config: Any, safe: bool = True) -> list[Outcome]:
    return [_placed(item) for item in runnable.batch(inputs, config, return_exceptions=safe)]


async def _abatch(runnable: AnyRunnable, inputs: Sequence[Any], config: Any, safe: bool = True) -> list[Outcome]:
    return [_placed(item) for item in await runnable.abatch(inputs, config, return_exceptions=safe)]


def _batch_iter(runnable: AnyRunnable, inputs: Sequence[Any], config: Any, safe: bool = True) -> list[Outcome]:
    return [_placed(item) for item in list(runnable.batch_iter(inputs, config, return_exceptions=safe))]


async def _abatch_iter(runnable: AnyRunnable, inputs: Sequence[Any], config: Any, safe: bool = True) -> list[Outcome]:
    return [_placed(item) for item in await acollect(runnable.abatch_iter(inputs, config, return_exceptions=safe))]


def _batch_as_completed(runnable: AnyRunnable, inputs: Sequence[Any], config: Any, safe: bool = True) -> list[Outcome]:
    return _arranged(list(runnable.batch_as_completed(inputs, config, return_exceptions=safe)), len(inputs))


async def _abatch_as_completed(
    runnable: AnyRunnable, inputs: Sequence[Any], config: Any, safe: bool = True
) -> list[Outcome]:
    return _arranged(await acollect(runnable.abatch_as_completed(inputs, config, return_exceptions=safe)), len(inputs))


def _placed(item: Any) -> Outcome:
    outcome = Outcome(error=item) if isinstance(item, Exception) else Outcome(item)
    outcome.note(item)
    return outcome


def _arranged(pairs: Iterable[tuple[int, Any]], count: int) -> list[Outcome]:
    """Each at its index; what is wrong with the indexes is told in their places."""
    places: list[Outcome | None] = [None] * count
    for index, item in pairs:
        if not 0 <= index < count:
            return [Outcome(error=Told(f"an output for index {index}, and there are {count} inputs"))]
        places[index] = Outcome(error=Told("this index came twice")) if places[index] else _placed(item)
    return [place or Outcome(error=Told("this index never came")) for place in places]


# ------------------------------------------------------------------------------------------------------------ all modes

_CALLS: Final[dict[str, Callable[..., Any]]] = {
    "invoke": _invoke,
    "stream": _stream,
    "transform": _transform,
    "batch": _batch,
    "batch_iter": _batch_iter,
    "batch_as_completed": _batch_as_completed,
}
_ACALLS: Final[dict[str, Callable[..., Any]]] = {
    "ainvoke": _ainvoke,
    "astream": _astream,
    "atransform": _atransform,
    "abatch": _abatch,
    "abatch_iter": _abatch_iter,
    "abatch_as_completed": _abatch_as_completed,
}

SYNC_MODES: Final = tuple(_CALLS)
"""The synchronous verbs, by name: what ``modes`` of ``check_runnable`` takes."""

ASYNC_MODES: Final = tuple(_ACALLS)
"""The asynchronous verbs, by name: for a runnable that has no synchronous form."""

MODES: Final = {name: Mode(name, call, name) for name, call in {**_CALLS, **_ACALLS}.items()}
RAISING: Final = {
    name: Mode(f"{name} without return_exceptions", partial(mode.call, safe=False), name)
    for name, mode in MODES.items()
    if mode.is_batch
}

"""Faults to put around any step, so that a test can see what a chain does about them.

Each is a runnable that passes everything on to the one within, and does its harm in the calls that it is told to: the
first ``times`` of them, or of those whose input ``when`` picks. Threads and tasks share one count. All waits are by
the clock in force, so that under a ``VirtualClock`` they take no time.
"""
# The wrapper is the algebra's own.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from copy import copy
from math import inf, isfinite
from threading import Lock
from typing import Any, Final, TypeVar, cast

from plait.concurrency import aclose_all, acollect, close_all
from plait.errors import ConfigError, ModelConnectionError
from plait.runnables.base import Runnable, _Wrapper, coerce_to_runnable
from plait.stopping import asleep, sleep

__all__ = ["Fails", "Hangs", "Slow"]

Input = TypeVar("Input", contravariant=True)
Output = TypeVar("Output", covariant=True)

Outcome = BaseException | type[BaseException] | None

_FAILURE: Final = ModelConnectionError("it failed, as the test wants it to")
_END: Final[Any] = object()


class _Count:
    """The calls of one fault; for any number of threads. A copy in another process begins anew."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.calls = 0
        self.picked = 0

    def add(self, picked: bool) -> int | None:
        """The number of this call among those that are picked, from 0; None if it is not."""
        with self.lock:
            self.calls += 1
            self.picked += picked
            return self.picked - 1 if picked else None

    def __reduce__(self) -> tuple[type[_Count], tuple[()]]:
        return _Count, ()


class _Fault(_Wrapper[Input, Output]):
    """What all faults have: which calls they harm, and a count of them. Each has a run of its own."""

    times: int | None
    when: Callable[[Any], object] | None
    _count: _Count

    def _harm(self, bound: Any, times: int | None, when: Callable[[Any], object] | None, **state: Any) -> None:
        if times is not None and times < 0:
            raise ConfigError(f"times must be a number of calls from 0 on, or None for all of them, got {times!r}")
        self._hold(coerce_to_runnable(bound), times=times, when=when, _count=_Count(), name=None, **state)
        vars(self).update(_inline=False, _whole=self._whole or when is not None)

    def _rewrapped(self, bound: Runnable[Any, Any]) -> Runnable[Any, Any]:
        """The same fault, with the same count, around another runnable."""
        other = copy(self)
        other._hold(bound)
        vars(other).update(_inline=False, _whole=other._whole or self.when is not None)
        return other

    @property
    def call_count(self) -> int:
        """How often it was called, harmed or not; a stream counts when its first chunk is asked for."""
        return self._count.calls

    @property
    def _barrier(self) -> bool:
        return False

    @property
    def _vectorised(self) -> bool:
        return False

    @property
    def _own_batch(self) -> bool:
        return False

    def get_name(self, suffix: str | None = None) -> str:
        """The name of the fault and of what is in it."""
        name = f"{type(self).__name__}<{self.bound.get_name()}>"
        return name + suffix[0].upper() + suffix[1:] if suffix else name

    def _due(self, input: Any) -> int | None:
        """The number of this call among those that are harmed; None if it is not."""
        number = self._count.add(self.when is None or bool(self.when(input)))
        return number if number is not None and (self.times is None or number < self.times) else None

    def _opened(self, chunks: Iterator[Any], config: Any, kwargs: dict[str, Any]) -> tuple[int | None, Iterator[Any]]:
        if self.when is None:
            return self._due(None), self.bound.transform(chunks, config, **kwargs)
        input = self._sum(list(chunks))
        return self._due(input), self.bound.stream(input, config, **kwargs)

    async def _aopened(
        self, chunks: AsyncIterator[Any], config: Any, kwargs: dict[str, Any]
    ) -> tuple[int | None, AsyncIterator[Any]]:
        if self.when is None:
            return self._due(None), self.bound.atransform(chunks, config, **kwargs)
        input = self._sum(await acollect(chunks))
        return self._due(input), self.bound.astream(input, config, **kwargs)

    def _options(self) -> dict[str, Any]:
        return {"times": self.times, "when": self.when}

    def __repr__(self) -> str:
        said = "".join(f", {name}={value!r}" for name, value in self._options().items() if value is not None)
        return f"{type(self).__name__}({self.bound!r}{said})"


class _Interruption(_Fault[Input, Output]):
    """A fault that keeps an answer from being complete: before it begins, or after some chunks of a stream."""

    at_chunk: int

    def _strike(self, number: int) -> None:
        """Do it; may return only if this call is to go on."""
        raise NotImplementedError

    async def _astrike(self, number: int) -> None:  # twin: most strike alike
        """Do it; may return only if this call is to go on."""
        self._strike(number)

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        number = self._due(input)
        if number is not None:
            self._strike(number)
        return self.bound.invoke(input, config, **kwargs)

    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        number = self._due(input)
        if number is not None:
            await self._astrike(number)
        return await self.bound.ainvoke(input, config, **kwargs)

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        number, stream = self._opened(chunks, config, kwargs)
        left = self.at_chunk
        try:
            while number is None or left > 0:
                chunk = next(stream, _END)
                if chunk is _END:
                    break
                yield chunk
                left -= 1
            if number is not None:
                self._strike(number)
            for chunk in stream:
                yield chunk
        finally:
            close_all([stream])

    async def _atransform(self, chunks: AsyncIterator[Any], config: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        number, stream = await self._aopened(chunks, config, kwargs)
        left = self.at_chunk
        try:
            while number is None or left > 0:
                chunk = await anext(stream, _END)
                if chunk is _END:
                    break
                yield chunk
                left -= 1
            if number is not None:
                await self._astrike(number)
            async for chunk in stream:
                yield chunk
        finally:
            await aclose_all([stream])

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "at_chunk": self.at_chunk or None}


class Fails(_Interruption[Input, Output]):
    """A runnable whose calls fail, all of them or the first ``times``; the others are passed on to it.

    error: what is raised: a class (each call makes its own), an instance (each call raises a copy), or a list with one
        of these for each call, and None for one that works; after the list all work.
    at_chunk: how many chunks a stream gives before it fails; all of them if it has fewer. A call for a whole value
        fails without calling the runnable.
    when: a function of the input; calls for which it is false are passed on, and do not count among ``times``. A
        stream is read whole for it.
    """

    error: Outcome | tuple[Outcome, ...]

    def __init__(
        self,
        runnable: Runnable[Input, Output] | Callable[[Input], Output] | Mapping[str, Any],
        *,
        times: int | None = None,
        error: Outcome | Sequence[Outcome] = _FAILURE,
        at_chunk: int = 0,
        when: Callable[[Any], object] | None = None,
    ) -> None:
        script = _script(error)
        if isinstance(script, tuple):
            times = _length(cast("tuple[Any, ...]", script), times)
        self._harm(runnable, times, when, error=script, at_chunk=_at_least_0("at_chunk", at_chunk))

    def _strike(self, number: int) -> None:
        error = self.error[number] if isinstance(self.error, tuple) else self.error
        if error is not None:
            raise error if isinstance(error, type) else _fresh(error)


class Hangs(_Interruption[Input, Output]):
    """A runnable whose calls never come to an end, all of them or the first ``times``; the others are passed on to it.

    Such a call ends when it is ended: by its deadline, a failure beside it, the close of the stream, or the
    cancellation of its task. ``at_chunk`` and ``when`` are those of ``Fails``.
    """

    def __init__(
        self,
        runnable: Runnable[Input, Output] | Callable[[Input], Output] | Mapping[str, Any],
        *,
        times: int | None = None,
        at_chunk: int = 0,
        when: Callable[[Any], object] | None = None,
    ) -> None:
        self._harm(runnable, times, when, at_chunk=_at_least_0("at_chunk", at_chunk))

    def _strike(self, number: int) -> None:
        sleep(inf)

    async def _astrike(self, number: int) -> None:
        await asleep(inf)


class Slow(_Fault[Input, Output]):
    """A runnable that takes its time, in all calls or the first ``times``; the others are passed on to it as they are.

    first: seconds before a value, or before the first chunk of a stream.
    each: seconds before each further chunk; a whole value does not take them.
    when: a function of the input; calls for which it is false are as fast as ever.
    """

    first: float
    each: float

    def __init__(
        self,
        runnable: Runnable[Input, Output] | Callable[[Input], Output] | Mapping[str, Any],
        *,
        first: float = 0.0,
        each: float = 0.0,
        times: int | None = None,
        when: Callable[[Any], object] | None = None,
    ) -> None:
        self._harm(runnable, times, when, first=_at_least_0("first", first), each=_at_least_0("each", each))

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        if self._due(input) is not None:
            sleep(self.first)
        return self.bound.invoke(input, config, **kwargs)

    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        if self._due(input) is not None:
            await asleep(self.first)
        return await self.bound.ainvoke(input, config, **kwargs)

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        number, stream = self._opened(chunks, config, kwargs)
        pause = 0.0
        try:
            if number is not None:
                sleep(self.first)
            for chunk in stream:
                if number is not None:
                    sleep(pause)
                    pause = self.each
                yield chunk
        finally:
            close_all([stream])

    async def _atransform(self, chunks: AsyncIterator[Any], config: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        number, stream = await self._aopened(chunks, config, kwargs)
        pause = 0.0
        try:
            if number is not None:
                await asleep(self.first)
            async for chunk in stream:
                if number is not None:
                    await asleep(pause)
                    pause = self.each
                yield chunk
        finally:
            await aclose_all([stream])

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "first": self.first or None, "each": self.each or None}


Number = TypeVar("Number", int, float)


def _at_least_0(name: str, value: Number) -> Number:
    if not (isfinite(value) and value >= 0):
        raise ConfigError(f"{name} must be a number from 0 on, got {value!r}")
    return value


def _script(error: Any) -> Any:
    """What is raised, checked: one outcome, or a tuple of them."""
    if isinstance(error, list | tuple):
        return tuple(_outcome(each, or_none=True) for each in cast("Sequence[Any]", error))
    return _outcome(error, or_none=False)


def _length(script: tuple[Any, ...], times: int | None) -> int:
    if times is not None:
        raise ConfigError(f"times is for one error; the list says of {len(script)} calls how each ends")
    return len(script)


def _outcome(error: Any, *, or_none: bool) -> Outcome:
    is_class = isinstance(error, type) and issubclass(error, BaseException)
    if is_class or isinstance(error, BaseException) or (error is None and or_none):
        return cast(Outcome, error)
    raise ConfigError(f"error must be an exception, a class of them or a list of these and None, got {error!r}")


def _fresh(error: BaseException) -> BaseException:
    """A copy: what one call notes on it, and its traceback, are not those of another."""
    try:
        made = copy(error)
    except Exception:  # one that cannot be copied
        return error
    return made if type(made) is type(error) else error

"""How a reset goes on through the steps after the one that resets its stream, and past the branches beside it.

A step that may reset says so: its ``_resets`` is true. It gives a ``StreamReset`` among its chunks and then begins anew.
No step reads one: each step after it is wrapped in ``restarting``, which ends it, gives the reset on, and opens it anew
on what follows. So a chain in which no step resets holds nothing of this.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from plait.concurrency import aclose_all, close_all
from plait.merging import Restarted, StreamReset, merge_all
from plait.runnables.stages import Placed, Stage
from plait.stopping import Stop, stopping

__all__ = ["areplayed", "arestarting", "replayed", "restartable", "restarting"]


def restartable(stages: Iterable[Placed], steps: Sequence[Any], wrap: Callable[[Stage], Stage]) -> list[Placed]:
    """The stages of steps of which one may reset: those after it begin anew with it."""
    first = next(index for index, step in enumerate(steps) if step._resets)
    return [(wrap(stage) if position > first else stage, position) for stage, position in stages]


_END: Final[Any] = object()


class _Attempts:
    """A stream that may begin again, as one stream for each time that it does, of which the last may have ended."""

    __slots__ = ("chunks", "first", "heeded", "reset", "stop")

    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks
        self.heeded: Stop | None = None  # what may end the work of whoever reads
        self.stop: Stop | None = None  # what then ends that of the source
        self.first: tuple[Any, ...] = ()
        self.reset: StreamReset | None = None  # what has been read, and not yet been given on

    def attempt(self) -> Iterator[Any]:
        for chunk in self.first:
            yield chunk
        try:
            while (chunk := self.pulled()) is not _END:
                if type(chunk) is StreamReset:
                    raise self.restart(chunk)
                yield chunk
        finally:
            self.heed(None)

    def pulled(self) -> Any:
        """The next chunk. The source ends with whoever reads, but not when that one ends to begin anew."""
        outer = stopping.get()
        if outer is not self.heeded:
            self.heed(outer)
        if outer is None:
            return next(self.chunks, _END)
        stopping.set(self.stop)
        try:
            return next(self.chunks, _END)
        finally:
            stopping.set(outer)

    def heed(self, outer: Stop | None) -> None:
        if self.heeded is not None:
            self.heeded.remove(self.forward)
        self.heeded, self.stop = outer, None if outer is None else Stop()
        if outer is not None:
            outer.add(self.forward)

    def forward(self) -> None:
        if self.reset is None and self.stop is not None:
            self.stop.set("whoever reads this stream was ended")

    async def aattempt(self) -> AsyncGenerator[Any, None]:  # twin: a task is cancelled, where a thread is told to stop
        for chunk in self.first:
            yield chunk
        async for chunk in self.chunks:
            if type(chunk) is StreamReset:
                raise self.restart(chunk)
            yield chunk

    def restart(self, reset: StreamReset) -> Restarted:
        self.reset = reset
        return Restarted(self)

    def raised(self, signal: Restarted) -> bool:
        """Whether the signal is of this stream, and not of one that it is made of."""
        return signal.stream is self

    def close(self, opened: list[Any]) -> None:
        """End what was opened; a branch of it may be the first to read the reset just then."""
        try:
            close_all(reversed(opened))
        except Restarted as signal:
            if not self.raised(signal):
                raise

    async def aclose(self, opened: list[Any]) -> None:
        """End what was opened; a branch of it may be the first to read the reset just then."""
        try:
            await aclose_all(reversed(opened))
        except Restarted as signal:
            if not self.raised(signal):
                raise

    def taken(self) -> StreamReset:
        """The reset, to be given on; a sum that was given in its place is told apart from it."""
        reset = cast(StreamReset, self.reset)
        self.first, self.reset = reset.since, None
        return StreamReset(reset.reason) if reset.since else reset


def restarting(stage: Stage) -> Stage:
    """The same stage, of a stream that may be reset."""

    def restarted(chunks: Iterator[Any], config: Any) -> Iterator[Any]:
        attempts = _Attempts(chunks)
        while True:
            opened: list[Any] = [attempts.attempt()]
            try:
                opened.append(stage(opened[0], config))
                for chunk in opened[1]:
                    if attempts.reset is not None:
                        break  # it has caught what was to end it
                    yield chunk
            except Restarted as signal:
                if not attempts.raised(signal):
                    raise
            finally:
                attempts.close(opened)
            if attempts.reset is None:
                return
            yield attempts.taken()

    return restarted


def arestarting(stage: Stage) -> Stage:
    """The same stage, of a stream that may be reset."""

    async def restarted(chunks: AsyncIterator[Any], config: Any) -> AsyncGenerator[Any, None]:
        attempts = _Attempts(chunks)
        while True:
            opened: list[Any] = [attempts.aattempt()]
            try:
                opened.append(stage(opened[0], config))
                async for chunk in opened[1]:
                    if attempts.reset is not None:
                        break  # it has caught what was to end it
                    yield chunk
            except Restarted as signal:
                if not attempts.raised(signal):
                    raise
            finally:
                await attempts.aclose(opened)
            if attempts.reset is None:
                return
            yield attempts.taken()

    return restarted


# ------------------------------------------------------------------------------------------------ branches side by side


class _Given:
    """What a node has given whose chunks are dicts, since it last began again."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = frozenset(keys)
        self.chunks: list[Any] = []
        self.silent: set[str] = set()  # keys that were reset, and have not come again

    def seen(self, chunk: Any) -> tuple[Any, ...]:
        """What is given for a chunk: itself, or a reset, and then again what it would have taken back of others."""
        if type(chunk) is StreamReset:
            return self.after(chunk, self.keys, chunk.since)
        key, value = next(iter(cast("Mapping[str, Any]", chunk).items()))
        if type(value) is StreamReset:
            return self.after(value, frozenset({key}), tuple({key: each} for each in value.since))
        self.chunks.append(chunk)
        self.silent.difference_update(chunk)
        return (chunk,)

    def after(self, reset: StreamReset, lost: frozenset[str], since: Iterable[Any]) -> tuple[Any, ...]:
        """What is given for a reset of the keys ``lost``, with what came of them since."""
        self.chunks = [*self.without(lost), *since]
        self.silent = (self.silent | lost).difference(*since)
        return StreamReset(reset.reason), *self.chunks

    def without(self, lost: frozenset[str]) -> list[Any]:
        if not self.chunks:
            return []
        rest = {key: value for key, value in merge_all(self.chunks).items() if key not in lost}
        return [rest] if rest else []


def replayed(stream: Iterator[Any], keys: Iterable[str], refuse_silent: Callable[[set[str]], None]) -> Iterator[Any]:
    """The stream of a node that gives dicts, in which a branch that begins again takes back nothing of the others.

    A branch begins again by ``{key: StreamReset}``, and all of ``keys`` by a bare one.
    """
    given = _Given(keys)
    try:
        for chunk in stream:
            for each in given.seen(chunk):
                yield each
    finally:
        close_all([stream])
    refuse_silent(given.silent)


async def areplayed(
    stream: AsyncIterator[Any], keys: Iterable[str], refuse_silent: Callable[[set[str]], None]
) -> AsyncGenerator[Any, None]:
    """The stream of a node that gives dicts, in which a branch that begins again takes back nothing of the others.

    A branch begins again by ``{key: StreamReset}``, and all of ``keys`` by a bare one.
    """
    given = _Given(keys)
    try:
        async for chunk in stream:
            for each in given.seen(chunk):
                yield each
    finally:
        await aclose_all([stream])
    refuse_silent(given.silent)

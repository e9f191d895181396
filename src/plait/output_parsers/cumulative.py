"""Parsers whose value grows: what they give in a stream is the value so far, as a snapshot that replaces the one before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, ClassVar, Final, Protocol, TypeVar, cast

from plait.errors import EmptyStreamError, OutputParserException
from plait.merging import Growth, merge_all, snapshot
from plait.output_parsers.base import BaseGenerationOutputParser, BaseOutputParser, parses_anew, stream_whole
from plait.partial_json import NOTHING
from plait.runs import Scope

__all__ = ["BaseCumulativeTransformOutputParser", "IncrementalParser", "Purse", "Reading"]

T = TypeVar("T")

_AT_FIRST: Final = 524_288
_PER_CHUNK: Final = 256


class Purse:
    """Characters that may be looked at once more, where a look takes all of an answer so far.

    So a short answer is looked at with every chunk, and a long one as often as linear time allows.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _AT_FIRST

    def earn(self, size: int) -> None:
        """A chunk of that many characters has come."""
        self._left += _PER_CHUNK + size

    def affords(self, cost: int) -> bool:
        """Whether so many can be looked at now."""
        return cost <= self._left

    def pay(self, cost: int) -> None:
        """So many were looked at."""
        self._left -= cost


class BaseCumulativeTransformOutputParser(BaseOutputParser[T]):
    """A parser that gives the value so far with each chunk; write ``parse``, or ``parse_result`` to see ``partial``.

    Each chunk that comes has the whole answer so far parsed again, with ``partial=True``: None, or an
    ``OutputParserException``, says that nothing can be read yet. That costs time quadratic in the number of chunks, so
    it is for short answers. In a stream each value is a snapshot: it replaces the one before, and the last is that of the
    whole answer. With ``diff=True`` a stream gives what ``_diff`` makes of two values that follow each other.
    """

    diff: bool = False

    def _diff(self, prev: T | None, next: T) -> Any:
        """What a stream with ``diff=True`` gives for a value and the one before it, None at first."""
        raise NotImplementedError(f"{self.get_name()} has no diff: leave diff=False, or write _diff(prev, next)")

    def _given(self, prev: Any, next: Any) -> Any:
        diff = getattr(self, "diff", False)
        return self._diff(None if prev is NOTHING else prev, next) if diff else snapshot(next)

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[Any]:
        parts: list[Any] = []
        last: Any = NOTHING
        for chunk in chunks:
            parts.append(chunk)
            value = self._so_far(merge_all(parts))
            if value is not None and (last is NOTHING or value != last):
                yield self._given(last, value)
                last = value
        value = self._invoke(self._sum(parts), config)
        if last is NOTHING or value != last:
            yield self._given(last, value)

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        parts: list[Any] = []
        last: Any = NOTHING
        async for chunk in chunks:
            parts.append(chunk)
            value = await self._aso_far(merge_all(parts))
            if value is not None and (last is NOTHING or value != last):
                yield self._given(last, value)
                last = value
        value = await self._ainvoke(self._sum(parts), config)
        if last is NOTHING or value != last:
            yield self._given(last, value)

    def _so_far(self, given: Any) -> Any:
        try:
            return self.parse_result([self._generation(given)], partial=True)
        except OutputParserException:
            return None

    async def _aso_far(self, given: Any) -> Any:
        try:
            return await self.aparse_result([self._generation(given)], partial=True)
        except OutputParserException:
            return None


class Reading(Protocol):
    """One answer being read, chunk by chunk."""

    def read(self, chunk: Any) -> Any:
        """Read on; gives the value so far, or ``NOTHING`` if it has nothing new or is too dear to be given now."""

    def close(self) -> Any:
        """The value of the whole answer; raises ``OutputParserException``."""

    def is_news(self, final: Any, last: Any) -> bool:
        """Whether the value of the whole answer is another than ``last``, the last that ``read`` gave."""
        ...


class IncrementalParser(BaseGenerationOutputParser[T]):
    """A parser that reads an answer chunk by chunk, in time linear in its length; the work is done by a ``Reading``.

    A subclass that writes ``parse`` is streamed as other parsers of text are, at the end; one that writes
    ``parse_result`` has each chunk parsed by it with all before, as ``BaseCumulativeTransformOutputParser`` does.
    """

    _inline: ClassVar[bool] = True
    _shares: ClassVar[bool] = False
    """Whether the values of a stream are those of a ``JsonReader``, which share what is complete in them."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        method = parses_anew(cls)
        if method:
            stream_whole(cls)
        if method == "parse_result":
            for hook in ("_transform", "_atransform", "_so_far", "_aso_far", "_given"):
                setattr(cls, hook, getattr(BaseCumulativeTransformOutputParser, hook))

    @abstractmethod
    def _reading(self) -> Reading: ...

    def _chunk(self, last: Any, value: Any, growth: Growth) -> Any:
        """What a stream gives for a value."""
        return snapshot(value, growth if self._shares else None)

    def _parsed(self, input: Any) -> T:
        reading = self._reading()
        reading.read(input)
        return cast(T, reading.close())

    async def _aparsed(self, input: Any) -> T:  # twin: reading waits for nothing
        return self._parsed(input)

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[Any]:
        reading, growth, last, count = self._reading(), Growth(), NOTHING, 0
        for chunk in chunks:
            count += 1
            value = reading.read(chunk)
            if value is not NOTHING:
                yield self._chunk(last, value, growth)
                last = value
        final = self._final(reading, count)
        if last is NOTHING or reading.is_news(final, last):
            yield self._chunk(last, final, growth)

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        reading, growth, last, count = self._reading(), Growth(), NOTHING, 0
        async for chunk in chunks:
            count += 1
            value = reading.read(chunk)
            if value is not NOTHING:
                yield self._chunk(last, value, growth)
                last = value
        final = self._final(reading, count)
        if last is NOTHING or reading.is_news(final, last):
            yield self._chunk(last, final, growth)

    def _final(self, reading: Reading, count: int) -> Any:
        if not count:
            raise EmptyStreamError(f"{self.get_name()}: the stream ended without a chunk, so there is no value")
        return reading.close()

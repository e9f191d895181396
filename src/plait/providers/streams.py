"""The stream of an SDK, so that nothing of it goes on once it has been left.

An SDK reads a response through a row of generators, each of which feeds the next. To close the last one is not to close
the row: the async generators before it end some time later, in tasks that the event loop makes of them when they are
collected. Those tasks would outlive the call, and sometimes the loop. So all that begin while a stream is read are
noted, and closed with it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from plait.concurrency import aclose_all, close_all

__all__ = ["aopened", "opened"]


@contextmanager
def opened(stream: Any) -> Generator[Iterator[Any], None, None]:
    """The items of a stream, which ends with the ``with``, and with it every generator that feeds it."""
    with stream:
        try:
            yield iter(stream)
        finally:
            # The first of the row refers to the stream, which refers to it: only the garbage collector would end it.
            close_all([getattr(stream, "_iterator", None)])


@asynccontextmanager
async def aopened(stream: Any) -> AsyncGenerator[AsyncIterator[Any], None]:  # twin: sync generators end when dropped
    """The items of a stream, which ends with the ``async with``, and with it every generator that feeds it."""
    begun: list[Any] = []
    async with stream:
        try:
            yield _Items(stream, begun.append)
        finally:
            await aclose_all(begun)


class _Items:
    """An async iterator that tells of every async generator that begins while it looks for its next item."""

    def __init__(self, stream: Any, tell: Callable[[Any], object]) -> None:
        self._items = aiter(stream)
        self._tell = tell
        tell(self._items)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    def __anext__(self) -> Awaitable[Any]:
        return _Steps(anext(self._items), self._tell)


class _Steps:
    """An awaitable that is run as it is, with the hook for new async generators set during its own steps only."""

    def __init__(self, work: Awaitable[Any], tell: Callable[[Any], object]) -> None:
        self._work = work
        self._tell = tell

    def __await__(self) -> Generator[Any, Any, Any]:
        steps: Any = self._work.__await__()
        resume: Callable[..., Any] = steps.__next__
        value: tuple[Any, ...] = ()
        while True:
            try:
                waited_for = self._hooked(resume, *value)
            except StopIteration as done:
                return done.value
            try:
                yield waited_for
                resume, value = steps.__next__, ()
            except BaseException as error:  # a cancellation, for one, is for the work to deal with
                resume, value = steps.throw, (error,)

    def _hooked(self, step: Callable[..., Any], *value: Any) -> Any:
        usual, finalizer = sys.get_asyncgen_hooks()

        def begin(generator: Any) -> None:
            self._tell(generator)
            if usual is not None:
                usual(generator)

        sys.set_asyncgen_hooks(begin, finalizer)
        try:
            return step(*value)
        finally:
            sys.set_asyncgen_hooks(usual, finalizer)

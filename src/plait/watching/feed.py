"""The hand-over from a chain, in whatever threads and tasks it runs, to the one consumer of what is told of it.

The chain runs in a task of its own, in a copy of the consumer's context. What is told of it waits in a buffer of
``AHEAD`` items. Whoever puts the last one that fits waits until the consumer has taken one, so that the chain is at most
``AHEAD`` items ahead, and one more for each strand that runs beside the first.

Two do not wait, since they would wait for themselves. One is sync code that runs on the thread of the consumer's loop.
The other is code in another thread while that loop is stuck, which is told by its having done nothing for
``PATIENCE`` seconds: perhaps it waits for just that thread. Then the buffer grows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import suppress
from threading import Event, Lock, get_ident
from typing import Any, Final

from plait.clocks import clock
from plait.concurrency import aclose_all

__all__ = ["AHEAD", "PATIENCE", "Feed"]

AHEAD: Final = 64
PATIENCE: Final = 0.5


class Feed:
    """A chain and the buffer that it fills; made, started, emptied and closed by the consumer, on its loop."""

    def __init__(self, ahead: int = AHEAD) -> None:
        self.items: deque[Any] = deque()
        self._ahead = ahead
        self._clock = clock.get()
        self._loop = asyncio.get_running_loop()
        self._thread = get_ident()
        self._task: asyncio.Task[None] | None = None
        self._bell: asyncio.Future[None] | None = None  # the consumer waits for it
        self._lock = Lock()
        self._waiting: deque[Callable[[], None]] = deque()  # how to wake those who wait for room
        self._beats = 0  # signs of life of the consumer and its loop
        self._stuck = False
        self._closed = False

    # --------------------------------------------------------------------------------------------------------- chain

    def put(self, item: Any) -> _Room | None:
        """Hand over an item, from any thread; what comes back, if anything, is to be waited for before the next."""
        if self._closed:
            return None
        self.items.append(item)
        if self._bell is not None:
            self._ring()
        return None if len(self.items) < self._ahead else _Room(self)

    def _ring(self) -> None:
        if get_ident() == self._thread:
            self._answer()
        else:
            self._soon(self._answer)

    def _answer(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None and not bell.done():
            bell.set_result(None)

    def _soon(self, call: Callable[[], Any]) -> None:
        with suppress(RuntimeError):  # a loop that was closed is nobody's any more
            self._loop.call_soon_threadsafe(call)

    # ------------------------------------------------------------------------------------------------------ waiting

    def queue(self, wake: Callable[[], None]) -> bool:
        """Whether there is no room, so that one has to wait for ``wake`` to be called."""
        with self._lock:
            if self._closed or self._stuck or len(self.items) < self._ahead:
                return False
            self._waiting.append(wake)
            return True

    def leave(self, wake: Callable[[], None]) -> None:
        """Wait no longer."""
        with self._lock, suppress(ValueError):
            self._waiting.remove(wake)

    def is_here(self) -> bool:
        """Whether the caller runs on the thread of the consumer's loop."""
        return get_ident() == self._thread

    def pulse(self) -> int:
        """Ask the loop for a sign of life, to be looked for later."""
        self._soon(self._beat)
        return self._beats

    def has_beaten(self, since: int) -> bool:
        """Whether the consumer or its loop has done anything since that ``pulse``; if not, nobody waits until it has."""
        self._stuck = self._beats == since
        return not self._stuck

    def _beat(self) -> None:
        self._beats += 1
        self._stuck = False

    def _wake(self, count: int) -> None:
        with self._lock:
            awake = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        for wake in awake:
            wake()

    # ----------------------------------------------------------------------------------------------------- consumer

    def start(self, chain: Callable[[], AsyncIterator[Any]]) -> None:
        """Run the stream that ``chain`` gives to its end; its chunks are nobody's, what is told of it is put."""
        self._clock.began()
        self._task = self._loop.create_task(self._run(chain))
        self._task.add_done_callback(lambda _: self._end())

    def _end(self) -> None:
        self._answer()
        self._clock.ended()

    async def _run(self, chain: Callable[[], AsyncIterator[Any]]) -> None:
        stream = chain()
        try:
            async for _ in stream:
                if self._closed:
                    return
        finally:
            await aclose_all([stream])

    def take(self) -> Any:
        """The next item, of which there must be one."""
        item = self.items.popleft()
        self._beat()
        if self._waiting and len(self.items) < self._ahead:
            self._wake(1)
        return item

    async def more(self) -> bool:
        """Whether there is an item, waiting for one; after the last, raises what the chain has raised."""
        while not self.items:
            if self._task is None or (self._task.done() and not self.items):
                self._finish()
                return False
            await self._silence()
        return True

    async def _silence(self) -> None:
        """Wait for the bell, unless there is something already."""
        self._wake(len(self._waiting))
        self._bell = bell = self._loop.create_future()
        if not self.items and self._task is not None and not self._task.done():
            with self._clock.idle:
                await bell

    def _finish(self) -> None:
        try:
            if self._task is not None:
                self._task.result()
        finally:
            self._task = None  # the traceback holds this object

    async def aclose(self) -> None:
        """End the chain, if it still runs, and wait for that; raises what it raises while it is ended."""
        self._closed = True
        self.items.clear()
        self._wake(len(self._waiting))
        if self._task is None:
            return
        if self._task.done():
            self._abandon(self._task)
        else:
            self._task.cancel()
            await self._ended()

    def _abandon(self, task: asyncio.Task[None]) -> None:
        """Look away from how it ended, ahead of a consumer who wants no more; or asyncio would complain."""
        if not task.cancelled():
            task.exception()
        self._task = None

    async def _ended(self) -> None:
        """Wait for the task, however often somebody cancels the waiting."""
        again: asyncio.CancelledError | None = None
        while self._task is not None and not self._task.done():
            try:
                with self._clock.idle:
                    await asyncio.wait([self._task])
            except asyncio.CancelledError as error:
                again = error
        try:
            with suppress(asyncio.CancelledError):
                self._finish()
            if again is not None:
                raise again
        finally:
            again = None  # the traceback holds this frame


class _Room:
    """Room in the buffer, to be waited for by a thread or by a task of any loop."""

    __slots__ = ("_feed",)

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def wait(self) -> None:
        feed = self._feed
        freed = Event()
        if feed.is_here() or not feed.queue(freed.set):
            return
        try:
            since = feed.pulse()
            while not freed.wait(PATIENCE) and feed.has_beaten(since):
                since = feed.pulse()
        finally:
            feed.leave(freed.set)

    def __await__(self) -> Generator[Any, Any, None]:
        return self._awaited().__await__()

    async def _awaited(self) -> None:
        feed, loop = self._feed, asyncio.get_running_loop()
        freed: asyncio.Future[None] = loop.create_future()

        def free() -> None:
            if not freed.done():
                freed.set_result(None)

        def wake() -> None:
            with suppress(RuntimeError):  # a loop that was closed is nobody's any more
                loop.call_soon_threadsafe(free)

        wakes = free if feed.is_here() else wake
        if not feed.queue(wakes):
            return
        try:
            if not feed.is_here():
                await _patiently(freed, feed)
                return
            with clock.get().idle:
                await freed
        finally:
            feed.leave(wakes)


async def _patiently(freed: asyncio.Future[None], feed: Feed) -> None:
    """Wait on a loop that is not the consumer's, as a thread would."""
    since = feed.pulse()
    while not (await asyncio.wait([freed], timeout=PATIENCE))[0] and feed.has_beaten(since):
        since = feed.pulse()

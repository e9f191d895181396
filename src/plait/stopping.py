"""How sync work is ended from outside, where a task would be cancelled: a sign that whatever waits looks out for.

Nothing can end a thread. So a call that may have to be ended (by a deadline, by the failure of a sibling, by the close of a
stream, by the cancellation of the task that waits for its thread) puts a ``Stop`` into ``stopping``; whatever in it
waits for long - a pause, a socket, the next token of an engine - lets itself be woken by it, and raises ``Stopped``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from plait.clocks import clock

__all__ = ["Stop", "Stopped", "asleep", "check_stopped", "in_time", "is_cancelled", "sleep", "stoppable", "stopping"]


T = TypeVar("T")


class Stopped(BaseException):
    """Sync work ends, as a cancelled task does: no ``except Exception`` keeps it, and every ``finally`` runs."""


class Stop:
    """Whether the work of a call is to end, and why; once set it stays so. Any thread may set it."""

    __slots__ = ("_callbacks", "_lock", "reason")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self.reason: Any = None

    def set(self, reason: Any) -> None:
        """Wake whatever waits; ``reason`` is any object but None. Only the first call counts."""
        with self._lock:
            if self.reason is not None:
                return
            self.reason = reason
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            with suppress(Exception):  # the others must be woken, too
                callback()

    def check(self) -> None:
        """Raise Stopped if it is set."""
        if self.reason is not None:
            raise Stopped

    def add(self, callback: Callable[[], object]) -> None:
        """Have ``callback`` called when it is set, in the thread that sets it; at once, if it is set already."""
        with self._lock:
            if self.reason is None:
                self._callbacks.append(callback)
                return
        callback()

    def remove(self, callback: Callable[[], object]) -> None:
        """Have it called no more."""
        with self._lock, suppress(ValueError):
            self._callbacks.remove(callback)

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Generator[None, None, None]:
        """Have ``callback`` called if it is set while the block runs; at once, if it is set already.

        The callback must be short, must not raise, and may come in any thread, a moment after the block, too.
        """
        self.add(callback)
        try:
            yield
        finally:
            self.remove(callback)


stopping: Final[ContextVar[Stop | None]] = ContextVar("plait_stop", default=None)
"""What ends the sync work that goes on here; None where nothing will."""


@contextmanager
def stoppable() -> Generator[Stop, None, None]:
    """A Stop for the sync work of the block; that of the work around it sets it, too, for the same reason."""
    outer, stop = stopping.get(), Stop()

    def forward() -> None:
        stop.set(outer.reason if outer is not None else None)

    if outer is not None:
        outer.add(forward)
    stopping.set(stop)
    try:
        yield stop
    finally:
        stopping.set(outer)
        if outer is not None:
            outer.remove(forward)


def check_stopped() -> None:
    """Raise Stopped if this work is to end: for whoever is about to begin something long or costly."""
    stop = stopping.get()
    if stop is not None:
        stop.check()


def is_cancelled() -> bool:
    """Whether the task that runs here was cancelled, whatever its work has made of that."""
    events = sys.modules.get("asyncio.tasks")
    if events is None:
        return False
    try:
        task = events.current_task()
    except RuntimeError:  # there is no loop in this thread
        return False
    return task is not None and task.cancelling() > 0


def in_time(value: T) -> T:
    """The same value; raises Stopped if the work that gave it is to end: it could not be woken, and came too late."""
    check_stopped()
    return value


def sleep(seconds: float) -> None:
    """Wait so long by the clock in force; raises Stopped as soon as this work is to end."""
    stop, woken = stopping.get(), clock.get().event()
    if stop is None:
        woken.wait(min(seconds, threading.TIMEOUT_MAX))
        return
    with stop.calling(woken.set):
        woken.wait(min(seconds, threading.TIMEOUT_MAX))
    stop.check()


async def asleep(seconds: float) -> None:  # twin: a task is cancelled
    """Wait so long by the clock in force."""
    await clock.get().sleep(seconds)

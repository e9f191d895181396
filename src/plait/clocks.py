"""Time, as waits, deadlines and records see it: that of the machine, or one that a test has put in its place."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic, time
from typing import Final, Protocol

__all__ = ["MACHINE", "Clock", "clock", "now"]

_IDLE_SECONDS: Final = 10.0


class Clock(Protocol):
    """What tells the time and waits, in seconds; and what is told who waits.

    The time of a test moves when every strand (a thread or task that runs steps) waits. So whatever makes a strand
    wait for another says so: threads wait for an ``event``, a ``lock`` or a ``condition`` of the clock, tasks within
    ``idle``; and whatever starts a strand beside the present one says ``began``, and when it is over ``ended``.
    """

    def time(self) -> float:
        """Since the epoch, for records."""
        ...

    def monotonic(self) -> float:
        """Since some moment, for deadlines and intervals: never set back."""
        ...

    def event(self) -> threading.Event:
        """Something for threads to wait for; ``wait`` takes up to ``threading.TIMEOUT_MAX`` seconds by this clock."""
        ...

    def lock(self) -> threading.Lock:
        """A lock whose holder may have to wait."""
        ...

    def condition(self) -> threading.Condition:
        """A condition, to be waited for without a timeout."""
        ...

    @property
    def idle(self) -> AbstractContextManager[object]:
        """Around an ``await`` of what another strand does; may be entered any number of times."""
        ...

    def began(self) -> object:
        """There is one strand more: said by who starts it."""
        ...

    def ended(self) -> object:
        """There is one strand less: said when it has woken those who wait for it."""
        ...

    def job(self, func: Callable[[], None]) -> Callable[[], None]:
        """The function for a strand that runs it in a thread of the pool."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so long without blocking the event loop."""
        ...

    def call_at(self, when: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Call ``callback`` when ``monotonic`` says ``when``, in whatever thread; gives the function that calls it off.

        The callback must be short and must not raise.
        """
        ...


class _Alarm:
    """What is to be called at some moment; None once it has been, or was called off."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback


class _Alarms:
    """One thread that waits for the next of many moments, while there are any; and a while longer, for the next."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, _Alarm]] = []
        self._called_off = 0  # of those in the heap
        self._numbers = count()
        self._running = False

    def call_at(self, when: float, callback: Callable[[], object]) -> Callable[[], None]:
        alarm = _Alarm(callback)
        with self._changed:
            number = next(self._numbers)
            heappush(self._heap, (when, number, alarm))
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="plait alarms", daemon=True).start()
            elif self._heap[0][1] == number:
                self._changed.notify()
        return lambda: self._call_off(alarm)

    def _call_off(self, alarm: _Alarm) -> None:
        with self._changed:
            if alarm.callback is None:
                return
            alarm.callback = None
            self._called_off += 1
            if self._called_off * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].callback is not None]
                heapify(self._heap)
                self._called_off = 0

    def _work(self) -> None:
        while (callback := self._next()) is not None:
            callback()
            del callback  # what it holds must not outlive it

    def _next(self) -> Callable[[], object] | None:
        """The next callback when its moment has come; None when there has been none to wait for in a while."""
        with self._changed:
            while True:
                left = self._heap[0][0] - monotonic() if self._heap else _IDLE_SECONDS
                if left <= 0:
                    alarm = heappop(self._heap)[2]
                    if alarm.callback is None:
                        self._called_off -= 1
                        continue
                    callback, alarm.callback = alarm.callback, None
                    return callback
                if not self._changed.wait(left) and not self._heap:
                    self._running = False
                    return None


_alarms: Final = _Alarms()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alarms._reset)  # pyright: ignore[reportPrivateUsage]  # threads do not survive a fork


class _Idle:
    """Nobody wants to know who waits."""

    __slots__ = ()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class _Machine:
    """The time of this machine."""

    time = staticmethod(time)
    monotonic = staticmethod(monotonic)
    event = threading.Event
    condition = threading.Condition
    lock = staticmethod(threading.Lock)  # before Python 3.13 it is a function
    idle = _Idle()

    def began(self) -> None: ...

    def ended(self) -> None: ...

    def job(self, func: Callable[[], None]) -> Callable[[], None]:
        return func

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> Callable[[], None]:
        return _alarms.call_at(when, callback)


MACHINE: Final[Clock] = _Machine()

clock: Final[ContextVar[Clock]] = ContextVar("plait_clock", default=MACHINE)
"""The clock in force; a test may set another one."""


def now() -> float:
    """The moment by the clock in force, for intervals and deadlines."""
    return clock.get().monotonic()

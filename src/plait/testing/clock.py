"""A clock for tests, under which every wait of plait takes no real time, and exactly the time that it should take.

What waits is told apart from what works in ``plait.testing.strands``, which also moves the time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import inf, isfinite
from typing import TYPE_CHECKING, Final, Self, cast

from plait.clocks import Clock, clock
from plait.errors import ConfigError
from plait.testing.strands import Strands, Waiter

if TYPE_CHECKING:
    import asyncio

__all__ = ["VirtualClock"]

_ENDLESS: Final = threading.TIMEOUT_MAX


class VirtualClock:
    """Inside ``with VirtualClock() as clock:`` waits take no real time, and the clock tells the time that they took.

    That goes for all that plait waits for: retries, rate limits, deadlines, the pace of fakes, ``plait.stopping.sleep``
    and ``asleep``; not for ``time.sleep`` and ``asyncio.sleep``. Steps that run at the same time wait at the same time.
    Work takes no time: while anything computes, or waits for a real server, the time stands still.

    It starts at 0.0 by ``monotonic`` and at ``start`` (seconds since the epoch) by ``time``. When nothing has moved for
    ``patience`` real seconds while somebody waits for the time, StandstillError says who is in the way.
    """

    def __init__(self, *, start: float = 0.0, patience: float = 10.0) -> None:
        if not isfinite(start):
            raise ConfigError(f"start must be a moment in seconds since the epoch, got {start!r}")
        if not patience > 0:
            raise ConfigError(f"patience must be a number of real seconds above 0, got {patience!r}")
        self._start = start
        self._strands = Strands(patience)
        self._outer: Clock | None = None
        self.idle: Final = _Idle(self._strands)

    # ------------------------------------------------------------------------------------------------------ for tests

    @property
    def elapsed(self) -> float:
        """The seconds that have passed since the clock was made."""
        return self._strands.now

    @property
    def sleeps(self) -> list[float]:
        """The seconds of each wait, in the order in which they began; also of those that were cut short."""
        return self._strands.slept()

    def advance(self, seconds: float) -> None:
        """Let time pass in which nothing happens, as if the machine had stood still; what is due by then comes late."""
        if not (isfinite(seconds) and seconds >= 0):
            raise ConfigError(f"time advances by a number of seconds from 0 on, got {seconds!r}")
        self._strands.advance(seconds)

    def __enter__(self) -> Self:
        if self._outer is not None:
            raise RuntimeError("this clock is in force already; make one for each test")
        self._outer = clock.get()
        self._strands.open()
        clock.set(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        outer, self._outer = self._outer, None
        if outer is not None:
            clock.set(outer)  # by its token it could not be: a fixture may end in another context
        self._strands.close(error)

    async def __aenter__(self) -> Self:  # twin: there is nothing to await
        return self.__enter__()

    async def __aexit__(  # twin: there is nothing to await
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        self.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"VirtualClock(at {self.elapsed:g} s)"

    # ------------------------------------------------------------------------------------------------------- for plait

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._start + self._strands.now

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._strands.now

    def event(self) -> threading.Event:
        """Something for threads to wait for."""
        return _Event(self)

    def lock(self) -> threading.Lock:
        """A lock whose holder may have to wait."""
        return cast("threading.Lock", _Lock(self._strands))

    def condition(self) -> threading.Condition:
        """A condition, to be waited for without a timeout."""
        return _Condition(self._strands)

    def began(self) -> None:
        """There is one strand more."""
        self._strands.shift(1)

    def ended(self) -> None:
        """There is one strand less."""
        self._strands.shift(-1)

    def job(self, func: Callable[[], None]) -> Callable[[], None]:
        """The function as a strand of its own, from now on."""
        return self._strands.job(func)

    def call_at(self, when: float, callback: Callable[[], object]) -> Callable[[], None]:
        """Have it called when the time has come; gives the function that calls it off."""
        return self._strands.call_at(when, callback)

    def wait_for(self, event: _Event, seconds: float | None) -> bool:
        """Block until it is set, at most so long."""
        limit = inf if seconds is None or seconds >= _ENDLESS else seconds
        bell = threading.Event()
        event.bells.append(bell)
        try:
            if not event.is_set() and limit > 0:
                self._strands.block(Waiter(bell.is_set, bell.set, limit), bell.wait, timed=seconds is not None)
        finally:
            event.bells.remove(bell)
        return event.is_set()

    async def sleep(self, seconds: float) -> None:
        """Wait so long without blocking the event loop."""
        import asyncio

        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def ring() -> None:
            if not future.done():
                future.set_result(None)

        waiter = Waiter(future.done, lambda: loop.call_soon_threadsafe(ring), seconds)
        self._strands.sets_out(waiter, loop)
        try:
            await future
        finally:
            self._strands.is_back(waiter)
        waiter.check()


# ------------------------------------------------------------------------------------------- what threads wait for


class _Event(threading.Event):
    """An event whose waiters wait by the clock."""

    def __init__(self, owner: VirtualClock) -> None:
        super().__init__()
        self.owner = owner
        self.bells: list[threading.Event] = []

    def set(self) -> None:
        super().set()
        for bell in tuple(self.bells):
            bell.set()

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set() or self.owner.wait_for(self, timeout)


class _Lock:
    """A lock that tells who waits for it."""

    def __init__(self, strands: Strands) -> None:
        self._lock = threading.Lock()
        self._strands = strands

    def acquire(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._strands.block(Waiter(lambda: not self._lock.locked(), bool), self._lock.acquire)

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class _Condition(threading.Condition):
    """A condition that tells who waits for it, and from when on no longer."""

    def __init__(self, strands: Strands) -> None:
        super().__init__()
        self._strands = strands
        self._bells: deque[threading.Event] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        bell = threading.Event()
        self._bells.append(bell)  # in the order of those who wait within
        try:
            return self._strands.block(Waiter(bell.is_set, bell.set), super().wait)
        finally:
            with suppress(ValueError):
                self._bells.remove(bell)

    def notify(self, n: int = 1) -> None:
        for _ in range(min(n, len(self._bells))):
            self._bells.popleft().set()
        super().notify(n)


class _Idle:
    """Around what a task waits for from others."""

    def __init__(self, strands: Strands) -> None:
        self._strands = strands

    def __enter__(self) -> None:
        import asyncio

        self._strands.shift(-1, asyncio.get_running_loop())

    def __exit__(self, *_: object) -> None:
        self._strands.shift(1)

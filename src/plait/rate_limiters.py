"""How often a model may be called: a token bucket that threads, tasks and event loops share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from plait.clocks import clock, now
from plait.concurrency import in_thread
from plait.deadlines import left
from plait.errors import ConfigError, DeadlineError
from plait.runs import current
from plait.stopping import asleep, stopping

if TYPE_CHECKING:
    import asyncio

__all__ = ["BaseRateLimiter", "InMemoryRateLimiter"]

_AnyTurn = TypeVar("_AnyTurn", bound="_Turn")

_TOLERANCE: Final = 1e-6  # seconds; moments of a clock that has run for years are not told apart more finely


class BaseRateLimiter(ABC):
    """Says when a model may be called; subclass it and write ``acquire``. One may be shared by many models."""

    @abstractmethod
    def acquire(self, *, blocking: bool = True) -> bool:
        """Take leave for one call: wait for it, or with ``blocking=False`` say at once whether there is leave."""

    async def aacquire(self, *, blocking: bool = True) -> bool:  # twin: a sync call has a thread
        """As ``acquire``, which runs in a thread unless this is overridden."""
        return await in_thread(self.acquire, blocking=blocking)


class InMemoryRateLimiter(BaseRateLimiter):
    """Lets ``requests_per_second`` calls through, and after a pause up to ``max_bucket_size`` at once.

    In any span of s seconds no more than ``max_bucket_size + s * requests_per_second`` calls get leave; the very first
    need not wait. Who waits gets it in the order of arrival, at the moment when it is due and not at a next look, so
    ``check_every_n_seconds``, known from elsewhere, changes nothing. Who gives up (a cancelled task, a call that is
    told to stop) leaves its place to those behind. A call whose turn would come after its deadline raises DeadlineError at once,
    and takes no place. One limiter is for the threads, tasks and event loops of one process, and counts calls, not
    tokens of text. A copy of it is itself; unpickled elsewhere it starts anew.
    """

    def __init__(
        self,
        *,
        requests_per_second: float = 1,
        check_every_n_seconds: float = 0.1,
        max_bucket_size: float = 1,
    ) -> None:
        self._settings = (
            _number("requests_per_second", requests_per_second, least=1e-300),
            _number("check_every_n_seconds", check_every_n_seconds),
            _number("max_bucket_size", max_bucket_size, least=1),
        )
        self._interval, self._size = 1 / self._settings[0], self._settings[2]
        self._lock = threading.RLock()  # a task that is thrown away leaves its place wherever that happens
        self._arrived = 0
        self._waiting: OrderedDict[int, _Turn] = OrderedDict()
        self._empty_at: float | None = None
        """The moment at which the bucket was empty, if it has filled up steadily since; None until the first call."""

    def __repr__(self) -> str:
        return f"InMemoryRateLimiter(requests_per_second={self._settings[0]:g}, max_bucket_size={self._size:g})"

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take leave for one call: wait for it, or with ``blocking=False`` say at once whether there is leave.

        Leave that others wait for is not there. Raises DeadlineError if it would come too late for this call.
        """
        turn = self._arrive(blocking, _Thread)
        if isinstance(turn, bool):
            return turn
        try:
            while (seconds := self._seconds_for(turn)) > 0:
                turn.wait(seconds)
        except BaseException:
            self._leave(turn)
            raise
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:  # twin: a task waits, not a thread
        """Take leave for one call: wait for it, or with ``blocking=False`` say at once whether there is leave.

        Leave that others wait for is not there. Raises DeadlineError if it would come too late for this call.
        """
        turn = self._arrive(blocking, _Task)
        if isinstance(turn, bool):
            return turn
        try:
            while (seconds := self._seconds_for(turn)) > 0:
                await turn.wait(seconds)
        except BaseException:
            self._leave(turn)
            raise
        return True

    # ----------------------------------------------------------------------------------------------------- bookkeeping

    def _arrive(self, blocking: bool, kind: Callable[[int, float], _AnyTurn]) -> _AnyTurn | bool:
        """Leave at once, or a turn to wait for, or no leave for somebody who does not wait."""
        with self._lock:
            moment = now()
            self._hand_out(moment)
            due = self._due(len(self._waiting))
            if due <= moment + _TOLERANCE:
                self._take()
                return True
            if not blocking:
                return False
            _refuse_if_late(due - moment)
            self._arrived += 1
            turn = kind(self._arrived, due)
            self._waiting[turn.number] = turn
            return turn

    def _seconds_for(self, turn: _Turn) -> float:
        """How long that turn has to wait; 0 when it has leave. Whoever comes by hands out what is due, to anybody.

        So it does not matter whether those in front can run at that moment: their loop may be blocked by one behind.
        """
        with self._lock:
            moment = now()
            self._hand_out(moment)
            if turn.has_leave:
                return 0.0
            turn.due = self._due(turn.number - next(iter(self._waiting)))
            turn.begin()
            return max(turn.due - moment, _TOLERANCE)

    def _leave(self, turn: _Turn) -> None:
        """Give the place, or the leave that it got, to those behind."""
        with self._lock:
            if turn.has_leave:
                self._give_back()
            else:
                self._waiting.pop(turn.number, None)
            self._hand_out(now())

    def _hand_out(self, moment: float) -> None:
        """Give leave to those who wait, in their order, as far as there is any."""
        self._fill(moment)
        while self._waiting and self._due(0) <= moment + _TOLERANCE:
            _, turn = self._waiting.popitem(last=False)
            turn.has_leave = turn.wake()
            if turn.has_leave:
                self._take()
        if self._waiting:
            first = next(iter(self._waiting.values()))
            if first.due > self._due(0) + _TOLERANCE:  # somebody in front of it has given up
                first.due = self._due(0)
                first.wake()

    def _fill(self, moment: float) -> None:
        full = moment - self._size * self._interval
        if self._empty_at is None:
            self._empty_at = moment - self._interval
        elif self._empty_at < full:
            self._empty_at = full

    def _due(self, ahead: int) -> float:
        """When there will be leave for somebody with so many in front."""
        return (self._empty_at or 0.0) + (ahead + 1) * self._interval

    def _take(self) -> None:
        self._empty_at = self._due(0)

    def _give_back(self) -> None:
        self._empty_at = self._due(-2)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        return _anew, self._settings


def _anew(requests_per_second: float, check_every_n_seconds: float, max_bucket_size: float) -> InMemoryRateLimiter:
    return InMemoryRateLimiter(
        requests_per_second=requests_per_second,
        check_every_n_seconds=check_every_n_seconds,
        max_bucket_size=max_bucket_size,
    )


class _Turn(ABC):
    """Somebody who waits; everything but the waiting itself happens under the lock of the limiter."""

    def __init__(self, number: int, due: float) -> None:
        self.number = number
        self.due = due
        """When it will look, if nobody wakes it before."""
        self.has_leave = False
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """It is about to wait: from here on it can be woken."""

    @abstractmethod
    def wake(self) -> bool:
        """Let it look now; False if it never will."""


class _Thread(_Turn):
    def begin(self) -> None:
        self._woken = clock.get().event()

    def wake(self) -> bool:
        self._woken.set()
        return True

    def wait(self, seconds: float) -> None:
        """Until it is woken, at most so long; raises Stopped as soon as this work is to end."""
        woken, stop = self._woken, stopping.get()
        if stop is None:
            woken.wait(min(seconds, threading.TIMEOUT_MAX))
            return
        stop.check()
        with stop.calling(woken.set):
            woken.wait(min(seconds, threading.TIMEOUT_MAX))
        stop.check()


class _Task(_Turn):
    def begin(self) -> None:
        """What wakes it is run by its own loop, so not before it sleeps."""
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._sleeper: asyncio.Task[None] | None = None

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._interrupt)
        except RuntimeError:  # the loop was closed over it
            return False
        return True

    def _interrupt(self) -> None:
        if self._sleeper is not None:
            self._sleeper.cancel()

    async def wait(self, seconds: float) -> None:
        """Until it is woken, at most so long."""
        import asyncio

        time = clock.get()
        time.began()
        sleeper = self._sleeper = asyncio.create_task(_asleep(seconds))
        try:
            with time.idle:
                await asyncio.wait([sleeper])
        except asyncio.CancelledError:
            sleeper.cancel()
            await asyncio.wait([sleeper])
            raise
        finally:
            self._sleeper = None
            time.ended()


async def _asleep(seconds: float) -> None:
    await asleep(seconds)


def _refuse_if_late(seconds: float) -> None:
    remaining = left(current.get())
    if remaining is not None and seconds > remaining:
        raise DeadlineError(
            f"the rate limiter has leave for this call in {seconds:.3g} s, but the call must be over in "
            f"{max(remaining, 0.0):.3g} s; give it a longer timeout, or call less often"
        )


def _number(name: str, value: Any, least: float = 0.0) -> float:
    """The value of an argument, if it is a finite number above 0 and not below ``least``."""
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0:
        if value >= least:
            return float(value)
        raise ConfigError(f"{name} must be at least {least:g}, or no call would ever get leave; got {value!r}")
    raise ConfigError(f"{name} must be a finite number above 0; got {value!r}")

"""The simulation behind the clock for tests: who is at work, who waits for what, and when the time moves.

While any strand is at work the time stands still. When all wait, it goes to the moment that comes first; whoever waits
for that one is woken, alone, and the next when all wait again. So what happens depends on the order of the moments and
not on how fast the machine is.

Whatever starts a strand, or makes one wait for another, says so (``plait.clocks``). Strands of the user's own, such as
``asyncio.gather`` of several calls, are not counted, so two more things are looked at before the time moves: that no
thread of the pool is at work, and that no event loop has anything left to do.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count, islice
from math import inf
from types import FrameType
from typing import Any, Final, TypeVar

from plait.errors import StandstillError

__all__ = ["Strands", "Waiter"]

T = TypeVar("T")

_TURNS: Final = 1000
"""Turns of a loop that always has something to do (somebody polls), after which it counts as waiting all the same."""

_POLL_SECONDS: Final = 0.05
_NAMED: Final = 5


class Waiter:
    """A strand that waits: whether something has woken it, how the clock wakes it, and how long it wants to wait."""

    __slots__ = ("away", "error", "free", "gone", "seconds", "wake", "worker")

    def __init__(self, free: Callable[[], bool], wake: Callable[[], object], seconds: float = inf) -> None:
        self.free = free
        self.wake = wake
        self.seconds = seconds
        self.away = False
        self.worker = False  # whether it is a thread of the pool
        self.gone = False
        self.error: BaseException | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


class _Alarm:
    """Something to be called."""

    __slots__ = ("callback", "gone")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.gone = False


class Strands:
    """Who is at work, who waits for what, and the thread that moves the time when all wait."""

    def __init__(self, patience: float) -> None:
        self.changed = threading.Condition()
        self.now = 0.0
        self._sleeps: list[float] = []
        self._patience = patience
        self._busy = 1  # strands that do not wait; the test is the first
        self._working = 0  # threads of the pool among them, however many strands of the user's own there are
        self._workers: set[int] = set()
        self._blocked: set[Waiter] = set()
        self._loops: dict[Any, int] = {}  # and how often the thread of each waits for something itself
        self._due: list[tuple[float, int, Waiter | _Alarm]] = []
        self._numbers = count()
        self._moves = 0  # grows with all that happens here
        self._forced = False
        self._thread: threading.Thread | None = None
        self._failure: StandstillError | None = None

    def open(self) -> None:
        with self.changed:
            self._failure = None
            self._meet(_running_loop())
            self._thread = threading.Thread(target=self._drive, name="plait virtual clock", daemon=True)
            self._thread.start()

    def close(self, error: BaseException | None) -> None:
        """End it; nobody may go on waiting for it."""
        with self.changed:
            thread, self._thread = self._thread, None
            self._fail("the virtual clock was left while this waited for it")
            self._moved()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        failure, self._failure = self._failure, None
        if failure is not None and error is None:
            raise failure
        if failure is not None and error is not None:
            error.add_note(str(failure))

    # -------------------------------------------------------------------------------------------- who is at work

    def shift(self, by: int, loop: Any = None) -> None:
        """So many strands more that do not wait; ``loop``: the one that runs this."""
        with self.changed:
            self._meet(loop)
            self._busy += by
            self._moved()

    def job(self, func: Callable[[], None]) -> Callable[[], None]:
        with self.changed:
            self._busy += 1
            self._working += 1
            self._moved()

        def run() -> None:
            with self.changed:
                self._workers.add(threading.get_ident())
            try:
                func()
            finally:
                with self.changed:
                    self._busy -= 1
                    self._working -= self._resigned()
                    self._moved()

        return run

    def _resigned(self) -> bool:
        """Whether this thread was at work for the pool; it is no longer."""
        was = threading.get_ident() in self._workers
        self._workers.discard(threading.get_ident())
        return was

    def _meet(self, loop: Any) -> None:
        """A loop in a thread of the pool is looked at as a loop: the thread itself may be idle."""
        if loop is not None and loop not in self._loops:
            self._loops = {known: blocks for known, blocks in self._loops.items() if not known.is_closed()}
            self._loops[loop] = 0
            self._working -= self._resigned()

    def block(self, waiter: Waiter, wait: Callable[[], T], *, timed: bool = False) -> T:
        """Call ``wait``, which blocks this thread until the waiter is free, or its time has come if it is ``timed``."""
        loop = _running_loop()
        with self.changed:
            self._meet(loop)
            self._blocked.add(waiter)
            waiter.worker = threading.get_ident() in self._workers
            self._working -= waiter.worker
            if loop is not None:
                self._loops[loop] += 1
        self.sets_out(waiter, timed=timed)
        try:
            result = wait()
        finally:
            self.is_back(waiter)
            with self.changed:
                self._blocked.discard(waiter)
                if loop is not None:
                    self._loops[loop] -= 1
        waiter.check()
        return result

    def sets_out(self, waiter: Waiter, loop: Any = None, *, timed: bool = True) -> None:
        with self.changed:
            self._meet(loop)
            self._busy -= 1
            waiter.away = True
            if timed and self._thread is None:
                waiter.error = StandstillError("this waits for a virtual clock that is not in force any more")
                self._wake(waiter)
            elif timed:
                self._sleeps.append(waiter.seconds)
                heappush(self._due, (self.now + waiter.seconds, next(self._numbers), waiter))
            self._moved()

    def is_back(self, waiter: Waiter) -> None:
        with self.changed:
            waiter.gone = True
            self._count_in(waiter)
            self._moved()

    def _count_in(self, waiter: Waiter) -> None:
        if waiter.away:
            waiter.away = False
            self._busy += 1
            self._working += waiter.worker

    def _wake(self, waiter: Waiter) -> None:
        """It counts as at work from this moment on, not only when it comes to run."""
        waiter.gone = True
        self._count_in(waiter)
        try:
            waiter.wake()
        except RuntimeError:  # its loop was closed: it will never run again
            self._busy -= 1

    def _moved(self) -> None:
        self._moves += 1
        self.changed.notify_all()

    # ----------------------------------------------------------------------------------------------- moving the time

    def slept(self) -> list[float]:
        with self.changed:
            return list(self._sleeps)

    def advance(self, seconds: float) -> None:
        with self.changed:
            self.now += seconds
            self._moved()

    def call_at(self, when: float, callback: Callable[[], object]) -> Callable[[], None]:
        alarm = _Alarm(callback)
        with self.changed:
            self._meet(_running_loop())
            heappush(self._due, (when, next(self._numbers), alarm))
            self._moved()

        def call_off() -> None:
            with self.changed:
                alarm.gone = True
                self._moved()

        return call_off

    def _drive(self) -> None:
        while (seen := self._all_wait()) is not None:
            if self._forced or all(self._has_nothing_to_do(loop, seen) for loop in self._free_loops()):
                self._proceed(seen)

    def _free_loops(self) -> list[Any]:
        """Those that are not held up by code in their own thread that waits itself."""
        with self.changed:
            return [loop for loop, blocks in self._loops.items() if not blocks]

    def _all_wait(self) -> int | None:
        """Wait until every strand does and there is a moment to go to; the state that was seen, or None at the end."""
        with self.changed:
            while self._thread is threading.current_thread():
                if self._can_proceed():
                    return self._moves
                seen = self._moves
                timely = self.changed.wait(self._patience if self._due else None)
                if not timely and seen == self._moves and self._stand_still():
                    return self._moves
        return None

    def _can_proceed(self) -> bool:
        while self._due and self._due[0][2].gone:
            heappop(self._due)
        return bool(self._due) and self._due[0][0] < inf and (self._forced or self._is_calm())

    def _is_calm(self) -> bool:
        return self._busy <= 0 and self._working <= 0 and not any(waiter.free() for waiter in self._blocked)

    def _proceed(self, seen: int) -> None:
        """To the next moment, unless something has happened since the state that was seen."""
        with self.changed:
            if seen != self._moves or not self._can_proceed():
                return
            self._forced = False
            alarm = self._go_on()
        if alarm is not None:
            try:
                alarm.callback()
            finally:
                self.shift(-1)

    def _go_on(self) -> _Alarm | None:
        """Wake whoever is next; an alarm is called by this thread, which is a strand for that long."""
        when, _, entry = heappop(self._due)
        self.now = max(self.now, when)
        if isinstance(entry, _Alarm):
            entry.gone = True
            self._busy += 1
        else:
            self._wake(entry)
        self._moved()
        return entry if isinstance(entry, _Alarm) else None

    def _has_nothing_to_do(self, loop: Any, seen: int) -> bool:
        """Whether the loop has nothing left that it could run at once; asked in its own thread."""
        answers: list[bool] = []

        def answer(quiet: bool) -> None:
            with self.changed:
                answers.append(quiet)
                self.changed.notify_all()

        def look(turns: int) -> None:
            ready = getattr(loop, "_ready", None)  # asyncio's own loops have it; for others some turns have to do
            if seen != self._moves:
                answer(False)
            elif turns <= 0 or (ready is not None and not ready):
                answer(True)
            else:
                loop.call_soon(look, turns - 1)

        with suppress(RuntimeError):  # it was closed
            loop.call_soon_threadsafe(look, _TURNS)
        return self._answered(loop, answers, seen)

    def _answered(self, loop: Any, answers: list[bool], seen: int) -> bool:
        left = self._patience
        with self.changed:
            while not answers and seen == self._moves and loop.is_running():
                if not self.changed.wait(_POLL_SECONDS):
                    left -= _POLL_SECONDS
                if left <= 0:
                    return self._stand_still()
        return seen == self._moves and (not answers or answers[0])

    # -------------------------------------------------------------------------------------------------- standing still

    def _stand_still(self) -> bool:
        """Nothing has happened for long: better an error than a test that hangs. Whether an alarm is to go off now."""
        message = self._explained()
        if self._fail(message):
            self._moved()
            return False
        self._forced = any(isinstance(entry, _Alarm) and not entry.gone for _, _, entry in self._due)
        if self._forced:
            self._failure = self._failure or StandstillError(message)
        return self._forced

    def _explained(self) -> str:
        if self._is_calm():
            return (
                f"nothing that the virtual clock knows of will ever end this wait: at {self.now:g} s every strand waits, "
                "and none for a moment that comes; give the call a timeout, or end it"
            )
        where = ", ".join(islice(_at_work(self._workers, list(self._loops)), _NAMED)) or "in a thread of your own"
        return (
            f"the virtual clock stands still at {self.now:g} s: in {self._patience:g} real seconds nobody came to wait "
            f"for it, and somebody works or waits for what it does not know ({where}); wait by plait.stopping.sleep or "
            "asleep, let batch or RunnableParallel run what runs at the same time, or raise VirtualClock(patience=...)"
        )

    def _fail(self, message: str) -> bool:
        """Wake all who wait for a moment, with an error; whether there was anybody."""
        waiting = [entry for _, _, entry in self._due if isinstance(entry, Waiter) and not entry.gone]
        for waiter in waiting:
            waiter.error = StandstillError(message)
            self._wake(waiter)
        return bool(waiting)


def _running_loop() -> Any:
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()


def _at_work(workers: set[int], loops: list[Any]) -> Iterator[str]:
    """Where threads and tasks are that do not wait by the clock."""
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # it is documented
    threads = [frames.get(ident) for ident in (*workers, threading.main_thread().ident or 0)]
    for frame in (*map(_caller, threads), *_suspended(loops)):
        if frame is not None and not frame.f_code.co_filename.endswith(_OF_THE_CLOCK):
            yield f"{frame.f_code.co_qualname} at {frame.f_code.co_filename}:{frame.f_lineno}"


_OF_THE_CLOCK: Final = ("selectors.py", "plait/testing/clock.py", "plait/testing/strands.py", "plait/concurrency.py")


def _caller(frame: FrameType | None) -> FrameType | None:
    """Who waits, where it does so by an event, a lock or a condition."""
    while frame is not None and frame.f_code.co_filename == threading.__file__:
        frame = frame.f_back
    return frame


def _suspended(loops: list[Any]) -> Iterator[FrameType | None]:
    """The innermost frame of each task, but for what it waits by."""
    import asyncio

    for loop in loops:
        for task in asyncio.all_tasks(loop):
            frame, inner = None, task.get_coro()
            while (found := getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)) is not None:
                frame = frame if _is_of_asyncio(found) else found
                inner = getattr(inner, "cr_await", None) or found.f_locals.get("coroutine")  # of concurrency's _Apart
            yield frame


def _is_of_asyncio(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("asyncio.")

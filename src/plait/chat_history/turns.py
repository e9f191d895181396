"""Runs of one session, one after the other, whether they are threads or tasks.

A run lines up for a *key* (a session), waits until it is the first in that line, and leaves it when it is over. A line
exists while somebody stands in it, so nothing is left behind. While a run waits it holds no permit of its call, and
whatever ends it (``plait.stopping``, a cancelled task) ends the waiting.

A wait that could never end is an error at once: for a session that a run around this one holds, be it directly or by
way of others that wait; for a session whose holder needs the event loop that the waiting would block; and for one that
is held by a stream which the waiting thread or task is itself in the middle of reading.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count, pairwise, takewhile
from typing import Any, Final

from plait.clocks import clock
from plait.concurrency import Permits, aclose_all, aresting, close_all, resting, waits_for_others
from plait.errors import HistoryError
from plait.stopping import stopping

__all__ = ["Turn", "aclaim", "apulled", "claim", "leave", "line_up", "pulled", "within"]

_numbers: Final = count(1)


class Turn:
    """One run, in the lines in which it stands."""

    __slots__ = ("around", "keys", "loop", "number", "puller", "wake")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.keys: list[Hashable] = []
        self.around: tuple[Turn, ...] = ()  # the runs in which this one is nested
        self.wake: Callable[[], bool] | None = None  # while it waits
        self.loop: Any = None  # the event loop that it needs to go on
        self.puller: Any = None  # who has last pulled its stream


class _Lines:
    """Who stands in which line; the first of each has the session."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.of: dict[Hashable, deque[Turn]] = {}


_lines: Final = _Lines()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lines.reset)  # the threads that stood in line do not survive a fork

_inside: Final[ContextVar[tuple[Turn, ...]]] = ContextVar("plait_turns", default=())
_reading: Final[ContextVar[int]] = ContextVar("plait_turn_read", default=0)


def line_up(turn: Turn, key: Hashable) -> None:
    """Stand at the end of the line for ``key``; an event loop that runs here is the one that the run needs."""
    turn.loop = _running_loop()
    with _lines.lock:
        _lines.of.setdefault(key, deque()).append(turn)
        turn.keys.append(key)


def leave(turn: Turn, *keys: Hashable) -> None:
    """Stand in these lines no more (in none, if none is named), and wake those whose turn it is now."""
    with _lines.lock:
        for key in keys or turn.keys:
            line = _lines.of.get(key, deque())
            if turn in line:
                was_first = line[0] is turn
                line.remove(turn)
                _go_on(key, line, wake=was_first)
        turn.keys = [key for key in turn.keys if keys and key not in keys]


def _go_on(key: Hashable, line: deque[Turn], *, wake: bool) -> None:
    while wake and line and line[0].wake is not None and not line[0].wake():
        line.popleft()  # its event loop was closed
    if not line:
        del _lines.of[key]


def claim(turn: Turn, key: Hashable, permits: Permits | None) -> None:
    """Wait until the session is this run's; without the permit of the strand, which others may need to get there."""
    arrived = clock.get().event()
    loop = _running_loop()
    if not _has_to_wait(turn, key, arrived.set, loop):
        return
    # a blocked loop runs nobody who would take the permit
    with waits_for_others(), resting(permits if loop is None else None):
        stop = stopping.get()
        if stop is None:
            arrived.wait()
        else:
            with stop.calling(arrived.set):
                arrived.wait()
            stop.check()


async def aclaim(  # twin: a task waits for a future and is cancelled, a thread waits for an event and is told to stop
    turn: Turn, key: Hashable, permits: Permits | None
) -> None:
    """Wait until the session is this run's; without the permit of the strand, which others may need to get there."""
    import asyncio

    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()

    def ring() -> None:
        if not arrived.done():
            arrived.set_result(None)

    if _has_to_wait(turn, key, lambda: loop.call_soon_threadsafe(ring), None):
        async with aresting(permits):
            with clock.get().idle:
                await arrived


def _has_to_wait(turn: Turn, key: Hashable, wake: Callable[[], object], blocked: Any) -> bool:
    """Whether the session is somebody else's: then ``wake`` is called when it is not; ``blocked`` is a loop that waits."""
    if key not in turn.keys:
        line_up(turn, key)
    turn.around = _inside.get()
    with _lines.lock:
        ahead = _ahead(turn, key)
        if ahead:
            _refuse_endless(turn, ahead, blocked)
            turn.wake = _waker(wake)
        return bool(ahead)


def _waker(wake: Callable[[], object]) -> Callable[[], bool]:
    def woken() -> bool:
        try:
            wake()
        except RuntimeError:  # the loop was closed
            return False
        return True

    return woken


def _ahead(turn: Turn, key: Hashable) -> list[Turn]:
    return list(takewhile(lambda other: other is not turn, _lines.of.get(key, ())))


def _refuse_endless(turn: Turn, ahead: list[Turn], blocked: Any) -> None:
    """Raise HistoryError if those ahead can never be done while this run waits for them."""
    holds = len(turn.around) > 1 or len(turn.keys) > 1  # something that those ahead may wait for
    if holds and any(other in turn.around for other in _all_awaited(ahead)):
        raise HistoryError(
            "this run waits for a session that a run around it holds, so neither could ever go on: a chain has the "
            "history of a session once; wrap the outer chain or the inner one, or give the inner one another session"
        )
    if blocked is not None and any(other.loop is blocked for other in ahead):
        raise HistoryError(
            "another run of this session needs the event loop that waiting for it here would block: "
            "call ainvoke, astream or abatch from async code"
        )
    if ahead[0].number == _reading.get() and ahead[0].puller == _puller():
        raise HistoryError(
            "this session is held by a stream that is being read right here, so waiting for it would never end: "
            "read the stream to its end, or close it, before the next run of its session"
        )


def _all_awaited(ahead: list[Turn]) -> set[Turn]:
    """Those ahead, and all for whom they wait: those before them in a line, and the runs that are nested in them."""
    awaited: dict[Turn, list[Turn]] = {}
    for line in _lines.of.values():
        for before, turn in pairwise(line):
            awaited.setdefault(turn, []).append(before)
        for turn in line:
            for outer in turn.around:
                awaited.setdefault(outer, []).append(turn)
    found, pending = set[Turn](), list(ahead)
    while pending:
        turn = pending.pop()
        if turn not in found:
            found.add(turn)
            pending += awaited.get(turn, ())
    return found


def _running_loop() -> Any:
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()


def _puller() -> tuple[int, int]:
    """Who is at work here: a thread, and a task where there is one."""
    if _running_loop() is None:
        return threading.get_ident(), 0
    import asyncio

    return threading.get_ident(), id(asyncio.current_task())


@contextmanager
def within(turn: Turn) -> Generator[None, None, None]:
    """What is called in the block is nested in that run."""
    before = _inside.get()
    _inside.set((*before, turn))
    try:
        yield
    finally:
        _inside.set(before)


def pulled(turn: Turn, chunks: Iterator[Any]) -> Iterator[Any]:
    """The chunks of a stream that is nested in that run, which its consumer is not."""
    try:
        while True:
            with within(turn):
                chunk = next(chunks, _END)
            if chunk is _END:
                return
            turn.puller = _puller()
            _reading.set(turn.number)
            yield chunk
    finally:
        with within(turn):
            close_all([chunks])


async def apulled(turn: Turn, chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The chunks of a stream that is nested in that run, which its consumer is not."""
    try:
        while True:
            with within(turn):
                chunk = await anext(chunks, _END)
            if chunk is _END:
                return
            turn.puller = _puller()
            _reading.set(turn.number)
            yield chunk
    finally:
        with within(turn):
            await aclose_all([chunks])


_END: Final[Any] = object()

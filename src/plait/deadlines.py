"""How long a call may take: the moment when it has to be over, and what keeps it.

A deadline is a moment, so it needs no arithmetic on its way down: a nested call has the same one, or an earlier one of
its own. The verb that was given a ``timeout`` keeps it, for everything in it: an async call is cancelled, a sync one
told to stop (``plait.stopping``), and what comes out is a DeadlineError.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from plait.clocks import MACHINE, clock, now
from plait.concurrency import aclose_all, close_all
from plait.errors import DeadlineError
from plait.notes import inherit, whereabouts
from plait.stopping import Stopped, stoppable

if TYPE_CHECKING:
    import asyncio

__all__ = ["Deadline", "akept", "akept_batch", "akept_stream", "earlier", "kept", "kept_batch", "kept_stream", "left"]

_END: Final[Any] = object()


class Deadline:
    """The moment when something has to be over, by the clock in force."""

    __slots__ = ("at", "claim")

    def __init__(self, seconds: float, claim: str = "did not finish within") -> None:
        self.at = now() + seconds
        self.claim = f"{claim} {seconds:g} s"

    def left(self) -> float:
        """The seconds until then; below zero afterwards."""
        return self.at - now()

    def missed(self, node: Any, cause: BaseException | None) -> DeadlineError:
        """What is raised by the verb of ``node`` that kept it; ``cause`` is what has ended the work."""
        where = None if cause is None else whereabouts(cause)
        error = DeadlineError(f"{node.get_name()!r} {self.claim}" + (f"; it was in {where}" if where else ""))
        if cause is not None:
            inherit(error, cause)
        return error


def earlier(outer: Deadline | None, seconds: float) -> Deadline:
    """The deadline of a call with a timeout of its own, inside one that may have to be over before."""
    own = Deadline(seconds)
    return own if outer is None or own.at < outer.at else outer


def left(scope: Any) -> float | None:
    """The seconds that the call of that scope has left, below zero when there are none; None without a deadline."""
    return None if scope is None or scope.deadline is None else scope.deadline.left()


def _next_of(deadline: Deadline | None, idle: float | None) -> Deadline:
    """The deadline for the next chunk of a stream."""
    if idle is None:
        return cast(Deadline, deadline)
    silent = Deadline(idle, "gave nothing for")
    return silent if deadline is None or silent.at < deadline.at else deadline


@contextmanager
def kept(deadline: Deadline, node: Any) -> Generator[None, None, None]:
    """The sync work of the block ends at the deadline, and then DeadlineError is raised; also if it ended too late."""
    if deadline.left() <= 0:
        raise deadline.missed(node, None)
    with stoppable() as stop:
        call_off = clock.get().call_at(deadline.at, partial(stop.set, deadline))
        try:
            yield
        except Exception as error:
            if deadline.left() > 0:
                raise
            raise deadline.missed(node, error) from error
        except Stopped as stopped:
            if stop.reason is not deadline:
                raise  # somebody else's wish
            raise deadline.missed(node, stopped) from None
        finally:
            call_off()
    if deadline.left() <= 0:
        raise deadline.missed(node, None)


@asynccontextmanager
async def akept(deadline: Deadline, node: Any) -> AsyncGenerator[None, None]:  # twin: a task is cancelled
    """The async work of the block ends at the deadline, and then DeadlineError is raised; also if it ended too late."""
    if deadline.left() <= 0:
        raise deadline.missed(node, None)
    limit, call_off = _limit(deadline)
    try:
        async with limit:
            yield
    except Exception as error:
        if not limit.expired() and deadline.left() > 0:
            raise
        cause = error.__cause__ if type(error) is TimeoutError and error.__cause__ is not None else error
        raise deadline.missed(node, cause) from (cause if isinstance(cause, Exception) else None)
    finally:
        call_off()
    if deadline.left() <= 0:
        raise deadline.missed(node, None)


def kept_batch(
    deadline: Deadline, node: Any, call: Callable[[], list[Any]], count: int, *, return_exceptions: bool
) -> list[Any]:
    """The outputs of a batch that has to be over at the deadline; if they are wanted so, the error in each place."""
    try:
        with kept(deadline, node):
            return call()
    except DeadlineError as error:
        if not return_exceptions:
            raise
        return [error] * count


async def akept_batch(
    deadline: Deadline, node: Any, call: Callable[[], Awaitable[list[Any]]], count: int, *, return_exceptions: bool
) -> list[Any]:
    """The outputs of a batch that has to be over at the deadline; if they are wanted so, the error in each place."""
    try:
        async with akept(deadline, node):
            return await call()
    except DeadlineError as error:
        if not return_exceptions:
            raise
        return [error] * count


def _limit(deadline: Deadline) -> tuple[asyncio.Timeout, Any]:
    """A timeout of asyncio that expires at the deadline, by whatever clock; and what calls that off."""
    import asyncio

    if clock.get() is MACHINE:
        return asyncio.timeout(deadline.left()), bool
    limit, loop = asyncio.timeout(None), asyncio.get_running_loop()

    def expire() -> None:
        with suppress(RuntimeError):  # it is over, or its loop is
            limit.reschedule(loop.time())

    def ring() -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(expire)

    return limit, clock.get().call_at(deadline.at, ring)


def kept_stream(
    chunks: Iterator[Any], deadline: Deadline | None, idle: float | None, node: Any
) -> Generator[Any, None, None]:
    """The same chunks, until the deadline, and none of them more than ``idle`` seconds after the one before it."""
    try:
        while True:
            with kept(_next_of(deadline, idle), node):
                chunk = next(chunks, _END)
            if chunk is _END:
                return
            yield chunk
    finally:
        close_all([chunks])


async def akept_stream(
    chunks: AsyncIterator[Any], deadline: Deadline | None, idle: float | None, node: Any
) -> AsyncGenerator[Any, None]:
    """The same chunks, until the deadline, and none of them more than ``idle`` seconds after the one before it."""
    try:
        while True:
            async with akept(_next_of(deadline, idle), node):
                chunk = await anext(chunks, _END)
            if chunk is _END:
                return
            yield chunk
    finally:
        await aclose_all([chunks])

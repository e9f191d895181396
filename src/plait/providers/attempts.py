"""How often one request is made: after which failures, after what wait, and with how much time for each attempt.

The SDKs can repeat a request, too, but they sleep where nothing can wake them and know of no deadline. So they are told
not to, and this does it by their rules: what did not reach the server, what it did not answer in time, and what it says
is passing. The wait grows, unless the server names one; it ends when the call is to end, and is not begun if the
deadline comes before it is over.
"""

from __future__ import annotations

from typing import Any, Final

from plait.clocks import clock
from plait.deadlines import left
from plait.errors import DeadlineError, ModelConnectionError
from plait.runnables.retrying import Schedule, wish_of
from plait.runs import current
from plait.stopping import asleep, check_stopped, sleep

__all__ = ["Attempts", "in_time", "is_passing"]

_SCHEDULE: Final = Schedule(initial=0.5, max=8.0, exp_base=2.0, jitter=0.5)
_LONGEST: Final = 60.0  # seconds that a server may ask for
_PASSING: Final = frozenset({408, 409, 429})  # the server was too slow, is doing it already, is asked too often
_PARTS: Final = ("connect", "read", "write", "pool")


class Attempts:
    """The attempts of one request: ``while attempts.begin():`` comes to each, ``with attempts:`` is around each.

    The ``with`` keeps a failure to itself if another attempt follows; ``make_last`` says that none may follow any more,
    since something of the answer has been passed on.
    """

    __slots__ = ("_done", "_retries", "_wait")

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._done = 0
        self._wait: float | None = 0.0

    def begin(self) -> bool:
        """Whether there is an attempt to be made, once its time has come."""
        wait, self._wait = self._wait, None
        if wait:
            sleep(wait)
        check_stopped()
        return wait is not None

    async def abegin(self) -> bool:  # twin: a task is cancelled
        """Whether there is an attempt to be made, once its time has come."""
        wait, self._wait = self._wait, None
        if wait:
            await asleep(wait)
        return wait is not None

    def make_last(self) -> None:
        """Make no other attempt after this one."""
        self._retries = 0

    def __enter__(self) -> None:
        return None

    async def __aenter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        self._done += 1
        self._wait = self._wait_after(error)
        return self._wait is not None

    async def __aexit__(  # twin: nothing is awaited
        self, kind: object, error: BaseException | None, trace: object
    ) -> bool:
        return self.__exit__(kind, error, trace)

    def _wait_after(self, error: Exception) -> float | None:
        from random import random

        if self._done > self._retries or not is_passing(error):
            return None
        wait = wish_of(error, clock.get().time()) or _SCHEDULE.wait(self._done, random())  # noqa: S311 - it is no secret
        why = _why_not(wait, left(current.get()))
        if why:
            error.add_note(f"plait: the request was not made again: {why}")
        return None if why else wait


def _why_not(wait: float, time_left: float | None) -> str:
    """What speaks against such a wait."""
    if wait > _LONGEST:
        return f"its server asks for a wait of {wait:.6g} s"
    if time_left is not None and wait >= time_left:
        return f"that would need a wait of {wait:.3g} s, and {max(time_left, 0.0):.3g} s are left"
    return ""


def is_passing(error: Any) -> bool:
    """Whether the same request may be answered when it is made again."""
    status = getattr(error, "status_code", None)
    if not isinstance(status, int):
        return isinstance(error, ModelConnectionError)
    said = error.response.headers.get("x-should-retry") if hasattr(error, "response") else None
    if said in {"true", "false"}:
        return bool(said == "true")
    return status in _PASSING or status >= 500


def in_time(request: dict[str, Any], client: Any) -> dict[str, Any]:
    """The request, which waits for its server no longer than its call may last.

    Raises ``DeadlineError`` if that is over: then there is nothing to send.
    """
    time_left = left(current.get())
    if time_left is None:
        return request
    if time_left <= 0:
        raise DeadlineError("no time is left to ask the model's server")
    return {**request, "timeout": _shorter(request.get("timeout", client.timeout), time_left)}


def _shorter(timeout: Any, seconds: float) -> Any:
    """A number of seconds, or a ``Timeout`` of an HTTP client, that is no longer than that."""
    if timeout is None:
        return seconds
    if isinstance(timeout, int | float):
        return min(timeout, seconds)
    return type(timeout)(**{part: _least(getattr(timeout, part), seconds) for part in _PARTS})


def _least(part: float | None, seconds: float) -> float:
    return seconds if part is None else min(part, seconds)

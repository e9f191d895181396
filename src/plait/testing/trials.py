"""Calls of something that is no Runnable, sync and async, and what is found out about them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import copy_context
from traceback import extract_tb
from typing import Any, Final

from plait.runnables import RunnablePassthrough
from plait.runs import current
from plait.testing.findings import ConformanceError, Findings, Law
from plait.testing.witness import Leftovers, Spy

__all__ = ["FAILED", "Trial", "judged"]

FAILED: Final[Any] = object()
"""What a call gives that raised."""

_NOBODY: Final[Any] = RunnablePassthrough[Any]()
"""A runnable for the spy to watch that is not called here: it looks for what blocks."""


class Trial:
    """One check; its laws must be ``works``, ``event-loop``, ``nothing-left`` and what else it tells of."""

    def __init__(self, laws: Mapping[str, Law], skip: Collection[str]) -> None:
        self.found = Findings(frozenset(skip), (), laws)

    def tell(self, law: str, expected: str, came: str, where: str) -> None:
        """Note that a law is broken."""
        self.found.tell(law, expected, came, where)

    def call(self, where: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a call gives, or FAILED; what it leaves behind and what it raises is noted."""
        with Leftovers() as left:
            try:
                result = call(*args, **kwargs)
            except Exception as error:
                self._failed(error, where)
                result = FAILED
        self._left(left, where)
        return result

    def acall(
        self, where: str, call: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> Any:  # twin: it starts a loop
        """What a coroutine function gives in a loop of its own, or FAILED; what blocks the loop is noted, too."""
        spy = Spy(_NOBODY)

        async def watched() -> Any:
            with spy:
                return await call(*args, **kwargs)

        with Leftovers() as left:
            try:
                result = left.run(watched(), debug=True)
            except Exception as error:
                self._failed(error, where)
                result = FAILED
        self._left(left, where)
        for blocking in dict.fromkeys(spy.blocking):
            self.tell("event-loop", "nothing that makes the loop wait", blocking, where)
        return result

    def _failed(self, error: Exception, where: str) -> None:
        self.tell("works", "no exception", f"{type(error).__name__}: {error}", where)

    def _left(self, left: Leftovers, where: str) -> None:
        for found in left.found:
            self.tell("nothing-left", "nothing that goes on or is open when the call is over", found, where)


def judged(
    thing: object, kind: str, laws: Mapping[str, Law], skip: Mapping[str, str] | None, check: Callable[[Trial], None]
) -> None:
    """Run a check, in a context of its own; raises ConformanceError with what it finds, ValueError for an unknown law."""
    unknown = [*((skip or {}).keys() - laws.keys())]
    if unknown:
        raise ValueError(f"unknown: {unknown}; the laws are {', '.join(laws)}")
    _refuse_running_loop()
    trial = Trial(laws, (skip or {}).keys())
    copy_context().run(_alone, check, trial)
    findings = trial.found.all()
    if findings:
        raise ConformanceError(type(thing).__name__, findings, kind)


def _alone(check: Callable[[Trial], None], trial: Trial) -> None:
    current.set(None)  # a run around the check is no part of it
    try:
        check(trial)
    except Exception as error:  # what it was given is so strange that it cannot be looked at
        where = extract_tb(error.__traceback__)[-1].name
        trial.tell(
            "works", "what the methods are said to give", f"{type(error).__name__}: {error}", f"the check, {where}"
        )


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("the check starts event loops, and one is running: run it in a thread")

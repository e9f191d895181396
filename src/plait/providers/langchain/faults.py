"""Errors that both libraries have: each goes over the border as one that is both, so that ``except`` finds it there.

All other exceptions go over as they are.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from plait.errors import OutputParserException, ToolException
from plait.providers.langchain.peer import peer

__all__ = ["both", "passing"]


@contextmanager
def passing() -> Generator[None, None, None]:
    """What the block raises, as both libraries know it."""
    try:
        yield
    except Exception as error:
        known = both(error)
        if known is error:
            raise
        raise known.with_traceback(error.__traceback__) from error


def both(error: Exception) -> Exception:
    """The same error, or one that is an instance of its class and of the other library's."""
    lc = peer()
    for ours, theirs in (
        (OutputParserException, lc.exceptions.OutputParserException),
        (ToolException, lc.tools.ToolException),
    ):
        if isinstance(error, ours) is not isinstance(error, theirs):
            missing = theirs if isinstance(error, ours) else ours
            return _restored(type(error), missing, error.args, vars(error))
    return error


def _restored(known: type[Exception], missing: type[Exception], args: tuple[Any, ...], state: Any) -> Exception:
    made: Exception = _joined(known, missing)(*args)
    vars(made).update({name: value for name, value in state.items() if name != "__notes__"})
    return made


def _joined(known: type[Exception], missing: type[Exception]) -> Any:
    """A class of both; made anew each time, as ``known`` may be a user's."""

    def init(self: Exception, *args: object) -> None:
        Exception.__init__(self, *args)  # the message was made already, where the error was

    def reduced(self: Exception) -> tuple[Any, ...]:
        return _restored, (known, missing, self.args, vars(self))

    members = {"__init__": init, "__reduce__": reduced, "__module__": known.__module__}
    return type(known.__name__, (known, missing), members)

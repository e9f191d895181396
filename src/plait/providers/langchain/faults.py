"""Errors that both libraries have: each goes over the border as one that is both, so that ``except`` finds it there.

All other exceptions go over as they are.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

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
    """The same error, or one that is an instance of both libraries' classes."""
    lc = peer()
    for ours, theirs, make in (
        (OutputParserException, lc.exceptions.OutputParserException, _parser_error),
        (ToolException, lc.tools.ToolException, _tool_error),
    ):
        if isinstance(error, ours) is not isinstance(error, theirs):
            return make(error)
    return error


def _parser_error(error: Any) -> Exception:
    made = _joined(OutputParserException, peer().exceptions.OutputParserException)(*error.args)
    cast("dict[str, Any]", vars(made)).update(
        observation=error.observation, llm_output=error.llm_output, send_to_llm=error.send_to_llm
    )
    return cast(Exception, made)


def _tool_error(error: Any) -> Exception:
    return cast(Exception, _joined(ToolException, peer().tools.ToolException)(*error.args))


@cache
def _joined(ours: type[Exception], theirs: type[Exception]) -> Any:
    def init(self: Exception, *args: object) -> None:
        Exception.__init__(self, *args)  # the message was made already, where the error was

    return type(ours.__name__, (ours, theirs), {"__init__": init, "__reduce__": _reduced, "__module__": __name__})


def _reduced(self: Any) -> tuple[Any, ...]:
    return _restored, (isinstance(self, ToolException), self.args, vars(self))


def _restored(is_tool: bool, args: tuple[Any, ...], state: dict[str, Any]) -> Exception:
    lc = peer()
    pair = (
        (ToolException, lc.tools.ToolException)
        if is_tool
        else (OutputParserException, lc.exceptions.OutputParserException)
    )
    made: Exception = _joined(*pair)(*args)
    vars(made).update(state)
    return made

"""What is wrong with the output of a model, in words for its user and for the model: bounded, with the place."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from plait.errors import OutputParserException

__all__ = ["excerpt", "refused", "told"]

_EXCERPT: Final = 200
_LISTED: Final = 5  # of the faults that validation finds


def refused(problem: str, text: str, cause: BaseException | None = None) -> OutputParserException:
    """The exception that says ``problem`` of a text, which it holds in full as ``llm_output``."""
    error = OutputParserException(problem, observation=problem, llm_output=text)
    error.__cause__ = cause
    return error


def excerpt(text: str) -> str:
    """The beginning of a text, as an error shows it."""
    return f"{text[:_EXCERPT]!r}{'...' if len(text) > _EXCERPT else ''}" if text.strip() else "no text"


def told(error: ValidationError, what: str = "") -> str:
    """What validation found, one fault after the other, each with its place; no values, which may be large."""
    faults: list[Any] = list(error.errors(include_url=False, include_input=False, include_context=False))
    lines = [f"{what}{_place(fault['loc'])}: {fault['msg']}" for fault in faults[:_LISTED]]
    more = len(faults) - _LISTED
    return "; ".join([*lines, f"and {more} more"] if more > 0 else lines)


def _place(path: tuple[Any, ...]) -> str:
    return ".".join(str(key)[:60] for key in path[:10]) or "the value itself"

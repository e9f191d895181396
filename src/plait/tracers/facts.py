"""What the record of a run says about its end, its model and its place, for whoever writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from plait.redaction import beginning
from plait.runs import Run

__all__ = ["Failure", "failure_of", "is_of_model", "root_of", "said_beside", "seconds", "usage_of"]

_MODELS: Final = ("chat_model", "llm")


class Failure(NamedTuple):
    """The class of an exception and the beginning of its message, with secrets masked."""

    type: str
    message: str


def is_of_model(run: Run) -> bool:
    """Whether the run is a call of a language model."""
    return run.kind in _MODELS


def root_of(run: Run) -> Run:
    """The outermost run, in which this one was called; it may be the run itself."""
    while run.parent is not None:
        run = run.parent
    return run


def seconds(run: Run) -> float:
    """How long the run took, or has taken until its record was last written."""
    return max((run.end_time or run.start_time) - run.start_time, 0.0)


def failure_of(error: BaseException, limit: int) -> Failure:
    """The full name of the exception's class, and at most ``limit`` characters of what it says."""
    kind = type(error)
    home = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be read"
    return Failure(f"{home}{kind.__qualname__}", beginning(message, limit))


def usage_of(run: Run) -> Mapping[str, Any] | None:
    """The token counts of a model's answer, if it gives any."""
    usage = getattr(run.outputs, "usage_metadata", None) if is_of_model(run) else None
    return cast("Mapping[str, Any]", usage) if isinstance(usage, Mapping) and usage else None


def said_beside(run: Run) -> Mapping[str, Any]:
    """What a model said beside its answer: which one it is, why it stopped."""
    said = getattr(run.outputs, "response_metadata", None) if is_of_model(run) else None
    return cast("Mapping[str, Any]", said) if isinstance(said, Mapping) else {}

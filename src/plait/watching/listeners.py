"""Functions that are called with the runs of one node, as ``with_listeners`` binds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from plait.errors import ConfigError
from plait.inspection import config_parameter
from plait.runs import Run, current, hand_out
from plait.watching.handlers import waiting

__all__ = ["RunFunctions"]

_NAMES: Final = {"success": "on_end", "error": "on_error", "cancelled": "on_cancelled"}


class RunFunctions:
    """Calls functions, plain or async, with each run of ``node``, and not with the runs below or beside it.

    A function that has a parameter ``config``, or one annotated with ``RunnableConfig``, gets the config of the run as
    well. Without ``on_cancelled`` a run that was cancelled goes to ``on_error``. Raises ConfigError for what cannot be
    called.
    """

    def __init__(
        self,
        node: Any,
        on_start: Callable[..., Any] | None = None,
        on_end: Callable[..., Any] | None = None,
        on_error: Callable[..., Any] | None = None,
        on_cancelled: Callable[..., Any] | None = None,
    ) -> None:
        self.node = node
        self._start = _told("on_start", on_start)
        self._ends = {
            "success": _told("on_end", on_end),
            "error": _told("on_error", on_error),
            "cancelled": _told("on_cancelled", on_cancelled) or _told("on_error", on_error),
        }

    def on_run_start(self, run: Run) -> Any:
        start = self._start if run.node is self.node else None
        return None if start is None else start(run)

    def on_run_chunk(self, run: Run, chunk: Any) -> None:
        """No function asks for chunks."""

    def on_run_event(self, run: Run, name: str, data: Any) -> None:
        """No function asks for events."""

    def on_run_end(self, run: Run) -> Any:
        end = self._ends[run.status] if run.node is self.node else None
        return None if end is None else end(run)


def _told(name: str, function: Any) -> Callable[[Run], Any] | None:
    """The function as one of the run alone; how it wants to be called is seen once."""
    if function is None:
        return None
    if not callable(function):
        raise ConfigError(f"{name} takes a function of the run, but got an object of type {type(function).__name__}")
    config = config_parameter(function)
    if config is None:
        return lambda run: waiting(function(run))
    return lambda run: waiting(function(run, **{config: _config_of(run)}))


def _config_of(run: Run) -> Any:
    """The config of the run; its name and its id, which are no other run's, are in the run itself."""
    config = hand_out(getattr(run, "scope", None) or current.get())
    config.update(tags=run.tags, metadata=run.metadata)
    return config

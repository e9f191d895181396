"""Events of your own: whoever listens to the run around is told."""

from __future__ import annotations

from typing import Any

from plait.runnables.config import RunnableConfig, enter
from plait.runs import adispatch, dispatch

__all__ = ["adispatch_custom_event", "dispatch_custom_event"]


def dispatch_custom_event(name: str, data: Any, *, config: RunnableConfig | None = None) -> None:
    """Tell whoever listens to the run around, by ``on_custom_event`` and in ``astream_events``.

    Call it in any function that a chain calls; no config need be handed on. Outside of any run, and where nobody
    listens, nothing happens. ``data`` reaches the listeners as it is.
    """
    dispatch(enter(config), name, data)


async def adispatch_custom_event(name: str, data: Any, *, config: RunnableConfig | None = None) -> None:
    """Tell whoever listens to the run around, by ``on_custom_event`` and in ``astream_events``.

    Call it in any function that a chain calls; no config need be handed on. Outside of any run, and where nobody
    listens, nothing happens. ``data`` reaches the listeners as it is.
    """
    await adispatch(enter(config), name, data)

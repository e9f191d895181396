"""The verbs that a user's class writes itself: user code, which gets a config of its own, and finds it in force."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from plait.runnables.config import enter
from plait.runnables.stages import ainside, inside
from plait.runs import current, hand_out

__all__ = ["SCOPED"]


def _scoped_value(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
        scope = current.get() if config is None else enter(config)
        if scope is None:
            return verb(self, input, *rest, **kwargs)
        before = current.get()
        current.set(scope.below())
        try:
            return verb(self, input, hand_out(scope), *rest, **kwargs)
        finally:
            current.set(before)

    return scoped


def _ascoped_value(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    async def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
        scope = current.get() if config is None else enter(config)
        if scope is None:
            return await verb(self, input, *rest, **kwargs)
        before = current.get()
        current.set(scope.below())
        try:
            return await verb(self, input, hand_out(scope), *rest, **kwargs)
        finally:
            current.set(before)

    return scoped


def _scoped_stream(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
        scope = current.get() if config is None else enter(config)
        if scope is None:
            return verb(self, input, *rest, **kwargs)
        return inside(verb(self, input, hand_out(scope), *rest, **kwargs), scope.below())

    return scoped


def _ascoped_stream(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
        scope = current.get() if config is None else enter(config)
        if scope is None:
            return verb(self, input, *rest, **kwargs)
        return ainside(verb(self, input, hand_out(scope), *rest, **kwargs), scope.below())

    return scoped


SCOPED: Final = {
    "invoke": _scoped_value,
    "ainvoke": _ascoped_value,
    "stream": _scoped_stream,
    "astream": _ascoped_stream,
    "transform": _scoped_stream,
    "atransform": _ascoped_stream,
}
"""How the verbs that a user's class writes itself get a config of their own, and find it in force."""

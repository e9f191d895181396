"""The verbs that a user's class writes itself: user code, which gets a config of its own, and finds it in force."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from functools import wraps
from typing import Any, Final

from plait.concurrency import aclose_all, close_all
from plait.runnables.config import enter
from plait.runnables.stages import ainside, anoted, inside, noted
from plait.runs import Scope, Watch, current, hand_out

__all__ = ["SCOPED"]


def _is_watched(node: Any, config: Any, scope: Scope) -> bool:
    """Whether this call starts a run: somebody listens, and it is not a verb of Runnable, which has started one."""
    started = type(config) is Scope and scope.run is not None and scope.run.node == id(node)
    return bool(scope.listeners) and not started


def _scoped_value(verb: Callable[..., Any]) -> Callable[..., Any]:
    def called(self: Any, input: Any, scope: Scope, rest: Any, kwargs: Any) -> Any:
        before = current.get()
        current.set(scope)
        try:
            return verb(self, input, hand_out(scope), *rest, **kwargs)
        finally:
            current.set(before)

    @wraps(verb)
    def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
        scope = current.get() if config is None else enter(config)
        if scope is None:
            return verb(self, input, *rest, **kwargs)
        if not _is_watched(self, config, scope):
            return called(self, input, scope.below(), rest, kwargs)
        with Watch(self, self._kind, input, scope) as watch:
            return watch.end(called(self, input, watch.scope, rest, kwargs))

    return scoped


def _ascoped_value(verb: Callable[..., Any]) -> Callable[..., Any]:
    async def called(self: Any, input: Any, scope: Scope, rest: Any, kwargs: Any) -> Any:
        before = current.get()
        current.set(scope)
        try:
            return await verb(self, input, hand_out(scope), *rest, **kwargs)
        finally:
            current.set(before)

    @wraps(verb)
    async def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
        scope = current.get() if config is None else enter(config)
        if scope is None:
            return await verb(self, input, *rest, **kwargs)
        if not _is_watched(self, config, scope):
            return await called(self, input, scope.below(), rest, kwargs)
        with Watch(self, self._kind, input, scope) as watch:
            return watch.end(await called(self, input, watch.scope, rest, kwargs))

    return scoped


def _scoped_stream(reads_chunks: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def scoping(verb: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any, input: Any, scope: Scope, rest: Any, kwargs: Any) -> Iterator[Any]:
            with Watch(self, self._kind, None if reads_chunks else input, scope) as watch:
                given = noted(input, watch.inputs) if reads_chunks else input
                stream = inside(verb(self, given, hand_out(watch.scope), *rest, **kwargs), watch.scope)
                try:
                    for chunk in stream:
                        yield watch.chunk(chunk)
                finally:
                    close_all([stream, given])

        @wraps(verb)
        def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
            scope = current.get() if config is None else enter(config)
            if scope is None:
                return verb(self, input, *rest, **kwargs)
            if _is_watched(self, config, scope):
                return watched(self, input, scope, rest, kwargs)
            return inside(verb(self, input, hand_out(scope.below()), *rest, **kwargs), scope.below())

        return scoped

    return scoping


def _ascoped_stream(reads_chunks: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def scoping(verb: Callable[..., Any]) -> Callable[..., Any]:
        async def watched(self: Any, input: Any, scope: Scope, rest: Any, kwargs: Any) -> AsyncGenerator[Any, None]:
            with Watch(self, self._kind, None if reads_chunks else input, scope) as watch:
                given = anoted(input, watch.inputs) if reads_chunks else input
                stream = ainside(verb(self, given, hand_out(watch.scope), *rest, **kwargs), watch.scope)
                try:
                    async for chunk in stream:
                        yield watch.chunk(chunk)
                finally:
                    await aclose_all([stream, given])

        @wraps(verb)
        def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
            scope = current.get() if config is None else enter(config)
            if scope is None:
                return verb(self, input, *rest, **kwargs)
            if _is_watched(self, config, scope):
                return watched(self, input, scope, rest, kwargs)
            return ainside(verb(self, input, hand_out(scope.below()), *rest, **kwargs), scope.below())

        return scoped

    return scoping


SCOPED: Final = {
    "invoke": _scoped_value,
    "ainvoke": _ascoped_value,
    "stream": _scoped_stream(reads_chunks=False),
    "astream": _ascoped_stream(reads_chunks=False),
    "transform": _scoped_stream(reads_chunks=True),
    "atransform": _ascoped_stream(reads_chunks=True),
}
"""How each verb is wrapped that a user's class writes itself."""

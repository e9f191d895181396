"""The verbs that a user's class writes itself: user code, which gets a config of its own, and finds it in force."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from functools import partial, wraps
from typing import Any, Final, cast

from plait.concurrency import aclose_all, acollect
from plait.deadlines import Deadline, akept, akept_batch, kept, kept_batch
from plait.runnables.config import enter
from plait.runnables.stages import ainside, inside
from plait.runnables.watched import alimited, awatched, limited, watched
from plait.runs import UNKNOWN, Scope, Watch, current, hand_out

__all__ = ["BRIDGES", "SCOPED", "stream_by_verb"]


def _is_watched(node: Any, config: Any, scope: Scope) -> bool:
    """Whether this call starts a run: somebody listens, and it is not a verb of Runnable, which has started one."""
    started = type(config) is Scope and scope.run is not None and scope.run.node is node
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
        if scope.fresh and scope.deadline is not None:
            with kept(scope.deadline, self):
                return scoped(self, input, scope.kept(), *rest, **kwargs)
        if not _is_watched(self, config, scope):
            return called(self, input, scope.below(), rest, kwargs)
        with Watch(self, input, scope) as watch:
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
        if scope.fresh and scope.deadline is not None:
            async with akept(scope.deadline, self):
                return await scoped(self, input, scope.kept(), *rest, **kwargs)
        if not _is_watched(self, config, scope):
            return await called(self, input, scope.below(), rest, kwargs)
        async with Watch(self, input, scope) as watch:
            return watch.end(await called(self, input, watch.scope, rest, kwargs))

    return scoped


def _scoped_stream(reads_chunks: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def scoping(verb: Callable[..., Any]) -> Callable[..., Any]:
        def opened(self: Any, rest: Any, kwargs: Any, input: Any, scope: Scope) -> Iterator[Any]:
            return inside(verb(self, input, hand_out(scope), *rest, **kwargs), scope)

        @wraps(verb)
        def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
            scope = current.get() if config is None else enter(config)
            if scope is None:
                return verb(self, input, *rest, **kwargs)
            if scope.fresh:
                return limited(scoped(self, input, scope.kept(), *rest, **kwargs), scope, self)
            if _is_watched(self, config, scope):
                return watched(
                    self, input, UNKNOWN if reads_chunks else input, scope, partial(opened, self, rest, kwargs)
                )
            return inside(verb(self, input, hand_out(scope.below()), *rest, **kwargs), scope.below())

        return scoped

    return scoping


def _ascoped_stream(reads_chunks: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def scoping(verb: Callable[..., Any]) -> Callable[..., Any]:
        def opened(self: Any, rest: Any, kwargs: Any, input: Any, scope: Scope) -> AsyncIterator[Any]:
            return ainside(verb(self, input, hand_out(scope), *rest, **kwargs), scope)

        @wraps(verb)
        def scoped(self: Any, input: Any, config: Any = None, *rest: Any, **kwargs: Any) -> Any:
            scope = current.get() if config is None else enter(config)
            if scope is None:
                return verb(self, input, *rest, **kwargs)
            if scope.fresh:
                return alimited(scoped(self, input, scope.kept(), *rest, **kwargs), scope, self)
            if _is_watched(self, config, scope):
                return awatched(
                    self, input, UNKNOWN if reads_chunks else input, scope, partial(opened, self, rest, kwargs)
                )
            return ainside(verb(self, input, hand_out(scope.below()), *rest, **kwargs), scope.below())

        return scoped

    return scoping


def _limited_batch(verb: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(verb)
    def limited_batch(self: Any, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        scope = _limiting(config)
        if scope is None:
            return verb(self, inputs, config, **kwargs)
        listed, wanted = list(inputs), kwargs.get("return_exceptions", False)
        call = partial(verb, self, listed, hand_out(scope.kept()), **kwargs)
        return kept_batch(cast(Deadline, scope.deadline), self, call, len(listed), return_exceptions=wanted)

    return limited_batch


def _alimited_batch(  # twin: async inputs are collected first
    verb: Callable[..., Any],
) -> Callable[..., Any]:
    @wraps(verb)
    async def limited_batch(self: Any, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        scope = _limiting(config)
        if scope is None:
            return await verb(self, inputs, config, **kwargs)
        listed, wanted = await _listed(inputs), kwargs.get("return_exceptions", False)
        call = partial(verb, self, listed, hand_out(scope.kept()), **kwargs)
        return await akept_batch(cast(Deadline, scope.deadline), self, call, len(listed), return_exceptions=wanted)

    return limited_batch


async def _listed(inputs: Any) -> list[Any]:
    return await acollect(aiter(inputs)) if hasattr(inputs, "__aiter__") else list(inputs)


def _limiting(config: Any) -> Scope | None:
    """The scope of a batch that has a deadline of its own to keep."""
    if not isinstance(config, Mapping) or cast("Mapping[str, Any]", config).get("timeout") is None:
        return None
    scope = enter(cast("Mapping[str, Any]", config))
    return scope if scope is not None and scope.fresh else None


SCOPED: Final = {
    "invoke": _scoped_value,
    "ainvoke": _ascoped_value,
    "stream": _scoped_stream(reads_chunks=False),
    "astream": _ascoped_stream(reads_chunks=False),
    "transform": _scoped_stream(reads_chunks=True),
    "atransform": _ascoped_stream(reads_chunks=True),
    "batch": _limited_batch,
    "abatch": _alimited_batch,
}
"""How each verb is wrapped that a user's class writes itself."""


def _invoke_by_verb(self: Any, input: Any, config: Any, **kwargs: Any) -> Any:
    return self.invoke(input, config, **kwargs)


async def _ainvoke_by_verb(self: Any, input: Any, config: Any, **kwargs: Any) -> Any:
    return await self.ainvoke(input, config, **kwargs)


def stream_by_verb(self: Any, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
    yield from self.stream(self._sum(list(chunks)), config, **kwargs)


async def astream_by_verb(  # twin: `yield from` has none
    self: Any, chunks: AsyncIterator[Any], config: Any, **kwargs: Any
) -> AsyncGenerator[Any, None]:
    stream = self.astream(self._sum(await acollect(chunks)), config, **kwargs)
    try:
        async for chunk in stream:
            yield chunk
    finally:
        await aclose_all([stream])


def _transform_by_verb(self: Any, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
    return cast("Iterator[Any]", self.transform(chunks, config, **kwargs))


def _atransform_by_verb(self: Any, chunks: AsyncIterator[Any], config: Any, **kwargs: Any) -> AsyncIterator[Any]:
    return cast("AsyncIterator[Any]", self.atransform(chunks, config, **kwargs))


BRIDGES: Final[tuple[tuple[str, str, Any], ...]] = (
    # a verb that a user's class writes itself, the hook that leads the other verbs to it, and how
    ("invoke", "_invoke", _invoke_by_verb),
    ("ainvoke", "_ainvoke", _ainvoke_by_verb),
    ("transform", "_transform", _transform_by_verb),
    ("atransform", "_atransform", _atransform_by_verb),
    ("stream", "_transform", stream_by_verb),
    ("astream", "_atransform", astream_by_verb),
)

"""A stream that somebody watches, or that has a limit: its run begins, hears every chunk, and ends with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any

from plait.concurrency import aclose_all, close_all
from plait.deadlines import akept_stream, kept_stream
from plait.runs import UNKNOWN, Scope, Watch

__all__ = ["alimited", "awatched", "awatched_batch", "limited", "watched", "watched_batch"]


def limited(chunks: Iterator[Any], scope: Scope, node: Any) -> Iterator[Any]:
    """The chunks of a call that came with a deadline, or with a limit to its silence."""
    return kept_stream(chunks, scope.deadline, scope.get("idle_timeout"), node)


def alimited(chunks: AsyncIterator[Any], scope: Scope, node: Any) -> AsyncIterator[Any]:
    """The chunks of a call that came with a deadline, or with a limit to its silence."""
    return akept_stream(chunks, scope.deadline, scope.get("idle_timeout"), node)


def watched(
    node: Any, input: Any, inputs: Any, scope: Scope, open: Callable[[Any, Scope], Iterator[Any]]
) -> Iterator[Any]:
    """The chunks of ``open(input, scope)`` as a run of ``node``; ``inputs`` is the whole input, or UNKNOWN as yet."""
    with Watch(node, inputs, scope) as watch:
        given = _noted(input, watch, gathers=node._gathers) if inputs is UNKNOWN else input
        stream = open(given, watch.scope)
        try:
            for chunk in stream:
                if not watch.begun:
                    watch.begin()
                waiting = watch.chunk(chunk)
                if waiting is not None:
                    watch.settle(waiting)
                yield chunk
        finally:
            close_all([stream, given, input] if inputs is UNKNOWN else [stream])


async def awatched(
    node: Any, input: Any, inputs: Any, scope: Scope, open: Callable[[Any, Scope], AsyncIterator[Any]]
) -> AsyncGenerator[Any, None]:
    """The chunks of ``open(input, scope)`` as a run of ``node``; ``inputs`` is the whole input, or UNKNOWN as yet."""
    async with Watch(node, inputs, scope) as watch:
        given = _anoted(input, watch, gathers=node._gathers) if inputs is UNKNOWN else input
        stream = open(given, watch.scope)
        try:
            async for chunk in stream:
                if not watch.begun:
                    await watch.abegin()
                waiting = watch.chunk(chunk)
                if waiting is not None:
                    await watch.asettle(waiting)
                yield chunk
        finally:
            await aclose_all([stream, given, input] if inputs is UNKNOWN else [stream])


def _noted(chunks: Iterator[Any], watch: Watch, *, gathers: bool) -> Iterator[Any]:
    """The same chunks; the run begins with the first, or, of a node that reads them all before it works, the last."""
    watch.starved = True
    for chunk in chunks:
        watch.starved = False
        watch.takes(chunk)
        if not gathers:
            watch.begin()
        yield chunk
        watch.starved = not watch.begun
    watch.starved = False
    if gathers:
        watch.gathered()
        watch.begin()


async def _anoted(chunks: AsyncIterator[Any], watch: Watch, *, gathers: bool) -> AsyncGenerator[Any, None]:
    """The same chunks; the run begins with the first, or, of a node that reads them all before it works, the last."""
    watch.starved = True
    async for chunk in chunks:
        watch.starved = False
        watch.takes(chunk)
        if not gathers:
            await watch.abegin()
        yield chunk
        watch.starved = not watch.begun
    watch.starved = False
    if gathers:
        watch.gathered()
        await watch.abegin()


def watched_batch(
    node: Any, inputs: Sequence[Any], scopes: Sequence[Scope], call: Callable[[list[Scope]], list[Any]]
) -> list[Any]:
    """What ``call`` gives for the inputs together, each as a run of ``node``; an exception is the end of its own run."""
    watches = [Watch(node, input, scope) for input, scope in zip(inputs, scopes, strict=True)]
    open: list[Watch] = []
    try:
        for watch in watches:
            open.append(watch.__enter__())  # noqa: PERF401 - those that have begun are ended if the next cannot
        outputs = call([watch.scope for watch in watches])
        for watch, output in zip(watches, outputs, strict=True):
            failed = isinstance(output, Exception)
            open.remove(watch)
            watch.end(None if failed else output)
            watch.__exit__(None, output if failed else None, None)
    except BaseException as error:
        for watch in open:
            watch.__exit__(type(error), error, None)
        raise
    return outputs


async def awatched_batch(
    node: Any, inputs: Sequence[Any], scopes: Sequence[Scope], call: Callable[[list[Scope]], Awaitable[list[Any]]]
) -> list[Any]:
    """What ``call`` gives for the inputs together, each as a run of ``node``; an exception is the end of its own run."""
    watches = [Watch(node, input, scope) for input, scope in zip(inputs, scopes, strict=True)]
    open: list[Watch] = []
    try:
        for watch in watches:
            open.append(await watch.__aenter__())  # noqa: PERF401 - those that have begun are ended if the next cannot
        outputs = await call([watch.scope for watch in watches])
        for watch, output in zip(watches, outputs, strict=True):
            failed = isinstance(output, Exception)
            open.remove(watch)
            watch.end(None if failed else output)
            await watch.__aexit__(None, output if failed else None, None)
    except BaseException as error:
        for watch in open:
            await watch.__aexit__(type(error), error, None)
        raise
    return outputs

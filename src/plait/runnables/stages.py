"""How a sequence streams: its steps as stages that pull each other, fused where nobody can tell, on several stacks.

A stage is a function of chunks and a config that gives chunks. The steps are Runnables; only their hooks are used.
"""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from typing import Any, Final

from plait.concurrency import aclose_all, acollect, ahop, close_all, hop
from plait.runs import Scope, current
from plait.stopping import in_time

Stage = Callable[..., Any]
Placed = tuple[Stage, int]
"""A stage, and which step it is, or the first of several."""
Config = Any
"""What a hook gets: a ``Scope`` or None. A TypedDict cannot be subclassed, so its type cannot say so."""

_STAGES_PER_STACK: Final = 48
"""Streaming steps that pull each other on one stack; a longer chain goes on in another thread or task."""


def transform_of(step: Any) -> Any:
    """How a step takes part in a stream that nobody watches: by its hook, unless its class has the verb itself."""
    return step._transform if step._hooked else step.transform


def atransform_of(step: Any) -> Any:
    """How a step takes part in a stream that nobody watches: by its hook, unless its class has the verb itself."""
    return step._atransform if step._hooked else step.atransform


def ending(stream: Iterator[Any], chunks: Any) -> Iterator[Any]:
    """A stream that ends the chunks it is made of, which were handed in from outside."""
    try:
        for chunk in stream:
            yield chunk
    finally:
        close_all([stream, chunks])


async def aending(stream: AsyncIterator[Any], chunks: Any) -> AsyncGenerator[Any, None]:
    """A stream that ends the chunks it is made of, which were handed in from outside."""
    try:
        async for chunk in stream:
            yield chunk
    finally:
        await aclose_all([stream, chunks])


def fused(
    steps: Sequence[Any],
    transform: Callable[[Any], Stage],
    each_stage: Callable[[Sequence[Any]], Stage],
    value_stage: Callable[[Sequence[Any]], Stage],
    hop_stage: Stage,
) -> list[Placed]:
    """The stages of a stream that nobody watches: neighbours that work chunk by chunk, or on whole values, become one.

    A step that is followed by one that reads everything need not stream itself, so it is called for its value.
    """
    stages: list[Placed] = []
    position = 0
    while position < len(steps):
        end = position
        while end < len(steps) and steps[end]._each is not None:
            end += 1
        if end > position:
            stages.append((each_stage(steps[position:end]), position))
            position = end
            continue
        while end + 1 < len(steps) and steps[end]._barrier and steps[end + 1]._barrier:
            end += 1
        if end > position:
            stages.append((value_stage(steps[position:end]), position))
        if not steps[end]._identity:
            stages.append((transform(steps[end]), end))
        position = end + 1
    return list(_with_hops(stages, hop_stage))


def unfused(
    steps: Sequence[Any],
    transform: Callable[[Any], Stage],
    hop_stage: Stage,
    kwargs: dict[str, Any],
) -> Iterator[Placed]:
    """A stage for every step, which is told its place; the keyword arguments of the call are for the first."""
    stages = ((_at_place(transform(step), index, {} if index else kwargs), index) for index, step in enumerate(steps))
    return _with_hops(stages, hop_stage)


def _at_place(verb: Stage, index: int, kwargs: dict[str, Any]) -> Stage:
    def stage(chunks: Any, config: Config) -> Any:
        return verb(chunks, at(config, f"seq:step:{index + 1}"), **kwargs)

    return stage


def at(config: Config, place: str) -> Config:
    """The config of a step or branch of a node, so that its run is tagged with its place in it."""
    return config if config is None else config.at(place)


def blamable(error: BaseException, config: Config) -> bool:
    """Whether it is of use to note where ``error`` came by: it is a failure, or a deadline may have ended the work."""
    if isinstance(error, Exception):
        return True
    limited = config is not None and (config.deadline is not None or "idle_timeout" in config)
    return limited and not isinstance(error, GeneratorExit)


def _with_hops(stages: Iterable[Placed], hop_stage: Stage) -> Iterator[Placed]:
    """A stage pulls the one before it on its own stack; so every so often the work goes on on another stack."""
    for index, stage in enumerate(stages, 1):
        yield stage
        if index % _STAGES_PER_STACK == 0:
            yield hop_stage, stage[1]


def each_stage(steps: Sequence[Any]) -> Stage:
    calls = [step._each for step in steps]

    def stage(chunks: Iterator[Any], config: Config) -> Iterator[Any]:
        bound = calls if config is None else [_inline_call(step, config) for step in steps]
        for chunk in chunks:
            pending = iter(bound)
            for call in pending:
                chunk = call(chunk)
            yield chunk

    return stage


def aeach_stage(steps: Sequence[Any]) -> Stage:
    calls = [step._each for step in steps]

    async def stage(chunks: AsyncIterator[Any], config: Config) -> AsyncGenerator[Any, None]:
        bound = calls if config is None else [_inline_call(step, config) for step in steps]
        async for chunk in chunks:
            pending = iter(bound)
            for call in pending:
                chunk = call(chunk)
            yield chunk

    return stage


def _inline_call(step: Any, config: Scope) -> Callable[[Any], Any]:
    return lambda chunk: step.invoke(chunk, config)


def _bound_invoke(step: Any, config: Scope) -> Callable[[Any], Any]:
    if config.deadline is not None:
        return lambda value: in_time(step.invoke(value, config))
    return lambda value: step.invoke(value, config)


def _abound_invoke(  # twin: a task is cancelled while the step runs
    step: Any, config: Scope
) -> Callable[[Any], Any]:
    return lambda value: step.ainvoke(value, config)


def value_stage(steps: Sequence[Any]) -> Stage:
    calls = [step._calls() for step in steps]

    def stage(chunks: Iterator[Any], config: Config) -> Iterator[Any]:
        value = steps[0]._sum(list(chunks))
        pending = iter(calls if config is None else [_bound_invoke(step, config) for step in steps])
        for call in pending:
            value = call(value)
        yield value

    return stage


def avalue_stage(steps: Sequence[Any]) -> Stage:
    calls = [step._acalls() for step in steps]

    async def stage(chunks: AsyncIterator[Any], config: Config) -> AsyncGenerator[Any, None]:
        value = steps[0]._sum(await acollect(chunks))
        pending = iter(calls if config is None else [_abound_invoke(step, config) for step in steps])
        for call in pending:
            value = await call(value)
        yield value

    return stage


def hop_stage(chunks: Iterator[Any], config: Config) -> Iterator[Any]:
    """A stage that only goes on on another stack."""
    return hop(chunks)


def ahop_stage(chunks: AsyncIterator[Any], config: Config) -> AsyncIterator[Any]:
    """A stage that only goes on on another stack."""
    return ahop(chunks)


def _close_inside(stream: Iterator[Any], scope: Scope | None) -> None:
    before = current.get()
    if scope is not None:
        current.set(scope)
    try:
        close_all([stream])
    finally:
        if scope is not None:
            current.set(before)


async def _aclose_inside(stream: AsyncIterator[Any], scope: Scope | None) -> None:
    before = current.get()
    if scope is not None:
        current.set(scope)
    try:
        await aclose_all([stream])
    finally:
        if scope is not None:
            current.set(before)


def inside(chunks: Iterable[Any], scope: Scope | None) -> Iterator[Any]:
    """The chunks of user code, with ``scope`` in force while it runs and not while its consumer does."""
    stream = iter(chunks)
    try:
        while True:
            before = current.get()
            if scope is not None:
                current.set(scope)
            try:
                chunk = next(stream)
            except StopIteration:
                return
            finally:
                if scope is not None:
                    current.set(before)
            yield chunk
    finally:
        _close_inside(stream, scope)


async def ainside(chunks: AsyncIterable[Any], scope: Scope | None) -> AsyncGenerator[Any, None]:
    """The chunks of user code, with ``scope`` in force while it runs and not while its consumer does."""
    stream = aiter(chunks)
    try:
        while True:
            before = current.get()
            if scope is not None:
                current.set(scope)
            try:
                chunk = await anext(stream)
            except StopAsyncIteration:
                return
            finally:
                if scope is not None:
                    current.set(before)
            yield chunk
    finally:
        await _aclose_inside(stream, scope)


def chained(first: list[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from first
    for chunk in rest:
        yield chunk


async def achained(first: list[Any], rest: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    for chunk in first:
        yield chunk
    async for chunk in rest:
        yield chunk

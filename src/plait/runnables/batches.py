"""How a batch is spread over its inputs: what each item is called with, and how many run at once."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Sized,
)
from typing import Any, cast

from plait.concurrency import DEFAULT_CONCURRENCY, aclose_all, close_all
from plait.deadlines import Deadline
from plait.errors import ConfigError
from plait.notes import place
from plait.runnables.config import configs_of_batch
from plait.runs import Scope, current
from plait.stopping import is_cancelled


def count_of(inputs: Any) -> int | None:
    if isinstance(inputs, str | bytes | Mapping):
        raise TypeError(
            f"a batch takes a list or another iterable of inputs, got one {type(cast(object, inputs)).__name__}; write [it]"
        )
    if not isinstance(inputs, Iterable | AsyncIterable):
        raise TypeError(f"a batch takes a list or another iterable of inputs, got {type(inputs).__name__}")
    return len(inputs) if isinstance(inputs, Sized) else None


def width_of(scope: Scope | None) -> int:
    limit = None if scope is None else scope.get("max_concurrency")
    return DEFAULT_CONCURRENCY if limit is None else cast(int, limit)


def permits_of(scope: Scope | None) -> Any:
    return None if scope is None else scope.permits


def has_own_permits(scope: Any, config: Any) -> bool:
    """Whether the limit in ``scope`` came with the call that was given ``config``, and is not that of one around it."""
    if (
        not isinstance(scope, Scope)
        or scope.permits is None
        or (type(config) is Scope and config.permits is scope.permits)
    ):
        return False
    around = config if type(config) is Scope else current.get()
    return around is None or around.permits is not scope.permits


def at_least_0(buffer: int) -> int:
    if buffer < 0:
        raise ValueError(f"buffer must be at least 0, got {buffer}")
    return buffer


def paired(inputs: Iterable[Any], each: list[Scope] | None) -> Iterable[Any]:
    return inputs if each is None else _zipped(inputs, each)


def _zipped(inputs: Iterable[Any], each: list[Scope]) -> Iterator[tuple[Any, Scope]]:
    number = 0
    for number, item in enumerate(inputs, 1):
        yield item, _nth(each, number)
    _refuse_rest(each, number)


def _nth(each: list[Scope], number: int) -> Scope:
    if number > len(each):
        raise ConfigError(f"a batch needs as many configs as inputs: got {len(each)}, and there is an input more")
    return each[number - 1]


def _refuse_rest(each: list[Scope], count: int) -> None:
    if count < len(each):
        raise ConfigError(f"a batch needs as many configs as inputs: got {len(each)} for {count} inputs")


def apaired(  # twin: zip takes no async iterables
    inputs: Iterable[Any] | AsyncIterable[Any], each: list[Scope] | None
) -> Iterable[Any] | AsyncIterable[Any]:
    if each is None or isinstance(inputs, Iterable):
        return paired(cast("Iterable[Any]", inputs), each)
    return _AsyncPairs(inputs, each)


class _AsyncPairs:
    """Async inputs, each with its scope; no generator, so that there is nothing to close."""

    def __init__(self, inputs: AsyncIterable[Any], each: list[Scope]) -> None:
        self.inputs = aiter(inputs)
        self.each = each
        self.count = 0

    def __aiter__(self) -> _AsyncPairs:
        return self

    async def __anext__(self) -> tuple[Any, Scope]:
        try:
            item = await anext(self.inputs)
        except StopAsyncIteration:
            _refuse_rest(self.each, self.count)
            raise
        self.count += 1
        return item, _nth(self.each, self.count)


def caller(
    verb: Callable[..., Any], scope: Scope | None, paired: bool, kwargs: dict[str, Any], return_exceptions: bool
) -> Callable[[int, Any], Any]:
    """What a batch calls for each input, or for each pair of an input and its scope."""

    def call(index: int, item: Any) -> Any:
        try:
            return verb(item, scope, **kwargs)
        except Exception as error:
            place(error, f"batch index {index}", item)
            if return_exceptions:
                return error
            raise

    def call_pair(index: int, pair: tuple[Any, Scope]) -> Any:
        try:
            return verb(pair[0], pair[1], **kwargs)
        except Exception as error:
            place(error, f"batch index {index}", pair[0])
            if return_exceptions:
                return error
            raise

    return call_pair if paired else call


def acaller(  # twin: a task may be cancelled, and its work may answer that with a failure
    verb: Callable[..., Any], scope: Scope | None, paired: bool, kwargs: dict[str, Any], return_exceptions: bool
) -> Callable[[int, Any], Coroutine[Any, Any, Any]]:
    """What a batch calls for each input, or for each pair of an input and its scope."""

    async def call(index: int, item: Any) -> Any:
        try:
            return await verb(item, scope, **kwargs)
        except Exception as error:
            place(error, f"batch index {index}", item)
            if return_exceptions and not is_cancelled():
                return error
            raise

    async def call_pair(index: int, pair: tuple[Any, Scope]) -> Any:
        try:
            return await verb(pair[0], pair[1], **kwargs)
        except Exception as error:
            place(error, f"batch index {index}", pair[0])
            if return_exceptions and not is_cancelled():
                return error
            raise

    return call_pair if paired else call


def outputs_of(pairs: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    try:
        for _, output in pairs:
            yield output
    finally:
        close_all([pairs])


async def aoutputs_of(pairs: AsyncIterator[tuple[int, Any]]) -> AsyncGenerator[Any, None]:
    try:
        async for _, output in pairs:
            yield output
    finally:
        await aclose_all([pairs])


class Rows:
    """The inputs of a batch on their way through parts: those that failed stay behind with their exception."""

    def __init__(self, inputs: Iterable[Any], config: Any) -> None:
        count_of(inputs)
        self.values = list(inputs)
        self.live = list(range(len(self.values)))
        self.whole, self.each = configs_of_batch(config, len(self.values))
        self.is_one = self.each is None

    def inputs(self) -> list[Any]:
        return [self.values[index] for index in self.live]

    def limit(self) -> Deadline | None:
        """The deadline of the whole batch, if it came with this call; each of a list of configs has its own."""
        fresh = self.each is None and self.whole is not None and self.whole.fresh
        return cast(Scope, self.whole).deadline if fresh else None

    def kept(self) -> Scope:
        """The scope of the whole, once somebody keeps its deadline."""
        return cast(Scope, self.whole).kept()

    def listened_to(self) -> bool:
        scopes = [self.whole] if self.each is None else self.each
        return any(scope is not None and scope.listeners for scope in scopes)

    def scopes(self) -> list[Scope]:
        """The scope of each input."""
        return self.each if self.each is not None else [cast(Scope, self.whole)] * len(self.values)

    def within(self, scopes: list[Scope]) -> Rows:
        """The same, each within a run of its own."""
        self.each = scopes
        return self

    def configs(self, place: str, *, one: bool) -> Any:
        """The config of a step for the inputs that are left; ``one`` for all of them, if one was given."""
        if self.each is None or (one and self.is_one):
            return self.whole
        return [self.each[index].at(place) for index in self.live]

    def put(self, outputs: Sequence[Any]) -> None:
        for index, output in zip(self.live, outputs, strict=True):
            self.values[index] = output
        self.live = [index for index in self.live if not isinstance(self.values[index], Exception)]

    def outputs(self) -> list[Any]:
        return self.values

    def shared(self, ready: Callable[[Any], tuple[Any, Any]], return_exceptions: bool) -> list[tuple[Any, Any, Any]]:
        """The rows by the node that each is for: the node, the indices, the scopes; one that has none has failed."""
        groups: dict[int, tuple[Any, list[int], list[Any]]] = {}
        for index, given in zip(self.live, cast("list[Any]", self.each), strict=True):
            try:
                node, scope = ready(given)
            except Exception as error:
                place(error, f"batch index {index}", self.values[index])
                if not return_exceptions:
                    raise
                self.values[index] = error
                continue
            group = groups.setdefault(id(node), (node, [], []))
            group[1].append(index)
            group[2].append(scope)
        return list(groups.values())

    def settle(self, places: list[int], outputs: list[Any]) -> None:
        """Put the outputs of some rows in their places."""
        for index, output in zip(places, outputs, strict=True):
            self.values[index] = output

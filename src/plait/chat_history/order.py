"""The order of a batch: its inputs line up for their sessions as they are pulled, whichever strand runs them."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from operator import length_hint
from typing import Any, Final

from plait.chat_history.turns import Turn, leave, line_up
from plait.errors import ConfigError

__all__ = ["Line", "turn_of"]


class _Place:
    """The turn of one input of a batch, until its run takes it."""

    __slots__ = ("node", "turn")

    def __init__(self, node: Any, turn: Turn) -> None:
        self.node = node
        self.turn: Turn | None = turn


_given: Final[ContextVar[_Place | None]] = ContextVar("plait_turn_given", default=None)


def turn_of(node: Any) -> Turn:
    """The turn of this run: in a batch it has stood in line since its input was pulled."""
    place = _given.get()
    if place is None or place.node is not node or place.turn is None:
        return Turn()
    turn, place.turn = place.turn, None
    return turn


class Line:
    """The inputs of a batch, which line up for their sessions as they are pulled, so in their order."""

    def __init__(self, node: object, key_of: Callable[[Any], Hashable], whole: Any, *, paired: bool) -> None:
        self.node = node
        self.key_of = key_of
        self.whole = whole
        self.paired = paired
        self.turns: list[Turn] = []

    def stand(self, item: Any) -> None:
        turn, config = Turn(), item[1] if self.paired else self.whole
        self.turns.append(turn)
        with suppress(ConfigError):  # the run itself says so, in its place
            line_up(turn, self.key_of(config))

    def up(self, items: Iterable[Any]) -> Iterator[Any]:
        return _Standing(self, items)

    def aup(self, items: Any) -> Any:  # twin: items may be async
        return _AStanding(self, items) if isinstance(items, AsyncIterable) else _Standing(self, items)

    def in_turn(self, call: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        def called(index: int, item: Any) -> Any:
            before = _given.get()
            _given.set(_Place(self.node, self.turns[index]))
            try:
                return call(index, item)
            finally:
                _given.set(before)
                leave(self.turns[index])

        return called

    def ain_turn(self, call: Callable[[int, Any], Any]) -> Callable[[int, Any], Any]:
        async def called(index: int, item: Any) -> Any:
            before = _given.get()
            _given.set(_Place(self.node, self.turns[index]))
            try:
                return await call(index, item)
            finally:
                _given.set(before)
                leave(self.turns[index])

        return called

    def dissolve(self) -> None:
        """Whoever was pulled and never called stands in nobody's way."""
        for turn in self.turns:
            leave(turn)


class _Standing(Iterator[Any]):
    """Inputs that line up when they are pulled."""

    def __init__(self, line: Line, items: Iterable[Any]) -> None:
        self.line = line
        self.size = length_hint(items, -1)
        self.items = iter(items)

    def __length_hint__(self) -> Any:
        return self.size if self.size >= 0 else NotImplemented

    def __next__(self) -> Any:
        item = next(self.items)
        self.line.stand(item)
        return item


class _AStanding(AsyncIterator[Any]):  # its twin knows its size
    """Inputs that line up when they are pulled."""

    def __init__(self, line: Line, items: Any) -> None:
        self.line = line
        self.items = aiter(items)

    async def __anext__(self) -> Any:
        item = await anext(self.items)
        self.line.stand(item)
        return item

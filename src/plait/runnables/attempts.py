"""What another attempt at the same input needs: the input once more, be it a stream or the rest of a batch.

Nothing here decides whether there is another attempt, and of a Runnable only its hooks are used.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, cast

from plait.deadlines import akept_batch, kept_batch
from plait.notes import alternative_of, place
from plait.runnables.batches import Rows
from plait.runnables.stages import at
from plait.runnables.watched import awatched_batch, watched_batch
from plait.runs import Scope

__all__ = [
    "Again",
    "Tape",
    "abatched",
    "ain_rounds",
    "all_failed",
    "at_attempt",
    "at_fallback",
    "attempt_tag",
    "awith_key",
    "batched",
    "fallback_tag",
    "in_all",
    "in_rounds",
    "with_key",
]


class Tape:
    """An input that streams in, kept so that it can be given again: what has come, and then what is still to come.

    Each attempt gets what ``fork`` makes of a chunk, so that none can change what the next one gets. Once an attempt
    has begun to give chunks nothing more is kept, unless it may still be taken back (``restarts``).
    """

    __slots__ = ("_chunks", "_fork", "_keeping", "_kept", "_restarts", "begun", "broken")

    def __init__(self, chunks: Any, fork: Callable[[Any], Any], *, restarts: bool) -> None:
        self._chunks = chunks
        self._fork = fork
        self._restarts = restarts
        self._keeping = True
        self._kept: list[Any] = []
        self.begun = False  # whether this attempt has given a chunk
        self.broken = False  # whether the input itself has failed, or was cut off: then it cannot be given again

    def commit(self) -> None:
        """The attempt gives its first chunk."""
        self.begun = True
        if not self._restarts:
            self._keeping = False
            self._kept = []

    def rewound(self) -> Iterator[Any]:
        """The input from its beginning, for the next attempt."""
        self.begun = False
        return self._play()

    def arewound(self) -> AsyncIterator[Any]:
        """The input from its beginning, for the next attempt."""
        self.begun = False
        return self._aplay()

    def _play(self) -> Iterator[Any]:
        try:
            for chunk in self._kept.copy():
                yield self._fork(chunk)
            for chunk in self._chunks:
                yield self._noted(chunk)
        except GeneratorExit:
            raise  # of the one who reads
        except BaseException:
            self.broken = True
            raise

    async def _aplay(self) -> AsyncGenerator[Any, None]:
        try:
            for chunk in self._kept.copy():
                yield self._fork(chunk)
            async for chunk in self._chunks:
                yield self._noted(chunk)
        except GeneratorExit:
            raise  # of the one who reads
        except BaseException:
            self.broken = True
            raise

    def _noted(self, chunk: Any) -> Any:
        if not self._keeping:
            return chunk
        self._kept.append(chunk)
        return self._fork(chunk)


def with_key(chunks: Iterator[Any], key: str, value: Any) -> Iterator[Any]:
    """The chunks of a dict, with ``value`` under ``key`` in the first of them, and in no other."""
    added = {key: value}
    for chunk in chunks:
        if rest := _without(chunk, key) | added:
            yield rest
        added = {}


async def awith_key(chunks: AsyncIterator[Any], key: str, value: Any) -> AsyncGenerator[Any, None]:
    """The chunks of a dict, with ``value`` under ``key`` in the first of them, and in no other."""
    added = {key: value}
    async for chunk in chunks:
        if rest := _without(chunk, key) | added:
            yield rest
        added = {}


def _without(chunk: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in chunk.items() if name != key}


class Again(Rows):
    """The inputs of a batch in rounds: those that have a result stay behind with it, the others go on as they came."""

    def __init__(self, inputs: Any, config: Any) -> None:
        super().__init__(inputs, config)
        self.results: list[Any] = list(self.values)
        self.failures: dict[int, list[Exception]] = {}

    def of_round(self, place: str, *, one: bool) -> Any:
        """The config of a round, the first of which has no place; ``one`` for all inputs, if one was given."""
        if place:
            return self.configs(place, one=one)
        if self.each is None or (one and self.is_one):
            return self.whole
        return [self.each[index] for index in self.live]

    def scope(self, index: int) -> Any:
        """The scope of one input."""
        return self.whole if self.each is None else self.each[index]

    def handed(self, given: Callable[[Any, list[Exception]], Any], return_exceptions: bool) -> list[Any]:
        """What those that are left are called with; one that cannot be called has failed."""
        inputs: list[Any] = []
        live: list[int] = []
        for index in self.live:
            try:
                inputs.append(given(self.values[index], self.failures.get(index, [])))
                live.append(index)
            except Exception as error:
                if not return_exceptions:
                    raise
                self.results[index] = error
        self.live = live
        return inputs

    def note(self, outputs: Sequence[Any], goes_on: Callable[[int, Exception], bool]) -> None:
        """Note the outputs of a round; of the inputs that failed, those are left of which ``goes_on`` says so."""
        live: list[int] = []
        try:
            for index, output in zip(self.live, outputs, strict=True):
                self.results[index] = output
                if isinstance(output, Exception) and goes_on(index, output):
                    live.append(index)
        except BaseException:
            self.results, self.failures = [], {}  # the traceback of one of them will hold this
            raise
        self.live = live


def batched(node: Any, inputs: list[Any], configs: Any, kwargs: dict[str, Any]) -> list[Any]:
    """What ``node`` gives for the inputs at once; if that fails as a whole, each of them has failed."""
    try:
        return cast("list[Any]", node.batch(inputs, configs, return_exceptions=True, **kwargs))
    except Exception as error:
        return [error] * len(inputs)


async def abatched(node: Any, inputs: list[Any], configs: Any, kwargs: dict[str, Any]) -> list[Any]:
    """What ``node`` gives for the inputs at once; if that fails as a whole, each of them has failed."""
    try:
        return cast("list[Any]", await node.abatch(inputs, configs, return_exceptions=True, **kwargs))
    except Exception as error:
        return [error] * len(inputs)


def all_failed(errors: Sequence[Exception], whole: str, input: Any) -> Exception:
    """What is raised when every alternative has failed: the error of the first, which says how the others did."""
    others = ", ".join(f"{number} with {type(error).__name__}" for number, error in enumerate(errors[1:], 2))
    place(errors[0], alternative_of(1, len(errors), whole, f"failed as well: {others}"), input)
    return errors[0]


# -------------------------------------------------------------------------------------------------------- for the nodes


def attempt_tag(number: int) -> str:
    """The tag of an attempt's run; the first has none."""
    return "" if number == 1 else f"retry:attempt:{number}"


def at_attempt(config: Any, number: int) -> Any:
    return config if number == 1 else at(config, attempt_tag(number))


def in_rounds(node: Any, rows: Again, return_exceptions: bool, kwargs: dict[str, Any]) -> list[Any]:
    """The outputs of a batch that ``node`` does in rounds, for a node within that does many inputs at once."""
    if (limit := rows.limit()) is not None:
        again = partial(in_rounds, node, Again(rows.values, rows.kept()), return_exceptions, kwargs)
        return kept_batch(limit, node, again, len(rows.values), return_exceptions=return_exceptions)
    if not rows.listened_to():
        return cast("list[Any]", node._rounds(rows, return_exceptions, kwargs))

    def call(scopes: list[Scope]) -> list[Any]:
        return cast("list[Any]", node._rounds(rows.within(scopes), return_exceptions, kwargs))

    return watched_batch(node, rows.inputs(), rows.scopes(), call)


async def ain_rounds(node: Any, rows: Again, return_exceptions: bool, kwargs: dict[str, Any]) -> list[Any]:
    """The outputs of a batch that ``node`` does in rounds, for a node within that does many inputs at once."""
    if (limit := rows.limit()) is not None:
        again = partial(ain_rounds, node, Again(rows.values, rows.kept()), return_exceptions, kwargs)
        return await akept_batch(limit, node, again, len(rows.values), return_exceptions=return_exceptions)
    if not rows.listened_to():
        return cast("list[Any]", await node._arounds(rows, return_exceptions, kwargs))

    async def call(scopes: list[Scope]) -> list[Any]:
        return cast("list[Any]", await node._arounds(rows.within(scopes), return_exceptions, kwargs))

    return await awatched_batch(node, rows.inputs(), rows.scopes(), call)


def fallback_tag(number: int) -> str:
    """The tag of the run of an alternative; the first has none."""
    return f"fallback:{number}" if number else ""


def at_fallback(config: Any, errors: list[Exception]) -> Any:
    return at(config, fallback_tag(len(errors))) if errors else config


def in_all(keys: Sequence[frozenset[str] | None]) -> frozenset[str] | None:
    known = [each for each in keys if each is not None]
    return frozenset(known[0].intersection(*known)) if len(known) == len(keys) else None

"""Vectors of one length by their place, made as long as 1, in an array of numpy or, without it, in lists."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from typing import Any, Protocol, Self, cast

from plait.errors import StoreError
from plait.vectorstores.rows import Moves, Placing
from plait.vectorstores.similarity import cosines, numpy, unit, units

__all__ = ["Block", "array_of", "block", "check_dimension"]


class Block(Protocol):
    """Vectors by their place."""

    dimension: int

    def empty(self) -> Block: ...
    def write(self, placing: Placing, other: Any) -> None: ...
    def close(self, moves: Moves) -> None: ...
    def nearest(self, vector: Sequence[float], k: int, places: Sequence[int] | None) -> list[tuple[int, float]]: ...
    def row(self, place: int) -> Sequence[float]: ...
    def rows(self) -> list[list[float]]: ...


def block(vectors: Any, count: int, dimension: int | None, source: str) -> Any:
    """The vectors that an embedding model gave for that many texts; raises StoreError for what it must not give."""
    if numpy() is not None:
        return _Array(array_of(vectors, count, dimension, source))
    from plait.embeddings.vectors import checked

    rows = checked(vectors, count, source)
    check_dimension(len(rows[0]), dimension, source)
    return _Lists(rows)


def array_of(vectors: Any, count: int, dimension: int | None, source: str) -> Any:
    """The vectors as an array of 32-bit floats, one row for each of ``count`` texts."""
    np = cast("Any", numpy())
    try:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused below
            array = np.ascontiguousarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise StoreError(f"{source} must give a vector of numbers for each text, all of one length: {error}") from error
    if array.ndim != 2 or array.shape[0] != count or not array.shape[1]:
        raise StoreError(f"{source} gave {_shape(array)} for {count} texts; expected one for each, all of one length")
    check_dimension(array.shape[1], dimension, source)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(array.sum()) or np.isfinite(array).all()
    if not finite:
        raise StoreError(f"{source} gave a vector with a number that is not finite, such as nan, or none of 32 bits")
    return array


def _shape(array: Any) -> str:
    return f"{array.shape[0]} vectors of {array.shape[1]} numbers" if array.ndim == 2 else f"a shape of {array.shape}"


def check_dimension(came: int, expected: int | None, source: str) -> None:
    """Raise StoreError for vectors of another length than those of the store."""
    if expected is not None and came != expected:
        raise StoreError(
            f"{source} gives vectors of {came} numbers, but those of this store have {expected}: use the embedding model "
            "that the store was filled with, or a new store"
        )


class _Array:
    """Rows of a numpy array that grows by half when it is full."""

    def __init__(self, array: Any) -> None:
        self._np = cast("Any", numpy())
        self._held = array
        self._count: int = len(array)
        self.dimension: int = array.shape[1]

    @property
    def _used(self) -> Any:
        return self._held[: self._count]

    def normalized(self) -> Self:
        self._held = units(self._np, self._used)
        return self

    def empty(self) -> _Array:
        return _Array(self._np.empty((0, self.dimension), dtype=self._np.float32))

    def write(self, placing: Placing, other: _Array) -> None:
        if placing.end > len(self._held):
            grown = self._np.empty((max(placing.end, placing.start * 3 // 2), self.dimension), dtype=self._np.float32)
            grown[: placing.start] = self._held[: placing.start]
            self._held = grown
        self._held[placing.places] = units(self._np, other._used)
        self._count = placing.end

    def close(self, moves: Moves) -> None:
        if self._count > moves.left:
            self._held[moves.ends] = self._held[moves.starts]
        self._count = moves.left
        if self._count * 4 < len(self._held):
            self._held = self._used.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return _Array, (self._used.copy(),)

    def nearest(self, vector: Sequence[float], k: int, places: Sequence[int] | None) -> list[tuple[int, float]]:
        mine = self._np.asarray(unit(vector), dtype=self._np.float32)
        chosen = self._np.arange(self._count) if places is None else self._np.asarray(places, dtype=self._np.int64)
        scores = (self._used if places is None else self._used[chosen]) @ mine
        best = self._best(scores, k)
        return list(zip(chosen[best].tolist(), scores[best].tolist(), strict=True))

    def _best(self, scores: Any, k: int) -> Any:
        """The places of the greatest, the first of equals first."""
        if k < len(scores):
            least = self._np.partition(scores, len(scores) - k)[len(scores) - k]
            some = self._np.flatnonzero(scores >= least)
        else:
            some = self._np.arange(len(scores))
        return some[self._np.argsort(-scores[some], kind="stable")][:k]

    def row(self, place: int) -> list[float]:
        row: list[float] = self._held[place].tolist()
        return row

    def rows(self) -> list[list[float]]:
        rows: list[list[float]] = self._used.tolist()
        return rows


class _Lists:
    """Rows as lists."""

    def __init__(self, rows: list[list[float]], dimension: int | None = None) -> None:
        self._rows = rows
        self.dimension = len(rows[0]) if dimension is None else dimension

    def normalized(self) -> Self:
        self._rows = [unit(row) for row in self._rows]
        return self

    def empty(self) -> _Lists:
        return _Lists([], self.dimension)

    def write(self, placing: Placing, other: _Lists) -> None:
        self._rows[placing.start :] = [[] for _ in range(placing.end - placing.start)]
        for place, row in zip(placing.places, other._rows, strict=True):
            self._rows[place] = unit(row)

    def close(self, moves: Moves) -> None:
        if len(self._rows) == moves.left:
            return
        for start, end in zip(moves.starts, moves.ends, strict=True):
            self._rows[end] = self._rows[start]
        del self._rows[moves.left :]

    def __reduce__(self) -> tuple[Any, ...]:
        return _Lists, (list(self._rows), self.dimension)

    def nearest(self, vector: Sequence[float], k: int, places: Sequence[int] | None) -> list[tuple[int, float]]:
        chosen = range(len(self._rows)) if places is None else places
        scores = cosines(vector, [self._rows[place] for place in chosen])
        best = nlargest(k, range(len(scores)), key=scores.__getitem__)
        return [(chosen[number], scores[number]) for number in best]

    def row(self, place: int) -> list[float]:
        return self._rows[place]

    def rows(self) -> list[list[float]]:
        return self._rows

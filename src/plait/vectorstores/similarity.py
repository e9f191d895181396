"""How near vectors are, and which of the near ones differ most from each other; pure, with numpy where it is installed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from math import isfinite, sqrt
from operator import index
from types import ModuleType
from typing import Any, TypeAlias

from plait.errors import ConfigError, StoreError

__all__ = ["Vector", "check_number", "check_vector", "cosines", "maximal_marginal_relevance", "numpy", "unit", "units"]

Vector: TypeAlias = Sequence[float]


@cache
def numpy() -> ModuleType | None:
    """numpy, if it is installed."""
    try:
        import numpy as np
    except ImportError:
        return None
    return np


def check_number(name: str, value: Any, least: int) -> int:
    """The number, if it is a whole one that is large enough; raises ConfigError otherwise."""
    with suppress(TypeError):
        if not isinstance(value, bool) and (number := index(value)) >= least:  # numpy has whole numbers of its own
            return number
    raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r:.60}")


_GREATEST = 3.4028234663852886e38


def check_vector(vector: Any, dimension: int | None, what: str = "the vector to search for") -> list[float]:
    """The vector as a list, if it is of finite numbers and as long as those of the store; raises StoreError otherwise."""
    try:
        numbers = [float(number) for number in vector]
    except (TypeError, ValueError) as error:
        raise StoreError(f"{what} must be a list of numbers, got {type(vector).__name__}") from error
    if dimension is not None and len(numbers) != dimension:
        raise StoreError(
            f"{what} has {len(numbers)} numbers, but the vectors of this store have {dimension}: search with the "
            "embedding model that the store was filled with"
        )
    if not numbers or not all(map(isfinite, numbers)):
        raise StoreError(f"{what} must be of finite numbers, at least one")
    if max(map(abs, numbers)) > _GREATEST:
        raise StoreError(f"{what} has a number of more than {_GREATEST}, the greatest that 32 bits hold")
    return numbers


def unit(vector: Vector) -> list[float]:
    """The vector made as long as 1; one of zeros stays as it is."""
    length = sqrt(sum(number * number for number in vector))
    return [number / length for number in vector] if length else list(vector)


def cosines(vector: Vector, others: Sequence[Vector]) -> list[float]:
    """The cosine of the angle between a vector and each of the others; 0 for a vector of zeros."""
    mine = unit(vector)
    return [sum(map(_times, mine, unit(other))) for other in others]


def _times(a: float, b: float) -> float:
    return a * b


def maximal_marginal_relevance(
    query: Vector, vectors: Sequence[Vector], lambda_mult: float = 0.5, k: int = 4
) -> list[int]:
    """The places of at most ``k`` vectors that are near the query and far from each other, in the order of choice.

    Each next one has the greatest ``lambda_mult * nearness to the query - (1 - lambda_mult) * nearness to the nearest
    chosen``, by cosine (Carbonell and Goldstein, 1998). 1 asks for nearness alone, 0 for difference alone.
    """
    compared = _compared([query, *vectors])
    near = compared(0)[1:]
    chosen: list[int] = []
    closest = [0.0] * len(vectors)  # of each, to the nearest that is chosen
    left = list(range(len(vectors)))
    while left and len(chosen) < k:
        first = not chosen
        scores = {i: near[i] if first else lambda_mult * near[i] - (1 - lambda_mult) * closest[i] for i in left}
        best = max(left, key=scores.__getitem__)
        left.remove(best)
        chosen.append(best)
        cosine = compared(best + 1)[1:]
        for i in left:
            closest[i] = cosine[i] if first else max(closest[i], cosine[i])
    return chosen


def _compared(vectors: list[Vector]) -> Callable[[int], list[float]]:
    """What gives the cosines of the vector at a place with each of them."""
    lengths = sorted({len(vector) for vector in vectors})
    if len(lengths) > 1:
        raise StoreError(
            f"the vectors and the query have {' and '.join(map(str, lengths))} numbers: all must have as many"
        )
    np: Any = numpy()
    if np is None:
        units_ = [unit(vector) for vector in vectors]
        return lambda place: [sum(map(_times, units_[place], other)) for other in units_]
    rows = units(np, np.asarray(vectors, dtype=np.float64))
    return lambda place: np.einsum("ij,j->i", rows, rows[place]).tolist()  # equal rows give equal numbers


def units(np: Any, rows: Any) -> Any:
    """The rows of an array made as long as 1; one of zeros stays as it is."""
    with np.errstate(over="ignore", under="ignore"):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    strange = ~((lengths > _SHORT) & (lengths < _LONG))[:, 0]
    lengths[strange] = 1
    made = rows / lengths
    if strange.any():
        made[strange] = _wide_units(np, rows[strange])
    return made


_SHORT, _LONG = 1e-15, 1e18
"""Between these the squares of 32 bits are exact enough."""


def _wide_units(np: Any, rows: Any) -> Any:
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return wide / lengths

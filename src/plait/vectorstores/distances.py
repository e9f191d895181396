"""How a store counts how near two vectors are, and what its scores mean."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from plait.errors import ConfigError

__all__ = ["DistanceStrategy", "distance_of", "relevance"]


class DistanceStrategy(StrEnum):
    """What the score of a document is."""

    EUCLIDEAN_DISTANCE = "l2"
    """The square of the distance: 0 is the best."""
    COSINE = "cosine"
    """The cosine of the angle: 1 is the best, -1 the worst."""
    MAX_INNER_PRODUCT = "inner"
    """The inner product: the greatest is the best."""


_NAMES = {name: strategy for strategy in DistanceStrategy for name in (strategy.value, strategy.name)}


def distance_of(strategy: Any) -> DistanceStrategy:
    """The strategy of that name; raises ConfigError if there is none."""
    if isinstance(strategy, str) and strategy in _NAMES:
        return _NAMES[strategy]
    raise ConfigError(f"distance_strategy must be 'l2', 'cosine' or 'inner', got {strategy!r:.60}")


def relevance(strategy: DistanceStrategy, score: float) -> float:
    """A score as a number from 0 to 1; for vectors of length 1 it is the cosine, whatever the strategy."""
    cosine = 1 - score / 2 if strategy is DistanceStrategy.EUCLIDEAN_DISTANCE else score
    return min(1.0, max(0.0, cosine))

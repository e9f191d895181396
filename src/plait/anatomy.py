"""What a node is made of, as it says of itself: for pictures, reports and listings, which run nothing."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

__all__ = ["Anatomy", "Part"]


class Part(NamedTuple):
    """One runnable inside another, and what it is there: a position, a key, a condition, nothing."""

    label: str
    node: Any


class Anatomy(NamedTuple):
    """How the parts of a node work together.

    leaf: there are none. sequence: one after another. parallel: all get the input, and each gives its key.
    assign: as parallel, and the input goes on beside them. choice: one of them gets the input. map: the one gets
    every item of a list. wrapper: the one is run in place of this node. fallback: the first gets the input, and when it
    fails the next.
    """

    kind: Literal["leaf", "sequence", "parallel", "assign", "choice", "map", "wrapper", "fallback"]
    parts: tuple[Part, ...] = ()

"""Where lines leave and reach boxes: so that as many as possible are straight, and those that lead back stand apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from plait.graphs.layout import Layout

__all__ = ["Step", "stepped"]


class Step(NamedTuple):
    """A piece of a line between two neighbouring rows: the columns and the items of its ends."""

    link: int
    above: int
    below: int
    start: int
    end: int
    turned: bool
    head_above: bool
    head_below: bool


class _End(NamedTuple):
    """One end of a step: the columns that it may have, and the one that it would like."""

    low: int
    high: int
    best: int


def stepped(layout: Layout, boxes: Sequence[int], inset: int) -> list[list[Step]]:
    """The steps of all lines by the row that they leave; none for the part of a line that runs in a lane.

    ``boxes`` are the widths of the boxes alone; a line meets one at least ``inset`` from its corners.
    """
    row_of = {item: number for number, row in enumerate(layout.rows) for item in row}
    ends = _Ends(layout, boxes, inset)
    steps: list[list[Step]] = [[] for _ in layout.rows]
    for route in layout.routes:
        joined = route.items if route.lane is None else route.items[:-1]
        for number, (above, below) in enumerate(pairwise(joined)):
            start, end = ends.between(above, below, route.turned)
            heads = (route.turned and number == 0, not route.turned and number == len(route.items) - 2)
            steps[row_of[above]].append(Step(route.link, above, below, start, end, route.turned, *heads))
    return steps


class _Ends:
    """Knows how many lines meet each side of each box, and so where one may do so."""

    def __init__(self, layout: Layout, boxes: Sequence[int], inset: int) -> None:
        self._x, self._boxes, self._inset = layout.x, boxes, inset
        self._meet: Counter[tuple[int, bool, bool]] = Counter()
        for route in layout.routes:
            self._meet[route.items[0], False, route.turned] += 1
            self._meet[route.items[-1], True, route.turned] += 1

    def between(self, above: int, below: int, turned: bool) -> tuple[int, int]:
        """The two columns of a step: the same one, if that can be."""
        first, second = self._end(above, False, turned), self._end(below, True, turned)
        low, high = max(first.low, second.low), min(first.high, second.high)
        if low <= high:
            narrow = first if first.high - first.low < second.high - second.low else second
            both = min(max(narrow.best, low), high)
            return both, both
        return first.best, second.best

    def _end(self, item: int, is_top: bool, turned: bool) -> _End:
        x = self._x[item]
        if item >= len(self._boxes):
            return _End(x, x, x)
        room = max(0, (self._boxes[item] - 1) // 2 - self._inset)
        same, other = self._meet[item, is_top, turned], self._meet[item, is_top, not turned]
        if same + other == 1:
            return _End(x - room, x + room, x)
        at = x + min(room, 4 * self._inset) if turned and other else x
        return _End(at, at, at)

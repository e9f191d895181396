"""Where boxes stand and lines run: layers from the top to the bottom, with few crossings and no line through a box.

A line that spans layers gets a place of its own in each of them (a *knot*), and so does its label; so that nothing can
overlap. Order by barycentres (Sugiyama et al. 1981), columns by isotonic regression (pool adjacent violators), both a
fixed number of sweeps: near-linear. Lines that would need too many knots run in *lanes* at the right-hand side.

Lengths are whole numbers of whatever unit the caller draws in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from typing import Final, NamedTuple

from plait.graphs.layers import Arc, Layered, layered

__all__ = ["Layout", "Route", "laid_out"]

_SWEEPS: Final = 4
_KNOTS: Final = 8_000
"""How many knots there may be beyond some per box; longer lines run in lanes."""
_STRAIGHT: Final = 8.0
"""How much more two items want to stand above each other that are joined to each other only."""


class Route(NamedTuple):
    """The items that a line runs through, downwards; ``lane`` lies between the last two of them if it is not None."""

    link: int
    items: list[int]
    turned: bool
    lane: int | None
    label: int | None


class Layout(NamedTuple):
    """Items (boxes, then knots) by rows, left to right; the centre and the width of each; the ways of the lines."""

    rows: list[list[int]]
    x: list[int]
    widths: list[int]
    routes: list[Route]
    lanes: int


def laid_out(
    widths: Sequence[int], links: Sequence[tuple[int, int]], labels: Sequence[int], *, gap: int, thread: int
) -> Layout:
    """A layout for boxes of ``widths``, ``links`` between them, and the widths of their labels (0: none).

    ``gap`` is the least distance between neighbours in a row, ``thread`` the width of a line that passes there.
    """
    found = layered(len(widths), [(*link, label > 0) for link, label in zip(links, labels, strict=True)])
    width, layer = list(widths), list(found.layer)
    routes = _routes(found, labels, width, layer, thread)
    rows = _rows(layer, found.met)
    near = _Neighbours(len(width), routes)
    _reduce_crossings(rows, near)
    return Layout(rows, _columns(rows, near, width, gap), width, routes, _lanes(routes, layer))


# --------------------------------------------------------------------------------------------------------------- knots


def _routes(found: Layered, labels: Sequence[int], width: list[int], layer: list[int], thread: int) -> list[Route]:
    """The way of each line, short ones first served with knots; ``width`` and ``layer`` grow by the knots."""
    left = _KNOTS + 4 * len(layer)
    routes: list[Route] = []
    for arc in sorted(found.arcs, key=lambda arc: layer[arc.bottom] - layer[arc.top]):
        span = layer[arc.bottom] - layer[arc.top]
        knots = range(layer[arc.top] + 1, layer[arc.bottom] if span <= left else layer[arc.top] + arc.length)
        routes.append(_route(arc, knots, span > left, labels[arc.link], width, layer, thread))
        left -= len(knots)
    return sorted(routes)


def _route(arc: Arc, knots: range, by_lane: bool, label: int, width: list[int], layer: list[int], thread: int) -> Route:
    at = _label_at(arc, knots) if label else None
    items = [arc.top]
    for row in knots:
        items.append(len(width))
        width.append(label if row == at else thread)
        layer.append(row)
    items.append(arc.bottom)
    named = items[at - knots.start + 1] if at is not None else None
    return Route(arc.link, items, arc.turned, 0 if by_lane else None, named)


def _label_at(arc: Arc, knots: range) -> int:
    """The label stands close to where the line comes from."""
    return knots[-1] if arc.turned else knots[0]


def _lanes(routes: list[Route], layer: Sequence[int]) -> int:
    """Give every line that needs one a lane that is free from its top to its bottom; how many lanes there are."""
    wanting = sorted(
        (layer[route.items[-2]], layer[route.items[-1]], number)
        for number, route in enumerate(routes)
        if route.lane is not None
    )
    busy: list[tuple[int, int]] = []
    lanes = 0
    for top, bottom, number in wanting:
        if busy and busy[0][0] < top:
            lane = heappop(busy)[1]
        else:
            lane, lanes = lanes, lanes + 1
        heappush(busy, (bottom, lane))
        routes[number] = routes[number]._replace(lane=lane)
    return lanes


# --------------------------------------------------------------------------------------------------------------- order


class _Neighbours:
    """What each item is joined to in the row above and below, and how straight the line between them should be."""

    __slots__ = ("down", "up")

    def __init__(self, count: int, routes: Iterable[Route]) -> None:
        steps: list[tuple[int, int]] = []
        self.up: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        self.down: list[list[tuple[int, float]]] = [[] for _ in range(count)]
        for route in routes:
            joined = route.items[:-1] if route.lane is not None else route.items
            steps += pairwise(joined)
        into, out = Counter(below for _, below in steps), Counter(above for above, _ in steps)
        for above, below in steps:
            weight = _STRAIGHT if out[above] == into[below] == 1 else 1.0
            self.down[above].append((below, weight))
            self.up[below].append((above, weight))


def _rows(layer: Sequence[int], met: Sequence[int]) -> list[list[int]]:
    """The items of each row: boxes as they were met, then knots."""
    rows: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for item in (*met, *range(len(met), len(layer))):
        rows[layer[item]].append(item)
    return rows


def _reduce_crossings(rows: list[list[int]], near: _Neighbours) -> None:
    place = [0.0] * len(near.up)
    _note_places(rows, place)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            _sort_row(row, near.up if down else near.down, place)


def _note_places(rows: Iterable[Sequence[int]], place: list[float]) -> None:
    for row in rows:
        for number, item in enumerate(row):
            place[item] = float(number)


def _sort_row(row: list[int], joined: Sequence[Sequence[tuple[int, float]]], place: list[float]) -> None:
    """Order a row by the mean place of what each item is joined to; one that is joined to nothing keeps its place."""
    mean = {
        item: sum(place[other] for other, _ in joined[item]) / len(joined[item]) if joined[item] else place[item]
        for item in row
    }
    row.sort(key=mean.__getitem__)
    _note_places((row,), place)


# ------------------------------------------------------------------------------------------------------------- columns


def _columns(rows: Sequence[Sequence[int]], near: _Neighbours, width: Sequence[int], gap: int) -> list[int]:
    """The centre of each item: below and above what it is joined to, as far as its neighbours in the row let it."""
    x = [0] * len(width)
    offsets = [_offsets(row, width, gap) for row in rows]
    for row, off in zip(rows, offsets, strict=True):
        for item, offset in zip(row, off, strict=True):
            x[item] = offset - off[-1] // 2
    for sweep in range(2 * _SWEEPS + 1):  # the last goes down, so that what stands alone below something is straight
        down = sweep % 2 == 0
        wish = _wishes(near.up if down else near.down, x)
        for number in range(len(rows)) if down else reversed(range(len(rows))):
            _shift_row(rows[number], wish, x, offsets[number])
    left = min((centre - wide // 2 for centre, wide in zip(x, width, strict=True)), default=0)
    return [centre - left for centre in x]


def _offsets(row: Sequence[int], width: Sequence[int], gap: int) -> list[int]:
    """How far the centre of each item is at least from that of the first."""
    offsets = [0]
    for before, item in pairwise(row):
        offsets.append(offsets[-1] + (width[before] + 1) // 2 + gap + (width[item] + 1) // 2)
    return offsets[: len(row)]


def _wishes(near: Sequence[Sequence[tuple[int, float]]], x: Sequence[int]) -> Callable[[int], tuple[float, float]]:
    """A function that tells where an item would like to stand, and how much."""

    def wish(item: int) -> tuple[float, float]:
        weight = sum(much for _, much in near[item])
        return (sum(x[other] * much for other, much in near[item]) / weight, weight) if weight else (x[item], 0.1)

    return wish


def _shift_row(
    row: Sequence[int], wish: Callable[[int], tuple[float, float]], x: list[int], offsets: Sequence[int]
) -> None:
    """Put each item as near to its wish as the distances allow (least squares: pool adjacent violators)."""
    pools: list[tuple[float, float, int]] = []
    for item, offset in zip(row, offsets, strict=True):
        (wanted, weight), size = wish(item), 1
        wanted -= offset
        while pools and pools[-1][0] > wanted:
            place, much, many = pools.pop()
            wanted = (place * much + wanted * weight) / (much + weight)
            weight, size = much + weight, size + many
        pools.append((wanted, weight, size))
    places = (round(place) for place, _, many in pools for _ in range(many))
    for item, place, offset in zip(row, places, offsets, strict=True):
        x[item] = place + offset

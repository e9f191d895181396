"""A graph in layers: every arrow leads down, by at least one layer, and those that lead back are turned round.

Longest-path layering after Sugiyama, Tagawa and Toda (1981), in linear time, on numbers: boxes are 0, 1, 2, …
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = ["Arc", "Layered", "layered"]

_WHITE: Final = 0
_OPEN: Final = 1
_DONE: Final = 2


class Arc(NamedTuple):
    """A link that leads down: ``link`` is its number, ``turned`` whether it was drawn the other way round."""

    link: int
    top: int
    bottom: int
    turned: bool
    length: int  # layers that it must span at least


class Layered(NamedTuple):
    """The layer of each box, the arcs, and the boxes in the order in which a walk from the sources meets them."""

    layer: list[int]
    arcs: list[Arc]
    met: list[int]


def layered(count: int, links: Sequence[tuple[int, int, bool]]) -> Layered:
    """Layers for ``count`` boxes and links ``(source, target, labelled)``; a link from a box to itself is left out."""
    turned, met = _turned(count, links)
    arcs: list[Arc] = []
    pairs: set[tuple[int, int]] = set()
    for number, (source, target, labelled) in enumerate(links):
        if source == target:
            continue
        top, bottom = (target, source) if turned[number] else (source, target)
        again = (top, bottom) in pairs  # a second line between two boxes needs a way of its own
        pairs.add((top, bottom))
        arcs.append(Arc(number, top, bottom, turned[number], 2 if labelled or again else 1))
    return Layered(_longest(count, arcs), arcs, met)


def _out(count: int, links: Sequence[tuple[int, int, bool]]) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in range(count)]
    for number, (source, _, _) in enumerate(links):
        out[source].append(number)
    return out


def _roots(count: int, links: Sequence[tuple[int, int, bool]]) -> list[int]:
    """Boxes to begin with: first those that nothing leads to."""
    reached = {target for source, target, _ in links if source != target}
    return [*(box for box in range(count) if box not in reached), *sorted(reached)]


def _turned(count: int, links: Sequence[tuple[int, int, bool]]) -> tuple[list[bool], list[int]]:
    """Which links lead back to a box that is still open in a depth-first walk, and the boxes as it meets them."""
    out, turned = _out(count, links), [False] * len(links)
    colour, met = [_WHITE] * count, list[int]()
    for root in _roots(count, links):
        if colour[root] != _WHITE:
            continue
        colour[root] = _OPEN
        met.append(root)
        stack = [(root, iter(out[root]))]
        while stack:
            box, rest = stack[-1]
            for number in rest:
                target = links[number][1]
                turned[number] = colour[target] == _OPEN  # one from a box to itself, too, but that is left out
                if colour[target] == _WHITE:
                    colour[target] = _OPEN
                    met.append(target)
                    stack.append((target, iter(out[target])))
                    break
            else:
                colour[box] = _DONE
                stack.pop()
    return turned, met


def _longest(count: int, arcs: Sequence[Arc]) -> list[int]:
    """For each box the length of the longest way to it; a source stands right above what it leads to."""
    down: list[list[Arc]] = [[] for _ in range(count)]
    waits = [0] * count
    for arc in arcs:
        down[arc.top].append(arc)
        waits[arc.bottom] += 1
    sources = [box for box in range(count) if not waits[box]]
    layer, ready = [0] * count, list(sources)
    while ready:
        box = ready.pop()
        for arc in down[box]:
            layer[arc.bottom] = max(layer[arc.bottom], layer[box] + arc.length)
            waits[arc.bottom] -= 1
            if not waits[arc.bottom]:
                ready.append(arc.bottom)
    for box in sources:
        if down[box]:
            layer[box] = min(layer[arc.bottom] - arc.length for arc in down[box])
    return layer

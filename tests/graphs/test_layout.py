"""Where lines bend and where they run beside everything: decisions on numbers alone."""

from __future__ import annotations

import itertools

from plait.graphs.layers import layered
from plait.graphs.layout import laid_out
from plait.graphs.ports import Step
from plait.graphs.tracks import on_tracks


def step(above: int, below: int, start: int, end: int) -> Step:
    return Step(0, above, below, start, end, False, False, False)


def test_every_line_leads_down() -> None:
    """Layers are those of the longest way, and only lines that close a circle are turned round."""
    found = layered(4, [(0, 1, False), (1, 2, False), (0, 2, False), (2, 0, False), (2, 3, True), (3, 3, False)])

    assert found.layer == [0, 1, 2, 4]
    assert [arc.turned for arc in found.arcs] == [False, False, False, True, False]


def test_source_stands_above_what_it_leads_to() -> None:
    """A box that nothing leads to is not left at the top of everything."""
    assert layered(4, [(0, 1, False), (1, 2, False), (3, 2, False)]).layer == [0, 1, 2, 1]


def test_leaving_bends_above_arriving() -> None:
    """In a column that one line leaves and another reaches, they do not run over each other."""
    tracks, count = on_tracks([step(0, 5, 0, 10), step(1, 6, 10, 20)])

    assert (tracks, count) == ([1, 0], 2)


def test_arriving_keeps_below_though_there_is_room_above() -> None:
    """A third line may press the one that leaves down; the one that arrives then goes below it, too."""
    tracks, count = on_tracks([step(0, 5, 2, 8), step(1, 6, 10, 5), step(2, 7, 30, 10)])

    assert (tracks, count) == ([0, 1, 2], 3)


def test_lines_of_one_fork_share_a_track() -> None:
    """Lines from one box are drawn as one that forks; those apart from it can be at the same height."""
    tracks, count = on_tracks([step(0, 5, 4, 0), step(0, 6, 4, 8), step(1, 7, 20, 30)])

    assert (tracks, count) == ([0, 0, 0], 1)


def test_straight_lines_need_no_track() -> None:
    """They just go down."""
    assert on_tracks([step(0, 1, 4, 4)]) == ([None], 0)


def test_lanes_are_shared_but_never_at_the_same_height() -> None:
    """Long lines in great number run beside the boxes: one lane holds several, one below the other."""
    row = [(number, number + 1) for number in range(999)]
    long = [(start, start + 400) for start in range(0, 600, 5)]
    layout = laid_out([10] * 1000, row + long, [0] * (len(row) + len(long)), gap=2, thread=1)
    taken: dict[int, list[tuple[int, int]]] = {}
    for route in layout.routes:
        if route.lane is not None:
            taken.setdefault(route.lane, []).append((route.items[-2], route.items[-1]))

    assert 1 < len(taken) == layout.lanes < sum(map(len, taken.values()))
    for spans in taken.values():
        assert all(low < high for (_, low), (high, _) in itertools.pairwise(sorted(spans)))

"""A graph as text: boxes and arrows of ASCII characters, for terminals, logs and docstrings.

    +-------------+        | -  a line          : .  one that is followed only sometimes
    | PromptInput |        +    a bend or fork  --|-- two lines that cross
    +-------------+
           |
           v

What would be too large to be read is written as a list of boxes and of what they lead to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from plait.graphs.labels import cells, clipped, width_in_cells
from plait.graphs.layout import Layout, laid_out
from plait.graphs.picture import Line, Picture
from plait.graphs.ports import Step, stepped
from plait.graphs.tracks import on_tracks

__all__ = ["drawn_as_text"]

_LABEL: Final = 60  # characters
_GAP: Final = 2
_LARGEST: Final = 1_500_000  # characters of a drawing
_BUSIEST: Final = 600  # lines between two rows


def drawn_as_text(picture: Picture) -> str:
    """The picture, without trailing spaces; the empty text for one without boxes."""
    if not picture.boxes:
        return ""
    loops = _loops(picture)
    names = [clipped(box.label, _LABEL) for box in picture.boxes]
    widths = [width_in_cells(name) + 4 + 2 * _loop_room(loops.get(box, ())) for box, name in enumerate(names)]
    labels = [width_in_cells(clipped(line.label, _LABEL)) + 2 if line.label else 0 for line in picture.lines]
    layout = laid_out(widths, [(line.source, line.target) for line in picture.lines], labels, gap=_GAP, thread=1)
    if layout.lanes or _is_too_large(layout):
        return _listed(picture)
    return _Sheet(picture, layout, names, loops).text()


def _loops(picture: Picture) -> dict[int, list[Line]]:
    """The lines from a box to itself."""
    found: dict[int, list[Line]] = {}
    for line in picture.lines:
        if line.source == line.target:
            found.setdefault(line.source, []).append(line)
    return found


def _loop_room(loops: Sequence[Line]) -> int:
    return sum(4 + (width_in_cells(clipped(line.label, _LABEL)) + 1 if line.label else 0) for line in loops)


def _is_too_large(layout: Layout) -> bool:
    width = max(centre + wide for centre, wide in zip(layout.x, layout.widths, strict=True))
    passing = Counter(row_of for route in layout.routes for row_of in route.items)
    busiest = max((sum(passing[item] for item in row) for row in layout.rows), default=0)
    return width * 5 * len(layout.rows) > _LARGEST or busiest > _BUSIEST


def _listed(picture: Picture) -> str:
    """Each box on a line, and under it what it leads to."""
    names = [clipped(box.label, _LABEL) for box in picture.boxes]
    often = Counter(names)
    names = [name if often[name] == 1 else f"{name} [{number}]" for number, name in enumerate(names, 1)]
    leads: list[list[str]] = [[] for _ in names]
    for line in picture.lines:
        said = f"  ({clipped(line.label, _LABEL)})" if line.label else ""
        leads[line.source].append(f"    {'..>' if line.dashed else '-->'} {names[line.target]}{said}")
    return "\n".join(text for name, arrows in zip(names, leads, strict=True) for text in (name, *arrows))


# -------------------------------------------------------------------------------------------------------------- a sheet


class _Sheet:
    """Characters by rows and columns, on which boxes and lines are drawn."""

    def __init__(self, picture: Picture, layout: Layout, names: Sequence[str], loops: dict[int, list[Line]]) -> None:
        self._picture, self._layout, self._names, self._loops = picture, layout, names, loops
        self._width = max(centre + wide for centre, wide in zip(layout.x, layout.widths, strict=True)) + 1
        self._rows: list[list[str]] = []
        boxes = [width_in_cells(name) + 4 for name in names]
        steps = stepped(layout, boxes, 1)
        dashed = {item: picture.lines[route.link].dashed for route in layout.routes for item in route.items[1:-1]}
        labels = {route.label: picture.lines[route.link].label for route in layout.routes if route.label is not None}
        for number, row in enumerate(layout.rows):
            self._draw_row(row, dashed, labels)
            self._draw_gap(steps[number])

    def text(self) -> str:
        lines = ["".join(row).rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return "\n".join(lines)

    def _more(self, count: int) -> int:
        """Add empty lines; the number of the first of them."""
        first = len(self._rows)
        self._rows += [[" "] * self._width for _ in range(count)]
        return first

    def _write(self, row: int, column: int, text: str) -> None:
        columns = cells(text)
        self._rows[row][column : column + len(columns)] = columns

    # ------------------------------------------------------------------------------------------------------------- rows

    def _draw_row(self, row: Sequence[int], dashed: dict[int, bool], labels: dict[int, str]) -> None:
        height = 3 if any(item < len(self._names) for item in row) else 1
        top = self._more(height)
        for item in row:
            if item < len(self._names):
                self._draw_box(top, item)
                continue
            for line in range(top, top + height):
                self._write(line, self._layout.x[item], ":" if dashed[item] else "|")
            if item in labels:
                said = f" {clipped(labels[item], _LABEL)} "
                self._write(top + height // 2, self._layout.x[item] - width_in_cells(said) // 2, said)

    def _draw_box(self, top: int, box: int) -> None:
        name = self._names[box]
        wide = width_in_cells(name)
        left = self._layout.x[box] - (wide + 4) // 2
        for row, text in enumerate((f"+-{'-' * wide}-+", f"| {name} |", f"+-{'-' * wide}-+")):
            self._write(top + row, left, text)
        right = left + wide + 4
        for loop in self._loops.get(box, ()):
            right = self._draw_loop(top, right, loop)

    def _draw_loop(self, top: int, left: int, loop: Line) -> int:
        along, side = "..+" if loop.dashed else "--+", ":" if loop.dashed else "|"
        said = clipped(loop.label, _LABEL) if loop.label else ""
        self._write(top, left, along)
        self._write(top + 1, left + 2, f"{side} {said}".rstrip())
        self._write(top + 2, left, "<" + along[1:])
        return left + _loop_room([loop])

    # ------------------------------------------------------------------------------------------------------------- gaps

    def _draw_gap(self, steps: Sequence[Step]) -> None:
        if not steps:
            return
        tracks, count = on_tracks(steps)
        top = self._more(count + 2)
        for step, track in zip(steps, tracks, strict=True):
            self._draw_step(step, top, None if track is None else top + 1 + track)
        for step in steps:
            self._draw_heads(step, top)

    def _draw_step(self, step: Step, top: int, bend: int | None) -> None:
        upright, level = (":", ".") if self._picture.lines[step.link].dashed else ("|", "-")
        for row in range(top, len(self._rows)):
            self._cross(row, step.start if bend is None or row <= bend else step.end, upright)
        if bend is None:
            return
        for column in range(min(step.start, step.end) + 1, max(step.start, step.end)):
            self._cross(bend, column, level)
        self._rows[bend][step.start] = self._rows[bend][step.end] = "+"

    def _cross(self, row: int, column: int, stroke: str) -> None:
        """Draw a stroke where there may be one already: a bend stays, and of two that cross the upright one is seen."""
        there = self._rows[row][column]
        if there == " " or (stroke in "|:" and there in "-.") or (stroke, there) in (("|", ":"), ("-", ".")):
            self._rows[row][column] = stroke

    def _draw_heads(self, step: Step, top: int) -> None:
        if step.head_above:
            self._rows[top][step.start] = "^"
        if step.head_below:
            self._rows[-1][step.end] = "v"

"""A picture in pixels: where boxes, labels and lines are, and in which colours; SVG and PNG show the same.

The colours are meant for light and for dark paper alike: dark text in pale boxes, lines of a middle grey.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from plait.graphs.labels import clipped, width_in_pixels
from plait.graphs.layout import Layout, laid_out
from plait.graphs.picture import Line, Picture
from plait.graphs.ports import Step, stepped

__all__ = [
    "COLOURS",
    "FONT_SIZE",
    "LABEL_SIZE",
    "LINE",
    "TEXT",
    "Caption",
    "Point",
    "Scene",
    "Shape",
    "Stroke",
    "flattened",
    "is_curved",
    "scene_of",
]

Point = tuple[int, int]

FONT_SIZE: Final = 14
LABEL_SIZE: Final = 12
LINE: Final = "#868e96"
TEXT: Final = "#212529"
COLOURS: Final = {
    # of each kind the inside and the border
    "schema": ("#f1f3f5", "#adb5bd"),
    "prompt": ("#fff3bf", "#f08c00"),
    "model": ("#d0ebff", "#1c7ed6"),
    "parser": ("#d3f9d8", "#2f9e44"),
    "retriever": ("#e5dbff", "#7048e8"),
    "tool": ("#ffe3e3", "#e03131"),
    "function": ("#c5f6fa", "#0c8599"),
    "passthrough": ("#f8f9fa", "#868e96"),
    "choice": ("#ffe8cc", "#e8590c"),
    "map": ("#ffdeeb", "#c2255c"),
    "step": ("#e9ecef", "#495057"),
}

_LABEL: Final = 48  # characters
_BOX: Final = 38
_ROW_OF_KNOTS: Final = 24
_CAPTION: Final = 20
_PADDING: Final = 18
_LOOP: Final = 20
_GAP: Final = 28
_MARGIN: Final = 12
_LANE: Final = 10
_BETWEEN: Final = 44  # two rows, at least
_SLANT: Final = 90  # more, where lines have far to go


class Shape(NamedTuple):
    """A box; ``text`` is what fits in, ``full`` all of it."""

    x: int
    y: int
    width: int
    height: int
    text: str
    full: str
    kind: str


class Stroke(NamedTuple):
    """A line from point to point, with an arrowhead at its last one; see ``is_curved``."""

    points: Sequence[Point]
    dashed: bool
    full: str


class Caption(NamedTuple):
    """A label on a line, in a box of its own."""

    x: int
    y: int
    width: int
    height: int
    text: str


class Scene(NamedTuple):
    """What there is to draw, lines first; the top left corner is 0, 0."""

    width: int
    height: int
    strokes: list[Stroke]
    captions: list[Caption]
    shapes: list[Shape]


def is_curved(start: Point, end: Point) -> bool:
    """Whether the line between two points is a curve, upright at both ends; it is straight where one is above or beside the other."""
    return start[0] != end[0] and start[1] != end[1]


def scene_of(picture: Picture) -> Scene:
    """The picture, laid out."""
    names = [clipped(box.label, _LABEL) for box in picture.boxes]
    boxes = [width_in_pixels(name, FONT_SIZE) + 2 * _PADDING for name in names]
    loops = _loops(picture.lines)
    widths = [width + 2 * sum(map(_loop_room, loops.get(box, ()))) for box, width in enumerate(boxes)]
    labels = [_caption_width(line.label) if line.label else 0 for line in picture.lines]
    links = [(line.source, line.target) for line in picture.lines]
    layout = laid_out(widths, links, labels, gap=_GAP, thread=_PADDING)
    placed = _Placed(layout, stepped(layout, boxes, 14), len(boxes))
    shapes = [
        Shape(placed.x(box) - boxes[box] // 2, placed.top(box), boxes[box], _BOX, names[box], plain.label, plain.kind)
        for box, plain in enumerate(picture.boxes)
    ]
    strokes, captions = _lines(picture, layout, placed)
    for box, lines in loops.items():
        _add_loops(shapes[box], lines, strokes, captions)
    return Scene(placed.width, placed.height, strokes, captions, shapes)


class _Placed:
    """A layout with the height of its rows and of the gaps between them."""

    def __init__(self, layout: Layout, steps: Sequence[Sequence[Step]], boxes: int) -> None:
        self.tops: list[int] = []
        self.heights = [_BOX if any(item < boxes for item in row) else _ROW_OF_KNOTS for row in layout.rows]
        self.row_of = {item: number for number, row in enumerate(layout.rows) for item in row}
        self.by_link: dict[int, list[Step]] = {}
        y = _MARGIN
        for height, leaving in zip(self.heights, steps, strict=True):
            self.tops.append(y)
            y += height + _between(leaving)
            for step in leaving:
                self.by_link.setdefault(step.link, []).append(step)
        self._x = layout.x
        self.right = max((x + (wide + 1) // 2 for x, wide in zip(layout.x, layout.widths, strict=True)), default=0)
        self.width = self.right + 2 * _MARGIN + (layout.lanes + 1) * _LANE * bool(layout.lanes)
        self.height = self.tops[-1] + self.heights[-1] + _MARGIN if self.tops else 2 * _MARGIN

    def x(self, item: int) -> int:
        return self._x[item] + _MARGIN

    def top(self, item: int) -> int:
        return self.tops[self.row_of[item]]

    def bottom(self, item: int) -> int:
        row = self.row_of[item]
        return self.tops[row] + self.heights[row]

    def lane(self, number: int) -> int:
        return self.right + _MARGIN + (number + 1) * _LANE


def _between(steps: Iterable[Step]) -> int:
    """The height of a gap: the farther its lines go sideways, the more room they get."""
    return _BETWEEN + min(_SLANT, max((abs(step.start - step.end) for step in steps), default=0) // 8)


# --------------------------------------------------------------------------------------------------------------- lines


def _caption_width(label: str) -> int:
    return width_in_pixels(clipped(label, _LABEL), LABEL_SIZE) + 16


def _lines(picture: Picture, layout: Layout, placed: _Placed) -> tuple[list[Stroke], list[Caption]]:
    strokes: list[Stroke] = []
    captions: list[Caption] = []
    for route in layout.routes:
        line = picture.lines[route.link]
        points = _points(placed.by_link.get(route.link, []), placed)
        if route.lane is not None:
            points += _by_lane(route.items[-2], route.items[-1], route.lane, placed)
        full = f"{picture.boxes[line.source].label} → {picture.boxes[line.target].label}"
        strokes.append(Stroke(points[::-1] if route.turned else points, line.dashed, full))
        if route.label is not None:
            middle = (placed.top(route.label) + placed.bottom(route.label)) // 2
            captions.append(_caption(placed.x(route.label), middle, line.label))
    return strokes, captions


def _points(steps: Iterable[Step], placed: _Placed) -> list[Point]:
    points: list[Point] = []
    for step in steps:
        points.append((step.start + _MARGIN, placed.bottom(step.above)))
        points.append((step.end + _MARGIN, placed.top(step.below)))
    return points


def _by_lane(above: int, below: int, lane: int, placed: _Placed) -> list[Point]:
    """From an item to one far below, at the right of everything."""
    start, end = placed.bottom(above), placed.top(below)
    along, out, back = placed.lane(lane), start + 12 + lane % 4 * 3, end - 14 - lane % 4 * 3
    x, at = placed.x(above), placed.x(below)
    return [(x, start), (x, out), (along, out), (along, back), (at, back), (at, end)]


def _caption(x: int, y: int, label: str) -> Caption:
    width = _caption_width(label)
    return Caption(x - width // 2, y - _CAPTION // 2, width, _CAPTION, clipped(label, _LABEL))


# --------------------------------------------------------------------------------------------------------------- loops


def _loops(lines: Sequence[Line]) -> dict[int, list[Line]]:
    """The lines from a box to itself."""
    found: dict[int, list[Line]] = {}
    for line in lines:
        if line.source == line.target:
            found.setdefault(line.source, []).append(line)
    return found


def _loop_room(line: Line) -> int:
    return _LOOP + (_caption_width(line.label) + 4 if line.label else 0)


def _add_loops(shape: Shape, lines: Iterable[Line], strokes: list[Stroke], captions: list[Caption]) -> None:
    x, right = shape.x + shape.width, shape.x + shape.width
    for number, line in enumerate(lines):
        far, inset = right + _LOOP - 6, max(10 - 3 * number, 2)
        upper, lower = shape.y + inset, shape.y + shape.height - inset
        points = [(x, upper), (far, upper), (far, lower), (x, lower)]
        strokes.append(Stroke(points, line.dashed, f"{shape.full} → {shape.full}"))
        if line.label:
            middle = far + 4 + _caption_width(line.label) // 2
            captions.append(_caption(middle, shape.y + shape.height // 2, line.label))
        right += _loop_room(line)


def flattened(points: Sequence[Point], pieces: int = 12) -> list[tuple[float, float]]:
    """The points of a line whose curves are cut into straight pieces."""
    flat: list[tuple[float, float]] = list(points[:1])
    for start, end in pairwise(points):
        flat += _curve(start, end, pieces) if is_curved(start, end) else [end]
    return flat


def _curve(start: Point, end: Point, pieces: int) -> list[tuple[float, float]]:
    """A cubic that leaves and arrives upright, with its control points half-way."""
    (x0, y0), (x1, y1) = start, end
    found: list[tuple[float, float]] = []
    for number in range(1, pieces + 1):
        t = number / pieces
        s = t * t * (3 - 2 * t)
        found.append((x0 + (x1 - x0) * s, y0 + (y1 - y0) * (1.5 * t * (1 - t) + t * t * t)))
    return found

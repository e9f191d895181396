"""A graph as SVG: no font, style sheet, script or other file is needed to show it (SVG 1.1)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from zlib import crc32

from plait.graphs.labels import plain
from plait.graphs.picture import Picture
from plait.graphs.scene import (
    COLOURS,
    FONT_SIZE,
    LABEL_SIZE,
    LINE,
    TEXT,
    Caption,
    Point,
    Scene,
    Shape,
    Stroke,
    is_curved,
    scene_of,
)

__all__ = ["drawn_as_svg"]

_FONT = "system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"


def drawn_as_svg(picture: Picture) -> str:
    """The picture as one ``svg`` element; groups of class ``node`` and ``edge`` have the full names as titles."""
    scene = scene_of(picture)
    body = "\n".join(_body(scene))
    arrow = f"plait-arrow-{crc32(body.encode('utf-8')):08x}"  # several pictures may stand on one page
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{scene.width}" height="{scene.height}" \
viewBox="0 0 {scene.width} {scene.height}" role="img" font-family="{_FONT}">
<title>graph of {len(picture.boxes)} nodes and {len(picture.lines)} edges</title>
<defs><marker id="{arrow}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">\
<path d="M0 0L10 5L0 10z" fill="{LINE}"/></marker></defs>
<g fill="none" stroke="{LINE}" stroke-width="1.5" stroke-linejoin="round">
{chr(10).join(_stroke(stroke, arrow) for stroke in scene.strokes)}
</g>
{body}
</svg>"""


def _body(scene: Scene) -> Iterable[str]:
    yield f'<g font-size="{LABEL_SIZE}" text-anchor="middle" fill="{TEXT}">'
    yield from map(_caption, scene.captions)
    yield f'</g>\n<g font-size="{FONT_SIZE}" text-anchor="middle" fill="{TEXT}">'
    yield from map(_shape, scene.shapes)
    yield "</g>"


def _escaped(text: str) -> str:
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        text = text.replace(char, entity)
    return text


def _shape(shape: Shape) -> str:
    inside, border = COLOURS.get(shape.kind, COLOURS["step"])
    round_by = shape.height // 2 if shape.kind == "schema" else 8
    return (
        f'<g class="node {_escaped(shape.kind)}"><title>{_escaped(plain(shape.full))}</title>'
        f'<rect x="{shape.x}" y="{shape.y}" width="{shape.width}" height="{shape.height}" rx="{round_by}" '
        f'fill="{inside}" stroke="{border}" stroke-width="1.5"/>'
        f'<text x="{shape.x + shape.width // 2}" y="{shape.y + shape.height // 2 + 5}">{_escaped(shape.text)}</text></g>'
    )


def _caption(caption: Caption) -> str:
    return (
        f'<g class="label"><rect x="{caption.x}" y="{caption.y}" width="{caption.width}" height="{caption.height}" '
        f'rx="6" fill="#f8f9fa" stroke="#ced4da"/>'
        f'<text x="{caption.x + caption.width // 2}" y="{caption.y + 14}">{_escaped(caption.text)}</text></g>'
    )


def _stroke(stroke: Stroke, arrow: str) -> str:
    dashes = ' stroke-dasharray="5 4"' if stroke.dashed else ""
    return (
        f'<path class="edge" d="{_path(stroke.points)}"{dashes} marker-end="url(#{arrow})">'
        f"<title>{_escaped(plain(stroke.full))}</title></path>"
    )


def _path(points: Iterable[Point]) -> str:
    (x, y), *_ = points = list(points)
    return f"M{x} {y}" + "".join(_piece(start, end) for start, end in pairwise(points))


def _piece(start: Point, end: Point) -> str:
    if not is_curved(start, end):
        return f"L{end[0]} {end[1]}"
    middle = (start[1] + end[1]) // 2
    return f"C{start[0]} {middle} {end[0]} {middle} {end[0]} {end[1]}"

"""A graph as PNG, drawn on this machine with Pillow; nothing is sent anywhere.

Pillow brings a font for Latin letters. For names in other scripts a font of the system is looked for; ``fontname``
names another one.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING, Any, Final

from plait.errors import MissingExtraError
from plait.graphs.picture import Picture
from plait.graphs.scene import COLOURS, FONT_SIZE, LABEL_SIZE, LINE, TEXT, Scene, Stroke, flattened, scene_of

__all__ = ["drawn_as_png"]

if TYPE_CHECKING:
    from PIL.Image import Image

_SCALE: Final = 2.0
_MOST_PIXELS: Final = 24_000_000
"""Of a picture; a larger one is drawn smaller."""
_SYSTEM_FONTS: Final = (
    "NotoSansCJK-Regular.ttc",
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf",
    "arial.ttf",
)


def drawn_as_png(picture: Picture, *, fontname: str | None, background: str, padding: int) -> bytes:
    """The picture as a PNG file: two pixels for one of the SVG, as far as that is not too large."""
    pillow = _pillow()
    scene = scene_of(picture)
    wide, high = scene.width + 2 * padding, scene.height + 2 * padding
    scale = min(_SCALE, sqrt(_MOST_PIXELS / (wide * high)))
    canvas = _Canvas(pillow, (wide, high), scale, background, fontname)
    canvas.draw(scene, padding)
    return canvas.png()


def _pillow() -> Any:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise MissingExtraError(
            "PNG pictures need the extra `draw`: pip install 'plait[draw]'; draw_svg() needs nothing"
        ) from error
    return Image, ImageDraw, ImageFont


class _Canvas:
    """A Pillow image with the coordinates of a scene."""

    def __init__(self, pillow: Any, size: tuple[int, int], scale: float, background: str, fontname: str | None) -> None:
        image, draw, self._fonts = pillow
        self._scale, self._fontname = scale, fontname
        self._image: Image = image.new("RGBA", tuple(max(1, round(side * scale)) for side in size), background)
        self._draw = draw.Draw(self._image)
        self._shift = 0
        self._font = cache(self._find_font)

    def png(self) -> bytes:
        file = BytesIO()
        self._image.save(file, "PNG")
        return file.getvalue()

    def draw(self, scene: Scene, padding: int) -> None:
        self._shift = padding
        for stroke in scene.strokes:
            self._stroke(stroke)
        for caption in scene.captions:
            self._box(caption[:4], 6, "#f8f9fa", "#ced4da")
            self._text(caption[:4], caption.text, LABEL_SIZE)
        for shape in scene.shapes:
            colours = COLOURS.get(shape.kind, COLOURS["step"])
            self._box(shape[:4], shape.height // 2 if shape.kind == "schema" else 8, *colours)
            self._text(shape[:4], shape.text, FONT_SIZE)

    def _at(self, x: float, y: float) -> tuple[float, float]:
        return (x + self._shift) * self._scale, (y + self._shift) * self._scale

    def _box(self, place: tuple[int, int, int, int], round_by: int, inside: str, border: str) -> None:
        x, y, width, height = place
        corners = (*self._at(x, y), *self._at(x + width, y + height))
        self._draw.rounded_rectangle(corners, round_by * self._scale, inside, border, self._thick)

    @property
    def _thick(self) -> int:
        return max(1, round(1.5 * self._scale))

    def _text(self, place: tuple[int, int, int, int], text: str, size: int) -> None:
        x, y, width, height = place
        if size * self._scale < 2:  # nobody could read it
            return
        font = self._font(size, text.isascii())
        self._draw.text(self._at(x + width / 2, y + height / 2), text, TEXT, font, anchor="mm")

    def _find_font(self, size: int, is_latin: bool) -> Any:
        pixels = size * self._scale
        if self._fontname is not None:
            return self._named_font(self._fontname, pixels)
        for name in () if is_latin else _SYSTEM_FONTS:
            try:
                return self._fonts.truetype(name, pixels)
            except OSError:
                continue
        return self._fonts.load_default(pixels)

    def _named_font(self, name: str, pixels: float) -> Any:
        try:
            return self._fonts.truetype(name, pixels)
        except OSError as error:
            raise ValueError(f"there is no font {name!r}: give the path of a TrueType file, or leave it out") from error

    # ------------------------------------------------------------------------------------------------------------ lines

    def _stroke(self, stroke: Stroke) -> None:
        points = [self._at(x, y) for x, y in flattened(stroke.points)]
        for piece in _dashes(points, 5 * self._scale, 4 * self._scale) if stroke.dashed else [points]:
            self._draw.line(piece, LINE, self._thick, joint="curve")
        self._draw.polygon(_arrowhead(points, 9 * self._scale), LINE)


def _arrowhead(points: list[tuple[float, float]], size: float) -> list[tuple[float, float]]:
    """A triangle with its tip at the last point, in the direction of the last piece."""
    (x0, y0), (x1, y1) = points[-2:]
    length = sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2) or 1.0
    dx, dy = (x1 - x0) / length * size, (y1 - y0) / length * size
    return [(x1, y1), (x1 - dx - dy / 2, y1 - dy + dx / 2), (x1 - dx + dy / 2, y1 - dy - dx / 2)]


def _dashes(points: list[tuple[float, float]], on: float, off: float) -> list[list[tuple[float, float]]]:
    """A line cut into pieces that are ``on`` long and ``off`` apart."""
    dashes: list[list[tuple[float, float]]] = []
    left, drawing, piece = on, True, [points[0]]
    for end in points[1:]:
        start = piece[-1]
        while (length := sqrt((end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2)) > left:
            part = left / length
            start = (start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)
            if drawing:
                dashes.append([*piece, start])
            drawing, left, piece = not drawing, off if drawing else on, [start]
        left -= length
        piece = [*piece, end] if drawing else [end]
    return [*dashes, piece] if drawing and len(piece) > 1 else dashes

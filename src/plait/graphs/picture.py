"""What is drawn: boxes with a label and a kind, and lines between them by number. No runnable, no ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Box", "Line", "Picture"]


class Box(NamedTuple):
    """A labelled box; ``kind`` decides on its colour and shape."""

    label: str
    kind: str = "step"


class Line(NamedTuple):
    """An arrow between two boxes, given by their numbers; ``dashed`` if it is only sometimes followed."""

    source: int
    target: int
    label: str = ""
    dashed: bool = False


class Picture(NamedTuple):
    """Boxes and lines; ``source`` and ``target`` of a line are positions in ``boxes``."""

    boxes: Sequence[Box]
    lines: Sequence[Line]

"""Names as they can be drawn: on one line, of visible characters, of a bounded length; and how wide they are.

A name may come from anywhere. What would move the cursor, turn the direction of the text or end a document becomes
``�``, white space becomes a space.
"""

from __future__ import annotations

from typing import Final
from unicodedata import category, combining, east_asian_width

__all__ = ["cells", "clipped", "plain", "width_in_cells", "width_in_pixels"]

_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINER: Final = "\u200d"  # holds an emoji of several parts together
_NO_NAME: Final = "(no name)"


def plain(text: object) -> str:
    """One line of visible characters; never empty."""
    words = " ".join(str(text).split())
    if words.isascii() and words.isprintable():
        return words or _NO_NAME
    return "".join(map(_visible, words)) or _NO_NAME


def _visible(char: str) -> str:
    return "\ufffd" if category(char) in _INVISIBLE and char != _JOINER else char


def clipped(text: object, limit: int) -> str:
    """As ``plain``, and at most ``limit`` characters, the last of which is then ``…``."""
    line = plain(text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def cells(text: str) -> list[str]:
    """The columns of a terminal that a text takes: a wide character has an empty one after it, a mark has none."""
    columns: list[str] = []
    for char in text:
        if columns and (combining(char) or char == _JOINER or category(char) in ("Mn", "Me")):
            last = -1 if columns[-1] else -2
            columns[last] += char
            continue
        columns.append(char)
        if east_asian_width(char) in "WF":
            columns.append("")
    return columns


def width_in_cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return len(text) if text.isascii() else len(cells(text))


_NARROW: Final = frozenset("iljtfrI.,:;'|!()[]{} `")
_BROAD: Final = frozenset("mwMW@%&")


def _em(char: str) -> float:
    if char in _NARROW:
        return 0.36
    if char in _BROAD:
        return 0.95
    if char.isupper() or char in "<>=+~_…":
        return 0.72
    return 1.05 if east_asian_width(char) in "WF" else 0.6


def width_in_pixels(text: str, size: float) -> int:
    """About how wide a text is in a sans-serif font of that size; rather more than less."""
    return round(size * sum(map(_em, text)))

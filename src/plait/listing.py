"""A chain as text, one line a step: what ``print(chain)`` shows, and a notebook.

Only names, kinds and the keys that steps need are shown; no argument, no config and no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from plait.anatomy import Anatomy, Part
from plait.graphs import graph_of
from plait.graphs.graph import shown_name
from plait.graphs.labels import clipped, width_in_cells
from plait.graphs.parts import Walk, anatomy_of, kind_of, walked

__all__ = ["listing", "listing_html", "mimebundle"]

_SHOWN: Final = 30
"""Of the parts of one node; of more, the first and the last are shown."""
_FIRST: Final = 20
_LAST: Final = 6
_LINES: Final = 250
"""After so many lines, what a step is made of is only counted."""
_DEEPEST: Final = 16
_NAME: Final = 60  # characters
_DRAWN: Final = 150  # nodes of a graph that a notebook shows unasked


class _Line(NamedTuple):
    """A line: how far it is indented, what it begins with (a number, a key), the name of the step, and remarks."""

    depth: int
    label: str
    name: str = ""
    remark: str = ""

    @property
    def text(self) -> str:
        return f"{'  ' * self.depth}{self.label}{' ' if self.label and self.name else ''}{self.name}"


class _Lister:
    """Collects lines; ``called`` is what a node is named after: the outermost wrapper of it, or itself."""

    def __init__(self) -> None:
        self.lines: list[_Line] = []
        self._open: set[int] = set()

    def node(self, label: str, node: Any, called: Any, depth: int) -> Walk[None]:
        anatomy = anatomy_of(node)
        if anatomy.kind == "leaf":
            self._put(label, called, depth, _remark(node))
        elif id(node) in self._open:
            self._put(label, called, depth, "again")
        elif depth >= _DEEPEST or len(self.lines) >= _LINES:
            self._put(label, called, depth, f"of {len(anatomy.parts)}")
        else:
            self._open.add(id(node))
            yield self._composite(label, node, called, depth)
            self._open.discard(id(node))

    def _composite(self, label: str, node: Any, called: Any, depth: int) -> Walk[None]:
        kind, parts = anatomy_of(node)
        if kind == "wrapper":
            yield self.node(label, parts[0].node, called, depth)
            return
        if kind != "sequence" or getattr(called, "name", None) or called is not node:
            self._put(label, called, depth, kind_of(node) if kind == "choice" else "")
            depth += 1
        elif label:
            self.lines.append(_Line(depth, label))
            depth += 1
        for place, part in _shown(parts):
            if part is None:
                self.lines.append(_Line(depth, f"… {place} more"))
            else:
                label = _label(kind, place, len(parts), part)
                yield self.node(label, part.node, part.node, depth)

    def _put(self, label: str, called: Any, depth: int, remark: str) -> None:
        self.lines.append(_Line(depth, label, clipped(shown_name(called), _NAME), remark))


def _shown(parts: Sequence[Part]) -> Iterator[tuple[int, Part | None]]:
    """The parts with their places, counted from one; of many the first and last, and between them how many there are."""
    numbered = list(enumerate(parts, 1))
    if len(parts) <= _SHOWN:
        yield from numbered
        return
    yield from numbered[:_FIRST]
    yield len(parts) - _FIRST - _LAST, None
    yield from numbered[-_LAST:]


def _label(kind: str, place: int, count: int, part: Part) -> str:
    if kind == "sequence":
        return str(place).rjust(len(str(count)))
    return f"{clipped(part.label, _NAME)}:"


def _remark(node: Any) -> str:
    kind = kind_of(node)
    needed: frozenset[str] | None = getattr(node, "_input_keys", None)
    said = [] if kind == "step" else [kind]
    if needed:
        said.append("needs " + clipped(", ".join(sorted(needed)), _NAME))
    return ", ".join(said)


def _lines(node: Any) -> list[_Line]:
    lister = _Lister()
    walked(lister.node("", node, node, 0))
    return lister.lines


def listing(node: Any) -> str:
    """The steps of a runnable, one a line; of a long chain the first and the last ones, of a deep one the outer ones."""
    lines = _lines(node)
    texts = [line.text for line in lines]
    column = max((width_in_cells(text) for text, line in zip(texts, lines, strict=True) if line.remark), default=0)
    return "\n".join(
        text + (" " * (column + 2 - width_in_cells(text)) + line.remark if line.remark else "")
        for text, line in zip(texts, lines, strict=True)
    )


def listing_html(node: Any) -> str:
    """As ``listing``, for a web page; with a picture to open, unless it would be large."""
    rows = "".join(f"<tr>{_cell(line.text)}{_cell(line.remark)}</tr>" for line in _lines(node))
    return f"<table>{rows}</table>{_folded_picture(node)}"


def _cell(text: str) -> str:
    return f'<td style="text-align:left;white-space:pre">{escaped(text)}</td>'


def escaped(text: str) -> str:
    """The text for HTML, inside of elements and of attributes."""
    from html import escape  # only notebooks need it

    return escape(text, quote=True)


def _folded_picture(node: Any) -> str:
    graph = graph_of(node)
    return f"<details><summary>graph</summary>{graph.draw_svg()}</details>" if len(graph.nodes) <= _DRAWN else ""


def mimebundle(node: Any) -> dict[str, str]:
    """What a notebook may show of a runnable: text and HTML."""
    if anatomy_of(node) == Anatomy("leaf"):
        return {"text/plain": repr(node)}
    return {"text/plain": listing(node), "text/html": listing_html(node)}

"""A graph in the language of Mermaid (https://mermaid.js.org/syntax/flowchart.html).

Names are quoted, and what could mean something to Mermaid, to Markdown or to HTML is written as an entity code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from plait.graphs.labels import clipped
from plait.graphs.picture import Box, Line, Picture

__all__ = ["CurveStyle", "Names", "NodeStyles", "drawn_as_mermaid", "mermaid_ids"]


class CurveStyle(Enum):
    """How Mermaid bends the lines."""

    BASIS = "basis"
    BUMP_X = "bumpX"
    BUMP_Y = "bumpY"
    CARDINAL = "cardinal"
    CATMULL_ROM = "catmullRom"
    LINEAR = "linear"
    MONOTONE_X = "monotoneX"
    MONOTONE_Y = "monotoneY"
    NATURAL = "natural"
    STEP = "step"
    STEP_AFTER = "stepAfter"
    STEP_BEFORE = "stepBefore"


class NodeStyles(NamedTuple):
    """Styles in Mermaid's own words, for all nodes, for the first and for the last."""

    default: str = "fill:#f2f0ff,line-height:1.2"
    first: str = "fill-opacity:0"
    last: str = "fill:#bfb6fc"


class Names(NamedTuple):
    """The ids of the boxes, and the numbers of the first and the last box, where there is just one."""

    ids: Sequence[str]
    first: int | None
    last: int | None


_LABEL: Final = 120  # characters
_RESERVED: Final = frozenset(
    {"end", "graph", "flowchart", "subgraph", "default", "style", "linkstyle", "classdef", "class", "click", "call"}
    | {"href", "direction", "interpolate", "x", "o", "v", "tb", "td", "bt", "rl", "lr"}
)
_SPECIAL: Final = re.compile(r"[^\w ,:()/=?!…-]|^-|(?<![^\W_])_|_(?![^\W_])")
"""What is written as a code: all signs but some, and an underscore that is not within a word."""
_LIST_LIKE: Final = re.compile(r"^(\d+)([.)])")


def drawn_as_mermaid(
    picture: Picture,
    names: Names,
    *,
    styles: NodeStyles | None,
    curve: CurveStyle,
    words: int,
    frontmatter: dict[str, Any] | None,
) -> str:
    """The picture as a flow chart; without ``styles`` bare, without a head and without colours."""
    ids = mermaid_ids(names.ids)
    marks = {} if styles is None else {names.last: ":::last", names.first: ":::first"}
    lines = [*_head(curve, frontmatter)] if styles is not None else []
    lines.append("graph TD;")
    lines += [
        f"\t{key}{_boxed(box)}{marks.get(number, '')};"
        for number, (key, box) in enumerate(zip(ids, picture.boxes, strict=True))
    ]
    lines += [f"\t{ids[line.source]} {_arrow(line, words)} {ids[line.target]};" for line in picture.lines]
    if styles is not None:
        lines += [f"\tclassDef {name} {' '.join(style.split())}" for name, style in styles._asdict().items()]
    return "\n".join(lines) + "\n"


def _head(curve: CurveStyle, frontmatter: dict[str, Any] | None) -> Iterable[str]:
    """The front matter: JSON, which is YAML too."""
    given = dict(frontmatter or {})
    config = {**given.get("config", {})}
    config["flowchart"] = {"curve": curve.value, **config.get("flowchart", {})}
    yield "---"
    for key, value in {**given, "config": config}.items():
        yield f"{json.dumps(key)}: {json.dumps(value)}"
    yield "---"


def mermaid_ids(ids: Iterable[str]) -> list[str]:
    """For each id one of letters, digits and ``_`` that is no word of Mermaid's, and that no other has."""
    taken: set[str] = set()
    found: list[str] = []
    for given in ids:
        key = re.sub(r"[^A-Za-z0-9]+", "_", given).strip("_") or "node"
        key = key if key[0].isalpha() and key.lower() not in _RESERVED else f"n_{key}"
        number, base = 1, key
        while key in taken:
            number += 1
            key = f"{base}_{number}"
        taken.add(key)
        found.append(key)
    return found


def _boxed(box: Box) -> str:
    text = f'"{_escaped(clipped(box.label, _LABEL))}"'
    if box.kind == "schema":
        return f"([{text}])"
    return f"{{{text}}}" if box.kind == "choice" else f"({text})"


def _arrow(line: Line, words: int) -> str:
    stroke = "-.->" if line.dashed else "-->"
    return f'{stroke}|"{_wrapped(line.label, words)}"|' if line.label else stroke


def _wrapped(label: str, words: int) -> str:
    """At most so many words on a line."""
    said, words = clipped(label, _LABEL).split(" "), max(1, words)
    rows = [" ".join(said[start : start + words]) for start in range(0, len(said), words)]
    return "<br>".join(map(_escaped, rows))


def _escaped(text: str) -> str:
    listed = _LIST_LIKE.match(text)  # Markdown would make a list of it
    if listed is not None:
        return f"{listed[1]}#{ord(listed[2])};{_escaped(text[listed.end() :])}"
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", text)

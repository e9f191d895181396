"""What a docstring says of a function and of its arguments, in the style of Google, of numpy or of reST; pure.

A section ``Args:`` has ``name (type): what it is`` on a line each, which may go on, indented, on the next ones. numpy
underlines ``Parameters``, and has ``name : type`` on a line and what it is below, indented. reST has
``:param type name: what it is``.

https://google.github.io/styleguide/pyguide.html#383-functions-and-methods
https://numpydoc.readthedocs.io/en/latest/format.html
"""

from __future__ import annotations

import re
from functools import partial
from inspect import cleandoc, isroutine
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias, cast

__all__ = ["Documented", "docstring_of", "documented"]

_SECTIONS: Final = frozenset(
    {
        "args",
        "arguments",
        "parameters",
        "params",
        "keyword args",
        "keyword arguments",
        "other parameters",
        "returns",
        "return",
        "yields",
        "raises",
        "examples",
        "example",
        "note",
        "notes",
        "references",
        "see also",
        "warns",
        "warnings",
    }
)
_OF_ARGUMENTS: Final = frozenset(
    {"args", "arguments", "parameters", "params", "keyword args", "keyword arguments", "other parameters"}
)
_NAME: Final = re.compile(r"\*{0,2}(\w+)[ ]?")
_NAMES: Final = re.compile(r"\*{0,2}\w+(?:, ?\*{0,2}\w+)*(?= ?:|$)")
_FIELD: Final = re.compile(r":(?:param|parameter|arg|argument|key|keyword|type|returns?|rtype|raises?)\b[^:]*:")
_PARAMETER: Final = re.compile(r":(?:param|parameter|arg|argument|key|keyword) (?:[^:]* )?\*{0,2}(\w+):(.*)")


_Section: TypeAlias = tuple[str, int, int]
"""A title, the line that it stands in, and the first line of what it is about."""


class Documented(NamedTuple):
    """What a docstring says: of the function, and of each argument by name."""

    summary: str
    arguments: dict[str, str]


def documented(docstring: str | None) -> Documented:
    """Read a docstring; one without a section on arguments is all summary."""
    lines = cleandoc(docstring or "").splitlines()
    for sections, read in ((_underlined(lines), _numpy), (_titled(lines), _google)):
        if any(title in _OF_ARGUMENTS for title, _, _ in sections):
            found: dict[str, str] = {}
            for (title, _, start), (_, end, _) in pairwise([*sections, ("", len(lines), 0)]):
                found |= read(lines[start:end]) if title in _OF_ARGUMENTS else {}
            return Documented("\n".join(lines[: sections[0][1]]).strip(), found)
    return _in_rest(lines)


def _titled(lines: list[str]) -> list[_Section]:
    """Google's sections: a title with a colon."""
    heads = [(number, line.rstrip()) for number, line in enumerate(lines)]
    return [
        (line[:-1].lower(), number, number + 1)
        for number, line in heads
        if line.endswith(":") and line[:-1].lower() in _SECTIONS
    ]


def _underlined(lines: list[str]) -> list[_Section]:
    """Numpy's sections: a title, and a line below it."""
    return [
        (line.strip().lower(), number, number + 2)
        for number, (line, below) in enumerate(pairwise(lines))
        if line.strip().lower() in _SECTIONS and len(below) > 2 and not below.strip().strip("-")
    ]


def _in_rest(lines: list[str]) -> Documented:
    first = next((number for number, line in enumerate(lines) if _FIELD.match(line.strip())), len(lines))
    found: dict[str, str] = {}
    name = None
    for line in map(str.strip, lines[first:]):
        match = _PARAMETER.match(line)
        if match:
            name = match[1]
            found[name] = match[2].strip()
        elif _FIELD.match(line) or not line:
            name = None
        elif name:
            found[name] = f"{found[name]} {line}".strip()
    return Documented("\n".join(lines[:first]).strip(), found)


def _google(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name, depth = "", 0
    for line in lines:
        text = line.strip()
        if not text:
            continue
        indent = len(line) - len(line.lstrip())
        begun = _begun(text) if not name or indent <= depth else None
        if begun:
            name, depth = begun[0], indent
            found[name] = begun[1]
        elif name:
            found[name] = f"{found[name]} {text}".strip()
    return found


def _begun(text: str) -> tuple[str, str] | None:
    """The name and what follows it in ``name (type): what it is``; the type may have parentheses of its own."""
    match = _NAME.match(text)
    if not match:
        return None
    rest, open_ = text[match.end() :], 0
    for number, character in enumerate(rest):
        open_ += (character == "(") - (character == ")")
        if not open_:
            rest = rest[number + 1 :].lstrip(" ") if character == ")" else rest
            break
    return (match[1], rest[1:].strip()) if rest.startswith(":") else None


def _numpy(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    names: list[str] = []
    for line in lines:
        match = _NAMES.match(line)
        if match:
            names = [each.strip(" *") for each in match[0].split(",")]
            found |= dict.fromkeys(names, "")
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return {name: said for name, said in found.items() if said}


def docstring_of(func: object) -> str | None:
    """What a function says of itself; a ``partial`` says what its function says, since its own is that of its class.

    Of an object that can be called its ``__call__`` speaks, or else its class.
    """
    inner = cast("partial[Any]", func).func if isinstance(func, partial) else func
    own = None if isroutine(inner) or isinstance(inner, type) else getattr(type(inner).__call__, "__doc__", None)
    said = own or getattr(inner, "__doc__", None)
    return said if isinstance(said, str) else None

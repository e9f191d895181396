"""What a docstring says of a function and of its arguments, in Google's style or in that of reST; pure.

A section ``Args:`` has ``name (type): what it is`` on a line each, which may go on, indented, on the next ones; reST has
``:param type name: what it is``.

https://google.github.io/styleguide/pyguide.html#383-functions-and-methods
"""

from __future__ import annotations

import re
from functools import partial
from inspect import cleandoc
from typing import Final, NamedTuple

__all__ = ["Documented", "docstring_of", "documented"]

_SECTIONS: Final = frozenset(
    {
        "args",
        "arguments",
        "parameters",
        "params",
        "returns",
        "return",
        "yields",
        "raises",
        "examples",
        "example",
        "note",
    }
)
_OF_ARGUMENTS: Final = frozenset({"args", "arguments", "parameters", "params"})
_ARGUMENT: Final = re.compile(r"\*{0,2}(\w+)[ ]?(?:\([^()]*\))?[ ]?:[ ]?(.*)")


_FIELD: Final = re.compile(r":(?:param|type|returns?|rtype|raises?)\b[^:]*:")
_PARAMETER: Final = re.compile(r":param (?:[^:]* )?(\w+):(.*)")


class Documented(NamedTuple):
    """What a docstring says: of the function, and of each argument by name."""

    summary: str
    arguments: dict[str, str]


def documented(docstring: str | None) -> Documented:
    """Read a docstring; one without a section on arguments is all summary."""
    lines = cleandoc(docstring or "").splitlines()
    heads = [number for number, line in enumerate(lines) if _section(line)]
    starts = [number for number in heads if _section(lines[number]) in _OF_ARGUMENTS]
    if not starts:
        return _in_rest(lines)
    end = next((number for number in heads if number > starts[0]), len(lines))
    return Documented("\n".join(lines[: heads[0]]).strip(), _arguments(lines[starts[0] + 1 : end]))


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


def _section(line: str) -> str:
    name = line.rstrip().removesuffix(":").lower()
    return name if name in _SECTIONS and line.rstrip().endswith(":") else ""


def _arguments(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name, depth = "", 0
    for line in lines:
        text = line.strip()
        if not text:
            continue
        indent = len(line) - len(line.lstrip())
        match = _ARGUMENT.match(text) if not name or indent <= depth else None
        if match:
            name, depth = match[1], indent
            found[name] = match[2].strip()
        elif name:
            found[name] = f"{found[name]} {text}".strip()
    return found


def docstring_of(func: object) -> str | None:
    """What a function says of itself; a ``partial`` says what its function says, since its own is that of its class."""
    said = getattr(func.func if isinstance(func, partial) else func, "__doc__", None)  # pyright: ignore[reportUnknownMemberType]
    return said if isinstance(said, str) else None

"""What a docstring says of a function and of its arguments, in Google's style; pure.

    Search the web.

Args:
        query: What to search for,
            in plain words.
        limit (int): How many results.

https://google.github.io/styleguide/pyguide.html#383-functions-and-methods
"""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Final, NamedTuple

__all__ = ["Documented", "documented"]

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
        return Documented("\n".join(lines).strip(), {})
    end = next((number for number in heads if number > starts[0]), len(lines))
    return Documented("\n".join(lines[: heads[0]]).strip(), _arguments(lines[starts[0] + 1 : end]))


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

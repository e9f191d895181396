"""Templates: text with ``{variables}``, read by a scanner that can do nothing but put values in.

    {name}            a variable; nothing else is one
    {{ … }}           braces that close each other, both doubled, are the escape: they print ``{ … }``
    any other brace   text, so that JSON, CSS and code can be pasted

Braces are matched like brackets. ``{name.attr}``, ``{name[0]}``, ``{name!r}`` and ``{name:spec}``, where ``spec`` is one
that Python's ``format`` would take (``.2f``, ``>10``, ``d``, ``%Y-%m-%d``), are refused when the template is parsed: who
writes them expects them to be worked out, and they never are. ``{color:red}`` or ``{color: 1}`` is no such spec, hence text.

A parsed template holds pieces of text and names. Rendering looks the names up and joins: there is no attribute access,
no index, no call and no second reading of a value, whatever the template or the values hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import accumulate, islice
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from types import NoneType
from typing import Any, NamedTuple, NoReturn, TypeAlias, cast
from uuid import UUID

from plait.errors import MissingVariableError, PromptError

__all__ = [
    "MAX_CHARS",
    "Template",
    "escape",
    "fill",
    "missing",
    "parse",
    "parse_tree",
    "render",
    "size",
    "text_of",
    "too_long",
    "variables",
]

MAX_CHARS = 10_000_000
"""How many characters a rendered template may have, if nothing else is said."""

_NAMES_SHOWN = 20  # in an error
_MAX_DEPTH = 100  # of containers in one another, in a value or in a tree

_BRACE = re.compile(r"([{}])")
_MARK = re.compile(r"[.\[!:]")
_COUNT = r"(?:\d*|\{[^{}]*\})"
_TAIL = re.compile(
    r"(?:![rsa])?"
    rf"(?::(?:(?:.?[<>=^])?[-+]?z?\#?0?{_COUNT}[,_]?(?:\.{_COUNT})?[bcdeEfFgGnosxX%]?|%[A-Za-z].*))?",
    re.DOTALL,
)

Special: TypeAlias = Callable[[object], "str | None"]
Tree: TypeAlias = object  # a Template, a list or dict of trees, or a value that stays as it is


def _nothing_special(_value: object) -> None:
    return None


class Template(NamedTuple):
    """A parsed template: its source, its text and names in turn, and where in the source the names stand."""

    text: str
    syntax: str
    parts: tuple[str, ...]  # text at even places, a variable's name at odd ones
    places: tuple[int, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names, each once, in the order in which they first occur."""
        return tuple(dict.fromkeys(self.parts[1::2]))

    def render(self, values: Mapping[str, Any], *, limit: int = MAX_CHARS, special: Special = _nothing_special) -> str:
        """The text with the values in place of the names.

        :param limit: more characters than this raise `PromptError`, before they are put together.
        :param special: gives the text of a value of a kind that `text_of` does not know, or None.
        """
        pieces = list(self.parts)
        for index in range(1, len(pieces), 2):
            name = pieces[index]
            if name not in values:
                raise missing(self.where(), values, escapable=self.syntax == "f-string")
            value = values[name]
            pieces[index] = value if type(value) is str else text_of(value, name=name, limit=limit, special=special)
        total = sum(map(len, pieces))
        if total > limit:
            raise too_long(limit)
        return "".join(pieces)

    def where(self) -> dict[str, str]:
        """The line and column at which each name first occurs."""
        first: dict[str, int] = {}
        for name, at in zip(self.parts[1::2], self.places, strict=True):
            first.setdefault(name, at)
        return {name: _position(self.text, at) for name, at in first.items()}

    def __add__(self, other: object) -> Template:
        """The template that prints what this one prints, followed by what the other prints."""
        if not isinstance(other, Template):
            return NotImplemented
        parts = (*self.parts[:-1], self.parts[-1] + other.parts[0], *other.parts[1:])
        if self.syntax == other.syntax:
            joined = parse(self.text + other.text, self.syntax)
            if joined.parts == parts:
                return joined
        return parse(_write(parts))


def parse(text: str, syntax: str = "f-string") -> Template:
    """Read a template; in the syntax ``mustache`` a variable is ``{{name}}`` and every other brace is text.

    Raises `PromptError` for a form that is refused, with its position and what to write instead.
    """
    if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] # callers are not all typed
        raise TypeError(f"a template is a str; got {type(text).__name__}")
    if syntax == "f-string":
        return _parse_braces(text)
    if syntax == "mustache":
        return _parse_mustache(text)
    reason = "; jinja2 templates are programs, and plait runs none" if syntax == "jinja2" else ""
    raise PromptError(f"template_format is 'f-string' or 'mustache'; got {syntax!r}{reason}")


def render(text: str, values: Mapping[str, Any] | None = None, *, limit: int = MAX_CHARS) -> str:
    """Parse a template and put the values in: ``parse(text).render(values)``."""
    return parse(text).render(values or {}, limit=limit)


def escape(text: str) -> str:
    """The template that prints exactly this text, whatever braces it has."""
    return _write((text,))


# ---------------------------------------------------------------------------------------------------------- the scanner
#
# The text is split at its braces: pieces[0] is text, pieces[1] a brace, pieces[2] text, … A brace is known by its
# index, which is odd. Each piece is looked at a fixed number of times, so the cost is linear whatever the text.


def _parse_braces(text: str) -> Template:
    pieces = _BRACE.split(text)
    offsets = [0, *accumulate(map(len, pieces))]
    closing = _matches(pieces)
    parts, places, run, dropped = list[str](), list[int](), [pieces[0]], set[int]()
    at = 1
    while at < len(pieces):
        close = closing.get(at, 0)
        if close and _doubled(pieces, closing, at, close):
            dropped.add(close - 2)
            run += "{", pieces[at + 3]
            at += 4
        elif close == at + 2 and pieces[at + 1].isidentifier():
            parts += "".join(run), pieces[at + 1]
            places.append(offsets[at])
            run = [pieces[at + 3]]
            at += 4
        else:
            if close and _is_field(pieces, at, close):
                _refuse(text, offsets[at], offsets[close] + 1)
            run += ("" if at in dropped else pieces[at]), pieces[at + 1]
            at += 2
    return Template(text, "f-string", (*parts, "".join(run)), tuple(places))


def _matches(pieces: list[str]) -> dict[int, int]:
    """For every ``{`` that is closed, the ``}`` that closes it."""
    closing, open_ = dict[int, int](), list[int]()
    for at in range(1, len(pieces), 2):
        if pieces[at] == "{":
            open_.append(at)
        elif open_:
            closing[open_.pop()] = at
    return closing


def _doubled(pieces: list[str], closing: dict[int, int], at: int, close: int) -> bool:
    """Whether the pair is the outer one of ``{{ … }}``."""
    return closing.get(at + 2) == close - 2 and not pieces[at + 1] and not pieces[close - 1]


def _is_field(pieces: list[str], at: int, close: int) -> bool:
    """Whether ``str.format`` would work something out here: an attribute, an index, a conversion, a format."""
    if close - at > 10:  # a spec nests two names at most: {x:{width}.{precision}f}
        return False
    mark = _MARK.search(pieces[at + 1])
    if mark is None or not pieces[at + 1][: mark.start()].isidentifier():
        return False
    field = "".join(pieces[at + 1 : close])
    return _TAIL.fullmatch(field, _path_end(field, mark.start())) is not None


def _path_end(field: str, at: int) -> int:
    """Where the attributes and indexes that begin here end."""
    while True:
        if field.startswith("[", at):
            end = field.find("]", at) + 1
        elif field.startswith(".", at):
            end = _name_end(field, at + 1)
        else:
            return at
        if end <= at + 1:
            return at
        at = end


def _name_end(field: str, at: int) -> int:
    mark = _MARK.search(field, at)
    end = mark.start() if mark else len(field)
    return end if field[at:end].isidentifier() else at


def _refuse(text: str, start: int, end: int) -> NoReturn:
    form = text[start:end]
    name = re.split(r"[.\[!:]", form[1:], maxsplit=1)[0]
    raise PromptError(
        f"{_short(form)} at {_position(text, start)} is refused: a variable is a plain name, and a template works out no"
        f" attribute, index, conversion or format. Pass the finished value by a plain name, such as {{{_short(name)}}};"
        f" or, if it is meant as text, double the braces: {{{_short(form)}}}"
    )


def _parse_mustache(text: str) -> Template:
    first, *rest = text.split("{{")
    parts, places, run, at = list[str](), list[int](), [first], len(first)
    for piece in rest:
        name, closed, after = piece.partition("}}")
        if closed and name.strip().isidentifier():
            parts += "".join(run), name.strip()
            places.append(at)
            run = [after]
        elif closed and (name.lstrip()[:1] in tuple("#/^>&!={") or _is_dotted(name.strip())):
            _refuse_mustache(text, at, at + len(name) + 4)
        else:
            run += "{{", piece
        at += len(piece) + 2
    return Template(text, "mustache", (*parts, "".join(run)), tuple(places))


def _is_dotted(name: str) -> bool:
    return name == "." or all(part.isidentifier() for part in name.split("."))


def _refuse_mustache(text: str, start: int, end: int) -> NoReturn:
    raise PromptError(
        f"{_short(text[start:end])} at {_position(text, start)} is refused: of mustache, only {{{{name}}}} is taken, no"
        f" sections, paths, comments or partials. Make text of what it stands for first, and pass that by a plain name"
    )


def _write(parts: Iterable[str]) -> str:
    """A source whose parts these are: braces of the text that match are doubled, the others stay."""
    pieces = [""]
    for index, part in enumerate(parts):
        first, *rest = [f"{{{part}}}"] if index % 2 else _BRACE.split(part)
        pieces[-1] += first
        pieces += rest
    closing = _matches(pieces)
    matched = {*closing, *closing.values()}
    return "".join(piece * 2 if at in matched else piece for at, piece in enumerate(pieces))


# ------------------------------------------------------------------------------------------------------ text of a value

_BUILTIN = frozenset({str, int, float, bool, NoneType})
_PLAIN = frozenset({
    Decimal, Fraction, date, datetime, time, timedelta, UUID, PosixPath, WindowsPath, PurePosixPath, PureWindowsPath,
})  # fmt: skip


def text_of(value: object, *, name: str = "value", limit: int = MAX_CHARS, special: Special = _nothing_special) -> str:
    """The text that stands for a value in a template.

    Text, numbers, booleans, None, dates, times, UUIDs, paths and the like read as ``str`` writes them, a member of an
    enumeration as its value; lists, tuples, sets and dicts of these as Python writes them. Raises `TypeError` for any
    other object: what it would print is up to its class, so the caller has to say. Runs no code of the value's class.
    """
    if type(value) in _BUILTIN:
        return str(value)
    text = special(value)
    if text is None:
        text = _scalar(value)
    if text is not None:
        return text
    pieces, total = list[str](), 0
    for piece in _written(value, name, special, 0):
        pieces.append(piece)
        total += len(piece)
        if total > limit:
            raise too_long(limit)
    return "".join(pieces)


def _scalar(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, Enum):
        return _scalar(value.value)
    if isinstance(value, str):  # of a subclass, too, the builtin's own text
        return str.__str__(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return float.__repr__(value)
    return str(value) if type(value) in _PLAIN else None


def _written(value: object, name: str, special: Special, depth: int) -> Iterator[str]:
    """The pieces of what ``repr`` would say, but of known kinds only and never deeper than allowed."""
    if depth > _MAX_DEPTH:
        raise PromptError(f"{{{name}}} was given a value nested more than {_MAX_DEPTH} deep")
    if isinstance(value, dict):
        yield from _written_dict(cast("dict[object, object]", value), name, special, depth)
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from _written_items(cast("list[object]", value), name, special, depth)
    else:
        yield _quoted(value, name, special)


def _written_dict(value: dict[object, object], name: str, special: Special, depth: int) -> Iterator[str]:
    opening = "{"
    for key, item in value.items():
        yield opening
        yield from _written(key, name, special, depth + 1)
        yield ": "
        yield from _written(item, name, special, depth + 1)
        opening = ", "
    yield "}" if value else "{}"


def _written_items(value: list[object], name: str, special: Special, depth: int) -> Iterator[str]:
    opening, closing = _brackets(value)
    for item in value:
        yield opening
        yield from _written(item, name, special, depth + 1)
        opening = ", "
    yield closing if value else opening + closing


def _brackets(value: object) -> tuple[str, str]:
    if isinstance(value, list):
        return "[", "]"
    if isinstance(value, tuple):
        return "(", ",)" if len(cast("tuple[object, ...]", value)) == 1 else ")"
    if not value:
        return "frozenset(" if isinstance(value, frozenset) else "set(", ")"
    return ("frozenset({", "})") if isinstance(value, frozenset) else ("{", "}")


def _quoted(value: object, name: str, special: Special) -> str:
    text = special(value)
    if text is not None:
        return repr(text)
    if type(value) in _PLAIN:
        return repr(value)
    text = _scalar(value)
    if text is None:
        raise _unknown(value, name)
    bare = value.value if isinstance(value, Enum) else value
    return repr(text) if isinstance(bare, str) else text


# ----------------------------------------------------------------------------------------- templates inside lists, dicts


def parse_tree(value: object, syntax: str = "f-string", depth: int = 0) -> Tree:
    """The same lists and dicts, with every text in them parsed; keys and all else stay as they are."""
    if depth > _MAX_DEPTH:
        raise PromptError(f"a template nested more than {_MAX_DEPTH} deep")
    if isinstance(value, str):
        return parse(value, syntax)
    if isinstance(value, (list, tuple)):
        return [parse_tree(item, syntax, depth + 1) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return {key: parse_tree(item, syntax, depth + 1) for key, item in items}
    return value


def fill(tree: Tree, render_one: Callable[[Template], str]) -> Any:
    """The tree with every template in it rendered."""
    if isinstance(tree, Template):
        return render_one(tree)
    if isinstance(tree, list):
        return [fill(item, render_one) for item in cast("list[Tree]", tree)]
    if isinstance(tree, dict):
        return {key: fill(item, render_one) for key, item in cast("dict[object, Tree]", tree).items()}
    return tree


def variables(tree: Tree) -> tuple[str, ...]:
    """The names in a tree, each once, in the order in which they first occur."""
    return tuple(dict.fromkeys(name for template in _templates(tree) for name in template.variables))


def _templates(tree: Tree) -> Iterator[Template]:
    if isinstance(tree, Template):
        yield tree
    elif isinstance(tree, (list, dict)):
        items = cast("dict[object, Tree]", tree).values() if isinstance(tree, dict) else cast("list[Tree]", tree)
        for item in items:
            yield from _templates(item)


def size(value: object) -> int:
    """How many characters of text a rendered tree has."""
    if type(value) is str:
        return len(value)
    if isinstance(value, dict):
        return sum(map(size, cast("dict[object, object]", value).values()))
    return sum(map(size, cast("list[object]", value))) if isinstance(value, list) else 0


# --------------------------------------------------------------------------------------------------------------- errors


def missing(where: Mapping[str, str], given: Collection[object], *, escapable: bool = True) -> MissingVariableError:
    """The error for a template that lacks values: names what is missing and where, and what was given."""
    lacking = [name for name in where if name not in given]
    listed = ", ".join(f"{{{_short(name)}}}" + (f" ({where[name]})" if where[name] else "") for name in lacking)
    names = [repr(_short(name)) for name in islice(given, _NAMES_SHOWN) if isinstance(name, str)]
    more = f" and {len(given) - _NAMES_SHOWN} more" if len(given) > _NAMES_SHOWN else ""
    hint = f". What is meant as text has its braces doubled: {{{{{_short(lacking[0])}}}}}" if escapable else ""
    return MissingVariableError(f"no value for {listed}; given: {', '.join(names) or 'nothing'}{more}{hint}")


def _unknown(value: object, name: str) -> TypeError:
    kind = type(value)
    return TypeError(
        f"{{{name}}} was given a value of type {kind.__module__}.{kind.__qualname__}: a prompt prints text, numbers,"
        f" dates, ids, paths, enumerations, and lists, sets and dicts of these. Make text of it before, for example by str()"
    )


def too_long(limit: int) -> PromptError:
    """The error for a rendered text beyond its limit."""
    return PromptError(
        f"the rendered text is longer than {limit:,} characters; shorten what goes in, or raise max_chars"
    )


def _position(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"

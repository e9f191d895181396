"""Values as trees of JSON and back, so that no data can pass for anything but data.

    {"$plait": "1/tuple", "value": [1, 2]}

is an envelope: the reserved key with the version of the format and a tag. Every dict of a user that has the reserved key
is itself written in an envelope, whatever else it holds, so what opens as one was closed as one. What is not in an
envelope is what it looks like.

Pure: what stands for an object is decided by the two functions that a writer and a reader are given.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isfinite
from typing import Any, ClassVar, Final, NamedTuple, NoReturn, TypeAlias, cast
from uuid import UUID

from plait.errors import LoadError

__all__ = ["KEY", "MAX_CHARS", "MAX_DEPTH", "MAX_NODES", "Place", "Reader", "Writer", "enveloped", "parsed", "printed"]

KEY: Final = "$plait"
VERSION: Final = 1
MAX_DEPTH: Final = 100
"""Of values in one another."""
MAX_NODES: Final = 1_000_000
"""Of values in all."""
MAX_CHARS: Final = 100_000_000
"""Of a text that is loaded."""
_MAX_BITS: Final = 14_000  # of a whole number; Python reads and writes no longer ones than 4,300 digits
_SHOWN: Final = 80


class Place(NamedTuple):
    """Where something is in a value: below what, and by which key, index or field."""

    above: Place | None = None
    step: str | int = "$"

    def __str__(self) -> str:
        steps: list[str] = []
        place: Place = self
        while place.above is not None:
            steps.append(_step(place.step))
            place = place.above
        return "".join(["$", *reversed(steps)])

    def error(self, what: object) -> LoadError:
        """The error for what is wrong here."""
        return LoadError(f"{self}: {what}")


def _step(step: str | int) -> str:
    if isinstance(step, str) and step.isidentifier() and len(step) <= _SHOWN:
        return f".{step}"
    return f"[{step!r:.{_SHOWN}}]"


Tree: TypeAlias = Any


def enveloped(tag: str, fields: Mapping[str, Tree]) -> dict[str, Tree]:
    """An envelope with this tag."""
    return {KEY: f"{VERSION}/{tag}", **fields}


# --------------------------------------------------------------------------------------------------------------- texts


def printed(tree: Tree, *, pretty: bool) -> str:
    """A tree as text; with line breaks and indents for people and version control."""
    return json.dumps(tree, ensure_ascii=False, allow_nan=False, indent=2 if pretty else None)


def parsed(text: str | bytes) -> Tree:
    """The tree of a text, which must be JSON as the standard has it, each key once. Raises LoadError."""
    if not isinstance(cast("object", text), str | bytes | bytearray):
        raise LoadError(f"$: a text was expected, got {type(text).__name__}; dicts and lists are what `load` takes")
    if len(text) > MAX_CHARS:
        raise LoadError(f"$: the text has {len(text):,} characters, more than the {MAX_CHARS:,} that are read")
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_constant)
    except LoadError:
        raise
    except RecursionError:
        raise LoadError(f"$: more than {MAX_DEPTH} values in one another") from None
    except ValueError as error:
        raise LoadError(f"$: this is not JSON: {error}") from error


def _each_once(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    found = dict(pairs)
    if len(found) != len(pairs):
        last = {key: i for i, (key, _) in enumerate(pairs)}
        twice = next(key for i, (key, _) in enumerate(pairs) if last[key] != i)
        raise LoadError(f"the key {twice!r:.{_SHOWN}} stands twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise LoadError(f"{name} is not JSON")


# ------------------------------------------------------------------------------------------------------------- writing


class _Counted:
    """What both directions share: a bound on how deep and how many, and who looks at texts and bytes on their way."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        self.guard: Callable[[Any, Place], Any] | None = None

    def _count(self, place: Place, depth: int) -> None:
        self._left -= 1
        if depth > MAX_DEPTH:
            raise place.error(f"more than {MAX_DEPTH} values in one another")
        if self._left < 0:
            raise place.error(f"more than {MAX_NODES:,} values")

    def _guarded(self, value: Any, place: Place) -> Any:
        return value if self.guard is None else self.guard(value, place)


class Writer(_Counted):
    """Makes the tree of a value; ``own`` says what stands for an object that is no plain data, or raises."""

    def __init__(self, own: Callable[[Any, Place, int], Tree]) -> None:
        super().__init__()
        self._own = own

    def write(self, value: Any, place: Place = Place(), depth: int = 0) -> Tree:  # noqa: B008  # it does not change
        """The tree of a value that is at this place, this deep."""
        self._count(place, depth)
        kind = cast("type[Any]", type(value))
        if value is None or kind is bool:
            return value
        if kind is str or kind is bytes:
            value = self._guarded(value, place)
            kind = cast("type[Any]", type(value))
        if kind in _FACTS:
            return _FACTS[kind](value)
        write = self._WRITES.get(kind)
        return self._own(value, place, depth) if write is None else write(self, value, place, depth)

    def _items(self, values: Iterable[Any], place: Place, depth: int) -> list[Tree]:
        return [self.write(value, Place(place, i), depth + 1) for i, value in enumerate(values)]

    def _text(self, value: str, place: Place, depth: int) -> Tree:
        return value if _is_plain(value) else enveloped("text", {"utf8": value.encode("utf-8", "surrogatepass").hex()})

    def _whole(self, value: int, place: Place, depth: int) -> Tree:
        if value.bit_length() > _MAX_BITS:
            raise place.error("a whole number of more than 4,200 digits cannot be saved")
        return value

    def _number(self, value: float, place: Place, depth: int) -> Tree:
        return value if isfinite(value) else enveloped("float", {"value": repr(value)})

    def _list(self, value: list[Any], place: Place, depth: int) -> Tree:
        return self._items(value, place, depth)

    def _dict(self, value: dict[Any, Any], place: Place, depth: int) -> Tree:
        if KEY not in value and all(type(key) is str and _is_plain(key) for key in value):
            return {key: self.write(held, Place(place, key), depth + 1) for key, held in value.items()}
        pairs = [
            [self.write(key, Place(place, i), depth + 1), self.write(held, Place(place, _key(key)), depth + 1)]
            for i, (key, held) in enumerate(value.items())
        ]
        return enveloped("dict", {"items": pairs})

    def _tuple(self, value: tuple[Any, ...], place: Place, depth: int) -> Tree:
        return enveloped("tuple", {"value": self._items(value, place, depth)})

    def _set(self, value: set[Any] | frozenset[Any], place: Place, depth: int) -> Tree:
        items = sorted(self._items(value, place, depth), key=lambda tree: printed(tree, pretty=False))
        return enveloped(type(value).__name__, {"value": items})

    def _moment(self, value: datetime | time, place: Place, depth: int) -> Tree:
        if value.tzinfo is not None and type(value.tzinfo) is not timezone:
            raise place.error(
                f"a {type(value).__name__} with a time zone of the class {type(value.tzinfo).__name__} cannot be saved, "
                "only one with a fixed offset: use astimezone(timezone.utc)"
            )
        return enveloped(type(value).__name__, {"value": value.isoformat()})

    _WRITES: ClassVar[Mapping[type[Any], Callable[..., Tree]]] = {
        str: _text,
        int: _whole,
        float: _number,
        list: _list,
        dict: _dict,
        tuple: _tuple,
        set: _set,
        frozenset: _set,
        datetime: _moment,
        time: _moment,
    }


def _is_plain(text: str) -> bool:
    """Whether the text is one that UTF-8 can hold; half a pair of surrogates is not."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _key(key: object) -> str | int:
    return key if isinstance(key, str | int) else type(key).__name__


_FACTS: Final[Mapping[type[Any], Callable[[Any], Tree]]] = {
    date: lambda value: enveloped("date", {"value": value.isoformat()}),
    bytes: lambda value: enveloped("bytes", {"base64": b64encode(value).decode()}),
    UUID: lambda value: enveloped("uuid", {"value": str(value)}),
    Decimal: lambda value: enveloped("decimal", {"value": str(value)}),
    timedelta: lambda value: enveloped(
        "timedelta", {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    ),
}


# ------------------------------------------------------------------------------------------------------------- reading


class Reader(_Counted):
    """Makes the value of a tree; ``own`` makes what an envelope with a tag that is not plain data stands for."""

    def __init__(self, own: Callable[[str, Mapping[str, Tree], Place, int], Any]) -> None:
        super().__init__()
        self._own = own

    def read(self, tree: Tree, place: Place = Place(), depth: int = 0) -> Any:  # noqa: B008  # it does not change
        """The value of a tree that is at this place, this deep."""
        self._count(place, depth)
        kind = cast("type[Any]", type(tree))
        if kind is dict:
            if KEY in tree:
                return self._guarded(self._opened(tree, place, depth), place)
            return dict(self._pairs(tree, place, depth))
        if kind is list:
            return self._items(tree, place, depth)
        if kind is str:
            return self._guarded(tree, place)
        if kind in (int, bool) or tree is None or (kind is float and isfinite(tree)):
            return tree
        raise place.error(f"a number too large to be one, or an object of the class {kind.__name__}; JSON has neither")

    def fields(self, tree: Mapping[str, Tree], place: Place, depth: int) -> dict[str, Any]:
        """The values of the fields of an envelope."""
        return dict(self._pairs(tree, place, depth))

    def _pairs(self, tree: Mapping[str, Tree], place: Place, depth: int) -> Iterator[tuple[str, Any]]:
        for key, held in tree.items():
            if type(key) is not str:
                raise place.error(f"a key of the class {type(key).__name__}; the keys of JSON are texts")
            yield key, self.read(held, Place(place, key), depth + 1)

    def _items(self, tree: Any, place: Place, depth: int) -> list[Any]:
        if type(tree) is not list:
            raise place.error(f"a list was expected here, got {type(tree).__name__}")
        return [self.read(held, Place(place, i), depth + 1) for i, held in enumerate(cast("list[Any]", tree))]

    def _opened(self, tree: dict[str, Tree], place: Place, depth: int) -> Any:
        tag = _tag(tree[KEY], place)
        fields = {key: held for key, held in tree.items() if key != KEY}
        if tag not in _DATA and tag not in self._HOLDERS:
            return self._own(tag, fields, place, depth)
        names = _DATA[tag][0] if tag in _DATA else self._HOLDERS[tag][0]
        if fields.keys() != set(names):
            raise place.error(f"{tag} has the fields {', '.join(names)}; got {', '.join(fields) or 'none':.{_SHOWN}}")
        try:
            return _DATA[tag][1](fields) if tag in _DATA else self._HOLDERS[tag][1](self, fields, place, depth)
        except LoadError:
            raise
        except (ValueError, TypeError, ArithmeticError, AttributeError) as error:
            raise place.error(f"this is no {tag}: {error!s:.{_SHOWN}}") from error

    def _dict(self, fields: Mapping[str, Tree], place: Place, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for i, pair in enumerate(_listed(fields["items"])):
            written, held = pair
            key = self.read(written, Place(place, i), depth + 1)
            if key in found:
                raise place.error(f"the key {key!r:.{_SHOWN}} stands twice")
            found[key] = self.read(held, Place(place, _key(key)), depth + 1)
        return found

    def _set(self, fields: Mapping[str, Tree], place: Place, depth: int) -> set[Any]:
        items = self._items(fields["value"], place, depth)
        found = set(items)
        if len(found) != len(items):
            raise place.error("a value stands twice in a set")
        return found

    def _tuple(self, fields: Mapping[str, Tree], place: Place, depth: int) -> tuple[Any, ...]:
        return tuple(self._items(fields["value"], place, depth))

    def _frozenset(self, fields: Mapping[str, Tree], place: Place, depth: int) -> frozenset[Any]:
        return frozenset(self._set(fields, place, depth))

    _HOLDERS: ClassVar[Mapping[str, tuple[tuple[str, ...], Callable[..., Any]]]] = {
        "dict": (("items",), _dict),
        "tuple": (("value",), _tuple),
        "set": (("value",), _set),
        "frozenset": (("value",), _frozenset),
    }


def _tag(written: object, place: Place) -> str:
    version, slash, tag = written.partition("/") if isinstance(written, str) else ("", "", "")
    if not slash or not version.isascii() or not version.isdecimal() or len(version) > 9 or not tag:
        raise place.error(f"{KEY} holds {written!r:.{_SHOWN}}, which is no tag; a tag is like '{VERSION}/tuple'")
    if int(version) != VERSION:
        raise place.error(f"this is of version {version} of the format, and this plait knows {VERSION}; update plait")
    return tag


def _listed(tree: Any) -> list[Any]:
    if type(tree) is not list:
        raise TypeError(f"a list was expected, got {type(tree).__name__}")
    return cast("list[Any]", tree)


def _float(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError("it is none of nan, inf and -inf")
    return float(text)


def _typed(text: Any) -> str:
    if type(text) is not str:
        raise TypeError(f"a text was expected, got {type(text).__name__}")
    return text


def _counts(fields: Mapping[str, Tree]) -> dict[str, int]:
    if not all(type(each) is int for each in fields.values()):
        raise TypeError("whole numbers were expected")
    return dict(fields)


_DATA: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Tree]], Any]]]] = {
    "text": (("utf8",), lambda fields: bytes.fromhex(_typed(fields["utf8"])).decode("utf-8", "surrogatepass")),
    "float": (("value",), lambda fields: _float(fields["value"])),
    "bytes": (("base64",), lambda fields: b64decode(_typed(fields["base64"]), validate=True)),
    "datetime": (("value",), lambda fields: datetime.fromisoformat(_typed(fields["value"]))),
    "date": (("value",), lambda fields: date.fromisoformat(_typed(fields["value"]))),
    "time": (("value",), lambda fields: time.fromisoformat(_typed(fields["value"]))),
    "timedelta": (("days", "seconds", "microseconds"), lambda fields: timedelta(**_counts(fields))),
    "uuid": (("value",), lambda fields: UUID(_typed(fields["value"]))),
    "decimal": (("value",), lambda fields: Decimal(_typed(fields["value"]))),
}

"""Copies of values for those who watch: nothing that can be changed is shared with the chain, nothing makes it fail.

A copy costs a microsecond or two for a chunk of text or of a message, and time linear in its size for anything else. Of
snapshots of one value that grows only what is new is copied, if the same ``Copies`` makes all the copies.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from operator import is_
from pathlib import PurePath
from types import NoneType
from typing import Any, Final, TypeAlias, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from plait.merging import DictSnapshot, Growth, ListSnapshot, StreamReset
from plait.redaction import glimpse

__all__ = ["ATOMS", "Copier", "Copies", "detached", "snapshot", "tagged"]

ATOMS: Final = frozenset(
    (NoneType, bool, int, float, complex, str, bytes, datetime, date, time, timedelta, UUID, Decimal, Fraction, range)
)
"""The classes whose instances nobody can change."""

_UNCHANGING: Final = (str, int, float, complex, bytes, date, time, timedelta, tzinfo, UUID, Decimal, Enum, PurePath)
_MAX_DEPTH: Final = 100  # a value that nests deeper is hostile

# Not what a subclass makes of them.
_items: Callable[[dict[Any, Any]], Iterable[tuple[Any, Any]]] = cast(Any, dict).items
_new_tuple: Callable[[Any, Iterable[Any]], Any] = cast(Any, tuple).__new__
_UNDER_WAY: Final[Any] = object()


def snapshot(value: Any) -> Any:
    """A copy that shares nothing mutable with the value; what cannot be copied becomes what ``tagged`` says of it.

    Scalars, dates, UUIDs and enum members are themselves; dicts, lists, tuples, sets, dataclasses and pydantic models
    are copied with all that is in them. Whatever else there is (a lock, a stream, an object of any other class) is
    tagged, and so is what refers to itself, or nests too deeply. Never raises.
    """
    return value if type(value) in ATOMS else Copier(keep=False).copy(value)


def detached(value: Any) -> Any:
    """The same copy, but what cannot be copied stays as it is."""
    return value if type(value) in ATOMS else Copier(keep=True).copy(value)


class Copies:
    """Makes the copies of what one stream gives, one after the other.

    Copies of snapshots of one ``Growth`` share what is complete in them, as these do, and so cost as little.
    """

    __slots__ = ("_grown", "_keep")

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._grown: WeakKeyDictionary[Growth, tuple[Growth, _Part]] | None = None  # most streams have none

    def of(self, value: Any) -> Any:
        """A copy, as ``detached`` gives it with ``keep``, and ``snapshot`` without."""
        return value if type(value) in ATOMS else Copier(keep=self._keep, copies=self).copy(value)

    def next(self, growth: Growth, value: Any, copier: Copier) -> tuple[Any, Growth]:
        """The copy of a value that grows, a plain dict or list, and the growth that the copies of it are."""
        if self._grown is None:
            self._grown = WeakKeyDictionary()
        of_copies, before = self._grown.get(growth) or (Growth(), None)
        part = _Part(copier, value, before, 1)
        self._grown[growth] = of_copies, part
        return part.given, of_copies


def tagged(value: Any) -> dict[str, Any]:
    """What can be told, as JSON, of a value that cannot: its class, and the beginning of its repr without secrets."""
    kind = cast(Any, type(value))
    module, name = type.__dict__["__module__"].__get__(kind), type.__dict__["__qualname__"].__get__(kind)
    path = [*module.split("."), name] if isinstance(module, str) else [name]
    return {"lc": 1, "type": "not_implemented", "id": path, "repr": glimpse(value)}


class Copier:
    """One value, with what of it has been copied; so that what is in it twice is in the copy twice."""

    __slots__ = ("_before", "_copies", "_depth", "_keep")

    def __init__(self, *, keep: bool, copies: Copies | None = None) -> None:
        self._keep = keep
        self._before = copies
        self._depth = 0
        self._copies: dict[int, tuple[Any, Any]] = {}  # by id, with the original, so that no other gets that id

    def copy(self, value: Any) -> Any:
        kind = cast(Any, type(value))
        if kind in ATOMS:
            return value
        if kind in _MAKERS and not value:
            return kind()
        known = self._copies.get(id(value))
        if known is not None:
            return tagged(value) if known[1] is _UNDER_WAY else known[1]
        if self._depth >= _MAX_DEPTH:
            return tagged(value)
        self._copies[id(value)] = value, _UNDER_WAY
        self._depth += 1
        made = self._made(kind, value)
        self._depth -= 1
        self._copies[id(value)] = value, made
        return made

    def _made(self, kind: type[Any], value: Any) -> Any:
        try:
            make = _MAKERS.get(kind) or _maker(kind)
            if make is not None:
                return make(self, value)
        except Exception:  # noqa: S110 - a hostile class may raise anything
            pass
        return value if self._keep else tagged(value)

    def of_list(self, value: Any) -> list[Any]:
        return [item if type(item) in ATOMS else self.copy(item) for item in value]

    def of_dict(self, value: dict[Any, Any]) -> dict[Any, Any]:
        return {key: item if type(item) in ATOMS else self.copy(item) for key, item in _items(value)}

    def of_snapshot(self, value: Any) -> Any:
        """A snapshot again, whose parts are those of the copy before it, as far as they are the same."""
        kind, growth = cast("Any", type(value)), getattr(value, "growth", None)
        if growth is None or self._before is None:
            return kind(self.of_dict(value) if issubclass(kind, dict) else self.of_list(value))
        given, of_copies = self._before.next(growth, value.copy(), self)
        made = kind(given)
        made.growth = of_copies
        return made

    def of_tuple(self, value: tuple[Any, ...]) -> tuple[Any, ...]:
        kind: Any = type(value) if hasattr(value, "_fields") else tuple
        return cast("tuple[Any, ...]", _new_tuple(kind, self.of_list(value)))

    def of_set(self, value: Any) -> Any:
        items = self.of_list(value)
        try:
            return frozenset(items) if isinstance(value, frozenset) else set(items)
        except TypeError:  # what stands for an item cannot be one
            return items

    def of_reset(self, value: StreamReset) -> StreamReset:
        return StreamReset(value.reason, self.of_tuple(value.since)) if value.since else value

    def of_model(self, value: Any) -> Any:
        return _model(value, self.of_dict(_stored(value)), self.of_dict)

    def of_fields(self, value: Any) -> Any:
        """A dataclass, frozen or not, with or without slots."""
        kind = cast(Any, type(value))
        made: Any = object.__new__(kind)
        for name in kind.__dataclass_fields__:
            if hasattr(value, name):
                object.__setattr__(made, name, self.copy(getattr(value, name)))
        return made


class _Part:
    """A container of a value that grows, and how it was copied, so that the next copy takes over what is the same in it.

    ``given`` is the copy. What is the same object next time is complete, and its copy is given again; any other
    container may still have been open, and is copied anew.
    """

    __slots__ = ("_depth", "_items", "_original", "_parts", "given")

    def __init__(self, copier: Copier, original: Any, before: _Part | None, depth: int) -> None:
        self._original: Any = original
        self._depth = depth
        self._parts: dict[Any, _Part] = {}  # of the containers in it that were not there before
        before = before if before is not None and type(before._original) is type(original) else None
        self._items: Any = (self._of_dict if type(original) is dict else self._of_list)(copier, before)
        self.given = self._items.copy()  # which its readers may change

    def _of_dict(self, copier: Copier, before: _Part | None) -> dict[Any, Any]:
        return {key: self._item(copier, key, item, before) for key, item in self._original.items()}

    def _of_list(self, copier: Copier, before: _Part | None) -> list[Any]:
        items = [] if before is None else before._beginning_of(self._original)
        items += [
            self._item(copier, at, item, before) for at, item in enumerate(self._original[len(items) :], len(items))
        ]
        return items

    def _beginning_of(self, later: list[Any]) -> list[Any]:
        """The copies of the items of a list, as far as they are those of this one; the last may have been open."""
        earlier: list[Any] = self._original
        count = min(len(earlier) - 1, len(later))
        is_same = count > 0 and all(map(is_, islice(earlier, count), later))
        return self._items[:count] if is_same else []

    def _item(self, copier: Copier, key: Any, item: Any, before: _Part | None) -> Any:
        if type(item) in ATOMS:
            return item
        if before is not None and before._at(key) is item:
            return before._items[key]
        if type(item) not in (dict, list):
            return copier.copy(item)
        if self._depth >= _MAX_DEPTH:
            return tagged(item)
        known = None if before is None else before._parts.get(key)
        part = self._parts[key] = _Part(copier, item, known, self._depth + 1)
        return part.given

    def _at(self, key: Any) -> Any:
        is_dict = type(self._original) is dict
        items: Any = self._original
        return items[key] if (key in items if is_dict else key < len(items)) else _UNDER_WAY


_Maker: TypeAlias = Callable[[Copier, Any], Any]


def _itself(copier: Copier, value: Any) -> Any:
    return value


def _bytes(copier: Copier, value: bytearray) -> bytearray:
    return value[:]


def _maker(kind: type[Any]) -> _Maker | None:
    """How to copy an instance of a class that is none of the common ones."""
    if "__pydantic_fields__" in kind.__dict__:
        return Copier.of_model
    for base in kind.__mro__:
        if base in _BASES:
            return _BASES[base]
    return Copier.of_fields if hasattr(kind, "__dataclass_fields__") else None


_MAKERS: Final[dict[type[Any], _Maker]] = {
    dict: Copier.of_dict,
    list: Copier.of_list,
    tuple: Copier.of_tuple,
    set: Copier.of_set,
    frozenset: Copier.of_set,
    DictSnapshot: Copier.of_snapshot,
    ListSnapshot: Copier.of_snapshot,
}
_BASES: Final[dict[Any, _Maker]] = {
    **_MAKERS,
    **dict.fromkeys(_UNCHANGING, _itself),
    deque: Copier.of_list,
    bytearray: _bytes,
    StreamReset: Copier.of_reset,
}


# ----------------------------------------------------------------------------------------------------- pydantic models


def _stored(value: Any) -> dict[str, Any]:
    """The fields of a model as they are stored.

    A model may store less than it shows, and make the rest when it is looked at, as chunks of messages do: then the
    copy does so, too, and a chunk that nobody looks at costs a fifth. Only a sum of many, whose terms are nested as
    deep as they are many, is made first.
    """
    stored: dict[str, Any] = _slot("__dict__").__get__(value)
    return cast("dict[str, Any]", value.__dict__) if tuple in map(type, stored.values()) else stored


def _slot(name: str) -> Any:
    return cast(Any, vars(sys.modules["pydantic"].BaseModel)[name])  # loaded, since there is a model


def _model(value: Any, fields: dict[str, Any], copy: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A model of the same class, with these fields; made as pydantic makes its own copies, without checks."""
    made: Any = object.__new__(cast("type[Any]", type(value)))
    extra, private = value.__pydantic_extra__, value.__pydantic_private__
    object.__setattr__(made, "__dict__", fields)
    object.__setattr__(made, "__pydantic_fields_set__", {*value.__pydantic_fields_set__})
    object.__setattr__(made, "__pydantic_extra__", extra and copy(extra))
    object.__setattr__(made, "__pydantic_private__", private and copy(private))
    return made

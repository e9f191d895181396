"""Chunk addition: one associative ``merge`` for everything that a stream can carry.

Values have a rank: ``None`` < bool and number < str < bytes < tuple < list < dict < any other object. Of two ranks the
higher one wins, whatever the order; within one rank

* ``None`` is the identity, numbers and bools: the last one wins;
* str, bytes, tuples and lists are concatenated;
* dicts are merged key by key, by the same rules;
* objects of one class are added by its ``__merge_all__(parts)`` or else its ``__add__``; otherwise the last one wins.

That makes an ordinal sum of associative operations, so it does not matter where a stream was cut: merging one by one,
in pairs, or all at once gives the same value. Nothing that JSON can express makes it raise; no input is changed.

A ``StreamReset`` takes back what came before it. A sum of a part of a stream remembers that it does so, since something
may still be put before it: ``merge`` gives it as a ``StreamReset``, with the sum of what came ``since``. ``merge_all``
gives the value of a whole stream: the sum of what came after the last one.

Where a chunk is all of the value so far and not a piece of it, it is a *snapshot*: a dict, list or str of a class of its
own, of which the last one wins. ``merge_all`` gives what they stand for, the plain dict, list or str. Those of one
``Growth`` say so: they share the parts that are complete, and nobody changes these.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import reduce
from itertools import chain, takewhile
from typing import Any, NoReturn, cast, final

from plait.errors import EmptyStreamError

__all__ = [
    "EVERY_KEY",
    "SNAPSHOTS",
    "DictSnapshot",
    "Growth",
    "ListSnapshot",
    "StrSnapshot",
    "StreamReset",
    "merge",
    "merge_all",
    "plain",
    "snapshot",
]

# A value that nests deeper than this is hostile or refers to itself: below it the last one wins.
MAX_DEPTH = 100


@final
class StreamReset:
    """A chunk that says: what came before in this stream does not count, for a step that failed begins again.

    ``reason`` says why, as the name of an exception type does; never a message, which may hold a secret. ``since`` is
    empty, but in a sum of a part of a stream: there it holds the sum of what came after the reset.
    """

    __slots__ = ("reason", "since")

    reason: str
    since: tuple[()] | tuple[Any]

    def __init__(self, reason: str = "", since: tuple[()] | tuple[Any] = ()) -> None:
        if type(reason) is not str:
            kind = type(cast(object, reason)).__name__
            raise TypeError(
                f"the reason of a StreamReset is text, such as the name of a type, but got an object of type {kind}"
            )
        if type(since) is not tuple or len(since) > 1:
            raise TypeError("what came since a StreamReset is a tuple of one sum, or an empty one")
        object.__setattr__(self, "reason", reason)
        object.__setattr__(self, "since", since)

    def _refuse(self, *_: object) -> NoReturn:
        raise AttributeError("a StreamReset is immutable: others may hold it, too")

    __setattr__ = __delattr__ = _refuse

    def __add__(self, other: object) -> StreamReset:
        return cast(StreamReset, merge(self, other))

    def __radd__(self, other: object) -> StreamReset:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamReset) and (self.reason, self.since) == (other.reason, other.since)

    def __hash__(self) -> int:
        return hash((StreamReset, self.reason))  # a sum need not be hashable

    def __reduce__(self) -> tuple[type[StreamReset], tuple[Any, ...]]:
        return StreamReset, (self.reason, self.since)

    def __repr__(self) -> str:
        since = f", since=<{type(self.since[0]).__name__}>" if self.since else ""
        return f"StreamReset({self.reason!r}{since})"


class Growth:
    """One value that grows, which snapshots are of."""

    __slots__ = ("__weakref__",)


class _Snapshot:
    __slots__ = ()

    @classmethod
    def __merge_all__(cls, parts: list[Any]) -> Any:
        return parts[-1]


class DictSnapshot(_Snapshot, dict[Any, Any]):
    """A chunk that is the whole dict so far: the next one takes its place."""

    __slots__ = ("growth",)

    growth: Growth

    def __copy__(self) -> DictSnapshot:
        made = DictSnapshot(self)
        if hasattr(self, "growth"):
            made.growth = self.growth
        return made


class ListSnapshot(_Snapshot, list[Any]):
    """A chunk that is the whole list so far: the next one takes its place."""

    __slots__ = ("growth",)

    growth: Growth


class StrSnapshot(_Snapshot, str):
    """A chunk that is the whole text so far: the next one takes its place."""

    __slots__ = ()


_SNAPSHOTS: dict[type, Callable[[Any], Any]] = {dict: DictSnapshot, list: ListSnapshot, str: StrSnapshot}
_PLAIN: dict[type, Callable[[Any], Any]] = {DictSnapshot: dict, ListSnapshot: list, StrSnapshot: str}

SNAPSHOTS = frozenset(_PLAIN)
"""The classes of snapshots."""

# What alone in a stream is not the value of the stream.
TO_BE_SUMMED = frozenset({StreamReset, *SNAPSHOTS})


def snapshot(value: Any, growth: Growth | None = None) -> Any:
    """Give a value as a chunk that takes the place of those before it; what is no dict, list or str does so anyway.

    With ``growth`` it is one of the values of which each shares with those before what is complete in it. Nothing that
    is in such a value may be changed; what is the same object in two of them is the same value.
    """
    make = _SNAPSHOTS.get(_class_of(value))
    if make is None:
        return value
    made = make(value)
    if growth is not None and make is not StrSnapshot:
        made.growth = growth
    return made


def plain(value: Any) -> Any:
    """Give the plain dict, list or str that a snapshot stands for, and anything else as it is."""
    make = _PLAIN.get(_class_of(value))
    return value if make is None else make(value)


_SCALAR, _STR, _BYTES, _TUPLE, _LIST, _DICT, _OBJECT, _RESET = range(1, 9)
_RANKS: dict[type, int] = {
    type(None): 0,
    bool: _SCALAR,
    int: _SCALAR,
    float: _SCALAR,
    complex: _SCALAR,
    str: _STR,
    bytes: _BYTES,
    tuple: _TUPLE,
    list: _LIST,
    dict: _DICT,
    StreamReset: _RESET,
}


class _EveryKey:
    def __contains__(self, key: object) -> bool:
        return True


EVERY_KEY: Container[object] = _EveryKey()


def merge(a: Any, b: Any) -> Any:
    """Give the sum of two chunks; to add up many, ``merge_all`` is linear where repeated ``merge`` is not."""
    if a is None:
        return b
    if b is None and type(a) is not StreamReset:
        return a
    if type(a) is str and type(b) is str:
        return a + b
    return _join([a, b])


def merge_all(chunks: Iterable[Any], *, whole: Container[object] = ()) -> Any:
    """Give the sum of all chunks, or of those after the last ``StreamReset``, in time linear in their total size.

    ``whole`` names dict keys whose text is a fact and not a piece of something (``EVERY_KEY`` for all of them): there
    the last non-empty text wins. A single chunk comes back as the same object. Raises ``EmptyStreamError`` if there is
    no chunk at all.
    """
    parts = list(chunks)
    if not parts:
        raise EmptyStreamError("expected at least one chunk to add up, but the stream ended without any")
    total = _join(parts, whole, settle=True)
    return plain(total) if type(total) is not StreamReset else _value_since(total)


def _value_since(reset: StreamReset) -> Any:
    if not reset.since:
        raise EmptyStreamError(
            f"expected at least one chunk after the stream began again ({reset.reason}), but it ended"
        )
    return plain(reset.since[0])


def _join(given: list[Any], whole: Container[object] = (), *, settle: bool = False) -> Any:
    rank, parts = _highest(given)
    if rank == _RESET:
        return _join_since(given, whole, settle)
    if len(parts) == 1:
        return parts[0]
    return _join_dicts(parts, whole, settle) if rank == _DICT else _JOIN[rank](parts)


def _join_since(parts: list[Any], whole: Container[object], settle: bool) -> StreamReset:
    """The last reset, with the sum of what came since."""
    later = [*takewhile(lambda part: type(part) is not StreamReset, reversed(parts))][::-1]
    reset: StreamReset = parts[-1 - len(later)]
    return StreamReset(reset.reason, (_join([*reset.since, *later], whole, settle=settle),)) if later else reset


def _join_dicts(parts: list[dict[Any, Any]], whole: Container[object], settle: bool) -> dict[Any, Any]:
    """The sum of dicts; ``settle`` says that nothing will be added to it, so that snapshots in it can be plain."""
    result: dict[Any, Any] = {}
    work = [(result, parts, 1)]
    while work:
        target, dicts, depth = work.pop()
        for key, values in _by_key(dicts).items():
            rank, values = _highest(values)
            if rank == _OBJECT and settle:
                target[key] = plain(values[0] if len(values) == 1 else _join_objects(values))
            elif len(values) == 1 or (rank == _DICT and depth == MAX_DEPTH):
                target[key] = values[-1]
            elif rank == _DICT:
                target[key] = {}
                work.append((target[key], values, depth + 1))
            elif rank == _STR and key in whole:
                target[key] = _last_text(values)
            else:
                target[key] = _JOIN[rank](values)
    return result


def _by_key(dicts: list[dict[Any, Any]]) -> dict[Any, list[Any]]:
    gathered: dict[Any, list[Any]] = {}
    for part in dicts:
        for key, value in part.items():
            if key in gathered:
                gathered[key].append(value)
            else:
                gathered[key] = [value]
    return gathered


def _highest(values: list[Any]) -> tuple[int, list[Any]]:
    """Give the highest rank among the values, and the values that have it."""
    kinds = {*map(type, values)}
    if len(kinds) == 1:
        return _rank(kinds.pop()), values
    ranks = {kind: _rank(kind) for kind in kinds}
    top = max(ranks.values())
    return top, [value for value in values if ranks[type(value)] == top]


def _rank(kind: type) -> int:
    rank = _RANKS.get(kind)
    return _rank_of_class(kind) if rank is None else rank


def _rank_of_class(kind: type[Any]) -> int:
    # Asked anew for every merge: remembering the answer would keep the user's class alive.
    if hasattr(kind, "__merge_all__"):
        return _OBJECT
    if any(hasattr(kind, name) for name in ("__float__", "__index__", "__complex__", "__members__")):
        return _SCALAR  # Decimal, Fraction, enum members, arrays: to add these up is not to join pieces
    if "__add__" in _names(kind, dict) or "_fields" in _names(kind, tuple):
        return _OBJECT  # collections.Counter has its own sum, a named tuple is a record
    return next((_RANKS[base] for base in (str, bytes, tuple, list, dict) if issubclass(kind, base)), _OBJECT)


def _names(kind: type[Any], base: type[Any]) -> list[str]:
    return dir(kind) if issubclass(kind, base) else []


def _last(parts: list[Any]) -> Any:
    return parts[-1]


def _last_text(parts: list[str]) -> str:
    return next((part for part in reversed(parts) if part), "")


def _join_tuples(parts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(chain.from_iterable(parts))


def _join_lists(parts: list[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(parts))


def _join_objects(parts: list[Any]) -> Any:
    kind = _class_of(parts[-1])
    run = [*takewhile(lambda part: type(part) is kind, reversed(parts))][::-1]
    if len(run) == 1:
        return run[0]
    merge_run: Callable[[list[Any]], Any] | None = getattr(kind, "__merge_all__", None)
    return reduce(_add, run) if merge_run is None else merge_run(run)


def _add(a: Any, b: Any) -> Any:
    add = getattr(_class_of(a), "__add__", _JOIN_RECORDS)
    if type(a) is not type(b) or add is _JOIN_RECORDS:
        return b
    total = add(a, b)
    return b if total is NotImplemented else total


def _class_of(value: object) -> type[Any]:
    return type(value)


# What a named tuple inherits: two records side by side are not a record.
_JOIN_RECORDS: Any = cast(Any, tuple).__add__


_JOIN: dict[int, Callable[[list[Any]], Any]] = {
    0: _last,
    _SCALAR: _last,
    _STR: "".join,
    _BYTES: b"".join,
    _TUPLE: _join_tuples,
    _LIST: _join_lists,
    _OBJECT: _join_objects,
    _RESET: _last,  # inside a dict it is a value like any other
}


class Restarted(BaseException):
    """Raised to whoever reads a stream, where it begins again: what was made of the chunks so far is for nothing.

    No ``except Exception`` keeps it, and every ``finally`` runs, as when a task is cancelled. ``stream`` stands for the
    stream that begins again.
    """

    def __init__(self, stream: object) -> None:
        super().__init__("the step before begins its stream again, so what was made of the chunks so far is given up")
        self.stream = stream

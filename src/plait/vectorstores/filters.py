"""Filters on metadata: what they may say, and whether a document passes; pure, one meaning for every store.

    {"year": 2024}                                  equal
    {"year": {"$gte": 2020, "$lt": 2025}}           both must hold
    {"author": "ada", "tags": {"$in": ["a", "b"]}}  both must hold
    {"$or": [{"year": 2024}, {"$not": {"author": "ada"}}]}

Equality is that of JSON: 1 is 1.0, True is not 1, lists and dicts are equal part by part. Order is between two numbers
or two texts (by code point); what cannot be compared does not pass. A document without the key passes ``$ne``,
``$nin`` and ``{"$exists": False}``, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import ge, gt, le, lt
from typing import Any, Final, NamedTuple, TypeAlias, cast

from plait.errors import StoreError

__all__ = ["ABSENT", "All", "Any_", "Condition", "Members", "Not", "Test", "keys_of", "parsed", "passes", "same"]

ABSENT: Final[Any] = object()
"""What a document has under a key that it does not have."""

_DEEPEST: Final = 20
_MOST: Final = 1000
_LONGEST_KEY: Final = 256  # characters


class Test(NamedTuple):
    """What is under ``key`` must pass ``operator`` with ``operand``."""

    key: str
    operator: str
    operand: Any


class All(NamedTuple):
    """Every part must hold."""

    parts: tuple[Condition, ...]


class Any_(NamedTuple):  # noqa: N801  # `Any` is taken
    """One part must hold."""

    parts: tuple[Condition, ...]


class Not(NamedTuple):
    """The part must not hold."""

    part: Condition


Condition: TypeAlias = "Test | All | Any_ | Not"


class Members(list[Any]):
    """What ``$in`` and ``$nin`` list: of the many texts and numbers among them one is found without a look at each."""

    def __init__(self, values: Iterable[Any]) -> None:
        super().__init__(values)
        self.plain = frozenset(_told_apart(each) for each in self if type(each) in _PLAIN)
        self.others = [each for each in self if type(each) not in _PLAIN]

    def has(self, value: object) -> bool:
        """Whether the value is the same as one of them."""
        if type(value) not in _PLAIN:
            return any(same(value, each) for each in self)
        among = _told_apart(value) in self.plain and same(value, value)  # a set finds NaN, which is the same as nothing
        return among or any(same(value, each) for each in self.others)


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def _told_apart(value: object) -> object:
    """For a set, in which 1 is 1.0 and True, too."""
    return (value,) if isinstance(value, bool) else value


# ------------------------------------------------------------------------------------------------------------- reading


def parsed(filter: Mapping[str, Any]) -> Condition:
    """The condition that a filter states; raises StoreError for one that states none."""
    condition = _all_of(filter, 0)
    if sum(1 for _ in _tests(condition)) > _MOST:
        raise StoreError(f"a filter may make {_MOST} comparisons, and no more")
    return condition


def _all_of(filter: object, depth: int) -> Condition:
    if not isinstance(filter, Mapping):
        raise StoreError(f"a filter is a dict, such as {{'year': {{'$gte': 2020}}}}; got {type(filter).__name__}")
    if depth > _DEEPEST:
        raise StoreError(f"a filter may be nested {_DEEPEST} levels deep, and no deeper")
    given = cast("Mapping[object, Any]", filter)
    return All(tuple(part for key, value in given.items() for part in _parts(key, value, depth)))


def _parts(key: object, value: Any, depth: int) -> Iterator[Condition]:
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or "\0" in key:
        raise StoreError(f"a key of a filter is a text of 1 to {_LONGEST_KEY} characters; got {_shown(key)}")
    if not key.startswith("$"):
        yield from _tests_of(key, value)
    elif key in ("$and", "$or"):
        yield _JOINTS[key](tuple(_all_of(part, depth + 1) for part in _listed(key, value)))
    elif key == "$not":
        yield Not(_all_of(value, depth + 1))
    else:
        raise StoreError(f"{_shown(key)} stands in a filter where a key, $and, $or or $not is expected")


_JOINTS: Final[dict[str, Callable[[tuple[Condition, ...]], Condition]]] = {"$and": All, "$or": Any_}


def _tests_of(key: str, value: Any) -> Iterator[Condition]:
    named: Mapping[object, Any] = cast("Mapping[object, Any]", value) if isinstance(value, Mapping) else {}
    operators = [name for name in named if isinstance(name, str) and name.startswith("$")]
    if not operators:
        yield Test(key, "$eq", _plain(key, value))
        return
    if len(operators) != len(named):
        raise StoreError(f"the filter on {_shown(key)} mixes operators, which begin with $, and other keys")
    for name in operators:
        yield Test(key, name, _operand(key, name, named[name]))


def _operand(key: str, name: str, value: Any) -> Any:
    where = f"{name} of {_shown(key)}"
    if name in ("$eq", "$ne"):
        return _plain(key, value)
    if name in ("$in", "$nin"):
        return Members(_plain(key, each) for each in _listed(where, value, least=0))
    if name == "$exists":
        return _checked(where, value, isinstance(value, bool), "True or False")
    if name in _ORDERS:
        return _checked(where, value, _is_number(value) or isinstance(value, str), "a number or a text")
    raise StoreError(f"the filter on {_shown(key)} has no operator {_shown(name)}; there are {', '.join(_OPERATORS)}")


def _listed(where: str, value: Any, least: int = 1) -> list[Any]:
    fits = isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes)
    return list(_checked(where, value, fits and len(cast("Sequence[Any]", value)) >= least, "a list"))


def _checked(where: str, value: Any, fits: bool, expected: str) -> Any:
    if fits:
        return value
    raise StoreError(f"{where} in a filter takes {expected}; got {_shown(value)}")


def _plain(key: str, value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [_plain(key, each, depth + 1) for each in cast("Sequence[Any]", value)]
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(name): _plain(key, each, depth + 1) for name, each in cast("Mapping[Any, Any]", value).items()}
    raise StoreError(f"the filter on {_shown(key)} compares with what JSON has: got {type(value).__name__}")


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else f"an object of type {type(value).__name__}"


# ------------------------------------------------------------------------------------------------------------- passing


def passes(condition: Condition, metadata: Mapping[str, Any]) -> bool:
    """Whether a document with that metadata passes."""
    match condition:
        case Test(key, operator, operand):
            return _OPERATORS[operator](metadata.get(key, ABSENT), operand)
        case All(parts):
            return all(passes(part, metadata) for part in parts)
        case Any_(parts):
            return any(passes(part, metadata) for part in parts)
        case Not(part):
            return not passes(part, metadata)


def keys_of(condition: Condition) -> set[str]:
    """The keys that documents must have for the filter to mean something: all but those of ``$exists``."""
    return {test.key for test in _tests(condition) if test.operator != "$exists"}


def _tests(condition: Condition) -> Iterator[Test]:
    match condition:
        case Test():
            yield condition
        case All(parts) | Any_(parts):
            for part in parts:
                yield from _tests(part)
        case Not(part):
            yield from _tests(part)


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same in JSON."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        one, other = cast("Sequence[Any]", a), cast("Sequence[Any]", b)
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        mine, theirs = cast("Mapping[Any, Any]", a), cast("Mapping[Any, Any]", b)
        return mine.keys() == theirs.keys() and all(same(value, theirs[name]) for name, value in mine.items())
    return bool(a == b)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_order(order: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def holds(value: Any, operand: Any) -> bool:
        comparable = (_is_number(value) and _is_number(operand)) or (
            isinstance(value, str) and isinstance(operand, str)
        )
        return comparable and order(value, operand)

    return holds


def _exists(value: Any, operand: Any) -> bool:
    return (value is not ABSENT) is operand


def _differs(value: Any, operand: Any) -> bool:
    return not same(value, operand)


def _is_in(value: Any, operand: Any) -> bool:
    return bool(operand.has(value))


def _is_not_in(value: Any, operand: Any) -> bool:
    return not _is_in(value, operand)


_ORDERS: Final = {"$gt": _in_order(gt), "$gte": _in_order(ge), "$lt": _in_order(lt), "$lte": _in_order(le)}
_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$eq": same,
    "$ne": _differs,
    "$in": _is_in,
    "$nin": _is_not_in,
    **_ORDERS,
    "$exists": _exists,
}

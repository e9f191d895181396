"""Types that a saved chain may name: the builtin ones, exceptions, and combinations of them; by a closed table."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from types import GenericAlias, NoneType, UnionType
from typing import Any, Final, Union, cast, get_args, get_origin

from plait import errors

__all__ = ["TYPES", "joined", "parts_of"]

_BUILTIN: Final = (str, int, float, bool, bytes, list, dict, tuple, set, frozenset, object, NoneType)
_EXCEPTIONS: Final = tuple(
    each
    for each in (*vars(builtins).values(), *(getattr(errors, name) for name in errors.__all__))
    if isinstance(each, type) and issubclass(each, BaseException)
)
TYPES: Final[Mapping[str, Any]] = {"Any": Any, **{each.__name__: each for each in (*_BUILTIN, *_EXCEPTIONS)}}
"""By name."""


def parts_of(kind: Any) -> tuple[str, tuple[Any, ...]] | None:
    """``("list", (str,))`` for ``list[str]``, ``("union", (int, None))`` for ``int | None``; None for a plain type."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return "union", get_args(kind)
    return (origin.__name__, get_args(kind)) if origin in _BUILTIN else None


def joined(name: str, parts: Iterable[Any]) -> Any:
    """The type of these parts; KeyError for a name that none has."""
    given = tuple(parts)
    if name == "union":
        return Union[given]  # noqa: UP007  # the types come as a tuple
    return GenericAlias(cast("type[Any]", TYPES[name]), given)

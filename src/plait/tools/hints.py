"""What a function's annotations mean, each on its own, in a form that pydantic reads; pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from typing_extensions import TypedDict, is_typeddict

from plait.signatures import resolve_hints

__all__ = ["Unknown", "names_around", "readable", "resolved"]

_READS_ALL = sys.version_info >= (3, 12)
"""Whether pydantic takes a ``TypedDict`` of ``typing`` here; before 3.12 it wants that of ``typing_extensions``."""


class Unknown(NamedTuple):
    """An annotation that names what is not known where the function is defined."""

    text: str


def names_around(func: Any) -> Mapping[str, Any]:
    """The names that annotations of a function, or of whatever is called in its place, may use."""
    inner: Any = func.func if isinstance(func, partial) else func
    if isinstance(inner, type):
        return vars(sys.modules[inner.__module__])
    while hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    found = getattr(inner, "__globals__", None)
    return getattr(type(inner).__call__, "__globals__", {}) if found is None else found


def resolved(hint: Any, names: Mapping[str, Any]) -> Any:
    """The annotation without its strings, as pydantic reads it; ``Unknown`` if it cannot be resolved."""
    holder: Any = SimpleNamespace(__annotations__={"hint": hint})
    try:
        found = get_type_hints(holder, dict(names), include_extras=True)["hint"]
    except Exception:  # an annotation is an expression: evaluating it may raise anything
        return Unknown(str(hint))
    return readable(found)


def readable(hint: Any) -> Any:
    """The same annotation; what pydantic does not take on this Python is replaced by its equal, however deep inside."""
    return hint if _READS_ALL else _replaced(hint, frozenset())


def _replaced(hint: Any, around: frozenset[Any]) -> Any:
    if is_typeddict(hint) and type(hint).__module__ == "typing":
        return hint if hint in around else _typed_dict(hint, around | {hint})
    origin, old = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    new: tuple[Any, ...] = tuple(_replaced(part, around) for part in old)
    if all(one is other for one, other in zip(old, new, strict=True)):
        return hint
    if origin in (Union, UnionType):
        return Union[new]  # noqa: UP007 - they are known at run time only
    return Annotated[new] if origin is Annotated else origin[new[0] if len(new) == 1 else new]


def _typed_dict(kind: Any, around: frozenset[Any]) -> Any:
    make: Any = TypedDict
    fields = {name: _replaced(hint, around) for name, hint in resolve_hints(kind).items()}
    made = make(kind.__name__, fields, total=getattr(kind, "__total__", True))
    made.__doc__, made.__module__ = kind.__doc__, kind.__module__
    return made

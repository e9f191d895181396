"""What a function's annotations mean, each on its own, in a form that pydantic reads; pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, get_type_hints

from plait.tools.typed_dicts import described

__all__ = ["Unknown", "names_around", "resolved"]


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

    def holder() -> None: ...

    holder.__annotations__ = {"hint": hint}
    try:
        found = get_type_hints(holder, dict(names), include_extras=True)["hint"]
    except Exception:  # an annotation is an expression: evaluating it may raise anything
        return Unknown(str(hint))
    return described(found)

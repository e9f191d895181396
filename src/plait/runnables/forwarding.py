"""The public names that a wrapper has because what it wraps has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from operator import methodcaller
from types import MethodType
from typing import Any, cast

__all__ = ["forwarded"]


def forwarded(wrapper: Any, name: str, through: Callable[[methodcaller], Any]) -> Any:
    """The attribute ``name`` of ``wrapper.bound``, for a wrapper that has none of that name.

    A method comes back as one of the wrapper: it hands the call to ``through``, which decides what becomes of the
    result. Names that begin with ``_`` are never forwarded, so that copying and pickling see the wrapper itself.
    """
    owner = cast("type[object]", type(wrapper))
    if hasattr(owner, name):
        return object.__getattribute__(wrapper, name)  # a property of its own has failed: with the error that it raised
    bound = _within(wrapper)
    if name.startswith("_") or bound is None:
        raise AttributeError(f"{owner.__name__!r} object has no attribute {name!r}", name=name)
    try:
        found: Any = getattr(bound, name)
    except AttributeError as error:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute {name!r}, nor has the {_kind(bound)} that it wraps",
            name=name,
        ) from error
    is_method = callable(found) and getattr(found, "__self__", None) is bound
    return MethodType(_passing(found, name, through), wrapper) if is_method else found


def _passing(method: Callable[..., Any], name: str, through: Callable[[methodcaller], Any]) -> Callable[..., Any]:
    @wraps(getattr(method, "__func__", method))
    def call(_: Any, /, *args: Any, **kwargs: Any) -> Any:
        return through(methodcaller(name, *args, **kwargs))

    return call


def _kind(bound: Any) -> str:
    """Its class, and in brackets what that wraps in its turn."""
    inner = _within(bound)
    return type(bound).__name__ if inner is None else f"{type(bound).__name__} ({_kind(inner)})"


def _within(wrapper: Any) -> Any:
    return cast("dict[str, Any]", vars(wrapper)).get("bound")  # there is none yet while a wrapper is unpickled

"""What a user's function is and wants, found once, when a chain is built; no source is read, nothing is cached.

A function is one of four kinds (``sync``, ``async``, ``gen``, ``agen``). It is handed the config when it has a
parameter besides the first that is named ``config`` or annotated with ``RunnableConfig`` (the annotation may be a
string, an ``Optional`` or a union); a wrapper that takes ``**kwargs`` is judged by the function that it wraps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, partialmethod
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any, Literal, cast

__all__ = ["Kind", "awaitable", "config_parameter", "kind_of", "name_of", "takes", "takes_more"]

Kind = Literal["sync", "async", "gen", "agen"]

# Bits of code.co_flags, as the data model chapter of the Python reference documents them.
_VARARGS, _VARKEYWORDS, _GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = (
    0x04,
    0x08,
    0x20,
    0x80,
    0x100,
    0x200,
)


_INSIDE = {
    partial: "func",
    partialmethod: "func",
    MethodType: "__func__",
    staticmethod: "__func__",
    classmethod: "__func__",
}
"""Where each kind of wrapper keeps the function that it calls."""


def _function(func: object) -> FunctionType | None:
    """The plain function that a call of ``func`` ends in, through partials, methods and callable objects."""
    for _ in range(32):
        if isinstance(func, FunctionType):
            return func
        if isinstance(func, type | BuiltinFunctionType):
            return None
        inner = getattr(cast(Any, func), _INSIDE.get(cast("type[Any]", type(func)), ""), None)
        func = inner if inner is not None else getattr(type(func), "__call__", None)  # noqa: B004 - wanted itself
    return None


def _kind(function: FunctionType) -> Kind:
    flags = function.__code__.co_flags
    if flags & (_COROUTINE | _ITERABLE_COROUTINE) or hasattr(function, "_is_coroutine_mark"):
        return "async"
    if flags & _ASYNC_GENERATOR:
        return "agen"
    return "gen" if flags & _GENERATOR else "sync"


def kind_of(func: Callable[..., Any]) -> Kind:
    """Sync, async, generator or async generator, whatever is wrapped inside: only the outermost function is called."""
    function = _function(func)
    if function is None:
        return "sync"
    return _kind(function)


def _says_config(annotation: object) -> bool:
    text = annotation if isinstance(annotation, str) else f"{getattr(annotation, '__name__', '')} {annotation!r}"
    names = "".join(letter if letter.isidentifier() or letter.isdigit() else " " for letter in text)
    return "RunnableConfig" in names.split()


def _named_parameters(function: FunctionType) -> tuple[str, ...]:
    code: CodeType = function.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def takes(func: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of that name."""
    function = _function(func)
    return function is not None and name in _named_parameters(function)


def takes_more(func: Callable[..., Any], name: str) -> bool:
    """Whether a function takes an argument of that name by its ``**kwargs``."""
    function = _function(func)
    return function is not None and bool(function.__code__.co_flags & _VARKEYWORDS) and not takes(func, name)


def config_parameter(func: Any, *, named: bool = False) -> str | None:
    """The name of the parameter that takes the config, by the rule at the top of this module, or None.

    ``named`` says that a call gives all arguments by name: the first parameter may be it, too, and a ``config`` that is
    annotated with something else is an argument like any other.
    """
    given: set[str] = set()
    filled = 0
    inner = func
    while isinstance(inner, partial):
        given |= set(cast("partial[Any]", inner).keywords)
        filled += len(cast("partial[Any]", inner).args)
        inner = cast("partial[Any]", inner).func
    filled += isinstance(inner, MethodType) or not isinstance(inner, FunctionType)
    function = _function(func)
    if function is None:
        return None
    found = _config_among(function, filled + (not named), named)
    if found is None and function.__code__.co_flags & _VARKEYWORDS and hasattr(function, "__wrapped__"):
        found = config_parameter(cast(Any, function).__wrapped__, named=named)
    return None if found in given else found


def _config_among(function: FunctionType, skip: int, named: bool) -> str | None:
    names = _named_parameters(function)
    positional_only = function.__code__.co_posonlyargcount
    for index, name in enumerate(names):
        if index < positional_only or index < min(skip, function.__code__.co_argcount):
            continue
        hint = function.__annotations__.get(name, "")
        if _says_config(hint) or (name == "config" and not (named and hint)):
            return name
    return None


def awaitable(value: object) -> bool:
    """Whether ``value`` has to be awaited."""
    return hasattr(type(value), "__await__")


def name_of(func: Callable[..., Any]) -> str:
    """The name by which a function is known: that of the function inside partials, or of a callable's class."""
    while isinstance(func, partial):
        func = func.func
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__

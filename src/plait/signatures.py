"""What a function says about its types: its annotations are resolved, its source and its body are never looked at."""

from __future__ import annotations

import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import suppress
from functools import partial
from types import FunctionType, MethodType
from typing import Annotated, Any, NamedTuple, cast, get_args, get_origin, get_type_hints

__all__ = ["chunk_types", "function_types", "resolve_hint", "resolve_hints"]

_VARARGS, _GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x04, 0x20, 0x80, 0x200  # co_flags; ``inspect`` is slow to import
_STREAMS = (Iterator, Iterable, Generator, AsyncIterator, AsyncIterable, AsyncGenerator)
_WRAPPERS_AT_MOST = 100  # a function may be its own __wrapped__


class _Signature(NamedTuple):
    """Raw annotations, still unresolved, with the names that they may use."""

    first: object
    result: object
    flags: int
    globals: Mapping[str, Any]
    locals: Mapping[str, Any]


class _Target(NamedTuple):
    """The Python function below partials, methods and wrappers; ``skip`` of its parameters are taken by then."""

    function: FunctionType
    skip: int
    bound: frozenset[str]
    made: type | None


def function_types(func: object) -> tuple[Any, Any]:
    """The type of the first parameter that a call can still fill, and of the result; ``Any`` where nothing is said.

    What is awaited counts, not the awaitable; of a generator function what it yields, not the generator. A class gives
    the first parameter of its constructor and itself. Never raises.
    """
    signature = _signature(func)
    if signature is None:
        return Any, func if _makes_itself(func) else Any
    result = _resolved(signature, signature.result)
    if signature.flags & (_GENERATOR | _ASYNC_GENERATOR):
        result = _item_type(result)
    elif not signature.flags & _COROUTINE:
        result = _awaited_type(result)
    return _resolved(signature, signature.first), result


def chunk_types(func: object) -> tuple[Any, Any]:
    """The types of one chunk that goes into a transforming function and of one that comes out of it.

    ``(Iterator[A]) -> Iterator[B]`` and its async relatives give ``(A, B)``, whether it is a generator function or
    returns an iterator; ``Any`` where nothing is said. Never raises.
    """
    signature = _signature(func)
    if signature is None:
        return Any, Any
    return _item_type(_resolved(signature, signature.first)), _item_type(_resolved(signature, signature.result))


def resolve_hints(cls: type) -> dict[str, Any]:
    """The annotations of a class, resolved, markers such as ``NotRequired`` kept; ``Any`` for one that cannot be."""
    try:
        return get_type_hints(cls, include_extras=True)
    except Exception:  # one name that is not known fails them all: take them one by one
        owners = [(base, _module_names(base)) for base in reversed(cls.__mro__)]
        return {key: resolve_hint(hint, names) for base, names in owners for key, hint in _annotations(base).items()}


def resolve_hint(hint: object, names: Mapping[str, Any], local: Mapping[str, Any] | None = None) -> Any:
    """One annotation without its strings, looked up in ``local``, then ``names``; ``Any`` if it cannot be resolved."""
    if isinstance(hint, type):  # nearly always, and evaluating takes twenty times as long
        return hint

    def carrier() -> None: ...

    carrier.__annotations__ = {"hint": hint}
    try:
        return get_type_hints(carrier, dict(names), dict(local or {}), include_extras=True)["hint"]
    except Exception:  # an annotation is an expression: evaluating it may raise anything
        return Any


def _resolved(signature: _Signature, hint: object) -> Any:
    return resolve_hint(hint, signature.globals, signature.locals)


def _signature(func: object) -> _Signature | None:
    try:
        target = _target(func)
        return None if target is None else _read(target)
    except Exception:  # the attributes of a callable object are computed by whoever wrote it
        return None


def _target(func: object) -> _Target | None:
    skip, bound = 0, frozenset[str]()
    for _ in range(_WRAPPERS_AT_MOST):
        if isinstance(func, partial):
            skip, bound, func = skip + len(func.args), bound | func.keywords.keys(), func.func
        elif isinstance(func, (MethodType, classmethod)):
            skip, func = skip + 1, cast("MethodType", func).__func__
        elif isinstance(func, staticmethod):
            func = cast("object", func.__func__)
        elif isinstance(func, type):
            constructor = _constructor(func)
            return constructor and _Target(constructor, skip + 1, bound, func)
        elif (wrapped := getattr(func, "__dict__", {}).get("__wrapped__")) is not None:
            func = wrapped
        elif isinstance(func, FunctionType):
            return _Target(func, skip, bound, None)
        elif (method := _call_method(func)) is not None:
            skip, func = skip + 1, method
        else:
            return None
    return None


def _call_method(instance: object) -> FunctionType | None:
    methods = (vars(cls).get("__call__") for cls in type(instance).__mro__)
    method = next((method for method in methods if method is not None), None)
    return method if isinstance(method, FunctionType) else None


def _constructor(cls: type) -> FunctionType | None:
    if not _makes_itself(cls):
        return None
    constructors = (getattr(cls, name) for name in ("__init__", "__new__"))
    return next((constructor for constructor in constructors if isinstance(constructor, FunctionType)), None)


def _makes_itself(func: object) -> bool:
    """Whether calling it gives an instance of it; a metaclass with a ``__call__`` of its own may give anything."""
    return isinstance(func, type) and type(func).__call__ is type.__call__


def _read(target: _Target) -> _Signature:
    function, skip, bound, made = target
    hints, name = _annotations(function), _parameter(function, skip)
    type_parameters = {parameter.__name__: parameter for parameter in getattr(function, "__type_params__", ())}
    return _Signature(
        first=Any if name in bound else hints.get(name, Any),
        result=made or hints.get("return", Any),
        flags=function.__code__.co_flags,
        globals=_module_names(made) if made else function.__globals__,
        locals=type_parameters | _closure(function),
    )


def _parameter(function: FunctionType, index: int) -> str:
    code = function.__code__
    if index < code.co_argcount:
        return code.co_varnames[index]
    return code.co_varnames[code.co_argcount + code.co_kwonlyargcount] if code.co_flags & _VARARGS else ""


def _closure(function: FunctionType) -> dict[str, Any]:
    """Names of enclosing functions that the body uses: a local class is often among them."""
    names: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # the enclosing function has not come to this assignment yet
            names[name] = cell.cell_contents
    return names


def _module_names(cls: type) -> Mapping[str, Any]:
    module = sys.modules.get(cls.__module__)
    return {} if module is None else vars(module)


def _annotations(owner: object) -> dict[str, Any]:
    try:
        return dict(getattr(owner, "__annotations__", {}))
    except Exception:  # from 3.14 on they are evaluated here, and may use what does not exist
        return {}


def _plain(hint: Any) -> Any:
    return _plain(hint.__origin__) if get_origin(hint) is Annotated else hint


def _item_type(hint: Any) -> Any:
    hint = _plain(hint)
    return get_args(hint)[0] if get_origin(hint) in _STREAMS else Any


def _awaited_type(hint: Any) -> Any:
    plain = _plain(hint)
    origin, args = get_origin(plain) or plain, get_args(plain)
    if not isinstance(origin, type) or not issubclass(origin, Awaitable):
        return hint
    if origin is Coroutine:
        return args[2] if len(args) == 3 else Any
    return args[0] if len(args) == 1 else Any

"""When the output of one step can certainly never be the input of the next, told from their types alone.

Certain means: no value of the one type is of the other, whatever subclasses somebody may still write. Where that cannot
be known the answer is "not certain": an empty list is a ``list[int]`` and a ``list[str]``, a ``float`` may hold an
``int``, anything may be an ``Iterable``.
"""

from __future__ import annotations

import numbers
from abc import ABCMeta
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    LiteralString,
    NewType,
    NotRequired,
    Required,
    Union,
    Unpack,
    get_args,
    get_origin,
)

__all__ = ["mismatch", "type_name"]

# No class derives from two of these: their memory layouts exclude each other.
_SOLID = (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset)
_NUMBERS = (int, float, complex, numbers.Number)  # a value of type float may well be an int
_BYTES: tuple[type[Any], ...] = (bytes, bytearray, memoryview)  # type checkers let the one stand for the other
_WRAPPERS = (Annotated, Required, NotRequired)
_NAME_LENGTH = 120
_CAN_BE_SUBCLASSED = 1 << 10  # Py_TPFLAGS_BASETYPE


def mismatch(output_type: Any, input_type: Any) -> str | None:
    """A sentence if it is certain that no value of ``output_type`` is one of ``input_type``, else None; never raises.

    Instances count, not what could be turned into one: no ``dict`` is a pydantic model or a dataclass.
    """
    try:
        if not _apart(output_type, input_type):
            return None
        return f"no value of type {type_name(output_type)} is of type {type_name(input_type)}"
    except Exception:  # a metaclass may raise anything and a recursive alias has no end: then nothing is certain
        return None


def type_name(type_: Any) -> str:
    """A type as somebody would write it, without module names, cut at 120 characters."""
    name = _name(type_)
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"


def _name(type_: Any) -> str:
    origin, args = get_origin(type_), get_args(type_)
    if type_ is NoneType:
        return "None"
    if origin is Annotated:
        return _name(args[0])
    if origin in (Union, UnionType):
        return " | ".join(_name(arg) for arg in args)
    if origin is Literal:
        return str(type_).removeprefix("typing.")
    bare = origin or type_
    name = str(getattr(bare, "__name__", None) or getattr(bare, "__forward_arg__", None) or bare)
    return f"{name}[{', '.join(_argument_name(arg) for arg in args)}]" if args else name


def _argument_name(arg: Any) -> str:
    if _is_list(arg):  # the parameters of a Callable
        return f"[{', '.join(_name(parameter) for parameter in arg)}]"
    return "..." if arg is ... else _name(arg)


def _is_list(arg: object) -> bool:
    return isinstance(arg, list)


def _apart(output: Any, target: Any) -> bool:
    targets = list(_alternatives(target))
    return all(_pair_apart(a, b) for a in _alternatives(output) for b in targets)


def _alternatives(type_: Any) -> Iterator[Any]:
    """The classes, perhaps with arguments, that the values of a type are of; ``object`` for what is not known."""
    origin, args = get_origin(type_), get_args(type_)
    if origin in (Union, UnionType):
        for arg in args:
            yield from _alternatives(arg)
    elif origin is Literal:
        yield from map(type, args)
    elif (inner := _inside(type_, origin, args)) is not None:
        yield from _alternatives(inner)
    elif type_ is None:
        yield NoneType
    elif hasattr(type_, "__required_keys__"):  # a TypedDict
        yield dict
    else:
        yield type_ if isinstance(origin or type_, type) else object


def _inside(type_: Any, origin: Any, args: tuple[Any, ...]) -> Any:
    """What an alias or a wrapper stands for."""
    if origin in _WRAPPERS:
        return args[0]
    if isinstance(type_, NewType):
        return type_.__supertype__
    if type(type_).__name__ == "TypeAliasType":  # of typing from 3.12 on, or of typing_extensions
        return type_.__value__
    return str if type_ is LiteralString else None


def _pair_apart(output: Any, target: Any) -> bool:
    output_class, target_class = get_origin(output) or output, get_origin(target) or target
    if output_class is tuple and target_class is tuple:
        return _tuples_apart(get_args(output), get_args(target))
    return _classes_apart(output_class, target_class)


def _tuples_apart(outputs: tuple[Any, ...], targets: tuple[Any, ...]) -> bool:
    """Alone among containers a tuple has its length and the type of each item in its type."""
    if not _countable(outputs) or not _countable(targets):
        return False
    if len(outputs) != len(targets):
        return True
    return any(_apart(a, b) for a, b in zip(outputs, targets, strict=True))


def _countable(items: tuple[Any, ...]) -> bool:
    return bool(items) and not any(item is ... or _is_unpacked(item) for item in items)


def _is_unpacked(item: Any) -> bool:
    return get_origin(item) is Unpack or getattr(item, "__unpacked__", False)


def _classes_apart(a: type, b: type) -> bool:
    if _accepts_others(a) or _accepts_others(b) or issubclass(a, _stand_ins(b)) or issubclass(b, _stand_ins(a)):
        return False
    if _is_final(a) or _is_final(b):
        return True
    if _is_structural(a) or _is_structural(b):
        return False
    return _solid_apart(a, b)


def _accepts_others(cls: type) -> bool:
    """Whether what is no instance of a class may yet be taken for one, as where a protocol is asked for."""
    check = type(cls).__instancecheck__
    if check not in (type.__instancecheck__, ABCMeta.__instancecheck__) and not _is_pydantic(check):
        return True
    return any(_reads_others(base) for base in cls.__mro__)


def _reads_others(cls: type) -> bool:
    """Whether pydantic makes such a thing of something else, as it makes a secret of a str."""
    if cls.__module__ == "pydantic.main":
        return False  # a model is made of a dict, but where a model is declared somebody reads its attributes
    return _is_pydantic(cls) or "__get_pydantic_core_schema__" in vars(cls)


def _is_pydantic(owned: Any) -> bool:
    return str(getattr(owned, "__module__", "")).startswith("pydantic")


def _stand_ins(cls: type[Any]) -> tuple[type[Any], ...]:
    """The classes whose instances may come where one of ``cls`` is declared."""
    if issubclass(cls, _NUMBERS):
        return _NUMBERS
    return _BYTES if issubclass(cls, _BYTES) else (cls,)


def _is_final(cls: type) -> bool:
    return not cls.__flags__ & _CAN_BE_SUBCLASSED or "__final__" in vars(cls)


def _is_structural(cls: type) -> bool:
    """Whether having a method is enough to be a subclass, as for ``Iterable``; ``Sequence`` inherits a hook that is off."""
    hooked = [base for base in cls.__mro__ if base is not object and "__subclasshook__" in vars(base)]
    return any(base is cls or base.__module__ != "collections.abc" for base in hooked)


def _solid_apart(a: type, b: type) -> bool:
    solid_a, solid_b = _solid_base(a), _solid_base(b)
    if solid_a and solid_b:
        return solid_a is not solid_b
    if solid_a is a:
        return not _has_subclass_of(b, _stand_ins(a))
    return solid_b is b and not _has_subclass_of(a, _stand_ins(b))


def _solid_base(cls: type) -> type | None:
    return next((base for base in cls.__mro__ if base in _SOLID), None)


def _has_subclass_of(cls: type, solids: tuple[type, ...]) -> bool:
    """Whether somebody already wrote a class that is both, such as ``IntEnum``."""
    subclasses: list[type] = type.__subclasses__(cls)
    return any(issubclass(sub, solids) or _has_subclass_of(sub, solids) for sub in subclasses)

"""From objects to trees: what stands for a class, a function, a type and a secret; and what cannot be saved, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from itertools import chain, count
from types import FunctionType, MethodType
from typing import Any, cast

from pydantic import SecretBytes, SecretStr

from plait.errors import LoadError
from plait.load.envelope import Place, Tree, Writer, enveloped
from plait.load.models import fields_of
from plait.load.refusals import refuse
from plait.load.secrets import Holder, Secret
from plait.load.shapes import SHAPES
from plait.load.table import DATA, SECRETIVE, advice_for, functions, name_of_class
from plait.load.toolkit import shortened
from plait.load.types_by_name import TYPES, parts_of

__all__ = ["Saver"]

_EXACT = (type(None), str, int, float, bool)


class Saver:
    """Writes one value: what the program has by name, then the classes of the table, and nothing else."""

    def __init__(self, functions: Mapping[str, Any] | None, classes: Sequence[type[Any]]) -> None:
        self._functions = dict(functions or {})
        self._classes = {each: each.__name__ for each in classes}
        if len({*self._classes.values()}) != len(self._classes):
            raise LoadError("two of the classes have the same name; give one of them another")
        self._secrets: dict[str, object] = {}
        self._holder: Holder | None = None
        self._writer = Writer(self._own)

    def tree(self, value: Any) -> Tree:
        """The tree of a value; raises LoadError, which says where in it something cannot be saved."""
        try:
            return self._writer.write(value)
        except RecursionError:
            raise LoadError("$: it is nested deeper than the stack that is left here can hold") from None

    def _own(self, value: Any, place: Place, depth: int) -> Tree:
        name = self._function(value)
        if name is not None:
            return enveloped("function", {"name": name})
        part = self._part(value)
        if part is not None:
            return enveloped("part", {"name": part})
        if isinstance(value, Secret | SecretStr | SecretBytes):
            return self._secret(value, place)
        if isinstance(value, type) or value is Any or parts_of(value) is not None:
            return self._type(value, place, depth)
        return self._object(value, place, depth)

    def _function(self, value: Any) -> str | None:
        for name, known in self._functions.items():
            if known is value or (type(value) is MethodType and value == known):
                return name
        return None

    def _part(self, value: Any) -> str | None:
        """The name of a function of plait's own."""
        if type(value) is not FunctionType or not value.__module__.startswith("plait."):
            return None
        return next((name for name, known in functions().items() if known is value), None)

    def _secret(self, value: Secret | SecretStr | SecretBytes, place: Place) -> Tree:
        if not isinstance(value, Secret):
            if self._holder is None or not self._holder.may_hold(place):
                raise place.error("a secret cannot be saved here: leave it out, and set it in the loading program")
            value = Secret(self._holder.name(place), value.get_secret_value())
        names = chain((value.name,), (f"{value.name}_{i}" for i in count(2)))  # another secret of the same name
        name = next(each for each in names if self._secrets.setdefault(each, value.value) == value.value)
        return enveloped("secret", {"name": name})

    def _type(self, kind: Any, place: Place, depth: int) -> Tree:
        parts = parts_of(kind)
        if parts is not None:
            listed = [self._type(each, Place(place, i), depth + 1) for i, each in enumerate(parts[1])]
            return enveloped("type", {"name": parts[0], "of": listed})
        name = "Any" if kind is Any else str(self._classes.get(kind) or getattr(kind, "__name__", ""))
        if kind in self._classes:
            return enveloped("type", {"name": f"own:{name}"})
        if TYPES.get(name) is kind or (name in DATA and name_of_class(cast("type[Any]", kind))):
            return enveloped("type", {"name": name})
        if not isinstance(kind, type):
            raise place.error(
                f"the type {kind!r:.80} cannot be saved: give it as functions={{'name': it}} here and to loads"
            )
        raise place.error(f"the class {name:.80} cannot be saved by name: pass classes=[{name}] here and to loads")

    def _object(self, value: Any, place: Place, depth: int) -> Tree:
        kind = cast("type[Any]", type(value))
        own = self._classes.get(kind)
        name = own or name_of_class(kind)
        if name is None:
            raise place.error(_refusal(value, kind))
        state = self._state(value, name, own is not None, place)
        before, self._holder = self._holder, Holder(kind, place) if own or name in SECRETIVE else None
        self._writer.guard = self._holder and self._holder.veiled
        fields = {field: self._writer.write(held, Place(place, field), depth + 1) for field, held in state.items()}
        self._holder, self._writer.guard = before, before and before.veiled
        return enveloped(f"own:{name}" if own else name, fields)

    def _state(self, value: Any, name: str, own: bool, place: Place) -> dict[str, Any]:
        try:
            state = fields_of(value) if own or name not in SHAPES else SHAPES[name].takes(value)
            refuse("" if own else name, state)
            return shortened("" if own else name, value, state, self._classes)
        except LoadError as error:
            raise place.error(f"this {name} cannot be saved: {error}") from None


def _refusal(value: Any, kind: type[Any]) -> str:
    called = getattr(value, "__name__", None)
    if callable(value) and isinstance(called, str) and kind.__name__ in _FUNCTIONS:
        return f"the function {called} is code: pass functions={{{called!r}: it}} here and to loads"
    if issubclass(kind, (*_EXACT, dict, list, tuple, set, frozenset)):
        own = f", or pass classes=[{kind.__name__}] here and to loads" if _is_small(kind) else ""
        return f"an object of the class {kind.__name__} would come back as something else: make it a plain value{own}"
    return f"this is of the class {kind.__name__}, which cannot be saved: {advice_for(kind)}"


def _is_small(kind: Any) -> bool:
    return issubclass(kind, Enum) or hasattr(kind, "_asdict")


_FUNCTIONS = ("function", "builtin_function_or_method", "method", "method_descriptor", "type", "wrapper_descriptor")

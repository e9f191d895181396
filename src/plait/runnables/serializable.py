"""Runnables that are pydantic models: components with declared, validated fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from plait.errors import ConfigError
from plait.runnables.base import Input, Output, Runnable

__all__ = ["RunnableSerializable", "unknown_setting"]


class RunnableSerializable(BaseModel, Runnable[Input, Output]):
    """A Runnable whose settings are pydantic fields; the base of prompts, models, parsers and of your own components."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = None
    """The name of this in traces and schemas; that of the class by default."""

    if not TYPE_CHECKING:  # checkers know the fields, and should go on to

        def __init__(self, /, **fields):
            try:
                super().__init__(**fields)
            except ValidationError as error:
                unknown = [
                    each["loc"][0] for each in error.errors(include_input=False) if each["type"] == "extra_forbidden"
                ]
                mine = [name for name in unknown if name in fields]
                if not mine:
                    raise
                raise ConfigError(
                    unknown_setting(type(self).__name__, mine[0], type(self).model_fields)
                ) from None  # its text would show all that was given

        def __setattr__(self, name, value):
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                if [each["type"] for each in error.errors(include_input=False)] != ["frozen_instance"]:
                    raise
                raise ConfigError(
                    f"{type(self).__name__} is frozen, since chains that are in use may hold it; make another one: "
                    f"new = old.model_copy(update={{{name!r}: ...}})"
                ) from None

    def __repr__(self) -> str:
        return BaseModel.__repr__(self)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """What was given: a field that has its default would only make a chain hard to read."""
        return ((name, value) for name, value in BaseModel.__repr_args__(self) if name in self.model_fields_set)

    @property
    def InputType(self) -> Any:
        return _arguments(type(self))[0]

    @property
    def OutputType(self) -> Any:
        return _arguments(type(self))[1]


def _arguments(cls: type[BaseModel]) -> tuple[Any, Any]:
    """The two types with which a class fills in ``RunnableSerializable[...]``; pydantic keeps them in its own place."""
    for base in cls.__mro__:
        arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args", ())
        if len(arguments) == 2:
            return arguments[0], arguments[1]
    return Any, Any


_BOUND: Final = ("callbacks", "tags", "metadata", "run_name", "max_concurrency", "timeout", "configurable")
"""What components elsewhere take, and here the config of a call or of a binding."""


def unknown_setting(what: str, name: str, known: Iterable[str]) -> str:
    """What is said of a setting that there is not: the nearest one that there is, or where it belongs."""
    from difflib import get_close_matches  # on the way to an error only

    names = list(known)
    near = get_close_matches(name, names, n=1)
    if near:
        hint = f"; did you mean {near[0]!r}?"
    elif name in _BOUND:
        hint = f": bind it, with_config({name}=...), or give it in the config of a call"
    elif name == "verbose":
        hint = ": set_debug(True) shows what runs"
    else:
        hint = f"; it has {', '.join(names)}" if len(names) <= _SHOWN else ""
    return f"{what} has no setting {name!r:.60}{hint}"


_SHOWN: Final = 20

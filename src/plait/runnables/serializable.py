"""Runnables that are pydantic models: components with declared, validated fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from plait.runnables.base import Input, Output, Runnable

__all__ = ["RunnableSerializable"]


class RunnableSerializable(BaseModel, Runnable[Input, Output]):
    """A Runnable whose settings are pydantic fields; the base of prompts, models, parsers and of your own components."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = None
    """The name of this in traces and schemas; that of the class by default."""

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

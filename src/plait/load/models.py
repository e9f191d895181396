"""The state of pydantic models, and of plain classes that keep what their constructor was given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast, get_origin

from pydantic import BaseModel

from plait.errors import LoadError
from plait.runnables.remaking import settings_of

__all__ = ["EXTRA", "fields_of", "made"]

EXTRA: Final = "$extra"
"""Where a model that takes any field has those that it does not know; no field can be called so."""


def fields_of(thing: Any) -> dict[str, Any]:
    """What it was given when it was made: fields of a model, parameters of another class."""
    if isinstance(thing, BaseModel):
        return _fields(thing)
    return {name: setting.value for name, setting in settings_of(thing).items()}


def _fields(thing: BaseModel) -> dict[str, Any]:
    known = type(thing).model_fields
    given = {name: getattr(thing, name) for name in known if name in thing.model_fields_set}
    state = {name: _bare(value, known[name].annotation) for name, value in given.items()}
    extra = thing.model_extra
    return {**state, EXTRA: extra} if extra else state


def _bare(value: Any, annotation: Any) -> Any:
    """A tuple as a list where the field says that it is a tuple: so files read better."""
    if type(value) is not tuple or get_origin(annotation) is not tuple:
        return value  # pyright: ignore[reportUnknownVariableType]  # it was Any before it was told from a tuple
    return list(cast("tuple[Any, ...]", value))


def made(cls: type[Any], state: dict[str, Any], *, own_environment: bool) -> Any:
    """An object of these fields, checked as any new one is; without what the environment would add, unless it may."""
    if not issubclass(cls, BaseModel):
        return cls(**state)
    extra = state.pop(EXTRA, {})
    unknown = [name for name in state if name not in cls.model_fields]
    if unknown:
        raise LoadError(f"it has no field {unknown[0]!r:.80}; its fields are {', '.join(cls.model_fields)}")
    if not isinstance(extra, Mapping) or (extra and cls.model_config.get("extra") != "allow"):
        raise LoadError("it takes no fields but its own")
    given = {**{_keyword(cls, name): value for name, value in state.items()}, **cast("Mapping[str, Any]", extra)}
    return cls(**given) if own_environment else cls.model_validate(given, context={"environment": False})


def _keyword(cls: type[BaseModel], name: str) -> str:
    alias = cls.model_fields[name].validation_alias or cls.model_fields[name].alias
    return alias if isinstance(alias, str) else name

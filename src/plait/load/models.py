"""The state of pydantic models, and of plain classes that keep what their constructor was given."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, cast, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo

from plait.errors import LoadError
from plait.runnables.remaking import parameters_of

__all__ = ["EXTRA", "fields_of", "made"]

EXTRA: Final = "$extra"
"""Where a model that takes any field has those that it does not know; no field can be called so."""
_FOUND_OUT: Final = "input_variables"
"""Which prompts read from their templates, again when they are loaded."""


def fields_of(thing: Any) -> dict[str, Any]:
    """What it was given when it was made, and what was put into it since: fields, or parameters of a plain class."""
    if isinstance(thing, BaseModel):
        return _fields(thing)
    if isinstance(thing, Enum):
        return {"value": thing.value}
    if isinstance(thing, tuple) and hasattr(cast("Any", thing), "_asdict"):
        return dict(cast("Any", thing)._asdict())
    if isinstance(thing, _PLAIN):
        raise LoadError("it is more than its constructor was given: make it a plain value")
    return {name: setting.value for name, setting in parameters_of(thing, strictly=True).items()}


_PLAIN: Final = (str, bytes, int, float, list, dict, tuple, set, frozenset)


def _fields(thing: BaseModel) -> dict[str, Any]:
    known = type(thing).model_fields
    held = {name: value for name, value in vars(thing).items() if name in known}
    given = {name: held[name] for name in known if name in held and _is_told(thing, name, known[name], held[name])}
    state = {name: _bare(value, known[name].annotation) for name, value in given.items()}
    extra = thing.model_extra
    return {**state, EXTRA: extra} if extra else state


def _is_told(thing: BaseModel, name: str, field: FieldInfo, value: Any) -> bool:
    """Whether a field was given, or holds something that was put into its default since: ``metadata["source"] = …``."""
    if name in thing.model_fields_set:
        return True
    if type(value) not in (dict, list, set) or name == _FOUND_OUT:
        return False
    try:
        return bool(value != field.get_default(call_default_factory=True))
    except (ValueError, TypeError):  # its factory needs the other fields, or what is in it cannot be compared
        return True


def _bare(value: Any, annotation: Any) -> Any:
    """A tuple as a list where the field says that it is a tuple: so files read better. A mapping of any kind as a dict."""
    if get_origin(annotation) is Mapping and isinstance(value, Mapping):
        return dict(cast("Any", value))
    if type(value) is not tuple or get_origin(annotation) is not tuple:
        return value  # pyright: ignore[reportUnknownVariableType]  # it was Any before it was told from a tuple
    return list(cast("tuple[Any, ...]", value))


def made(cls: type[Any], state: dict[str, Any]) -> Any:
    """An object of these fields, checked as any new one is; without what a model would take from the environment."""
    if issubclass(cls, Enum):
        return cls(*state.values())
    if not issubclass(cls, BaseModel):
        return cls(**state)
    if RootModel in cls.__mro__ and state.keys() == {"root"}:
        return cls.model_validate(state["root"])
    extra = state.pop(EXTRA, {})
    unknown = [name for name in state if name not in cls.model_fields]
    if unknown:
        raise LoadError(f"it has no field {unknown[0]!r:.80}; its fields are {', '.join(cls.model_fields)}")
    if not isinstance(extra, Mapping) or (extra and cls.model_config.get("extra") != "allow"):
        raise LoadError("it takes no fields but its own")
    given = {**{_keyword(cls, name): value for name, value in state.items()}, **cast("Mapping[str, Any]", extra)}
    if not hasattr(cls, "_ENVIRONMENT"):
        return cls.model_validate(given)
    model = cls.__new__(cls)  # through an __init__ of the class no context would reach its validators
    cls.__pydantic_validator__.validate_python(given, self_instance=model, context={"environment": False})
    return model


def _keyword(cls: type[BaseModel], name: str) -> str:
    alias = cls.model_fields[name].validation_alias or cls.model_fields[name].alias
    return alias if isinstance(alias, str) else name

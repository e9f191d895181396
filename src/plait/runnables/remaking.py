"""The settings of an object, and a new object with some of them changed: of pydantic models and of plain classes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MemberDescriptorType
from typing import Any, Final, NamedTuple, cast

from plait.errors import ConfigError, LoadError
from plait.redaction import is_secret_name
from plait.signatures import resolve_hint

__all__ = ["Setting", "known_as", "parameters_of", "remade", "settings_of"]

_MISSING: Final = object()


class Setting(NamedTuple):
    """One setting of an object: the type that it takes, what it is now, and what is said of it."""

    annotation: Any
    value: Any
    description: str | None


def settings_of(thing: Any) -> dict[str, Setting]:
    """What ``thing`` can be made anew with: the fields of a pydantic model, or the parameters of a constructor.

    Of a constructor all parameters must be attributes of the same name (or with ``_`` before it), or nothing can be
    changed. The value of a secret is not told.
    """
    found = _fields(thing) if _is_model(thing) else parameters_of(thing)
    return {name: s._replace(value=None) if is_secret_name(name) else s for name, s in found.items()}


def known_as(thing: Any, name: str) -> str:
    """The name of a field that people know by another one."""
    return cast("str", getattr(_class(thing), "_ALIASES", {}).get(name, name))


def remade(thing: Any, changes: Mapping[str, Any], ids: Mapping[str, str]) -> Any:
    """A new object of the class of ``thing``, with its settings and these changes; checked as any new one is.

    Raises ConfigError if that cannot be, with the keys of ``config["configurable"]`` that the changes came from.
    """
    given = _given(thing) if _is_model(thing) else {name: s.value for name, s in parameters_of(thing).items()}
    try:
        return _class(thing)(**{_keyword(thing, name): value for name, value in {**given, **changes}.items()})
    except (ValueError, TypeError) as error:
        problems = getattr(error, "errors", None)
        if problems is None:
            raise ConfigError(f"{_said(thing, ids)}: {error}") from error
        found = "; ".join(_problem(thing, problem, ids) for problem in problems(include_input=False, include_url=False))
    raise ConfigError(found)  # without its cause, whose text shows the input


def _said(thing: Any, ids: Mapping[str, str]) -> str:
    named = ", ".join(f"config['configurable'][{id!r}]" for id in ids.values())
    return f"{_class(thing).__name__} cannot have {', '.join(ids)} as {named or 'the defaults'} says"


def _problem(thing: Any, problem: Mapping[str, Any], ids: Mapping[str, str]) -> str:
    place = [str(part) for part in problem["loc"]]
    field = next((name for name in ids if place and place[0] in (name, _keyword(thing, name))), None)
    inner = f" ({'.'.join(place[1:])})" if place[1:] else ""
    return f"{_said(thing, ids if field is None else {field: ids[field]})}: {problem['msg']}{inner}"


def _class(thing: Any) -> Any:
    return cast("type[object]", type(thing))


# ------------------------------------------------------------------------------------------------------ pydantic models


def _is_model(thing: Any) -> bool:
    return isinstance(getattr(_class(thing), "model_fields", None), dict)


def _fields(thing: Any) -> dict[str, Setting]:
    return {
        name: Setting(info.annotation, getattr(thing, name, None), info.description)
        for name, info in _class(thing).model_fields.items()
    }


def _given(thing: Any) -> dict[str, Any]:
    """What was given when it was made, or set since; what it found out for itself it will find out again."""
    given: dict[str, Any] = {
        name: getattr(thing, name) for name in _class(thing).model_fields if name in thing.model_fields_set
    }
    return {**(getattr(thing, "__pydantic_extra__", None) or {}), **given}


def _keyword(thing: Any, name: str) -> str:
    """What a field is called where it is given."""
    info: Any = _class(thing).model_fields.get(name) if _is_model(thing) else None
    alias: Any = None if info is None else info.validation_alias or info.alias
    return alias if isinstance(alias, str) else name


# -------------------------------------------------------------------------------------------------------- plain classes


def parameters_of(thing: Any, *, strictly: bool = False) -> dict[str, Setting]:
    """The parameters of its constructor, with secrets; nothing if one cannot be read back, or, strictly, an error."""
    from inspect import Parameter, signature  # only who makes something configurable needs it

    names = getattr(_class(thing).__init__, "__globals__", {})
    found: dict[str, Setting] = {}
    for name, parameter in signature(_class(thing)).parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD and not strictly:
            continue
        value = _read_back(thing, name)
        if value is _MISSING or parameter.kind not in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
            if strictly:
                raise LoadError(f"what its constructor was given as {str(parameter)!r:.80} cannot be read from it")
            return {}
        annotation = Any if parameter.annotation is Parameter.empty else resolve_hint(parameter.annotation, names)
        found[name] = Setting(annotation, value, None)
    return found


def _read_back(thing: Any, name: str) -> Any:
    held: dict[str, Any] = getattr(thing, "__dict__", {})
    if name in held:
        return held[name]
    if isinstance(getattr(_class(thing), name, None), property | MemberDescriptorType):
        return getattr(thing, name, _MISSING)
    return held.get(f"_{name}", _MISSING)

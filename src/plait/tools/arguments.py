"""The arguments of a function as a pydantic model: what a caller, or a model, must give for a call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, signature
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from plait.errors import ChainError
from plait.inspection import config_parameter, name_of
from plait.signatures import resolve_hints
from plait.tools.docstrings import docstring_of, documented

__all__ = [
    "InjectedToolArg",
    "InjectedToolCallId",
    "arguments_of",
    "given_to",
    "injected_in",
    "is_call_id",
    "is_made",
    "names_of",
    "needed_of_program",
    "without_injected",
]


class InjectedToolArg:
    """Marks an argument that the program gives and no model is told of: ``Annotated[str, InjectedToolArg]``."""


class InjectedToolCallId(InjectedToolArg):
    """Marks the argument that is given the id of the tool call: ``Annotated[str, InjectedToolCallId]``."""


_NOT_ASKED: Final = frozenset({"run_manager", "callbacks"})
"""Parameters that are known from elsewhere and are no arguments."""
_STRICT: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())


def arguments_of(
    func: Callable[..., Any],
    name: str | None = None,
    *,
    parse_docstring: bool = True,
    strict_docstring: bool = False,
    left_out: Collection[str] = (),
) -> type[BaseModel]:
    """A model of the arguments that a call of ``func`` takes, each described by its annotation or by the docstring.

    The config, ``run_manager`` and ``callbacks`` are left out. Raises ChainError for a function whose arguments cannot be
    given by name, and, if ``strict_docstring``, for a docstring that describes others than there are.
    """
    _refuse_unbound(func)
    skipped = {*_NOT_ASKED, *left_out, config_parameter(func, named=True) or ""}
    parameters = [each for each in _parameters(func) if each.name not in skipped]
    said = documented(docstring_of(func)).arguments if parse_docstring else {}
    strangers = sorted(said.keys() - {each.name for each in parameters} - skipped)
    if strict_docstring and strangers:
        raise ChainError(f"the docstring of {name_of(func)!r} describes {strangers}, which it does not take")
    hints = _hints(func)
    fields = {each.name: _field(each, hints.get(each.name, Any), said.get(each.name)) for each in parameters}
    return create_model(name or name_of(func), __config__=_STRICT, **_with_attributes(fields))


def is_made(schema: Any) -> bool:
    """Whether ``arguments_of`` has made it."""
    return isinstance(schema, type) and schema.__module__ == __name__


def _refuse_unbound(func: Any) -> None:
    code = getattr(func, "__code__", None)
    if not hasattr(func, "__self__") and code and code.co_varnames[:1] == ("self",) and code.co_argcount:
        raise ChainError(
            f"{name_of(func)!r} is a method, and a tool of it would not know its object: make one of it where it is "
            f"bound, tool(thing.{name_of(func)})"
        )


def _parameters(func: Callable[..., Any]) -> list[Parameter]:
    try:
        parameters = list(signature(func).parameters.values())
    except (TypeError, ValueError) as error:
        raise ChainError(
            f"{name_of(func)!r} does not say what arguments it takes: give the tool an args_schema"
        ) from error
    nameless = [each.name for each in parameters if each.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)]
    if nameless:
        raise ChainError(
            f"{name_of(func)!r} takes {nameless} by position; a tool is called with names: write a function that is"
        )
    return [each for each in parameters if each.kind is not Parameter.VAR_KEYWORD]


def _hints(func: Any) -> dict[str, Any]:
    inner = getattr(func, "func", func)
    try:
        return get_type_hints(inner if hasattr(inner, "__annotations__") else type(inner).__call__, include_extras=True)
    except Exception:  # an annotation is an expression: evaluating it may raise anything
        return resolve_hints(inner) if isinstance(inner, type) else dict(getattr(inner, "__annotations__", {}))


def _field(parameter: Parameter, hint: Any, description: str | None) -> tuple[Any, Any]:
    default = ... if parameter.default is Parameter.empty else parameter.default
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    said = description or next((each for each in notes if isinstance(each, str)), None)
    if isinstance(default, FieldInfo):
        return hint, default
    if said and not any(isinstance(each, FieldInfo) and each.description for each in notes):
        return hint, Field(default, description=said)
    return hint, default


def _with_attributes(fields: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Fields under names that pydantic allows; the name of the argument stays what callers use."""
    named: dict[str, Any] = {}
    for name, (hint, default) in fields.items():
        attribute = name
        while hasattr(BaseModel, attribute) or attribute.startswith("_") or (attribute != name and attribute in fields):
            attribute = f"{attribute.lstrip('_')}_"
        named[attribute] = (hint if attribute == name else Annotated[hint, Field(alias=name)], default)
    return named


def _names(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields by the names that callers use."""
    return {field.alias or attribute: field for attribute, field in model.model_fields.items()}


def names_of(model: type[BaseModel]) -> set[str] | None:
    """The names under which arguments may be given; None if the model says itself what is done about others."""
    aliases = [
        alias for field in model.model_fields.values() for alias in (field.alias, field.validation_alias) if alias
    ]
    if model.model_config.get("extra") is not None or not all(isinstance(alias, str) for alias in aliases):
        return None
    return {*model.model_fields, *map(str, aliases)}


def given_to(model: type[BaseModel], values: BaseModel) -> dict[str, Any]:
    """The arguments of a call, by name: those that were given, and defaults for the rest."""
    return {field.alias or attribute: getattr(values, attribute) for attribute, field in model.model_fields.items()}


def _marks(field: FieldInfo) -> list[Any]:
    return [*field.metadata, *(get_args(field.annotation)[1:] if get_origin(field.annotation) is Annotated else ())]


def _is_mark(mark: Any, kind: type) -> bool:
    return isinstance(mark, kind) or (isinstance(mark, type) and issubclass(mark, kind))


def injected_in(model: type[BaseModel]) -> set[str]:
    """The names of the arguments that no model is told of."""
    return {name for name, field in _names(model).items() if any(_is_mark(m, InjectedToolArg) for m in _marks(field))}


def needed_of_program(model: type[BaseModel]) -> set[str]:
    """Those of them without which there is no call."""
    hidden = injected_in(model)
    return {name for name, field in _names(model).items() if name in hidden and field.is_required()}


def is_call_id(model: type[BaseModel], name: str) -> bool:
    """Whether this argument is given the id of the call."""
    return any(_is_mark(mark, InjectedToolCallId) for mark in _marks(_names(model)[name]))


def without_injected(model: type[BaseModel]) -> type[BaseModel]:
    """The same arguments without those that no model is told of."""
    hidden = injected_in(model)
    if not hidden:
        return model
    left = {
        attribute: (field.annotation, field)
        for attribute, field in model.model_fields.items()
        if (field.alias or attribute) not in hidden
    }
    shown: dict[str, Any] = {**left}
    return create_model(model.__name__, __config__=_STRICT, __doc__=model.__doc__, **shown)

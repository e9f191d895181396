"""The arguments of a function as a pydantic model: what a caller, or a model, must give for a call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, signature
from types import UnionType
from typing import Annotated, Any, Final, Required, TypeAlias, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo
from typing_extensions import Unpack, is_typeddict

from plait.errors import ChainError
from plait.inspection import config_parameter, name_of
from plait.signatures import resolve_hints
from plait.tools.docstrings import docstring_of, documented
from plait.tools.hints import Unknown, names_around, resolved
from plait.tools.typed_dicts import described

__all__ = [
    "InjectedToolArg",
    "InjectedToolCallId",
    "arguments_of",
    "given_to",
    "injected_in",
    "is_call_id",
    "is_made",
    "json_schema_of",
    "names_of",
    "needed_of_program",
    "single_in",
    "spellings",
    "without_injected",
]


class InjectedToolArg:
    """Marks an argument that the program gives and no model is told of: ``Annotated[str, InjectedToolArg]``."""


class InjectedToolCallId(InjectedToolArg):
    """Marks the argument that is given the id of the tool call: ``Annotated[str, InjectedToolCallId]``."""


_NOT_ASKED: Final = frozenset({"run_manager", "callbacks"})
"""Parameters that are known from elsewhere and are no arguments."""
_STRICT: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True, protected_namespaces=())
_MADE: Final = frozenset({__name__, "plait.schemas"})
"""Where models are made whose aliases are the names of arguments, since those may be no names of attributes."""

Fields: TypeAlias = dict[str, tuple[Any, Any]]
"""Annotations and defaults, by name."""


def arguments_of(
    func: Callable[..., Any],
    name: str | None = None,
    *,
    parse_docstring: bool = True,
    strict_docstring: bool = False,
    left_out: Collection[str] = (),
) -> type[BaseModel]:
    """A model of the arguments that a call of ``func`` takes, each described by its annotation or by the docstring.

    The config, ``run_manager`` and ``callbacks`` are left out, ``*args`` get nothing; ``**kwargs`` take any others, held to
    their annotation. Raises ChainError for a function whose arguments cannot be given by name, and, if
    ``strict_docstring``, for a docstring that describes others than there are.
    """
    _refuse_unbound(func)
    skipped = {*_NOT_ASKED, *left_out, config_parameter(func, named=True) or ""}
    around = names_around(func)
    asked = [each for each in _parameters(func) if each.name not in skipped]
    fields: Fields = {}
    others: Any = None
    for each in asked:
        hint = _hint(func, each, around)
        if each.kind is Parameter.VAR_KEYWORD:
            named, others = _keywords(hint)
            fields |= named
        else:
            fields[each.name] = hint, ... if each.default is Parameter.empty else each.default
    said = documented(docstring_of(func)).arguments if parse_docstring else {}
    strangers = sorted(said.keys() - fields.keys() - skipped) if others is None else []
    if strict_docstring and strangers:
        raise ChainError(f"the docstring of {name_of(func)!r} describes {strangers}, which it does not take")
    described: Fields = {key: (hint, _described(hint, value, said.get(key))) for key, (hint, value) in fields.items()}
    return _made(name or name_of(func), _with_attributes(described), others)


def _made(name: str, fields: Mapping[str, Any], others: Any, doc: str | None = None) -> type[BaseModel]:
    """A model that takes no other arguments, or, of a type that is given, any others."""
    settings: dict[str, Any] = {"__config__": _STRICT, "__doc__": doc}
    if others is not None:
        body = {
            "__module__": __name__,
            "__annotations__": {"__pydantic_extra__": dict[str, others]},
            "model_config": {**_STRICT, "extra": "allow"},
        }
        settings = {"__base__": type("Open", (BaseModel,), body), "__doc__": doc}
    return create_model(name, **settings, **fields)


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
    nameless = [each.name for each in parameters if each.kind is Parameter.POSITIONAL_ONLY]
    if nameless:
        raise ChainError(
            f"{name_of(func)!r} takes {nameless} by position, and a tool is called with names: write a function around it"
        )
    named = [each for each in parameters if each.kind is not Parameter.VAR_POSITIONAL]
    if len(named) < len(parameters) and all(each.kind is Parameter.VAR_KEYWORD for each in named):
        raise ChainError(
            f"{name_of(func)!r} takes *args, and a tool is called with names: give the tool an args_schema"
        )
    return named


def _hint(func: Callable[..., Any], parameter: Parameter, around: Mapping[str, Any]) -> Any:
    hint = Any if parameter.annotation is Parameter.empty else resolved(parameter.annotation, around)
    if isinstance(hint, Unknown):
        raise ChainError(
            f"{name_of(func)!r}: the annotation {hint.text!r} of {parameter.name!r} names what its module does not know "
            "at run time: define or import it there, or give the tool an args_schema"
        )
    return hint


def _keywords(hint: Any) -> tuple[Fields, Any]:
    """What ``**kwargs`` take: the fields of a TypedDict that is unpacked, or anything of a type."""
    kind: Any = get_args(hint)[0] if get_origin(hint) is Unpack else None
    if not is_typeddict(kind):
        return {}, hint
    hints = resolve_hints(described(kind))
    return {name: (get_args(hint)[0], _default_of(hint)) for name, hint in hints.items()}, None


def _default_of(hint: Any) -> Any:
    """Of a field of a TypedDict: none, if it is required."""
    return ... if get_origin(hint) is Required else Field(default_factory=_left_out)


def _left_out() -> None:
    """The default of an argument that is not given at all, if nobody has said it."""


def _described(hint: Any, default: Any, description: str | None) -> Any:
    """The default, with what is said of the argument."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    said = description or next((each for each in notes if isinstance(each, str)), None)
    if isinstance(default, FieldInfo):
        return Field(default_factory=_left_out, description=said) if default.default_factory is _left_out else default
    if said and not any(isinstance(each, FieldInfo) and each.description for each in notes):
        return Field(default, description=said)
    return default


def _with_attributes(fields: Fields) -> dict[str, Any]:
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
    return {_spelt(attribute, field): field for attribute, field in model.model_fields.items()}


def _spelt(attribute: str, field: FieldInfo) -> str:
    """The name by which an argument is given."""
    return next((each for each in (field.validation_alias, field.alias) if isinstance(each, str)), attribute)


def json_schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The arguments as JSON Schema; raises ChainError for one that no JSON can be."""
    try:
        return model.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        said = str(error).splitlines()[0]
        raise ChainError(
            f"{model.__name__!r} has an argument that no model can give ({said}): mark it as injected, or leave it out"
        ) from error


def names_of(model: type[BaseModel]) -> set[str] | None:
    """The names under which arguments may be given; None if the model says itself what is done about others."""
    if model.model_config.get("extra") in ("forbid", "ignore"):
        return None
    return {each for name, field in model.model_fields.items() for each in (name, *_aliases(field))}


def given_to(model: type[BaseModel], values: BaseModel) -> dict[str, Any]:
    """The arguments of a call, by name: those that were given, and defaults for the rest.

    An alias is how an argument is given; what takes it knows it by the name of the field.
    """
    by_alias = model.__module__ in _MADE
    given = {
        (field.alias if by_alias and field.alias else attribute): getattr(values, attribute)
        for attribute, field in model.model_fields.items()
        if field.default_factory is not _left_out or attribute in values.model_fields_set
    }
    return {**(values.model_extra or {}), **given}


def _marks(hint: Any) -> list[Any]:
    """What an annotation is marked with, also in the parts of a union."""
    parts = get_args(hint)
    if get_origin(hint) is Annotated:
        return [*parts[1:], *_marks(parts[0])]
    return [mark for part in parts for mark in _marks(part)] if get_origin(hint) in (Union, UnionType) else []


def _is_mark(mark: Any, kind: type) -> bool:
    return isinstance(mark, kind) or (isinstance(mark, type) and issubclass(mark, kind))


def _is_injected(field: FieldInfo) -> bool:
    return any(_is_mark(mark, InjectedToolArg) for mark in (*field.metadata, *_marks(field.annotation)))


def injected_in(model: type[BaseModel]) -> set[str]:
    """The names of the arguments that no model is told of."""
    return {name for name, field in _names(model).items() if _is_injected(field)}


def spellings(model: type[BaseModel]) -> dict[str, str]:
    """Every name by which an argument that no model is told of might be given, and the one by which it is."""
    hidden = [(name, field) for name, field in model.model_fields.items() if _is_injected(field)]
    return {each: _spelt(name, field) for name, field in hidden for each in (name, *_aliases(field))}


def _aliases(field: FieldInfo) -> list[str]:
    found: list[str] = []
    for alias in (field.alias, field.validation_alias):
        for each in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            first = each.path[0] if isinstance(each, AliasPath) else each
            found += [first] if isinstance(first, str) else []
    return found


def single_in(model: type[BaseModel]) -> str | None:
    """The argument that models are told of, if it is the only one, or the only one that must be given."""
    shown = {name: field.is_required() for name, field in _names(model).items() if not _is_injected(field)}
    required = [name for name, needed in shown.items() if needed]
    return next((names[0] for names in (required, [*shown]) if len(names) == 1), None)


def needed_of_program(model: type[BaseModel]) -> set[str]:
    """Those of them without which there is no call."""
    return {name for name, field in _names(model).items() if _is_injected(field) and field.is_required()}


def is_call_id(model: type[BaseModel], name: str) -> bool:
    """Whether this argument is given the id of the call."""
    field = _names(model)[name]
    return any(_is_mark(mark, InjectedToolCallId) for mark in (*field.metadata, *_marks(field.annotation)))


def without_injected(model: type[BaseModel]) -> type[BaseModel]:
    """The same arguments without those that no model is told of."""
    if not injected_in(model):
        return model
    left: dict[str, Any] = {
        attribute: (field.annotation, field)
        for attribute, field in model.model_fields.items()
        if not _is_injected(field)
    }
    others = Any if model.model_config.get("extra") == "allow" else None
    return _made(model.__name__, left, others, model.__doc__)

"""Pydantic models made from structure: the schemas that every Runnable shows for its input, output and config.

What pydantic cannot represent is accepted as it comes (``{}`` in JSON Schema), at the innermost place possible:
``dict[str, Connection]`` is read as ``dict[str, Any]``. Nothing here raises because of a type that it is given.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
    Sequence,
)
from copy import copy
from functools import lru_cache
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Required,
    TypeAlias,
    TypeGuard,
    Union,
    cast,
    get_args,
    get_origin,
)

from pydantic import VERSION, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, RootModel, create_model
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import ReadOnly, TypedDict, is_typeddict

from plait.signatures import chunk_types, function_types, resolve_hints

__all__ = [
    "Fields",
    "chunk_types",
    "extend_object",
    "function_types",
    "merge_objects",
    "object_model",
    "pick_fields",
    "value_model",
]

Fields: TypeAlias = Mapping[str, tuple[Any, Any]]
"""Keys, each with its type and its default; ``...`` as default says that the key is required."""

_Keep: TypeAlias = Callable[[Any], bool]

_PLAIN = (Any, object, str, int, float, bool, bytes, list, dict, NoneType)
_PLAIN_MODELS = 256  # kept for reuse: a class costs 60 µs and 10 kB, and most functions say nothing about types
_OPAQUE = (
    *(Callable, Iterator, Generator, AsyncIterator, AsyncIterable, AsyncGenerator, Awaitable, Coroutine),
    type,  # no JSON says any of these, and a look at an iterator would use it up
)
_MAPS_OF_SCHEMAS = ("properties", "patternProperties", "$defs")
_LISTS_OF_SCHEMAS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "propertyNames", "contains", "not")
_KEYWORD_ORDER = {key: i for i, key in enumerate(("title", "description", "default", "const", "enum", "type"))}


def value_model(name: str, type_: Any) -> type[BaseModel]:
    """A model whose one value is of ``type_``, titled ``name``; a pydantic model is returned as it is."""
    if _is_model(type_):
        return type_
    return (
        _plain_model(name, type_) if _is_plain(type_) else _build(name, {"root": (type_, ...)}, _Value, _LenientValue)
    )


def object_model(name: str, fields: Fields) -> type[BaseModel]:
    """A model of an object with these keys, titled ``name``.

    A key may be any string: one that cannot be an attribute (``schema``, ``_id``) gets one with ``_`` at its end, and keeps
    its own name in JSON, in the JSON Schema and for validation.
    """
    return _build(name, _with_attributes(fields), _Object, _LenientObject)


def merge_objects(name: str, models: Sequence[type[BaseModel]]) -> type[BaseModel] | None:
    """A model of the object that all ``models`` can read; None if one reads no object, or none says what it reads.

    Models that take anything add nothing. A key is required if one of them requires it; where two differ about its
    type, either is allowed.
    """
    speaking = [fields for model in models if (fields := _fields_of(model)) is not _ANYTHING]
    if not speaking or None in speaking:
        return None
    merged: dict[str, tuple[Any, Any]] = {}
    for fields in cast("list[Fields]", speaking):
        for key, field in fields.items():
            merged[key] = _either(merged[key], field) if key in merged else field
    return object_model(name, merged)


def extend_object(name: str, base_model: type[BaseModel], fields: Fields) -> type[BaseModel]:
    """A model of what ``base_model`` describes with ``fields`` added, or put in place of those of the same names."""
    return object_model(name, {**(_fields_of(base_model) or {}), **fields})


def pick_fields(name: str, model: type[BaseModel], keys: str | Sequence[str]) -> type[BaseModel]:
    """A model of the value under one key, or, for a list of keys, of the object that is left.

    A key that ``model`` does not know may hold anything, and need not be there.
    """
    known = _fields_of(model) or {}
    if isinstance(keys, str):
        return value_model(name, known[keys][0] if keys in known else Any)
    return object_model(name, {key: known.get(key, (Any, _optional())) for key in keys})


class _TolerantSchema(GenerateJsonSchema):
    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        return {}

    def emit_warning(self, kind: object, detail: str) -> None:
        """Say nothing: about a default that no JSON can hold there is nothing to do."""


# Before pydantic 2.14 a first use in two threads at once could meet a half-built model.
_DEFER = tuple(map(int, VERSION.split(".")[:2])) >= (2, 14)


class _Schema(BaseModel):
    model_config = ConfigDict(defer_build=_DEFER, protected_namespaces=(), serialize_by_alias=True)

    @classmethod
    def schema(cls, by_alias: bool = True, ref_template: str = "#/definitions/{model}") -> dict[str, Any]:
        """The JSON Schema in its older shape: ``definitions``, ``enum`` for a constant, no ``required`` at the top."""
        shaped = _older_shape(cls.model_json_schema(by_alias=by_alias, ref_template=ref_template))
        shaped.pop("required", None)
        definitions = shaped.pop("$defs", None)
        return {**shaped, "definitions": _in_order(definitions, shaped, ref_template)} if definitions else shaped

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Pydantic's JSON Schema (2020-12), with ``{}`` for what it has no words for."""
        return super().model_json_schema(*args, **{"schema_generator": _TolerantSchema, **kwargs})

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        try:
            return handler(core_schema)
        except PydanticInvalidForJsonSchema:  # inside somebody else's model, whose generator is a strict one
            return {"title": cls.__name__}


class _Object(_Schema): ...


class _LenientObject(_Schema):
    model_config = ConfigDict(arbitrary_types_allowed=True)


class _Value(_Schema, RootModel[Any]): ...


class _LenientValue(_Value):
    model_config = ConfigDict(arbitrary_types_allowed=True)


@lru_cache(_PLAIN_MODELS)
def _plain_model(name: str, type_: Any) -> type[BaseModel]:
    return _complete(name, _Value, {"root": (type_, ...)})


def _build(name: str, fields: Fields, base: type[_Schema], lenient: type[_Schema]) -> type[BaseModel]:
    return (
        _attempt(name, base, fields, _has_words)
        or _attempt(name, lenient, fields, _builds)
        or _complete(name, base, {key: (Any, default) for key, (_, default) in fields.items()})
    )


def _attempt(name: str, base: type[_Schema], fields: Fields, keep: _Keep) -> type[BaseModel] | None:
    try:
        return _complete(name, base, {key: (_soften(type_, keep), default) for key, (type_, default) in fields.items()})
    except Exception:  # reading a type runs its owner's code, which may raise anything
        return None


def _complete(name: str, base: type[_Schema], fields: Fields) -> type[BaseModel]:
    """A new class; its validator, three quarters of the cost, waits for its first use if it certainly can be built."""
    model = create_model(name, __base__=base, __module__=__name__, **cast("dict[str, Any]", fields))
    if not all(_is_plain(type_) for type_, _ in fields.values()):
        model.model_rebuild(raise_errors=True, _types_namespace={})
    return model


def _with_attributes(fields: Fields) -> Fields:
    taken = set(fields)
    named: dict[str, tuple[Any, Any]] = {}
    for key, (type_, default) in fields.items():
        attribute = _attribute(key, taken)
        named[attribute] = (type_ if attribute == key else Annotated[type_, Field(alias=key)], default)
        taken.add(attribute)
    return named


def _attribute(key: str, taken: set[str]) -> str:
    if _can_be_attribute(key):
        return key
    attribute = f"{key.lstrip('_') or 'field'}_"
    while attribute in taken:
        attribute += "_"
    return attribute


def _can_be_attribute(key: str) -> bool:
    return not key.startswith("_") and not hasattr(_Object, key)


def _older_shape(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    node = cast("dict[str, Any]", schema)
    keys = sorted(node, key=lambda key: _KEYWORD_ORDER.get(key, len(_KEYWORD_ORDER)))
    shaped = {"enum" if key == "const" else key: _older_value(key, node[key]) for key in keys}
    if shaped.get("additionalProperties") is True:
        del shaped["additionalProperties"]
    return shaped


def _older_value(key: str, value: Any) -> Any:
    if key == "const":
        return [value]
    if key in _MAPS_OF_SCHEMAS:
        return {name: _older_shape(schema) for name, schema in value.items()}
    if key in _LISTS_OF_SCHEMAS:
        return [_older_shape(schema) for schema in value]
    return _older_shape(value) if key in _SCHEMAS else value


def _in_order(definitions: dict[str, Any], shaped: dict[str, Any], ref_template: str) -> dict[str, Any]:
    """As they are mentioned, and then those that only others mention."""
    text = repr(shaped)
    places = {name: text.find(repr(ref_template.format(model=name))) for name in definitions}
    mentioned = [name for name in places if places[name] >= 0]
    return {name: definitions[name] for name in [*sorted(mentioned, key=places.__getitem__), *definitions]}


def _is_model(type_: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(type_, type) and issubclass(type_, BaseModel)


def _is_value_model(type_: Any) -> TypeGuard[type[_Value]]:
    return isinstance(type_, type) and issubclass(type_, _Value)


def _is_plain(type_: Any) -> bool:
    return any(type_ is plain for plain in _PLAIN)


def _has_words(type_: Any) -> bool:
    """Whether it is worth a try: cheap, and so that pydantic does not warn about classes of its first version."""
    if isinstance(type_, (str, ForwardRef)) or _is_refused_typed_dict(type_):
        return False
    origin = get_origin(type_) or type_
    if any(origin is opaque for opaque in _OPAQUE):
        return False
    return hasattr(origin, "__get_pydantic_core_schema__") or not hasattr(origin, "__get_validators__")


def _is_refused_typed_dict(type_: Any) -> bool:
    """Before Python 3.12 pydantic takes only those of ``typing_extensions``."""
    return sys.version_info < (3, 12) and type(type_).__module__ == "typing" and is_typeddict(type_)


def _builds(type_: Any) -> bool:
    if _is_plain(type_):
        return True
    try:
        _complete("probe", _LenientValue if _has_fields(type_) else _Value, {"root": (type_, ...)})
    except Exception:  # as in _build
        return False
    return _has_words(type_)


def _has_fields(type_: Any) -> bool:
    """Whether one bad field should not cost the others: what pydantic does not know is then checked with isinstance."""
    cls = get_origin(type_) or type_
    return dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")


def _soften(type_: Any, keep: _Keep, within: tuple[Any, ...] = ()) -> Any:
    """The type with ``Any`` for each part of it that ``keep`` refuses; ``within`` are the TypedDicts that it is a part of."""
    softer = _with_softer_parts(type_, keep, within)
    return softer if keep(softer) else Any


def _with_softer_parts(type_: Any, keep: _Keep, within: tuple[Any, ...]) -> Any:
    origin, args = get_origin(type_), get_args(type_)
    if type_ is None:
        return NoneType
    if isinstance(type_, NewType):
        return _soften(type_.__supertype__, keep, within)
    if _is_value_model(type_):
        return _value_type(type_)
    if is_typeddict(type_):
        return type_ if type_ in within else _with_softer_keys(type_, keep, (*within, type_))
    if origin is None or origin is Literal or not _has_words(type_):
        return type_
    kept = len(args) if origin is not Annotated else 1  # the rest is metadata
    parts = tuple(arg if arg is ... else _soften(arg, keep, within) for arg in args[:kept])
    if all(new is old for new, old in zip(parts, args, strict=False)):
        return type_
    return _union(*parts) if origin is UnionType else origin[(*parts, *args[kept:])]


def _union(*types: Any) -> Any:
    return Union[types]  # noqa: UP007 - of any number


def _value_type(model: type[_Value]) -> Any:
    """The type that the model was made of: what is nested in a schema needs no title of its own."""
    info = model.model_fields["root"]
    return Annotated[info.annotation, info] if info.metadata or info.description else info.annotation


def _with_softer_keys(typed_dict: Any, keep: _Keep, within: tuple[Any, ...]) -> Any:
    keys = _keys(typed_dict)
    softer = {name: _soften(key.type, keep, within) for name, key in keys.items()}
    unchanged = all(softer[name] is key.type and not key.read_only for name, key in keys.items())
    if unchanged and keep(typed_dict):
        return typed_dict
    make: Any = TypedDict  # for type checkers it is no function
    marked = {name: (Required if key.required else NotRequired)[softer[name]] for name, key in keys.items()}
    made = make(typed_dict.__name__, marked)
    made.__doc__, made.__module__, made.__qualname__ = (
        typed_dict.__doc__,
        typed_dict.__module__,
        typed_dict.__qualname__,
    )
    return made


class _Key(NamedTuple):
    type: Any
    required: bool
    read_only: bool  # pydantic would warn that it cannot see to that


def _keys(typed_dict: Any) -> dict[str, _Key]:
    """The keys of a TypedDict; ``__required_keys__`` alone does not tell, as postponed annotations hide their markers."""
    hints = resolve_hints(typed_dict)
    return {name: _unmarked(hint, name in typed_dict.__required_keys__) for name, hint in hints.items()}


def _unmarked(hint: Any, required: bool) -> _Key:
    read_only = False
    while (origin := get_origin(hint)) in (Required, NotRequired, ReadOnly):
        (hint,) = get_args(hint)
        read_only = read_only or origin is ReadOnly
        required = required if origin is ReadOnly else origin is Required
    return _Key(hint, required, read_only)


_ANYTHING: dict[str, tuple[Any, Any]] = {}  # the fields of a model that takes any value; compared by identity


def _fields_of(model: type[BaseModel]) -> Fields | None:
    """Keys with type and default (perhaps a FieldInfo); None if the model is not of an object."""
    if issubclass(model, RootModel):
        return _fields_of_type(model.model_fields["root"].annotation)
    return {_key(name, info): (info.annotation, _copy(info)) for name, info in model.model_fields.items()}


def _fields_of_type(type_: Any) -> Fields | None:
    if type_ is Any or type_ is object:
        return _ANYTHING
    if _is_model(type_):
        return _fields_of(type_)
    if is_typeddict(type_):
        return {name: (key.type, ... if key.required else _optional()) for name, key in _keys(type_).items()}
    if dataclasses.is_dataclass(type_):
        hints = resolve_hints(cast("type", type_))
        return {
            field.name: (hints.get(field.name, Any), _default(field))
            for field in dataclasses.fields(type_)
            if field.init
        }
    origin = get_origin(type_) or type_
    return {} if isinstance(origin, type) and issubclass(origin, Mapping) else None


def _key(name: str, info: FieldInfo) -> str:
    return info.validation_alias if isinstance(info.validation_alias, str) else name


def _copy(info: FieldInfo) -> FieldInfo:
    """Of its own list too: making a model of a FieldInfo writes into that."""
    copied = copy(info)
    copied.metadata = list(info.metadata)
    return copied


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return Field(default_factory=field.default_factory)
    return ... if field.default is dataclasses.MISSING else field.default


def _optional() -> Any:
    """A default that the JSON Schema does not show: the key may be missing, which is not the same as null."""
    return Field(default_factory=NoneType)


def _either(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    if one[0] is Any:
        one, other = other, one
    default = next((default for _, default in (one, other) if _is_required(default)), one[1])
    if other[0] is Any or one[0] == other[0]:
        return one[0], default
    return _union(one[0], other[0]), ... if _is_required(default) else _optional()


def _is_required(default: Any) -> bool:
    return default.is_required() if isinstance(default, FieldInfo) else default is ...

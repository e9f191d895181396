"""The structure that an answer is to have: what a user hands in for one, as JSON Schema, and a value of it.

Pure. What a model says is checked against the whole of it: the class, or the schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import is_typeddict

from plait.errors import ConfigError
from plait.json_schema import closed, fault
from plait.redaction import glimpse

__all__ = ["ANY_OBJECT", "Structure", "structure_of"]

_NAME: Final = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_NAME: Final = 64  # characters, of OpenAI's and of Anthropic's API
_PROBLEMS: Final = 5  # that an error tells

ANY_OBJECT: Final[Mapping[str, Any]] = {"title": "JSON_object", "type": "object"}
"""The JSON Schema of a dict with whatever in it."""


class Structure(NamedTuple):
    """A JSON object of a known shape; ``kind`` is the class of its values, None for dicts."""

    name: str
    description: str
    schema: dict[str, Any]
    kind: Any = None

    @property
    def reader(self) -> Callable[[Any], Any]:
        """What gives the value that JSON data stands for, or raises ``ValueError``, which says where it is wrong.

        Worth keeping: to understand a dataclass takes a while.
        """
        return partial(_checked_by, self.schema) if self.kind is None else partial(_made_by, _validator(self.kind))

    @property
    def as_tool(self) -> dict[str, Any]:
        """The structure as a tool of OpenAI's API, whose arguments it is."""
        said = {"name": self.name, "description": self.description or f"Give a {self.name}.", "parameters": self.schema}
        return {"type": "function", "function": said}

    @property
    def guaranteed(self) -> dict[str, Any] | None:
        """The schema as OpenAI's API wants it to guarantee it; None if it cannot be had so."""
        return closed(self.schema, all_required=True, without=_UNKNOWN_TO_OPENAI)

    def as_response_format(self, strict: bool | None) -> dict[str, Any]:
        """The structure as ``response_format`` of OpenAI's API; ``strict`` is to guarantee it, None: where it can be."""
        guaranteed = None if strict is False else self.guaranteed
        if strict and guaranteed is None:
            raise ConfigError(
                f"strict=True cannot be for {self.name}: it has parts that may be anything, or objects with free keys"
            )
        said: dict[str, Any] = {"name": self.name, "schema": guaranteed or self.schema, "strict": bool(guaranteed)}
        return {
            "type": "json_schema",
            "json_schema": said | ({"description": self.description} if self.description else {}),
        }


# https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
_UNKNOWN_TO_OPENAI: Final = frozenset(
    {"default", "examples", "maxLength", "maxProperties", "minLength", "minProperties", "patternProperties"}
    | {"propertyNames", "unevaluatedItems", "unevaluatedProperties", "uniqueItems", "contains", "maxContains"}
    | {"minContains"}
)


def _checked_by(schema: dict[str, Any], data: Any) -> Any:
    found = fault(data, schema)
    if found:
        raise ValueError(found)
    return data


def _validator(kind: Any) -> Callable[[Any], Any]:
    is_model = issubclass(kind, BaseModel)
    return cast("Callable[[Any], Any]", kind.model_validate if is_model else TypeAdapter(kind).validate_python)


def _made_by(validate: Callable[[Any], Any], data: Any) -> Any:
    try:
        return validate(data)
    except ValidationError as error:
        raise ValueError(_told(error)) from None


def _told(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False)
    told = [
        f"{'.'.join(map(str, it['loc'])) or 'the value'}: {it['msg']}, got {_shown(it['input'])}" for it in problems
    ]
    more = f"; and {len(told) - _PROBLEMS} more" if len(told) > _PROBLEMS else ""
    return "; ".join(told[:_PROBLEMS]) + more


def _shown(value: Any) -> str:
    return glimpse(value, 80)


# ------------------------------------------------------------------------------------------------- what a user hands in


def structure_of(schema: Any) -> Structure:
    """The structure of a pydantic class, a TypedDict, a dataclass, a JSON Schema or a tool of OpenAI's or Anthropic's form.

    Raises ``ConfigError`` for what is none of these, is no object, or has no name.
    """
    if isinstance(schema, Mapping):
        return _of_a_dict(cast("Mapping[str, Any]", schema))
    if not isinstance(schema, type):
        instance = f"an instance of {type(schema).__name__}; give the class" if isinstance(schema, BaseModel) else ""
        raise _unusable(f"got {instance or _shown(schema)}")
    kind: Any = schema
    if issubclass(kind, BaseModel):
        return _of_json_schema(kind.__name__, kind.model_json_schema(), kind)
    if is_typeddict(kind):
        return _of_typed_dict(kind)
    if hasattr(kind, "__dataclass_fields__"):
        return _of_json_schema(kind.__name__, TypeAdapter(kind).json_schema(), kind)
    raise _unusable(f"got the class {kind.__name__}")


def _unusable(came: str) -> ConfigError:
    return ConfigError(
        "a structured answer needs a schema: a pydantic class, a TypedDict, a dataclass, or a JSON Schema of the type "
        f"'object' with a 'title'; {came}"
    )


def _of_typed_dict(schema: Any) -> Structure:
    from plait.tools import convert_to_openai_function

    written = convert_to_openai_function(schema)
    return _checked(Structure(schema.__name__, written.get("description") or "", written["parameters"]))


def _of_dict_parts(name: Any, description: Any, schema: Any) -> Structure:
    if not isinstance(name, str) or not name:
        raise _unusable("got a dict without a 'title', which the model is told as the name of what it gives")
    if not isinstance(schema, Mapping):
        raise _unusable(f"got {name!r} without the schema of its fields")
    return _checked(Structure(name, description if isinstance(description, str) else "", {**cast("Any", schema)}))


def _of_a_dict(given: Mapping[str, Any]) -> Structure:
    match given:
        case {"type": "function", "function": dict()}:
            return _of_a_dict(given["function"])
        case {"name": str(name), **rest} if rest.keys() & {"parameters", "input_schema"}:
            schema = rest["parameters"] if "parameters" in rest else rest["input_schema"]
            return _of_dict_parts(name, rest.get("description"), schema)
        case {"name": str(name), "schema": dict()}:
            return _of_dict_parts(name, given.get("description"), given["schema"])
        case _:
            return _of_dict_parts(given.get("title"), given.get("description"), given)


def _of_json_schema(name: str, schema: dict[str, Any], kind: Any) -> Structure:
    description = schema.pop("description", "")
    return _checked(Structure(name, description, schema, kind))


def _checked(found: Structure) -> Structure:
    name = _NAME.sub("_", found.name)[:_LONGEST_NAME]
    schema = _resolved(found.schema)
    if schema.get("type") != "object" and "properties" not in schema:
        raise _unusable(
            f"got {found.name!r}, which is no object but {schema.get('type') or 'something else'}: give it a field, "
            "such as `items: list[...]`"
        )
    return found._replace(name=name, schema={"type": "object", "properties": {}, **schema})


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that only refers to one of its definitions, as a recursive pydantic class has it, as that definition."""
    match schema:
        case {"$ref": str(ref), "$defs": dict()} if ref.removeprefix("#/$defs/") in schema["$defs"]:
            return {**schema["$defs"][ref.removeprefix("#/$defs/")], "$defs": schema["$defs"]}
        case _:
            return schema

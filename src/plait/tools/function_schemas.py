"""Tools as models are told of them: OpenAI's form of a function, of whatever can be one.

https://platform.openai.com/docs/guides/function-calling
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, TypeAdapter
from typing_extensions import is_typeddict

from plait.errors import ChainError
from plait.inspection import name_of
from plait.tools.arguments import arguments_of, json_schema_of, without_injected
from plait.tools.docstrings import docstring_of, documented
from plait.tools.typed_dicts import described

__all__ = ["convert_to_openai_function", "convert_to_openai_tool", "schema_of"]


def convert_to_openai_tool(tool: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """A tool in the form ``{"type": "function", "function": {...}}``; a dict with another ``type`` stays as it is.

    Takes what ``convert_to_openai_function`` takes. With ``strict`` the vendor is asked to keep to the schema exactly.
    """
    if isinstance(tool, Mapping):
        given = cast("Mapping[str, Any]", tool)
        if given.get("type") == "function" and "function" in given:
            return {"type": "function", "function": convert_to_openai_function(given["function"], strict=strict)}
        if isinstance(given.get("type"), str) and given["type"] != "object" and "input_schema" not in given:
            return dict(given)  # a vendor's own tool
    return {"type": "function", "function": convert_to_openai_function(tool, strict=strict)}


def convert_to_openai_function(function: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """``{"name", "description", "parameters"}`` of a function, a tool, a pydantic class, a TypedDict, a dataclass, a JSON
    Schema with a title, or a dict in OpenAI's or Anthropic's form.

    With ``strict`` every argument is required and no other allowed, as OpenAI asks for it. Raises ChainError for what has
    no name or no arguments.
    """
    written = _written(function)
    if not isinstance(written.get("name"), str) or not written["name"]:
        raise ChainError("a tool needs a name: give its JSON Schema a 'title'")
    if strict is not None:
        written["strict"] = strict
    if strict:
        written["parameters"] = _closed(written.get("parameters") or {"type": "object", "properties": {}})
    return written


def _written(function: Any) -> dict[str, Any]:
    if isinstance(function, Mapping):
        return _of_dict(cast("Mapping[str, Any]", function))
    schema = getattr(function, "tool_call_schema", None)
    if schema is not None and not isinstance(function, type):  # a tool
        return _function(function.name, function.description, schema_of(schema))
    if isinstance(function, type) and (_is_object(function)):
        return _of_type(function)
    if callable(function):
        return _of_callable(function)
    raise ChainError(
        f"expected a function, a tool, a pydantic class, a TypedDict or a JSON Schema, got {type(function).__name__}"
    )


def _is_object(kind: Any) -> bool:
    return issubclass(kind, BaseModel) or is_typeddict(kind) or dataclasses.is_dataclass(kind)


def _of_dict(given: Mapping[str, Any]) -> dict[str, Any]:
    if "name" in given and "input_schema" in given:
        return _function(given["name"], given.get("description", ""), dict(given["input_schema"]))
    if "name" in given and "properties" not in given:
        return dict(given)
    if "title" in given and ("properties" in given or given.get("type") == "object"):
        schema = {key: value for key, value in given.items() if key not in ("title", "description", "$schema")}
        return _function(given["title"], given.get("description", ""), _untitled(schema))
    raise ChainError(
        "a dict is a tool if it is a JSON Schema of an object with a 'title', or has a 'name' and 'parameters' or "
        f"'input_schema'; got the keys {sorted(map(str, given))[:20]}"
    )


def _of_type(kind: Any) -> dict[str, Any]:
    said = documented(_own_doc(kind))
    schema = schema_of(kind)
    for name, text in said.arguments.items():
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", text)
    return _function(kind.__name__, schema.pop("description", None) if not said.summary else said.summary, schema)


def _own_doc(kind: Any) -> str:
    """What its author wrote: a dataclass has a docstring in any case."""
    text, name = kind.__dict__.get("__doc__") or "", kind.__name__
    return "" if dataclasses.is_dataclass(kind) and text.startswith(f"{name}(") else text


def _of_callable(func: Callable[..., Any]) -> dict[str, Any]:
    return _function(
        name_of(func),
        documented(docstring_of(func)).summary,
        schema_of(without_injected(arguments_of(func))),
    )


def _function(name: str, description: str | None, schema: dict[str, Any]) -> dict[str, Any]:
    left: dict[str, Any] = {key: value for key, value in schema.items() if key not in ("title", "description")}
    if not left.get("properties"):
        left = {"type": "object", **left, "properties": {}}
    return {"name": name, "description": description or "", "parameters": left}


def schema_of(kind: Any) -> dict[str, Any]:
    """The JSON Schema of arguments, without the titles that pydantic makes up."""
    return cast("dict[str, Any]", _untitled(_inlined(_raw_schema(kind))))


def _raw_schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, Mapping):
        return dict(cast("Mapping[str, Any]", kind))
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return json_schema_of(kind)
    return TypeAdapter(described(kind)).json_schema()


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a class that refers to itself, with its own definition at the top, where vendors expect an object."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    definitions = schema.get("$defs", {})
    if name not in definitions:
        return schema
    return {**definitions[name], "$defs": definitions}


_MAPS = ("properties", "$defs", "patternProperties")
_VALUES = ("default", "enum", "const", "examples")
"""Keywords with values in them, in which nothing is a schema."""


def _untitled(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_untitled(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    node = cast("dict[str, Any]", schema)
    return {
        key: _within(key, value, _untitled)
        for key, value in node.items()
        if key != "title" or not isinstance(value, str)
    }


def _within(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """What stands under a keyword, with every schema in it changed."""
    if key in _VALUES:
        return value
    if key in _MAPS and isinstance(value, dict):
        return {name: change(part) for name, part in cast("dict[str, Any]", value).items()}
    return change(value)


def _closed(schema: Any) -> Any:
    """Every object in it with all of its fields and no others."""
    if isinstance(schema, list):
        return [_closed(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    node = cast("dict[str, Any]", schema)
    closed = {key: _within(key, value, _closed) for key, value in node.items()}
    if closed.get("type") == "object":
        closed |= {"additionalProperties": False, "required": [*closed.get("properties", {})]}
    return closed

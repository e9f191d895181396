"""The arguments of tools, which are classes: left out where the function says them, and read from it again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from plait.errors import LoadError

__all__ = ["retooled", "shortened"]

_READ_FROM_FUNCTIONS = "plait.tools.arguments"
_MADE_ANEW = ("StructuredTool", "Tool", "RunnableTool")


def shortened(name: str, thing: Any, state: dict[str, Any], known: Collection[type[Any]]) -> dict[str, Any]:
    """The state without arguments that can be read again; raises LoadError for those that cannot."""
    schema = state.get("args_schema")
    if not isinstance(schema, type) or schema in known:
        return state
    rest = {field: held for field, held in state.items() if field != "args_schema"}
    if name not in _MADE_ANEW:
        return rest if schema.__module__ == _READ_FROM_FUNCTIONS else state  # the class reads it from its own _run
    again: Any = retooled(cast("type[Any]", type(thing)), dict(rest)).args_schema
    if again.model_json_schema() != cast("Any", schema).model_json_schema():
        raise LoadError(f"its args_schema is a class of its own: pass classes=[{schema.__name__}] here and to loads")
    return rest


def retooled(cls: type[Any], state: dict[str, Any]) -> Any:
    """A tool whose arguments are read from what it calls."""
    if cls.__name__ == "RunnableTool":
        from plait.tools import as_tool

        state.pop("whole", None)
        return as_tool(state.pop("runnable"), **state)
    if cls.__name__ == "StructuredTool":
        return cls.from_function(**state)
    return cls(**state)

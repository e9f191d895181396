"""Which tools a model may or must call: what people write for it, in one form for all vendors.

Pure: tools are dicts as OpenAI's API has them, or as another vendor has its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from plait.errors import ConfigError

__all__ = ["Choice", "ToolChoice", "as_openai_has_it", "names_of", "read_choice"]

ToolChoice: TypeAlias = str | bool | Mapping[str, Any] | None
"""What ``bind_tools`` takes: ``"auto"``, ``"none"``, ``"any"`` (or ``"required"``, or True), or a tool's name."""

_WORDS: Final[Mapping[Any, Literal["auto", "none", "any"]]] = {
    "auto": "auto",
    "none": "none",
    "any": "any",
    "required": "any",
    True: "any",
}


class Choice(NamedTuple):
    """Whether the model calls as it likes (``auto``), never, any one tool at least, or the one ``tool`` of that name."""

    kind: Literal["auto", "none", "any", "tool"]
    name: str | None = None


def names_of(tools: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of tools; raises ``ConfigError`` if two have the same, since nobody could tell whose call it is."""
    names = [name for tool in tools if (name := _name_of(tool))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two tools have the same name: {', '.join(map(repr, twice))}; give one of them another name")
    return names


def _name_of(tool: Mapping[str, Any]) -> str | None:
    part: Any = tool.get("function") or tool.get("custom") or tool
    name = part.get("name")
    return name if isinstance(name, str) else None


def read_choice(choice: Any, names: Sequence[str]) -> Choice | dict[str, Any] | None:
    """What is meant by ``tool_choice``; None if nothing is, a dict as it is if it is a vendor's own.

    Raises ``ConfigError`` for the name of a tool that is not there, and for what cannot be a choice.
    """
    if choice is None or choice is False:
        return None
    found: Choice | dict[str, Any]
    if isinstance(choice, str | bool):
        found = Choice(_WORDS[choice]) if choice in _WORDS else Choice("tool", cast("str", choice))
    elif isinstance(choice, Mapping):
        found = _of_a_dict(cast("Mapping[str, Any]", choice))
    else:
        raise ConfigError(f"{_EXPECTED}, got an object of type {type(choice).__name__}")
    return _checked(found, names)


_EXPECTED: Final = "tool_choice must be 'auto', 'none', 'any', True, the name of a tool or a dict of the API"


def _of_a_dict(choice: Mapping[str, Any]) -> Choice | dict[str, Any]:
    match choice:
        case {"type": "function", "function": {"name": str(name)}} | {"type": "tool" | "function", "name": str(name)}:
            return Choice("tool", name)
        case {"type": "auto" | "none" | "any" as kind} if len(choice) == 1:
            return Choice(kind)
        case _:
            return dict(choice)


def _checked(choice: Choice | dict[str, Any], names: Sequence[str]) -> Choice | dict[str, Any]:
    if isinstance(choice, dict):
        return choice
    if choice.kind == "tool" and choice.name not in names:
        there = f"the tools are {', '.join(map(repr, names))}" if names else "no tools were given"
        raise ConfigError(f"tool_choice names {choice.name!r}, and {there}; it may be 'auto', 'none' or 'any', too")
    if choice.kind == "any" and not names:
        raise ConfigError("tool_choice wants a tool to be called, and no tools were given")
    return choice


def as_openai_has_it(
    tools: Sequence[Mapping[str, Any]], tool_choice: Any, parallel_tool_calls: bool | None
) -> dict[str, Any]:
    """The parameters of OpenAI's API, and of the many that have taken it over, for tools and a choice among them."""
    choice = read_choice(tool_choice, names_of(tools))
    if isinstance(choice, Choice):
        named = {"type": "function", "function": {"name": choice.name}}
        choice = cast("Any", {"any": "required", "tool": named}.get(choice.kind, choice.kind))
    said = {"tools": list(tools) or None, "tool_choice": choice, "parallel_tool_calls": parallel_tool_calls}
    return {
        name: value for name, value in said.items() if value is not None and (tools or name != "parallel_tool_calls")
    }

"""Tool calls as models give them: whole, in pieces while they stream, and broken ones.

Pure: a piece carries text that is part of a JSON object; ``read_calls`` makes calls of joined pieces.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal, NotRequired, cast

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from plait.messages.blocks import join_indexed
from plait.partial_json import NOTHING, JsonError, read_json, read_partial_json


@with_config(ConfigDict(extra="allow"))
class ToolCall(TypedDict):
    """A request of the model to run the tool ``name`` with ``args``."""

    name: str
    args: dict[str, Any]
    id: str | None
    type: NotRequired[Literal["tool_call"]]


@with_config(ConfigDict(extra="allow"))
class ToolCallChunk(TypedDict):
    """A piece of a tool call: pieces with the same ``index`` belong together, and ``args`` is a piece of JSON text."""

    name: str | None
    args: str | None
    id: str | None
    index: int | str | None
    type: NotRequired[Literal["tool_call_chunk"]]


@with_config(ConfigDict(extra="allow"))
class InvalidToolCall(TypedDict):
    """A tool call whose ``args`` are not a JSON object, with what is wrong in ``error``."""

    name: str | None
    args: str | None
    id: str | None
    error: str | None
    type: NotRequired[Literal["invalid_tool_call"]]


def tool_call(*, name: str, args: dict[str, Any], id: str | None) -> ToolCall:
    """Give a tool call."""
    return {"name": name, "args": args, "id": id, "type": "tool_call"}


def tool_call_chunk(
    *, name: str | None = None, args: str | None = None, id: str | None = None, index: int | str | None = None
) -> ToolCallChunk:
    """Give a piece of a tool call."""
    return {"name": name, "args": args, "id": id, "index": index, "type": "tool_call_chunk"}


def invalid_tool_call(
    *, name: str | None = None, args: str | None = None, id: str | None = None, error: str | None = None
) -> InvalidToolCall:
    """Give a tool call that cannot be read."""
    return {"name": name, "args": args, "id": id, "error": error, "type": "invalid_tool_call"}


def join_tool_call_chunks(parts: Iterable[list[ToolCallChunk]]) -> list[ToolCallChunk]:
    """Join the pieces of each call: one piece per call is left; a new id under an index begins a new call."""
    return join_indexed(chain.from_iterable(parts), opened_by="id")


def as_chunk(call: ToolCall | InvalidToolCall) -> ToolCallChunk:
    """Give a call as the one piece that it could have streamed as."""
    args = call["args"]
    text = args if isinstance(args, str) or args is None else json.dumps(args)
    return tool_call_chunk(name=call["name"], args=text, id=call["id"])


def read_calls(chunks: list[ToolCallChunk], *, final: bool) -> tuple[list[ToolCall], list[InvalidToolCall]]:
    """Read the calls that the pieces amount to, the readable and the broken ones.

    While the stream goes on (``final`` false) arguments that merely stop short are completed: strings and brackets are
    closed, half a literal or a key without its value is left out. At the end such a call is a broken one.
    """
    calls: list[ToolCall] = []
    broken: list[InvalidToolCall] = []
    for chunk in chunks:
        name, text, id = chunk.get("name"), chunk.get("args") or "", chunk.get("id")
        try:
            calls.append(tool_call(name=name or "", args=read_args(text, final=final), id=id))
        except ValueError as error:
            broken.append(invalid_tool_call(name=name, args=text, id=id, error=str(error)))
    return calls, broken


def read_args(text: str, *, final: bool) -> dict[str, Any]:
    """Read the arguments of a call, ``{}`` if there is no text; raises ``ValueError`` unless it is a JSON object."""
    if not text.strip():
        return {}
    try:
        value = read_json(text) if final else read_partial_json(text)
    except JsonError as error:
        raise ValueError(f"the arguments of a tool call must be a JSON object, but are not JSON: {error}") from None
    if not isinstance(value, dict):
        kind = "still unknown" if value is NOTHING else f"a {type(value).__name__}"
        raise ValueError(f"the arguments of a tool call must be a JSON object, but are {kind}")
    return cast(dict[str, Any], value)

"""Tool calls as models give them: whole, in pieces while they stream, and broken ones.

Pure: a piece carries text that is part of a JSON object; ``read_calls`` makes calls of joined pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal, NotRequired, cast

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from plait.merging import MAX_DEPTH
from plait.messages.blocks import join_indexed


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
        value = _load(text)
    except ValueError as error:
        if final:
            raise ValueError(f"the arguments of a tool call must be a JSON object, but are not JSON: {error}") from None
        value = _load(_completed(text))
    if not isinstance(value, dict):
        raise ValueError(f"the arguments of a tool call must be a JSON object, but are a {type(value).__name__}")
    return cast(dict[str, Any], value)


def _load(text: str) -> object:
    if text.count("{") + text.count("[") > MAX_DEPTH:
        _refuse_depth(text)
    # Models write line breaks into strings; that is against the letter of JSON and clear all the same.
    return json.loads(text, strict=False, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _refuse_depth(text: str) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += (match[0] in "{[") - (match[0] in "}]")
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels of nesting")


_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_CLOSERS = {"{": "}", "[": "]"}


def _completed(text: str) -> str:
    """Close what a JSON text that stops short has left open; one pass, and what cannot be JSON stays so."""
    open_brackets: list[str] = []
    kept, last, before = 0, None, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if before and not open_brackets:
            return text  # something after the end
        if token in _CLOSERS:
            open_brackets.append(_CLOSERS[token])
        elif token in ("}", "]"):
            del open_brackets[-1:]
        is_key = token[0] == '"' and open_brackets[-1:] == ["}"] and before in ("{", ",")
        if not (is_key or token in (",", ":")):
            kept, last = last.end() if last else 0, match
        before = token
    if last is None:
        return text
    whole = last[0] if last.end() < len(text) else _whole_scalar(last[0])
    return (text[: last.start()] + whole if whole else text[:kept]) + "".join(reversed(open_brackets))


def _whole_scalar(token: str) -> str:
    """Give the last token so that it is JSON by itself: a string closed, a number without its end, or ""."""
    if token in "{}[]":
        return token
    if token[0] != '"':
        token = token if _is_json(token) else token.rstrip("+-.eE")
        return token if _is_json(token) else ""
    while not _is_json(closed := token if len(token) > 1 and _is_json(token) else token + '"'):
        token = token[: token.rfind("\\")]
    return closed


def _is_json(text: str) -> bool:
    try:
        value: object = json.loads(text, strict=False)
    except ValueError:
        return False
    # Half of a surrogate pair is half of a character.
    return not (isinstance(value, str) and "\ud800" <= value[-1:] <= "\udbff")

"""What was said, in the JSON forms of OpenTelemetry's semantic conventions for generative AI.

Pure. The forms are those of https://github.com/open-telemetry/semantic-conventions-genai, version 0.1.0, for messages
and retrieved documents. Inputs and outputs of other runs are plain JSON, as in the lines of a trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, cast

from plait.runs import Run
from plait.tracers.content import Json, as_json, named_json, written
from plait.tracers.gen_ai import operation_of

__all__ = ["content_of"]

_MOST: Final = 100  # messages, parts of one message, or documents
_LEAST: Final = 200  # characters for each of them
_ROLES: Final = {"human": "user", "ai": "assistant", "function": "tool"}


def content_of(run: Run, limit: int) -> dict[str, str]:
    """Inputs and outputs of a run that has ended, as attributes of about ``limit`` characters each."""
    match operation_of(run):
        case "chat" | "text_completion":
            said = {"gen_ai.input.messages": _asked(run), "gen_ai.output.messages": _answered(run)}
            return {name: written(_messages(messages, limit)) for name, messages in said.items() if messages}
        case "execute_tool":
            return _both(run, "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", limit)
        case "retrieval":
            return {
                "gen_ai.retrieval.query.text": _text(run.inputs, limit),
                "gen_ai.retrieval.documents": written(_documents(run.outputs, limit)),
            }
        case _:
            return _both(run, "plait.run.inputs", "plait.run.outputs", limit)


def _both(run: Run, inputs: str, outputs: str, limit: int) -> dict[str, str]:
    known = {inputs: run.inputs, outputs: run.outputs}
    return {name: written(as_json(value, limit)) for name, value in known.items() if value is not None}


def _text(value: Any, limit: int) -> str:
    known = as_json(value, limit)
    return known if isinstance(known, str) else written(known)


# ------------------------------------------------------------------------------------------------------------ messages


def _asked(run: Run) -> list[Any]:
    """The conversation, or the texts, that the model was given; the node itself knows how to read its input."""
    given: Any = run.inputs
    with suppress(Exception):  # that it cannot be read may be why the run failed
        given = run.node._told_input(given)
    return [] if given is None else cast("list[Any]", given) if isinstance(given, list) else [given]


def _answered(run: Run) -> list[Any]:
    said = run.outputs
    return [] if said is None else [{"role": "assistant", "content": said}] if isinstance(said, str) else [said]


def _messages(messages: list[Any], limit: int) -> Json:
    """The latest of the messages, as many as may be; what came before leaves a part that says so."""
    shown = messages[-_MOST:]
    room = max(limit // len(shown), _LEAST)
    said: list[Json] = [_message(message, room) for message in shown]
    left_out = len(messages) - len(shown)
    return [{"role": "system", "parts": [{"type": "omitted", "messages": left_out}]}, *said] if left_out else said


def _message(message: Any, room: int) -> Json:
    parts: list[Json] = [as_json(part, room) for part in _parts(message)[:_MOST]]
    name = _of(message, "name")
    named: dict[str, Json] = {"name": as_json(name, room)} if isinstance(name, str) else {}
    return {"role": as_json(_role(message), room), "parts": parts, **named}


def _role(message: Any) -> str:
    role = _of(message, "role")
    if isinstance(role, str):
        return role
    kind = str(_of(message, "type") or "human").removesuffix("MessageChunk").lower()
    return _ROLES.get(kind, kind)


def _parts(message: Any) -> list[dict[str, Any]]:
    call = _of(message, "tool_call_id")
    if call is not None:
        return [{"type": "tool_call_response", "id": call, "response": _of(message, "content")}]
    content = _of(message, "content")
    if content is None:
        return [_part(message) if isinstance(message, str) else {"type": "unknown", "content": message}]
    blocks = cast("list[Any]", content) if isinstance(content, list) else [content]
    return [*(_part(block) for block in blocks if block), *map(_call, _of(message, "tool_calls") or ())]


def _part(block: Any) -> dict[str, Any]:
    """A block of content; those of a kind that the conventions do not name go as they are."""
    if not isinstance(block, Mapping):
        return {"type": "text", "content": block}
    known = dict(cast("Mapping[str, Any]", block))
    kind = known.pop("type", None) or "unknown"
    if kind == "text":
        return {"type": "text", "content": known.get("text")}
    if kind in ("reasoning", "thinking"):
        return {"type": "reasoning", "content": known.get("reasoning") or known.get("thinking") or ""}
    return {"type": kind, **known}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "tool_call", "id": call.get("id"), "name": call.get("name"), "arguments": call.get("args")}


def _of(message: Any, name: str) -> Any:
    """A part of a message, whether it is an object or a dict."""
    if isinstance(message, Mapping):
        return cast("Mapping[str, Any]", message).get(name)
    return getattr(message, name, None)


# ----------------------------------------------------------------------------------------------------------- documents


def _documents(found: Any, limit: int) -> list[Json]:
    documents = cast("list[Any]", found)[:_MOST] if isinstance(found, list) else []
    room = max(limit // max(len(documents), 1), _LEAST)
    return [_document(document, room) for document in documents]


def _document(document: Any, room: int) -> Json:
    metadata = _of(document, "metadata")
    known: dict[str, Any] = dict(cast("Mapping[str, Any]", metadata)) if isinstance(metadata, Mapping) else {}
    content = _of(document, "page_content")
    facts: dict[str, Any] = {
        "id": _of(document, "id"),
        "score": known.get("score", known.get("relevance_score")),
        "metadata": known or None,
        "content": document if content is None else content,
    }
    return {name: named_json(name, fact, room) for name, fact in facts.items() if fact is not None}

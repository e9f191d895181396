"""The wire format of Anthropic's messages.

Pure: dicts as JSON has them, in and out. https://docs.anthropic.com/en/api/messages and, for streams,
https://docs.anthropic.com/en/docs/build-with-claude/streaming

Plain text of an answer is a string, calls of tools are ``tool_calls``; every other block (thinking, citations, what
Anthropic's own tools did) stays in the content as the dict that it is, so that it can be sent back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, cast

from plait.errors import MessageError
from plait.json_schema import closed
from plait.language_models.tool_choice import Choice, names_of, read_choice
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from plait.messages.blocks import Content, blocks_of
from plait.messages.media import Media, media_of, plain_text
from plait.messages.tool_calls import tool_call, tool_call_chunk
from plait.messages.usage import UsageMetadata
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

__all__ = [
    "PARAMETERS",
    "MessageReader",
    "message_request",
    "message_result",
    "output_config",
    "tool_request",
    "usage_of",
]

_OF_THE_CALL: Final = frozenset({"extra_body", "extra_headers", "extra_query", "timeout"})
PARAMETERS: Final = frozenset(
    {"cache_control", "container", "context_management", "diagnostics", "inference_geo", "max_tokens", "mcp_servers"}
    | {"metadata", "output_config", "service_tier", "speed", "stop_sequences", "temperature", "thinking", "tool_choice"}
    | {"tools", "top_k", "top_p", "user_profile_id", "workspace_id"}
    | _OF_THE_CALL
)

_ROLES: Final = {"human": "user", "user": "user", "ai": "assistant", "assistant": "assistant"}
_USUAL: Final = frozenset({"content", "id", "role", "type", "model", "usage"})


# ------------------------------------------------------------------------------------------------------------ requests


def message_request(
    model: str, messages: Sequence[BaseMessage], parameters: Mapping[str, Any], *, stream: bool = False
) -> dict[str, Any]:
    """The arguments of the SDK's ``create``: what system messages say is put before the conversation.

    Messages of one role that follow each other become one, as the API wants the results of several tools.
    """
    body = {name: value for name, value in parameters.items() if name not in _OF_THE_CALL and value is not None}
    given = {name: parameters[name] for name in _OF_THE_CALL & parameters.keys() if parameters[name] is not None}
    system = [block for message in messages if isinstance(message, SystemMessage) for block in _blocks(message.content)]
    if system:
        body["system"] = _short(system)
    return {
        **given,
        "model": model,
        "max_tokens": body.pop("max_tokens"),
        "messages": _turns(message for message in messages if not isinstance(message, SystemMessage)),
        "stream": stream,
        # What is left goes the way of unknown parameters, so that it does not matter which ones a version of the SDK knows.
        "extra_body": {**body, **given.get("extra_body", {})},
    }


def tool_request(
    tools: Sequence[Mapping[str, Any]], tool_choice: Any, parallel_tool_calls: bool | None
) -> dict[str, Any]:
    """The parameters for tools, in OpenAI's form or Anthropic's own, and for a choice among them."""
    choice = _choice(read_choice(tool_choice, names_of(tools)))
    if parallel_tool_calls is not None and tools:
        choice = {"type": "auto", **choice}
        if choice["type"] != "none":
            choice["disable_parallel_tool_use"] = not parallel_tool_calls
    said: dict[str, Any] = {"tools": [_tool(tool) for tool in tools]} if tools else {}
    return {**said, "tool_choice": choice} if choice else said


def _choice(choice: Choice | dict[str, Any] | None) -> dict[str, Any]:
    if not isinstance(choice, Choice):
        return choice or {}
    return {"type": "tool", "name": choice.name} if choice.kind == "tool" else {"type": choice.kind}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use."""
    if tool.get("type") != "function":
        return dict(tool)
    function: dict[str, Any] = tool["function"]
    named = {name: function[name] for name in ("name", "description", "strict") if function.get(name)}
    return {**named, "input_schema": function.get("parameters") or {"type": "object", "properties": {}}}


def output_config(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The parameter that guarantees an answer of this schema; None if the schema cannot be guaranteed."""
    guaranteed = closed(schema, all_required=False, without=_UNKNOWN_IN_SCHEMAS)
    return guaranteed and {"format": {"type": "json_schema", "schema": guaranteed}}


# https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations
_UNKNOWN_IN_SCHEMAS: Final = frozenset(
    {"default", "examples", "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maxProperties", "maximum"}
    | {"minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "patternProperties"}
    | {"propertyNames", "uniqueItems"}
)


def _turns(messages: Iterable[BaseMessage]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for role, group in groupby(messages, _role):
        blocks = [block for message in group for block in _blocks_of_message(message)]
        if blocks:
            turns.append({"role": role, "content": _short(blocks)})
    return turns


def _short(blocks: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """A single text without marks as a string, which is what people expect to see in a log."""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage | ToolMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "assistant"
    role = _ROLES.get(message.role) if isinstance(message, ChatMessage) else None
    if role is None:
        kind = getattr(message, "role", message.type)
        raise MessageError(
            f"Anthropic has no role for a message of the type {kind!r}: expected user, assistant, system or tool"
        )
    return role


def _blocks_of_message(message: BaseMessage) -> list[dict[str, Any]]:
    if isinstance(message, ToolMessage):
        return [_tool_result(message)]
    blocks = _blocks(message.content)
    if not isinstance(message, AIMessage):
        return blocks
    there = {block.get("id") for block in blocks if block.get("type") == "tool_use"}
    calls = [{"id": call["id"], "name": call["name"], "input": call["args"]} for call in message.tool_calls]
    # https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/fine-grained-tool-streaming: how to send those back
    calls += [
        {"id": call["id"], "name": call["name"] or "", "input": {"INVALID_JSON": call["args"] or ""}}
        for call in message.invalid_tool_calls
    ]
    return blocks + [{"type": "tool_use", **call} for call in calls if call["id"] not in there]


def _tool_result(message: ToolMessage) -> dict[str, Any]:
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": message.tool_call_id}
    blocks = _blocks(message.content)
    result |= {"content": _short(blocks)} if blocks else {}
    return {**result, "is_error": True} if message.status == "error" else result


def _blocks(content: Content) -> list[dict[str, Any]]:
    return [block for item in blocks_of(content) for block in _block(cast(dict[str, Any], item))]


def _block(item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    media, text = media_of(item), plain_text(item)
    if media is not None:
        yield _media(media)
    elif text is not None:
        source = {"type": "text", "media_type": "text/plain", "data": text}
        yield {"type": "document", "source": source, **_kept(item)}
    elif item.get("type") == "non_standard":
        yield from _block_of_a_vendor(item["value"])
    elif item != {"type": "text", "text": ""} and item.get("type") != "reasoning":
        yield _without_index(item)  # the API refuses empty text, which models themselves give beside a call of a tool


def _block_of_a_vendor(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block.get("type") == "image_url":
        raise MessageError("expected {'type': 'image_url', 'image_url': {'url': ...}}, got one without a url")
    yield _without_index(block)


def _media(media: Media) -> dict[str, Any]:
    kind = {"image": "image", "file": "document"}.get(media.kind)
    if kind is None:
        raise MessageError(f"Anthropic's API takes images and files, but no {media.kind}")
    return {"type": kind, "source": _source(media), **_kept(media.block)}


def _source(media: Media) -> dict[str, Any]:
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if media.base64 is not None:
        return {"type": "base64", "media_type": media.mime_type, "data": media.base64}
    return {"type": "file", "file_id": media.file_id}


def _kept(block: Mapping[str, Any]) -> dict[str, Any]:
    """What only Anthropic knows of an image or a file."""
    return {name: block[name] for name in ("cache_control", "citations", "context", "title") if name in block}


def _without_index(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block without the number that says to which block of a stream it belonged."""
    return {name: value for name, value in block.items() if name != "index"}


# ------------------------------------------------------------------------------------------------------------- answers


def message_result(answer: Mapping[str, Any]) -> ChatResult:
    """The one generation of an answer."""
    blocks = list(answer.get("content") or ())
    calls = [block for block in blocks if block.get("type") == "tool_use"]
    message = AIMessage(
        content=_content(block for block in blocks if block.get("type") != "tool_use"),
        tool_calls=[tool_call(name=call["name"], args=call.get("input") or {}, id=call.get("id")) for call in calls],
        response_metadata=_facts(answer),
        usage_metadata=usage_of(answer.get("usage")),
        id=answer.get("id") or None,
    )
    return ChatResult(generations=[ChatGeneration(message=message)])


def _content(blocks: Iterable[dict[str, Any]]) -> Content:
    """The content that a stream of these blocks adds up to."""
    parts: list[Any] = [block["text"] if _is_plain(block) else [block] for block in blocks]
    joined = AIMessageChunk.__merge_all__([AIMessageChunk(content=part) for part in parts]) if parts else None
    return joined.content if joined else ""


def _is_plain(block: Mapping[str, Any]) -> bool:
    return block.get("type") == "text" and not block.get("citations")


def _facts(answer: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in answer.items() if name not in _USUAL and value is not None}
    known = {"model_name": answer.get("model"), "token_usage": answer.get("usage")}
    return {**facts, **{name: value for name, value in known.items() if value}}


def usage_of(usage: Mapping[str, Any] | None) -> UsageMetadata | None:
    """Token counts under the names that are the same for every vendor; input that a cache held counts as input."""
    if not usage:
        return None
    held, stored = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    read, written = (usage.get("input_tokens") or 0) + held + stored, usage.get("output_tokens") or 0
    counts = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
    cached = {"cache_read": held, "cache_creation": stored}
    thought = _part(usage, "output_tokens_details").get("thinking_tokens")
    details: dict[str, dict[str, int]] = {
        "input_token_details": {name: count for name, count in cached.items() if count},
        "output_token_details": {"reasoning": thought} if thought else {},
    }
    return cast(UsageMetadata, {**counts, **{name: detail for name, detail in details.items() if detail}})


def _part(whole: Mapping[str, Any], name: str) -> dict[str, Any]:
    return whole.get(name) or {}


class MessageReader:
    """Reads the events of one stream; facts and counts are held back for the last chunk, so that they are there once."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._facts: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._open: dict[int, dict[str, Any]] = {}
        """Blocks that come in pieces of JSON, by index: they are given when they are whole."""
        self._json: dict[int, str] = {}

    def feed(self, event: Mapping[str, Any]) -> ChatGenerationChunk | None:
        """The chunk of a message for an event, if it says anything of the message."""
        match event:
            case {"type": "message_start", "message": message}:
                self._id = message.get("id") or None
                self._learn(message, message.get("usage"))
            case {"type": "message_delta", "delta": delta}:
                self._learn(delta, event.get("usage"))
            case {"type": "content_block_start", "index": index, "content_block": block}:
                return self._begin(index, block)
            case {"type": "content_block_delta", "index": index, "delta": delta}:
                return self._continue(index, delta)
            case {"type": "content_block_stop", "index": index}:
                return self._finish(index)
            case _:
                pass  # pings, and kinds of events to come
        return None

    def _learn(self, said: Mapping[str, Any], usage: Mapping[str, Any] | None) -> None:
        self._usage |= {name: count for name, count in (usage or {}).items() if count is not None}  # they are totals
        self._facts |= _facts({**said, "usage": self._usage})

    def _begin(self, index: int, block: dict[str, Any]) -> ChatGenerationChunk | None:
        if block.get("type") == "tool_use":
            given = block.get("input")
            return self._call(index, name=block["name"], id=block.get("id"), args=json.dumps(given) if given else "")
        if _is_plain(block):
            return self._chunk(block["text"]) if block["text"] else None
        if "input" in block:
            self._open[index] = block
            return None
        return self._chunk([{**block, "index": index}])

    def _continue(self, index: int, delta: Mapping[str, Any]) -> ChatGenerationChunk | None:
        match delta:
            case {"type": "text_delta", "text": text}:
                return self._chunk(text) if text else None
            case {"type": "input_json_delta", "partial_json": text}:
                return self._continue_json(index, text)
            case {"type": "thinking_delta", "thinking": text}:
                return self._chunk([{"type": "thinking", "thinking": text, "index": index}])
            case {"type": "signature_delta", "signature": text}:
                return self._chunk([{"type": "thinking", "signature": text, "index": index}])
            case {"type": "citations_delta", "citation": citation}:
                return self._chunk([{"type": "text", "text": "", "citations": [citation], "index": index}])
            case _:
                return None

    def _continue_json(self, index: int, text: str) -> ChatGenerationChunk | None:
        if index not in self._open:
            return self._call(index, args=text) if text else None
        self._json[index] = self._json.get(index, "") + text
        return None

    def _finish(self, index: int) -> ChatGenerationChunk | None:
        block = self._open.pop(index, None)
        if block is None:
            return None
        text = self._json.pop(index, "")
        return self._chunk([{**block, "input": json.loads(text) if text else block["input"], "index": index}])

    def end(self) -> ChatGenerationChunk:
        """The last chunk, with what the server said of the whole; raises if the server did not say that it is done."""
        if "stop_reason" not in self._facts:
            raise ConnectionError("the stream ended before the answer did")
        usage = usage_of(self._usage)
        return self._chunk("", response_metadata=self._facts, usage_metadata=usage, chunk_position="last")

    def _call(self, index: int, **piece: Any) -> ChatGenerationChunk:
        return self._chunk("", tool_call_chunks=[tool_call_chunk(**piece, index=index)])

    def _chunk(self, content: Content, **fields: Any) -> ChatGenerationChunk:
        message = AIMessageChunk.model_construct(content=content, **fields, id=self._id)
        return ChatGenerationChunk.model_construct(message=message)

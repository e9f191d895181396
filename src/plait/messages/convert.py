"""Messages from what people write for them, and messages as other programs write them.

A dict is data and nothing else: its role or type is looked up in a fixed table, and its fields are validated. No class,
module or file is ever found by a name that a dict holds.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, cast, overload

from pydantic import BeforeValidator, SerializeAsAny, ValidationError

from plait.errors import MessageError
from plait.messages.blocks import Content, blocks_of, text_of
from plait.messages.media import Media, media_of, plain_text
from plait.messages.models import (
    MESSAGE_CHUNKS,
    MESSAGES,
    AIMessage,
    BaseMessage,
    BaseMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from plait.messages.tool_calls import InvalidToolCall, ToolCall, as_chunk, read_calls, tool_call_chunk

MessageLikeRepresentation: TypeAlias = BaseMessage | str | tuple[str, Any] | list[Any] | dict[str, Any]

_BY_TYPE: dict[str, type[BaseMessage]] = {
    kind.model_fields["type"].default: kind for kind in (*MESSAGES, *MESSAGE_CHUNKS)
}
_BY_ROLE: dict[str, type[BaseMessage]] = {
    "human": HumanMessage,
    "user": HumanMessage,
    "ai": AIMessage,
    "assistant": AIMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "tool": ToolMessage,
    "function": FunctionMessage,
}
_ACCEPTED = (
    "a message, a string, a (role, content) pair, or a dict with 'role' and 'content'; "
    f"the roles are {', '.join(_BY_ROLE)} (for any other use ChatMessage(role=..., content=...))"
)
_Kind = TypeVar("_Kind", bound=BaseMessage)


def convert_to_messages(messages: Any) -> list[BaseMessage]:
    """Give the messages that a prompt value or a sequence stands for.

    Each item is a message (kept as it is), a string (from the human), a ``(role, content)`` pair, or a dict: one as
    OpenAI writes it (``role``, ``content``, ``tool_calls``), or a message's own dump (with ``type``). Raises
    ``MessageError`` for anything else.
    """
    if hasattr(messages, "to_messages"):
        return list(messages.to_messages())
    if isinstance(messages, BaseMessage | str | dict):
        return [_message(cast(MessageLikeRepresentation, messages))]
    try:
        items = iter(messages)
    except TypeError:
        message = f"expected a sequence of messages, got {_shown(messages)}; each item may be {_ACCEPTED}"
        raise MessageError(message) from None
    return [_message(item) for item in items]


def _message(item: MessageLikeRepresentation) -> BaseMessage:
    match item:
        case BaseMessage():
            return item
        case str():
            return HumanMessage(content=item)
        case dict():
            return _from_dict(item)
        case (str(role), content):
            return _from_pair(role, content)
        case _:
            raise MessageError(f"cannot make a message of {_shown(item)}; expected {_ACCEPTED}")


def _from_dict(item: dict[str, Any]) -> BaseMessage:
    kind = _known(_BY_TYPE, item.get("type"))
    if kind is not None:
        wrapped = "content" not in item and isinstance(item.get("data"), dict)
        return _validated(kind, item["data"] if wrapped else item)
    if "role" in item:
        return _from_role(item)
    raise MessageError(f"cannot make a message of a dict with the keys {_shown(list(item))}; expected {_ACCEPTED}")


def _from_pair(role: str, content: Any) -> BaseMessage:
    if role == "developer":
        return _from_role({"role": role, "content": content})
    return _validated(_role_class(role), {"content": content})


def _role_class(role: object) -> type[BaseMessage]:
    kind = _known(_BY_ROLE, role)
    if kind is None:
        raise MessageError(f"unknown role {_shown(role)}; expected {_ACCEPTED}")
    return kind


def _from_role(item: dict[str, Any]) -> BaseMessage:
    role = item["role"]
    kind = _role_class(role)
    own = kind.model_fields.keys() - {"type", "tool_calls"}
    fields = {key: value for key, value in item.items() if key in own}
    extra = {key: value for key, value in item.items() if key not in own | {"role", "type", "tool_calls"}}
    if role == "developer":
        extra["__openai_role__"] = role
    if extra:
        fields["additional_kwargs"] = {**(fields.get("additional_kwargs") or {}), **extra}
    if kind is AIMessage and item.get("tool_calls"):
        fields |= _read_openai_calls(item["tool_calls"])
    return _validated(kind, fields)


def _read_openai_calls(calls: Any) -> dict[str, Any]:
    if not isinstance(calls, list):
        raise MessageError(f"expected 'tool_calls' to be a list, got {_shown(calls)}")
    ready: list[Any] = []
    broken: list[InvalidToolCall] = []
    for call in cast(list[Any], calls):
        match call:
            case {"function": {"name": str(name), "arguments": str(args)}}:
                piece = tool_call_chunk(name=name, args=args, id=cast(dict[str, Any], call).get("id"))
                read, unread = read_calls([piece], final=True)
                ready += read
                broken += unread
            case _:
                ready.append(call)
    return {"tool_calls": ready, "invalid_tool_calls": broken}


def _known(table: dict[str, type[BaseMessage]], key: object) -> type[BaseMessage] | None:
    return table.get(key) if isinstance(key, str) else None


def _validated(kind: type[_Kind], fields: dict[Any, Any]) -> _Kind:
    if not all(isinstance(key, str) for key in fields):
        raise MessageError(f"the keys of a message must be strings, got {_shown(list(fields))}")
    try:
        return kind(**fields)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        shown = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:5])
        raise MessageError(f"the fields do not make a {kind.__name__}: {shown}") from None


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:80] + '…'}"


def _read(value: object) -> object:
    return _from_dict(cast(dict[str, Any], value)) if isinstance(value, dict) else value


# Fields of models that hold messages: any class of message, dumped with all that it has, read back as what it was.
SomeMessage: TypeAlias = Annotated[SerializeAsAny[BaseMessage], BeforeValidator(_read)]
SomeChunk: TypeAlias = Annotated[SerializeAsAny[BaseMessageChunk], BeforeValidator(_read)]


def message_to_dict(message: BaseMessage) -> dict[str, Any]:
    """Give a message as ``{"type": ..., "data": {...}}``."""
    return {"type": message.type, "data": message.model_dump()}


def messages_to_dict(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Give messages as dicts that ``messages_from_dict`` reads back."""
    return [message_to_dict(message) for message in messages]


def messages_from_dict(messages: Sequence[dict[str, Any]]) -> list[BaseMessage]:
    """Give the messages that ``messages_to_dict`` wrote down; raises ``MessageError`` for anything else."""
    return [_from_dict(_with_type(message)) for message in messages]


def _with_type(message: Any) -> dict[str, Any]:
    if not hasattr(message, "keys") or _known(_BY_TYPE, message.get("type")) is None:
        raise MessageError(f"expected a dict with 'data' and a 'type' of {', '.join(_BY_TYPE)}, got {_shown(message)}")
    return dict(message)


def get_buffer_string(
    messages: Sequence[BaseMessage],
    human_prefix: str = "Human",
    ai_prefix: str = "AI",
    *,
    system_prefix: str = "System",
    function_prefix: str = "Function",
    tool_prefix: str = "Tool",
    message_separator: str = "\n",
) -> str:
    """Give a conversation as one text, a line ``Human: ...`` per message; tool calls follow their message as JSON."""
    prefixes: dict[type[BaseMessage], str] = {
        HumanMessage: human_prefix,
        AIMessage: ai_prefix,
        SystemMessage: system_prefix,
        FunctionMessage: function_prefix,
        ToolMessage: tool_prefix,
    }
    return message_separator.join(f"{_prefix(message, prefixes)}: {_line(message)}" for message in messages)


def _prefix(message: BaseMessage, prefixes: dict[type[BaseMessage], str]) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    return next((prefix for kind, prefix in prefixes.items() if isinstance(message, kind)), message.type)


def _line(message: BaseMessage) -> str:
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return message.text + "".join(json.dumps({"name": call["name"], "args": call["args"]}) for call in calls)


@overload
def convert_to_openai_messages(  # type: ignore[overload-overlap]  # a string is a sequence too, but asked about first
    messages: BaseMessage | str | dict[str, Any], *, text_format: Literal["string", "block"] = "string"
) -> dict[str, Any]: ...
@overload
def convert_to_openai_messages(
    messages: Sequence[MessageLikeRepresentation], *, text_format: Literal["string", "block"] = "string"
) -> list[dict[str, Any]]: ...
def convert_to_openai_messages(
    messages: BaseMessage | str | dict[str, Any] | Sequence[MessageLikeRepresentation],
    *,
    text_format: Literal["string", "block"] = "string",
) -> dict[str, Any] | list[dict[str, Any]]:
    """Give messages as dicts of OpenAI's chat completions API, one dict for a single message.

    ``text_format="block"`` gives text as a list of blocks always; otherwise content that is only text becomes a string.
    Shapes: https://platform.openai.com/docs/api-reference/chat/create.
    """
    converted = [_to_openai(message, text_format) for message in convert_to_messages(messages)]
    return converted[0] if isinstance(messages, BaseMessage | str | dict) else converted


_OPENAI_ROLES: dict[type[BaseMessage], str] = {
    HumanMessage: "user",
    AIMessage: "assistant",
    ToolMessage: "tool",
    FunctionMessage: "function",
}


def _to_openai(message: BaseMessage, text_format: str) -> dict[str, Any]:
    result: dict[str, Any] = {"role": _openai_role(message), "content": _openai_content(message, text_format)}
    if message.name:
        result["name"] = message.name
    if isinstance(message, ToolMessage):
        result["tool_call_id"] = message.tool_call_id
    if isinstance(message, AIMessage):
        calls = [*map(_openai_call, message.tool_calls), *map(_openai_call, message.invalid_tool_calls)]
        result |= {"tool_calls": calls} if calls else {}
        result |= {key: message.additional_kwargs[key] for key in _OPENAI_EXTRA & message.additional_kwargs.keys()}
    return result


_OPENAI_EXTRA = {"audio", "function_call", "refusal"}


def _openai_role(message: BaseMessage) -> str:
    if isinstance(message, ChatMessage):
        return message.role
    if isinstance(message, SystemMessage):
        return "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
    role = next((role for kind, role in _OPENAI_ROLES.items() if isinstance(message, kind)), None)
    if role is None:
        raise MessageError(f"OpenAI has no role for a message of the type {message.type!r}")
    return role


def _openai_call(call: ToolCall | InvalidToolCall) -> dict[str, Any]:
    piece = as_chunk(call)
    function = {"name": piece["name"] or "", "arguments": piece["args"] or ""}
    return {"id": piece["id"], "type": "function", "function": function}


def _openai_content(message: BaseMessage, text_format: str) -> Content:
    content = message.content
    if isinstance(content, str):
        return content if text_format == "string" else [*map(_openai_block, blocks_of(content))]
    blocks = [_openai_block(block) for block in blocks_of(content) if not _is_own_call(message, block)]
    if text_format == "string" and all(block.get("type") == "text" for block in blocks):
        return text_of(cast(Content, blocks))
    return cast(Content, blocks)


def _is_own_call(message: BaseMessage, block: Any) -> bool:
    """Tell whether a block repeats what ``tool_calls`` says, as Anthropic's content does, or is another model's thought."""
    return isinstance(message, AIMessage) and (block.get("value") or block).get("type") in _UNSAID


_UNSAID = {"tool_use", "tool_call", "thinking", "redacted_thinking", "reasoning"}
_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def _openai_block(block: Any) -> dict[str, Any]:
    media, text = media_of(block), plain_text(block)
    if media is not None:
        return _openai_media(media)
    if text is not None:
        return {"type": "text", "text": text}
    if block.get("type") != "non_standard":
        return cast(dict[str, Any], block)
    value: dict[str, Any] = block["value"]
    if value.get("type") == "image_url":
        raise MessageError(f"expected {{'type': 'image_url', 'image_url': {{'url': ...}}}}, got {_shown(value)}")
    return value


def _openai_media(media: Media) -> dict[str, Any]:
    match media.kind:
        case "image" if media.file_id is None:
            kept = {name: media.block[name] for name in ("detail",) if name in media.block}
            return {"type": "image_url", "image_url": {"url": media.url or media.data_url, **kept}}
        case "audio" if media.base64 is not None and media.mime_type in _AUDIO_FORMATS:
            sound = {"data": media.base64, "format": _AUDIO_FORMATS[media.mime_type]}
            return {"type": "input_audio", "input_audio": sound}
        case "image" | "file" if media.file_id is not None:
            return {"type": "file", "file": {"file_id": media.file_id}}
        case "file" if media.base64 is not None:
            named = {"filename": media.block.get("filename") or "file"}
            return {"type": "file", "file": {**named, "file_data": media.data_url}}
        case kind:
            held = {"audio": "'base64' of audio/wav or audio/mpeg", "file": "'base64' or 'file_id'"}.get(kind)
            came = "a URL" if media.url else "a file_id" if media.file_id else f"base64 of {media.mime_type}"
            raise MessageError(
                f"OpenAI's API takes {kind} only as {held}, got {came}" if held else f"OpenAI's API takes no {kind}"
            )

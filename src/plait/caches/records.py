"""What is kept of an answer: bytes that are the answer to one request, or nothing at all.

A record is the SHA-256 of the key of its request and of what follows, in hexadecimal, a line break, and JSON:

    {"format": 1, "generations": [{"type": "ChatGeneration", "message": {"type": "ai", "data": {…}}, …}]}

Whatever is not that, byte for byte, is no record: there is no other decoder, no class is looked up by name, and a dict
that says that it is something else stays a dict. The checksum finds damage; who may write to the place where
records are kept can also put answers there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from plait.messages import MESSAGES, BaseMessage, message_chunk_to_message, messages_from_dict
from plait.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk

__all__ = ["read", "written"]

_FORMAT: Final = 1
_DEEPEST: Final = 100
_CHECKSUM: Final = 64  # hexadecimal digits


def written(key: bytes, generations: Sequence[Generation]) -> bytes | None:
    """The record of an answer; None if it holds what JSON cannot hold, or nothing."""
    if not generations:
        return None
    try:
        forms = [_form(generation) for generation in generations]
        body = json.dumps({"format": _FORMAT, "generations": forms}, separators=(",", ":")).encode()
    except ValueError:  # or a number that is too long to be written out
        return None
    return _checksum(key, body) + b"\n" + body


def read(key: bytes, record: object) -> list[Generation] | None:
    """The answer of which this is the record, in objects of the caller's own; None if it is not one of this request."""
    if type(record) is not bytes or record[_CHECKSUM : _CHECKSUM + 1] != b"\n":
        return None
    body = record[_CHECKSUM + 1 :]
    if record[:_CHECKSUM] != _checksum(key, body):
        return None
    try:
        return _answer(json.loads(body))
    except Exception:  # whoever wrote it, it is not what is written here
        return None


def _checksum(key: bytes, body: bytes) -> bytes:
    from hashlib import sha256

    return sha256(key + body).hexdigest().encode()


# ---------------------------------------------------------------------------------------------------------------- forms


def _form(generation: Generation) -> dict[str, Any]:
    """A candidate as a dict; raises ValueError for one that would not come back as it is."""
    kind, info = type(generation), _plain(generation.generation_info)
    if kind in (Generation, GenerationChunk):
        return {"type": "Generation", "text": generation.text, "generation_info": info}
    if isinstance(generation, ChatGeneration) and kind in (ChatGeneration, ChatGenerationChunk):
        return {"type": "ChatGeneration", "message": _message_form(generation.message), "generation_info": info}
    raise ValueError(f"a candidate of the class {kind.__name__}")


def _message_form(given: BaseMessage) -> dict[str, Any]:
    message = message_chunk_to_message(given)
    kind = type(message)
    if kind not in MESSAGES:
        raise ValueError(f"a message of the class {kind.__name__}")
    data = {name: getattr(message, name) for name in kind.model_fields}
    return {"type": message.type, "data": _plain({**data, **(message.model_extra or {})})}


def _plain(value: Any, depth: int = 0) -> Any:
    """The value, if JSON gives it back as it is."""
    kind = cast("type[Any]", type(value))
    if kind in (str, int, bool, float) or value is None:
        return value
    if depth > _DEEPEST or kind not in (list, dict):
        raise ValueError(f"a value of the class {kind.__name__}, {depth} levels deep")
    if kind is dict and not all(type(name) is str for name in value):
        raise ValueError("a key that is no text")
    for held in value.values() if kind is dict else value:
        _plain(held, depth + 1)
    return value


def _answer(document: Any) -> list[Generation] | None:
    if set(document) != {"format", "generations"} or document["format"] != _FORMAT:
        return None
    return [_KINDS[form.pop("type")](form) for form in document["generations"]] or None


def _generation(form: dict[str, Any]) -> Generation:
    return Generation(**form)


def _chat_generation(form: dict[str, Any]) -> ChatGeneration:
    [message] = messages_from_dict([form.pop("message")])
    return ChatGeneration(message=message, **form)


_KINDS: Final[dict[str, Callable[[dict[str, Any]], Generation]]] = {
    "Generation": _generation,
    "ChatGeneration": _chat_generation,
}

"""Whether two results mean the same, and how to show one in a line: what a check compares by when nothing else is said.

A sum of message chunks and the message that it amounts to are the same; ids of messages do not count. Objects whose
class does not say when they are equal are compared by class and attributes; NaN is the same as NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import BaseModel

from plait.language_models.chat_models import chunk_of
from plait.messages import BaseMessage, message_chunk_to_message

__all__ = ["same", "shown", "streamed"]

_DEPTH = 100  # deeper values refer to themselves, or are compared by their own ``==`` from there
_SHOWN = 200


def same(a: Any, b: Any) -> bool:
    """Whether ``a`` and ``b`` mean the same, by the rules at the top of this module."""
    return _Comparison().same(a, b, 0)


class _Comparison:
    """One comparison; it knows the pairs that it has met, since values may refer to themselves."""

    def __init__(self) -> None:
        self.met: dict[tuple[int, int], Any] = {}  # the pairs themselves are kept, so that no id is used again

    def same(self, a: Any, b: Any, depth: int) -> bool:
        if a is b or (id(a), id(b)) in self.met:
            return True
        self.met[id(a), id(b)] = a, b
        a, b = _facts(a), _facts(b)
        if depth == _DEPTH:
            return _equal(a, b)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            return self.same_items(cast("Mapping[Any, Any]", a), cast("Mapping[Any, Any]", b), depth + 1)
        if isinstance(a, tuple) and isinstance(b, tuple):
            return self.same_rows(cast("tuple[Any, ...]", a), cast("tuple[Any, ...]", b), depth + 1)
        if isinstance(a, list) and isinstance(b, list):
            return self.same_rows(cast("list[Any]", a), cast("list[Any]", b), depth + 1)
        return _equal(a, b)

    def same_items(self, a: Mapping[Any, Any], b: Mapping[Any, Any], depth: int) -> bool:
        return a.keys() == b.keys() and all(self.same(value, b[key], depth) for key, value in a.items())

    def same_rows(self, a: Sequence[Any], b: Sequence[Any], depth: int) -> bool:
        return len(a) == len(b) and all(self.same(one, other, depth) for one, other in zip(a, b, strict=True))


def _facts(value: Any) -> Any:
    """What of a value is to be compared: a dict of its fields for an object whose class does not say what is equal."""
    if isinstance(value, BaseMessage):
        message = message_chunk_to_message(value)
        return {"": type(message).__name__, **vars(message), **(message.model_extra or {}), "id": None}
    if isinstance(value, BaseModel):  # its own ``==`` would compare the ids of messages in it
        return {"": type(value), **vars(value), **(value.model_extra or {})}
    if isinstance(value, BaseException):
        return {"": type(value), "args": value.args}
    if hasattr(value, "__dict__") and not callable(value) and not _says_what_is_equal(value):
        return {"": cast("object", type(value)), **cast("dict[str, Any]", vars(value))}
    return value


def _says_what_is_equal(value: object) -> bool:
    return any("__eq__" in vars(base) for base in type(value).__mro__[:-1])


def _equal(a: Any, b: Any) -> bool:
    verdict = a == b
    try:
        return bool(verdict) or bool(a != a and b != b)  # noqa: PLR0124  # NaN is the one thing unlike itself
    except ValueError:  # an array says it for each element, and a table for each column of these
        return bool(verdict.all().all())


def streamed(value: Any) -> Any:
    """``value`` with the chunk that a stream would have given in the place of each message."""
    if isinstance(value, BaseMessage):
        return chunk_of(value)
    if type(value) is dict:
        return {key: streamed(item) for key, item in cast("dict[Any, Any]", value).items()}
    return [streamed(item) for item in cast("list[Any]", value)] if type(value) is list else value


def shown(value: Any) -> str:
    """``value`` in one line of bounded length."""
    try:
        text = " ".join(repr(value).split())
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 12]} … {text[-8:]}"

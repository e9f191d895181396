"""The step after a model that was asked for a structure: it reads it, while it grows and when it is whole."""

# An answer and its step are one unit.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import ConfigDict, SkipValidation
from typing_extensions import TypedDict

from plait.errors import EmptyStreamError, OutputParserException
from plait.language_models.structure import Structure
from plait.merging import Growth, merge_all, snapshot
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, message_chunk_to_message
from plait.output_parsers import BaseGenerationOutputParser
from plait.output_parsers.cumulative import Purse
from plait.outputs import ChatGeneration, Generation
from plait.partial_json import NOTHING, JsonError, JsonInText, JsonReader, read_json_in_text
from plait.redaction import glimpse
from plait.runs import Scope

__all__ = ["RawAndParsed", "StructuredAnswer"]

_SHOWN = 300  # characters of an answer that an error shows
_CUT_OFF = {"length", "max_tokens", "model_context_window_exceeded"}


T = TypeVar("T")


class RawAndParsed(TypedDict, Generic[T]):
    """What ``with_structured_output(..., include_raw=True)`` gives: the message, and the value or why there is none."""

    raw: BaseMessage
    parsed: T | None
    parsing_error: OutputParserException | None


class StructuredAnswer(BaseGenerationOutputParser[Any]):
    """Reads the structure that a model was asked for; ``with_structured_output`` puts it after the model.

    Streams what can be read so far: dicts that grow, or objects as soon as they are valid; the last is the value. What
    is no such structure raises ``OutputParserException``, or is told in ``parsing_error`` with ``include_raw``: that
    gives a dict of ``raw``, which streams, ``parsed`` and ``parsing_error``, which come at the end.
    """

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    structure: SkipValidation[Structure]
    by_tool: bool = False
    """Whether it is in the arguments of a tool call, or in the text."""
    include_raw: bool = False

    _inline: ClassVar[bool] = True

    @cached_property
    def _value(self) -> Callable[[Any], Any]:
        return self.structure.reader

    @property
    def OutputType(self) -> Any:
        return dict[str, Any] if self.include_raw else self.structure.kind or dict[str, Any]

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The value of the first generation."""
        first = result[0]
        message = first.message if isinstance(first, ChatGeneration) else AIMessage(first.text)
        return self.read(message_chunk_to_message(message))

    def read(self, message: BaseMessage) -> Any:
        """What is given for a whole message."""
        if not self.include_raw:
            return self._read(message)
        parsed = error = None
        try:
            parsed = self._read(message)
        except OutputParserException as caught:
            error = caught
        return {"raw": message, "parsed": parsed, "parsing_error": error}

    def _read(self, message: BaseMessage) -> Any:
        """The value that an answer holds; raises ``OutputParserException`` with what was expected and what came."""
        name, refusal = self.structure.name, _refusal(message)
        if refusal:
            raise OutputParserException(f"the model refused to give a {name}: {refusal}", llm_output=message.text)
        text = message.text
        try:
            if not self.by_tool:
                return self._value(_data_of_text(message))
            call = _call(name, message)
            text = _said(call)
            return self._value(_arguments(call))
        except ValueError as error:
            why = "; ".join([f"the model's answer is no {name}: {error}", *_reasons(message)])
            raise OutputParserException(why, llm_output=text) from error

    def _readable(self, chunk: Any) -> Any:
        if isinstance(chunk, str | BaseMessage):
            return chunk
        raise self._unreadable(chunk)

    def _whole(self, gathered: list[Any]) -> Any:
        if not gathered:
            raise EmptyStreamError(f"{self.get_name()}: the stream ended without a chunk, so there is no value")
        return merge_all(gathered)

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[Any]:
        growing, gathered = _Growing(self), list[Any]()
        for chunk in chunks:
            gathered.append(self._readable(chunk))
            yield from growing.feed(chunk)
        yield from growing.end(self._whole(gathered))

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        growing, gathered = _Growing(self), list[Any]()
        async for chunk in chunks:
            gathered.append(self._readable(chunk))
            for value in growing.feed(chunk):
                yield value
        for value in growing.end(self._whole(gathered)):
            yield value


class _Growing:
    """What one stream gives: with every chunk what is new, and at its end what it comes to."""

    def __init__(self, answer: StructuredAnswer) -> None:
        self._answer = answer
        self._source: _Text | _Call | None = _Call(answer.structure.name) if answer.by_tool else _Text()
        self._size = 0
        self._purse = Purse()
        self._given: Any = NOTHING
        self._growth = Growth()

    def feed(self, chunk: Any) -> Iterator[Any]:
        if self._answer.include_raw:
            yield {"raw": chunk}
        elif (value := self._partial(chunk)) is not NOTHING and value != self._given:
            self._given = value
            yield value

    def _partial(self, chunk: Any) -> Any:
        if self._source is None:
            return NOTHING
        try:
            size = self._source.feed(chunk)
        except JsonError:  # the end says what is wrong with the whole
            self._source = None
            return NOTHING
        return self._seen(self._source) if self._answer.structure.kind is None else self._valid(self._source, size)

    def _seen(self, source: _Text | _Call) -> Any:
        data = source.take()
        return snapshot(cast("dict[str, Any]", data), self._growth) if isinstance(data, dict) else NOTHING

    def _valid(self, source: _Text | _Call, size: int) -> Any:
        """An object of the class, which is made of all that there is, if there is something new that is worth it."""
        self._size += size
        self._purse.earn(size)
        data = source.take() if self._purse.affords(self._size) else NOTHING
        if not isinstance(data, dict):
            return NOTHING
        self._purse.pay(self._size)
        try:
            return self._answer._value(data)
        except ValueError:
            return NOTHING

    def end(self, whole: Any) -> Iterator[Any]:
        message = AIMessage(whole) if isinstance(whole, str) else message_chunk_to_message(whole)
        value = self._answer.read(message)
        if self._answer.include_raw:
            yield {"parsed": value["parsed"], "parsing_error": value["parsing_error"]}
        elif self._given is NOTHING or value != self._given:
            yield snapshot(value)


class _Text:
    """The JSON in the text of a stream."""

    def __init__(self) -> None:
        self._reader = JsonInText()

    def feed(self, chunk: Any) -> int:
        """Read on; gives how many characters there were."""
        text = chunk if isinstance(chunk, str) else chunk.text
        self._reader.feed(text)
        return len(text)

    def take(self) -> Any:
        return self._reader.take()


class _Call:
    """The arguments of the first call of one tool in a stream."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reader = JsonReader()
        self._place: tuple[Any, Any] | None = None

    def feed(self, chunk: Any) -> int:
        """Read on; gives how many characters there were."""
        size = 0
        for piece in chunk.tool_call_chunks if isinstance(chunk, AIMessageChunk) else ():
            if self._place is None and piece.get("name") == self._name:
                self._place = piece.get("index"), piece.get("id")
            if self._place is not None and self._is_mine(piece, *self._place):
                args = piece.get("args") or ""
                self._reader.feed(args)
                size += len(args)
        return size

    def take(self) -> Any:
        return self._reader.take()

    def _is_mine(self, piece: Any, index: Any, id: Any) -> bool:
        return piece.get("index") == index and piece.get("id") in (None, "", id)


# ------------------------------------------------------------------------------------------------------------ decisions


def _data_of_text(message: BaseMessage) -> Any:
    if message.text.strip():
        return read_json_in_text(message.text)
    raise ValueError(f"expected JSON, but it has no text{_calls_instead(message)}")


def _call(name: str, message: BaseMessage) -> Any:
    """The first call of that tool, or else the first that is broken."""
    if not isinstance(message, AIMessage):
        raise ValueError(f"expected a call of the tool {name!r}, but the message is of the type {message.type!r}")
    for call in [*message.tool_calls, *message.invalid_tool_calls]:
        if call["name"] == name:
            return call
    said = f" and said {glimpse(message.text, _SHOWN)}" if message.text else ""
    raise ValueError(f"expected a call of the tool {name!r}, but the model made none{_calls_instead(message)}{said}")


def _said(call: Any) -> str:
    """The arguments of a call as the model gave them, or in other words the same."""
    return call["args"] if isinstance(call["args"], str) else json.dumps(call["args"], ensure_ascii=False, default=str)


def _arguments(call: Any) -> Any:
    if "error" in call:
        why = call["error"] or "the arguments of a tool call must be a JSON object"
        raise ValueError(f"{why}; they are {glimpse(call['args'], _SHOWN)}")
    return call["args"]


def _calls_instead(message: BaseMessage) -> str:
    names = [call["name"] for call in message.tool_calls] if isinstance(message, AIMessage) else []
    return f"; it called {', '.join(map(repr, names))} instead" if names else ""


def _refusal(message: BaseMessage) -> str | None:
    refusal = message.additional_kwargs.get("refusal")
    if isinstance(refusal, str) and refusal:
        return glimpse(refusal, _SHOWN)
    if message.response_metadata.get("stop_reason") == "refusal":
        return glimpse(message.text, _SHOWN) if message.text else "it gave no reason"
    return None


def _reasons(message: BaseMessage) -> Iterator[str]:
    facts = message.response_metadata
    reason = facts.get("finish_reason") or facts.get("stop_reason")
    if reason in _CUT_OFF:
        yield f"it was cut off ({reason}): give the model a larger max_tokens"
    elif reason == "content_filter":
        yield "the provider's content filter cut it off"
    elif isinstance(message, HumanMessage):
        yield "and it is no answer of a model"

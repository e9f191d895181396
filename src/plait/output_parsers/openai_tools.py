"""Parsers of the tool calls of a message, which stream the arguments as they grow."""

# A reading and its parser are one unit.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import islice
from typing import Annotated, Any, ClassVar, Final, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, SkipValidation, ValidationError

from plait.errors import OutputParserException
from plait.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from plait.output_parsers.cumulative import IncrementalParser, Purse
from plait.output_parsers.faults import excerpt, refused, told
from plait.outputs import ChatGeneration, Generation
from plait.partial_json import NOTHING, JsonError, JsonReader
from plait.runnables import RunnableConfig
from plait.schemas import value_model

__all__ = ["JsonOutputKeyToolsParser", "JsonOutputToolsParser", "PydanticToolsParser"]

_PER_CALL: Final = 8

Piece: TypeAlias = tuple[str | None, str | None, str | None, int | str | None]


class _Call:
    """One call, being read: its name, id and arguments so far."""

    def __init__(self) -> None:
        self.name = ""
        self.id: str | None = None
        self.size = 0
        self.parts: list[str] = []
        self.args: Any = {}
        self.made: Any = NOTHING  # the value of the parser for it, as it was looked at last
        self.is_new = True  # whether there is more than that
        self._reader = JsonReader()
        self._error: JsonError | None = None

    def feed(self, name: str | None, args: str | None, id: str | None) -> bool:
        """Read a piece; gives whether there may be something new to be seen."""
        is_named = bool(name) and name != self.name
        self.name, self.id = name or self.name, id or self.id
        return self._feed_args(args) or is_named if args else is_named

    def _feed_args(self, text: str) -> bool:
        self.parts.append(text)
        self.size += len(text)
        if self._error is not None:
            return False
        try:
            self._behind(self._reader.feed(text))
        except JsonError as error:
            self._error = error
            return False
        value = self._reader.take()
        if not isinstance(value, dict):
            return False
        self.args = value
        return True

    def _behind(self, rest: str) -> None:
        said = rest.lstrip(" \t\r\n")
        if said:
            raise self._reader.error(rest, len(rest) - len(said), "the end of the arguments")

    def close(self) -> None:
        """Settle the arguments; raises ``OutputParserException`` if they are not a JSON object."""
        text = "".join(self.parts)
        if not text.strip():
            self.args = {}
            return
        try:
            value = self._reader.close() if self._error is None else _again(text)
        except JsonError as error:
            problem = f"the arguments of the tool {self.name!r} must be JSON, but at {error}"
            raise refused(f"{problem}; they are {excerpt(text)}", text, error) from error
        if not isinstance(value, dict):
            came = type(value).__name__
            raise refused(f"the arguments of the tool {self.name!r} must be a JSON object, but are a {came}", text)
        self.args = value


def _again(text: str) -> Any:
    """Read broken arguments whole, so that the error shows what follows the fault, however they came."""
    whole = _Call()
    whole.feed(None, text, None)
    if whole._error is not None:
        raise whole._error
    return whole._reader.close()


class _Calls:
    """The calls of one message, read chunk by chunk."""

    def __init__(self, parser: JsonOutputToolsParser) -> None:
        self._parser = parser
        self._calls: list[_Call] = []
        self._latest: dict[int | str, _Call] = {}
        self._purse = Purse()
        self._has_news = False
        self._is_other = False  # whether the value is another than the last that was given

    def read(self, chunk: Any) -> Any:
        for name, args, id, index in self._parser._pieces(self._parser._message(chunk)):
            self._purse.earn(len(args or ""))
            call = self._call(id, index)
            if call.feed(name, args, id):
                call.is_new = self._has_news = True
        return self._value() if self._has_news else NOTHING

    def _call(self, id: str | None, index: int | str | None) -> _Call:
        """The call that a piece belongs to: a new id under an index begins a new one, as does a piece without an index."""
        call = None if index is None else self._latest.get(index)
        if call is None or (id and id != call.id):
            call = _Call()
            self._calls.append(call)
            if index is not None:
                self._latest[index] = call
        return call

    def _value(self) -> Any:
        cost = _PER_CALL * len(self._calls)
        if not self._purse.affords(cost):
            return NOTHING
        self._purse.pay(cost)
        wanted = (call for call in self._calls if call.name and self._parser._wants(call))
        seen = [self._made(call) for call in (islice(wanted, 1) if self._parser.first_tool_only else wanted)]
        value = self._parser._chosen([made for made in seen if made is not NOTHING])
        if not self._is_other:
            return NOTHING
        self._has_news = self._is_other = False
        return value

    def _made(self, call: _Call) -> Any:
        """The value for a call: one that is not valid at the moment, or too dear to be looked at, keeps what it had."""
        cost = self._parser._cost(call.size)
        if call.is_new and self._purse.affords(cost):
            self._purse.pay(cost)
            call.is_new = False
            made = self._parser._made_early(call)
            if made is not NOTHING and made is not call.made:
                call.made, self._is_other = made, True
        return call.made

    def close(self) -> Any:
        found = (made for call in self._calls if (made := self._finished(call)) is not NOTHING)
        value = self._parser._chosen([next(found, NOTHING)] if self._parser.first_tool_only else [*found])
        return self._parser._settled(value)

    def _finished(self, call: _Call) -> Any:
        call.close()
        return self._parser._made(call) if self._parser._wants(call) else NOTHING

    def is_news(self, final: Any, last: Any) -> bool:
        return self._has_news or bool(final != last)


def _pieces(message: BaseMessage) -> Iterable[Piece]:
    """The pieces of calls in a message or a chunk of one: name, text of arguments, id, index."""
    if isinstance(message, AIMessageChunk) and message.tool_call_chunks:
        return _given_pieces(message)
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        calls, broken = message.tool_calls, message.invalid_tool_calls
        return _given_pieces(AIMessageChunk(content="", tool_calls=calls, invalid_tool_calls=broken))
    older: Any = message.additional_kwargs.get("tool_calls")
    return [_piece(call) for call in cast("list[Any]", older)] if isinstance(older, list) else []


def _given_pieces(chunk: AIMessageChunk) -> list[Piece]:
    return [(piece["name"], piece["args"], piece["id"], piece["index"]) for piece in chunk.tool_call_chunks]


def _piece(call: Any) -> Piece:
    """A call in the form of the OpenAI API, as older messages hold it."""
    try:
        name, args, id, index = (
            call["function"]["name"],
            call["function"]["arguments"],
            call.get("id"),
            call.get("index"),
        )
    except (TypeError, KeyError, AttributeError):
        raise refused("a tool call must have a function with a name and arguments", str(call)[:1000]) from None
    return named_piece("a tool call", (name, args, id, index if isinstance(index, int | str) else None))


def named_piece(what: str, piece: Piece) -> Piece:
    """The piece, if its name, arguments and id are texts or None, whatever the server has sent."""
    for part, value in zip(("name", "arguments", "id"), piece, strict=False):
        if not isinstance(value, str | None):
            raise refused(f"the {part} of {what} must be a text, but is a {type(value).__name__}", str(value)[:1000])
    return piece


class JsonOutputToolsParser(IncrementalParser[Any]):
    """The tool calls of a message: a list of ``{"type": <name of the tool>, "args": {...}}``.

    ``return_id`` adds ``"id"``; with ``first_tool_only`` it is the first call alone, None if there is none. Streams the
    calls so far, their arguments as they grow. Raises ``OutputParserException`` if the arguments of a call are no JSON object.
    ``strict`` is there for compatibility: line breaks in strings are always read.
    """

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    _shares: ClassVar[bool] = True

    strict: bool = False
    return_id: bool = False
    first_tool_only: bool = False

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The calls of the message of the first generation; with ``partial`` as far as they can be read."""
        generation = result[0]
        if not isinstance(generation, ChatGeneration):
            raise self._unreadable(generation)
        reading = self._reading()
        value = reading.read(generation.message)
        if not partial:
            return reading.close()
        return self._chosen([]) if value is NOTHING else value

    def _reading(self) -> _Calls:
        return _Calls(self)

    def _pieces(self, message: BaseMessage) -> Iterable[Piece]:
        return _pieces(message)

    def _message(self, input: Any) -> BaseMessage:
        if isinstance(input, BaseMessage):
            return input
        raise self._unreadable(input)

    def _unreadable(self, input: object) -> TypeError:
        return TypeError(
            f"{self.get_name()} reads a message, since a text has no tool calls, but got {type(input).__name__}"
        )

    @property
    def InputType(self) -> Any:
        return BaseMessage

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A message of any kind."""
        return value_model(self.get_name("Input"), AnyMessage)

    @property
    def OutputType(self) -> Any:
        return Any

    def _wants(self, call: _Call) -> bool:
        """Whether the call is looked for."""
        return True

    def _made(self, call: _Call) -> Any:
        """The value for a call that is complete."""
        given = {"type": call.name, "args": call.args}
        return {**given, "id": call.id} if self.return_id else given

    def _made_early(self, call: _Call) -> Any:
        """The value for a call that is still growing, or ``NOTHING``."""
        return self._made(call)

    def _chosen(self, made: list[Any]) -> Any:
        if not self.first_tool_only:
            return made
        return made[0] if made and made[0] is not NOTHING else None

    def _settled(self, value: Any) -> Any:
        """The value of the whole, once it is known that no more calls come."""
        return value

    def _cost(self, size: int) -> int:
        """What ``_made_early`` costs for arguments so long."""
        return 0


class JsonOutputKeyToolsParser(JsonOutputToolsParser):
    """The arguments of the calls of one tool, ``key_name``: a list of dicts.

    With ``return_id`` whole calls with their id instead; with ``first_tool_only`` the first alone, None if there is none.
    """

    key_name: str

    def _wants(self, call: _Call) -> bool:
        return call.name == self.key_name

    def _made(self, call: _Call) -> Any:
        return super()._made(call) if self.return_id else call.args


class PydanticToolsParser(JsonOutputToolsParser):
    """The tool calls of a message as objects of ``tools``, pydantic models that are named as the tools are.

    A model is known by its name, and by the title in its config. Streams the objects that are valid so far. Raises
    ``OutputParserException`` for an unknown tool and for wrong arguments, and says which and what was expected.
    """

    tools: Annotated[list[type[BaseModel]], SkipValidation]

    _shares: ClassVar[bool] = False

    @cached_property
    def _by_name(self) -> dict[str, type[BaseModel]]:
        titles = {tool.model_config.get("title") or tool.__name__: tool for tool in self.tools}
        return titles | {tool.__name__: tool for tool in self.tools}

    def _made(self, call: _Call) -> Any:
        tool = self._by_name.get(call.name)
        if tool is None:
            raise self._unknown(call)
        try:
            return tool.model_validate(call.args)
        except ValidationError as error:
            problem = f"the tool {call.name!r} was called with wrong arguments: {told(error)}"
            raise refused(problem, "".join(call.parts), error) from error

    def _made_early(self, call: _Call) -> Any:
        try:
            return self._made(call)
        except OutputParserException:
            return NOTHING

    def _unknown(self, call: _Call) -> Exception:
        known = ", ".join(self._by_name) or "none"
        return refused(f"expected a call of one of the tools {known}, but got one of {call.name[:100]!r}", call.name)

    def _cost(self, size: int) -> int:
        return size

"""The messages of a conversation, and the chunks that a streamed one comes in."""

# `type` is the tag of a union: each class narrows it to one literal and nobody assigns it.
# pyright: reportIncompatibleVariableOverride=false

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias, cast
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field

from plait.errors import MessageError
from plait.messages.blocks import Content, ContentBlock, blocks_of, join_content, text_of
from plait.messages.defaults import DEFERRED, ShortRepr, default_of
from plait.messages.sums import Summable, first, join_facts, last, new_instance, same
from plait.messages.tool_calls import (
    InvalidToolCall,
    ToolCall,
    ToolCallChunk,
    as_chunk,
    join_tool_call_chunks,
    read_calls,
)
from plait.messages.usage import UsageMetadata, join_usage

_Joins: TypeAlias = Mapping[str, Callable[[list[Any]], Any]]
_JoinsAtOnce: TypeAlias = Mapping[str, Callable[[str, list[Any]], Any]]
_EMPTY = cast(Callable[[], list[Any]], list)


class BaseMessage(ShortRepr):
    """A message of a conversation."""

    model_config = {**DEFERRED, "extra": "allow"}

    # kw_only is for type checkers, which make the signature from the fields: content may be given by position.
    content: Content = Field(kw_only=False)
    additional_kwargs: dict[str, Any] = Field(default_factory=dict)
    response_metadata: dict[str, Any] = Field(default_factory=dict)
    type: str = Field(repr=False)
    name: str | None = None
    id: Annotated[str | None, Field(coerce_numbers_to_str=True)] = None

    if TYPE_CHECKING:
        content_blocks: list[Any] = Field(default_factory=_EMPTY)
    else:

        def __init__(self, /, content=None, *, content_blocks=None, **fields):
            if content_blocks is not None:
                if content:
                    raise MessageError("give a message either content or content_blocks, not both")
                content = [{**block} for block in content_blocks]
            if content is not None:
                fields["content"] = content
            super().__init__(**fields)

        @property
        def content_blocks(self) -> list[ContentBlock]:
            """The content as a list of typed dicts; images of every vendor's spelling as ``ImageContentBlock``."""
            return self._blocks()

    def _blocks(self) -> list[Any]:
        return list(blocks_of(self.content))

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make a message from values that are known to be right, without checking them."""
        fields = cls.__pydantic_fields__
        if cls.__pydantic_post_init__:  # private attributes, or a hook of a subclass
            return super().model_construct(_fields_set, **values)
        extra = {name: values.pop(name) for name in values.keys() - fields.keys()}
        names = {*values} if _fields_set is None else _fields_set
        defaults = {name: default_of(field) for name, field in fields.items() if name not in values}
        return cast(Self, new_instance(cls, {**defaults, **values}, names, extra, None))

    @property
    def text(self) -> str:
        """The text of the message: its content, or the text blocks of its content joined."""
        return text_of(self.content)

    def pretty_repr(self) -> str:
        """Give the message as a block of text for people to read."""
        return "\n".join([_title(self), *self._pretty_lines()])

    def _pretty_lines(self) -> Iterable[str]:
        if self.name:
            yield f"Name: {self.name}"
        yield f"\n{self.content if isinstance(self.content, str) else self.text or self.content}"

    def _repr_html_(self) -> str:
        """What a notebook shows: who speaks, then what is said and called; nothing in it is markup."""
        from html import escape  # only notebooks need it

        said = "\n".join(line for line in self._pretty_lines() if line)
        return f"<b>{escape(_title(self).strip('= '))}</b><pre style='white-space:pre-wrap'>{escape(said)}</pre>"

    def pretty_print(self) -> None:
        """Print ``pretty_repr()``."""
        print(self.pretty_repr())  # noqa: T201  # to print is what it is for


def _title(message: BaseMessage) -> str:
    kind = message.type.removesuffix("MessageChunk").lower()
    title = {"ai": "Ai", "chat": getattr(message, "role", "chat")}.get(kind, kind)
    return f" {title[:1].upper()}{title[1:]} Message ".center(80, "=")


class HumanMessage(BaseMessage):
    """A message from a person."""

    type: Literal["human"] = Field(default="human", repr=False)


class SystemMessage(BaseMessage):
    """A message that tells the model how to behave."""

    type: Literal["system"] = Field(default="system", repr=False)


class ChatMessage(BaseMessage):
    """A message with a role of any name."""

    type: Literal["chat"] = Field(default="chat", repr=False)
    role: str


class FunctionMessage(BaseMessage):
    """A message with the result of a function, for models that know functions but not tools."""

    type: Literal["function"] = Field(default="function", repr=False)
    name: str = Field(default=...)  # required


def _tagged(tag: str) -> AfterValidator:
    def tag_all(calls: list[Any]) -> list[Any]:
        for call in calls:
            call["type"] = tag
        return calls

    return AfterValidator(tag_all)


class AIMessage(BaseMessage):
    """A message from a model."""

    type: Literal["ai"] = Field(default="ai", repr=False)
    content: Content = Field(default="", kw_only=False)
    tool_calls: Annotated[list[ToolCall], _tagged("tool_call")] = Field(default_factory=_EMPTY)
    invalid_tool_calls: Annotated[list[InvalidToolCall], _tagged("invalid_tool_call")] = Field(default_factory=_EMPTY)
    usage_metadata: UsageMetadata | None = None

    def _blocks(self) -> list[Any]:
        return [*super()._blocks(), *self.tool_calls]

    def _pretty_lines(self) -> Iterable[str]:
        yield from super()._pretty_lines()
        for call in self.tool_calls:
            yield f"\nTool call {call['name']} ({call['id']})"
            yield from (f"  {name}: {value}" for name, value in call["args"].items())
        for broken in self.invalid_tool_calls:
            yield f"\nInvalid tool call {broken['name']} ({broken['id']}): {broken['error']}\n  {broken['args']}"


def _tool_content(content: Any) -> Any:
    if content is None or isinstance(content, (str, dict)):
        return cast(Any, content)
    if not isinstance(content, (list, tuple)):
        return str(content)
    items = cast(Iterable[Any], content)
    return [item if isinstance(item, (str, dict)) else str(item) for item in items]


def _id_text(id: Any) -> Any:
    return str(id) if isinstance(id, UUID | int | float) else id


class ToolMessage(BaseMessage):
    """A message with the result of a tool, for the model that called it."""

    type: Literal["tool"] = Field(default="tool", repr=False)
    content: Annotated[Content, BeforeValidator(_tool_content)] = Field(kw_only=False)
    tool_call_id: Annotated[str, BeforeValidator(_id_text)]
    artifact: Any = None
    status: Literal["success", "error"] = "success"


class BaseMessageChunk(Summable, BaseMessage):
    """A piece of a message: pieces add up with ``+``."""

    _joins: ClassVar[_Joins] = {
        "content": join_content,
        "response_metadata": join_facts,
        "type": first,
        "name": first,
        "id": first,
    }


# A chunk is a message (isinstance tells so) with a tag of its own: hence the overrides that a checker dislikes.
class HumanMessageChunk(HumanMessage, BaseMessageChunk):
    """A piece of a message from a person."""

    type: Literal["HumanMessageChunk"] = Field(default="HumanMessageChunk", repr=False)  # type: ignore[assignment]
    content: Content = Field(default="", kw_only=False)


class SystemMessageChunk(SystemMessage, BaseMessageChunk):
    """A piece of a message that tells the model how to behave."""

    type: Literal["SystemMessageChunk"] = Field(default="SystemMessageChunk", repr=False)  # type: ignore[assignment]
    content: Content = Field(default="", kw_only=False)


class ChatMessageChunk(ChatMessage, BaseMessageChunk):
    """A piece of a message with a role of any name."""

    type: Literal["ChatMessageChunk"] = Field(default="ChatMessageChunk", repr=False)  # type: ignore[assignment]
    content: Content = Field(default="", kw_only=False)

    _joins_at_once: ClassVar[_JoinsAtOnce] = {"role": same}


class FunctionMessageChunk(FunctionMessage, BaseMessageChunk):
    """A piece of a message with the result of a function."""

    type: Literal["FunctionMessageChunk"] = Field(default="FunctionMessageChunk", repr=False)  # type: ignore[assignment]
    content: Content = Field(default="", kw_only=False)

    _joins_at_once: ClassVar[_JoinsAtOnce] = {"name": same}


def _worst(values: list[str]) -> str:
    return "error" if "error" in values else values[-1]


class ToolMessageChunk(ToolMessage, BaseMessageChunk):
    """A piece of a message with the result of a tool."""

    type: Literal["ToolMessageChunk"] = Field(default="ToolMessageChunk", repr=False)  # type: ignore[assignment]
    content: Annotated[Content, BeforeValidator(_tool_content)] = Field(default="", kw_only=False)

    _joins_at_once: ClassVar[_JoinsAtOnce] = {"tool_call_id": same}
    _joins: ClassVar[_Joins] = {**BaseMessageChunk._joins, "status": _worst}


class AIMessageChunk(AIMessage, BaseMessageChunk):
    """A piece of a message from a model."""

    type: Literal["AIMessageChunk"] = Field(default="AIMessageChunk", repr=False)  # type: ignore[assignment]
    tool_call_chunks: Annotated[list[ToolCallChunk], _tagged("tool_call_chunk")] = Field(default_factory=_EMPTY)
    chunk_position: Literal["last"] | None = None

    _late: ClassVar[tuple[str, ...]] = ("tool_calls", "invalid_tool_calls")
    _joins: ClassVar[_Joins] = {
        **BaseMessageChunk._joins,
        "usage_metadata": join_usage,
        "tool_call_chunks": join_tool_call_chunks,
        "chunk_position": last,
    }

    if not TYPE_CHECKING:

        def __init__(self, /, content=None, **fields):
            super().__init__(content, **fields)
            if fields:
                self._settle_calls()

    def _settle_calls(self) -> None:
        """Let the pieces decide: calls are read from them, and calls without pieces are given some."""
        if self.tool_call_chunks:
            self._forget_late()
        elif self.tool_calls or self.invalid_tool_calls:
            self.tool_call_chunks = [*map(as_chunk, self.tool_calls), *map(as_chunk, self.invalid_tool_calls)]

    @classmethod
    def _make_late(cls, fields: dict[str, Any]) -> dict[str, Any]:
        calls, broken = read_calls(fields["tool_call_chunks"], final=fields["chunk_position"] == "last")
        return {"tool_calls": calls, "invalid_tool_calls": broken}

    @classmethod
    def _without_late(cls, values: dict[str, Any]) -> dict[str, Any]:
        calls = [as_chunk(call) for name in cls._late for call in values.get(name, ())]
        return {"tool_call_chunks": calls, **super()._without_late(values)}


MESSAGES: tuple[type[BaseMessage], ...] = (
    HumanMessage,
    AIMessage,
    ChatMessage,
    FunctionMessage,
    SystemMessage,
    ToolMessage,
)
MESSAGE_CHUNKS: tuple[type[BaseMessageChunk], ...] = (
    HumanMessageChunk,
    AIMessageChunk,
    ChatMessageChunk,
    FunctionMessageChunk,
    SystemMessageChunk,
    ToolMessageChunk,
)

AnyMessage: TypeAlias = Annotated[
    HumanMessage
    | AIMessage
    | ChatMessage
    | FunctionMessage
    | SystemMessage
    | ToolMessage
    | HumanMessageChunk
    | AIMessageChunk
    | ChatMessageChunk
    | FunctionMessageChunk
    | SystemMessageChunk
    | ToolMessageChunk,
    Field(discriminator="type"),
]


def message_chunk_to_message(chunk: BaseMessage) -> BaseMessage:
    """Give the message that a sum of chunks amounts to; what is not a chunk comes back as it is.

    Tool calls are read for good: one whose arguments stop short is found in ``invalid_tool_calls``.
    """
    if not isinstance(chunk, BaseMessageChunk):
        return chunk
    kind = _message_class(type(chunk))
    fields: dict[str, Any] = {name: getattr(chunk, name) for name in kind.model_fields if name != "type"}
    if isinstance(chunk, AIMessageChunk) and chunk.tool_call_chunks:
        fields["tool_calls"], fields["invalid_tool_calls"] = read_calls(chunk.tool_call_chunks, final=True)
    return kind.model_construct(**fields, **(chunk.model_extra or {}))


def _message_class(chunk_class: type[BaseMessageChunk]) -> type[BaseMessage]:
    classes = cast(tuple[type[BaseMessage], ...], chunk_class.__mro__)
    return next(kind for kind in classes if not issubclass(kind, BaseMessageChunk | Summable))

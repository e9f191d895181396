"""Prompts that are a conversation, and their parts: templates of one message, places for messages that are there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, Self, TypeAlias, cast, overload

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from plait.errors import LoadError, PromptError
from plait.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    convert_to_messages,
)
from plait.prompt_values import ChatPromptValue
from plait.prompts.base import BasePromptTemplate, Part, is_default
from plait.prompts.plain import plain, refuse_other
from plait.prompts.reading import reads_as
from plait.prompts.string import PromptTemplate, StringPromptTemplate, TemplateFormat, joined_partials
from plait.templates import MAX_CHARS, Template, Tree, fill, missing, parse, parse_tree, size, too_long, variables

__all__ = [
    "AIMessagePromptTemplate",
    "BaseChatPromptTemplate",
    "BaseMessagePromptTemplate",
    "BaseStringMessagePromptTemplate",
    "ChatMessagePromptTemplate",
    "ChatPromptTemplate",
    "HumanMessagePromptTemplate",
    "MessageLikeRepresentation",
    "MessagesPlaceholder",
    "SystemMessagePromptTemplate",
]


# ------------------------------------------------------------------------------------------------------------- the parts


class BaseMessagePromptTemplate(BaseModel, Part):
    """Makes messages of named values; a part of a chat prompt."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    @property
    @abstractmethod
    def input_variables(self) -> list[str]:
        """The names of the values that must be given."""

    @abstractmethod
    def format_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages for these values; others may be among them."""

    async def aformat_messages(self, /, **values: Any) -> list[BaseMessage]:  # twin: a template waits for nothing
        """The messages for these values; others may be among them."""
        return self.format_messages(**values)

    def __add__(self, other: Any) -> ChatPromptTemplate:
        """The chat prompt of this and another; see `ChatPromptTemplate`."""
        both: ChatPromptTemplate = ChatPromptTemplate([self]) + other
        return both

    def __radd__(self, other: Any) -> ChatPromptTemplate:
        return ChatPromptTemplate(_listed(other)) + self

    def _needs(self) -> Sequence[str]:
        return self.input_variables

    def pretty_repr(self) -> str:
        """Give the messages as text for people to read, with variables in braces."""
        return repr(self)

    def pretty_print(self) -> None:
        """Print ``pretty_repr()``."""
        print(self.pretty_repr())  # noqa: T201

    def _config(self) -> dict[str, Any]:
        """What a file says of this part."""
        raise LoadError(
            f"{type(self).__name__} cannot be saved: it is a class of your own, and a file holds only the prompts of plait"
        )

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name is not None and not is_default(self, name, value):
                yield name, value


class MessagesPlaceholder(BaseMessagePromptTemplate):
    """A place for a list of messages, such as the history of a conversation; the last ``n_messages`` of them, if given.

    The value is a list of messages, or of what can be made into one, such as ``("human", "hi")``. With
    ``optional=True`` it may be missing or None.
    """

    model_config = ConfigDict(frozen=True)

    variable_name: str
    optional: bool = False
    n_messages: PositiveInt | None = None

    def __init__(self, variable_name: str, *, optional: bool = False, n_messages: int | None = None) -> None:
        fields: dict[str, Any] = {"variable_name": variable_name, "optional": optional, "n_messages": n_messages}
        super().__init__(**fields)

    @property
    def input_variables(self) -> list[str]:
        """The name of the list, unless it may be missing."""
        return [] if self.optional else [self.variable_name]

    def format_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages that were given under the name."""
        given = values.get(self.variable_name)
        if given is None and self.optional:
            return []
        if self.variable_name not in values:
            raise missing(self._places(), values, escapable=False)
        if not isinstance(given, (list, tuple)):
            raise TypeError(f"{{{self.variable_name}}} takes a list of messages; got {type(given).__name__}")
        return convert_to_messages(cast("Sequence[Any]", given)[-(self.n_messages or 0) :])

    def _optional(self) -> Sequence[str]:
        return [self.variable_name] if self.optional else ()

    def _types(self) -> Mapping[str, Any]:
        return {self.variable_name: list[AnyMessage]}

    def _config(self) -> dict[str, Any]:
        refuse_other(self, MessagesPlaceholder)
        said = {"optional": True} if self.optional else {}
        return {
            "placeholder": self.variable_name,
            **said,
            **({"n_messages": self.n_messages} if self.n_messages else {}),
        }

    def pretty_repr(self) -> str:
        """Give the name of the list."""
        return f"{' Messages Placeholder '.center(80, '=')}\n\n{{{self.variable_name}}}"

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield (None if name == "variable_name" else name), value


class BaseStringMessagePromptTemplate(BaseMessagePromptTemplate):
    """A template of one message, whose content is a text or a list of blocks with templates inside."""

    model_config = ConfigDict(frozen=True)

    # kw_only is for type checkers, which make the signature from the fields: prompt may be given by position.
    prompt: StringPromptTemplate | list[str | dict[str, Any]] = Field(kw_only=False)
    template_format: str = "f-string"
    """How the texts in a list of blocks are read; a prompt has its own format."""

    max_chars: int = MAX_CHARS
    """The limit for a text in a list of blocks; a prompt has its own."""

    additional_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    _role: ClassVar[str]
    _message: ClassVar[type[HumanMessage | AIMessage | SystemMessage]]

    if not TYPE_CHECKING:

        def __init__(self, /, prompt, **fields):
            super().__init__(prompt=prompt, **fields)
            self._blocks()  # not in a validator: pydantic would wrap what it raises

    @classmethod
    def from_template(
        cls,
        template: str | Sequence[str | dict[str, Any]],
        template_format: TemplateFormat = "f-string",
        *,
        partial_variables: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Self:
        """A message with this text, or with this list of blocks."""
        if isinstance(template, str):
            known = dict(partial_variables or {})
            prompt = PromptTemplate(template=template, template_format=template_format, partial_variables=known)
            return cls(prompt, **fields)
        if partial_variables:
            raise PromptError("a list of blocks has no partial_variables of its own: use partial() of the chat prompt")
        return cls(list(template), template_format=template_format, **fields)

    def _blocks(self) -> Tree:
        """The parsed blocks of the list that is there now, as a copy may have been given another; None for a prompt."""
        kept: tuple[object, str, Tree] | None = vars(self).get("_kept")
        if kept is None or kept[0] is not self.prompt or kept[1] != self.template_format:
            kept = vars(self)["_kept"] = (self.prompt, self.template_format, self._read())
        return kept[2]

    def _read(self) -> Tree:
        if isinstance(self.prompt, StringPromptTemplate):
            return None
        return parse_tree([_as_block(block) for block in self.prompt], self.template_format)

    @property
    def input_variables(self) -> list[str]:
        """The names in the text or in the blocks."""
        if isinstance(self.prompt, StringPromptTemplate):
            return list(self.prompt.input_variables)
        return sorted(variables(self._blocks()))

    def format(self, /, **values: Any) -> BaseMessage:
        """The message for these values."""
        blocks = self._blocks()
        text = None if blocks is not None else cast(StringPromptTemplate, self.prompt).format(**values)
        return self._with_content(self._filled(blocks, values) if text is None else text)

    async def aformat(self, /, **values: Any) -> BaseMessage:
        """The message for these values."""
        blocks = self._blocks()
        text = None if blocks is not None else await cast(StringPromptTemplate, self.prompt).aformat(**values)
        return self._with_content(self._filled(blocks, values) if text is None else text)

    def format_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The message for these values, in a list."""
        return [self.format(**values)]

    async def aformat_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The message for these values, in a list."""
        return [await self.aformat(**values)]

    def _filled(self, blocks: Tree, values: Mapping[str, Any]) -> list[Any]:
        def render(template: Template) -> str:
            return template.render(values, limit=self.max_chars, special=reads_as)

        return cast("list[Any]", fill(blocks, render))

    def _with_content(self, content: str | list[Any]) -> BaseMessage:
        if not self.additional_kwargs:
            return self._message(content)
        return self._message(content, additional_kwargs=self.additional_kwargs)

    def _inner(self) -> Part | None:
        return self.prompt if isinstance(self.prompt, StringPromptTemplate) else None

    @property
    def _waits(self) -> bool:
        inner = self._inner()
        return inner is not None and inner._waits

    def _needs(self) -> Sequence[str]:
        inner = self._inner()
        return variables(self._blocks()) if inner is None else inner._needs()

    def _types(self) -> Mapping[str, Any]:
        inner = self._inner()
        return {} if inner is None else inner._types()

    def _places(self) -> dict[str, str]:
        inner = self._inner()
        return super()._places() if inner is None else inner._places()

    def pretty_repr(self) -> str:
        """Give the message with its variables in braces."""
        shown = self.prompt.pretty_repr() if isinstance(self.prompt, StringPromptTemplate) else str(self.prompt)
        return self._with_content(shown).pretty_repr()

    def _config(self) -> dict[str, Any]:
        refuse_other(self, type(self) if type(self) in _OF_A_ROLE else BaseStringMessagePromptTemplate)
        extra = {"additional_kwargs": self.additional_kwargs} if self.additional_kwargs else {}
        return {**self._config_of_role(), **plain(extra, type(self).__name__), **self._config_of_content()}

    def _config_of_role(self) -> dict[str, Any]:
        return {"role": self._role}

    def _config_of_content(self) -> dict[str, Any]:
        if isinstance(self.prompt, list):
            content = plain(self.prompt, f"{type(self).__name__}.prompt")
            return {"content": content, "template_format": self.template_format, "max_chars": self.max_chars}
        prompt = self.prompt._config()  # pyright: ignore[reportPrivateUsage]  # prompts are one unit
        if not isinstance(self.prompt, PromptTemplate) or prompt.keys() - _SAID_BESIDE_CONTENT:
            return {"prompt": prompt}
        known = {"template_format": self.prompt.template_format, "max_chars": self.prompt.max_chars}
        return {"content": self.prompt.template, **known}

    def _shown(self) -> object:
        """The pair of role and text that makes this, or, if it is more than that, this itself."""
        if self._role not in _ROLES or self.additional_kwargs or not isinstance(self.prompt, PromptTemplate):
            return self
        return self if self.prompt.partial_variables else (self._role, self.prompt.template)


def _as_block(block: str | dict[str, Any]) -> dict[str, Any]:
    """Text becomes a text block, and the URL of an image is written as the APIs take it."""
    if isinstance(block, str):
        return {"type": "text", "text": block}
    url = block.get("image_url")
    return {**block, "image_url": {"url": url}} if isinstance(url, str) else block


class HumanMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """A template of a message from a person."""

    _role = "human"
    _message = HumanMessage


class AIMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """A template of a message from a model."""

    _role = "ai"
    _message = AIMessage


class SystemMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """A template of a message that tells the model how to behave."""

    _role = "system"
    _message = SystemMessage


class ChatMessagePromptTemplate(BaseStringMessagePromptTemplate):
    """A template of a message with a role of any name."""

    role: str

    _role = "chat"

    def _config_of_role(self) -> dict[str, Any]:
        return {"custom_role": self.role}

    def _with_content(self, content: str | list[Any]) -> BaseMessage:
        return ChatMessage(content, role=self.role, additional_kwargs=self.additional_kwargs)


_SAID_BESIDE_CONTENT = {"_type", "input_variables", "template", "template_format", "max_chars"}
_OF_A_ROLE = (
    HumanMessagePromptTemplate,
    AIMessagePromptTemplate,
    SystemMessagePromptTemplate,
    ChatMessagePromptTemplate,
)


# ------------------------------------------------------------------------------------------------------ the conversation


class BaseChatPromptTemplate(BasePromptTemplate):
    """A prompt that is a conversation: subclass it, write ``format_messages``, and name your ``input_variables``."""

    @abstractmethod
    def format_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages for these values."""

    async def aformat_messages(self, /, **values: Any) -> list[BaseMessage]:  # twin: templates wait for nothing
        """The messages for these values."""
        return self.format_messages(**values)

    @property
    def OutputType(self) -> Any:
        return ChatPromptValue

    def format_prompt(self, /, **values: Any) -> ChatPromptValue:
        """The messages for these values, as a prompt value."""
        return ChatPromptValue(messages=self.format_messages(**values))

    async def aformat_prompt(self, /, **values: Any) -> ChatPromptValue:
        """The messages for these values, as a prompt value."""
        return ChatPromptValue(messages=await self.aformat_messages(**values))

    def format(self, /, **values: Any) -> str:
        """The messages for these values as one text, each with its speaker."""
        return self.format_prompt(**values).to_string()

    async def aformat(self, /, **values: Any) -> str:
        """The messages for these values as one text, each with its speaker."""
        return (await self.aformat_prompt(**values)).to_string()

    def pretty_repr(self) -> str:
        """Give the prompt as Python shows it."""
        return repr(self)


_Part: TypeAlias = BaseMessagePromptTemplate | BaseChatPromptTemplate
MessageLikeRepresentation: TypeAlias = (
    _Part | BaseMessage | StringPromptTemplate | str | tuple[str | type[BaseMessage], Any] | dict[str, Any]
)
"""What can stand in a chat prompt; see `ChatPromptTemplate`."""

_ROLES: Mapping[object, type[BaseStringMessagePromptTemplate]] = {
    "human": HumanMessagePromptTemplate,
    "user": HumanMessagePromptTemplate,
    "ai": AIMessagePromptTemplate,
    "assistant": AIMessagePromptTemplate,
    "system": SystemMessagePromptTemplate,
    HumanMessage: HumanMessagePromptTemplate,
    AIMessage: AIMessagePromptTemplate,
    SystemMessage: SystemMessagePromptTemplate,
}


class _Made(NamedTuple):
    """What a chat prompt knows of its messages, and the tuple of which it knows it."""

    source: tuple[Any, ...]
    items: tuple[_Part | BaseMessage, ...]
    steps: tuple[tuple[_Part | None, BaseMessage | None, bool], ...]  # a part or a message; whether its text counts
    needs: tuple[str, ...]
    optional: tuple[str, ...]

    def parts(self) -> Iterable[tuple[int, _Part]]:
        """The parts that are no messages yet, counted from 1."""
        return ((number, part) for number, (part, _, _) in enumerate(self.steps, 1) if part is not None)


class ChatPromptTemplate(BaseChatPromptTemplate):
    """A conversation with variables. Each of ``messages`` is one of

    - ``("system", "You are {role}")``: a role (system, human or user, ai or assistant) or a message class, and a text or
      a list of content blocks, whose texts may have variables
    - ``{"role": "user", "content": "{question}"}``: the same as a dict
    - ``"{question}"``: a text, from a person
    - a message: taken literally, braces and all
    - `MessagesPlaceholder`, or ``("placeholder", "{history}")`` for one that is optional: a list of messages
    - another prompt, or a message template

    A prompt does not change: ``+`` and ``partial`` give a new one.
    """

    model_config = ConfigDict(frozen=True)

    messages: tuple[Any, ...]
    template_format: str = "f-string"
    validate_template: bool = False

    def __init__(self, /, messages: Sequence[MessageLikeRepresentation], **fields: Any) -> None:
        fields["messages"] = messages
        super().__init__(**fields)

    @classmethod
    def from_messages(
        cls,
        messages: Sequence[MessageLikeRepresentation],
        template_format: TemplateFormat = "f-string",
        **fields: Any,
    ) -> Self:
        """A prompt of these messages; in the format ``mustache`` a variable is written ``{{name}}``."""
        return cls(messages, template_format=template_format, **fields)

    @classmethod
    def from_template(cls, template: str, **fields: Any) -> Self:
        """A prompt of one message, from a person."""
        return cls([("human", template)], **fields)

    def _settle(self) -> None:
        super()._settle()
        vars(self).pop("_kept", None)
        vars(self)["messages"] = self._made().items
        self._settle_names(self.validate_template)

    def _made(self) -> _Made:
        """The messages as read, of the tuple that is there now: a copy may have been given another."""
        kept: _Made | None = vars(self).get("_kept")
        if kept is None or (kept.items is not self.messages and kept.source is not self.messages):
            kept = vars(self)["_kept"] = self._read(self.messages)
        return kept

    def _read(self, messages: tuple[Any, ...]) -> _Made:
        known = self.partial_variables
        items = tuple(_as_item(message, self.template_format, self.max_chars) for message in messages)
        steps = tuple(_as_step(item) for item in items)
        parts = [part for part, _, _ in steps if part is not None]
        needs = dict.fromkeys(name for part in parts for name in part._needs() if name not in known)
        optional = dict.fromkeys(name for part in parts for name in part._optional() if name not in known)
        return _Made(messages, items, steps, tuple(needs), tuple(name for name in optional if name not in needs))

    def format_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages for these values."""
        made = self._ready(values)
        messages: list[BaseMessage] = []
        left = self.max_chars
        for part, message, counts in made.steps:
            new = [message] if message is not None else cast(_Part, part).format_messages(**values)
            left = _less(left, new, self.max_chars) if counts else left
            messages += new
        return messages

    async def aformat_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages for these values."""
        made = self._ready(values)
        messages: list[BaseMessage] = []
        left = self.max_chars
        for part, message, counts in made.steps:
            new = [message] if message is not None else await cast(_Part, part).aformat_messages(**values)
            left = _less(left, new, self.max_chars) if counts else left
            messages += new
        return messages

    def _ready(self, values: dict[str, Any]) -> _Made:
        """Adds the values that are known; all that are missing are told at once."""
        if self.partial_variables:
            self._with_partials(values)
        made = self._made()
        for name in made.needs:
            if name not in values:
                places = {name: place for name, place in self._places().items() if name in made.needs}
                raise missing(places, values, escapable=self.template_format == "f-string")
        return made

    def _needs(self) -> tuple[str, ...]:
        return self._made().needs

    def _optional(self) -> tuple[str, ...]:
        return self._made().optional

    def _types(self) -> Mapping[str, Any]:
        types: dict[str, Any] = {}
        for _, part in self._made().parts():
            types |= part._types()
        return {**types, **self.input_types}

    def _places(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, part in self._made().parts():
            for name, place in part._places().items():
                found.setdefault(name, f"message {number}, {place}" if place else f"message {number}")
        return found

    @property
    def _waits(self) -> bool:
        return any(part._waits for _, part in self._made().parts())

    # ------------------------------------------------------------------------------------------------------ as a sequence

    def __len__(self) -> int:
        return len(self.messages)

    @overload
    def __getitem__(self, index: int) -> BaseMessagePromptTemplate | BaseChatPromptTemplate | BaseMessage: ...
    @overload
    def __getitem__(self, index: slice) -> ChatPromptTemplate: ...
    def __getitem__(
        self, index: int | slice
    ) -> BaseMessagePromptTemplate | BaseChatPromptTemplate | BaseMessage | ChatPromptTemplate:
        items = self._made().items
        return self._with(items[index]) if isinstance(index, slice) else items[index]

    def __add__(self, other: Any) -> ChatPromptTemplate:
        """The prompt with the messages of both; a list is many messages, anything else is one."""
        if isinstance(other, ChatPromptTemplate):
            return self._with((*self.messages, *other.messages), joined_partials(self, other))
        return self._with((*self.messages, *_listed(other)))

    def __radd__(self, other: Any) -> ChatPromptTemplate:
        return self._with((*_listed(other), *self.messages))

    def _with(self, messages: tuple[Any, ...], partials: Mapping[str, Any] | None = None) -> ChatPromptTemplate:
        known = self.partial_variables if partials is None else partials
        return self.model_copy(update={"messages": messages, "partial_variables": known, "validate_template": False})

    def append(self, message: MessageLikeRepresentation) -> NoReturn:
        """Raises: a prompt does not change. Write ``prompt = prompt + message``."""
        raise TypeError("a prompt does not change once it is made: write `prompt = prompt + message`")

    def extend(self, messages: Sequence[MessageLikeRepresentation]) -> NoReturn:
        """Raises: a prompt does not change. Write ``prompt = prompt + [...]``."""
        raise TypeError("a prompt does not change once it is made: write `prompt = prompt + [message, ...]`")

    # ------------------------------------------------------------------------------------------------------------ as data

    def _config(self) -> dict[str, Any]:
        refuse_other(self, ChatPromptTemplate)
        said = ("template_format", "validate_template")
        facts = {name: value for name in said if not is_default(self, name, value := getattr(self, name))}
        messages = [
            _literal(item) if isinstance(item, BaseMessage) else self._without_mine(item) for item in self.messages
        ]
        return self._config_of("chat", input_variables=self.input_variables, **facts, messages=messages)

    def _without_mine(self, part: _Part) -> dict[str, Any]:
        """What a file says of a part, but for what it says of the whole."""
        config = part._config()
        mine = {"template_format": self.template_format, "max_chars": self.max_chars} if "content" in config else {}
        return {name: value for name, value in config.items() if name not in mine or mine[name] != value}

    # --------------------------------------------------------------------------------------------------------- for people

    def pretty_repr(self) -> str:
        """Give the messages with their variables in braces."""
        return "\n\n".join(item.pretty_repr() for item in self._made().items)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        yield None, [item if isinstance(item, BaseMessage) else item._shown() for item in self._made().items]
        for name, value in super().__repr_args__():
            if name not in ("messages", "input_variables", "optional_variables", "validate_template"):
                yield name, value


def _listed(messages: object) -> list[Any]:
    return cast("list[object]", messages) if isinstance(messages, list) else [messages]


def _literal(message: BaseMessage) -> dict[str, Any]:
    data = message.model_dump(exclude_defaults=True)
    return {"literal": plain({"type": message.type, "data": data}, f"a {type(message).__name__}")}


def _less(left: int, messages: list[BaseMessage], limit: int) -> int:
    """How many characters are left for text after these."""
    left -= sum(size(message.content) for message in messages)
    if left < 0:
        raise too_long(limit)
    return left


def _as_step(item: _Part | BaseMessage) -> tuple[_Part | None, BaseMessage | None, bool]:
    if isinstance(item, BaseMessage):
        return None, item, False
    return item, None, isinstance(item, BaseStringMessagePromptTemplate)


def _as_item(message: Any, syntax: str, max_chars: int) -> _Part | BaseMessage:
    if isinstance(message, (BaseMessagePromptTemplate, BaseMessage, BaseChatPromptTemplate)):
        return message
    if isinstance(message, StringPromptTemplate):
        return HumanMessagePromptTemplate(prompt=message)
    role, content = _role_and_content(message)
    if role == "placeholder":
        return _placeholder(content, syntax)
    if role not in _ROLES:
        raise PromptError(f"a role is one of {_roles()}; got {role!r}. ChatMessagePromptTemplate has roles of any name")
    if isinstance(content, str):
        content = PromptTemplate(template=content, template_format=syntax, max_chars=max_chars)
    elif not isinstance(content, list):
        raise TypeError(f"the content of a message is a text or a list of blocks; got {type(content).__name__}")
    return _ROLES[role](prompt=cast("Any", content), template_format=syntax, max_chars=max_chars)


def _role_and_content(message: Any) -> tuple[Any, Any]:
    if isinstance(message, str):
        return "human", message
    if isinstance(message, dict):
        fields = cast("dict[str, Any]", message)
        if fields.keys() == {"role", "content"}:
            return fields["role"], fields["content"]
    elif isinstance(message, (tuple, list)):
        pair = cast("Sequence[Any]", message)
        if len(pair) == 2:  # role and content
            return pair[0], pair[1]
    raise TypeError(
        "a chat prompt takes messages, message templates, prompts, texts, (role, content) pairs and dicts with the keys"
        f" role and content; got {_described(message)}"
    )


def _described(message: Any) -> str:
    if isinstance(message, dict):
        return f"a dict with the keys {', '.join(map(repr, cast('dict[object, object]', message)))}"
    if isinstance(message, (tuple, list)):
        return f"a {type(cast('object', message)).__name__} of {len(cast('Sequence[Any]', message))}"
    return type(message).__name__


def _placeholder(content: Any, syntax: str) -> MessagesPlaceholder:
    """("placeholder", "{name}") or ("placeholder", ["{name}", optional])."""
    name, *more = cast("Sequence[Any]", content if isinstance(content, (list, tuple)) else (content,))
    parts = parse(name, syntax).parts if isinstance(name, str) else ()
    if len(parts) != 3 or parts[0] or parts[2] or more not in ([], [True], [False]):
        raise PromptError("a placeholder is one variable, ('placeholder', '{history}'), and nothing around it")
    return MessagesPlaceholder(parts[1], optional=more != [False])


def _roles() -> str:
    return ", ".join([*(role for role in _ROLES if isinstance(role, str)), "placeholder"])

"""What a parser is: from the output of a model to a value."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, ClassVar, TypeAlias, TypeVar

from pydantic import BaseModel

from plait.concurrency import in_thread
from plait.messages import AnyMessage, BaseMessage
from plait.outputs import ChatGeneration, Generation
from plait.prompt_values import PromptValue
from plait.runnables import RunnableConfig
from plait.runnables.serializable import RunnableSerializable
from plait.runs import Scope, current
from plait.schemas import value_model
from plait.signatures import function_types

__all__ = [
    "BaseGenerationOutputParser",
    "BaseOutputParser",
    "BaseTransformOutputParser",
    "ModelOutput",
    "parses_anew",
    "stream_whole",
]

ModelOutput: TypeAlias = BaseMessage | str

T = TypeVar("T")


class BaseGenerationOutputParser(RunnableSerializable[ModelOutput, T]):
    """A parser that needs the whole message, its tool calls for one, and not its text alone; write ``parse_result``."""

    _kind: ClassVar[str] = "parser"
    _strict_input: ClassVar[bool] = True

    @abstractmethod
    def parse_result(self, result: list[Generation], *, partial: bool = False) -> T:
        """The value of a result, whose first generation is the best.

        ``partial`` says that the output is still growing: then as much of the value as can be read already.
        """

    async def aparse_result(
        self, result: list[Generation], *, partial: bool = False
    ) -> T:  # twin: a sync one has a thread
        """The value of a result, without blocking the event loop."""
        if self._inline:
            return self.parse_result(result, partial=partial)
        return await in_thread(self.parse_result, result, partial=partial)

    @property
    def InputType(self) -> Any:
        return ModelOutput

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A text, or a message of any kind."""
        return value_model(self.get_name("Input"), str | AnyMessage)

    @property
    def OutputType(self) -> Any:
        """The type with which the class fills in its base, or else the one that its method is annotated with."""
        for base in type(self).__mro__:
            arguments = getattr(base, "__pydantic_generic_metadata__", {}).get("args", ())
            if arguments and issubclass(base, BaseGenerationOutputParser) and not isinstance(arguments[0], TypeVar):
                return arguments[0]
        return function_types(self._method())[1]

    def _method(self) -> Callable[..., Any]:
        return self.parse_result

    def _invoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> T:
        if config is None:
            return self._parsed(input)
        before = current.get()
        current.set(config)  # what the parser itself calls inherits it
        try:
            return self._parsed(input)
        finally:
            current.set(before)

    async def _ainvoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> T:
        if config is None:
            return await self._aparsed(input)
        before = current.get()
        current.set(config)  # what the parser itself calls inherits it
        try:
            return await self._aparsed(input)
        finally:
            current.set(before)

    def _parsed(self, input: Any) -> T:
        return self.parse_result([self._generation(input)])

    async def _aparsed(self, input: Any) -> T:
        return await self.aparse_result([self._generation(input)])

    def _generation(self, input: Any) -> Generation:
        if isinstance(input, BaseMessage):
            return ChatGeneration(message=input)
        if isinstance(input, str):
            return Generation(text=input)
        raise self._unreadable(input)

    def _unreadable(self, input: object) -> TypeError:
        return TypeError(
            f"{self.get_name()} reads a message or a text, the output of a model, but got {type(input).__name__}"
        )


class BaseOutputParser(BaseGenerationOutputParser[T]):
    """A parser of text; subclass it with the type of the value, ``BaseOutputParser[int]``, and write ``parse``.

    It reads its input whole before it parses. Raise ``OutputParserException`` for text that cannot be read.
    """

    @abstractmethod
    def parse(self, text: str) -> T:
        """The value of a text."""

    async def aparse(self, text: str) -> T:  # twin: a sync one has a thread
        """The value of a text, without blocking the event loop."""
        return self.parse(text) if self._inline else await in_thread(self.parse, text)

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> T:
        """The value of the text of the first generation."""
        return self.parse(result[0].text)

    async def aparse_result(  # twin: a parse_result that a subclass gives has no twin
        self, result: list[Generation], *, partial: bool = False
    ) -> T:
        """The value of the text of the first generation, without blocking the event loop."""
        if type(self).parse_result is not _READS_TEXT[0]:
            return await super().aparse_result(result, partial=partial)
        return await self.aparse(result[0].text)

    def parse_with_prompt(self, completion: str, prompt: PromptValue) -> T:
        """The value of a text; for a parser that also wants the prompt which the text answers."""
        return self.parse(completion)

    def get_format_instructions(self) -> str:
        """What to tell the model, so that it answers in the form that this parser reads."""
        raise NotImplementedError(f"{self.get_name()} has no format instructions")

    @property
    def _type(self) -> str:
        """What kind of parser this is, for logs and records."""
        return type(self).__name__

    def _method(self) -> Callable[..., Any]:
        return self.parse

    def _parsed(self, input: Any) -> T:
        return self.parse(self._text(input)) if self._reads_text else super()._parsed(input)

    async def _aparsed(self, input: Any) -> T:
        return await self.aparse(self._text(input)) if self._reads_text else await super()._aparsed(input)

    @property
    def _reads_text(self) -> bool:
        """Whether ``parse`` is all there is, so that no generation has to be made for it."""
        cls = type(self)
        return bool((cls.parse_result, cls.aparse_result) == _READS_TEXT)

    def _text(self, input: Any) -> str:
        if isinstance(input, str):
            return input
        if isinstance(input, BaseMessage):
            return input.text
        raise self._unreadable(input)


_READS_TEXT: Any = (BaseOutputParser[Any].parse_result, BaseOutputParser[Any].aparse_result)


def parses_anew(cls: type[Any]) -> str:
    """``parse`` or ``parse_result``, if a class writes it anew and not how it is streamed; empty otherwise.

    What such a class inherits reads a stream without its method, so the stream would not give what ``invoke`` gives.
    """
    for each in cls.__mro__:
        if not vars(each).keys().isdisjoint(("_reading", "_transform")):
            break
        for method in ("parse_result", "parse"):
            if method in vars(each):
                return method
    return ""


def stream_whole(cls: Any) -> None:
    """Let a class read all of a stream, and then parse it by its own methods, which may take a while."""
    parser: Any = BaseOutputParser if BaseOutputParser in cls.__mro__ else BaseGenerationOutputParser
    hooks = {hook: getattr(RunnableSerializable, hook) for hook in ("_transform", "_atransform")}
    hooks |= {hook: getattr(parser, hook) for hook in ("_parsed", "_aparsed")}
    for name, value in {**hooks, "_inline": False}.items():
        setattr(cls, name, value)


class BaseTransformOutputParser(BaseOutputParser[T]):
    """A parser of text whose values add up as the text does, so that it parses each chunk as it comes.

    Subclass it for a ``parse`` where ``parse(a) + parse(b)`` is ``parse(a + b)`` wherever the text is cut. In async
    code ``parse`` is called on the event loop.
    """

    _inline: ClassVar[bool] = True

    @property
    def _each(self) -> Callable[[Any], T]:
        return self._parsed

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[T]:
        for chunk in chunks:
            yield self._invoke(chunk, config)

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[T, None]:
        async for chunk in chunks:
            yield await self._ainvoke(chunk, config)

"""What chat models and text models share: reading the input, calling the extension points, streams that end well.

A model author writes any of ``_generate``, ``_stream``, ``_agenerate`` and ``_astream``; what is missing is derived:

    invoke    _generate, else the sum of _stream
    ainvoke   _agenerate, else _generate in a thread, else the sum of _astream, else that of _stream in a thread
    stream    _stream, else the answer of invoke as one chunk
    astream   _astream, else _stream in a thread, else the answer of ainvoke as one chunk
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel

from plait.concurrency import Permits, aclose_all, acollect, close_all
from plait.errors import ConfigError, EmptyStreamError, ModelError
from plait.merging import merge_all
from plait.messages import AIMessage, AnyMessage, BaseMessage, MessageLikeRepresentation, count_tokens_approximately
from plait.outputs import LLMResult
from plait.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from plait.runnables import Runnable, RunnableConfig
from plait.runnables.serializable import RunnableSerializable
from plait.runnables.stages import ainside, inside
from plait.runs import Scope, current
from plait.schemas import value_model

__all__ = [
    "BaseLanguageModel",
    "LanguageModelInput",
    "LanguageModelLike",
    "LanguageModelOutput",
    "derived",
    "permits",
    "refuse_callbacks",
]

LanguageModelInput: TypeAlias = str | PromptValue | Sequence[MessageLikeRepresentation]
LanguageModelOutput: TypeAlias = AIMessage | str
LanguageModelLike: TypeAlias = Runnable[LanguageModelInput, Any]

# The same as data: what a JSON document can hold, with the concrete classes.
_WRITTEN_INPUT: Any = (
    str | StringPromptValue | ChatPromptValue | list[AnyMessage | str | tuple[str, Any] | dict[str, Any]]
)

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Method = TypeVar("Method", bound=Callable[..., Any])

_CHARACTERS_PER_TOKEN: Final = 4
_HINTS: Final = ((Mapping, "; put a prompt before the model"), (BaseMessage, "; put the message into a list"))


def derived(method: Method) -> Method:
    """Mark an extension point that only leads to others, so that one which a subclass gives is told from it."""
    vars(method)["derived"] = True
    return method


class BaseLanguageModel(RunnableSerializable[LanguageModelInput, Answer]):
    """A chat model or a text model; subclass ``BaseChatModel``, ``SimpleChatModel``, ``BaseLLM`` or ``LLM``."""

    disable_streaming: bool | Literal["tool_calling"] = False
    """True: ``stream`` gives the answer of ``invoke`` in one chunk; ``"tool_calling"``: in a call with ``tools``."""

    _strict_input: ClassVar[bool] = True

    @property
    def InputType(self) -> Any:
        return LanguageModelInput

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A text, a prompt value, or a list of messages in any form that ``convert_to_messages`` takes."""
        return value_model(self.get_name("Input"), _WRITTEN_INPUT)

    @property
    def _llm_type(self) -> str:
        """What kind of model this is, for logs and records."""
        return type(self).__name__

    # --------------------------------------------------------------- what a chat model and a text model do differently

    def _read(self, input: Any) -> Any:
        """The prompt that the extension points take, of what a caller gave."""
        raise NotImplementedError

    def _ask(self, prompt: Any, **kwargs: Any) -> Any:
        """One result of ``_generate``."""
        raise NotImplementedError

    async def _aask(self, prompt: Any, **kwargs: Any) -> Any:
        """One result of ``_agenerate``."""
        raise NotImplementedError

    def _answer(self, result: Any) -> Answer:
        """What ``invoke`` gives for a result."""
        raise NotImplementedError

    def _piece(self, answer: Any) -> Any:
        """A whole answer as the only piece of a stream."""
        raise NotImplementedError

    def _reader(self) -> Callable[[Any], Answer]:
        """For the pieces of one stream: the function that gives the chunk for a piece."""
        raise NotImplementedError

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        raise NotImplementedError

    def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise NotImplementedError

    # --------------------------------------------------------------------------------- what those who watch are told

    def _told_input(self, input: Any) -> Any:
        """The prompt, as the extension points and handlers take it."""
        return self._read(input)

    def _told_chunk(self, chunk: Any) -> Any:
        """A chunk of the stream, as handlers take it."""
        return self._piece(chunk)

    def _told_result(self, output: Any) -> LLMResult:
        """The answer, as handlers take it."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------------ hooks

    @property
    def _gathers(self) -> bool:
        return True

    def _invoke(self, input: Any, config: Scope | None = None, *, stop: list[str] | None = None, **kwargs: Any) -> Any:
        prompt = self._read(input)
        if config is None:
            return self._answer(self._ask(prompt, stop=stop, **kwargs))
        before = current.get()
        current.set(config)  # what the model itself calls inherits it
        try:
            return self._answer(self._ask(prompt, stop=stop, **kwargs))
        finally:
            current.set(before)

    async def _ainvoke(
        self, input: Any, config: Scope | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Any:
        prompt = self._read(input)
        if config is None:
            return self._answer(await self._aask(prompt, stop=stop, **kwargs))
        before = current.get()
        current.set(config)  # what the model itself calls inherits it
        try:
            return self._answer(await self._aask(prompt, stop=stop, **kwargs))
        finally:
            current.set(before)

    def _transform(
        self, chunks: Iterator[Any], config: Scope | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> Iterator[Any]:
        prompt = self._read(self._sum(list(chunks)))
        stream = self._pieces(prompt, stop=stop, **kwargs)
        pieces = iter(stream) if config is None else inside(stream, config)
        read, empty = self._reader(), True
        try:
            for piece in pieces:
                empty = False
                yield read(piece)
        finally:
            close_all([pieces])
        if empty:
            raise self._no_chunk()

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, *, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        prompt = self._read(self._sum(await acollect(chunks)))
        stream = self._apieces(prompt, stop=stop, **kwargs)
        pieces = aiter(stream) if config is None else ainside(stream, config)
        read, empty = self._reader(), True
        try:
            async for piece in pieces:
                empty = False
                yield read(piece)
        finally:
            await aclose_all([pieces])
        if empty:
            raise self._no_chunk()

    # -------------------------------------------------------------------------------------- from one form to the other

    def _pieces(self, prompt: Any, **kwargs: Any) -> Iterator[Any]:
        return self._once(prompt, **kwargs) if self._whole(kwargs) else self._stream(prompt, **kwargs)

    def _apieces(self, prompt: Any, **kwargs: Any) -> AsyncIterator[Any]:
        return self._aonce(prompt, **kwargs) if self._whole(kwargs) else self._astream(prompt, **kwargs)

    def _once(self, prompt: Any, **kwargs: Any) -> Iterator[Any]:
        yield self._piece(self._answer(self._ask(prompt, **kwargs)))

    async def _aonce(self, prompt: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        yield self._piece(self._answer(await self._aask(prompt, **kwargs)))

    def _stream_lazily(self, prompt: Any, **kwargs: Any) -> Iterator[Any]:
        yield from self._stream(prompt, **kwargs)  # so that the call itself, too, is made in the thread

    def _whole(self, kwargs: dict[str, Any]) -> bool:
        if self.disable_streaming == "tool_calling":
            return bool(kwargs.get("tools"))
        return self.disable_streaming

    def _gives(self, name: str) -> bool:
        """Whether the author of this model wrote that extension point."""
        return not hasattr(getattr(type(self), name), "derived")

    def _added(self, pieces: Iterable[Any]) -> Any:
        """The sum of the pieces of a stream."""
        parts = list(pieces)
        if not parts:
            raise self._no_chunk()
        return merge_all(parts)

    def _no_chunk(self) -> EmptyStreamError:
        return EmptyStreamError(f"{self.get_name()} gave no answer: its stream ended without a chunk")

    def _checked(self, thing: Any, kind: type[Result], method: str) -> Result:
        """What an extension point gave, if it is what it must give."""
        if isinstance(thing, kind):
            return thing
        raise ModelError(f"{method} of {self.get_name()} must give a {kind.__name__}, but gave {type(thing).__name__}")

    def _unreadable(self, input: object) -> TypeError:
        return TypeError(
            f"{self.get_name()} takes a str, a list of messages or a prompt value, but got {type(input).__name__}"
            + next((hint for kind, hint in _HINTS if isinstance(input, kind)), "")
        )

    def _no_way(self) -> Exception:
        name = self.get_name()
        if self._gives("_agenerate") or self._gives("_astream"):
            return TypeError(f"{name} has no synchronous form: use ainvoke, astream or abatch")
        return NotImplementedError(f"{name} cannot answer: its class has neither _generate nor _stream")

    # ----------------------------------------------------------------------------------------------------------- sizes

    def get_num_tokens(self, text: str) -> int:
        """A rough count, four characters to a token; models that have a tokenizer override it."""
        return ceil(len(text) / _CHARACTERS_PER_TOKEN)

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage]) -> int:
        """A rough count, as ``plait.messages.count_tokens_approximately`` makes it."""
        return count_tokens_approximately(messages)


def permits() -> Permits | None:
    """The permits of the call that is going on around this one."""
    scope = current.get()
    return None if scope is None else scope.permits


def refuse_callbacks(callbacks: Any) -> None:
    """Raise ConfigError for callbacks that would not be called."""
    if callbacks is not None:
        raise ConfigError(
            "generate() tells nobody of its runs: give callbacks to invoke, stream or batch, in the config"
        )

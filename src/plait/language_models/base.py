"""What chat models and text models share: reading the input, calling the extension points, streams that end well.

A model author writes any of ``_generate``, ``_stream``, ``_agenerate`` and ``_astream``; what is missing is derived:

    invoke    _generate, else the sum of _stream
    ainvoke   _agenerate, else _generate in a thread, else the sum of _astream, else that of _stream in a thread
    stream    _stream, else the answer of invoke as one chunk
    astream   _astream, else _stream in a thread, else the answer of ainvoke as one chunk
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from plait.caches.base import BaseCache, in_force
from plait.concurrency import Permits, aclose_all, acollect, close_all
from plait.errors import ConfigError, EmptyStreamError, ModelError
from plait.language_models.keeping import Place, place_of
from plait.merging import merge_all
from plait.messages import AIMessage, AnyMessage, BaseMessage, MessageLikeRepresentation, count_tokens_approximately
from plait.outputs import Generation, LLMResult
from plait.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from plait.rate_limiters import BaseRateLimiter
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

    cache: SkipJsonSchema[BaseCache] | bool | None = Field(default=None, exclude=True)
    """Where answers are kept and taken from: a cache; None: that of ``set_llm_cache``, if there is one; True: that, and
    an error without; False: nowhere."""

    rate_limiter: SkipJsonSchema[BaseRateLimiter] | None = Field(default=None, exclude=True)
    """Who gives leave for each call of the model; answers from a cache need none. One may be shared by many models."""

    _strict_input: ClassVar[bool] = True
    _unasked: ClassVar[Collection[str]] = (
        *("api_key", "batch_size", "cache", "callbacks", "custom_get_token_ids", "disable_streaming", "max_retries"),
        *("metadata", "name", "rate_limiter", "request_timeout", "stream_usage", "streaming", "tags", "timeout"),
        "verbose",
    )
    """Fields that change no answer, for the key of a cache; a subclass names here what it adds to them."""
    _candidate: ClassVar[type[Generation]] = Generation

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

    def _candidates(self, result: Any) -> Sequence[Generation]:
        """What of a result is kept in a cache."""
        raise NotImplementedError

    def _result_of(self, candidates: Any) -> Any:
        """The result that consists of these candidates."""
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
        if self._whole(kwargs):
            return self._once(prompt, **kwargs)
        if self.cache is None and self.rate_limiter is None and in_force.get() is None:
            return self._stream(prompt, **kwargs)
        if not self._gives("_stream"):
            return self._stream(prompt, **kwargs)  # which asks by _ask
        return self._kept_pieces(prompt, kwargs)

    def _apieces(self, prompt: Any, **kwargs: Any) -> AsyncIterator[Any]:  # twin: a sync stream can be read in a thread
        if self._whole(kwargs):
            return self._aonce(prompt, **kwargs)
        if self.cache is None and self.rate_limiter is None and in_force.get() is None:
            return self._astream(prompt, **kwargs)
        if not self._gives("_astream") and not self._gives("_stream"):
            return self._astream(prompt, **kwargs)  # which asks by _aask
        return self._akept_pieces(prompt, kwargs)

    def _once(self, prompt: Any, **kwargs: Any) -> Iterator[Any]:
        yield self._piece(self._answer(self._ask(prompt, **kwargs)))

    async def _aonce(self, prompt: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        yield self._piece(self._answer(await self._aask(prompt, **kwargs)))

    # ------------------------------------------------------------------------------------------- caches and rate limits

    def _place(self, prompt: Any, kwargs: dict[str, Any]) -> Place | None:
        return place_of(self, self.cache, self._candidate, prompt, kwargs)

    def _kept_pieces(self, prompt: Any, kwargs: dict[str, Any]) -> Iterator[Any]:
        place = None if self._gives_several(kwargs) else self._place(prompt, kwargs)
        kept = None if place is None else place.find()
        if kept is not None:
            yield self._piece(self._answer(self._result_of(kept)))
            return
        if self.rate_limiter is not None:
            self.rate_limiter.acquire(blocking=True)
        pieces: list[Any] = []
        stream = self._stream(prompt, **kwargs)
        try:
            for piece in stream:
                if place is not None:
                    pieces.append(piece)
                yield piece
        finally:
            close_all([stream])
        if place is not None and pieces:
            place.keep(self._candidates(self._result_of([merge_all(pieces)])))

    async def _akept_pieces(self, prompt: Any, kwargs: dict[str, Any]) -> AsyncGenerator[Any, None]:
        place = None if self._gives_several(kwargs) else self._place(prompt, kwargs)
        kept = None if place is None else await place.afind()
        if kept is not None:
            yield self._piece(self._answer(self._result_of(kept)))
            return
        if self.rate_limiter is not None:
            await self.rate_limiter.aacquire(blocking=True)
        pieces: list[Any] = []
        stream = self._astream(prompt, **kwargs)
        try:
            async for piece in stream:
                if place is not None:
                    pieces.append(piece)
                yield piece
        finally:
            await aclose_all([stream])
        if place is not None and pieces:
            await place.akeep(self._candidates(self._result_of([merge_all(pieces)])))

    def _gives_several(self, kwargs: dict[str, Any]) -> bool:
        """Whether the request is for several candidates, of which a stream gives one."""
        return (kwargs.get("n") or getattr(self, "n", None)) not in (None, 1)

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

"""Chat models: messages in, a message out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from os import urandom
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Union, cast

from pydantic import BaseModel, SerializeAsAny, WrapValidator

from plait.caches.base import in_force
from plait.concurrency import DEFAULT_CONCURRENCY, acollect, agather, aiter_in_thread, gather, in_thread
from plait.errors import ModelError
from plait.language_models.base import BaseLanguageModel, LanguageModelInput, derived, permits, refuse_callbacks
from plait.messages import (
    MESSAGE_CHUNKS,
    MESSAGES,
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    BaseMessageChunk,
    ToolMessageChunk,
    convert_to_messages,
    message_chunk_to_message,
)
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, LLMResult
from plait.prompt_values import PromptValue
from plait.runnables import Runnable, RunnableConfig
from plait.schemas import value_model

__all__ = ["BaseChatModel", "SimpleChatModel", "chunk_of", "new_id"]


class BaseChatModel(BaseLanguageModel[AIMessage]):
    """A model that answers a conversation; takes a str, a list of messages or a prompt value.

    Subclass it and write ``_generate`` or ``_stream`` (or both), and their async twins if the model has them; for a
    model that gives plain text, ``SimpleChatModel`` is shorter. Every answer has an ``id``: that of the provider, or
    one of the form ``run-…``; the chunks of one stream share it.
    """

    _kind: ClassVar[str] = "chat_model"
    _candidate: ClassVar[type[Generation]] = ChatGeneration

    # ------------------------------------------------------------------------------------- what a model's author writes

    @derived
    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        """The answer: one generation, or several where the model was asked for several."""
        if not self._gives("_stream"):
            raise self._no_way()
        return _result(self._added(self._stream(messages, stop=stop, **kwargs)))

    @derived
    async def _agenerate(  # twin: where only the sync form was given, a thread runs it
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        """The answer, without blocking the event loop."""
        if self._gives("_generate") or not self._gives("_astream"):
            return await in_thread(self._generate, messages, stop=stop, **kwargs)
        return _result(self._added(await acollect(self._astream(messages, stop=stop, **kwargs))))

    @derived
    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        """The answer in chunks, as they come."""
        return self._once(messages, stop=stop, **kwargs)

    @derived
    def _astream(  # twin: where only the sync form was given, a thread runs it
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        """The answer in chunks, as they come, without blocking the event loop."""
        if self._gives("_stream"):
            return aiter_in_thread(self._stream_lazily(messages, stop=stop, **kwargs))
        return self._aonce(messages, stop=stop, **kwargs)

    # ------------------------------------------------------------------------------------------------ what callers use

    if TYPE_CHECKING:  # the verbs are Runnable's; what a chat model streams is more than its output type says

        def stream(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> Iterator[AIMessageChunk]: ...

        def astream(
            self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
        ) -> AsyncIterator[AIMessageChunk]: ...

    def generate(
        self,
        messages: Sequence[LanguageModelInput],
        stop: list[str] | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """The full results for several conversations: all generations of each, and what the model says beside them."""
        refuse_callbacks(callbacks)

        def one(_: int, conversation: LanguageModelInput) -> ChatResult:
            return self._ask(self._read(conversation), stop=stop, **kwargs)

        return _together(gather(one, messages, DEFAULT_CONCURRENCY, permits()))

    async def agenerate(
        self,
        messages: Sequence[LanguageModelInput],
        stop: list[str] | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """The full results for several conversations: all generations of each, and what the model says beside them."""
        refuse_callbacks(callbacks)

        async def one(_: int, conversation: LanguageModelInput) -> ChatResult:
            return await self._aask(self._read(conversation), stop=stop, **kwargs)

        return _together(await agather(one, messages, DEFAULT_CONCURRENCY, permits()))

    def generate_prompt(
        self, prompts: list[PromptValue], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """As ``generate``, for prompt values."""
        return self.generate(prompts, stop, callbacks, **kwargs)

    async def agenerate_prompt(
        self, prompts: list[PromptValue], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """As ``agenerate``, for prompt values."""
        return await self.agenerate(prompts, stop, callbacks, **kwargs)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Refused: a model that can call tools overrides this."""
        raise NotImplementedError(
            f"{self.get_name()} cannot call tools: its class does not override bind_tools; take a model whose provider "
            "supports tools, or hand them to the model in its own form with .bind(...)"
        )

    @property
    def OutputType(self) -> Any:
        return AIMessage

    def get_output_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """Any of the message chunks, titled ``<Class>Output``."""
        return value_model(self.get_name("Output"), _ANY_ANSWER)

    # ------------------------------------------------------------------------------------------- for the base's hooks

    def _read(self, input: Any) -> list[BaseMessage]:
        if isinstance(input, PromptValue):
            return input.to_messages()
        if isinstance(input, Sequence):  # a str is one, too
            return convert_to_messages(input)
        raise self._unreadable(input)

    def _ask(self, prompt: Any, **kwargs: Any) -> ChatResult:
        if self.cache is None and self.rate_limiter is None and in_force.get() is None:
            return self._checked(self._generate(prompt, **kwargs), ChatResult, "_generate")
        place = self._place(prompt, kwargs)
        kept = None if place is None else place.find()
        if kept is not None:
            return self._result_of(kept)
        if self.rate_limiter is not None:
            self.rate_limiter.acquire(blocking=True)
        result = self._checked(self._generate(prompt, **kwargs), ChatResult, "_generate")
        if place is not None:
            place.keep(self._candidates(result))
        return result

    async def _aask(self, prompt: Any, **kwargs: Any) -> ChatResult:
        if self.cache is None and self.rate_limiter is None and in_force.get() is None:
            return self._checked(await self._agenerate(prompt, **kwargs), ChatResult, "_agenerate")
        place = self._place(prompt, kwargs)
        kept = None if place is None else await place.afind()
        if kept is not None:
            return self._result_of(kept)
        if self.rate_limiter is not None:
            await self.rate_limiter.aacquire(blocking=True)
        result = self._checked(await self._agenerate(prompt, **kwargs), ChatResult, "_agenerate")
        if place is not None:
            await place.akeep(self._candidates(result))
        return result

    def _candidates(self, result: ChatResult) -> list[ChatGeneration]:
        return _complete(result)

    def _result_of(self, candidates: Any) -> ChatResult:
        return ChatResult(generations=candidates)

    def _answer(self, result: ChatResult) -> AIMessage:
        if not result.generations:
            raise ModelError(f"{self.get_name()} gave no answer: the ChatResult of its _generate has no generations")
        return cast(AIMessage, _message(result.generations[0], result.llm_output))

    def _piece(self, answer: Any) -> ChatGenerationChunk:
        return ChatGenerationChunk(message=chunk_of(answer))

    def _told_result(self, output: Any) -> LLMResult:
        return LLMResult(
            generations=[[ChatGeneration(message=output)]], llm_output=dict(output.response_metadata) or None
        )

    def _reader(self) -> Callable[[Any], Any]:
        run_id: str | None = None

        def read(piece: Any) -> BaseMessage:
            nonlocal run_id
            message = self._checked(piece, ChatGenerationChunk, "_stream").message
            if run_id is None:
                run_id = message.id or new_id()
            return _with(message, run_id, piece.generation_info)

        return read


class SimpleChatModel(BaseChatModel):
    """A chat model whose author writes ``_call``, from messages to text."""

    @abstractmethod
    def _call(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> str:
        """The text of the answer."""

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        text = self._checked(self._call(messages, stop=stop, **kwargs), str, "_call")
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def _whole_too(value: Any, read_chunk: Callable[[Any], Any]) -> Any:
    """Read a chunk, or a whole message, which is what ``invoke`` gives."""
    if isinstance(value, dict) and cast("dict[str, Any]", value).get("type") in _WHOLE:
        return convert_to_messages([value])[0]
    return value if isinstance(value, BaseMessage) else read_chunk(value)


_WHOLE = {kind.model_fields["type"].default for kind in MESSAGES}
# A model answers with anything but a tool's result.
_ANY_CHUNK: Any = Union[tuple(kind for kind in MESSAGE_CHUNKS if kind is not ToolMessageChunk)]  # noqa: UP007
_ANY_ANSWER: Any = Annotated[SerializeAsAny[_ANY_CHUNK], WrapValidator(_whole_too)]  # type: ignore[misc]  # of values, not types
_CHUNKS = tuple(zip(MESSAGES, MESSAGE_CHUNKS, strict=True))


def new_id() -> str:
    """An id for an answer, or for all chunks of one, where the provider gave none."""
    return "run-" + urandom(16).hex()


def _message(generation: ChatGeneration, llm_output: dict[str, Any] | None) -> BaseMessage:
    """The message of a generation, with an id, and with what the model said beside it in ``response_metadata``."""
    message = message_chunk_to_message(generation.message)
    info = generation.generation_info
    return _with(message, message.id or new_id(), {**llm_output, **(info or {})} if llm_output else info)


def _with(message: BaseMessage, id: str, facts: dict[str, Any] | None) -> BaseMessage:
    """The message with that id and those facts; a copy, since the model may give the same one again."""
    changes: dict[str, Any] = {}
    if message.id != id:
        changes["id"] = id
    if facts:
        changes["response_metadata"] = {**facts, **message.response_metadata}
    return message.model_copy(update=changes) if changes else message


def chunk_of(message: BaseMessage) -> BaseMessageChunk:
    """A whole message as the only chunk of a stream."""
    if isinstance(message, BaseMessageChunk):
        return message
    kind = next((chunk for base, chunk in _CHUNKS if isinstance(message, base)), AIMessageChunk)
    fields = {name: getattr(message, name) for name in type(message).model_fields if name != "type"}
    return kind.model_construct(**fields, **(message.model_extra or {}))


def _result(total: ChatGenerationChunk) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=total.message, generation_info=total.generation_info)])


def _complete(result: ChatResult) -> list[ChatGeneration]:
    """The generations of a result, with messages as ``invoke`` gives them."""
    return [
        ChatGeneration(message=_message(generation, result.llm_output), generation_info=generation.generation_info)
        for generation in result.generations
    ]


def _together(results: list[ChatResult]) -> LLMResult:
    llm_output = results[0].llm_output if len(results) == 1 else None  # of several, each message has its own
    return LLMResult(generations=[_complete(result) for result in results], llm_output=llm_output)

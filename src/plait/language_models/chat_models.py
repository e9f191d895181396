"""Chat models: messages in, a message out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from os import urandom
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, Union, cast, overload

from pydantic import BaseModel, SerializeAsAny, WrapValidator

from plait.caches.base import in_force
from plait.concurrency import DEFAULT_CONCURRENCY, acollect, agather, aiter_in_thread, gather, in_thread
from plait.errors import ConfigError, ModelError
from plait.language_models.base import BaseLanguageModel, LanguageModelInput, derived, permits, refuse_callbacks
from plait.language_models.structure import ANY_OBJECT, Structure, structure_of
from plait.language_models.structured import RawAndParsed, StructuredAnswer
from plait.language_models.tool_choice import ToolChoice
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

__all__ = ["BaseChatModel", "SimpleChatModel", "StructureMethod", "chunk_of", "new_id"]

Structured = TypeVar("Structured")
StructureMethod: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]


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

    # -------------------------------------------------------------------------------------------- tools and structures

    _methods: ClassVar[tuple[StructureMethod, ...]] = ("function_calling",)
    """How the model can be asked for a structure; the first is taken where nobody says how."""

    def bind_tools(
        self,
        tools: Sequence[Any],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call: functions, tools, classes, Runnables, or dicts of the API.

        ``tool_choice`` is ``"auto"``, ``"none"``, ``"any"`` (or True) for at least one call, or the name of the tool that
        must be called. Calls come in ``tool_calls`` of the answer; nothing is run. ``kwargs`` are bound as by ``bind``.
        Raises ``ConfigError`` for a name that no tool has, or two have; ``NotImplementedError`` if the model has no tools.
        """
        raise NotImplementedError(
            f"{self.get_name()} cannot call tools: its class does not override bind_tools; take a model whose provider "
            "supports tools, or hand them to the model in its own form with .bind(...)"
        )

    @overload
    def with_structured_output(
        self,
        schema: type[Structured],
        *,
        method: StructureMethod | None = None,
        include_raw: Literal[False] = False,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Structured]: ...
    @overload
    def with_structured_output(
        self,
        schema: type[Structured],
        *,
        method: StructureMethod | None = None,
        include_raw: Literal[True],
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, RawAndParsed[Structured]]: ...
    @overload
    def with_structured_output(
        self,
        schema: Mapping[str, Any] | None,
        *,
        method: StructureMethod | None = None,
        include_raw: Literal[False] = False,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any]]: ...
    @overload
    def with_structured_output(
        self,
        schema: Mapping[str, Any] | None,
        *,
        method: StructureMethod | None = None,
        include_raw: Literal[True],
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, RawAndParsed[dict[str, Any]]]: ...
    def with_structured_output(
        self,
        schema: Any,
        *,
        method: StructureMethod | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        tools: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """The model asked for one structure, and the step that reads it: an object of ``schema``, or a dict.

        ``schema`` is a pydantic class, a dataclass, a TypedDict or a JSON Schema (an object with a ``title``). ``method``
        is how the model is asked: ``"json_schema"`` (it can give nothing else), ``"function_calling"`` (by a tool) or
        ``"json_mode"`` (any JSON; the prompt has to say which, and ``schema`` may be None, for any object); the default
        is what suits the provider. ``strict`` asks the provider to guarantee the schema; ``tools`` are others that it may
        call besides.

        An answer that is not of the schema raises ``OutputParserException``. With ``include_raw`` there is a dict instead,
        of the message (``raw``), the value or None (``parsed``), and the exception or None (``parsing_error``). Streams
        what there is of the value so far. Raises ``ConfigError`` at once for a schema or a method that cannot be.
        """
        chosen = method or self._usual_method(kwargs)
        structure = structure_of(ANY_OBJECT if schema is None and chosen == "json_mode" else schema)
        if chosen not in self._methods:
            known = ", ".join(map(repr, self._methods))
            raise ConfigError(f"{self.get_name()} can be asked for a structure by {known}, not by method={chosen!r}")
        asked = self._asked_for(structure, chosen, strict, tools or (), kwargs)
        by_tool = chosen == "function_calling"
        return asked | StructuredAnswer(structure=structure, by_tool=by_tool, include_raw=include_raw)

    def _usual_method(self, kwargs: dict[str, Any]) -> StructureMethod:
        return self._methods[0]

    def _asked_for(
        self,
        structure: Structure,
        method: StructureMethod,
        strict: bool | None,
        tools: Sequence[Any],
        kwargs: dict[str, Any],
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model, bound so that it answers with a structure by that method."""
        said = kwargs if strict is None else {**kwargs, "strict": strict}
        choice = "any" if tools else structure.name
        return self.bind_tools([structure.as_tool, *tools], tool_choice=choice, **said)

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

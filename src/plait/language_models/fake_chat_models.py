"""Chat models without a model: they answer by script, at the pace that you set, and remember how they were called."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, PlainValidator

from plait.errors import ModelError
from plait.language_models.base import LanguageModelInput
from plait.language_models.chat_models import BaseChatModel, StructureMethod, chunk_of, new_id
from plait.language_models.fake import Call, Fake, apause, pause, words
from plait.language_models.structure import Structure
from plait.language_models.tool_choice import ToolChoice, as_openai_has_it
from plait.language_models.tool_forms import tool_forms
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, BaseMessageChunk
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from plait.runnables import Runnable

__all__ = [
    "EchoChatModel",
    "FakeChatModel",
    "FakeListChatModel",
    "FakeListChatModelError",
    "FakeMessagesListChatModel",
    "GenericFakeChatModel",
    "ParrotFakeChatModel",
]


class FakeChatModel(Fake, BaseChatModel):
    """A chat model that answers "fake response"; the base of the others, which say in ``_reply`` what they answer."""

    _methods: ClassVar[tuple[StructureMethod, ...]] = ("function_calling", "json_schema", "json_mode")

    @property
    def _llm_type(self) -> str:
        return "fake-chat"

    def _reply(self, number: int, messages: list[BaseMessage]) -> BaseMessage:
        """The answer to call ``number`` (from 0)."""
        return _answer("fake response")

    def bind_tools(
        self,
        tools: Sequence[Any],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The fake with tools, which it is told of in OpenAI's form and calls if its script says so."""
        said = as_openai_has_it(tool_forms(tools, strict), tool_choice, parallel_tool_calls)
        return self.bind(**said, **kwargs)

    def _asked_for(
        self, structure: Structure, method: StructureMethod, strict: bool | None, tools: Sequence[Any], kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        if method == "function_calling":
            return super()._asked_for(structure, method, strict, tools, kwargs)
        form = structure.as_response_format(strict) if method == "json_schema" else {"type": "json_object"}
        return self.bind_tools(tools, response_format=form, **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        number = self._record.add(Call(messages, stop, kwargs))
        message = self._reply(number, messages)
        pause(self._pace(message))
        self._fail_if_due(number)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        number = self._record.add(Call(messages, stop, kwargs))
        message = self._reply(number, messages)
        await apause(self._pace(message))
        self._fail_if_due(number)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        number = self._record.add(Call(messages, stop, kwargs))
        for index, chunk in enumerate(_in_words(self._reply(number, messages))):
            pause((self.sleep or 0.0) + self.delay)
            self._fail_if_due(number, index)
            yield ChatGenerationChunk(message=chunk)
        self._fail_if_due(number)

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        number = self._record.add(Call(messages, stop, kwargs))
        for index, chunk in enumerate(_in_words(self._reply(number, messages))):
            await apause((self.sleep or 0.0) + self.delay)
            self._fail_if_due(number, index)
            yield ChatGenerationChunk(message=chunk)
        self._fail_if_due(number)


class FakeListChatModelError(ModelError):
    """Raised by a fake chat model at its ``error_on_chunk_number``."""


class FakeListChatModel(FakeChatModel):
    """A chat model that gives ``responses`` one after the other, and then from the start again.

    It streams word by word; every stream fails before chunk ``error_on_chunk_number``, counted from 0.
    """

    responses: list[str] = Field(min_length=1)
    error_on_chunk_number: int | None = None

    def _reply(self, number: int, messages: list[BaseMessage]) -> AIMessage:
        return _answer(self.responses[self._turn(number) % len(self.responses)])

    def _fail_if_due(self, number: int, chunk: int | None = None) -> None:
        if chunk is not None and chunk == self.error_on_chunk_number:
            raise FakeListChatModelError(f"the fake was told to fail before chunk {chunk}")
        super()._fail_if_due(number, chunk)


class FakeMessagesListChatModel(FakeChatModel):
    """A chat model that gives the messages ``responses`` one after the other, and then from the start again."""

    responses: list[BaseMessage] = Field(min_length=1)

    def _reply(self, number: int, messages: list[BaseMessage]) -> BaseMessage:
        return self.responses[self._turn(number) % len(self.responses)]


class GenericFakeChatModel(FakeChatModel):
    """A chat model that gives what the iterator ``messages`` gives, each once; ModelError when it has no more."""

    messages: Annotated[Iterator[AIMessage | str], PlainValidator(iter)]

    def _reply(self, number: int, messages: list[BaseMessage]) -> BaseMessage:
        with self._record.lock:  # an iterator may be of a kind that only one thread can ask
            message = next(self.messages, None)
        if message is None:
            raise ModelError(f"{self.get_name()} has no answer for call {number + 1}: its messages are used up")
        return _answer(message) if isinstance(message, str) else message


class EchoChatModel(FakeChatModel):
    """A chat model that answers with the text of the last message."""

    def _reply(self, number: int, messages: list[BaseMessage]) -> AIMessage:
        return _answer(messages[-1].text if messages else "")


ParrotFakeChatModel = EchoChatModel


def _answer(text: str) -> AIMessage:
    return AIMessage(text, id=new_id())


def _in_words(message: BaseMessage) -> Iterator[BaseMessageChunk]:
    """A message in chunks of a word each; the last one has all that is not text. Their sum is the message."""
    if not isinstance(message, AIMessage) or not isinstance(message.content, str):
        yield chunk_of(message)
        return
    *first, last = words(message.content)
    id = message.id or new_id()
    for word in first:
        yield AIMessageChunk.model_construct(content=word, id=id)
    yield chunk_of(message.model_copy(update={"content": last, "id": id}))

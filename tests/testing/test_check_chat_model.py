"""check_chat_model lets good models pass, and finds what is put into bad ones."""

from __future__ import annotations

import time
from typing import Any

import pytest

from plait.errors import ModelError
from plait.language_models import BaseChatModel
from plait.messages import AIMessage, AIMessageChunk, BaseMessage
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from plait.testing import (
    ConformanceError,
    EchoChatModel,
    FakeChatModel,
    FakeListChatModel,
    FakeMessagesListChatModel,
    acheck_chat_model,
    check_chat_model,
)

SCRIPT = {"stop": "a fake follows its script"}
CALL: Any = {"name": "Answer", "args": {"text": "hi"}, "id": "c"}


@pytest.mark.parametrize(
    "model",
    [
        FakeChatModel,
        lambda: FakeListChatModel(responses=["one two three"]),
        lambda: FakeMessagesListChatModel(responses=[AIMessage("a b", tool_calls=[CALL])]),
        lambda: FakeListChatModel(responses=['{"text": "hi"}']),
        lambda: EchoChatModel(disable_streaming=True),
    ],
)
def test_fakes_pass(model: Any) -> None:
    """The fakes are chat models like any other."""
    check_chat_model(model, skip=SCRIPT)


async def test_check_inside_a_loop() -> None:
    """Where a loop is running there is an async form."""
    await acheck_chat_model(FakeChatModel(), as_runnable=False, skip=SCRIPT)


class Good(BaseChatModel):
    """Says hello; the faults below are put into it."""

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text(messages, stop)))])

    def text(self, messages: list[BaseMessage], stop: Any) -> str:
        return "hello there".partition((stop or ["#"])[0])[0]


def test_a_plain_model_passes() -> None:
    """A model that has only _generate keeps every law, stop and absent tools included."""
    check_chat_model(Good())


class SameId(Good):
    def _generate(self, *given: Any, **kwargs: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("hello", id="always"))])


class OtherStream(Good):
    def _stream(self, *given: Any, **kwargs: Any) -> Any:
        yield ChatGenerationChunk(message=AIMessageChunk("hello"))


class TwiceCounted(Good):
    def _stream(self, *given: Any, **kwargs: Any) -> Any:
        for word in ("hello", " there"):
            usage: Any = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
            yield ChatGenerationChunk(message=AIMessageChunk(word, usage_metadata=usage))


class ManyIds(Good):
    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        for word in ("hello", " there"):
            yield AIMessageChunk(word, id=word)


class OtherAsync(Good):
    async def _agenerate(self, *given: Any, **kwargs: Any) -> Any:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("good bye"))])


class OnlyTexts(Good):
    def text(self, messages: list[BaseMessage], stop: Any) -> str:
        if len(messages) > 1:
            raise ModelError("one message at a time")
        return super().text(messages, stop)


class Deaf(Good):
    def text(self, messages: list[BaseMessage], stop: Any) -> str:
        return "hello there"


class WrongCounts(Good):
    def _generate(self, *given: Any, **kwargs: Any) -> Any:
        usage: Any = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 7}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("hello", usage_metadata=usage))])


class Credulous(Good):
    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind()


class NoResults(Credulous):
    def text(self, messages: list[BaseMessage], stop: Any) -> str:
        if messages[-1].type == "tool":
            raise ModelError("what is that?")
        return super().text(messages, stop)


class Silent(Good):
    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        return self | (lambda _: {})


class Anything(Good):
    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return AIMessage("hello", id=str(id(input)))


class Blocking(Good):
    async def _agenerate(self, *given: Any, **kwargs: Any) -> Any:
        time.sleep(0.1)  # noqa: ASYNC251  # that is the fault
        return self._generate(*given, **kwargs)


@pytest.mark.parametrize(
    ("model", "law"),
    [
        (SameId, "answer"),
        (OtherStream, "stream-sum"),
        (TwiceCounted, "stream-sum"),
        (ManyIds, "chunks"),
        (OtherAsync, "twins"),
        (OnlyTexts, "system"),
        (Deaf, "stop"),
        (WrongCounts, "usage"),
        (Credulous, "tools"),
        (NoResults, "tool-messages"),
        (Silent, "structured"),
        (Anything, "bad-input"),
        (Blocking, "event-loop"),
    ],
)
def test_fault_is_found(model: Any, law: str) -> None:
    """Each fault is told as the law that it breaks, with what to do."""
    with pytest.raises(ConformanceError) as caught:
        check_chat_model(model, as_runnable=False)
    assert law in caught.value.laws
    assert "a chat model" in str(caught.value)


def test_laws_of_runnables_are_checked_too() -> None:
    """A model whose modes differ is found by the laws of all runnables."""
    with pytest.raises(ConformanceError) as caught:
        check_chat_model(OtherAsync)
    assert "same-value" in caught.value.laws


def test_unknown_law_is_refused() -> None:
    """A law that is to be skipped must be one."""
    with pytest.raises(ValueError, match="no-such-law"):
        check_chat_model(Good(), as_runnable=False, skip={"no-such-law": "x"})

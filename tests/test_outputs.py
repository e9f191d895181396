"""``plait.outputs``, ``plait.prompt_values`` and ``plait.documents``: plain data that models take and give."""

from __future__ import annotations

import operator
import sys
from functools import reduce
from typing import Any

import pytest
from pydantic import ValidationError

from plait.documents import Document
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, HumanMessageChunk, SystemMessage
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult
from plait.prompt_values import ChatPromptValue, PromptValue, StringPromptValue


class Memo(BaseMessage):
    """A message class of somebody else's."""

    type: str = "memo"
    to: str = ""


# --------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize("make", [ChatGenerationChunk, ChatGenerationChunk.model_construct])
def test_chunks_of_candidates_add_up(make: Any) -> None:
    """Messages are added, facts replaced, and the text is that of the sum."""
    parts = [
        make(message=AIMessageChunk("a", id="1"), generation_info={"reason": None, "logs": [1]}),
        make(message=AIMessageChunk("b")),
        make(message=AIMessageChunk("c"), generation_info={"reason": "stop", "logs": [2]}),
    ]
    total = reduce(operator.add, parts)
    assert total.text == total.message.text == "abc"
    assert total.generation_info == {"reason": "stop", "logs": [1, 2]}
    assert total == merge_all(parts) == ChatGenerationChunk.model_validate_json(total.model_dump_json())


def test_chunks_of_texts_add_up() -> None:
    """Texts are joined."""
    parts = [GenerationChunk(text="a"), GenerationChunk(text="b", generation_info={"reason": "stop"})]
    assert reduce(operator.add, parts) == GenerationChunk(text="ab", generation_info={"reason": "stop"})


def test_candidates_of_different_messages_do_not_add_up() -> None:
    """What the human said is no continuation of what the model said."""
    with pytest.raises(TypeError, match="HumanMessageChunk"):
        ChatGenerationChunk(message=AIMessageChunk("a")) + ChatGenerationChunk(message=HumanMessageChunk("b"))


def test_changing_a_message_does_not_change_the_sum_of_candidates() -> None:
    """A model may go on changing what it has already given, as may its caller."""
    part = ChatGenerationChunk(message=AIMessageChunk("a"))
    total = part + ChatGenerationChunk(message=AIMessageChunk("b"))
    part.message.content = "changed"
    assert total.text == "ab"


def test_adding_candidates_is_linear() -> None:
    """The text of a running sum is not joined before somebody asks: twice the chunks, twice the calls."""

    def calls(n: int) -> int:
        parts = [ChatGenerationChunk.model_construct(message=AIMessageChunk("x")) for _ in range(n)]
        seen = []
        sys.setprofile(lambda *_: seen.append(1))
        try:
            text = reduce(operator.add, parts).text
        finally:
            sys.setprofile(None)
        assert text == "x" * n
        return len(seen)

    assert calls(800) < 2.1 * calls(400)


def test_text_of_a_candidate_is_its_message() -> None:
    """``text`` need not be given, and is left out of the repr; what is not given is not shown either."""
    candidate = ChatGeneration(message=AIMessage(["a", {"type": "text", "text": "b"}]))
    assert candidate.text == "ab"
    assert repr(ChatGeneration(message=AIMessage("x"))) == "ChatGeneration(message=AIMessage(content='x'))"
    assert repr(LLMResult(generations=[[Generation(text="x")]])) == "LLMResult(generations=[[Generation(text='x')]])"


def test_results_survive_json() -> None:
    """Every kind of candidate, with every kind of message, is read back as what it was."""
    candidates = [
        ChatGeneration(message=AIMessage("a", id="1")),
        ChatGenerationChunk(message=AIMessageChunk("b")),
        Generation(text="c"),
        GenerationChunk(text="d"),
    ]
    result = LLMResult(generations=[candidates, []], llm_output={"tokens": 3})
    assert LLMResult.model_validate_json(result.model_dump_json()) == result
    answer = ChatResult(generations=[ChatGeneration(message=AIMessage("a"))])
    assert ChatResult.model_validate(answer.model_dump()) == answer


def test_message_of_a_users_own_class_is_kept_whole() -> None:
    """A result may hold any message, and writes down all of its fields."""
    dumped = ChatResult(generations=[ChatGeneration(message=Memo("x", to="Bo"))]).model_dump()
    assert dumped["generations"][0]["message"]["to"] == "Bo"


def test_candidate_without_a_message_is_refused() -> None:
    """What should be a message is checked."""
    for wrong in ("hi", {"type": "wizard", "content": "x"}, {"role": "wizard"}, None):
        with pytest.raises(ValidationError, match="message"):
            ChatGeneration.model_validate({"message": wrong})


# ---------------------------------------------------------------------------------------------------- prompt values


def test_text_prompt_suits_every_model() -> None:
    """A text is itself, or one message from the human."""
    value = StringPromptValue(text="hi")
    assert value.to_string() == "hi"
    assert value.to_messages() == [HumanMessage("hi")]


def test_chat_prompt_suits_every_model() -> None:
    """Messages are themselves, or a text with a line for each."""
    value = ChatPromptValue(messages=[SystemMessage("s"), Memo("x", to="Bo")])
    assert value.to_string() == "System: s\nmemo: x"
    assert value.to_messages() == value.messages
    value.to_messages().clear()
    assert len(value.messages) == 2


def test_prompt_values_survive_json() -> None:
    """Both are read back as what they were, and show what they hold."""
    for value in (StringPromptValue(text="x"), ChatPromptValue(messages=[HumanMessage("x"), AIMessageChunk("y")])):
        assert type(value).model_validate_json(value.model_dump_json()) == value
    assert (
        repr(ChatPromptValue(messages=[HumanMessage("x")])) == "ChatPromptValue(messages=[HumanMessage(content='x')])"
    )


def test_own_prompt_value_needs_both_readings() -> None:
    """A class that cannot be read as messages is no prompt value."""

    class Half(PromptValue):
        def to_string(self) -> str:
            return ""

    with pytest.raises(TypeError, match="to_messages"):
        Half()  # type: ignore[abstract]


# -------------------------------------------------------------------------------------------------------- documents


def test_document_shows_what_is_known() -> None:
    """The text may be given by position; ids may be numbers; defaults and ids are left out of the repr."""
    assert repr(Document("x")) == "Document(page_content='x')"
    known = Document(page_content="x", metadata={"page": 1}, id=7)  # type: ignore[arg-type]
    assert repr(known) == "Document(page_content='x', metadata={'page': 1})"
    assert known.id == "7"
    assert Document.model_validate_json(known.model_dump_json()) == known


def test_document_needs_a_text() -> None:
    """A document without a text is refused, and two documents share no metadata."""
    with pytest.raises(ValidationError, match="page_content"):
        Document()  # type: ignore[call-arg]
    one, two = Document("x"), Document("x")
    one.metadata["page"] = 1
    assert two.metadata == {}

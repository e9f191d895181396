"""Messages, documents and results go over the border and back without loss."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait.documents import Document
from plait.errors import MessageError
from plait.merging import merge_all
from plait.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    ChatMessageChunk,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    ToolMessageChunk,
)
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult
from plait.prompt_values import ChatPromptValue, StringPromptValue
from plait.providers.langchain import from_langchain, to_langchain

pytestmark = pytest.mark.peer

law = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

texts = st.text(max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(texts, x, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)
blocks = st.builds(lambda text: {"type": "text", "text": text}, texts) | st.builds(
    lambda data: {"type": "image", "base64": data, "mime_type": "image/png"}, texts
)
contents = texts | st.lists(texts | blocks, max_size=3)
calls = st.lists(
    st.builds(lambda name, args, call: {"name": name, "args": args, "id": call}, texts, objects, st.none() | texts),
    max_size=2,
)
broken = st.lists(
    st.builds(lambda name, args: {"name": name, "args": args, "id": "b", "error": "unreadable"}, texts, texts),
    max_size=2,
)
pieces = st.lists(
    st.builds(
        lambda args, index: {"name": "f", "args": args, "id": "1", "index": index},
        texts,
        st.integers(0, 2) | st.just("lc_1"),
    ),
    max_size=2,
)
usage = st.none() | st.builds(
    lambda n: {"input_tokens": n, "output_tokens": 2, "total_tokens": n + 2, "input_token_details": {"cache_read": 1}},
    st.integers(0, 99),
)
common = {
    "additional_kwargs": objects,
    "response_metadata": objects,
    "name": st.none() | texts,
    "id": st.none() | texts,
}
whole = st.one_of(
    st.builds(HumanMessage, content=contents, **common),
    st.builds(SystemMessage, content=contents, **common),
    st.builds(ChatMessage, content=contents, role=texts, **common),
    st.builds(FunctionMessage, content=texts, **{**common, "name": texts}),
    st.builds(AIMessage, content=contents, tool_calls=calls, invalid_tool_calls=broken, usage_metadata=usage, **common),
    st.builds(
        ToolMessage,
        content=contents,
        tool_call_id=texts,
        artifact=json_values,
        status=st.sampled_from(["success", "error"]),
        **common,
    ),
)
chunks = st.one_of(
    st.builds(
        AIMessageChunk,
        content=contents,
        tool_call_chunks=pieces,
        usage_metadata=usage,
        chunk_position=st.sampled_from([None, "last"]),
        **common,
    ),
    st.builds(ChatMessageChunk, content=texts, role=texts, **common),
    st.builds(ToolMessageChunk, content=texts, tool_call_id=texts, **common),
)


@law
@given(message=whole | chunks)
def test_messages_come_back_as_they_were(lc: Any, message: BaseMessage) -> None:
    """From plait to LangChain and back is the same message, of the same class, with the same fields given."""
    theirs = to_langchain(message)
    back = from_langchain(theirs)

    assert isinstance(theirs, getattr(lc.messages, type(message).__name__))
    assert (type(back), back, back.model_fields_set) == (type(message), message, message.model_fields_set)


@law
@given(message=whole)
def test_messages_of_langchain_come_back_as_they_were(lc: Any, message: BaseMessage) -> None:
    """From LangChain to plait and back is the same message."""
    theirs = to_langchain(message)

    assert to_langchain(from_langchain(theirs)) == theirs


@law
@given(parts=st.lists(st.tuples(texts, pieces), min_size=1, max_size=4))
def test_sums_of_chunks_agree(lc: Any, parts: list[tuple[str, Any]]) -> None:
    """The text of a sum is the same, whichever library has added up."""
    ours = [AIMessageChunk(content=text) for text, _ in parts]
    theirs = to_langchain(ours[0])
    for chunk in ours[1:]:
        theirs = theirs + to_langchain(chunk)

    assert from_langchain(theirs).content == merge_all(ours).content


def test_tool_calls_of_streamed_chunks_are_read(lc: Any) -> None:
    """Pieces of a call that LangChain streams add up to the call here."""
    first = lc.messages.AIMessageChunk(
        content="", tool_call_chunks=[{"name": "add", "args": '{"a": ', "id": "1", "index": 0}]
    )
    rest = lc.messages.AIMessageChunk(
        content="", tool_call_chunks=[{"name": None, "args": "2}", "id": None, "index": 0}]
    )

    total = merge_all(from_langchain([first, rest]))

    assert total.tool_calls == [{"name": "add", "args": {"a": 2}, "id": "1", "type": "tool_call"}]


def test_calls_of_a_chunk_without_pieces_are_kept(lc: Any) -> None:
    """A chunk that carries whole calls carries them here, too."""
    chunk = lc.messages.AIMessageChunk(content="", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "7"}])

    assert from_langchain(chunk).tool_calls[0]["args"] == {"a": 1}


def test_an_extra_field_is_kept(lc: Any) -> None:
    """What a message has beyond its declared fields goes over as well."""
    assert from_langchain(lc.messages.HumanMessage("hi", mood="good")).mood == "good"
    assert to_langchain(HumanMessage("hi", mood="good")).mood == "good"


def test_a_subclass_is_what_it_derives_from(lc: Any) -> None:
    """A message class of a user's is the nearest that both libraries know."""
    made = type("Signed", (lc.messages.HumanMessage,), {"__annotations__": {"by": str}, "__module__": __name__})

    came = from_langchain(made(content="hi", by="me"))

    assert type(came) is HumanMessage
    assert came.by == "me"


def test_a_message_without_counterpart_is_refused(lc: Any) -> None:
    """LangGraph's order to remove a message is not one; the error says which class came."""
    with pytest.raises(MessageError, match="RemoveMessage"):
        from_langchain(lc.messages.RemoveMessage(id="1"))


def test_what_gets_over_is_not_shared(lc: Any) -> None:
    """Whoever changes a message after it was handed over changes none of the other library's."""
    message = AIMessage("hi", additional_kwargs={"a": 1})

    to_langchain(message).additional_kwargs["a"] = 2

    assert message.additional_kwargs == {"a": 1}


@pytest.mark.parametrize(
    "value",
    [
        Document("text", metadata={"a": [1]}, id="7"),
        StringPromptValue(text="hi"),
        ChatPromptValue(messages=[HumanMessage("hi")]),
        Generation(text="a", generation_info={"b": 1}),
        GenerationChunk(text="a"),
        ChatGeneration(message=AIMessage("a"), generation_info={"b": 1}),
        ChatGenerationChunk(message=AIMessageChunk("a")),
        ChatResult(generations=[ChatGeneration(message=AIMessage("a"))], llm_output={"n": 1}),
        LLMResult(generations=[[Generation(text="a")]], llm_output={"n": 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_data_comes_back_as_it_was(lc: Any, value: Any) -> None:
    """Documents, prompt values and results go over and back, each to the class of the same meaning."""
    theirs = to_langchain(value)

    assert type(theirs).__module__.startswith("langchain_core.")
    assert from_langchain(theirs) == value


def test_containers_are_walked_through(lc: Any) -> None:
    """Messages in dicts, lists and tuples are translated; what holds none stays the same object."""
    plain = {"numbers": [1.0, 2.0], "nested": {"a": object()}}
    given = {
        "history": [lc.messages.HumanMessage("a")],
        "pair": (lc.documents.Document(page_content="d"), 1),
        "plain": plain,
    }

    came = from_langchain(given)

    assert came["history"] == [HumanMessage("a")]
    assert came["pair"] == (Document("d"), 1)
    assert came["plain"] is plain


def test_a_container_that_holds_itself_ends(lc: Any) -> None:
    """Each container is translated once, however often and however deep it is held."""
    loop: list[Any] = [lc.messages.HumanMessage("a")]
    loop += [loop, loop]
    wide: Any = [lc.messages.HumanMessage("a")]
    for _ in range(90):
        wide = [wide, wide]

    came = from_langchain(wide)

    assert from_langchain(loop)[0] == HumanMessage("a")
    assert came[0] is came[1]


def test_nesting_is_bounded(lc: Any) -> None:
    """What nests deeper than a hundred levels is left as it is."""
    deep: Any = lc.messages.HumanMessage("a")
    for _ in range(5_000):
        deep = [deep]

    came = from_langchain(deep)

    assert isinstance(came, list)


@pytest.mark.parametrize("door", [from_langchain, to_langchain])
def test_anything_else_is_refused(lc: Any, door: Any) -> None:
    """A number is neither a Runnable nor data; its value is not in the message."""
    with pytest.raises(TypeError, match=r"got an object of type builtins\.int") as caught:
        door(4711)

    assert "4711" not in str(caught.value)

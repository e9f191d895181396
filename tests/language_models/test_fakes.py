"""The fakes answer by script in every mode, at the pace and with the failures that were asked for."""

import asyncio
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plait.errors import ConfigError, ModelError
from plait.merging import merge_all
from plait.messages import AIMessage, HumanMessage, SystemMessage
from plait.testing import VirtualClock
from plait.testing.models import (
    EchoChatModel,
    FakeListChatModel,
    FakeListChatModelError,
    FakeListLLM,
    FakeListLLMError,
    FakeMessagesListChatModel,
    FakeStreamingListLLM,
    GenericFakeChatModel,
)

SCRIPTED: list[Any] = [FakeListChatModel, FakeStreamingListLLM]


def text(answer: Any) -> str:
    return answer if isinstance(answer, str) else answer.text


@pytest.mark.parametrize("kind", [FakeListChatModel, FakeListLLM, FakeStreamingListLLM])
def test_responses_come_in_turn_and_again(run: Any, kind: Any) -> None:
    """A script is followed from start to end and then from the start, in all modes."""
    model = kind(responses=["one two", "three"])
    assert [text(run(model, "x")) for _ in range(3)] == ["one two", "three", "one two"]


@pytest.mark.parametrize("kind", SCRIPTED)
async def test_streams_come_word_by_word(kind: Any) -> None:
    """A chunk is a word with the space before it."""
    model = kind(responses=[" a  b\nc "])
    for chunks in (list(model.stream("x")), [chunk async for chunk in model.astream("x")]):
        assert [text(chunk) for chunk in chunks] == [" a", "  b", "\nc", " "]


@given(st.text())
def test_a_stream_adds_up_to_the_response(response: str) -> None:
    """Whatever the response is, the chunks of its stream add up to it, and there is at least one."""
    assert merge_all(FakeStreamingListLLM(responses=[response]).stream("x")) == response
    assert merge_all(FakeListChatModel(responses=[response]).stream("x")).content == response


def test_calls_are_counted_and_remembered() -> None:
    """calls tells the input, stop and keyword arguments of the last calls, the count that of all."""
    model = FakeListChatModel(responses=["a"], remember=2)
    model.invoke("first")
    model.invoke("second", stop=["."], seed=1)
    list(model.stream([SystemMessage("third")]))

    assert model.call_count == 3
    assert [call.input for call in model.calls] == [[HumanMessage("second")], [SystemMessage("third")]]
    assert (model.calls[0].stop, model.calls[0].kwargs) == (["."], {"seed": 1})


def test_threads_share_a_script() -> None:
    """Many threads get each response as often as their number says, and no call is lost."""
    model = FakeListChatModel(responses=["a", "b", "c"], remember=None)
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.content for answer in pool.map(model.invoke, ["x"] * 300)]
    assert (answers.count("a"), answers.count("b"), answers.count("c")) == (100, 100, 100)
    assert model.call_count == len(model.calls) == 300


@pytest.mark.parametrize("kind", SCRIPTED)
def test_the_first_calls_fail_on_cue(run: Any, kind: Any) -> None:
    """``failures`` calls raise ``error`` and use up no response."""
    model = kind(responses=["a", "b", "c"], failures=2, error=TimeoutError)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            run(model, "x")
    assert [text(run(model, "x")) for _ in range(2)] == ["a", "b"]


def test_a_fake_can_fail_for_ever() -> None:
    """``failures=None`` is every call; an instance is raised as it is."""
    error = ConnectionError("gone")
    model = EchoChatModel(failures=None, error=error)
    for _ in range(3):
        with pytest.raises(ConnectionError) as caught:
            model.invoke("x")
        assert caught.value is error


@pytest.mark.parametrize("kind", SCRIPTED)
@pytest.mark.parametrize(("at", "seen"), [(0, []), (2, ["a", " b"]), (9, ["a", " b", " c"])])
async def test_a_stream_fails_at_its_chunk(kind: Any, at: int, seen: list[str]) -> None:
    """A failing stream gives ``fail_at_chunk`` chunks first, all of them if it has no more; a whole answer fails too."""
    model = kind(responses=["a b c"], failures=None, fail_at_chunk=at)
    chunks: list[str] = []
    with pytest.raises(ModelError, match="as it was told to"):
        chunks.extend(map(text, model.stream("x")))
    with pytest.raises(ModelError):
        async for chunk in model.astream("x"):
            chunks.append(text(chunk))  # noqa: PERF401 - a comprehension would lose what came before the failure
    with pytest.raises(ModelError):
        model.invoke("x")
    assert chunks == seen * 2


@pytest.mark.parametrize(
    ("kind", "error"), [(FakeListChatModel, FakeListChatModelError), (FakeStreamingListLLM, FakeListLLMError)]
)
def test_error_on_chunk_number_is_for_streams(kind: Any, error: type[Exception]) -> None:
    """Every stream fails before that chunk; a whole answer does not."""
    model = kind(responses=["a b c"], error_on_chunk_number=1)
    chunks: list[str] = []
    with pytest.raises(error, match="before chunk 1"):
        chunks.extend(map(text, model.stream("x")))
    assert chunks == ["a"]
    assert text(model.invoke("x")) == "a b c"


@pytest.mark.parametrize("kind", SCRIPTED)
def test_delay_is_per_word_and_sleep_per_chunk(kind: Any) -> None:
    """A whole answer takes as long as its words together, and ``sleep`` once; each chunk takes both."""
    model = kind(responses=["a b c"], delay=2.0, sleep=0.5)
    with VirtualClock() as clock:
        model.invoke("x")
        list(model.stream("x"))
    assert clock.sleeps == [6.5, 2.5, 2.5, 2.5]


@pytest.mark.parametrize("kind", SCRIPTED)
async def test_a_delay_does_not_block_the_loop(kind: Any) -> None:
    """Under an async verb other tasks run while the fake waits: two of them wait at the same time."""
    model = kind(responses=["a b c"], delay=10.0)
    with VirtualClock() as clock:
        answers = await asyncio.gather(model.ainvoke("x"), model.ainvoke("x"))
    assert list(map(text, answers)) == ["a b c"] * 2
    assert clock.elapsed == 30


async def test_a_waiting_fake_can_be_cancelled() -> None:
    """A fake that waits for an hour ends at once with its task."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await FakeListChatModel(responses=["a"], sleep=3600).ainvoke("x")


def test_echo_gives_back_the_last_text(run: Any) -> None:
    """EchoChatModel answers with the text of the last message."""
    assert run(EchoChatModel(), [SystemMessage("first"), HumanMessage("the last")]).content == "the last"


def test_messages_are_answered_as_they_are(run: Any) -> None:
    """A scripted message keeps its tool calls, usage and metadata, streamed or not."""
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    call = {"name": "f", "args": {"x": 1}, "id": "c1"}
    message = AIMessage("two words", tool_calls=[call], usage_metadata=usage, response_metadata={"model": "m1"})

    answer = run(FakeMessagesListChatModel(responses=[message]), "x")

    assert answer.content == "two words"
    assert [(call["name"], call["args"], call["id"]) for call in answer.tool_calls] == [("f", {"x": 1}, "c1")]
    assert answer.usage_metadata == usage
    assert answer.response_metadata == {"model": "m1"}


def test_an_iterator_is_used_up(run: Any) -> None:
    """GenericFakeChatModel gives each of its messages once, and then says that there are none."""
    model = GenericFakeChatModel(messages=iter(["text", AIMessage("message")]))
    assert [run(model, "x").content for _ in range(2)] == ["text", "message"]
    with pytest.raises(ModelError, match="no answer for call 3: its messages are used up"):
        run(model, "x")


def test_mistakes_in_a_script_are_found_when_it_is_made() -> None:
    """No responses, and fields that do not exist, are errors at once."""
    with pytest.raises(ValidationError):
        FakeListChatModel(responses=[])
    with pytest.raises(ConfigError, match="has no setting 'response'; did you mean 'responses'"):
        FakeListChatModel(response=["a"])  # type: ignore[call-arg]


def test_a_fake_travels() -> None:
    """A pickled fake follows its script from the start."""
    model = FakeListChatModel(responses=["a", "b"])
    model.invoke("x")
    copy = pickle.loads(pickle.dumps(model))
    assert (copy.call_count, copy.invoke("x").content) == (0, "a")

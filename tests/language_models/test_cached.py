"""A model with a cache is called once for one request, and gives the same answer again in every verb."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.caches import BaseCache, InMemoryCache, SQLiteCache, set_llm_cache
from plait.callbacks import get_usage_metadata_callback
from plait.errors import ConfigError, ModelError
from plait.language_models import (
    BaseChatModel,
    FakeListChatModel,
    FakeListLLM,
    FakeMessagesListChatModel,
    FakeStreamingListLLM,
    GenericFakeChatModel,
)
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk, HumanMessage
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation
from plait.providers import ChatOpenAI
from plait.rate_limiters import InMemoryRateLimiter
from plait.testing.clock import VirtualClock

USAGE: Any = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


def text_of(answer: Any) -> str:
    return answer if isinstance(answer, str) else answer.content


class Deaf(BaseCache):
    """A cache of a user's own: a dict, and what it holds is what it gives."""

    def __init__(self) -> None:
        self.kept: dict[Any, Any] = {}

    def lookup(self, prompt: str, llm_string: str) -> Any:
        return self.kept.get((prompt, llm_string))

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        self.kept[prompt, llm_string] = return_val

    def clear(self, **kwargs: Any) -> None:
        self.kept.clear()


class Broken(Deaf):
    """A cache whose disk is full."""

    def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
        raise OSError("no space left")


@pytest.mark.parametrize("kind", [FakeListChatModel, FakeListLLM, FakeStreamingListLLM])
@pytest.mark.parametrize("make", [InMemoryCache, Deaf])
def test_one_request_is_one_call(kind: Any, make: Any, run: Any) -> None:
    """In every mode the second time costs no call; another input or argument does."""
    model = kind(responses=["one two", "three"], cache=make())
    assert [text_of(run(model, "x")) for _ in range(3)] == ["one two"] * 3
    assert model.call_count == 1
    assert text_of(run(model, "y")) == "three"
    assert text_of(run(model, "x", stop=["."])) == "one two"
    assert model.call_count == 3


@pytest.mark.parametrize("kind", [FakeListChatModel, FakeStreamingListLLM])
def test_all_verbs_share_answers(kind: Any) -> None:
    """What one verb has paid for the others give for nothing; a stream in one piece."""

    async def others(model: Any) -> list[Any]:
        chunks = [chunk async for chunk in model.astream("x")]
        return [await model.ainvoke("x"), merge_all(chunks), *await model.abatch(["x"]), len(chunks)]

    for first in ("invoke", "stream"):
        model = kind(responses=["one two", "no"], cache=InMemoryCache())
        assert text_of(model.invoke("x") if first == "invoke" else merge_all(model.stream("x"))) == "one two"
        *answers, pieces = [
            model.invoke("x"),
            merge_all(model.stream("x")),
            *model.batch(["x"]),
            *asyncio.run(others(model)),
        ]
        assert {text_of(answer) for answer in answers} == {"one two"}
        assert (pieces, model.call_count) == (1, 1)


def test_an_answer_that_is_used_again_cost_nothing(run: Any) -> None:
    """It says that it is cached, counts no tokens (P61), and is a message of its own with an id of its own."""
    answer = AIMessage("a b", usage_metadata=USAGE, response_metadata={"model_name": "m"}, id="provider-1")
    model = FakeMessagesListChatModel(responses=[answer], cache=InMemoryCache())
    with get_usage_metadata_callback() as counted:
        first, second, third = (run(model, "x") for _ in range(3))

    assert first.usage_metadata == USAGE
    assert "cached" not in first.response_metadata
    assert second.response_metadata == {"model_name": "m", "cached": True, "saved_usage": USAGE}
    assert second.usage_metadata == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    assert counted.usage_metadata == {"m": USAGE}
    assert len({first.id, second.id, third.id}) == 3
    assert second.id.startswith("run-")


@pytest.mark.parametrize("make", [InMemoryCache, Deaf])
def test_answers_are_ones_own(make: Any, run: Any) -> None:
    """Whoever changes an answer changes neither the cache nor the answers of others."""
    model = FakeMessagesListChatModel(responses=[AIMessage([{"type": "text", "text": "a"}])], cache=make())
    for _ in range(3):
        content = run(model, "x").content
        assert content == [{"type": "text", "text": "a"}]
        content[0]["text"] = "changed"
        content.append("more")
        model.responses[0].content = [{"type": "text", "text": "a"}]


def test_tool_calls_and_all_candidates_come_back() -> None:
    """The whole of an answer is kept: calls, facts, each of several candidates."""

    class Several(BaseChatModel):
        asked: int = 0

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
            call = {"name": "f", "args": {"x": 1}, "id": "c"}
            messages = [AIMessage("a", tool_calls=[call]), AIMessage("b")]
            return ChatResult(
                generations=[ChatGeneration(message=message, generation_info={"at": 1}) for message in messages],
                llm_output={"model_name": "m"},
            )

    model = Several(cache=InMemoryCache())
    fresh, again = (model.generate(["x"]).generations[0] for _ in range(2))
    assert [one.message.content for one in again] == ["a", "b"]
    assert again[0].message.tool_calls == fresh[0].message.tool_calls
    assert again[0].message.response_metadata == {"model_name": "m", "at": 1, "cached": True}
    assert model.invoke("x").tool_calls[0]["args"] == {"x": 1}


def test_a_text_model_is_asked_for_what_is_missing() -> None:
    """generate with many prompts calls the model once, for those that the cache has not, in their order."""
    model = FakeListLLM(responses=["1", "2", "3", "4"], cache=InMemoryCache())
    model.invoke("b")
    texts = [[each.text for each in candidates] for candidates in model.generate(["a", "b", "c"]).generations]
    assert texts == [["2"], ["1"], ["3"]]
    assert [call.input for call in model.calls] == ["b", "a", "c"]
    assert [each[0].generation_info for each in model.generate(["c", "a"]).generations] == [{"cached": True}] * 2
    assert model.call_count == 3


async def test_a_text_model_is_asked_for_what_is_missing_async() -> None:
    """The same for agenerate."""
    model = FakeListLLM(responses=["1", "2", "3"], cache=InMemoryCache())
    await model.ainvoke("b")
    texts = [candidates[0].text for candidates in (await model.agenerate(["a", "b", "c"])).generations]
    assert texts == ["2", "1", "3"]
    assert (await model.agenerate([])).generations == []


def test_failures_are_not_kept(run: Any) -> None:
    """A call that failed is made again."""
    model = FakeListChatModel(responses=["a b"], failures=2, fail_at_chunk=1, cache=InMemoryCache())
    for _ in range(2):
        with pytest.raises(ModelError):
            run(model, "x")
    assert run(model, "x").content == "a b"
    assert run(model, "x").content == "a b"
    assert model.call_count == 3


async def test_a_stream_that_is_left_is_not_kept() -> None:
    """Only a stream that has come to its end is an answer."""
    model = FakeListChatModel(responses=["a b c"], cache=InMemoryCache())
    stream: Any = model.stream("x")
    next(stream)
    stream.close()
    astream: Any = model.astream("x")
    await anext(astream)
    await astream.aclose()
    assert model.invoke("x").content == "a b c"
    assert model.call_count == 3


def test_a_stream_still_comes_in_pieces() -> None:
    """With a cache the first stream comes as it is made, not when it is whole."""
    model = FakeListChatModel(responses=["a b c"], cache=InMemoryCache())
    assert [chunk.content for chunk in model.stream("x")] == ["a", " b", " c"]
    assert [chunk.content for chunk in model.stream("x")] == ["a b c"]


class OneForm(BaseChatModel):
    """The base of models with one extension point, which count their calls."""

    def called(self) -> None:
        self.__dict__["calls"] = self.calls + 1

    @property
    def calls(self) -> int:
        return self.__dict__.get("calls", 0)


class Whole(OneForm):
    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.called()
        return ChatResult(generations=[ChatGeneration(message=AIMessage("ab"))])


class Stream(OneForm):
    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        self.called()
        yield ChatGenerationChunk(message=AIMessageChunk(content="a"))
        yield ChatGenerationChunk(message=AIMessageChunk(content="b"))


class AStream(OneForm):
    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        self.called()
        yield ChatGenerationChunk(message=AIMessageChunk(content="a"))
        yield ChatGenerationChunk(message=AIMessageChunk(content="b"))


@pytest.mark.parametrize("kind", [Whole, Stream, AStream])
def test_whatever_the_author_wrote(kind: Any, run: Any) -> None:
    """Each extension point, whichever verb leads to it, is called once and takes leave once."""
    if kind is AStream and not run.is_async:
        pytest.skip("it has no sync form")
    with VirtualClock() as clock:
        model = kind(cache=InMemoryCache(), rate_limiter=InMemoryRateLimiter())
        assert [run(model, "x").content for _ in range(3)] == ["ab"] * 3
        run(model, "y")
    assert model.calls == 2
    assert clock.elapsed == pytest.approx(1)  # two calls, one interval; what is cached waits for nothing


class Several(FakeListChatModel):
    n: int = 2

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        [one] = super()._generate(messages, stop, **kwargs).generations
        return ChatResult(generations=[one] * kwargs.get("n", self.n))


def test_several_candidates_are_not_those_of_a_stream() -> None:
    """A stream gives one candidate, and is not kept as the answer to a request for two."""
    model = Several(responses=["a b", "c d", "e f"], cache=InMemoryCache())
    assert merge_all(model.stream("x")).content == "a b"
    assert [[one.text for one in each] for each in model.generate(["x"]).generations] == [["c d", "c d"]]
    assert len(list(model.stream("x", n=1))) == 2
    assert len(list(model.stream("x", n=1))) == 1


def test_the_cache_in_force(run: Any) -> None:
    """None means the cache in force, True insists on one, False refuses it."""
    models = [FakeListChatModel(responses=["a"], cache=cache) for cache in (None, True, False)]
    with pytest.raises(ConfigError, match="cache=True needs a cache"):
        run(models[1], "x")
    set_llm_cache(InMemoryCache())
    try:
        for model in models:
            run(model, "x")
            run(model, "x")
    finally:
        set_llm_cache(None)
    assert [model.call_count for model in models] == [1, 0, 2]  # the first two are the same request


@pytest.mark.parametrize("field", ["cache", "rate_limiter"])
def test_other_objects_are_refused(field: str) -> None:
    """What is no cache, or no limiter, is refused by name when the model is made."""
    with pytest.raises(ValueError, match=field):
        FakeListChatModel(responses=["a"], **{field: "memory"})


def test_what_cannot_be_told_from_others_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A request with an argument that has no form is made each time; the log says why."""
    model = FakeListChatModel(responses=["a", "b"], cache=InMemoryCache())
    with caplog.at_level(logging.DEBUG, "plait.caches"):
        assert [model.invoke("x", tools=[lambda: 1]).content for _ in range(2)] == ["a", "b"]
    assert "an answer of FakeListChatModel is not kept: call 'tools'[0] is of type function" in caplog.text
    script = GenericFakeChatModel(messages=iter(["a", "b"]), cache=InMemoryCache())
    assert [script.invoke("x").content for _ in range(2)] == ["a", "b"]


def test_an_answer_is_not_lost_for_its_cache(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A cache that cannot keep an answer is logged; the answer has been paid for and is given."""
    model = FakeListChatModel(responses=["a"], cache=Broken())
    assert run(model, "x").content == "a"
    assert caplog.messages == ["Broken could not keep an answer: OSError: no space left"]


def test_a_cache_that_cannot_be_read_is_an_error(run: Any) -> None:
    """Nothing has been paid when a lookup fails: it is raised, and the model is not called."""

    class Unreadable(Deaf):
        def lookup(self, prompt: str, llm_string: str) -> Any:
            raise OSError("no such server")

    model = FakeListChatModel(responses=["a"], cache=Unreadable())
    with pytest.raises(OSError, match="no such server"):
        run(model, "x")
    assert model.call_count == 0


@pytest.mark.parametrize("kept", [[], [Generation(text="a")], [None], ["a"]], ids=["none", "text", "None", "str"])
def test_what_is_no_answer_is_a_miss(kept: Any, run: Any) -> None:
    """Candidates of another kind than the model's are a miss."""

    class Odd(Deaf):
        def lookup(self, prompt: str, llm_string: str) -> Any:
            return kept

    assert run(FakeListChatModel(responses=["fresh"], cache=Odd()), "x").content == "fresh"


def test_conversations_continue_from_cached_answers() -> None:
    """The second turn of a conversation is found again, though its first answer now is a cached one."""
    model = FakeMessagesListChatModel(
        responses=[AIMessage("a", usage_metadata=USAGE, response_metadata={"id": "1"}), AIMessage("b")],
        cache=InMemoryCache(),
    )

    def talk() -> str:
        first = model.invoke("x")
        return model.invoke([HumanMessage("x"), first, HumanMessage("y")]).content

    assert talk() == talk() == "b"
    assert model.call_count == 2


def test_answers_in_a_file(tmp_path: Any, run: Any) -> None:
    """Another model with the same settings finds what the first has paid for; no key is in the file."""
    path = tmp_path / "a.db"
    for calls in (1, 0):
        with SQLiteCache(path) as cache:
            model = FakeListChatModel(responses=["a b"], cache=cache)
            assert run(model, "the prompt").content == "a b"
            assert model.call_count == calls
    assert b"the prompt" not in path.read_bytes()


def test_a_cache_is_no_data_of_a_model() -> None:
    """Dumps and JSON Schemas of models are those of models without a cache."""
    model = FakeListChatModel(responses=["a"], cache=InMemoryCache(), rate_limiter=InMemoryRateLimiter())
    assert {"cache", "rate_limiter"} & model.model_dump().keys() == set()
    assert ChatOpenAI.model_json_schema()["properties"]["cache"]["anyOf"] == [{"type": "boolean"}, {"type": "null"}]
    assert model.model_copy(deep=True).cache is model.cache

"""A chat model answers from whatever its author wrote, in every form of input, and says what is wrong when it cannot."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.errors import ConfigError, EmptyStreamError, ModelError
from plait.language_models import BaseChatModel, SimpleChatModel
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from plait.prompt_values import ChatPromptValue, StringPromptValue


def result(text: str, **fields: Any) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=AIMessage(text, **fields))])


def piece(text: str, **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **fields))


class Counting(BaseChatModel):
    """Answers with the roles and texts that it was given."""

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return result(" ".join(f"{message.type}:{message.text}" for message in messages))


class Streaming(BaseChatModel):
    """Has nothing but a sync stream."""

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        yield piece("a")
        yield piece("b")


class Asynchronous(BaseChatModel):
    """Has nothing but an async stream."""

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        yield piece("a")
        yield piece("b")


class Upper(SimpleChatModel):
    suffix: str = "!"

    def _call(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return messages[-1].text.upper() + self.suffix


class Returning(BaseChatModel):
    """Returns whatever it was made with."""

    value: Any

    def _generate(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("hi", "human:hi"),
        ([HumanMessage("hi")], "human:hi"),
        (["hi"], "human:hi"),
        ([("system", "be kind"), ("user", "hi")], "system:be kind human:hi"),
        ([{"role": "user", "content": "hi"}], "human:hi"),
        ((SystemMessage("be kind"), "hi"), "system:be kind human:hi"),
        (StringPromptValue(text="hi"), "human:hi"),
        (ChatPromptValue(messages=[SystemMessage("be kind")]), "system:be kind"),
    ],
)
def test_every_form_of_input_is_read(given: Any, read: str) -> None:
    """A text, a prompt value, and messages in all their forms reach the model as messages."""
    assert Counting().invoke(given).content == read


@pytest.mark.parametrize(
    ("given", "hint"),
    [({"q": 1}, "got dict; put a prompt before"), (HumanMessage("hi"), "put the message into a list"), (3, "got int")],
)
def test_other_input_is_refused(given: Any, hint: str) -> None:
    """What a chat model cannot read is a TypeError that says what came and what to do."""
    with pytest.raises(TypeError, match=f"Counting takes a str, .*{hint}"):
        Counting().invoke(given)


async def test_a_model_with_a_stream_alone_gives_its_sum() -> None:
    """invoke and ainvoke of a model that only streams give the sum of the stream, as a whole message."""
    for answer in (Streaming().invoke("x"), await Streaming().ainvoke("x")):
        assert answer.content == "ab"
        assert type(answer) is AIMessage


async def test_a_model_without_a_stream_gives_one_chunk() -> None:
    """stream and astream of a model that does not stream give the answer as one chunk."""
    for chunks in (list(Upper().stream("x")), [chunk async for chunk in Upper().astream("x")]):
        assert [chunk.content for chunk in chunks] == ["X!"]
        assert isinstance(chunks[0], AIMessageChunk)


async def test_a_sync_stream_streams_in_async_code() -> None:
    """astream of a model with a sync stream gives the same chunks, pulled outside the loop's thread."""
    threads = set[int]()

    class Noting(Streaming):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            threads.add(threading.get_ident())
            yield piece("a")

    assert [chunk.content async for chunk in Noting().astream("x")] == ["a"]
    assert threading.get_ident() not in threads


async def test_a_sync_model_does_not_block_the_loop() -> None:
    """ainvoke of a model that waits in a sync call lets the loop go on."""
    going = threading.Event()

    class Waiting(SimpleChatModel):
        def _call(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            assert going.wait(10)
            return "done"

    call = asyncio.create_task(Waiting().ainvoke("x"))
    await asyncio.sleep(0)
    going.set()
    assert (await call).content == "done"


async def test_an_async_model_has_the_async_forms() -> None:
    """A model with an async stream alone has ainvoke and astream, and says so when it is called from sync code."""
    assert (await Asynchronous().ainvoke("x")).content == "ab"
    assert [chunk.content async for chunk in Asynchronous().astream("x")] == ["a", "b"]
    with pytest.raises(TypeError, match="Asynchronous has no synchronous form: use ainvoke"):
        Asynchronous().invoke("x")


async def test_the_async_twin_is_preferred() -> None:
    """Where the author wrote an async twin it is what the async verbs call."""

    class Twins(Upper):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            return result("async")

    assert Twins().invoke("x").content == "X!"
    assert (await Twins().ainvoke("x")).content == "async"


def test_a_model_without_anything_says_so() -> None:
    """A class that gives no extension point is told which ones there are."""

    class Nothing(BaseChatModel):
        pass

    with pytest.raises(NotImplementedError, match="Nothing cannot answer: its class has neither _generate nor _stream"):
        Nothing().invoke("x")


def test_simple_chat_model_needs_its_call() -> None:
    """A SimpleChatModel without _call cannot be made."""
    with pytest.raises(TypeError, match="_call"):
        type("Half", (SimpleChatModel,), {})()


def test_stop_and_keyword_arguments_reach_the_model(run: Any) -> None:
    """stop and what bind and the call are given come to whatever the author wrote, in all modes."""

    class Showing(BaseChatModel):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
            return result(f"{stop} {kwargs}")

    class Telling(BaseChatModel):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield piece(f"{stop} {kwargs}")

    class Saying(SimpleChatModel):
        def _call(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
            return f"{stop} {kwargs}"

    for kind in (Showing, Telling, Saying):
        assert run(kind().bind(stop=["."], seed=1), "x", seed=2).content == "['.'] {'seed': 2}"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (ChatResult(generations=[]), "gave no answer: the ChatResult of its _generate has no generations"),
        ("text", "_generate of Returning must give a ChatResult, but gave str"),
        (None, "must give a ChatResult, but gave NoneType"),
    ],
)
async def test_no_answer_is_an_error(value: Any, said: str) -> None:
    """A model that returns nothing that could be an answer raises ModelError, never gives an empty one."""
    with pytest.raises(ModelError, match=said):
        Returning(value=value).invoke("x")
    with pytest.raises(ModelError, match=said.replace("_generate of", "_agenerate of")):
        await Returning(value=value).ainvoke("x")


async def test_an_empty_stream_is_an_error() -> None:
    """A stream without a chunk raises EmptyStreamError naming the model, in all modes."""

    class Silent(BaseChatModel):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield from ()

    said = "Silent gave no answer: its stream ended without a chunk"
    with pytest.raises(EmptyStreamError, match=said):
        Silent().invoke("x")
    with pytest.raises(EmptyStreamError, match=said):
        await Silent().ainvoke("x")
    with pytest.raises(EmptyStreamError, match=said):
        list(Silent().stream("x"))
    with pytest.raises(EmptyStreamError, match=said):
        [chunk async for chunk in Silent().astream("x")]


def test_a_stream_of_something_else_is_an_error() -> None:
    """A stream of texts instead of generation chunks is refused with what came."""

    class Wrong(BaseChatModel):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield "text"

    with pytest.raises(ModelError, match="_stream of Wrong must give a ChatGenerationChunk, but gave str"):
        list(Wrong().stream("x"))


def test_an_answer_has_an_id_of_its_own() -> None:
    """Every answer gets a fresh id, even when the model gives the same message object again, which stays as it is."""
    message = AIMessage("same")
    model = Returning(value=ChatResult(generations=[ChatGeneration(message=message)]))

    first, second = model.invoke("x"), model.invoke("x")

    assert str(first.id).startswith("run-")
    assert first.id != second.id
    assert message.id is None


def test_the_id_of_the_provider_is_kept() -> None:
    """An id that the message has already is not replaced."""
    assert Returning(value=result("x", id="msg_1")).invoke("x").id == "msg_1"


def test_the_chunks_of_a_stream_share_an_id() -> None:
    """All chunks of one stream have one id, another stream has another."""
    first, second = list(Streaming().stream("x")), list(Streaming().stream("x"))

    assert len({chunk.id for chunk in first}) == 1
    assert first[0].id != second[0].id
    assert merge_all(first).id == first[0].id


def test_a_provider_id_on_the_first_chunk_is_for_all() -> None:
    """A provider that tells the id once gives it to all chunks."""

    class Telling(BaseChatModel):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield piece("a", id="msg_1")
            yield piece("b")

    assert [chunk.id for chunk in Telling().stream("x")] == ["msg_1", "msg_1"]


def test_what_is_said_beside_the_answer_is_in_response_metadata() -> None:
    """generation_info and llm_output are found in response_metadata; what the message itself says goes first."""
    generation = ChatGeneration(
        message=AIMessage("x", response_metadata={"model": "m1"}),
        generation_info={"finish_reason": "stop", "model": "m0"},
    )
    value = ChatResult(generations=[generation], llm_output={"system": "fp"})

    answer = Returning(value=value).invoke("x")

    assert answer.response_metadata == {"system": "fp", "finish_reason": "stop", "model": "m1"}


async def test_usage_and_metadata_survive_the_stream() -> None:
    """The sum of a stream has the usage and the metadata, and so has invoke of a model that only streams."""
    usage = {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}

    class Metered(BaseChatModel):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield piece("a", response_metadata={"model": "m1"})
            chunk = AIMessageChunk(content="", usage_metadata=usage)
            yield ChatGenerationChunk(message=chunk, generation_info={"finish_reason": "stop"})

    summed = merge_all(list(Metered().stream("x")))
    for answer in (summed, Metered().invoke("x"), await Metered().ainvoke("x")):
        assert answer.usage_metadata == usage
        assert answer.response_metadata == {"model": "m1", "finish_reason": "stop"}


async def test_streaming_can_be_disabled() -> None:
    """disable_streaming makes stream give the answer of invoke at once, "tool_calling" only in calls with tools."""

    class Both(Streaming):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
            return result("whole")

    assert [chunk.content for chunk in Both(disable_streaming=True).stream("x")] == ["whole"]
    assert [chunk.content async for chunk in Both(disable_streaming=True).astream("x")] == ["whole"]
    careful = Both(disable_streaming="tool_calling")
    assert [chunk.content for chunk in careful.stream("x")] == ["a", "b"]
    assert [chunk.content for chunk in careful.stream("x", tools=[{}])] == ["whole"]


async def test_generate_gives_full_results_in_order() -> None:
    """generate gives all generations for each conversation, in order, with ids and what was said beside them."""
    both = ChatResult(
        generations=[ChatGeneration(message=AIMessage("a")), ChatGeneration(message=AIMessage("b"))],
        llm_output={"n": 2},
    )

    for full in (Returning(value=both).generate(["x"]), await Returning(value=both).agenerate([[HumanMessage("x")]])):
        assert [[generation.text for generation in given] for given in full.generations] == [["a", "b"]]
        assert full.llm_output == {"n": 2}
        assert all(generation.message.id for generation in full.generations[0])
    many = Upper().generate_prompt([StringPromptValue(text=str(number)) for number in range(40)])
    assert [given[0].text for given in many.generations] == [f"{number}!" for number in range(40)]


def test_generate_takes_no_callbacks_that_it_would_not_call() -> None:
    """Callbacks that nobody would call are refused."""
    with pytest.raises(ConfigError, match="in the config"):
        Upper().generate(["x"], callbacks=[object()])


def test_what_a_model_calls_inherits_its_config(run: Any) -> None:
    """A chain that is called inside the model sees the tags of the call around it, in all modes."""
    from plait.runnables import RunnableConfig, RunnableLambda

    def tags(_: str, config: RunnableConfig) -> str:
        return ",".join(config.get("tags", []))

    inner = RunnableLambda(tags)

    class Whole(BaseChatModel):
        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
            return result(inner.invoke("x"))

    class Twin(Whole):
        async def _astream(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> AsyncIterator[Any]:
            yield piece(await inner.ainvoke("x"))

    for model in (Whole(), Twin()):
        assert run(model, "x", {"tags": ["outer"]}).content == "outer"
    assert inner.invoke("x") == ""


def test_schemas_are_those_of_the_specification() -> None:
    """The output may be any message chunk but a tool's, in the order of the specification; both have the class's name."""
    output = Upper().output_schema.schema()  # type: ignore[deprecated]

    assert output["title"] == "UpperOutput"
    assert [item["$ref"].removeprefix("#/definitions/") for item in output["anyOf"]] == [
        "HumanMessageChunk",
        "AIMessageChunk",
        "ChatMessageChunk",
        "FunctionMessageChunk",
        "SystemMessageChunk",
    ]
    assert Upper().input_schema.__name__ == "UpperInput"


def test_the_output_schema_reads_what_the_model_gives() -> None:
    """Answers and chunks are accepted as they are, and come back from JSON as the same kind of message."""
    schema = Upper().output_schema
    for given in (Upper().invoke("x"), *Upper().stream("x")):
        read: Any = schema.model_validate(given)
        assert read.root is given
        again: Any = schema.model_validate_json(read.model_dump_json())
        assert again.root == given
        assert type(again.root) is type(given)


def test_the_input_schema_reads_what_the_model_reads() -> None:
    """JSON for the input is validated into something that the model takes."""
    schema = Counting().input_schema
    for text in (
        '"hi"',
        '[{"role": "user", "content": "hi"}]',
        '[["user", "hi"]]',
        '[{"type": "human", "content": "hi"}]',
    ):
        assert Counting().invoke(schema.model_validate_json(text).root).content == "human:hi"  # type: ignore[attr-defined]


def test_a_model_without_tools_says_so() -> None:
    """bind_tools of a model that cannot call tools is a clear NotImplementedError."""
    with pytest.raises(NotImplementedError, match="Upper cannot call tools"):
        Upper().bind_tools([])


def test_tokens_are_counted_roughly() -> None:
    """Without a tokenizer four characters make a token, and a message costs a little more than its text."""
    assert Upper().get_num_tokens("x" * 9) == 3
    assert Upper().get_num_tokens_from_messages([HumanMessage("x" * 8)]) > 2

"""What LangChain has, used from plait: values, streams, errors, limits."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest
from pydantic import BaseModel

from plait.embeddings import Embeddings
from plait.errors import ConfigError, DeadlineError, OutputParserException
from plait.language_models import BaseChatModel
from plait.messages import AIMessage, AIMessageChunk, HumanMessage
from plait.output_parsers import StrOutputParser
from plait.prompts import ChatPromptTemplate
from plait.providers.langchain import (
    ChatLangChain,
    LangChainParser,
    LangChainPrompt,
    LangChainRunnable,
    from_langchain,
    to_langchain,
)
from plait.retrievers import BaseRetriever
from plait.runnables import RunnableLambda, RunnablePassthrough
from plait.testing import check_runnable

pytestmark = pytest.mark.peer

OTHERS = {
    "event-loop": "LangChain hands what is only sync to asyncio's own pool, which looks at a lock without waiting for it",
    "early-close": "LangChain leaves the async generators inside of a sequence to the garbage collector",
}


@pytest.fixture(scope="module")
def fakes(lc: Any) -> Any:
    return pytest.importorskip("langchain_core.language_models.fake_chat_models")


@pytest.fixture
def chain(lc: Any, fakes: Any) -> Any:
    """Prompt, model and parser, all of LangChain's."""
    prompt = lc.prompts.ChatPromptTemplate.from_messages([("human", "say {x}")])
    return prompt | fakes.ParrotFakeChatModel() | lc.output_parsers.StrOutputParser()


class Search(BaseModel):
    """Look something up."""

    query: str


# ------------------------------------------------------------------------------------------------------------- models


def test_a_chat_model_is_one_of_ours(run: Any, fakes: Any) -> None:
    """It takes plait's messages, gives plait's messages, and goes into plait's chains, in every mode."""
    model = from_langchain(fakes.FakeListChatModel(responses=["hello"]))
    chain = ChatPromptTemplate.from_messages([("human", "say {x}")]) | model | StrOutputParser()

    assert isinstance(model, BaseChatModel)
    assert isinstance(run(model, [HumanMessage("hi")]), AIMessage | AIMessageChunk)
    assert run(chain, {"x": 1}) == "hello"


def test_a_chat_model_streams_token_by_token(fakes: Any) -> None:
    """Each chunk of LangChain's is a chunk here, and the last says that it is."""
    model = from_langchain(fakes.GenericFakeChatModel(messages=iter([AIMessageIn("one two")])))

    chunks = list(model.stream("go"))

    assert [chunk.content for chunk in chunks] == ["one", " ", "two"]
    assert chunks[-1].chunk_position == "last"


def AIMessageIn(text: str) -> Any:  # noqa: N802 - a message of the other library
    return to_langchain(AIMessage(text))


def test_a_model_that_only_answers_whole_streams_one_chunk(fakes: Any) -> None:
    """A model without a stream of its own gives its message as the only chunk."""
    [chunk] = from_langchain(fakes.FakeMessagesListChatModel(responses=[AIMessageIn("whole")])).stream("go")

    assert isinstance(chunk, AIMessageChunk)
    assert chunk.content == "whole"


def test_tools_are_bound_as_the_model_binds_them(lc: Any, fakes: Any) -> None:
    """``bind_tools`` of the LangChain class decides what the model gets."""
    seen = {}

    class Caller(fakes.ParrotFakeChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            written = [lc.utils.function_calling.convert_to_openai_tool(tool) for tool in tools]
            return self.bind(tools=written, **kwargs)

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.update(kwargs)
            call = {"name": "Search", "args": {"query": "cats"}, "id": "1"}
            message = lc.messages.AIMessage("", tool_calls=[call])
            return lc.outputs.ChatResult(generations=[lc.outputs.ChatGeneration(message=message)])

    model = from_langchain(Caller())

    answer = model.bind_tools([Search], tool_choice="any").invoke("find cats")
    found = model.with_structured_output(Search).invoke("find cats")

    assert answer.tool_calls[0]["args"] == {"query": "cats"}
    assert seen["tools"][0]["function"]["name"] == "Search"
    assert found == Search(query="cats")


def test_a_text_model_is_one_of_ours(run: Any, lc: Any) -> None:
    """A text model gives text."""
    fake = pytest.importorskip("langchain_core.language_models.fake").FakeStreamingListLLM(responses=["text"])

    assert run(from_langchain(fake), "go") == "text"


# -------------------------------------------------------------------------------------------------------------- nodes


def test_a_chain_runs_as_one_node(run: Any, chain: Any) -> None:
    """A whole chain of LangChain's is a step like any other."""
    assert run(from_langchain(chain) | str.upper, {"x": "hi"}) == "SAY HI"


def test_prompts_and_parsers_know_what_they_are(lc: Any, run: Any) -> None:
    """Their runs are of the right kind, and what they give is plait's."""
    prompt = from_langchain(lc.prompts.PromptTemplate.from_template("say {x}"))
    parser = from_langchain(lc.output_parsers.CommaSeparatedListOutputParser())

    assert (type(prompt), type(parser)) == (LangChainPrompt, LangChainParser)
    assert run(prompt, {"x": 1}).to_messages() == [HumanMessage("say 1")]
    assert run(parser, AIMessage("a, b")) == ["a", "b"]


def test_values_that_grow_take_each_others_place(run: Any, lc: Any) -> None:
    """LangChain's JSON parser streams ever more of one value; the sum of its stream is what invoke gives."""
    parser = from_langchain(lc.output_parsers.JsonOutputParser())
    words = RunnableLambda(str) | (lambda text: (yield from text)) | parser  # type: ignore[misc,operator]  # a generator

    assert run(words, '{"a": "xyz", "b": [1, 2]}') == {"a": "xyz", "b": [1, 2]}


def test_pieces_of_dicts_add_up(run: Any, lc: Any, chain: Any) -> None:
    """The branches of a LangChain map stream side by side and become one dict, in both libraries."""
    both = from_langchain(lc.runnables.RunnableParallel(a=chain, b=chain))

    assert run(both | (lambda d: d["a"] + d["b"]), {"x": 1}) == "say 1say 1"
    assert run(both, {"x": 1}) == {"a": "say 1", "b": "say 1"}


def test_a_generator_of_langchain_works_on_chunks(lc: Any) -> None:
    """A Runnable that reads chunks gets each as it comes, and no chunk before it is asked for."""
    told: list[str] = []

    def upper(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            told.append(f"upper {chunk}")
            yield chunk.upper()

    def source(_: Any) -> Iterator[str]:
        for letter in "abc":
            told.append(f"source {letter}")
            yield letter

    stream = (RunnableLambda(source) | from_langchain(lc.runnables.RunnableGenerator(upper))).stream(0)

    assert (next(stream), list(told)) == ("A", ["source a", "upper a"])
    assert list(stream) == ["B", "C"]


def test_early_close_ends_both_sides(lc: Any) -> None:
    """Closing the stream here closes the generator there."""
    ended: list[str] = []

    def endless(_: Iterator[Any]) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append("there")

    with closing(from_langchain(lc.runnables.RunnableGenerator(endless)).stream(0)) as stream:
        next(stream)

    assert ended == ["there"]


async def test_early_aclose_ends_both_sides(lc: Any) -> None:
    """Closing the async stream here closes the generator there before ``aclose`` returns."""
    ended: list[str] = []

    async def endless(_: AsyncIterator[Any]) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            ended.append("there")

    async with aclosing(from_langchain(lc.runnables.RunnableGenerator(endless)).astream(0)) as stream:
        await anext(stream)

    assert ended == ["there"]


def test_a_parser_error_is_known_to_both(lc: Any) -> None:
    """What LangChain's parsers raise is caught by either library's name, and keeps what it knows."""
    parser = from_langchain(lc.output_parsers.JsonOutputParser())

    with pytest.raises(OutputParserException) as caught:
        parser.invoke("no json")

    assert isinstance(caught.value, lc.exceptions.OutputParserException)
    assert caught.value.llm_output == "no json"
    assert pickle.loads(pickle.dumps(caught.value)).llm_output == "no json"


def test_other_errors_are_the_same_object(run: Any, lc: Any) -> None:
    """Any other exception goes over as it is."""
    error = KeyError("mine")

    def fail(_: Any) -> Any:
        raise error

    with pytest.raises(KeyError) as caught:
        run(from_langchain(lc.runnables.RunnableLambda(fail)), 0)

    assert caught.value is error


def test_errors_of_a_batch_stand_in_their_places(lc: Any) -> None:
    """``return_exceptions`` works as for any runnable."""
    node = from_langchain(lc.runnables.RunnableLambda(lambda x: 1 // x))

    good, bad = node.batch([1, 0], return_exceptions=True)

    assert (good, type(bad)) == (1, ZeroDivisionError)


async def test_a_deadline_cancels_langchain(lc: Any) -> None:
    """The task of LangChain's is cancelled, and has ended when the error is raised."""
    ended: list[bool] = []

    async def hang(_: Any) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    with pytest.raises(DeadlineError):
        await from_langchain(lc.runnables.RunnableLambda(lambda x: x, afunc=hang)).ainvoke(0, {"timeout": 0.05})

    assert ended == [True]


def test_a_deadline_ends_sync_work_between_steps(lc: Any) -> None:
    """A chain of LangChain's that is over time begins no other step."""
    import time

    begun: list[int] = []

    def slow(x: int) -> int:
        begun.append(x)
        time.sleep(0.05)
        return x + 1

    steps = lc.runnables.RunnableLambda(slow)
    long = from_langchain(steps | steps | steps | steps | steps | steps)

    with pytest.raises(DeadlineError):
        long.invoke(0, {"timeout": 0.08})

    assert len(begun) < 6


def test_the_config_gets_there(lc: Any, run: Any) -> None:
    """Tags, metadata and configurable values are what a LangChain function finds in its config."""
    seen: dict[str, Any] = {}

    def look(x: Any, config: Any) -> Any:
        seen.update(config)
        return x

    run(
        from_langchain(lc.runnables.RunnableLambda(look)),
        1,
        {"tags": ["t"], "metadata": {"m": 1}, "configurable": {"c": 2}, "recursion_limit": 7, "max_concurrency": 3},
    )

    assert "t" in seen["tags"]
    assert seen["metadata"]["m"] == 1
    assert seen["configurable"]["c"] == 2
    assert (seen["recursion_limit"], seen["max_concurrency"]) == (7, 3)


def test_a_function_of_ours_inside_inherits(lc: Any) -> None:
    """A plait chain that a LangChain function calls is below the run of the bridge."""
    told: list[tuple[str, Any]] = []

    class Listener:
        def on_run_start(self, run: Any) -> None:
            told.append((run.name, run.parent and run.parent.name))

        def on_run_chunk(self, run: Any, chunk: Any) -> None: ...
        def on_run_event(self, run: Any, name: str, data: Any) -> None: ...
        def on_run_end(self, run: Any) -> None: ...

    inner = RunnableLambda(lambda x: x).with_config(run_name="inner")
    outer = from_langchain(lc.runnables.RunnableLambda(lambda x: inner.invoke(x), name="outer"))

    outer.invoke(1, {"callbacks": [Listener()]})

    assert told == [("outer", None), ("inner", "outer")]


# ---------------------------------------------------------------------------------------------------------- retrieval


def test_embedders_and_retrievers_are_ours(lc: Any, run: Any) -> None:
    """An embedder gives vectors, a retriever plait's documents, under LangChain's tags."""
    embeddings = lc.embeddings.DeterministicFakeEmbedding(size=4)
    store = lc.vectorstores.InMemoryVectorStore.from_texts(["a", "b"], embeddings)
    retriever = from_langchain(store.as_retriever(search_kwargs={"k": 1}))

    assert isinstance(from_langchain(embeddings), Embeddings)
    assert from_langchain(embeddings).embed_query("a") == embeddings.embed_query("a")
    assert isinstance(retriever, BaseRetriever)
    assert [document.page_content for document in run(retriever, "a")] == ["a"]


async def test_an_embedder_works_in_async_code(lc: Any) -> None:
    """The async methods are LangChain's own."""
    embeddings = lc.embeddings.DeterministicFakeEmbedding(size=4)
    ours = from_langchain(embeddings)

    assert await ours.aembed_query("a") == embeddings.embed_query("a")
    assert await ours.aembed_documents(["a"]) == embeddings.embed_documents(["a"])


# --------------------------------------------------------------------------------------------------------------- laws


def test_a_model_keeps_the_laws(fakes: Any) -> None:
    """``check_runnable`` over a chat model of LangChain's."""
    check_runnable(from_langchain(fakes.ParrotFakeChatModel()), ["a", "b"], skip=OTHERS)


def test_a_chain_keeps_the_laws(chain: Any) -> None:
    """``check_runnable`` over a chain of LangChain's."""
    check_runnable(from_langchain(chain), [{"x": "a"}, {"x": "b"}], skip=OTHERS)


def test_a_prompt_keeps_the_laws(lc: Any) -> None:
    """``check_runnable`` over a prompt of LangChain's."""
    check_runnable(from_langchain(lc.prompts.PromptTemplate.from_template("say {x}")), [{"x": "a"}, {"x": "b"}])


def test_unpacked_again(fakes: Any, chain: Any, lc: Any) -> None:
    """What came from LangChain goes back as the very object."""
    for thing in (fakes.ParrotFakeChatModel(), chain, lc.embeddings.DeterministicFakeEmbedding(size=2)):
        assert to_langchain(from_langchain(thing)) is thing


def test_names_and_reprs(fakes: Any) -> None:
    """A node has the name that it has there, or the one it is given."""
    assert from_langchain(fakes.ParrotFakeChatModel()).get_name() == "ParrotFakeChatModel"
    assert ChatLangChain(model=fakes.ParrotFakeChatModel(), name="mine").get_name() == "mine"
    assert isinstance(from_langchain(fakes.ParrotFakeChatModel().with_retry()), LangChainRunnable)


def test_a_join_without_the_door_says_so(fakes: Any) -> None:
    """``|`` knows nothing of LangChain, but its error names the door; so does a config that came from there."""
    theirs = fakes.ParrotFakeChatModel()

    with pytest.raises(TypeError, match="write from_langchain"):
        _ = RunnableLambda(str) | theirs
    with pytest.raises(ConfigError, match="goes to_langchain"):
        RunnableLambda(str).invoke(1, {"callbacks": manager()})


def manager() -> Any:
    return pytest.importorskip("langchain_core.callbacks").CallbackManager(handlers=[])


# ---------------------------------------------------------------------------------------------------- what it is asked


def test_what_it_takes_is_known(lc: Any) -> None:
    """The variables of a prompt, and the keys that a chain asks for, so that it can be a tool."""
    prompt = lc.prompts.PromptTemplate.from_template("{q}")
    chain = {"a": from_langchain(prompt), "b": from_langchain(lc.runnables.RunnableLambda(str))} | RunnablePassthrough()

    assert from_langchain(prompt).input_schema.model_json_schema()["required"] == ["q"]
    assert from_langchain(prompt | lc.runnables.RunnableLambda(str)).get_input_jsonschema()["required"] == ["q"]
    assert [*from_langchain(prompt).as_tool(name="ask", description="Ask.").args] == ["q"]
    assert chain.get_input_jsonschema()["required"] == ["q"]


def test_what_can_be_configured_is_known(lc: Any) -> None:
    """And a call configures it."""
    late = lc.runnables.ConfigurableField(id="template")
    prompt = lc.prompts.PromptTemplate.from_template("a {q}").configurable_fields(template=late)
    chain = RunnablePassthrough() | from_langchain(prompt)

    assert [spec.id for spec in chain.config_specs] == ["template"]
    assert chain.invoke({"q": 1}, {"configurable": {"template": "b {q}"}}).to_string() == "b 1"

"""What plait has, used from LangChain: values, streams, errors, limits."""

from __future__ import annotations

import asyncio
import copy
import importlib
import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.documents import Document
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import ConfigError, DeadlineError, LoadError, OutputParserException
from plait.load import dumps
from plait.messages import AIMessage, HumanMessage
from plait.output_parsers import StrOutputParser
from plait.prompts import ChatPromptTemplate
from plait.providers.langchain import from_langchain, to_langchain
from plait.retrievers import BaseRetriever
from plait.runnables import RunnableGenerator, RunnableLambda
from plait.testing import EchoChatModel, FakeListLLM, GenericFakeChatModel
from plait.vectorstores import InMemoryVectorStore

pytestmark = pytest.mark.peer


@pytest.fixture
def chain(lc: Any) -> Any:
    """A plait chain, as LangChain has it."""
    return to_langchain(ChatPromptTemplate.from_messages([("human", "say {x}")]) | EchoChatModel() | StrOutputParser())


class Finder(BaseRetriever):
    """Gives back what it is asked for."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        return [Document(query, id="1")]


def value_of(run: Any, runnable: Any, input: Any, config: Any = None) -> Any:
    """What a Runnable of LangChain's gives in one of six modes; its chunks are added by LangChain's rules."""
    verb = getattr(runnable, run.mode)
    if run.mode == "stream":
        return summed(list(verb(input, config)))
    if run.mode == "astream":
        return summed(asyncio.run(collected(verb(input, config))))
    given = [input] if "batch" in run.mode else input
    done = verb(given, config)
    value = asyncio.run(awaited(done)) if run.is_async else done
    return value[0] if "batch" in run.mode else value


async def awaited(call: Any) -> Any:
    return await call


async def collected(stream: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in stream]


def summed(chunks: list[Any]) -> Any:
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


# -------------------------------------------------------------------------------------------------------- in a chain


def test_a_chain_is_a_runnable_of_langchains(run: Any, chain: Any, lc: Any) -> None:
    """A plait chain goes between steps of LangChain's, in every mode."""
    whole = lc.runnables.RunnableLambda(lambda x: {"x": x}) | chain | lc.runnables.RunnableLambda(str.upper)

    assert isinstance(chain, lc.runnables.Runnable)
    assert value_of(run, whole, "hi") == "SAY HI"


def test_messages_come_as_plaits(run: Any, lc: Any) -> None:
    """A plait function in a LangChain chain is given plait's messages, and what it gives is LangChain's."""
    seen = []

    def look(prompt: Any) -> Any:
        seen.append(prompt.to_messages())
        return AIMessage("done")

    prompt = lc.prompts.ChatPromptTemplate.from_messages([("human", "say {x}")])

    answer = value_of(run, prompt | to_langchain(look), {"x": 1})

    assert isinstance(answer, lc.messages.AIMessage)
    assert seen == [[HumanMessage("say 1")]]


def test_it_streams_chunk_by_chunk(lc: Any) -> None:
    """Each chunk of plait's goes on at once, and no other is made before it is asked for."""
    told: list[str] = []

    def letters(_: Any) -> Iterator[str]:
        for letter in "abc":
            told.append(letter)
            yield letter

    stream = to_langchain(RunnableLambda(letters)).stream(0)

    assert (next(stream), list(told)) == ("a", ["a"])
    assert list(stream) == ["b", "c"]


def test_pieces_of_dicts_add_up(run: Any, lc: Any) -> None:
    """The chunks of a plait map become one dict by LangChain's rules, too."""
    both = to_langchain(RunnableLambda(str) | {"a": RunnableLambda(str), "b": RunnableLambda(len)})

    assert value_of(run, both, "xy") == {"a": "xy", "b": 2}


def test_values_that_grow_are_plain_in_langchain(lc: Any) -> None:
    """What takes the place of the chunk before it is a plain dict or list there, of which the last one counts as well."""
    parser = from_langchain(lc.output_parsers.JsonOutputParser())
    letters = RunnableLambda(lambda text: text) | (lambda text: (yield from text)) | parser  # type: ignore[misc,operator]

    chunks = list(to_langchain(letters).stream('{"a": "xy"}'))

    assert {type(chunk) for chunk in chunks} == {dict}
    assert chunks[-1] == {"a": "xy"}
    assert (to_langchain(letters) | lc.runnables.RunnableLambda(lambda x: x)).invoke('{"a": "xy"}') == {"a": "xy"}


def test_early_close_ends_both_sides(lc: Any) -> None:
    """Closing LangChain's stream closes plait's generator."""
    ended: list[str] = []

    def endless(_: Iterator[Any]) -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append("here")

    stream = to_langchain(RunnableGenerator(endless)).stream(0)
    next(stream)
    stream.close()

    assert ended == ["here"]


async def test_early_aclose_ends_both_sides(lc: Any) -> None:
    """Closing LangChain's async stream closes plait's before ``aclose`` returns."""
    ended: list[str] = []

    async def endless(_: AsyncIterator[Any]) -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append("here")

    stream = to_langchain(RunnableGenerator(endless)).astream(0)
    await anext(stream)
    await stream.aclose()

    assert ended == ["here"]


def test_a_restart_is_refused_once_something_was_given(lc: Any) -> None:
    """A stream that begins again cannot do so in LangChain; before its first chunk nobody sees it."""
    tries: list[int] = []

    def breaks(at: int) -> Any:
        def letters(_: Any) -> Iterator[str]:
            tries.append(1)
            if len(tries) == 1 and at == 0:
                raise ConnectionError
            yield "a"
            if len(tries) == 1:
                raise ConnectionError

        again = {"wait_exponential_jitter": False, "mid_stream": "restart"}
        return to_langchain(RunnableLambda(letters).with_retry(**again))  # type: ignore[arg-type]  # names and values

    assert list(breaks(0).stream(0)) == ["a"]
    tries.clear()
    with pytest.raises(ConfigError, match="mid_stream"):
        list(breaks(1).stream(0))


def test_errors_are_known_to_both(run: Any, lc: Any) -> None:
    """A parser error of plait's is one of LangChain's, so its fallbacks find it; any other is the same object."""
    error = KeyError("mine")

    def fail(kind: str) -> Any:
        raise OutputParserException("bad", llm_output="x") if kind == "parser" else error

    node = to_langchain(RunnableLambda(fail))

    with pytest.raises(lc.exceptions.OutputParserException) as caught:
        value_of(run, node, "parser")
    with pytest.raises(KeyError) as other:
        value_of(run, node, "other")
    assert (caught.value.llm_output, other.value) == ("x", error)


def test_the_config_gets_there(run: Any, lc: Any) -> None:
    """Tags, metadata and configurable values of LangChain's config are what a plait function finds."""
    seen: dict[str, Any] = {}

    def look(x: Any, config: Any) -> Any:
        seen.update(config)
        return x

    value_of(
        run,
        to_langchain(look),
        1,
        {"tags": ["t"], "metadata": {"m": 1}, "configurable": {"c": 2}, "recursion_limit": 7, "max_concurrency": 3},
    )

    assert "t" in seen["tags"]
    assert (seen["metadata"]["m"], seen["configurable"]["c"]) == (1, 2)
    assert (seen["recursion_limit"], seen["max_concurrency"]) == (7, 3)


async def test_a_deadline_holds_through_langchain(lc: Any) -> None:
    """The deadline of a plait call reaches what LangChain calls of plait's inside of it."""

    async def hang(_: Any) -> Any:
        await asyncio.sleep(60)

    around = from_langchain(lc.runnables.RunnableLambda(lambda x: x) | to_langchain(RunnableLambda(hang)))

    with pytest.raises(DeadlineError):
        await around.ainvoke(0, {"timeout": 0.05})


@pytest.mark.parametrize(
    "ours",
    [
        RunnableLambda(len),
        EchoChatModel(),
        FakeListLLM(responses=["a"]),
        Finder(),
        DeterministicFakeEmbedding(size=3),
        InMemoryVectorStore(DeterministicFakeEmbedding(size=3)),
    ],
    ids=lambda ours: type(ours).__name__,
)
@pytest.mark.usefixtures("lc")
def test_it_can_be_pickled_and_copied(ours: Any) -> None:
    """Also in a process that has not met LangChain yet, where its class is made when the pickle asks for it."""
    theirs = to_langchain(ours)
    module, name = type(theirs).__module__, type(theirs).__name__

    assert getattr(importlib.import_module(module), name) is type(theirs)
    for again in (pickle.loads(pickle.dumps(theirs)), copy.copy(theirs), copy.deepcopy(theirs)):
        assert type(again) is type(theirs)
        assert repr(from_langchain(again)) == repr(ours)
    with pytest.raises(AttributeError, match="there is no 'Plait' here"):
        _ = importlib.import_module(module).Plait


def test_nothing_of_langchains_is_saved(lc: Any) -> None:
    """``dumps`` says what to do with it: cross over, or LangChain's own."""
    for theirs in (lc.messages.HumanMessage("a"), lc.runnables.RunnableLambda(len)):
        with pytest.raises(LoadError, match=r"\$\[0\]: .* from_langchain\(it\)"):
            dumps([theirs])
    with pytest.raises(LoadError, match=r"save from_langchain\(it\)"):
        dumps(to_langchain(EchoChatModel()))
    with pytest.raises(LoadError, match="save that with the library"):
        dumps(from_langchain(lc.runnables.RunnableLambda(len)))


# ------------------------------------------------------------------------------------------------------------ pieces


def test_a_chat_model_is_one_of_langchains(run: Any, lc: Any) -> None:
    """It is asked with LangChain's messages and gives LangChain's."""
    model = to_langchain(EchoChatModel())

    answer = value_of(run, model, [lc.messages.HumanMessage("hi")])

    assert isinstance(model, lc.language_models.BaseChatModel)
    assert isinstance(answer, lc.messages.AIMessage)
    assert answer.content == "hi"


def test_a_chat_model_streams(lc: Any) -> None:
    """Its tokens come one by one."""
    chunks = list(to_langchain(GenericFakeChatModel(messages=iter([AIMessage("one two")]))).stream("go"))

    assert [chunk.content for chunk in chunks if chunk.content] == ["one", " two"]


def test_a_text_model_is_one_of_langchains(run: Any, lc: Any) -> None:
    """A text model gives text."""
    model = to_langchain(FakeListLLM(responses=["text"]))

    assert isinstance(model, lc.language_models.BaseLLM)
    assert value_of(run, model, "go") == "text"


def test_a_retriever_is_one_of_langchains(run: Any, lc: Any) -> None:
    """It gives LangChain's documents."""
    retriever = to_langchain(Finder())

    assert isinstance(retriever, lc.retrievers.BaseRetriever)
    assert value_of(run, retriever, "hi") == [lc.documents.Document(page_content="hi", id="1")]


async def test_an_embedder_is_one_of_langchains(lc: Any) -> None:
    """It works in LangChain's stores."""
    embeddings = to_langchain(DeterministicFakeEmbedding(size=8))
    store = await lc.vectorstores.InMemoryVectorStore.afrom_texts(["a cat", "a car"], embeddings)

    [found] = await store.asimilarity_search("cat", k=1)

    assert isinstance(embeddings, lc.embeddings.Embeddings)
    assert found.page_content == "a cat"


def test_unpacked_again(lc: Any) -> None:
    """What came from plait comes back as the very object."""
    for thing in (
        RunnableLambda(len),
        EchoChatModel(),
        FakeListLLM(responses=["a"]),
        Finder(),
        DeterministicFakeEmbedding(size=2),
    ):
        assert from_langchain(to_langchain(thing)) is thing

"""Vector stores and tools of LangChain's in plait, and plait's stores in LangChain."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from plait.documents import Document
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import ConfigError, StoreError, ToolException, ToolInputError
from plait.messages import AIMessage, ToolMessage
from plait.providers.langchain import from_langchain, to_langchain
from plait.retrievers import BaseRetriever
from plait.runnables import RunnableConfig
from plait.runs import current
from plait.testing import check_embeddings, check_vector_store
from plait.tools import BaseTool, InjectedToolArg, InjectedToolCallId, ToolNode, tool
from plait.vectorstores import InMemoryVectorStore, VectorStore

pytestmark = pytest.mark.peer

TEXTS = ["a red cat", "a blue cat", "a fast car"]


@pytest.fixture
def store(lc: Any) -> Any:
    """A store of LangChain's, in plait."""
    embeddings = to_langchain(DeterministicFakeEmbedding(size=32))
    theirs = lc.vectorstores.InMemoryVectorStore(embeddings)
    ours = from_langchain(theirs)
    ours.add_texts(TEXTS, [{"n": number} for number in range(3)], ids=["0", "1", "2"])
    return ours


async def test_a_store_is_one_of_ours(store: Any) -> None:
    """It keeps, finds, gives and forgets as a store of plait's does, in both colours."""
    assert isinstance(store, VectorStore)
    assert store.get_by_ids(["1"]) == [Document("a blue cat", metadata={"n": 1}, id="1")]
    assert [each.id for each in store.similarity_search("car", k=1)] == ["2"]
    assert [each.id for each in await store.asimilarity_search("car", k=1)] == ["2"]
    assert store.delete(["2"])
    assert await store.aget_by_ids(["2"]) == []


async def test_every_search_is_the_stores_own(store: Any) -> None:
    """Scores, vectors, relevance and diversity come from LangChain's methods."""
    vector = store.embeddings.embed_query("red")

    [(first, score)] = store.similarity_search_with_score("red", k=1)
    [(same, again)] = await store.asimilarity_search_with_score_by_vector(vector, k=1)

    assert (first.id, same.id) == ("0", "0")
    assert score == pytest.approx(again)
    assert store.similarity_search_by_vector(vector, k=1) == [first]
    assert {each.id for each in store.max_marginal_relevance_search("cat", k=2)} <= {"0", "1", "2"}
    assert len(await store.amax_marginal_relevance_search_by_vector(vector, k=2)) == 2


def test_a_filter_is_the_stores_own(store: Any) -> None:
    """A filter goes on in the form that the store takes: a function, here."""
    [found] = store.similarity_search("cat", k=3, filter=lambda document: document.metadata["n"] == 1)

    assert found.id == "1"


async def test_a_retriever_of_it_is_tagged_with_its_class(run: Any, store: Any) -> None:
    """``as_retriever`` is plait's; its runs name LangChain's store."""
    retriever = store.as_retriever(search_type="mmr", search_kwargs={"k": 1}, tags=["mine"])

    assert retriever.tags == ["mine", "InMemoryVectorStore"]
    if not run.is_async:
        assert len(run(retriever, "cat")) == 1


def test_a_store_is_made_by_its_own_class(store: Any) -> None:
    """There is no class to make an empty one of."""
    with pytest.raises(ConfigError, match="its own class"):
        type(store).from_texts(["a"], DeterministicFakeEmbedding(size=2))


async def test_a_store_of_plaits_is_one_of_langchains(lc: Any) -> None:
    """LangChain's code keeps its documents in a store of plait's, and finds them there."""
    ours = InMemoryVectorStore.from_texts(TEXTS, DeterministicFakeEmbedding(size=32))
    theirs = to_langchain(ours)

    ids = theirs.add_documents([lc.documents.Document(page_content="a green frog", metadata={"n": 9})])
    [found] = await theirs.as_retriever(search_kwargs={"k": 1}).ainvoke("green frog")

    assert isinstance(theirs, lc.vectorstores.VectorStore)
    assert found == lc.documents.Document(page_content="a green frog", metadata={"n": 9}, id=ids[0])
    assert theirs.similarity_search_with_score("frog", k=1)[0][0].id == ids[0]
    assert theirs.delete(ids)
    assert (from_langchain(theirs) is ours, to_langchain(from_langchain(theirs)) is ours) != (False, True)


def test_an_embedder_keeps_the_laws(lc: Any) -> None:
    """``check_embeddings`` over an embedder of LangChain's, whose numbers are numpy's."""
    skip = {"odd-texts": "this model of LangChain's encodes its text as UTF-8"}

    check_embeddings(from_langchain(lc.embeddings.DeterministicFakeEmbedding(size=8)), skip=skip)


def test_a_store_keeps_the_laws(lc: Any) -> None:
    """``check_vector_store`` over a store of LangChain's, as far as that store can."""
    skip = {
        "works": "this store takes functions as filters, has no relevance, and no other search with a filter",
        "unknown-key": "as works",
        "filters": "as works",
        "delete": "this store cannot forget all at once",
        "refuses": "this store does not compare the lengths of vectors",
        "copies": "this store shares what metadata holds",
        "retriever": "its tag is LangChain's class",
    }

    def make(embedding: Any) -> Any:
        return from_langchain(lc.vectorstores.InMemoryVectorStore(to_langchain(embedding)))

    check_vector_store(make, skip=skip)


def test_a_search_for_nothing_is_refused(store: Any) -> None:
    """A ``k`` below 1 and a vector that holds no numbers are found before LangChain is asked."""
    with pytest.raises(ConfigError):
        store.similarity_search("cat", k=0)
    with pytest.raises(StoreError):
        store.similarity_search_by_vector([float("nan")] * 32)


@pytest.fixture
def add(lc: Any) -> Any:
    """A tool of LangChain's, in plait."""

    @lc.tools.tool
    def add(a: int, b: int) -> Any:
        """Add two numbers."""
        if a < 0:
            raise lc.tools.ToolException("no debts")
        return a + b

    return from_langchain(add)


def test_a_tool_takes_arguments_and_calls(run: Any, add: Any) -> None:
    """A dict of arguments gives the value, a model's tool call a tool message."""
    call = {"name": "add", "args": {"a": 1, "b": 2}, "id": "7", "type": "tool_call"}

    answer = run(add, call)

    assert isinstance(add, BaseTool)
    assert run(add, {"a": 1, "b": 2}) == 3
    assert (type(answer), answer.content, answer.tool_call_id) == (ToolMessage, "3", "7")


def test_a_tool_says_what_it_is(add: Any) -> None:
    """Name, description and arguments are LangChain's, its runs those of a tool."""
    assert (add.get_name(), add.description) == ("add", "Add two numbers.")
    assert set(add.args) == {"a", "b"}
    assert add._kind == "tool"


def test_an_error_of_a_tool_is_known_to_both(run: Any, lc: Any, add: Any) -> None:
    """What a tool may tell its model is caught by either library's name."""
    with pytest.raises(ToolException, match="no debts") as caught:
        run(add, {"a": -1, "b": 0})

    assert isinstance(caught.value, lc.tools.ToolException)


def test_strange_output_of_a_tool_passes(lc: Any) -> None:
    """A tool that gives a value of a class of its own, or a deep one, gives that."""
    strange = object()

    @lc.tools.tool
    def give(what: str) -> Any:
        """Give something."""
        return {"deep": [[[strange]]], "documents": [lc.documents.Document(page_content=what)]}

    came = from_langchain(give).invoke({"what": "x"})

    assert came["deep"][0][0][0] is strange
    assert came["documents"] == [Document("x")]


def test_wrong_arguments_are_named(run: Any, add: Any) -> None:
    """What LangChain refuses is a ToolInputError here, which a ToolNode tells the model."""
    call = {"name": "add", "args": {"a": "x"}, "id": "7", "type": "tool_call"}

    [told] = run(ToolNode([add]), AIMessage("", tool_calls=[call]))

    assert told.status == "error"
    assert "'b'" in told.content
    with pytest.raises(ToolInputError, match="cannot be called"):
        run(add, {"a": "x"})


def test_a_tool_of_plaits_is_one_of_langchains(lc: Any) -> None:
    """It takes arguments and tool calls there, and its errors are handled there."""

    @tool(response_format="content_and_artifact")
    def look(query: str) -> Any:
        """Look something up."""
        if not query:
            raise ToolException("nothing to look for")
        return query.upper(), {"raw": query}

    theirs = to_langchain(look)
    call = {"name": "look", "args": {"query": "a"}, "id": "7", "type": "tool_call"}

    assert isinstance(theirs, lc.tools.BaseTool)
    assert theirs.invoke({"query": "a"}) == "A"
    assert (theirs.invoke(call).content, theirs.invoke(call).artifact) == ("A", {"raw": "a"})
    with pytest.raises(lc.tools.ToolException, match="nothing"):
        theirs.invoke({"query": ""})
    assert from_langchain(theirs) is look


def test_models_of_langchain_are_told_of_plaits_tools(lc: Any) -> None:
    """``bind_tools`` takes tools of either library."""
    fakes = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    told = []

    class Caller(fakes.ParrotFakeChatModel):  # type: ignore[misc,name-defined]  # its base is loaded when it is needed
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            told.extend(lc.utils.function_calling.convert_to_openai_tool(each) for each in tools)
            return self.bind(tools=told)

    @tool
    def ours(a: int) -> int:
        """One of plait's."""
        return a

    @lc.tools.tool
    def theirs(a: int) -> int:
        """One of LangChain's."""
        return a

    from_langchain(Caller()).bind_tools([ours, from_langchain(theirs), theirs])

    assert [each["function"]["name"] for each in told] == ["ours", "theirs", "theirs"]


# -------------------------------------------------------------------------------------------- what tools are told of


def asked(who: str, config: RunnableConfig) -> str:
    """Who is asked."""
    return f"{who} {config['configurable']} {config['tags']}"


async def test_a_tool_of_plaits_inherits_langchains_config() -> None:
    """Its function sees what the call was configured with, in both colours, as a step of a chain, too."""
    theirs = to_langchain(tool(asked))
    config: Any = {"configurable": {"user": 1}, "tags": ["t"]}

    assert theirs.invoke({"who": "a"}, config) == "a {'user': 1} ['t']"
    assert await theirs.ainvoke({"who": "a"}, config) == "a {'user': 1} ['t']"
    assert (
        "{'user': 1}"
        in theirs.invoke({"type": "tool_call", "name": "asked", "args": {"who": "a"}, "id": "1"}, config).content
    )


class Numbered(BaseRetriever):
    """A retriever that says what it was asked with."""

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None, k: int = 1) -> list[Document]:
        scope = current.get()
        return [Document(f"{query} {scope and scope['configurable']}")] * k


async def test_a_retriever_of_plaits_inherits_langchains_config_and_arguments(lc: Any) -> None:
    """What LangChain keeps from its retrievers: the config; and what the caller adds to the query."""
    theirs: Any = to_langchain(Numbered())
    config: Any = {"configurable": {"user": 1}}
    said = ["q {'user': 1}"] * 2

    assert [each.page_content for each in theirs.invoke("q", config, k=2)] == said
    assert [each.page_content for each in await theirs.ainvoke("q", config, k=2)] == said
    chain = lc.runnables.RunnableLambda(str) | theirs
    assert [each.page_content for each in chain.invoke("q", config)] == said[:1]


def kept(
    text: str, call: Annotated[str, InjectedToolCallId], who: Annotated[str, InjectedToolArg] = "nobody"
) -> tuple[str, str]:
    """Keep a text."""
    return f"{text} of {who}", call


@pytest.mark.parametrize("form", ["content", "content_and_artifact"])
async def test_what_is_injected_goes_over(lc: Any, form: Any) -> None:
    """The id of the call by LangChain, the rest by the program; models are told of neither, and may give neither."""
    theirs = to_langchain(tool(response_format=form)(kept))
    call: Any = {"type": "tool_call", "name": "kept", "args": {"text": "x"}, "id": "7"}
    forged = {**call, "args": {"text": "x", "who": "forged"}}
    for message in (theirs.invoke(call), await theirs.ainvoke(call)):
        assert "x of nobody" in message.content
        assert (message.artifact or "7") == "7"
    assert [*theirs.args] == ["text"]
    with pytest.raises(lc.tools.ToolException, match="'who' is not for a model to give"):
        theirs.invoke(forged)
    with pytest.raises(ToolInputError, match="'who' is not for a model to give"):
        await theirs.ainvoke(forged)


def test_a_tool_with_an_artifact_takes_a_text() -> None:
    """As any tool of one argument does."""

    @tool(response_format="content_and_artifact")
    def pair(text: str) -> tuple[str, int]:
        """Give a pair."""
        return text, 1

    assert to_langchain(pair).invoke("x") == "x"


async def test_a_model_gives_no_injected_argument_to_a_tool_of_langchains(lc: Any) -> None:
    """It is the program's there, too."""

    def pay(amount: int, account: Any = "own") -> str:
        """Pay."""
        return f"{amount} from {account}"

    pay.__annotations__ = {"amount": int, "account": Annotated[str, lc.tools.InjectedToolArg], "return": str}
    ours = from_langchain(lc.tools.tool(pay))
    forged = {"type": "tool_call", "name": "pay", "args": {"amount": 1, "account": "other"}, "id": "1"}
    honest = {**forged, "args": {"amount": 1}}

    assert ours.invoke(honest, injected={"account": "mine"}).content == "1 from mine"
    assert ours.invoke({"amount": 1, "account": "mine"}) == "1 from mine"
    with pytest.raises(ToolInputError, match="'account' is not for a model to give"):
        ours.invoke(forged)
    with pytest.raises(ToolInputError, match="'account' is not for a model to give"):
        await ours.ainvoke(forged)

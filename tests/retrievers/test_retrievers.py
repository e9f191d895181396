"""Retrievers: what each finds, in every verb, and what is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait import (
    BaseRetriever,
    BM25Retriever,
    ChatPromptTemplate,
    ContextualCompressionRetriever,
    DeterministicFakeEmbedding,
    Document,
    EmbeddingsFilter,
    EnsembleRetriever,
    FakeListChatModel,
    InMemoryVectorStore,
    MultiQueryRetriever,
    ParentDocumentRetriever,
    RunnableLambda,
    RunnablePassthrough,
    StoreError,
    StrOutputParser,
)
from plait.errors import ChainError, ConfigError
from plait.retrievers.fusion import fused, key_by
from plait.stores import InMemoryStore
from plait.testing import EchoChatModel
from plait.text_splitters import RecursiveCharacterTextSplitter

EMBEDDING = DeterministicFakeEmbedding(size=64)
TEXTS = ["harrison worked at kensho", "bears like honey", "kensho lies in cambridge", "honey is sweet"]


class Words(BaseRetriever):
    """Finds texts by a word; async code has a way of its own, if it is told of one."""

    texts: list[str] = TEXTS

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        return [Document(text) for text in self.texts if query in text]


def texts(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


def words() -> BM25Retriever:
    return BM25Retriever.from_texts(TEXTS, [{"n": n} for n in range(4)], ids=["a", "b", "c", "d"], k=2)


def vectors(k: int = 2) -> Any:
    return InMemoryVectorStore.from_texts(TEXTS, EMBEDDING).as_retriever(search_kwargs={"k": k})


# ------------------------------------------------------------------------------------------------------------ the base


def test_a_retriever_of_ones_own(run: Any) -> None:
    """One method is all that is written; it is there in every verb."""
    assert texts(run(Words(), "honey")) == ["bears like honey", "honey is sweet"]


@pytest.mark.parametrize("given", [1, None, ["honey"], {"query": "honey"}])
def test_only_a_text_is_searched_for(run: Any, given: Any) -> None:
    """Anything else is a TypeError that says what came."""
    with pytest.raises(TypeError, match=f"Words takes a text to search for, but got {type(given).__name__}"):
        run(Words(), given)


def test_what_is_found_must_be_documents(run: Any) -> None:
    """A retriever that gives texts is told so."""

    class Wrong(Words):
        def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> Any:
            return ["a text"]

    with pytest.raises(StoreError, match="Wrong must give a list of documents, but gave a list with str"):
        run(Wrong(), "a")


def test_the_async_method_is_used() -> None:
    """Where there is one, async verbs call it and no thread."""

    class Async(Words):
        async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
            return [Document("async")]

    assert texts(asyncio.run(Async().ainvoke("x"))) == ["async"]


async def test_its_labels_are_those_of_its_own_runs() -> None:
    """Tags and metadata of a retriever are told of its run, and of none below it."""

    class Nested(Words):
        def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
            return RunnableLambda(lambda text: [Document(text)], name="inner").invoke(query)

    log = {}
    async for state in Nested(tags=["mine"], metadata={"of": "me"}, name="outer").astream_log("x", diff=False):
        log = state.state["logs"]
    inner = log["inner"]

    assert inner["tags"] == []
    assert inner["metadata"] == {}


# --------------------------------------------------------------------------------------------------------------- words


def test_words_that_are_rare_count_most(run: Any) -> None:
    """The document with the rarest words of the question comes first; ids and metadata are kept."""
    found = run(words(), "Where is KENSHO, in Cambridge?")

    assert texts(found)[0] == "kensho lies in cambridge"
    assert (found[0].id, found[0].metadata) == ("c", {"n": 2})


def test_no_word_no_document(run: Any) -> None:
    """What shares no word is not given, and no text is a question without an answer."""
    assert run(words(), "zebra") == []
    assert run(words(), "") == []
    assert run(BM25Retriever.from_texts([]), "honey") == []


def test_words_are_made_by_a_function() -> None:
    """Other languages have other words: ``preprocess_func`` makes them, for questions too."""
    letters = BM25Retriever.from_texts(["日本語", "中国"], preprocess_func=list)

    assert texts(letters.invoke("本")) == ["日本語"]


def test_as_many_metadatas_as_texts() -> None:
    """Counts that differ are refused."""
    with pytest.raises(ConfigError, match="2 texts, 1 metadatas"):
        BM25Retriever.from_texts(["a", "b"], [{}])


# -------------------------------------------------------------------------------------------------------------- several


def test_an_ensemble_is_one_ranking(run: Any) -> None:
    """What several find comes before what one finds, and each document once."""
    found = texts(run(EnsembleRetriever(retrievers=[words(), vectors(4), Words()]), "honey"))

    assert set(found[:2]) == {"bears like honey", "honey is sweet"}
    assert len(found) == len(set(found)) == 4


def test_weights_decide() -> None:
    """A retriever that weighs more puts its documents first."""
    one, other = Words(texts=["x one"]), Words(texts=["x other"])
    ensemble = EnsembleRetriever(retrievers=[one, other], weights=[1, 3], k=1)

    assert texts(ensemble.invoke("x")) == ["x other"]


def test_an_ensemble_must_be_one() -> None:
    """No retriever, or a weight too few, is refused when it is built."""
    with pytest.raises(ChainError, match="at least one"):
        EnsembleRetriever(retrievers=[])
    with pytest.raises(ConfigError, match="2 retrievers, but 1 weights"):
        EnsembleRetriever(retrievers=[Words(), Words()], weights=[1.0])


async def test_a_failing_retriever_ends_the_others() -> None:
    """Its error is raised, and the sibling that waits is cancelled by then."""
    ended = asyncio.Event()

    class Waits(Words):
        async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return []

    class Breaks(Words):
        async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
            await asyncio.sleep(0)
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await EnsembleRetriever(retrievers=[Waits(), Breaks()]).ainvoke("x")
    assert ended.is_set()


RANKINGS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=6), min_size=1, max_size=4)


@given(RANKINGS)
def test_fusion_is_the_formula(rankings: list[list[str]]) -> None:
    """Each document has the sum of weight / (rank + c), over the rankings in which it stands."""
    documents = [[Document(letter) for letter in dict.fromkeys(ranking)] for ranking in rankings]
    weights = [1.0 + number for number in range(len(rankings))]
    scores: dict[str, float] = {}
    for ranking, weight in zip(documents, weights, strict=True):
        for rank, document in enumerate(ranking, 1):
            scores[document.page_content] = scores.get(document.page_content, 0) + weight / (rank + 60)
    found = texts(fused(documents, weights, 60, key_by(None)))

    assert sorted(found) == sorted(scores)
    assert [scores[letter] for letter in found] == sorted(scores.values(), reverse=True)


# ----------------------------------------------------------------------------------------------------- other questions


def test_other_questions_find_more(run: Any) -> None:
    """The questions of the model are searched for as well as the first one; each document is given once."""
    model = FakeListChatModel(responses=["cambridge\n\n  bears \nhoney\nmore than asked for"])
    found = texts(run(MultiQueryRetriever.from_llm(Words(), model), "kensho"))

    assert found == [TEXTS[0], TEXTS[2], TEXTS[1], TEXTS[3]]


def test_only_so_many_questions() -> None:
    """A model that writes a thousand questions is asked for three."""
    asked = []

    class Counts(Words):
        def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
            asked.append(query)
            return []

    model = FakeListChatModel(responses=["\n".join(map(str, range(1000)))])
    MultiQueryRetriever.from_llm(Counts(), model, include_original=False).invoke("x", {"max_concurrency": 1})

    assert asked == ["0", "1", "2"]


# ------------------------------------------------------------------------------------------------------- what matters


def test_compression(run: Any) -> None:
    """What was found is given to the compressor with the question, and what it leaves is given."""
    filtered = ContextualCompressionRetriever(
        base_retriever=vectors(4), base_compressor=EmbeddingsFilter(embeddings=EMBEDDING, k=1)
    )

    assert texts(run(filtered, "bears like honey")) == ["bears like honey"]
    assert run(filtered.model_copy(update={"base_retriever": Words()}), "nothing") == []


def test_what_is_not_near_is_left_out(run: Any) -> None:
    """The filter works by a threshold, too, and leaves out what says the same as something better."""
    documents = [Document("bears like honey"), Document("bears like honey"), Document("stocks fell")]
    given = {"documents": documents, "query": "bears like honey"}

    assert len(run(EmbeddingsFilter(embeddings=EMBEDDING, similarity_threshold=0.9), given)) == 2
    assert len(run(EmbeddingsFilter(embeddings=EMBEDDING, redundancy_threshold=0.99), given)) == 2
    with pytest.raises(ConfigError, match="needs k"):
        EmbeddingsFilter(embeddings=EMBEDDING, k=None)


# ------------------------------------------------------------------------------------------------------- large documents


def parents(**settings: Any) -> ParentDocumentRetriever:
    small = RecursiveCharacterTextSplitter(chunk_size=24, chunk_overlap=0)
    return ParentDocumentRetriever(
        vectorstore=InMemoryVectorStore(EMBEDDING), docstore=InMemoryStore(), child_splitter=small, **settings
    )


LONG = [
    Document("harrison worked at kensho for a long time, and then left", metadata={"n": 1}),
    Document("bears like honey"),
]


def test_small_pieces_find_large_documents(run: Any) -> None:
    """The whole document of the best piece is given, once, as it was put in."""
    retriever = parents(search_kwargs={"k": 3})
    assert retriever.add_documents(LONG, ids=["one", "two"]) == ["one", "two"]

    found = run(retriever, "harrison worked at kensho")
    assert (found[0].page_content, found[0].metadata) == (LONG[0].page_content, {"n": 1})
    assert len(found) == len({document.page_content for document in found})


async def test_large_documents_are_split_too() -> None:
    """With a parent splitter the parts are kept, each under an id of its own; the async twin does the same."""
    retriever = parents(parent_splitter=RecursiveCharacterTextSplitter(chunk_size=30, chunk_overlap=0))
    ids = await retriever.aadd_documents(LONG)
    [best, *_] = await retriever.ainvoke("harrison worked at kensho")

    assert len(ids) == 3
    assert best.page_content == "harrison worked at kensho for"
    with pytest.raises(ConfigError, match="3 documents to keep, but 1 ids"):
        retriever.add_documents(LONG, ids=["one"])


# ------------------------------------------------------------------------------------------------------ hostile documents


def test_documents_are_no_templates(run: Any) -> None:
    """Braces in what was found reach the model as they are, through the chain of the specification."""
    store = InMemoryVectorStore.from_texts(["{question} {secret} {{x}} {0.__class__} %s", *TEXTS], EMBEDDING)
    chain = (
        {"context": store.as_retriever(search_kwargs={"k": 1}), "question": RunnablePassthrough()}
        | ChatPromptTemplate.from_template("{context} {question}").partial(secret="s3cret")
        | EchoChatModel()
        | StrOutputParser()
    )
    said = run(chain, "{question} {secret} {{x}} {0.__class__} %s")

    assert "s3cret" not in said
    assert said.count("{secret}") == 2


def test_retrieved_documents_are_the_callers_own() -> None:
    """A change of a document that was found is not found again."""
    for retriever in (words(), vectors()):
        retriever.invoke("honey")[0].metadata["x"] = 1
        assert all("x" not in document.metadata for document in retriever.invoke("honey"))


def test_schemas() -> None:
    """A text goes in, and a list of documents comes out."""
    assert words().get_input_jsonschema()["type"] == "string"
    assert words().get_output_jsonschema()["type"] == "array"
    assert "page_content" in json.dumps(words().get_output_jsonschema())

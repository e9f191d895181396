"""``check_retriever``: every retriever of plait keeps its laws, and each fault that is seeded is found."""

from __future__ import annotations

from typing import Any

import pytest

from plait import (
    FAISS,
    BaseRetriever,
    BM25Retriever,
    ContextualCompressionRetriever,
    DeterministicFakeEmbedding,
    Document,
    EmbeddingsFilter,
    EnsembleRetriever,
    InMemoryVectorStore,
    MultiQueryRetriever,
    ParentDocumentRetriever,
    Runnable,
    RunnableLambda,
)
from plait.stores import InMemoryStore
from plait.testing import ConformanceError, acheck_retriever, check_retriever
from plait.text_splitters import RecursiveCharacterTextSplitter

EMBEDDING = DeterministicFakeEmbedding(size=32)
TEXTS = ["harrison worked at kensho", "bears like honey", "kensho lies in cambridge", "honey is sweet"]
QUERIES = ["honey", "kensho"]


def vectors() -> BaseRetriever:
    return InMemoryVectorStore.from_texts(TEXTS, EMBEDDING).as_retriever(search_kwargs={"k": 2}, metadata={"of": "us"})


def parents() -> BaseRetriever:
    retriever = ParentDocumentRetriever(
        vectorstore=InMemoryVectorStore(EMBEDDING),
        docstore=InMemoryStore(),
        child_splitter=RecursiveCharacterTextSplitter(chunk_size=12, chunk_overlap=0),
    )
    retriever.add_documents(map(Document, TEXTS))
    return retriever


RETRIEVERS: dict[str, Any] = {
    "in memory": vectors,
    "faiss": lambda: FAISS.from_texts(TEXTS, EMBEDDING).as_retriever(search_type="mmr"),
    "words": lambda: BM25Retriever.from_texts(TEXTS, tags=["words"]),
    "several": lambda: EnsembleRetriever(retrievers=[vectors(), BM25Retriever.from_texts(TEXTS)]),
    "compressed": lambda: ContextualCompressionRetriever(
        base_retriever=vectors(), base_compressor=EmbeddingsFilter(embeddings=EMBEDDING)
    ),
    "other questions": lambda: MultiQueryRetriever(
        retriever=vectors(), llm_chain=RunnableLambda(lambda given: f"{given['question']} or honey")
    ),
    "parents": parents,
}


@pytest.mark.parametrize("made", RETRIEVERS.values(), ids=RETRIEVERS)
def test_every_retriever_keeps_the_laws(made: Any) -> None:
    """One suite over all of them."""
    check_retriever(made(), QUERIES)


class Fine(BaseRetriever):
    """Breaks nothing; the base of those that do."""

    kept: list[Document] = [Document(text) for text in TEXTS]

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        return [document.model_copy(deep=True) for document in self.kept if query in document.page_content]


class Shares(Fine):
    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        return [document for document in self.kept if query in document.page_content]


class Differs(Fine):
    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        return []


class Stumbles(Fine):
    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        if len(query) > 1000:
            raise MemoryError("too long")
        return super()._get_relevant_documents(query)


class Fails(Fine):
    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        raise ConnectionError("gone")


class Blocks(Fine):
    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        import time

        time.sleep(0.001)  # noqa: ASYNC251  # what is wrong with it
        return self._get_relevant_documents(query)


class Unlabelled(Runnable[str, list[Document]]):
    """No BaseRetriever: takes anything, and is of no kind."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return [str(input)]


FAULTS: dict[str, tuple[Any, set[str]]] = {
    "shares its documents": (Shares, {"own-documents"}),
    "other documents in async code": (Differs, {"twins"}),
    "stumbles over a long query": (Stumbles, {"odd-queries"}),
    "fails": (Fails, {"works"}),
    "blocks the loop": (Blocks, {"event-loop"}),
    "is no retriever": (Unlabelled, {"documents", "labels", "only-text"}),
}


@pytest.mark.parametrize(("made", "laws"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(made: Any, laws: set[str]) -> None:
    """The error names the law that is broken."""
    with pytest.raises(ConformanceError) as caught:
        check_retriever(made(), QUERIES, as_runnable=False)

    assert laws <= set(caught.value.laws)


def test_what_is_fine_is_fine() -> None:
    """The base of the faulty ones breaks no law, so it is the fault that is found."""
    check_retriever(Fine(), QUERIES, as_runnable=False)


def test_laws_can_be_skipped_by_name() -> None:
    """With a reason; an unknown law is refused, as is a check without a query."""
    check_retriever(Shares(), QUERIES, as_runnable=False, skip={"own-documents": "they are frozen"})
    with pytest.raises(ValueError, match="unknown"):
        check_retriever(Fine(), QUERIES, as_runnable=False, skip={"no-such-law": "why"})
    with pytest.raises(ValueError, match="at least one query"):
        check_retriever(Fine(), [])


async def test_from_inside_a_loop() -> None:
    """The async twin runs in a thread."""
    await acheck_retriever(Fine(), QUERIES, as_runnable=False)

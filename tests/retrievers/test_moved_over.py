"""Retrievers as programs use them that move over: models that judge, texts that stand for documents, own prompts."""

from __future__ import annotations

from typing import Any

import pytest

from plait import (
    AIMessage,
    BaseRetriever,
    BM25Retriever,
    ChatOpenAI,
    ContextualCompressionRetriever,
    DeterministicFakeEmbedding,
    Document,
    EmbeddingsFilter,
    EnsembleRetriever,
    FakeListChatModel,
    InMemoryVectorStore,
    LLMChainExtractor,
    LLMChainFilter,
    MarkdownHeaderTextSplitter,
    MultiQueryRetriever,
    MultiVectorRetriever,
    OutputParserException,
    ParentDocumentRetriever,
    PromptTemplate,
    RecursiveCharacterTextSplitter,
    RunnableLambda,
    StoreError,
)
from plait.errors import ConfigError, ModelError
from plait.stores import InMemoryByteStore, InMemoryStore
from plait.testing import EchoChatModel

EMBEDDING = DeterministicFakeEmbedding(size=64)
TEXTS = ["bears like {honey}", "owls fly at night"]
DOCUMENTS = [Document(text, metadata={"n": [n]}) for n, text in enumerate(TEXTS)]


class Everything(BaseRetriever):
    """Finds all, and remembers what it was asked."""

    asked: list[str] = []

    def _get_relevant_documents(self, query: str) -> list[Document]:  # type: ignore[override]
        self.asked.append(query)
        return DOCUMENTS


def judging(say: Any) -> Any:
    """A chain in place of prompt and model."""
    return RunnableLambda(lambda given: say(given["question"], given["context"]))


# ------------------------------------------------------------------------------------------------------ models that judge


def test_a_model_says_what_matters(run: Any) -> None:
    """Documents for which it says no are left out; the others stay as they are, with their metadata."""
    filtered = ContextualCompressionRetriever(
        base_retriever=Everything(), base_compressor=LLMChainFilter(llm_chain=judging(lambda q, text: q in text))
    )

    found = run(filtered, "owls")

    assert found == [DOCUMENTS[1]]
    assert found[0].metadata["n"] is not DOCUMENTS[1].metadata["n"]


def test_a_model_extracts_what_matters(run: Any) -> None:
    """What it copies takes the place of the text; where it finds nothing, the document is left out."""
    chain = judging(lambda q, text: " No_Output: none.\n" if q not in text else text.split()[0])
    extracted = ContextualCompressionRetriever(
        base_retriever=Everything(), base_compressor=LLMChainExtractor(llm_chain=chain)
    )

    assert run(extracted, "honey") == [Document("bears", metadata={"n": [0]})]


def test_the_prompt_has_question_and_text(run: Any) -> None:
    """Braces in either are text; a prompt of one's own may be asked in its place."""
    given = {"documents": DOCUMENTS[:1], "query": "{why}?"}
    prompt = PromptTemplate.from_template("{question} {context}")

    whole = run(LLMChainExtractor.from_llm(EchoChatModel()), given)
    own = run(LLMChainExtractor.from_llm(EchoChatModel(), prompt), given)

    assert "Question: {why}?" in whole[0].page_content
    assert "bears like {honey}" in whole[0].page_content
    assert own[0].page_content == "{why}? bears like {honey}"


def test_answers_of_models_must_be_answers() -> None:
    """Something else than yes or no, or than a text, is an error that says which."""
    given: Any = {"documents": DOCUMENTS, "query": "x"}

    with pytest.raises(OutputParserException, match="neither is in the text 'perhaps'"):
        LLMChainFilter.from_llm(FakeListChatModel(responses=["perhaps"])).invoke(given)
    with pytest.raises(StoreError, match="the llm_chain of LLMChainFilter must give True or False, but gave str"):
        LLMChainFilter(llm_chain=judging(lambda q, text: "yes")).invoke(given)
    with pytest.raises(StoreError, match="LLMChainExtractor must give a text, but gave int"):
        LLMChainExtractor(llm_chain=judging(lambda q, text: 1)).invoke(given)


# ------------------------------------------------------------------------------------- texts that stand for documents


def test_summaries_find_documents(run: Any) -> None:
    """What is searched was put into the store by hand, under the ids of the documents, which a store of bytes keeps."""
    retriever = MultiVectorRetriever(
        vectorstore=InMemoryVectorStore(EMBEDDING), byte_store=InMemoryByteStore(), id_key="of", search_kwargs={"k": 2}
    )
    retriever.vectorstore.add_documents([Document(text, metadata={"of": "2"}) for text in ("night", "birds")])
    retriever.docstore.mset([("1", DOCUMENTS[0]), ("2", DOCUMENTS[1])])

    assert run(retriever, "night") == [DOCUMENTS[1]]


def test_documents_need_one_place() -> None:
    """Neither a docstore nor a byte_store, or both, is an error."""
    store = InMemoryVectorStore(EMBEDDING)

    with pytest.raises(ConfigError, match="needs a docstore, or a byte_store"):
        MultiVectorRetriever(vectorstore=store)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="not both"):
        MultiVectorRetriever(vectorstore=store, docstore=InMemoryStore(), byte_store=InMemoryByteStore())  # type: ignore[call-arg]


async def test_pieces_get_the_metadata_that_are_named() -> None:
    """And the large documents need not be put where they are already."""
    kept, store = InMemoryStore(), InMemoryVectorStore(EMBEDDING)
    kept.mset([("a", Document("bears like honey", metadata={"n": 1, "secret": 2}))])
    retriever = ParentDocumentRetriever(
        vectorstore=store,
        docstore=kept,
        child_splitter=RecursiveCharacterTextSplitter(chunk_size=6, chunk_overlap=0),
        child_metadata_fields=["n"],
    )

    await retriever.aadd_documents([kept.mget(["a"])[0]], ids=["a"], add_to_docstore=False)

    assert [piece.metadata for piece in store.similarity_search("bears", k=1)] == [{"n": 1, "doc_id": "a"}]
    assert (await retriever.ainvoke("bears"))[0].metadata["secret"] == 2
    with pytest.raises(ConfigError, match="needs the ids"):
        retriever.add_documents(DOCUMENTS, add_to_docstore=False)


# ----------------------------------------------------------------------------------------------------------- own prompts


@pytest.mark.parametrize(("settings", "asked"), [({}, 7), ({"count": 2}, 2)])
def test_a_prompt_of_ones_own_says_how_many(settings: Any, asked: int) -> None:
    """Its questions are all searched for, unless ``count`` is given."""
    prompt = PromptTemplate.from_template("Seven times in other words: {question}")
    model = FakeListChatModel(responses=["\n".join(map(str, range(7)))])
    retriever = Everything(asked=[])

    MultiQueryRetriever.from_llm(retriever, model, prompt, include_original=False, **settings).invoke("x")

    assert len(retriever.asked) == asked


def test_unknown_settings_and_changes_are_refused() -> None:
    """The error names the nearest setting, or says how to make another retriever; it does not show what was given."""
    retriever = BM25Retriever.from_texts(TEXTS)

    with pytest.raises(ConfigError, match="BM25Retriever has no setting 'kk'; did you mean 'k'") as error:
        BM25Retriever.from_texts(["canary"], kk=2)
    assert "canary" not in str(error.value)
    with pytest.raises(ConfigError, match=r"BM25Retriever is frozen.*model_copy\(update=\{'k': ...\}\)"):
        retriever.k = 2  # type: ignore[misc]
    assert len(retriever.model_copy(update={"k": 1}).invoke("bears owls")) == 1


def test_a_copy_with_other_documents_finds_those() -> None:
    """And the first one goes on finding its own."""
    first = BM25Retriever.from_texts(TEXTS)
    second = first.model_copy(update={"docs": [Document("fish swim")]})

    assert [len(each.invoke("bears fish")) for each in (first, second)] == [1, 1]
    assert first.invoke("fish") == second.invoke("bears") == []


@pytest.mark.parametrize(
    ("name", "hint"), [("callbacks", r"bind it, with_config\(callbacks=...\)"), ("verbose", r"set_debug\(True\)")]
)
def test_settings_that_belong_elsewhere(name: str, hint: str) -> None:
    """The error says where; a model of a server says it, too."""
    with pytest.raises(ConfigError, match=hint):
        FakeListChatModel(responses=["a"], **{name: []})
    with pytest.raises(TypeError, match=r"ChatOpenAI has no setting 'tags': bind it.*config of a call. What only"):
        ChatOpenAI(model="gpt-4o", tags=["a"])


# ------------------------------------------------------------------------------------------------------- wrong answers


def said(value: Any) -> Any:
    """A step that gives this, whatever it is given."""
    return RunnableLambda(lambda _: value, name="wrong")


@pytest.mark.parametrize(
    "retriever",
    [
        EnsembleRetriever(retrievers=[said("text")]),
        ContextualCompressionRetriever(base_retriever=said("text"), base_compressor=LLMChainFilter(llm_chain=said(1))),
        MultiQueryRetriever(retriever=said("text"), llm_chain=said("other")),
    ],
)
def test_what_a_retriever_inside_gives_must_be_documents(run: Any, retriever: Any) -> None:
    """The error names the one that gave something else."""
    with pytest.raises(StoreError, match="wrong must give a list of documents, but gave str"):
        run(retriever, "x")


@pytest.mark.parametrize("given", [AIMessage("a"), {"lines": ["a"]}, None, [1]])
def test_questions_must_be_texts(given: Any) -> None:
    """A message, a dict or nothing is not searched for by what Python writes of it."""
    with pytest.raises(StoreError, match=f"must give a text, or a list of texts, but gave {type(given).__name__}"):
        MultiQueryRetriever(retriever=Everything(), llm_chain=said(given)).invoke("x")


@pytest.mark.parametrize("vectors", [[[1.0]], [[float("nan")] * 64] * 2, [[1.0]] * 2])
def test_vectors_of_a_filter_must_be_vectors(vectors: Any) -> None:
    """One for each document, of numbers, as long as the question's."""

    class Wrong(DeterministicFakeEmbedding):
        def embed_documents(self, texts: Any) -> Any:
            return vectors

    with pytest.raises(ModelError, match="Wrong"):
        EmbeddingsFilter(embeddings=Wrong(size=64)).invoke({"documents": DOCUMENTS, "query": "x"})


def test_what_is_given_to_be_kept_must_be_what_it_is_called() -> None:
    """Letters are no texts and no words, texts no documents, and what is no number no weight."""
    whole = RecursiveCharacterTextSplitter()
    parents = ParentDocumentRetriever(
        vectorstore=InMemoryVectorStore(EMBEDDING), docstore=InMemoryStore(), child_splitter=whole
    )

    with pytest.raises(TypeError, match="got one text; write"):
        BM25Retriever.from_texts("abc")
    with pytest.raises(TypeError, match="preprocess_func must give a list of words, but gave str"):
        BM25Retriever.from_texts(TEXTS, preprocess_func=str.lower)
    with pytest.raises(TypeError, match="ParentDocumentRetriever takes a list of documents, but got a list with str"):
        parents.add_documents(["text"])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match="finite numbers of at least 0"):
        EnsembleRetriever(retrievers=[said([])], weights=[float("nan")])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (
            lambda: RecursiveCharacterTextSplitter().split_text(5),
            "RecursiveCharacterTextSplitter cuts a text, but got int",
        ),  # type: ignore[arg-type]
        (lambda: RecursiveCharacterTextSplitter().create_documents([5]), "cuts a text, but got int"),  # type: ignore[list-item]
        (lambda: RecursiveCharacterTextSplitter().split_documents(["a"]), "takes a list of documents"),  # type: ignore[list-item]
        (lambda: MarkdownHeaderTextSplitter([("#", "a")]).split_text(None), "cuts a text, but got NoneType"),  # type: ignore[arg-type]
    ],
)
def test_splitters_say_what_they_take(call: Any, says: str) -> None:
    """And what came."""
    with pytest.raises(TypeError, match=says):
        call()

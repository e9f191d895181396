"""The store in memory, its file, and the retriever of any store."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from inspect import isawaitable
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait import RunnableLambda
from plait.documents import Document
from plait.embeddings import DeterministicFakeEmbedding, Embeddings
from plait.errors import ConfigError, StoreError
from plait.vectorstores import FAISS, InMemoryVectorStore, maximal_marginal_relevance, similarity

MODEL = DeterministicFakeEmbedding(size=16)


def store() -> InMemoryVectorStore:
    return InMemoryVectorStore.from_texts(
        ["red", "blue", "red blue"], MODEL, [{"n": 1}, {"n": 2}, {}], ids=["r", "b", "m"]
    )


def test_dumped_and_loaded(tmp_path: Path) -> None:
    """It finds the same."""
    store().dump(tmp_path / "deep" / "store.json")
    loaded = InMemoryVectorStore.load(tmp_path / "deep" / "store.json", MODEL)
    found, expected = (each.similarity_search_with_score("red") for each in (loaded, store()))
    assert [document for document, _ in found] == [document for document, _ in expected]
    assert [score for _, score in found] == pytest.approx([score for _, score in expected])


@pytest.mark.parametrize(
    ("key", "value"),
    [("vectors", [[1.0], [2.0]]), ("vectors", "x"), ("ids", ["a"] * 3), ("kind", "FAISS"), ("format", 9)],
)
def test_poisoned_file(tmp_path: Path, key: str, value: Any) -> None:
    """A file that says what cannot be is refused."""
    path = tmp_path / "store.json"
    store().dump(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(StoreError):
        InMemoryVectorStore.load(path, MODEL)


def test_texts_from_a_generator() -> None:
    """They are pulled a thousand at a time, and what came before a failure stays."""

    def texts() -> Iterator[str]:
        yield from map(str, range(1500))
        raise OSError("lost")

    found = InMemoryVectorStore(MODEL)
    with pytest.raises(OSError, match="lost"):
        found.add_texts(texts())
    assert len(found) == 1000


@pytest.mark.parametrize(
    "counts", [{"metadatas": [{}]}, {"ids": ["a"]}, {"metadatas": [{}] * 3}, {"ids": ["a", "b", "c"]}]
)
def test_columns_of_other_lengths(counts: dict[str, Any]) -> None:
    """There must be one for each text."""
    found = InMemoryVectorStore(MODEL)
    with pytest.raises(StoreError):
        found.add_texts(["a", "b"], **counts)


@pytest.mark.parametrize(
    "filter",
    [
        {"n": {"$near": 1}},
        {"$nor": []},
        {"$or": []},
        {"$and": {}},
        {"n": {"$in": "abc"}},
        {"n": {"$gt": None}},
        {"n": {"$exists": 1}},
        {"n": {"$eq": 1, "x": 2}},
        {1: 2},
        {"n": object()},
        "n = 1",
    ],
    ids=range(11),
)
def test_filters_that_say_nothing(filter: Any) -> None:
    """They are refused, and not taken for what nobody meant."""
    with pytest.raises(StoreError, match="filter"):
        store().similarity_search("red", filter=filter)


def test_filter_nested_too_deep() -> None:
    """There is a bound."""
    filter: dict[str, Any] = {"n": 1}
    for _ in range(50_000):
        filter = {"$not": filter}
    with pytest.raises(StoreError, match="nested 20 levels"):
        store().similarity_search("red", filter=filter)


def test_retriever(run: Any) -> None:
    """In a chain, in every mode, with the name of the store in its tags."""
    retriever = store().as_retriever(search_kwargs={"k": 1}, tags=["mine"])
    assert retriever.tags == ["mine", "InMemoryVectorStore"]
    assert run(retriever | RunnableLambda(lambda found: found[0].id), "red") == "r"


@pytest.mark.parametrize(
    ("search_type", "search_kwargs"),
    [
        ("near", {}),
        ("similarity", {"k": 0}),
        ("similarity_score_threshold", {}),
        ("similarity_score_threshold", {"score_threshold": 2}),
        ("similarity_score_threshold", {"score_threshold": float("nan")}),
        ("mmr", {"filter": {"a": {"$x": 1}}}),
    ],
)
def test_retriever_that_cannot_be(search_type: Any, search_kwargs: dict[str, Any]) -> None:
    """It is refused when it is made, and not at its first search."""
    with pytest.raises((ConfigError, StoreError)):
        store().as_retriever(search_type=search_type, search_kwargs=search_kwargs)


@pytest.mark.parametrize("metadata", [{"lock": Lock()}, {1: 2}])
def test_metadata_that_cannot_be_kept(metadata: dict[Any, Any]) -> None:
    """It is refused, and the store goes on as it was."""
    full = store()
    with pytest.raises(StoreError, match="metadata"):
        full.add_texts(["green", "red"], [{}, metadata], ids=["g", "r"])
    assert {each.id for each in full.similarity_search("red", k=9)} == {"r", "b", "m"}
    assert full.delete(["r"])
    assert [each.id for each in full.similarity_search("blue", k=1)] == ["b"]


@pytest.mark.parametrize("make", [InMemoryVectorStore, FAISS])
def test_filter_that_uses_the_store(make: Any) -> None:
    """A function may read the store that it filters, also in other threads, and change it."""
    full = make(MODEL)
    full.add_texts(["red", "blue", "grey"], ids=["r", "b", "g"])
    found: list[Any] = []

    def reads(document: Document) -> bool:
        with ThreadPoolExecutor(1) as pool:
            return bool(pool.submit(full.get_by_ids, [document.id]).result())

    def changes(document: Document) -> bool:
        full.add_texts(["new"])
        return full.delete([document.id or ""]) and document.id != "r"

    def search() -> None:
        found.append(full.similarity_search("red", filter=reads))
        found.append(full.similarity_search("red", filter=changes))

    thread = Thread(target=search, daemon=True)
    thread.start()
    thread.join(20)
    assert [len(each) for each in found] == [3, 0]
    assert [document.page_content for document in full.similarity_search("red")] == ["new"] * 3


def test_vector_beyond_32_bits() -> None:
    """It is refused, as every store refuses it."""
    with pytest.raises(StoreError, match="32 bits"):
        store().similarity_search_by_vector([1e39, *[0.0] * 15])


@pytest.mark.parametrize(
    "slip",
    [
        lambda full: full.delete(id=["r"]),
        lambda full: full.adelete(id=["r"]),
        lambda full: full.add_texts(["x"], metadata=[{}]),
        lambda full: full.aadd_texts(["x"], metadata=[{}]),
        lambda full: full.similarity_search("red", top=1),
    ],
    ids=["delete", "adelete", "add_texts", "aadd_texts", "similarity_search"],
)
async def test_options_that_mean_nothing(slip: Any) -> None:
    """They are refused: `delete` without ids would forget everything."""
    full = store()
    with pytest.raises(ConfigError, match=r"and knows no (id|metadata|top)$"):
        if isawaitable(found := slip(full)):
            await found
    assert len(full) == 3


@pytest.mark.parametrize("model", ["text-embedding-3-small", DeterministicFakeEmbedding, MODEL.embed_query])
def test_embedding_model_that_is_none(model: Any) -> None:
    """It is refused when the store is made, and not at its first text."""
    for make in (InMemoryVectorStore, FAISS):
        with pytest.raises(ConfigError, match="takes an embedding model"):
            make(model)


@pytest.mark.parametrize("query", [None, 5, {"question": "red"}, [0.5] * 16])
async def test_query_that_is_no_text(query: Any) -> None:
    """The error says what to do."""
    with pytest.raises(TypeError, match="a query is a text"):
        store().similarity_search(query)
    with pytest.raises(TypeError, match="a query is a text"):
        await store().amax_marginal_relevance_search(query)


async def test_failure_halfway() -> None:
    """A note says how much was kept, in batches of the size that is asked for."""

    class Failing(DeterministicFakeEmbedding):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            if "4" in texts:
                raise OSError("lost")
            return super().embed_documents(texts)

        async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
            return self.embed_documents(texts)

    texts = [str(number) for number in range(6)]
    for add in ("add_texts", "aadd_texts"):
        found = InMemoryVectorStore(Failing(size=4))
        with pytest.raises(OSError, match="lost") as caught:
            if isawaitable(added := getattr(found, add)(texts, ids=texts, batch_size=2)):
                await added
        assert caught.value.__notes__ == ["The first 4 texts of this call were kept; the last of them is '3'."]
        assert len(found) == 4


def test_metadata_without_end(tmp_path: Path) -> None:
    """What is nested too deep to be copied is refused, also in a file."""
    deep: Any = 1
    for _ in range(101):
        deep = [deep]
    with pytest.raises(StoreError, match="nested 100 levels"):
        store().add_texts(["x"], [{"a": deep}])
    InMemoryVectorStore.from_texts(["x"], MODEL, [{"a": "@"}]).dump(tmp_path / "file")
    (tmp_path / "file").write_text((tmp_path / "file").read_text().replace('"@"', "[" * 600 + "]" * 600))
    with pytest.raises(StoreError, match="more than 100 levels"):
        InMemoryVectorStore.load(tmp_path / "file", MODEL)


def test_metadata_that_cannot_be_copied_later() -> None:
    """What fails while it is kept leaves all as it was."""

    class Once:
        copied = False

        def __deepcopy__(self, memo: object) -> Once:
            if self.copied:
                raise OSError("twice")
            self.copied = True
            return self

    full = store()
    with pytest.raises(OSError, match="twice"):
        full.add_texts(["green", "grey"], [{}, {"a": Once()}], ids=["g", "h"])
    assert full.get_by_ids(["r", "g", "h"]) == store().get_by_ids(["r"])
    assert len(full) == 3
    assert full.add_texts(["green"], ids=["g"])
    assert full.similarity_search("green", k=1)[0].id == "g"


@pytest.mark.parametrize("size", [1e25, 3e38, 1e-25, 1e-42])
@pytest.mark.parametrize("make", [InMemoryVectorStore, lambda model: FAISS(model, distance_strategy="cosine")])
def test_vectors_of_any_length(make: Any, size: float) -> None:
    """A cosine does not depend on it, though 32 bits cannot hold its square."""
    model = Given({"a": [size, 0.0], "b": [size, size], "c": [0.0, size]})
    found = make(model)
    found.add_texts(["c", "b", "a"])
    scores = {document.page_content: score for document, score in found.similarity_search_with_score("a")}
    assert scores == pytest.approx({"a": 1.0, "b": 0.5**0.5, "c": 0.0}, abs=1e-6)


class Given(Embeddings):
    """Gives these vectors."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.vectors[text]


def test_numbers_of_numpy() -> None:
    """They count as numbers."""
    np = pytest.importorskip("numpy")
    assert len(store().similarity_search("red", k=np.int64(2))) == 2
    with pytest.raises(ConfigError, match="k must be"):
        store().similarity_search("red", k=np.arange(2))


@pytest.mark.parametrize("numpy", [True, False])
@given(
    vectors=st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), min_size=3, max_size=3), min_size=1, max_size=9),
    weight=st.floats(0, 1),
)
def test_diversity_by_hand(numpy: bool, vectors: list[list[float]], weight: float) -> None:
    """Each that is chosen is worth at least as much as any other would be, by the definition; each is chosen once."""
    query, *others = vectors
    with pytest.MonkeyPatch.context() as patch:
        if not numpy:
            patch.setattr(similarity, "numpy", lambda: None)
        chosen = maximal_marginal_relevance(query, others, weight, 5)
    assert len(chosen) == len(set(chosen)) == min(5, len(others))

    for step, best in enumerate(chosen):

        def worth(place: int, before: list[int] = chosen[:step]) -> float:
            near = cosine(query, others[place])
            closest = max((cosine(others[place], others[other]) for other in before), default=0.0)
            return weight * near - (1 - weight) * closest if before else near

        assert worth(best) >= max(worth(place) for place in {*range(len(others))} - {*chosen[:step]}) - 1e-9


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / ((math.hypot(*a) or 1) * (math.hypot(*b) or 1))


@pytest.mark.parametrize("numpy", [True, False])
def test_diversity_of_what_cannot_be_compared(numpy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is wrong; there may be nothing to choose from."""
    if not numpy:
        monkeypatch.setattr(similarity, "numpy", lambda: None)
    with pytest.raises(StoreError, match="have 1 and 2 numbers"):
        maximal_marginal_relevance([1.0], [[1.0, 0.0]])
    assert maximal_marginal_relevance([1.0], []) == []
    assert maximal_marginal_relevance([1.0], [[2.0]], k=9) == [0]


def test_of_equal_vectors_the_first_is_chosen() -> None:
    """Whatever the hardware does with sums of many numbers."""
    vector = [math.sin(number) for number in range(333)]
    assert maximal_marginal_relevance(vector, [vector] * 40, 0.5, 7) == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_file_that_never_ends(tmp_path: Path) -> None:
    """A pipe or a device in the place of a file is refused, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(StoreError, match="no plain file"):
            InMemoryVectorStore.load(tmp_path / name, MODEL)


def test_what_is_no_list() -> None:
    """One text in the place of ids is not taken for its letters; a batch has at least one text."""
    with pytest.raises(TypeError, match="ids must be a list"):
        store().add_texts(["x", "y"], ids="ab")
    for size in (0, "a"):
        with pytest.raises(ConfigError, match="batch_size must be"):
            store().add_texts(["x"], batch_size=size)  # type: ignore[arg-type]

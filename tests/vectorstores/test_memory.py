"""The store in memory, its file, and the retriever of any store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

from plait import RunnableLambda
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import ConfigError, StoreError
from plait.vectorstores import InMemoryVectorStore

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
    [("near", {}), ("similarity", {"k": 0}), ("similarity_score_threshold", {}), ("mmr", {"filter": {"a": {"$x": 1}}})],
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


def test_filter_that_asks_the_store() -> None:
    """A function may read the store that it filters."""
    full = store()
    found: list[Any] = []

    def search() -> None:
        found.extend(full.similarity_search("red", filter=lambda document: bool(full.get_by_ids([document.id or ""]))))

    thread = Thread(target=search, daemon=True)
    thread.start()
    thread.join(10)
    assert len(found) == 3


def test_vector_beyond_32_bits() -> None:
    """It is refused, as every store refuses it."""
    with pytest.raises(StoreError, match="32 bits"):
        store().similarity_search_by_vector([1e39, *[0.0] * 15])

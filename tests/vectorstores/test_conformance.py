"""Every store does what every store must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from plait.testing import check_vector_store
from plait.vectorstores import FAISS, InMemoryVectorStore, PGVector, similarity

STRATEGIES = ["l2", "cosine", "inner"]


def test_in_memory() -> None:
    """With numpy."""
    check_vector_store(InMemoryVectorStore)


def test_in_memory_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """In lists."""
    monkeypatch.setattr(similarity, "numpy", lambda: None)
    monkeypatch.setattr("plait.vectorstores.blocks.numpy", lambda: None)
    check_vector_store(InMemoryVectorStore)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_faiss(index: str, strategy: str) -> None:
    """Whatever the index and the distance."""
    check_vector_store(lambda model: FAISS(model, index=index, distance_strategy=strategy))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_pgvector(pgvector: Callable[..., PGVector], strategy: str) -> None:
    """On a real server."""
    check_vector_store(lambda model: pgvector(model, distance_strategy=strategy))


@pytest.mark.slow
def test_pgvector_with_an_index(pgvector: Callable[..., PGVector]) -> None:
    """That is made as soon as there is a document."""

    class Indexed(PGVector):
        def _put(self, *columns: Any) -> None:
            super()._put(*columns)
            if columns[0]:
                self.create_hnsw_index()

    check_vector_store(lambda model: Indexed(model, **_settings(pgvector(model))), skip={"retriever": "its name"})


def _settings(store: PGVector) -> dict[str, Any]:
    return {"connection": store._database._connection, "collection_name": store.collection_name}

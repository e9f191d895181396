"""``check_vector_store`` passes what is right, and finds every fault that is planted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from math import isnan
from typing import Any

import pytest

from plait.documents import Document
from plait.embeddings import Embeddings
from plait.testing import VECTOR_STORE_LAWS, ConformanceError, acheck_vector_store, check_vector_store
from plait.vectorstores import InMemoryVectorStore, VectorStore
from plait.vectorstores.base import Hit
from plait.vectorstores.filters import parsed, passes

Columns = tuple[list[str], Any, list[str], list[Mapping[str, Any]]]


class Right(VectorStore):
    """A user's store: the four hooks, and nothing else."""

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = embedding
        self.memory = InMemoryVectorStore(embedding)

    @property
    def embeddings(self) -> Embeddings:
        return self._embedding

    def _dimension(self) -> int | None:
        return self.memory._dimension()

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        self.memory._put(ids, vectors, texts, metadatas)

    def _drop(self, ids: list[str] | None) -> None:
        self.memory._drop(ids)

    def _get(self, ids: list[str]) -> list[Document]:
        return self.memory._get(ids)

    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        return self.memory._nearest(vector, k, filter, vectors)


class Reversed(Right):
    def add_texts(self, *args: Any, **kwargs: Any) -> list[str]:
        return super().add_texts(*args, **kwargs)[::-1]


class First(Right):
    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        new = [number for number, id in enumerate(ids) if not self.memory._get([id])]
        if new:
            columns = [[column[number] for number in new] for column in (ids, vectors, texts, metadatas)]
            super()._put(*columns)


class Sorted(Right):
    def _get(self, ids: list[str]) -> list[Document]:
        return super()._get(sorted(ids))


class Strict(Right):
    def _drop(self, ids: list[str] | None) -> None:
        if ids and len(self.memory._get(ids)) != len(ids):
            raise KeyError(ids[0])
        super()._drop(ids)


class Greedy(Right):
    def _drop(self, ids: list[str] | None) -> None:
        super()._drop([f"id-{number}" for number in range(3)] if ids else None)


class NoneMeansAll(Right):
    def _drop(self, ids: list[str] | None) -> None:
        super()._drop(ids or None)


class OneLess(Right):
    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        return super()._nearest(vector, k - 1, filter, vectors) if k > 1 else []


class Scoreless(Right):
    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        return [hit._replace(score=0.5) for hit in super()._nearest(vector, k, filter, vectors)]


class Afterwards(Right):
    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        hits = super()._nearest(vector, k, None, vectors)
        return [hit for hit in hits if passes(parsed(filter or {}), hit.document.metadata)]


class Silent(Right):
    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        try:
            return super()._nearest(vector, k, filter, vectors)
        except ValueError:
            return []


class OtherVectors(Right):
    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        hits = super()._nearest(vector, k, filter, vectors)
        return [hit._replace(vector=[1.0, *hit.vector[1:]]) for hit in hits]


class Unchecked(Right):
    def _dimension(self) -> int | None:
        return None

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        wide = self.memory._dimension() or len(vectors[0])
        numbers = [[0.5 if isnan(number) else number for number in (*vector, *[0.0] * wide)] for vector in vectors]
        super()._put(ids, [vector[:wide] for vector in numbers], texts, metadatas)


class Shared(Right):
    def __init__(self, embedding: Embeddings) -> None:
        super().__init__(embedding)
        self.given: dict[str, Document] = {}

    def _get(self, ids: list[str]) -> list[Document]:
        for document in super()._get(ids):
            self.given.setdefault(str(document.id), document)
        return [self.given[id] for id in ids if id in self.given and self.memory._get([id])]


class Ascii(Right):
    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        super()._put(ids, vectors, [text.encode("ascii", "replace").decode() for text in texts], metadatas)


class OtherTwin(Right):
    async def _adrop(self, ids: list[str] | None) -> None:
        return


class Untagged(Right):
    def as_retriever(self, **settings: Any) -> Any:
        made = super().as_retriever(**settings)
        return made.model_copy(update={"tags": []})


class Losing(Right):
    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        new = InMemoryVectorStore(self._embedding)
        kept = self.memory._get(list(self.memory._rows.ids))
        new.add_documents(kept)
        time.sleep(0.002)
        new._put(ids, vectors, texts, metadatas)
        self.memory = new


class Emptying(Right):
    def delete(self, ids: Iterable[str] | None = None, **kwargs: Any) -> bool:
        super().delete(ids)
        if isinstance(ids, list):
            ids.clear()
        return True


class Blocking(Right):
    async def _aget(self, ids: list[str]) -> list[Document]:
        time.sleep(0)  # noqa: ASYNC251 - the fault
        return self._get(ids)


class Leaving(Right):
    def _get(self, ids: list[str]) -> list[Document]:
        if not any(thread.name == "left" for thread in threading.enumerate()):
            threading.Thread(target=time.sleep, args=(1.5,), daemon=True, name="left").start()
        return super()._get(ids)


FAULTS: dict[type[VectorStore], str] = {
    Reversed: "ids",
    First: "replaces",
    Sorted: "get",
    Strict: "works",
    Greedy: "delete",
    NoneMeansAll: "delete",
    OneLess: "nearest",
    Scoreless: "scores",
    Afterwards: "filters",
    Silent: "unknown-key",
    OtherVectors: "diverse",
    Unchecked: "refuses",
    Shared: "copies",
    Ascii: "texts",
    OtherTwin: "twins",
    Untagged: "retriever",
    Losing: "concurrent",
    Emptying: "input-kept",
    Blocking: "event-loop",
    Leaving: "nothing-left",
}


def test_what_is_right_passes() -> None:
    """A user's own store, which has the hooks alone."""
    check_vector_store(Right)


async def test_inside_a_loop() -> None:
    """The twin runs in a thread."""
    await acheck_vector_store(InMemoryVectorStore)
    with pytest.raises(RuntimeError, match="one is running"):
        check_vector_store(Right)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: Callable[..., Any]) -> None:
    """And said by the name of its law, with what to do about it."""
    with pytest.raises(ConformanceError, match=f"{fault.__name__} breaks the laws of a vector store") as caught:
        check_vector_store(fault)
    assert FAULTS[fault] in caught.value.laws  # type: ignore[index]  # a class is callable
    assert VECTOR_STORE_LAWS[FAULTS[fault]].do in str(caught.value)  # type: ignore[index]


def test_every_law_has_a_fault() -> None:
    """No law is there that could not be broken."""
    assert {*FAULTS.values()} == {*VECTOR_STORE_LAWS}


@pytest.mark.parametrize("hook", ["_put", "_get", "_nearest", "add_texts", "similarity_search_with_relevance_scores"])
@pytest.mark.parametrize("given", [None, [], 5])
def test_a_store_that_gives_what_cannot_be(hook: str, given: Any) -> None:
    """The check does not stumble over it, but says so."""
    broken = type("Broken", (Right,), {hook: lambda *_, **__: given})
    with pytest.raises(ConformanceError, match="Broken breaks the laws"):
        check_vector_store(broken)

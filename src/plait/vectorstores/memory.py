"""A store in the memory of this process, searched one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from threading import RLock
from typing import Any, Self

from plait.documents import Document
from plait.embeddings import Embeddings
from plait.vectorstores.base import Hit, VectorStore, checked_model
from plait.vectorstores.blocks import Block, block
from plait.vectorstores.records import read_record, record_of, replace_file
from plait.vectorstores.rows import Filter, Rows, copied, whole

__all__ = ["InMemoryVectorStore"]

_KIND = "InMemoryVectorStore"


class InMemoryVectorStore(VectorStore):
    """Keeps vectors in memory and compares each of them; scores are cosines, 1 is the best.

    With numpy a search among 100,000 vectors takes some milliseconds; without it, a hundred times as long. For any number
    of threads and tasks. ``dump`` and ``load`` keep it in a JSON file.
    """

    def __init__(self, embedding: Embeddings) -> None:
        self._embedding = checked_model(embedding)
        self._lock = RLock()  # metadata may copy itself by code that asks the store
        self._rows = Rows()
        self._vectors: Block | None = None

    def __repr__(self) -> str:
        return f"InMemoryVectorStore({type(self._embedding).__name__}, documents={len(self)})"

    def __len__(self) -> int:
        return len(self._rows)

    def __bool__(self) -> bool:
        return True  # an empty store is a store

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {**vars(self), "_rows": copy(self._rows), "_vectors": copy(self._vectors), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=RLock())

    @property
    def embeddings(self) -> Embeddings:
        """What makes the vectors."""
        return self._embedding

    def _dimension(self) -> int | None:
        vectors = self._vectors  # another thread may take them away
        return None if vectors is None else vectors.dimension

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        about = [copied(metadata) for metadata in metadatas]
        with self._lock:
            new = block(vectors, len(ids), self._dimension(), type(self._embedding).__name__)
            kept = self._vectors = self._vectors or new.empty()
            placing = self._rows.placing(ids)
            whole(lambda: kept.write(placing, new), lambda: self._rows.write(placing, ids, texts, about))

    def _drop(self, ids: list[str] | None) -> None:
        with self._lock:
            moves, kept = self._rows.moves([*self._rows.ids] if ids is None else ids), self._vectors
            if kept is not None:
                whole(lambda: self._rows.close(moves), lambda: kept.close(moves))
                self._vectors = kept if len(self) else None

    def _get(self, ids: list[str]) -> list[Document]:
        with self._lock:
            places = [self._rows.places[id] for id in ids if id in self._rows.places]
            return [self._rows.document(place) for place in places]

    def _nearest(self, vector: list[float], k: int, filter: Filter | None, vectors: bool) -> list[Hit]:
        chosen = self._rows.chosen(filter, self._lock) if callable(filter) else ()
        with self._lock:
            if self._vectors is None:
                return []
            places = None if filter is None else self._rows.passing(filter, chosen)
            found = self._vectors.nearest(vector, k, places)
            return [
                Hit(self._rows.document(place), score, self._vectors.row(place) if vectors else ())
                for place, score in found
            ]

    # --------------------------------------------------------------------------------------------------------- in a file

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write it into a JSON file, in one step: who reads meanwhile sees the old file or the new one."""
        with self._lock:
            vectors: Sequence[Any] = [] if self._vectors is None else self._vectors.rows()
            record = record_of(_KIND, self._rows, {"vectors": vectors})
        replace_file(Path(path), record)

    @classmethod
    def load(cls, path: str | os.PathLike[str], embedding: Embeddings, **kwargs: Any) -> Self:
        """The store of a file that ``dump`` wrote; raises StoreError for any other file. Nothing in it is ever run."""
        store = cls(embedding, **kwargs)
        record, rows = read_record(Path(path), _KIND)
        if len(rows):
            store._vectors = block(record.get("vectors"), len(rows), None, f"the file {path}").normalized()
        store._rows = rows
        return store

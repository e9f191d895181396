"""A FAISS store of 100,000 documents of 384 dimensions: build, save, load, 1,000 searches, beside faiss's own calls.

Vectors are random, of length 1, and known: the embedding model of ours gives slices of an array. What stands beside it is
the least that keeps the same documents by hand: ``index.add`` and lists of ids, texts and metadata; ``write_index`` and
``json.dump``, both on the disk when they return; ``read_index`` and ``json.load``; ``index.search`` and documents of what
it finds. Searches are by vector, one at a time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks.timing import Row, at_most, seconds
from plait.documents import Document
from plait.embeddings import Embeddings
from plait.vectorstores import FAISS
from plait.vectorstores.faiss_index import faiss_module

faiss: Any = faiss_module()

COUNT, DIMENSION, SEARCHES = 100_000, 384, 1000
RANDOM = np.random.default_rng(5)


def vectors(count: int) -> Any:
    rows = RANDOM.standard_normal((count, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


TEXTS = [f"Document {number}: " + "some words about a thing. " * 4 for number in range(COUNT)]
METADATAS = [{"source": f"{number % 100}.md", "page": number} for number in range(COUNT)]


class Known(Embeddings):
    """Gives one row after the other."""

    def __init__(self, rows: Any) -> None:
        self.rows, self.at = rows, 0

    def embed_documents(self, texts: list[str]) -> Any:
        start, self.at = self.at, self.at + len(texts)
        return self.rows[start : self.at]

    def embed_query(self, text: str) -> Any:
        return self.rows[0]


class ByHand:
    """faiss's own calls, and the documents beside the index."""

    def __init__(self, rows: Any) -> None:
        self.index = faiss.IndexFlatL2(DIMENSION)
        self.index.add(rows)
        self.documents = {
            "ids": [str(uuid4()) for _ in TEXTS],
            "texts": list(TEXTS),
            "metadatas": [dict(each) for each in METADATAS],
        }

    def save(self, folder: Path) -> None:
        faiss.write_index(self.index, str(folder / "index.faiss"))
        _to_disk(folder / "index.faiss")
        with (folder / "documents.json").open("w") as file:
            json.dump(self.documents, file)
        _to_disk(folder / "documents.json")

    @staticmethod
    def load(folder: Path) -> Any:
        with (folder / "documents.json").open() as file:
            return faiss.read_index(str(folder / "index.faiss")), json.load(file)

    def search(self, rows: Any) -> None:
        for row in rows:
            _, places = self.index.search(row[None], 4)
            for place in places[0].tolist():
                Document(
                    page_content=self.documents["texts"][place],
                    metadata=self.documents["metadatas"][place],
                    id=self.documents["ids"][place],
                )


def _to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def rows() -> list[Row]:
    array, queries = vectors(COUNT), vectors(SEARCHES)
    store, by_hand = FAISS.from_texts(TEXTS, Known(array), METADATAS), ByHand(array)

    def search() -> None:
        for query in queries:
            store.similarity_search_by_vector(query, 4)

    with TemporaryDirectory() as mine, TemporaryDirectory() as theirs:
        return [
            _row("build", lambda: FAISS.from_texts(TEXTS, Known(array), METADATAS), lambda: ByHand(array)),
            _row("save", lambda: store.save_local(mine), lambda: by_hand.save(Path(theirs))),
            _row("load", lambda: FAISS.load_local(mine, Known(array)), lambda: ByHand.load(Path(theirs))),
            _row("1,000 searches", search, lambda: by_hand.search(queries), rounds=1),
        ]


def _row(work: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 4) -> Row:
    mine, bare = seconds(ours, theirs, times=1, rounds=rounds)
    return at_most(f"100,000 documents in FAISS: {work}", mine, "faiss by hand", bare, 1.3)

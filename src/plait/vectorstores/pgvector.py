"""A store in PostgreSQL with the extension ``vector``, through psycopg 3 (extra ``postgres``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, Self, cast

from plait.concurrency import in_thread
from plait.documents import Document
from plait.embeddings import Embeddings
from plait.embeddings.vectors import checked
from plait.errors import ConfigError, StoreError
from plait.postgres import AsyncOpening, Database, Opening, check_timeout
from plait.vectorstores.base import Hit, VectorStore, checked_model
from plait.vectorstores.distances import DistanceStrategy, distance_of, relevance
from plait.vectorstores.filters import Condition, parsed
from plait.vectorstores.rows import Filter
from plait.vectorstores.similarity import check_number
from plait.vectorstores.sql_collections import ADVICE, WIDEST_SEARCH, Collection, Columns, columns, making
from plait.vectorstores.sql_filters import is_storable

__all__ = ["PGVector"]

_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")  # with its suffixes no longer than PostgreSQL allows
_LONGEST_NAME: Final = 200
_MOST_LINKS: Final = 100


class PGVector(VectorStore):
    """Documents in a PostgreSQL database that has, or may make, the extension ``vector``.

    ``connection`` is a connection string (``postgresql://...`` or ``host=... dbname=...``), or a function that gives a
    connection in a ``with`` block: ``pool.connection`` of a ``psycopg_pool.ConnectionPool`` is one, and saves a new
    connection for each call. ``async_connection`` is such a function for the async verbs, ``connection`` of an
    ``AsyncConnectionPool``; without it they use the connection string, or call the other function in a thread. The tables
    are made on first use; each ``collection_name`` is a store of its own in them.

    ``distance_strategy``: ``"cosine"`` (1 is the best), ``"l2"`` (squares of distances, 0 is the best) or ``"inner"``.
    Searches compare every vector of the collection, until ``create_hnsw_index`` was called; those with a filter do
    after it, too, so that none is missed. ``ef_search``, from 1 to 1,000, is how many candidates a search by the index
    looks at: with more it finds more of the nearest, and takes longer. ``add_texts`` commits a thousand at a time. A call waits at most ``timeout``
    seconds for each statement; one that nobody waits for any more is cancelled in the server.

    The password is in no repr, error or pickle. For any number of threads, tasks and processes.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        connection: str | Opening | None = None,
        async_connection: AsyncOpening | None = None,
        collection_name: str = "plait",
        distance_strategy: DistanceStrategy | str = DistanceStrategy.COSINE,
        table: str = "plait_vectors",
        ef_search: int = 64,
        timeout: float = 30.0,
    ) -> None:
        self.table = _checked_table(table)
        self.collection_name = _checked_collection(collection_name)
        self.timeout = check_timeout(timeout)
        self._distance = distance_of(distance_strategy)
        self._embedding = checked_model(embeddings)
        self._database = Database(
            connection,
            async_connection,
            timeout=self.timeout,
            place=f"the collection {collection_name!r} of table {table!r}",
            raises=StoreError,
            making=making(table),
            advice=ADVICE,
        )
        width = min(check_number("ef_search", ef_search, 1), WIDEST_SEARCH)
        self._collection = Collection(table, collection_name, self._distance, width, self._database.place)

    def __repr__(self) -> str:
        return f"PGVector({type(self._embedding).__name__}, {self.collection_name!r}, {self._database.name})"

    def __copy__(self) -> Self:
        return self  # it never changes; and what is made for a pickle has no password

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @property
    def embeddings(self) -> Embeddings:
        """What makes the vectors."""
        return self._embedding

    @classmethod
    def _made(cls, embedding: Embeddings, **kwargs: Any) -> Self:
        return cls(embedding, **kwargs)

    def _relevance(self, score: float) -> float:
        return relevance(self._distance, score)

    # -------------------------------------------------------------------------------------------------------------- hooks

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        new = self._columns(ids, vectors, texts, metadatas)
        self._database.run(partial(self._collection.put, new))

    async def _aput(  # twin: to pack many numbers takes long, and a thread does it
        self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]
    ) -> None:
        new = await in_thread(self._columns, ids, vectors, texts, metadatas)
        await self._database.arun(partial(self._collection.put, new))

    def _columns(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> Columns:
        source = type(self._embedding).__name__
        return columns(ids, checked(vectors, len(ids), source), texts, metadatas, source)

    def _drop(self, ids: list[str] | None) -> None:
        self._database.run(partial(self._collection.drop, ids))

    async def _adrop(self, ids: list[str] | None) -> None:
        await self._database.arun(partial(self._collection.drop, ids))

    def _get(self, ids: list[str]) -> list[Document]:
        return self._database.run(partial(self._collection.get, ids))

    async def _aget(self, ids: list[str]) -> list[Document]:
        return await self._database.arun(partial(self._collection.get, ids))

    def _nearest(self, vector: list[float], k: int, filter: Filter | None, vectors: bool) -> list[Hit]:
        return self._database.run(partial(self._collection.nearest, vector, k, _condition(filter), vectors))

    async def _anearest(self, vector: list[float], k: int, filter: Filter | None, vectors: bool) -> list[Hit]:
        return await self._database.arun(partial(self._collection.nearest, vector, k, _condition(filter), vectors))

    def create_hnsw_index(self, *, m: int = 16, ef_construction: int = 64) -> None:
        """Make an index of this collection, for searches without a filter among very many documents.

        A graph of near vectors, ``m`` links each, of ``ef_construction`` candidates; it is kept up to date from then on.
        Make it when the documents are in: that is faster, and nobody can write into the table meanwhile. It takes as
        long as it takes. Raises StoreError for an empty collection, and for vectors of more than 2,000 numbers.
        """
        self._database.run(partial(self._collection.index, *_sizes(m, ef_construction)))

    async def acreate_hnsw_index(self, *, m: int = 16, ef_construction: int = 64) -> None:
        """As ``create_hnsw_index``, without blocking the event loop."""
        await self._database.arun(partial(self._collection.index, *_sizes(m, ef_construction)))


def _sizes(m: Any, ef_construction: Any) -> tuple[int, int]:
    """Of an index, as pgvector allows them; raises ConfigError otherwise."""
    checked = check_number("m", m, 2), check_number("ef_construction", ef_construction, 4)
    if checked[0] > _MOST_LINKS or not 2 * checked[0] <= checked[1] <= WIDEST_SEARCH:
        raise ConfigError(
            f"m may be {_MOST_LINKS} at most, and ef_construction from twice m to {WIDEST_SEARCH}; got {m} and {ef_construction}"
        )
    return checked


def _condition(filter: Filter | None) -> Condition | None:
    return None if filter is None else parsed(cast("Mapping[str, Any]", filter))


def _checked_table(name: Any) -> str:
    if isinstance(name, str) and _TABLE.fullmatch(name):
        return name
    raise ConfigError(f"table must be 1 to 40 ASCII letters, digits and _, not a digit first; got {name!r:.80}")


def _checked_collection(name: Any) -> str:
    if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and is_storable(name):
        return name
    raise ConfigError(f"collection_name must be a text of 1 to {_LONGEST_NAME} characters, got {name!r:.80}")

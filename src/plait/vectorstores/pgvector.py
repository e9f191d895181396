"""A store in PostgreSQL with the extension ``vector``, through psycopg 3 (extra ``postgres``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from math import isnan
from operator import neg
from threading import Lock
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

from plait.concurrency import in_thread
from plait.documents import Document
from plait.embeddings import Embeddings
from plait.embeddings.vectors import checked
from plait.errors import ConfigError, StoreError
from plait.postgres import (
    LIMITS,
    THWARTED,
    Connection,
    Opening,
    check_timeout,
    described,
    driver,
    hidden,
    opened,
    reason,
    without_secrets,
)
from plait.stopping import check_stopped, stopping
from plait.vectorstores.base import Hit, VectorStore
from plait.vectorstores.blocks import check_dimension
from plait.vectorstores.distances import DistanceStrategy, distance_of, relevance
from plait.vectorstores.filters import keys_of, parsed
from plait.vectorstores.rows import Filter, refuse_unknown
from plait.vectorstores.similarity import check_number, check_vector
from plait.vectorstores.sql_filters import compiled, json_text

__all__ = ["PGVector"]

T = TypeVar("T")

_TRIES: Final = 5
_VERSION: Final = 1
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")  # with its suffixes no longer than PostgreSQL allows
_LONGEST_NAME: Final = 200
_CREATING: Final = 7203  # the range of locks for the tables of vectors
_TURN: Final = "SELECT pg_advisory_xact_lock(%s, 0)"  # one after the other: IF NOT EXISTS is no protection from others
_WIDEST_SEARCH: Final = 1000  # that pgvector allows for hnsw.ef_search
_MOST_INDEXED: Final = 2000  # numbers of a vector that pgvector can index

_SCHEMA: Final = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE IF NOT EXISTS "{table}_collections" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    dimension integer NOT NULL,
    version integer NOT NULL DEFAULT {version}
);
CREATE TABLE IF NOT EXISTS "{table}" (
    collection bigint NOT NULL REFERENCES "{table}_collections",
    id text NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    content text NOT NULL,
    metadata jsonb NOT NULL,
    vector vector NOT NULL,
    PRIMARY KEY (collection, id)
)
"""
_COLLECTION: Final = """
SELECT id, dimension, version, to_regclass(format('%%I', '{table}_' || id || '_{distance}')) IS NOT NULL
FROM "{table}_collections" AS known
WHERE name = %s AND EXISTS (SELECT 1 FROM "{table}" WHERE collection = known.id)
"""
_CLAIM: Final = """
INSERT INTO "{table}_collections" (name, dimension) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id, dimension, version, EXISTS (SELECT 1 FROM "{table}" WHERE collection = "{table}_collections".id)
"""
_PUT: Final = """
INSERT INTO "{table}" (collection, id, content, metadata, vector)
SELECT %s, new.id, new.content, new.metadata::jsonb, new.vector::vector
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS new (id, content, metadata, vector)
ON CONFLICT (collection, id)
DO UPDATE SET content = excluded.content, metadata = excluded.metadata, vector = excluded.vector
"""
_NEAREST: Final = """
SELECT id, content, metadata, {vector} {sign} %s::vector AS distance, {shown}
FROM "{table}" WHERE collection = %s AND {condition} ORDER BY {order} LIMIT %s
"""
_INDEX: Final = """
CREATE INDEX IF NOT EXISTS "{table}_{id}_{distance}" ON "{table}"
USING hnsw ((vector::vector({dimension})) {operators}) WITH (m = {m}, ef_construction = {ef_construction})
WHERE collection = {id}
"""


class _Measure(NamedTuple):
    """A way to measure: its sign in SQL, what an index needs for it, the score that a distance means."""

    sign: str
    operators: str
    score: Callable[[float], float]


def _cosine(distance: float) -> float:
    return 0.0 if isnan(distance) else 1 - distance  # it is nan for a vector of zeros


def _square(distance: float) -> float:
    return distance * distance


_MEASURES: Final = {
    DistanceStrategy.EUCLIDEAN_DISTANCE: _Measure("<->", "vector_l2_ops", _square),
    DistanceStrategy.COSINE: _Measure("<=>", "vector_cosine_ops", _cosine),
    DistanceStrategy.MAX_INNER_PRODUCT: _Measure("<#>", "vector_ip_ops", neg),
}


class _Collection(NamedTuple):
    """A collection that is not empty."""

    id: int
    dimension: int
    version: int
    indexed: bool


class PGVector(VectorStore):
    """Documents in a PostgreSQL database that has, or may make, the extension ``vector``.

    ``connection`` is a connection string (``postgresql://...`` or ``host=... dbname=...``), or a function that gives a
    connection in a ``with`` block: ``pool.connection`` of a ``psycopg_pool.ConnectionPool`` is one, and saves a new
    connection for each call. The tables are made on first use; each ``collection_name`` is a store of its own in them.

    ``distance_strategy``: ``"cosine"`` (1 is the best), ``"l2"`` (squares of distances, 0 is the best) or ``"inner"``.
    Searches compare every vector of the collection, until ``create_hnsw_index`` was called; those with a filter do
    after it, too, so that none is missed. ``add_texts`` commits a thousand at a time. A call waits at most ``timeout``
    seconds for each statement; one that nobody waits for any more is cancelled in the server.

    The password is in no repr, error or pickle. For any number of threads, tasks and processes.
    """

    def __init__(
        self,
        embeddings: Embeddings,
        *,
        connection: str | Opening,
        collection_name: str = "plait",
        distance_strategy: DistanceStrategy | str = DistanceStrategy.COSINE,
        table: str = "plait_vectors",
        ef_search: int = 64,
        timeout: float = 30.0,
    ) -> None:
        self.table = _checked_table(table)
        self.collection_name = _checked_collection(collection_name)
        self.timeout = check_timeout(timeout)
        self._ef_search = min(check_number("ef_search", ef_search, 1), _WIDEST_SEARCH)
        self._distance = distance_of(distance_strategy)
        self._embedding = embeddings
        self._connection: str | Opening
        self._connection, self._database = described(connection)

    def __repr__(self) -> str:
        return f"PGVector({type(self._embedding).__name__}, {self.collection_name!r}, {self._database})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_connection": without_secrets(self._connection)}

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
        source = type(self._embedding).__name__
        rows = checked(vectors, len(ids), source)
        columns = [ids, _storable(texts), [json_text(dict(each)) for each in metadatas], [_vector(row) for row in rows]]

        def put(connection: Connection) -> None:
            collection = self._claimed(connection, len(rows[0]), source)
            connection.execute(self._sql(_PUT), (collection, *columns))

        if rows:
            self._transacted(put)

    def _claimed(self, connection: Connection, dimension: int, source: str) -> int:
        """The id of the collection, made if need be, and held until the end of the transaction."""
        claim = connection.execute(self._sql(_CLAIM), (self.collection_name, dimension))
        id, expected, version, filled = claim.fetchone()
        self._check_version(version)
        check_dimension(dimension, expected if filled else None, source)
        if expected != dimension:  # it was emptied, and is filled from another model
            connection.execute(
                self._sql('UPDATE "{table}_collections" SET dimension = %s WHERE id = %s'), (dimension, id)
            )
            for strategy in DistanceStrategy:
                connection.execute(f'DROP INDEX IF EXISTS "{self.table}_{int(id)}_{strategy.value}"')
        return int(id)

    def _drop(self, ids: list[str] | None) -> None:
        which, parameters = ("true", []) if ids is None else ("id = ANY(%s)", [ids])
        delete = self._sql('DELETE FROM "{table}" WHERE collection = %s AND ') + which

        def drop(connection: Connection) -> None:
            found = self._found(connection)
            if found is not None:
                connection.execute(delete, [found.id, *parameters])

        self._transacted(drop)

    def _get(self, ids: list[str]) -> list[Document]:
        select = self._sql('SELECT id, content, metadata FROM "{table}" WHERE collection = %s AND id = ANY(%s)')

        def get(connection: Connection) -> list[Any]:
            found = self._found(connection)
            return [] if found is None else connection.execute(select, (found.id, ids)).fetchall()

        rows = {row[0]: row for row in self._transacted(get)}
        return [_document(rows[id]) for id in ids if id in rows]

    def _nearest(self, vector: list[float], k: int, filter: Filter | None, vectors: bool) -> list[Hit]:
        condition = None if filter is None else parsed(cast("Mapping[str, Any]", filter))

        def nearest(connection: Connection) -> list[Any]:
            found = self._found(connection)
            if found is None:
                return []
            asked = _vector(check_vector(vector, found.dimension))
            if condition is not None:
                rows = self._compared(connection, found, asked, k, vectors, *compiled(condition))
                self._refuse_unknown(connection, found, set() if rows else keys_of(condition))
                return rows
            rows = self._along_graph(connection, found, asked, k, vectors) if found.indexed else []
            return rows if len(rows) == k else self._compared(connection, found, asked, k, vectors)

        score = _MEASURES[self._distance].score
        return [
            Hit(_document(row), score(row[3]), json.loads(row[4]) if vectors else ())
            for row in self._transacted(nearest)
        ]

    def _compared(
        self,
        connection: Connection,
        found: _Collection,
        asked: str,
        k: int,
        vectors: bool,
        condition: str = "true",
        parameters: Sequence[Any] = (),
    ) -> list[Any]:
        """The nearest of all that meet the condition; the first of equals comes first."""
        query = self._query("vector", "distance, position", condition, vectors)
        return list(connection.execute(query, (asked, found.id, *parameters, k)).fetchall())

    def _along_graph(self, connection: Connection, found: _Collection, asked: str, k: int, vectors: bool) -> list[Any]:
        """The nearest that the index leads to; they may be fewer than there are."""
        if k > _WIDEST_SEARCH:
            return []
        connection.execute("SELECT set_config('hnsw.ef_search', %s, true)", (str(max(k, self._ef_search)),))
        query = self._query(f"vector::vector({found.dimension})", "distance", "true", vectors)
        query = query.replace("collection = %s", f"collection = {found.id}")  # as the index says
        return list(connection.execute(query, (asked, k)).fetchall())

    def _query(self, vector: str, order: str, condition: str, vectors: bool) -> str:
        sign, shown = _MEASURES[self._distance].sign, "vector::text" if vectors else "NULL"
        return self._sql(_NEAREST, sign=sign, vector=vector, order=order, condition=condition, shown=shown)

    def _refuse_unknown(self, connection: Connection, found: _Collection, asked: set[str]) -> None:
        """Raise StoreError if a filter that found nothing asks for keys that no document has."""
        if asked:
            keys = self._sql('SELECT DISTINCT jsonb_object_keys(metadata) FROM "{table}" WHERE collection = %s')
            known = {row[0] for row in connection.execute(keys, (found.id,)).fetchall()}
            refuse_unknown(asked - known, known)

    # -------------------------------------------------------------------------------------------------------------- index

    def create_hnsw_index(self, *, m: int = 16, ef_construction: int = 64) -> None:
        """Make an index of this collection, for searches without a filter among very many documents.

        A graph of near vectors, ``m`` links each, of ``ef_construction`` candidates; it is kept up to date from then on.
        Make it when the documents are in: that is faster, and nobody can write into the table meanwhile. It takes as
        long as it takes. Raises StoreError for an empty collection, and for vectors of more than 2,000 numbers.
        """
        sizes = {"m": check_number("m", m, 2), "ef_construction": check_number("ef_construction", ef_construction, 4)}

        def create(connection: Connection) -> None:
            found = self._found(connection)
            if found is None or found.dimension > _MOST_INDEXED:
                what = "has no documents yet" if found is None else f"has vectors of more than {_MOST_INDEXED} numbers"
                raise StoreError(f"{self._place} {what}, and cannot be indexed")
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute(_TURN, (_CREATING,))
            operators, distance = _MEASURES[self._distance].operators, self._distance.value
            about = {"id": found.id, "dimension": found.dimension, "operators": operators, "distance": distance}
            connection.execute(_INDEX.format(table=self.table, **about, **sizes))

        self._transacted(create)

    async def acreate_hnsw_index(  # twin: psycopg works in a thread
        self, *, m: int = 16, ef_construction: int = 64
    ) -> None:
        """As ``create_hnsw_index``, without blocking the event loop."""
        await in_thread(self.create_hnsw_index, m=m, ef_construction=ef_construction)

    # ------------------------------------------------------------------------------------------------------- the database

    @property
    def _place(self) -> str:
        return f"the collection {self.collection_name!r} of table {self.table!r} in the PostgreSQL database {self._database}"

    def _sql(self, text: str, **parts: str) -> str:
        return text.format(table=self.table, **parts)  # a checked name

    def _found(self, connection: Connection) -> _Collection | None:
        """The collection, if it has a document."""
        select = self._sql(_COLLECTION, distance=self._distance.value)
        row = connection.execute(select, (self.collection_name,)).fetchone()
        if row is None:
            return None
        self._check_version(row[2])
        return _Collection(*row)

    def _check_version(self, version: int) -> None:
        if version != _VERSION:
            raise StoreError(
                f"{self._place} was written by another version of plait: its format is {version}, and this one knows "
                f"{_VERSION}; use that version, or another table"
            )

    def _transacted(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` gives, in one transaction; one that another has thwarted is tried again, as it left nothing."""
        psycopg, failure = driver(), ""
        for _ in range(_TRIES):
            check_stopped()
            try:
                with opened(self._connection, self.timeout) as connection, _cancelled_when_stopped(connection):
                    return self._once(connection, work)
            except psycopg.Error as error:
                check_stopped()
                failure = _missing(error) or hidden(reason(error), self._connection)
                if error.sqlstate not in THWARTED:
                    break
        raise StoreError(f"{self._place}: {failure}")  # without its cause, which knows the connection string

    def _once(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        try:
            return self._alone(connection, work)
        except driver().errors.UndefinedTable:
            self._alone(connection, self._create)
        return self._alone(connection, work)

    def _alone(self, connection: Connection, work: Callable[[Connection], T]) -> T:
        with connection.transaction():
            connection.execute(LIMITS, {"limit": f"{self.timeout * 1000:.0f}ms"})
            return work(connection)

    def _create(self, connection: Connection) -> None:
        """Make the tables."""
        connection.execute(_TURN, (_CREATING,))
        connection.execute(self._sql(_SCHEMA, version=str(_VERSION)))


@contextmanager
def _cancelled_when_stopped(connection: Connection) -> Generator[None, None, None]:
    """Have the server end the statement that runs in the block if nobody waits for it any more."""
    stop, lock, open = stopping.get(), Lock(), [True]

    def cancel() -> None:
        with lock:
            if open:  # later it would hit what somebody else does with the connection
                connection.cancel()

    if stop is None:
        yield
        return
    with stop.calling(cancel):
        try:
            yield
        finally:
            with lock:
                open.clear()


def _missing(error: Any) -> str | None:
    """What to say if the server has no extension ``vector``."""
    if error.sqlstate in ("0A000", "58P01", "42704"):
        return f"the server has no extension `vector`; install pgvector on it (SQLSTATE {error.sqlstate})"
    return None


def _vector(numbers: Sequence[float]) -> str:
    return f"[{','.join(map(repr, map(float, numbers)))}]"


def _document(row: Sequence[Any]) -> Document:
    return Document(id=row[0], page_content=row[1], metadata=row[2])


def _storable(texts: list[str]) -> list[str]:
    for text in texts:
        if "\0" in text or not _is_unicode(text):
            raise StoreError("a text holds a character that PostgreSQL cannot store: NUL, or half of a surrogate pair")
    return texts


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else True


def _checked_table(name: Any) -> str:
    if isinstance(name, str) and _TABLE.fullmatch(name):
        return name
    raise ConfigError(f"table must be 1 to 40 ASCII letters, digits and _, not a digit first; got {name!r:.80}")


def _checked_collection(name: Any) -> str:
    if isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME and "\0" not in name and _is_unicode(name):
        return name
    raise ConfigError(f"collection_name must be a text of 1 to {_LONGEST_NAME} characters, got {name!r:.80}")

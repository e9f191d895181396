"""A collection of vectors in PostgreSQL: its tables and what is done with them, as scripts of statements; pure.

Names of tables, which are checked, and whole numbers are written into statements; everything else is a parameter. Whoever
changes a collection holds its row until the end of the transaction, so writers come one after the other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from operator import neg
from typing import Any, Final, NamedTuple

from plait.documents import Document
from plait.errors import StoreError
from plait.postgres import Reals, Script, Statement
from plait.vectorstores.base import Hit
from plait.vectorstores.blocks import check_dimension
from plait.vectorstores.distances import DistanceStrategy
from plait.vectorstores.filters import Condition, keys_of
from plait.vectorstores.rows import refuse_unknown
from plait.vectorstores.similarity import check_vector
from plait.vectorstores.sql_filters import compiled, is_storable, json_text

__all__ = ["ADVICE", "WIDEST_SEARCH", "Collection", "columns", "making"]

_VERSION: Final = 1
WIDEST_SEARCH: Final = 1000
"""What pgvector allows for hnsw.ef_search."""
_MOST_INDEXED: Final = 2000  # numbers of a vector that pgvector can index
_MOST: Final = 2**63 - 1  # rows that PostgreSQL can be asked for

_NO_EXTENSION: Final = "the server has no extension `vector`; install pgvector on it"
ADVICE: Final = {
    "0A000": _NO_EXTENSION,
    "58P01": _NO_EXTENSION,
    "42704": _NO_EXTENSION,
    "42501": "this user may not use the tables, or not make them or the extension `vector`; grant that, or make them as another",
    "54000": "a vector or a text is more than the server can hold; vectors may have 16,000 numbers",
}

_TURN: Final = "SELECT pg_advisory_xact_lock(7203, hashtext(%s))"
"""One after the other: IF NOT EXISTS is no protection from others. ``""`` is the turn of those who make tables."""

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
_FIND: Final = """
SELECT id, dimension, version, to_regclass(format('%%I', '{table}_' || id || '_{distance}')) IS NOT NULL
FROM "{table}_collections" AS known
WHERE name = %s AND EXISTS (SELECT 1 FROM "{table}" WHERE collection = known.id)
"""
_HOLD: Final = 'SELECT id, dimension, version FROM "{table}_collections" WHERE name = %s FOR NO KEY UPDATE'
_BEGIN: Final = 'INSERT INTO "{table}_collections" (name, dimension) VALUES (%s, %s) ON CONFLICT DO NOTHING'
_FILLED: Final = 'SELECT 1 FROM "{table}" WHERE collection = %s LIMIT 1'
_RESIZE: Final = 'UPDATE "{table}_collections" SET dimension = %s WHERE id = %s'
_PUT: Final = """
INSERT INTO "{table}" (collection, id, content, metadata, vector)
SELECT %s, new.id, new.content, new.metadata::jsonb,
    ((SELECT %s::real[] AS numbers))[(place - 1) * {dimension} + 1 : place * {dimension}]::vector
FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS new (id, content, metadata, place)
ON CONFLICT (collection, id)
DO UPDATE SET content = excluded.content, metadata = excluded.metadata, vector = excluded.vector
"""
_NEAREST: Final = """
SELECT id, content, metadata, {measured} AS distance, {shown}
FROM "{table}" WHERE collection = {id} AND {condition} ORDER BY {order} LIMIT %s
"""
_KEYS: Final = 'SELECT DISTINCT jsonb_object_keys(metadata) FROM "{table}" WHERE collection = %s'
_INDEX: Final = """
CREATE INDEX IF NOT EXISTS "{table}_{id}_{distance}" ON "{table}"
USING hnsw ((vector::vector({dimension})) {operators}) WITH (m = {m}, ef_construction = {ef_construction})
WHERE collection = {id}
"""


class _Measure(NamedTuple):
    """A way to measure: the distance in SQL, what an index needs for it, the score that a distance means."""

    distance: str
    operators: str
    score: Callable[[float], float]
    exact: str = "{}"


def _cosine(distance: float) -> float:
    return 1 - distance


def _square(distance: float) -> float:
    return distance * distance


_MEASURES: Final = {
    DistanceStrategy.EUCLIDEAN_DISTANCE: _Measure("{} <-> %s::vector", "vector_l2_ops", _square),
    DistanceStrategy.COSINE: _Measure(
        "{} <=> %s::vector", "vector_cosine_ops", _cosine, "coalesce(nullif({}, 'NaN'), 1)"
    ),
    DistanceStrategy.MAX_INNER_PRODUCT: _Measure("{} <#> %s::vector", "vector_ip_ops", neg),
}


class _Found(NamedTuple):
    """A collection that is not empty."""

    id: int
    dimension: int
    version: int
    indexed: bool


def making(table: str) -> list[Statement]:
    """What makes the tables."""
    return [(_TURN, [""]), (_SCHEMA.format(table=table, version=_VERSION), None)]


class Columns(NamedTuple):
    """Documents that can be kept, with their vectors, which all have ``dimension`` numbers and which ``source`` gave."""

    ids: list[str]
    texts: list[str]
    metadatas: list[str]
    numbers: Reals
    dimension: int
    source: str


def columns(
    ids: Sequence[str],
    rows: Sequence[Sequence[float]],
    texts: Sequence[str],
    metadatas: Sequence[Mapping[str, Any]],
    source: str,
) -> Columns:
    """Documents as PostgreSQL takes them; raises StoreError for what it cannot keep."""
    try:
        numbers = Reals.of(rows)
    except OverflowError as error:
        raise StoreError(f"{source} gave a vector with a number that is more than 32 bits hold") from error
    about = [json_text(dict(each)) for each in metadatas]
    return Columns(_storable(ids, "an id"), _storable(texts, "a text"), about, numbers, len(rows[0]), source)


@dataclass(frozen=True)
class Collection:
    """A collection by its name, in the tables of that name; ``place`` is what errors call it."""

    table: str
    name: str
    distance: DistanceStrategy
    ef_search: int
    place: str

    # ------------------------------------------------------------------------------------------------------------ writing

    def put(self, new: Columns) -> Script[None]:
        """Keep documents with their vectors."""
        id = yield from self._claimed(new.dimension, new.source)
        put = self._sql(_PUT, dimension=new.dimension)
        yield put, [id, new.numbers, new.ids, new.texts, new.metadatas]

    def _claimed(self, dimension: int, source: str) -> Script[int]:
        """The id of the collection, made if need be, and held until the end of the transaction."""
        held = yield self._sql(_HOLD), [self.name]
        if not held:
            yield self._sql(_BEGIN), [self.name, dimension]
            held = yield self._sql(_HOLD), [self.name]
        id, expected, version = held[0]
        self._check_version(version)
        if expected != dimension:
            filled = yield self._sql(_FILLED), [id]  # which sees what those before have committed
            check_dimension(dimension, expected if filled else None, source)
            yield self._sql(_RESIZE), [dimension, id]  # it was emptied, and is filled from another model
            for strategy in DistanceStrategy:
                yield f'DROP INDEX IF EXISTS "{self.table}_{int(id)}_{strategy.value}"', None
        return int(id)

    def drop(self, ids: Sequence[str] | None) -> Script[None]:
        """Forget these, or all for None."""
        held = yield self._sql(_HOLD), [self.name]
        if held:
            self._check_version(held[0][2])
            delete = self._sql('DELETE FROM "{table}" WHERE collection = %s')
            some = [each for each in ids or () if is_storable(each)]
            yield (delete, [held[0][0]]) if ids is None else (f"{delete} AND id = ANY(%s)", [held[0][0], some])

    def index(self, m: int, ef_construction: int) -> Script[None]:
        """Make an index; raises StoreError for a collection that is empty, or whose vectors are too long."""
        found = yield from self._found()
        if found is None or found.dimension > _MOST_INDEXED:
            what = "has no documents yet" if found is None else f"has vectors of more than {_MOST_INDEXED} numbers"
            raise StoreError(f"{self.place} {what}, and cannot be indexed")
        yield "SET LOCAL statement_timeout = 0", None
        yield _TURN, [f"{self.table}_{found.id}"]
        sizes = {"dimension": found.dimension, "m": m, "ef_construction": ef_construction}
        operators, distance = _MEASURES[self.distance].operators, self.distance.value
        yield self._sql(_INDEX, id=found.id, operators=operators, distance=distance, **sizes), None

    # ------------------------------------------------------------------------------------------------------------ reading

    def get(self, ids: Sequence[str]) -> Script[list[Document]]:
        """The documents under these ids, in their order."""
        found = yield from self._found()
        if found is None:
            return []
        select = self._sql('SELECT id, content, metadata FROM "{table}" WHERE collection = %s AND id = ANY(%s)')
        rows = yield select, [found.id, [id for id in ids if is_storable(id)]]
        documents = {row[0]: row for row in rows}
        return [_document(documents[id]) for id in ids if id in documents]

    def nearest(self, vector: Sequence[float], k: int, condition: Condition | None, vectors: bool) -> Script[list[Hit]]:
        """The ``k`` nearest documents that meet the condition; raises StoreError for one that none could meet."""
        found = yield from self._found()
        if found is None:
            return []
        asked, rows = _text(check_vector(vector, found.dimension)), list[Any]()
        if condition is None and found.indexed and k <= WIDEST_SEARCH:
            yield "SELECT set_config('hnsw.ef_search', %s, true)", [str(max(k, self.ef_search))]
            rows = yield self._along_graph(found, asked, k, vectors)
        if len(rows) < k or any(isnan(row[3]) for row in rows):  # the graph leads to fewer, and not to vectors of zeros
            rows = yield self._compared(found, asked, k, vectors, condition)
        if condition is not None and not rows:
            yield from self._refuse_unknown(found, keys_of(condition))
        score = _MEASURES[self.distance].score
        return [Hit(_document(row), score(row[3]), json.loads(row[4]) if vectors else ()) for row in rows]

    def _compared(self, found: _Found, asked: str, k: int, vectors: bool, condition: Condition | None) -> Statement:
        """The nearest of all that meet the condition; the first of equals comes first."""
        where, parameters = ("true", list[Any]()) if condition is None else compiled(condition)
        measure = _MEASURES[self.distance]
        measured = measure.exact.format(measure.distance.format("vector"))
        query = self._query(found, measured, "distance, position", where, vectors)
        return query, [asked, *parameters, min(k, _MOST)]

    def _along_graph(self, found: _Found, asked: str, k: int, vectors: bool) -> Statement:
        """The nearest that the index leads to, by the very words of the index."""
        measured = _MEASURES[self.distance].distance.format(f"vector::vector({found.dimension})")
        query = self._query(found, measured, "distance", "true", vectors)
        return query, [asked, k]

    def _query(self, found: _Found, measured: str, order: str, condition: str, vectors: bool) -> str:
        shown = "vector::text" if vectors else "NULL"
        return self._sql(_NEAREST, id=found.id, measured=measured, order=order, condition=condition, shown=shown)

    def _refuse_unknown(self, found: _Found, asked: set[str]) -> Script[None]:
        """Raise StoreError if a filter that found nothing asks for keys that no document has."""
        if asked:
            rows = yield self._sql(_KEYS), [found.id]
            known = {row[0] for row in rows}
            refuse_unknown(asked - known, known)

    def _found(self) -> Script[_Found | None]:
        """The collection, if it has a document."""
        rows = yield self._sql(_FIND, distance=self.distance.value), [self.name]
        if not rows:
            return None
        self._check_version(rows[0][2])
        return _Found(*rows[0])

    def _check_version(self, version: int) -> None:
        if version != _VERSION:
            raise StoreError(
                f"{self.place} was written by another version of plait: its format is {version}, and this one knows "
                f"{_VERSION}; use that version, or another table"
            )

    def _sql(self, text: str, **parts: str | int) -> str:
        return text.format(table=self.table, **parts)


def _text(numbers: Sequence[float]) -> str:
    return f"[{','.join(map(repr, numbers))}]"


def _document(row: Sequence[Any]) -> Document:
    return Document(id=row[0], page_content=row[1], metadata=row[2])


def _storable(texts: Sequence[str], what: str) -> list[str]:
    if all(map(is_storable, texts)):
        return list(texts)
    raise StoreError(f"{what} holds a character that PostgreSQL cannot store: NUL, or half of a surrogate pair")

"""Vectors in a real PostgreSQL server, beyond what every store does."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait import RunnableLambda
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import ConfigError, StoreError
from plait.vectorstores import InMemoryVectorStore, PGVector

psycopg = pytest.importorskip("psycopg")

MODEL = DeterministicFakeEmbedding(size=16)
Make = Callable[..., PGVector]


@pytest.mark.slow
def test_collections_are_apart(pgvector: Make) -> None:
    """Each name is a store of its own, of vectors of its own length."""
    one, other = pgvector(MODEL), pgvector(DeterministicFakeEmbedding(size=3))
    one.add_texts(["red"], ids=["x"])
    other.add_texts(["blue"], ids=["x"])

    assert [document.page_content for document in one.similarity_search("red")] == ["red"]
    other.delete()
    assert [document.page_content for document in one.get_by_ids(["x"])] == ["red"]


@pytest.mark.slow
def test_what_is_kept_stays(pgvector: Make, vector_server: str) -> None:
    """Another object of that name finds it."""
    pgvector(MODEL, collection_name="stays").add_texts(["red"])
    again = PGVector(MODEL, connection=vector_server, collection_name="stays")
    assert [document.page_content for document in again.similarity_search("red")] == ["red"]


@pytest.mark.slow
def test_emptied_collection_takes_another_length(pgvector: Make) -> None:
    """Its index goes with the old vectors."""
    pgvector(MODEL, collection_name="emptied").add_texts(["red"])
    store = pgvector(DeterministicFakeEmbedding(size=3), collection_name="emptied")
    pgvector(MODEL, collection_name="emptied").create_hnsw_index()
    with pytest.raises(StoreError, match="vectors of 3 numbers, but those of this store have 16"):
        store.add_texts(["blue"])

    store.delete()
    store.add_texts(["blue"])
    assert len(store.similarity_search("blue")) == 1


@pytest.mark.slow
def test_index_is_used_and_finds_as_many(pgvector: Make, vector_server: str) -> None:
    """A search along the graph gives k documents, even if most of what it leads to was deleted."""
    store = pgvector(MODEL, collection_name="indexed", ef_search=4)
    store.add_texts([f"text {number}" for number in range(300)], ids=[str(number) for number in range(300)])
    store.create_hnsw_index()
    store.delete([str(number) for number in range(280)])

    with psycopg.connect(vector_server) as connection:
        names = connection.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%hnsw%'").fetchall()
    assert any(name.startswith("plait_vectors_") and name.endswith("_cosine") for (name,) in names)
    assert len(store.similarity_search("text 1", k=20)) == 20
    assert len(store.similarity_search("text 1", k=1100)) == 20


@pytest.mark.slow
def test_index_of_nothing(pgvector: Make) -> None:
    """There must be documents, whose vectors are short enough."""
    with pytest.raises(StoreError, match="has no documents yet"):
        pgvector(MODEL).create_hnsw_index()
    long = pgvector(DeterministicFakeEmbedding(size=2001))
    long.add_texts(["red"])
    with pytest.raises(StoreError, match="more than 2000 numbers"):
        long.create_hnsw_index()


@pytest.mark.slow
def test_data_is_never_sql(pgvector: Make) -> None:
    """Keys and values that look like statements are keys and values."""
    key = "'; DROP TABLE plait_vectors; -- %s {table}"
    store = pgvector(MODEL, collection_name=key)
    store.add_texts(["red"], [{key: key}], ids=[key])

    for filter in ({key: key}, {key: {"$gte": key}}, {key: {"$in": [key]}}, {"$not": {key: {"$exists": False}}}):
        assert [document.id for document in store.similarity_search("red", filter=filter)] == [key]


@pytest.mark.slow
def test_many_writers(pgvector: Make) -> None:
    """Of the same ids in different orders, at once: none fails, and each id is there once."""
    store, ids = pgvector(MODEL), [str(number) for number in range(40)]
    with ThreadPoolExecutor(6) as pool:
        orders = [ids, ids[::-1]] * 6
        list(pool.map(lambda order: store.add_texts(order, ids=order), orders))
    assert sorted(document.id or "" for document in store.similarity_search("1", k=100)) == sorted(ids)


@pytest.mark.slow
def test_tables_are_made_once(pgvector: Make) -> None:
    """Many first writers at once make one set of tables."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: pgvector(MODEL, table="once").add_texts(["x"]), range(8)))


@pytest.mark.slow
def test_connections_of_the_callers_own(pgvector: Make, vector_server: str) -> None:
    """A function that gives connections in a with block, as that of a pool does, is used instead of a string."""
    opened: list[Any] = []

    @contextmanager
    def connection() -> Iterator[Any]:
        with psycopg.connect(vector_server) as found:
            opened.append(found)
            yield found

    store = pgvector(MODEL, connection=connection)
    store.add_texts(["red"])
    assert len(store.similarity_search("red")) == len(opened) - 1 == 1
    assert "function" in repr(store)


@pytest.mark.slow
async def test_search_that_nobody_wants_any_more(pgvector: Make, vector_server: str) -> None:
    """It is cancelled in the server when its task is."""
    store = pgvector(MODEL, timeout=3600)
    store.add_texts(["red"])
    with psycopg.connect(vector_server, autocommit=True) as watching, psycopg.connect(vector_server) as holding:
        holding.execute("LOCK TABLE plait_vectors")
        task = asyncio.create_task(store.asimilarity_search("red"))
        while not _waiting(watching):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not _waiting(watching)


def _waiting(connection: Any) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    return int(connection.execute(query).fetchone()[0])


@pytest.mark.slow
def test_table_that_others_hold(pgvector: Make, vector_server: str) -> None:
    """A call waits for it at most so long, and then says for what."""
    store = pgvector(MODEL, timeout=0.2)
    store.add_texts(["red"])
    with psycopg.connect(vector_server) as connection:
        connection.execute("LOCK TABLE plait_vectors")
        with pytest.raises(StoreError, match="too long"):
            store.similarity_search("red")


@pytest.mark.slow
def test_tables_of_another_version(pgvector: Make, vector_server: str) -> None:
    """What this version does not know is not touched."""
    store = pgvector(MODEL, table="newer")
    store.add_texts(["red"])
    with psycopg.connect(vector_server) as connection:
        connection.execute("UPDATE newer_collections SET version = 2")

    for call in (lambda: store.add_texts(["x"]), lambda: store.similarity_search("x")):
        with pytest.raises(StoreError, match="another version of plait: its format is 2"):
            call()


@pytest.mark.slow
def test_what_the_server_cannot_hold(pgvector: Make) -> None:
    """NUL, half of a pair, and numbers that JSON has not, are refused, and nothing is stored."""
    store = pgvector(MODEL)
    for text, about in (("a\0b", {}), ("\ud800", {}), ("red", {"a": float("nan")}), ("red", {"a": "\0"})):
        with pytest.raises(StoreError):
            store.add_texts(["blue", text], [{}, about])
    assert store.similarity_search("red") == []


@pytest.mark.slow
def test_function_as_filter(pgvector: Make) -> None:
    """A function cannot be asked in the server."""
    store = pgvector(MODEL)
    with pytest.raises(StoreError, match="a filter is a dict"):
        store.similarity_search("red", filter=lambda document: True)


@pytest.mark.slow
def test_retriever(pgvector: Make, run: Any) -> None:
    """In a chain, in every mode."""
    store = pgvector(MODEL)
    store.add_texts(["red", "blue"])
    chain = store.as_retriever(search_kwargs={"k": 1}) | RunnableLambda(lambda found: found[0].page_content)
    assert run(chain, "red") == "red"


def test_server_that_is_not_there() -> None:
    """The error names the database, and no password."""
    store = PGVector(MODEL, connection="postgresql://ada:canary@127.0.0.1:1/books")
    with pytest.raises(StoreError, match=r"'plait' of table 'plait_vectors'.*dbname=books.*no connection") as caught:
        store.similarity_search("red")
    assert "canary" not in f"{caught.value}{store!r}{pickle.dumps(store)!r}"
    assert deepcopy(store) is store


@pytest.mark.parametrize(
    "settings",
    [{"table": 'x"; --'}, {"collection_name": ""}, {"timeout": 0}, {"ef_search": 0}, {"distance_strategy": "near"}],
    ids=str,
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    """They are refused before there is a connection."""
    with pytest.raises(ConfigError):
        PGVector(MODEL, **{"connection": "dbname=x"} | settings)


# ------------------------------------------------------------------------------------------------------ one meaning of filters

VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, "", "a", "B", "ä", "1"])
PLAIN = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2)
KEYS = st.sampled_from(["a", "b", "c"])
TESTS = (
    st.fixed_dictionaries({"$eq": PLAIN})
    | st.fixed_dictionaries({"$ne": PLAIN})
    | st.fixed_dictionaries({"$in": st.lists(PLAIN, max_size=3)})
    | st.fixed_dictionaries({"$nin": st.lists(PLAIN, max_size=3)})
    | st.fixed_dictionaries({"$exists": st.booleans()})
    | st.builds(
        lambda name, value: {name: value},
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
        st.integers(-3, 3) | st.sampled_from([0.5, "a", "B", "ä", float("nan"), float("inf")]),
    )
)
FILTERS = st.recursive(
    st.dictionaries(KEYS, TESTS, max_size=2),
    lambda inner: (
        st.builds(lambda parts: {"$and": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: {"$or": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda part: {"$not": part}, inner)
    ),
    max_leaves=5,
)
METADATAS = st.lists(st.dictionaries(KEYS, PLAIN, max_size=3), min_size=4, max_size=4)


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadatas=METADATAS, filter=FILTERS)
def test_filters_mean_the_same(pgvector: Make, metadatas: list[dict[str, Any]], filter: dict[str, Any]) -> None:
    """In the server as in memory, whatever there is and is asked."""
    memory, server, texts = InMemoryVectorStore(MODEL), pgvector(MODEL, collection_name="law"), ["a", "b", "c", "d"]
    found = []
    for store in (memory, server):
        store.add_texts(texts, metadatas, ids=texts)
        try:
            found.append(sorted(document.id or "" for document in store.similarity_search("a", filter=filter)))
        except StoreError as error:
            found.append([str(error)])
    assert found[0] == found[1]


@pytest.mark.slow
def test_filters_beyond_what_the_server_reads(pgvector: Make) -> None:
    """Numbers of any size are compared; half of a surrogate pair is refused."""
    store = pgvector(MODEL)
    store.add_texts(["red"], [{"n": 1}])
    assert store.similarity_search("red", filter={"n": {"$lt": 10**400}})
    for filter in ({"n": {"$gt": "\ud800"}}, {"\ud800": 1}):
        with pytest.raises(StoreError, match="surrogate"):
            store.similarity_search("red", filter=filter)

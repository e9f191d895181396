"""Vectors in a real PostgreSQL server, beyond what every store does."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait import RunnableLambda
from plait.embeddings import DeterministicFakeEmbedding, Embeddings
from plait.errors import ConfigError, StoreError
from plait.stopping import Stop, Stopped, stopping
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


class Known(Embeddings):
    """Gives for each word its place, and zeros for what has none."""

    places: ClassVar = {"here": [1.0, 0.0], "there": [-1.0, 0.0], "aside": [0.0, 1.0]}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.places.get(text, [0.0, 0.0])


@pytest.mark.slow
@pytest.mark.parametrize("indexed", [False, True])
def test_vectors_of_zeros(pgvector: Make, *, indexed: bool) -> None:
    """Their cosine is 0 to any other, so they stand where those stand that lie aside, with and without an index."""
    store, memory, words = pgvector(Known()), InMemoryVectorStore(Known()), ["nowhere", "there", "aside", "here"]
    for each in (store, memory):
        each.add_texts(words, ids=words)
    if indexed:
        store.create_hnsw_index()
    for query in words:
        assert store.similarity_search_with_score(query) == memory.similarity_search_with_score(query)


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
def test_first_writers_of_two_lengths(pgvector: Make, vector_server: str) -> None:
    """Of those who fill a collection at once, one says how long its vectors are, and the others fail."""
    name = "two lengths"
    stores = [pgvector(DeterministicFakeEmbedding(size=size), collection_name=name) for size in (3, 16, 5, 7)]
    for _ in range(5):
        stores[0].delete()
        with ThreadPoolExecutor(4) as pool:
            tasks = [pool.submit(store.add_texts, [str(number) for number in range(100)]) for store in stores]
        failed = [str(task.exception()) for task in tasks if task.exception()]
        with psycopg.connect(vector_server) as connection:
            query = """SELECT count(DISTINCT vector_dims(vector)) FROM plait_vectors JOIN plait_vectors_collections AS c
                ON c.id = collection WHERE name = %s"""
            assert connection.execute(query, [name]).fetchone() == (1,)
        assert len(failed) == 3
        assert all("use the embedding model that the store was filled with" in text for text in failed)


@pytest.mark.slow
def test_index_that_takes_long(pgvector: Make, vector_server: str) -> None:
    """Who makes tables of another name meanwhile does not wait for it."""
    store = pgvector(MODEL, timeout=60)
    store.add_texts(["red"])
    with psycopg.connect(vector_server, autocommit=True) as watching, ThreadPoolExecutor(1) as pool:
        with psycopg.connect(vector_server) as holding:
            holding.execute("LOCK TABLE plait_vectors IN ROW EXCLUSIVE MODE")
            indexing = pool.submit(store.create_hnsw_index)
            while not _waiting(watching):
                pass
            pgvector(MODEL, table="elsewhere", timeout=1).add_texts(["blue"])
        indexing.result()


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [{"m": 101, "ef_construction": 300}, {"m": 16, "ef_construction": 31}], ids=str)
def test_index_that_cannot_be(pgvector: Make, sizes: dict[str, int]) -> None:
    """Sizes that pgvector does not take are refused before it is asked."""
    with pytest.raises(ConfigError, match="m may be 100 at most"):
        pgvector(MODEL).create_hnsw_index(**sizes)


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
@pytest.mark.parametrize(
    "settings",
    [
        {"autocommit": True, "row_factory": psycopg.rows.dict_row},
        {"cursor_factory": psycopg.ClientCursor, "prepare_threshold": None},
        {"cursor_factory": psycopg.RawCursor, "prepare_threshold": 0},
    ],
    ids=["dicts", "client", "raw"],
)
def test_connections_that_are_set_up_otherwise(pgvector: Make, vector_server: str, settings: dict[str, Any]) -> None:
    """What they do for others, in rows, parameters and transactions, is nothing to the store."""
    store = pgvector(MODEL, connection=lambda: psycopg.connect(vector_server, **settings))
    store.add_texts(["red", "blue"], [{"n": 1}, {"n": 2}])
    assert store.similarity_search("red", filter={"n": {"$gt": 1}})[0].page_content == "blue"
    assert len(store.max_marginal_relevance_search("red")) == 2


@pytest.mark.slow
async def test_async_connections_of_the_callers_own(pgvector: Make, vector_server: str) -> None:
    """The async verbs use a function for them; it may be one of a pool, or give a connection to be awaited."""
    opened: list[Any] = []

    @asynccontextmanager
    async def connection() -> AsyncIterator[Any]:
        async with await psycopg.AsyncConnection.connect(vector_server) as found:
            opened.append(found)
            yield found

    store = pgvector(MODEL, connection=None, async_connection=connection, collection_name="async")
    await store.aadd_texts(["red"])
    awaited = pgvector(
        MODEL, collection_name="async", async_connection=lambda: psycopg.AsyncConnection.connect(vector_server)
    )
    assert await store.asimilarity_search("red") == await awaited.asimilarity_search("red") == awaited.search("red")
    assert [found.closed for found in opened] == [True, True]
    assert "function" in repr(store)
    with pytest.raises(ConfigError, match="sync calls need connection="):
        store.similarity_search("red")


async def test_functions_that_give_no_connection() -> None:
    """They are told what they must give."""
    wrong = PGVector(MODEL, connection=lambda: 3, async_connection=lambda: 4)  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigError, match=r"a `with` block.*got int"):
        wrong.similarity_search("red")
    with pytest.raises(ConfigError, match=r"an `async with` block.*got int"):
        await wrong.asimilarity_search("red")


@pytest.mark.slow
async def test_more_searches_than_the_server_has_connections(pgvector: Make) -> None:
    """They wait for each other, also if some are cancelled that have to wait."""
    store = pgvector(MODEL)
    await store.aadd_texts(["red"])
    searches = [asyncio.create_task(store.asimilarity_search("red")) for _ in range(200)]
    await asyncio.sleep(0)
    for search in searches[100:150]:
        search.cancel()
    found = await asyncio.gather(*searches, return_exceptions=True)
    assert [len(each) for each in found if isinstance(each, list)] == [1] * 150


@pytest.mark.slow
def test_loop_that_watches_no_sockets(pgvector: Make) -> None:
    """There psycopg cannot wait, as on Windows, and a thread does."""
    store = pgvector(MODEL)

    class Loop(asyncio.SelectorEventLoop):
        add_reader = asyncio.AbstractEventLoop.add_reader

    async def use() -> list[str]:
        await store.aadd_texts(["red"], ids=["1"])
        return [document.id or "" for document in await store.asimilarity_search("red")]

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(use()) == ["1"]


async def test_cancelled_while_it_connects() -> None:
    """A server that says nothing is left at once, and the connection is closed."""
    came, left = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        came.set()
        await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = PGVector(MODEL, connection=f"host=127.0.0.1 port={port} user=ada sslmode=disable", timeout=3600)
        task = asyncio.create_task(store.asimilarity_search("red"))
        await came.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


@pytest.mark.slow
def test_statement_that_begins_when_it_is_told_to_end(pgvector: Make, vector_server: str) -> None:
    """A cancel that comes too early for the server is sent once more, so that it does not go on for an hour."""
    stop = Stop()

    class Late(psycopg.Connection[Any]):
        waits = 0

        def wait(self, *args: Any, **kwargs: Any) -> Any:
            self.waits += 1
            if self.waits == 3:  # after the transaction and its limits
                stop.set("too late for the check, too early for the server")
            return super().wait(*args, **kwargs)

    pgvector(MODEL, table="late", collection_name="late").add_texts(["red"])
    store = PGVector(
        MODEL, table="late", collection_name="late", timeout=3600, connection=lambda: Late.connect(vector_server)
    )
    _ = stopping.set(stop)
    try:
        with pytest.raises(Stopped), psycopg.connect(vector_server) as holding:
            holding.execute("LOCK TABLE late")
            store.similarity_search("red")
    finally:
        stopping.set(None)


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
def test_user_who_may_not(pgvector: Make, vector_server: str) -> None:
    """A user without rights is told which, and one who may only read searches."""
    store = pgvector(MODEL, table="denied")
    store.add_texts(["red"])
    with psycopg.connect(vector_server) as connection:
        connection.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON denied, denied_collections TO reader")

    reader = pgvector(
        MODEL,
        table="denied",
        collection_name=store.collection_name,
        connection=vector_server.replace("postgres:@", "reader@"),
    )
    assert len(reader.similarity_search("red")) == 1
    for call in (lambda: reader.add_texts(["blue"]), lambda: reader.delete()):
        with pytest.raises(StoreError, match="may not use the tables"):
            call()


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
    assert repr(pickle.loads(pickle.dumps(store))) == repr(store)


def test_address_for_sqlalchemy() -> None:
    """Whoever moves here is told what is another way of writing it; nothing of the string is shown."""
    with pytest.raises(ConfigError, match="leave out what SQLAlchemy wants") as caught:
        PGVector(MODEL, connection="postgresql+psycopg://ada:canary@localhost/books")
    assert "canary" not in str(caught.value)


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

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, "", "a", "ab", "a\x01", "\uffff", "B", "ä", "1"])
)
STRANGE = st.sampled_from(
    ["\0", "a\0", "a\0b", "\ud800", "a\udfff", float("nan"), float("inf")]
)  # no document has these
PLAIN = VALUES | st.lists(VALUES, max_size=2) | st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2)
ASKED = PLAIN | STRANGE | st.lists(VALUES | STRANGE, max_size=2)
KEYS = st.sampled_from(["a", "b", "c"])
ASKED_KEYS = KEYS | st.just("\udfff")
TESTS = (
    st.fixed_dictionaries({"$eq": ASKED})
    | st.fixed_dictionaries({"$ne": ASKED})
    | st.fixed_dictionaries({"$in": st.lists(ASKED, max_size=3)})
    | st.fixed_dictionaries({"$nin": st.lists(ASKED, max_size=3)})
    | st.fixed_dictionaries({"$exists": st.booleans()})
    | st.builds(
        lambda name, value: {name: value},
        st.sampled_from(["$gt", "$gte", "$lt", "$lte"]),
        st.integers(-3, 3) | st.sampled_from([0.5, "a", "B", "ä"]) | STRANGE,
    )
)
FILTERS = st.recursive(
    st.dictionaries(ASKED_KEYS, TESTS, max_size=2),
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
    """Numbers of any size are compared."""
    store = pgvector(MODEL)
    store.add_texts(["red"], [{"n": 1}])
    for number in (10**400, 10**5000):
        assert store.similarity_search("red", filter={"n": {"$lt": number}})
        assert store.similarity_search("red", filter={"n": {"$gt": -number}})


@pytest.mark.slow
def test_what_the_server_cannot_be_asked_for(pgvector: Make) -> None:
    """Half of a pair in an id is in no document, and more than it can count is all."""
    store = pgvector(MODEL)
    store.add_texts(["red"], ids=["1"])
    assert [document.id for document in store.get_by_ids(["\ud800", "1"])] == ["1"]
    store.delete(["\ud800"])
    assert len(store.similarity_search("red", k=10**30)) == 1
    with pytest.raises(StoreError, match="an id holds a character"):
        store.add_texts(["red"], ids=["\ud800"])
    with pytest.raises(StoreError, match="more than 32 bits hold"):
        store._put(["2"], [[1e39, *[0.0] * 15]], ["red"], [{}])

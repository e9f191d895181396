"""A cache asks its model for what it does not have, and believes no record that is not its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.concurrency import gather
from plait.embeddings import CacheBackedEmbeddings, DeterministicFakeEmbedding, Embeddings
from plait.embeddings.records import read, write
from plait.errors import ConfigError, ModelError
from plait.stopping import Stopped, stoppable
from plait.stores import InMemoryByteStore, LocalFileStore

FINITE = st.floats(allow_nan=False, allow_infinity=False)


class Counted(DeterministicFakeEmbedding):
    """Remembers what it was asked for; a query's vector is the opposite of a document's."""

    _asked: list[list[str]] = []

    def model_post_init(self, context: Any) -> None:
        self._asked = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self._asked.append(list(texts))
        return super().embed_documents(texts)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        if text.startswith("? "):
            self._asked.append([text])
        return super().embed_query(text)

    async def aembed_query(self, text: str) -> list[float]:
        return self.embed_query(text)


def cache_of(model: Embeddings, store: Any = None, **settings: Any) -> CacheBackedEmbeddings:
    return CacheBackedEmbeddings.from_bytes_store(model, InMemoryByteStore() if store is None else store, **settings)


@pytest.fixture(params=["sync", "async"])
def embed(request: pytest.FixtureRequest) -> Any:
    """``embed(model, texts)``: the vectors, by either twin; of a text its query's vector."""

    def embed(model: Embeddings, texts: Any) -> Any:
        if request.param == "sync":
            return model.embed_query(texts) if isinstance(texts, str) else model.embed_documents(texts)
        return asyncio.run(model.aembed_query(texts) if isinstance(texts, str) else model.aembed_documents(texts))

    return embed


def test_only_what_is_missing_is_asked_for(embed: Any) -> None:
    """Each text once, in batches of bounded size; vectors come in the order of the texts."""
    model = Counted(size=4)
    cache = cache_of(model, batch_size=2)
    plain = DeterministicFakeEmbedding(size=4)
    assert embed(cache, ["a", "b", "a", "c"]) == plain.embed_documents(["a", "b", "a", "c"])
    assert embed(cache, ["d", "c", "a"]) == plain.embed_documents(["d", "c", "a"])
    assert model._asked == [["a", "b"], ["c"], ["d"]]
    assert embed(cache, []) == []


def test_without_a_bound_all_go_into_one_call() -> None:
    """batch_size=None."""
    model = Counted(size=4)
    cache_of(model, batch_size=None).embed_documents([str(number) for number in range(3000)])
    assert [len(asked) for asked in model._asked] == [3000]


def test_a_vector_that_is_changed_is_not_another_texts() -> None:
    """Whoever changes what he got changes nobody else's."""
    cache = cache_of(Counted(size=2))
    first, second = cache.embed_documents(["a", "a"])
    first[0] = 7.0
    assert second[0] != 7.0
    assert cache.embed_documents(["a"]) == [second]


def test_queries_are_kept_apart_if_they_are_kept(embed: Any) -> None:
    """Never under the key of a document, which may have another vector."""
    model, store = Counted(size=4), InMemoryByteStore()
    embed(cache_of(model, store), "? x")
    embed(cache_of(model, store), "? x")
    assert list(store.yield_keys()) == []
    kept = cache_of(model, store, query_embedding_cache=True)
    kept.embed_documents(["? x"])
    assert embed(kept, "? x") == embed(kept, "? x") == DeterministicFakeEmbedding(size=4).embed_query("? x")
    assert len(list(store.yield_keys())) == 2
    own = InMemoryByteStore()
    embed(cache_of(model, store, query_embedding_cache=own), "? x")
    assert len(list(own.yield_keys())) == 1


def test_models_and_namespaces_do_not_mix() -> None:
    """Neither another size, nor another class, nor another namespace finds a vector; a like model does."""
    store = InMemoryByteStore()
    for model, namespace in ((Counted(size=4), ""), (Counted(size=5), ""), (DeterministicFakeEmbedding(size=4), ""), (Counted(size=4), "b")):  # fmt: skip
        cache_of(model, store, namespace=namespace).embed_documents(["a"])
    assert len(list(store.yield_keys())) == 4
    again = Counted(size=4)
    cache_of(cache_of(again), store, namespace="b").embed_documents(["a"])
    assert again._asked == []


def test_a_cache_lives_in_files(tmp_path: Path, embed: Any) -> None:
    """Its keys are names of files, and another process's model finds them."""
    model = Counted(size=4)
    embed(cache_of(model, LocalFileStore(tmp_path)), ["a", "../../x", "\0", "\ud800"])
    embed(cache_of(model, LocalFileStore(tmp_path)), ["a", "../../x", "\0", "\ud800"])
    assert len(model._asked) == 1


def test_clear_forgets_what_is_its_own(embed: Any) -> None:
    """Vectors of other models and namespaces stay."""
    store, model = InMemoryByteStore(), Counted(size=4)
    one, other = (cache_of(model, store, namespace=name, query_embedding_cache=True) for name in "ab")
    for cache in (one, other):
        embed(cache, ["a", "b"])
        embed(cache, "q")
    one.clear()
    assert len(list(store.yield_keys())) == 3
    asyncio.run(other.aclear())
    assert list(store.yield_keys()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda record: record[:-1],
        lambda record: b"",
        lambda record: record[:30] + bytes([record[30] ^ 1]) + record[31:],
        lambda record: b"\x80\x04}.",
        lambda record: write("another key", [1.0] * 4),
        lambda record: b"plait-vector 1 f4 1000000\n" + record[20:],
        lambda record: "text",
    ],
)
def test_a_record_that_is_not_whole_is_none(spoil: Any) -> None:
    """It is made anew, and put in its place."""
    store, model = InMemoryByteStore(), Counted(size=4)
    cache = cache_of(model, store)
    [vector] = cache.embed_documents(["a"])
    [(key, record)] = store.store.items()
    store.mset([(key, spoil(record))])
    assert cache.embed_documents(["a"]) == [vector]
    assert model._asked == [["a"], ["a"]]
    assert store.store == {key: record}


def test_a_model_that_was_exchanged_is_found_out(embed: Any) -> None:
    """Vectors of another length than those that are kept are neither mixed with them nor kept."""
    store = InMemoryByteStore()

    class Model(Embeddings):
        size = 2

        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0] * self.size for _ in texts]

        def embed_query(self, text: str) -> list[float]:
            return [1.0]

        def _identity(self) -> str:
            return "the same"

    model = Model()
    embed(cache_of(model, store), ["a"])
    model.size = 3
    with pytest.raises(ModelError, match=r"the cache of Model holds vectors of another length.*2 and 3 numbers"):
        embed(cache_of(model, store), ["a", "b"])
    assert len(list(store.yield_keys())) == 1
    embed(cache_of(model, store), ["b"])
    with pytest.raises(ModelError, match="2 and 3 numbers"):
        embed(cache_of(model, store), ["a", "b"])


def test_vectors_that_are_missing_are_not_kept() -> None:
    """A model that gives fewer vectors than texts raises before anything is kept."""
    store = InMemoryByteStore()

    class Losing(Counted):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return []

    with pytest.raises(ModelError, match="Losing was given 1 texts, but gave 0 vectors"):
        cache_of(Losing(size=2), store).embed_documents(["a"])
    assert list(store.yield_keys()) == []


def test_what_came_before_a_failure_is_kept() -> None:
    """Work that is broken off goes on where it was."""

    class Failing(Counted):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            if "bad" in texts:
                raise RuntimeError("no")
            return super().embed_documents(texts)

    model = Failing(size=2)
    cache = cache_of(model, batch_size=1)
    with pytest.raises(RuntimeError, match="no"):
        cache.embed_documents(["a", "bad", "b"])
    cache.embed_documents(["a", "b"])
    assert model._asked == [["a"], ["b"]]


def test_work_can_be_ended_between_batches() -> None:
    """What was done is kept."""
    with stoppable() as stop:

        class Ending(Counted):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                stop.set("enough")
                return super().embed_documents(texts)

        store = InMemoryByteStore()
        with pytest.raises(Stopped):
            cache_of(Ending(size=2), store, batch_size=2).embed_documents(["a", "b", "c"])
    assert len(list(store.yield_keys())) == 2


def test_threads_share_a_cache() -> None:
    """Whoever asks gets the right vectors, whoever else does."""
    cache, plain = cache_of(Counted(size=8), batch_size=3), DeterministicFakeEmbedding(size=8)
    asked = [[str((start + step) % 20) for step in range(10)] for start in range(40)]
    got = gather(lambda _, texts: cache.embed_documents(texts), asked, 8, None)
    assert got == [plain.embed_documents(texts) for texts in asked]


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512", "blake2b", str.upper])
def test_keys_are_made_as_one_likes(name: Any) -> None:
    """By the name of a hash, or by a function; the model's part of the key is there in any case."""
    store = InMemoryByteStore()
    cache_of(Counted(size=2), store, key_encoder=name).embed_documents(["a"])
    [key] = store.yield_keys()
    assert key.split("/")[1] == "documents"
    assert key.endswith("/A") == (name is str.upper)


@pytest.mark.parametrize(
    "settings", [{"batch_size": 0}, {"key_encoder": "md5"}, {"query_embedding_cache": {}}, {"store": {}}]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    """When the cache is made."""
    with pytest.raises(ConfigError, match=r"batch_size must|key_encoder is|vectors are kept in a ByteStore"):
        if settings == {"query_embedding_cache": {}}:
            CacheBackedEmbeddings(Counted(size=2), InMemoryByteStore(), query_embedding_store={})  # type: ignore[arg-type]
        cache_of(Counted(size=2), **settings)


@pytest.mark.parametrize(("texts", "says"), [("abc", "got one str"), ([b"a"], "number 0 is of type bytes"), (["a", None], "number 1")])  # fmt: skip
def test_texts_are_a_list_of_texts(embed: Any, texts: Any, says: str) -> None:
    """A single text would be taken for its letters."""
    cache = cache_of(Counted(size=2))
    with pytest.raises(TypeError, match=says):
        cache.embed_documents(texts)


@given(st.text(), st.lists(FINITE, min_size=1, max_size=50))
def test_a_record_gives_back_its_vector(key: str, vector: list[float]) -> None:
    """To the last bit, and to nobody who asks by another key."""
    record = write(key, vector)
    assert read(key, record) == vector
    assert read(key + "x", record) is None


@given(st.binary(max_size=200))
def test_no_bytes_but_a_record_are_one(data: bytes) -> None:
    """Whatever lies in the store."""
    assert read("key", data) is None


def test_single_precision_is_kept_in_half_the_space() -> None:
    """Most models give no more."""
    assert len(write("k", [0.5] * 100)) < 450 < len(write("k", [0.1] * 100))


def test_texts_from_a_generator(embed: Any) -> None:
    """They are taken once, and each has its vector."""
    cache = cache_of(Counted(size=2))
    assert embed(cache, (text for text in ("a", "b"))) == embed(cache, ["a", "b"])
    assert len(embed(cache, ["a", "b"])) == 2


def test_a_query_is_a_text() -> None:
    """If queries are kept, too."""
    cache = cache_of(Counted(size=2), query_embedding_cache=True)
    with pytest.raises(TypeError, match="a text to embed is a str"):
        cache.embed_query(None)  # type: ignore[arg-type]


def test_what_stands_behind_is_an_embedding_model() -> None:
    """What only looks like one has nothing to tell its vectors from others by."""
    with pytest.raises(ConfigError, match="from_langchain"):
        cache_of(object())  # type: ignore[arg-type]

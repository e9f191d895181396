"""What is kept is found again by its own request, as it was, in memory and in files; damage is a miss."""

import asyncio
import copy
import os
import pickle
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.caches import BaseCache, InMemoryCache, SQLiteCache, get_llm_cache, records, set_llm_cache
from plait.errors import ConfigError
from plait.messages import AIMessage, AIMessageChunk
from plait.outputs import ChatGeneration, ChatGenerationChunk, Generation, GenerationChunk
from plait.testing.clock import VirtualClock

Make = Callable[..., Any]
USAGE: Any = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7, "input_token_details": {"cache_read": 1}}


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a cache of either kind, and closes it."""
    opened = []

    def made(**options: Any) -> Any:
        if request.param == "memory":
            return InMemoryCache(**options)
        opened.append(SQLiteCache(tmp_path / "answers.db", **options))
        return opened[-1]

    yield made
    for cache in opened:
        cache.close()


def text(value: str, **info: Any) -> list[Generation]:
    return [Generation(text=value, generation_info=info or None)]


def said(message: AIMessage) -> list[Generation]:
    return [ChatGeneration(message=message)]


FULL = AIMessage(
    [{"type": "text", "text": "\ud800 ü"}, {"type": "reasoning", "reasoning": "so"}],
    name="bob",
    tool_calls=[{"name": "f", "args": {"lc": 1, "type": "constructor", "id": ["os", "system"]}, "id": "1"}],
    invalid_tool_calls=[{"name": "g", "args": "{", "id": "2", "error": "no"}],
    usage_metadata=USAGE,
    response_metadata={"finish_reason": "stop", "n": float("inf")},
    additional_kwargs={"lc": 1, "type": "secret", "id": ["CANARY"]},
    surplus={"kept": [1, None, True]},
)

ANSWERS = [
    text("a"),
    text("", finish_reason="stop", deep={"a": [1, 2.5, None, True, "\ud800"]}),
    [Generation(text="a"), Generation(text="b")],
    said(AIMessage("hello")),
    said(FULL),
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_what_is_kept_comes_back(make: Make, answer: list[Generation]) -> None:
    """An answer comes back equal, field by field, in classes of its own kind; what looks like code stays data."""
    cache = make()
    cache.update("p", "m", answer)
    assert cache.lookup("p", "m") == answer
    assert [type(each) for each in cache.lookup("p", "m")] == [type(each) for each in answer]


async def test_async_forms(make: Make) -> None:
    """alookup, aupdate and aclear do what their twins do."""
    cache = make()
    assert await cache.alookup("p", "m") is None
    await cache.aupdate("p", "m", text("a"))
    assert await cache.alookup("p", "m") == cache.lookup("p", "m") == text("a")
    await cache.aclear()
    assert await cache.alookup("p", "m") is None


def test_chunks_are_kept_as_what_they_amount_to(make: Make) -> None:
    """The sum of a stream is kept as the whole message."""
    cache = make()
    cache.update("p", "m", [ChatGenerationChunk(message=AIMessageChunk(content="a"))])
    cache.update("q", "m", [GenerationChunk(text="a")])
    assert cache.lookup("p", "m") == said(AIMessage("a"))
    assert cache.lookup("q", "m") == text("a")


def test_requests_do_not_meet(make: Make) -> None:
    """Only the same prompt with the same settings finds an answer; a later one takes the place of the earlier."""
    cache = make()
    cache.update("ab", "c", text("1"))
    assert cache.lookup("a", "bc") is cache.lookup("ab", "") is cache.lookup("AB", "c") is None
    cache.update("ab", "c", text("2"))
    assert cache.lookup("ab", "c") == text("2")


def test_nobody_can_change_what_is_kept(make: Make) -> None:
    """Neither the answer that was given to keep nor one that was found is what the cache holds."""
    cache, answer = make(), said(AIMessage("a", response_metadata={"x": [1]}))
    cache.update("p", "m", answer)
    for each in (answer, cache.lookup("p", "m")):
        each[0].message.response_metadata["x"].append(2)
    assert cache.lookup("p", "m")[0].message.response_metadata == {"x": [1]}


class Special(AIMessage):
    pass


@pytest.mark.parametrize(
    "answer",
    [
        [],
        text("a", when=object()),
        text("a", pair=(1, 2)),
        said(Special("a")),
        said(AIMessage("a", additional_kwargs={"blob": b"x"})),
        said(AIMessage("a", additional_kwargs={"n": 10**5000})),
        [type("Other", (Generation,), {})(text="a")],
    ],
    ids=["nothing", "object", "tuple", "class of message", "bytes", "long number", "class of candidate"],
)
def test_what_would_not_come_back_is_not_kept(make: Make, answer: list[Generation]) -> None:
    """An answer that JSON would change is not kept, rather than kept changed."""
    cache = make()
    cache.update("p", "m", answer)
    assert cache.lookup("p", "m") is None


def test_the_bound_holds(make: Make) -> None:
    """A cache holds no more than maxsize answers, the latest."""
    cache = make(maxsize=3)
    for number in range(10):
        cache.update(str(number), "m", text("a"))
    assert [bool(cache.lookup(str(number), "m")) for number in range(10)] == [False] * 7 + [True] * 3


def test_a_bound_of_ten_thousand_holds() -> None:
    """The default bound of the cache in memory is kept."""
    cache = InMemoryCache()
    for number in range(10_050):
        cache.update(str(number), "m", text("a"))
    assert len(cache) == 10_000
    assert cache.lookup("49", "m") is None
    assert cache.lookup("50", "m") is not None


def test_a_bound_of_ten_thousand_holds_in_a_file() -> None:
    """The same for a database, however often one request is kept again in between."""
    with SQLiteCache(":memory:", maxsize=10_000) as cache:
        for number in range(10_050):
            cache.update(str(number), "m", text("a"))
        for _ in range(20):
            cache.update("10049", "m", text("b"))
        with cache._opened().reading() as database:
            assert database.execute("SELECT COUNT(*) FROM plait_answers_1").fetchone()[0] <= 10_000
        assert cache.lookup("10000", "m") is not None


def test_what_is_used_stays_longest_in_memory() -> None:
    """In memory it is the answer that was not used for longest that goes first."""
    cache = InMemoryCache(maxsize=2)
    cache.update("a", "m", text("a"))
    cache.update("b", "m", text("b"))
    cache.lookup("a", "m")
    cache.update("c", "m", text("c"))
    assert cache.lookup("a", "m")
    assert cache.lookup("b", "m") is None


def test_answers_grow_old(make: Make) -> None:
    """After ttl seconds an answer is a miss, and can be kept anew."""
    with VirtualClock(start=1e9) as clock:
        cache = make(ttl=10)
        cache.update("p", "m", text("a"))
        clock.advance(9)
        assert cache.lookup("p", "m")
        clock.advance(1)
        assert cache.lookup("p", "m") is None
        cache.update("p", "m", text("b"))
        assert cache.lookup("p", "m") == text("b")


def test_what_is_too_old_leaves_the_file(tmp_path: Path) -> None:
    """The next answer that is kept takes those that are too old out of the file."""
    with VirtualClock(start=1e9) as clock, SQLiteCache(tmp_path / "a.db", ttl=10) as cache:
        cache.update("p", "m", text("a"))
        clock.advance(20)
        cache.update("q", "m", text("b"))
        with cache._opened().reading() as database:
            assert database.execute("SELECT COUNT(*) FROM plait_answers_1").fetchone() == (1,)


def test_tenants_do_not_meet(tmp_path: Path) -> None:
    """Caches of two namespaces on one file do not see each other's answers."""
    path = tmp_path / "a.db"
    with SQLiteCache(path, namespace="a") as one, SQLiteCache(path, namespace="b") as other:
        one.update("p", "m", text("a"))
        assert one.lookup("p", "m")
        assert other.lookup("p", "m") is None


def test_clear_forgets(make: Make) -> None:
    """After clear there is nothing, and the cache goes on working."""
    cache = make()
    cache.update("p", "m", text("a"))
    cache.clear()
    assert cache.lookup("p", "m") is None
    cache.update("p", "m", text("b"))
    assert cache.lookup("p", "m") == text("b")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maxsize", 0),
        ("maxsize", -1),
        ("maxsize", 1.5),
        ("maxsize", True),
        ("ttl", 0),
        ("ttl", float("inf")),
        ("ttl", "1"),
        ("namespace", None),
    ],
)
def test_bad_settings_are_named(make: Make, field: str, value: Any) -> None:
    """A setting that cannot be right is refused by name."""
    with pytest.raises(ConfigError, match=rf"^{field} must be"):
        make(**{field: value})


def test_many_threads(make: Make) -> None:
    """Threads that read and write at once find what was kept, or nothing."""
    cache = make(maxsize=50)
    faults = []

    def work(seed: int) -> None:
        for number in range(150):
            name = str((number * seed) % 70)
            cache.update(name, "m", text(name))
            found = cache.lookup(name, "m")
            if found is not None and found != text(name):
                faults.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 7, 11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


async def test_many_tasks(make: Make) -> None:
    """The same for tasks."""
    cache = make()

    async def work(number: int) -> Any:
        await cache.aupdate(str(number), "m", text(str(number)))
        return await cache.alookup(str(number), "m")

    assert await asyncio.gather(*map(work, range(50))) == [text(str(number)) for number in range(50)]


# ------------------------------------------------------------------------------------------------------------- damage

KEY = b"k" * 32
RECORD = records.written(KEY, said(FULL)) or b""


@given(place=st.integers(0, len(RECORD) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_a_miss(place: int, bit: int) -> None:
    """No damaged record is read as an answer."""
    damaged = bytearray(RECORD)
    damaged[place] ^= 1 << bit
    assert records.read(KEY, bytes(damaged)) is None


def test_any_end_that_is_missing_is_a_miss() -> None:
    """A record that stops short, wherever, is no record."""
    assert [size for size in range(len(RECORD)) if records.read(KEY, RECORD[:size]) is not None] == []
    assert records.read(KEY, RECORD) == said(FULL)


def test_a_record_is_of_one_request() -> None:
    """The record of another request, put in the place of this one, is a miss."""
    assert records.read(b"j" * 32, RECORD) is None


def forged(body: bytes) -> bytes:
    """What somebody makes who knows how records are made."""
    return records._checksum(KEY, body) + b"\n" + body


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b'{"format": 2, "generations": [{"type": "Generation", "text": "a"}]}',
    b'{"format": 1, "generations": []}',
    b'{"format": 1, "generations": 5}',
    b'{"format": 1, "generations": [{"type": "os.system", "text": "a"}]}',
    b'{"format": 1, "generations": [{"type": ["a"], "text": "a"}]}',
    b'{"format": 1, "generations": [{"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {}}]}',
    b'{"format": 1, "generations": [{"type": "Generation", "text": {"a": 1}}]}',
    b'{"format": 1, "generations": [{"type": "ChatGeneration", "message": {"type": "builtins.object", "data": {}}}]}',
    b'{"format": 1, "generations": [{"type": "ChatGeneration", "message": {"type": "ai", "data": {"content": 5}}}]}',
    b'{"format": 1, "generations": [{"type": "ChatGeneration"}]}',
    b'{"format": 1, "generations": ' + b"[" * 100_000,
    b'{"format": 1, "generations": [{"type": "Generation", "text": "a", "generation_info": {"n": '
    + b"9" * 5000
    + b"}}]}",
    b"\x80\x04\x95\x1e\x00\x00\x00",
    b"cos\nsystem\n(S'true'\ntR.",
    pickle.dumps(text("a")),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_forged_records_are_misses(body: bytes) -> None:
    """Even with the right checksum: what is not the one format is nothing, and nothing else decodes it (P3)."""
    assert records.read(KEY, forged(body)) is None


@pytest.mark.parametrize("record", [None, 5, 1.5, "text", RECORD.decode(), b"", b"\n", bytearray(RECORD)])
def test_records_of_other_types_are_misses(record: Any) -> None:
    """SQLite lets any type stand in any column."""
    assert records.read(KEY, record) is None


ROWS = [None, 5, 1.5, "text", b"\xff\xfe", RECORD, pickle.dumps(text("a"))]


@pytest.mark.parametrize("row", ROWS, ids=range(len(ROWS)))
@pytest.mark.parametrize("column", ["record", "stored", "key"])
def test_a_damaged_row_is_a_miss(tmp_path: Path, row: Any, column: str) -> None:
    """A row that somebody has written over, in any column, is a miss, and can be kept anew."""
    path = tmp_path / "a.db"
    with SQLiteCache(path, ttl=1000) as cache:
        cache.update("p", "m", text("a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute(f"UPDATE OR IGNORE plait_answers_1 SET {column} = ?", (row,))
        assert cache.lookup("p", "m") == (text("a") if row is None else None)  # NOT NULL is kept by the database
        cache.update("p", "m", text("b"))
        assert cache.lookup("p", "m") == text("b")


# --------------------------------------------------------------------------------------------------------- the database


@pytest.mark.parametrize("path", ["", b"a.db", 5, None, "a\0b"])
def test_a_path_must_be_one(path: Any) -> None:
    """What is no path is refused by name."""
    with pytest.raises(ConfigError, match=r"^database_path must be the path of a file"):
        SQLiteCache(path)


def not_a_database(path: Path) -> None:
    path.write_bytes(b"this is not a database at all, but some text" * 100)


def a_folder(path: Path) -> None:
    path.mkdir()


def another_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE plait_answers_1 (stored REAL)")


@pytest.mark.parametrize("spoil", [not_a_database, a_folder, another_table])
def test_an_unreadable_database_is_named(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """A file that is no database of ours is an error that names the field and the file, when the cache is made."""
    path = tmp_path / "a.db"
    spoil(path)
    with pytest.raises(ConfigError, match=r"^database_path: the cache '.*a.db' cannot be used: "):
        SQLiteCache(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path into nowhere is the same error."""
    with pytest.raises(ConfigError, match=r"^database_path: .*No such file"):
        SQLiteCache(tmp_path / "no" / "a.db")


def test_a_database_that_is_spoilt_later_is_named(tmp_path: Path) -> None:
    """Damage to the pages of the file is an error that names the field, never an answer."""
    path = tmp_path / "a.db"
    with SQLiteCache(path) as cache:
        for number in range(200):
            cache.update(str(number), "m", text("a" * 100))
    path.write_bytes(path.read_bytes()[:5000] + os.urandom(20_000))
    with pytest.raises(ConfigError, match=r"^database_path: "), SQLiteCache(path) as cache:
        for number in range(200):
            assert cache.lookup(str(number), "m") in (None, text("a" * 100))


def test_a_file_is_its_owners(tmp_path: Path) -> None:
    """Answers may be confidential: nobody else may read a file that the cache has made."""
    with SQLiteCache(tmp_path / "a.db") as cache:
        cache.update("p", "m", text("a"))
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_requests_are_not_in_the_file(tmp_path: Path) -> None:
    """Prompts and settings are kept as a hash alone."""
    with SQLiteCache(tmp_path / "a.db") as cache:
        cache.update("canary prompt", "canary settings", text("a"))
    assert b"canary" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_file_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers outlive the cache; the default file lies in the working folder of the moment when it was made."""
    monkeypatch.chdir(tmp_path)
    with SQLiteCache() as cache:
        monkeypatch.chdir("/")
        cache.update("p", "m", text("a"))
    with SQLiteCache(tmp_path / ".plait_cache.db") as cache:
        assert cache.lookup("p", "m") == text("a")


def test_a_closed_cache_opens_again(tmp_path: Path) -> None:
    """close lets go of the file; a later use takes hold of it again."""
    cache = SQLiteCache(tmp_path / "a.db")
    cache.update("p", "m", text("a"))
    cache.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]
    assert cache.lookup("p", "m") == text("a")
    cache.close()
    cache.close()


def test_a_forgotten_cache_closes(tmp_path: Path) -> None:
    """A cache that nobody has any more lets go of its file, without a warning."""
    cache = SQLiteCache(tmp_path / "a.db")
    cache.update("p", "m", text("a"))
    del cache
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def test_copies_and_pickles(make: Make) -> None:
    """A copy is the cache itself; what is unpickled has the same settings, and the file if there is one."""
    cache = make(maxsize=5, ttl=100, namespace="n")
    cache.update("p", "m", text("a"))
    assert copy.copy(cache) is copy.deepcopy(cache) is cache
    other = pickle.loads(pickle.dumps(cache))
    assert repr(other) == repr(cache)
    assert other.lookup("p", "m") == (text("a") if isinstance(cache, SQLiteCache) else None)
    getattr(other, "close", bool)()


# -------------------------------------------------------------------------------------------------------------- global


def test_the_cache_in_force() -> None:
    """set_llm_cache holds until it is taken back, and takes nothing else than a cache."""
    assert get_llm_cache() is None
    cache = InMemoryCache()
    set_llm_cache(cache)
    try:
        assert get_llm_cache() is cache
    finally:
        set_llm_cache(None)
    assert get_llm_cache() is None
    with pytest.raises(ConfigError, match="set_llm_cache takes a BaseCache or None"):
        set_llm_cache("memory")  # type: ignore[arg-type]


async def test_the_cache_in_force_is_that_of_the_task() -> None:
    """What a task sets holds in the task and in what it starts, and not outside."""

    async def inner() -> None:
        set_llm_cache(InMemoryCache())
        assert await asyncio.to_thread(get_llm_cache) is get_llm_cache() is not None

    await asyncio.create_task(inner())
    assert get_llm_cache() is None


async def test_own_cache_needs_three_methods() -> None:
    """A cache of one's own has the async forms from the sync ones."""

    class Own(BaseCache):
        def __init__(self) -> None:
            self.kept: dict[Any, Any] = {}

        def lookup(self, prompt: str, llm_string: str) -> Any:
            return self.kept.get((prompt, llm_string))

        def update(self, prompt: str, llm_string: str, return_val: Any) -> None:
            self.kept[prompt, llm_string] = return_val

        def clear(self, **kwargs: Any) -> None:
            self.kept.clear()

    cache = Own()
    await cache.aupdate("p", "m", text("a"))
    assert await cache.alookup("p", "m") == text("a")
    await cache.aclear()
    assert await cache.alookup("p", "m") is None

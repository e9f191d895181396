"""The stores of conversations: what each keeps, what a damaged one says, and what none of them shows."""

from __future__ import annotations

import asyncio
import copy
import json
import multiprocessing
import os
import pickle
import sqlite3
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from plait.chat_history import (
    BaseChatMessageHistory,
    InMemoryChatMessageHistory,
    PostgresChatMessageHistory,
    SQLiteChatMessageHistory,
)
from plait.errors import ConfigError, DeadlineError, HistoryError, MessageError, MissingExtraError
from plait.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    tool_call,
)
from plait.runnables import RunnableLambda

Opening = Callable[..., BaseChatMessageHistory]
_tables = count()

ALL = [
    HumanMessage("hi \N{GREEK SMALL LETTER ALPHA} \x00 \ud800 \n", name="ada", id="1"),
    SystemMessage([{"type": "text", "text": "x"}, {"type": "image", "url": "https://example.com/x.png"}]),
    AIMessage(
        "",
        tool_calls=[tool_call(name="f", args={"x": [1, None, {"y": 0.5}]}, id="c")],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        response_metadata={"model": "m"},
    ),
    ToolMessage("result", tool_call_id="c", status="error"),
    ChatMessage("x", role="critic", additional_kwargs={"lc": 1, "type": "constructor", "id": ["os", "system"]}),
]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest, database: Path) -> Opening:
    """Gives the history of a session, in the same place each time."""
    table = f"t{next(_tables)}"
    if request.param == "postgres":
        address = request.getfixturevalue("postgres")
        return lambda session_id="s": PostgresChatMessageHistory(session_id, address, table=table)
    if request.param == "sqlite":
        return lambda session_id="s": SQLiteChatMessageHistory(session_id, database, table=table)
    kept: dict[str, BaseChatMessageHistory] = {}
    return lambda session_id="s": kept.setdefault(session_id, InMemoryChatMessageHistory())


# ------------------------------------------------------------------------------------------------ what each store does


def test_gives_back_what_was_added(opened: Opening) -> None:
    """Every kind of message comes back as it was, in order, whatever is in it."""
    opened().add_messages(ALL)

    assert opened().messages == ALL


def test_starts_empty(opened: Opening) -> None:
    """A session that nobody has written to has no messages, and can be cleared."""
    opened().clear()

    assert opened().messages == []


def test_known_shortcuts(opened: Opening) -> None:
    """One message at a time; text from the human and from the model."""
    history = opened()
    history.add_message(SystemMessage("a"))
    history.add_user_message("b")
    history.add_user_message(HumanMessage("c"))
    history.add_ai_message("d")
    history.add_ai_message(AIMessage("e"))

    assert [(message.type, message.text) for message in opened().messages] == [
        ("system", "a"),
        ("human", "b"),
        ("human", "c"),
        ("ai", "d"),
        ("ai", "e"),
    ]


async def test_async_forms(opened: Opening) -> None:
    """The same, awaited."""
    history = opened()
    await history.aadd_messages([HumanMessage("a"), AIMessage("b")])
    await history.aadd_message(HumanMessage("c"))
    assert [message.text for message in await opened().aget_messages()] == ["a", "b", "c"]

    await history.aclear()
    assert await opened().aget_messages() == []


def test_sessions_are_apart(opened: Opening) -> None:
    """A session sees its own messages, and clears nobody else's, whatever its name (security: one is a prefix)."""
    names = ["s", "s2", "S", "s%", "' OR 1=1 --", '"; DROP TABLE x; --', "ü", "x" * 500]
    for name in names:
        opened(name).add_user_message(name)
    opened("s").clear()

    assert [[message.text for message in opened(name).messages] for name in names] == [
        [],
        *([name] for name in names[1:]),
    ]


def test_list_is_the_callers_own(opened: Opening) -> None:
    """Changing the list of messages changes nothing that is kept."""
    opened().add_user_message("a")
    opened().messages.append(HumanMessage("b"))

    assert len(opened().messages) == 1


def test_chunks_are_kept_as_messages(opened: Opening) -> None:
    """A chunk of a stream is no message of a conversation."""
    opened().add_message(AIMessageChunk("a"))

    assert [type(message) for message in opened().messages] == [AIMessage]


def test_nothing_to_add(opened: Opening) -> None:
    """An empty list is added."""
    opened().add_messages([])

    assert opened().messages == []


def test_all_or_none(opened: Opening) -> None:
    """If one of the messages cannot be kept, none is."""
    with pytest.raises(MessageError, match=r"keeps messages.*str"):
        opened().add_messages([HumanMessage("a"), "b"])  # type: ignore[list-item]

    assert opened().messages == []


def test_many_threads(opened: Opening) -> None:
    """Threads that write at once lose nothing, and what is added at once stays together."""
    pairs = [[HumanMessage(str(number)), AIMessage(str(number))] for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: opened().add_messages(pair), pairs))
    texts = [message.text for message in opened().messages]

    assert texts[::2] == texts[1::2]
    assert sorted(texts[::2], key=int) == [str(number) for number in range(60)]


async def test_many_tasks(opened: Opening) -> None:
    """Tasks, too."""
    pairs = [[HumanMessage(str(number)), AIMessage(str(number))] for number in range(40)]
    await asyncio.gather(*(opened().aadd_messages(pair) for pair in pairs))
    texts = [message.text for message in await opened().aget_messages()]

    assert texts[::2] == texts[1::2]
    assert len(texts) == 80


def test_repr_shows_no_message(opened: Opening) -> None:
    """What was said is in no repr."""
    opened().add_user_message("canary")

    assert "canary" not in f"{opened()!r} {opened()} {vars(RunnableLambda(len))}"


# ---------------------------------------------------------------------------------------------- the base for your own


class Fields(BaseChatMessageHistory, BaseModel):
    """Keeps its messages in a pydantic field."""

    messages: list[BaseMessage] = []

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        self.messages.extend(messages)

    def clear(self) -> None:
        self.messages = []


def test_messages_may_be_a_pydantic_field() -> None:
    """A history that is a pydantic model keeps them in a field, and does not show what they say."""
    history = Fields()
    history.add_user_message("secret")

    assert history.messages == [HumanMessage("secret")]
    assert "secret" not in repr(history)
    history.clear()
    assert history.messages == []


class Halves(BaseChatMessageHistory):
    """Gives add_message only."""

    def __init__(self) -> None:
        self.kept: list[BaseMessage] = []

    @property
    def messages(self) -> list[BaseMessage]:
        return list(self.kept)

    def add_message(self, message: BaseMessage) -> None:
        self.kept.append(message)

    def clear(self) -> None:
        self.kept = []


async def test_own_history_of_single_messages() -> None:
    """A subclass may give ``add_message`` alone; the rest follows."""
    history = Halves()
    history.add_messages([HumanMessage("a"), HumanMessage("b")])
    await history.aadd_messages([AIMessage("c")])

    assert [message.text for message in await history.aget_messages()] == ["a", "b", "c"]


def test_own_history_that_adds_nothing() -> None:
    """A subclass that gives neither says so when it is written to."""

    class Nothing(Halves):
        add_message = BaseChatMessageHistory.add_message

    with pytest.raises(NotImplementedError, match="Nothing must give add_messages"):
        Nothing().add_user_message("x")


def test_messages_in_memory_may_be_replaced() -> None:
    """As programs do that trim them."""
    history = InMemoryChatMessageHistory([HumanMessage("a"), HumanMessage("b")])
    history.messages = history.messages[-1:]

    assert [message.text for message in history.messages] == ["b"]


# ----------------------------------------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"session_id": ""}, "1 to 500"),
        ({"session_id": "x" * 501}, "1 to 500.*501"),
        ({"session_id": 5}, "session_id must be a text, got int"),
        ({"session_id": "a\0"}, "session_id"),
        ({"session_id": "\ud800"}, "session_id"),
        ({"table": "x; DROP TABLE y"}, "table"),
        ({"table": 'x"y'}, "table"),
        ({"table": "x" * 49}, "table"),
        ({"table": ""}, "table"),
        ({"table": None}, "table.*NoneType"),
        ({"timeout": -1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": "1"}, "timeout"),
    ],
)
@pytest.mark.parametrize("kind", [SQLiteChatMessageHistory, PostgresChatMessageHistory])
def test_bad_arguments(kind: Any, arguments: Any, message: str, database: Path) -> None:
    """What cannot be a session, a table or a time is refused at once, by its name."""
    place = database if kind is SQLiteChatMessageHistory else "dbname=x"
    with pytest.raises(ConfigError, match=message):
        kind(**{"session_id": "s", **arguments}, **{"path" if place is database else "connection": place})


@pytest.mark.parametrize("path", ["", ":memory:", None, b"x", "a\0b"])
def test_path_that_is_none(path: Any) -> None:
    """A database in memory would be another one for each call."""
    with pytest.raises(ConfigError, match="path must be the name of a file"):
        SQLiteChatMessageHistory("s", path)


def test_sqlite_tables_of_its_own() -> None:
    """Names that SQLite keeps for itself are refused."""
    with pytest.raises(ConfigError, match="table"):
        SQLiteChatMessageHistory("s", "x.db", table="sqlite_x")


# ---------------------------------------------------------------------------------------------------- SQLite: the file


def test_file_is_an_ordinary_database(database: Path) -> None:
    """Other programs can read it: one JSON record for each message, in order."""
    SQLiteChatMessageHistory("s", database).add_messages([HumanMessage("ü"), AIMessage("b")])
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT session_id, message FROM plait_messages ORDER BY sequence").fetchall()
        [(mode,)] = connection.execute("PRAGMA journal_mode").fetchall()

    assert [session for session, _ in rows] == ["s", "s"]
    assert '"ü"' in rows[0][1]
    assert [json.loads(record)["type"] for _, record in rows] == ["human", "ai"]
    assert mode == "wal"


def open_files() -> list[str]:
    return [] if sys.platform == "win32" else [path.name for path in Path("/dev/fd").iterdir()]


def test_nothing_stays_open(database: Path) -> None:
    """Each call closes what it opens: no file is held, and none is left beside the database."""
    history = SQLiteChatMessageHistory("s", database)
    before = open_files()
    history.add_user_message("x")
    assert history.messages
    after = open_files()

    assert len(after) == len(before)
    assert list(database.parent.iterdir()) == [database]


def damaged(database: Path, record: Any) -> SQLiteChatMessageHistory:
    history = SQLiteChatMessageHistory("s", database)
    history.add_messages([HumanMessage("a"), HumanMessage("b"), HumanMessage("c")])
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE plait_messages SET message = ? WHERE sequence = 2", (record,))
    return history


@pytest.mark.parametrize(
    "record",
    [
        "",
        "canary",
        "[]",
        "null",
        "{}",
        '{"type": "human"}',
        '{"type": "human", "data": {"content": 5}}',
        '{"type": "canary", "data": {"content": "x"}}',
        '{"lc": 1, "type": "constructor", "id": ["os", "system"], "kwargs": {"command": "canary"}}',
        "[" * 100_000,
        '{"type": "human", "data": {"content": ' + "9" * 5000 + "}}",
        b"\xff\xfe canary",
        b"\x80\x04\x95canary",
        5,
    ],
    ids=range(14),
)
def test_damaged_record(database: Path, record: Any) -> None:
    """A record that is no message is an error that names its row and shows nothing of it; nothing is lost or run."""
    history = damaged(database, record)
    with pytest.raises(HistoryError, match=r"row 2 of table 'plait_messages'.*repair or delete") as caught:
        _ = history.messages

    assert database.name in str(caught.value)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM plait_messages").fetchone() == (3,)


def test_hostile_fields_are_data(database: Path) -> None:
    """Whatever a stored message holds comes back as plain data."""
    hostile = {"lc": 1, "type": "secret", "id": ["PLAIT_CANARY"], "__class__": "os.system", "__reduce__": ["x"]}
    history = SQLiteChatMessageHistory("s", database)
    history.add_message(AIMessage("{x.__class__}", additional_kwargs=hostile, response_metadata=hostile))

    [message] = history.messages
    assert message.additional_kwargs == hostile
    assert message.content == "{x.__class__}"


@pytest.mark.parametrize("value", [object(), b"x", {1, 2}, json])
def test_what_json_cannot_hold(database: Path, value: Any) -> None:
    """A message with more than plain data is refused before anything is written, by its number."""
    history = SQLiteChatMessageHistory("s", database)
    with pytest.raises(MessageError, match=r"message 1 \(human\) cannot be stored.*JSON"):
        history.add_messages([HumanMessage("a"), HumanMessage("b", additional_kwargs={"x": value})])

    assert history.messages == []


def test_file_of_another_kind(database: Path) -> None:
    """A file that is no database is left as it is."""
    database.write_bytes(b"something else, and long enough to be looked at" * 100)
    before = database.read_bytes()
    for call in (lambda h: h.messages, lambda h: h.add_user_message("x"), lambda h: h.clear()):
        with pytest.raises(HistoryError, match=r"chat\.db.*no SQLite database.*another path"):
            call(SQLiteChatMessageHistory("s", database))

    assert database.read_bytes() == before


def test_directory_that_is_not_there(database: Path) -> None:
    """The error names the file and what must be there."""
    with pytest.raises(HistoryError, match=r"chat\.db.*directory must exist"):
        SQLiteChatMessageHistory("s", database.parent / "none" / "chat.db").add_user_message("x")


def test_directory_in_place_of_a_file(tmp_path: Path) -> None:
    """A directory cannot be opened."""
    with pytest.raises(HistoryError, match="cannot be opened"):
        _ = SQLiteChatMessageHistory("s", tmp_path).messages


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="whoever may do everything is denied nothing")
def test_file_without_permission(database: Path) -> None:
    """A file that may not be written says so."""
    history = SQLiteChatMessageHistory("s", database)
    history.add_user_message("x")
    database.chmod(0o400)

    with pytest.raises(HistoryError, match="writable"):
        history.add_user_message("y")


@pytest.mark.parametrize("change", ["UPDATE {} SET version = 2", "UPDATE {} SET version = 'x'", "DELETE FROM {}"])
def test_tables_of_another_version(database: Path, change: str) -> None:
    """Tables that this version does not know are not touched."""
    history = SQLiteChatMessageHistory("s", database)
    history.add_user_message("x")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(change.format("plait_messages_version"))

    for call in (lambda: history.messages, lambda: history.add_user_message("y"), history.clear):
        with pytest.raises(HistoryError, match="version"):
            call()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM plait_messages").fetchone() == (1,)


def test_table_of_somebody_else(database: Path) -> None:
    """A table of that name with other columns is not used."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE plait_messages (x)")

    with pytest.raises(HistoryError, match=r"chat\.db"):
        SQLiteChatMessageHistory("s", database).add_user_message("x")


@pytest.fixture
def held(database: Path) -> Any:
    """The file, while somebody else writes to it and does not end."""
    SQLiteChatMessageHistory("s", database).add_user_message("x")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def test_file_that_others_hold(database: Path, held: Any) -> None:
    """A writer waits so long, and then says for what; readers do not wait."""
    history = SQLiteChatMessageHistory("s", database, timeout=0.05)
    with pytest.raises(HistoryError, match=r"others held the file for 0\.05 s"):
        history.add_user_message("y")

    assert len(history.messages) == 1


def test_waiting_for_a_file_ends_with_its_call(database: Path, held: Any) -> None:
    """The deadline of the call ends the waiting, also where that is in a thread of an async call."""
    history = SQLiteChatMessageHistory("s", database, timeout=3600)
    step = RunnableLambda(lambda _: history.add_user_message("y"))
    with pytest.raises(DeadlineError):
        step.invoke(1, {"timeout": 0.05})
    with pytest.raises(DeadlineError):
        asyncio.run(step.ainvoke(1, {"timeout": 0.05}))

    assert len(history.messages) == 1


def test_file_that_others_held(database: Path, held: Any) -> None:
    """When they have ended, whoever waited goes on."""
    history = SQLiteChatMessageHistory("s", database)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(history.add_user_message, "y")
        while not writing.running():
            pass
        held.execute("ROLLBACK")
        writing.result()

    assert len(history.messages) == 2


def _write(path: Path, name: str, rounds: int) -> None:
    history = SQLiteChatMessageHistory("s", path, timeout=60)
    for number in range(rounds):
        history.add_messages([HumanMessage(f"{name}{number}"), AIMessage(f"{name}{number}")])


def test_processes_write_at_once(database: Path) -> None:
    """Several processes make the tables and write at once: nothing is lost, and pairs stay together."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(database, name, 10)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    texts = [message.text for message in SQLiteChatMessageHistory("s", database).messages]

    assert [writer.exitcode for writer in writers] == [0, 0]
    assert texts[::2] == texts[1::2]
    assert [text for text in texts[::2] if text[0] == "a"] == [f"a{number}" for number in range(10)]
    assert len(texts) == 40


def test_sqlite_history_can_be_copied(database: Path) -> None:
    """It is its session and its place."""
    history = SQLiteChatMessageHistory("s", database)
    history.add_user_message("x")

    for twin in (pickle.loads(pickle.dumps(history)), copy.deepcopy(history)):
        assert twin.messages == history.messages
        assert twin.session_key == history.session_key


# ---------------------------------------------------------------------------------------- PostgreSQL without a server

ADDRESS = "postgresql://ada:canary-1@127.0.0.1:1/chat?connect_timeout=2"
WORDS = "host=127.0.0.1 port=1 dbname=chat user=ada password='canary-1' sslpassword=canary-1"


@pytest.mark.parametrize("address", [ADDRESS, WORDS])
def test_password_is_shown_nowhere(address: str) -> None:
    """No repr, key, error, cause or pickle has the password; a copy in this process still connects with it."""
    history = PostgresChatMessageHistory("s", address, timeout=1)
    with pytest.raises(HistoryError, match=r"127\.0\.0\.1.*chat.*ada.*no connection") as caught:
        _ = history.messages
    shown = [repr(history), str(history), repr(history.session_key), str(caught.value), pickle.dumps(history)]

    assert caught.value.__context__ is None
    assert not any(b"canary" in (text if isinstance(text, bytes) else text.encode()) for text in shown)
    assert copy.deepcopy(history) is history
    assert repr(pickle.loads(pickle.dumps(history))) == repr(history)


@pytest.mark.parametrize("address", ["canary", "postgres//ada:canary@x", "host=x canary", 5, None])
def test_connection_that_is_none(address: Any) -> None:
    """What is no connection string is refused without being shown."""
    with pytest.raises(ConfigError, match="connection string") as caught:
        PostgresChatMessageHistory("s", address)

    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error names the extra."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingExtraError, match=r"plait\[postgres\]"):
        PostgresChatMessageHistory("s", "dbname=x")

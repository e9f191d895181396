"""Conversations in a real PostgreSQL server, beyond what every store does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from plait.chat_history import PostgresChatMessageHistory
from plait.errors import ConfigError, HistoryError
from plait.messages import AIMessage, HumanMessage

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.slow


def connections(address: str) -> int:
    with psycopg.connect(address) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        return int(connection.execute(query).fetchone()[0])


def test_no_connection_is_left(postgres: str) -> None:
    """Each call closes what it opens, also one that fails."""
    history = PostgresChatMessageHistory("s", postgres, table="left")
    before = connections(postgres)
    history.add_user_message("x")
    with pytest.raises(HistoryError):
        _ = PostgresChatMessageHistory("s", postgres, table="pg_class").messages

    assert len(history.messages) == 1
    assert connections(postgres) == before


def test_connections_of_the_callers_own(postgres: str) -> None:
    """A function that gives connections in a with block, as that of a pool does, is used instead of a string."""
    opened: list[Any] = []

    @contextmanager
    def connection() -> Iterator[Any]:
        with psycopg.connect(postgres) as found:
            opened.append(found)
            yield found

    history = PostgresChatMessageHistory("s", connection, table="own")
    history.add_user_message("x")

    assert [message.text for message in PostgresChatMessageHistory("s", postgres, table="own").messages] == ["x"]
    assert len(opened) == 1
    assert "function" in repr(history)


async def test_async_connections(postgres: str) -> None:
    """The async verbs use a function for them, or open connections of their own; what they write is the same."""
    own = PostgresChatMessageHistory("s", postgres, table="async")
    awaited = PostgresChatMessageHistory(
        "s", async_connection=lambda: psycopg.AsyncConnection.connect(postgres), table="async"
    )
    await own.aadd_messages([HumanMessage("x"), AIMessage("y")])
    await awaited.aadd_messages([HumanMessage("z")])

    assert [message.text for message in await awaited.aget_messages()] == ["x", "y", "z"]
    assert await own.aget_messages() == own.messages
    await awaited.aclear()
    assert own.messages == []
    with pytest.raises(ConfigError, match="sync calls need connection="):
        awaited.clear()


async def test_cancelled_while_it_writes(postgres: str) -> None:
    """Nothing is written, and no connection is left."""
    history = PostgresChatMessageHistory("s", postgres, table="cancelled", timeout=3600)
    history.add_user_message("x")
    with psycopg.connect(postgres, autocommit=True) as watching, psycopg.connect(postgres) as holding:
        before = connections(postgres)
        holding.execute("LOCK TABLE cancelled IN SHARE MODE")
        task = asyncio.create_task(history.aadd_messages([HumanMessage("y")]))
        while not watching.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while connections(postgres) > before:  # noqa: ASYNC110 - the server ends them a moment later
            await asyncio.sleep(0)
    assert [message.text for message in history.messages] == ["x"]


def test_tables_are_made_once(postgres: str) -> None:
    """Many first writers at once make one set of tables."""
    with ThreadPoolExecutor(8) as pool:
        histories = [PostgresChatMessageHistory(f"s{number}", postgres, table="once") for number in range(16)]
        list(pool.map(lambda history: history.add_user_message("x"), histories))
    with psycopg.connect(postgres) as connection:
        assert connection.execute('SELECT version FROM "once_version"').fetchall() == [(1,)]


def test_runs_do_not_interleave(postgres: str) -> None:
    """A writer of the same session waits until the one before has committed, wherever that is: no order is mixed."""
    history = PostgresChatMessageHistory("s", postgres, table="apart")
    runs = [[HumanMessage(f"{number}")] + [AIMessage(f"{number}")] * 20 for number in range(20)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(history.add_messages, runs))
    texts = [message.text for message in history.messages]

    assert [texts[start : start + 21] for start in range(0, 420, 21)] == [
        [texts[start]] * 21 for start in range(0, 420, 21)
    ]


@pytest.mark.parametrize("record", ["canary", "{}", '{"type": "canary", "data": {}}'], ids=range(3))
def test_damaged_record(postgres: str, record: str) -> None:
    """A record that is no message is an error that names its row and shows nothing of it."""
    history = PostgresChatMessageHistory(f"s{len(record)}", postgres, table="damaged")
    history.add_user_message("x")
    with psycopg.connect(postgres) as connection:
        change = "UPDATE damaged SET message = %s WHERE session_id = %s RETURNING sequence"
        (number,) = connection.execute(change, (record, history.session_id)).fetchone()

    with pytest.raises(HistoryError, match=rf"row {number} of table 'damaged'.*repair or delete") as caught:
        _ = history.messages
    assert "canary" not in str(caught.value)


def test_tables_of_another_version(postgres: str) -> None:
    """Tables that this version does not know are not touched."""
    history = PostgresChatMessageHistory("s", postgres, table="newer")
    history.add_user_message("x")
    with psycopg.connect(postgres) as connection:
        connection.execute("UPDATE newer_version SET version = 2")

    with pytest.raises(HistoryError, match="another version of plait"):
        history.add_user_message("y")


def test_table_of_somebody_else(postgres: str) -> None:
    """A table of that name with other columns is not used."""
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE theirs (x int)")

    with pytest.raises(HistoryError, match=r"another name for the table.*SQLSTATE 42"):
        _ = PostgresChatMessageHistory("s", postgres, table="theirs").messages


def test_database_that_is_not_there(postgres: str) -> None:
    """The error names it."""
    with pytest.raises(HistoryError, match=r"dbname=none.*does not exist"):
        _ = PostgresChatMessageHistory("s", postgres.replace("/postgres?", "/none?")).messages


def test_user_who_may_not(postgres: str) -> None:
    """A user without rights is told so."""
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE ROLE guest LOGIN")

    with pytest.raises(HistoryError, match="may not use the table"):
        _ = PostgresChatMessageHistory("s", postgres.replace("postgres:@", "guest@"), table="denied").messages


def test_session_that_others_hold(postgres: str) -> None:
    """A writer waits for another at most so long, and then says for what."""
    history = PostgresChatMessageHistory("s", postgres, table="held", timeout=0.2)
    history.add_user_message("x")
    with psycopg.connect(postgres) as connection:
        connection.execute("LOCK TABLE held")
        with pytest.raises(HistoryError, match="too long"):
            history.add_user_message("y")

    assert len(history.messages) == 1
    assert threading.active_count() >= 1

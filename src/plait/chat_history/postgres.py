"""Conversations in a PostgreSQL database, through psycopg 3 (extra ``postgres``)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from typing import Any, Final, Self

from plait.chat_history.base import BaseChatMessageHistory
from plait.chat_history.records import VERSION, check_session, check_table, read, refuse_version, written
from plait.errors import HistoryError
from plait.messages import BaseMessage
from plait.postgres import AsyncOpening, Database, Opening, Script, Statement, check_timeout

__all__ = ["PostgresChatMessageHistory"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS "{table}" (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id text NOT NULL,
    message text NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS "{table}_session" ON "{table}" (session_id, sequence);
CREATE TABLE IF NOT EXISTS "{table}_version" (version integer NOT NULL);
INSERT INTO "{table}_version" SELECT {version} WHERE NOT EXISTS (SELECT 1 FROM "{table}_version")
"""

_INSERT: Final = """
INSERT INTO "{table}" (session_id, message)
SELECT %s, message FROM unnest(%s::text[]) WITH ORDINALITY AS new (message, place) ORDER BY place
"""
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))"
_FOR_TABLE, _FOR_SESSION = 7201, 7202  # two ranges of locks: for the tables themselves and for one session


class PostgresChatMessageHistory(BaseChatMessageHistory):
    """A conversation in a database, which may hold any number of them.

    ``connection`` is a connection string (``postgresql://...`` or ``host=... dbname=...``), or a function that gives a
    connection in a ``with`` block: ``pool.connection`` of a ``psycopg_pool.ConnectionPool`` is one. With a string each
    call opens a connection and closes it, so there is nothing to close; with a pool that costs nothing.
    ``async_connection`` is such a function for the async verbs, ``connection`` of an ``AsyncConnectionPool``; without it
    they use the connection string, or call the other function in a thread.

    ``add_messages`` is one transaction: when it returns, all its messages are committed, and if the process, the
    connection or the server dies before, none. Writers of one session come one after the other, in all processes. A
    call waits at most ``timeout`` seconds for the server to accept it, and as long for each statement.

    The password is in no repr, error or pickle; a copy from a pickle takes it from PGPASSWORD or a password file.
    """

    def __init__(
        self,
        session_id: str,
        connection: str | Opening | None = None,
        *,
        async_connection: AsyncOpening | None = None,
        table: str = "plait_messages",
        timeout: float = 10.0,
    ) -> None:
        self.session_id = check_session(session_id)
        self.table = check_table(table)
        self.timeout = check_timeout(timeout)
        self._database = Database(
            connection,
            async_connection,
            timeout=self.timeout,
            place=f"table {table!r}",
            raises=HistoryError,
            making=_making(table),
        )

    @property
    def messages(self) -> list[BaseMessage]:
        """All messages, the oldest first; HistoryError if one of them cannot be read."""
        return self._database.run(self._read)

    async def aget_messages(self) -> list[BaseMessage]:  # twin: `messages` is its sync form
        """As ``messages``, without blocking the event loop."""
        return await self._database.arun(self._read)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        records = written(messages)
        if records:
            self._database.run(partial(self._append, records))

    async def aadd_messages(
        self, messages: Sequence[BaseMessage]
    ) -> None:  # twin: what `written` does waits for nothing
        records = written(messages)
        if records:
            await self._database.arun(partial(self._append, records))

    def clear(self) -> None:
        self._database.run(self._forget)

    async def aclear(self) -> None:
        await self._database.arun(self._forget)

    @property
    def session_key(self) -> Hashable:
        """The database, the table in it and the session."""
        return "postgres", self._database.name, self.table, self.session_id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, {self._database.name})"

    def __copy__(self) -> Self:
        return self  # it never changes; and what is made for a pickle has no password

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # ------------------------------------------------------------------------------------------------------- in the server

    def _read(self) -> Script[list[BaseMessage]]:
        yield from self._checked()
        rows = yield self._sql('SELECT sequence, message FROM "{table}" WHERE session_id = %s ORDER BY sequence')
        return [read(record, number, self._database.place) for number, record in rows]

    def _append(self, records: list[str]) -> Script[None]:
        yield from self._checked()
        yield _TURN, [f"{self.table} {self.session_id}", _FOR_SESSION]  # sequences in the order of runs
        yield self._sql(_INSERT, records)

    def _forget(self) -> Script[None]:
        yield from self._checked()
        yield self._sql('DELETE FROM "{table}" WHERE session_id = %s')

    def _checked(self) -> Script[None]:
        """Raise HistoryError for tables of another version."""
        rows = yield f'SELECT max(version) FROM "{self.table}_version"', None  # noqa: S608 - a checked name
        refuse_version(rows[0][0], self._database.place)

    def _sql(self, text: str, *parameters: Any) -> Statement:
        return text.format(table=self.table), [self.session_id, *parameters]


def _making(table: str) -> list[Statement]:
    return [(_TURN, [table, _FOR_TABLE]), (_SCHEMA.format(table=table, version=VERSION), None)]

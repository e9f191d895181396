"""Conversations in a PostgreSQL database, through psycopg 3 (extra ``postgres``)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Self, TypeVar

from plait.chat_history.base import BaseChatMessageHistory
from plait.chat_history.records import VERSION, check_session, check_table, read, refuse_version, written
from plait.errors import HistoryError
from plait.messages import BaseMessage
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

__all__ = ["PostgresChatMessageHistory"]

T = TypeVar("T")

_TRIES: Final = 5

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

_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))"
_FOR_TABLE, _FOR_SESSION = 7201, 7202  # two ranges of locks: for the tables themselves and for one session


class PostgresChatMessageHistory(BaseChatMessageHistory):
    """A conversation in a database, which may hold any number of them.

    ``connection`` is a connection string (``postgresql://...`` or ``host=... dbname=...``), or a function that gives a
    connection in a ``with`` block: ``pool.connection`` of a ``psycopg_pool.ConnectionPool`` is one. With a string each
    call opens a connection and closes it, so there is nothing to close; with a pool that costs nothing.

    ``add_messages`` is one transaction: when it returns, all its messages are committed, and if the process, the
    connection or the server dies before, none. Writers of one session come one after the other, in all processes. A
    call waits at most ``timeout`` seconds for the server to accept it, and as long for each statement.

    The password is in no repr, error or pickle; a copy from a pickle takes it from PGPASSWORD or a password file.
    """

    def __init__(
        self,
        session_id: str,
        connection: str | Opening,
        *,
        table: str = "plait_messages",
        timeout: float = 10.0,
    ) -> None:
        self.session_id = check_session(session_id)
        self.table = check_table(table)
        self.timeout = check_timeout(timeout)
        self._connection: str | Opening
        self._connection, self._database = described(connection)

    @property
    def messages(self) -> list[BaseMessage]:
        """All messages, the oldest first; HistoryError if one of them cannot be read."""
        query = f'SELECT sequence, message FROM "{self.table}" WHERE session_id = %s ORDER BY sequence'  # noqa: S608 - a checked name
        rows = self._transacted(lambda connection: connection.execute(query, (self.session_id,)).fetchall())
        return [read(record, number, self._place) for number, record in rows]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        rows = [(self.session_id, record) for record in written(messages)]
        insert = f'INSERT INTO "{self.table}" (session_id, message) VALUES (%s, %s)'  # noqa: S608 - a checked name

        def append(connection: Connection) -> None:
            connection.execute(_TURN, (f"{self.table} {self.session_id}", _FOR_SESSION))  # sequences in order of runs
            with connection.cursor() as cursor:
                cursor.executemany(insert, rows)

        if rows:
            self._transacted(append)

    def clear(self) -> None:
        delete = f'DELETE FROM "{self.table}" WHERE session_id = %s'  # noqa: S608 - a checked name
        self._transacted(lambda connection: connection.execute(delete, (self.session_id,)))

    @property
    def session_key(self) -> Hashable:
        """The database, the table in it and the session."""
        return "postgres", self._database, self.table, self.session_id

    @property
    def _place(self) -> str:
        return f"table {self.table!r} in the PostgreSQL database {self._database}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, {self._database})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_connection": without_secrets(self._connection)}

    def __copy__(self) -> Self:
        return self  # it never changes; and what is made for a pickle has no password

    def __deepcopy__(self, memo: object) -> Self:
        return self

    # ------------------------------------------------------------------------------------------------- the database

    def _transacted(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` gives, in one transaction; one that another has thwarted is tried again, as it left nothing."""
        psycopg, failure = driver(), ""
        for _ in range(_TRIES):
            try:
                return self._once(work)
            except psycopg.Error as error:
                failure = hidden(reason(error), self._connection)
                if error.sqlstate not in THWARTED:
                    break
        raise HistoryError(f"{self._place}: {failure}")  # without its cause, which knows the connection string

    def _once(self, work: Callable[[Connection], T]) -> T:
        with opened(self._connection, self.timeout) as connection:
            for missing in (False, True):
                if missing:
                    self._create(connection)
                with connection.transaction():
                    connection.execute(LIMITS, self._limits)
                    version = _version(connection, self.table)
                    if version is not None:
                        refuse_version(version[0], self._place)
                        return work(connection)
        raise HistoryError(f"{self._place}: its tables were dropped while they were made; make them once more")

    def _create(self, connection: Connection) -> None:
        """Make the tables, in a transaction that holds no session while it waits for those who write."""
        with connection.transaction():
            connection.execute(LIMITS, self._limits)
            connection.execute(_TURN, (self.table, _FOR_TABLE))  # CREATE IF NOT EXISTS is no protection from another
            if _version(connection, self.table) is None:
                connection.execute(_SCHEMA.format(table=self.table, version=VERSION))

    @property
    def _limits(self) -> dict[str, str]:
        return {"limit": f"{self.timeout * 1000:.0f}ms"}


def _version(connection: Connection, table: str) -> tuple[Any] | None:
    """The version of the tables; None if there are none."""
    known = connection.execute("SELECT to_regclass(%s)", (f'"{table}_version"',)).fetchone()
    if known is None or known[0] is None:
        return None
    found = connection.execute(f'SELECT max(version) FROM "{table}_version"').fetchone()  # noqa: S608 - a checked name
    return None if found is None else (found[0],)

"""Conversations in an SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar, cast

from plait.chat_history.base import BaseChatMessageHistory
from plait.chat_history.records import VERSION, check_session, check_table, read, refuse_version, written
from plait.clocks import now
from plait.errors import ConfigError, HistoryError
from plait.messages import BaseMessage
from plait.stopping import sleep

__all__ = ["SQLiteChatMessageHistory"]

T = TypeVar("T")

_STEPS: Final = (0.002, 0.005, 0.01, 0.02, 0.05)  # seconds between two tries, while another connection writes

_SCHEMA: Final = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS "{table}" (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    session_id TEXT NOT NULL,
    message TEXT NOT NULL,
    written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS "{table}_session" ON "{table}" (session_id, sequence);
CREATE TABLE IF NOT EXISTS "{table}_version" (version INTEGER NOT NULL);
INSERT INTO "{table}_version" SELECT {version} WHERE NOT EXISTS (SELECT 1 FROM "{table}_version");
COMMIT;
"""


class SQLiteChatMessageHistory(BaseChatMessageHistory):
    """A conversation in a file, which may hold any number of them.

    ``add_messages`` is one transaction: when it returns, all its messages are on the disk, and if the process or the
    machine dies before, none. Threads and processes may use one file at once; a call waits at most ``timeout`` seconds
    for others that write. Each call opens the file and closes it, so there is nothing to close. The file must be on a
    local disk: SQLite's locks do not work on network drives.
    """

    def __init__(
        self,
        session_id: str,
        path: str | os.PathLike[str],
        *,
        table: str = "plait_messages",
        timeout: float = 10.0,
    ) -> None:
        self.session_id = check_session(session_id)
        self.path = _checked_path(path)
        self.table = check_table(table)
        self.timeout = _checked_timeout(timeout)

    @property
    def messages(self) -> list[BaseMessage]:
        """All messages, the oldest first; HistoryError if one of them cannot be read."""
        query = f'SELECT sequence, message FROM "{self.table}" WHERE session_id = ? ORDER BY sequence'  # noqa: S608 - a checked name
        rows = self._patiently(lambda connection: connection.execute(query, (self.session_id,)).fetchall())
        return [read(record, number, self._place) for number, record in rows]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        rows = [(self.session_id, record) for record in written(messages)]
        insert = f'INSERT INTO "{self.table}" (session_id, message) VALUES (?, ?)'  # noqa: S608 - a checked name
        if rows:
            self._patiently(lambda connection: _at_once(connection, insert, rows))

    def clear(self) -> None:
        delete = f'DELETE FROM "{self.table}" WHERE session_id = ?'  # noqa: S608 - a checked name
        self._patiently(lambda connection: _at_once(connection, delete, [(self.session_id,)]))

    @property
    def session_key(self) -> Hashable:
        """The file, the table in it and the session."""
        return "sqlite", os.path.realpath(self.path), self.table, self.session_id

    @property
    def _place(self) -> str:
        return f"table {self.table!r} in {self.path!r}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, {self.path!r})"

    # ----------------------------------------------------------------------------------------------------- the file

    def _patiently(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` gives; it is tried again while others hold the file, since a transaction is all or nothing."""
        until, tries = now() + self.timeout, 0
        while True:
            try:
                with self._opened() as connection:
                    return work(connection)
            except sqlite3.Error as error:
                if not _is_busy(error) or now() >= until:
                    raise self._explained(error) from error
            sleep(_STEPS[min(tries, len(_STEPS) - 1)])
            tries += 1

    @contextmanager
    def _opened(self) -> Generator[sqlite3.Connection, None, None]:
        connection = sqlite3.connect(self.path, timeout=0.0, isolation_level=None, check_same_thread=False)
        connection.text_factory = bytes  # a record that is no UTF-8 is a damaged record, not a failed query
        try:
            connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
            self._prepare(connection)
            yield connection
        finally:
            connection.close()

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables, if they are not there, and see that they are those that this version knows."""
        version = _version(connection, self.table)
        if version is None:
            _use_wal(connection)
            connection.executescript(_SCHEMA.format(table=self.table, version=VERSION))
            version = _version(connection, self.table)
        refuse_version(None if version is None else version[0], self._place)

    def _explained(self, error: sqlite3.Error) -> HistoryError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says which case of it
        reason = _REASONS.get(code, "SQLite could not do it ({error}): look at the file with the program `sqlite3`")
        return HistoryError(f"{self._place}: {reason.format(error=error, seconds=self.timeout)}")


def _checked_path(path: Any) -> str:
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"path must be the name of a file, got {type(path).__name__}")
    name = cast(object, os.fspath(cast(str, path)))
    if not isinstance(name, str) or not name or name.startswith(":memory:") or "\0" in name:
        raise ConfigError(f"path must be the name of a file, got {name!r}; without one use InMemoryChatMessageHistory")
    return name


def _checked_timeout(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 0:
        raise ConfigError(f"timeout must be a number of seconds, at least 0, got {seconds!r}")
    return float(seconds)


_REASONS: Final = {
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; choose another path, or restore it from a copy",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a copy, or save what `sqlite3 FILE .recover` finds",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; its directory must exist, and both must be writable",
    sqlite3.SQLITE_PERM: "access is denied; the file and its directory must be writable",
    sqlite3.SQLITE_READONLY: "the file is read-only; it and its directory must be writable",
    sqlite3.SQLITE_FULL: "the disk is full; make room, and repeat the run",
    sqlite3.SQLITE_BUSY: "others held the file for {seconds:g} s; end whoever holds it, or give a longer timeout",
    sqlite3.SQLITE_LOCKED: "others held the file for {seconds:g} s; end whoever holds it, or give a longer timeout",
}


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _version(connection: sqlite3.Connection, table: str) -> tuple[Any] | None:
    """The version of the tables; None if there are none."""
    known = connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (f"{table}_version",))
    if known.fetchone() is None:
        return None
    found = connection.execute(f'SELECT max(version) FROM "{table}_version"').fetchone()  # noqa: S608 - a checked name
    return (found[0],)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer not wait for each other; the file keeps that. It is as safe without."""
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = WAL")


def _at_once(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """One transaction: all rows or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise

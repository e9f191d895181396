"""A cache in a SQLite file, for any number of threads and processes of one machine."""

from __future__ import annotations

import os
import weakref
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, cast

from plait.caches import records
from plait.caches.base import BaseCache, limit, seconds, space
from plait.caches.keys import digest
from plait.clocks import clock, now
from plait.deadlines import left
from plait.errors import ConfigError
from plait.outputs import Generation
from plait.runs import current
from plait.stopping import sleep

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["SQLiteCache"]

_PATIENCE: Final = 30.0  # seconds to wait for other processes, whose transactions take far less than one

# A table of another layout will have another name.
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS plait_answers_1 (
    number INTEGER PRIMARY KEY,  -- counts up: the order in which answers were kept
    key BLOB NOT NULL UNIQUE,    -- SHA-256 of the request
    record BLOB NOT NULL,
    stored REAL NOT NULL         -- seconds since the epoch
)
"""
_INDEX: Final = "CREATE INDEX IF NOT EXISTS plait_answers_1_stored ON plait_answers_1 (stored)"
_LOOKUP: Final = "SELECT record, stored FROM plait_answers_1 WHERE key = ?"
_KEEP: Final = "INSERT OR REPLACE INTO plait_answers_1 (key, record, stored) VALUES (?, ?, ?)"
# Numbers are unique, so that at most `maxsize` of them are within `maxsize` of the highest.
_BOUND: Final = "DELETE FROM plait_answers_1 WHERE number <= (SELECT MAX(number) FROM plait_answers_1) - ?"
_EXPIRE: Final = "DELETE FROM plait_answers_1 WHERE stored <= ?"
_CLEAR: Final = "DELETE FROM plait_answers_1"

_abandoned: Final[list[Any]] = []
"""Connections of a parent process: to close one in its child would disturb the parent's locks."""


class SQLiteCache(BaseCache):
    """Keeps the last ``maxsize`` answers (None: all) in a file, each for ``ttl`` seconds (None: for ever).

    Of several users of one file each sees the answers of its own ``namespace`` alone; the bound is that of the file.

    The file is made if it is not there, for its owner alone to read; beside it lie ``-wal`` and ``-shm`` while it is
    open. What ``update`` has written is there when the process is killed the moment after. A damaged record is a miss;
    a file that is no database, or cannot be opened or read, is a ConfigError that names ``database_path``. For any
    number of threads, tasks, processes and forks; not for network file systems, which do not lock. ``close`` it, or use
    it in a ``with``; it also closes when nobody has it any more, and opens again when it is used again.
    """

    def __init__(
        self,
        database_path: str | os.PathLike[str] = ".plait_cache.db",
        *,
        maxsize: int | None = 100_000,
        ttl: float | None = None,
        namespace: str = "",
    ) -> None:
        self._path = _path(database_path)
        self._maxsize = limit("maxsize", maxsize)
        self._ttl = seconds("ttl", ttl)
        self._namespace = space(namespace)
        self._opening = Lock()
        self._file: _File | None = _File(self._path)

    def __repr__(self) -> str:
        return f"SQLiteCache(database_path={self._path!r}, maxsize={self._maxsize}, ttl={self._ttl}, namespace={self._namespace!r})"

    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """The candidates that were kept for a request; None if there are none, if they are too old or damaged."""
        key = digest(self._namespace, prompt, llm_string)
        with self._opened().reading() as database:
            row = database.execute(_LOOKUP, (key,)).fetchone()
        return None if row is None or self._is_old(row[1]) else records.read(key, row[0])

    def _is_old(self, stored: object) -> bool:
        return self._ttl is not None and (not isinstance(stored, float) or clock.get().time() - stored >= self._ttl)

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep the candidates for a request, in the place of those that it had; when it returns they are in the file."""
        key = digest(self._namespace, prompt, llm_string)
        record = records.written(key, return_val)
        if record is None:
            return
        moment = clock.get().time()
        with self._opened().writing() as database:
            database.execute(_KEEP, (key, record, moment))
            if self._maxsize is not None:
                database.execute(_BOUND, (self._maxsize,))
            if self._ttl is not None:
                database.execute(_EXPIRE, (moment - self._ttl,))

    def clear(self, **kwargs: Any) -> None:
        """Forget everything that is in the file."""
        with self._opened().writing() as database:
            database.execute(_CLEAR)

    def close(self) -> None:
        """Let go of the file."""
        with self._opening:
            file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> _File:
        file = self._file
        if file is not None and file.process == os.getpid():
            return file
        if file is not None:  # this is a fork: its parent may have held the lock at that moment
            _abandoned.append(file)
            self._opening, self._file = Lock(), None
        with self._opening:
            if self._file is None:
                self._file = _File(self._path)
            return self._file

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        return _again, (self._path, self._maxsize, self._ttl, self._namespace)


def _again(path: str, maxsize: int | None, ttl: float | None, namespace: str) -> SQLiteCache:
    return SQLiteCache(path, maxsize=maxsize, ttl=ttl, namespace=namespace)


def _path(given: Any) -> str:
    path: object = os.fspath(cast("os.PathLike[str]", given)) if isinstance(given, str | os.PathLike) else None
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigError(f"database_path must be the path of a file, as text, or ':memory:'; got {given!r}")
    return path if path == ":memory:" else os.path.abspath(path)  # noqa: PTH100  # where it is now, whatever comes


class _File:
    """One connection of this process, which its threads use one after the other."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.process = os.getpid()
        self._lock = Lock()
        self._patience = _PATIENCE
        with self._explained():
            self._database = _connected(path)
        self._closed = weakref.finalize(self, _close, self._database, self.process)

    @contextmanager
    def reading(self) -> Generator[Connection, None, None]:
        with self._lock, self._explained():
            self._be_patient()
            yield self._database

    @contextmanager
    def writing(self) -> Generator[Connection, None, None]:
        """One transaction, which is there as a whole or not at all; it waits for those of others when it begins."""
        with self._lock, self._explained():
            self._be_patient()
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _be_patient(self) -> None:
        """Wait for other processes no longer than this call may last."""
        time_left = left(current.get())
        patience = _PATIENCE if time_left is None else min(_PATIENCE, max(time_left, 0.0))
        if patience != self._patience:
            self._database.execute(f"PRAGMA busy_timeout = {int(patience * 1000)}")
            self._patience = patience

    def close(self) -> None:
        with self._lock:
            self._closed()

    @contextmanager
    def _explained(self) -> Generator[None, None, None]:
        import sqlite3

        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        raise ConfigError(
            f"database_path: the cache {self.path!r} cannot be used: {error}. It must be a SQLite file, or one that does "
            "not exist yet, in a folder that this process may write to; a damaged one can be deleted"
        ) from error


def _close(database: Connection, process: int) -> None:
    if os.getpid() == process:
        database.close()


def _connected(path: str) -> Connection:
    import sqlite3

    if path != ":memory:":
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        database.text_factory = bytes  # a damaged text would be an error
        _share(database)
        database.execute(_LAYOUT)
        database.execute(_INDEX)
        database.execute(_LOOKUP, (b"",)).fetchone()  # a table of that name with other columns is found out now
    except BaseException:
        database.close()
        raise
    return database


def _share(database: Connection) -> None:
    """Let readers and a writer of several processes work at once (https://sqlite.org/wal.html).

    The change of mode does not wait for others by itself. With ``NORMAL`` what is committed survives the end of the
    process, however it ends; a power cut may take the last answers, but not damage the file.
    """
    import sqlite3

    until = now() + _PATIENCE
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or now() > until:
                raise
            sleep(0.01)
    database.execute("PRAGMA synchronous = NORMAL")

"""How a PostgreSQL server is reached through psycopg 3 (extra ``postgres``), and what is said when it is not.

What is to be done in the server is a *script*: a generator of statements, each of which it is sent the rows of. So it is
written once, and ``Database`` runs it in either colour, in one transaction. The password is in no message and no pickle.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from functools import cache, partial
from inspect import isawaitable
from struct import pack
from threading import Lock
from typing import Any, Final, Self, TypeAlias, TypeVar

from plait.clocks import MACHINE
from plait.concurrency import Permits, in_thread
from plait.errors import ConfigError, MissingExtraError, PlaitError
from plait.stopping import check_stopped, stopping

__all__ = ["AsyncOpening", "Database", "Opening", "Reals", "Script", "Statement", "check_timeout"]

T = TypeVar("T")

Connection: TypeAlias = Any
"""A psycopg.Connection; its own type takes no text for a statement that is not written out in the call."""
Opening: TypeAlias = Callable[[], AbstractContextManager[Any]]
AsyncOpening: TypeAlias = Callable[[], AbstractAsyncContextManager[Any] | Awaitable[AbstractAsyncContextManager[Any]]]
Statement: TypeAlias = tuple[str, Sequence[Any] | None]
"""A statement and its parameters; with None it may be several."""
Script: TypeAlias = Generator[Statement, list[Any], T]

_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret")
_SHOWN: Final = ("host", "hostaddr", "port", "dbname", "user", "service")

_TRIES: Final = 5
_THWARTED: Final = ("40001", "40P01")
"""A conflict of two transactions, or a deadlock: this one was rolled back and may be tried again."""

_LIMITS: Final = "SELECT set_config('lock_timeout', %(limit)s, true), set_config('statement_timeout', %(limit)s, true)"


class Database:
    """Where scripts run: a server, how to connect to it, and what is said if something fails.

    ``connection`` is a connection string, or a function that gives a connection in a ``with`` block; ``async_connection``
    a function that gives one in an ``async with`` block, awaited or not, for the async verbs. ``making`` makes the tables when a script
    finds none. What fails raises ``raises``, which names ``place``.
    """

    def __init__(
        self,
        connection: str | Opening | None,
        async_connection: AsyncOpening | None,
        *,
        timeout: float,
        place: str,
        raises: type[PlaitError],
        making: Sequence[Statement],
        advice: Mapping[str, str] | None = None,
    ) -> None:
        self._connection = connection
        self._async_connection = async_connection
        self.name: str = _described(connection, async_connection)
        self.place: str = f"{place} in the PostgreSQL database {self.name}"
        self._timeout = timeout
        self._limits = {"limit": f"{timeout * 1000:.0f}ms"}
        self._raises = raises
        self._making = making
        self._advice = [*(advice or {}).items(), *_ADVICE.items()]  # the first that fits

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_connection": _without_secrets(self._connection)}

    def __copy__(self) -> Self:
        return self  # it never changes; and what is made for a pickle has no password

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def run(self, script: Callable[[], Script[T]]) -> T:
        """What the script returns, in one transaction; one that another has thwarted is tried again: it left nothing."""
        return self._tried(script)

    async def arun(self, script: Callable[[], Script[T]]) -> T:  # twin: where connections are sync, a thread has them
        """As ``run``, without blocking the event loop."""
        if self._async_connection is None and (callable(self._connection) or not _loop_watches_sockets()):
            return await in_thread(partial(self._tried, script))
        return await self._atried(script)

    def _tried(self, script: Callable[[], Script[T]]) -> T:
        failure = ""
        for _ in range(_TRIES):
            check_stopped()
            try:
                with self._opened() as connection:
                    return self._once(connection, script)
            except _driver().Error as error:
                check_stopped()
                failure = self._reason(error)
                if error.sqlstate not in _THWARTED:
                    break
        raise self._raises(f"{self.place}: {failure}")  # without its cause, which knows the connection string

    async def _atried(self, script: Callable[[], Script[T]]) -> T:
        failure = ""
        for _ in range(_TRIES):
            check_stopped()
            try:
                async with self._aopened() as connection:
                    return await self._aonce(connection, script)
            except _driver().Error as error:
                check_stopped()
                failure = self._reason(error)
                if error.sqlstate not in _THWARTED:
                    break
        raise self._raises(f"{self.place}: {failure}")  # without its cause, which knows the connection string

    def _once(self, connection: Connection, script: Callable[[], Script[T]]) -> T:
        try:
            return self._alone(connection, script())
        except _driver().errors.UndefinedTable:
            self._alone(connection, _listed(self._making))
        return self._alone(connection, script())

    async def _aonce(self, connection: Connection, script: Callable[[], Script[T]]) -> T:
        try:
            return await self._aalone(connection, script())
        except _driver().errors.UndefinedTable:
            await self._aalone(connection, _listed(self._making))
        return await self._aalone(connection, script())

    def _alone(self, connection: Connection, script: Script[T]) -> T:
        with connection.transaction(), _own(_driver().Cursor, connection) as cursor:
            cursor.execute(_LIMITS, self._limits)
            return _played(cursor, script)

    async def _aalone(self, connection: Connection, script: Script[T]) -> T:
        async with connection.transaction(), _own(_driver().AsyncCursor, connection) as cursor:
            await cursor.execute(_LIMITS, self._limits)
            return await _aplayed(cursor, script)

    @contextmanager
    def _opened(self) -> Generator[Connection, None, None]:
        """A connection for the block: one that the caller's function gives, or a new one, which is closed at its end."""
        if self._connection is None:
            raise ConfigError(f"{self.place}: sync calls need connection=, beside async_connection=")
        if isinstance(self._connection, str):
            connect = _driver().Connection.connect
            opening: Any = _fresh(connect, self._connection, connect_timeout=self._patience)
        else:
            opening = _checked(self._connection(), "__enter__", "connection", "a `with`")
        with opening as found, _ended_when_stopped(found):
            yield found

    @asynccontextmanager
    async def _aopened(self) -> AsyncGenerator[Connection, None]:  # twin: psycopg ends what a cancelled task has begun
        """A connection for the block: one that the caller's function gives, or a new one, which is closed at its end."""
        if self._async_connection is None:
            connect = _driver().AsyncConnection.connect
            opening: Any = _afresh(connect, self._connection, connect_timeout=self._patience)
        else:
            made: Any = self._async_connection()
            opening = _checked(
                await made if isawaitable(made) else made, "__aenter__", "async_connection", "an `async with`"
            )
        async with opening as found:
            yield found

    @property
    def _patience(self) -> int:
        return max(2, round(self._timeout))

    def _reason(self, error: Any) -> str:
        """What went wrong and what to do, without the values of a statement or of the connection string."""
        state, said = error.sqlstate, " ".join(str(error).split())[:300]
        for prefix, advice in self._advice:
            if state is not None and state.startswith(prefix):
                return f"{advice} (SQLSTATE {state})"
        if state is not None:
            return f"the server refused it ({type(error).__name__}, SQLSTATE {state}); its log says why"
        return self._hidden(f"no connection, or it was lost; see that the server runs and accepts this user ({said})")

    def _hidden(self, text: str) -> str:
        """The text with ``***`` for what the connection string keeps secret."""
        parts = _parts(self._connection) if isinstance(self._connection, str) else {}
        for secret in filter(None, map(parts.get, _SECRETS)):
            text = text.replace(secret, "***")
        return text


# ------------------------------------------------------------------------------------------------------------ statements


def _played(cursor: Any, script: Script[T]) -> T:
    rows: Any = None
    while True:
        try:
            text, parameters = script.send(rows)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # what the script returns
        check_stopped()
        cursor.execute(text, parameters)
        rows = cursor.fetchall() if cursor.description else []


async def _aplayed(cursor: Any, script: Script[T]) -> T:
    rows: Any = None
    while True:
        try:
            text, parameters = script.send(rows)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # what the script returns
        check_stopped()
        await cursor.execute(text, parameters)
        rows = await cursor.fetchall() if cursor.description else []


def _own(factory: Any, connection: Connection) -> Any:
    """A cursor that works as scripts want it, however the caller's connection makes its own."""
    cursor = factory(connection, row_factory=_driver().rows.tuple_row)
    cursor.adapters.register_dumper(Reals, _reals_dumper())
    return cursor


def _listed(statements: Sequence[Statement]) -> Script[None]:
    for statement in statements:
        yield statement


class Reals(bytes):
    """Numbers as a parameter of type ``real[]``: as bytes, which is four times as fast as text."""

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]]) -> Self:
        """All numbers of the rows, one after the other; raises OverflowError for one that 32 bits do not hold."""
        width = len(rows[0])
        pairs: list[Any] = [4] * (2 * width)  # before each number stands its length
        parts = [pack("!iiiii", 1, 0, _REAL, len(rows) * width, 1)]  # dimensions, nulls, type, length, first place
        for row in rows:
            pairs[1::2] = row
            parts.append(pack("!" + "if" * width, *pairs))
        return cls(b"".join(parts))


_REAL: Final = 700
_REALS: Final = 1021
"""What PostgreSQL calls ``real`` and ``real[]``."""


@cache
def _reals_dumper() -> Any:
    from psycopg.adapt import Dumper
    from psycopg.pq import Format

    class ReadyDumper(Dumper):
        format = Format.BINARY
        oid = _REALS

        def dump(self, obj: Any) -> Any:
            return obj

    return ReadyDumper


# ----------------------------------------------------------------------------------------------------------- connections


def _driver() -> Any:
    """psycopg; raises MissingExtraError if it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError("PostgreSQL needs the extra `postgres`: pip install 'plait[postgres]'") from error
    return psycopg


def _loop_watches_sockets() -> bool:
    """Whether psycopg can wait in this event loop; it cannot in the proactor loop, the usual one on Windows."""
    from asyncio import AbstractEventLoop, get_running_loop

    return type(get_running_loop()).add_reader is not AbstractEventLoop.add_reader


_turns: Final = Permits(64 + 1)
"""For connections that tasks open: as many as there are threads, and fewer than a server takes by default. (One counts as held.)"""


@contextmanager
def _fresh(connect: Callable[..., Connection], *args: Any, **kwargs: Any) -> Generator[Connection, None, None]:
    """A connection of our own, which is closed whatever happens, if need be without another word to the server."""
    connection = connect(*args, **kwargs)
    try:
        yield connection
    finally:
        connection.close()


@asynccontextmanager
async def _afresh(  # twin: there are only so many threads, but tasks without end
    connect: Callable[..., Awaitable[Connection]], *args: Any, **kwargs: Any
) -> AsyncGenerator[Connection, None]:
    """A connection of our own, which is closed whatever happens, if need be without another word to the server."""
    try:
        await _turns.aregain()  # it is held then, also if that was cancelled
        connection = await connect(*args, **kwargs)
        try:
            yield connection
        finally:
            await connection.close()
    finally:
        _turns.give()


_AGAIN: Final = 0.1
_CANCELLING: Final = 2.0
"""Seconds until a statement is cancelled once more, and that the server has to take note of it."""


@contextmanager
def _ended_when_stopped(connection: Connection) -> Generator[None, None, None]:
    """Have the server end what runs in the block if nobody waits for it any more."""
    stop, lock, open = stopping.get(), Lock(), [True]

    def cancel() -> None:
        with lock:
            if not open:  # it would hit what somebody else does with the connection
                return
            with suppress(_driver().Error):
                connection.cancel_safe(timeout=_CANCELLING)
        MACHINE.call_at(MACHINE.monotonic() + _AGAIN, cancel)  # the server may not have begun with the statement

    if stop is None:
        yield
        return
    with stop.calling(cancel):
        try:
            yield
        finally:
            with lock:
                open.clear()


def _checked(made: Any, method: str, name: str, block: str) -> Any:
    """What a function of the caller's gave, if it can be entered."""
    if hasattr(made, method):
        return made
    raise ConfigError(
        f"the function {name} must give a connection in {block} block, as the method `connection` of a pool of psycopg_pool "
        f"does; got {type(made).__name__}"
    )


def _described(connection: Any, async_connection: Any) -> str:
    """How an error and a repr may name where that leads; raises ConfigError if it leads nowhere."""
    if async_connection is not None and not callable(async_connection):
        raise ConfigError(
            "async_connection must be a function that gives a connection in an `async with` block, such as the method "
            f"`connection` of an AsyncConnectionPool; got {type(async_connection).__name__}"
        )
    if isinstance(connection, str):
        parts = _parts(connection)
        return " ".join(f"{key}={parts[key]}" for key in _SHOWN if parts.get(key)) or "of the environment"
    opening = async_connection if connection is None else connection
    if not callable(opening):
        raise ConfigError(
            "connection must be a connection string, or a function that gives a connection in a `with` block, such as "
            f"the method `connection` of a pool; got {type(connection).__name__}"
        )
    owner: Any = getattr(opening, "__self__", opening)  # the pool; its method is another object each time
    return f"of {type(owner).__name__} at {id(owner):#x}"


def _parts(text: str) -> dict[str, Any]:
    psycopg = _driver()
    try:
        return dict(psycopg.conninfo.conninfo_to_dict(text))
    except psycopg.Error:
        pass
    hint = "" if "+" not in text.partition("://")[0] else "leave out what SQLAlchemy wants after the `+`; "
    raise ConfigError(  # without its cause, which shows a part of the string
        f"the connection string cannot be read; {hint}write postgresql://user:password@host:port/database (special characters "
        "of the password as %XX), or host=... port=... dbname=... user=... password=..."
    )


def _without_secrets(connection: Any) -> Any:
    """How to connect, without the password: for a pickle."""
    if not isinstance(connection, str):
        return connection
    parts = {key: value for key, value in _parts(connection).items() if key not in _SECRETS}
    return _driver().conninfo.make_conninfo(**parts)


def check_timeout(seconds: Any) -> float:
    """The seconds, if they can be waited for; raises ConfigError otherwise."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 86400:
        raise ConfigError(f"timeout must be a number of seconds above 0 and below a day, got {seconds!r}")
    return float(seconds)


_ADVICE: Final = {
    "28": "the server refuses this user or password",
    "22": "a value is more than the server can hold, such as a text with NUL or half of a pair",
    "3D": "there is no such database; create it first",
    "42501": "this user may not use the table, or not create it; grant that, or create the table as another user",
    "42": "the table is not one of plait's; choose another name for the table",
    "53": "the server has no room left, or no connection; use a pool, or raise its limits",
    "55P03": "others held what it needs for too long; end whoever holds it, or give a longer timeout",
    "57014": "it took too long; look for who blocks the table, or give a longer timeout",
    "57": "the server is shutting down or starting up; repeat the run when it is there",
    "25006": "the database is read-only; write to its primary server",
}

"""How a PostgreSQL server is reached through psycopg 3 (extra ``postgres``), and what is said when it is not.

The password is in no message and in no pickle.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final, TypeAlias

from plait.errors import ConfigError, MissingExtraError

__all__ = [
    "LIMITS",
    "THWARTED",
    "Connection",
    "Opening",
    "check_timeout",
    "described",
    "driver",
    "hidden",
    "opened",
    "reason",
    "without_secrets",
]

Connection: TypeAlias = Any
"""A psycopg.Connection; its own type takes no text for a statement that is not written out in the call."""
Opening: TypeAlias = Callable[[], AbstractContextManager[Any]]

_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret")
_SHOWN: Final = ("host", "hostaddr", "port", "dbname", "user", "service")

THWARTED: Final = ("40001", "40P01")
"""A conflict of two transactions, or a deadlock: this one was rolled back and may be tried again."""

LIMITS: Final = "SELECT set_config('lock_timeout', %(limit)s, true), set_config('statement_timeout', %(limit)s, true)"
"""How long the statements of a transaction may take, and wait for others; takes ``limit``."""


def driver() -> Any:
    """psycopg; raises MissingExtraError if it is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingExtraError("PostgreSQL needs the extra `postgres`: pip install 'plait[postgres]'") from error
    return psycopg


@contextmanager
def opened(connection: Any, timeout: float) -> Generator[Connection, None, None]:
    """A connection for the block: one that the caller's function gives, or a new one, which is closed at its end."""
    if not isinstance(connection, str):
        with connection() as found:
            yield found
        return
    with driver().connect(connection, connect_timeout=max(2, round(timeout))) as found:
        yield found


def described(connection: Any) -> tuple[Any, str]:
    """How to connect, and how an error and a repr may name that."""
    if callable(connection):
        owner: Any = getattr(connection, "__self__", connection)  # the pool; its method is another object each time
        return connection, f"of {type(owner).__name__} at {id(owner):#x}"
    if not isinstance(connection, str):
        raise ConfigError(
            "connection must be a connection string, or a function that gives a connection in a `with` block, such as "
            f"the method `connection` of a pool; got {type(connection).__name__}"
        )
    parts = _parts(connection)
    shown = " ".join(f"{key}={parts[key]}" for key in _SHOWN if parts.get(key))
    return connection, shown or "of the environment"


def _parts(text: str) -> dict[str, Any]:
    psycopg = driver()
    try:
        return dict(psycopg.conninfo.conninfo_to_dict(text))
    except psycopg.Error:
        pass
    raise ConfigError(  # without its cause, which shows a part of the string
        "the connection string cannot be read; write postgresql://user:password@host:port/database (special characters "
        "of the password as %XX), or host=... port=... dbname=... user=... password=..."
    )


def without_secrets(connection: Any) -> Any:
    """How to connect, without the password: for a pickle."""
    if callable(connection):
        return connection
    parts = {key: value for key, value in _parts(connection).items() if key not in _SECRETS}
    return driver().conninfo.make_conninfo(**parts)


def hidden(text: str, connection: Any) -> str:
    """The text with ``***`` for what the connection string keeps secret."""
    for secret in () if callable(connection) else map(_parts(connection).get, _SECRETS):
        text = text.replace(secret, "***") if secret else text
    return text


def check_timeout(seconds: Any) -> float:
    """The seconds, if they can be waited for; raises ConfigError otherwise."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 86400:
        raise ConfigError(f"timeout must be a number of seconds above 0 and below a day, got {seconds!r}")
    return float(seconds)


def reason(error: Any) -> str:
    """What went wrong and what to do, without the values of a statement or of the connection string."""
    state = error.sqlstate
    for prefix, advice in _ADVICE.items():
        if state is not None and state.startswith(prefix):
            return f"{advice} (SQLSTATE {state})"
    if state is None:
        said = " ".join(str(error).split())[:300]
        return f"no connection, or it was lost; see that the server runs and accepts this user ({said})"
    return f"the server refused it ({type(error).__name__}, SQLSTATE {state}); its log says why"


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

"""Sync connections that can be ended: whoever is told to stop while it waits for a socket is woken at once.

A thread that waits for a server cannot be cancelled. But a socket that is shut down wakes it, whatever it was doing: so
while a ``Stop`` is in force, every wait of an HTTP client lets itself be ended that way, and ``Stopped`` takes the place
of what the socket says then. The client throws such a connection away, as it does with any that failed.

What opens connections for ``httpx`` (by whatever name) is a network backend, which is wrapped here. Only the opening
itself is done anew: the one of the library cannot be woken, since nobody has its socket.
"""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from errno import EAGAIN, EINPROGRESS, EWOULDBLOCK
from ipaddress import ip_address
from typing import Any, Final, TypeVar, cast

from plait.stopping import Stop, Stopped, stopping

__all__ = ["make_endable"]

R = TypeVar("R")

_UNDER_WAY: Final = frozenset({EINPROGRESS, EWOULDBLOCK, EAGAIN, 10035})  # the last is Windows' own


def make_endable(client: Any) -> None:
    """Let calls of this sync client of ``httpx`` be ended, through a proxy, too.

    A client that is made in another way than all known ones stays as it is: its calls end when their time is over.
    """
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if pool is not None and backend is not None:
            pool._network_backend = Backend(backend)


class Line:
    """A socket that another thread may shut down, and that is not closed meanwhile: its number might be another's."""

    __slots__ = ("_lock", "_socket")

    def __init__(self, opened: socket.socket) -> None:
        self._lock = threading.Lock()
        self._socket = opened

    def hang_up(self) -> None:
        """Wake whoever waits for it, for good."""
        with self._lock, suppress(OSError):  # it is closed, or was never connected
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # and not of TLS, which would forget its state

    def close(self, close: Callable[[], object] | None = None) -> None:
        """Close it, if not by its own ``close``, by another one."""
        with self._lock:
            (close or self._socket.close)()

    def during(self, stop: Stop, work: Callable[..., R], *args: Any) -> R:
        """``work(*args)``, which waits for this socket; raises Stopped if that was ended, or came too late."""
        stop.check()
        try:
            with stop.calling(self.hang_up):
                done = work(*args)
        except Exception as error:
            if stop.reason is None:
                raise
            _let_go(error)
            raise Stopped from None
        stop.check()
        return done


def _let_go(error: BaseException | None) -> None:
    """Take the tracebacks from an error that nobody will see: in the library some of them are circles of frames."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class Stream:
    """A connection of an HTTP client, whose waits can be ended."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._line = Line(inner.get_extra_info("socket"))

    def _wait(self, work: Callable[..., Any], *args: Any) -> Any:
        stop = stopping.get()
        return work(*args) if stop is None else self._line.during(stop, work, *args)

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        return self._wait(self._inner.read, max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wait(self._inner.write, buffer, timeout)

    def close(self) -> None:
        self._line.close(self._inner.close)

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Stream:
        stop, begin = stopping.get(), self._inner.start_tls
        if stop is None:
            return Stream(begin(ssl_context, server_hostname, timeout))
        plain = self._inner.get_extra_info("socket")  # TLS takes the socket away while it greets the server
        line = Line(socket.fromfd(plain.fileno(), plain.family, plain.type))
        try:
            with stop.calling(line.hang_up):
                return Stream(begin(ssl_context, server_hostname, timeout))
        except Exception:  # the library has closed it
            stop.check()
            raise
        finally:
            line.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# ------------------------------------------------------------------------------------------------------------- opening


class Backend:
    """What opens connections for an HTTP client: that of the library, but for what must be endable."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        # The library's own, which are in a module that is not public, and of a name that differs from version to version.
        library: dict[str, Any] = getattr(inner.connect_tcp, "__globals__", {})
        self._stream = library.get("SyncStream")
        self._failed = library.get("ConnectError", OSError)
        self._late = library.get("ConnectTimeout", TimeoutError)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        stop = stopping.get()
        if stop is None or self._stream is None:
            return Stream(self._inner.connect_tcp(host, port, timeout, local_address, socket_options))
        try:
            opened = _connect(stop, _addresses(stop, host, port, timeout), timeout, local_address)
            for option in (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
                opened.setsockopt(*option)
        except TimeoutError as error:
            raise self._late(str(error)) from error
        except OSError as error:
            raise self._failed(str(error)) from error
        return Stream(self._stream(opened))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> Stream:
        return Stream(self._inner.connect_unix_socket(path, timeout, socket_options))  # nobody waits for that long

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


def _connect(stop: Stop, addresses: Iterable[Any], timeout: float | None, local: str | None) -> socket.socket:
    """A connection to the first of the addresses that accepts one, each of which may take ``timeout`` seconds."""
    failure = OSError("the host has no address")
    for family, kind, protocol, _, address in addresses:
        opened = socket.socket(family, kind, protocol)
        line = Line(opened)
        try:
            if local is not None:
                opened.bind((local, 0))
            _open(stop, opened, line, address, timeout)
        except OSError as error:
            line.close()
            failure = error
        except BaseException:
            line.close()
            raise
        else:
            return opened
    try:
        raise failure
    finally:
        del failure  # its traceback holds this frame


def _open(stop: Stop, opened: socket.socket, line: Line, address: Any, timeout: float | None) -> None:
    stop.check()
    opened.setblocking(False)
    code = opened.connect_ex(address)
    if code in _UNDER_WAY:
        line.during(stop, _wait_until_open, opened, timeout)
        code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _wait_until_open(opened: socket.socket, timeout: float | None) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(opened, selectors.EVENT_WRITE)
        if not selector.select(timeout):
            raise TimeoutError("timed out")


def _addresses(stop: Stop, host: str, port: int, timeout: float | None) -> list[Any]:
    """Where the host is. Nothing can wake a thread that waits for a name server: so another one waits in its place."""
    if _is_address(host):
        return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    found: list[Any] = []
    done = threading.Event()

    def look() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
        except Exception as error:
            found.append(error)
        finally:
            done.set()

    threading.Thread(target=look, name="plait lookup", daemon=True).start()
    with stop.calling(done.set):
        done.wait(timeout)
    stop.check()
    return _outcome(found, host)


def _outcome(found: list[Any], host: str) -> list[Any]:
    if not found:
        raise TimeoutError(f"no name server has told in time where {host} is")
    outcome = found.pop()
    if not isinstance(outcome, Exception):
        return cast("list[Any]", outcome)
    try:
        raise outcome
    finally:
        del outcome  # its traceback holds this frame


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True

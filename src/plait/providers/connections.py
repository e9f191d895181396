"""HTTP connections to a vendor: one pool for all threads, and one for each event loop.

A connection belongs to the loop that opened it: used from another one it fails ("Event loop is closed"). So each loop
has a pool, which is closed when the loop ends. Models share the pools and own no connection, which makes them cheap to
make, copy, pickle and forget, and lets one use the connection that another one opened. A pool knows no key and keeps no
cookies; keys travel with requests. A sync call that uses one can be ended from another thread, as a task can be cancelled.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import AsyncGenerator, Callable
from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from plait.providers.sockets import make_endable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["Connections"]


class Connections:
    """The pools of one SDK, made of its two classes of HTTP clients when they are first used."""

    def __init__(self, kinds: Callable[[], tuple[type[Any], type[Any]]]) -> None:
        self._kinds = kinds
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        self._shared: dict[str, Any] | None = None
        self._pool: Any = None
        self._of_loops: WeakKeyDictionary[AbstractEventLoop, tuple[Any, AsyncGenerator[None, None]]] = (
            WeakKeyDictionary()
        )

    def _settle(self) -> None:
        """After a fork, begin anew: what the parent has open is not ours to use or to close."""
        if self._process != os.getpid():
            _of_parents.append(vars(self).copy())
            self._reset()

    def pool(self) -> Any:
        """The pool of all threads; it is closed when the process ends."""
        self._settle()
        with self._lock:
            if self._pool is None:
                self._pool = self._kinds()[0](**self._settings())
                make_endable(self._pool)
                atexit.register(_close_in, self._process, self._pool)
            return self._pool

    async def apool(self) -> Any:  # twin: a loop has a pool of its own, and ends it
        """The pool of the running event loop; it is closed when the loop ends."""
        from asyncio import get_running_loop

        self._settle()
        loop = get_running_loop()
        found = self._of_loops.get(loop)
        if found is not None:
            return found[0]
        with self._lock:
            pool = self._kinds()[1](**self._settings())
            keeper = self._keep_until_the_end(loop, pool)
            for ended in [loop for loop in self._of_loops if loop.is_closed()]:
                del self._of_loops[ended]  # it did not say that it ends: nobody shut its generators down
            self._of_loops[loop] = pool, keeper
        await anext(keeper)
        return pool

    async def _keep_until_the_end(self, loop: AbstractEventLoop, pool: Any) -> AsyncGenerator[None, None]:
        # A loop that is shut down closes the async generators that were begun on it, and lets them await: there is no
        # other way to hear of its end in time.
        try:
            yield
        finally:
            del self._of_loops[loop]
            await pool.aclose()

    def _settings(self) -> dict[str, Any]:
        if self._shared is None:
            self._shared = _settings_of(self._kinds()[0])
        return self._shared


_of_parents: list[Any] = []
"""What a forked process must neither use nor close."""


def _settings_of(kind: type[Any]) -> dict[str, Any]:
    """What all pools have in common: no redirects, which could carry a key elsewhere; no cookies; one TLS context.

    To make that context takes longer than a request; made once, a program may use many event loops.
    """
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    http = next(base.__module__.partition(".")[0] for base in kind.__mro__ if base.__module__.startswith("httpx"))
    return {
        "verify": sys.modules[http].create_ssl_context(),
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        "follow_redirects": False,
    }


def _close_in(process: int, pool: Any) -> None:
    if process == os.getpid():
        pool.close()

"""A cache in the memory of this process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Any, Self

from plait.caches import records
from plait.caches.base import BaseCache, limit, seconds, space
from plait.caches.keys import digest
from plait.clocks import now
from plait.outputs import Generation

__all__ = ["InMemoryCache"]


class InMemoryCache(BaseCache):
    """Keeps the ``maxsize`` answers that were used last (None: all of them), each for ``ttl`` seconds (None: for ever).

    What it holds are records, so that nobody can change an answer in it; an answer that JSON cannot hold is not kept.
    Caches of different ``namespace`` share nothing. For any number of threads and tasks. A copy of it is itself; unpickled elsewhere it is empty.
    """

    def __init__(self, *, maxsize: int | None = 10_000, ttl: float | None = None, namespace: str = "") -> None:
        self._maxsize = limit("maxsize", maxsize)
        self._ttl = seconds("ttl", ttl)
        self._namespace = space(namespace)
        self._lock = Lock()
        self._kept: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"InMemoryCache(maxsize={self._maxsize}, ttl={self._ttl}, namespace={self._namespace!r})"

    def __len__(self) -> int:
        return len(self._kept)

    def __bool__(self) -> bool:
        return True  # an empty cache is a cache

    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """The candidates that were kept for a request, as objects of the caller's own; None if there are none."""
        key = digest(self._namespace, prompt, llm_string)
        record = self._record(key)
        return None if record is None else records.read(key, record)

    async def alookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:  # twin: needs no thread
        """As ``lookup``."""
        return self.lookup(prompt, llm_string)

    def _record(self, key: bytes) -> bytes | None:
        with self._lock:
            record, stored = self._kept.get(key, (None, 0.0))
            if record is None:
                return None
            if self._ttl is not None and now() - stored >= self._ttl:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return record

    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep the candidates for a request, in the place of those that it had."""
        key = digest(self._namespace, prompt, llm_string)
        record = records.written(key, return_val)
        if record is None:
            return
        with self._lock:
            self._kept[key] = record, now()
            self._kept.move_to_end(key)
            if self._maxsize is not None and len(self._kept) > self._maxsize:
                self._kept.popitem(last=False)

    async def aupdate(  # twin: needs no thread
        self, prompt: str, llm_string: str, return_val: Sequence[Generation]
    ) -> None:
        """As ``update``."""
        self.update(prompt, llm_string, return_val)

    def clear(self, **kwargs: Any) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()

    async def aclear(self, **kwargs: Any) -> None:  # twin: needs no thread
        """As ``clear``."""
        self.clear()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        return _empty, (self._maxsize, self._ttl, self._namespace)


def _empty(maxsize: int | None, ttl: float | None, namespace: str) -> InMemoryCache:
    return InMemoryCache(maxsize=maxsize, ttl=ttl, namespace=namespace)

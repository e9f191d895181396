"""Stores in this process's memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, Generic, TypeVar

from plait.stores.base import BaseStore, listed, paired

__all__ = ["InMemoryBaseStore", "InMemoryByteStore", "InMemoryStore"]

V = TypeVar("V")


class InMemoryBaseStore(BaseStore[str, V], Generic[V]):
    """Values in a dict, ``store``, which is as large as what was put in; for any number of threads.

    Values are not copied. Each operation on the dict is atomic, so no lock is held and copies and pickles work.
    """

    def __init__(self) -> None:
        self.store: dict[str, V] = {}

    def mget(self, keys: Sequence[str]) -> list[V | None]:
        """The values of the keys, in their order; None where there is none."""
        return [self.store.get(key) for key in listed(keys)]

    async def amget(self, keys: Sequence[str]) -> list[V | None]:  # twin: memory waits for nothing
        """The values of the keys, in their order; None where there is none."""
        return self.mget(keys)

    def mset(self, key_value_pairs: Sequence[tuple[str, V]]) -> None:
        """Put values under keys, all of them at once for whoever looks."""
        self.store.update(dict(paired(key_value_pairs)))

    async def amset(self, key_value_pairs: Sequence[tuple[str, V]]) -> None:  # twin: memory waits for nothing
        """Put values under keys, all of them at once for whoever looks."""
        self.mset(key_value_pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Take the keys out; those that are not there are passed over."""
        for key in listed(keys):
            self.store.pop(key, None)

    async def amdelete(self, keys: Sequence[str]) -> None:  # twin: memory waits for nothing
        """Take the keys out; those that are not there are passed over."""
        self.mdelete(keys)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """The keys that begin with ``prefix`` and are there now, in the order in which they came."""
        return iter([key for key in list(self.store) if key.startswith(prefix or "")])

    async def ayield_keys(
        self, *, prefix: str | None = None
    ) -> AsyncGenerator[str, None]:  # twin: it has to be a generator
        """The keys that begin with ``prefix`` and are there now, in the order in which they came."""
        for key in self.yield_keys(prefix=prefix):
            yield key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.store)} keys)"


class InMemoryStore(InMemoryBaseStore[Any]):
    """Values of any kind in a dict."""


class InMemoryByteStore(InMemoryBaseStore[bytes]):
    """Bytes in a dict."""

"""What every store is: four verbs, each for many keys at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

from plait.concurrency import aiter_in_thread, in_thread
from plait.errors import StoreError

__all__ = ["BaseStore", "ByteStore", "listed", "paired"]

K = TypeVar("K")
V = TypeVar("V")


class BaseStore(ABC, Generic[K, V]):
    """Values under keys; subclass it and write ``mget``, ``mset``, ``mdelete`` and ``yield_keys``.

    Any number of threads and tasks call these at once. The async twins run the sync ones in a thread unless they are
    overridden.
    """

    @abstractmethod
    def mget(self, keys: Sequence[K]) -> list[V | None]:
        """The values of the keys, in their order; None where there is none."""

    async def amget(self, keys: Sequence[K]) -> list[V | None]:  # twin: a sync store has a thread
        """The values of the keys, in their order; None where there is none."""
        return await in_thread(self.mget, keys)

    @abstractmethod
    def mset(self, key_value_pairs: Sequence[tuple[K, V]]) -> None:
        """Put values under keys, in the place of those that were there; of two under one key the last one stays."""

    async def amset(self, key_value_pairs: Sequence[tuple[K, V]]) -> None:  # twin: a sync store has a thread
        """Put values under keys, in the place of those that were there; of two under one key the last one stays."""
        await in_thread(self.mset, key_value_pairs)

    @abstractmethod
    def mdelete(self, keys: Sequence[K]) -> None:
        """Take the keys out; those that are not there are passed over."""

    async def amdelete(self, keys: Sequence[K]) -> None:  # twin: a sync store has a thread
        """Take the keys out; those that are not there are passed over."""
        await in_thread(self.mdelete, keys)

    @abstractmethod
    def yield_keys(self, *, prefix: str | None = None) -> Iterator[K]:
        """Each key that begins with ``prefix``, once, in no particular order; the store may change meanwhile."""

    async def ayield_keys(
        self, *, prefix: str | None = None
    ) -> AsyncGenerator[K, None]:  # twin: a sync store has a thread
        """Each key that begins with ``prefix``, once, in no particular order; the store may change meanwhile."""
        keys = await in_thread(self.yield_keys, prefix=prefix)
        async for key in aiter_in_thread(keys):
            yield key


ByteStore: TypeAlias = BaseStore[str, bytes]
"""A store whose keys are texts and whose values are bytes."""


def listed(keys: Sequence[Any]) -> list[Any]:
    """The keys as a list; a single text, which is a sequence of letters, is refused."""
    if isinstance(keys, str | bytes):
        raise StoreError(f"a store takes a list of keys; got one {type(keys).__name__}: write [{keys!r:.80}]")
    return list(keys)


def paired(pairs: Iterable[Any]) -> list[tuple[Any, Any]]:
    """The pairs of keys and values as a list; a dict is its items."""
    given = cast("Mapping[Any, Any]", pairs).items() if isinstance(pairs, Mapping) else pairs
    taken: list[Any] = list(given)
    for number, pair in enumerate(taken):
        if not isinstance(pair, tuple | list) or len(cast("Sequence[Any]", pair)) != 2:
            raise StoreError(f"a store takes pairs (key, value); number {number} is {pair!r:.80}")
    return [(key, value) for key, value in taken]

"""A store of other things, on top of one that holds bytes or texts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from pydantic_core import to_json

from plait.documents import Document
from plait.errors import StoreError
from plait.stores.base import BaseStore, ByteStore, listed, paired

__all__ = ["EncoderBackedStore", "create_kv_docstore"]

K = TypeVar("K")
V = TypeVar("V")


class EncoderBackedStore(BaseStore[K, V], Generic[K, V]):
    """Keeps values in another store, as what ``value_serializer`` makes of them.

    ``key_encoder`` makes a key of that store from a key of this one. It has no way back: ``yield_keys`` gives the keys of
    the other store, and its ``prefix`` is one of those. What ``value_deserializer`` cannot read raises ``StoreError``.
    """

    def __init__(
        self,
        store: BaseStore[str, Any],
        key_encoder: Callable[[K], str],
        value_serializer: Callable[[V], bytes],
        value_deserializer: Callable[[Any], V],
    ) -> None:
        self.store = store
        self.key_encoder = key_encoder
        self.value_serializer = value_serializer
        self.value_deserializer = value_deserializer

    def mget(self, keys: Sequence[K]) -> list[V | None]:
        """The values of the keys, in their order; None where there is none."""
        names = self._names(keys)
        return self._read(names, self.store.mget(names))

    async def amget(self, keys: Sequence[K]) -> list[V | None]:
        """The values of the keys, in their order; None where there is none."""
        names = self._names(keys)
        return self._read(names, await self.store.amget(names))

    def mset(self, key_value_pairs: Sequence[tuple[K, V]]) -> None:
        """Put values under keys; all are written down before the first is kept."""
        self.store.mset(self._written(key_value_pairs))

    async def amset(self, key_value_pairs: Sequence[tuple[K, V]]) -> None:
        """Put values under keys; all are written down before the first is kept."""
        await self.store.amset(self._written(key_value_pairs))

    def mdelete(self, keys: Sequence[K]) -> None:
        """Take the keys out; those that are not there are passed over."""
        self.store.mdelete(self._names(keys))

    async def amdelete(self, keys: Sequence[K]) -> None:
        """Take the keys out; those that are not there are passed over."""
        await self.store.amdelete(self._names(keys))

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[Any]:
        """The keys of the other store that begin with ``prefix``."""
        yield from self.store.yield_keys(prefix=prefix)

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncGenerator[Any, None]:
        """The keys of the other store that begin with ``prefix``."""
        async for key in self.store.ayield_keys(prefix=prefix):
            yield key

    def _names(self, keys: Sequence[K]) -> list[str]:
        return [self.key_encoder(key) for key in listed(keys)]

    def _written(self, pairs: Sequence[tuple[K, V]]) -> list[tuple[str, Any]]:
        return [(self.key_encoder(key), self.value_serializer(value)) for key, value in paired(pairs)]

    def _read(self, names: list[str], found: Sequence[Any]) -> list[V | None]:
        return [None if value is None else self._value(name, value) for name, value in zip(names, found, strict=True)]

    def _value(self, name: str, value: Any) -> V:
        try:
            return self.value_deserializer(value)
        except (ValueError, TypeError, LookupError) as error:
            raise StoreError(
                f"what is kept under the key {name!r} cannot be read ({type(error).__name__}): it was damaged, or another "
                "program wrote it. Nothing was changed; delete the key, or use another store"
            ) from error


def create_kv_docstore(
    store: ByteStore, *, key_encoder: Callable[[str], str] = str
) -> EncoderBackedStore[str, Document]:
    """A store of documents in a store of bytes, as JSON: the parents of what a parent document retriever finds, say.

    Metadata comes back as JSON has it: a tuple as a list, a date as a text.
    """
    return EncoderBackedStore(store, key_encoder, _document_as_bytes, Document.model_validate_json)


def _document_as_bytes(document: Document) -> bytes:
    if not isinstance(document, Document):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
        raise StoreError(f"a store of documents takes documents; got an object of type {type(document).__name__}")
    try:
        return to_json(document.model_dump(), inf_nan_mode="constants")  # the default is null
    except ValueError as error:  # pydantic's, for what JSON does not know
        raise StoreError(f"a document has metadata that JSON cannot hold: {error}") from error

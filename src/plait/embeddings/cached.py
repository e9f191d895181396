"""A store in front of a model: a text is embedded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final, Literal, Self, TypeAlias

from plait.embeddings import records
from plait.embeddings.base import Embeddings, batches
from plait.embeddings.vectors import checked, listed
from plait.errors import ConfigError, ModelError
from plait.stopping import check_stopped
from plait.stores import BaseStore, ByteStore

__all__ = ["CacheBackedEmbeddings"]

KeyEncoder: TypeAlias = Callable[[str], str] | Literal["sha1", "sha256", "sha512", "blake2b"]

_HASHES: Final = ("sha256", "sha512", "blake2b", "sha1")
_DOCUMENTS, _QUERIES = "documents", "queries"


class CacheBackedEmbeddings(Embeddings):
    """Keeps the vectors of another model in a store, and asks the model for those alone that are not there.

    Documents are kept, queries only if there is a ``query_embedding_store``. A text that occurs twice is asked for once,
    ``batch_size`` texts at a time (None: all at once); each batch is kept when it comes, so that work that is broken off
    need not be done again. Two calls at the same moment may both ask for what neither finds.

    A key is ``<model>/documents/<text>`` or ``<model>/queries/<text>``, where ``<model>`` is a hash of ``namespace`` and
    of the class, name and settings of the model, and ``<text>`` is what ``key_encoder`` makes of the text: a hash by
    that name, or a function, two texts of which must not share a key. A record that is damaged, or is another's, is as
    good as none. Vectors of another length than those that are kept raise ``ModelError``: then the model is not the one
    that made them, and needs a ``namespace`` of its own.
    """

    def __init__(
        self,
        underlying_embeddings: Embeddings,
        document_embedding_store: ByteStore,
        *,
        namespace: str = "",
        batch_size: int | None = 1000,
        query_embedding_store: ByteStore | None = None,
        key_encoder: KeyEncoder = "sha256",
    ) -> None:
        self.underlying_embeddings = underlying_embeddings
        self.document_embedding_store = document_embedding_store
        self.query_embedding_store = query_embedding_store
        self.namespace = namespace
        self.batch_size = batch_size
        self.key_encoder = key_encoder
        self._check()

    @classmethod
    def from_bytes_store(
        cls,
        underlying_embeddings: Embeddings,
        document_embedding_cache: ByteStore,
        *,
        namespace: str = "",
        batch_size: int | None = 1000,
        query_embedding_cache: bool | ByteStore = False,
        key_encoder: KeyEncoder = "sha256",
    ) -> Self:
        """A cache in this store; queries are kept, too, with ``query_embedding_cache``: True for the same store."""
        same = document_embedding_cache if query_embedding_cache else None
        return cls(
            underlying_embeddings,
            document_embedding_cache,
            namespace=namespace,
            batch_size=batch_size,
            query_embedding_store=same if isinstance(query_embedding_cache, bool) else query_embedding_cache,
            key_encoder=key_encoder,
        )

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order."""
        texts = listed(texts)
        keys = self._keys(_DOCUMENTS, texts)
        known = self._known(keys, self.document_embedding_store.mget([*keys.values()]))
        for batch in self._missing(keys, known):
            check_stopped()
            vectors = self._new(known, batch, self.underlying_embeddings.embed_documents([*batch]))
            self.document_embedding_store.mset(self._records(keys, batch, vectors))
        return [[*known[text]] for text in texts]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order, without blocking the event loop."""
        texts = listed(texts)
        keys = self._keys(_DOCUMENTS, texts)
        known = self._known(keys, await self.document_embedding_store.amget([*keys.values()]))
        for batch in self._missing(keys, known):
            check_stopped()
            vectors = self._new(known, batch, await self.underlying_embeddings.aembed_documents([*batch]))
            await self.document_embedding_store.amset(self._records(keys, batch, vectors))
        return [[*known[text]] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for."""
        if self.query_embedding_store is None:
            return self.underlying_embeddings.embed_query(text)
        keys = self._keys(_QUERIES, listed([text]))
        known = self._known(keys, self.query_embedding_store.mget([*keys.values()]))
        if text not in known:
            vectors = self._new(known, [text], [self.underlying_embeddings.embed_query(text)])
            self.query_embedding_store.mset(self._records(keys, [text], vectors))
        return known[text]

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for, without blocking the event loop."""
        if self.query_embedding_store is None:
            return await self.underlying_embeddings.aembed_query(text)
        keys = self._keys(_QUERIES, listed([text]))
        known = self._known(keys, await self.query_embedding_store.amget([*keys.values()]))
        if text not in known:
            vectors = self._new(known, [text], [await self.underlying_embeddings.aembed_query(text)])
            await self.query_embedding_store.amset(self._records(keys, [text], vectors))
        return known[text]

    def clear(self) -> None:
        """Forget what is kept of this model under this namespace."""
        for store in self._stores():
            for keys in batches(store.yield_keys(prefix=self._prefix()), 1000):
                store.mdelete(keys)

    async def aclear(self) -> None:  # twin: batches takes no async iterator
        """Forget what is kept of this model under this namespace."""
        for store in self._stores():
            await store.amdelete([key async for key in store.ayield_keys(prefix=self._prefix())])

    def __repr__(self) -> str:
        stores = (f"{type(store).__name__}" for store in self._stores())
        return f"{type(self).__name__}({self.underlying_embeddings!r}, {', '.join(stores)})"

    def _check(self) -> None:
        if not isinstance(self.underlying_embeddings, Embeddings):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
            raise ConfigError(
                "a cache stands in front of an embedding model, an object of a subclass of plait.Embeddings; got "
                f"{type(self.underlying_embeddings).__name__}. What is LangChain's becomes one by from_langchain"
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, or None for no bound; got {self.batch_size}")
        if not callable(self.key_encoder) and self.key_encoder not in _HASHES:
            raise ConfigError(f"key_encoder is a function or one of {', '.join(_HASHES)}; got {self.key_encoder!r}")
        for store in self._stores():
            if not isinstance(store, BaseStore):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
                raise ConfigError(f"vectors are kept in a ByteStore; got an object of type {type(store).__name__}")

    def _stores(self) -> list[ByteStore]:
        queries = self.query_embedding_store
        documents = self.document_embedding_store
        return [documents] if queries is None or queries is documents else [documents, queries]

    def _identity(self) -> str:
        return self.underlying_embeddings._identity()

    def _prefix(self) -> str:
        whose = f"{self._identity()}\n{self.namespace}"
        return f"{_digest(whose, 'sha256')[:40]}/"

    def _keys(self, kind: str, texts: Sequence[str]) -> dict[str, str]:
        prefix = f"{self._prefix()}{kind}/"
        return {text: f"{prefix}{self._encoded(text)}" for text in dict.fromkeys(texts)}

    def _encoded(self, text: str) -> str:
        return _digest(text, self.key_encoder) if isinstance(self.key_encoder, str) else self.key_encoder(text)

    def _known(self, keys: dict[str, str], found: Sequence[bytes | None]) -> dict[str, list[float]]:
        read = {text: records.read(key, record) for (text, key), record in zip(keys.items(), found, strict=True)}
        known = {text: vector for text, vector in read.items() if vector is not None}
        self._refuse_mixture(known.values())
        return known

    def _missing(self, keys: Iterable[str], known: dict[str, list[float]]) -> Iterable[list[str]]:
        missing = [text for text in keys if text not in known]
        return batches(missing, self.batch_size or len(missing) or 1)

    def _new(self, known: dict[str, list[float]], texts: list[str], vectors: object) -> list[list[float]]:
        """The vectors that came, checked, and counted among the known ones."""
        model = type(self.underlying_embeddings).__name__
        new = checked(vectors, len(texts), model)
        self._refuse_mixture([*islice(known.values(), 1), *new])  # those that are known are of one length
        known.update(zip(texts, new, strict=True))
        return new

    def _refuse_mixture(self, vectors: Iterable[list[float]]) -> None:
        lengths = sorted({len(vector) for vector in vectors})
        if len(lengths) > 1:
            raise ModelError(
                f"the cache of {type(self.underlying_embeddings).__name__} holds vectors of another length than the model's: "
                f"{' and '.join(map(str, lengths))} numbers. Another model made them: give this one its own namespace, or clear()"
            )

    def _records(self, keys: dict[str, str], texts: list[str], vectors: list[list[float]]) -> list[tuple[str, bytes]]:
        return [(keys[text], records.write(keys[text], vector)) for text, vector in zip(texts, vectors, strict=True)]


def _digest(text: str, name: str) -> str:
    return hashlib.new(name, text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()

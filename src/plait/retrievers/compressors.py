"""Compressors that know what documents mean, by their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from pydantic import ConfigDict, Field

from plait.documents import BaseDocumentCompressor, Document
from plait.embeddings import Embeddings
from plait.embeddings.vectors import checked
from plait.errors import ConfigError

__all__ = ["EmbeddingsFilter"]


class EmbeddingsFilter(BaseDocumentCompressor):
    """Leaves out documents that mean something else than the query: the ``k`` nearest stay, in the order of nearness.

    Nearness is the cosine of their vectors; with ``similarity_threshold`` those below it are left out, too. With
    ``redundancy_threshold`` one that is nearer than that to a better one is left out, since it says the same.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    embeddings: Embeddings = Field(exclude=True)
    k: int | None = Field(default=20, ge=1)
    similarity_threshold: float | None = None
    redundancy_threshold: float | None = None

    def __init__(self, /, **fields: Any) -> None:
        super().__init__(**fields)
        if self.k is None and self.similarity_threshold is None and self.redundancy_threshold is None:
            raise ConfigError("an EmbeddingsFilter needs k, similarity_threshold or redundancy_threshold")

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> list[Document]:
        """The documents that are near the query, the nearest first."""
        vectors = self.embeddings.embed_documents([document.page_content for document in documents])
        return self._selected(documents, vectors, self.embeddings.embed_query(query))

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        """The documents that are near the query, the nearest first."""
        vectors = await self.embeddings.aembed_documents([document.page_content for document in documents])
        return self._selected(documents, vectors, await self.embeddings.aembed_query(query))

    def _selected(
        self, documents: Sequence[Document], vectors: list[list[float]], query: list[float]
    ) -> list[Document]:
        model = type(self.embeddings).__name__
        [asked] = checked([query], 1, model)
        query = _unit(asked)
        vectors = [_unit(vector) for vector in checked(vectors, len(documents), model, len(query))]
        nearness = [_product(vector, query) for vector in vectors]
        chosen: list[int] = []
        for place in sorted(range(len(documents)), key=lambda place: -nearness[place]):
            if self.k is not None and len(chosen) == self.k:
                break
            if self._counts(nearness[place], vectors[place], [vectors[other] for other in chosen]):
                chosen.append(place)
        return [documents[place].model_copy(deep=True) for place in chosen]

    def _counts(self, nearness: float, vector: list[float], better: list[list[float]]) -> bool:
        if self.similarity_threshold is not None and nearness < self.similarity_threshold:
            return False
        limit = self.redundancy_threshold
        return limit is None or all(_product(vector, other) < limit for other in better)


def _unit(vector: Sequence[float]) -> list[float]:
    length = sqrt(sum(x * x for x in vector))
    return [x / length for x in vector] if length else list(vector)


def _product(a: Sequence[float], b: Sequence[float]) -> float:
    """The cosine of two vectors of length 1; 0 where one has no length."""
    return sum(x * y for x, y in zip(a, b, strict=True))

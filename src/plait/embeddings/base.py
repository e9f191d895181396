"""Embeddings: texts as vectors, so that texts which mean the same lie near each other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import islice
from typing import Final

from plait.concurrency import in_thread
from plait.embeddings.vectors import checked
from plait.errors import ConfigError
from plait.stopping import check_stopped

__all__ = ["Embeddings", "batches", "portions"]

_OF_A_MODEL: Final = ("model", "model_name", "dimensions", "size")
"""Where embedders keep what makes their vectors others."""


class Embeddings(ABC):
    """A model that gives vectors for texts; subclass it and write ``embed_documents`` and ``embed_query``.

    There are two because some models treat a text that is searched for unlike one that is found. All vectors of one
    model have the same length.
    """

    @abstractmethod
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order."""

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:  # twin: a sync model has a thread
        """A vector for each text, in their order, without blocking the event loop."""
        return await in_thread(self.embed_documents, texts)

    @abstractmethod
    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for."""

    async def aembed_query(self, text: str) -> list[float]:  # twin: a sync model has a thread
        """The vector of a text that is searched for, without blocking the event loop."""
        return await in_thread(self.embed_query, text)

    def embed_batches(self, texts: Iterable[str], batch_size: int = 100) -> Iterator[list[float]]:
        """A vector for each of any number of texts, in their order; at most ``batch_size`` go into one call.

        Lazy: texts are pulled a batch at a time, so they may be more than memory holds.
        """
        for batch in batches(texts, batch_size):
            check_stopped()
            yield from checked(self.embed_documents(batch), len(batch), type(self).__name__)

    async def aembed_batches(self, texts: Iterable[str], batch_size: int = 100) -> AsyncGenerator[list[float], None]:
        """A vector for each of any number of texts, in their order; at most ``batch_size`` go into one call."""
        for batch in batches(texts, batch_size):
            check_stopped()
            for vector in checked(await self.aembed_documents(batch), len(batch), type(self).__name__):
                yield vector

    def _identity(self) -> str:
        """What tells this model's vectors from those of others, for whoever keeps them; override it if more does."""
        kind = type(self)
        facts = [
            f"{name}={getattr(self, name)}" for name in _OF_A_MODEL if isinstance(getattr(self, name, None), str | int)
        ]
        return " ".join([f"{kind.__module__}.{kind.__qualname__}", *facts])


def batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """The texts in lists of ``size``, the last one perhaps shorter; pulled as they are needed."""
    if isinstance(texts, str):
        raise TypeError("texts come in a list or from a generator; got one str: write [text]")
    if size < 1:
        raise ConfigError(f"the size of a batch must be at least 1, got {size}")
    return _batches(iter(texts), size)


def portions(texts: Iterable[str], most: int, chars: int) -> Iterator[list[str]]:
    """The texts in lists of at most ``most`` and, but for a text that is longer alone, ``chars`` characters."""
    portion, size = list[str](), 0
    for text in texts:
        if portion and (len(portion) == most or size + len(text) > chars):
            yield portion
            portion, size = [], 0
        portion.append(text)
        size += len(text)
    if portion:
        yield portion


def _batches(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(texts, size)):
        yield batch

"""Embeddings: texts as vectors, so that texts which mean the same lie near each other."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Iterator
from hashlib import shake_128
from itertools import islice
from math import sqrt

from pydantic import BaseModel, ConfigDict, Field

from plait.concurrency import in_thread
from plait.errors import ConfigError, ModelError

__all__ = ["DeterministicFakeEmbedding", "Embeddings", "batches"]


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
            yield from self._counted(batch, self.embed_documents(batch))

    async def aembed_batches(self, texts: Iterable[str], batch_size: int = 100) -> AsyncGenerator[list[float], None]:
        """A vector for each of any number of texts, in their order; at most ``batch_size`` go into one call."""
        for batch in batches(texts, batch_size):
            for vector in self._counted(batch, await self.aembed_documents(batch)):
                yield vector

    def _counted(self, texts: list[str], vectors: list[list[float]]) -> list[list[float]]:
        if len(vectors) == len(texts):
            return vectors
        raise ModelError(f"{type(self).__name__} was given {len(texts)} texts, but gave {len(vectors)} vectors")


def batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """The texts in lists of ``size``, the last one perhaps shorter; pulled as they are needed."""
    if size < 1:
        raise ConfigError(f"the size of a batch must be at least 1, got {size}")
    return _batches(iter(texts), size)


def _batches(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(texts, size)):
        yield batch


class DeterministicFakeEmbedding(BaseModel, Embeddings):
    """Vectors of length 1 that are the same on every machine, near each other for texts that share words.

    For tests and demos without a model: it knows words, not what they mean.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(gt=0)
    """How many numbers a vector has."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order."""
        return [self.embed_query(text) for text in texts]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [await self.aembed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        return _text_vector(text, self.size)

    async def aembed_query(self, text: str) -> list[float]:
        return _text_vector(text, self.size)


_WORD = re.compile(r"\w+")
_HALF = 127.5


def _text_vector(text: str, size: int) -> list[float]:
    vectors = [_word_vector(word, size) for word in _WORD.findall(text.lower()) or [text]]
    return _unit([sum(numbers) for numbers in zip(*vectors, strict=True)])


def _word_vector(word: str, size: int) -> list[float]:
    return [byte - _HALF for byte in shake_128(word.encode("utf-8", "surrogatepass")).digest(size)]


def _unit(vector: list[float]) -> list[float]:
    length = sqrt(sum(number * number for number in vector)) or 1.0  # words may cancel each other
    return [number / length for number in vector]

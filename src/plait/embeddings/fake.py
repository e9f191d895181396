"""Embeddings without a model, for tests and demos."""

from __future__ import annotations

import re
from hashlib import shake_128
from math import sqrt

from pydantic import BaseModel, ConfigDict, Field

from plait.embeddings.base import Embeddings

__all__ = ["DeterministicFakeEmbedding", "FakeEmbeddings"]


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


class FakeEmbeddings(DeterministicFakeEmbedding):
    """The same under another name that people know."""


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

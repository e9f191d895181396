"""Embeddings: texts as vectors, so that texts which mean the same lie near each other."""

from plait.embeddings.base import Embeddings, batches
from plait.embeddings.cached import CacheBackedEmbeddings
from plait.embeddings.fake import DeterministicFakeEmbedding, FakeEmbeddings

__all__ = ["CacheBackedEmbeddings", "DeterministicFakeEmbedding", "Embeddings", "FakeEmbeddings", "batches"]

"""Vector stores: texts that are found again by what they mean."""

from plait.vectorstores.base import Hit, VectorStore, VectorStoreRetriever
from plait.vectorstores.distances import DistanceStrategy
from plait.vectorstores.faiss import FAISS
from plait.vectorstores.memory import InMemoryVectorStore
from plait.vectorstores.pgvector import PGVector
from plait.vectorstores.similarity import maximal_marginal_relevance

__all__ = [
    "FAISS",
    "DistanceStrategy",
    "Hit",
    "InMemoryVectorStore",
    "PGVector",
    "VectorStore",
    "VectorStoreRetriever",
    "maximal_marginal_relevance",
]

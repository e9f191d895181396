"""Retrievers: from a question to the documents that may answer it."""

from plait.retrievers.base import BaseRetriever
from plait.retrievers.combined import ContextualCompressionRetriever, EnsembleRetriever, MultiQueryRetriever
from plait.retrievers.compressors import EmbeddingsFilter
from plait.retrievers.judged import LLMChainExtractor, LLMChainFilter
from plait.retrievers.keywords import BM25Retriever
from plait.retrievers.parents import MultiVectorRetriever, ParentDocumentRetriever

__all__ = [
    "BM25Retriever",
    "BaseRetriever",
    "ContextualCompressionRetriever",
    "EmbeddingsFilter",
    "EnsembleRetriever",
    "LLMChainExtractor",
    "LLMChainFilter",
    "MultiQueryRetriever",
    "MultiVectorRetriever",
    "ParentDocumentRetriever",
]

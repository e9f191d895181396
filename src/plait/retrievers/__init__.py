"""Retrievers: from a question to the documents that may answer it."""

from plait.retrievers.base import BaseRetriever

__all__ = ["BaseRetriever"]

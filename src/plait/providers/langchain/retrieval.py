"""Embedders and retrievers of LangChain's as ours."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from plait.documents import Document
from plait.embeddings import Embeddings
from plait.providers.langchain.configs import acalling, calling
from plait.providers.langchain.nodes import Natively
from plait.providers.langchain.peer import class_of
from plait.providers.langchain.values import inward
from plait.retrievers import BaseRetriever
from plait.runs import current

__all__ = ["LangChainEmbeddings", "LangChainRetriever"]


def _floats(vector: Any) -> list[float]:
    """The numbers as Python's: some models give those of numpy."""
    return [*map(float, vector)]


class LangChainEmbeddings(Embeddings):
    """An embedder of LangChain's as it is."""

    def __init__(self, embeddings: Any) -> None:
        self.embeddings = embeddings

    def __repr__(self) -> str:
        return f"LangChainEmbeddings({type(self.embeddings).__name__})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order."""
        return [_floats(vector) for vector in self.embeddings.embed_documents(texts)]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text, in their order, without blocking the event loop."""
        return [_floats(vector) for vector in await self.embeddings.aembed_documents(texts)]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for."""
        return _floats(self.embeddings.embed_query(text))

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for, without blocking the event loop."""
        return _floats(await self.embeddings.aembed_query(text))

    def _identity(self) -> str:
        kind = class_of(self.embeddings)
        names = ("model", "model_name", "model_id", "deployment", "dimensions", "size")
        facts = [
            f"{name}={value}" for name in names if isinstance(value := getattr(self.embeddings, name, None), str | int)
        ]
        return " ".join([f"{kind.__module__}.{kind.__qualname__}", *facts])


class LangChainRetriever(Natively, BaseRetriever):
    """A retriever of LangChain's as it is."""

    retriever: Any
    """The retriever of LangChain's."""

    _own_verbs: ClassVar[bool] = False

    @property
    def _theirs(self) -> Any:
        return self.retriever

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None, **kwargs: Any) -> list[Document]:
        with calling(current.get()) as theirs:
            return cast("list[Document]", inward(self.retriever.invoke(query, theirs, **kwargs)))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None, **kwargs: Any) -> list[Document]:
        async with acalling(current.get()) as theirs:
            return cast("list[Document]", inward(await self.retriever.ainvoke(query, theirs, **kwargs)))

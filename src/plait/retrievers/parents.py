"""Search in small pieces, and give the large ones that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

from pydantic import ConfigDict, Field

from plait.documents import Document
from plait.errors import ConfigError
from plait.retrievers.base import BaseRetriever
from plait.stores import BaseStore
from plait.text_splitters import TextSplitter

__all__ = ["DocumentIndex", "ParentDocumentRetriever"]


@runtime_checkable
class DocumentIndex(Protocol):
    """What is searched: any vector store."""

    def add_documents(self, documents: Any, /, **kwargs: Any) -> Any: ...
    async def aadd_documents(self, documents: Any, /, **kwargs: Any) -> Any: ...
    def search(self, query: str, search_type: str, /, **kwargs: Any) -> list[Document]: ...
    async def asearch(self, query: str, search_type: str, /, **kwargs: Any) -> list[Document]: ...


class ParentDocumentRetriever(BaseRetriever):
    """Splits documents into small pieces that are searched in a vector store, and gives the documents that they are of.

    Small pieces are found best, large ones tell a model most. ``docstore`` keeps the large ones, whole or as
    ``parent_splitter`` cuts them; each piece knows its own under ``id_key`` of its metadata. Each is given once, in the
    order of its best piece. ``search_kwargs`` are those of the search for pieces, so ``k`` counts pieces.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    vectorstore: DocumentIndex = Field(exclude=True)
    docstore: BaseStore[str, Document] = Field(exclude=True)
    child_splitter: TextSplitter
    parent_splitter: TextSplitter | None = None
    id_key: str = "doc_id"
    search_type: str = "similarity"
    search_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    def add_documents(self, documents: Iterable[Document], ids: Sequence[str] | None = None) -> list[str]:
        """Keep documents and their pieces; gives the ids of the large ones, which ``ids`` names if they are not split."""
        parents, children = self._split(list(documents), ids)
        self.docstore.mset(parents)
        self.vectorstore.add_documents(children)
        return [id for id, _ in parents]

    async def aadd_documents(self, documents: Iterable[Document], ids: Sequence[str] | None = None) -> list[str]:
        """Keep documents and their pieces; gives the ids of the large ones, which ``ids`` names if they are not split."""
        parents, children = self._split(list(documents), ids)
        await self.docstore.amset(parents)
        await self.vectorstore.aadd_documents(children)
        return [id for id, _ in parents]

    def _split(
        self, documents: list[Document], ids: Sequence[str] | None
    ) -> tuple[list[tuple[str, Document]], list[Document]]:
        if self.parent_splitter is not None:
            documents = self.parent_splitter.split_documents(documents)
        if ids is not None and len(ids) != len(documents):
            raise ConfigError(f"there are {len(documents)} documents to keep, but {len(ids)} ids: give one for each")
        named = list(zip(ids or [str(uuid4()) for _ in documents], documents, strict=True))
        return named, [child for id, document in named for child in self._children(id, document)]

    def _children(self, id: str, document: Document) -> list[Document]:
        pieces = self.child_splitter.split_documents([document])
        return [piece.model_copy(update={"metadata": {**piece.metadata, self.id_key: id}}) for piece in pieces]

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        pieces = self.vectorstore.search(query, self.search_type, **self.search_kwargs)
        return _there(self.docstore.mget(self._parents(pieces)))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        pieces = await self.vectorstore.asearch(query, self.search_type, **self.search_kwargs)
        return _there(await self.docstore.amget(self._parents(pieces)))

    def _parents(self, pieces: Iterable[Document]) -> list[str]:
        about: list[Mapping[str, Any]] = [piece.metadata for piece in pieces]
        return list(dict.fromkeys(str(each[self.id_key]) for each in about if self.id_key in each))


def _there(found: Iterable[Document | None]) -> list[Document]:
    return [document.model_copy(deep=True) for document in found if document is not None]

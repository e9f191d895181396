"""Search in small pieces, or in other texts, and give the documents that they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import uuid4

from pydantic import ConfigDict, Field

from plait.documents import Document
from plait.documents.transformers import documents_of
from plait.errors import ConfigError
from plait.retrievers.base import BaseRetriever
from plait.stores import BaseStore, create_kv_docstore
from plait.text_splitters import TextSplitter

__all__ = ["DocumentIndex", "MultiVectorRetriever", "ParentDocumentRetriever"]


@runtime_checkable
class DocumentIndex(Protocol):
    """What is searched: any vector store."""

    def add_documents(self, documents: Any, /, **kwargs: Any) -> Any: ...
    async def aadd_documents(self, documents: Any, /, **kwargs: Any) -> Any: ...
    def search(self, query: str, search_type: str, /, **kwargs: Any) -> list[Document]: ...
    async def asearch(self, query: str, search_type: str, /, **kwargs: Any) -> list[Document]: ...


class MultiVectorRetriever(BaseRetriever):
    """Searches in a vector store for texts that stand for documents, such as summaries or questions, and gives those.

    ``docstore`` keeps the documents by their ids; each text in ``vectorstore`` knows its document's under ``id_key`` of its
    metadata. In place of ``docstore`` a store of bytes may be given as ``byte_store``. Each document is given once, in the
    order of its best text. ``search_kwargs`` are those of the search for texts, so ``k`` counts texts.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    vectorstore: DocumentIndex = Field(exclude=True)
    docstore: BaseStore[str, Document] = Field(exclude=True)
    id_key: str = "doc_id"
    search_type: str = "similarity"
    search_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    if not TYPE_CHECKING:  # checkers know the fields, and should go on to

        def __init__(self, /, byte_store=None, **fields):
            if byte_store is None and "docstore" not in fields:
                raise ConfigError(f"{type(self).__name__} needs a docstore, or a byte_store, to keep documents in")
            if byte_store is not None and "docstore" in fields:
                raise ConfigError(f"{type(self).__name__} takes a docstore or a byte_store, not both")
            if byte_store is not None:
                fields["docstore"] = create_kv_docstore(byte_store)
            super().__init__(**fields)

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        pieces = self.vectorstore.search(query, self.search_type, **self.search_kwargs)
        return _there(self.docstore.mget(self._parents(pieces)))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        pieces = await self.vectorstore.asearch(query, self.search_type, **self.search_kwargs)
        return _there(await self.docstore.amget(self._parents(pieces)))

    def _parents(self, pieces: Iterable[Document]) -> list[str]:
        about: list[Mapping[str, Any]] = [piece.metadata for piece in pieces]
        return list(dict.fromkeys(str(each[self.id_key]) for each in about if self.id_key in each))


class ParentDocumentRetriever(MultiVectorRetriever):
    """Splits documents into small pieces that are searched in a vector store, and gives the documents that they are of.

    Small pieces are found best, large ones tell a model most. ``docstore`` keeps the large ones, whole or as
    ``parent_splitter`` cuts them. ``child_metadata_fields`` names what of their metadata the pieces get; by default all.
    """

    child_splitter: TextSplitter
    parent_splitter: TextSplitter | None = None
    child_metadata_fields: Sequence[str] | None = None

    def add_documents(
        self,
        documents: Iterable[Document],
        ids: Sequence[str] | None = None,
        add_to_docstore: bool = True,
        **kwargs: Any,
    ) -> list[str]:
        """Keep documents and their pieces; gives the ids of the large ones, which ``ids`` names if they are not split.

        With ``add_to_docstore=False`` the large ones are in the store already, under these ``ids``. ``kwargs`` go to the
        vector store.
        """
        parents, children = self._split(documents_of(documents, self.get_name()), ids, add_to_docstore)
        if add_to_docstore:
            self.docstore.mset(parents)
        self.vectorstore.add_documents(children, **kwargs)
        return [id for id, _ in parents]

    async def aadd_documents(
        self,
        documents: Iterable[Document],
        ids: Sequence[str] | None = None,
        add_to_docstore: bool = True,
        **kwargs: Any,
    ) -> list[str]:
        """Keep documents and their pieces; gives the ids of the large ones, which ``ids`` names if they are not split.

        With ``add_to_docstore=False`` the large ones are in the store already, under these ``ids``. ``kwargs`` go to the
        vector store.
        """
        parents, children = self._split(documents_of(documents, self.get_name()), ids, add_to_docstore)
        if add_to_docstore:
            await self.docstore.amset(parents)
        await self.vectorstore.aadd_documents(children, **kwargs)
        return [id for id, _ in parents]

    def _split(
        self, documents: list[Document], ids: Sequence[str] | None, new: bool
    ) -> tuple[list[tuple[str, Document]], list[Document]]:
        if ids is None and not new:
            raise ConfigError("add_to_docstore=False needs the ids under which the documents are kept")
        if self.parent_splitter is not None:
            documents = self.parent_splitter.split_documents(documents)
        if ids is not None and len(ids) != len(documents):
            raise ConfigError(f"there are {len(documents)} documents to keep, but {len(ids)} ids: give one for each")
        named = list(zip(ids or [str(uuid4()) for _ in documents], documents, strict=True))
        return named, [child for id, document in named for child in self._children(id, document)]

    def _children(self, id: str, document: Document) -> list[Document]:
        pieces = self.child_splitter.split_documents([document])
        return [piece.model_copy(update={"metadata": {**self._told(piece), self.id_key: id}}) for piece in pieces]

    def _told(self, piece: Document) -> dict[str, Any]:
        names = self.child_metadata_fields
        return {name: value for name, value in piece.metadata.items() if names is None or name in names}


def _there(found: Iterable[Document | None]) -> list[Document]:
    return [document.model_copy(deep=True) for document in found if document is not None]

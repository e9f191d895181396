"""Steps that choose from documents, or shorten them, by what is asked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypedDict, cast

from plait.concurrency import in_thread
from plait.documents.document import Document
from plait.documents.transformers import BaseDocumentTransformer, documents_of
from plait.runnables.serializable import RunnableSerializable
from plait.runs import Scope, current

__all__ = ["BaseDocumentCompressor", "CompressorInput", "DocumentCompressorPipeline"]


class CompressorInput(TypedDict):
    """What a compressor takes as a step of a chain."""

    documents: list[Document]
    query: str


class BaseDocumentCompressor(RunnableSerializable[CompressorInput, list[Document]]):
    """A Runnable from ``{"documents": [...], "query": "..."}`` to fewer or shorter documents.

    Subclass it and write ``compress_documents``. In async code that runs in a thread, unless ``acompress_documents`` is
    there, too.
    """

    _strict_input: ClassVar[bool] = True

    @abstractmethod
    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        """What of the documents is of use for the query; those that are given stay as they are."""

    async def acompress_documents(  # twin: a sync compressor has a thread
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> Sequence[Document]:
        """What of the documents is of use for the query, without blocking the event loop."""
        given = {} if callbacks is None else {"callbacks": callbacks}
        return await in_thread(self.compress_documents, documents, query, **given)

    def _invoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> list[Document]:
        documents, query = self._given(input)
        before = current.get()
        current.set(config)  # what the compressor itself calls inherits it
        try:
            return list(self.compress_documents(documents, query, **kwargs))
        finally:
            current.set(before)

    async def _ainvoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> list[Document]:
        documents, query = self._given(input)
        before = current.get()
        current.set(config)  # what the compressor itself calls inherits it
        try:
            return list(await self.acompress_documents(documents, query, **kwargs))
        finally:
            current.set(before)

    def _given(self, input: object) -> tuple[list[Document], str]:
        wanted = f'{self.get_name()} takes {{"documents": [...], "query": "..."}}'
        if not isinstance(input, Mapping):
            raise TypeError(f"{wanted}, but got {type(input).__name__}")
        given = cast("Mapping[str, Any]", input)
        missing = [key for key in ("documents", "query") if key not in given]
        if missing:
            raise TypeError(f"{wanted}, but {missing[0]!r} is missing")
        if not isinstance(given["query"], str):
            raise TypeError(f"{wanted}, but the query is of type {type(given['query']).__name__}")
        return documents_of(given["documents"], self.get_name()), given["query"]


class DocumentCompressorPipeline(BaseDocumentCompressor):
    """Transformers and compressors one after the other; each shows as a run of its own."""

    transformers: list[BaseDocumentTransformer | BaseDocumentCompressor]

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> list[Document]:
        """What the last step gives."""
        found = list(documents)
        for step in self.transformers:
            found = _step(step).invoke(_input(step, found, query))
        return found

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        """What the last step gives, without blocking the event loop."""
        found = list(documents)
        for step in self.transformers:
            found = await _step(step).ainvoke(_input(step, found, query))
        return found


def _step(step: Any) -> Any:
    """One type for both kinds, whose inputs differ."""
    return step


def _input(step: object, documents: list[Document], query: str) -> Any:
    return documents if isinstance(step, BaseDocumentTransformer) else {"documents": documents, "query": query}

"""What every retriever is: a question in, documents out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import Field

from plait.callbacks.managers import managed
from plait.concurrency import in_thread
from plait.documents import Document
from plait.errors import StoreError
from plait.runnables.serializable import RunnableSerializable
from plait.runs import Scope, current

__all__ = ["BaseRetriever", "documents_found"]


class BaseRetriever(RunnableSerializable[str, list[Document]]):
    """A Runnable that finds documents for a text; subclass it and write ``_get_relevant_documents``.

    The best document comes first. In async code the method runs in a thread, unless ``_aget_relevant_documents`` is
    there, too. A retriever that gives something else than documents raises ``StoreError``. Neither method needs the
    parameter ``run_manager``.
    """

    _kind: ClassVar[str] = "retriever"
    _strict_input: ClassVar[bool] = True

    tags: list[str] | None = Field(default=None, exclude=True)
    """What its own runs are labelled with; what it calls does not inherit it."""

    metadata: dict[str, Any] | None = Field(default=None, exclude=True)
    """What its own runs tell of it; what it calls does not inherit it."""

    @property
    def _labels(self) -> tuple[Sequence[str], Mapping[str, Any]]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as its fields say
        return self.tags or (), self.metadata or {}

    @abstractmethod
    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        """The documents for a query, the best one first."""

    async def _aget_relevant_documents(  # twin: a sync retriever has a thread
        self, query: str, *, run_manager: Any = None
    ) -> list[Document]:
        """The documents for a query, the best one first, without blocking the event loop."""
        return await in_thread(self._get_relevant_documents, query, **managed(self._get_relevant_documents))

    def _sought(self, query: str, kwargs: dict[str, Any]) -> Any:
        find = self._get_relevant_documents
        return find(query, **managed(find), **kwargs)

    async def _asought(self, query: str, kwargs: dict[str, Any]) -> Any:  # twin: a sync retriever has a thread
        if type(self)._aget_relevant_documents is BaseRetriever._aget_relevant_documents:
            find = self._get_relevant_documents
            return await in_thread(find, query, **managed(find), **kwargs)
        afind = self._aget_relevant_documents
        return await afind(query, **managed(afind), **kwargs)

    def _invoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> list[Document]:
        query = self._query(input)
        if config is None:
            return self._documents(self._sought(query, kwargs))
        before = current.get()
        current.set(config)  # what the retriever itself calls inherits it
        try:
            return self._documents(self._sought(query, kwargs))
        finally:
            current.set(before)

    async def _ainvoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> list[Document]:
        query = self._query(input)
        if config is None:
            return self._documents(await self._asought(query, kwargs))
        before = current.get()
        current.set(config)  # what the retriever itself calls inherits it
        try:
            return self._documents(await self._asought(query, kwargs))
        finally:
            current.set(before)

    def _query(self, input: object) -> str:
        came = type(input).__name__
        if isinstance(input, str):
            return input
        hint = "; pick the text out of it before the retriever" if isinstance(input, Mapping) else ""
        raise TypeError(f"{self.get_name()} takes a text to search for, but got {came}{hint}")

    def _documents(self, found: object) -> list[Document]:
        return documents_found(found, self.get_name())


def documents_found(found: object, name: str) -> list[Document]:
    """What the retriever of that name found; raises StoreError unless it is documents."""
    came = type(found).__name__
    if isinstance(found, Iterable) and not isinstance(found, str | Mapping | Document):
        documents = list(cast("Iterable[Any]", found))
        strange = [type(each).__name__ for each in documents if not isinstance(each, Document)]
        if not strange:
            return documents
        came = f"a list with {strange[0]}"
    raise StoreError(f"{name} must give a list of documents, but gave {came}")

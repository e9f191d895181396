"""Steps from documents to documents."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, cast

from plait.concurrency import in_thread
from plait.documents.document import Document
from plait.runnables.serializable import RunnableSerializable
from plait.runs import Scope, current

__all__ = ["BaseDocumentTransformer", "LongContextReorder", "documents_of"]


class BaseDocumentTransformer(RunnableSerializable[list[Document], list[Document]]):
    """A Runnable from documents to documents; subclass it and write ``transform_documents``.

    In async code the method runs in a thread, unless ``atransform_documents`` is there, too.
    """

    _strict_input: ClassVar[bool] = True

    @abstractmethod
    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        """The documents in their new form; those that are given stay as they are."""

    async def atransform_documents(  # twin: a sync transformer has a thread
        self, documents: Sequence[Document], **kwargs: Any
    ) -> Sequence[Document]:
        """The documents in their new form, without blocking the event loop."""
        return await in_thread(self.transform_documents, documents, **kwargs)

    def _invoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> list[Document]:
        documents = documents_of(input, self.get_name())
        before = current.get()
        current.set(config)  # what the transformer itself calls inherits it
        try:
            return list(self.transform_documents(documents, **kwargs))
        finally:
            current.set(before)

    async def _ainvoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> list[Document]:
        documents = documents_of(input, self.get_name())
        before = current.get()
        current.set(config)  # what the transformer itself calls inherits it
        try:
            return list(await self.atransform_documents(documents, **kwargs))
        finally:
            current.set(before)


class LongContextReorder(BaseDocumentTransformer):
    """Puts the best documents at both ends and the worst in the middle, which models with long prompts read least.

    The documents come best first. Liu et al., "Lost in the Middle", 2023.
    """

    _inline: ClassVar[bool] = True

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> list[Document]:
        """The documents, those in odd places from the front and the others from the end."""
        return [*documents[::2], *documents[1::2][::-1]]

    async def atransform_documents(self, documents: Sequence[Document], **kwargs: Any) -> list[Document]:
        """The documents, those in odd places from the front and the others from the end."""
        return [*documents[::2], *documents[1::2][::-1]]


def documents_of(value: object, name: str) -> list[Document]:
    """The value as a list, if it is one of documents; raises TypeError otherwise."""
    came = type(value).__name__
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping | Document):
        documents = list(cast("Iterable[Any]", value))
        strange = [type(each).__name__ for each in documents if not isinstance(each, Document)]
        if not strange:
            return documents
        came = f"a list with {strange[0]}"
    raise TypeError(f"{name} takes a list of documents, but got {came}")

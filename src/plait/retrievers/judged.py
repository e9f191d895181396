"""Compressors that let a model judge what of a document matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Self, cast

from pydantic import ConfigDict, Field

from plait.documents import BaseDocumentCompressor, Document
from plait.errors import StoreError
from plait.output_parsers import BooleanOutputParser, StrOutputParser
from plait.prompts import BasePromptTemplate, PromptTemplate
from plait.runnables import Runnable

__all__ = ["LLMChainExtractor", "LLMChainFilter"]

_NOTHING: Final = "NO_OUTPUT"
_EXTRACT: Final = PromptTemplate.from_template(
    "Copy from the text below, word for word, whatever helps to answer the question. If nothing in it does, write "
    + _NOTHING
    + ".\n\nQuestion: {question}\n\nText:\n{context}\n\nWhat helps:"
)
_JUDGE: Final = PromptTemplate.from_template(
    "Does the text below help to answer the question? Write YES or NO and nothing else.\n\n"
    "Question: {question}\n\nText:\n{context}\n\nYES or NO:"
)


def _asked(query: str, document: Document) -> dict[str, Any]:
    return {"question": query, "context": document.page_content}


class _Judged(BaseDocumentCompressor):
    """Asks a chain about each document; the documents are asked about together, under the limits of the call."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    llm_chain: Runnable[Any, Any]
    get_input: Callable[[str, Document], Any] = Field(default=_asked, exclude=True, repr=False)
    """What the chain is given, of the query and a document: by default a dict with ``question`` and ``context``."""

    def compress_documents(self, documents: Sequence[Document], query: str, callbacks: Any = None) -> list[Document]:
        """What of the documents matters, in their order."""
        said = self.llm_chain.batch([self.get_input(query, document) for document in documents])
        return self._kept(documents, said)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Any = None
    ) -> list[Document]:
        """What of the documents matters, in their order."""
        said = await self.llm_chain.abatch([self.get_input(query, document) for document in documents])
        return self._kept(documents, said)

    def _kept(self, documents: Sequence[Document], said: list[Any]) -> list[Document]:
        raise NotImplementedError

    def _refused(self, wanted: str, came: object) -> StoreError:
        return StoreError(f"the llm_chain of {self.get_name()} must give {wanted}, but gave {type(came).__name__}")


class LLMChainExtractor(_Judged):
    """Lets a model copy from each document what matters for the query; one in which nothing does is left out.

    ``llm_chain`` gives a text, empty or beginning with ``NO_OUTPUT`` where nothing matters; ``from_llm`` makes it of a
    model. What it says is not compared with the document.
    """

    @classmethod
    def from_llm(
        cls,
        llm: Runnable[Any, Any],
        prompt: BasePromptTemplate | None = None,
        get_input: Callable[[str, Document], Any] | None = None,
    ) -> Self:
        """One that asks this model; ``prompt`` has the variables that ``get_input`` gives, ``question`` and ``context``."""
        chain = cast("Runnable[Any, Any]", (prompt or _EXTRACT) | llm | StrOutputParser())
        return cls(llm_chain=chain, get_input=get_input or _asked)

    def _kept(self, documents: Sequence[Document], said: list[Any]) -> list[Document]:
        kept: list[Document] = []
        for document, text in zip(documents, said, strict=True):
            if not isinstance(text, str):
                raise self._refused("a text", text)
            if text.strip() and not text.strip().upper().startswith(_NOTHING):  # models add why
                kept.append(document.model_copy(update={"page_content": text.strip()}, deep=True))
        return kept


class LLMChainFilter(_Judged):
    """Lets a model say of each document whether it matters for the query; those that do stay as they are.

    ``llm_chain`` gives True or False; ``from_llm`` makes it of a model, whose answer has to be YES or NO.
    """

    @classmethod
    def from_llm(cls, llm: Runnable[Any, Any], prompt: BasePromptTemplate | None = None, **settings: Any) -> Self:
        """One that asks this model; ``prompt`` has the variables that ``get_input`` gives, ``question`` and ``context``.

        The model's answer raises ``OutputParserException`` if it is neither YES nor NO.
        """
        chain = cast("Runnable[Any, Any]", (prompt or _JUDGE) | llm | BooleanOutputParser())
        return cls(llm_chain=chain, **settings)

    def _kept(self, documents: Sequence[Document], said: list[Any]) -> list[Document]:
        kept: list[Document] = []
        for document, matters in zip(documents, said, strict=True):
            if not isinstance(matters, bool):
                raise self._refused("True or False", matters)
            if matters:
                kept.append(document.model_copy(deep=True))
        return kept

"""Retrievers made of others: several rankings as one, several questions for one, fewer and shorter documents."""

from __future__ import annotations

from math import inf
from typing import Any, Final, Self, cast

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from plait.concurrency import DEFAULT_CONCURRENCY, agather, gather
from plait.documents import BaseDocumentCompressor, Document
from plait.errors import ChainError, ConfigError, StoreError
from plait.output_parsers import StrOutputParser
from plait.prompts import BasePromptTemplate, PromptTemplate
from plait.retrievers.base import BaseRetriever, documents_found
from plait.retrievers.fusion import fused, key_by, unique
from plait.runnables import Runnable
from plait.runs import current

__all__ = ["ContextualCompressionRetriever", "EnsembleRetriever", "MultiQueryRetriever"]

Retriever = Runnable[str, list[Document]]


def _permits() -> Any:
    scope = current.get()
    return None if scope is None else scope.permits


class EnsembleRetriever(BaseRetriever):
    """Asks several retrievers together and makes one ranking of theirs, by reciprocal rank fusion.

    ``weights`` say how much each counts, all the same by default. Documents are the same if they have the same text, or
    the same under ``id_key`` of their metadata. A failing retriever ends the others.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    retrievers: list[Runnable[Any, Any]]
    weights: list[float] = Field(default_factory=list[float])
    c: int = Field(default=60, ge=0)
    id_key: str | None = None
    k: int | None = Field(default=None, ge=1)
    """How many documents are given at most; all that are found by default."""

    def __init__(self, /, **fields: Any) -> None:
        super().__init__(**fields)
        if not self.retrievers:
            raise ChainError("an ensemble needs at least one retriever")
        if self.weights and len(self.weights) != len(self.retrievers):
            raise ConfigError(f"there are {len(self.retrievers)} retrievers, but {len(self.weights)} weights")
        if any(not 0 <= weight < inf for weight in self.weights):
            raise ConfigError(f"weights must be finite numbers of at least 0, got {self.weights!r:.80}")

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        def one(_: int, retriever: Retriever) -> list[Document]:
            return documents_found(retriever.invoke(query), retriever.get_name())

        return self._fused(gather(one, self.retrievers, len(self.retrievers), _permits()))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        async def one(_: int, retriever: Retriever) -> list[Document]:
            return documents_found(await retriever.ainvoke(query), retriever.get_name())

        return self._fused(await agather(one, self.retrievers, len(self.retrievers), _permits()))

    def _fused(self, rankings: list[list[Document]]) -> list[Document]:
        weights = self.weights or [1.0] * len(self.retrievers)
        return fused(rankings, weights, self.c, key_by(self.id_key))[: self.k]


class ContextualCompressionRetriever(BaseRetriever):
    """Asks a retriever, and gives what of its documents a compressor finds to matter for the question."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    base_compressor: BaseDocumentCompressor
    base_retriever: Runnable[Any, Any]

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        documents = documents_found(self.base_retriever.invoke(query), self.base_retriever.get_name())
        return self.base_compressor.invoke({"documents": documents, "query": query}) if documents else []

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        documents = documents_found(await self.base_retriever.ainvoke(query), self.base_retriever.get_name())
        return await self.base_compressor.ainvoke({"documents": documents, "query": query}) if documents else []


_MOST: Final = 20
"""How many questions a model may write."""
_QUESTIONS: Final = PromptTemplate.from_template(
    "Write {count} other ways to ask the question below, so that a search finds documents which say the same in other "
    "words. Put each on a line of its own, and write nothing else.\n\nQuestion: {question}"
)


class MultiQueryRetriever(BaseRetriever):
    """Lets a model ask the question in other words, searches for all of them together, and gives what is found once.

    ``llm_chain`` takes ``{"question", "count"}`` and gives a text with a question on each line, or a list of questions; at
    most ``count`` are taken, or 20 where that is not given. ``from_llm`` makes it of a model.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    retriever: Runnable[Any, Any]
    llm_chain: Runnable[Any, Any]
    include_original: bool = True
    """Whether the question itself is searched for, too."""
    count: int = Field(default=3, ge=1, le=_MOST)
    """How many other questions are asked for."""
    id_key: str | None = None
    parser_key: SkipJsonSchema[str | None] = Field(default=None, exclude=True, repr=False)
    """Known from elsewhere; it means nothing."""

    @classmethod
    def from_llm(
        cls,
        retriever: Runnable[Any, Any],
        llm: Runnable[Any, Any],
        prompt: BasePromptTemplate | None = None,
        **settings: Any,
    ) -> Self:
        """A retriever whose questions a model writes; ``prompt`` has the variables ``question`` and ``count``, or one of them."""
        asked = prompt or _QUESTIONS
        chain = cast("Runnable[Any, Any]", asked | llm | StrOutputParser())
        if "count" in asked.input_variables:  # else the prompt says in its own words how many
            settings.setdefault("count", cls.model_fields["count"].default)
        return cls(retriever=retriever, llm_chain=chain, **settings)

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        said = self.llm_chain.invoke({"question": query, "count": self.count})

        def one(_: int, question: str) -> list[Document]:
            return documents_found(self.retriever.invoke(question), self.retriever.get_name())

        return self._together(gather(one, self._questions(query, said), DEFAULT_CONCURRENCY, _permits()))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        said = await self.llm_chain.ainvoke({"question": query, "count": self.count})

        async def one(_: int, question: str) -> list[Document]:
            return documents_found(await self.retriever.ainvoke(question), self.retriever.get_name())

        return self._together(await agather(one, self._questions(query, said), DEFAULT_CONCURRENCY, _permits()))

    def _questions(self, query: str, said: Any) -> list[str]:
        most = self.count if "count" in self.model_fields_set else _MOST
        asked = [text for line in self._lines(said) if (text := line.strip())][:most]
        return list(dict.fromkeys([query, *asked] if self.include_original or not asked else asked))

    def _lines(self, said: Any) -> list[str]:
        lines = said.splitlines() if isinstance(said, str) else said
        if isinstance(lines, list) and all(isinstance(line, str) for line in cast("list[Any]", lines)):
            return cast("list[str]", lines)
        raise StoreError(
            f"the llm_chain of {self.get_name()} must give a text, or a list of texts, but gave {type(said).__name__}; end it "
            "with a parser, such as StrOutputParser()"
        )

    def _together(self, found: list[list[Document]]) -> list[Document]:
        return unique((document for documents in found for document in documents), key_by(self.id_key))

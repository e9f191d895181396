"""Documents found by the words that they share with a question (extra ``bm25``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self, cast

from pydantic import ConfigDict, Field, PrivateAttr

from plait.documents import Document
from plait.errors import ConfigError, MissingExtraError
from plait.retrievers.base import BaseRetriever

__all__ = ["BM25Retriever"]

_COUNTED: Final = frozenset({"docs", "k1", "b", "preprocess_func"})
"""What the index is made of."""
_WORD: Final = re.compile(r"\w+")


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


class BM25Retriever(BaseRetriever):
    """Ranks documents by BM25: words that are rare among the documents count most. Made by ``from_texts``.

    ``preprocess_func`` makes words of a text, of documents and questions alike; the words in lower case by default.
    ``k1`` and ``b`` are those of the formula (Robertson and Zaragoza, 2009), as the library ``bm25s`` computes it. Gives at
    most ``k`` documents, none that shares no word with the question.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    docs: list[Document] = Field(repr=False)
    k: int = Field(default=4, ge=1)
    k1: float = 1.5
    b: float = 0.75
    preprocess_func: Callable[[str], list[str]] = Field(default=_words, exclude=True, repr=False)

    _index: Any = PrivateAttr(default=None)
    _vocabulary: dict[str, int] = PrivateAttr(default_factory=dict[str, int])

    def model_post_init(self, context: Any, /) -> None:
        """Count the words."""
        super().model_post_init(context)
        rows = [self._words(document.page_content) for document in self.docs]
        ids = self._vocabulary
        tokens = [[ids.setdefault(word, len(ids)) for word in words] for words in rows]
        if ids:
            self._index = _bm25s().BM25(k1=self.k1, b=self.b)
            self._index.index((tokens, ids), show_progress=False, create_empty_token=False)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other settings, which counts the words again if they may be others."""
        copied = super().model_copy(update=update, deep=deep)
        if _COUNTED & (update or {}).keys():
            copied._index, copied._vocabulary = None, {}
            copied.model_post_init(None)
        return copied

    def _words(self, text: str) -> list[str]:
        words: Any = self.preprocess_func(text)
        if isinstance(words, str) or not isinstance(words, Iterable):
            raise TypeError(f"preprocess_func must give a list of words, but gave {type(words).__name__}")
        return list(cast("Iterable[str]", words))

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        ids: Iterable[str] | None = None,
        **settings: Any,
    ) -> Self:
        """A retriever of these texts."""
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, got one text; write [text]")
        known = list(texts)
        about: list[Any] = [{} for _ in known] if metadatas is None else list(metadatas)
        names: list[Any] = [None for _ in known] if ids is None else list(ids)
        if not len(known) == len(about) == len(names):
            raise ConfigError(f"there are {len(known)} texts, {len(about)} metadatas and {len(names)} ids")
        rows = zip(known, about, names, strict=True)
        return cls(docs=[Document(page_content=text, metadata=dict(a), id=n) for text, a, n in rows], **settings)

    @classmethod
    def from_documents(cls, documents: Iterable[Document], **settings: Any) -> Self:
        """A retriever of these documents."""
        return cls(docs=list(documents), **settings)

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None) -> list[Document]:
        asked = [self._vocabulary[word] for word in self._words(query) if word in self._vocabulary]
        if not asked or self._index is None:
            return []
        scores = self._index.get_scores_from_ids(asked)
        found = (scores > 0).nonzero()[0]
        # Of equals comes first what was given first.
        order: list[int] = found[(-scores[found]).argsort(kind="stable")[: self.k]].tolist()
        return [self.docs[place].model_copy(deep=True) for place in order]


def _bm25s() -> Any:
    try:
        import bm25s  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise MissingExtraError("BM25Retriever needs the extra `bm25`: pip install 'plait[bm25]'") from error
    return bm25s

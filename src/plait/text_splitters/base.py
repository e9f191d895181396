"""What every text splitter is: texts and documents in, documents that fit into a prompt out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from pydantic import ConfigDict

from plait.documents import BaseDocumentTransformer, Document
from plait.documents.transformers import documents_of
from plait.errors import ConfigError
from plait.text_splitters.spans import Keep

__all__ = ["TextSplitter", "check_text"]


class TextSplitter(BaseDocumentTransformer):
    """A Runnable that cuts documents into chunks; subclass it and write ``split_text``.

    Each chunk has a copy of its document's metadata. Raises ``ConfigError`` for sizes that cannot be.
    """

    model_config = ConfigDict(extra="forbid")

    chunk_size: int = 4000
    """The most that a chunk may measure, by ``length_function``."""

    chunk_overlap: int = 200
    """The most that a chunk repeats of the one before it; less than ``chunk_size``.

    If only ``chunk_size`` is given, at most a fifth of it.
    """

    length_function: Callable[[str], int] = len
    """How long a text is; characters by default."""

    keep_separator: Keep = False
    """Whether a separator stays in the text: at the start of what follows (True) or at the ``"end"`` of what was."""

    add_start_index: bool = False
    """Whether a chunk's metadata say as ``start_index`` at which character of its document it begins.

    -1 if a subclass of yours makes chunks that do not stand in the text.
    """

    strip_whitespace: bool = True
    """Whether white space at the ends of a chunk is taken off."""

    if not TYPE_CHECKING:  # else type checkers would not make the signature from the fields

        def __init__(self, /, **fields):
            # not in a validator: pydantic would wrap what it raises
            kinds = type(self).model_fields
            size, overlap = (fields.get(name, kinds[name].default) for name in ("chunk_size", "chunk_overlap"))
            if "chunk_size" in fields and "chunk_overlap" not in fields and isinstance(size, int):
                overlap = fields["chunk_overlap"] = min(overlap, max(size, 0) // 5)
            _check_sizes(size, overlap)
            super().__init__(**fields)

    @classmethod
    def from_huggingface_tokenizer(cls, tokenizer: Any, **kwargs: Any) -> Self:
        """A splitter whose sizes count the tokens of a tokenizer of ``transformers``, or of any object with ``tokenize``."""
        if not callable(getattr(tokenizer, "tokenize", None)):
            raise ConfigError(f"the tokenizer must have a method tokenize(text), got {type(tokenizer).__name__}")
        return cls(length_function=partial(_count_tokens, tokenizer), **kwargs)

    @abstractmethod
    def split_text(self, text: str) -> list[str]:
        """The chunks of a text, in their order."""

    def _cut(self, text: str) -> Iterator[tuple[int, str]]:
        """The chunks of a text, each with the character at which it begins."""
        start, end = -1, 0
        exact = self.length_function is len or not self.chunk_overlap
        for chunk in self.split_text(text):
            found = text.find(chunk, max(start + 1, end - self.chunk_overlap if exact else 0))
            if found >= 0:
                start, end = found, found + len(chunk)
            yield found, chunk

    def create_documents(
        self, texts: Iterable[str], metadatas: Sequence[Mapping[str, Any]] | None = None
    ) -> list[Document]:
        """The chunks of several texts, each with the metadata of its text."""
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, got one text; write [text]")
        known = list(texts)
        about: Sequence[Mapping[str, Any]] = [{} for _ in known] if metadatas is None else metadatas
        if len(about) != len(known):
            raise ValueError(f"there are {len(known)} texts, but {len(about)} metadatas: give one for each text")
        return [chunk for text, metadata in zip(known, about, strict=True) for chunk in self._chunks(text, metadata)]

    def split_documents(self, documents: Iterable[Document]) -> list[Document]:
        """The chunks of several documents, in their order."""
        given = documents_of(documents, self.get_name())
        return [chunk for each in given for chunk in self._chunks(each.page_content, each.metadata)]

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> list[Document]:
        """The chunks of several documents, in their order."""
        return self.split_documents(documents)

    def _chunks(self, text: str, metadata: Mapping[str, Any]) -> Iterator[Document]:
        check_text(text, self.get_name())
        for start, chunk in self._cut(text):
            about = deepcopy(dict(metadata))
            if self.add_start_index:
                about["start_index"] = start
            yield Document(page_content=chunk, metadata=about)


def check_text(text: object, name: str) -> None:
    """Raise TypeError for what is no text."""
    if not isinstance(text, str):
        raise TypeError(f"{name} cuts a text, but got {type(text).__name__}")


def _count_tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer.tokenize(text))


def _check_sizes(size: object, overlap: object) -> None:
    if type(size) is not int or size < 1:
        raise ConfigError(f"chunk_size must be a whole number of at least 1, got {size!r:.60}")
    if type(overlap) is not int or not 0 <= overlap < size:
        raise ConfigError(
            f"chunk_overlap must be a whole number from 0 to less than chunk_size={size}, got {overlap!r:.60}"
        )

"""Markdown by its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ConfigDict, Field

from plait.documents import BaseDocumentTransformer, Document
from plait.errors import ConfigError
from plait.text_splitters.base import check_text

__all__ = ["MarkdownHeaderTextSplitter"]

_CODE: Final = " " * 4
"""What a line begins with that is code, and no heading."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})")


class MarkdownHeaderTextSplitter(BaseDocumentTransformer):
    """Cuts Markdown into one document for each heading, whose metadata say under which headings it stands.

    ``headers_to_split_on`` are pairs such as ``("#", "title")``: what begins the line, and the name that its text has
    in the metadata. A line in a fenced block of code is no heading. As a Runnable it keeps the metadata of each document.
    """

    model_config = ConfigDict(extra="forbid")

    headers_to_split_on: list[tuple[str, str]] = Field(kw_only=False)

    strip_headers: bool = True
    """Whether the headings are left out of the text."""

    if not TYPE_CHECKING:  # else type checkers would not make the signature from the fields

        def __init__(self, /, headers_to_split_on=None, **fields):
            super().__init__(headers_to_split_on=_pairs(headers_to_split_on), **fields)

    def split_text(self, text: str) -> list[Document]:
        """The sections of a text, in their order; those without text are left out."""
        check_text(text, self.get_name())
        sections = (
            Document("\n".join(lines).strip(), metadata=about) for about, lines in self._sections(text.split("\n"))
        )
        return [section for section in sections if section.page_content]

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> list[Document]:
        """The sections of several documents, in their order."""
        return [
            Document(section.page_content, metadata={**deepcopy(document.metadata), **section.metadata})
            for document in documents
            for section in self.split_text(document.page_content)
        ]

    def _sections(self, lines: list[str]) -> Iterator[tuple[dict[str, str], list[str]]]:
        above: dict[str, tuple[int, str]] = {}
        own: list[str] = []
        fence = ""
        for line in lines:
            fence = _fence(fence, line)
            heading = None if fence else self._heading(line)
            if heading is None:
                own.append(line)
                continue
            yield {name: title for name, (_, title) in above.items()}, own
            mark, name, title = heading
            above = {each: value for each, value in above.items() if value[0] < len(mark)}
            above[name] = (len(mark), title)
            own = [] if self.strip_headers else [line]
        yield {name: title for name, (_, title) in above.items()}, own

    def _heading(self, line: str) -> tuple[str, str, str] | None:
        """The mark, the name and the text of a heading."""
        bare = line.strip()
        if line.expandtabs().startswith(_CODE):
            return None
        for mark, name in sorted(self.headers_to_split_on, key=lambda pair: -len(pair[0])):
            if bare == mark or bare.startswith(f"{mark} "):
                return mark, name, bare[len(mark) :].strip()
        return None


def _pairs(headers: Any) -> list[tuple[str, str]]:
    """The headers, if they are pairs of a mark and a name."""
    pairs = _items(headers)
    if pairs and all([*map(_is_word, _items(pair))] == [True, True] for pair in pairs):
        return [(mark, name) for mark, name in pairs]
    raise ConfigError(
        f'headers_to_split_on must be pairs of a mark and a name such as [("#", "title")], got {headers!r:.80}'
    )


def _items(value: object) -> list[Any]:
    return [*cast("list[Any]", value)] if isinstance(value, list | tuple) else []


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _fence(fence: str, line: str) -> str:
    """The fence of the block of code that is open after a line; empty outside of one."""
    found = _FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return found[1]
    closes = found[1].startswith(fence) and not line.strip().strip(fence[0])
    return "" if closes else fence

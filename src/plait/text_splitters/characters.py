"""Splitters that cut at separators, in pure Python."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import Field

from plait.errors import ConfigError
from plait.text_splitters.base import TextSplitter, check_text
from plait.text_splitters.languages import Language, separators_of
from plait.text_splitters.spans import Keep, Rules, split, stripped
from plait.text_splitters.tokens import TokenTextSplitter

__all__ = [
    "CharacterTextSplitter",
    "MarkdownTextSplitter",
    "PythonCodeTextSplitter",
    "RecursiveCharacterTextSplitter",
]


_OF_TIKTOKEN: Final = ("separator", "separators", "is_separator_regex", "allowed_special", "disallowed_special")
"""What a splitter of tokens has no use for: it has separators of its own, and all that it reads is text."""


class _SeparatorSplitter(TextSplitter):
    """One that cuts at separators; all its chunks are slices of the text."""

    is_separator_regex: bool = False
    """Whether separators are regular expressions; with hostile texts they must not be of the kind that backtracks."""

    if not TYPE_CHECKING:  # as in its base

        def __init__(self, /, **fields):
            super().__init__(**fields)
            _check_separators(self._separators(), self.is_separator_regex)

    def _separators(self) -> Sequence[str]:
        raise NotImplementedError

    @staticmethod
    def from_tiktoken_encoder(
        encoding_name: str | None = None, model_name: str | None = None, **kwargs: Any
    ) -> TokenTextSplitter:
        """A splitter whose sizes count tokens; it has separators of its own, and those that are given change nothing.

        Count with a ``length_function`` to choose the separators. Raises ``ConfigError`` for names that are not known.
        """
        told = {name: value for name, value in kwargs.items() if name not in _OF_TIKTOKEN}
        return TokenTextSplitter(encoding_name=encoding_name, model_name=model_name, **told)

    def split_text(self, text: str) -> list[str]:
        """The chunks of a text, in their order."""
        check_text(text, self.get_name())
        return [chunk for _, chunk in self._cut(text)]

    def _cut(self, text: str) -> Iterator[tuple[int, str]]:
        rules = Rules(
            self._separators(),
            self.chunk_size,
            self.chunk_overlap,
            self.length_function,
            self.keep_separator,
            self.is_separator_regex,
        )
        end = 0
        for span in split(text, rules):
            kept = stripped(text, span) if self.strip_whitespace else span
            if kept and kept[1] > end:  # else it only repeats the end of the one before, and white space
                end = kept[1]
                yield kept[0], text[kept[0] : end]


class CharacterTextSplitter(_SeparatorSplitter):
    """Cuts at one separator; what lies between two of them is never cut, so it may be longer than ``chunk_size``."""

    separator: str = Field(default="\n\n", kw_only=False)

    if not TYPE_CHECKING:  # as in its base

        def __init__(self, /, separator=None, **fields):
            super().__init__(**fields if separator is None else {**fields, "separator": separator})

    def _separators(self) -> Sequence[str]:
        return (self.separator,)


class RecursiveCharacterTextSplitter(_SeparatorSplitter):
    r"""Cuts at the first of several separators that occurs, and what is still too long at the next ones.

    By default at paragraphs, then lines, words and characters, so that no chunk is longer than ``chunk_size``. Without
    ``""`` as the last separator one may be. Its time is linear in the text.
    """

    separators: list[str] = Field(default=["\n\n", "\n", " ", ""], kw_only=False)

    keep_separator: Keep = True

    if not TYPE_CHECKING:  # as in its base

        def __init__(self, /, separators=None, **fields):
            super().__init__(**fields if separators is None else {**fields, "separators": separators})

    def _separators(self) -> Sequence[str]:
        return self.separators

    @classmethod
    def from_language(cls, language: Language | str, **kwargs: Any) -> Self:
        """A splitter that cuts code, or marked up text, where its parts begin."""
        return cls(separators=cls.get_separators_for_language(language), **kwargs)

    @staticmethod
    def get_separators_for_language(language: Language | str) -> list[str]:
        """The separators of a language, the strongest first; raises ConfigError for one that is not known."""
        return separators_of(language)


class PythonCodeTextSplitter(RecursiveCharacterTextSplitter):
    """Cuts Python code at classes and functions, then as ``RecursiveCharacterTextSplitter`` does."""

    separators: list[str] = separators_of(Language.PYTHON)


class MarkdownTextSplitter(RecursiveCharacterTextSplitter):
    """Cuts Markdown at its headings, fences and rules, then as ``RecursiveCharacterTextSplitter`` does."""

    separators: list[str] = separators_of(Language.MARKDOWN)


def _check_separators(separators: Sequence[str], regex: bool) -> None:
    if not separators:
        raise ConfigError("separators must be at least one; [''] cuts between all characters")
    for separator in separators if regex else ():
        try:
            re.compile(separator)
        except re.error as error:
            raise ConfigError(f"the separator {separator!r:.80} is no regular expression: {error}") from error

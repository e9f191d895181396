"""Splitters that count the tokens of OpenAI's models, through ``semantic-text-splitter``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import PrivateAttr

from plait.errors import ConfigError, MissingExtraError
from plait.text_splitters.base import TextSplitter, check_text

__all__ = ["TokenTextSplitter"]

_MODEL_OF: Final = {
    "gpt2": "gpt2",
    "p50k_base": "text-davinci-003",
    "cl100k_base": "gpt-4",
    "o200k_base": "gpt-4o",
}
"""A model with each encoding: the engine knows only the names of models."""

_LONGEST: Final = 2000
_LONGEST_LINE: Final = 10_000
_LONGEST_TEXT: Final = 100_000
_WORD: Final = re.compile(rf"\w{{1,{_LONGEST}}}+|[^\w\s]{{1,{_LONGEST}}}+")
"""What the vocabulary joins to one word; the engine takes time by the square of its length."""


class TokenTextSplitter(TextSplitter):
    """Cuts at sentences, words or characters, so that no chunk has more than ``chunk_size`` tokens of a model.

    ``model_name`` is a model of OpenAI's (``gpt-4o`` by default) or ``encoding_name`` an encoding such as
    ``"o200k_base"``; the vocabulary comes with the extra ``splitters``, nothing is fetched. ``kind`` says what is cut, a
    text or Markdown. A word of more than 2,000 characters is cut there, too, so are a very long line and a text
    every 100,000, which keeps the time linear. Raises ``ConfigError`` for a model that is not known.
    """

    encoding_name: str | None = None
    model_name: str | None = None
    kind: Literal["text", "markdown"] = "text"

    _splitter: Any = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # as in its base

        def __init__(self, /, **fields):
            super().__init__(**fields)
            if self.length_function is not len:
                raise ConfigError("TokenTextSplitter counts tokens, so it takes no length_function")
            self._splitter = self._made()

    def _made(self) -> Any:
        try:
            import semantic_text_splitter as engine
        except ImportError as error:
            raise MissingExtraError(
                "TokenTextSplitter needs the extra splitters: pip install 'plait[splitters]'"
            ) from error
        kind = engine.MarkdownSplitter if self.kind == "markdown" else engine.TextSplitter
        try:
            return kind.from_tiktoken_model(
                self._model(), self.chunk_size, overlap=self.chunk_overlap, trim=self.strip_whitespace
            )
        except Exception as error:
            raise ConfigError(f"no vocabulary is known for model_name={self.model_name!r:.60}: {error}") from error

    def _model(self) -> str:
        """The model whose vocabulary counts."""
        if self.model_name is not None or self.encoding_name is None:
            return self.model_name or "gpt-4o"
        if self.encoding_name in _MODEL_OF:
            return _MODEL_OF[self.encoding_name]
        raise ConfigError(f"encoding_name must be one of {', '.join(_MODEL_OF)}; got {self.encoding_name!r:.60}")

    def __getstate__(self) -> Any:
        """Without the engine, which is made anew."""
        return {**super().__getstate__(), "__pydantic_private__": None}

    def __setstate__(self, state: Any) -> None:
        super().__setstate__({**state, "__pydantic_private__": {"_splitter": None}})
        self._splitter = self._made()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Itself: it never changes, and the engine cannot be copied."""
        return self

    def split_text(self, text: str) -> list[str]:
        """The chunks of a text, in their order."""
        check_text(text, self.get_name())
        return [chunk for _, chunk in self._cut(text)]

    def _cut(self, text: str) -> Iterator[tuple[int, str]]:
        for start, end in pairwise([0, *_cuts(text, max(_LONGEST_LINE, 20 * self.chunk_size)), len(text)]):
            for place, chunk in self._splitter.chunk_indices(text[start:end]):
                yield start + place, chunk


def _cuts(text: str, longest_line: int) -> list[int]:
    """Where to cut before the engine does, so that it never sees a word or a line that costs it too much."""
    cuts = {word.end() for word in _WORD.finditer(text) if word.end() - word.start() == _LONGEST}
    for line in re.finditer(rf"[^\n]{{1,{longest_line}}}+", text):
        if line.end() - line.start() == longest_line:
            cuts.add(text.rfind(" ", line.start(), line.end()) + 1 or line.end())
    for part in range(_LONGEST_TEXT, len(text), _LONGEST_TEXT):
        cuts.add(text.rfind("\n", part - _LONGEST_TEXT, part) + 1 or part)
    return sorted(cuts - {len(text)})

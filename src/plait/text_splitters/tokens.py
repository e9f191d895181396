"""Splitters that count the tokens of OpenAI's models, through ``semantic-text-splitter``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PrivateAttr

from plait.errors import ConfigError, MissingExtraError
from plait.text_splitters.base import TextSplitter

__all__ = ["TokenTextSplitter"]


class TokenTextSplitter(TextSplitter):
    """Cuts at sentences, words or characters, so that no chunk has more than ``chunk_size`` tokens of a model.

    ``model_name`` is a model of OpenAI's, whose vocabulary comes with the extra ``splitters``: nothing is fetched.
    ``kind`` says what is cut, a text or Markdown. Raises ``ConfigError`` for a model that is not known.
    """

    model_name: str = "gpt-4o"
    kind: Literal["text", "markdown"] = "text"

    _splitter: Any = PrivateAttr(default=None)

    if not TYPE_CHECKING:  # as in its base

        def __init__(self, /, **fields):
            super().__init__(**fields)
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
                self.model_name, self.chunk_size, overlap=self.chunk_overlap, trim=self.strip_whitespace
            )
        except Exception as error:
            raise ConfigError(f"no vocabulary is known for model_name={self.model_name!r:.60}: {error}") from error

    def __getstate__(self) -> Any:
        """Without the engine, which is made anew."""
        return {**super().__getstate__(), "__pydantic_private__": None}

    def __setstate__(self, state: Any) -> None:
        super().__setstate__({**state, "__pydantic_private__": {"_splitter": None}})
        self._splitter = self._made()

    def split_text(self, text: str) -> list[str]:
        """The chunks of a text, in their order."""
        return [chunk for _, chunk in self._cut(text)]

    def _cut(self, text: str) -> Iterator[tuple[int, str]]:
        return iter(self._splitter.chunk_indices(text))

"""The parser that gives the text of a message."""

from __future__ import annotations

from pydantic import ConfigDict

from plait.output_parsers.base import BaseTransformOutputParser

__all__ = ["StrOutputParser"]


class StrOutputParser(BaseTransformOutputParser[str]):
    """The text of what a model gives: of a message its content, or the text blocks of its content joined.

    Streams chunk by chunk. Raises TypeError for anything but a message or a str; what is not text (a tool call, an
    image) has no text, so it adds none.
    """

    model_config = ConfigDict(frozen=True)

    def parse(self, text: str) -> str:
        """The text itself."""
        return text

    @property
    def _type(self) -> str:
        return "default"

"""The parser of yes and no."""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict

from plait.output_parsers.base import BaseOutputParser
from plait.output_parsers.faults import excerpt, refused

__all__ = ["BooleanOutputParser"]


class BooleanOutputParser(BaseOutputParser[bool]):
    """True for ``true_val``, False for ``false_val``: the only one of the two that is a word of the text, in any case."""

    model_config = ConfigDict(frozen=True)
    _inline: ClassVar[bool] = True

    true_val: str = "YES"
    false_val: str = "NO"

    def parse(self, text: str) -> bool:
        """The answer; raises ``OutputParserException`` if neither word is there, or both."""
        words = {word.strip(".,;:!?\"'`*()[]").casefold() for word in text.split()}
        said = [word.casefold() in words for word in (self.true_val, self.false_val)]
        if said[0] == said[1]:
            came = "both" if said[0] else "neither"
            expected = f"expected {self.true_val!r} or {self.false_val!r}"
            raise refused(f"{expected}, but {came} is in the text {excerpt(text)}", text)
        return said[0]

    def get_format_instructions(self) -> str:
        """Asks for one of the two words."""
        return f"Answer with {self.true_val} or {self.false_val} and nothing else."

    @property
    def _type(self) -> str:
        return "boolean_output_parser"

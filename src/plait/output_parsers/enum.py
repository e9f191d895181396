"""The parser of a member of an enum."""

from __future__ import annotations

from enum import Enum
from typing import Any, ClassVar

from pydantic import ConfigDict

from plait.output_parsers.base import BaseOutputParser
from plait.output_parsers.faults import excerpt, refused

__all__ = ["EnumOutputParser"]


class EnumOutputParser(BaseOutputParser[Enum]):
    """The member of ``enum`` whose value the text is, blanks around it and its case aside."""

    model_config = ConfigDict(frozen=True)
    _inline: ClassVar[bool] = True

    enum: type[Enum]

    def parse(self, text: str) -> Enum:
        """The member; raises ``OutputParserException`` that lists the values."""
        said = text.strip()
        members = [member for member in self.enum if str(member.value) == said]
        members = members or [member for member in self.enum if str(member.value).lower() == said.lower()]
        if len(members) != 1:
            raise refused(f"expected one of {self._values}, but the text is {excerpt(text)}", text)
        return members[0]

    @property
    def _values(self) -> str:
        return ", ".join(repr(str(member.value)) for member in self.enum)

    def get_format_instructions(self) -> str:
        """Asks for one of the values."""
        return f"Answer with one of these values and nothing else: {self._values}."

    @property
    def _type(self) -> str:
        return "enum"

    @property
    def OutputType(self) -> Any:
        return self.enum

"""The parser of a moment."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from pydantic import ConfigDict, field_validator

from plait.output_parsers.base import BaseOutputParser
from plait.output_parsers.faults import excerpt, refused

__all__ = ["DatetimeOutputParser"]


class DatetimeOutputParser(BaseOutputParser[datetime]):
    """The moment that the text is, in ``format`` as ``datetime.strptime`` has it."""

    model_config = ConfigDict(frozen=True)
    _inline: ClassVar[bool] = True

    format: str = "%Y-%m-%dT%H:%M:%S.%fZ"

    @field_validator("format")
    @classmethod
    def _known(cls, format: str) -> str:
        """Refuse what no text can have: what is wrong with the format is no fault of the model."""
        try:
            datetime.strptime("", format)  # noqa: DTZ007 # only the format is of interest
        except ValueError as error:
            if "does not match" not in str(error):
                raise
        return format

    def parse(self, text: str) -> datetime:
        """The moment; without a time zone, unless ``format`` has ``%z``."""
        try:
            return datetime.strptime(text.strip(), self.format)  # noqa: DTZ007 # the format says what is known of the zone
        except ValueError as error:
            raise refused(
                f"expected a moment such as {self._example}, but the text is {excerpt(text)}", text, error
            ) from error

    @property
    def _example(self) -> str:
        return repr(datetime(2024, 12, 31, 23, 59, 1, 250_000).strftime(self.format))  # noqa: DTZ001 # an example

    def get_format_instructions(self) -> str:
        """Asks for a moment in the format, with examples."""
        return f"Answer with one moment and nothing else, in the format {self.format!r}, such as {self._example}."

    @property
    def _type(self) -> str:
        return "datetime"

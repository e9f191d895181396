"""Parsers of lists, which give each item as soon as it is complete."""

# A reading and its parser are one unit.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import csv
import re
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, ClassVar, Final

from plait.errors import EmptyStreamError
from plait.output_parsers.base import BaseOutputParser, parses_anew, stream_whole
from plait.output_parsers.faults import excerpt, refused
from plait.runs import Scope

__all__ = [
    "CommaSeparatedListOutputParser",
    "ListOutputParser",
    "MarkdownListOutputParser",
    "NumberedListOutputParser",
]


class ListOutputParser(BaseOutputParser[list[str]]):
    """A parser of a list of texts, an item a line: write ``parse_line``, or ``parse`` for a list of another form.

    Streams lists of the items that each chunk completes; they add up to the whole. With a ``parse`` of your own the
    list comes at the end. A text without an item is an ``OutputParserException``, not an empty list.
    """

    _inline: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if parses_anew(cls):
            stream_whole(cls)

    def parse(self, text: str) -> list[str]:
        """The items of a text; raises ``OutputParserException`` if there is none."""
        items = [item for line in text.split("\n") for item in self.parse_line(line)]
        return self._some(items, text)

    @abstractmethod
    def parse_line(self, line: str) -> list[str]:
        """The items of one line, which are none if it is not a line of the list."""

    def _some(self, items: list[str], text: str) -> list[str]:
        if not items:
            raise refused(f"expected {self._wanted}, but the text is {excerpt(text)}", text)
        return items

    @property
    def _wanted(self) -> str:
        return "a list"

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[list[str]]:
        lines = _Lines(self)
        for chunk in chunks:
            items = lines.feed(self._text(chunk))
            if items:
                yield items
        items = lines.rest()
        if items:
            yield items

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[list[str], None]:
        lines = _Lines(self)
        async for chunk in chunks:
            items = lines.feed(self._text(chunk))
            if items:
                yield items
        items = lines.rest()
        if items:
            yield items


class _Lines:
    """A text that comes in pieces, parsed line by line."""

    def __init__(self, parser: ListOutputParser) -> None:
        self._parser = parser
        self._line: list[str] = []  # the parts of the line that is still open
        self._text: list[str] = []
        self._has_items = self._is_fed = False

    def feed(self, text: str) -> list[str]:
        self._is_fed = True
        if not self._has_items:
            self._text.append(text)
        first, *rest = text.split("\n")
        self._line.append(first)
        if not rest:
            return []
        whole = ["".join(self._line), *rest[:-1]]
        self._line = [rest[-1]]
        return self._items(whole)

    def _items(self, lines: list[str]) -> list[str]:
        items = [item for line in lines for item in self._parser.parse_line(line)]
        self._has_items = self._has_items or bool(items)
        return items

    def rest(self) -> list[str]:
        if not self._is_fed:
            raise EmptyStreamError(f"{self._parser.get_name()}: the stream ended without a chunk, so there is no value")
        items = self._items(["".join(self._line)])
        return items if self._has_items else self._parser._some(items, "".join(self._text))


class CommaSeparatedListOutputParser(ListOutputParser):
    """Items with commas between them, as CSV: an item in double quotes may hold commas, and quotes if doubled.

    Blanks around an item, and items that are empty, are left out; a line break ends an item. Streams line by line.
    """

    def parse_line(self, line: str) -> list[str]:
        """The items of one line; the line of a fence has none."""
        if _is_fence(line):
            return []
        try:
            items = next(csv.reader([line], skipinitialspace=True), list[str]())
        except csv.Error:
            items = line.split(",")  # a quote out of place, a field of more than 128 KB
        return [item.strip() for item in items if item.strip()]

    @property
    def _wanted(self) -> str:
        return "values with commas between them"

    def get_format_instructions(self) -> str:
        """Asks for values with commas between them."""
        return "Answer with a list of values with commas between them and nothing else, such as `one, two, three`."

    @property
    def _type(self) -> str:
        return "comma-separated-list"


def _is_fence(line: str) -> bool:
    said = line.strip()
    return said.startswith("```") and (said[3:].isalnum() or not said[3:])


_NUMBERED: Final = re.compile(r"[ \t]*+\d++[.)][ \t]++(\S.*)")
_BULLET: Final = re.compile(r"[ \t]*+[-*+•][ \t]++(\S.*)")


class NumberedListOutputParser(ListOutputParser):
    """The lines that begin with a number and a point or bracket (``1. one``); other lines are left out."""

    def parse_line(self, line: str) -> list[str]:
        """The item of one line, if it is numbered."""
        return _item(_NUMBERED, line)

    @property
    def _wanted(self) -> str:
        return "lines with numbers such as '1. one'"

    def get_format_instructions(self) -> str:
        """Asks for a numbered list."""
        return "Answer with a numbered list, each item on a line of its own, such as:\n\n1. one\n2. two\n3. three"

    @property
    def _type(self) -> str:
        return "numbered-list"


class MarkdownListOutputParser(ListOutputParser):
    """The lines that begin with a bullet (``- one``, ``* one``, ``• one``); other lines are left out."""

    def parse_line(self, line: str) -> list[str]:
        """The item of one line, if it has a bullet."""
        return _item(_BULLET, line)

    @property
    def _wanted(self) -> str:
        return "lines with bullets such as '- one'"

    def get_format_instructions(self) -> str:
        """Asks for a list in Markdown."""
        return "Answer with a Markdown list, each item on a line of its own, such as:\n\n- one\n- two\n- three"

    @property
    def _type(self) -> str:
        return "markdown-list"


def _item(pattern: re.Pattern[str], line: str) -> list[str]:
    match = pattern.match(line)
    return [match[1].rstrip()] if match else []

"""The parser of XML: no entities, no document types, no depth without a bound."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from pydantic import ConfigDict

from plait.errors import EmptyStreamError
from plait.output_parsers.base import BaseOutputParser, parses_anew, stream_whole
from plait.output_parsers.faults import excerpt, refused
from plait.runs import Scope

if TYPE_CHECKING:
    from xml.parsers.expat import XMLParserType

__all__ = ["XMLOutputParser"]

_MAX_DEPTH: Final = 100
_READ_AGAIN: Final = 1024  # bytes of an open tag that expat may read again from its beginning with each piece
_START = re.compile(r"<(?=[A-Za-z_:?!])")


class XMLOutputParser(BaseOutputParser[dict[str, Any]]):
    """The XML that a model gives, alone, in prose or in a fence: ``{"root": [{"child": "text"}, ...]}``.

    An element with text is that text, one with elements a list of them, an empty one None (``[]`` at the top); attributes, and text
    behind the first child, are left out. Streams ``{"root": [child]}`` for each child of the root that is complete; these
    add up. A document type or an entity declaration, and nesting of more than 100 levels, are refused at once. Raises
    ``OutputParserException`` with line and column. ``tags`` are those that the instructions ask for.
    """

    model_config = ConfigDict(frozen=True)
    _inline: ClassVar[bool] = True

    tags: list[str] | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if parses_anew(cls):
            stream_whole(cls)

    def parse(self, text: str) -> dict[str, Any]:
        """The value of the first element in a text."""
        reading = _Reading(self)
        reading.feed(text)
        return reading.close()

    def get_format_instructions(self) -> str:
        """Asks for XML, with ``tags`` if there are some."""
        tags = f" Use these tags: {', '.join(self.tags)}." if self.tags else ""
        return f"Answer with one XML element and nothing else; close every tag, and use no attributes.{tags}"

    @property
    def _type(self) -> str:
        return "xml"

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[dict[str, Any]]:
        reading = _Reading(self)
        for chunk in chunks:
            for part in reading.feed(self._text(chunk)):
                yield part
        for part in reading.rest():
            yield part

    async def _atransform(
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[dict[str, Any], None]:
        reading = _Reading(self)
        async for chunk in chunks:
            for part in reading.feed(self._text(chunk)):
                yield part
        for part in reading.rest():
            yield part


class _Refused(Exception):
    """Raised by a handler: what the XML has that it must not have."""


class _End(Exception):
    """Raised by a handler at the end of the root: what follows is not read."""


class _Reading:
    """One answer being read."""

    def __init__(self, parser: XMLOutputParser) -> None:
        self._parser = parser
        self._said: list[str] = []
        self._before = ""  # a "<" at the end of a piece, of which it is not known yet what it begins
        self._skipped = (0, 0)  # line breaks before the XML, and characters after the last of them
        self._expat: XMLParserType | None = None
        self._held: list[str] = []  # read, and not given to expat yet
        self._held_size = self._fed = 0  # characters, bytes
        self._open = 0  # bytes of the tag or comment whose end expat has not seen
        self._problem: str | None = None
        self._elements: list[_Element] = []
        self._root: _Element | None = None
        self._given = 0  # children of the root that were given already
        self._is_over = False

    def feed(self, text: str) -> list[dict[str, Any]]:
        """Read on, and give what is complete now."""
        self._said.append(text)
        if self._is_over or self._problem is not None:
            return []
        if self._expat is None:
            text = self._begun(self._before + text)
        if self._expat is not None:
            self._read(text, final=False)
        return self._news()

    def _begun(self, text: str) -> str:
        """What of a text the XML begins with; nothing, if it does not begin here."""
        match = _START.search(text)
        if match is None:
            self._before = "<" if text.endswith("<") else ""
            self._skip(text[: len(text) - len(self._before)])
            return ""
        self._skip(text[: match.start()])
        self._expat = self._made()
        return text[match.start() :]

    def _skip(self, text: str) -> None:
        lines, column = self._skipped
        breaks = text.count("\n")
        self._skipped = lines + breaks, len(text) - text.rfind("\n") - 1 if breaks else column + len(text)

    def _made(self) -> XMLParserType:
        from xml.parsers.expat import ParserCreate

        expat = ParserCreate("utf-8")  # whatever a declaration says: what comes is text
        if hasattr(expat, "SetReparseDeferralEnabled"):
            expat.SetReparseDeferralEnabled(
                False
            )  # newer ones wait for more by themselves; here it is bounded by ``_read``
        expat.buffer_text = True
        expat.StartElementHandler, expat.EndElementHandler = self._start, self._end
        expat.CharacterDataHandler = self._characters
        expat.StartDoctypeDeclHandler = expat.EntityDeclHandler = self._refuse
        return expat

    def _refuse(self, *_: object) -> None:
        raise _Refused("a document type or entity declaration, which is refused")

    def _start(self, tag: str, _: object) -> None:
        if len(self._elements) >= _MAX_DEPTH:
            raise _Refused(f"more than {_MAX_DEPTH} levels of nesting")
        if self._elements:
            self._elements[-1].is_parent = True
        self._elements.append(_Element(tag))
        self._root = self._root or self._elements[0]

    def _characters(self, text: str) -> None:
        if self._elements and not self._elements[-1].is_parent:
            self._elements[-1].say(text)

    def _end(self, _: str) -> None:
        element = self._elements.pop()
        if not self._elements:
            raise _End
        self._elements[-1].children.append({element.tag: element.value})

    def _read(self, text: str, *, final: bool) -> None:
        """Give expat a text, unless it is a small part of an open tag that expat would read again from its beginning."""
        self._held.append(text)
        self._held_size += len(text)
        if final or self._open <= max(_READ_AGAIN, self._held_size):
            text = "".join(self._held)
            self._held, self._held_size = [], 0
            self._parse(cast("XMLParserType", self._expat), text, final=final)

    def _parse(self, expat: XMLParserType, text: str, *, final: bool) -> None:
        from xml.parsers.expat import ExpatError

        try:
            data = text.encode()
            self._fed += len(data)
            expat.Parse(data, final)
            self._open = self._fed - expat.CurrentByteIndex
        except _End:
            self._is_over = True
        except _Refused as error:
            self._problem = f"{self._at(expat.CurrentLineNumber, expat.CurrentColumnNumber)}: got {error}"
        except ExpatError as error:
            self._problem = f"{self._at(error.lineno, error.offset)}: {str(error).partition(':')[0]}"
        except UnicodeEncodeError:
            self._problem = f"{self._at(expat.CurrentLineNumber, expat.CurrentColumnNumber)}: half of a character"

    def _at(self, line: int, column: int) -> str:
        lines, before = self._skipped
        return f"line {line + lines}, column {column + 1 + (before if line == 1 else 0)}"

    def _news(self) -> list[dict[str, Any]]:
        root = self._root
        if root is None or root.has_text or self._given == len(root.children):
            return []
        new = root.children[self._given :]
        self._given = len(root.children)
        return [{root.tag: new}]

    def close(self) -> dict[str, Any]:
        """The value of the whole; raises ``OutputParserException``."""
        root = self._settled()
        return {root.tag: root.text_or(root.children)}

    def rest(self) -> list[dict[str, Any]]:
        """What of the whole was not given yet; raises ``OutputParserException``."""
        if not self._said:
            raise EmptyStreamError(f"{self._parser.get_name()}: the stream ended without a chunk, so there is no value")
        root = self._settled()
        if root.has_text or not root.children:
            return [{root.tag: root.text_or([])}]
        return self._news()

    def _settled(self) -> _Element:
        if self._expat is not None and not self._is_over and self._problem is None:
            self._read("", final=True)
        if self._is_over and self._root is not None:
            return self._root
        text = "".join(self._said)
        problem = self._problem or "there is no element in it"
        raise refused(f"expected XML, but {problem}; the text is {excerpt(text)}", text)


class _Element:
    __slots__ = ("children", "has_text", "is_parent", "tag", "text")

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.text: list[str] = []  # until the first child
        self.children: list[dict[str, Any]] = []
        self.is_parent = False
        self.has_text = False  # that is more than blanks, so that children do not count

    def say(self, text: str) -> None:
        """Take more of the text."""
        self.text.append(text)
        self.has_text = self.has_text or not text.isspace()

    def text_or(self, other: Any) -> Any:
        """The text if there is some, or else ``other``."""
        return "".join(self.text) if self.has_text else other

    @property
    def value(self) -> Any:
        """The text, the children, or None."""
        return self.text_or(self.children or "".join(self.text) or None)

"""JSON that is still growing: a reader that is fed a text in pieces and gives the value so far.

Pure. The whole of a stream costs time linear in its length, however it is cut. The value of a text that stops short is
that of the text completed: open strings and brackets are closed, of a number as much as is one counts (``1.`` is 1), and
what cannot be seen yet is left out: half a literal, half an escape or surrogate pair, a key without its value.

What is JSON is what ``json.loads`` takes, but for these: line breaks and other control characters may stand in strings,
since models write them; ``NaN``, ``Infinity``, numbers that overflow a float or have more than 4,300 digits are refused,
and so is nesting of more than 100 levels. Of a key that comes twice the last value counts.
"""

# The states of the readers are functions of this module, so what they share is private to the module.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import re
from collections.abc import Callable
from math import isinf
from typing import Any, Final, cast

from plait.errors import PlaitError

__all__ = [
    "MAX_DEPTH",
    "NOTHING",
    "JsonError",
    "JsonInText",
    "JsonReader",
    "read_json",
    "read_json_in_text",
    "read_partial_json",
]

MAX_DEPTH: Final = 100
"""Levels of brackets; what nests deeper is hostile."""

MAX_DIGITS: Final = 4300
"""Characters of a number; so many digits make an int at most, as CPython has it."""


class _Nothing:
    def __repr__(self) -> str:
        return "NOTHING"

    def __reduce__(self) -> str:
        return "NOTHING"  # a copy is this one


NOTHING: Final[Any] = _Nothing()
"""Stands for the value of a text of which nothing can be read yet (``None`` is the value of ``null``)."""

# What a snapshot may cost: so much for each piece and each character of it, in bytes that are copied. It pays for the
# open text, the items of open lists and the keys of open dicts; so a small value is seen with every piece, and of one of
# megabytes as often as linear time allows.
_CREDIT, _PER_ITEM, _PER_KEY, _PER_LEVEL = 8192, 8, 64, 64

_SPACE = re.compile(r"[ \t\n\r]*+")
_PLAIN = re.compile(r'[^"\\]*+')
_BARE = re.compile(r'[^\s{}\[\],:"`]*+')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\]]', re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_LITERALS: dict[str, Any] = {"true": True, "false": False, "null": None}
_HIGH = "".join(map(chr, range(0xD800, 0xDC00)))  # halves of characters that a second half should follow


class JsonError(PlaitError, ValueError):
    """A text is not JSON: ``expected`` and ``came`` say why, ``position`` (from 0), ``line``, ``column`` (from 1) where."""

    def __init__(self, expected: str, came: str, position: int, line: int, column: int) -> None:
        super().__init__(expected, came, position, line, column)
        self.expected, self.came = expected, came
        self.position, self.line, self.column = position, line, column

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: expected {self.expected}, but got {self.came}"


class _Place:
    """Where in a text a piece of it begins."""

    __slots__ = ("column", "line", "position")

    def __init__(self, position: int = 0, line: int = 1, column: int = 1) -> None:
        self.position, self.line, self.column = position, line, column

    def after(self, text: str, end: int) -> _Place:
        """The place ``end`` characters further on in ``text``."""
        breaks = text.count("\n", 0, end)
        column = end - text.rfind("\n", 0, end) if breaks else self.column + end
        return _Place(self.position + end, self.line + breaks, column)

    def error(self, text: str, at: int, expected: str, came: str | None = None) -> JsonError:
        """The error that something else was expected at ``at``."""
        place = self.after(text, at)
        return JsonError(expected, came or _shown(text[at:]), place.position, place.line, place.column)


def _shown(text: str) -> str:
    return f"{text[:20]!r}{'...' if len(text) > 20 else ''}" if text else "the end of the text"


def read_json(text: str) -> Any:
    """The value of a text that is JSON as a whole; raises ``JsonError``."""
    value = _whole(text)
    return _read(text).close() if value is NOTHING else value  # which finds the same fault, and says where it is


def _whole(text: str) -> Any:
    """The value of a text, fast; ``NOTHING`` if it is not JSON as a whole."""
    if _is_deep(text):
        return NOTHING
    try:
        return json.loads(text, strict=False, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return NOTHING


def read_partial_json(text: str) -> Any:
    """The value so far of a text that is JSON and may stop short, or ``NOTHING``; raises ``JsonError``."""
    value = _whole(text)
    return _read(text).value if value is NOTHING else value


def read_json_in_text(text: str) -> Any:
    """The value of the JSON in a text, as ``JsonInText`` finds it; raises ``JsonError``."""
    whole = text.strip(_BLANK + "`")
    if whole.startswith("json"):
        whole = whole[4:].lstrip(_BLANK)
    value = _whole(whole) if whole.startswith(("{", "[")) else NOTHING
    if value is not NOTHING:
        return value
    found = JsonInText()  # there is something around it, or it is broken
    found.feed(text)
    return found.close()


def _read(text: str) -> JsonReader:
    reader = JsonReader()
    rest = reader.feed(text)
    at = len(text) - len(rest.lstrip(_BLANK))
    if at < len(text):
        raise _Place().error(text, at, "the end of the text")
    return reader


def _is_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        token = match[0]
        depth += (token in "{[") - (token in "}]")
        if depth > MAX_DEPTH:
            return True
    return False


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value) or len(text) > MAX_DIGITS:
        raise ValueError("a number that is too large")
    return value


def _number(text: str) -> Any:
    """The number that a text is, or ``NOTHING``; raises ``ValueError`` if it is too large."""
    if not _NUMBER.fullmatch(text):
        return NOTHING
    return int(text) if text.lstrip("-").isdigit() else _finite(text)


class JsonReader:
    """Reads one JSON value out of pieces of text, in time linear in their length.

    ``feed`` reads on. ``value`` is the value so far, in containers that nobody changes later: those that are still open
    are copies, those that are complete are shared with all values to come. ``take`` gives it only when there is
    something new in it, and as often as linear time allows. ``close`` gives the value of the whole, or raises.
    """

    def __init__(self, place: _Place | None = None) -> None:
        self._place = place or _Place()
        self._state: _State | None = _value
        self._held = ""  # what cannot be understood without what comes next: a part of an escape
        self._stack: list[Any] = [[]]  # the open containers; the lowest is a list, for the value itself
        self._keys: list[Any] = [None]  # the key at which each open dict is
        self._text: list[str] | None = None  # the open string, in parts
        self._bare = ""  # the open number or literal
        self._size = 0  # characters of the open string
        self._is_key = False
        self._credit = 0
        self._changed = False
        self._seen: Any = NOTHING  # the open number, as it was given last

    @property
    def is_complete(self) -> bool:
        """Whether the value has come to its end; for a number only what follows tells."""
        return self._state is None

    def feed(self, piece: str) -> str:
        """Read on, and give what follows the end of the value; raises ``JsonError`` for what is not JSON."""
        text, at = self._held + piece, 0
        self._held = ""
        self._credit += _CREDIT + len(piece)
        while self._state is not None and at < len(text):
            at = self._state(self, text, at)
        self._place = self._place.after(text, at - len(self._held))
        return text[at:] if self._state is None else ""

    def close(self) -> Any:
        """The value of all that was fed; raises ``JsonError`` if it stops short."""
        if self._bare:
            _end_of_bare(self, "", 0)
        if self._state is not None:
            raise self._place.error("", 0, self._missing())
        return self._stack[0][0]

    @property
    def value(self) -> Any:
        """The value so far, or ``NOTHING``."""
        inner = self._open_value()
        for container, key in zip(reversed(self._stack), reversed(self._keys), strict=True):
            inner = _with(container, key, inner, is_new=container is self._stack[-1])
        return inner[0] if inner else NOTHING

    @property
    def has_news(self) -> bool:
        """Whether the value is another than the last that ``take`` gave."""
        return self._changed

    def take(self) -> Any:
        """The value so far, if it is another than the last that was given and can be afforded, or ``NOTHING``."""
        if self._bare and not self._changed:
            self._changed = not _is_same(self._open_value(), self._seen)
        if not self._changed or self._cost() > self._credit:
            return NOTHING
        self._credit -= self._cost()
        self._changed = False
        if self._bare:
            self._seen = self._open_value()
        return self.value

    def _cost(self) -> int:
        return self._size + sum(
            _PER_LEVEL + len(open_) * (_PER_KEY if type(open_) is dict else _PER_ITEM) for open_ in self._stack
        )

    def _open_value(self) -> Any:
        if self._text is not None and not self._is_key:
            self._text[:] = ["".join(self._text)]
            return self._text[0].rstrip(_HIGH)
        return _so_far(self._bare) if self._bare else NOTHING

    def _missing(self) -> str:
        """What should have come, were there more of the text."""
        if self._text is not None:
            return "the end of a string"
        return _EXPECTED[cast(Any, self._state)](self)

    def put(self, value: Any) -> None:
        """Put a value where one was expected."""
        container = self._stack[-1]
        if isinstance(container, list):
            cast("list[Any]", container).append(value)
        else:
            container[self._keys[-1]] = value
        self._state = _next if len(self._stack) > 1 else None

    def error(self, text: str, at: int, expected: str, came: str | None = None) -> JsonError:
        """The error that something else was expected at ``at``."""
        return self._place.error(text, at, expected, came)


_State = Callable[[JsonReader, str, int], int]


def _with(container: Any, key: Any, inner: Any, *, is_new: bool) -> Any:
    """A copy of a container, with ``inner`` for what is still open in it."""
    copy: Any = container.copy()
    if inner is NOTHING:
        return copy
    if type(copy) is dict:
        copy[key] = inner
    elif is_new:
        copy.append(inner)
    else:
        copy[-1] = inner
    return cast(Any, copy)


def _is_same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and a == b)


def _so_far(text: str) -> Any:
    """The value of an open number or literal, as far as it counts."""
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        return _number(text.rstrip("+-.eE"))
    except ValueError:
        return NOTHING


# ------------------------------------------------------------------- states: each reads on from a place in a text, a bit


def _value(reader: JsonReader, text: str, at: int) -> int:
    at = _after_space(text, at)
    if at == len(text):
        return at
    if text[at] in "{[":
        return _open(reader, text, at)
    if text[at] == '"':
        return _open_string(reader, at, is_key=False)
    if text[at] in "}],:":
        raise reader.error(text, at, "a value")
    reader._seen = NOTHING
    reader._state = _bare
    return at


def _after_space(text: str, at: int) -> int:
    return cast("re.Match[str]", _SPACE.match(text, at)).end()


def _open(reader: JsonReader, text: str, at: int) -> int:
    if len(reader._stack) > MAX_DEPTH:
        raise reader.error(text, at, f"at most {MAX_DEPTH} levels of nesting", "one more")
    container: Any = {} if text[at] == "{" else []
    reader.put(container)
    reader._stack.append(container)
    reader._keys.append(None)
    reader._state = _first_key if type(container) is dict else _first_item
    reader._changed = True
    return at + 1


def _close(reader: JsonReader, at: int) -> int:
    reader._stack.pop()
    reader._keys.pop()
    reader._state = _next if len(reader._stack) > 1 else None
    return at + 1


def _open_string(reader: JsonReader, at: int, *, is_key: bool) -> int:
    reader._text, reader._size, reader._is_key = [], 0, is_key
    reader._changed = reader._changed or not is_key
    reader._state = _string
    return at + 1


def _first_item(reader: JsonReader, text: str, at: int) -> int:
    at = _after_space(text, at)
    if text[at : at + 1] == "]":
        return _close(reader, at)
    return _value(reader, text, at)


def _first_key(reader: JsonReader, text: str, at: int) -> int:
    at = _after_space(text, at)
    if text[at : at + 1] == "}":
        return _close(reader, at)
    return _key(reader, text, at, 'a key in double quotes or "}"')


def _key(reader: JsonReader, text: str, at: int, expected: str = "a key in double quotes") -> int:
    at = _after_space(text, at)
    if at == len(text):
        return at
    if text[at] != '"':
        raise reader.error(text, at, expected)
    return _open_string(reader, at, is_key=True)


def _colon(reader: JsonReader, text: str, at: int) -> int:
    at = _after_space(text, at)
    if at == len(text):
        return at
    if text[at] != ":":
        raise reader.error(text, at, '":"')
    reader._state = _value
    return at + 1


def _next(reader: JsonReader, text: str, at: int) -> int:
    at = _after_space(text, at)
    if at == len(text):
        return at
    is_dict = type(reader._stack[-1]) is dict
    if text[at] == ",":
        reader._state = _key if is_dict else _value
        return at + 1
    if text[at] == ("}" if is_dict else "]"):
        return _close(reader, at)
    raise reader.error(text, at, _comma_or_end(reader))


def _comma_or_end(reader: JsonReader) -> str:
    return '"," or "}"' if type(reader._stack[-1]) is dict else '"," or "]"'


def _bare(reader: JsonReader, text: str, at: int) -> int:
    end = cast("re.Match[str]", _BARE.match(text, at)).end()
    reader._bare += text[at:end]
    if len(reader._bare) > MAX_DIGITS + 1:
        raise reader.error(text, at, "a value", f"{_shown(reader._bare)}, which is too long for one")
    return end if end == len(text) else _end_of_bare(reader, text, end)


def _end_of_bare(reader: JsonReader, text: str, at: int) -> int:
    bare, reader._bare = reader._bare, ""
    try:
        value = _LITERALS[bare] if bare in _LITERALS else _number(bare)
    except ValueError:
        raise reader.error(text, at, "a number of reasonable size", _shown(bare)) from None
    if value is NOTHING:
        raise reader.error(text, at, "a value", f"{_shown(bare)}, which is none")
    reader._changed = reader._changed or not _is_same(value, reader._seen)
    reader.put(value)
    return at


def _string(reader: JsonReader, text: str, at: int) -> int:
    parts = cast("list[str]", reader._text)
    end = cast("re.Match[str]", _PLAIN.match(text, at)).end()
    if end > at:
        _grow(reader, parts, text[at:end])
    if end == len(text):
        return end
    return _end_string(reader, parts, end) if text[end] == '"' else _escape(reader, parts, text, end)


def _grow(reader: JsonReader, parts: list[str], text: str) -> None:
    parts.append(text)
    reader._size += len(text)
    reader._changed = reader._changed or not reader._is_key


def _end_string(reader: JsonReader, parts: list[str], at: int) -> int:
    whole = "".join(parts)
    reader._text, reader._size = None, 0
    if reader._is_key:
        reader._keys[-1] = whole
        reader._state = _colon
    else:
        reader._changed = reader._changed or whole[-1:] in _HIGH
        reader.put(whole)
    return at + 1


def _escape(reader: JsonReader, parts: list[str], text: str, at: int) -> int:
    letter = text[at + 1 : at + 2]
    if letter in _ESCAPES:
        _grow(reader, parts, _ESCAPES[letter])
        return at + 2
    if letter and letter != "u":
        raise reader.error(text, at, "an escape such as \\n")
    code = _code(reader, text, at)
    if code is None:
        return _hold(reader, text, at)
    second = _second_half(text, at + 6) if 0xD800 <= code < 0xDC00 else 0
    if second is None:
        return _hold(reader, text, at)
    if second:
        code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00)
    _grow(reader, parts, chr(code))
    return at + (12 if second else 6)


def _hold(reader: JsonReader, text: str, at: int) -> int:
    reader._held = text[at:]
    return len(text)


def _code(reader: JsonReader, text: str, at: int) -> int | None:
    """The number of a backslash, a u and four digits; None if there are not enough of them yet."""
    digits = text[at + 2 : at + 6]
    if _HEX.fullmatch(digits):
        return int(digits, 16)
    if not _HEX.fullmatch(digits.ljust(4, "0")):
        raise reader.error(text, at, "four hexadecimal digits after \\u")
    return None


def _second_half(text: str, at: int) -> int | None:
    """The number of the second half of a surrogate pair, 0 if there is none; None if that cannot be told yet."""
    if not "\\u".startswith(text[at : at + 2]):
        return 0
    digits = text[at + 2 : at + 6]
    if not _HEX.fullmatch(digits.ljust(4, "0")):
        return 0
    if len(digits) < 4:
        return None
    code = int(digits, 16)
    return code if 0xDC00 <= code < 0xE000 else 0


_EXPECTED: dict[Any, Callable[[JsonReader], str]] = {
    _value: lambda _: "a value",
    _bare: lambda _: "a value",
    _first_item: lambda _: 'a value or "]"',
    _first_key: lambda _: 'a key in double quotes or "}"',
    _key: lambda _: "a key in double quotes",
    _colon: lambda _: '":"',
    _next: _comma_or_end,
}


# ------------------------------------------------------------------------------------------------- text around the JSON

_BLANK: Final = " \t\r\n\ufeff"
_THOUGHTS: Final = ("<think>", "<thinking>")
_MAX_WORD: Final = 30
_BLANKS = re.compile(r"[ \t\r\n\ufeff]*+")
_WORD = re.compile(r"[A-Za-z_+#]*+")
_PROSE = re.compile(r"[^\n`]++")


class JsonInText:
    """Reads the JSON in a text as models write it, piece by piece: the JSON alone, or in prose, or fenced.

    It begins where the text begins, but for blanks and backticks; or after the first fence, three backticks that
    ``json`` or nothing follows; or with the first line that begins with ``{``. What follows its end is skipped, and so
    are thoughts in front of it, ``<think>...</think>``. A number, literal or string that is not fenced must be all there
    is.
    """

    def __init__(self) -> None:
        self._place = _Place()
        self._state: Callable[[JsonInText, str, int], int] = _at_start
        self._reader: JsonReader | None = None
        self._ticks = 0  # backticks in a row
        self._word = ""
        self._thought = ""  # the tag at the end of the thoughts that were begun last
        self._is_fenced = False
        self._is_foreign = False  # within a fence of something else
        self._is_new_line = False
        self._doubt: JsonError | None = None  # why what the text begins with is not the JSON

    def feed(self, piece: str) -> None:
        """Read on; raises ``JsonError`` if what is found is not JSON."""
        while piece:
            piece = self._search(piece) if self._reader is None else self._inside(self._reader, piece)

    def take(self) -> Any:
        """As that of a ``JsonReader``; a bare number or literal is given by ``close``, since text may still follow."""
        reader = self._reader
        if reader is None or (self._is_bare(reader) and reader._text is None):
            return NOTHING
        return reader.take()

    @property
    def has_news(self) -> bool:
        """Whether the value is another than the last that ``take`` gave."""
        return self._reader is None or self._reader.has_news

    def close(self) -> Any:
        """The value of the JSON in all that was fed; raises ``JsonError`` if there is none, or it stops short."""
        if self._reader is None and self._word in _LITERALS:
            _begin(self, "", 0)
        if self._reader is not None:
            return self._reader.close()
        if self._doubt is not None:
            raise self._doubt
        came = "a text without any" if self._thought or self._state is not _at_start else "an empty text"
        raise self._place.error("", 0, "a JSON value", came)

    def _is_bare(self, reader: JsonReader) -> bool:
        return not self._is_fenced and len(reader._stack) == 1 and not isinstance(_root(reader), dict | list)

    def _search(self, text: str) -> str:
        at = 0
        while at < len(text) and self._reader is None:
            at = self._state(self, text, at)
        self._place = self._place.after(text, at)
        return text[at:]

    def _inside(self, reader: JsonReader, text: str) -> str:
        """Read on inside the JSON, and give what has to be looked at once more."""
        try:
            rest = reader.feed(text)
        except JsonError as error:
            if not self._is_bare(reader) or reader._text is not None:
                raise
            return self._give_up(error, reader, text)
        return self._behind(reader, rest) if rest else ""

    def _behind(self, reader: JsonReader, rest: str) -> str:
        blank = len(rest) - len(rest.lstrip(_BLANK + "`"))
        if blank == len(rest) or not self._is_bare(reader):
            reader._place = reader._place.after(rest, len(rest))
            return ""
        error = reader.error(rest, blank, "the end of the text")
        if isinstance(_root(reader), str):
            raise error
        return self._give_up(error, reader, rest)

    def _give_up(self, error: JsonError, reader: JsonReader, text: str) -> str:
        """What the text begins with is not the JSON after all: look further on."""
        self._reader, self._place, self._doubt = None, reader._place, error
        self._state, self._word, self._ticks = _in_prose, "", 0
        return text


def _root(reader: JsonReader) -> Any:
    return reader._stack[0][0] if reader._stack[0] else NOTHING


def _begin(found: JsonInText, text: str, at: int) -> int:
    """Let the JSON begin with the word that was read before ``at``, if there is one."""
    place, word = found._place.after(text, at), found._word
    found._reader = JsonReader(_Place(place.position - len(word), place.line, place.column - len(word)))
    found._reader.feed(word)
    return at


def _at_start(found: JsonInText, text: str, at: int) -> int:
    end = cast("re.Match[str]", _BLANKS.match(text, at)).end()
    if end > at:
        found._ticks = 0
        return end
    if text[at] == "`":
        return _tick(found, at)
    if text[at] in '{["-0123456789':
        return _begin(found, text, at)
    found._state = _first_word if text[at].isalpha() else _first_tag if text[at] == "<" else _in_prose
    return at


def _first_tag(found: JsonInText, text: str, at: int) -> int:
    found._word += text[at]
    if found._word in _THOUGHTS:
        found._thought, found._word, found._state = f"</{found._word[1:]}", "", _in_thought
    elif not any(tag.startswith(found._word) for tag in _THOUGHTS):
        found._word, found._state = "", _in_prose
        return at
    return at + 1


def _in_thought(found: JsonInText, text: str, at: int) -> int:
    seen = found._word + text[at:]  # with so much of what came before as may be a part of the tag
    place = seen.find(found._thought)
    if place < 0:
        found._word = seen[1 - len(found._thought) :]
        return len(text)
    end = at + place + len(found._thought) - len(found._word)
    found._word, found._state = "", _at_start
    return end


def _first_word(found: JsonInText, text: str, at: int) -> int:
    end = cast("re.Match[str]", _WORD.match(text, at)).end()
    found._word = (found._word + text[at:end])[:_MAX_WORD]
    if end == len(text):
        return end
    if found._word in _LITERALS:
        return _begin(found, text, end)
    found._state, found._word = _in_prose, ""
    return end


def _tick(found: JsonInText, at: int) -> int:
    found._ticks += 1
    if found._ticks == 3 and found._is_foreign:
        found._is_foreign = False
    elif found._ticks == 3:
        found._state = _after_fence
    return at + 1


def _after_fence(found: JsonInText, text: str, at: int) -> int:
    end = cast("re.Match[str]", _WORD.match(text, at)).end()
    found._word = (found._word + text[at:end])[:_MAX_WORD]
    if end == len(text):
        return end
    word, found._ticks = found._word, 0
    if word in _LITERALS:
        found._is_fenced = True
        return _begin(found, text, end)
    found._word = ""
    found._is_foreign = word.lower()[:4] not in ("", "json")
    found._state = _in_prose if found._is_foreign else _in_fence
    return end


def _in_fence(found: JsonInText, text: str, at: int) -> int:
    end = cast("re.Match[str]", _BLANKS.match(text, at)).end()
    if end > at or text[at] == "`":
        return max(end, at + 1)
    found._is_fenced = True
    return _begin(found, text, at)


def _in_prose(found: JsonInText, text: str, at: int) -> int:
    end = cast("re.Match[str]", _BLANKS.match(text, at)).end()
    if end > at:
        found._is_new_line = found._is_new_line or "\n" in text[at:end]
    elif text[at] == "`":
        return _tick(found, at)
    elif text[at] == "{" and found._is_new_line and not found._is_foreign:
        return _begin(found, text, at)
    else:
        found._is_new_line = False
        end = cast("re.Match[str]", _PROSE.match(text, at)).end()
    found._ticks = 0
    return end

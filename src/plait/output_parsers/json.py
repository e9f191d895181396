"""The parser of JSON, which streams the value so far."""

# A reading and its parser are one unit.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from operator import is_
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast

from pydantic import ConfigDict, SkipValidation, TypeAdapter, ValidationError

from plait.merging import Growth
from plait.output_parsers.base import BaseOutputParser
from plait.output_parsers.cumulative import IncrementalParser, Purse
from plait.output_parsers.faults import excerpt, refused, told
from plait.outputs import Generation
from plait.partial_json import NOTHING, JsonError, JsonInText, read_json_in_text

__all__ = ["JsonOutputParser", "JsonTextParser", "SimpleJsonOutputParser"]

T = TypeVar("T")


class JsonTextParser(IncrementalParser[T], BaseOutputParser[T], Generic[T]):
    """What the parsers of JSON in a text have in common."""

    model_config = ConfigDict(frozen=True, ignored_types=(cached_property,))

    def parse(self, text: str) -> T:
        """The value of the JSON in a text; raises ``OutputParserException``."""
        return cast(T, self._made(self._loaded(text), text))

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> Any:
        """The value of the text of the first generation; with ``partial`` the value so far, None if there is none."""
        if not partial:
            return self.parse(result[0].text)
        reading = self._reading()
        value = reading.read(result[0].text)
        return None if value is NOTHING else value

    def _parsed(self, input: Any) -> T:
        return self.parse(self._text(input))

    def _reading(self) -> _JsonReading:
        return _JsonReading(self)

    def _loaded(self, text: str) -> Any:
        try:
            return read_json_in_text(text)
        except JsonError as error:
            raise self._broken(error, text) from error

    def _broken(self, error: JsonError, text: str) -> Exception:
        return refused(f"expected {self._expected}, but at {error}; the text is {excerpt(text)}", text, error)

    @property
    def _expected(self) -> str:
        return "JSON"

    def _made(self, value: Any, text: str) -> Any:
        """The value of the parser for a value of JSON."""
        raise NotImplementedError

    def _made_early(self, value: Any) -> Any:
        """The value of the parser for a value of JSON that is still growing, or ``NOTHING``."""
        return value

    def _cost(self, size: int) -> int:
        """What ``_made_early`` costs for a text so long, in characters."""
        return 0


class _JsonReading:
    def __init__(self, parser: JsonTextParser[Any]) -> None:
        self._parser = parser
        self._found = JsonInText()
        self._parts: list[str] = []
        self._size = 0
        self._purse = Purse()
        self._error: JsonError | None = None

    def read(self, chunk: Any) -> Any:
        text = self._parser._text(chunk)
        self._parts.append(text)
        self._size += len(text)
        self._purse.earn(len(text))
        return NOTHING if self._error else self._value(text)

    def _value(self, text: str) -> Any:
        try:
            self._found.feed(text)
        except JsonError as error:
            self._error = error  # raised at the end, with the whole text
            return NOTHING
        cost = self._parser._cost(self._size)
        value = self._found.take() if self._purse.affords(cost) else NOTHING
        if value is NOTHING:
            return NOTHING
        self._purse.pay(cost)
        return self._parser._made_early(value)

    def close(self) -> Any:
        text = "".join(self._parts)
        if self._error is not None:
            return self._parser._made(self._parser._loaded(text), text)  # raises, and shows what follows the fault
        try:
            value = self._found.close()
        except JsonError as error:
            raise self._parser._broken(error, text) from error
        return self._parser._made(value, text)

    def is_news(self, final: Any, last: Any) -> bool:
        return self._found.has_news or bool(final != last)


class JsonOutputParser(JsonTextParser[Any]):
    """The value of the JSON that a model gives, alone, in prose or in a fence (see ``JsonInText``).

    Streams the value so far, as a snapshot; the last is the value of the whole. With ``pydantic_object``, a pydantic
    model or any other type that pydantic takes, that must be valid; it stays as the model gave it (to get an object
    use ``PydanticOutputParser``). With ``diff=True`` a stream gives JSON Patch operations, a list for each change.
    Raises ``OutputParserException`` with the place and what was expected there.
    """

    _shares: ClassVar[bool] = True

    pydantic_object: Annotated[Any, SkipValidation] = None
    diff: bool = False

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.pydantic_object)

    def _made(self, value: Any, text: str) -> Any:
        if self.pydantic_object is not None:
            try:
                self._adapter.validate_python(value)
            except ValidationError as error:
                raise invalid(self.pydantic_object, error, text) from error
        return value

    def _chunk(self, last: Any, value: Any, growth: Growth) -> Any:
        if not self.diff:
            return super()._chunk(last, value, growth)
        return changes(last, value)

    def _diff(self, prev: Any, next: Any) -> Any:
        """For a subclass that writes ``parse_result``."""
        return changes(NOTHING if prev is None else prev, next)

    def get_format_instructions(self) -> str:
        """Asks for JSON, by the JSON Schema of ``pydantic_object`` if there is one."""
        if self.pydantic_object is None:
            return "Answer with JSON and nothing else."
        return instructions(self._adapter)

    @property
    def _type(self) -> str:
        return "simple_json_output_parser"

    @property
    def OutputType(self) -> Any:
        return Any


SimpleJsonOutputParser = JsonOutputParser


def invalid(kind: Any, error: ValidationError, text: str) -> Exception:
    """The exception for JSON that is not what ``kind`` wants."""
    name = getattr(kind, "__name__", str(kind))
    return refused(f"expected JSON for {name}, but {told(error)}; the text is {excerpt(text)}", text, error)


def instructions(adapter: TypeAdapter[Any]) -> str:
    """Tell a model to give JSON that fits a type."""
    schema = json.dumps(adapter.json_schema(), ensure_ascii=False)
    return (
        "Answer with one JSON value and nothing else. It must be valid by this JSON Schema "
        f"(give the value, not the schema):\n```json\n{schema}\n```"
    )


def changes(before: Any, after: Any) -> list[dict[str, Any]]:
    """The JSON Patch operations from one value of a stream to the next; what is the same object is not looked at."""
    if before is NOTHING:
        return [{"op": "replace", "path": "", "value": after}]
    return list(_changes("", before, after))


def _changes(path: str, before: Any, after: Any) -> Iterator[dict[str, Any]]:
    kinds: set[Any] = {type(before), type(after)}
    if kinds == {dict} and before.keys() <= after.keys():
        yield from _changed_items(path, before, after, ((_pointer(key), key) for key in before))
        yield from (_added(f"{path}/{_pointer(key)}", after[key]) for key in after if key not in before)
    elif kinds == {list} and len(before) <= len(after):
        yield from _changed_items(path, before, after, ((str(at), at) for at in _open_items(before, after)))
        yield from (_added(f"{path}/-", item) for item in after[len(before) :])
    elif before is not after and (len(kinds) > 1 or before != after):
        yield {"op": "replace", "path": path, "value": after}


def _open_items(before: list[Any], after: list[Any]) -> range:
    """Where the items of a list may be others than before: of one that grows it is the last alone."""
    last = max(len(before) - 1, 0)
    return range(last if all(map(is_, islice(before, last), after)) else 0, len(before))


def _changed_items(path: str, before: Any, after: Any, keys: Iterable[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    for name, key in keys:
        if before[key] is not after[key]:
            yield from _changes(f"{path}/{name}", before[key], after[key])


def _added(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")

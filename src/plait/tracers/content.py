"""Inputs and outputs as JSON: bounded, with secrets masked, and with a tag in the place of what JSON cannot say.

Nothing of the value itself is kept or changed. Whatever is left out says so where it would have stood.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from plait.redaction import MASK, beginning, glimpse, is_secret_name, masked

__all__ = ["Json", "as_json", "named_json", "written"]

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

_DEPTH: Final = 32
_NAME: Final = 200  # characters of a key
_SMALL: Final = 8  # characters that a number counts for
_EXACT: Final = 2**53  # larger numbers are not the same in every reader of JSON
_BREAKS: Final = re.compile("[\x7f-\x9f\u2028\u2029]")
_PLAIN: Final = (UUID, PurePath, Decimal, timedelta)


def as_json(value: Any, limit: int | None) -> Json:
    """The value as JSON of about ``limit`` characters (None: all of it); never raises."""
    return _Copy(limit).of(value, 0)


def named_json(name: object, value: Any, limit: int | None) -> Json:
    """As ``as_json``, for a value that has a name, which may say that it is a secret."""
    return _Copy(limit).named(name, value, 0)


def written(value: Any) -> str:
    """JSON as one line of text that no terminal obeys and every encoding can hold."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = _BREAKS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")  # half of a surrogate pair is written \udxxx


class _Copy:
    """One copy in the making; ``left`` is how many characters it may yet have."""

    def __init__(self, limit: int | None) -> None:
        self.left: float = math.inf if limit is None else limit

    def of(self, value: Any, depth: int) -> Json:
        try:
            return self._of(value, depth) if depth < _DEPTH else self.text(glimpse(value))
        except Exception:
            return self.tagged(value)

    def _of(self, value: Any, depth: int) -> Json:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, Mapping):
            return self.object(cast("Mapping[Any, Any]", value).items(), len(cast("Mapping[Any, Any]", value)), depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self.array(cast("list[Any]", value), depth)
        if isinstance(value, Enum):
            return self.of(value.value, depth + 1)
        return self._of_class(value, depth)

    def _of_class(self, value: Any, depth: int) -> Json:
        if isinstance(value, Real):
            return self.number(value)
        if isinstance(value, _PLAIN):
            return self.text(str(value))
        if isinstance(value, date | time):
            return self.text(value.isoformat())
        if hasattr(value, "get_secret_value"):
            return MASK
        fields = _fields_of(value)
        return self.tagged(value) if fields is None else self.object(fields.items(), len(fields), depth)

    def text(self, text: str) -> str:
        room = int(min(self.left, len(text)))
        shown = masked(text) if room == len(text) else beginning(text, room)
        self.left -= len(shown)
        return shown if room == len(text) else f"{shown} [{len(text):,} characters in all]"

    def number(self, value: Any) -> Json:
        self.left -= _SMALL
        if isinstance(value, Integral):
            whole = int(value)
            return whole if -_EXACT <= whole <= _EXACT else glimpse(whole)
        real = float(value)
        return real if math.isfinite(real) else str(real)

    def object(self, items: Iterable[tuple[Any, Any]], count: int, depth: int) -> Json:
        copied: dict[str, Json] = {}
        for key, value in items:
            if self.left <= 0:
                return {**copied, "…": f"{count - len(copied):,} more"}
            name = beginning(key, _NAME) if isinstance(key, str) else glimpse(key, _NAME)
            self.left -= len(name)
            copied[name] = self.named(key, value, depth)
        return copied

    def named(self, name: Any, value: Any, depth: int) -> Json:
        if is_secret_name(name) and not (value is None or value is True or value is False):
            return MASK
        return self.of(value, depth + 1)

    def array(self, values: Any, depth: int) -> Json:
        if _is_header(values):
            return [self.of(values[0], depth + 1), self.named(values[0], values[1], depth)]
        copied: list[Json] = []
        for value in values:
            if self.left <= 0:
                return [*copied, f"… [{len(values) - len(copied):,} more]"]
            copied.append(self.of(value, depth + 1))
        return copied

    def tagged(self, value: Any) -> Json:
        kind = cast("type[Any]", type(value))
        shown = glimpse(value)
        self.left -= len(shown)
        return {"type": f"{kind.__module__}.{kind.__qualname__}", "repr": shown}


def _is_header(values: Any) -> bool:
    """Whether it is a name and a value, as headers are often written."""
    return isinstance(values, tuple) and len(cast("tuple[Any]", values)) == 2 and isinstance(values[0], str | bytes)


# ------------------------------------------------------------------------------------------------- objects with fields


def _fields_of(value: Any) -> Mapping[str, Any] | None:
    """What a pydantic model or a dataclass consists of, but for what is as by default, or is kept out of its repr."""
    kind = cast("type[Any]", type(value))
    if hasattr(kind, "__pydantic_fields__"):
        return _dumped(value) if _serializes_itself(kind) else _fields_of_model(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name, field in kind.__dataclass_fields__.items() if field.repr}
    return None


def _fields_of_model(model: Any) -> Mapping[str, Any]:
    fields: dict[str, Any] = model.__pydantic_fields__
    present: dict[str, Any] = {
        name: vars(model)[name] for name in fields if name in vars(model) and not fields[name].exclude
    }
    said = {name: value for name, value in present.items() if name == "type" or not _is_default(fields[name], value)}
    return {**said, **(model.__pydantic_extra__ or {})}


def _is_default(field: Any, value: Any) -> bool:
    if field.default_factory in (dict, list):
        return not value
    return value is None or (isinstance(value, str | bool | int | float) and value == field.default)


def _serializes_itself(kind: Any) -> bool:
    """Whether its author said how it is to be written, which may be to hide something."""
    own = kind.__pydantic_decorators__
    marks = (type(mark).__name__ for field in kind.__pydantic_fields__.values() for mark in field.metadata)
    return bool(own.field_serializers or own.model_serializers) or any(name.endswith("Serializer") for name in marks)


def _dumped(model: Any) -> Mapping[str, Any]:
    dumped = model.model_dump(mode="json", fallback=glimpse, warnings=False)
    return cast("Mapping[str, Any]", dumped if isinstance(dumped, Mapping) else {"value": dumped})

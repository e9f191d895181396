"""Filters as conditions of PostgreSQL on a column of JSONB; pure.

Keys and values become parameters, never part of the text. Every condition is true or false, never NULL, so that ``NOT``
means what it means in Python. What PostgreSQL cannot hold is no error here: no document has it.
"""

from __future__ import annotations

import json
from math import isfinite, isnan
from typing import Any, Final, cast

from plait.errors import StoreError
from plait.vectorstores.filters import All, Any_, Condition, Not, Test

__all__ = ["compiled", "is_storable", "json_text"]

Compiled = tuple[str, list[Any]]


def compiled(condition: Condition) -> Compiled:
    """The condition on the column ``metadata``, and its parameters in the order of their places."""
    match condition:
        case Test(key, operator, operand):
            return _test(key, operator, operand)
        case All(parts):
            return _joined(parts, " AND ", "true")
        case Any_(parts):
            return _joined(parts, " OR ", "false")
        case Not(part):
            text, parameters = compiled(part)
            return f"NOT {text}", parameters


def _joined(parts: tuple[Condition, ...], word: str, empty: str) -> Compiled:
    made = [compiled(part) for part in parts]
    text = word.join(text for text, _ in made) or empty
    return f"({text})", [parameter for _, parameters in made for parameter in parameters]


_COMPARED: Final = {
    "$eq": "coalesce(metadata -> %s = %s::jsonb, false)",
    "$ne": "coalesce(metadata -> %s <> %s::jsonb, true)",
    "$in": "coalesce(metadata -> %s = ANY(%s::jsonb[]), false)",
    "$nin": "NOT coalesce(metadata -> %s = ANY(%s::jsonb[]), false)",
}
_ORDERED: Final = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def _test(key: str, operator: str, operand: Any) -> Compiled:
    if not is_storable(key):  # so no document has it
        passes = not operand if operator == "$exists" else operator in ("$ne", "$nin")
        return str(passes).lower(), []
    if operator == "$exists":
        return f"(metadata -> %s IS {'NOT NULL' if operand else 'NULL'})", [key]
    if operator in _ORDERED:
        return _ordered(key, _ORDERED[operator], operand)
    if operator in ("$in", "$nin"):
        return _COMPARED[operator], [key, [json_text(each) for each in operand if is_storable(each)]]
    if not is_storable(operand):  # so no document has it
        return str(operator == "$ne").lower(), []
    return _COMPARED[operator], [key, json_text(operand)]


def _ordered(key: str, sign: str, operand: Any) -> Compiled:
    if isinstance(operand, float) and isnan(operand):  # which nothing is greater or less than
        return "false", []
    if isinstance(operand, str):
        kind, value, place = "string", '(metadata ->> %s) COLLATE "C"', "%s"  # which goes by code point
        sign, operand = _split(sign, operand)
    else:
        kind, value, place = "number", "(metadata ->> %s)::numeric", "%s::numeric"
        operand = _digits(operand)
    text = f"CASE WHEN jsonb_typeof(metadata -> %s) = '{kind}' THEN {value} {sign} {place} ELSE false END"
    return text, [key, key, operand]


def _split(sign: str, text: str) -> tuple[str, str]:
    """The same order among what can be stored, with a text that can be: it is cut before what cannot."""
    place = next((place for place, character in enumerate(text) if not is_storable(character)), None)
    if place is None:
        return sign, text
    if text[place] == "\0":  # less than what follows in any other text, so the cut text alone is less than the whole
        return (">", text[:place]) if ">" in sign else ("<=", text[:place])
    return (">=", text[:place] + "\ue000") if ">" in sign else ("<", text[:place] + "\ue000")  # the next after them


def _digits(number: float) -> str:
    try:
        return repr(number)
    except ValueError:  # more digits than Python writes, and than documents can have
        return "Infinity" if number > 0 else "-Infinity"


def is_storable(value: Any) -> bool:
    """Whether PostgreSQL can hold that JSON: no NUL, no half of a surrogate pair, no number without end."""
    if isinstance(value, str):
        return "\0" not in value and (value.isascii() or _is_unicode(value))
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(is_storable(key) and is_storable(part) for key, part in cast("dict[str, Any]", value).items())
    return not isinstance(value, list) or all(map(is_storable, cast("list[Any]", value)))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def json_text(value: Any) -> str:
    """The value as JSON; raises StoreError for one that PostgreSQL's JSON cannot hold."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"metadata, and what it is compared with, must be what JSON can hold: {error}") from error

"""Filters as conditions of PostgreSQL on a column of JSONB; pure.

Keys and values become parameters, never part of the text. Every condition is true or false, never NULL, so that ``NOT``
means what it means in Python.
"""

from __future__ import annotations

import json
from math import isnan
from typing import Any, Final

from plait.errors import StoreError
from plait.vectorstores.filters import All, Any_, Condition, Not, Test

__all__ = ["compiled", "json_text"]

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
    _check_text(key)
    if operator == "$exists":
        return f"(metadata -> %s IS {'NOT NULL' if operand else 'NULL'})", [key]
    if operator in _ORDERED:
        return _ordered(key, _ORDERED[operator], operand)
    value = json_text(operand) if operator in ("$eq", "$ne") else [json_text(each) for each in operand]
    return _COMPARED[operator], [key, value]


def _ordered(key: str, sign: str, operand: Any) -> Compiled:
    if isinstance(operand, str):
        _check_text(operand)
        kind, value, place = "string", '(metadata ->> %s) COLLATE "C"', "%s"  # which goes by code point
    else:
        kind, value, place = "number", "(metadata ->> %s)::numeric", "%s::numeric"
        if isinstance(operand, float) and isnan(operand):  # which nothing is greater or less than
            return "false", []
    text = f"CASE WHEN jsonb_typeof(metadata -> %s) = '{kind}' THEN {value} {sign} {place} ELSE false END"
    return text, [key, key, operand if isinstance(operand, str) else repr(operand)]


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StoreError("a filter holds half of a surrogate pair, which PostgreSQL cannot read") from None


def json_text(value: Any) -> str:
    """The value as JSON; raises StoreError for one that PostgreSQL's JSON cannot hold."""
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"metadata, and what it is compared with, must be what JSON can hold: {error}") from error

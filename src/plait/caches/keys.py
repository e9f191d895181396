"""What a request to a model is, as text: everything that changes the answer, and nothing else.

The text is JSON with sorted keys. What JSON cannot say is written as an object with the key ``"!"``, and a dict that
has such a key itself, or keys that are no text, as such an object, too; so different values never have the same text.
What has no such form (a function, a client, an iterator) raises ``Unkeyable``: a request that cannot be told from
others is not kept, which costs a call, where a wrong key would cost a wrong answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel, SecretBytes, SecretStr

from plait.messages import MESSAGES, BaseMessage, message_chunk_to_message
from plait.redaction import is_secret_name

__all__ = ["Unkeyable", "digest", "prompt_text", "request_text"]

_FORMAT: Final = 1
"""Counts up when equal requests get another text, so that nobody reads an answer by a key of another meaning."""

_DEEPEST: Final = 100  # containers in containers; what is deeper is hostile, or contains itself

_BESIDE: Final = frozenset(("id", "response_metadata", "usage_metadata", "artifact"))
"""What a message carries along and no model is told."""

_HEADERS: Final = frozenset(("default_headers", "extra_headers"))


class Unkeyable(Exception):
    """Something in a request has no canonical form; says what, and where."""


def prompt_text(prompt: str | Sequence[BaseMessage]) -> str:
    """A prompt as text: a text is itself."""
    return prompt if isinstance(prompt, str) else _text([_form(message, "messages", 0) for message in prompt])


def request_text(model: BaseModel, kwargs: Mapping[str, Any]) -> str:
    """Everything but the prompt: which model, its settings, the arguments of the call that are not None."""
    kind = type(model)
    call = {name: value for name, value in kwargs.items() if value is not None}
    return _text(
        {"v": _FORMAT, "model": _name(kind), "fields": _settings(model, 0), "call": _dict_form(call, "call", 0)}
    )


def digest(*texts: str) -> bytes:
    """32 bytes that stand for these texts: SHA-256, with the length of each before it, so that none runs into the next.

    Nobody knows two inputs that have the same one (FIPS 180-4), and it does not tell what the texts say.
    """
    from hashlib import sha256

    total = sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        total.update(len(data).to_bytes(8, "big"))
        total.update(data)
    return total.digest()


def _text(form: Any) -> str:
    try:
        return json.dumps(form, sort_keys=True, separators=(",", ":"))
    except ValueError as error:  # a number that is too long to be written out
        raise Unkeyable(str(error)) from None


def _name(kind: type[Any]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _class_of(value: object) -> type[Any]:
    return type(value)


# -------------------------------------------------------------------------------------------------------------- models


def _settings(model: BaseModel, depth: int) -> dict[str, Any]:
    """The fields of a model, but for those that its classes name as of no consequence (``_unasked``).

    A field that is left out of dumps may hold something that has no form, such as a client: it is then left out here.
    """
    kind = type(model)
    unasked = {name for base in kind.__mro__ for name in vars(base).get("_unasked", ())}
    forms: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        if name not in unasked:
            try:
                forms[name] = _value_form(name, getattr(model, name), name, depth + 1)
            except Unkeyable:
                if not field.exclude:
                    raise
    return {**forms, **_dict_form(model.model_extra or {}, "extra", depth + 1)}


def _model_form(value: BaseModel, where: str, depth: int) -> Any:
    return {"!": "model", "class": _name(type(value)), "fields": _settings(value, depth)}


def _message_form(value: BaseMessage, where: str, depth: int) -> Any:
    message = message_chunk_to_message(value)
    kind = type(message)
    said = {name: getattr(message, name) for name in kind.model_fields if name not in _BESIDE}
    form = _dict_form({**said, **(message.model_extra or {})}, where, depth)
    return form if kind in MESSAGES else {"!": "message", "class": _name(kind), "fields": form}


def _class_form(value: Any, where: str, depth: int) -> Any:
    if not issubclass(value, BaseModel):
        raise Unkeyable(f"{where} is a class, {value.__qualname__}, which may change without changing its name")
    try:
        return {"!": "class", "name": _name(value), "schema": _form(value.model_json_schema(), where, depth + 1)}
    except Exception as error:
        raise Unkeyable(f"{where} is a class without a JSON Schema: {type(error).__name__}") from None


# ---------------------------------------------------------------------------------------------------------- any values


def _form(value: Any, where: str, depth: int) -> Any:
    """The value as JSON can say it."""
    kind = _class_of(value)
    if value is None or kind in (str, int, bool, float):
        return value
    if depth > _DEEPEST:
        raise Unkeyable(f"{where} is nested more than {_DEEPEST} levels deep")
    for known, form in _FORMS:
        if isinstance(value, known):
            return form(value, where, depth)
    if is_dataclass(value):
        held = {field.name: getattr(value, field.name) for field in dataclass_fields(value)}
        return {"!": "dataclass", "class": _name(kind), "fields": _dict_form(held, where, depth)}
    raise Unkeyable(f"{where} is of type {kind.__qualname__}, which has no form that can be compared later")


def _value_form(name: Any, value: Any, where: str, depth: int) -> Any:
    """The value that stands under a name, which may tell that it is a secret."""
    if name in _HEADERS and isinstance(value, Mapping):
        return _headers_form(cast("Mapping[str, Any]", value))
    if isinstance(value, str) and value and is_secret_name(name):
        return _hidden("secret", value)
    return _form(value, where, depth)


def _headers_form(headers: Mapping[str, Any]) -> Any:
    """Headers may change the answer and may be secret: no value is shown, and those that sign a request do not count."""
    return {str(name).lower(): _hidden("header", str(value)) for name, value in headers.items() if not _signs(name)}


def _signs(name: Any) -> bool:
    return is_secret_name(str(name))


def _hidden(kind: str, text: str) -> Any:
    return {"!": kind, "sha256": digest(text).hex()}


def _dict_form(value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
    items = [
        (name, _value_form(name, held, f"{where}[{name!r}]" if depth else f"{where} {name!r}", depth + 1))
        for name, held in value.items()
    ]
    if all(type(name) is str and not name.startswith("!") for name, _ in items):
        return dict(items)
    pairs = [[_form(name, f"a key of {where}", depth + 1), form] for name, form in items]
    return {"!": "dict", "items": sorted(pairs, key=_text)}


def _list_form(value: Any, where: str, depth: int) -> Any:
    return [_form(held, f"{where}[{index}]", depth + 1) for index, held in enumerate(value)]


def _set_form(value: Any, where: str, depth: int) -> Any:
    return {"!": "set", "items": sorted((_form(held, where, depth + 1) for held in value), key=_text)}


def _enum_form(value: Any, where: str, depth: int) -> Any:
    return {"!": "enum", "class": _name(_class_of(value)), "name": value.name}


def _bytes_form(value: Any, where: str, depth: int) -> Any:
    return {"!": "bytes", "hex": bytes(value).hex()}


def _secret_form(value: Any, where: str, depth: int) -> Any:
    secret = value.get_secret_value()
    return _hidden("secret", secret if isinstance(secret, str) else secret.hex())


def _text_form(value: Any, where: str, depth: int) -> Any:
    return {"!": "text", "class": _name(_class_of(value)), "text": str(value)}


def _exactly(kind: Callable[[Any], Any]) -> Callable[[Any, str, int], Any]:
    """For what only adds a name to a plain value, such as a member of a str Enum: the plain value."""

    def form(value: Any, where: str, depth: int) -> Any:
        return kind(value)

    return form


def _each_form() -> Iterator[tuple[Any, Callable[[Any, str, int], Any]]]:
    yield str, _exactly(str.__str__)
    yield int, _exactly(int.__int__)
    yield float, _exactly(float.__float__)
    yield Enum, _enum_form
    yield BaseMessage, _message_form
    yield BaseModel, _model_form
    yield type, _class_form
    yield Mapping, _dict_form
    yield (list, tuple), _list_form
    yield (set, frozenset), _set_form
    yield (bytes, bytearray), _bytes_form
    yield (SecretStr, SecretBytes), _secret_form
    yield (date, time, timedelta, UUID, Decimal, PurePath), _text_form


_FORMS: Final = tuple(_each_form())
"""How values are written that are not JSON already; the first that fits."""

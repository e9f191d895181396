"""What neither direction does, whatever the classes would take: it would have a text decide what only a program may."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from plait.errors import LoadError
from plait.redaction import is_secret_name

__all__ = ["reached_by", "refuse"]

_FIELDS: Final = ("ConfigurableField", "ConfigurableFieldSingleOption", "ConfigurableFieldMultiOption")


def refuse(name: str, state: Mapping[str, Any]) -> None:
    """Raise LoadError for settings, of a class of the table or (without a name) of another, that no text may have."""
    if state.get("is_separator_regex"):
        raise LoadError(
            "its separators are regular expressions, which can run for ever: build it where you load, and give it as "
            "functions={'name': it} here and to loads"
        )
    if name == "RunnableConfigurableFields":
        _refuse_addresses(state)
    if name in _FIELDS and is_secret_name(state.get("id")):
        raise LoadError(
            f"what is configured as {state['id']!r:.80} may be a secret, which a text could have put into a prompt: call it "
            "something else, or make it configurable where you load"
        )


def reached_by(cls: type[Any]) -> Mapping[str, str]:
    """The fields of a model that say what it reaches, and what it would do there."""
    remote = {"base_url": "send prompts, and its key, to"} if hasattr(cls, "_ADDRESS") else {}
    local = any(each.__name__ == "ChatLocal" for each in cls.__mro__)
    return {**remote, "model": "have llama.cpp read the file"} if local else remote


def _refuse_addresses(state: Mapping[str, Any]) -> None:
    cls, fields = cast("type[Any]", type(state.get("default"))), state.get("fields")
    if not hasattr(cls, "_ADDRESS") or not isinstance(fields, Mapping):
        return
    aliases: Mapping[Any, Any] = getattr(cls, "_ALIASES", {})
    named = {aliases.get(name, name) for name in cast("Mapping[Any, Any]", fields)}
    if named & {"api_key", "default_headers", *reached_by(cls)}:
        raise LoadError(
            "a saved chain cannot make the address or the key of a model configurable: do so where you load"
        )

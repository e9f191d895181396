"""What is secret in the settings of a model or of a bound step: written as a name, and given by who loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from pydantic import SecretStr

from plait.redaction import is_secret_name

__all__ = ["Secret", "is_secret_place", "name_of_secret", "without_secrets"]


class Secret(NamedTuple):
    """A secret on its way into a tree, where only its name arrives."""

    name: str
    value: object


def name_of_secret(cls: type[Any], field: str) -> str:
    """What the secret in a field is called: as the variable of the environment that the class looks for, if it does."""
    names: Any = getattr(cls, "_ENVIRONMENT", {}).get(field)
    return names[0] if names else field.upper().replace("-", "_")


def is_secret_place(key: object) -> bool:
    """Whether a secret may stand under this key."""
    return is_secret_name(key)


def without_secrets(value: Any, name: str) -> Any:
    """The value, with a Secret for what is one by its type, or by the key that it stands under."""
    if isinstance(value, SecretStr):
        return Secret(name, value.get_secret_value())
    if isinstance(value, Mapping):
        held = cast("Mapping[Any, Any]", value)
        return {key: _under(key, each) for key, each in held.items()}
    return value


def _under(key: Any, value: Any) -> Any:
    name = str(key).upper().replace("-", "_")
    return (
        Secret(name, value) if is_secret_name(key) and isinstance(value, str | bytes) else without_secrets(value, name)
    )

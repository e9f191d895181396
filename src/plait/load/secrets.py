"""What is secret in the settings of a model or of a bound step: written as a name, and given by who loads it.

Both directions ask the same questions of a place, so what is written as a name is read only as a name: a key that stands in
a text as it is may be that of another, in whose account all that is asked would be kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast, get_args

from pydantic import SecretBytes, SecretStr

from plait.load.envelope import Place
from plait.redaction import is_secret_name, masked

__all__ = ["Given", "Holder", "Secret"]


class Secret(NamedTuple):
    """A secret on its way into a tree, where only its name arrives."""

    name: str
    value: object


class Given(NamedTuple):
    """A secret on its way out of a tree, which the loading program has given."""

    value: object


class Holder(NamedTuple):
    """An object that may have secrets in its settings, and where it is."""

    cls: type[Any]
    place: Place

    def may_hold(self, place: Place) -> bool:
        """Whether a secret may stand at a place in its settings: under such a name, or in a field of such a type."""
        return is_secret_name(_key(place)) or (self._is_field(place) and _is_secret_field(self.cls, place.step))

    def veiled(self, value: Any, place: Place) -> Any:
        """A text or bytes of its settings as a Secret, if they are one; raises LoadError for one under another name."""
        if self.may_hold(place):
            return Secret(self.name(place), value)
        if hasattr(self.cls, "_ADDRESS") and isinstance(value, str) and masked(value) != value:
            raise place.error(
                "this looks like a secret, and its name does not say so: leave it out, and set it in the loading program"
            )
        return value

    def opened(self, value: Any, place: Place) -> Any:
        """A value that was read; raises LoadError for a secret that the loading program has not given."""
        if type(value) is Given:
            return value.value
        if isinstance(value, str | bytes) and self.may_hold(place):
            raise place.error(
                f"a secret stands here as it is: have its name here, {{'$plait': '1/secret', 'name': {self.name(place)!r}}}, "
                "and pass it in secrets={...}"
            )
        return value

    def name(self, place: Place) -> str:
        """What the secret there is called: as the variable of the environment that the class looks for, if it does."""
        key = _key(place)
        names: Any = getattr(self.cls, "_ENVIRONMENT", {}).get(key) if self._is_field(place) else None
        return cast("str", names[0]) if names else str(key).upper().replace("-", "_")

    def _is_field(self, place: Place) -> bool:
        return place.above is self.place


def _key(place: Place) -> object:
    """The nearest name; what stands in a list is called like the list."""
    while isinstance(place.step, int) and place.above is not None:
        place = place.above
    return place.step


def _is_secret_field(cls: type[Any], name: object) -> bool:
    field: Any = getattr(cls, "model_fields", {}).get(name)
    return field is not None and _mentions_secret(field.annotation)


def _mentions_secret(annotation: Any) -> bool:
    return annotation in (SecretStr, SecretBytes) or any(map(_mentions_secret, get_args(annotation)))

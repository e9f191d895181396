"""What the models of plain data have in common: when they are built, their defaults, a ``repr`` without these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from pydantic import VERSION, BaseModel, ConfigDict
from pydantic.fields import FieldInfo

# Built when first used: an import should not pay for models that a program never makes. Before pydantic 2.14 a first
# use in two threads at once could meet a half-built model (https://github.com/pydantic/pydantic/pull/13438).
DEFERRED = ConfigDict(defer_build=tuple(map(int, VERSION.split(".")[:2])) >= (2, 14))

_UNCHANGING = (type(None), str, bool, int, float)


def default_of(field: FieldInfo) -> Any:
    """Give the default of a field, a new one if it can be changed."""
    if field.default_factory in (dict, list):  # pydantic would inspect the factory's signature at every call
        return cast(Any, field.default_factory)()
    if field.default_factory is None and field.default.__class__ in _UNCHANGING:
        return field.default
    return field.get_default(call_default_factory=True, validated_data={})


class ShortRepr(BaseModel):
    """A model whose ``repr`` shows what is required and what is not as by default."""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        fields = type(self).__pydantic_fields__
        for name, value in super().__repr_args__():
            field = fields.get(name or "")
            if name == "content" or field is None or value != default_of(field):
                yield name, value

"""What can stand in a file as it is: the values of JSON, and nothing that would come back as something else."""

from __future__ import annotations

from math import isfinite
from typing import Any, Final, TypeGuard, cast

from plait.errors import LoadError

__all__ = ["bounded", "is_dict", "is_list", "plain", "refuse_other"]

_DEEPEST: Final = 100


def plain(value: Any, where: str, depth: int = 0) -> Any:
    """The value, if a file can hold it; raises LoadError, which says where it stands, for any other."""
    if depth > _DEEPEST:
        raise LoadError(f"{where} cannot be saved: it is nested more than {_DEEPEST} deep")
    kind = cast("type[Any]", type(value))  # of a subclass the file would not tell
    if value is None or kind in (str, bool, int) or (kind is float and isfinite(value)):
        return value
    if kind is list and is_list(value):
        return [plain(item, f"{where}[{index}]", depth + 1) for index, item in enumerate(value)]
    if kind is dict and is_dict(value) and all(type(key) is str for key in value):
        return {key: plain(item, f"{where}.{key}", depth + 1) for key, item in value.items()}
    raise LoadError(
        f"{where} cannot be saved: it is {_kind(value)}, and a file holds text, numbers, true, false, null, lists and dicts "
        "with text for keys. Leave it out, and give it to the prompt that was loaded, with partial()"
    )


def bounded(value: Any, where: str) -> Any:
    """The value; raises LoadError if it is nested deeper than what can be saved."""
    if _is_deep(value, _DEEPEST):
        raise LoadError(f"{where}: it is nested more than {_DEEPEST} deep")
    return value


def _is_deep(value: Any, left: int) -> bool:
    held = value.values() if is_dict(value) else value if is_list(value) else ()
    return left < 0 or any(_is_deep(each, left - 1) for each in held)


def _kind(value: Any) -> str:
    if callable(value):
        return "a function"
    return f"{value}" if isinstance(value, float) else f"a {type(value).__name__}"


def is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether it is a dict, of whatever."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list, of whatever."""
    return isinstance(value, list)


def refuse_other(prompt: object, kind: type) -> None:
    """Raise LoadError for a subclass, which would be loaded as what it derives from."""
    if type(prompt) is not kind:
        raise LoadError(
            f"{type(prompt).__name__} cannot be saved: it is a class of your own, and a file holds only the prompts of plait"
        )

"""TypedDicts with fields such as ``Annotated[int, 5, "how many"]``, in a form that pydantic reads; pure."""

from __future__ import annotations

from types import EllipsisType, UnionType
from typing import Annotated, Any, Final, Literal, NotRequired, Required, Union, get_args, get_origin

from pydantic import Field
from typing_extensions import ReadOnly, TypedDict, is_typeddict

from plait.signatures import resolve_hints

__all__ = ["described"]

_MARKS: Final = (Required, NotRequired, ReadOnly)
_PLAIN: Final = (bool, int, float, str, list, dict)


def described(kind: Any) -> Any:
    """The same type, with what is said of the fields of the TypedDicts in it where pydantic looks for it.

    They are those of ``typing_extensions``, which pydantic wants before CPython 3.12; each field says whether it is required.
    Behind the type of a field stands its description, ``Annotated[str, "the name"]``, or its default and its description:
    ``Annotated[int, 5, "how many"]``. A field with a default may be left out; ``...`` is no default.
    """
    return _described(kind, frozenset())


def _described(hint: Any, around: frozenset[Any]) -> Any:
    if is_typeddict(hint):
        return hint if hint in around else _typed_dict(hint, around | {hint})
    origin, old = get_origin(hint), get_args(hint)
    if origin is None or origin is Literal:
        return hint
    new: tuple[Any, ...] = tuple(_described(part, around) for part in old)
    if all(one is other for one, other in zip(old, new, strict=True)):
        return hint
    if origin in (Union, UnionType):
        return Union[new]  # noqa: UP007 - they are known at run time only
    return Annotated[new] if origin is Annotated else origin[new[0] if len(new) == 1 else new]


def _typed_dict(kind: Any, around: frozenset[Any]) -> Any:
    make: Any = TypedDict
    hints = resolve_hints(kind)
    made = make(kind.__name__, {name: _field(kind, name, hint, around) for name, hint in hints.items()})
    made.__doc__, made.__module__ = kind.__doc__, kind.__module__
    if hasattr(kind, "__pydantic_config__"):
        made.__pydantic_config__ = kind.__pydantic_config__
    return made


def _field(kind: Any, name: str, hint: Any, around: frozenset[Any]) -> Any:
    marks: set[Any] = set()
    while get_origin(hint) in _MARKS:
        marks.add(get_origin(hint))
        [hint] = get_args(hint)
    is_optional = NotRequired in marks or (Required not in marks and name in kind.__optional_keys__)
    about = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    said = _said(about)
    if said is None:
        made = _described(hint, around)
    else:
        made = Annotated[_described(get_args(hint)[0], around), Field(**said)]
        is_optional = is_optional or "json_schema_extra" in said
    return NotRequired[made] if is_optional else Required[made]


def _said(about: tuple[Any, ...]) -> dict[str, Any] | None:
    """What pydantic is to know of a field; None for what is said of it in another form."""
    match about:
        case (str(description),) | (EllipsisType(), str(description)):
            return {"description": description}
        case (EllipsisType(),):
            return {}
        case (default, str(description)) if default is None or isinstance(default, _PLAIN):
            return {"description": description, "json_schema_extra": {"default": default}}
        case _:
            return None

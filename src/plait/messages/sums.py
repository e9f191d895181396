"""Models that add up in constant time, and are what they are only when somebody looks.

A stream of n chunks is added up by n - 1 ``+``; were each sum a finished model, text would be copied n times over. So
``a + b`` only remembers its terms, and the first look at the sum (an attribute, a dump, ``==``, ``repr``, a pickle)
joins them all at once. Every such look goes through the instance's ``__dict__``, which is why the one property below
is enough. The terms are remembered as they are at the time of the ``+``: changing a chunk later does not change a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias, cast

from pydantic import BaseModel

from plait.errors import EmptyStreamError, MessageError
from plait.merging import EVERY_KEY, merge_all
from plait.messages.defaults import default_of

# What pydantic keeps in slots. The dict is the one that an instance really has, all fields there yet or not.
_fields_of: Any = vars(BaseModel)["__dict__"].__get__
_set_fields: Any = vars(BaseModel)["__dict__"].__set__
_names_of: Any = vars(BaseModel)["__pydantic_fields_set__"].__get__
_extra_of: Any = vars(BaseModel)["__pydantic_extra__"].__get__
_set_names: Any = vars(BaseModel)["__pydantic_fields_set__"].__set__
_set_extra: Any = vars(BaseModel)["__pydantic_extra__"].__set__
_set_private: Any = vars(BaseModel)["__pydantic_private__"].__set__

_TERMS = "+"  # the key of the terms in a dict whose fields are still to be joined; no field can have this name
_NUMBERS = (bool, int, float)

# The fields of one chunk, or a tuple of such terms.
_Term: TypeAlias = "dict[str, Any] | tuple[_Term, ...]"


def first(values: list[Any]) -> Any:
    """Join values that are the same in every chunk, or given once."""
    return values[0]


def last(values: list[Any]) -> Any:
    """Join values of which a later one replaces an earlier one."""
    return values[-1]


def join_facts(values: list[dict[str, Any]]) -> Any:
    """Join dicts of facts: lists and dicts grow, any text or number replaces the one before."""
    return merge_all(values, whole=EVERY_KEY)


def same(name: str, parts: list[Any]) -> Any:
    """Give the value that a field has in all parts; raises ``MessageError`` if they differ."""
    value = getattr(parts[0], name)
    for part in parts:
        if getattr(part, name) != value:
            raise MessageError(
                f"chunks of one {type(part).__name__} must have the same {name}, "
                f"but one has {value!r} and another {getattr(part, name)!r}"
            )
    return value


def sum_of(name: str, parts: list[Any]) -> Any:
    """Give the sum of the chunks that are the value of a field."""
    chunks = [getattr(part, name) for part in parts]
    kind = chunks[0].__class__
    return kind.__merge_all__(chunks) if {*map(type, chunks)} == {kind} else reduce(add, chunks)


class Summable(BaseModel):
    """A model whose instances are chunks: ``+`` takes constant time, ``__merge_all__`` time linear in its parts."""

    # How the values of a field are joined, for fields that ``merge_all`` would not join rightly.
    _joins: ClassVar[Mapping[str, Callable[[list[Any]], Any]]] = {}
    # How the values of a field are joined, for fields of which the sum cannot wait until somebody looks.
    _joins_at_once: ClassVar[Mapping[str, Callable[[str, list[Any]], Any]]] = {}
    # Fields that are made from the others, when looked at.
    _late: ClassVar[tuple[str, ...]] = ()
    # What model_construct needs to know: the fields that it may be given (none, if it may not take its shortcut),
    # and whether there may be others. Asking the class for each would take half of its time.
    _shortcut: ClassVar[tuple[frozenset[str], bool]]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        names = () if cls.__pydantic_post_init__ else cls.__pydantic_fields__
        cls._shortcut = frozenset(names).difference(cls._late), cls.model_config.get("extra") == "allow"

    def __add__(self, other: object) -> Self:
        kind = type(self)
        if type(other) is not kind:
            common = _common_class(self, other)
            if common is None:
                return NotImplemented
            kind = common
        return cast(Self, _sum(kind, [self, other]))

    @classmethod
    def __merge_all__(cls, parts: Iterable[Self]) -> Self:
        chunks = list(parts)
        if not chunks:
            raise EmptyStreamError(f"expected at least one {cls.__name__} to add up, but there is none")
        return chunks[0] if len(chunks) == 1 else _sum(cls, chunks)

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """Make a chunk from values that are known to be right, without checking them.

        Several times as fast as the class itself: meant for a provider that makes a chunk per token.
        """
        names, is_open = cls._shortcut
        if not names.issuperset(values):
            if values.keys().isdisjoint(cls._late):
                return super().model_construct(_fields_set, **values)
            return cls.model_construct(_fields_set, **cls._without_late(values))
        # A sum of one term, of which the fields that were given can be read at once.
        given = {*values} if _fields_set is None else _fields_set
        return cast(Self, new_instance(cls, {**values, _TERMS: values}, given, {} if is_open else None, None))

    @classmethod
    def _make_late(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Give the values of the ``_late`` fields, made from the other fields."""
        raise NotImplementedError(f"{cls.__name__} has late fields but does not say how they are made")

    @classmethod
    def _without_late(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Give the values that ``_late`` fields can be made from again."""
        return {name: value for name, value in values.items() if name not in cls._late}

    def _forget_late(self) -> None:
        fields: dict[str, Any] = _fields_of(self)
        for name in self._late:
            fields.pop(name, None)

    if not TYPE_CHECKING:  # a checker should go on reporting attributes that do not exist

        @property
        def __dict__(self) -> dict[str, Any]:
            return _look(self)

        @__dict__.setter
        def __dict__(self, fields: dict[str, Any]) -> None:
            _set_fields(self, fields)

        def __getattr__(self, name: str) -> Any:
            # Asked only for what the stored dict lacks.
            field = type(self).__pydantic_fields__.get(name)
            if field is None:
                return super().__getattr__(name)
            if field.default is None and type(_fields_of(self).get(_TERMS)) is dict:
                return None  # not given to model_construct, and no reason to make all the others
            fields = _look(self, name)
            return fields[name] if name in fields else super().__getattr__(name)


def _look(chunk: Any, name: str | None = None) -> dict[str, Any]:
    """Give the fields of a chunk, joined and made as far as ``name`` needs, all of them without a name."""
    # Never half done: another thread that looks meanwhile sees the old dict or the new one.
    kind = chunk.__class__
    fields: dict[str, Any] = _fields_of(chunk)
    if _TERMS in fields:
        fields = _joined(kind, fields)
        _set_fields(chunk, fields)
    late = kind._late
    if late and late[0] not in fields and (name is None or name in late):
        fields = {**fields, **kind._make_late(fields)}
        _set_fields(chunk, fields)
    return fields


def new_instance(kind: type[Any], fields: dict[str, Any], names: set[str], extra: Any, private: Any) -> Any:
    """Make a model of what pydantic keeps for it, unchecked."""
    chunk = object.__new__(kind)
    _set_fields(chunk, fields)
    _set_names(chunk, names)
    _set_extra(chunk, extra)
    _set_private(chunk, private)
    return chunk


def _sum(kind: type[Any], parts: list[Any]) -> Any:
    joins = kind._joins_at_once
    fields: dict[str, Any] = {name: join(name, parts) for name, join in joins.items()} if joins else {}
    fields[_TERMS] = tuple(map(_term, parts))
    extras = [*filter(None, map(_extra_of, parts))]
    extra: Any = dict(merge_all(extras)) if extras else None if _extra_of(parts[0]) is None else {}
    private = parts[0].__pydantic_private__
    names = set[str]().union(*map(_names_of, parts))
    return new_instance(kind, fields, names, extra, private and private.copy())


def _term(chunk: Any) -> _Term:
    fields: dict[str, Any] = _fields_of(chunk)
    term: _Term = fields.get(_TERMS, fields)
    if isinstance(term, tuple):
        return term
    return {
        name: value if value.__class__ is str else _own(value)
        for name, value in term.items()
        if value or value.__class__ in _NUMBERS
    }


def _own(value: Any) -> Any:
    return value.copy() if value.__class__ in (dict, list) else value


def _leaves(term: _Term) -> list[dict[str, Any]]:
    leaves: list[dict[str, Any]] = []
    stack = [term]
    while stack:
        term = stack.pop()
        if isinstance(term, tuple):
            stack.extend(term)
        else:
            leaves.append(term)
    leaves.reverse()
    return leaves


def _joined(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    leaves = _leaves(given[_TERMS])
    fields: dict[str, Any] = {}
    for name, field in kind.__pydantic_fields__.items():
        if name in given:
            fields[name] = given[name]
        elif name not in kind._late:
            values = [leaf[name] for leaf in leaves if name in leaf]
            fields[name] = _own(kind._joins.get(name, merge_all)(values)) if values else default_of(field)
    return fields


def _common_class(a: object, b: object) -> Any:
    """Give the more special of the two classes, None if neither is the other's subclass."""
    if isinstance(a, type(b)):
        return type(a)
    return type(b) if isinstance(b, type(a)) else None

"""Which outputs can certainly never be an input, and that certainty is never misplaced."""

# ruff: noqa: SLOT000, UP007, UP044, UP045 - old spellings are among what is tested

from __future__ import annotations

import abc
import enum
import itertools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence, Sized
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    LiteralString,
    NamedTuple,
    NewType,
    NoReturn,
    Optional,
    Protocol,
    TypedDict,
    TypeVar,
    TypeVarTuple,
    Union,
    Unpack,
    final,
    runtime_checkable,
)
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, ConfigDict, InstanceOf, RootModel, SecretStr, TypeAdapter, ValidationError

from plait.fit import mismatch, type_name

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
Number = NewType("Number", int)
Json = typing_extensions.TypeAliasType("Json", Union[dict[str, "Json"], str, None])
Endless = typing_extensions.TypeAliasType("Endless", tuple["Endless"])


class Plain:
    """A class of a user."""


class Unrelated: ...


class Derived(Plain): ...


class PlainText(Plain, str):
    """Proof that a Plain may be a str."""


class Text(str): ...


class Box(Generic[T]): ...


@final
class Final:
    """Nobody derives from this."""


class Model(BaseModel):
    x: int


class Other(BaseModel):
    y: int


@final
class FinalModel(BaseModel):
    y: int


class Root(RootModel[str]): ...


@dataclass
class Point:
    x: int


class Pair(NamedTuple):
    left: int
    right: str


class Keys(typing_extensions.TypedDict):
    x: int


class TypingKeys(TypedDict):
    x: int


class Colour(enum.Enum):
    RED = "red"


class Shade(enum.StrEnum):
    DARK = "dark"


class Level(enum.IntEnum):
    LOW = 1


@runtime_checkable
class Walks(Protocol):
    def walk(self) -> None: ...


class Anything(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True


class Welcoming(metaclass=Anything): ...


class Hooked(abc.ABC):  # noqa: B024 - what it asks for is in the hook
    @classmethod
    def __subclasshook__(cls, subclass: type) -> bool:
        return hasattr(subclass, "walk")


class Inherits(Hooked): ...


class Custom:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(str)


class Broken(type):
    def __subclasscheck__(cls, subclass: type) -> bool:
        raise RuntimeError


class Refusing(metaclass=Broken): ...


APART: list[tuple[Any, Any]] = [
    (int, str),
    (str, int),
    (bool, str),
    (None, str),
    (str, None),
    (bytes, str),
    (dict, str),
    (list, dict),
    (list, tuple),
    (set, frozenset),
    (str | None, int | list[Any]),
    (Optional[str], dict[str, Any]),
    (Union[int, str], bytes),
    (dict[str, Any], str | Model | Sequence[Model]),
    (Annotated[int, "metadata"], str),
    (Number, str),
    (str, Number),
    (Literal["a", "b"], int),
    (int, Literal["a"]),
    (LiteralString, int),
    (Json, int),
    (Keys, str),
    (TypingKeys, str),
    (str, Keys),
    (list[Any], Keys),
    (Text, int),
    (Text, Level),
    (Shade, int),
    (Point, str),
    (Model, dict),
    (dict, Model),
    (Model, Keys),
    (str, Model),
    (int, Box[int]),
    (str, Unrelated),
    (FinalModel, Model),
    (Final, Unrelated),
    (Unrelated, Final),
    (Final, Iterable[int]),
    (None, Iterable[int]),
    (None, Callable[[], int]),
    (bool, Sized),
    (Mapping[str, int], list[int]),
    (dict[str, int], Sequence[int]),
    (Sequence[int], dict[str, int]),
    (Mapping, str),
    (set, Sequence),
    (type[int], str),
    (UUID, str),
    (str, datetime),
    (Decimal, str),
    (Pair, str),
    (tuple[int, str], tuple[int]),
    (tuple[int, str], tuple[int, int]),
    (tuple[int, tuple[str, str]], tuple[int, tuple[str, int]]),
]
PERHAPS: list[tuple[Any, Any]] = [
    (str, str),
    (Any, str),
    (str, Any),
    (object, str),
    (str, object),
    (T, str),
    (str, T),
    ("Unknown", str),
    (str, "Unknown"),
    (NoReturn, str),
    (str, NoReturn),
    (3, 4),
    (int, float),
    (float, int),
    (bool, complex),
    (int, bool),
    (Decimal, float),
    (Fraction, int),
    (bytes, bytearray),
    (bytes | str, memoryview),
    (str | int, str),
    (str, int | str | None),
    (int | None, str | None),
    (str, Text),
    (Text, str),
    (Text, PlainText),
    (Text, Plain),
    (str, Shade),
    (Shade, str),
    (enum.Enum, str),
    (enum.Enum, float),
    (int, Level),
    (Plain, str),
    (str, Plain),
    (Plain, Derived),
    (Plain, Unrelated),
    (Unrelated, Derived),
    (Model, Other),
    (BaseModel, Model),
    (Plain, Walks),
    (str, Walks),
    (None, Walks),
    (str, Welcoming),
    (str, Hooked),
    (str, Inherits),
    (str, Custom),
    (BaseModel, FinalModel),
    (Annotated[int, "metadata"], int),
    (int, Annotated[int, "metadata"]),
    (str, Refusing),
    (Refusing, str),
    (str, Root),
    (str, SecretStr),
    (str, AnyUrl),
    (list[int], list[str]),
    (dict[str, int], dict[int, str]),
    (list[int], Sequence[str]),
    (str, Sequence[str]),
    (str, Iterable[int]),
    (Iterable[int], str),
    (int, Hashable),
    (int, Iterator[int]),
    (str, PathLike[str]),
    (Callable[[int], str], str),
    (dict, Mapping[str, int]),
    (Mapping[str, int], dict),
    (dict, Keys),
    (dict, TypingKeys),
    (TypingKeys, Keys),
    (Keys, dict[str, Any]),
    (Keys, Mapping[str, Any]),
    (OrderedDict, defaultdict),
    (Sequence, Mapping),
    (set, AbstractSet[int]),
    (type[int], type[str]),
    (type[int], Callable[..., int]),
    (datetime, date),
    (date, datetime),
    (Pair, tuple[int, int]),
    (tuple[int, ...], tuple[str, ...]),
    (tuple[int, ...], tuple[str, str]),
    (tuple, tuple[int]),
    (tuple[int, Unpack[Ts]], tuple[int, int]),
    (tuple[int, Unpack[Ts]], tuple[int]),
    (tuple[int, *tuple[str, ...]], tuple[int, int]),
    (tuple[int, *tuple[str, ...]], tuple[int]),
    (Literal["a"], Literal["b"]),
    (Json, dict),
    (Endless, Endless),
]


def label(value: object) -> str:
    return type_name(value)[:40]


@pytest.mark.parametrize(("output_type", "input_type"), APART, ids=label)
def test_what_can_never_fit(output_type: Any, input_type: Any) -> None:
    """The sentence names both types."""
    reason = mismatch(output_type, input_type)
    assert reason == f"no value of type {type_name(output_type)} is of type {type_name(input_type)}"


@pytest.mark.parametrize(("output_type", "input_type"), PERHAPS, ids=label)
def test_what_may_fit(output_type: Any, input_type: Any) -> None:
    """Nothing is said where a value of both, or a subclass of both, can be thought of."""
    assert mismatch(output_type, input_type) is None


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (int, "int"),
        (None, "None"),
        (Any, "Any"),
        (T, "T"),
        (Model, "Model"),
        (Union[int, Model, None], "int | Model | None"),
        (dict[str, list[Model]], "dict[str, list[Model]]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Annotated[int, "secret"], "int"),
        (Callable[[int, Model], str], "Callable[[int, Model], str]"),
        (Callable[..., Any], "Callable[..., Any]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Optional["Later"], "Later | None"),  # noqa: F821
    ],
)
def test_a_type_is_named_as_people_write_it(type_: Any, name: str) -> None:
    """Without the modules, which nobody reads."""
    assert type_name(type_) == name


def test_a_long_name_is_cut() -> None:
    """A message must stay readable."""
    assert type_name(Union[tuple(list[(type("C" * n, (), {}))] for n in range(1, 30))]).endswith("…")
    assert len(type_name(type("C" * 1000, (), {}))) == 120


SAMPLES: dict[Any, list[Any]] = {
    bool: [True],
    int: [0, 7, True, Level.LOW],
    float: [0.5, 1.0, 3],
    complex: [1j, 1, 0.5],
    str: ["", "red", Shade.DARK, PlainText("x"), Text()],
    bytes: [b"", b"a"],
    type(None): [None],
    list: [[], [1], ["a"]],
    list[str]: [[], ["a"]],
    dict: [{}, {"x": 1}, defaultdict(int)],
    Keys: [{"x": 1}],
    tuple: [(), (1, "a"), Pair(1, "a")],
    tuple[int, str]: [(1, "a"), Pair(1, "a")],
    tuple[str, str]: [("a", "a")],
    tuple[int, ...]: [(), (1,), (1, 2)],
    set: [set(), {1}],
    frozenset: [frozenset(), frozenset({1})],
    Sequence: [[], "", (), b"", range(3)],
    Sequence[int]: [[1], (1, 2), range(3)],
    Mapping: [{}, OrderedDict()],
    Iterable: [[], "", {}, iter(())],
    Sized: [[], "", {}],
    Callable: [len, int, lambda: 1],
    Literal["red", 1]: ["red", 1],
    Point: [Point(1)],
    Pair: [Pair(1, "a")],
    Model: [Model(x=1)],
    Other: [Other(y=1)],
    FinalModel: [FinalModel(y=1)],
    Root: [Root("a")],
    Plain: [Plain(), Derived(), PlainText("a")],
    Unrelated: [Unrelated()],
    Text: [Text("a")],
    Final: [Final()],
    Colour: [Colour.RED],
    Shade: [Shade.DARK],
    Level: [Level.LOW],
    enum.Enum: [Colour.RED, Shade.DARK, Level.LOW],
    Decimal: [Decimal(1)],
    datetime: [datetime(2020, 1, 1)],  # noqa: DTZ001
    date: [date(2020, 1, 1), datetime(2020, 1, 1)],  # noqa: DTZ001
    UUID: [UUID(int=1)],
    Path: [Path("a")],
    SecretStr: [SecretStr("a")],
    AnyUrl: [AnyUrl("http://example.com")],
    type[int]: [int, bool],
    object: [1, "a", None, object()],
    Any: [1, "a", None, object()],
}
LENIENT = ConfigDict(arbitrary_types_allowed=True)


def checked(type_: Any) -> Any:
    """A type for pydantic to check; a dict that could be made a model of is not one."""
    is_model = isinstance(type_, type) and issubclass(type_, BaseModel) and not issubclass(type_, RootModel)
    return InstanceOf[type_] if is_model else type_


def validator(*types: Any) -> TypeAdapter[Any]:
    alternatives = Union[tuple(checked(type_) for type_ in types)]
    return TypeAdapter(tuple[Any, alternatives], config=LENIENT)  # within a tuple, where every type may have a config


def accepts(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        adapter.validate_python(("", value), strict=True)
    except ValidationError:
        return False
    return True


VALIDATORS = {type_: validator(type_) for type_ in SAMPLES}
CERTAIN = [pair for pair in itertools.product(SAMPLES, repeat=2) if mismatch(*pair)]


def test_pydantic_refuses_every_sample_of_what_can_never_fit() -> None:
    """A second opinion on each certain pair of the pool, of which there must be many."""
    wrong = [
        (type_name(output_type), type_name(input_type), sample)
        for output_type, input_type in CERTAIN
        for sample in SAMPLES[output_type]
        if accepts(VALIDATORS[input_type], sample)
    ]
    assert not wrong
    assert len(CERTAIN) > 1000


POOL = st.lists(
    st.sampled_from([type_ for type_ in SAMPLES if type_ not in (Callable, object, Any)]), min_size=1, max_size=3
)


@given(POOL, POOL, st.randoms())
def test_pydantic_agrees_about_unions(outputs: list[Any], inputs: list[Any], random: Any) -> None:
    """Of any members, in any order, nested in a tuple or not."""
    output_type, input_type = Union[tuple(outputs)], Union[tuple(inputs)]
    if mismatch(output_type, input_type) is None:
        return
    adapter = validator(*inputs)
    assert mismatch(tuple[str, output_type], tuple[str, input_type])
    for type_ in outputs:
        assert not accepts(adapter, random.choice(SAMPLES[type_]))


@given(POOL, POOL)
def test_a_type_among_the_alternatives_always_fits(outputs: list[Any], inputs: list[Any]) -> None:
    """Whatever else there is on either side."""
    assert mismatch(Union[tuple(outputs)], Union[(*inputs, outputs[0])]) is None

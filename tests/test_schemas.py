"""Models from structure: the shape that is shown, the types that must not break it, and the algebra of objects."""

# ruff: noqa: UP007, UP045 - old spellings are among what is tested

from __future__ import annotations

import enum
import gc
import sys
import threading
import typing
import warnings
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from uuid import UUID

import pytest
import typing_extensions
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import AliasChoices, BaseModel, Field, RootModel, ValidationError

from plait.schemas import extend_object, merge_objects, object_model, pick_fields, value_model

LOST = typing.ForwardRef("Lost")  # a name that nobody can resolve
T = TypeVar("T")
Bound = TypeVar("Bound", bound=int)
OneOf = TypeVar("OneOf", int, str)


class Foreign:
    """A class that pydantic has never heard of."""


class Old:
    """A class of pydantic 1, as far as pydantic 2 can tell."""

    @classmethod
    def __get_validators__(cls) -> Iterator[Any]:
        yield lambda value: value


class Question(TypedDict):
    """What is asked."""

    text: str
    limit: typing.NotRequired[int]


class Loose(TypedDict, total=False):
    text: typing.Required[str]
    limit: int


class Extended(typing_extensions.TypedDict):
    text: typing_extensions.ReadOnly[str]
    limit: typing_extensions.NotRequired[int]


class Simple(typing_extensions.TypedDict):
    text: str


class Inherited(Loose):
    more: Foreign


class Tree(TypedDict):
    children: list[Tree]


class Partly(TypedDict):
    text: str
    connection: Foreign
    lost: DoesNotExist  # noqa: F821 - as users leave them behind


class WithOld(typing_extensions.TypedDict):
    text: str
    old: list[Old]


class Both(Old):
    """A class that pydantic 1 and pydantic 2 can read."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(int)


@dataclass
class Point:
    x: int
    z: str = "z"
    y: list[int] = field(default_factory=list)
    hidden: int = field(default=0, init=False)


@dataclass
class Holder:
    x: int
    connection: Foreign
    callback: Callable[[int], int] | None = None


@dataclass
class GenericHolder(Generic[T]):
    item: T
    connection: Foreign


class Pair(NamedTuple):
    left: int
    right: str = ""


class ForeignPair(NamedTuple):
    left: int
    right: Foreign


class Colour(enum.Enum):
    RED = "red"


class Model(BaseModel):
    text: str = Field(description="what is asked", min_length=1)
    identity: str = Field(alias="_id", default="")


class Aliased(BaseModel):
    one: int = Field(validation_alias="first")
    two: int = Field(validation_alias=AliasChoices("second", "zweites"))


class Link(BaseModel):
    following: Link | None = None


class Box(Generic[T]):
    """A generic class that is nothing but that."""


class ModelBox(BaseModel, Generic[T]):
    item: T


class Hostile(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Shy(metaclass=Hostile):
    """A class that does not want to be looked at."""


def properties(model: type[BaseModel] | None) -> dict[str, Any]:
    assert model is not None
    shown: dict[str, Any] = model.model_json_schema()["properties"]
    return shown


# ------------------------------------------------------------------------------------------ the shape that is shown


def test_the_schema_of_a_prompt_is_what_the_specification_prints() -> None:
    """Title first, no ``required``, one property."""
    shown = object_model("PromptInput", {"topic": (str, ...)}).schema()
    assert repr(shown) == (
        "{'title': 'PromptInput', 'type': 'object', 'properties': {'topic': {'title': 'Topic', 'type': 'string'}}}"
    )


class HumanChunk(BaseModel):
    """A chunk from a human."""

    content: str
    additional_kwargs: dict[str, Any] = {}
    type: Literal["human"] = "human"


class AIChunk(BaseModel):
    content: str
    chunk: bool = True


def test_the_schema_of_a_union_of_messages_is_what_the_specification_prints() -> None:
    """Definitions in the order of the union; inside them ``required`` stays."""
    shown = value_model("ChatOutput", HumanChunk | AIChunk).schema()
    assert list(shown) == ["title", "anyOf", "definitions"]
    assert shown["anyOf"] == [{"$ref": "#/definitions/HumanChunk"}, {"$ref": "#/definitions/AIChunk"}]
    assert list(shown["definitions"]) == ["HumanChunk", "AIChunk"]
    assert shown["definitions"]["HumanChunk"] == {
        "title": "HumanChunk",
        "description": "A chunk from a human.",
        "type": "object",
        "properties": {
            "content": {"title": "Content", "type": "string"},
            "additional_kwargs": {"title": "Additional Kwargs", "type": "object", "default": {}},
            "type": {"title": "Type", "default": "human", "enum": ["human"], "type": "string"},
        },
        "required": ["content"],
    }


def test_a_property_may_be_named_like_a_keyword_of_json_schema() -> None:
    """Only keywords are put into the older shape, not names and not data."""

    class Names(BaseModel):
        const: int
        properties: dict[str, int] = {"const": 1}

    shown = value_model("X", list[Names]).schema()["definitions"]["Names"]["properties"]
    assert shown["const"] == {"title": "Const", "type": "integer"}
    assert shown["properties"]["default"] == {"const": 1}


def test_the_standard_schema_is_that_of_pydantic() -> None:
    """``model_json_schema`` says what a model written by hand says."""

    class PromptInput(BaseModel):
        topic: str
        messages: list[AIChunk] = []

    made = object_model("PromptInput", {"topic": (str, ...), "messages": (list[AIChunk], [])})
    assert made.model_json_schema() == PromptInput.model_json_schema()


def test_a_model_of_the_user_is_returned_as_it_is() -> None:
    """Pydantic models need no wrapping."""
    assert value_model("X", Model) is Model
    assert value_model("X", ModelBox[int]) is ModelBox[int]


def test_values_are_validated() -> None:
    """A value model reads its value, and refuses another."""
    model = value_model("X", list[int])
    assert model.model_validate(["1"]).model_dump() == [1]
    with pytest.raises(ValidationError, match="valid list"):
        model.model_validate("one")


def test_models_of_plain_types_are_shared() -> None:
    """Most functions declare nothing: they cost one class together."""
    assert value_model("LambdaInput", Any) is value_model("LambdaInput", Any)
    assert value_model("LambdaInput", Any) is not value_model("LambdaInput", str)
    assert value_model("LambdaInput", list[int]) is not value_model("LambdaInput", list[int])


def test_a_title_that_is_no_identifier_is_kept() -> None:
    """Names of chains hold brackets and commas."""
    assert value_model("Parallel<a,b>Input", int).model_json_schema()["title"] == "Parallel<a,b>Input"


# ------------------------------------------------------------------------------------------ types that must not break it

ANYTHING: dict[str, Any] = {"title": "X"}
LEFT_OPEN: list[Any] = [
    *(Any, object, T, Foreign, Foreign(), Old, Box[int], Shy, type, type[int], "Unknown", 5, ..., []),
    *(Callable, Callable[[int], str], typing.Callable[..., Any], threading.Lock),
    *(Iterator[int], AsyncIterator[int], typing.Generator[int, None, None], typing.Awaitable[int], typing.Coroutine),
    *(NewType("Handle", Foreign), typing.TypeVarTuple("Ts"), typing.ParamSpec("P"), LOST),
]
DESCRIBED: list[tuple[Any, dict[str, Any]]] = [
    (int, {"type": "integer"}),
    (None, {"type": "null"}),
    (str | None, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    (Union[int, LOST], {"anyOf": [{"type": "integer"}, {}]}),
    (Optional[LOST], {"anyOf": [{}, {"type": "null"}]}),
    (Callable[..., Any] | None, {"anyOf": [{}, {"type": "null"}]}),
    (Bound, {"type": "integer"}),
    (OneOf, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
    (Both, {"type": "integer"}),
    (NewType("Number", int), {"type": "integer"}),
    (NewType("Connections", list[Foreign]), {"type": "array", "items": {}}),
    (Literal["a"] | None, {"anyOf": [{"enum": ["a"], "type": "string"}, {"type": "null"}]}),
    (list[typing.ForwardRef("BaseModel")], {"type": "array", "items": {}}),
    (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
    (Annotated[int, Field(ge=1, description="how many")], {"type": "integer", "minimum": 1, "description": "how many"}),
    (dict[str, Foreign], {"type": "object"}),
    (tuple[Foreign, ...], {"type": "array", "items": {}}),
    (list[LOST], {"type": "array", "items": {}}),
    (list[Callable[[], None]], {"type": "array", "items": {}}),
    (Annotated[list[Foreign], "metadata"], {"type": "array", "items": {}}),
    (Sequence[int], {"type": "array", "items": {"type": "integer"}}),
    (dict[str, dict[str, Iterator[int]]], {"type": "object", "additionalProperties": {"type": "object"}}),
]
NAMED: list[Any] = [
    *(
        Question,
        Loose,
        Extended,
        Inherited,
        Tree,
        Partly,
        WithOld,
        Point,
        Holder,
        GenericHolder[int],
        Colour,
        list[Link],
        Link | None,
    ),
    *(list[Question], dict[str, Question | None], Annotated[Question, "metadata"], ModelBox[int] | None),
]
OTHERS: list[Any] = [
    Pair,
    ForeignPair,
    datetime,
    Decimal,
    Path,
    UUID,
    set[int],
    tuple[int, str],
    tuple[int, ...],
    complex,
    bytes,
]
EVERYTHING = [*LEFT_OPEN, *(type_ for type_, _ in DESCRIBED), *NAMED, *OTHERS]


def label(value: object) -> str:
    return "Shy" if value is Shy else str(value)[:40]


@pytest.mark.parametrize("type_", EVERYTHING, ids=label)
def test_every_type_has_a_valid_schema(type_: Any) -> None:
    """Both shapes are JSON Schema 2020-12 under the title given; nothing is raised and nobody is warned."""
    model = value_model("X", type_)
    for schema in (model.model_json_schema(), model.schema()):
        Draft202012Validator.check_schema(schema)
        assert schema["title"] == "X"


@pytest.mark.parametrize("type_", EVERYTHING, ids=label)
def test_every_type_can_be_that_of_a_key(type_: Any) -> None:
    """What cannot be represented costs its own key, not the others."""
    model = object_model("X", {"odd": (type_, ...), "even": (int, ...)})
    for schema in (model.model_json_schema(), model.schema()):
        Draft202012Validator.check_schema(schema)
        assert schema["properties"]["even"] == {"title": "Even", "type": "integer"}


@pytest.mark.parametrize("type_", LEFT_OPEN, ids=label)
def test_what_no_json_can_say_is_left_open(type_: Any) -> None:
    """The schema is empty but for its title, and any value is accepted."""
    model = value_model("X", type_)
    value = Foreign()
    assert model.model_json_schema() == ANYTHING
    assert model.model_validate(value).model_dump(warnings=False) is value


@pytest.mark.parametrize(("type_", "said"), DESCRIBED, ids=label)
def test_what_can_be_said_is_said(type_: Any, said: dict[str, Any]) -> None:
    """An odd part of a type leaves the rest of it in place."""
    assert value_model("X", type_).schema() == {"title": "X", **said}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="pydantic 1 does not run there")
def test_a_model_of_pydantic_1_is_left_open() -> None:
    """Alone or inside something else, and without the warning that pydantic gives about mixing them."""
    old: Any = pytest.importorskip("pydantic.v1").create_model("Old", x=(int, ...))
    assert value_model("X", old).model_json_schema() == ANYTHING
    assert value_model("X", old | None).schema() == {"title": "X", "anyOf": [{}, {"type": "null"}]}
    assert value_model("X", list[old]).schema() == {"title": "X", "type": "array", "items": {}}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        typed = value_model("X", typing_extensions.TypedDict("typed", {"a": list[old], "b": int}))
    assert typed.schema()["definitions"]["typed"]["properties"]["a"] == {"title": "A", "type": "array", "items": {}}
    assert not caught


def test_an_array_of_numpy_is_left_open() -> None:
    """Classes of extension modules are like any others."""
    numpy = pytest.importorskip("numpy")
    assert value_model("X", numpy.ndarray).model_json_schema() == ANYTHING
    assert value_model("X", numpy.typing.NDArray[numpy.float64]).model_json_schema() == ANYTHING


@pytest.mark.parametrize("type_", [Question, Loose, Extended])
def test_a_typed_dict_keeps_its_keys_and_which_are_required(type_: Any) -> None:
    """Postponed annotations hide the markers from ``__required_keys__``."""
    model = value_model("X", type_)
    (shown,) = model.model_json_schema()["$defs"].values()
    assert shown["title"] == type_.__name__
    assert shown["required"] == ["text"]
    assert {key: value["type"] for key, value in shown["properties"].items()} == {"text": "string", "limit": "integer"}
    assert model.model_validate({"text": "why"}).model_dump() == {"text": "why"}


def test_a_typed_dict_keeps_the_keys_beside_one_that_cannot_be_read() -> None:
    """A foreign class or a name that does not exist costs its own key only."""
    shown = value_model("X", Partly).model_json_schema()["$defs"]["Partly"]["properties"]
    assert shown["text"] == {"title": "Text", "type": "string"}
    assert shown.keys() == {"text", "connection", "lost"}


def test_a_local_typed_dict_keeps_its_keys() -> None:
    """Its annotations name classes that no module knows."""

    class Local(TypedDict):
        text: str
        near: Near

    class Near(BaseModel): ...

    assert value_model("X", Local).model_json_schema()["$defs"]["Local"]["required"] == ["text", "near"]


def test_a_class_with_a_foreign_field_keeps_the_others() -> None:
    """Dataclasses, generic or not, and named tuples; the foreign one must be an instance of its class."""
    holder, generic, pair = (value_model("X", type_) for type_ in (Holder, GenericHolder[int], ForeignPair))
    assert holder.schema()["definitions"]["Holder"]["properties"]["x"] == {"title": "X", "type": "integer"}
    (shown,) = generic.schema()["definitions"].values()
    assert shown["properties"]["item"] == {"title": "Item", "type": "integer"}
    assert {"title": "Left", "type": "integer"} in json_values(pair.schema())
    assert accepts(holder, Holder(1, Foreign()))
    assert not accepts(holder, {"x": 1, "connection": 2})


def json_values(schema: Any) -> list[Any]:
    """Every part of a schema: pydantic writes a named tuple in several ways."""
    parts = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return [schema, *(inner for part in parts for inner in json_values(part))]


def test_a_type_too_deep_to_look_through_is_left_open() -> None:
    """Where even looking at it fails, nothing is known."""
    deep: Any = int
    for _ in range(5000):
        deep = list[deep]
    assert value_model("X", deep).model_json_schema() == ANYTHING
    assert object_model("X", {"a": (deep, ...), "b": (int, 1)}).model_json_schema()["required"] == ["a"]


def test_a_schema_can_stand_inside_the_model_of_another() -> None:
    """A web framework builds its own documents, and its generator knows no mercy with callbacks."""
    inner = value_model("X", Holder)
    outer: Any = type("Outer", (BaseModel,), {"__annotations__": {"body": inner}, "__module__": __name__})
    assert outer.model_json_schema()["$defs"]["X"] == {"title": "X"}


def test_no_type_of_a_user_is_kept_alive() -> None:
    """Models are kept by whoever asked for them, and by nobody else."""
    local = type("Local", (), {})
    typed = typing_extensions.TypedDict("typed", {"x": local})  # noqa: UP013 - of a local
    watched = [weakref.ref(local), weakref.ref(typed), weakref.ref(value_model("X", dict[str, local]))]
    value_model("X", typed).model_json_schema()
    del local, typed
    gc.collect()
    assert [ref() for ref in watched] == [None, None, None]


# ------------------------------------------------------------------------------------------ names that are not attributes

NAMES = [
    "schema",
    "copy",
    "json",
    "model_config",
    "model_x",
    "_private",
    "__x__",
    "a b",
    "größe",
    "class",
    "",
    "1",
    "self",
]


def test_a_key_may_have_any_name() -> None:
    """It is that in the JSON Schema, for validation, and in what is dumped."""
    model = object_model("X", dict.fromkeys([*NAMES, "schema_"], (int, ...)))
    values = {name: i for i, name in enumerate([*NAMES, "schema_"])}
    assert list(properties(model)) == list(values)
    assert model.model_validate(values).model_dump(by_alias=True) == values
    assert model.schema()["properties"]["schema"] == {"title": "Schema", "type": "integer"}


def test_the_attribute_of_a_key_is_easy_to_guess() -> None:
    """The key without ``_`` before it and with one behind it, or with more if that is taken."""
    model = object_model("X", dict.fromkeys(["schema", "_id", "__", "json", "json_"], (int, ...)))
    assert list(model.model_fields) == ["schema_", "id_", "field_", "json__", "json_"]


@given(st.lists(st.text(), unique=True, max_size=5))
def test_no_name_is_lost(names: list[str]) -> None:
    """Whatever text a key is."""
    model = object_model("X", dict.fromkeys(names, (int, ...)))
    assert list(model.model_json_schema().get("properties", {})) == names
    assert model.model_validate(dict.fromkeys(names, 1)).model_dump(by_alias=True) == dict.fromkeys(names, 1)


def test_a_default_makes_a_key_optional() -> None:
    """A ``FieldInfo`` may stand for the default."""
    model = object_model("X", {"a": (int, 3), "_b": (int, Field(default=4, description="four")), "c": (Foreign, None)})
    assert "required" not in model.model_json_schema()
    assert model.model_validate({}).model_dump(by_alias=True) == {"a": 3, "_b": 4, "c": None}
    assert properties(model)["_b"]["description"] == "four"


def test_a_default_that_no_json_can_hold_is_left_out() -> None:
    """And nobody is warned."""
    assert properties(object_model("X", {"a": (Any, Foreign())})) == {"a": {"title": "A"}}


def test_a_value_model_inside_another_schema_is_its_type() -> None:
    """What a branch gives appears in place, without a title of its own."""
    branch = value_model("BranchOutput", Annotated[str, Field(min_length=1)])
    assert properties(object_model("X", {"a": (branch, ...)}))["a"] == {"title": "A", "type": "string", "minLength": 1}
    spoken = value_model("BranchOutput", Annotated[str, Field(description="what it says")])
    assert properties(object_model("X", {"a": (spoken, ...)}))["a"]["description"] == "what it says"
    assert value_model("X", list[value_model("Y", int)]).schema()["items"] == {"type": "integer"}


# ------------------------------------------------------------------------------------------ merging objects


def test_the_properties_of_branches_are_merged() -> None:
    """Models made here, TypedDicts, dataclasses and models of the user alike."""
    models = [object_model("A", {"topic": (str, ...)}), value_model("B", Question), value_model("C", Point), Model]
    merged = merge_objects("X", models)
    assert list(properties(merged)) == ["topic", "text", "limit", "x", "z", "y", "_id"]
    assert merged is not None
    assert merged.model_json_schema()["required"] == ["topic", "text", "x"]
    assert merged.__name__ == "X"


def test_what_a_field_says_of_itself_survives_a_merge() -> None:
    """Description, constraint, alias; and the model of the user is not written into."""
    before = repr(Model.model_fields)
    assert properties(merge_objects("X", [Model])) == Model.model_json_schema()["properties"]
    assert properties(merge_objects("X", [Aliased])) == Aliased.model_json_schema()["properties"]
    assert repr(Model.model_fields) == before


@pytest.mark.parametrize("type_", [Any, object])
def test_a_branch_that_takes_anything_adds_nothing(type_: Any) -> None:
    """A function without annotations beside a prompt does not hide what the prompt needs."""
    merged = merge_objects("X", [value_model("A", type_), object_model("B", {"topic": (str, ...)})])
    assert list(properties(merged)) == ["topic"]


@pytest.mark.parametrize(
    "types", [[], [Any], [object, Any], [str], [Question, str], [Question, list[int]], [Question | None]]
)
def test_without_an_object_there_is_nothing_to_merge(types: list[Any]) -> None:
    """The caller then says something else."""
    assert merge_objects("X", [value_model("B", type_) for type_ in types]) is None


def test_branches_meet_at_the_keys_of_the_input() -> None:
    """Not at the attributes of a model, which may have other names."""
    merged = merge_objects("X", [Aliased, object_model("A", {"first": (int, ...), "one": (int, ...)})])
    assert list(properties(merged)) == ["first", "second", "one"]


@pytest.mark.parametrize("type_", [dict, dict[str, Any], Mapping[str, int], OrderedDict])
def test_a_dict_is_an_object_of_unknown_keys(type_: Any) -> None:
    """It merges, and has no properties."""
    assert properties(merge_objects("X", [value_model("A", type_)])) == {}


def test_branches_that_disagree_leave_the_choice() -> None:
    """Both types of one key are allowed; Any gives way; the stricter requirement wins."""
    one = object_model("A", {"a": (int, 1), "b": (Any, 1), "c": (int, ...), "d": (int, 1), "e": (int, 1)})
    other = object_model("B", {"a": (str, ...), "b": (int, 2), "c": (int, 3), "d": (int, 2), "e": (str, "")})
    merged = merge_objects("X", [one, other])
    assert properties(merged)["a"] == {"title": "A", "anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert properties(merged)["b"] == {"title": "B", "type": "integer", "default": 2}
    assert properties(merged)["d"] == {"title": "D", "type": "integer", "default": 1}
    assert properties(merged)["e"] == {"title": "E", "anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert merged is not None
    assert merged.model_json_schema()["required"] == ["a", "c"]


TYPES = st.sampled_from([(int, ...), (int, 1), (str, ...), (Any, ...), (Any, None), (int | None, None)])
KEYS = st.sampled_from(["a", "b", "_c"])
VALUES = st.dictionaries(KEYS, st.one_of(st.integers(), st.text(), st.none()))


@given(st.lists(st.dictionaries(KEYS, TYPES), min_size=1, max_size=3), VALUES)
def test_what_every_branch_accepts_the_merge_accepts(branches: list[dict[str, tuple[Any, Any]]], value: Any) -> None:
    """A schema never refuses what would have run."""
    models = [object_model("A", fields) for fields in branches]
    merged = merge_objects("X", models)
    assert merged is not None
    if all(accepts(model, value) for model in models):
        assert accepts(merged, value)


def accepts(model: type[BaseModel], value: object) -> bool:
    try:
        model.model_validate(value)
    except ValidationError:
        return False
    return True


# ------------------------------------------------------------------------------------------ extending and picking


def test_extending_adds_and_replaces() -> None:
    """The output of an assignment is its input and the new keys."""
    base = object_model("A", {"a": (int, ...), "_b": (int, 1)})
    extended = extend_object("X", base, {"a": (str, ...), "c": (Question, ...)})
    assert list(properties(extended)) == ["a", "_b", "c"]
    assert properties(extended)["a"]["type"] == "string"
    assert extended.model_validate({"a": "x", "c": {"text": ""}}).model_dump(by_alias=True)["_b"] == 1


@pytest.mark.parametrize("type_", [Any, dict[str, Any], str])
def test_extending_what_has_no_known_keys_gives_the_new_ones(type_: Any) -> None:
    """An assignment accepts any dict."""
    extended = extend_object("X", value_model("A", type_), {"c": (int, ...)})
    assert list(properties(extended)) == ["c"]
    assert accepts(extended, {"other": 1, "c": 2})


def test_picking_one_key_gives_its_value() -> None:
    """From an object that knows it; else anything."""
    base = object_model("A", {"a": (list[int], ...), "m": (Model, ...)})
    assert pick_fields("X", base, "a").schema() == {"title": "X", "type": "array", "items": {"type": "integer"}}
    assert pick_fields("X", base, "m") is Model
    assert pick_fields("X", base, "other").schema() == ANYTHING
    assert pick_fields("X", value_model("A", Any), "a").schema() == ANYTHING
    assert pick_fields("X", value_model("A", str), "a").schema() == ANYTHING


def test_picking_keys_gives_a_smaller_object() -> None:
    """In the order asked for; a key that is not known is optional and open."""
    picked = pick_fields("X", value_model("A", Question), ["limit", "text", "other"])
    shown = picked.model_json_schema()
    assert list(shown["properties"]) == ["limit", "text", "other"]
    assert shown["required"] == ["text"]
    assert shown["properties"]["other"] == {"title": "Other"}


def test_a_root_model_of_the_user_merges_like_what_it_holds() -> None:
    """A TypedDict or a model."""

    class Typed(RootModel[Simple]):
        note: ClassVar = "not a field"

    class Wrapped(RootModel[Model]): ...

    assert list(properties(merge_objects("X", [Typed]))) == ["text"]
    assert list(properties(merge_objects("X", [Wrapped]))) == ["text", "_id"]

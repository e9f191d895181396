"""A value is checked against a schema as the standard says, with bounded work; schemas are closed for guarantees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from plait.json_schema import closed, fault, malformed

KINDS = ["object", "array", "string", "boolean", "null", "number", "integer"]
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.just(1.0), st.just(0.5), st.text("ab", max_size=3))
VALUES = st.recursive(LEAVES, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from("ab"), part))
BOUNDS: Any = st.fixed_dictionaries(
    {}, optional={"minimum": st.integers(-2, 2), "maxLength": st.integers(0, 2), "minItems": st.integers(0, 2)}
)
SIMPLE = st.one_of(
    st.builds(lambda kind, bounds: {"type": kind, **bounds}, st.sampled_from(KINDS), BOUNDS),
    st.builds(lambda values: {"enum": values}, st.lists(LEAVES, min_size=1, max_size=3)),
    st.builds(lambda value: {"const": value}, LEAVES),
    st.booleans(),
)


def nested(part: Any) -> Any:
    fields = st.dictionaries(st.sampled_from("ab"), part, max_size=2)
    objects = st.builds(
        lambda props, required, rest: {"properties": props, "required": required, "additionalProperties": rest},
        *(fields, st.lists(st.sampled_from("ab"), unique=True), part),
    )
    return st.one_of(
        objects,
        st.builds(lambda items: {"items": items}, part),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(part, min_size=1, max_size=2)),
        st.builds(lambda parts: {"allOf": parts}, st.lists(part, min_size=1, max_size=2)),
    )


@given(st.recursive(SIMPLE, nested, max_leaves=6), VALUES)
def test_agrees_with_the_standard(schema: Any, value: Any) -> None:
    """A fault is found where jsonschema finds one, and nowhere else."""
    assert (fault(value, schema) is None) is Draft202012Validator(schema).is_valid(value)


def test_references_are_followed() -> None:
    """A definition may refer to itself."""
    tree: Any = {"properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "required": ["kids"]}
    schema = {"$ref": "#/$defs/tree", "$defs": {"tree": tree}}

    assert fault({"kids": [{"kids": []}]}, schema) is None
    assert fault({"kids": [{"kids": [{}]}]}, schema) == "kids[0].kids[0]: the field 'kids' is missing"


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"anyOf": [{"properties": {"a": {"$ref": "#"}}}, {"$ref": "#/anyOf/0"}]}]
)
def test_work_is_bounded(schema: Any) -> None:
    """A schema that leads in circles, and a deep value of many forms, end with a fault."""
    value: Any = 1
    for _ in range(90):
        value = {"a": value}
    found = fault({"a": value, "b": 1}, {**schema, "additionalProperties": False} if "anyOf" not in schema else schema)

    assert found is None or "levels of nesting" in found


def test_forms_within_forms_are_bounded() -> None:
    """A value that fails only at its end, of two forms at each level, does not take for ever."""
    form = {"properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    value: Any = 1
    for _ in range(60):
        value = {"a": value}

    assert "reasonable time" in str(fault(value, {"type": "object", "anyOf": [form, {**form}]}))


def test_schema_is_closed() -> None:
    """Objects get all fields required and no others allowed; keywords that a vendor does not know are left out."""
    inner = {"type": "object", "properties": {"x": {"type": "string", "default": "y"}}}
    schema = {"type": "object", "properties": {"a": inner, "b": {"oneOf": [{"type": "null"}, {"$ref": "#/$defs/c", "title": "C"}]}}, "$defs": {"c": inner}}  # fmt: skip
    made: Any = closed(schema, all_required=True, without=["default"])
    shut = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False, "required": ["x"]}

    assert made["properties"] == {"a": shut, "b": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/c"}]}}
    assert made["$defs"] == {"c": shut}
    assert made["required"] == ["a", "b"]
    assert "required" not in schema


@pytest.mark.parametrize(
    "part", [{}, {"type": "object"}, {"type": "object", "properties": {}, "additionalProperties": True}]
)
def test_what_may_be_anything_cannot_be_closed(part: Any) -> None:
    """A part without a type, or with free keys, cannot be guaranteed."""
    assert closed({"type": "object", "properties": {"a": part}}, all_required=True, without=()) is None


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (5, "the schema must be an object"),
        ({"properties": [1]}, "'properties' must be an object"),
        ({"properties": {"a": {"items": {"type": [{}]}}}}, "items: 'type' must be a name or a list of names"),
        ({"anyOf": [{"not": {"maxLength": "9"}}]}, "not: 'maxLength' must be a number"),
        ({"$defs": {"A": {"$ref": {}}}}, "A: '$ref' must be a text"),
    ],
)
def test_what_is_no_schema_is_told_with_its_place(schema: Any, said: str) -> None:
    """However deep it stands."""
    assert said in str(malformed(schema))


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"items": [{"type": "string"}], "exclusiveMinimum": True},
        {"properties": {"required": {"enum": [{"type": 5}]}}, "required": ["required"]},
    ],
)
def test_older_forms_and_odd_names_are_schemas(schema: Any) -> None:
    """What is a value or a name in it is no keyword."""
    assert malformed(schema) is None


def test_a_bound_of_the_older_form_is_no_number() -> None:
    """``exclusiveMinimum: true`` says how ``minimum`` is meant."""
    assert fault(1, {"minimum": 1, "exclusiveMinimum": True}) is None

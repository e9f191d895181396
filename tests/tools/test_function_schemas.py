"""The schema of a function, a class or a dict, as models are told of it."""

from __future__ import annotations

import dataclasses
import enum
from typing import Annotated, Literal, TypedDict

import jsonschema
import pytest
from pydantic import BaseModel, Field

from plait.errors import ChainError
from plait.tools import convert_to_openai_function, convert_to_openai_tool


class Color(enum.Enum):
    RED = "red"


class Node(BaseModel):
    """A tree."""

    children: list[Node] = []


class Place(BaseModel):
    city: str = Field(description="where")


def paint(
    place: Place, color: Color, how: Literal["fast", "slow"] = "fast", note: Annotated[str, "a note"] = ""
) -> str:
    """Paint it.

    Args:
        place: What to paint.
        color (Color): In which color,
            if any.
    """
    return f"{place} {color} {how} {note}"


def test_a_function_is_told_with_what_its_docstring_says() -> None:
    """Nested models, enums, literals and annotations keep their meaning; the schema is valid."""
    written = convert_to_openai_function(paint)
    arguments = written["parameters"]
    jsonschema.Draft202012Validator.check_schema(arguments)
    assert (written["name"], written["description"]) == ("paint", "Paint it.")
    assert arguments["required"] == ["place", "color"]
    assert arguments["properties"]["color"]["description"] == "In which color, if any."
    assert arguments["properties"]["note"]["description"] == "a note"
    jsonschema.validate({"place": {"city": "Ulm"}, "color": "red"}, arguments)


def test_rest_docstrings_are_read() -> None:
    """:param name: says what an argument is."""

    def add(a: int, b: int) -> int:
        """Add.

        :param a: one
        :param int b: two,
            or more
        :returns: the sum
        """
        return a + b

    written = convert_to_openai_function(add)
    said = {name: part["description"] for name, part in written["parameters"]["properties"].items()}
    assert (written["description"], said) == ("Add.", {"a": "one", "b": "two, or more"})


class Point(TypedDict):
    """A point."""

    x: int


@dataclasses.dataclass
class Circle:
    """A circle."""

    radius: float


@pytest.mark.parametrize(
    ("kind", "name", "said"), [(Point, "Point", "A point."), (Circle, "Circle", "A circle."), (Node, "Node", "A tree.")]
)
def test_classes_are_told_of(kind: type, name: str, said: str) -> None:
    """TypedDicts, dataclasses and pydantic classes, recursive ones too, are objects at the top."""
    written = convert_to_openai_function(kind)
    jsonschema.Draft202012Validator.check_schema(written["parameters"])
    assert (written["name"], written["description"], written["parameters"]["type"]) == (name, said, "object")


def test_strict_closes_every_object() -> None:
    """All fields are required and no others allowed, inside definitions too."""
    arguments = convert_to_openai_tool(paint, strict=True)["function"]["parameters"]
    assert arguments["required"] == ["place", "color", "how", "note"]
    assert arguments["$defs"]["Place"]["additionalProperties"] is False


def test_dicts_of_vendors_stay_what_they_are() -> None:
    """OpenAI's form stays, Anthropic's is rewritten, a vendor's own tool passes."""
    ours = convert_to_openai_tool(paint)
    theirs = {"name": "paint", "description": "Paint it.", "input_schema": ours["function"]["parameters"]}
    assert convert_to_openai_tool(ours) == ours
    assert convert_to_openai_tool(theirs) == ours
    assert convert_to_openai_tool({"type": "web_search"}) == {"type": "web_search"}


def test_what_is_no_tool_is_refused() -> None:
    """The error says what would be one."""
    for thing in ({"a": 1}, 5):
        with pytest.raises(ChainError):
            convert_to_openai_tool(thing)

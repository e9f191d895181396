"""TypedDicts as tools and structures: what is said of their fields reaches the model, in whatever form it is said."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Optional, Required

import pytest
from pydantic import Field
from typing_extensions import TypedDict

from plait.messages import AIMessage
from plait.testing import FakeMessagesListChatModel
from plait.tools import convert_to_openai_function


class Point(TypedDict):
    x: Annotated[float, ..., "how far right"]


class Joke(TypedDict):
    """A joke."""

    setup: Annotated[str, ..., "how it begins"]
    rating: Annotated[Optional[int], None, "from 1 to 10"]  # noqa: UP045 - as users write it
    count: Annotated[int, 5, "how many"]
    kind: NotRequired[Annotated[Literal["pun", "riddle"], "what it is"]]
    where: list[Point]
    plain: Annotated[int, ...]
    size: Annotated[int, Field(ge=0, description="in words")]


class Some(TypedDict, total=False):
    a: int
    b: Required[Annotated[int, "the second"]]


class More(Some):
    c: Annotated[dict[str, Point], ..., "the third"]


class Ring(TypedDict):
    inner: NotRequired[Annotated[Ring, "one more"]]


def fields_of(kind: Any) -> dict[str, Any]:
    return dict(convert_to_openai_function(kind)["parameters"]["properties"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("setup", {"type": "string", "description": "how it begins"}),
        ("count", {"type": "integer", "description": "how many", "default": 5}),
        ("kind", {"type": "string", "enum": ["pun", "riddle"], "description": "what it is"}),
        ("plain", {"type": "integer"}),
        ("size", {"type": "integer", "minimum": 0, "description": "in words"}),
    ],
)
def test_fields_are_described(name: str, said: dict[str, Any]) -> None:
    """By a text behind the type, with a default or the dots before it, or by pydantic's Field."""
    assert fields_of(Joke)[name] == said


def test_a_default_may_be_none() -> None:
    """It is told as the default, and not taken for no default."""
    rating = fields_of(Joke)["rating"]
    assert (rating["default"], rating["description"]) == (None, "from 1 to 10")


def test_fields_with_a_default_may_be_left_out() -> None:
    """As may those that are marked so; the others are required."""
    assert convert_to_openai_function(Joke)["parameters"]["required"] == ["setup", "where", "plain", "size"]


def test_each_class_says_what_may_be_left_out() -> None:
    """What is inherited keeps what its own class says."""
    assert convert_to_openai_function(More)["parameters"]["required"] == ["b", "c"]


def test_typed_dicts_inside_are_described() -> None:
    """In lists and dicts, and in themselves."""
    parameters = convert_to_openai_function(Joke)["parameters"]
    assert parameters["$defs"]["Point"]["properties"]["x"] == {"type": "number", "description": "how far right"}
    assert convert_to_openai_function(Ring)["parameters"]["properties"]["inner"]["description"] == "one more"


def test_a_structure_is_described() -> None:
    """The model that is asked for one is told, and what it leaves out is no fault."""
    call = {"name": "Joke", "args": {"setup": "a", "where": [], "plain": 1, "size": 2}, "id": "1"}
    model = FakeMessagesListChatModel(responses=[AIMessage("", tool_calls=[call])])

    assert model.with_structured_output(Joke).invoke("x") == call["args"]
    [tool] = model.calls[0].kwargs["tools"]
    assert tool["function"]["parameters"]["properties"]["count"]["description"] == "how many"

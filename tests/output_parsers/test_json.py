"""JsonOutputParser and PydanticOutputParser: values that grow in a stream, and are checked at its end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, model_validator
from typing_extensions import TypedDict

from plait.errors import EmptyStreamError, OutputParserException
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk
from plait.output_parsers import JsonOutputParser, PydanticOutputParser, SimpleJsonOutputParser
from plait.outputs import Generation
from plait.runnables import RunnableGenerator, RunnableLambda, RunnablePick
from plait.testing.models import FakeListChatModel
from plait.watching.patches import apply


class Person(BaseModel):
    name: str
    ages: list[int] = []


@dataclass
class Place:
    name: str


class Row(TypedDict):
    name: str


TEXT = 'Sure:\n```json\n{"name": "Anna", "ages": [1, 23]}\n```\nDone.'
VALUE = {"name": "Anna", "ages": [1, 23]}


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@pytest.mark.parametrize("given_", [TEXT, AIMessage(TEXT), json.dumps(VALUE)])
def test_json_is_read(run: Any, given_: Any) -> None:
    """Of a text or a message, in all modes; a stream adds up to the value."""
    assert run(JsonOutputParser(), given_) == VALUE
    assert run(PydanticOutputParser(pydantic_object=Person), given_) == Person(name="Anna", ages=[1, 23])


def test_a_stream_gives_the_value_so_far() -> None:
    """With each chunk that adds something, and never the same twice."""
    values = list(JsonOutputParser().transform(iter(cut(TEXT, 8))))
    assert values[:3] == [{}, {"name": ""}, {"name": "Anna"}]
    assert values[-1] == VALUE
    assert all(before != after for before, after in pairwise(values))


async def test_a_stream_of_objects_gives_those_that_are_valid() -> None:
    """The first when all that is required is there, the last is that of the whole."""
    parser = PydanticOutputParser(pydantic_object=Person)
    values = [value async for value in (FakeListChatModel(responses=[TEXT]) | parser).astream("x")]
    assert values[0] == Person(name="Anna")
    assert len(values) > 2
    assert values[-1] == Person(name="Anna", ages=[1, 23])
    assert all(isinstance(value, Person) for value in values)


def looked_at(count: int) -> int:
    """The items that are validated in a stream of so many."""
    seen = 0

    class Counted(BaseModel):
        items: list[str] = []

        @model_validator(mode="before")
        @classmethod
        def _count(cls, data: Any) -> Any:
            nonlocal seen
            seen += len(data.get("items", ()))
            return data

    for _ in PydanticOutputParser(pydantic_object=Counted).transform(
        iter(cut(json.dumps({"items": ["ab"] * count}), 4))
    ):
        pass
    return seen


def test_a_stream_of_objects_costs_linear_work() -> None:
    """Four times the items are looked at about four times as often, though each object is made of all there are."""
    assert looked_at(20_000) < 5 * looked_at(5_000)


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_where_a_stream_is_cut_does_not_matter(places: list[int]) -> None:
    """The sum is the value of the whole, of texts and of messages."""
    at = sorted({0, len(TEXT), *places})
    parts = [TEXT[start:end] for start, end in pairwise(at)]
    assert merge_all(JsonOutputParser().transform(iter(parts))) == VALUE
    assert merge_all(JsonOutputParser().transform(AIMessageChunk(content=part) for part in parts)) == VALUE


def test_a_picked_key_streams() -> None:
    """What follows sees a growing text, whose sum is the text."""
    chain = JsonOutputParser() | RunnablePick("name")
    assert list(chain.transform(iter(cut(TEXT, 3)))) == ["", "Ann", "Anna"]
    assert merge_all(chain.transform(iter(cut(TEXT, 3)))) == "Anna"
    assert (chain | RunnableLambda(str.upper)).invoke(TEXT) == "ANNA"


def test_diff_gives_json_patch() -> None:
    """Each chunk is a list of operations, and all of them make the value out of nothing."""
    ops = merge_all(JsonOutputParser(diff=True).transform(iter(cut(TEXT, 2))))
    assert apply(None, ops) == VALUE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4),
    max_leaves=15,
)


@given(st.lists(JSON, max_size=4) | st.dictionaries(st.text(max_size=2), JSON, max_size=4), st.integers(1, 4))
def test_diff_gives_each_value_out_of_the_one_before(value: Any, size: int) -> None:
    """After each list of operations there is what a stream without diff gives."""
    chunks = cut(json.dumps(value), size)
    document, values = None, list[Any]()
    for ops in JsonOutputParser(diff=True).transform(iter(chunks)):
        document = apply(document, ops)
        values.append(document)
    assert values == list(JsonOutputParser().transform(iter(chunks)))


@pytest.mark.parametrize("text", ["", " ", "none", '{"name": "Anna"', '{"name" "Anna"}', "[NaN]", "[" * 200])
def test_text_that_is_not_json_is_an_error(run: Any, text: str) -> None:
    """It says where and what was expected, has the whole text, and is raised in every mode alike."""
    with pytest.raises(OutputParserException, match=r"line 1, column \d+: expected") as caught:
        run(JsonOutputParser(), text)
    assert caught.value.llm_output == text


@pytest.mark.parametrize(
    "parser", [JsonOutputParser(pydantic_object=Person), PydanticOutputParser(pydantic_object=Person)]
)
def test_json_that_is_not_valid_is_an_error(run: Any, parser: Any) -> None:
    """It names the field, and what was expected of it."""
    with pytest.raises(
        OutputParserException, match=r"expected JSON for Person, but ages\.1: Input should be a valid int"
    ):
        run(parser, '{"name": "Anna", "ages": [1, "x"]}')


def test_partial_values_come_before_the_error() -> None:
    """A stream gives what it can, and fails at its end."""
    seen = []
    with pytest.raises(OutputParserException):
        seen.extend(JsonOutputParser().transform(iter(['{"a": 1', ', "b'])))
    values = JsonOutputParser().transform(iter(['{"a": 1', ', "b']))
    assert next(values) == {"a": 1}


def test_a_stream_without_a_chunk_is_an_error() -> None:
    """No value is made of nothing."""
    with pytest.raises(EmptyStreamError):
        list((RunnableGenerator(lambda chunks: iter([])) | JsonOutputParser()).stream("x"))


@pytest.mark.parametrize(("kind", "value"), [(Place, Place("x")), (Row, {"name": "x"})])
def test_dataclasses_and_typed_dicts_are_made(run: Any, kind: Any, value: Any) -> None:
    """Whatever pydantic can validate."""
    assert run(PydanticOutputParser(pydantic_object=kind), '{"name": "x"}') == value


def test_partial_results_of_one_text() -> None:
    """``parse_result`` with partial gives the value so far, None if there is none."""
    parser = JsonOutputParser()
    assert parser.parse_result([Generation(text='{"a": [1, 2')], partial=True) == {"a": [1, 2]}
    assert parser.parse_result([Generation(text="Sure, ")], partial=True) is None
    assert parser.parse_result([Generation(text="[1]")]) == [1]


def test_instructions_have_the_schema() -> None:
    """The model is told what is wanted."""
    for parser in (JsonOutputParser(pydantic_object=Person), PydanticOutputParser(pydantic_object=Person)):
        assert '"required": ["name"]' in parser.get_format_instructions()
    assert "JSON" in SimpleJsonOutputParser().get_format_instructions()


@pytest.mark.parametrize("text", ['{"x" 1, "y": 2}', "```json\n{'x'}\n```", '[1, 2}, "and more of it"', "[" * 200])
def test_an_error_says_the_same_however_it_came(text: str) -> None:
    """It shows what follows the fault, even if that had not come yet when the fault was seen."""
    for parser in (JsonOutputParser(), PydanticOutputParser(pydantic_object=Person)):
        with pytest.raises(OutputParserException) as whole:
            parser.invoke(text)
        for size in (1, 2, 5):
            with pytest.raises(OutputParserException) as cut_:
                list(parser.transform(iter(cut(text, size))))
            assert str(cut_.value) == str(whole.value)

"""The parsers of function calls, as objects and in pieces, and of calls that no server should send."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from plait.errors import OutputParserException
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk
from plait.output_parsers import (
    JsonKeyOutputFunctionsParser,
    JsonOutputFunctionsParser,
    JsonOutputToolsParser,
    PydanticOutputFunctionsParser,
)


class Add(BaseModel):
    a: int
    b: list[int] = []


class Search(BaseModel):
    query: str


def called(name: Any, arguments: Any) -> AIMessage:
    return AIMessage("", additional_kwargs={"function_call": {"name": name, "arguments": arguments}})


def test_a_call_as_an_object(run: Any) -> None:
    """Of one model, or of that which is named as the function is."""
    assert run(PydanticOutputFunctionsParser(pydantic_schema=Add), called("f", '{"a": 1}')) == Add(a=1)
    several = PydanticOutputFunctionsParser(pydantic_schema={"Add": Add, "Search": Search})
    assert run(several, called("Search", '{"query": "x"}')) == Search(query="x")


@given(st.lists(st.integers(1, 5), max_size=10))
def test_where_the_arguments_are_cut_does_not_matter(sizes: list[int]) -> None:
    """The chunks add up to the value of the whole."""
    rest, text = [*sizes, 100], '{"a": 12, "b": [3, 45]}'
    pieces = [{"name": "Add", "arguments": ""}]
    while text:
        size = rest.pop(0)
        pieces.append({"arguments": text[:size]})
        text = text[size:]
    chunks = [AIMessageChunk(content="", additional_kwargs={"function_call": each}) for each in pieces]
    assert merge_all(PydanticOutputFunctionsParser(pydantic_schema=Add).transform(iter(chunks))) == Add(a=12, b=[3, 45])
    assert merge_all(JsonKeyOutputFunctionsParser(key_name="b").transform(iter(chunks))) == [3, 45]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (called("Add", '{"a": "one"}'), "'Add' was called with wrong arguments: a: Input should be a valid integer"),
        (called("Sub", "{}"), "expected a call of one of the functions Add, but got one of 'Sub'"),
        (called("Add", '{"a": 1'), "must be JSON, but at line 1, column 8"),
        (called("Add", '{"a":' * 100_000), "at most 100 levels"),
        (called(5, "{}"), "the name of a function call must be a text, but is a int"),
        (called("Add", {"a": 1}), "the arguments of a function call must be a text, but is a dict"),
        (AIMessage("none"), "expected a message with a function call"),
    ],
)
def test_a_wrong_call_is_told(run: Any, message: Any, problem: str) -> None:
    """The function, the argument, what was expected; whatever the server has sent."""
    with pytest.raises(OutputParserException) as caught:
        run(PydanticOutputFunctionsParser(pydantic_schema={"Add": Add}), message)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "call",
    [
        5,
        "f",
        {},
        {"function": "f"},
        {"function": {"name": 5, "arguments": "{}"}},
        {"function": {"name": "f", "arguments": {"a": 1}}},
        {"id": [1], "function": {"name": "f", "arguments": "{}"}},
    ],
)
def test_a_tool_call_of_another_form_is_refused(run: Any, call: Any) -> None:
    """With an exception of the parser, in messages of the older kind."""
    for kind in (AIMessage, AIMessageChunk):
        with pytest.raises(OutputParserException, match="a tool call"):
            run(JsonOutputToolsParser(), kind(content="", additional_kwargs={"tool_calls": [call]}))


def test_older_calls_in_a_chunk_are_not_lost(run: Any) -> None:
    """A chunk that holds a call in the older form alone is read as the message is; one with both is read once."""
    older = {"tool_calls": [{"id": "1", "index": 0, "function": {"name": "f", "arguments": '{"a": 1}'}}]}
    value = [{"type": "f", "args": {"a": 1}}]
    assert run(JsonOutputToolsParser(), AIMessageChunk(content="", additional_kwargs=older)) == value
    both = AIMessageChunk(
        content="",
        additional_kwargs=older,
        tool_call_chunks=[{"name": "f", "args": '{"a": 1}', "id": "1", "index": 0}],
    )
    assert run(JsonOutputToolsParser(), both) == value


def test_arguments_that_are_shown_as_they_came() -> None:
    """With args_only=False the stream has the name, too."""
    chunks = [
        AIMessageChunk(content="", additional_kwargs={"function_call": each})
        for each in ({"name": "f", "arguments": '{"a": '}, {"arguments": "1}"})
    ]
    values = list(JsonOutputFunctionsParser(args_only=False).transform(iter(chunks)))
    assert values[-1] == {"name": "f", "arguments": {"a": 1}}

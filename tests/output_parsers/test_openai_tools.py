"""The parsers of tool calls: whole messages and streams, partial arguments, and calls that are wrong."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from plait.errors import ChainError, OutputParserException
from plait.merging import merge_all
from plait.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from plait.output_parsers import JsonOutputKeyToolsParser, JsonOutputToolsParser, PydanticToolsParser
from plait.testing.models import FakeListLLM


class Add(BaseModel):
    a: int
    b: list[int] = []


class Search(BaseModel):
    query: str


class Choice(BaseModel):
    one: str
    two: Literal["ab", ""] = ""


CALLS = [
    {"name": "Add", "args": {"a": 1, "b": [2, 3]}, "id": "1"},
    {"name": "Search", "args": {"query": "what"}, "id": "2"},
    {"name": "Add", "args": {"a": 5}, "id": "3"},
]
MESSAGE = AIMessage("", tool_calls=CALLS)
ADD, SEARCH, ADD_2 = Add(a=1, b=[2, 3]), Search(query="what"), Add(a=5)
VALUES = [
    (JsonOutputToolsParser(), [{"type": call["name"], "args": call["args"]} for call in CALLS]),
    (JsonOutputToolsParser(return_id=True, first_tool_only=True), {"type": "Add", "args": CALLS[0]["args"], "id": "1"}),
    (JsonOutputKeyToolsParser(key_name="Add"), [{"a": 1, "b": [2, 3]}, {"a": 5}]),
    (JsonOutputKeyToolsParser(key_name="Search", first_tool_only=True), {"query": "what"}),
    (JsonOutputKeyToolsParser(key_name="None", first_tool_only=True), None),
    (PydanticToolsParser(tools=[Add, Search]), [ADD, SEARCH, ADD_2]),
    (PydanticToolsParser(tools=[Add, Search], first_tool_only=True), ADD),
]


def piece(args: str, index: int = 0, name: str | None = None, id: str | None = None) -> AIMessageChunk:
    return AIMessageChunk(content="", tool_call_chunks=[{"name": name, "args": args, "id": id, "index": index}])


def streamed(size: int = 3) -> list[AIMessageChunk]:
    chunks = []
    for index, call in enumerate(CALLS):
        text = json.dumps(call["args"])
        chunks.append(piece("", index, str(call["name"]), str(call["id"])))
        chunks += [piece(text[at : at + size], index) for at in range(0, len(text), size)]
    return chunks


@pytest.mark.parametrize(("parser", "value"), VALUES)
def test_the_calls_of_a_message(run: Any, parser: Any, value: Any) -> None:
    """As dicts or objects, all or the first, of all tools or of one."""
    assert run(parser, MESSAGE) == value
    assert run(parser, merge_all(streamed())) == value


@pytest.mark.parametrize(("parser", "value"), VALUES)
@pytest.mark.parametrize("size", [1, 4, 100])
async def test_a_stream_of_calls_adds_up(parser: Any, value: Any, size: int) -> None:
    """However the arguments are cut."""

    async def chunks() -> Any:
        for chunk in streamed(size):
            yield chunk

    assert merge_all(parser.transform(iter(streamed(size)))) == value
    assert merge_all([part async for part in parser.atransform(chunks())]) == value


def test_arguments_are_seen_as_they_grow() -> None:
    """Each chunk that adds to them gives the calls so far."""
    chunks = [piece('{"a": 1', 0, "Add", "1"), piece(', "b": [2'), piece("]}")]
    assert list(JsonOutputToolsParser().transform(iter(chunks))) == [
        [{"type": "Add", "args": {"a": 1}}],
        [{"type": "Add", "args": {"a": 1, "b": [2]}}],
    ]
    assert list(PydanticToolsParser(tools=[Add], first_tool_only=True).transform(iter(chunks))) == [
        Add(a=1),
        Add(a=1, b=[2]),
    ]


@given(st.permutations([0, 0, 0, 1, 1, 1]))
def test_calls_may_come_in_turns(order: list[int]) -> None:
    """What belongs to which call is told by the index."""
    parts = {0: iter(['{"a"', ": 1", "}"]), 1: iter(['{"que', 'ry": "x', '"}'])}
    first = [piece("", 0, "Add", "1"), piece("", 1, "Search", "2")]
    chunks = [*first, *(piece(next(parts[index]), index) for index in order)]
    assert merge_all(PydanticToolsParser(tools=[Add, Search]).transform(iter(chunks))) == [Add(a=1), Search(query="x")]


def test_a_call_keeps_its_value_while_another_is_not_valid() -> None:
    """The first call stays the first, and what was given does not go away while more of it comes."""
    parser = PydanticToolsParser(tools=[Choice, Search])
    chunks = [
        piece('{"one": "a"', 0, "Choice", "1"),
        piece('{"query": "w"}', 1, "Search", "2"),
        piece(', "two": "a', 0),
        piece('b"}', 0),
    ]
    assert [*parser.transform(iter(chunks))] == [
        [Choice(one="a")],
        [Choice(one="a"), Search(query="w")],
        [Choice(one="a", two="ab"), Search(query="w")],
    ]


def test_a_model_is_known_by_its_title_and_its_name() -> None:
    """By the name it has as a tool, too."""

    class Titled(BaseModel):
        model_config = {"title": "Another"}

    parser = PydanticToolsParser(tools=[Titled])
    for name in ("Another", "Titled"):
        assert parser.invoke(AIMessage("", tool_calls=[{"name": name, "args": {}, "id": "1"}])) == [Titled()]


def test_the_first_call_alone_is_looked_at() -> None:
    """With first_tool_only a second call is not shown in place of the first, which is not valid yet."""
    parser = PydanticToolsParser(tools=[Search, Add], first_tool_only=True)
    chunks = [piece("{", 0, "Search", "1"), piece('{"a": 1}', 1, "Add", "2"), piece('"query": "w"}', 0)]
    assert [*parser.transform(iter(chunks))] == [Search(query="w")]


def test_a_new_id_under_an_index_is_a_new_call() -> None:
    """Some servers number every call 0."""
    chunks = [piece('{"a": 1}', 0, "Add", "1"), piece('{"a": 2}', 0, "Add", "2")]
    assert merge_all(JsonOutputKeyToolsParser(key_name="Add").transform(iter(chunks))) == [{"a": 1}, {"a": 2}]


def test_calls_of_older_messages(run: Any) -> None:
    """They are in the form of the OpenAI API, under additional_kwargs; a tool without parameters has no arguments."""
    calls = [
        {"id": "1", "function": {"name": "Add", "arguments": '{"a": 1}'}},
        {"function": {"name": "f", "arguments": None}},
    ]
    message = AIMessage("", additional_kwargs={"tool_calls": calls})
    assert run(JsonOutputToolsParser(), message) == [{"type": "Add", "args": {"a": 1}}, {"type": "f", "args": {}}]


@pytest.mark.parametrize(
    ("chunk", "problem"),
    [
        (
            piece('{"a": "x"}', name="Add"),
            "the tool 'Add' was called with wrong arguments: a: Input should be a valid int",
        ),
        (piece("{}", name="Add"), "the tool 'Add' was called with wrong arguments: a: Field required"),
        (piece("{}", name="Sub"), "expected a call of one of the tools Add, Search, but got one of 'Sub'"),
        (
            piece('{"a": ', name="Add"),
            "the arguments of the tool 'Add' must be JSON, but at line 1, column 7: expected a val",
        ),
        (piece("[1]", name="Add"), "the arguments of the tool 'Add' must be a JSON object, but are a list"),
        (piece("{}{}", name="Add"), "line 1, column 3: expected the end of the arguments"),
        (piece("[" * 500, name="Add"), "at most 100 levels"),
    ],
)
def test_wrong_calls_are_errors(run: Any, chunk: Any, problem: str) -> None:
    """Which tool, which argument, what was expected: whole or streamed."""
    parser = PydanticToolsParser(tools=[Add, Search])
    for given_ in (chunk, message_chunk_to_message(chunk)):
        with pytest.raises(OutputParserException) as caught:
            run(parser, given_)
        assert problem in str(caught.value)


def test_a_message_without_calls(run: Any) -> None:
    """Has none: an empty list, or None where one was asked for."""
    assert run(JsonOutputToolsParser(), AIMessage("Hello")) == []
    assert run(PydanticToolsParser(tools=[Add], first_tool_only=True), AIMessage("Hello")) is None


def test_a_text_has_no_calls(run: Any) -> None:
    """That is a TypeError, found when the chain is built if the types make it certain."""
    with pytest.raises(TypeError, match="reads a message"):
        run(JsonOutputToolsParser(), "text")
    with pytest.raises(ChainError):
        FakeListLLM(responses=["x"]) | JsonOutputToolsParser()  # type: ignore[operator]

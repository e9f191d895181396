"""A parser reads what a model gives: a subclass writes parse, and has every verb."""

import asyncio
import threading
from typing import Any

import pytest

from plait.errors import ChainError, EmptyStreamError, OutputParserException
from plait.messages import AIMessage, AIMessageChunk, HumanMessage
from plait.output_parsers import BaseGenerationOutputParser, BaseOutputParser, BaseTransformOutputParser
from plait.outputs import ChatGeneration, Generation
from plait.runnables import RunnableConfig, RunnableGenerator, RunnableLambda
from plait.testing.models import FakeListChatModel, FakeListLLM


class Numbers(BaseOutputParser[list[int]]):
    def parse(self, text: str) -> list[int]:
        try:
            return [int(word) for word in text.split()]
        except ValueError as error:
            raise OutputParserException(f"expected numbers, got {text!r}") from error


class Calls(BaseGenerationOutputParser[list[str]]):
    """The names of the tools that a message calls."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> list[str]:
        generation = result[0]
        assert isinstance(generation, ChatGeneration)
        return [call["name"] for call in getattr(generation.message, "tool_calls", [])]


class Shout(BaseTransformOutputParser[str]):
    def parse(self, text: str) -> str:
        return text.upper()


@pytest.mark.parametrize(
    "given", ["1 2", AIMessage("1 2"), HumanMessage("1 2"), AIMessage([{"type": "text", "text": "1 2"}])]
)
def test_a_subclass_writes_parse_alone(run: Any, given: Any) -> None:
    """Texts and messages are parsed in all modes."""
    assert run(Numbers(), given) == [1, 2]


@pytest.mark.parametrize("model", [FakeListChatModel(responses=["1 2 3"]), FakeListLLM(responses=["1 2 3"])])
def test_a_parser_follows_a_model(run: Any, model: Any) -> None:
    """In a chain a parser reads the whole answer, streamed or not: values of parts are not values of the whole."""
    assert run(model | Numbers(), "x") == [1, 2, 3]


async def test_a_stream_is_parsed_once_and_whole() -> None:
    """What streams into a parser is parsed at its end, in one chunk."""
    pieces = ["1", "0 2", "0"]
    assert list(Numbers().transform(iter(pieces))) == [[10, 20]]

    async def stream() -> Any:
        for piece in pieces:
            yield AIMessageChunk(content=piece)

    assert [value async for value in Numbers().atransform(stream())] == [[10, 20]]


def test_what_cannot_be_parsed_is_an_error(run: Any) -> None:
    """An OutputParserException comes out as it was raised; it is a ValueError."""
    with pytest.raises(ValueError, match="expected numbers, got 'one'") as caught:
        run(FakeListChatModel(responses=["one"]) | Numbers(), "x")
    assert isinstance(caught.value, OutputParserException)


@pytest.mark.parametrize("given", [{"text": "1"}, 1, None, ["1"]])
def test_other_input_is_refused(run: Any, given: Any) -> None:
    """What is not the output of a model is a TypeError that says what came."""
    with pytest.raises(TypeError, match=f"Numbers reads a message or a text, .* but got {type(given).__name__}"):
        run(Numbers(), given)


def test_a_parser_after_something_it_cannot_read_is_refused() -> None:
    """A step that certainly gives neither message nor text is found when the chain is built."""

    def count(text: str) -> int:
        return len(text)

    with pytest.raises(ChainError, match="Numbers"):
        RunnableLambda(count) | Numbers()
    with pytest.raises(ChainError, match="Shout"):
        Numbers() | Shout()


async def test_an_empty_stream_is_an_error() -> None:
    """A stream that ends without a chunk has no value to parse."""
    with pytest.raises(EmptyStreamError):
        list(Numbers().transform(iter([])))
    with pytest.raises(EmptyStreamError):
        (RunnableGenerator(lambda chunks: iter([])) | Numbers()).invoke("x")


def test_a_parser_of_messages_gets_the_message(run: Any) -> None:
    """parse_result is given the message, with what is not text."""
    message = AIMessage("", tool_calls=[{"name": "search", "args": {}, "id": "1"}])
    assert run(Calls(), message) == ["search"]


def test_parse_result_goes_before_parse(run: Any) -> None:
    """A parser of text that overrides parse_result is called there, sync and async."""

    class Counted(BaseOutputParser[int]):
        def parse(self, text: str) -> int:
            return -1

        def parse_result(self, result: list[Generation], *, partial: bool = False) -> int:
            return len(result[0].text)

    assert run(Counted(), "four") == 4


async def test_aparse_is_preferred_in_async_code() -> None:
    """Where the author wrote aparse it is what ainvoke calls."""

    class Twins(Numbers):
        async def aparse(self, text: str) -> list[int]:
            return [-1]

    assert Twins().invoke("1") == [1]
    assert await Twins().ainvoke("1") == [-1]
    assert await Twins().aparse_result([Generation(text="1")]) == [-1]


@pytest.mark.parametrize("method", ["parse", "parse_result"])
async def test_a_slow_parser_does_not_block_the_loop(method: str) -> None:
    """What is written in sync code runs in a thread when it is called from async code."""
    going = threading.Event()

    class Waiting(Numbers):
        def parse(self, text: str) -> list[int]:
            assert going.wait(10)
            return []

    class WaitingResult(Calls):
        def parse_result(self, result: list[Generation], *, partial: bool = False) -> list[str]:
            assert going.wait(10)
            return []

    call = asyncio.create_task((Waiting() if method == "parse" else WaitingResult()).ainvoke("x"))  # type: ignore[attr-defined]
    await asyncio.sleep(0)
    going.set()
    assert await call == []


async def test_a_transform_parser_parses_chunk_by_chunk() -> None:
    """A parser whose values add up as the text does gives a value for each chunk."""
    chain = FakeListChatModel(responses=["one two"]) | Shout()
    assert list(chain.stream("x")) == ["ONE", " TWO"]
    assert [chunk async for chunk in chain.astream("x")] == ["ONE", " TWO"]
    assert list(Shout().transform(iter(["a", "b"]))) == ["A", "B"]
    assert list(chain.stream("x", {"tags": ["watched"]})) == ["ONE", " TWO"]


def test_the_type_of_the_value_is_known() -> None:
    """The output type comes from the generic argument, or else from the annotation of parse."""

    class Plain(BaseOutputParser):  # type: ignore[type-arg]
        def parse(self, text: str) -> dict[str, int]:
            return {}

    assert Numbers().OutputType == list[int]
    assert Calls().OutputType == list[str]
    assert Plain().OutputType == dict[str, int]
    schema = Numbers().output_schema.schema()  # type: ignore[deprecated]
    assert schema == {"title": "NumbersOutput", "type": "array", "items": {"type": "integer"}}


def test_the_input_schema_reads_messages_and_texts() -> None:
    """JSON for the input is validated into something that the parser reads."""
    schema = Numbers().input_schema
    for text in ('"1 2"', '{"type": "ai", "content": "1 2"}'):
        assert Numbers().invoke(schema.model_validate_json(text).root) == [1, 2]  # type: ignore[attr-defined]


async def test_what_a_parser_calls_inherits_its_config() -> None:
    """A chain that is called inside parse sees the tags of the call around it."""

    def tags(_: str, config: RunnableConfig) -> str:
        return ",".join(config.get("tags", []))

    inner = RunnableLambda(tags)

    class Fixing(BaseOutputParser[str]):
        def parse(self, text: str) -> str:
            return inner.invoke(text)

    assert Fixing().invoke("x", {"tags": ["outer"]}) == "outer"
    assert await Fixing().ainvoke("x", {"tags": ["outer"]}) == "outer"
    assert inner.invoke("x") == ""


def test_format_instructions_are_the_authors() -> None:
    """A parser without format instructions says so."""
    with pytest.raises(NotImplementedError, match="Numbers has no format instructions"):
        Numbers().get_format_instructions()

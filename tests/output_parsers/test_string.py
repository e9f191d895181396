"""StrOutputParser gives the text of what a model gives, chunk by chunk, and refuses everything else."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import ChainError, EmptyStreamError
from plait.messages import AIMessage, AIMessageChunk, HumanMessage
from plait.output_parsers import StrOutputParser
from plait.runnables import RunnableGenerator, RunnableLambda, RunnableParallel
from plait.testing.models import EchoChatModel, FakeListChatModel, FakeStreamingListLLM


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("text", "text"),
        (AIMessage("text"), "text"),
        (HumanMessage("text"), "text"),
        (AIMessageChunk(content="text"), "text"),
        (AIMessage(["a", {"type": "text", "text": "b"}, {"type": "image", "url": "u"}]), "ab"),
        (AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]), ""),
    ],
)
def test_the_text_is_given(run: Any, given: Any, text: str) -> None:
    """Of a message the content, or its text blocks joined, in all modes."""
    assert run(StrOutputParser(), given) == text


@pytest.mark.parametrize("given", [{"text": "x"}, 1, None, [AIMessage("x")], b"x"])
def test_anything_else_is_refused(run: Any, given: Any) -> None:
    """There is no text of what is not from a model: a TypeError says what came."""
    with pytest.raises(TypeError, match=f"StrOutputParser reads a message or a text, .* got {type(given).__name__}"):
        run(StrOutputParser(), given)


@pytest.mark.parametrize("model", [FakeListChatModel(responses=["a b c"]), FakeStreamingListLLM(responses=["a b c"])])
@pytest.mark.parametrize("config", [None, {"tags": ["t"]}])
async def test_streams_pass_chunk_by_chunk(model: Any, config: Any) -> None:
    """As many chunks come out as went in."""
    chain = model | StrOutputParser()
    assert list(chain.stream("x", config)) == ["a", " b", " c"]
    assert [chunk async for chunk in chain.astream("x", config)] == ["a", " b", " c"]
    assert list(StrOutputParser().transform(iter(["a", "b"]), config)) == ["a", "b"]


@given(st.lists(st.text(), min_size=1))
def test_where_a_stream_is_cut_does_not_matter(parts: list[str]) -> None:
    """The texts of the chunks are together the text of their sum."""
    chunks = [AIMessageChunk(content=part) for part in parts]
    assert "".join(StrOutputParser().transform(iter(chunks))) == "".join(parts)


def test_an_empty_stream_is_not_an_empty_text() -> None:
    """A stream without a chunk gives no chunk, and no value where one is needed."""
    nothing = RunnableGenerator(lambda chunks: iter([]))
    assert list((nothing | StrOutputParser()).stream("x")) == []
    with pytest.raises(EmptyStreamError):
        (nothing | StrOutputParser()).invoke("x")


def test_a_chain_that_cannot_fit_is_refused() -> None:
    """A dict or a number before the parser is found when the chain is built."""
    with pytest.raises(ChainError, match="StrOutputParser"):
        RunnableParallel(a=EchoChatModel(), b=EchoChatModel()) | StrOutputParser()
    with pytest.raises(ChainError, match="StrOutputParser"):
        RunnableLambda(_count) | StrOutputParser()


def test_a_subclass_may_change_the_text(run: Any) -> None:
    """A subclass that overrides parse is used in all modes, chunk by chunk."""

    class Shout(StrOutputParser):
        def parse(self, text: str) -> str:
            return text.upper()

    assert run(FakeListChatModel(responses=["one two"]) | Shout(), "x") == "ONE TWO"


def test_a_parser_is_frozen_and_travels() -> None:
    """It cannot be changed once made, and is the same after pickling."""
    parser = StrOutputParser(name="text")
    with pytest.raises(ValueError, match="frozen"):
        parser.name = "other"
    assert pickle.loads(pickle.dumps(parser)) == parser


def test_schemas() -> None:
    """It gives a string."""
    assert StrOutputParser().output_schema.schema() == {"title": "StrOutputParserOutput", "type": "string"}  # type: ignore[deprecated]


def _count(text: str) -> int:
    return len(text)

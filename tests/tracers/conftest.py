"""One story that every tracer is told: a chain that answers, one that fails, one that is given up."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from plait.documents import Document
from plait.language_models import FakeMessagesListChatModel
from plait.messages import AIMessage
from plait.output_parsers import StrOutputParser
from plait.prompts import ChatPromptTemplate
from plait.runnables import Runnable, RunnableLambda, RunnableParallel, RunnablePassthrough

KEY = "sk-proj-abcdefgh12345678"

ANSWER = AIMessage(
    "It is blue.",
    id="chatcmpl-7",
    tool_calls=[{"name": "paint", "args": {"colour": "blue", "api_key": KEY}, "id": "call-1"}],
    usage_metadata={
        "input_tokens": 12,
        "output_tokens": 3,
        "total_tokens": 15,
        "input_token_details": {"cache_read": 2, "cache_creation": 1},
        "output_token_details": {"reasoning": 1},
    },
    response_metadata={"model_name": "fake-1-2026", "finish_reason": "stop"},
)


class Model(FakeMessagesListChatModel):
    """A chat model with the settings that real ones have."""

    model: str = "fake-1"
    base_url: str = "http://127.0.0.1:8080/v1"
    temperature: float = 0.5
    max_tokens: int = 64
    stop: list[str] = ["END"]


class Search(Runnable[Any, Any]):
    """What a retriever is to a tracer."""

    _kind = "retriever"
    k = 2

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return [Document(page_content=f"On {input}", metadata={"score": 0.75, "token": KEY}, id="doc-1")]


class Tool(Runnable[Any, Any]):
    """What a tool is to a tracer."""

    _kind = "tool"
    description = "Paints."

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self._error = error

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        if self._error is not None:
            raise self._error
        return {"painted": input["args"]["colour"]}


def answering() -> Runnable[Any, Any]:
    """A prompt with documents, a model, a parser, and a tool at the end."""
    paint = Tool("paint")

    def painted(text: str) -> Any:
        return paint.invoke({**ANSWER.tool_calls[0], "type": "tool_call"})

    prompt = ChatPromptTemplate.from_messages([("system", "Use {docs}"), ("human", "{question}")])
    asked = RunnableParallel(docs=Search(), question=RunnablePassthrough())
    model = Model(responses=[ANSWER])
    return (asked | prompt | model | StrOutputParser() | RunnableLambda(painted)).with_config(run_name="answering")


def failing() -> Runnable[Any, Any]:
    """A chain whose second step refuses what it gets."""
    tool = Tool("broken", ValueError(f"refused: api_key={KEY}\x1b[31m"))
    return (RunnableLambda(str).with_config(run_name="text") | tool).with_config(run_name="failing")


def endless() -> Runnable[Any, Any]:
    """A chain that streams words."""
    chain = Model(responses=[ANSWER]) | StrOutputParser()
    return chain.with_config(run_name="endless")


class Witness:
    """Keeps the runs that it heard of, in the order in which they ended."""

    def __init__(self) -> None:
        self.runs: list[Any] = []

    def on_run_start(self, run: Any) -> None: ...

    def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

    def on_run_event(self, run: Any, name: str, data: Any) -> None: ...

    def on_run_end(self, run: Any) -> None:
        self.runs.append(run)

    @property
    def facts(self) -> list[tuple[str, str, str, str | None]]:
        return sorted(
            (str(run.id), run.kind, run.status, None if run.parent is None else str(run.parent.id)) for run in self.runs
        )


def tell_story(tracer: Any) -> Witness:
    """Have the story traced, and give what really happened."""
    witness = Witness()
    config: Any = {
        "callbacks": [tracer, witness],
        "metadata": {"user": "Ann", "api_key": KEY},
        "tags": ["test"],
        "configurable": {"api_key": KEY},
    }
    answering().invoke("the sky", config)
    with pytest.raises(ValueError, match="refused"):
        failing().invoke(1, config)
    with closing(endless().stream("the sky", config)) as chunks:
        next(chunks)
    return witness


@pytest.fixture
def story() -> Any:
    """``story(tracer)`` gives a witness of three calls that were traced; ``story.KEY`` must be nowhere in the trace."""
    tell_story.KEY = KEY  # type: ignore[attr-defined]
    return tell_story

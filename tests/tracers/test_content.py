"""Inputs and outputs as JSON: bounded, masked, and never a reason to fail."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PlainSerializer, SecretStr, field_serializer

from plait.documents import Document
from plait.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from plait.prompt_values import ChatPromptValue
from plait.runnables import RunnableLambda
from plait.tracers import JsonLinesTracer


def line_of(value: Any, **settings: Any) -> str:
    """The line of a run that gives the value."""
    stream = io.StringIO()
    RunnableLambda(lambda _: value).invoke(None, {"callbacks": [JsonLinesTracer(stream, **settings)]})
    return stream.getvalue()


def written(value: Any, **settings: Any) -> Any:
    return json.loads(line_of(value, **settings))["outputs"]


class Colour(Enum):
    RED = "red"


@dataclass
class Data:
    number: int
    api_key: str = "abc"
    hidden: str = field(default="hidden", repr=False)


class Hides(BaseModel):
    pin: str = "1234"

    @field_serializer("pin")
    def hide(self, _: str) -> str:
        return "hidden"


class HidesToo(BaseModel):
    pin: Annotated[str, PlainSerializer(lambda _: "hidden")] = "1234"


class LeavesOut(BaseModel):
    shown: int
    pin: str = Field(exclude=True)


WRITTEN: dict[str, tuple[Any, Any]] = {
    "plain": ({"a": [1, 1.5, None, True, "x"]}, {"a": [1, 1.5, None, True, "x"]}),
    "other containers": (({1}, (2, 3, 4), frozenset()), [[1], [2, 3, 4], []]),
    "other keys": ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
    "no number": ([float("nan"), float("-inf")], ["nan", "-inf"]),
    "a number beyond JSON's": (2**60, str(2**60)),
    "an enum": (Colour.RED, "red"),
    "a moment": (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    "texts of their kind": ([UUID(int=1), Decimal("1.50"), PurePosixPath("a/b")], [str(UUID(int=1)), "1.50", "a/b"]),
    "secrets": ({"api_key": "abc", "n": [("Cookie", "abc")]}, {"api_key": "***", "n": [["Cookie", "***"]]}),
    "a text with a secret": ("password=abc", "password=***"),
    "a secret of pydantic's": ([SecretStr("abc")], ["***"]),
    "a dataclass": (Data(1), {"number": 1, "api_key": "***"}),
    "a model that hides": ([Hides(), HidesToo()], [{"pin": "hidden"}, {"pin": "hidden"}]),
    "a model that leaves out": (LeavesOut(shown=1, pin="1234"), {"shown": 1}),
    "a message": (HumanMessage("hi", id="1"), {"content": "hi", "type": "human", "id": "1"}),
    "a prompt": (
        ChatPromptValue(messages=[SystemMessage("be kind")]),
        {"messages": [{"content": "be kind", "type": "system"}], "type": "ChatPromptValue"},
    ),
    "a document": (
        Document(page_content="x", metadata={"token": "abc"}),
        {"page_content": "x", "metadata": {"token": "***"}, "type": "Document"},
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_value_is_written_as_json(name: str) -> None:
    """Values of the usual kinds are JSON that means the same, without secrets and without what a class hides."""
    value, expected = WRITTEN[name]

    assert written(value) == expected


def test_what_json_cannot_say_is_tagged() -> None:
    """Anything else becomes its class and a bounded repr."""
    shown = written([threading.Lock()])

    assert shown[0]["type"] == "_thread.lock"
    assert "lock object" in shown[0]["repr"]


class Hostile:
    def __repr__(self) -> str:
        raise SystemExit


class HostileDict(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("mine")


def cycle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "value", [Hostile(), HostileDict(a=1), cycle(), {"a": Hostile()}], ids=["repr", "dict", "cycle", "in"]
)
def test_hostile_values_are_written_somehow(value: Any) -> None:
    """What fails to be read, or never ends, is written by what can be said of it."""
    assert json.loads(line_of(value))["status"] == "success"


def test_cut_says_so() -> None:
    """A text, a list and a dict that are not whole say how much there was."""
    assert written("x" * 100, limit=10) == "xxxxxxxxx… [100 characters in all]"
    assert written([12345] * 100, limit=20)[-1] == "… [97 more]"
    assert written({str(n): n for n in range(100)}, limit=20)["…"] == "97 more"
    assert written("x" * 50_000, limit=None) == "x" * 50_000


@pytest.mark.parametrize(
    "value", ["x" * 10**7, [0] * 10**6, [{"a": ["b" * 100] * 100}] * 100], ids=["text", "list", "tree"]
)
def test_line_is_bounded(value: Any) -> None:
    """Whatever a run gives, its line is short."""
    assert len(line_of(value, limit=100)) < 1000


@given(st.text(st.characters(exclude_categories=())))
@example("\ud800")
def test_line_is_one_line(text: str) -> None:
    """J4: control characters, line ends of all sorts and halves of characters do not get out of their line."""
    line = line_of({text: text})

    assert len(line.splitlines()) == 1
    assert line.encode("utf-8")
    assert json.loads(line)["status"] == "success"
    assert not {"\x1b", "\x9b", "\u2028", "\x7f"} & set(line)


# ------------------------------------------------------------------------------------- messages, as OpenTelemetry's form


def said(messages: list[Any], answer: Any = None, limit: int = 10_000) -> Any:
    from plait.runs import DEFAULTS, Run, Scope
    from plait.tracers.gen_ai_content import content_of

    run = Run("model", "chat_model", messages, Scope(DEFAULTS))
    run.outputs = answer
    return {name: json.loads(text) for name, text in content_of(run, limit).items()}


def test_messages_have_the_form_of_the_conventions() -> None:
    """Roles, texts, calls of tools and their results, reasoning, and what has no name there."""
    call = {"name": "f", "args": {"token": "abc"}, "id": "1"}
    shown = said(
        [
            SystemMessage("kind"),
            HumanMessage(
                [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "u"}}], name="Ann"
            ),
            AIMessage([{"type": "reasoning", "reasoning": "hm"}, "well"], tool_calls=[call]),
            ToolMessage("42", tool_call_id="1"),
        ]
    )

    assert shown["gen_ai.input.messages"] == [
        {"role": "system", "parts": [{"type": "text", "content": "kind"}]},
        {
            "role": "user",
            "parts": [{"type": "text", "content": "see"}, {"type": "image_url", "image_url": {"url": "u"}}],
            "name": "Ann",
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "text", "content": "well"},
                {"type": "tool_call", "id": "1", "name": "f", "arguments": {"token": "***"}},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "42"}]},
    ]


def test_answers_are_of_the_assistant() -> None:
    """A message and a plain text are both what the model said; no answer gives no attribute."""
    expected = [{"role": "assistant", "parts": [{"type": "text", "content": "yes"}]}]

    assert said(["?"], AIMessage("yes"))["gen_ai.output.messages"] == expected
    assert said(["?"], "yes")["gen_ai.output.messages"] == expected
    assert "gen_ai.output.messages" not in said(["?"])


def test_long_conversations_keep_their_end() -> None:
    """Of very many messages the last are kept, each with its share of the limit, and the form stays valid."""
    shown = said([HumanMessage("x" * 10_000)] * 250)["gen_ai.input.messages"]

    assert shown[0] == {"role": "system", "parts": [{"type": "omitted", "messages": 150}]}
    assert len(shown) == 101
    assert {len(message["parts"]) for message in shown} == {1}
    assert len(json.dumps(shown)) < 50_000

"""Tools are bound to a model in the form of its API, and a choice among them in any form that people write."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from plait.errors import ConfigError
from plait.language_models.tool_choice import as_openai_has_it
from plait.messages import AIMessage, HumanMessage, ToolMessage
from plait.testing import EchoChatModel, FakeMessagesListChatModel, GenericFakeChatModel


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Weather(BaseModel):
    """The weather of a place."""

    place: str


CALL = {"name": "add", "args": {"a": 1, "b": 2}, "id": "c1"}
NAMED = {"type": "function", "function": {"name": "add"}}


def test_tools_of_every_kind_reach_the_model(run: Any) -> None:
    """Functions, classes and dicts are told as the API has them."""
    model = EchoChatModel()
    own = {"type": "web_search", "name": "search"}
    run(model.bind_tools([add, Weather, {"name": "f", "parameters": {"type": "object", "properties": {}}}, own]), "x")
    tools = model.calls[-1].kwargs["tools"]

    assert [tool["function"]["name"] for tool in tools[:3]] == ["add", "Weather", "f"]
    assert tools[0]["function"]["description"] == "Add two numbers."
    assert tools[3] == own


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        (False, None),
        ("auto", "auto"),
        ("none", "none"),
        ("any", "required"),
        ("required", "required"),
        (True, "required"),
        ("add", NAMED),
        (NAMED, NAMED),
        ({"type": "tool", "name": "add"}, NAMED),
        ({"type": "any"}, "required"),
        ({"type": "allowed_tools", "x": 1}, {"type": "allowed_tools", "x": 1}),
    ],
)
def test_choice_in_every_form(choice: Any, sent: Any) -> None:
    """Words, True, the name of a tool and the dicts of either vendor mean the same."""
    model = EchoChatModel()
    model.bind_tools([add], tool_choice=choice).invoke("x")

    assert model.calls[-1].kwargs.get("tool_choice") == sent


@pytest.mark.parametrize(
    ("tools", "choice", "told"),
    [
        ([add], "sub", "names 'sub', and the tools are 'add'"),
        ([add], {"type": "function", "function": {"name": "sub"}}, "names 'sub'"),
        ([], "add", "no tools were given"),
        ([], "any", "no tools were given"),
        ([add], 7, "got an object of type int"),
        ([add, add], None, "same name: 'add'"),
    ],
)
def test_choice_that_cannot_be(tools: Any, choice: Any, told: str) -> None:
    """A tool that is not there, or there twice, is an error before any request."""
    with pytest.raises(ConfigError, match=told):
        EchoChatModel().bind_tools(tools, tool_choice=choice)


def test_no_tools_are_no_parameters() -> None:
    """APIs refuse an empty list of tools, which programs with a list of tools may have."""
    assert as_openai_has_it([], None, False) == {}


def test_one_call_at_a_time() -> None:
    """parallel_tool_calls and other parameters are bound with the tools."""
    model = EchoChatModel()
    model.bind_tools([add], parallel_tool_calls=False, seed=7).invoke("x")

    assert (model.calls[-1].kwargs["parallel_tool_calls"], model.calls[-1].kwargs["seed"]) == (False, 7)


def test_agent_runs_without_a_network(run: Any) -> None:
    """A fake calls the tool, gets its result, and answers."""
    model = FakeMessagesListChatModel(responses=[AIMessage("", tool_calls=[CALL]), AIMessage("3")])
    bound = model.bind_tools([add])
    asked: list[Any] = [HumanMessage("1 + 2?")]
    answer = run(bound, asked)
    results = [ToolMessage(add(**call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]

    assert run(bound, [*asked, answer, *results]).text == "3"
    assert [message.type for message in model.calls[-1].input][-1] == "tool"


def test_wrappers_have_it_too(run: Any) -> None:
    """Fallbacks, retries, bindings and configurable models bind tools to what they hold."""
    model = GenericFakeChatModel(messages=iter([AIMessage("", tool_calls=[CALL])] * 4), failures=0)
    for wrapped in (
        model.with_fallbacks([EchoChatModel()]),
        model.with_retry(),
        model.bind(seed=1),
        model.with_config(tags=["t"]),
    ):
        assert run(wrapped.bind_tools([add]), "x").tool_calls[0]["name"] == "add"  # type: ignore[attr-defined]
        assert model.calls[-1].kwargs["tools"][0]["function"]["name"] == "add"


def test_whole_calls_where_streams_of_calls_are_not_wanted() -> None:
    """disable_streaming="tool_calling" gives an answer to a call with tools in one chunk."""
    model = FakeMessagesListChatModel(responses=[AIMessage("a b c")], disable_streaming="tool_calling")

    assert len(list(model.bind_tools([add]).stream("x"))) == 1
    assert len(list(model.stream("x"))) == 3

"""Tools, their calls and results, and structures on the wire of both vendors, and on the model of this process."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import BaseModel

from plait import RunnableConfig
from plait.errors import ConfigError, ModelError, OutputParserException
from plait.messages import AIMessage, HumanMessage, ToolMessage
from plait.providers import ChatAnthropic, ChatLocal, ChatOpenAI, LocalServer, init_chat_model
from plait.testing import check_chat_model

KEY = "sk-proj-Ab3dEf6hIj9lMn"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Pet(BaseModel):
    """A pet."""

    name: str
    legs: int = 4


class Free(BaseModel):
    words: dict[str, int]


def openai(wire: Any, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"base_url": f"{wire.url}/v1", "api_key": KEY, "max_retries": 0, **settings})


def claude(wire: Any, **settings: Any) -> ChatAnthropic:
    return ChatAnthropic(**{"model": "c-1", "base_url": wire.url, "api_key": KEY, "max_retries": 0, **settings})


def openai_answers(wire: Any, message: dict[str, Any], reason: str = "stop") -> None:
    """The answer whole, or in two halves of its text or of the arguments of its calls."""
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": reason}], "id": "c-1", "model": "m"}
    wire.either(whole, *[chunk(delta) for delta in halves(message)], chunk({}, reason), "data: [DONE]\n\n")


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"id": "c-1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def halves(message: dict[str, Any]) -> Any:
    text = message.get("content") or ""
    for part in (text[: len(text) // 2], text[len(text) // 2 :]):
        yield {"content": part}
    for index, call in enumerate(message.get("tool_calls", ())):
        args = call["function"]["arguments"]
        first = {"name": call["function"]["name"], "arguments": args[: len(args) // 2]}
        yield {"tool_calls": [{"index": index, "id": call["id"], "type": "function", "function": first}]}
        yield {"tool_calls": [{"index": index, "function": {"arguments": args[len(args) // 2 :]}}]}
    if "refusal" in message:
        yield {"refusal": message["refusal"]}


def openai_call(args: str, id: str = "c1", name: str = "add") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": args}}


def claude_answers(wire: Any, *blocks: dict[str, Any], reason: str = "tool_use") -> None:
    import json

    usage = {"input_tokens": 1, "output_tokens": 1}
    head = {"id": "m-1", "type": "message", "role": "assistant", "model": "c-1"}
    whole = {**head, "content": list(blocks), "stop_reason": reason, "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {**head, "content": [], "usage": usage}}]
    for index, block in enumerate(blocks):
        is_text = block["type"] == "text"
        empty = {**block, "text": ""} if is_text else {**block, "input": {}}
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        kind, key, value = ("text_delta", "text", block.get("text")) if is_text else (
            "input_json_delta", "partial_json", json.dumps(block.get("input")))  # fmt: skip
        events += [
            {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: part}} for part in str(value)
        ]
        events.append({"type": "content_block_stop", "index": index})
    events += [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}, {"type": "message_stop"}]
    wire.either(whole, *events)


# -------------------------------------------------------------------------------------------------------------- OpenAI


def test_openai_is_told_of_tools(run: Any, wire: Any) -> None:
    """Schema, choice and whether calls may be parallel are in the request; two calls come back, whole or streamed."""
    openai_answers(
        wire, {"content": None, "tool_calls": [openai_call('{"a": 1, "b": 2}'), openai_call('{"a": 3, "b": 4}', "c2")]}
    )
    answer = run(openai(wire).bind_tools([add], tool_choice="any", strict=True, parallel_tool_calls=True), "sum?")

    assert [(call["id"], call["args"]) for call in answer.tool_calls] == [
        ("c1", {"a": 1, "b": 2}),
        ("c2", {"a": 3, "b": 4}),
    ]
    assert (wire.body["tool_choice"], wire.body["parallel_tool_calls"]) == ("required", True)
    assert wire.body["tools"][0]["function"]["strict"] is True


def test_openai_round_trip(run: Any, wire: Any) -> None:
    """What the tools gave goes back in the order and the form of the API, failures and artifacts included."""
    openai_answers(wire, {"content": "7 and a failure"})
    calls: Any = [{"name": "add", "args": {"a": 3, "b": 4}, "id": "c1"}, {"name": "add", "args": {}, "id": "c2"}]
    results = [
        ToolMessage("7", tool_call_id="c1", artifact={"seen": object}),
        ToolMessage("b is missing", tool_call_id="c2", status="error"),
    ]
    run(openai(wire).bind_tools([add]), [HumanMessage("sum?"), AIMessage("", tool_calls=calls), *results])
    _, said, first, second = wire.body["messages"]

    assert [call["id"] for call in said["tool_calls"]] == ["c1", "c2"]
    assert first == {"role": "tool", "content": "7", "tool_call_id": "c1"}
    assert second == {"role": "tool", "content": "b is missing", "tool_call_id": "c2"}


@pytest.mark.parametrize("args", ['{"a": 1', "nonsense", "[1]", '{"a": ' * 200, '{"a": NaN}'])
def test_garbled_call_is_an_invalid_one(run: Any, wire: Any, args: str) -> None:
    """Arguments that are cut off, no JSON, no object or nested without end come as invalid calls, with the error."""
    openai_answers(wire, {"content": None, "tool_calls": [openai_call(args), openai_call('{"a": 1}', "c2")]})
    answer = run(openai(wire).bind_tools([add]), "sum?")

    assert [call["id"] for call in answer.tool_calls] == ["c2"]
    [broken] = answer.invalid_tool_calls
    assert (broken["args"], bool(broken["error"])) == (args, True)


def test_calls_with_gaps_and_without_names(run: Any, wire: Any) -> None:
    """Numbers that leave gaps, and a call without a name, do not mix one call with another."""
    parts = [
        {"index": 5, "id": "a", "function": {"name": "add", "arguments": '{"a"'}},
        {"index": 2, "id": "b", "function": {"arguments": "{}"}},
        {"index": 5, "function": {"arguments": ": 1}"}},
        {"index": 5, "id": "c", "function": {"name": "add", "arguments": "{}"}},
    ]
    wire.stream(*[chunk({"tool_calls": [part]}) for part in parts], chunk({}, "tool_calls"), "data: [DONE]\n\n")
    *_, last = _sums(openai(wire).stream("x"))

    assert [(call["id"], call["name"], call["args"]) for call in last.tool_calls] == [
        ("a", "add", {"a": 1}),
        ("b", "", {}),
        ("c", "add", {}),
    ]


def _sums(chunks: Any) -> Any:
    total = None
    for each in chunks:
        total = each if total is None else total + each
        yield total


def test_calls_can_be_read_while_they_grow(wire: Any) -> None:
    """The sum of the chunks so far has the arguments so far."""
    openai_answers(wire, {"content": None, "tool_calls": [openai_call('{"a": 12, "b": 34}')]})
    seen = [total.tool_calls[0]["args"] for total in _sums(openai(wire).stream("x")) if total.tool_calls]

    assert seen[0] == {"a": 12}
    assert seen[-1] == {"a": 12, "b": 34}


def test_openai_structure_is_guaranteed(run: Any, wire: Any) -> None:
    """The schema is sent as OpenAI guarantees it; the answer is an object of the class."""
    openai_answers(wire, {"content": '{"name": "Tom", "legs": 4}'})
    assert run(openai(wire).with_structured_output(Pet), "x") == Pet(name="Tom", legs=4)
    form = wire.body["response_format"]["json_schema"]

    assert (form["name"], form["strict"], form["description"]) == ("Pet", True, "A pet.")
    assert form["schema"]["required"] == ["name", "legs"]
    assert form["schema"]["additionalProperties"] is False


def test_openai_structure_that_cannot_be_guaranteed(wire: Any) -> None:
    """A class with free keys is asked for without the guarantee."""
    openai_answers(wire, {"content": '{"words": {"a": 1}}'})
    assert openai(wire).with_structured_output(Free).invoke("x") == Free(words={"a": 1})
    assert wire.body["response_format"]["json_schema"]["strict"] is False


def test_openai_structure_by_a_call(run: Any, wire: Any) -> None:
    """The tool must be called, once."""
    openai_answers(wire, {"content": None, "tool_calls": [openai_call('{"name": "Tom"}', name="Pet")]})
    structured = openai(wire).with_structured_output(Pet, method="function_calling")

    assert run(structured, "x") == Pet(name="Tom")
    assert wire.body["tool_choice"] == {"type": "function", "function": {"name": "Pet"}}
    assert wire.body["parallel_tool_calls"] is False


def test_openai_refusal_is_an_error(run: Any, wire: Any) -> None:
    """A model that refuses says so, and the error says what it said."""
    openai_answers(wire, {"content": None, "refusal": "I cannot help with that."})
    with pytest.raises(OutputParserException, match=r"refused to give a Pet.*I cannot help"):
        run(openai(wire).with_structured_output(Pet), "x")


# ----------------------------------------------------------------------------------------------------------- Anthropic


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("any", {"type": "any"}),
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("add", {"type": "tool", "name": "add"}),
    ],
)
def test_anthropic_is_told_of_tools(run: Any, wire: Any, choice: Any, sent: Any) -> None:
    """Tools and the choice have Anthropic's form; the call comes back, whole or in pieces."""
    claude_answers(wire, {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1, "b": 2}})
    own = {"type": "web_search_20250305", "name": "web_search"}
    answer = run(claude(wire).bind_tools([add, own], tool_choice=choice), "sum?")

    assert (answer.tool_calls[0]["id"], answer.tool_calls[0]["args"]) == ("t1", {"a": 1, "b": 2})
    tool, search = wire.body["tools"]
    assert (tool["name"], tool["description"], tool["input_schema"]["required"]) == (
        "add",
        "Add two numbers.",
        ["a", "b"],
    )
    assert search == own
    assert wire.body["tool_choice"] == sent


def test_anthropic_one_call_at_a_time(wire: Any) -> None:
    """Whether calls may be parallel is a part of Anthropic's choice."""
    claude_answers(wire, {"type": "text", "text": "hi"}, reason="end_turn")
    claude(wire).bind_tools([add], parallel_tool_calls=False).invoke("x")

    assert wire.body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_anthropic_structure_by_a_call(run: Any, wire: Any) -> None:
    """By default a tool is forced, which every model of Anthropic knows."""
    claude_answers(wire, {"type": "tool_use", "id": "t1", "name": "Pet", "input": {"name": "Tom"}})
    assert run(claude(wire).with_structured_output(Pet), "x") == Pet(name="Tom")
    assert wire.body["tool_choice"] == {"type": "tool", "name": "Pet", "disable_parallel_tool_use": True}


def test_anthropic_structure_by_its_own_api(run: Any, wire: Any) -> None:
    """The newer API guarantees the schema; it is what a model is asked by that thinks first."""
    claude_answers(wire, {"type": "text", "text": '{"name": "Tom"}'}, reason="end_turn")
    thinking = {"type": "enabled", "budget_tokens": 1024}
    assert run(claude(wire, thinking=thinking).with_structured_output(Pet), "x") == Pet(name="Tom")
    form = wire.body["output_config"]["format"]

    assert (form["type"], form["schema"]["additionalProperties"], form["schema"]["required"]) == (
        "json_schema",
        False,
        ["name"],
    )
    assert "tools" not in wire.body
    with pytest.raises(ConfigError, match="cannot guarantee Free"):
        claude(wire).with_structured_output(Free, method="json_schema")
    with pytest.raises(ConfigError, match="by 'function_calling', 'json_schema'"):
        claude(wire).with_structured_output(Pet, method="json_mode")


def test_anthropic_text_instead_of_a_call(run: Any, wire: Any) -> None:
    """A model that answers with text is an error with that text."""
    claude_answers(wire, {"type": "text", "text": "Which pet?"}, reason="end_turn")
    with pytest.raises(OutputParserException, match=r"made none and said 'Which pet\?'"):
        run(claude(wire).with_structured_output(Pet), "x")


@pytest.mark.parametrize("model", [openai, claude])
def test_obeys_the_laws_of_chat_models(model: Any, wire: Any) -> None:
    """Both do what a chat model must, tools and structures included."""
    answers = {
        openai: lambda: openai_answers(wire, {"content": '{"text": "hi"}'}),
        claude: lambda: claude_answers(wire, {"type": "text", "text": '{"text": "hi"}'}, reason="end_turn"),
    }
    answers[model]()
    skip = {"answer": "this server gives every answer one id", "stop": "this server follows its script"}
    check_chat_model(model(wire), as_runnable=False, skip=skip)


# --------------------------------------------------------------------------------------------- a model of each call's


def test_chosen_model_keeps_what_was_called_on_it(run: Any, wire: Any) -> None:
    """Tools and structures wait until a call has chosen the model, and are then done in its form."""
    model = init_chat_model(configurable_fields=["model", "base_url"], max_retries=0)
    assert model.with_structured_output(Pet, method="json_schema") is not None
    config = cast("RunnableConfig", {"configurable": {"model": "openai:m-1", "base_url": f"{wire.url}/v1"}})
    openai_answers(wire, {"content": '{"name": "Tom", "legs": 3}'})
    assert run(model.with_structured_output(Pet), "x", config) == Pet(name="Tom", legs=3)

    config = cast("RunnableConfig", {"configurable": {"model": "anthropic:c-1", "base_url": wire.url}})
    wire.replies.clear()
    claude_answers(wire, {"type": "tool_use", "id": "t1", "name": "Pet", "input": {"name": "Tim"}})
    assert run(model.with_structured_output(Pet), "x", config) == Pet(name="Tim")
    assert run(model.bind_tools([Pet]), "x", config).tool_calls[0]["name"] == "Pet"
    assert wire.requests[-1]["body"]["tools"][0]["input_schema"]


# ------------------------------------------------------------------------------------------------- the local model


def test_local_model_gives_a_structure(run: Any, local_server: LocalServer) -> None:
    """The engine writes what the schema allows, whatever the model knows."""
    structured = ChatLocal(temperature=0, max_tokens=60).with_structured_output(Pet)
    pet = run(structured, "Tom is a cat with four legs. Describe the pet as JSON.")

    assert isinstance(pet, Pet)
    assert pet.name


def test_local_model_streams_a_structure(local_server: LocalServer) -> None:
    """The dict grows as the engine writes it."""
    schema = {"title": "Pet", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    structured = ChatLocal(temperature=0, max_tokens=60).with_structured_output(schema)
    seen = list(structured.stream("Tom is a cat. Describe the pet as JSON."))

    assert len(seen) > 1
    assert seen[-1]["name"].startswith(seen[-2].get("name", ""))


def test_local_structure_that_is_cut_off(run: Any, local_server: LocalServer) -> None:
    """Too few tokens for the structure are an error that says so."""
    with pytest.raises(OutputParserException, match=r"cut off \(length\): give the model a larger max_tokens"):
        run(ChatLocal(temperature=0, max_tokens=4).with_structured_output(Pet), "Tom is a cat.")


def test_local_structure_is_bounded() -> None:
    """A small model may go on for ever within a text: without a limit of its own it gets one."""
    bound: Any = ChatLocal().with_structured_output(Pet)
    own: Any = ChatLocal(max_tokens=7).with_structured_output(Pet)

    assert bound.first.kwargs["max_tokens"] == 1024
    assert "max_tokens" not in own.first.kwargs


def test_local_model_without_tools_says_so(run: Any, local_server: LocalServer) -> None:
    """The template of the default model has no place for tools; they are not dropped in silence."""
    assert not local_server.knows_tools
    for step in (ChatLocal().bind_tools([add]), ChatLocal().with_structured_output(Pet, method="function_calling")):
        with pytest.raises(ModelError, match=r"cannot call tools.*method='json_schema'"):
            run(step, "1 + 2?")

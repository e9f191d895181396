"""Anthropic's models against the local server, which speaks Anthropic's API too, and against one that plays a script."""

from __future__ import annotations

import asyncio
import pickle
from contextlib import aclosing, closing
from typing import Any

import anthropic
import pytest

from plait import ChatPromptTemplate
from plait.errors import MissingKeyError, ModelConnectionError
from plait.providers import ChatAnthropic, LocalServer
from plait.testing import check_runnable

KEY = "sk-ant-api03-Ab3dEf6hIj9lMn"
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c-1",
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
EVENTS = [
    {"type": "message_start", "message": {**ANSWER, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "h"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "i"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


def chat(wire: Any, **settings: Any) -> ChatAnthropic:
    return ChatAnthropic(**{"model": "c-1", "base_url": wire.url, "api_key": KEY, "max_retries": 0, **settings})


def key_in(headers: Any) -> str:
    """The key, in whichever of its two places this version of the SDK puts it."""
    return (headers["x-api-key"] or headers["authorization"]).removeprefix("Bearer ")  # type: ignore[no-any-return]  # text


def play(wire: Any, run: Any) -> None:
    wire.stream(*EVENTS) if run.is_stream else wire.reply(ANSWER)


# ------------------------------------------------------------------------------------------------------ the real thing


def test_answers_in_every_mode(run: Any, local_server: LocalServer) -> None:
    """A prompt and a model give the same answer however they are called, with counts and the reason of its end."""
    url = local_server.base_url.removesuffix("/v1")
    model = ChatAnthropic(model="any", base_url=url, api_key=local_server.api_key, max_tokens=8, temperature=0)
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "Say hi to {name}.")])
    answer = run(prompt | model, {"name": "Ann"})

    assert answer.content == (prompt | model).invoke({"name": "Ann"}).content != ""
    assert 0 < answer.usage_metadata["output_tokens"] <= 8
    assert answer.response_metadata["stop_reason"] in {"end_turn", "max_tokens"}


# -------------------------------------------------------------------------------------------------------- what is sent


def test_request(run: Any, wire: Any) -> None:
    """System messages, the limit that the API wants, stops and parameters by name arrive, with key and version."""
    play(wire, run)
    model = chat(wire, temperature=0.5, stop="END", thinking={"type": "disabled"}, extra_body={"new": 1})
    run(model, [("system", "be brief"), ("human", "hi")], top_k=3)

    assert wire.body == {
        "model": "c-1",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": "hi"}],
        "system": "be brief",
        "stream": run.is_stream,
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "thinking": {"type": "disabled"},
        "top_k": 3,
        "new": 1,
    }
    headers = wire.requests[0]["headers"]
    assert (key_in(headers), wire.requests[0]["path"]) == (KEY, "/v1/messages")
    assert headers["anthropic-version"]


def test_stop_of_a_call_goes_first(wire: Any) -> None:
    """The stop of a call takes the place of the model's."""
    wire.reply(ANSWER)
    chat(wire, stop_sequences=["a"]).bind(stop=["b"]).invoke("hi")

    assert wire.body["stop_sequences"] == ["b"]


def test_answer_is_the_same_in_every_mode(run: Any, wire: Any) -> None:
    """Text, id, end and name of the model are there, streamed or not."""
    play(wire, run)
    answer = run(chat(wire), "hi")

    assert (answer.content, answer.id) == ("hi", "msg_1")
    assert answer.response_metadata["stop_reason"] == "end_turn"
    assert answer.usage_metadata["output_tokens"] == (2 if run.is_stream else 1)


def test_calls_of_tools(run: Any, wire: Any) -> None:
    """A tool that is bound in Anthropic's form is sent, and its call comes back, whole or in pieces."""
    use = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}
    wire.stream(
        EVENTS[0],
        {"type": "content_block_start", "index": 0, "content_block": {**use, "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
        *EVENTS[-2:],
    ) if run.is_stream else wire.reply({**ANSWER, "content": [use]})
    answer = run(chat(wire).bind(tools=[{"name": "add", "input_schema": {"type": "object"}}]), "1?")

    assert [(call["name"], call["args"], call["id"]) for call in answer.tool_calls] == [("add", {"a": 1}, "toolu_1")]
    assert wire.body["tools"][0]["name"] == "add"


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, anthropic.BadRequestError), (401, anthropic.AuthenticationError), (429, anthropic.RateLimitError)],
)
def test_errors_of_the_api_keep_their_type(run: Any, wire: Any, status: int, kind: type[Exception]) -> None:
    """Users catch the SDK's errors by their classes, and no part of the key is in them."""
    wire.reply({"type": "error", "error": {"type": "e", "message": f"so it is, {KEY[:12]}...{KEY[-4:]}"}}, status)

    with pytest.raises(kind, match="so it is") as caught:
        run(chat(wire), "hi")
    assert "sk-ant" not in f"{caught.value!r}{caught.value.body}"  # type: ignore[attr-defined]  # the SDK's


def test_error_within_a_stream_is_raised(wire: Any) -> None:
    """An error that comes as an event is the API's."""
    wire.stream(*EVENTS[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "later"}})

    with pytest.raises(anthropic.APIStatusError, match="later"):
        list(chat(wire).stream("hi"))


@pytest.mark.parametrize("how", ["cut", "stream"])
def test_half_an_answer_is_an_error(wire: Any, how: str) -> None:
    """A server that breaks off, with or without saying so, has not answered."""
    getattr(wire, how)(*EVENTS[:5])

    with pytest.raises(ModelConnectionError, match="broke off"):
        list(chat(wire).stream("hi"))
    with pytest.raises(anthropic.APIConnectionError, match="broke off"):
        asyncio.run(_all(chat(wire)))


async def _all(model: ChatAnthropic) -> list[Any]:
    return [chunk async for chunk in model.astream("hi")]


def test_server_that_is_not_there_is_named(run: Any, wire: Any) -> None:
    """The error says which address could not be reached, and has the SDK's type and ours."""
    wire.close()

    with pytest.raises(ModelConnectionError, match=f"cannot reach .*{wire.url}") as caught:
        run(chat(wire), "hi")
    assert isinstance(caught.value, anthropic.APIConnectionError)


def test_closing_a_stream_closes_the_response(wire: Any) -> None:
    """The server sees at once that nobody listens any more."""
    wire.held(*EVENTS[:4])
    with closing(chat(wire).stream("hi")) as chunks:
        assert next(chunks).content == "h"

    assert wire.hung_up.wait(10)


async def test_closing_an_async_stream_closes_the_response(wire: Any) -> None:
    """The server sees at once that nobody listens any more."""
    wire.held(*EVENTS[:4])
    async with aclosing(chat(wire).astream("hi")) as chunks:
        assert (await anext(chunks)).content == "h"

    assert await asyncio.to_thread(wire.hung_up.wait, 10)


# ------------------------------------------------------------------------------------------------------------ settings


def test_environment_is_read(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and address come from the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", wire.url)
    wire.reply(ANSWER)

    assert ChatAnthropic(model="c-1").invoke("hi").content == "hi"
    assert key_in(wire.requests[0]["headers"]) == KEY


def test_missing_key_names_the_variable() -> None:
    """Without a key a model can be made, and the first call says what to set."""
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        ChatAnthropic(model="c-1").invoke("hi")


def test_key_is_shown_nowhere(wire: Any) -> None:
    """No repr, dump or pickle holds the key."""
    model = chat(wire)

    assert KEY not in f"{model!r}{model.model_dump_json()}{pickle.dumps(model)!r}"
    assert pickle.loads(pickle.dumps(model)).model == "c-1"


def test_output_schema_has_its_name() -> None:
    """The schema of what it gives is named for the class."""
    assert ChatAnthropic(model="c-1").output_schema.model_json_schema()["title"] == "ChatAnthropicOutput"


SYNC = ["invoke", "stream", "transform", "batch", "batch_iter", "batch_as_completed"]


@pytest.mark.parametrize("modes", [SYNC, [f"a{mode}" for mode in SYNC]], ids=["sync", "async"])
def test_obeys_the_laws_of_runnables(wire: Any, modes: list[str]) -> None:
    """Every verb gives the same, nothing goes on after a call, and the key is in nothing that can be seen."""
    wire.either(ANSWER, *EVENTS)
    model = chat(wire)
    model.invoke("hi")  # the SDK is imported

    check_runnable(
        model,
        ["hi", [("human", "ho")]],
        equal=lambda one, other: one.content == other.content == "hi",
        errors=[(3, TypeError)],
        modes=modes,
        secrets=[KEY],
        pickles=True,
    )

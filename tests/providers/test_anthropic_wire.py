"""Anthropic's wire format, as pure functions: what is asked, what an answer says, what the events of a stream add up to."""

from __future__ import annotations

import inspect
from typing import Any

import anthropic
import pytest

from plait.errors import MessageError
from plait.merging import merge_all
from plait.messages import AIMessage, ChatMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage
from plait.providers.anthropic_wire import PARAMETERS, MessageReader, message_request, message_result

THINKING = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1}}


def turns(*messages: Any) -> Any:
    return message_request("m", messages, {"max_tokens": 9})["messages"]


def answer(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 5, "output_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0}
    said = {"id": "msg_1", "type": "message", "role": "assistant", "model": "c-1", "content": list(blocks)}
    return {**said, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage, **more}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **said: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": said}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


BEGIN = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "c-1", "content": [], "stop_reason": None,
        "usage": {"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0},
    },
}  # fmt: skip


def end(reason: str = "end_turn") -> list[dict[str, Any]]:
    said = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": said, "usage": {"output_tokens": 3}}, {"type": "message_stop"}]


def total(*events: dict[str, Any]) -> Any:
    """The message that the events add up to."""
    reader = MessageReader()
    chunks = [chunk for event in (BEGIN, *events) if (chunk := reader.feed(event))]
    return merge_all([*chunks, reader.end()]).message


# ------------------------------------------------------------------------------------------------------------ requests


def test_system_messages_are_pulled_out() -> None:
    """Wherever they stand, they are put before the conversation, in their order."""
    messages = [SystemMessage("a"), HumanMessage("hi"), SystemMessage("b")]
    request = message_request("m", messages, {"max_tokens": 9, "temperature": 0, "top_p": None})

    assert request["messages"] == [{"role": "user", "content": "hi"}]
    assert request["extra_body"] == {
        "system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "temperature": 0,
    }
    assert message_request("m", messages[:2], {"max_tokens": 9})["extra_body"] == {"system": "a"}


def test_results_of_several_tools_are_one_turn() -> None:
    """Calls stand after the text of their message, and all results in one message of the user, before what they add."""
    calls = [{"name": "add", "args": {"a": n}, "id": f"toolu_{n}"} for n in (1, 2)]
    messages = [
        AIMessage("let me see", tool_calls=calls),
        ToolMessage("1", tool_call_id="toolu_1"),
        ToolMessage("bad", tool_call_id="toolu_2", status="error"),
        HumanMessage("well?"),
    ]
    assistant, user = turns(*messages)

    assert [block["type"] for block in assistant["content"]] == ["text", "tool_use", "tool_use"]
    assert assistant["content"][1] == TOOL_USE
    assert user == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "bad", "is_error": True},
            {"type": "text", "text": "well?"},
        ],
    }


@pytest.mark.parametrize(
    ("block", "source"),
    [
        ({"type": "image", "base64": "aGk=", "mime_type": "image/png"}, ("base64", "aGk=")),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}, ("base64", "aGk=")),
        ({"type": "image_url", "image_url": {"url": "https://x.invalid/a.png"}}, ("url", "https://x.invalid/a.png")),
        ({"type": "image", "source": {"type": "url", "url": "https://x.invalid"}}, ("url", "https://x.invalid")),
    ],
)
def test_images_of_every_spelling(block: dict[str, Any], source: tuple[str, str]) -> None:
    """An image arrives, however its author wrote it."""
    [turn] = turns(HumanMessage([block]))
    [sent] = turn["content"]

    assert sent["type"] == "image"
    assert (sent["source"]["type"], sent["source"].get("data", sent["source"].get("url"))) == source


def test_blocks_of_an_answer_can_be_sent_back() -> None:
    """Thinking with its signature, and what Anthropic's tools did, go back as they came, without a stream's numbers."""
    message = total(
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="hm"),
        delta(0, type="signature_delta", signature="c2ln"),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text="so"),
        start(2, **{**TOOL_USE, "input": {}}),
        delta(2, type="input_json_delta", partial_json='{"a": 1}'),
        *end("tool_use"),
    )
    [turn] = turns(message)

    assert turn["content"] == [THINKING, {"type": "text", "text": "so"}, TOOL_USE]


def test_text_that_is_empty_is_not_sent() -> None:
    """The API refuses empty text, which models give beside their calls."""
    call = {"name": "add", "args": {"a": 1}, "id": "toolu_1"}

    assert turns(AIMessage("", tool_calls=[call])) == [{"role": "assistant", "content": [TOOL_USE]}]


def test_broken_call_is_sent_back_as_text() -> None:
    """Arguments that are no JSON are shown to the model as Anthropic says."""
    broken = {"name": "add", "args": '{"a": ', "id": "toolu_1", "error": "not JSON"}
    [turn] = turns(AIMessage("", invalid_tool_calls=[broken]))

    assert turn["content"][0]["input"] == {"INVALID_JSON": '{"a": '}


@pytest.mark.parametrize("message", [FunctionMessage("1", name="f"), ChatMessage("1", role="critic")])
def test_role_that_is_not_known_is_refused(message: Any) -> None:
    """A message that cannot be represented is refused, not dropped."""
    with pytest.raises(MessageError, match=r"'(function|critic)'.*expected user, assistant, system or tool"):
        turns(message)


def test_every_parameter_of_the_sdk_is_known() -> None:
    """What the SDK documents can be given by name."""
    theirs = set(inspect.signature(anthropic.resources.Messages.create).parameters)

    assert theirs - PARAMETERS <= {"self", "messages", "model", "stream", "system"}


# ------------------------------------------------------------------------------------------------------------- answers


def test_answer_is_decoded() -> None:
    """Text is a string, calls are calls; name of the model, end, counts and id are where they are for every vendor."""
    message: Any = message_result(answer({"type": "text", "text": "hi"}, TOOL_USE)).generations[0].message

    assert (message.content, message.id) == ("hi", "msg_1")
    assert [(call["name"], call["args"], call["id"]) for call in message.tool_calls] == [("add", {"a": 1}, "toolu_1")]
    assert message.usage_metadata == {
        "input_tokens": 7,
        "output_tokens": 3,
        "total_tokens": 10,
        "input_token_details": {"cache_read": 2},
    }
    assert message.response_metadata["model_name"] == "c-1"
    assert message.response_metadata["stop_reason"] == "end_turn"


# ------------------------------------------------------------------------------------------------------------- streams


def test_stream_adds_up_to_the_answer() -> None:
    """The sum of the chunks says what the whole answer says."""
    streamed = total(
        start(0, type="text", text=""),
        {"type": "ping"},
        delta(0, type="text_delta", text="h"),
        delta(0, type="text_delta", text="i"),
        stop(0),
        start(1, **{**TOOL_USE, "input": {}}),
        delta(1, type="input_json_delta", partial_json=""),
        delta(1, type="input_json_delta", partial_json='{"a"'),
        delta(1, type="input_json_delta", partial_json=": 1}"),
        stop(1),
        *end(),
    )
    whole: Any = message_result(answer({"type": "text", "text": "hi"}, TOOL_USE)).generations[0].message

    for name in ("content", "id", "response_metadata", "usage_metadata", "tool_calls"):
        assert getattr(streamed, name) == getattr(whole, name), name


def test_blocks_that_are_not_text_keep_their_place() -> None:
    """What Anthropic's own tools did stands between the texts, whole, with the input that came in pieces."""
    message = total(
        start(0, type="text", text=""),
        delta(0, type="text_delta", text="let me see"),
        start(1, **{**SEARCH, "input": {}}),
        delta(1, type="input_json_delta", partial_json='{"query": '),
        delta(1, type="input_json_delta", partial_json='"x"}'),
        stop(1),
        start(2, **FOUND),
        stop(2),
        start(3, type="text", text=""),
        delta(3, type="text_delta", text="nothing"),
        *end(),
    )

    assert message.content == ["let me see", {**SEARCH, "index": 1}, {**FOUND, "index": 2}, "nothing"]
    assert message.text == "let me seenothing"


def test_citations_are_kept() -> None:
    """What a text refers to stays beside it."""
    message = total(
        start(0, type="text", text=""),
        delta(0, type="text_delta", text="so it is"),
        delta(0, type="citations_delta", citation={"cited_text": "it is"}),
        *end(),
    )

    assert message.text == "so it is"
    assert message.content[1]["citations"] == [{"cited_text": "it is"}]


def test_events_to_come_are_let_pass() -> None:
    """A kind of event or of delta that is not known yet does no harm."""
    message = total({"type": "novelty"}, start(0, type="text", text="a"), delta(0, type="novel_delta", x=1), *end())

    assert message.content == "a"


def test_stream_that_did_not_say_that_it_ended_is_broken() -> None:
    """Half an answer is not passed off as a whole one."""
    with pytest.raises(ConnectionError, match="ended before the answer did"):
        total(start(0, type="text", text="ha"))

"""OpenAI's wire format, as pure functions: what is asked, what an answer says, what the chunks of a stream add up to."""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import ModelError
from plait.merging import merge_all
from plait.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from plait.providers.openai_wire import (
    CHAT_PARAMETERS,
    EMBEDDING_PARAMETERS,
    TEXT_PARAMETERS,
    ChatReader,
    TextReader,
    chat_request,
    chat_result,
    read_vectors,
    text_result,
)

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
COUNTS = {
    "input_tokens": 9,
    "output_tokens": 3,
    "total_tokens": 12,
    "input_token_details": {"cache_read": 4, "audio": 0},
    "output_token_details": {"reasoning": 2},
}


def answer(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = [{"index": i, "finish_reason": "stop", "message": choice} for i, choice in enumerate(choices)]
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-1", "choices": made, "usage": USAGE, **more}


def piece(delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m-1", "choices": choices, **more}


def total(*bodies: dict[str, Any]) -> Any:
    """The message that the chunks add up to."""
    reader = ChatReader()
    chunks = [chunk for body in bodies if (chunk := reader.feed(body))]
    return merge_all([*chunks, reader.end()]).message


# ------------------------------------------------------------------------------------------------------------ requests


def test_conversation_is_encoded() -> None:
    """Roles, names, images, calls of tools and their results are written as the API wants them."""
    image = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    call = {"name": "add", "args": {"a": 1}, "id": "call_1"}
    messages = [
        SystemMessage("be brief"),
        HumanMessage([{"type": "text", "text": "what?"}, image], name="ann"),  # type: ignore[list-item]  # a block is a dict
        AIMessage("", tool_calls=[call]),
        ToolMessage("1", tool_call_id="call_1"),
    ]

    assert chat_request("m", messages, {})["messages"] == [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "name": "ann",
            "content": [
                {"type": "text", "text": "what?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            ],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}],
        },
        {"role": "tool", "content": "1", "tool_call_id": "call_1"},
    ]


def test_parameters_without_a_value_are_not_sent() -> None:
    """None means that the server decides."""
    request = chat_request("m", [], {"temperature": 0, "seed": None, "extra_body": {"top_k": 1}, "timeout": 3})

    assert request["extra_body"] == {"temperature": 0, "top_k": 1}
    assert request["timeout"] == 3


def test_stream_asks_for_one_answer_and_for_usage() -> None:
    """A stream is of one answer, so that none is paid for and dropped; its counts must be asked for."""
    body = chat_request("m", [], {"n": 3}, stream=True)["extra_body"]

    assert body == {"stream_options": {"include_usage": True}}
    assert chat_request("m", [], {"n": 3}, stream=True, usage=False)["extra_body"] == {}


@pytest.mark.parametrize(
    ("resource", "known"),
    [
        (openai.resources.chat.Completions, CHAT_PARAMETERS),
        (openai.resources.Completions, TEXT_PARAMETERS),
        (openai.resources.Embeddings, EMBEDDING_PARAMETERS),
    ],
)
def test_every_parameter_of_the_sdk_is_known(resource: Any, known: frozenset[str]) -> None:
    """What the SDK documents can be given by name."""
    theirs = set(inspect.signature(resource.create).parameters)

    assert theirs - known <= {"self", "input", "messages", "model", "prompt", "stream"}


# ------------------------------------------------------------------------------------------------------------- answers


def test_answer_is_decoded() -> None:
    """Text, name of the model, end, counts and id are where they are for every vendor."""
    result = chat_result(answer({"role": "assistant", "content": "hi"}, system_fingerprint="fp", service_tier="flex"))
    [generation] = result.generations
    message: Any = generation.message

    assert (message.content, message.id, message.usage_metadata) == ("hi", "chatcmpl-1", COUNTS)
    assert message.response_metadata == {
        "model_name": "m-1",
        "finish_reason": "stop",
        "system_fingerprint": "fp",
        "service_tier": "flex",
        "token_usage": USAGE,
    }


def test_nothing_of_a_message_is_dropped() -> None:
    """A refusal, reasoning and whatever else a server says are kept."""
    said = {"role": "assistant", "content": None, "refusal": "no", "reasoning_content": "why", "annotations": [1]}
    message = chat_result(answer(said)).generations[0].message

    assert message.content == ""
    assert message.additional_kwargs == {"refusal": "no", "reasoning_content": "why", "annotations": [1]}


def test_tool_calls_are_read() -> None:
    """Calls are parsed; broken ones are kept with their text, and calls that are of no function as they are."""
    custom = {"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x": '}},
        custom,
    ]
    message: Any = chat_result(answer({"content": None, "tool_calls": calls})).generations[0].message

    assert [(call["name"], call["args"], call["id"]) for call in message.tool_calls] == [("f", {"x": 1}, "a")]
    assert [(call["name"], call["args"]) for call in message.invalid_tool_calls] == [("g", '{"x": ')]
    assert message.additional_kwargs == {"tool_calls": [custom]}


def test_usage_of_several_answers_is_counted_once() -> None:
    """Of n answers the first says what all of them took, so that a sum over them is right."""
    result = chat_result(answer({"content": "a"}, {"content": "b"}))
    messages: list[Any] = [generation.message for generation in result.generations]

    assert [message.content for message in messages] == ["a", "b"]
    assert [message.usage_metadata for message in messages] == [COUNTS, None]


@pytest.mark.parametrize(
    ("body", "says"), [({"error": {"message": "overloaded"}}, "overloaded"), ({"id": "1"}, "no choices, but id")]
)
def test_answer_without_an_answer_is_an_error(body: dict[str, Any], says: str) -> None:
    """Servers that report an error with status 200 are understood."""
    with pytest.raises(ModelError, match=says):
        chat_result(body)


def test_vectors_come_in_the_order_of_the_texts() -> None:
    """The index that a server gives decides, and none may be missing."""
    data = [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1.0]}]

    assert read_vectors({"data": data}, 2) == [[1.0], [2.0]]
    with pytest.raises(ModelError, match="3 texts, but gave 2 vectors"):
        read_vectors({"data": data}, 3)


def test_choices_of_several_prompts_are_told_apart() -> None:
    """For each prompt stand its own choices, in whatever order they came."""
    choices = [{"index": i, "text": str(i), "finish_reason": "stop"} for i in (3, 0, 2, 1)]
    result = text_result({"model": "m", "choices": choices}, 2)

    assert [[one.text for one in each] for each in result.generations] == [["0", "1"], ["2", "3"]]


# ------------------------------------------------------------------------------------------------------------- streams


def test_stream_adds_up_to_the_answer() -> None:
    """The sum of the chunks says what the whole answer says: text, facts once, counts, id."""
    streamed = total(
        piece({"role": "assistant", "content": ""}, system_fingerprint="fp"),
        piece({"content": "h"}),
        piece({"content": "i"}),
        piece({}, "stop", system_fingerprint="fp"),
        piece(None, usage=USAGE),
    )
    whole: Any = chat_result(answer({"content": "hi"}, system_fingerprint="fp")).generations[0].message

    for name in ("content", "id", "response_metadata", "usage_metadata", "additional_kwargs", "tool_calls"):
        assert getattr(streamed, name) == getattr(whole, name), name


def test_usage_that_grows_with_every_chunk_is_not_added_up() -> None:
    """Some servers repeat the counts so far; the last ones are those of the answer."""
    growing = [{"prompt_tokens": 9, "completion_tokens": n, "total_tokens": 9 + n} for n in (1, 2, 3)]
    streamed = total(*(piece({"content": "x"}, "stop", usage=usage) for usage in growing))

    assert streamed.usage_metadata["output_tokens"] == 3


@given(cuts=st.lists(st.integers(0, 15), max_size=4).map(sorted))
def test_tool_call_may_be_cut_anywhere(cuts: list[int]) -> None:
    """However the arguments of a call are cut into chunks, the call is the same."""
    args, edges = '{"city": "Rom"}', [0, *cuts, 15]
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}
    parts = [{"index": 0, "function": {"arguments": args[i:j]}} for i, j in pairwise(edges)]
    message = total(*(piece({"tool_calls": [part]}) for part in [first, *parts]), piece({}, "tool_calls"))

    assert [(call["name"], call["args"], call["id"]) for call in message.tool_calls] == [
        ("weather", {"city": "Rom"}, "a")
    ]
    assert message.response_metadata["finish_reason"] == "tool_calls"


def test_reasoning_and_refusal_stream() -> None:
    """What comes beside the text is added up as the text is."""
    message = total(
        piece({"reasoning_content": "be"}), piece({"reasoning_content": "cause"}), piece({"refusal": "no"}, "stop")
    )

    assert message.additional_kwargs == {"reasoning_content": "because", "refusal": "no"}


def test_probabilities_stream() -> None:
    """The probabilities of all tokens are there in the end."""
    parts = [piece({"content": token}) for token in "ab"]
    for part, token in zip(parts, "ab", strict=True):
        part["choices"][0]["logprobs"] = {"content": [{"token": token, "logprob": -1.0}]}
    message = total(*parts, piece({}, "stop"))

    assert [entry["token"] for entry in message.response_metadata["logprobs"]["content"]] == ["a", "b"]


@pytest.mark.parametrize("reader", [ChatReader(), TextReader()])
def test_stream_that_did_not_say_that_it_ended_is_broken(reader: Any) -> None:
    """Half an answer is not passed off as a whole one."""
    reader.feed({"choices": [{"index": 0, "delta": {"content": "ha"}, "text": "ha"}]})

    with pytest.raises(ConnectionError, match="ended before the answer did"):
        reader.end()

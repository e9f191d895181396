"""A request has one key, whatever order it is written in, and no two requests share one."""

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from plait.caches.keys import Unkeyable, digest, prompt_text, request_text
from plait.language_models import BaseChatModel, FakeListChatModel
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from plait.providers import ChatOpenAI

CALL = {"name": "f", "args": {"x": 1}, "id": "c1", "type": "tool_call"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4),
    max_leaves=12,
)


def key(**kwargs: Any) -> str:
    return request_text(FakeListChatModel(responses=["a"]), kwargs)


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from True and from 1.0, and 0.0 from -0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = {(type(name), name): held for name, held in other.items()}
        return len(one) == len(other) and all(
            (type(name), name) in pairs and same(held, pairs[type(name), name]) for name, held in one.items()
        )
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(repr(one) == repr(other)) if isinstance(one, float) else bool(one == other)


@given(one=values, other=values)
def test_keys_are_equal_only_for_equal_values(one: Any, other: Any) -> None:
    """Two arguments have the same text if and only if they are the same."""
    assert (key(x=[one]) == key(x=[other])) == same(one, other)


def reversed_dicts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reversed_dicts(held) for name, held in reversed(value.items())}
    return [reversed_dicts(held) for held in value] if isinstance(value, list) else value


@given(value=st.dictionaries(st.text(max_size=3) | st.integers(), values, max_size=4))
def test_order_of_dicts_does_not_matter(value: dict[Any, Any]) -> None:
    """The same arguments in another order are the same request."""
    assert key(x=value, y=1) == key(y=1, x=reversed_dicts(value))


@given(texts=st.lists(st.text(), max_size=4), others=st.lists(st.text(), max_size=4))
def test_digests_do_not_run_into_each_other(texts: list[str], others: list[str]) -> None:
    """The end of one text cannot be the beginning of the next."""
    assert (digest(*texts) == digest(*others)) == (texts == others)


FORGED = [
    (b"a", {"!": "bytes", "hex": "61"}),
    ({1: "a"}, {"1": "a"}),
    ({1: "a"}, {"!": "dict", "items": [[1, "a"]]}),
    (SecretStr("a"), {"!": "secret", "sha256": digest("a").hex()}),
    ([], {}),
    ([], None),
    (1, True),
    (1, 1.0),
    ("1", 1),
    ("é", "e\u0301"),
    ("\ud800", "?"),
    (float("nan"), "NaN"),
    (dt.date(2024, 1, 1), "2024-01-01"),
    ({1, 2}, [1, 2]),
]


@pytest.mark.parametrize(("one", "other"), FORGED)
def test_nothing_passes_for_something_else(one: Any, other: Any) -> None:
    """A value that has no JSON is not taken for the JSON that stands for it, nor the other way round."""
    assert key(x=[one]) != key(x=[other])


class Color(enum.Enum):
    RED = 1


class Text(enum.StrEnum):
    RED = "red"


class Shape(BaseModel):
    sides: int = 3


ONE_FORM = [
    Color.RED,
    uuid.UUID(int=1),
    Decimal("1.10"),
    PurePosixPath("a/b"),
    dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
    frozenset({1, "a"}),
    Shape,
    Shape(sides=4),
    HumanMessage("x"),
]


@pytest.mark.parametrize("value", ONE_FORM)
def test_other_values_have_a_form_too(value: Any) -> None:
    """What programs pass to models beside JSON can be told apart as well."""
    assert key(x=value) == key(x=value)
    assert len({key(x=each) for each in ONE_FORM}) == len(ONE_FORM)


def test_a_name_for_a_text_is_the_text() -> None:
    """A member of a str Enum is sent as its text, and is the same request."""
    assert key(x=Text.RED) == key(x="red")


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [lambda: 1, object(), iter("a"), int, deep(200), 10**5000], ids=lambda _: "")
def test_what_has_no_form_is_not_guessed(value: Any) -> None:
    """A function, a client, an iterator, a class, a bottomless nest: no key, instead of one that others may share."""
    with pytest.raises(Unkeyable):
        key(x=value)


def test_what_contains_itself_has_no_form() -> None:
    """A list that contains itself ends in Unkeyable, not in a crash."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Unkeyable, match="levels deep"):
        key(x=endless)


MESSAGES: list[list[BaseMessage]] = [
    [],
    [HumanMessage("a")],
    [SystemMessage("a")],
    [AIMessage("a")],
    [HumanMessage("a", name="eve")],
    [HumanMessage("a"), HumanMessage("")],
    [HumanMessage([{"type": "text", "text": "a"}])],
    [HumanMessage([{"type": "image_url", "image_url": {"url": "a"}}])],
    [AIMessage("a", tool_calls=[CALL])],
    [AIMessage("a", tool_calls=[{**CALL, "args": {"x": 2}}])],
    [AIMessage("a", additional_kwargs={"refusal": "no"})],
    [ToolMessage("a", tool_call_id="c1")],
    [ToolMessage("a", tool_call_id="c2")],
    [ToolMessage("a", tool_call_id="c1", status="error")],
]


def test_every_part_of_a_message_counts() -> None:
    """Conversations that differ in a role, a name, a block, a tool call are different prompts."""
    assert len({prompt_text(messages) for messages in MESSAGES}) == len(MESSAGES)


def test_what_no_model_is_told_does_not_count() -> None:
    """Ids, token counts, facts beside an answer and artifacts of tools are not sent to a model."""
    usage: Any = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    plain = [AIMessage("a"), ToolMessage("b", tool_call_id="c")]
    other = [
        AIMessage("a", id="run-1", usage_metadata=usage, response_metadata={"cached": True}),
        ToolMessage("b", tool_call_id="c", id="2", artifact=object()),
    ]
    assert prompt_text(plain) == prompt_text(other)


def test_a_sum_of_chunks_is_the_message() -> None:
    """An answer that was streamed is the same part of a conversation as one that was not."""
    assert prompt_text([AIMessageChunk(content="a") + AIMessageChunk(content="b")]) == prompt_text([AIMessage("ab")])


def settings(**changes: Any) -> str:
    return request_text(ChatOpenAI(**{"model": "m", "api_key": "sk-0123456789", **changes}), {})


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"temperature": 0.5},
        {"max_tokens": 5},
        {"base_url": "http://localhost:1/v1"},
        {"model_kwargs": {"logit_bias": {"1": 2}}},
        {"extra_body": {"top_k": 1}},
        {"seed": 1},
        {"stop": ["x"]},
        {"organization": "o"},
        {"default_query": {"version": "2"}},
        {"default_headers": {"X-Route": "b"}},
    ],
)
def test_settings_that_change_answers_count(change: dict[str, Any]) -> None:
    """Each field that goes into the request is part of the key."""
    assert settings(**change) != settings()


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": "sk-9999999999"},
        {"timeout": 5},
        {"max_retries": 0},
        {"name": "mine"},
        {"stream_usage": False},
        {"disable_streaming": True},
        {"default_headers": {"Authorization": "Bearer abc"}},
    ],
)
def test_settings_that_change_no_answer_do_not_count(change: dict[str, Any]) -> None:
    """Who pays, how long one waits, and what it is called make no other request."""
    expected = settings(default_headers={}) if "default_headers" in change else settings()
    assert settings(**change) == expected


def test_no_secret_is_in_the_text() -> None:
    """Keys, secret headers and arguments with the name of a secret are not readable in what custom caches get."""
    text = request_text(
        ChatOpenAI(model="m", api_key="canary-1-key", default_headers={"X-Api-Key": "canary-2", "X-A": "canary-3"}),
        {"extra_headers": {"Cookie": "canary-4"}, "extra_body": {"password": "canary-5", "s": SecretStr("canary-6")}},
    )
    assert "canary" not in text
    assert json.loads(text)["model"] == "plait.providers.openai.ChatOpenAI"


def test_two_classes_are_two_models() -> None:
    """Models of different classes with equal fields do not share answers."""

    class Other(FakeListChatModel):
        pass

    assert request_text(Other(responses=["a"]), {}) != request_text(FakeListChatModel(responses=["a"]), {})


def test_a_field_that_is_left_out_of_dumps_may_be_anything() -> None:
    """A model may hold its client in a field with exclude=True and is kept all the same; any other such field is not."""

    class WithClient(BaseChatModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        client: Any = Field(default=None, exclude=True)
        extra: Any = None

    assert request_text(WithClient(client=object()), {}) == request_text(WithClient(client=object()), {})
    with pytest.raises(Unkeyable, match="extra is of type object"):
        request_text(WithClient(extra=object()), {})

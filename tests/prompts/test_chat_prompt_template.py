"""Prompts that are a conversation."""

from __future__ import annotations

from typing import Any

import pytest

from plait.errors import MissingVariableError, PromptError
from plait.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from plait.prompt_values import ChatPromptValue
from plait.prompts import (
    AIMessagePromptTemplate,
    BaseChatPromptTemplate,
    BaseMessagePromptTemplate,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
)


def test_a_template_is_a_message_from_a_person() -> None:
    """from_template gives one human message."""
    prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")
    value = prompt.invoke({"topic": "bears"})
    assert value == ChatPromptValue(messages=[HumanMessage("tell me a joke about bears")])
    assert prompt.invoke("bears") == value  # type: ignore[arg-type]  # for typists, a dict


def test_everything_that_can_be_a_message() -> None:
    """Pairs, classes, dicts, texts, messages, templates, prompts and placeholders stand side by side."""
    prompt = ChatPromptTemplate.from_messages(
        [
            ("system", "s {x}"),
            ("user", "u {x}"),
            ("assistant", "a {x}"),
            (AIMessage, "c {x}"),
            {"role": "human", "content": "d {x}"},
            "t {x}",
            HumanMessage("literal {x} {y.z}"),
            SystemMessagePromptTemplate.from_template("S {x}"),
            ChatMessagePromptTemplate.from_template("r {x}", role="judge"),
            PromptTemplate.from_template("p {x}"),
            ChatPromptTemplate([("ai", "nested {x}")]),
            MessagesPlaceholder("history"),
        ]
    )
    assert prompt.format_messages(x=1, history=[AIMessage("h"), ("human", "{x}"), "w"]) == [
        SystemMessage("s 1"),
        HumanMessage("u 1"),
        AIMessage("a 1"),
        AIMessage("c 1"),
        HumanMessage("d 1"),
        HumanMessage("t 1"),
        HumanMessage("literal {x} {y.z}"),
        SystemMessage("S 1"),
        ChatMessage("r 1", role="judge"),
        HumanMessage("p 1"),
        AIMessage("nested 1"),
        AIMessage("h"),
        HumanMessage("{x}"),
        HumanMessage("w"),
    ]
    assert prompt.input_variables == ["history", "x"]


@pytest.mark.parametrize(
    ("message", "error", "said"),
    [
        (("robot", "x"), PromptError, "a role is one of human, user, ai, assistant, system, placeholder; got 'robot'"),
        (("human", 3), TypeError, "a text or a list of blocks; got int"),
        (3, TypeError, "a chat prompt takes messages, .* got int"),
        (("a", "b", "c"), TypeError, "got a tuple of 3"),
        ({"role": "user"}, TypeError, "got a dict with the keys 'role'"),
        (("placeholder", "the {history}"), PromptError, "a placeholder is one variable"),
        (("placeholder", ["{history}", 3]), PromptError, "a placeholder is one variable"),
        (("human", "{x.y}"), PromptError, "is refused"),
        (("human", [{"type": "image_url", "image_url": "{x.y}"}]), PromptError, "is refused"),
    ],
)
def test_what_cannot_be_a_message_is_refused(message: Any, error: type[Exception], said: str) -> None:
    """The error comes when the prompt is built, and says what is accepted."""
    with pytest.raises(error, match=said):
        ChatPromptTemplate([message])


def test_blocks_have_templates_in_their_texts() -> None:
    """Every text in a block may have variables; a URL is put as the APIs take it; the rest stays."""
    blocks: list[Any] = [
        "look at {what}",
        {"type": "image_url", "image_url": "https://x/{id}.png"},
        {"type": "image_url", "image_url": {"url": "data:{mime};base64,{data}", "detail": "low"}},
        {"type": "text", "text": "{{what}}", "cache_control": {"type": "ephemeral", "ttl": 5}},
    ]
    prompt = ChatPromptTemplate([("human", blocks)])
    blocks[3]["text"] = "changed later"
    assert prompt.input_variables == ["data", "id", "mime", "what"]
    assert prompt.format_messages(what="{id}", id=7, mime="image/png", data="AA==")[0].content == [
        {"type": "text", "text": "look at {id}"},
        {"type": "image_url", "image_url": {"url": "https://x/7.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
        {"type": "text", "text": "{what}", "cache_control": {"type": "ephemeral", "ttl": 5}},
    ]


def test_missing_values_are_named_for_the_whole_conversation() -> None:
    """One error tells everything that is missing and in which message."""
    prompt = ChatPromptTemplate([("system", "be {tone}"), MessagesPlaceholder("history"), ("human", "\n{tone} {q}")])
    with pytest.raises(MissingVariableError) as caught:
        prompt.invoke({"x": "hidden"})
    said = "no value for {tone} (message 1, line 1, column 4), {history} (message 2), {q} (message 3, line 2, column 8)"
    assert f"{said}; given: 'x'." in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_placeholder_takes_messages() -> None:
    """The last n of a list, everything that can be made into a message; a bare list, if it is all there is."""
    prompt = ChatPromptTemplate([MessagesPlaceholder("history", n_messages=2)])
    tool = ToolMessage("r", tool_call_id="1")
    assert prompt.format_messages(history=["a", ("ai", "b"), tool]) == [AIMessage("b"), tool]
    assert prompt.invoke([("system", "a")]).to_messages() == [SystemMessage("a")]  # type: ignore[arg-type]  # the point
    assert prompt.format_messages(history=()) == []


def test_a_placeholder_refuses_what_is_no_list() -> None:
    """The error names the variable and what came."""
    with pytest.raises(TypeError, match=r"\{history\} takes a list of messages; got str"):
        ChatPromptTemplate([MessagesPlaceholder("history")]).format_messages(history="hi")
    with pytest.raises(MissingVariableError, match=r"no value for \{history\}; given: nothing"):
        MessagesPlaceholder("history").format_messages()


@pytest.mark.parametrize(
    "item", [MessagesPlaceholder("h", optional=True), ("placeholder", "{h}"), ("placeholder", ["{h}", True])]
)
def test_an_optional_placeholder_may_be_missing(item: Any) -> None:
    """Missing and None are no messages, and the rest is a prompt of one variable."""
    prompt = ChatPromptTemplate([item, ("human", "{q}")])
    assert (
        prompt.invoke({"q": "x"})
        == prompt.invoke({"q": "x", "h": None})
        == ChatPromptValue(messages=[HumanMessage("x")])
    )
    assert prompt.invoke("x").to_string() == "Human: x"  # type: ignore[arg-type]  # for typists, a dict
    assert prompt.optional_variables == ["h"]


def test_a_placeholder_pair_may_be_required() -> None:
    """("placeholder", ["{h}", False]) must be given, also where another place could do without."""
    prompt = ChatPromptTemplate([("placeholder", "{h}"), ("placeholder", ["{h}", False])])
    assert (prompt.input_variables, prompt.optional_variables) == (["h"], [])


def test_known_values_reach_every_message() -> None:
    """Texts, blocks, placeholders and nested prompts take partial values, functions too, and never read them again."""
    nested = ChatPromptTemplate([("ai", "{a} {b}")]).partial(b="own")
    prompt = ChatPromptTemplate([("system", "{a}"), ("human", ["{a}"]), MessagesPlaceholder("h"), nested])
    known = prompt.partial(a=lambda: "{b}", h=[AIMessage("old")])
    assert known.input_variables == []
    assert [message.text for message in known.invoke({}).to_messages()] == ["{b}", "{b}", "old", "{b} own"]
    assert prompt.input_variables == ["a", "h"]


def test_conversations_add() -> None:
    """A prompt, a message, a text, a pair or a list can be added on either side; the parts stay as they were."""
    prompt = ChatPromptTemplate([("system", "{a}")]).partial(a="A")
    last = ChatPromptTemplate(["{f}"]).partial(f="F")
    whole = prompt + ("human", "{b}") + AIMessage("m") + "{c}" + [("ai", "d"), "e"] + last
    assert [message.text for message in whole.format_messages(b=1, c=2)] == ["A", "1", "m", "2", "d", "e", "F"]
    assert len(prompt) == 1
    assert [m.text for m in (SystemMessage("s") + prompt).format_messages()] == ["s", "A"]
    template = HumanMessagePromptTemplate.from_template("{x}")
    assert (template + MessagesPlaceholder("h") + "t").input_variables == ["h", "x"]
    assert [m.text for m in ("t" + template).format_messages(x=1)] == ["t", "1"]


def test_append_and_extend_say_what_to_write() -> None:
    """A prompt does not change; a call that would be lost is an error instead."""
    prompt = ChatPromptTemplate(["a"])
    with pytest.raises(TypeError, match=r"prompt = prompt \+ message"):
        prompt.append("b")
    with pytest.raises(TypeError, match=r"prompt = prompt \+ \[message, ...\]"):
        prompt.extend(["b"])
    assert len(prompt) == 1


def test_a_conversation_is_a_sequence() -> None:
    """An index gives a message or its template, a slice a prompt that knows what the whole one knew."""
    prompt = ChatPromptTemplate([("system", "{a}"), HumanMessage("q"), ("ai", "{b}")]).partial(a="A")
    assert prompt[1] == HumanMessage("q")
    assert isinstance(prompt[0], SystemMessagePromptTemplate)
    assert [message.text for message in prompt[:2].format_messages()] == ["A", "q"]
    assert prompt[1:].input_variables == ["b"]
    assert (len(prompt), len(prompt[:0])) == (3, 0)


def test_text_of_a_conversation() -> None:
    """format gives the messages as one text."""
    prompt = ChatPromptTemplate([("system", "{a}"), ("human", "{b}")])
    assert prompt.format(a=1, b=2) == "System: 1\nHuman: 2"


def test_mustache_reaches_texts_blocks_and_placeholders() -> None:
    """The format is that of every message written in the prompt, and of what is added."""
    messages: list[Any] = [("human", "{x} {{x}}"), ("ai", ["{x} {{x}}"]), ("placeholder", "{{h}}")]
    prompt = ChatPromptTemplate.from_messages(messages, template_format="mustache") + "{{y}} {y}"
    assert [m.text for m in prompt.format_messages(x=1, y=2, h=["h"])] == ["{x} 1", "{x} 1", "h", "2 {y}"]
    with pytest.raises(MissingVariableError, match=r"given: 'x'$"):  # no word of braces to be doubled: these are
        prompt.format_messages(x=1)


def test_message_templates_stand_alone() -> None:
    """A template gives its message, with what else the message is to have."""
    template = AIMessagePromptTemplate(prompt=PromptTemplate.from_template("{x}"), additional_kwargs={"k": 1})
    message = template.format(x=1)
    assert message == AIMessage("1", additional_kwargs={"k": 1})
    message.additional_kwargs["k"] = 2
    assert template.format_messages(x=1)[0].additional_kwargs == {"k": 1}
    assert HumanMessagePromptTemplate.from_template(["{b} {a}"]).input_variables == ["a", "b"]
    assert SystemMessagePromptTemplate.from_template("{a} {b}", partial_variables={"a": 1}).input_variables == ["b"]


def test_repr_can_be_read_and_pretty_repr_too() -> None:
    """repr is what one would write, without known values; pretty_repr shows the conversation."""
    prompt = ChatPromptTemplate(
        [("system", "You are {x}"), MessagesPlaceholder("h", n_messages=3), HumanMessage("q"), ("ai", ["{y}"])]
    ).partial(x="s3cret")
    assert repr(prompt) == (
        "ChatPromptTemplate([('system', 'You are {x}'), MessagesPlaceholder('h', n_messages=3), "
        "HumanMessage(content='q'), AIMessagePromptTemplate(prompt=['{y}'])], partial_variables=['x'])"
    )
    shown = prompt.pretty_repr()
    assert all(part in shown for part in ("System Message", "You are {x}", "Messages Placeholder", "{h}", "q", "{y}"))


def test_parts_of_ones_own() -> None:
    """A message template and a chat prompt of one's own can be parts, with what they need."""

    class Twice(BaseMessagePromptTemplate):
        word: str

        @property
        def input_variables(self) -> list[str]:
            return [self.word]

        def format_messages(self, /, **values: Any) -> list[BaseMessage]:
            return [HumanMessage(values[self.word]), AIMessage(values[self.word])]

    class Greeting(BaseChatPromptTemplate):
        def format_messages(self, /, **values: Any) -> list[BaseMessage]:
            return [HumanMessage(f"hello {values['name']}")]

    prompt = ChatPromptTemplate([Twice(word="w"), Greeting(input_variables=["name"])])
    assert prompt.input_variables == ["name", "w"]
    assert [m.text for m in prompt.invoke({"w": "W", "name": "N"}).to_messages()] == ["W", "W", "hello N"]
    assert "Greeting" in prompt.pretty_repr()
    assert Greeting(input_variables=["name"]).invoke("you").to_string() == "Human: hello you"  # type: ignore[arg-type]


async def test_async_gives_the_same() -> None:
    """Each async form gives what its sibling gives."""
    prompt = ChatPromptTemplate([("system", "{a}"), HumanMessage("q"), ("ai", ["{a}"]), ("placeholder", "{h}")])
    assert await prompt.aformat_messages(a=1) == prompt.format_messages(a=1)
    assert await prompt.aformat(a=1) == prompt.format(a=1)
    assert await prompt.ainvoke({"a": 1, "h": ["x"]}) == prompt.invoke({"a": 1, "h": ["x"]})

"""Prompts that show examples first."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from plait.errors import MissingVariableError, PromptError
from plait.messages import AIMessage, HumanMessage, SystemMessage
from plait.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    PromptTemplate,
    SystemMessagePromptTemplate,
)
from plait.runnables import RunnableParallel

PAIR = PromptTemplate.from_template("{q} -> {a}")
TURNS = ChatPromptTemplate([("human", "{q}"), ("ai", "{a}")])
EXAMPLES = [{"q": "1+1", "a": "2"}, {"q": "{x}", "a": '{"n": {}}', "note": "not used"}]


class ByWord:
    """Selects the examples whose question has the word, and remembers the thread in which it did."""

    thread: threading.Thread | None = None

    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        self.thread = threading.current_thread()
        return [example for example in EXAMPLES if input_variables["word"] in example["q"]]


class Awaited(ByWord):
    async def aselect_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        return [{"q": "awaited", "a": input_variables["word"]}]


def test_examples_between_prefix_and_suffix() -> None:
    """Prefix and suffix are templates, examples are values and never read as templates."""
    prompt = FewShotPromptTemplate(
        examples=EXAMPLES, example_prompt=PAIR, prefix="Be {tone}.", suffix="{q} ->", example_separator="\n"
    )
    assert prompt.format(tone="brief", q="{tone}") == 'Be brief.\n1+1 -> 2\n{x} -> {"n": {}}\n{tone} ->'
    assert prompt.input_variables == ["q", "tone"]
    assert prompt.partial(tone="brief").invoke("2+2").to_string().endswith("2+2 ->")  # type: ignore[arg-type]


def test_an_empty_prefix_leaves_no_gap() -> None:
    """Only pieces that have text are joined."""
    prompt = FewShotPromptTemplate(examples=EXAMPLES[:1], example_prompt=PAIR, suffix="")
    assert prompt.format() == "1+1 -> 2"


def test_examples_as_messages() -> None:
    """Each example becomes its messages, in a chat prompt or alone."""
    shots = FewShotChatMessagePromptTemplate(examples=EXAMPLES, example_prompt=TURNS)
    prompt = ChatPromptTemplate([("system", "s"), shots, ("human", "{q}")])
    assert prompt.format_messages(q="{a}") == [
        SystemMessage("s"),
        HumanMessage("1+1"),
        AIMessage("2"),
        HumanMessage("{x}"),
        AIMessage('{"n": {}}'),
        HumanMessage("{a}"),
    ]
    assert len(shots.format_messages()) == 4
    assert prompt.input_variables == ["q"]


def test_a_selector_chooses_by_the_values() -> None:
    """It is given the values of the prompt, known ones included, and what it needs can be declared."""
    text = FewShotPromptTemplate(example_selector=ByWord(), example_prompt=PAIR, suffix="{word}?")
    assert text.format(word="1") == "1+1 -> 2\n\n1?"
    shots = FewShotChatMessagePromptTemplate(example_selector=ByWord(), input_variables=["word"], example_prompt=TURNS)
    prompt = ChatPromptTemplate([shots, ("human", "{word}")])
    assert [message.text for message in prompt.partial(word="x").format_messages()] == ["{x}", '{"n": {}}', "x"]
    with pytest.raises(MissingVariableError, match=r"\{word\} \(message 1\)"):
        prompt.format_messages()


async def test_async_code_never_waits_for_a_selector_on_the_loop() -> None:
    """An async selector is awaited, another one runs in a thread, however deep it stands."""
    plain, awaited = ByWord(), Awaited()
    shots = FewShotPromptTemplate(example_selector=plain, example_prompt=PAIR, suffix="{word}")
    chat = ChatPromptTemplate([SystemMessagePromptTemplate(prompt=shots)])
    assert (await chat.ainvoke({"word": "1"})).to_string() == "System: 1+1 -> 2\n\n1"
    assert plain.thread is not threading.current_thread()
    turns = FewShotChatMessagePromptTemplate(example_selector=awaited, input_variables=["word"], example_prompt=TURNS)
    assert (await ChatPromptTemplate([turns]).ainvoke({"word": "w"})).to_string() == "Human: awaited\nAI: w"
    assert awaited.thread is None


async def test_prompts_that_wait_for_a_selector_do_so_side_by_side() -> None:
    """Two branches of a dict, each of which goes on only when the other has come to its selector, too."""
    both = asyncio.Barrier(2)

    class Meeting(ByWord):
        async def aselect_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
            await both.wait()
            return EXAMPLES[:1]

    shots = FewShotPromptTemplate(example_selector=Meeting(), example_prompt=PAIR, suffix="{word}")
    chat = ChatPromptTemplate([SystemMessagePromptTemplate(prompt=shots)])
    async with asyncio.timeout(20):
        answers = await RunnableParallel(a=shots, b=chat).ainvoke({"word": "1"})
    assert [answers[key].to_string() for key in "ab"] == ["1+1 -> 2\n\n1", "System: 1+1 -> 2\n\n1"]


@pytest.mark.parametrize("given", [{}, {"examples": [], "example_selector": ByWord()}])
def test_examples_come_from_one_place(given: dict[str, Any]) -> None:
    """Neither or both of examples and example_selector is an error when the prompt is built."""
    with pytest.raises(PromptError, match="give either examples or an example_selector"):
        FewShotPromptTemplate(example_prompt=PAIR, suffix="", **given)


def test_templates_are_checked_when_the_prompt_is_built() -> None:
    """A refused form in prefix or suffix raises at once."""
    for where in ("prefix", "suffix"):
        with pytest.raises(PromptError, match="is refused"):
            FewShotPromptTemplate(examples=[], example_prompt=PAIR, **{"suffix": "", where: "{x.y}"})


def test_an_example_that_lacks_a_value_is_an_error() -> None:
    """The error names the value."""
    with pytest.raises(MissingVariableError, match=r"no value for \{a\}"):
        FewShotPromptTemplate(examples=[{"q": 1}], example_prompt=PAIR, suffix="").format()

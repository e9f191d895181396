"""A template obeys the same rules however it came to be, and nothing that goes through a prompt is worked out."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from plait.errors import PromptError
from plait.messages import HumanMessage
from plait.prompts import (
    ChatPromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)

EVIL = "{x.__class__.__mro__}"
GOOD = PromptTemplate.from_template("good {x}")
CHAT = ChatPromptTemplate([("human", "good {x}")])


class Sub(PromptTemplate):
    pass


def changed(prompt: Any, /, **fields: Any) -> Any:
    """The prompt with fields set by force."""
    copied = copy.copy(prompt)
    for name, value in fields.items():
        object.__setattr__(copied, name, value)
    return copied


def thawed(prompt: Any, /, **fields: Any) -> Any:
    """The prompt with fields changed while it was pickled."""
    state = prompt.__getstate__()
    state["__dict__"] = {**state["__dict__"], **fields}
    restored = object.__new__(type(prompt))
    restored.__setstate__(pickle.loads(pickle.dumps(state)))
    return restored


@pytest.mark.parametrize(
    "evil",
    [
        lambda: PromptTemplate(template=EVIL),
        lambda: Sub(template=EVIL),
        lambda: PromptTemplate.model_construct(template=EVIL),
        lambda: PromptTemplate.model_validate({"template": EVIL}),
        lambda: GOOD.model_copy(update={"template": EVIL}),
        lambda: changed(GOOD, template=EVIL),
        lambda: thawed(GOOD, template=EVIL),
        lambda: changed(Sub(template="{x}"), template=EVIL),
        lambda: GOOD + EVIL,
        lambda: GOOD.model_copy(update={"template": "{{x}} {{x.y}}", "template_format": "mustache"}),
        lambda: changed(GOOD, template_format="jinja2"),
        lambda: CHAT.model_copy(update={"messages": (("human", EVIL),)}),
        lambda: changed(CHAT, messages=(("human", EVIL),)),
        lambda: thawed(CHAT, messages=(("human", [{"type": "image_url", "image_url": EVIL}]),)),
        lambda: ChatPromptTemplate.model_construct(messages=[("human", EVIL)]),
        lambda: ChatPromptTemplate([changed(HumanMessagePromptTemplate(prompt=["{x}"]), prompt=[{"deep": [EVIL]}])]),
        lambda: ChatPromptTemplate([changed(HumanMessagePromptTemplate(prompt=GOOD), prompt=changed(GOOD, template=EVIL))]),
        lambda: changed(FewShotPromptTemplate(examples=[], example_prompt=GOOD, suffix="{x}"), prefix=EVIL),
    ],
)  # fmt: skip
def test_no_way_of_making_a_prompt_gets_round_the_scanner(evil: Callable[[], Any]) -> None:
    """Constructors, copies, pickles, subclasses and force: the form is refused, at the latest when it is rendered."""
    with pytest.raises(ValueError, match=r"is refused|jinja2 templates are programs"):
        evil().invoke({"x": HumanMessage("canary")})


def test_a_prompt_that_was_changed_prints_its_new_text() -> None:
    """Nothing of the old template is left: not the text, the variables, nor the schema."""
    for prompt in (GOOD.model_copy(update={"template": "new {y}"}), changed(GOOD, template="new {y}")):
        assert prompt.invoke("Y").to_string() == "new Y"
        assert list(prompt.get_input_jsonschema()["properties"]) == ["y"]
    assert PromptTemplate.model_construct(template="{b} {a}").input_variables == ["a", "b"]
    chat = CHAT.model_copy(update={"messages": [("ai", "new {y}")]})
    assert (chat.invoke("Y").to_string(), chat.input_variables) == ("AI: new Y", ["y"])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p)), lambda p: p.model_copy()]
)
@pytest.mark.parametrize(
    "prompt",
    [
        GOOD,
        Sub(template="{{x}} {x}", name="n").partial(z=1),
        ChatPromptTemplate(
            [("human", ["{x}"]), ("ai", "{x}"), HumanMessage("q"), MessagesPlaceholder("h", optional=True)]
        ),
        FewShotPromptTemplate(examples=[{"x": 1}], example_prompt=GOOD, suffix="{x}"),
    ],
)
def test_clones_are_equal_and_do_the_same(prompt: Any, clone: Callable[[Any], Any]) -> None:
    """Copies and pickles compare equal and render alike, before and after the original was used."""
    fresh = clone(prompt)
    given = {"x": "{x}"}
    assert prompt.invoke(given) == fresh.invoke(given) == clone(prompt).invoke(given)
    assert fresh == prompt
    assert fresh.model_dump() == prompt.model_dump()


def test_the_limit_holds_for_the_whole_conversation() -> None:
    """It can be set, holds for one text and for the sum of all, and leaves messages alone that were there before."""
    prompt = ChatPromptTemplate([("human", "{x}"), ("ai", ["{x}"]), MessagesPlaceholder("h")], max_chars=100)
    assert len(prompt.invoke({"x": "x" * 40, "h": ["y" * 500]}).to_messages()) == 3
    for count in (60, 101):
        with pytest.raises(PromptError, match="longer than 100 characters; shorten what goes in, or raise max_chars"):
            prompt.invoke({"x": "x" * count, "h": []})
    with pytest.raises(PromptError, match="longer than 10,000,000 characters"):
        PromptTemplate.from_template("{x}" * 1000).format(x="x" * 10_001)
    wide = ChatPromptTemplate([("human", "{x}"), ("human", ["{x}"])], max_chars=30_000_000)
    assert len(wide.format(x="x" * 10_000_001)) > 20_000_000


def test_the_limit_holds_for_examples() -> None:
    """Examples count, too."""
    prompt = FewShotPromptTemplate(examples=[{"x": "x" * 60}] * 2, example_prompt=GOOD, suffix="", max_chars=100)
    with pytest.raises(PromptError, match="longer than 100 characters"):
        prompt.format()


def test_an_object_has_to_be_made_text_by_its_owner() -> None:
    """A value whose class decides what it prints is refused by name, and a path is never opened."""

    class Settings:
        key = "s3cret"

        def __str__(self) -> str:
            return self.key

    with pytest.raises(TypeError, match=r"\{x\} was given a value of type .*Settings") as caught:
        CHAT.invoke({"x": [Settings()]})
    assert "s3cret" not in str(caught.value)
    blocks = HumanMessagePromptTemplate.from_template([{"type": "image_url", "image_path": "{x}"}])
    assert blocks.format(x="/etc/hostname").content == [{"type": "image_url", "image_path": "/etc/hostname"}]

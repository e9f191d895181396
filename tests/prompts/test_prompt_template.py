"""Prompts that are one text."""

from __future__ import annotations

from typing import Any

import pytest

from plait.errors import MissingVariableError, PromptError
from plait.prompt_values import StringPromptValue
from plait.prompts import PromptTemplate, StringPromptTemplate


def test_a_text_with_variables() -> None:
    """invoke gives a prompt value, format the text; keys that are not variables are ignored."""
    prompt = PromptTemplate.from_template("Tell a {kind} joke about {topic}.")
    assert prompt.invoke({"kind": "bad", "topic": "bears", "other": 1}) == StringPromptValue(
        text="Tell a bad joke about bears."
    )
    assert prompt.format(kind="bad", topic="bears") == "Tell a bad joke about bears."
    assert prompt.format_prompt(kind="bad", topic="bears").to_messages()[0].content == "Tell a bad joke about bears."
    assert prompt.input_variables == ["kind", "topic"]


def test_a_prompt_with_one_variable_takes_it_bare() -> None:
    """What is no dict is the value of the one variable that must be given."""
    prompt = PromptTemplate.from_template("About {topic}, {tone}.").partial(tone="briefly")
    assert prompt.invoke("bears").to_string() == "About bears, briefly."  # type: ignore[arg-type]  # for typists, a dict


@pytest.mark.parametrize(
    ("template", "wanted"), [("{a} {b}", "a dict with 'a', 'b'"), ("none", "a dict, which may be empty")]
)
def test_another_input_than_a_dict_is_refused(template: str, wanted: str) -> None:
    """With no variable or several, a bare value is a TypeError that says what is wanted."""
    with pytest.raises(TypeError, match=f"PromptTemplate takes {wanted}; got str"):
        PromptTemplate.from_template(template).invoke("x")  # type: ignore[arg-type]  # the point


def test_missing_values_are_named() -> None:
    """The error lists what is missing with its place, and the names of what was given."""
    with pytest.raises(MissingVariableError) as caught:
        PromptTemplate.from_template("{a}\n {b} {c}").invoke({"a": "hidden", "x": "hidden"})
    assert "no value for {b} (line 2, column 2), {c} (line 2, column 6); given: 'a', 'x'." in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_variables_may_have_any_name() -> None:
    """Names of parameters, methods and fields of the prompt are variables like any other; keys need not be names."""
    prompt = PromptTemplate.from_template("{self} {input} {config} {template} {name} {values}")
    given: dict[Any, Any] = dict.fromkeys(["self", "input", "config", "template", "name", "values", 7, None], "v")
    assert prompt.invoke(given).to_string() == "v v v v v v"
    assert prompt.format(self=1, input=2, config=3, template=4, name=5, values=6) == "1 2 3 4 5 6"


def test_known_values() -> None:
    """A partial value need not be given, a function is called for each prompt, and a given value wins."""
    calls: list[int] = []
    prompt = PromptTemplate.from_template("{a} {b} {c}", partial_variables={"a": "A"})
    more = prompt.partial(b=lambda: calls.append(1) or len(calls))
    assert prompt.input_variables == ["b", "c"]
    assert more.input_variables == ["c"]
    assert [more.format(c=1), more.format(c=2), more.format(c=3, b="B", a="x")] == ["A 1 1", "A 2 2", "x B 3"]
    assert len(calls) == 2
    with pytest.raises(MissingVariableError, match=r"\{b\}"):
        prompt.format(c=1)


def test_a_known_value_is_never_a_template() -> None:
    """Partial values and results of functions come out as they are, also in a second stage."""
    prompt = PromptTemplate.from_template("{a} {b} {c}").partial(a="{c}", b=lambda: "{a.__class__}")
    once = prompt.format(c="{{a}}")
    assert once == "{c} {a.__class__} {{a}}"
    assert PromptTemplate.from_template("{x}").invoke({"x": once}).to_string() == once


def test_an_async_function_is_no_known_value() -> None:
    """It could not be awaited where a prompt is made, so it is refused when it is given."""

    async def later() -> str:
        return "x"

    with pytest.raises(PromptError, match=r"the function for \{a\} is async"):
        PromptTemplate.from_template("{a}").partial(a=later)


def test_prompts_add() -> None:
    """The sum has the text and the known values of both; a str is a template; order counts."""
    both = PromptTemplate.from_template("{a} ").partial(a=1) + PromptTemplate.from_template("{b} ") + "{c} {{d}}"
    assert both.invoke({"b": 2, "c": 3}).to_string() == "1 2 3 {d}"
    assert ("{x} " + both).input_variables == ["b", "c", "x"]
    assert both.input_variables == ["b", "c"]


def test_prompts_that_disagree_do_not_add() -> None:
    """Two different known values for one name are an error, and so is what is no prompt."""
    one, other = (PromptTemplate.from_template("{a}").partial(a=value) for value in (1, 2))
    with pytest.raises(PromptError, match=r"both prompts have a value for \{a\}"):
        _ = one + other
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = one + 3


def test_declared_variables_are_put_right_or_checked() -> None:
    """The template decides; with validate_template a list that differs is refused."""
    assert PromptTemplate(template="{a} {b}", input_variables=["a", "z"]).input_variables == ["a", "b"]
    checked = PromptTemplate(
        template="{a} {b}", input_variables=["a"], partial_variables={"b": 1}, validate_template=True
    )
    assert checked.partial(a=2).format() == "2 1"
    with pytest.raises(PromptError, match=r"input_variables are \['z'\], but the variables of the prompt are \['a'\]"):
        PromptTemplate(template="{a}", input_variables=["z"], validate_template=True)


def test_mustache_is_a_format_and_jinja2_is_not() -> None:
    """The format says how a variable is written; one that runs programs is refused with the reason."""
    prompt = PromptTemplate.from_template('{"a": {{x}}}', template_format="mustache")
    assert prompt.invoke({"x": "{{y}}"}).to_string() == '{"a": {{y}}}'
    with pytest.raises(PromptError, match="jinja2 templates are programs"):
        PromptTemplate.from_template("{{ x }}", template_format="jinja2")  # type: ignore[arg-type]  # the point


def test_what_a_prompt_does_not_know_is_refused() -> None:
    """A field that does not exist is an error, and so is a wrong type; neither shows what was given."""
    for fields in ({"template": "x", "nonsense": "s3cret"}, {"template": ["s3cret"]}):
        with pytest.raises(ValueError, match=r"nonsense|valid string") as caught:
            PromptTemplate(**fields)
        assert "s3cret" not in str(caught.value)


def test_a_prompt_does_not_change() -> None:
    """Fields are frozen, and what was passed in may change without effect."""
    known = {"b": "B"}
    prompt = PromptTemplate.from_template("{a} {b}", partial_variables=known)
    known["b"] = "changed"
    with pytest.raises(ValueError, match="frozen"):
        prompt.template = "other"
    assert prompt.format(a="A") == "A B"


def test_repr_shows_the_template_and_no_known_value() -> None:
    """repr is short and names what is known without telling it; pretty_repr is the template."""
    prompt = PromptTemplate.from_template("hi {a} {b}").partial(a="s3cret")
    assert repr(prompt) == str(prompt) == "PromptTemplate(partial_variables=['a'], template='hi {a} {b}')"
    assert repr(PromptTemplate(template="x", name="n")) == "PromptTemplate(name='n', template='x')"
    assert prompt.pretty_repr() == "hi {a} {b}"


def test_a_prompt_of_ones_own() -> None:
    """A subclass names its variables and writes format; all else follows."""

    class Shouting(StringPromptTemplate):
        end: str = "!"

        def format(self, /, **values: Any) -> str:
            return values["text"].upper() + self.end

    prompt = Shouting(input_variables=["text"], end="!!")
    assert prompt.invoke({"text": "hi"}).to_string() == "HI!!"
    assert prompt.invoke("hi").to_string() == "HI!!"  # type: ignore[arg-type]  # for typists, a dict
    assert prompt.pretty_repr() == "{TEXT}!!"


async def test_async_gives_the_same() -> None:
    """aformat, aformat_prompt and ainvoke give what their siblings give."""
    prompt = PromptTemplate.from_template("{a}")
    assert await prompt.aformat(a=1) == prompt.format(a=1)
    assert await prompt.aformat_prompt(a=1) == prompt.format_prompt(a=1)
    assert await prompt.ainvoke({"a": 1}) == prompt.invoke({"a": 1})

"""Laws of templates, over text made to be awkward."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from plait.errors import PromptError
from plait.templates import Template, escape, parse, render, text_of

pieces = st.sampled_from(
    ["{", "}", "{{", "}}", "{x}", "{y}", "{{x}}", "x", "y", " ", "x:", "d", ">", ".", "[0]", "!r", "\n", '"a": ']
)
awkward = st.one_of(st.text(), st.lists(pieces, max_size=14).map("".join))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.frozensets(st.integers(), max_size=2)
    ),
    max_leaves=8,
)


def parsed(text: str) -> Template | None:
    try:
        return parse(text)
    except PromptError:
        return None


@given(awkward)
@example("{{{a}")
@example("{{a}{b}}")
def test_escaped_text_prints_itself(text: str) -> None:
    """render(escape(text)) == text, for any text at all."""
    assert render(escape(text)) == text


@given(awkward)
def test_parsing_refuses_or_renders(text: str) -> None:
    """A text is either refused with a PromptError, or renders once its variables have values."""
    template = parsed(text)
    if template is not None:
        assert isinstance(template.render(dict.fromkeys(template.variables, "v")), str)


@given(awkward)
def test_text_without_braces_that_are_doubled_keeps_every_character(text: str) -> None:
    """With each variable standing for its own form, rendering changes nothing but doubled braces."""
    template = parsed(text.replace("{{", "{").replace("}}", "}"))
    if template is not None and "{{" not in template.text:
        assert template.render({name: f"{{{name}}}" for name in template.variables}) == template.text


@given(awkward, awkward, awkward)
def test_values_come_out_as_they_went_in(text: str, x: str, y: str) -> None:
    """The output is the text and the values in turn, whatever the values look like."""
    template = parsed(text)
    if template is not None and set(template.variables) <= {"x", "y"}:
        values = {"x": x, "y": y}
        texts, names = template.parts[::2], template.parts[1::2]
        expected = "".join(part + values.get(name, "") for part, name in zip_longest(texts, names, fillvalue=""))
        assert template.render(values) == expected


@given(awkward, awkward)
def test_the_sum_prints_what_both_print(left: str, right: str) -> None:
    """(a + b).render == a.render + b.render, and the sum's own source says the same."""
    a, b = parsed(left), parsed(right)
    if a is None or b is None:
        return
    values = {name: f"<{name}>" for name in (*a.variables, *b.variables)}
    try:
        both = a + b
    except PromptError:
        return  # a brace of each, and together a form that is refused
    assert both.render(values) == a.render(values) + b.render(values)
    assert parse(both.text).parts == both.parts


@given(st.lists(st.sampled_from(["{{", "}}", "{x}", "a", '"b": ', "\n"]), max_size=12).map("".join))
def test_balanced_templates_of_str_format_keep_their_meaning(text: str) -> None:
    """A template of doubled braces in pairs and plain fields prints what str.format prints."""
    depth, balanced = 0, True
    for at in range(len(text.replace("{x}", "x"))):
        two = text.replace("{x}", "x")[at : at + 1]
        depth += (two == "{") - (two == "}")
        balanced = balanced and depth >= 0
    if balanced and depth == 0:
        assert render(text, {"x": "X"}) == text.format(x="X")


@given(plain)
def test_plain_data_reads_as_str_writes_it(value: Any) -> None:
    """text_of agrees with str on everything that is plain data."""
    assert text_of(value) == str(value)

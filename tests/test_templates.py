"""Templates: what is a variable, what is text, what is refused, and what a value reads as."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from plait.errors import MissingVariableError, PromptError
from plait.templates import Template, escape, fill, parse, parse_tree, render, size, text_of, variables

JSON = """{"user": {"name": "Ann", "tags": [{}, {"a": {"b": 1}}]}, "n": {"deep": {"er": {}}}}"""
CSS = "@media print { a:hover{color:red} p.x { margin: 0 auto; } b{margin:0;padding:0}}"
CODE = 'def f(x):\n    return {k: v for k, v in x.items()} if x else {}\nprint(f"{1 + 1}")\nconst g = () => {return 0;}'


class Canary:
    """An object that notices everything that is done to it."""

    secret = "canary"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __str__(self) -> str:
        self.seen.append("str")
        return self.secret

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        self.seen.append("format")
        return self.secret


class Colour(Enum):
    RED = "red"


class Shade(StrEnum):
    DARK = "dark"


class Pair(NamedTuple):
    left: int
    right: int


# ------------------------------------------------------------------------------------------ what is a variable, what is text


def test_only_a_name_in_braces_is_a_variable() -> None:
    """Names of any script are variables; numbers, nothing and anything with a space are text."""
    assert render("{a} {_b2} {été} {नाम}", {"a": 1, "_b2": 2, "été": 3, "नाम": 4}) == "1 2 3 4"
    assert render("{} {0} { a } {a b} {1a} {a-b} {}") == "{} {0} { a } {a b} {1a} {a-b} {}"


@pytest.mark.parametrize("text", [JSON, CSS, CODE], ids=["json", "css", "code"])
def test_json_css_and_code_can_be_pasted(text: str) -> None:
    """Text with braces renders unchanged, without a single escape."""
    assert render(text) == text


@pytest.mark.parametrize(
    ("template", "printed"),
    [
        ('{{"a": {{}}}}', '{"a": {}}'),
        ("{{x}}", "{x}"),
        ("{{{x}}}", "{X}"),
        ("{{{{x}}}}", "{{x}}"),
        ('{{"a": {"b": {"c": {x}}}, "d": 2}}', '{"a": {"b": {"c": X}}, "d": 2}'),
        ('{"a": {"b": {x}}}', '{"a": {"b": X}}'),
        ("{{ and {x}", "{{ and X"),
        ("}} {x} {{", "}} X {{"),
        ("{{x}: 1}", "{X: 1}"),
        (":{ {{x}}", ":{ {x}"),
        ("{{ {x} } }", "{{ X } }"),
        ("{{x.y}} {{x[0]}} {{x!r}} {{x:.2f}}", "{x.y} {x[0]} {x!r} {x:.2f}"),
    ],
)
def test_doubled_braces_that_close_each_other_are_the_escape(template: str, printed: str) -> None:
    """Braces match like brackets; a pair that is doubled at both ends prints once, any other brace is text."""
    assert render(template, {"x": "X"}) == printed


@pytest.mark.parametrize(
    "form",
    [
        "{x.y}", "{x.__class__.__mro__}", "{x[0]}", "{x[a.b].c}", "{x.y[0].z}", "{x!r}", "{x!s:>10}",
        "{x:.2f}", "{x:>10}", "{x:*^30}", "{x:,}", "{x:d}", "{x:05}", "{x:+.1%}", "{x:}", "{d:%Y-%m-%d}", "{d:%H:%M}",
        "{x:{w}}", "{x:>{w}}", "{x:{w}.{p}f}", "{x.y!r:>{w}.{p}f}", "{x:{y.__class__}}", "{{{x.y}}}",
    ],
)  # fmt: skip
def test_a_field_that_would_be_worked_out_is_refused(form: str) -> None:
    """Attributes, indexes, conversions and formats raise when the template is parsed, whatever they stand in."""
    with pytest.raises(PromptError, match="is refused"):
        parse(f"some text {form}")


@pytest.mark.parametrize(
    "text",
    [
        "a{color:red}", "{color: 1}", "{a: b}", "{key:string}", "{margin:0;padding:0}", "{e.g. this}", "{this.x=1}",
        "{std::vector}", "{important!important}", "{f(a.b)}", "{0.__class__}", "{.a}", "{x.}", "{x.0}", "{x[}", "{x[0}",
        "{http://x}", "{n!}", '{"a":1}',
    ],
)  # fmt: skip
def test_what_python_would_not_take_for_a_field_is_text(text: str) -> None:
    """CSS, prose and code that only resemble a field are printed as they are."""
    assert render(text) == text


def test_a_refusal_shows_where_and_what_to_write_instead() -> None:
    """The error has the form, its line and column, the plain name and the escape."""
    with pytest.raises(PromptError) as caught:
        parse("first line\n  {user.name} said")
    for part in ("{user.name}", "line 2, column 3", "{user}", "{{user.name}}"):
        assert part in str(caught.value)


def test_an_unknown_syntax_is_refused() -> None:
    """Jinja2 is refused with the reason; so is a name that nobody knows."""
    with pytest.raises(PromptError, match="jinja2 templates are programs"):
        parse("{{ x }}", "jinja2")
    with pytest.raises(PromptError, match="'f-string' or 'mustache'; got 'liquid'"):
        parse("x", "liquid")


def test_a_template_is_text() -> None:
    """Something else than a str is a TypeError that says what came."""
    with pytest.raises(TypeError, match="a template is a str; got list"):
        parse(["x"])


# --------------------------------------------------------------------------------------------------------------- mustache


def test_mustache_has_variables_and_nothing_else() -> None:
    """Doubled braces around a name are a variable, all other braces are text."""
    template = parse('{"a": {{x}}, "b": {{ y }}, "c": {z}, "d": {{"e": 1}}}', "mustache")
    assert template.variables == ("x", "y")
    assert template.render({"x": 1, "y": "{{x}}"}) == '{"a": 1, "b": {{x}}, "c": {z}, "d": {{"e": 1}}}'


@pytest.mark.parametrize(
    "form", ["{{#x}}", "{{/x}}", "{{^x}}", "{{>x}}", "{{!x}}", "{{&x}}", "{{{x}}}", "{{x.y}}", "{{.}}"]
)
def test_mustache_beyond_variables_is_refused(form: str) -> None:
    """Sections, paths, partials and comments raise when the template is parsed."""
    with pytest.raises(PromptError, match="line 1, column 3 is refused"):
        parse(f"a {form} b", "mustache")


# --------------------------------------------------------------------------------------------------------------- rendering


def test_values_are_not_read_again() -> None:
    """A value that looks like a template, or like an escape, comes out as it is; in two stages, too."""
    once = render("{a} {b}", {"a": "{b} {secret} {a.__class__} {{x}}", "b": "{a}"})
    assert once == "{b} {secret} {a.__class__} {{x}} {a}"
    assert render("{a}", {"a": once, "secret": "s"}) == once


def test_a_missing_value_is_named_with_its_place_and_what_was_given() -> None:
    """All missing names are listed at once, with names of what was given and never its values."""
    with pytest.raises(MissingVariableError) as caught:
        render("{a} {b}\n{c} {b}", {"a": "s3cret", "d": "s3cret"})
    assert isinstance(caught.value, KeyError)
    message = str(caught.value)
    assert "{b} (line 1, column 5), {c} (line 2, column 1); given: 'a', 'd'." in message
    assert "s3cret" not in message


def test_the_rendered_text_has_a_limit() -> None:
    """Text beyond the limit raises before it is built, from long values, many places or big containers."""
    assert render("{a}{a}", {"a": "x" * 50}, limit=100) == "x" * 100
    for template, value in (("{a}{a}", "x" * 51), ("{a}", ["x" * 10] * 10), ("x" * 100 + "{a}", 1)):
        with pytest.raises(PromptError, match="longer than 100 characters"):
            render(template, {"a": value}, limit=100)


def test_a_shared_structure_cannot_grow_beyond_the_limit() -> None:
    """A list that holds itself many times over, or for ever, raises soon."""
    bomb: list[Any] = ["x"]
    for _ in range(60):
        bomb = [bomb, bomb, bomb]
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(PromptError, match="longer than"):
        render("{a}", {"a": bomb}, limit=10_000)
    with pytest.raises(PromptError, match="nested more than 100 deep"):
        render("{a}", {"a": endless})


def test_a_copy_obeys_the_same_rules() -> None:
    """Pickles and copies render alike, and a forged template can name a field but not have it worked out."""
    template = parse("hello {name}")
    for other in (pickle.loads(pickle.dumps(template)), copy.deepcopy(template), copy.copy(template)):
        assert other.render({"name": "{x}"}) == "hello {x}"
    forged = template._replace(parts=("", "name.__class__", ""))
    with pytest.raises(MissingVariableError):
        forged.render({"name": "x"})


def test_templates_add() -> None:
    """The sum prints what the two print, even where the text alone would read otherwise, and across syntaxes."""
    both = parse("a {x} {na") + parse("me} {y}")
    assert both.variables == ("x", "y")
    assert both.render({"x": 1, "y": 2, "name": 3}) == "a 1 {name} 2"
    assert parse(both.text).parts == both.parts
    mixed = parse("{{x}} {x}") + parse(" {{x}} {x}", "mustache")
    assert mixed.render({"x": 1}) == "{x} 1 1 {x}"
    assert (parse("{x} ") + parse("{y}")).text == "{x} {y}"


# --------------------------------------------------------------------------------------------------------- text of a value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a'b", "a'b"),
        (7, "7"),
        (1.5, "1.5"),
        (True, "True"),
        (None, "None"),
        (Decimal("1.50"), "1.50"),
        (date(2026, 1, 2), "2026-01-02"),
        (timedelta(minutes=1), "0:01:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (Colour.RED, "red"),
        (Shade.DARK, "dark"),
        ([1, "a", None], "[1, 'a', None]"),
        ({"a": (1,), "b": {2}}, "{'a': (1,), 'b': {2}}"),
        ([Colour.RED, Shade.DARK, date(2026, 1, 2)], "['red', 'dark', datetime.date(2026, 1, 2)]"),
        (OrderedDict(a=1), "{'a': 1}"),
        (Pair(1, 2), "(1, 2)"),
        (set[int](), "set()"),
        (frozenset[int](), "frozenset()"),
    ],
)
def test_plain_data_reads_as_python_writes_it(value: object, text: str) -> None:
    """Scalars read as str writes them, enumerations as their value, containers as Python writes them."""
    assert text_of(value) == text


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: {"k": [x]}, lambda x: {x: 1}, lambda x: (1, x)])
def test_other_objects_are_refused_untouched(wrap: Any) -> None:
    """An object of another class raises, wherever it stands, and none of its methods is called."""
    canary = Canary()
    with pytest.raises(TypeError, match=r"\{x\} was given a value of type .*Canary.*Make text of it before") as caught:
        render("{x}", {"x": wrap(canary)})
    assert canary.seen == []
    assert "canary" not in str(caught.value)


def test_bytes_are_refused() -> None:
    """Bytes have to be decoded by somebody who knows how."""
    with pytest.raises(TypeError, match=r"builtins\.bytes"):
        text_of(b"abc")


def test_a_subclass_reads_as_the_builtin_that_it_is() -> None:
    """The text of a str or int subclass is its characters and digits, not what the class would print."""

    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "LOUD"

        def __repr__(self) -> str:
            return "LOUD"

        def __format__(self, spec: str) -> str:
            return "LOUD"

    class Odd(int):
        __repr__ = __str__ = lambda self: "ODD"

    assert render("{a} {b} {c}", {"a": Loud("quiet"), "b": Odd(3), "c": [Loud("q"), Odd(3)]}) == "quiet 3 ['q', 3]"


def test_a_caller_may_say_how_other_kinds_read() -> None:
    """``special`` decides first; inside a container its text is quoted."""

    def special(value: object) -> str | None:
        return value.strftime("%d.%m.") if isinstance(value, datetime) else None

    day = datetime(2026, 2, 1, tzinfo=UTC)
    assert parse("{a} {b}").render({"a": day, "b": [day]}, special=special) == "01.02. ['01.02.']"


# ------------------------------------------------------------------------------------------------------------------- trees


def test_templates_inside_lists_and_dicts() -> None:
    """Every text of a tree is a template; keys, numbers and the rest stay."""
    tree = parse_tree([{"type": "text", "text": "hi {x}"}, {"{y}": {"url": "{y}", "n": 1, "none": None}}])
    assert variables(tree) == ("x", "y")
    filled = fill(tree, lambda template: template.render({"x": "{y}", "y": "u"}))
    assert filled == [{"type": "text", "text": "hi {y}"}, {"{y}": {"url": "u", "n": 1, "none": None}}]
    assert size(filled) == len("text" + "hi {y}" + "u")


def test_a_tree_is_checked_at_every_depth() -> None:
    """A refused form raises wherever it stands; so does nesting without end."""
    with pytest.raises(PromptError, match="is refused"):
        parse_tree({"image_url": [{"url": "{x.__class__}"}]})
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(PromptError, match="nested more than 100 deep"):
        parse_tree(endless)


def test_escape_gives_a_template_for_any_text() -> None:
    """Escaped text has no variable and prints itself; text without a field needs no change."""
    for text in ("{a}", "{{a}}", "{{a}", "{a}}", "{a.b}", "}{", "{{{a}", "{a}{", "", JSON):
        assert isinstance(parse(escape(text)), Template)
        assert render(escape(text)) == text


@pytest.mark.parametrize("syntax", ["f-string", "mustache"])
@pytest.mark.parametrize(
    "piece",
    ["{", "}", "{}", "{{}}", "{a", "{a:", "{a:{b}", "{a.", "{a[", "{a!r", "{{a", "{{#a", "{a:0", "a.b[c]", "{a[b]."],
)
def test_a_hostile_template_costs_no_more_than_its_length(piece: str, syntax: str) -> None:
    """A hundred thousand of any piece are read at once; were the cost quadratic, this would take minutes."""
    for text in (piece * 100_000, piece * 100_000 + "}}", "{" * 50_000 + piece * 50_000 + "}" * 50_000):
        try:
            template = parse(text, syntax)
            said = template.render(dict.fromkeys(template.variables, ""))
        except PromptError as error:
            said = str(error)
        assert len(said) <= max(len(text), 1000)

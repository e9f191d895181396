"""``print(chain)``: one line a step."""

from __future__ import annotations

from typing import Any

from plait import (
    ChatPromptTemplate,
    FakeListChatModel,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    StrOutputParser,
)
from plait.anatomy import Anatomy, Part

SECRET = "sk-" + "a1B2" * 10


def test_one_line_a_step() -> None:
    """Each step is a line, in order, and the branches of a dict are indented below it."""
    chain: Any = (
        {"topic": RunnablePassthrough()}
        | ChatPromptTemplate.from_template("{topic}")
        | FakeListChatModel(responses=["a"])
        | StrOutputParser()
    )
    lines = str(chain).splitlines()

    assert [line.split()[0] for line in lines] == ["1", "topic:", "2", "3", "4"]
    assert lines[1].startswith("  ")
    assert "needs topic" in lines[2]


def test_long_chain_is_bounded() -> None:
    """Of a thousand steps the first and the last are shown, and how many are between them."""
    shown = str(RunnableSequence(*[RunnableLambda(len, name=f"step {n}") for n in range(1_000)]))

    assert len(shown.splitlines()) < 60
    assert "step 0" in shown
    assert "step 999" in shown


def test_no_argument_is_shown() -> None:
    """What was bound to a step, or configured, is not in its line."""
    chain: Any = RunnableLambda(len).bind(api_key=SECRET).with_config(metadata={"key": SECRET}) | str

    assert SECRET not in str(chain)
    assert SECRET not in str(chain._repr_mimebundle_())


def test_repr_stays_one_line() -> None:
    """The repr of a chain is the expression, on one line."""
    chain: Any = RunnableLambda(len) | {"a": str}

    assert repr(chain) == "RunnableLambda(len) | {'a': RunnableLambda(str)}"


def test_hostile_name_cannot_make_lines() -> None:
    """A name with line breaks or escape sequences stays on its line and commands no terminal."""
    shown = str(RunnableLambda(len, name="a\nb\x1b[31m") | RunnableLambda(str))

    assert len(shown.splitlines()) == 2
    assert "\x1b" not in shown


def test_ways_of_a_branch_are_named() -> None:
    """Each way stands under its condition, and a chain in it is numbered by itself."""
    branch = RunnableBranch((RunnableLambda(bool, name="any"), RunnableLambda(len) | str), RunnableLambda(abs))

    assert str(branch).splitlines() == [
        "Branch          choice",
        "  any:",
        "    1 len       function",
        "    2 str       function",
        "  default: abs  function",
    ]


def test_chain_with_a_name_shows_it() -> None:
    """The name of a chain is a line above its steps, which are indented."""
    lines = str(RunnableSequence(len, str, name="size")).splitlines()

    assert [line.split()[0] for line in lines] == ["size", "1", "2"]


def test_deep_chain_is_bounded() -> None:
    """P60: of 3,000 levels the outer ones are shown."""
    node: Any = RunnableLambda(len)
    for _ in range(3000):
        node = RunnableParallel(a=node)

    assert len(str(node).splitlines()) < 30


def test_shared_parts_do_not_explode() -> None:
    """One object twice in each of 40 levels is a trillion lines, of which a bounded number is shown."""
    node: Any = RunnableLambda(len)
    for _ in range(40):
        node = RunnableParallel(a=node, b=node)

    assert len(str(node).splitlines()) < 400


class Itself(Runnable[Any, Any]):
    """A runnable that is a part of itself."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy("sequence", (Part("1", RunnableLambda(len)), Part("2", self)))


def test_what_contains_itself_is_listed_once() -> None:
    """P53: it is named where it comes again."""
    assert str(RunnableLambda(len) | Itself()).splitlines()[-1].split() == ["2", "Itself", "again"]


def test_notebook_gets_html_and_a_picture() -> None:
    """Names are escaped; the picture of the graph is there to be opened, without a service."""
    html = (RunnableLambda(len, name="<b>") | str)._repr_mimebundle_()["text/html"]

    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert "<details><summary>graph</summary><svg" in html


def test_notebook_gets_no_large_picture() -> None:
    """A picture of a thousand steps is not put into the page unasked."""
    chain = RunnableSequence(*[RunnableLambda(len) for _ in range(1000)])

    assert "<svg" not in chain._repr_mimebundle_()["text/html"]

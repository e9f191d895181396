"""``print(chain)``: one line a step."""

from __future__ import annotations

from typing import Any

from plait import (
    ChatPromptTemplate,
    FakeListChatModel,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSequence,
    StrOutputParser,
)

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

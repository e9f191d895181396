"""A sequence: steps one after another, flat, joined with ``|``, the same in every mode."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from plait.errors import ChainError
from plait.runnables import (
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
)


def add_1(number: int) -> int:
    return number + 1


def double(number: int) -> int:
    return number * 2


def named(name: str) -> RunnableLambda[Any, Any]:
    return RunnableLambda(lambda value: f"{value}{name}", name=name)


def names(chain: RunnableSequence[Any, Any]) -> list[str]:
    return [step.get_name() for step in chain.steps]


# ------------------------------------------------------------------------------------------------------------- values


def test_steps_run_in_order(run: Any) -> None:
    """Each step gets what the one before it gave."""
    assert run(RunnableLambda(add_1) | double | add_1, 3) == 9


def test_chain_gives_what_the_steps_give_one_by_one(run: Any) -> None:
    """P64: a chain joined with | gives what its steps give when they are called one after the other by hand."""
    steps = [RunnableLambda(add_1), RunnableParallel(a=add_1, b=double), RunnablePick("b"), RunnableLambda(str)]
    value: Any = 3
    for step in steps:
        value = run(step, value)

    assert run(RunnableSequence(*steps), 3) == value == "8"


def test_error_of_a_step_is_raised_as_it_is(run: Any) -> None:
    """The exception that a step raises reaches the caller as the same object."""
    error = LookupError("mine")

    def fail(_: object) -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        run(RunnableLambda(add_1) | fail | add_1, 1)
    assert caught.value is error


def test_steps_after_a_failed_one_are_not_run(run: Any) -> None:
    """Nothing after the step that failed is called."""
    called: list[Any] = []

    def fail(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run(RunnableLambda(add_1) | fail | called.append, 1)
    assert called == []


def test_keyword_arguments_go_to_the_first_step(run: Any) -> None:
    """What the call says besides input and config is for the first step alone."""

    def first(number: int, by: int) -> int:
        return number * by

    assert run(RunnableLambda(first) | add_1, 4, by=5) == 21


def test_named_sequence_inside_another_takes_part(run: Any) -> None:
    """A sequence with a name stays one step, and works as the steps it holds."""
    inner = RunnableLambda(add_1).pipe(double, name="inner")

    chain = RunnableLambda(add_1) | inner | add_1

    assert names(chain) == ["add_1", "inner", "add_1"]
    assert run(chain, 1) == 7


# -------------------------------------------------------------------------------------------------------- composition


def test_joining_sequences_keeps_every_step_in_order() -> None:
    """P46: (a | b) | (c | d) is a sequence of exactly four steps in that order."""
    chain = (named("a") | named("b")) | (named("c") | named("d"))

    assert names(chain) == ["a", "b", "c", "d"]
    assert chain.invoke("") == "abcd"


def test_grouping_does_not_matter() -> None:
    """P46: a | (b | (c | d)) has the steps of ((a | b) | c) | d."""
    a, b, c, d = (named(name) for name in "abcd")

    assert (a | (b | (c | d))).steps == (((a | b) | c) | d).steps == (a, b, c, d)


def test_joining_leaves_the_operands_as_they_were() -> None:
    """A chain that is joined to another is not changed by it."""
    left, right = named("a") | named("b"), named("c") | named("d")

    left | right

    assert names(left) == ["a", "b"]
    assert names(right) == ["c", "d"]


def test_functions_and_dicts_are_steps_on_either_side(run: Any) -> None:
    """P35: a plain function or a dict of steps may stand left or right of a runnable."""
    chain = add_1 | ({"a": add_1, "b": double} | RunnablePick("b")) | str

    assert run(chain, 1) == "4"


def test_sequence_of_a_dict_and_a_function(run: Any) -> None:
    """P35: what | cannot join, since neither side is a runnable, RunnableSequence(dict, function) does."""
    assert run(RunnableSequence({"a": add_1}, lambda given: given["a"]), 1) == 2


def test_any_mapping_is_a_dict_of_steps() -> None:
    """A read-only mapping is accepted where a dict is."""
    assert (RunnableLambda(add_1) | MappingProxyType({"a": double})).invoke(1) == {"a": 4}


def test_pipe_is_the_same_as_or() -> None:
    """x.pipe(y, z) has the steps of x | y | z."""
    a, b, c = (named(name) for name in "abc")

    assert a.pipe(b, c).steps == (a | b | c).steps
    assert a.pipe(b, c, name="whole").get_name() == "whole"


def test_parts_can_be_given_by_name() -> None:
    """first, middle and last give the steps, and read them."""
    a, b, c = (named(name) for name in "abc")

    chain = RunnableSequence(first=a, middle=[b], last=c)

    assert (chain.first, chain.middle, chain.last) == (a, [b], c)
    assert chain.steps == (a, b, c)


def test_sequence_of_one_step(run: Any) -> None:
    """One step is a chain too."""
    assert run(RunnableSequence(add_1), 1) == 2


def test_sequence_of_nothing_is_refused() -> None:
    """A sequence without a step is a mistake that is told when it is built."""
    with pytest.raises(ValueError, match="at least one step"):
        RunnableSequence()


# --------------------------------------------------------------------------------------------------- unknown operands


class Foreign:
    """Something of another library that knows how to be joined."""

    def __ror__(self, other: object) -> str:
        return "joined by the right side"

    def __or__(self, other: object) -> str:
        return "joined by the left side"


class ForeignWithoutOr:
    pass


def test_foreign_right_operand_has_its_turn() -> None:
    """P35: an operand that plait does not know, and that has __ror__, decides."""
    assert (named("a") | Foreign()) == "joined by the right side"
    assert ((named("a") | named("b")) | Foreign()) == "joined by the right side"


def test_or_with_a_foreign_operand_gives_not_implemented() -> None:
    """P35: __or__ itself answers NotImplemented for an operand that has __ror__."""
    assert named("a").__or__(Foreign()) is NotImplemented


def test_foreign_left_operand_has_its_turn() -> None:
    """P35: an operand on the left that knows how to be joined is asked first."""
    assert (Foreign() | named("a")) == "joined by the left side"


@pytest.mark.parametrize("operand", [5, "text", None, [add_1], {1, 2}, ForeignWithoutOr()])
@pytest.mark.parametrize("side", ["left", "right"])
def test_unknown_operand_is_refused(operand: Any, side: str) -> None:
    """P35: what is no runnable, function or dict is refused with a message that says what is accepted and what came."""
    with pytest.raises(TypeError, match=r"Runnable, a function.*dict") as caught:
        named("a") | operand if side == "right" else operand | named("a")
    assert ("None" if operand is None else type(operand).__name__) in str(caught.value)


@pytest.mark.parametrize(
    "join", [lambda step: step | RunnablePassthrough, lambda step: step | {"a": RunnablePassthrough}]
)
def test_class_of_a_runnable_is_no_step(join: Any) -> None:
    """Where an instance was meant, the class is refused when the chain is built, with what to write."""
    with pytest.raises(TypeError, match=r"the class RunnablePassthrough: write RunnablePassthrough\(\.\.\.\)"):
        join(named("a"))


def test_refusal_does_not_show_the_operand() -> None:
    """The message names the type of what came, since its repr may hold a secret."""
    with pytest.raises(TypeError) as caught:
        named("a") | "sk-secret"
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize("step", [5, None, "text"], ids=repr)
def test_unknown_step_of_a_sequence_is_refused(step: Any) -> None:
    """RunnableSequence and pipe refuse what | refuses."""
    for build in (lambda: RunnableSequence(named("a"), step), lambda: named("a").pipe(step)):
        with pytest.raises(TypeError, match="Runnable, a function"):
            build()


# ------------------------------------------------------------------------------------------------------ what is certain


def test_key_that_nobody_supplies_is_refused_when_the_chain_is_built() -> None:
    """A step that needs a key which the dict before it does not give raises ChainError, which names both."""
    with pytest.raises(ChainError, match="RunnablePick needs 'c', which RunnableParallel<a,b> before it") as caught:
        RunnableParallel(a=add_1, b=add_1) | RunnablePick("c")
    assert "'a', 'b'" in str(caught.value)


def test_key_is_looked_for_through_steps_that_keep_it() -> None:
    """What passthrough and assign do to the keys is known."""
    chain = RunnableParallel(a=add_1) | RunnablePassthrough() | RunnablePassthrough.assign(b=str)

    assert (chain | RunnablePick("a")).invoke(1) == 2
    with pytest.raises(ChainError):
        chain | RunnablePick("c")


def test_key_after_a_function_is_not_judged() -> None:
    """After a function nothing is certain, so that nothing is refused."""
    chain = RunnableParallel(a=add_1) | (lambda given: {"c": 5}) | RunnablePick("c")

    assert chain.invoke(1) == 5


def test_repr_shows_the_steps() -> None:
    """The repr of a chain is that of its steps with | between them."""
    assert repr(RunnableLambda(add_1) | {"a": double}) == "RunnableLambda(add_1) | {'a': RunnableLambda(double)}"

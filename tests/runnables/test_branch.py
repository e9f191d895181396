"""Choosing: the first condition that holds, or the runnable that the input names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.runnables import (
    RouterRunnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)


def is_even(number: int) -> bool:
    return number % 2 == 0


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


SIZES = RunnableBranch(
    (lambda n: n > 100, lambda n: "large"), (lambda n: n > 10, lambda n: "medium"), lambda n: "small"
)


@pytest.mark.parametrize(("number", "size"), [(500, "large"), (50, "medium"), (5, "small")])
def test_first_condition_that_holds_decides(run: Any, number: int, size: str) -> None:
    """The pairs are tried in their order; the default is for an input that none holds for."""
    assert run(SIZES, number) == size
    assert run(RunnablePassthrough() | SIZES | str.upper, number) == size.upper()


def test_conditions_after_the_chosen_are_not_asked(run: Any) -> None:
    """What comes after the condition that holds is not called."""
    asked: list[str] = []
    branch = RunnableBranch((lambda _: asked.append("a") is None, str), (lambda _: asked.append("b") is None, str), str)

    run(branch, 1)
    assert asked == ["a"]


def test_async_conditions_and_runnables(run: Any) -> None:
    """Conditions and what they choose may be async functions or any runnable."""

    async def even(number: int) -> bool:
        return is_even(number)

    branch = RunnableBranch((even, {"even": str}), (RunnableLambda(lambda n: n - 1) | bool, {"odd": str}), {"one": str})
    if run.is_async:
        assert [run(branch, number) for number in (2, 3, 1)] == [{"even": "2"}, {"odd": "3"}, {"one": "1"}]


def test_condition_does_not_change_the_input(run: Any) -> None:
    """P47: a condition that edits its dict does not change what the chosen runnable gets."""

    def edit(given: dict[str, Any]) -> bool:
        given.clear()
        return True

    assert run(RunnableBranch((edit, RunnablePassthrough()), RunnablePassthrough()), {"a": 1}) == {"a": 1}


def test_error_of_a_condition_is_raised(run: Any) -> None:
    """A condition that fails ends the call."""
    with pytest.raises(ZeroDivisionError):
        run(RunnableBranch((lambda n: 1 // n > 5, str), str), 0)


def test_config_reaches_conditions_and_the_chosen(run: Any) -> None:
    """The config is handed on to both."""

    def tags(_: object, config: RunnableConfig) -> str:
        return "".join(config["tags"])

    branch = RunnableBranch((lambda n, config: config["tags"] == ["t"], tags), lambda _: "default")
    assert run(branch, 1, {"tags": ["t"]}) == "t"


# ------------------------------------------------------------------------------------------------------------ streams


def test_chunks_pass_through_a_branch() -> None:
    """P02: N chunks in, N chunks out: the chosen runnable gets the chunks as they came."""
    branch = RunnableBranch((lambda text: text == "abc", RunnablePassthrough()), lambda _: "default")

    assert list((RunnableGenerator(letters) | branch).stream("abc")) == ["a", "b", "c"]
    assert list((RunnableGenerator(letters) | branch).stream("xyz")) == ["default"]


BY_FIRST = RunnableBranch((RunnableLambda(lambda chunk: chunk == "a", chunkwise=True), letters), lambda _: "default")


def test_first_chunk_decides_if_the_condition_says_so() -> None:
    """P02: with chunkwise conditions the first chunk decides, and its output comes before the second is made."""
    made: list[str] = []

    def source() -> Iterator[str]:
        for letter in "abc":
            made.append(letter)
            yield letter

    stream = BY_FIRST.transform(source())
    assert next(stream) == "a"
    assert made == ["a"]
    assert list(stream) == ["b", "c"]


async def test_first_chunk_decides_if_the_condition_says_so_async() -> None:
    """P02: with chunkwise conditions the first chunk decides, and its output comes before the second is made."""
    made: list[str] = []

    async def source() -> AsyncIterator[str]:
        for letter in "abc":
            made.append(letter)
            yield letter

    stream = BY_FIRST.atransform(source())
    assert await anext(stream) == "a"
    assert made == ["a"]
    assert [chunk async for chunk in stream] == ["b", "c"]


# ---------------------------------------------------------------------------------------------------------- bad input


def test_branch_needs_a_pair_and_a_default() -> None:
    """A branch of only a default is refused when it is built."""
    with pytest.raises(ValueError, match=r"at least one \(condition, runnable\) and a default"):
        RunnableBranch(str)


@pytest.mark.parametrize("pair", [str, (str,), (str, str, str), "ab", {"a": str, "b": str}], ids=repr)
def test_what_is_no_pair_is_refused(pair: Any) -> None:
    """Everything before the default is a pair, or the branch is refused when it is built."""
    with pytest.raises(TypeError, match=r"\(condition, runnable\) pairs and then a default, got"):
        RunnableBranch(pair, str)


def test_parts_of_a_branch_are_steps() -> None:
    """What cannot be a step cannot be a condition, a choice or the default."""
    for branches in ([(5, str), str], [(str, 5), str], [(str, str), 5]):
        with pytest.raises(TypeError, match="Runnable, a function"):
            RunnableBranch(*branches)


# ------------------------------------------------------------------------------------------------------------- router


ROUTER = RouterRunnable({"add": lambda n: n + 1, "letters": letters, "keys": {"a": str}})


def test_router_runs_the_runnable_that_the_input_names(run: Any) -> None:
    """The input's "key" chooses, and its "input" is what the chosen runnable gets."""
    assert run(ROUTER, {"key": "add", "input": 1}) == 2
    assert run(RunnableParallel(key=lambda _: "keys", input=str) | ROUTER, 1) == {"a": "1"}


def test_router_streams() -> None:
    """The chunks of the chosen runnable are passed on."""
    assert list(ROUTER.stream({"key": "letters", "input": "abc"})) == ["a", "b", "c"]


def test_router_names_the_keys_that_there_are(run: Any) -> None:
    """An unknown key raises KeyError with those that are known."""
    with pytest.raises(KeyError, match="'sub'; there are 'add', 'keys', 'letters'"):
        run(ROUTER, {"key": "sub", "input": 1})


@pytest.mark.parametrize("given", [{"key": "add"}, {"input": 1}, {}], ids=repr)
def test_router_needs_key_and_input(run: Any, given: Any) -> None:
    """A dict without one of the two raises KeyError."""
    with pytest.raises(KeyError, match="needs a dict with 'key' and 'input'"):
        run(ROUTER, given)


def test_router_needs_a_dict(run: Any) -> None:
    """Anything but a dict raises TypeError with the type that came."""
    with pytest.raises(TypeError, match="needs a dict, got an object of type str"):
        run(ROUTER, "add")

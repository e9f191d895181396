"""A runnable for every item of a list."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from plait.runnables import RunnableConfig, RunnableEach, RunnableLambda, RunnablePassthrough

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


def test_each_item_is_run(run: Any) -> None:
    """The output is the list of outputs, in the order of the items."""
    assert run(RunnableLambda(add_1).map(), [3, 1, 2]) == [4, 2, 3]
    assert run(RunnablePassthrough() | RunnableLambda(add_1).map() | sum, [3, 1, 2]) == 9


def test_empty_list_gives_an_empty_list(run: Any) -> None:
    """No items, no outputs; that is no error."""
    assert run(RunnableLambda(add_1).map(), []) == []


def test_lists_of_lists(run: Any) -> None:
    """A map can be mapped."""
    assert run(RunnableLambda(add_1).map().map(), [[1, 2], [], [3]]) == [[2, 3], [], [4]]


@pytest.mark.parametrize("items", [(1, 2), range(1, 3), {1: None, 2: None}.keys()], ids=repr)
def test_any_iterable_of_items(run: Any, items: Any) -> None:
    """The input need not be a list."""
    assert run(RunnableLambda(add_1).map(), items) == [2, 3]


def test_items_run_together(run: Any) -> None:
    """The items are run at the same time: each waits here for the others."""
    together = threading.Barrier(3, timeout=SOON)

    assert run(RunnableLambda(lambda _: together.wait() * 0).map(), [1, 2, 3]) == [0, 0, 0]


def test_error_of_an_item_is_raised(run: Any) -> None:
    """The exception of an item is raised as it is."""
    with pytest.raises(ZeroDivisionError):
        run(RunnableLambda(lambda n: 1 // n).map(), [1, 0, 2])


def test_config_reaches_every_item(run: Any) -> None:
    """What each item is run with inherits the config."""

    def tags(_: object, config: RunnableConfig) -> str:
        return "".join(config["tags"])

    assert run(RunnableLambda(tags).map(), [1, 2], {"tags": ["t"]}) == ["t", "t"]


def test_keyword_arguments_reach_every_item(run: Any) -> None:
    """What the call says besides goes to each item."""

    def plus(number: int, by: int) -> int:
        return number + by

    assert run(RunnableLambda(plus).map(), [1, 2], by=10) == [11, 12]


def test_stream_gives_outputs_in_order_as_they_are_done() -> None:
    """A stream yields [output] for one item after the other, each as soon as those before it are done."""
    go_on = threading.Event()
    stream = RunnableLambda(lambda n: n if n < 2 else go_on.wait(SOON) * n).map().stream([0, 1, 2])

    assert [next(stream), next(stream)] == [[0], [1]]
    go_on.set()
    assert list(stream) == [[2]]


async def test_async_stream_gives_outputs_in_order_as_they_are_done() -> None:
    """A stream yields [output] for one item after the other, each as soon as those before it are done."""
    go_on = asyncio.Event()

    async def slow_from_2(number: int) -> int:
        return number if number < 2 else await go_on.wait() * number

    stream = RunnableLambda(slow_from_2).map().astream([0, 1, 2])
    assert [await anext(stream), await anext(stream)] == [[0], [1]]
    go_on.set()
    assert [chunk async for chunk in stream] == [[2]]


def test_slow_item_does_not_hold_up_the_work_behind_it() -> None:
    """In a stream all items are run, however slow the first of them is."""
    last_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            last_is_done.wait(SOON)
        if number == 99:
            last_is_done.set()
        return number

    assert [chunk[0] for chunk in RunnableLambda(work).map().stream(range(100))] == list(range(100))


def test_list_that_comes_in_chunks() -> None:
    """The chunks of a list add up to the items."""

    def numbers(chunks: Iterator[Any]) -> Iterator[list[int]]:
        yield from ([1], [2, 3])

    assert list((RunnablePassthrough() | numbers | RunnableLambda(add_1).map()).stream(0)) == [[2], [3], [4]]


@pytest.mark.parametrize("given", ["text", b"bytes", {"a": 1}, 5, None], ids=repr)
def test_what_is_no_list_is_refused(run: Any, given: Any) -> None:
    """A text or a dict is one value, not a list of them, and is refused with the type that came."""
    with pytest.raises(TypeError, match="RunnableEach<add_1> needs a list of inputs, got"):
        run(RunnableLambda(add_1).map(), given)


def test_each_takes_what_a_chain_takes(run: Any) -> None:
    """RunnableEach makes a runnable of a function or a dict of steps as | does."""
    assert run(RunnableEach(add_1), [1]) == [2]  # type: ignore[arg-type]  # as a user may write it
    assert run(RunnableEach({"a": add_1}), [1]) == [{"a": 2}]  # type: ignore[arg-type]  # as a user may write it


def test_each_refuses_what_a_chain_refuses() -> None:
    """What is no runnable, function or dict is refused when it is built, with what is accepted."""
    with pytest.raises(TypeError, match="Runnable, a function"):
        RunnableEach(5)  # type: ignore[arg-type]  # on purpose

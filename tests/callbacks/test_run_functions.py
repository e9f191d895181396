"""``with_listeners``: functions that hear of the runs of one node, and of no other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runnables import RunnableConfig, RunnableGenerator, RunnableLambda


def add_1(number: int) -> int:
    return number + 1


def fail(_: object) -> None:
    raise LookupError("mine")


def noting(told: list[Any], name: str, *, colour: str) -> Callable[..., Any]:
    def plain(run: Any) -> None:
        told.append((name, run.name, run.inputs, run.outputs))

    async def later(run: Any) -> None:
        await asyncio.sleep(0)
        plain(run)

    return plain if colour == "plain" else later


@pytest.fixture(params=["plain", "async"])
def colour(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("method", ["with_listeners", "with_alisteners"])
def test_functions_hear_start_and_end(run: Any, colour: str, method: str) -> None:
    """``on_start`` and ``on_end`` get the run, whatever the colour of the function, the verb and the method."""
    told: list[Any] = []
    chain = RunnableLambda(add_1)
    bound = getattr(chain, method)(
        on_start=noting(told, "start", colour=colour),
        on_end=noting(told, "end", colour=colour),
        on_error=noting(told, "error", colour=colour),
    )

    assert run(bound, 1) == 2
    assert told == [("start", "add_1", 1, None), ("end", "add_1", 1, 2)]


def test_functions_hear_errors(run: Any, colour: str) -> None:
    """``on_error`` gets the run with its error, and ``on_end`` nothing."""
    told: list[Any] = []
    bound = RunnableLambda(fail).with_listeners(
        on_end=noting(told, "end", colour=colour), on_error=lambda run: told.append(run.error)
    )

    with pytest.raises(LookupError) as caught:
        run(bound, 1)
    assert told == [caught.value]


def endless(chunks: Iterator[Any]) -> Iterator[str]:
    while True:
        yield "a"


@pytest.mark.parametrize("function", ["on_cancelled", "on_error"])
def test_functions_hear_of_cancelling(function: str) -> None:
    """P32: a closed stream goes to ``on_cancelled``, without it to ``on_error``, with what it had given."""
    told: list[Any] = []
    others: Any = {"on_error": lambda run: told.append("wrong")} if function == "on_cancelled" else {}
    others |= {function: lambda run: told.append((run.status, run.outputs)), "on_end": lambda run: told.append("wrong")}

    stream = RunnableGenerator(endless).with_listeners(**others).stream(0)
    next(stream), next(stream)
    stream.close()

    assert told == [("cancelled", "aa")]


def test_functions_hear_of_their_own_node_only(run: Any) -> None:
    """P38: not of the steps in it, not of those beside it, and not of what its functions call."""
    told: list[Any] = []
    inner = RunnableLambda(add_1).pipe(add_1, name="inner")
    chain = RunnableLambda(lambda number: inner.invoke(number)).pipe(add_1, name="whole")

    run(RunnableLambda(add_1) | chain.with_listeners(on_start=lambda run: told.append(run.name)) | add_1, 1)

    assert told == ["whole"]


def test_listeners_of_a_map_hear_once_for_the_list(run: Any) -> None:
    """P38: ``.map().with_listeners()`` hears of the whole list."""
    told: list[Any] = []

    run(RunnableLambda(add_1).map().with_listeners(on_end=lambda run: told.append(run.outputs)), [1, 2])

    assert told == [[2, 3]]


def test_listeners_in_a_map_hear_of_each_element(run: Any) -> None:
    """P38: ``.with_listeners().map()`` hears of every element, with its own input and output."""
    told: list[Any] = []

    run(RunnableLambda(add_1).with_listeners(on_end=lambda run: told.append((run.inputs, run.outputs))).map(), [1, 2])

    assert sorted(told) == [(1, 2), (2, 3)]


def test_items_of_a_batch_are_heard_each() -> None:
    """P38: in a batch each item is a run of its own."""
    told: list[Any] = []

    RunnableLambda(add_1).with_listeners(on_end=lambda run: told.append(run.outputs)).batch([1, 2, 3])

    assert sorted(told) == [2, 3, 4]


def test_node_that_calls_itself_is_heard_each_time(run: Any) -> None:
    """A node that is entered again inside itself makes runs of its own, and each is heard."""
    told: list[Any] = []

    def down(number: int) -> Any:
        return number if number == 0 else node.invoke(number - 1)

    node = RunnableLambda(down)
    run(node.with_listeners(on_end=lambda run: told.append(run.inputs)), 2)

    assert told == [0, 1, 2]


@pytest.mark.parametrize(
    "bound",
    [
        lambda chain, **on: chain.with_config(tags=["t"]).with_listeners(**on),
        lambda chain, **on: chain.with_listeners(**on).with_config(tags=["t"]),
        lambda chain, **on: chain.with_listeners(**on).bind(),
        lambda chain, **on: chain.bind().with_listeners(**on),
    ],
)
def test_order_of_bindings_does_not_matter(run: Any, bound: Any) -> None:
    """Whatever is bound before or after, the same run is heard, once."""
    told: list[Any] = []

    run(bound(RunnableLambda(add_1), on_end=lambda run: told.append(run.name)), 1)

    assert told == ["add_1"]


def test_functions_may_take_the_config(run: Any) -> None:
    """A parameter ``config``, or one annotated with ``RunnableConfig``, gets that of the run."""
    told: list[Any] = []

    def named(run: Any, config: Any) -> None:
        told.append((config["tags"], config["metadata"]))

    def annotated(run: Any, of_it: RunnableConfig) -> None:
        told.append((of_it["tags"], of_it["metadata"]))

    chain = RunnableLambda(add_1).with_listeners(on_start=named, on_end=annotated)
    run(chain, 1, {"tags": ["t"], "metadata": {"k": 1}})

    assert told == [(["t"], {"k": 1})] * 2


def test_what_a_function_gives_is_of_no_interest(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A function that gives a value is not waited for, and no failure."""
    assert run(RunnableLambda(add_1).with_listeners(on_start=lambda run: 5, on_end=lambda run: [run]), 1) == 2
    assert caplog.records == []


def test_function_that_fails_is_logged(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """P31: the run goes on, and the log has the traceback."""

    def broken(run: Any) -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR, "plait"):
        assert run(RunnableLambda(add_1).with_listeners(on_start=broken), 1) == 2

    [record] = caplog.records
    assert record.exc_info is not None


def test_what_is_no_function_is_refused() -> None:
    """What cannot be called is refused when it is bound."""
    with pytest.raises(ConfigError, match="on_end takes a function"):
        RunnableLambda(add_1).with_listeners(on_end="print")


def test_function_with_a_config_gets_that_of_its_run(run: Any) -> None:
    """P38: a function that asks for the config gets that of the run: what the caller configured is in it."""
    seen: list[Any] = []

    def on_start(run: Any, config: Any) -> None:
        seen.append((config["configurable"], config["tags"]))

    run(RunnableLambda(len).with_listeners(on_start=on_start), "abc", {"configurable": {"user": "Ann"}, "tags": ["t"]})

    assert seen == [({"user": "Ann"}, ["t"])]

"""Chains of any length: no number of steps meets the interpreter's limit on recursion, nor that on threads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from plait.runnables import (
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)

MANY = 5_000  # P60 asks for so many; the interpreter's stack holds a thousand
SOON = 20.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


async def aadd_1(number: int) -> int:
    return number + 1


def each_plus_1(chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk + 1


async def aeach_plus_1(chunks: AsyncIterator[int]) -> AsyncIterator[int]:
    async for chunk in chunks:
        yield chunk + 1


STEPS: dict[str, Callable[[], Any]] = {
    "functions": lambda: RunnableLambda(add_1, aadd_1),
    "functions by chunks": lambda: RunnableLambda(add_1, aadd_1, chunkwise=True),
    "inline functions by chunks": lambda: RunnableLambda(add_1, chunkwise=True, inline=True),
    "generators": lambda: RunnableGenerator(each_plus_1, aeach_plus_1),
}


# First, while the pool has no threads to spare that a longer chain has left.
@pytest.mark.parametrize("count", [40, 100])
async def test_many_sync_generators_under_an_async_verb(count: int) -> None:
    """P28: sync generators that wait for each other in threads get as many as they need: they never lock each other out."""
    chain = RunnableSequence(*[RunnableGenerator(each_plus_1) for _ in range(count)])

    async with asyncio.timeout(SOON):
        assert [chunk async for chunk in chain.astream(0)] == [count]


async def test_batch_of_sync_generators_under_an_async_verb() -> None:
    """P28: many items whose sync generators wait for each other in threads never lock each other out."""
    chain = RunnableSequence(*[RunnableGenerator(each_plus_1) for _ in range(6)]) | RunnablePassthrough()

    async def read(number: int) -> list[int]:
        return [chunk async for chunk in chain.astream(number)]

    async with asyncio.timeout(SOON):
        assert await RunnableLambda(read).abatch(range(40), {"max_concurrency": 40}) == [[n + 6] for n in range(40)]


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("config", [None, {"tags": ["t"]}], ids=["plain", "config"])
def test_five_thousand_steps(run: Any, steps: str, config: RunnableConfig | None) -> None:
    """P60, P36: a chain of 5,000 steps of any kind works in every mode; its length is not bounded by the stack."""
    if "batch" in run.mode and (config or steps != "functions"):
        return  # on the way of invoke
    chain = RunnableSequence(*[STEPS[steps]() for _ in range(MANY)])

    assert run(chain, 0, config) == MANY


def test_five_thousand_steps_joined_one_by_one() -> None:
    """P60: joining step by step with | gives the same flat chain."""
    chain: Any = RunnableLambda(add_1)
    for _ in range(MANY - 1):
        chain = chain | add_1

    assert len(chain.steps) == MANY
    assert chain.invoke(0) == MANY


def test_long_stream_near_the_end_of_the_stack() -> None:
    """P60: a caller who is deep in the stack already can stream a long chain."""
    chain = RunnableSequence(*[STEPS["generators"]() for _ in range(200)])

    def down(levels: int) -> list[int]:
        return down(levels - 1) if levels else list(chain.stream(0))

    assert down(sys.getrecursionlimit() - 400) == [200]


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="tasks can be eager from CPython 3.12 on")
def test_long_stream_on_a_loop_whose_tasks_start_at_once() -> None:
    """P60: where tasks begin on the stack of their maker, a long chain still goes on on another one."""
    chain = RunnableSequence(*[STEPS["generators"]() for _ in range(1_000)])

    async def main() -> list[int]:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # 3.12
        return [chunk async for chunk in chain.astream(0)]

    assert asyncio.run(main()) == [1_000]


def test_error_passes_a_thousand_steps(run: Any) -> None:
    """P60: what the first of many steps raises reaches the caller as it is."""
    error = LookupError("mine")

    def fail(_: object) -> None:
        raise error

    chain = RunnableSequence(RunnableLambda(fail), *[STEPS["generators"]() for _ in range(1_000)])
    with pytest.raises(LookupError) as caught:
        run(chain, 0)
    assert caught.value is error


@pytest.mark.parametrize("length", [47, 48, 49, 96, 97])
def test_lengths_around_the_end_of_a_stack(run: Any, length: int) -> None:
    """P60: where a chain goes on on another stack it gives the same chunks in the same order."""
    chain = RunnableSequence(*[STEPS["generators"]() for _ in range(length)])

    assert run(chain, 0) == length
    assert list(chain.transform(iter([0, 10, 20]))) == [length, length + 10, length + 20]


@pytest.mark.parametrize("levels", [20])
def test_dicts_in_dicts(run: Any, levels: int) -> None:
    """P60: dicts of steps can be nested deeply."""
    chain: Any = RunnableLambda(add_1)
    for _ in range(levels):
        chain = RunnableParallel(k=chain)

    value = run(chain, 0)
    for _ in range(levels):
        value = value["k"]
    assert value == 1


def test_long_chain_can_be_shown() -> None:
    """P60: repr, names and keys of a chain of 5,000 steps are found without recursion."""
    chain = RunnableSequence(*[RunnableLambda(add_1) for _ in range(MANY)])

    assert repr(chain).count("add_1") == MANY
    assert chain.get_name() == "RunnableSequence"

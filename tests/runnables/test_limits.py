"""max_concurrency: how many leaf calls run at once in a whole call, however nested, in threads and in tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


class Crowd:
    """Counts how many calls are inside at once; each stays a while, in which one too many would come in."""

    def __init__(self, limit: int, a_while: float = 0.002) -> None:
        self.limit, self.a_while = limit, a_while
        self.inside = self.most = self.calls = 0
        self.changed = threading.Condition()

    def __call__(self, value: Any) -> Any:
        with self.changed:
            self.enter()
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.inside > self.limit, self.a_while)
            self.inside -= 1
        return value

    async def later(self, value: Any) -> Any:
        self.enter()
        for _ in range(10):
            await asyncio.sleep(0)
        self.inside -= 1
        return value

    def enter(self) -> None:
        self.inside += 1
        self.calls += 1
        self.most = max(self.most, self.inside)


async def _all(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


async def _abatch(chain: Any, input: Any, config: Any) -> Any:
    return await chain.abatch([input] * 2, config)


async def _lazily(verb: str, chain: Any, input: Any, config: Any) -> Any:
    return await _all(getattr(chain, verb)([input] * 2, config))


# Each verb on one input, or on two alike where it takes many.
VERBS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "invoke": lambda chain, value, config: chain.invoke(value, config),
    "ainvoke": lambda chain, value, config: asyncio.run(chain.ainvoke(value, config)),
    "stream": lambda chain, value, config: list(chain.stream(value, config)),
    "astream": lambda chain, value, config: asyncio.run(_all(chain.astream(value, config))),
    "batch": lambda chain, value, config: chain.batch([value] * 2, config),
    "abatch": lambda chain, value, config: asyncio.run(_abatch(chain, value, config)),
    "batch_as_completed": lambda chain, value, config: list(chain.batch_as_completed([value] * 2, config)),
    "abatch_as_completed": lambda chain, value, config: asyncio.run(
        _lazily("abatch_as_completed", chain, value, config)
    ),
    "batch_iter": lambda chain, value, config: list(chain.batch_iter([value] * 2, config)),
    "abatch_iter": lambda chain, value, config: asyncio.run(_lazily("abatch_iter", chain, value, config)),
}
FEW = ["invoke", "ainvoke", "stream", "astream", "batch", "abatch_as_completed"]


def shapes(leaf: Any) -> dict[str, Runnable[Any, Any]]:
    """Chains that nest what can run at once; each takes a list of three numbers."""
    step = RunnableLambda(leaf)
    three = {"a": step, "b": step, "c": step}
    branch = RunnableBranch((lambda _: True, step.map()), step)
    return {
        "a dict": RunnableParallel(three),
        "a dict in a dict": RunnableParallel(a=three, b=three, c=step),
        "a map": step.map(),
        "a map in a dict": RunnableParallel(a=step.map(), b=step.map()),
        "maps in a row, then maps in a dict": step.map()
        | step.map()
        | {"a": step.map(), "b": step.map(), "c": step.map()},
        "a dict in a map": RunnableParallel(three).map(),
        "a map of maps": RunnableLambda(lambda given: [given, given]) | step.map().map(),
        "an added key": RunnableParallel(three) | RunnablePassthrough.assign(d=three, e=step),
        "a chosen map": RunnableParallel(a=branch, b=branch),
        "a batch in a function": RunnableParallel(a=lambda given: step.batch(given), b=step.map()),
        "a dict that a function gives": RunnableParallel(a=lambda _: RunnableParallel(three), b=step),
        "a stream behind a dict": RunnableParallel(three) | RunnableLambda(leaf, chunkwise=True),
    }


SHAPES = list(shapes(str))


@pytest.mark.parametrize("verb", FEW)
@pytest.mark.parametrize("shape", SHAPES)
def test_leaf_calls_never_exceed_the_limit(shape: str, verb: str) -> None:
    """P07: with max_concurrency=k at most k leaf calls run at once in the whole call, for any nesting and verb."""
    for limit in (1, 3):
        crowd = Crowd(limit)
        VERBS[verb](shapes(crowd)[shape], [1, 2, 3], {"max_concurrency": limit})
        assert 1 <= crowd.most <= limit


@pytest.mark.parametrize("verb", [verb for verb in FEW if verb.startswith("a")])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "a batch in a function"])
def test_async_leaf_calls_never_exceed_the_limit(shape: str, verb: str) -> None:
    """P07: the limit holds for tasks as it does for threads."""
    for limit in (1, 2, 3):
        crowd = Crowd(limit)
        VERBS[verb](shapes(crowd.later)[shape], [1, 2, 3], {"max_concurrency": limit})
        assert 1 <= crowd.most <= limit


@pytest.mark.parametrize("verb", VERBS)
def test_limit_is_used(verb: str) -> None:
    """P07: a limit of two lets two calls run at once: each waits here for the other."""
    together = threading.Barrier(2, timeout=SOON / 5)
    meet = RunnableLambda(lambda _: together.wait() * 0)

    VERBS[verb](meet if "batch" in verb else RunnableParallel(a=meet, b=meet), 1, {"max_concurrency": 2})

    assert not together.broken


@pytest.mark.parametrize("verb", VERBS)
def test_limit_that_is_bound_holds_for_every_verb(verb: str) -> None:
    """P07: a limit of with_config bounds a call of what it is bound to as one that is passed does."""
    crowd = Crowd(2, 0.05)
    chain = RunnableLambda(crowd).map().with_config(max_concurrency=2)

    VERBS[verb](chain, [1, 2, 3], None)

    assert 1 <= crowd.most <= 2


def test_limit_of_1_is_a_sequence(run: Any) -> None:
    """P07: with max_concurrency=1 the branches of a dict run one after the other, in their order."""
    order: list[str] = []

    def note(name: str) -> Any:
        def step(_: object) -> int:
            order.append(f"{name} begins")
            threading.Event().wait(0.005)
            order.append(f"{name} ends")
            return 0

        return step

    run(RunnableParallel(a=note("a"), b={"c": note("c"), "d": note("d")}), 1, {"max_concurrency": 1})

    assert order == [f"{name} {what}" for name in "acd" for what in ("begins", "ends")]


def test_limit_holds_for_calls_in_functions(run: Any) -> None:
    """P07: what a function calls itself, in a batch or a dict, counts with the rest."""
    crowd = Crowd(2)
    inner = RunnableParallel(a=crowd, b=crowd)

    def outer(given: int, config: RunnableConfig) -> list[Any]:
        return [*inner.batch([1, 2]), *inner.batch([1, 2], config), *inner.batch([1, 2], {"tags": ["t"]})]

    run(RunnableParallel(a=outer, b=outer, c=outer), 1, {"max_concurrency": 2})

    assert crowd.calls == 3 * 3 * 4
    assert crowd.most <= 2


def test_limit_holds_for_async_calls_in_async_functions(run: Any) -> None:
    """P07: what an async function calls itself, in a batch or a dict, counts with the rest."""
    crowd = Crowd(2)
    inner = RunnableParallel(a=crowd.later, b=crowd.later)

    async def outer(given: int, config: RunnableConfig) -> list[Any]:
        return [*await inner.abatch([1, 2]), *await inner.abatch([1, 2], config)]

    if run.is_async:
        run(RunnableParallel(a=outer, b=outer, c=outer), 1, {"max_concurrency": 2})
        assert 1 <= crowd.most <= 2


def test_inner_call_may_lower_the_limit(run: Any) -> None:
    """P07: a smaller limit inside holds there, a greater one changes nothing."""
    low, high = Crowd(1), Crowd(2)

    def outer(_: object) -> int:
        RunnableLambda(low).batch(range(4), {"max_concurrency": 1})
        RunnableLambda(high).batch(range(4), {"max_concurrency": 50})
        return 0

    run(RunnableLambda(outer), 1, {"max_concurrency": 2})

    assert low.most == 1
    assert 1 <= high.most <= 2


def test_first_limit_in_a_list_of_configs_is_that_of_the_batch() -> None:
    """P07: of a list of configs the first that has a limit bounds the batch."""
    crowd = Crowd(2)

    RunnableLambda(crowd).batch(range(6), [{}, {"max_concurrency": 2}, *[{}] * 4])

    assert 1 <= crowd.most <= 2


def test_limit_is_whole_again_after_a_failure(run: Any) -> None:
    """P07: a call that failed inside another gives back what it took of the limit."""
    together = threading.Barrier(3, timeout=SOON / 5)

    def fail(_: object) -> None:
        raise LookupError

    def outer(_: object) -> int:
        for _turn in range(5):
            with pytest.raises(LookupError):
                RunnableParallel(a=fail, b=fail, c=fail).invoke(1)
        return sum(RunnableLambda(lambda _: together.wait() * 0).batch([1, 2, 3]))

    assert run(RunnableLambda(outer), 1, {"max_concurrency": 3}) == 0


async def test_limit_is_whole_again_after_a_cancellation() -> None:
    """P07: a call that was cancelled inside another gives back what it took of the limit."""
    together = asyncio.Barrier(3)

    async def endless(_: object) -> None:
        await asyncio.Event().wait()

    async def meet(_: object) -> int:
        async with asyncio.timeout(SOON), together:
            return 0

    async def outer(_: object) -> Any:
        for turns in range(5):
            task = asyncio.create_task(RunnableParallel(a=endless, b=endless, c=endless).ainvoke(1))
            for _turn in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=SOON)
        return await RunnableLambda(meet).abatch([1, 2, 3])

    async with asyncio.timeout(SOON):
        assert await RunnableLambda(outer).ainvoke(1, {"max_concurrency": 3}) == [0, 0, 0]


async def test_failure_cancels_the_call_that_the_caller_makes_itself() -> None:
    """P07: where the limit leaves a branch to the caller's own task, the failure of another cancels it all the same."""
    neighbour_is_done, ended = asyncio.Event(), []

    async def neighbour(_: object) -> None:
        await neighbour_is_done.wait()

    async def first(_: object) -> None:
        neighbour_is_done.set()
        for _turn in range(20):
            await asyncio.sleep(0)

    async def endless(_: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def fail(_: object) -> None:
        raise LookupError

    several = RunnableParallel(a=first, b=endless, c=fail)
    chain = RunnableLambda(lambda n: RunnableLambda(neighbour) if n else several, inline=True)
    async with asyncio.timeout(SOON / 5):
        with pytest.raises(LookupError):
            await chain.abatch([0, 1], {"max_concurrency": 2})
    assert ended == ["endless"]


def far_apart(leaf: Any) -> Runnable[Any, Any]:
    """A stream of five chunks through a leaf at its beginning and one at its end, with many steps between."""

    def source(chunks: Iterator[int]) -> Iterator[int]:
        for _ in chunks:
            for number in range(5):
                yield leaf(number)

    between = [RunnableLambda(lambda number: number, chunkwise=True) for _ in range(100)]
    return RunnableGenerator(source).pipe(*between, RunnableLambda(leaf, chunkwise=True))


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_limit_of_1_holds_for_long_streams(verb: str) -> None:
    """P07: the steps of a stream take turns, however many there are: under a limit of 1 no two run at once."""
    crowd = Crowd(1)

    VERBS[verb](far_apart(crowd), 0, {"max_concurrency": 1})

    assert (crowd.calls, crowd.most) == (10, 1)


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "2"], ids=repr)
def test_limit_that_cannot_be_is_refused(verb: str, limit: Any) -> None:
    """P07: 0, a negative number and what is no whole number raise ConfigError, a ValueError, that names the key."""
    called: list[Any] = []
    with pytest.raises(ConfigError, match=r"config\['max_concurrency'\] must be a whole number of at least 1, got"):
        VERBS[verb](RunnableLambda(called.append), 1, {"max_concurrency": limit})
    assert called == []
    assert issubclass(ConfigError, ValueError)


@pytest.mark.parametrize(
    "verb", ["stream", "astream", "batch_as_completed", "abatch_as_completed", "batch_iter", "abatch_iter"]
)
def test_bad_limit_of_an_iterator_is_told_at_the_call(verb: str) -> None:
    """P07: the verbs that give an iterator refuse a bad limit when they are called, not when they are pulled."""
    with pytest.raises(ValueError, match="max_concurrency"):
        getattr(RunnableLambda(str), verb)([1], {"max_concurrency": 0})

"""P01, P08: in every pattern of failing inputs each input gets its own result, and what succeeded ran exactly once.

Enumerated, each without exception:

- 0 to 6 inputs, of which any subset fails 1 to 4 times each, with 1 to 4 attempts: in every kind of batch, both colours;
- 4 inputs that fail 0 to 4 times each, in every combination (625), with 1 to 4 attempts: in a batch of each colour;
- 6 inputs that fail 0 to 4 times each, in every combination (15,625), with 3 attempts: in one call for all of them;
- one input that fails 0 to 4 times, with 1 to 4 attempts: invoked and streamed, both colours;
- 5 inputs, for each of which the first, the second, the third or none of three alternatives works, in every
  combination (1,024): in a batch of each colour; 6 of them (4,096) in one call for all of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import product
from threading import Lock
from typing import Any

import pytest

from plait import Runnable, RunnableConfig, RunnableGenerator, RunnableLambda

ATTEMPTS = (1, 2, 3, 4)
SUBSETS = [
    tuple(times if fails else 0 for fails in subset)
    for count in range(7)
    for subset in product((False, True), repeat=count)
    for times in ((1, 2, 3, 4) if any(subset) else (0,))
]
"""How often each input fails: those of a subset all equally often."""


class Failed(Exception):
    """What an input fails with; its arguments are the input and how often it had been tried by then."""


class Plan:
    """A function that fails for the first so many calls of each input, and counts all of them."""

    def __init__(self, failures: Sequence[int]) -> None:
        self.failures = failures
        self.calls: Counter[int] = Counter()
        self.lock = Lock()

    def __call__(self, index: int) -> int:
        with self.lock:
            self.calls[index] += 1
            tried = self.calls[index]
        if tried <= self.failures[index]:
            raise Failed(index, tried)
        return index * 10

    async def acall(self, index: int) -> int:
        await asyncio.sleep(0)
        return self(index)

    def step(self) -> Runnable[int, int]:
        return RunnableLambda(self, self.acall)


class Vector(Runnable[int, int]):
    """The same for all inputs in one call."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        outputs: list[Any] = []
        for index in inputs:
            try:
                outputs.append(self.plan(index))
            except Failed as error:
                outputs.append(error)
        return outputs

    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        raise NotImplementedError


def retried(step: Runnable[Any, Any], attempts: int) -> Runnable[Any, Any]:
    return step.with_retry(stop_after_attempt=attempts, wait_exponential_jitter=False)


def check(plan: Plan, attempts: int, outputs: Sequence[Any]) -> None:
    """Every input has its own output, or the exception of its own last attempt; none was tried more often than needed."""
    for index, times in enumerate(plan.failures):
        if times < attempts:
            assert outputs[index] == index * 10
        else:
            assert isinstance(outputs[index], Failed)
            assert outputs[index].args == (index, attempts)
    assert len(outputs) == len(plan.failures)
    assert plan.calls == {index: min(times + 1, attempts) for index, times in enumerate(plan.failures)}


def in_order(pairs: Sequence[tuple[int, Any]]) -> list[Any]:
    assert len({index for index, _ in pairs}) == len(pairs)
    return [output for _, output in sorted(pairs)]


def outcome_of(call: Callable[[], Any]) -> Any:
    """What a call gives, or the arguments of what it failed with."""
    try:
        return call()
    except Failed as error:
        return error.args


async def aoutcome_of(call: Callable[[], Awaitable[Any]]) -> Any:
    """What a call gives, or the arguments of what it failed with."""
    try:
        return await call()
    except Failed as error:
        return error.args


Batch = Callable[[Runnable[Any, Any], list[int]], list[Any]]

BATCHES: dict[str, Batch] = {
    "batch": lambda node, inputs: node.batch(inputs, return_exceptions=True),
    "batch, 2 at once": lambda node, inputs: node.batch(inputs, {"max_concurrency": 2}, return_exceptions=True),
    "batch_iter": lambda node, inputs: list(node.batch_iter(inputs, return_exceptions=True)),
    "batch_as_completed": lambda node, inputs: in_order(list(node.batch_as_completed(inputs, return_exceptions=True))),
}


async def abatch(node: Runnable[Any, Any], inputs: list[int]) -> list[Any]:
    return await node.abatch(inputs, return_exceptions=True)


async def abatch_2(node: Runnable[Any, Any], inputs: list[int]) -> list[Any]:
    return await node.abatch(inputs, {"max_concurrency": 2}, return_exceptions=True)


async def abatch_iter(node: Runnable[Any, Any], inputs: list[int]) -> list[Any]:
    return [output async for output in node.abatch_iter(inputs, return_exceptions=True)]


async def abatch_as_completed(node: Runnable[Any, Any], inputs: list[int]) -> list[Any]:
    return in_order([pair async for pair in node.abatch_as_completed(inputs, return_exceptions=True)])


ABATCHES = [abatch, abatch_2, abatch_iter, abatch_as_completed]


# --------------------------------------------------------------------------------------------------------------- retry


@pytest.mark.parametrize("kind", BATCHES)
def test_subsets_in_threads(kind: str) -> None:
    """Every subset of up to six inputs fails up to four times: each result is the input's own."""
    for failures, attempts in product(SUBSETS, ATTEMPTS):
        plan = Plan(failures)
        check(plan, attempts, BATCHES[kind](retried(plan.step(), attempts), list(range(len(failures)))))


@pytest.mark.parametrize("batch", ABATCHES, ids=lambda batch: batch.__name__)
async def test_subsets_in_tasks(batch: Any) -> None:
    """Every subset of up to six inputs fails up to four times: each result is the input's own."""
    for failures, attempts in product(SUBSETS, ATTEMPTS):
        plan = Plan(failures)
        check(plan, attempts, await batch(retried(plan.step(), attempts), list(range(len(failures)))))


def test_all_combinations_in_threads() -> None:
    """Four inputs fail zero to four times each, in every combination."""
    for failures, attempts in product(product(range(5), repeat=4), ATTEMPTS):
        plan = Plan(failures)
        check(plan, attempts, retried(plan.step(), attempts).batch(range(4), return_exceptions=True))


async def test_all_combinations_in_tasks() -> None:
    """Four inputs fail zero to four times each, in every combination."""
    for failures, attempts in product(product(range(5), repeat=4), ATTEMPTS):
        plan = Plan(failures)
        check(plan, attempts, await retried(plan.step(), attempts).abatch(range(4), return_exceptions=True))


def test_all_combinations_of_a_vector() -> None:
    """Six inputs of a step that does all in one call fail zero to four times each, in every combination."""
    for failures in product(range(5), repeat=6):
        plan = Plan(failures)
        check(plan, 3, retried(Vector(plan), 3).batch(list(range(6)), return_exceptions=True))


def test_failure_that_is_raised() -> None:
    """The batch raises what one of its inputs has failed with for good; nothing is tried after that, or too often."""
    for failures, attempts in product(product((0, 1, 4), repeat=4), ATTEMPTS):
        plan = Plan(failures)
        last = {(index, attempts) for index, times in enumerate(failures) if times >= attempts}
        outcome = outcome_of(lambda: retried(plan.step(), attempts).batch(range(4)))  # noqa: B023 - it is called here
        assert outcome in last if last else outcome == [0, 10, 20, 30]
        calls = dict(plan.calls)
        assert all(count <= min(failures[index] + 1, attempts) for index, count in calls.items())
        assert calls == plan.calls


async def test_failure_that_is_raised_async() -> None:
    """The batch raises what one of its inputs has failed with for good; nothing is tried after that, or too often."""
    for failures, attempts in product(product((0, 1, 4), repeat=4), ATTEMPTS):
        plan = Plan(failures)
        last = {(index, attempts) for index, times in enumerate(failures) if times >= attempts}
        outcome = await aoutcome_of(lambda: retried(plan.step(), attempts).abatch(range(4)))  # noqa: B023 - it is called here
        assert outcome in last if last else outcome == [0, 10, 20, 30]
        calls = dict(plan.calls)
        await asyncio.sleep(0)
        assert all(count <= min(failures[index] + 1, attempts) for index, count in calls.items())
        assert calls == plan.calls


def streaming(plan: Plan) -> Runnable[int, Any]:
    """A step that fails before its first chunk, or gives two."""

    def sync(chunks: Iterator[int]) -> Iterator[list[int]]:
        for chunk in chunks:
            yield [plan(chunk)]
            yield [chunk]

    async def colored(chunks: AsyncIterator[int]) -> AsyncIterator[list[int]]:
        async for chunk in chunks:
            yield [await plan.acall(chunk)]
            yield [chunk]

    return RunnableGenerator(sync, colored)


@pytest.mark.parametrize("attempts", ATTEMPTS)
@pytest.mark.parametrize("times", range(5))
def test_one_input(run: Any, times: int, attempts: int) -> None:
    """One input, invoked, streamed and in a batch, of a step that gives one value and of one that streams."""
    for made, expected in ((Plan.step, 0), (streaming, [0, 0])):
        plan = Plan([times])
        outcome = outcome_of(lambda: run(retried(made(plan), attempts), 0))  # noqa: B023 - it is called here
        assert outcome == (expected if times < attempts else (0, attempts))
        assert plan.calls == {0: min(times + 1, attempts)}


# ----------------------------------------------------------------------------------------------------------- fallbacks


class Alternative:
    """One of several functions, which works for the inputs whose number in ``works`` it has."""

    def __init__(self, number: int, works: Sequence[int]) -> None:
        self.number, self.works = number, works
        self.calls: Counter[int] = Counter()
        self.lock = Lock()

    def __call__(self, index: int) -> tuple[int, int]:
        with self.lock:
            self.calls[index] += 1
        if self.works[index] != self.number:
            raise Failed(index, self.number)
        return index, self.number

    async def acall(self, index: int) -> tuple[int, int]:
        await asyncio.sleep(0)
        return self(index)


def check_alternatives(alternatives: Sequence[Alternative], works: Sequence[int], outputs: Sequence[Any]) -> None:
    """Every input was answered by the one that works for it, after those before it were tried; or by none."""
    for index, number in enumerate(works):
        if number < 3:
            assert outputs[index] == (index, number)
        else:
            assert isinstance(outputs[index], Failed)
            assert outputs[index].args == (index, 0)
    for alternative in alternatives:
        assert alternative.calls == {index: 1 for index, number in enumerate(works) if number >= alternative.number}


def test_alternatives_in_threads() -> None:
    """For each of five inputs one of three alternatives works, or none, in every combination."""
    for works in product(range(4), repeat=5):
        each = [Alternative(number, works) for number in range(3)]
        node = RunnableLambda(each[0]).with_fallbacks(each[1:])
        check_alternatives(each, works, node.batch(range(5), return_exceptions=True))


async def test_alternatives_in_tasks() -> None:
    """For each of five inputs one of three alternatives works, or none, in every combination."""
    for works in product(range(4), repeat=5):
        each = [Alternative(number, works) for number in range(3)]
        first, *others = (RunnableLambda(alternative, alternative.acall) for alternative in each)
        check_alternatives(each, works, await first.with_fallbacks(others).abatch(range(5), return_exceptions=True))


def test_alternatives_of_vectors() -> None:
    """For each of six inputs of steps that do all in one call one alternative works, or none, in every combination."""
    for works in product(range(4), repeat=6):
        each: list[Any] = [Alternative(number, works) for number in range(3)]
        first, *others = (Vector(alternative) for alternative in each)
        check_alternatives(each, works, first.with_fallbacks(others).batch(list(range(6)), return_exceptions=True))

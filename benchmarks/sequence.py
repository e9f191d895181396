"""Ten function steps: against a bare Python loop over the same functions, and against langchain-core."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableLambda as Theirs
from langchain_core.runnables import RunnableSequence as TheirSequence

from benchmarks.timing import Row, aseconds, at_most, seconds
from plait import RunnableLambda, RunnableSequence

STEPS = 10


def increase(number: int) -> int:
    return number + 1


async def aincrease(number: int) -> int:
    return number + 1


def bare() -> int:
    number = 0
    for step in [increase] * STEPS:
        number = step(number)
    return number


async def abare() -> int:
    number = 0
    for step in [aincrease] * STEPS:
        number = await step(number)
    return number


class Listener:
    """A handler that does nothing."""

    def on_run_start(self, run: Any) -> None: ...

    def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

    def on_run_end(self, run: Any) -> None: ...


def rows() -> list[Row]:
    ours = RunnableSequence(*[RunnableLambda(increase) for _ in range(STEPS)])
    aours = RunnableSequence(*[RunnableLambda(aincrease) for _ in range(STEPS)])
    theirs = TheirSequence(*[Theirs(increase) for _ in range(STEPS)])
    atheirs = TheirSequence(*[Theirs(aincrease) for _ in range(STEPS)])
    watched: Any = {"callbacks": [Listener()]}
    plain, loop, peer, seen = seconds(
        lambda: ours.invoke(0), bare, lambda: theirs.invoke(0), lambda: ours.invoke(0, watched), times=200
    )
    aplain, aloop, apeer = aseconds(lambda: aours.ainvoke(0), abare, lambda: atheirs.ainvoke(0), times=200)
    return [
        at_most("10 function steps, invoke", plain, "bare loop", loop, 8),
        at_most("10 function steps, ainvoke", aplain, "bare awaits", aloop, 8),
        at_most("10 function steps, invoke", plain, "langchain-core", peer, 1 / 100),
        at_most("10 function steps, ainvoke", aplain, "langchain-core", apeer, 1 / 100),
        at_most("10 function steps, invoke, one no-op handler", seen, "langchain-core, none", peer, 1 / 20),
    ]

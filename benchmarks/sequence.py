"""Ten function steps: against a bare Python loop over the same functions, and against langchain-core."""

from __future__ import annotations

from typing import Any

from langchain_core.runnables import RunnableLambda as Theirs
from langchain_core.runnables import RunnableSequence as TheirSequence

from benchmarks.timing import Row, aseconds, at_most, seconds
from plait import RunnableLambda, RunnableSequence
from plait.callbacks import BaseCallbackHandler

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


class Pass(BaseCallbackHandler):
    """A handler that has methods which do nothing when it is told that a chain starts or ends."""

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None: ...

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None: ...


def rows() -> list[Row]:
    ours = RunnableSequence(*[RunnableLambda(increase) for _ in range(STEPS)])
    aours = RunnableSequence(*[RunnableLambda(aincrease) for _ in range(STEPS)])
    theirs = TheirSequence(*[Theirs(increase) for _ in range(STEPS)])
    atheirs = TheirSequence(*[Theirs(aincrease) for _ in range(STEPS)])
    watched: Any = {"callbacks": [BaseCallbackHandler()]}
    told: Any = {"callbacks": [Pass()]}
    plain, loop, peer, seen, heard = seconds(
        lambda: ours.invoke(0),
        bare,
        lambda: theirs.invoke(0),
        lambda: ours.invoke(0, watched),
        lambda: ours.invoke(0, told),
        times=200,
    )
    aplain, aloop, apeer, aseen = aseconds(
        lambda: aours.ainvoke(0), abare, lambda: atheirs.ainvoke(0), lambda: aours.ainvoke(0, watched), times=200
    )
    return [
        at_most("10 function steps, invoke", plain, "bare loop", loop, 8),
        at_most("10 function steps, ainvoke", aplain, "bare awaits", aloop, 8),
        at_most("10 function steps, invoke", plain, "langchain-core", peer, 1 / 100),
        at_most("10 function steps, ainvoke", aplain, "langchain-core", apeer, 1 / 100),
        at_most("10 function steps, invoke, one no-op handler", seen, "langchain-core, none", peer, 1 / 20),
        at_most("10 function steps, ainvoke, one no-op handler", aseen, "langchain-core, none", apeer, 1 / 20),
        at_most(
            "10 function steps, invoke, a handler told of each start and end",
            heard,
            "langchain-core, none",
            peer,
            1 / 10,
        ),
    ]

"""Three functions at once."""

from __future__ import annotations

from langchain_core.runnables import RunnableLambda as Theirs
from langchain_core.runnables import RunnableParallel as TheirParallel

from benchmarks.timing import Row, aseconds, at_most, seconds
from plait import RunnableLambda, RunnableParallel


def same(value: int) -> int:
    return value


async def asame(value: int) -> int:
    return value


def rows() -> list[Row]:
    ours = RunnableParallel({key: RunnableLambda(same) for key in "abc"})
    aours = RunnableParallel({key: RunnableLambda(asame) for key in "abc"})
    theirs = TheirParallel({key: Theirs(same) for key in "abc"})
    atheirs = TheirParallel({key: Theirs(asame) for key in "abc"})
    mine, peer = seconds(lambda: ours.invoke(1), lambda: theirs.invoke(1), times=50)
    amine, apeer = aseconds(lambda: aours.ainvoke(1), lambda: atheirs.ainvoke(1), times=50)
    return [
        Row("parallel of 3 async functions", amine, "60 µs", 60e-6, "≤ 60 µs", amine <= 60e-6),
        at_most("parallel of 3 async functions", amine, "langchain-core", apeer, 1 / 10),
        at_most("parallel of 3 functions, threads", mine, "langchain-core", peer, 1 / 10),
    ]

"""A batch of ten thousand items that need no work: what each of them costs."""

from __future__ import annotations

from langchain_core.runnables import RunnableLambda as Theirs

from benchmarks.timing import Row, aseconds, at_most, seconds
from plait import RunnableLambda

ITEMS = list(range(10_000))


def nothing(item: int) -> int:
    return item


async def anothing(item: int) -> int:
    return item


def rows() -> list[Row]:
    ours, theirs = RunnableLambda(nothing), Theirs(nothing)
    aours, atheirs = RunnableLambda(anothing), Theirs(anothing)
    mine, peer = seconds(lambda: ours.batch(ITEMS), lambda: theirs.batch(ITEMS), times=1, rounds=3)
    amine, apeer = aseconds(lambda: aours.abatch(ITEMS), lambda: atheirs.abatch(ITEMS), times=1, rounds=3)
    count = len(ITEMS)
    return [
        at_most("one of 10,000 no-op items, batch", mine / count, "langchain-core", peer / count, 1 / 50),
        at_most("one of 10,000 no-op items, abatch", amine / count, "langchain-core", apeer / count, 1 / 50),
    ]

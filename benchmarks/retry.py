"""A retry and fallbacks that are not needed: what they add to a plain call, and against langchain-core."""

from __future__ import annotations

from langchain_core.runnables import RunnableLambda as Theirs

from benchmarks.timing import Row, aseconds, at_most, seconds
from plait import RunnableLambda, RunnablePassthrough

ALLOWED = 0.5e-6  # seconds that a retry may add to a call


def increase(number: int) -> int:
    return number + 1


async def aincrease(number: int) -> int:
    return number + 1


def rows() -> list[Row]:
    plain, aplain = RunnableLambda(increase), RunnableLambda(aincrease)
    chain = RunnablePassthrough() | increase
    theirs, atheirs = Theirs(increase), Theirs(aincrease)
    retried, longer, falling = plain.with_retry(), chain.with_retry(), plain.with_fallbacks([plain])
    aretried, afalling = aplain.with_retry(), aplain.with_fallbacks([aplain])
    their_retry, their_fallbacks = theirs.with_retry(), theirs.with_fallbacks([theirs])
    atheir_retry, atheir_fallbacks = atheirs.with_retry(), atheirs.with_fallbacks([atheirs])
    bare, once, chained, again, fallen, peer, peer_fallen = seconds(
        lambda: plain.invoke(0),
        lambda: retried.invoke(0),
        lambda: chain.invoke(0),
        lambda: longer.invoke(0),
        lambda: falling.invoke(0),
        lambda: their_retry.invoke(0),
        lambda: their_fallbacks.invoke(0),
        times=500,
    )
    abare, aonce, afallen, apeer, apeer_fallen = aseconds(
        lambda: aplain.ainvoke(0),
        lambda: aretried.ainvoke(0),
        lambda: afalling.ainvoke(0),
        lambda: atheir_retry.ainvoke(0),
        lambda: atheir_fallbacks.ainvoke(0),
        times=500,
    )
    return [
        _adds("a retry of a function, invoke", once, bare),
        _adds("a retry of a function, ainvoke", aonce, abare),
        _adds("a retry of a chain of 2 steps, invoke", again, chained),
        at_most("a retry of a function, invoke", once, "langchain-core", peer, 1 / 100),
        at_most("a retry of a function, ainvoke", aonce, "langchain-core", apeer, 1 / 100),
        at_most("a function with a fallback, invoke", fallen, "langchain-core", peer_fallen, 1 / 50),
        at_most("a function with a fallback, ainvoke", afallen, "langchain-core", apeer_fallen, 1 / 50),
    ]


def _adds(work: str, ours: float, plain: float) -> Row:
    """The claim that ``ours`` takes hardly more than the plain call."""
    return Row(work, ours, "without it", plain, "≤ 0.5 µs more", ours <= plain + ALLOWED)

"""How a claim is measured: the best of several rounds for each side in turn, so that noise hits both; ratios are printed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import NamedTuple

Sync = Callable[[], object]
Async = Callable[[], Awaitable[object]]


class Row(NamedTuple):
    """One line of the table: ``ratio`` is ours over the peer's, and the claim is that it stays under ``budget``."""

    work: str
    ours: float
    peer: str
    theirs: float
    budget: str
    holds: bool

    @property
    def ratio(self) -> str:
        """How the two compare, said the way round that is above 1."""
        low, high = sorted((self.ours, self.theirs))
        return f"{high / low:.1f} × " + ("less" if self.ours < self.theirs else "more")


def at_most(work: str, ours: float, peer: str, theirs: float, factor: float) -> Row:
    """The claim that ``ours`` is at most ``factor`` times ``theirs``."""
    said = f"≤ {factor:g} × peer" if factor >= 1 else f"≤ 1/{1 / factor:g} of peer"
    return Row(work, ours, peer, theirs, said, ours <= factor * theirs)


def seconds(*works: Sync, times: int, rounds: int = 9) -> list[float]:
    """Seconds for one call of each, the best round; the rounds of all take turns."""
    best = [float("inf")] * len(works)
    for _ in range(rounds):
        for index, work in enumerate(works):
            gc.collect()
            started = perf_counter()
            for _ in range(times):
                work()
            best[index] = min(best[index], (perf_counter() - started) / times)
    return best


def aseconds(*works: Async, times: int, rounds: int = 9) -> list[float]:
    """As ``seconds``, inside one event loop."""

    async def measure() -> list[float]:
        best = [float("inf")] * len(works)
        for _ in range(rounds):
            for index, work in enumerate(works):
                gc.collect()
                started = perf_counter()
                for _ in range(times):
                    await work()
                best[index] = min(best[index], (perf_counter() - started) / times)
        return best

    return asyncio.run(measure())

"""A chunk on its way through three streaming steps, async."""

from __future__ import annotations

from collections.abc import AsyncIterator

from langchain_core.runnables import RunnableGenerator as Theirs

from benchmarks.timing import Row, aseconds, at_most
from plait import RunnableGenerator

CHUNKS = 1000


async def source(inputs: AsyncIterator[int]) -> AsyncIterator[str]:
    async for _ in inputs:
        for _ in range(CHUNKS):
            yield "token "


async def step(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        yield chunk


def rows() -> list[Row]:
    ours = RunnableGenerator(source) | step | step | step
    theirs = Theirs(source) | Theirs(step) | Theirs(step) | Theirs(step)

    async def drain(chain: object) -> None:
        async for _ in chain.astream(0):  # type: ignore[attr-defined]  # both have it
            pass

    mine, peer = aseconds(lambda: drain(ours), lambda: drain(theirs), times=1, rounds=5)
    return [at_most("a chunk through 3 streaming steps, async", mine / CHUNKS, "langchain-core", peer / CHUNKS, 1 / 40)]

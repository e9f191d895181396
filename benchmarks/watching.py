"""The run log and the events of a chain that streams: for one chunk, and how the cost grows with their number."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.runnables import RunnableGenerator as Theirs

from benchmarks.timing import Row, aseconds, at_most
from plait import RunnableGenerator

CHUNKS = 4000
OF_PEER = {True: CHUNKS, False: 500}  # of states it is so quadratic that as many would take minutes


async def step(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        yield chunk


def source(count: int) -> Any:
    async def tokens(inputs: AsyncIterator[int]) -> AsyncIterator[str]:
        async for _ in inputs:
            for _ in range(count):
                yield "token "

    return tokens


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


def rows() -> list[Row]:
    warnings.simplefilter("ignore")  # the peer has deprecated its log
    once, twice = RunnableGenerator(source(CHUNKS)) | step, RunnableGenerator(source(2 * CHUNKS)) | step
    found = []
    for name, options in (("diff", {"diff": True}), ("states", {"diff": False})):
        count = OF_PEER[options["diff"]]
        theirs = Theirs(source(count)) | Theirs(step)
        mine, double, peer = aseconds(
            lambda options=options: drain(once.astream_log(0, **options)),
            lambda options=options: drain(twice.astream_log(0, **options)),
            lambda theirs=theirs, options=options: drain(theirs.astream_log(0, **options)),
            times=1,
            rounds=3,
        )
        found += [
            at_most(
                f"astream_log, {name}, a chunk of a chain of two", mine / CHUNKS, "langchain-core", peer / count, 1 / 20
            ),
            at_most(f"astream_log, {name}, {2 * CHUNKS} chunks", double, f"{CHUNKS} chunks", mine, 2.3),
        ]
    mine, peer = aseconds(
        lambda: drain(once.astream_events(0, version="v2")),
        lambda: drain((Theirs(source(CHUNKS)) | Theirs(step)).astream_events(0, version="v2")),
        times=1,
        rounds=3,
    )
    return [*found, at_most("astream_events, a chunk", mine / CHUNKS, "langchain-core", peer / CHUNKS, 1 / 5)]

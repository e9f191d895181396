"""Laws of streams that begin anew, over chains made at random: what is left after the last reset is the value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from itertools import pairwise
from typing import Any, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from plait.merging import StreamReset, merge, merge_all
from plait.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)

HALF = settings(max_examples=settings.default.max_examples // 2)  # of what the profile says: these are slow
Step: TypeAlias = Runnable[Any, Any]


class Trouble:
    """A source of steps that fail in mid-stream, and begin anew; counts how often that was after a first chunk."""

    def __init__(self, *, really: bool) -> None:
        self.really = really
        self.failures = 0

    def letters(self, at: int, times: int) -> Step:
        """The letters of the text; each stream of it fails before the letter ``at``, the first ``times`` times."""
        left = times if self.really else 0

        def unsteady(chunks: Iterator[str]) -> Iterator[str]:
            nonlocal left
            text = "".join(chunks)
            for index, letter in enumerate(text or [""]):
                if left and index == at:
                    left -= 1
                    self.failures += index > 0
                    raise TimeoutError
                yield letter

        async def aunsteady(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
            for letter in unsteady(iter([chunk async for chunk in chunks])):
                await asyncio.sleep(0)
                yield letter

        step: Step = RunnableGenerator(unsteady, aunsteady)
        return step.with_retry(stop_after_attempt=9, wait_exponential_jitter=False, mid_stream="restart")


# ---------------------------------------------------------------------------------------------------- steps on text


def pairs(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield chunk + next(chunks, "")


async def aone_by_one(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for letter in chunk or [""]:
            yield letter


def one_by_one(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk or [""]


def shout(text: str) -> str:
    return text.upper()


def mirror(text: str) -> str:
    return text[::-1]


Maker: TypeAlias = Callable[[Trouble], Step]
BY_CHUNKS: Step = RunnableLambda(shout, chunkwise=True)
# What they give for the whole does not depend on how it was cut; those below do several things at once.
IN_A_ROW: dict[str, Step] = {
    "whole": RunnableLambda(mirror),
    "by chunks": BY_CHUNKS,
    "passthrough": RunnablePassthrough(),
    "letters": RunnableGenerator(one_by_one, aone_by_one),
    "sync pairs": RunnableGenerator(pairs),
    "binding": BY_CHUNKS.with_config(tags=["t"]),
    "branch": RunnableBranch((lambda text: len(text) > 3, mirror), BY_CHUNKS),
    "named": RunnableGenerator(one_by_one).pipe(BY_CHUNKS, name="named"),
    "given": RunnableLambda(lambda _: RunnableGenerator(one_by_one) | mirror),
}
AT_ONCE: dict[str, Step] = {
    "dict": RunnableParallel(k=RunnablePassthrough(), l=mirror).pick("k"),
    "dict, other key": RunnableParallel(k=RunnablePassthrough(), l=mirror).pick("l"),
    "assign": RunnableParallel(k=BY_CHUNKS).assign(l=lambda given: mirror(given["k"])).pick("l"),
}


def always(step: Step) -> Maker:
    return lambda _: step


def unsteady(at: int, times: int) -> Maker:
    return lambda trouble: trouble.letters(at, times)


def inside(at: int, times: int, where: str) -> Maker:
    """A node around a restarting step."""

    def made(trouble: Trouble) -> Step:
        step = trouble.letters(at, times)
        nodes: dict[str, Step] = {
            "dict": RunnableParallel(k=step | BY_CHUNKS, l=mirror, m=RunnablePassthrough()).pick("k"),
            "assign": RunnableParallel(k=RunnablePassthrough()).assign(l=RunnableLambda(dict.popitem) | _last | step),
            "branch": RunnableBranch((bool, step), mirror),
            "named": RunnableSequence(BY_CHUNKS, step, RunnableGenerator(pairs), name="named"),
            "bound": step.with_config(tags=["t"]),
            "given": RunnableLambda(lambda _: step, resets=True),
        }
        return nodes[where].pick("l") if where == "assign" else nodes[where]

    return made


def _last(item: tuple[str, str]) -> str:
    return item[1]


calm = st.sampled_from(sorted(IN_A_ROW)).map(lambda name: always(IN_A_ROW[name]))
many = st.sampled_from(sorted(AT_ONCE)).map(lambda name: always(AT_ONCE[name]))
restarting = st.builds(unsteady, st.integers(0, 3), st.integers(0, 3))
nested = st.builds(
    inside,
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from(["dict", "assign", "branch", "named", "bound", "given"]),
)
texts = st.text("abcdefgh", min_size=1, max_size=8)
modes = st.tuples(
    st.sampled_from(["stream", "astream"]),
    st.fixed_dictionaries(
        {},
        optional={
            "callbacks": st.builds(lambda: [Deaf()]),
            "max_concurrency": st.integers(1, 3),
            "timeout": st.just(60.0),
            "tags": st.just(["t"]),
        },
    ),
)


class Deaf:
    """Somebody who listens, so that every step has a run."""

    def on_run_start(self, run: Any) -> None: ...

    def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

    def on_run_event(self, run: Any, name: str, data: Any) -> None: ...

    def on_run_end(self, run: Any) -> None:
        assert run.status in ("success", "error", "cancelled")


async def _astreamed(chain: Any, text: str, config: Any) -> list[Any]:
    async with aclosing(chain.astream(text, config)) as chunks:
        return [chunk async for chunk in chunks]


def streamed(chain: Any, text: str, mode: tuple[str, Any]) -> list[Any]:
    verb, config = mode
    if verb == "astream":
        return asyncio.run(_astreamed(chain, text, config or None))
    with closing(chain.stream(text, config or None)) as chunks:
        return list(chunks)


def made(row: list[Maker], trouble: Trouble) -> Step:
    return RunnableSequence(*(maker(trouble) for maker in row))


def resets_in(chunks: list[Any]) -> int:
    return sum(isinstance(chunk, StreamReset) for chunk in chunks)


@given(st.lists(calm | restarting, min_size=1, max_size=6), texts, modes)
def test_in_a_row_every_failure_is_one_reset(row: list[Maker], text: str, mode: tuple[str, Any]) -> None:
    """No chunk is lost or doubled: the sum is the value, and there is a reset for each failure after a first chunk."""
    trouble = Trouble(really=True)
    chunks = streamed(made(row, trouble), text, mode)
    assert merge_all(chunks) == made(row, Trouble(really=False)).invoke(text)
    assert resets_in(chunks) == trouble.failures


@HALF
@given(st.lists(calm | many | restarting | nested, min_size=1, max_size=5), texts, modes)
def test_sum_after_the_last_reset_is_the_value(row: list[Maker], text: str, mode: tuple[str, Any]) -> None:
    """Whatever the steps are made of, and whichever of them begin anew; a failure is never more than one reset."""
    trouble = Trouble(really=True)
    chunks = streamed(made(row, trouble), text, mode)
    assert merge_all(chunks) == made(row, Trouble(really=False)).invoke(text)
    assert resets_in(chunks) <= trouble.failures


@HALF
@given(st.lists(calm | restarting, min_size=1, max_size=4), texts, st.lists(st.integers(0, 40)))
def test_it_does_not_matter_where_the_stream_was_cut(row: list[Maker], text: str, places: list[int]) -> None:
    """Adding up the parts of a stream, and then the sums, gives what adding it all up gives."""
    chunks = streamed(made(row, Trouble(really=True)), text, ("stream", None))
    ends = sorted({place % (len(chunks) + 1) for place in places} | {0, len(chunks)})
    parts = [chunks[start:end] for start, end in pairwise(ends)]
    assert merge_all([_sum(part) for part in parts]) == merge_all(chunks)


def _sum(part: list[Any]) -> Any:
    total = part[0]
    for chunk in part[1:]:
        total = merge(total, chunk)
    return total

"""Laws of the algebra, over chains and trees made at random: grouping, identity, splitting, fusing, limits."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from plait.merging import merge_all
from plait.runnables import (
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)

SOON = 30.0  # seconds that nobody has to wait unless something is wrong
HALF = settings(max_examples=settings.default.max_examples // 2)  # of what the profile says: these are slow

# ------------------------------------------------------------------------------------------------------ steps on text


def each_letter(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk or [""]


async def aeach_letter(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for letter in chunk or [""]:
            yield letter


def in_pairs(chunks: Iterator[str]) -> Iterator[str]:
    """The same text in pieces of two chunks."""
    for chunk in chunks:
        yield chunk + next(chunks, "")


def shout(text: str) -> str:
    return text.upper()


def mirror(text: str) -> str:
    return text[::-1]


# Steps from text to text; what they give for the whole does not depend on how it was cut.
STEPS: dict[str, Runnable[Any, Any]] = {
    "whole": RunnableLambda(mirror),
    "async form": RunnableLambda(mirror, lambda text: asyncio.sleep(0, mirror(text))),
    "by chunks": RunnableLambda(shout, chunkwise=True),
    "inline by chunks": RunnableLambda(shout, chunkwise=True, inline=True),
    "doubling letters": RunnableLambda(
        lambda text: "".join(letter * 2 for letter in text), chunkwise=True, inline=True
    ),
    "passthrough": RunnablePassthrough(),
    "letters": RunnableGenerator(each_letter, aeach_letter),
    "sync letters": RunnableGenerator(each_letter),
    "pairs": RunnableGenerator(in_pairs),
    "binding": RunnableGenerator(each_letter, aeach_letter).with_config(tags=["t"]).bind(),
    "dict": RunnableParallel(k=RunnablePassthrough(), l=mirror).pick("k"),
    "dict, other key": RunnableParallel(k=RunnablePassthrough(), l=mirror).pick("l"),
    "assign": RunnableParallel(k=RunnablePassthrough()).assign(l=lambda given: mirror(given["k"])).pick("l"),
    "branch": RunnableBranch((lambda text: len(text) > 3, mirror), RunnablePassthrough()),
    "named": RunnableGenerator(each_letter).pipe(RunnableLambda(shout, chunkwise=True), name="named"),
    "given": RunnableLambda(lambda _: RunnableGenerator(each_letter) | mirror),
}
steps = st.sampled_from(sorted(STEPS)).map(STEPS.__getitem__)
chains = st.lists(steps, min_size=1, max_size=5).map(lambda row: RunnableSequence(*row))
texts = st.text("abcdefgh", min_size=1, max_size=10)


def cut(text: str, places: list[int]) -> list[str]:
    """The text in pieces that end at these places."""
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in itertools.pairwise(ends)]


async def _atransformed(chain: Any, chunks: list[Any]) -> list[Any]:
    async def source() -> AsyncIterator[Any]:
        for chunk in chunks:
            yield chunk

    return [chunk async for chunk in chain.atransform(source())]


def transformed(chain: Any, chunks: list[Any], colour: str) -> list[Any]:
    return list(chain.transform(iter(chunks))) if colour == "sync" else asyncio.run(_atransformed(chain, chunks))


colours = st.sampled_from(["sync", "async"])


@given(st.lists(steps, min_size=2, max_size=8), st.data())
def test_grouping_does_not_matter(row: list[Runnable[Any, Any]], data: st.DataObject) -> None:
    """P46: however a row of steps is grouped by |, the sequence has exactly those steps, in that order."""

    def grouped(part: list[Runnable[Any, Any]]) -> Any:
        if len(part) == 1:
            return part[0]
        middle = data.draw(st.integers(1, len(part) - 1))
        return grouped(part[:middle]) | grouped(part[middle:])

    flat = [step for each in row for step in (each.steps if _unnamed_sequence(each) else (each,))]
    assert list(grouped(row).steps) == flat


def _unnamed_sequence(step: Any) -> bool:
    return isinstance(step, RunnableSequence) and step.name is None


@HALF
@given(steps, steps, steps, texts, colours)
def test_joining_is_associative(a: Any, b: Any, c: Any, text: str, colour: str) -> None:
    """(a | b) | c is a | (b | c) in value and in stream."""
    left, right = (a | b) | c, a | (b | c)

    assert left.steps == right.steps
    assert left.invoke(text) == right.invoke(text)
    assert merge_all(transformed(left, [text], colour)) == merge_all(transformed(right, [text], colour))


@HALF
@given(chains, texts, st.lists(st.integers(0, 10)), colours)
def test_passthrough_is_the_identity(chain: Any, text: str, places: list[int], colour: str) -> None:
    """A passthrough before or after a chain changes neither its value nor the sum of its stream."""
    chunks = cut(text, places)
    before, after = RunnablePassthrough() | chain, chain | RunnablePassthrough()

    assert before.invoke(text) == after.invoke(text) == chain.invoke(text)
    expected = merge_all(transformed(chain, chunks, colour))
    assert merge_all(transformed(before, chunks, colour)) == merge_all(transformed(after, chunks, colour)) == expected


@given(st.lists(st.text(max_size=3), min_size=1), colours)
def test_passthrough_gives_the_very_chunks(chunks: list[str], colour: str) -> None:
    """A row of passthroughs gives the chunks as they came, none joined and none lost."""
    assert transformed(RunnablePassthrough() | RunnablePassthrough(), chunks, colour) == chunks


@HALF
@given(chains, texts, st.lists(st.integers(0, 10)), colours)
def test_splitting_never_changes_the_sum(chain: Any, text: str, places: list[int], colour: str) -> None:
    """However a stream is cut, and whether it is a stream at all, the sum of what comes out is the same."""
    assert merge_all(transformed(chain, cut(text, places), colour)) == chain.invoke(text)


@HALF
@given(chains, texts, colours)
def test_colours_and_verbs_agree(chain: Any, text: str, colour: str) -> None:
    """Value, stream and batch of any chain agree, in both colours."""
    value = chain.invoke(text)

    assert asyncio.run(chain.ainvoke(text)) == value
    assert chain.batch([text, text]) == [value, value]
    assert merge_all(transformed(chain, [text], colour)) == value
    assert chain.invoke(text, {"tags": ["t"]}) == value


@HALF
@given(steps, steps, st.lists(texts, max_size=6), colours)
def test_maps_fuse(a: Any, b: Any, items: list[str], colour: str) -> None:
    """a.map() | b.map() is (a | b).map(), in value and in stream."""
    apart, fused = a.map() | b.map(), (a | b).map()

    assert apart.invoke(items) == fused.invoke(items)
    assert merge_all(transformed(apart, [items], colour)) == merge_all(transformed(fused, [items], colour))


@HALF
@given(st.dictionaries(st.sampled_from("abc"), steps, min_size=1), texts, colours)
def test_dict_gives_what_its_branches_give(branches: dict[str, Any], text: str, colour: str) -> None:
    """A dict of steps gives for each key what that step gives alone, in value and in stream."""
    expected = {key: step.invoke(text) for key, step in branches.items()}

    assert RunnableParallel(branches).invoke(text) == expected
    assert merge_all(transformed(RunnableParallel(branches), [text], colour)) == expected


# ----------------------------------------------------------------------------------------------- trees under a limit


@dataclass
class Crowd:
    """The leaf calls of a tree: how many at once, and in which order."""

    limit: int
    inside: int = 0
    most: int = 0
    order: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def enter(self, name: str) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        self.order.append(name)

    def leaf(self, name: str) -> Callable[[Any], Any]:
        def call(value: Any) -> str:
            with self.changed:
                self.enter(name)
                self.changed.notify_all()
                self.changed.wait_for(
                    lambda: self.inside > self.limit, 0.001
                )  # a while in which one too many would come
                self.inside -= 1
            return name

        return call

    def aleaf(self, name: str) -> Callable[[Any], Any]:
        async def call(value: Any) -> str:
            self.enter(name)
            try:
                for _ in range(1 + len(self.order) * 7 % 5):  # some longer, some shorter
                    await asyncio.sleep(0)
            finally:  # it may be cancelled
                self.inside -= 1
            return name

        return call


names = st.sampled_from("pqrstuvw")
trees = st.recursive(
    st.tuples(st.just("leaf"), names),
    lambda inner: (
        st.tuples(st.just("dict"), st.lists(inner, min_size=2, max_size=3))
        | st.tuples(st.just("row"), st.lists(inner, min_size=2, max_size=3))
        | st.tuples(st.just("map"), inner, st.integers(1, 3))
        | st.tuples(st.just("choice"), inner)
        | st.tuples(st.just("given"), inner)
        | st.tuples(st.just("assign"), inner, inner)
        | st.tuples(st.just("calls"), inner, st.integers(1, 3))
        | st.tuples(st.just("again"), inner, st.integers(1, 3))
        | st.tuples(st.just("instead"), inner)
        | st.tuples(st.just("in time"), inner)
    ),
    max_leaves=8,
)
rough_trees = st.recursive(
    st.tuples(st.just("leaf"), names),
    lambda inner: (
        st.tuples(st.just("dict"), st.lists(inner, min_size=2, max_size=4))
        | st.tuples(st.just("row"), st.lists(inner, min_size=2, max_size=3))
        | st.tuples(st.just("map"), inner, st.integers(1, 3))
        | st.tuples(st.just("caught"), inner)
        | st.tuples(st.just("closed"), inner)
    ),
    max_leaves=8,
)


def built(tree: Any, leaf: Callable[[str], Any], colour: str) -> Runnable[Any, Any]:
    """The chain that a tree describes; it takes anything."""
    kind, what, *more = tree
    if kind == "leaf":
        return RunnableLambda(leaf(what))
    if kind in ("dict", "row"):
        parts = [built(part, leaf, colour) for part in what]
        return (
            RunnableParallel({str(index): part for index, part in enumerate(parts)})
            if kind == "dict"
            else RunnableSequence(*parts)
        )
    part = built(what, leaf, colour)
    if kind == "map":
        return RunnableLambda(lambda value: [value] * more[0]) | part.map()
    if kind == "choice":
        return RunnableBranch((lambda value: True, part), RunnablePassthrough())
    if kind == "given":
        return RunnableLambda(lambda value: part)
    if kind == "again":
        return (failing(more[0]) | part).with_retry(stop_after_attempt=more[0] + 1, wait_exponential_jitter=False)
    if kind == "instead":
        return (RunnablePassthrough() | failing(10**9)).with_fallbacks([part])
    if kind == "in time":
        return part.with_config(timeout=10 * SOON)
    if kind in ("caught", "closed"):
        return rough(kind, part, leaf, colour)
    if kind == "assign":
        return RunnableLambda(lambda value: {"value": 0}) | RunnablePassthrough.assign(
            a=part, b=built(more[0], leaf, colour)
        )

    def call(value: Any) -> Any:
        return part.batch([value] * more[0])

    async def acall(value: Any) -> Any:
        return await part.abatch([value] * more[0])

    return RunnableLambda(call) if colour == "sync" else RunnableLambda(acall)


def failing(times: int) -> Runnable[Any, Any]:
    """A step that fails so often, whoever calls it, and then gives what it gets."""
    left = iter(range(times))

    def fail(value: Any) -> Any:
        if next(left, None) is not None:
            raise ConnectionError
        return value

    return RunnableLambda(fail)


def rough(kind: str, part: Runnable[Any, Any], leaf: Callable[[str], Any], colour: str) -> Runnable[Any, Any]:
    """A function that calls what fails, or leaves a stream in the middle, and goes on working."""

    def fail(value: Any) -> None:
        raise LookupError

    async def afail(value: Any) -> None:
        await asyncio.sleep(0)
        raise LookupError

    after = RunnableLambda(leaf("after"))
    several = {"a": part, "b": RunnableLambda(fail, afail) if kind == "caught" else part, "c": part}

    def call(value: Any) -> Any:
        with suppress(LookupError), closing(RunnableParallel(several).stream(value)) as stream:
            next(stream)
            for _ in stream if kind == "caught" else ():
                pass
        return after.invoke(value)

    async def acall(value: Any) -> Any:
        with suppress(LookupError):
            async with aclosing(RunnableParallel(several).astream(value)) as stream:
                await anext(stream)
                if kind == "caught":
                    await _all(stream)
        return await after.ainvoke(value)

    return RunnableLambda(call) if colour == "sync" else RunnableLambda(acall)


def in_sequence(tree: Any) -> list[str]:
    """The leaf calls of a tree, one after the other, as a plain interpreter would make them."""
    kind, what, *more = tree
    if kind == "leaf":
        return [what]
    if kind in ("dict", "row"):
        return [name for part in what for name in in_sequence(part)]
    if kind == "assign":
        return in_sequence(what) + in_sequence(more[0])
    return in_sequence(what) * (more[0] if kind in ("map", "calls") else 1)


async def _all(chunks: Any) -> list[Any]:
    return [chunk async for chunk in chunks]


SYNC: dict[str, Callable[[Any, Any, int], Any]] = {
    "invoke": lambda chain, config, count: chain.invoke(0, config),
    "stream": lambda chain, config, count: list(chain.stream(0, config)),
    "batch": lambda chain, config, count: chain.batch([0] * count, config),
    "batch_iter": lambda chain, config, count: list(chain.batch_iter([0] * count, config)),
    "batch_as_completed": lambda chain, config, count: list(chain.batch_as_completed([0] * count, config)),
}
ASYNC: dict[str, Callable[[Any, Any, int], Any]] = {
    "ainvoke": lambda chain, config, count: chain.ainvoke(0, config),
    "astream": lambda chain, config, count: _all(chain.astream(0, config)),
    "abatch": lambda chain, config, count: chain.abatch([0] * count, config),
    "abatch_iter": lambda chain, config, count: _all(chain.abatch_iter([0] * count, config)),
    "abatch_as_completed": lambda chain, config, count: _all(chain.abatch_as_completed([0] * count, config)),
}
ONE_INPUT = ("invoke", "stream", "ainvoke", "astream")


def finished(work: Callable[[], Any]) -> bool:
    """Whether the work ends; what it raises is raised."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SOON)
    if failures:
        raise failures[0]
    return not thread.is_alive()


async def _in_time(call: Any) -> Any:
    async with asyncio.timeout(SOON):
        return await call


def run_tree(tree: Any, limit: int, verb: str, count: int, leaves: str) -> Crowd:
    """The tree, run by a verb under a limit."""
    crowd = Crowd(limit)
    chain = built(tree, crowd.leaf if leaves == "threads" else crowd.aleaf, "sync" if verb in SYNC else "async")
    config = {"max_concurrency": limit}
    if verb in SYNC:
        assert finished(lambda: SYNC[verb](chain, config, count)), "the call does not end"
    else:
        asyncio.run(_in_time(ASYNC[verb](chain, config, count)))
    return crowd


FIVE_DEEP = (
    "again",
    ("dict", [("instead", ("map", ("again", ("calls", ("instead", ("leaf", "p")), 3), 2), 3))] * 3),
    2,
)
ROWS_OF_MAPS = ("row", [("map", ("leaf", "p"), 3)] * 2 + [("dict", [("map", ("leaf", "q"), 3)] * 3)])


@given(trees, st.integers(1, 8), st.sampled_from([*SYNC, *ASYNC]), st.integers(1, 4))
@example(ROWS_OF_MAPS, 3, "stream", 1)
@example(ROWS_OF_MAPS, 3, "astream", 1)
@example(ROWS_OF_MAPS, 1, "batch_as_completed", 4)
@example(FIVE_DEEP, 4, "batch", 4)
@example(FIVE_DEEP, 8, "stream", 1)
def test_no_tree_exceeds_the_limit_in_threads(tree: Any, limit: int, verb: str, count: int) -> None:
    """N3: a tree of dicts, rows, maps, batches, retries and fallbacks never has more than max_concurrency leaf calls
    going, and ends.
    """
    crowd = run_tree(tree, limit, verb, count, "threads")

    expected = in_sequence(tree) * (1 if verb in ONE_INPUT else count)
    assert sorted(crowd.order) == sorted(expected)
    assert 1 <= crowd.most <= limit


@given(trees, st.integers(1, 8), st.sampled_from(sorted(ASYNC)), st.integers(1, 4))
@example(ROWS_OF_MAPS, 3, "astream", 1)
@example(ROWS_OF_MAPS, 3, "abatch_as_completed", 4)
@example(FIVE_DEEP, 4, "abatch", 4)
@example(FIVE_DEEP, 8, "astream", 1)
def test_no_tree_exceeds_the_limit_in_tasks(tree: Any, limit: int, verb: str, count: int) -> None:
    """P07: the same with async leaf calls: never more than max_concurrency going, and the call ends."""
    crowd = run_tree(tree, limit, verb, count, "tasks")

    expected = in_sequence(tree) * (1 if verb in ONE_INPUT else count)
    assert sorted(crowd.order) == sorted(expected)
    assert 1 <= crowd.most <= limit


CATCHING = ("dict", [("row", [("caught", ("leaf", "p")), ("closed", ("leaf", "p"))] * 3)] * 6)
CLOSING = ("dict", [("row", [("closed", ("dict", [("leaf", "p")] * 3))] * 4)] * 6)


@given(rough_trees, st.integers(1, 4), st.sampled_from([*SYNC, *ASYNC]), st.sampled_from(["threads", "tasks"]))
@example(CATCHING, 3, "ainvoke", "tasks")
@example(CLOSING, 3, "ainvoke", "tasks")
@example(CLOSING, 3, "invoke", "threads")
def test_no_tree_exceeds_the_limit_after_failures(tree: Any, limit: int, verb: str, leaves: str) -> None:
    """P07: what failed and was caught, or was closed in the middle, leaves the limit as it was, no lower and no higher."""
    crowd = run_tree(tree, limit, verb, 3, leaves if verb in ASYNC else "threads")

    assert 1 <= crowd.most <= limit


@HALF
@given(trees, st.sampled_from([*SYNC, *ASYNC]), st.integers(1, 3), st.sampled_from(["threads", "tasks"]))
def test_limit_of_1_is_a_sequence(tree: Any, verb: str, count: int, leaves: str) -> None:
    """P07: with max_concurrency=1 the leaf calls of any tree are made in the order of a plain interpreter."""
    if verb in SYNC:
        leaves = "threads"

    crowd = run_tree(tree, 1, verb, count, leaves)

    assert crowd.order == in_sequence(tree) * (1 if verb in ONE_INPUT else count)


@HALF
@given(trees, st.sampled_from([*SYNC, *ASYNC]), st.sampled_from(["threads", "tasks"]))
def test_any_tree_ends_without_a_limit(tree: Any, verb: str, leaves: str) -> None:
    """P28: without a limit any tree ends, and each leaf is called as often as it should be."""
    crowd = Crowd(10_000)
    leaf = crowd.leaf if leaves == "threads" or verb in SYNC else crowd.aleaf
    chain = built(tree, leaf, "sync" if verb in SYNC else "async")

    if verb in SYNC:
        assert finished(lambda: SYNC[verb](chain, None, 3)), "the call does not end"
    else:
        asyncio.run(_in_time(ASYNC[verb](chain, None, 3)))

    assert sorted(crowd.order) == sorted(in_sequence(tree) * (1 if verb in ONE_INPUT else 3))


MAPS_IN_MAPS = ("row", [("map", ("map", ("leaf", "p"), 2), 3), ("map", ("leaf", "p"), 1), ("leaf", "p")])


@given(trees | rough_trees, st.integers(1, 4), st.integers(0, 60), st.booleans(), st.sampled_from(["threads", "tasks"]))
@example(MAPS_IN_MAPS, 2, 20, True, "tasks")
def test_tree_that_is_cancelled_anywhere_leaves_nothing(
    tree: Any, limit: int, turns: int, streams: bool, leaves: str
) -> None:
    """P04: wherever a call is cancelled, its leaf calls have ended when it has, and the limit around it is whole again."""
    crowd = Crowd(limit)
    chain = built(tree, crowd.leaf if leaves == "threads" else crowd.aleaf, "async")

    async def outer(_: object) -> list[int]:
        task = asyncio.ensure_future(_all(chain.astream(0)) if streams else chain.ainvoke(0))
        for _turn in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert crowd.inside == 0
        together = asyncio.Barrier(limit)
        return await RunnableLambda(lambda number: _met(together, number)).abatch(range(limit))

    async def main() -> None:
        assert await RunnableLambda(outer).ainvoke(0, {"max_concurrency": limit}) == list(range(limit))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(_in_time_alone(main()))


async def _met(together: asyncio.Barrier, number: int) -> int:
    async with together:
        return number


async def _in_time_alone(call: Any) -> None:
    async with asyncio.timeout(SOON / 3):
        await call

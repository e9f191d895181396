"""A dict of steps: they start together, none sees what another does to the input, and one that fails ends them all."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.errors import EmptyStreamError
from plait.runnables import RunnableGenerator, RunnableLambda, RunnableMap, RunnableParallel, RunnablePassthrough

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


# ------------------------------------------------------------------------------------------------------------- values


def test_gives_what_the_branches_give(run: Any) -> None:
    """The output has a key for each branch."""
    assert run(RunnableParallel(a=add_1, b=str), 1) == {"a": 2, "b": "1"}


def test_keys_are_in_the_order_of_the_branches() -> None:
    """The order of the keys is that of the steps, whoever is done first."""
    first_may_end = threading.Event()
    chain = RunnableParallel(slow=lambda _: first_may_end.wait(SOON), fast=lambda _: first_may_end.set())

    assert list(chain.invoke(1)) == ["slow", "fast"]


def test_dict_and_keywords_join(run: Any) -> None:
    """Branches may be given as a dict, as keywords, or as both."""
    assert run(RunnableParallel({"a": add_1, "not a name": str}, b=str), 1) == {"a": 2, "not a name": "1", "b": "1"}
    assert RunnableMap is RunnableParallel


def test_branches_nest(run: Any) -> None:
    """A dict within a dict is a step like any other."""
    assert run(RunnableParallel(a={"b": {"c": add_1}}, d=add_1), 1) == {"a": {"b": {"c": 2}}, "d": 2}


def test_branch_of_none_is_kept(run: Any) -> None:
    """A branch that gives None has its key all the same."""
    assert run(RunnableParallel(a=lambda _: None, b=add_1), 1) == {"a": None, "b": 2}


# --------------------------------------------------------------------------------------------------------- all at once


def test_branches_run_together(run: Any) -> None:
    """P46: branches run at the same time: each waits here until all three have started."""
    together = threading.Barrier(3, timeout=SOON)
    chain = RunnableParallel(
        a=lambda _: together.wait() * 0, b=lambda _: together.wait() * 0, c=lambda _: together.wait() * 0
    )

    assert run(chain, 1) == {"a": 0, "b": 0, "c": 0}


@pytest.mark.parametrize("verb", ["ainvoke", "astream", "abatch"])
async def test_async_branches_run_together(verb: str) -> None:
    """P46: async branches run at the same time."""
    together = asyncio.Barrier(3)

    async def meet(_: object) -> int:
        async with asyncio.timeout(SOON), together:
            return 0

    chain = RunnableParallel(a=meet, b=meet, c=meet)
    if verb == "ainvoke":
        assert await chain.ainvoke(1) == {"a": 0, "b": 0, "c": 0}
    elif verb == "abatch":
        assert await chain.abatch([1]) == [{"a": 0, "b": 0, "c": 0}]
    else:
        assert len([chunk async for chunk in chain.astream(1)]) == 3


def test_more_branches_than_the_default_of_a_batch(run: Any) -> None:
    """All the branches of a dict run together, however many there are."""
    together = threading.Barrier(20, timeout=SOON)
    chain = RunnableParallel({str(number): lambda _: together.wait() * 0 for number in range(20)})

    assert sum(run(chain, 1).values()) == 0


# ------------------------------------------------------------------------------------------------------------ failures


def test_error_in_any_branch_is_raised(run: Any) -> None:
    """P46: whichever branch fails, and in whatever mode, its exception is raised as it is."""
    error = LookupError("mine")

    def fail(_: object) -> None:
        raise error

    for chain in (RunnableParallel(a=fail, b=add_1), RunnableParallel(a=add_1, b=fail)):
        with pytest.raises(LookupError) as caught:
            run(chain, 1)
        assert caught.value is error


@pytest.mark.parametrize("verb", ["ainvoke", "astream", "abatch"])
async def test_failing_branch_cancels_the_others(verb: str) -> None:
    """When one async branch fails the others are cancelled, and have ended when the exception is raised."""
    started, ended = asyncio.Event(), []

    async def endless(_: object) -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("endless")

    async def fail(_: object) -> None:
        await started.wait()
        raise LookupError

    chain = RunnableParallel(a=endless, b=fail)
    async with asyncio.timeout(SOON):
        with pytest.raises(LookupError):
            if verb == "astream":
                [_ async for _ in chain.astream(1)]
            else:
                await (chain.ainvoke(1) if verb == "ainvoke" else chain.abatch([1]))
    assert ended == ["endless"]


@pytest.mark.parametrize("verb", ["invoke", "stream", "batch"])
def test_failing_branch_waits_for_the_others(verb: str) -> None:
    """A thread cannot be cancelled: when one branch fails, what runs has ended when the exception is raised."""
    started, failing, ended = threading.Event(), threading.Event(), []

    def slow(_: object) -> None:
        started.set()
        failing.wait(SOON)
        threading.Event().wait(0.05)  # what the test would not wait for
        ended.append("slow")

    def fail(_: object) -> None:
        started.wait(SOON)
        failing.set()
        raise LookupError

    chain = RunnableParallel(a=slow, b=fail)
    with pytest.raises(LookupError):
        list(chain.stream(1)) if verb == "stream" else chain.batch([1]) if verb == "batch" else chain.invoke(1)
    assert ended == ["slow"]


def test_branch_without_a_chunk_is_an_error(run: Any) -> None:
    """P52: a branch whose stream is empty raises EmptyStreamError in every mode."""

    def silent(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from ()

    with pytest.raises(EmptyStreamError):
        run(RunnableParallel(a=silent, b=add_1), 1)


def test_stream_says_which_branch_was_silent() -> None:
    """P52: the error of a stream names the branch that gave nothing."""

    def silent(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from ()

    with pytest.raises(EmptyStreamError, match="'quiet'"):
        list(RunnableParallel(quiet=silent, b=add_1).stream(1))


# ---------------------------------------------------------------------------------------------- an input for each branch


@pytest.mark.parametrize(
    "kind", [dict, OrderedDict, lambda given: defaultdict(list, given)], ids=["dict", "OrderedDict", "defaultdict"]
)
def test_branch_does_not_see_what_another_does_to_the_input(run: Any, kind: Any) -> None:
    """P47: a branch that edits its dict changes nothing for its sibling, nor for the caller."""
    edited = threading.Event()

    def edit(given: dict[str, Any]) -> int:
        given["new"] = given.pop("old")
        edited.set()
        return len(given)

    def look(given: dict[str, Any]) -> list[str]:
        edited.wait(SOON)
        return sorted(given)

    given = kind({"old": 1})

    assert run(RunnableParallel(edit=edit, look=look), given) == {"edit": 1, "look": ["old"]}
    assert given == {"old": 1}


def test_branch_of_a_stream_does_not_see_what_another_does_to_a_chunk() -> None:
    """P47: each branch of a stream has its own dict for each chunk."""

    def edit(chunks: Iterator[dict[str, int]]) -> Iterator[int]:
        for chunk in chunks:
            chunk["new"] = 0
            yield len(chunk)

    def keys(chunks: Iterator[dict[str, int]]) -> Iterator[list[str]]:
        for chunk in chunks:
            yield sorted(chunk)

    for branches in ({"a": edit, "b": keys}, {"b": keys, "a": edit}):
        seen = [
            chunk["b"] for chunk in RunnableParallel(branches).transform(iter([{"x": 1}, {"x": 2}])) if "b" in chunk
        ]
        assert seen == [["x"], ["x"]]


def test_values_in_the_input_are_not_copied(run: Any) -> None:
    """The copy is shallow: the values are the caller's own objects."""
    value = object()

    assert run(RunnableParallel(a=lambda given: given["v"]), {"v": value})["a"] is value


# -------------------------------------------------------------------------------------------------------------- streams


def test_stream_yields_each_chunk_under_its_key() -> None:
    """The chunks of a branch come one by one, in their order, each as {key: chunk}."""

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    chunks = list(RunnableParallel(a=letters, b=letters).stream("xyz"))

    assert [chunk["a"] for chunk in chunks if "a" in chunk] == ["x", "y", "z"]
    assert [chunk["b"] for chunk in chunks if "b" in chunk] == ["x", "y", "z"]
    assert len(chunks) == 6


def test_fast_branch_is_heard_while_a_slow_one_works() -> None:
    """The chunks of one branch come before another has given its first."""
    heard = threading.Event()
    stream = RunnableParallel(slow=lambda _: heard.wait(SOON), fast=add_1).stream(1)

    assert next(stream) == {"fast": 2}
    heard.set()
    assert list(stream) == [{"slow": True}]


async def test_fast_async_branch_is_heard_while_a_slow_one_works() -> None:
    """The chunks of one branch come before another has given its first."""
    heard = asyncio.Event()

    async def slow(_: object) -> bool:
        return await heard.wait()

    async def fast(_: object) -> int:
        return 2

    stream = RunnableParallel(slow=slow, fast=fast).astream(1)
    assert await anext(stream) == {"fast": 2}
    heard.set()
    assert [chunk async for chunk in stream] == [{"slow": True}]


class Chunk:
    """A chunk that can be watched for being let go."""


def test_branch_that_has_ended_is_not_stored_for() -> None:
    """What a branch that stopped early will never read is not kept for it."""
    alive: list[weakref.ref[Chunk]] = []

    def source(_: Iterator[Any]) -> Iterator[Chunk]:
        for _number in range(200):
            chunk = Chunk()
            alive.append(weakref.ref(chunk))
            yield chunk

    def first(chunks: Iterator[Any]) -> Iterator[int]:
        next(chunks)
        yield 1

    most = 0
    for _ in (RunnableGenerator(source) | {"first": first, "all": RunnablePassthrough()}).stream(1):
        most = max(most, sum(chunk() is not None for chunk in alive))
    assert most < 150  # of 200: it takes a moment to end


async def test_async_branch_that_has_ended_is_not_stored_for() -> None:
    """What a branch that stopped early will never read is not kept for it."""
    alive: list[weakref.ref[Chunk]] = []

    async def source(_: AsyncIterator[Any]) -> AsyncIterator[Chunk]:
        for _number in range(200):
            chunk = Chunk()
            alive.append(weakref.ref(chunk))
            yield chunk

    async def first(chunks: AsyncIterator[Any]) -> AsyncIterator[int]:
        await anext(chunks)
        yield 1

    most = 0
    async for _ in (RunnableGenerator(source) | {"first": first, "all": RunnablePassthrough()}).astream(1):
        most = max(most, sum(chunk() is not None for chunk in alive))
    assert most < 150  # of 200: it takes a moment to end
    gc.collect()


# ------------------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize("steps", [{1: add_1}, {}, {None: add_1}])
def test_keys_are_text_and_there_is_one(steps: Any) -> None:
    """A dict of steps without keys, or with keys that are not text, is refused when it is built."""
    with pytest.raises(TypeError, match="text keys, at least one"):
        RunnableParallel(steps)


def test_value_that_is_no_step_is_refused() -> None:
    """A value that is no runnable, function or dict is refused when the dict of steps is built."""
    with pytest.raises(TypeError, match="Runnable, a function"):
        RunnableLambda(add_1) | {"a": 5}


def test_name_lists_the_keys() -> None:
    """A dict of steps is known by its keys."""
    assert RunnableParallel(a=add_1, b=add_1).get_name() == "RunnableParallel<a,b>"

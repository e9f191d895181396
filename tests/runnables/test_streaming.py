"""Streams: chunks pass as they come, no more is made than is taken, and their sum is the value."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, suppress
from typing import Any

import pytest

from plait.errors import EmptyStreamError
from plait.merging import merge_all
from plait.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

CHUNKWISE = RunnableLambda(lambda chunk: chunk, chunkwise=True)
INLINE = RunnableLambda(lambda chunk: chunk, chunkwise=True, inline=True)
YES = RunnableLambda(lambda _: True, chunkwise=True)


def passed(chunks: Iterator[Any]) -> Iterator[Any]:
    yield from chunks


async def apassed(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk


# Steps that pass each chunk on, alone and joined; what they do to a chunk does not matter here.
STEPS: dict[str, Runnable[Any, Any]] = {
    "passthrough": RunnablePassthrough(),
    "passthroughs": RunnablePassthrough() | RunnablePassthrough() | RunnablePassthrough(),
    "function by chunks": CHUNKWISE,
    "functions by chunks": CHUNKWISE | CHUNKWISE | CHUNKWISE,
    "inline functions by chunks": INLINE | INLINE | INLINE,
    "generator": RunnableGenerator(passed, apassed),
    "generators": RunnableGenerator(passed, apassed) | RunnableGenerator(passed, apassed),
    "sync generators": RunnableGenerator(passed) | RunnableGenerator(passed),
    "binding": RunnableGenerator(passed, apassed).bind().with_config(tags=["t"]),
    "named sequence": RunnablePassthrough().pipe(RunnableGenerator(passed, apassed), name="named"),
    "branch that the first chunk decides": RunnableBranch((YES, RunnableGenerator(passed, apassed)), CHUNKWISE),
    "function that gives a runnable by chunks": RunnableLambda(lambda _: RunnablePassthrough(), chunkwise=True),
    "dict": RunnableParallel(k=RunnablePassthrough()),
    "dict and pick": RunnableParallel(k=RunnablePassthrough(), l=CHUNKWISE).pick("k"),
    "dict, assign and pick": RunnableParallel(k=RunnablePassthrough()).assign(l=CHUNKWISE).pick("k"),
    "sixty steps": CHUNKWISE.pipe(*[RunnableGenerator(passed, apassed)] * 59),
    "everything": (
        RunnablePassthrough()
        | CHUNKWISE
        | INLINE
        | RunnableGenerator(passed, apassed).bind()
        | RunnableBranch((YES, INLINE), INLINE)
    ),
}
LOOK_AHEAD = {"dict": 2}  # a branch may be a chunk ahead of its taker
ONE_BY_ONE = [
    name for name in STEPS if "and pick" not in name
]  # what pick drops is pulled until there is something to take


@pytest.mark.parametrize("config", [None, {"tags": ["t"]}], ids=["plain", "config"])
@pytest.mark.parametrize("name", ONE_BY_ONE)
def test_no_chunk_is_made_before_the_one_before_it_is_taken(name: str, config: RunnableConfig | None) -> None:
    """P02: an endless source is pulled once for each chunk that is taken."""
    made: list[int] = []

    def source() -> Iterator[str]:
        for number in itertools.count():
            made.append(number)
            yield str(number)

    with closing(STEPS[name].transform(source(), config)) as stream:
        for taken in range(1, 6):
            next(stream)
            assert taken <= len(made) <= taken + LOOK_AHEAD.get(name, 0)


@pytest.mark.parametrize("config", [None, {"tags": ["t"]}], ids=["plain", "config"])
@pytest.mark.parametrize("name", ONE_BY_ONE)
async def test_no_chunk_is_made_before_the_one_before_it_is_taken_async(
    name: str, config: RunnableConfig | None
) -> None:
    """P02: an endless async source is pulled once for each chunk that is taken."""
    made: list[int] = []

    async def source() -> AsyncIterator[str]:
        for number in itertools.count():
            made.append(number)
            yield str(number)

    async with aclosing(source()) as chunks, aclosing(STEPS[name].atransform(chunks, config)) as stream:
        for taken in range(1, 6):
            await anext(stream)
            assert taken <= len(made) <= taken + LOOK_AHEAD.get(name, 0)


@pytest.mark.parametrize("name", STEPS)
def test_as_many_chunks_come_out_as_go_in(name: str) -> None:
    """P02: N chunks in, N chunks out."""
    assert len(list(STEPS[name].transform(iter("abcde")))) == 5


@pytest.mark.parametrize("name", STEPS)
async def test_as_many_chunks_come_out_as_go_in_async(name: str) -> None:
    """P02: N chunks in, N chunks out."""

    async def source() -> AsyncIterator[str]:
        for letter in "abcde":
            yield letter

    assert len([chunk async for chunk in STEPS[name].atransform(source())]) == 5


@pytest.mark.parametrize("name", STEPS)
def test_empty_stream_is_an_error_or_stays_empty(name: str) -> None:
    """P52: what has no chunk has no value: no step makes an empty text of it."""
    with suppress(EmptyStreamError, KeyError):
        assert list(STEPS[name].transform(iter(()))) == []


# ---------------------------------------------------------------------------------------------------------------- sums


def test_chunks_of_dicts_are_added_for_the_next_step(run: Any) -> None:
    """P33: dicts that come in chunks reach a function as their sum, key by key."""

    def source(chunks: Iterator[Any]) -> Iterator[dict[str, Any]]:
        yield {"a": "x", "n": 1, "l": [1]}
        yield {"a": "y", "n": 2, "d": {"k": "p"}}
        yield {"l": [2], "d": {"k": "q"}}

    chain = RunnablePassthrough() | source | (lambda given: dict(given))
    assert run(chain, 0) == {"a": "xy", "n": 2, "l": [1, 2], "d": {"k": "pq"}}


@pytest.mark.parametrize(
    "chunks",
    [
        ["a", "b"],
        [[1], [2]],
        [1, 2],
        [None, "a", None],
        [{"a": 1}, {"b": [2]}],
        [True, False],
        [b"a", b"b"],
        [(1,), (2,)],
    ],
    ids=repr,
)
def test_chunks_of_any_json_can_be_added(run: Any, chunks: list[Any]) -> None:
    """P33: what JSON can say is added by one rule, everywhere, and never raises."""

    def source(_: Iterator[Any]) -> Iterator[Any]:
        yield from chunks

    assert run(RunnableGenerator(source) | (lambda value: [value]), 0) == [merge_all(chunks)]


def test_a_single_chunk_is_the_value_itself(run: Any) -> None:
    """P33: a stream of one chunk has that very object as its sum."""
    value = object()

    assert run(RunnableLambda(lambda _: value) | RunnableLambda(lambda given: given), 0) is value


EMPTY = {
    "a function": RunnableLambda(str),
    "a function by chunks, then one": CHUNKWISE | str,
    "a dict": RunnableParallel(a=str),
    "a branch": RunnableBranch((lambda _: True, str), str),
    "a list": RunnableLambda(str).map(),
    "a generator, then a function": RunnableGenerator(passed, apassed) | str,
    "an effect": RunnablePassthrough(lambda _: None),
}


def nothing(_: Iterator[Any]) -> Iterator[Any]:
    yield from ()


@pytest.mark.parametrize("name", EMPTY)
def test_empty_stream_where_a_value_is_needed_is_an_error(run: Any, name: str) -> None:
    """P52: a step that needs a value, and gets a stream that ended without a chunk, raises EmptyStreamError."""
    with pytest.raises(EmptyStreamError):
        run(RunnableGenerator(nothing) | EMPTY[name], 0)


def test_error_of_an_empty_stream_names_the_step() -> None:
    """P52: the error says which step was left without a value."""

    def reader(text: str) -> str:
        return text

    with pytest.raises(EmptyStreamError, match="reader: the stream ended without a chunk, so there is no value"):
        list((RunnableGenerator(nothing) | reader).stream(0))


# ---------------------------------------------------------------------------------------------------------- what is not


def test_plain_function_takes_the_whole() -> None:
    """P02: a function that says nothing about chunks is called once, with the sum."""
    seen: list[str] = []

    assert list((RunnableGenerator(passed) | seen.append).transform(iter("abc"))) == [None]
    assert seen == ["abc"]


def test_stream_of_a_value_is_one_chunk() -> None:
    """What gives a value streams it in one piece."""
    assert list((RunnableLambda(str) | str.upper).stream(5)) == ["5"]


@pytest.mark.parametrize("name", STEPS)
def test_config_that_is_none_is_no_config(run: Any, name: str) -> None:
    """An empty config, and one that says something, change no value."""
    assert run(STEPS[name], "abc") == run(STEPS[name], "abc", {}) == run(STEPS[name], "abc", {"tags": ["t"]})

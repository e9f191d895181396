"""A generator function over chunks as a step: it reads chunks as they come and yields chunks when it likes."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from plait.runnables import RunnableConfig, RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


async def aletters(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for letter in chunk:
            yield letter


class Letters:
    def __call__(self, chunks: Iterator[str]) -> Iterator[str]:
        yield from letters(chunks)

    def method(self, chunks: Iterator[str]) -> Iterator[str]:
        yield from letters(chunks)


@pytest.mark.parametrize(
    "func",
    [letters, functools.partial(letters), Letters(), Letters().method],
    ids=["function", "partial", "object", "method"],
)
def test_generator_is_a_step(run: Any, func: Any) -> None:
    """A generator function that stands in a chain reads the chunks of the step before it, in every mode."""
    assert run(RunnableLambda(str.upper) | func | str, "abc") == "ABC"
    assert list((RunnablePassthrough() | func).stream("abc")) == ["a", "b", "c"]


def test_async_generator_is_a_step(run: Any) -> None:
    """An async generator function is a step of async verbs; sync verbs say that it is async."""
    for func in (aletters, functools.partial(aletters)):
        if run.is_async:
            assert run(RunnablePassthrough() | func, "abc") == "abc"
            continue
        with pytest.raises(TypeError, match=r"letters is async.*use ainvoke, astream or abatch"):
            run(RunnablePassthrough() | func, "abc")


def test_each_colour_has_its_form(run: Any) -> None:
    """With a sync and an async form, each verb runs that of its colour."""

    async def asynchronous(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk + " async"

    def synchronous(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield chunk + " sync"

    assert run(RunnableGenerator(synchronous, asynchronous), "a") == ("a async" if run.is_async else "a sync")


def test_chunks_pass_one_by_one() -> None:
    """N chunks in, N chunks out, each before the next is read."""
    read: list[str] = []

    def noted(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            read.append(chunk)
            yield chunk

    stream = (RunnableGenerator(noted) | letters).transform(iter(["a", "b", "c"]))

    assert next(stream) == "a"
    assert read == ["a"]
    assert list(stream) == ["b", "c"]


async def test_chunks_pass_one_by_one_through_threads() -> None:
    """Under an async verb a sync generator gives each chunk before it reads the next."""
    go_on = threading.Event()

    async def source(_: AsyncIterator[Any]) -> AsyncIterator[str]:
        yield "a"
        await asyncio.to_thread(go_on.wait, SOON)
        yield "b"

    stream = (RunnableGenerator(source) | letters | letters).astream("")
    assert await anext(stream) == "a"
    go_on.set()
    assert [chunk async for chunk in stream] == ["b"]


def test_generator_gets_the_config(run: Any) -> None:
    """A generator function that has a parameter for it gets the config."""

    def tagged(chunks: Iterator[str], config: RunnableConfig) -> Iterator[str]:
        for chunk in chunks:
            yield chunk + "".join(config["tags"])

    assert run(RunnableGenerator(tagged) | letters, "a", {"tags": ["x", "y"]}) == "axy"


def test_async_generator_gets_the_config(run: Any) -> None:
    """An async generator function that has a parameter for it gets the config."""

    async def tagged(chunks: AsyncIterator[str], settings: RunnableConfig) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk + "".join(settings["tags"])

    if run.is_async:
        assert run(RunnableGenerator(tagged) | aletters, "a", {"tags": ["x", "y"]}) == "axy"


def test_error_of_the_input_can_be_caught() -> None:
    """What the steps before raise, is raised where the generator reads."""

    def fail(_: object) -> str:
        raise LookupError("mine")

    def careful(chunks: Iterator[str]) -> Iterator[str]:
        try:
            yield from chunks
        except LookupError as error:
            yield f"caught {error}"

    assert list((RunnableLambda(fail) | careful).stream(1)) == ["caught mine"]


async def test_error_of_the_input_can_be_caught_in_a_thread() -> None:
    """What async steps before raise, is raised where a sync generator reads."""

    async def fail(_: object) -> str:
        raise LookupError("mine")

    def careful(chunks: Iterator[str]) -> Iterator[str]:
        try:
            yield from chunks
        except LookupError as error:
            yield f"caught {error}"

    assert [chunk async for chunk in (RunnableLambda(fail) | careful).astream(1)] == ["caught mine"]


setting: ContextVar[str] = ContextVar("setting", default="none")


def sets_a_variable(chunks: Iterator[str]) -> Iterator[str]:
    """As a generator does that works inside `with` something that is kept in a context variable."""
    token = setting.set("mine")
    try:
        for chunk in chunks:
            yield chunk + setting.get()
    finally:
        setting.reset(token)


IN_ONE_CONTEXT = {
    "alone": RunnableGenerator(sets_a_variable),
    "before another": RunnableGenerator(sets_a_variable) | letters,
    "after a function": RunnableLambda(str) | sets_a_variable,
    "in a dict": RunnableParallel(a=sets_a_variable, b=str),
    "far before another": RunnableGenerator(sets_a_variable).pipe(*[RunnableLambda(str, chunkwise=True)] * 60),
}


@pytest.mark.parametrize("step", IN_ONE_CONTEXT.values(), ids=IN_ONE_CONTEXT)
def test_generator_runs_in_one_context(run: Any, step: Any) -> None:
    """P49: a generator that sets a context variable finds it set after each yield, and can reset it."""
    assert "amine" in str(run(step, "a"))
    assert setting.get() == "none"


def test_generator_that_several_branches_read_runs_in_one_context() -> None:
    """P49: a generator before a dict of steps can keep a context variable, although two threads pull it in turn."""
    read, done = threading.Event(), threading.Event()

    def one(chunks: Iterator[str]) -> Iterator[str]:
        yield next(chunks)
        read.set()
        done.wait(SOON)

    def rest(chunks: Iterator[str]) -> Iterator[str]:
        read.wait(SOON)
        try:
            yield "".join(chunks)
        finally:
            done.set()

    step = RunnableGenerator(sets_a_variable) | {"one": one, "rest": rest}
    values = [value for chunk in step.transform(iter("ab")) for value in chunk.values()]
    assert values == ["amine", "aminebmine"]


async def asets_a_variable(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    token = setting.set("mine")
    try:
        async for chunk in chunks:
            yield chunk + setting.get()
    finally:
        setting.reset(token)


async def test_async_generator_that_several_branches_read_runs_in_one_context() -> None:
    """P49: an async generator before a dict of steps can keep a context variable, although two tasks pull it in turn."""
    read = asyncio.Event()

    async def one(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        yield await anext(chunks)
        read.set()

    async def rest(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        await read.wait()
        async for chunk in chunks:
            yield chunk

    step = RunnableGenerator(asets_a_variable) | {"one": one, "rest": rest}
    values = [value async for chunk in step.astream("a") for value in chunk.values()]
    assert values == ["amine", "amine"]


def test_empty_generator_has_no_value(run: Any) -> None:
    """P52: a generator that yields nothing has no value: an error, never an empty text."""

    def silent(chunks: Iterator[str]) -> Iterator[str]:
        yield from ()

    with pytest.raises(ValueError, match=r"without a chunk|at least one chunk"):
        run(RunnableGenerator(silent), "a")


@pytest.mark.parametrize("given", [5, None, "text", [letters]])
def test_what_is_no_function_is_refused(given: Any) -> None:
    """RunnableGenerator takes generator functions, and says so when it is built."""
    with pytest.raises(TypeError, match="RunnableGenerator takes a generator function, got"):
        RunnableGenerator(given)


def test_coroutine_function_is_refused() -> None:
    """A coroutine function yields nothing, so that it is refused when the step is built."""

    async def coroutine(chunks: AsyncIterator[str]) -> str:
        return ""

    with pytest.raises(TypeError, match="got a coroutine function: make it yield"):
        RunnableGenerator(coroutine)

"""The types of chains, as mypy and pyright see them; never run. A wrong join must be an error, marked here as expected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, assert_type

from plait import (
    Runnable,
    RunnableConfig,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    chain,
)
from plait.runnables import ConfigurableField, RunnableRetry, RunnableWithFallbacks


def length(text: str) -> int:
    return len(text)


def is_even(number: int) -> bool:
    return number % 2 == 0


async def half(number: int) -> float:
    return number / 2


def with_config(text: str, config: RunnableConfig) -> int:
    return len(text) + len(config)


def words(chunks: Iterator[str]) -> Iterator[str]:
    yield from chunks


async def awords(chunks: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        yield chunk.encode()


to_length = RunnableLambda(length)
to_even = RunnableLambda(is_even)

# --- functions, sync and async
assert_type(to_length, RunnableLambda[str, int])
assert_type(RunnableLambda(half), RunnableLambda[int, float])
assert_type(RunnableLambda(with_config), RunnableLambda[str, int])
assert_type(to_length.invoke("a"), int)

# --- sequences
assert_type(to_length | to_even, RunnableSequence[str, bool])
assert_type(to_length | is_even, RunnableSequence[str, bool])
assert_type(to_length | half, RunnableSequence[str, float])
assert_type(length | to_even, RunnableSequence[str, bool])
assert_type(to_length | is_even | str, RunnableSequence[str, str])
assert_type((to_length | is_even).invoke("a"), bool)
assert_type(to_length.pipe(to_even), RunnableSequence[str, bool])
assert_type(to_length.pipe(lambda number: number + 1), RunnableSequence[str, int])

# --- generators
assert_type(RunnableGenerator(words), RunnableGenerator[str, str])
assert_type(RunnableLambda(str.upper) | words, RunnableSequence[str, str])
assert_type(RunnableLambda(str.upper) | awords, RunnableSequence[str, bytes])

# --- dicts, on either side
assert_type(to_length | {"even": to_even, "half": half}, RunnableSequence[str, dict[str, Any]])
assert_type({"n": to_length} | RunnableLambda(len), RunnableSequence[Any, int])
assert_type(RunnableParallel[str]({"n": to_length}), RunnableParallel[str])
assert_type((to_length | {"even": to_even}).pick("even"), RunnableSequence[str, Any])
assert_type((to_length | {"even": to_even}).assign(more=half), RunnableSequence[str, dict[str, Any]])

# --- what is bound keeps its types
assert_type(to_length.bind(stop=["x"]).invoke("a"), int)
assert_type(to_length.with_config(tags=["x"]).invoke("a"), int)
assert_type((to_length.with_config(run_name="n") | to_even).invoke("a"), bool)
assert_type(to_length.with_config(tags=["x"]) | is_even, RunnableSequence[str, bool])

# --- many
assert_type(to_length.map(), RunnableEach[str, int])
assert_type(to_length.map().invoke(["a"]), list[int])
assert_type(to_length.batch(["a"]), list[int])
assert_type(to_length.batch(["a"], return_exceptions=True), list[int | Exception])
assert_type(next(to_length.stream("a")), int)

# --- passthrough
passed: RunnableSequence[str, bool] = RunnablePassthrough[str]() | to_length | to_even
assert_type(passed.invoke("a"), bool)


async def in_async() -> None:
    assert_type(await to_length.ainvoke("a"), int)
    assert_type(await to_length.abatch(["a"]), list[int])
    async for chunk in to_length.astream("a"):
        assert_type(chunk, int)


# --- decorated functions
@chain
def counted(text: str) -> int:
    return len(text)


@chain
async def acounted(text: str) -> int:
    return len(text)


@chain
def spelled(text: str) -> Iterator[str]:
    yield from text


@chain
def routed(text: str) -> Runnable[str, int]:
    return to_length


assert_type(counted, RunnableLambda[str, int])
assert_type(acounted, RunnableLambda[str, int])
assert_type(spelled, RunnableLambda[str, str])
assert_type(routed, RunnableLambda[str, int])
assert_type(counted.invoke("a"), int)


# --- a Runnable of one's own
class Reverse(Runnable[str, str]):
    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input[::-1]


assert_type(Reverse() | to_length, RunnableSequence[str, int])


# --- under failure
assert_type(to_length.with_retry(), RunnableRetry[str, int])
assert_type(to_length.with_retry(retry_if_exception_type=(OSError, ValueError)).invoke("a"), int)
assert_type(to_length.with_retry(retry_if_exception_type=lambda error: bool(error.args)).invoke("a"), int)
assert_type(to_length.with_fallbacks([length, to_length]), RunnableWithFallbacks[str, int])
assert_type(to_length.with_fallbacks([length], exceptions_to_handle=OSError).invoke("a"), int)
assert_type(to_length.with_retry() | is_even, RunnableSequence[str, bool])


# --- configured
field = ConfigurableField(id="f")
assert_type(to_length.configurable_fields(func=field), Runnable[str, int])
assert_type(to_length.configurable_alternatives(field, other=length, made=lambda: to_length).invoke("a"), int)
assert_type(to_length.configurable_fields(func=field) | is_even, RunnableSequence[str, bool])

"""Runnables of a user's own: one method is enough, and whatever else is written is used wherever it can be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from plait.runnables import (
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
)


class OnlyInvoke(Runnable[int, int]):
    def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        return input + kwargs.get("by", 1)


class OnlyAinvoke(Runnable[int, int]):
    async def ainvoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        await asyncio.sleep(0)
        return input + kwargs.get("by", 1)


class Streams(Runnable[str, str]):
    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input

    def stream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[str]:
        yield from input

    async def astream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[str]:
        for letter in input:
            yield letter


class Transforms(Runnable[str, str]):
    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input.upper()

    def transform(self, input: Iterator[str], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[str]:
        for chunk in input:
            yield chunk.upper()


class Hooks(Runnable[str, str]):
    """What a component of the library writes: hooks, not verbs."""

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return input.upper()

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        for chunk in chunks:
            yield chunk.upper()


class EachHook(Runnable[str, str]):
    """A node that streams one to one."""

    _inline = True

    @property
    def _each(self) -> Any:  # type: ignore[override]  # as a property
        return str.upper

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return input.upper()


def test_invoke_is_enough(run: Any) -> None:
    """A class with invoke has every other verb, alone and in a chain."""
    assert run(OnlyInvoke(), 1) == 2
    assert run(OnlyInvoke() | OnlyInvoke() | {"a": OnlyInvoke()}, 1) == {"a": 4}
    assert run(OnlyInvoke().map(), [1, 2]) == [2, 3]


def test_ainvoke_is_enough_for_async_verbs(run: Any) -> None:
    """A class with ainvoke has the async verbs; the sync ones say what is missing."""
    for step, expected in ((OnlyAinvoke(), 2), (OnlyAinvoke() | OnlyAinvoke(), 3)):
        if run.is_async:
            assert run(step, 1) == expected
            continue
        with pytest.raises(TypeError, match="OnlyAinvoke has no synchronous form: use ainvoke, astream or abatch"):
            run(step, 1)


def test_keyword_arguments_reach_own_verbs(run: Any) -> None:
    """P64: what bind says reaches a verb that a user wrote, in every mode."""
    assert run(OnlyInvoke().bind(by=10), 1) == 11
    assert run(OnlyInvoke().bind(by=10) | OnlyInvoke(), 1) == 12


def test_own_stream_is_used() -> None:
    """The stream that a class writes is that of the chain it is in."""
    assert list(Streams().stream("abc")) == ["a", "b", "c"]
    assert list((RunnablePassthrough() | Streams() | RunnablePassthrough()).stream("abc")) == ["a", "b", "c"]
    assert list(Streams().transform(iter(["ab", "c"]))) == ["a", "b", "c"]


async def test_own_astream_is_used() -> None:
    """The astream that a class writes is that of the chain it is in."""
    chain = RunnablePassthrough() | Streams() | RunnablePassthrough()

    assert [chunk async for chunk in Streams().astream("abc")] == ["a", "b", "c"]
    assert [chunk async for chunk in chain.astream("abc")] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [Transforms, Hooks, EachHook])
def test_own_transform_is_used(run: Any, kind: type[Runnable[str, str]]) -> None:
    """A class that works by chunks does so in a chain, and its value is the same in every mode."""
    assert run(kind() | str.lower | kind(), "aBc") == "ABC"
    assert list((kind() | RunnablePassthrough()).transform(iter("abc"))) == ["A", "B", "C"]
    assert list((kind() | kind() | kind()).transform(iter("abc"))) == ["A", "B", "C"]


def test_class_below_an_own_class(run: Any) -> None:
    """What a class inherits from a user's class it can call with super()."""

    class Twice(OnlyInvoke):
        def invoke(self, input: int, config: RunnableConfig | None = None, **kwargs: Any) -> int:
            return super().invoke(super().invoke(input, config), config)

    assert run(Twice(), 1) == run(Twice() | RunnablePassthrough(), 1) == 3


class PlusHundred(RunnableLambda[Any, Any]):
    """A class below one of the library's that changes what invoke gives."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return super().invoke(input, config, **kwargs) + 100

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await super().ainvoke(input, config, **kwargs) + 100


def test_class_below_a_node_of_the_library(run: Any) -> None:
    """P64: the invoke and ainvoke of a class below RunnableLambda are used, alone and in a chain, with a config or without."""
    if run.is_stream:
        return
    step = PlusHundred(lambda number: number + 1)
    for config in (None, {"tags": ["t"]}):
        assert run(step, 1, config) == 102
        assert run(step | RunnablePassthrough(), 1, config) == 102
        assert run(RunnablePassthrough() | step | step, 1, config) == 203


class Loud(RunnableSequence[Any, Any]):
    """A class below the sequence that changes what invoke gives."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return f"{super().invoke(input, config, **kwargs)}!"


def test_class_below_the_sequence_stays_one_step() -> None:
    """P46: a sequence of a class of its own is not taken apart when it is joined, since it may do more than its steps."""
    loud = Loud(str, str.upper)

    assert (loud | RunnablePassthrough()).invoke("a") == (RunnablePassthrough() | loud).invoke("a") == "A!"


def test_config_reaches_own_verbs(run: Any) -> None:
    """The config of the call is handed to a verb that a user wrote."""

    class Tagged(Runnable[Any, Any]):
        def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
            return (config or {}).get("tags")

    assert run(Tagged(), 0, {"tags": ["t"]}) == ["t"]
    assert run(RunnableParallel(a=Tagged()) | RunnablePassthrough(), 0, {"tags": ["t"]}) == {"a": ["t"]}


def test_own_attributes_can_be_set() -> None:
    """A user's class is an ordinary class: it sets its attributes as it likes."""

    class Counting(OnlyInvoke):
        def __init__(self) -> None:
            self.count = 0
            self.name = "counting"

    step = Counting()
    step.count += 1

    assert (step.count, step.get_name()) == (1, "counting")


class CallsAnother(Runnable[Any, Any]):
    """A class that calls another runnable as users do: without handing the config on."""

    def __init__(self, inner: Runnable[Any, Any]) -> None:
        self.inner = inner

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self.inner.invoke(input)


def test_calls_inside_own_verbs_inherit_the_config(run: Any) -> None:
    """P09: what a user's class calls inside its invoke has the config of the call."""
    step = CallsAnother(RunnableLambda(lambda _, config: config["tags"]))

    for chain in (
        step,
        step | RunnablePassthrough(),
        RunnableParallel(a=step).pick("a"),
        step.with_config(run_name="n"),
    ):
        assert run(chain, 0, {"tags": ["t"]}) == ["t"]

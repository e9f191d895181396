"""What every node is: immutable, shareable between threads, copyable, and let go of as soon as nobody uses it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import operator
import pickle
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from plait.runnables import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    coerce_to_runnable,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


async def aadd_1(number: int) -> int:
    return number + 1


def is_even(number: int) -> bool:
    return number % 2 == 0


def letters(chunks: Iterator[Any]) -> Iterator[str]:
    for chunk in chunks:
        yield from str(chunk)


# One of every node, made of functions of this module, with an input and its output.
NODES: dict[str, tuple[Runnable[Any, Any], Any, Any]] = {
    "sequence": (RunnableLambda(add_1) | add_1, 1, 3),
    "long sequence": (RunnableLambda(add_1).pipe(*[add_1] * 20), 1, 22),
    "named sequence": (RunnableLambda(add_1).pipe(add_1, name="named"), 1, 3),
    "parallel": (RunnableParallel(a=add_1, b=str), 1, {"a": 2, "b": "1"}),
    "lambda": (RunnableLambda(add_1), 1, 2),
    "lambda with two forms": (RunnableLambda(add_1, aadd_1), 1, 2),
    "lambda by chunks": (RunnableLambda(add_1, chunkwise=True, inline=True), 1, 2),
    "generator": (RunnableGenerator(letters), 12, "12"),
    "passthrough": (RunnablePassthrough(), 1, 1),
    "passthrough with an effect": (RunnablePassthrough(add_1), 1, 1),
    "assign": (RunnablePassthrough.assign(b=operator.itemgetter("a")), {"a": 1}, {"a": 1, "b": 1}),
    "pick": (RunnablePick("a"), {"a": 1}, 1),
    "branch": (RunnableBranch((is_even, str), add_1), 2, "2"),
    "router": (RouterRunnable({"k": add_1}), {"key": "k", "input": 1}, 2),
    "each": (RunnableLambda(add_1).map(), [1, 2], [2, 3]),
    "binding": (RunnableLambda(add_1).with_config(tags=["t"]).bind(), 1, 2),
    "everything": (
        RunnableLambda(add_1) | {"a": add_1, "b": RunnableBranch((is_even, str), add_1)} | RunnablePick("a"),
        1,
        3,
    ),
}


@pytest.mark.parametrize("name", NODES)
def test_node_gives_its_value(run: Any, name: str) -> None:
    """Each node of this list works in every mode."""
    node, value, expected = NODES[name]

    assert run(node, value) == expected


@pytest.mark.parametrize("name", NODES)
def test_nodes_are_immutable(name: str) -> None:
    """An attribute of a node can be neither set nor deleted, since the node may be in use."""
    node = NODES[name][0]
    for attribute in [*vars(node), "new"]:
        with pytest.raises(AttributeError, match="is immutable: it may be in use; build a new one"):
            setattr(node, attribute, None)
    for attribute in vars(node):
        with pytest.raises(AttributeError, match="is immutable"):
            delattr(node, attribute)


def by_pickle(node: Any) -> Any:
    return pickle.loads(pickle.dumps(node))


@pytest.mark.parametrize("name", NODES)
def test_nodes_can_be_copied(run: Any, name: str) -> None:
    """A chain of functions of modules survives pickle and copy, before and after it was used, and works as before."""
    node, value, expected = NODES[name]

    for duplicate in (by_pickle, copy.deepcopy, copy.copy) * 2:
        twin = duplicate(node)
        assert run(twin, value) == run(node, value) == expected
        assert run(twin | RunnablePassthrough(), value) == expected
        assert repr(twin) == repr(node)
        assert twin.get_name() == node.get_name()


def test_steps_that_are_handed_out_are_copies() -> None:
    """What a property shows of the steps is not the node's own dict or list."""
    parallel, sequence = RunnableParallel(a=add_1, b=add_1), RunnableLambda(add_1) | add_1 | add_1
    parallel.steps.clear()
    sequence.middle.clear()

    assert (len(parallel.steps), len(sequence.middle)) == (2, 1)


def test_dict_of_steps_that_is_changed_later_changes_nothing() -> None:
    """A node has its own copy of the dict that it was built from."""
    steps: dict[str, Any] = {"a": add_1}
    node, router = coerce_to_runnable(steps), RouterRunnable(steps)
    steps["b"] = add_1

    assert node.invoke(1) == {"a": 2}
    with pytest.raises(KeyError):
        router.invoke({"key": "b", "input": 1})


def test_one_chain_in_sixteen_threads() -> None:
    """A chain that sixteen threads use at once, in all verbs, from its very first call, gives each its own values."""
    chain = RunnableLambda(add_1) | {"a": add_1, "b": str} | RunnablePick("a")
    together = threading.Barrier(16, timeout=SOON)

    async def all_async(number: int) -> list[Any]:
        streamed = [chunk async for chunk in chain.astream(number)]
        return [await chain.ainvoke(number), *await chain.abatch([number]), *streamed]

    def work(thread: int) -> bool:
        together.wait()
        for turn in range(5):
            number = thread * 1000 + turn
            found = [
                chain.invoke(number),
                *chain.batch([number]),
                *chain.stream(number),
                *asyncio.run(all_async(number)),
            ]
            if found != [number + 2] * 6:
                return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(work, range(16)))


def test_types_can_be_written_out() -> None:
    """A node with its types in brackets is built as it is without."""
    assert RunnableLambda[int, int](add_1).invoke(1) == 2
    assert RunnablePassthrough[int]().invoke(1) == 1


# ------------------------------------------------------------------------------------------------- nothing is held on to


class Thing:
    """Something of a user's that can be watched for being let go."""


def gone(reference: weakref.ref[Any]) -> bool:
    """Whether it goes without the garbage collector; a thread may need a moment to put down what it holds."""
    for _ in range(50):
        if reference() is None:
            return True
        time.sleep(0.005)
    return False


@pytest.fixture
def no_collector() -> Iterator[None]:
    """For tests that are about reference counts: what is in a cycle stays."""
    gc.disable()
    yield
    gc.enable()


def same(value: Any) -> Any:
    return value


def boom(_: object) -> None:
    raise LookupError


async def asame(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def aboom(_: object) -> None:
    await asyncio.sleep(0)
    raise LookupError


def twice(chunks: Iterator[Any]) -> Iterator[Any]:
    for chunk in chunks:
        yield chunk
        yield chunk


async def atwice(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for chunk in chunks:
        yield chunk
        yield chunk


def bad_end(chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from chunks
    finally:
        raise LookupError


async def abad_end(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        raise LookupError


def first_of(stream: Any) -> None:
    next(stream)
    stream.close()


async def afirst_of(stream: Any) -> None:
    await anext(stream)
    await stream.aclose()


async def aall_of(stream: Any) -> None:
    async for _ in stream:
        pass


async def cancelled(call: Any) -> None:
    """The call, cancelled as soon as it waits for something."""
    task = asyncio.ensure_future(call)
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=SOON)


async def endless(_: object) -> None:
    await asyncio.Event().wait()


RELEASE = threading.Event()


async def cancelled_in_a_thread(thing: Any) -> None:
    RELEASE.clear()

    def wait(_: object) -> None:
        RELEASE.wait(SOON)

    task = asyncio.ensure_future(RunnableLambda(wait).ainvoke(thing))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    RELEASE.set()
    await asyncio.wait([task], timeout=SOON)


SAME, ASAME = RunnableLambda(same), RunnableLambda(asame)
DICT, ADICT = RunnableParallel(a=same, b=same), RunnableParallel(a=asame, b=asame)
CALLS: dict[str, Callable[[Any], Any]] = {
    "invoke": lambda thing: (SAME | same).invoke(thing),
    "invoke that fails": lambda thing: (SAME | boom).invoke(thing),
    "invoke with a config": lambda thing: (SAME | same).invoke(thing, {"tags": ["t"], "max_concurrency": 2}),
    "dict": DICT.invoke,
    "dict that fails": RunnableParallel(a=same, b=boom).invoke,
    "batch": lambda thing: SAME.batch([thing] * 5),
    "batch that fails": lambda thing: RunnableLambda(boom).batch([thing] * 5),
    "batch that keeps failures": lambda thing: RunnableLambda(boom).batch([thing] * 5, return_exceptions=True) and None,
    "stream": lambda thing: list((SAME | twice | RunnablePassthrough()).stream(thing)),
    "stream that fails": lambda thing: list((SAME | twice | boom).stream(thing)),
    "stream that is closed": lambda thing: first_of((SAME | twice).stream(thing)),
    "stream that fails to close": lambda thing: first_of((SAME | twice | bad_end).stream(thing)),
    "stream of a dict": lambda thing: list((SAME | twice | DICT).stream(thing)),
    "stream of a dict that fails": lambda thing: list((SAME | twice | {"a": same, "b": boom}).stream(thing)),
    "stream of a dict whose input fails": lambda thing: list((RunnableLambda(boom) | DICT).stream(thing)),
    "stream of a dict that is closed": lambda thing: first_of(
        (RunnableGenerator(twice) | {"a": twice, "b": twice}).stream(thing)
    ),
    "long stream": lambda thing: list(
        RunnableGenerator(twice).pipe(*[RunnablePassthrough().bind()] * 100).stream(thing)
    ),
    "long stream that is closed": lambda thing: first_of(
        RunnableGenerator(twice).pipe(*[RunnablePassthrough().bind()] * 100).stream(thing)
    ),
    "as completed": lambda thing: list(SAME.batch_as_completed([thing] * 30)),
    "as completed that fails": lambda thing: list(RunnableLambda(boom).batch_as_completed([thing] * 30)),
    "as completed that is closed": lambda thing: first_of(SAME.batch_as_completed([thing] * 30)),
    "in order": lambda thing: list(SAME.batch_iter([thing] * 30)),
}
ACALLS: dict[str, Callable[[Any], Any]] = {
    "ainvoke": lambda thing: (ASAME | asame).ainvoke(thing),
    "ainvoke in a thread": lambda thing: (SAME | same).ainvoke(thing),
    "ainvoke that fails": lambda thing: (ASAME | aboom).ainvoke(thing),
    "ainvoke that fails in a thread": lambda thing: (SAME | boom).ainvoke(thing),
    "ainvoke with a config": lambda thing: (ASAME | asame).ainvoke(thing, {"tags": ["t"], "max_concurrency": 2}),
    "ainvoke that is cancelled": lambda thing: cancelled((ASAME | endless).ainvoke(thing)),
    "ainvoke that is cancelled in a thread": cancelled_in_a_thread,
    "dict": lambda thing: ADICT.ainvoke(thing),
    "dict in threads": lambda thing: DICT.ainvoke(thing),
    "dict that fails": lambda thing: RunnableParallel(a=asame, b=aboom).ainvoke(thing),
    "dict that is cancelled": lambda thing: cancelled(RunnableParallel(a=endless, b=endless).ainvoke(thing)),
    "dict with a limit": lambda thing: ADICT.ainvoke(thing, {"max_concurrency": 1}),
    "abatch": lambda thing: ASAME.abatch([thing] * 5),
    "abatch that fails": lambda thing: RunnableLambda(aboom).abatch([thing] * 5),
    "astream": lambda thing: aall_of((ASAME | atwice | RunnablePassthrough()).astream(thing)),
    "astream that fails": lambda thing: aall_of((ASAME | atwice | aboom).astream(thing)),
    "astream that is closed": lambda thing: afirst_of((ASAME | atwice).astream(thing)),
    "astream in threads that is closed": lambda thing: afirst_of((SAME | twice | twice).astream(thing)),
    "astream that fails to close": lambda thing: afirst_of((ASAME | atwice | abad_end).astream(thing)),
    "astream of a dict": lambda thing: aall_of((ASAME | atwice | ADICT).astream(thing)),
    "astream of a dict that fails": lambda thing: aall_of((ASAME | atwice | {"a": asame, "b": aboom}).astream(thing)),
    "astream of a dict whose input fails": lambda thing: aall_of((RunnableLambda(aboom) | ADICT).astream(thing)),
    "astream of a dict that is closed": lambda thing: afirst_of(
        (RunnableGenerator(atwice) | {"a": atwice, "b": atwice}).astream(thing)
    ),
    "astream of a dict that is cancelled": lambda thing: cancelled(
        aall_of(RunnableParallel(a=endless, b=endless).astream(thing))
    ),
    "as completed": lambda thing: aall_of(ASAME.abatch_as_completed([thing] * 30)),
    "as completed that fails": lambda thing: aall_of(RunnableLambda(aboom).abatch_as_completed([thing] * 30)),
    "as completed that is closed": lambda thing: afirst_of(ASAME.abatch_as_completed([thing] * 30)),
}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", CALLS)
def test_input_is_let_go_when_the_call_has_ended(name: str) -> None:
    """No cycle, thread or cache holds an input after its call, however that ended."""
    thing: Any = Thing()
    reference = weakref.ref(thing)
    with contextlib.suppress(LookupError):
        CALLS[name](thing)
    del thing

    assert gone(reference)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", ACALLS)
def test_input_is_let_go_when_the_async_call_has_ended(name: str) -> None:
    """No cycle, task, thread or cache holds an input after its call, however that ended."""

    async def call() -> weakref.ref[Thing]:
        thing = Thing()
        with contextlib.suppress(LookupError):
            await ACALLS[name](thing)
        return weakref.ref(thing)

    async def main() -> bool:
        reference = await call()
        for _ in range(50):
            if reference() is None:
                return True
            await asyncio.sleep(0.005)
        return False

    assert asyncio.run(main())


class Func:
    """A function of a user's that can be watched for being let go."""

    def __call__(self, value: Any) -> Any:
        return value


HOLDERS: dict[str, Callable[[Func], Runnable[Any, Any]]] = {
    "lambda": RunnableLambda,
    "lambda by chunks": lambda func: RunnableLambda(func, chunkwise=True, inline=True),
    "lambda by chunks with a config": lambda func: RunnableLambda(
        lambda value, config: func(value), chunkwise=True, inline=True
    ),
    "sequence": lambda func: RunnableLambda(func) | func | RunnablePassthrough(),
    "parallel": lambda func: RunnableParallel(a=func, b=func) | RunnablePick("a"),
    "assign": lambda func: RunnableParallel(a=func) | RunnablePassthrough.assign(b=func) | RunnablePick("a"),
    "branch": lambda func: RunnableBranch((func, func), func),
    "map": lambda func: RunnableLambda(lambda value: [value]) | RunnableLambda(func).map(),
    "binding": lambda func: RunnableLambda(func).with_config(tags=["t"]).bind(),
}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("name", HOLDERS)
def test_function_is_let_go_with_its_chain(run: Any, name: str) -> None:
    """Nothing process-wide remembers a function: it goes with the last chain that uses it, without the collector."""
    func: Any = Func()
    chain: Any = HOLDERS[name](func)
    reference = weakref.ref(func)
    run(chain, 1)
    run(chain | RunnablePassthrough(), 1, {"tags": ["t"]})
    repr(chain)
    del func, chain

    assert gone(reference)

"""A function as a step: whatever kind of function, on whichever thread, and whatever it gives back."""

from __future__ import annotations

import asyncio
import functools
import linecache
import operator
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

from plait.errors import RecursionLimitError
from plait.runnables import (
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    chain,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


async def aadd_1(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


def add(first: int, second: int) -> int:
    return first + second


async def aadd(first: int, second: int) -> int:
    return first + second


def passed_on(func: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator as most are written: a plain function around any other."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


class Adder:
    def __call__(self, number: int) -> int:
        return number + 1

    def method(self, number: int) -> int:
        return number + 1

    async def amethod(self, number: int) -> int:
        return number + 1

    @staticmethod
    def static(number: int) -> int:
        return number + 1

    @staticmethod
    async def astatic(number: int) -> int:
        return number + 1

    @classmethod
    def of_class(cls, number: int) -> int:
        return number + 1

    @classmethod
    async def aof_class(cls, number: int) -> int:
        return number + 1


class AsyncAdder:
    async def __call__(self, number: int) -> int:
        return number + 1


class Awaitable:
    """What is awaited need not be a coroutine."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __await__(self) -> Any:
        yield from asyncio.sleep(0).__await__()
        return self.number


SYNC_FORMS = {
    "function": add_1,
    "lambda": lambda number: number + 1,
    "partial": functools.partial(add, 1),
    "partial of a partial": functools.partial(functools.partial(add), 1),
    "method": Adder().method,
    "static method": Adder.static,
    "class method": Adder.of_class,
    "callable object": Adder(),
    "partial of a callable object": functools.partial(Adder()),
    "decorated": passed_on(add_1),
    "cached": functools.lru_cache(add_1),
    "builtin method": (1).__add__,
}
ASYNC_FORMS = {
    "function": aadd_1,
    "partial": functools.partial(aadd, 1),
    "partial of a partial": functools.partial(functools.partial(aadd), 1),
    "method": Adder().amethod,
    "partial of a method": functools.partial(Adder().amethod),
    "static method": Adder.astatic,
    "class method": Adder.aof_class,
    "callable object": AsyncAdder(),
    "partial of a callable object": functools.partial(AsyncAdder()),
    "decorated": passed_on(aadd_1),
    "decorated twice": passed_on(passed_on(aadd_1)),
    "lambda that gives a coroutine": lambda number: aadd_1(number),
    "lambda that gives an awaitable": lambda number: Awaitable(number + 1),
}


# ------------------------------------------------------------------------------------------------- kinds of functions


@pytest.mark.parametrize("func", SYNC_FORMS.values(), ids=SYNC_FORMS)
def test_any_callable_is_a_step(run: Any, func: Any) -> None:
    """Functions, methods, partials, callable objects and builtins give their value in every mode."""
    assert run(RunnableLambda(func) | RunnablePassthrough(), 1) == 2


@pytest.mark.parametrize("func", [int, str.strip, operator.itemgetter(0)], ids=repr)
def test_builtin_callables_are_steps(run: Any, func: Any) -> None:
    """A class, a method of a builtin type and an itemgetter are functions too."""
    assert run(RunnableLambda(func), "7") in (7, "7")


@pytest.mark.parametrize("func", ASYNC_FORMS.values(), ids=ASYNC_FORMS)
def test_any_async_callable_is_awaited(run: Any, func: Any) -> None:
    """P50: whatever form an async function has, async verbs await it and sync verbs refuse it with one clear error."""
    step = RunnableLambda(func) | RunnablePassthrough()
    if run.is_async:
        assert run(step, 1) == 2
        return
    with pytest.raises(TypeError, match=r"is async.*use ainvoke, astream or abatch"):
        run(step, 1)


def test_async_callable_is_awaited_inside_others(run: Any) -> None:
    """P50: it does not matter where in a chain the async function stands."""
    for name, func in ASYNC_FORMS.items():
        step = (
            RunnableLambda(add_1) | {"a": func, "b": RunnablePassthrough()} | {"sum": lambda given: sum(given.values())}
        )
        if run.is_async:
            assert run(step, 1) == {"sum": 5}, name
            continue
        with pytest.raises(TypeError, match=r"is async.*use ainvoke"):
            run(step, 1)


def test_sync_adapter_of_an_async_function_is_sync(run: Any) -> None:
    """P50: a wrapper that runs the async function itself is what it looks like: a plain function."""

    @functools.wraps(aadd_1)
    def adapter(number: int) -> int:
        coroutine = aadd_1(number)
        try:
            return asyncio.run(coroutine)
        finally:
            coroutine.close()

    assert run(RunnableLambda(adapter), 1) == 2


def test_async_chunkwise_function_is_awaited(run: Any) -> None:
    """P50: a plain function that gives an awaitable is awaited chunk by chunk as well, inline or not."""
    for inline in (False, True):
        step = RunnableLambda(lambda number: aadd_1(number), chunkwise=True, inline=inline)
        if run.is_async:
            assert run(step | RunnablePassthrough(), 1) == 2
            continue
        with pytest.raises(TypeError, match=r"is async.*use ainvoke"):
            run(step, 1)


def test_each_colour_has_its_form(run: Any) -> None:
    """With a sync and an async form, each verb calls that of its colour."""

    async def asynchronous(_: object) -> str:
        return "async"

    assert run(RunnableLambda(lambda _: "sync", asynchronous) | str, 1) == ("async" if run.is_async else "sync")


def test_generator_function_streams() -> None:
    """The chunks that a generator function yields are the stream; it gets the whole input."""

    def letters(text: str) -> Iterator[str]:
        yield from text

    step = RunnableLambda(letters)

    assert list(step.transform(iter(["ab", "c"]))) == ["a", "b", "c"]


def test_generator_function_has_a_value(run: Any) -> None:
    """The value of a generator function is the sum of what it yields."""

    def letters(text: str) -> Iterator[str]:
        yield from text

    assert run(RunnableLambda(letters) | str.upper, "abc") == "ABC"


def test_async_generator_function_has_a_value(run: Any) -> None:
    """P50: the value of an async generator function is the sum of what it yields; sync verbs refuse it."""

    async def letters(text: str) -> AsyncIterator[str]:
        for letter in text:
            yield letter

    for func in (letters, functools.partial(letters)):
        if run.is_async:
            assert run(RunnableLambda(func) | str.upper, "abc") == "ABC"
            continue
        with pytest.raises(TypeError, match=r"is async.*use ainvoke"):
            run(RunnableLambda(func), "abc")


async def test_generator_function_streams_under_an_async_verb() -> None:
    """The chunks of a sync generator function come one by one from astream."""
    may_go_on = threading.Event()

    def letters(text: str) -> Iterator[str]:
        yield text[0]
        may_go_on.wait(SOON)
        yield text[1:]

    stream = RunnableLambda(letters).astream("abc")
    assert await anext(stream) == "a"
    may_go_on.set()
    assert [chunk async for chunk in stream] == ["bc"]


def test_call_of_the_step_is_a_call_of_the_function() -> None:
    """A decorated function can still be called as the function that it is."""

    @chain
    def plus(number: int, by: int = 1) -> int:
        return number + by

    assert plus(1, by=2) == 3
    assert plus.invoke(1) == 2
    assert plus.get_name() == "plus"


# ------------------------------------------------------------------------------------------------------- where it runs


@pytest.mark.parametrize("verb", ["ainvoke", "astream", "abatch"])
async def test_sync_function_leaves_the_event_loop_free(verb: str) -> None:
    """P27: under an async verb a sync function runs in a thread, while the loop goes on."""
    loop_went_on = threading.Event()

    def blocking(_: object) -> bool:
        return loop_went_on.wait(SOON)

    asyncio.get_running_loop().call_soon(loop_went_on.set)
    step = RunnableLambda(blocking)
    if verb == "astream":
        assert [chunk async for chunk in step.astream(1)] == [True]
    else:
        assert await (step.ainvoke(1) if verb == "ainvoke" else step.abatch([1])) in (True, [True])


def where(_: object) -> int:
    return threading.get_ident()


def yields_where(chunks: Any) -> Iterator[int]:
    for _ in chunks:
        yield threading.get_ident()


@chain
def gives_a_runnable(_: object) -> Any:
    return RunnableLambda(where) | str


async def gives_a_runnable_later(_: object) -> Any:
    return RunnableLambda(where)


OFF_LOOP = {
    "a function": RunnableLambda(where),
    "a function in a chain": RunnablePassthrough() | where,
    "a function by chunks": RunnableLambda(where, chunkwise=True),
    "a function that gives a runnable": gives_a_runnable,
    "an async function that gives a runnable": RunnableLambda(gives_a_runnable_later),
    "an inline function that gives a runnable": RunnableLambda(lambda _: RunnableLambda(where), inline=True),
    "an inline function by chunks that gives a runnable": (
        RunnableLambda(lambda _: RunnableLambda(where), inline=True, chunkwise=True) | RunnablePassthrough()
    ),
    "a branch of a dict": {"a": where} | RunnablePassthrough() | operator.itemgetter("a"),
    "a generator function": RunnableLambda(lambda _: threading.get_ident()),
    "a generator": RunnableGenerator(yields_where),
    "a list of inputs": RunnableLambda(lambda _: [1], inline=True)
    | RunnableLambda(where).map()
    | operator.itemgetter(0),
    "a function with a config": RunnableLambda(where).with_config(tags=["a"]),
}


@pytest.mark.parametrize("step", OFF_LOOP.values(), ids=OFF_LOOP)
def test_sync_code_never_runs_on_the_loop(run: Any, step: Any) -> None:
    """P27: wherever a sync function stands, no async verb calls it on the thread of its loop."""
    if run.is_async:
        assert int(run(step, 1)) != threading.get_ident()


async def test_inline_function_runs_on_the_loop() -> None:
    """P27: inline=True says that a function is quick, so that it is called where the loop is."""
    assert await RunnableLambda(where, inline=True).ainvoke(1) == threading.get_ident()
    assert await RunnableLambda(where).ainvoke(1) != threading.get_ident()


def test_building_a_step_reads_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """P27: a function is looked at, not read: no source file is opened when a step is built or shown."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a source file was read")

    for name in ("getlines", "getline", "updatecache", "checkcache"):
        monkeypatch.setattr(linecache, name, refuse)
    monkeypatch.setattr("builtins.open", refuse)

    assert repr(RunnableLambda(add_1) | (lambda number: number)) == "RunnableLambda(add_1) | RunnableLambda(<lambda>)"


# --------------------------------------------------------------------------------------------------- giving a runnable


def test_runnable_that_a_function_gives_is_run_on_the_same_input(run: Any) -> None:
    """A function may choose a runnable instead of giving a value."""

    @chain
    def choose(number: int) -> Any:
        return RunnableLambda(add_1) if number > 0 else RunnableLambda(str)

    assert run(choose, 1) == 2
    assert run(choose, -1) == "-1"


def test_async_function_may_give_a_runnable(run: Any) -> None:
    """An async function may choose a runnable, too."""

    async def choose(number: int) -> Any:
        return RunnableLambda(add_1)

    if run.is_async:
        assert run(RunnableLambda(choose) | add_1, 1) == 3


def test_given_runnable_may_give_a_runnable(run: Any) -> None:
    """What is given may itself be a function that gives one, and so on."""

    @chain
    def outer(_: int) -> Any:
        return RunnableLambda(lambda _: RunnableLambda(lambda _: RunnableLambda(add_1)))

    assert run(outer | add_1, 1) == 3


def test_given_runnable_streams() -> None:
    """The chunks of a runnable that a function gives are passed on one by one."""

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    assert list(RunnableLambda(lambda _: RunnableGenerator(letters)).stream("abc")) == ["a", "b", "c"]


def test_endless_giving_of_runnables_is_stopped(run: Any) -> None:
    """P36: a function that gives itself ends with an error that names it and the limit."""

    def again(_: int) -> Any:
        return RunnableLambda(again)

    with pytest.raises(RecursionLimitError, match=r"'again'.*26 deep.*recursion_limit is 25"):
        run(RunnableLambda(again), 1)


def test_recursion_limit_counts_the_depth(run: Any) -> None:
    """P36: recursion_limit says how deep functions may go on giving runnables; one less is refused."""

    def down(number: int) -> Any:
        return RunnableLambda(lambda _: down(number - 1)) if number else RunnableLambda(lambda _: "bottom")

    assert run(RunnableLambda(lambda _: down(5)), 1, {"recursion_limit": 6}) == "bottom"
    with pytest.raises(RecursionLimitError, match="recursion_limit is 5"):
        run(RunnableLambda(lambda _: down(5)), 1, {"recursion_limit": 5})


def test_recursion_limit_is_not_used_up_by_neighbours(run: Any) -> None:
    """P36: the depth is counted, not the number of functions that give a runnable."""
    gives_one = RunnableLambda(lambda _: RunnableLambda(add_1))

    assert run(gives_one | gives_one | gives_one, 1, {"recursion_limit": 1}) == 4


def test_recursion_limit_is_inherited(run: Any) -> None:
    """P36: a limit holds for calls that a function makes itself, through whatever wraps it."""

    def again(_: int) -> Any:
        return RunnableLambda(again).with_config(tags=["wrapped"])

    def outer(number: int) -> Any:
        return RunnableLambda(again).invoke(number)

    with pytest.raises(RecursionLimitError, match="recursion_limit is 3"):
        run(RunnableLambda(outer), 1, {"recursion_limit": 3})


# ----------------------------------------------------------------------------------------------------------- by chunks


def test_chunkwise_function_streams() -> None:
    """P02: a function that says chunkwise=True gets each chunk as it comes; otherwise it gets the whole."""
    upper = RunnableLambda(str.upper, chunkwise=True) | RunnablePassthrough()

    assert list(upper.transform(iter("abc"))) == ["A", "B", "C"]
    assert list(RunnableLambda(str.upper).transform(iter("abc"))) == ["ABC"]


@pytest.mark.parametrize("inline", [False, True])
async def test_chunkwise_function_streams_under_an_async_verb(inline: bool) -> None:
    """P02: chunkwise=True streams in both colours, inline or not."""

    async def source(text: str) -> AsyncIterator[str]:
        for letter in text:
            yield letter

    step = RunnableLambda(source) | RunnableLambda(str.upper, chunkwise=True, inline=inline) | RunnablePassthrough()

    assert [chunk async for chunk in step.astream("abc")] == ["A", "B", "C"]


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("config", [None, {"tags": ["a"]}])
def test_chunkwise_generator_function_may_give_any_number(inline: bool, config: RunnableConfig | None) -> None:
    """A chunkwise generator function yields as many chunks for each chunk as it likes, none as well."""

    def twice_unless_b(letter: str) -> Iterator[str]:
        if letter != "b":
            yield letter
            yield letter

    step = RunnableLambda(twice_unless_b, chunkwise=True, inline=inline) | RunnablePassthrough()

    assert list(step.transform(iter("abc"), config)) == ["a", "a", "c", "c"]


def test_chunkwise_functions_next_to_each_other(run: Any) -> None:
    """A row of functions by chunks gives what the same functions give for the whole."""
    row = [
        RunnableLambda(func, chunkwise=True, inline=True) for func in (str.strip, str.upper, lambda text: text + text)
    ]

    assert run(row[0] | row[1] | row[2], " a ") == "AA"


# ----------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("given", [5, None, "text", {"a": add_1}])
def test_what_is_no_function_is_refused(given: Any) -> None:
    """RunnableLambda takes functions only, and says so when it is built."""
    with pytest.raises(TypeError, match="RunnableLambda takes a function, got"):
        RunnableLambda(given)
    with pytest.raises(TypeError, match="RunnableLambda takes a function, got"):
        RunnableLambda(add_1, given) if given is not None else RunnableLambda(given)


def test_runnable_needs_no_wrapping() -> None:
    """A runnable inside a RunnableLambda is a mistake that is told when it is built."""
    with pytest.raises(TypeError, match="RunnableParallel<a>, which needs no wrapping"):
        RunnableLambda(RunnableParallel(a=add_1))  # type: ignore[arg-type]  # on purpose


def test_two_async_forms_are_refused() -> None:
    """Of two forms the first must be the sync one."""

    async def first(number: int) -> int:
        return number

    with pytest.raises(TypeError, match="is async already"):
        RunnableLambda(first, first)


def test_refused_coroutine_is_closed() -> None:
    """P50: a sync verb that meets a coroutine closes it, so that no warning says it was never awaited."""
    made: list[Coroutine[Any, Any, int]] = []

    def give(number: int) -> Any:
        made.append(aadd_1(number))
        return made[0]

    with pytest.raises(TypeError, match="is async"):
        RunnableLambda(give).invoke(1)
    assert made[0].cr_frame is None

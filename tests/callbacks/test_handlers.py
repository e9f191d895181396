"""Handlers: each hears what happened, once, in order, in every mode and colour, and disturbs nobody."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from plait.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from plait.errors import ConfigError
from plait.runnables import RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def add_1(number: int) -> int:
    return number + 1


def double(number: int) -> int:
    return number * 2


def fail(_: object) -> None:
    raise LookupError("mine")


def endless(chunks: Iterator[Any]) -> Iterator[str]:
    next(chunks)
    while True:
        yield "a"


CHAIN = RunnableLambda(add_1).pipe(double, name="whole")


# ------------------------------------------------------------------------------------------------------ what it is told


def test_handler_hears_every_run_in_order(run: Any, notes: Any) -> None:
    """A chain and its steps begin and end in their order, told by plain and by async methods alike."""
    assert run(CHAIN, 1, {"callbacks": [notes]}) == 4

    starts = [name for method, name in notes.steps if method == "on_chain_start"]
    ends = [name for method, name in notes.steps if method == "on_chain_end"]
    assert starts == ["whole", "add_1", "double"]
    assert ends == ["add_1", "double", "whole"]
    assert len(notes.told) == 6
    assert notes.faults == []
    assert notes.open == {}


def test_start_tells_who_and_what(run: Any, noting: Any) -> None:
    """A start has the input, the ids, the tags and the metadata, and says what runs without a field of it."""
    handler, run_id = noting("on_chain_start"), uuid4()
    secret = RunnableLambda(add_1).bind()

    run(secret, 1, {"callbacks": [handler], "run_id": run_id, "run_name": "mine", "tags": ["t"], "metadata": {"k": 1}})

    [(_, (serialized, inputs), facts)] = handler.told
    assert inputs == 1
    assert serialized == {
        "lc": 1,
        "type": "not_implemented",
        "id": ["plait", "runnables", "base", "RunnableLambda"],
        "name": "mine",
    }
    assert facts == {
        "run_id": run_id,
        "parent_run_id": None,
        "tags": ["t"],
        "metadata": {"k": 1},
        "name": "mine",
        "run_type": "chain",
    }


def test_steps_have_the_id_of_their_chain(run: Any, noting: Any) -> None:
    """P09: ``parent_run_id`` is the ``run_id`` of the chain, as a UUID."""
    handler = noting("on_chain_start")

    run(CHAIN, 1, {"callbacks": [handler]})

    whole, *steps = (told.facts for told in handler.told)
    assert isinstance(whole["run_id"], UUID)
    assert {step["parent_run_id"] for step in steps} == {whole["run_id"]}
    assert len({step["run_id"] for step in steps}) == 2


def test_end_tells_outputs_and_inputs(run: Any, noting: Any) -> None:
    """An end has the output, of a stream the sum of its chunks, and the whole input."""
    handler = noting("on_chain_end")

    run(RunnableLambda(double), "ab", {"callbacks": [handler]})

    told = handler.of("on_chain_end")
    assert (told.args, told.facts["inputs"]) == (("abab",), "ab")


def test_error_tells_the_exception(run: Any, noting: Any) -> None:
    """An error has the very exception, for the step and for each chain around it, and there is no end beside it."""
    handler = noting("on_chain_start", "on_chain_end", "on_chain_error", "on_chain_cancelled")

    with pytest.raises(LookupError) as caught:
        run(RunnableLambda(add_1).pipe(fail, double, name="whole"), 1, {"callbacks": [handler]})

    errors = [told for told in handler.told if told.method == "on_chain_error"]
    assert [told.facts["name"] for told in errors] == ["fail", "whole"]
    assert all(told.args == (caught.value,) for told in errors)
    assert [told.facts["name"] for told in handler.told if told.method == "on_chain_end"] == ["add_1"]
    assert (handler.open, handler.faults) == ({}, [])


def test_input_that_streams_in_is_unknown_at_the_start(noting: Any) -> None:
    """What is called with chunks is told ``{}`` at its start, and its whole input at its end."""
    handler = noting("on_chain_start", "on_chain_end")

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        yield from chunks

    list(RunnableGenerator(letters).transform(iter("abc"), {"callbacks": [handler]}))

    assert handler.of("on_chain_start").args[1] == {}
    assert handler.of("on_chain_end").facts["inputs"] == "abc"


def test_handler_may_keep_and_change_what_it_is_told(run: Any, noting: Any) -> None:
    """The tags and the metadata that one handler changes are not those of another, nor those of the caller."""

    class Vandal(BaseCallbackHandler):
        def on_chain_start(self, serialized: Any, inputs: Any, *, tags: Any, metadata: Any, **kwargs: Any) -> None:
            tags.append("no")
            metadata.clear()
            serialized.clear()

    handler = noting("on_chain_start")
    config: Any = {"callbacks": [Vandal(), handler], "tags": ["t"], "metadata": {"k": 1}}
    run(RunnableLambda(add_1), 1, config)

    facts = handler.told[0].facts
    assert (facts["tags"], facts["metadata"]) == (["t"], {"k": 1})
    assert (config["tags"], config["metadata"]) == (["t"], {"k": 1})


# ---------------------------------------------------------------------------------------------------------- cancelling


def test_closed_stream_is_cancelled(noting: Any) -> None:
    """P32: a stream that is closed early is told as cancelled, with what it had produced."""
    handler = noting("on_chain_start", "on_chain_end", "on_chain_error", "on_chain_cancelled")

    stream = RunnableGenerator(endless).stream(0, {"callbacks": [handler]})
    next(stream), next(stream)
    stream.close()

    told = handler.of("on_chain_cancelled")
    assert told.args == ("aa",)
    assert isinstance(told.facts["error"], GeneratorExit)
    assert handler.methods == ["on_chain_start", "on_chain_cancelled"]


def test_handler_without_cancelled_hears_an_error(noting: Any) -> None:
    """P45: for a handler that knows nothing of cancelling, a cancelled run is one that failed, so that its maps empty."""
    handler = noting("on_chain_start", "on_chain_end", "on_chain_error")

    stream = (RunnableGenerator(endless) | RunnablePassthrough()).stream(0, {"callbacks": [handler]})
    next(stream)
    stream.close()

    assert {type(told.args[0]) for told in handler.told if told.method == "on_chain_error"} == {GeneratorExit}
    assert (handler.open, handler.faults) == ({}, [])


async def test_cancelled_task_is_cancelled(notes: Any) -> None:
    """A call whose task is cancelled is told as cancelled, by async methods, too."""
    begun = asyncio.Event()

    async def forever(_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(RunnableLambda(forever).ainvoke(0, {"callbacks": [notes]}))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task], timeout=SOON)

    assert notes.methods == ["on_chain_start", "on_chain_cancelled"]
    assert isinstance(notes.told[1].facts["error"], asyncio.CancelledError)


async def aendless(chunks: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in chunks:
        pass
    while True:
        yield "a"


async def end_somehow(number: int, handler: Any) -> None:
    """A third succeed, a third fail, a third are cancelled."""
    config: Any = {"callbacks": [handler]}
    ends: list[Callable[[], Any]] = [
        lambda: CHAIN.ainvoke(number, config),
        lambda: (RunnableLambda(add_1) | {"a": fail, "b": add_1}).ainvoke(number, config),
        lambda: _close_early((RunnableGenerator(aendless) | {"a": RunnablePassthrough()}).astream(number, config)),
    ]
    await asyncio.gather(ends[number % 3](), return_exceptions=True)


async def _close_early(stream: Any) -> None:
    await anext(stream)
    await stream.aclose()


async def test_maps_are_empty_after_a_thousand_runs(notes: Any) -> None:
    """P45: nothing is left of 1,000 calls of which a third fail and a third are cancelled, whoever ends first."""
    for number in range(1000):
        await end_somehow(number, notes)

    assert (notes.open, notes.faults) == ({}, [])
    assert notes.methods.count("on_chain_start") > 2000
    assert {"on_chain_end", "on_chain_error", "on_chain_cancelled"} < set(notes.methods)


# ---------------------------------------------------------------------------------------------------------- both colours


def test_sync_call_on_a_running_loop_runs_async_methods(notes: Any) -> None:
    """A sync verb that is called where a loop runs tells async methods before it returns."""

    async def main() -> None:
        CHAIN.invoke(1, {"callbacks": [notes]})
        assert len(notes.told) == 6

    asyncio.run(main())
    assert notes.faults == []


def test_plain_functions_in_async_calls_tell_async_methods(notes: Any) -> None:
    """A chain that is called inside a plain function, which an async verb runs in a thread, is told of in order."""

    def calls(number: int) -> int:
        return CHAIN.invoke(number)

    asyncio.run(RunnableLambda(calls).ainvoke(1, {"callbacks": [notes]}))

    assert [step[1] for step in notes.steps if step[0] == "on_chain_start"] == ["calls", "whole", "add_1", "double"]
    assert (notes.open, notes.faults) == ({}, [])


def test_async_method_is_awaited_before_the_run_goes_on(run: Any) -> None:
    """P31: an async method has ended when the next thing happens, however long it takes."""
    order: list[str] = []

    class Slow(AsyncCallbackHandler):
        async def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            order.append("start")

        async def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
            await asyncio.sleep(0)
            order.append("end")

    run(RunnableLambda(lambda _: order.append("work")), 1, {"callbacks": [Slow()]})

    assert order == ["start", "work", "end"]


async def test_blocking_handler_does_not_stop_the_loop() -> None:
    """A handler with ``run_inline = False`` may block: the loop goes on meanwhile, and the run waits for it."""
    released, told = threading.Event(), []

    class Blocking(BaseCallbackHandler):
        run_inline = False

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            assert released.wait(SOON)
            told.append(threading.current_thread())

        def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
            told.append(threading.current_thread())

    task = asyncio.ensure_future(RunnableLambda(add_1).ainvoke(1, {"callbacks": [Blocking()]}))
    await asyncio.sleep(0)
    assert told == []
    released.set()  # only a loop that goes on gets here
    assert await task == 2

    assert len(told) == 2
    assert threading.current_thread() not in told


def test_blocking_handler_is_called_in_place_by_sync_verbs(noting: Any) -> None:
    """Without a loop there is nothing to keep free: no thread is used."""
    threads: list[threading.Thread] = []

    class Blocking(BaseCallbackHandler):
        run_inline = False

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            threads.append(threading.current_thread())

    RunnableLambda(add_1).invoke(1, {"callbacks": [Blocking()]})
    assert threads == [threading.current_thread()]


def test_blocking_handler_hears_everything_in_order(run: Any, noting: Any) -> None:
    """Calls in threads come in the order of what they tell of."""
    handler = noting("on_chain_start", "on_chain_end", run_inline=False)

    run(CHAIN, 1, {"callbacks": [handler]})

    assert (handler.steps[0], handler.steps[-1]) == (("on_chain_start", "whole"), ("on_chain_end", "whole"))
    assert len(handler.told) == 6
    assert (handler.open, handler.faults) == ({}, [])


def test_async_methods_of_a_blocking_handler_are_awaited(run: Any) -> None:
    """``run_inline`` is of plain methods; async ones are awaited, also if a plain function gives the coroutine."""
    told: list[str] = []

    async def later(name: str) -> None:
        await asyncio.sleep(0)
        told.append(name)

    class Mixed(AsyncCallbackHandler):
        run_inline = False

        async def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            await later("start")

        def on_chain_end(self, *args: Any, **kwargs: Any) -> Any:
            return later("end")

    run(RunnableLambda(add_1), 1, {"callbacks": [Mixed()]})
    assert told == ["start", "end"]


async def test_anything_that_can_be_awaited_is() -> None:
    """A plain method may give a task, or what else can be awaited: the run waits for it."""
    told: list[str] = []

    async def later() -> None:
        await asyncio.sleep(0)
        told.append("end")

    class Tasks(BaseCallbackHandler):
        def on_chain_end(self, *args: Any, **kwargs: Any) -> Any:
            return asyncio.ensure_future(later())

    await RunnableLambda(add_1).ainvoke(1, {"callbacks": [Tasks()]})
    assert told == ["end"]


def test_what_a_method_gives_is_of_no_interest(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A method that gives a value is not waited for, and no failure."""

    class Giving(BaseCallbackHandler):
        def on_chain_end(self, *args: Any, **kwargs: Any) -> Any:
            return [1]

    assert run(RunnableLambda(add_1), 1, {"callbacks": [Giving()]}) == 2
    assert caplog.records == []


# ---------------------------------------------------------------------------------------------------- whom, how often


def test_handler_given_at_three_levels_hears_once(run: Any, noting: Any) -> None:
    """P19: the same handler, bound to a step, bound to the chain and given to the call, hears each event once."""
    handler = noting("on_chain_start", "on_chain_end")
    step = RunnableLambda(add_1).with_config(callbacks=[handler])
    chain = step.pipe(double, name="whole").with_config(callbacks=[handler])

    run(chain, 1, {"callbacks": [handler, handler]})

    assert sorted(handler.steps) == sorted(
        (method, name) for method in ("on_chain_start", "on_chain_end") for name in ("whole", "add_1", "double")
    )


def test_handlers_hear_in_the_order_in_which_they_were_given(run: Any) -> None:
    """P19: one after the other, those of the chain before those of the call."""
    order: list[str] = []

    class Named(BaseCallbackHandler):
        def __init__(self, name: str) -> None:
            self.name = name

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            order.append(self.name)

    chain = RunnableLambda(add_1).with_config(callbacks=[Named("bound")])
    run(chain, 1, {"callbacks": [Named("first"), Named("second")]})

    assert order == ["bound", "first", "second"]


def test_calls_in_functions_are_heard(run: Any, noting: Any) -> None:
    """P09: a handler hears of chains that functions call, in branches too, without being handed on."""
    handler = noting("on_chain_start")

    def calls(number: int) -> int:
        return CHAIN.invoke(number)

    run(RunnableParallel(a=calls, b=calls), 1, {"callbacks": [handler]})

    assert [name for _, name in handler.steps].count("whole") == 2


@pytest.mark.parametrize("value", [True, property(lambda self: True)], ids=["attribute", "property"])
def test_ignored_runs_are_not_told(run: Any, noting: Any, value: Any) -> None:
    """With ``ignore_chain`` a handler hears of no chain, neither start nor end."""
    handler = noting("on_chain_start", "on_chain_end", ignore_chain=value)

    run(CHAIN, 1, {"callbacks": [handler]})

    assert handler.told == []


def test_duck_typed_handler_hears_what_it_can(run: Any, noting: Any) -> None:
    """A handler need derive from nothing; what it has no method for it does not hear."""
    handler = noting("on_chain_end", of=())

    run(CHAIN, 1, {"callbacks": [handler]})

    assert [name for _, name in handler.steps] == ["add_1", "double", "whole"]


def test_method_set_on_the_instance_is_called(run: Any) -> None:
    """A method that is put on one object is that object's."""
    handler, told = BaseCallbackHandler(), []
    handler.on_chain_end = lambda outputs, **kwargs: told.append(outputs)  # type: ignore[method-assign]

    run(RunnableLambda(add_1), 1, {"callbacks": [handler]})

    assert told == [2]


@pytest.mark.parametrize(
    ("callback", "said"),
    [
        (object(), "an object of type object"),
        (print, "'print', which is a function"),
        (BaseCallbackHandler, "the class BaseCallbackHandler: give an instance"),
    ],
)
def test_what_can_hear_nothing_is_refused(run: Any, callback: Any, said: str) -> None:
    """A callback without any known method is an error at once, not a silence."""
    with pytest.raises(ConfigError, match=said):
        run(RunnableLambda(add_1), 1, {"callbacks": [callback]})


# ---------------------------------------------------------------------------------------------------------------- faults


class Broken(BaseCallbackHandler):
    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken")


class AsyncBroken(AsyncCallbackHandler):
    async def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("broken")


class BlockingBroken(Broken):
    run_inline = False


@pytest.mark.parametrize("kind", [Broken, AsyncBroken, BlockingBroken])
def test_handler_that_fails_is_logged_once(run: Any, noting: Any, caplog: Any, kind: type[Any]) -> None:
    """P31: the run goes on, others hear it all, and the log has one record of the handler, with its traceback."""
    handler = noting("on_chain_start")

    with caplog.at_level(logging.ERROR, "plait"):
        assert run(CHAIN, 1, {"callbacks": [kind(), handler]}) == 4

    assert len(handler.told) == 3
    [record] = [record for record in caplog.records if record.name == "plait"]
    assert kind.__name__ in record.getMessage()
    assert record.exc_info[0] is RuntimeError


@pytest.mark.parametrize("kind", [Broken, AsyncBroken, BlockingBroken])
def test_handler_with_raise_error_ends_the_run(run: Any, notes: Any, kind: type[Any]) -> None:
    """P31: with ``raise_error`` what a handler raises is raised by the call, and every run that began has its end."""
    strict = kind()
    strict.raise_error = True

    with pytest.raises(RuntimeError, match="broken"):
        run(CHAIN, 1, {"callbacks": [notes, strict]})

    assert (notes.open, notes.faults) == ({}, [])
    assert notes.methods[-1] == "on_chain_error"

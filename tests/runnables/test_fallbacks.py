"""Falling back: who takes over, for which inputs, with what input, and what is raised when nobody can."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from plait import (
    ChatPromptTemplate,
    Runnable,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StrOutputParser,
)
from plait.callbacks import get_usage_metadata_callback
from plait.errors import ChainError, ConfigError
from plait.language_models import BaseChatModel, FakeMessagesListChatModel
from plait.merging import StreamReset, merge_all
from plait.messages import AIMessage, BaseMessage
from plait.outputs import ChatResult
from plait.runnables import RunnableWithFallbacks
from plait.runs import Run
from plait.stopping import Stopped, stopping


class Listener:
    """Keeps the runs that have ended."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def on_run_start(self, run: Run) -> None: ...

    def on_run_chunk(self, run: Run, chunk: Any) -> None: ...

    def on_run_event(self, run: Run, name: str, data: Any) -> None: ...

    def on_run_end(self, run: Run) -> None:
        self.runs.append(run)


def failing(error: BaseException | type[BaseException], calls: list[Any] | None = None) -> RunnableLambda[Any, Any]:
    def fail(value: Any) -> Any:
        if calls is not None:
            calls.append(value)
        raise error

    return RunnableLambda(fail)


def double(value: int) -> int:
    return value * 2


# ------------------------------------------------------------------------------------------------------- who takes over


def test_first_that_works_answers(run: Any) -> None:
    """The fallbacks are tried in their order; those after the one that answers are not called."""
    calls: list[int] = []
    node = failing(OSError).with_fallbacks([failing(OSError), double, failing(OSError, calls)])

    assert run(node, 2) == 4
    assert calls == []


def test_fallback_is_not_called_without_need(run: Any) -> None:
    """While the first works the others do nothing."""
    calls: list[int] = []

    assert run(RunnableLambda(double).with_fallbacks([failing(OSError, calls)]), 2) == 4
    assert calls == []


def test_fallbacks_may_be_functions_and_dicts(run: Any) -> None:
    """A fallback is whatever may be a step."""

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    assert run(failing(OSError).with_fallbacks([letters]), "abc") == "abc"
    assert run(failing(OSError).with_fallbacks([{"a": double, "b": str}]), 2) == {"a": 4, "b": "2"}


def test_error_of_the_first_is_raised_when_all_fail(run: Any) -> None:
    """If nobody can, the exception of the first is raised as it is; its note has the types of the others."""
    first = OSError("first")
    node = failing(first).with_fallbacks([failing(ValueError("secret")), failing(LookupError)])

    with pytest.raises(OSError) as caught:
        run(node, 2)
    assert caught.value is first
    note = "".join(first.__notes__)
    assert "in alternative 1 of 3 of 'RunnableWithFallbacks' " in "in " + note.removeprefix("plait: ")
    assert "(failed as well: 2 with ValueError, 3 with LookupError)" in note
    assert "secret" not in note
    assert first.__context__ is None


@pytest.mark.parametrize("handled", [OSError, (OSError,), [OSError, KeyError]], ids=str)
def test_only_handled_exceptions_fall_back(run: Any, handled: Any) -> None:
    """Any other exception is raised at once, whichever of them it comes from."""
    calls: list[int] = []
    node = failing(ValueError).with_fallbacks([failing(OSError, calls)], exceptions_to_handle=handled)
    later = failing(OSError).with_fallbacks(
        [failing(ValueError), failing(OSError, calls)], exceptions_to_handle=handled
    )

    for each in (node, later):
        with pytest.raises(ValueError) as caught:
            run(each, 2)
        assert "(ValueError is not handled)" in caught.value.__notes__[0]
    assert calls == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError, Stopped], ids=str)
def test_wishes_to_end_never_fall_back(error: type[BaseException]) -> None:
    """P25: what is no Exception is somebody's wish, and gets through at once."""
    calls: list[int] = []
    node = failing(error).with_fallbacks([failing(OSError, calls)])

    with pytest.raises(error):
        node.invoke(1)
    with pytest.raises(error):
        list(node.stream(1))
    with pytest.raises(error):
        node.batch([1], return_exceptions=True)
    assert calls == []


async def test_cancelled_task_does_not_fall_back() -> None:
    """P25: cancelling is not failing."""
    calls: list[int] = []
    begun = asyncio.Event()

    async def hang(_: int) -> None:
        begun.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(RunnableLambda(hang).with_fallbacks([failing(OSError, calls)]).ainvoke(1))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == []


def test_exception_that_is_returned_is_a_value(run: Any) -> None:
    """P25: a step that returns an exception object has succeeded."""
    calls: list[int] = []
    node = RunnableLambda(lambda _: ValueError("a value")).with_fallbacks([failing(OSError, calls)])

    assert isinstance(run(node, 1), ValueError)
    assert calls == []


def test_fallback_gets_the_input_as_it_was(run: Any) -> None:
    """P47: what the first has done to its dict before it failed, the next does not see."""

    def edit(given: dict[str, int]) -> None:
        given.clear()
        raise OSError

    assert run(RunnableLambda(edit).with_fallbacks([RunnablePassthrough()]), {"a": 1}) == {"a": 1}


def test_kwargs_reach_the_fallback(run: Any) -> None:
    """Keyword arguments are for whichever answers."""

    def add(value: int, by: int) -> int:
        return value + by

    def fail(value: int, by: int) -> int:
        raise OSError

    assert run(RunnableLambda(fail).with_fallbacks([add]).bind(by=5), 1) == 6


def test_nothing_of_a_failure_is_kept(run: Any) -> None:
    """Once a fallback has answered, the exception of the first is gone."""

    class Mine(Exception):
        pass

    seen: list[weakref.ref[Mine]] = []

    def fail(_: int) -> None:
        error = Mine()
        seen.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    node = RunnableLambda(fail).with_fallbacks([double])
    gc.collect()
    gc.disable()
    try:
        assert run(node, 1) == 2
        if not run.is_async:  # a task has cycles of its own
            assert seen[0]() is None
    finally:
        gc.enable()


# -------------------------------------------------------------------------------------------------- the exception's key


def explain(given: dict[str, Any]) -> str:
    return f"{given['question']} after {type(given['error']).__name__}: {given['error']}"


def test_fallback_gets_the_exception(run: Any) -> None:
    """With exception_key the fallback finds what the one before it has failed with; the input is not changed."""
    question = {"question": "why"}
    node = failing(OSError("first")).with_fallbacks([failing(ValueError("second")), explain], exception_key="error")

    assert run(node, question) == "why after ValueError: second"
    assert question == {"question": "why"}


def test_first_does_not_get_the_key(run: Any) -> None:
    """The first has nothing to find."""
    seen: list[Any] = []
    node = failing(OSError, seen).with_fallbacks([lambda given: sorted(given)], exception_key="error")

    assert run(node, {"a": 1}) == ["a", "error"]
    assert seen == [{"a": 1}]


@pytest.mark.parametrize("config", [None, {"callbacks": [Listener()]}], ids=["bare", "watched"])
def test_key_in_an_input_that_streams_in(config: Any) -> None:
    """The exception is in the first chunk of the input, and takes the place of what was under its key."""
    got: list[Any] = []

    def source(_: Any) -> Iterator[dict[str, Any]]:
        yield {"question": "w", "error": "old"}
        yield {"error": "older"}
        yield {"question": "hy"}

    async def asource(_: Any) -> AsyncIterator[dict[str, Any]]:
        for chunk in source(None):
            yield chunk

    def read(chunks: Iterator[dict[str, Any]]) -> Iterator[str]:
        for chunk in chunks:
            got.append(sorted(chunk))
            yield from chunk.get("question", "")

    chain = RunnableLambda(source, asource) | failing(OSError).with_fallbacks([read], exception_key="error")
    assert "".join(chain.stream(0, config)) == "why"
    assert got == [["error", "question"], ["question"]]

    async def collected() -> str:
        return "".join([chunk async for chunk in chain.astream(0, config)])

    assert asyncio.run(collected()) == "why"


def test_exception_key_needs_dicts(run: Any) -> None:
    """An input that is no dict is refused before anything is called, and says why."""
    calls: list[Any] = []
    node = failing(OSError, calls).with_fallbacks([explain], exception_key="error")

    with pytest.raises(TypeError, match="exception_key='error' needs a dict, got an object of type str"):
        run(node, "text")
    assert calls == []


@pytest.mark.parametrize("key", ["", 5, b"error", ["error"]], ids=repr)
def test_exception_key_is_a_name(key: Any) -> None:
    """Anything but the name of a key is refused when the node is made."""
    with pytest.raises(ConfigError, match="exception_key must be the name of a key"):
        RunnableLambda(str).with_fallbacks([str], exception_key=key)


def test_exception_key_that_can_never_work() -> None:
    """A key for a model that takes no dicts is refused when the node is made, and the model is named."""
    model = FakeMessagesListChatModel(responses=[AIMessage("x")])
    prompt = ChatPromptTemplate.from_template("{question}")

    with pytest.raises(ChainError, match="exception_key='error' needs inputs that are dicts"):
        model.with_fallbacks([model], exception_key="error")
    with pytest.raises(ChainError, match="exception_key='error' needs inputs that are dicts"):
        (prompt | model).with_fallbacks([StrOutputParser()], exception_key="error")
    assert (prompt | model).with_fallbacks([prompt | model], exception_key="error")


# -------------------------------------------------------------------------------------------------------------- streams


def letters(text: str) -> Iterator[str]:
    yield from text


async def aletters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter


def streamed(runnable: Any, input: str, mode: str) -> Iterator[Any]:
    """The chunks of a stream whose input streams in, by letter, in either colour."""
    if mode == "sync":
        yield from runnable.transform(letters(input))
        return
    loop = asyncio.new_event_loop()
    stream = runnable.atransform(aletters(input))
    try:
        while True:
            try:
                yield loop.run_until_complete(anext(stream))
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(stream.aclose())
        loop.close()


def noted(log: list[str], name: str, fails_at: int | None = None) -> Runnable[Any, Any]:
    """A step that gives its chunks on in upper case and notes each; it fails at one of them."""

    def sync(chunks: Iterator[str]) -> Iterator[str]:
        try:
            for number, chunk in enumerate(chunks):
                if number == fails_at:
                    raise OSError(name)
                log.append(name + chunk)
                yield chunk.upper()
        finally:
            log.append(name + ".")

    async def colored(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        number = 0
        try:
            async for chunk in chunks:
                if number == fails_at:
                    raise OSError(name)
                log.append(name + chunk)
                number += 1
                yield chunk.upper()
        finally:
            log.append(name + ".")

    return RunnableGenerator(sync, colored)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_fallback_streams(mode: str) -> None:
    """P08: the chunks of the fallback come as it makes them, the first before the second is made."""
    log: list[str] = []
    stream = streamed(noted(log, "1", 0).with_fallbacks([noted(log, "2")]), "abc", mode)

    assert next(stream) == "A"
    assert log == ["1.", "2a"]
    assert list(stream) == ["B", "C"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_failure_before_the_first_chunk_is_invisible(mode: str) -> None:
    """P08: what came in before the failure is given to the fallback again, and the consumer sees its chunks only."""

    def late(chunks: Iterator[str]) -> Iterator[str]:
        assert [next(chunks), next(chunks)] == ["a", "b"]
        raise OSError
        yield

    node = RunnableGenerator(late).with_fallbacks([noted([], "2")])
    assert list(streamed(node, "abc", mode)) == ["A", "B", "C"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_failure_in_mid_stream_is_raised(mode: str) -> None:
    """P08: after the first chunk the error is raised, also that of a fallback."""
    log: list[str] = []
    node = noted(log, "1", 0).with_fallbacks([noted(log, "2", 1), noted(log, "3")])
    stream = streamed(node, "abc", mode)

    assert next(stream) == "A"
    with pytest.raises(OSError, match="2") as caught:
        next(stream)
    assert "alternative 2 of 3 of 'RunnableWithFallbacks' (it had begun to stream)" in caught.value.__notes__[0]
    assert log == ["1.", "2a", "2."]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_fallback_restarts_the_stream_if_it_may(mode: str) -> None:
    """P08, N6: with mid_stream="restart" a reset says that what came does not count, and the fallback gets all of it."""
    first = noted([], "1", 1)
    node = first.with_fallbacks([noted([], "2", 0), noted([], "3", 2), noted([], "4")], mid_stream="restart")

    came = list(streamed(node, "abc", mode))
    assert came == ["A", StreamReset("OSError"), "A", "B", StreamReset("OSError"), "A", "B", "C"]
    assert merge_all(came) == "ABC"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_steps_after_a_restart_begin_anew(mode: str) -> None:
    """N6: what follows in the chain starts again with the reset."""
    node = noted([], "1", 1).with_fallbacks([noted([], "2")], mid_stream="restart")
    chain = node | (lambda text: text.lower())

    came = list(streamed(chain, "abc", mode))
    assert merge_all(came) == "abc"
    assert StreamReset("OSError") in came


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_all_fail_in_mid_stream(mode: str) -> None:
    """N6: when the last one fails, too, the error of the first is raised, and no reset comes before that."""
    came: list[Any] = []

    with pytest.raises(OSError, match="1"):
        for chunk in streamed(noted([], "1", 1).with_fallbacks([noted([], "2", 1)], mid_stream="restart"), "abc", mode):
            came.append(chunk)  # noqa: PERF402 - what came before the error
    assert came == ["A", StreamReset("OSError"), "A"]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_all_fail_in_a_stream(mode: str) -> None:
    """If nobody gives a first chunk, the error of the first is raised."""
    node = noted([], "1", 0).with_fallbacks([noted([], "2", 0)])

    with pytest.raises(OSError, match="1") as caught:
        list(streamed(node, "abc", mode))
    assert "(failed as well: 2 with OSError)" in caught.value.__notes__[0]


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_error_of_the_input_does_not_fall_back(mode: str) -> None:
    """What the input of a stream raises would be raised again."""
    log: list[str] = []
    chain = noted(log, "in", 1) | RunnableLambda(str.upper).with_fallbacks([noted(log, "2")])

    with pytest.raises(OSError, match="in"):
        list(streamed(chain, "abc", mode))
    assert "2." not in log


def test_stream_from_a_value() -> None:
    """A fallback without a stream gives its value as one chunk."""
    assert list(noted([], "1", 0).with_fallbacks([str.upper]).stream("abc")) == ["ABC"]


def test_closed_stream_closes_the_fallback() -> None:
    """A consumer that leaves ends whoever answers, and calls nobody else."""
    log: list[str] = []
    stream = noted(log, "1", 0).with_fallbacks([noted(log, "2"), noted(log, "3")]).transform(letters("abc"))

    next(stream)
    stream.close()
    assert log == ["1.", "2a", "2."]


# -------------------------------------------------------------------------------------------------------------- batches


def odd_fails(calls: list[int]) -> RunnableLambda[int, str]:
    def call(value: int) -> str:
        calls.append(value)
        if value % 2:
            raise OSError(value)
        return f"first {value}"

    return RunnableLambda(call)


@pytest.mark.parametrize("color", ["sync", "async"])
def test_only_failed_inputs_fall_back(color: str) -> None:
    """P08: in a batch each input falls back on its own."""
    first, second = list[int](), list[int]()

    def other(value: int) -> str:
        second.append(value)
        return f"second {value}"

    node = odd_fails(first).with_fallbacks([other])
    outputs = node.batch([0, 1, 2, 3]) if color == "sync" else asyncio.run(node.abatch([0, 1, 2, 3]))
    assert outputs == ["first 0", "second 1", "first 2", "second 3"]
    assert (sorted(first), sorted(second)) == ([0, 1, 2, 3], [1, 3])


class Vector(Runnable[int, int]):
    """A step that does many inputs at once, and fails some of them."""

    def __init__(self, name: int, fails: Iterable[int] = (), error: type[Exception] = OSError) -> None:
        self.number, self.fails, self.error = name, set(fails), error
        self.calls: list[list[Any]] = []

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> int:
        [output] = self.batch([input])
        return output

    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        self.calls.append(list(inputs))
        outputs = [self.error(value) if value in self.fails else value * self.number for value in inputs]
        if not return_exceptions:
            for output in outputs:
                if isinstance(output, Exception):
                    raise output
        return outputs

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.batch(inputs, config, **kwargs)


CONFIGS: list[Any] = [None, {"tags": ["t"]}, {"callbacks": [Listener()]}, [{"tags": ["t"]}] * 4]


def batched(node: Any, color: str, inputs: Any, config: Any, **kwargs: Any) -> Any:
    if color == "sync":
        return node.batch(inputs, config, **kwargs)
    return asyncio.run(node.abatch(inputs, config, **kwargs))


@pytest.mark.parametrize("config", CONFIGS, ids=["bare", "tags", "watched", "each"])
@pytest.mark.parametrize("color", ["sync", "async"])
def test_vectors_fall_back_together(color: str, config: Any) -> None:
    """P08: of steps with a batch of their own each is called once, with the inputs that have failed so far."""
    vectors = [Vector(10, {2, 3, 4}), Vector(100, {3}), Vector(1000)]
    node = vectors[0].with_fallbacks(vectors[1:])

    assert batched(node, color, [1, 2, 3, 4], config) == [10, 200, 3000, 400]
    assert [vector.calls for vector in vectors] == [[[1, 2, 3, 4]], [[2, 3, 4]], [[3]]]


@pytest.mark.parametrize("config", CONFIGS, ids=["bare", "tags", "watched", "each"])
@pytest.mark.parametrize("color", ["sync", "async"])
def test_vectors_that_all_fail(color: str, config: Any) -> None:
    """What nobody can do is the error of the first, in its own place; what is not handled is not passed on."""
    node = Vector(10, {2, 3}).with_fallbacks([Vector(100, {2}, LookupError)])
    outputs = batched(node, color, [1, 2, 3, 4], config, return_exceptions=True)

    assert [outputs[0], outputs[2], outputs[3]] == [10, 300, 40]
    assert type(outputs[1]) is OSError
    assert "(failed as well: 2 with LookupError)" in outputs[1].__notes__[0]
    with pytest.raises(OSError, match="2"):
        batched(node, color, [1, 2, 3, 4], config)

    other = Vector(100)
    strict = Vector(10, {2}, LookupError).with_fallbacks([other], exceptions_to_handle=OSError)
    assert type(batched(strict, color, [1, 2, 3, 4], config, return_exceptions=True)[1]) is LookupError
    assert other.calls == []


def test_vectors_with_an_exception_key() -> None:
    """Each input that failed is passed on with its own exception; one that is no dict is an error in its own place."""

    class Taking(Vector):
        def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
            if all("error" in given for given in inputs):
                return [f"{given['n']} {given['error']}" for given in inputs]
            return [OSError(f"no {given['n']}") if given["n"] > 1 else given["n"] for given in inputs]

    node = Taking(1).with_fallbacks([Taking(2)], exception_key="error")
    outputs: list[Any] = node.batch([{"n": 1}, {"n": 2}, 5, {"n": 3}], return_exceptions=True)
    assert [outputs[0], outputs[1], outputs[3]] == [1, "2 no 2", "3 no 3"]
    assert type(outputs[2]) is TypeError


# ----------------------------------------------------------------------------------------------------- watched, nested


def test_alternatives_are_child_runs(run: Any) -> None:
    """Each that was tried is a run within that of the node; the fallbacks say which they are."""
    listener = Listener()
    node = failing(OSError).with_fallbacks([failing(ValueError), double])

    run(node, 2, {"callbacks": [listener], "tags": ["t"], "metadata": {"m": 1}})
    *tried, whole = listener.runs
    assert [each.tags for each in tried] == [["t"], ["fallback:1", "t"], ["fallback:2", "t"]]
    assert [each.status for each in tried] == ["error", "error", "success"]
    assert all(each.parent is whole and each.metadata == {"m": 1} for each in tried)
    assert (whole.name, whole.status, whole.inputs, whole.outputs) == ("RunnableWithFallbacks", "success", 2, 4)


async def test_fallback_that_streams_is_logged_as_it_streams() -> None:
    """P08: the log has each chunk of the fallback, also where the first would have given its value in one piece."""
    chain = RunnablePassthrough() | failing(OSError).with_fallbacks([RunnableLambda(letters)])

    log: Any = None
    async for patch in chain.astream_log("abc"):
        log = patch if log is None else log + patch
    assert log.state["logs"]["RunnableWithFallbacks"]["streamed_output"] == ["a", "b", "c"]


def test_retry_before_falling_back(run: Any) -> None:
    """Each alternative may be tried several times before the next one is."""
    first, second = list[int](), list[int]()
    node = (
        failing(OSError, first)
        .with_retry(wait_exponential_jitter=False)
        .with_fallbacks([failing(ValueError, second).with_retry(wait_exponential_jitter=False, stop_after_attempt=2)])
    )

    with pytest.raises(OSError) as caught:
        run(node, 1)
    assert (len(first), len(second)) == (3, 2)
    assert "attempt 3 of 3 of 'fail', in alternative 1 of 2 of 'RunnableWithFallbacks'" in caught.value.__notes__[0]


def test_retry_around_fallbacks(run: Any) -> None:
    """A retry around fallbacks goes through all of them in each attempt."""
    first, second = list[int](), list[int]()
    node = failing(OSError, first).with_fallbacks([failing(OSError, second)]).with_retry(wait_exponential_jitter=False)

    with pytest.raises(OSError):
        run(node, 1)
    assert (len(first), len(second)) == (3, 3)


def test_fallbacks_in_map_and_parallel(run: Any) -> None:
    """In a map and in branches each item falls back on its own."""
    node = odd_fails([]).with_fallbacks([lambda value: f"second {value}"])
    chain = RunnableParallel(map=node.map(), one=(lambda items: items[0]) | node)

    assert run(chain, [1, 2]) == {"map": ["second 1", "first 2"], "one": "second 1"}


class Broken(BaseChatModel):
    """A model whose server is down."""

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        raise OSError


def test_usage_counts_who_answers(run: Any) -> None:
    """P61: the answer of the fallback counts once."""
    message = AIMessage("x", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3})
    model = Broken().with_fallbacks([FakeMessagesListChatModel(responses=[message])])

    with get_usage_metadata_callback() as counter:
        run(ChatPromptTemplate.from_template("{x}") | model | StrOutputParser(), {"x": "hi"})
    [usage] = counter.usage_metadata.values()
    assert usage["total_tokens"] == 3


def test_nobody_falls_back_for_a_call_that_has_failed() -> None:
    """P03: what fails after its sibling has failed does not go on to a fallback, which would run for nobody."""
    begun, calls = threading.Event(), list[int]()

    def fail_once_stopped(_: int) -> None:
        woken, stop = threading.Event(), stopping.get()
        assert stop is not None
        with stop.calling(woken.set):
            begun.set()
            woken.wait(5)
        raise OSError

    def fail(_: int) -> None:
        begun.wait(5)
        raise LookupError

    node = RunnableLambda(fail_once_stopped).with_fallbacks([calls.append])
    with pytest.raises(LookupError):
        RunnableParallel(a=node, b=fail).invoke(1)
    assert calls == []


# ----------------------------------------------------------------------------------------------------- what may be said

BAD: list[tuple[Any, dict[str, Any], str]] = [
    ([], {}, "fallbacks must be a list of at least one runnable"),
    ((), {}, "fallbacks must be a list of at least one runnable"),
    (str, {}, "fallbacks must be a list of runnables, got an object of type type"),
    (RunnablePassthrough(), {}, "fallbacks must be a list of runnables, got an object of type RunnablePassthrough"),
    ("abc", {}, "fallbacks must be a list of runnables, got an object of type str"),
    ({"a": str}, {}, "fallbacks must be a list of runnables, got an object of type dict"),
    (None, {}, "fallbacks must be a list of runnables, got None"),
    ([str], {"exceptions_to_handle": ()}, "exceptions_to_handle"),
    ([str], {"exceptions_to_handle": BaseException}, "exceptions_to_handle"),
    ([str], {"exceptions_to_handle": (OSError, "x")}, "exceptions_to_handle"),
    ([str], {"exceptions_to_handle": None}, "exceptions_to_handle"),
    ([str], {"mid_stream": "ignore"}, "mid_stream"),
]


@pytest.mark.parametrize(("fallbacks", "options", "named"), BAD, ids=str)
def test_what_cannot_be_right_is_refused(fallbacks: Any, options: dict[str, Any], named: str) -> None:
    """An argument that cannot be right raises ConfigError, which names it, when the node is made."""
    with pytest.raises(ConfigError, match=named):
        RunnableLambda(str).with_fallbacks(fallbacks, **options)


def test_what_is_no_step_is_no_fallback() -> None:
    """Each fallback is something that may be a step."""
    with pytest.raises(TypeError, match="Runnable, a function"):
        RunnableLambda(str).with_fallbacks([5])


def test_parts_can_be_had() -> None:
    """The first, the others and all of them are attributes."""
    first, other = RunnableLambda(str), RunnableLambda(repr)
    node = first.with_fallbacks([other])

    assert isinstance(node, RunnableWithFallbacks)
    assert (node.runnable, list(node.fallbacks), list(node.runnables)) == (first, [other], [first, other])
    assert (node.exceptions_to_handle, node.exception_key) == ((Exception,), None)


@pytest.mark.parametrize("made", [lambda it: pickle.loads(pickle.dumps(it)), copy.copy, copy.deepcopy])
def test_copies_work_alike(made: Any) -> None:
    """A node with fallbacks can be pickled and copied."""
    node = RunnableLambda(int).with_fallbacks([len], exceptions_to_handle=ValueError)

    assert [made(node).invoke(text) for text in ("5", "abc")] == [5, 3]
    with suppress(TypeError):
        made(node).invoke(None)


class Model(Runnable[str, str]):
    """Something with a method that gives another one of it."""

    def __init__(self, name: str, tools: tuple[str, ...] = ()) -> None:
        self.label, self.tools = name, tools

    def bind_tools(self, *tools: str) -> Model:
        return Model(self.label, tools)

    def count(self) -> int:
        return len(self.tools)

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        if self.label == "broken":
            raise OSError
        return f"{self.label} with {self.tools}"


def test_methods_apply_to_every_alternative(run: Any) -> None:
    """A method that gives a runnable is called on all of them; one that gives anything else, on the first."""
    node: Any = Model("broken").with_fallbacks([Model("other")], exceptions_to_handle=OSError)
    bound = node.bind_tools("search", "add")

    assert run(bound, "x") == "other with ('search', 'add')"
    assert (bound.count(), bound.exceptions_to_handle) == (2, (OSError,))


def test_what_it_is_made_of() -> None:
    """It is drawn as a choice, reported as its first, and listed with all of its parts."""

    def count(text: str) -> int:
        return len(text)

    def spell(text: str) -> list[str]:
        return list(text)

    node = RunnableLambda(count).with_fallbacks([spell])
    assert (node.InputType, node.OutputType, node.get_name()) == (str, int | list[str], "RunnableWithFallbacks")
    labels = {edge.data for edge in node.get_graph().edges if edge.conditional}
    assert labels == {"first", "fallback 1"}
    assert node.stream_report().stops_at == "count"
    assert RunnableGenerator(letters).with_fallbacks([spell]).stream_report().stops_at is None
    assert [line.split()[:-1] for line in str(node).splitlines()[1:]] == [
        ["first:", "count"],
        ["fallback", "1:", "spell"],
    ]


def test_keys_that_are_certain() -> None:
    """A chain is checked for the keys that every alternative needs, and knows those that every one gives."""
    prompt, wider = ChatPromptTemplate.from_template("{a}"), ChatPromptTemplate.from_template("{a} {b}")

    with pytest.raises(ChainError, match="'a'"):
        RunnableParallel(b=str) | prompt.with_fallbacks([wider])
    assert RunnableParallel(a=str) | wider.with_fallbacks([prompt])
    gives = RunnableParallel(a=str, b=str).with_fallbacks([{"a": str, "c": str}])
    assert gives | prompt
    with pytest.raises(ChainError, match="'b'"):
        gives | wider


def test_chain_is_refused_if_every_alternative_would() -> None:
    """A chain whose step can be taken by none of the alternatives is refused when it is built."""
    strict, lenient = StrOutputParser(), RunnableLambda(str)

    with pytest.raises(ChainError):
        RunnableParallel(a=str) | strict.with_fallbacks([strict])
    assert RunnableParallel(a=str) | strict.with_fallbacks([lenient])

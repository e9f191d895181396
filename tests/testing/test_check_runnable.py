"""The check finds each fault that is seeded here on purpose and names its law; what is right it lets pass."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plait.callbacks import dispatch_custom_event
from plait.messages import AIMessage
from plait.runnables import Runnable, RunnableConfig, RunnableGenerator, RunnableLambda
from plait.runs import Run, Watch, current
from plait.testing import (
    ASYNC_MODES,
    LAWS,
    SYNC_MODES,
    ConformanceError,
    EchoChatModel,
    Finding,
    acheck_runnable,
    check_runnable,
)


def upper(text: str) -> str:
    return text.upper()


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


async def aletters(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        for letter in chunk:
            yield letter


class Upper(Runnable[Any, Any]):
    """Right in every way; each fault below is one change of it."""

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return input.upper()


# -------------------------------------------------------------------------------------------------- values and batches


class StreamUnlikeInvoke(Upper):
    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        yield "".join(chunks).lower()


class EmptyStream(Upper):
    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        yield from list(chunks)[:0]


class AsyncUnlikeSync(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return input


class EachChunkApart(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return f"<{input}>"

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        for chunk in chunks:
            yield f"<{chunk}>"


class BatchOutOfOrder(Upper):
    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return super().batch(inputs, config, **kwargs)[::-1]


class BatchDropsOne(Upper):
    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return await super().abatch(inputs[1:], config, **kwargs)


class WrongIndex(Upper):
    def batch_as_completed(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        for _, output in super().batch_as_completed(inputs, config, **kwargs):
            yield 0, output


class OneFailureFailsAll(Upper):
    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        outputs = super().batch(inputs, config, return_exceptions=return_exceptions, **kwargs)
        failed = [output for output in outputs if isinstance(output, Exception)]
        return failed * len(outputs) if failed else outputs


class Counting(Upper):
    calls = 0

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return f"{input} {self.calls}"


class OneBufferForAll(Upper):
    buffer = ""

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        self.buffer = "".join(chunks).upper()
        while self.buffer:
            letter, self.buffer = self.buffer[0], self.buffer[1:]
            yield letter


# ----------------------------------------------------------------------------------------------------------- exceptions


class SwallowsInStream(Upper):
    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        try:
            yield from super()._transform(chunks, config)
        except AttributeError:
            yield ""


class OtherTypeInAsync(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        try:
            return input.upper()
        except AttributeError as error:
            raise ValueError(str(error)) from error


# --------------------------------------------------------------------------------------------- what belongs to the caller


class ChangesInput(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return input.setdefault("more", 1)


class ChangesConfig(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        for facts in {} if config is None else config["metadata"].values():
            facts["seen"] = True
        return input.upper()


class SharesChunks(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return list(input)

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        chunk: list[Any] = []
        for letter in "".join(chunks):
            chunk[:] = [letter]
            yield chunk


class SharesOutput(Upper):
    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        self.seen.clear()
        self.seen["text"] = input
        return self.seen


class LeavesConfigInForce(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        current.set(config)
        return input.upper()


class HoldsConfigAcrossYield(Upper):
    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        before = current.get()
        current.set(config)
        yield "".join(chunks).upper()
        current.set(before)


# ------------------------------------------------------------------------------------------------------ config and runs


class Wrapper(Runnable[Any, Any]):
    """Right; the wrappers below are not."""

    def __init__(self, inner: Runnable[Any, Any] | None = None) -> None:
        self.inner = inner or RunnableLambda(upper)

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return self.inner.invoke(input, config)

    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return await self.inner.ainvoke(input, config)


class LosesConfig(Wrapper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return self.inner.invoke(input)


class LosesConfigurable(Wrapper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        known = {key: config[key] for key in ("tags", "metadata", "callbacks")} if config else None
        return self.inner.invoke(input, known)


class KeepsFirstConfig(Wrapper):
    config: Any = None

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        self.config = self.config or config
        return self.inner.invoke(input, self.config)


class OneConfigForAll(Upper):
    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return super().batch(inputs, config[0] if isinstance(config, list) else config, **kwargs)


class StartsTwice(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        for listener in () if config is None else config.listeners:
            listener.on_run_start(config.run)
        return input.upper()


class StartsNone(Upper):
    def __init__(self) -> None:
        self.invoke = self.unheard  # type: ignore[method-assign]  # past all that the class does about runs

    def unheard(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input.upper()


class NeverEnds(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        if config is not None:
            Watch(self, input, config).__enter__()
        return input.upper()


class EndsTwice(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        for listener in () if config is None else config.listeners:
            listener.on_run_end(config.run)
        return input.upper()


class AnotherStepInStream(Wrapper):
    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        yield upper("".join(chunks))


# ------------------------------------------------------------------------------------------------------ what is left


class LeavesTask(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(3600))
        return input.upper()


class LeavesThread(Upper):
    def __init__(self) -> None:
        self.end = threading.Event()

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        threading.Thread(target=self.end.wait, name="mine").start()
        return input.upper()


class LeavesCoroutine(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        asyncio.sleep(1)
        return input.upper()


class LeavesFile(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
        return input.upper()


class LeavesException(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        asyncio.get_running_loop().create_future().set_exception(KeyError("unseen"))
        return input.upper()


class LeavesGeneratorOpen(Upper):
    def __init__(self) -> None:
        self.opened: list[Any] = []

    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        self.opened.append(letters(iter(["".join(chunks).upper()])))
        for letter in self.opened[-1]:
            yield letter


class LeavesAsyncGeneratorOpen(Upper):
    async def _atransform(self, chunks: AsyncIterator[Any], config: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async for letter in (RunnableLambda(upper) | RunnableGenerator(letters, aletters)).atransform(chunks, config):
            yield letter


class IgnoresClose(Upper):
    def _transform(self, chunks: Iterator[Any], config: Any, **kwargs: Any) -> Iterator[Any]:
        for letter in "".join(chunks).upper():
            try:
                yield letter
            except GeneratorExit:
                yield letter


class IgnoresCancel(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        for _ in range(5):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                continue
        return input.upper()


class BlocksLoop(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        time.sleep(0)  # noqa: ASYNC251
        return input.upper()


class WaitsOnLoop(Upper):
    async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        threading.Event().wait(0)
        return input.upper()


class AllAtOnce(Upper):
    def batch(self, inputs: Any, config: Any = None, *, return_exceptions: bool = False, **kwargs: Any) -> Any:
        gate, outputs = threading.Barrier(len(inputs)), dict[int, Any]()

        def call(place: int) -> None:
            configs = config if isinstance(config, list) else [config] * len(inputs)
            outputs[place] = Gated(gate).invoke(inputs[place], configs[place])

        threads = [threading.Thread(target=call, args=(place,)) for place in range(len(inputs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [outputs[place] for place in range(len(inputs))]


class Gated(Upper):
    name = "AllAtOnce"

    def __init__(self, gate: threading.Barrier) -> None:
        self.gate = gate

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        self.gate.wait()
        return input.upper()


class ReadsAllFirst(Upper):
    def batch_iter(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return iter(self.batch(list(inputs), config, **kwargs))


# ---------------------------------------------------------------------------------------------------------- descriptions


class RefusesInput(Upper):
    InputType = int


class RefusesOutput(Upper):
    OutputType = int


class BrokenJsonSchema(Upper):
    def get_output_jsonschema(self, config: Any = None) -> Any:
        return {"$ref": "#/$defs/Nowhere"}


class NoRepr(Upper):
    def __repr__(self) -> str:
        raise AttributeError("gone")


class EndlessRepr(Upper):
    def __repr__(self) -> str:
        return "x" * 100_000


class ShowsSecret(Upper):
    def __repr__(self) -> str:
        return "ShowsSecret(key='hunter2')"


class SecretInError(Upper):
    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        if input == "bad":
            raise ValueError("the key hunter2 was refused")
        return input.upper()


class NotPicklable(Upper):
    def __init__(self) -> None:
        self.lock = threading.Lock()


class CopyForgets(Upper):
    def __init__(self) -> None:
        self.suffix = "!"

    def __getstate__(self) -> Any:
        return {"suffix": ""}

    def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
        return input.upper() + self.suffix


NO_TEXT = {"errors": [(1, AttributeError)]}
FAULTS: list[tuple[Callable[[], Runnable[Any, Any]], dict[str, Any], list[str]]] = [
    (StreamUnlikeInvoke, {}, ["stream-sum"]),
    (EmptyStream, {}, ["stream-sum"]),
    (AsyncUnlikeSync, {}, ["same-value", "stream-sum"]),
    (EachChunkApart, {}, ["split-input"]),
    (BatchOutOfOrder, {}, ["batch-order"]),
    (BatchDropsOne, {}, ["batch-order", "runs"]),
    (WrongIndex, {}, ["batch-order"]),
    (OneFailureFailsAll, NO_TEXT, ["batch-order"]),
    (Counting, {}, ["same-again"]),
    (OneBufferForAll, {}, ["concurrent"]),
    (SwallowsInStream, NO_TEXT, ["same-error"]),
    (OtherTypeInAsync, NO_TEXT, ["same-error"]),
    (ChangesInput, {"inputs": [{"a": 1}]}, ["input-kept"]),
    (ChangesConfig, {}, ["config-kept"]),
    (SharesChunks, {}, ["stream-sum", "output-kept"]),
    (SharesOutput, {}, ["output-kept"]),
    (LeavesConfigInForce, {}, ["config-kept", "runs"]),
    (HoldsConfigAcrossYield, {}, ["config-kept", "early-close"]),
    (LosesConfig, {}, ["config-reaches", "same-runs"]),
    (LosesConfigurable, {}, ["config-reaches", "runs"]),
    (KeepsFirstConfig, {}, ["config-reaches", "same-runs"]),
    (OneConfigForAll, {}, ["config-reaches"]),
    (StartsTwice, {}, ["runs"]),
    (StartsNone, {"modes": SYNC_MODES}, ["runs"]),
    (NeverEnds, {}, ["runs"]),
    (EndsTwice, {}, ["runs"]),
    (AnotherStepInStream, {}, ["same-runs"]),
    (LeavesTask, {}, ["nothing-left"]),
    (LeavesCoroutine, {}, ["nothing-left"]),
    (LeavesFile, {}, ["nothing-left"]),
    (LeavesException, {}, ["nothing-left"]),
    (LeavesGeneratorOpen, {}, ["early-close"]),
    (LeavesAsyncGeneratorOpen, {"modes": ["astream"]}, ["early-close"]),
    (IgnoresClose, {}, ["early-close"]),
    (IgnoresCancel, {}, ["cancel"]),
    (BlocksLoop, {}, ["event-loop"]),
    (WaitsOnLoop, {}, ["event-loop"]),
    (AllAtOnce, {}, ["max-concurrency"]),
    (ReadsAllFirst, {}, ["lazy-batch"]),
    (RefusesInput, {}, ["schemas"]),
    (RefusesOutput, {}, ["schemas"]),
    (BrokenJsonSchema, {}, ["schemas"]),
    (NoRepr, {}, ["repr"]),
    (EndlessRepr, {}, ["repr"]),
    (ShowsSecret, {"secrets": ["hunter2"]}, ["secrets"]),
    (SecretInError, {"secrets": ["hunter2"], "errors": [("bad", ValueError)]}, ["secrets"]),
    (NotPicklable, {"pickles": True}, ["pickle"]),
    (CopyForgets, {"pickles": True}, ["pickle"]),
]


def broken(runnable: Any, inputs: Any = ("one", "two"), **options: Any) -> ConformanceError:
    """What the check raises."""
    with pytest.raises(ConformanceError) as caught:
        check_runnable(runnable, inputs, **options)
    return caught.value


@pytest.mark.parametrize(("fault", "options", "laws"), FAULTS, ids=[fault.__name__ for fault, _, _ in FAULTS])
def test_finds_the_fault(fault: Callable[[], Runnable[Any, Any]], options: dict[str, Any], laws: list[str]) -> None:
    """Each seeded fault is found, and the law that it breaks is named, and no other."""
    error = broken(fault(), **options)

    assert error.laws == laws, error


def test_every_law_has_a_fault() -> None:
    """No law is there that nothing can break."""
    assert {law for _, _, laws in FAULTS for law in laws} == {*LAWS}


def test_every_law_is_on_the_page() -> None:
    """The table of the documentation is that of the code."""
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")

    assert [f"| `{name}` | {law.says} |" for name, law in LAWS.items()] == re.findall(r"^\| `.*$", page, re.MULTILINE)


def test_finds_a_thread_that_goes_on() -> None:
    """A thread that a call left is found, and waited for only once."""
    fault = LeavesThread()
    try:
        error = broken(fault, modes=["invoke"])
    finally:
        fault.end.set()

    assert error.laws == ["nothing-left"]
    assert error.findings[0].came == "the thread 'mine' goes on"


# ------------------------------------------------------------------------------------------------------ what it lets pass


@pytest.mark.parametrize(
    "right", [Upper(), Wrapper(), Wrapper(Wrapper()), Upper().bind(), Wrapper() | Upper()], ids=repr
)
def test_passes_what_is_right(right: Runnable[Any, Any]) -> None:
    """The classes of which each fault is one change keep every law."""
    check_runnable(right, ["one", "two"], errors=[(1, AttributeError)], pickles=True, secrets=["hunter2"])


def test_takes_functions_and_dicts() -> None:
    """What `|` takes can be checked as it is."""
    check_runnable(upper, ["one"])
    check_runnable({"loud": upper, "letters": letters}, ["one"])


def test_async_only_needs_modes() -> None:
    """A runnable without a synchronous form is checked in the async modes."""

    async def aupper(text: str) -> str:
        return text.upper()

    check_runnable(aupper, ["one"], modes=ASYNC_MODES)
    assert broken(aupper).laws == ["same-value"]


def test_ids_of_messages_do_not_count() -> None:
    """Outputs are the same if only their message ids differ, or one is the sum of chunks and the other a message."""
    count = iter(range(10_000))

    def answer(text: str) -> AIMessage:
        return AIMessage(text, id=f"run-{next(count)}")

    check_runnable(answer, ["one"], modes=["invoke", "batch"])
    check_runnable(EchoChatModel(), ["one", "two words"])


def test_equal_compares_outputs() -> None:
    """`equal` says what is the same where `==` does not."""

    class Other(Upper):
        async def _ainvoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
            return input.lower()

    assert "same-value" in broken(Other()).laws
    check_runnable(Other(), ["one", "two"], equal=lambda expected, came: expected.lower() == came.lower())


def test_outputs_that_cannot_be_compared_need_equal() -> None:
    """A comparison that fails is no finding: the error says to pass `equal`."""

    def refuse(expected: Any, came: Any) -> bool:
        raise ValueError("of different shapes")

    with pytest.raises(TypeError, match=r"pass equal= to say how.*of different shapes"):
        check_runnable(upper, ["one"], equal=refuse)


def test_objects_without_eq_are_compared_by_what_is_in_them() -> None:
    """Two objects of a class that does not define `==` are the same if their attributes are."""

    class Box:
        def __init__(self, text: str) -> None:
            self.text, self.self, self.nan = text, self, float("nan")

    check_runnable(Box, ["one", "two"], modes=["invoke", "batch"])


def test_own_config_is_passed() -> None:
    """`config` reaches every call, beside what the check adds."""

    def configured(text: str, config: RunnableConfig) -> str:
        return text + config["configurable"]["suffix"]

    check_runnable(configured, ["one", "two"], config={"configurable": {"suffix": "!"}, "tags": ["mine"]})
    assert broken(configured).findings[0].came == "KeyError: 'suffix'"


def test_a_known_fault_is_skipped_with_its_reason() -> None:
    """A law in `skip` is not told; the others are."""
    skip = {"batch-order": "an old fault", "runs": "follows from it"}

    check_runnable(BatchDropsOne(), ["one", "two"], skip=skip)
    assert broken(BatchDropsOne(), skip={"runs": "follows"}).laws == ["batch-order"]


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (["one"], {"skip": {"batch-ordre": "typo"}}, "'batch-ordre'.*batch-order"),
        (["one"], {"modes": ["run"]}, "'run'.*abatch_iter"),
        ([], {}, "at least one input"),
        (["one"], {"modes": []}, "at least one mode"),
    ],
)
def test_refuses_what_it_cannot_do(inputs: Any, options: dict[str, Any], message: str) -> None:
    """Unknown laws and modes, and a check of nothing, are errors that say what there is."""
    with pytest.raises(ValueError, match=message):
        check_runnable(upper, inputs, **options)


def test_refuses_what_is_no_runnable() -> None:
    """What `|` would not take is a TypeError."""
    with pytest.raises(TypeError, match="expected a Runnable"):
        check_runnable(1, ["one"])


async def test_a_running_loop_needs_the_other_function() -> None:
    """Inside a loop the check says which function to await, and that one works."""
    with pytest.raises(RuntimeError, match=r"await acheck_runnable"):
        check_runnable(upper, ["one"])
    check_runnable(upper, ["one"], modes=SYNC_MODES)

    await acheck_runnable(upper, ["one"], errors=[(1, AttributeError)])
    with pytest.raises(ConformanceError, match="same-again"):
        await acheck_runnable(Counting(), ["one"])


# ------------------------------------------------------------------------------------------------------ what it tells


def test_a_finding_says_all_that_is_needed() -> None:
    """Law, modes, input, what was expected, what came and what to do, in the message and as attributes."""
    error = broken(StreamUnlikeInvoke(), ["one"])

    assert str(error).splitlines() == [
        "StreamUnlikeInvoke breaks the laws of a runnable: stream-sum",
        "",
        "1. stream-sum: stream, transform, for the input 'one'",
        "    expected  'ONE'",
        "    came      'one'",
        f"    do        {LAWS['stream-sum'].do}",
    ]
    assert error.findings == [Finding("stream-sum", "'ONE'", "'one'", ("stream", "transform"), "'one'")]
    assert isinstance(error, AssertionError)


def test_all_findings_are_told_at_once() -> None:
    """One run tells every fault; the message holds a few of each law, the attribute all."""

    class Worse(StreamUnlikeInvoke):
        __repr__ = EndlessRepr.__repr__

    error = broken(Worse(), list("abcde"))

    assert error.laws == ["stream-sum", "repr"]
    assert len([finding for finding in error.findings if finding.law == "stream-sum"]) == 5
    assert "and 2 more of stream-sum, in `findings` of this error" in str(error)


def test_a_fault_of_watched_calls_is_told_as_such() -> None:
    """What goes wrong only when somebody listens is said to."""

    class Shy(Upper):
        def _invoke(self, input: Any, config: Any, **kwargs: Any) -> Any:
            return input.upper() if config is None or not config.listeners else input

    [finding, *_] = broken(Shy(), ["one"], modes=["invoke"]).findings

    assert finding.modes[0] == "invoke with a listener"
    assert "invoke" not in finding.modes


def test_inputs_that_fail_belong_elsewhere() -> None:
    """An input that does not work is told as that, and nothing else is."""
    error = broken(Upper(), ["one", 1])

    assert error.laws == ["same-value"]
    assert "errors=" in str(error)
    assert "AttributeError: 'int' object has no attribute 'upper'" in str(error)


def test_secrets_are_not_told() -> None:
    """The message itself does not show the secret that it speaks of."""
    error = broken(SecretInError(), ["one", "bad"], secrets=["hunter2"])

    assert "hunter2" not in str(error)
    assert "the key *** was refused" in str(error)


# ------------------------------------------------------------------------------------------------------ what it leaves


def test_leaves_everything_as_it_was() -> None:
    """Collector, profiler, warnings, hooks and the config in force are what they were, found or not."""

    def profile(*facts: Any) -> None: ...

    def state() -> list[Any]:
        return [gc.isenabled(), sys.getprofile(), sys.get_asyncgen_hooks(), list(warnings.filters), current.get()]

    sys.setprofile(profile)
    try:
        before = state()
        broken(BlocksLoop())
        check_runnable(upper, ["one"])
        assert state() == before
    finally:
        sys.setprofile(None)


def test_a_run_around_it_is_not_a_part_of_it() -> None:
    """The check may be called inside a chain that is watched: its calls are no runs of that."""

    class Heard:
        def __init__(self) -> None:
            self.runs: list[Run] = []

        def on_run_start(self, run: Run) -> None:
            self.runs.append(run)

        def on_run_chunk(self, run: Run, chunk: Any) -> None: ...

        def on_run_end(self, run: Run) -> None: ...

    def check(text: str) -> str:
        check_runnable(upper, [text])
        return text

    heard = Heard()
    RunnableLambda(check).invoke("one", {"callbacks": [heard], "tags": ["around"]})

    assert [run.name for run in heard.runs] == ["check"]


def test_other_warnings_are_passed_on() -> None:
    """A warning that is no leftover is the user's to see."""

    def old(text: str) -> str:
        warnings.warn("use another", DeprecationWarning, stacklevel=1)
        return text

    with pytest.warns(DeprecationWarning, match="use another"):
        check_runnable(old, ["one"], modes=["invoke"])


def test_a_step_may_tell_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The check hears events of a step's own, too, and says nothing of them."""

    def telling(text: str) -> str:
        dispatch_custom_event("at work", text)
        return text

    check_runnable(RunnableLambda(telling), ["a"])

    assert not caplog.records

"""N6: a step that begins its stream anew after a failure in the middle, and all the steps after it with it."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, suppress
from typing import Any, TypeAlias

import pytest

from plait.errors import EmptyStreamError
from plait.merging import Restarted, StreamReset, merge_all
from plait.runnables import (
    ConfigurableField,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
)
from plait.testing import check_runnable

RESET = StreamReset("TimeoutError")
ANY_CHUNK = RunnableLambda(str.upper, chunkwise=True)
TWICE = RunnableLambda(lambda chunk: "".join(letter * 2 for letter in chunk), chunkwise=True, inline=True)
Chain: TypeAlias = Runnable[Any, Any]
Streamed: TypeAlias = Callable[..., list[Any]]


class Flaky:
    """A step that gives the letters of its input, and fails before the letter ``at`` the first ``times`` times.

    It begins anew, with a reset if it had given anything; after ``most`` attempts the error is raised.
    """

    def __init__(self, at: int = 2, times: int = 1, most: int = 100) -> None:
        self.at, self.times, self.most = at, times, most
        self.attempts = 0

    def letters(self, text: str) -> Iterator[str]:
        self.attempts += 1
        for index, letter in enumerate(text):
            if index == self.at and self.attempts <= self.times:
                raise TimeoutError(f"attempt {self.attempts} with sk-secret")
            yield letter

    def step(self) -> RunnableGenerator[Any, Any]:
        def flaky(chunks: Iterator[str]) -> Iterator[Any]:
            text = "".join(chunks)
            while True:
                try:
                    yield from self.letters(text)
                    return
                except TimeoutError:
                    if self.attempts == self.most:
                        raise
                if self.at:
                    yield RESET

        async def aflaky(chunks: AsyncIterator[str]) -> AsyncIterator[Any]:
            for chunk in flaky(iter([chunk async for chunk in chunks])):
                await asyncio.sleep(0)
                yield chunk

        return RunnableGenerator(flaky, aflaky, resets=True)


class Ends(list[str]):
    """Steps that pass chunks on, and note when they begin, what they saw, and how they end."""

    def step(self, name: str) -> RunnableGenerator[Any, Any]:
        def passed(chunks: Iterator[Any]) -> Iterator[Any]:
            self.append(f"{name} begins")
            try:
                for chunk in chunks:
                    yield chunk
                self.append(f"{name} is done")
            except Exception:
                self.append(f"{name} failed")
                raise
            finally:
                self.append(f"{name} ends")

        async def apassed(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
            self.append(f"{name} begins")
            try:
                async for chunk in chunks:
                    yield chunk
                self.append(f"{name} is done")
            except Exception:
                self.append(f"{name} failed")
                raise
            finally:
                await asyncio.sleep(0)
                self.append(f"{name} ends")

        return RunnableGenerator(passed, apassed)


def _streamed(chain: Any, input: Any, config: Any = None) -> list[Any]:
    with closing(chain.stream(input, config)) as chunks:
        return list(chunks)


async def _astreamed(chain: Any, input: Any, config: Any) -> list[Any]:
    async with aclosing(chain.astream(input, config)) as chunks:
        return [chunk async for chunk in chunks]


class Heard:
    """Hears of runs."""

    def __init__(self) -> None:
        self.ended: list[Any] = []

    def on_run_start(self, run: Any) -> None: ...

    def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

    def on_run_event(self, run: Any, name: str, data: Any) -> None: ...

    def on_run_end(self, run: Any) -> None:
        self.ended.append((run.name, run.status, run.outputs))


@pytest.fixture(params=["stream", "astream", "watched stream", "watched astream"])
def streamed(request: pytest.FixtureRequest) -> Streamed:
    """``streamed(chain, input, config=None)`` gives the chunks; in both colours, watched or not."""

    def call(chain: Any, input: Any, config: Any = None) -> list[Any]:
        watching = {"callbacks": [Heard()]} if "watched" in request.param else None
        if "astream" in request.param:
            return asyncio.run(_astreamed(chain, input, config or watching))
        return _streamed(chain, input, config or watching)

    return call


def noting(seen: list[Any]) -> RunnableLambda[Any, Any]:
    """A function of whole values that notes what it is called with."""

    def note(value: Any) -> Any:
        seen.append(value)
        return value

    return RunnableLambda(note)


# ------------------------------------------------------------------------------------------------------- one sequence


def test_consumer_gets_the_reset_among_the_chunks(streamed: Streamed) -> None:
    """What was given before the failure, a reset, and then all of it from the start."""
    assert streamed(Flaky(2, 1).step(), "abcd") == ["a", "b", RESET, "a", "b", "c", "d"]
    assert streamed(Flaky(2, 1).step() | ANY_CHUNK, "abcd") == ["A", "B", RESET, "A", "B", "C", "D"]


@pytest.mark.parametrize("after_it", [1, 2, 5, 20, 100])
def test_any_number_of_steps_after_it_begin_anew(streamed: Streamed, after_it: int) -> None:
    """Each step after it is ended, and opened anew, however many there are."""
    ends = Ends()
    rest = [ends.step(str(number)) if number % 2 else ANY_CHUNK for number in range(after_it)]
    chunks = streamed(RunnableSequence(Flaky(1, 2).step(), *rest), "ab")
    assert [str(chunk)[0] for chunk in chunks] == ["A", "S", "A", "S", "A", "B"]
    assert all(ends.count(f"{number} ends") == 3 for number in range(1, after_it, 2))


def test_every_finally_has_run_before_the_new_attempt(streamed: Streamed) -> None:
    """A step that is ended for a reset runs its ``finally``, no ``except Exception``, and only then begins anew."""
    ends = Ends()
    streamed(Flaky(1, 1).step() | ends.step("x") | ends.step("y"), "ab")
    assert [note for note in ends if note[0] == "x"] == ["x begins", "x ends", "x begins", "x is done", "x ends"]
    assert [note for note in ends if note[0] == "y"] == ["y begins", "y ends", "y begins", "y is done", "y ends"]
    assert ends.index("y ends") < ends.index("x is done")


def test_steps_before_it_go_on(streamed: Streamed) -> None:
    """Only what comes after a restarting step begins anew."""
    ends = Ends()
    assert streamed(ends.step("x") | Flaky(1, 1).step() | ANY_CHUNK, "ab")[1] == RESET
    assert ends == ["x begins", "x is done", "x ends"]


def test_function_of_whole_values_is_called_once_with_the_right_one(streamed: Streamed) -> None:
    """P01: a function, which may be a paid call, never sees the part of a stream that was reset."""
    seen: list[str] = []
    chain = Flaky(2, 3).step() | ANY_CHUNK | noting(seen)
    assert streamed(chain, "abcd") == [RESET, RESET, RESET, "ABCD"]
    assert seen == ["ABCD"]


def test_failure_before_the_first_chunk_resets_nothing(streamed: Streamed) -> None:
    """As long as nothing has been given there is nothing to take back."""
    assert streamed(Flaky(0, 3).step() | ANY_CHUNK, "ab") == ["A", "B"]


def test_failure_of_every_attempt_is_raised(streamed: Streamed) -> None:
    """The error of the last attempt reaches the caller, as it is."""
    with pytest.raises(TimeoutError, match="attempt 3"):
        streamed(Flaky(1, 9, most=3).step() | ANY_CHUNK | TWICE, "ab")


def test_two_restarting_steps(streamed: Streamed) -> None:
    """A reset of the first ends the second, too, which then begins with a stream of its own."""
    first, second = Flaky(2, 1), Flaky(3, 1)
    assert merge_all(streamed(first.step() | TWICE | second.step() | ANY_CHUNK, "abc")) == "AABBCC"
    assert (first.attempts, second.attempts) == (2, 2)


def test_error_after_a_reset_is_of_its_step(streamed: Streamed) -> None:
    """A failure in a step that was begun anew is raised, and its note names the step, its place and its input."""

    seen: list[str] = []

    def picky(chunk: str) -> str:
        seen.append(chunk)
        if seen == ["a", "a"]:
            raise ValueError("not again")
        return chunk

    chain: Chain = RunnableSequence(Flaky(1, 1).step(), RunnableLambda(picky, chunkwise=True), ANY_CHUNK)
    with pytest.raises(ValueError, match="not again") as caught:
        streamed(chain, "ab")
    assert "'picky', step 2 of 3" in caught.value.__notes__[0]
    assert "its input was 'a'" in caught.value.__notes__[0]


def test_error_in_functions_that_run_together_is_of_its_own(streamed: Streamed) -> None:
    """The note names the function that failed, and what it was called with, also where several make one stage."""

    def refuse(text: str) -> str:
        raise ValueError(text)

    chain: Chain = RunnableSequence(Flaky(1, 1).step(), RunnableLambda(str.upper), RunnableLambda(refuse), [].append)
    with pytest.raises(ValueError, match="AB") as caught:
        streamed(chain, "ab")
    assert "'refuse', step 3 of 4" in caught.value.__notes__[0]
    assert "its input was 'AB'" in caught.value.__notes__[0]


def test_reset_of_a_step_around_is_not_taken_for_one_within(streamed: Streamed) -> None:
    """P01: steps after a restarting step that is itself ended for a reset are ended, too, and see no end of a stream."""
    seen: list[str] = []

    def joined(chunks: Iterator[str]) -> Iterator[str]:
        text = "".join(chunks)
        seen.append(text)
        yield text

    passing = RunnableGenerator(Ends().step("").transform_func, resets=True)  # type: ignore[arg-type]  # it has both forms
    inner: Chain = RunnableSequence(passing, TWICE, RunnableGenerator(joined), name="inner")
    assert streamed(Flaky(2, 2).step() | inner, "abc") == [RESET, RESET, "aabbcc"]
    assert seen == ["aabbcc"]


def test_step_that_catches_everything_is_ended_all_the_same(streamed: Streamed) -> None:
    """What a step gives after it has caught what was to end it goes nowhere."""

    def stubborn(chunks: Iterator[str]) -> Iterator[str]:
        with suppress(BaseException):
            for chunk in chunks:
                yield chunk
        yield "!"

    chunks = streamed(Flaky(2, 1).step() | RunnableGenerator(stubborn) | ANY_CHUNK, "abc")
    assert chunks == ["A", "B", RESET, "A", "B", "C", "!"]


def test_error_in_a_finally_is_not_swallowed(streamed: Streamed) -> None:
    """A step whose own clean-up fails when it is ended for a reset says so."""

    def careless(chunks: Iterator[str]) -> Iterator[str]:
        try:
            for chunk in chunks:
                yield chunk
        finally:
            raise OSError("cannot clean up")

    with pytest.raises(OSError, match="cannot clean up"):
        streamed(Flaky(1, 1).step() | RunnableGenerator(careless), "ab")


def test_step_that_reads_no_further_sees_no_reset(streamed: Streamed) -> None:
    """A step that has what it needs ends the stream; what would have come does not matter."""

    def first_only(chunks: Iterator[str]) -> Iterator[str]:
        yield next(chunks)

    assert streamed(Flaky(1, 1).step() | RunnableGenerator(first_only) | TWICE, "ab") == ["aa"]


def test_branches_after_it_see_no_failure(streamed: Streamed) -> None:
    """P04: whichever branch of a dict reads the reset first, the others are ended by it, too, and not by an error."""
    ends = Ends()
    parallel: Chain = RunnableParallel(a=ends.step("a"), b=ends.step("b"), c=ends.step("c"))
    assert merge_all(streamed(Flaky(2, 3).step() | parallel, "abc")) == {"a": "abc", "b": "abc", "c": "abc"}
    assert not [note for note in ends if "failed" in note]
    assert sum("is done" in note for note in ends) == 3


def test_value_of_a_stream_that_was_taken_back_is_an_error(run: Any) -> None:
    """A generator that ends after a reset has given nothing."""

    def nothing_more(chunks: Iterator[str]) -> Iterator[Any]:
        yield StreamReset("OSError")

    with pytest.raises(EmptyStreamError):
        run(RunnableGenerator(nothing_more, resets=True), "x")


def test_stream_in_hand_is_passed_on_with_its_resets() -> None:
    """What ``transform`` is given are chunks; a step that says that it resets makes resets of those that are."""

    def passed(chunks: Iterator[Any]) -> Iterator[Any]:
        yield from chunks

    seen: list[str] = []
    chain = RunnableGenerator(passed, resets=True) | TWICE | noting(seen)
    assert list(chain.transform(iter(["a", RESET, "a", "b"]))) == [RESET, "aabb"]
    assert seen == ["aabb"]


def test_value_and_batch_see_no_reset(run: Any) -> None:
    """Whatever the mode, the value is the sum of the last attempt."""
    assert run(Flaky(2, 2).step() | ANY_CHUNK | list | TWICE.map(), "abc") == ["AA", "BB", "CC"]


# ---------------------------------------------------------------------------------------------------- other compositions


def test_branch_of_a_dict_takes_back_nothing_of_the_others(streamed: Streamed) -> None:
    """After the reset of one key comes, once more, what the other keys had."""
    parallel: Chain = RunnableParallel(a=Flaky(2, 2).step(), b=RunnablePassthrough(), c=ANY_CHUNK)
    chunks = streamed(parallel, "abc")
    assert chunks.count(RESET) == 2
    assert merge_all(chunks) == {"a": "abc", "b": "abc", "c": "ABC"}


def test_two_branches_of_a_dict_restart(streamed: Streamed) -> None:
    """Each takes back its own key only."""
    chunks = streamed(RunnableParallel(a=Flaky(2, 2).step(), b=Flaky(1, 3).step() | ANY_CHUNK), "abc")
    assert chunks.count(RESET) == 5
    assert merge_all(chunks) == {"a": "abc", "b": "ABC"}


def test_assign_keeps_what_it_passes_on(streamed: Streamed) -> None:
    """A reset of an added key takes back neither the input nor the other added keys."""
    start: Chain = RunnableParallel(x=RunnablePassthrough(), y=ANY_CHUNK)
    chain = start.assign(a=RunnablePick("x") | Flaky(2, 2).step(), b=RunnablePick("y"))
    chunks = streamed(chain, "abc")
    assert chunks.count(RESET) == 2
    assert merge_all(chunks) == {"x": "abc", "y": "ABC", "a": "abc", "b": "ABC"}


@pytest.mark.parametrize(
    "rest",
    [
        RunnableParallel(a=ANY_CHUNK, b=RunnableLambda(str.lower)),
        RunnableParallel(a=RunnablePassthrough()).assign(b=RunnablePick("a") | ANY_CHUNK),
        RunnableBranch((lambda text: len(text) > 2, ANY_CHUNK), TWICE),
        RunnableBranch((RunnableLambda(bool, chunkwise=True), ANY_CHUNK | TWICE), TWICE),
        RunnableLambda(lambda text: ANY_CHUNK | TWICE),
        RunnableSequence(ANY_CHUNK, TWICE, name="inner"),
        RunnableLambda(list) | ANY_CHUNK.map(),
        RunnablePassthrough(lambda text: None) | TWICE,
        ANY_CHUNK.bind().with_config(tags=["t"]),
    ],
    ids=[
        "dict",
        "assign",
        "branch",
        "first chunk decides",
        "function that gives a chain",
        "inner",
        "map",
        "tap",
        "bound",
    ],
)
def test_what_follows_it_gives_the_same_as_ever(streamed: Streamed, rest: Runnable[Any, Any]) -> None:
    """Any node after a restarting step gives in the end what it gives for the whole text."""
    chunks = streamed(Flaky(2, 2).step() | rest, "abcd")
    assert chunks.count(RESET) == 2
    assert merge_all(chunks) == rest.invoke("abcd")


@pytest.mark.parametrize(
    "within",
    [
        lambda step: RunnableBranch((bool, step), TWICE),
        lambda step: RunnableLambda(lambda text: {"key": "k", "input": text}) | RouterRunnable({"k": step}),
        lambda step: RunnableSequence(TWICE, step, TWICE, name="inner"),
        lambda step: RunnableParallel(k=step).pick("k"),
        lambda step: step.with_config(tags=["t"]),
        lambda step: RunnableLambda(lambda _: step, resets=True),
    ],
    ids=["branch", "router", "inner", "dict", "bound", "function that says so"],
)
def test_reset_comes_out_of_any_node(streamed: Streamed, within: Callable[[Any], Runnable[Any, Any]]) -> None:
    """Wherever the restarting step is, the steps after it begin anew."""
    seen: list[str] = []
    chain = within(Flaky(2, 2).step()) | TWICE | noting(seen)
    chunks = streamed(chain, "abcd")
    assert chunks == [RESET, RESET, *seen]
    assert len(seen) == 1


def test_function_that_does_not_say_so_is_not_streamed(streamed: Streamed) -> None:
    """A restarting runnable that a plain function returns is invoked, since the steps after it expect no reset."""
    chunks = streamed(RunnableLambda(lambda _: Flaky(2, 2).step()) | ANY_CHUNK | RunnablePassthrough(), "abcd")
    assert chunks == ["ABCD"]


def test_class_of_a_user_says_that_it_resets(streamed: Streamed) -> None:
    """``_resets`` on a class of one's own lets the steps after it begin anew."""

    class Mine(Runnable[str, str]):
        _resets = True

        def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
            return input

        def stream(self, input: str, config: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield from [*input, RESET, *input]

        async def astream(self, input: str, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
            for chunk in self.stream(input):
                yield chunk

    assert streamed(Mine() | ANY_CHUNK, "ab") == ["A", "B", RESET, "A", "B"]


def test_sum_of_a_reset_part_is_a_reset_and_a_chunk(streamed: Streamed) -> None:
    """A stream that was added up in parts, as with ``merge``, resets the steps after it as it would have."""

    def summed(chunks: Iterator[str]) -> Iterator[Any]:
        yield from ["a", RESET + "b", "c"]

    chain = RunnableGenerator(summed, resets=True) | ANY_CHUNK
    assert streamed(chain, "") == ["A", RESET, "B", "C"]
    assert merge_all(streamed(RunnableParallel(k=RunnableGenerator(summed, resets=True)), "")) == {"k": "bc"}


def test_branch_whose_sum_since_a_reset_is_all_there_is(streamed: Streamed) -> None:
    """A sum that remembers a reset is what the key has from then on."""

    def summed(chunks: Iterator[str]) -> Iterator[Any]:
        yield from ["a", RESET + "b"]

    assert streamed(RunnableParallel(k=RunnableGenerator(summed, resets=True)), "x") == [{"k": "a"}, RESET, {"k": "b"}]


def test_branch_that_resets_and_gives_nothing_more_is_an_error(streamed: Streamed) -> None:
    """A key without a value would make a dict that lacks it."""

    def nothing_more(chunks: Iterator[str]) -> Iterator[Any]:
        yield from ["a", RESET]

    with pytest.raises(EmptyStreamError, match="'k'"):
        streamed(RunnableParallel(k=RunnableGenerator(nothing_more, resets=True), l=ANY_CHUNK), "x")


def test_chain_without_a_restarting_step_holds_nothing_of_it() -> None:
    """Its stages are the steps' own; only what follows a restarting step is wrapped."""
    plain: Any = RunnableSequence(ANY_CHUNK, TWICE, RunnableLambda(list), ANY_CHUNK.map())
    assert not plain._resets
    assert not any(stage.__name__ == "restarted" for stage, _ in plain._stages)
    reset: Any = RunnableSequence(ANY_CHUNK, Flaky().step(), TWICE, RunnableLambda(list))
    names = [getattr(stage, "__name__", "") for stage, _ in reset._stages]
    assert names == ["_transform", "_transform", "restarted", "restarted"]


# ------------------------------------------------------------------------------------------------ retries and fallbacks


class Unsteady:
    """The letters of the input; fails before the letter ``at`` the first ``times`` times that it is streamed."""

    def __init__(self, at: int = 2, times: int = 1) -> None:
        self.at, self.times, self.calls = at, times, 0

    def step(self) -> RunnableGenerator[Any, Any]:
        def unsteady(chunks: Iterator[str]) -> Iterator[str]:
            text = "".join(chunks)
            self.calls += 1
            failing = self.calls <= self.times
            for index, letter in enumerate(text):
                if failing and index == self.at:
                    raise TimeoutError("sk-secret")
                yield letter

        async def aunsteady(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
            for letter in unsteady(iter([chunk async for chunk in chunks])):
                await asyncio.sleep(0)
                yield letter

        return RunnableGenerator(unsteady, aunsteady)

    def retried(self, mid_stream: Any = "restart", attempts: int = 4) -> Runnable[Any, Any]:
        return self.step().with_retry(stop_after_attempt=attempts, wait_exponential_jitter=False, mid_stream=mid_stream)


def test_retry_in_mid_stream(streamed: Streamed) -> None:
    """P20: with "restart" the steps after a retry begin anew with it, and nothing is given twice."""
    seen: list[str] = []
    chunks = streamed(Unsteady(2, 2).retried() | TWICE | ANY_CHUNK | noting(seen), "abc")
    assert chunks == [RESET, RESET, "AABBCC"]
    assert seen == ["AABBCC"]


def test_retry_by_default_resets_nothing(streamed: Streamed) -> None:
    """With "raise" a failure after the first chunk is the caller's, and the chain holds nothing of resets."""
    chain = Unsteady(2, 2).retried("raise") | ANY_CHUNK
    assert not chain._resets
    with pytest.raises(TimeoutError):
        streamed(chain, "abc")


def test_retry_of_a_whole_chain(streamed: Streamed) -> None:
    """All the steps of the chain that is tried again are; those after it begin anew."""
    chain = (Unsteady(2, 2).step() | TWICE | Unsteady(1, 1).step()).with_retry(
        wait_exponential_jitter=False, stop_after_attempt=9, mid_stream="restart"
    )
    assert merge_all(streamed(chain | ANY_CHUNK, "abc")) == "AABBCC"


def test_retry_within_a_retry(streamed: Streamed) -> None:
    """A restarting step in a chain that restarts itself: one stream, whoever began anew."""
    inner = Unsteady(1, 2).retried() | TWICE | Unsteady(3, 2).step()
    chain = inner.with_retry(wait_exponential_jitter=False, stop_after_attempt=5, mid_stream="restart")
    assert merge_all(streamed(chain | ANY_CHUNK, "abc")) == "AABBCC"


def test_retry_that_gives_up(streamed: Streamed) -> None:
    """The error of the last attempt is raised through the steps after it."""
    unsteady = Unsteady(1, 9)
    with pytest.raises(TimeoutError):
        streamed(unsteady.retried(attempts=3) | ANY_CHUNK | RunnableParallel(a=TWICE, b=ANY_CHUNK), "ab")
    assert unsteady.calls == 3


def test_fallback_in_mid_stream(streamed: Streamed) -> None:
    """With "restart" the steps after it begin anew on what the fallback gives."""
    broken = Unsteady(1, 9).step()
    first = broken.with_fallbacks([broken, RunnableLambda(str.title) | Unsteady(0, 0).step()], mid_stream="restart")
    assert streamed(first | TWICE | ANY_CHUNK, "ab") == ["AA", RESET, "AA", RESET, "AA", "BB"]


def test_retries_beside_each_other(streamed: Streamed) -> None:
    """P20: branches that are tried again take back nothing of the others."""
    branches: Chain = RunnableParallel(
        a=Unsteady(2, 2).retried() | ANY_CHUNK, b=Unsteady(1, 1).retried(), c=RunnablePassthrough()
    )
    assert merge_all(streamed(branches | RunnablePassthrough(), "abc")) == {"a": "ABC", "b": "abc", "c": "abc"}


def test_retry_after_a_restarting_step_is_no_attempt(streamed: Streamed) -> None:
    """What ends a step because the one before it begins anew is no failure: it is neither tried again nor fallen back."""
    calls: list[str] = []
    guarded = TWICE.with_retry(wait_exponential_jitter=False).with_fallbacks([noting(calls)])
    assert merge_all(streamed(Unsteady(2, 2).retried() | guarded, "abc")) == "aabbcc"
    assert calls == []


def test_choice_of_a_call_may_restart(streamed: Streamed) -> None:
    """Whether a step restarts may be configured; the steps after it are ready for that."""
    field, unsteady = ConfigurableField(id="policy"), Unsteady(1, 1)
    fallback: Chain = unsteady.step().with_fallbacks([unsteady.step()]).configurable_fields(mid_stream=field)
    choice: Chain = TWICE.configurable_alternatives(ConfigurableField(id="which"), steady=Unsteady(1, 1).retried())
    config = {"configurable": {"policy": "restart", "which": "steady"}}
    assert streamed(fallback | ANY_CHUNK, "ab", config) == ["A", RESET, "A", "B"]
    assert streamed(choice | ANY_CHUNK, "ab", config) == ["A", RESET, "A", "B"]


def test_reason_tells_the_type_and_no_secret(streamed: Streamed) -> None:
    """The message of an error may hold a key; the reason of a reset is its type."""
    resets = [chunk for chunk in streamed(Unsteady(1, 1).retried(), "ab") if isinstance(chunk, StreamReset)]
    assert resets == [StreamReset("TimeoutError")]
    assert "sk-secret" not in repr(resets)


# ------------------------------------------------------------------------------------------------------------ watching


def test_runs_that_were_given_up_end_as_cancelled() -> None:
    """The step after it has a cancelled run for each reset, and one that succeeds; the chain has one run."""
    heard = Heard()
    chain = Flaky(1, 2).step() | RunnableGenerator(Ends().step("").transform_func, name="after")  # type: ignore[arg-type]  # it has both forms
    chunks = _streamed(chain, "ab", {"callbacks": [heard]})
    after_it = [(status, outputs) for name, status, outputs in heard.ended if name == "after"]
    assert chunks.count(RESET) == 2
    assert after_it == [("cancelled", "a"), ("cancelled", "a"), ("success", "ab")]
    assert [run for run in heard.ended if run[0] == "RunnableSequence"] == [("RunnableSequence", "success", "ab")]
    assert [run for run in heard.ended if run[0] == "flaky"] == [("flaky", "success", "ab")]


def test_run_that_ends_right_after_a_reset_has_no_output() -> None:
    """What had come of a cancelled run was taken back."""
    heard = Heard()
    stream = Flaky(1, 2).step().stream("ab", {"callbacks": [heard]})
    assert [next(stream), next(stream)] == ["a", RESET]
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert heard.ended == [("flaky", "cancelled", None)]


async def test_log_has_the_reset_and_the_right_output() -> None:
    """``astream_log`` tells the reset as a chunk, which can be pickled, and the sum after it as the output."""
    patches = [patch async for patch in (Flaky(1, 1).step() | ANY_CHUNK).astream_log("ab", diff=False)]
    state = patches[-1].state
    assert state["streamed_output"] == ["A", RESET, "A", "B"]
    assert state["final_output"] == "AB"
    assert pickle.loads(pickle.dumps(state))["streamed_output"][1] == RESET


async def test_events_have_the_reset_and_the_right_output() -> None:
    """``astream_events`` tells the reset as a chunk of the chain and of the step that began anew."""
    events = [event async for event in (Flaky(1, 1).step() | ANY_CHUNK).astream_events("ab")]
    resets = [event["name"] for event in events if event["data"].get("chunk") == RESET]
    assert sorted(resets) == ["RunnableSequence", "flaky"]
    assert events[-1]["data"]["output"] == "AB"
    assert [event["event"] for event in events].count("on_chain_cancelled") == 1


# ------------------------------------------------------------------------------------------------------------- closing


def test_close_right_after_a_reset() -> None:
    """Closed before the new attempt, everything has ended once, and nothing begins anew."""
    ends, flaky = Ends(), Flaky(1, 5)
    stream = (ends.step("x") | flaky.step() | ends.step("y")).stream("ab")
    assert [next(stream), next(stream)] == ["a", RESET]
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert (ends.count("y begins"), ends.count("y ends"), ends.count("x ends"), flaky.attempts) == (1, 1, 1, 1)


async def test_aclose_right_after_a_reset() -> None:
    """Closed before the new attempt, everything has ended once, and nothing begins anew."""
    ends, flaky = Ends(), Flaky(1, 5)
    stream: Any = (ends.step("x") | flaky.step() | ends.step("y")).astream("ab")
    assert [await anext(stream), await anext(stream)] == ["a", RESET]
    await stream.aclose()
    assert (ends.count("y begins"), ends.count("y ends"), ends.count("x ends"), flaky.attempts) == (1, 1, 1, 1)


async def test_cancelled_while_a_step_is_ended_for_a_reset() -> None:
    """Cancelling goes before beginning anew: what is cancelled does not start another attempt."""
    flaky, cleaning, ended = Flaky(1, 5), asyncio.Event(), list[str]()

    async def slow_to_end(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            cleaning.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("ended")

    task = asyncio.create_task(_astreamed(flaky.step() | RunnableGenerator(slow_to_end) | ANY_CHUNK, "ab", None))
    await cleaning.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (ended, flaky.attempts) == (["ended"], 1)


def test_signal_cannot_be_kept_by_except_exception() -> None:
    """It is no Exception, and says what happens."""
    assert not issubclass(Restarted, Exception)
    assert "begins its stream again" in str(Restarted(None))


# ---------------------------------------------------------------------------------------------------------- conformance


def test_law_checker_passes_on_chains_that_restart() -> None:
    """N10: a chain that resets its stream keeps the laws of runnables: what its chunks add up to is its value."""

    def flaky(chunks: Iterator[str]) -> Iterator[Any]:
        text = "".join(chunks)
        yield from [*text[:2], RESET, *text]

    step = RunnableGenerator(flaky, resets=True)
    check_runnable(step | ANY_CHUNK, ["abc", "xyz"])
    check_runnable(RunnableParallel(a=step | ANY_CHUNK, b=RunnablePassthrough()) | RunnablePick("a"), ["abc", "xyz"])


def test_a_fan_out_after_a_fan_out_that_begins_anew() -> None:
    """The branches that end at a reset, to begin anew, do not end the branches before them: all that follows comes."""
    left = 1

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        nonlocal left
        for index, letter in enumerate("".join(chunks)):
            if left and index == 1:
                left -= 1
                raise TimeoutError
            yield letter

    unsteady = RunnableGenerator(letters).with_retry(wait_exponential_jitter=False, mid_stream="restart")
    chain = RunnableParallel(k=unsteady, l=RunnablePassthrough()).pick("k") | RunnableParallel(
        m=RunnablePassthrough(), n=RunnablePassthrough()
    )

    assert merge_all(chain.stream("abc")) == {"m": "abc", "n": "abc"}

"""P13: an exception keeps its type and identity, and says which step of which chain it came from."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import plait
from plait import (
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)

HOME = str(Path(plait.__file__).parent)
SECRET = "sk-" + "a1B2" * 10


def add_1(number: int) -> int:
    return number + 1


def fail(_: object) -> None:
    raise LookupError("mine")


def each_plus_1(chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk + 1


def fail_at_second(chunks: Iterator[int]) -> Iterator[int]:
    for chunk in chunks:
        yield chunk
        raise LookupError("mine")


class Listener:
    def on_run_start(self, run: Any) -> None: ...

    def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

    def on_run_end(self, run: Any) -> None: ...


CONFIGS: dict[str, Any] = {"plain": None, "configured": {"tags": ["t"]}, "watched": {"callbacks": [Listener()]}}


def note_of(run: Any, chain: Any, input: Any, config: Any = None) -> str:
    with pytest.raises(LookupError) as caught:
        run(chain, input, config)
    assert len(caught.value.__notes__) == 1
    return caught.value.__notes__[0]


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest) -> Any:
    return CONFIGS[request.param]


def test_step_and_chain_are_named(run: Any, config: Any) -> None:
    """The note names the step, its position and the chain, and shows the start of the step's input."""
    note = note_of(run, RunnableLambda(add_1).pipe(fail, add_1, name="mine"), 1, config)

    assert "'fail', step 2 of 3 of 'mine'" in note
    assert "its input was 2" in note


def test_branch_is_named(run: Any, config: Any) -> None:
    """Inside a dict the branch is named, and then the step in which that dict is."""
    note = note_of(run, RunnableLambda(add_1) | {"a": add_1, "b": RunnableLambda(add_1) | fail}, 1, config)

    first, second, third, *_ = note.partition("\n")[0].split(", in ")
    assert first == "plait: 'fail', step 2 of 2 of 'RunnableSequence'"
    assert second == "branch 'b' of 'RunnableParallel<a,b>'"
    assert third == "'RunnableParallel<a,b>', step 2 of 2 of 'RunnableSequence'"


@pytest.mark.parametrize("position", range(5))
def test_position_in_a_chain_that_streams(run: Any, config: Any, position: int) -> None:
    """Among steps that pull each other's chunks, fused or not, the one that failed is told from those it fails through."""
    kinds: list[Any] = [
        each_plus_1,
        RunnableLambda(add_1),
        RunnableLambda(add_1),
        RunnableLambda(add_1, chunkwise=True),
    ]
    steps = [*kinds[:position], fail, *kinds[position:]]

    note = note_of(run, RunnablePassthrough().pipe(*steps), 1, config)

    assert f"'fail', step {position + 2} of 6" in note


def test_failure_in_mid_stream(run: Any, config: Any) -> None:
    """A step that fails after its first chunk is named, and not those that passed the chunk on."""
    chain = RunnableGenerator(each_plus_1) | each_plus_1 | fail_at_second | each_plus_1 | RunnablePassthrough()

    assert "'fail_at_second', step 3 of 5" in note_of(run, chain, 1, config)


def test_chosen_branch_is_named(run: Any, config: Any) -> None:
    """The note says which branch was taken, and when it was its condition that failed."""
    chosen = RunnableBranch((lambda n: n > 5, add_1), (lambda n: n > 0, fail), add_1)
    condition = RunnableBranch((fail, add_1), add_1)

    assert "branch 'branch:2' of 'RunnableBranch'" in note_of(run, chosen, 1, config)
    if not run.is_stream:
        assert "branch 'its condition' of 'RunnableBranch'" in note_of(run, condition, 1, config)


@pytest.mark.parametrize("return_exceptions", [True, False])
@pytest.mark.parametrize("verb", ["batch", "abatch", "batch_as_completed", "abatch_as_completed"])
def test_batch_index_is_named(verb: str, return_exceptions: bool) -> None:
    """The exception of an item of a batch says which item it was of."""

    def fail_at_2(number: int) -> int:
        if number == 2:
            raise LookupError("mine")
        return number

    error = _batched(RunnableLambda(add_1) | fail_at_2, verb, return_exceptions)

    assert "'fail_at_2', step 2 of 2 of 'RunnableSequence', in batch index 1" in error.__notes__[0]


def _batched(chain: Runnable[Any, Any], verb: str, return_exceptions: bool) -> Any:
    async def collected(pairs: AsyncIterator[Any]) -> list[Any]:
        return [pair async for pair in pairs]

    def call() -> Any:
        given = getattr(chain, verb)([0, 1, 2], return_exceptions=return_exceptions)
        if verb.startswith("abatch"):
            return asyncio.run(given if verb == "abatch" else collected(given))
        return list(given)

    if not return_exceptions:
        with pytest.raises(LookupError) as caught:
            call()
        return caught.value
    outputs = call() if verb in ("batch", "abatch") else [output for _, output in sorted(call(), key=lambda p: p[0])]
    assert [type(output) for output in outputs] == [int, LookupError, int]
    return outputs[1]


def test_item_of_a_map_is_named(run: Any, config: Any) -> None:
    """In a map the note has the index of the item."""
    assert "'fail', step 2 of 2 of 'RunnableSequence', in batch index 0" in note_of(
        run, (RunnableLambda(add_1) | fail).map() | add_1, [1], config
    )


def test_secrets_in_the_input_are_masked(run: Any, config: Any) -> None:
    """What looks like a key, or is called one, is not in the note."""
    note = note_of(run, RunnablePassthrough() | fail, {"q": f"use {SECRET}", "password": "hunter2"}, config)

    assert "'q'" in note
    assert SECRET not in note
    assert "hunter2" not in note


def test_note_is_bounded(run: Any) -> None:
    """P13: neither a huge input, nor a huge name, nor deep nesting makes a long note."""
    chain: Any = RunnablePassthrough().pipe(fail, name="n" * 5_000)
    for _ in range(30):
        chain = RunnableParallel({"k" * 50: RunnablePassthrough() | chain})

    assert len(note_of(run, chain, {"text": "x" * 1_000_000})) < 4_000


def test_exception_is_the_users_own(run: Any) -> None:
    """The exception that arrives is the one that was raised, with the notes that it had."""
    error = LookupError("mine")
    error.add_note("my own note")

    def raise_it(_: object) -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        run(RunnableLambda(add_1) | raise_it, 1)

    assert caught.value is error
    assert error.__notes__[0] == "my own note"
    assert len(error.__notes__) == 2


def test_exception_that_is_raised_twice_has_one_note(run: Any) -> None:
    """One exception object that fails in several calls does not gather notes."""
    error = LookupError("mine")

    def raise_it(_: object) -> None:
        raise error

    for _ in range(20):
        with pytest.raises(LookupError):
            run(RunnableLambda(add_1) | raise_it, 1)

    assert len(error.__notes__) == 1
    assert len(error.__notes__[0]) < 2_000


def test_exception_with_a_note_can_be_pickled() -> None:
    """The note travels with the exception to another process, as text."""
    with pytest.raises(LookupError) as caught:
        (RunnableLambda(add_1) | fail).invoke(1)

    note = pickle.loads(pickle.dumps(caught.value)).__notes__[0]
    assert type(note) is str
    assert "'fail', step 2 of 2" in note


@pytest.mark.parametrize("count", [1, 2, 10])
def test_at_most_two_frames_of_ours_for_a_step(run: Any, config: Any, count: int) -> None:
    """P13: the traceback shows the user's own frames, and at most two of the library for each step."""
    chain = RunnableLambda(add_1).pipe(*[add_1] * (count - 1), fail)

    with pytest.raises(LookupError) as caught:
        run(chain, 1, config)

    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert files[-1] == __file__
    assert sum(file.startswith(HOME) for file in files) <= 2 * (count + 1)


def test_nested_chains_do_not_pile_up_frames(run: Any) -> None:
    """P13: chains in functions in chains add two frames for each call that the user made."""
    chain: Any = RunnableLambda(add_1) | fail
    for _ in range(5):
        chain = RunnableLambda(add_1) | {"a": chain} | RunnableLambda(add_1)

    with pytest.raises(LookupError) as caught:
        run(chain, 1)

    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert sum(file.startswith(HOME) for file in files) <= 6


def test_router_and_own_error_are_named(run: Any) -> None:
    """An error of plait itself is named as well, and its own frame stays in the traceback."""
    with pytest.raises(KeyError) as caught:
        run(RunnablePassthrough() | RouterRunnable({"a": add_1}), {"key": "b", "input": 1})

    assert "'RouterRunnable', step 2 of 2" in caught.value.__notes__[0]


def test_nothing_is_noted_on_a_close() -> None:
    """A stream that is closed is no failure."""
    stream: Any = (RunnableGenerator(each_plus_1) | each_plus_1).transform(iter([1, 2, 3]))
    next(stream)

    stream.close()


def test_exception_that_takes_no_note_goes_through(run: Any) -> None:
    """An exception whose class forbids new attributes arrives as it is."""

    class Closed(LookupError):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "__notes__":
                raise AttributeError(name)
            super().__setattr__(name, value)

    def close(_: object) -> None:
        raise Closed

    with pytest.raises(Closed):
        run(RunnableLambda(add_1) | close, 1)


def test_chunk_that_fails_is_what_is_shown() -> None:
    """A function that is called chunk by chunk failed with the chunk in the note, not with what it gave before."""

    def double(number: int) -> int:
        if number == 3:
            raise LookupError
        return number * 100

    chain = RunnableLambda(lambda _: ((yield 1), (yield 2), (yield 3))) | RunnableLambda(double, chunkwise=True)
    with pytest.raises(LookupError) as caught:
        list(chain.stream(0))

    assert caught.value.__notes__[0].endswith("its input was 3")

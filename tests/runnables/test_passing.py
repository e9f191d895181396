"""Steps that pass their input on: unchanged, with keys added, or some keys of it; always chunk by chunk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from types import MappingProxyType
from typing import Any

import pytest

from plait.merging import snapshot
from plait.runnables import (
    RunnableAssign,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def chunks_of(step: Any, *chunks: Any) -> list[Any]:
    return list(step.transform(iter(chunks)))


# -------------------------------------------------------------------------------------------------------- passthrough


def test_passthrough_gives_its_input(run: Any) -> None:
    """The output is the very object that came in."""
    given = object()

    assert run(RunnablePassthrough(), given) is given
    assert run(RunnablePassthrough() | RunnablePassthrough(), given) is given


def test_passthrough_passes_chunks(run: Any) -> None:
    """P02: N chunks in, N chunks out, alone and between other steps."""
    for step in (RunnablePassthrough(), RunnablePassthrough() | RunnablePassthrough()):
        assert chunks_of(step, "a", "b", "c") == ["a", "b", "c"]


def test_effect_is_called_once_with_the_whole(run: Any) -> None:
    """A function given to passthrough is called once, with the whole input, and its result is dropped."""
    seen: list[str] = []

    assert run(RunnablePassthrough(seen.append) | str.upper, "abc") == "ABC"
    assert seen == ["abc"]


def test_effect_gets_the_sum_of_the_chunks() -> None:
    """P02: chunks pass at once, and the effect gets their sum when all have passed."""
    seen: list[str] = []
    stream = RunnablePassthrough(seen.append).transform(iter("abc"))

    assert [next(stream), next(stream), next(stream)] == ["a", "b", "c"]
    assert seen == []
    assert list(stream) == []
    assert seen == ["abc"]


def test_async_effect(run: Any) -> None:
    """An async function may be the effect, alone or as the async form."""
    seen: list[str] = []

    async def note(text: str) -> None:
        seen.append("async " + text)

    run(RunnablePassthrough(seen.append, note), "a")
    assert seen == (["async a"] if run.is_async else ["a"])
    if run.is_async:
        run(RunnablePassthrough(note), "b")
        run(RunnablePassthrough(afunc=note), "c")
        assert seen == ["async a", "async b", "async c"]


def test_effect_gets_the_config(run: Any) -> None:
    """An effect that has a parameter for it gets the config."""
    seen: list[Any] = []

    def note(_: object, config: RunnableConfig) -> None:
        seen.append(config["tags"])

    run(RunnablePassthrough(note), "a", {"tags": ["x"]})
    assert seen == [["x"]]


def test_error_of_an_effect_is_raised(run: Any) -> None:
    """An effect that fails ends the call."""

    def fail(_: object) -> None:
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        run(RunnablePassthrough(fail), "a")


# ------------------------------------------------------------------------------------------------------------- assign


def test_assign_adds_keys(run: Any) -> None:
    """Each step gets the dict as it came, and its value is added under its key."""
    step = RunnablePassthrough.assign(b=lambda given: given["a"] + 1, c=lambda given: sorted(given))

    assert run(step, {"a": 1}) == {"a": 1, "b": 2, "c": ["a"]}


def test_assign_replaces_keys(run: Any) -> None:
    """A key that is there already gets the new value, also when it comes in chunks."""
    step = RunnablePassthrough.assign(a=lambda given: given["a"] + "!")

    assert run(step, {"a": "x", "b": "y"}) == {"a": "x!", "b": "y"}
    assert chunks_of(step, {"a": "x"}, {"b": "y"}, {"a": "z"}) == [{"b": "y"}, {"a": "xz!"}]


def test_assign_leaves_the_input_as_it_was(run: Any) -> None:
    """The caller's dict is not changed."""
    given = {"a": 1}

    run(RunnablePassthrough.assign(b=lambda given: 2), given)
    assert given == {"a": 1}


def test_assign_after_another_step(run: Any) -> None:
    """x.assign(...) adds to the dict that x gives; a dict and a runnable may be steps."""
    step = RunnableParallel(a=str).assign(b={"c": lambda given: given["a"] * 2})

    assert run(step, 1) == {"a": "1", "b": {"c": "11"}}


def test_assign_takes_any_mapping(run: Any) -> None:
    """The input need not be a dict, only a mapping."""
    assert run(RunnablePassthrough.assign(b=lambda given: given["a"]), MappingProxyType({"a": 1})) == {"a": 1, "b": 1}


def test_assign_can_be_built_from_a_dict(run: Any) -> None:
    """RunnableAssign takes a RunnableParallel or a dict of steps."""
    for mapper in ({"b": len}, RunnableParallel(b=len)):
        assert run(RunnableAssign(mapper), {"a": 1}) == {"a": 1, "b": 1}


def test_assign_passes_chunks_before_the_step_is_done() -> None:
    """P02: what came in is passed on at once, while the added steps still read."""
    go_on = threading.Event()

    def source(_: Iterator[Any]) -> Iterator[dict[str, str]]:
        yield {"a": "1"}
        go_on.wait(SOON)
        yield {"a": "2"}

    stream = (RunnableGenerator(source) | RunnablePassthrough.assign(b=lambda given: given["a"] * 2)).stream(0)
    assert next(stream) == {"a": "1"}
    go_on.set()
    assert sorted(map(str, stream)) == ["{'a': '2'}", "{'b': '1212'}"]


async def test_assign_passes_chunks_before_the_async_step_is_done() -> None:
    """P02: what came in is passed on at once, while the added steps still read."""
    go_on = asyncio.Event()

    async def source(_: AsyncIterator[Any]) -> AsyncIterator[dict[str, str]]:
        yield {"a": "1"}
        await go_on.wait()
        yield {"a": "2"}

    stream = (RunnableGenerator(source) | RunnablePassthrough.assign(b=lambda given: given["a"] * 2)).astream(0)
    assert await anext(stream) == {"a": "1"}
    go_on.set()
    assert [chunk async for chunk in stream] == [{"a": "2"}, {"b": "1212"}]


@pytest.mark.parametrize("given", ["text", 5, None, ["a"]], ids=repr)
def test_assign_needs_a_dict(run: Any, given: Any) -> None:
    """An input that is no dict is refused with the type that came."""
    with pytest.raises(TypeError, match="RunnableAssign<b> needs a dict, got"):
        run(RunnablePassthrough.assign(b=lambda given: 1), given)


# --------------------------------------------------------------------------------------------------------------- pick


def test_pick_of_one_key_gives_its_value(run: Any) -> None:
    """pick("a") is the value under "a"."""
    assert run(RunnablePick("a"), {"a": 1, "b": 2}) == 1
    assert run(RunnableParallel(a=str, b=str).pick("a"), 1) == "1"


def test_pick_of_several_keys_gives_a_dict(run: Any) -> None:
    """pick([...]) is a dict of those that are there."""
    assert run(RunnablePick(["a", "c", "missing"]), {"a": 1, "b": 2, "c": 3}) == {"a": 1, "c": 3}


def test_pick_streams(run: Any) -> None:
    """P02: of each chunk that has the key, its value comes at once."""
    assert chunks_of(RunnablePick("a"), {"a": "1"}, {"b": "2"}, {"a": "3", "b": "4"}) == ["1", "3"]
    assert chunks_of(RunnablePick(["a"]), {"a": "1"}, {"b": "2"}, {"a": "3", "b": "4"}) == [{"a": "1"}, {"a": "3"}]


def test_pick_of_a_missing_key_says_what_there_is(run: Any) -> None:
    """A key that is not there raises KeyError, which names it and those that are."""
    for keys in ("c", ["c"]):
        with pytest.raises(KeyError, match=r"'c'.*the dict has 'a', 'b'"):
            run(RunnablePick(keys), {"a": 1, "b": 2})


def test_pick_of_none_is_found(run: Any) -> None:
    """A key that holds None is there."""
    assert run(RunnablePick("a"), {"a": None}) is None


@pytest.mark.parametrize("given", ["text", 5, None], ids=repr)
def test_pick_needs_a_dict(run: Any, given: Any) -> None:
    """An input that is no dict is refused with the type that came."""
    with pytest.raises(TypeError, match="needs a dict, got"):
        run(RunnablePick("a"), given)


def test_keys_are_the_nodes_own() -> None:
    """A list of keys that is changed later does not change the node."""
    keys = ["a"]
    step = RunnablePick(keys)
    keys.append("b")

    assert step.invoke({"a": 1, "b": 2}) == {"a": 1}


# ------------------------------------------------------------------------------------------------- nothing is held up


PASSING = {
    "passthrough": (RunnablePassthrough(), "a"),
    "passthrough with an effect": (RunnablePassthrough(lambda _: None), "a"),
    "assign": (RunnablePassthrough.assign(k=lambda given: "b"), {"x": "a"}),
    "pick": (RunnablePick("x"), "a"),
    "pick of several": (RunnablePick(["x"]), {"x": "a"}),
    "bind": (RunnablePassthrough().bind(), "a"),
    "with_config": (RunnablePassthrough().with_config(tags=["a"]), "a"),
    "with_types": (RunnablePassthrough().with_types(input_type=str), "a"),
    "a dict": (RunnableParallel(k=RunnablePassthrough()), "a"),
    "a named sequence": (RunnablePassthrough().pipe(RunnablePassthrough(), name="n"), "a"),
    "a runnable that a function by chunks gives": (
        RunnableLambda(lambda _: RunnablePassthrough(), chunkwise=True),
        "a",
    ),
}


@pytest.mark.parametrize("node", PASSING)
@pytest.mark.parametrize("config", [None, {"tags": ["t"]}], ids=["plain", "config"])
def test_first_chunk_comes_before_the_second_is_made(node: str, config: RunnableConfig | None) -> None:
    """P02: what passes chunks on, passes the first on before the second exists."""
    step, _ = PASSING[node]
    made: list[int] = []
    of_dicts = node in ("assign", "pick", "pick of several")

    def source() -> Iterator[Any]:
        for number in range(3):
            made.append(number)
            yield {"x": str(number)} if of_dicts else str(number)
            go_on.wait(SOON)

    go_on = threading.Event()
    stream = step.transform(source(), config)
    first = next(stream)
    assert "0" in str(first)
    assert made in ([0], [0, 1])  # a branch may be a chunk ahead of its taker, and no more
    go_on.set()
    assert "1" in str(next(stream)) or node == "assign"
    stream.close()


def growing(chunks: Iterator[Any]) -> Iterator[Any]:
    """The values so far of one dict, each a snapshot that replaces the one before."""
    for _ in chunks:
        for name, ages in [("A", []), ("Anna", []), ("Anna", [1]), ("Anna", [1, 2])]:
            yield snapshot({"name": name, "ages": ages})


@pytest.mark.parametrize("keys", ["name", "ages", ["name"], ["ages", "name"]])
def test_what_is_picked_of_snapshots_adds_up(run: Any, keys: Any) -> None:
    """A key of a growing dict grows: its values replace each other, and the last is that of the whole."""
    whole = {"name": "Anna", "ages": [1, 2]}
    expected = whole[keys] if isinstance(keys, str) else {key: whole[key] for key in keys}
    assert run(RunnableGenerator(growing) | RunnablePick(keys), 1) == expected


def test_a_picked_key_that_did_not_change_is_not_given_again() -> None:
    """What is the same object as in the snapshot before is no news."""
    chain = RunnableGenerator(growing) | RunnablePick("name")
    assert list(chain.stream(1)) == ["A", "Anna"]


def test_what_is_added_to_snapshots_adds_up(run: Any) -> None:
    """Assign passes the keys of a growing dict on one by one, so that the added ones stay."""
    chain = RunnableGenerator(growing) | RunnablePassthrough.assign(
        loud=RunnablePick("name") | RunnableLambda(str.upper)
    )
    assert run(chain, 1) == {"name": "Anna", "ages": [1, 2], "loud": "ANNA"}

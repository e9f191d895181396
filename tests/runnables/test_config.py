"""The config of a call: inherited by every call inside, wherever that runs; never mutated, never shared."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runnables import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    chain,
    current_config,
    ensure_config,
    merge_configs,
    patch_config,
)

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


# --------------------------------------------------------------------------------------------------- it is never lost


def seen() -> Any:
    """What a function can know of the call that it is in."""
    config = current_config()
    return config["tags"], config["metadata"].get("k"), config["configurable"].get("c")


SAID: RunnableConfig = {"tags": ["t"], "metadata": {"k": 1}, "configurable": {"c": 2}}
EXPECTED = (["t"], 1, 2)


def in_function(_: object) -> Any:
    return [seen()]


async def in_async_function(_: object) -> Any:
    await asyncio.sleep(0)
    return [seen()]


def in_generator_function(_: object) -> Iterator[Any]:
    yield [seen()]
    yield [seen()]


async def in_async_generator_function(_: object) -> AsyncIterator[Any]:
    yield [seen()]
    await asyncio.sleep(0)
    yield [seen()]


def in_generator(chunks: Iterator[Any]) -> Iterator[Any]:
    first = seen()
    for _ in chunks:
        yield [first]
        yield [seen()]
    yield [seen()]


async def in_async_generator(chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    first = seen()
    async for _ in chunks:
        yield [first]
        yield [seen()]
    yield [seen()]


class InOwnRunnable(Runnable[Any, Any]):
    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return [seen()]


class InOwnAsyncRunnable(Runnable[Any, Any]):
    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return [seen()]


class InOwnStream(Runnable[Any, Any]):
    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        yield [seen()]
        yield [seen()]


PLACES: dict[str, Any] = {
    "function": RunnableLambda(in_function),
    "async function": RunnableLambda(in_async_function),
    "generator function": RunnableLambda(in_generator_function),
    "async generator function": RunnableLambda(in_async_generator_function),
    "generator": RunnableGenerator(in_generator),
    "async generator": RunnableGenerator(in_async_generator),
    "function by chunks": RunnableLambda(in_function, chunkwise=True),
    "inline function": RunnableLambda(in_function, inline=True),
    "inline function by chunks": RunnableLambda(in_function, inline=True, chunkwise=True),
    "effect": RunnableParallel(k=RunnablePassthrough(in_function)) | in_function,
    "condition": RunnableBranch((lambda _: seen() == EXPECTED, in_function), lambda _: "lost"),
    "map": RunnableLambda(lambda _: [1, 2])
    | RunnableLambda(in_function).map()
    | (lambda found: [both[0] for both in found]),
    "dict": RunnableParallel(a=in_function, b=in_function) | (lambda found: found["a"] + found["b"]),
    "own runnable": InOwnRunnable(),
    "own async runnable": InOwnAsyncRunnable(),
}
ONLY_ASYNC = {"async function", "async generator function", "async generator", "own async runnable"}


def calling(place: Any, depth: int) -> Any:
    """The place, called by so many functions one inside the other, none of which hands a config on."""
    if depth == 0:
        return place

    def call(value: Any) -> Any:
        return place.invoke(value)

    async def acall(value: Any) -> Any:
        return await place.ainvoke(value)

    return calling(RunnableLambda(call, acall), depth - 1)


@pytest.mark.parametrize("name", PLACES)
def test_config_is_seen_wherever_users_code_runs(run: Any, name: str) -> None:
    """P09: in any user code, in up to three functions that call each other, current_config() is the config of the call."""
    if name in ONLY_ASYNC and not run.is_async:
        return
    for depth in range(4):
        step = calling(PLACES[name], depth)
        assert run(step, 0, SAID)[0] == EXPECTED, depth
        found = run(RunnablePassthrough() | step | RunnablePassthrough(), 0, SAID)
        assert set(map(str, found)) == {str(EXPECTED)}, depth


@pytest.mark.parametrize("verb", ["invoke", "stream", "batch"])
@pytest.mark.parametrize("name", [name for name in PLACES if name not in ONLY_ASYNC])
def test_config_is_gone_after_the_call(name: str, verb: str) -> None:
    """P09: after a call, the code around it has the config that it had before."""
    calls = {
        "invoke": lambda step, config: step.invoke(0, config),
        "stream": lambda step, config: list(step.stream(0, config)),
        "batch": lambda step, config: step.batch([0], config),
    }

    def before_and_after(_: object) -> list[Any]:
        before = current_config()["tags"]
        calls[verb](calling(PLACES[name], 1), {"tags": ["inner"]})
        return [before, current_config()["tags"]]

    assert RunnableLambda(before_and_after).invoke(0, {"tags": ["t"]}) == [["t"], ["t"]]
    assert current_config()["tags"] == []


def test_config_is_that_of_the_step_while_it_runs_and_of_the_consumer_while_that_does() -> None:
    """P09: between two chunks of a stream the consumer has its own config, not that of the stream."""
    assert current_config()["tags"] == []
    stream = RunnableGenerator(in_generator).stream(0, {"tags": ["t"]})
    for _ in range(2):
        assert next(stream)[0][0] == ["t"]
        assert current_config()["tags"] == []
    stream.close()  # type: ignore[attr-defined]  # it is a generator


async def test_config_of_an_async_stream_is_not_that_of_its_consumer() -> None:
    """P09: between two chunks of a stream the consumer has its own config, not that of the stream."""

    @chain
    async def outer(_: object) -> list[Any]:
        found = []
        async for chunk in RunnableGenerator(in_async_generator).astream(0, {"tags": ["inner"]}):
            found += [chunk[0][0], current_config()["tags"]]
        return found

    assert await outer.ainvoke(0, {"tags": ["outer"]}) == [["outer", "inner"], ["outer"]] * 3


def test_own_stream_sees_the_config() -> None:
    """P09: a stream that a user's class writes has the config of the call in force."""
    for step in (InOwnStream(), RunnablePassthrough() | InOwnStream() | RunnablePassthrough()):
        assert [chunk[0] for chunk in step.stream(0, SAID)] == [EXPECTED, EXPECTED]


def test_stream_that_is_read_elsewhere_keeps_its_config() -> None:
    """P09: a stream has the config of the place where it was made, wherever it is read."""

    @chain
    def make(_: object) -> list[Any]:
        made.append(RunnableGenerator(in_generator).stream(0))
        return []

    made: list[Iterator[Any]] = []
    make.invoke(0, SAID)

    assert [chunk[0] for chunk in made[0]] == [EXPECTED] * 3


def test_threads_that_copy_the_context_have_the_config() -> None:
    """P09: a thread that a function starts in a copy of its context has the config; current_config there is no guess."""

    def outer(_: object) -> list[Any]:
        found: list[Any] = []
        thread = threading.Thread(
            target=copy_context().run, args=(lambda: found.append(RunnableLambda(in_function).invoke(0)),)
        )
        thread.start()
        thread.join(SOON)
        return found[0]

    assert RunnableLambda(outer).invoke(0, SAID) == [EXPECTED]


def test_config_that_a_function_got_works_in_any_thread() -> None:
    """P09: the config that a function is handed ties a call to its own, also where no context variable reaches."""

    def outer(_: object, config: RunnableConfig) -> Any:
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(RunnableLambda(in_function).invoke(0, config)))
        thread.start()
        thread.join(SOON)
        return found[0]

    assert RunnableLambda(outer).invoke(0, SAID) == [EXPECTED]


def test_inner_config_adds_to_the_outer(run: Any) -> None:
    """What a call inside says is joined with what it inherits: tags add up, keys of dicts are added or replaced."""

    def outer(_: object) -> Any:
        inner: RunnableConfig = {"tags": ["i"], "metadata": {"k": 3, "l": 4}, "configurable": {"d": 5}}
        return RunnableLambda(lambda _, config: dict(config)).invoke(0, inner)

    config = run(RunnableLambda(outer), 0, SAID)

    assert (config["tags"], config["metadata"], config["configurable"]) == (
        ["t", "i"],
        {"k": 3, "l": 4},
        {"c": 2, "d": 5},
    )


def test_name_and_id_of_a_run_are_not_inherited(run: Any) -> None:
    """run_name and run_id are for the run that they were given for, not for those inside."""

    def outer(_: object, config: RunnableConfig) -> Any:
        return [sorted(config), RunnableLambda(lambda _, config: sorted(config)).invoke(0)]

    for keys in run(RunnableLambda(outer), 0, {"run_name": "mine", "tags": ["t"]}):
        assert "run_name" not in keys
        assert "run_id" not in keys


def test_outside_of_any_call_the_config_is_the_default() -> None:
    """P09: where no call goes on, current_config() gives the defaults."""
    assert current_config() == {
        "tags": [],
        "metadata": {},
        "callbacks": None,
        "recursion_limit": 25,
        "configurable": {},
    }


def test_function_gets_a_complete_config_without_one(run: Any) -> None:
    """A function that wants the config gets one with every default, although the call said nothing."""
    assert run(RunnableLambda(lambda _, config: dict(config)), 0) == current_config()


# ------------------------------------------------------------------------------------------------ it is never changed


def edit(config: RunnableConfig) -> None:
    """All that a careless function can do to its config."""
    config["tags"].append("edited")
    config["metadata"]["edited"] = 1
    config["configurable"]["edited"] = 1
    if config["callbacks"] is not None:
        config["callbacks"].append(Silent())
    config["recursion_limit"] = 1
    config["run_name"] = "edited"


class Silent:
    def on_run_start(self, run: object) -> None: ...

    def on_run_chunk(self, run: object, chunk: object) -> None: ...

    def on_run_end(self, run: object) -> None: ...


def editor(_: object, config: RunnableConfig) -> Any:
    before = copy.copy(config["tags"]), dict(config["metadata"]), len(config["callbacks"] or ())
    edit(config)
    return before


EDITORS: dict[str, Any] = {
    "a function": RunnableLambda(editor),
    "a function after another": RunnableLambda(editor) | editor,
    "a function beside another": RunnableParallel(a=editor, b=editor) | (lambda found: found["b"]),
    "a function called twice": RunnableLambda(
        lambda _: [RunnableLambda(editor).invoke(0), RunnableLambda(editor).invoke(0)][1]
    ),
    "a map": RunnableLambda(lambda _: [1, 2]) | RunnableEach(RunnableLambda(editor)) | (lambda found: found[1]),
    "bound": RunnableLambda(editor).with_config(tags=["t"]),
}


@pytest.mark.parametrize("name", EDITORS)
def test_what_a_function_does_to_its_config_is_seen_by_nobody(run: Any, name: str) -> None:
    """P23: a function owns the config that it is handed: neither its caller nor any other step sees it changed."""
    listener = Silent()
    said: RunnableConfig = {"tags": ["t"], "metadata": {"k": 1}, "callbacks": [listener], "max_concurrency": 1}
    before = copy.copy(said), copy.copy(said["tags"]), copy.copy(said["metadata"]), copy.copy(said["callbacks"])

    assert run(EDITORS[name], 0, said) == (["t"], {"k": 1}, 1)

    assert (said, said["tags"], said["metadata"], said["callbacks"]) == before


def test_items_of_a_batch_do_not_share_a_config() -> None:
    """P23: what one item does to its config is not seen by the next."""
    said: RunnableConfig = {"tags": ["t"], "callbacks": [Silent()], "max_concurrency": 1}

    assert RunnableLambda(editor).batch([1, 2, 3], said) == [(["t"], {}, 1)] * 3


class Editing(Runnable[Any, Any]):
    """A runnable of a user's own, which does to its config what a function might."""

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return editor(input, config) if config else None


def test_what_an_own_runnable_does_to_its_config_is_seen_by_nobody(run: Any) -> None:
    """P23: a class of a user's own may edit the config that it gets, or is told that it may not; no other step sees it."""
    said: RunnableConfig = {"tags": ["t"], "metadata": {"k": 1}, "max_concurrency": 1}
    try:
        run(RunnablePassthrough() | Editing() | RunnablePassthrough(), 0, said)
    except TypeError as refused:
        assert "read-only" in str(refused)  # noqa: PT017 - either way will do

    assert run(RunnableParallel(a=_careful(Editing()), b=editor), 0, said)["b"] == (["t"], {"k": 1}, 0)
    assert said == {"tags": ["t"], "metadata": {"k": 1}, "max_concurrency": 1}


def _careful(step: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The step as a branch that does not end the call when it is refused."""

    class Careful(Runnable[Any, Any]):
        def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
            try:
                return step.invoke(input, config)
            except TypeError:
                return None

    return Careful()


def test_runs_at_the_same_time_do_not_see_each_others_config() -> None:
    """P23: two calls of one chain at the same time, even with one config object, keep to themselves."""
    together = threading.Barrier(2, timeout=SOON)

    def work(name: str, config: RunnableConfig) -> list[str]:
        config["tags"].append(name)
        together.wait()
        inner = RunnableLambda(lambda _: current_config()["tags"]).invoke(0, {"tags": [f"inner {name}"]})
        together.wait()
        return config["tags"] + inner

    said: RunnableConfig = {"tags": ["t"]}
    assert RunnableLambda(work).batch(["a", "b"], said) == [["t", "a", "t", "inner a"], ["t", "b", "t", "inner b"]]
    assert said == {"tags": ["t"]}


def test_values_in_metadata_are_the_callers_own(run: Any) -> None:
    """P23: the values in metadata are not copied: they are handed on as the objects that they are."""
    value = [1]

    assert run(RunnableLambda(lambda _, config: config["metadata"]["k"]), 0, {"metadata": {"k": value}}) is value


def test_config_that_is_handed_on_can_be_built_upon(run: Any) -> None:
    """A function can pass on its config with more in it."""

    def outer(_: object, config: RunnableConfig) -> Any:
        return RunnableLambda(in_function).invoke(0, {**config, "tags": [*config["tags"], "more"]})

    assert run(RunnableLambda(outer), 0, SAID) == [(["t", "more"], 1, 2)]


# ------------------------------------------------------------------------------------------------------ it is checked


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda step, config: step.invoke(0, config),
    "ainvoke": lambda step, config: asyncio.run(step.ainvoke(0, config)),
    "stream": lambda step, config: step.stream(0, config),
    "astream": lambda step, config: step.astream(0, config),
    "transform": lambda step, config: step.transform(iter([0]), config),
    "batch": lambda step, config: step.batch([0], config),
    "abatch": lambda step, config: asyncio.run(step.abatch([0], config)),
    "batch_iter": lambda step, config: step.batch_iter([0], config),
    "abatch_iter": lambda step, config: step.abatch_iter([0], config),
    "with_config": lambda step, config: step.with_config(config),
}


@pytest.mark.parametrize("call", CALLS)
def test_unknown_key_is_refused_at_the_call(call: str) -> None:
    """A key that no config has is refused by the call itself, with the keys that there are and the nearest of them."""
    with pytest.raises(
        ConfigError, match=r"unknown config key 'max_concurency'.*did you mean 'max_concurrency'.*recursion_limit"
    ) as caught:
        CALLS[call](RunnableLambda(str), {"max_concurency": 2})
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "call", [call for call in CALLS if call not in ("batch", "abatch", "batch_iter", "abatch_iter")]
)
@pytest.mark.parametrize("config", [5, "text", ["tags"], object()], ids=["number", "text", "list", "object"])
def test_what_is_no_dict_is_refused_at_the_call(call: str, config: Any) -> None:
    """What is no dict is refused as a config by the call itself."""
    with pytest.raises(ConfigError, match="a config is a dict, got"):
        CALLS[call](RunnableLambda(str), config)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tags", "text"),
        ("tags", 5),
        ("metadata", ["k"]),
        ("configurable", "text"),
        ("callbacks", 5),
        ("recursion_limit", 0),
        ("recursion_limit", "25"),
        ("max_concurrency", 0),
        ("max_concurrency", -3),
        ("timeout", 0),
        ("timeout", -5),
        ("timeout", "5"),
    ],
)
def test_value_of_the_wrong_type_is_refused_at_the_call(call: str, key: str, value: Any) -> None:
    """A key that holds what it cannot hold is refused by the call itself, which names the key."""
    with pytest.raises(ConfigError, match=rf"config\['{key}'\] must be a"):
        CALLS[call](RunnableLambda(str), {key: value})


def test_none_says_nothing(run: Any) -> None:
    """A key that holds None is as good as absent: what is inherited stays."""

    def outer(_: object) -> Any:
        nothing: Any = dict.fromkeys(
            ("tags", "metadata", "configurable", "callbacks", "recursion_limit", "run_name", "run_id")
        )
        return RunnableLambda(in_function).invoke(0, {**nothing, "max_concurrency": None})

    assert run(RunnableLambda(outer), 0, SAID) == [EXPECTED]


# ---------------------------------------------------------------------------------------------------------- functions


def test_merged_configs_are_new() -> None:
    """merge_configs joins lists, merges dicts, takes the last of anything else, and changes none of its arguments."""
    first: RunnableConfig = {"tags": ["a"], "metadata": {"k": 1}, "recursion_limit": 5}
    second: RunnableConfig = {"tags": ["a", "b"], "metadata": {"l": 2}, "recursion_limit": 6}

    merged = merge_configs(first, None, second)

    assert merged == {"tags": ["a", "b"], "metadata": {"k": 1, "l": 2}, "recursion_limit": 6}
    assert first == {"tags": ["a"], "metadata": {"k": 1}, "recursion_limit": 5}
    assert second == {"tags": ["a", "b"], "metadata": {"l": 2}, "recursion_limit": 6}


def test_ensured_config_is_complete_and_the_callers_own() -> None:
    """ensure_config fills in the defaults and what is inherited, in a dict that may be changed."""
    said: RunnableConfig = {"tags": ["a"]}
    config = ensure_config(said)
    config["tags"].append("b")

    assert config["recursion_limit"] == 25
    assert said == {"tags": ["a"]}


def test_patched_config_is_a_copy() -> None:
    """patch_config replaces keys in a copy."""
    said: RunnableConfig = {"tags": ["a"], "recursion_limit": 5}

    assert patch_config(said, recursion_limit=6) == {"tags": ["a"], "recursion_limit": 6}
    assert patch_config(None, tags=["b"]) == {"tags": ["b"]}
    assert said == {"tags": ["a"], "recursion_limit": 5}


def test_deadline_is_kept_for_calls_inside(run: Any) -> None:
    """A function finds in timeout what is left of it."""
    left = run(RunnableLambda(lambda _: current_config()["timeout"]), 0, {"timeout": 50.0})

    assert 0 < left < 50.0

"""A runnable with arguments, a config or types of its own: the same in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runnables import (
    RunnableBinding,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)


def show(number: int, **given: Any) -> str:
    return f"{number} {sorted(given.items())}"


def tags(_: object, config: RunnableConfig) -> list[str]:
    return config["tags"]


def config_of(_: object, config: RunnableConfig) -> RunnableConfig:
    return dict(config)  # type: ignore[return-value]  # a copy with the same keys


# ------------------------------------------------------------------------------------------------------------ arguments


def test_bound_arguments_reach_the_function(run: Any) -> None:
    """P64: what bind says reaches the function in every mode."""
    step = RunnableLambda(show).bind(a=1, b=2)

    assert run(step, 0) == run(step | RunnablePassthrough(), 0) == "0 [('a', 1), ('b', 2)]"


def test_bound_arguments_reach_an_async_function(run: Any) -> None:
    """P64: what bind says reaches the async form as well."""

    async def ashow(number: int, **given: Any) -> str:
        return show(number, **given)

    if run.is_async:
        assert run(RunnableLambda(ashow).bind(a=1) | RunnablePassthrough(), 0) == "0 [('a', 1)]"


def test_bound_arguments_reach_a_generator(run: Any) -> None:
    """P64: what bind says reaches generator functions of both kinds."""

    def chunked(chunks: Iterator[int], a: int) -> Iterator[str]:
        for chunk in chunks:
            yield f"{chunk} {a}"

    def whole(number: int, a: int) -> Iterator[str]:
        yield f"{number} {a}"

    assert run(RunnableGenerator(chunked).bind(a=1), 0) == "0 1"
    assert run(RunnableLambda(whole).bind(a=1), 0) == "0 1"


def test_arguments_of_the_call_go_before_bound_ones(run: Any) -> None:
    """A keyword argument of the call wins over one that is bound."""
    assert run(RunnableLambda(show).bind(a=1, b=2), 0, b=3) == "0 [('a', 1), ('b', 3)]"


def test_binding_twice_adds_up(run: Any) -> None:
    """Later bindings win, key by key, and the first binding is not changed by the second."""
    once = RunnableLambda(show).bind(a=1, b=2)
    twice = once.bind(b=3, c=4)

    assert run(twice, 0) == "0 [('a', 1), ('b', 3), ('c', 4)]"
    assert run(once, 0) == "0 [('a', 1), ('b', 2)]"


def test_arguments_bound_to_a_chain_go_to_its_first_step(run: Any) -> None:
    """P64: a chain hands them to its first step in every mode."""
    assert run((RunnableLambda(show) | str.upper).bind(a=1), 0) == "0 [('A', 1)]"


def test_arguments_bound_to_a_map_go_to_every_item(run: Any) -> None:
    """P64: bind before or after map is the same."""
    assert (
        run(RunnableLambda(show).bind(a=1).map(), [0])
        == run(RunnableLambda(show).map().bind(a=1), [0])
        == ["0 [('a', 1)]"]
    )


# --------------------------------------------------------------------------------------------------------------- config


def test_bound_config_reaches_the_function(run: Any) -> None:
    """P64: what with_config says is in force in every mode, at any place in a chain."""
    step = RunnableLambda(tags).with_config(tags=["t"])

    assert (
        run(step, 0)
        == run(step | RunnablePassthrough(), 0)
        == run({"a": step} | RunnablePassthrough(), 0)["a"]
        == ["t"]
    )


def test_config_may_be_a_dict_or_keywords(run: Any) -> None:
    """with_config takes either, or both."""
    step = RunnableLambda(tags).with_config({"tags": ["a"]}, tags=["b"])

    assert run(step, 0) == ["a", "b"]


def test_tags_of_all_levels_are_joined_without_repetition(run: Any) -> None:
    """Tags of the call and of the binding add up, each once."""
    assert sorted(run(RunnableLambda(tags).with_config(tags=["a", "b"]), 0, {"tags": ["b", "c"]})) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("key", "inherited", "bound", "said"),
    [("recursion_limit", 5, 6, 7), ("max_concurrency", 5, 6, 7), ("metadata", {"k": 1}, {"k": 2}, {"k": 3})],
)
def test_what_the_call_says_goes_before_what_is_bound_and_that_before_what_is_inherited(
    run: Any, key: str, inherited: Any, bound: Any, said: Any
) -> None:
    """The nearest to the call wins, in every mode."""
    step = RunnableLambda(config_of).with_config({key: bound})  # type: ignore[misc]  # keys as data

    assert run(step, 0, {key: said})[key] == said
    assert run(step | RunnablePassthrough(), 0, {key: inherited})[key] == bound
    assert run(RunnableLambda(lambda _: step.invoke(0, {key: said})), 0, {key: inherited})[key] == said  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "inherited", "bound"),
    [("recursion_limit", 5, 6), ("max_concurrency", 5, 6), ("metadata", {"k": 1}, {"k": 2})],
)
def test_handing_on_the_config_is_the_same_as_inheriting_it(run: Any, key: str, inherited: Any, bound: Any) -> None:
    """P64: passing the config that a function got changes nothing over not passing it: both are inherited."""
    step = RunnableLambda(config_of).with_config({key: bound})  # type: ignore[misc]  # keys as data

    handed = RunnableLambda(lambda _, config: step.invoke(0, config))
    silent = RunnableLambda(lambda _: step.invoke(0))
    assert run(handed, 0, {key: inherited})[key] == run(silent, 0, {key: inherited})[key] == bound


def test_binding_a_config_twice_adds_up(run: Any) -> None:
    """A second with_config joins tags, wins elsewhere, and does not change the first."""
    once = RunnableLambda(config_of).with_config(tags=["a"], recursion_limit=5)
    twice = once.with_config(tags=["b"], recursion_limit=6)

    assert (run(twice, 0)["tags"], run(twice, 0)["recursion_limit"]) == (["a", "b"], 6)
    assert (run(once, 0)["tags"], run(once, 0)["recursion_limit"]) == (["a"], 5)


def test_arguments_and_config_bind_in_any_order(run: Any) -> None:
    """bind and with_config leave each other alone."""

    def both(_: object, config: RunnableConfig, a: int) -> Any:
        return a, config["tags"]

    assert run(RunnableLambda(both).bind(a=1).with_config(tags=["t"]), 0) == (1, ["t"])
    assert run(RunnableLambda(both).with_config(tags=["t"]).bind(a=1), 0) == (1, ["t"])


def test_config_of_the_caller_is_not_changed(run: Any) -> None:
    """P23: neither the dict that is bound nor the one that is passed is changed by a call."""
    bound: RunnableConfig = {"tags": ["b"], "metadata": {"k": [1]}}
    said: RunnableConfig = {"tags": ["s"], "metadata": {"l": [2]}}

    run(RunnableLambda(tags).with_config(bound), 0, said)

    assert bound == {"tags": ["b"], "metadata": {"k": [1]}}
    assert said == {"tags": ["s"], "metadata": {"l": [2]}}


def test_bound_dict_that_is_changed_later_does_not_change_the_binding() -> None:
    """P23: the binding has its own copy of what it was given."""
    bound: RunnableConfig = {"tags": ["b"]}
    step = RunnableLambda(tags).with_config(bound)
    bound["tags"].append("later")

    assert step.invoke(0) == ["b"]


def test_binding_passes_chunks_on() -> None:
    """P02: a bound runnable streams as it does alone."""

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    step = RunnableGenerator(letters)
    for bound in (step.bind(), step.with_config(tags=["t"]), step.with_types(input_type=str)):
        assert list(bound.stream("abc")) == list((bound | RunnablePassthrough()).stream("abc")) == ["a", "b", "c"]


# ---------------------------------------------------------------------------------------------------- names, bad input


def test_binding_is_named_for_what_is_bound() -> None:
    """A binding has the name of what it binds, or the run_name that it sets."""
    step = RunnableLambda(show)

    assert step.bind(a=1).get_name() == "show"
    assert step.with_config(run_name="mine").get_name() == "mine"


def test_unknown_key_is_refused_when_it_is_bound() -> None:
    """A config with an unknown key is refused by with_config, not by the first call."""
    with pytest.raises(ConfigError, match=r"unknown config key 'tag'.*did you mean 'tags'"):
        RunnableLambda(show).with_config(tag=["a"])  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_1_is_refused_when_it_is_bound(limit: int) -> None:
    """P07: a limit that cannot be is refused by with_config, not by the first call."""
    with pytest.raises(ValueError, match=r"max_concurrency.*at least 1"):
        RunnableLambda(show).with_config(max_concurrency=limit)


@pytest.mark.parametrize("config", [5, "text", ["tags"]], ids=repr)
def test_config_that_is_no_dict_is_refused_when_it_is_bound(config: Any) -> None:
    """What is no dict cannot be bound as a config, and the error says so."""
    for build in (
        lambda: RunnableLambda(show).with_config(config),
        lambda: RunnableBinding(RunnableLambda(show), config=config),
    ):
        with pytest.raises(ConfigError, match="a config is a dict, got"):
            build()


def test_binding_takes_what_a_chain_takes(run: Any) -> None:
    """RunnableBinding makes a runnable of a function or a dict of steps as | does."""
    assert run(RunnableBinding(show, kwargs={"a": 1}), 0) == "0 [('a', 1)]"  # type: ignore[arg-type]  # as a user may write it
    assert run(RunnableBinding({"k": show}), 0) == {"k": "0 []"}  # type: ignore[arg-type]  # as a user may write it


def test_repr_shows_no_value() -> None:
    """What is bound may be a secret: the repr shows the names of arguments, not their values."""
    step = RunnableParallel(a=show).bind(api_key="sk-secret").with_config(metadata={"token": "sk-secret"})

    assert repr(step) == "{'a': RunnableLambda(show)}.bind(api_key).with_config(metadata)"

"""What a wrapper has because what it wraps has it: its attributes, and its methods that give a Runnable."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from plait.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBinding,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    RunnableSerializable,
)


class Model(RunnableSerializable[str, str]):
    """A model in miniature: says its settings, its arguments and the tags of its call."""

    temperature: float = 0.0

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        tags = "" if config is None else "".join(config.get("tags", []))
        said = "".join(f" {name}={value}" for name, value in sorted(kwargs.items()))
        return f"{input} t={self.temperature}{said}{' #' if tags else ''}{tags}"

    def bind_tools(self, tools: list[str], **kwargs: Any) -> Runnable[str, str]:
        return self.bind(tools=tools, **kwargs)

    def warmer(self) -> Model:
        return self.model_copy(update={"temperature": self.temperature + 1})

    def in_a_dict(self) -> Runnable[str, dict[str, str]]:
        return RunnableParallel(answer=self)

    def tokens(self, text: str) -> int:
        return len(text)

    def fail(self) -> None:
        raise AttributeError("inside the method")


TEMPERATURE = ConfigurableField(id="t")

WRAPPED: dict[str, Any] = {
    "bind": lambda inner: inner.bind(stop="x"),
    "with_config": lambda inner: inner.with_config(tags=["a"]),
    "with_types": lambda inner: inner.with_types(output_type=str),
    "with_retry": lambda inner: inner.with_retry(),
    "with_fallbacks": lambda inner: inner.with_fallbacks([Model()]),
    "configurable_fields": lambda inner: inner.configurable_fields(name=ConfigurableField(id="n")),
    "configurable_alternatives": lambda inner: inner.configurable_alternatives(ConfigurableField(id="w"), b=Model()),
    "binding of a configurable": lambda inner: inner.configurable_fields(name=ConfigurableField(id="n")).bind(stop="x"),
    "configurable of a binding": lambda inner: inner.bind(stop="x").configurable_alternatives(
        ConfigurableField(id="w")
    ),
}


@pytest.fixture(params=WRAPPED.values(), ids=WRAPPED)
def wrap(request: pytest.FixtureRequest) -> Any:
    return request.param


# ---------------------------------------------------------------------------------------------------------- attributes


@pytest.mark.parametrize("name", ["bind_tools", "tokens", "temperature", "nothing", "_anything", "__len__"])
def test_wrapper_has_what_it_wraps_has(wrap: Any, name: str) -> None:
    """P20: hasattr says of a wrapper what it says of the runnable within."""
    assert hasattr(wrap(Model()), name) == hasattr(Model(), name)


def test_attribute_of_what_is_wrapped_is_its_own(wrap: Any) -> None:
    """P20: settings can be read through a wrapper, and methods that give values give those."""
    wrapper = wrap(Model(temperature=0.5))

    assert (wrapper.temperature, wrapper.tokens("four")) == (0.5, 4)


def test_missing_attribute_names_both(wrap: Any) -> None:
    """P20: an attribute that neither has is missed in both."""
    wrapper = wrap(Model())

    with pytest.raises(AttributeError, match=rf"'{type(wrapper).__name__}' object .* 'nothing', nor has the .*Model"):
        _ = wrapper.nothing


def test_private_names_are_not_passed_on() -> None:
    """P20: what begins with an underscore is the runnable's own affair."""

    class Private(Model):
        _secret = 1

    wrapper: Any = Private().bind(a=1)

    with pytest.raises(AttributeError, match="no attribute '_secret'"):
        _ = wrapper._secret


def test_attribute_error_within_a_method_is_told_as_it_is(wrap: Any) -> None:
    """P20: an AttributeError that a method raises is not taken for a missing method."""
    with pytest.raises(AttributeError, match=r"^inside the method$"):
        wrap(Model()).fail()


def test_failing_property_of_a_wrapper_is_not_looked_up_within() -> None:
    """P20: a property that fails with an AttributeError says so, and is not answered by what is wrapped."""

    class Odd(RunnableBinding[str, str]):
        @property
        def temperature(self) -> float:
            raise AttributeError("of its own")

    with pytest.raises(AttributeError, match=r"^of its own$"):
        _ = Odd(Model()).temperature


def test_wrapper_lists_the_names_within(wrap: Any) -> None:
    """P20: completion knows the methods of what is wrapped."""
    assert {"bind_tools", "temperature", "invoke"} <= set(dir(wrap(Model())))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])
def test_wrapper_is_copied_with_what_it_wraps(wrap: Any, copied: Any) -> None:
    """P20: a wrapper that is copied or pickled is not yet whole when it is asked for its methods."""
    wrapper = wrap(Model(temperature=2))

    assert copied(wrapper).invoke("x") == wrapper.invoke("x")


def test_half_made_wrapper_has_no_attributes() -> None:
    """P20: before it has anything to wrap a wrapper says so instead of asking itself for ever."""
    with pytest.raises(AttributeError, match="no attribute 'temperature'"):
        _ = RunnableBinding.__new__(RunnableBinding).temperature  # type: ignore[attr-defined]  # that is the point


# ------------------------------------------------------------------------------------------------------------- methods


def test_method_that_gives_a_runnable_keeps_the_wrapper(run: Any) -> None:
    """P20: what was bound before bind_tools is still bound after it, and so is the config."""
    step: Any = Model().bind(stop="x").with_config(tags=["a"])

    assert run(step.bind_tools(["f"]), "hi") == "hi t=0.0 stop=x tools=['f'] #a"


def test_method_goes_before_what_was_bound_earlier(run: Any) -> None:
    """P20: a method that binds the same argument anew was called later, and wins."""
    step: Any = Model().bind(stop="x", tools=["old"])

    assert run(step.bind_tools(["new"]), "hi") == "hi t=0.0 stop=x tools=['new']"


def test_method_of_nested_bindings_is_the_last_word(run: Any) -> None:
    """P20: also where a binding wraps a binding, in the order in which they were said."""
    step: Any = RunnableBinding(RunnableBinding(Model(), kwargs={"a": 1, "b": 1}), kwargs={"a": 2})

    assert run(step.bind_tools(["f"], b=3), "hi") == "hi t=0.0 a=2 b=3 tools=['f']"


def test_method_that_gives_another_kind_of_runnable_is_wrapped_as_well(run: Any) -> None:
    """P20: with_structured_output and its like give whole chains, which get what was bound."""
    step: Any = Model().with_config(tags=["a"])

    assert run(step.in_a_dict(), "hi") == {"answer": "hi t=0.0 #a"}


def test_methods_can_be_chained(run: Any) -> None:
    """P20: the result of a method is a wrapper with methods of its own."""
    step: Any = Model().bind(stop="x")

    assert run(step.warmer().warmer().bind_tools(["f"]), "hi") == "hi t=2.0 stop=x tools=['f']"


def test_configured_values_hold_after_methods(run: Any) -> None:
    """P20: what a call configures is configured after any chain of methods."""
    step: Any = Model().configurable_fields(temperature=TEMPERATURE)
    step = step.bind(stop="x").warmer().with_config(tags=["a"]).bind_tools(["f"])

    assert run(step, "hi") == "hi t=1.0 stop=x tools=['f'] #a"
    assert run(step, "hi", {"configurable": {"t": 5}}) == "hi t=6.0 stop=x tools=['f'] #a"


def test_method_reaches_whatever_alternative_is_chosen(run: Any) -> None:
    """P20: bind_tools on a choice binds them to each of what there is to choose from, those yet to be made too."""
    which = ConfigurableField(id="which")
    step: Any = Model().configurable_alternatives(which, warm=Model(temperature=1), hot=lambda: Model(temperature=2))
    step = step.bind_tools(["f"])

    assert [run(step, "hi", {"configurable": {"which": key}}) for key in ("default", "warm", "hot")] == [
        f"hi t={t}.0 tools=['f']" for t in range(3)
    ]


def test_fields_can_be_configured_after_methods(run: Any) -> None:
    """P20: fields that are made configurable last are those of what the methods gave."""
    step: Any = Model().configurable_fields(name=ConfigurableField(id="n")).warmer()
    step = step.configurable_fields(temperature=TEMPERATURE)

    assert [run(step, "hi", config) for config in (None, {"configurable": {"t": 5, "n": "x"}})] == [
        "hi t=1.0",
        "hi t=5.0",
    ]


def test_fields_of_a_choice_can_be_configured_after_methods(run: Any) -> None:
    """P20: and of a choice as well."""
    step: Any = Model().configurable_alternatives(ConfigurableField(id="w"), b=Model()).bind_tools(["f"])

    assert run(step.configurable_fields(temperature=TEMPERATURE), "hi") == "hi t=0.0 tools=['f']"


def test_method_leaves_the_wrapper_it_was_called_on(run: Any) -> None:
    """P23: what was made for a wrapper is not taken for what one of its methods gave."""
    step: Any = Model().configurable_fields(temperature=TEMPERATURE)
    with_tools, values = step.bind_tools(["f"]), {"configurable": {"t": 5}}

    assert [run(node, "hi", values) for node in (step, with_tools, step)] == [
        "hi t=5.0",
        "hi t=5.0 tools=['f']",
        "hi t=5.0",
    ]


def test_types_after_a_method_are_those_of_what_it_gave() -> None:
    """P20: a method may give a runnable of another kind, for each alternative."""
    step: Any = Model().configurable_alternatives(ConfigurableField(id="w"), b=Model())

    assert step.in_a_dict().OutputType == Model().in_a_dict().OutputType


def test_method_is_applied_to_every_fallback(run: Any) -> None:
    """P20: what takes over from a model that failed has its tools, too, and is configured as well."""

    class Failing(Model):
        def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
            raise ConnectionError

    step: Any = Failing().with_retry(stop_after_attempt=1).with_fallbacks([Model()])
    step = step.configurable_fields(temperature=TEMPERATURE).bind_tools(["f"])

    assert run(step, "hi", {"configurable": {"t": 5}}) == "hi t=5.0 tools=['f']"


def test_forwarded_method_looks_like_the_one_within() -> None:
    """P20: its name, its documentation and its parameters are those of the method."""
    from inspect import signature

    method = Model().bind(a=1).bind_tools  # type: ignore[attr-defined]  # type checkers want to be told

    assert (method.__name__, signature(method)) == ("bind_tools", signature(Model().bind_tools))


def test_forwarded_method_can_be_pickled() -> None:
    """P20: as any bound method, so that a process pool can call it."""
    step: Any = Model(temperature=1).bind(a=1)

    assert pickle.loads(pickle.dumps(step.tokens))("four") == 4


def test_plain_function_that_is_an_attribute_is_given_as_it_is() -> None:
    """P20: only methods are wrapped; a function that a runnable holds is a value."""
    step: Any = RunnableLambda(len).bind()

    assert step.func is len

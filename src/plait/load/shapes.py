"""How the state of each node is taken, and how a node is made of it: with its constructor, which checks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from plait.errors import LoadError
from plait.load.table import Shape

__all__ = ["SHAPES"]


def _shape(**sources: str) -> Shape:
    """Fields that are keyword arguments of the constructor, each with the attribute that holds it."""

    def takes(node: Any) -> dict[str, Any]:
        return _given({name: _held(node, source) for name, source in sources.items()})

    return Shape(tuple(sources), takes, _by_name)


def _by_name(cls: Any, state: dict[str, Any]) -> Any:
    return cls(**state)


def _held(node: Any, source: str) -> Any:
    value: Any = node
    for name in source.split("."):
        value = getattr(value, name)
    return value


def _given(state: Mapping[str, Any]) -> dict[str, Any]:
    """What is not said by leaving it out; a list reads better than a tuple, and constructors take both."""
    return {
        name: list(cast("tuple[Any, ...]", value)) if type(value) is tuple else value
        for name, value in state.items()
        if value is not None and value is not False and value != {}
    }


def _function_of(sync: str, twin: str, **more: str) -> Shape:
    """A node of a function: the first argument is the function, or its async twin if there is no other."""
    shape = _shape(**{sync: more.pop("held"), twin: more.pop("atwin"), "name": "name", **more})

    def make(cls: Any, state: dict[str, Any]) -> Any:
        forms = [state.pop(form) for form in (sync, twin) if form in state]
        return cls(*forms, **state)

    return shape._replace(make=make)


def _sequence(cls: Any, state: dict[str, Any]) -> Any:
    return cls(*state.pop("steps"), **state)


def _parallel(cls: Any, state: dict[str, Any]) -> Any:
    return cls(state["steps"])  # as a dict: a key may be called like a parameter


def _branches(node: Any) -> dict[str, Any]:
    return {"branches": [list(pair) for pair in node.branches], "default": node.default}


def _branch(cls: Any, state: dict[str, Any]) -> Any:
    return cls(*[tuple(pair) for pair in state["branches"]], state["default"])


def _retry(node: Any) -> dict[str, Any]:
    policy = node.policy
    state = {"retry_if_exception_type": policy.kinds, "exponential_jitter_params": policy.schedule._asdict()}
    rest = {"stop_after_attempt": policy.attempts, "mid_stream": node.mid_stream}
    return {"bound": node.bound, **_given(state), "wait_exponential_jitter": policy.backs_off, **rest}


def _made_retry(cls: Any, state: dict[str, Any]) -> Any:
    return cls(state.pop("bound"), **state)


def _made_fallbacks(cls: Any, state: dict[str, Any]) -> Any:
    return cls(state.pop("runnable"), state.pop("fallbacks"), **state)


def _settled(takes: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Of what has been called on a configurable node since it was made there is nothing left but functions."""

    def checked(node: Any) -> dict[str, Any]:
        if node._then:
            raise LoadError("methods were called on it after it was made configurable: call them before")
        return takes(node)

    return checked


def _alternatives(shape: Shape) -> Shape:
    return shape._replace(takes=_settled(shape.takes))


def _named_tuple(*fields: str) -> Shape:
    def takes(node: Any) -> dict[str, Any]:
        defaults = node._field_defaults
        return {name: value for name, value in node._asdict().items() if value is not defaults.get(name, fields)}

    return Shape(fields, takes, _by_name)


_OPTIONS: Final = ("id", "options", "default", "name", "description", "is_shared")

SHAPES: Final[Mapping[str, Shape]] = {
    "ConfigurableField": _named_tuple("id", "name", "description", "annotation", "is_shared"),
    "ConfigurableFieldMultiOption": _named_tuple(*_OPTIONS),
    "ConfigurableFieldSingleOption": _named_tuple(*_OPTIONS),
    "ConfigurableFieldSpec": _named_tuple(
        "id", "annotation", "name", "description", "default", "is_shared", "dependencies"
    ),
    "RouterRunnable": _shape(runnables="runnables"),
    "RunnableAssign": _shape(mapper="mapper.steps__"),
    "RunnableBinding": _shape(
        bound="bound", kwargs="kwargs", config="config", input_type="input_type", output_type="output_type"
    ),
    "RunnableBranch": Shape(("branches", "default"), _branches, _branch),
    "RunnableConfigurableAlternatives": _alternatives(
        _shape(
            which="which",
            default="default",
            alternatives="alternatives",
            default_key="default_key",
            prefix_keys="prefix_keys",
        )
    ),
    "RunnableConfigurableFields": _alternatives(_shape(default="default", fields="fields")),
    "RunnableEach": _shape(bound="bound"),
    "RunnableGenerator": _function_of(
        "transform", "atransform", held="transform_func", atwin="atransform_func", resets="_resets"
    ),
    "RunnableLambda": _function_of(
        "func", "afunc", held="func", atwin="afunc", chunkwise="chunkwise", inline="_inline", resets="_resets"
    ),
    "RunnableParallel": _shape(steps="steps__")._replace(make=_parallel),
    "RunnablePassthrough": _shape(func="func", afunc="afunc", input_type="_type"),
    "RunnablePick": _shape(keys="keys"),
    "RunnableRetry": Shape(
        (
            "bound",
            "retry_if_exception_type",
            "exponential_jitter_params",
            "wait_exponential_jitter",
            "stop_after_attempt",
            "mid_stream",
        ),
        _retry,
        _made_retry,
    ),
    "RunnableSequence": _shape(steps="steps", name="name")._replace(make=_sequence),
    "RunnableWithFallbacks": _shape(
        runnable="bound",
        fallbacks="fallbacks",
        exceptions_to_handle="exceptions_to_handle",
        exception_key="exception_key",
        mid_stream="mid_stream",
    )._replace(make=_made_fallbacks),
    "RunnableWithMessageHistory": _shape(
        runnable="bound",
        get_session_history="get_session_history",
        input_messages_key="input_messages_key",
        output_messages_key="output_messages_key",
        history_messages_key="history_messages_key",
        history_factory_config="history_factory_config",
        name="name",
    ),
}

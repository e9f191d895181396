"""What a user's function is and wants: its kind, its name, and whether it takes the config."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from unittest.mock import AsyncMock

import pytest

from plait.inspection import awaitable, config_parameter, kind_of, name_of
from plait.runnables import RunnableConfig, RunnableLambda


def sync(value: Any) -> Any:
    return value


async def coroutine(value: Any) -> Any:
    return value


def generator(value: Any) -> Iterator[Any]:
    yield value


async def async_generator(value: Any) -> AsyncIterator[Any]:
    yield value


def passed_on(func: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


def of_class(func: Callable[..., Any]) -> Any:
    """An object whose call is of the kind of the function."""
    return type("Object", (), {"__call__": _with_self(func)})()


def _with_self(func: Callable[..., Any]) -> Callable[..., Any]:
    if func is coroutine:

        async def call(self: Any, value: Any) -> Any:
            return value

    elif func is generator:

        def call(self: Any, value: Any) -> Any:  # type: ignore[misc]  # one of four
            yield value

    elif func is async_generator:

        async def call(self: Any, value: Any) -> Any:  # type: ignore[misc]  # one of four
            yield value

    else:

        def call(self: Any, value: Any) -> Any:  # type: ignore[misc]  # one of four
            return value

    return call


KINDS = {"sync": sync, "async": coroutine, "gen": generator, "agen": async_generator}
FORMS: dict[str, Callable[[Any], Any]] = {
    "function": lambda func: func,
    "partial": functools.partial,
    "partial of a partial": lambda func: functools.partial(functools.partial(func)),
    "callable object": of_class,
    "partial of a callable object": lambda func: functools.partial(of_class(func)),
    "method": lambda func: of_class(func).__call__,
    "static method": lambda func: type("Class", (), {"method": staticmethod(func)}).method,  # type: ignore[attr-defined]
    "class method": lambda func: type("Class", (), {"method": classmethod(_with_self(func))}).method,  # type: ignore[attr-defined]
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_kind_is_that_of_the_function_inside(kind: str, form: str) -> None:
    """P50: a partial, a method, a callable object has the kind of the function that its call ends in."""
    assert kind_of(FORMS[form](KINDS[kind])) == kind


@pytest.mark.parametrize(
    "func", [len, int, str.strip, operator.itemgetter(0), functools.lru_cache(sync), print, dict.get]
)
def test_builtins_are_sync(func: Any) -> None:
    """P50: what has no Python code is a plain function."""
    assert kind_of(func) == "sync"
    assert config_parameter(func) is None


def test_class_is_sync_whatever_its_call_is() -> None:
    """P50: calling a class makes an instance, which is nothing to await."""

    class Async:
        async def __call__(self, value: Any) -> Any:
            return value

    assert kind_of(Async) == "sync"
    assert kind_of(Async()) == "async"


def test_lambda_has_the_kind_of_a_lambda() -> None:
    """P50: what a plain function gives back is not known before it is called."""
    assert kind_of(lambda value: coroutine(value)) == "sync"


def test_mocks_that_are_awaited_work() -> None:
    """P50: an AsyncMock is awaited, whatever it looks like."""
    assert asyncio.run(RunnableLambda(AsyncMock(return_value=5)).ainvoke(0)) == 5


def test_hostile_callable_ends() -> None:
    """A callable that wraps itself does not loop for ever."""
    func: Any = functools.partial(sync)
    for _ in range(100):
        func = functools.partial(func)

    class Loop:
        pass

    Loop.__call__ = Loop()  # type: ignore[attr-defined]  # on purpose

    assert kind_of(func) == "sync"
    assert kind_of(Loop()) == "sync"
    assert config_parameter(Loop()) is None


# ----------------------------------------------------------------------------------------------------------- the config

DEFINITIONS = """
import functools
from typing import Any, Optional, Union
from plait.runnables import RunnableConfig

def passed_on(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        return func(*args, **kwargs)
    return wrapper

def named(value, config): return config
def named_with_a_default(value, config=None): return config
def keyword_only(value, *, config): return config
def annotated(value, settings: RunnableConfig): return settings
def optional(value, settings: Optional[RunnableConfig] = None): return settings
def union(value, settings: RunnableConfig | None = None): return settings
def old_union(value, settings: Union[RunnableConfig, None] = None): return settings
def annotated_keyword_only(value, *, settings: RunnableConfig): return settings
def text(value, settings: "RunnableConfig"): return settings
def text_optional(value, settings: "RunnableConfig | None" = None): return settings
def after_others(value, other=1, settings: RunnableConfig = None): return settings
async def coroutine(value, config: RunnableConfig): return config
decorated = passed_on(annotated)
decorated_twice = passed_on(passed_on(named))
partial = functools.partial(annotated)
partial_with_another = functools.partial(after_others, other=5)
partial_with_the_first = functools.partial(lambda prefix, value, config: config, "prefix")

class Class:
    def method(self, value, config: RunnableConfig): return config
    def annotated_method(self, value, settings: RunnableConfig): return settings
    @classmethod
    def class_method(cls, value, config): return config
    @staticmethod
    def static_method(value, config): return config
    def __call__(self, value, config: RunnableConfig): return config

method = Class().method
annotated_method = Class().annotated_method
class_method = Class().class_method
static_method = Class().static_method
callable_object = Class()
partial_method = functools.partial(Class().method)
partial_object = functools.partial(Class())
"""
WANTING = [
    "named",
    "named_with_a_default",
    "keyword_only",
    "annotated",
    "optional",
    "union",
    "old_union",
    "annotated_keyword_only",
    "text",
    "text_optional",
    "after_others",
    "coroutine",
    "decorated",
    "decorated_twice",
    "partial",
    "partial_with_another",
    "partial_with_the_first",
    "method",
    "annotated_method",
    "class_method",
    "static_method",
    "callable_object",
    "partial_method",
    "partial_object",
]


def module(head: str, source: str) -> dict[str, Any]:
    """The names of a module with this source."""
    names: dict[str, Any] = {}
    exec(compile(head + source, "<a user's module>", "exec", dont_inherit=True), names)
    return names


PLAIN, POSTPONED = module("", DEFINITIONS), module("from __future__ import annotations\n", DEFINITIONS)


@pytest.mark.parametrize("names", [PLAIN, POSTPONED], ids=["plain", "postponed annotations"])
def test_function_that_wants_the_config_gets_it(run: Any, names: dict[str, Any]) -> None:
    """P51: a parameter besides the first that is named config, or annotated RunnableConfig, is handed the config."""
    for name in WANTING:
        if name == "coroutine" and not run.is_async:
            continue
        step = RunnableLambda(names[name])
        assert run(step, 1, {"tags": ["t"]})["tags"] == ["t"], name
        assert run(step, 1)["tags"] == [], name


NOT_WANTING = """
import functools
from typing import Any

def nothing(value): return "nothing"
def first_is_config(config): return config
def others(value, other=1, **more): return sorted(more)
def positional_only(value, config=None, /): return config
def variable(*args, **kwargs): return (len(args), sorted(kwargs))
def similar(value, config_path="p", configuration="c"): return (config_path, configuration)
given = functools.partial(lambda value, config: config, config="mine")
given_in_place = functools.partial(lambda first, config, value: config, 1, "mine")
"""


LEFT_ALONE = {
    "nothing": "nothing",
    "first_is_config": 1,
    "others": [],
    "positional_only": None,
    "variable": (1, []),
    "similar": ("p", "c"),
    "given": "mine",
    "given_in_place": "mine",
}


@pytest.mark.parametrize("head", ["", "from __future__ import annotations\n"], ids=["plain", "postponed annotations"])
def test_function_that_does_not_want_the_config_is_left_alone(run: Any, head: str) -> None:
    """P51: no other parameter is filled in: not the first, not one of another name, not one that a partial has filled."""
    names = module(head, NOT_WANTING)
    for name, value in LEFT_ALONE.items():
        assert run(RunnableLambda(names[name]), 1, {"tags": ["t"]}) == value, name


class RunnableConfigurator:
    """A class of a user's with a name that only begins like the config's."""


def test_annotation_that_only_resembles_the_config_is_another_type(run: Any) -> None:
    """P51: an annotation counts when it names RunnableConfig, not when it names something that contains those letters."""

    def func(value: Any, helper: RunnableConfigurator | None = None) -> Any:
        return helper

    assert run(RunnableLambda(func), 1, {"tags": ["t"]}) is None


def test_each_form_of_a_function_has_its_own_parameter(run: Any) -> None:
    """P51: the sync and the async form may name the config differently, or only one of them may want it."""

    async def asynchronous(value: Any, settings: RunnableConfig) -> Any:
        return settings["tags"]

    step = RunnableLambda(lambda value, config: config["tags"], asynchronous)
    only_one = RunnableLambda(lambda value: ["t"], asynchronous)

    assert run(step, 1, {"tags": ["t"]}) == run(only_one, 1, {"tags": ["t"]}) == ["t"]


# -------------------------------------------------------------------------------------------------------------- names


def test_name_is_that_of_the_function_inside() -> None:
    """A function is known by its own name, through partials, decorators and methods; an object by its class."""
    assert name_of(sync) == name_of(functools.partial(functools.partial(sync))) == name_of(passed_on(sync)) == "sync"
    assert name_of(of_class(sync)) == "Object"
    assert name_of(of_class(sync).__call__) == "call"
    assert name_of(lambda value: value) == "<lambda>"
    assert name_of(operator.itemgetter(0)) == "itemgetter"
    assert name_of(int) == "int"


def test_what_has_to_be_awaited() -> None:
    """Coroutines, futures and objects with __await__ are awaitable, their classes and functions are not."""

    class Later:
        def __await__(self) -> Any:
            yield

    made = coroutine(1)
    assert awaitable(made)
    assert awaitable(Later())
    assert not any(awaitable(thing) for thing in (Later, coroutine, 5, None, generator(1)))
    made.close()

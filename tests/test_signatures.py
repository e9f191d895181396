"""The types that a function declares, from every kind of callable, and never an exception."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import functools
import math
import types
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import pytest
from pydantic import BaseModel

from plait.signatures import chunk_types, function_types, resolve_hints

T = TypeVar("T")


@dataclass
class Point:
    x: int
    y: int = 0


class Pair(NamedTuple):
    left: str
    right: int


class Plain:
    def __init__(self, first: Point, second: int = 0) -> None: ...


class Model(BaseModel):
    x: int


class Colour(enum.Enum):
    RED = "red"


class Tool:
    """One method of each kind, and itself callable."""

    def method(self, x: int, y: str = "") -> str: ...

    @classmethod
    def of_class(cls, x: int) -> str: ...

    @staticmethod
    def static(x: int) -> str: ...

    raw: ClassVar[Any] = staticmethod(len)

    def __call__(self, x: int) -> str: ...


def plain(x: int, y: bytes = b"") -> str: ...


def keyword_only(*, x: int) -> str: ...


def any_number(*items: int, flag: bytes = b"") -> str: ...


def nothing() -> None: ...


def half(x: int, y): ...


def result_only(x) -> str: ...


def broken(x: DoesNotExist, y: int = 0) -> str: ...  # noqa: F821 - as users leave them


def hostile(x: int) -> 1 / 0: ...


async def coroutine(x: int) -> str: ...


def awaitable(x: int) -> Awaitable[str]: ...


def coroutine_object(x: int) -> Coroutine[Any, bytes, str]: ...


def future(x: int) -> asyncio.Future[str]: ...


def bare_awaitable(x: int) -> Awaitable: ...


def bare_coroutine(x: int) -> Coroutine: ...


async def of_awaitable(x: int) -> Awaitable[str]: ...


def generator(x: int) -> Iterator[str]:
    yield ""


def full_generator(x: int) -> Generator[str, bytes, float]:
    yield ""
    return 1.0


def annotated_generator(x: int) -> Annotated[Iterable[str], "metadata"]:
    yield ""


def odd_generator(x: int) -> str:
    yield ""


async def async_generator(x: int) -> AsyncIterator[str]:
    yield ""


async def full_async_generator(x: int) -> AsyncGenerator[str, bytes]:
    yield ""


def returns_iterator(x: int) -> Iterator[str]: ...


def generic(x: T) -> list[T]: ...


@functools.wraps(plain)
def wrapper(*args: Any, **kwargs: Any) -> Any: ...


@functools.cache
def cached(x: int) -> str: ...


@functools.partial
def partial_of_nothing(x: int) -> str: ...


@contextlib.contextmanager
def managed(x: int) -> Iterator[str]:
    yield ""


updated = functools.update_wrapper(functools.partial(plain, 1), plain)

KINDS: list[tuple[Any, Any, Any]] = [
    (plain, int, str),
    (lambda x: x, Any, Any),
    (nothing, Any, types.NoneType),
    (half, int, Any),
    (result_only, Any, str),
    (keyword_only, Any, str),
    (any_number, int, str),
    (Tool().method, int, str),
    (Tool.method, Any, str),
    (Tool().of_class, int, str),
    (Tool.static, int, str),
    (Tool(), int, str),
    (Tool.raw, Any, Any),
    (vars(Tool)["static"], int, str),
    (vars(Tool)["of_class"], int, str),
    (functools.partial(plain), int, str),
    (functools.partial(plain, 1), bytes, str),
    (functools.partial(plain, 1, b""), Any, str),
    (functools.partial(plain, y=b""), int, str),
    (functools.partial(plain, x=1), Any, str),
    (functools.partial(functools.partial(plain, 1)), bytes, str),
    (functools.partial(Tool().method, 1), str, str),
    (functools.partial(Tool(), 1), Any, str),
    (functools.partial(any_number, 1), int, str),
    (partial_of_nothing, int, str),
    (updated, bytes, str),
    (wrapper, int, str),
    (cached, int, str),
    (Plain, Point, Plain),
    (functools.partial(Plain, "a"), int, Plain),
    (Point, int, Point),
    (Pair, str, Pair),
    (Model, Any, Model),
    (Colour, Any, Any),
    (str, Any, str),
    (len, Any, Any),
    (math.sqrt, Any, Any),
    ("".join, Any, Any),
    (coroutine, int, str),
    (awaitable, int, str),
    (coroutine_object, int, str),
    (future, int, str),
    (bare_awaitable, int, Any),
    (bare_coroutine, int, Any),
    (of_awaitable, int, Awaitable[str]),
    (generator, int, str),
    (full_generator, int, str),
    (annotated_generator, int, str),
    (odd_generator, int, Any),
    (async_generator, int, str),
    (full_async_generator, int, str),
    (returns_iterator, int, Iterator[str]),
    (generic, T, list[T]),
    (broken, Any, str),
    (hostile, int, Any),
    (3, Any, Any),
    (None, Any, Any),
]


@pytest.mark.parametrize(("func", "takes", "gives"), KINDS)
def test_the_types_of_a_function(func: Any, takes: Any, gives: Any) -> None:
    """First parameter and result, as far as they are declared."""
    assert function_types(func) == (takes, gives)


def test_a_local_class_that_the_body_uses_is_found() -> None:
    """Postponed annotations name what only the enclosing function knows."""

    class Local: ...

    def uses(x: Local) -> list[Local]:
        return [x, Local()]

    def does_not(x: Local) -> int: ...

    assert function_types(uses) == (Local, list[Local])
    assert function_types(does_not) == (Any, int)


def test_a_local_name_that_is_not_there_yet_is_no_error() -> None:
    """The cell of the closure is still empty when the chain is built."""

    def early(x: int) -> Later:
        return Later()

    assert function_types(early) == (int, Any)

    class Later: ...


def test_annotations_that_are_no_strings_do_as_well() -> None:
    """As in a module without postponed annotations, with a string in a part of one."""

    def bare(x): ...

    bare.__annotations__ = {"x": int | None, "return": list["Point"]}
    assert function_types(bare) == (int | None, list[Point])
    bare.__annotations__ = {"x": "Annotated[int, 3]", "return": None}
    assert function_types(bare) == (Annotated[int, 3], types.NoneType)
    bare.__annotations__ = {"x": "int +", "return": "a note"}
    assert function_types(bare) == (Any, Any)


def test_a_function_that_wraps_itself_is_no_error() -> None:
    """Decorators make such things."""

    def around(x: int) -> str: ...

    around.__wrapped__ = around
    assert function_types(around) == (Any, Any)


def test_an_object_that_answers_to_every_name_is_no_error() -> None:
    """A mock has a __wrapped__, a __call__, and everything else; another raises for each."""

    class Answering:
        def __getattr__(self, name: str) -> Any:
            return self

        def __call__(self, x: int) -> str: ...

    class Raising:
        @property
        def __dict__(self) -> Any:
            raise RuntimeError

        def __call__(self, x: int) -> str: ...

    assert function_types(Answering()) == (int, str)
    assert function_types(Raising()) == (Any, Any)


def test_nothing_is_called() -> None:
    """Reading types runs neither the function nor a constructor."""

    class Loud:
        def __new__(cls, x: int) -> Any:
            raise AssertionError

        def __call__(self, x: int) -> str:
            raise AssertionError

    assert function_types(Loud) == (int, Loud)
    assert function_types(object.__new__(Loud)) == (int, str)


CHUNKS: list[tuple[Any, Any, Any]] = [
    (lambda chunks: chunks, Any, Any),
    (plain, Any, Any),
    (len, Any, Any),
]


@pytest.mark.parametrize(("func", "takes", "gives"), CHUNKS)
def test_chunks_of_what_is_no_iterator_are_unknown(func: Any, takes: Any, gives: Any) -> None:
    """A function that says nothing about chunks."""
    assert chunk_types(func) == (takes, gives)


def test_the_types_of_chunks() -> None:
    """Generator function or not, sync or async, bound or not."""

    def sync(chunks: Iterator[int]) -> Iterator[str]:
        yield from map(str, chunks)

    def returning(chunks: Iterable[int]) -> Iterator[str]:
        return map(str, chunks)

    async def asynchronous(chunks: AsyncIterator[int]) -> AsyncIterator[str]:
        yield ""

    def relaying(chunks: AsyncIterable[int]) -> AsyncIterator[str]:
        return asynchronous(aiter(chunks))

    for func in (sync, returning, asynchronous, relaying):
        assert chunk_types(func) == (int, str)
    assert chunk_types(functools.partial(sync, [])) == (Any, str)


def test_the_hints_of_a_class_are_resolved_one_by_one() -> None:
    """One that names nothing does not cost the others, markers stay, and those of a base are among them."""

    class Base(TypedDict):
        lost: DoesNotExist  # noqa: F821

    class Derived(Base):
        kept: NotRequired[int]

    class Holder(Generic[T]):
        callback: Callable[[int], str] | None

    assert resolve_hints(Derived) == {"lost": Any, "kept": NotRequired[int]}
    assert resolve_hints(Holder) == {"callback": Callable[[int], str] | None}


def test_a_class_of_no_module_is_no_error() -> None:
    """Classes are also made at run time, and modules are also removed."""

    class Lost:
        near: DoesNotExist  # noqa: F821
        far: int

        def __init__(self, x: int) -> None: ...

    Lost.__module__ = "removed"
    assert resolve_hints(Lost) == {"near": Any, "far": int}
    assert function_types(Lost) == (int, Lost)

"""``@chain``: a function as a Runnable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar, overload

from plait.runnables.base import Runnable, RunnableLambda
from plait.runnables.config import RunnableConfig

__all__ = ["chain"]

In = TypeVar("In")
Out = TypeVar("Out")


@overload
def chain(func: Callable[[In], Coroutine[Any, Any, Out]]) -> RunnableLambda[In, Out]: ...


@overload
def chain(func: Callable[[In, RunnableConfig], Coroutine[Any, Any, Out]]) -> RunnableLambda[In, Out]: ...


@overload
def chain(func: Callable[[In], AsyncIterator[Out]]) -> RunnableLambda[In, Out]: ...


@overload
def chain(func: Callable[[In], Iterator[Out]]) -> RunnableLambda[In, Out]: ...


@overload
def chain(func: Callable[[In], Runnable[In, Out]]) -> RunnableLambda[In, Out]: ...


@overload
def chain(func: Callable[[In], Out]) -> RunnableLambda[In, Out]: ...


@overload
def chain(func: Callable[[In, RunnableConfig], Out]) -> RunnableLambda[In, Out]: ...


def chain(func: Callable[..., Any]) -> RunnableLambda[Any, Any]:
    """A decorator that makes a Runnable of a function; what it calls inside inherits its config."""
    return RunnableLambda(func)

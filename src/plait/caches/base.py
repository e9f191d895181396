"""What a cache is, and which one a model uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextvars import ContextVar
from math import isfinite
from typing import Any, Final

from plait.concurrency import in_thread
from plait.errors import ConfigError
from plait.outputs import Generation

__all__ = ["BaseCache", "chosen", "get_llm_cache", "in_force", "limit", "seconds", "set_llm_cache", "space"]


class BaseCache(ABC):
    """Where answers of models are kept; subclass it and write ``lookup``, ``update`` and ``clear``.

    ``prompt`` is the input and ``llm_string`` everything else that changes the answer: the class of the model, its
    settings and the arguments of the call, as JSON whose keys are sorted. Secrets are in neither; the prompt is as
    confidential as it was. Two requests have the same two strings if and only if they are the same. Any number of
    threads and tasks call these methods at once.
    """

    @abstractmethod
    def lookup(self, prompt: str, llm_string: str) -> Sequence[Generation] | None:
        """The candidates that were kept for a request, the first of which is the answer; None if there are none."""

    @abstractmethod
    def update(self, prompt: str, llm_string: str, return_val: Sequence[Generation]) -> None:
        """Keep the candidates for a request, in the place of those that it had."""

    @abstractmethod
    def clear(self, **kwargs: Any) -> None:
        """Forget everything."""

    async def alookup(
        self, prompt: str, llm_string: str
    ) -> Sequence[Generation] | None:  # twin: a sync call has a thread
        """As ``lookup``, which runs in a thread unless this is overridden."""
        return await in_thread(self.lookup, prompt, llm_string)

    async def aupdate(
        self, prompt: str, llm_string: str, return_val: Sequence[Generation]
    ) -> None:  # twin: a sync call has a thread
        """As ``update``, which runs in a thread unless this is overridden."""
        await in_thread(self.update, prompt, llm_string, return_val)

    async def aclear(self, **kwargs: Any) -> None:  # twin: a sync call has a thread
        """As ``clear``, which runs in a thread unless this is overridden."""
        await in_thread(self.clear, **kwargs)


in_force: Final[ContextVar[BaseCache | None]] = ContextVar("plait_llm_cache", default=None)
"""The cache of models that name none."""


def set_llm_cache(value: BaseCache | None) -> None:
    """From here on let all models use this cache that name none themselves; None: no longer.

    It holds here, and in the tasks and worker threads that come of it. A thread that you start yourself begins without:
    give its models the cache as a field.
    """
    if value is not None and not isinstance(value, BaseCache):  # pyright: ignore[reportUnnecessaryIsInstance]  # from outside
        raise ConfigError(f"set_llm_cache takes a BaseCache or None, but got an object of type {type(value).__name__}")
    in_force.set(value)


def get_llm_cache() -> BaseCache | None:
    """The cache that ``set_llm_cache`` has put in force here."""
    return in_force.get()


def chosen(setting: BaseCache | bool | None) -> BaseCache | None:
    """The cache that the field ``cache`` of a model means."""
    if isinstance(setting, BaseCache):
        return setting
    cache = None if setting is False else in_force.get()
    if setting is True and cache is None:
        raise ConfigError("cache=True needs a cache that is in force here: call set_llm_cache(...) first, or give one")
    return cache


def limit(name: str, value: Any) -> int | None:
    """A bound on a number of things, from 1; None: no bound."""
    if value is None or (type(value) is int and value >= 1):
        return value
    raise ConfigError(f"{name} must be a whole number from 1, or None for no bound; got {value!r}")


def seconds(name: str, value: Any) -> float | None:
    """A span of time, above 0; None: for ever."""
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0:
        return float(value)
    raise ConfigError(f"{name} must be a number of seconds above 0, or None for no end; got {value!r}")


def space(value: Any) -> str:
    """The name that keeps the answers of one tenant from those of another."""
    if isinstance(value, str):
        return value
    raise ConfigError(f"namespace must be a text; got an object of type {type(value).__name__}")

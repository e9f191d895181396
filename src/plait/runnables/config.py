"""The config of a call: what it may hold, how configs merge, and what is in force for a nested call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypedDict, TypeVar, cast

from plait.concurrency import Permits, in_thread
from plait.deadlines import earlier
from plait.errors import ConfigError
from plait.runs import DEFAULTS, OWN, HandedConfig, Scope, current, hand_out
from plait.watching.handlers import listener_of

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = [
    "RunnableConfig",
    "also_telling",
    "as_config",
    "configs_of_batch",
    "current_config",
    "ensure_config",
    "enter",
    "merge_configs",
    "patch_config",
    "run_in_executor",
    "with_defaults",
]


P = ParamSpec("P")
R = TypeVar("R")


class RunnableConfig(TypedDict, total=False):
    """What a caller may say about a call; every key is optional, and what is not said is inherited.

    tags: labels of this run and of all below it; merged without repetition, in order.
    metadata: values for whoever watches; the inner call wins key by key. The values themselves are never copied.
    callbacks: who listens; the same object hears each event once.
    run_name, run_id: of this run alone, never inherited; one ``run_id`` (a UUID) cannot serve several inputs.
    max_concurrency: how many leaf calls may run at once in this whole call, however nested; a nested call may lower
        it. Without it a batch runs 16 items at once.
    recursion_limit: how deep functions may go on returning runnables (25).
    configurable: values for configurable fields, and for your own functions.
    timeout: seconds that this whole call may take; then it is ended, and DeadlineError (a TimeoutError) raised. A
        nested call may have less time, never more; your functions find in it what is left.
    idle_timeout: seconds that this stream may be silent, before its first chunk or between two; never inherited.
    """

    tags: list[str]
    metadata: dict[str, Any]
    callbacks: Any
    run_name: str | None
    run_id: Any
    max_concurrency: int | None
    recursion_limit: int
    configurable: dict[str, Any]
    timeout: float | None
    idle_timeout: float | None


_KEYS: Final = tuple(RunnableConfig.__annotations__)
_CONTAINERS: Final = (
    ("tags", (list, tuple)),
    ("callbacks", (list, tuple)),
    ("metadata", (dict, Mapping)),
    ("configurable", (dict, Mapping)),
)


def _mapping(config: Any) -> Mapping[str, Any]:
    if not isinstance(config, Mapping):
        raise ConfigError(f"a config is a dict, got {type(config).__name__}; its keys are {', '.join(_KEYS)}")
    return cast("Mapping[str, Any]", config)


def _check(config: Any) -> None:
    given = _mapping(config)
    for key in given:
        if key not in _KEYS:
            raise ConfigError(
                f"unknown config key {key!r}{_hint(key)}; the keys are {', '.join(_KEYS)}. "
                "Values for your own functions belong into 'configurable', labels into 'metadata'"
            )
    for key in ("max_concurrency", "recursion_limit"):
        limit = given.get(key)
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise ConfigError(f"config[{key!r}] must be a whole number of at least 1, got {limit!r}")
    for key in ("timeout", "idle_timeout"):
        seconds = given.get(key)
        if seconds is not None and (
            not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds > 0
        ):
            raise ConfigError(f"config[{key!r}] must be a number of seconds above 0, got {seconds!r}")
    for key, kind in _CONTAINERS:
        value = given.get(key)
        if value is not None and not isinstance(value, kind):
            raise ConfigError(
                f"config[{key!r}] must be a {kind[0].__name__}, got {type(value).__name__}{_whose(value)}"
            )


def _whose(value: object) -> str:
    """What to do with a config of LangChain's, which its functions are handed."""
    theirs = type(value).__module__.startswith("langchain_core.")
    return "; into a chain of LangChain's goes to_langchain(chain), which reads its config" if theirs else ""


def _hint(key: object) -> str:
    from difflib import get_close_matches  # on the way to an error only

    close = get_close_matches(str(key), _KEYS, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _union(first: Iterable[Any] | None, second: Iterable[Any] | None) -> list[Any]:
    """Both, in order, each thing once: by identity, as handlers need not be hashable, and by equality for text."""
    both: list[Any] = []
    for thing in (*(first or ()), *(second or ())):
        if not any(thing is known or (isinstance(thing, str) and thing == known) for known in both):
            both.append(thing)
    return both


def merge_configs(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    """One config of several: lists are joined, dicts merged key by key, of anything else the last that is not None.

    Raises ConfigError for what cannot be a config.
    """
    for config in configs:
        _check(config or {})
    return _merged(*configs)


def _merged(*configs: Mapping[str, Any] | None) -> RunnableConfig:
    merged: Any = {}
    for config in configs:
        for key, value in (config or {}).items():
            if value is None:
                merged.setdefault(key, None)
            elif key in ("tags", "callbacks"):
                merged[key] = _union(merged.get(key), value)
            elif key in ("metadata", "configurable"):
                merged[key] = {**(merged.get(key) or {}), **value}
            else:
                merged[key] = value
    return cast(RunnableConfig, merged)


def within(parent: Scope | None, config: Mapping[str, Any]) -> Scope:
    """The scope of a call that is made with ``config`` inside ``parent``."""
    _check(config)
    base = DEFAULTS if parent is None else parent.below()
    scope = Scope(_merged(base, config), parent)
    limit = config.get("max_concurrency")
    if limit is not None and (parent is None or parent.permits is None or limit != parent.get("max_concurrency")):
        scope.permits = Permits(limit, parent.permits if parent is not None else None)
    scope.listeners = tuple(listener_of(callback) for callback in scope.get("callbacks") or ())
    _limit(scope, config)
    return scope


def _limit(scope: Scope, config: Mapping[str, Any]) -> None:
    seconds, outer = config.get("timeout"), scope.deadline
    if seconds is not None:
        scope.deadline = earlier(outer, seconds)
    scope.fresh = scope.deadline is not outer or config.get("idle_timeout") is not None


def also_telling(config: Any, callbacks: list[Any]) -> Scope:
    """The scope of a call that was given ``config``, with more who listen."""
    scope = enter(config)
    return within(scope, {"callbacks": callbacks}) if scope is None else _refined(scope, {"callbacks": callbacks})


def _refined(scope: Scope, more: Mapping[str, Any]) -> Scope:
    """The scope of the very call of ``scope``, with more to it: its name, its place and its limits stay its own."""
    own = {key: scope[key] for key in OWN if key in scope}
    refined = within(scope, {**own, **more})
    refined.place = scope.place
    refined.fresh = refined.fresh or scope.fresh
    return refined


def as_config(scope: Scope) -> RunnableConfig:
    """A scope, as the type of what a verb takes."""
    return cast(RunnableConfig, scope)  # a dict with these keys, which the type cannot say of a subclass


def enter(config: RunnableConfig | Mapping[str, Any] | None) -> Scope | None:
    """What is in force for a call that was given ``config``; None when nothing is configured and nobody listens."""
    if config is None:
        return current.get()
    if type(config) is Scope:
        return config
    if type(config) is HandedConfig:
        return _handed_back(config)
    return within(current.get(), config)


def _handed_back(config: HandedConfig) -> Scope | None:
    """Handing on the config that one was given is the same as inheriting it, but for what one has changed in it."""
    scope = config.scope if config.scope is not None else current.get()
    changed = _changed(config)
    return within(scope, changed) if changed else scope


def _changed(config: HandedConfig) -> dict[str, Any]:
    given = DEFAULTS if config.scope is None else config.scope
    changed = {key: value for key, value in config.items() if key not in given or given[key] != value}
    if changed.get("timeout") is not None and changed["timeout"] == config.timeout:
        del changed["timeout"]
    return changed


def with_defaults(bound: Mapping[str, Any], config: Mapping[str, Any] | None) -> Scope:
    """The scope for a node with a config of its own: it goes before what is inherited and after what the call says."""
    if config is None:
        return within(current.get(), bound)
    if type(config) is Scope:
        return _refined(config, bound)  # it has no run of its own: what it runs takes its place
    if type(config) is HandedConfig:
        scope = config.scope if config.scope is not None else current.get()
        return within(scope, merge_configs(bound, _changed(config)))
    return within(current.get(), merge_configs(bound, config))


def configs_of_batch(
    config: RunnableConfig | Sequence[RunnableConfig] | None, count: int | None
) -> tuple[Scope | None, list[Scope] | None]:
    """The scope of a whole batch, and one for each input if a list of configs was given.

    The permits of the batch are those of the first config in the list that limits them.
    """
    if config is None or isinstance(config, Mapping):
        scope = enter(config)
        if scope is not None and scope.get("run_id") is not None and count != 1:
            raise ConfigError("one run_id cannot serve several inputs; pass a list of configs, one for each input")
        return scope, None
    if not isinstance(config, list | tuple):
        raise ConfigError(f"a config is a dict, or for a batch a list of them; got {type(config).__name__}")
    configs = [_mapping(given or {}) for given in config]
    if count is not None and len(configs) != count:
        raise ConfigError(f"a batch needs as many configs as inputs: got {len(configs)} for {count} inputs")
    scopes = [_as_handed(given) for given in configs]
    if scopes and None not in scopes:  # handed on from a batch around this one
        return scopes[0], cast("list[Scope]", scopes)
    limits = [limit for given in configs if (limit := given.get("max_concurrency")) is not None]
    whole = within(current.get(), {"max_concurrency": limits[0]}) if limits else current.get()
    return whole, [scope or within(whole, given) for scope, given in zip(scopes, configs, strict=True)]


def _as_handed(config: Mapping[str, Any]) -> Scope | None:
    """The scope that a config is, or that it is a copy of."""
    if type(config) is Scope:
        return config
    return _handed_back(config) if type(config) is HandedConfig else None


def ensure_config(config: RunnableConfig | None = None) -> RunnableConfig:
    """A complete config: the defaults, what is inherited here, and ``config``; the caller's own to change."""
    return cast(RunnableConfig, hand_out(enter(config)))


def patch_config(config: RunnableConfig | None, **changes: Any) -> RunnableConfig:
    """A copy of ``config`` with some keys replaced."""
    return cast(RunnableConfig, {**(config or {}), **changes})


def current_config() -> RunnableConfig:
    """The config in force where this is called: that of the run around it, or the defaults outside of any."""
    return ensure_config()


async def run_in_executor(
    executor_or_config: Executor | RunnableConfig | None, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """``func(*args, **kwargs)`` in a thread: of this executor if one is given, else of plait's own.

    The function finds the config in force. Known from elsewhere, for async methods of components that can only block.
    """
    call = partial(func, *args, **kwargs)
    if not hasattr(executor_or_config, "submit"):
        return await in_thread(call)
    import asyncio

    return await asyncio.get_running_loop().run_in_executor(
        cast("Executor", executor_or_config), copy_context().run, call
    )

"""Configs, from one library to the other: what is inherited, who listens, what the run of a call is called."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Any, cast

from plait.providers.langchain.events import APassing, Passing
from plait.providers.langchain.faults import passing
from plait.providers.langchain.peer import peer
from plait.providers.langchain.reports import Reports, halting
from plait.runnables import RunnableConfig
from plait.runnables.config import enter
from plait.runs import DEFAULTS, Run, RunListener, Scope, current
from plait.stopping import stopping
from plait.watching.handlers import HandlerListener

__all__ = ["acalling", "afor_plait", "calling", "for_plait", "natively", "outside", "restored"]


class _Native:
    """Handlers of LangChain's, silent where LangChain tells them of the same run itself."""

    def __init__(self, listeners: Iterable[RunListener]) -> None:
        self.listeners = tuple(listeners)

    def handlers(self) -> list[Any]:
        return [handler for listener in self.listeners for handler in _handlers_of(listener)]

    def on_run_start(self, run: Run) -> None:
        return None

    def on_run_chunk(self, run: Run, chunk: Any) -> None:
        return None

    def on_run_event(self, run: Run, name: str, data: Any) -> None:
        return None

    def on_run_end(self, run: Run) -> None:
        return None


def _handlers_of(listener: Any) -> list[Any]:
    if isinstance(listener, Passing | APassing):
        return listener.handlers
    if isinstance(listener, HandlerListener) and isinstance(listener.handler, peer().callbacks.BaseCallbackHandler):
        return [listener.handler]
    return []


def natively(config: Any) -> Any:
    """The config of a call of LangChain's: handlers of its own kind hear of its run from itself, and once."""
    scope = current.get() if config is None else enter(config)
    if scope is None or not scope.listeners or not any(map(_handlers_of, scope.listeners)):
        return scope
    theirs = [listener for listener in scope.listeners if _handlers_of(listener)]
    rest = tuple(listener for listener in scope.listeners if listener not in theirs)
    return _heard_by(scope, (*rest, _Native(theirs)))


def _heard_by(scope: Scope, listeners: tuple[Any, ...]) -> Scope:
    changed = Scope(scope, scope)
    changed.listeners, changed.place, changed.fresh = listeners, scope.place, scope.fresh
    return changed


def _restored(scope: Scope) -> Scope:
    """The scope for what of ours LangChain calls: there all who listen hear of it from us."""
    listeners = [
        each for told in scope.listeners for each in (told.listeners if isinstance(told, _Native) else (told,))
    ]
    return _heard_by(scope, tuple(listeners))


# ------------------------------------------------------------------------------------------------------ to LangChain


@contextmanager
def calling(scope: Scope | None) -> Generator[dict[str, Any] | None, None, None]:
    """The config for a call of LangChain's in the block, and what is in force for what that calls of ours."""
    stop = stopping.get()
    halt = [] if stop is None else [halting(stop)]
    if scope is None:
        with passing():
            yield {"callbacks": halt} if halt else None
        return
    if scope.run is not None and scope.run.watch is not None:
        scope.run.watch.begin()
    reports = Reports(scope, _others(scope))
    told = reports.handlers(is_async=False) if _others(scope) else []
    try:
        with passing():
            yield _config(scope, [*_native(scope), *told, *halt], peer().callbacks.CallbackManager)
    finally:
        reports.close()


@asynccontextmanager
async def acalling(  # twin: a task is cancelled, a thread is told to end
    scope: Scope | None,
) -> AsyncGenerator[dict[str, Any] | None, None]:
    """The config for a call of LangChain's in the block, and what is in force for what that calls of ours."""
    if scope is None:
        with passing():
            yield None
        return
    if scope.run is not None and scope.run.watch is not None:
        await scope.run.watch.abegin()
    reports = Reports(scope, _others(scope))
    told = reports.handlers(is_async=True) if _others(scope) else []
    try:
        with passing():
            yield _config(scope, [*_native(scope), *told], peer().callbacks.AsyncCallbackManager)
    finally:
        await reports.aclose()


def _native(scope: Scope) -> list[Any]:
    return [handler for listener in scope.listeners if isinstance(listener, _Native) for handler in listener.handlers()]


def _others(scope: Scope) -> tuple[RunListener, ...]:
    return tuple(listener for listener in scope.listeners if not isinstance(listener, _Native))


def _config(scope: Scope, handlers: list[Any], manager: Any) -> dict[str, Any]:
    config: dict[str, Any] = {key: scope[key] for key in ("recursion_limit", "max_concurrency") if scope.get(key)}
    config |= {"tags": [*scope["tags"]], "metadata": {**scope["metadata"]}, "configurable": {**scope["configurable"]}}
    run = scope.run if scope.listeners else None
    parent = scope.run if run is None else run.parent
    if run is not None:
        config |= {"run_id": run.id, "run_name": run.name}
    if handlers:
        place = [] if run is None or run.scope.place is None else [run.scope.place]
        config["callbacks"] = manager(
            handlers=[*handlers], inheritable_handlers=[*handlers], parent_run_id=parent and parent.id, tags=place
        )
    return config


def restored(scope: Scope | None) -> Scope | None:
    """What is in force while something of LangChain's is at work."""
    return None if scope is None else _restored(scope)


# ---------------------------------------------------------------------------------------------------------- to plait


def outside() -> Scope | None:
    """What is in force for a call that comes from LangChain: the limits of ours around it, and nobody who listens."""
    scope = current.get()
    if scope is None:
        return None
    bare = Scope({**DEFAULTS, **{key: scope[key] for key in ("max_concurrency",) if scope.get(key)}}, scope)
    bare.listeners, bare.run = (), None
    return bare


def for_plait(config: Any, manager: Any) -> RunnableConfig:
    """The config of a plait call for one of LangChain's whose run ``manager`` tells of."""
    return _for_plait(config, manager, Passing(manager))


def afor_plait(config: Any, manager: Any) -> RunnableConfig:
    """The config of a plait call for one of LangChain's whose run ``manager`` tells of."""
    return _for_plait(config, manager, APassing(manager))


def _for_plait(config: Any, manager: Any, passing_on: Any) -> RunnableConfig:
    given: dict[str, Any] = {
        key: config[key] for key in ("tags", "metadata", "configurable", "recursion_limit") if config.get(key)
    }
    if config.get("max_concurrency") is not None:
        given["max_concurrency"] = config["max_concurrency"]
    if manager.inheritable_handlers:
        given |= {"callbacks": [passing_on], "run_id": manager.run_id}
    return cast(RunnableConfig, given)

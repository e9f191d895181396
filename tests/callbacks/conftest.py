"""Handlers that note what they are told, in plain and in async methods."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from plait.callbacks import AsyncCallbackHandler, BaseCallbackHandler

METHODS = [name for name in dir(BaseCallbackHandler) if name.startswith("on_")]


class Told(NamedTuple):
    """One call of a method."""

    method: str
    args: tuple[Any, ...]
    facts: dict[str, Any]


class Notes:
    """What a handler was told, in order, with a map of the runs that are open, as tracers keep one."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.open: dict[Any, str] = {}
        self.faults: list[str] = []
        self.lock = threading.Lock()

    def note(self, method: str, args: tuple[Any, ...], facts: dict[str, Any]) -> None:
        with self.lock:
            self.told.append(Told(method, args, facts))
            if method.endswith("_start"):
                self.begin(facts)
            elif method.endswith(("_end", "_error", "_cancelled")) and self.open.pop(facts["run_id"], None) is None:
                self.faults.append(f"{method} of a run that is not open")

    def begin(self, facts: dict[str, Any]) -> None:
        parent = facts["parent_run_id"]
        if parent is not None and parent not in self.open:
            self.faults.append("a run began before its parent, or after the end of it")
        self.open[facts["run_id"]] = facts["name"]

    @property
    def methods(self) -> list[str]:
        return [told.method for told in self.told]

    @property
    def steps(self) -> list[tuple[str, str]]:
        return [(told.method, told.facts["name"]) for told in self.told]

    def of(self, method: str) -> Told:
        [found] = [told for told in self.told if told.method == method]
        return found


def _plain(name: str) -> Callable[..., None]:
    def method(self: Notes, *args: Any, **facts: Any) -> None:
        self.note(name, args, facts)

    return method


def _async(name: str) -> Callable[..., Any]:
    async def method(self: Notes, *args: Any, **facts: Any) -> None:
        self.note(name, args, facts)

    return method


PlainHandler = type("PlainHandler", (Notes, BaseCallbackHandler), {name: _plain(name) for name in METHODS})
AsyncHandler = type("AsyncHandler", (Notes, AsyncCallbackHandler), {name: _async(name) for name in METHODS})


@pytest.fixture(params=[PlainHandler, AsyncHandler], ids=["plain", "async"])
def notes(request: pytest.FixtureRequest) -> Any:
    """A handler that notes everything."""
    return request.param()


@pytest.fixture
def noting() -> Callable[..., Any]:
    """``noting("on_chain_end", ..., of=BaseCallbackHandler)``: a handler that notes what these methods are told."""

    def make(*names: str, of: tuple[type[Any], ...] = (BaseCallbackHandler,), **more: Any) -> Any:
        return type("Noting", (Notes, *of), {**{name: _plain(name) for name in names}, **more})()

    return make

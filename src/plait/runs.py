"""The call that is going on: what nested calls inherit, who listens, and the record of a run.

A ``Scope`` is a config in force. Library nodes hand it down as their ``config``; while user code runs it is also in
the context variable ``current``, so that a call nested in a function finds it. ``None`` in its place means that
nothing is configured and nobody listens: then nothing of this module is on the path of a call but one lookup.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from time import time
from typing import Any, Final, Literal, NoReturn, Protocol, Self, cast

from plait.concurrency import Permits
from plait.errors import RecursionLimitError
from plait.merging import merge_all

__all__ = ["DEFAULTS", "HandedConfig", "Run", "RunListener", "Scope", "Watch", "current", "deeper", "hand_out"]

DEFAULTS: Final[Mapping[str, Any]] = {
    "tags": [],
    "metadata": {},
    "callbacks": None,
    "recursion_limit": 25,
    "configurable": {},
}


class RunListener(Protocol):
    """Hears of runs: each has one start, its chunks in order, and one end, whatever way it ends."""

    def on_run_start(self, run: Run) -> None: ...

    def on_run_chunk(self, run: Run, chunk: Any) -> None: ...

    def on_run_end(self, run: Run) -> None: ...


class Scope(dict[str, Any]):
    """A config in force, complete and read-only, with what its keys cannot hold: permits, depth, the parent run."""

    __slots__ = ("depth", "listeners", "permits", "run")

    permits: Permits | None
    depth: int
    listeners: tuple[RunListener, ...]
    run: Run | None

    def __init__(self, values: Mapping[str, Any], parent: Scope | None = None) -> None:
        super().__init__(values)
        self.permits = parent.permits if parent is not None else None
        self.depth = parent.depth if parent is not None else 0
        self.listeners = parent.listeners if parent is not None else ()
        self.run = parent.run if parent is not None else None

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a config is read-only while it is in force; pass on a new one: {**config, 'tags': [...]}")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = setdefault = clear = cast(Any, _refuse)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)  # permits and runs belong to this process

    def below(self) -> Scope:
        """The scope of what a node calls: without the name and the id, which are the node's own."""
        if "run_name" not in self and "run_id" not in self:
            return self
        return Scope({key: value for key, value in self.items() if key not in ("run_name", "run_id")}, self)


class HandedConfig(dict[str, Any]):
    """The copy of a scope that a user's function gets: its own to change, and still tied to its run."""

    __slots__ = ("scope",)

    scope: Scope | None

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


current: Final[ContextVar[Scope | None]] = ContextVar("plait_scope", default=None)


def hand_out(scope: Scope | None) -> HandedConfig:
    """A copy for user code; the containers are fresh, the values in them are the caller's own."""
    config = HandedConfig(DEFAULTS if scope is None else scope)
    config.scope = scope
    config["tags"] = list(config["tags"])
    config["callbacks"] = None if config["callbacks"] is None else list(config["callbacks"])
    config["metadata"] = dict(config["metadata"])
    config["configurable"] = dict(config["configurable"])
    return config


def deeper(scope: Scope | None, name: str) -> Scope:
    """The scope of a runnable that the function ``name`` returned; raises past ``recursion_limit``."""
    inner = Scope(DEFAULTS if scope is None else scope, scope)
    inner.depth += 1
    limit = inner["recursion_limit"]
    if inner.depth > limit:
        raise RecursionLimitError(
            f"{name!r} and what it returned went on returning runnables: {inner.depth} deep, and recursion_limit is "
            f"{limit}; end the loop, or pass config={{'recursion_limit': ...}}"
        )
    return inner


class Run:
    """What is known of one call of one node; ``status`` is its end, or ``running``."""

    __slots__ = (
        "_id",
        "end_time",
        "error",
        "inputs",
        "kind",
        "metadata",
        "name",
        "node",
        "outputs",
        "parent",
        "start_time",
        "status",
        "tags",
    )

    status: Literal["running", "success", "error", "cancelled"]

    def __init__(self, name: str, kind: str, inputs: Any, scope: Scope) -> None:
        self._id = scope.get("run_id")
        self.node = 0  # which object it is of, so that verbs of one object that call each other make one run
        self.parent = scope.run
        self.name: str = scope.get("run_name") or name
        self.kind = kind
        self.tags: list[str] = list(scope["tags"])
        self.metadata: dict[str, Any] = dict(scope["metadata"])
        self.inputs = inputs
        self.outputs: Any = None
        self.error: BaseException | None = None
        self.status = "running"
        self.start_time = time()
        self.end_time: float | None = None

    @property
    def id(self) -> Any:
        """A UUID: the one that the caller gave, or one of its own, made when somebody asks."""
        if self._id is None:
            self._id = _new_id()
        return self._id

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self.kind}, {self.status})"


def _new_id() -> Any:
    from uuid import uuid4  # only a watched run needs an id

    return uuid4()


class Watch:
    """The one place where a run starts and ends: a context manager around the work of a node."""

    __slots__ = ("chunks", "inputs", "run", "scope")

    def __init__(self, node: Any, kind: str, inputs: Any, scope: Scope) -> None:
        self.run = Run(node.get_name(), kind, inputs, scope)
        self.run.node = id(node)
        below = scope.below()
        self.scope = Scope(below, below)
        self.scope.run = self.run
        self.inputs: list[Any] = []
        self.chunks: list[Any] = []

    def __enter__(self) -> Self:
        self._tell("on_run_start", self.run)
        return self

    def end(self, outputs: Any) -> Any:
        """Note the value of a run that gives one value."""
        self.run.outputs = outputs
        return outputs

    def chunk(self, chunk: Any) -> Any:
        """Note one chunk of a run that streams; their sum becomes the output."""
        self.chunks.append(chunk)
        self._tell("on_run_chunk", self.run, chunk)
        return chunk

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        run = self.run
        if self.inputs:
            run.inputs = _total(self.inputs)
        if self.chunks:
            run.outputs = _total(self.chunks)
        run.error = error
        run.status = _status(error)
        run.end_time = time()
        self._tell("on_run_end", run)

    def _tell(self, event: str, *facts: Any) -> None:
        for listener in self.scope.listeners:
            try:
                getattr(listener, event)(*facts)
            except Exception:
                _report(listener, event)


def _total(chunks: list[Any]) -> Any:
    try:
        return merge_all(chunks)
    except Exception:  # chunks that cannot be added are nobody's fault who watches
        return chunks


def _status(error: BaseException | None) -> Literal["success", "error", "cancelled"]:
    if error is None:
        return "success"
    failed = isinstance(error, Exception | KeyboardInterrupt | SystemExit)
    return "error" if failed else "cancelled"  # GeneratorExit and CancelledError are somebody's wish, not a fault


def _report(listener: RunListener, event: str) -> None:
    import logging  # a listener that fails is rare; it must not end the run

    logging.getLogger("plait").exception("%s of %s failed", event, type(listener).__name__)  # noqa: LOG004 - inside one

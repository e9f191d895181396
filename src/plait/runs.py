"""The call that is going on: what nested calls inherit, who listens, and the record of a run.

A ``Scope`` is a config in force. Library nodes hand it down as their ``config``; while user code runs it is also in
the context variable ``current``, so that a call nested in a function finds it. ``None`` in its place means that
nothing is configured and nobody listens: then nothing of this module is on the path of a call but one lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from functools import cache
from os import environ
from threading import Lock
from typing import Any, Final, Literal, NoReturn, Protocol, Self, cast

from plait.clocks import clock
from plait.concurrency import Permits, run_to_end
from plait.deadlines import Deadline
from plait.errors import EmptyStreamError, RecursionLimitError
from plait.merging import SNAPSHOTS, merge_all

__all__ = [
    "DEFAULTS",
    "OWN",
    "UNKNOWN",
    "AmbientListener",
    "HandedConfig",
    "Run",
    "RunListener",
    "Scope",
    "Watch",
    "adispatch",
    "ambient",
    "current",
    "deeper",
    "dispatch",
    "hand_out",
]

DEFAULTS: Final[Mapping[str, Any]] = {
    "tags": [],
    "metadata": {},
    "callbacks": None,
    "recursion_limit": 25,
    "configurable": {},
}


UNKNOWN: Final[Any] = object()
"""The input of a run that has yet to be streamed in."""


Waiting = list[tuple["RunListener | None", Any]]
"""Listeners, each with what the run has to wait for; or with None, and what one of them has raised to end the run."""


class RunListener(Protocol):
    """Hears of runs: each has one start, its chunks in order, and one end, whatever way it ends.

    A method gives None, or what the run has to wait for: an object with ``wait()`` for sync verbs and ``__await__``
    for async ones, or a coroutine. What it raises is logged once and disturbs nobody, unless the listener has a true
    ``raise_error``: then it ends the run.
    """

    def on_run_start(self, run: Run) -> Any: ...

    def on_run_chunk(self, run: Run, chunk: Any) -> Any: ...

    def on_run_event(self, run: Run, name: str, data: Any) -> Any: ...

    def on_run_end(self, run: Run) -> Any: ...


class Scope(dict[str, Any]):
    """A config in force, complete and read-only, with what its keys cannot hold: permits, depth, the parent run."""

    __slots__ = ("deadline", "depth", "fresh", "listeners", "permits", "place", "run")

    permits: Permits | None
    deadline: Deadline | None
    fresh: (
        bool  # whether the next verb has to keep the deadline, or the silence of its stream, as it came with this call
    )
    depth: int
    listeners: tuple[RunListener, ...]
    run: Run | None
    place: str | None  # the tag of the next run alone: which step or branch of its parent it is

    def __init__(self, values: Mapping[str, Any], parent: Scope | None = None) -> None:
        super().__init__(values)
        self.permits = parent.permits if parent is not None else None
        self.depth = parent.depth if parent is not None else 0
        self.listeners = parent.listeners if parent is not None else ()
        self.run = parent.run if parent is not None else None
        self.deadline = parent.deadline if parent is not None else None
        self.fresh = False
        self.place = None

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a config is read-only while it is in force; pass on a new one: {**config, 'tags': [...]}")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = setdefault = clear = cast(Any, _refuse)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)  # permits and runs belong to this process

    def below(self) -> Scope:
        """The scope of what a node calls: without the name, the id and the place, which are the node's own."""
        if self.place is None and not self.fresh and "run_name" not in self and "run_id" not in self:
            return self
        return self._like(self._shared(), self.run, None)

    def kept(self) -> Scope:
        """The same scope, once somebody keeps its deadline."""
        return self._like(self, self.run, self.place)

    def within_run(self, run: Run) -> Scope:
        """The scope of what the node of ``run`` calls."""
        return self._like(self._shared(), run, None)

    def at(self, place: str) -> Scope:
        """The scope of one step or branch, whose run is tagged with its place."""
        if not self.listeners:
            return self
        scope = self._like(self, self.run, place)
        if self.fresh:
            scope.fresh = True
        return scope

    def _shared(self) -> dict[str, Any]:
        """What is not the node's own."""
        if "run_name" not in self and "run_id" not in self:  # written out: there are two of these for each run
            return self
        return {key: value for key, value in self.items() if key not in OWN}

    def _like(self, values: Mapping[str, Any], run: Run | None, place: str | None) -> Scope:
        scope = _blank(Scope)  # what __init__ does, in half the time: there are two of them for each watched run
        _filled(scope, values)
        scope.permits = self.permits
        scope.depth = self.depth
        scope.listeners = self.listeners
        scope.run = run
        scope.place = place
        scope.deadline = self.deadline
        scope.fresh = False
        return scope


OWN: Final = ("run_name", "run_id")
"""What belongs to one call, and not to what that calls."""

_LEAST: Final = 1e-6  # a timeout must be above 0

_clock: Final = clock.get  # two look-ups for each run are worth a name
_blank: Final = cast("Callable[[type[Scope]], Scope]", dict.__new__)
_filled: Final = cast("Callable[..., None]", dict.update)


class HandedConfig(dict[str, Any]):
    """The copy of a scope that a user's function gets: its own to change, and still tied to its run."""

    __slots__ = ("scope", "timeout")

    scope: Scope | None
    timeout: float | None  # as it was handed out: what was left

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


class AmbientListener:
    """Whoever listens to everything in this process, in threads of any origin too; see ``ambient``."""

    def __init__(self) -> None:
        self.listener: RunListener | None = None

    def on_run_start(self, run: Run) -> Any:
        return None if self.listener is None else self.listener.on_run_start(run)

    def on_run_chunk(self, run: Run, chunk: Any) -> Any:
        return None if self.listener is None else self.listener.on_run_chunk(run, chunk)

    def on_run_event(self, run: Run, name: str, data: Any) -> Any:
        return None if self.listener is None else self.listener.on_run_event(run, name, data)

    def on_run_end(self, run: Run) -> Any:
        return None if self.listener is None else self.listener.on_run_end(run)


ambient: Final[AmbientListener | None] = AmbientListener() if environ.get("PLAIT_TRACE", "0") not in ("", "0") else None
"""Present when the environment asks for a trace of the whole process; what listens is put there from above."""


def _everywhere() -> Scope | None:
    if ambient is None:
        return None
    scope = Scope({**DEFAULTS, "callbacks": [ambient]})
    scope.listeners = (ambient,)
    return scope


current: Final[ContextVar[Scope | None]] = ContextVar("plait_scope", default=_everywhere())  # noqa: B039 - read-only


def hand_out(scope: Scope | None) -> HandedConfig:
    """A copy for user code; the containers are fresh, the values in them are the caller's own."""
    config = HandedConfig(DEFAULTS if scope is None else scope)
    config.scope = scope
    config.pop("idle_timeout", None)  # that of this stream, not of others which the function may open
    config.timeout = None
    if scope is not None and scope.deadline is not None:
        config["timeout"] = config.timeout = max(scope.deadline.left(), _LEAST)
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


_NO_LABELS: Final[tuple[tuple[str, ...], Mapping[str, Any]]] = ((), {})


class Run:
    """What is known of one call of one node; ``status`` is its end, or ``running``.

    ``inputs`` is None until it is known: a stream may start before its input is complete. ``outputs`` of a stream is
    the sum of its chunks, of a run that was cancelled the sum of those that had come. Times are seconds since the
    epoch.
    """

    __slots__ = (
        "_id",
        "_metadata",
        "_tags",
        "end_time",
        "error",
        "inputs",
        "kind",
        "name",
        "node",
        "outputs",
        "parent",
        "scope",
        "start_time",
        "status",
        "watch",
    )

    status: Literal["running", "success", "error", "cancelled"]

    def __init__(self, name: str, kind: str, inputs: Any, scope: Scope, node: Any = None) -> None:
        self._id = scope.get("run_id")
        self.node = node  # verbs of one object that call each other make one run
        self.watch: Watch | None = None  # of a run that has not begun
        self.parent = scope.run
        self.scope = scope
        self.name: str = scope.get("run_name") or name
        self.kind = kind
        self._tags: Iterable[str] = scope["tags"] if scope.place is None else (scope.place, *scope["tags"])
        self._metadata: Mapping[str, Any] = scope["metadata"]
        self.inputs = inputs
        self.outputs: Any = None
        self.error: BaseException | None = None
        self.status = "running"
        self.start_time = _clock().time()
        self.end_time: float | None = None

    @property
    def id(self) -> Any:
        """A UUID: the one that the caller gave, or one of its own, made when somebody asks."""
        if self._id is None:
            self._id = _maker()()
        return self._id

    @property
    def tags(self) -> list[str]:
        """What it is labelled with: its place in its parent first, such as ``seq:step:1`` or ``map:key:context``.

        What the node itself is labelled with, which none below it inherits, comes last.
        """
        return list(dict.fromkeys((*self._tags, *self._labels()[0])))

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of the node, of the call, and of those around it."""
        return {**self._labels()[1], **self._metadata}

    def _labels(self) -> tuple[Iterable[str], Mapping[str, Any]]:
        return getattr(self.node, "_labels", _NO_LABELS)

    @property
    def run_type(self) -> str:
        """The kind by its known name in logs and handlers, where a chat model is an ``llm``."""
        return "llm" if self.kind == "chat_model" else self.kind

    @property
    def parent_id(self) -> Any:
        """The id of the run in which this one was called, or None."""
        return None if self.parent is None else self.parent.id

    @property
    def parent_ids(self) -> list[Any]:
        """The ids of all runs around this one, the outermost first."""
        found: list[Any] = []
        run = self.parent
        while run is not None:
            found.append(run.id)
            run = run.parent
        return found[::-1]

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self.kind}, {self.status})"


@cache
def _maker() -> Callable[[], Any]:
    from uuid import uuid4  # only a run that somebody asks for its id needs one

    return uuid4


class Watch:
    """The one place where a run starts and ends: a context manager, sync or async, around the work of a node.

    A run begins when it is entered. One whose input is UNKNOWN, because it streams in, begins with the first chunk of
    it, or with what it gives or calls before that, so that parents begin before children and steps in their order.
    """

    __slots__ = ("begun", "chunks", "inputs", "lock", "run", "scope", "starved")

    def __init__(self, node: Any, inputs: Any, scope: Scope) -> None:
        known = inputs is not UNKNOWN
        self.run = Run(node.get_name(), node._kind, inputs if known else None, scope, node)
        self.lock = None if known else Lock()
        if not known:
            self.run.watch = self
        self.scope = scope.within_run(self.run)
        self.begun = False
        self.starved = False  # whether it was the input that failed
        self.inputs: list[Any] = []
        self.chunks: list[Any] = []

    # ------------------------------------------------------------------------------------------------------- beginning

    def __enter__(self) -> Self:
        if self.lock is None:
            try:
                self._begin()
            except BaseException as error:
                self.__exit__(type(error), error, None)
                raise
        return self

    async def __aenter__(self) -> Self:
        if self.lock is None:
            try:
                await self._abegin()
            except BaseException as error:
                await self.__aexit__(type(error), error, None)
                raise
        return self

    def begin(self) -> None:
        """Begin now, if it has not; from whatever thread gets here first."""
        if self.lock is not None and self.run.watch is not None:
            with self.lock:
                if not self.begun:
                    self._begin()

    async def abegin(self) -> None:  # twin: the tasks of a loop come one after the other
        """Begin now, if it has not."""
        if self.run.watch is not None:
            await self._abegin()

    def _begin(self) -> None:
        parent = self.run.parent
        if parent is not None and parent.watch is not None:
            parent.watch.begin()
        self._set_out()
        try:
            _tell(self.scope.listeners, "on_run_start", self.run)
        finally:
            self.run.watch = None

    async def _abegin(self) -> None:  # twin: whoever comes next must not begin it again while this one waits
        parent = self.run.parent
        if parent is not None and parent.watch is not None:
            await parent.watch.abegin()
        self._set_out()
        self.run.watch = None
        await _atell(self.scope.listeners, "on_run_start", self.run)

    def _set_out(self) -> None:
        self.begun = True
        if self.lock is not None:
            self.run.start_time = _clock().time()

    # ---------------------------------------------------------------------------------------------------------- working

    def gathered(self) -> None:
        """The whole input is there, before anything was done with it."""
        if not self.begun and self.inputs:
            self.run.inputs = _total(self.inputs)
            self.inputs = []

    def takes(self, chunk: Any) -> None:
        """Note one chunk of the input."""
        _note(self.inputs, chunk)

    def seen(self) -> Any:
        """What is known of the input."""
        return _total(self.inputs) if self.inputs else self.run.inputs

    def end(self, outputs: Any) -> Any:
        """Note the value of a run that gives one value."""
        self.run.outputs = outputs
        return outputs

    def chunk(self, chunk: Any) -> Waiting | None:
        """Note one chunk of a run that streams, and has begun; their sum becomes the output. What is to be waited for."""
        _note(self.chunks, chunk)
        return _told(self.scope.listeners, "on_run_chunk", (self.run, chunk))

    def settle(self, waiting: Waiting) -> None:
        """Wait for what a chunk has brought about."""
        _settle(waiting, "on_run_chunk", calm=False)

    async def asettle(self, waiting: Waiting) -> None:
        """Wait for what a chunk has brought about."""
        await _asettle(waiting, "on_run_chunk", calm=False)

    # ----------------------------------------------------------------------------------------------------------- ending

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        status = "success" if error is None else _status(error)
        if not self.begun:
            if self.starved or status == "cancelled":
                return  # it never got to do anything
            self.begin()
        self._finish(status, error)
        _tell(self.scope.listeners, "on_run_end", self.run, calm=error is not None)

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        status = "success" if error is None else _status(error)
        if not self.begun:
            if self.starved or status == "cancelled":
                return  # it never got to do anything
            await self.abegin()
        self._finish(status, error)
        await _atell(self.scope.listeners, "on_run_end", self.run, calm=error is not None)

    def _finish(self, status: Any, error: BaseException | None) -> None:
        run = self.run
        if self.inputs:
            run.inputs = _total(self.inputs)
        if self.chunks:
            run.outputs = _total(self.chunks)
        run.error = error
        run.status = status
        run.end_time = _clock().time()


def _tell(listeners: Iterable[RunListener], event: str, *facts: Any, calm: bool = False) -> None:
    waiting = _told(listeners, event, facts, calm=calm)
    if waiting is not None:
        _settle(waiting, event, calm=calm)


async def _atell(listeners: Iterable[RunListener], event: str, *facts: Any, calm: bool = False) -> None:
    waiting = _told(listeners, event, facts, calm=calm)
    if waiting is not None:
        await _asettle(waiting, event, calm=calm)


def _told(
    listeners: Iterable[RunListener], event: str, facts: tuple[Any, ...], *, calm: bool = False
) -> Waiting | None:
    """Tell all, even if one fails; None when there is nothing to wait for."""
    waiting: Waiting | None = None
    for listener in listeners:
        try:
            waits = getattr(listener, event)(*facts)
            if waits is not None:
                waiting = [*(waiting or ()), (listener, waits)]
        except Exception as error:
            fault = _fault(listener, event, error, calm=calm)
            if fault is not None:
                waiting = [*(waiting or ()), (None, fault)]
    return waiting


def _settle(waiting: Waiting, event: str, *, calm: bool) -> None:
    """Wait for all; then raise the first that one of them has raised to end the run, unless ``calm``."""
    failure: Exception | None = None
    for listener, waits in waiting:
        try:
            if listener is not None:
                _wait_for(waits)
            else:
                failure = failure or waits
        except Exception as error:
            failure = failure or _fault(cast(RunListener, listener), event, error, calm=calm)
    try:
        if failure is not None:
            raise failure
    finally:
        failure = None  # the traceback holds this frame


async def _asettle(
    waiting: Waiting, event: str, *, calm: bool
) -> None:  # twin: a task can await what a thread waits for
    """Wait for all; then raise the first that one of them has raised to end the run, unless ``calm``."""
    failure: Exception | None = None
    for listener, waits in waiting:
        try:
            if listener is not None:
                await waits
            else:
                failure = failure or waits
        except Exception as error:
            failure = failure or _fault(cast(RunListener, listener), event, error, calm=calm)
    try:
        if failure is not None:
            raise failure
    finally:
        failure = None  # the traceback holds this frame


def _wait_for(waits: Any) -> None:
    if hasattr(waits, "wait"):
        waits.wait()
    else:
        run_to_end(waits)


def dispatch(scope: Scope | None, name: str, data: Any) -> None:
    """Tell those who listen to the run of ``scope`` of something that happened in it."""
    if scope is not None and scope.listeners and scope.run is not None:
        if scope.run.watch is not None:
            scope.run.watch.begin()
        _tell(scope.listeners, "on_run_event", scope.run, name, data)


async def adispatch(scope: Scope | None, name: str, data: Any) -> None:
    """Tell those who listen to the run of ``scope`` of something that happened in it."""
    if scope is not None and scope.listeners and scope.run is not None:
        if scope.run.watch is not None:
            await scope.run.watch.abegin()
        await _atell(scope.listeners, "on_run_event", scope.run, name, data)


def _note(chunks: list[Any], chunk: Any) -> None:
    if type(chunk) in SNAPSHOTS and chunks and type(chunks[-1]) is type(chunk):
        chunks[-1] = chunk  # it takes the place of the one before
    else:
        chunks.append(chunk)


def _total(chunks: list[Any]) -> Any:
    try:
        return merge_all(chunks)
    except EmptyStreamError:  # the last of them takes back the others
        return None
    except Exception:  # chunks that cannot be added are nobody's fault who watches
        return chunks


def _status(error: BaseException) -> Literal["error", "cancelled"]:
    failed = isinstance(error, Exception | KeyboardInterrupt | SystemExit)
    return "error" if failed else "cancelled"  # GeneratorExit and CancelledError are somebody's wish, not a fault


def _fault(listener: RunListener, event: str, error: Exception, *, calm: bool) -> Exception | None:
    """The error, if it ends the run; otherwise it is logged, with its traceback for each listener once."""
    import logging  # a listener that fails is rare

    if getattr(listener, "raise_error", False) and not calm:
        return error
    culprit = getattr(listener, "handler", listener)
    known = getattr(culprit, "_plait_failed", False)
    with suppress(Exception):  # one that cannot be marked is logged each time
        object.__setattr__(culprit, "_plait_failed", True)
    log = logging.getLogger("plait")
    log.log(logging.DEBUG if known else logging.ERROR, "%s of %s failed", event, type(culprit).__name__, exc_info=error)
    return None

"""The run log: what happens in a chain, as JSON Patch operations that build up its ``RunState``, in linear time.

The state is
``{"id", "streamed_output": [...], "final_output", "logs": {name: entry}}``. Steps of one name are ``Name``, ``Name:2``,
``Name:3``, in the order in which they start. Each operation holds copies: nothing of it is shared with the chain.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from pprint import pformat
from threading import Lock
from typing import Any, Final, NotRequired, Self, TypeAlias, TypedDict, cast

from plait.redaction import beginning
from plait.runs import Run, RunListener
from plait.watching.feed import Feed
from plait.watching.filters import RunFilter
from plait.watching.patches import Document, Operation, escape
from plait.watching.values import Copies, detached, snapshot

__all__ = ["LogEntry", "LogListener", "RunLog", "RunLogPatch", "RunState", "log_stream"]

_ERROR_LENGTH: Final = 500  # characters of a message


class LogEntry(TypedDict):
    """What is told of one step, from its start on; times are ISO 8601, in UTC."""

    id: str
    name: str
    type: str
    """The kind of step: ``chain``, ``prompt``, ``llm`` (chat models, too), ``parser``, ``retriever``, ``tool``, …"""
    tags: list[str]
    metadata: dict[str, Any]
    start_time: str
    streamed_output_str: list[str]
    """The texts of the tokens of a model."""
    final_output: Any
    """None until the step has succeeded.

    A dict: of a retriever ``{"documents"}``, of a model its ``LLMResult``, of any other step its output, or, if that is
    no dict, ``{"output"}``. Of a prompt it is the prompt value itself.
    """
    end_time: str | None
    """None until the step has ended, in whatever way."""
    streamed_output: NotRequired[list[Any]]
    """The chunks of a step that gives several, from the first on; those of a value that grows share what is complete."""
    error: NotRequired[dict[str, str]]
    """Of a step that failed: the ``type`` of the exception, and its ``message``, bounded, without secrets."""


class RunState(TypedDict):
    """What is told of a chain and its steps."""

    id: str
    streamed_output: list[Any]
    final_output: Any
    """The sum of ``streamed_output``; None until the chain has succeeded."""
    logs: dict[str, LogEntry]


# ------------------------------------------------------------------------------------------------- patches and their sum


class RunLogPatch:
    """Some JSON Patch operations (RFC 6902); ``+`` gives the ``RunLog`` that two of them amount to."""

    __slots__ = ("_ops",)

    def __init__(self, *ops: Operation) -> None:
        self._ops: list[Operation] | None = list(ops)

    @property
    def ops(self) -> list[Operation]:
        """The operations, as dicts; they are yours."""
        return cast("list[Operation]", self._ops)

    def __add__(self, other: RunLogPatch) -> RunLog:
        if not isinstance(cast(Any, other), RunLogPatch):
            return NotImplemented
        return RunLog(*self.ops, *other.ops)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.ops == cast(Self, other).ops

    # Its operations may change.
    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({pformat(self.ops)[1:-1]})"


class RunLog(RunLogPatch):
    """All operations so far and the ``state`` that they amount to, which is made when it is asked for.

    ``log + patch`` takes time in the size of the patch, whatever the size of the log.
    """

    __slots__ = ("_journal", "_length", "_state")

    def __init__(self, *ops: Operation, state: RunState | None = None) -> None:
        base = (0, None) if state is None else (len(ops), detached(state))
        self._begin(_Journal(detached(list(ops)), base), len(ops))

    def _begin(self, journal: _Journal, length: int) -> None:
        self._journal = journal
        self._length = length
        self._ops = None
        self._state: Any = None

    @property
    def ops(self) -> list[Operation]:
        """Copies of the operations; they are yours."""
        if self._ops is None:
            self._ops = self._journal.copied(self._length)
        return self._ops

    @property
    def state(self) -> RunState:
        """What the operations amount to; it is yours. To make it takes time in its size."""
        if self._state is None:
            self._state = self._journal.state(self._length)
        return cast(RunState, self._state)

    def __add__(self, other: RunLogPatch) -> RunLog:
        if not isinstance(cast(Any, other), RunLogPatch):
            return NotImplemented
        return self._with(other.ops)

    def _with(self, ops: list[Operation]) -> RunLog:
        return self.grown(self._journal.copies.of(ops))

    def grown(self, ops: Iterable[Operation]) -> RunLog:
        """The log with these operations, which from now on are its own."""
        log = RunLog.__new__(RunLog)
        log._begin(*self._journal.grown(self._length, ops))
        return log

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.state == cast(RunLog, other).state and self.ops == cast(RunLog, other).ops

    __hash__ = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({pformat(self.state)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _with_state, (self.ops, self.state)


def _with_state(ops: list[Operation], state: RunState) -> RunLog:
    return RunLog(*ops, state=state)


class _Journal:
    """The operations of logs of which each goes on where another ends; what is in it is never changed or given away."""

    __slots__ = ("_applied", "_base", "_document", "_lock", "_ops", "copies")

    def __init__(self, ops: list[Operation], base: tuple[int, Any] = (0, None)) -> None:
        self._lock = Lock()
        self.copies = Copies(keep=True)
        self._ops = ops
        self._base = base  # after how many operations there is a state, and that state
        self._rewind()

    def _rewind(self) -> None:
        self._applied, state = self._base
        self._document = Document(state)

    def grown(self, length: int, ops: Iterable[Operation]) -> tuple[_Journal, int]:
        """The journal that goes on with ``ops`` after ``length``: this one, unless it goes on with others already."""
        with self._lock:
            if length == len(self._ops):
                self._ops.extend(ops)
                return self, len(self._ops)
        other = _Journal([*self._ops[:length], *ops], self._base)
        return other, len(other._ops)

    def copied(self, length: int) -> list[Operation]:
        return cast("list[Operation]", detached(self._ops[:length]))

    def state(self, length: int) -> Any:
        with self._lock:
            if length < self._applied:  # of an older log than the one that was asked last
                self._rewind()
            while self._applied < length:
                self._document.apply(self._ops[self._applied])
                self._applied += 1
            return self._document.copy()


# --------------------------------------------------------------------------------------------- from runs to operations

_QUIET: Final = ("prompt", "retriever", "tool")
"""Kinds of which the one chunk is the output."""


class LogListener:
    """Turns what it hears of runs into operations, and puts those that belong together; the first run is the chain."""

    def __init__(
        self, put: Callable[[list[Operation]], Any], filters: RunFilter | None = None, *, with_list: bool = True
    ) -> None:
        self._put = put
        self._filters = filters or RunFilter()
        self._with_list = with_list
        self._lock = Lock()
        self._root: Run | None = None
        self._copies = Copies(keep=False)  # of what the root gives
        self._steps: dict[Run, _Step] = {}  # those that go on
        self._counts: dict[str, int] = {}
        self._keys: set[str] = set()

    def on_run_start(self, run: Run) -> Any:
        if self._is_root(run):
            return self._put([{"op": "replace", "path": "", "value": _state(run)}])
        if not self._filters.admits(run, types=(run.run_type,)):
            return None
        step = self._steps[run] = _Step(run, self._key(run.name))
        return self._put([{"op": "add", "path": step.path, "value": _entry(run)}])

    def on_run_chunk(self, run: Run, chunk: Any) -> Any:
        if run is self._root:
            return self._put(_appended("/streamed_output/-", self._copies.of(chunk))) if self._with_list else None
        step = self._steps.get(run)
        return None if step is None or step.is_quiet else self._put(step.chunk(chunk))

    def on_run_event(self, run: Run, name: str, data: Any) -> Any:
        return None

    def on_run_end(self, run: Run) -> Any:
        if run is self._root:
            ops = [{"op": "replace", "path": "/final_output", "value": snapshot(run.outputs)}]
            return self._put(ops) if run.status == "success" else None
        step = self._steps.pop(run, None)
        return None if step is None else self._put(step.end(run))

    def _is_root(self, run: Run) -> bool:
        if self._root is None:  # then nothing else has begun that could get here
            self._root = run
        return run is self._root

    def _key(self, name: str) -> str:
        """A key of its own, also beside a step that is really called ``Name:2``."""
        with self._lock:
            count = self._counts.get(name, 0) + 1
            while (key := _numbered(name, count)) in self._keys:
                count += 1
            self._counts[name] = count
            self._keys.add(key)
            return key


class _Step:
    """What there is to know of a step that goes on."""

    __slots__ = ("_begun", "_chunks", "_copies", "_is_model", "_texts", "is_quiet", "path")

    def __init__(self, run: Run, key: str) -> None:
        self.path = f"/logs/{escape(key)}"
        self._chunks = f"{self.path}/streamed_output"
        self._texts = f"{self.path}/streamed_output_str/-"
        self._copies = Copies(keep=False)
        self._begun = False
        self._is_model = run.run_type == "llm"
        self.is_quiet = not self._is_model and (run.kind in _QUIET or getattr(run.node, "_barrier", False))

    def chunk(self, chunk: Any) -> list[Operation]:
        ops = self._appended(self._copies.of(chunk))
        return [*_appended(self._texts, _text(chunk)), *ops] if self._is_model else ops

    def _appended(self, chunk: Any) -> list[Operation]:
        if self._begun:
            return _appended(self._chunks, chunk)
        self._begun = True
        ops: list[Operation] = [{"op": "add", "path": self._chunks, "value": [chunk]}]
        self._chunks += "/-"
        return ops

    def end(self, run: Run) -> list[Operation]:
        ops: list[Operation] = []
        if run.status == "success":
            ops += _appended(f"{self.path}/final_output", _final(run))
        if run.status == "error":
            ops += _appended(f"{self.path}/error", _failure(run.error))
        return ops + _appended(f"{self.path}/end_time", _moment(run.end_time))


def _numbered(name: str, count: int) -> str:
    return name if count == 1 else f"{name}:{count}"


def _appended(path: str, value: Any) -> list[Operation]:
    return [{"op": "add", "path": path, "value": value}]


def _state(run: Run) -> RunState:
    return {"id": str(run.id), "streamed_output": [], "final_output": None, "logs": {}}


def _entry(run: Run) -> LogEntry:
    return {
        "id": str(run.id),
        "name": run.name,
        "type": run.run_type,
        "tags": [*run.tags],
        "metadata": snapshot(run.metadata),
        "start_time": cast(str, _moment(run.start_time)),
        "streamed_output_str": [],
        "final_output": None,
        "end_time": None,
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _text(chunk: Any) -> str:
    """The text of a token: it is one, or has one."""
    text = chunk if isinstance(chunk, str) else getattr(chunk, "text", None)
    return text if isinstance(text, str) else ""


def _failure(error: BaseException | None) -> dict[str, str]:
    try:
        message = str(error)
    except Exception:  # it is the user's
        message = ""
    return {"type": type(error).__name__, "message": beginning(message, _ERROR_LENGTH)}


def _final(run: Run) -> Any:
    output = run.outputs
    if run.kind == "retriever":
        return {"documents": snapshot(output)}
    if run.kind == "prompt":
        return snapshot(output)
    if run.run_type == "llm" and (result := _told_result(run)) is not None:
        return result
    return snapshot(output) if isinstance(output, Mapping) else {"output": snapshot(output)}


def _told_result(run: Run) -> dict[str, Any] | None:
    try:
        return _result(run.node._told_result(run.outputs))
    except Exception:  # a node of another make, or an answer that is none
        return None


def _result(result: Any) -> dict[str, Any]:
    """A model's result as the dict that readers of logs know."""
    return {
        "generations": [[_generation(each) for each in candidates] for candidates in result.generations],
        "llm_output": snapshot(result.llm_output),
        "run": None,
        "type": "LLMResult",
    }


def _generation(generation: Any) -> dict[str, Any]:
    known = {"generation_info": snapshot(generation.generation_info), "text": generation.text, "type": generation.type}
    return {**known, "message": snapshot(generation.message)} if hasattr(generation, "message") else known


# ------------------------------------------------------------------------------------------------------------- the stream

_Open: TypeAlias = Callable[[RunListener], AsyncIterator[Any]]


async def log_stream(
    open: _Open, *, diff: bool = True, with_streamed_output_list: bool = True, filters: RunFilter | None = None
) -> AsyncGenerator[RunLogPatch, None]:
    """The log of the chain that ``open`` starts, with a listener: patches as they come, or without ``diff`` the sums.

    The chain is at most ``plait.watching.feed.AHEAD`` patches ahead of the consumer. It is ended, and waited for, when
    the stream is closed; what it raises is raised here, after all that was told before.
    """
    feed = Feed()
    listener = LogListener(feed.put, filters, with_list=with_streamed_output_list)
    log = RunLog()
    feed.start(partial(open, listener))
    try:
        while feed.items or await feed.more():
            ops = feed.take()
            if diff:
                yield RunLogPatch(*ops)
            else:
                log = log.grown(ops)
                yield log
    finally:
        await feed.aclose()

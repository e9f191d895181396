"""The event stream: what happens in a chain as dicts, one for each start, chunk and end, of the form known as "v2"."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from typing import Any, Final, NotRequired, TypeAlias, TypedDict, cast

from plait.errors import ConfigError
from plait.redaction import glimpse
from plait.runs import Run, RunListener
from plait.watching.feed import Feed
from plait.watching.filters import RunFilter
from plait.watching.values import Copies, detached

__all__ = ["CustomStreamEvent", "EventData", "EventListener", "StandardStreamEvent", "StreamEvent", "event_stream"]


class EventData(TypedDict):
    """What there is to tell; copies, which share nothing with the chain that can be copied."""

    input: NotRequired[Any]
    """As far as it is known: a run whose input streams in has it at its end.

    Of a chat model in a chain ``{"messages": [[…]]}``, of a text model ``{"prompts": […]}``, of a retriever
    ``{"query": …}``; of the chain itself what it was given.
    """
    chunk: NotRequired[Any]
    """Of a value that grows the whole so far, as a snapshot; those that follow each other share what is complete."""
    output: NotRequired[Any]
    """Of a cancelled run what it had produced."""
    error: NotRequired[BaseException]
    """The exception itself."""


class _Event(TypedDict):
    event: str
    name: str
    run_id: str
    parent_ids: list[str]
    """The runs around this one, the outermost first."""
    tags: list[str]
    metadata: dict[str, Any]


class StandardStreamEvent(_Event):
    """``event`` is ``on_<kind>_<start|stream|end|error|cancelled>``, the ``name`` that of the run."""

    data: EventData


class CustomStreamEvent(_Event):
    """``event`` is ``on_custom_event``; ``name`` and ``data`` are those that were dispatched, the rest tells the run."""

    data: Any


StreamEvent: TypeAlias = StandardStreamEvent | CustomStreamEvent
_Open: TypeAlias = Callable[[RunListener], AsyncIterator[Any]]

_QUIET: Final = ("prompt", "retriever", "tool")
"""Kinds of which the one chunk is the output."""


class EventListener:
    """Turns what it hears of runs into events, and puts them; the first run is the chain."""

    def __init__(self, put: Callable[[StreamEvent], Any], filters: RunFilter | None = None) -> None:
        self._put = put
        self._filters = filters or RunFilter()
        self._root: Run | None = None
        self._steps: dict[Run, _Step] = {}  # those that go on

    def on_run_start(self, run: Run) -> Any:
        if self._root is None:  # then nothing else has begun that could get here
            self._root = run
        if not self._filters.admits(run):
            return None
        step = self._steps[run] = _Step(run, is_root=run is self._root)
        return self._put(step.event("start", step.input(run)))

    def on_run_chunk(self, run: Run, chunk: Any) -> Any:
        step = self._steps.get(run)
        if step is None or step.is_quiet:
            return None
        return self._put(step.event("stream", {"chunk": step.copies.of(chunk)}))

    def on_run_event(self, run: Run, name: str, data: Any) -> Any:
        if not self._filters.admits(run, names=(name,)):
            return None
        step = self._steps.get(run) or _Step(run, is_root=False)
        event: CustomStreamEvent = {**step.facts(), "event": "on_custom_event", "name": name, "data": detached(data)}
        return self._put(event)

    def on_run_end(self, run: Run) -> Any:
        step = self._steps.pop(run, None)
        if step is None:
            return None
        stage, data = _END[run.status](run)
        return self._put(step.event(stage, {**data, **step.input(run)}))


def _succeeded(run: Run) -> tuple[str, EventData]:
    return "end", {"output": detached(run.outputs)}


def _failed(run: Run) -> tuple[str, EventData]:
    return "error", {"error": cast(BaseException, run.error)}


def _was_cancelled(run: Run) -> tuple[str, EventData]:
    return "cancelled", {} if run.outputs is None else {"output": detached(run.outputs)}


_END: Final = {"success": _succeeded, "error": _failed, "cancelled": _was_cancelled}


class _Step:
    """What there is to know of a run that goes on; each event gets copies of its own."""

    __slots__ = ("_event", "_is_root", "_metadata", "_name", "_parents", "_run_id", "_tags", "copies", "is_quiet")

    def __init__(self, run: Run, *, is_root: bool) -> None:
        self._is_root = is_root
        self.copies = Copies(keep=True)  # of its chunks
        self._event = f"on_{run.kind}_"
        self._name = run.name
        self._run_id = str(run.id)
        self._parents = [*map(str, run.parent_ids)]
        self._tags = [*run.tags]
        self._metadata: dict[str, Any] = detached(run.metadata)
        # a chain's one chunk is told: it is what people show while it streams on into the next step
        self.is_quiet = run.kind in _QUIET or (run.kind != "chain" and getattr(run.node, "_barrier", False))

    def facts(self) -> _Event:
        return {
            "event": self._event,
            "name": self._name,
            "run_id": self._run_id,
            "parent_ids": self._parents.copy(),
            "tags": self._tags.copy(),
            "metadata": detached(self._metadata),
        }

    def event(self, stage: str, data: EventData) -> StandardStreamEvent:
        return {**self.facts(), "event": self._event + stage, "data": data}

    def input(self, run: Run) -> EventData:
        """The input, in the form in which a run of that kind takes it, as far as it is known."""
        if run.inputs is None:
            return {}
        return {"input": detached(run.inputs if self._is_root else _shaped(run))}


def _shaped(run: Run) -> Any:
    if run.kind == "retriever":
        return {"query": run.inputs}
    if run.run_type != "llm":
        return run.inputs
    try:
        told: Any = run.node._told_input(run.inputs)
    except Exception:  # a node of another make, or an input that no model can read
        return run.inputs
    if run.kind == "chat_model":
        return {"messages": [told]}
    return {"prompts": [told] if isinstance(told, str) else told}


def event_stream(
    open: _Open, *, version: str = "v2", filters: RunFilter | None = None
) -> AsyncGenerator[StreamEvent, None]:
    """The events of the chain that ``open`` starts, with a listener; raises ``ConfigError`` for any other version.

    The chain is at most ``plait.watching.feed.AHEAD`` events ahead of the consumer. It is ended, and waited for, when
    the stream is closed; what it raises is raised here, after all that was told before.
    """
    if version != "v2":
        raise ConfigError(
            f"astream_events gives events of version 'v2', but version={glimpse(version, 40)} was asked for; "
            "leave the argument out, and read the fields of 'v2'"
        )
    return _events(open, filters)


async def _events(open: _Open, filters: RunFilter | None) -> AsyncGenerator[StreamEvent, None]:
    feed = Feed()
    feed.start(partial(open, EventListener(feed.put, filters)))
    try:
        while feed.items or await feed.more():
            yield feed.take()
    finally:
        await feed.aclose()

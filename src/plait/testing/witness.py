"""What can be seen of a call from outside: its runs, what it leaves behind, what blocks its loop, what it calls inside.

Nothing here asks the clock: a generator is open or closed, a task is done or not, a function was called or was not.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from math import inf
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any, Final, NamedTuple, Self, TypeGuard, TypeVar, cast
from weakref import ref

from plait.merging import Restarted
from plait.runnables import Runnable
from plait.runnables.config import enter
from plait.runs import Run, Scope

__all__ = ["Event", "InsideCall", "Leftovers", "Recorder", "Spy", "faults_of_runs"]

T = TypeVar("T")


# ---------------------------------------------------------------------------------------------------------------- runs


class Event(NamedTuple):
    """Something that a listener heard."""

    what: str
    run: Run
    chunk: Any = None


class Recorder:
    """A listener that keeps what it hears, and how many runs of the outermost level were open at once."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.most_open = 0
        self._open = 0
        self._lock = threading.Lock()

    def on_run_start(self, run: Run) -> None:
        self._note(Event("start", run), 1)

    def on_run_chunk(self, run: Run, chunk: Any) -> None:
        self._note(Event("chunk", run, chunk), 0)

    def on_run_event(self, run: Run, name: str, data: Any) -> None:
        """What a step tells of itself is its own affair."""

    def on_run_end(self, run: Run) -> None:
        self._note(Event("end", run), -1)

    def _note(self, event: Event, change: int) -> None:
        with self._lock:
            self.events.append(event)
            if event.run.parent is None:
                self._open += change
                self.most_open = max(self.most_open, self._open)

    def runs(self) -> list[Run]:
        """Every run that started, in order."""
        return list({id(event.run): event.run for event in self.events}.values())

    def roots(self) -> list[Run]:
        """The runs of the outermost level, in the order of their starts."""
        return [run for run in self.runs() if run.parent is None]

    def names(self) -> Counter[str]:
        """How often something of each name was run, and not given up because a step before it began anew."""
        return Counter(f"{run.name} ({run.kind})" for run in self.runs() if not _given_up(run))


def _given_up(run: Run | None) -> bool:
    while run is not None:
        if isinstance(run.error, Restarted):
            return True
        run = run.parent
    return False


def faults_of_runs(events: list[Event]) -> Iterator[tuple[str, str]]:
    """What was expected and what came, for each run that does not start once, end once and lie within its parent."""
    by_run: dict[int, list[int]] = {}
    for place, event in enumerate(events):
        by_run.setdefault(id(event.run), []).append(place)
    for places in by_run.values():
        run = events[places[0]].run
        story = [events[place].what for place in places]
        if story[0] != "start" or story[-1] != "end" or {*story[1:-1]} - {"chunk"}:
            yield f"the run of {run.name} starts once, then gives its chunks, then ends once", _told(story)
        around = by_run.get(id(run.parent))
        if run.parent is not None and around is not None and not around[0] < places[0] <= places[-1] < around[-1]:
            yield (
                f"the run of {run.name} lies within that of {run.parent.name}, which called it",
                "it started before that one, or ended after it",
            )
    yield from _twins(events)


def _told(story: list[str]) -> str:
    counts = Counter(story)
    return (
        f"{counts['start']} starts, {counts['chunk']} chunks, {counts['end']} ends, first {story[0]}, last {story[-1]}"
    )


def _twins(events: list[Event]) -> Iterator[tuple[str, str]]:
    ids = Counter(event.run.id for event in events if event.what == "start")
    for number in [number for number, times in ids.items() if times > 1]:
        yield "each run has an id of its own", f"{ids[number]} starts of the id {number}"


# ----------------------------------------------------------------------------------------------------------- leftovers


class Leftovers:
    """A context manager that finds out what the code in it leaves behind; ``found`` says it in a line each.

    Threads that are still there, generators that are suspended, coroutines that nobody awaited, resources that were not
    closed; and for a coroutine that ``run`` is given: tasks, async generators, and errors that its loop could only log.
    A thread may need ``patience`` seconds to end, if it was told to; only one that stays costs that time.
    """

    found: list[str]

    def __init__(self, patience: float = 1.0) -> None:
        self.patience = patience

    def __enter__(self) -> Self:
        self.found = []
        self._threads = set(threading.enumerate())
        self._catching = warnings.catch_warnings(record=True)
        self._warned = self._catching.__enter__()
        warnings.simplefilter("always")
        self._collecting = gc.isenabled()
        gc.collect(0)  # from here to the end all that is new is young
        gc.disable()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.found += [f"the generator {_place(generator.gi_code)} was left open" for generator in _suspended()]
        gc.collect(0)  # makes coroutines in a cycle speak
        if self._collecting:
            gc.enable()
        self._catching.__exit__(kind, error, trace)
        self.found += [f"the thread {thread.name!r} goes on" for thread in self._new_threads()]
        for warning in self._warned or ():
            self._judge(warning)

    def _new_threads(self) -> Iterator[threading.Thread]:
        for thread in set(threading.enumerate()) - self._threads:
            if thread.name != "plait":  # of the pool, which keeps its threads for the next call
                thread.join(self.patience)
                if thread.is_alive():
                    self.patience = 0
                    yield thread

    def _judge(self, warning: warnings.WarningMessage) -> None:
        text = str(warning.message)
        if issubclass(warning.category, ResourceWarning) or "never awaited" in text:
            self.found.append(text.splitlines()[0])
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)

    def run(self, call: Coroutine[Any, Any, T], *, debug: bool) -> T:
        """What the coroutine gives, in a loop of its own; in debug mode that refuses to be used by other threads."""
        with asyncio.Runner(debug=debug) as runner:
            loop = runner.get_loop()
            loop.slow_callback_duration = inf  # no warnings of what takes long: a profile function does
            loop.set_exception_handler(self._on_loop_error)
            return runner.run(self._watched(call))

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
        error = facts.get("exception")
        self.found.append(f"the event loop says: {facts['message']}" + (f" ({error!r})" if error else ""))

    async def _watched(self, call: Coroutine[Any, Any, T]) -> T:
        with self._async_generators():
            before = asyncio.all_tasks()
            result = await call
            left = [task.get_coro() for task in asyncio.all_tasks() - before]
            self.found += [
                f"the task {coroutine.__qualname__!r} goes on" for coroutine in left if _is_coroutine(coroutine)
            ]
        return result

    @contextmanager
    def _async_generators(self) -> Generator[None]:
        started: list[ref[AsyncGeneratorType[Any, Any]]] = []
        hooks = sys.get_asyncgen_hooks()

        def first(generator: AsyncGeneratorType[Any, Any]) -> None:
            started.append(ref(generator))
            _call(hooks.firstiter, generator)

        def final(generator: AsyncGeneratorType[Any, Any]) -> None:
            self.found.append(f"the async generator {_place(generator.ag_code)} was left to the garbage collector")
            _call(hooks.finalizer, generator)

        sys.set_asyncgen_hooks(cast(Any, first), cast(Any, final))
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*hooks)
            alive = [generator for known in started if (generator := known()) is not None]
            open_ones = [each for each in alive if each.ag_frame is not None and each.ag_code.co_name != _OF_THE_LOOP]
            self.found += [f"the async generator {_place(generator.ag_code)} was left open" for generator in open_ones]


_OF_THE_LOOP = "_keep_until_the_end"
"""The generator by which a provider's connections hear that a loop ends: the loop's own, which closes it then."""


def _call(hook: Callable[[Any], Any] | None, generator: AsyncGeneratorType[Any, Any]) -> None:
    if hook is not None:
        hook(generator)


def _suspended() -> list[GeneratorType[Any, Any, Any]]:
    young = gc.get_objects(generation=0)
    return [thing for thing in young if type(thing) is GeneratorType and thing.gi_suspended]


def _place(code: CodeType) -> str:
    return f"{code.co_qualname!r} (line {code.co_firstlineno})"


def _is_coroutine(work: Any) -> TypeGuard[CoroutineType[Any, Any, Any]]:
    """Not so is what a loop itself starts to close an async generator that was left to the garbage collector."""
    return isinstance(work, CoroutineType)


# ------------------------------------------------------------------------------------------------------------ profiling


class InsideCall(NamedTuple):
    """A verb of another runnable that was called inside the one that is watched, and the config in force for it."""

    runnable: Runnable[Any, Any]
    verb: str
    scope: Scope | None


class Spy:
    """A context manager that sees what this thread calls: verbs of runnables but ``watched``, and what blocks.

    A profile function hears of every call in its thread, and leaves the called code as it is. What runs in other
    threads is not seen. On an event loop whatever is found in ``blocking`` stops every other task. With nothing to
    watch it looks at nothing.
    """

    def __init__(self, watched: Runnable[Any, Any] | None) -> None:
        self.watched = watched
        self.inside: list[InsideCall] = []
        self.blocking: list[str] = []

    def __enter__(self) -> Self:
        self._before = sys.getprofile()
        self._looks = self.watched is not None and (self._before is None or callable(self._before))
        if self._looks:  # a profiler written in C could not be put back
            sys.setprofile(self._profile)
        return self

    def __exit__(self, *error: object) -> None:
        if self._looks:
            sys.setprofile(self._before)

    def _profile(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and _blocks(called):
            self.blocking.append(f"{called.__qualname__}() in {_place(frame.f_code)}")
        elif event == "call":
            self._on_call(frame)

    def _on_call(self, frame: FrameType) -> None:
        code = frame.f_code
        if code in _WAITS and not _starts_a_thread(frame) and not _hands_over_to_a_thread(frame):
            self.blocking.append(f"{code.co_qualname}() in {_place(_caller(frame).f_code)}")
        elif code.co_name in _VERBS and frame.f_lineno == code.co_firstlineno:  # and not where it is resumed
            self._on_verb(code, frame.f_locals)

    def _on_verb(self, code: CodeType, given: dict[str, Any]) -> None:
        runnable = given.get(code.co_varnames[0]) if code.co_argcount else None
        if isinstance(runnable, Runnable) and runnable is not self.watched and "config" in given:
            self.inside.append(
                InsideCall(cast("Runnable[Any, Any]", runnable), code.co_name, _entered(given["config"]))
            )


def _entered(config: Any) -> Scope | None:
    try:
        return enter(config)
    except Exception:  # the call itself will say so
        return None


_VERBS: Final = frozenset({"invoke", "ainvoke", "stream", "astream", "transform", "atransform"})
_PROCESS: Any = subprocess.Popen  # of a process that speaks bytes or text
_WAITS: Final[frozenset[CodeType]] = frozenset(
    wait.__code__ for wait in (threading.Condition.wait, threading.Thread.join, _PROCESS.wait, _PROCESS.communicate)
)
_ON_A_SOCKET: Final = frozenset({"accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendall", "sendto"})


def _blocks(called: Any) -> bool:
    if called is time.sleep or called is input:
        return True
    owner = getattr(called, "__self__", None)
    return isinstance(owner, socket.socket) and called.__name__ in _ON_A_SOCKET and owner.gettimeout() != 0


def _starts_a_thread(frame: FrameType) -> bool:
    """Whether this is the moment that ``Thread.start`` waits for the thread to be there."""
    return _caller(_caller(frame)).f_code is threading.Thread.start.__code__


def _hands_over_to_a_thread(frame: FrameType) -> bool:
    """Whether this is the moment, of no length, that an executor asks whether a thread of it is idle."""
    return _caller(_caller(frame)).f_code.co_name == "_adjust_thread_count"


def _caller(frame: FrameType) -> FrameType:
    return frame.f_back or frame

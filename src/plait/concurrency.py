"""What differs by colour: doing several things at once, in threads or in tasks, under one bound, leaving nothing behind.

Everything comes in pairs that agree on meaning (``gather``/``agather``, ``as_completed``/``aas_completed``,
``fan_in``/``afan_in``, ``tee``/``atee``), so that the nodes above are twins. The bodies differ, since threads wait and
tasks are awaited; the rules are the same:

- A *strand* is a thread or task that runs steps. The caller of a verb is the first. ``Permits`` count how many may run
  at once in the whole call. A fan-out takes those that are free for further strands, and does the rest itself. A
  strand that only waits for others gives its permit back for that long (``resting``): so a holder always runs, no
  nesting can deadlock, a limit of k means at most k leaf calls at once, and 1 means in sequence.
- Strands pull their work from one shared iterator; there is no future and no thread per item.
- The first failure stops the pulling; tasks are cancelled, threads are told to stop where they wait (``plait.stopping``)
  and otherwise finish what they hold. Whatever was started has ended when the call returns, raises or is closed. The
  first exception is raised as it is, never in a group.
- Each strand runs in its own copy of the caller's context.

Threads are kept for the next call in one pool, made at first use; it holds no object of a call once that has ended.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import Context, copy_context
from copy import copy
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from plait.clocks import MACHINE, Clock, clock
from plait.merging import Restarted
from plait.notes import note_of, trim
from plait.stopping import Stop, Stopped, check_stopped, stopping

if TYPE_CHECKING:
    import asyncio

__all__ = [
    "DEFAULT_CONCURRENCY",
    "Permits",
    "aas_completed",
    "aclose_all",
    "acollect",
    "afan_in",
    "agather",
    "ahop",
    "aiter_in_thread",
    "aonce",
    "as_completed",
    "atee",
    "atransform_in_thread",
    "close_all",
    "fan_in",
    "gather",
    "hop",
    "in_thread",
    "once",
    "run_to_end",
    "tee",
    "waits_for_others",
]

T = TypeVar("T")
R = TypeVar("R")

DEFAULT_CONCURRENCY: Final = 16
"""Items of a batch that run at once when nothing else is said: the same for threads and tasks on every machine."""

_MAX_THREADS: Final = 64
_IDLE_SECONDS: Final = 10.0
_END: Final[Any] = object()


class Permits:
    """How many strands of a call may run at once, under those of the call around it; the caller's holds one already."""

    __slots__ = ("_clock", "_free", "_lock", "_parent", "_waiting")

    def __init__(self, limit: int, parent: Permits | None = None) -> None:
        self._clock = clock.get()
        self._free = limit - 1
        self._lock = threading.Lock()
        self._parent = parent
        self._waiting: deque[Callable[[], bool]] = deque()

    def take(self) -> bool:
        """Take one if it is free."""
        with self._lock:
            if self._free < 1:
                return False
            self._free -= 1
        if self._parent is not None and not self._parent.take():
            self._give_own()
            return False
        return True

    def give(self) -> None:
        self._give_own()
        if self._parent is not None:
            self._parent.give()

    def seize(self) -> None:
        """Take one that may not be free: for a strand that was interrupted while it waited."""
        with self._lock:
            self._free -= 1
        if self._parent is not None:
            self._parent.seize()

    def pause(self) -> None:
        """Let somebody who waits go first."""
        if self._waiting or (self._parent is not None and self._parent._waiting):
            self.give()
            self.regain()

    async def apause(self) -> None:
        """Let somebody who waits go first."""
        if self._waiting or (self._parent is not None and self._parent._waiting):
            self.give()
            await self.aregain()

    def regain(self) -> None:
        """Wait for one; it is held afterwards, even if the waiting is interrupted."""
        arrived = self._clock.event()

        def wake() -> bool:
            arrived.set()
            return True

        if self._enqueue(wake):
            try:
                arrived.wait()
            except BaseException:
                self._give_up(wake)
                if self._parent is not None:
                    self._parent.seize()
                raise
        if self._parent is not None:
            self._parent.regain()

    async def aregain(self) -> None:  # twin: a task waits for a future, a thread for an event
        """Wait for one; it is held afterwards, even if the waiting is cancelled."""
        import asyncio

        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[None] = loop.create_future()

        def ring() -> None:
            if not arrived.done():
                arrived.set_result(None)

        def wake() -> bool:
            try:
                loop.call_soon_threadsafe(ring)
            except RuntimeError:  # the loop was closed
                return False
            return True

        try:
            if self._enqueue(wake):
                with self._clock.idle:
                    await arrived
        except BaseException:
            self._give_up(wake)
            if self._parent is not None:
                self._parent.seize()
            raise
        if self._parent is not None:
            await self._parent.aregain()

    def _enqueue(self, wake: Callable[[], bool]) -> bool:
        """Whether one has to wait for ``wake`` to be called."""
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return False
            self._waiting.append(wake)
            return True

    def _give_up(self, wake: Callable[[], bool]) -> None:
        with self._lock:
            if wake in self._waiting:
                self._waiting.remove(wake)
                self._free -= 1

    def _give_own(self) -> None:
        with self._lock:
            self._free += 1
            while self._free > 0 and self._waiting:
                if self._waiting.popleft()():
                    self._free -= 1


def _to_rest(permits: Permits | None) -> Permits | None:
    """The permits that a thread may give back while it waits: none, if it blocks a loop whose tasks would take them."""
    events = sys.modules.get("asyncio.events")
    return permits if events is None or events._get_running_loop() is None else None


def _take(permits: Permits | None) -> bool:
    return permits is None or permits.take()


def _give(permits: Permits | None) -> None:
    if permits is not None:
        permits.give()


@contextmanager
def resting(permits: Permits | None) -> Generator[None, None, None]:
    """Without the permit of this strand while it waits for others.

    When that ends in an exception the permit is seized, since those who hold the others may have to be ended first;
    the fan-out that ends them sets that right.
    """
    if permits is None:
        yield
        return
    permits.give()
    try:
        yield
    except BaseException:
        permits.seize()
        raise
    permits.regain()


@asynccontextmanager
async def aresting(permits: Permits | None) -> AsyncGenerator[None, None]:
    """Without the permit of this strand while it waits for others.

    When that ends in an exception the permit is seized, since those who hold the others may have to be ended first;
    the fan-out that ends them sets that right.
    """
    if permits is None:
        yield
        return
    permits.give()
    try:
        yield
    except BaseException:
        permits.seize()
        raise
    await permits.aregain()


@contextmanager
def turn(lock: threading.Lock, permits: Permits | None) -> Generator[None, None, None]:
    """Holding a lock, and the permit of this strand but while it waited for the lock."""
    if permits is not None:
        permits.give()
    try:
        lock.acquire()
    except BaseException:
        if permits is not None:
            permits.seize()
        raise
    try:
        if permits is not None:
            permits.regain()
        yield
    finally:
        lock.release()


@asynccontextmanager
async def aturn(  # twin: a lock for threads tells the clock itself who waits
    lock: asyncio.Lock, permits: Permits | None
) -> AsyncGenerator[None, None]:
    """Holding a lock, and the permit of this strand but while it waited for the lock."""
    if permits is not None:
        permits.give()
    try:
        await _acquired(lock, clock.get())
    except BaseException:
        if permits is not None:
            permits.seize()
        raise
    try:
        if permits is not None:
            await permits.aregain()
        yield
    finally:
        lock.release()


async def _acquired(lock: asyncio.Lock, time: Clock) -> None:
    """Wait for a lock that another strand may have."""
    with time.idle:
        await lock.acquire()


# ---------------------------------------------------------------------------------------------------------- threads


class _Pool:
    """Threads that wait a while for the next job; at most ``size``, unless a job of the pool itself needs one more."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._reset()

    def _reset(self) -> None:
        self._wake = threading.Condition()
        self._jobs: deque[Callable[[], None]] = deque()
        self._idle = 0
        self._threads = 0
        self._inside = threading.local()

    def start(self, job: Callable[[], None], time: Clock, *, queue: bool = False, sure: bool = False) -> bool:
        """Run ``job`` in a thread; when all are busy put it in the queue, start one more to be sure, or refuse it."""
        with self._wake:
            if self._idle > len(self._jobs):
                self._jobs.append(time.job(job))
                self._wake.notify()
                return True
            sure = sure or (queue and getattr(self._inside, "job", False))  # a job that waits for another
            sure = sure or (queue and time is not MACHINE)  # while those in the queue wait, its time would stand still
            if self._threads >= self._size and not sure:
                if queue:
                    self._jobs.append(job)
                return queue
            self._threads += 1
        self._launch(time.job(job))
        return True

    def _launch(self, job: Callable[[], None]) -> None:
        threading.Thread(target=self._work, args=(job,), name="plait", daemon=True).start()

    @contextmanager
    def waits(self) -> Generator[None, None, None]:
        """A job that waits for others does not count meanwhile: they may need a thread to get to where it waits for."""
        if not getattr(self._inside, "job", False):
            yield
            return
        with self._wake:
            job = self._jobs.popleft() if len(self._jobs) > self._idle else None
            self._threads -= job is None
        if job is not None:
            self._launch(job)  # in its place
        try:
            yield
        finally:
            with self._wake:
                self._threads += 1

    def _work(self, job: Callable[[], None] | None) -> None:
        self._inside.job = True
        while job is not None:
            job()
            job = None  # what a call used must not outlive it
            job = self._next()

    def _next(self) -> Callable[[], None] | None:
        with self._wake:
            self._idle += 1
            while not self._jobs and self._wake.wait(_IDLE_SECONDS):
                pass
            self._idle -= 1
            if self._jobs:
                return self._jobs.popleft()
            self._threads -= 1
            return None


_pool: Final = _Pool(_MAX_THREADS)
waits_for_others: Final = _pool.waits
"""For whoever blocks a thread until another call has got somewhere; a fan-out of this module need not say so."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool._reset)  # pyright: ignore[reportPrivateUsage]  # threads do not survive a fork


class _Team:
    """The threads of one fan-out or fan-in, the permits that they hold, and how it ends."""

    def __init__(self, permits: Permits | None) -> None:
        self.permits = permits
        self.to_rest = _to_rest(permits)
        self.clock = clock.get()
        self.stop, self.outer = Stop(), stopping.get()
        self.context = copy_context()
        self.context.run(stopping.set, self.stop)
        self.changed = self.clock.condition()
        self.helpers = 0
        self.inside: set[int] = set()
        self.stopped = False
        self.error: BaseException | None = None
        self.ended: Stopped | None = None  # what a strand has ended with that was told to
        if self.outer is not None:
            self.outer.add(self.halt)

    def enlist(self, work: Callable[[], None]) -> bool:
        """Let one more thread do ``work``, if there is a permit and a thread."""
        if not _take(self.permits):
            return False
        with self.changed:
            self.helpers += 1
        if _pool.start(partial(self.serve, work), self.clock):
            return True
        self.leave()
        return False

    def serve(self, work: Callable[[], None]) -> None:
        self.inside.add(threading.get_ident())
        try:
            self.context.copy().run(work)  # also what pulls the items is the caller's
        finally:
            self.inside.discard(threading.get_ident())
            self.leave()

    def leave(self) -> None:
        _give(self.permits)
        with self.changed:
            self.helpers -= 1
            self.changed.notify_all()

    def fail(self, error: BaseException) -> None:
        with self.changed:
            if isinstance(error, Stopped) and self.stop.reason is not None:
                self.ended = self.ended or error  # as it was told to
            else:
                self.error = self.error or error
            self.stopped = True
            self.changed.notify_all()
        self.stop.set("another strand of this call has failed")

    def halt(self) -> None:
        """Start nothing more, and have what waits woken."""
        with self.changed:
            self.stopped = True
            self.changed.notify_all()
        self.stop.set("the call was ended")

    def join(self) -> None:
        """Wait for what runs; an interrupt is raised when that has ended."""
        if not self.helpers:
            return
        with resting(self.to_rest):
            try:
                self._wait()
            except BaseException:
                self.halt()
                self._wait()
                raise

    def end(self) -> None:
        """Start nothing more, and wait for what runs; then this strand holds a permit that was free."""
        self.stopped = True
        if self.helpers:
            self.halt()
        _give(self.to_rest)
        try:
            self._wait()
        finally:
            self.detach()
            if self.to_rest is not None:
                self.to_rest.regain()

    def _wait(self) -> None:
        with self.changed:
            self.changed.notify_all()
            # The garbage collector may end a stream on a thread of its own, which cannot wait for itself.
            while self.helpers > (threading.get_ident() in self.inside):
                self.changed.wait()

    def raise_error(self) -> None:
        try:
            if self.error is not None:
                raise self.error
        finally:
            self.error = None  # the traceback holds this object

    def check(self) -> None:
        """Raise Stopped if the work around this one is to end: then what was done here may not be all of it."""
        if self.outer is None or self.outer.reason is None:
            return
        try:
            raise self.ended or Stopped
        finally:
            self.ended = None  # the traceback holds this object

    def follow(self) -> None:
        """Heed what may end the work of the consumer now: it may be another call with every chunk that it takes."""
        outer = stopping.get()
        if outer is not self.outer:
            self.detach()
            self.outer = outer
            if outer is not None:
                outer.add(self.halt)

    def detach(self) -> None:
        if self.outer is not None:
            self.outer.remove(self.halt)

    def forget(self) -> None:
        """Let go of the call: a thread that is on its way out may hold this object a moment longer."""
        self.detach()
        if not self.helpers:  # but one that collects its own garbage is still at work
            vars(self).clear()


class _Crew(_Team):
    """An eager fan-out: threads, and the caller, do one item after the other until there are none."""

    def __init__(
        self, call: Callable[[int, Any], Any], items: Iterable[Any], width: int, permits: Permits | None
    ) -> None:
        super().__init__(permits)
        self.call = call
        self.jobs = enumerate(items)
        self.helpers_wanted = min(width, length_hint(items, width)) - 1
        self.pulling = self.clock.lock()
        self.results: dict[int, Any] = {}

    def recruit(self) -> None:
        while self.helpers < self.helpers_wanted and self.enlist(self.work):
            pass

    def work(self) -> None:
        try:
            while (job := self.pull()) is not None:
                if self.permits is not None:
                    self.recruit()  # somebody may have given a permit back
                self.results[job[0]] = self.context.copy().run(self.call, *job)
                if self.to_rest is not None:
                    self.to_rest.pause()
        except BaseException as error:
            self.fail(error)

    def pull(self) -> tuple[int, Any] | None:
        with self.pulling:
            job = None if self.stopped else next(self.jobs, None)
            if job is None:
                self.stopped = True
            return job


def gather(call: Callable[[int, T], R], items: Iterable[T], width: int, permits: Permits | None) -> list[R]:
    """``call(index, item)`` for all items, on at most ``width`` strands; the first exception is raised."""
    crew = _Crew(call, items, width, permits)
    try:
        crew.recruit()
        crew.work()
        crew.join()
        crew.raise_error()
        crew.check()
        return [crew.results[index] for index in range(len(crew.results))]
    except Exception as error:
        trim(error)
        raise
    finally:
        crew.forget()


class _Window(_Team):
    """A lazy fan-out: items are pulled only while fewer than ``size`` of them are pulled and not yet taken."""

    def __init__(
        self, call: Callable[[int, Any], Any], items: Iterable[Any], permits: Permits | None, size: int, *, lent: bool
    ) -> None:
        super().__init__(permits)
        self.call = call
        self.jobs = enumerate(items)
        self.size = size
        self.consumers = None if lent else self.to_rest
        self.pulling = self.clock.lock()
        self.open = 0  # pulled and not yet taken
        self.ready: dict[int, Any] = {}

    def recruit(self, width: int) -> None:
        while not self.stopped and self.helpers < width and self.open + self.helpers < self.size:
            if not self.enlist(self.work):
                return

    def work(self) -> None:
        while self.step():
            pass

    def step(self) -> bool:
        """Do one item; False when there is none to do now."""
        try:
            job = self.pull()
            if job is None:
                return False
            result = self.context.copy().run(self.call, *job)
        except BaseException as error:
            self.fail(error)
            return False
        with self.changed:
            self.ready[job[0]] = result
            self.changed.notify_all()
        if self.to_rest is not None:
            self.to_rest.pause()
        return True

    def pull(self) -> tuple[int, Any] | None:
        with self.pulling:
            if self.stopped or self.open >= self.size:
                return None
            job = next(self.jobs, None)
            if job is None:
                self.stopped = True
                return None
            with self.changed:
                self.open += 1
            return job

    def take(self, wanted: int | None, width: int) -> tuple[int, Any] | None:
        """The result ``wanted`` (any, for None), waiting for it; None when there will be none or nobody works."""
        self.follow()
        if not self.is_ready(wanted) and self.helpers:
            with resting(self.consumers):
                self.recruit(width)
                with self.changed:
                    while not self.is_ready(wanted) and self.helpers and self.error is None:
                        self.changed.wait()
        with self.changed:
            if not self.is_ready(wanted):
                return None
            index = next(iter(self.ready)) if wanted is None else wanted
            self.open -= 1
            return index, self.ready.pop(index)

    def is_ready(self, wanted: int | None) -> bool:
        return bool(self.ready) if wanted is None else wanted in self.ready

    def idle(self) -> bool:
        """Whether nothing is left, under way or waiting to be taken."""
        with self.changed:
            return not self.helpers and not self.ready


def as_completed(
    call: Callable[[int, T], R],
    items: Iterable[T],
    width: int,
    permits: Permits | None,
    *,
    window: int,
    ordered: bool,
    lent: bool,
) -> Generator[tuple[int, R], None, None]:
    """``(index, call(index, item))`` as each is done, or in order; at most ``window`` items are pulled and not yet taken.

    ``lent``: the permits are this call's own, and its consumer needs none.
    """
    team = _Window(call, items, permits, window, lent=lent)
    taken = 0
    if lent:
        _give(permits)
    try:
        while team.error is None:
            team.recruit(width)
            found = team.take(taken if ordered else None, width)
            if found is not None:
                taken += 1
                team.recruit(width)  # so that work goes on while the consumer has the result
                yield found
            elif not team.step() and team.idle():
                break
    except BaseException:
        team.end()
        team.forget()
        raise
    team.end()
    try:
        team.raise_error()
        team.check()
    except Exception as error:
        trim(error)
        raise
    finally:
        team.forget()


class _Funnel(_Team):
    """A fan-in: each thread runs whole streams, and is at most one chunk ahead of the consumer."""

    def __init__(self, sources: Iterable[Sequence[Any]], permits: Permits | None) -> None:
        super().__init__(permits)
        self.sources = deque(sources)
        self.ready: deque[tuple[Any, Any]] = deque()

    def recruit(self) -> None:
        for _ in range(len(self.sources)):
            if not self.enlist(self.pump):
                return

    def pump(self) -> None:
        try:
            while (source := self.next_source()) is not None:
                self.context.copy().run(self.run, *source)
        except BaseException as error:
            self.fail(error)

    def run(self, key: Any, chunks: Iterator[Any], *below: Any) -> None:
        try:
            for chunk in chunks:
                if not self.put((key, chunk)):
                    return
        finally:
            close_all([chunks, *below])

    def next_source(self) -> Sequence[Any] | None:
        with self.changed:
            return self.sources.popleft() if self.sources and not self.stopped else None

    def put(self, found: tuple[Any, Any]) -> bool:
        """Hand over a chunk and wait until it is taken; False when nobody wants more."""
        with resting(self.to_rest), self.changed:
            self.ready.append(found)
            self.changed.notify_all()
            while not self.stopped and any(found is other for other in self.ready):
                self.changed.wait()
        return not self.stopped

    def take(self) -> tuple[Any, Any] | None:
        """The next chunk of any stream, waiting for it; None when nobody works."""
        self.follow()
        if not self.ready and self.helpers:
            with resting(self.to_rest):
                self.recruit()
                with self.changed:
                    while not self.ready and self.helpers and self.error is None:
                        self.changed.wait()
        with self.changed:
            found = self.ready.popleft() if self.ready and self.error is None else None
            self.changed.notify_all()
            return found


def fan_in(sources: Iterable[Sequence[Any]], permits: Permits | None) -> Generator[tuple[Any, Any], None, None]:
    """``(key, chunk)`` of several streams as they come; without a free permit or thread, one after the other.

    A source is ``(key, stream)``, and then what else is to be closed when that stream has ended.
    """
    funnel = _Funnel(sources, permits)
    try:
        funnel.recruit()
        while funnel.error is None and (found := funnel.take()) is not None:
            yield found
        while funnel.error is None and funnel.sources:
            key, *streams = funnel.sources.popleft()
            try:
                for chunk in streams[0]:
                    yield key, chunk
            finally:
                close_all(streams)
    except GeneratorExit:
        funnel.end()
        funnel.raise_error()  # what went wrong while the branches were closed
        raise
    finally:
        funnel.end()
        close_all(stream for _, *streams in funnel.sources for stream in streams)
    funnel.raise_error()
    funnel.check()


def hop(chunks: Iterator[T]) -> Generator[T, None, None]:
    """The same stream, pulled on the stack of another thread, which does nothing unasked."""
    context = copy_context()
    while (chunk := _elsewhere(partial(context.run, partial(_next_under, stopping.get(), chunks)))) is not _END:
        yield cast(T, chunk)


def run_to_end(work: Awaitable[R]) -> R:
    """What a coroutine gives, run in a thread and on a loop of its own, where no loop of the caller's can run it."""
    import asyncio

    async def main() -> R:
        return await work

    context = copy_context()

    def run() -> R:
        return asyncio.run(main())

    return _elsewhere(lambda: context.run(run))


def _elsewhere(func: Callable[[], R]) -> R:
    time = clock.get()
    done = time.event()
    outcome: list[Any] = [None, None]

    def job() -> None:
        try:
            outcome[0] = func()
        except BaseException as error:
            outcome[1] = error
        done.set()

    _pool.start(job, time, sure=True)
    try:
        done.wait()
    except BaseException:
        done.wait()  # what was started has to end
        raise
    try:
        if outcome[1] is not None:
            raise cast(BaseException, outcome[1])
        return cast(R, outcome[0])
    finally:
        outcome.clear()  # the traceback holds this frame


def tee(chunks: Iterator[T], count: int, fork: Callable[[T], T], permits: Permits | None) -> list[Iterator[T]]:
    """``count`` streams of the same chunks, each with its own ``fork`` of every chunk; any thread may pull any."""
    shared, pulling = _Tee(count, fork, _to_rest(permits)), clock.get().lock()
    return [shared.branch(chunks, pulling, index) for index in range(count)]


def atee(  # twin: a task can always rest
    chunks: AsyncIterator[T], count: int, fork: Callable[[T], T], permits: Permits | None
) -> list[AsyncIterator[T]]:
    """``count`` streams of the same chunks, each with its own ``fork`` of every chunk; any task may pull any."""
    import asyncio

    shared, pulling = _Tee(count, fork, permits), asyncio.Lock()
    return [shared.abranch(chunks, pulling, index) for index in range(count)]


def _next_under(stop: Stop | None, chunks: Iterator[Any]) -> Any:
    """The next chunk, or the end, of a source that ends with whoever asks for it."""
    stopping.set(stop)
    return next(chunks, _END)


_STOPPED: Final = RuntimeError("another branch that read the same input has ended it")


class _Tee:
    """The chunks that some branch has pulled and others have not; knows how the source ended.

    Whichever branch pulls, the source runs in one context: it may set a variable, and reset it chunks later.
    """

    def __init__(self, count: int, fork: Callable[[Any], Any], permits: Permits | None) -> None:
        self.context = copy_context()
        self.fork = fork
        self.permits = permits
        self.buffers: list[deque[Any] | None] = [deque() for _ in range(count)]
        self.ended = False
        self.error: BaseException | None = None

    def spread(self, chunk: Any) -> None:
        for buffer in self.buffers:
            if buffer is not None:
                buffer.append(self.fork(chunk))

    def missing(self, buffer: deque[Any]) -> bool:
        """Whether somebody has to pull for this branch; raises what the source raised to another one."""
        if not buffer and self.error is not None:
            check_stopped()  # the other one was told to end, and so is this one
            raise copy(self.error)
        return not buffer and not self.ended

    def leave(self, index: int) -> None:
        self.buffers[index] = None  # nothing must be stored for who has left

    def fail(self, error: BaseException) -> None:
        try:  # a copy, whose traceback does not hold this object
            self.error = copy(error) if isinstance(error, Exception | Restarted) else _STOPPED
        except Exception:
            self.error = _STOPPED

    def branch(self, chunks: Iterator[Any], pulling: threading.Lock, index: int) -> Generator[Any, None, None]:
        buffer = self.buffers[index] or deque()
        self.buffers[index] = buffer
        try:
            while True:
                with turn(pulling, self.permits):
                    if self.missing(buffer):
                        self.pull(chunks)
                if not buffer:
                    return
                yield buffer.popleft()
        finally:
            self.leave(index)

    async def abranch(self, chunks: AsyncIterator[Any], pulling: asyncio.Lock, index: int) -> AsyncGenerator[Any, None]:
        buffer = self.buffers[index] or deque()
        self.buffers[index] = buffer
        try:
            while True:
                async with aturn(pulling, self.permits):
                    if self.missing(buffer):
                        await self.apull(chunks)
                if not buffer:
                    return
                yield buffer.popleft()
        finally:
            self.leave(index)

    def pull(self, chunks: Iterator[Any]) -> None:
        try:
            chunk = self.context.run(_next_under, stopping.get(), chunks)
        except BaseException as error:
            self.fail(error)
            raise
        if chunk is _END:
            self.ended = True
        else:
            self.spread(chunk)

    async def apull(self, chunks: AsyncIterator[Any]) -> None:  # twin: a context runs functions, not coroutines
        try:
            chunk = await _Apart(self.context, _anext(chunks))
        except BaseException as error:
            self.fail(error)
            raise
        if chunk is _END:
            self.ended = True
        else:
            self.spread(chunk)


def close_all(streams: Iterable[Any]) -> None:
    """Close what can be closed, in the order given, all of it even if one fails; the first failure is raised."""
    failure: BaseException | None = None
    for stream in streams:
        try:
            if hasattr(stream, "throw"):  # a generator; a file or a socket that is iterated is its owner's
                stream.close()
        except BaseException as error:
            failure = failure or error
    try:
        if failure is not None:
            raise failure
    finally:
        failure = None  # the traceback holds this frame


async def aclose_all(streams: Iterable[Any]) -> None:
    """Close what can be closed, in the order given, all of it even if one fails; the first failure is raised."""
    failure: BaseException | None = None
    for stream in streams:
        try:
            if hasattr(stream, "athrow"):  # a generator; a file or a socket that is iterated is its owner's
                await stream.aclose()
        except BaseException as error:
            failure = failure or error
    try:
        if failure is not None:
            raise failure
    finally:
        failure = None  # the traceback holds this frame


def once(item: T) -> Iterator[T]:  # the fastest such stream there is; its twin has to be a generator
    """A stream of one chunk."""
    return iter((item,))


class aonce(AsyncIterator[T]):  # noqa: N801 - the twin of once; a class, so that there is nothing to close
    """A stream of one chunk."""

    __slots__ = ("left",)

    def __init__(self, item: T) -> None:
        self.left = [item]

    async def __anext__(self) -> T:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


# ------------------------------------------------------------------------------------------------------------ tasks


async def _reap(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel and wait until all have ended, however often somebody cancels the waiting."""
    import asyncio

    again: asyncio.CancelledError | None = None
    for task in tasks:
        task.cancel()
    while tasks:
        try:
            _, tasks = await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            again = error
    try:
        if again is not None:
            raise again
    finally:
        again = None  # the traceback holds this frame


class _Apart(Awaitable[R]):
    """A coroutine in a context of its own, without a task of its own."""

    __slots__ = ("context", "coroutine")

    def __init__(self, context: Context, coroutine: Coroutine[Any, Any, R]) -> None:
        self.context = context
        self.coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, R]:
        run, coroutine = self.context.run, self.coroutine
        step: Callable[[], Any] = partial(coroutine.send, None)
        while True:
            try:
                waited = run(step)
            except StopIteration as end:
                return cast(R, end.value)
            finally:
                del step  # it may hold an exception, whose traceback holds this frame
            try:
                step = partial(coroutine.send, (yield waited))
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as error:
                step = partial(coroutine.throw, error)


async def _anext(chunks: AsyncIterator[Any]) -> Any:
    """The next chunk, or the end, as a coroutine; `anext` itself gives something else."""
    return await anext(chunks, _END)


class _Tasks:
    """The tasks of one fan-out or fan-in, and a bell that rings for the caller when something has changed."""

    def __init__(self, permits: Permits | None) -> None:
        import asyncio

        self.loop = asyncio.get_running_loop()
        self.clock = clock.get()
        self.context = copy_context()
        self.permits = permits
        self.tasks: set[asyncio.Task[None]] = set()
        self.active = 0
        self.stopped = False
        self.error: BaseException | None = None
        self.whereabouts: str | None = None  # the note of what was cancelled
        self.bell: asyncio.Future[None] | None = None

    def enlist(self, work: Callable[[], Awaitable[None]], *, held: bool = False) -> bool:
        """Let one more task do ``work``, if there is a permit; ``held``: one that the caller has for it."""
        if not held and not _take(self.permits):
            return False
        self.active += 1
        self.clock.began()
        task = self.loop.create_task(self._run(work))
        if not task.done():  # an eager task may be
            self.tasks.add(task)
        return True

    async def _run(self, work: Callable[[], Awaitable[None]]) -> None:
        import asyncio

        try:
            await work()
        except BaseException as error:  # raised to the caller by raise_error
            if self.stopped and isinstance(error, asyncio.CancelledError):  # as it was asked to
                self.whereabouts = self.whereabouts or note_of(error)
            else:
                self.error = self.error or error
            self.stopped = True
        finally:
            self.tasks.discard(cast(Any, asyncio.current_task()))
            self.active -= 1
            _give(self.permits)
            self.ring()
            self.clock.ended()

    def ring(self) -> None:
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)

    async def wait(self) -> None:
        self.bell = self.loop.create_future()
        with self.clock.idle:
            await self.bell

    async def end(self) -> None:
        """Cancel what runs and wait until it has ended; then this strand holds a permit that was free."""
        self.stopped = True
        _give(self.permits)
        try:
            if self.active:
                with self.clock.idle:
                    await _reap(set(self.tasks))
        finally:
            for _ in self.tasks:  # those that were cancelled before they began
                _give(self.permits)
                self.clock.ended()
            self.tasks.clear()
            self.tell(sys.exc_info()[1])
            if self.permits is not None:
                await self.permits.aregain()

    def tell(self, error: BaseException | None) -> None:
        """Say on what ends the caller where its tasks were, if they have said so."""
        if error is not None and self.whereabouts is not None and note_of(error) is None:
            error.add_note(self.whereabouts)

    def raise_error(self) -> None:
        try:
            if self.error is not None:
                raise self.error
        finally:
            self.error = None  # the traceback holds this object


_Call = Callable[[int, Any], Coroutine[Any, Any, Any]]
_Items = Iterable[Any] | AsyncIterable[Any]


class _Source:
    """Numbered items of a plain or an async iterable, pulled by one task at a time."""

    def __init__(self, items: Iterable[Any] | AsyncIterable[Any]) -> None:
        import asyncio

        self.next = _anext_of(items)
        self.clock = clock.get()
        self.lock = asyncio.Lock()
        self.count = 0
        self.ended = False

    async def pull(self) -> tuple[int, Any] | None:
        await _acquired(self.lock, self.clock)
        try:
            item = _END if self.ended else await self.next()
            self.ended = item is _END
            self.count += 1
        finally:
            self.lock.release()
        return None if item is _END else (self.count - 1, item)


def _anext_of(items: Iterable[Any] | AsyncIterable[Any]) -> Callable[[], Awaitable[Any]]:
    if isinstance(items, AsyncIterable):
        source = aiter(items)
        return lambda: anext(source, _END)
    plain = iter(items)

    async def pull() -> Any:
        return next(plain, _END)

    return pull


class _ACrew(_Tasks):
    """An eager fan-out: tasks do one item after the other until there are none, while the caller waits."""

    def __init__(self, call: _Call, items: _Items, width: int, permits: Permits | None) -> None:
        super().__init__(permits)
        self.call = call
        self.source = _Source(items)
        self.width = width
        self.results: dict[int, Any] = {}

    def recruit(self) -> None:
        while self.active < self.width and not self.stopped and not self.source.ended and self.enlist(self.work):
            pass

    async def work(self) -> None:
        while not self.stopped and (job := await self.source.pull()) is not None:
            if self.permits is not None and self.width > 1:
                self.recruit()  # somebody may have given a permit back
            self.results[job[0]] = await _Apart(self.context.copy(), self.call(*job))
            if self.permits is not None:
                await self.permits.apause()

    async def run(self) -> None:
        async with aresting(self.permits):
            self.recruit()
            while self.error is None and (self.active or not self.source.ended):
                if not self.active and self.permits is not None:  # others were faster at every permit
                    await self.wait_for_permit(self.permits)
                await self.wait()

    async def wait_for_permit(self, permits: Permits) -> None:
        try:
            await permits.aregain()
        except BaseException:
            permits.give()  # it was for a task that will not begin
            raise
        self.enlist(self.work, held=True)


async def agather(  # twin: tasks are awaited, threads are joined
    call: Callable[[int, T], Coroutine[Any, Any, R]],
    items: Iterable[T] | AsyncIterable[T],
    width: int,
    permits: Permits | None,
) -> list[R]:
    """``await call(index, item)`` for all items, on at most ``width`` strands; the first exception is raised."""
    crew = _ACrew(call, items, min(width, length_hint(items, width)), permits)
    try:
        if crew.width > 1:
            await crew.run()
        else:
            await crew.work()
    finally:
        await crew.end()
    try:
        crew.raise_error()
    except Exception as error:
        trim(error)
        raise
    results, crew.results = crew.results, {}  # exceptions among them hold this frame
    return [results[index] for index in range(len(results))]


class _AWindow(_Tasks):
    """A lazy fan-out: items are pulled only while fewer than ``size`` of them are pulled and not yet taken."""

    def __init__(self, call: _Call, items: _Items, permits: Permits | None, size: int, width: int) -> None:
        super().__init__(permits)
        self.call = call
        self.source = _Source(items)
        self.size = size
        self.width = width
        self.open = 0  # pulled and not yet taken
        self.ready: dict[int, Any] = {}

    def room(self) -> bool:
        return not self.stopped and not self.source.ended and self.open < self.size

    def recruit(self) -> None:
        while self.room() and self.active < min(self.width, self.size - self.open + self.active):
            if not self.enlist(self.work):
                return

    async def work(self) -> None:
        while self.room():
            await self.step()

    async def step(self) -> None:
        """Do one item, if there is one."""
        self.open += 1
        job = await self.source.pull()
        if job is None:
            self.open -= 1
            return
        self.ready[job[0]] = await _Apart(self.context.copy(), self.call(*job))
        self.ring()
        if self.permits is not None:
            await self.permits.apause()

    def take(self, index: int) -> tuple[int, Any]:
        self.open -= 1
        found = index, self.ready.pop(index)
        self.recruit()  # so that work goes on while the consumer has the result
        return found


async def aas_completed(  # twin: tasks are awaited, threads are joined
    call: Callable[[int, T], Coroutine[Any, Any, R]],
    items: Iterable[T] | AsyncIterable[T],
    width: int,
    permits: Permits | None,
    *,
    window: int,
    ordered: bool,
    lent: bool,
) -> AsyncGenerator[tuple[int, R], None]:
    """``(index, await call(index, item))`` as each is done, or in order; at most ``window`` are pulled and not taken.

    ``lent``: the permits are this call's own, and its consumer needs none.
    """
    team = _AWindow(call, items, permits, window, width)
    taken = 0
    if lent:
        _give(permits)
    try:
        while team.error is None:
            team.recruit()
            index = taken if ordered else next(iter(team.ready), -1)
            if index in team.ready:
                taken += 1
                yield team.take(index)
            elif team.active:
                async with aresting(None if lent else permits):
                    team.recruit()
                    await team.wait()
            elif team.room():
                await team.step()  # no permit is free: the caller does the next one itself
            else:
                break
    finally:
        await team.end()
    try:
        team.raise_error()
    except Exception as error:
        trim(error)
        raise


class _AFunnel(_Tasks):
    """A fan-in: each task runs whole streams, and is at most one chunk ahead of the consumer."""

    def __init__(self, sources: Iterable[Sequence[Any]], permits: Permits | None) -> None:
        super().__init__(permits)
        self.sources = deque(sources)
        self.ready: deque[tuple[Any, Any, asyncio.Future[None]]] = deque()

    def recruit(self) -> None:
        for _ in range(len(self.sources)):
            if not self.enlist(self.pump):
                return

    async def pump(self) -> None:
        while self.sources and not self.stopped:
            key, *streams = self.sources.popleft()
            try:
                async for chunk in streams[0]:
                    await self.put(key, chunk)
            finally:
                await aclose_all(streams)

    async def put(self, key: Any, chunk: Any) -> None:
        """Hand over a chunk and wait until it is taken."""
        taken = self.loop.create_future()
        async with aresting(self.permits):
            self.ready.append((key, chunk, taken))
            self.ring()
            with self.clock.idle:
                await taken

    async def take(self) -> tuple[Any, Any] | None:
        """The next chunk of any stream, waiting for it; None when nobody works."""
        while not self.ready and self.active and self.error is None:
            async with aresting(self.permits):
                self.recruit()
                await self.wait()
        if not self.ready or self.error is not None:
            return None
        key, chunk, taken = self.ready.popleft()
        taken.set_result(None)
        return key, chunk


async def afan_in(  # twin: a task is cancelled in its stream, a thread stops between two chunks
    sources: Iterable[Sequence[Any]], permits: Permits | None
) -> AsyncGenerator[tuple[Any, Any], None]:
    """``(key, chunk)`` of several streams as they come; without a free permit, one after the other.

    A source is ``(key, stream)``, and then what else is to be closed when that stream has ended.
    """
    funnel = _AFunnel(sources, permits)
    try:
        funnel.recruit()
        while funnel.error is None and (found := await funnel.take()) is not None:
            yield found
        while funnel.error is None and funnel.sources:
            key, *streams = funnel.sources.popleft()
            try:
                async for chunk in streams[0]:
                    yield key, chunk
            finally:
                await aclose_all(streams)
    except GeneratorExit:
        await funnel.end()
        funnel.raise_error()  # what went wrong while the branches were closed
        raise
    finally:
        await funnel.end()
        await aclose_all([stream for _, *streams in funnel.sources for stream in streams])
    funnel.raise_error()


async def ahop(chunks: AsyncIterator[T]) -> AsyncGenerator[T, None]:  # twin: a task needs no pool, and is cancelled
    """The same stream, pulled on the stack of another task, which does nothing unasked."""
    import asyncio

    # never by the loop's task factory: one that starts its tasks at once would start them on this very stack
    context, loop = copy_context(), asyncio.get_running_loop()
    while (chunk := await asyncio.Task(_anext(chunks), loop=loop, context=context)) is not _END:
        yield cast(T, chunk)


async def acollect(chunks: AsyncIterator[T]) -> list[T]:  # twin: list(chunks) is the sync form
    """All chunks of a stream."""
    return [chunk async for chunk in chunks]


# --------------------------------------------------------------------------------------- sync code under an event loop


async def in_thread(func: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """``func(*args, **kwargs)`` in a thread of the pool and a copy of the context, without blocking the loop.

    A thread cannot be cancelled: when the caller is, the function is waited for, and only then CancelledError goes
    on, so that nothing of the call runs behind its back.
    """
    return await _run_in_thread(copy_context(), partial(func, *args, **kwargs))


async def _run_in_thread(
    context: Context, func: Callable[[], R], stop: Callable[[], None] | None = None, *, sure: bool = False
) -> R:
    import asyncio

    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    time = clock.get()
    token = Stop()

    def job() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            context.run(stopping.set, token)
            outcome = context.run(func), None
        except BaseException as error:
            outcome = None, error
        with suppress(RuntimeError):  # a loop that was closed meanwhile waits no more
            loop.call_soon_threadsafe(done.set_result, outcome)  # noqa: F821 - it is let go of when it is set
        del outcome  # the traceback holds this frame

    _pool.start(job, time, queue=True, sure=sure)
    cancelled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            with time.idle:
                await asyncio.shield(done)
        except asyncio.CancelledError as error:
            if cancelled is None:
                token.set("the task that waits for this thread was cancelled")
                if stop is not None:
                    stop()
            cancelled = error
    value, failure = done.result()
    try:
        if cancelled is not None:
            raise cancelled
        if failure is None:
            return value  # type: ignore[no-any-return]  # it is what func gave
        if isinstance(failure, StopIteration):
            raise RuntimeError("the function raised StopIteration") from failure  # PEP 479: it would end the coroutine
        raise failure
    finally:
        del failure, done, cancelled  # the traceback holds this frame


async def aiter_in_thread(  # twin: sync code needs no bridge
    chunks: Iterator[T], stop: Callable[[], None] | None = None
) -> AsyncGenerator[T, None]:
    """The chunks of a plain iterator, each pulled in a thread; its close, in a thread too, is waited for."""
    context, sure = copy_context(), stop is not None  # one that can be stopped may wait for others of its kind
    try:
        while (chunk := await _run_in_thread(context, partial(next, chunks, _END), stop, sure=sure)) is not _END:
            yield chunk
    finally:
        await _run_in_thread(context, partial(close_all, [chunks]), stop, sure=sure)


class _Upstream:
    """An async stream as a plain iterator for code in a thread, while the loop waits for that thread."""

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        import asyncio

        self.chunks = chunks
        self.clock = clock.get()
        self.loop = asyncio.get_running_loop()
        self.context = copy_context()
        self.task: asyncio.Task[Any] | None = None
        self.stopped = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        arrived = self.clock.event()
        self.clock.began()  # the task, which is not one of a team
        self.loop.call_soon_threadsafe(self._begin, arrived)
        arrived.wait()
        if self.task is None:
            raise GeneratorExit  # the stream was closed: the code in the thread has to end, as a closed generator does
        chunk = self.task.result()
        if chunk is _END:
            raise StopIteration
        return chunk

    def _begin(self, arrived: threading.Event) -> None:
        if self.stopped:
            self.task = None
            self._arrive(arrived)
            return
        self.task = self.loop.create_task(_anext(self.chunks), context=self.context)
        self.task.add_done_callback(lambda _: self._arrive(arrived))

    def _arrive(self, arrived: threading.Event) -> None:
        arrived.set()
        self.clock.ended()

    def stop(self) -> None:
        self.stopped = True
        if self.task is not None:
            self.task.cancel()

    async def end(self) -> None:
        """Wait for what was stopped."""
        if self.task is not None and not self.task.done():
            with self.clock.idle:
                await _reap({self.task})


def _begun_in_thread(transform: Callable[[Iterator[Any]], Iterable[R]], chunks: Iterator[Any]) -> Iterator[R]:
    yield from transform(chunks)  # the call itself may read already


async def atransform_in_thread(  # twin: sync code needs no bridge
    transform: Callable[[Iterator[T]], Iterator[R]], chunks: AsyncIterator[T]
) -> AsyncGenerator[R, None]:
    """A plain generator function over chunks, run in threads over an async stream."""
    upstream = _Upstream(chunks)
    stream = aiter_in_thread(_begun_in_thread(transform, upstream), upstream.stop)
    try:
        async for chunk in stream:
            yield chunk
    finally:
        upstream.stop()
        try:
            await stream.aclose()
        finally:
            await upstream.end()

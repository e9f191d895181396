"""What every test gets: debugged loops, a clean environment, no network, leaks counted, and the ``run`` fixture."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import aclosing, closing
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings

os.environ["PYTHONASYNCIODEBUG"] = "1"  # read by every new event loop, those of asyncio.run in a test included

OF_A_PROVIDER = ("OPENAI_", "ANTHROPIC_", "PLAIT_", "LANGCHAIN_", "LANGSMITH_")
SECONDS_TO_END = 2.0  # a thread that was told to end may need a moment to be gone; a leaked one never is

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)  # a red build can be repeated
settings.register_profile("brief", parent=settings.get_profile("ci"), max_examples=25)  # where others ran them all
settings.register_profile("soak", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "here"))

for name in list(os.environ):  # no test may depend on a key, a server or a proxy of the one who runs it
    if name.startswith(OF_A_PROVIDER) or name.upper().endswith("_PROXY"):
        del os.environ[name]


# ------------------------------------------------------------------------------------------------- one body, six modes


class Run:
    """Calls a runnable in one of its modes and gives the value; streams are joined, and closed in any case."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.is_async = mode.startswith("a")
        self.is_stream = mode.endswith("stream")

    def __call__(self, runnable: Any, input: Any, config: Any = None, **kwargs: Any) -> Any:
        done = getattr(self, f"_{self.mode}")(runnable, input, config, **kwargs)
        return asyncio.run(_alone(done)) if self.is_async else done

    def __repr__(self) -> str:
        return self.mode

    def _invoke(self, runnable: Any, input: Any, config: Any, **kwargs: Any) -> Any:
        return runnable.invoke(input, config, **kwargs)

    async def _ainvoke(self, runnable: Any, input: Any, config: Any, **kwargs: Any) -> Any:
        return await runnable.ainvoke(input, config, **kwargs)

    def _stream(self, runnable: Any, input: Any, config: Any, **kwargs: Any) -> Any:
        with closing(runnable.stream(input, config, **kwargs)) as chunks:
            return _joined(list(chunks))

    async def _astream(self, runnable: Any, input: Any, config: Any, **kwargs: Any) -> Any:
        async with aclosing(runnable.astream(input, config, **kwargs)) as chunks:
            return _joined([chunk async for chunk in chunks])

    def _batch(self, runnable: Any, input: Any, config: Any, **kwargs: Any) -> Any:
        [value] = runnable.batch([input], config, **kwargs)
        return value

    async def _abatch(self, runnable: Any, input: Any, config: Any, **kwargs: Any) -> Any:
        [value] = await runnable.abatch([input], config, **kwargs)
        return value


def _joined(chunks: list[Any]) -> Any:
    from plait.merging import merge_all

    return merge_all(chunks)


@pytest.fixture(params=["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])
def run(request: pytest.FixtureRequest) -> Run:
    """``run(runnable, input, config=None, **kwargs)`` gives the value; the test is repeated for each of six modes."""
    return Run(request.param)


# ------------------------------------------------------------------------------------------------------------- leaks


async def _alone(call: Any) -> Any:
    """Await a call, and fail if it leaves a task behind."""
    before = asyncio.all_tasks()
    result = await call
    left = asyncio.all_tasks() - before
    if left:
        pytest.fail(f"tasks were left behind: {sorted(map(repr, left))}", pytrace=False)
    return result


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """An async test is itself such a call."""
    for item in items:
        test = getattr(item, "obj", None)
        if inspect.iscoroutinefunction(test) and not hasattr(test, "hypothesis"):
            item.obj = _watched(test)  # type: ignore[attr-defined]  # only functions have an obj


def _watched(test: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(test)
    async def watched(*args: Any, **kwargs: Any) -> Any:
        return await _alone(test(*args, **kwargs))

    return watched


class _LoopErrors(logging.Handler):
    """Keeps what an event loop could only log: a task destroyed while pending, an exception nobody retrieved."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Generator[None]:
    """Fail a test that leaves a thread, a changed environment or an error of its loop behind."""
    threads, environment, errors = set(threading.enumerate()), dict(os.environ), _LoopErrors()
    logging.getLogger("asyncio").addHandler(errors)
    yield
    logging.getLogger("asyncio").removeHandler(errors)
    changed = {name for name, _ in environment.items() ^ os.environ.items()} - {"PYTEST_CURRENT_TEST"}
    for name in changed:  # for the next test
        os.environ.pop(name, None)
        os.environ.update({name: environment[name]} if name in environment else {})
    assert not changed, f"the environment was changed and not put back: {sorted(changed)}"
    assert not errors.messages, "the event loop logged errors:\n" + "\n".join(errors.messages)
    left = [thread for thread in set(threading.enumerate()) - threads if _is_leaked(thread)]
    assert not left, f"threads were left behind: {left}"


def _is_leaked(thread: threading.Thread) -> bool:
    if thread.name in ("plait", "plait alarms"):  # of the pool and of the clock, which are kept for the next call
        return False
    thread.join(SECONDS_TO_END)
    return thread.is_alive()


# ------------------------------------------------------------------------------------------------------------ network


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Only this machine can be reached: anything else fails the test, whatever the code does with the error."""
    patch = pytest.MonkeyPatch()
    for method in ("connect", "connect_ex"):
        patch.setattr(socket.socket, method, _guarded(getattr(socket.socket, method)))
    patch.setattr(socket, "getaddrinfo", _guarded_lookup(socket.getaddrinfo))
    yield
    patch.undo()


def _guarded(connect: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(connect)
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _refuse_unless_here(address[0])
        return connect(self, address)

    return guarded


def _guarded_lookup(lookup: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(lookup)
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_unless_here(host)
        return lookup(host, *args, **kwargs)

    return guarded


def _refuse_unless_here(host: Any) -> None:
    text = host.decode() if isinstance(host, bytes) else host
    if text in {None, "", "localhost"}:
        return
    try:
        here = ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        here = False
    if not here:
        pytest.fail(f"a test reached for {text!r}; tests talk to this machine only")

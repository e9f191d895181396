"""A trace to read while it happens: one line when a run begins, one when it ends, indented as the runs are nested.

Runs of several threads and tasks are mixed; so each line begins with the number of its run: 2.1.3 is the third run
inside the first run inside the second root that this tracer heard of.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from itertools import count
from threading import Lock
from typing import Any, Final, TextIO, TypeAlias, cast

from plait.errors import ConfigError
from plait.redaction import beginning, glimpse, printable
from plait.runnables.config import within
from plait.runs import DEFAULTS, Run, RunListener, Scope, current
from plait.tracers.facts import failure_of, seconds, usage_of
from plait.tracers.json_lines import JsonLinesTracer

__all__ = ["ConsoleCallbackHandler", "ConsoleTracer", "ambient_tracer", "get_debug", "set_debug"]

_Parts: TypeAlias = Iterator[tuple[str, str]]
"""Pieces of a line, each with the style that it has on a terminal."""

_NAME: Final = 80  # characters
_SIGNS: Final = {"success": ("✓", "green"), "error": ("✗", "bold red"), "cancelled": ("■", "yellow")}
_ASIDE: Final = "dim"


class _Open:
    """What is known of a run that has not ended."""

    __slots__ = ("chunks", "depth", "inner", "number", "told")

    def __init__(self, number: str, depth: int, run: Run) -> None:
        self.number = number
        self.depth = depth
        self.inner = count(1)
        self.told = run.inputs is not None
        self.chunks = 0


class ConsoleTracer:
    """Prints runs as they begin and end: name, kind, time, and the beginnings of inputs and outputs.

    It prints to ``stream``, by default to what ``sys.stderr`` is then, in colours if that is a terminal and rich is
    installed. ``limit`` is how many characters of a value are shown. Secrets are masked, and nothing that is printed
    can command the terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, limit: int = 200) -> None:
        if limit < 1:
            raise ConfigError(f"limit must be a number of characters of at least 1, got {limit!r}")
        self._stream = stream
        self._limit = limit
        self._open: dict[Run, _Open] = {}
        self._roots = count(1)
        self._lock = Lock()

    def on_run_start(self, run: Run) -> None:
        with self._lock:
            known = self._open[run] = self._placed(run)
        self._print(known, self._beginning(run))

    def on_run_chunk(self, run: Run, chunk: Any) -> None:
        known = self._open.get(run)
        if known is not None:
            known.chunks += 1

    def on_run_event(self, run: Run, name: str, data: Any) -> None:
        self._print(self._open.get(run), self._event(name, data))

    def on_run_end(self, run: Run) -> None:
        known = self._open.pop(run, None)
        self._print(known, self._end(run, known))

    def _placed(self, run: Run) -> _Open:
        """A number for the run: after that of the run around it, if that was heard to begin."""
        around = self._open.get(run.parent) if run.parent is not None else None
        if around is None:
            return _Open(str(next(self._roots)), 0, run)
        return _Open(f"{around.number}.{next(around.inner)}", around.depth + 1, run)

    # ------------------------------------------------------------------------------------------------- what lines say

    def _beginning(self, run: Run) -> _Parts:
        yield "▶ ", "cyan"
        yield from _named(run)
        if run.inputs is not None:
            yield f"  {glimpse(run.inputs, self._limit)}", ""

    def _event(self, name: str, data: Any) -> _Parts:
        yield "• ", "magenta"
        yield _short(name), "bold"
        yield f"  {glimpse(data, self._limit)}", ""

    def _end(self, run: Run, known: _Open | None) -> _Parts:
        sign, style = _SIGNS.get(run.status, ("?", ""))
        yield f"{sign} ", style
        yield from _named(run)
        yield f" {_took(run, known)}  ", _ASIDE
        if known is None or (not known.told and run.inputs is not None):
            yield f"{glimpse(run.inputs, self._limit)} → ", ""
        yield from self._outcome(run)

    def _outcome(self, run: Run) -> _Parts:
        if run.error is not None and run.status == "error":
            failure = failure_of(run.error, self._limit)
            yield f"{failure.type}: {printable(failure.message)}", "red"
        elif run.status == "cancelled" and run.outputs is None:
            yield "cancelled", "yellow"
        else:
            yield "cancelled after " if run.status == "cancelled" else "", "yellow"
            yield glimpse(run.outputs, self._limit), ""

    def _print(self, known: _Open | None, parts: _Parts) -> None:
        number, depth = (known.number, known.depth) if known is not None else ("?", 0)
        line = [(f"{number:<9} ", _ASIDE), ("  " * depth, ""), *parts]
        stream = sys.stderr if self._stream is None else self._stream
        with self._lock:
            _print_line(line, stream)


ConsoleCallbackHandler = ConsoleTracer
"""The name by which it is known elsewhere."""


def _named(run: Run) -> _Parts:
    yield _short(run.name), "bold"
    if run.kind != "chain":
        yield f" ({_short(run.kind)})", _ASIDE


def _short(name: Any) -> str:
    return printable(beginning(str(name), _NAME))


def _took(run: Run, known: _Open | None) -> str:
    spent = seconds(run)
    time = f"{spent:.2f} s" if spent >= 1 else f"{spent * 1000:.1f} ms"
    chunks = f", {known.chunks} chunks" if known is not None and known.chunks > 1 else ""
    return f"{time}{chunks}{_tokens(run)}"


def _tokens(run: Run) -> str:
    usage = usage_of(run)
    return "" if usage is None else f", {usage.get('input_tokens', '?')}+{usage.get('output_tokens', '?')} tokens"


# ------------------------------------------------------------------------------------------------- how it is printed


def _print_line(line: list[tuple[str, str]], stream: TextIO) -> None:
    console = _console(stream)
    if console is None:
        stream.write(_encodable("".join(text for text, _ in line), stream) + "\n")
    else:
        _print_styled(console, line)
    stream.flush()


def _encodable(text: str, stream: TextIO) -> str:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _console(stream: TextIO) -> Any:
    """What rich makes of the stream, if it is a terminal and rich is there."""
    if not stream.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(file=stream, soft_wrap=True)


def _print_styled(console: Any, line: list[tuple[str, str]]) -> None:
    from rich.text import Text

    console.print(Text.assemble(*line))


# ------------------------------------------------------------------------------------------------------------- switches

_DEBUG: Final = ConsoleTracer()


def set_debug(value: bool) -> None:
    """From here on trace every call to the console, or no longer.

    It holds here, in the tasks and worker threads that come of it, and inside a function that a chain calls until that
    function returns. A thread that you start yourself begins without it: for a whole process there is the environment
    variable ``PLAIT_TRACE``.
    """
    scope = current.get()
    if value:
        current.set(within(scope, {"callbacks": [_DEBUG]}))
    elif scope is not None and get_debug():
        current.set(_without(scope))


def get_debug() -> bool:
    """Whether ``set_debug(True)`` is in force here."""
    scope = current.get()
    return scope is not None and any(each is _DEBUG for each in scope.get("callbacks") or ())


def _without(scope: Scope) -> Scope | None:
    """The scope with one listener less; nothing at all, if that one was all there was to it."""
    rest = [each for each in scope.get("callbacks") or () if each is not _DEBUG]
    quiet = Scope({**scope, "callbacks": rest or None}, scope)
    quiet.listeners = tuple(each for each in scope.listeners if cast(object, each) is not _DEBUG)
    return None if quiet == DEFAULTS and quiet.run is None and quiet.permits is None and not quiet.depth else quiet


_OFF: Final = frozenset(("", "0", "false", "no", "off"))
_ON: Final = frozenset(("1", "true", "yes", "on", "console"))


def ambient_tracer() -> RunListener | None:
    """What the environment variable ``PLAIT_TRACE`` asks for: 1 is the console, ``*.jsonl`` a file, 0 nothing."""
    asked = os.environ.get("PLAIT_TRACE", "")
    if asked.lower() in _OFF:
        return None
    if asked.lower() in _ON:
        return ConsoleTracer()
    if asked.endswith(".jsonl"):
        return JsonLinesTracer(asked)
    raise ConfigError(f"PLAIT_TRACE must be 1, 0 or the path of a file that ends in .jsonl; got {asked!r}")

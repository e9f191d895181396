"""A trace as lines of JSON: one object for each run, written when it ends, so that parents come after children."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final, Protocol, Self
from weakref import finalize

from plait.errors import ConfigError
from plait.runs import Run
from plait.tracers.content import as_json, written
from plait.tracers.facts import failure_of, root_of, said_beside, seconds, usage_of

__all__ = ["JsonLinesTracer", "record_of"]

_MESSAGE: Final = 2000  # characters of an error's message
_NAME: Final = 200  # characters of a name
_OWNER_ONLY: Final = 0o600  # a trace holds what people said


class _TextStream(Protocol):
    def write(self, text: str, /) -> Any: ...

    def flush(self) -> Any: ...


class JsonLinesTracer:
    """Writes each run that ends as one line of JSON, to a file or to an open text stream.

    A file is opened when the first run ends, for appending, and can be read by its owner only if it is new. It is
    closed by ``close()``, at the end of a ``with``, or when the tracer is forgotten; a stream is its owner's to close.
    ``limit`` is about how many characters there may be of each of ``inputs``, ``outputs`` and ``metadata`` (None: all);
    what is left out leaves a mark. ``content=False`` leaves inputs and outputs out. Secrets are masked in any case.
    """

    def __init__(
        self, file: str | os.PathLike[str] | _TextStream, *, content: bool = True, limit: int | None = 10_000
    ) -> None:
        if limit is not None and limit < 1:
            raise ConfigError(f"limit must be a number of characters of at least 1, or None; got {limit!r}")
        self._lines = _File(os.fspath(file)) if isinstance(file, str | os.PathLike) else _Stream(file)
        self._content = content
        self._limit = limit

    def on_run_start(self, run: Run) -> None:
        """Nothing is known yet."""

    def on_run_chunk(self, run: Run, chunk: Any) -> None:
        """The sum of all chunks comes with the end."""

    def on_run_event(self, run: Run, name: str, data: Any) -> None:
        """The user's own events are not of the record."""

    def on_run_end(self, run: Run) -> None:
        self._lines.write(written(record_of(run, content=self._content, limit=self._limit)))

    def close(self) -> None:
        """Close the file, if it was opened here; a run that ends later is not written, which is logged."""
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def record_of(run: Run, *, content: bool = True, limit: int | None = 10_000) -> dict[str, Any]:
    """What a line says of a run that has ended; times are UTC, ``duration_ms`` is in milliseconds."""
    return {
        "id": str(run.id),
        "parent_id": None if run.parent is None else str(run.parent.id),
        "root_id": str(root_of(run).id),
        "name": as_json(run.name, _NAME),
        "kind": run.kind,
        "status": run.status,
        "start": _moment(run.start_time),
        "end": _moment(run.end_time or run.start_time),
        "duration_ms": round(seconds(run) * 1000, 3),
        "tags": as_json(list(run.tags), limit),
        "metadata": as_json(run.metadata, limit),
        **({"inputs": as_json(run.inputs, limit), "outputs": as_json(run.outputs, limit)} if content else {}),
        **_of_model(run),
        "error": None if run.error is None else failure_of(run.error, _MESSAGE)._asdict(),
    }


def _of_model(run: Run) -> dict[str, Any]:
    """What is known of a model's answer, besides the answer."""
    usage, model = usage_of(run), said_beside(run).get("model_name")
    facts = {"model": as_json(model, _NAME), "usage": as_json(usage, None)}
    return {name: fact for name, fact in facts.items() if fact is not None}


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="microseconds")


class _Stream:
    """Lines for a stream that somebody else has opened; each is there when the next begins."""

    def __init__(self, stream: _TextStream) -> None:
        self._stream = stream
        self._lock = Lock()

    def write(self, line: str) -> None:
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def close(self) -> None:
        """It is not ours."""


class _File:
    """Lines for a file; each is handed to the system whole, so that several processes may append to one file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = Lock()
        self._descriptor: int | None = None
        self._closing: Callable[[], object] | None = None

    def write(self, line: str) -> None:
        rest = f"{line}\n".encode()
        with self._lock:
            descriptor = self._opened()
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    def _opened(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _OWNER_ONLY)
            self._closing = finalize(self, os.close, self._descriptor)
        elif self._closing is None:
            raise ValueError(f"the trace {self._path} is closed; a run that ends now cannot be written to it")
        return self._descriptor

    def close(self) -> None:
        with self._lock:
            closing, self._closing = self._closing, None
            self._descriptor = -1 if self._descriptor is None else self._descriptor
            if closing is not None:
                closing()

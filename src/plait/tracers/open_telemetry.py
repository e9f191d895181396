"""A trace as OpenTelemetry spans, nested as the runs are (extra ``otel``)."""

from __future__ import annotations

import traceback
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from plait.clocks import clock
from plait.errors import ConfigError, MissingExtraError
from plait.redaction import masked, printable
from plait.runs import Run
from plait.tracers.facts import Failure, failure_of, is_of_model
from plait.tracers.gen_ai import answer, is_remote, request, span_name
from plait.tracers.gen_ai_content import content_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["OpenTelemetryTracer"]

_MESSAGE: Final = 2000  # characters of an error's message
_FRAMES: Final = 20  # of a traceback, the innermost


class OpenTelemetryTracer:
    """Makes each run a span, with the attributes of the semantic conventions for generative AI.

    Spans go to ``tracer_provider``, by default to the one that the program has set. The outermost run of a call is a
    child of the span that is current where it begins. ``content=True`` adds what was said and found, about ``limit``
    characters for each attribute; secrets are masked in any case. A run that fails sets its span's status to ERROR; a
    run that is cancelled does not, and has ``plait.run.status``.

    Raises ``MissingExtraError`` if the package ``opentelemetry-api`` is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, *, content: bool = False, limit: int = 10_000
    ) -> None:
        if limit < 1:
            raise ConfigError(f"limit must be a number of characters of at least 1, got {limit!r}")
        self._tracer = _tracer(tracer_provider)
        self._content = content
        self._limit = limit
        self._open: dict[Run, _Open] = {}
        self._lock = Lock()

    def on_run_start(self, run: Run) -> None:
        span = _begun(run, self._tracer, self._around(run))
        with self._lock:
            self._open[run] = _Open(span)

    def on_run_chunk(self, run: Run, chunk: Any) -> None:
        if is_of_model(run):
            known = self._open.get(run)
            if known is not None and known.first_chunk is None:
                known.first_chunk = clock.get().time()

    def on_run_event(self, run: Run, name: str, data: Any) -> None:
        """The user's own events are not of the record."""

    def on_run_end(self, run: Run) -> None:
        with self._lock:
            known = self._open.pop(run, None)
        if known is not None:
            try:
                self._finish(run, known)
            finally:
                known.span.end(_nanoseconds(run.end_time))

    def _around(self, run: Run) -> Context | None:
        """The context of the span of the run around this one; None is that in which the call was made."""
        from opentelemetry.trace import set_span_in_context

        known = self._open.get(run.parent) if run.parent is not None else None
        return None if known is None else set_span_in_context(known.span)

    def _finish(self, run: Run, known: _Open) -> None:
        if not known.span.is_recording():
            return
        known.span.set_attributes({**answer(run), **_streamed(run, known)})
        if run.error is not None and run.status == "error":
            _record(known.span, run.error, _nanoseconds(run.end_time))
        if self._content:
            known.span.set_attributes(content_of(run, self._limit))


class _Open:
    """The span of a run that has not ended, and when its first chunk came."""

    __slots__ = ("first_chunk", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.first_chunk: float | None = None


def _tracer(provider: TracerProvider | None) -> Tracer:
    from importlib.metadata import PackageNotFoundError, version

    try:
        from opentelemetry.trace import get_tracer
    except ImportError as error:
        raise MissingExtraError("OpenTelemetryTracer needs the extra `otel`: pip install 'plait[otel]'") from error
    try:
        return get_tracer("plait", version("plait"), provider)
    except PackageNotFoundError:  # it runs from a folder
        return get_tracer("plait", tracer_provider=provider)


def _begun(run: Run, tracer: Tracer, around: Context | None) -> Span:
    from opentelemetry.trace import SpanKind

    return tracer.start_span(
        span_name(run),
        around,
        SpanKind.CLIENT if is_remote(run) else SpanKind.INTERNAL,
        request(run),
        start_time=_nanoseconds(run.start_time),
        record_exception=False,
        set_status_on_exception=False,
    )


def _nanoseconds(moment: float | None) -> int | None:
    return None if moment is None else int(moment * 1e9)


def _streamed(run: Run, known: _Open) -> dict[str, Any]:
    if known.first_chunk is None:
        return {}
    waited = max(known.first_chunk - run.start_time, 0.0)
    return {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": waited}


def _record(span: Span, error: BaseException, moment: int | None) -> None:
    """An exception event as the SDK would write it, but without what messages and notes may give away."""
    from opentelemetry.trace import Status, StatusCode

    failure = failure_of(error, _MESSAGE)
    frames = traceback.format_tb(error.__traceback__, limit=-_FRAMES)
    facts = {
        "exception.type": failure.type,
        "exception.message": failure.message,
        "exception.stacktrace": masked("".join(frames)),
    }
    span.add_event("exception", facts, moment)
    span.set_attribute("error.type", failure.type)
    span.set_status(Status(StatusCode.ERROR, _summary(failure)))


def _summary(failure: Failure) -> str:
    return f"{failure.type}: {printable(failure.message)}"

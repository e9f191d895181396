"""Where a stream stops, before anything runs: what each step does with the chunks that reach it, and why.

A step passes chunks on as they are, works chunk by chunk, or waits for the whole of its input: then it is a *barrier*,
unless it gives its own output in chunks again, as a model does. A barrier before such a step does no harm.

Only the hooks of a node are asked (``_identity``, ``_each``, ``_barrier``, ``_gathers``, ``_anatomy``); what a user's
generator does inside is not known, and trusted to stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from plait.anatomy import Part
from plait.graphs.labels import clipped, width_in_cells
from plait.graphs.parts import MOST, Walk, anatomy_of, kind_of, name_of, walked

__all__ = ["StreamReport", "StreamStep", "Verdict", "stream_report"]

Verdict = Literal["pass-through", "incremental", "barrier"]

_SHOWN: Final = 60
"""Rows of a table; of a longer chain the first, the last, and those around where the stream stops."""
_NAME: Final = 60  # characters


class StreamStep(NamedTuple):
    """What one step does with a stream.

    ``path`` is its place, such as ``3`` or ``2.context.1``; ``gathers`` says that it waits for the whole of its input,
    ``harmless_before`` which step starts a new stream after this barrier.
    """

    path: str
    name: str
    verdict: Verdict
    why: str
    advice: str = ""
    gathers: bool = False
    harmless_before: str | None = None


@dataclass(frozen=True, repr=False)
class StreamReport:
    """What the steps of a chain do with a stream, in their order.

    ``stop`` is the step after which nothing comes until it is done, if the consumer feels it; ``first_chunk_from`` is
    the name of the step that the first chunk of the output comes from: all before it have ended by then. ``gives``
    says how the output comes: in one chunk, in the same chunks as the input, or in many even for an input of one.
    """

    steps: tuple[StreamStep, ...]
    stop: StreamStep | None
    first_chunk_from: str
    gives: Literal["one", "same", "many"]

    @property
    def stops_at(self) -> str | None:
        """The name of the step where the stream stops."""
        return None if self.stop is None else self.stop.name

    def __str__(self) -> str:
        rows = [("", "step", "stream", ""), *_rows(self)]
        widths = [max(width_in_cells(row[column]) for row in rows) for column in range(3)]
        return "\n".join([_summary(self), "", *("  ".join(_padded(row, widths)).rstrip() for row in rows)])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from html import escape  # only notebooks need it

        style = ' style="text-align:left"'
        rows = "".join(
            "<tr>" + "".join(f"<td{style}>{escape(cell)}</td>" for cell in row) + "</tr>" for row in _rows(self)
        )
        head = "".join(f"<th{style}>{title}</th>" for title in ("", "step", "stream", "why"))
        return f"<p>{escape(_summary(self))}</p><table><tr>{head}</tr>{rows}</table>"


def stream_report(node: Any) -> StreamReport:
    """The report on a runnable; nothing is run."""
    planner = _Planner()
    flow = walked(planner.flow("", node, node))
    stop = None if flow.stop is None else planner.steps[flow.stop]
    return StreamReport(tuple(planner.steps), stop, flow.origin, flow.gives)


# ------------------------------------------------------------------------------------------------------------- showing


def _summary(report: StreamReport) -> str:
    if report.stop is not None:
        stop = report.stop
        advice = f" To stream: {stop.advice}." if stop.advice else ""
        return f"The stream stops at {_shown_name(stop)} ({_line(stop.path)}): {stop.why}.{advice}"
    if report.gives == "same":
        return "The output comes in the same chunks as the input."
    return f"The output streams; its first chunk comes from {_line(report.first_chunk_from)}."


def _line(text: str) -> str:
    return clipped(text, _NAME)


def _shown_name(step: StreamStep) -> str:
    return _line(step.name.removeprefix("Runnable") or step.name)


def _rows(report: StreamReport) -> Iterator[tuple[str, str, str, str]]:
    before = -1
    for number in _bounded(report):
        if number > before + 1:
            yield "…", f"{number - before - 1} more", "", ""
        yield _row(report.steps[number], report.steps[number] == report.stop)
        before = number


def _row(step: StreamStep, stops: bool) -> tuple[str, str, str, str]:
    why = step.why
    if step.harmless_before is not None:
        why += f"; no harm: {_line(step.harmless_before)} starts a new stream"
    return _line(step.path), _shown_name(step), f"{step.verdict}{' <- stops here' if stops else ''}", why


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for cell, width in zip(row, widths, strict=False):
        yield cell + " " * (width - width_in_cells(cell))
    yield row[-1]


def _bounded(report: StreamReport) -> Sequence[int]:
    """The numbers of the rows that are shown."""
    count = len(report.steps)
    if count <= _SHOWN:
        return range(count)
    third = _SHOWN // 3
    at = count if report.stop is None else report.steps.index(report.stop)
    around = range(max(0, at - third // 2), min(count, at + third // 2))
    return sorted({*range(third), *around, *range(count - third, count)})


# ------------------------------------------------------------------------------------------------------------- deciding


class _Flow(NamedTuple):
    """How a node, with all that is in it, treats a stream.

    ``gathers``: nothing comes out before all has come in. ``gives``: one chunk; as many as come in; or many, even for
    one. ``origin``: the step that its first chunk comes from. ``stop`` is the row of the barrier that is felt at its
    end, ``stop_if_fed`` the same where what comes in is a stream already. ``restarts``: a stream begins within.
    """

    gathers: bool
    gives: Literal["one", "same", "many"]
    origin: str
    stop: int | None = None
    stop_if_fed: int | None = None
    restarts: bool = False


class _Planner:
    """Collects the rows; ``called`` is what a node is named after: the outermost wrapper of it, or itself."""

    def __init__(self) -> None:
        self.steps: list[StreamStep] = []
        self._open: set[int] = set()

    def flow(self, path: str, node: Any, called: Any) -> Walk[_Flow]:
        kind, parts = anatomy_of(node)
        if kind == "leaf":
            return self._leaf(path, node, called)
        if id(node) in self._open or len(self.steps) > MOST:
            return self._unopened(path, called)
        self._open.add(id(node))
        found: _Flow = yield getattr(self, f"_{kind}")(path, node, called, parts)
        self._open.discard(id(node))
        return found

    def _put(self, path: str, called: Any, flow: _Flow, why: str, advice: str = "") -> int:
        verdict = _verdict(flow, called)
        name = name_of(called)
        self.steps.append(
            StreamStep(path or "1", name, verdict, why, advice if verdict == "barrier" else "", flow.gathers)
        )
        return len(self.steps) - 1

    # ------------------------------------------------------------------------------------------------------------ kinds

    def _leaf(self, path: str, node: Any, called: Any) -> _Flow:
        flow = _leaf_flow(node, name_of(called))
        row = self._put(path, called, flow, *_reason(node, flow))
        return flow._replace(stop=row, stop_if_fed=row) if flow.gives == "one" else flow

    def _unopened(self, path: str, called: Any) -> _Flow:
        """What contains itself, or is one of too many: its hooks may look as deep as it is."""
        flow = _Flow(False, "many", name_of(called))
        self._put(path, called, flow, "it is not looked into here, and trusted to stream")
        return flow

    def _wrapper(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        inner: _Flow = yield self.flow(path, parts[0].node, called)
        return inner._replace(gathers=inner.gathers or _gathers(node))

    def _sequence(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        flows: list[_Flow] = []
        rows: list[range] = []
        for place, part in enumerate(parts, 1):
            start = len(self.steps)
            flows.append((yield self.flow(_below(path, str(place)), part.node, part.node)))
            rows.append(range(start, len(self.steps)))
        self._forgive(flows, rows)
        return _in_a_row(flows)

    def _forgive(self, flows: Sequence[_Flow], rows: Sequence[range]) -> None:
        """Note at each barrier which step after it starts a new stream."""
        producer: str | None = None
        for flow, within in zip(reversed(flows), reversed(rows), strict=True):
            for row in within if producer is not None else ():
                step = self.steps[row]
                if step.verdict == "barrier" and step.harmless_before is None:
                    self.steps[row] = step._replace(harmless_before=producer, advice="")
            if flow.gives == "many":
                producer = flow.origin

    def _parallel(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        row = self._put(path, called, _Flow(False, "same", ""), "")
        flows: list[_Flow] = yield self._each_of(path, parts)
        whole = all(flow.gathers for flow in flows)
        gives = _most([flow.gives for flow in flows])
        return self._settle(row, _Flow(whole, gives, name_of(called)), _why_parallel(whole, gives))

    def _assign(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        row = self._put(path, called, _Flow(False, "same", ""), "")
        flows: list[_Flow] = yield self._each_of(path, parts)
        gives = _most(["same", *(flow.gives for flow in flows)])
        why = "what comes in goes on as it comes, and the new keys among it"
        return self._settle(row, _Flow(False, gives, name_of(called)), why)

    def _choice(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        row = self._put(path, called, _Flow(False, "same", ""), "")
        flows: list[_Flow] = yield self._each_of(path, parts)
        waits = _gathers(node)
        worst = next((flow for flow in flows if flow.gives == "one" or (waits and flow.gives == "same")), None)
        gives = "one" if worst is not None else _most([flow.gives for flow in flows])
        flow = _Flow(waits or all(flow.gathers for flow in flows), gives, name_of(called))
        why, advice = _why_choice(node, waits)
        return _with_stop_of(worst, self._settle(row, flow, why, advice), waits)

    def _fallback(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        row = self._put(path, called, _Flow(False, "same", ""), "")
        flows: list[_Flow] = yield self._each_of(path, parts)
        self._settle(row, flows[0], "it streams as the first of them does; the others take its place where it fails")
        return flows[0]._replace(origin=name_of(called))

    def _map(self, path: str, node: Any, called: Any, parts: Sequence[Part]) -> Walk[_Flow]:
        yield from ()
        piece = bool(getattr(parts[0].node, "_vectorised", False))
        why = "it needs the whole list" + ("" if piece else ", and gives one output after the other")
        row = self._put(path, called, _Flow(True, "one" if piece else "many", ""), why)
        return self._settle(row, _Flow(True, "one" if piece else "many", name_of(called)), why)

    def _each_of(self, path: str, parts: Sequence[Part]) -> Walk[list[_Flow]]:
        flows: list[_Flow] = []
        for part in parts:
            flow: _Flow = yield self.flow(_below(path or "1", part.label), part.node, part.node)
            flows.append(flow)
        return flows

    def _settle(self, row: int, flow: _Flow, why: str, advice: str = "") -> _Flow:
        """Fill in the row of a node whose parts had to be seen first."""
        verdict = _verdict(flow)
        step = self.steps[row]
        self.steps[row] = step._replace(
            verdict=verdict, why=why, advice=advice if verdict == "barrier" else "", gathers=flow.gathers
        )
        return flow._replace(stop=row, stop_if_fed=row) if flow.gives == "one" else flow


def _below(path: str, label: str) -> str:
    return f"{path}.{label}" if path else label


def _verdict(flow: _Flow, node: Any = None) -> Verdict:
    if flow.gathers and flow.gives == "one":
        return "barrier"
    return "pass-through" if getattr(node, "_identity", False) else "incremental"


def _most(gives: Sequence[Literal["one", "same", "many"]]) -> Literal["one", "same", "many"]:
    """Of several streams that come together, what the liveliest gives."""
    if "many" in gives:
        return "many"
    return "same" if "same" in gives else "one"


def _with_stop_of(worst: _Flow | None, flow: _Flow, waits: bool) -> _Flow:
    """A choice stops the stream itself by waiting, or one of what it chooses from does."""
    if worst is None:
        return flow
    stop = flow.stop if worst.gives == "same" else worst.stop
    if_fed = flow.stop if waits and not worst.restarts else worst.stop_if_fed
    return flow._replace(stop=stop, stop_if_fed=if_fed, restarts=worst.restarts)


def _in_a_row(flows: Sequence[_Flow]) -> _Flow:
    gathering = [flow for flow in flows if flow.gathers]
    origin = gathering[-1].origin if gathering else flows[0].origin
    gives: Literal["one", "same", "many"] = "same"
    for flow in flows:
        gives = gives if flow.gives == "same" else flow.gives
    stop, if_fed = (_felt(flows, fed) if gives == "one" else None for fed in (False, True))
    restarts = any(flow.restarts or flow.gives == "many" for flow in flows)
    return _Flow(bool(gathering), gives, origin, stop, if_fed, restarts)


def _felt(flows: Sequence[_Flow], fed: bool) -> int | None:
    """The row where the stream stops: the first barrier after it began, or the last where it never began."""
    stop: int | None = None
    for flow in flows:
        if flow.gives == "many":
            stop, fed = None, True
        elif flow.gives == "one" and (stop is None or not fed):
            stop = flow.stop_if_fed if fed else flow.stop
    return stop


# ------------------------------------------------------------------------------------------------------------ one node


def _gathers(node: Any) -> bool:
    try:
        return bool(getattr(node, "_gathers", False) or getattr(node, "_barrier", False))
    except RecursionError:  # a node asks what is in it, which may be very deep; its parts are asked anyway
        return False


def _leaf_flow(node: Any, name: str) -> _Flow:
    if _is_one_to_one(node):
        return _Flow(False, "same", name)
    if getattr(node, "_barrier", False) or not _model_streams(node):
        return _Flow(True, "one", name)
    return _Flow(_gathers(node), "many", name)


def _is_one_to_one(node: Any) -> bool:
    """Whether a node gives at most one chunk for each that comes in."""
    if getattr(node, "_identity", False) or getattr(node, "_each", None) is not None or kind_of(node) == "passthrough":
        return True
    kinds: tuple[str | None, ...] = getattr(node, "_kinds", ())
    return getattr(node, "chunkwise", False) is True and "gen" not in kinds and "agen" not in kinds


def _model_streams(node: Any) -> bool:
    """Whether a node is no model, or one that can give its answer in chunks."""
    gives: Callable[[str], bool] | None = getattr(node, "_gives", None)
    if kind_of(node) != "model" or gives is None:
        return True
    return getattr(node, "disable_streaming", False) is not True and (gives("_stream") or gives("_astream"))


_BARRIERS: Final = {
    # kind: (why it waits, what to do about it)
    "function": (
        "a plain function is called once, with the whole of its input",
        "say RunnableLambda(f, chunkwise=True) if f(a) + f(b) is f(a + b), or write a generator over the chunks",
    ),
    "prompt": ("a prompt needs all of its values", ""),
    "model": ("this model gives its answer in one piece", "take a model whose class has _stream, with streaming on"),
    "parser": (
        "this parser reads the whole text",
        "derive it from BaseTransformOutputParser, if it can read a text piece by piece",
    ),
    "retriever": ("a retriever searches for the whole question", ""),
    "tool": ("a tool is called with all of its arguments", ""),
}
_PRODUCERS: Final = {
    "function": "a generator that is called with the whole of its input, and then gives chunk after chunk",
    "model": "a model reads its whole prompt, and then gives its answer as it is made",
}


def _reason(node: Any, flow: _Flow) -> tuple[str, str]:
    """Why a node does with a stream what it does, and what to do about it."""
    kind = kind_of(node)
    if getattr(node, "_identity", False):
        return "every chunk goes on as it is", ""
    if flow.gathers and flow.gives == "one":
        return _BARRIERS.get(kind) or _of_a_class(node)
    if flow.gathers:
        return _PRODUCERS.get(kind, "it reads the whole of its input, and then gives chunk after chunk"), ""
    if flow.gives == "same":
        return "it works chunk by chunk", ""
    return (
        "a generator over chunks gives what it yields, as it yields"
        if kind == "function"
        else "it works on the chunks as they come"
    ), ""


def _of_a_class(node: Any) -> tuple[str, str]:
    name = type(node).__name__
    return (
        f"{name} has no transform of its own, so it is called once, with the whole of its input",
        f"give {name} a transform (and an atransform) that yields while it reads",
    )


def _why_parallel(whole: bool, gives: str) -> str:
    if whole and gives == "one":
        return "every branch needs the whole of its input, and gives one piece"
    return "each branch gives its chunks as they come"


def _why_choice(node: Any, waits: bool) -> tuple[str, str]:
    if name_of(node).startswith("RunnableConfigurableAlternatives"):
        return "the config decides, and what is chosen gets the stream as it comes", ""
    if not waits:
        return "the first chunk decides, and what is chosen gets the rest as it comes", ""
    if name_of(node).startswith("RouterRunnable"):
        return "the key may be in any chunk, so all are read", ""
    return (
        "its conditions see the whole of the input before one is chosen",
        "use conditions that can tell from the first chunk: RunnableLambda(condition, chunkwise=True)",
    )

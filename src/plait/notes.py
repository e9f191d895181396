"""Where an exception came from: one bounded note on the user's own exception, and a traceback without our frames.

Nothing of this runs before something has failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import length_hint
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, NamedTuple, Self

__all__ = [
    "NOTHING",
    "alternative_of",
    "attempt_of",
    "branch_of",
    "culprit",
    "frames_of",
    "inherit",
    "place",
    "position_of",
    "trim",
    "values_in",
    "whereabouts",
]

_PARTS: Final = 12
"""Of how many nodes, one in another, a note tells; more of them would hide what matters."""

_NAME: Final = 80  # characters of one name

NOTHING: Final[Any] = object()


class _Place(str):
    """The note itself: what is printed, and what it was made of, for the next node that the exception passes."""

    __slots__ = ("parts", "shown")

    parts: tuple[str, ...]
    shown: str

    def __new__(cls, parts: tuple[str, ...], shown: str) -> Self:
        note = super().__new__(cls, "plait: " + ", in ".join(parts) + shown)
        note.parts = parts
        note.shown = shown
        return note

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def place(error: BaseException, where: str, value: Any = NOTHING) -> None:
    """Note on ``error`` that it passed ``where``, and on the first such note the start of ``value``, its input."""
    trim(error)
    notes: list[Any] = list(getattr(error, "__notes__", ()))
    old = note_of(error)
    if old is None:
        note = _Place((where,), "" if value is NOTHING else f"\nplait: its input was {_glimpse(value)}")
    else:
        passed = old.parts if old.parts[-1] == where else (*old.parts, where)  # it may be raised again
        note = _Place(_bounded(passed), old.shown)
    rest = [each for each in notes if each is not old]
    with suppress(Exception):  # an exception whose class forbids it goes without
        error.__notes__ = [*rest, note]


def whereabouts(error: BaseException) -> str | None:
    """The innermost place that ``error`` has passed, as its note says."""
    note = note_of(error)
    return None if note is None else note.parts[0]


def inherit(error: BaseException, cause: BaseException) -> None:
    """Let ``error`` go on with the note of ``cause``, which it takes the place of."""
    note = note_of(cause)
    if note is not None:
        error.add_note(note)


def note_of(error: BaseException) -> _Place | None:
    """The note that says where ``error`` came from, if there is one."""
    notes: list[Any] = list(getattr(error, "__notes__", ()))
    return next((note for note in notes if isinstance(note, _Place)), None)


def _bounded(parts: tuple[str, ...]) -> tuple[str, ...]:
    if len(parts) <= _PARTS:
        return parts
    return (*parts[: _PARTS // 2], "…", *parts[-(_PARTS // 2) + 1 :])


def _glimpse(value: Any) -> str:
    from plait.redaction import glimpse  # only who fails needs it

    return glimpse(value)


def position_of(name: str, number: int, count: int, whole: str) -> str:
    """How a step is called in a note; ``number`` counts from 1."""
    return f"{_short(name)}, step {number} of {count} of {_short(whole)}"


def branch_of(name: str, whole: str) -> str:
    """How a branch is called in a note."""
    return f"branch {_short(name)} of {_short(whole)}"


def attempt_of(number: int, count: int, whole: str, why: str = "") -> str:
    """How an attempt is called in a note; ``why`` says why it was the last one before its time."""
    return f"attempt {number} of {count} of {_short(whole)}" + (f" ({why})" if why else "")


def alternative_of(number: int, count: int, whole: str, why: str = "") -> str:
    """How one of several alternatives is called in a note; the first is 1."""
    return f"alternative {number} of {count} of {_short(whole)}" + (f" ({why})" if why else "")


def _short(name: str) -> str:
    return repr(name if len(name) <= _NAME else name[: _NAME - 1] + "…")


# -------------------------------------------------------------------------------------------------- whose fault it was


def frames_of(streams: Iterable[Any]) -> list[FrameType | None]:
    """The frames in which generators will run, by which a traceback tells later which of them has failed."""
    return [getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None) for stream in streams]


def culprit(error: BaseException, frames: Sequence[FrameType | None]) -> int | None:
    """Which of the frames the exception came from: the one that is deepest in its traceback."""
    found, trace = None, error.__traceback__
    while trace is not None:
        for index, frame in enumerate(frames):
            if frame is trace.tb_frame:
                found = index
        trace = trace.tb_next
    return found


class Seen(NamedTuple):
    """What the frame of a failed stage still knows: its input, and how many steps of it were done."""

    value: Any
    passed: int


def values_in(error: BaseException, frame: FrameType) -> Seen:
    """What is known of the work that failed in ``frame``: from it, or from ours between it and the user's code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame is not frame:
        trace = trace.tb_next
    if trace is not None and trace.tb_next is not None and "attempts" in frame.f_locals:
        trace = trace.tb_next  # what may begin anew is one frame further down
        frame = trace.tb_frame
    value, passed = NOTHING, _passed(frame)
    while value is NOTHING and trace is not None and _is_ours(trace):
        value, trace = _input_in(trace.tb_frame), trace.tb_next
    return Seen(value, passed)


def _passed(frame: FrameType) -> int:
    calls, pending = frame.f_locals.get("calls"), frame.f_locals.get("pending")
    return 0 if calls is None or pending is None else len(calls) - length_hint(pending) - 1


def _input_in(frame: FrameType) -> Any:
    known = frame.f_locals
    if "watch" in known:
        return known["watch"].seen()
    values = (known[name] for name in ("value", "input") if name in known)
    return next((value for value in values if not hasattr(value, "throw")), NOTHING)  # and not a stream of it


def trim(error: BaseException) -> None:
    """Take plait's own frames out of a traceback, but for the first, which catches it here, and the last."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        if trace.tb_next.tb_next is not None and _is_ours(trace.tb_next):
            trace.tb_next = trace.tb_next.tb_next
        else:
            trace = trace.tb_next


def _is_ours(trace: TracebackType) -> bool:
    code: CodeType = trace.tb_frame.f_code
    return code.co_filename.startswith(_HOME)


_HOME: Final = __file__.removesuffix("notes.py")

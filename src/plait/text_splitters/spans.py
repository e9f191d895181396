"""Where to cut a text: pieces between separators, put together again until a chunk is full.

A span is ``(start, end)`` in one text, so a chunk is always a slice of it. All of it is linear in the text: each
separator is looked for once, each piece enters and leaves a chunk once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = ["Keep", "Rules", "Span", "split", "stripped"]

Span: TypeAlias = tuple[int, int]
Keep: TypeAlias = bool | Literal["start", "end"]

EVERY_CHARACTER: Final = ""
"""The separator after which nothing is left to try: it stands between all characters."""


class Rules(NamedTuple):
    """How a text is cut."""

    separators: Sequence[str]
    size: int
    overlap: int
    length: Callable[[str], int] = len
    keep: Keep = True
    regex: bool = False


def split(text: str, rules: Rules) -> Iterator[Span]:
    """The chunks of a text; one is longer than ``size`` only if no separator cuts it."""
    return _split(text, (0, len(text)), [*rules.separators], rules)


def stripped(text: str, span: Span) -> Span | None:
    """The span without white space at its ends; None if nothing is left."""
    chunk = text[span[0] : span[1]]
    start = span[0] + len(chunk) - len(chunk.lstrip())
    end = start + len(chunk.strip())
    return (start, end) if start < end else None


def _split(text: str, span: Span, separators: list[str], rules: Rules) -> Iterator[Span]:
    """Chunks of a part: pieces that fit are put together, others are cut by the separators that follow."""
    pieces, rest = _pieces(text, span, separators, rules)
    if pieces is None:
        yield from _characters(text, span, rules)
        return
    fitting: list[Span] = []
    for piece in pieces:
        if rules.length(text[piece[0] : piece[1]]) <= rules.size:
            fitting.append(piece)
            continue
        yield from _merged(text, fitting, rules)
        fitting = []
        if rest:
            yield from _split(text, piece, rest, rules)
        else:
            yield piece
    yield from _merged(text, fitting, rules)


def _pieces(text: str, span: Span, separators: list[str], rules: Rules) -> tuple[list[Span] | None, list[str]]:
    """The part cut by the first separator that occurs in it, and the separators that follow; None for characters."""
    for number, separator in enumerate(separators):
        if separator == EVERY_CHARACTER:
            return None, []
        found = _occurrences(text, span, separator if rules.regex else re.escape(separator))
        if found:
            return _between(span, found, rules.keep), separators[number + 1 :]
    return [span] if span[0] < span[1] else [], []


def _occurrences(text: str, span: Span, pattern: str) -> list[Span]:
    return [match.span() for match in re.compile(pattern).finditer(text, *span)]


def _between(span: Span, found: list[Span], keep: Keep) -> list[Span]:
    """What lies between separators, each with the one before it, the one after it, or without."""
    if not keep:
        starts, ends = [span[0], *(end for _, end in found)], [*(start for start, _ in found), span[1]]
        cut = list(zip(starts, ends, strict=True))
    else:
        cut = list(pairwise([span[0], *(each[keep == "end"] for each in found), span[1]]))
    return [(start, end) for start, end in cut if start < end]


def _merged(text: str, pieces: list[Span], rules: Rules) -> Iterator[Span]:
    """Pieces put together as far as they fit; a chunk begins with the last pieces of the one before, for the overlap."""
    sums = _sums(text, pieces, rules.length)
    first = 0
    for place in range(len(pieces)):
        if place > first and _size(sums, first, place) > rules.size:
            yield from _sure(text, pieces[first:place], rules)
            while first < place and (
                _size(sums, first, place - 1) > rules.overlap or _size(sums, first, place) > rules.size
            ):
                first += 1
    if first < len(pieces):
        yield from _sure(text, pieces[first:], rules)


def _sums(text: str, pieces: list[Span], length: Callable[[str], int]) -> list[tuple[int, int]]:
    """For each piece the length of all before it, with what lies between, and that with itself."""
    sums: list[tuple[int, int]] = []
    if length is len:
        return pieces
    total = 0
    for number, (start, end) in enumerate(pieces):
        between = length(text[pieces[number - 1][1] : start]) if number and pieces[number - 1][1] < start else 0
        size = length(text[start:end])
        sums.append((total + between, total + between + size))
        total += between + size
    return sums


def _size(sums: list[tuple[int, int]], first: int, last: int) -> int:
    return sums[last][1] - sums[first][0]


def _sure(text: str, pieces: list[Span], rules: Rules) -> Iterator[Span]:
    """One chunk, or halves of it where the length of the whole is more than that of its parts."""
    span = (pieces[0][0], pieces[-1][1])
    if rules.length is len or len(pieces) == 1 or rules.length(text[span[0] : span[1]]) <= rules.size:
        yield span
        return
    half = len(pieces) // 2
    yield from _sure(text, pieces[:half], rules)
    yield from _sure(text, pieces[half:], rules)


def _characters(text: str, span: Span, rules: Rules) -> Iterator[Span]:
    """Chunks of a part that nothing cuts: as many characters as fit."""
    start, end = span
    if rules.length is len:
        while start < end:
            stop = min(start + rules.size, end)
            yield start, stop
            start = stop if stop == end else stop - rules.overlap
        return
    stop = start
    while stop < end:
        if (further := _furthest(text, start, end, rules)) <= stop:  # with the overlap no other character fits
            start, further = stop, _furthest(text, stop, end, rules)
        yield start, further
        start, stop = _overlapping(text, start, further, rules), further


def _overlapping(text: str, start: int, stop: int, rules: Rules) -> int:
    """Where the longest end of a chunk begins that may be repeated; after the start of the chunk."""
    low, high = start + 1, stop
    while low < high:
        middle = (low + high) // 2
        if rules.length(text[middle:stop]) <= rules.overlap:
            high = middle
        else:
            low = middle + 1
    return low


def _furthest(text: str, start: int, end: int, rules: Rules) -> int:
    """Where the longest chunk from ``start`` ends that fits; at least one character further."""
    step = 1
    while start + step < end and rules.length(text[start : start + step]) <= rules.size:
        step *= 2
    low, high = start + 1, min(start + step, end)
    while low < high:
        middle = (low + high + 1) // 2
        if rules.length(text[start:middle]) <= rules.size:
            low = middle
        else:
            high = middle - 1
    return low

"""How lines get from one row to the next with right angles only: each bend lies on a track between the rows.

Lines that share their upper end, or else their lower end, share a track: they are drawn as one line that forks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from plait.graphs.ports import Step

__all__ = ["on_tracks"]


Key = tuple[bool, int, bool]
"""Of a bundle: whether it is named by its upper end, that end, and whether its lines lead back up."""


class _Bundle:
    """Pieces that share a track: which columns they come from and go to, and what their track must lie below."""

    __slots__ = ("ends", "starts", "track")

    def __init__(self) -> None:
        self.starts: set[int] = set()
        self.ends: set[int] = set()
        self.track = 0

    @property
    def span(self) -> tuple[int, int]:
        columns = self.starts | self.ends
        return min(columns), max(columns)


def on_tracks(steps: Sequence[Step]) -> tuple[list[int | None], int]:
    """The track of each step, counted from the top (None: it is straight and its bundle too), and how many there are."""
    bundles, keys = _bundled(steps)
    tracks: list[list[_Bundle]] = []
    for bundle in _ordered(list(bundles.values())):
        bundle.track = _free(bundle, tracks)
        tracks += [[]] if bundle.track == len(tracks) else []
        tracks[bundle.track].append(bundle)
    return [bundles[key].track if key in bundles else None for key in keys], len(tracks)


def _bundled(steps: Sequence[Step]) -> tuple[dict[Key, _Bundle], list[Key]]:
    """The bundles that have a bend somewhere, by key, and the key of each step's bundle."""
    forks = Counter((step.above, step.turned) for step in steps)
    keys: list[Key] = [_key(step, forks[step.above, step.turned] > 1) for step in steps]
    bent = {key for key, step in zip(keys, steps, strict=True) if step.start != step.end}
    bundles: dict[Key, _Bundle] = {key: _Bundle() for key in keys if key in bent}
    for key, step in zip(keys, steps, strict=True):
        if key in bundles:
            bundles[key].starts.add(step.start)
            bundles[key].ends.add(step.end)
    return bundles, keys


def _key(step: Step, forks: bool) -> Key:
    return (forks, step.above if forks else step.below, step.turned)


def _ordered(bundles: list[_Bundle]) -> list[_Bundle]:
    """From the top to the bottom: who leaves a column bends before somebody else arrives in it, as far as that goes."""
    arriving: dict[int, list[_Bundle]] = {}
    for bundle in bundles:
        for column in bundle.ends:
            arriving.setdefault(column, []).append(bundle)
    waits = dict.fromkeys(bundles, 0)
    after: dict[_Bundle, list[_Bundle]] = {bundle: _lower(bundle, arriving) for bundle in bundles}
    for lower in after.values():
        for bundle in lower:
            waits[bundle] += 1
    ready = sorted((bundle for bundle in bundles if not waits[bundle]), key=lambda bundle: bundle.span)
    done: list[_Bundle] = []
    for bundle in ready:  # grows while it is read
        done.append(bundle)
        for other in after[bundle]:
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    placed = set(done)
    return done + [bundle for bundle in bundles if bundle not in placed]  # those that wait for each other


def _lower(bundle: _Bundle, arriving: dict[int, list[_Bundle]]) -> list[_Bundle]:
    columns = bundle.starts - bundle.ends
    return [other for column in sorted(columns) for other in arriving.get(column, []) if other is not bundle]


def _free(bundle: _Bundle, tracks: Sequence[Sequence[_Bundle]]) -> int:
    """The highest track on which there is room, below those that this bundle has to leave above it."""
    low, high = bundle.span
    lowest = 0
    for number, track in enumerate(tracks):
        if any(other.starts & bundle.ends for other in track):
            lowest = number + 1
    for number in range(lowest, len(tracks)):
        if all(high < other.span[0] or other.span[1] < low for other in tracks[number]):
            return number
    return len(tracks)

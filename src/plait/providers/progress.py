"""How far long work has come, told to whoever wants to know."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock
from typing import TypeAlias

from plait.errors import MissingExtraError

__all__ = ["Progress", "reporting"]

Progress: TypeAlias = bool | Callable[[int, int], object]
"""True: a bar on stderr, by rich; a function: called with how much is done and how much there is, one call at a time."""

Advance: TypeAlias = Callable[[int], None]


@contextmanager
def reporting(to: Progress, total: int, what: str) -> Generator[Advance, None, None]:
    """Give the function that is to be told how much more is done; any thread may call it."""
    if to is False or not total:
        yield _to_nobody
    elif to is True:
        with _bar(total, what) as report:
            yield _counted(report, total)
    else:
        yield _counted(to, total)


def _to_nobody(_more: int) -> None:
    return


def _counted(report: Callable[[int, int], object], total: int) -> Advance:
    lock, done = Lock(), 0

    def advance(more: int) -> None:
        nonlocal done
        with lock:
            done += more
            report(done, total)

    return advance


@contextmanager
def _bar(total: int, what: str) -> Generator[Callable[[int, int], object], None, None]:
    try:
        from rich.console import Console
        from rich.progress import Progress as Bar
    except ImportError as error:
        raise MissingExtraError("show_progress=True draws with rich: pip install rich; or give a function") from error
    with Bar(console=Console(file=sys.stderr), auto_refresh=False) as bar:  # a refresh of its own would need a thread
        task = bar.add_task(what, total=total)
        yield lambda done, _total: bar.update(task, completed=done, refresh=True)

"""Several processes share one file, and what one has kept is there however it ends."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from plait.caches import SQLiteCache
from plait.errors import DeadlineError
from plait.language_models import FakeListChatModel
from plait.outputs import Generation

SOURCE = Path(__file__).parents[2] / "src"


def writer(path: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, Path(__file__).with_name("writing.py"), path, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(SOURCE)})


def killed(process: subprocess.Popen[str], after: int) -> int:
    """Kill the process when it has kept so many answers; the number of the last one of which it has told."""
    assert process.stdout is not None
    for _ in range(after):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    told = process.stdout.read().splitlines(keepends=True)
    process.stdout.close()
    process.wait()
    return after - 1 + sum(line.endswith("\n") for line in told)


def check(path: Path, name: str, last: int) -> None:
    """Everything that was told of is there; the one after it is there as a whole or not at all."""
    with SQLiteCache(path) as cache:
        for number in range(last + 1):
            assert cache.lookup(f"{name} {number}", "m") == [Generation(text=f"{name} {number} " * 50)]
        with cache._opened().reading() as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == (b"ok",)


def test_two_writers_and_a_kill(tmp_path: Path) -> None:
    """Two processes write into one file, which neither has made before, and are killed in the middle of it."""
    path = tmp_path / "a.db"
    writers = {name: writer(path, name) for name in ("one", "other")}
    for name, last in {name: killed(process, 20) for name, process in writers.items()}.items():
        check(path, name, last)


@pytest.mark.slow
def test_many_kills(tmp_path: Path) -> None:
    """Thirty times over, two at a time: nothing that was kept is lost, and the file always opens."""
    path = tmp_path / "a.db"
    for turn in range(30):
        names = [f"{turn} one", f"{turn} other"]
        writers = {name: writer(path, name) for name in names}
        for name, last in {name: killed(process, 5 + turn * 3) for name, process in writers.items()}.items():
            check(path, name, last)


def test_many_open_it_first(tmp_path: Path) -> None:
    """Processes that open a new file at the same moment do not get into each other's way."""
    path = tmp_path / "a.db"
    writers = [writer(path, str(number)) for number in range(6)]
    for number, process in enumerate(writers):
        check(path, str(number), killed(process, 1))


def test_a_fork_has_a_connection_of_its_own(tmp_path: Path) -> None:
    """A cache that was open when the process forked works in both, at the same time."""
    code = (
        "import os, sys\n"
        "from plait.caches import SQLiteCache\n"
        "from plait.outputs import Generation\n"
        "cache = SQLiteCache(sys.argv[1])\n"
        "cache.update('before', 'm', [Generation(text='a')])\n"
        "child = os.fork()\n"
        "for number in range(50):\n"
        "    assert cache.lookup('before', 'm')\n"
        "    cache.update(f'{bool(child)} {number}', 'm', [Generation(text='a')])\n"
        "if not child:\n"
        "    sys.exit()\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert all(cache.lookup(f'{side} {number}', 'm') for side in (True, False) for number in range(50))\n"
    )
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code, tmp_path / "a.db"],
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_locked_file_does_not_outlast_the_deadline(tmp_path: Path, colour: str) -> None:
    """A cache waits for another process no longer than the call that asks it may last."""
    cache = SQLiteCache(tmp_path / "a.db")
    model = FakeListChatModel(responses=["a"], cache=cache)
    begun = time.monotonic()
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # and so nobody else can write
        with pytest.raises(DeadlineError):
            if colour == "sync":
                model.invoke("x", {"timeout": 0.2})
            else:
                asyncio.run(model.ainvoke("x", {"timeout": 0.2}))
        other.execute("ROLLBACK")

    assert time.monotonic() - begun < 15  # of the 30 that it waits without a deadline
    assert model.invoke("x").content == "a"
    cache.close()

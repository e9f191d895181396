"""The nets of conftest hold: each catches the fault that it is for."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")
FAULTS = {
    "a task": (
        """
        async def test_it():
            asyncio.ensure_future(asyncio.sleep(60))
        """,
        "tasks were left behind",
    ),
    "a thread": (
        """
        def test_it():
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        """,
        "threads were left behind",
    ),
    "the environment": (
        """
        def test_it():
            os.environ["OPENAI_API_KEY"] = "changed"
        """,
        "the environment was changed",
    ),
    "an exception that nobody saw": (
        """
        async def test_it():
            asyncio.get_running_loop().create_future().set_exception(KeyError("unseen"))
        """,
        "was never retrieved",
    ),
    "the network": (
        """
        def test_it():
            try:
                socket.create_connection(("192.0.2.1", 80), timeout=1)
            except Exception:
                pass
        """,
        "reached for '192.0.2.1'",
    ),
    "a look-up": (
        """
        async def test_it():
            try:
                await asyncio.open_connection("plait.invalid", 80)
            except Exception:
                pass
        """,
        "reached for 'plait.invalid'",
    ),
    "a coroutine that was not awaited": (
        """
        def test_it():
            asyncio.sleep(1)
        """,
        "was never awaited",
    ),
    "a call in one of six modes": (
        """
        class Sloppy:
            async def ainvoke(self, input, config):
                asyncio.ensure_future(asyncio.sleep(60))
            invoke = stream = batch = None
        def test_it(run):
            if run.mode != "ainvoke":
                return
            run(Sloppy(), 1)
        """,
        "tasks were left behind",
    ),
}
INI = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""
CLEAN = """
    def test_it():
        assert not {"OPENAI_API_KEY", "https_proxy"} & set(os.environ)
        asyncio.run(debugged())
    async def debugged():
        assert asyncio.get_running_loop().get_debug()
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of all those tests, run together in a process that has a caller's key and proxy."""
    folder = tmp_path_factory.mktemp("faults")
    (folder / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "pytest.ini").write_text(INI, encoding="utf-8")
    for number, source in enumerate([source for source, _ in FAULTS.values()] + [CLEAN]):
        text = "import asyncio, os, socket, threading\n" + textwrap.dedent(source)
        (folder / f"test_{number}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--import-mode=importlib"]
    callers = {**os.environ, "OPENAI_API_KEY": "of the caller", "https_proxy": "of the caller"}
    done = subprocess.run(command, cwd=folder, env=callers, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("number", "message"), [(n, message) for n, (_, message) in enumerate(FAULTS.values())], ids=FAULTS
)
def test_fault_fails_the_test(outcome: str, number: int, message: str) -> None:
    """A test that leaves something behind, or leaves the machine, is an error that says so."""
    lines = [line for line in outcome.splitlines() if f"test_{number}.py::test_it" in line]

    assert any(line.startswith(("FAILED", "ERROR")) for line in lines), outcome
    assert message in outcome


def test_loops_are_debugged_and_keys_are_gone(outcome: str) -> None:
    """A new loop is in debug mode, and no key or proxy of the caller is seen."""
    assert f"PASSED test_{len(FAULTS)}.py::test_it" in outcome

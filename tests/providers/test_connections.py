"""Connections belong to their event loop, end with it, and are not inherited by a fork."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import openai
import pytest

from plait.providers import LocalServer
from plait.providers.connections import Connections

SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def connections() -> Connections:
    return Connections(lambda: (openai.DefaultHttpxClient, openai.DefaultAsyncHttpxClient))


async def _pools(connections: Connections) -> list[Any]:
    return [await connections.apool() for _ in range(3)]


async def test_a_loop_has_one_pool(connections: Connections) -> None:
    """Whoever asks on a loop gets the same pool, at the same time, too."""
    pools = await asyncio.gather(*(connections.apool() for _ in range(5)))

    assert len(set(map(id, pools))) == 1


def test_pool_ends_with_its_loop(connections: Connections) -> None:
    """When a loop has ended its pool is closed, and neither of them is kept."""
    with asyncio.Runner() as runner:
        [pool, *_] = runner.run(_pools(connections))
        loop = weakref.ref(runner.get_loop())
        assert not pool.is_closed
    del runner
    gc.collect()

    assert pool.is_closed
    assert loop() is None
    assert not connections._of_loops


def test_pool_of_a_loop_that_did_not_say_goodbye_is_dropped(connections: Connections) -> None:
    """A loop that was closed without shutting its generators down is forgotten when the next one comes."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(connections.apool())
    loop.close()
    asyncio.run(_pools(connections))

    assert not connections._of_loops


def test_threads_share_a_pool(connections: Connections) -> None:
    """Outside of event loops there is one pool."""
    assert connections.pool() is connections.pool()
    connections.pool().close()


CHILD = """
import os, sys
from plait.providers import ChatOpenAI
from plait.providers.openai import _CONNECTIONS
model = ChatOpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_tokens=2)
assert model.invoke("hi").content
pool = _CONNECTIONS.pool()
child = os.fork()
if child == 0:
    assert _CONNECTIONS.pool() is not pool
    assert model.invoke("hi").content
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert model.invoke("hi").content
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forks safely")
def test_forked_child_has_connections_of_its_own(local_server: LocalServer) -> None:
    """A child does not write into its parent's connections."""
    command = [sys.executable, "-c", CHILD, local_server.base_url, local_server.api_key]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    assert (done.stderr, done.returncode) == ("", 0)

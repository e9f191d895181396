"""Tools of an MCP server: a real one, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from plait.errors import ConfigError, DeadlineError, ToolException, ToolInputError
from plait.messages import ToolMessage
from plait.providers.mcp import MCPTools
from plait.runnables import RunnableLambda
from plait.tools import BaseTool

pytest.importorskip("mcp")
SERVER = [str(Path(__file__).with_name("mcp_server.py"))]


def served(**options: Any) -> MCPTools:
    return MCPTools(sys.executable, SERVER, **options)


@pytest.fixture
def tools() -> Iterator[dict[str, BaseTool]]:
    with served() as open_tools:
        yield {each.name: each for each in open_tools.tools}


def test_its_tools_are_called_like_any_others(tools: dict[str, BaseTool]) -> None:
    """With a dict or a model's call; structured content is the artifact."""
    add = tools["add"]
    assert (add.description, list(add.args)) == ("Add two numbers.", ["a", "b"])
    assert (add.invoke({"a": 2}), add.batch([{"a": 2}, {"a": 3}]), [*add.stream({"a": 4})]) == ("3", ["3", "4"], ["5"])
    call = {"type": "tool_call", "name": "add", "args": {"a": 2, "b": 2}, "id": "1"}
    assert add.invoke(call) == ToolMessage("4", artifact={"result": 4}, name="add", tool_call_id="1")


def test_what_goes_wrong_is_a_tool_exception(tools: dict[str, BaseTool]) -> None:
    """Wrong arguments, results beyond the bound, and a server that dies; each says what happened."""
    with pytest.raises(ToolInputError, match="'a' is missing"):
        tools["add"].invoke({})
    with pytest.raises(ToolException, match="expected integer"):
        tools["add"].invoke({"a": "x"})
    with pytest.raises(ToolException, match="at most 1000000 are taken"):
        tools["huge"].invoke({})
    for _ in range(2):
        with pytest.raises(ToolException, match="Connection closed"):
            tools["crash"].invoke({})


def test_pictures_are_blocks(tools: dict[str, BaseTool]) -> None:
    """As models take them."""
    assert tools["picture"].invoke({}) == [{"type": "image", "base64": "UE5H", "mime_type": "image/png"}]


def test_the_server_gets_no_secrets(tools: dict[str, BaseTool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this process's environment only what is harmless."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with served(env={"ASKED_FOR": "1"}, names=["environment"]) as open_tools:
        given = open_tools.tools[0].invoke({}).split()
    assert "ASKED_FOR" in given
    assert "OPENAI_API_KEY" not in given


def test_a_deadline_reaches_the_server(tools: dict[str, BaseTool], tmp_path: Path) -> None:
    """A call that takes too long is cancelled there, too, and the server serves on."""
    with pytest.raises(DeadlineError):
        tools["hang"].invoke({"mark": str(tmp_path / "sync")}, {"timeout": 0.3})
    assert tools["add"].invoke({"a": 1}) == "2"
    assert (tmp_path / "sync").exists()


async def test_async_code_does_not_wait_for_it(tmp_path: Path) -> None:
    """The same in an event loop."""
    async with served() as open_tools:
        by_name = {each.name: each for each in open_tools.tools}
        with pytest.raises(DeadlineError):
            await by_name["hang"].ainvoke({"mark": str(tmp_path / "async")}, {"timeout": 0.3})
        assert await by_name["add"].ainvoke({"a": 1}) == "2"
        assert (tmp_path / "async").exists()


def test_names_are_chosen_and_prefixed() -> None:
    """So that two servers do not get in each other's way; unknown names are told."""
    with served(names=["add"], prefix="sums.") as open_tools:
        assert [each.name for each in open_tools.tools] == ["sums_add"]
        kept = open_tools.tools[0]
        assert kept.invoke({"a": 1}) == "2"
    with pytest.raises(ToolException, match="is closed; call its tools inside"):
        kept.invoke({"a": 1})
    with pytest.raises(ToolException, match="has no tool 'sub'"), served(names=["sub"]):
        pass


def test_a_server_that_cannot_be_talked_to_is_told() -> None:
    """A missing program, one that says nothing, and neither a command nor a url."""
    with pytest.raises(ToolException, match="cannot be talked to"), MCPTools("no-such-program-here"):
        pass
    silent = MCPTools(sys.executable, ["-c", "import sys; sys.stdin.read()"], connect_timeout=0.5)
    with pytest.raises(ToolException, match="did not answer within"), silent:
        pass
    with pytest.raises(ConfigError, match="either a command to start or the url"):
        MCPTools()


def test_connecting_ends_when_the_call_does() -> None:
    """Not only when connect_timeout has passed; the program that was started has ended."""

    def connect(_: int) -> None:
        with MCPTools(sys.executable, ["-c", "import sys; sys.stdin.read()"], connect_timeout=1000):
            pass

    with pytest.raises(DeadlineError):
        RunnableLambda(connect).invoke(1, {"timeout": 0.3})


def a_free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def over_http() -> Iterator[str]:
    """The address of a server over HTTP on loopback, in a process of its own, once it listens."""
    port = a_free_port()
    with subprocess.Popen([sys.executable, *SERVER, str(port)]) as process:
        try:
            while process.poll() is None:
                with closing(socket.socket()) as asked:
                    if asked.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            process.terminate()


@pytest.mark.slow
def test_over_http(over_http: str) -> None:
    """A server that is reached by its URL has the same tools; a call of one is a call, sync and async."""
    with MCPTools(url=over_http) as server:
        tools = {each.name: each for each in server.tools}
        assert tools["add"].invoke({"a": 2, "b": 3}) == "5"
        assert asyncio.run(tools["add"].ainvoke({"a": 1})) == "2"
        with pytest.raises(ToolInputError, match="'a' is missing"):
            tools["add"].invoke({})


@pytest.mark.slow
def test_no_server_over_http() -> None:
    """Nobody listens: an error that says where, and soon."""
    with (
        pytest.raises(ToolException, match="MCP server"),
        MCPTools(url=f"http://127.0.0.1:{a_free_port()}/mcp", connect_timeout=5),
    ):
        pass

"""A server of tools that breaks the protocol: what it writes costs a call at most."""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from plait.errors import ToolException, ToolInputError
from plait.messages import AIMessage
from plait.providers.mcp import MCPTools
from plait.tools import BaseTool, ToolNode

pytest.importorskip("mcp")
LIAR = str(Path(__file__).with_name("mcp_liar.py"))


def liar(schema: Any = None, **options: Any) -> MCPTools:
    return MCPTools(sys.executable, [LIAR, json.dumps(schema or {"type": "object"})], **options)


@pytest.fixture(scope="module")
def tools() -> Iterator[dict[str, BaseTool]]:
    with liar() as server:
        yield {tool.name: tool for tool in server.tools}


def test_what_is_no_utf8_harms_nothing(tools: dict[str, BaseTool]) -> None:
    """The server greets with some."""
    assert tools["progress"].invoke({}) == "done"


def test_a_line_without_end_is_not_kept(tools: dict[str, BaseTool]) -> None:
    """What is longer than any result may be is dropped, and the next line is read."""
    assert tools["long"].invoke({}) == "done"


def test_a_result_is_held_to_what_the_server_promised(tools: dict[str, BaseTool]) -> None:
    """By its output schema."""
    with pytest.raises(ToolException, match="its own schema does not allow: n: expected integer"):
        tools["wrong"].invoke({})


def test_a_pattern_of_the_server_is_not_tried(tools: dict[str, BaseTool]) -> None:
    """This one would take for ever, and hold the whole process."""
    assert tools["pattern"].invoke({}) == "done"


def test_arguments_that_are_no_json_do_not_end_the_connection(tools: dict[str, BaseTool]) -> None:
    """Half a surrogate pair, as a model may write it, is a wrong argument."""
    schema = {"type": "object", "properties": {"x": {}}}
    with liar(schema) as server:
        tool = server.tools[0]
        with pytest.raises(ToolInputError, match="cannot be sent as JSON"):
            tool.invoke({"x": json.loads(r'"\ud800"')})
        assert tool.invoke({"x": 1}) == "done"


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "object", "properties": None}, "'properties' must be an object"),
        ({"type": "object", "properties": {"x": {"minimum": "z"}}}, "x: 'minimum' must be a number"),
        ({"type": "object", "properties": {"x": {"items": {"required": [{}]}}}}, "'required' must be a list of names"),
        ({"type": "object", "properties": {"x": {"anyOf": 3}}}, "'anyOf' must be a list"),
    ],
)
def test_what_is_no_schema_is_told_at_once(schema: Any, said: str) -> None:
    """Not at each call."""
    with pytest.raises(ToolException, match=said), liar(schema):
        pass


def test_progress_is_told() -> None:
    """With the name of the tool, what is done, what there is, and a message."""
    told: list[Any] = []
    with liar(on_progress=lambda *each: told.append(each)) as server:
        assert server.tools[0].invoke({}) == "done"
    assert told == [("progress", 1.0, 2.0, "step 1"), ("progress", 2.0, 2.0, "step 2")]


def test_what_a_listener_raises_is_raised() -> None:
    """By the call, when it ends; it is told no more."""

    def fail(*told: Any) -> None:
        raise ZeroDivisionError(told[-1])

    with liar(on_progress=fail) as server, pytest.raises(ZeroDivisionError, match="step 1"):
        server.tools[0].invoke({})


def test_a_server_in_a_node(run: Any, tools: dict[str, BaseTool]) -> None:
    """What is wrong is told to the model; the other calls are answered."""
    asked: Any = [{"name": name, "args": {}, "id": name} for name in tools]
    answers = run(ToolNode([*tools.values()]), AIMessage("", tool_calls=asked))
    assert [each.status for each in answers] == ["success", "success", "error", "success"]


# ------------------------------------------------------------------------------------------------------------- over HTTP


class Liar(BaseHTTPRequestHandler):
    """The tool "packed" answers with what grows as it is unpacked, "endless" with what does not end."""

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.send_error(405)

    def do_DELETE(self) -> None:
        self.send_error(405)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method, params = asked["method"], asked.get("params") or {}
        info = {
            "protocolVersion": params.get("protocolVersion"),
            "capabilities": {},
            "serverInfo": {"name": "l", "version": "1"},
        }
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("packed", "endless", "fine")]
        done = {"content": [{"type": "text", "text": "done"}]}
        answers: Any = {"initialize": info, "tools/list": {"tools": tools}, "tools/call": done}
        body = json.dumps({"jsonrpc": "2.0", "id": asked.get("id"), "result": answers.get(method)}).encode()
        self.send_response(200 if method in answers else 202 if "id" not in asked else 404)
        self.send_header("content-type", "application/json")
        name = params.get("name")
        if name == "packed":
            body = gzip.compress(b" " * 50_000_000)
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        try:
            self.wfile.write(body if method in answers else b"")
            while name == "endless":
                self.wfile.write(b" " * 1_000_000)
        except OSError:
            return


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/mcp"
        server.shutdown()
        thread.join()


def test_answers_over_http_are_bounded(address: str) -> None:
    """Compressed ones are not unpacked, and the connection goes on."""
    with MCPTools(url=address) as server:
        packed, endless, fine = server.tools
        with pytest.raises(ToolException, match="the answer is compressed"):
            packed.invoke({})
        with pytest.raises(ToolException, match="the answer is longer than 8000000 bytes"):
            endless.invoke({})
        assert fine.invoke({}) == "done"

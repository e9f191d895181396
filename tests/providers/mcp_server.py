"""An MCP server for tests: over stdio, or with a port as its argument over HTTP on loopback."""

import asyncio
import logging
import os
import sys
from pathlib import Path

from mcp.server import MCPServer
from mcp.server.mcpserver import Image

server = MCPServer("for tests", log_level="CRITICAL")


@server.tool()
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def environment() -> str:
    """Tell the names of the environment."""
    return " ".join(os.environ)


@server.tool()
def picture() -> Image:
    """Give a picture."""
    return Image(data=b"PNG", format="png")


@server.tool()
def huge() -> str:
    """Give more than anyone takes."""
    return "x" * 2_000_000


@server.tool()
def crash() -> str:
    """End the server."""
    os._exit(3)


@server.tool()
async def hang(mark: str) -> str:
    """Wait for ever; leaves a file when it is cancelled."""
    try:
        await asyncio.sleep(1000)
    finally:
        Path(mark).touch()  # noqa: ASYNC240 - a test waits for it
    return ""


if __name__ == "__main__":
    logging.disable()
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()

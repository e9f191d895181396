"""The local model, and a server that answers as it is told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import suppress
from http.client import parse_headers
from io import BytesIO
from typing import Any

import pytest

from plait.providers import llamacpp
from plait.providers.llamacpp import LocalServer


@pytest.fixture(scope="session")
def local_server() -> Generator[LocalServer]:
    """The running server of the local model; without its weights this fails and says how to get them."""
    server = llamacpp.local_server()
    yield server.start()
    server.close()


class Exchange:
    """One request of a client, and the way to answer it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.request: dict[str, Any] = {}

    async def read(self) -> None:
        line, _, head = (await self._reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        headers = parse_headers(BytesIO(head))
        body = await self._reader.readexactly(int(headers["content-length"]))
        self.request = {"path": line.split()[1].decode(), "headers": headers, "body": json.loads(body)}

    async def send(self, status: int, kind: str, text: str, **headers: str) -> None:
        """Answer; the end of the connection is that of the answer."""
        named = {"content-type": kind, "connection": "close", **headers}
        lines = [f"HTTP/1.1 {status} so", *(f"{name.replace('_', '-')}: {value}" for name, value in named.items())]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        await self._writer.drain()

    async def wait_for_its_end(self) -> None:
        with suppress(ConnectionError):
            await self._reader.read(1)  # the client has nothing more to say

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


class Wire:
    """A server on loopback that plays a script: each request gets the next reply, the last one is repeated.

    It has one thread and no connection that lasts, so that it does not look like something that a test left behind.
    """

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.replies: list[Callable[[Exchange], Awaitable[None]]] = []
        self.asked = threading.Event()
        """Set when there was a request."""
        self.hung_up = threading.Event()
        """Set when the client closed the connection of a ``held`` reply."""
        self.url = ""
        self._ready = threading.Event()
        # Without debug: a conformance check sees the generators that debugging makes, in whatever thread.
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(), debug=False))
        self._thread.start()
        self._ready.wait()

    async def _serve(self) -> None:
        self._loop, self._stop, self._open = asyncio.get_running_loop(), asyncio.Event(), set[asyncio.Task[Any]]()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with server:
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._ready.set()
            await self._stop.wait()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(Exchange(reader, writer)))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await exchange.read()
            self.requests.append(exchange.request)
            self.asked.set()
            await (self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client did not wait for the answer
        finally:
            await exchange.close()

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def body(self) -> dict[str, Any]:
        """The body of the one request that was made."""
        [request] = self.requests
        return request["body"]  # type: ignore[no-any-return]  # it is JSON

    def raw(self, text: str, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Answer with this text."""
        self.replies.append(lambda exchange: exchange.send(status, kind, text, **headers))

    def reply(self, answer: Any, status: int = 200, **headers: str) -> None:
        """Answer with this as JSON."""
        self.raw(json.dumps(answer), status, **headers)

    def stream(self, *events: Any) -> None:
        """Answer with these server-sent events, and end the response."""
        self.raw(sse(events), kind="text/event-stream")

    def either(self, answer: Any, *events: Any) -> None:
        """Answer with the one or with the others, as each request asks."""

        async def reply(exchange: Exchange) -> None:
            if exchange.request["body"]["stream"]:
                await exchange.send(200, "text/event-stream", sse(events))
            else:
                await exchange.send(200, "application/json", json.dumps(answer))

        self.replies.append(reply)

    def held(self, *events: Any) -> None:
        """Answer with these events, and then nothing: until the client hangs up."""

        async def hold(exchange: Exchange) -> None:
            with suppress(ConnectionError):
                await exchange.send(200, "text/event-stream", sse(events))
                await exchange.wait_for_its_end()
            self.hung_up.set()

        self.replies.append(hold)

    def silent(self) -> None:
        """Say nothing at all, until the client hangs up."""

        async def wait(exchange: Exchange) -> None:
            await exchange.wait_for_its_end()
            self.hung_up.set()

        self.replies.append(wait)

    def cut(self, *events: Any) -> None:
        """Promise a long answer, give these events and break off."""
        self.raw(sse(events), kind="text/event-stream", content_length="99999")


def sse(events: tuple[Any, ...]) -> str:
    """Events as text: a dict with a ``type`` gives the event its name, as Anthropic's do; a string stands as it is."""
    return "".join(event if isinstance(event, str) else _event(event) for event in events)


def _event(event: dict[str, Any]) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server that answers as it is told, and keeps what it was asked."""
    server = Wire()
    yield server
    server.close()

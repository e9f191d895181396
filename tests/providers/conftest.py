"""The local model, and a server that answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


Reply = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Keeps what was asked, and lets the next reply of the script answer."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.wire.requests.append({"path": self.path, "headers": self.headers, "body": json.loads(body)})
        self.server.wire.asked.set()
        replies = self.server.wire.replies
        (replies.pop(0) if len(replies) > 1 else replies[0])(self)

    def send(self, status: int, kind: str, text: str, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: Any) -> None:
        pass


class Wire:
    """A server on loopback that plays a script: each request gets the next reply, the last one is repeated."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.replies: list[Reply] = []
        self.asked = threading.Event()
        """Set when there was a request."""
        self.hung_up = threading.Event()
        """Set when the client closed the connection of a ``held`` reply."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._server.wire = self  # type: ignore[attr-defined]  # read by the handler
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def body(self) -> dict[str, Any]:
        """The body of the one request that was made."""
        [request] = self.requests
        return request["body"]  # type: ignore[no-any-return]  # it is JSON

    def reply(self, answer: Any, status: int = 200, **headers: str) -> None:
        """Answer with this as JSON."""
        self.replies.append(lambda handler: handler.send(status, "application/json", json.dumps(answer), **headers))

    def stream(self, *events: Any) -> None:
        """Answer with these server-sent events, and end the response."""
        self.replies.append(lambda handler: handler.send(200, "text/event-stream", sse(events)))

    def held(self, *events: Any) -> None:
        """Answer with these events, and then nothing: until the client hangs up."""

        def hold(handler: Handler) -> None:
            with suppress(ConnectionError):
                handler.send(200, "text/event-stream", sse(events))
                handler.connection.recv(1)  # the client has nothing more to say: this waits for its end
            self.hung_up.set()

        self.replies.append(hold)

    def cut(self, *events: Any) -> None:
        """Promise a long answer, give these events and break off."""
        self.replies.append(lambda handler: handler.send(200, "text/event-stream", sse(events), content_length="99999"))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


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

"""Requests end at once when nobody waits for them any more, whoever ended the call, and whatever they were waiting for.

The servers here would keep a client for ever: a request that is not ended hangs its test.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from plait import RunnableLambda, RunnableParallel
from plait.errors import DeadlineError, ModelConnectionError, ModelError
from plait.providers import ChatAnthropic, ChatOpenAI, LocalServer, OpenAIEmbeddings
from plait.providers.connections import Connections
from plait.stopping import Stopped, stoppable
from plait.testing import VirtualClock

ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}
PIECE = {"choices": [{"index": 0, "delta": {"content": "h"}}]}
ENDED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def chat(wire: Any, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"base_url": f"{wire.url}/v1", "max_retries": 0, **settings})


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


CONNECTED, ASKING = "01", "02"


def clients_of(url: str, state: str = CONNECTED) -> set[str]:
    """The local ends of those sockets that are connected to that server of this machine, or have asked to be."""
    table, port = Path("/proc/self/net/tcp"), f":{urlsplit(url).port:04X}"
    rows = [row.split()[1:4] for row in table.read_text().splitlines()[1:]] if table.exists() else []
    return {local for local, remote, its_state in rows if remote.endswith(port) and its_state == state}


class Mute:
    """A server that says nothing, and reads nothing until it is asked whether the client has gone."""

    def __init__(self, backlog: int) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.waiting = 0
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def is_being_connected_to(self) -> None:
        """Wait for one more client that has asked to be let in, and was not."""
        while len(clients_of(self.url, ASKING)) <= self.waiting:
            pass

    def asked(self) -> None:
        """Wait until a client has said something."""
        self.client, _ = self.socket.accept()
        self.client.recv(1)

    def saw_the_end(self) -> bool:
        """Whether that client closes its connection."""
        with self.client, suppress(ConnectionError):
            while self.client.recv(1 << 20):
                pass
        return True


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute(backlog=8)
    with server.socket:
        yield server


@pytest.fixture
def full() -> Iterator[Mute]:
    """A server with a line of clients that have connected, so that nobody else can."""
    server = Mute(backlog=0)
    with server.socket, ExitStack() as others:
        for _ in range(4):
            other = others.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(server.socket.getsockname())
        server.waiting = len(clients_of(server.url, ASKING))
        yield server


def end(call: Callable[[], Any], *, when: Callable[[], Any]) -> None:
    """Make a call that is told to stop when ``when`` returns."""
    with stoppable() as stop:

        def tell() -> None:
            when()
            stop.set("the test wants it")

        other = threading.Thread(target=tell)
        other.start()
        with pytest.raises(Stopped):
            call()
        other.join()


# --------------------------------------------------------------------------------------- whatever a request waits for


@pytest.mark.parametrize(
    "call",
    [lambda model: model.invoke("hi"), lambda model: list(model.stream("hi")), lambda model: model.batch(["hi"])],
    ids=["invoke", "stream", "batch"],
)
def test_waiting_for_an_answer_is_ended(call: Any, wire: Any) -> None:
    """The server sees that the client hangs up, and nothing stays open."""
    wire.silent()
    end(lambda: call(chat(wire)), when=wire.asked.wait)

    assert not clients_of(wire.url)
    assert wire.hung_up.wait(10)


def test_waiting_for_the_next_chunk_is_ended(wire: Any) -> None:
    """A stream that has begun ends like one that has not."""
    wire.held(PIECE)
    end(lambda: list(chat(wire).stream("hi")), when=wire.asked.wait)

    assert wire.hung_up.wait(10)


def test_greeting_of_tls_is_ended(mute: Mute) -> None:
    """A server that does not speak TLS cannot hold a client by saying nothing."""
    model = ChatOpenAI(base_url=f"{mute.url.replace('http', 'https')}/v1", max_retries=0, timeout=600)
    end(lambda: model.invoke("hi"), when=mute.asked)

    assert not clients_of(mute.url)
    assert mute.saw_the_end()


def test_sending_is_ended(mute: Mute) -> None:
    """A server that takes nothing cannot hold a client that has much to say."""
    model = ChatOpenAI(base_url=f"{mute.url}/v1", max_retries=0)
    end(lambda: model.invoke("hi " * 5_000_000), when=mute.asked)

    assert mute.saw_the_end()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others accept more than they were told to")
def test_connecting_is_ended(full: Mute) -> None:
    """A server that cannot be reached, and does not say so, cannot hold a client."""
    before = descriptors()
    model = ChatOpenAI(base_url=f"{full.url}/v1", max_retries=0, timeout=600)
    end(lambda: model.invoke("hi"), when=full.is_being_connected_to)

    assert descriptors() == before


def test_looking_a_name_up_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer cannot hold a client."""
    asked, ended = threading.Event(), threading.Event()

    def look(*_: object, **__: object) -> list[Any]:
        asked.set()
        ended.wait(600)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look)
    model = ChatOpenAI(base_url="http://localhost:9/v1", max_retries=0, timeout=600)
    end(lambda: model.invoke("hi"), when=asked.wait)
    ended.set()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_waiting_for_a_proxy_is_ended(scheme: str, mute: Mute, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through a proxy ends like what does not."""
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", mute.url)
    pool = Connections(lambda: (openai.DefaultHttpxClient, openai.DefaultAsyncHttpxClient)).pool()
    sdk = openai.OpenAI(base_url=f"{scheme}://127.0.0.1:9/v1", api_key="none", http_client=pool, max_retries=0)
    end(lambda: sdk.models.list(), when=mute.asked)
    pool.close()

    assert mute.saw_the_end()


@pytest.mark.parametrize("kind", ["invoke", "stream"])
def test_other_models_are_ended_too(kind: str, mute: Mute) -> None:
    """Every kind of model uses such connections."""
    claude = ChatAnthropic(model="c", base_url=mute.url, max_retries=0)
    end(lambda: claude.invoke("hi") if kind == "invoke" else list(claude.stream("hi")), when=mute.asked)
    assert mute.saw_the_end()

    vectors = OpenAIEmbeddings(base_url=f"{mute.url}/v1", max_retries=0)
    end(lambda: vectors.embed_query("hi"), when=mute.asked)
    assert mute.saw_the_end()


def test_work_that_is_to_end_sends_nothing(wire: Any) -> None:
    """A request that nobody waits for is not begun."""
    wire.reply(ANSWER)
    with stoppable() as stop:
        stop.set("at once")
        with pytest.raises(Stopped):
            chat(wire).invoke("hi")

    assert not wire.requests


def test_connections_are_used_again(local_server: LocalServer) -> None:
    """A call that could have been ended and was not leaves its connection to the next one."""
    model = ChatOpenAI(base_url=local_server.base_url, api_key=local_server.api_key, max_tokens=2)
    with stoppable():
        model.invoke("hi")
    before = clients_of(local_server.base_url)
    with stoppable():
        model.invoke("hi")
    list(model.stream("hi"))

    assert clients_of(local_server.base_url) <= before


def test_server_that_is_not_there_is_named_while_a_stop_is_in_force(wire: Any) -> None:
    """A connection that is refused is the same error, whether it could have been ended or not."""
    wire.close()
    with stoppable(), pytest.raises(ModelConnectionError, match=r"cannot reach .*refused"):
        chat(wire).invoke("hi")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="others accept more than they were told to")
def test_server_that_cannot_be_reached_in_time_is_a_timeout(full: Mute) -> None:
    """A connection that takes too long is the same error, whether it could have been ended or not."""
    with stoppable(), pytest.raises(ModelConnectionError, match="cannot reach") as caught:
        ChatOpenAI(base_url=f"{full.url}/v1", max_retries=0, timeout=0.2).invoke("hi")

    assert isinstance(caught.value, TimeoutError)


# -------------------------------------------------------------------------------------------------- whoever ends a call


def test_failure_of_a_sibling_ends_the_request(run: Any, wire: Any) -> None:
    """P03: a branch that fails ends what the others are paying for, and its error is what the caller gets."""
    wire.silent()

    def fail(_: object) -> None:
        wire.asked.wait(10)
        raise ValueError("sibling")

    with pytest.raises(ValueError, match="sibling"):
        run(RunnableParallel(slow=chat(wire), bad=RunnableLambda(fail)), "hi")
    assert wire.hung_up.wait(10)


@pytest.mark.parametrize("mode", ["batch", "abatch"])
async def test_failure_of_an_item_ends_the_requests_of_the_others(mode: str, wire: Any) -> None:
    """P03: the first item of a batch that fails ends the others, on the wire, too."""
    wire.silent()
    silent, arrived = wire.replies.pop(), asyncio.Event()  # of the loop of the server

    async def reply(exchange: Any) -> None:
        if exchange.request["body"]["messages"][0]["content"] == "slow":
            arrived.set()
            await silent(exchange)
        else:
            await arrived.wait()
            await exchange.send(400, "application/json", "{}")

    wire.replies.append(reply)
    model = chat(wire)
    with pytest.raises(openai.BadRequestError):
        await (model.abatch(["slow", "bad"]) if mode == "abatch" else asyncio.to_thread(model.batch, ["slow", "bad"]))

    assert await asyncio.to_thread(wire.hung_up.wait, 10)


def test_leaving_a_stream_ends_the_request_of_a_branch(wire: Any) -> None:
    """P04: a branch that waits for its server does not keep the close of the stream waiting."""
    wire.silent()

    def quick(_: object) -> str:
        wire.asked.wait(10)
        return "here"

    chain = RunnableParallel(slow=chat(wire), quick=RunnableLambda(quick))
    with closing(chain.stream("hi")) as chunks:
        assert next(chunks) == {"quick": "here"}

    assert wire.hung_up.wait(10)


async def test_leaving_an_async_stream_ends_the_request_of_a_branch(wire: Any) -> None:
    """P04: a branch that waits for its server does not keep the close of the stream waiting."""
    wire.silent()

    async def quick(_: object) -> str:
        await asyncio.to_thread(wire.asked.wait, 10)
        return "here"

    chain = RunnableParallel(slow=chat(wire), quick=RunnableLambda(quick))
    async with aclosing(chain.astream("hi")) as chunks:
        assert await anext(chunks) == {"quick": "here"}

    assert await asyncio.to_thread(wire.hung_up.wait, 10)


@pytest.mark.parametrize("kind", ["invoke", "stream"])
async def test_cancelling_a_task_ends_the_request_in_its_thread(kind: str, wire: Any) -> None:
    """P04: a task that waits for a thread cannot cancel it; the request that the thread waits for ends all the same."""
    wire.silent()
    model = chat(wire)

    def ask(text: str) -> Any:
        return model.invoke(text) if kind == "invoke" else list(model.stream(text))

    asking = asyncio.create_task(RunnableLambda(ask).ainvoke("hi"))
    await asyncio.to_thread(wire.asked.wait, 10)
    asking.cancel()
    await asyncio.wait([asking])

    assert asking.cancelled()
    assert await asyncio.to_thread(wire.hung_up.wait, 10)


def test_deadline_ends_the_request(run: Any, wire: Any) -> None:
    """P21: a call that has to be over is over, in every mode, and the server knows."""
    wire.silent()

    with pytest.raises(DeadlineError, match="ChatOpenAI"):
        run(chat(wire), "hi", {"timeout": 0.2})
    assert wire.hung_up.wait(10)


def test_server_that_falls_silent_in_a_stream_is_left(wire: Any) -> None:
    """P21: a stream may be told how long the server may be silent between two chunks."""
    wire.held(PIECE)

    with pytest.raises(DeadlineError, match=r"gave nothing for 0\.2 s"):
        list(chat(wire).stream("hi", {"idle_timeout": 0.2}))
    assert wire.hung_up.wait(10)


def test_server_that_drips_does_not_outlast_the_deadline(run: Any, wire: Any) -> None:
    """P21: each chunk comes in time, and the whole does not: a timeout of the HTTP client never sees that."""

    async def drip(exchange: Any) -> None:
        await exchange.send(200, "text/event-stream", "")
        while True:
            exchange._writer.write(b": still here\n\n")
            await exchange._writer.drain()
            await asyncio.sleep(0.01)

    wire.replies.append(drip)
    with pytest.raises(DeadlineError):
        run(chat(wire), "hi", {"timeout": 0.3})


# --------------------------------------------------------------------------------------------------------- asking again


def test_passing_failures_are_asked_again(run: Any, wire: Any) -> None:
    """A limit, a fault of the server and a broken connection are worth another request, in every mode."""
    wire.reply({"error": {"message": "later"}}, 429, retry_after_ms="1")
    wire.reply({"error": {"message": "oops"}}, 503, retry_after="0.001")
    wire.either(ANSWER, PIECE, ENDED)

    assert run(chat(wire, max_retries=2), "hi").content.startswith("h")
    assert len(wire.requests) == 3


def test_vectors_are_asked_for_again(wire: Any) -> None:
    """An embedding model keeps to the same rules."""
    wire.reply({"error": {"message": "later"}}, 429, retry_after_ms="1")
    wire.reply({"data": [{"index": 0, "embedding": [0.5]}]})

    assert OpenAIEmbeddings(base_url=f"{wire.url}/v1", max_retries=1).embed_query("hi") == [0.5]


@pytest.mark.parametrize(
    ("status", "headers", "requests"),
    [
        (400, {}, 1),
        (401, {}, 1),
        (400, {"x_should_retry": "true"}, 2),
        (429, {"x_should_retry": "false"}, 1),
        (429, {"retry_after": "3600"}, 1),
        (409, {}, 2),
        (500, {}, 2),
    ],
)
def test_only_passing_failures_are_asked_again(status: int, headers: dict[str, str], requests: int, wire: Any) -> None:
    """P48: a refusal stays one, unless the server says otherwise; nobody waits for an hour."""
    wire.reply({}, status, **{"retry_after_ms": "1"} | headers if "retry_after" not in headers else headers)

    with pytest.raises(openai.APIStatusError):
        chat(wire, max_retries=1).invoke("hi")
    assert len(wire.requests) == requests


def test_stream_is_asked_again_before_its_first_chunk(wire: Any) -> None:
    """P24: a stream that broke before it gave anything begins anew; one that has given something does not."""
    wire.cut()
    wire.cut(PIECE)

    chunks: list[Any] = []
    with pytest.raises(ModelConnectionError, match="broke off"):
        chunks += chat(wire, max_retries=3).stream("hi")
    assert len(wire.requests) == 2


def test_wait_that_would_outlast_the_deadline_is_not_begun(run: Any, wire: Any) -> None:
    """P21: the server's own error is raised while there is time to do something about it."""
    wire.reply({"error": {"message": "later"}}, 429, retry_after="30")

    with pytest.raises(openai.RateLimitError, match="later") as caught:
        run(chat(wire, max_retries=2), "hi", {"timeout": 20})
    assert len(wire.requests) == 1
    assert any("need a wait of 30 s" in note for note in caught.value.__notes__)


def test_wait_is_what_the_server_asks_for(run: Any, wire: Any) -> None:
    """P48: a server that says when to come again is asked then, by the clock in force."""
    wire.reply({"error": {"message": "later"}}, 429, retry_after="30")
    wire.reply({"error": {"message": "later"}}, 503, retry_after_ms="500")
    wire.either(ANSWER, PIECE, ENDED)
    with VirtualClock() as clock:
        run(chat(wire, max_retries=2), "hi")

    assert clock.sleeps == [30, 0.5]


def test_wait_grows(wire: Any) -> None:
    """P48: a server that says nothing of it is left alone for longer and longer, never for the same time."""
    wire.reply({"error": {"message": "oops"}}, 500)
    with VirtualClock() as clock, pytest.raises(openai.InternalServerError):
        chat(wire, max_retries=6).invoke("hi")
    [*growing, last] = clock.sleeps

    assert all(least <= wait <= least + 0.5 for wait, least in zip(growing, [0.5, 1, 2, 4, 8], strict=True))
    assert last == 8


def test_wait_for_another_request_is_ended(wire: Any) -> None:
    """P04: what is to end does not wait for a retry, and makes none."""
    wire.reply({"error": {"message": "later"}}, 429, retry_after="30")
    end(lambda: chat(wire, max_retries=2).invoke("hi"), when=wire.asked.wait)

    assert len(wire.requests) == 1


def test_timeout_of_the_request_is_what_is_left(monkeypatch: pytest.MonkeyPatch, wire: Any) -> None:
    """P21: the HTTP client waits no longer than the call may last, and no longer than the model's own timeout."""
    wire.reply(ANSWER)
    given: list[Any] = []
    send = openai.DefaultHttpxClient.send

    def spy(self: Any, request: Any, **kwargs: Any) -> Any:
        given.append(request.extensions["timeout"])
        return send(self, request, **kwargs)

    monkeypatch.setattr(openai.DefaultHttpxClient, "send", spy)
    chat(wire).invoke("hi", {"timeout": 20})
    chat(wire, timeout=3).invoke("hi", {"timeout": 20})
    chat(wire, timeout=3).invoke("hi")

    assert (given[0]["connect"], 15 < given[0]["read"] <= 20) == (5, True)
    assert set(given[1].values()) == set(given[2].values()) == {3}


def test_work_whose_time_is_over_sends_nothing(wire: Any) -> None:
    """P21: a request that could not be answered in time is not begun."""
    wire.reply(ANSWER)
    with pytest.raises(DeadlineError):
        (RunnableLambda(lambda text: threading.Event().wait(0.3) or text) | chat(wire)).invoke("hi", {"timeout": 0.2})

    assert not wire.requests


# ------------------------------------------------------------------------------------------------ what is not an answer


@pytest.mark.parametrize("of", [ChatOpenAI, ChatAnthropic], ids=lambda of: of.__name__)
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/html", "<html>who is sk-proj-Ab3dEf6hIj9lMn?</html>"),
        ("application/json", '{"choices": ['),
        ("application/json", '{"choices": 7, "content": 7}'),
        ("application/json", '["sk-proj-Ab3dEf6hIj9lMn"]'),
        ("text/event-stream", "data: sk-proj-Ab3dEf6hIj9lMn {\n\n"),
        ("text/event-stream", 'event: message_start\ndata: {"type": "message_start", "choices": 7, "message": 7}\n\n'),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_model(run: Any, wire: Any, of: Any, kind: str, text: str) -> None:
    """P52: a proxy's page, broken JSON and JSON of another shape are the server's fault, and show no key."""
    wire.raw(text, kind=kind)
    model = of(model="m", api_key="sk-proj-Ab3dEf6hIj9lMn", base_url=f"{wire.url}/v1", max_retries=0)

    with pytest.raises(ModelError) as caught:
        run(model, "hi")
    assert "Ab3d" not in str(caught.value)

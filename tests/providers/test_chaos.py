"""What becomes of calls whose server fails, in each of the ways that servers do: the error that the documentation says,
in time; with a fallback the answer; and nothing left open. The servers are real: the local model, killed and frozen, and
one that plays what no real one can be made to do.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import openai
import pytest

from plait import RunnableLambda, RunnableParallel
from plait.errors import DeadlineError, ModelConnectionError, ModelError
from plait.merging import StreamReset
from plait.providers import ChatLocal, ChatOpenAI, LocalServer
from plait.providers.llamacpp import _get

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "src"
DEADLINE = 1.5  # seconds for one call
SOON = 1.0  # seconds until a server has heard that nobody listens any more
LONG = {"max_tokens": 1800, "extra_body": {"ignore_eos": True}}  # half a minute of writing
PIECE = {"choices": [{"index": 0, "delta": {"content": "h"}}]}

four_ways = pytest.mark.parametrize("run", ["invoke", "ainvoke", "stream", "astream"], indirect=True)


@contextmanager
def in_time(deadline: float = DEADLINE) -> Generator[None, None, None]:
    """Fail if the block takes longer than a deadline may be overrun."""
    begun = monotonic()
    yield
    assert monotonic() - begun < 1.2 * deadline


def until(there: Callable[[], bool], seconds: float) -> bool:
    """Whether it comes true in that time."""
    end = monotonic() + seconds
    while not (found := there()) and monotonic() < end:
        sleep(0.01)
    return found


@pytest.fixture
def spare(local_server: LocalServer) -> ChatLocal:
    """The model that answers when another one does not."""
    return ChatLocal(max_tokens=4, temperature=0)


# ------------------------------------------------------------------------------------- a server that is killed or frozen


class Doomed:
    """A real model server in a process of its own."""

    CODE = """
import sys
from plait.providers import LocalServer
with LocalServer(n_threads=1, n_parallel=2) as server:
    print(server.base_url, server.api_key, flush=True)
    sys.stdin.read()
"""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.CODE],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url, self.key = self.process.stdout.readline().split()
        self.port = int(self.url.split(":")[2].split("/")[0])

    def model(self, **settings: Any) -> ChatOpenAI:
        return ChatOpenAI(base_url=self.url, api_key=self.key, **{**LONG, "temperature": 0, **settings})

    def busy(self) -> bool:
        return any(slot["is_processing"] for slot in _get(self.port, self.key, "/slots"))

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def when_it_writes(self, number: signal.Signals) -> threading.Thread:
        def tell() -> None:
            until(self.busy, 10)
            self.send(number)

        thread = threading.Thread(target=tell)
        thread.start()
        return thread

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def doomed() -> Iterator[Doomed]:
    server = Doomed()
    yield server
    server.close()


@pytest.fixture(scope="module")
def lasting() -> Iterator[Doomed]:
    server = Doomed()
    server.model(max_tokens=1).invoke("hi")
    yield server
    server.close()


@pytest.fixture
def freezing(lasting: Doomed) -> Iterator[Doomed]:
    """A server that may be made to stand still: its connections stay open, and nothing comes."""
    yield lasting
    lasting.send(signal.SIGCONT)


@four_ways
def test_server_that_is_killed_while_it_writes(run: Any, doomed: Doomed) -> None:
    """The connection breaks off, and asking again finds nobody there."""
    killer = doomed.when_it_writes(signal.SIGKILL)

    with pytest.raises(ModelConnectionError, match=r"broke off|cannot reach"):
        run(doomed.model(max_retries=0), "Tell a long story.")
    with in_time(10), pytest.raises(ModelConnectionError, match="cannot reach"):
        run(doomed.model(), "Tell a long story.", {"timeout": 10})
    killer.join()


def test_stream_whose_server_is_killed_begins_again_with_a_fallback(doomed: Doomed, spare: ChatLocal) -> None:
    """What came is taken back by a reset, and then comes the whole answer of the other model."""
    model = doomed.model(max_retries=0).with_fallbacks([spare], mid_stream="restart")
    pieces: list[str] = []
    with closing(model.stream("Say hi.")) as chunks:
        for chunk in chunks:
            if isinstance(chunk, StreamReset):
                pieces.clear()
                pieces.append("")
            else:
                pieces.append(str(chunk.content))
                doomed.send(signal.SIGKILL)

    assert pieces[0] == ""
    assert "".join(pieces) == spare.invoke("Say hi.").content


@four_ways
def test_server_that_stands_still(run: Any, freezing: Doomed, spare: ChatLocal) -> None:
    """Nothing comes for longer than the call may take: it ends on time, and a fallback has time of its own."""
    freezing.send(signal.SIGSTOP)
    with in_time(), pytest.raises(DeadlineError, match="ChatOpenAI"):
        run(freezing.model(), "Say hi.", {"timeout": DEADLINE})

    hasty = freezing.model().with_config(timeout=0.2)
    assert run(hasty.with_fallbacks([spare]), "Say hi.").content == spare.invoke("Say hi.").content


@four_ways
def test_server_that_freezes_while_it_writes(run: Any, freezing: Doomed) -> None:
    """A server that stands still in the middle of an answer is left at the deadline."""
    watcher = freezing.when_it_writes(signal.SIGSTOP)
    with in_time(), pytest.raises(DeadlineError):
        run(freezing.model(), "Tell a long story.", {"timeout": DEADLINE})
    watcher.join()


# --------------------------------------------------------------------------------------------------- whatever it answers


def refuse_connections(wire: Any) -> None:
    wire.close()


def limit(wire: Any) -> None:
    wire.reply({"error": {"message": "too many"}}, 429, retry_after_ms="20")


def fault(wire: Any) -> None:
    wire.reply({"error": {"message": "oops"}}, 500, retry_after_ms="20")


def half(wire: Any) -> None:
    wire.cut(PIECE)


def noise(wire: Any) -> None:
    async def reply(exchange: Any) -> None:
        exchange._writer.write(bytes(range(256)) * 64)
        await exchange._writer.drain()

    wire.replies.append(reply)


def page(wire: Any) -> None:
    wire.raw("<html>It works!</html>", kind="text/html")


def broken_json(wire: Any) -> None:
    async def reply(exchange: Any) -> None:
        stream = exchange.request["body"]["stream"]
        kind = "text/event-stream" if stream else "application/json"
        await exchange.send(200, kind, 'data: {"choices\n\n' if stream else '{"choices": [')

    wire.replies.append(reply)


def other_json(wire: Any) -> None:
    wire.either({"choices": 7}, {"choices": 7})


def nothing(wire: Any) -> None:
    wire.silent()


FAULTS: dict[Callable[[Any], None], type[Exception]] = {
    refuse_connections: ModelConnectionError,
    limit: openai.RateLimitError,
    fault: openai.InternalServerError,
    half: ModelConnectionError,
    noise: ModelConnectionError,
    page: ModelError,
    broken_json: ModelError,
    other_json: ModelError,
    nothing: DeadlineError,
}
every_fault = pytest.mark.parametrize(("break_it", "error"), FAULTS.items(), ids=lambda each: each.__name__)


def chat(wire: Any, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(base_url=f"{wire.url}/v1", **settings)


@four_ways
@every_fault
def test_error_is_what_the_documentation_says(run: Any, wire: Any, break_it: Any, error: type[Exception]) -> None:
    """P21: whatever a server does, the call is over in time, in the exception that is documented."""
    break_it(wire)
    deadline = DEADLINE if break_it is nothing else 10 * DEADLINE  # a machine with much to do is slow to answer, too

    with in_time(deadline), pytest.raises(error):
        run(chat(wire, max_retries=break_it in (limit, fault)), "hi", {"timeout": deadline})


@four_ways
@every_fault
def test_fallback_answers(run: Any, wire: Any, break_it: Any, error: type[Exception], spare: ChatLocal) -> None:
    """P08: the caller of a chain with a fallback gets its answer, whatever became of the first model."""
    break_it(wire)
    first = chat(wire, max_retries=0).with_config(timeout=0.2 if break_it is nothing else 10 * DEADLINE)
    streamed_half = run.is_stream and break_it is half
    model = first.with_fallbacks([spare], mid_stream="restart" if streamed_half else "raise")

    if streamed_half:
        chunks = list(model.stream("Say hi."))
        after = next(place for place, chunk in enumerate(chunks) if isinstance(chunk, StreamReset)) + 1
        assert "".join(chunk.content for chunk in chunks[after:]) == spare.invoke("Say hi.").content
    else:
        assert run(model, "Say hi.").content == spare.invoke("Say hi.").content


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_nothing_is_left_open(colour: str, wire: Any, local_server: LocalServer) -> None:
    """After any of it no socket, file or thread more is there than before."""

    def once() -> None:
        for break_it in FAULTS:
            if break_it is not refuse_connections:
                wire.replies.clear()
                break_it(wire)
                ask(chat(wire, max_retries=0))

    def ask(model: ChatOpenAI) -> None:
        config: Any = {"timeout": 0.1}
        if colour == "async":
            asyncio.run(afail(model, config))
            return
        with pytest.raises((ModelError, openai.OpenAIError, DeadlineError)):
            model.invoke("hi", config)
        with pytest.raises((ModelError, openai.OpenAIError, DeadlineError)):
            list(model.stream("hi", config))

    async def afail(model: ChatOpenAI, config: Any) -> None:
        with pytest.raises((ModelError, openai.OpenAIError, DeadlineError)):
            await model.ainvoke("hi", config)
        with pytest.raises((ModelError, openai.OpenAIError, DeadlineError)):
            _ = [chunk async for chunk in model.astream("hi", config)]

    once()
    gc.collect()
    before = open_here(wire)
    for _ in range(3):
        once()
    gc.collect()

    assert until(lambda: open_here(wire) <= before, SOON), (open_here(wire), before)


def open_here(wire: Any) -> tuple[int, int]:
    """How many descriptors and threads there are."""
    return len(list(Path("/dev/fd").iterdir())), threading.active_count()


# ------------------------------------------------------------------------------------------- the server stops writing


@pytest.fixture
def writer(local_server: LocalServer) -> ChatLocal:
    """A model in the middle of a long story, with nobody else at its server."""
    assert until(lambda: not busy(local_server), 10)
    return ChatLocal(temperature=0, **LONG)


def busy(server: LocalServer) -> int:
    return sum(slot["is_processing"] for slot in server.slots())


def test_closed_stream_frees_its_slot(writer: ChatLocal, local_server: LocalServer) -> None:
    """P04: the server stops writing within a second of the close."""
    with closing(writer.stream("Tell a long story.")) as chunks:
        next(chunks)
        assert busy(local_server)

    assert until(lambda: not busy(local_server), SOON)


async def test_closed_async_stream_frees_its_slot(writer: ChatLocal, local_server: LocalServer) -> None:
    """P04: the server stops writing within a second of the close."""
    async with aclosing(writer.astream("Tell a long story.")) as chunks:
        await anext(chunks)
        assert busy(local_server)

    assert until(lambda: not busy(local_server), SOON)


def test_closed_stream_of_branches_frees_all_slots(writer: ChatLocal, local_server: LocalServer) -> None:
    """P04: branches that write in threads end with the stream that they feed."""
    chain = RunnableParallel(one=writer, other=writer)
    with closing(chain.stream("Tell a long story.")) as chunks:
        for _ in range(8):
            next(chunks)
        assert busy(local_server)

    assert until(lambda: not busy(local_server), SOON)


async def test_cancelled_task_frees_the_slot_of_its_thread(writer: ChatLocal, local_server: LocalServer) -> None:
    """P04: a sync stream that is read in a thread ends with the task that waits for the thread."""
    reading = asyncio.create_task(RunnableLambda(lambda text: list(writer.stream(text))).ainvoke("Tell a story."))
    assert await asyncio.to_thread(until, lambda: busy(local_server) > 0, 10)
    reading.cancel()
    await asyncio.wait([reading])

    assert until(lambda: not busy(local_server), SOON)


@pytest.mark.parametrize("run", ["stream", "astream"], indirect=True)
def test_deadline_frees_the_slot(run: Any, writer: ChatLocal, local_server: LocalServer) -> None:
    """P21: a stream that is cut off by its deadline costs nothing more."""
    with pytest.raises(DeadlineError):
        run(writer, "Tell a long story.", {"timeout": 0.5})

    assert until(lambda: not busy(local_server), SOON)

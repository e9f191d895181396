"""Runs of one session go one after the other: threads, tasks, streams, batches, nested runs; and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from typing import Any

import pytest

from plait import RunnableGenerator, RunnableLambda, RunnableParallel
from plait.chat_history import InMemoryChatMessageHistory, SQLiteChatMessageHistory
from plait.chat_history.turns import _lines
from plait.errors import DeadlineError, HistoryError
from plait.messages import BaseMessage
from plait.runnables.history import RunnableWithMessageHistory

ADA = {"configurable": {"session_id": "ada"}}
BOB = {"configurable": {"session_id": "bob"}}


class Talk:
    """A chain that says how many messages it was given, with its store; it notes how many of its runs are under way."""

    def __init__(self, histories: Any = InMemoryChatMessageHistory, **keys: Any) -> None:
        self.of: dict[str, Any] = {}
        self.histories = histories
        self.running: dict[str, int] = {}
        self.most = 0
        self.lock = threading.Lock()
        self.chain = RunnableWithMessageHistory(RunnableLambda(self.say, self.asay), self.get, **keys)

    def get(self, session_id: str) -> Any:
        if session_id not in self.of:  # as everybody writes it: two first runs at once would make two histories
            self.of[session_id] = self.histories()
        return self.of[session_id]

    def count(self, by: int) -> None:
        with self.lock:
            self.running["now"] = self.running.get("now", 0) + by
            self.most = max(self.most, self.running["now"])

    def say(self, messages: list[BaseMessage]) -> str:
        self.count(1)
        threading.Event().wait(0.001)
        self.count(-1)
        return f"{messages[-1].text} after {len(messages) - 1}"

    async def asay(self, messages: list[BaseMessage]) -> str:
        self.count(1)
        await asyncio.sleep(0.001)
        self.count(-1)
        return f"{messages[-1].text} after {len(messages) - 1}"


@pytest.fixture(autouse=True)
def _nobody_is_left_in_line() -> Any:
    """What a run needs to be in order is gone with it."""
    yield
    assert _lines.of == {}


def whole_runs(messages: list[BaseMessage]) -> list[str]:
    """The questions in the order of their runs; fails unless each is followed by its answer, given what was before."""
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    for number, (asked, said) in enumerate(pairs):
        assert (asked.type, said.type) == ("human", "ai")
        assert said.text == f"{asked.text} after {2 * number}"
    return [asked.text for asked, _ in pairs]


# ------------------------------------------------------------------------------------------------ threads and tasks


def test_threads_take_turns() -> None:
    """Runs of one session in many threads: each knows all those before it, and none is lost (P26)."""
    talk = Talk()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: talk.chain.invoke(str(number), ADA), range(40)))

    assert sorted(whole_runs(talk.of["ada"].messages), key=int) == [str(number) for number in range(40)]
    assert talk.most == 1


async def test_tasks_take_turns_in_their_order() -> None:
    """Tasks get the session in the order in which they asked for it."""
    talk = Talk()
    await asyncio.gather(*(talk.chain.ainvoke(str(number), ADA) for number in range(40)))

    assert whole_runs(talk.of["ada"].messages) == [str(number) for number in range(40)]


async def test_threads_and_tasks_take_turns_together() -> None:
    """A thread waits for a task, and a task for a thread."""
    talk = Talk()
    threads = [asyncio.to_thread(talk.chain.invoke, f"t{number}", ADA) for number in range(20)]
    tasks = [talk.chain.ainvoke(f"a{number}", ADA) for number in range(20)]
    await asyncio.gather(*threads, *tasks)

    assert len(whole_runs(talk.of["ada"].messages)) == 40
    assert talk.most == 1


def test_loops_take_turns_together() -> None:
    """Tasks of several event loops, each in its thread."""
    talk = Talk()

    async def several(name: str) -> None:
        await asyncio.gather(*(talk.chain.ainvoke(f"{name}{number}", ADA) for number in range(10)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: asyncio.run(several(name)), "abcd"))

    assert len(whole_runs(talk.of["ada"].messages)) == 40


async def test_other_sessions_do_not_wait() -> None:
    """Two sessions run at once: each waits in its run until the other has come."""
    both = asyncio.Barrier(2)

    async def meet(_: object) -> str:
        async with asyncio.timeout(10):
            await both.wait()
        return "met"

    chain = RunnableWithMessageHistory(RunnableLambda(meet), lambda session_id: InMemoryChatMessageHistory())

    assert await asyncio.gather(chain.ainvoke("x", ADA), chain.ainvoke("x", BOB)) == ["met", "met"]


def test_one_file_from_several_functions(tmp_path: Any) -> None:
    """The same conversation is the same, whatever object and whatever function gives it."""
    talk = Talk()
    chains = [
        RunnableWithMessageHistory(
            RunnableLambda(talk.say), lambda session_id, _n=n: SQLiteChatMessageHistory(session_id, tmp_path / "x.db")
        )
        for n in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda chain: [chain.invoke(str(number), ADA) for number in range(5)], chains))

    assert len(whole_runs(SQLiteChatMessageHistory("ada", tmp_path / "x.db").messages)) == 20


# ---------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize("limit", [1, 2, 16])
def test_batch_keeps_the_order(limit: int) -> None:
    """The inputs of one session run in their order, whichever threads take them."""
    talk = Talk()
    talk.chain.batch([str(number) for number in range(30)], {**ADA, "max_concurrency": limit})

    assert whole_runs(talk.of["ada"].messages) == [str(number) for number in range(30)]


@pytest.mark.parametrize("limit", [1, 2, 16])
async def test_abatch_keeps_the_order(limit: int) -> None:
    """The inputs of one session run in their order, async inputs too."""
    talk = Talk()

    async def numbers() -> Any:
        for number in range(30):
            yield str(number)

    await talk.chain.abatch(numbers(), {**ADA, "max_concurrency": limit})

    assert whole_runs(talk.of["ada"].messages) == [str(number) for number in range(30)]


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_batch_of_several_sessions(verb: str) -> None:
    """Each session keeps the order of its inputs, and each output is in its place."""
    talk = Talk()
    configs = [ADA if number % 3 else BOB for number in range(30)]
    inputs = [str(number) for number in range(30)]
    outputs: Any = getattr(talk.chain, verb)(inputs, configs)
    outputs = asyncio.run(outputs) if verb == "abatch" else outputs

    assert whole_runs(talk.of["ada"].messages) == [str(number) for number in range(30) if number % 3]
    assert whole_runs(talk.of["bob"].messages) == [str(number) for number in range(30) if not number % 3]
    assert [output.split()[0] for output in outputs] == inputs


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_batch_with_failures(verb: str) -> None:
    """An input that fails leaves its place to the next, and nothing in the history; one without a session says so."""
    talk = Talk()

    def say(messages: list[BaseMessage]) -> str:
        if messages[-1].text == "1":
            raise OSError("gone")
        return talk.say(messages)

    chain = RunnableWithMessageHistory(RunnableLambda(say), talk.get)
    outputs: Any = getattr(chain, verb)(["0", "1", "2", "3"], [ADA, ADA, {}, ADA], return_exceptions=True)
    outputs = asyncio.run(outputs) if verb == "abatch" else outputs

    assert [type(output).__name__ for output in outputs] == ["str", "OSError", "ConfigError", "str"]
    assert whole_runs(talk.of["ada"].messages) == ["0", "3"]


def test_batch_that_stops_frees_its_session() -> None:
    """After the first failure nobody stands in line any more."""
    talk = Talk()
    chain = RunnableWithMessageHistory(RunnableLambda(lambda messages: 1 / 0), talk.get)
    with pytest.raises(ZeroDivisionError):
        chain.batch(["x"] * 20, ADA)

    assert talk.chain.invoke("y", ADA) == "y after 0"


def somebody_waits() -> bool:
    return any(turn.wake is not None for line in list(_lines.of.values()) for turn in list(line))


class Late:
    """Holds up the run of the first input, until that of the second waits for it, or has gone before it."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk

    def on_run_start(self, run: Any) -> Any:
        if (run.name, run.inputs) == ("RunnableWithMessageHistory", "0"):
            return self
        return None

    def over(self) -> bool:
        return somebody_waits() or bool(self.talk.of and self.talk.of["ada"].messages)

    def wait(self) -> None:
        while not self.over():
            time.sleep(0.001)

    def __await__(self) -> Any:
        while not self.over():
            yield

    def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

    def on_run_event(self, run: Any, name: str, data: Any) -> None: ...

    def on_run_end(self, run: Any) -> None: ...


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_batch_keeps_the_order_of_slow_starters(verb: str) -> None:
    """The order is that of the inputs, also if the first is the last to get to its session."""
    talk = Talk()
    outputs: Any = getattr(talk.chain, verb)(["0", "1"], {**ADA, "callbacks": [Late(talk)]})
    outputs = asyncio.run(outputs) if verb == "abatch" else outputs

    assert outputs == ["0 after 0", "1 after 2"]


@pytest.mark.parametrize("verb", ["batch", "abatch"])
def test_who_waits_holds_no_permit(verb: str) -> None:
    """While the second run waits for the session, the first does two things at once, with a limit of two."""
    meeting, ameeting = threading.Barrier(2, timeout=10), asyncio.Barrier(2)

    def meet(_: object) -> str:
        meeting.wait()
        return "met"

    async def ameet(_: object) -> str:
        async with asyncio.timeout(10):
            await ameeting.wait()
        return "met"

    def until_another_waits(messages: list[BaseMessage]) -> str:
        while len(messages) == 1 and not somebody_waits():
            time.sleep(0.001)
        return "x"

    async def auntil_another_waits(messages: list[BaseMessage]) -> str:
        while len(messages) == 1 and not somebody_waits():  # noqa: ASYNC110 - it looks, and is told of nothing
            await asyncio.sleep(0)
        return "x"

    both = RunnableParallel(a=RunnableLambda(meet, ameet), b=RunnableLambda(meet, ameet))
    chain = RunnableWithMessageHistory(
        RunnableLambda(until_another_waits, auntil_another_waits) | both, Talk().get, output_messages_key="a"
    )
    outputs: Any = getattr(chain, verb)(["0", "1"], {**ADA, "max_concurrency": 2})

    assert (asyncio.run(outputs) if verb == "abatch" else outputs) == [{"a": "met", "b": "met"}] * 2


def test_limit_does_not_deadlock() -> None:
    """Whatever waits for whom, a bound on what runs at once stops nothing."""
    talk, others = Talk(), Talk()
    both = RunnableParallel(a=talk.chain, b=others.chain, c=talk.chain)
    outputs = both.map().invoke(["x"] * 5, {**ADA, "max_concurrency": 2})

    assert len(outputs) == 5
    assert len(whole_runs(talk.of["ada"].messages)) == 10


# ------------------------------------------------------------------------------------------- waits that would not end


def test_nested_in_its_own_session(run: Any) -> None:
    """A run inside a run of the same session would wait for itself: it is refused at once, and nothing is written."""
    talk = Talk()
    outer = RunnableWithMessageHistory(RunnableLambda(lambda messages: talk.chain.invoke("in", ADA)), talk.get)

    with pytest.raises(HistoryError, match="a run around it holds"):
        run(outer, "out", ADA)
    assert talk.of["ada"].messages == []


def test_nested_in_a_branch_of_its_own_session(run: Any) -> None:
    """It is found across threads and tasks, too."""
    talk = Talk()
    branch = RunnableLambda(lambda messages: "in") | talk.chain
    outer = RunnableWithMessageHistory(RunnableParallel(a=branch, b=lambda _: "x"), talk.get, output_messages_key="b")

    with pytest.raises(HistoryError, match="a run around it holds"):
        run(outer, "out", ADA)


def test_nested_in_another_session(run: Any) -> None:
    """Another session is another matter."""
    talk = Talk()
    inner = talk.chain.with_config(BOB)
    outer = RunnableWithMessageHistory(RunnableLambda(lambda _: "in") | inner, talk.get)

    assert run(outer, "out", ADA) == "in after 0"
    assert (len(talk.of["ada"].messages), len(talk.of["bob"].messages)) == (2, 2)


async def test_two_runs_that_wait_for_each_other() -> None:
    """One holds the first session and wants the second, the other the reverse: one of them is refused."""
    talk, both = Talk(), asyncio.Barrier(2)

    def crossing(inner: Any) -> Any:
        async def say(_: object) -> str:
            await both.wait()
            return str(await talk.chain.ainvoke("in", inner))

        return RunnableWithMessageHistory(RunnableLambda(say), talk.get)

    async with asyncio.timeout(20):
        results = await asyncio.gather(
            crossing(BOB).ainvoke("out", ADA), crossing(ADA).ainvoke("out", BOB), return_exceptions=True
        )

    assert sorted(type(result).__name__ for result in results) == ["HistoryError", "str"]


def test_second_run_while_a_stream_is_read() -> None:
    """A run in the loop that reads a stream of its session would wait for that loop: it is refused."""
    talk = Talk()
    letters = RunnableWithMessageHistory(RunnableGenerator(lambda _: iter("abc")), talk.get)
    with closing(letters.stream("hi", ADA)) as chunks:
        next(chunks)
        with pytest.raises(HistoryError, match="a stream that is being read"):
            talk.chain.invoke("x", ADA)

    assert talk.chain.invoke("x", ADA) == "x after 0"


async def test_second_async_run_while_a_stream_is_read() -> None:
    """A run in the loop that reads a stream of its session would wait for that loop: it is refused."""
    talk = Talk()
    letters = RunnableWithMessageHistory(RunnableGenerator(lambda _: iter("abc")), talk.get)
    async with aclosing(letters.astream("hi", ADA)) as chunks:  # type: ignore[type-var]
        await anext(chunks)
        with pytest.raises(HistoryError, match="a stream that is being read"):
            await talk.chain.ainvoke("x", ADA)

    assert await talk.chain.ainvoke("x", ADA) == "x after 0"


async def test_another_task_waits_for_a_stream() -> None:
    """Whoever does not read the stream waits until it has ended."""
    talk = Talk()
    letters = RunnableWithMessageHistory(RunnableGenerator(lambda _: iter("abc")), talk.get)
    async with aclosing(letters.astream("hi", ADA)) as chunks:  # type: ignore[type-var]
        await anext(chunks)
        other = asyncio.create_task(talk.chain.ainvoke("x", ADA))
        await asyncio.sleep(0)
        assert [chunk async for chunk in chunks] == ["b", "c"]

    assert await other == "x after 2"


async def test_sync_run_that_blocks_the_loop_of_another() -> None:
    """A sync verb on an event loop cannot wait for a task of that loop: it is refused."""
    talk, started, go = Talk(), asyncio.Event(), asyncio.Event()

    async def hang(_: object) -> str:
        started.set()
        await go.wait()
        return "done"

    task = asyncio.create_task(RunnableWithMessageHistory(RunnableLambda(hang), talk.get).ainvoke("x", ADA))
    await started.wait()
    with pytest.raises(HistoryError, match="event loop"):
        talk.chain.invoke("y", ADA)
    go.set()

    assert await task == "done"


# ----------------------------------------------------------------------------------------------- whoever waits may end


async def test_waiting_is_cancelled() -> None:
    """A run that is cancelled while it waits leaves the line, and the next goes on."""
    talk, started, go = Talk(), asyncio.Event(), asyncio.Event()

    async def hang(_: object) -> str:
        started.set()
        await go.wait()
        return "x after 0"

    slow = RunnableWithMessageHistory(RunnableLambda(hang), talk.get)
    first = asyncio.create_task(slow.ainvoke("x", ADA))
    await started.wait()
    second, third = (asyncio.create_task(talk.chain.ainvoke(name, ADA)) for name in "yz")
    await asyncio.sleep(0.01)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go.set()

    assert await asyncio.gather(first, third) == ["x after 0", "z after 2"]


@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
def test_waiting_has_a_deadline(verb: str) -> None:
    """A run does not wait for its session longer than its timeout."""
    talk, started, go = Talk(), threading.Event(), threading.Event()

    def hang(_: object) -> str:
        started.set()
        go.wait()
        return "done"

    slow = RunnableWithMessageHistory(RunnableLambda(hang), talk.get)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow.invoke, "x", ADA)
        started.wait()
        with pytest.raises(DeadlineError):
            if verb == "invoke":
                talk.chain.invoke("y", {**ADA, "timeout": 0.05})
            else:
                asyncio.run(talk.chain.ainvoke("y", {**ADA, "timeout": 0.05}))
        go.set()
        assert first.result() == "done"

    assert len(talk.of["ada"].messages) == 2
    assert talk.most == 0


def test_line_holds_nothing_of_a_session_that_is_over() -> None:
    """Neither the function nor the history of a session is kept by what keeps its runs in order."""
    histories = [InMemoryChatMessageHistory()]
    gone = weakref.ref(histories[0])
    RunnableWithMessageHistory(RunnableLambda(str), histories.pop).invoke("x", {"configurable": {"session_id": 0}})
    gc.collect()

    assert gone() is None


async def test_function_without_ids() -> None:
    """Where no id says which session it is, the history does: new ones run at once, one and the same in order."""
    both, history = asyncio.Barrier(2), InMemoryChatMessageHistory()

    async def meet(_: object) -> str:
        async with asyncio.timeout(10):
            await both.wait()
        return "met"

    apart = RunnableWithMessageHistory(RunnableLambda(meet), lambda: InMemoryChatMessageHistory())
    talk = Talk()
    one = RunnableWithMessageHistory(RunnableLambda(talk.asay), lambda: history)
    inputs = [str(number) for number in range(20)]
    await one.abatch(inputs)

    assert await apart.abatch(["x", "y"]) == ["met", "met"]
    assert whole_runs(history.messages) == inputs


async def test_waiting_runs_do_not_keep_the_threads_that_the_holder_needs() -> None:
    """More runs than there are threads may wait for a session, while the run that has it needs one."""
    history = InMemoryChatMessageHistory()
    begun, full, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(_: Any) -> str:
        return "yes"

    async def hold(value: Any) -> Any:
        begun.set()
        await go.wait()
        return await RunnableLambda(answer).ainvoke(value)

    holder = RunnableWithMessageHistory(RunnableLambda(hold), lambda session_id: history)
    quick = RunnableWithMessageHistory(RunnableLambda(answer), lambda session_id: history)
    asked: list[int] = []

    def ask(number: int) -> Any:
        asked.append(number)
        if len(asked) == 64:  # as many as there are threads
            loop.call_soon_threadsafe(full.set)
        return quick.invoke(str(number), config)

    config: Any = {"configurable": {"session_id": "a"}}
    async with asyncio.TaskGroup() as group:
        group.create_task(holder.ainvoke("first", config))
        await begun.wait()
        group.create_task(RunnableLambda(ask).abatch(range(80), {"max_concurrency": 80}))
        await full.wait()
        go.set()

    assert len(history.messages) == 2 * 81

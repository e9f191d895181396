"""Whoever listens, on either side, hears of every run once, with its parents, tags and metadata."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from plait.output_parsers import StrOutputParser
from plait.prompts import ChatPromptTemplate
from plait.providers.langchain import from_langchain, to_langchain
from plait.runnables import RunnableLambda
from plait.testing import EchoChatModel

pytestmark = pytest.mark.peer


@pytest.fixture
def chain(lc: Any) -> Any:
    """Prompt, model and parser, all of LangChain's."""
    fakes = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    prompt = lc.prompts.ChatPromptTemplate.from_messages([("human", "say {x}")])
    return prompt | fakes.FakeListChatModel(responses=["ab"]) | lc.output_parsers.StrOutputParser()


class Ours:
    """Notes runs as plait's listeners hear of them."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, str, str | None]] = []
        self.ended: list[tuple[str, str]] = []
        self.chunks: Counter[str] = Counter()
        self.tags: dict[str, list[str]] = {}
        self.events: list[tuple[str, str, Any]] = []

    def on_run_start(self, run: Any) -> None:
        self.runs.append((run.name, run.kind, run.parent and run.parent.name))
        self.tags[run.name] = run.tags

    def on_run_chunk(self, run: Any, chunk: Any) -> None:
        self.chunks[run.name] += 1

    def on_run_event(self, run: Any, name: str, data: Any) -> None:
        self.events.append((run.name, name, data))

    def on_run_end(self, run: Any) -> None:
        self.ended.append((run.name, run.status))


@pytest.fixture
def theirs(lc: Any) -> Any:
    """A handler of LangChain's that notes starts, with the parents by name, and ends."""

    class Theirs(lc.callbacks.BaseCallbackHandler):  # type: ignore[misc]  # its base is loaded when it is needed
        def __init__(self) -> None:
            self.names: dict[Any, str] = {}
            self.runs: list[tuple[str, str | None]] = []
            self.ended: list[str] = []
            self.tokens: list[str] = []
            self.messages: list[Any] = []

        def begun(self, run_id: Any, parent_run_id: Any, name: str) -> None:
            assert run_id not in self.names
            self.names[run_id] = name
            self.runs.append((name, parent_run_id and self.names[parent_run_id]))

        def on_chain_start(
            self, what: Any, given: Any, *, run_id: Any, parent_run_id: Any, name: str, **_: Any
        ) -> None:
            self.begun(run_id, parent_run_id, name)

        def on_chat_model_start(
            self, what: Any, given: Any, *, run_id: Any, parent_run_id: Any, name: str, **_: Any
        ) -> None:
            self.begun(run_id, parent_run_id, name or what["name"])
            self.messages += given[0]

        def on_llm_new_token(self, token: str, **_: Any) -> None:
            self.tokens.append(token)

        def on_chain_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
            self.ended.append(self.names[run_id])

        def on_chain_error(self, error: Any, *, run_id: Any, **_: Any) -> None:
            self.ended.append(f"{self.names[run_id]} failed")

        on_llm_end = on_chain_end

    return Theirs()


def test_plait_hears_what_runs_in_langchain(run: Any, chain: Any) -> None:
    """The bridge and the chain behind it are one run, its steps are runs below it, of their kinds."""
    heard = Ours()

    run(from_langchain(chain), {"x": 1}, {"callbacks": [heard], "tags": ["t"]})

    assert heard.runs == [
        ("RunnableSequence", "chain", None),
        ("ChatPromptTemplate", "prompt", "RunnableSequence"),
        ("FakeListChatModel", "chat_model", "RunnableSequence"),
        ("StrOutputParser", "parser", "RunnableSequence"),
    ]
    assert {status for _, status in heard.ended} == {"success"}
    assert len(heard.ended) == 4
    assert "t" in heard.tags["FakeListChatModel"]


def test_a_place_in_the_chain_is_told(chain: Any) -> None:
    """The run of the bridge is tagged as a step of the plait chain."""
    heard = Ours()

    (RunnableLambda(lambda x: x) | from_langchain(chain)).invoke({"x": 1}, {"callbacks": [heard]})

    assert heard.runs[3] == ("ChatPromptTemplate", "prompt", "RunnableSequence")
    assert "seq:step:1" in heard.tags["ChatPromptTemplate"]


async def test_events_show_what_runs_in_langchain(chain: Any) -> None:
    """``astream_events`` names every step behind the bridge, with the tokens of its model."""
    events = [event async for event in from_langchain(chain).astream_events({"x": 1}, version="v2")]

    tokens = [event["data"]["chunk"].content for event in events if event["event"] == "on_chat_model_stream"]
    assert tokens == ["a", "b"]
    assert events[0]["name"] == events[-1]["name"] == "RunnableSequence"
    assert len({event["run_id"] for event in events}) == 4


async def test_the_log_names_what_runs_in_langchain(chain: Any) -> None:
    """``astream_log`` finds a step behind the bridge by its name."""
    log = [
        patch
        async for patch in from_langchain(chain).astream_log({"x": 1}, include_names=["FakeListChatModel"], diff=False)
    ]

    assert list(log[-1].state["logs"]) == ["FakeListChatModel"]


def test_a_failure_is_told_where_it_was(lc: Any) -> None:
    """Runs behind the bridge fail, are cancelled and end once each."""
    heard = Ours()
    fail = lc.runnables.RunnableLambda(lambda x: 1 // x, name="divides")

    with pytest.raises(ZeroDivisionError):
        from_langchain(fail | fail).invoke(0, {"callbacks": [heard]})

    assert heard.ended == [("divides", "error"), ("RunnableSequence", "error")]


def test_custom_events_come_through(lc: Any) -> None:
    """What a LangChain function tells by ``dispatch_custom_event`` is heard here, as of its run."""
    heard = Ours()

    def tell(x: Any) -> Any:
        lc.callbacks.dispatch_custom_event("half", 50)
        return x

    step = lc.runnables.RunnableLambda(tell, name="tells")
    from_langchain(step | step).invoke(1, {"callbacks": [heard]})

    assert heard.events == [("tells", "half", 50)] * 2


def test_a_handler_of_langchains_hears_langchain_itself(run: Any, chain: Any, theirs: Any, lc: Any) -> None:
    """In a plait chain it is told of each run once, and of LangChain's with LangChain's messages."""
    run(RunnableLambda(lambda x: {"x": x}) | from_langchain(chain), 1, {"callbacks": [theirs], "run_name": "all"})

    assert ("all", None) in theirs.runs
    assert ("RunnableSequence", "all") in theirs.runs
    assert ("FakeListChatModel", "RunnableSequence") in theirs.runs
    assert len(theirs.runs) == len(theirs.ended) == 6
    assert isinstance(theirs.messages[0], lc.messages.HumanMessage)


def test_a_handler_of_langchains_hears_plait_inside_langchain(run: Any, theirs: Any, lc: Any) -> None:
    """A plait chain in a chain of LangChain's is a run, and its steps are runs below it."""
    inner = ChatPromptTemplate.from_messages([("human", "say {x}")]) | EchoChatModel() | StrOutputParser()
    whole = lc.runnables.RunnableLambda(lambda x: {"x": x}) | to_langchain(inner.with_config(run_name="inner"))
    config = {"callbacks": [theirs], "run_name": "all"}

    if run.is_async:
        asyncio.run(whole.ainvoke(1, config))
    else:
        whole.invoke(1, config)

    assert ("ChatPromptTemplate", "inner") in theirs.runs
    assert ("EchoChatModel", "inner") in theirs.runs
    assert ("StrOutputParser", "inner") in theirs.runs
    assert len(theirs.runs) == len(theirs.ended)
    assert isinstance(theirs.messages[0], lc.messages.HumanMessage)


def test_there_and_back_each_run_is_told_once(lc: Any, theirs: Any) -> None:
    """LangChain in plait in LangChain in plait: every listener, of either kind, hears every run once."""
    heard = Ours()
    innermost = from_langchain(lc.runnables.RunnableLambda(lambda x: x + 1, name="innermost"))
    middle = to_langchain(innermost | RunnableLambda(lambda x: x + 1).with_config(run_name="plus"))
    whole = RunnableLambda(lambda x: x) | from_langchain(middle | lc.runnables.RunnableLambda(lambda x: x, name="last"))

    assert whole.invoke(0, {"callbacks": [heard, theirs]}) == 2

    names = Counter(name for name, _, _ in heard.runs)
    assert names["innermost"] == names["last"] == names["plus"] == 1
    assert Counter(name for name, _ in theirs.runs)["innermost"] == 1


async def test_events_of_langchain_show_plaits_steps(lc: Any) -> None:
    """LangChain's own ``astream_events`` shows the steps of a plait chain, and the tokens of its model."""
    inner = ChatPromptTemplate.from_messages([("human", "{x}")]) | EchoChatModel()
    whole = lc.runnables.RunnableLambda(lambda x: {"x": x}) | to_langchain(inner)

    events = [event async for event in whole.astream_events("hi", version="v2")]

    names = {event["name"] for event in events}
    assert {"ChatPromptTemplate", "EchoChatModel"} <= names
    assert any(event["event"] == "on_chat_model_stream" for event in events)


def test_who_listens_may_end_the_run(chain: Any) -> None:
    """A listener with ``raise_error`` ends the work behind the bridge."""

    class Strict(Ours):
        raise_error = True

        def on_run_start(self, run: Any) -> None:
            if run.kind == "chat_model":
                raise PermissionError("no models here")

    with pytest.raises(PermissionError):
        from_langchain(chain).invoke({"x": 1}, {"callbacks": [Strict()]})

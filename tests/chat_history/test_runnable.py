"""``RunnableWithMessageHistory``: what goes in, what comes out, what is kept, and what is not."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from operator import itemgetter
from typing import Any

import pytest

from plait import (
    ChatPromptTemplate,
    ConfigurableFieldSpec,
    MessagesPlaceholder,
    RunnableGenerator,
    RunnableLambda,
    StrOutputParser,
)
from plait.chat_history import BaseChatMessageHistory, InMemoryChatMessageHistory
from plait.errors import ChainError, ConfigError, DeadlineError, EmptyStreamError, MessageError
from plait.merging import StreamReset
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage
from plait.runnables.history import RunnableWithMessageHistory
from plait.testing import FakeListChatModel

ADA = {"configurable": {"session_id": "ada"}}
BOB = {"configurable": {"session_id": "bob"}}


class Store:
    """Histories by session, as an application keeps them."""

    def __init__(self) -> None:
        self.of: dict[str, InMemoryChatMessageHistory] = {}

    def get(self, session_id: str) -> InMemoryChatMessageHistory:
        if session_id not in self.of:
            self.of[session_id] = InMemoryChatMessageHistory()
        return self.of[session_id]

    def texts(self, session_id: str = "ada") -> list[str]:
        return [f"{message.type}:{message.text}" for message in self.get(session_id).messages]


@pytest.fixture
def store() -> Store:
    return Store()


def count(messages: list[BaseMessage]) -> str:
    return f"{len(messages)} {messages[-1].text}"


def fail(_: object) -> str:
    raise OSError("the model is gone")


# --------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize(
    "given",
    ["hi", HumanMessage("hi"), [HumanMessage("hi")], (HumanMessage("hi"),), [("human", "hi")], {"input": "hi"}],
    ids=repr,
)
def test_what_may_go_in(run: Any, store: Store, given: Any) -> None:
    """A text, a message, a list of them: all are the new messages, after those that are known."""
    chain = RunnableWithMessageHistory(RunnableLambda(count), store.get)

    assert run(chain, given, ADA) == "1 hi"
    assert run(chain, given, ADA) == "3 hi"
    assert store.texts() == ["human:hi", "ai:1 hi", "human:hi", "ai:3 hi"]


@pytest.mark.parametrize(
    "answer",
    ["yes", AIMessage("yes"), AIMessageChunk("yes"), [AIMessage("yes")], {"output": "yes"}, {"x": [AIMessage("yes")]}],
    ids=repr,
)
def test_what_may_come_out(run: Any, store: Store, answer: Any) -> None:
    """A text, a message, a list of them, a dict with one of these; it comes out as it is, and is kept as a message."""
    chain = RunnableWithMessageHistory(RunnableLambda(lambda _: answer), store.get)

    assert run(chain, "hi", ADA) == answer
    assert store.texts() == ["human:hi", "ai:yes"]
    assert type(store.get("ada").messages[-1]) is AIMessage


def test_history_in_a_key_of_its_own(run: Any, store: Store) -> None:
    """A prompt finds the history where it asks for it, and the question where it was."""
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Be {mood}"), MessagesPlaceholder("history"), ("human", "{question}")]
    )
    chain = RunnableWithMessageHistory(
        prompt | (lambda value: " ".join(message.text for message in value.to_messages())),
        store.get,
        input_messages_key="question",
        history_messages_key="history",
    )

    assert run(chain, {"question": "a?", "mood": "kind"}, ADA) == "Be kind a?"
    assert run(chain, {"question": "b?", "mood": "calm"}, ADA) == "Be calm a? Be kind a? b?"
    assert store.texts() == ["human:a?", "ai:Be kind a?", "human:b?", "ai:Be calm a? Be kind a? b?"]


def test_history_before_the_messages_of_a_dict(run: Any, store: Store) -> None:
    """Without a key for the history it goes before the messages in the input key."""
    chain = RunnableWithMessageHistory(
        RunnableLambda(lambda given: {"said": count(given["new"]), "other": given["k"]}),
        store.get,
        input_messages_key="new",
        output_messages_key="said",
    )

    assert run(chain, {"new": "a", "k": 1}, ADA) == {"said": "1 a", "other": 1}
    assert run(chain, {"new": [HumanMessage("b")], "k": 2}, ADA) == {"said": "3 b", "other": 2}
    assert store.texts() == ["human:a", "ai:1 a", "human:b", "ai:3 b"]


@pytest.mark.parametrize(
    ("keys", "given", "message"),
    [
        ({"input_messages_key": "q"}, "hi", "dict"),
        ({"input_messages_key": "q"}, {"k": "hi"}, "no key 'q'.*input_messages_key.*'k'"),
        ({"history_messages_key": "h"}, {"a": "x", "b": "y"}, "input_messages_key"),
        ({}, 5, "a text, a message or a list.*int"),
        ({}, None, "None"),
        ({}, [5], "cannot make a message"),
    ],
)
def test_input_that_is_none(run: Any, store: Store, keys: Any, given: Any, message: str) -> None:
    """What cannot be messages is refused before the chain is called, by what is wrong with it."""
    called: list[Any] = []
    chain = RunnableWithMessageHistory(RunnableLambda(called.append), store.get, **keys)

    with pytest.raises((TypeError, KeyError, MessageError), match=message):
        run(chain, given, ADA)
    assert called == []


@pytest.mark.parametrize(("answer", "message"), [(5, "int"), ({"a": "x", "b": "y"}, "output_messages_key")])
def test_output_that_is_none(run: Any, store: Store, answer: Any, message: str) -> None:
    """An answer that cannot be kept is an error, and nothing is written, not even the question."""
    chain = RunnableWithMessageHistory(RunnableLambda(lambda _: answer), store.get)

    with pytest.raises((MessageError, KeyError), match=message):
        run(chain, "hi", ADA)
    assert store.texts() == []


# ------------------------------------------------------------------------------------------------------ sessions


def test_sessions_are_apart(run: Any, store: Store) -> None:
    """What one session says is not told to another."""
    chain = RunnableWithMessageHistory(RunnableLambda(count), store.get)
    run(chain, "a", ADA)

    assert run(chain, "b", BOB) == "1 b"
    assert store.texts("bob") == ["human:b", "ai:1 b"]


@pytest.mark.parametrize("config", [None, {}, {"configurable": {"user": "x"}}, {"configurable": {"session_id": None}}])
def test_no_session_is_an_error(run: Any, store: Store, config: Any) -> None:
    """A call that does not say whose history it has is refused, with the key and the form (P26)."""
    chain = RunnableWithMessageHistory(RunnableLambda(count), store.get)

    with pytest.raises(ConfigError, match=r"lacks 'session_id'.*\{'configurable': \{'session_id': \.\.\.\}\}"):
        run(chain, "hi", config)


IDS = [ConfigurableFieldSpec("user", str), ConfigurableFieldSpec("talk", str)]


@pytest.mark.parametrize(
    "get",
    [
        lambda user, talk: lambda: f"{user}/{talk}",
        lambda talk, *, user: lambda: f"{user}/{talk}",
        lambda **ids: lambda: f"{ids['user']}/{ids['talk']}",
        lambda *ids: lambda: "/".join(ids),
        lambda user, talk="", more=1: lambda: f"{user}/{talk}",
    ],
)
def test_several_ids(run: Any, store: Store, get: Callable[..., Callable[[], str]]) -> None:
    """The ids of ``history_factory_config`` go to the function by their names; to one without names, in their order."""

    def forwarding(*args: Any, **kwargs: Any) -> BaseChatMessageHistory:
        return store.get(get(*args, **kwargs)())

    forwarding.__signature__ = __import__("inspect").signature(get)  # type: ignore[attr-defined]
    chain = RunnableWithMessageHistory(RunnableLambda(count), forwarding, history_factory_config=IDS)
    run(chain, "hi", {"configurable": {"talk": "2", "user": "1"}})

    assert list(store.of) == ["1/2"]
    with pytest.raises(ConfigError, match=r"lacks 'talk'"):
        run(chain, "hi", {"configurable": {"user": "1"}})


@pytest.mark.parametrize("get", [lambda person, talk: None, lambda user: None, lambda user, talk, more: None])
def test_function_that_takes_other_ids(get: Any) -> None:
    """A function that cannot take the ids is refused when the chain is built."""
    with pytest.raises(ConfigError, match=r"'user', 'talk'.*history_factory_config"):
        RunnableWithMessageHistory(RunnableLambda(count), get, history_factory_config=IDS)


def test_function_without_parameters(run: Any) -> None:
    """One history for all needs no id."""
    history = InMemoryChatMessageHistory()
    run(RunnableWithMessageHistory(RunnableLambda(count), lambda: history), "hi")

    assert len(history.messages) == 2


async def test_async_function(store: Store) -> None:
    """The history may be awaited, by async verbs."""

    async def get(session_id: str) -> BaseChatMessageHistory:
        await asyncio.sleep(0)
        return store.get(session_id)

    chain = RunnableWithMessageHistory(RunnableLambda(count), get)

    assert await chain.ainvoke("hi", ADA) == "1 hi"
    with pytest.raises(TypeError, match=r"async.*ainvoke"):
        chain.invoke("hi", ADA)


@pytest.mark.parametrize("given", [None, [], {}, "x"], ids=repr)
def test_something_else_than_a_history(run: Any, given: Any) -> None:
    """What the function gives must be a history."""
    chain = RunnableWithMessageHistory(RunnableLambda(count), lambda: given)

    with pytest.raises(TypeError, match=f"BaseChatMessageHistory, gave {type(given).__name__}"):
        run(chain, "hi")


def test_what_is_no_function() -> None:
    """A history in place of the function that gives it is refused at once."""
    with pytest.raises(TypeError, match=r"function.*InMemoryChatMessageHistory"):
        RunnableWithMessageHistory(RunnableLambda(count), InMemoryChatMessageHistory())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"ConfigurableFieldSpec.*str"):
        RunnableWithMessageHistory(RunnableLambda(count), lambda x: x, history_factory_config=["user"])


# ------------------------------------------------------------------------------------------- written once, or never


def test_failed_run_leaves_nothing(run: Any, store: Store) -> None:
    """Of a run that fails nothing is kept, not even the question (P26)."""
    with pytest.raises(OSError, match="gone"):
        run(RunnableWithMessageHistory(RunnableLambda(fail), store.get), "hi", ADA)

    assert store.texts() == []


def letters(_: Iterator[Any]) -> Iterator[str]:
    yield from "abc"


async def aletters(_: AsyncIterator[Any]) -> AsyncIterator[str]:
    for letter in "abc":
        yield letter


LETTERS = RunnableGenerator(letters, aletters)


def test_stream_stays_a_stream(store: Store) -> None:
    """Each chunk comes as it is made; the sum is kept when the stream has ended, and not before."""
    chain = RunnableWithMessageHistory(LETTERS, store.get)
    with closing(chain.stream("hi", ADA)) as chunks:
        assert [next(chunks), next(chunks), next(chunks)] == ["a", "b", "c"]
        assert store.texts() == []
        assert list(chunks) == []

    assert store.texts() == ["human:hi", "ai:abc"]


async def test_async_stream_stays_a_stream(store: Store) -> None:
    """Each chunk comes as it is made; the sum is kept when the stream has ended, and not before."""
    chain = RunnableWithMessageHistory(LETTERS, store.get)
    async with aclosing(chain.astream("hi", ADA)) as chunks:  # type: ignore[type-var]
        assert [await anext(chunks), await anext(chunks), await anext(chunks)] == ["a", "b", "c"]
        assert store.texts() == []
        assert [chunk async for chunk in chunks] == []

    assert store.texts() == ["human:hi", "ai:abc"]


def test_model_chunks_become_one_message(store: Store) -> None:
    """The chunks of a model's stream are kept as one message, that of the whole answer."""
    chain = RunnableWithMessageHistory(FakeListChatModel(responses=["one two three"]), store.get)
    chunks = list(chain.stream("hi", ADA))

    assert len(chunks) > 1
    assert store.texts() == ["human:hi", "ai:one two three"]
    assert type(store.get("ada").messages[1]) is AIMessage


def test_stream_closed_early_leaves_nothing(store: Store) -> None:
    """A stream that is left before its end is not a run that succeeded; its session is free again."""
    chain = RunnableWithMessageHistory(LETTERS, store.get)
    with closing(chain.stream("hi", ADA)) as chunks:
        next(chunks)

    assert store.texts() == []
    assert chain.invoke("hi", ADA) == "abc"


async def test_async_stream_closed_early_leaves_nothing(store: Store) -> None:
    """A stream that is left before its end is not a run that succeeded; its session is free again."""
    chain = RunnableWithMessageHistory(LETTERS, store.get)
    async with aclosing(chain.astream("hi", ADA)) as chunks:  # type: ignore[type-var]
        await anext(chunks)

    assert store.texts() == []
    assert await chain.ainvoke("hi", ADA) == "abc"


def test_stream_that_fails_leaves_nothing(store: Store) -> None:
    """An error after the first chunks leaves nothing of them."""

    def breaking(_: Iterator[Any]) -> Iterator[str]:
        yield "a"
        raise OSError("gone")

    chain = RunnableWithMessageHistory(RunnableGenerator(breaking), store.get)

    with pytest.raises(OSError, match="gone"):
        list(chain.stream("hi", ADA))
    assert store.texts() == []


def test_stream_that_began_again_is_kept_without_its_first_half(store: Store) -> None:
    """What a ``StreamReset`` takes back was never said."""

    def restarting(_: Iterator[Any]) -> Iterator[Any]:
        yield from ("half", StreamReset("OSError"), "who", "le")

    chain = RunnableWithMessageHistory(RunnableGenerator(restarting), store.get)

    assert list(chain.stream("hi", ADA)) == ["half", StreamReset("OSError"), "who", "le"]
    assert store.texts() == ["human:hi", "ai:whole"]


def test_stream_without_a_chunk_is_no_answer(store: Store) -> None:
    """As for invoke, where there is no value to give."""
    chain = RunnableWithMessageHistory(RunnableGenerator(lambda _: iter(())), store.get)

    with pytest.raises(EmptyStreamError):
        list(chain.stream("hi", ADA))
    assert store.texts() == []


async def test_cancelled_run_leaves_nothing(store: Store) -> None:
    """A cancelled run is written no more than a failed one, and holds its session no longer."""
    started = asyncio.Event()

    async def hang(_: object) -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.create_task(RunnableWithMessageHistory(RunnableLambda(hang), store.get).ainvoke("hi", ADA))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert store.texts() == []
    assert await RunnableWithMessageHistory(RunnableLambda(count), store.get).ainvoke("hi", ADA) == "1 hi"


@pytest.mark.parametrize("verb", ["invoke", "ainvoke"])
def test_late_run_leaves_nothing(store: Store, verb: str) -> None:
    """A run whose deadline has passed is not written, even if the chain does not notice and gives its answer."""

    def slow(_: object) -> str:
        time.sleep(0.1)
        return "late"

    async def aslow(_: object) -> str:
        time.sleep(0.1)  # noqa: ASYNC251 - as a step does that blocks the loop
        return "late"

    chain = RunnableWithMessageHistory(RunnableLambda(slow, aslow), store.get)
    with pytest.raises(DeadlineError):
        if verb == "invoke":
            chain.invoke("hi", {**ADA, "timeout": 0.05})
        else:
            asyncio.run(chain.ainvoke("hi", {**ADA, "timeout": 0.05}))

    assert store.texts() == []


def test_history_that_cannot_be_written_fails_the_run(run: Any) -> None:
    """The answer is not given as if it had been kept."""

    class Full(InMemoryChatMessageHistory):
        def add_messages(self, messages: Any) -> None:
            raise OSError("the disk is full")

    chain = RunnableWithMessageHistory(RunnableLambda(count), lambda: Full())

    with pytest.raises(OSError, match="full"):
        run(chain, "hi")


def test_each_run_is_written_once_and_whole(run: Any) -> None:
    """All messages of a run are written together, in one call."""
    written: list[int] = []

    class Noted(InMemoryChatMessageHistory):
        def add_messages(self, messages: Any) -> None:
            written.append(len(messages))
            super().add_messages(messages)

    run(RunnableWithMessageHistory(RunnableLambda(count), lambda: Noted()), [HumanMessage("a"), HumanMessage("b")])

    assert written == [3]


# ------------------------------------------------------------------------------------------- a node like any other


def test_in_a_chain(run: Any, store: Store) -> None:
    """It is a step like any other, before and after others; what follows it gets its chunks."""
    talk = RunnableWithMessageHistory(FakeListChatModel(responses=["x", "x"]), store.get)
    chain = RunnableLambda(str.upper) | talk | StrOutputParser()

    assert run(chain, "hi", ADA) == "x"
    assert store.texts() == ["human:HI", "ai:x"]


def test_bound_session(run: Any, store: Store) -> None:
    """The session may be bound."""
    run(RunnableWithMessageHistory(RunnableLambda(count), store.get).with_config(ADA), "hi")

    assert len(store.texts()) == 2


def test_methods_of_what_is_wrapped_keep_the_history(run: Any, store: Store) -> None:
    """A method of the model that gives a runnable gives it with the history (P20)."""

    class Binding(FakeListChatModel):
        def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
            return self.bind(tools=tools)

    talk: Any = RunnableWithMessageHistory(Binding(responses=["a", "b"]), store.get)
    run(talk.bind_tools([]), "hi", ADA)

    assert store.texts() == ["human:hi", "ai:a"]


def test_says_what_configures_it(store: Store) -> None:
    """The ids of the session are among the configurable fields."""
    chain = RunnableWithMessageHistory(RunnableLambda(count), store.get)

    assert [spec.id for spec in chain.config_specs] == ["session_id"]
    assert "session_id" in str(chain.get_config_jsonschema(include=["configurable"]))


def test_names_and_schemas(store: Store) -> None:
    """It has a name, says what it takes, and its repr shows the chain and the keys."""
    chain = RunnableWithMessageHistory(RunnableLambda(count), store.get, input_messages_key="q")

    assert chain.get_name() == "RunnableWithMessageHistory"
    assert chain.get_input_jsonschema()["type"] == "object"
    assert repr(chain) == "RunnableWithMessageHistory(RunnableLambda(count), get, input_messages_key='q')"


def test_chain_that_lacks_a_key_is_found_when_it_is_built(store: Store) -> None:
    """The history key is not asked of the step before; every other key is."""
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    talk = RunnableWithMessageHistory(
        prompt | count, store.get, input_messages_key="question", history_messages_key="history"
    )

    assert {"question": itemgetter("q")} | talk
    with pytest.raises(ChainError, match="question"):
        _ = {"other": itemgetter("q")} | talk


def one_history() -> BaseChatMessageHistory:
    return InMemoryChatMessageHistory()


def test_pickles() -> None:
    """With a function that can be found by its name it can be packed."""
    chain = RunnableWithMessageHistory(RunnableLambda(str), one_history, input_messages_key="q")
    copy = pickle.loads(pickle.dumps(chain))

    assert repr(copy) == repr(chain)


def test_watchers_see_its_run(run: Any, store: Store) -> None:
    """It is a run of its own, with the chain within it."""
    seen: list[tuple[str, str | None]] = []

    class Watcher:
        def on_run_start(self, run: Any) -> None:
            seen.append((run.name, run.parent and run.parent.name))

        def on_run_chunk(self, run: Any, chunk: Any) -> None: ...

        def on_run_event(self, run: Any, name: str, data: Any) -> None: ...

        def on_run_end(self, run: Any) -> None: ...

    run(RunnableWithMessageHistory(RunnableLambda(count), store.get), "hi", {**ADA, "callbacks": [Watcher()]})

    assert seen == [("RunnableWithMessageHistory", None), ("count", "RunnableWithMessageHistory")]


def test_what_a_history_calls_inherits_the_config(run: Any) -> None:
    """A history is user code: what it calls finds the config of the run."""
    from plait import current_config

    seen: list[Any] = []

    class Curious(InMemoryChatMessageHistory):
        @property
        def messages(self) -> list[BaseMessage]:
            seen.append(current_config()["tags"])
            return []

    run(RunnableWithMessageHistory(RunnableLambda(count), lambda: Curious()), "hi", {"tags": ["t"]})

    assert seen == [["t"]]

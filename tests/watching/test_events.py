"""``astream_events``: each run has a start, its chunks and one end, in the form of version "v2"."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plait import (
    AIMessage,
    ChatPromptTemplate,
    Document,
    FakeListChatModel,
    FakeListLLM,
    HumanMessage,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StrOutputParser,
)
from plait.callbacks import adispatch_custom_event
from plait.errors import ConfigError
from plait.merging import merge_all
from plait.runnables import Runnable
from plait.runs import DEFAULTS, Run, Scope
from plait.watching.events import EventListener

KEYS = ["event", "name", "run_id", "parent_ids", "tags", "metadata", "data"]
ENDS = ("_end", "_error", "_cancelled")


class Docs(RunnableLambda[str, list[Document]]):
    """A retriever, as far as events know one."""

    _kind = "retriever"  # type: ignore[misc]


def add_one(number: int) -> int:
    return number + 1


def fail(input: Any) -> None:
    raise ValueError("no")


def model_chain() -> Runnable[Any, Any]:
    model = FakeListChatModel(responses=["a b"])
    return ChatPromptTemplate.from_template("say {x}") | model | StrOutputParser()


async def events_of(chain: Runnable[Any, Any], input: Any = None, **kwargs: Any) -> list[Any]:
    return [event async for event in chain.astream_events(input, **kwargs)]


def shown(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["event"], event["name"]) for event in events]


# ----------------------------------------------------------------------------------------------------------------- form


async def test_events_of_a_chain() -> None:
    """The events of a prompt, a model and a parser are those of version "v2", in the order in which they happen."""
    told = shown(await events_of(model_chain(), {"x": "hi"}, version="v2"))

    assert list(dict.fromkeys(told)) == [
        ("on_chain_start", "RunnableSequence"),
        ("on_prompt_start", "ChatPromptTemplate"),
        ("on_prompt_end", "ChatPromptTemplate"),
        ("on_chat_model_start", "FakeListChatModel"),
        ("on_chat_model_stream", "FakeListChatModel"),
        ("on_parser_start", "StrOutputParser"),
        ("on_parser_stream", "StrOutputParser"),
        ("on_chain_stream", "RunnableSequence"),
        ("on_chat_model_end", "FakeListChatModel"),
        ("on_parser_end", "StrOutputParser"),
        ("on_chain_end", "RunnableSequence"),
    ]


async def test_keys_of_an_event() -> None:
    """Each event has the same seven keys; ids are texts, the parents from the outermost on."""
    config = {"tags": ["mine"], "metadata": {"who": "me"}}
    events = await events_of(RunnablePassthrough() | RunnableParallel(a=add_one), 1, config=config)
    ids = {event["name"]: event["run_id"] for event in events}
    leaf = next(event for event in events if event["name"] == "add_one")

    assert all([*event] == KEYS for event in events)
    assert leaf["parent_ids"] == [ids["RunnableSequence"], ids["RunnableParallel<a>"]]
    assert (leaf["tags"], leaf["metadata"]) == (["map:key:a", "mine"], {"who": "me"})
    assert all(isinstance(id, str) for event in events for id in (event["run_id"], *event["parent_ids"]))


async def test_data() -> None:
    """Starts have the input as far as it is known, chunks themselves, and ends the output and the whole input."""
    events = await events_of(RunnablePassthrough() | add_one, 1)
    data = {event["event"] + " " + event["name"]: event["data"] for event in events}

    assert data["on_chain_start RunnableSequence"] == {"input": 1}
    assert data["on_chain_start RunnablePassthrough"] == {}
    assert data["on_chain_start add_one"] == {"input": 1}
    assert data["on_chain_stream add_one"] == {"chunk": 2}
    assert data["on_chain_end RunnablePassthrough"] == {"output": 1, "input": 1}
    assert data["on_chain_end RunnableSequence"] == {"output": 2, "input": 1}


async def test_input_of_a_chat_model() -> None:
    """A chat model in a chain is told to have got lists of messages; one that is the chain, what it was given."""
    model = FakeListChatModel(responses=["yes"])
    inner = await events_of(RunnablePassthrough() | model, "hi", include_types=["chat_model"])
    outer = await events_of(model, "hi")

    assert inner[0]["data"] == {"input": {"messages": [[HumanMessage("hi")]]}}
    assert inner[-1]["data"]["input"] == {"messages": [[HumanMessage("hi")]]}
    assert isinstance(inner[-1]["data"]["output"], AIMessage)
    assert (outer[0]["event"], outer[0]["data"]) == ("on_chat_model_start", {"input": "hi"})


async def test_input_of_a_text_model() -> None:
    """A text model in a chain got prompts, and gives text."""
    events = await events_of(RunnablePassthrough() | FakeListLLM(responses=["yes"]), "hi", include_types=["llm"])

    assert (events[0]["event"], events[0]["data"]) == ("on_llm_start", {"input": {"prompts": ["hi"]}})
    assert (events[-1]["event"], events[-1]["data"]["output"]) == ("on_llm_end", "yes")


async def test_input_of_a_retriever() -> None:
    """A retriever in a chain got a query; its one chunk is its output, and is told once."""
    chain = RunnablePassthrough() | Docs(lambda question: [Document(question)], name="Docs")
    events = await events_of(chain, "hi", include_names=["Docs"])

    assert [(event["event"], event["data"]) for event in events] == [
        ("on_retriever_start", {"input": {"query": "hi"}}),
        ("on_retriever_end", {"output": [Document("hi")], "input": {"query": "hi"}}),
    ]


async def test_value_that_is_no_json() -> None:
    """Events are for this process: what cannot be copied is the object itself."""
    lock = threading.Lock()
    events = await events_of(RunnableLambda(lambda x: {"lock": lock}))

    assert events[-1]["data"]["output"]["lock"] is lock


@pytest.mark.parametrize("version", ["v1", "v3", None, 2])
async def test_unknown_version(version: Any) -> None:
    """Any other version is refused before anything runs, and the error says which there is."""
    calls: list[Any] = []

    with pytest.raises(ConfigError, match="'v2'"):
        await events_of(RunnableLambda(calls.append), 1, version=version)

    assert calls == []


# ----------------------------------------------------------------------------------------------------------------- ends


async def test_failure() -> None:
    """P10: a failed run has an error event with the exception itself, and then the consumer gets that."""
    told, caught = await told_until(RunnableLambda(add_one) | fail, 1)
    errors = told[-2:]

    assert shown(errors) == [("on_chain_error", "fail"), ("on_chain_error", "RunnableSequence")]
    assert [error["data"]["error"] for error in errors] == [caught, caught]
    assert [error["data"]["input"] for error in errors] == [2, 1]
    assert isinstance(caught, ValueError)


async def test_cancelled_run() -> None:
    """P32: a run that is cancelled while the chain goes on has one end, with what it had produced."""
    waiting = asyncio.Event()

    async def stream(input: AsyncIterator[Any]) -> AsyncIterator[str]:
        yield "begun"
        waiting.set()
        await asyncio.Event().wait()

    async def fail_later(input: Any) -> None:
        await waiting.wait()
        raise ValueError("no")

    async def save(input: Any) -> Any:
        try:
            async for _ in RunnableParallel(stream=stream, fail=fail_later).astream(input):
                pass
        except ValueError:
            return "saved"

    events = await events_of(RunnableLambda(save), 1)
    [end] = [event for event in events if event["name"] == "stream" and event["event"].endswith(ENDS)]

    assert (end["event"], end["data"]) == ("on_chain_cancelled", {"output": "begun"})
    assert events[-1]["data"]["output"] == "saved"


# ------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"include_types": ["chat_model"]}, {"FakeListChatModel"}),
        ({"include_types": ["llm"]}, set()),
        ({"include_names": ["StrOutputParser"]}, {"StrOutputParser"}),
        ({"include_tags": ["seq:step:1"]}, {"ChatPromptTemplate"}),
        ({"exclude_types": ["chain", "prompt"]}, {"FakeListChatModel", "StrOutputParser"}),
        (
            {
                "include_metadata": {"who": "me"},
                "exclude_names": ["RunnableSequence", "FakeListChatModel", "StrOutputParser"],
            },
            {"ChatPromptTemplate"},
        ),
        ({"exclude_metadata": {"who": "me"}}, set()),
    ],
)
async def test_filters(filters: dict[str, Any], names: set[str]) -> None:
    """Filters choose runs, the chain itself as any other."""
    events = await events_of(model_chain(), {"x": "hi"}, config={"metadata": {"who": "me"}}, **filters)

    assert {event["name"] for event in events} == names


ORDERS: list[Callable[[Runnable[Any, Any]], Runnable[Any, Any]]] = [
    lambda step: step.with_config(tags=["mine"], run_name="named"),
    lambda step: step.with_config(tags=["mine"]).with_config(run_name="named"),
    lambda step: step.with_config(run_name="named").bind(stop=None).with_config(tags=["mine"]),
    lambda step: step.bind(stop=None).with_config(tags=["mine"], run_name="named"),
    lambda step: step.with_config(tags=["mine"], run_name="named").bind(stop=None),
    lambda step: step.with_listeners().with_config(tags=["mine"], run_name="named"),
    lambda step: step.with_config(tags=["mine"], run_name="named").with_listeners(),
]


@pytest.mark.parametrize("filters", [{"include_tags": ["mine"]}, {"include_names": ["named"]}])
async def test_filters_do_not_depend_on_the_order_of_wrappers(filters: dict[str, Any]) -> None:
    """P44: a tag and a name count wherever they were set."""
    told = []
    for wrapped in ORDERS:
        chain = RunnablePassthrough() | wrapped(FakeListChatModel(responses=["yes"]))
        told.append(shown(await events_of(chain, "hi", **filters)))

    assert told[0] == [
        ("on_chat_model_start", "named"),
        ("on_chat_model_stream", "named"),
        ("on_chat_model_end", "named"),
    ]
    assert told == [told[0]] * len(ORDERS)


async def test_filter_of_a_wrong_form() -> None:
    """A filter that cannot be is refused before anything runs."""
    with pytest.raises(ConfigError, match="exclude_metadata"):
        await events_of(RunnableLambda(add_one), 1, exclude_metadata="x")


# ------------------------------------------------------------------------------------------------------- custom events


async def dispatching(input: Any) -> Any:
    await adispatch_custom_event("progress", {"done": input})
    return input


@pytest.mark.parametrize(
    ("filters", "is_told"),
    [
        ({}, True),
        ({"include_names": ["progress"]}, True),
        ({"include_names": ["dispatching"]}, True),
        ({"include_names": ["other"]}, False),
        ({"exclude_names": ["progress"]}, False),
        ({"exclude_names": ["dispatching"]}, False),
        ({"include_tags": ["seq:step:2"]}, True),
    ],
)
async def test_custom_event(filters: dict[str, Any], is_told: bool) -> None:
    """A custom event has the name and the data that were dispatched, and the rest of the run in which they were."""
    events = await events_of(RunnablePassthrough() | dispatching, 1, **filters)
    custom = [event for event in events if event["event"] == "on_custom_event"]

    assert [(event["name"], event["data"], event["tags"]) for event in custom] == [
        ("progress", {"done": 1}, ["seq:step:2"])
    ] * is_told


# ---------------------------------------------------------------------------------------------------- what must hold


async def letters(input: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in input:
        for letter in "abc":
            await asyncio.sleep(0)
            yield letter


async def nested(input: Any) -> Any:
    return await (RunnableLambda(str) | letters).ainvoke(input)


def last(input: Any) -> Any:
    return [*input.values()][-1] if isinstance(input, dict) else input


STEPS: dict[str, Callable[[], Runnable[Any, Any]]] = {
    "passthrough": RunnablePassthrough,
    "function": lambda: RunnableLambda(str),
    "generator": lambda: RunnableGenerator(letters),
    "nested": lambda: RunnableLambda(nested),
    "model": lambda: RunnableLambda(str) | FakeListChatModel(responses=["x y"]) | StrOutputParser(),
    "failure": lambda: RunnableLambda(fail),
}
CHAINS: st.SearchStrategy[Runnable[Any, Any]] = st.recursive(
    st.sampled_from([*STEPS]).map(lambda name: STEPS[name]()),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: two[0] | two[1]),
        st.tuples(inner, inner).map(lambda two: RunnableParallel(a=two[0], b=two[1]) | last),
        inner.map(lambda one: RunnableLambda(lambda x: [x, x]) | one.map() | str),
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(CHAINS, st.integers(0, 30))
def test_runs_of_any_chain(chain: Runnable[Any, Any], stop: int) -> None:
    """P10: each run starts once, after its parent, and ends once, before it; its chunks lie between and add up."""
    whole, error = asyncio.run(told_until(chain, "in"))
    check(whole, is_whole=True)
    check(asyncio.run(told_until(chain, "in", stop))[0], is_whole=False)

    assert whole[-1]["data"].get("error", error) is error
    assert whole[-1]["event"] == ("on_chain_error" if isinstance(error, ValueError) else whole[-1]["event"])


async def told_until(
    chain: Runnable[Any, Any], input: Any, stop: int | None = None
) -> tuple[list[Any], BaseException | None]:
    """The events of a chain, up to a number of them if there is one, and what it raised."""
    events: list[Any] = []
    async with aclosing(chain.astream_events(input)) as stream:  # type: ignore[type-var]  # it is a generator
        try:
            while len(events) != stop:
                events.append(await anext(stream))
        except (ValueError, StopAsyncIteration) as error:
            return events, error
    return events, None


def check(events: list[Any], *, is_whole: bool) -> None:
    running: dict[str, Any] = {}
    chunks: dict[str, list[Any]] = {}
    seen: set[str] = set()
    for event in events:
        id, stage = event["run_id"], event["event"].rpartition("_")[2]
        assert set(event["parent_ids"]) <= set(running)
        if stage == "start":
            assert id not in seen
            running[id], chunks[id] = event["parent_ids"], []
            seen.add(id)
        elif stage == "stream":
            chunks[id].append(event["data"]["chunk"])
        else:
            del running[id]
            assert all(id not in parents for parents in running.values())
            if stage == "end" and chunks[id]:
                assert merge_all(chunks[id]) == event["data"]["output"]
    assert not (is_whole and running)


async def test_a_consumer_harms_nobody() -> None:
    """What is done to an event reaches neither the chain nor another event."""
    metadata, tags = {"who": ["me"]}, ["mine"]
    chain = RunnableLambda(lambda x: {"n": [1]}) | RunnableLambda(lambda found: [*found["n"], 2])
    seen = []
    async for event in chain.astream_events(1, {"metadata": metadata, "tags": tags}):
        seen.append((event["metadata"], event["tags"][-1], len(event["parent_ids"])))
        assert event["metadata"] == {"who": ["me"]}
        event["metadata"]["who"].append("you")
        event["tags"].clear()
        event["parent_ids"].clear()
        for value in event["data"].values():
            if isinstance(value, dict | list):
                value.clear()

    assert {tag for _, tag, _ in seen} == {"mine"}
    assert {depth for _, _, depth in seen} == {0, 1}
    assert await chain.ainvoke(1) == [1, 2]


def test_listener_keeps_nothing_of_runs_that_ended() -> None:
    """P45: after a thousand runs, of which a third fail and a third are cancelled, nothing is kept of any."""
    listener = EventListener(lambda event: None)
    for number in range(999):
        run = Run("step", "chain", None, Scope(DEFAULTS))
        listener.on_run_start(run)
        run.status = ("success", "error", "cancelled")[number % 3]  # type: ignore[assignment]
        listener.on_run_end(run)

    assert not listener._steps

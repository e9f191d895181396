"""``astream_log``: the patches, the states that they build up, and what they cost."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait import (
    AIMessageChunk,
    ChatPromptTemplate,
    Document,
    FakeListChatModel,
    FakeListLLM,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StrOutputParser,
)
from plait.errors import ConfigError
from plait.runnables import Runnable
from plait.runs import DEFAULTS, Run, Scope
from plait.watching.log import LogListener, RunLog, RunLogPatch
from plait.watching.patches import PatchError, apply

ENTRY = {"id", "name", "type", "tags", "metadata", "start_time", "streamed_output_str", "final_output", "end_time"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


class Docs(RunnableLambda[str, list[Document]]):
    """A retriever, as far as a log knows one."""

    _kind = "retriever"  # type: ignore[misc]


def find(question: str) -> list[Document]:
    return [Document("harrison worked at kensho")]


def retrieval_chain(*answers: str) -> Runnable[Any, Any]:
    """The chain of the specification, on fakes."""
    model = FakeListChatModel(responses=[*answers] or ["H"])
    prompt = ChatPromptTemplate.from_template("{context} {question}")
    docs = Docs(find).with_config(run_name="Docs", tags=["FAISS"])
    return {"context": docs, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()


async def log_of(chain: Runnable[Any, Any], input: Any = None, **kwargs: Any) -> list[Any]:
    return [each async for each in chain.astream_log(input, **kwargs)]


def ops_of(patches: list[RunLogPatch]) -> list[dict[str, Any]]:
    return [op for patch in patches for op in patch.ops]


async def state_of(chain: Runnable[Any, Any], input: Any = None, **kwargs: Any) -> Any:
    return apply(None, ops_of(await log_of(chain, input, **kwargs)))


def stream_of(*chunks: Any) -> Runnable[Any, Any]:
    async def generate(input: AsyncIterator[Any]) -> AsyncIterator[Any]:
        for chunk in chunks:
            await asyncio.sleep(0)
            yield chunk

    return RunnableGenerator(generate)


def saved(chain: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """A chain that goes on when the other fails."""

    async def save(input: Any) -> Any:
        try:
            return await chain.ainvoke(input)
        except Exception:
            return "saved"

    return RunnableLambda(save)


def masked(shown: str) -> str:
    """What was printed, without ids and times."""
    return MOMENT.sub("TIME", re.sub(r"'[0-9a-f]{8}-[0-9a-f-]{27}'", "'ID'", shown))


# ----------------------------------------------------------------------------------------------------- specification

PATCHES = """\
RunLogPatch({'op': 'replace',
  'path': '',
  'value': {'final_output': None,
            'id': 'ID',
            'logs': {},
            'streamed_output': []}})
RunLogPatch({'op': 'add',
  'path': '/logs/Docs',
  'value': {'end_time': None,
            'final_output': None,
            'id': 'ID',
            'metadata': {},
            'name': 'Docs',
            'start_time': 'TIME',
            'streamed_output_str': [],
            'tags': ['map:key:context', 'FAISS'],
            'type': 'retriever'}})
RunLogPatch({'op': 'add',
  'path': '/logs/Docs/final_output',
  'value': {'documents': [Document(page_content='harrison worked at kensho')]}},
 {'op': 'add',
  'path': '/logs/Docs/end_time',
  'value': 'TIME'})
RunLogPatch({'op': 'add', 'path': '/streamed_output/-', 'value': 'H'})
RunLogPatch({'op': 'replace', 'path': '/final_output', 'value': 'H'})
"""


async def test_patches_of_the_specification() -> None:
    """The first cell of the specification, one of its documents filtered in, prints what it prints there."""
    shown = ""
    async for patch in retrieval_chain().astream_log("where did harrison work?", include_names=["Docs"]):
        shown += f"{patch}\n"

    assert masked(shown) == PATCHES


STATES = """\
RunLog({'final_output': None,
 'id': 'ID',
 'logs': {},
 'streamed_output': []})
RunLog({'final_output': None,
 'id': 'ID',
 'logs': {'Docs': {'end_time': None,
                   'final_output': None,
                   'id': 'ID',
                   'metadata': {},
                   'name': 'Docs',
                   'start_time': 'TIME',
                   'streamed_output_str': [],
                   'tags': ['map:key:context', 'FAISS'],
                   'type': 'retriever'}},
 'streamed_output': []})
"""


async def test_states_of_the_specification() -> None:
    """The second cell, with ``diff=False``, begins as it does there, and ends with the answer."""
    logs = await log_of(retrieval_chain(), "where?", include_names=["Docs"], diff=False)

    assert masked("".join(f"{log}\n" for log in logs[:2])) == STATES
    assert (logs[-1].state["streamed_output"], logs[-1].state["final_output"]) == (["H"], "H")


async def test_first_patch_has_four_keys() -> None:
    """The state begins as the ``RunState`` of the specification, and an entry has its nine fields."""
    first, *rest = ops_of(await log_of(retrieval_chain()))
    entries = [op["value"] for op in rest if op["path"].count("/") == 2 and op["path"].startswith("/logs")]

    assert set(first["value"]) == {"id", "streamed_output", "final_output", "logs"}
    assert len(entries) == 6
    assert all(set(entry) == ENTRY for entry in entries)


# ------------------------------------------------------------------------------------------------------------ what is told


async def test_tokens_of_a_model() -> None:
    """Each token of a model is told as text and as chunk, in one patch."""
    model = FakeListChatModel(responses=["a b"])
    patches = await log_of(RunnablePassthrough() | model, "hi", include_types=["llm"])
    tokens = [patch.ops for patch in patches if "/streamed_output_str/" in patch.ops[0]["path"]]
    state = apply(None, ops_of(patches))["logs"]["FakeListChatModel"]

    assert all(len(ops) == 2 for ops in tokens)
    assert "".join(state["streamed_output_str"]) == "a b"
    assert sum(state["streamed_output"][1:], state["streamed_output"][0]).content == "a b"


async def test_tokens_of_a_text_model() -> None:
    """A model of texts has the same entry; its result is an ``LLMResult`` without messages."""
    state = await state_of(RunnablePassthrough() | FakeListLLM(responses=["yes"]), "hi")
    entry = state["logs"]["FakeListLLM"]

    assert "".join(entry["streamed_output_str"]) == "".join(entry["streamed_output"]) == "yes"
    assert entry["final_output"]["generations"] == [[{"generation_info": None, "text": "yes", "type": "Generation"}]]


async def test_final_outputs() -> None:
    """Each kind of step has the final output in the shape that readers of logs know."""
    state = await state_of(retrieval_chain("yes"), "where?")
    final = {name: entry["final_output"] for name, entry in state["logs"].items()}
    result = final["FakeListChatModel"]

    assert final["Docs"] == {"documents": find("")}
    assert final["RunnablePassthrough"] == {"output": "where?"}
    assert final["RunnableParallel<context,question>"] == {"context": find(""), "question": "where?"}
    assert final["ChatPromptTemplate"].to_string().endswith("where?")
    assert (result["type"], result["run"], result["generations"][0][0]["message"].content) == ("LLMResult", None, "yes")
    assert set(result["generations"][0][0]) == {"text", "message", "generation_info", "type"}
    assert final["StrOutputParser"] == {"output": "yes"}
    assert all(MOMENT.fullmatch(entry[key]) for entry in state["logs"].values() for key in ("start_time", "end_time"))


async def test_one_chunk_that_is_the_output_is_told_once() -> None:
    """Prompts, retrievers and functions have no chunks in the log; steps that stream do."""
    state = await state_of(retrieval_chain() | (lambda text: text), "where?")
    streamed = {name for name, entry in state["logs"].items() if "streamed_output" in entry}

    assert streamed == {
        "RunnablePassthrough",
        "RunnableParallel<context,question>",
        *("FakeListChatModel", "StrOutputParser"),
    }


async def test_final_output_of_the_chain() -> None:
    """The final output is the sum of the chunks, told once, at the end."""
    patches = await log_of(stream_of({"a": "x"}, {"a": "y"}, {"b": [1]}))
    told = [op for op in ops_of(patches) if op["path"] == "/final_output"]

    assert told == patches[-1].ops == [{"op": "replace", "path": "/final_output", "value": {"a": "xy", "b": [1]}}]


async def test_without_streamed_output_list() -> None:
    """Who does not want the list of chunks gets the final output alone."""
    state = await state_of(stream_of("a", "b"), with_streamed_output_list=False)

    assert (state["streamed_output"], state["final_output"]) == ([], "ab")


async def test_failed_step() -> None:
    """A step that fails has an end, no output, and the error: its type and its text, bounded and without secrets."""

    def fail(input: Any) -> None:
        raise ValueError(f"no: api_key=sk-{'x' * 24} " + "y" * 1000)

    patches = []
    with pytest.raises(ValueError, match="no"):
        async for patch in (RunnableLambda(fail) | (lambda x: x)).astream_log(1):
            patches.append(patch)  # noqa: PERF401 - it ends with an exception
    state = apply(None, ops_of(patches))
    entry = state["logs"]["fail"]

    assert entry["error"]["type"] == "ValueError"
    assert entry["error"]["message"].startswith("no: api_key=*** y")
    assert len(entry["error"]["message"]) <= 500
    assert (entry["final_output"], state["final_output"]) == (None, None)
    assert MOMENT.fullmatch(entry["end_time"])


async def test_error_without_a_text() -> None:
    """An exception whose ``str`` raises is told by its type."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    def fail(input: Any) -> None:
        raise Odd

    state = await state_of(saved(RunnableLambda(fail)))

    assert state["logs"]["fail"]["error"] == {"type": "Odd", "message": ""}
    assert state["final_output"] == "saved"


async def test_cancelled_step() -> None:
    """A branch that is cancelled because its sibling fails has an end, and neither output nor error."""
    waiting = asyncio.Event()

    async def wait(input: Any) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async def fail(input: Any) -> None:
        await waiting.wait()
        raise ValueError("no")

    entry = (await state_of(saved(RunnableParallel(wait=wait, fail=fail))))["logs"]["wait"]

    assert (entry["final_output"], "error" in entry) == (None, False)
    assert MOMENT.fullmatch(entry["end_time"])


async def test_value_that_is_no_json() -> None:
    """A value that no JSON can hold becomes a tagged repr, and the run goes on with the value."""
    lock = threading.Lock()
    chain = RunnableLambda(lambda x: {"lock": lock}) | (lambda found: found["lock"] is lock)
    state = await state_of(chain, config={"metadata": {"client": lock}})
    entry = state["logs"]["<lambda>"]

    assert state["final_output"] is True
    assert entry["final_output"]["lock"]["type"] == entry["metadata"]["client"]["type"] == "not_implemented"


async def test_nested_calls_and_maps() -> None:
    """Runs of calls inside functions, and of each item of a map, are in the log with numbered names."""

    async def outer(input: list[int]) -> Any:
        return await RunnableLambda(inner).map().ainvoke(input)

    async def inner(input: int) -> int:
        return input + 1

    logs = (await state_of(RunnableLambda(outer) | (lambda x: x), [1, 2, 3]))["logs"]

    assert sorted(logs[name]["final_output"]["output"] for name in ("inner", "inner:2", "inner:3")) == [2, 3, 4]


# -------------------------------------------------------------------------------------------------------------- filters


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"include_names": ["Docs"]}, {"Docs"}),
        ({"include_types": ["retriever"]}, {"Docs"}),
        ({"include_types": ["llm"]}, {"FakeListChatModel"}),
        ({"include_types": ["chat_model"]}, {"FakeListChatModel"}),
        ({"include_tags": ["FAISS"]}, {"Docs"}),
        ({"include_tags": ["seq:step:2"]}, {"ChatPromptTemplate"}),
        (
            {"include_metadata": {"who": "me"}, "exclude_types": ["chain", "llm", "parser"]},
            {"Docs", "ChatPromptTemplate"},
        ),
        ({"include_metadata": {"who": "you"}}, set()),
        ({"exclude_metadata": {"who": "me"}}, set()),
        ({"include_names": ["Docs", "StrOutputParser"], "exclude_tags": ["FAISS"]}, {"StrOutputParser"}),
    ],
)
async def test_filters(filters: dict[str, Any], names: set[str]) -> None:
    """Filters choose the steps that are told of, by name, type, tag and metadata; the chain itself always is."""
    state = await state_of(retrieval_chain("yes"), "where?", config={"metadata": {"who": "me"}}, **filters)

    assert set(state["logs"]) == names
    assert state["final_output"] == "yes"


async def test_filter_of_a_wrong_form() -> None:
    """A filter that cannot be is refused before anything runs."""
    calls: list[Any] = []

    with pytest.raises(ConfigError, match="include_names"):
        async for _ in RunnableLambda(calls.append).astream_log(1, include_names="Docs"):
            pass

    assert calls == []


# ------------------------------------------------------------------------------------------- correct for other libraries

ODD = ["", "-", "0", "a/b", "~1", "a~b", "__proto__", "Name", "Name:2", "Name:3"]
NAMES = st.lists(st.sampled_from(ODD) | st.text(), min_size=1, max_size=8)
CHUNKS = st.lists(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    min_size=1,
    max_size=5,
)


@given(NAMES, CHUNKS)
def test_any_names_and_chunks(names: list[str], chunks: list[Any]) -> None:
    """P39: whatever steps are called, a third-party library builds the same state, and each prefix is a document."""
    document, told = None, RunLog()
    for ops in told_by(names, chunks):
        document = jsonpatch.apply_patch(document, ops)
        told = told + RunLogPatch(*ops)
        assert document == told.state
        assert set(document) == {"id", "streamed_output", "final_output", "logs"}
    entries: Any = told.state["logs"].values()

    assert [entry["name"] for entry in entries] == names
    assert all(entry["streamed_output"] == chunks for entry in entries)
    assert told.state["streamed_output"] == chunks
    assert told.state["final_output"] == chunks[0]


def told_by(names: list[str], chunks: list[Any]) -> list[Any]:
    """What a listener makes of a chain of steps with these names, each of which gives these chunks."""
    patches: list[Any] = []
    listener = LogListener(patches.append)
    runs = [Run(name, "chain", None, Scope(DEFAULTS)) for name in ["root", *names]]
    for run in runs:
        listener.on_run_start(run)
    for chunk in chunks:
        for run in reversed(runs):
            listener.on_run_chunk(run, chunk)
    for run in reversed(runs):
        run.outputs, run.status, run.end_time = chunks[0], "success", 0.0
        listener.on_run_end(run)
    return patches


async def test_names_that_are_no_pointers() -> None:
    """P39: names that mean something in a JSON Pointer, given with ``with_config``, are keys like any other."""
    chain = RunnablePassthrough()
    for name in ODD[1:]:
        chain = chain | RunnableLambda(lambda x: x).with_config(run_name=name)
    state = jsonpatch.apply_patch(None, ops_of(await log_of(chain, 1)))

    assert {"-", "0", "a/b", "~1", "a~b", "__proto__", "Name", "Name:2"} <= set(state["logs"])


def test_names_never_collide() -> None:
    """Equal names are numbered, and never as a step that is really called ``Name:2``."""
    patches: list[Any] = []
    listener = LogListener(patches.append)
    for name in ["root", "Name", "Name:2", "Name", "Name", "Name:2", "Name:2:2"]:
        listener.on_run_start(Run(name, "chain", None, Scope(DEFAULTS)))

    assert [ops[0]["path"] for ops in patches[1:]] == [
        f"/logs/{key}" for key in ("Name", "Name:2", "Name:3", "Name:4", "Name:2:2", "Name:2:2:2")
    ]


async def test_states_are_what_the_patches_amount_to() -> None:
    """``diff=False`` gives, step by step, the state that the patches so far build up."""
    chain, config = retrieval_chain("a b"), {"run_id": "6f1a1e44-9af7-4113-97f2-505bd82c53ea"}
    logs = await log_of(chain, "where?", config=config, diff=False)

    for log in logs:
        assert log.state == jsonpatch.apply_patch(None, log.ops)
    assert [len(a.ops) < len(b.ops) for a, b in pairwise(logs)] == [True] * (len(logs) - 1)


# --------------------------------------------------------------------------------------------------- nobody is harmed


async def test_what_a_consumer_does_to_patches_harms_nobody() -> None:
    """A consumer that changes what it gets changes neither the chain nor another log of it."""

    def grow(found: dict[str, Any]) -> dict[str, Any]:
        return {"docs": [*found["docs"], Document("more", metadata={"n": [1]})]}

    chain = RunnableLambda(lambda x: {"docs": [Document("first", metadata={"n": [0]})]}) | grow
    async for patch in chain.astream_log(1):
        wreck(patch.ops)
    final = patch.ops

    assert await chain.ainvoke(1) == {
        "docs": [Document("first", metadata={"n": [0]}), Document("more", metadata={"n": [1]})]
    }
    assert final == []


def wreck(value: Any) -> None:
    """Change everything in it that can be changed."""
    if isinstance(value, Document | AIMessageChunk):
        wreck(vars(value))
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        wreck(item)
    if isinstance(value, dict | list) and value:
        value.clear()


async def test_what_a_consumer_does_to_a_state_harms_no_other() -> None:
    """P11: states share nothing that one consumer could spoil for another, although none is replayed."""
    chunk = AIMessageChunk("a", response_metadata={"n": [1]})
    chain = stream_of(chunk, {"k": [1]}, "text") | stream_of(chunk, {"k": [1]})
    kept = [copy.deepcopy(log.state) for log in await log_of(chain, diff=False)]

    spoiled = 0
    async for log in chain.astream_log(None, diff=False):
        assert shape(log.state) == shape(kept[spoiled])
        spoiled += 1
        wreck(log.ops)
        wreck(log.state)

    assert chunk == AIMessageChunk("a", response_metadata={"n": [1]})
    assert spoiled == len(kept)


def shape(state: Any) -> Any:
    """A state without ids and times."""
    entries = {name: {**entry, "id": 0, "start_time": 0} for name, entry in state["logs"].items()}
    return {**state, "id": 0, "logs": {name: {**entry, "end_time": 0} for name, entry in entries.items()}}


async def test_chain_that_changes_its_chunks_harms_no_log() -> None:
    """P39: what the chain does to a value after it gave it away does not reach the log."""

    async def numbers(input: AsyncIterator[Any]) -> AsyncIterator[list[int]]:
        chunk: list[int] = []
        for number in range(3):
            chunk.append(number)
            yield chunk

    state = await state_of(RunnableGenerator(numbers))

    assert state["streamed_output"] == [[0], [0, 1], [0, 1, 2]]


# ---------------------------------------------------------------------------------------------------- patches and logs


def patch(value: Any) -> RunLogPatch:
    return RunLogPatch({"op": "add", "path": "/-", "value": value})


BEGIN = RunLogPatch({"op": "replace", "path": "", "value": []})


def test_patches_add_up() -> None:
    """Patches, and a log and a patch, add up to a log with its state."""
    log = BEGIN + patch(1) + patch(2)

    assert isinstance(log, RunLog)
    assert (log.state, len(log.ops)) == ([1, 2], 3)
    assert repr(log) == "RunLog([1, 2])"


def test_log_can_go_on_in_two_ways() -> None:
    """What is added to a log is not in the others that begin with it."""
    log = BEGIN + patch(1)
    one, two = log + patch(2), log + patch(3)

    assert [each.state for each in (log, one, two, one + patch(4), log)] == [[1], [1, 2], [1, 3], [1, 2, 4], [1]]


def test_log_takes_copies() -> None:
    """What becomes of a patch after it was added does not reach the log."""
    added = patch({"a": []})
    log = BEGIN + added
    added.ops[0]["value"]["a"].append(1)
    added.ops.clear()

    assert log.state == [{"a": []}]


def test_log_with_a_state() -> None:
    """A log can be made of operations and the state that they led to; what is added goes on from there."""
    log = RunLog({"op": "add", "path": "/x", "value": 1}, state={"x": 1})  # type: ignore[typeddict-item]

    assert (log + RunLogPatch({"op": "add", "path": "/y", "value": 2})).state == {"x": 1, "y": 2}
    assert log.state == {"x": 1}


def test_equality() -> None:
    """Patches are equal by their operations, logs by these and their states; a log is no patch."""
    assert patch(1) == patch(1) != patch(2)
    assert BEGIN + patch(1) == BEGIN + patch(1) != BEGIN + patch(2)
    assert RunLog(*BEGIN.ops) != BEGIN


@pytest.mark.parametrize("other", [1, [], None])
def test_only_patches_can_be_added(other: Any) -> None:
    """Anything else is refused as by any ``+``."""
    with pytest.raises(TypeError):
        patch(1) + other
    with pytest.raises(TypeError):
        (BEGIN + patch(1)) + other


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_and_pickles(copied: Callable[[Any], Any]) -> None:
    """A patch and a log survive being copied and pickled, and can be added to afterwards."""
    log = copied(BEGIN + patch(1))

    assert copied(patch(1)) == patch(1)
    assert (log + patch(2)).state == [1, 2]


def test_patch_that_does_not_fit() -> None:
    """A log of operations that cannot be applied says which, each time it is asked for its state."""
    log = BEGIN + RunLogPatch({"op": "add", "path": "/x/y", "value": 1})

    for _ in range(2):
        with pytest.raises(PatchError, match="/x/y"):
            _ = log.state


# ----------------------------------------------------------------------------------------------------------------- cost


async def consume_patches(chain: Runnable[Any, Any]) -> None:
    async for _ in chain.astream_log(None):
        pass


async def consume_states(chain: Runnable[Any, Any]) -> None:
    async for log in chain.astream_log(None, diff=False):
        _ = log.state


async def add_patches(chain: Runnable[Any, Any]) -> None:
    log: Any = None
    async for each in chain.astream_log(None):
        log = each if log is None else log + each


def calls_of(consume: Callable[[Any], Any], count: int) -> int:
    """How many functions are called, in Python and below it, to log a stream of ``count`` chunks."""
    calls = 0

    def called(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    chain = stream_of(*["chunk"] * count)
    before = sys.getprofile()
    sys.setprofile(called)
    try:
        asyncio.run(consume(chain), debug=False)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("consume", [consume_patches, consume_states, add_patches])
def test_cost_is_linear(consume: Callable[[Any], Any]) -> None:
    """P11: twice as many chunks take at most twice the steps, also if each state is looked at."""
    calls_of(consume, 10)  # what is loaded at first use

    assert calls_of(consume, 800) < 2.1 * calls_of(consume, 400)


async def peak_of(log: AsyncIterator[Any], kept: list[Any] | None = None) -> int:
    """The most memory that was in use while a log was read."""
    tracemalloc.start()
    async for each in log:
        if kept is not None:
            kept.append(each)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


async def test_memory_does_not_grow_with_the_log() -> None:
    """P11: patches that were taken are not kept; what grows is the list of chunks, and the output is their sum."""
    chunks = ["x" * 1000 + str(number) for number in range(4000)]

    assert await peak_of(stream_of(*chunks).astream_log(None)) < sum(map(len, chunks)) + 1_000_000


async def test_kept_logs_share_what_they_have_in_common() -> None:
    """P11: two thousand logs of one stream, all kept, take a few hundred bytes each."""
    log = stream_of(*["x"] * 2000).astream_log(None, diff=False)

    assert await peak_of(log, kept=[]) < 2000 * 1000


async def test_listener_keeps_nothing_of_runs_that_ended() -> None:
    """P45: after a thousand runs, of which a third fail and a third are cancelled, nothing is kept of any."""
    listener = LogListener(lambda ops: None)
    scope = Scope(DEFAULTS)
    listener.on_run_start(Run("root", "chain", None, scope))
    for number in range(999):
        run = Run("step", "chain", None, scope)
        listener.on_run_start(run)
        run.status = ("success", "error", "cancelled")[number % 3]  # type: ignore[assignment]
        listener.on_run_end(run)

    assert not listener._steps


def test_sync_steps_in_threads() -> None:
    """Steps that stream in threads of their own give a log that can be applied."""

    def numbers(chunks: Iterator[Any]) -> Iterator[int]:
        yield from range(100)

    chain = RunnableParallel({name: RunnableGenerator(numbers) for name in "abcd"})
    patches = asyncio.run(log_of(chain))
    state = jsonpatch.apply_patch(None, ops_of(patches))

    assert state["final_output"] == dict.fromkeys("abcd", 99)
    assert all(entry["streamed_output"] == [*range(100)] for entry in state["logs"].values())

"""The report of where a stream stops: its verdicts, its advice, and that what it predicts is what happens."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest

from plait import (
    BaseChatModel,
    BaseOutputParser,
    ChatPromptTemplate,
    FakeListChatModel,
    RouterRunnable,
    Runnable,
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSequence,
    StrOutputParser,
)
from plait.anatomy import Anatomy, Part
from plait.messages import AIMessage
from plait.outputs import ChatGeneration, ChatResult
from plait.stream_plan import StreamReport, stream_report

SOON = 10.0  # seconds that nobody has to wait unless something is wrong


def model(name: str = "model") -> Any:
    return FakeListChatModel(responses=["to be or not"]).with_config(run_name=name)


def prompt(name: str = "prompt") -> Any:
    return ChatPromptTemplate.from_template("say {topic}").with_config(run_name=name)


def step(name: str) -> Any:
    """A plain function."""
    return RunnableLambda(lambda value: value, name=name)


def topic(name: str) -> Any:
    return RunnableLambda(lambda value: {"topic": str(value)}, name=name)


def each(name: str) -> Any:
    return RunnableLambda(lambda value: value, name=name, chunkwise=True)


def items(name: str) -> Any:
    """A function that gives a list."""
    return RunnableLambda(lambda value: ["a", "b"], name=name)


def spread(name: str) -> Any:
    """A generator over a value, which is read whole."""

    def chunks(value: Any) -> Iterator[str]:
        yield "a"
        yield "b"

    return RunnableLambda(chunks, name=name)


def over(name: str) -> Any:
    """A generator over chunks."""

    def chunks(given: Iterator[Any]) -> Iterator[str]:
        for chunk in given:
            yield str(chunk)
            yield "!"

    return RunnableGenerator(chunks, name=name)


MEASURED = threading.Event()


def held(name: str) -> Any:
    """A generator that gives its second chunk when all has been measured."""

    def chunks(given: Iterator[Any]) -> Iterator[str]:
        for _ in given:
            yield "a"
            assert MEASURED.wait(SOON)
            yield "b"

    return RunnableGenerator(chunks, name=name)


def parser() -> Any:
    return StrOutputParser().with_config(run_name="parser")


class Whole(BaseOutputParser[str]):
    """A parser that needs all of the text."""

    def parse(self, text: str) -> str:
        return text


class Invoked(Runnable[Any, Any]):
    """A class that writes ``invoke`` and nothing else."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input


class Streaming(Runnable[Any, Any]):
    """A class that writes ``stream``, which takes the whole input."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return "ab"

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        yield "a"
        yield "b"

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        yield "a"
        yield "b"


class Silent(BaseChatModel):
    """A chat model that cannot stream."""

    @property
    def _llm_type(self) -> str:
        return "silent"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("to be"))])


def when(chunkwise: bool) -> Any:
    """A condition that does not hold."""
    return RunnableLambda(lambda value: False, name="never", chunkwise=chunkwise)


ASSIGNED = RunnablePassthrough.assign(topic=step("look"))

# name: (chain, input, where it stops, where the first chunk comes from)
CHAINS: dict[str, tuple[Any, Any, str | None, str]] = {
    "model": (model(), "x", None, "model"),
    "prompt, model": (prompt() | model(), {"topic": "x"}, None, "model"),
    "prompt, model, parser": (prompt() | model() | parser(), {"topic": "x"}, None, "model"),
    "function at the end": (prompt() | model() | parser() | step("f"), {"topic": "x"}, "f", "f"),
    "two functions": (prompt() | model() | parser() | step("f") | step("g"), {"topic": "x"}, "f", "g"),
    "function and more": (model() | parser() | step("f") | each("g") | RunnablePassthrough(), "x", "f", "f"),
    "chunkwise at the end": (prompt() | model() | parser() | each("f"), {"topic": "x"}, None, "model"),
    "a second model": (model("one") | parser() | topic("t") | prompt() | model("two"), "x", None, "two"),
    "only functions": (step("f") | step("g"), "x", "g", "g"),
    "a model that cannot stream": (prompt() | Silent() | parser(), {"topic": "x"}, "Silent", "Silent"),
    "generator over chunks": (model() | parser() | over("g"), "x", None, "model"),
    "only generators": (over("g") | over("h"), "x", None, "g"),
    "generator over a value": (model() | parser() | spread("g"), "x", None, "g"),
    "generator after a barrier": (step("f") | over("g"), "x", None, "f"),
    "passthrough": (RunnablePassthrough() | each("f"), "x", None, "RunnablePassthrough"),
    "assign": (ASSIGNED | prompt() | model() | parser(), {"x": 1}, None, "model"),
    "parallel before": ({"topic": step("f"), "b": step("g")} | prompt() | model(), "x", None, "model"),
    "parallel at the end": (held("g") | {"a": RunnablePassthrough(), "b": step("f")}, "x", None, "g"),
    "parallel of barriers": (model() | parser() | {"a": step("f"), "b": step("g")}, "x", "RunnableParallel<a,b>", "RunnableParallel<a,b>"),
    "parallel of models": (RunnableParallel(a=model("one"), b=model("two")), "x", None, "RunnableParallel<a,b>"),
    "branch of models": (RunnableBranch((when(False), model("one")), model("two")), "x", None, "RunnableBranch"),
    "branch of passers": (
        model() | parser() | RunnableBranch((when(False), each("f")), RunnablePassthrough()),
        "x",
        "RunnableBranch",
        "RunnableBranch",
    ),
    "branch by the first chunk": (
        model() | parser() | RunnableBranch((when(True), each("f")), RunnablePassthrough()),
        "x",
        None,
        "model",
    ),
    "branch with a barrier": (RunnableBranch((when(False), model("one")), model("two") | step("f")), "x", "f", "RunnableBranch"),
    "map": (items("list") | model().map(), "x", None, "RunnableEach<model>"),
    "parser of the whole": (model() | Whole().with_config(run_name="whole"), "x", "whole", "whole"),
    "a class with invoke": (model() | parser() | Invoked(), "x", "Invoked", "Invoked"),
    "a class with stream": (model() | parser() | Streaming(), "x", None, "Streaming"),
    "wrapped": ((model() | parser()).with_config(tags=["t"]) | step("f").bind().with_config(run_name="g"), "x", "g", "g"),
    "a chain in a chain": (RunnableSequence(model(), parser(), name="inner") | each("f"), "x", None, "model"),
    "barriers in a chain": (model() | RunnableSequence(step("f"), step("g"), name="inner"), "x", "f", "g"),
    "a router": (
        topic("t") | {"key": step("k"), "input": step("i")} | RunnableLambda(lambda given: {"key": "a", "input": "x"}, name="r")
        | RouterRunnable({"a": model("one")}),
        "x",
        None,
        "RouterRunnable",
    ),
}  # fmt: skip


RACES = {"parallel at the end"}
"""Where a branch that reads the whole of it may have drained the model before the other's first chunk is taken."""


class Ended:
    """Knows which runs started, and which of them ended."""

    def __init__(self) -> None:
        self.going: dict[str, None] = {}

    def on_run_start(self, run: Any) -> None:
        self.going[run.name] = None

    def on_run_chunk(self, run: Any, chunk: Any) -> None:
        pass

    def on_run_event(self, run: Any, name: str, data: Any) -> None:
        pass

    def on_run_end(self, run: Any) -> None:
        self.going.pop(run.name, None)


def first_going(report: StreamReport, going: dict[str, None]) -> str:
    """The first step of the report that has begun and not ended."""
    return next(row.name for row in report.steps if row.name in going)


@pytest.mark.parametrize("name", CHAINS)
def test_stop_is_named(name: str) -> None:
    """P02: the report names the step where the stream stops, or none."""
    chain, _, stops_at, _ = CHAINS[name]

    assert chain.stream_report().stops_at == stops_at


@pytest.mark.parametrize("name", CHAINS)
def test_first_chunk_is_predicted(name: str) -> None:
    """N7: when the first chunk is there, all steps before the one that is named have ended, and that one has not."""
    chain, given, _, first = CHAINS[name]
    ended, report = Ended(), chain.stream_report()
    MEASURED.clear()
    with closing(chain.stream(given, {"callbacks": [ended]})) as chunks:
        next(chunks)
        measured = first_going(report, ended.going)
        MEASURED.set()

    assert report.first_chunk_from == first
    if name not in RACES:
        assert measured == first


@pytest.mark.parametrize("name", CHAINS)
async def test_first_chunk_is_predicted_for_astream(name: str) -> None:
    """N7: it is the same step in an async stream."""
    chain, given, _, first = CHAINS[name]
    ended, report = Ended(), chain.stream_report()
    MEASURED.clear()
    async with aclosing(chain.astream(given, {"callbacks": [ended]})) as chunks:
        await anext(chunks)
        measured = first_going(report, ended.going)
        MEASURED.set()

    assert measured == first or name in RACES


@pytest.mark.parametrize("name", CHAINS)
def test_one_chunk_where_it_stops(name: str) -> None:
    """P02: the output is one chunk (one for each key, of a parallel) just where the report says that it stops."""
    chain, given, stops_at, _ = CHAINS[name]
    MEASURED.set()
    count = len(list(chain.stream(given)))
    keys = 2 if stops_at == "RunnableParallel<a,b>" else 1

    if stops_at is not None:
        assert count == keys or name.startswith("branch of passers")
    elif name != "passthrough":
        assert count > 1


# ------------------------------------------------------------------------------------------------------------ the rows


def verdicts(chain: Any) -> dict[str, str]:
    return {row.path: row.verdict for row in chain.stream_report().steps}


def test_rows_have_verdicts() -> None:
    """N7: each step is a pass-through, incremental or a barrier, in the order of the chain."""
    chain = prompt() | model() | parser() | RunnablePassthrough() | step("f")

    assert list(verdicts(chain).values()) == ["barrier", "incremental", "incremental", "pass-through", "barrier"]


def test_rows_have_paths() -> None:
    """Branches are named by their keys, the steps within by their places."""
    chain = {"topic": step("f") | step("g"), "b": RunnablePassthrough()} | prompt()

    assert list(verdicts(chain)) == ["1", "1.topic.1", "1.topic.2", "1.b", "2"]


def test_harmless_barrier_says_so() -> None:
    """A barrier before a model does no harm, and the row names the model."""
    rows = (step("f") | prompt() | model() | step("g")).stream_report().steps

    assert [row.harmless_before for row in rows] == ["model", "model", None, None]
    assert [bool(row.advice) for row in rows] == [False, False, False, True]


def test_barrier_in_a_branch_before_a_model_is_harmless() -> None:
    """What stands within a branch before the model is as harmless."""
    rows = ({"topic": step("f")} | prompt() | model()).stream_report().steps

    assert {row.path: row.harmless_before for row in rows}["1.topic"] == "model"


@pytest.mark.parametrize(
    ("barrier", "why", "advice"),
    [
        (step("f"), "plain function", "chunkwise=True"),
        (prompt(), "all of its values", ""),
        (Silent(), "in one piece", "_stream"),
        (Whole(), "whole text", "BaseTransformOutputParser"),
        (Invoked(), "no transform of its own", "give Invoked a transform"),
        (RunnableBranch((when(False), RunnablePassthrough()), RunnablePassthrough()), "conditions", "chunkwise=True"),
        (RouterRunnable({"a": RunnablePassthrough()}), "key may be in any chunk", ""),
    ],
)
def test_barrier_says_why_and_what_to_do(barrier: Any, why: str, advice: str) -> None:
    """P54: the reason is in words that a user understands, and the advice is something to be done."""
    stop = stream_report(barrier).stop

    assert stop is not None
    assert why in stop.why
    assert advice in stop.advice


def test_model_with_streaming_turned_off_is_a_barrier() -> None:
    """``disable_streaming`` makes the model the step where the stream stops."""
    silent = FakeListChatModel(responses=["a b"], disable_streaming=True)

    assert (prompt() | silent).stream_report().stops_at == "FakeListChatModel"


# -------------------------------------------------------------------------------------------------------------- as text


def test_text_says_where_it_stops() -> None:
    """The first line says it all; the row is marked."""
    text = str((model() | parser() | step("shout")).stream_report())

    assert text.startswith("The stream stops at shout (3): a plain function")
    assert sum("<- stops here" in line for line in text.splitlines()) == 1


def test_text_says_that_it_streams() -> None:
    """Where nothing stops, the first line names the source; ``repr`` is the same."""
    report = (prompt() | model() | parser()).stream_report()

    assert str(report).startswith("The output streams; its first chunk comes from model.")
    assert repr(report) == str(report)


def test_text_of_a_passer() -> None:
    """A chain that only passes chunks on streams as much as its input does."""
    assert str(RunnablePassthrough().stream_report()).startswith("The output comes in the same chunks as the input.")


def test_text_is_bounded_and_shows_the_stop() -> None:
    """Of a long chain the first and last rows and those around the stop are shown, and how many there are between."""
    before, after = [each(f"a{number}") for number in range(300)], [each(f"b{number}") for number in range(300)]
    text = str(RunnableSequence(over("g"), *before, step("culprit"), *after).stream_report())

    assert len(text.splitlines()) < 70
    assert "culprit" in text.splitlines()[0]
    assert "<- stops here" in text
    assert " more" in text


def test_names_cannot_break_out() -> None:
    """A hostile name neither ends the line, nor moves the cursor, nor is HTML."""
    report = step("a\nb\x1b[31m<script>").stream_report()

    assert "\x1b" not in str(report)
    assert len(str(report).splitlines()) == 4
    assert "<script>" not in report._repr_html_()


# ------------------------------------------------------------------------------------------------------------- extremes


class Own(Runnable[Any, Any]):
    """A class that says itself what it is made of."""

    def __init__(self, kind: Any, name: str = "own") -> None:
        self.kind, self.name = kind, name
        self.inner: list[Any] = []

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        raise AssertionError("nothing is run")

    @property
    def _anatomy(self) -> Anatomy:
        return Anatomy(self.kind, tuple(Part(str(number), node) for number, node in enumerate(self.inner)))


@pytest.mark.parametrize("kind", ["sequence", "parallel", "assign", "choice", "map", "wrapper"])
def test_what_contains_itself_has_a_report(kind: str) -> None:
    """P53: a runnable that leads back to itself neither hangs nor overflows the stack."""
    own = Own(kind)
    own.inner = [own]

    assert 1 <= len(own.stream_report().steps) <= 2


@pytest.mark.parametrize("kind", ["sequence", "parallel", "assign", "choice", "wrapper"])
def test_deep_nesting_has_a_report(kind: str) -> None:
    """P60: 3,000 levels are no matter of the interpreter's stack."""
    node: Any = step("f")
    for _ in range(3000):
        outer = Own(kind)
        outer.inner = [node]
        node = outer

    assert node.stream_report().steps[-1].name == ("own" if kind == "wrapper" else "f")


def test_shared_parts_do_not_explode() -> None:
    """One object twice in each of 40 levels is a trillion places, of which a bounded number is shown."""
    node: Any = step("f")
    for _ in range(40):
        node = RunnableParallel(a=node, b=node)

    assert len(stream_report(node).steps) < 11_000


def test_long_chain_has_a_report() -> None:
    """P60: 5,000 steps are no trouble."""
    report = RunnableSequence(*[each(f"f{number}") for number in range(5000)]).stream_report()

    assert len(report.steps) == 5000
    assert report.stops_at is None

"""The protocol on a real language model, step by step: each step shows its code, and then what that prints."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import textwrap
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol, cast

from plait import (
    FAISS,
    ChatPromptTemplate,
    LocalEmbeddings,
    Runnable,
    RunnableMap,
    RunnablePassthrough,
    StrOutputParser,
    init_chat_model,
)
from plait.errors import PlaitError

_TOKENS = 48

Chain = Runnable[Any, Any]


class _Screen(Protocol):
    def head(self, text: str) -> None: ...
    def code(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...


class _Plain:
    """What is shown when rich is not installed."""

    def head(self, text: str) -> None:
        print(f"\n== {text}")

    def code(self, text: str) -> None:
        print(textwrap.indent(text, "    ") + "\n")

    def note(self, text: str) -> None:
        print(f"-- {text}")


class _Rich:
    """Headings, colours and highlighted code."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False)

    def head(self, text: str) -> None:
        from rich.markup import escape

        self.console.print()
        self.console.rule(f"[bold]{escape(text)}", align="left")

    def code(self, text: str) -> None:
        from rich.syntax import Syntax

        self.console.print(Syntax(text, "python", background_color="default"))
        self.console.print()

    def note(self, text: str) -> None:
        from rich.text import Text

        self.console.print(Text(text, style="bold green"))


def _screen() -> _Screen:
    try:
        return _Rich()
    except ImportError:
        return _Plain()


def show(value: object) -> None:
    """The start of what ``value`` looks like; a message also holds who made it, and what it cost."""
    print(textwrap.shorten(repr(value), 180, placeholder=" ..."))


# Each function below is a step of the demo. Its body is shown, then run: what is read is what happens.


def _schemas(chain: Chain) -> None:
    print(chain.input_schema.schema())  # pyright: ignore[reportDeprecated]
    print(chain.output_schema.schema()["title"])  # pyright: ignore[reportDeprecated]
    print(json.dumps(chain.output_schema.schema()["anyOf"][:3]), "...")  # pyright: ignore[reportDeprecated]


def _stream(chain: Chain) -> None:
    for s in chain.stream({"topic": "bears"}):
        print(s.content, end="", flush=True)
    print()


def _invoke(chain: Chain) -> None:
    show(chain.invoke({"topic": "bears"}))


def _batch(chain: Chain) -> None:
    for message in chain.batch([{"topic": "bears"}, {"topic": "cats"}]):
        print("-", message.content)


def _bounded_batch(chain: Chain) -> None:
    inputs = [{"topic": "bears"}, {"topic": "cats"}, {"topic": "owls"}]
    for message in chain.batch(inputs, config={"max_concurrency": 2}):
        print("-", message.content)


async def _stream_async(chain: Chain) -> None:
    async for s in chain.astream({"topic": "bears"}):
        print(s.content, end="", flush=True)
    print()


async def _invoke_async(chain: Chain) -> None:
    show(await chain.ainvoke({"topic": "bears"}))


async def _batch_async(chain: Chain) -> None:
    show(await chain.abatch([{"topic": "bears"}]))


def _early_close(chain: Chain) -> None:
    stream = chain.stream({"topic": "bears"})
    print([next(stream).content for _ in range(4)])
    stream.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


_STEPS: list[tuple[str, Callable[[Chain], Awaitable[None] | None]]] = [
    ("The schemas of the input and the output, made from the chain", _schemas),
    ("Stream: tokens as they come", _stream),
    ("Invoke", _invoke),
    ("Batch: two inputs at once", _batch),
    ("Batch, with a bound on what runs at once", _bounded_batch),
    ("Async stream", _stream_async),
    ("Async invoke", _invoke_async),
    ("Async batch", _batch_async),
    ("A stream that is closed early: the model stops", _early_close),
]


def _parallel(model: Any, screen: _Screen) -> None:
    screen.head("Parallel: a joke and a poem at the same time")
    screen.code(
        textwrap.dedent("""\
        combined = RunnableMap({"joke": chain1, "poem": chain2})
        chain1.invoke({"topic": "bears"})
        chain2.invoke({"topic": "bears"})
        combined.invoke({"topic": "bears"})""")
    )
    chain1 = ChatPromptTemplate.from_template("tell me a joke about {topic}") | model
    chain2 = ChatPromptTemplate.from_template("write a short (2 line) poem about {topic}") | model
    combined = RunnableMap[Any]({"joke": chain1, "poem": chain2})
    alone = [_timed(name, chain) for name, chain in (("chain1", chain1), ("chain2", chain2))]
    together = _timed("combined", combined)
    screen.note(f"one after the other {sum(alone):.2f} s, together {together:.2f} s")
    spans = _spans(combined)
    said = ", ".join(f"the {key} from {first:.2f} s to {last:.2f} s" for key, (first, last) in spans.items())
    overlap = max(first for first, _ in spans.values()) < min(last for _, last in spans.values())
    screen.note(f"streamed: {said}: they {'ran together' if overlap else 'did not overlap on this machine'}")


# The bodies of these, too, are shown and then run.


def _retrieval_chain(model: Any) -> Chain:
    texts = ["harrison worked at kensho", "bears like to eat honey", "kensho lies in the mountains"]
    vectorstore = FAISS.from_texts(texts, embedding=LocalEmbeddings())
    retriever = vectorstore.as_retriever(search_kwargs={"k": 1})
    prompt = ChatPromptTemplate.from_template("Context: {context}\n\nQuestion: {question}")
    chain: Chain = (
        {"context": retriever.with_config(run_name="Docs"), "question": RunnablePassthrough[Any]()}
        | prompt
        | model.bind(max_tokens=12)
        | StrOutputParser()
    )
    return chain


async def _watch(retrieval_chain: Chain) -> None:
    async for chunk in retrieval_chain.astream_log("where did harrison work?", include_names=["Docs"]):
        print(chunk)


async def _watch_states(retrieval_chain: Chain) -> None:
    log = retrieval_chain.astream_log("where did harrison work?", include_names=["Docs"], diff=False)
    states = [state async for state in log]
    print(states[1], states[2], "...", states[-1], sep="\n")


def _structured(model: Any) -> None:
    schema = {
        "title": "Animal",
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "legs": {"type": "integer"}},
        "required": ["name", "legs"],
    }
    for animal in model.with_structured_output(schema).stream("Name an animal that likes honey."):
        print(animal)


def _retrieval(model: Any, screen: _Screen) -> None:
    screen.head("Retrieval: texts as vectors, both made in this process, and a chain that searches them")
    screen.code(_body(_retrieval_chain))
    chain = _retrieval_chain(model)
    screen.head("Watching the steps: what the retriever found, and each token, as JSON Patch while it happens")
    screen.code(_body(_watch))
    asyncio.run(_watch(chain))
    screen.head("The same as states of the run: two at its begin, and the last")
    screen.code(_body(_watch_states))
    asyncio.run(_watch_states(chain))
    screen.note("where a stream through this chain stops, known before it runs:")
    print(chain.stream_report())
    screen.note("and what it looks like:")
    chain.get_graph().print_ascii()
    screen.head("Structured output: the model can say nothing but what the schema allows, and it streams")
    screen.code(_body(_structured))
    _structured(model)


def _spans(combined: Chain) -> dict[str, tuple[float, float]]:
    """When the first and the last token of each branch came."""
    started = perf_counter()
    spans: dict[str, tuple[float, float]] = {}
    for chunk in combined.stream({"topic": "bears"}):
        for key in chunk:
            now = perf_counter() - started
            spans[key] = spans.get(key, (now, now))[0], now
    return spans


def _timed(name: str, chain: Chain) -> float:
    started = perf_counter()
    output = chain.invoke({"topic": "bears"})
    took = perf_counter() - started
    print(f"{name:<9} {took:5.2f} s   {textwrap.shorten(_text(output), 110, placeholder=' ...')}")
    return took


def _text(output: Any) -> str:
    if isinstance(output, dict):
        return str({key: message.content for key, message in cast("dict[str, Any]", output).items()})
    return repr(output.content)


def _body(step: Callable[..., Any]) -> str:
    source = inspect.getsource(step)
    lines = (line.split("  # ")[0] for line in source.splitlines()[1:])
    return textwrap.dedent("\n".join(lines)).rstrip()


def main() -> int:
    """Show every step on the local model; 1, with the reason on stderr, when there is none."""
    screen = _screen()
    started = perf_counter()
    screen.head("A chain: a prompt, then a model that runs inside this process")
    screen.code(
        textwrap.dedent(f"""\
        from plait import ChatPromptTemplate, init_chat_model

        model = init_chat_model("local", max_tokens={_TOKENS}, temperature=0)
        prompt = ChatPromptTemplate.from_template("tell me a joke about {{topic}}")
        chain = prompt | model""")
    )
    try:
        model = init_chat_model("local", max_tokens=_TOKENS, temperature=0)
        prompt = ChatPromptTemplate.from_template("tell me a joke about {topic}")
        _run(prompt | model, model, screen)
    except PlaitError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    screen.head(f"Done in {perf_counter() - started:.1f} s")
    print("The same lines work with ChatOpenAI(), ChatAnthropic() or any OpenAI-compatible base_url: see README.md.")
    return 0


def _run(chain: Chain, model: Any, screen: _Screen) -> None:
    for title, step in _STEPS:
        screen.head(title)
        screen.code(_body(step))
        done = step(chain)
        if done is not None:
            asyncio.run(cast("Any", done))
    _parallel(model, screen)
    _retrieval(model, screen)

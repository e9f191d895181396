"""One sample, or several, of every public Runnable class: what it is called with, what it must refuse.

A new class of Runnable gets a sample here, and with it is checked in every mode.
"""

from __future__ import annotations

import asyncio
import enum
import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from functools import partial
from itertools import cycle
from typing import Any, NamedTuple

from pydantic import BaseModel

import plait
from plait.chat_history import InMemoryChatMessageHistory
from plait.documents import Document, DocumentCompressorPipeline, LongContextReorder
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import MissingVariableError, ModelConnectionError, ModelError, OutputParserException, ToolInputError
from plait.language_models import LLM, BaseChatModel, BaseLLM, SimpleChatModel
from plait.language_models.structure import structure_of
from plait.language_models.structured import StructuredAnswer
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from plait.output_parsers import (
    BaseCumulativeTransformOutputParser,
    BaseGenerationOutputParser,
    BaseOutputParser,
    BaseTransformOutputParser,
    BooleanOutputParser,
    CommaSeparatedListOutputParser,
    DatetimeOutputParser,
    EnumOutputParser,
    JsonKeyOutputFunctionsParser,
    JsonOutputFunctionsParser,
    JsonOutputKeyToolsParser,
    JsonOutputParser,
    JsonOutputToolsParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
    OutputFixingParser,
    PydanticOutputFunctionsParser,
    PydanticOutputParser,
    PydanticToolsParser,
    RetryOutputParser,
    RetryWithErrorOutputParser,
    StrOutputParser,
    XMLOutputParser,
)
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult
from plait.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)
from plait.retrievers import (
    BM25Retriever,
    ContextualCompressionRetriever,
    EmbeddingsFilter,
    EnsembleRetriever,
    LLMChainExtractor,
    LLMChainFilter,
    MultiQueryRetriever,
    MultiVectorRetriever,
    ParentDocumentRetriever,
)
from plait.runnables import (
    ConfigurableField,
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBranch,
    RunnableConfig,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    RunnableSerializable,
    chain,
)
from plait.runnables.history import RunnableWithMessageHistory
from plait.stores import InMemoryStore
from plait.testing import (
    ASYNC_MODES,
    EchoChatModel,
    Fails,
    FakeChatModel,
    FakeListChatModel,
    FakeListLLM,
    FakeMessagesListChatModel,
    FakeStreamingListLLM,
    GenericFakeChatModel,
    Hangs,
    Slow,
)
from plait.text_splitters import (
    CharacterTextSplitter,
    MarkdownHeaderTextSplitter,
    MarkdownTextSplitter,
    PythonCodeTextSplitter,
    RecursiveCharacterTextSplitter,
    TextSplitter,
    TokenTextSplitter,
)
from plait.tools import BaseTool, StructuredTool, Tool, ToolNode, as_tool
from plait.vectorstores import InMemoryVectorStore

NEED_A_SERVER = "plait.providers"
"""Whose classes are checked where their servers are."""


class Sample(NamedTuple):
    """A runnable, inputs that work, ``(input, exception type)`` pairs that fail, and options of the check."""

    runnable: Runnable[Any, Any]
    inputs: list[Any]
    errors: list[tuple[Any, type[Exception]]] = []
    options: dict[str, Any] = {}


def public_classes() -> set[type[Runnable[Any, Any]]]:
    """Every class of Runnable that a module of plait offers."""
    found = set()
    for module in pkgutil.walk_packages(plait.__path__, "plait."):
        if module.name.startswith((NEED_A_SERVER, "plait.__main__", "plait.demo")):
            continue
        loaded = importlib.import_module(module.name)
        offered = [getattr(loaded, name) for name in getattr(loaded, "__all__", ())]
        found |= {thing for thing in offered if isinstance(thing, type) and issubclass(thing, Runnable)}
    return found


# ----------------------------------------------------------------------------------------------------------- functions


def upper(text: str) -> str:
    return text.upper()


def exclaim(text: str) -> str:
    return text + "!"


async def aupper(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


def letters(text: str) -> Iterator[str]:
    for letter in text.lower():
        yield letter


async def aletters(text: str) -> AsyncIterator[str]:
    for letter in text.lower():
        await asyncio.sleep(0)
        yield letter


def tagged(text: str, config: RunnableConfig) -> str:
    assert isinstance(config["tags"], list)
    return f"<{text.upper()}>"


def shout(text: str) -> Runnable[str, str]:
    return RunnableLambda(upper) | exclaim


def nested(text: str) -> str:
    return (RunnableLambda(upper) | exclaim).invoke(text)


async def anested(text: str) -> str:
    return await (RunnableLambda(upper) | exclaim).ainvoke(text)


def upper_chunks(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield chunk.upper()


async def aupper_chunks(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        yield chunk.upper()


def upper_dicts(chunks: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        for letter in chunk["question"]:
            yield {"answer": letter.upper()}
        yield {"known": len(chunk["history"])}


async def aupper_dicts(chunks: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    async for chunk in chunks:
        for letter in chunk["question"]:
            yield {"answer": letter.upper()}
        yield {"known": len(chunk["history"])}


def starts_low(text: str) -> bool:
    return text[:1].islower()


def broken(text: str) -> str:
    raise OSError("broken")


def broken_chunks(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        raise OSError(f"broken at {len(chunk)}")
        yield chunk


async def abroken_chunks(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        raise OSError(f"broken at {len(chunk)}")
        yield chunk


def size(text: str) -> int:
    return len(text.strip())


class Caller:
    """An object that is called."""

    def __call__(self, text: str) -> str:
        return text.upper()

    async def acall(self, text: str) -> str:
        return text.upper()


@chain
def decorated(text: str) -> str:
    return nested(text)


@chain
async def adecorated(text: str) -> str:
    return await anested(text)


@chain
def streamed_inside(text: str) -> Iterator[str]:
    yield from (RunnableGenerator(upper_chunks) | upper_chunks).stream(text)


TEXTS = ["one", "Two!", "three"]
NO_TEXT: list[tuple[Any, type[Exception]]] = [(1, AttributeError)]

FUNCTIONS = {
    "lambda": Sample(RunnableLambda(upper), TEXTS, NO_TEXT, {"pickles": True}),
    "lambda of a builtin": Sample(RunnableLambda(str.upper), TEXTS, [(1, TypeError)], {"pickles": True}),
    "lambda of a partial": Sample(RunnableLambda(partial(upper)), TEXTS, NO_TEXT, {"pickles": True}),
    "lambda of an object": Sample(RunnableLambda(Caller()), TEXTS, NO_TEXT),
    "lambda of a method": Sample(RunnableLambda(Caller().acall), TEXTS, NO_TEXT, {"modes": ASYNC_MODES}),
    "lambda with config": Sample(RunnableLambda(tagged), TEXTS, NO_TEXT),
    "lambda inline": Sample(RunnableLambda(upper, inline=True), TEXTS, NO_TEXT),
    "lambda chunkwise": Sample(RunnableLambda(upper, chunkwise=True), TEXTS, NO_TEXT),
    "lambda chunkwise and inline": Sample(RunnableLambda(upper, chunkwise=True, inline=True), TEXTS, NO_TEXT),
    "lambda async": Sample(RunnableLambda(aupper), TEXTS, NO_TEXT, {"modes": ASYNC_MODES}),
    "lambda both": Sample(RunnableLambda(upper, aupper), TEXTS, NO_TEXT, {"pickles": True}),
    "lambda both chunkwise": Sample(RunnableLambda(upper, aupper, chunkwise=True), TEXTS, NO_TEXT),
    "lambda generator": Sample(RunnableLambda(letters), TEXTS, NO_TEXT),
    "lambda async generator": Sample(RunnableLambda(aletters), TEXTS, NO_TEXT, {"modes": ASYNC_MODES}),
    "lambda both generators": Sample(RunnableLambda(letters, aletters), TEXTS, NO_TEXT),
    "lambda that gives a runnable": Sample(RunnableLambda(shout), TEXTS, NO_TEXT),
    "lambda that calls a chain": Sample(RunnableLambda(nested), TEXTS, NO_TEXT),
    "lambda that calls a chain, both": Sample(RunnableLambda(nested, anested), TEXTS, NO_TEXT),
    "chain": Sample(decorated, TEXTS, NO_TEXT),
    "chain async": Sample(adecorated, TEXTS, NO_TEXT, {"modes": ASYNC_MODES}),
    "chain that streams a chain": Sample(streamed_inside, TEXTS, NO_TEXT),
    "generator": Sample(RunnableGenerator(upper_chunks), TEXTS, NO_TEXT, {"pickles": True}),
    "generator async": Sample(RunnableGenerator(aupper_chunks), TEXTS, NO_TEXT, {"modes": ASYNC_MODES}),
    "generator both": Sample(RunnableGenerator(upper_chunks, aupper_chunks), TEXTS, NO_TEXT, {"pickles": True}),
}


# ------------------------------------------------------------------------------------------------------------- algebra

SHOUT = RunnableLambda(upper) | exclaim
SPELL = RunnableLambda(letters)
DICTS = [{"a": "one", "b": "x"}, {"b": "y", "a": "Two"}]

ALGEBRA = {
    "sequence": Sample(SHOUT, TEXTS, NO_TEXT, {"pickles": True}),
    "sequence of one": Sample(RunnableSequence(upper), TEXTS, NO_TEXT),
    "sequence with a name": Sample((SHOUT | upper).pipe(exclaim, name="loud"), TEXTS, NO_TEXT),
    "sequence that streams": Sample(RunnableGenerator(upper_chunks) | SPELL | upper_chunks, TEXTS, NO_TEXT),
    "sequence of both colours": Sample(
        RunnableGenerator(upper_chunks, aupper_chunks) | RunnableLambda(upper, aupper) | exclaim, TEXTS, NO_TEXT
    ),
    "sequence, long": Sample(RunnableSequence(*[upper_chunks] * 8), ["one"], NO_TEXT),
    "sequence, long and mixed": Sample(RunnableSequence(*[upper, upper_chunks] * 5), ["one"], NO_TEXT),
    "parallel": Sample(RunnableParallel(loud=upper, size=size), TEXTS, NO_TEXT, {"pickles": True}),
    "parallel of one": Sample(RunnableParallel(loud=upper), TEXTS, NO_TEXT),
    "parallel of both colours": Sample(
        RunnableParallel(a=RunnableLambda(upper, aupper), b=upper_chunks, c=RunnablePassthrough()), TEXTS, NO_TEXT
    ),
    "parallel of streams": Sample(RunnableParallel(a=SPELL, b=upper_chunks, c=RunnablePassthrough()), TEXTS, NO_TEXT),
    "parallel in parallel": Sample(
        RunnableParallel(a=RunnableParallel(b=upper, c=size), d=SHOUT | {"e": SPELL}), TEXTS, NO_TEXT
    ),
    "parallel of a dict": Sample(
        RunnableParallel(a=RunnablePick("a"), all=RunnablePassthrough()), DICTS, [({"b": "x"}, KeyError)]
    ),
    "passthrough": Sample(RunnablePassthrough(), [*TEXTS, *DICTS, 0, None, [1, 2]], [], {"pickles": True}),
    "passthrough with effect": Sample(RunnablePassthrough(upper), TEXTS, NO_TEXT),
    "passthrough with effects": Sample(RunnablePassthrough(upper, aupper), TEXTS, NO_TEXT),
    "assign": Sample(
        RunnableAssign({"c": RunnablePick("a") | upper}),
        DICTS,
        [({"b": "x"}, KeyError), ("a", TypeError)],
        {"pickles": True},
    ),
    "assign over a key": Sample(
        RunnablePassthrough.assign(b=lambda both: both["a"] + both["b"], c=RunnablePick("b")),
        DICTS,
        [({"b": "x"}, KeyError)],
    ),
    "assign method": Sample(RunnableParallel(a=upper, n=size).assign(twice=lambda both: both["a"] * 2), TEXTS, NO_TEXT),
    "pick": Sample(RunnablePick("a"), DICTS, [({"b": "x"}, KeyError), ("a", TypeError)], {"pickles": True}),
    "pick of several": Sample(RunnablePick(["a", "c"]), DICTS, [({"b": "x"}, KeyError)]),
    "pick method": Sample(RunnableParallel(a=upper, n=SPELL).pick("n"), TEXTS, NO_TEXT),
    "branch": Sample(
        RunnableBranch((str.islower, upper), (starts_low, SPELL), exclaim),
        [*TEXTS, "fOUR"],
        [(1, TypeError)],
        {"pickles": True},
    ),
    "branch by the first chunk": Sample(
        RunnableBranch((RunnableLambda(starts_low, chunkwise=True), upper_chunks), SPELL), TEXTS, [(1, TypeError)]
    ),
    "branch both": Sample(RunnableBranch((RunnableLambda(upper, aupper), SHOUT), SPELL), ["one", "two"], NO_TEXT),
    "router": Sample(
        RouterRunnable({"up": upper, "spell": SPELL}),
        [{"key": "up", "input": "one"}, {"key": "spell", "input": "two"}],
        [
            ({"key": "no", "input": "x"}, KeyError),
            ({"key": "up"}, KeyError),
            ({"key": "up", "input": 1}, AttributeError),
        ],
        {"pickles": True},
    ),
    "each": Sample(
        RunnableEach(RunnableLambda(upper)),
        [["one", "Two"], [], ["three"]],
        [(["one", 1], AttributeError), ("one", TypeError)],
        {"pickles": True},
    ),
    "each of a stream": Sample(
        RunnableGenerator(upper_chunks).map(), [["one", "Two", "three"], ["four"]], [([1], AttributeError)]
    ),
    "each of each": Sample(
        RunnableLambda(upper).map().map(), [[["one"], ["Two", "three"]]], [([["one"], [1]], AttributeError)]
    ),
    "bind": Sample(RunnableLambda(lambda text, suffix: text + suffix).bind(suffix="?"), TEXTS, [(1, TypeError)]),
    "bind of a stream": Sample(RunnableGenerator(upper_chunks, aupper_chunks).bind(), TEXTS, NO_TEXT),
    "with_config": Sample(
        SHOUT.with_config(tags=["mine"], run_name="loud", metadata={"a": 1}), TEXTS, NO_TEXT, {"pickles": True}
    ),
    "configurable fields": Sample(
        RunnableLambda(upper).configurable_fields(func=ConfigurableField(id="function")),
        TEXTS,
        NO_TEXT,
        {"pickles": True},
    ),
    "configurable fields, configured to stream": Sample(
        RunnableLambda(upper)
        .configurable_fields(func=ConfigurableField(id="how"))
        .with_config(configurable={"how": letters}),
        TEXTS,
        NO_TEXT,
    ),
    "configurable alternatives": Sample(
        SHOUT.configurable_alternatives(ConfigurableField(id="how"), spelt=SPELL, late=lambda: SHOUT), TEXTS, NO_TEXT
    ),
    "configurable alternatives, configured": Sample(
        RunnableLambda(upper)
        .configurable_alternatives(ConfigurableField(id="how"), stream=RunnableGenerator(upper_chunks, aupper_chunks))
        .with_config(configurable={"how": "stream"}),
        TEXTS,
        NO_TEXT,
        {"pickles": True},
    ),
    "with_config in with_config": Sample(
        (SHOUT.with_config(tags=["mine"]) | upper).with_config(configurable={"a": 1}, max_concurrency=4), TEXTS, NO_TEXT
    ),
    "with_types": Sample(SHOUT.with_types(input_type=str, output_type=str), TEXTS, NO_TEXT),
    "bound in a chain": Sample(
        RunnableGenerator(upper_chunks) | SHOUT.bind().with_config(run_name="inner") | SPELL, TEXTS, NO_TEXT
    ),
    "retry": Sample(
        RunnableLambda(upper).with_retry(),
        TEXTS,
        NO_TEXT,
        {"pickles": True},
    ),
    "retry that does not help": Sample(
        RunnableBranch((str.islower, RunnableLambda(broken)), SPELL).with_retry(wait_exponential_jitter=False),
        ["Two!", "THREE"],
        [("one", OSError), (1, TypeError)],
    ),
    "retry of a stream": Sample(RunnableGenerator(upper_chunks, aupper_chunks).with_retry(), TEXTS, NO_TEXT),
    "retry of a dict": Sample(
        RunnableParallel(a=RunnablePick("a"), all=RunnablePassthrough()).with_retry(), DICTS, [({"b": "x"}, KeyError)]
    ),
    "fallbacks": Sample(
        RunnableLambda(broken).with_fallbacks([broken_chunks, upper]), TEXTS, [(1, OSError)], {"pickles": True}
    ),
    "fallbacks of streams": Sample(
        RunnableGenerator(broken_chunks, abroken_chunks).with_fallbacks(
            [RunnableGenerator(upper_chunks, aupper_chunks)]
        ),
        TEXTS,
        [(1, TypeError)],
    ),
    "fallbacks that are not needed": Sample(
        SHOUT.with_fallbacks([broken], exceptions_to_handle=OSError), TEXTS, NO_TEXT
    ),
    "fallbacks with a key": Sample(
        RunnablePick("c").with_fallbacks(
            [RunnablePassthrough.assign(error=lambda both: str(both["error"]))], exception_key="error"
        ),
        DICTS,
        [("a", TypeError)],
    ),
    "retry and fallbacks in a chain": Sample(
        RunnableGenerator(upper_chunks)
        | SHOUT.with_retry()
        | RunnableGenerator(broken_chunks)
        .with_retry(wait_exponential_jitter=False)
        .with_fallbacks([SPELL.with_retry()])
        | upper_chunks,
        TEXTS,
        NO_TEXT,
    ),
    "dict first": Sample({"a": upper, "b": SPELL} | RunnableLambda(lambda both: both["a"] + both["b"]), TEXTS, NO_TEXT),
    "all together": Sample(
        RunnableParallel(text=RunnablePassthrough(), n=size).assign(
            said=RunnableBranch(
                (lambda both: both["n"] > 3, RunnablePick("text") | SHOUT), RunnablePick("text") | SPELL
            )
        )
        | RunnablePick(["said", "n"])
        | {
            "words": RunnablePick("said") | (lambda text: [text, text]) | RunnableLambda(upper).map(),
            "n": RunnablePick("n"),
        },
        TEXTS,
        NO_TEXT,
    ),
}


# -------------------------------------------------------------------------------- prompts, models, parsers as plait has

JOKE = PromptTemplate.from_template("Tell a {kind} joke about {topic}.")
CHAT = ChatPromptTemplate.from_messages([("system", "You are {role}."), ("human", "{question}")])
HISTORY = ChatPromptTemplate.from_messages(
    [("system", "Answer."), MessagesPlaceholder("history"), ("human", "{question}")]
)
TOPICS = [{"kind": "dry", "topic": "bears"}, {"kind": "wet", "topic": "{ducks}"}]
ASKED = [{"role": "a bear", "question": "Why?"}, {"question": "How?", "role": "a duck"}]
NO_VARIABLE: list[tuple[Any, type[Exception]]] = [({"kind": "dry"}, MissingVariableError)]
SAID = [
    "Tell me a joke",
    [HumanMessage("Why?"), AIMessage("So."), HumanMessage("And then?")],
    [("system", "Be brief."), ("human", "Why?")],
]
ADD = PromptTemplate.from_template("{a} + {b}")
SUMS = [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]
CANNED = "Because bears  have no\nsense of humour."

FAULTS = {
    "a failure that does not come": Sample(Fails(upper, times=0), TEXTS, NO_TEXT, {"pickles": True}),
    "a failure of a picked input": Sample(
        Fails(upper_chunks, when="boo".__eq__), TEXTS, [("boo", ModelConnectionError)]
    ),
    "a failure in mid-stream": Sample(Fails(upper_chunks, when="boo".__eq__, at_chunk=1), TEXTS, [("boo", OSError)]),
    "a hang that does not come": Sample(Hangs(upper_chunks, times=0), TEXTS, NO_TEXT, {"pickles": True}),
    "a slow step": Sample(Slow(RunnableGenerator(upper_chunks), first=0.001), TEXTS, NO_TEXT, {"pickles": True}),
    "a slow model": Sample(Slow(EchoChatModel(), each=0.0001), SAID, [(5, TypeError)]),
}


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


ADD_TOOL = StructuredTool.from_function(add)
ADDING = AIMessage("", tool_calls=[{"type": "tool_call", "name": "add", "args": {"a": 1}, "id": "1"}])

COMPONENTS = {
    "prompt": Sample(JOKE, TOPICS, NO_VARIABLE, {"pickles": True}),
    "chat prompt": Sample(CHAT, ASKED, [({"role": "x"}, MissingVariableError)], {"pickles": True}),
    "chat prompt with history": Sample(
        HISTORY,
        [{"history": SAID[1], "question": "Why?"}, {"history": [], "question": "?"}],
        [({"question": "?"}, MissingVariableError)],
        {"pickles": True},
    ),
    "chat prompt with partial": Sample(
        CHAT.partial(role="a bear"), [{"question": "Why?"}, {"question": "How?"}], [({}, MissingVariableError)]
    ),
    "few-shot prompt": Sample(
        FewShotPromptTemplate(examples=SUMS, example_prompt=ADD, suffix="{a} + "),
        [{"a": "5"}, {"a": "6"}],
        [({}, MissingVariableError)],
        {"pickles": True},
    ),
    "few-shot chat prompt": Sample(
        FewShotChatMessagePromptTemplate(
            examples=SUMS, example_prompt=ChatPromptTemplate.from_messages([("human", "{a}"), ("ai", "{b}")])
        ),
        [{}],
        [],
        {"pickles": True},
    ),
    "fake chat model": Sample(FakeChatModel(), SAID, [], {"pickles": True}),
    "echo chat model": Sample(EchoChatModel(), SAID, [(5, TypeError)], {"pickles": True}),
    "list chat model": Sample(FakeListChatModel(responses=[CANNED]), SAID, [(5, TypeError)], {"pickles": True}),
    "messages chat model": Sample(
        FakeMessagesListChatModel(
            responses=[AIMessage("Sure.", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}])]
        ),
        SAID,
        [(5, TypeError)],
        {"pickles": True},
    ),
    "generic chat model": Sample(GenericFakeChatModel(messages=cycle([CANNED])), SAID, [(5, TypeError)]),
    "list text model": Sample(FakeListLLM(responses=[CANNED]), SAID, [(5, TypeError)], {"pickles": True}),
    "streaming text model": Sample(FakeStreamingListLLM(responses=[CANNED]), SAID, [(5, TypeError)], {"pickles": True}),
    "structured answer": Sample(
        StructuredAnswer(
            structure=structure_of({"title": "N", "type": "object", "properties": {"n": {"type": "integer"}}})
        ),
        ['{"n": 1}', AIMessage('Here:\n{"n": 2}'), AIMessageChunk(content='{"n": 3}')],
        [("none", OutputParserException), (AIMessage('{"n": "x"}'), OutputParserException), (5, TypeError)],
        {"pickles": True},
    ),
    "model asked for a structure": Sample(
        FakeMessagesListChatModel(
            responses=[AIMessage("", tool_calls=[{"name": "N", "args": {"n": 1}, "id": "1"}])]
        ).with_structured_output({"title": "N", "type": "object", "properties": {"n": {"type": "integer"}}}),
        SAID,
        [(5, TypeError)],
        {"pickles": True},
    ),
    "string parser": Sample(
        StrOutputParser(),
        ["one", AIMessage("Two"), AIMessageChunk(content="three")],
        [(5, TypeError)],
        {"pickles": True},
    ),
    "prompt, model, parser": Sample(
        CHAT | EchoChatModel() | StrOutputParser(), ASKED, [({"role": "x"}, MissingVariableError)], {"pickles": True}
    ),
    "prompt, model, parser, bound": Sample(
        JOKE
        | FakeListChatModel(responses=[CANNED]).bind(stop=["\n"]).with_config(tags=["m"])
        | StrOutputParser()
        | upper_chunks,
        TOPICS,
        NO_VARIABLE,
    ),
    "joke and poem": Sample(
        RunnableParallel(
            joke=JOKE | EchoChatModel() | StrOutputParser(), poem=JOKE | FakeStreamingListLLM(responses=[CANNED])
        ),
        TOPICS,
        NO_VARIABLE,
    ),
    "tool of a function": Sample(
        ADD_TOOL, [{"a": 1}, {"a": 1, "b": 2}], [({"c": 1}, ToolInputError)], {"pickles": True}
    ),
    "tool called by a model": Sample(
        ADD_TOOL, ADDING.tool_calls, [], {"skip": {"schemas": "they tell of arguments, not of calls"}}
    ),
    "tool of a text": Sample(Tool("upper", upper, "Make it loud."), TEXTS, [(5, ToolInputError)], {"pickles": True}),
    "tool of a chain": Sample(as_tool(SHOUT, name="shout"), TEXTS, [(5, ToolInputError)]),
    "tools": Sample(ToolNode([ADD_TOOL]), [ADDING, [ADDING], AIMessage("done")], [(5, TypeError)], {"pickles": True}),
    "a model for each": Sample(
        EchoChatModel().map(), [["one", "two words"], [[("human", "three")]]], [([5], TypeError)]
    ),
}


# ----------------------------------------------------------------------- classes that are there to be subclassed by users


class Plain(Runnable[str, str]):
    """As short as it gets."""

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input.upper()


class Whole(Runnable[str, str]):
    """Every form written by hand."""

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input.upper()

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input.upper()

    def stream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[str]:
        yield from input.upper()

    async def astream(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[str]:
        for letter in input.upper():
            yield letter


class Wrapper(Runnable[Any, Any]):
    """Passes its config on."""

    def __init__(self, inner: Runnable[Any, Any]) -> None:
        self.inner = inner

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self.inner.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await self.inner.ainvoke(input, config, **kwargs)


class Hooked(Runnable[str, str]):
    """Written as the library's own are."""

    def _invoke(self, input: str, config: Any, **kwargs: Any) -> str:
        return input.upper()

    def _transform(self, chunks: Iterator[str], config: Any, **kwargs: Any) -> Iterator[str]:
        for chunk in chunks:
            yield chunk.upper()

    async def _atransform(self, chunks: AsyncIterator[str], config: Any, **kwargs: Any) -> AsyncIterator[str]:
        async for chunk in chunks:
            yield chunk.upper()


class Suffix(RunnableSerializable[str, str]):
    """A component with a field."""

    suffix: str = "!"

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return input + self.suffix


def no_history() -> InMemoryChatMessageHistory:
    """A new conversation each time, so that an input has the same answer each time."""
    return InMemoryChatMessageHistory([SystemMessage("Be brief.")])


class WholeModel(BaseChatModel):
    """Answers, and does not stream."""

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(messages[-1].text.upper()))])


class StreamingModel(BaseChatModel):
    """Streams, and has no other form."""

    def _stream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        for letter in messages[-1].text.upper():
            yield ChatGenerationChunk(message=AIMessageChunk(content=letter))


class AsyncModel(BaseChatModel):
    """Has async forms only."""

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for letter in messages[-1].text.upper():
            await asyncio.sleep(0)
            yield ChatGenerationChunk(message=AIMessageChunk(content=letter))


class SimpleModel(SimpleChatModel):
    """Gives text."""

    def _call(self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        if messages[-1].text == "fail":
            raise ModelError("as it was told to")
        return messages[-1].text.upper()


class TextModel(LLM):
    """Continues a text."""

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return prompt.upper()

    def _stream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        for letter in prompt.upper():
            yield GenerationChunk(text=letter)


class ManyTextsModel(BaseLLM):
    """Continues many texts at once."""

    def _generate(self, prompts: list[str], stop: Any = None, run_manager: Any = None, **kwargs: Any) -> LLMResult:
        return LLMResult(generations=[[Generation(text=prompt.upper())] for prompt in prompts])


class Louder(BaseTool):
    """Says a text loudly."""

    name: str = "louder"
    description: str = "Say it loudly."

    def _run(self, text: str, times: int = 1) -> str:
        return text.upper() * times


class Number(BaseOutputParser[int]):
    """Reads a number."""

    def parse(self, text: str) -> int:
        if not text.isdigit():
            raise OutputParserException(f"expected digits, got {text!r}")
        return int(text)


class Words(BaseCumulativeTransformOutputParser[list[str]]):
    """The words so far."""

    def parse(self, text: str) -> list[str]:
        return text.split()


class Point(BaseModel):
    """What the parsers of objects make."""

    x: int
    label: str = ""


class Size(enum.Enum):
    """What the parser of an enum makes."""

    SMALL = "small"
    LARGE = "large"


JSONS = ['{"x": 1, "label": "a"}', AIMessage('Here:\n```json\n{"x": 2}\n```')]
NOT_JSON = [("", OutputParserException), ('{"x": ', OutputParserException), (5, TypeError)]
WITH_CALLS = [
    AIMessage("", tool_calls=[{"name": "Point", "args": {"x": 1, "label": "a"}, "id": "1"}]),
    AIMessage("", tool_calls=[{"name": "Point", "args": {"x": number}, "id": str(number)} for number in (2, 3)]),
]
WITH_FUNCTION = [
    AIMessage("", additional_kwargs={"function_call": {"name": "Point", "arguments": arguments}})
    for arguments in ('{"x": 1, "label": "a"}', '{"x": 2}')
]
NO_FUNCTION = [(AIMessage("none"), OutputParserException), (5, TypeError)]
NO_CALL = [(5, TypeError)]
PARSERS = {
    "parser of JSON": Sample(JsonOutputParser(), JSONS, NOT_JSON, {"pickles": True}),
    "parser of JSON, picked": Sample(JsonOutputParser() | RunnablePick("x"), JSONS, NOT_JSON),
    "parser of JSON, assigned": Sample(
        JsonOutputParser() | RunnablePassthrough.assign(y=RunnablePick("x")), JSONS, NOT_JSON
    ),
    "parser of objects": Sample(PydanticOutputParser(pydantic_object=Point), JSONS, NOT_JSON, {"pickles": True}),
    "parser of calls": Sample(JsonOutputToolsParser(), WITH_CALLS, NO_CALL, {"pickles": True}),
    "parser of calls of one tool": Sample(JsonOutputKeyToolsParser(key_name="Point"), WITH_CALLS, NO_CALL),
    "parser of calls as objects": Sample(PydanticToolsParser(tools=[Point]), WITH_CALLS, NO_CALL, {"pickles": True}),
    "parser of a function": Sample(JsonOutputFunctionsParser(), WITH_FUNCTION, NO_FUNCTION, {"pickles": True}),
    "parser of an argument": Sample(JsonKeyOutputFunctionsParser(key_name="x"), WITH_FUNCTION, NO_FUNCTION),
    "parser of a function as an object": Sample(
        PydanticOutputFunctionsParser(pydantic_schema=Point), WITH_FUNCTION, NO_FUNCTION
    ),
    "parser of commas": Sample(
        CommaSeparatedListOutputParser(),
        ["a, b", AIMessage('"c, d", e')],
        [("", OutputParserException)],
        {"pickles": True},
    ),
    "parser of numbers": Sample(
        NumberedListOutputParser(), ["1. a\n2. b", AIMessage("1. c")], [("a", OutputParserException)]
    ),
    "parser of bullets": Sample(
        MarkdownListOutputParser(), ["- a\n- b", AIMessage("* c")], [("a", OutputParserException)]
    ),
    "parser of XML": Sample(
        XMLOutputParser(),
        ["<a><b>1</b><b>2</b></a>", AIMessage("Here: <a>1</a>")],
        [("", OutputParserException), ("<!DOCTYPE a><a/>", OutputParserException)],
        {"pickles": True},
    ),
    "parser of an enum": Sample(
        EnumOutputParser(enum=Size),
        ["small", AIMessage(" LARGE")],
        [("tiny", OutputParserException)],
        {"pickles": True},
    ),
    "parser of yes and no": Sample(
        BooleanOutputParser(), ["yes", AIMessage("No.")], [("perhaps", OutputParserException)]
    ),
    "parser of moments": Sample(
        DatetimeOutputParser(format="%Y-%m-%d"),
        ["2024-01-02", AIMessage("2024-01-03")],
        [("now", OutputParserException)],
    ),
    "parser that repairs": Sample(
        OutputFixingParser.from_llm(RunnableLambda(upper), JsonOutputParser()),
        ["[1]", AIMessage("{}")],
        [(5, TypeError)],
    ),
    "parser that retries": Sample(
        RetryOutputParser.from_llm(RunnableLambda(upper), JsonOutputParser()), ["[1]", AIMessage("{}")], NOT_JSON
    ),
    "parser that retries with the error": Sample(
        RetryWithErrorOutputParser.from_llm(RunnableLambda(upper), JsonOutputParser()),
        ["[1]", AIMessage("{}")],
        NOT_JSON,
    ),
    "parser of words": Sample(Words(), ["one two", AIMessage("three")], [(5, TypeError)]),
}


class Loud(BaseTransformOutputParser[str]):
    """Parses every chunk."""

    def parse(self, text: str) -> str:
        return text.upper()


class Kind(BaseGenerationOutputParser[str]):
    """Needs the generation."""

    def parse_result(self, result: list[Generation], *, partial: bool = False) -> str:
        return type(result[0]).__name__ + result[0].text


OF_USERS = {
    "a runnable": Sample(Plain(), TEXTS, NO_TEXT, {"pickles": True}),
    "a runnable with all forms": Sample(Whole(), TEXTS, NO_TEXT),
    "a runnable with hooks": Sample(Hooked(), TEXTS, NO_TEXT),
    "a wrapper": Sample(Wrapper(RunnableGenerator(upper_chunks)), TEXTS, NO_TEXT, {"pickles": True}),
    "a wrapper of a wrapper": Sample(Wrapper(Wrapper(SHOUT)), TEXTS, NO_TEXT),
    "a runnable with fields": Sample(Suffix(suffix="?"), TEXTS, [(1, TypeError)], {"pickles": True}),
    "users' runnables in a chain": Sample(Whole() | Hooked() | Wrapper(SHOUT) | Plain() | Suffix(), TEXTS, NO_TEXT),
    "users' runnables in a dict": Sample(
        RunnableParallel(a=Whole(), b=Hooked(), c=Wrapper(SHOUT), d=Suffix()), TEXTS, NO_TEXT
    ),
    "a chat model": Sample(WholeModel(), SAID, [(5, TypeError)], {"pickles": True}),
    "a chat model that streams": Sample(StreamingModel(), SAID, [(5, TypeError)]),
    "a chat model, async": Sample(AsyncModel(), SAID, [(5, TypeError)], {"modes": ASYNC_MODES}),
    "a chat model of text": Sample(SimpleModel(), SAID, [("fail", ModelError)]),
    "a text model": Sample(TextModel(), SAID, [(5, TypeError)]),
    "a text model for many": Sample(ManyTextsModel(), SAID, [(5, TypeError)]),
    "a parser": Sample(
        Number(), ["1", AIMessage("22")], [("one", OutputParserException), (5, TypeError)], {"pickles": True}
    ),
    "a parser of chunks": Sample(Loud(), ["one", AIMessage("Two")], [(5, TypeError)]),
    "a parser of generations": Sample(Kind(), ["one", AIMessage("Two")], [(5, TypeError)]),
    "a tool": Sample(Louder(), [*TEXTS, {"text": "x", "times": 2}], [(5, ToolInputError)], {"pickles": True}),
    "a model with history": Sample(
        RunnableWithMessageHistory(EchoChatModel(), no_history), SAID, [(5, TypeError)], {"pickles": True}
    ),
    "a chain with history": Sample(
        RunnableWithMessageHistory(
            RunnableGenerator(upper_dicts, aupper_dicts),
            no_history,
            input_messages_key="question",
            output_messages_key="answer",
            history_messages_key="history",
        ),
        [{"question": "Why?"}, {"question": "And then?"}],
        [({"q": "Why?"}, KeyError), ("Why?", TypeError)],
        {"pickles": True},
    ),
    "users' components in a chain": Sample(
        ChatPromptTemplate.from_messages([SystemMessage("Say a number"), ("human", "{n}")])
        | StreamingModel()
        | Loud()
        | Number(),
        [{"n": "1"}, {"n": "22"}],
        [({"n": "one"}, OutputParserException)],
    ),
}


# ---------------------------------------------------------------------------------------------------------- retrievers

_EMBEDDING = DeterministicFakeEmbedding(size=16)
_NOTES = ["bears like honey", "owls sleep by day", "honey is sweet"]
_QUERIES = ["honey", "owls"]
NO_QUERY = [(1, TypeError)]


def searched() -> Any:
    return InMemoryVectorStore.from_texts(_NOTES, _EMBEDDING).as_retriever(search_kwargs={"k": 2})


_TO_COMPRESS: list[Any] = [{"documents": [Document(text) for text in _NOTES], "query": query} for query in _QUERIES]
NO_DOCUMENTS: list[Any] = [(1, TypeError), ({"documents": ["text"], "query": "x"}, TypeError)]


def in_pieces() -> ParentDocumentRetriever:
    pieces = RecursiveCharacterTextSplitter(chunk_size=10, chunk_overlap=0)
    store, kept = InMemoryVectorStore(_EMBEDDING), InMemoryStore()
    retriever = ParentDocumentRetriever(vectorstore=store, docstore=kept, child_splitter=pieces)
    retriever.add_documents(map(Document, _NOTES))
    return retriever


def by_summaries() -> MultiVectorRetriever:
    store, kept = InMemoryVectorStore(_EMBEDDING), InMemoryStore()
    store.add_documents([Document(text[:4], metadata={"doc_id": text}) for text in _NOTES])
    kept.mset([(text, Document(text)) for text in _NOTES])
    return MultiVectorRetriever(vectorstore=store, docstore=kept)


def quoted(given: dict[str, Any]) -> str:
    return str(given["context"])[:3]


def matters(given: dict[str, Any]) -> bool:
    return bool(given["question"][0] in given["context"])


def reworded(given: dict[str, Any]) -> str:
    return f"{given['question']}\nhoney"


RETRIEVERS = {
    "a retriever of vectors": Sample(searched(), _QUERIES, NO_QUERY),
    "a retriever of words": Sample(BM25Retriever.from_texts(_NOTES, k=2), _QUERIES, NO_QUERY),
    "several retrievers": Sample(
        EnsembleRetriever(retrievers=[searched(), BM25Retriever.from_texts(_NOTES)]), _QUERIES, NO_QUERY
    ),
    "a retriever of other questions": Sample(
        MultiQueryRetriever(retriever=searched(), llm_chain=RunnableLambda(reworded)), _QUERIES, NO_QUERY
    ),
    "a retriever of large documents": Sample(in_pieces(), _QUERIES, NO_QUERY),
    "a retriever of a vector store": Sample(
        InMemoryVectorStore.from_texts(_NOTES, _EMBEDDING).as_retriever(search_kwargs={"k": 2}), _QUERIES, NO_QUERY
    ),
    "a retriever of a vector store, of what differs": Sample(
        InMemoryVectorStore.from_texts(_NOTES, _EMBEDDING).as_retriever(search_type="mmr", tags=["mine"]),
        _QUERIES,
        NO_QUERY,
    ),
    "a retriever of what matters": Sample(
        ContextualCompressionRetriever(
            base_retriever=searched(), base_compressor=EmbeddingsFilter(embeddings=_EMBEDDING, k=1)
        ),
        _QUERIES,
        NO_QUERY,
    ),
    "documents that other texts stand for": Sample(by_summaries(), _QUERIES, NO_QUERY),
    "a model that extracts": Sample(LLMChainExtractor(llm_chain=RunnableLambda(quoted)), _TO_COMPRESS, NO_DOCUMENTS),
    "a model that judges": Sample(LLMChainFilter(llm_chain=RunnableLambda(matters)), _TO_COMPRESS, NO_DOCUMENTS),
    "a filter of documents": Sample(
        EmbeddingsFilter(embeddings=_EMBEDDING, k=1),
        _TO_COMPRESS,
        NO_DOCUMENTS,
    ),
}


class Halves(TextSplitter):
    """Each text in two."""

    def split_text(self, text: str) -> list[str]:
        return [text[: len(text) // 2], text[len(text) // 2 :]]


_PAPERS = [[Document("# One\n\nHoney is sweet.", metadata={"n": 1}), Document("Owls\n\nfly.")], []]
_NO_PAPERS: list[tuple[Any, type[Exception]]] = [("a text", TypeError), (["a text"], TypeError)]

DOCUMENTS = {
    f"documents by {type(step).__name__}": Sample(step, _PAPERS, _NO_PAPERS)
    for step in (
        Halves(add_start_index=True, chunk_overlap=0),
        RecursiveCharacterTextSplitter(chunk_size=8, chunk_overlap=2),
        CharacterTextSplitter(chunk_size=8),
        PythonCodeTextSplitter(chunk_size=8),
        MarkdownTextSplitter(chunk_size=8),
        MarkdownHeaderTextSplitter([("#", "title")]),
        TokenTextSplitter(chunk_size=3),
        LongContextReorder(),
    )
} | {
    "documents by several steps": Sample(
        DocumentCompressorPipeline(transformers=[LongContextReorder(), EmbeddingsFilter(embeddings=_EMBEDDING, k=1)]),
        [{"documents": _PAPERS[0], "query": "honey"}],
        [(1, TypeError), ({"documents": ["text"], "query": "x"}, TypeError)],
    )
}

SAMPLES: dict[str, Sample] = {
    **FUNCTIONS,
    **ALGEBRA,
    **FAULTS,
    **COMPONENTS,
    **PARSERS,
    **OF_USERS,
    **RETRIEVERS,
    **DOCUMENTS,
}

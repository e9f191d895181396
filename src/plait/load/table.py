"""The closed table: what can be saved, by name, where its class stands, and how its state is taken and given back.

To add a class that is a pydantic model, add its name to ``MODELS``. One that is not gets a ``Shape`` as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from importlib import import_module
from typing import Any, Final, NamedTuple

from plait.errors import ChainError

__all__ = ["ADVICE", "DATA", "SAVED", "SECRETIVE", "Shape", "advice_for", "class_named", "functions", "name_of_class"]

MODELS: Final[Mapping[str, str]] = {
    "plait.documents": "Document LongContextReorder",
    "plait.embeddings": "DeterministicFakeEmbedding FakeEmbeddings",
    "plait.example_selectors": "LengthBasedExampleSelector",
    "plait.language_models": (
        "EchoChatModel FakeChatModel FakeListChatModel FakeListLLM FakeMessagesListChatModel FakeStreamingListLLM "
        "GenericFakeChatModel"
    ),
    "plait.messages": (
        "AIMessage AIMessageChunk BaseMessage ChatMessage ChatMessageChunk FunctionMessage FunctionMessageChunk "
        "HumanMessage HumanMessageChunk SystemMessage SystemMessageChunk ToolMessage ToolMessageChunk"
    ),
    "plait.output_parsers": (
        "BooleanOutputParser CommaSeparatedListOutputParser DatetimeOutputParser EnumOutputParser "
        "JsonKeyOutputFunctionsParser JsonOutputFunctionsParser JsonOutputKeyToolsParser JsonOutputParser "
        "JsonOutputToolsParser MarkdownListOutputParser NumberedListOutputParser OutputFixingParser "
        "PydanticOutputFunctionsParser PydanticOutputParser PydanticToolsParser RetryOutputParser "
        "RetryWithErrorOutputParser StrOutputParser XMLOutputParser"
    ),
    "plait.outputs": "ChatGeneration ChatGenerationChunk ChatResult Generation GenerationChunk LLMResult",
    "plait.prompt_values": "ChatPromptValue StringPromptValue",
    "plait.prompts": (
        "AIMessagePromptTemplate ChatMessagePromptTemplate ChatPromptTemplate FewShotChatMessagePromptTemplate "
        "FewShotPromptTemplate HumanMessagePromptTemplate MessagesPlaceholder PromptTemplate SystemMessagePromptTemplate"
    ),
    "plait.providers": "ChatAnthropic ChatLocal ChatOpenAI LocalEmbeddings OpenAI OpenAIEmbeddings",
    "plait.text_splitters": (
        "CharacterTextSplitter MarkdownHeaderTextSplitter MarkdownTextSplitter PythonCodeTextSplitter "
        "RecursiveCharacterTextSplitter TokenTextSplitter"
    ),
    "plait.tools": "RunnableTool StructuredTool Tool ToolNode",
}
"""Whose state is the fields that were given."""

NODES: Final[Mapping[str, str]] = {
    "plait.chat_history": "RunnableWithMessageHistory",
    "plait.runnables": (
        "ConfigurableField ConfigurableFieldMultiOption ConfigurableFieldSingleOption ConfigurableFieldSpec RouterRunnable "
        "RunnableAssign RunnableBinding RunnableBranch RunnableConfigurableAlternatives RunnableConfigurableFields "
        "RunnableEach RunnableGenerator RunnableLambda RunnableParallel RunnablePassthrough RunnablePick RunnableRetry "
        "RunnableSequence RunnableWithFallbacks"
    ),
}
"""Each has a shape in ``plait.load.shapes``."""

SAVED: Final[Mapping[str, str]] = {
    name: module for table in (MODELS, NODES) for module, names in table.items() for name in names.split()
}
"""The module of each class, by name."""

DATA: Final = frozenset(
    name
    for module in ("documents", "messages", "outputs", "prompt_values")
    for name in MODELS[f"plait.{module}"].split()
)
"""Which a text may name as types. No model: a parser would make one, with the key of the environment, of any answer."""

SECRETIVE: Final = frozenset(
    ("RunnableBinding", "ChatAnthropic", "ChatLocal", "ChatOpenAI", "OpenAI", "OpenAIEmbeddings")
)
"""Whose fields may hold secrets: they are written as their names, and the loading program gives them."""

ADVICE: Final[Mapping[str, str]] = {
    "VectorStoreRetriever": "save the store with save_local (or dump) and write store.as_retriever(...) where you load",
    "VectorStore": "save it with save_local (or dump), and build it anew where you load",
    "BaseRetriever": "build it anew where you load, and give it as functions={'name': retriever} on both sides",
    "BaseDocumentCompressor": "build it anew where you load, and give it as functions={'name': it} on both sides",
    "BaseExampleSelector": "build it anew where you load, and give it as functions={'name': selector} on both sides",
    "Embeddings": "build it anew where you load, and give it as functions={'name': embeddings} on both sides",
    "BaseStore": "it holds your data in a place of its own; open it anew where you load",
    "BaseCache": "a cache belongs to a program; set one where you load, or give it as functions={'name': cache}",
    "BaseRateLimiter": "a limiter belongs to a process; give it as functions={'name': limiter} on both sides",
    "BaseChatMessageHistory": "the conversation lies in its store; save a list of messages, or its session id",
    "BaseCallbackHandler": "who listens belongs to a program; pass callbacks where you call",
    "BaseTool": "build it anew where you load, and give it as functions={'name': tool} on both sides",
    "BaseToolkit": "save its tools, not the kit",
    "Natively": "it holds an object of another library; save that with the library, and wrap it anew",
    "Ours": "it is plait's in the form of LangChain's: save from_langchain(it)",
    "ConfigurableChatModel": "call init_chat_model where you load, and give it as functions={'name': model}",
    "StructuredAnswer": "call with_structured_output where you load, and give that as functions={'name': ...}",
    "BaseLanguageModel": "it is a class of yours: pass classes=[...] here and to loads",
    "Runnable": "give it as functions={'name': it}, or its class as classes=[...], here and to loads",
}
"""What to do instead, by the name of a class or of one that it derives from."""


FUNCTIONS: Final = ("OutputFixingParser._told", "RetryOutputParser._told", "RetryWithErrorOutputParser._told")
"""Those of plait that its own classes put into chains."""


class Shape(NamedTuple):
    """The state of a class as fields: how they are taken from an object, and how one is made of them."""

    fields: tuple[str, ...]
    takes: Callable[[Any], dict[str, Any]]
    make: Callable[[Any, dict[str, Any]], Any]


@cache
def class_named(name: str) -> type[Any]:
    """The class of a name of the table; nothing else is imported, whatever is asked for."""
    found: type[Any] | None = getattr(import_module(SAVED[name]), name, None)
    if found is None:
        raise ChainError(f"this plait has no {name}")
    return found


@cache
def functions() -> Mapping[str, Any]:
    """The functions of plait that a chain may have, by name."""
    parts = {name: name.partition(".") for name in FUNCTIONS}
    return {name: getattr(class_named(cls), function) for name, (cls, _, function) in parts.items()}


def name_of_class(kind: type[Any]) -> str | None:
    """The name of a class in the table; None if it is another, whatever it is called."""
    name = kind.__name__
    module = SAVED.get(name)
    if module is None or not kind.__module__.startswith(module):
        return None
    return name if class_named(name) is kind else None


def advice_for(kind: type[Any]) -> str:
    """What to do with an object of a class that cannot be saved."""
    if any(each.__module__.startswith("langchain_core") for each in kind.__mro__) and "Ours" not in _names(kind):
        return (
            "it is LangChain's: from_langchain(it) gives messages and documents; save the rest with LangChain's dumps"
        )
    found = (ADVICE[name] for name in _names(kind) if name in ADVICE)
    return next(found, _advice_for_other(kind))


def _names(kind: type[Any]) -> list[str]:
    return [each.__name__ for each in kind.__mro__]


def _advice_for_other(kind: type[Any]) -> str:
    if kind.__module__.partition(".")[0] == "numpy":
        return "make it plain values, by tolist()"
    if hasattr(kind, "model_fields") or hasattr(kind, "__dataclass_fields__") or issubclass(kind, Enum):
        return f"pass classes=[{kind.__name__}] here and to loads"
    return "save what it is made of, or give it as functions={'name': it} here and to loads"

"""The two doors: from LangChain to plait, and from plait to LangChain."""

from __future__ import annotations

from typing import Any, cast

from plait.embeddings import Embeddings
from plait.language_models import BaseChatModel, BaseLLM
from plait.providers.langchain.models import ChatLangChain, LangChainLLM
from plait.providers.langchain.nodes import LangChainParser, LangChainPrompt, LangChainRunnable
from plait.providers.langchain.outgoing import (
    chat_model_for,
    embeddings_for,
    llm_for,
    origin,
    retriever_for,
    runnable_for,
)
from plait.providers.langchain.peer import of, peer
from plait.providers.langchain.retrieval import LangChainEmbeddings, LangChainRetriever
from plait.providers.langchain.stores import LangChainVectorStore, store_for
from plait.providers.langchain.tools import LangChainTool, tool_for, tool_from
from plait.providers.langchain.values import inward, is_data, is_our_data, outward
from plait.retrievers import BaseRetriever
from plait.runnables import Runnable, coerce_to_runnable
from plait.tools import BaseTool
from plait.vectorstores import VectorStore

__all__ = ["from_langchain", "to_langchain"]


def from_langchain(thing: Any) -> Any:
    """What LangChain has, as plait has it.

    A chat model becomes a plait chat model, a text model, an embedder, a retriever, a vector store and a tool one of
    ours, and any other Runnable a Runnable; messages, documents, prompt values and results are translated as data, also
    in lists and dicts. What is plait's already stays as it is, and what came from plait is given back as it was.
    Raises TypeError for anything else.
    """
    if isinstance(thing, Runnable | Embeddings | VectorStore) or is_our_data(thing):
        return cast(Any, thing)
    lc = peer()
    if (ours := origin(thing)) is not None:
        return ours
    if isinstance(thing, lc.language_models.BaseChatModel):
        return ChatLangChain(model=thing)
    if isinstance(thing, lc.language_models.BaseLLM):
        return LangChainLLM(model=thing)
    if isinstance(thing, lc.retrievers.BaseRetriever):
        return LangChainRetriever(retriever=thing, tags=thing.tags, metadata=thing.metadata)
    if isinstance(thing, lc.prompts.BasePromptTemplate):
        return LangChainPrompt(runnable=thing)
    if isinstance(thing, lc.output_parsers.BaseGenerationOutputParser | lc.output_parsers.BaseOutputParser):
        return LangChainParser(runnable=thing)
    if isinstance(thing, lc.tools.BaseTool):
        return tool_from(thing)
    if isinstance(thing, lc.vectorstores.VectorStore):
        return LangChainVectorStore(thing)
    if isinstance(thing, lc.embeddings.Embeddings):
        return LangChainEmbeddings(thing)
    if isinstance(thing, lc.runnables.Runnable):
        return LangChainRunnable(runnable=thing)
    if is_data(thing) or isinstance(thing, list | dict | tuple):
        return inward(thing)
    raise TypeError(
        f"from_langchain takes a Runnable of LangChain's, one of its components, messages or documents; got {of(thing)}"
    )


def to_langchain(thing: Any) -> Any:
    """What plait has, as LangChain has it: for its chains, for LangGraph's nodes, for LangServe.

    A chat model becomes one of LangChain's, so do text models, embedders, retrievers, tools and vector stores, and any
    other Runnable, or function, a Runnable; messages, documents, prompt values and results are translated as data, also in lists and
    dicts. What came from LangChain is given back as it was. Raises TypeError for anything else.
    """
    if isinstance(thing, LangChainTool):
        return thing.tool
    if isinstance(thing, ChatLangChain | LangChainLLM | LangChainRunnable | LangChainRetriever) and thing.name is None:
        return cast(Any, thing)._theirs
    if isinstance(thing, LangChainEmbeddings):
        return thing.embeddings
    if isinstance(thing, LangChainVectorStore):
        return thing.store
    lc = peer()
    known = (lc.runnables.Runnable, lc.embeddings.Embeddings, lc.vectorstores.VectorStore)
    if isinstance(thing, known) or is_data(thing):
        return thing
    ways: tuple[tuple[Any, Any], ...] = (
        (BaseChatModel, chat_model_for),
        (BaseLLM, llm_for),
        (BaseRetriever, retriever_for),
        (BaseTool, tool_for),
        (Embeddings, embeddings_for),
        (VectorStore, store_for),
        (Runnable, runnable_for),
    )
    for kind, make in ways:
        if isinstance(thing, kind):
            return make(cast(Any, thing))
    if is_our_data(thing) or isinstance(thing, list | dict | tuple):
        return outward(thing)
    if callable(thing):
        return runnable_for(coerce_to_runnable(thing))
    raise TypeError(f"to_langchain takes a Runnable of plait's, a component, messages or documents; got {of(thing)}")

"""Plait's Runnables, models, embedders and retrievers as LangChain's.

The classes derive from those of LangChain's, so they are made when langchain-core is first needed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, Final, cast

from plait.concurrency import aclose_all, close_all
from plait.errors import ConfigError
from plait.merging import StreamReset
from plait.providers.langchain.configs import afor_plait, for_plait, outside
from plait.providers.langchain.faults import passing
from plait.providers.langchain.peer import peer
from plait.providers.langchain.values import addable, inward, outward
from plait.runnables.stages import ainside, inside
from plait.runs import current

__all__ = [
    "Ours",
    "chat_model_for",
    "embeddings_for",
    "entering",
    "found",
    "llm_for",
    "origin",
    "retriever_for",
    "runnable_for",
    "with_field",
]


@contextmanager
def entering() -> Generator[None, None, None]:
    """What is in force of ours while LangChain calls us: the limits around it, and nobody who listens twice."""
    before = current.get()
    current.set(outside())
    try:
        with passing():
            yield
    finally:
        current.set(before)


def origin(thing: Any) -> Any:
    """What of plait's is behind a thing of LangChain's; None if nothing is."""
    return cast(Any, thing).runnable if isinstance(thing, Ours) else None


def _handed_on(chunk: Any) -> Any:
    """A chunk on its way out; one that takes back the others cannot go there."""
    if type(chunk) is StreamReset:
        raise ConfigError(
            f"a step began its stream again ({chunk.reason}), but a stream of LangChain's cannot take back what it has "
            "given: leave out mid_stream='restart' in a chain that LangChain streams"
        )
    return addable(chunk)


def _resettable(chunks: Iterator[Any]) -> Iterator[Any]:
    """The chunks; a reset before the first takes nothing back."""
    begun = False
    for chunk in chunks:
        if begun or type(chunk) is not StreamReset:
            begun = True
            yield _handed_on(chunk)


async def _aresettable(chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The chunks; a reset before the first takes nothing back."""
    begun = False
    async for chunk in chunks:
        if begun or type(chunk) is not StreamReset:
            begun = True
            yield _handed_on(chunk)


async def _ainward(chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for chunk in chunks:
        yield inward(chunk)


# --------------------------------------------------------------------------------------------------------- runnables


class Ours:
    """What was plait's."""


class _Verbs(Ours):
    """What LangChain calls; its own helpers make the run and find the config."""

    runnable: Any

    def __init__(self, runnable: Any) -> None:
        self.runnable = runnable
        self.name = runnable.get_name()

    def __repr__(self) -> str:
        return f"PlaitRunnable({self.runnable!r})"

    @property
    def InputType(self) -> Any:
        return Any

    @property
    def OutputType(self) -> Any:
        return Any

    def get_input_schema(self, config: Any = None) -> Any:
        return self.runnable.get_input_schema()

    def get_output_schema(self, config: Any = None) -> Any:
        return self.runnable.get_output_schema()

    @property
    def config_specs(self) -> list[Any]:
        spec = peer().runnables.ConfigurableFieldSpec
        names = ("id", "annotation", "name", "description", "default", "is_shared", "dependencies")
        return [spec(**{name: getattr(each, name) for name in names}) for each in self.runnable.config_specs]

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        call = cast(Any, self)._call_with_config
        return call(self._run, input, config, run_type=_run_type(self.runnable), **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        call = cast(Any, self)._acall_with_config
        return await call(self._arun, input, config, run_type=_run_type(self.runnable), **kwargs)

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        yield from self.transform(iter([input]), config, **kwargs)

    async def astream(  # twin: `yield from` has none
        self, input: Any, config: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        async def once() -> AsyncGenerator[Any, None]:
            yield input

        stream = self.atransform(once(), config, **kwargs)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            await aclose_all([stream])

    def transform(self, input: Iterator[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:
        stream = cast(Any, self)._transform_stream_with_config(input, self._chunks, config, **kwargs)
        try:
            yield from stream
        finally:
            close_all([stream])

    async def atransform(
        self, input: AsyncIterator[Any], config: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        stream = cast(Any, self)._atransform_stream_with_config(input, self._achunks, config, **kwargs)
        try:
            async for chunk in stream:
                yield chunk
        finally:
            await aclose_all([stream])

    def _run(self, input: Any, run_manager: Any, config: Any, **kwargs: Any) -> Any:
        with entering():
            given = for_plait(config, run_manager)
            return outward(self.runnable.invoke(inward(input), given, **kwargs))

    async def _arun(self, input: Any, run_manager: Any, config: Any, **kwargs: Any) -> Any:
        with entering():
            given = afor_plait(config, run_manager)
            return outward(await self.runnable.ainvoke(inward(input), given, **kwargs))

    def _chunks(self, chunks: Iterator[Any], run_manager: Any, config: Any, **kwargs: Any) -> Iterator[Any]:
        given = for_plait(config, run_manager)
        with entering():
            stream = self.runnable.transform(map(inward, chunks), given, **kwargs)
        stream = inside(stream, outside())
        try:
            with passing():
                yield from _resettable(stream)
        finally:
            close_all([stream])

    async def _achunks(  # twin: `yield from` has none
        self, chunks: AsyncIterator[Any], run_manager: Any, config: Any, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        given = afor_plait(config, run_manager)
        with entering():
            stream = self.runnable.atransform(_ainward(chunks), given, **kwargs)
        stream = ainside(stream, outside())
        try:
            with passing():
                async for chunk in _aresettable(stream):
                    yield chunk
        finally:
            await aclose_all([stream])


def _run_type(runnable: Any) -> str | None:
    return runnable._kind if runnable._kind in ("prompt", "parser") else None


@cache
def _runnable_class() -> Any:
    return type("PlaitRunnable", (_Verbs, peer().runnables.Runnable), {"__module__": __name__})


def runnable_for(runnable: Any) -> Any:
    """The Runnable as one of LangChain's."""
    return _runnable_class()(runnable)


# ------------------------------------------------------------------------------------------------------------ models


class _Answers(Ours):
    """What LangChain calls of a chat model; it makes the run itself."""

    runnable: Any

    @property
    def _llm_type(self) -> str:
        return str(self.runnable._llm_type)

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return cast(str, cast(Any, super()).get_name(suffix, name=name or self.runnable.get_name()))

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        with entering():
            result = outward(self.runnable.generate([inward(messages)], stop, **kwargs))
            return peer().outputs.ChatResult(generations=result.generations[0], llm_output=result.llm_output)

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        with entering():
            result = outward(await self.runnable.agenerate([inward(messages)], stop, **kwargs))
            return peer().outputs.ChatResult(generations=result.generations[0], llm_output=result.llm_output)

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        with entering():
            stream = self.runnable.stream(inward(messages), stop=stop, **kwargs)
        piece = peer().outputs.ChatGenerationChunk
        chunks = inside(stream, outside())
        try:
            with passing():
                for chunk in chunks:
                    yield piece(message=outward(chunk))
        finally:
            close_all([chunks])

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        with entering():
            stream = self.runnable.astream(inward(messages), stop=stop, **kwargs)
        piece = peer().outputs.ChatGenerationChunk
        chunks = ainside(stream, outside())
        try:
            with passing():
                async for chunk in chunks:
                    yield piece(message=outward(chunk))
        finally:
            await aclose_all([chunks])

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """The model with tools, in the form that its own ``bind_tools`` gives them."""
        written = [peer().utils.function_calling.convert_to_openai_tool(each) for each in tools]
        bound = self.runnable.bind_tools(written, **kwargs)
        return cast(Any, self).bind(**bound.kwargs) if hasattr(bound, "kwargs") else runnable_for(bound)


class _Continues(Ours):
    """What LangChain calls of a text model; it makes the run itself."""

    runnable: Any

    @property
    def _llm_type(self) -> str:
        return str(self.runnable._llm_type)

    def _generate(self, prompts: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        with entering():
            return outward(self.runnable.generate(prompts, stop, **kwargs))

    async def _agenerate(self, prompts: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        with entering():
            return outward(await self.runnable.agenerate(prompts, stop, **kwargs))

    def _stream(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        with entering():
            stream = self.runnable.stream(prompt, stop=stop, **kwargs)
        piece = peer().outputs.GenerationChunk
        chunks = inside(stream, outside())
        try:
            with passing():
                for text in chunks:
                    yield _heard(piece(text=text), run_manager)
        finally:
            close_all([chunks])

    async def _astream(
        self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        with entering():
            stream = self.runnable.astream(prompt, stop=stop, **kwargs)
        piece = peer().outputs.GenerationChunk
        chunks = ainside(stream, outside())
        try:
            with passing():
                async for text in chunks:
                    yield await _aheard(piece(text=text), run_manager)
        finally:
            await aclose_all([chunks])


def _heard(piece: Any, run_manager: Any) -> Any:
    if run_manager is not None:
        run_manager.on_llm_new_token(piece.text, chunk=piece)
    return piece


async def _aheard(piece: Any, run_manager: Any) -> Any:
    if run_manager is not None:
        await run_manager.on_llm_new_token(piece.text, chunk=piece)
    return piece


def with_field(name: str, mixin: type[Any], base: Any) -> Any:
    """A pydantic class of LangChain's with the mixin's methods, and ``runnable`` as a field."""
    return type(name, (mixin, base), {"__module__": mixin.__module__, "__annotations__": {"runnable": Any}})


@cache
def _chat_model_class() -> Any:
    return with_field("PlaitChatModel", _Answers, peer().language_models.BaseChatModel)


def chat_model_for(model: Any) -> Any:
    """The chat model as one of LangChain's."""
    return _chat_model_class()(runnable=model)


@cache
def _llm_class() -> Any:
    return with_field("PlaitLLM", _Continues, peer().language_models.BaseLLM)


def llm_for(model: Any) -> Any:
    """The text model as one of LangChain's."""
    return _llm_class()(runnable=model)


# --------------------------------------------------------------------------------------------------------- retrieval


class _Embeds(Ours):
    def __init__(self, embeddings: Any) -> None:
        self.embeddings = self.runnable = embeddings

    def __repr__(self) -> str:
        return f"PlaitEmbeddings({self.embeddings!r})"

    def embed_documents(self, texts: list[str]) -> Any:
        return self.embeddings.embed_documents(texts)

    async def aembed_documents(self, texts: list[str]) -> Any:
        return await self.embeddings.aembed_documents(texts)

    def embed_query(self, text: str) -> Any:
        return self.embeddings.embed_query(text)

    async def aembed_query(self, text: str) -> Any:
        return await self.embeddings.aembed_query(text)


@cache
def _embeddings_class() -> Any:
    return type("PlaitEmbeddings", (_Embeds, peer().embeddings.Embeddings), {"__module__": __name__})


def embeddings_for(embeddings: Any) -> Any:
    """The embedder as one of LangChain's."""
    return _embeddings_class()(embeddings)


class _Finds(Ours):
    """What LangChain calls of a retriever; it makes the run itself."""

    runnable: Any

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        return cast(str, cast(Any, super()).get_name(suffix, name=name or self.runnable.get_name()))

    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> Any:
        around = peer().runnables.ensure_config(config)  # which LangChain keeps from a retriever
        return cast(Any, super()).invoke(input, config, around=around, **kwargs)

    async def ainvoke(self, input: str, config: Any = None, **kwargs: Any) -> Any:
        around = peer().runnables.ensure_config(config)  # which LangChain keeps from a retriever
        return await cast(Any, super()).ainvoke(input, config, around=around, **kwargs)

    def _get_relevant_documents(self, query: str, *, run_manager: Any, around: Any = None, **kwargs: Any) -> Any:
        with entering():
            return outward(self.runnable.invoke(query, for_plait(around or {}, run_manager), **kwargs))

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any, around: Any = None, **kwargs: Any) -> Any:
        with entering():
            return outward(await self.runnable.ainvoke(query, afor_plait(around or {}, run_manager), **kwargs))


@cache
def _retriever_class() -> Any:
    return with_field("PlaitRetriever", _Finds, peer().retrievers.BaseRetriever)


def retriever_for(retriever: Any) -> Any:
    """The retriever as one of LangChain's."""
    return _retriever_class()(runnable=retriever)


_CLASSES: Final = {
    "PlaitChatModel": _chat_model_class,
    "PlaitEmbeddings": _embeddings_class,
    "PlaitLLM": _llm_class,
    "PlaitRetriever": _retriever_class,
    "PlaitRunnable": _runnable_class,
}


def __getattr__(name: str) -> Any:
    """The classes that are made when they are first needed, which a pickle needs by name."""
    return found(name, _CLASSES)


def found(name: str, classes: Mapping[str, Callable[[], Any]]) -> Any:
    """The class of this name, made now; raises AttributeError."""
    if name not in classes:
        raise AttributeError(f"there is no {name!r} here")
    return classes[name]()

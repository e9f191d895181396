"""Chat models and text models of LangChain's as ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Any, ClassVar, cast

from plait.concurrency import aclose_all, close_all
from plait.errors import ModelError
from plait.language_models import BaseChatModel, BaseLLM
from plait.language_models.chat_models import chunk_of
from plait.messages import BaseMessage, BaseMessageChunk
from plait.outputs import ChatGenerationChunk, ChatResult, GenerationChunk, LLMResult
from plait.providers.langchain.configs import acalling, calling
from plait.providers.langchain.nodes import LangChainRunnable, Natively
from plait.providers.langchain.peer import of, peer
from plait.providers.langchain.tools import written
from plait.providers.langchain.values import inward, outward
from plait.runnables import Runnable
from plait.runs import current

__all__ = ["ChatLangChain", "LangChainLLM"]


def _asked(config: dict[str, Any] | None) -> dict[str, Any]:
    """The config of a call, as the keyword arguments of ``generate``."""
    names = ("callbacks", "tags", "metadata", "run_name", "run_id")
    return {name: config[name] for name in names if name in config} if config else {}


class ChatLangChain(Natively, BaseChatModel):
    """A chat model of LangChain's as it is: its tools, its structured output, its streams."""

    model: Any
    """The chat model of LangChain's."""

    _own_verbs: ClassVar[bool] = False

    @property
    def _llm_type(self) -> str:
        return str(self.model._llm_type)

    @property
    def _theirs(self) -> Any:
        return self.model

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        with calling(current.get()) as theirs:
            result = self.model.generate([outward(messages)], stop, **_asked(theirs), **kwargs)
            return _only(inward(result))

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        async with acalling(current.get()) as theirs:
            result = await self.model.agenerate([outward(messages)], stop, **_asked(theirs), **kwargs)
            return _only(inward(result))

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        stream: Any = ()
        try:
            with calling(current.get()) as theirs:
                stream = self.model.stream(outward(messages), theirs, stop=stop, **kwargs)
                for piece in stream:
                    yield _piece(inward(piece))
        finally:
            close_all([stream])

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        stream: Any = ()
        try:
            async with acalling(current.get()) as theirs:
                stream = self.model.astream(outward(messages), theirs, stop=stop, **kwargs)
                async for piece in stream:
                    yield _piece(inward(piece))
        finally:
            await aclose_all([stream])

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, Any]:
        """This with tools, in the form that the model's own ``bind_tools`` gives them."""
        return _bound(self.model.bind_tools([written(each) for each in tools], **kwargs), self.name)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        """This, with answers of that shape; the model's own way of it, with the arguments that it takes."""
        return LangChainRunnable(runnable=self.model.with_structured_output(schema, **kwargs))

    def get_num_tokens(self, text: str) -> int:
        """As the model counts."""
        return int(self.model.get_num_tokens(text))

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage]) -> int:
        """As the model counts."""
        return int(self.model.get_num_tokens_from_messages(outward([*messages])))


def _bound(bound: Any, name: str | None) -> Runnable[Any, Any]:
    """What ``bind_tools`` gives: the model with arguments, or something else that a class makes of it."""
    lc = peer()
    plain = isinstance(bound, lc.runnables.base.RunnableBinding) and not bound.config_factories
    if plain and isinstance(bound.bound, lc.language_models.BaseChatModel) and not _configured(bound.config):
        return ChatLangChain(model=bound.bound, name=name).bind(**bound.kwargs)
    if isinstance(bound, lc.language_models.BaseChatModel):
        return ChatLangChain(model=bound, name=name)
    return LangChainRunnable(runnable=bound)


def _configured(config: dict[str, Any]) -> bool:
    return any(config.values())


def _only(result: LLMResult) -> ChatResult:
    return ChatResult(generations=cast("list[Any]", [*result.generations[0]]), llm_output=result.llm_output)


def _piece(message: Any) -> ChatGenerationChunk:
    if not isinstance(message, BaseMessage):
        raise ModelError(f"a chat model of LangChain's must stream messages, but gave {of(message)}")
    chunk = message if isinstance(message, BaseMessageChunk) else chunk_of(message)
    return ChatGenerationChunk.model_construct(message=chunk)


class LangChainLLM(Natively, BaseLLM):
    """A text model of LangChain's as it is."""

    model: Any
    """The text model of LangChain's."""

    _own_verbs: ClassVar[bool] = False

    @property
    def _llm_type(self) -> str:
        return str(self.model._llm_type)

    @property
    def _theirs(self) -> Any:
        return self.model

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        with calling(current.get()) as theirs:
            return cast(LLMResult, inward(self.model.generate(prompts, stop, **_asked(theirs), **kwargs)))

    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        async with acalling(current.get()) as theirs:
            return cast(LLMResult, inward(await self.model.agenerate(prompts, stop, **_asked(theirs), **kwargs)))

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        stream: Any = ()
        try:
            with calling(current.get()) as theirs:
                stream = self.model.stream(prompt, theirs, stop=stop, **kwargs)
                for text in stream:
                    yield GenerationChunk(text=text)
        finally:
            close_all([stream])

    async def _astream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[GenerationChunk, None]:
        stream: Any = ()
        try:
            async with acalling(current.get()) as theirs:
                stream = self.model.astream(prompt, theirs, stop=stop, **kwargs)
                async for text in stream:
                    yield GenerationChunk(text=text)
        finally:
            await aclose_all([stream])

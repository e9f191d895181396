"""Whoever stops reading a model's stream stops the model: its generator has ended when the close returns."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from typing import Any

import pytest

from plait.language_models import LLM, BaseChatModel, BaseLanguageModel
from plait.messages import AIMessageChunk
from plait.output_parsers import StrOutputParser
from plait.outputs import ChatGenerationChunk, GenerationChunk


class Sync(BaseChatModel):
    log: Any

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        try:
            for number in range(1000):
                yield ChatGenerationChunk(message=AIMessageChunk(content=str(number)))
        finally:
            self.log.append("closed")


class Async(Sync):
    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        try:
            for number in range(1000):
                await asyncio.sleep(0)
                yield ChatGenerationChunk(message=AIMessageChunk(content=str(number)))
        finally:
            self.log.append("closed")


class Text(LLM):
    log: Any

    def _call(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> str:
        return "whole"

    def _stream(self, prompt: str, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
        try:
            for number in range(1000):
                yield GenerationChunk(text=str(number))
        finally:
            self.log.append("closed")


KINDS: list[Any] = [Sync, Async, Text]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [None, {"tags": ["t"]}])
def test_close_ends_a_sync_stream(kind: type[BaseLanguageModel[Any]], config: Any) -> None:
    """After close the model's generator has run its finally, alone and in a chain."""
    for runnable, log in _alone_and_in_a_chain(kind):
        with closing(runnable.stream("x", config)) as chunks:
            next(chunks)
            assert log == []
        assert log == ["closed"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("config", [None, {"tags": ["t"]}])
async def test_aclose_ends_an_async_stream(kind: type[BaseLanguageModel[Any]], config: Any) -> None:
    """After aclose the model's generator has run its finally, also where it runs in a thread."""
    for runnable, log in _alone_and_in_a_chain(kind):
        async with aclosing(runnable.astream("x", config)) as chunks:
            await anext(chunks)
            assert log == []
        assert log == ["closed"]


@pytest.mark.parametrize("kind", KINDS)
async def test_cancelling_the_reader_ends_the_stream(kind: type[BaseLanguageModel[Any]]) -> None:
    """A task that is cancelled while it reads has ended the model's generator when it ends."""
    for runnable, log in _alone_and_in_a_chain(kind):
        started = asyncio.Event()

        async def read(runnable: Any = runnable, started: asyncio.Event = started) -> None:
            async with aclosing(runnable.astream("x")) as chunks:
                async for _ in chunks:
                    started.set()
                    await asyncio.sleep(0)

        task = asyncio.create_task(read())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log == ["closed"]


async def test_an_error_in_the_stream_is_the_models_own() -> None:
    """What the model raises in the middle comes to the reader as it is, after the chunks before it."""
    error = ConnectionError("gone")

    class Breaking(BaseChatModel):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            yield ChatGenerationChunk(message=AIMessageChunk(content="a"))
            raise error

    seen = []
    with pytest.raises(ConnectionError) as caught:
        seen.extend(chunk.content for chunk in Breaking().stream("x"))
    assert caught.value is error
    with pytest.raises(ConnectionError) as caught:
        seen.extend([chunk.content async for chunk in Breaking().astream("x")])
    assert caught.value is error


async def test_a_stream_that_somebody_else_holds_is_closed_too() -> None:
    """The model's generator is closed, not just let go of: a reference elsewhere does not keep it open."""
    held: list[Any] = []

    class Holding(Sync):
        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            held.append(super()._stream(messages, stop, run_manager, **kwargs))
            return held[-1]

    model = Holding(log=[])
    with closing(model.stream("x")) as chunks:
        next(chunks)
    assert model.log == ["closed"]
    async with aclosing(model.astream("x")) as achunks:
        await anext(achunks)
    assert model.log == ["closed", "closed"]


def test_a_stream_that_is_never_read_calls_nobody() -> None:
    """Making a stream and dropping it does not start the model."""
    log: list[str] = []
    Sync(log=log).stream("x").close()  # type: ignore[attr-defined]
    assert log == []


def _alone_and_in_a_chain(kind: Any) -> Iterator[tuple[Any, list[str]]]:
    log: list[str] = []
    yield kind(log=log), log
    other: list[str] = []
    yield kind(log=other) | StrOutputParser(), other

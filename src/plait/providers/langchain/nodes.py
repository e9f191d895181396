"""Any Runnable of LangChain's as one of ours: prompts, parsers, chains, graphs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any, ClassVar, Final, cast

from pydantic import BaseModel

from plait.concurrency import aclose_all, acollect, close_all
from plait.merging import snapshot
from plait.providers.langchain.configs import acalling, calling, natively, restored
from plait.providers.langchain.peer import class_of, peer
from plait.providers.langchain.values import addable, inward, outward
from plait.runnables import ConfigurableFieldSpec, RunnableConfig
from plait.runnables.serializable import RunnableSerializable
from plait.runnables.stages import achained, ainside, chained, inside
from plait.runs import Scope, current
from plait.stopping import check_stopped

__all__ = ["LangChainParser", "LangChainPrompt", "LangChainRunnable", "Natively"]

_END: Final[Any] = object()


class Natively:
    """The verbs of a node that is LangChain's: handlers of its own kind hear of the run from LangChain, and once."""

    @property
    def _theirs(self) -> Any:
        """The Runnable of LangChain's."""
        raise NotImplementedError

    def get_name(self, suffix: str | None = None) -> str:
        """The name given to this, or the one that it has there."""
        name = getattr(self, "name", None) or str(self._theirs.get_name())
        if not suffix:
            return name
        return name + "_" + suffix.lower() if name[0].islower() else name + suffix[0].upper() + suffix[1:]

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return cast(Any, super()).invoke(input, natively(config), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return await cast(Any, super()).ainvoke(input, natively(config), **kwargs)

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        return cast(Any, super()).transform(input, natively(config), **kwargs)  # type: ignore[no-any-return]  # of the Runnable beside it

    def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        return cast(Any, super()).atransform(input, natively(config), **kwargs)  # type: ignore[no-any-return]  # of the Runnable beside it


class LangChainRunnable(Natively, RunnableSerializable[Any, Any]):
    """A Runnable of LangChain's as it is; what goes in and comes out is translated, streams stay streams.

    Its own steps are seen by whoever listens. What it cannot do by itself, such as to be ended by a deadline in sync
    code, is done between its steps and chunks.
    """

    runnable: Any
    """The Runnable of LangChain's."""

    _own_verbs: ClassVar[bool] = False

    @property
    def _theirs(self) -> Any:
        return self.runnable

    @property
    def InputType(self) -> Any:
        return _type_of(self.runnable, "InputType")

    @property
    def OutputType(self) -> Any:
        return _type_of(self.runnable, "OutputType")

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """What it says itself, if it takes an object: the variables of a prompt, the keys that a chain asks for."""
        return _object_of(self.runnable) or super().get_input_schema(config)

    @property
    def config_specs(self) -> list[Any]:
        return [ConfigurableFieldSpec(**spec._asdict()) for spec in self.runnable.config_specs]

    @property
    def _gathers(self) -> bool:
        return not _reads_chunks(self.runnable)

    def _invoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> Any:
        before = current.get()
        current.set(restored(config))  # what of ours it calls inherits it
        try:
            with calling(config) as theirs:
                return inward(self.runnable.invoke(outward(input), theirs, **kwargs))
        finally:
            current.set(before)

    async def _ainvoke(self, input: Any, config: Scope | None = None, **kwargs: Any) -> Any:
        before = current.get()
        current.set(restored(config))  # what of ours it calls inherits it
        try:
            async with acalling(config) as theirs:
                return inward(await self.runnable.ainvoke(outward(input), theirs, **kwargs))
        finally:
            current.set(before)

    def _transform(self, chunks: Iterator[Any], config: Scope | None = None, **kwargs: Any) -> Iterator[Any]:
        stream: Any = ()
        given = self._taken(chunks)
        try:
            with calling(config) as theirs:
                stream = inside(self._opened(given, theirs, kwargs), restored(config))
                for chunk in stream:
                    yield self._chunk(chunk)
                    check_stopped()
        finally:
            close_all([stream, chunks])

    async def _atransform(  # twin: a task is cancelled, a thread has to ask
        self, chunks: AsyncIterator[Any], config: Scope | None = None, **kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        stream: Any = ()
        given = await self._ataken(chunks)
        try:
            async with acalling(config) as theirs:
                stream = ainside(self._aopened(given, theirs, kwargs), restored(config))
                async for chunk in stream:
                    yield self._chunk(chunk)
        finally:
            await aclose_all([stream, chunks])

    def _taken(self, chunks: Iterator[Any]) -> Any:
        """The whole value of a Runnable that needs it, or the chunks, of which one is there."""
        if self._gathers:
            return outward(self._sum(list(chunks)))
        first = next(chunks, _END)
        return _addables(chained([self._sum([] if first is _END else [first])], chunks))

    async def _ataken(self, chunks: AsyncIterator[Any]) -> Any:
        """The whole value of a Runnable that needs it, or the chunks, of which one is there."""
        if self._gathers:
            return outward(self._sum(await acollect(chunks)))
        first = await anext(chunks, _END)
        return _aaddables(achained([self._sum([] if first is _END else [first])], chunks))

    def _opened(self, given: Any, theirs: Any, kwargs: dict[str, Any]) -> Iterator[Any]:
        verb = self.runnable.stream if self._gathers else self.runnable.transform
        return verb(given, theirs, **kwargs)  # type: ignore[no-any-return]  # of another library

    def _aopened(self, given: Any, theirs: Any, kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        verb = self.runnable.astream if self._gathers else self.runnable.atransform
        return verb(given, theirs, **kwargs)  # type: ignore[no-any-return]  # of another library

    def _chunk(self, chunk: Any) -> Any:
        translated = inward(chunk)
        grows = type(chunk) is dict or _gives_snapshots(self.runnable)
        return snapshot(translated) if grows else translated


class LangChainPrompt(LangChainRunnable):
    """A prompt of LangChain's."""

    _kind: ClassVar[str] = "prompt"


class LangChainParser(LangChainRunnable):
    """An output parser of LangChain's."""

    _kind: ClassVar[str] = "parser"


def _addables(chunks: Iterator[Any]) -> Iterator[Any]:
    for chunk in chunks:
        yield addable(chunk)


async def _aaddables(chunks: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for chunk in chunks:
        yield addable(chunk)


def _type_of(runnable: Any, name: str) -> Any:
    """The type that it says itself, where that is one that both libraries have."""
    try:
        known = getattr(runnable, name)
    except Exception:  # it does not know
        return Any
    return known if known in (str, int, float, bool, bytes) else Any


def _object_of(runnable: Any) -> type[BaseModel] | None:
    """The schema of its input, if that is an object with properties."""
    try:
        known: Any = runnable.get_input_schema()
        return known if issubclass(known, BaseModel) and known.model_json_schema().get("properties") else None
    except Exception:  # it does not know, or what it knows is no JSON
        return None


def _reads_chunks(runnable: Any) -> bool:
    """Whether it works on its input while that comes in; what only gathers it does so by our rules."""
    theirs = peer().runnables
    if isinstance(runnable, theirs.RunnableLambda):
        return False
    if isinstance(runnable, theirs.RunnableSequence):
        return _reads_chunks(runnable.first)
    if hasattr(runnable, "bound"):
        return _reads_chunks(runnable.bound)
    kind = class_of(runnable)
    base = theirs.Runnable
    return kind.transform is not base.transform or kind.atransform is not base.atransform


def _gives_snapshots(runnable: Any) -> bool:
    """Whether each chunk is all that there is so far, and not a piece of it."""
    if isinstance(runnable, peer().runnables.RunnableSequence):
        return _gives_snapshots(runnable.last)
    if hasattr(runnable, "bound"):
        return _gives_snapshots(runnable.bound)
    return isinstance(runnable, peer().output_parsers.BaseCumulativeTransformOutputParser)

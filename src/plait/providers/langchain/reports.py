"""What runs inside of LangChain, told to those who listen to a plait call: each run once, below the one it belongs to.

A handler of LangChain's kind hears of every run that begins and ends there. ``Reports`` makes runs of ours of that;
the handlers themselves, one for sync and one for async code, only pass on what they hear.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, cast

from plait.language_models import BaseChatModel
from plait.messages import BaseMessage, message_chunk_to_message
from plait.outputs import ChatGenerationChunk, Generation, GenerationChunk, LLMResult
from plait.providers.langchain.peer import class_of, peer
from plait.providers.langchain.values import inward
from plait.runs import RunListener, Scope, Watch, adispatch, dispatch
from plait.stopping import Stop

__all__ = ["Reports", "halting"]


class Reports:
    """The runs inside of one call of LangChain's, whose own run is ``scope.run``; for ``listeners``."""

    def __init__(self, scope: Scope, listeners: tuple[RunListener, ...]) -> None:
        self._scope = scope
        self._listeners = listeners
        self._root = scope.run.id if scope.run is not None else None
        self._open: dict[Any, Watch] = {}
        self.loop: asyncio.AbstractEventLoop | None = None

    def handlers(self, *, is_async: bool) -> list[Any]:
        """What LangChain is to tell."""
        told_chunks = any(
            hasattr(listener, "on_run_chunk") and not _hears_models_only(listener) for listener in self._listeners
        )
        if is_async:
            self.loop = asyncio.get_running_loop()
            return [_reporters(told_chunks)[1](self), _reporters(told_chunks)[0](self)]
        return [_reporters(told_chunks)[0](self)]

    def is_own_loop(self) -> bool:
        """Whether this is the loop in which the call was made; in any other place what waits does so in its thread."""
        try:
            return asyncio.get_running_loop() is self.loop
        except RuntimeError:
            return False

    # ------------------------------------------------------------------------------------------------------- hearing

    def hear(self, event: str, *facts: Any, **more: Any) -> None:
        """An event, as LangChain tells it."""
        kind, _, stage = event.removeprefix("on_").rpartition("_")
        if stage == "start":
            watch = self._begun(kind, facts, more)
            if watch is not None:
                self._open[more["run_id"]] = watch.__enter__()
        elif stage in ("end", "error"):
            watch = self._ended(more)
            if watch is not None and stage == "end":
                watch.end(_output(kind, facts[0]))
                watch.__exit__(None, None, None)
            elif watch is not None:
                watch.__exit__(*_as_raised(facts[0]))
        elif event == "on_llm_new_token":
            self.piece(more["run_id"], _piece(more.get("token", ""), more.get("chunk")))
        else:
            dispatch(self._scope_of(more["run_id"]), facts[0], facts[1])

    async def ahear(self, event: str, *facts: Any, **more: Any) -> None:
        """An event, as LangChain tells it."""
        kind, _, stage = event.removeprefix("on_").rpartition("_")
        if stage == "start":
            watch = self._begun(kind, facts, more)
            if watch is not None:
                self._open[more["run_id"]] = await watch.__aenter__()
        elif stage in ("end", "error"):
            watch = self._ended(more)
            if watch is not None and stage == "end":
                watch.end(_output(kind, facts[0]))
                await watch.__aexit__(None, None, None)
            elif watch is not None:
                await watch.__aexit__(*_as_raised(facts[0]))
        elif event == "on_llm_new_token":
            await self.apiece(more["run_id"], _piece(more.get("token", ""), more.get("chunk")))
        else:
            await adispatch(self._scope_of(more["run_id"]), facts[0], facts[1])

    def piece(self, run_id: Any, chunk: Any) -> None:
        """A chunk of a run; those of the call itself are noted where they come out of it."""
        watch = self._open.get(run_id)
        waiting = None if watch is None else watch.chunk(chunk)
        if watch is not None and waiting is not None:
            watch.settle(waiting)

    async def apiece(self, run_id: Any, chunk: Any) -> None:
        """A chunk of a run; those of the call itself are noted where they come out of it."""
        watch = self._open.get(run_id)
        waiting = None if watch is None else watch.chunk(chunk)
        if watch is not None and waiting is not None:
            await watch.asettle(waiting)

    def close(self) -> None:
        """End the runs that LangChain has left open, as those that were cancelled."""
        while self._open:
            self._open.popitem()[1].__exit__(GeneratorExit, GeneratorExit(), None)

    async def aclose(self) -> None:
        """End the runs that LangChain has left open, as those that were cancelled."""
        while self._open:
            await self._open.popitem()[1].__aexit__(GeneratorExit, GeneratorExit(), None)

    # -------------------------------------------------------------------------------------------------------- finding

    def _begun(self, kind: str, facts: tuple[Any, ...], more: Mapping[str, Any]) -> Watch | None:
        if more["run_id"] == self._root:
            return None
        parent = self._scope_of(more.get("parent_run_id"))
        own: dict[str, Any] = {
            "run_id": more["run_id"],
            "tags": more.get("tags") or [],
            "metadata": more.get("metadata") or {},
        }
        scope = Scope({**parent, **own}, parent)
        scope.listeners = self._listeners
        run_type = kind if kind != "chain" else more.get("run_type")
        return Watch(_Inner(_name(facts[0], more, kind), run_type), _input(kind, facts[1], more), scope)

    def _ended(self, more: Mapping[str, Any]) -> Watch | None:
        watch = self._open.pop(more["run_id"], None)
        if watch is not None and more.get("inputs") is not None:
            watch.run.inputs = inward(more["inputs"])  # those of a stream are whole only now
        return watch

    def _scope_of(self, run_id: Any) -> Scope:
        watch = self._open.get(run_id)
        return self._scope if watch is None else watch.scope


def _as_raised(error: Any) -> tuple[Any, Any, None]:
    return class_of(error), error, None


def _hears_models_only(listener: Any) -> bool:
    return hasattr(listener, "handler")


class _Inner:
    """What stands for a Runnable of LangChain's in a run of ours: its name, and how models are told of."""

    _barrier = False

    def __init__(self, name: str, kind: str | None) -> None:
        self._name = name
        self._kind = kind if kind in _KINDS else "chain"

    def get_name(self, suffix: str | None = None) -> str:
        return self._name

    def _told_input(self, input: Any) -> Any:
        return input

    def _told_chunk(self, chunk: Any) -> Any:
        return (
            ChatGenerationChunk(message=cast(Any, chunk))
            if isinstance(chunk, BaseMessage)
            else GenerationChunk(text=str(chunk))
        )

    def _told_result(self, output: Any) -> LLMResult:
        if isinstance(output, BaseMessage):
            return cast(LLMResult, cast(Any, BaseChatModel)._told_result(self, output))
        return LLMResult(generations=[[Generation(text=str(output))]])


_KINDS: Final = frozenset({"chat_model", "llm", "tool", "retriever", "prompt", "parser"})


def _name(serialized: Any, more: Mapping[str, Any], kind: str) -> str:
    if more.get("name"):
        return str(more["name"])
    known = cast("dict[str, Any]", serialized if isinstance(serialized, dict) else {})
    path = known.get("id") or [kind]
    return str(known.get("name") or path[-1])


def _input(kind: str, told: Any, more: Mapping[str, Any]) -> Any:
    if kind in ("chat_model", "llm"):
        return inward(told[0]) if told else None
    if kind == "chain" and told == {"input": ""}:
        return None  # what LangChain says where it streams in and is not there yet
    if kind == "tool" and more.get("inputs") is not None:
        return inward(more["inputs"])
    return inward(told)


def _output(kind: str, told: Any) -> Any:
    if kind != "llm":
        return inward(told)
    try:
        best = inward(told.generations[0][0])
    except (AttributeError, IndexError):
        return None
    return message_chunk_to_message(best.message) if hasattr(best, "message") else best.text


def _piece(token: Any, chunk: Any) -> Any:
    piece = inward(chunk)
    return getattr(piece, "message", None) or getattr(piece, "text", token)


# -------------------------------------------------------------------------------------------------------- the handlers

_EVENTS: Final = (
    *(f"on_{kind}_start" for kind in ("chain", "chat_model", "llm", "tool", "retriever")),
    *(f"on_{kind}_{stage}" for kind in ("chain", "llm", "tool", "retriever") for stage in ("end", "error")),
    *("on_llm_new_token", "on_custom_event"),
)
_IGNORE: Final = ("agent", "chain", "chat_model", "custom_event", "llm", "retriever", "retry")


class _Reporter:
    """What both handlers are: attached for the time of a call, told in order, and heard when they raise."""

    raise_error = True  # only what a listener raises in order to end the run gets here
    run_inline = True

    def __init__(self, reports: Reports) -> None:
        self.reports = reports


class _Tapping:
    """What makes LangChain show the chunks of chains, too."""

    reports: Reports

    def tap_output_iter(self, run_id: Any, output: Iterator[Any]) -> Iterator[Any]:
        for chunk in output:
            self.reports.piece(run_id, inward(chunk))
            yield chunk

    async def tap_output_aiter(self, run_id: Any, output: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
        async for chunk in output:
            await self.reports.apiece(run_id, inward(chunk))
            yield chunk


@cache
def _reporters(taps: bool) -> tuple[Any, Any]:
    """The classes of the sync and the async handler; LangChain tells both, and each knows where the other is meant."""
    base = peer().callbacks.BaseCallbackHandler
    more = (_Tapping,) if taps else ()
    sync: dict[str, Any] = {event: _telling(event) for event in _EVENTS}
    sync |= {f"ignore_{kind}": property(lambda self: self.reports.is_own_loop()) for kind in _IGNORE}
    tasks: dict[str, Any] = {event: _atelling(event) for event in _EVENTS}
    tasks |= {f"ignore_{kind}": property(lambda self: not self.reports.is_own_loop()) for kind in _IGNORE}
    bases = (_Reporter, *more, base)
    return type("PlaitReporter", bases, dict(sync)), type("AsyncPlaitReporter", bases, dict(tasks))


def _telling(event: str) -> Callable[..., Any]:
    def tell(self: Any, *facts: Any, **more: Any) -> None:
        self.reports.hear(event, *facts, **more)

    return tell


def _atelling(event: str) -> Callable[..., Any]:
    async def tell(self: Any, *facts: Any, **more: Any) -> None:
        await self.reports.ahear(event, *facts, **more)

    return tell


@cache
def _halting_class() -> Any:
    base = peer().callbacks.BaseCallbackHandler

    def check(self: Any, *_: Any, **__: Any) -> None:
        self.stop.check()

    checks = {event: check for event in _EVENTS if event.endswith("_start") or event == "on_llm_new_token"}
    return type("PlaitHalt", (base,), {"raise_error": True, "run_inline": True, **checks})


def halting(stop: Stop) -> Any:
    """A handler that ends sync work of LangChain's between two steps, or two tokens, once it is to end."""
    handler = _halting_class()()
    handler.stop = stop
    return handler

"""Handlers with the known method names (``on_chain_start``, ``on_llm_new_token``, …) as listeners of runs.

Runs are of five families, by their kind, each with methods of its own; whatever is not a model, a tool or a retriever
is a chain. What a handler of a certain class wants to hear is found once for each family, when the first run of it
comes along, and kept in the adapter: a method that is missing, or still the no-op of ``BaseCallbackHandler``, is never
called.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from functools import partial
from types import CoroutineType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

from plait.concurrency import in_thread, run_to_end
from plait.errors import ConfigError
from plait.inspection import awaitable, kind_of, name_of
from plait.runs import Run

__all__ = ["HandlerListener", "listener_of", "silent", "waiting"]

Class = TypeVar("Class", bound="type[Any]")

_Method: TypeAlias = Callable[..., Any]  # of a handler
_Tell: TypeAlias = Callable[..., Any]  # of a run, and of a chunk or an event in it


def silent(cls: Class) -> Class:
    """Mark the handler methods that a class defines as no-ops, which need not be called."""
    for name, method in vars(cls).items():
        if name.startswith("on_"):
            method.is_silent = True
    return cls


# --------------------------------------------------------------------------------------------- what handlers are told


def _serialized(run: Run) -> dict[str, Any]:
    """What the run is of: its name and class, and no field of it, as those may hold secrets."""
    kind = cast("type[Any]", type(run.node))
    return {"lc": 1, "type": "not_implemented", "id": [*kind.__module__.split("."), kind.__name__], "name": run.name}


def _about(run: Run) -> dict[str, Any]:
    return {"run_id": run.id, "parent_run_id": run.parent_id, "tags": run.tags, "name": run.name}


def _at_start(run: Run) -> dict[str, Any]:
    return {**_about(run), "metadata": run.metadata}


def _chain_start(method: _Method, run: Run) -> Any:
    return method(
        _serialized(run),
        {} if run.inputs is None else run.inputs,  # handlers look into it, also where nothing is known of it yet
        run_id=run.id,  # all in one call and no dicts that are joined: chains are by far the most of all runs
        parent_run_id=run.parent_id,
        tags=run.tags,
        metadata=run.metadata,
        name=run.name,
        run_type=run.run_type,
    )


def _chain_end(method: _Method, run: Run) -> Any:
    return method(
        run.outputs,
        run_id=run.id,
        parent_run_id=run.parent_id,
        tags=run.tags,
        name=run.name,
        inputs=run.inputs,  # those of a stream are whole only now
    )


def _chain_error(method: _Method, run: Run) -> Any:
    return method(run.error, **_about(run), inputs=run.inputs)


def _chain_cancelled(method: _Method, run: Run) -> Any:
    return method(run.outputs, **_about(run), inputs=run.inputs, error=run.error)


def _chat_model_start(method: _Method, run: Run) -> Any:
    return method(_serialized(run), [_prompts(run)], **_at_start(run))


def _text_start(method: _Method, run: Run) -> Any:
    """The conversation as one text, for handlers that know text models only."""
    lines = (f"{_SPEAKERS.get(each.type, each.type)}: {each.text}" for each in _prompts(run))
    return method(_serialized(run), ["\n".join(lines)], **_at_start(run))


_SPEAKERS: Final = {"human": "Human", "ai": "AI", "system": "System", "tool": "Tool", "function": "Function"}


def _llm_start(method: _Method, run: Run) -> Any:
    return method(_serialized(run), _prompts(run), **_at_start(run))


def _prompts(run: Run) -> list[Any]:
    """What a model is asked, in the form that it reads; nothing, if that is what it will fail of."""
    try:
        told: Any = run.node._told_input(run.inputs)
    except Exception:
        return []
    return [told] if isinstance(told, str) else told


def _token(method: _Method, run: Run, chunk: Any) -> Any:
    told = run.node._told_chunk(chunk)
    return method(told.text, chunk=told, **_about(run))


def _model_end(method: _Method, run: Run) -> Any:
    return method(run.node._told_result(run.outputs), **_about(run))


def _model_error(method: _Method, run: Run) -> Any:
    return method(run.error, **_about(run), response=_so_far(run))


def _model_cancelled(method: _Method, run: Run) -> Any:
    return method(_so_far(run), **_about(run), error=run.error)


def _so_far(run: Run) -> Any:
    """The part of the answer that had come; None for nothing, and for what is no part of one."""
    try:
        return None if run.outputs is None else run.node._told_result(run.outputs)
    except Exception:
        return None


def _tool_start(method: _Method, run: Run) -> Any:
    given: Any = run.inputs
    return method(_serialized(run), _text(run), **_at_start(run), inputs=given if isinstance(given, dict) else None)


def _retriever_start(method: _Method, run: Run) -> Any:
    return method(_serialized(run), _text(run), **_at_start(run))


def _text(run: Run) -> str:
    return run.inputs if isinstance(run.inputs, str) else "" if run.inputs is None else str(run.inputs)


def _end(method: _Method, run: Run) -> Any:
    return method(run.outputs, **_about(run))


def _error(method: _Method, run: Run) -> Any:
    return method(run.error, **_about(run))


def _cancelled(method: _Method, run: Run) -> Any:
    return method(run.outputs, **_about(run), error=run.error)


def _event(method: _Method, run: Run, name: str, data: Any) -> Any:
    return method(name, data, run_id=run.id, tags=run.tags, metadata=run.metadata)


# ----------------------------------------------------------------------------------------------------------- families


class _Family(NamedTuple):
    """How runs of a family are told: the names of the methods, how each is called, and what ignores them all."""

    start: tuple[str, _Tell]
    chunk: tuple[str, _Tell] | None
    ends: Mapping[str, tuple[str, _Tell]]  # by the status of the run
    ignored_by: tuple[str, ...]


def _family(start: str, tell: _Tell, of: str, ends: tuple[_Tell, _Tell, _Tell], *ignored_by: str) -> _Family:
    names = (f"on_{of}_end", f"on_{of}_error", f"on_{of}_cancelled")
    return _Family(
        (start, tell),
        ("on_llm_new_token", _token) if of == "llm" else None,  # of other chunks handlers know nothing
        dict(zip(("success", "error", "cancelled"), zip(names, ends, strict=True), strict=True)),
        ignored_by,
    )


_OF_MODELS: Final = (_model_end, _model_error, _model_cancelled)
_OF_OTHERS: Final = (_end, _error, _cancelled)
_CHAIN: Final = _family(
    "on_chain_start", _chain_start, "chain", (_chain_end, _chain_error, _chain_cancelled), "ignore_chain"
)
_FAMILIES: Final[Mapping[str, _Family]] = {
    "chat_model": _family(
        "on_chat_model_start", _chat_model_start, "llm", _OF_MODELS, "ignore_chat_model", "ignore_llm"
    ),
    "llm": _family("on_llm_start", _llm_start, "llm", _OF_MODELS, "ignore_llm"),
    "tool": _family("on_tool_start", _tool_start, "tool", _OF_OTHERS, "ignore_agent"),
    "retriever": _family("on_retriever_start", _retriever_start, "retriever", _OF_OTHERS, "ignore_retriever"),
}
_MODELS: Final = ("chat_model", "llm")
_MODEL: Final = "model "  # before the kind of a model that is one, in the key of its plan
_KNOWN: Final = (
    *(name for family in (_CHAIN, *_FAMILIES.values()) for name, _ in (family.start, *family.ends.values())),
    "on_llm_new_token",
    "on_custom_event",
)


def _key(run: Run) -> str:
    """The family of a run; a model that cannot say what it was told, being no language model of ours, is a chain."""
    kind = run.kind
    if kind in _MODELS:
        return _MODEL + kind if hasattr(run.node, "_told_input") else "chain"
    return kind


# ------------------------------------------------------------------------------------------------- calling the methods


def _method(handler: Any, name: str) -> _Method | None:
    """The method, if the handler has it and it does something."""
    method = getattr(handler, name, None)
    return None if method is None or getattr(method, "is_silent", False) is True else method


def _ignored(handler: Any, *flags: str) -> bool:
    return any(getattr(handler, flag, False) for flag in flags)


class _Blocking:
    """A call of a method that blocks: made in place by sync verbs, and in a thread by async ones."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call

    def wait(self) -> None:
        pending = waiting(self.call())
        if pending is not None:
            run_to_end(pending)

    def __await__(self) -> Generator[Any, Any, None]:
        return self._await().__await__()

    async def _await(self) -> None:
        pending = waiting(await in_thread(self.call))
        if pending is not None:
            await pending


def _teller(handler: Any, call: _Tell, *methods: _Method) -> _Tell:
    """The call, which calls the methods, with something to wait for where there is something to wait for."""
    if not getattr(handler, "run_inline", True) and all(kind_of(method) != "async" for method in methods):
        return lambda *facts: _Blocking(partial(call, *facts))

    def tell(*facts: Any) -> Any:
        result = call(*facts)
        return None if result is None else waiting(result)

    return tell


def _told(handler: Any, name: str, tell: _Tell) -> _Tell | None:
    """How the handler is told by the method of that name, if it has it."""
    method = _method(handler, name)
    return None if method is None else _teller(handler, partial(tell, method), method)


def waiting(result: Any) -> Coroutine[Any, Any, Any] | None:
    """What the caller has to wait for, of what a user's function gave; any other value is of no interest."""
    if isinstance(result, CoroutineType):
        return cast("Coroutine[Any, Any, Any]", result)
    return _awaited(result) if awaitable(result) else None


async def _awaited(result: Awaitable[Any]) -> None:
    await result


def _start(handler: Any, family: _Family) -> _Tell | None:
    """How the handler is told of a start; one that knows no chat models hears of them as of text models."""
    name, tell = family.start
    as_text = _method(handler, "on_llm_start") if tell is _chat_model_start else None
    if as_text is None:
        return _told(handler, name, tell)
    instead, method = partial(_text_start, as_text), _method(handler, name)
    if method is None:
        return _teller(handler, instead, as_text)
    return _teller(handler, partial(_first, partial(tell, method), instead), method, as_text)


def _first(call: _Tell, instead: _Tell, run: Run) -> Any:
    """The first, unless it raises NotImplementedError: so handlers of other packages say that they lack a method."""
    try:
        result = call(run)
    except NotImplementedError:
        return instead(run)
    return _afirst(result, instead, run) if awaitable(result) else None


async def _afirst(result: Awaitable[Any], instead: _Tell, run: Run) -> None:  # twin: it goes on where the other began
    try:
        await result
    except NotImplementedError:
        result = instead(run)
        if awaitable(result):
            await result


def _ends(handler: Any, family: _Family) -> dict[str, _Tell]:
    """How the handler is told of an end, by the status of the run; one that knows nothing of cancelling hears an error."""
    found = {status: _told(handler, *ending) for status, ending in family.ends.items()}
    found["cancelled"] = found["cancelled"] or found["error"]
    return {status: tell for status, tell in found.items() if tell is not None}


# ------------------------------------------------------------------------------------------------------------ the adapter


class _Plan(NamedTuple):
    """How a handler is told of the runs of one family."""

    start: _Tell | None = None
    chunk: _Tell | None = None
    ends: Mapping[str, _Tell] = {}


class HandlerListener:
    """Tells a handler of runs by the methods that it has; holds nothing of any run."""

    __slots__ = ("_plans", "handler", "raise_error")

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.raise_error = bool(getattr(handler, "raise_error", False))
        self._plans: dict[str, _Plan] = {}

    def on_run_start(self, run: Run) -> Any:
        plan = self._plans.get(run.kind) or self._plan(run)
        return None if plan.start is None else plan.start(run)

    def on_run_chunk(self, run: Run, chunk: Any) -> Any:
        plan = self._plans.get(run.kind) or self._plan(run)
        return None if plan.chunk is None else plan.chunk(run, chunk)

    def on_run_end(self, run: Run) -> Any:
        plan = self._plans.get(run.kind) or self._plan(run)
        end = plan.ends.get(run.status)
        return None if end is None else end(run)

    def on_run_event(self, run: Run, name: str, data: Any) -> Any:
        tell = None if _ignored(self.handler, "ignore_custom_event") else _told(self.handler, "on_custom_event", _event)
        return None if tell is None else tell(run, name, data)

    def _plan(self, run: Run) -> _Plan:
        key = _key(run)
        if key not in self._plans:
            self._plans[key] = _plan(self.handler, _FAMILIES.get(key.removeprefix(_MODEL), _CHAIN))
        return self._plans[key]


def _plan(handler: Any, family: _Family) -> _Plan:
    if _ignored(handler, *family.ignored_by):
        return _Plan()
    chunk = None if family.chunk is None else _told(handler, *family.chunk)
    return _Plan(_start(handler, family), chunk, _ends(handler, family))


def listener_of(handler: Any) -> Any:
    """The listener that a handler is, or one that tells it; raises ConfigError for what can hear nothing."""
    kind = cast("type[Any]", type(handler))
    if hasattr(kind, "on_run_start"):
        return handler
    if any(hasattr(kind, name) for name in _KNOWN):
        return HandlerListener(handler)
    raise ConfigError(
        "config['callbacks'] takes handlers, objects with methods such as on_chain_start or on_llm_new_token "
        f"(plait.callbacks.BaseCallbackHandler names them all), but got {_what(handler)}"
    )


def _what(handler: Any) -> str:
    if isinstance(handler, type):
        return f"the class {handler.__name__}: give an instance, {handler.__name__}(...)"
    if callable(handler):
        return f"{name_of(handler)!r}, which is a function: use .with_listeners(on_end=...)"
    return f"an object of type {type(handler).__name__}, which has none of them"

"""What runs in a plait chain, told to LangChain's handlers where the chain is a part of something of LangChain's."""

from __future__ import annotations

from typing import Any, Final, cast

from plait.providers.langchain.peer import class_of, peer
from plait.providers.langchain.values import outward
from plait.runs import Run

__all__ = ["APassing", "Passing"]


class _Telling:
    """What tells LangChain's handlers of runs of ours; those of ``manager``, which has a run of its own around them.

    Runs have the same ids on both sides, and the one that ``manager`` has is known already.
    """

    _manager: str

    def __init__(self, manager: Any) -> None:
        self.handlers: list[Any] = [*manager.inheritable_handlers]
        self._root = manager.run_id
        self._open: dict[Any, Any] = {}

    def _managing(self, run: Run) -> Any:
        make = getattr(peer().callbacks, self._manager)
        around = {"parent_run_id": run.parent_id, "tags": run.tags, "metadata": run.metadata}
        return make(handlers=self.handlers, inheritable_handlers=self.handlers, **around)

    def on_run_chunk(self, run: Run, chunk: Any) -> Any:
        told = self._open.get(run.id)
        if told is None or _family(run) != "llm":
            return None
        piece = run.node._told_chunk(chunk)
        return told.on_llm_new_token(piece.text, chunk=outward(piece))

    def on_run_event(self, run: Run, name: str, data: Any) -> Any:
        return self._managing(run).on_custom_event(name, outward(data), run_id=run.id)

    def on_run_end(self, run: Run) -> Any:
        told = self._open.pop(run.id, None)
        if told is None:
            return None
        if run.status == "success":
            return getattr(told, f"on_{_family(run)}_end")(_output(run))
        return getattr(told, f"on_{_family(run)}_error")(run.error)


class Passing(_Telling):
    """Tells them from sync code."""

    _manager = "CallbackManager"

    def on_run_start(self, run: Run) -> None:
        if run.id != self._root:
            self._open[run.id] = _only(_started(self._managing(run), run))


class APassing(_Telling):
    """Tells them from async code: what a method gives is awaited."""

    _manager = "AsyncCallbackManager"

    def on_run_start(self, run: Run) -> Any:
        return None if run.id == self._root else self._begun(run)

    async def _begun(self, run: Run) -> None:
        self._open[run.id] = _only(await _started(self._managing(run), run))


def _only(started: Any) -> Any:
    """What is told of one run; of models LangChain begins several at once."""
    return cast("list[Any]", started)[0] if isinstance(started, list) else started


def _family(run: Run) -> str:
    """By what names its end is told; a model that cannot say what it was told is a chain."""
    if run.kind in _MODELS and not hasattr(run.node, "_told_result"):
        return "chain"
    return _FAMILIES.get(run.kind, "chain")


_MODELS: Final = ("chat_model", "llm")
_FAMILIES: Final = {"chat_model": "llm", "llm": "llm", "tool": "tool", "retriever": "retriever"}
_RUN_TYPES: Final = ("prompt", "parser")


def _started(manager: Any, run: Run) -> Any:
    about: dict[str, Any] = {"run_id": run.id, "name": run.name}
    kind = class_of(run.node)
    what = {"lc": 1, "type": "not_implemented", "id": [*kind.__module__.split("."), kind.__name__], "name": run.name}
    given: Any = run.inputs
    if _family(run) == "llm":
        told = _prompt(run)
        if run.kind == "chat_model":
            return manager.on_chat_model_start(what, [outward(told)], **about)
        return manager.on_llm_start(what, [told if isinstance(told, str) else ""], **about)
    if run.kind == "tool":
        return manager.on_tool_start(what, _text(given), inputs=given if type(given) is dict else None, **about)
    if run.kind == "retriever":
        return manager.on_retriever_start(what, _text(given), **about)
    return manager.on_chain_start(
        what, {} if given is None else outward(given), run_type=run.kind if run.kind in _RUN_TYPES else None, **about
    )


def _prompt(run: Run) -> Any:
    try:
        return run.node._told_input(run.inputs)
    except Exception:  # an input that no model can read: that is what it will fail of
        return []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _output(run: Run) -> Any:
    if _family(run) == "llm":
        return outward(run.node._told_result(run.outputs))
    return outward(run.outputs)

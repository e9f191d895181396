"""What tools and retrievers written for LangChain are given as ``run_manager``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeAlias, cast
from uuid import UUID, uuid4

from plait.inspection import takes
from plait.runs import current

__all__ = [
    "AsyncCallbackManagerForChainRun",
    "AsyncCallbackManagerForLLMRun",
    "AsyncCallbackManagerForRetrieverRun",
    "AsyncCallbackManagerForToolRun",
    "CallbackManagerForChainRun",
    "CallbackManagerForLLMRun",
    "CallbackManagerForRetrieverRun",
    "CallbackManagerForToolRun",
    "Callbacks",
    "RunManager",
    "managed",
]

Callbacks: TypeAlias = Any
"""What handlers may be given as: a list of them, or None."""


class RunManager:
    """The run in which a tool or a retriever works, for code that has a parameter ``run_manager``; it needs none.

    What is called inherits handlers, tags and metadata by itself, so ``get_child`` has nothing to hand down. Models are
    given None: their tokens are told as they are streamed.
    """

    __slots__ = ("_id", "_run")

    def __init__(self) -> None:
        scope = current.get()
        self._run = None if scope is None else scope.run
        self._id: Any = None

    @property
    def run_id(self) -> UUID:
        """A UUID, that of the run if somebody listens."""
        if self._id is None:
            self._id = uuid4() if self._run is None else self._run.id
        return cast("UUID", self._id)

    @property
    def parent_run_id(self) -> UUID | None:
        """The id of the run in which this one was called, if there is one and somebody listens."""
        return None if self._run is None else self._run.parent_id

    @property
    def tags(self) -> list[str]:
        """What the run is labelled with, if somebody listens."""
        return [] if self._run is None else self._run.tags

    @property
    def metadata(self) -> dict[str, Any]:
        """What the run tells of itself, if somebody listens."""
        return {} if self._run is None else self._run.metadata

    def get_child(self, tag: str | None = None) -> Callbacks:
        """The ``callbacks`` for what is called: None, since it has them already."""
        return None

    def get_sync(self) -> Self:
        """Itself: it serves sync and async code."""
        return self


CallbackManagerForChainRun = CallbackManagerForLLMRun = RunManager
CallbackManagerForRetrieverRun = CallbackManagerForToolRun = RunManager
AsyncCallbackManagerForChainRun = AsyncCallbackManagerForLLMRun = RunManager
AsyncCallbackManagerForRetrieverRun = AsyncCallbackManagerForToolRun = RunManager


def managed(func: Callable[..., Any]) -> dict[str, Any]:
    """``run_manager`` as an argument for a function that has such a parameter."""
    return {"run_manager": RunManager()} if takes(func, "run_manager") else {}

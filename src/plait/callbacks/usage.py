"""Counting the tokens that a piece of a program takes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from plait.callbacks.base import BaseCallbackHandler
from plait.runnables.config import within
from plait.runs import current

if TYPE_CHECKING:  # by the time that there is something to count, the messages are loaded
    from plait.messages import UsageMetadata
    from plait.outputs import LLMResult

__all__ = ["UsageMetadataCallbackHandler", "get_usage_metadata_callback"]


class UsageMetadataCallbackHandler(BaseCallbackHandler):
    """Adds up what the answers of chat models say they took: ``usage_metadata``, by the name of the model.

    Each run of a chat model counts once, however deep in the call, in whatever thread or task, and with every
    attempt of a retry; one that failed or was cancelled counts with what its chunks have said by then. The name is
    that in the ``response_metadata`` of the answer, or else that of the run.
    """

    def __init__(self) -> None:
        self.usage_metadata: dict[str, UsageMetadata] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.usage_metadata})"

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self._count(response, kwargs["name"])

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self._count(kwargs["response"], kwargs["name"])

    def on_llm_cancelled(self, response: LLMResult | None, **kwargs: Any) -> None:
        self._count(response, kwargs["name"])

    def _count(self, response: LLMResult | None, run_name: str) -> None:
        for candidates in response.generations if response else ():
            message: Any = getattr(candidates[0], "message", None) if candidates else None
            usage = getattr(message, "usage_metadata", None)
            if usage:
                self._add(message.response_metadata.get("model_name") or run_name, usage)

    def _add(self, name: str, usage: UsageMetadata) -> None:
        from plait.messages import add_usage

        with self._lock:
            self.usage_metadata = {**self.usage_metadata, name: add_usage(self.usage_metadata.get(name), usage)}


@contextmanager
def get_usage_metadata_callback(name: str = "usage_metadata_callback") -> Generator[UsageMetadataCallbackHandler]:
    """Count what is called in the block, and in the tasks and threads that are started in it.

    Blocks nest: both count. ``name`` is known from elsewhere, and of no consequence here.
    """
    before, handler = current.get(), UsageMetadataCallbackHandler()
    current.set(within(before, {"callbacks": [handler]}))
    try:
        yield handler
    finally:
        current.set(before)  # no token: the block may be left in another context than it was entered in

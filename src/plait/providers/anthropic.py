"""Anthropic's models, through Anthropic's SDK (extra ``anthropic``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import PositiveInt

from plait.errors import ConfigError, MissingExtraError
from plait.language_models import BaseChatModel, LanguageModelInput
from plait.language_models.chat_models import StructureMethod
from plait.language_models.structure import Structure
from plait.language_models.tool_choice import ToolChoice
from plait.language_models.tool_forms import tool_forms
from plait.messages import AIMessage, BaseMessage
from plait.outputs import ChatGenerationChunk, ChatResult
from plait.providers.anthropic_wire import (
    PARAMETERS,
    MessageReader,
    message_request,
    message_result,
    output_config,
    tool_request,
)
from plait.providers.connections import Connections
from plait.providers.faults import Faults
from plait.providers.remote import RemoteModel
from plait.runnables import Runnable

__all__ = ["ChatAnthropic"]


def _sdk() -> Any:
    try:
        import anthropic
    except ImportError as error:
        raise MissingExtraError(
            "models of Anthropic need the extra `anthropic`: pip install 'plait[anthropic]'"
        ) from error
    return anthropic


def _http_clients() -> tuple[type[Any], type[Any]]:
    sdk = _sdk()
    return sdk.DefaultHttpxClient, sdk.DefaultAsyncHttpxClient


_CONNECTIONS: Final = Connections(_http_clients)


class ChatAnthropic(RemoteModel, BaseChatModel):
    """A chat model of Anthropic, or of a server that speaks its messages API (``base_url``, without ``/v1``).

    Key and address come from ``ANTHROPIC_API_KEY`` and ``ANTHROPIC_BASE_URL`` unless given; without a key the first
    call raises ``MissingKeyError``, except for a server on this machine. System messages are put before the
    conversation, wherever they stand. Parameters of the API that are not fields (``thinking``, ``tools``) can be given
    by name, here, in ``bind`` and in a call.

    The SDK's errors keep their types; a server that cannot be reached or breaks off is a ``ModelConnectionError``, too.
    """

    model: str
    max_tokens: PositiveInt = 4096
    """The longest answer, in tokens; the API wants to be told."""
    temperature: float | None = None
    stop: list[str] | str | None = None
    """Texts at which the answer ends; a call's own ``stop`` takes their place."""
    top_p: float | None = None
    top_k: int | None = None
    streaming: bool = False
    """Known from elsewhere; changes nothing, since ``invoke`` gives the same answer either way."""

    _ADDRESS: ClassVar[str] = "https://api.anthropic.com"
    _ENVIRONMENT: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("ANTHROPIC_API_KEY",),
        "base_url": ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_URL"),
    }
    _ALIASES: ClassVar[Mapping[str, str]] = {
        "anthropic_api_key": "api_key",
        "anthropic_api_url": "base_url",
        "default_request_timeout": "timeout",
        "max_tokens_to_sample": "max_tokens",
        "model_name": "model",
        "stop_sequences": "stop",
    }
    _PARAMETERS: ClassVar[Collection[str]] = PARAMETERS

    if TYPE_CHECKING:  # more names are accepted than there are fields

        def __init__(
            self,
            *,
            model: str = ...,
            max_tokens: int = ...,
            temperature: float | None = ...,
            stop: list[str] | str | None = ...,
            timeout: Any = ...,
            max_retries: int = ...,
            base_url: str | None = ...,
            api_key: Any = ...,
            **settings: Any,
        ) -> None: ...

    _methods: ClassVar[tuple[StructureMethod, ...]] = ("function_calling", "json_schema")

    @property
    def _llm_type(self) -> str:
        return "anthropic-chat"

    def bind_tools(
        self,
        tools: Sequence[Any],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools that it may call; see ``BaseChatModel.bind_tools``.

        Dicts in Anthropic's own form, those of its server's tools among them, are sent as they are.
        """
        return self.bind(**tool_request(_forms(tools, strict), tool_choice, parallel_tool_calls), **kwargs)

    def _usual_method(self, kwargs: dict[str, Any]) -> StructureMethod:
        # A model that thinks first cannot be made to call a tool.
        thinks = kwargs.get("thinking") or self.model_kwargs.get("thinking")
        return "json_schema" if thinks else "function_calling"

    def _asked_for(
        self, structure: Structure, method: StructureMethod, strict: bool | None, tools: Sequence[Any], kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        if method == "function_calling":
            one = {} if tools else {"parallel_tool_calls": False}
            return super()._asked_for(structure, method, strict, tools, {**one, **kwargs})
        config = output_config(structure.schema)
        if config is None:
            raise ConfigError(
                f"Anthropic cannot guarantee {structure.name}: it has parts that may be anything, or objects with free "
                "keys; use method='function_calling'"
            )
        given: dict[str, Any] = kwargs.pop("output_config", None) or self.model_kwargs.get("output_config") or {}
        return self.bind_tools(tools, strict=strict, output_config={**given, **config}, **kwargs)

    def _client(self) -> Any:
        settings = {**self._client_settings(), "http_client": _CONNECTIONS.pool()}
        return self._clients.get(_sdk().Anthropic, settings)

    async def _aclient(self) -> Any:
        settings = {**self._client_settings(), "http_client": await _CONNECTIONS.apool()}
        return self._clients.get(_sdk().AsyncAnthropic, settings)

    def _faults(self) -> Faults:
        return Faults(_sdk(), self._address(), self._key())

    def _endpoint(self, client: Any) -> Any:
        return client.messages

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], stream: bool
    ) -> Any:
        fields = {name: getattr(self, name) for name in ("max_tokens", "temperature", "top_p", "top_k")}
        parameters = self._joined({**fields, "stop_sequences": self.stop}, {"stop_sequences": stop}, kwargs)
        if isinstance(parameters.get("stop_sequences"), str):
            parameters["stop_sequences"] = [parameters["stop_sequences"]]
        return message_request(parameters.pop("model", self.model), messages, parameters, stream=stream)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self._fetched(self._request(messages, stop, kwargs, stream=False), message_result)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return await self._afetched(self._request(messages, stop, kwargs, stream=False), message_result)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        return self._chunks(self._request(messages, stop, kwargs, stream=True), MessageReader)

    def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        return self._achunks(self._request(messages, stop, kwargs, stream=True), MessageReader)


def _forms(tools: Sequence[Any], strict: bool | None) -> list[dict[str, Any]]:
    return [
        tool if isinstance(tool, dict) and "input_schema" in tool else tool_forms([tool], strict)[0] for tool in tools
    ]

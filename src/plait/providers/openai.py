"""OpenAI's models, and those of every server that speaks OpenAI's API, through OpenAI's SDK (extra ``openai``)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pydantic import Field, PositiveInt

from plait.embeddings import Embeddings, batches
from plait.embeddings.base import portions
from plait.embeddings.vectors import listed
from plait.errors import MissingExtraError
from plait.language_models import BaseChatModel, BaseLLM, LanguageModelInput
from plait.language_models.chat_models import StructureMethod
from plait.language_models.structure import Structure
from plait.language_models.tool_choice import ToolChoice, as_openai_has_it
from plait.language_models.tool_forms import tool_forms
from plait.messages import AIMessage, BaseMessage
from plait.outputs import ChatGenerationChunk, ChatResult, GenerationChunk, LLMResult
from plait.providers.connections import Connections
from plait.providers.faults import Faults
from plait.providers.openai_wire import (
    CHAT_PARAMETERS,
    EMBEDDING_PARAMETERS,
    TEXT_PARAMETERS,
    ChatReader,
    TextReader,
    chat_request,
    chat_result,
    embedding_request,
    joined_results,
    read_vectors,
    text_request,
    text_result,
)
from plait.providers.progress import Progress, reporting
from plait.providers.remote import RemoteModel
from plait.runnables import Runnable

__all__ = ["ChatOpenAI", "OpenAI", "OpenAIEmbeddings"]


def _sdk() -> Any:
    try:
        import openai
    except ImportError as error:
        raise MissingExtraError(
            "models of OpenAI's API need the extra `openai`: pip install 'plait[openai]'"
        ) from error
    return openai


def _http_clients() -> tuple[type[Any], type[Any]]:
    sdk = _sdk()
    return sdk.DefaultHttpxClient, sdk.DefaultAsyncHttpxClient


_CONNECTIONS: Final = Connections(_http_clients)


class _OpenAIModel(RemoteModel):
    """What the models of OpenAI's API have in common."""

    organization: str | None = None
    """Whom the vendor bills, where a key is of several."""

    _ADDRESS: ClassVar[str] = "https://api.openai.com/v1"
    _ENVIRONMENT: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "api_key": ("OPENAI_API_KEY",),
        "base_url": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "organization": ("OPENAI_ORG_ID", "OPENAI_ORGANIZATION"),
    }
    _ALIASES: ClassVar[Mapping[str, str]] = {
        "model_name": "model",
        "openai_api_base": "base_url",
        "openai_api_key": "api_key",
        "openai_organization": "organization",
        "request_timeout": "timeout",
    }

    def _client_settings(self) -> dict[str, Any]:
        return {**super()._client_settings(), "organization": self.organization}

    def _client(self) -> Any:
        settings = {**self._client_settings(), "http_client": _CONNECTIONS.pool()}
        return self._clients.get(_sdk().OpenAI, settings)

    async def _aclient(self) -> Any:
        settings = {**self._client_settings(), "http_client": await _CONNECTIONS.apool()}
        return self._clients.get(_sdk().AsyncOpenAI, settings)

    def _faults(self) -> Faults:
        return Faults(_sdk(), self._address(), self._key())


class _GeneratingModel(_OpenAIModel):
    """What those have in common that write text."""

    temperature: float | None = None
    max_tokens: PositiveInt | None = None
    """The longest answer, in tokens."""
    stop: list[str] | str | None = None
    """Texts at which the answer ends; a call's own ``stop`` takes their place."""
    n: PositiveInt | None = None
    """How many answers ``generate`` gives; a stream gives one."""
    top_p: float | None = None
    seed: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stream_usage: bool = True
    """Ask for token counts while streaming; False for a server that refuses to be asked."""
    streaming: bool = False
    """Known from elsewhere; changes nothing, since ``invoke`` gives the same answer either way."""

    _FIELDS: ClassVar[Collection[str]] = (
        "temperature",
        "max_tokens",
        "stop",
        "n",
        "top_p",
        "seed",
        "frequency_penalty",
        "presence_penalty",
    )

    def _parameters(self, stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        return self._joined({name: getattr(self, name) for name in self._FIELDS}, {"stop": stop}, kwargs)


class ChatOpenAI(_GeneratingModel, BaseChatModel):
    """A chat model of OpenAI, or of a server that speaks its chat completions API (``base_url``).

    Key, address and organization come from ``OPENAI_API_KEY``, ``OPENAI_BASE_URL`` and ``OPENAI_ORG_ID`` unless given;
    without a key the first call raises ``MissingKeyError``, except for a server on this machine. Parameters of the API
    that are not fields can be given by name, here, in ``bind`` and in a call.

    The SDK's errors keep their types; a server that cannot be reached or breaks off is a ``ModelConnectionError``, too.
    """

    model: str = "gpt-4o-mini"

    _PARAMETERS: ClassVar[Collection[str]] = CHAT_PARAMETERS

    if TYPE_CHECKING:  # more names are accepted than there are fields

        def __init__(
            self,
            *,
            model: str = ...,
            temperature: float | None = ...,
            max_tokens: int | None = ...,
            stop: list[str] | str | None = ...,
            timeout: Any = ...,
            max_retries: int = ...,
            base_url: str | None = ...,
            api_key: Any = ...,
            **settings: Any,
        ) -> None: ...

    _methods: ClassVar[tuple[StructureMethod, ...]] = ("json_schema", "function_calling", "json_mode")

    @property
    def _llm_type(self) -> str:
        return "openai-chat"

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

        ``strict`` has OpenAI guarantee that the arguments are of the schema; ``parallel_tool_calls=False`` that there is
        one call at most.
        """
        said = as_openai_has_it(tool_forms(tools, strict), tool_choice, parallel_tool_calls)
        return self.bind(**said, **kwargs)

    def _asked_for(
        self, structure: Structure, method: StructureMethod, strict: bool | None, tools: Sequence[Any], kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        if method == "function_calling":
            one = {} if tools else {"parallel_tool_calls": False}
            return super()._asked_for(structure, method, strict, tools, {**one, **kwargs})
        if method == "json_mode":
            return self.bind_tools(tools, response_format={"type": "json_object"}, **kwargs)
        return self.bind_tools(tools, strict=strict, response_format=structure.as_response_format(strict), **kwargs)

    def _endpoint(self, client: Any) -> Any:
        return client.chat.completions

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any], stream: bool
    ) -> Any:
        parameters = self._parameters(stop, kwargs)
        if self._address() == self._ADDRESS and parameters.get("max_tokens"):
            parameters["max_completion_tokens"] = parameters.pop("max_tokens")  # OpenAI's newer models know only this
        model = parameters.pop("model", self.model)
        return chat_request(model, messages, parameters, stream=stream, usage=self.stream_usage)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self._fetched(self._request(messages, stop, kwargs, stream=False), chat_result)

    async def _agenerate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return await self._afetched(self._request(messages, stop, kwargs, stream=False), chat_result)

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        return self._chunks(self._request(messages, stop, kwargs, stream=True), ChatReader)

    def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        return self._achunks(self._request(messages, stop, kwargs, stream=True), ChatReader)


class OpenAI(_GeneratingModel, BaseLLM):
    """A model that continues a text, of OpenAI or of a server that speaks its completions API (``base_url``).

    ``generate`` sends its prompts ``batch_size`` at a time. Settings and errors are those of ``ChatOpenAI``.
    """

    model: str = "gpt-3.5-turbo-instruct"
    batch_size: PositiveInt = 20

    _PARAMETERS: ClassVar[Collection[str]] = TEXT_PARAMETERS

    if TYPE_CHECKING:  # more names are accepted than there are fields

        def __init__(
            self,
            *,
            model: str = ...,
            temperature: float | None = ...,
            max_tokens: int | None = ...,
            stop: list[str] | str | None = ...,
            timeout: Any = ...,
            max_retries: int = ...,
            base_url: str | None = ...,
            api_key: Any = ...,
            **settings: Any,
        ) -> None: ...

    @property
    def _llm_type(self) -> str:
        return "openai"

    def _endpoint(self, client: Any) -> Any:
        return client.completions

    def _request(self, prompts: str | list[str], stop: list[str] | None, kwargs: dict[str, Any], stream: bool) -> Any:
        parameters = self._parameters(stop, kwargs)
        model = parameters.pop("model", self.model)
        return text_request(model, prompts, parameters, stream=stream, usage=self.stream_usage)

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        results: list[LLMResult] = []
        for batch in batches(prompts, self.batch_size):
            request, read = self._request(batch, stop, kwargs, stream=False), partial(text_result, prompts=len(batch))
            results.append(self._fetched(request, read))
        return joined_results(results)

    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        results: list[LLMResult] = []
        for batch in batches(prompts, self.batch_size):
            request, read = self._request(batch, stop, kwargs, stream=False), partial(text_result, prompts=len(batch))
            results.append(await self._afetched(request, read))
        return joined_results(results)

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        return self._chunks(self._request(prompt, stop, kwargs, stream=True), TextReader)

    def _astream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncGenerator[GenerationChunk, None]:
        return self._achunks(self._request(prompt, stop, kwargs, stream=True), TextReader)


class OpenAIEmbeddings(_OpenAIModel, Embeddings):
    """An embedding model of OpenAI, or of a server that speaks its API (``base_url``).

    Texts are sent as they are: none is split, cut or turned into tokens beforehand, and the API refuses an empty one. A
    request holds ``chunk_size`` texts, or fewer if they are long. Settings and errors are those of ``ChatOpenAI``.
    """

    model: str = "text-embedding-3-small"
    dimensions: PositiveInt | None = None
    """How long vectors are; by default as long as the model makes them. Others than these raise ``ModelError``."""
    chunk_size: PositiveInt = 1000
    """How many texts go into one request; OpenAI takes 2048, and 300,000 tokens."""
    show_progress: Progress = Field(default=False, repr=False)
    """Show a bar on stderr (with rich), or call a function with how many texts are done and how many there are."""
    check_embedding_ctx_length: bool = False
    """Known from elsewhere; changes nothing, since texts are sent as they are either way."""

    _ALIASES: ClassVar[Mapping[str, str]] = {**_OpenAIModel._ALIASES, "show_progress_bar": "show_progress"}
    _PARAMETERS: ClassVar[Collection[str]] = EMBEDDING_PARAMETERS

    if TYPE_CHECKING:  # more names are accepted than there are fields

        def __init__(
            self,
            *,
            model: str = ...,
            dimensions: int | None = ...,
            chunk_size: int = ...,
            timeout: Any = ...,
            max_retries: int = ...,
            base_url: str | None = ...,
            api_key: Any = ...,
            **settings: Any,
        ) -> None: ...

    def _endpoint(self, client: Any) -> Any:
        return client.embeddings

    def embed_documents(self, texts: list[str], chunk_size: int | None = None) -> list[list[float]]:
        """A vector for each text, in their order; ``chunk_size`` takes the place of the setting."""
        vectors: list[list[float]] = []
        taken = listed(texts)
        with reporting(self.show_progress, len(taken), "Embedding") as advance:
            for batch in portions(taken, chunk_size or self.chunk_size, _CHARS_OF_A_REQUEST):
                vectors += self._fetched(self._request(batch), self._reader(batch))
                advance(len(batch))
        return vectors

    async def aembed_documents(self, texts: list[str], chunk_size: int | None = None) -> list[list[float]]:
        """A vector for each text, in their order, without blocking the event loop."""
        vectors: list[list[float]] = []
        taken = listed(texts)
        with reporting(self.show_progress, len(taken), "Embedding") as advance:
            for batch in portions(taken, chunk_size or self.chunk_size, _CHARS_OF_A_REQUEST):
                vectors += await self._afetched(self._request(batch), self._reader(batch))
                advance(len(batch))
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for."""
        [vector] = self.embed_documents([text])
        return vector

    async def aembed_query(self, text: str) -> list[float]:
        """The vector of a text that is searched for, without blocking the event loop."""
        [vector] = await self.aembed_documents([text])
        return vector

    def _request(self, texts: list[str]) -> dict[str, Any]:
        parameters = {"dimensions": self.dimensions, **self.model_kwargs, "extra_body": self.extra_body}
        return embedding_request(self.model, texts, parameters)

    def _reader(self, texts: list[str]) -> Callable[[Mapping[str, Any]], list[list[float]]]:
        return partial(read_vectors, texts=len(texts), size=self.dimensions)

    def _identity(self) -> str:
        return f"{super()._identity()} {self._address()}"


_CHARS_OF_A_REQUEST: Final = 300_000
"""OpenAI takes so many tokens in a request, and hardly a text has more tokens than characters."""

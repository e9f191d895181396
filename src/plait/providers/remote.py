"""What all models behind an HTTP API have in common: where the server is, with which key, how long to wait."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Mapping
from typing import Any, ClassVar, Final, Self, TypeVar, cast
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from plait.errors import MissingKeyError, ModelError, PlaitError
from plait.providers.attempts import Attempts, in_time
from plait.providers.faults import Faults
from plait.providers.keys import is_loopback, is_secret_header, sendable
from plait.providers.streams import aopened, opened
from plait.redaction import masked
from plait.runnables.serializable import unknown_setting

__all__ = ["RemoteModel", "refuse_unknown"]

R = TypeVar("R")

_LONGEST: Final = 200  # characters that are shown of what is no answer


class Clients:
    """The SDK's clients that a model has made: the latest for threads, and the latest for an event loop.

    A client costs more to make than to use. Copies and pickles of a model begin without, and make their own.
    """

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: dict[Callable[..., Any], tuple[dict[str, Any], Any]] = {}

    def get(self, kind: Callable[..., Any], settings: dict[str, Any]) -> Any:
        """A client of that class with these settings."""
        made_of, client = self._latest.get(kind, (None, None))
        return client if made_of == settings else self._make(kind, settings, client)

    def _make(self, kind: Callable[..., Any], settings: dict[str, Any], before: Any) -> Any:
        client = kind(**settings)
        # Which system this is: every async client would ask a thread for it at its first call.
        client._platform = getattr(before, "_platform", None)
        self._latest[kind] = settings, client
        return client

    def __deepcopy__(self, memo: object) -> Clients:
        return Clients()

    def __reduce__(self) -> Any:
        return Clients, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clients)  # models with the same settings are equal, whatever they have made

    def __hash__(self) -> int:
        return hash(Clients)


class RemoteModel(BaseModel):
    """The settings of a model behind an HTTP API.

    What is not given comes from the environment when the model is made. A key is never shown, and is left out of
    pickles: an unpickled model takes that of the environment it is in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    api_key: SecretStr | None = None
    """Who pays; by default from the environment. A server on this machine needs none."""
    base_url: str | None = None
    """Where the API is, if not at the vendor's own address."""
    timeout: Any = None
    """Seconds to wait for the server, or the SDK's own ``Timeout``; the SDK's default is 600."""
    max_retries: NonNegativeInt = 2
    """How often a request is repeated that failed for a passing reason; a stream only before its first chunk."""
    default_headers: Mapping[str, str] | None = Field(default=None, repr=False, exclude=True)
    """Sent with every request. They are in no repr and no dump; those with the name of a secret are in no pickle."""
    default_query: Mapping[str, object] | None = None
    """Added to the URL of every request."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Parameters of the API that are no fields here; they may also be given by name."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Parameters that only this server knows; put into the request as they are."""

    _clients: Clients = PrivateAttr(default_factory=Clients)

    _ADDRESS: ClassVar[str]
    _ENVIRONMENT: ClassVar[Mapping[str, tuple[str, ...]]]
    """For each setting the variables that may hold it, the first that is there wins."""
    _ALIASES: ClassVar[Mapping[str, str]] = {}
    """Other names that people know for fields."""
    _PARAMETERS: ClassVar[Collection[str]] = ()
    """What the API documents, by its names."""

    @model_validator(mode="before")
    @classmethod
    def _sort_settings(cls, given: Any, info: ValidationInfo) -> Any:
        """Call each setting by the name of its field, and take what is missing from the environment, if that may be."""
        if not isinstance(given, dict):
            return given
        settings = {cls._ALIASES.get(name, name): value for name, value in cast(dict[str, Any], given).items()}
        named = {name: settings.pop(name) for name in [*settings] if name not in cls.model_fields}
        refuse_unknown(named, cls._PARAMETERS, [*cls.model_fields, *cls._ALIASES], cls.__name__)
        if named:
            settings["model_kwargs"] = {**settings.get("model_kwargs", {}), **named}
        context: dict[str, Any] = info.context or {}
        may = context.get("environment", True)  # what is loaded as data brings all that it has
        found = cls._from_environment() if may else {}
        return {**found, **{name: value for name, value in settings.items() if value is not None}}

    @classmethod
    def _from_environment(cls) -> dict[str, str]:
        found = {field: [os.environ.get(name) for name in names] for field, names in cls._ENVIRONMENT.items()}
        return {field: next(filter(None, values)) for field, values in found.items() if any(values)}

    @field_validator("api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        bare = sendable(key.get_secret_value(), "api_key") if key else ""
        return SecretStr(bare) if bare else None

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("base_url must begin with http:// or https:// and name a host")
        if parts.username or parts.password:
            raise ValueError("base_url holds a user or a password, which would be shown; send them in default_headers")
        return url

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The model, then what was given."""
        given = {"model", *self.model_fields_set}
        return sorted(
            ((k, v) for k, v in BaseModel.__repr_args__(self) if k in given), key=lambda item: item[0] != "model"
        )

    def __repr_str__(self, join_str: str) -> str:
        return masked(cast(str, cast(Any, super()).__repr_str__(join_str)))  # a key may stand in a query, too

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._clients = Clients()
        return copied

    def __getstate__(self) -> dict[Any, Any]:
        state = super().__getstate__()
        fields = {**state["__dict__"], "api_key": None}
        if fields["default_headers"]:
            fields["default_headers"] = {
                name: value for name, value in fields["default_headers"].items() if not is_secret_header(name)
            }
        return {**state, "__dict__": fields}

    def _address(self) -> str:
        """Where requests go."""
        return self.base_url or self._ADDRESS

    def _key(self) -> str:
        """What they are signed with; raises ``MissingKeyError`` if there is nothing."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        late = self._from_environment().get("api_key")  # set since the model was made, or where it was unpickled
        if late:
            return sendable(late, self._ENVIRONMENT["api_key"][0])
        if is_loopback(self._address()):
            return "none"
        raise MissingKeyError(
            f"{type(self).__name__} needs an API key: set the environment variable {self._ENVIRONMENT['api_key'][0]}, "
            "or pass api_key=... (any text, if your server asks for none)"
        )

    def _joined(self, fields: dict[str, Any], ours: dict[str, Any], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The parameters of one call: the fields, then ``model_kwargs``, then what the call says.

        Raises ``TypeError`` for a parameter that the API does not document.
        """
        refuse_unknown(kwargs.keys() - {"model"}, self._PARAMETERS, (), type(self).__name__)
        said = {name: value for name, value in ours.items() if value is not None}
        extra = {**self.extra_body, **kwargs.get("extra_body", {})}
        return {**fields, **self.model_kwargs, **kwargs, **said, "extra_body": extra}

    def _client(self) -> Any:
        """The SDK's client for threads."""
        raise NotImplementedError

    async def _aclient(self) -> Any:
        """The SDK's client for the running event loop."""
        raise NotImplementedError

    def _faults(self) -> Faults:
        raise NotImplementedError

    def _endpoint(self, client: Any) -> Any:
        """The part of the client that this model's requests are made with."""
        raise NotImplementedError

    def _sent(self, request: dict[str, Any]) -> Any:
        """What the SDK gives for a request that is made once, and for no longer than the call may last."""
        client = self._client()
        return self._endpoint(client).create(**in_time(request, client))

    async def _asent(self, request: dict[str, Any]) -> Any:
        """What the SDK gives for a request that is made once, and for no longer than the call may last."""
        client = await self._aclient()
        return await self._endpoint(client).create(**in_time(request, client))

    def _fetched(self, request: dict[str, Any], read: Callable[[dict[str, Any]], R]) -> R:
        """What ``read`` makes of the answer to a request, which is made as often as ``max_retries`` allows."""
        attempts = Attempts(self.max_retries)
        while attempts.begin():
            with attempts, self._faults():
                return _read(self._sent(request), read)
        raise AssertionError("the last attempt gives or raises")

    async def _afetched(self, request: dict[str, Any], read: Callable[[dict[str, Any]], R]) -> R:
        """What ``read`` makes of the answer to a request, which is made as often as ``max_retries`` allows."""
        attempts = Attempts(self.max_retries)
        while await attempts.abegin():
            async with attempts, self._faults():
                return _read(await self._asent(request), read)
        raise AssertionError("the last attempt gives or raises")

    def _chunks(self, request: dict[str, Any], reader_of: Callable[[], Any]) -> Generator[Any, None, None]:
        """The chunks of a streamed answer; the request is made again as long as there is none of them."""
        attempts = Attempts(self.max_retries)
        while attempts.begin():
            reader = reader_of()
            with attempts, self._faults(), opened(self._sent(request)) as bodies:
                for body in bodies:
                    chunk = _read(body, reader.feed)
                    if chunk is not None:
                        attempts.make_last()
                        yield chunk
                last = reader.end()
                attempts.make_last()
                yield last

    async def _achunks(self, request: dict[str, Any], reader_of: Callable[[], Any]) -> AsyncGenerator[Any, None]:
        """The chunks of a streamed answer; the request is made again as long as there is none of them."""
        attempts = Attempts(self.max_retries)
        while await attempts.abegin():
            reader = reader_of()
            async with attempts, self._faults(), aopened(await self._asent(request)) as bodies:
                async for body in bodies:
                    chunk = _read(body, reader.feed)
                    if chunk is not None:
                        attempts.make_last()
                        yield chunk
                last = reader.end()
                attempts.make_last()
                yield last

    def _client_settings(self) -> dict[str, Any]:
        """What every SDK's client takes, but for the pool."""
        settings: dict[str, Any] = {
            "api_key": self._key(),
            "base_url": self._address(),
            "max_retries": 0,  # it would sleep where nothing can wake it
            "default_headers": self.default_headers,
            "default_query": self.default_query,
        }
        return settings if self.timeout is None else {**settings, "timeout": self.timeout}


def _read(answer: Any, read: Callable[[dict[str, Any]], R]) -> R:
    """What ``read`` makes of an answer; raises ``ModelError`` if it is not what the API says, but something else."""
    try:
        return read(answer.to_dict(warnings=False))  # they would be of the SDK, and about its own types
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, PlaitError):
            raise
        raise ModelError(f"the model's server sent something that its API does not know: {_glimpse(answer)}") from error


def _glimpse(answer: Any) -> str:
    text = answer if isinstance(answer, str) else repr(answer)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def refuse_unknown(named: Collection[str], known: Collection[str], also: Collection[str], what: str) -> None:
    """Raise ``TypeError`` for a name that is not known, with the one that may have been meant."""
    for name in named:
        if name not in known:
            said = unknown_setting(what, name, [*known, *also])
            end = "" if said.endswith(("?", ".")) else "."
            raise TypeError(f"{said}{end} What only your server knows goes into extra_body={{...}}")

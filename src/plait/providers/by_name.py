"""A chat model chosen by a string, as configuration files and command lines have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from plait.errors import ConfigError
from plait.language_models import BaseChatModel

if TYPE_CHECKING:
    from plait.providers.chosen_model import ConfigurableChatModel

__all__ = ["init_chat_model"]

_PROVIDERS: Final = ("anthropic", "local", "openai")
_BEGINNINGS: Final = (
    ("chatgpt-", "openai"),
    ("claude", "anthropic"),
    ("ft:gpt-", "openai"),
    ("gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
)


@overload
def init_chat_model(
    model: str,
    *,
    model_provider: str | None = None,
    configurable_fields: None = None,
    config_prefix: str | None = None,
    **kwargs: Any,
) -> BaseChatModel: ...
@overload
def init_chat_model(
    model: None = None,
    *,
    model_provider: str | None = None,
    configurable_fields: Literal["any"] | Sequence[str] | None = None,
    config_prefix: str | None = None,
    **kwargs: Any,
) -> ConfigurableChatModel: ...
@overload
def init_chat_model(
    model: str | None = None,
    *,
    model_provider: str | None = None,
    configurable_fields: Literal["any"] | Sequence[str],
    config_prefix: str | None = None,
    **kwargs: Any,
) -> ConfigurableChatModel: ...
def init_chat_model(
    model: str | None = None,
    *,
    model_provider: str | None = None,
    configurable_fields: Literal["any"] | Sequence[str] | None = None,
    config_prefix: str | None = None,
    **kwargs: Any,
) -> BaseChatModel | ConfigurableChatModel:
    """Make a chat model from ``"provider:model"``, a well-known model's name, or the name of a provider.

    ``"openai:gpt-4o-mini"``, ``"anthropic:claude-sonnet-4-5"``, ``"local:some/file.gguf"``; ``"gpt-4o"`` and
    ``"claude-opus-4-5"`` name their provider themselves; ``"local"`` and ``"openai"`` take the default model. All other
    arguments are settings of the model's class. Raises ``ConfigError``, a ``ValueError``, for what it does not know.

    Without a model, or with ``configurable_fields``, callers choose: ``config["configurable"]`` then holds ``model``,
    ``model_provider``, or the fields that are listed, after ``config_prefix`` and ``_`` if there is one. ``"any"`` is
    every field but secrets, addresses and what goes into a request as it is; those have to be listed by name. A key or
    an address that is given here goes to the provider of the default alone.
    """
    if model is not None and configurable_fields is None:
        return _made({"model": model, "model_provider": model_provider, **kwargs}, None)
    from plait.providers.chosen_model import ConfigurableChatModel

    named = {"model": model, "model_provider": model_provider}
    settings = {**{name: value for name, value in named.items() if value is not None}, **kwargs}
    return ConfigurableChatModel(
        make=_made,
        home=_home(model, model_provider, kwargs),
        settings=settings,
        fields=("model", "model_provider") if configurable_fields is None else configurable_fields,
        config_prefix=config_prefix or "",
    )


def _home(model: str | None, provider: str | None, settings: Mapping[str, Any]) -> str | None:
    """The provider of the default; None if there is no default, and then there must be no key for it."""
    if provider or model:
        return provider or _split(model or "")[0]
    if {"api_key", "base_url", "default_headers"} & settings.keys():
        raise ConfigError(
            "whose are the key and the address? Give init_chat_model a model or a model_provider, which they are for"
        )
    return None


def _made(settings: Mapping[str, Any], home: str | None) -> BaseChatModel:
    """The model of these settings; what is meant for the provider ``home`` alone goes to no other."""
    from plait.providers.chosen_model import settings_for

    given = dict(settings)
    model, provider = given.pop("model", None), given.pop("model_provider", None)
    for name, value in (("model", model), ("model_provider", provider)):
        if not isinstance(value, str | None):
            raise ConfigError(f"{name} must be a text, got an object of type {type(value).__name__}")
    provider, name = (provider, model) if provider else _split(model or "")
    return _class_of(provider)(**({"model": name} if name else {}), **settings_for(provider, home, given))


def _class_of(provider: str) -> Callable[..., BaseChatModel]:
    match provider:
        case "anthropic":
            from plait.providers.anthropic import ChatAnthropic

            return ChatAnthropic
        case "local":
            from plait.providers.local import ChatLocal

            return ChatLocal
        case "openai":
            from plait.providers.openai import ChatOpenAI

            return ChatOpenAI
        case _:
            raise ConfigError(f"unknown provider {provider!r}; expected one of {', '.join(_PROVIDERS)}")


def _split(model: str) -> tuple[str, str]:
    provider, colon, name = model.partition(":")
    if provider in _PROVIDERS:
        return provider, name if colon else ""
    guess = (
        "local" if model.endswith(".gguf") else next((of for start, of in _BEGINNINGS if model.startswith(start)), None)
    )
    if guess:
        return guess, model
    raise ConfigError(
        f"cannot tell the provider of the model {model!r}; write 'provider:model' with one of {', '.join(_PROVIDERS)}. "
        f"Names that begin with {', '.join(start for start, _ in _BEGINNINGS)} or end with .gguf need no provider"
    )

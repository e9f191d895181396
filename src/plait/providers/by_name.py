"""A chat model chosen by a string, as configuration files and command lines have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from plait.errors import ConfigError
from plait.language_models import BaseChatModel

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


def init_chat_model(model: str | None = None, *, model_provider: str | None = None, **kwargs: Any) -> BaseChatModel:
    """Make a chat model from ``"provider:model"``, a well-known model's name, or the name of a provider.

    ``"openai:gpt-4o-mini"``, ``"anthropic:claude-sonnet-4-5"``, ``"local:some/file.gguf"``; ``"gpt-4o"`` and
    ``"claude-opus-4-5"`` name their provider themselves; ``"local"`` and ``"openai"`` take the default model. All other
    arguments are settings of the model's class. Raises ``ConfigError``, a ``ValueError``, for what it does not know.
    """
    provider, name = (model_provider, model) if model_provider else _split(model or "")
    return _class_of(provider)(**({"model": name} if name else {}), **kwargs)


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

"""An embedding model chosen by a string, as configuration files and command lines have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from plait.embeddings import Embeddings
from plait.errors import ConfigError

__all__ = ["init_embeddings"]

_PROVIDERS: Final = ("local", "openai")
_BEGINNINGS: Final = (
    ("text-embedding-", "openai"),
    ("multilingual-e5", "local"),
    ("portuguese-multilingual-e5", "local"),
)


def init_embeddings(model: str, *, provider: str | None = None, **kwargs: Any) -> Embeddings:
    """Make an embedding model from ``"provider:model"``, a well-known model's name, or the name of a provider.

    ``"openai:text-embedding-3-large"``, ``"local:multilingual-e5-small"``; ``"text-embedding-3-small"`` names its
    provider itself; ``"local"`` and ``"openai"`` take the default model. All other arguments are settings of the model's
    class. Raises ``ConfigError``, a ``ValueError``, for what it does not know.
    """
    whose, name = (provider, model) if provider else _split(model)
    return _class_of(whose)(**({"model": name} if name else {}), **kwargs)


def _class_of(provider: str) -> Callable[..., Embeddings]:
    match provider:
        case "local":
            from plait.providers.local_embeddings import LocalEmbeddings

            return LocalEmbeddings
        case "openai":
            from plait.providers.openai import OpenAIEmbeddings

            return OpenAIEmbeddings
        case _:
            raise ConfigError(f"unknown provider {provider!r}; expected one of {', '.join(_PROVIDERS)}")


def _split(model: str) -> tuple[str, str]:
    provider, colon, name = model.partition(":")
    if provider in _PROVIDERS:
        return provider, name if colon else ""
    for start, of in _BEGINNINGS:
        if model.startswith(start):
            return of, model
    raise ConfigError(
        f"cannot tell the provider of the model {model!r}; write 'provider:model' with one of {', '.join(_PROVIDERS)}. "
        f"Names that begin with {', '.join(start for start, _ in _BEGINNINGS)} need no provider"
    )

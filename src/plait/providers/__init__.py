"""Models of vendors and of this machine; each vendor's file, and its SDK, is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plait.providers.anthropic import ChatAnthropic as ChatAnthropic
    from plait.providers.by_name import init_chat_model as init_chat_model
    from plait.providers.chosen_model import ConfigurableChatModel as ConfigurableChatModel
    from plait.providers.embeddings_by_name import init_embeddings as init_embeddings
    from plait.providers.llamacpp import LocalServer as LocalServer
    from plait.providers.local import ChatLocal as ChatLocal
    from plait.providers.local_embeddings import LocalEmbeddings as LocalEmbeddings
    from plait.providers.mcp import MCPTools as MCPTools
    from plait.providers.openai import ChatOpenAI as ChatOpenAI
    from plait.providers.openai import OpenAI as OpenAI
    from plait.providers.openai import OpenAIEmbeddings as OpenAIEmbeddings

__all__ = [
    "ChatAnthropic",
    "ChatLocal",
    "ChatOpenAI",
    "ConfigurableChatModel",
    "LocalEmbeddings",
    "LocalServer",
    "MCPTools",
    "OpenAI",
    "OpenAIEmbeddings",
    "init_chat_model",
    "init_embeddings",
]


def __getattr__(name: str) -> Any:
    match name:
        case "ChatAnthropic":
            home = import_module("plait.providers.anthropic")
        case "ChatLocal":
            home = import_module("plait.providers.local")
        case "ChatOpenAI" | "OpenAI" | "OpenAIEmbeddings":
            home = import_module("plait.providers.openai")
        case "ConfigurableChatModel":
            home = import_module("plait.providers.chosen_model")
        case "LocalEmbeddings":
            home = import_module("plait.providers.local_embeddings")
        case "LocalServer":
            home = import_module("plait.providers.llamacpp")
        case "MCPTools":
            home = import_module("plait.providers.mcp")
        case "init_chat_model":
            home = import_module("plait.providers.by_name")
        case "init_embeddings":
            home = import_module("plait.providers.embeddings_by_name")
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(home, name)

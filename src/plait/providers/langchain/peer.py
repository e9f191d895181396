"""The other library: loaded when something of it, or something for it, is first met."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

from plait.errors import MissingExtraError

__all__ = ["class_of", "is_loaded", "of", "peer"]


@cache
def peer() -> Any:
    """The package langchain_core, with the modules that are used here as its attributes."""
    try:
        core: Any = import_module("langchain_core")
        import_module("langchain_core.callbacks")
        import_module("langchain_core.documents")
        import_module("langchain_core.embeddings")
        import_module("langchain_core.exceptions")
        import_module("langchain_core.language_models")
        import_module("langchain_core.messages")
        import_module("langchain_core.output_parsers")
        import_module("langchain_core.outputs")
        import_module("langchain_core.prompt_values")
        import_module("langchain_core.prompts")
        import_module("langchain_core.retrievers")
        import_module("langchain_core.runnables")
        import_module("langchain_core.runnables.utils")
        import_module("langchain_core.tools")
        import_module("langchain_core.utils.function_calling")
        import_module("langchain_core.vectorstores")
    except ImportError as error:
        raise MissingExtraError(
            "the bridge to LangChain needs langchain-core: pip install 'langchain-core>=1,<2'"
        ) from error
    return core


def is_loaded() -> bool:
    """Whether anything of the other library can exist in this process."""
    return "langchain_core" in sys.modules


def class_of(thing: object) -> Any:
    """The class of a thing, whichever library made it."""
    return type(thing)


def of(thing: object) -> str:
    """What a thing is, for messages: never its repr, which may hold a secret."""
    kind = type(thing)
    return f"an object of type {kind.__module__}.{kind.__qualname__}"

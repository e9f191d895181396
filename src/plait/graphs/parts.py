"""How a runnable is walked without running it: its parts, its name, and a walk whose depth no stack bounds.

Only ``_anatomy`` and ``get_name`` of what is walked are used, so anything that has them can be walked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any, Final, TypeVar, cast

from plait.anatomy import Anatomy

__all__ = ["MOST", "Walk", "anatomy_of", "kind_of", "name_of", "walked"]

MOST: Final = 10_000
"""Steps of which a walk opens the insides: one object used twice in each of 30 levels would be a billion."""

Result = TypeVar("Result")
Walk = Generator[Any, Any, Result]
"""A function that calls itself by ``yield``: it yields the walk of a part, and is sent that walk's result."""

_LEAF: Final = Anatomy("leaf")


def walked(walk: Walk[Result]) -> Result:
    """Run a walk that yields walks; their depth is bounded by memory alone."""
    stack: list[Walk[Any]] = [walk]
    result: Any = None
    while stack:
        try:
            stack.append(stack[-1].send(result))
            result = None
        except StopIteration as done:
            stack.pop()
            result = done.value
    return cast(Result, result)


def anatomy_of(node: Any) -> Anatomy:
    """What a node says it is made of; a leaf, if it says nothing."""
    found = getattr(node, "_anatomy", _LEAF)
    return found if isinstance(found, Anatomy) and found.parts else _LEAF


def name_of(node: Any, suffix: str | None = None) -> str:
    """The name of a node, and that of its class where it cannot say."""
    get_name: Callable[..., Any] | None = getattr(node, "get_name", None)
    if get_name is None:
        return type(node).__name__ + (suffix or "")
    try:
        return str(get_name(suffix) if suffix else get_name())
    except Exception:  # names of what is nested too deeply, or of a class that fails: a picture is worth more
        return type(node).__name__ + (suffix or "")


_KINDS: Final = {
    "chat_model": "model",
    "llm": "model",
    "embedding": "model",
    "embeddings": "model",
    "prompt": "prompt",
    "parser": "parser",
    "retriever": "retriever",
    "tool": "tool",
    "passthrough": "passthrough",
}
_CLASSES: Final = (
    ("RunnableLambda", "function"),
    ("RunnableGenerator", "function"),
    ("RunnablePassthrough", "passthrough"),
    ("RunnablePick", "passthrough"),
)


def kind_of(node: Any) -> str:
    """What sort of step a node is, in one word: model, prompt, parser, function, choice and so on; else ``step``."""
    node = _unwrapped(node)
    said: Hashable = getattr(node, "_kind", None)
    if said in _KINDS:
        return _KINDS[cast(str, said)]
    if anatomy_of(node).kind in ("choice", "map"):
        return anatomy_of(node).kind
    classes = {cls.__name__ for cls in type(node).__mro__}
    return next((kind for name, kind in _CLASSES if name in classes), "step")


def _unwrapped(node: Any) -> Any:
    """What is at the bottom of wrappers, or None if they wrap each other."""
    seen: set[int] = set()
    while anatomy_of(node).kind == "wrapper":
        if id(node) in seen:
            return None
        seen.add(id(node))
        node = anatomy_of(node).parts[0].node
    return node

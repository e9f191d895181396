"""Tools as a model's API is told of them, of whatever people hand to ``bind_tools``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["tool_forms"]


def tool_forms(tools: Sequence[Any], strict: bool | None) -> list[dict[str, Any]]:
    """Tools in OpenAI's form; dicts with a ``type`` of another kind are a provider's own, and stay as they are."""
    from plait.tools import convert_to_openai_tool  # only who binds tools needs it

    return [convert_to_openai_tool(tool, strict=strict) for tool in tools]

"""Tools as text, for prompts of models that are told of tools in words."""

from __future__ import annotations

import json
from collections.abc import Sequence

from plait.tools.base import BaseTool

__all__ = ["render_text_description", "render_text_description_and_args"]


def render_text_description(tools: Sequence[BaseTool]) -> str:
    """A line for each tool: its name and what it does."""
    return "\n".join(f"{tool.name}: {tool.description}" for tool in tools)


def render_text_description_and_args(tools: Sequence[BaseTool]) -> str:
    """A line for each tool: its name, what it does, and the JSON Schema of its arguments."""
    return "\n".join(
        f"{tool.name}: {tool.description}, args: {json.dumps(tool.args, ensure_ascii=False)}" for tool in tools
    )

"""Tools of LangChain's in plait."""

from __future__ import annotations

from typing import Any, ClassVar

from plait.providers.langchain.nodes import LangChainRunnable

__all__ = ["LangChainTool"]


class LangChainTool(LangChainRunnable):
    """A tool of LangChain's as it is: a text, a dict of arguments or a tool call in, a result or a tool message out."""

    _kind: ClassVar[str] = "tool"

    @property
    def description(self) -> str:
        """What it tells the model that it does."""
        return str(self.runnable.description)

    @property
    def args(self) -> dict[str, Any]:
        """Its arguments, as JSON Schema has them."""
        return dict(self.runnable.args)

    @property
    def args_schema(self) -> Any:
        """The schema of its arguments."""
        return self.runnable.args_schema

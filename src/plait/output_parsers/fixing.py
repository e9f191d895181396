"""The parser that has a model repair what it cannot read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, cast

from plait.output_parsers.base import BaseOutputParser
from plait.output_parsers.retry import AskingParser
from plait.output_parsers.string import StrOutputParser
from plait.runnables import Runnable, RunnableLambda

__all__ = ["OutputFixingParser"]

T = TypeVar("T")
Made = TypeVar("Made")


class OutputFixingParser(AskingParser[T], Generic[T]):
    """Has a model repair an answer that ``parser`` cannot read.

    The model is told the format instructions of ``parser``, the answer, and what is wrong with it. What it gives is
    parsed in turn, at most ``max_retries`` times; the last failure is raised, with the first as its cause.
    """

    @classmethod
    def from_llm(
        cls, llm: Runnable[Any, Any], parser: BaseOutputParser[Made], prompt: Any = None, max_retries: int = 1
    ) -> OutputFixingParser[Made]:
        """Ask ``llm``, by ``prompt`` if given: a Runnable that takes a dict with instructions, completion and error."""
        chain = (RunnableLambda(cls._told) if prompt is None else prompt) | llm | StrOutputParser()
        of_any: type[Any] = cls
        return cast("OutputFixingParser[Made]", of_any(parser=parser, retry_chain=chain, max_retries=max_retries))

    @staticmethod
    def _told(given: Mapping[str, Any]) -> str:
        return (
            f"The instructions were:\n{given['instructions']}\n\nThe answer was:\n{given['completion']}\n\n"
            f"What is wrong with it: {given['error']}\n\n"
            "Give the same answer in the form that the instructions ask for, and nothing else:"
        )

    def parse(self, text: str) -> T:
        """The value of a text, or of what a model makes of it."""
        return self._retried(text, instructions=self._instructions())

    async def aparse(self, text: str) -> T:
        """The value of a text, or of what a model makes of it."""
        return await self._aretried(text, instructions=self._instructions())

    def _instructions(self) -> str:
        try:
            return self.parser.get_format_instructions()
        except NotImplementedError:
            return "(none are known)"

    @property
    def _type(self) -> str:
        return "output_fixing"

"""Parsers that ask a model again when its output cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeVar, cast

from pydantic import ConfigDict, Field, SkipValidation

from plait.errors import OutputParserException
from plait.output_parsers.base import BaseOutputParser
from plait.output_parsers.string import StrOutputParser
from plait.prompt_values import PromptValue
from plait.runnables import Runnable, RunnableLambda

__all__ = ["AskingParser", "RetryOutputParser", "RetryWithErrorOutputParser"]

T = TypeVar("T")
Made = TypeVar("Made")


class AskingParser(BaseOutputParser[T], Generic[T]):
    """What the parsers have in common that ask again: at most ``max_retries`` times; ``retry_chain`` gives a text or message."""

    model_config = ConfigDict(frozen=True)

    parser: Annotated[BaseOutputParser[T], SkipValidation]
    retry_chain: Annotated[Runnable[Any, Any], SkipValidation]
    max_retries: int = Field(default=1, ge=0)

    def _retried(self, completion: str, **more: Any) -> T:
        first: OutputParserException | None = None
        for _ in range(self.max_retries):
            try:
                return self.parser.parse(completion)
            except OutputParserException as error:
                first = first or error
                given = {**more, "completion": completion, "error": str(error)}
                completion = self._text(self.retry_chain.invoke(given))
        try:
            return self.parser.parse(completion)
        except OutputParserException as error:
            raise error from first or error.__cause__

    async def _aretried(self, completion: str, **more: Any) -> T:
        first: OutputParserException | None = None
        for _ in range(self.max_retries):
            try:
                return await self.parser.aparse(completion)
            except OutputParserException as error:
                first = first or error
                given = {**more, "completion": completion, "error": str(error)}
                completion = self._text(await self.retry_chain.ainvoke(given))
        try:
            return await self.parser.aparse(completion)
        except OutputParserException as error:
            raise error from first or error.__cause__

    def get_format_instructions(self) -> str:
        """What the parser inside asks for."""
        return self.parser.get_format_instructions()

    @property
    def OutputType(self) -> Any:
        return self.parser.OutputType


class RetryOutputParser(AskingParser[T], Generic[T]):
    """Has a model answer the prompt again when ``parser`` cannot read its answer; see ``parse_with_prompt``.

    The model is told the prompt, its answer, and that the answer does not do what the prompt asks for. What it answers
    is parsed in turn, at most ``max_retries`` times; the last failure is raised, with the first as its cause.
    """

    @classmethod
    def from_llm(
        cls, llm: Runnable[Any, Any], parser: BaseOutputParser[Made], prompt: Any = None, max_retries: int = 1
    ) -> RetryOutputParser[Made]:
        """Ask ``llm``, by ``prompt`` if it is given: a Runnable that takes a dict with prompt, completion and error."""
        chain = (RunnableLambda(cls._told) if prompt is None else prompt) | llm | StrOutputParser()
        of_any: type[Any] = cls
        return cast("RetryOutputParser[Made]", of_any(parser=parser, retry_chain=chain, max_retries=max_retries))

    @staticmethod
    def _told(given: Mapping[str, Any]) -> str:
        return (
            f"The prompt was:\n{given['prompt']}\n\nThe answer was:\n{given['completion']}\n\n"
            "The answer does not have the form that the prompt asks for. Answer the prompt again, in that form:"
        )

    def parse(self, text: str) -> T:
        """The value of a text; without the prompt nothing can be asked again, so ``OutputParserException`` is raised."""
        return self.parser.parse(text)

    async def aparse(self, text: str) -> T:
        """The value of a text; without the prompt nothing can be asked again, so ``OutputParserException`` is raised."""
        return await self.parser.aparse(text)

    def parse_with_prompt(self, completion: str, prompt: PromptValue | str) -> T:
        """The value of an answer to a prompt, or of the answer when it is asked again."""
        return self._retried(completion, prompt=prompt if isinstance(prompt, str) else prompt.to_string())

    async def aparse_with_prompt(self, completion: str, prompt: PromptValue | str) -> T:
        """The value of an answer to a prompt, or of the answer when it is asked again."""
        return await self._aretried(completion, prompt=prompt if isinstance(prompt, str) else prompt.to_string())

    @property
    def _type(self) -> str:
        return "retry"


class RetryWithErrorOutputParser(RetryOutputParser[T], Generic[T]):
    """As ``RetryOutputParser``, and the model is told what was wrong with its answer."""

    @staticmethod
    def _told(given: Mapping[str, Any]) -> str:
        return (
            f"The prompt was:\n{given['prompt']}\n\nThe answer was:\n{given['completion']}\n\n"
            f"What is wrong with it: {given['error']}\n\nAnswer the prompt again, without that fault:"
        )

    @property
    def _type(self) -> str:
        return "retry_with_error"

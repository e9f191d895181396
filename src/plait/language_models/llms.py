"""Text models: a prompt in, text out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, ClassVar

from plait.concurrency import acollect, aiter_in_thread, in_thread
from plait.errors import ModelError
from plait.language_models.base import BaseLanguageModel, LanguageModelInput, derived, refuse_callbacks
from plait.messages import convert_to_messages
from plait.outputs import Generation, GenerationChunk, LLMResult
from plait.prompt_values import ChatPromptValue, PromptValue

__all__ = ["LLM", "BaseLLM"]


class BaseLLM(BaseLanguageModel[str]):
    """A model that continues a text; takes a str, a list of messages (as one text) or a prompt value.

    Subclass it and write ``_generate``, for many prompts at once, or ``_stream``; for a model that takes one prompt at
    a time, ``LLM`` is shorter.
    """

    _kind: ClassVar[str] = "llm"

    # ------------------------------------------------------------------------------------- what a model's author writes

    @derived
    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        """The answers: a list of generations for each prompt, in their order."""
        if not self._gives("_stream"):
            raise self._no_way()
        sums = [self._added(self._stream(prompt, stop=stop, **kwargs)) for prompt in prompts]
        return LLMResult(generations=[[total] for total in sums])

    @derived
    async def _agenerate(  # twin: where only the sync form was given, a thread runs it
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        """The answers, without blocking the event loop."""
        if self._gives("_generate") or not self._gives("_astream"):
            return await in_thread(self._generate, prompts, stop=stop, **kwargs)
        sums = [self._added(await acollect(self._astream(prompt, stop=stop, **kwargs))) for prompt in prompts]
        return LLMResult(generations=[[total] for total in sums])

    @derived
    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        """The answer in chunks, as they come."""
        return self._once(prompt, stop=stop, **kwargs)

    @derived
    def _astream(  # twin: where only the sync form was given, a thread runs it
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[GenerationChunk]:
        """The answer in chunks, as they come, without blocking the event loop."""
        if self._gives("_stream"):
            return aiter_in_thread(self._stream_lazily(prompt, stop=stop, **kwargs))
        return self._aonce(prompt, stop=stop, **kwargs)

    # ------------------------------------------------------------------------------------------------ what callers use

    def generate(
        self,
        prompts: Sequence[LanguageModelInput],
        stop: list[str] | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """The full results for several prompts, in one call of ``_generate``: all generations of each."""
        refuse_callbacks(callbacks)
        texts = [self._read(prompt) for prompt in prompts]
        return self._complete(self._generate(texts, stop=stop, **kwargs), "_generate", len(texts))

    async def agenerate(
        self,
        prompts: Sequence[LanguageModelInput],
        stop: list[str] | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """The full results for several prompts, in one call of ``_agenerate``: all generations of each."""
        refuse_callbacks(callbacks)
        texts = [self._read(prompt) for prompt in prompts]
        return self._complete(await self._agenerate(texts, stop=stop, **kwargs), "_agenerate", len(texts))

    def generate_prompt(
        self, prompts: list[PromptValue], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """As ``generate``, for prompt values."""
        return self.generate(prompts, stop, callbacks, **kwargs)

    async def agenerate_prompt(
        self, prompts: list[PromptValue], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """As ``agenerate``, for prompt values."""
        return await self.agenerate(prompts, stop, callbacks, **kwargs)

    @property
    def OutputType(self) -> Any:
        return str

    # ------------------------------------------------------------------------------------------- for the base's hooks

    def _read(self, input: Any) -> str:
        if isinstance(input, str):
            return input
        if isinstance(input, PromptValue):
            return input.to_string()
        if isinstance(input, Sequence):
            return ChatPromptValue(messages=convert_to_messages(input)).to_string()
        raise self._unreadable(input)

    def _ask(self, prompt: Any, **kwargs: Any) -> LLMResult:
        return self._complete(self._generate([prompt], **kwargs), "_generate", 1)

    async def _aask(self, prompt: Any, **kwargs: Any) -> LLMResult:
        return self._complete(await self._agenerate([prompt], **kwargs), "_agenerate", 1)

    def _complete(self, result: Any, method: str, count: int) -> LLMResult:
        given = self._checked(result, LLMResult, method)
        if (found := len(given.generations)) != count:
            raise ModelError(f"{method} of {self.get_name()} was given {count} prompts, but gave results for {found}")
        return given

    def _answer(self, result: LLMResult) -> str:
        if not result.generations[0]:
            raise ModelError(f"{self.get_name()} gave no answer: its result has no generations")
        return result.generations[0][0].text

    def _piece(self, answer: Any) -> GenerationChunk:
        return GenerationChunk(text=answer)

    def _told_result(self, output: Any) -> LLMResult:
        return LLMResult(generations=[[Generation(text=output)]])

    def _reader(self) -> Callable[[Any], Any]:
        return self._text_of

    def _text_of(self, piece: Any) -> str:
        return self._checked(piece, GenerationChunk, "_stream").text


class LLM(BaseLLM):
    """A text model whose author writes ``_call``, from text to text, and perhaps ``_acall`` and ``_stream``."""

    @abstractmethod
    def _call(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> str:
        """The text of the answer."""

    async def _acall(  # twin: a sync call has a thread
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> str:
        """The text of the answer, without blocking the event loop."""
        return await in_thread(self._call, prompt, stop=stop, **kwargs)

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        texts = [self._call(prompt, stop=stop, **kwargs) for prompt in prompts]
        return LLMResult(generations=[[Generation(text=self._checked(text, str, "_call"))] for text in texts])

    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        texts = [await self._acall(prompt, stop=stop, **kwargs) for prompt in prompts]
        return LLMResult(generations=[[Generation(text=self._checked(text, str, "_acall"))] for text in texts])

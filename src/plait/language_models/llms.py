"""Text models: a prompt in, text out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, ClassVar, cast

from plait.caches.base import in_force
from plait.concurrency import acollect, aiter_in_thread, in_thread
from plait.errors import ModelError
from plait.language_models.base import BaseLanguageModel, LanguageModelInput, derived, refuse_callbacks
from plait.language_models.keeping import Place
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
        return self._ask_all([self._read(prompt) for prompt in prompts], {"stop": stop, **kwargs})

    async def agenerate(
        self,
        prompts: Sequence[LanguageModelInput],
        stop: list[str] | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """The full results for several prompts, in one call of ``_agenerate``: all generations of each."""
        refuse_callbacks(callbacks)
        return await self._aask_all([self._read(prompt) for prompt in prompts], {"stop": stop, **kwargs})

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
        if self.cache is None and self.rate_limiter is None and in_force.get() is None:
            return self._complete(self._generate([prompt], **kwargs), "_generate", 1)
        return self._ask_all([prompt], kwargs)

    async def _aask(self, prompt: Any, **kwargs: Any) -> LLMResult:
        if self.cache is None and self.rate_limiter is None and in_force.get() is None:
            return self._complete(await self._agenerate([prompt], **kwargs), "_agenerate", 1)
        return await self._aask_all([prompt], kwargs)

    def _ask_all(self, prompts: list[str], kwargs: dict[str, Any]) -> LLMResult:
        """The results for all prompts: those that a cache has, and of one call those that it has not."""
        places = [self._place(prompt, kwargs) for prompt in prompts]
        found = [None if place is None else place.find() for place in places]
        missing = [prompt for prompt, kept in zip(prompts, found, strict=True) if kept is None]
        if prompts and not missing:
            return LLMResult(generations=cast("list[Any]", found))
        if self.rate_limiter is not None:
            self.rate_limiter.acquire(blocking=True)
        fresh = self._complete(self._generate(missing, **kwargs), "_generate", len(missing))
        for place, candidates in _new(places, found, fresh):
            place.keep(candidates)
        return _joined(found, fresh)

    async def _aask_all(self, prompts: list[str], kwargs: dict[str, Any]) -> LLMResult:
        """The results for all prompts: those that a cache has, and of one call those that it has not."""
        places = [self._place(prompt, kwargs) for prompt in prompts]
        found = [None if place is None else await place.afind() for place in places]
        missing = [prompt for prompt, kept in zip(prompts, found, strict=True) if kept is None]
        if prompts and not missing:
            return LLMResult(generations=cast("list[Any]", found))
        if self.rate_limiter is not None:
            await self.rate_limiter.aacquire(blocking=True)
        fresh = self._complete(await self._agenerate(missing, **kwargs), "_agenerate", len(missing))
        for place, candidates in _new(places, found, fresh):
            await place.akeep(candidates)
        return _joined(found, fresh)

    def _candidates(self, result: LLMResult) -> Sequence[Generation]:
        return result.generations[0]

    def _result_of(self, candidates: Any) -> LLMResult:
        return LLMResult(generations=[candidates])

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


def _new(places: list[Place | None], found: list[Any], fresh: LLMResult) -> list[tuple[Place, Sequence[Generation]]]:
    """What was not found, with the place where it belongs."""
    missing = [place for place, kept in zip(places, found, strict=True) if kept is None]
    return [(place, new) for place, new in zip(missing, fresh.generations, strict=True) if place is not None]


def _joined(found: list[Any], fresh: LLMResult) -> LLMResult:
    """All candidates, each list in the place of its prompt."""
    if all(kept is None for kept in found):
        return fresh
    new = iter(fresh.generations)
    everything = [next(new) if kept is None else kept for kept in found]
    return LLMResult(generations=everything, llm_output=fresh.llm_output)

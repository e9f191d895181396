"""Text models without a model: they answer by script, at the pace that you set, and remember how they were called."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from functools import cached_property
from threading import Lock
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from plait.errors import ModelError
from plait.language_models.llms import LLM
from plait.messages import BaseMessage
from plait.outputs import GenerationChunk
from plait.stopping import asleep, sleep

__all__ = [
    "Call",
    "Fake",
    "FakeListLLM",
    "FakeListLLMError",
    "FakeStreamingListLLM",
    "Record",
    "apause",
    "pause",
    "words",
]

_WORD = re.compile(r"\s*\S+|\s+")


def words(text: str) -> list[str]:
    """A text in pieces of one word with the space before it; joined they are the text, and there is at least one."""
    return _WORD.findall(text) or [""]


class Call(NamedTuple):
    """How a fake was called: ``input`` is what its ``_generate`` got, a list of messages or a text."""

    input: Any
    stop: list[str] | None
    kwargs: dict[str, Any]


class Record:
    """The calls of one fake, counted and remembered; for any number of threads."""

    def __init__(self, keep: int | None) -> None:
        self.lock = Lock()
        self.count = 0
        self.calls = deque[Call](maxlen=keep)

    def add(self, call: Call) -> int:
        """The number of this call, from 0."""
        with self.lock:
            self.calls.append(call)
            self.count += 1
            return self.count - 1

    def __reduce__(self) -> tuple[type[Record], tuple[int | None]]:
        return Record, (self.calls.maxlen,)  # a fake that moves to another process starts anew


class Fake(BaseModel):
    """What all fakes have: a pace, failures on cue, and a memory of their calls."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    _unasked: ClassVar[Collection[str]] = ("sleep", "delay", "failures", "error", "fail_at_chunk", "remember")

    sleep: float | None = None
    """Seconds before an answer; in a stream, before each chunk."""

    delay: float = 0.0
    """Seconds for each word, whether it is streamed or part of a whole answer."""

    failures: int | None = 0
    """How many calls fail before the first that works; None: all of them."""

    error: BaseException | type[BaseException] = ModelError("the fake failed, as it was told to")
    """What a failing call raises; of a class each call makes its own, an instance is raised as it is."""

    fail_at_chunk: int = 0
    """How many chunks a failing stream gives before it fails, at most all of them."""

    remember: int | None = 100
    """How many of the last calls are remembered; None: all of them."""

    @cached_property
    def _record(
        self,
    ) -> Record:  # not a private attribute, which pydantic takes longer to look up than a fake to answer
        return Record(self.remember)

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        _ = self._record  # made now: threads that both found it missing would each count for themselves

    @property
    def calls(self) -> list[Call]:
        """The calls that are remembered, the oldest first."""
        with self._record.lock:
            return list(self._record.calls)

    @property
    def call_count(self) -> int:
        """How often this was called, for whole answers and for streams."""
        return self._record.count

    def _turn(self, number: int) -> int:
        """Which answer of a script is due in a call; calls that fail use none up."""
        return max(0, number - (self.failures or 0))

    def _pace(self, answer: str | BaseMessage) -> float:
        """How long a whole answer takes."""
        if not self.delay:
            return self.sleep or 0.0
        return (self.sleep or 0.0) + self.delay * len(words(answer if isinstance(answer, str) else answer.text))

    def _fail_if_due(self, number: int, chunk: int | None = None) -> None:
        """Raise the error that is due in a call before ``chunk``, or at its end."""
        due = self.failures is None or number < self.failures
        if due and (chunk is None or chunk >= self.fail_at_chunk):
            raise self.error


def pause(seconds: float) -> None:
    """Sleep, unless there is no time to sleep."""
    if seconds <= 0:
        return
    sleep(seconds)


async def apause(seconds: float) -> None:
    """Sleep, unless there is no time to sleep."""
    if seconds <= 0:
        return
    await asleep(seconds)


class FakeListLLM(Fake, LLM):
    """A text model that gives ``responses`` one after the other, and then from the start again."""

    responses: list[str] = Field(min_length=1)

    @property
    def _llm_type(self) -> str:
        return "fake-list"

    def _due(self, number: int) -> str:
        return self.responses[self._turn(number) % len(self.responses)]

    def _call(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> str:
        number = self._record.add(Call(prompt, stop, kwargs))
        text = self._due(number)
        pause(self._pace(text))
        self._fail_if_due(number)
        return text

    async def _acall(self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any) -> str:
        number = self._record.add(Call(prompt, stop, kwargs))
        text = self._due(number)
        await apause(self._pace(text))
        self._fail_if_due(number)
        return text


class FakeListLLMError(ModelError):
    """Raised by a fake text model at its ``error_on_chunk_number``."""


class FakeStreamingListLLM(FakeListLLM):
    """A ``FakeListLLM`` that streams word by word; every stream fails before chunk ``error_on_chunk_number``, from 0."""

    error_on_chunk_number: int | None = None

    def _stream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[GenerationChunk]:
        number = self._record.add(Call(prompt, stop, kwargs))
        for index, word in enumerate(words(self._due(number))):
            pause((self.sleep or 0.0) + self.delay)
            self._fail_if_due(number, index)
            yield GenerationChunk(text=word)
        self._fail_if_due(number)

    async def _astream(
        self, prompt: str, stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[GenerationChunk]:
        number = self._record.add(Call(prompt, stop, kwargs))
        for index, word in enumerate(words(self._due(number))):
            await apause((self.sleep or 0.0) + self.delay)
            self._fail_if_due(number, index)
            yield GenerationChunk(text=word)
        self._fail_if_due(number)

    def _fail_if_due(self, number: int, chunk: int | None = None) -> None:
        if chunk is not None and chunk == self.error_on_chunk_number:
            raise FakeListLLMError(f"the fake was told to fail before chunk {chunk}")
        super()._fail_if_due(number, chunk)

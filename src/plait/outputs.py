"""What a model gives for an input: candidates (``Generation``), and results that hold them."""

# `type` is the tag of a union: each class narrows it to one literal and nobody assigns it.
# pyright: reportIncompatibleVariableOverride=false

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SerializeAsAny, model_validator

from plait.messages.convert import SomeChunk, SomeMessage
from plait.messages.defaults import DEFERRED, ShortRepr
from plait.messages.sums import Summable, first, join_facts, sum_of

__all__ = ["ChatGeneration", "ChatGenerationChunk", "ChatResult", "Generation", "GenerationChunk", "LLMResult"]

_Joins = Mapping[str, Callable[[list[Any]], Any]]


class Generation(ShortRepr):
    """A text that a model gave."""

    model_config = DEFERRED

    text: str
    generation_info: dict[str, Any] | None = None
    type: Literal["Generation"] = Field(default="Generation", repr=False)


class GenerationChunk(Summable, Generation):
    """A piece of a text that a model gives."""

    type: Literal["GenerationChunk"] = Field(default="GenerationChunk", repr=False)  # type: ignore[assignment] # its own tag

    _joins: ClassVar[_Joins] = {"generation_info": join_facts, "type": first}


class ChatGeneration(Generation):
    """A message that a model gave; ``text`` is the message's."""

    text: str = Field(default="", repr=False)
    message: SomeMessage
    type: Literal["ChatGeneration"] = Field(default="ChatGeneration", repr=False)  # type: ignore[assignment] # its own tag

    @model_validator(mode="after")
    def _take_text(self) -> Self:
        vars(self)["text"] = self.message.text  # pydantic's own way to set it costs as much as all the rest
        return self


class ChatGenerationChunk(Summable, ChatGeneration):
    """A piece of a message that a model gives."""

    message: SomeChunk
    type: Literal["ChatGenerationChunk"] = Field(default="ChatGenerationChunk", repr=False)  # type: ignore[assignment] # its own tag

    _late: ClassVar[tuple[str, ...]] = ("text",)
    _joins_at_once: ClassVar[Mapping[str, Callable[[str, list[Any]], Any]]] = {"message": sum_of}
    _joins: ClassVar[_Joins] = {"generation_info": join_facts, "type": first}

    @classmethod
    def _make_late(cls, fields: dict[str, Any]) -> dict[str, Any]:
        return {"text": fields["message"].text}


_AnyGeneration = Generation | GenerationChunk | ChatGeneration | ChatGenerationChunk


class ChatResult(ShortRepr):
    """What a chat model gives for one conversation: one candidate, or several."""

    model_config = DEFERRED

    generations: list[SerializeAsAny[ChatGeneration]]
    llm_output: dict[str, Any] | None = None


class LLMResult(ShortRepr):
    """What a model gives for several inputs: for each a list of candidates."""

    model_config = DEFERRED

    generations: Sequence[Sequence[SerializeAsAny[_AnyGeneration]]]
    llm_output: dict[str, Any] | None = None
    type: Literal["LLMResult"] = Field(default="LLMResult", repr=False)

"""As many examples as there is room for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, PrivateAttr

from plait.example_selectors.base import BaseExampleSelector, joined
from plait.prompts import StringPromptTemplate

__all__ = ["LengthBasedExampleSelector"]


def count_words(text: str) -> int:
    """How many words a text has: pieces between white space."""
    return len(text.split())


class LengthBasedExampleSelector(BaseExampleSelector, BaseModel):
    """The first examples, as many as fit in ``max_length`` together with the values of the prompt.

    Lengths are those of the examples as ``example_prompt`` writes them, by ``get_text_length``: words, unless it is a
    function that counts something else, such as tokens. The first example that does not fit ends the list.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    examples: list[dict[str, Any]]
    example_prompt: StringPromptTemplate
    get_text_length: Callable[[str], int] = count_words
    max_length: int = 2048

    _lengths: list[int] = PrivateAttr(default_factory=list[int])

    if not TYPE_CHECKING:

        def __init__(self, /, **fields):
            super().__init__(**fields)
            self._lengths = [
                self._length(example) for example in self.examples
            ]  # not in a validator, which would wrap errors

    @property
    def example_text_lengths(self) -> list[int]:
        """The length of each example."""
        return list(self._lengths)

    def add_example(self, example: dict[str, Any]) -> None:
        """Have one example more, behind the others."""
        length = self._length(example)
        self.examples.append(example)
        self._lengths.append(length)

    async def aadd_example(self, example: dict[str, Any]) -> None:  # twin: text waits for nothing
        """Have one example more, behind the others."""
        self.add_example(example)

    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The first examples that fit together with these values."""
        left = self.max_length - self.get_text_length(joined(input_variables, None, "the prompt"))
        chosen: list[dict[str, Any]] = []
        for example, length in zip(self.examples, self._lengths, strict=False):  # another thread may be adding one
            left -= length
            if left < 0:
                break
            chosen.append(example)
        return chosen

    async def aselect_examples(
        self, input_variables: dict[str, Any], /
    ) -> list[dict[str, Any]]:  # twin: text waits for nothing
        """The first examples that fit together with these values."""
        return self.select_examples(input_variables)

    def _length(self, example: dict[str, Any]) -> int:
        return self.get_text_length(self.example_prompt.format(**example))

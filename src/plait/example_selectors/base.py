"""What every example selector is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from plait.concurrency import in_thread
from plait.errors import PromptError
from plait.prompts.reading import reads_as
from plait.templates import text_of

__all__ = ["BaseExampleSelector", "joined"]


class BaseExampleSelector(ABC):
    """Chooses examples for a prompt; subclass it and write ``add_example`` and ``select_examples``.

    It is the ``example_selector`` of a few-shot prompt. Any number of threads and tasks may call it.
    """

    @abstractmethod
    def add_example(self, example: dict[str, Any]) -> Any:
        """Have one example more to choose from."""

    async def aadd_example(self, example: dict[str, Any]) -> Any:  # twin: a sync selector has a thread
        """Have one example more to choose from."""
        return await in_thread(self.add_example, example)

    @abstractmethod
    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The examples for these values of the prompt."""

    async def aselect_examples(
        self, input_variables: dict[str, Any], /
    ) -> list[dict[str, Any]]:  # twin: a sync selector has a thread
        """The examples for these values of the prompt."""
        return await in_thread(self.select_examples, input_variables)


def joined(values: Mapping[str, Any], names: Iterable[str] | None, whose: str) -> str:
    """The values of these names, or of all, as one text, in the order of the names' letters."""
    chosen = sorted(values if names is None else names)
    for name in chosen:
        if name not in values:
            raise PromptError(
                f"{whose} has no {name!r}, one of the input_keys; it has {', '.join(map(repr, values)) or 'nothing'}"
            )
    return " ".join(text_of(values[name], name=name, special=reads_as) for name in chosen)

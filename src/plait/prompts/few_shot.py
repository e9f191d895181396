"""Prompts that show examples first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast, runtime_checkable

from pydantic import ConfigDict

from plait.concurrency import in_thread
from plait.errors import LoadError, PromptError
from plait.messages import BaseMessage
from plait.prompts.base import BasePromptTemplate, is_default
from plait.prompts.chat import BaseChatPromptTemplate, BaseMessagePromptTemplate
from plait.prompts.plain import refuse_other
from plait.prompts.reading import reads_as
from plait.prompts.string import StringPromptTemplate
from plait.templates import Template, parse, too_long

__all__ = ["ExampleSelector", "FewShotChatMessagePromptTemplate", "FewShotPromptTemplate"]


@runtime_checkable
class ExampleSelector(Protocol):
    """Chooses examples for an input. One that has ``aselect_examples``, too, is awaited from async code."""

    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The examples for these values of the prompt."""
        ...


class _WithExamples(BasePromptTemplate):
    """Has either a list of examples or something that selects them."""

    model_config = ConfigDict(frozen=True)

    examples: list[dict[str, Any]] | None = None
    example_selector: ExampleSelector | None = None

    def _settle(self) -> None:
        super()._settle()
        if (self.examples is None) == (self.example_selector is None):
            raise PromptError("give either examples or an example_selector")

    def _examples(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        if self.example_selector is None:
            return self.examples or []
        return self.example_selector.select_examples(values)

    async def _aexamples(self, values: dict[str, Any]) -> list[dict[str, Any]]:  # twin: a sync selector gets a thread
        if self.example_selector is None:
            return self.examples or []
        select = getattr(self.example_selector, "aselect_examples", None)
        if select is not None:
            return cast("list[dict[str, Any]]", await select(values))
        return await in_thread(self.example_selector.select_examples, values)

    @property
    def _waits(self) -> bool:
        return self.example_selector is not None

    def _config_of(self, kind: str, **facts: Any) -> dict[str, Any]:
        if self.example_selector is not None:
            selector = type(self.example_selector).__name__
            raise LoadError(
                f"{type(self).__name__} cannot be saved: its example_selector, a {selector}, is no data. Save the examples, "
                "and make the selector of them when they are loaded"
            )
        return super()._config_of(kind, **facts, examples=self.examples)


class FewShotPromptTemplate(_WithExamples, StringPromptTemplate):
    """A text of examples between a prefix and a suffix: each example is a dict of values for ``example_prompt``.

    Prefix and suffix are templates; what the examples say is never read as one. ``example_selector.select_examples``
    is given the values of the prompt.
    """

    example_prompt: StringPromptTemplate
    suffix: str
    prefix: str = ""
    example_separator: str = "\n\n"
    template_format: str = "f-string"

    def _settle(self) -> None:
        super()._settle()
        self._settle_names(validate=False)

    def _frame(self) -> tuple[Template, Template]:
        """Prefix and suffix, parsed as they are now."""
        kept: tuple[Template, Template] | None = vars(self).get("_kept")
        source = (self.prefix, self.template_format, self.suffix, self.template_format)
        if kept is None or (*kept[0][:2], *kept[1][:2]) != source:
            kept = parse(self.prefix, self.template_format), parse(self.suffix, self.template_format)
            vars(self)["_kept"] = kept
        return kept

    def format(self, /, **values: Any) -> str:
        """The text for these values."""
        values = self._with_partials(values)
        return self._joined(values, [self.example_prompt.format(**it) for it in self._examples(values)])

    async def aformat(self, /, **values: Any) -> str:
        """The text for these values."""
        values = self._with_partials(values)
        return self._joined(values, [await self.example_prompt.aformat(**it) for it in await self._aexamples(values)])

    def _joined(self, values: Mapping[str, Any], examples: list[str]) -> str:
        prefix, suffix = (one.render(values, limit=self.max_chars, special=reads_as) for one in self._frame())
        pieces = [piece for piece in (prefix, *examples, suffix) if piece]
        if sum(map(len, pieces)) + len(self.example_separator) * (len(pieces) - 1) > self.max_chars:
            raise too_long(self.max_chars)
        return self.example_separator.join(pieces)

    def _config(self) -> dict[str, Any]:
        refuse_other(self, FewShotPromptTemplate)
        facts = ("input_variables", "prefix", "suffix", "example_separator", "template_format")
        said = {name: value for name in facts if not is_default(self, name, value := getattr(self, name))}
        return self._config_of("few_shot", **said, example_prompt=self.example_prompt._config())

    def _needs(self) -> tuple[str, ...]:
        prefix, suffix = self._frame()
        names = dict.fromkeys((*prefix.variables, *suffix.variables))
        return tuple(name for name in names if name not in self.partial_variables)

    def _places(self) -> dict[str, str]:
        places: dict[str, str] = {}
        for part, template in zip(("suffix", "prefix"), reversed(self._frame()), strict=True):
            places |= {name: f"{part}, {place}" for name, place in template.where().items()}
        return places


class FewShotChatMessagePromptTemplate(_WithExamples, BaseChatPromptTemplate):
    """Examples as messages: each example is a dict of values for ``example_prompt``; meant as a part of a chat prompt.

    With an ``example_selector``, ``input_variables`` names the values that it needs.
    """

    example_prompt: BaseMessagePromptTemplate | BaseChatPromptTemplate

    def format_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages of the examples for these values."""
        examples = self._examples(self._with_partials(values))
        return [message for it in examples for message in self.example_prompt.format_messages(**it)]

    async def aformat_messages(self, /, **values: Any) -> list[BaseMessage]:
        """The messages of the examples for these values."""
        examples = await self._aexamples(self._with_partials(values))
        return [message for it in examples for message in await self.example_prompt.aformat_messages(**it)]

    def _config(self) -> dict[str, Any]:
        refuse_other(self, FewShotChatMessagePromptTemplate)
        known = {"input_variables": self.input_variables} if self.input_variables else {}
        return self._config_of("few_shot_chat", **known, example_prompt=self.example_prompt._config())

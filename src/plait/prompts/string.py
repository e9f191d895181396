"""Prompts that are one text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, TypeAlias

from pydantic import ConfigDict

from plait.errors import PromptError
from plait.prompt_values import StringPromptValue
from plait.prompts.base import BasePromptTemplate
from plait.prompts.plain import refuse_other
from plait.prompts.reading import reads_as
from plait.templates import Template, parse

__all__ = ["PromptTemplate", "StringPromptTemplate", "TemplateFormat"]

TemplateFormat: TypeAlias = Literal["f-string", "mustache"]


class StringPromptTemplate(BasePromptTemplate):
    """A prompt that is one text: subclass it, write ``format``, and name your ``input_variables``."""

    @abstractmethod
    def format(self, /, **values: Any) -> str:
        """The text for these values."""

    async def aformat(self, /, **values: Any) -> str:  # twin: text waits for nothing
        """The text for these values."""
        return self.format(**values)

    @property
    def OutputType(self) -> Any:
        return StringPromptValue

    def format_prompt(self, /, **values: Any) -> StringPromptValue:
        """The text for these values, as a prompt value."""
        return StringPromptValue(text=self.format(**values))

    async def aformat_prompt(self, /, **values: Any) -> StringPromptValue:
        """The text for these values, as a prompt value."""
        return StringPromptValue(text=await self.aformat(**values))

    def pretty_repr(self) -> str:
        """Give the text with its variables in braces."""
        return self.format(**{name: f"{{{name}}}" for name in self._needs()})


class PromptTemplate(StringPromptTemplate):
    """A text with ``{variables}``: ``PromptTemplate.from_template("Tell me a joke about {topic}")``.

    What is a variable, what is text and what is refused is told in `plait.templates`. ``input_variables`` need not be
    given: they are what the template names and ``partial_variables`` does not supply. If they are given, they are put
    right, or, with ``validate_template=True``, checked.
    """

    model_config = ConfigDict(frozen=True)

    template: str
    template_format: str = "f-string"
    validate_template: bool = False

    @classmethod
    def from_template(
        cls,
        template: str,
        *,
        template_format: TemplateFormat = "f-string",
        partial_variables: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Self:
        """A prompt of this text; in the format ``mustache`` a variable is written ``{{name}}``."""
        known = dict(partial_variables or {})
        return cls(template=template, template_format=template_format, partial_variables=known, **fields)

    def _settle(self) -> None:
        super()._settle()
        self._settle_names(self.validate_template)

    def _parsed(self) -> Template:
        """The template as parsed, of the text that is there now: a copy may have been given another."""
        kept: Template | None = vars(self).get("_kept")
        if kept is None or kept.text != self.template or kept.syntax != self.template_format:
            kept = vars(self)["_kept"] = parse(self.template, self.template_format)
        return kept

    def format(self, /, **values: Any) -> str:
        """The text for these values."""
        values = self._with_partials(values) if self.partial_variables else values
        return self._parsed().render(values, limit=self.max_chars, special=reads_as)

    def _config(self) -> dict[str, Any]:
        refuse_other(self, PromptTemplate)
        facts = {"input_variables": self.input_variables, "template": self.template}
        format = {} if self.template_format == "f-string" else {"template_format": self.template_format}
        return self._config_of(
            "prompt", **facts, **format, **({"validate_template": True} if self.validate_template else {})
        )

    def __add__(self, other: object) -> PromptTemplate:
        """The prompt with the text of both; a str is taken for a template of the same format."""
        if isinstance(other, str):
            other = PromptTemplate(template=other, template_format=self.template_format)
        if not isinstance(other, PromptTemplate):
            return NotImplemented
        both = self._parsed() + other._parsed()
        fields = {"template": both.text, "template_format": both.syntax, "validate_template": False}
        return self.model_copy(update={**fields, "partial_variables": joined_partials(self, other)})

    def __radd__(self, other: object) -> PromptTemplate:
        if not isinstance(other, str):
            return NotImplemented
        return PromptTemplate(template=other, template_format=self.template_format) + self

    def pretty_repr(self) -> str:
        """Give the template."""
        return self.template

    def _needs(self) -> tuple[str, ...]:
        return tuple(name for name in self._parsed().variables if name not in self.partial_variables)

    def _places(self) -> dict[str, str]:
        return self._parsed().where()

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        return (pair for pair in super().__repr_args__() if pair[0] not in ("input_variables", "validate_template"))


def joined_partials(one: BasePromptTemplate, other: BasePromptTemplate) -> dict[str, Any]:
    """The known values of both; raises where they disagree."""
    for name in one.partial_variables.keys() & other.partial_variables.keys():
        if one.partial_variables[name] != other.partial_variables[name]:
            raise PromptError(f"both prompts have a value for {{{name}}}: leave it out of one of them")
    return {**one.partial_variables, **other.partial_variables}

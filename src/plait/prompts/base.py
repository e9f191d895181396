"""What every prompt is: named values in, a prompt value out."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict, Field

from plait.errors import LoadError, PromptError
from plait.prompt_values import PromptValue
from plait.prompts.files import write
from plait.prompts.plain import plain
from plait.runnables import RunnableConfig
from plait.runnables.serializable import RunnableSerializable
from plait.runs import Scope
from plait.schemas import object_model
from plait.templates import MAX_CHARS

__all__ = ["BasePromptTemplate", "Part"]


class Part:
    """What a conversation asks of its parts."""

    def _needs(self) -> Sequence[str]:
        """The names of the values that must be given."""
        return ()

    def _optional(self) -> Sequence[str]:
        """The names of the values that may be given."""
        return ()

    def _types(self) -> Mapping[str, Any]:
        """The types of values, by name; text, where nothing is said."""
        return {}

    def _places(self) -> dict[str, str]:
        """Where each name is used, for people to find it."""
        return dict.fromkeys(self._needs(), "")

    @property
    def _waits(self) -> bool:
        """Whether filling it in may take I/O."""
        return False

    def _shown(self) -> object:
        """What ``repr`` of the conversation shows for it."""
        return self


class BasePromptTemplate(RunnableSerializable[dict[str, Any], PromptValue], Part):
    """A Runnable that makes a prompt value of a dict of values; keys that it does not know are ignored.

    A prompt with exactly one variable also takes that value bare. A missing value raises `MissingVariableError`.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    _kind: ClassVar[str] = "prompt"

    input_variables: list[str] = Field(default_factory=list[str])
    """The names of the values that must be given. A prompt made of templates finds them itself."""

    optional_variables: list[str] = Field(default_factory=list[str])
    """The names of the values that may be given, too."""

    input_types: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Types for the input schema, by name; text is assumed where nothing is said."""

    partial_variables: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Values that are known already, or functions of no arguments that are called for each prompt."""

    max_chars: int = MAX_CHARS
    """A prompt whose text would be longer than this raises `PromptError`."""

    if not TYPE_CHECKING:  # checkers know the fields, and should go on to

        def __init__(self, /, **fields):
            super().__init__(**fields)
            self._settle()  # not in a validator: pydantic would wrap what it raises

    @classmethod
    def model_construct(cls, _fields_set: set[str] | None = None, **values: Any) -> Self:
        """A prompt whose fields are not validated; its templates are."""
        made = super().model_construct(_fields_set, **values)
        made._settle()
        return made

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields, whose templates are checked like those of a new prompt."""
        copied = super().model_copy(update=update, deep=deep)
        copied._settle()
        return copied

    def _settle(self) -> None:
        """Read what there is to read, and raise what there is to raise, now and not when the prompt is used."""
        for name, value in self.partial_variables.items():
            if iscoroutinefunction(value):
                raise PromptError(f"the function for {{{name}}} is async, and a prompt calls plain functions only")

    def _settle_names(self, validate: bool) -> None:
        """Put ``input_variables`` right, or check them."""
        needs = sorted(self._needs())
        if validate and sorted({*self.input_variables} - {*self.partial_variables}) != needs:
            raise PromptError(
                f"input_variables are {self.input_variables}, but the variables of the prompt are {needs}"
            )
        vars(self).update(input_variables=needs, optional_variables=sorted(self._optional()))

    # -------------------------------------------------------------------------------------------------------- the prompt

    @abstractmethod
    def format_prompt(self, /, **values: Any) -> PromptValue:
        """The prompt value for these values."""

    async def aformat_prompt(self, /, **values: Any) -> PromptValue:  # twin: text waits for nothing
        """The prompt value for these values."""
        return self.format_prompt(**values)

    def partial(self, /, **values: Any) -> Self:
        """The same prompt with some values known; a function of no arguments is called for each prompt.

        A value that is given later under the same name takes precedence.
        """
        left = [name for name in self.input_variables if name not in values]
        known = {**self.partial_variables, **values}
        return self.model_copy(update={"partial_variables": known, "input_variables": left})

    def _with_partials(self, given: dict[str, Any]) -> dict[str, Any]:
        for name, value in self.partial_variables.items():
            if name not in given:
                given[name] = value() if callable(value) else value
        return given

    # ------------------------------------------------------------------------------------------------------------ as data

    def save(self, file_path: str | os.PathLike[str]) -> None:
        """Write the prompt to a file that ``load_prompt`` reads, as ``.json``, ``.yaml`` or ``.yml`` (extra ``yaml``).

        The file is for people to read and to change, and holds data only. Raises ``LoadError``, which says what, if
        something of the prompt is more than that: a function, a selector, a class of your own.
        """
        write(file_path, self._config())

    def _config(self) -> dict[str, Any]:
        """What a file says of this prompt."""
        raise LoadError(
            f"{type(self).__name__} cannot be saved: it is a class of your own, and a file holds only the prompts of plait"
        )

    def _config_of(self, kind: str, **facts: Any) -> dict[str, Any]:
        """A prompt's data: its kind, what is particular to it, and of what all have the part that is not the default."""
        if self.input_types:
            raise LoadError(f"{type(self).__name__} cannot be saved: its input_types are types, and a file holds data")
        shared = {name: getattr(self, name) for name in ("name", "partial_variables", "max_chars")}
        said = {name: value for name, value in shared.items() if not is_default(self, name, value)}
        return {"_type": kind, **plain({**facts, **said}, type(self).__name__)}

    # ------------------------------------------------------------------------------------------------------ as a Runnable

    def _invoke(self, input: Any, config: Scope | None, **kwargs: Any) -> PromptValue:
        return self.format_prompt(**self._given(input))

    async def _ainvoke(self, input: Any, config: Scope | None, **kwargs: Any) -> PromptValue:
        return await self.aformat_prompt(**self._given(input))

    def _given(self, input: Any) -> dict[str, Any]:
        if type(input) is dict or isinstance(input, Mapping):
            named = cast("Mapping[object, Any]", input)
            return {name: value for name, value in named.items() if isinstance(name, str)}
        needs = self._needs()
        if len(needs) == 1:
            return {needs[0]: input}
        wanted = f"a dict with {', '.join(map(repr, needs))}" if needs else "a dict, which may be empty"
        raise TypeError(f"{self.get_name()} takes {wanted}; got {type(input).__name__}")

    def _needs(self) -> Sequence[str]:
        return self.input_variables

    def _optional(self) -> Sequence[str]:
        return self.optional_variables

    def _types(self) -> Mapping[str, Any]:
        return self.input_types

    @property
    def _inline(self) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as its parts are
        return not self._waits

    @property
    def _input_keys(self) -> frozenset[str]:
        return frozenset(self._needs())

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model, `PromptInput`, with the variables of the prompt."""
        types = self._types()
        fields = {name: (types.get(name, str), ...) for name in self._needs()}
        optional = {name: _may_lack(types.get(name, str)) for name in self._optional()}
        return object_model("PromptInput", {**fields, **optional})

    # ------------------------------------------------------------------------------------------------------- for people

    @abstractmethod
    def pretty_repr(self) -> str:
        """Give the prompt as text for people to read, with its variables in braces."""

    def pretty_print(self) -> None:
        """Print ``pretty_repr()``."""
        print(self.pretty_repr())  # noqa: T201

    def __str__(self) -> str:
        return repr(self)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            if name == "partial_variables" and value:
                yield name, sorted(value)  # the values may be secret
            elif name is not None and not is_default(self, name, value):
                yield name, value


def is_default(model: BaseModel, field: str, value: Any) -> bool:
    """Whether this is what the field has if nobody says anything."""
    return bool(value == type(model).model_fields[field].get_default(call_default_factory=True))


def _may_lack(type_: Any) -> tuple[Any, Any]:
    return (type_, []) if getattr(type_, "__origin__", None) is list else (type_ | None, None)

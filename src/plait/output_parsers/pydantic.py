"""The parser that makes an object of a pydantic model of JSON, and streams objects that grow."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Generic, TypeVar

from pydantic import SkipValidation, TypeAdapter, ValidationError

from plait.output_parsers.json import JsonTextParser, instructions, invalid
from plait.partial_json import NOTHING

__all__ = ["PydanticOutputParser"]

T = TypeVar("T")


class PydanticOutputParser(JsonTextParser[T], Generic[T]):
    """An object of ``pydantic_object``, made of the JSON that a model gives.

    ``pydantic_object`` is a pydantic model, a dataclass or a TypedDict. Streams an object whenever what there is so far
    is valid, each in the place of the one before; the last is that of the whole. Raises ``OutputParserException`` for text that is not JSON,
    or JSON that is not valid, and says where.
    """

    pydantic_object: Annotated[type[T], SkipValidation]

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        return TypeAdapter(self.pydantic_object)

    def _made(self, value: Any, text: str) -> T:
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            raise invalid(self.pydantic_object, error, text) from error

    def _made_early(self, value: Any) -> Any:
        try:
            return self._adapter.validate_python(value)
        except ValidationError:
            return NOTHING

    def _cost(self, size: int) -> int:
        return size

    @property
    def _expected(self) -> str:
        return f"JSON for {self.pydantic_object.__name__}"

    def get_format_instructions(self) -> str:
        """Asks for JSON by the JSON Schema of ``pydantic_object``."""
        return instructions(self._adapter)

    @property
    def _type(self) -> str:
        return "pydantic"

    @property
    def OutputType(self) -> Any:
        return self.pydantic_object

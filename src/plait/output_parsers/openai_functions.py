"""Parsers of the function call of a message, as models gave it before there were tool calls."""

# A reading and its parser are one unit.
# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, cast

from pydantic import BaseModel, SkipValidation, ValidationError

from plait.errors import OutputParserException
from plait.messages import BaseMessage
from plait.output_parsers.faults import excerpt, refused, told
from plait.output_parsers.openai_tools import JsonOutputToolsParser, Piece, named_piece
from plait.partial_json import NOTHING

__all__ = ["JsonKeyOutputFunctionsParser", "JsonOutputFunctionsParser", "PydanticOutputFunctionsParser"]


class JsonOutputFunctionsParser(JsonOutputToolsParser):
    """The arguments of the ``function_call`` in the ``additional_kwargs`` of a message, as a dict.

    With ``args_only=False`` ``{"name": ..., "arguments": {...}}``. Streams the arguments as they grow. Raises
    ``OutputParserException`` if there is no call, or its arguments are not a JSON object.
    """

    args_only: bool = True

    def _pieces(self, message: BaseMessage) -> Iterable[Piece]:
        given: Any = message.additional_kwargs.get("function_call")
        if not isinstance(given, dict):
            return []
        call = cast("dict[str, Any]", given)
        return [named_piece("a function call", (call.get("name"), call.get("arguments"), None, 0))]

    def _made(self, call: Any) -> Any:
        return call.args if self.args_only else {"name": call.name, "arguments": call.args}

    def _chosen(self, made: list[Any]) -> Any:
        return made[0] if made and made[0] is not NOTHING else None

    def _settled(self, value: Any) -> Any:
        if value is None:
            raise refused("expected a message with a function call, but it has none", "")
        return value

    @property
    def _type(self) -> str:
        return "json_functions"


class JsonKeyOutputFunctionsParser(JsonOutputFunctionsParser):
    """The argument ``key_name`` of the function call of a message."""

    key_name: str

    def _made(self, call: Any) -> Any:
        if self.key_name not in call.args:
            came = ", ".join(call.args) or "none"
            problem = (
                f"expected an argument {self.key_name!r} of the function {call.name!r}, but its arguments are {came}"
            )
            raise refused(problem, "".join(call.parts))
        return call.args[self.key_name]

    def _made_early(self, call: Any) -> Any:
        return call.args.get(self.key_name, NOTHING)


class PydanticOutputFunctionsParser(JsonOutputFunctionsParser):
    """The function call of a message as an object of ``pydantic_schema``, a model or a dict of models by function."""

    _shares: ClassVar[bool] = False

    pydantic_schema: Annotated[type[BaseModel] | dict[str, type[BaseModel]], SkipValidation]

    def _made(self, call: Any) -> Any:
        try:
            return self._model(call.name).model_validate(call.args)
        except ValidationError as error:
            problem = f"the function {call.name!r} was called with wrong arguments: {told(error)}"
            raise refused(problem, "".join(call.parts), error) from error

    def _made_early(self, call: Any) -> Any:
        try:
            return self._made(call)
        except OutputParserException:
            return NOTHING

    def _model(self, name: str) -> type[BaseModel]:
        if not isinstance(self.pydantic_schema, dict):
            return self.pydantic_schema
        if name not in self.pydantic_schema:
            known = ", ".join(self.pydantic_schema) or "none"
            raise refused(f"expected a call of one of the functions {known}, but got one of {excerpt(name)}", name)
        return self.pydantic_schema[name]

    def _cost(self, size: int) -> int:
        return size

"""What every tool is: arguments in, checked against a schema, and what it did out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Literal, NamedTuple, TypeAlias, TypeGuard, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from plait.callbacks.managers import managed
from plait.concurrency import in_thread
from plait.errors import ChainError, ConfigError, ToolException, ToolInputError
from plait.inspection import config_parameter, takes, takes_more
from plait.json_schema import fault
from plait.messages import ToolMessage
from plait.redaction import glimpse, masked
from plait.runnables import RunnableConfig
from plait.runnables.serializable import RunnableSerializable
from plait.runs import Scope, current, hand_out
from plait.schemas import value_model
from plait.signatures import function_types
from plait.tools.arguments import (
    arguments_of,
    given_to,
    is_call_id,
    is_made,
    json_schema_of,
    names_of,
    needed_of_program,
    single_in,
    spellings,
    without_injected,
)

__all__ = ["BaseTool", "BaseToolkit", "ToolsArguments"]

Handler: TypeAlias = bool | str | Callable[[Any], Any]
"""What is done about an error: False raises it; True gives its text, a str that text, a function what it makes of it."""
ToolsArguments: TypeAlias = type[BaseModel] | dict[str, Any]
"""A pydantic model, or a JSON Schema of an object."""


class _Call(NamedTuple):
    """One call: its arguments, those that the program adds, and of a model's call the id."""

    given: Any
    injected: Mapping[str, Any]
    id: str | None
    by_model: bool


class BaseTool(RunnableSerializable[Any, Any]):
    """A function that a model may call; subclass it and write ``_run``, and ``_arun`` if it can be async.

    It takes a dict of its arguments; a single text, if it has one argument that is not optional; or a tool call of a model
    (``{"type": "tool_call", "name", "args", "id"}``), and then gives a ``ToolMessage``. Arguments are checked:
    ``ToolInputError`` says which are wrong. A tool that fails raises ``ToolException`` if the model may know.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True)

    _kind: ClassVar[str] = "tool"

    name: str = Field()  # pyright: ignore[reportIncompatibleVariableOverride]  # a tool has one
    """What models call it by: 1 to 64 letters, digits, ``_`` and ``-``, for most vendors."""

    description: str = ""
    """What models are told that it does."""

    args_schema: Any = None
    """A pydantic class or a JSON Schema; by default made of the parameters of ``_run``."""

    return_direct: bool = False
    """Whether an agent should end with what this gives."""

    response_format: Literal["content", "content_and_artifact"] = "content"
    """With ``content_and_artifact`` it gives a pair: what the model is told, and what the program keeps beside it."""

    handle_tool_error: Handler | None = False
    """What is done about a ``ToolException``; unless it is False, the model is told by a message whose status is error."""

    handle_validation_error: Handler | None = False
    """The same for arguments that are wrong."""

    tags: list[str] | None = Field(default=None, exclude=True)
    """What its own runs are labelled with."""

    metadata: dict[str, Any] | None = Field(default=None, exclude=True)
    """What its own runs tell of it."""

    extras: dict[str, Any] | None = None
    """What only one vendor knows of tools."""

    # ------------------------------------------------------------------------------------------ what a tool's author writes

    @abstractmethod
    def _run(self, /, *args: Any, **kwargs: Any) -> Any:
        """Do it; the arguments come by name. One that is annotated with ``RunnableConfig`` gets the config."""

    async def _arun(self, /, *args: Any, **kwargs: Any) -> Any:  # twin: a sync tool has a thread
        """Do it without blocking the event loop."""
        return await in_thread(self._run, *args, **{**managed(self._run), **kwargs})

    # ------------------------------------------------------------------------------------------------------------- schemas

    def model_post_init(self, context: Any, /) -> None:
        """Read the parameters of ``_run``, unless there is a schema."""
        super().model_post_init(context)
        if self.args_schema is None:
            self._read_parameters()
        elif not isinstance(self.args_schema, Mapping) and not _is_model(self.args_schema):
            raise ChainError(
                f"args_schema of the tool {self.name!r} must be a pydantic class or a JSON Schema, "
                f"got {type(self.args_schema).__name__}"
            )

    def _called(self) -> Callable[..., Any]:
        """The function whose parameters are the arguments."""
        return self._run

    def _read_parameters(self) -> None:
        vars(self)["args_schema"] = arguments_of(self._called(), self.name)  # it may be frozen

    def __getstate__(self) -> dict[Any, Any]:
        """Without a class that was made of a function: a pickle cannot hold it, and it can be made again."""
        state = super().__getstate__()
        if is_made(self.args_schema):
            state = {**state, "__dict__": {**state["__dict__"], "args_schema": None}}
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        if self.args_schema is None:
            self._read_parameters()

    @property
    def tool_call_schema(self) -> ToolsArguments:
        """The arguments as models are told of them: without those that the program gives."""
        schema: Any = self.args_schema
        return without_injected(schema) if _is_model(schema) else cast("dict[str, Any]", schema)

    @property
    def args(self) -> dict[str, Any]:
        """The JSON Schema of each argument that models are told of, by name."""
        schema = self.get_tool_json_schema()
        return dict(schema.get("properties", {}))

    def get_tool_json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments that models are told of."""
        schema: Any = self.tool_call_schema
        return json_schema_of(schema) if _is_model(schema) else dict(schema)

    @property
    def is_single_input(self) -> bool:
        """Whether one text can be all that is given."""
        return self._single() is not None

    def _single(self) -> str | None:
        """The argument that a bare text is for: the only one, or the only one that must be given."""
        if _is_model(self.args_schema):
            return single_in(self.args_schema)
        schema = self.get_tool_json_schema()
        known, required = list(schema.get("properties", {})), list(schema.get("required", ()))
        return next((names[0] for names in (required, known) if len(names) == 1), None)

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A dict of the arguments; or a text, where one is enough."""
        named = self.get_name("Input")
        schema = self.args_schema if _is_model(self.args_schema) else dict[str, Any]
        return value_model(named, str | schema) if self.is_single_input else value_model(named, schema)

    @property
    def InputType(self) -> Any:
        return str | dict[str, Any]

    @property
    def OutputType(self) -> Any:
        if self.response_format == "content_and_artifact":
            return Any
        return function_types(self._called())[1]

    @property
    def _labels(self) -> tuple[Sequence[str], Mapping[str, Any]]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]  # as its fields say
        return self.tags or (), self.metadata or {}

    # ------------------------------------------------------------------------------------------------------------- calling

    def run(self, tool_input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """As ``invoke``, known from elsewhere."""
        return self.invoke(tool_input, config, **kwargs)

    async def arun(self, tool_input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """As ``ainvoke``, known from elsewhere."""
        return await self.ainvoke(tool_input, config, **kwargs)

    def _invoke(
        self, input: Any, config: Scope | None = None, *, injected: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        call = self._read(input, injected, kwargs)
        before = current.get()
        current.set(config)  # what the tool itself calls inherits it
        try:
            return self._answer(call, self._run(**{**managed(self._run), **self._arguments(call, config)}))
        except ToolException as error:
            return self._handled(call, error)
        finally:
            current.set(before)

    async def _ainvoke(
        self, input: Any, config: Scope | None = None, *, injected: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        call = self._read(input, injected, kwargs)
        before = current.get()
        current.set(config)  # what the tool itself calls inherits it
        try:
            return self._answer(call, await self._arun(**{**managed(self._arun), **self._arguments(call, config)}))
        except ToolException as error:
            return self._handled(call, error)
        finally:
            current.set(before)

    def _read(self, input: Any, injected: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> _Call:
        if kwargs:
            raise ConfigError(
                f"the tool {self.name!r} takes its arguments in a dict, not {', '.join(map(repr, kwargs))}"
            )
        if not _is_call(input):
            return _Call(input, injected or {}, None, by_model=False)
        name = input.get("name")
        if name != self.name:
            raise ToolInputError(f"a call of the tool {name!r:.80} was given to the tool {self.name!r}")
        if not isinstance(input["args"], Mapping):
            came = type(input["args"]).__name__
            raise ToolInputError(f"the args of a call of the tool {self.name!r} must be a dict, but are {came}")
        return _Call(input["args"], injected or {}, input.get("id"), by_model=True)

    def _arguments(self, call: _Call, config: Scope | None) -> dict[str, Any]:
        given = self._with_injected(call, self._named(call.given))
        values = self._validated(given, call.by_model) if _is_model(self.args_schema) else self._checked(given)
        wanted = self._config_parameter()
        inherited = {"callbacks": None} if takes(self._called(), "callbacks") else {}
        return {**inherited, **values, **({} if wanted is None else {wanted: hand_out(config)})}

    def _config_parameter(self) -> str | None:
        """The name under which the function wants the config."""
        return config_parameter(self._called(), named=True)

    def _named(self, given: Any) -> dict[str, Any]:
        if isinstance(given, Mapping):
            return dict(cast("Mapping[str, Any]", given))
        single = self._single() if isinstance(given, str) else None
        if single is not None:
            return {single: given}
        takes = f"a dict with {', '.join(map(repr, self.args)) or 'nothing in it'}"
        raise ToolInputError(f"the tool {self.name!r} takes {takes}, but got {type(given).__name__}")

    def _with_injected(self, call: _Call, given: dict[str, Any]) -> dict[str, Any]:
        spelt = spellings(self.args_schema) if _is_model(self.args_schema) else dict[str, str]()
        hidden = set(spelt.values())
        forged = sorted(spelt.keys() & given.keys()) if call.by_model else []
        if forged:
            raise ToolInputError(
                f"the tool {self.name!r}: {', '.join(map(repr, forged))} is not for a model to give; the program gives it "
                "beside the call: tool.invoke(call, injected={...})"
            )
        strange = sorted(call.injected.keys() - spelt.keys())
        if strange:
            raise ConfigError(f"the tool {self.name!r} has no injected argument {', '.join(map(repr, strange))}")
        ids = {name: call.id for name in hidden - given.keys() if is_call_id(self.args_schema, name)}
        whole = {**given, **ids, **{spelt[name]: value for name, value in call.injected.items()}}
        absent = sorted(needed_of_program(self.args_schema) - whole.keys()) if hidden and call.by_model else []
        if absent:
            raise ConfigError(
                f"the tool {self.name!r} needs {', '.join(map(repr, absent))} of the program, beside the model's call: "
                "tool.invoke(call, injected={...})"
            )
        return whole

    def _validated(self, given: Mapping[str, Any], by_model: bool) -> dict[str, Any]:
        strange = self._strange(given, names_of(self.args_schema))
        try:
            values = self.args_schema.model_validate(given)
        except ValidationError as error:
            found = error.errors(include_url=False)[:_FAULTS_SHOWN]
            if by_model:
                found = self._of_model(found)
            faults = [_fault(each, self.args) for each in found]
            raise self._refused([*faults, *strange]) from None  # the error of pydantic shows what came in full
        if strange:
            raise self._refused(strange)
        return given_to(self.args_schema, values)

    def _of_model(self, found: list[Any]) -> list[Any]:
        """What is wrong with what a model gave; raises ConfigError if it is what the program gave beside it."""
        hidden = spellings(self.args_schema)
        wrong = [_fault(each, {}) for each in found if each["loc"] and each["loc"][0] in hidden]
        if wrong:
            raise ConfigError(f"the tool {self.name!r} was given what it cannot take as injected: {'; '.join(wrong)}")
        return [each if each["loc"] or not hidden else {**each, "input": None} for each in found]

    def _checked(self, given: dict[str, Any]) -> dict[str, Any]:
        schema: dict[str, Any] = self.args_schema
        faults = [f"{name!r} is missing" for name in schema.get("required", ()) if name not in given]
        faults += self._strange(given, schema.get("properties", {}))
        wrong = None if faults else fault(given, schema)
        if faults or wrong:
            raise self._refused(faults or [str(wrong)])
        return given

    def _strange(self, given: Mapping[str, Any], known: Collection[str] | None) -> list[str]:
        """What a model made up, which a schema of the user's own would drop, or the function would not take."""
        strange = [] if known is None else [name for name in given if name not in known and not self._takes(name)]
        return [_unknown(str(name), self.args) for name in strange[:_FAULTS_SHOWN]]

    def _takes(self, name: Any) -> bool:
        """Whether an argument goes to the function of which the schema does not speak."""
        schema: Any = self.args_schema
        if _is_model(schema):
            return schema.model_config.get("extra") == "allow" and takes_more(self._called(), name)
        if schema.get("additionalProperties") is False:
            return False
        return takes_more(self._called(), name) or ("properties" not in schema and takes(self._called(), name))

    def _refused(self, faults: list[str]) -> ToolInputError:
        said = "; ".join(faults[:_FAULTS_SHOWN])
        return ToolInputError(f"the tool {self.name!r} cannot be called with that: {said}")

    # ------------------------------------------------------------------------------------------------------------ answering

    def _answer(self, call: _Call, output: Any) -> Any:
        if self.response_format == "content":
            return self._message(call, output, None) if call.by_model else output
        if not isinstance(output, tuple) or len(cast("tuple[Any, ...]", output)) != 2:
            came = type(cast("object", output)).__name__
            raise TypeError(
                f"the tool {self.name!r} has response_format 'content_and_artifact', so it must give a pair, but gave {came}"
            )
        content, artifact = cast("tuple[Any, Any]", output)
        return self._message(call, content, artifact) if call.by_model else content

    def _handled(self, call: _Call, error: ToolException) -> Any:
        """What is given in place of an answer; raises the error if nothing is."""
        handler = self.handle_validation_error if isinstance(error, ToolInputError) else self.handle_tool_error
        if handler is None or handler is False:
            raise error
        content = masked(str(error)) if handler is True else handler(error) if callable(handler) else handler
        return self._message(call, content, None, "error") if call.by_model else content

    def _message(
        self, call: _Call, content: Any, artifact: Any, status: Literal["success", "error"] = "success"
    ) -> ToolMessage:
        if isinstance(content, ToolMessage):
            return content
        return ToolMessage(
            content=_content(content), artifact=artifact, name=self.name, tool_call_id=call.id or "", status=status
        )


class BaseToolkit(BaseModel, ABC):
    """Tools that belong together."""

    @abstractmethod
    def get_tools(self) -> list[BaseTool]:
        """All of them."""


_FAULTS_SHOWN: Final = 10
_NAME_SHOWN: Final = 80  # characters
_FAULT_SHOWN: Final = 200  # characters


def _is_model(schema: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def _is_call(input: Any) -> bool:
    return (
        isinstance(input, Mapping) and cast("Mapping[str, Any]", input).get("type") == "tool_call" and "args" in input
    )


def _fault(fault: Any, known: Mapping[str, Any]) -> str:
    """What is wrong with one argument."""
    where = ".".join(map(str, fault["loc"]))[:_NAME_SHOWN] or "the arguments"
    if fault["type"] == "missing":
        return f"{where!r} is missing"
    if fault["type"] == "extra_forbidden":
        return _unknown(where, known)
    said = masked(str(fault["msg"]))[:_FAULT_SHOWN]
    wrong = said.replace("Input should", " should", 1) if said.startswith("Input should ") else f": {said}"
    came = (
        glimpse({where: fault["input"]}, 120) if fault["loc"] or fault["input"] is not None else "what may not be shown"
    )
    return f"{where!r}{wrong}, got {came}"


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    shown = name[:_NAME_SHOWN]
    close = get_close_matches(shown, map(str, known), 1)
    return f"{shown!r} is no argument of it" + (f", did you mean {close[0]!r}?" if close else "")


def _content(output: Any) -> str | list[Any]:
    """What a model is told of an output: texts and blocks as they are, all else as JSON where it can be."""
    if isinstance(output, str):
        return output
    if isinstance(output, list) and output and all(map(_is_block, cast("list[Any]", output))):
        return cast("list[Any]", output)
    if isinstance(output, BaseModel):
        return output.model_dump_json()
    try:
        return json.dumps(output, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError):
        return str(cast("object", output))
    except RecursionError as error:
        raise ToolException("what the tool gave is nested too deeply to be told to a model") from error


def _plain(value: Any) -> Any:
    """Models, dataclasses, times and the like as JSON has them; an iterator, which need not end, is none of them."""
    if isinstance(value, Iterator):
        raise TypeError
    return to_jsonable_python(value)


def _is_block(part: Any) -> bool:
    return isinstance(part, str) or (
        isinstance(part, dict) and isinstance(cast("dict[str, Any]", part).get("type"), str)
    )

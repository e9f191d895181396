"""Tools: LangChain's as ours, and ours as LangChain's."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from traceback import walk_tb
from typing import Annotated, Any, ClassVar, cast

from pydantic import BaseModel, ValidationError, create_model

from plait.errors import ToolInputError
from plait.providers.langchain.configs import acalling, afor_plait, calling, for_plait, restored
from plait.providers.langchain.faults import passing
from plait.providers.langchain.nodes import Natively
from plait.providers.langchain.outgoing import Ours, entering, with_field
from plait.providers.langchain.peer import peer
from plait.providers.langchain.values import inward, outward
from plait.runnables import Runnable
from plait.runs import Scope, current
from plait.tools import BaseTool, convert_to_openai_tool
from plait.tools.arguments import injected_in, is_call_id

__all__ = ["LangChainTool", "tool_for", "tool_from", "written"]


class LangChainTool(Natively, BaseTool):
    """A tool of LangChain's as it is; what it is called with is checked there, and its errors are handled there."""

    tool: Any
    """The tool of LangChain's."""

    _own_verbs: ClassVar[bool] = False

    @property
    def _theirs(self) -> Any:
        return self.tool

    @property
    def OutputType(self) -> Any:
        return Any

    def _run(self, **kwargs: Any) -> Any:
        return self.invoke(kwargs)

    def _invoke(
        self, input: Any, config: Scope | None = None, *, injected: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        given = self._whole(input, injected, kwargs)
        before = current.get()
        current.set(restored(config))  # what of ours it calls inherits it
        try:
            with calling(config) as theirs, _checked(self.name):
                return inward(self.tool.invoke(given, theirs))
        finally:
            current.set(before)

    async def _ainvoke(  # twin: one of its two blocks is async
        self, input: Any, config: Scope | None = None, *, injected: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        given = self._whole(input, injected, kwargs)
        before = current.get()
        current.set(restored(config))  # what of ours it calls inherits it
        try:
            async with acalling(config) as theirs:
                with _checked(self.name):
                    return inward(await self.tool.ainvoke(given, theirs))
        finally:
            current.set(before)

    def _whole(self, input: Any, injected: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> Any:
        """What LangChain's tool is called with: also the arguments that the program gives."""
        call = self._read(input, {}, kwargs)
        forged = sorted(self._hidden() & call.given.keys()) if call.by_model else []
        if forged:
            raise _forged(self.name, forged)
        if not injected:
            return outward(input)
        args = {**self._named(call.given), **injected}
        return outward({**input, "args": args} if call.by_model else args)

    def _hidden(self) -> set[str]:
        """The names of the arguments that no model is told of."""
        schema, told = self.tool.args_schema, self.tool.tool_call_schema
        return (_names(schema) - _names(told)) | {*getattr(self.tool, "_injected_args_keys", ())}


def _forged(name: str, arguments: Sequence[str]) -> ToolInputError:
    return ToolInputError(
        f"the tool {name!r}: {', '.join(map(repr, arguments))} is not for a model to give; the program gives it beside the "
        "call: tool.invoke(call, injected={...})"
    )


def _names(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        return {*cast("dict[str, Any]", schema).get("properties", ())}
    fields = getattr(schema, "model_fields", None) or getattr(schema, "__fields__", None)  # of pydantic 1
    return {*cast("Mapping[str, Any]", fields or {})}


@contextmanager
def _checked(name: str) -> Generator[None, None, None]:
    """Arguments that LangChain refuses are wrong here as well; what the tool itself runs into is another matter."""
    try:
        yield
    except ValidationError as error:
        if all(frame.f_code.co_name != "_parse_input" for frame, _ in walk_tb(error.__traceback__)):
            raise
        said = "; ".join(f"{'.'.join(map(str, each['loc']))!r}: {each['msg']}" for each in error.errors()[:10])
        raise ToolInputError(f"the tool {name!r} cannot be called with that: {said}") from error


def tool_from(tool: Any) -> LangChainTool:
    """The tool of LangChain's as one of ours."""
    schema: Any = tool.tool_call_schema
    ready = isinstance(schema, dict) or (isinstance(schema, type) and issubclass(schema, BaseModel))
    about = {"tags": tool.tags, "metadata": tool.metadata, "return_direct": tool.return_direct}
    return LangChainTool(
        tool=tool,
        name=tool.name,
        description=tool.description,
        args_schema=cast(Any, schema) if ready else cast(Any, schema).schema(),  # of a class of pydantic 1
        response_format=tool.response_format,
        **about,
    )


# ------------------------------------------------------------------------------------------------------ to LangChain


class _Does(Ours):
    """What LangChain calls of a tool; it makes the run itself, and the message."""

    runnable: Any

    def __reduce__(self) -> tuple[Any, ...]:
        return tool_for, (self.runnable,)  # the class of its arguments is found nowhere by name

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        self._refuse_forged(input)
        return cast(Any, super()).invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        self._refuse_forged(input)
        return await cast(Any, super()).ainvoke(input, config, **kwargs)

    def _refuse_forged(self, input: Any) -> None:
        is_call = isinstance(input, dict) and cast("dict[str, Any]", input).get("type") == "tool_call"
        forged = sorted(_hidden(self.runnable) & {*cast("dict[str, Any]", input)["args"]}) if is_call else []
        if forged:
            with passing():
                raise _forged(self.runnable.name, forged)

    def _run(self, *args: Any, run_manager: Any = None, **kwargs: Any) -> Any:
        call, injected = self._as_call(args, kwargs)
        with entering():
            given = None if run_manager is None else for_plait(_around(), run_manager)
            return self._result(outward(self.runnable.invoke(call, given, injected=injected)))

    async def _arun(self, *args: Any, run_manager: Any = None, **kwargs: Any) -> Any:
        call, injected = self._as_call(args, kwargs)
        with entering():
            given = None if run_manager is None else afor_plait(_around(), run_manager)
            return self._result(outward(await self.runnable.ainvoke(call, given, injected=injected)))

    def _as_call(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """What the tool is called with, as a model calls it where it keeps something beside its answer; what is injected."""
        injected = {name: kwargs[name] for name in _hidden(self.runnable) & kwargs.keys()}
        given = args[0] if args else {name: value for name, value in kwargs.items() if name not in injected}
        if self.runnable.response_format == "content":
            return given, injected
        named = {next(iter(self.runnable.args), ""): given} if isinstance(given, str) else given
        return {"type": "tool_call", "name": self.runnable.name, "args": named, "id": ""}, injected

    def _result(self, answer: Any) -> Any:
        return answer if self.runnable.response_format == "content" else (answer.content, answer.artifact)


def _around() -> Any:
    """The config that is in force where LangChain calls a tool."""
    return peer().runnables.ensure_config()


def _hidden(tool: BaseTool) -> set[str]:
    schema = tool.args_schema
    return injected_in(schema) if isinstance(schema, type) else set()


@cache
def _tool_class() -> Any:
    return with_field("PlaitTool", _Does, peer().tools.BaseTool)


def tool_for(tool: BaseTool) -> Any:
    """The tool as one of LangChain's."""
    return _tool_class()(
        runnable=tool,
        name=tool.name,
        description=tool.description,
        args_schema=_schema_for(tool),
        response_format=tool.response_format,
        return_direct=tool.return_direct,
    )


def _schema_for(tool: BaseTool) -> Any:
    """The arguments, with LangChain's marks where no model is told of one: the program gives them there, too."""
    hidden, model = _hidden(tool), tool.args_schema
    if not hidden:
        return tool.tool_call_schema
    lc = peer().tools
    marked: dict[str, Any] = {
        attribute: (
            Annotated[field.annotation, lc.InjectedToolCallId() if is_call_id(model, name) else lc.InjectedToolArg()],
            field,
        )
        for attribute, field in model.model_fields.items()
        if (name := field.alias or attribute) in hidden
    }
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **marked)


def written(tool: Any) -> Any:
    """A tool as a model of LangChain's can be told of it: one of ours in OpenAI's form, which they all read."""
    if isinstance(tool, LangChainTool):
        return tool.tool
    return cast(Any, convert_to_openai_tool(tool)) if isinstance(tool, Runnable) else tool

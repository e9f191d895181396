"""Tools made of functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Self, cast, overload

from pydantic import BaseModel, ConfigDict, Field

from plait.errors import ChainError
from plait.inspection import kind_of, name_of
from plait.runnables import Runnable
from plait.tools.arguments import arguments_of
from plait.tools.base import BaseTool, ToolsArguments
from plait.tools.docstrings import docstring_of, documented

__all__ = ["StructuredTool", "Tool", "tool"]


class StructuredTool(BaseTool):
    """A tool of a function, a coroutine function, or both: ``from_function`` and ``@tool`` make one."""

    model_config = ConfigDict(frozen=True)

    func: Callable[..., Any] | None = Field(default=None, exclude=True, repr=False)
    coroutine: Callable[..., Awaitable[Any]] | None = Field(default=None, exclude=True, repr=False)

    @classmethod
    def from_function(
        cls,
        func: Callable[..., Any] | None = None,
        coroutine: Callable[..., Awaitable[Any]] | None = None,
        name: str | None = None,
        description: str | None = None,
        return_direct: bool = False,
        args_schema: ToolsArguments | None = None,
        infer_schema: bool = True,
        *,
        response_format: Literal["content", "content_and_artifact"] = "content",
        parse_docstring: bool = True,
        error_on_invalid_docstring: bool = False,
        **settings: Any,
    ) -> Self:
        """A tool that calls ``func``, or in async code ``coroutine``, of which one may be missing.

        Name, description and arguments are those of the function: its name, the start of its docstring, its parameters
        with what the docstring's ``Args:`` say of them (unless ``parse_docstring`` is False).
        """
        if func is not None and coroutine is None and kind_of(func) == "async":
            func, coroutine = None, func
        source = func or coroutine
        if source is None:
            raise ChainError("a tool needs a function: give func, coroutine, or both")
        _refuse_generator(source)
        called = name or name_of(source)
        if args_schema is None and infer_schema:
            args_schema = arguments_of(
                source, called, parse_docstring=parse_docstring, strict_docstring=error_on_invalid_docstring
            )
        return cls(
            name=called,
            description=description or _described(source, args_schema, parse_docstring),
            func=func,
            coroutine=coroutine,
            args_schema=args_schema,
            return_direct=return_direct,
            response_format=response_format,
            **settings,
        )

    def _called(self) -> Callable[..., Any]:
        function = self.func or self.coroutine
        if function is None:
            raise ChainError(f"the tool {self.name!r} needs a function: give func, coroutine, or both")
        return function

    def _run(self, /, *args: Any, **kwargs: Any) -> Any:
        if self.func is None:
            raise TypeError(f"the tool {self.name!r} is async only: use ainvoke, astream or abatch")
        return self.func(*args, **kwargs)

    async def _arun(self, /, *args: Any, **kwargs: Any) -> Any:  # twin: a sync function has a thread
        if self.coroutine is None:
            return await super()._arun(*args, **kwargs)
        return await self.coroutine(*args, **kwargs)


def _refuse_generator(func: Callable[..., Any]) -> None:
    if kind_of(func) in ("gen", "agen"):
        raise ChainError(f"{name_of(func)!r} is a generator, and a tool gives one answer: let it return a list")


def _described(func: Callable[..., Any], args_schema: Any, parse_docstring: bool) -> str:
    text = docstring_of(func) or ""
    said = documented(text).summary if parse_docstring else text.strip()
    if not said and isinstance(args_schema, type) and issubclass(args_schema, BaseModel):
        said = documented(args_schema.__doc__).summary
    if not said and isinstance(args_schema, dict):
        said = str(cast("dict[str, Any]", args_schema).get("description", ""))
    if said:
        return said
    raise ChainError(f"the tool {name_of(func)!r} needs a description: give it one, or write a docstring")


class Tool(StructuredTool):
    """A tool that takes one text: ``Tool(name, func, description)``."""

    def __init__(
        self, name: str, func: Callable[..., Any] | None = None, description: str = "", **settings: Any
    ) -> None:
        super().__init__(name=name, func=func, description=description, **settings)  # pyright: ignore[reportCallIssue]  # the fields of a base

    def model_post_init(self, context: Any, /) -> None:
        """Take one text, whatever the parameter of the function is called."""
        if self.args_schema is None:
            vars(self)["args_schema"] = _ONE_TEXT
        super().model_post_init(context)

    def _run(self, /, *args: Any, **kwargs: Any) -> Any:
        return super()._run(*args, *kwargs.values())

    async def _arun(self, /, *args: Any, **kwargs: Any) -> Any:  # twin: a sync function has a thread
        if self.coroutine is None:
            return await super()._arun(*args, **kwargs)
        return await self.coroutine(*args, *kwargs.values())


_ONE_TEXT = {
    "type": "object",
    "properties": {"tool_input": {"type": "string"}},
    "required": ["tool_input"],
    "additionalProperties": False,
}


def _refuse_other(given: Any) -> None:
    """What a tool cannot be made of."""
    kind = type(given).__name__
    if isinstance(given, Runnable):
        raise ChainError(f"a tool is made of a function; {kind} becomes one by its as_tool(...)")
    if given is not None and not callable(given):
        raise ChainError(f"a tool is made of a function, got {kind}")


@overload
def tool(name_or_callable: Callable[..., Any], runnable: None = None, /, **settings: Any) -> StructuredTool: ...


@overload
def tool(name_or_callable: str, runnable: Runnable[Any, Any], /, **settings: Any) -> BaseTool: ...


@overload
def tool(
    name_or_callable: str | None = None, runnable: None = None, /, **settings: Any
) -> Callable[[Callable[..., Any]], StructuredTool]: ...


def tool(
    name_or_callable: str | Callable[..., Any] | None = None,
    runnable: Runnable[Any, Any] | None = None,
    /,
    **settings: Any,
) -> Any:
    """Make a tool of a function: ``@tool``, ``@tool("name")``, ``@tool(args_schema=...)``; or ``tool("name", runnable)``.

    The docstring says what it does and, under ``Args:``, what its arguments are. ``settings`` are those of
    ``StructuredTool.from_function``, or of ``as_tool``.
    """
    if runnable is not None:
        from plait.tools.runnables import as_tool

        return as_tool(runnable, name=str(name_or_callable), **settings)
    if isinstance(name_or_callable, str):
        settings["name"] = name_or_callable
    else:
        _refuse_other(name_or_callable)

    def made(func: Callable[..., Any]) -> StructuredTool:
        return StructuredTool.from_function(func, **settings)

    return made(name_or_callable) if callable(name_or_callable) else made

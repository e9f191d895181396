"""The step of a chain that does what a model asks for: runs the tool calls of a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from pydantic import ConfigDict, Field, PrivateAttr

from plait.concurrency import DEFAULT_CONCURRENCY, agather, gather
from plait.errors import ChainError, ConfigError, ToolException
from plait.messages import AIMessage, BaseMessage, ToolCall, ToolMessage
from plait.redaction import masked
from plait.runnables.serializable import RunnableSerializable
from plait.runnables.stages import at
from plait.runs import Scope
from plait.tools.arguments import spellings
from plait.tools.base import BaseTool, Handler
from plait.tools.functions import tool as made_tool

__all__ = ["ToolNode"]

_LONGEST_ERROR = 2000  # characters


class ToolNode(RunnableSerializable[Any, list[ToolMessage]]):
    """Runs the tool calls of an ``AIMessage``, or of the last one of a list, together; gives a ``ToolMessage`` for each.

    They are in the order of the calls. Calls that cannot be read, calls of unknown tools, wrong arguments and
    ``ToolException`` become messages with the status ``error``, so that the model can do better; anything else that a tool
    raises ends the others and is raised. ``handle_tool_errors``: False raises all of it, a text is told instead, a function
    makes the text; an exception class, or a tuple of them, is told as well. A message with more than ``max_calls`` calls is
    refused.

    ``injected`` (of ``invoke``, or bound) has values for arguments that are marked as injected, by name.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    _strict_input: ClassVar[bool] = False

    tools: list[Any] = Field(kw_only=False)
    handle_tool_errors: Handler | type[Exception] | tuple[type[Exception], ...] = True
    max_calls: int = Field(default=64, ge=1)

    _by_name: dict[str, BaseTool] = PrivateAttr(default_factory=dict[str, BaseTool])

    def __init__(self, tools: Sequence[Any], **fields: Any) -> None:
        listed: list[BaseTool] = [each if isinstance(each, BaseTool) else made_tool(each) for each in tools]
        super().__init__(tools=listed, **fields)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # the fields of a base
        for each in listed:
            if each.name in self._by_name:
                raise ChainError(f"two tools are called {each.name!r}; a model could not tell them apart")
            self._by_name[each.name] = each

    @property
    def tools_by_name(self) -> dict[str, BaseTool]:
        """The tools, by the names that models call them by."""
        return dict(self._by_name)

    def _invoke(
        self, input: Any, config: Scope | None = None, *, injected: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[ToolMessage]:
        def one(index: int, call: Any) -> ToolMessage:
            try:
                found = self._found(call)
                given = _for(found, injected)
                return cast(ToolMessage, found.invoke(call, at(config, f"tool:{index}"), injected=given))
            except told as error:
                return self._told(call, error)

        told = self._told_of()
        self._check_injected(injected)
        permits = None if config is None else config.permits
        return gather(one, self._asked(input), DEFAULT_CONCURRENCY, permits)

    async def _ainvoke(
        self, input: Any, config: Scope | None = None, *, injected: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> list[ToolMessage]:
        async def one(index: int, call: Any) -> ToolMessage:
            try:
                found = self._found(call)
                given = _for(found, injected)
                return cast(ToolMessage, await found.ainvoke(call, at(config, f"tool:{index}"), injected=given))
            except told as error:
                return self._told(call, error)

        told = self._told_of()
        self._check_injected(injected)
        permits = None if config is None else config.permits
        return await agather(one, self._asked(input), DEFAULT_CONCURRENCY, permits)

    def _check_injected(self, injected: Mapping[str, Any] | None) -> None:
        """Refuse names that no tool takes: the model could not mend what the program has misspelt."""
        known = {name for each in self._by_name.values() for name in _hidden_in(each)}
        strange = sorted((injected or {}).keys() - known)
        if strange:
            there = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"no tool has an injected argument {', '.join(map(repr, strange))}; there are: {there}")

    def _asked(self, input: Any) -> list[Any]:
        message = _last(input)
        if not isinstance(message, AIMessage):
            raise TypeError(
                f"{self.get_name()} runs the tool calls of an AIMessage, or of a list that ends with one; "
                f"got {type(message).__name__}"
            )
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        if len(calls) > self.max_calls:
            raise ToolException(
                f"a message has {len(calls)} tool calls; {self.get_name()} runs at most {self.max_calls}"
            )
        return calls

    def _found(self, call: Any) -> BaseTool:
        name = call.get("name")
        if call.get("type") == "invalid_tool_call":
            raise ToolException(f"the call of {name!r:.80} cannot be read: {call.get('error')}")
        if name not in self._by_name:
            there = ", ".join(self._by_name) or "none"
            raise ToolException(f"there is no tool {name!r:.80}; the tools are: {there}")
        return self._by_name[name]

    def _told_of(self) -> tuple[type[Exception], ...]:
        """The errors that models are told of."""
        handler = self.handle_tool_errors
        if isinstance(handler, tuple):
            return ToolException, *cast("tuple[type[Exception], ...]", handler)
        return (ToolException, handler) if isinstance(handler, type) else (ToolException,)

    def _told(self, call: ToolCall, error: Exception) -> ToolMessage:
        handler = self.handle_tool_errors
        if handler is False:
            raise error
        if handler is True or isinstance(handler, tuple | type):
            said = masked(str(error) if isinstance(error, ToolException) else f"{type(error).__name__}: {error}")
        else:
            said = handler(error) if callable(handler) else str(handler)
        text = str(said)[:_LONGEST_ERROR]
        return ToolMessage(content=text, name=call.get("name"), tool_call_id=call.get("id") or "", status="error")


def _last(input: Any) -> Any:
    if isinstance(input, BaseMessage):
        return input
    messages: Any = cast("Mapping[str, Any]", input).get("messages") if isinstance(input, Mapping) else input
    listed = isinstance(messages, list | tuple) and len(cast("Sequence[Any]", messages)) > 0
    return cast("Any", messages)[-1] if listed else cast("Any", messages)


def _for(tool: BaseTool, injected: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of the values that the program gives, those that this tool takes."""
    taken = _hidden_in(tool) if injected else set[str]()
    return {name: value for name, value in (injected or {}).items() if name in taken} or None


def _hidden_in(tool: BaseTool) -> set[str]:
    return set() if isinstance(tool.args_schema, Mapping) else {*spellings(tool.args_schema)}

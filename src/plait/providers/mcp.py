"""Tools of servers that speak the Model Context Protocol, through its official SDK.

A server is talked to on an event loop in a thread of its own, so that it serves sync and async code, and outlives each
call. It is written by others: names, descriptions, schemas and results are taken only within bounds.

https://modelcontextprotocol.io/specification
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, cast

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import to_json

from plait.concurrency import in_thread
from plait.errors import ConfigError, MissingExtraError, ToolException, ToolInputError
from plait.json_schema import fault, malformed
from plait.providers.bounded_answers import bounded_transport
from plait.providers.bounded_lines import bounded_lines
from plait.redaction import masked
from plait.stopping import stopping
from plait.tools import BaseTool

if TYPE_CHECKING:
    from mcp import Client

__all__ = ["MCPTool", "MCPTools"]

_MOST_TOOLS: Final = 1000
_MOST_PAGES: Final = 100
_DEEPEST: Final = 100
_LONGEST_DESCRIPTION: Final = 10_000  # characters
_LONGEST_ERROR: Final = 2_000  # characters
_LARGEST_SCHEMA: Final = 100_000  # values
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME: Final = 64  # characters; what vendors of models allow
_LONGEST_LINE: Final = 8_000_000  # characters of one message, for tools that are listed

OnProgress: TypeAlias = Callable[[str, float, float | None, str | None], object]
"""Called with the name of a tool, how much is done, how much there is, and a message."""


class MCPTools:
    """The tools of one MCP server, which runs, or is connected to, inside a ``with`` or an ``async with`` block.

    ``MCPTools("uvx", ["some-server"])`` starts a program and talks to its stdin and stdout; it gets ``env`` and of this
    process's environment only what the SDK thinks harmless, so no keys. ``MCPTools(url="https://...")`` connects by
    streamable HTTP. Either must come from the program, never from a model.

    names: the tools that are wanted, by the names that the server has for them; all of them by default.
    prefix: put before each name, so that tools of two servers are not mistaken for one another.
    timeout: seconds for a call of a tool, where the config has no shorter one.
    connect_timeout: seconds until the server must have told of its tools.
    max_chars: the longest result that is taken.
    on_progress: called with the server's name of a tool, how much of a call is done, how much there is (or None), and a
    message (or None), as the server tells of it; in the thread that talks to it, so it should be short.

    Raises ToolException for a server that cannot be started or reached, or tells of what cannot be a tool.
    """

    def __init__(
        self,
        command: str | None = None,
        args: Sequence[str] = (),
        *,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        headers: Mapping[str, str] | None = None,
        names: Collection[str] | None = None,
        prefix: str = "",
        timeout: float = 60.0,
        connect_timeout: float = 30.0,
        max_chars: int = 1_000_000,
        on_progress: OnProgress | None = None,
    ) -> None:
        if (command is None) == (url is None):
            raise ConfigError("MCPTools needs either a command to start or the url of a server")
        line = max(_LONGEST_LINE, 8 * max_chars)  # a character may be written as six, and a result twice
        stdio = (command or "", args, env, cwd, line)
        self._connect = _by_http(cast(str, url), headers, line) if command is None else _by_stdio(*stdio)
        self._where = f"the MCP server {masked(command or cast(str, url))!r}"
        self._names = None if names is None else frozenset(names)
        self._prefix = prefix
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_chars = max_chars
        self._on_progress = on_progress
        self._outputs: dict[str, dict[str, Any]] = {}
        self._line: _Line | None = None
        self.tools: list[MCPTool] = []
        """What the server offers, while it is open."""

    def __repr__(self) -> str:
        return f"<MCPTools of {self._where}>"

    def __enter__(self) -> Self:
        if self._line is not None:
            raise ToolException(f"{self._where} is open already")
        self._line = _Line(self._connect, self._connect_timeout, self._where)
        try:
            self._line.open()
            listed = self._line.call(lambda client: _listed(client, self._connect_timeout, self._where))
            self.tools = self._offered(listed)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:  # twin: it waits in a thread
        return await in_thread(self.__enter__)

    async def __aexit__(  # twin: it waits in a thread
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await in_thread(self.close)

    def close(self) -> None:
        """End the connection and the program that was started; again, if need be."""
        line, self._line, self.tools = self._line, None, []
        if line is not None:
            line.close()

    def get_tools(self) -> list[BaseTool]:
        """The tools of the server."""
        return [*self.tools]

    def _offered(self, listed: list[Any]) -> list[MCPTool]:
        wanted = [each for each in listed if self._names is None or each.name in self._names]
        absent = sorted((self._names or frozenset()) - {each.name for each in wanted})
        if absent:
            raise ToolException(f"{self._where} has no tool {', '.join(map(repr, absent))}")
        made = [self._made(each) for each in wanted]
        called = [each.name for each in made]
        if len(set(called)) < len(called):
            raise ToolException(f"{self._where} has two tools of one name: {sorted(called)!r:.200}")
        return made

    def _made(self, tool: Any) -> MCPTool:
        what = f"the tool {tool.name!r:.80} of {self._where}"
        if not tool.name:
            raise ToolException(f"{self._where} has a tool without a name")
        if tool.output_schema is not None:
            self._outputs[tool.name] = _sound(tool.output_schema, f"the output schema of {what}")
        return MCPTool(
            name=_STRANGE.sub("_", self._prefix + str(tool.name))[:_LONGEST_NAME],
            description=str(tool.description or tool.title or "")[:_LONGEST_DESCRIPTION],
            args_schema={"type": "object", "properties": {}, **_sound(tool.input_schema, f"the schema of {what}")},
            remote_name=tool.name,
            server=self,
        )

    def _asked(self, name: str, args: dict[str, Any]) -> Callable[[Client], Coroutine[Any, Any, tuple[Any, Any]]]:
        _check_sendable(name, args)
        told = None if self._on_progress is None else _Told(self._on_progress, name)

        async def ask(client: Client) -> tuple[Any, Any]:
            try:
                result = await client.call_tool(name, args, self._timeout, told)
            except Exception as error:  # of the SDK, of what came, of the connection: the server failed in any case
                raise _failed(name, self._where, error) from error
            if told is not None and told.error is not None:
                raise told.error
            return _read(result, f"the tool {name!r:.80} of {self._where}", self._outputs.get(name), self._max_chars)

        return ask

    def _open_line(self) -> _Line:
        if self._line is None:
            raise ToolException(f"{self._where} is closed; call its tools inside the with block")
        return self._line

    def call(self, name: str, args: dict[str, Any]) -> tuple[Any, Any]:
        """What a tool of the server gives: content for a model, and structured content or None."""
        given: tuple[Any, Any] = self._open_line().call(self._asked(name, args))
        return given

    async def acall(self, name: str, args: dict[str, Any]) -> tuple[Any, Any]:
        """What a tool of the server gives: content for a model, and structured content or None."""
        given: tuple[Any, Any] = await self._open_line().acall(self._asked(name, args))
        return given


class _Told:
    """Tells a function of the user's how far a call is; what that raises is kept, and it is told no more."""

    def __init__(self, tell: OnProgress, name: str) -> None:
        self._tell = tell
        self._name = name
        self.error: Exception | None = None

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        try:
            if self.error is None:
                self._tell(self._name, progress, total, message if message is None else message[:_LONGEST_ERROR])
        except Exception as error:  # the call raises it when it ends
            self.error = error


class MCPTool(BaseTool):
    """A tool of an MCP server; ``MCPTools`` has them. The server checks the arguments. Structured content is the artifact."""

    model_config = ConfigDict(frozen=True)

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    server: MCPTools = Field(exclude=True, repr=False)
    remote_name: str
    """What the server calls it."""

    def _run(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.server.call(self.remote_name, kwargs)

    async def _arun(self, /, *args: Any, **kwargs: Any) -> Any:
        return await self.server.acall(self.remote_name, kwargs)


# ------------------------------------------------------------------------------------------------------------ connecting


def _sdk() -> Any:
    try:
        import mcp
    except ImportError as error:
        raise MissingExtraError("tools of MCP servers need the extra: pip install 'plait[mcp]'") from error
    return mcp


def _by_stdio(
    command: str, args: Sequence[str], env: Mapping[str, str] | None, cwd: str | None, line: int
) -> Callable[[AsyncExitStack], Coroutine[Any, Any, AbstractAsyncContextManager[Any]]]:
    async def connect(stack: AsyncExitStack) -> AbstractAsyncContextManager[Any]:
        wanted = _sdk().StdioServerParameters(
            command=command, args=[*args], env=dict(env or {}), cwd=cwd, encoding=bounded_lines(line)
        )
        return cast("AbstractAsyncContextManager[Any]", _sdk().stdio_client(wanted, sys.__stderr__))

    return connect


def _by_http(
    url: str, headers: Mapping[str, str] | None, most: int
) -> Callable[[AsyncExitStack], Coroutine[Any, Any, AbstractAsyncContextManager[Any]]]:
    async def connect(stack: AsyncExitStack) -> AbstractAsyncContextManager[Any]:
        _sdk()
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        settings: dict[str, Any] = {
            "headers": {**(headers or {}), "accept-encoding": "identity"},
            "timeout": None,
            "transport": bounded_transport(most),
        }
        client = await stack.enter_async_context(httpx2.AsyncClient(**settings))
        return streamable_http_client(url, http_client=client, max_sse_event_size=most)

    return connect


def _leave_results_alone(client: Any) -> None:
    """Keep the SDK from checking results by schemas of the server, whose patterns could keep it busy for ever."""

    async def unchecked(name: str, result: Any) -> None:
        return

    client.session.validate_tool_result = unchecked


class _Line:
    """A connection, and the thread with the event loop that it lives on."""

    def __init__(self, connect: Callable[[AsyncExitStack], Any], seconds: float, where: str) -> None:
        self._connect = connect
        self._seconds = seconds
        self._where = where
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="plait mcp", daemon=True)  # it outlives each call
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._closing: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_ended = False

    def open(self) -> None:
        self._thread.start()
        stop = stopping.get()
        try:
            with nullcontext() if stop is None else stop.calling(self._end):
                self._opened.result()
        finally:
            if stop is not None:
                stop.check()

    def close(self) -> None:
        if self._thread.ident is not None:
            self._end()
            self._thread.join()

    def _end(self) -> None:
        self._is_ended = True
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._close)
            except RuntimeError:  # the loop has ended
                return

    def _close(self) -> None:
        """End the connection, or the attempt to make one; on the loop."""
        if self._closing is not None:
            self._closing.set()
        if self._task is not None and not self._opened.done() and not self._task.cancelling():
            self._task.cancel()

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error if isinstance(error, Exception) else ToolException(repr(error)))

    async def _serve(self) -> None:
        self._closing, self._task = asyncio.Event(), asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        if self._is_ended:  # before there was a loop
            self._close()
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._seconds):
                    transport = await self._connect(stack)
                    client = _sdk().Client(transport, cache=None)
                    self._client = await stack.enter_async_context(client)
                    _leave_results_alone(self._client)
            except MissingExtraError:
                raise
            except Exception as error:
                said = f"did not answer within {self._seconds} s" if isinstance(error, TimeoutError) else _said(error)
                raise ToolException(f"{self._where} cannot be talked to: {said}") from error
            self._opened.set_result(None)
            await self._closing.wait()
            await _end_all()

    def _begin(self, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> _Job:
        try:
            return _Job(cast("asyncio.AbstractEventLoop", self._loop), work, cast("Client", self._client))
        except RuntimeError as error:  # the loop has ended
            raise ToolException(f"{self._where} is closed") from error

    def call(self, work: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
        """What the work gives; it is cancelled, and has ended, when this call is to end."""
        job, stop = self._begin(work), stopping.get()
        with nullcontext() if stop is None else stop.calling(job.cancel):
            try:
                return job.outcome.result()
            except _Ended as ended:
                if stop is not None:
                    stop.check()
                raise ToolException(f"{self._where} was closed during the call") from ended

    async def acall(  # twin: a task is cancelled
        self, work: Callable[[Client], Coroutine[Any, Any, Any]]
    ) -> Any:
        """What the work gives; it is cancelled, and has ended, when this task is cancelled."""
        job = self._begin(work)
        waiting = asyncio.wrap_future(job.outcome)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            job.cancel()
            await asyncio.wait([waiting])
            waiting.exception()  # it was seen
            raise
        except _Ended as ended:
            raise ToolException(f"{self._where} was closed during the call") from ended


class _Ended(Exception):
    """Work was cancelled on the loop of the connection."""


class _Job:
    """Work on another loop; its outcome comes when it has ended, cancelled or not."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Callable[[Client], Any], client: Client) -> None:
        self.outcome: Future[Any] = Future()
        self._loop = loop
        self._work = work
        self._client = client
        self._task: asyncio.Task[Any] | None = None
        loop.call_soon_threadsafe(self._start)

    def _start(self) -> None:
        self._task = self._loop.create_task(self._work(self._client), name=_JOBS)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        error = _Ended() if task.cancelled() else task.exception()
        if error is None:
            self.outcome.set_result(task.result())
        else:
            self.outcome.set_exception(error)

    def cancel(self) -> None:
        try:
            self._loop.call_soon_threadsafe(lambda: self._task and self._task.cancel())
        except RuntimeError:  # the loop has ended, and with it the work
            return


_JOBS: Final = "plait mcp call"


async def _end_all() -> None:
    """Cancel the calls that are still waiting."""
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == _JOBS]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


# --------------------------------------------------------------------------------------------------------- what has come


async def _listed(client: Client, seconds: float, where: str) -> list[Any]:
    found: list[Any] = []
    cursor: str | None = None
    try:
        async with asyncio.timeout(seconds):
            for _ in range(_MOST_PAGES):
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if len(found) > _MOST_TOOLS or not cursor:
                    break
    except TimeoutError as error:
        raise ToolException(f"{where} does not tell of its tools: it did not answer within {seconds} s") from error
    except Exception as error:
        raise ToolException(f"{where} does not tell of its tools: {_said(error)}") from error
    if len(found) > _MOST_TOOLS or cursor:
        raise ToolException(f"{where} tells of more than {_MOST_TOOLS} tools, or of ever more pages of them")
    return found


def _check_sendable(name: str, args: Mapping[str, Any]) -> None:
    """Refuse what cannot be written as JSON: the SDK would give up the connection."""
    try:
        to_json(args)
    except (ValueError, RecursionError) as error:
        said = masked(str(error).splitlines()[0])[:_LONGEST_ERROR]
        raise ToolInputError(f"the arguments for the tool {name!r:.80} cannot be sent as JSON: {said}") from None


def _sound(schema: Any, what: str) -> dict[str, Any]:
    """The schema; raises ToolException for one that is none."""
    _check_depth(schema, what)
    wrong = malformed(schema)
    if wrong:
        raise ToolException(f"{what} is no JSON Schema: {wrong}; choose tools without it by names=[...]")
    return cast("dict[str, Any]", schema)


def _check_depth(value: Any, what: str) -> None:
    """Refuse what is too deep or too large."""
    level, seen = [value], 0
    for _ in range(_DEEPEST):
        level = [part for each in level for part in _parts(each)]
        seen += len(level)
        if not level:
            return
        if seen > _LARGEST_SCHEMA:
            raise ToolException(f"{what} is too large")
    raise ToolException(f"{what} is nested more than {_DEEPEST} deep")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*cast("dict[Any, Any]", value).values()]
    return cast("list[Any]", value) if isinstance(value, list) else []


def _read(result: Any, who: str, schema: Mapping[str, Any] | None, most: int) -> tuple[Any, Any]:
    """The content, one text as it is, and the structured content."""
    blocks = [_block(each) for each in result.content]
    size = sum(len(value) for block in blocks for value in block.values() if isinstance(value, str))
    if size > most:
        raise ToolException(f"{who} gave {size} characters; at most {most} are taken (max_chars)")
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    if result.is_error:
        raise ToolException(masked("\n".join(texts))[:_LONGEST_ERROR] or f"{who} failed and did not say why")
    structured: Any = result.structured_content
    _check_structured(structured, who, schema)
    if len(texts) == len(blocks) == 1:
        return texts[0], structured
    return blocks or _written(structured, who, most), structured


def _check_structured(value: Any, who: str, schema: Mapping[str, Any] | None) -> None:
    if value is not None:
        _check_depth(value, f"what {who} gave")
    wrong = None if schema is None else fault(value, schema)
    if wrong:
        raise ToolException(f"{who} gave what its own schema does not allow: {masked(wrong)[:_LONGEST_ERROR]}")


def _written(structured: Any, who: str, most: int) -> str:
    text = "" if structured is None else json.dumps(structured, ensure_ascii=False)
    if len(text) > most:
        raise ToolException(f"{who} gave {len(text)} characters; at most {most} are taken (max_chars)")
    return text


def _block(part: Any) -> dict[str, Any]:
    """A part of a result as a block of a message."""
    match part.type:
        case "text":
            return {"type": "text", "text": part.text}
        case "image" | "audio":
            return {"type": part.type, "base64": part.data, "mime_type": part.mime_type}
        case "resource" if hasattr(part.resource, "text"):
            return {"type": "text", "text": part.resource.text}
        case "resource":
            return {"type": "file", "base64": part.resource.blob, "mime_type": part.resource.mime_type}
        case _:
            return {"type": "text", "text": str(getattr(part, "uri", ""))}


def _failed(name: str, where: str, error: Exception) -> ToolException:
    return ToolException(f"the tool {name!r:.80} of {where} failed: {_said(error)}")


def _said(error: BaseException) -> str:
    """The first cause that is no group, in short."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return (
            f"its answer is not what the protocol says: {'.'.join(map(str, first['loc']))[:80]}: {first['msg'][:200]}"
        )
    return masked(f"{type(error).__name__}: {getattr(error, 'message', error)}")[:_LONGEST_ERROR]

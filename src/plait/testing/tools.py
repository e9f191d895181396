"""``check_tool``: does a tool do what a model, and the program around it, must be able to expect?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from plait.concurrency import in_thread
from plait.errors import ToolInputError
from plait.messages import ToolMessage
from plait.testing.conformance import check_runnable
from plait.testing.equality import same, shown
from plait.testing.findings import LAWS, Law
from plait.testing.trials import FAILED, Trial, judged
from plait.testing.witness import Recorder
from plait.tools import BaseTool, convert_to_openai_tool

__all__ = ["TOOL_LAWS", "acheck_tool", "check_tool"]

TOOL_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("A call gives an answer, and raises nothing.", "let _run take the arguments that the schema allows"),
    "told": Law(
        "A model is told of it: a name, a description, and the JSON Schema of its arguments as an object.",
        "give it a name of letters, digits, _ and -, a description, and arguments that JSON can say",
    ),
    "tool-call": Law(
        "A tool call gives a ToolMessage with the id of the call, the name of the tool, and the same answer.",
        "leave the reading of the input to BaseTool: write _run, not invoke",
    ),
    "wrong-name": Law("A call of another tool is refused.", "leave the reading of the input to BaseTool"),
    "wrong-arguments": Law(
        "Arguments that are missing, or unknown, are refused with an error that names them, unless the schema allows others.",
        "leave the check of the arguments to BaseTool, and give args_schema",
    ),
    "hidden": Law(
        "What the program gives is not told to models, and is refused from them.",
        "mark it: Annotated[str, InjectedToolArg]",
    ),
    "twins": Law("The async verbs give what the sync ones give.", "let both do the same work, or write only one"),
    "labels": Law("A run is of the kind tool, and has the name and tags of the tool.", "leave invoke to BaseTool"),
    "event-loop": Law(
        "The async verbs do not make the loop wait.", "await instead, or leave them out: a thread is used"
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open: no task, thread, generator or file.",
        "await every task, join every thread and close what you open before the call returns",
    ),
}
"""What every tool keeps to besides the laws of a runnable, by name."""

_UNKNOWN: Final = "no_such_argument"


def check_tool(
    tool: BaseTool,
    calls: Iterable[Mapping[str, Any]],
    *,
    injected: Mapping[str, Any] | None = None,
    equal: Callable[[Any, Any], bool] = same,
    as_runnable: bool = True,
    async_only: bool = False,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Call a tool in every way, and raise ConformanceError, which lists each of ``TOOL_LAWS`` that it breaks.

    calls: arguments that work, at least one dict, as a model would give them.
    injected: what the program gives besides.
    equal: ``equal(expected, came)`` for answers that differ from call to call.
    as_runnable: whether ``check_runnable`` is run first, with its hundreds of calls; its laws are told then.
    async_only: for a tool that has no sync form.
    skip: laws of either kind that are known not to hold, each with the reason.

    It starts event loops: where one is running, use ``acheck_tool``.
    """
    given, skipped = [dict(call) for call in calls], dict(skip or {})
    if not given:
        raise ValueError("a check needs at least one call that works")
    own = {law: why for law, why in skipped.items() if law in TOOL_LAWS or law not in LAWS}
    if as_runnable:
        _check_as_runnable(tool, [{**call, **(injected or {})} for call in given], equal, skipped, async_only)
    judged(tool, "a tool", TOOL_LAWS, own, lambda trial: _Check(trial, tool, given, injected, equal, async_only).run())


async def acheck_tool(  # twin: it runs in a thread
    tool: BaseTool, calls: Iterable[Mapping[str, Any]], **options: Any
) -> None:
    """As ``check_tool``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_tool, tool, calls, **options)


def _check_as_runnable(
    tool: BaseTool, inputs: list[Any], equal: Callable[[Any, Any], bool], skipped: Mapping[str, str], async_only: bool
) -> None:
    from plait.testing.modes import ASYNC_MODES, MODES

    rest = {law: why for law, why in skipped.items() if law in LAWS}
    is_told = tool.handle_validation_error or _is_open(tool)
    wrong = [] if is_told else [({_UNKNOWN: 1}, ToolInputError)]
    modes = ASYNC_MODES if async_only else tuple(MODES)
    check_runnable(tool, inputs, errors=wrong, equal=equal, skip=rest, modes=modes)


def _is_open(tool: BaseTool) -> bool:
    """Whether its schema says that it takes other arguments than those that it names."""
    return tool.get_tool_json_schema().get("additionalProperties", False) is not False


class _Check:
    def __init__(
        self,
        trial: Trial,
        tool: BaseTool,
        calls: list[dict[str, Any]],
        injected: Mapping[str, Any] | None,
        equal: Callable[[Any, Any], bool],
        async_only: bool,
    ) -> None:
        self.trial = trial
        self.tool = tool
        self.calls = calls
        self.injected = dict(injected or {})
        self.equal = equal
        self.async_only = async_only

    def run(self) -> None:
        self._told()
        for arguments in self.calls:
            self._answers(arguments)
        self._refused("wrong-name", {**self._call(self.calls[0]), "name": f"{self.tool.name}_of_another"}, "another")
        if not _is_open(self.tool):
            self._refused("wrong-arguments", self._call({**self.calls[0], _UNKNOWN: 1}), _UNKNOWN)
        for name in self.tool.get_tool_json_schema().get("required", ()):
            left = {key: value for key, value in self.calls[0].items() if key != name}
            self._refused("wrong-arguments", self._call(left), name)
        self._hidden()
        self._labels()

    def _call(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "tool_call", "name": self.tool.name, "args": dict(arguments), "id": "call_1"}

    def _invoke(self, where: str, input: Any, **kwargs: Any) -> Any:
        if self.async_only:
            return self.trial.acall(where, self.tool.ainvoke, input, **kwargs)
        return self.trial.call(where, self.tool.invoke, input, **kwargs)

    def _told(self) -> None:
        try:
            told = cast("dict[str, Any]", json.loads(json.dumps(convert_to_openai_tool(self.tool)))["function"])
        except Exception as error:
            self.trial.tell("told", "a tool in OpenAI's form", f"{type(error).__name__}: {error}", "its schema")
            return
        if not told.get("description") or told["parameters"].get("type") != "object":
            self.trial.tell("told", "a description, and an object of arguments", shown(told), "its schema")
        if not str(told["name"]).replace("_", "").replace("-", "").isalnum() or len(str(told["name"])) > 64:
            self.trial.tell("told", "a name of 1 to 64 letters, digits, _ and -", shown(told["name"]), "its name")

    def _answers(self, arguments: dict[str, Any]) -> None:
        where = f"the arguments {shown(arguments)}"
        given = {**arguments, **self.injected}
        answer = self._invoke(where, given)
        came = self.trial.acall(f"ainvoke, {where}", self.tool.ainvoke, given)
        if FAILED not in (answer, came) and not self.equal(answer, came):
            self.trial.tell("twins", shown(answer), shown(came), where)
        message = self._invoke(f"a tool call, {where}", self._call(arguments), injected=self.injected or None)
        if answer is FAILED or message is FAILED:
            return
        if not isinstance(message, ToolMessage) or (message.tool_call_id, message.name) != ("call_1", self.tool.name):
            self.trial.tell("tool-call", "a ToolMessage with the id of the call", shown(message), where)
        elif isinstance(answer, str) and not self.equal(answer, message.content):
            self.trial.tell("tool-call", shown(answer), shown(message.content), where)

    def _refused(self, law: str, call: dict[str, Any], named: str) -> None:
        """The call is refused, by an error or by a message whose status says so, which names what is wrong."""
        came: Any = None
        try:
            came = self._bare(call)
        except ToolInputError as error:
            said: str | None = str(error)
        except Exception as error:
            said, came = None, f"{type(error).__name__}: {error}"
        else:
            said = came.text if isinstance(came, ToolMessage) and came.status == "error" else None
        if said is None or (named not in said and self.tool.handle_validation_error in (None, False, True)):
            self.trial.tell(law, f"ToolInputError that names {named!r}", shown(came if said is None else said), named)

    def _bare(self, call: dict[str, Any]) -> Any:
        if not self.async_only:
            return self.tool.invoke(call, injected=self.injected or None)
        import asyncio

        return asyncio.run(self.tool.ainvoke(call, injected=self.injected or None))

    def _hidden(self) -> None:
        told = self.tool.args
        for name, value in self.injected.items():
            if name in told:
                self.trial.tell("hidden", f"no argument {name!r}", shown(sorted(told)), "its schema")
            self._refused("hidden", self._call({**self.calls[0], name: value}), name)

    def _labels(self) -> None:
        heard = Recorder()
        config: Any = {"callbacks": [heard], "tags": ["plait-tag"]}
        answer = self._invoke("a run", {**self.calls[0], **self.injected}, config=config)
        if answer is FAILED or not heard.runs():
            return
        run, wanted = heard.runs()[0], {"plait-tag", *(self.tool.tags or ())}
        if (run.kind, run.name) != ("tool", self.tool.name) or not wanted <= set(run.tags):
            expected = f"a tool called {self.tool.name!r} with the tags {sorted(wanted)}"
            self.trial.tell("labels", expected, f"a {run.kind} called {run.name!r} with the tags {run.tags}", "a run")

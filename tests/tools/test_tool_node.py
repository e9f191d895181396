"""ToolNode: what a model asks for is done, and told."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from plait.errors import ChainError, ConfigError, ToolException
from plait.messages import AIMessage, HumanMessage
from plait.runnables import RunnableLambda
from plait.tools import InjectedToolArg, ToolNode, tool


@tool
def double(x: int) -> int:
    """Double it."""
    return 2 * x


@tool
def refuse(why: str) -> str:
    """Refuse."""
    raise ToolException(why)


NODE = ToolNode([double, refuse])


def asking(*calls: tuple[str, dict[str, Any]]) -> AIMessage:
    made = [{"name": name, "args": args, "id": str(number)} for number, (name, args) in enumerate(calls)]
    return AIMessage("", tool_calls=made)  # type: ignore[arg-type]  # dicts of that shape


def test_calls_are_answered_in_their_order(run: Any) -> None:
    """Each has its message; a list that ends with the model's message will do."""
    asked = asking(("double", {"x": 1}), ("double", {"x": 2}))
    assert [(each.content, each.tool_call_id) for each in run(NODE, asked)] == [("2", "0"), ("4", "1")]
    assert run(NODE, [HumanMessage("?"), asked]) == run(NODE, asked)


def test_what_went_wrong_is_told_to_the_model(run: Any) -> None:
    """Unknown tools, wrong arguments, refusals and calls that nobody can read are messages with the status error."""
    message = asking(("dubble", {}), ("double", {"x": "one"}), ("refuse", {"why": "no"}))
    message.invalid_tool_calls.append(
        {"type": "invalid_tool_call", "name": "double", "args": "{", "id": "9", "error": "no JSON"}
    )
    told = run(NODE, message)
    assert [each.status for each in told] == ["error"] * 4
    said = " | ".join(str(each.content) for each in told)
    for part in ("the tools are: double, refuse", "'x' should be a valid integer", "| no |", "no JSON"):
        assert part in said


def test_errors_can_be_raised(run: Any) -> None:
    """handle_tool_errors=False."""
    with pytest.raises(ToolException, match="there is no tool 'dubble'"):
        run(ToolNode([double], handle_tool_errors=False), asking(("dubble", {})))


def test_the_number_of_calls_is_bounded(run: Any) -> None:
    """A model that asks for thousands is refused."""
    with pytest.raises(ToolException, match="3 tool calls"):
        run(ToolNode([double], max_calls=2), asking(*[("double", {"x": 1})] * 3))


def test_no_calls_give_no_messages(run: Any) -> None:
    """So that a loop can end."""
    assert run(NODE, AIMessage("done")) == []


def test_functions_are_made_tools(run: Any) -> None:
    """A plain function with a docstring will do."""

    def half(x: int) -> float:
        """Halve it."""
        return x / 2

    assert run(ToolNode([half]), asking(("half", {"x": 1})))[0].content == "0.5"


def test_what_the_program_forgets_is_its_own_error(run: Any) -> None:
    """A misspelt or missing injected value is a ConfigError, not something that a model is told to mend."""

    @tool
    def mail(folder: str, user: Annotated[str, InjectedToolArg]) -> str:
        """Read mail."""
        return f"{folder} of {user}"

    asks = AIMessage("", tool_calls=[{"name": "mail", "args": {"folder": "inbox"}, "id": "1"}])
    node = ToolNode([mail])

    assert run(node.bind(injected={"user": "ada"}), asks)[0].content == "inbox of ada"
    with pytest.raises(ConfigError, match="no tool has an injected argument 'usr'; there are: user"):
        run(node.bind(injected={"usr": "ada"}), asks)
    with pytest.raises(ConfigError, match="needs 'user' of the program"):
        run(node, asks)


@pytest.mark.parametrize("told", [LookupError, (OSError, LookupError)])
def test_other_errors_can_be_told_to_the_model(run: Any, told: Any) -> None:
    """Classes of them; ToolException is told in any case, the rest is raised."""

    def find(key: str) -> str:
        """Find."""
        if key == "x":
            raise ToolException("no x")
        return {"tea": "green"}[key] if key else str(1 / 0)

    node = ToolNode([find], handle_tool_errors=told)
    asked = asking(("find", {"key": "tea"}), ("find", {"key": "cake"}), ("find", {"key": "x"}))
    assert [each.content for each in run(node, asked)] == ["green", "KeyError: 'cake'", "no x"]
    with pytest.raises(ZeroDivisionError):
        run(node, asking(("find", {"key": ""})))


@pytest.mark.parametrize(("given", "said"), [(5, "got int"), (RunnableLambda(len), "becomes one by its as_tool")])
def test_what_is_no_tool_is_refused(given: Any, said: str) -> None:
    """When the node is made."""
    with pytest.raises(ChainError, match=said):
        ToolNode([given])

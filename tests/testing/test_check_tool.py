"""``check_tool``: the tools of plait keep its laws, and each fault that is seeded is found."""

from __future__ import annotations

import time
from typing import Annotated, Any

import pytest

from plait import BaseTool, RunnableLambda, Tool, ToolException, as_tool, create_retriever_tool, tool
from plait.testing import ConformanceError, acheck_tool, check_tool
from plait.tools import InjectedToolArg


@tool
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@tool
async def asked(question: str) -> str:
    """Answer a question."""
    return question.upper()


@tool(tags=["mail"])
def read_mail(folder: str, user: Annotated[str, InjectedToolArg]) -> str:
    """Read the mail in a folder."""
    return f"{folder} of {user}"


@tool(response_format="content_and_artifact", handle_validation_error=True)
def draw(what: str) -> tuple[str, bytes]:
    """Draw a picture."""
    return f"a picture of {what}", b"\x89PNG"


@tool
def paint(colour: str, **sizes: int) -> str:
    """Paint, with any sizes."""
    return f"{colour} {sizes}"


def found(query: str) -> list[Any]:
    return []


TOOLS: dict[str, tuple[BaseTool, list[dict[str, Any]], dict[str, Any]]] = {
    "two numbers": (add, [{"a": 1}, {"a": 1, "b": 5}], {}),
    "async only": (asked, [{"question": "why"}, {"question": "how"}], {"async_only": True}),
    "with what the program gives": (read_mail, [{"folder": "inbox"}], {"injected": {"user": "ada"}}),
    "with an artifact": (draw, [{"what": "a bear"}], {}),
    "with any others": (paint, [{"colour": "red"}, {"colour": "red", "wide": 3}], {}),
    "one text": (Tool("shout", str.upper, "Shout a text."), [{"tool_input": "hey"}], {}),
    "a runnable": (
        as_tool(RunnableLambda(str.upper).with_types(input_type=str), name="upper", description="Write in capitals."),
        [{"input": "hey"}],
        {},
    ),
    "a retriever": (create_retriever_tool(RunnableLambda(found), "find", "Find texts."), [{"query": "bears"}], {}),
}


@pytest.mark.parametrize(("each", "calls", "options"), TOOLS.values(), ids=TOOLS)
def test_tools_keep_the_laws(each: BaseTool, calls: list[dict[str, Any]], options: dict[str, Any]) -> None:
    """One suite over all of them."""
    check_tool(each, calls, **options)


class Fine(BaseTool):
    """Breaks nothing; the base of those that do."""

    name: str = "fine"
    description: str = "Repeat a text."

    def _run(self, text: str) -> str:
        return text


class Unsaid(Fine):
    description: str = ""


class BadlyNamed(Fine):
    name: str = "a name with blanks"


class Differs(Fine):
    async def _arun(self, text: str) -> str:
        return text + "!"


class Fails(Fine):
    def _run(self, text: str) -> str:
        raise ToolException("no")


class TakesAll(Fine):
    args_schema: Any = {"type": "object", "properties": {"text": {"type": "string"}}}

    def _run(self, text: str = "", **rest: Any) -> str:
        return text


class Blocks(Fine):
    async def _arun(self, text: str) -> str:
        time.sleep(0.001)  # noqa: ASYNC251  # what is wrong with it
        return text


class OwnInvoke(Fine):
    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return str(input)


class Shows(Fine):
    def _run(self, text: str, user: str = "") -> str:
        return text


FAULTS: dict[str, tuple[Any, set[str], dict[str, Any]]] = {
    "has no description": (Unsaid, {"told"}, {}),
    "has a name that vendors refuse": (BadlyNamed, {"told"}, {}),
    "another answer in async code": (Differs, {"twins"}, {}),
    "fails": (Fails, {"works"}, {}),
    "takes unknown arguments": (TakesAll, {"wrong-arguments"}, {}),
    "blocks the loop": (Blocks, {"event-loop"}, {}),
    "reads its input itself": (OwnInvoke, {"tool-call", "wrong-name", "wrong-arguments"}, {}),
    "tells models what the program gives": (Shows, {"hidden"}, {"injected": {"user": "ada"}}),
}


@pytest.mark.parametrize(("made", "laws", "options"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(made: Any, laws: set[str], options: dict[str, Any]) -> None:
    """The error names the law that is broken."""
    with pytest.raises(ConformanceError) as caught:
        check_tool(made(), [{"text": "hey"}], as_runnable=False, **options)

    assert laws <= set(caught.value.laws)


def test_what_is_fine_is_fine() -> None:
    """The base of the faulty ones breaks no law, so it is the fault that is found."""
    check_tool(Fine(), [{"text": "hey"}])


def test_laws_can_be_skipped_by_name() -> None:
    """With a reason; an unknown law is refused, as is a check without a call."""
    check_tool(Unsaid(), [{"text": "hey"}], as_runnable=False, skip={"told": "nobody asks"})
    with pytest.raises(ValueError, match="unknown"):
        check_tool(Fine(), [{"text": "hey"}], as_runnable=False, skip={"no-such-law": "why"})
    with pytest.raises(ValueError, match="at least one call"):
        check_tool(Fine(), [])


async def test_from_inside_a_loop() -> None:
    """The async twin runs in a thread."""
    await acheck_tool(Fine(), [{"text": "hey"}], as_runnable=False)

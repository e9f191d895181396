"""Tools: arguments in, checked; what they did out, as a value or as a message to a model."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import pytest

from plait.errors import ChainError, ConfigError, ToolException, ToolInputError
from plait.messages import ToolMessage
from plait.runnables import RunnableConfig, RunnableLambda
from plait.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool, Tool, tool


@tool
def search(query: str, limit: int = 3) -> str:
    """Search the web.

    Args:
        query: What for.
        limit: How many results.
    """
    return f"{query} {limit}"


def called(name: str, **args: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": name, "args": args, "id": "7"}


def test_a_tool_is_named_and_described_as_its_function_is() -> None:
    """Name, description and arguments come from the function."""
    assert (search.name, search.description) == ("search", "Search the web.")
    assert search.args["limit"] == {
        "default": 3,
        "description": "How many results.",
        "title": "Limit",
        "type": "integer",
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [("tea", "tea 3"), ({"query": "tea"}, "tea 3"), ({"query": "tea", "limit": "4"}, "tea 4")],
)
def test_a_text_or_a_dict_goes_in(run: Any, given: Any, expected: str) -> None:
    """A single text is for the one argument that must be given."""
    assert run(search, given) == expected


def test_a_call_of_a_model_gives_a_message(run: Any) -> None:
    """The message answers the call by its id."""
    assert run(search, called("search", query="tea")) == ToolMessage("tea 3", name="search", tool_call_id="7")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "'query' is missing"),
        ({"qery": "tea"}, "'qery' is no argument of it, did you mean 'query'"),
        ({"query": "tea", "limit": "many"}, "'limit' should be a valid integer"),
        (5, "takes a dict with 'query', 'limit', but got int"),
        (called("other"), "a call of the tool 'other' was given to the tool 'search'"),
        ({**called("search"), "args": "tea"}, "must be a dict, but are str"),
    ],
)
def test_wrong_arguments_are_named(run: Any, given: Any, said: str) -> None:
    """The error says which argument of which tool is wrong, and how."""
    with pytest.raises(ToolInputError, match=said):
        run(search, given)


def test_errors_show_no_secret_and_are_short() -> None:
    """What came is shown in part, with keys of services masked."""
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    with pytest.raises(ToolInputError) as caught:
        search.invoke({"query": "tea", "limit": secret, "x" * 100_000: 1})
    assert secret not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert len(str(caught.value)) < 1000


@tool
def order(
    item: str,
    user: Annotated[str, InjectedToolArg],
    call: Annotated[str, InjectedToolCallId],
    config: RunnableConfig,
) -> str:
    """Order something."""
    return f"{item} for {user}, {call}, {config['tags']}"


def test_injected_arguments_come_from_the_program(run: Any) -> None:
    """The call's id and the config are filled in, the rest is given beside the call; no model is told of them."""
    assert list(order.args) == ["item"]
    given = run(order.bind(injected={"user": "ann"}), called("order", item="tea"), {"tags": ["t"]})
    assert given.content == "tea for ann, 7, ['t']"


@pytest.mark.parametrize("forged", [{"user": "root"}, {"call": "8"}])
def test_a_model_cannot_give_injected_arguments(run: Any, forged: dict[str, str]) -> None:
    """Whatever a model sends for them is refused."""
    with pytest.raises(ToolInputError, match="is not for a model to give"):
        run(order.bind(injected={"user": "ann"}), called("order", item="tea", **forged))


def test_only_injected_arguments_can_be_injected() -> None:
    """A slip in a name is told."""
    with pytest.raises(ConfigError, match="no injected argument 'usr'"):
        order.invoke(called("order", item="tea"), injected={"usr": "ann"})


@tool
async def later(x: int) -> int:
    """Do it later."""
    return x + 1


async def test_an_async_tool_is_awaited() -> None:
    """It has async verbs only, and says so."""
    assert await later.ainvoke({"x": 1}) == 2
    with pytest.raises(TypeError, match="async only: use ainvoke"):
        later.invoke({"x": 1})


@tool(response_format="content_and_artifact")
def plot(points: int) -> tuple[str, list[int]]:
    """Plot."""
    return f"{points} points", list(range(points))


def test_an_artifact_stays_with_the_program(run: Any) -> None:
    """A model's call gives both; any other call the content."""
    message = run(plot, called("plot", points=2))
    assert (message.content, message.artifact) == ("2 points", [0, 1])
    assert run(plot, {"points": 2}) == "2 points"


def fail(why: str) -> str:
    """Fail."""
    raise ToolException(why)


@pytest.mark.parametrize(
    ("handler", "said"), [(True, "no tea"), ("sorry", "sorry"), (lambda error: f"<{error}>", "<no tea>")]
)
def test_a_failure_is_told_to_the_model(run: Any, handler: Any, said: str) -> None:
    """With a handler, a ToolException is a message with the status error."""
    message = run(StructuredTool.from_function(fail, handle_tool_error=handler), called("fail", why="no tea"))
    assert (message.content, message.status) == (said, "error")


def test_a_failure_is_raised_unless_it_is_handled(run: Any) -> None:
    """So that nobody takes it for an answer."""
    with pytest.raises(ToolException, match="no tea"):
        run(tool(fail), "no tea")


def test_wrong_arguments_can_be_told_to_the_model(run: Any) -> None:
    """handle_validation_error does for arguments what handle_tool_error does for failures."""
    lenient = StructuredTool.from_function(fail, handle_validation_error=True)
    assert run(lenient, called("fail")).status == "error"


def test_what_a_tool_calls_is_part_of_its_run(run: Any) -> None:
    """Nested calls inherit the config."""
    inner = RunnableLambda(lambda text, config: f"{text} {config['tags']}")

    @tool
    def outer(text: str) -> str:
        """Call another."""
        return inner.invoke(text)

    assert run(outer, "tea", {"tags": ["t"]}) == "tea ['t']"


def test_a_run_of_a_tool_is_called_one() -> None:
    """Whoever watches sees on_tool_start with its name."""

    async def names() -> list[tuple[str, str]]:
        return [(event["event"], event["name"]) async for event in search.astream_events("tea", version="v2")]

    import asyncio

    seen = asyncio.run(names())
    assert seen[0] == ("on_tool_start", "search")
    assert seen[-1] == ("on_tool_end", "search")


class Shout(BaseTool):
    name: str = "shout"
    description: str = "Say it loudly."

    def _run(self, text: str, times: int = 1) -> str:
        return text.upper() * times


def test_a_subclass_writes_run(run: Any) -> None:
    """Its parameters are the arguments."""
    assert run(Shout(), "a") == "A"
    assert run(Shout(), {"text": "a", "times": 2}) == "AA"


def test_a_tool_of_one_text_takes_it_under_any_name(run: Any) -> None:
    """Tool(name, func, description) passes the text by position."""
    assert run(Tool("up", str.upper, "Make it loud."), "tea") == "TEA"


def test_a_json_schema_is_a_schema_of_arguments() -> None:
    """Missing and unknown arguments are told; the rest is the tool's own affair."""
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    weather = StructuredTool.from_function(
        lambda city: f"rain in {city}", name="weather", description="w", args_schema=schema
    )
    assert weather.invoke({"city": "Ulm"}) == "rain in Ulm"
    with pytest.raises(ToolInputError, match=r"'city' is missing; 'town' is no argument"):
        weather.invoke({"town": "Ulm"})


def test_what_cannot_be_a_tool_is_refused() -> None:
    """Methods without an object, generators, functions without a docstring."""
    for function, said in [(Shout._run, "is a method"), (generate, "is a generator"), (lambda x: x, "description")]:
        with pytest.raises(ChainError, match=said):
            tool(function)


def generate(x: int) -> Any:
    """Generate."""
    yield x


def test_call_without_a_name() -> None:
    """It is a wrong call, which a model may be told."""

    @tool
    def add(a: int) -> int:
        """Add."""
        return a

    with pytest.raises(ToolInputError, match="None"):
        add.invoke({"type": "tool_call", "args": {"a": 1}, "id": "1"})


def test_partial() -> None:
    """It is described by what its function says, not by what a partial is."""

    def scaled(factor: int, number: int) -> int:
        """Scale a number.

        Args:
            number: what is scaled
        """
        return factor * number

    double = tool(partial(scaled, 2))
    assert (double.description, double.args["number"]["description"]) == ("Scale a number.", "what is scaled")
    assert double.invoke({"number": 3}) == 6


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"a": "x"}, "a: expected integer"),
        ({"a": 1, "b": [1, "two"]}, r"b\[1\]: expected integer"),
        ({}, "'a' is missing"),
    ],
)
def test_arguments_by_a_json_schema(run: Any, given: dict[str, Any], says: str) -> None:
    """A schema that is a dict is kept as a class would be: the message says which argument is wrong."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "integer"}}},
        "required": ["a"],
    }
    by_schema = StructuredTool.from_function(lambda **given: given, name="sum", description="Sum.", args_schema=schema)

    assert run(by_schema, {"a": 1, "b": [2]}) == {"a": 1, "b": [2]}
    with pytest.raises(ToolInputError, match=says):
        run(by_schema, given)

"""The arguments of a tool: however a function says them, and whatever a model sends for them."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, Field, field_validator, model_validator
from typing_extensions import TypedDict, Unpack

from plait.errors import ChainError, ConfigError, ToolException, ToolInputError
from plait.messages import AIMessage
from plait.runnables import RunnableConfig
from plait.tools import InjectedToolArg, StructuredTool, ToolNode, convert_to_openai_tool, tool


def called(tool_name: str, /, **args: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": tool_name, "args": args, "id": "7"}


class Colour(Enum):
    RED = "red"


class Point(BaseModel):
    x: int
    y: int = 2


@dataclass
class Size:
    wide: int


class Plain(typing.TypedDict):
    n: int
    inner: typing.NotRequired[Inner]


class Inner(typing.TypedDict):
    m: Annotated[int, Field(ge=0)]


@pytest.mark.parametrize(
    ("hint", "given", "expected"),
    [
        (Colour, "red", Colour.RED),
        (Literal["a", "b"], "b", "b"),
        (int | str, "1", "1"),
        (Point | None, {"x": "1"}, Point(x=1)),
        (dict[str, list[Point]], {"k": [{"x": 1}]}, {"k": [Point(x=1)]}),
        (Size, {"wide": 3}, Size(3)),
        (date, "2026-01-02", date(2026, 1, 2)),
        (Plain, {"n": 1, "inner": {"m": 2}}, {"n": 1, "inner": {"m": 2}}),
        (list[Plain | None], [{"n": "1"}, None], [{"n": 1}, None]),
    ],
)
def test_what_json_says_becomes_what_the_function_is_annotated_with(
    run: Any, hint: Any, given: Any, expected: Any
) -> None:
    """Enums, unions, models, dataclasses and both kinds of TypedDict, at any depth."""

    def echo(value: Any) -> Any:
        """Give it back."""
        return value

    echo.__annotations__["value"] = hint
    assert run(tool(echo), {"value": given}) == expected


def test_a_default_is_not_shared_between_calls(run: Any) -> None:
    """Each call has a list of its own."""

    @tool
    def collect(item: str, seen: list[str] = []) -> list[str]:  # noqa: B006 - that is the point
        """Collect."""
        seen.append(item)
        return seen

    assert run(collect, {"item": "a"}) == ["a"]
    assert run(collect, {"item": "b"}) == ["b"]


def test_one_annotation_that_is_not_known_spoils_no_other(run: Any) -> None:
    """What it returns is of no interest; an argument that cannot be known is told when the tool is made."""

    def fine(x: int) -> Nowhere:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
        """Fine."""
        return x + 1

    def wrong(x: Nowhere) -> int:  # type: ignore[name-defined]  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
        """Wrong."""
        return 1

    assert run(tool(fine), {"x": "1"}) == 2
    with pytest.raises(ChainError, match="'Nowhere' of 'x'"):
        tool(wrong)


@tool
def deploy(config: str, times: int = 1) -> str:
    """Deploy a file of settings."""
    return config * times


def test_an_argument_may_be_called_config(run: Any) -> None:
    """It is the config of the run only if it is annotated so, or not at all."""
    assert run(deploy, {"config": "a", "times": 2}) == "aa"
    assert list(deploy.args) == ["config", "times"]


@pytest.mark.parametrize("name", ["func", "args", "name", "input", "copy", "_x", "model_config"])
def test_an_argument_may_have_any_name(run: Any, name: str) -> None:
    """Those that our own functions use, too."""
    scope: dict[str, Any] = {}
    exec(f"def echo({name}):\n    'Echo.'\n    return {name}", scope)
    echo = tool(scope["echo"])
    assert run(echo, {name: 1}) == 1
    assert run(echo, called("echo", **{name: 1})).content == "1"


def test_a_schema_may_have_an_argument_self(run: Any) -> None:
    """As servers of tools do."""
    schema = {"type": "object", "properties": {"self": {}, "func": {}}}

    def keys(**given: Any) -> list[str]:
        return sorted(given)

    made = StructuredTool.from_function(keys, description="Keys.", args_schema=schema)
    assert run(made, {"self": 1, "func": 2}) == ["func", "self"]


# --------------------------------------------------------------------------------------------------------- *args, **kwargs


class Paint:
    def __call__(self, colour: str, *more: str, config: RunnableConfig, run_manager: Any = None, **sizes: int) -> str:
        """Paint."""
        return f"{colour} {more} {sizes}"


def test_other_arguments_go_to_kwargs(run: Any) -> None:
    """They are held to the annotation, and models are told of them; *args get nothing."""
    paint = tool("paint")(Paint())
    assert run(paint, {"colour": "red", "wide": "3"}) == "red () {'wide': 3}"
    assert convert_to_openai_tool(paint)["function"]["parameters"]["additionalProperties"] == {"type": "integer"}
    with pytest.raises(ToolInputError, match="'wide' should be a valid integer"):
        run(paint, {"colour": "red", "wide": "w"})


@pytest.mark.parametrize("name", ["self", "config", "run_manager"])
def test_kwargs_are_no_way_to_other_parameters(run: Any, name: str) -> None:
    """What the program gives is not for a model."""
    with pytest.raises(ToolInputError, match=f"'{name}' is no argument"):
        run(tool("paint")(Paint()), called("paint", colour="red", **{name: 1}))


class Options(TypedDict, total=False):
    deep: typing.Required[int]
    slow: bool


def test_an_unpacked_typed_dict_names_the_kwargs(run: Any) -> None:
    """One that may be left out is not given, if nobody has said it."""

    @tool
    def dig(**options: Unpack[Options]) -> str:
        """Dig.

        Args:
            slow: Whether to take care.
        """
        return str(options)

    assert run(dig, {"deep": 1}) == "{'deep': 1}"
    assert dig.args["slow"]["description"] == "Whether to take care."
    with pytest.raises(ToolInputError, match="'deep' is missing; 'wide' is no argument"):
        run(dig, {"wide": 1})


@pytest.mark.parametrize(
    ("function", "said"),
    [(len, "by position"), (lambda *given, **named: 1, r"takes \*args"), (lambda x, /: x, "by position")],
)
def test_functions_without_names_are_refused(function: Any, said: str) -> None:
    """They are told what to do."""
    with pytest.raises(ChainError, match=said):
        tool("t", description="T.")(function)


def test_an_argument_that_json_cannot_say_is_told() -> None:
    """When a model is to be told of it."""

    @tool
    def call(back: typing.Callable[[], int]) -> int:
        """Call."""
        return back()

    with pytest.raises(ChainError, match="an argument that no model can give"):
        convert_to_openai_tool(call)


# ------------------------------------------------------------------------------------------------- schemas of the user's


class Letter(BaseModel):
    from_: str = Field(alias="from")
    to: str = Field(validation_alias=AliasChoices("to", "recipient"))


def test_an_alias_is_how_an_argument_is_given(run: Any) -> None:
    """The function gets it by the name of the field."""

    @tool(args_schema=Letter)
    def send(from_: str, to: str) -> str:
        """Send."""
        return f"{from_} {to}"

    assert run(send, {"from": "a", "recipient": "b"}) == "a b"
    with pytest.raises(ToolInputError, match="'too' is no argument of it, did you mean 'to'"):
        run(send, {"from": "a", "to": "b", "too": "c"})


class Open(BaseModel, extra="allow"):
    x: int


def test_an_open_schema_lets_more_arguments_in(run: Any) -> None:
    """If the function takes them; otherwise they are wrong arguments, not its TypeError."""

    def more(x: int, **others: Any) -> Any:
        """More."""
        return x, others

    assert run(tool(args_schema=Open)(more), {"x": 1, "y": 2}) == (1, {"y": 2})
    with pytest.raises(ToolInputError, match="'y' is no argument"):
        run(tool(args_schema=Open, description="X.")(lambda x: x), {"x": 1, "y": 2})


@pytest.mark.parametrize("schema", [{"type": "object"}, {"type": "object", "properties": {"x": {}}}])
def test_what_a_function_does_not_take_is_a_wrong_argument(run: Any, schema: dict[str, Any]) -> None:
    """Also where a JSON Schema forbids nothing: a model is told, and the run goes on."""
    made = StructuredTool.from_function(lambda x: x, name="made", description="M.", args_schema=schema)
    calls: Any = [called("made", x=1), called("made", x=1, y=2)]
    assert [each.status for each in run(ToolNode([made]), AIMessage("", tool_calls=calls))] == ["success", "error"]


class Even(BaseModel):
    n: int

    @field_validator("n")
    @classmethod
    def even(cls, n: int) -> int:
        if n % 2:
            raise ValueError("it is odd")
        return n


def test_what_a_validator_says_is_told(run: Any) -> None:
    """In its own words."""
    with pytest.raises(ToolInputError, match="'n': Value error, it is odd, got"):
        run(tool(args_schema=Even, description="N.")(lambda n: n), {"n": 1})


# --------------------------------------------------------------------------------------------------------------- injected


class Order(BaseModel, populate_by_name=True):
    item: str
    user: Annotated[str, InjectedToolArg] = Field(alias="u")
    shop: Annotated[str, InjectedToolArg] = Field("s", validation_alias=AliasChoices("shop", "store"))


@pytest.mark.parametrize("name", ["u", "user", "shop", "store"])
def test_no_spelling_lets_a_model_give_what_is_injected(run: Any, name: str) -> None:
    """Neither the field's name nor any alias."""

    @tool(args_schema=Order)
    def order(item: str, user: str, shop: str) -> str:
        """Order."""
        return f"{item} {user} {shop}"

    assert run(order.bind(injected={"user": "ann", "store": "x"}), called("order", item="tea")).content == "tea ann x"
    with pytest.raises(ToolInputError, match="is not for a model to give"):
        run(order.bind(injected={"u": "ann"}), called("order", item="tea", **{name: "root"}))


def test_what_the_program_injects_wrongly_is_not_told_to_the_model(run: Any) -> None:
    """It is the program's error; the model could neither mend it nor may see it."""

    @tool(handle_validation_error=True)
    def orders(since: str, user: Annotated[str, InjectedToolArg]) -> str:
        """List."""
        return f"{since} {user}"

    with pytest.raises(ConfigError, match="'user' should be a valid string"):
        run(orders.bind(injected={"user": 5}), called("orders", since="May"))


class Pair(BaseModel):
    a: int
    user: Annotated[str, InjectedToolArg]

    @model_validator(mode="after")
    def small(self) -> Pair:
        if self.a > 1:
            raise ValueError("too large")
        return self


def test_a_fault_of_all_arguments_shows_none_that_is_injected(run: Any) -> None:
    """Only what is said of them."""
    pair = tool(args_schema=Pair, description="P.")(lambda a, user: user)
    with pytest.raises(ToolInputError, match="too large") as caught:
        run(pair.bind(injected={"user": "zoe"}), called("<lambda>", a=2))
    assert "zoe" not in str(caught.value)


def test_a_mark_in_a_union_counts(run: Any) -> None:
    """``Annotated[...] | None`` is hidden as ``Annotated[... | None]`` is."""

    @tool
    def orders(since: str, user: Annotated[str, InjectedToolArg] | None = None) -> str:
        """List."""
        return f"{since} {user}"

    assert list(orders.args) == ["since"]
    with pytest.raises(ToolInputError, match="is not for a model to give"):
        run(orders, called("orders", since="May", user="root"))


# ----------------------------------------------------------------------------------------------------------------- tools


def test_secrets_in_a_failure_are_masked(run: Any) -> None:
    """As ToolNode masks them."""

    def ask() -> str:
        raise ToolException("the key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789 is refused")

    made = StructuredTool.from_function(ask, description="A.", handle_tool_error=True)
    assert run(made, called("ask")).content == "the key *** is refused"


@pytest.mark.parametrize("made", [deploy, tool("paint")(Paint()), tool(partial(deploy.func or str, times=2))])
def test_a_tool_is_frozen(made: StructuredTool) -> None:
    """Chains that are in use may hold it; a changed copy is another tool."""
    with pytest.raises(ConfigError, match="frozen"):
        made.description = "Delete everything."
    assert made.model_copy(update={"description": "D."}).description == "D."


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ([Point(x=1)], '[{"x": 1, "y": 2}]'),
        ({"size": Size(1), "on": date(2026, 1, 2)}, '{"size": {"wide": 1}, "on": "2026-01-02"}'),
        (None, "null"),
    ],
)
def test_a_model_is_told_values_as_json(run: Any, output: Any, said: str) -> None:
    """Models, dataclasses and dates within them, too."""
    assert run(tool("give", description="G.")(lambda: output), called("give")).content == said


def test_an_endless_output_is_not_read() -> None:
    """An iterator is told of by its name."""
    from itertools import count

    given = tool("give", description="G.")(lambda: {"n": count()}).invoke(called("give"))
    assert given.content == "{'n': count(0)}"


def test_an_output_that_is_too_deep_is_a_failure_of_the_tool(run: Any) -> None:
    """Not a RecursionError, which would end the run."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ToolException, match="nested too deeply"):
        run(tool("give", description="G.")(lambda: {"deep": deep}), called("give"))

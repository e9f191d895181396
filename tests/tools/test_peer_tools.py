"""Each row on tools of docs/differences.md, run beside langchain-core: there it is as the page says, here as well."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from plait import tools as here
from plait.errors import ChainError, ConfigError, ToolInputError

pytestmark = pytest.mark.peer
there = pytest.importorskip("langchain_core.tools")


def called(name: str, **args: Any) -> dict[str, Any]:
    return {"type": "tool_call", "name": name, "args": args, "id": "7"}


def search(query: str, limit: int = 3) -> str:
    """Search.

    Args:
        query: What for.
    """
    return f"{query} {limit}"


def documented(x: int) -> int:
    """Add.

    :param x: one
    """
    return x


def open_to_all(x: int, **kwargs: int) -> str:
    """Take all."""
    return f"{x} {kwargs}"


def configured(config: str) -> str:
    """Deploy."""
    return config


class Tree(BaseModel):
    """A tree."""

    kids: list[Tree] = []


def test_injected_arguments_of_a_model() -> None:
    """There they are taken from the call; here refused."""

    def orders(user: Any) -> str:
        """Orders."""
        return str(user)

    orders.__annotations__["user"] = Annotated[str, there.InjectedToolArg]
    assert there.tool(orders).invoke(called("orders", user="root")).content == "root"
    orders.__annotations__["user"] = Annotated[str, here.InjectedToolArg]
    with pytest.raises(ToolInputError, match="not for a model to give"):
        here.tool(orders).invoke(called("orders", user="root"))


def test_a_mark_inside_of_a_union() -> None:
    """There the argument is shown to models; here it is hidden."""

    def orders(user: Any = None) -> str:
        """Orders."""
        return str(user)

    orders.__annotations__["user"] = Annotated[str, there.InjectedToolArg] | None
    assert "user" in there.tool(orders).tool_call_schema.model_fields
    orders.__annotations__["user"] = Annotated[str, here.InjectedToolArg] | None
    assert here.tool(orders).args == {}


def test_unknown_arguments() -> None:
    """There they are dropped; here the nearest name is told."""
    assert there.tool(search).invoke({"query": "a", "lmit": 5}) == "a 3"
    with pytest.raises(ToolInputError, match="'lmit' is no argument of it, did you mean 'limit'"):
        here.tool(search).invoke({"query": "a", "lmit": 5})


def test_a_call_of_another_tool() -> None:
    """There it is done; here refused."""
    assert there.tool(search).invoke(called("buy", query="a")).content == "a 3"
    with pytest.raises(ToolInputError, match="a call of the tool 'buy' was given to the tool 'search'"):
        here.tool(search).invoke(called("buy", query="a"))


def test_docstrings() -> None:
    """There all of it is the description, and other styles than Google's are errors; here they are read."""
    assert "Args:" in there.tool(search).description
    with pytest.raises(ValueError, match="Google"):
        there.tool(parse_docstring=True)(documented)
    assert (here.tool(search).description, here.tool(documented).args["x"]["description"]) == ("Search.", "one")


def test_a_docstring_that_describes_too_much() -> None:
    """There it is an error with parse_docstring; here with error_on_invalid_docstring."""

    def wrong(x: int) -> int:
        """Add.

        Args:
            y: What.
        """
        return x

    with pytest.raises(ValueError, match="Arg y in docstring"):
        there.tool(parse_docstring=True)(wrong)
    assert here.tool(wrong).invoke({"x": 1}) == 1
    with pytest.raises(ChainError, match="'y'"):
        here.tool(wrong, error_on_invalid_docstring=True)


def test_methods_in_a_class_body() -> None:
    """There self becomes an argument; here it is refused."""

    class Shop:
        def buy(self, item: str) -> str:
            """Buy."""
            return item

    assert "self" in there.tool(Shop.buy).args
    with pytest.raises(ChainError, match="is a method"):
        here.tool(Shop.buy)
    assert here.tool(Shop().buy).invoke("tea") == "tea"


def test_kwargs() -> None:
    """There they get nothing; here what is given."""
    assert there.tool(open_to_all).invoke({"x": 1, "y": 2}) == "1 {}"
    assert here.tool(open_to_all).invoke({"x": 1, "y": 2}) == "1 {'y': 2}"


def test_an_argument_called_config() -> None:
    """There it never arrives; here it does."""
    with pytest.raises(TypeError, match="config"):
        there.tool(configured).invoke({"config": "a"})
    assert here.tool(configured).invoke({"config": "a"}) == "a"


def test_what_a_model_is_told_of_wrong_arguments() -> None:
    """There a fixed text; here what is wrong."""
    told = [
        kind.StructuredTool.from_function(search, handle_validation_error=True)
        .invoke(called("search", limit="x"))
        .content
        for kind in (there, here)
    ]
    assert told[0] == "Tool input validation error"
    assert "'query' is missing; 'limit' should be a valid integer" in told[1]


def test_settings() -> None:
    """There they are assigned to; here a tool is frozen."""
    theirs, ours = there.tool(search), here.tool(search)
    theirs.description = "Delete."
    with pytest.raises(ConfigError, match="frozen"):
        ours.description = "Delete."


def test_generators() -> None:
    """There the tool gives a generator; here it is refused."""

    def count(n: int) -> Any:
        """Count."""
        yield from range(n)

    assert [*there.tool(count).invoke({"n": 2})] == [0, 1]
    with pytest.raises(ChainError, match="generator"):
        here.tool(count)


def test_values_that_are_no_json() -> None:
    """There a model is told their repr; here models, dataclasses and dates within them are JSON."""

    def when() -> dict[str, date]:
        """When."""
        return {"on": date(2026, 1, 2)}

    assert there.tool(when).invoke(called("when")).content == "{'on': datetime.date(2026, 1, 2)}"
    assert here.tool(when).invoke(called("when")).content == '{"on": "2026-01-02"}'


def test_a_model_that_refers_to_itself() -> None:
    """There its items are anything; here they are trees."""
    from langchain_core.utils.function_calling import convert_to_openai_tool

    def items(written: dict[str, Any]) -> Any:
        return written["function"]["parameters"]["properties"]["kids"]["items"]

    assert items(convert_to_openai_tool(Tree)) == {}
    assert items(here.convert_to_openai_tool(Tree)) == {"$ref": "#/$defs/Tree"}

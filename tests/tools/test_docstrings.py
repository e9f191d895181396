"""What a docstring says of a tool and of its arguments, in each of the known styles."""

from __future__ import annotations

from typing import Any

import pytest

from plait.tools import tool

GOOGLE = """Find a place.

    It looks: everywhere.

    Args:
        a (tuple(int, int), optional): The a. One of: x, y.
            And more.
        b: The b.

            Another paragraph of b.

    Keyword Args:
        c (str): The c.

    Notes:
        d: This is no argument.
    """

NUMPY = """Find a place.

    It looks: everywhere.

    Parameters
    ----------
    a : tuple of int, optional
        The a. One of: x, y.
        And more.
    b
        The b.

        Another paragraph of b.

    Other Parameters
    ----------------
    c, e : str
        The c.

    Returns
    -------
    d : int
        This is no argument.
    """

REST = """Find a place.

    It looks: everywhere.

    :param int a: The a. One of: x, y.
        And more.
    :type a: int
    :parameter b: The b.
        Another paragraph of b.
    :keyword c: The c.
    :returns: d: this is no argument.
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_arguments_are_described(text: str) -> None:
    """Names, with or without types; what is said goes on over lines and paragraphs."""

    def find(a: Any = None, b: Any = None, c: Any = None, d: Any = None) -> Any: ...

    find.__doc__ = text
    made = tool(find)
    said = {name: schema.get("description") for name, schema in made.args.items()}
    assert made.description == "Find a place.\n\nIt looks: everywhere."
    expected = {"a": "The a. One of: x, y. And more.", "b": "The b. Another paragraph of b.", "c": "The c.", "d": None}
    assert said == expected


@pytest.mark.parametrize("text", ["Parameters of a thing.\n\nSee Args: in it", "A.\n\n---\n\nb: c"])
def test_what_only_looks_like_a_section_is_text(text: str) -> None:
    """Nothing of the description is lost."""

    def find(b: int = 1) -> Any: ...

    find.__doc__ = text
    assert tool(find).description == text


def test_long_docstrings_are_read_in_linear_time() -> None:
    """Whatever stands in them."""

    def find(b: int = 1) -> Any: ...

    find.__doc__ = "F.\n\nArgs:\n    b " + "(" * 200_000 + "\n    " + "b, " * 100_000
    assert tool(find).description == "F."


class Finder:
    """A thing that finds."""

    def __call__(self, text: str) -> str:
        """Find a text.

        Args:
            text: The text.
        """
        return text


def test_an_object_is_described_by_its_call() -> None:
    """Not by its class, which says what it is."""
    made = tool("find")(Finder())
    assert (made.description, made.args["text"]["description"]) == ("Find a text.", "The text.")

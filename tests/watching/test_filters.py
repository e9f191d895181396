"""Which runs are told of: names, types, tags and metadata, included and excluded."""

from __future__ import annotations

from typing import Any

import pytest

from plait.errors import ConfigError
from plait.runs import DEFAULTS, Run, Scope
from plait.watching.filters import RunFilter

RUN = Run(
    "Docs", "retriever", None, Scope({**DEFAULTS, "tags": ["mine", "seq:step:1"], "metadata": {"user": 1, "x": [2]}})
)


@pytest.mark.parametrize(
    ("filters", "admitted"),
    [
        ({}, True),
        ({"include_names": ["Docs"]}, True),
        ({"include_names": ("Other", "Docs")}, True),
        ({"include_names": {"Other"}}, False),
        ({"include_names": []}, False),
        ({"include_types": ["retriever"]}, True),
        ({"include_types": ["chain"]}, False),
        ({"include_tags": ["mine"]}, True),
        ({"include_tags": ["seq:step"]}, False),
        ({"include_metadata": {"user": 1}}, True),
        ({"include_metadata": {"user": 1, "x": [2]}}, True),
        ({"include_metadata": {"user": 1, "y": 2}}, False),
        ({"include_metadata": {"y": None}}, False),
        ({"include_metadata": {}}, True),
        ({"include_metadata": [{"y": 2}, {"user": 1}]}, True),
        ({"include_metadata": []}, False),
        ({"include_names": ["Other"], "include_tags": ["mine"]}, True),
        ({"exclude_names": ["Docs"]}, False),
        ({"exclude_types": ["retriever"]}, False),
        ({"exclude_tags": ["mine"]}, False),
        ({"exclude_metadata": {"user": 1}}, False),
        ({"exclude_metadata": {"user": 2}}, True),
        ({"exclude_names": []}, True),
        ({"include_names": ["Docs"], "exclude_tags": ["mine"]}, False),
    ],
)
def test_filter(filters: dict[str, Any], admitted: bool) -> None:
    """A run is in if any include holds, or there is none, and no exclude holds."""
    assert RunFilter(**filters).admits(RUN) is admitted


def test_other_names_and_types() -> None:
    """A run may be known by more than one name and type, and each of them counts."""
    assert RunFilter(include_types=["known"]).admits(RUN, types=["known"])
    assert RunFilter(include_names=["known"]).admits(RUN, names=["known"])
    assert not RunFilter(exclude_types=["known"]).admits(RUN, types=["known"])


def test_metadata_that_cannot_be_compared() -> None:
    """A value whose ``==`` raises equals only itself."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("no")

        __hash__ = None  # type: ignore[assignment]

    odd = Odd()
    run = Run("r", "chain", None, Scope({**DEFAULTS, "metadata": {"odd": odd}}))

    assert RunFilter(include_metadata={"odd": odd}).admits(run)
    assert not RunFilter(include_metadata={"odd": 1}).admits(run)


@pytest.mark.parametrize("verb", ["include", "exclude"])
@pytest.mark.parametrize("what", ["names", "types", "tags", "metadata"])
@pytest.mark.parametrize("value", ["Docs", 1, [1], [["Docs"]], object()])
def test_wrong_form(verb: str, what: str, value: Any) -> None:
    """A filter of a wrong type is refused with the name of the argument."""
    with pytest.raises(ConfigError, match=f"{verb}_{what} takes"):
        RunFilter(**{f"{verb}_{what}": value})


def test_one_text_is_no_list() -> None:
    """Who gives a text for a list of texts is told what to write: a text would be read letter by letter."""
    with pytest.raises(ConfigError, match=r"include_names=\['Docs'\]"):
        RunFilter(include_names="Docs")


def test_later_changes_do_not_count() -> None:
    """A filter is what it was when it was given."""
    names, facts = ["Docs"], {"user": 1}
    filters = [RunFilter(include_names=names), RunFilter(include_metadata=facts)]
    names.clear()
    facts["user"] = 2

    assert all(each.admits(RUN) for each in filters)

"""What a filter on metadata means, for itself; that every store keeps to it is a law of stores."""

from __future__ import annotations

import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plait.vectorstores.filters import parsed, passes, same

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([0, 1, 1.0, -0.0, True, False, None, "", "1", "a", 10**400, float("nan"), float("inf"), 2**53 + 1]),
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.sampled_from("ab"), parts, max_size=2),
    max_leaves=4,
)


@given(value=VALUES, members=st.lists(VALUES, max_size=6))
def test_one_of_many(value: Any, members: list[Any]) -> None:
    """A value is in a list if it is the same as one that is in it."""
    expected = any(same(value, each) for each in members)
    assert passes(parsed({"key": {"$in": members}}), {"key": value}) is expected
    assert passes(parsed({"key": {"$nin": members}}), {"key": value}) is not expected


def test_one_of_a_set() -> None:
    """It may be listed in any order."""
    assert passes(parsed({"key": {"$in": {"a", 1, None}}}), {"key": 1.0})
    assert not passes(parsed({"key": {"$in": frozenset[str]()}}), {"key": 1})


def test_one_of_very_many() -> None:
    """A list of ids costs as much for each document as one id."""
    condition = parsed({"key": {"$in": [str(number) for number in range(10_000)]}})
    calls = 0

    def count(frame: Any, event: str, _: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    found = [number for number in range(9_990, 10_010) if passes(condition, {"key": str(number)})]
    sys.setprofile(None)
    assert found == list(range(9_990, 10_000))
    assert calls < 500

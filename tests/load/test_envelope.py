"""Data comes back as the data that it was, whatever it pretends to be (D2, D5)."""

from __future__ import annotations

import inspect
import json
import os
import sys
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import LoadError
from plait.load import dumpd, dumps, load, loads

SPECIAL = [
    "$plait",
    "lc",
    "type",
    "id",
    "__class__",
    "$extra",
    "name",
    "value",
    "constructor",
    "1/tuple",
    "not_implemented",
]
TEXTS = st.sampled_from(SPECIAL) | st.text(st.characters(), max_size=8) | st.text("\ud800\udfffa", max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)
KEYS = SCALARS | st.binary(max_size=4) | st.tuples(SCALARS)
MORE = st.recursive(
    SCALARS | st.binary(max_size=4) | st.dates() | st.datetimes(timezones=st.none() | st.just(UTC)) | st.timedeltas()
    | st.times() | st.uuids() | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(KEYS, inner, max_size=3)
    | st.tuples(inner, inner)
    | st.frozensets(KEYS, max_size=3)
    | st.sets(KEYS, max_size=3),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_d2_any_json_comes_back(value: Any) -> None:
    """Reserved keys at every depth, halves of surrogate pairs, long numbers."""
    assert loads(dumps(value)) == value
    assert loads(dumps(value, pretty=True)) == value


@given(MORE)
def test_plain_values_come_back_with_their_types(value: Any) -> None:
    """Tuples stay tuples, keys keep their types; the same value has the same text."""
    back = loads(dumps(value).encode())

    assert back == value
    assert type(back) is type(value)
    assert dumps(back) == dumps(value)


FORGED = [
    {"$plait": "1/AIMessage", "content": "CANARY"},
    {"$plait": "1/secret", "name": "CANARY"},
    {"$plait": "1/dict", "items": [["$plait", "1/tuple"]]},
    {"$plait": {"$plait": "1/tuple", "value": []}},
    {"lc": 1, "type": "secret", "id": ["CANARY"]},
    {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "AIMessage"],
        "kwargs": {"content": "x"},
    },
    {"lc": 2, "type": "constructor", "id": ["os", "system"], "method": "x", "args": ["true"], "half": "\ud800"},
    {"type": "human", "content": "hi"},
    {"type": "human", "data": {"content": "hi"}},
    {"__class__": "os.system", "__module__": "os"},
    {"class": "os.system", "py/object": "os.system", "!!python/object/apply": "os.system"},
]


@pytest.mark.parametrize("canary", FORGED, ids=lambda canary: next(iter(canary)))
def test_d2_forged_envelopes_are_plain_data(canary: Any) -> None:
    """What a user's dict says that it is changes nothing (CVE-2025-68664, CVE-2025-64439)."""
    for value in (canary, [canary], {"$plait": canary}, {"a": {"$plait": [canary]}}, (canary,)):
        assert loads(dumps(value)) == value
        assert load(load(dumpd(dumpd(value)))) == value


@pytest.mark.parametrize("canary", FORGED[4:], ids=lambda canary: next(iter(canary)))
def test_other_libraries_forms_are_plain_data(canary: Any) -> None:
    """A text that another library wrote is JSON like any other (D6)."""
    assert loads(json.dumps(canary)) == canary


def test_special_numbers_come_back() -> None:
    """Those that JSON cannot hold."""
    back = loads(dumps([float("nan"), float("inf"), -float("inf"), -0.0]))

    assert repr(back) == "[nan, inf, -inf, -0.0]"


class Colour(StrEnum):
    RED = "red"


class Zone(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=1)

    dst = utcoffset

    def tzname(self, when: datetime | None) -> str:
        return "one"


class Listed(list[int]):
    pass


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Colour.RED, r"^\$\.a\[0\]: .*Colour.*plain value"),
        (Listed([1]), "Listed.*plain value"),
        (object(), "object.*cannot be saved"),
        (10**5000, "digits"),
        (datetime(2024, 1, 1, tzinfo=Zone()), "fixed offset"),
        (1j, "complex"),
        (os.environ, "_Environ"),
    ],
    ids=["enum", "list of a class", "object", "long number", "zone", "complex", "environment"],
)
def test_what_would_come_back_changed_is_refused(value: Any, says: str) -> None:
    """At once, with its place."""
    with pytest.raises(LoadError, match=says):
        dumps({"a": [value]})


@pytest.mark.parametrize(
    "value",
    [
        b"\xff",
        UUID(int=5),
        Decimal("1.10"),
        date(1, 1, 1),
        time(3, tzinfo=timezone(timedelta(hours=-3))),
        timedelta(-1),
    ],
    ids=repr,
)
def test_values_of_the_standard_library(value: Any) -> None:
    """Each by a tag of its own."""
    assert loads(dumps({"it": value})) == {"it": value}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_d5_depth_is_bounded() -> None:
    """In both directions, long before the interpreter would give up."""
    assert loads(dumps(nested(100))) == nested(100)
    for attempt in (
        lambda: dumps(nested(101)),
        lambda: dumps(nested(5_000)),
        lambda: load(nested(5_000)),
        lambda: loads("[" * 100_000 + "]" * 100_000),
        lambda: loads('{"a":' * 200 + "1" + "}" * 200),
    ):
        with pytest.raises(LoadError, match="100 values in one another"):
            attempt()


def test_d5_types_are_bounded_in_depth() -> None:
    """As values are."""
    kind: Any = {"$plait": "1/type", "name": "int"}
    for _ in range(101):
        kind = {"$plait": "1/type", "name": "list", "of": [kind]}

    with pytest.raises(LoadError, match="100 values in one another"):
        load(kind)


def test_d5_a_stack_that_is_nearly_full_is_told_of() -> None:
    """Where there is no room left for what would be in bounds elsewhere."""
    text, tree = dumps(nested(90)), nested(90)
    left = sys.getrecursionlimit()

    def below(frames: int, call: Any) -> Any:
        return below(frames - 1, call) if frames else call()

    for attempt in (lambda: dumps(tree), lambda: loads(text)):
        with pytest.raises(LoadError, match="deeper than the stack that is left"):
            below(left - 150 - len(inspect.stack(0)), attempt)


def test_texts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long before they are read."""
    monkeypatch.setattr("plait.load.envelope.MAX_CHARS", 10)

    with pytest.raises(LoadError, match="12 characters, more than the 10 that are read"):
        loads("[" + " " * 10 + "]")


@pytest.mark.parametrize("other", [5, None, ["[]"]], ids=repr)
def test_only_texts_are_read(other: Any) -> None:
    """And what takes the rest is named."""
    with pytest.raises(LoadError, match=r"a text was expected, got .*`load` takes"):
        loads(other)


def test_keys_that_no_text_can_hold_come_back() -> None:
    """Half of a pair of surrogates, as a key."""
    value = {"\ud800": 1, "b": {"\udfff": "\ud800"}}

    assert loads(dumps(value).encode()) == value


def test_d5_a_cycle_is_too_deep() -> None:
    """A list that holds itself is found by the same bound."""
    cycle: list[Any] = []
    cycle.append(cycle)

    with pytest.raises(LoadError, match="100 values"):
        dumps(cycle)


def test_d5_values_are_counted() -> None:
    """The same object many times over is many values."""
    shared: Any = [0] * 1_000
    for _ in range(2):
        shared = [shared] * 1_000

    with pytest.raises(LoadError, match="more than 1,000,000 values"):
        dumps(shared)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[NaN]", "NaN is not JSON"),
        ("[1e999]", r"\$\[0\]: a number too large"),
        ("1" * 5000, "not JSON"),
        (b"\xff", "not JSON"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"$plait": 1}', "no tag"),
        ('{"$plait": "tuple"}', "no tag"),
        ('{"$plait": "2/tuple", "value": []}', "version 2 .* knows 1; update"),
        ('{"$plait": "1/os.system"}', "'os.system' is not known"),
        ('{"$plait": "1/subprocess.Popen", "args": ["true"]}', "not known"),
        ('{"$plait": "1/tuple", "value": {}}', "a list was expected"),
        ('{"$plait": "1/tuple"}', "has the fields value"),
        ('{"$plait": "1/tuple", "value": [], "more": 1}', "has the fields value"),
        ('{"$plait": "1/set", "value": [[1]]}', "no set"),
        ('{"$plait": "1/set", "value": [1, 1]}', "twice"),
        ('{"$plait": "1/dict", "items": [[1, 2], [1, 3]]}', "the key 1 stands twice"),
        ('{"$plait": "1/dict", "items": [[1]]}', "no dict"),
        ('{"$plait": "1/dict", "items": [[[], 1]]}', "no dict"),
        ('{"$plait": "1/bytes", "base64": "*"}', "no bytes"),
        ('{"$plait": "1/uuid", "value": 5}', "no uuid"),
        ('{"$plait": "1/decimal", "value": "x"}', "no decimal"),
        ('{"$plait": "1/float", "value": "1e5"}', "none of nan"),
        ('{"$plait": "1/text", "utf8": "zz"}', "no text"),
        ('{"$plait": "1/timedelta", "days": 1e300, "seconds": 0, "microseconds": 0}', "whole numbers"),
        ('{"a": {"b": [0, {"$plait": "1/x"}]}}', r"^\$\.a\.b\[1\]: 'x'"),
    ],
)
def test_texts_that_are_wrong(text: str | bytes, says: str) -> None:
    """Each is told with its place."""
    with pytest.raises(LoadError, match=says):
        loads(text)


def test_trees_hold_json_alone() -> None:
    """What ``load`` gets is checked, too."""
    for tree in (object(), {1: 2}, (1,), {"a": b""}):
        with pytest.raises(LoadError):
            load(tree)

"""``plait.merging``: what the sum of two chunks is."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from collections import Counter, deque
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, Self

import pytest

from plait.errors import EmptyStreamError
from plait.merging import EVERY_KEY, StreamReset, merge, merge_all, plain, snapshot


class Point(NamedTuple):
    x: int


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Rope:
    """Adds up with ``+`` and counts how often it was asked to."""

    def __init__(self, text: str, additions: int = 0) -> None:
        self.text, self.additions = text, additions

    def __add__(self, other: Rope) -> Rope:
        return Rope(self.text + other.text, self.additions + 1)


class Bulk(Rope):
    """Adds up all at once."""

    @classmethod
    def __merge_all__(cls, parts: list[Self]) -> Self:
        return cls("".join(part.text for part in parts))


@pytest.mark.parametrize(
    ("a", "b", "total"),
    [
        ("ab", "cd", "abcd"),
        (b"a", b"b", b"ab"),
        ([1], [2], [1, 2]),
        ((1,), (2,), (1, 2)),
        (1, 2, 2),
        (True, False, False),
        (1.5, 1, 1),
        (None, "x", "x"),
        ("x", None, "x"),
        (None, None, None),
        ({"a": "x"}, {"a": "y"}, {"a": "xy"}),
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": [1], "c": "x"}}, {"a": {"b": [2]}}, {"a": {"b": [1, 2], "c": "x"}}),
        ({"a": None}, {"a": "x"}, {"a": "x"}),
        ({"a": 1}, {"a": 2}, {"a": 2}),
        (date(2020, 1, 1), date(2021, 1, 1), date(2021, 1, 1)),
        (Decimal(1), Decimal(2), Decimal(2)),
        (Colour.RED, Colour.BLUE, Colour.BLUE),
        (Point(1), Point(2), Point(2)),
        (Counter(a=1), Counter(a=2), Counter(a=3)),
        (deque([1]), deque([2]), deque([1, 2])),
    ],
    ids=repr,
)
def test_sum_of_two(a: Any, b: Any, total: Any) -> None:
    """Pieces are joined, facts replaced, and what has a sum of its own uses it."""
    assert merge(a, b) == total
    assert type(merge(a, b)) is type(total)
    assert merge_all([a, b]) == total


@pytest.mark.parametrize(
    ("lower", "higher"), [(1, "a"), ("a", b"a"), (b"a", (1,)), ((1,), [1]), ([1], {"a": 1}), ({"a": 1}, Rope("a"))]
)
def test_higher_kind_wins_whatever_the_order(lower: Any, higher: Any) -> None:
    """Of two kinds that cannot be joined the higher one is kept, so that cutting a stream elsewhere changes nothing."""
    assert merge(lower, higher) is higher
    assert merge(higher, lower) is higher


def test_dict_chunks_keep_every_key_and_every_piece() -> None:
    """Chunks of a parallel step, a key at a time, add up to the whole dict."""
    chunks = [{"joke": "Why "}, {"poem": "O "}, {"joke": "not?"}, {"poem": "bear"}]
    assert merge_all(chunks) == {"joke": "Why not?", "poem": "O bear"}


def test_object_with_a_sum_is_added_in_order() -> None:
    """A class with ``__add__`` is folded from the left."""
    total = merge_all(map(Rope, "abc"))
    assert (total.text, total.additions) == ("abc", 2)


def test_object_that_merges_all_is_asked_once() -> None:
    """A class with ``__merge_all__`` gets all parts at once instead of being added one by one."""
    total = merge_all(map(Bulk, "abc"))
    assert (total.text, total.additions) == ("abc", 0)


def test_of_two_classes_the_last_wins() -> None:
    """Objects of different classes have no sum: the later one stands, with those of its class that it follows."""
    last = merge_all([Rope("a"), deque([1]), Rope("b"), Rope("c")])
    assert last.text == "bc"


def test_class_that_refuses_to_add_does_not_raise() -> None:
    """``NotImplemented`` from ``__add__`` means that the last one wins."""

    class Shy:
        def __add__(self, other: object) -> Any:
            return NotImplemented

    a, b = Shy(), Shy()
    assert merge(a, b) is b


def test_nothing_to_merge_is_an_error() -> None:
    """An empty stream has no sum, and says so instead of giving an empty one."""
    with pytest.raises(EmptyStreamError, match="ended without any"):
        merge_all([])


def test_single_chunk_is_the_sum_itself() -> None:
    """One chunk comes back as the very object it was."""
    chunk = {"a": [1]}
    assert merge_all(iter([chunk])) is chunk


def test_inputs_stay_as_they_are() -> None:
    """A sum is a new dict with new lists; those that went into it are not touched."""
    a, b = {"x": {"y": [1]}}, {"x": {"y": [2]}}
    merge_all([a, b, b])["x"]["y"].append(3)
    assert (a, b) == ({"x": {"y": [1]}}, {"x": {"y": [2]}})


def test_facts_are_replaced_and_not_joined() -> None:
    """Under the keys in ``whole`` a later text replaces an earlier one, at every depth, unless it is empty."""
    parts = [{"id": "a", "text": "x", "in": {"id": "p"}}, {"id": "", "text": "y", "in": {"id": "q"}}]
    assert merge_all(parts, whole={"id"}) == {"id": "a", "text": "xy", "in": {"id": "q"}}
    assert merge_all(parts, whole=EVERY_KEY) == {"id": "a", "text": "y", "in": {"id": "q"}}


def test_hostile_depth_does_not_raise() -> None:
    """Values nested ten thousand deep, or inside themselves, are merged down to a depth and replaced below it."""
    deep: dict[str, Any] = {}
    for _ in range(10_000):
        deep = {"d": deep, "text": "x"}
    assert merge(deep, deep)["d"]["text"] == "xx"
    own: dict[str, Any] = {}
    own["me"] = own
    assert merge(own, own)["me"]["me"]


def test_cost_is_linear() -> None:
    """Every chunk is looked at once, however many there are, and once per key that it has."""
    looked_at: list[str] = []

    class Watched(dict[str, str]):
        def items(self) -> Any:
            looked_at.append("dict")
            return super().items()

    def chunks() -> Iterator[dict[str, str]]:
        return (Watched(text="x", more="y") for _ in range(1000))

    assert merge_all(chunks()) == {"text": "x" * 1000, "more": "y" * 1000}
    assert len(looked_at) == 1000


# ----------------------------------------------------------------------------------------------------------- resets


def test_reset_takes_back_what_was_before() -> None:
    """N6: the value of a stream is the sum of what came after the last reset."""
    reset = StreamReset("TimeoutError")
    assert merge_all(["a", "b", reset, "a", reset, "a", "c"]) == "ac"
    assert merge_all(["a", reset, None]) is None


def test_sum_of_a_part_remembers_the_reset() -> None:
    """A part that holds a reset is one itself, whatever it is added to, so that ``+`` may go on from it."""
    reset = StreamReset("TimeoutError")
    assert "a" + reset + "b" + "c" == merge(merge(reset, "b"), "c") == StreamReset("TimeoutError", ("bc",))
    assert {"a": 1} + reset == 1 + reset == merge("a", reset) == reset
    assert merge("z", reset + "b") == reset + "b"
    assert merge(reset, None).since == (None,)


@pytest.mark.parametrize("chunks", [[StreamReset("OSError")], ["a", StreamReset("OSError")]])
def test_nothing_after_a_reset_is_no_value(chunks: list[Any]) -> None:
    """What was taken back is not given in the end after all."""
    with pytest.raises(EmptyStreamError, match=r"began again \(OSError\)"):
        merge_all(chunks)


def test_reset_is_a_plain_value() -> None:
    """It can be compared, kept in a set, copied and pickled, and nobody can change it for others."""
    reset, later = StreamReset("OSError"), StreamReset("OSError", (["x"],))
    assert reset == StreamReset("OSError") != StreamReset("TimeoutError") != "OSError"
    assert {reset, StreamReset("OSError")} == {reset}
    assert len({reset, later, StreamReset("OSError", (["x"],))}) == 2
    assert [pickle.loads(pickle.dumps(each)) for each in (reset, later)] == [reset, later]
    assert copy.deepcopy(later) == later != reset
    with pytest.raises(AttributeError, match="immutable"):
        reset.reason = "x"
    with pytest.raises(AttributeError, match="immutable"):
        del reset.reason


def test_repr_of_a_reset_shows_why_and_not_what() -> None:
    """What came since is the user's, and may be long or secret."""
    assert repr(StreamReset("OSError")) == "StreamReset('OSError')"
    assert repr(StreamReset("OSError") + "sk-secret") == "StreamReset('OSError', since=<str>)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((OSError("sk-secret"),), "text, such as the name of a type, but got .* OSError"), (("x", "yz"), "tuple of one")],
)
def test_reset_refuses_what_it_is_not_made_of(arguments: Any, message: str) -> None:
    """An exception as the reason would carry its message to whoever sees the stream."""
    with pytest.raises(TypeError, match=message) as caught:
        StreamReset(*arguments)
    assert "secret" not in str(caught.value)


SNAPSHOTS = [snapshot({"a": "x"}), snapshot({"a": "xy", "b": [1]}), snapshot([1]), snapshot([1, 2]), snapshot("x")]


@pytest.mark.parametrize("last", SNAPSHOTS, ids=repr)
def test_the_last_snapshot_is_the_sum(last: Any) -> None:
    """A snapshot replaces all that came before it, and the value of the stream is what it stands for."""
    total = merge_all([*SNAPSHOTS, {"c": 1}, last])
    assert total == last
    assert type(total) is type(plain(last)) in (dict, list, str)
    assert merge_all([last]) == total
    assert type(merge_all([last])) is type(total)


@pytest.mark.parametrize("value", SNAPSHOTS, ids=repr)
def test_a_snapshot_is_a_dict_list_or_str(value: Any) -> None:
    """For users it is what it stands for: equal to it, the same JSON, and copied as what it is."""
    assert value == plain(value)
    assert json.dumps(value) == json.dumps(plain(value))
    for made in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert made == value
        assert type(made) is type(value)


def test_snapshots_at_a_key_replace_each_other() -> None:
    """As chunks of a branch do; in the value of the stream they are plain, however deep."""
    chunks = [{"a": {"b": snapshot("x")}, "c": "1"}, {"a": {"b": snapshot("xy")}, "c": "2"}]
    total = merge_all(chunks)
    assert total == {"a": {"b": "xy"}, "c": "12"}
    assert type(total["a"]["b"]) is str
    first, last = chunks
    assert merge(merge(first, first), last) == merge(first, merge(first, last)) == merge_all([first, first, last])


def test_a_reset_takes_back_snapshots() -> None:
    """What came before it does not count, and what came since is plain."""
    assert merge_all([snapshot([1, 2]), StreamReset("Fault"), snapshot([3])]) == [3]
    assert type(merge_all([StreamReset("Fault"), snapshot([3])])) is list

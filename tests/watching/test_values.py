"""Copies for those who watch: they share nothing with the original, and no value makes them fail."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, PrivateAttr

from plait import AIMessage, AIMessageChunk, Document, HumanMessage, ToolMessage
from plait.merging import merge_all
from plait.watching.values import detached, snapshot, tagged

Point = namedtuple("Point", "x y")  # noqa: PYI024 - what a user may have


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Frozen:
    items: list[int]


@dataclass(slots=True)
class Slotted:
    items: list[int]
    late: list[int] = field(init=False)


class Model(BaseModel):
    items: list[int] = []
    anything: Any = None
    _secret: list[int] = PrivateAttr(default_factory=list)


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no ==")

    def __hash__(self) -> int:
        return 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        1,
        1.5,
        "text",
        b"bytes",
        datetime.now(UTC),
        timedelta(1),
        UUID(int=1),
        Decimal("1.1"),
        Colour.RED,
        PurePosixPath("a/b"),
        range(3),
    ],
)
def test_what_nobody_can_change_is_itself(value: Any) -> None:
    """Scalars, dates, UUIDs, numbers of all kinds and enum members are no copies."""
    assert snapshot(value) is detached(value) is value


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, {"b": 2}]},
        [1, [2]],
        (1, [2]),
        {1, 2},
        frozenset({1}),
        bytearray(b"a"),
        Point([1], 2),
        OrderedDict(a=[1]),
        defaultdict(list, a=[1]),
        Frozen([1]),
        Model(items=[1], anything={"a": [1]}),
        HumanMessage("hi", additional_kwargs={"a": [1]}),
        AIMessage("hi", tool_calls=[{"name": "f", "args": {"a": [1]}, "id": "1"}]),
        AIMessageChunk.model_construct(content="hi", response_metadata={"a": [1]}),
        Document("text", metadata={"a": [1]}),
    ],
)
def test_copy_is_equal_and_another(value: Any) -> None:
    """A copy is equal to the original and of its kind; containers of a special class become plain ones."""
    copy = snapshot(value)

    assert copy == value
    assert copy is not value or isinstance(value, frozenset)
    assert isinstance(value, type(copy))


def test_copy_of_containers_is_deep() -> None:
    """What is done to the containers of a copy, however deep, does not reach the original."""
    original: dict[str, Any] = {"list": [[1]], "tuple": ([1],), "set": {1}, "deque": deque([1])}
    copy = snapshot(original)

    copy["list"][0].append(2)
    copy["tuple"][0].append(2)
    copy["set"].add(2)
    copy["deque"].append(2)

    assert original == {"list": [[1]], "tuple": ([1],), "set": {1}, "deque": deque([1])}


def test_copy_of_a_message_is_deep() -> None:
    """Attributes, metadata and tool calls of a copied message are its own, and so is the copied id of a document."""
    original = AIMessage("hi", response_metadata={"a": [1]}, tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}])
    copy = snapshot(original)

    copy.content = "changed"
    copy.response_metadata["a"].append(2)
    copy.tool_calls[0]["args"]["x"] = 2

    assert original == AIMessage(
        "hi", response_metadata={"a": [1]}, tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}]
    )


def test_copy_of_a_chunk_adds_up() -> None:
    """Chunks that nobody has looked at yet are copied as they are, and their sum is that of the originals."""
    chunks = [AIMessageChunk.model_construct(content=text, response_metadata={"n": text}) for text in "abc"]
    copies = [snapshot(chunk) for chunk in chunks]
    copies[0].response_metadata["n"] = "changed"

    assert merge_all(copies).content == "abc"
    assert merge_all(chunks).response_metadata == {"n": "c"}
    assert chunks[0].response_metadata == {"n": "a"}


def test_copy_of_a_long_sum_is_one_message() -> None:
    """A sum of thousands of chunks, one added to the other, is copied whatever the depth of its terms."""
    total = AIMessageChunk.model_construct(content="")
    for _ in range(5000):
        total = total + AIMessageChunk.model_construct(content="a")

    assert snapshot(total).content == "a" * 5000


def test_copy_of_dataclasses() -> None:
    """A dataclass is copied frozen or not, with slots or without, and without its fields that are not set."""
    frozen, slotted = Frozen([1]), Slotted([1])
    copies = snapshot([frozen, slotted])
    copies[0].items.append(2)
    copies[1].items.append(2)

    assert (frozen.items, slotted.items, hasattr(copies[1], "late")) == ([1], [1], False)


def test_copy_of_private_attributes() -> None:
    """Private attributes of a model are copied with it."""
    original = Model()
    original._secret.append(1)
    copy = snapshot(original)
    copy._secret.append(2)

    assert (original._secret, copy._secret) == ([1], [1, 2])


@pytest.mark.parametrize("value", [threading.Lock(), object(), (n for n in "ab"), print, Hostile(), ValueError("no")])
def test_what_cannot_be_copied_is_tagged(value: Any) -> None:
    """In a log an object that no JSON can hold is a dict that tells of it; for events it stays what it is."""
    copy = snapshot({"deep": [value]})["deep"][0]

    assert copy == tagged(value)
    assert (copy["lc"], copy["type"], copy["id"][-1]) == (1, "not_implemented", type(value).__qualname__)
    assert isinstance(copy["repr"], str)
    assert detached({"deep": [value]})["deep"][0] is value


def test_tag_names_the_class() -> None:
    """The tag has the module, part by part, and the name of the class, and a bounded repr without secrets."""

    class Client:
        def __repr__(self) -> str:
            return f"Client(api_key='sk-{'x' * 24}', {'y' * 10_000})"

    tag = tagged(Client())

    assert tag["id"] == [*__name__.split("."), "test_tag_names_the_class.<locals>.Client"]
    assert "sk-" not in tag["repr"]
    assert len(tag["repr"]) <= 200


def test_tagged_inside_a_message() -> None:
    """What cannot be copied is tagged where it is, and the rest of the message is a message."""
    copy = snapshot(ToolMessage("done", tool_call_id="1", artifact=threading.Lock()))

    assert (copy.content, copy.artifact["id"]) == ("done", ["_thread", "lock"])


def test_tagged_inside_a_set() -> None:
    """A set of objects becomes a list of tags, since a tag cannot be in a set."""
    [tag] = snapshot({print})

    assert tag == tagged(print)


def test_generator_is_not_consumed() -> None:
    """To look at a stream takes nothing from it."""
    stream = (n for n in range(3))
    snapshot(stream)

    assert list(stream) == [0, 1, 2]


def test_cycle_ends() -> None:
    """What refers to itself is tagged where it does."""
    cycle: list[Any] = [1]
    cycle += [cycle, cycle, {"again": cycle}]

    for copy in (snapshot(cycle), detached(cycle)):
        assert copy[0] == 1
        assert copy[1] == copy[2] == copy[3]["again"] == tagged(cycle)


def test_depth_ends() -> None:
    """A value that nests a hundred thousand deep is copied as far as anybody would look."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    copy, depth = snapshot(deep), 0
    while isinstance(copy, list):
        copy, depth = copy[0], depth + 1

    assert (copy["type"], depth) == ("not_implemented", 100)
    while deep:  # or its end would be as deep
        deep = deep.pop()


def test_shared_parts_are_copied_once() -> None:
    """A value of a few lists that stands for two to the power of sixty is copied list by list."""
    value: Any = [1]
    for _ in range(60):
        value = [value, value]
    copy = snapshot(value)

    assert copy[0] is copy[1]
    assert copy is not value


def test_container_that_raises_is_tagged() -> None:
    """A class that raises when it is looked at does no harm, and the rest is copied."""

    class Odd(list[Any]):
        def __iter__(self) -> Any:
            raise RuntimeError("no")

    odd = Odd()

    assert snapshot([1, odd]) == [1, tagged(odd)]
    assert detached([1, odd])[1] is odd

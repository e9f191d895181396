"""Embeddings are two methods; their async twins and batches follow, and the fake is good enough to search with."""

import asyncio
import threading
from itertools import count, islice
from math import isclose
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plait.embeddings import DeterministicFakeEmbedding, Embeddings, FakeEmbeddings, batches
from plait.errors import ConfigError, ModelError


class Lengths(Embeddings):
    """A vector is the length of its text; remembers the sizes of its calls."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.sizes.append(len(texts))
        return [[float(len(text))] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return [float(len(text))]


def likeness(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


async def test_the_async_twins_follow() -> None:
    """A class with the two sync methods has the async ones, with the same values."""
    assert await Lengths().aembed_documents(["a", "bb"]) == [[1.0], [2.0]]
    assert await Lengths().aembed_query("abc") == [3.0]


async def test_a_sync_model_does_not_block_the_loop() -> None:
    """The async twin of a model that waits lets the loop go on."""
    going = threading.Event()

    class Waiting(Lengths):
        def embed_query(self, text: str) -> list[float]:
            assert going.wait(10)
            return [1.0]

    call = asyncio.create_task(Waiting().aembed_query("x"))
    await asyncio.sleep(0)
    going.set()
    assert await call == [1.0]


async def test_batches_bound_what_goes_into_a_call() -> None:
    """Vectors come in order, at most ``batch_size`` texts go into one call."""
    texts = ["x" * length for length in range(7)]
    model = Lengths()

    assert list(model.embed_batches(texts, 3)) == [[float(length)] for length in range(7)]
    assert [vector async for vector in model.aembed_batches(texts, 3)] == [[float(length)] for length in range(7)]
    assert model.sizes == [3, 3, 1] * 2


def test_batches_are_lazy() -> None:
    """Texts without end are pulled a batch at a time."""
    model = Lengths()
    assert len(list(islice(model.embed_batches((str(number) for number in count()), 4), 6))) == 6
    assert model.sizes == [4, 4]


@given(st.lists(st.text(), max_size=30), st.integers(1, 10))
def test_batches_hold_all_texts_in_order(texts: list[str], size: int) -> None:
    """Batches joined are the texts, and all but the last are full."""
    parts = list(batches(texts, size))
    assert [text for part in parts for text in part] == texts
    assert all(len(part) == size for part in parts[:-1])
    assert all(parts)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_nothing_is_refused(size: int) -> None:
    """A size below 1 is an error at once."""
    with pytest.raises(ConfigError, match=f"at least 1, got {size}"):
        batches(["a"], size)


def test_one_text_is_no_batch() -> None:
    """It is not taken for its letters."""
    with pytest.raises(TypeError, match="got one str"):
        list(Lengths().embed_batches("abc"))


def test_vectors_that_are_missing_are_an_error() -> None:
    """A model that gives fewer vectors than texts is caught before they are put together wrongly."""

    class Losing(Lengths):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0]]

    with pytest.raises(ModelError, match="Losing was given 2 texts, but gave 1 vectors"):
        list(Losing().embed_batches(["a", "b"]))


class Gives(Lengths):
    """A model that gives what it is told to give."""

    def __init__(self, vectors: Any) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.vectors


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        ([[1.0, 2.0], [1.0]], "number 1, of 1 numbers; expected 2"),
        ([[], []], "number 0, of 0 numbers; expected some"),
        ([[1.0], [float("nan")]], "number 1, with nan at place 0"),
        ([[1.0, float("inf")], [1.0, 2.0]], "number 0, with inf at place 1"),
        ([[1.0], ["2"]], "number 1, in which something is no number"),
        ([[1.0], None], "type NoneType where a vector was expected"),
        (None, "type NoneType where a list of vectors was expected"),
        ("ab", "type str where a list"),
    ],
)
def test_what_can_be_no_vectors_is_an_error(vectors: Any, says: str) -> None:
    """The message names the model and says what came."""
    with pytest.raises(ModelError, match=f"Gives gave .*{says}"):
        list(Gives(vectors).embed_batches(["a", "b"]))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.booleans())
def test_finite_numbers_are_vectors(numbers: list[float], array: bool) -> None:
    """However large they are, in lists, tuples or arrays."""
    given = np.array([numbers, numbers]) if array else [tuple(numbers), numbers]
    assert list(Gives(given).embed_batches(["a", "b"])) == [numbers, numbers]


def test_both_methods_have_to_be_written() -> None:
    """A class that lacks one cannot be made."""
    with pytest.raises(TypeError, match="embed_query"):
        type("Half", (Embeddings,), {"embed_documents": Lengths.embed_documents})()


@given(st.text(), st.integers(1, 40))
def test_the_fake_gives_unit_vectors(text: str, size: int) -> None:
    """Every text has a vector of the size asked for, of length 1 unless its words cancel each other."""
    vector = DeterministicFakeEmbedding(size=size).embed_query(text)
    assert len(vector) == size
    assert isclose(likeness(vector, vector), 1.0) or not any(vector)


def test_the_fake_is_the_same_everywhere() -> None:
    """The numbers do not depend on the process, the machine or the version of Python."""
    vector = DeterministicFakeEmbedding(size=3).embed_query("hello")
    assert [round(number, 6) for number in vector] == PINNED


def test_the_fake_has_another_name() -> None:
    """Known from elsewhere, where its vectors are random."""
    assert FakeEmbeddings(size=4).embed_query("a") == DeterministicFakeEmbedding(size=4).embed_query("a")


def test_the_fake_finds_what_shares_words() -> None:
    """A text lies nearer to one with the same words than to another."""
    model = DeterministicFakeEmbedding(size=256)
    near, far = model.embed_documents(["The Harrison report on kensho", "a cake with strawberries"])
    query = model.embed_query("Kensho harrison")
    assert likeness(query, near) > 0.5 > likeness(query, far)


def test_words_that_cancel_give_a_vector_too() -> None:
    """Where the numbers of two words add up to nothing the vector is nothing, not an error."""
    assert DeterministicFakeEmbedding(size=1).embed_query("a g") == [0.0]


async def test_the_fakes_async_twins_agree() -> None:
    """Sync and async give the same vectors."""
    model = DeterministicFakeEmbedding(size=8)
    assert await model.aembed_query("a b") == model.embed_query("a b")
    assert await model.aembed_documents(["a", "b"]) == model.embed_documents(["a", "b"])


def test_a_size_of_nothing_is_refused() -> None:
    """A vector has at least one number."""
    with pytest.raises(ValidationError):
        DeterministicFakeEmbedding(size=0)


PINNED = [0.188189, 0.681373, 0.70733]

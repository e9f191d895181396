"""``check_embeddings``: does a model give vectors as whoever stores and compares them must be able to expect?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from math import dist, hypot, isfinite
from typing import Any, Final, cast

from plait.concurrency import gather, in_thread
from plait.embeddings import Embeddings
from plait.errors import PlaitError
from plait.testing.findings import Law
from plait.testing.trials import FAILED, Trial, judged

__all__ = ["EMBEDDING_LAWS", "acheck_embeddings", "check_embeddings"]

EMBEDDING_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("A list of texts gives vectors, and raises nothing.", "let embed_documents take any list of texts"),
    "one-each": Law(
        "There is one vector for each text, also for none at all and for a text that comes twice.",
        "give a list as long as the texts; for an empty list an empty one, without asking the model",
    ),
    "numbers": Law(
        "A vector is a list of finite floats, and all vectors, of documents and of queries, have one length.",
        "give lists of floats, array.tolist(), and raise ModelError for what is NaN",
    ),
    "same-vector": Law(
        "A text has one vector: alone, among others, in whatever order, now and later.",
        "give the vectors in the order of the texts, and let none depend on the texts beside it",
    ),
    "apart": Law("Texts that say different things have different vectors.", "look at what reaches the model"),
    "twins": Law("The async methods give what the sync ones give.", "let both do the same work, or write only one"),
    "concurrent": Law(
        "Calls at the same time, in threads and in tasks, do not disturb one another.",
        "keep what belongs to one call in local variables, and a lock around what cannot be shared",
    ),
    "input-kept": Law("The list of texts is not changed.", "copy what you change: the list belongs to the caller"),
    "output-kept": Law("Who changes a vector changes no other.", "give new lists, also out of a cache"),
    "odd-texts": Law(
        "An empty, long or odd text has a vector, or is refused with an error of plait.",
        "take any str; raise ModelError, which says which text it is, for one that the model refuses",
    ),
    "event-loop": Law(
        "The async methods do not make the loop wait.", "await instead, or leave them out: a thread is used"
    ),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open: no task, thread, generator or file.",
        "await every task, join every thread and close what you open before the call returns",
    ),
}
"""What every embedding model keeps to, by name."""

_TEXTS: Final = (
    "The cat sleeps on the warm stove.",
    "Interest rates were raised by a quarter of a percent.",
    "天気がとてもいいですね。",
    "def add(a, b): return a + b",
    "Où est la gare, s'il vous plaît ?",
    "🙂🚂",
)
_ODD: Final = {
    "empty": "",
    "blank": " \n\t",
    "long": "many words " * 200,
    "with a NUL": "a\0b",
    "half a pair": "a\ud800",
}


def check_embeddings(
    embeddings: Embeddings,
    *,
    texts: Iterable[str] = _TEXTS,
    tolerance: float = 1e-3,
    skip: Mapping[str, str] | None = None,
) -> None:
    """Call a model in every way, and raise ConformanceError, which lists each of ``EMBEDDING_LAWS`` that it breaks.

    texts: at least two that say different things; some thirty calls are made with them.
    tolerance: how far two vectors of one text may lie apart, as a part of their length.
    skip: laws that are known not to hold, each with the reason.

    It starts event loops: where one is running, use ``acheck_embeddings``.
    """
    chosen = list(dict.fromkeys(texts))
    if len(chosen) < 2:
        raise ValueError("a check needs at least two texts")
    judged(
        embeddings,
        "an embedding model",
        EMBEDDING_LAWS,
        skip,
        lambda trial: _Check(trial, embeddings, chosen, tolerance).run(),
    )


async def acheck_embeddings(embeddings: Embeddings, **options: Any) -> None:  # twin: it runs in a thread
    """As ``check_embeddings``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_embeddings, embeddings, **options)


class _Check:
    """One check: the vectors that are expected are those of the first calls."""

    def __init__(self, trial: Trial, model: Embeddings, texts: list[str], tolerance: float) -> None:
        self.trial = trial
        self.model = model
        self.texts = texts
        self.tolerance = tolerance
        self.documents: dict[str, list[float]] = {}
        self.queries: dict[str, list[float]] = {}

    def run(self) -> None:
        if not self.expect():
            return
        self.check_apart()
        self.check_documents()
        self.check_twins()
        self.check_concurrent()
        self.check_kept()
        self.check_odd()

    # ---------------------------------------------------------------------------------------------------------- vectors

    def expect(self) -> bool:
        """The vectors of each text, if they are any."""
        given = self.trial.call("embed_documents", self.model.embed_documents, [*self.texts])
        vectors = self.vectors(given, len(self.texts), "embed_documents")
        queries = [self.trial.call("embed_query", self.model.embed_query, text) for text in self.texts[:2]]
        asked = self.vectors(queries, 2, "embed_query")
        if vectors is None or asked is None:
            return False
        self.documents = {text: [*vector] for text, vector in zip(self.texts, vectors, strict=True)}
        self.queries = {text: [*vector] for text, vector in zip(self.texts, asked, strict=False)}
        if len(vectors[0]) != len(asked[0]):
            self.trial.tell("numbers", f"{len(vectors[0])} numbers, as in documents", str(len(asked[0])), "embed_query")
        return True

    def vectors(self, given: Any, count: int, where: str) -> list[list[float]] | None:
        """What a call gave, if it is so many vectors."""
        if given is FAILED or (isinstance(given, list) and FAILED in cast("list[object]", given)):
            return None
        if not isinstance(given, list):
            self.trial.tell("one-each", "a list of vectors", type(given).__name__, where)
            return None
        vectors = cast("list[Any]", given)
        if len(vectors) != count:
            self.trial.tell("one-each", f"{count} vectors", str(len(vectors)), where)
            return None
        faults = [fault for vector in vectors if (fault := _fault(vector, len(vectors[0])))]
        if faults:
            self.trial.tell("numbers", "a list of finite floats, as long as the others", faults[0], where)
            return None
        return vectors

    def same(self, law: str, texts: Sequence[str], given: Any, where: str, *, query: bool = False) -> None:
        """Note where vectors are not those that are expected."""
        vectors = self.vectors(given, len(texts), where)
        if vectors is None:
            return
        for text, vector in zip(texts, vectors, strict=True):
            known = self.queries[text] if query else self.documents[text]
            if len(known) != len(vector) or not self.near(known, vector):
                self.trial.tell(law, f"the vector that the text {text[:40]!r} had at first", "another", where)
                return

    def near(self, a: list[float], b: list[float]) -> bool:
        return dist(a, b) <= self.tolerance * (hypot(*a) or 1.0)

    # ------------------------------------------------------------------------------------------------------------- laws

    def check_apart(self) -> None:
        first, *others = self.texts
        if any(self.near(self.documents[first], self.documents[text]) for text in others):
            self.trial.tell("apart", f"another vector than that of {first[:40]!r}", "the same", "embed_documents")

    def check_documents(self) -> None:
        documents = self.model.embed_documents
        for where, texts in {
            "embed_documents of one text": self.texts[:1],
            "embed_documents in another order": self.texts[::-1],
            "embed_documents of a text twice": [self.texts[1], self.texts[0], self.texts[1]],
        }.items():
            self.same("same-vector", texts, self.trial.call(where, documents, [*texts]), where)
        self.vectors(self.trial.call("embed_documents of nothing", documents, []), 0, "embed_documents of nothing")
        again = self.trial.call("embed_query again", self.model.embed_query, self.texts[0])
        self.same("same-vector", self.texts[:1], [again], "embed_query again", query=True)

    def check_twins(self) -> None:
        given = self.trial.acall("aembed_documents", self.model.aembed_documents, [*self.texts])
        self.same("twins", self.texts, given, "aembed_documents")
        nothing = self.trial.acall("aembed_documents of nothing", self.model.aembed_documents, [])
        self.vectors(nothing, 0, "aembed_documents of nothing")
        query = self.trial.acall("aembed_query", self.model.aembed_query, self.texts[0])
        self.same("twins", self.texts[:1], [query], "aembed_query", query=True)

    def check_concurrent(self) -> None:
        parts = [[text] for text in self.texts] * 2
        given = self.trial.call(
            "threads", lambda: gather(lambda _, part: self.model.embed_documents(part), parts, 4, None)
        )
        self.same_parts(parts, given, "embed_documents in threads")

        async def together() -> Any:
            return await asyncio.gather(*(self.model.aembed_documents([*part]) for part in parts))

        self.same_parts(parts, self.trial.acall("tasks", together), "aembed_documents in tasks")

    def same_parts(self, parts: list[list[str]], given: Any, where: str) -> None:
        if given is FAILED:
            return
        for part, vectors in zip(parts, given, strict=True):
            self.same("concurrent", part, vectors, where)

    def check_kept(self) -> None:
        mine = [*self.texts]
        vectors = self.trial.call("embed_documents", self.model.embed_documents, mine)
        if mine != self.texts:
            self.trial.tell("input-kept", "the list as it was", f"a list of {len(mine)}", "embed_documents")
        if self.vectors(vectors, len(self.texts), "embed_documents") is None:
            return
        for vector in vectors:
            vector[:] = [0.0]
        later = self.trial.call("embed_documents", self.model.embed_documents, [*self.texts])
        self.same("output-kept", self.texts, later, "embed_documents, after a change of what it gave")

    def check_odd(self) -> None:
        for name, text in _ODD.items():
            try:
                given = [self.model.embed_query(text), *self.model.embed_documents([text])]
            except PlaitError:
                continue
            except Exception as error:
                self.trial.tell("odd-texts", "a vector, or an error of plait", f"{type(error).__name__}: {error}", name)
                continue
            faults = [_fault(vector, len(self.documents[self.texts[0]])) for vector in given]
            if any(faults):
                self.trial.tell("odd-texts", "a vector, as long as the others", str(faults[0] or faults[1]), name)


def _fault(vector: Any, size: int) -> str | None:
    """What is wrong with a vector, if it is one that should have ``size`` numbers."""
    if not isinstance(vector, list):
        return f"a {type(vector).__name__}"
    numbers = cast("list[Any]", vector)
    if not numbers or len(numbers) != size:
        return f"a list of {len(numbers)}"
    odd = next((number for number in numbers if type(number) is not float or not isfinite(number)), None)
    return None if odd is None else f"a list with {odd!r}, of type {type(odd).__name__}"

"""``check_vector_store``: does a store find, keep and refuse what whoever searches by meaning must be able to expect?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import nan
from typing import Any, Final

from plait.concurrency import gather, in_thread
from plait.documents import Document
from plait.embeddings import DeterministicFakeEmbedding, Embeddings
from plait.errors import StoreError
from plait.testing.findings import Law
from plait.testing.trials import FAILED, Trial, judged
from plait.vectorstores import VectorStore

__all__ = ["VECTOR_STORE_LAWS", "acheck_vector_store", "check_vector_store"]

VECTOR_STORE_LAWS: Final[Mapping[str, Law]] = {
    "works": Law("The verbs take texts, ids, filters and vectors, and raise nothing.", "see the exception"),
    "ids": Law(
        "Adding gives the ids in the order of the texts: the given ones, else those of the documents, else random ones.",
        "keep the texts under the ids that _put is given",
    ),
    "replaces": Law("A text under an id that is there takes the place of what was there.", "write as an upsert"),
    "get": Law(
        "get_by_ids gives the documents in the order of the ids, without those that are not there.",
        "put what is found into the order of the ids",
    ),
    "delete": Law(
        "delete forgets these documents and no others, none for an empty list, or all; what is not there is no error.",
        "delete exactly these ids, and all of them for None alone",
    ),
    "nearest": Law(
        "A search gives the k nearest documents, the nearest first, and all of them if there are fewer.",
        "compare every vector, or look at more of them",
    ),
    "scores": Law(
        "Scores go one way from the first to the last; relevance goes down, and lies between 0 and 1.",
        "give the scores that the order is by, and write _relevance for them",
    ),
    "filters": Law(
        "A filter means what plait.vectorstores.filters says, and is applied before the k nearest are taken.",
        "let the search pass over what does not pass, or use plait.vectorstores.filters.passes",
    ),
    "unknown-key": Law(
        "A filter that finds nothing, on a key that no document has, raises StoreError.",
        "look which keys there are when nothing was found, and call refuse_unknown",
    ),
    "diverse": Law(
        "max_marginal_relevance_search gives what the definition gives for the vectors that were put in.",
        "give the vectors as they were put in when _nearest is asked for them",
    ),
    "refuses": Law(
        "Vectors of another length or with nan, an id twice in a call, and k below 1 raise StoreError or ConfigError, and "
        "leave the store as it was.",
        "check before anything is kept",
    ),
    "copies": Law(
        "Nobody changes a document in the store by changing what was put in or given out.", "copy metadata both ways"
    ),
    "texts": Law(
        "Texts, ids and metadata come back as they were, in any script.", "store them as unicode, unshortened"
    ),
    "twins": Law("The async verbs do what the sync ones do.", "let both do the same work, or write only the sync ones"),
    "retriever": Law(
        "as_retriever gives what the search gives, labelled with the name of the store's class.", "leave it as it is"
    ),
    "concurrent": Law("Threads that add at the same time lose nothing.", "put a lock around what cannot be shared"),
    "input-kept": Law("The lists and dicts that are given are not changed.", "copy what you change"),
    "event-loop": Law("The async verbs do not make the loop wait.", "await, or leave them out: a thread is used"),
    "nothing-left": Law(
        "When a call is over nothing of it goes on or is open.", "close what you open before the call returns"
    ),
}
"""What every vector store keeps to, by name."""

_WORDS: Final = ("red", "green", "blue", "black", "white", "grey")
_TEXTS: Final = [f"{one} {other} {number}" for number, one in enumerate(_WORDS) for other in _WORDS[number:]]
_IDS: Final = [f"id-{number}" for number in range(len(_TEXTS))]
_STRANGE: Final = {"text": "crème 🍮 漢字 عربى \"\\\n\t%s'; --", "id": "ключ/☃ %s", "metadata": {"größe": "ß'\"%s"}}
_SCORE_ERROR: Final = 1e-4  # of numbers with 32 bits


def _about(number: int) -> dict[str, Any]:
    """Metadata of every kind; some keys are missing now and then."""
    about: dict[str, Any] = {"n": number, "half": number / 2, "even": number % 2 == 0, "word": _WORDS[number % 6]}
    if number % 3 == 0:
        about |= {"some": None, "list": [number, "x"], "mixed": str(number)}
    return about if number % 3 == 0 else about | {"mixed": number}


_METADATAS: Final = [_about(number) for number in range(len(_TEXTS))]

FILTERS: Final[Mapping[str, tuple[dict[str, Any], Callable[[dict[str, Any]], bool]]]] = {
    "nothing": ({}, lambda _: True),
    "equal": ({"n": 3}, lambda about: about["n"] == 3),
    "equal as float": ({"n": 3.0}, lambda about: about["n"] == 3),
    "true is not 1": ({"even": 1}, lambda _: False),
    "true": ({"even": True}, lambda about: about["even"]),
    "none": ({"some": None}, lambda about: "some" in about),
    "a list": ({"list": [3, "x"]}, lambda about: about["n"] == 3),
    "two keys": ({"even": True, "word": "blue"}, lambda about: about["even"] and about["word"] == "blue"),
    "a range": ({"half": {"$gt": 1.5, "$lte": 4}}, lambda about: 1.5 < about["half"] <= 4),
    "words in order": ({"word": {"$gte": "green", "$lt": "red"}}, lambda about: "green" <= about["word"] < "red"),
    "other types": ({"mixed": {"$gte": 0}}, lambda about: isinstance(about["mixed"], int)),
    "not equal": ({"mixed": {"$ne": 4}}, lambda about: about["mixed"] != 4),
    "not equal, or missing": ({"some": {"$ne": None}}, lambda about: "some" not in about),
    "in": ({"n": {"$in": [1, 2.0, "3", None]}}, lambda about: about["n"] in (1, 2)),
    "in nothing": ({"n": {"$in": []}}, lambda _: False),
    "not in": ({"some": {"$nin": [None, 1]}}, lambda about: "some" not in about),
    "exists": ({"list": {"$exists": True}}, lambda about: "list" in about),
    "exists not": ({"list": {"$exists": False}}, lambda about: "list" not in about),
    "or": ({"$or": [{"n": 1}, {"word": "grey"}]}, lambda about: about["n"] == 1 or about["word"] == "grey"),
    "not": ({"$not": {"mixed": {"$lt": 9}}}, lambda about: not (about["n"] % 3 and about["n"] < 9)),
    "nested": (
        {"$and": [{"$or": [{"n": {"$lt": 4}}, {"n": {"$gt": 16}}]}, {"$not": {"even": True}}]},
        lambda about: not 4 <= about["n"] <= 16 and not about["even"],
    ),
}
"""Filters, and what they mean."""


class _Model(Embeddings):
    """Vectors of length 1, until it is told to give others."""

    def __init__(self) -> None:
        self.size = 24
        self.broken = False

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return [await self.aembed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        vector = DeterministicFakeEmbedding(size=self.size).embed_query(text)
        return [nan, *vector[1:]] if self.broken else vector

    async def aembed_query(self, text: str) -> list[float]:
        vector = await DeterministicFakeEmbedding(size=self.size).aembed_query(text)
        return [nan, *vector[1:]] if self.broken else vector


def check_vector_store(make: Callable[[Embeddings], VectorStore], *, skip: Mapping[str, str] | None = None) -> None:
    """Try out stores that ``make`` gives, and raise ConformanceError, which lists each of ``VECTOR_STORE_LAWS`` they break.

    make: gives an empty store that works with an embedding model, another one for each call. The class itself may do:
        ``check_vector_store(InMemoryVectorStore)``.
    skip: laws that are known not to hold, each with the reason.

    It starts event loops: where one is running, use ``acheck_vector_store``.
    """
    judged(make(_Model()), "a vector store", VECTOR_STORE_LAWS, skip, lambda trial: _Check(trial, make).run())


async def acheck_vector_store(  # twin: it runs in a thread
    make: Callable[[Embeddings], VectorStore], **options: Any
) -> None:
    """As ``check_vector_store``, with its options, from inside an event loop; it runs in a thread."""
    await in_thread(check_vector_store, make, **options)


class _Check:
    """One check: a short story for each law; those that only read share a store."""

    def __init__(self, trial: Trial, make: Callable[[Embeddings], VectorStore]) -> None:
        self.trial = trial
        self.make = make
        self.model = _Model()

    def run(self) -> None:
        self.empty()
        self.ids()
        self.replaces()
        self.delete()
        self.refuses()
        self.copies()
        self.texts()
        self.kept()
        self.concurrent()
        full = self.filled()
        for story in (self.get, self.nearest, self.scores, self.filters, self.diverse, self.retriever, self.twins):
            story(full)

    def filled(self, count: int = len(_TEXTS)) -> VectorStore:
        store = self.make(self.model)
        self.call("add_texts", store.add_texts, _TEXTS[:count], _METADATAS[:count], ids=_IDS[:count])
        return store

    def call(self, where: str, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.trial.call(where, call, *args, **kwargs)

    def expect(self, law: str, expected: Any, came: Any, where: str) -> None:
        """Note what is not as expected."""
        if came is not FAILED and came != expected:
            self.trial.tell(law, f"{expected!r:.120}", f"{came!r:.120}", where)

    def search(self, store: VectorStore, *args: Any, **kwargs: Any) -> Any:
        return _ids_of(self.call("similarity_search", store.similarity_search, *args, **kwargs))

    def ranked(self, query: str, passing: Iterable[int] = range(len(_TEXTS))) -> list[str]:
        """The ids of all texts, the nearest first."""
        vector = self.model.embed_query(query)
        cosines = {_IDS[n]: _cosine(vector, self.model.embed_query(_TEXTS[n])) for n in passing}
        return sorted(cosines, key=cosines.__getitem__, reverse=True)

    # ----------------------------------------------------------------------------------------------------- what is kept

    def empty(self) -> None:
        store = self.make(self.model)
        self.expect("nearest", [], self.search(store, "red"), "similarity_search of an empty store")
        self.expect("get", [], self.call("get_by_ids", store.get_by_ids, ["x"]), "get_by_ids of an empty store")
        self.expect("ids", [], self.call("add_texts", store.add_texts, []), "add_texts of nothing")
        self.call("delete", store.delete, ["x"])

    def ids(self) -> None:
        store = self.make(self.model)
        documents = [Document("red", id="own"), Document("blue")]
        own = self.call("add_documents", store.add_documents, documents)
        given = self.call("add_texts", store.add_texts, ["grey", "white"], ids=["given", None])
        if FAILED in (own, given):
            return
        self.expect("ids", ["own", "given"], [own[0], given[0]], "add_documents, add_texts")
        all_ids = [*own, *given]
        self.expect("ids", 4, len(set(all_ids)), "random ids")
        found = [each.page_content for each in self.call("get_by_ids", store.get_by_ids, all_ids)]
        self.expect("ids", ["red", "blue", "grey", "white"], found, "get_by_ids of what add_texts gave")

    def replaces(self) -> None:
        store = self.filled(4)
        self.call("add_texts", store.add_texts, ["yellow", "pink"], [{"new": 1}, {"new": 2}], ids=["id-1", "new"])
        expected = [("yellow", {"new": 1}), ("pink", {"new": 2})]
        self.expect("replaces", expected, self.contents(store, ["id-1", "new"]), "add_texts under an id that is there")
        found = self.search(store, "yellow", k=10)
        if found is not FAILED:
            self.expect("replaces", (5, "id-1"), (len(found), found[0]), "similarity_search for the new text")

    def contents(self, store: VectorStore, ids: list[str]) -> Any:
        found = self.call("get_by_ids", store.get_by_ids, ids)
        return found if found is FAILED else [(each.page_content, each.metadata) for each in found]

    def get(self, store: VectorStore) -> None:
        expected = [(_TEXTS[number], _METADATAS[number]) for number in (7, 2, 5)]
        found = self.contents(store, ["id-7", "missing", "id-2", "id-5"])
        self.expect("get", expected, found, "get_by_ids")

    def delete(self) -> None:
        store = self.filled(6)
        for ids in (["id-1", "missing", "id-4"], []):
            self.call("delete", store.delete, ids)
        kept = ["id-0", "id-2", "id-3", "id-5"]
        self.expect("delete", kept, self.sorted_ids(store), "similarity_search after delete")
        self.expect("delete", kept, _ids_of(self.call("get_by_ids", store.get_by_ids, _IDS[:6])), "get_by_ids")
        self.call("add_texts", store.add_texts, ["pink"], ids=["id-1"])
        self.expect("delete", sorted([*kept, "id-1"]), self.sorted_ids(store), "add_texts after delete")
        self.call("delete of all", store.delete)
        self.expect("delete", [], self.search(store, "red"), "similarity_search after delete of all")

    def sorted_ids(self, store: VectorStore) -> Any:
        found = self.search(store, "red", k=100)
        return found if found is FAILED else sorted(found)

    def texts(self) -> None:
        store = self.make(self.model)
        text, id, metadata = _STRANGE["text"], _STRANGE["id"], _STRANGE["metadata"]
        self.call("add_texts", store.add_texts, [text], [metadata], ids=[id])
        self.expect("texts", [(text, metadata)], self.contents(store, [str(id)]), "get_by_ids")
        found = self.search(store, text, filter=metadata)
        self.expect("texts", [id], found, "similarity_search with a filter of strange characters")

    def copies(self) -> None:
        store, metadata = self.make(self.model), {"deep": [1]}
        self.call("add_texts", store.add_texts, ["red"], [metadata], ids=["x"])
        metadata["deep"].append(2)
        for found in (
            self.call("get_by_ids", store.get_by_ids, ["x"]),
            self.call("similarity_search", store.similarity_search, "red"),
        ):
            for document in () if found is FAILED else found:
                document.metadata.setdefault("deep", []).append(3)
        self.expect("copies", [("red", {"deep": [1]})], self.contents(store, ["x"]), "get_by_ids after changes")

    def kept(self) -> None:
        store = self.make(self.model)
        given = [["red", "blue"], [{"a": 1}, {"a": 2}], ["1", "2"]]
        self.call("add_texts", store.add_texts, given[0], given[1], ids=given[2])
        filter, asked = {"a": {"$gt": 1}}, ["1", "2"]
        self.call("similarity_search", store.similarity_search, "red", filter=filter)
        self.call("delete", store.delete, asked)
        expected = [["red", "blue"], [{"a": 1}, {"a": 2}], ["1", "2"]], {"a": {"$gt": 1}}, ["1", "2"]
        self.expect("input-kept", expected, (given, filter, asked), "add_texts, similarity_search, delete")

    def concurrent(self) -> None:
        store = self.make(self.model)
        pairs = list(zip(_TEXTS, _IDS, strict=True))
        self.call(
            "add_texts in threads",
            lambda: gather(lambda _, pair: store.add_texts([pair[0]], ids=[pair[1]]), pairs, 6, None),
        )
        self.expect("concurrent", sorted(_IDS), self.sorted_ids(store), "similarity_search after add_texts in threads")

    # ---------------------------------------------------------------------------------------------------- what is refused

    def refuses(self) -> None:
        store = self.filled(3)
        self.refused("an id twice", lambda: store.add_texts(["pink", "red"], ids=["a", "a"]))
        self.refused("k of 0", lambda: store.similarity_search("red", k=0))
        self.refused("a vector of 3 numbers to search for", lambda: store.similarity_search_by_vector([1.0, 0.0, 0.0]))
        self.refused("nan to search for", lambda: store.similarity_search_by_vector([nan] * self.model.size))
        self.model.size, usual = 3, self.model.size
        self.refused("vectors of 3 numbers", lambda: store.add_texts(["pink"]))
        self.model.size, self.model.broken = usual, True
        self.refused("vectors with nan", lambda: store.add_texts(["pink"]))
        self.model.broken = False
        self.expect("refuses", _IDS[:3], self.sorted_ids(store), "similarity_search after what was refused")

    def refused(self, what: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except ValueError:  # of which StoreError, ConfigError and ModelError's kind are
            return
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
            if isinstance(error, RuntimeError):  # ModelError, for vectors that no model should give
                return
        else:
            came = "nothing was raised"
        self.trial.tell("refuses", "StoreError or ConfigError", came, what)

    # ------------------------------------------------------------------------------------------------------ what is found

    def nearest(self, store: VectorStore) -> None:
        for query, k in (("red green 0", 4), ("grey", 1), ("blue white", 10), ("black", 100)):
            expected = self.ranked(query)[:k]
            self.expect("nearest", expected, self.search(store, query, k=k), f"similarity_search with k={k}")
            vector = self.model.embed_query(query)
            found = _ids_of(self.call("by vector", store.similarity_search_by_vector, vector, k))
            self.expect("nearest", expected, found, f"similarity_search_by_vector with k={k}")

    def scores(self, store: VectorStore) -> None:
        scored = self.call("with scores", store.similarity_search_with_score, "red green", k=9)
        if scored is not FAILED:
            scores = [score for _, score in scored]
            one_way = scores in (sorted(scores), sorted(scores, reverse=True)) and len(set(scores)) > 1
            self.expect("scores", True, one_way, f"similarity_search_with_score: {scores!r:.60}")
        relevant = self.call("relevance", store.similarity_search_with_relevance_scores, "red green 0 red", k=9)
        if relevant is FAILED or len(relevant) != 9:
            self.expect("scores", "9 documents", relevant, "similarity_search_with_relevance_scores with k=9")
            return
        relevances = [score for _, score in relevant]
        fits = relevances == sorted(relevances, reverse=True) and all(0 <= each <= 1 for each in relevances)
        self.expect("scores", True, fits, f"similarity_search_with_relevance_scores: {relevances!r:.60}")
        self.threshold(store, (relevances[3] + relevances[4]) / 2)

    def threshold(self, store: VectorStore, least: float) -> None:
        search = store.similarity_search_with_relevance_scores
        few = self.call("with a threshold", search, "red green 0 red", k=9, score_threshold=least)
        if few is not FAILED:
            self.expect("scores", 4, len(few), "similarity_search_with_relevance_scores with a threshold")

    def filters(self, store: VectorStore) -> None:
        for name, (filter, means) in FILTERS.items():
            passing = [number for number, about in enumerate(_METADATAS) if means(about)]
            found = self.search(store, "red green", k=5, filter=filter)
            self.expect("filters", self.ranked("red green", passing)[:5], found, f"the filter {name!r}: {filter}")
        try:
            came = _ids_of(store.similarity_search("red", filter={"unheard": 1}))
        except StoreError:
            return
        except Exception as error:
            came = f"{type(error).__name__}: {error}"
        self.trial.tell("unknown-key", "StoreError", f"{came!r:.120}", "a filter on a key that no document has")

    def diverse(self, store: VectorStore) -> None:
        for weight in (0.0, 0.3, 0.9, 1.0):
            expected = self.chosen("red green", self.ranked("red green")[:12], 5, weight)
            options = {"k": 5, "fetch_k": 12, "lambda_mult": weight}
            found = self.call("mmr", store.max_marginal_relevance_search, "red green", **options)
            self.expect("diverse", expected, _ids_of(found), f"max_marginal_relevance_search, lambda_mult={weight}")

    def chosen(self, query: str, near: list[str], k: int, weight: float) -> list[str]:
        """By the definition, word for word."""
        vectors = {id: self.model.embed_query(_TEXTS[_IDS.index(id)]) for id in near}
        vector, chosen = self.model.embed_query(query), near[:1]

        def worth(id: str) -> float:
            closest = max(_cosine(vectors[id], vectors[other]) for other in chosen)
            return weight * _cosine(vector, vectors[id]) - (1 - weight) * closest

        while len(chosen) < k:
            chosen.append(max((id for id in near if id not in chosen), key=worth))
        return chosen

    def retriever(self, store: VectorStore) -> None:
        retriever = store.as_retriever(search_kwargs={"k": 3, "filter": {"even": True}})
        expected = self.search(store, "blue", k=3, filter={"even": True})
        self.expect("retriever", expected, _ids_of(self.call("retriever", retriever.invoke, "blue")), "invoke")
        self.expect(
            "retriever", True, type(store).__name__ in (retriever.tags or ()), "tags with the name of the class"
        )

    # --------------------------------------------------------------------------------------------------------------- twins

    def twins(self, store: VectorStore) -> None:
        for name, call, acall in (
            ("asearch", store.search, store.asearch),
            (
                "amax_marginal_relevance_search",
                store.max_marginal_relevance_search,
                store.amax_marginal_relevance_search,
            ),
        ):
            came = self.trial.acall(name, acall, "white", k=6, filter={"even": True})
            expected = self.call(name[1:], call, "white", k=6, filter={"even": True})
            self.expect("twins", _ids_of(expected), _ids_of(came), name)
        self.twin_scores(store)
        self.twin_changes()

    def twin_scores(self, store: VectorStore) -> None:
        expected = self.call("with scores", store.similarity_search_with_score, "grey blue")
        came = self.trial.acall("with scores", store.asimilarity_search_with_score, "grey blue")
        if FAILED not in (expected, came):
            apart = [abs(mine - other) for (_, mine), (_, other) in zip(expected, came, strict=False)]
            fits = len(expected) == len(came) and max(apart, default=0) < _SCORE_ERROR
            self.expect("twins", True, fits, "asimilarity_search_with_score")

    def twin_changes(self) -> None:
        store = self.make(self.model)

        async def story() -> Any:
            added = await store.aadd_texts(_TEXTS[:4], _METADATAS[:4], ids=_IDS[:4])
            await store.adelete(["id-2"])
            return added, _ids_of(await store.aget_by_ids(_IDS[:4]))

        came = self.trial.acall("aadd_texts, adelete, aget_by_ids", story)
        self.expect("twins", (_IDS[:4], ["id-0", "id-1", "id-3"]), came, "aadd_texts, adelete, aget_by_ids")
        self.expect(
            "twins", ["id-0", "id-1", "id-3"], self.sorted_ids(store), "similarity_search after the async verbs"
        )


def _ids_of(found: Any) -> Any:
    return found if found is FAILED else [document.id for document in found]


def _cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))

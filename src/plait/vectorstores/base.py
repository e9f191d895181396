"""What every vector store is: texts kept with their vectors, and found again by what they mean.

The verbs are written once, here. A store is its embedding model, ``embeddings``, and what it does with vectors, a few hooks
and their async twins, which by default run in a thread:

    _put       keep documents under ids, in the place of those that have the same ids
    _drop      forget some documents, or all
    _get       the documents under ids
    _nearest   the documents whose vectors are nearest to one, with scores and, if asked for, their vectors
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from itertools import islice, repeat
from os import urandom
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self, TypeAlias, cast

from pydantic import ConfigDict, Field

from plait.concurrency import in_thread
from plait.documents import Document
from plait.embeddings import Embeddings, batches
from plait.errors import ConfigError, StoreError
from plait.retrievers.base import BaseRetriever
from plait.stopping import check_stopped
from plait.vectorstores.filters import parsed
from plait.vectorstores.rows import DEEPEST, SCALARS, Filter, too_deep
from plait.vectorstores.similarity import Vector, check_number, check_vector, maximal_marginal_relevance

__all__ = [
    "Hit",
    "SearchType",
    "VectorStore",
    "VectorStoreRetriever",
    "check_search_type",
    "checked_model",
    "portions",
]

SearchType: TypeAlias = Literal["similarity", "mmr", "similarity_score_threshold"]

_BATCH = 1000
"""How many texts are embedded and kept at once."""


class Hit(NamedTuple):
    """A document that was found, its score as the store counts, and its vector, if that was asked for."""

    document: Document
    score: float
    vector: Vector = ()


class VectorStore(ABC):
    """Texts with their vectors; subclass it and write ``embeddings``, ``_put``, ``_drop``, ``_get`` and ``_nearest``.

    ``from_texts`` calls the class with the embedding model and what else it is given; override ``_made`` if that does not
    make a store. With ``_dimension`` vectors of another length are refused before a search, and ``_relevance`` says what
    scores mean that are no cosines.

    Every document has an id: the one that it is given, else a random one. Adding one under an id that is there replaces
    it. Metadata is what JSON can hold. Raises ``StoreError`` for what the store cannot take.
    """

    batch_size: ClassVar[int] = _BATCH

    @property
    @abstractmethod
    def embeddings(self) -> Embeddings:
        """What makes the vectors."""

    # ------------------------------------------------------------------------------------------ what a store's author writes

    @abstractmethod
    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        """Keep these; all of ``ids`` differ, and ``vectors`` is what the embedding model gave for ``texts``."""

    async def _aput(  # twin: a sync store has a thread
        self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]
    ) -> None:
        return await in_thread(self._put, ids, vectors, texts, metadatas)

    @abstractmethod
    def _drop(self, ids: list[str] | None) -> None:
        """Forget these, or all for None; an id that is not there is no error."""

    async def _adrop(self, ids: list[str] | None) -> None:  # twin: a sync store has a thread
        return await in_thread(self._drop, ids)

    @abstractmethod
    def _get(self, ids: list[str]) -> list[Document]:
        """The documents under these ids, in their order, without those that are not there."""

    async def _aget(self, ids: list[str]) -> list[Document]:  # twin: a sync store has a thread
        return await in_thread(self._get, ids)

    @abstractmethod
    def _nearest(self, vector: list[float], k: int, filter: Filter | None, vectors: bool) -> list[Hit]:
        """The at most ``k`` documents that pass the filter and are nearest, the nearest first."""

    async def _anearest(  # twin: a sync store has a thread
        self, vector: list[float], k: int, filter: Filter | None, vectors: bool
    ) -> list[Hit]:
        return await in_thread(self._nearest, vector, k, filter, vectors)

    def _dimension(self) -> int | None:
        """How many numbers a vector has; None while that is not known."""
        return None

    def _relevance(self, score: float) -> float:
        """A score as a number from 0, not alike, to 1, the same; a cosine unless the store counts otherwise."""
        return min(1.0, max(0.0, score))

    # -------------------------------------------------------------------------------------------------------------- adding

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Keep texts, and give their ids in the order of the texts.

        The texts may be any iterable: ``batch_size`` at a time (by default a thousand) are embedded and kept. What came
        before a failure stays, and a note on the exception says how many those were. An id that is there already is given
        the new text, so that with ids a call can be made again; one that comes twice in a call is an error.
        """
        self._refuse(kwargs, "texts, metadatas, ids and batch_size")
        added: list[str] = []
        with _noting(added):
            for texts_, metadatas_, ids_ in portions(texts, metadatas, ids, self._size(batch_size)):
                check_stopped()
                self._put(ids_, self.embeddings.embed_documents(texts_), texts_, metadatas_)
                added += ids_
        return added

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        batch_size: int | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As ``add_texts``, without blocking the event loop."""
        self._refuse(kwargs, "texts, metadatas, ids and batch_size")
        added: list[str] = []
        with _noting(added):
            for texts_, metadatas_, ids_ in portions(texts, metadatas, ids, self._size(batch_size)):
                check_stopped()
                await self._aput(ids_, await self.embeddings.aembed_documents(texts_), texts_, metadatas_)
                added += ids_
        return added

    def add_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """Keep documents, and give their ids in their order: those of ``ids``, else their own, else random ones."""
        texts, metadatas, own = _columns(documents)
        return self.add_texts(texts, metadatas, ids=own if ids is None else ids, **kwargs)

    async def aadd_documents(
        self, documents: Iterable[Document], *, ids: Iterable[str | None] | None = None, **kwargs: Any
    ) -> list[str]:
        """As ``add_documents``, without blocking the event loop."""
        texts, metadatas, own = _columns(documents)
        return await self.aadd_texts(texts, metadatas, ids=own if ids is None else ids, **kwargs)

    @classmethod
    def _made(cls, embedding: Embeddings, **kwargs: Any) -> Self:
        """An empty store, of what ``from_texts`` was given beside the texts."""
        return cast("Callable[..., Self]", cls)(embedding, **kwargs)

    @classmethod
    async def _amade(cls, embedding: Embeddings, **kwargs: Any) -> Self:  # twin: to make one waits for nothing
        return cls._made(embedding, **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new store with these texts; what else is given are settings of the store."""
        store = cls._made(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: Iterable[str],
        embedding: Embeddings,
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new store with these texts; what else is given are settings of the store."""
        store = await cls._amade(embedding, **kwargs)
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    def from_documents(
        cls,
        documents: Iterable[Document],
        embedding: Embeddings,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new store with these documents; what else is given are settings of the store."""
        store = cls._made(embedding, **kwargs)
        store.add_documents(documents, ids=ids)
        return store

    @classmethod
    async def afrom_documents(
        cls,
        documents: Iterable[Document],
        embedding: Embeddings,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new store with these documents; what else is given are settings of the store."""
        store = await cls._amade(embedding, **kwargs)
        await store.aadd_documents(documents, ids=ids)
        return store

    # ------------------------------------------------------------------------------------------------------ under their ids

    def delete(self, ids: Iterable[str] | None = None, **kwargs: Any) -> bool:
        """Forget the documents under these ids, or all of them; an id that is not there is no error."""
        self._refuse(kwargs, "ids")
        self._drop(None if ids is None else _ids(ids))
        return True

    async def adelete(self, ids: Iterable[str] | None = None, **kwargs: Any) -> bool:
        """Forget the documents under these ids, or all of them; an id that is not there is no error."""
        self._refuse(kwargs, "ids")
        await self._adrop(None if ids is None else _ids(ids))
        return True

    def get_by_ids(self, ids: Iterable[str], /) -> list[Document]:
        """The documents under these ids, in their order; those that are not there are left out."""
        return self._get(_ids(ids))

    async def aget_by_ids(self, ids: Iterable[str], /) -> list[Document]:
        """The documents under these ids, in their order; those that are not there are left out."""
        return await self._aget(_ids(ids))

    def as_retriever(
        self,
        *,
        search_type: SearchType = "similarity",
        search_kwargs: Mapping[str, Any] | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> VectorStoreRetriever:
        """This store as a Runnable from a text to documents.

        ``search_kwargs`` are those of the search: ``k``, ``filter``, with ``mmr`` also ``fetch_k`` and ``lambda_mult``,
        with ``similarity_score_threshold`` also ``score_threshold``, which it needs. Its runs are labelled with the name
        of the store's class and with ``tags``.
        """
        return VectorStoreRetriever(
            vectorstore=self,
            search_type=search_type,
            search_kwargs=dict(search_kwargs or {}),
            tags=[*tags, type(self).__name__],
            metadata=None if metadata is None else dict(metadata),
            name=name,
        )

    # ------------------------------------------------------------------------------------------------------------ searching

    def similarity_search(self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any) -> list[Document]:
        """The ``k`` documents nearest to a text among those that pass the filter, the nearest first."""
        return _documents(self.similarity_search_with_score(query, k, filter, **kwargs))

    async def asimilarity_search(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The ``k`` documents nearest to a text among those that pass the filter, the nearest first."""
        return _documents(await self.asimilarity_search_with_score(query, k, filter, **kwargs))

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search``, each with its score; which scores there are is a matter of the store."""
        vector = self.embeddings.embed_query(_query(query))
        return self.similarity_search_with_score_by_vector(vector, k, filter, **kwargs)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search``, each with its score; which scores there are is a matter of the store."""
        vector = await self.embeddings.aembed_query(_query(query))
        return await self.asimilarity_search_with_score_by_vector(vector, k, filter, **kwargs)

    def similarity_search_with_relevance_scores(
        self,
        query: str,
        k: int = 4,
        filter: Filter | None = None,
        *,
        score_threshold: float | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search``, each with a score from 0 to 1, without those below ``score_threshold``."""
        return self._relevant(self.similarity_search_with_score(query, k, filter, **kwargs), score_threshold)

    async def asimilarity_search_with_relevance_scores(
        self,
        query: str,
        k: int = 4,
        filter: Filter | None = None,
        *,
        score_threshold: float | None = None,
        **kwargs: Any,
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search``, each with a score from 0 to 1, without those below ``score_threshold``."""
        return self._relevant(await self.asimilarity_search_with_score(query, k, filter, **kwargs), score_threshold)

    def _relevant(self, found: list[tuple[Document, float]], least: float | None) -> list[tuple[Document, float]]:
        scored = [(document, self._relevance(score)) for document, score in found]
        return [each for each in scored if least is None or each[1] >= least]

    def similarity_search_by_vector(
        self, embedding: Vector, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The ``k`` documents nearest to a vector among those that pass the filter, the nearest first."""
        return _documents(self.similarity_search_with_score_by_vector(embedding, k, filter, **kwargs))

    async def asimilarity_search_by_vector(
        self, embedding: Vector, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The ``k`` documents nearest to a vector among those that pass the filter, the nearest first."""
        return _documents(await self.asimilarity_search_with_score_by_vector(embedding, k, filter, **kwargs))

    def similarity_search_with_score_by_vector(
        self, embedding: Vector, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search_by_vector``, each with its score."""
        return _scored(self._nearest(*self._asked(embedding, k, filter, kwargs), vectors=False))

    async def asimilarity_search_with_score_by_vector(
        self, embedding: Vector, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """As ``similarity_search_by_vector``, each with its score."""
        return _scored(await self._anearest(*self._asked(embedding, k, filter, kwargs), vectors=False))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Of the ``fetch_k`` documents nearest to a text, ``k`` that differ from each other; see ``lambda_mult`` below.

        1 asks for nearness to the text alone, 0 for difference from what was chosen before.
        """
        vector = self.embeddings.embed_query(_query(query))
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter, **kwargs)

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """As ``max_marginal_relevance_search``, without blocking the event loop."""
        vector = await self.embeddings.aembed_query(_query(query))
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Vector,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """As ``max_marginal_relevance_search``, for a vector."""
        asked = self._asked(embedding, _fetched(k, fetch_k, lambda_mult), filter, kwargs)
        return _diverse(asked[0], self._nearest(*asked, vectors=True), k, lambda_mult)

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: Vector,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """As ``max_marginal_relevance_search``, for a vector."""
        asked = self._asked(embedding, _fetched(k, fetch_k, lambda_mult), filter, kwargs)
        return _diverse(asked[0], await self._anearest(*asked, vectors=True), k, lambda_mult)

    def search(self, query: str, search_type: str = "similarity", **kwargs: Any) -> list[Document]:
        """The search of that type: ``similarity``, ``mmr`` or ``similarity_score_threshold``."""
        match check_search_type(search_type):
            case "mmr":
                return self.max_marginal_relevance_search(query, **kwargs)
            case "similarity_score_threshold":
                return _documents(self.similarity_search_with_relevance_scores(query, **kwargs))
            case _:
                return self.similarity_search(query, **kwargs)

    async def asearch(self, query: str, search_type: str = "similarity", **kwargs: Any) -> list[Document]:
        """The search of that type: ``similarity``, ``mmr`` or ``similarity_score_threshold``."""
        match check_search_type(search_type):
            case "mmr":
                return await self.amax_marginal_relevance_search(query, **kwargs)
            case "similarity_score_threshold":
                return _documents(await self.asimilarity_search_with_relevance_scores(query, **kwargs))
            case _:
                return await self.asimilarity_search(query, **kwargs)

    def _asked(
        self, embedding: Any, k: int, filter: Filter | None, unknown: dict[str, Any]
    ) -> tuple[list[float], int, Filter | None]:
        self._refuse(unknown, "k and filter")
        return check_vector(embedding, self._dimension()), check_number("k", k, 1), filter

    def _size(self, batch_size: int | None) -> int:
        return self.batch_size if batch_size is None else check_number("batch_size", batch_size, 1)

    def _refuse(self, unknown: Mapping[str, Any], known: str) -> None:
        """Raise ConfigError for what was given and means nothing: a slip, in a call that would do something else then."""
        if unknown:
            raise ConfigError(f"{type(self).__name__} takes {known} here, and knows no {', '.join(unknown)}")


class VectorStoreRetriever(BaseRetriever):
    """Searches a vector store; ``store.as_retriever()`` makes one."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True, extra="forbid")

    vectorstore: VectorStore = Field(exclude=True)
    search_type: SearchType = "similarity"
    search_kwargs: dict[str, Any] = Field(default_factory=dict[str, Any])

    if not TYPE_CHECKING:  # checkers know the fields

        def __init__(self, /, **fields):
            # not in a validator: pydantic would wrap what it raises
            check_search(fields.get("search_type", "similarity"), fields.get("search_kwargs", {}))
            super().__init__(**fields)

    def _get_relevant_documents(self, query: str, *, run_manager: Any = None, **kwargs: Any) -> list[Document]:
        return self.vectorstore.search(query, self.search_type, **{**self.search_kwargs, **kwargs})

    async def _aget_relevant_documents(self, query: str, *, run_manager: Any = None, **kwargs: Any) -> list[Document]:
        return await self.vectorstore.asearch(query, self.search_type, **{**self.search_kwargs, **kwargs})

    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """As ``add_documents`` of the store."""
        return self.vectorstore.add_documents(documents, **kwargs)

    async def aadd_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """As ``aadd_documents`` of the store."""
        return await self.vectorstore.aadd_documents(documents, **kwargs)


def check_search(search_type: object, search_kwargs: Mapping[str, Any]) -> None:
    """Raise ConfigError for a search that cannot be made."""
    check_search_type(search_type)
    if "k" in search_kwargs:
        check_number("k", search_kwargs["k"], 1)
    threshold = search_kwargs.get("score_threshold")
    if search_type == "similarity_score_threshold" and not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
        raise ConfigError(
            f"similarity_score_threshold needs search_kwargs={{'score_threshold': <0 to 1>}}, got {threshold!r:.60}"
        )
    if isinstance(search_kwargs.get("filter"), Mapping):
        parsed(search_kwargs["filter"])


def check_search_type(search_type: object) -> SearchType:
    """The type of search, if there is one of that name; raises ConfigError otherwise."""
    if search_type in ("similarity", "mmr", "similarity_score_threshold"):
        return search_type
    raise ConfigError(
        f"search_type must be 'similarity', 'mmr' or 'similarity_score_threshold', got {search_type!r:.60}"
    )


# ---------------------------------------------------------------------------------------------------------------- in, out


def checked_model(model: Any) -> Embeddings:
    """The embedding model of a store, if it is one; raises ConfigError otherwise."""
    methods = [getattr(model, name, None) for name in ("embed_documents", "embed_query")]
    if isinstance(model, type) or not all(map(callable, methods)):
        came = f"the class {model.__name__}" if isinstance(model, type) else f"an object of type {type(model).__name__}"
        raise ConfigError(
            "a store takes an embedding model, which has embed_documents and embed_query, such as LocalEmbeddings(); "
            f"got {came}"
        )
    return cast("Embeddings", model)


def _query(text: Any) -> str:
    if isinstance(text, str):
        return text
    raise TypeError(f"a query is a text, got {type(text).__name__}; a vector goes into similarity_search_by_vector")


@contextmanager
def _noting(added: list[str]) -> Generator[None, None, None]:
    """Note on what is raised how many texts of the call were kept before."""
    try:
        yield
    except BaseException as error:
        if added:
            error.add_note(
                f"The first {len(added):,} texts of this call were kept; the last of them is {added[-1]!r:.80}."
            )
        raise


_Portion: TypeAlias = tuple[list[str], list[Mapping[str, Any]], list[str]]


def _columns(documents: Iterable[Document]) -> tuple[list[str], list[dict[str, Any]], list[str | None]]:
    rows: list[Any] = list(documents)  # callers are not all typed
    strange = next((type(row).__name__ for row in rows if not isinstance(row, Document)), None)
    if strange:
        raise TypeError(f"documents must be of type Document, got {strange}; texts go into add_texts")
    return [row.page_content for row in rows], [row.metadata for row in rows], [row.id for row in rows]


def portions(
    texts: Iterable[str],
    metadatas: Iterable[Mapping[str, Any]] | None,
    ids: Iterable[str | None] | None,
    size: int,
) -> Iterator[_Portion]:
    """What is added, some at a time, each text with its metadata and an id of its own."""
    if isinstance(texts, str):
        raise TypeError("texts must be a list of texts, got one text; write [text]")
    if isinstance(ids, str):
        raise TypeError("ids must be a list of ids, got one text; write [id]")
    _check_counts(texts, metadatas, ids)
    nothing: Mapping[str, Any] = {}
    about = iter(repeat(nothing) if metadatas is None else metadatas)
    names = iter(repeat(None) if ids is None else ids)
    taken: set[str] = set()
    for portion in batches(texts, size):
        some, given = list(islice(about, len(portion))), list(islice(names, len(portion)))
        if len(some) != len(portion) or len(given) != len(portion):
            raise StoreError("there are more texts than metadatas or ids: give one for each text")
        yield _texts(portion), _metadatas(some), _new_ids(given, taken if ids is not None else None)


def _check_counts(texts: Any, metadatas: Any, ids: Any) -> None:
    """Before anything is embedded, where the counts are known."""
    for name, values in (("metadatas", metadatas), ("ids", ids)):
        if hasattr(texts, "__len__") and hasattr(values, "__len__") and len(texts) != len(values):
            raise StoreError(f"there are {len(texts)} texts, but {len(values)} {name}: give one for each text")


def _texts(texts: list[Any]) -> list[str]:
    strange = next((type(text).__name__ for text in texts if not isinstance(text, str)), None)
    if strange:
        raise TypeError(f"texts must be of type str, got {strange}; documents go into add_documents")
    return texts


def _metadatas(metadatas: list[Any]) -> list[Mapping[str, Any]]:
    strange = next((type(each).__name__ for each in metadatas if not isinstance(each or {}, Mapping)), None)
    if strange:
        raise StoreError(f"metadata must be a dict, got {strange}")
    for each in metadatas:
        if each:
            _check_metadata(each)
    return [each or {} for each in metadatas]


def _check_metadata(metadata: Mapping[Any, Any]) -> None:
    """Raise StoreError for what no document can have, before anything of the call is kept."""
    key = next((key for key in metadata if not isinstance(key, str)), None)
    if key is not None:
        raise StoreError(f"a key of metadata must be a text, got {key!r:.80}")
    nested = {name: value for name, value in metadata.items() if type(value) not in SCALARS}
    if nested and too_deep(nested):
        raise StoreError(f"metadata may be nested {DEEPEST} levels deep, and no deeper")
    for name, value in nested.items():
        _check_copied(name, value)


def _check_copied(name: str, value: object) -> None:
    try:
        deepcopy(value)
    except Exception as error:  # a class copies itself by code of its own
        raise StoreError(f"the metadata {name!r:.80} cannot be copied, and so not be kept: {error}") from error


def _new_ids(given: Sequence[Any], taken: set[str] | None) -> list[str]:
    """An id for each: the given one, or a random one; ``taken`` has those of the call so far."""
    random = urandom(16 * len(given)).hex()
    if taken is None:
        return [random[place : place + 32] for place in range(0, len(random), 32)]
    ids: list[str] = []
    for number, id in enumerate(given):
        checked = random[32 * number : 32 * number + 32] if id is None else _id(id)
        if checked in taken:
            raise StoreError(f"the id {checked!r:.80} is given to two texts of one call")
        taken.add(checked)
        ids.append(checked)
    return ids


_LONGEST_ID = 512  # characters


def _id(id: Any) -> str:
    if isinstance(id, str) and 0 < len(id) <= _LONGEST_ID and "\0" not in id:
        return id
    raise StoreError(f"an id must be a text of 1 to {_LONGEST_ID} characters, got {id!r:.80}")


def _ids(ids: Iterable[Any]) -> list[str]:
    if isinstance(ids, str):
        raise TypeError("ids must be a list of ids, got one text; write [id]")
    return [_id(id) for id in ids]


def _documents(found: Iterable[tuple[Document, float]]) -> list[Document]:
    return [document for document, _ in found]


def _scored(hits: Iterable[Hit]) -> list[tuple[Document, float]]:
    return [(hit.document, hit.score) for hit in hits]


def _fetched(k: int, fetch_k: int, lambda_mult: float) -> int:
    """How many are fetched to choose from: never fewer than are wanted."""
    if not 0 <= lambda_mult <= 1:
        raise ConfigError(f"lambda_mult must be from 0 to 1, got {lambda_mult!r:.60}")
    return max(check_number("k", k, 1), check_number("fetch_k", fetch_k, 1))


def _diverse(query: list[float], hits: list[Hit], k: int, lambda_mult: float) -> list[Document]:
    chosen = maximal_marginal_relevance(query, [hit.vector for hit in hits], lambda_mult, k)
    return [hits[place].document for place in chosen]

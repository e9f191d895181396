"""Vector stores: LangChain's as ours, and ours as LangChain's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn, Self, TypeAlias, cast

from plait.documents import Document
from plait.embeddings import Embeddings
from plait.errors import ConfigError, StoreError
from plait.providers.langchain.outgoing import Ours, embeddings_for, found
from plait.providers.langchain.peer import class_of, peer
from plait.providers.langchain.retrieval import LangChainEmbeddings
from plait.providers.langchain.values import inward, outward
from plait.stopping import check_stopped
from plait.vectorstores import VectorStore, VectorStoreRetriever
from plait.vectorstores.base import Hit, portions
from plait.vectorstores.similarity import check_number, check_vector

__all__ = ["LangChainVectorStore", "store_for"]

_Found: TypeAlias = list[Document]
_Scored: TypeAlias = list[tuple[Document, float]]


class LangChainVectorStore(VectorStore):
    """A vector store of LangChain's as it is: its scores, its searches, and filters in the form that it takes.

    Each search is the one of that name there; what a store of LangChain's does not have raises NotImplementedError.
    """

    def __init__(self, store: Any) -> None:
        self.store = store

    def __repr__(self) -> str:
        return f"LangChainVectorStore({class_of(self.store).__name__})"

    @property
    def embeddings(self) -> Embeddings:
        """What makes the vectors; raises ConfigError if the store does not say."""
        if self.store.embeddings is None:
            raise ConfigError(f"{class_of(self.store).__name__} does not say what makes its vectors")
        return LangChainEmbeddings(self.store.embeddings)

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Keep texts, and give their ids in the order of the texts; a thousand at a time."""
        added: list[str] = []
        for texts_, metadatas_, ids_ in portions(texts, metadatas, ids, self.batch_size):
            check_stopped()
            added += self.store.add_texts(texts_, [{**each} for each in metadatas_], ids=ids_, **kwargs)
        return added

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As ``add_texts``, without blocking the event loop."""
        added: list[str] = []
        for texts_, metadatas_, ids_ in portions(texts, metadatas, ids, self.batch_size):
            check_stopped()
            added += await self.store.aadd_texts(texts_, [{**each} for each in metadatas_], ids=ids_, **kwargs)
        return added

    def delete(self, ids: Iterable[str] | None = None, **kwargs: Any) -> bool:
        """Forget the documents under these ids, or, if the store can, all of them."""
        return self.store.delete(None if ids is None else [*ids], **kwargs) is not False

    async def adelete(self, ids: Iterable[str] | None = None, **kwargs: Any) -> bool:
        """Forget the documents under these ids, or, if the store can, all of them."""
        return await self.store.adelete(None if ids is None else [*ids], **kwargs) is not False

    def get_by_ids(self, ids: Iterable[str], /) -> _Found:
        """The documents under these ids; those that are not there are left out."""
        return cast(_Found, inward(self.store.get_by_ids([*ids])))

    async def aget_by_ids(self, ids: Iterable[str], /) -> _Found:
        """The documents under these ids; those that are not there are left out."""
        return cast(_Found, inward(await self.store.aget_by_ids([*ids])))

    def as_retriever(self, **kwargs: Any) -> VectorStoreRetriever:
        """This store as a Runnable from a text to documents; its runs are labelled with the store's own class."""
        found = super().as_retriever(**kwargs)
        return found.model_copy(update={"tags": [*(found.tags or [])[:-1], class_of(self.store).__name__]})

    def similarity_search(self, query: str, k: int = 4, filter: Any = None, **kwargs: Any) -> _Found:
        return cast(_Found, inward(self.store.similarity_search(*_query(query, k), **_with(filter, kwargs))))

    async def asimilarity_search(self, query: str, k: int = 4, filter: Any = None, **kwargs: Any) -> _Found:
        return cast(_Found, inward(await self.store.asimilarity_search(*_query(query, k), **_with(filter, kwargs))))

    def similarity_search_with_score(self, query: str, k: int = 4, filter: Any = None, **kwargs: Any) -> _Scored:
        return cast(
            _Scored, inward(self.store.similarity_search_with_score(*_query(query, k), **_with(filter, kwargs)))
        )

    async def asimilarity_search_with_score(self, query: str, k: int = 4, filter: Any = None, **kwargs: Any) -> _Scored:
        return cast(
            _Scored, inward(await self.store.asimilarity_search_with_score(*_query(query, k), **_with(filter, kwargs)))
        )

    def similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, filter: Any = None, *, score_threshold: float | None = None, **kwargs: Any
    ) -> _Scored:
        asked = _with(filter, kwargs, score_threshold=score_threshold)
        return cast(_Scored, inward(self.store.similarity_search_with_relevance_scores(*_query(query, k), **asked)))

    async def asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, filter: Any = None, *, score_threshold: float | None = None, **kwargs: Any
    ) -> _Scored:
        asked = _with(filter, kwargs, score_threshold=score_threshold)
        return cast(
            _Scored, inward(await self.store.asimilarity_search_with_relevance_scores(*_query(query, k), **asked))
        )

    def similarity_search_by_vector(self, embedding: Any, k: int = 4, filter: Any = None, **kwargs: Any) -> _Found:
        found = self.store.similarity_search_by_vector(*_vector(embedding, k), **_with(filter, kwargs))
        return cast(_Found, inward(found))

    async def asimilarity_search_by_vector(
        self, embedding: Any, k: int = 4, filter: Any = None, **kwargs: Any
    ) -> _Found:
        found = await self.store.asimilarity_search_by_vector(*_vector(embedding, k), **_with(filter, kwargs))
        return cast(_Found, inward(found))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **kwargs: Any,
    ) -> _Found:
        asked = _with(filter, kwargs, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult)
        return cast(_Found, inward(self.store.max_marginal_relevance_search(_query(query, k)[0], **asked)))

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **kwargs: Any,
    ) -> _Found:
        asked = _with(filter, kwargs, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult)
        return cast(_Found, inward(await self.store.amax_marginal_relevance_search(_query(query, k)[0], **asked)))

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Any,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **kwargs: Any,
    ) -> _Found:
        asked = _with(filter, kwargs, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult)
        return cast(
            _Found, inward(self.store.max_marginal_relevance_search_by_vector(_vector(embedding, k)[0], **asked))
        )

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: Any,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Any = None,
        **kwargs: Any,
    ) -> _Found:
        asked = _with(filter, kwargs, k=k, fetch_k=fetch_k, lambda_mult=lambda_mult)
        return cast(
            _Found, inward(await self.store.amax_marginal_relevance_search_by_vector(_vector(embedding, k)[0], **asked))
        )

    # --------------------------------------------------------------------- the hooks, for what is not overridden above

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        self.add_texts(texts, metadatas, ids=ids)  # which makes vectors of its own

    def _drop(self, ids: list[str] | None) -> None:
        self.delete(ids)

    def _get(self, ids: list[str]) -> _Found:
        return self.get_by_ids(ids)

    def _nearest(self, vector: list[float], k: int, filter: Any, vectors: bool) -> list[Hit]:
        search = getattr(self.store, "similarity_search_with_score_by_vector", None)
        if search is None:
            raise StoreError(f"{class_of(self.store).__name__} gives no scores to a search by vector")
        return [Hit(document, score) for document, score in inward(search(vector, k, **_with(filter, {})))]

    @classmethod
    def _made(cls, embedding: Embeddings, **kwargs: Any) -> Self:  # noqa: ARG003 - a hook takes what it is given
        raise ConfigError("make the store by its own class, and then from_langchain(store)")


def _query(query: str, k: int) -> tuple[str, int]:
    return query, check_number("k", k, 1)


def _vector(embedding: Any, k: int) -> tuple[list[float], int]:
    return check_vector(embedding, None), check_number("k", k, 1)


def _with(filter: Any, kwargs: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The arguments of a search, a filter only if one was given, as some stores know none."""
    asked = {**kwargs, **{name: value for name, value in more.items() if value is not None}}
    return asked if filter is None else {**asked, "filter": filter}


# ------------------------------------------------------------------------------------------------------ to LangChain


class _Keeps(Ours):
    """What LangChain calls of a vector store; ``runnable`` is the store."""

    runnable: Any

    def __init__(self, store: Any) -> None:
        self.runnable = store

    def __repr__(self) -> str:
        return f"PlaitVectorStore({self.runnable!r})"

    @property
    def embeddings(self) -> Any:
        return embeddings_for(self.runnable.embeddings)

    def add_texts(self, texts: Iterable[str], metadatas: Any = None, *, ids: Any = None, **kwargs: Any) -> Any:
        return self.runnable.add_texts(texts, metadatas, ids=ids, **kwargs)

    async def aadd_texts(self, texts: Iterable[str], metadatas: Any = None, *, ids: Any = None, **kwargs: Any) -> Any:
        return await self.runnable.aadd_texts(texts, metadatas, ids=ids, **kwargs)

    def add_documents(self, documents: Any, **kwargs: Any) -> Any:
        return self.runnable.add_documents(inward([*documents]), **kwargs)

    async def aadd_documents(self, documents: Any, **kwargs: Any) -> Any:
        return await self.runnable.aadd_documents(inward([*documents]), **kwargs)

    def delete(self, ids: Any = None, **kwargs: Any) -> Any:
        return self.runnable.delete(ids, **kwargs)

    async def adelete(self, ids: Any = None, **kwargs: Any) -> Any:
        return await self.runnable.adelete(ids, **kwargs)

    def _select_relevance_score_fn(self) -> Any:
        return self.runnable._relevance

    @classmethod
    def from_texts(cls, *_: Any, **__: Any) -> NoReturn:
        raise ConfigError("make the store by plait's own class, and then to_langchain(store)")


def _passing(name: str) -> Any:
    def search(self: Any, *args: Any, **kwargs: Any) -> Any:
        return outward(getattr(self.runnable, name)(*args, **kwargs))

    return search


def _apassing(name: str) -> Any:
    async def search(self: Any, *args: Any, **kwargs: Any) -> Any:
        return outward(await getattr(self.runnable, name)(*args, **kwargs))

    return search


_SEARCHES: Sequence[str] = (
    "get_by_ids",
    "similarity_search",
    "similarity_search_with_score",
    "similarity_search_with_relevance_scores",
    "similarity_search_by_vector",
    "max_marginal_relevance_search",
    "max_marginal_relevance_search_by_vector",
)


@cache
def _store_class() -> Any:
    searches = {name: _passing(name) for name in _SEARCHES} | {f"a{name}": _apassing(f"a{name}") for name in _SEARCHES}
    return type("PlaitVectorStore", (_Keeps, peer().vectorstores.VectorStore), {"__module__": __name__, **searches})


def store_for(store: Any) -> Any:
    """The vector store as one of LangChain's."""
    return _store_class()(store)


def __getattr__(name: str) -> Any:
    """The class that is made when it is first needed, which a pickle needs by name."""
    return found(name, {"PlaitVectorStore": _store_class})

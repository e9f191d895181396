"""The examples that are most like what the prompt is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, PositiveInt

from plait.documents import Document
from plait.embeddings import Embeddings
from plait.errors import PromptError
from plait.example_selectors.base import BaseExampleSelector, joined

__all__ = ["ExampleStore", "MaxMarginalRelevanceExampleSelector", "SemanticSimilarityExampleSelector"]

_Metadatas = Iterable[Mapping[str, Any]]


@runtime_checkable
class ExampleStore(Protocol):
    """What a selector asks of the store that its examples are in; every vector store has it."""

    @classmethod
    def from_texts(
        cls, texts: Iterable[str], embedding: Embeddings, metadatas: _Metadatas | None = None, **kwargs: Any
    ) -> Self: ...
    @classmethod
    async def afrom_texts(
        cls, texts: Iterable[str], embedding: Embeddings, metadatas: _Metadatas | None = None, **kwargs: Any
    ) -> Self: ...
    def add_texts(self, texts: Iterable[str], metadatas: _Metadatas | None = None, **kwargs: Any) -> list[str]: ...
    async def aadd_texts(
        self, texts: Iterable[str], metadatas: _Metadatas | None = None, **kwargs: Any
    ) -> list[str]: ...
    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]: ...
    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]: ...
    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, **kwargs: Any
    ) -> list[Document]: ...
    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, **kwargs: Any
    ) -> list[Document]: ...


class _VectorStoreExampleSelector(BaseExampleSelector, BaseModel):
    """Keeps examples in a store: the values that are searched in as its text, the whole example as its metadata."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    vectorstore: ExampleStore
    k: PositiveInt = 4
    """How many examples are chosen."""
    example_keys: list[str] | None = None
    """What is given of an example; by default all of it."""
    input_keys: list[str] | None = None
    """Which values are compared, of the prompt and of the examples; by default all that each has."""
    vectorstore_kwargs: dict[str, Any] | None = None
    """What each search is given besides: a ``filter``, say."""

    @classmethod
    def from_examples(
        cls,
        examples: Sequence[dict[str, Any]],
        embeddings: Embeddings,
        vectorstore_cls: type[ExampleStore],
        k: int = 4,
        input_keys: list[str] | None = None,
        *,
        example_keys: list[str] | None = None,
        vectorstore_kwargs: dict[str, Any] | None = None,
        **vectorstore_cls_kwargs: Any,
    ) -> Self:
        """A selector of these examples, in a new store of that class; other arguments are settings of the store."""
        own, settings = cls._divided(vectorstore_cls_kwargs)
        texts = cls._texts(examples, input_keys)
        store = vectorstore_cls.from_texts(texts, embeddings, metadatas=[*examples], **settings)
        return cls(
            vectorstore=store,
            k=k,
            input_keys=input_keys,
            example_keys=example_keys,
            vectorstore_kwargs=vectorstore_kwargs,
            **own,
        )

    @classmethod
    async def afrom_examples(
        cls,
        examples: Sequence[dict[str, Any]],
        embeddings: Embeddings,
        vectorstore_cls: type[ExampleStore],
        k: int = 4,
        input_keys: list[str] | None = None,
        *,
        example_keys: list[str] | None = None,
        vectorstore_kwargs: dict[str, Any] | None = None,
        **vectorstore_cls_kwargs: Any,
    ) -> Self:
        """A selector of these examples, in a new store of that class; other arguments are settings of the store."""
        own, settings = cls._divided(vectorstore_cls_kwargs)
        texts = cls._texts(examples, input_keys)
        store = await vectorstore_cls.afrom_texts(texts, embeddings, metadatas=[*examples], **settings)
        return cls(
            vectorstore=store,
            k=k,
            input_keys=input_keys,
            example_keys=example_keys,
            vectorstore_kwargs=vectorstore_kwargs,
            **own,
        )

    def add_example(self, example: dict[str, Any]) -> str:
        """Have one example more to choose from; its id in the store."""
        added = self.vectorstore.add_texts(self._texts([example], self.input_keys), metadatas=[example])
        return added[0]

    async def aadd_example(self, example: dict[str, Any]) -> str:
        """Have one example more to choose from; its id in the store."""
        added = await self.vectorstore.aadd_texts(self._texts([example], self.input_keys), metadatas=[example])
        return added[0]

    @classmethod
    def _divided(cls, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What of the arguments is this selector's, and what the store's."""
        own = {name: value for name, value in given.items() if name in cls.model_fields}
        return own, {name: value for name, value in given.items() if name not in own}

    @staticmethod
    def _texts(examples: Sequence[dict[str, Any]], keys: list[str] | None) -> list[str]:
        return [joined(example, keys or None, f"example {index}") for index, example in enumerate(examples)]

    def _asked(self, values: dict[str, Any]) -> str:
        return joined(values, self.input_keys or None, "the prompt")

    def _searched(self) -> dict[str, Any]:
        return {"k": self.k, **(self.vectorstore_kwargs or {})}

    def _shown_of(self, found: list[Document]) -> list[dict[str, Any]]:
        return [self._shown(document.metadata) for document in found]

    def _shown(self, example: dict[str, Any]) -> dict[str, Any]:
        missing = [name for name in self.example_keys or () if name not in example]
        if missing:
            raise PromptError(
                f"an example has no {missing[0]!r}, one of the example_keys; it has {', '.join(map(repr, example))}"
            )
        return {name: example[name] for name in self.example_keys or example}


class SemanticSimilarityExampleSelector(_VectorStoreExampleSelector):
    """The ``k`` examples that are most like the values of the prompt, the likest first."""

    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The examples for these values of the prompt."""
        return self._shown_of(self.vectorstore.similarity_search(self._asked(input_variables), **self._searched()))

    async def aselect_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The examples for these values of the prompt."""
        return self._shown_of(
            await self.vectorstore.asimilarity_search(self._asked(input_variables), **self._searched())
        )


class MaxMarginalRelevanceExampleSelector(_VectorStoreExampleSelector):
    """``k`` of the ``fetch_k`` examples that are most like the values of the prompt, chosen to be unlike each other.

    By maximal marginal relevance: https://arxiv.org/abs/2211.13892
    """

    fetch_k: PositiveInt = 20
    """How many are looked at."""

    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The examples for these values of the prompt."""
        return self._shown_of(
            self.vectorstore.max_marginal_relevance_search(self._asked(input_variables), **self._searched())
        )

    async def aselect_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        """The examples for these values of the prompt."""
        return self._shown_of(
            await self.vectorstore.amax_marginal_relevance_search(self._asked(input_variables), **self._searched())
        )

    def _searched(self) -> dict[str, Any]:
        return {"fetch_k": max(self.fetch_k, self.k), **super()._searched()}

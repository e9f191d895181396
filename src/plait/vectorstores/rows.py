"""What a store in memory knows of its documents: columns, and where each id stands in them.

Columns, since a hundred thousand texts and ids cost little and a hundred thousand objects do not. What is put in and what
is given out are copies, so that nobody changes a document in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias

from plait.documents import Document
from plait.errors import StoreError
from plait.vectorstores.filters import keys_of, parsed, passes

__all__ = ["SCALARS", "Filter", "Rows", "copied", "refuse_unknown"]

Filter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]
"""A dict, as ``plait.vectorstores.filters`` says; or, for stores in memory, a function of a document."""


SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""What need not be copied."""


def copied(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which nothing is shared that could be changed; most metadata is flat, and then this is cheap."""
    held = dict(metadata)
    return held if all(type(value) in SCALARS for value in held.values()) else deepcopy(held)


class Rows:
    """The documents of a store by their place."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.metadatas: list[dict[str, Any]] = []
        self.places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Sequence[str], texts: Sequence[str], metadatas: Sequence[Mapping[str, Any]]) -> None:
        """Put new documents at the end."""
        start = len(self.ids)
        self.ids += ids
        self.texts += texts
        self.metadatas += [copied(metadata) for metadata in metadatas]
        self.places.update(zip(ids, range(start, len(self.ids)), strict=True))

    def replace(self, place: int, text: str, metadata: Mapping[str, Any]) -> None:
        """Put another document at a place, under the same id."""
        self.texts[place] = text
        self.metadatas[place] = copied(metadata)

    def keep(self, places: Sequence[int]) -> None:
        """Drop all but these, which move up."""
        self.ids = [self.ids[place] for place in places]
        self.texts = [self.texts[place] for place in places]
        self.metadatas = [self.metadatas[place] for place in places]
        self.places = {id: place for place, id in enumerate(self.ids)}

    def document(self, place: int) -> Document:
        """The document at a place, as an object of the caller's own."""
        return Document(page_content=self.texts[place], metadata=copied(self.metadatas[place]), id=self.ids[place])

    def passing(self, filter: Filter) -> list[int]:
        """The places of the documents that pass; raises StoreError for a filter that no document could pass."""
        if callable(filter):
            return [place for place in range(len(self)) if filter(self.document(place))]
        condition = parsed(filter)
        places = [place for place, metadata in enumerate(self.metadatas) if passes(condition, metadata)]
        if not places and self.ids:
            known = {key for metadata in self.metadatas for key in metadata}
            refuse_unknown(keys_of(condition) - known, known)
        return places


_NAMED = 20
"""How many keys an error names."""


def refuse_unknown(unknown: set[str], known: set[str]) -> None:
    """Raise StoreError if a filter that found nothing asks for keys that no document has."""
    if unknown:
        asked, there = ", ".join(map(repr, sorted(unknown)[:_NAMED])), ", ".join(sorted(known)[:_NAMED])
        raise StoreError(
            f"the filter found nothing, and no document has the key {asked}; the keys are: {there or 'none at all'}"
        )

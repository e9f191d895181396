"""What a store in memory knows of its documents: columns, and where each id stands in them.

Columns, since a hundred thousand texts and ids cost little and a hundred thousand objects do not. What is put in and what
is given out are copies, so that nobody changes a document in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any, Final, NamedTuple, TypeAlias, cast

from plait.documents import Document
from plait.embeddings import batches
from plait.errors import StoreError
from plait.vectorstores.filters import keys_of, parsed, passes

__all__ = ["DEEPEST", "SCALARS", "Filter", "Moves", "Rows", "copied", "refuse_unknown", "too_deep"]

Filter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]
"""A dict, as ``plait.vectorstores.filters`` says; or, for stores in memory, a function of a document."""


SCALARS: Final = frozenset({str, int, float, bool, type(None)})
"""What need not be copied."""


def copied(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A copy in which nothing is shared that could be changed; most metadata is flat, and then this is cheap."""
    held = dict(metadata)
    return held if all(type(value) in SCALARS for value in held.values()) else deepcopy(held)


DEEPEST: Final = 100
"""How deep metadata may be nested: who copies or writes it goes down one call for each level, or several."""


def too_deep(metadata: Mapping[str, Any]) -> bool:
    """Whether it is nested deeper than that."""
    level: list[Any] = [value for value in metadata.values() if type(value) not in SCALARS]
    seen: set[int] = set()
    for _ in range(DEEPEST):
        if not level:
            return False
        new = [value for value in level if id(value) not in seen]  # some hold themselves
        seen.update(map(id, new))
        level = [part for value in new for part in _parts(value) if type(part) not in SCALARS]
    return True


def _parts(value: object) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value).values()
    return cast("Iterable[Any]", value) if isinstance(value, list | tuple) else ()


class Moves(NamedTuple):
    """How what is left of some columns closes ranks: each at ``starts`` goes to the one of ``ends``, then ``left`` are left."""

    starts: list[int]
    ends: list[int]
    left: int


def _moves(gone: set[int], count: int) -> Moves:
    left = count - len(gone)
    return Moves(
        [place for place in range(left, count) if place not in gone], [place for place in gone if place < left], left
    )


class Rows:
    """The documents of a store by their place.

    What it is given it keeps as it is: whoever gives it copies it before anything is touched. What it gives out are copies.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.metadatas: list[dict[str, Any]] = []
        self.places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Sequence[str], texts: Sequence[str], metadatas: Sequence[dict[str, Any]]) -> None:
        """Put new documents at the end; the metadata is kept as it is."""
        start = len(self.ids)
        places = dict(zip(ids, range(start, start + len(ids)), strict=True))
        self.ids += ids
        self.texts += texts
        self.metadatas += metadatas
        self.places.update(places)

    def replace(self, place: int, text: str, metadata: dict[str, Any]) -> None:
        """Put another document at a place, under the same id."""
        self.texts[place] = text
        self.metadatas[place] = metadata

    def drop(self, ids: Iterable[str]) -> Moves:
        """Forget these, if they are there; the last ones take their places, and where to is given."""
        gone = {id: self.places[id] for id in ids if id in self.places}
        moves = _moves(set(gone.values()), len(self))
        for column in self._columns():
            for start, end in zip(moves.starts, moves.ends, strict=True):
                column[end] = column[start]
            del column[moves.left :]
        for id in gone:
            del self.places[id]
        self.places.update((self.ids[end], end) for end in moves.ends)
        return moves

    def _columns(self) -> tuple[list[Any], list[Any], list[Any]]:
        return self.ids, self.texts, self.metadatas

    def __copy__(self) -> Rows:
        new = Rows()
        new.ids, new.texts, new.metadatas = (list(column) for column in self._columns())  # no metadata is ever changed
        new.places = dict(self.places)
        return new

    def document(self, place: int) -> Document:
        """The document at a place, as an object of the caller's own."""
        return Document(page_content=self.texts[place], metadata=copied(self.metadatas[place]), id=self.ids[place])

    def chosen(self, filter: Callable[[Document], bool], lock: AbstractContextManager[Any]) -> list[str]:
        """The ids of the documents that a function chooses, which may use the store, and wait for others who do.

        So it is called without the lock. A document that changes meanwhile may be judged by what it was before.
        """
        with lock:
            ids = list(self.ids)
        return [
            document.id or ""
            for some in batches(ids, _AT_ONCE)
            for document in self._there(some, lock)
            if filter(document)
        ]

    def _there(self, ids: list[str], lock: AbstractContextManager[Any]) -> list[Document]:
        with lock:
            return [self.document(self.places[id]) for id in ids if id in self.places]

    def passing(self, filter: Filter, chosen: Iterable[str] = ()) -> list[int]:
        """The places of the documents that pass; raises StoreError for a filter that no document could pass.

        Of a filter that is a function these are those that it has ``chosen``.
        """
        if callable(filter):
            return [self.places[id] for id in chosen if id in self.places]
        condition = parsed(filter)
        places = [place for place, metadata in enumerate(self.metadatas) if passes(condition, metadata)]
        if not places and self.ids:
            known = {key for metadata in self.metadatas for key in metadata}
            refuse_unknown(keys_of(condition) - known, known)
        return places


_AT_ONCE = 1000
"""How many documents are made for a function to choose from."""

_NAMED = 20
"""How many keys an error names."""


def refuse_unknown(unknown: set[str], known: set[str]) -> None:
    """Raise StoreError if a filter that found nothing asks for keys that no document has."""
    if unknown:
        asked, there = ", ".join(map(repr, sorted(unknown)[:_NAMED])), ", ".join(sorted(known)[:_NAMED])
        raise StoreError(
            f"the filter found nothing, and no document has the key {asked}; the keys are: {there or 'none at all'}"
        )

"""What a store in memory knows of its documents: columns, and where each id stands in them.

Columns, since a hundred thousand texts and ids cost little and a hundred thousand objects do not. What is put in and what
is given out are copies, so that nobody changes a document in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias, cast

from plait.documents import Document
from plait.embeddings import batches
from plait.errors import StoreError
from plait.vectorstores.filters import keys_of, parsed, passes

__all__ = ["DEEPEST", "SCALARS", "Filter", "Moves", "Placing", "Rows", "copied", "refuse_unknown", "too_deep", "whole"]

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


class Placing(NamedTuple):
    """Where some documents are written: over ``start`` that are there, of which some are replaced, up to ``end``."""

    places: list[int]
    start: int
    end: int


class Moves(NamedTuple):
    """How what is left of some columns closes ranks: each at ``starts`` goes to the one of ``ends``, then ``left`` are left."""

    gone: list[str]
    starts: list[int]
    ends: list[int]
    left: int


def whole(*steps: Callable[[], object]) -> None:
    """Make a change to its end, also when Ctrl-C comes meanwhile, which is raised then; to make it twice must do no harm."""
    interrupted: KeyboardInterrupt | None = None
    while True:
        try:
            for step in steps:
                step()
            break
        except KeyboardInterrupt as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


class Rows:
    """The documents of a store by their place.

    What it is given it keeps as it is: whoever gives it copies it before anything is touched. What it gives out are copies.
    A change is planned, and then made, here and in the vectors, in steps that may be made again.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.metadatas: list[dict[str, Any]] = []
        self.places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.ids)

    def placing(self, ids: Sequence[str]) -> Placing:
        """Where documents of these ids, which differ, belong: in the place of the one that has it, or at the end."""
        start = len(self)
        ends = count(start)
        places = [next(ends) if (place := self.places.get(id)) is None else place for id in ids]
        return Placing(places, start, next(ends))

    def write(
        self, placing: Placing, ids: Sequence[str], texts: Sequence[str], metadatas: Sequence[dict[str, Any]]
    ) -> None:
        """Put documents in their places."""
        for column, values in zip(self._columns(), (ids, texts, metadatas), strict=True):
            column[placing.start :] = [None] * (placing.end - placing.start)
            for place, value in zip(placing.places, values, strict=True):
                column[place] = value
        self.places.update(zip(ids, placing.places, strict=True))

    def moves(self, ids: Iterable[str]) -> Moves:
        """What has to move when these are forgotten, if they are there: the last ones take their places."""
        places = {id: self.places[id] for id in ids if id in self.places}
        gone, left = set(places.values()), len(self) - len(places)
        starts = [place for place in range(left, len(self)) if place not in gone]
        return Moves([*places], starts, [place for place in gone if place < left], left)

    def close(self, moves: Moves) -> None:
        """Forget documents."""
        for column in self._columns():
            if len(column) > moves.left:
                for start, end in zip(moves.starts, moves.ends, strict=True):
                    column[end] = column[start]
                del column[moves.left :]
        for id in moves.gone:
            self.places.pop(id, None)
        self.places.update((self.ids[end], end) for end in moves.ends)

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

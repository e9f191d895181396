"""Vectors in an index of faiss, by their place; knows no documents.

faiss appends and never moves: a vector lies in a *slot*. A vector that is replaced or dropped leaves a dead slot, which
no search returns; when half of them are dead, the index is made anew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, cast

from plait.errors import MissingExtraError, StoreError
from plait.vectorstores.distances import DistanceStrategy
from plait.vectorstores.faiss_file import Levels, check_file
from plait.vectorstores.rows import Moves, Placing
from plait.vectorstores.similarity import units

__all__ = ["FaissVectors", "IndexSettings", "faiss_module"]


def faiss_module() -> ModuleType:
    """faiss; raises MissingExtraError if it is not installed."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of its generated wrapper, at every import
        try:
            import faiss
        except ImportError as error:
            raise MissingExtraError("FAISS needs the extra `faiss`: pip install 'plait[faiss]'") from error
    return faiss


class _Threads:
    """What a fork loses: a process in which faiss has worked has its threads, and a child would wait for them for ever."""

    def __init__(self) -> None:
        self.process: int | None = None

    def check(self, faiss: Any) -> None:
        """Let faiss do without others in this thread, if this is the child of a process in which it has worked."""
        here = os.getpid()
        if self.process is None:
            self.process = here
        if self.process != here:
            faiss.omp_set_num_threads(1)


_threads: Final = _Threads()


class IndexSettings(NamedTuple):
    """What kind of index is made: ``kind`` is ``flat`` or ``hnsw``."""

    kind: str
    distance: DistanceStrategy
    m: int
    ef_construction: int
    ef_search: int


class FaissVectors:
    """Vectors of one length, searched by faiss; ``place`` is their number in the order of their documents."""

    def __init__(self, dimension: int, settings: IndexSettings) -> None:
        import numpy as np

        self._np: Any = np
        self._faiss: Any = faiss_module()
        self.dimension = dimension
        self.settings = settings
        self.index: Any = self._new_index()
        self._slots: Any = np.empty(0, dtype=np.int64)  # by place

    def __len__(self) -> int:
        return len(self._slots)

    def __reduce__(self) -> tuple[Any, ...]:
        return FaissVectors._remade, (
            self.dimension,
            self.settings,
            self._faiss.serialize_index(self.index),
            self._slots.copy(),
        )

    def _new_index(self) -> Any:
        euclidean = self.settings.distance is DistanceStrategy.EUCLIDEAN_DISTANCE
        metric = self._faiss.METRIC_L2 if euclidean else self._faiss.METRIC_INNER_PRODUCT
        if self.settings.kind == "flat":
            return self._faiss.IndexFlat(self.dimension, metric)
        index = self._faiss.IndexHNSWFlat(self.dimension, self.settings.m, metric)
        self._set_candidates(index)
        return index

    def _set_candidates(self, index: Any) -> None:
        index.hnsw.efConstruction = self.settings.ef_construction
        index.hnsw.efSearch = self.settings.ef_search

    def _levels(self) -> Levels | None:
        """What a graph of these settings must have in a file."""
        if self.settings.kind == "flat":
            return None
        graph = self.index.hnsw
        return self._faiss.vector_to_array(graph.assign_probas), self._faiss.vector_to_array(
            graph.cum_nneighbor_per_level
        )

    def use(self, settings: IndexSettings) -> None:
        """Go on with other settings of the same kind; ``m`` counts when the index is made anew."""
        self.settings = settings
        if settings.kind == "hnsw":
            self._set_candidates(self.index)

    @classmethod
    def _remade(cls, dimension: int, settings: IndexSettings, index: Any, slots: Any) -> FaissVectors:
        made = cls(dimension, settings)
        made.index, made._slots = made._faiss.deserialize_index(index), slots
        return made

    # -------------------------------------------------------------------------------------------------------------- changes

    def take(self, array: Any) -> Any:
        """Slots for vectors, which are dead until they are written to their places."""
        _threads.check(self._faiss)
        return self._added(self.index, self._prepared(array))

    def write(self, placing: Placing, slots: Any) -> None:
        """Put the vectors of these slots in their places."""
        room = self._np.empty(placing.end - placing.start, dtype=self._np.int64)
        all_slots = self._np.concatenate([self._slots[: placing.start], room])
        all_slots[placing.places] = slots
        self._slots = all_slots

    def close(self, moves: Moves) -> None:
        """Drop some, in whose places the last ones come."""
        if len(self) > moves.left:
            self._slots[moves.ends] = self._slots[moves.starts]
            self._slots = self._slots[: moves.left]

    def _added(self, index: Any, array: Any) -> Any:
        start = index.ntotal
        index.add(array)
        return self._np.arange(start, index.ntotal, dtype=self._np.int64)

    def _prepared(self, array: Any) -> Any:
        if self.settings.distance is not DistanceStrategy.COSINE:
            return array
        return units(self._np, array)

    def tidy(self) -> None:
        """Make the index anew if half of it is dead."""
        if len(self) * 2 <= self.index.ntotal:
            self.compact()

    def compact(self) -> None:
        """Make the index anew if it has dead slots, so that slots are places."""
        if len(self) == self.index.ntotal and bool((self._slots == self._np.arange(len(self))).all()):
            return
        index = self._new_index()
        slots = self._added(index, self.vectors(range(len(self))))
        self.index, self._slots = index, slots  # at once: Ctrl-C may come before or after

    # ------------------------------------------------------------------------------------------------------------ searching

    def nearest(self, vector: Sequence[float], k: int, places: Sequence[int] | None) -> list[tuple[int, float]]:
        """``(place, score)`` of the ``k`` nearest, or of those nearest among some places; the best first."""
        _threads.check(self._faiss)
        query = self._prepared(self._np.asarray([vector], dtype=self._np.float32))
        chosen = None if places is None else self._np.asarray(places, dtype=self._np.int64)
        most = min(k, len(self) if chosen is None else len(chosen))
        if most == 0:
            return []
        among = self._slots if chosen is None else self._slots[chosen]
        if chosen is None and len(self) == self.index.ntotal:
            scores, slots = self.index.search(query, most)
        else:
            scores, slots = self._searched_among(query, most, among, exactly=chosen is not None)
        if int((slots[0] >= 0).sum()) < most:
            scores, slots = self._compared(query, most, among)
        return list(zip(self._places(slots[0]), scores[0].tolist(), strict=True))

    def _places(self, slots: Any) -> list[int]:
        if len(self) == self.index.ntotal and bool((self._slots[slots] == slots).all()):
            return cast("list[int]", slots.tolist())
        places = self._np.full(self.index.ntotal, -1, dtype=self._np.int64)
        places[self._slots] = self._np.arange(len(self))
        return cast("list[int]", places[slots].tolist())

    def _searched_among(self, query: Any, k: int, slots: Any, *, exactly: bool) -> Any:
        """A search in which faiss passes over all other slots.

        Of a few among many a graph finds those that lie on its way, and so not always the nearest: to be exact is to
        compare all of them.
        """
        allowed = self._np.zeros(self.index.ntotal, dtype=bool)
        allowed[slots] = True
        bits = self._np.packbits(allowed, bitorder="little")
        selector = self._faiss.IDSelectorBitmap(bits)
        if exactly or self.settings.kind == "flat":
            flat = self.index if self.settings.kind == "flat" else self._faiss.downcast_index(self.index.storage)
            return flat.search(query, k, params=self._faiss.SearchParameters(sel=selector))
        wide = max(self.settings.ef_search, k)
        return self.index.search(query, k, params=self._faiss.SearchParametersHNSW(sel=selector, efSearch=wide))

    def _compared(self, query: Any, k: int, slots: Any) -> tuple[Any, Any]:
        """Every one of these compared: a graph may lead to too few, and faiss passes over distances beyond its numbers."""
        array = self.index.reconstruct_batch(slots)
        euclidean = self.settings.distance is DistanceStrategy.EUCLIDEAN_DISTANCE
        with self._np.errstate(over="ignore", invalid="ignore"):
            scores = ((array - query) ** 2).sum(axis=1) if euclidean else array @ query[0]
        best = self._np.argsort(scores if euclidean else -scores, kind="stable")[:k]
        return scores[best][None], slots[best][None]

    def vectors(self, places: Sequence[int]) -> Any:
        """The vectors at these places, as an array."""
        _threads.check(self._faiss)
        slots = self._slots[self._np.asarray(places, dtype=self._np.int64)]
        if not len(slots):
            return self._np.empty((0, self.dimension), dtype=self._np.float32)
        return self.index.reconstruct_batch(slots)

    # -------------------------------------------------------------------------------------------------------------- files

    def write_file(self, path: Path) -> None:
        """Write the index, in which slots are places then, in faiss's own format."""
        self.compact()
        self._faiss.write_index(self.index, str(path))

    @classmethod
    def read(cls, path: Path, dimension: int, count: int, settings: IndexSettings) -> FaissVectors:
        """The vectors of a file; raises StoreError for one that is not an index of that shape."""
        made = cls(dimension, settings)
        check_file(path, dimension, count, made.index.metric_type, made._levels())
        try:
            index = made._faiss.read_index(str(path))
        except RuntimeError as error:
            raise StoreError(f"{path} is no index that faiss can read: it is damaged, or of another kind") from error
        family = made._faiss.IndexFlat if settings.kind == "flat" else made._faiss.IndexHNSWFlat
        shape = isinstance(index, family), index.d, index.ntotal, index.metric_type
        if shape != (True, dimension, count, made.index.metric_type):
            raise StoreError(f"{path} is an index of another kind or size than the file beside it says")
        if settings.kind == "hnsw":
            made._set_candidates(index)  # those of the file are not believed
        made.index, made._slots = index, made._np.arange(count, dtype=made._np.int64)
        return made

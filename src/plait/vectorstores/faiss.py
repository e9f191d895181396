"""A store in memory that is searched by faiss (extra ``faiss``)."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any, Final, Self, cast

from plait.concurrency import gather
from plait.documents import Document
from plait.embeddings import Embeddings
from plait.errors import ConfigError, StoreError
from plait.vectorstores.base import Hit, VectorStore, checked_model, portions
from plait.vectorstores.blocks import array_of
from plait.vectorstores.distances import DistanceStrategy, distance_of, relevance
from plait.vectorstores.faiss_index import FaissVectors, IndexSettings, faiss_module
from plait.vectorstores.records import (
    PART,
    alone_in,
    check_is_file,
    part_of,
    read_record,
    record_of,
    replace_file,
    to_disk,
    unreadable,
)
from plait.vectorstores.rows import Filter, Rows, copied, whole
from plait.vectorstores.similarity import Vector, check_number

__all__ = ["FAISS"]

_KIND: Final = "FAISS"
_MOST: Final = {"m": 1024, "ef_construction": 1_000_000, "ef_search": 1_000_000}
"""What a graph may be asked for: far more than is of use, and no more than memory can hold."""


_TRIES: Final = 10
"""How often a store is read that others save meanwhile."""


class FAISS(VectorStore):
    """Documents whose vectors are in an index of faiss, in memory; ``save_local`` and ``load_local`` keep it in files.

    ``index``: ``"flat"`` compares every vector, exactly; ``"hnsw"`` goes along a graph of near ones (``m`` links each,
    ``ef_construction`` and ``ef_search`` candidates), which is faster among very many and finds almost all.
    ``distance_strategy``: ``"l2"`` (scores are squares of distances, 0 is the best), ``"cosine"`` or ``"inner"`` (the
    greatest is the best). A filter is applied before the nearest are taken. For any number of threads and tasks.
    """

    def __init__(
        self,
        embedding: Embeddings,
        *,
        index: str = "flat",
        distance_strategy: DistanceStrategy | str = DistanceStrategy.EUCLIDEAN_DISTANCE,
        m: int = 32,
        ef_construction: int = 200,
        ef_search: int = 64,
    ) -> None:
        if index not in ("flat", "hnsw"):
            raise ConfigError(f"index must be 'flat' or 'hnsw', got {index!r:.60}")
        sizes = {"m": m, "ef_construction": ef_construction, "ef_search": ef_search}
        checked = {name: check_number(name, value, 2) for name, value in sizes.items()}
        for name, value in checked.items():
            if value > _MOST[name]:
                raise ConfigError(f"{name} may be at most {_MOST[name]}, got {value}")
        faiss_module()  # what is missing is missed here, and not at the first search
        self._embedding = checked_model(embedding)
        self._settings = IndexSettings(index, distance_of(distance_strategy), **checked)
        self._lock = RLock()  # metadata may copy itself by code that asks the store
        self._rows = Rows()
        self._vectors: FaissVectors | None = None

    def __repr__(self) -> str:
        return f"FAISS({type(self._embedding).__name__}, documents={len(self)}, index={self._settings.kind!r})"

    def __len__(self) -> int:
        return len(self._rows)

    def __bool__(self) -> bool:
        return True  # an empty store is a store

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {**vars(self), "_rows": copy(self._rows), "_vectors": copy(self._vectors), "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=RLock())

    @property
    def embeddings(self) -> Embeddings:
        """What makes the vectors."""
        return self._embedding

    def _dimension(self) -> int | None:
        vectors = self._vectors  # another thread may take them away
        return None if vectors is None else vectors.dimension

    def _relevance(self, score: float) -> float:
        return relevance(self._settings.distance, score)

    # -------------------------------------------------------------------------------------------------------------- hooks

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[Mapping[str, Any]]) -> None:
        about = [copied(metadata) for metadata in metadatas]
        with self._lock:
            array = array_of(vectors, len(ids), self._dimension(), type(self._embedding).__name__)
            if self._vectors is None:
                self._vectors = FaissVectors(array.shape[1], self._settings)
            kept, slots, placing = self._vectors, self._vectors.take(array), self._rows.placing(ids)
            whole(lambda: kept.write(placing, slots), lambda: self._rows.write(placing, ids, texts, about))
            kept.tidy()

    def _drop(self, ids: list[str] | None) -> None:
        with self._lock:
            moves, kept = self._rows.moves([*self._rows.ids] if ids is None else ids), self._vectors
            if kept is None:
                return
            whole(lambda: self._rows.close(moves), lambda: kept.close(moves))
            if len(self):
                kept.tidy()
            else:
                self._vectors = None

    def _get(self, ids: list[str]) -> list[Document]:
        with self._lock:
            return [self._rows.document(self._rows.places[id]) for id in ids if id in self._rows.places]

    def _nearest(self, vector: list[float], k: int, filter: Filter | None, vectors: bool) -> list[Hit]:
        chosen = self._rows.chosen(filter, self._lock) if callable(filter) else ()
        with self._lock:
            if self._vectors is None:
                return []
            found = self._vectors.nearest(vector, k, None if filter is None else self._rows.passing(filter, chosen))
            arrays = self._vectors.vectors([place for place, _ in found]).tolist() if vectors else [()] * len(found)
            return [
                Hit(self._rows.document(place), score, array)
                for (place, score), array in zip(found, arrays, strict=True)
            ]

    # -------------------------------------------------------------------------------------------------- vectors from outside

    @classmethod
    def from_embeddings(
        cls,
        text_embeddings: Iterable[tuple[str, Vector]],
        embedding: Embeddings,
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A new store of texts whose vectors are known; ``embedding`` makes those of later texts and queries."""
        store = cls(embedding, **kwargs)
        store.add_embeddings(text_embeddings, metadatas, ids=ids)
        return store

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, Vector]],
        metadatas: Iterable[Mapping[str, Any]] | None = None,
        *,
        ids: Iterable[str | None] | None = None,
    ) -> list[str]:
        """Keep texts whose vectors are known, and give their ids."""
        pairs = list(text_embeddings)
        added: list[str] = []
        for texts, about, names in portions([text for text, _ in pairs], metadatas, ids, self.batch_size):
            vectors = [vector for _, vector in pairs[len(added) : len(added) + len(texts)]]
            self._put(names, vectors, texts, about)
            added += names
        return added

    def merge_from(self, target: FAISS) -> None:
        """Take in all documents of another store, in the place of those that have the same ids."""
        if not isinstance(target, FAISS):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers are not all typed
            raise TypeError(f"merge_from takes another FAISS store, got {type(target).__name__}; add its documents")
        if target is self:
            return
        mine, others = self._settings.distance, target._settings.distance
        if others is DistanceStrategy.COSINE and mine is not others:
            raise ConfigError(
                f"the other store has made its vectors as long as 1, and {mine.value!r} counts their length"
            )
        with target._lock:
            rows, held = target._rows, target._vectors
            if held is None:
                return
            array = held.vectors(range(len(held)))
            columns = list(rows.ids), list(rows.texts), list(rows.metadatas)
        self._put(columns[0], array, columns[1], list(columns[2]))

    # -------------------------------------------------------------------------------------------------------------- files

    def save_local(self, folder_path: str | os.PathLike[str], index_name: str = "index") -> None:
        """Write ``<index_name>.json``, which holds the documents, and beside it the index in faiss's own format.

        The JSON file names the other one by its checksum and is written last: who reads meanwhile, or after a crash,
        finds the old store or the new one.
        """
        folder, name = Path(folder_path), _checked_name(index_name)
        with self._lock, alone_in(folder):
            checksum = self._write_index(folder, name)
            about = {
                "index": self._settings.kind,
                "distance": self._settings.distance.value,
                "settings": [self._settings.m, self._settings.ef_construction, self._settings.ef_search],
                "dimension": self._dimension(),
                "checksum": checksum,
            }
            replace_file(folder / f"{name}.json", record_of(_KIND, self._rows, about))
            _remove_others(folder, name, checksum)

    def _write_index(self, folder: Path, name: str) -> str | None:
        if self._vectors is None:
            return None
        part = part_of(folder / f"{name}.faiss")
        try:
            self._vectors.write_file(part)
            to_disk(part)
            checksum = _checksum(part)
            part.replace(_index_file(folder, name, checksum))
        except (OSError, RuntimeError) as error:
            with suppress(OSError):
                part.unlink()
            raise StoreError(f"the index cannot be written into {folder}: {error}") from error
        return checksum

    @classmethod
    def load_local(
        cls,
        folder_path: str | os.PathLike[str],
        embeddings: Embeddings,
        index_name: str = "index",
        *,
        allow_dangerous_deserialization: bool = False,  # noqa: ARG003  # known from elsewhere
        **kwargs: Any,
    ) -> Self:
        """The store that ``save_local`` wrote; raises StoreError for files that are damaged or of another origin.

        Other settings may be given, but for the kind of index and the distance: those are what was saved.
        Nothing in the files is ever run, so ``allow_dangerous_deserialization``, known from elsewhere, changes nothing.
        """
        folder, name = Path(folder_path), _checked_name(index_name)
        path = folder / f"{name}.json"
        record, rows = read_record(path, _KIND)
        for _ in range(_TRIES):
            try:
                return cls._loaded(path, record, rows, embeddings, kwargs)
            except StoreError:
                before = record.get("checksum")
                record, rows = read_record(path, _KIND)
                if record.get("checksum") == before:
                    raise  # nobody has saved another one meanwhile
        raise StoreError(f"{path} is written again and again while it is loaded; load it when that is over")

    @classmethod
    def _loaded(
        cls, path: Path, record: Mapping[str, Any], rows: Rows, embeddings: Embeddings, kwargs: dict[str, Any]
    ) -> Self:
        checked_model(embeddings)
        known = _settings(path, record)
        try:
            saved = cls(embeddings, **known)._settings
        except ConfigError as error:
            raise unreadable(path, str(error)) from error
        store = cls(embeddings, **{**known, **kwargs})
        if store._settings[:2] != saved[:2]:
            raise ConfigError(
                f"{path} is an index of the kind {saved.kind!r}, {saved.distance.value!r}; it stays what it is"
            )
        if len(rows):
            store._vectors = _read_index(path, record, len(rows), saved)
            store._vectors.use(store._settings)
        store._rows = rows
        return store


def _checked_name(name: Any) -> str:
    fits = isinstance(name, str) and 0 < len(name) <= 100 and name.replace("-", "").replace("_", "").isalnum()
    if fits and name.isascii():
        return str(name)
    raise ConfigError(f"index_name must be 1 to 100 ASCII letters, digits, '-' and '_', got {name!r:.80}")


def _index_file(folder: Path, name: str, checksum: str) -> Path:
    return folder / f"{name}.{checksum}.faiss"


def _checksum(path: Path) -> str:
    total = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            total = zlib.crc32(piece, total)
    return f"{total:08x}"


def _remove_others(folder: Path, name: str, checksum: str | None) -> None:
    """Remove the indexes of what was saved here before, and what was never finished."""
    parts = (folder.glob(f"{PART}{name}.{kind}.*") for kind in ("json", "faiss"))
    for path in chain(folder.glob(f"{name}.????????.faiss"), *parts):
        if path.name != f"{name}.{checksum}.faiss":
            with suppress(OSError):
                path.unlink()


def _settings(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    sizes = record.get("settings")
    if not isinstance(sizes, list) or len(cast("list[Any]", sizes)) != 3:
        raise unreadable(path, "its settings are not three numbers")
    m, ef_construction, ef_search = cast("list[Any]", sizes)
    return {
        "index": record.get("index"),
        "distance_strategy": record.get("distance"),
        "m": m,
        "ef_construction": ef_construction,
        "ef_search": ef_search,
    }


def _read_index(path: Path, record: Mapping[str, Any], count: int, settings: IndexSettings) -> FaissVectors:
    dimension, checksum = record.get("dimension"), record.get("checksum")
    if not isinstance(dimension, int) or isinstance(dimension, bool) or not 0 < dimension < 1 << 20:
        raise unreadable(path, "its dimension is no number that vectors can have")
    if not isinstance(checksum, str) or len(checksum) != 8 or set(checksum) - set("0123456789abcdef"):
        raise unreadable(path, "its checksum is none")
    file = _index_file(path.parent, path.stem, checksum)
    check_is_file(file)

    def check() -> None:
        if _checked_sum(path, file) != checksum:
            raise StoreError(f"{file} is damaged: its checksum is not that of the file which was saved")

    read: list[Callable[[], Any]] = [check, lambda: FaissVectors.read(file, dimension, count, settings)]
    return cast("FaissVectors", gather(_called, read, 2, None)[1])  # at once: each has to go through the whole file


def _called(_: int, work: Callable[[], Any]) -> Any:
    return work()


def _checked_sum(path: Path, file: Path) -> str:
    try:
        return _checksum(file)
    except OSError as error:
        raise StoreError(f"{file}, the index that belongs to {path}, cannot be read: {error.strerror}") from error

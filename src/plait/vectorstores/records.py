"""Stores in files: JSON that is only ever read as data, written in one step.

{"format": 1, "kind": "FAISS", "ids": [...], "texts": [...], "metadatas": [...], ...}
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

from plait.errors import StoreError
from plait.stopping import sleep
from plait.vectorstores.rows import DEEPEST, SCALARS, Rows, too_deep

__all__ = [
    "PART",
    "alone_in",
    "check_is_file",
    "part_of",
    "read_record",
    "record_of",
    "replace_file",
    "to_disk",
    "unreadable",
]

_FORMAT: Final = 1


def record_of(kind: str, rows: Rows, more: Mapping[str, Any]) -> bytes:
    """The text of a store's file; raises StoreError for metadata that JSON cannot hold."""
    columns = {"ids": rows.ids, "texts": rows.texts, "metadatas": rows.metadatas}
    try:
        return json.dumps(
            {"format": _FORMAT, "kind": kind, **more, **columns}, separators=(",", ":"), allow_nan=False
        ).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(
            f"the store cannot be saved, since the metadata of a document is more than JSON can hold: {_culprit(rows)}"
        ) from error


def _culprit(rows: Rows) -> str:
    for id, metadata in zip(rows.ids, rows.metadatas, strict=True):
        try:
            json.dumps(metadata, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            return f"that of {id!r:.80} ({error})"
    return "a text or an id"


def read_record(path: Path, kind: str) -> tuple[dict[str, Any], Rows]:
    """What is in a store's file, and its documents; raises StoreError for a file of any other content."""
    check_is_file(path)
    try:
        record: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise unreadable(path, "it is not JSON") from error
    if not isinstance(record, dict):
        raise unreadable(path, "it holds no record of a store")
    known = cast("dict[str, Any]", record)
    if known.get("kind") != kind:
        raise unreadable(path, f"it is of the kind {known.get('kind')!r:.40}, not {kind!r}")
    if known.get("format") != _FORMAT:
        raise unreadable(path, f"its format is {known.get('format')!r:.40}, and this version knows {_FORMAT}")
    return known, _rows(path, known)


def check_is_file(path: Path) -> None:
    """Raise StoreError for what is there and is no plain file: a pipe or a device might never end."""
    if path.exists() and not path.is_file():
        raise unreadable(path, "it is no plain file")


def _rows(path: Path, record: dict[str, Any]) -> Rows:
    ids, texts, metadatas = (_column(path, record, name) for name in ("ids", "texts", "metadatas"))
    if not len(ids) == len(texts) == len(metadatas):
        raise unreadable(path, f"it has {len(ids)} ids, {len(texts)} texts and {len(metadatas)} metadatas")
    if not _types(chain(ids, texts)) <= {str} or not _types(metadatas) <= {dict}:
        raise unreadable(path, "an id or a text in it is no text, or metadata no object")
    if not _types(chain.from_iterable(each.values() for each in metadatas)) <= SCALARS and any(
        map(too_deep, metadatas)
    ):
        raise unreadable(path, f"metadata in it is nested more than {DEEPEST} levels deep")
    rows = Rows()
    rows.ids, rows.texts, rows.metadatas = ids, texts, metadatas
    rows.places = dict(zip(ids, range(len(ids)), strict=True))
    if len(rows.places) != len(ids):
        raise unreadable(path, "an id stands in it twice")
    return rows


def _types(values: Iterable[Any]) -> set[type]:
    return set(map(type, values))


def _column(path: Path, record: dict[str, Any], name: str) -> list[Any]:
    column = record.get(name)
    if isinstance(column, list):
        return cast("list[Any]", column)
    raise unreadable(path, f"it has no list of {name}")


def unreadable(path: Path, why: str) -> StoreError:
    """What is raised for a file that no store wrote, or that was damaged."""
    return StoreError(f"{path} cannot be loaded as a vector store: {why}. Nothing was loaded; save the store again")


@contextmanager
def alone_in(folder: Path) -> Generator[None, None, None]:
    """While one saves into a folder, whoever else wants to waits, in this process and others: of two that remove what they
    do not need, each would remove what the other one has just written. Systems without such locks go without.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror or error}") from error
    locks = _locks()
    if locks is None:
        yield
        return
    with _opened_folder(folder) as handle:
        _lock(locks, handle, folder)
        try:
            yield
        finally:
            with suppress(OSError):
                locks.flock(handle, locks.LOCK_UN)  # a child that was forked meanwhile has the handle, too


def _locks() -> Any:
    try:
        import fcntl
    except ImportError:
        return None
    return fcntl


_TRIES: Final = 3000
_PAUSE: Final = 0.02  # seconds


def _lock(locks: Any, handle: int, folder: Path) -> None:
    for _ in range(_TRIES):
        try:
            locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)  # it goes with the handle, or with the process
        except BlockingIOError:
            sleep(_PAUSE)
        except OSError:  # not every file system has them
            return
        else:
            return
    raise StoreError(f"{folder} is being written by somebody else for {_TRIES * _PAUSE:.0f} seconds; nothing was saved")


@contextmanager
def _opened_folder(folder: Path) -> Generator[int, None, None]:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StoreError(f"{folder} cannot be opened: {error.strerror or error}") from error
    try:
        yield handle
    finally:
        os.close(handle)


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(f"{PART}{path.name[:120]}.{uuid4().hex}")


PART: Final = ".plait-"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that its old content stands until the new one does."""
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error


def to_disk(path: Path) -> None:
    """Wait until a file that was written is there after a crash of the machine, too."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())

"""Stores in files: JSON that is only ever read as data, written in one step.

{"format": 1, "kind": "FAISS", "ids": [...], "texts": [...], "metadatas": [...], ...}
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

from plait.errors import StoreError
from plait.vectorstores.rows import Rows

__all__ = ["read_record", "record_of", "replace_file"]

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


def _rows(path: Path, record: dict[str, Any]) -> Rows:
    ids, texts, metadatas = (_column(path, record, name) for name in ("ids", "texts", "metadatas"))
    if not len(ids) == len(texts) == len(metadatas):
        raise unreadable(path, f"it has {len(ids)} ids, {len(texts)} texts and {len(metadatas)} metadatas")
    if not all(type(each) is str for each in (*ids, *texts)) or not all(type(each) is dict for each in metadatas):
        raise unreadable(path, "an id or a text in it is no text, or metadata no object")
    rows = Rows()
    rows.ids, rows.texts, rows.metadatas = ids, texts, metadatas
    rows.places = dict(zip(ids, range(len(ids)), strict=True))
    if len(rows.places) != len(ids):
        raise unreadable(path, "an id stands in it twice")
    return rows


def _column(path: Path, record: dict[str, Any], name: str) -> list[Any]:
    column = record.get(name)
    if isinstance(column, list):
        return cast("list[Any]", column)
    raise unreadable(path, f"it has no list of {name}")


def unreadable(path: Path, why: str) -> StoreError:
    """What is raised for a file that no store wrote, or that was damaged."""
    return StoreError(f"{path} cannot be loaded as a vector store: {why}. Nothing was loaded; save the store again")


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that its old content stands until the new one does."""
    part = path.with_name(f".plait-{uuid4().hex}")
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

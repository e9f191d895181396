"""Prompt files: data in JSON or YAML, and the texts and examples that lie beside it.

A file may name others, in its own folder and below, by names that climb nowhere: no ``..``, no absolute path, no drive, no
backslash, no NUL, no symbolic link. What is read is bounded, and is text or data, whatever it is called.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any, Final, NoReturn
from uuid import uuid4

from plait.errors import LoadError
from plait.prompts import yaml_files

__all__ = ["beside", "decoded", "read", "write"]

_LARGEST: Final = {".json": 10_000_000, ".txt": 10_000_000, ".yaml": 1_000_000, ".yml": 1_000_000}
"""Bytes that a file may have, by the end of its name; YAML is read slowly."""
_DATA: Final = (".json", ".yaml", ".yml")


def write(path: str | os.PathLike[str], config: dict[str, Any]) -> None:
    """Write data to a file, in the place of what was there; folders are made. A killed writer leaves the old file."""
    place = Path(path)
    text = _encoded(config, place)
    part = place.with_name(f".plait-{uuid4().hex}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(text)
        part.replace(place)
    except OSError as error:
        raise LoadError(f"{place} cannot be written: {error}") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _encoded(config: dict[str, Any], path: Path) -> bytes:
    if path.suffix == ".json":
        try:
            return (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
        except UnicodeEncodeError:  # half of a pair of surrogates
            return (json.dumps(config, indent=2) + "\n").encode()
    if path.suffix in _DATA:
        return yaml_files.dump(config).encode()
    raise LoadError(f"a prompt is saved in a file whose name ends with {', '.join(_DATA)}; got {str(path)!r}")


def read(path: Path, suffixes: tuple[str, ...] = _DATA, encoding: str = "utf-8") -> Any:
    """The data of a file, or the text of one whose name ends with ``.txt``; raises LoadError, which names it."""
    if path.suffix not in suffixes:
        raise LoadError(f"{path}: the name of such a file ends with {', '.join(suffixes)}")
    try:
        text = _text(path, _LARGEST[path.suffix], encoding)
    except (OSError, ValueError, LookupError) as error:  # an unknown encoding is the last
        raise LoadError(f"{path} cannot be read: {error}") from error
    try:
        return text if path.suffix == ".txt" else decoded(text, path.suffix)
    except LoadError as error:
        raise LoadError(f"{path}: {error}") from error


def _text(path: Path, largest: int, encoding: str) -> str:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with open(path, "rb", opener=lambda name, _: os.open(name, flags)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise LoadError(f"{path} is no plain file")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise LoadError(f"{path} is longer than the {largest:,} bytes that such a file may have")
    return data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n")


def decoded(text: str, suffix: str) -> Any:
    """The data in a text: JSON, or YAML; raises LoadError."""
    try:
        return _json(text) if suffix == ".json" else yaml_files.load(text)
    except json.JSONDecodeError as error:
        raise LoadError(f"no JSON, in line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise LoadError("it is nested too deep") from error
    except ValueError as error:
        if isinstance(error, LoadError):
            raise
        raise LoadError(f"no data that can be read: {error}") from error  # a number of a million digits


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise LoadError(f"the key {key!r:.80} stands there twice")
        found[key] = value
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise LoadError(f"{text:.40} is too large for a number")
    return number


def _no_number(name: str) -> NoReturn:
    raise LoadError(f"{name} is no number of JSON")


def beside(folder: Path | None, name: object, where: str) -> Path:
    """The file of this name in the folder or below; raises LoadError for a name that leads, or may lead, elsewhere."""
    if folder is None:
        raise LoadError(
            f"{where}: a prompt that is not loaded from a file cannot name another: put the text itself here"
        )
    if not isinstance(name, str) or not _is_plain(name):
        raise LoadError(
            f"{where}: {ascii(name)[:200]} is no file that a prompt may name: its own folder and what lies below, by "
            "names joined by '/', without '..', ':', backslash, NUL or a leading '/'"
        )
    root = folder.resolve()
    path = root / name
    with suppress(OSError, RuntimeError):  # a ring of links is the latter
        ring = any(part.is_symlink() for part in (path, *path.parents))  # which resolve leaves as it is, from 3.13 on
        if not ring and path.resolve() == path and path.is_relative_to(root):
            return path
    raise LoadError(f"{where}: {name!r} leads to a symbolic link, and none is followed: name the file itself")


def _is_plain(name: str) -> bool:
    if any(sign in name for sign in "\\:\0") or not name.isprintable() or PurePosixPath(name).is_absolute():
        return False
    return all(part not in ("", ".", "..") and part == part.strip() for part in name.split("/"))

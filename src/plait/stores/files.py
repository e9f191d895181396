"""A store whose values are files in one folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final
from uuid import uuid4

from plait.errors import StoreError
from plait.stopping import check_stopped
from plait.stores.base import BaseStore, listed, paired
from plait.stores.paths import PART, is_key, names_of

__all__ = ["LocalFileStore"]

# Neither follow a link nor wait for whoever writes into a pipe; bytes are bytes. Some systems lack some of these.
_CAREFULLY: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class LocalFileStore(BaseStore[str, bytes]):
    """Bytes in files below ``root_path``, a file for each key, for any number of threads and processes of one machine.

    A key is the file's path below the folder, ``"a/b.json"``: names of ``A-Z a-z 0-9 _ - .`` joined by ``/``. Any other
    key raises ``StoreError``, as does one that leads to or through a symbolic link or to what is no plain file. The
    folder itself may be a link, and is made with the first value.

    A value is written beside its place and then put there, so that a reader sees the old one or the new one, even if the
    writer is killed; to survive a power failure is left to the file system. What a killed writer leaves behind begins
    with ``.plait-`` and is no key. Files and folders are for their owner alone unless ``chmod_file`` and ``chmod_dir``
    say otherwise.
    """

    def __init__(
        self, root_path: str | os.PathLike[str], *, chmod_file: int | None = 0o600, chmod_dir: int | None = 0o700
    ) -> None:
        self.root_path = Path(root_path).absolute()
        self.chmod_file = 0o666 if chmod_file is None else chmod_file
        self.chmod_dir = 0o777 if chmod_dir is None else chmod_dir

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is in the files of the keys, in their order; None where there is no file."""
        return [self._read(path) for path in self._paths(keys)]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        """Write files, one after the other; all keys and values are looked at before the first is written."""
        pairs = [(key, _bytes_of(value, key)) for key, value in paired(key_value_pairs)]
        for path, (_, value) in zip(self._paths([key for key, _ in pairs]), pairs, strict=True):
            check_stopped()
            self._write(path, value)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Take away the files of the keys; folders stay."""
        for path in self._paths(keys):
            check_stopped()
            self._delete(path)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """The keys that begin with ``prefix``, by folder and name; files that no key leads to are passed over."""
        root, begin = self._root(), prefix or ""
        for folder, folders, names in os.walk(root):
            check_stopped()
            above = Path(folder).relative_to(root).parts
            folders[:] = sorted(name for name in folders if _may_begin("/".join([*above, name, ""]), begin))
            for name in sorted(names):
                key = "/".join([*above, name])
                if key.startswith(begin) and is_key(key) and _is_plain(Path(folder, name)):
                    yield key

    def _root(self) -> Path:
        return self.root_path.resolve()

    def _paths(self, keys: Sequence[str]) -> list[Path]:
        root = self._root()
        return [self._path(root, key) for key in listed(keys)]

    def _path(self, root: Path, key: str) -> Path:
        path = root.joinpath(*names_of(key))
        with suppress(OSError, RuntimeError):  # a ring of links is the latter
            ring = any(
                part.is_symlink() for part in (path, *path.parents)
            )  # which resolve leaves as it is, from 3.13 on
            if not ring and path.resolve() == path and path.is_relative_to(root):
                return path
        raise StoreError(f"the key {key!r} leads to a symbolic link in {root}, and none is followed: remove it")

    def _read(self, path: Path) -> bytes | None:
        try:
            with _opened(path, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise _no_file(path)
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except IsADirectoryError as error:
            raise _no_file(path) from error
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error}") from error

    def _write(self, path: Path, value: bytes) -> None:
        part = path.with_name(f"{PART}{uuid4().hex}")
        try:
            self._make_folder(path.parent)
            _refuse_folder(path)
            with _opened(part, "xb", self.chmod_file) as file:
                file.write(value)
            part.replace(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be written: {error}") from error
        finally:
            with suppress(OSError):
                part.unlink()

    def _delete(self, path: Path) -> None:
        try:
            _refuse_folder(path)
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted: {error}") from error

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=self.chmod_dir, exist_ok=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root_path)!r})"


def _opened(path: Path, mode: str, permissions: int = 0) -> IO[bytes]:
    return open(
        path, mode, opener=lambda name, flags: os.open(name, flags | _CAREFULLY, permissions)
    )  # the caller closes it


def _bytes_of(value: object, key: str) -> bytes:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)  # pyright: ignore[reportUnknownArgumentType]  # a view of anything
    raise StoreError(f"a file holds bytes; got an object of type {type(value).__name__} for the key {key!r}")


def _may_begin(folder: str, prefix: str) -> bool:
    """Whether keys below the folder, whose name ends with a slash, may begin with the prefix."""
    return folder.startswith(prefix) or prefix.startswith(folder)


def _is_plain(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISREG(path.lstat().st_mode)
    return False


def _refuse_folder(path: Path) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _no_file(path)


def _no_file(path: Path) -> StoreError:
    return StoreError(f"{path} is there, but is no plain file: the names before the last one of a key are folders")

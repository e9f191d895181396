"""Stores keep values under keys, in memory and in files, and let nobody out of their folder."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.concurrency import gather
from plait.errors import StoreError
from plait.stores import BaseStore, ByteStore, InMemoryByteStore, InMemoryStore, LocalFileStore

OUTSIDE = [
    "../x",
    "a/../../x",
    "..",
    ".",
    "",
    "/x",
    "a//b",
    "a/",
    "/etc/passwd",
    "..\\x",
    "a\\b",
    "C:x",
    "C:/x",
    "a\0b",
]
ODD = ["a:stream", "~", "~root/x", "a b", "é", "%2e%2e/x", "a\n", ".hidden", ".plait-0", "a.", "CON", "nul.txt", "a/LPT1"]  # fmt: skip


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ByteStore:
    """An empty store of each kind."""
    return InMemoryByteStore() if request.param == "memory" else LocalFileStore(tmp_path / "root")


class Shelf(BaseStore[str, int]):
    """A user's own store, which has the sync verbs alone."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}
        self.threads: set[threading.Thread] = set()

    def mget(self, keys: Sequence[str]) -> list[int | None]:
        self.threads.add(threading.current_thread())
        return [self.kept.get(key) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, int]]) -> None:
        self.kept.update(key_value_pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.kept.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        self.threads.add(threading.current_thread())
        yield from [key for key in self.kept if key.startswith(prefix or "")]


def test_values_come_back_in_the_order_of_the_keys(store: ByteStore) -> None:
    """What is not there is None; the last value under a key stays; what is deleted is gone."""
    store.mset([("a", b"1"), ("b/c", b""), ("a", b"2")])
    assert store.mget(["b/c", "x", "a", "a"]) == [b"", None, b"2", b"2"]
    store.mdelete(["a", "x", "a"])
    assert store.mget(["a", "b/c"]) == [None, b""]
    assert store.mget([]) == []
    store.mset([])
    store.mdelete([])


def test_keys_by_prefix(store: ByteStore) -> None:
    """A prefix is text, not a folder; an empty store has no keys."""
    assert list(store.yield_keys()) == []
    store.mset([(key, b"v") for key in ("n/a", "n/b", "na", "m")])
    assert sorted(store.yield_keys()) == ["m", "n/a", "n/b", "na"]
    assert sorted(store.yield_keys(prefix="n")) == ["n/a", "n/b", "na"]
    assert sorted(store.yield_keys(prefix="n/")) == ["n/a", "n/b"]


async def test_the_async_verbs_mean_the_same(store: ByteStore) -> None:
    """Each verb has its twin."""
    await store.amset([("a", b"1"), ("b", b"2")])
    assert await store.amget(["b", "x"]) == [b"2", None]
    await store.amdelete(["b"])
    assert [key async for key in store.ayield_keys(prefix="a")] == ["a"]
    assert store.mget(["a", "b"]) == [b"1", None]


async def test_a_store_with_sync_verbs_has_async_ones_in_threads() -> None:
    """A user's own store is never called on the loop."""
    shelf = Shelf()
    await shelf.amset([("a", 1), ("b", 2)])
    await shelf.amdelete(["b"])
    assert await shelf.amget(["a"]) == [1]
    assert [key async for key in shelf.ayield_keys()] == ["a"]
    assert threading.current_thread() not in shelf.threads


def test_keys_may_go_while_they_are_read(store: ByteStore) -> None:
    """Whoever deletes what he reads reads all of it."""
    store.mset([(f"k{number}", b"v") for number in range(20)])
    for key in store.yield_keys(prefix="k"):
        store.mdelete([key])
    assert list(store.yield_keys()) == []


def test_one_text_is_no_list_of_keys(store: ByteStore) -> None:
    """It would be taken for its letters."""
    for verb in (store.mget, store.mdelete):
        with pytest.raises(StoreError, match=r"takes a list of keys; got one str: write \['abc'\]"):
            verb("abc")


def test_a_dict_is_its_items(store: ByteStore) -> None:
    """Whatever the length of its keys; what is no pair is refused before anything is kept."""
    store.mset({"ab": b"1", "c": b"2"})  # type: ignore[arg-type]
    assert store.mget(["ab", "c"]) == [b"1", b"2"]
    for pairs in ([("d", b"3"), "ef"], ["ab"], [("a", b"b", b"c")], [5]):
        with pytest.raises(StoreError, match=r"pairs \(key, value\); number"):
            store.mset(pairs)  # type: ignore[arg-type]
    assert store.mget(["d"]) == [None]


def test_threads_share_a_store(store: ByteStore) -> None:
    """What many threads write is all there, and each value is whole."""
    values = [bytes([number]) * 1000 for number in range(16)]

    def write(index: int, value: bytes) -> None:
        store.mset([(f"own{index}", value), ("shared", value)])
        assert store.mget(["shared"])[0] in values

    gather(write, values, 8, None)
    assert store.mget([f"own{index}" for index in range(16)]) == values


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}(/[a-z]{1,3})?", fullmatch=True), st.binary(max_size=20), max_size=8))
def test_a_memory_store_is_a_dict(pairs: dict[str, bytes]) -> None:
    """It holds what a dict would hold, and so do its copies."""
    store = InMemoryStore()
    store.mset(list(pairs.items()))
    for each in (store, copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert dict(zip(pairs, each.mget(list(pairs)), strict=True)) == pairs
        assert list(each.yield_keys()) == list(pairs)


# --------------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("key", [*OUTSIDE, *ODD, "x" * 201, "/".join("abc" for _ in range(300))])
def test_what_is_no_plain_name_is_no_key(tmp_path: Path, key: str) -> None:
    """No key climbs, is absolute, names a drive or is another key in disguise; nothing is made of it."""
    store = LocalFileStore(tmp_path / "root")
    for verb in (
        lambda: store.mget([key]),
        lambda: store.mset([("good", b""), (key, b"x")]),
        lambda: store.mdelete([key]),
    ):
        with pytest.raises(StoreError, match="is no key for files"):
            verb()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [None, 3, b"a", ("a",)])
def test_a_key_is_a_text(tmp_path: Path, key: Any) -> None:
    """Anything else is refused by name."""
    with pytest.raises(StoreError, match="a key is a text"):
        LocalFileStore(tmp_path).mget([key])


def test_no_link_is_followed(tmp_path: Path) -> None:
    """A link to a file, to a folder, to nothing or to itself is an error, and is not listed."""
    root, secret = tmp_path / "root", tmp_path / "root-secret"
    root.mkdir()
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    for name, target in {
        "file": secret / "file",
        "folder": secret,
        "gone": secret / "gone",
        "self": root / "self",
    }.items():
        (root / name).symlink_to(target)
    store = LocalFileStore(root)
    for key in ("file", "folder/file", "folder/new", "gone", "self"):
        for verb in (
            lambda key=key: store.mget([key]),
            lambda key=key: store.mset([(key, b"x")]),
            lambda key=key: store.mdelete([key]),
        ):
            with pytest.raises(StoreError, match="symbolic link"):
                verb()
    assert list(store.yield_keys()) == []
    assert [path.name for path in secret.iterdir()] == ["file"]
    assert (secret / "file").read_bytes() == b"secret"


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    """Where the store lies is its user's to say."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LocalFileStore(tmp_path / "link").mset([("a/b", b"1")])
    assert (tmp_path / "real" / "a" / "b").read_bytes() == b"1"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is no plain file is refused at once, and is not listed."""
    os.mkfifo(tmp_path / "pipe")
    store = LocalFileStore(tmp_path)
    for verb in (lambda: store.mget(["pipe"]), lambda: store.mset([("pipe", b"")]), lambda: store.mdelete(["pipe"])):
        with pytest.raises(StoreError, match="no plain file"):
            verb()
    assert list(store.yield_keys()) == []


def test_a_key_cannot_be_a_folder_of_another(tmp_path: Path) -> None:
    """A file has no files in it, and a folder has no value."""
    store = LocalFileStore(tmp_path)
    store.mset([("a/b", b"1")])
    for verb in (lambda: store.mget(["a"]), lambda: store.mset([("a", b"")]), lambda: store.mdelete(["a"])):
        with pytest.raises(StoreError, match="no plain file"):
            verb()
    assert store.mget(["a/b/c"]) == [None]
    store.mdelete(["a/b/c"])
    with pytest.raises(StoreError, match="cannot be written"):
        store.mset([("a/b/c", b"2")])
    assert store.mget(["a/b"]) == [b"1"]


def test_only_bytes_are_written(tmp_path: Path) -> None:
    """A text has no one form as bytes; nothing is written if one value is none."""
    store = LocalFileStore(tmp_path)
    store.mset([("view", memoryview(b"v"))])  # type: ignore[list-item]
    with pytest.raises(StoreError, match="a file holds bytes; got an object of type str for the key 'b'"):
        store.mset([("a", b"1"), ("b", "text")])  # type: ignore[list-item]
    assert store.mget(["view", "a"]) == [b"v", None]


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Unless somebody says otherwise."""
    LocalFileStore(tmp_path / "r").mset([("a/b", b"1")])
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "r", tmp_path / "r/a", tmp_path / "r/a/b")] == [0o700, 0o700, 0o600]  # fmt: skip
    LocalFileStore(tmp_path / "s", chmod_file=0o640, chmod_dir=0o750).mset([("b", b"1")])
    assert (tmp_path / "s" / "b").stat().st_mode & 0o777 == 0o640


def test_what_is_no_key_of_the_store_is_passed_over(tmp_path: Path) -> None:
    """Files of others, and what a killed writer left, are not listed."""
    for name in (".plait-1", "with space", "good"):
        (tmp_path / name).write_bytes(b"")
    assert list(LocalFileStore(tmp_path).yield_keys()) == ["good"]


def test_only_folders_that_the_prefix_names_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what belongs to others costs nothing."""
    store = LocalFileStore(tmp_path)
    keys = ["a/b/1", "a/b/2", "a/bc/3", "ab/4", "z/5"]
    store.mset([(key, b"") for key in keys])
    for prefix in ("a", "a/", "a/b", "a/b/", "a/b/2", "ab/4", "x", ""):
        assert [*store.yield_keys(prefix=prefix)] == [key for key in keys if key.startswith(prefix)]
    read: list[str] = []
    scan = os.scandir

    def scanned(path: Any) -> Any:
        read.append(os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scanned)
    assert [*store.yield_keys(prefix="a/b/")] == keys[:2]
    assert [Path(path).relative_to(tmp_path).as_posix() for path in read] == [".", "a", "a/b"]


def test_a_failure_to_write_says_where(tmp_path: Path) -> None:
    """The old value and no rest of the new one is left."""
    store = LocalFileStore(tmp_path)
    store.mset([("a", b"old")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(StoreError, match=r"a cannot be written: disk full"):
            store.mset([("a", b"new")])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert store.mget(["a"]) == [b"old"]


WRITER = """
import sys
from plait.stores import LocalFileStore
store, number = LocalFileStore(sys.argv[1]), 0
print("ready", flush=True)
while True:
    number = (number + 1) % 250
    store.mset([("a", bytes([number]) * 200_000)])
"""


def test_a_killed_writer_leaves_a_whole_value(tmp_path: Path) -> None:
    """The file holds one value or the other, never a mixture or a half."""
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        while not (tmp_path / "a").exists():
            pass
        writer.kill()
        writer.wait()
        writer.stdout.close()
        [value] = LocalFileStore(tmp_path).mget(["a"])
        assert value is not None
        assert value == value[:1] * 200_000
    assert list(LocalFileStore(tmp_path).yield_keys()) == ["a"]

"""The store on faiss, beyond what every store does: its files, its indexes, its settings."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait.documents import Document
from plait.embeddings import DeterministicFakeEmbedding
from plait.errors import ConfigError, MissingExtraError, StoreError
from plait.stopping import Stopped, stoppable
from plait.vectorstores import FAISS, InMemoryVectorStore

pytest.importorskip("faiss")

MODEL = DeterministicFakeEmbedding(size=16)
TEXTS = [f"text {number} of many" for number in range(60)]


def saved(folder: Path, **options: Any) -> FAISS:
    store = FAISS.from_texts(TEXTS, MODEL, [{"n": number} for number in range(60)], **options)
    store.save_local(folder)
    return store


def index_of(folder: Path) -> Path:
    [path] = folder.glob("index.*.faiss")
    return path


def test_cell_of_the_specification() -> None:
    """A store of one text, as a retriever."""
    retriever = FAISS.from_texts(["harrison worked at kensho"], embedding=MODEL).as_retriever()
    assert [document.page_content for document in retriever.invoke("where?")] == ["harrison worked at kensho"]
    assert retriever.with_config(run_name="Docs").invoke("where?") == retriever.invoke("where?")


@pytest.mark.parametrize("index", ["flat", "hnsw"])
@pytest.mark.parametrize("strategy", ["l2", "cosine", "inner"])
def test_saved_and_loaded(tmp_path: Path, index: str, strategy: str) -> None:
    """It finds the same, has the same settings, and can be changed."""
    store = saved(tmp_path, index=index, distance_strategy=strategy)
    loaded = FAISS.load_local(tmp_path, MODEL)

    assert loaded.similarity_search_with_score("text 7") == store.similarity_search_with_score("text 7")
    assert repr(loaded) == repr(store)
    loaded.add_texts(["new"], ids=["new"])
    loaded.delete([document.id or "" for document in loaded.similarity_search("text 7")])
    assert loaded.similarity_search("new", k=1)[0].id == "new"


def test_saved_after_changes(tmp_path: Path) -> None:
    """What was deleted and replaced is not in the files, and the old index goes."""
    store = saved(tmp_path)
    store.add_texts(["other"], ids=[store.similarity_search("text 3", k=1)[0].id])
    store.delete([document.id or "" for document in store.similarity_search("text 5", k=10)])
    store.save_local(tmp_path)

    loaded = FAISS.load_local(tmp_path, MODEL)
    assert loaded.similarity_search_with_score("other", k=50) == store.similarity_search_with_score("other", k=50)
    assert index_of(tmp_path).stat().st_size < 60 * 64


def test_empty_store_saved(tmp_path: Path) -> None:
    """There is a file, and an empty store comes from it."""
    FAISS(MODEL).save_local(tmp_path)
    loaded = FAISS.load_local(tmp_path, MODEL, allow_dangerous_deserialization=True)
    assert loaded.similarity_search("x") == []
    assert loaded.add_texts(["x"])


def test_several_in_one_folder(tmp_path: Path) -> None:
    """By their names, which name files of the folder and nothing else."""
    for name in ("one", "one-b"):
        FAISS.from_texts([name], MODEL).save_local(tmp_path, name)
    assert FAISS.load_local(tmp_path, MODEL, "one").similarity_search("x")[0].page_content == "one"
    for name in ("../one", "a/b", "", "a.b", "a\0", "x" * 200):
        with pytest.raises(ConfigError, match="index_name"):
            FAISS.load_local(tmp_path, MODEL, name)


def test_metadata_that_json_cannot_hold(tmp_path: Path) -> None:
    """The error names the document, and what was saved before stays."""
    store = saved(tmp_path)
    store.add_texts(["x"], [{"a": object()}], ids=["odd"])
    with pytest.raises(StoreError, match="that of 'odd'"):
        store.save_local(tmp_path)
    assert len(FAISS.load_local(tmp_path, MODEL)) == 60


def test_folder_without_a_store(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(StoreError, match=r"index\.json cannot be read: No such file"):
        FAISS.load_local(tmp_path, MODEL)
    saved(tmp_path)
    index_of(tmp_path).unlink()
    with pytest.raises(StoreError, match=r"index\.\w+\.faiss.*cannot be read: No such file"):
        FAISS.load_local(tmp_path, MODEL)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "Other"),
        ("format", 2),
        ("ids", ["a"] * 60),
        ("ids", []),
        ("texts", [1] * 60),
        ("metadatas", "x"),
        ("metadatas", [[]] * 60),
        ("dimension", 1 << 40),
        ("dimension", 17),
        ("dimension", True),
        ("checksum", "../../etc"),
        ("checksum", None),
        ("settings", [1]),
        ("settings", [32, "x", 4]),
        ("index", "hnsw"),
        ("index", ["flat"]),
        ("distance", "near"),
        ("distance", "cosine"),
    ],
)
def test_poisoned_record(tmp_path: Path, key: str, value: Any) -> None:
    """A file of documents that says what cannot be is refused."""
    saved(tmp_path)
    path = tmp_path / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises((StoreError, ConfigError)):
        FAISS.load_local(tmp_path, MODEL)


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\x80\x04N.", b"{", b'{"kind": "FAISS"}'])
def test_documents_that_are_none(tmp_path: Path, content: bytes) -> None:
    """Whatever the file holds, it is an error, and nothing of it is run."""
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(StoreError, match="cannot be loaded as a vector store"):
        FAISS.load_local(tmp_path, MODEL)


def test_damaged_index(tmp_path: Path) -> None:
    """A changed byte is seen before faiss reads."""
    saved(tmp_path)
    content = bytearray(index_of(tmp_path).read_bytes())
    content[-1] ^= 1
    index_of(tmp_path).write_bytes(content)
    with pytest.raises(StoreError, match="is damaged: its checksum"):
        FAISS.load_local(tmp_path, MODEL)


@pytest.mark.parametrize("index", ["flat", "hnsw"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 200) | st.integers(0, 20_000), st.integers(0, 255)), min_size=1, max_size=8
    ),
    cut=st.integers(0, 99),
)
def test_forged_index(tmp_path: Path, index: str, changes: list[tuple[int, int]], cut: int) -> None:
    """An index whose checksum was forged with it is an error or a store of as many vectors: no crash, no flood."""
    from plait.vectorstores.faiss import _checksum

    folder = tmp_path / index
    if not (folder / "index.json").exists():
        saved(folder, index=index)
        (folder / "good").write_bytes(index_of(folder).read_bytes())
    content = bytearray((folder / "good").read_bytes())
    for place, byte in changes:
        content[place % len(content)] = byte
    forged = folder / "forged"
    forged.write_bytes(content[: len(content) - cut] if cut > 50 else content)
    record = json.loads((folder / "index.json").read_text()) | {"checksum": _checksum(forged)}
    (folder / "forged.json").write_text(json.dumps(record))
    forged.replace(folder / f"forged.{record['checksum']}.faiss")
    try:
        loaded = FAISS.load_local(folder, MODEL, "forged")
    except StoreError:
        return
    assert len(loaded.similarity_search("text 7", k=60)) <= len(loaded) == 60


def test_vectors_from_outside() -> None:
    """Texts whose vectors are known are not embedded."""
    store = FAISS.from_embeddings([("red", [1.0, 0.0]), ("blue", [0.0, 1.0])], MODEL, ids=["r", "b"])
    assert [document.id for document in store.similarity_search_by_vector([0.9, 0.1])] == ["r", "b"]


def test_merged() -> None:
    """All documents of the other come in, in the place of those with the same ids."""
    one, other = (FAISS.from_texts([word], MODEL, ids=["same"]) for word in ("red", "blue"))
    other.add_documents([Document("green", id="new")])
    one.merge_from(other)
    one.merge_from(one)
    assert [document.page_content for document in one.get_by_ids(["same", "new"])] == ["blue", "green"]


def test_stores_that_cannot_be_merged() -> None:
    """Vectors that have lost their length do not go where it counts; what is no such store is said to be none."""
    cosine, mine = FAISS.from_texts(["a"], MODEL, distance_strategy="cosine"), FAISS.from_texts(["b"], MODEL)
    cosine.merge_from(mine)
    assert len(cosine) == 2
    with pytest.raises(ConfigError, match="as long as 1"):
        mine.merge_from(cosine)
    with pytest.raises(TypeError, match="another FAISS store"):
        mine.merge_from(InMemoryVectorStore(MODEL))  # type: ignore[arg-type]


def test_filter_that_is_a_function() -> None:
    """It is asked for every document, before the nearest are taken."""
    store = FAISS.from_texts(TEXTS, MODEL, [{"n": number} for number in range(60)])
    found = store.similarity_search("text 1", k=3, filter=lambda document: document.metadata["n"] > 50)
    assert len(found) == 3
    assert all(document.metadata["n"] > 50 for document in found)


def test_searches_while_it_changes() -> None:
    """Every search gives documents that were there."""
    store = FAISS.from_texts(TEXTS, MODEL, ids=TEXTS)

    def work(number: int) -> None:
        store.add_texts([TEXTS[number]], ids=[TEXTS[number]])
        found = store.similarity_search(TEXTS[number], k=5)
        assert all(document.id == document.page_content for document in found)
        store.delete([TEXTS[number]])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(60)))
    assert len(store) == 0


@pytest.mark.parametrize(
    "settings", [{"index": "ivf"}, {"distance_strategy": "near"}, {"m": 1}, {"ef_search": "x"}], ids=str
)
def test_settings_that_cannot_be(settings: dict[str, Any]) -> None:
    """They are refused when the store is made."""
    with pytest.raises(ConfigError):
        FAISS(MODEL, **settings)


def test_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra."""
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"plait\[faiss\]"):
        FAISS(MODEL)


@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_distances_beyond_32_bits(index: str) -> None:
    """Documents too far away to measure come last, each once."""
    model = DeterministicFakeEmbedding(size=2)
    store = FAISS.from_embeddings(
        [("far", [1e25, 0.0]), ("near", [1.0, 0.0]), ("far too", [2e25, 0.0])], model, index=index
    )
    found = store.similarity_search_by_vector([0.0, 0.0], k=3)
    assert found[0].page_content == "near"
    assert {document.page_content for document in found} == {"far", "near", "far too"}


@pytest.mark.parametrize("numbers", [[2**40, 200, 64], [10**9, 200, 64], [32, 2**40, 64], ["a", 1, 2]])
def test_settings_of_a_forged_file(tmp_path: Path, numbers: list[Any]) -> None:
    """What a graph cannot be is refused, as any damage is."""
    saved(tmp_path)
    path = tmp_path / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"settings": numbers}))
    with pytest.raises(StoreError, match="cannot be loaded"):
        FAISS.load_local(tmp_path, DeterministicFakeEmbedding(size=16))


@pytest.mark.parametrize("strategy", ["l2", "cosine", "inner"])
def test_graph_with_a_filter_is_exact(strategy: str) -> None:
    """Of few documents among many the nearest are found, wherever the graph leads."""
    texts = [f"{number} {number % 7} {number * 37 % 101}" for number in range(800)]
    graph, flat = (
        FAISS.from_texts(
            texts, MODEL, [{"n": n} for n in range(800)], ids=texts, index=index, distance_strategy=strategy
        )
        for index in ("hnsw", "flat")
    )
    for store in (graph, flat):
        store.delete(texts[::50])
    for query in texts[1:100:5]:
        for filter in ({"n": {"$lt": 20}}, {"n": {"$gte": 780}}):
            found, expected = (store.similarity_search_with_score(query, filter=filter) for store in (graph, flat))
            assert [score for _, score in found] == pytest.approx([score for _, score in expected], abs=1e-5)


def columns_of(content: bytes) -> list[tuple[int, int]]:
    """Where the columns of a graph's file begin, and how many bytes they have."""
    at, columns = 37, []
    for size in (8, 4, 4, 8, 4):
        (count,) = struct.unpack_from("<Q", content, at)
        columns.append((at + 8, count * size))
        at += 8 + count * size
    return columns


def forged(folder: Path, content: bytes) -> None:
    """Put another index under the name of the one that is there, with its checksum."""
    index_of(folder).unlink()
    checksum = f"{zlib.crc32(content):08x}"
    (folder / f"index.{checksum}.faiss").write_bytes(content)
    record = json.loads((folder / "index.json").read_text()) | {"checksum": checksum}
    (folder / "index.json").write_text(json.dumps(record))


@pytest.mark.parametrize("fault", ["chances", "sums", "more levels"])
def test_forged_levels_of_a_graph(tmp_path: Path, fault: str) -> None:
    """By them faiss would set aside memory for what is added later, or read beyond what there is."""
    saved(tmp_path, index="hnsw", m=4)
    content = index_of(tmp_path).read_bytes()
    (chances, size), (sums, more), *_ = columns_of(content)
    match fault:
        case "chances":
            content = content[:chances] + bytes(size) + content[chances + size :]
        case "sums":
            content = content[: sums + more - 4] + struct.pack("<i", 1 << 30) + content[sums + more :]
        case _:
            length = struct.pack("<Q", size // 8 + 100)
            content = (
                content[: chances - 8] + length + content[chances : chances + size] + bytes(800) + content[sums - 8 :]
            )
    forged(tmp_path, content)
    with pytest.raises(StoreError, match="levels"):
        FAISS.load_local(tmp_path, MODEL)


def test_forged_settings_of_a_graph(tmp_path: Path) -> None:
    """How many candidates there are is not for the index to say."""
    saved(tmp_path, index="hnsw", m=4)
    content = index_of(tmp_path).read_bytes()
    links, size = columns_of(content)[-1]
    place = links + size + 8
    forged(tmp_path, content[:place] + struct.pack("<2i", 1 << 30, 1 << 30) + content[place + 8 :])
    loaded = FAISS.load_local(tmp_path, MODEL)
    assert loaded.add_texts(["new"], ids=["new"]) == ["new"]
    assert loaded.similarity_search("new", k=1)[0].id == "new"


def test_settings_when_loading(tmp_path: Path) -> None:
    """Those of a search may be others; the index stays of its kind."""
    saved(tmp_path, index="hnsw", m=4)
    assert len(FAISS.load_local(tmp_path, MODEL, ef_search=200, m=8).similarity_search("text 7", k=50)) == 50
    others: Any
    for others in ({"index": "flat"}, {"distance_strategy": "cosine"}):
        with pytest.raises(ConfigError, match="stays what it is"):
            FAISS.load_local(tmp_path, MODEL, **others)


def test_saved_by_many_at_once(tmp_path: Path) -> None:
    """Whoever loads meanwhile finds a whole store, and in the end there is one, with one index."""
    stores = [FAISS.from_texts([f"{name}"], MODEL) for name in range(3)]
    stores[0].save_local(tmp_path)

    def work(number: int) -> None:
        if number % 2:
            assert len(FAISS.load_local(tmp_path, MODEL)) > 0
        else:
            stores[number % 3].add_texts([str(number)])
            stores[number % 3].save_local(tmp_path)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(120)))
    assert len(FAISS.load_local(tmp_path, MODEL)) > 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
@pytest.mark.parametrize("index", ["flat", "hnsw"])
def test_store_in_a_forked_process(index: str) -> None:
    """It goes on there, though the threads that faiss had in the parent are lost."""
    script = f"""
import os, time
from plait.embeddings import DeterministicFakeEmbedding
from plait.vectorstores import FAISS
texts = [str(number) for number in range(500)]
store = FAISS.from_texts(texts, DeterministicFakeEmbedding(size=16), index={index!r})
store.similarity_search("1", k=500)
child = os.fork()
if not child:
    store.add_texts(texts)
    found = store.similarity_search("1", k=1000)
    os._exit(len(found) != 1000)
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "0\n", done.stderr


def test_what_a_killed_writer_left(tmp_path: Path) -> None:
    """It is removed with the next save, and nothing else is."""
    saved(tmp_path)
    script = (
        "import os, signal, sys; from plait.vectorstores import FAISS, faiss\n"
        "from plait.embeddings import DeterministicFakeEmbedding\n"
        "faiss.to_disk = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        "FAISS.from_texts(['x'], DeterministicFakeEmbedding(size=16)).save_local(sys.argv[1])\n"
    )
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", script, tmp_path], check=False)
    assert killed.returncode < 0
    assert len(FAISS.load_local(tmp_path, MODEL)) == 60
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / ".plait-other").write_text("")
    saved(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".plait-other", index_of(tmp_path).name, "index.json"]


def test_saved_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: stores are saved without."""
    monkeypatch.setitem(sys.modules, "fcntl", None)
    saved(tmp_path / "deep" / "folder")
    assert len(FAISS.load_local(tmp_path / "deep" / "folder", MODEL)) == 60


def test_saved_while_another_process_saves(tmp_path: Path) -> None:
    """It waits for the other one, and can be told to stop."""
    fcntl = pytest.importorskip("fcntl")
    saved(tmp_path)
    with stoppable() as stop:
        other = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(other, fcntl.LOCK_EX)
        Timer(0.1, stop.set, ["enough"]).start()
        with pytest.raises(Stopped):
            saved(tmp_path)
        os.close(other)
    assert len(FAISS.load_local(tmp_path, MODEL)) == 60
    saved(tmp_path)


def test_folder_that_cannot_be_one(tmp_path: Path) -> None:
    """The error names it."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(StoreError, match="file"):
            saved(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_index_that_never_ends(tmp_path: Path) -> None:
    """A pipe in the place of a file is refused, and not waited for."""
    saved(tmp_path)
    path = index_of(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError, match="no plain file"):
        FAISS.load_local(tmp_path, MODEL)

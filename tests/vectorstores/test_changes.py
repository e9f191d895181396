"""What was added, replaced and deleted in any order, and copies, in every store in memory."""

from __future__ import annotations

import copy
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.embeddings import DeterministicFakeEmbedding
from plait.vectorstores import FAISS, InMemoryVectorStore, similarity

pytest.importorskip("faiss")

MODEL = DeterministicFakeEmbedding(size=8)
STORES: dict[str, Callable[[], Any]] = {
    "memory": lambda: InMemoryVectorStore(MODEL),
    "flat": lambda: FAISS(MODEL),
    "hnsw": lambda: FAISS(MODEL, index="hnsw", distance_strategy="cosine"),
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda store: pickle.loads(pickle.dumps(store)),  # our own
}
IDS = st.sampled_from("abcdefgh")
CHANGES = st.lists(
    st.dictionaries(IDS, st.text("xyz ", min_size=1, max_size=6), max_size=6) | st.lists(IDS, max_size=5), max_size=12
)


def changed(store: Any, held: dict[str, str], changes: list[Any]) -> None:
    """Make the changes in a store and in a dict: dicts are put in, lists of ids are deleted."""
    for change in changes:
        if isinstance(change, dict):
            store.add_texts(list(change.values()), [{"text": text} for text in change.values()], ids=list(change))
            held.update(change)
        else:
            store.delete(change)
            for id in change:
                held.pop(id, None)


def check_same(store: Any, held: dict[str, str]) -> None:
    assert len(store) == len(held)
    assert {each.id: each.page_content for each in store.get_by_ids(list("abcdefghn"))} == held
    for id, text in held.items():
        found = store.similarity_search_with_score(text, k=99)
        assert {document.id for document, _ in found} == set(held)
        assert all(document.metadata == {"text": document.page_content} for document, _ in found)
        best = found[0][1]
        assert [score for document, score in found if document.id == id] == [pytest.approx(best, abs=1e-5)]
        assert store.similarity_search(text, filter={"text": text})[0].page_content == text


@pytest.mark.parametrize("name", ["lists", *STORES])
@given(changes=CHANGES)
def test_changes_in_any_order(name: str, changes: list[Any]) -> None:
    """The store holds what a dict would, and finds each text by its own vector."""
    held: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        if name == "lists":
            patch.setattr(similarity, "numpy", lambda: None)
            patch.setattr("plait.vectorstores.blocks.numpy", lambda: None)
        store = STORES["memory" if name == "lists" else name]()
        changed(store, held, changes)
        check_same(store, held)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", STORES)
def test_copies(name: str, how: str) -> None:
    """They hold the same, and go their own ways."""
    store, held = STORES[name](), dict[str, str]()
    empty = COPIES[how](store)
    changed(store, held, [{"a": "x", "b": "y", "c": "z"}, {"b": "xy"}, ["a"]])
    other = COPIES[how](store)
    changed(other, dict(held), [{"d": "yy"}, ["b", "c"]])
    check_same(store, held)
    check_same(other, {"d": "yy"})
    check_same(empty, {})


def test_copies_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists are copied, too."""
    monkeypatch.setattr(similarity, "numpy", lambda: None)
    monkeypatch.setattr("plait.vectorstores.blocks.numpy", lambda: None)
    test_copies("memory", "copy")


@pytest.mark.parametrize("name", ["memory", "flat"])
def test_one_document_is_deleted_for_the_cost_of_one(name: str) -> None:
    """The others are not copied for it."""
    store = STORES[name]()
    texts = [str(number) for number in range(5000)]
    store.add_texts(texts, ids=texts)
    tracemalloc.start()
    for text in texts[:20]:
        store.delete([text])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000
    assert len(store) == 4980


def interrupted(work: Callable[[], object], at: int) -> bool:
    """Whether the work was ended by Ctrl-C before the line of that number, of those in stores, was run."""
    lines, before = 0, sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if "vectorstores" not in frame.f_code.co_filename or frame.f_code.co_name == "whole":
            return None
        lines += event == "line"
        if lines == at:
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.mark.parametrize("change", [{"a": "x", "n": "z", "c": "yy"}, ["a", "d"], ["a", "b", "c", "d", "e"]], ids=str)
@pytest.mark.parametrize("name", STORES)
def test_interrupted_anywhere(name: str, change: Any) -> None:
    """Of a change that Ctrl-C ends everything was done, or nothing."""
    start = {"a": "y", "b": "x y", "c": "z", "d": "xx", "e": "z z"}
    after = dict(start)
    changed(STORES[name](), after, [change])
    states = []
    for at in count(1):
        store = STORES[name]()
        changed(store, {}, [start])
        done = not interrupted(lambda: changed(store, {}, [change]), at)  # noqa: B023  # it is called at once
        states.append({each.id: each.page_content for each in store.get_by_ids([*"abcden"])})
        assert states[-1] in (start, after)
        check_same(store, states[-1])
        if done:
            break
    assert states[0] == start
    assert states[-1] == after
    assert len(states) > 10

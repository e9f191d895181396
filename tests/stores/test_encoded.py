"""Other things are kept in stores of bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.documents import Document
from plait.errors import StoreError
from plait.stores import EncoderBackedStore, InMemoryByteStore, LocalFileStore, create_kv_docstore
from plait.testing import check_store

ONE = Document("text", metadata={"n": 1, "deep": [{"x": None}]}, id="7")


def numbers() -> EncoderBackedStore[str, Any]:
    """A store of what JSON can hold."""
    return EncoderBackedStore(InMemoryByteStore(), str, lambda value: json.dumps(value).encode(), json.loads)


def test_it_is_a_store() -> None:
    """Sync and async, with threads."""
    check_store(numbers, value=lambda number: {"n": number})
    check_store(lambda: create_kv_docstore(InMemoryByteStore()), value=lambda number: Document(str(number)))


def test_documents_in_files(tmp_path: Path) -> None:
    """They come back as they were, in another process, too."""
    create_kv_docstore(LocalFileStore(tmp_path)).mset([("a", ONE)])
    assert create_kv_docstore(LocalFileStore(tmp_path)).mget(["a", "b"]) == [ONE, None]


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dictionaries(st.text("abc"), st.integers() | st.text("é{}") | st.none()),
)
def test_any_document_comes_back(text: str, metadata: dict[str, Any]) -> None:
    """Whatever it says."""
    store, document = create_kv_docstore(InMemoryByteStore()), Document(text, metadata=metadata)
    store.mset([("k", document)])
    assert store.mget(["k"]) == [document]


def test_numbers_that_are_none_come_back() -> None:
    """They stand in many tables, and are not null."""
    store = create_kv_docstore(InMemoryByteStore())
    store.mset([("k", Document("text", metadata={"a": float("nan"), "b": float("inf")}))])
    [found] = store.mget(["k"])
    assert found is not None
    assert str(found.metadata) == "{'a': nan, 'b': inf}"


def test_keys_can_be_made_to_fit(tmp_path: Path) -> None:
    """Whatever a document's id is, its file has a name."""
    store = create_kv_docstore(
        LocalFileStore(tmp_path), key_encoder=lambda key: hashlib.sha256(key.encode()).hexdigest()
    )
    store.mset([("../../a b", ONE)])
    assert store.mget(["../../a b"]) == [ONE]
    store.mdelete(["../../a b"])
    assert list(store.yield_keys()) == []


@pytest.mark.parametrize("record", [b"", b"{}", b"[1]", b"\xff", b'{"page_content": 3}', b"\x80\x04."])
def test_what_is_no_document_is_an_error(record: bytes) -> None:
    """That says where it lies, and shows nothing of it."""
    under = InMemoryByteStore()
    under.mset([("k", record)])
    with pytest.raises(StoreError, match=r"under the key 'k' cannot be read .ValidationError.: it was damaged"):
        create_kv_docstore(under).mget(["k"])


@pytest.mark.parametrize(("value", "says"), [("text", "takes documents; got an object of type str"), (Document("a", metadata={"x": object()}), "metadata that JSON cannot hold")])  # fmt: skip
def test_what_cannot_be_written_is_refused(value: Any, says: str) -> None:
    """Before anything is kept."""
    store = create_kv_docstore(InMemoryByteStore())
    with pytest.raises(StoreError, match=says):
        store.mset([("a", ONE), ("b", value)])
    assert list(store.yield_keys()) == []

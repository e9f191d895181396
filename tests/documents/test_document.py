"""A piece of text and what is known about it."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from plait.documents import Document


def test_text_by_position_or_by_name() -> None:
    """Either way it is the same document."""
    assert Document("a") == Document(page_content="a", metadata={}, id=None)
    assert Document(page_content="a", id=7).id == "7"  # type: ignore[arg-type]  # a number becomes text


def test_it_shows_what_is_said() -> None:
    """Without an id and empty metadata."""
    assert repr(Document("a", id="long")) == "Document(page_content='a')"
    assert repr(Document("a", metadata={"n": 1})) == "Document(page_content='a', metadata={'n': 1})"


def test_metadata_are_its_own() -> None:
    """Two documents share none by default."""
    first, second = Document("a"), Document("b")
    first.metadata["n"] = 1
    assert second.metadata == {}


def test_it_travels() -> None:
    """As a pickle and as JSON."""
    document = Document("a", metadata={"n": [1]}, id="x")
    assert pickle.loads(pickle.dumps(document)) == document
    assert Document.model_validate_json(document.model_dump_json()) == document


def test_text_is_needed() -> None:
    """Nothing else will do."""
    with pytest.raises(ValidationError, match="page_content"):
        Document(metadata={})  # type: ignore[call-arg]  # that is the test

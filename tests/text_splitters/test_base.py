"""What every splitter does with documents, also one of a user."""

from __future__ import annotations

from typing import Any

import pytest

from plait.documents import Document
from plait.text_splitters import RecursiveCharacterTextSplitter, TextSplitter


class Sentences(TextSplitter):
    """What ends with a full stop."""

    def split_text(self, text: str) -> list[str]:
        return [f"{each.strip()}." for each in text.split(".") if each.strip()]


def test_splitter_of_a_user(run: Any) -> None:
    """One method is enough for all modes, and for exact places in a text that repeats itself."""
    found = run(Sentences(add_start_index=True, chunk_overlap=0), [Document("No. No. Yes.")])
    assert [(each.page_content, each.metadata["start_index"]) for each in found] == [
        ("No.", 0),
        ("No.", 4),
        ("Yes.", 8),
    ]


def test_chunk_that_does_not_stand_in_the_text() -> None:
    """It has no place, and those after it have theirs."""
    found = Sentences(add_start_index=True, chunk_overlap=0).create_documents(["One. Two . Three."])
    assert [each.metadata["start_index"] for each in found] == [0, -1, 11]


def test_each_chunk_has_metadata_of_its_own() -> None:
    """Changing those of one changes neither the others nor the document's."""
    document = Document("one two", metadata={"deep": {"n": 1}})
    before = document.model_copy(deep=True)
    first, second = RecursiveCharacterTextSplitter(chunk_size=4, chunk_overlap=0).split_documents([document])
    first.metadata["deep"]["n"] = 2
    assert second.metadata == {"deep": {"n": 1}}
    assert document == before


def test_texts_with_metadata() -> None:
    """One for each text, or none at all."""
    splitter = RecursiveCharacterTextSplitter(chunk_size=4, chunk_overlap=0)
    found = splitter.create_documents(["one two", "six"], [{"n": 1}, {"n": 2}])
    assert [each.metadata["n"] for each in found] == [1, 1, 2]
    with pytest.raises(ValueError, match="2 texts, but 1 metadatas"):
        splitter.create_documents(["one", "two"], [{}])
    with pytest.raises(TypeError, match=r"write \[text\]"):
        splitter.create_documents("one")


@pytest.mark.parametrize(("size", "overlap"), [(4000, 200), (1000, 200), (100, 20), (1, 0)])
def test_overlap_that_is_not_given_fits(size: int, overlap: int) -> None:
    """Two hundred, and for small chunks a fifth."""
    assert RecursiveCharacterTextSplitter(chunk_size=size).chunk_overlap == overlap


def test_only_documents_are_split(run: Any) -> None:
    """A text is refused by an error that says what is taken."""
    with pytest.raises(TypeError, match="takes a list of documents, but got str"):
        run(RecursiveCharacterTextSplitter(), "a text")

"""Steps from documents to documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.documents import BaseDocumentTransformer, Document, LongContextReorder


class Shout(BaseDocumentTransformer):
    """The texts in capital letters."""

    def transform_documents(self, documents: Sequence[Document], **kwargs: Any) -> Sequence[Document]:
        end = kwargs.get("end", "")
        return tuple(Document(each.page_content.upper() + end, metadata=each.metadata) for each in documents)


def test_transformer_of_a_user(run: Any) -> None:
    """One method is enough for all modes; it takes any iterable but one of text, and the arguments of the call."""
    assert run(Shout(), [Document("a", metadata={"n": 1})]) == [Document("A", metadata={"n": 1})]
    assert run(Shout(), (Document("a"), Document("b")), end="!") == [Document("A!"), Document("B!")]


async def test_methods_without_a_chain() -> None:
    """The async one runs the other in a thread."""
    assert list(await Shout().atransform_documents([Document("a")], end="!")) == [Document("A!")]
    assert await LongContextReorder().atransform_documents([Document("a")]) == [Document("a")]


def test_transformers_join_in_a_chain(run: Any) -> None:
    """Each gives what the next one takes."""
    documents = [Document(letter) for letter in "abcde"]
    assert [each.page_content for each in run(LongContextReorder() | Shout(), documents)] == ["A", "C", "E", "D", "B"]


@given(st.integers(0, 30))
def test_best_are_at_both_ends(count: int) -> None:
    """From the middle to either end they get better; none is lost, and the list that came is left as it was."""
    documents = [Document(str(number)) for number in range(count)]
    before = list(documents)
    found = [int(each.page_content) for each in LongContextReorder().invoke(documents)]
    worst = found.index(count - 1) if found else 0
    assert sorted(found) == list(range(count))
    assert found[:worst] == sorted(found[:worst])
    assert found[worst:] == sorted(found[worst:], reverse=True)
    assert documents == before


@pytest.mark.parametrize("given", ["text", Document("a"), {"a": 1}, 1, None, [Document("a"), "b"]])
def test_only_documents_are_taken(run: Any, given: Any) -> None:
    """What else comes is refused by name."""
    with pytest.raises(TypeError, match="LongContextReorder takes a list of documents, but got"):
        run(LongContextReorder(), given)

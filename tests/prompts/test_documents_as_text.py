"""A document as the text that a prompt makes of it."""

from __future__ import annotations

import asyncio

import pytest

from plait import Document, PromptTemplate, aformat_document, format_document

BEARS = Document("{bears}", metadata={"source": "a.txt", "page": 3, "page_content": "forged"})


def test_text_and_metadata_are_variables() -> None:
    """The prompt names the text, which nothing in the metadata replaces, and what of the metadata it shows."""
    prompt = PromptTemplate.from_template("[{source}, {page}] {page_content}")

    assert format_document(BEARS, prompt) == "[a.txt, 3] {bears}"
    assert asyncio.run(aformat_document(BEARS, prompt)) == "[a.txt, 3] {bears}"


def test_metadata_that_lack_a_variable() -> None:
    """The error says what is missing and what there is."""
    with pytest.raises(ValueError, match="'author' of a document, whose metadata have 'source', 'page'"):
        format_document(BEARS, PromptTemplate.from_template("{author}: {page_content}"))

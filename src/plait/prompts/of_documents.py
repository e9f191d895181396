"""A document as the text that a prompt makes of it."""

from __future__ import annotations

from typing import Any

from plait.documents import Document
from plait.errors import MissingVariableError
from plait.prompts.base import BasePromptTemplate
from plait.prompts.string import StringPromptTemplate

__all__ = ["aformat_document", "format_document"]


def format_document(doc: Document, prompt: StringPromptTemplate) -> str:
    """The text of a document by a prompt with the variables ``page_content`` and any of its metadata.

    Raises ``MissingVariableError`` (a ValueError) if the metadata lack one.
    """
    return prompt.format(**_values(doc, prompt))


async def aformat_document(doc: Document, prompt: StringPromptTemplate) -> str:
    """The text of a document by a prompt with the variables ``page_content`` and any of its metadata.

    Raises ``MissingVariableError`` (a ValueError) if the metadata lack one.
    """
    return await prompt.aformat(**_values(doc, prompt))


def _values(doc: Document, prompt: BasePromptTemplate) -> dict[str, Any]:
    known = {**doc.metadata, "page_content": doc.page_content}
    missing = [name for name in prompt.input_variables if name not in known]
    if missing:
        raise MissingVariableError(
            f"the prompt asks for {', '.join(map(repr, missing))} of a document, whose metadata have "
            f"{', '.join(map(repr, doc.metadata)) or 'nothing'}"
        )
    return {name: known[name] for name in prompt.input_variables}

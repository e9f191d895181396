"""How documents, messages and prompts read inside the text of a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard, TypeVar, cast

from plait.documents import Document
from plait.messages import BaseMessage, get_buffer_string
from plait.prompt_values import PromptValue

T = TypeVar("T")


def reads_as(value: object) -> str | None:
    """The text of a document (its content), a message, a prompt value, and of lists of documents or messages.

    Documents are set apart by an empty line; messages have a line each, which begins with who speaks.
    """
    if isinstance(value, Document):
        return value.page_content
    if isinstance(value, BaseMessage):
        return value.text
    if isinstance(value, PromptValue):
        return value.to_string()
    if _are(value, Document):
        return "\n\n".join(document.page_content for document in value)
    if _are(value, BaseMessage):
        return get_buffer_string(value)
    return None


def _are(value: object, kind: type[T]) -> TypeGuard[Sequence[T]]:
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(item, kind) for item in cast("Sequence[Any]", value))

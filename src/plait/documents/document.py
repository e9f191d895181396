"""Pieces of text to search in, each with what is known about it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field

__all__ = ["Document"]


class Document(BaseModel):
    """A piece of text and what is known about it."""

    # kw_only is for type checkers, which make the signature from the fields: the text may be given by position.
    page_content: str = Field(kw_only=False)
    metadata: dict[str, Any] = Field(default_factory=dict)
    id: Annotated[str | None, Field(coerce_numbers_to_str=True)] = None
    type: Literal["Document"] = Field(default="Document", repr=False)

    if not TYPE_CHECKING:

        def __init__(self, /, page_content=None, **fields):
            super().__init__(**fields if page_content is None else {**fields, "page_content": page_content})

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Without the id: most are random, and would hide what is said."""
        shown = {"page_content", "metadata"}
        return [
            (name, value)
            for name, value in super().__repr_args__()
            if name in shown and (value or name == "page_content")
        ]

"""Text splitters: long texts as chunks that fit into a prompt and can be searched for."""

from plait.text_splitters.base import TextSplitter
from plait.text_splitters.characters import (
    CharacterTextSplitter,
    MarkdownTextSplitter,
    PythonCodeTextSplitter,
    RecursiveCharacterTextSplitter,
)
from plait.text_splitters.headings import MarkdownHeaderTextSplitter
from plait.text_splitters.languages import Language
from plait.text_splitters.tokens import TokenTextSplitter

__all__ = [
    "CharacterTextSplitter",
    "Language",
    "MarkdownHeaderTextSplitter",
    "MarkdownTextSplitter",
    "PythonCodeTextSplitter",
    "RecursiveCharacterTextSplitter",
    "TextSplitter",
    "TokenTextSplitter",
]

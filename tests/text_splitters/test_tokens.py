"""Splitters that count tokens, without a network."""

from __future__ import annotations

import pickle
import sys
from copy import deepcopy
from typing import Any

import pytest

from plait.documents import Document
from plait.errors import ConfigError, MissingExtraError
from plait.text_splitters import CharacterTextSplitter, RecursiveCharacterTextSplitter, TokenTextSplitter

TEXT = "one two three four five six seven"


def test_chunks_have_so_many_tokens(run: Any) -> None:
    """Each of these words is one; the places count characters, whatever their bytes."""
    splitter = TokenTextSplitter(chunk_size=3, chunk_overlap=1, add_start_index=True)
    found = run(splitter, [Document(TEXT)])
    assert [each.page_content for each in found] == ["one two three", "three four five", "five six seven"]
    text = "é日 " * 40
    for each in splitter.create_documents([text]):
        assert text.startswith(each.page_content, each.metadata["start_index"])


def test_encoding_or_model() -> None:
    """Either names the vocabulary, as users of tiktoken name it."""
    by_encoding = RecursiveCharacterTextSplitter.from_tiktoken_encoder("cl100k_base", chunk_size=3, chunk_overlap=0)
    by_model = TokenTextSplitter(model_name="gpt-4", chunk_size=3, chunk_overlap=0)
    assert by_encoding.split_text(TEXT) == by_model.split_text(TEXT) == ["one two three", "four five six", "seven"]


@pytest.mark.parametrize("kind", [CharacterTextSplitter, RecursiveCharacterTextSplitter])
def test_settings_that_mean_nothing_to_it(kind: Any) -> None:
    """Separators and special tokens, as programs give them that move over, change nothing; a slip of the pen is told."""
    splitter = kind.from_tiktoken_encoder(
        model_name="gpt-4", chunk_size=3, chunk_overlap=0, separator="x", allowed_special="all"
    )
    assert splitter.split_text(TEXT) == ["one two three", "four five six", "seven"]
    with pytest.raises(ConfigError, match="did you mean 'chunk_size'"):
        kind.from_tiktoken_encoder(chunk_sice=3)


def test_markdown_is_cut_at_its_parts() -> None:
    """A heading stays with its text."""
    splitter = TokenTextSplitter(chunk_size=6, chunk_overlap=0, kind="markdown")
    assert splitter.split_text("# A\n\none two\n\n# B\n\nthree") == ["# A\n\none two", "# B\n\nthree"]


@pytest.mark.parametrize("copied", [deepcopy, lambda splitter: pickle.loads(pickle.dumps(splitter))])
def test_it_can_be_copied(copied: Any) -> None:
    """Also into another process."""
    splitter = TokenTextSplitter(chunk_size=3, chunk_overlap=0)
    assert copied(splitter).split_text(TEXT) == splitter.split_text(TEXT)


@pytest.mark.parametrize("unit", ["a", "=", "a ", "日"])
def test_engine_never_sees_a_long_line(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time goes by the square of a word and of a line, so it gets them in parts, of which nothing is lost."""
    import semantic_text_splitter

    seen = []

    class Engine:
        def chunk_indices(self, text: str) -> list[tuple[int, str]]:
            seen.append(text)
            return [(0, text)]

    class Made:
        @staticmethod
        def from_tiktoken_model(*args: object, **options: object) -> Engine:
            return Engine()

    monkeypatch.setattr(semantic_text_splitter, "TextSplitter", Made)
    text = unit * 30_000
    assert "".join(TokenTextSplitter(chunk_size=10).split_text(text)) == text
    assert max(map(len, seen)) <= 10_000


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model_name": "nobody's"}, 'no vocabulary is known for model_name="nobody\'s"'),
        ({"encoding_name": "x"}, "encoding_name must be one of gpt2, .*got 'x'"),
        ({"length_function": lambda text: 1}, "takes no length_function"),
        ({"chunk_size": 5, "chunk_overlap": 5}, "chunk_overlap must be"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], says: str) -> None:
    """When the splitter is built."""
    with pytest.raises(ConfigError, match=says):
        TokenTextSplitter(**fields)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "semantic_text_splitter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'plait\[splitters\]'"):
        TokenTextSplitter()

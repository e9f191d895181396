"""Markdown by its headings."""

from __future__ import annotations

from typing import Any

import pytest

from plait.documents import Document
from plait.errors import ConfigError
from plait.text_splitters import MarkdownHeaderTextSplitter

HEADERS = [("#", "title"), ("##", "part")]


def sections(text: str, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """The text and the metadata of each section."""
    return [
        (each.page_content, each.metadata) for each in MarkdownHeaderTextSplitter(HEADERS, **fields).split_text(text)
    ]


def test_sections_say_under_which_headings_they_stand() -> None:
    """A heading ends those of its own level and below; others are text."""
    text = "before\n# A\none\n## B\ntwo\n### not asked for\n# C\nthree"
    assert sections(text) == [
        ("before", {}),
        ("one", {"title": "A"}),
        ("two\n### not asked for", {"title": "A", "part": "B"}),
        ("three", {"title": "C"}),
    ]


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_code_has_no_headings(fence: str) -> None:
    """In a fence only the same fence ends the code; four spaces are code, too."""
    text = f"# A\n{fence}python\n# no\n~~\n``\n{fence} no end\n{fence}\n    # no\n# B\nend"
    assert [about for _, about in sections(text)] == [{"title": "A"}, {"title": "B"}]


def test_fence_that_is_never_closed() -> None:
    """The rest of the text is code."""
    assert sections("# A\n```\n# B\nend") == [("```\n# B\nend", {"title": "A"})]


def test_headings_may_stay_in_the_text() -> None:
    """So that nothing is lost."""
    assert sections("# A\r\none\n#tag", strip_headers=False) == [("# A\r\none\n#tag", {"title": "A"})]


def test_as_a_step(run: Any) -> None:
    """The metadata of each document are kept, and the document is left as it was."""
    document = Document("# A\none", metadata={"source": {"file": "a.md"}})
    [found] = run(MarkdownHeaderTextSplitter(HEADERS), [document])
    assert found == Document("one", metadata={"source": {"file": "a.md"}, "title": "A"})
    found.metadata["source"]["file"] = "b.md"
    assert document.metadata == {"source": {"file": "a.md"}}


@pytest.mark.parametrize("headers", [None, [], "#", ["#"], [("#",)], [("", "a")], [("#", 1)]])
def test_headings_that_cannot_be(headers: Any) -> None:
    """They are refused when the splitter is built."""
    with pytest.raises(ConfigError, match="headers_to_split_on must be pairs"):
        MarkdownHeaderTextSplitter(headers)

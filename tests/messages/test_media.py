"""Images, sound and files in messages: every spelling, for both vendors, and nothing is fetched or read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plait.errors import MessageError
from plait.messages import HumanMessage, convert_to_openai_messages, count_tokens_approximately
from plait.prompts import ChatPromptTemplate
from plait.providers.anthropic_wire import message_request

PNG = {"type": "base64", "media_type": "image/png", "data": "QQ=="}
PDF = {"type": "file", "base64": "QQ==", "mime_type": "application/pdf"}


def for_openai(block: Any) -> Any:
    [sent] = convert_to_openai_messages([HumanMessage([block])])[0]["content"]
    return sent


def for_anthropic(block: Any) -> Any:
    [turn] = message_request("m", [HumanMessage([block])], {"max_tokens": 1})["messages"]
    [sent] = turn["content"]
    return sent


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": "QQ==", "mime_type": "image/png"},
        {"type": "image", "url": "data:image/png;base64,QQ=="},
        {"type": "image", "source_type": "base64", "data": "QQ==", "mime_type": "image/png"},
        {"type": "image", "source": PNG},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
        {"type": "image_url", "image_url": "data:image/png;base64,QQ=="},
    ],
)
def test_image_as_data_reaches_both(block: dict[str, Any]) -> None:
    """Every spelling of an image becomes the one that the vendor takes."""
    assert for_openai(block) == {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    assert for_anthropic(block) == {"type": "image", "source": PNG}


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "url": "https://a/b.png"},
        {"type": "image", "source_type": "url", "url": "https://a/b.png"},
        {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
    ],
)
def test_image_behind_a_url_is_passed_on(block: dict[str, Any]) -> None:
    """The vendor's server fetches it; nobody here does."""
    assert for_openai(block) == {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    assert for_anthropic(block) == {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}


def test_what_one_vendor_knows_is_kept_for_it() -> None:
    """How closely OpenAI looks at an image, and what Anthropic caches, arrive there and only there."""
    looked = {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}
    cached = {"type": "image", "source": PNG, "cache_control": {"type": "ephemeral"}}

    assert for_openai(looked) == looked
    assert for_anthropic(looked) == {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}
    assert for_anthropic(cached) == cached
    assert "cache_control" not in for_openai(cached)


def test_file_reaches_both() -> None:
    """A PDF is a file to OpenAI and a document to Anthropic, whoever's spelling it has."""
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}}
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}}

    assert for_openai({**PDF, "filename": "a.pdf"}) == for_openai(file) == file
    assert for_anthropic(PDF) == for_anthropic(document) == for_anthropic(file) == document


def test_text_file_is_text() -> None:
    """A file that is given as its text is a document to Anthropic and text to OpenAI."""
    block = {"type": "text-plain", "text": "abc", "mime_type": "text/plain", "title": "A"}
    source = {"type": "text", "media_type": "text/plain", "data": "abc"}

    assert convert_to_openai_messages(HumanMessage([block]))["content"] == "abc"
    assert for_anthropic(block) == {"type": "document", "source": source, "title": "A"}


def test_sound_is_for_openai_alone() -> None:
    """OpenAI takes sound as data; Anthropic none, and says so."""
    block = {"type": "audio", "base64": "QQ==", "mime_type": "audio/mpeg"}

    assert for_openai(block) == {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}
    assert for_openai(for_openai(block)) == for_openai(block)
    with pytest.raises(MessageError, match="no audio"):
        for_anthropic(block)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({"type": "image", "url": "file:///etc/hostname"}, "file:///etc/hostname"),
        ({"type": "image", "url": "/etc/hostname"}, "never read"),
        ({"type": "image_url", "image_url": {"url": "file:///etc/hostname"}}, "http, https or data"),
        ({"type": "image_url", "image_url": {"path": "/etc/hostname"}}, "image_url"),
        ({"type": "image", "path": "/etc/hostname"}, "exactly one of"),
        ({"type": "image", "base64": "QQ=="}, "without a 'mime_type'"),
        ({"type": "image", "base64": b"QQ==", "mime_type": "image/png"}, "exactly one of"),
        ({"type": "image", "url": "https://a", "base64": "QQ==", "mime_type": "image/png"}, "exactly one of"),
        ({"type": "image", "url": "data:image/png,QQ"}, "data:<type>;base64,<data>"),
        ({"type": "image", "url": "gopher://a"}, "gopher"),
        ({"type": "video", "url": "https://a/b.mp4"}, "no video"),
    ],
)
@pytest.mark.parametrize("convert", [for_openai, for_anthropic])
def test_wrong_block_is_refused(convert: Any, block: dict[str, Any], says: str) -> None:
    """What is no image, or would have to be read from a disk, is an error that says what is expected."""
    with pytest.raises(MessageError) as caught:
        convert(block)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "block", [{**PDF, "base64": None, "url": "https://a/b.pdf"}, {"type": "audio", "file_id": "f"}]
)
def test_what_openai_takes_in_another_form(block: dict[str, Any]) -> None:
    """The error says in which form it would be taken."""
    with pytest.raises(MessageError, match="only as 'base64'"):
        for_openai(block)


def test_long_url_is_not_repeated() -> None:
    """An error shows the beginning of a URL, not megabytes of data."""
    with pytest.raises(MessageError) as caught:
        for_openai({"type": "image", "url": "x" * 1_000_000})
    assert len(str(caught.value)) < 500


def test_thoughts_of_another_model_are_not_sent() -> None:
    """OpenAI's API knows no blocks of thinking, which a conversation with another model may hold."""
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}

    assert convert_to_openai_messages([("ai", [thought, {"type": "text", "text": "yes"}])])[0]["content"] == "yes"


def test_image_of_a_prompt_reads_no_file(tmp_path: Path) -> None:
    """A variable may hold a path: it stays text, and no model gets the file."""
    secret = tmp_path / "secret.png"
    secret.write_text("canary")
    prompt = ChatPromptTemplate.from_messages([("human", [{"type": "image_url", "image_url": "{url}"}])])
    [message] = prompt.format_messages(url=str(secret))

    assert "canary" not in repr(message)
    assert count_tokens_approximately([message]) > 0
    with pytest.raises(MessageError, match="never read"):
        convert_to_openai_messages([message])

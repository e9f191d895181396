"""Images, sound, films and files in messages: what a block says of one, in whatever spelling.

Pure. Nothing is fetched and no file is opened: a URL is passed on for the model's server to fetch, and only http, https
and data URLs are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NoReturn, cast

from plait.errors import MessageError

__all__ = ["Media", "media_of", "plain_text", "standard_media"]

_KINDS: Final = frozenset({"image", "audio", "video", "file"})
_SOURCES: Final = ("url", "base64", "file_id")
_SCHEMES: Final = ("https://", "http://")
_SHOWN: Final = 60  # characters of a URL that an error shows
_EXPECTED: Final = (
    "with exactly one of 'url' (http, https or data), 'base64' (then with its 'mime_type') and 'file_id'; "
    "a file on a disk is never read: give its content as base64"
)


class Media(NamedTuple):
    """What is not text: of which kind, and where it is, in exactly one of ``url``, ``base64`` and ``file_id``."""

    kind: str
    url: str | None
    base64: str | None
    mime_type: str | None
    file_id: str | None
    block: Mapping[str, Any]
    """The block that says so, for what only one vendor knows of it."""

    @property
    def data_url(self) -> str:
        """The data as a URL."""
        return f"data:{self.mime_type};base64,{self.base64}"


def media_of(block: Mapping[str, Any]) -> Media | None:
    """What a block of the standard spelling says; None for one of another kind, ``MessageError`` for a wrong one."""
    kind = block.get("type")
    if kind not in _KINDS:
        return None
    given = {name: block[name] for name in _SOURCES if block.get(name) is not None}
    if len(given) != 1 or not all(isinstance(value, str) and value for value in given.values()):
        _refuse(kind, f"got one with the keys {', '.join(map(repr, block))}")
    url, data, mime_type = given.get("url"), given.get("base64"), block.get("mime_type")
    if url is not None and url[:5].lower() == "data:":
        mime_type, data = _parts_of(kind, url)
        url = None
    if url is not None and not url.lower().startswith(_SCHEMES):
        _refuse(kind, f"got the URL {_glimpse(url)}")
    if data is not None and not isinstance(mime_type, str):
        _refuse(kind, "got base64 without a 'mime_type'")
    return Media(kind, url, data, mime_type, given.get("file_id"), block)


def plain_text(block: Mapping[str, Any]) -> str | None:
    """The text of a text file that is given as its text; None for any other block."""
    text = block.get("text") if block.get("type") == "text-plain" else None
    return text if isinstance(text, str) else None


def _parts_of(kind: str, url: str) -> tuple[str, str]:
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        _refuse(kind, f"got the data URL {_glimpse(url)}, which is not of the form data:<type>;base64,<data>")
    return head[len("data:") : -len(";base64")], data


def _refuse(kind: str, came: str) -> NoReturn:
    raise MessageError(f"expected a block of the type {kind!r} {_EXPECTED}; {came}")


def _glimpse(url: str) -> str:
    return repr(url if len(url) <= _SHOWN else url[:_SHOWN] + "…")


# ------------------------------------------------------------------------------------------- from a vendor's spelling


def standard_media(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """A vendor's block, or one of the older spelling with a ``source_type``, in the standard one; None for any other.

    What only that vendor knows of it (``detail``, ``cache_control``, ``title``) is kept beside.
    """
    match item:
        case {"type": "image_url", "image_url": image}:
            return _openai_image(item, image)
        case {"type": "image", "source": dict()}:
            return _anthropic_source("image", item, item["source"])
        case {"type": "document", "source": dict()}:
            return _anthropic_source("file", item, item["source"])
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(form)}}:
            return {"type": "audio", "base64": data, "mime_type": _MIME_TYPES.get(form, f"audio/{form}")}
        case {"type": "file", "file": dict()}:
            return _openai_file(item["file"])
        case {"type": "image" | "audio" | "file" | "video", "source_type": str(source_type)}:
            return _older_block(item, source_type)
        case _:
            return None


_MIME_TYPES: Final = {"mp3": "audio/mpeg"}


def _openai_image(item: Mapping[str, Any], image: object) -> dict[str, Any] | None:
    # https://platform.openai.com/docs/guides/images-vision: {"image_url": {"url": "https://…" or "data:…"}}
    said = {**cast("dict[str, Any]", image)} if isinstance(image, dict) else {"url": image}
    url = said.pop("url", None)
    if not isinstance(url, str):
        return None
    kept = {**_without(item, "type", "image_url"), **said}
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        return {"type": "image", "url": url, **kept}
    return {"type": "image", "base64": data, "mime_type": head[len("data:") : -len(";base64")], **kept}


def _openai_file(file: Mapping[str, Any]) -> dict[str, Any] | None:
    match file:
        case {"file_id": str(file_id)}:
            return {"type": "file", "file_id": file_id}
        case {"file_data": str(url)}:
            named = {"filename": file["filename"]} if "filename" in file else {}
            return {"type": "file", "url": url, **named}
        case _:
            return None


def _anthropic_source(kind: str, item: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any] | None:
    # https://docs.anthropic.com/en/docs/build-with-claude/vision: {"source": {"type": "base64" | "url" | "file", …}}
    kept = _without(item, "type", "source")
    match source:
        case {"type": "base64", "data": str(data), "media_type": str(mime_type)}:
            return {"type": kind, "base64": data, "mime_type": mime_type, **kept}
        case {"type": "url", "url": str(url)}:
            return {"type": kind, "url": url, **kept}
        case {"type": "file", "file_id": str(file_id)}:
            return {"type": kind, "file_id": file_id, **kept}
        case {"type": "text", "data": str(text)}:
            return {"type": "text-plain", "text": text, "mime_type": "text/plain", **kept}
        case _:
            return None


def _older_block(item: Mapping[str, Any], source_type: str) -> dict[str, Any] | None:
    kept = _without(item, "source_type", "data", "id", "text")
    match source_type:
        case "url":
            return kept
        case "base64":
            return {**kept, "base64": item.get("data")}
        case "id":
            return {**kept, "file_id": item.get("id")}
        case "text":
            return {**kept, "type": "text-plain", "text": item.get("text") or item.get("data")}
        case _:
            return None


def _without(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}

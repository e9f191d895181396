"""What the content of a message is made of: text, and lists of blocks.

Pure: content is a string, or a list of strings and dicts. Vendors spell images differently; ``blocks_of`` gives one
spelling for all of them, and ``join_content`` adds up the content of chunks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NotRequired, TypeAlias, cast

from typing_extensions import TypedDict

from plait.merging import merge_all
from plait.messages.media import standard_media

Content: TypeAlias = str | list[str | dict[str, Any]]


class TextContentBlock(TypedDict):
    """A piece of text."""

    type: Literal["text"]
    text: str


class ImageContentBlock(TypedDict):
    """An image: behind a URL, as base64 data (then with its ``mime_type``), or a file that the vendor keeps."""

    type: Literal["image"]
    url: NotRequired[str]
    base64: NotRequired[str]
    mime_type: NotRequired[str]
    file_id: NotRequired[str]


class NonStandardContentBlock(TypedDict):
    """A block that only its vendor knows, unchanged in ``value``."""

    type: Literal["non_standard"]
    value: dict[str, Any]


ContentBlock: TypeAlias = TextContentBlock | ImageContentBlock | NonStandardContentBlock

# Blocks of these types already have the spelling that this module gives, and pass as they are.
_STANDARD = frozenset({"text", "image", "audio", "video", "file", "text-plain", "reasoning", "non_standard"})

# Text under these keys of a block or of a tool call says what it is; every other text may be a piece of a longer one.
FACTS = frozenset(
    {"type", "id", "index", "name", "mime_type", "media_type", "source_type", "file_id", "tool_use_id"}
    | {"call_id", "tool_call_id", "role", "status", "title", "detail", "url", "stop_reason"}
)


def create_text_block(text: str) -> TextContentBlock:
    """Give a text block."""
    return {"type": "text", "text": text}


def create_image_block(
    *, url: str | None = None, base64: str | None = None, mime_type: str | None = None, file_id: str | None = None
) -> ImageContentBlock:
    """Give an image block, from exactly one of ``url``, ``base64`` (which needs ``mime_type``) and ``file_id``."""
    given = {"url": url, "base64": base64, "file_id": file_id}
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError("an image block needs exactly one of url, base64 and file_id")
    if base64 is not None and mime_type is None:
        raise ValueError("an image given as base64 needs its mime_type, such as 'image/png'")
    fields = {"type": "image", **given, "mime_type": mime_type}
    return cast(ImageContentBlock, {key: value for key, value in fields.items() if value is not None})


def text_of(content: Content) -> str:
    """Give the text of a message's content; blocks that are not text count for nothing."""
    return content if isinstance(content, str) else "".join(map(_text_of_item, content))


def _text_of_item(item: str | dict[str, Any]) -> str:
    if isinstance(item, str):
        return item
    text = item.get("text") if item.get("type") == "text" else None
    return text if isinstance(text, str) else ""


def blocks_of(content: Content) -> list[ContentBlock]:
    """Give content as blocks, images of every vendor's spelling as ``ImageContentBlock``."""
    if isinstance(content, str):
        return [create_text_block(content)] if content else []
    return [create_text_block(item) if isinstance(item, str) else _block(item) for item in content]


def _block(item: dict[str, Any]) -> ContentBlock:
    known = standard_media(item) or (item if item.get("type") in _STANDARD else None)
    return {"type": "non_standard", "value": item} if known is None else cast(ContentBlock, known)


def join_content(parts: list[Content]) -> Content:
    """Add up the content of chunks: text is joined, blocks that share an ``index`` (and ``type``) become one."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "".join(texts)
    items: list[Any] = []
    for part in parts:
        items += [part] if isinstance(part, str) else part
    return join_indexed(items, opened_by="type")


def join_indexed(items: Iterable[Any], *, opened_by: str) -> list[Any]:
    """Join the dicts that carry the same ``index``, and strings that stand side by side.

    A dict whose ``opened_by`` value differs from that of the last one under its index begins a new item, since some
    servers number everything 0. Dicts without an index stay apart. Linear, and associative like ``merge``.
    """
    groups: list[list[Any]] = []
    latest: dict[int | str, tuple[list[Any], Any]] = {}
    for item in items:
        group = _group_of(item, groups, latest, opened_by)
        if group is None:
            groups.append([item])
            _remember(item, groups[-1], latest, opened_by)
        else:
            group.append(item)
    return [merge_all(group, whole=FACTS) for group in groups]


def _group_of(
    item: Any, groups: list[list[Any]], latest: dict[int | str, tuple[list[Any], Any]], opened_by: str
) -> list[Any] | None:
    if isinstance(item, str):
        return groups[-1] if groups and isinstance(groups[-1][0], str) else None
    group, mark = latest.get(_index(item), (None, None))
    return group if _mark(item, opened_by) in (None, mark) else None


def _remember(item: Any, group: list[Any], latest: dict[int | str, tuple[list[Any], Any]], opened_by: str) -> None:
    index = _index(item)
    if index != "":
        latest[index] = (group, _mark(item, opened_by))


def _index(item: Any) -> int | str:
    """Give the index of an item, "" if it has none."""
    index: object = cast(dict[str, Any], item).get("index") if isinstance(item, dict) else None
    return index if isinstance(index, int | str) else ""


def _mark(item: Any, key: str) -> Any:
    value: Any = cast(dict[str, Any], item).get(key) if isinstance(item, dict) else None
    return value or None

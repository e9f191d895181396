"""How messages are written down, and what a store may be named; pure.

A record is data: it is read as JSON and checked field by field against the known kinds of messages. Nothing in it
names a class or a function that would be looked up or called.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from plait.chat_history.base import whole
from plait.errors import ConfigError, HistoryError, MessageError
from plait.messages import BaseMessage, message_to_dict, messages_from_dict

__all__ = ["VERSION", "check_session", "check_table", "read", "refuse_version", "written"]

VERSION: Final = 1
"""Of the tables; a program that finds a higher one was written before it."""

_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")  # with its suffixes no longer than PostgreSQL allows
_LONGEST: Final = 500  # characters of a session's name: a database can index no text of any length


def check_table(name: Any) -> str:
    """The name, if it can be one of a table; raises ConfigError otherwise."""
    if isinstance(name, str) and _TABLE.fullmatch(name) and not name.lower().startswith("sqlite_"):
        return name
    raise ConfigError(f"table must be 1 to 48 ASCII letters, digits and _, not a digit first; got {_shown(name)}")


def check_session(session_id: Any) -> str:
    """The name of a session, if it can be one; raises ConfigError otherwise."""
    if not isinstance(session_id, str):
        raise ConfigError(f"session_id must be a text, got {type(session_id).__name__}; write str(it)")
    if not 1 <= len(session_id) <= _LONGEST:
        raise ConfigError(f"session_id must have 1 to {_LONGEST} characters, got {len(session_id)}")
    if "\0" in session_id or not _is_unicode(session_id):
        raise ConfigError("session_id holds a character that no database can store: NUL, or half of a pair")
    return session_id


def _shown(name: object) -> str:
    return repr(name[:60]) if isinstance(name, str) else type(name).__name__


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def written(messages: Sequence[BaseMessage]) -> list[str]:
    """A record for each message; raises MessageError before anything is stored if one cannot be written as JSON."""
    return [_record(number, message) for number, message in enumerate(whole(messages))]


def _record(number: int, message: BaseMessage) -> str:
    try:
        data = message_to_dict(message)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        return text if _is_unicode(text) else json.dumps(data, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise MessageError(
            f"message {number} ({message.type}) cannot be stored, since it is more than JSON can hold "
            f"({type(error).__name__}): keep plain data only in its additional_kwargs, artifact and metadata"
        ) from error


def read(record: object, number: object, where: str) -> BaseMessage:
    """The message of a record; raises HistoryError, which shows nothing of it, for one that is none."""
    message = _message(record)
    if message is None:
        raise HistoryError(
            f"row {number} of {where} holds no message: it was damaged, or written by another program. Nothing was "
            f"changed; look at that row, and repair or delete it, to read this conversation"
        )
    return message


def _message(record: object) -> BaseMessage | None:
    if not isinstance(record, str | bytes):
        return None
    try:
        return messages_from_dict([json.loads(record)])[0]
    except (MessageError, ValueError, TypeError, RecursionError):
        return None


def refuse_version(found: object, where: str) -> None:
    """Raise HistoryError for tables that this version cannot read."""
    if not isinstance(found, int):
        raise HistoryError(f"{where}: the table of its version is damaged; restore it, or choose another table")
    if found != VERSION:
        raise HistoryError(
            f"{where} was written by another version of plait (its tables are of version {found}, this one knows "
            f"{VERSION}): use that version, or choose another table"
        )

"""Conversations that are kept: in memory, in an SQLite file, in PostgreSQL; and chains that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait.chat_history.base import BaseChatMessageHistory, InMemoryChatMessageHistory
from plait.chat_history.postgres import PostgresChatMessageHistory
from plait.chat_history.runnable import RunnableWithMessageHistory

if TYPE_CHECKING:
    from plait.chat_history.sqlite import SQLiteChatMessageHistory as SQLiteChatMessageHistory

__all__ = [
    "BaseChatMessageHistory",
    "InMemoryChatMessageHistory",
    "PostgresChatMessageHistory",
    "RunnableWithMessageHistory",
    "SQLiteChatMessageHistory",
]


def __getattr__(name: str) -> Any:
    if name == "SQLiteChatMessageHistory":  # some Pythons are built without SQLite, which nothing else here needs
        from plait.chat_history.sqlite import SQLiteChatMessageHistory

        return SQLiteChatMessageHistory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

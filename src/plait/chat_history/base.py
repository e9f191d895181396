"""What a history of a conversation is, and the one that forgets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

from plait.concurrency import in_thread
from plait.errors import MessageError
from plait.messages import AIMessage, BaseMessage, HumanMessage, message_chunk_to_message

__all__ = ["BaseChatMessageHistory", "InMemoryChatMessageHistory", "whole"]


class BaseChatMessageHistory(ABC):
    """The messages of one conversation, in order.

    A subclass gives ``messages`` (a property, an attribute or a pydantic field), ``clear`` and ``add_messages`` (or
    ``add_message``, but then a run may be written by halves). The async forms call these in a thread; override them
    where there is a better way.
    """

    if TYPE_CHECKING:  # else it would stand before a field or an attribute of that name, which will do as well

        @property
        @abstractmethod
        def messages(self) -> list[BaseMessage]:
            """All messages, the oldest first."""
            ...

    async def aget_messages(self) -> list[BaseMessage]:  # twin: `messages` is its sync form
        """All messages, the oldest first."""
        return await in_thread(lambda: self.messages)

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Append all of them, or, if that fails, none."""
        if type(self).add_message is BaseChatMessageHistory.add_message:
            raise NotImplementedError(f"{type(self).__name__} must give add_messages")
        for message in messages:
            self.add_message(message)

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:  # twin: in a thread, so as not to block
        """Append all of them, or, if that fails, none."""
        await in_thread(self.add_messages, messages)

    def add_message(self, message: BaseMessage) -> None:
        """Append one message."""
        self.add_messages([message])

    async def aadd_message(self, message: BaseMessage) -> None:
        """Append one message."""
        await self.aadd_messages([message])

    def add_user_message(self, message: HumanMessage | str) -> None:
        """Append what the human said."""
        self.add_message(HumanMessage(content=message) if isinstance(message, str) else message)

    def add_ai_message(self, message: AIMessage | str) -> None:
        """Append what the model said."""
        self.add_message(AIMessage(content=message) if isinstance(message, str) else message)

    @abstractmethod
    def clear(self) -> None:
        """Forget all messages."""

    async def aclear(self) -> None:  # twin: in a thread, so as not to block
        """Forget all messages."""
        await in_thread(self.clear)

    @property
    def session_key(self) -> Hashable:
        """Equal for two objects that are the history of one conversation: their runs go one after the other."""
        return type(self), id(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def whole(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """Messages as a history keeps them: no chunks; raises MessageError for what is no message."""
    return [message_chunk_to_message(_checked(message)) for message in messages]


def _checked(message: object) -> BaseMessage:
    if isinstance(message, BaseMessage):
        return message
    raise MessageError(f"a history keeps messages, got an object of type {type(message).__name__}")


class InMemoryChatMessageHistory(BaseChatMessageHistory):
    """A conversation in this process, gone with it; ``messages`` is a copy, and may be replaced."""

    def __init__(self, messages: Iterable[BaseMessage] = ()) -> None:
        self._messages = whole(messages)

    @property
    def messages(self) -> list[BaseMessage]:
        """All messages, the oldest first."""
        return list(self._messages)

    @messages.setter
    def messages(self, messages: Iterable[BaseMessage]) -> None:
        self._messages = whole(messages)

    async def aget_messages(self) -> list[BaseMessage]:  # twin: `messages` is its sync form
        return self.messages

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        self._messages.extend(whole(messages))  # in one step, for other threads

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:  # twin: there is nothing to wait for
        self.add_messages(messages)

    def clear(self) -> None:
        self._messages = []

    async def aclear(self) -> None:  # twin: there is nothing to wait for
        self.clear()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._messages)} messages)"  # what they say may be a secret

"""What a prompt gives: a text or messages, readable as either, so that it suits every kind of model."""

from abc import ABC, abstractmethod
from typing import Literal, final

from pydantic import BaseModel, Field

from plait.messages import BaseMessage, HumanMessage, get_buffer_string
from plait.messages.convert import SomeMessage
from plait.messages.defaults import DEFERRED

__all__ = ["ChatPromptValue", "PromptValue", "StringPromptValue"]


class PromptValue(BaseModel, ABC):
    """A filled prompt."""

    model_config = DEFERRED

    @abstractmethod
    def to_string(self) -> str:
        """Give the prompt as one text."""

    @abstractmethod
    def to_messages(self) -> list[BaseMessage]:
        """Give the prompt as messages."""


@final
class StringPromptValue(PromptValue):
    """A filled prompt that is a text."""

    text: str
    type: Literal["StringPromptValue"] = Field(default="StringPromptValue", repr=False)

    def to_string(self) -> str:
        return self.text

    def to_messages(self) -> list[BaseMessage]:
        return [HumanMessage(content=self.text)]


@final
class ChatPromptValue(PromptValue):
    """A filled prompt that is messages."""

    messages: list[SomeMessage]
    type: Literal["ChatPromptValue"] = Field(default="ChatPromptValue", repr=False)

    def to_string(self) -> str:
        return get_buffer_string(self.messages)

    def to_messages(self) -> list[BaseMessage]:
        return list(self.messages)

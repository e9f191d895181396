"""Prompts: templates that make a model's input of named values."""

from plait.prompts.base import BasePromptTemplate
from plait.prompts.chat import (
    AIMessagePromptTemplate,
    BaseChatPromptTemplate,
    BaseMessagePromptTemplate,
    BaseStringMessagePromptTemplate,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    HumanMessagePromptTemplate,
    MessageLikeRepresentation,
    MessagesPlaceholder,
    SystemMessagePromptTemplate,
)
from plait.prompts.few_shot import ExampleSelector, FewShotChatMessagePromptTemplate, FewShotPromptTemplate
from plait.prompts.loading import load_prompt, load_prompt_from_config
from plait.prompts.of_documents import aformat_document, format_document
from plait.prompts.string import PromptTemplate, StringPromptTemplate

__all__ = [
    "AIMessagePromptTemplate",
    "BaseChatPromptTemplate",
    "BaseMessagePromptTemplate",
    "BasePromptTemplate",
    "BaseStringMessagePromptTemplate",
    "ChatMessagePromptTemplate",
    "ChatPromptTemplate",
    "ExampleSelector",
    "FewShotChatMessagePromptTemplate",
    "FewShotPromptTemplate",
    "HumanMessagePromptTemplate",
    "MessageLikeRepresentation",
    "MessagesPlaceholder",
    "PromptTemplate",
    "StringPromptTemplate",
    "SystemMessagePromptTemplate",
    "aformat_document",
    "format_document",
    "load_prompt",
    "load_prompt_from_config",
]

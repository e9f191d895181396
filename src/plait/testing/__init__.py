"""For tests: a check of the laws of a runnable, faults, a clock that waits for nothing, models without a network."""

from plait.testing.chat_models import CHAT_MODEL_LAWS, acheck_chat_model, check_chat_model
from plait.testing.clock import VirtualClock
from plait.testing.conformance import acheck_runnable, check_runnable
from plait.testing.embeddings import EMBEDDING_LAWS, acheck_embeddings, check_embeddings
from plait.testing.faults import Fails, Hangs, Slow
from plait.testing.findings import LAWS, ConformanceError, Finding
from plait.testing.models import (
    Call,
    DeterministicFakeEmbedding,
    EchoChatModel,
    FakeChatModel,
    FakeListChatModel,
    FakeListChatModelError,
    FakeListLLM,
    FakeListLLMError,
    FakeMessagesListChatModel,
    FakeStreamingListLLM,
    GenericFakeChatModel,
    ParrotFakeChatModel,
)
from plait.testing.modes import ASYNC_MODES, SYNC_MODES
from plait.testing.parsers import OUTPUT_PARSER_LAWS, acheck_output_parser, check_output_parser
from plait.testing.retrievers import RETRIEVER_LAWS, acheck_retriever, check_retriever
from plait.testing.stores import STORE_LAWS, acheck_store, check_store
from plait.testing.tools import TOOL_LAWS, acheck_tool, check_tool
from plait.testing.vectorstores import VECTOR_STORE_LAWS, acheck_vector_store, check_vector_store

__all__ = [
    "ASYNC_MODES",
    "CHAT_MODEL_LAWS",
    "EMBEDDING_LAWS",
    "LAWS",
    "OUTPUT_PARSER_LAWS",
    "RETRIEVER_LAWS",
    "STORE_LAWS",
    "SYNC_MODES",
    "TOOL_LAWS",
    "VECTOR_STORE_LAWS",
    "Call",
    "ConformanceError",
    "DeterministicFakeEmbedding",
    "EchoChatModel",
    "Fails",
    "FakeChatModel",
    "FakeListChatModel",
    "FakeListChatModelError",
    "FakeListLLM",
    "FakeListLLMError",
    "FakeMessagesListChatModel",
    "FakeStreamingListLLM",
    "Finding",
    "GenericFakeChatModel",
    "Hangs",
    "ParrotFakeChatModel",
    "Slow",
    "VirtualClock",
    "acheck_chat_model",
    "acheck_embeddings",
    "acheck_output_parser",
    "acheck_retriever",
    "acheck_runnable",
    "acheck_store",
    "acheck_tool",
    "acheck_vector_store",
    "check_chat_model",
    "check_embeddings",
    "check_output_parser",
    "check_retriever",
    "check_runnable",
    "check_store",
    "check_tool",
    "check_vector_store",
]

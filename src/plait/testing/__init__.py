"""For tests: a check that a runnable keeps the laws of one, and models that need neither a key nor a network."""

from plait.testing.conformance import acheck_runnable, check_runnable
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

__all__ = [
    "ASYNC_MODES",
    "LAWS",
    "SYNC_MODES",
    "Call",
    "ConformanceError",
    "DeterministicFakeEmbedding",
    "EchoChatModel",
    "FakeChatModel",
    "FakeListChatModel",
    "FakeListChatModelError",
    "FakeListLLM",
    "FakeListLLMError",
    "FakeMessagesListChatModel",
    "FakeStreamingListLLM",
    "Finding",
    "GenericFakeChatModel",
    "ParrotFakeChatModel",
    "acheck_runnable",
    "check_runnable",
]

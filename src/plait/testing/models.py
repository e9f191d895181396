"""Models to test with: scripted, echoing, slow and failing ones, that need neither a key nor a network.

All of them take ``sleep`` and ``delay`` (seconds before an answer or chunk, and for each word), ``failures``,
``error`` and ``fail_at_chunk`` (which calls fail, how and when), and tell in ``calls`` and ``call_count`` how they were
called. One may be used by many threads and tasks at once; in async code a delay does not block the event loop.
"""

from plait.embeddings import DeterministicFakeEmbedding
from plait.language_models.fake import Call, FakeListLLM, FakeListLLMError, FakeStreamingListLLM
from plait.language_models.fake_chat_models import (
    EchoChatModel,
    FakeChatModel,
    FakeListChatModel,
    FakeListChatModelError,
    FakeMessagesListChatModel,
    GenericFakeChatModel,
    ParrotFakeChatModel,
)

__all__ = [
    "Call",
    "DeterministicFakeEmbedding",
    "EchoChatModel",
    "FakeChatModel",
    "FakeListChatModel",
    "FakeListChatModelError",
    "FakeListLLM",
    "FakeListLLMError",
    "FakeMessagesListChatModel",
    "FakeStreamingListLLM",
    "GenericFakeChatModel",
    "ParrotFakeChatModel",
]

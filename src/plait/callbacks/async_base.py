"""The class to derive async handlers from: the methods of ``BaseCallbackHandler``, as async ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.callbacks.base import BaseCallbackHandler
from plait.watching.handlers import silent

if TYPE_CHECKING:  # whoever handles no models needs no pydantic
    from plait.documents import Document
    from plait.messages import BaseMessage
    from plait.outputs import ChatGenerationChunk, GenerationChunk, LLMResult

__all__ = ["AsyncCallbackHandler"]


@silent
class AsyncCallbackHandler(BaseCallbackHandler):
    """As ``BaseCallbackHandler``, with async methods: awaited by async verbs; sync verbs run each to its end.

    A sync verb runs them on an event loop of their own, in another thread while a loop runs in this one: what they
    share with your loop (a client, a lock) has to bear that.
    """

    # ----------------------------------------------------------------------------------------------------------- chains

    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_chain_start``."""

    async def on_chain_end(
        self,
        outputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_chain_end``."""

    async def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_chain_error``."""

    async def on_chain_cancelled(
        self,
        outputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_chain_cancelled``."""

    # ----------------------------------------------------------------------------------------------------------- models

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_chat_model_start``."""

    async def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_llm_start``."""

    async def on_llm_new_token(
        self,
        token: str,
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_llm_new_token``."""

    async def on_llm_end(
        self,
        response: LLMResult,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_llm_end``."""

    async def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_llm_error``."""

    async def on_llm_cancelled(
        self,
        response: LLMResult | None,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_llm_cancelled``."""

    # ------------------------------------------------------------------------------------------------------------ tools

    async def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_tool_start``."""

    async def on_tool_end(
        self,
        output: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_tool_end``."""

    async def on_tool_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_tool_error``."""

    async def on_tool_cancelled(
        self,
        output: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_tool_cancelled``."""

    # ------------------------------------------------------------------------------------------------------- retrievers

    async def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_retriever_start``."""

    async def on_retriever_end(
        self,
        documents: Sequence[Document],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_retriever_end``."""

    async def on_retriever_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_retriever_error``."""

    async def on_retriever_cancelled(
        self,
        documents: Sequence[Document] | None,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_retriever_cancelled``."""

    # ------------------------------------------------------------------------------------------------------------ other

    async def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """See ``BaseCallbackHandler.on_custom_event``."""

    async def on_retry(
        self, retry_state: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> Any:
        """See ``BaseCallbackHandler.on_retry``."""

    async def on_text(self, text: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> Any:
        """See ``BaseCallbackHandler.on_text``."""

    async def on_agent_action(
        self, action: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> Any:
        """See ``BaseCallbackHandler.on_agent_action``."""

    async def on_agent_finish(
        self, finish: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> Any:
        """See ``BaseCallbackHandler.on_agent_finish``."""

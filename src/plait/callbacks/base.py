"""The class to derive handlers from: every method that is ever called, each doing nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from plait.watching.handlers import silent

if TYPE_CHECKING:  # whoever handles no models needs no pydantic
    from plait.documents import Document
    from plait.messages import BaseMessage
    from plait.outputs import ChatGenerationChunk, GenerationChunk, LLMResult

__all__ = ["BaseCallbackHandler"]


@silent
class BaseCallbackHandler:
    """Hears of the runs of the calls whose config has it in ``callbacks``, and of what they call. Override what you want.

    Each run has one start, then exactly one of end, error and cancelled. A method that is not overridden is never
    called. Every method may be a plain or an async function, in sync and in async verbs alike. ``run_id`` is that of
    the run, ``parent_run_id`` that of the run in which it was called, None at the top; take ``**kwargs``, since more
    may be told in time.

    raise_error: what a method raises ends the run. Otherwise it is logged once, and the run goes on.
    run_inline: async verbs, too, call plain methods in place. Set it to False for methods that block (a database, a
        file on a slow disk): async verbs then call them in a thread and wait, in order.
    ignore_...: nothing is told of such runs. They are looked at when a call begins, not for each event; a property
        serves as well.
    """

    raise_error: bool = False
    run_inline: bool = True

    @property
    def ignore_chain(self) -> bool:
        """Whatever is no model, tool or retriever."""
        return False

    @property
    def ignore_llm(self) -> bool:
        """Text models and chat models."""
        return False

    @property
    def ignore_chat_model(self) -> bool:
        """Chat models."""
        return False

    @property
    def ignore_agent(self) -> bool:
        """Tools, under the name that is known."""
        return False

    @property
    def ignore_retriever(self) -> bool:
        """Retrievers."""
        return False

    @property
    def ignore_custom_event(self) -> bool:
        """Custom events."""
        return False

    @property
    def ignore_retry(self) -> bool:
        """Known from elsewhere; there is nothing to ignore."""
        return False

    # ----------------------------------------------------------------------------------------------------------- chains

    def on_chain_start(
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
        """A run begins that is none of the other kinds: a sequence, a function, a prompt, a parser, ….

        ``inputs`` is the input as it is, or ``{}`` where it has yet to stream in. ``serialized`` has the ``name`` of the
        run and the ``id``, module and class, of what runs; ``name`` and ``run_type`` are in ``kwargs``.
        """

    def on_chain_end(
        self,
        outputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It gave its output, in a stream the sum of its chunks; ``kwargs`` has the whole ``inputs``."""

    def on_chain_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It failed; or it was cancelled, and ``on_chain_cancelled`` is not overridden."""

    def on_chain_cancelled(
        self,
        outputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It was cancelled, or its stream closed early, after it gave these outputs; None for none at all.

        ``kwargs`` has the ``error``: a CancelledError or a GeneratorExit.
        """

    # ----------------------------------------------------------------------------------------------------------- models

    def on_chat_model_start(
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
        """A chat model is asked; the outer list has one conversation.

        A handler without this method, or whose method raises NotImplementedError, is told by ``on_llm_start``.
        """

    def on_llm_start(
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
        """A text model is asked; of a chat model, the conversation as one text."""

    def on_llm_new_token(
        self,
        token: str,
        *,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """A chunk of the answer has come, in a stream only; ``token`` is its text, which may be empty."""

    def on_llm_end(
        self,
        response: LLMResult,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """The answer is there, in a stream the sum of its chunks."""

    def on_llm_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """The model failed; or it was cancelled, and ``on_llm_cancelled`` is not overridden.

        ``kwargs`` has the ``response`` as far as it had come, or None.
        """

    def on_llm_cancelled(
        self,
        response: LLMResult | None,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """The model was cancelled, or its stream closed early, after this part of the answer.

        ``kwargs`` has the ``error``: a CancelledError or a GeneratorExit.
        """

    # ------------------------------------------------------------------------------------------------------------ tools

    def on_tool_start(
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
        """A tool is called; ``inputs`` are its arguments if they came as a dict."""

    def on_tool_end(
        self,
        output: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It gave its output."""

    def on_tool_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It failed; or it was cancelled, and ``on_tool_cancelled`` is not overridden."""

    def on_tool_cancelled(
        self,
        output: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It was cancelled after it gave this, or None; ``kwargs`` has the ``error``."""

    # ------------------------------------------------------------------------------------------------------- retrievers

    def on_retriever_start(
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
        """A retriever is asked."""

    def on_retriever_end(
        self,
        documents: Sequence[Document],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It gave these documents."""

    def on_retriever_error(
        self,
        error: BaseException,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It failed; or it was cancelled, and ``on_retriever_cancelled`` is not overridden."""

    def on_retriever_cancelled(
        self,
        documents: Sequence[Document] | None,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """It was cancelled after it gave these; ``kwargs`` has the ``error``."""

    # ------------------------------------------------------------------------------------------------------------ other

    def on_custom_event(
        self,
        name: str,
        data: Any,
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Your own code said so in that run, by ``dispatch_custom_event``."""

    def on_retry(self, retry_state: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> Any:
        """Known from elsewhere; nothing here calls it: an attempt is a run of its own."""

    def on_text(self, text: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> Any:
        """Known from elsewhere; nothing here calls it."""

    def on_agent_action(self, action: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> Any:
        """Known from elsewhere; nothing here calls it: see ``on_tool_start``."""

    def on_agent_finish(self, finish: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any) -> Any:
        """Known from elsewhere; nothing here calls it: see ``on_chain_end``."""

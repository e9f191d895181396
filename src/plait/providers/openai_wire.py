"""The wire format of OpenAI's chat completions and completions, which many other servers speak too.

Pure: dicts as JSON has them, in and out. https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from plait.embeddings.vectors import checked
from plait.errors import ModelError
from plait.messages import AIMessage, AIMessageChunk, BaseMessage, convert_to_openai_messages
from plait.messages.tool_calls import read_calls, tool_call_chunk
from plait.messages.usage import UsageMetadata
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult

__all__ = [
    "CHAT_PARAMETERS",
    "EMBEDDING_PARAMETERS",
    "TEXT_PARAMETERS",
    "ChatReader",
    "TextReader",
    "chat_request",
    "chat_result",
    "embedding_request",
    "joined_results",
    "read_vectors",
    "text_request",
    "text_result",
    "usage_of",
]

_TEXT: Final = {"frequency_penalty", "logit_bias", "logprobs", "n", "presence_penalty", "seed", "stop", "stream_options"} | {
    "temperature", "top_p", "user", "max_tokens",
}  # fmt: skip
_OF_THE_CALL: Final = frozenset({"extra_body", "extra_headers", "extra_query", "timeout"})
"""What a call may say that is not in the body of the request."""

TEXT_PARAMETERS: Final = frozenset(_TEXT | {"best_of", "echo", "suffix"} | _OF_THE_CALL)
EMBEDDING_PARAMETERS: Final = frozenset({"dimensions", "encoding_format", "user"} | _OF_THE_CALL)
CHAT_PARAMETERS: Final = frozenset(
    _TEXT
    | {"audio", "function_call", "functions", "max_completion_tokens", "metadata", "modalities", "moderation"}
    | {"parallel_tool_calls", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}
    | {"reasoning_effort", "response_format", "safety_identifier", "service_tier", "store", "tool_choice", "tools"}
    | {"top_logprobs", "verbosity", "web_search_options"}
    | _OF_THE_CALL
)

_USUAL: Final = frozenset({"choices", "created", "error", "id", "model", "object", "usage"})
"""What every answer holds and is read for; the rest is kept in ``response_metadata``."""


# ------------------------------------------------------------------------------------------------------------ requests


def chat_request(
    model: str,
    messages: Sequence[BaseMessage],
    parameters: Mapping[str, Any],
    *,
    stream: bool = False,
    usage: bool = True,
) -> dict[str, Any]:
    """The arguments of the SDK's ``create`` for a conversation; a stream is asked for one answer, not for ``n``."""
    fields = {**parameters, "n": None} if stream else parameters
    return {**_request(model, fields, stream=stream, usage=usage), "messages": convert_to_openai_messages(messages)}


def text_request(
    model: str, prompts: str | list[str], parameters: Mapping[str, Any], *, stream: bool = False, usage: bool = True
) -> dict[str, Any]:
    """The arguments of the SDK's ``create`` for texts that are to be continued."""
    fields = {**parameters, "n": None, "best_of": None} if stream else parameters
    return {**_request(model, fields, stream=stream, usage=usage), "prompt": prompts}


def embedding_request(model: str, texts: list[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the SDK's ``create`` for texts that are to become vectors.

    It is told the encoding, since it unpacks the vectors itself otherwise, and stumbles over what are none.
    """
    encoding = parameters.get("encoding_format") or "base64"
    return {**_arguments(parameters), "model": model, "input": texts, "encoding_format": encoding}


def _request(model: str, parameters: Mapping[str, Any], *, stream: bool, usage: bool) -> dict[str, Any]:
    asked = {"stream_options": {"include_usage": True}} if stream and usage else {}
    return {**_arguments({**asked, **parameters}), "model": model, "stream": stream}


def _arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in parameters.items() if name not in _OF_THE_CALL and value is not None}
    given = {name: parameters[name] for name in _OF_THE_CALL & parameters.keys() if parameters[name] is not None}
    # The whole body goes the way of unknown parameters, so that it does not matter which ones a version of the SDK knows.
    return {**given, "extra_body": {**body, **given.get("extra_body", {})}}


# ------------------------------------------------------------------------------------------------------------- answers


def chat_result(answer: Mapping[str, Any]) -> ChatResult:
    """The generations of an answer, one per choice; what was used is said by the first one."""
    usage = usage_of(answer.get("usage"))
    generations = [_generation(choice, answer) for choice in _choices(answer)]
    generations[0].message = generations[0].message.model_copy(update={"usage_metadata": usage})
    return ChatResult(generations=generations)


def _generation(choice: Mapping[str, Any], answer: Mapping[str, Any]) -> ChatGeneration:
    message = _part(choice, "message")
    pieces, kept = _calls(message.get("tool_calls") or ())
    calls, broken = read_calls(pieces, final=True)
    return ChatGeneration(
        message=AIMessage(
            content=message.get("content") or "",
            additional_kwargs={**_rest(message), **kept},
            response_metadata={**_facts(answer), **_facts_of(choice)},
            tool_calls=calls,
            invalid_tool_calls=broken,
            id=answer.get("id") or None,
        )
    )


def _part(whole: Mapping[str, Any], name: str) -> dict[str, Any]:
    return whole.get(name) or {}


def _choices(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = answer.get("choices")
    if choices:
        return list(choices)
    problem = answer.get("error") or f"its answer has no choices, but {', '.join(answer) or 'nothing'}"
    raise ModelError(f"the model's server gave no answer: {problem}")


def _index(item: Mapping[str, Any]) -> int:
    return item.get("index") or 0


def _facts(answer: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: value for name, value in answer.items() if name not in _USUAL and value is not None}
    known = {"model_name": answer.get("model"), "token_usage": answer.get("usage")}
    return {**facts, **{name: value for name, value in known.items() if value}}


def _facts_of(choice: Mapping[str, Any]) -> dict[str, Any]:
    """What a choice says beside its message: why it ended, and how likely its tokens were."""
    shown = {"index", "message", "delta", "text"}
    return {name: value for name, value in choice.items() if name not in shown and value is not None}


def _rest(message: Mapping[str, Any]) -> dict[str, Any]:
    """What a message holds beside its text and calls: a refusal, reasoning, whatever else a server adds."""
    read = {"content", "role", "tool_calls"}
    return {name: value for name, value in message.items() if name not in read and value is not None}


def _calls(calls: Iterable[Any]) -> tuple[list[Any], dict[str, Any]]:
    """The pieces of calls of functions; calls of any other kind are kept as they are."""
    pieces = [
        tool_call_chunk(
            name=call["function"].get("name"),
            args=call["function"].get("arguments"),
            id=call.get("id"),
            index=call.get("index"),
        )
        for call in calls
        if call.get("function")
    ]
    others = [call for call in calls if not call.get("function")]
    return pieces, {"tool_calls": others} if others else {}


def usage_of(usage: Mapping[str, Any] | None) -> UsageMetadata | None:
    """Token counts under the names that are the same for every vendor."""
    if not usage:
        return None
    read, written = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    counts: dict[str, Any] = {
        "input_tokens": read,
        "output_tokens": written,
        "total_tokens": usage.get("total_tokens") or read + written,
    }
    details = (
        ("input_token_details", "prompt_tokens_details", {"cached_tokens": "cache_read", "audio_tokens": "audio"}),
        (
            "output_token_details",
            "completion_tokens_details",
            {"reasoning_tokens": "reasoning", "audio_tokens": "audio"},
        ),
    )
    for name, theirs, names in details:
        given = _part(usage, theirs)
        found = {ours: given[key] for key, ours in names.items() if given.get(key) is not None}
        counts |= {name: found} if found else {}
    return cast(UsageMetadata, counts)


class ChatReader:
    """Reads the chunks of one stream; facts and counts are held back for the last chunk, so that they are there once."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._facts: dict[str, Any] = {}
        self._usage: Mapping[str, Any] | None = None  # some servers repeat and raise it with every chunk

    def feed(self, body: Mapping[str, Any]) -> ChatGenerationChunk | None:
        """The chunk of a message for a chunk of the wire, if it says anything of the message."""
        self._id = self._id or body.get("id") or None
        self._usage = body.get("usage") or self._usage
        self._facts |= _facts(body)
        choice = next((choice for choice in body.get("choices") or () if not choice.get("index")), None)
        return self._read(choice) if choice else None

    def _read(self, choice: Mapping[str, Any]) -> ChatGenerationChunk | None:
        facts = _facts_of(choice)
        probabilities = facts.pop("logprobs", None)
        self._facts |= facts
        delta = _part(choice, "delta")
        pieces, kept = _calls(delta.get("tool_calls") or ())
        fields: dict[str, Any] = {
            "content": delta.get("content") or "",
            "tool_call_chunks": pieces,
            "additional_kwargs": {**_rest(delta), **kept},
            "response_metadata": {"logprobs": probabilities} if probabilities else {},
        }
        return self._chunk(fields) if any(fields.values()) else None

    def end(self) -> ChatGenerationChunk:
        """The last chunk, with what the server said of the whole; raises if the server did not say that it is done."""
        facts, usage = _ended(self._facts), usage_of(self._usage)
        return self._chunk(
            {"content": "", "response_metadata": facts, "usage_metadata": usage, "chunk_position": "last"}
        )

    def _chunk(self, fields: dict[str, Any]) -> ChatGenerationChunk:
        given = {name: value for name, value in fields.items() if value or name == "content"}
        return ChatGenerationChunk.model_construct(message=AIMessageChunk.model_construct(**given, id=self._id))


def _ended(facts: dict[str, Any]) -> dict[str, Any]:
    if "finish_reason" in facts:
        return facts
    raise ConnectionError("the stream ended before the answer did")


# ---------------------------------------------------------------------------------------------------------- text models


def text_result(answer: Mapping[str, Any], prompts: int) -> LLMResult:
    """The generations of an answer for that many prompts; the choices of one prompt stand together."""
    choices = sorted(_choices(answer), key=_index)
    each = len(choices) // prompts
    generations = [_text_generation(choice) for choice in choices]
    return LLMResult(
        generations=[generations[start : start + each] for start in range(0, each * prompts, each)],
        llm_output=_facts(answer),
    )


def _text_generation(choice: Mapping[str, Any]) -> Generation:
    return Generation(text=choice.get("text") or "", generation_info=_facts_of(choice))


class TextReader:
    """Reads the chunks of one stream of text, like ``ChatReader``."""

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {}

    def feed(self, body: Mapping[str, Any]) -> GenerationChunk | None:
        """The piece of text in a chunk of the wire, if there is one."""
        self._facts |= _facts(body)
        choice = next((choice for choice in body.get("choices") or () if not choice.get("index")), None)
        if choice is None:
            return None
        facts = _facts_of(choice)
        probabilities = facts.pop("logprobs", None)
        self._facts |= facts
        info = {"logprobs": probabilities} if probabilities else None
        text = choice.get("text") or ""
        return GenerationChunk(text=text, generation_info=info) if text or info else None

    def end(self) -> GenerationChunk:
        """The last chunk, with what the server said of the whole; raises if the server did not say that it is done."""
        return GenerationChunk(text="", generation_info=_ended(self._facts))


def joined_results(results: Sequence[LLMResult]) -> LLMResult:
    """The results of several requests as one; what a server said beside its answers is kept if it was asked once."""
    generations = [generations for result in results for generations in result.generations]
    return LLMResult(generations=generations, llm_output=results[0].llm_output if len(results) == 1 else None)


# ------------------------------------------------------------------------------------------------------------- vectors


def read_vectors(answer: Mapping[str, Any], texts: int, size: int | None = None) -> list[list[float]]:
    """The vectors of an answer, in the order of the texts; ``size`` is how long they were asked to be."""
    vectors = [_unpacked(item["embedding"]) for item in sorted(answer.get("data") or (), key=_index)]
    return checked(vectors, texts, "the model's server", size)


def _unpacked(vector: Any) -> Any:
    """A vector that came as text is the bytes of its numbers, little-endian, in base64."""
    if not isinstance(vector, str):
        return vector
    numbers = array("f", b64decode(vector, validate=True))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()

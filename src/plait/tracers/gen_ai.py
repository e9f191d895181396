"""Runs in the words of OpenTelemetry's semantic conventions for generative AI: the names and attributes of spans.

Pure. The conventions are those of https://github.com/open-telemetry/semantic-conventions-genai, version 0.1.0, where a
workflow is named by ``gen_ai.agent.name``; ``gen_ai.workflow.name``, as it was called before, is given as well. What
they have no word for is in the namespace ``plait``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from math import isfinite
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from plait.redaction import beginning, glimpse, printable
from plait.runs import Run
from plait.tracers.content import named_json, written
from plait.tracers.facts import said_beside, usage_of

__all__ = ["Attributes", "answer", "is_remote", "operation_of", "request", "span_name"]

Attribute: TypeAlias = str | bool | int | float | list[str]
Attributes: TypeAlias = dict[str, Attribute]

_NAME: Final = 200  # characters of a name, or of a value of metadata
_MANY: Final = 50  # of the caller's own metadata
_OPERATIONS: Final = {
    "chat_model": "chat",
    "llm": "text_completion",
    "embedding": "embeddings",
    "tool": "execute_tool",
    "retriever": "retrieval",
}
_OF_MODELS: Final = ("chat", "text_completion", "embeddings")
_PROVIDERS: Final = {"azure-openai": "azure.ai.openai", "bedrock": "aws.bedrock", "mistralai": "mistral_ai"}
_SETTINGS: Final[Mapping[str, Callable[[Any], int | float]]] = {
    "temperature": float,
    "top_p": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "top_k": int,
    "max_tokens": int,
    "seed": int,
}


def operation_of(run: Run) -> str | None:
    """What the conventions call it; None for the steps inside a chain, for which they have no word."""
    if run.parent is None and run.kind == "chain":
        return "invoke_workflow"
    return _OPERATIONS.get(run.kind)


def is_remote(run: Run) -> bool:
    """Whether what it does is usually done elsewhere, by a model or a search engine."""
    return operation_of(run) in (*_OF_MODELS, "retrieval")


def span_name(run: Run) -> str:
    """The operation and what it is of, as in ``chat gpt-4o-mini``; of the steps of a chain only the name."""
    operation = operation_of(run)
    if operation is None:
        return _name(run.name)
    of_model = _model(run.node) if operation in _OF_MODELS else None
    return f"{operation} {of_model or _name(run.name)}"


# ----------------------------------------------------------------------------------------------- known at the beginning


def request(run: Run) -> Attributes:
    """What is known when a run begins."""
    operation = operation_of(run)
    known: Attributes = {} if operation is None else {"gen_ai.operation.name": operation}
    return {**known, **_asked(run, operation), **_recorded(run)}


def _asked(run: Run, operation: str | None) -> Attributes:
    if operation in _OF_MODELS:
        return dict(_of_model(run.node))
    if operation == "execute_tool":
        return dict(_of_tool(run))
    if operation == "retrieval":
        return dict(_of_retriever(run.node))
    name = _name(run.name)
    return {} if operation is None else {"gen_ai.agent.name": name, "gen_ai.workflow.name": name}


def _of_model(node: Any) -> Iterator[tuple[str, Attribute]]:
    yield "gen_ai.provider.name", _provider(node)
    model = _model(node)
    if model is not None:
        yield "gen_ai.request.model", model
    yield from _settings(node)
    yield from _server(node)


def _settings(node: Any) -> Iterator[tuple[str, Attribute]]:
    for setting, kind in _SETTINGS.items():
        value = _number(_of(node, setting))
        if value is not None:
            yield f"gen_ai.request.{setting}", kind(value)
    count, stop = _number(_of(node, "n")), _of(node, "stop")
    if count not in (None, 1):
        yield "gen_ai.request.choice.count", int(count or 0)
    stops = [stop] if isinstance(stop, str) else stop
    if isinstance(stops, list) and stops:
        yield "gen_ai.request.stop_sequences", [_name(each) for each in cast("list[Any]", stops)]


def _server(node: Any) -> Iterator[tuple[str, Attribute]]:
    url = _of(node, "base_url")
    with suppress(ValueError):  # it is no URL
        parts = urlsplit(url if isinstance(url, str) else "")
        port = parts.port or (80 if parts.scheme == "http" else 443)
        if parts.hostname:
            yield "server.address", _name(parts.hostname)
            yield "server.port", port


def _of_tool(run: Run) -> Iterator[tuple[str, Attribute]]:
    yield "gen_ai.tool.name", _name(run.name)
    yield "gen_ai.tool.type", "function"
    description = _of(run.node, "description")
    if isinstance(description, str) and description:
        yield "gen_ai.tool.description", _name(description)
    call = cast("dict[str, Any]", run.inputs) if isinstance(run.inputs, dict) else {}
    if call.get("type") == "tool_call" and isinstance(call.get("id"), str):
        yield "gen_ai.tool.call.id", _name(call["id"])


def _of_retriever(node: Any) -> Iterator[tuple[str, Attribute]]:
    settings = _of(node, "search_kwargs")
    given = cast("dict[str, Any]", settings).get("k") if isinstance(settings, dict) else _of(node, "k")
    count = _number(given)
    if count is not None:
        yield "gen_ai.retrieval.top_k", int(count)


def _recorded(run: Run) -> Attributes:
    """The record of the run; the caller's metadata has a namespace to itself, so that it cannot pose as anything else."""
    facts: Attributes = {"plait.run.id": str(run.id), "plait.run.kind": run.kind, "plait.run.name": _name(run.name)}
    if run.tags:
        facts["plait.run.tags"] = [_name(tag) for tag in run.tags]
    for name, value in islice(run.metadata.items(), _MANY):
        known = named_json(name, value, _NAME)
        facts[f"plait.metadata.{_name(name)}"] = (
            known if isinstance(known, str | bool | int | float) else written(known)
        )
    return facts


# ----------------------------------------------------------------------------------------------------- known at the end


def answer(run: Run) -> Attributes:
    """What is known when a run has ended."""
    return {"plait.run.status": run.status, **dict(_answered(run)), **dict(_spent(run))}


def _answered(run: Run) -> Iterator[tuple[str, Attribute]]:
    said = said_beside(run)
    if isinstance(said.get("model_name"), str):
        yield "gen_ai.response.model", _name(said["model_name"])
    id = getattr(run.outputs, "id", None) if said else None
    if isinstance(id, str) and not id.startswith("run-"):  # such an id is our own
        yield "gen_ai.response.id", _name(id)
    reason = said.get("finish_reason") or said.get("stop_reason")
    if isinstance(reason, str):
        yield "gen_ai.response.finish_reasons", [_name(reason)]


def _spent(run: Run) -> Iterator[tuple[str, Attribute]]:
    usage = usage_of(run) or {}
    read, made = _part(usage, "input_token_details"), _part(usage, "output_token_details")
    counts = {
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "cache_read.input_tokens": read.get("cache_read"),
        "cache_write.input_tokens": read.get("cache_creation"),
        "reasoning.output_tokens": made.get("reasoning"),
    }
    for name, count in counts.items():
        if _number(count) is not None:
            yield f"gen_ai.usage.{name}", int(cast(int, count))


def _part(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = usage.get(name)
    return cast("Mapping[str, Any]", part) if isinstance(part, Mapping) else {}


# -------------------------------------------------------------------------------------------- reading a node with care


def _of(node: Any, name: str) -> Any:
    """An attribute of a user's object, which may lack it, or fail to give it."""
    try:
        return getattr(node, name, None)
    except Exception:
        return None


def _model(node: Any) -> str | None:
    names = (_of(node, name) for name in ("model", "model_name", "model_id"))
    name = next((name for name in names if isinstance(name, str) and name), None)
    if name is None:
        return None
    return _name(name.replace("\\", "/").rpartition("/")[2] if name.endswith(".gguf") else name)


def _provider(node: Any) -> str:
    """The vendor by its name in the conventions, else the kind of model as its class calls it."""
    kind = _of(node, "_llm_type")
    name = _name(kind if isinstance(kind, str) else type(node).__name__)
    vendor = name.removesuffix("-chat").removeprefix("chat-")
    return _PROVIDERS.get(vendor, vendor)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and isfinite(value) else None


def _name(value: Any) -> str:
    return printable(beginning(value, _NAME)) if isinstance(value, str) else glimpse(value, _NAME)

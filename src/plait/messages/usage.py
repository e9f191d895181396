"""How many tokens an answer took, and how such counts add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, cast

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict


@with_config(ConfigDict(extra="allow"))
class InputTokenDetails(TypedDict, total=False):
    """What the input tokens were; the counts need not add up to the total."""

    audio: int
    cache_creation: int
    cache_read: int


@with_config(ConfigDict(extra="allow"))
class OutputTokenDetails(TypedDict, total=False):
    """What the output tokens were; the counts need not add up to the total."""

    audio: int
    reasoning: int


@with_config(ConfigDict(extra="allow"))
class UsageMetadata(TypedDict):
    """Token counts of one answer, the same for every vendor."""

    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_token_details: NotRequired[InputTokenDetails]
    output_token_details: NotRequired[OutputTokenDetails]


def add_usage(left: UsageMetadata | None, right: UsageMetadata | None) -> UsageMetadata:
    """Give the sum of two counts; ``None`` counts as nothing."""
    zero = UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
    return join_usage([zero, *(usage for usage in (left, right) if usage)])


def join_usage(parts: list[UsageMetadata]) -> UsageMetadata:
    """Give the sum of all counts."""
    return cast(UsageMetadata, _add_up(cast(list[dict[str, Any]], parts)))


def _add_up(parts: list[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = _plus(total.get(key), value)
    return total


def _plus(total: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _add_up([total or {}, cast(dict[str, Any], value)])
    if isinstance(value, int | float) and isinstance(total, int | float):
        return total + value
    return total if value is None else value

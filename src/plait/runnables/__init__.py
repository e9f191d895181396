"""The Runnable protocol: what everything in plait is, and the algebra that joins it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plait.runnables.base import (
    RouterRunnable,
    Runnable,
    RunnableAssign,
    RunnableBinding,
    RunnableBranch,
    RunnableConfigurableAlternatives,
    RunnableConfigurableFields,
    RunnableEach,
    RunnableGenerator,
    RunnableLambda,
    RunnableMap,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableRetry,
    RunnableSequence,
    RunnableWithFallbacks,
    coerce_to_runnable,
)
from plait.runnables.config import (
    RunnableConfig,
    current_config,
    ensure_config,
    merge_configs,
    patch_config,
    run_in_executor,
)
from plait.runnables.configuring import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    ConfigurableFieldSpec,
)
from plait.runnables.decorator import chain

if TYPE_CHECKING:
    from plait.runnables.serializable import RunnableSerializable as RunnableSerializable

__all__ = [
    "ConfigurableField",
    "ConfigurableFieldMultiOption",
    "ConfigurableFieldSingleOption",
    "ConfigurableFieldSpec",
    "RouterRunnable",
    "Runnable",
    "RunnableAssign",
    "RunnableBinding",
    "RunnableBranch",
    "RunnableConfig",
    "RunnableConfigurableAlternatives",
    "RunnableConfigurableFields",
    "RunnableEach",
    "RunnableGenerator",
    "RunnableLambda",
    "RunnableMap",
    "RunnableParallel",
    "RunnablePassthrough",
    "RunnablePick",
    "RunnableRetry",
    "RunnableSequence",
    "RunnableSerializable",
    "RunnableWithFallbacks",
    "chain",
    "coerce_to_runnable",
    "current_config",
    "ensure_config",
    "merge_configs",
    "patch_config",
    "run_in_executor",
]


def __getattr__(name: str) -> Any:
    if name == "RunnableSerializable":  # it loads pydantic, which the protocol itself does not need
        from plait.runnables.serializable import RunnableSerializable

        return RunnableSerializable
    if name == "RunnableWithMessageHistory":  # known here, but it needs messages and stands above
        from importlib import import_module

        return import_module("plait.runnables.history").RunnableWithMessageHistory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

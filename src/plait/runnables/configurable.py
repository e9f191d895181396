"""Configurable runnables under the name that users know; the nodes live in ``base``, the fields in ``configuring``."""

from plait.runnables.base import RunnableConfigurableAlternatives, RunnableConfigurableFields
from plait.runnables.configuring import (
    AnyConfigurableField,
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    ConfigurableFieldSpec,
)

__all__ = [
    "AnyConfigurableField",
    "ConfigurableField",
    "ConfigurableFieldMultiOption",
    "ConfigurableFieldSingleOption",
    "ConfigurableFieldSpec",
    "RunnableConfigurableAlternatives",
    "RunnableConfigurableFields",
]

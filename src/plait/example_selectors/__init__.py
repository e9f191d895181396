"""Example selectors: which examples a prompt shows, by what it is asked."""

from plait.example_selectors.base import BaseExampleSelector
from plait.example_selectors.by_length import LengthBasedExampleSelector
from plait.example_selectors.by_likeness import (
    ExampleStore,
    MaxMarginalRelevanceExampleSelector,
    SemanticSimilarityExampleSelector,
)

__all__ = [
    "BaseExampleSelector",
    "ExampleStore",
    "LengthBasedExampleSelector",
    "MaxMarginalRelevanceExampleSelector",
    "SemanticSimilarityExampleSelector",
]

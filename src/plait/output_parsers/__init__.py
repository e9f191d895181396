"""Output parsers: from what a model says to a value that a program can use."""

from plait.output_parsers.base import BaseGenerationOutputParser, BaseOutputParser, BaseTransformOutputParser
from plait.output_parsers.string import StrOutputParser

__all__ = ["BaseGenerationOutputParser", "BaseOutputParser", "BaseTransformOutputParser", "StrOutputParser"]

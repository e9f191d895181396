"""Output parsers: from what a model says to a value that a program can use."""

from plait.output_parsers.base import BaseGenerationOutputParser, BaseOutputParser, BaseTransformOutputParser
from plait.output_parsers.cumulative import BaseCumulativeTransformOutputParser
from plait.output_parsers.json import JsonOutputParser, SimpleJsonOutputParser
from plait.output_parsers.openai_tools import JsonOutputKeyToolsParser, JsonOutputToolsParser, PydanticToolsParser
from plait.output_parsers.pydantic import PydanticOutputParser
from plait.output_parsers.string import StrOutputParser

__all__ = [
    "BaseCumulativeTransformOutputParser",
    "BaseGenerationOutputParser",
    "BaseOutputParser",
    "BaseTransformOutputParser",
    "JsonOutputKeyToolsParser",
    "JsonOutputParser",
    "JsonOutputToolsParser",
    "PydanticOutputParser",
    "PydanticToolsParser",
    "SimpleJsonOutputParser",
    "StrOutputParser",
]

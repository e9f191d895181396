"""Output parsers: from what a model says to a value that a program can use."""

from plait.output_parsers.base import BaseGenerationOutputParser, BaseOutputParser, BaseTransformOutputParser
from plait.output_parsers.boolean import BooleanOutputParser
from plait.output_parsers.cumulative import BaseCumulativeTransformOutputParser
from plait.output_parsers.datetime import DatetimeOutputParser
from plait.output_parsers.enum import EnumOutputParser
from plait.output_parsers.fixing import OutputFixingParser
from plait.output_parsers.json import JsonOutputParser, SimpleJsonOutputParser
from plait.output_parsers.lists import (
    CommaSeparatedListOutputParser,
    ListOutputParser,
    MarkdownListOutputParser,
    NumberedListOutputParser,
)
from plait.output_parsers.openai_functions import (
    JsonKeyOutputFunctionsParser,
    JsonOutputFunctionsParser,
    PydanticOutputFunctionsParser,
)
from plait.output_parsers.openai_tools import JsonOutputKeyToolsParser, JsonOutputToolsParser, PydanticToolsParser
from plait.output_parsers.pydantic import PydanticOutputParser
from plait.output_parsers.retry import RetryOutputParser, RetryWithErrorOutputParser
from plait.output_parsers.string import StrOutputParser
from plait.output_parsers.xml import XMLOutputParser

__all__ = [
    "BaseCumulativeTransformOutputParser",
    "BaseGenerationOutputParser",
    "BaseOutputParser",
    "BaseTransformOutputParser",
    "BooleanOutputParser",
    "CommaSeparatedListOutputParser",
    "DatetimeOutputParser",
    "EnumOutputParser",
    "JsonKeyOutputFunctionsParser",
    "JsonOutputFunctionsParser",
    "JsonOutputKeyToolsParser",
    "JsonOutputParser",
    "JsonOutputToolsParser",
    "ListOutputParser",
    "MarkdownListOutputParser",
    "NumberedListOutputParser",
    "OutputFixingParser",
    "PydanticOutputFunctionsParser",
    "PydanticOutputParser",
    "PydanticToolsParser",
    "RetryOutputParser",
    "RetryWithErrorOutputParser",
    "SimpleJsonOutputParser",
    "StrOutputParser",
    "XMLOutputParser",
]

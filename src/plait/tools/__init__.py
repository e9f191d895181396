"""Tools: what a model may have done, functions with a name, a description and a schema."""

from plait.tools.arguments import InjectedToolArg, InjectedToolCallId
from plait.tools.function_schemas import convert_to_openai_function, convert_to_openai_tool

__all__ = ["InjectedToolArg", "InjectedToolCallId", "convert_to_openai_function", "convert_to_openai_tool"]

"""Tools: what a model may have done, functions with a name, a description and a schema."""

from plait.errors import ToolException, ToolInputError
from plait.tools.arguments import InjectedToolArg, InjectedToolCallId
from plait.tools.base import BaseTool, BaseToolkit
from plait.tools.function_schemas import convert_to_openai_function, convert_to_openai_tool
from plait.tools.functions import StructuredTool, Tool, tool
from plait.tools.node import ToolNode
from plait.tools.rendering import render_text_description, render_text_description_and_args
from plait.tools.runnables import RunnableTool, as_tool, create_retriever_tool

__all__ = [
    "BaseTool",
    "BaseToolkit",
    "InjectedToolArg",
    "InjectedToolCallId",
    "RunnableTool",
    "StructuredTool",
    "Tool",
    "ToolException",
    "ToolInputError",
    "ToolNode",
    "as_tool",
    "convert_to_openai_function",
    "convert_to_openai_tool",
    "create_retriever_tool",
    "render_text_description",
    "render_text_description_and_args",
    "tool",
]

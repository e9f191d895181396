"""Tools made of Runnables: a chain, or a retriever, that a model may call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, RootModel

from plait.concurrency import in_thread
from plait.documents import Document
from plait.errors import ChainError
from plait.prompts import BasePromptTemplate, PromptTemplate
from plait.runnables import Runnable, RunnableLambda
from plait.schemas import object_model
from plait.tools.base import BaseTool, ToolsArguments

__all__ = ["RunnableTool", "as_tool", "create_retriever_tool"]

_WHOLE = "input"
"""The argument that is the whole input of a Runnable which takes no dict."""


class RunnableTool(BaseTool):
    """A tool that calls a Runnable: ``as_tool`` makes one."""

    model_config = ConfigDict(frozen=True)

    runnable: Runnable[Any, Any] = Field(exclude=True)
    whole: bool = False
    """Whether its one argument, ``input``, is what the Runnable gets, in the place of a dict."""

    def _run(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.runnable.invoke(kwargs[_WHOLE] if self.whole else kwargs)

    async def _arun(self, /, *args: Any, **kwargs: Any) -> Any:
        return await self.runnable.ainvoke(kwargs[_WHOLE] if self.whole else kwargs)

    @property
    def OutputType(self) -> Any:
        return Any if self.response_format == "content_and_artifact" else self.runnable.OutputType


def as_tool(
    runnable: Runnable[Any, Any],
    args_schema: ToolsArguments | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    arg_types: Mapping[str, Any] | None = None,
    **settings: Any,
) -> RunnableTool:
    """A Runnable as a tool; its arguments are the keys of the dict that it takes, or ``input``, if it takes none.

    They are read from its input schema, unless ``args_schema`` or ``arg_types`` (types by name) says more.
    """
    called = name or runnable.get_name()
    schema, whole = _arguments(runnable, called, args_schema, arg_types)
    said = description or f"Run {called}."
    return RunnableTool(name=called, description=said, runnable=runnable, whole=whole, args_schema=schema, **settings)


def _arguments(
    runnable: Runnable[Any, Any], name: str, args_schema: ToolsArguments | None, arg_types: Mapping[str, Any] | None
) -> tuple[ToolsArguments, bool]:
    if args_schema is not None:
        return args_schema, False
    if arg_types is not None:
        return object_model(name, {key: (kind, ...) for key, kind in arg_types.items()}), False
    schema = runnable.get_input_schema()
    if not issubclass(schema, RootModel):
        return schema, False
    written = schema.model_json_schema()
    if written.get("type") == "object" and not written.get("properties"):
        raise ChainError(f"{name} takes a dict, and nobody says with what in it: give as_tool args_schema or arg_types")
    return object_model(
        name, {_WHOLE: (cast("type[RootModel[Any]]", schema).model_fields["root"].annotation, ...)}
    ), True


class _Query(BaseModel):
    query: str = Field(description="what to look for")


def create_retriever_tool(
    retriever: Runnable[str, list[Document]],
    name: str,
    description: str,
    *,
    document_prompt: BasePromptTemplate | None = None,
    document_separator: str = "\n\n",
    response_format: Literal["content", "content_and_artifact"] = "content",
) -> RunnableTool:
    """A tool that gives what a retriever finds for a query, as one text; with an artifact also the documents.

    Each document is written by ``document_prompt``, of its ``page_content`` and its metadata; as its text by default.
    """
    prompt = document_prompt or PromptTemplate.from_template("{page_content}")

    def written(documents: list[Document]) -> Any:
        texts = [prompt.invoke(_values(document)).to_string() for document in documents]
        text = document_separator.join(texts)
        return (text, documents) if response_format == "content_and_artifact" else text

    async def awritten(documents: list[Document]) -> Any:  # twin: many documents take their time
        return await in_thread(written, documents)

    chain = retriever | RunnableLambda(written, afunc=awritten, name="written")
    return RunnableTool(
        name=name,
        description=description,
        runnable=_of_query(chain),
        args_schema=_Query,
        response_format=response_format,
    )


def _of_query(chain: Runnable[str, Any]) -> Runnable[dict[str, Any], Any]:
    from plait.runnables import RunnablePick

    return RunnablePick("query") | chain


def _values(document: Document) -> dict[str, Any]:
    return {**document.metadata, "page_content": document.page_content}

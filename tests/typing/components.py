"""The types of chains of components, as mypy and pyright see them; never run."""

from __future__ import annotations

from typing import Any, TypedDict, assert_type

from pydantic import BaseModel

from plait import (
    AIMessage,
    BaseChatModel,
    ChatPromptTemplate,
    ConfigurableChatModel,
    Runnable,
    RunnablePassthrough,
    StrOutputParser,
    init_chat_model,
)
from plait.output_parsers import NumberedListOutputParser, OutputFixingParser, PydanticOutputParser
from plait.testing import FakeListChatModel

prompt = ChatPromptTemplate.from_template("{topic}")
model = FakeListChatModel(responses=["a"])


def shout(text: str) -> str:
    return text.upper()


assert_type((prompt | model).invoke({"topic": "x"}), AIMessage)
assert_type((prompt | model | StrOutputParser()).invoke({"topic": "x"}), str)
assert_type((prompt | model | StrOutputParser() | shout).invoke({"topic": "x"}), str)
assert_type(({"topic": RunnablePassthrough()} | prompt | model | StrOutputParser()).invoke("x"), str)
assert_type((RunnablePassthrough.assign(topic=shout) | prompt | model | StrOutputParser()).invoke({"topic": "x"}), str)
as_declared: Runnable[dict[str, str], str] = prompt | model | StrOutputParser()


# --- structures
class Pet(BaseModel):
    name: str


class PetDict(TypedDict):
    name: str


assert_type(model.with_structured_output(Pet).invoke("x"), Pet)
assert_type(next(model.with_structured_output(Pet).stream("x")), Pet)
assert_type((prompt | model.with_structured_output(Pet)).invoke({"topic": "x"}), Pet)
assert_type(model.with_structured_output(PetDict).invoke("x"), PetDict)
assert_type(model.with_structured_output({"title": "Pet"}).invoke("x"), dict[str, Any])
assert_type(model.with_structured_output(Pet, include_raw=True).invoke("x")["parsed"], Pet | None)

# --- tools
assert_type(model.bind_tools([shout]).invoke("x"), AIMessage)
assert_type((model.bind_tools([shout], tool_choice="any") | StrOutputParser()).invoke("x"), str)

# --- models by name
assert_type(init_chat_model("local"), BaseChatModel)
assert_type(init_chat_model(), ConfigurableChatModel)
assert_type(init_chat_model("local", configurable_fields="any").invoke("x"), AIMessage)

# --- parsers
objects = PydanticOutputParser(pydantic_object=Pet)
assert_type((model | objects).invoke("x"), Pet)
assert_type(OutputFixingParser.from_llm(model, objects).invoke("x"), Pet)
assert_type((model | NumberedListOutputParser()).invoke("x"), list[str])

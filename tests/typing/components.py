"""The types of chains of components, as mypy and pyright see them; never run."""

from __future__ import annotations

from typing import assert_type

from plait import AIMessage, ChatPromptTemplate, Runnable, RunnablePassthrough, StrOutputParser
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

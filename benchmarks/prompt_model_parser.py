"""A prompt, a fake chat model and a string parser: what plait itself costs around a model call."""

from __future__ import annotations

from langchain_core.language_models import FakeListChatModel as TheirModel
from langchain_core.output_parsers import StrOutputParser as TheirParser
from langchain_core.prompts import ChatPromptTemplate as TheirPrompt

from benchmarks.timing import Row, at_most, seconds
from plait import ChatPromptTemplate, StrOutputParser
from plait.testing import FakeListChatModel

TEMPLATE = "tell me a joke about {topic}"


def rows() -> list[Row]:
    ours = ChatPromptTemplate.from_template(TEMPLATE) | FakeListChatModel(responses=["a joke"]) | StrOutputParser()
    theirs = TheirPrompt.from_template(TEMPLATE) | TheirModel(responses=["a joke"]) | TheirParser()
    plain, peer = seconds(lambda: ours.invoke({"topic": "bears"}), lambda: theirs.invoke({"topic": "bears"}), times=100)
    return [at_most("prompt | fake chat model | string parser", plain, "langchain-core", peer, 1 / 15)]

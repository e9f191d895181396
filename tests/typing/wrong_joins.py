"""Joins that cannot work: each line must be an error for mypy and for pyright, and the checks fail if one is not."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from plait import ChatPromptTemplate, RunnableLambda, StrOutputParser
from plait.testing import FakeListChatModel


def length(text: str) -> int:
    return len(text)


def is_even(number: int) -> bool:
    return number % 2 == 0


to_length = RunnableLambda(length)
to_even = RunnableLambda(is_even)
prompt = ChatPromptTemplate.from_template("{a}")
model = FakeListChatModel(responses=["b"])

wrong_1: object = to_even | to_length  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
wrong_2: object = to_length | to_length  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
wrong_3: object = to_even | length  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
wrong_4: object = to_length | 3  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
wrong_5: object = to_length.invoke(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
wrong_6: object = prompt | model | StrOutputParser() | is_even  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType]
wrong_7: object = to_length.bind().invok  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
wrong_8: object = to_length.configurable_fields(func="f")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

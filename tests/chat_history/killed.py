"""A program that is killed: it writes runs, each of two messages, and says on its output which are committed."""

from __future__ import annotations

import sys
from itertools import count

from plait.chat_history import BaseChatMessageHistory, PostgresChatMessageHistory, SQLiteChatMessageHistory
from plait.messages import AIMessage, HumanMessage


def main(kind: str, place: str, table: str, first: str) -> None:
    history: BaseChatMessageHistory
    if kind == "sqlite":
        history = SQLiteChatMessageHistory("s", place, table=table)
    else:
        history = PostgresChatMessageHistory("s", place, table=table)
    for number in count(int(first)):
        history.add_messages([HumanMessage(f"{number}"), AIMessage(f"{number} " + "x" * 3000)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What one run has to do with a conversation: what the chain is asked, and which messages are new afterwards. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from plait.errors import MessageError
from plait.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages, message_chunk_to_message

__all__ = ["Keys", "asked", "messages_of_input", "messages_of_output"]

_INPUT = "a text, a message or a list of messages"


class Keys(NamedTuple):
    """In which key of a dict the new messages, the answer and the history stand."""

    input: str | None
    output: str | None
    history: str | None


def asked(input: Any, history: Sequence[BaseMessage], new: Sequence[BaseMessage], keys: Keys) -> Any:
    """What the chain gets: the history in its own key of the dict, or before the new messages."""
    if keys.history is not None:
        return {**_dict_with(input, keys.input), keys.history: list(history)}
    if keys.input is not None:
        return {**_dict_with(input, keys.input), keys.input: [*history, *new]}
    return [*history, *new]


def _dict_with(input: Any, key: str | None) -> Mapping[str, Any]:
    if not isinstance(input, Mapping):
        raise TypeError(f"expected a dict as input, since a history or input key is named; got {_kind(input)}")
    given = cast("Mapping[str, Any]", input)
    if key is not None and key not in given:
        raise KeyError(f"the input has no key {key!r} (input_messages_key); its keys are {_listed(given)}")
    return given


def messages_of_input(input: Any, keys: Keys) -> list[BaseMessage]:
    """The new messages of an input: the value of its key, of its only one or ``input``; or the input itself."""
    if isinstance(input, Mapping) or keys.input is not None or keys.history is not None:
        given = _dict_with(input, keys.input)
        input = given[keys.input or _only_key(given, "input", "input_messages_key")]
    if isinstance(input, str):
        return [HumanMessage(content=input)]
    if isinstance(input, BaseMessage):
        return [message_chunk_to_message(input)]
    if isinstance(input, Sequence) or hasattr(input, "to_messages"):
        return [message_chunk_to_message(message) for message in convert_to_messages(cast(Any, input))]
    raise TypeError(f"expected {_INPUT} as what is new in the conversation, got {_kind(input)}")


def messages_of_output(output: Any, keys: Keys) -> list[BaseMessage]:
    """The messages of an output: the value of its key, of its only one or ``output``; or the output itself."""
    if isinstance(output, Mapping):
        given = cast("Mapping[str, Any]", output)
        key = keys.output or _only_key(given, "output", "output_messages_key")
        if key not in given:
            raise KeyError(f"the output has no key {key!r} (output_messages_key); its keys are {_listed(given)}")
        output = given[key]
    if isinstance(output, list | tuple):
        return [_answer(message) for message in cast("list[Any]", output)]
    return [_answer(output)]


def _answer(output: Any) -> BaseMessage:
    if isinstance(output, str):
        return AIMessage(content=output)
    if isinstance(output, BaseMessage):
        return message_chunk_to_message(output)
    raise MessageError(
        f"expected the chain to give {_INPUT}, or a dict with one of them, so that it can be kept in the history; "
        f"got {_kind(output)}; name the key of a dict in output_messages_key"
    )


def _only_key(given: Mapping[str, Any], usual: str, option: str) -> str:
    if len(given) == 1:
        return next(iter(given))
    if usual in given:
        return usual
    raise KeyError(f"which key of the {usual} holds its messages? Name it in {option}; the keys are {_listed(given)}")


def _listed(given: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, given)) or "none"


def _kind(thing: object) -> str:
    return "None" if thing is None else f"an object of type {type(thing).__name__}"  # its repr may hold a secret

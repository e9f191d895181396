"""Messages, chunks, documents, prompt values and results, from one library to the other and back.

Nothing is lost and nothing is checked twice: what one library has validated is taken over field by field, fields that
a class of the other does not declare become extra ones. The containers in which such values lie are walked through, at
most ``MAX_DEPTH`` deep, each once; one in which nothing had to be translated stays the very same object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from plait.documents import Document
from plait.errors import MessageError
from plait.merging import MAX_DEPTH
from plait.messages import MESSAGE_CHUNKS, MESSAGES, AIMessageChunk, BaseMessage
from plait.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult
from plait.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
from plait.providers.langchain.peer import class_of, is_loaded, of, peer

__all__ = ["addable", "inward", "is_data", "is_our_data", "outward"]

_Translate: TypeAlias = Callable[[Any], Any]

_OURS: Final[Mapping[str, type[BaseMessage]]] = {kind.__name__: kind for kind in (*MESSAGES, *MESSAGE_CHUNKS)}
_PLAIN: Final = frozenset({type(None), bool, int, float, complex, str, bytes})
_NO_PIECES: Final = ("tool_calls", "invalid_tool_calls")  # of a chunk: what is made of its pieces, not kept


def inward(value: Any) -> Any:
    """What LangChain gives, as plait has it; what is nobody's stays as it is."""
    return value if type(value) in _PLAIN or not is_loaded() else _Walk(_inward_leaf).through(value, 0)


def outward(value: Any) -> Any:
    """What plait gives, as LangChain has it; what is nobody's stays as it is."""
    return value if type(value) in _PLAIN else _Walk(_outward_leaf).through(value, 0)


def addable(chunk: Any) -> Any:
    """A chunk of a stream as LangChain has it: of two dicts that are to add up it wants to be told so."""
    translated = outward(chunk)
    return peer().runnables.utils.AddableDict(translated) if type(chunk) is dict else translated


def is_data(thing: object) -> bool:
    """Whether LangChain's classes for plain data know the thing."""
    lc = peer()
    kinds = (lc.messages.BaseMessage, lc.documents.Document, lc.prompt_values.PromptValue, lc.outputs.Generation)
    return isinstance(thing, (*kinds, lc.outputs.ChatResult, lc.outputs.LLMResult))


def is_our_data(thing: object) -> bool:
    """Whether plait's classes for plain data know the thing."""
    return isinstance(thing, BaseMessage | Document | PromptValue | Generation | ChatResult | LLMResult)


# ------------------------------------------------------------------------------------------------------- containers


class _Walk:
    """One walk through nested containers; what is shared, or holds itself, is translated once."""

    def __init__(self, leaf: _Translate) -> None:
        self.leaf = leaf
        self.known: dict[int, tuple[Any, Any]] = {}  # with the original, so that its id stays its own

    def through(self, value: Any, depth: int) -> Any:
        kind = class_of(value)
        if kind in _PLAIN:
            return value
        rebuild = _REBUILD.get(kind)
        if rebuild is None:
            rebuild = _plain_kind(value)
            if rebuild is None:
                return self.leaf(value)
        elif depth >= MAX_DEPTH or _holds_plain(value):
            return value
        if id(value) not in self.known:
            self.known[id(value)] = (value, value)
            self.known[id(value)] = (value, rebuild(value, lambda item: self.through(item, depth + 1)))
        return self.known[id(value)][1]


def _holds_plain(value: Any) -> bool:
    items = cast("dict[Any, Any]", value).values() if type(value) is dict else value
    return {*map(type, items)} <= _PLAIN


def _items(value: Any, each: _Translate) -> Any:
    new = [each(item) for item in value]
    same = all(a is b for a, b in zip(new, value, strict=True))
    return value if same else class_of(value)(new)


def _values(value: Any, each: _Translate) -> Any:
    new = {key: each(item) for key, item in value.items()}
    return value if class_of(value) is dict and all(new[key] is value[key] for key in new) else new


_REBUILD: Final[Mapping[type, Callable[[Any, _Translate], Any]]] = {list: _items, tuple: _items, dict: _values}


def _plain_kind(value: Any) -> Callable[[Any, _Translate], Any] | None:
    """How a value is rebuilt whose class only says how it adds up, here or there; such classes end at the border."""
    kind = class_of(value)
    if kind.__module__ != "langchain_core.runnables.utils" and not hasattr(kind, "__merge_all__"):
        return None
    return next((_BARE[base] for base in _BARE if issubclass(kind, base)), None)


def _bare(value: Any, each: _Translate) -> Any:
    return [each(item) for item in value]


def _text(value: Any, each: _Translate) -> str:
    return str.__str__(value)


_BARE: Final[Mapping[type, Callable[[Any, _Translate], Any]]] = {dict: _values, list: _bare, str: _text}


# ---------------------------------------------------------------------------------------------------------- to plait


def _inward_leaf(value: Any) -> Any:
    lc = peer()
    if isinstance(value, lc.messages.BaseMessage):
        return _inward_message(value)
    if isinstance(value, lc.documents.Document):
        return Document.model_construct(**_shared(value, Document))
    if isinstance(value, lc.prompt_values.PromptValue):
        return _inward_prompt(value)
    if isinstance(value, lc.outputs.Generation | lc.outputs.ChatResult | lc.outputs.LLMResult):
        return _inward_result(value)
    return value


def _inward_message(message: Any) -> BaseMessage:
    kind = _kind_of(class_of(message))
    if kind is None:
        raise MessageError(
            f"plait has no counterpart of {of(message)}; its messages are {', '.join(k.__name__ for k in MESSAGES)}. "
            "Such a message is an instruction to LangGraph or a class of your own: take it out before it comes here"
        )
    fields: dict[str, Any] = {**vars(message), **(message.__pydantic_extra__ or {})}
    if issubclass(kind, AIMessageChunk):
        fields = {name: value for name, value in fields.items() if name not in _NO_PIECES or _counts(fields, name)}
    return cast(BaseMessage, _made(kind, fields, message.model_fields_set))


def _counts(fields: dict[str, Any], name: str) -> bool:
    """Whether the calls of a chunk are all there is, as it has no pieces of them."""
    return bool(fields[name]) and not fields.get("tool_call_chunks")


def _kind_of(theirs: type[Any]) -> type[BaseMessage] | None:
    home = peer().messages
    known = (
        _OURS[base.__name__]
        for base in theirs.__mro__
        if base is getattr(home, base.__name__, None) and base.__name__ in _OURS
    )
    return next(known, None)


def _inward_prompt(prompt: Any) -> PromptValue:
    if isinstance(prompt, peer().prompt_values.StringPromptValue):
        return StringPromptValue(text=prompt.text)
    return ChatPromptValue.model_construct(messages=[_inward_message(each) for each in prompt.to_messages()])


def _inward_result(result: Any) -> Any:
    lc = peer().outputs
    if isinstance(result, lc.LLMResult):
        generations = [[_inward_generation(each) for each in row] for row in result.generations]
        return LLMResult(generations=generations, llm_output=result.llm_output)
    if isinstance(result, lc.ChatResult):
        return ChatResult(
            generations=[_inward_generation(each) for each in result.generations], llm_output=result.llm_output
        )
    return _inward_generation(result)


def _inward_generation(generation: Any) -> Any:
    lc, info = peer().outputs, generation.generation_info
    if isinstance(generation, lc.ChatGenerationChunk):
        return ChatGenerationChunk(message=cast(Any, _inward_message(generation.message)), generation_info=info)
    if isinstance(generation, lc.ChatGeneration):
        return ChatGeneration(message=_inward_message(generation.message), generation_info=info)
    kind = GenerationChunk if isinstance(generation, lc.GenerationChunk) else Generation
    return kind(text=generation.text, generation_info=info)


# ------------------------------------------------------------------------------------------------------ to LangChain


def _outward_leaf(value: Any) -> Any:
    if isinstance(value, BaseMessage):
        return _outward_message(value)
    if isinstance(value, Document):
        return peer().documents.Document.model_construct(**_shared(value, Document))
    if isinstance(value, StringPromptValue):
        return peer().prompt_values.StringPromptValue(text=value.text)
    if isinstance(value, PromptValue):
        messages = [_outward_message(each) for each in value.to_messages()]
        return peer().prompt_values.ChatPromptValue.model_construct(messages=messages)
    if isinstance(value, Generation | ChatResult | LLMResult):
        return _outward_result(value)
    return value


def _outward_message(message: BaseMessage) -> Any:
    ours = next((kind for kind in type(message).__mro__ if _OURS.get(kind.__name__) is kind), None)
    if ours is None:
        raise MessageError(f"LangChain has no counterpart of {of(message)}; subclass one of {', '.join(_OURS)}")
    fields = {name: getattr(message, name) for name in type(message).model_fields}
    theirs = getattr(peer().messages, ours.__name__)
    return _made(theirs, {**fields, **(message.model_extra or {})}, message.model_fields_set)


def _outward_result(result: Any) -> Any:
    lc = peer().outputs
    if isinstance(result, LLMResult):
        generations = [[_outward_generation(each) for each in row] for row in result.generations]
        return lc.LLMResult(generations=generations, llm_output=result.llm_output)
    if isinstance(result, ChatResult):
        return lc.ChatResult(
            generations=[_outward_generation(each) for each in result.generations], llm_output=result.llm_output
        )
    return _outward_generation(result)


def _outward_generation(generation: Generation) -> Any:
    lc, info = peer().outputs, generation.generation_info
    if isinstance(generation, ChatGenerationChunk):
        return lc.ChatGenerationChunk(message=_outward_message(generation.message), generation_info=info)
    if isinstance(generation, ChatGeneration):
        return lc.ChatGeneration(message=_outward_message(generation.message), generation_info=info)
    kind = lc.GenerationChunk if isinstance(generation, GenerationChunk) else lc.Generation
    return kind(text=generation.text, generation_info=info)


# ------------------------------------------------------------------------------------------------------------ fields


def _made(kind: Any, fields: dict[str, Any], names: set[str]) -> Any:
    """A message of the class ``kind`` with these fields; ``type`` is the class's own."""
    own = {name: _own(value) for name, value in fields.items() if name != "type"}
    return kind.model_construct(_fields_set={*names} & {*own}, **own)


def _own(value: Any) -> Any:
    """A container that whoever gets the message may change; what lies deeper is shared."""
    if type(value) is list:
        return [dict(cast("dict[Any, Any]", item)) if type(item) is dict else item for item in cast("list[Any]", value)]
    return dict(cast("dict[Any, Any]", value)) if type(value) is dict else value


def _shared(value: Any, kind: Any) -> dict[str, Any]:
    return {name: _own(getattr(value, name)) for name in kind.model_fields if name != "type"}

"""Prompts out of files that hold data: what may stand in one, key by key; nothing else is read, looked up or run.

The kinds, by ``_type``: ``prompt`` (also if it is left out), ``few_shot``, ``chat`` and ``few_shot_chat``. What
LangChain's ``save`` wrote is read, too. A chat prompt's messages are each one of

    {"role": "system", "content": "You are {role}"}      content: a text, or a list of blocks
    {"custom_role": "critic", "content": "{text}"}       a role of any name
    {"role": "system", "prompt": {"_type": …}}           a text that is more than a template
    {"placeholder": "history", "optional": true}         a list of messages
    {"literal": {"type": "human", "data": {…}}}          a message as it is
    {"_type": "few_shot_chat", …}                        another prompt
    ["system", "You are {role}"]                         the first one in short
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from plait.errors import LoadError, MessageError, PromptError
from plait.messages import BaseMessage, messages_from_dict
from plait.prompts.base import BasePromptTemplate
from plait.prompts.chat import (
    BaseMessagePromptTemplate,
    BaseStringMessagePromptTemplate,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    MessagesPlaceholder,
)
from plait.prompts.few_shot import FewShotChatMessagePromptTemplate, FewShotPromptTemplate
from plait.prompts.files import beside, read
from plait.prompts.plain import bounded, is_dict, is_list
from plait.prompts.string import PromptTemplate, StringPromptTemplate
from plait.templates import MAX_CHARS

__all__ = ["load_prompt", "load_prompt_from_config"]

T = TypeVar("T")


def load_prompt(path: str | os.PathLike[str], encoding: str = "utf-8") -> BasePromptTemplate:
    """The prompt in a file whose name ends with ``.json``, ``.yaml`` or ``.yml``.

    The file may name others in its folder and below: ``template_path``, ``prefix_path`` and ``suffix_path`` (``.txt``),
    ``examples`` and ``example_prompt_path`` (data). Raises ``LoadError``, which says where in the file something is wrong.
    """
    place = Path(path)
    where = _Where(place.name, place.parent, encoding, _Files(_MOST))
    return _prompt(bounded(read(place, encoding=encoding), place.name), where)


def load_prompt_from_config(config: Mapping[str, Any]) -> BasePromptTemplate:
    """The prompt that such data says, as it stands in a file; it cannot name files. Raises ``LoadError``."""
    if not isinstance(cast("object", config), Mapping):
        raise LoadError(f"config: a dict was expected here; got {type(config).__name__}")
    return _prompt(bounded(dict(config), "config"), _Where("config"))


class _Files:
    """How many more files may be read: some that name one another would be without end, as there are so many ways."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self) -> bool:
        """Count one; False if there was none left."""
        self._left -= 1
        return self._left >= 0


class _Where(NamedTuple):
    """A place in a file: how to call it, in what folder the file lies, and how the files are written."""

    path: str
    folder: Path | None = None
    encoding: str = "utf-8"
    files: _Files | None = None
    depth: int = 0

    def at(self, step: str) -> _Where:
        return self._replace(path=f"{self.path}{step}", depth=self.depth + 1)

    def file(self, name: object, suffixes: tuple[str, ...]) -> Any:
        """What is in the file of this name."""
        path = beside(self.folder, name, self.path)
        if self.files is not None and not self.files.take():
            raise self.error(f"more than {_MOST} files are named, counting each time")
        return bounded(read(path, suffixes, self.encoding), path.name)

    def error(self, what: object) -> LoadError:
        return LoadError(f"{self.path}: {what}")


_DEEPEST: Final = 20  # prompts in one another, and files that name files
_MOST: Final = 100  # files that are named


# ----------------------------------------------------------------------------------------------------- what a key takes


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return is_list(value) and all(map(_is_text, value))


def _is_data(value: object) -> bool:
    return is_dict(value) and all(map(_is_text, value))


def _is_list_of_data(value: object) -> bool:
    return is_list(value) and all(map(_is_data, value))


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return type(value) is int and value > 0


def _is_nothing(value: object) -> bool:
    return value is None or value in ([], {})


def _is_anything(value: object) -> bool:
    return True


_TAKES: Final[Mapping[Callable[[object], bool], str]] = {
    _is_text: "a text",
    _is_texts: "a list of texts",
    _is_data: "a dict",
    _is_flag: "true or false",
    _is_count: "a whole number from 1",
    _is_nothing: "nothing: what it would say cannot stand in a file here",
    _is_anything: "anything",
}
_Keys = Mapping[str, Callable[[object], bool]]

_SHARED: Final[_Keys] = {
    "_type": _is_text,
    "name": lambda value: value is None or _is_text(value),
    "input_variables": _is_texts,
    "partial_variables": _is_data,
    "max_chars": _is_count,
    "validate_template": _is_flag,
    # What LangChain writes besides; it means nothing here.
    **dict.fromkeys(("optional_variables", "input_types", "output_parser", "metadata", "tags"), _is_nothing),
}
_FORMAT: Final[_Keys] = {"template_format": _is_text}
_PROMPT: Final[_Keys] = {**_SHARED, **_FORMAT, "template": _is_text, "template_path": _is_text}
_EXAMPLES: Final[_Keys] = {
    "examples": lambda value: _is_text(value) or _is_list_of_data(value),
    "example_selector": _is_nothing,
    "example_prompt": _is_data,
    "example_prompt_path": _is_text,
}
_FEW_SHOT: Final[_Keys] = {
    **_SHARED,
    **_FORMAT,
    **_EXAMPLES,
    **dict.fromkeys(("prefix", "prefix_path", "suffix", "suffix_path", "example_separator"), _is_text),
}
_FEW_SHOT_CHAT: Final[_Keys] = {**_SHARED, **_EXAMPLES}
_CHAT: Final[_Keys] = {**_SHARED, **_FORMAT, "messages": is_list}
_MESSAGE: Final[_Keys] = {
    **_FORMAT,
    "role": _is_text,
    "custom_role": _is_text,
    "content": lambda value: isinstance(value, str | list),
    "prompt": _is_data,
    "additional_kwargs": _is_data,
    "max_chars": _is_count,
}
_PLACEHOLDER: Final[_Keys] = {
    "placeholder": _is_text,
    "optional": _is_flag,
    "n_messages": lambda value: value is None or _is_count(value),
}
_SHAPES: Final = {"examples": "a list of dicts, or the name of a file", "messages": "a list", "content": "a text or a list", "name": "a text", "n_messages": "a whole number from 1"}  # fmt: skip


def _checked(config: Any, keys: _Keys, where: _Where) -> dict[str, Any]:
    """The data, if it is a dict with these keys alone, and each holds what it takes."""
    if not is_dict(config):
        raise where.error(f"a dict was expected here; got {type(config).__name__}")
    if where.depth > _DEEPEST:
        raise where.error(f"prompts stand more than {_DEEPEST} deep in one another")
    for name, value in config.items():
        if name not in keys:
            raise where.error(f"unknown key {name!r:.80}; known are {', '.join(keys)}")
        if not keys[name](value):
            takes = _SHAPES.get(name) or _TAKES[keys[name]]
            raise where.error(f"{name} takes {takes}; got {type(value).__name__}")
    _refuse_jinja(config, where)
    return dict(config)


def _refuse_jinja(config: dict[str, Any], where: _Where) -> None:
    if config.get("template_format") == "jinja2":
        raise where.error(
            "jinja2 templates are programs, and none is run that comes out of a file. Write its variables as {name} and its "
            "template_format as f-string, and put what it works out into a step of the chain before the prompt"
        )


def _needed(fields: dict[str, Any], name: str, where: _Where) -> Any:
    if name not in fields:
        raise where.error(f"{name!r} is missing")
    return fields[name]


# ---------------------------------------------------------------------------------------------------------- the prompts


def _prompt(config: Any, where: _Where) -> BasePromptTemplate:
    kind = config.get("_type", "prompt") if is_dict(config) else "prompt"
    if is_dict(config) and "lc" in config:
        raise where.error("this was written by dumps of LangChain: load it there, and cross over with from_langchain")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise where.error(f"_type {kind!r:.80} is not known; known are {', '.join(_KINDS)}")
    keys, make = _KINDS[kind]
    fields = _checked(config, keys, where)
    kept = {name: value for name, value in fields.items() if keys[name] is not _is_nothing and name != "_type"}
    return make(kept, where)


def _template(fields: dict[str, Any], where: _Where) -> PromptTemplate:
    _take_text(fields, "template", where)
    _needed(fields, "template", where)
    return _made(lambda: PromptTemplate(**fields), where)


def _few_shot(fields: dict[str, Any], where: _Where) -> FewShotPromptTemplate:
    _take_text(fields, "prefix", where)
    _take_text(fields, "suffix", where)
    _needed(fields, "suffix", where)
    example = _example_prompt(fields, where)
    if not isinstance(example, StringPromptTemplate):
        raise where.error("the example_prompt of a few_shot prompt is a text; with messages it is a few_shot_chat")
    said, validate = fields.get("input_variables", []), fields.pop("validate_template", False)
    made = _made(lambda: FewShotPromptTemplate(**fields, example_prompt=example), where)
    if validate and sorted(said) != made.input_variables:
        raise where.error(f"input_variables are {said}, but the variables of the prompt are {made.input_variables}")
    return made


def _few_shot_chat(fields: dict[str, Any], where: _Where) -> FewShotChatMessagePromptTemplate:
    example = _example_prompt(fields, where)
    if not isinstance(example, BaseMessagePromptTemplate | ChatPromptTemplate | FewShotChatMessagePromptTemplate):
        raise where.error("the example_prompt of a few_shot_chat prompt is messages; with a text it is a few_shot")
    fields.pop("validate_template", None)
    return _made(lambda: FewShotChatMessagePromptTemplate(**fields, example_prompt=example), where)


def _chat(fields: dict[str, Any], where: _Where) -> ChatPromptTemplate:
    entries = _needed(fields, "messages", where)
    inherited = fields.get("template_format", "f-string"), fields.get("max_chars", MAX_CHARS)
    fields["messages"] = [_message(entry, where.at(f".messages[{i}]"), *inherited) for i, entry in enumerate(entries)]
    return _made(lambda: ChatPromptTemplate(**fields), where)


_KINDS: Final[Mapping[str, tuple[_Keys, Callable[[dict[str, Any], _Where], BasePromptTemplate]]]] = {
    "prompt": (_PROMPT, _template),
    "few_shot": (_FEW_SHOT, _few_shot),
    "chat": (_CHAT, _chat),
    "few_shot_chat": (_FEW_SHOT_CHAT, _few_shot_chat),
}


def _take_text(fields: dict[str, Any], name: str, where: _Where) -> None:
    """Put the text of a file that is named in its place."""
    file = fields.pop(f"{name}_path", None)
    if file is None:
        return
    if name in fields:
        raise where.error(f"either {name} or {name}_path, not both")
    fields[name] = where.at(f".{name}_path").file(file, (".txt",))


def _example_prompt(fields: dict[str, Any], where: _Where) -> Any:
    _take_examples(fields, where)
    config, file = fields.pop("example_prompt", None), fields.pop("example_prompt_path", None)
    if (config is None) == (file is None):
        raise where.error("either example_prompt or example_prompt_path is needed, and not both")
    at = where.at(".example_prompt" if file is None else ".example_prompt_path")
    if file is not None:
        config = at.file(file, (".json", ".yaml", ".yml"))
        at = at._replace(folder=beside(at.folder, file, at.path).parent)
    is_message = (
        isinstance(config, dict) and "_type" not in config and not config.keys() & {"template", "template_path"}
    )
    return _message(config, at, "f-string", MAX_CHARS) if is_message else _prompt(config, at)


def _take_examples(fields: dict[str, Any], where: _Where) -> None:
    """Put the examples of a file that is named in its place."""
    examples = _needed(fields, "examples", where)
    if isinstance(examples, str):
        at = where.at(".examples")
        examples = at.file(examples, (".json", ".yaml", ".yml"))
        if not _is_list_of_data(examples):
            raise at.error("a list of dicts was expected in that file")
        fields["examples"] = examples


# --------------------------------------------------------------------------------------------------------- the messages


def _message(entry: Any, where: _Where, format: str, max_chars: int) -> Any:
    """A part of a chat prompt."""
    if is_list(entry) and len(entry) == 2:
        entry = {"role": entry[0], "content": entry[1]}
    keys = entry if is_dict(entry) else {}
    if "_type" in keys:
        return _prompt(entry, where)
    if "literal" in keys:
        return _literal(_checked(entry, {"literal": _is_data}, where)["literal"], where.at(".literal"))
    if "placeholder" in keys:
        fields = _checked(entry, _PLACEHOLDER, where)
        return _made(lambda: MessagesPlaceholder(fields.pop("placeholder"), **fields), where)
    return _of_a_role(_checked(entry, _MESSAGE, where), where, format, max_chars)


def _literal(data: dict[str, Any], where: _Where) -> BaseMessage:
    try:
        return messages_from_dict([data])[0]
    except (MessageError, ValueError, TypeError) as error:
        raise where.error(error) from error


def _of_a_role(fields: dict[str, Any], where: _Where, format: str, max_chars: int) -> Any:
    """A template of one message, of a person if it does not say whose."""
    if ("content" in fields) == ("prompt" in fields) or {"role", "custom_role"} <= fields.keys():
        raise where.error("a message has either a content or a prompt, and either a role or a custom_role")
    said = {"template_format": fields.get("template_format", format), "max_chars": fields.get("max_chars", max_chars)}
    content = fields["content"] if "content" in fields else _prompt(fields["prompt"], where.at(".prompt"))
    made = _made(lambda: _with_role(fields, content, said), where)
    extra = fields.get("additional_kwargs")
    if extra and not isinstance(made, BaseStringMessagePromptTemplate):
        raise where.error("a placeholder has no additional_kwargs")
    return made.model_copy(update={"additional_kwargs": extra}) if extra else made


def _with_role(fields: dict[str, Any], content: Any, said: dict[str, Any]) -> Any:
    if "custom_role" in fields:
        prompt = PromptTemplate(template=content, **said) if isinstance(content, str) else content
        return ChatMessagePromptTemplate(prompt, role=fields["custom_role"], **said)
    role = fields.get("role", "human")
    if isinstance(content, str) or is_list(content):
        return ChatPromptTemplate([(role, content)], **said).messages[0]
    return type(ChatPromptTemplate([(role, "")]).messages[0])(content)


def _made(make: Callable[[], T], where: _Where) -> T:
    try:
        return make()
    except LoadError:
        raise
    except (PromptError, ValueError, TypeError) as error:
        raise where.error(error) from error

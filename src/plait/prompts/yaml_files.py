"""YAML as it is used for data: no tags, no anchors, no merging, no key twice, no words that turn into dates or truth.

What stays of YAML is the way to write it. A plain word is text, unless it is a number, true, false or null.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from math import isfinite
from typing import Any, Final, cast

from plait.errors import LoadError, MissingExtraError

__all__ = ["dump", "load"]

_DEEPEST: Final = 100
_PLAIN: Final = {
    "tag:yaml.org,2002:null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "tag:yaml.org,2002:bool": (r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    "tag:yaml.org,2002:int": (r"[-+]?(?:0|[1-9][0-9]*)", [*"-+0123456789"]),
    "tag:yaml.org,2002:float": (
        r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?",
        [*"-+.0123456789"],
    ),
}


def load(text: str) -> Any:
    """The data of a document; raises LoadError, with the line, for what is no data or no YAML."""
    yaml = _package()
    try:
        return yaml.load(text, _dialect()[0])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise LoadError(f"no YAML that can be read{place}: {getattr(error, 'problem', None) or error}") from error


def dump(value: Any) -> str:
    """The document of some data, with texts of several lines written as such."""
    text: str = _package().dump(value, Dumper=_dialect()[1], sort_keys=False, allow_unicode=True, width=120)
    return text


def _package() -> Any:
    try:
        return import_module("yaml")
    except ImportError as error:
        raise MissingExtraError(
            "prompts in YAML need the extra `yaml`: pip install 'plait[yaml]'; JSON does not"
        ) from error


@cache
def _dialect() -> tuple[type[Any], type[Any]]:
    yaml = _package()
    return _loader(yaml), _dumper(yaml)


def _loader(yaml: Any) -> type[Any]:
    base = yaml.SafeLoader

    def compose_node(self: Any, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(yaml, event, "anchors and aliases (& and *) are not taken: write it out")
        if getattr(event, "tag", None) is not None:
            raise _refused(yaml, event, "tags (!) are not taken: a file holds data only")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _refused(yaml, event, f"it is nested more than {_DEEPEST} deep")
        node = base.compose_node(self, parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self: Any, node: Any, deep: bool = False) -> Any:
        made: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not key.tag.endswith(":str"):
                raise _refused(yaml, key, "a key is a text; put it in quotes if it is one")
            if key.value in made:
                raise _refused(yaml, key, f"the key {key.value!r} stands there twice")
            made[key.value] = self.construct_object(value, deep=True)
        return made

    loader = type("Loader", (base,), {"compose_node": compose_node, "construct_mapping": construct_mapping, "depth": 0})
    return _reading(loader)


def _reading(loader: Any) -> type[Any]:
    """The loader, which now takes for no text what `_PLAIN` says and nothing else."""
    loader.yaml_implicit_resolvers = {}
    for tag, (pattern, first) in _PLAIN.items():
        loader.add_implicit_resolver(tag, re.compile(rf"^(?:{pattern})$"), first)
    loader.add_constructor("tag:yaml.org,2002:int", _number(int))
    loader.add_constructor("tag:yaml.org,2002:float", _number(float))
    return cast("type[Any]", loader)


def _number(kind: type[int | float]) -> Any:
    def construct(_loader: Any, node: Any) -> int | float:
        number = kind(node.value)
        if isinstance(number, float) and not isfinite(number):
            raise _refused(_package(), node, "this is too large for a number")
        return number

    return construct


def _refused(yaml: Any, at: Any, why: str) -> Exception:
    error: Exception = yaml.constructor.ConstructorError(None, None, why, at.start_mark)
    return error


def _dumper(yaml: Any) -> type[Any]:
    def ignore_aliases(self: Any, data: Any) -> bool:
        return True

    def text(dumper: Any, value: str) -> Any:
        style = '"' if "\x85" in value else "|" if "\n" in value else None  # which would be read as an end of line
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    dumper: Any = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": ignore_aliases})
    dumper.add_representer(str, text)
    return cast("type[Any]", dumper)

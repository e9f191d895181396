"""JSON Schema: whether a value is of one, and one as vendors with guaranteed structures want it.

Pure. The schema is the programmer's, the value is a model's: it may be of any size and depth. Of the keywords, those
are looked at that say what a value is made of; a ``pattern`` is not, since a value could keep it busy for ever.
https://json-schema.org/draft/2020-12
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, cast

from plait.redaction import glimpse

__all__ = ["closed", "fault", "malformed"]

_DEEPEST: Final = 100  # levels of a value
_STEPS: Final = 200_000  # rules that are looked at for one value; forms within forms could take for ever
_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}
_BOUNDS: Final[Mapping[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool], str]]] = {
    "minimum": ((int, float), lambda value, bound: value >= bound, "at least"),
    "maximum": ((int, float), lambda value, bound: value <= bound, "at most"),
    "exclusiveMinimum": ((int, float), lambda value, bound: value > bound, "more than"),
    "exclusiveMaximum": ((int, float), lambda value, bound: value < bound, "less than"),
    "minLength": (str, lambda value, bound: len(value) >= bound, "characters, at least"),
    "maxLength": (str, lambda value, bound: len(value) <= bound, "characters, at most"),
    "minItems": (list, lambda value, bound: len(value) >= bound, "items, at least"),
    "maxItems": (list, lambda value, bound: len(value) <= bound, "items, at most"),
}


def fault(value: Any, schema: Any) -> str | None:
    """What is wrong with a value, with its place in it; None if it is of the schema."""
    return next(_faults(value, schema, _Check(schema), "the value", 0), None)


class _Check:
    """One check: the schema that references lead into, and how many rules may still be looked at."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.left = _STEPS

    def target(self, reference: Any) -> Any:
        """The schema that a reference stands for; one that leads nowhere allows everything."""
        found = self.schema
        for step in str(reference).removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
        return found


def _faults(value: Any, schema: Any, check: _Check, where: str, depth: int) -> Iterator[str]:
    check.left -= 1
    if depth > _DEEPEST or check.left < 0:
        yield f"{where}: expected at most {_DEEPEST} levels of nesting, and a value that can be checked in reasonable time"
    elif schema is False:
        yield f"{where}: expected nothing, got {glimpse(value, 80)}"
    elif isinstance(schema, dict):
        rules = cast("dict[str, Any]", schema)
        if "$ref" in rules:
            yield from _faults(value, check.target(rules["$ref"]), check, where, depth + 1)
        yield from _wrong_kind(value, rules, where)
        yield from _out_of_bounds(value, rules, where)
        yield from _wrong_choice(value, rules, check, where, depth)
        yield from _wrong_parts(value, rules, check, where, depth)


def _wrong_kind(value: Any, rules: Mapping[str, Any], where: str) -> Iterator[str]:
    named = rules.get("type")
    kinds = cast("list[Any]", named) if isinstance(named, list) else [named] if named else []
    if kinds and not any(kind not in _KINDS or _KINDS[kind](value) for kind in kinds):
        yield f"{where}: expected {' or '.join(map(str, kinds))}, got {glimpse(value, 80)}"
    options = rules.get("enum", [rules["const"]] if "const" in rules else None)
    if isinstance(options, list) and not any(_same(value, option) for option in cast("list[Any]", options)):
        yield f"{where}: expected one of {glimpse(options, 200)}, got {glimpse(value, 80)}"


def _same(value: Any, option: Any) -> bool:
    return isinstance(value, bool) is isinstance(option, bool) and value == option


def _out_of_bounds(value: Any, rules: Mapping[str, Any], where: str) -> Iterator[str]:
    for keyword in _BOUNDS.keys() & rules.keys():
        kinds, holds, words = _BOUNDS[keyword]
        if isinstance(value, bool) or isinstance(rules[keyword], bool):
            continue
        if isinstance(value, kinds) and not holds(value, rules[keyword]):
            yield f"{where}: expected {words} {rules[keyword]}, got {glimpse(value, 80)}"


def _wrong_choice(value: Any, rules: Mapping[str, Any], check: _Check, where: str, depth: int) -> Iterator[str]:
    for each in rules.get("allOf", ()):
        yield from _faults(value, each, check, where, depth + 1)
    options: Any = rules.get("anyOf") or rules.get("oneOf") or ()
    found = [next(_faults(value, option, check, where, depth + 1), None) for option in options]
    if found and None not in found:
        yield f"{where}: expected one of {len(found)} forms, and it is none of them: {'; '.join(map(str, found[:3]))}"


def _wrong_parts(value: Any, rules: Mapping[str, Any], check: _Check, where: str, depth: int) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from _faults(item, rules.get("items", True), check, f"{where}[{index}]", depth + 1)
    if not isinstance(value, dict):
        return
    parts = cast("dict[str, Any]", value)
    known: dict[str, Any] = rules.get("properties") or {}
    for name in rules.get("required") or ():
        if name not in parts:
            yield f"{where}: the field {name!r} is missing"
    for name, part in parts.items():
        rule: Any = known[name] if name in known else rules.get("additionalProperties", True)
        inner = name if where == "the value" else f"{where}.{name}"
        yield from _faults(part, rule, check, inner, depth + 1)


# -------------------------------------------------------------------------------------------------- schemas of strangers


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in cast("list[Any]", value))


_NUMBERS: Final = (*_BOUNDS, "multipleOf")
_MAPS: Final = ("properties", "$defs", "definitions", "patternProperties")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE: Final = ("items", "additionalProperties", "not")
_FORMS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    **dict.fromkeys(_MAPS, (lambda value: isinstance(value, dict), "an object")),
    **dict.fromkeys(_LISTS, (lambda value: isinstance(value, list), "a list")),
    **dict.fromkeys(_NUMBERS, (lambda value: isinstance(value, int | float), "a number")),  # or, of old, yes or no
    "enum": (lambda value: isinstance(value, list), "a list"),
    "required": (_are_texts, "a list of names"),
    "type": (lambda value: isinstance(value, str) or _are_texts(value), "a name or a list of names"),
    "$ref": (lambda value: isinstance(value, str), "a text"),
}
"""What a keyword's value must be, in words, too."""


def malformed(schema: Any) -> str | None:
    """What is wrong with a schema that a stranger wrote; None if ``fault`` can work with it. It must be of bounded size."""
    left = [(schema, "the schema")]
    while left:
        node, where = left.pop()
        if isinstance(node, bool):
            continue
        if not isinstance(node, dict):
            return f"{where} must be an object, but is {glimpse(node, 80)}"
        rules = cast("dict[str, Any]", node)
        for keyword in sorted(rules.keys() & _FORMS.keys()):
            holds, words = _FORMS[keyword]
            if not holds(rules[keyword]):
                return f"{where}: {keyword!r} must be {words}, but is {glimpse(rules[keyword], 80)}"
        left += _schemas_in(rules)
    return None


def _schemas_in(rules: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    for keyword in rules.keys() & {*_MAPS, *_LISTS, *_ONE}:
        inner = rules[keyword]
        if keyword in _MAPS:
            yield from ((part, str(name)[:80]) for name, part in inner.items())
        elif isinstance(inner, list):  # also the older form of ``items``
            yield from ((part, keyword) for part in cast("list[Any]", inner))
        else:
            yield inner, keyword


# ----------------------------------------------------------------------------------------------- guaranteed structures


def closed(schema: Mapping[str, Any], *, all_required: bool, without: Collection[str]) -> dict[str, Any] | None:
    """A schema whose objects have the fields that are named and no others, as vendors want it who guarantee a structure.

    With ``all_required`` no field may be left out. The keywords ``without`` are left out: they are checked afterwards.
    None if the schema cannot be had so: it has parts that may be anything, or objects with free keys.
    """
    try:
        return _closed(schema, all_required, without)
    except ValueError:
        return None


def _closed(schema: Any, all_required: bool, without: Collection[str]) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or not schema:
        raise ValueError("it may be anything")
    rules = {name: rule for name, rule in cast("Mapping[str, Any]", schema).items() if name not in without}
    if "$ref" in rules:
        rules = {name: rules[name] for name in ("$ref", "$defs") if name in rules}  # nothing else may stand beside it

    def inner(part: Any) -> dict[str, Any]:
        return _closed(part, all_required, without)

    for name in ("$defs", "properties"):
        if name in rules:
            rules[name] = {key: inner(part) for key, part in rules[name].items()}
    if "items" in rules:
        rules["items"] = inner(rules["items"])
    options = rules.pop("oneOf", None) or rules.get("anyOf")
    if options:
        rules.pop("discriminator", None)
        rules["anyOf"] = [inner(part) for part in options]
    if rules.get("type") == "object":
        _close(rules, all_required)
    elif not rules.keys() & {"type", "$ref", "anyOf", "enum", "const"}:
        raise ValueError("it may be anything")
    return rules


def _close(rules: dict[str, Any], all_required: bool) -> None:
    if rules.get("additionalProperties") or "properties" not in rules:
        raise ValueError("its keys are free")
    rules["additionalProperties"] = False
    if all_required:
        rules["required"] = [*rules["properties"]]

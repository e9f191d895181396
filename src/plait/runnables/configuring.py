"""What callers may configure: the descriptions of fields and options, their specs, and the values that calls give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock, RLock
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from plait.errors import ConfigError

__all__ = [
    "AnyConfigurableField",
    "ConfigurableField",
    "ConfigurableFieldMultiOption",
    "ConfigurableFieldSingleOption",
    "ConfigurableFieldSpec",
    "Kept",
    "alternative_spec",
    "can_be_called_bare",
    "check_alternatives",
    "check_fields",
    "default_of",
    "field_spec",
    "narrowed",
    "prefixed",
    "refuse_alternative",
    "spelled",
    "unique_specs",
    "value_of",
]


class ConfigurableField(NamedTuple):
    """A field that a call may set: its value stands under ``id`` in ``config["configurable"]``.

    ``name``, ``description`` and ``annotation`` are for schemas, and come from the field itself where they are not
    given. A shared id is not prefixed by alternatives.
    """

    id: str
    name: str | None = None
    description: str | None = None
    annotation: Any = None
    is_shared: bool = False

    def __hash__(self) -> int:
        return hash(self.id)


class ConfigurableFieldSingleOption(NamedTuple):
    """A field that a call may set to the value of one of ``options``, by its key; ``default`` is the key of one."""

    id: str
    options: Mapping[str, Any]
    default: str
    name: str | None = None
    description: str | None = None
    is_shared: bool = False

    def __hash__(self) -> int:
        return hash(self.id)


class ConfigurableFieldMultiOption(NamedTuple):
    """A field that a call may set to the list of the values of some of ``options``, by a list of their keys."""

    id: str
    options: Mapping[str, Any]
    default: Sequence[str]
    name: str | None = None
    description: str | None = None
    is_shared: bool = False

    def __hash__(self) -> int:
        return hash(self.id)


AnyConfigurableField: TypeAlias = ConfigurableField | ConfigurableFieldSingleOption | ConfigurableFieldMultiOption
_KINDS: Final = (ConfigurableField, ConfigurableFieldSingleOption, ConfigurableFieldMultiOption)


class ConfigurableFieldSpec(NamedTuple):
    """What a Runnable says in ``config_specs`` of one key of ``config["configurable"]``."""

    id: str
    annotation: Any
    name: str | None = None
    description: str | None = None
    default: Any = None
    is_shared: bool = False
    dependencies: list[str] | None = None

    def __hash__(self) -> int:
        return hash(self.id)


# --------------------------------------------------------------------------------------------------- when it is built


def check_fields(owner: str, known: Iterable[str], fields: Mapping[str, Any]) -> None:
    """Raise ConfigError for a field that ``owner`` does not have, and for what describes none."""
    names = list(known)
    for name, field in fields.items():
        if name not in names:
            there = f"its fields are {_listed(names)}" if names else "it has none that could be changed"
            raise ConfigError(f"{owner} has no field {name!r}{_hint(name, names)}; {there}")
        if not isinstance(field, _KINDS):
            raise ConfigError(
                f"{owner}.{name} is made configurable by a ConfigurableField(id=...) or one with options, got an object "
                f"of type {type(field).__name__}"
            )
        _check_id(field.id)
        default_of(field, f"{owner}.{name}")


def _check_id(id: object) -> None:
    if not isinstance(id, str) or not id:
        raise ConfigError(f"the id of a configurable field is the key of its values, a text; got {_glimpse(id)}")


def check_alternatives(which: Any, default_key: str, alternatives: Iterable[str]) -> None:
    """Raise ConfigError for keys that could not be told apart, and for a ``which`` that has no id."""
    if not isinstance(which, ConfigurableField):
        raise ConfigError(f"which must be a ConfigurableField(id=...), got an object of type {type(which).__name__}")
    _check_id(which.id)
    if default_key in list(alternatives):
        raise ConfigError(
            f"the alternative {default_key!r} of {which.id!r} has the key of the default; give it another one, or pass "
            "default_key=..."
        )


def can_be_called_bare(function: Any) -> bool:
    """Whether a function can be called without an argument: then it makes an alternative, otherwise it is one."""
    from inspect import signature  # only who builds such a node needs it

    try:
        signature(function).bind()
    except (TypeError, ValueError):  # a parameter that must be given; a builtin that does not tell
        return False
    return True


# -------------------------------------------------------------------------------------------------- what a call gives


def default_of(field: AnyConfigurableField, owner: str) -> tuple[Any, ...]:
    """The value of the default option, alone in a tuple; an empty one for a field without options."""
    if isinstance(field, ConfigurableField):
        return ()
    return (_value(field, field.default, f"the default of {owner} ({field.id!r})"),)


def value_of(field: AnyConfigurableField, value: Any, owner: str) -> Any:
    """What ``config["configurable"]`` says for a field: the value, or those of the options; ConfigError for unknown ones."""
    return _value(field, value, f"config['configurable'][{field.id!r}], which chooses {owner},")


def _value(field: AnyConfigurableField, value: Any, where: str) -> Any:
    if isinstance(field, ConfigurableField):
        return value
    if isinstance(field, ConfigurableFieldSingleOption):
        return _option(field.options, value, where)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ConfigError(f"{where} must be a list of {_listed(field.options)}, got {_glimpse(value)}")
    return [_option(field.options, each, where) for each in cast("Sequence[Any]", value)]


def _option(options: Mapping[str, Any], key: Any, where: str) -> Any:
    if not isinstance(key, str) or key not in options:
        raise ConfigError(f"{where} must be one of {_listed(options)}; got {_glimpse(key)}{_hint(key, options)}")
    return options[key]


def refuse_alternative(which: ConfigurableField, key: Any, known: Iterable[str]) -> ConfigError:
    """The error for an alternative that is not there."""
    names = list(known)
    return ConfigError(
        f"config['configurable'][{which.id!r}] must be one of {_listed(names)}; got {_glimpse(key)}{_hint(key, names)}"
    )


def spelled(which: ConfigurableField, key: str) -> str:
    """What stands before the ids of an alternative's own fields, where they are prefixed."""
    return f"{which.id}=={key}/"


def narrowed(values: Mapping[str, Any], which: ConfigurableField, key: str, known: Iterable[str]) -> dict[str, Any]:
    """The values that are meant for one alternative alone, under the ids that its own fields have."""
    mine, names = spelled(which, key), list(known)
    for given in values:
        if given.startswith(f"{which.id}==") and not given.startswith(tuple(spelled(which, name) for name in names)):
            named = given.removeprefix(f"{which.id}==").partition("/")[0]
            raise ConfigError(
                f"config['configurable'] has {given!r}, and {which.id!r} has no alternative {named!r}"
                f"{_hint(named, names)}; there are {_listed(names)}"
            )
    return {given.removeprefix(mine): value for given, value in values.items() if given.startswith(mine)}


# --------------------------------------------------------------------------------------------------------------- specs


def field_spec(field: AnyConfigurableField, annotation: Any, default: Any, description: str | None) -> Any:
    """The spec of a field, of what the field itself says where its description says nothing."""
    if isinstance(field, ConfigurableField):
        annotation = annotation if field.annotation is None else field.annotation
    else:
        options: Any = Literal[tuple(field.options)]
        single = isinstance(field, ConfigurableFieldSingleOption)
        annotation, default = (options, field.default) if single else (list[options], list(field.default))
    said = field.description or description
    return ConfigurableFieldSpec(field.id, annotation, field.name, said, default, field.is_shared)


def alternative_spec(which: ConfigurableField, keys: Iterable[str], default_key: str) -> ConfigurableFieldSpec:
    """The spec of a choice among alternatives."""
    options: Any = Literal[tuple(keys)]
    annotation = options if which.annotation is None else which.annotation
    return ConfigurableFieldSpec(which.id, annotation, which.name, which.description, default_key, which.is_shared)


def prefixed(spec: Any, prefix: str) -> Any:
    """The spec of a field that belongs to one of several alternatives, unless it is shared with the others."""
    return spec if spec.is_shared else spec._replace(id=f"{prefix}{spec.id}")


def unique_specs(found: Iterable[tuple[str, Any]]) -> list[Any]:
    """Each spec once, of pairs with the name of the step that has it; ConfigError where two differ but for that."""
    unique: dict[str, tuple[str, Any]] = {}
    for step, spec in found:
        known_step, known = unique.setdefault(spec.id, (step, spec))
        differing = [name for name in ConfigurableFieldSpec._fields if not _same(known, spec, name)]
        if differing:
            raise ConfigError(
                f"two configurable fields have the id {spec.id!r}, and differ in {', '.join(differing)}: "
                f"{_shown(known, known_step, differing)}; {_shown(spec, step, differing)}. Give one of them another id, "
                "or tell those of alternatives apart with prefix_keys=True"
            )
    return [spec for _, spec in unique.values()]


def _same(one: Any, other: Any, name: str) -> bool:
    first, second = getattr(one, name), getattr(other, name)
    try:
        return first is second or bool(first == second)
    except Exception:  # what compares item by item, or refuses to be compared, is no answer
        return False


def _shown(spec: Any, step: str, names: Iterable[str]) -> str:
    said = ", ".join(f"{name}={_glimpse(getattr(spec, name))}" for name in names)
    return f"that of {step} has {said}"


def _glimpse(value: Any) -> str:
    from plait.redaction import glimpse  # only who fails needs it

    return glimpse(value, 80)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _hint(name: object, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # on the way to an error only

    close = get_close_matches(name, list(known), n=1) if isinstance(name, str) else []
    return f" (did you mean {close[0]!r}?)" if close else ""


# ---------------------------------------------------------------------------------------------------- what was made


class _Made:
    __slots__ = ("lock", "value")

    def __init__(self) -> None:
        self.lock = RLock()
        self.value: tuple[Any, Any] | None = None


class Kept:
    """What was made for the last few different values, each made by one thread while those that want the same wait.

    Plain values are told apart by type and content (True is not 1), other objects by identity. Copies begin empty.
    """

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._lock = Lock()
        self._made: dict[Any, _Made] = {}

    def __reduce__(self) -> tuple[type[Kept], tuple[int]]:
        return Kept, (self._most,)

    def get(self, values: Any, make: Callable[[Any], Any]) -> Any:
        """What ``make`` gave for these values, now or before; what it raises is not kept, nor what has no stable key."""
        try:
            key = _key(values)
        except (TypeError, RecursionError):  # a list may contain itself
            return make(values)
        entry = self._entry(key)
        with entry.lock:
            if entry.value is None:
                values = _copied(values)  # whoever changes a list has another one, and this remains what it is kept as
                entry.value = (make(values), values)  # with the values, so that the identities in the key stay theirs
            return entry.value[0]

    def _entry(self, key: Any) -> _Made:
        with self._lock:
            entry = self._made.pop(key, None) or _Made()
            self._made[key] = entry  # at the end: the first one is that which has not been asked for longest
            if len(self._made) > self._most:
                del self._made[next(iter(self._made))]
            return entry


_SCALARS: Final = frozenset({str, int, float, bool, bytes, type(None)})


def _key(value: Any) -> Any:
    """What is equal for equal values alone; TypeError for objects that may change and would still be taken for equal."""
    kind = cast("type[object]", type(value))
    if kind in _SCALARS:
        return kind, value
    if kind in (list, tuple):
        return kind, tuple(map(_key, value))
    if kind is dict:
        return kind, tuple((_key(key), _key(item)) for key, item in value.items())
    hash(value)
    return kind, id(value)


def _copied(value: Any) -> Any:
    """Plain containers copied, all the way down; the objects in them are the caller's own."""
    kind = cast("type[object]", type(value))
    if kind in (list, tuple):
        return cast("Any", kind)(map(_copied, value))
    return {key: _copied(item) for key, item in value.items()} if kind is dict else value

"""Which history belongs to a call: what the function that gets it is called with, out of the config."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from plait.errors import ConfigError
from plait.runnables.configuring import ConfigurableFieldSpec

__all__ = ["SESSION_ID", "Factory"]


SESSION_ID: Final = ConfigurableFieldSpec(
    "session_id", str, name="Session ID", description="Names the conversation.", default="", is_shared=True
)
"""What a call says of its session when nothing else is asked for."""


class Factory:
    """The function that gives the history of a session, and which keys of ``config["configurable"]`` it takes."""

    def __init__(self, func: Any, specs: Sequence[Any]) -> None:
        if not callable(func):
            raise TypeError(
                "get_session_history must be a function that gives the history of a session, got an object of type "
                f"{type(func).__name__}; write lambda session_id: ..."
            )
        self.func: Callable[..., Any] = func
        self.ids, self.by_name = _taken(func, [_id_of(spec) for spec in specs])

    def values(self, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the call says of its session; ConfigError if it does not say all."""
        said: Mapping[str, Any] = (config or {}).get("configurable") or {}
        missing = [key for key in self.ids if said.get(key) is None]
        if missing:
            form = ", ".join(f"{key!r}: ..." for key in self.ids)
            raise ConfigError(
                f"config['configurable'] lacks {_listed(missing)}, which says whose history this is: "
                f"pass config={{'configurable': {{{form}}}}} to invoke, stream or batch"
            )
        return {key: said[key] for key in self.ids}

    def call(self, values: Mapping[str, Any]) -> Any:
        return self.func(**values) if self.by_name else self.func(*values.values())

    def key(self, values: Mapping[str, Any]) -> Hashable:
        """Equal for two calls that get the history of one session from this function."""
        return _hashable(self.func), tuple(_hashable(value) for value in values.values())


def _id_of(spec: Any) -> str:
    name = getattr(spec, "id", None)
    if not isinstance(name, str):
        raise TypeError(
            "history_factory_config is a list of ConfigurableFieldSpec, which have an id, got an object of type "
            f"{type(spec).__name__}"
        )
    return name


def _hashable(value: Any) -> Hashable:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return cast(Hashable, (type(value), value))


def _taken(func: Callable[..., Any], ids: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """Those keys that the function takes, and whether by their names; ConfigError if they do not fit."""
    from inspect import Signature, signature  # slow to load, and needed once for a chain

    try:
        form: Signature = signature(func)
    except (TypeError, ValueError):  # of some functions written in C nothing is known
        return tuple(ids), False
    if not form.parameters:
        return (), False
    if _binds(form, kwargs=dict.fromkeys(ids)):
        return tuple(ids), True
    unnamed = all(p.kind in (p.POSITIONAL_ONLY, p.VAR_POSITIONAL) for p in form.parameters.values())
    if (len(ids) == 1 or unnamed) and _binds(form, args=ids):
        return tuple(ids), False
    raise ConfigError(
        f"get_session_history takes {form}, and the keys of config['configurable'] that it would get are "
        f"{_listed(ids)}: name its parameters like the ids in history_factory_config"
    )


def _binds(form: Any, args: Sequence[str] = (), kwargs: Mapping[str, Any] | None = None) -> bool:
    try:
        form.bind(*args, **(kwargs or {}))
    except TypeError:
        return False
    return True


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(map(repr, keys))

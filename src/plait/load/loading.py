"""From trees to objects: by the closed table, with what the loading program gives, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from plait.errors import LoadError, PlaitError
from plait.load.envelope import Place, Reader, Tree
from plait.load.models import made
from plait.load.refusals import reached_by, refuse
from plait.load.secrets import Given, Holder
from plait.load.shapes import SHAPES
from plait.load.table import DATA, SAVED, SECRETIVE, class_named, functions
from plait.load.toolkit import retooled
from plait.load.types_by_name import TYPES, joined

__all__ = ["Loader"]


class Loader:
    """Reads one tree."""

    def __init__(
        self,
        functions: Mapping[str, Any] | None,
        classes: Sequence[type[Any]],
        secrets: Mapping[str, str] | None,
        addresses: Collection[str],
    ) -> None:
        self._functions = functions or {}
        self._classes = {each.__name__: each for each in classes}
        self._secrets = secrets or {}
        self._addresses = frozenset(addresses)
        self._holder: Holder | None = None
        self._reader = Reader(self._own)

    def value(self, tree: Tree) -> Any:
        """The value of a tree; raises LoadError, which says where in it something cannot be loaded."""
        try:
            return self._reader.read(tree)
        except RecursionError:
            raise LoadError("$: it is nested deeper than the stack that is left here can hold") from None

    def _own(self, tag: str, fields: Mapping[str, Tree], place: Place, depth: int) -> Any:
        if tag == "function":
            return self._named(fields, self._functions, place, "functions")
        if tag == "part":
            return self._named(fields, functions(), place, "functions")
        if tag == "secret":
            return self._secret(fields, place)
        if tag == "type":
            return self._type(fields, place, depth)
        return self._object(tag, fields, place, depth)

    def _named(self, fields: Mapping[str, Tree], known: Mapping[str, Any], place: Place, argument: str) -> Any:
        name = fields.get("name")
        if set(fields) != {"name"} or type(name) is not str:
            raise place.error("one field was expected here, name, which is a text")
        if name not in known:
            raise place.error(f"{name!r:.80} is needed here and was not given: pass {argument}={{{name!r:.80}: ...}}")
        return known[name]

    def _secret(self, fields: Mapping[str, Tree], place: Place) -> Any:
        if self._holder is None or not self._holder.may_hold(place):
            raise place.error("a secret cannot stand here, only in the settings of a model or of a bound step")
        given: Any = self._named(fields, self._secrets, place, "secrets")
        return Given(given.get_secret_value() if hasattr(given, "get_secret_value") else given)

    def _type(self, fields: Mapping[str, Tree], place: Place, depth: int) -> Any:
        name, parts = fields.get("name"), fields.get("of")
        if type(name) is not str or fields.keys() - {"name", "of"}:
            raise place.error("a type has a name, which is a text")
        if parts is not None:
            return self._joined(name, parts, place, depth)
        if name.startswith("own:"):
            return self._class(name.removeprefix("own:"), place)
        found = TYPES.get(name)
        if found is None and name not in DATA:
            raise place.error(f"the type {name!r:.80} is not known")
        return class_named(name) if found is None else found

    def _joined(self, name: str, parts: Any, place: Place, depth: int) -> Any:
        if type(parts) is not list or not parts:
            raise place.error("the parts of a type are a list of types")
        read = [self._reader.read(each, Place(place, i), depth + 1) for i, each in enumerate(cast("list[Any]", parts))]
        try:
            return joined(name, read)
        except (KeyError, TypeError) as error:
            raise place.error(f"there is no type {name!r:.80} of such parts") from error

    def _class(self, name: str, place: Place) -> type[Any]:
        if name not in self._classes:
            raise place.error(
                f"the class {name!r:.80} is the program's own and was not given: pass classes=[{name:.80}]"
            )
        return self._classes[name]

    def _object(self, tag: str, fields: Mapping[str, Tree], place: Place, depth: int) -> Any:
        own = tag.startswith("own:")
        name = tag.removeprefix("own:")
        if not own and name not in SAVED:
            raise place.error(f"{tag!r:.80} is not known; this plait does not save such a thing")
        cls = self._class(name, place) if own else class_named(name)
        before, self._holder = self._holder, Holder(cls, place) if own or name in SECRETIVE else None
        self._reader.guard = self._holder and self._holder.opened
        state = self._reader.fields(fields, place, depth)
        self._holder, self._reader.guard = before, before and before.opened
        self._check_address(cls, name, state, place)
        return _built(lambda: _made(cls, "" if own else name, state), name, place)

    def _check_address(self, cls: type[Any], name: str, state: Mapping[str, Any], place: Place) -> None:
        """A text must not decide where keys and prompts are sent, nor which file native code reads."""
        for field, what in reached_by(cls).items():
            address = state.get(field)
            if address and address not in self._addresses:
                raise place.error(
                    f"this {name} would {what} {address!r:.200}: pass addresses=[...] with that, if it is right"
                )


def _made(cls: type[Any], name: str, state: dict[str, Any]) -> Any:
    refuse(name, state)
    shape = SHAPES.get(name)
    if shape is not None:
        return _shaped(cls, shape.fields, shape.make, state)
    if name in ("StructuredTool", "Tool", "RunnableTool") and "args_schema" not in state:
        return retooled(cls, state)
    return made(cls, state)


def _shaped(
    cls: type[Any], fields: Collection[str], make: Callable[[Any, dict[str, Any]], Any], state: dict[str, Any]
) -> Any:
    unknown = [field for field in state if field not in fields]
    if unknown:
        raise LoadError(f"it has no field {unknown[0]!r:.80}; its fields are {', '.join(fields)}")
    return make(cls, state)


def _built(make: Callable[[], Any], name: str, place: Place) -> Any:
    try:
        return make()
    except KeyError as error:
        raise place.error(f"{name}: the field {error.args[0]!r:.80} is missing") from error
    except (PlaitError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise place.error(f"no {name} can be made of this: {_said(error)}") from None


def _said(error: Exception) -> str:
    """What an error says, without the values that it was about."""
    problems: Any = getattr(error, "errors", None)
    if not callable(problems):
        return f"{error!s:.400}"
    found: Any = problems(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'all'}: {each['msg']}" for each in found[:5])

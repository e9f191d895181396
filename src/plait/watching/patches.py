"""JSON Patch (RFC 6902) over Python values: what an operation does to a document of dicts and lists.

A document may hold any objects in its leaves; only dicts and lists can be gone into. What a document is made of, and
what operations bring, is never changed: a container is copied before it is written to, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from plait.errors import PlaitError
from plait.redaction import glimpse
from plait.watching.values import ATOMS, Copier

__all__ = ["Document", "Operation", "PatchError", "apply", "escape", "parse"]

Operation: TypeAlias = dict[str, Any]
"""``op`` and ``path``, and ``value`` or ``from`` where the ``op`` has one."""

_Container: TypeAlias = "dict[str, Any] | list[Any]"


class PatchError(PlaitError, ValueError):
    """An operation of a JSON Patch is malformed, does not suit the document, or is a test that fails."""


def escape(name: str) -> str:
    """A name as one step of a JSON Pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def parse(pointer: Any) -> list[str]:
    """The names that a JSON Pointer goes through; none for the whole document."""
    if not isinstance(pointer, str):
        raise PatchError(f"expected a JSON Pointer such as '/logs/Docs', got {type(pointer).__name__}")
    if pointer and not pointer.startswith("/"):
        raise PatchError("a JSON Pointer is empty, or begins with '/'")
    tokens = pointer.split("/")[1:]
    return tokens if "~" not in pointer else [_unescape(token) for token in tokens]


def _unescape(token: str) -> str:
    if "~" in token.replace("~0", "").replace("~1", ""):
        raise PatchError("in a JSON Pointer '~' is written '~0' and '/' in a name '~1'")
    return token.replace("~1", "/").replace("~0", "~")


def apply(document: Any, ops: Iterable[Mapping[str, Any]]) -> Any:
    """The document after all operations, in order; the one that was given stays as it is.

    Raises ``PatchError``, which names the operation, if one cannot be applied.
    """
    patched = Document(document)
    for op in ops:
        patched.apply(op)
    return patched.root


class Document:
    """A document that operations grow in place, each in time independent of what is there already."""

    __slots__ = ("_mixed", "_own", "root")

    def __init__(self, root: Any = None) -> None:
        self.root = root
        self._own: dict[int, _Container] = {}  # containers that nobody else has, by id
        self._mixed: set[int] = set()  # those of them that are lists with more than atoms in them, by id

    def apply(self, op: Mapping[str, Any]) -> None:
        """Raises ``PatchError`` if the operation cannot be applied; then the document is as it was."""
        try:
            _OPERATIONS[_kind(op)](self, op, parse(op["path"]))
        except PatchError as error:
            raise PatchError(f"{glimpse(_outline(op))}: {error}") from None

    def copy(self) -> Any:
        """The document as it is now, sharing nothing that can be changed with this one."""
        return self._copied(self.root, Copier(keep=True))

    def _copied(self, value: Any, copier: Copier) -> Any:
        if id(value) not in self._own:
            return copier.copy(value)
        if isinstance(value, dict):
            return {key: self._copied(item, copier) for key, item in cast("dict[str, Any]", value).items()}
        return [self._copied(item, copier) for item in value] if id(value) in self._mixed else value.copy()

    # ------------------------------------------------------------------------------------------------------ operations

    def _add(self, op: Mapping[str, Any], tokens: list[str]) -> None:
        self._put(tokens, op["value"])

    def _remove(self, op: Mapping[str, Any], tokens: list[str]) -> None:
        self._take(tokens)

    def _replace(self, op: Mapping[str, Any], tokens: list[str]) -> None:
        if not tokens:
            self._begin(op["value"])
            return
        target, key = self._place(tokens)
        target[key] = op["value"]
        self._note(target, op["value"])

    def _move(self, op: Mapping[str, Any], tokens: list[str]) -> None:
        source = parse(op["from"])
        if source == tokens:
            self._value(source)
        elif source == tokens[: len(source)]:
            raise PatchError("a value cannot be moved into itself")
        else:
            self._check_move(source, tokens)
            self._put(tokens, self._take(source))

    def _check_move(self, source: list[str], tokens: list[str]) -> None:
        """Try it on a copy, so that one that fails in its second half changes nothing."""
        trial = Document(self.root)
        trial._put(tokens, trial._take(source))

    def _copy(self, op: Mapping[str, Any], tokens: list[str]) -> None:
        value = self._value(parse(op["from"]))
        self._disown()  # what is in two places may be written to in neither
        self._put(tokens, value)

    def _test(self, op: Mapping[str, Any], tokens: list[str]) -> None:
        if not _same(self._value(tokens), op["value"]):
            raise PatchError("the value there is another")

    # --------------------------------------------------------------------------------------------------------- places

    def _value(self, tokens: list[str]) -> Any:
        value = self.root
        for token in tokens:
            value = value[_key(value, token)]
        return value

    def _put(self, tokens: list[str], value: Any) -> None:
        if not tokens:
            self._begin(value)
            return
        target = self._container(tokens)
        if isinstance(target, list):
            target.insert(_position(target, tokens[-1]), value)
        else:
            target[tokens[-1]] = value
        self._note(target, value)

    def _take(self, tokens: list[str]) -> Any:
        if not tokens:
            value = self.root
            self._begin(None)
            return value
        target, key = self._place(tokens)
        return target.pop(key)

    def _begin(self, root: Any) -> None:
        self._disown()
        self.root = root

    def _disown(self) -> None:
        self._own.clear()
        self._mixed.clear()

    def _place(self, tokens: list[str]) -> tuple[Any, Any]:
        target = self._container(tokens)
        return target, _key(target, tokens[-1])

    def _container(self, tokens: list[str]) -> _Container:
        """The container that the last token is in, ready to be written to."""
        target: Any = self._owned(self.root)
        self.root = target
        for token in tokens[:-1]:
            key: Any = _key(target, token)
            child = target[key]
            if id(child) not in self._own:
                child = target[key] = self._owned(child)
            target = child
        return cast(_Container, target)

    def _owned(self, value: Any) -> Any:
        if id(value) in self._own:
            return value
        if not isinstance(value, dict | list):
            raise PatchError(f"the way there leads through {glimpse(value, 60)}, which has no members")
        mine = cast(_Container, value).copy()
        self._own[id(mine)] = mine
        if isinstance(mine, list) and not ATOMS.issuperset(map(type, mine)):
            self._mixed.add(id(mine))
        return mine

    def _note(self, target: Any, value: Any) -> None:
        if type(value) not in ATOMS:
            self._mixed.add(id(target))


_OPERATIONS: Final[dict[str, Callable[[Document, Mapping[str, Any], list[str]], None]]] = {
    "add": Document._add,  # pyright: ignore[reportPrivateUsage]  # the table of its own methods
    "remove": Document._remove,  # pyright: ignore[reportPrivateUsage]
    "replace": Document._replace,  # pyright: ignore[reportPrivateUsage]
    "move": Document._move,  # pyright: ignore[reportPrivateUsage]
    "copy": Document._copy,  # pyright: ignore[reportPrivateUsage]
    "test": Document._test,  # pyright: ignore[reportPrivateUsage]
}

_NEEDS: Final = {"add": "value", "remove": "path", "replace": "value", "move": "from", "copy": "from", "test": "value"}


def _kind(op: Any) -> str:
    """The name of a well-formed operation."""
    if not isinstance(op, Mapping):
        raise PatchError(f"expected an operation as a dict with 'op' and 'path', got {type(op).__name__}")
    kind: Any = cast("Mapping[str, Any]", op).get("op")
    if not isinstance(kind, str) or kind not in _NEEDS:
        raise PatchError(f"'op' is one of {', '.join(_NEEDS)}")
    for member in ("path", _NEEDS[kind]):
        if member not in op:
            raise PatchError(f"{kind} needs {member!r}")
    return kind


def _outline(op: Any) -> Any:
    """An operation without its value, which may be long."""
    if not isinstance(op, Mapping):
        return op
    return {name: cast("Mapping[str, Any]", op)[name] for name in ("op", "from", "path") if name in op}


def _key(value: Any, token: str) -> Any:
    """The key or index of a member that is there."""
    if isinstance(value, dict):
        if token not in value:
            raise PatchError(f"there is no member {glimpse(token, 60)}")
        return token
    if not isinstance(value, list):
        raise PatchError(f"{glimpse(value, 60)} has no members")
    return _index(token, len(cast("list[Any]", value)) - 1)


def _position(items: list[Any], token: str) -> int:
    """Where to insert into a list: before an item, or at its end."""
    return len(items) if token == "-" else _index(token, len(items))


def _index(token: str, last: int) -> int:
    if not (token.isascii() and token.isdigit()) or (token[0] == "0" and token != "0"):
        raise PatchError(f"{glimpse(token, 60)} is no index of an array")
    if len(token) > 18 or int(token) > last:
        raise PatchError(f"index {glimpse(token, 60)} is past the end of the array")
    return int(token)


def _same(a: Any, b: Any) -> bool:
    """Whether two values are equal as JSON: 1 is 1.0, but true is not 1."""
    pairs = [(a, b)]
    while pairs:
        a, b = pairs.pop()
        if isinstance(a, dict) and isinstance(b, dict):
            if a.keys() != b.keys():
                return False
            others = cast("dict[str, Any]", b)
            pairs.extend((item, others[key]) for key, item in cast("dict[str, Any]", a).items())
        elif isinstance(a, list) and isinstance(b, list):
            if len(cast("list[Any]", a)) != len(cast("list[Any]", b)):
                return False
            pairs.extend(zip(cast("list[Any]", a), cast("list[Any]", b), strict=True))
        elif isinstance(a, bool) != isinstance(b, bool) or a != b:
            return False
    return True

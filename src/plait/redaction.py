"""What of a value may be shown: short, on one line, safe to print, and with secrets masked.

Values come from users, models and tools; nothing here trusts them. A secret is known by its look (``sk-…``, a JWT, a
private key) or by its name (``api_key``, ``Authorization``). What looks like nothing in particular and has no such name
is shown.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any, Final, NamedTuple, TypeAlias, cast

__all__ = ["MASK", "beginning", "glimpse", "is_secret_name", "masked", "printable"]

MASK: Final = "***"

_MARGIN: Final = 1024  # characters after the cut that are read, too: a secret that begins before it must be recognised
_DEPTH: Final = 8  # of containers in containers
_NUMBER: Final = 512  # bits; a longer number is not written out


# --------------------------------------------------------------------------------------------------------------- names

_SECRET_ANYWHERE: Final = frozenset(
    ("apikey", "credentials", "passphrase", "passwd", "password", "passwords", "secret", "secrets")
)
_SECRET_AT_THE_END: Final = frozenset(
    ("auth", "authorization", "bearer", "cookie", "cookies", "credential", "jwt", "pwd", "token")
)
_KEYS: Final = (
    *("apikey", "accesskey", "accesskeyid", "accountkey", "authkey", "encryptionkey", "masterkey", "privatekey"),
    *("secretkey", "sessionkey", "sharedkey", "signingkey", "subscriptionkey"),
)
_OF_TEXT: Final = frozenset(
    (
        *("bos", "cls", "eos", "mask", "pad", "sep", "special", "stop", "unk"),
        *("first", "last", "n", "new", "num", "per"),
    )
)
"""With one of these before it a token is a piece of text, or the price of one."""
_HINTS: Final = ("key", "token", "pass", "secret", "auth", "cookie", "cred", "jwt", "pwd", "bearer")


def is_secret_name(name: object) -> bool:
    """Tell from the name of a field, header, variable or key whether its value is likely to be a secret."""
    if isinstance(name, bytes):
        name = bytes.__getitem__(name, slice(0, 100)).decode("latin-1")
    return isinstance(name, str) and _names_secret(str.__getitem__(name, slice(0, 100)))


def _names_secret(name: str) -> bool:
    words = _words(name) if any(hint in name.lower() for hint in _HINTS) else []
    if not words:
        return False
    if words[-1] in _SECRET_AT_THE_END:
        return len(words) == 1 or words[-2] not in _OF_TEXT
    return not _SECRET_ANYWHERE.isdisjoint(words) or "".join(words).endswith(_KEYS)


def _words(name: str) -> list[str]:
    """The words of ``accessToken``, ``X-Access-Token``, ``ACCESS_TOKEN``: access, token."""
    pairs = zip(chain(" ", name), name, strict=False)
    spaced = (f" {each}" if each.isupper() and before.islower() else each for before, each in pairs)
    return "".join(each if each[-1].isalnum() else " " for each in spaced).lower().split()


# --------------------------------------------------------------------------------------------------------------- texts

# All of them are linear: what repeats without a bound cannot begin again inside of what it has matched.
_LOOKS: Final = (
    # A private key, whole or cut off.
    r"()-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)",
    # Who logs in, in a URL.
    r"((?<![\w.+-])[A-Za-z][\w.+-]{0,30}://)[^\s/?#\"'<>]{1,512}(?=@)",
    # A JSON Web Token.
    r"()(?<![\w-])eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)*",
    # What vendors begin their keys with, so that they are recognised.
    r"()(?<![A-Za-z0-9])[spr]k-(?:(?=[\w-]{0,60}[\dA-Z])[\w-]{8,}|[\w-]{20,})",
    r"()(?<![A-Za-z0-9])(?:[spr]k_(?:live|test)_\w{8,}|whsec_\w{16,}|gsk_\w{16,}|hf_[A-Za-z0-9]{16,}|r8_\w{16,})",
    r"()(?<![A-Za-z0-9])(?:gh[opsru]_\w{16,}|github_pat_\w{16,}|gl(?:pat|ptt|dt|rt|ft)-[\w-]{16,}|npm_[A-Za-z0-9]{16,})",
    r"()(?<![A-Za-z0-9])(?:xox[a-z]-[\w-]{8,}|xapp-[\w-]{8,}|lsv2_\w{16,}|tvly-[\w-]{16,}|pypi-AgE[\w-]{16,})",
    r"()(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{30,}|ya29\.[\w-]{16,}|SG\.[\w-]{16,}\.[\w-]{16,})",
    # What follows the scheme of an Authorization header; with a small letter only if it is no word.
    r"((?<![\w-])(?:Bearer|BEARER)\s{1,3})[\w.~+/=-]{8,}",
    r"((?<![\w-])(?:bearer|Basic|BASIC|basic)\s{1,3})(?=[a-zA-Z.~+/=-]{0,60}\d|[\w.~+/=-]{24})[\w.~+/=-]{8,}",
)
# A name with a sign of equality or a colon, and a value, in the spellings of configs, code, queries and JSON.
_NAMED: Final = r"(?<![\w.-])([A-Za-z_][\w.-]{0,80})(\\?[\"']?\s{0,3}(?:=>|={1,3}|:=|:)\s{0,3})"
_VALUE: Final = (
    r"(?:(?:[Bb]earer|[Bb]asic|[Tt]oken)\s{1,3})?"
    r"(?:b?\\?\"[^\"\n]*\"?|b?\\?'[^'\n]*'?|[^\s,;&\"'<>(){}\[\]]+)"
)
_NOTHING: Final = frozenset(("", "none", "null", "true", "false", "undefined", "secretstr", MASK))
_SPOKEN: Final = frozenset(
    ("auth", "cookie", "cookies", "credentials", "password", "passwords", "secret", "secrets", "token")
)
"""Names that are words of prose as well: "the secret: be kind"."""


class _Patterns(NamedTuple):
    looks: tuple[Any, ...]
    named: Any
    value: Any


@cache
def _patterns() -> _Patterns:
    import re  # only who is watched, or fails, needs it

    return _Patterns(tuple(map(re.compile, _LOOKS)), re.compile(_NAMED), re.compile(_VALUE))


def masked(text: str) -> str:
    """The text with ``***`` in the place of everything that looks like a secret, or is called one."""
    for look in _patterns().looks:
        text = look.sub(rf"\g<1>{MASK}", text)
    return "".join(_named_masked(text))


def _named_masked(text: str) -> Iterator[str]:
    patterns, at = _patterns(), 0
    for match in patterns.named.finditer(text):
        name, sign = match.groups()
        if match.start() < at or not (name.lower() == "key" or _names_secret(name)):
            continue
        value = patterns.value.match(text, match.end())
        if value is not None and _hides(name, sign, value[0]):
            yield text[at : match.end()] + _as_quoted(value[0])
            at = value.end()
    yield text[at:]


def _hides(name: str, sign: str, value: str) -> bool:
    bare = value.strip("\\\"'")
    if bare.lower() in _NOTHING:
        return False
    if not _names_secret(name):  # ``key`` may be anything
        return name.lower() == "key" and len(bare) >= 16 and _is_wild(bare)
    is_prose = name.lower() in _SPOKEN and bare == value and sign.endswith(" ")
    return not is_prose or _is_wild(bare)


def _is_wild(value: str) -> bool:
    """Whether it is no word of a language: it has a digit, or is longer than words are."""
    return len(value) >= 24 or any(each.isdigit() for each in value)


def _as_quoted(value: str) -> str:
    """The mask, in the quotes of what it stands for, so that JSON stays JSON."""
    opening = value[: len(value) - len(value.lstrip("b\\\"'"))]
    quote = opening.removeprefix("b")
    return f"{opening}{MASK}{quote}" if quote else MASK


def beginning(text: str, limit: int) -> str:
    """The first ``limit`` characters of a text, the last of them ``…`` if it goes on; it is masked before it is cut."""
    window = limit + _MARGIN
    head = masked(str.__getitem__(text, slice(0, window)))
    return _cut(head, limit) if str.__len__(text) > window or len(head) > limit else head


def _cut(text: str, limit: int) -> str:
    return text[: max(limit - 1, 0)] + "…"


def printable(text: str) -> str:
    """The text on one line, with escapes for what a terminal would obey: control characters, line ends, overrides."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


# -------------------------------------------------------------------------------------------------------------- values

_Pieces: TypeAlias = Iterator[str]
_Show: TypeAlias = Callable[[Any, int, int], _Pieces]


def glimpse(value: Any, limit: int = 200) -> str:
    """A ``repr`` of at most ``limit`` characters, on one line, with secrets masked; never raises.

    Of texts, containers, dataclasses and pydantic models no more is looked at than is shown. Anything else is asked for
    its own ``repr``, which takes as long as it takes.
    """
    try:
        return _gathered(_pieces(value, limit, 0), limit)
    except (Exception, GeneratorExit):  # there was no stack left, or somebody's repr closed what reads it
        return _cut("", limit)


def _gathered(pieces: _Pieces, limit: int) -> str:
    shown, length = list[str](), 0
    for piece in map(printable, pieces):
        shown.append(piece)
        length += len(piece)
        if length > limit:
            return _cut("".join(shown), limit)
    return "".join(shown)


def _pieces(value: Any, limit: int, depth: int) -> _Pieces:
    """The repr, bit by bit, so that whoever has enough can stop."""
    try:
        yield from _way_to_show(_class_of(value))(value, max(limit // 2, 16) if depth == 1 else limit, depth)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a hostile object may raise what it likes
        yield f"<{_class_name(value)} whose repr raised {_class_name(error)}>"


def _class_of(value: object) -> type[Any]:
    return type(value)


def _class_name(value: object) -> str:
    return str(type.__dict__["__name__"].__get__(type(value)))[:100]  # its metaclass may be hostile, too


def _way_to_show(kind: type[Any]) -> _Show:
    """That of the builtin that the class derives from; a repr of its own goes first, as it may hide something."""
    own = kind.__repr__
    for known, show in _SHOWN.items():
        if own is known.__repr__ and issubclass(kind, known):
            return show
    return _show_fields if _consists_of(kind) else _show_foreign


def _consists_of(kind: type[Any]) -> Callable[[Any], Iterable[tuple[str | None, Any]]] | None:
    """How to find the fields that the class's repr shows, if it is one that was generated."""
    home = getattr(kind.__repr__, "__module__", None)
    if home == "pydantic.main":
        return lambda model: cast("Iterable[tuple[str | None, Any]]", model.__repr_args__())
    if home == "collections" and issubclass(kind, tuple):
        return lambda named: zip(cast(Any, kind)._fields, named, strict=False)
    if hasattr(kind, "__dataclass_fields__") and _is_generated(kind.__repr__):
        names = [field.name for field in kind.__dataclass_fields__.values() if field.repr]
        return lambda data: ((name, getattr(data, name)) for name in names)
    return None


def _is_generated(method: Any) -> bool:
    """Whether ``dataclasses`` wrote it, which compiles from a string."""
    code = getattr(getattr(method, "__wrapped__", None), "__code__", None)
    return getattr(code, "co_filename", "") == "<string>"


def _show_text(value: str, limit: int, depth: int) -> _Pieces:
    yield repr(beginning(value, limit))


def _show_bytes(value: Any, limit: int, depth: int) -> _Pieces:
    head = masked(bytes(memoryview(value)[: limit + _MARGIN]).decode("latin-1"))
    yield repr(head[:limit].encode("latin-1"))
    if len(head) > limit or len(value) > limit + _MARGIN:
        yield "…"


def _show_int(value: int, limit: int, depth: int) -> _Pieces:
    bits = int.bit_length(value)
    yield f"<int of {bits:,} bits>" if bits > _NUMBER else int.__repr__(value)


def _show_dict(value: dict[Any, Any], limit: int, depth: int) -> _Pieces:
    return _joined("{", (_show_item(key, item, limit, depth) for key, item in value.items()), "}", depth)


def _show_item(key: Any, value: Any, limit: int, depth: int) -> _Pieces:
    yield from _pieces(key, limit, depth + 1)
    yield ": "
    yield from _show_named(key, value, limit, depth)


def _show_named(name: Any, value: Any, limit: int, depth: int) -> _Pieces:
    """A value that has a name; that there is none, or a yes or no, is no secret."""
    if is_secret_name(name) and not (value is None or value is True or value is False):
        return iter((repr(MASK),))
    return _pieces(value, limit, depth + 1)


def _show_list(value: list[Any], limit: int, depth: int) -> _Pieces:
    return _joined("[", (_pieces(item, limit, depth + 1) for item in value), "]", depth)


def _show_tuple(value: tuple[Any, ...], limit: int, depth: int) -> _Pieces:
    if len(value) == 2 and isinstance(value[0], str | bytes):  # as headers are often written
        return _joined("(", _show_header(value[0], value[1], limit, depth), ")", depth)
    closing = ",)" if len(value) == 1 else ")"
    return _joined("(", (_pieces(item, limit, depth + 1) for item in value), closing, depth)


def _show_header(name: Any, value: Any, limit: int, depth: int) -> Iterator[_Pieces]:
    yield _pieces(name, limit, depth + 1)
    yield _show_named(name, value, limit, depth)


def _show_set(value: Any, limit: int, depth: int) -> _Pieces:
    items = (_pieces(item, limit, depth + 1) for item in value)
    name = _class_name(value)
    if not value:
        return iter((f"{name}()",))
    return _joined("{", items, "}", depth) if name == "set" else _joined(f"{name}({{", items, "})", depth)


def _show_deque(value: deque[Any], limit: int, depth: int) -> _Pieces:
    return _joined("deque([", (_pieces(item, limit, depth + 1) for item in value), "])", depth)


def _show_kind_of_dict(value: dict[Any, Any], limit: int, depth: int) -> _Pieces:
    return chain((f"{_class_name(value)}(",), _show_dict(value, limit, depth), (")",))


def _show_fields(value: Any, limit: int, depth: int) -> _Pieces:
    fields = _consists_of(_class_of(value))
    assert fields is not None
    items = (_show_field(name, item, limit, depth) for name, item in fields(value))
    return _joined(f"{_class_name(value)}(", items, ")", depth)


def _show_field(name: str | None, value: Any, limit: int, depth: int) -> _Pieces:
    if name is not None:
        yield f"{name}="
    yield from _show_named(name, value, limit, depth)


def _joined(opening: str, items: Iterable[_Pieces], closing: str, depth: int) -> _Pieces:
    yield opening
    between = ""
    for item in items if depth < _DEPTH else (iter("…"),):
        yield between
        yield from item
        between = ", "
    yield closing


def _show_foreign(value: Any, limit: int, depth: int) -> _Pieces:
    try:
        text = repr(value)
    except GeneratorExit as error:  # not that of this generator, which comes at its yield
        raise RuntimeError from error
    yield beginning(text, limit)


_SHOWN: Final[dict[type[Any], _Show]] = {
    str: _show_text,
    int: _show_int,
    dict: _show_dict,
    list: _show_list,
    tuple: _show_tuple,
    set: _show_set,
    frozenset: _show_set,
    bytes: _show_bytes,
    bytearray: _show_bytes,
    memoryview: _show_bytes,
    deque: _show_deque,
    defaultdict: _show_kind_of_dict,
    OrderedDict: _show_kind_of_dict,
    Counter: _show_kind_of_dict,
}

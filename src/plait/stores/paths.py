"""Which texts are names of files below a folder: decided before anything is opened.

A key is names joined by ``/``, of the letters, digits and signs that every file system takes alike. So no key is
absolute, climbs (``..``), names a drive, holds a NUL or a backslash, or is another key in disguise.
"""

from __future__ import annotations

import re
from typing import Final

from plait.errors import StoreError

__all__ = ["PART", "is_key", "names_of"]

_NAME: Final = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]*", re.ASCII)
_LONGEST_NAME: Final = 200  # bytes; file systems take 255, and what is being written has a longer name
_LONGEST_KEY: Final = 1000
_OF_WINDOWS: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)

PART: Final = ".plait-"
"""How the name of a file begins that is still being written; no key's does."""


def is_key(text: object) -> bool:
    """Whether this is a key."""
    return isinstance(text, str) and len(text) <= _LONGEST_KEY and all(map(_is_name, text.split("/")))


def names_of(key: object) -> list[str]:
    """The names that a key consists of; raises StoreError, which shows the key, for what is none."""
    if is_key(key):
        return str(key).split("/")
    raise StoreError(
        f"{ascii(key)[:200]} is no key for files: a key is a text of at most {_LONGEST_KEY} characters, of names joined by "
        f"'/'; a name has at most {_LONGEST_NAME} of A-Z, a-z, 0-9, '_', '-' and '.', does not begin or end with '.', "
        "and is none that Windows reserves. Hash what is no name"
    )


def _is_name(name: str) -> bool:
    if len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None or name.endswith("."):
        return False
    return name.partition(".")[0].lower() not in _OF_WINDOWS

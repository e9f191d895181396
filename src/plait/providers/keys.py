"""API keys: what may be sent as one, and how every trace of one is taken out of a text.

Pure. Providers repeat a part of a refused key in what they answer (``sk-ab***yz``), so it is not enough to look for
the whole of it.
"""

from __future__ import annotations

import re
from typing import Any, Final, cast
from urllib.parse import urlsplit

from plait.errors import ConfigError

__all__ = ["hidden", "is_loopback", "is_secret_header", "place", "sendable"]

_HIDDEN: Final = "***"
_SHORTEST: Final = 8  # characters; what is shorter is a placeholder such as "none", and would be found everywhere
_RUN: Final = re.compile(r"[\w*•…\-]+(?:\.{2,}[\w*•…\-]+)*")
_GAP: Final = re.compile(r"[*•…]+|\.{2,}")
_SECRET_HEADERS: Final = ("auth", "key", "token", "secret", "cookie", "password")


def sendable(key: str, whence: str) -> str:
    """The key without white space around it; raises ``ConfigError``, which does not show it, if no header can hold it."""
    bare = key.strip()
    for place, character in enumerate(bare):
        if not "!" <= character <= "~":
            raise ConfigError(
                f"the API key ({whence}) has a character at place {place + 1} of {len(bare)} that no key has: "
                "white space, a control character or a letter outside ASCII; copy it again"
            )
    return bare


def hidden(value: Any, key: str) -> Any:
    """A text without the key and without parts of it; dicts and lists are copied, with the texts in them treated."""
    if len(key) < _SHORTEST:
        return value
    if isinstance(value, str):
        return _RUN.sub(lambda run: _HIDDEN if _shows(run[0], key) else run[0], value.replace(key, _HIDDEN))
    if isinstance(value, dict):
        return {name: hidden(item, key) for name, item in cast(dict[Any, Any], value).items()}
    return [hidden(item, key) for item in cast(list[Any], value)] if isinstance(value, list) else value


def _shows(run: str, key: str) -> bool:
    head, *rest = _GAP.split(run)
    if not rest:
        return len(run) >= _SHORTEST and run in key
    return key.startswith(head or "\0") or key.endswith(rest[-1] or "\0")


def is_secret_header(name: str) -> bool:
    """Tell from the name of a header whether its value is likely to be a secret."""
    return any(word in name.lower() for word in _SECRET_HEADERS)


def place(url: str) -> str:
    """A URL as an error may show it: without a user, a password and a query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path


def is_loopback(url: str) -> bool:
    """Tell whether the URL is of this machine, where a server need not ask for a key."""
    host = urlsplit(url).hostname or ""
    return (
        host == "localhost"
        or host.endswith(".localhost")
        or host == "::1"
        or bool(re.fullmatch(r"127(\.\d+){3}", host))
    )

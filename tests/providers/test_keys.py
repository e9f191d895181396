"""No part of a key is left in a text, and a key that no header can hold is refused without being shown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plait.errors import ConfigError
from plait.providers.keys import hidden, is_loopback, place, sendable

KEY = "sk-proj-Ab3dEf6hIj9lMn"
keys = st.text(string.ascii_letters + string.digits + "-_", min_size=16, max_size=60)


@pytest.mark.parametrize(
    "echo",
    [
        KEY,
        "sk-pr***********j9lMn",
        "sk-proj-...9lMn",
        "sk-proj-****",
        "****j9lMn",
        "Ab3dEf6h",
        "sk-proj…lMn",
        f"'{KEY}'.",
    ],
)
def test_echo_of_a_key_is_hidden(echo: str) -> None:
    """However a provider shortens a key, what it repeats of it goes."""
    shown = hidden(f"Incorrect API key provided: {echo}. You can find your key there.", KEY)

    assert not any(part in shown for part in ("sk-", "lMn", "Ab3"))
    assert shown.startswith("Incorrect API key provided: ")
    assert shown.endswith(". You can find your key there.")


@given(key=keys, before=st.text(), after=st.text())
def test_whole_key_is_always_hidden(key: str, before: str, after: str) -> None:
    """No text around a key keeps it from being found."""
    assert key not in hidden(before + key + after, key)


def test_other_text_stays() -> None:
    """A text without a trace of the key is the same, stars and dots included."""
    text = "2 * 3 ** 4 ... a-b_c, see https://example.invalid/sk"

    assert hidden(text, KEY) == text


def test_structures_are_searched() -> None:
    """The texts in dicts and lists are treated, and the structure itself is left as it is."""
    body = {"error": {"message": KEY, "codes": [KEY, 401]}}

    assert hidden(body, KEY) == {"error": {"message": "***", "codes": ["***", 401]}}
    assert body["error"]["message"] == KEY


def test_placeholder_is_no_secret() -> None:
    """A key that only fills the field is not looked for, since it would be found everywhere."""
    assert hidden("none of these", "none") == "none of these"


@pytest.mark.parametrize("key", ["sk-abc def-ghi", "sk-abc\ndef-ghi", "sk-\u0430bcdef-ghi", "sk-abc\x00def-ghi"])
def test_key_that_cannot_be_sent_is_refused_unseen(key: str) -> None:
    """An error about a key tells where the wrong character is, and not what the key is."""
    with pytest.raises(ConfigError, match=r"place [47] of 1[34]") as caught:
        sendable(key, "api_key")

    assert "def" not in str(caught.value)


def test_space_around_a_key_is_dropped() -> None:
    """A key that was read from a file with its line break is the key."""
    assert sendable(f" {KEY}\n", "api_key") == KEY


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1234/v1", True),
        ("http://127.8.0.9", True),
        ("http://[::1]:80/v1", True),
        ("http://localhost/v1", True),
        ("http://127.0.0.1.example.invalid", False),
        ("http://10.0.0.1/v1", False),
        ("https://localhost.example.invalid", False),
        ("http://127.0.0.1@example.invalid/v1", False),
    ],
)
def test_loopback(url: str, here: bool) -> None:
    """Only an address of this machine passes for one."""
    assert is_loopback(url) is here


def test_place_shows_no_secret() -> None:
    """Of a URL an error shows the host and the path."""
    assert place("https://user:secret@host.invalid:8/v1?key=secret#x") == "https://host.invalid:8/v1"

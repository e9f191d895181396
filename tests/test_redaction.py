"""What of a value may be shown: bounded, on one line, with secrets masked, whatever the value is."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr

from plait.documents import Document
from plait.messages import HumanMessage
from plait.providers.openai import ChatOpenAI
from plait.redaction import beginning, glimpse, is_secret_name, masked, printable

# ---------------------------------------------------------------------------------------------------------------- texts

SECRETS = {
    "OpenAI": "sk-proj-abcdEFGH12345678",
    "Anthropic": "sk-ant-api03-abcdefghij",
    "only small letters": "sk-abcdefghijklmnopqrstuvw",
    "Stripe": "sk" + "_live_" + "4eC39HqLyjWDarjt",
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "gh" + "p_16C7e42F292c6912E7710c838347Ae178B4a",
    "GitHub, fine": "github" + "_pat_11ABCDEFG0abcdefghijkl",
    "GitLab": "gl" + "pat-abcdefghijklmnop1234",
    "Slack": "xox" + "b-123456789012-abcdef",
    "Google": "AI" + "zaSyA1234567890abcdefghijklmnopqrstu",
    "Hugging Face": "hf" + "_abcdefghijklmnopqrstuvwx",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmN",
    "a bearer": "Bearer abcdefgh-ijkl",
    "a small bearer": "bearer abc123def456",
    "basic": "Basic dXNlcjpwYXNzd29yZA==",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_secret_is_known_by_its_look(secret: str) -> None:
    """A key, token or password of a known form is masked wherever it stands in a text."""
    shown = masked(f"before {secret}, after")

    assert secret.rsplit(maxsplit=1)[-1] not in shown
    assert shown.startswith("before ")
    assert shown.endswith(", after")
    assert "***" in shown


NAMED = {
    "api_key=abc": "api_key=***",
    "OPENAI_API_KEY=abc def": "OPENAI_API_KEY=*** def",
    "password: hunter2": "password: ***",
    "Authorization: Basic abc": "Authorization: ***",
    "x-api-key: abc\nnext: line": "x-api-key: ***\nnext: line",
    '{"api_key": "a b", "n": 1}': '{"api_key": "***", "n": 1}',
    "{'client_secret': 'a b'}": "{'client_secret': '***'}",
    r'"{\"token\": \"abc\"}"': r'"{\"token\": \"***\"}"',
    "https://x.org/?access_token=abc&n=1": "https://x.org/?access_token=***&n=1",
    "https://user:p@ss@x.org/a": "https://***@x.org/a",
    "postgresql://user@db:5432/x": "postgresql://***@db:5432/x",
    'token == "abc"': 'token == "***"',
    "secret => abc1": "secret => ***",
    "data: 'password=abc'": "data: 'password=***'",
    "key=0123456789abcdef0123": "key=***",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7": "AWS_SECRET_ACCESS_KEY=***",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- x": "*** x",
    "-----BEGIN PRIVATE KEY-----\nMIIE": "***",
}


@pytest.mark.parametrize("text", NAMED)
def test_secret_is_known_by_its_name(text: str) -> None:
    """What is called a secret, in any spelling of configs, headers, queries and JSON, is masked; the rest stays."""
    assert masked(text) == NAMED[text]


@pytest.mark.parametrize(
    "text",
    [
        "the secret: be kind",
        "a token: the smallest piece of text",
        "max_tokens=100, token_usage: 5, tokens: 7",
        "cost_per_token=0.001 eos_token='</s>'",
        "the bearer understands; basic understanding",
        "use sk-learn, a risk-free glow-in-the-dark-sticker",
        "api_key=None password='' token: null",
        "key: value, monkey=banana, keyboard: qwertz",
        "https://x.org:8080/a@b?c=d git@github.com:a/b.git",
        "a sky-blue eyJacket",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Prose about secrets, counts of tokens and names that look alike are left as they are."""
    assert masked(text) == text


@given(st.text())
def test_masking_twice_is_masking_once(text: str) -> None:
    """What was masked is not masked again, and no text makes it fail."""
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize("name", ["api_key", "apiKey", "X-Api-Key", "OPENAI_API_KEY", "accessToken", b"authorization"])
@pytest.mark.parametrize(
    "more", ["Set-Cookie", "db_password", "client_secret", "credentials", "privateKey", "hf_token"]
)
def test_names_of_secrets(name: Any, more: str) -> None:
    """In snake, camel and kebab case, in capitals, as bytes."""
    assert is_secret_name(name)
    assert is_secret_name(more)


@pytest.mark.parametrize("name", ["tokens", "max_tokens", "token_usage", "eos_token", "key", "monkey", "author", "", 5])
def test_names_of_other_things(name: Any) -> None:
    """Counts and pieces of text are called tokens, too; not every key opens something."""
    assert not is_secret_name(name)


def test_secret_is_masked_before_it_is_cut() -> None:
    """A cut cannot leave the first half of a key, which would no longer be recognised."""
    secret = SECRETS["GitHub"]

    for limit in range(1, 60):
        assert secret[:5] not in beginning(f"0123456789 {secret} rest" + "." * 5000, limit)


@pytest.mark.parametrize("limit", [1, 5, 6, 7, 100])
def test_beginning_has_at_most_limit_characters(limit: int) -> None:
    """A text that goes on ends in an ellipsis, one that fits is whole."""
    shown = beginning("abcdef", limit)

    assert shown == "abcdef" if limit >= 6 else shown == "abcdef"[: limit - 1] + "…"


def test_printable_escapes_what_a_terminal_obeys() -> None:
    """J4: line ends, escapes of both sorts and overrides of the direction are written out."""
    assert printable("a\n\r\x1b[31m\x9b\u2028\u202eä€") == r"a\n\r\x1b[31m\x9b\u2028\u202eä€"


# --------------------------------------------------------------------------------------------------------------- values


class Colour(Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


@dataclass
class Data:
    number: int
    hidden: str = field(default="hidden", repr=False)


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - users have them

ORDINARY = [
    *(None, True, 5, 1.5, 1j, "text", "it's", b"bytes", bytearray(b"x"), ...),
    *([], [1, [2]], (), (1,), (1, 2), {}, {"a": {"b": 1}}, {1}, set(), frozenset({1}), frozenset(), range(3)),
    *(Colour.RED, Number.ONE, Data(1), Pair(1, 2), deque([1]), Counter("a"), int, ValueError("no"), slice(1)),
    *(HumanMessage("hi", id="1"), Document(page_content="x", metadata={"a": 1}), SecretStr("abc")),
]


@pytest.mark.parametrize("value", ORDINARY, ids=repr)
def test_small_value_is_its_repr(value: Any) -> None:
    """What is small and no secret is shown as its class shows it."""
    assert glimpse(value) == repr(value).replace("bytearray(b'x')", "b'x'")


SHOWN: dict[str, tuple[Any, str]] = {
    "a dict": ({"api_key": "abc", "n": 1}, "{'api_key': '***', 'n': 1}"),
    "whatever it holds": ({"credentials": {"user": "u"}}, "{'credentials': '***'}"),
    "nothing": ({"api_key": None, "secret": False}, "{'api_key': None, 'secret': False}"),
    "deep inside": ([{"a": ({"token": "abc"},)}], "[{'a': ({'token': '***'},)}]"),
    "headers": ([("Authorization", "abc"), (b"cookie", b"abc")], "[('Authorization', '***'), (b'cookie', '***')]"),
    "bytes": (b"api_key=abc \xff", r"b'api_key=*** \xff'"),
    "a text in a list": (["password=abc"], "['password=***']"),
    "a key of a dict": ({SECRETS["AWS"]: 1}, "{'***': 1}"),
    "a document": (
        Document(page_content="x", metadata={"token": "abc"}),
        "Document(page_content='x', metadata={'token': '***'})",
    ),
    "an error": (ValueError("api_key=abc"), "ValueError('api_key=***')"),
    "a named tuple": (namedtuple("Login", "user password")("u", "p"), "Login(user='u', password='***')"),  # noqa: PYI024 - users have them
    "other dicts": (
        [defaultdict(int, token=5), OrderedDict(token="abc")],
        "[defaultdict({'token': '***'}), OrderedDict({'token': '***'})]",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_secrets_in_values_are_masked(name: str) -> None:
    """By the name of the key or field that holds them, or by their look, at any depth."""
    value, shown = SHOWN[name]

    assert glimpse(value) == shown


def test_key_of_a_model_is_not_shown() -> None:
    """A provider's key is a SecretStr, and shows nothing."""
    assert "abcdefgh" not in glimpse(ChatOpenAI(api_key="abcdefgh"))


class Shy(BaseModel):
    shown: int = 1
    hidden: str = Field(default="hidden", repr=False)


@dataclass
class Quiet:
    pin: str

    def __repr__(self) -> str:
        return "Quiet()"


class QuietText(str):  # noqa: SLOT000 - users have them
    def __repr__(self) -> str:
        return "QuietText()"


@pytest.mark.parametrize("value", [Shy(hidden="abc"), Data(1, "abc"), Quiet("abc"), QuietText("abc"), [Quiet("abc")]])
def test_what_a_class_hides_stays_hidden(value: Any) -> None:
    """A repr that leaves something out is obeyed."""
    assert "abc" not in glimpse(value)


class Endless:
    def __repr__(self) -> str:
        return "x" * 10_000


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


CYCLE: dict[str, Any] = {}
CYCLE["self"] = CYCLE

HUGE: dict[str, Any] = {
    "a text": "x" * 10_000_000,
    "bytes": b"\xff" * 10_000_000,
    "a list": [0] * 1_000_000,
    "a dict": dict.fromkeys(range(1_000_000)),
    "a deep list": nested(100_000),
    "a cycle": CYCLE,
    "a wide tree": [[["x" * 100] * 100] * 100] * 100,
    "a number": 10**100_000,
    "a message": HumanMessage("x" * 1_000_000),
    "a list of messages": [HumanMessage("x" * 1000)] * 1000,
    "a long repr": Endless(),
    "many fields": Data(10**1000),
    "control characters": "\x1b" * 1000,
}


@pytest.mark.parametrize("limit", [1, 20, 200])
@pytest.mark.parametrize("name", HUGE)
def test_glimpse_is_bounded(name: str, limit: int) -> None:
    """No value gives more than ``limit`` characters."""
    assert 1 <= len(glimpse(HUGE[name], limit)) <= limit


def test_deep_values_end_somewhere() -> None:
    """What lies deeper than anybody reads is left out."""
    assert glimpse(nested(20)) == "[[[[[[[[[…]]]]]]]]]"


class Counting(list[Any]):
    """Counts how often somebody asks for its next item."""

    asked = 0

    def __iter__(self) -> Iterator[Any]:
        for _ in range(1_000_000):
            self.asked += 1
            yield "item"


def test_no_more_is_read_than_is_shown() -> None:
    """Of a long list only the beginning is looked at."""
    items = Counting()

    glimpse(items, 200)

    assert items.asked < 100


def test_each_part_gets_a_share() -> None:
    """A long text does not hide what stands beside it."""
    assert "'question': 'why?'" in glimpse({"context": "x" * 10_000, "question": "why?"})


class Raises:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __repr__(self) -> str:
        raise self.error


class Lies:
    __class__ = property(lambda self: 1 / 0)  # type: ignore[assignment]

    def __repr__(self) -> Any:
        return 5


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError(name)


class Strange(metaclass=Meta):
    pass


@pytest.mark.parametrize(
    "hostile",
    [lambda: Raises(ValueError()), lambda: Raises(SystemExit()), Lies, lambda: Strange()],
    ids=["fails", "exits", "lies", "strange"],
)
def test_hostile_objects_do_not_raise(hostile: Any) -> None:
    """An object that fails to describe itself is named, and the rest is still shown."""
    shown = glimpse([1, hostile(), 2])

    assert shown.startswith("[1, <")
    assert shown.endswith(">, 2]")


def test_repr_that_closes_its_reader() -> None:
    """Whatever a repr raises, there is something to show."""
    assert isinstance(glimpse([1, Raises(GeneratorExit())]), str)


def test_interrupt_gets_through() -> None:
    """Somebody who presses Ctrl-C during a slow repr is obeyed."""
    with pytest.raises(KeyboardInterrupt):
        glimpse(Raises(KeyboardInterrupt()))


def test_no_stack_left() -> None:
    """At the end of the stack, where notes on errors are made, it still gives something."""

    def descend() -> str:
        try:
            return descend()
        except RecursionError:
            return glimpse({"a": [1]})

    assert descend()


@given(
    st.recursive(
        st.text() | st.binary() | st.integers() | st.floats(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_glimpse_is_one_safe_line(value: Any) -> None:
    """Whatever is inside, the result can be printed: no line ends, no escapes."""
    assert glimpse(value).isprintable()


def test_escapes_in_foreign_reprs_are_written_out() -> None:
    """A repr that would command the terminal cannot."""

    class Red:
        def __repr__(self) -> str:
            return "\x1b[31mred\nline"

    assert glimpse(Red()) == r"\x1b[31mred\nline"


def test_import_is_light() -> None:
    """Who is not watched pays nothing for it."""
    code = "import sys, typing, functools, collections; before = {*sys.modules}; import plait.redaction; print(*{*sys.modules} - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert not {"pydantic", "asyncio", "json", "dataclasses", "inspect"} & set(loaded.split())

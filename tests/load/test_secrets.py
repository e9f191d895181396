"""Secrets reach no text, and a text puts none but where they belong (D3)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from plait.errors import LoadError
from plait.load import dumps, load, loads
from plait.providers import ChatAnthropic, ChatOpenAI, OpenAI, OpenAIEmbeddings
from plait.runnables import ConfigurableField, RunnableLambda, RunnablePassthrough
from plait.testing import FakeListChatModel

KEY = "sk-proj-Ab3dEf6hIj9lMnOpQrStUvWxYz0123456789"
OTHER = KEY.swapcase()


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("cls", [ChatOpenAI, OpenAI, OpenAIEmbeddings, ChatAnthropic])
def test_no_key_of_a_model_is_in_a_text(cls: Any) -> None:
    """In a field, a header, or what is sent besides, at any depth."""
    model = cls(
        model="m",
        api_key=KEY,
        default_headers={"Authorization": f"Bearer {KEY}"},
        extra_body={"auth": [{"api_key": KEY}], "passwords": [KEY, OTHER]},
    )
    name = "ANTHROPIC_API_KEY" if cls is ChatAnthropic else "OPENAI_API_KEY"
    names = {name: KEY, "AUTHORIZATION": f"Bearer {KEY}", "API_KEY": KEY, "PASSWORDS": KEY, "PASSWORDS_2": OTHER}
    text = dumps(model)

    assert KEY not in text
    assert OTHER not in text
    assert loads(text, secrets=names) == model


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda model: model.bind(extra_headers={"X-Api-Key": KEY}),
        lambda model: model.bind(extra_body={"list": [({"token": KEY},)]}),
        lambda model: model.with_config(metadata={"api_key": KEY}),
        lambda model: model.with_config(configurable={"tenant": [{"password": KEY}]}),
        lambda model: model.with_fallbacks([ChatAnthropic(model="m", api_key=KEY)]),
        lambda model: model.with_retry() | RunnableLambda(str.upper, name="up"),
        lambda model: model.configurable_alternatives(ConfigurableField(id="x"), other=model.bind(stop=["a"])),
        lambda model: model.configurable_fields(temperature=ConfigurableField(id="t")),
        lambda model: {"a": model} | RunnablePassthrough(),
    ],
)
def test_no_wrapper_brings_a_key_into_a_text(wrapped: Any) -> None:
    """What stands around a model or is bound to it."""
    text = dumps(wrapped(ChatOpenAI(model="m", api_key=KEY)), functions={"up": str.upper})
    names = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "X_API_KEY", "TOKEN", "API_KEY", "PASSWORD"), KEY)

    assert KEY not in text
    assert KEY not in repr(loads(text, functions={"up": str.upper}, secrets=names))


@pytest.mark.parametrize(
    "setting",
    [
        {"base_url": f"https://llm.example/v1?key={KEY}"},
        {"default_query": {"key": KEY}},
        {"default_headers": {"X-Custom": KEY}},
        {"extra_body": {"list": [KEY]}},
    ],
)
def test_a_key_under_another_name_is_found(setting: Any) -> None:
    """By its look; it cannot be written as a name there, so it is refused, and no repr shows it either."""
    model = ChatOpenAI(model="m", api_key="k", **setting)

    with pytest.raises(LoadError, match="looks like a secret") as told:
        dumps(model)
    assert KEY not in str(told.value)
    assert KEY not in repr(model) + str(model)


def test_two_keys_of_the_same_name_are_two() -> None:
    """Two services that speak the same language."""
    chain: Any = ChatOpenAI(model="a", api_key=KEY).with_fallbacks([ChatOpenAI(model="b", api_key=OTHER)])
    back: Any = loads(dumps(chain), secrets={"OPENAI_API_KEY": KEY, "OPENAI_API_KEY_2": OTHER})

    assert back.bound.api_key.get_secret_value() == KEY
    assert back.fallbacks[0].api_key.get_secret_value() == OTHER


def test_secrets_may_be_given_veiled() -> None:
    """As a program has them."""
    secrets: Any = {"OPENAI_API_KEY": SecretStr(KEY)}
    back = loads(dumps(ChatOpenAI(model="m", api_key=KEY)), secrets=secrets)

    assert back == ChatOpenAI(model="m", api_key=KEY)


@pytest.mark.parametrize(
    ("tree", "place"),
    [
        ({"$plait": "1/ChatOpenAI", "model": "m", "api_key": "sk-forger"}, r"\$\.api_key"),
        ({"$plait": "1/ChatAnthropic", "model": "m", "api_key": "sk-forger"}, r"\$\.api_key"),
        ({"$plait": "1/ChatOpenAI", "model": "m", "default_headers": {"Authorization": "x"}}, r"\.Authorization"),
        ({"$plait": "1/ChatOpenAI", "model": "m", "default_headers": {"$plait": "1/dict", "items": [["Authorization", "x"]]}}, r"\.Authorization"),
        ({"$plait": "1/ChatOpenAI", "model": "m", "api_key": {"$plait": "1/text", "utf8": "61"}}, r"\.api_key"),
        ({"$plait": "1/RunnableBinding", "bound": {"$plait": "1/FakeListChatModel", "responses": ["a"]}, "kwargs": {"extra_headers": {"x-api-key": "x"}}}, "x-api-key"),
    ],
)  # fmt: skip
def test_a_key_that_stands_in_a_text_is_refused(tree: Any, place: str) -> None:
    """It may be the forger's, in whose account the prompts would be kept; ``dumps`` writes none."""
    with pytest.raises(LoadError, match=f"{place}.*a secret stands here as it is"):
        load(tree)


@pytest.mark.parametrize("kind", ["ConfigurableField", "ConfigurableFieldSingleOption", "ConfigurableFieldMultiOption"])
def test_no_configured_field_takes_a_secret(kind: str) -> None:
    """A forged text would have it become a prompt."""
    field = {
        "$plait": f"1/{kind}",
        "id": "api_key",
        **({} if kind == "ConfigurableField" else {"options": {}, "default": []}),
    }
    prompt = {"$plait": "1/PromptTemplate", "template": "x"}
    late = {"$plait": "1/RunnableConfigurableFields", "default": prompt, "fields": {"template": field}}
    secret = {"$plait": "1/secret", "name": "KEY"}
    tree = {"$plait": "1/RunnableBinding", "bound": late, "config": {"configurable": {"api_key": secret}}}

    with pytest.raises(LoadError, match="'api_key' may be a secret"):
        load(tree, secrets={"KEY": KEY})


@pytest.mark.parametrize("field", ["base_url", "api_key", "default_headers"])
def test_what_cannot_be_loaded_is_not_saved(field: str) -> None:
    """A model whose address or key is configurable says so at once."""
    late = ChatOpenAI(model="m").configurable_fields(**{field: ConfigurableField(id="it")})

    with pytest.raises(LoadError, match=r"\$: this RunnableConfigurableFields cannot be saved: .*where you load"):
        dumps(late)


@pytest.mark.parametrize("field", ["base_url", "openai_api_base", "openai_api_key", "headers"])
def test_no_text_makes_an_address_configurable(field: str) -> None:
    """By none of the names that people know for it."""
    model = {"$plait": "1/ChatOpenAI", "model": "m"}
    fields = {field: {"$plait": "1/ConfigurableField", "id": "it"}}

    with pytest.raises(LoadError, match=r"cannot make the address|has no field"):
        load({"$plait": "1/RunnableConfigurableFields", "default": model, "fields": fields})


@pytest.mark.parametrize("name", ["ChatOpenAI", "ChatLocal", "OpenAIEmbeddings", "StructuredTool", "PromptTemplate"])
def test_no_parser_makes_a_model(name: str) -> None:
    """It would be made of an answer, with the key of the environment: types in a text are those of data."""
    tree = {"$plait": "1/PydanticOutputParser", "pydantic_object": {"$plait": "1/type", "name": name}}

    with pytest.raises(LoadError, match=f"the type '{name}' is not known"):
        load(tree)


class Service(BaseModel):
    """A user's own, with secrets by type and by name."""

    it: SecretStr
    raw: SecretBytes = SecretBytes(b"")
    token: str = ""
    plain: Any = None


def test_secrets_of_classes_of_ones_own() -> None:
    """By the type of a field, or by its name."""
    service = Service(it=SecretStr(KEY), raw=SecretBytes(b"raw"), token=OTHER, plain={"pwd": b"bytes"})
    text = dumps(service, classes=[Service])

    assert not any(each in text for each in (KEY, OTHER, "cmF3", "Ynl0ZXM"))
    secrets: Any = {"IT": KEY, "RAW": "raw", "TOKEN": OTHER, "PWD": b"bytes"}
    assert loads(text, classes=[Service], secrets=secrets) == service


def test_a_secret_in_another_place_is_refused() -> None:
    """It could not be given back there."""
    veiled = SecretStr(KEY)
    for value, classes in (
        ([veiled], []),
        (Service(it=veiled, plain=veiled), [Service]),
        (RunnablePassthrough().bind(x=veiled), []),
        (FakeListChatModel(responses=["a"]).bind(stop=[veiled]), []),
    ):
        with pytest.raises(LoadError, match="a secret cannot be saved here") as told:
            dumps(value, classes=classes)
        assert KEY not in str(told.value)

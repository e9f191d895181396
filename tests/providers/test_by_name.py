"""A string chooses a model."""

from __future__ import annotations

import copy
import pickle
from typing import Any, cast

import pytest

from plait import RunnableConfig
from plait.errors import ConfigError
from plait.providers import ChatAnthropic, ChatLocal, ChatOpenAI, init_chat_model

ANSWER = {"id": "c-1", "model": "m", "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}


def piece(text: str | None, reason: str | None = None) -> dict[str, Any]:
    return {"id": "c-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]}


@pytest.mark.parametrize(
    ("name", "kind", "model"),
    [
        ("openai:gpt-4o-mini", ChatOpenAI, "gpt-4o-mini"),
        ("openai:some/other:tag", ChatOpenAI, "some/other:tag"),
        ("anthropic:claude-sonnet-4-5", ChatAnthropic, "claude-sonnet-4-5"),
        ("gpt-4o", ChatOpenAI, "gpt-4o"),
        ("o3-mini", ChatOpenAI, "o3-mini"),
        ("ft:gpt-4o:mine", ChatOpenAI, "ft:gpt-4o:mine"),
        ("claude-opus-4-5", ChatAnthropic, "claude-opus-4-5"),
        ("local", ChatLocal, ""),
        ("local:/a/b.gguf", ChatLocal, "/a/b.gguf"),
        ("c.gguf", ChatLocal, "c.gguf"),
    ],
)
def test_name_chooses_class_and_model(name: str, kind: type, model: str) -> None:
    """The provider is named or can be told from the name; the settings go to its class."""
    made = init_chat_model(name, temperature=0.5, max_tokens=7)

    assert type(made) is kind
    assert (made.model, made.temperature, made.max_tokens) == (model, 0.5, 7)  # type: ignore[attr-defined]  # each has them


def test_provider_can_be_given_apart() -> None:
    """The form with two arguments means the same."""
    assert init_chat_model("x-1", model_provider="openai") == init_chat_model("openai:x-1")


@pytest.mark.parametrize("name", ["nobody:x", "mystery-7b", ""])
def test_unknown_name_lists_what_is_known(name: str) -> None:
    """An error says what could have been written."""
    with pytest.raises(ValueError, match=r"anthropic, local, openai.*gpt-.*\.gguf"):
        init_chat_model(name)
    with pytest.raises(ValueError, match="expected one of anthropic, local, openai"):
        init_chat_model(name, model_provider="nobody")


# ------------------------------------------------------------------------------------------- chosen by each call


def configured(**values: Any) -> RunnableConfig:
    return {"configurable": values}


def test_call_chooses_the_model(run: Any, wire: Any) -> None:
    """Without a model each call says which; it is asked, in every mode, by its name and with the settings."""
    wire.either(ANSWER, piece("hi"), piece(None, "stop"), "data: [DONE]\n\n")
    model = init_chat_model(model_provider="openai", base_url=f"{wire.url}/v1", max_tokens=9)

    assert run(model, "hello", configured(model="m-7")).content == "hi"
    assert (wire.body["model"], wire.body["max_tokens"]) == ("m-7", 9)


def test_no_choice_is_an_error_that_says_what_to_give(run: Any) -> None:
    """A call that names no model, where there is no default, raises; so do the steps that are built on it."""
    model = init_chat_model(config_prefix="main")
    for step in (model, model.with_retry(stop_after_attempt=1), model | str):
        with pytest.raises(ConfigError, match=r"config\['configurable'\]\['main_model'\]"):
            run(step, "hello")


def test_fields_that_are_listed_can_be_set(run: Any, wire: Any) -> None:
    """What is listed is taken from the config, under its prefix; the default holds for the rest."""
    wire.either(ANSWER, piece("hi"), piece(None, "stop"), "data: [DONE]\n\n")
    settings: dict[str, Any] = {"base_url": f"{wire.url}/v1", "temperature": 0.5, "seed": 1}
    fields = ["temperature", "model"]
    model = init_chat_model("openai:m-1", configurable_fields=fields, config_prefix="a", **settings)

    run(model, "hello", configured(a_temperature=0.25, other=1))
    assert [wire.body[name] for name in ("model", "temperature", "seed")] == ["m-1", 0.25, 1]
    with pytest.raises(ConfigError, match="'a_seed'"):
        run(model, "hello", configured(a_seed=2))


def test_calls_share_a_prefix_with_nobody(wire: Any) -> None:
    """Keys of others are let pass, with a prefix or without; what is misspelt under a prefix is not."""
    wire.reply(ANSWER)
    url = f"{wire.url}/v1"
    init_chat_model("openai:m-1", configurable_fields="any", base_url=url).invoke("x", configured(session_id="7"))
    with pytest.raises(ConfigError, match="did you mean 'a_temperature'"):
        init_chat_model("openai:m", configurable_fields="any", config_prefix="a").invoke(
            "x", configured(a_temprature=1)
        )


@pytest.mark.parametrize(
    "name", ["api_key", "base_url", "openai_api_base", "default_headers", "extra_body", "mcp_servers"]
)
def test_any_is_not_keys_and_addresses(run: Any, wire: Any, name: str) -> None:
    """Nobody leads a request, or a key, elsewhere by a config: that has to be opened by name."""
    wire.either(ANSWER, piece("hi"), piece(None, "stop"), "data: [DONE]\n\n")
    settings: dict[str, Any] = {"base_url": f"{wire.url}/v1", "config_prefix": "m"}
    model = init_chat_model("openai:m-1", configurable_fields="any", **settings)
    with pytest.raises(ConfigError, match=f"m_{name}"):
        run(model, "x", configured(**{f"m_{name}": "http://127.0.0.1:9"}))
    assert not wire.requests


def test_address_that_is_named_can_be_set(wire: Any) -> None:
    """The author of a program may open what is guarded."""
    wire.reply(ANSWER)
    model = init_chat_model("openai:m-1", configurable_fields=["base_url"])

    assert model.invoke("x", configured(base_url=f"{wire.url}/v1")).content == "hi"


def test_key_goes_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was given for one provider is not sent to another that a call chooses."""
    model = init_chat_model("openai:m-1", api_key="sk-of-openai", configurable_fields=["model"])
    chosen = cast("Any", model)._chosen({"configurable": {"model": "anthropic:claude-x"}})[0]

    assert type(chosen) is ChatAnthropic
    assert chosen.api_key is None
    with pytest.raises(ConfigError, match="whose are the key"):
        init_chat_model(api_key="sk-of-somebody")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"model": "mystery-7b"}, "cannot tell the provider"),
        ({"model": 7}, "must be a text"),
        ({"model_provider": "nobody"}, "unknown provider"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"thinking": 1, "model": "openai:m"}, "thinking"),
    ],
)
def test_choice_that_cannot_be_made(run: Any, values: dict[str, Any], says: str) -> None:
    """A wrong choice is a ConfigError that says what is wrong with it, in every mode."""
    with pytest.raises(ConfigError, match=says):
        run(init_chat_model("local", configurable_fields="any"), "x", configured(**values))


def test_models_are_kept() -> None:
    """The model of one choice is made once."""
    model = cast("Any", init_chat_model())
    first, second, other = (model._chosen({"configurable": {"model": name}})[0] for name in ("local", "local", "gpt-4"))

    assert first is second
    assert first is not other


def test_what_can_be_chosen_is_told() -> None:
    """The config schema and the repr say what callers may set, and show no key."""
    model = init_chat_model(
        "openai:m-1", api_key="sk-of-somebody", configurable_fields=["model", "temperature", "api_key"]
    )

    assert [spec.id for spec in model.config_specs] == ["model", "temperature", "api_key"]
    assert model.config_specs[0].default == "openai:m-1"
    assert "sk-of" not in repr(model) + repr(model.config_specs) + repr(model.get_config_jsonschema())
    assert "configurable_fields=['model'" in repr(model)


def test_copies_choose_too() -> None:
    """A pickled or copied one chooses like the original."""
    model = init_chat_model("local", max_tokens=3, configurable_fields="any")
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert cast("Any", other)._chosen({"configurable": {"temperature": 0}})[0] == ChatLocal(
            max_tokens=3, temperature=0, model=""
        )


def test_fields_must_be_names() -> None:
    """A text that is not 'any' is a mistake for a list."""
    with pytest.raises(ConfigError, match="'any' or a list"):
        init_chat_model("local", configurable_fields="model")

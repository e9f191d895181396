"""A string chooses a model."""

from __future__ import annotations

import pytest

from plait.providers import ChatAnthropic, ChatLocal, ChatOpenAI, init_chat_model


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

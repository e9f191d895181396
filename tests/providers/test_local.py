"""The chat model in this process."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

from plait import ChatPromptTemplate
from plait.errors import LocalModelError
from plait.providers import ChatLocal, LocalServer, init_chat_model
from plait.testing import check_chat_model


@pytest.fixture
def model(local_server: LocalServer) -> ChatLocal:
    return ChatLocal(max_tokens=8, temperature=0)


def test_answers_in_every_mode(run: Any, model: ChatLocal) -> None:
    """It needs no key and no address, and gives the same answer however it is called."""
    chain = ChatPromptTemplate.from_template("Say hi to {name}.") | model

    assert run(chain, {"name": "Ann"}).content == chain.invoke({"name": "Ann"}).content != ""


def test_models_share_a_server(model: ChatLocal, local_server: LocalServer) -> None:
    """All models of one file are answered by one server."""
    assert model.server is local_server
    assert ChatLocal(temperature=1).server is local_server


def test_server_that_was_closed_starts_again(model: ChatLocal, local_server: LocalServer) -> None:
    """Closing the server ends it until the next call."""
    local_server.close()

    assert model.invoke("Say hi.").content


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_work(copied: Any, model: ChatLocal) -> None:
    """A copy and a pickle hold settings; the server is that of where they are."""
    assert copied(model).invoke("Say hi.").content == model.invoke("Say hi.").content


def test_environment_of_openai_is_not_for_it(model: ChatLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Key and address of OpenAI do not lead it away from this process."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")

    assert ChatLocal(max_tokens=2).invoke("Say hi.").content


def test_missing_file_is_found_at_the_first_call(tmp_path: Path, run: Any) -> None:
    """The path may be any; a call says that there is nothing, and where."""
    model = init_chat_model(f"local:{tmp_path / 'none.gguf'}")

    with pytest.raises(LocalModelError, match=r"none\.gguf: No such file"):
        run(model, "hi")


def test_path_may_be_a_path(tmp_path: Path) -> None:
    """A path object names a file like a string."""
    assert ChatLocal(model=tmp_path / "a.gguf").model == str(tmp_path / "a.gguf")


def test_own_parameters_of_the_engine(model: ChatLocal) -> None:
    """What only llama.cpp knows goes through extra_body."""
    answer = model.invoke("Say hi.", extra_body={"grammar": 'root ::= "yes" | "no"'})

    assert answer.content in {"yes", "no"}


def test_schema_has_its_name() -> None:
    """The schema of what it gives is named for the class."""
    assert ChatLocal().output_schema.model_json_schema()["title"] == "ChatLocalOutput"


def test_obeys_the_laws_of_chat_models(local_server: LocalServer) -> None:
    """Whatever is asked of a chat model it does; tools its template does not know."""
    skip = dict.fromkeys(("tools", "tool-messages"), "its template has no place for tools")
    check_chat_model(ChatLocal(max_tokens=6, temperature=0, seed=1), as_runnable=False, skip=skip)

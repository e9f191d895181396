"""Prompts are saved as data for people to read, and loaded from files that may hold nothing else."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plait.errors import LoadError, MissingExtraError, PromptError
from plait.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from plait.prompts import (
    AIMessagePromptTemplate,
    ChatMessagePromptTemplate,
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    FewShotPromptTemplate,
    HumanMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
    SystemMessagePromptTemplate,
    load_prompt,
    load_prompt_from_config,
)
from plait.templates import escape

PAIR = PromptTemplate.from_template("{q} -> {a}")
EXAMPLES = [{"q": "1+1", "a": "2"}, {"q": "{x}", "a": '{"n": {}}', "more": [1, None, True, {"k": 0.5}]}]
SHOTS = FewShotPromptTemplate(
    examples=EXAMPLES, example_prompt=PAIR, prefix="Be {tone}.\n", suffix="{q}\n  ->", name="shots"
)
TURNS = FewShotChatMessagePromptTemplate(
    examples=EXAMPLES, example_prompt=ChatPromptTemplate([("human", "{q}"), ("ai", "{a}")])
)
BLOCKS = [{"type": "text", "text": "{q}"}, {"type": "image_url", "image_url": {"url": "{url}", "detail": "low"}}]
ALL = {
    "template": PromptTemplate.from_template("Tell me about {topic}.\n\n  {topic}\t"),
    "mustache": PromptTemplate.from_template("{{a}} and {b}", template_format="mustache", max_chars=50),
    "partial": PromptTemplate.from_template("{a} {b}", partial_variables={"b": [1, "x"]}, validate_template=True, input_variables=["a"]),
    "few_shot": SHOTS,
    "few_shot_mustache": FewShotPromptTemplate(examples=[], example_prompt=PAIR, suffix="{{x}}", template_format="mustache", example_separator=""),
    "few_shot_chat": TURNS,
    "few_shot_message": FewShotChatMessagePromptTemplate(examples=EXAMPLES, input_variables=["z"], example_prompt=HumanMessagePromptTemplate.from_template("{q}")),
    "chat": ChatPromptTemplate(
        [
            ("system", "You are {role}"),
            MessagesPlaceholder("history", n_messages=3),
            ("placeholder", "{more}"),
            HumanMessage("literal {braces}", name="ann"),
            AIMessage("", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "1"}]),
            ToolMessage("done", tool_call_id="1"),
            ("human", BLOCKS),
            ChatMessagePromptTemplate.from_template("{c}", role="critic", additional_kwargs={"k": [1]}),
            SystemMessagePromptTemplate(SHOTS),
            TURNS,
            ChatPromptTemplate(["{inner}"]),
            AIMessagePromptTemplate.from_template("{{m}}", "mustache"),
        ],
        partial_variables={"role": "a judge"},
    ),
    "chat_mustache": ChatPromptTemplate(
        [("human", "{{q}} {x}"), HumanMessagePromptTemplate.from_template("{p}"), ("human", [{"type": "text", "text": "{{b}}"}])],
        template_format="mustache",
        max_chars=200,
        name="chat",
    ),
}  # fmt: skip


def said(prompt: Any) -> Any:
    """What can be told of a prompt without its file."""
    values: dict[str, Any] = dict.fromkeys([*prompt.input_variables, *prompt.optional_variables], "v")
    values |= {name: [("human", "h")] for name in ("history", "more") if name in values}
    return (
        type(prompt),
        prompt.name,
        prompt.input_variables,
        prompt.invoke(values),
        prompt.get_input_schema().model_json_schema(),
    )


def load(tmp_path: Path, config: Any, name: str = "p.json") -> Any:
    path = tmp_path / name
    path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return load_prompt(path)


# -------------------------------------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".yml"])
@pytest.mark.parametrize("kind", ALL)
def test_a_prompt_that_was_saved_is_the_same(tmp_path: Path, kind: str, suffix: str) -> None:
    """Every kind, in every format; saved again it is the same file."""
    path = tmp_path / "folder" / f"p{suffix}"
    ALL[kind].save(path)
    loaded = load_prompt(path)
    assert said(loaded) == said(ALL[kind])
    before = path.read_bytes()
    loaded.save(str(path))
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


TEXTS = st.text(st.characters() | st.sampled_from("{}\n\r\t :#-'\"&*!|>%@`\x85\u2028\ufeff\0\ud800é🙂"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def prompts(draw: st.DrawFn) -> Any:
    """A prompt that is data, with any texts in all places."""
    text = PromptTemplate(
        template=escape(draw(TEXTS)) + draw(st.sampled_from(["", "{a}", "{b}"])),
        partial_variables=draw(st.dictionaries(st.sampled_from("bc"), VALUES)),
        name=draw(st.none() | TEXTS),
    )
    shots = FewShotPromptTemplate(
        examples=draw(st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), max_size=2)),
        example_prompt=text,
        suffix=draw(TEXTS),
        prefix=draw(TEXTS),
        template_format="mustache",
        example_separator=draw(TEXTS),
    )
    message = ChatMessagePromptTemplate(
        text, role=draw(TEXTS), additional_kwargs=draw(st.dictionaries(TEXTS, VALUES, max_size=2))
    )
    literal = SystemMessage(draw(TEXTS), additional_kwargs=draw(st.dictionaries(TEXTS, VALUES, max_size=2)))
    chat = ChatPromptTemplate(
        [
            text,
            ("ai", [{"type": "text", "text": "{a}", "k": draw(VALUES)}]),
            message,
            literal,
            SystemMessagePromptTemplate(shots),
        ]
    )
    return draw(st.sampled_from([text, shots, chat]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(prompts(), st.sampled_from([".json", ".yaml"]))
def test_whatever_texts_a_prompt_has_it_comes_back(tmp_path: Path, prompt: Any, suffix: str) -> None:
    """Odd characters, words that YAML would read as something else, numbers, nesting."""
    path = tmp_path / f"p{suffix}"
    prompt.save(path)
    assert load_prompt(path)._config() == prompt._config()
    assert load_prompt_from_config(prompt._config())._config() == prompt._config()


@pytest.mark.parametrize("form", ["{}", "a{}", "{}a", "a\n{}b", "{}\n{}", " {}\n x"])
def test_every_character_comes_back_from_yaml(tmp_path: Path, form: str) -> None:
    """At each end of a text and of a line."""
    codes = [*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFE00, 0x10010)]
    texts = [form.replace("{}", chr(code)) for code in codes]
    prompt = PromptTemplate.from_template("{a}").partial(a=texts)
    prompt.save(tmp_path / "p.yaml")

    assert load_prompt(tmp_path / "p.yaml").partial_variables["a"] == texts


def test_a_file_is_for_people(tmp_path: Path) -> None:
    """It says what is particular to the prompt, with texts of several lines as such."""
    ALL["chat_mustache"].save(tmp_path / "p.yaml")
    assert (tmp_path / "p.yaml").read_text() == SHOWN
    SHOTS.save(tmp_path / "s.yaml")
    assert "prefix: |\n  Be {tone}.\nsuffix: |-\n  {q}\n    ->\n" in (tmp_path / "s.yaml").read_text()


SHOWN = """\
_type: chat
input_variables:
- b
- p
- q
template_format: mustache
messages:
- role: human
  content: '{{q}} {x}'
- role: human
  content: '{p}'
  template_format: f-string
  max_chars: 10000000
- role: human
  content:
  - type: text
    text: '{{b}}'
name: chat
max_chars: 200
"""


# ------------------------------------------------------------------------------------------------------- what is no data


class Own(PromptTemplate):
    """A user's own prompt."""


class OwnPart(HumanMessagePromptTemplate):
    """A user's own part."""


class Selects:
    def select_examples(self, input_variables: dict[str, Any], /) -> list[dict[str, Any]]:
        return []


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (PromptTemplate.from_template("{a}").partial(a=lambda: "x"), "PromptTemplate.partial_variables.a cannot be saved: it is a function"),
        (PromptTemplate.from_template("{a}").partial(a=(1,)), "it is a tuple"),
        (PromptTemplate.from_template("{a}").partial(a=[{"k": float("nan")}]), r"partial_variables.a\[0\].k cannot be saved: it is nan"),
        (PromptTemplate.from_template("{a}").partial(a={1: 2}), "it is a dict, and a file holds .* dicts with text for keys"),
        (PromptTemplate.from_template("{a}", input_types={"a": int}), "its input_types are types"),
        (FewShotPromptTemplate(example_selector=Selects(), example_prompt=PAIR, suffix=""), "its example_selector, a Selects, is no data"),
        (ChatPromptTemplate([FewShotChatMessagePromptTemplate(example_selector=Selects(), example_prompt=TURNS)]), "example_selector, a Selects"),
        (FewShotPromptTemplate(examples=[{"q": HumanMessage("x")}], example_prompt=PAIR, suffix=""), r"examples\[0\].q cannot be saved: it is a HumanMessage"),
        (Own.from_template("{a}"), "Own cannot be saved: it is a class of your own"),
        (ChatPromptTemplate([OwnPart.from_template("{a}")]), "OwnPart cannot be saved: it is a class of your own"),
        (ChatPromptTemplate([HumanMessage("a", additional_kwargs={"k": {1}})]), "a HumanMessage.data.additional_kwargs.k cannot be saved: it is a set"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_not_saved(tmp_path: Path, prompt: Any, says: str) -> None:
    """The error says which step it is, and nothing is written."""
    with pytest.raises(LoadError, match=says):
        prompt.save(tmp_path / "p.json")
    assert list(tmp_path.iterdir()) == []


def test_what_is_nested_without_end_is_not_saved(tmp_path: Path) -> None:
    """A value that holds itself."""
    value: list[Any] = []
    value.append(value)
    with pytest.raises(LoadError, match="nested more than 100 deep"):
        PromptTemplate.from_template("{a}").partial(a=value).save(tmp_path / "p.json")


def test_a_file_has_a_format(tmp_path: Path) -> None:
    """By its name, when it is saved and when it is loaded; what cannot be written says so and leaves the old file."""
    for name in ("p.py", "p", "p.json.txt", "p.pkl"):
        with pytest.raises(LoadError, match=r"ends with \.json, \.yaml, \.yml"):
            PAIR.save(tmp_path / name)
        with pytest.raises(LoadError, match=r"ends with \.json, \.yaml, \.yml"):
            load_prompt(tmp_path / name)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(LoadError, match="cannot be written"):
        PAIR.save(tmp_path / "folder.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]


def test_yaml_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON does not."""
    (tmp_path / "p.yaml").write_text("template: a")
    monkeypatch.setitem(sys.modules, "yaml", None)
    for call in (lambda: PAIR.save(tmp_path / "q.yaml"), lambda: load_prompt(tmp_path / "p.yaml")):
        with pytest.raises(MissingExtraError, match=r"pip install 'plait\[yaml\]'"):
            call()
    PAIR.save(tmp_path / "q.json")
    assert load_prompt(tmp_path / "q.json") == PAIR


# ----------------------------------------------------------------------------------------------------------- other files


def test_a_file_may_name_others_beside_it(tmp_path: Path) -> None:
    """Texts, examples and the example's prompt, in its folder and below; theirs are named from where they are."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a text.txt").write_bytes("\ufeffBe {tone}.\r\nNow é:".encode())
    (tmp_path / "sub" / "example.yaml").write_text("template_path: line.txt")
    (tmp_path / "sub" / "line.txt").write_text("{q} -> {a}")
    (tmp_path / "e.json").write_text(json.dumps(EXAMPLES))
    config = {
        "_type": "few_shot",
        "prefix_path": "sub/a text.txt",
        "suffix": "{q}?",
        "examples": "e.json",
        "example_prompt_path": "sub/example.yaml",
    }
    text = load(tmp_path, config).format(tone="brief", q="x")
    assert text == 'Be brief.\nNow é:\n\n1+1 -> 2\n\n{x} -> {"n": {}}\n\nx?'


LEADS_OUT = ["../secret.txt", "sub/../../secret.txt", "/etc/hostname.txt", "..\\secret.txt", "C:secret.txt", "c:/secret.txt", "a\0.txt", "", ".", "./secret.txt", "a//b.txt", "file:///etc/hostname.txt", "~/secret.txt ", "a\n.txt", "txt.\u202e.txt", "link.txt", "linked/secret.txt", "loop/x.txt"]  # fmt: skip


@pytest.mark.parametrize("name", LEADS_OUT)
@pytest.mark.parametrize("key", ["template_path", "prefix_path", "suffix_path", "examples", "example_prompt_path"])
def test_no_file_elsewhere_is_read(tmp_path: Path, key: str, name: str) -> None:
    """By no way that leads out of the folder, and by no link."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "secret.json").write_text('[{"secret": 1}]')
    (home / "link.txt").symlink_to(tmp_path / "secret.txt")
    (home / "link.json").symlink_to(tmp_path / "secret.json")
    (home / "linked").symlink_to(tmp_path)
    (home / "loop").symlink_to(home / "loop")
    name = name if key.endswith("x_path") or key == "template_path" else name.replace(".txt", ".json")
    config: dict[str, Any] = {key: name}
    if key != "template_path":
        config = {"_type": "few_shot", "suffix": "", "examples": [], "example_prompt": {"template": ""}, key: name}
        config.pop("suffix" if key == "suffix_path" else "example_prompt" if key == "example_prompt_path" else "", None)
    with pytest.raises(LoadError, match=r"no file that a prompt may name|leads to a symbolic link") as caught:
        load(home, config)
    assert f"p.json.{key}" in str(caught.value)
    assert "secret" not in str(caught.value).replace("secret.", "")


def test_only_texts_and_data_are_read(tmp_path: Path) -> None:
    """By the name of the file: a template is no data, and examples are no text."""
    (tmp_path / "x.py").write_text("1")
    with pytest.raises(LoadError, match=r"ends with \.txt"):
        load(tmp_path, {"template_path": "x.py"})
    with pytest.raises(LoadError, match=r"ends with \.json, \.yaml, \.yml"):
        load(tmp_path, {"_type": "few_shot", "suffix": "", "examples": "x.py", "example_prompt": {"template": ""}})
    with pytest.raises(LoadError, match=r"cannot be read: .*No such file"):
        load(tmp_path, {"template_path": "none.txt"})
    with pytest.raises(LoadError, match="either template or template_path, not both"):
        load(tmp_path, {"template_path": "x.txt", "template": ""})


def test_a_config_that_is_no_file_names_none() -> None:
    """There is no folder in which it could lie."""
    with pytest.raises(
        LoadError, match=r"config.template_path: a prompt that is not loaded from a file cannot name another"
    ):
        load_prompt_from_config({"template_path": "x.txt"})


def test_files_that_name_each_other_come_to_an_end(tmp_path: Path) -> None:
    """A file may be named by itself."""
    with pytest.raises(LoadError, match="more than 20 deep"):
        load(tmp_path, {"_type": "few_shot", "suffix": "", "examples": [], "example_prompt_path": "p.json"})


def test_files_that_name_each_other_in_many_ways_come_to_an_end(tmp_path: Path) -> None:
    """Eight files with eight names each would be read seventeen million times."""
    for i in range(8):
        shots = {"_type": "few_shot_chat", "examples": [], "example_prompt_path": f"{i + 1}.json"}
        prompt = {"_type": "chat", "messages": [shots] * 8}
        (tmp_path / f"{i}.json").write_text(json.dumps(prompt))
    (tmp_path / "8.json").write_text(json.dumps({"_type": "chat", "messages": []}))

    with pytest.raises(LoadError, match="more than 100 files are named"):
        load_prompt(tmp_path / "0.json")


@pytest.mark.parametrize("config", [None, "template", [1], 5], ids=repr)
def test_a_config_is_a_dict(config: Any) -> None:
    """Anything else is told of as what is wrong in a file."""
    with pytest.raises(LoadError, match="config: a dict was expected here; got"):
        load_prompt_from_config(config)


@pytest.mark.parametrize("depth", [200, 900, 5000])
def test_data_is_bounded_in_depth(tmp_path: Path, depth: int) -> None:
    """In a file, and where it comes from elsewhere."""
    nested: Any = 1
    for _ in range(depth):
        nested = [nested]
    literal = {"literal": {"type": "human", "data": {"content": [{"a": nested}]}}}

    with pytest.raises(LoadError, match="nested more than 100 deep"):
        load_prompt_from_config({"_type": "chat", "messages": [literal]})
    (tmp_path / "p.json").write_text('{"template": "", "partial_variables": {"a": ' + "[" * depth + "]" * depth + "}}")
    with pytest.raises(LoadError, match=r"nested (more than 100|too) deep"):
        load_prompt(tmp_path / "p.json")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is no plain file is refused at once."""
    os.mkfifo(tmp_path / "p.json")
    with pytest.raises(LoadError, match="is no plain file"):
        load_prompt(tmp_path / "p.json")


# ----------------------------------------------------------------------------------------------------- what may stand in


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ([], "p.json: a dict was expected here; got list"),
        ({"template": 3}, "p.json: template takes a text; got int"),
        ({}, "p.json: 'template' is missing"),
        ({"template": "", "llm": {}}, "p.json: unknown key 'llm'; known are _type, name"),
        ({"template": "", "_type": "llm_chain"}, "_type 'llm_chain' is not known; known are prompt, few_shot, chat, few_shot_chat"),
        ({"template": "", "_type": ["prompt"]}, r"_type \['prompt'\] is not known"),
        ({"template": "{{ x }}", "template_format": "jinja2"}, "jinja2 templates are programs, .* Write its variables as {name}"),
        ({"template": "", "template_format": "python"}, "template_format is 'f-string' or 'mustache'; got 'python'"),
        ({"template": "{x.__class__}"}, "p.json: .*is refused"),
        ({"template": "{x}", "input_variables": ["y"], "validate_template": True}, "input_variables are"),
        ({"template": "", "output_parser": {"_type": "regex"}}, "output_parser takes nothing"),
        ({"template": "", "max_chars": True}, "max_chars takes a whole number from 1; got bool"),
        ({"lc": 1, "type": "constructor", "id": [], "kwargs": {}}, "written by dumps of LangChain: load it there"),
        ({"_type": "chat", "messages": {}}, "messages takes a list; got dict"),
        ({"_type": "chat", "messages": ["x"]}, r"p.json.messages\[0\]: a dict was expected here; got str"),
        ({"_type": "chat", "messages": [["human", "a"], ["robot", "a"]]}, r"p.json.messages\[1\]: a role is one of"),
        ({"_type": "chat", "messages": [{"role": "human"}]}, r"messages\[0\]: a message has either a content or a prompt"),
        ({"_type": "chat", "messages": [{"role": "human", "custom_role": "x", "content": ""}]}, "either a role or a custom_role"),
        ({"_type": "chat", "messages": [{"role": "human", "content": "{x!r}"}]}, r"messages\[0\]: .*is refused"),
        ({"_type": "chat", "messages": [{"role": "human", "prompt": {"template": 1}}]}, r"p.json.messages\[0\].prompt: template takes a text"),
        ({"_type": "chat", "messages": [{"placeholder": "h", "n_messages": 0}]}, "n_messages takes a whole number from 1"),
        ({"_type": "chat", "messages": [{"literal": {"type": "os.system", "data": {}}}]}, r"messages\[0\].literal: expected a dict with 'data' and a 'type' of"),
        ({"_type": "chat", "messages": [{"role": "placeholder", "content": "{h}", "additional_kwargs": {"a": 1}}]}, "a placeholder has no additional_kwargs"),
        ({"_type": "few_shot", "suffix": "", "examples": [1], "example_prompt": {"template": ""}}, "examples takes a list of dicts"),
        ({"_type": "few_shot", "suffix": "", "examples": []}, "either example_prompt or example_prompt_path is needed"),
        ({"_type": "few_shot", "examples": [], "example_prompt": {"template": ""}}, "'suffix' is missing"),
        ({"_type": "few_shot", "suffix": "", "example_prompt": {"template": ""}}, "'examples' is missing"),
        ({"_type": "few_shot", "suffix": "", "examples": [], "example_prompt": {"role": "ai", "content": ""}}, "with messages it is a few_shot_chat"),
        ({"_type": "few_shot_chat", "examples": [], "example_prompt": {"template": ""}}, "with a text it is a few_shot"),
        ({"_type": "few_shot", "suffix": "{x}", "examples": [], "example_prompt": {"template": ""}, "validate_template": True}, "but the variables of the prompt are"),
    ],
)  # fmt: skip
def test_what_may_not_stand_in_a_file_is_named(tmp_path: Path, config: Any, says: str) -> None:
    """With the place at which it stands."""
    with pytest.raises(LoadError, match=says):
        load(tmp_path, config)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("p.json", '{"template": "a",}', r"p.json: no JSON, in line 1, column 1[78]"),
        ("p.json", '{"template": "a", "template": "b"}', "the key 'template' stands there twice"),
        ("p.json", '{"partial_variables": {"a": NaN}}', "NaN is no number of JSON"),
        ("p.json", '{"partial_variables": {"a": 1e999}}', "1e999 is too large for a number"),
        ("p.yaml", "a: 1e999", "line 1, column 4: this is too large for a number"),
        ("p.json", '{"a": ' * 100_000, "nested too deep"),
        ("p.json", '{"a": 1' + "0" * 5000 + "}", "no data that can be read"),
        ("p.json", "", "no JSON, in line 1"),
        ("p.yaml", "template: a\ntemplate: b", "line 2, column 1: the key 'template' stands there twice"),
        ("p.yaml", "a: &x [1]\nb: *x", "line 1, column 4: anchors and aliases"),
        ("p.yaml", "a: *x", "anchors and aliases"),
        ("p.yaml", "a: !!python/object/apply:os.system ['true']", r"tags \(!\) are not taken"),
        ("p.yaml", "!!python/object:x {}", "tags"),
        ("p.yaml", "a: !!str 1", "tags"),
        ("p.yaml", "a: !x 1", "tags"),
        ("p.yaml", "<<: {template: a}", "unknown key '<<'"),
        ("p.yaml", "1: a", "a key is a text"),
        ("p.yaml", "[a]: b", "a key is a text"),
        ("p.yaml", "a: [", "no YAML that can be read in line 1"),
        ("p.yaml", "a: " + "[" * 5000, "nested more than 100 deep"),
        ("p.yaml", "- " * 5000, "nested more than 100 deep"),
        ("p.yaml", "a: 1" + "0" * 5000, "no data that can be read"),
        ("p.yaml", "template: a\n---\ntemplate: b", "no YAML"),
        ("p.yaml", "a: \0", "no YAML"),
        ("p.yaml", "", "a dict was expected here; got NoneType"),
    ],
)
def test_what_is_no_data_is_not_loaded(tmp_path: Path, name: str, text: str, says: str) -> None:
    """Neither what cannot be read nor what could be read as more than data, in bounded time."""
    with pytest.raises(LoadError, match=says):
        load(tmp_path, text, name)


def test_files_are_bounded(tmp_path: Path) -> None:
    """They are for people."""
    with pytest.raises(LoadError, match="longer than the 1,000,000 bytes"):
        load(tmp_path, "template: |\n  " + "x" * 1_000_000, "p.yaml")
    with pytest.raises(LoadError, match="longer than the 10,000,000 bytes"):
        load(tmp_path, json.dumps({"template": "x" * 10_000_000}))


def test_an_encoding_may_be_given(tmp_path: Path) -> None:
    """What is not in it is an error, as is one that is none."""
    (tmp_path / "p.json").write_bytes('{"template": "é"}'.encode("latin-1"))
    assert load_prompt(tmp_path / "p.json", encoding="latin-1").invoke({}).to_string() == "é"
    for encoding in ("utf-8", "no-such"):
        with pytest.raises(LoadError, match="cannot be read"):
            load_prompt(tmp_path / "p.json", encoding=encoding)


def test_words_of_yaml_are_texts(tmp_path: Path) -> None:
    """But for numbers, true, false and null: no dates, no yes and no, no numbers to base sixty."""
    text = "template: '{a}'\npartial_variables: {a: [yes, off, 2020-01-01, 12:30, 0x1F, 010, .inf, 1.5e3, -3, true, ~, '1']}"
    values = load(tmp_path, text, "p.yaml").partial_variables["a"]
    assert values == ["yes", "off", "2020-01-01", "12:30", "0x1F", "010", ".inf", 1500.0, -3, True, None, "1"]


# ---------------------------------------------------------------------------------------------------- files of elsewhere


def test_a_chat_of_hand(tmp_path: Path) -> None:
    """What people write: pairs, roles, and the format of the whole said once."""
    text = """
        _type: chat
        template_format: mustache
        messages:
          - [system, "You are {{role}}"]
          - role: placeholder
            content: "{{history}}"
          - {placeholder: more}
          - {role: assistant, content: "{{a}}"}
    """
    prompt = load(tmp_path, text, "p.yaml")
    assert prompt.optional_variables == ["history"]
    assert prompt.format(role="r", more=[("human", "m")], a="x") == "System: You are r\nHuman: m\nAI: x"


LANGCHAIN = {
    "prompt": {"name": None, "input_variables": ["x"], "optional_variables": [], "output_parser": None, "partial_variables": {}, "metadata": None, "tags": None, "template": "Hi {x}", "template_format": "f-string", "validate_template": False, "_type": "prompt", "input_types": {}},
    "chat": {"_type": "chat", "input_variables": ["x"], "messages": [{"prompt": {"template": "Hi {x}", "input_variables": ["x"]}}]},
    "few_shot": {"_type": "few_shot", "input_variables": ["x"], "prefix": "", "example_prompt": {"_type": "prompt", "input_variables": ["q"], "template": "{q}"}, "examples": [{"q": "a"}], "example_selector": None, "suffix": "Hi {x}", "example_separator": "\n\n", "template_format": "f-string", "validate_template": False, "output_parser": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", LANGCHAIN)
def test_files_of_langchain_are_read(tmp_path: Path, kind: str) -> None:
    """As they are, in JSON and in YAML."""
    for prompt in (load(tmp_path, LANGCHAIN[kind]), load(tmp_path, yaml.safe_dump(LANGCHAIN[kind]), "p.yaml")):
        assert prompt.invoke({"x": "Ann"}).to_string().endswith("Hi Ann")


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_what_langchain_saves_is_read(tmp_path: Path, suffix: str) -> None:
    """Its own files, written by itself."""
    from langchain_core import prompts as theirs

    pair = theirs.PromptTemplate.from_template("{q} -> {a}")
    shots = theirs.FewShotPromptTemplate(
        examples=EXAMPLES[:1], example_prompt=pair, suffix="{q}", input_variables=["q"]
    )
    for prompt, values in ((pair, {"q": 1, "a": 2}), (shots, {"q": "x"})):
        prompt.save(tmp_path / f"p{suffix}")
        assert load_prompt(tmp_path / f"p{suffix}").invoke(values).to_string() == prompt.format(**values)


def test_what_is_saved_is_safe_yaml(tmp_path: Path) -> None:
    """Any other reader of YAML takes it for the same data."""
    PromptTemplate.from_template("{a}").partial(a=["yes", "2020-01-01", "1:30", "0x1", "~", "1e3", ".inf", "="]).save(
        tmp_path / "p.yaml"
    )
    data = yaml.safe_load((tmp_path / "p.yaml").read_text())
    assert data["partial_variables"]["a"] == ["yes", "2020-01-01", "1:30", "0x1", "~", "1e3", ".inf", "="]


def test_errors_are_of_the_tree() -> None:
    """A file that is wrong is no fault of the template."""
    assert not issubclass(LoadError, PromptError)
    with pytest.raises(ValueError, match="a dict was expected"):
        load_prompt_from_config({"_type": "chat", "messages": [1]})

"""OpenAI's models against the local model, which speaks OpenAI's API, and against a server that misbehaves on demand."""

from __future__ import annotations

import asyncio
import base64
import copy
import gc
import logging
import pickle
import struct
import threading
from contextlib import aclosing, closing
from typing import Any

import openai
import pytest

from plait import ChatPromptTemplate
from plait.errors import MissingKeyError, ModelConnectionError, ModelError
from plait.messages import AIMessage
from plait.providers import ChatOpenAI, LocalServer, OpenAI, OpenAIEmbeddings
from plait.providers.openai import _CONNECTIONS
from plait.testing import check_runnable

KEY = "sk-proj-Ab3dEf6hIj9lMn"
ANSWER = {
    "id": "chatcmpl-1",
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def piece(text: str | None, reason: str | None = None) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "model": "m-1",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}],
    }


CHUNKS = [piece("h"), piece("i"), piece(None, "stop"), "data: [DONE]\n\n"]


def chat(wire: Any, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"base_url": f"{wire.url}/v1", "api_key": KEY, "max_retries": 0, **settings})


@pytest.fixture
def model(local_server: LocalServer) -> ChatOpenAI:
    return ChatOpenAI(base_url=local_server.base_url, api_key=local_server.api_key, max_tokens=12, temperature=0)


@pytest.fixture(scope="module")
def embedding_server() -> Any:
    with LocalServer(embedding=True, n_ctx=1024, n_parallel=2) as server:
        yield server


# ------------------------------------------------------------------------------------------------------ the real thing


def test_answers_in_every_mode(run: Any, model: ChatOpenAI) -> None:
    """A prompt and a model give the same answer however they are called, with counts and the reason of its end."""
    answer = run(ChatPromptTemplate.from_template("Say hi to {name}.") | model, {"name": "Ann"})

    assert answer.content == model.invoke("Say hi to Ann.").content
    assert 0 < answer.usage_metadata["output_tokens"] <= 12
    assert answer.response_metadata["finish_reason"] in {"stop", "length"}
    assert answer.response_metadata["model_name"]


def test_stream_comes_in_chunks(model: ChatOpenAI) -> None:
    """A stream gives what there is as soon as it is there, all of one message."""
    chunks = list(model.stream("Say hi."))

    assert len(chunks) > 3
    assert len({chunk.id for chunk in chunks}) == 1


def test_stop_ends_the_answer(model: ChatOpenAI) -> None:
    """A stop of the model and one of a call end the answer; the call's comes first."""
    whole = model.invoke("Say hi.").text
    word, other = whole.split()[1], whole.split()[2]
    stopped = model.model_copy(update={"stop": [word]})

    assert word not in stopped.invoke("Say hi.").text
    assert word in stopped.bind(stop=[other]).invoke("Say hi.").text


def test_limit_of_a_call_goes_before_that_of_the_model(model: ChatOpenAI) -> None:
    """What is bound or passed to a call replaces what the model was made with."""
    assert model.bind(max_tokens=2).invoke("Count to ten.").usage_metadata["output_tokens"] == 2  # type: ignore[index]  # there


def test_event_loops_may_follow_each_other(model: ChatOpenAI) -> None:
    """asyncio.run may be called again and again with one model; nothing of an ended loop is kept."""
    answers = [asyncio.run(model.ainvoke("Say hi.")).content for _ in range(3)]

    assert len(set(answers)) == 1
    assert not _CONNECTIONS._of_loops


def test_threads_with_loops_of_their_own(model: ChatOpenAI) -> None:
    """One model may be used by several event loops at the same time."""
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(asyncio.run(model.ainvoke("Say hi.")))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({answer.content for answer in answers}) == 1


def test_batch_runs_together(model: ChatOpenAI) -> None:
    """A batch gives the answers in the order of its inputs."""
    questions = ["Say hi.", "Count to ten.", "Name a color."]

    assert [answer.content for answer in model.batch(questions)] == [model.invoke(one).content for one in questions]


def test_closed_stream_frees_the_server(model: ChatOpenAI, local_server: LocalServer) -> None:
    """Who stops reading stops the writing."""
    with closing(model.stream("Tell a long story.", max_tokens=1500)) as chunks:
        next(chunks)
    while any(slot["is_processing"] for slot in local_server.slots()):
        pass


async def test_cancelled_stream_frees_the_server(model: ChatOpenAI, local_server: LocalServer) -> None:
    """A task that is cancelled while it waits for a chunk ends its request."""
    begun = asyncio.Event()

    async def read() -> None:
        async for _ in model.astream("Tell a long story.", max_tokens=1500):
            begun.set()

    reading = asyncio.create_task(read())
    await begun.wait()
    reading.cancel()
    await asyncio.wait([reading])
    while any(slot["is_processing"] for slot in await asyncio.to_thread(local_server.slots)):
        pass

    assert reading.cancelled()


def test_text_model_in_every_mode(run: Any, local_server: LocalServer) -> None:
    """A text model continues a text, the same way however it is called."""
    model = OpenAI(base_url=local_server.base_url, api_key=local_server.api_key, max_tokens=6, temperature=0)

    assert run(model, "The sky is") == model.invoke("The sky is") != ""


def test_text_model_sends_prompts_together(local_server: LocalServer) -> None:
    """Several prompts are sent in requests of batch_size and answered in their order."""
    model = OpenAI(
        base_url=local_server.base_url, api_key=local_server.api_key, max_tokens=4, temperature=0, batch_size=2
    )
    prompts = ["The sky is", "Two and two is", "A rose is"]
    texts = [generations[0].text for generations in model.generate(prompts).generations]

    assert texts == [model.invoke(prompt) for prompt in prompts]


def test_embeddings(embedding_server: LocalServer) -> None:
    """Vectors come in the order of the texts, the same for a query, sync and async, however many go into a request."""
    model = OpenAIEmbeddings(base_url=embedding_server.base_url, api_key=embedding_server.api_key, chunk_size=2)
    cat, dog, sea = model.embed_documents(["the cat", "the dog", "an ocean"])

    assert len(cat) == len(dog) == len(sea) > 100
    assert model.embed_query("an ocean") == pytest.approx(sea, abs=1e-4)
    assert asyncio.run(model.aembed_query("the dog")) == pytest.approx(dog, abs=1e-4)
    assert model.embed_documents([]) == []


@pytest.mark.parametrize("places", [2, 3])
def test_a_text_has_its_vector_in_any_company(places: int) -> None:
    """Alone, and beside others that the engine takes at the same time."""
    texts = ["The cat sleeps on the warm stove.", "Interest rates were raised by a quarter.", "Où est la gare ?"]
    with LocalServer(embedding=True, n_ctx=512, n_parallel=places) as server:
        model = OpenAIEmbeddings(base_url=server.base_url, api_key=server.api_key)
        alone = [model.embed_query(text) for text in texts]
        assert model.embed_documents(texts) == [pytest.approx(vector, abs=1e-3) for vector in alone]


def test_embedding_tells_how_far_it_is(embedding_server: LocalServer) -> None:
    """Sync and async, by the name that people know, too; a call may say how much goes into a request."""
    told: list[tuple[int, int]] = []
    model = OpenAIEmbeddings(
        base_url=embedding_server.base_url,
        api_key=embedding_server.api_key,
        show_progress_bar=lambda *numbers: told.append(numbers),
        check_embedding_ctx_length=False,
    )
    vectors = model.embed_documents(["a", "b", "c"], chunk_size=2)
    assert asyncio.run(model.aembed_documents(["a", "b", "c"], chunk_size=2)) == [
        pytest.approx(vector, abs=1e-4) for vector in vectors
    ]
    assert told == [(2, 3), (3, 3)] * 2


def test_vectors_of_another_length_than_asked_for_are_refused(embedding_server: LocalServer) -> None:
    """A server that does not know `dimensions` gives what it has."""
    model = OpenAIEmbeddings(base_url=embedding_server.base_url, api_key=embedding_server.api_key, dimensions=64)
    with pytest.raises(ModelError, match="of 576 numbers; expected 64"):
        model.embed_query("a")


# ----------------------------------------------------------------------------------------------------- what is sent


def test_long_texts_are_sent_in_more_requests(wire: Any) -> None:
    """OpenAI bounds the tokens of a request, besides the number of texts."""
    for count in (2, 1):
        wire.reply({"data": [{"index": index, "embedding": [1.0]} for index in range(count)]})
    model = OpenAIEmbeddings(base_url=f"{wire.url}/v1", api_key=KEY)
    assert model.embed_documents(["x" * 150_000] * 3) == [[1.0]] * 3
    assert [len(request["body"]["input"]) for request in wire.requests] == [2, 1]


@pytest.mark.parametrize("texts", ["abc", [[1, 2]]])
def test_texts_to_embed_are_texts(texts: Any) -> None:
    """Neither one text, nor tokens, whose meaning depends on the model."""
    with pytest.raises(TypeError, match=r"takes a list of texts|a text to embed is a str"):
        OpenAIEmbeddings(api_key=KEY).embed_documents(texts)


PACKED = base64.b64encode(struct.pack("<2f", 1.0, -0.5)).decode()


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_vectors_may_come_packed(wire: Any, encoding: str | None) -> None:
    """A server packs them if it can and is asked to, which by default it is."""
    wire.reply({"data": [{"index": 1, "embedding": PACKED}, {"index": 0, "embedding": [2, 0.5]}]})
    settings = {} if encoding is None else {"model_kwargs": {"encoding_format": encoding}}
    model = OpenAIEmbeddings(base_url=f"{wire.url}/v1", api_key=KEY, **settings)
    assert model.embed_documents(text for text in ("a", "b")) == [[2, 0.5], [1.0, -0.5]]  # type: ignore[arg-type]
    assert wire.body["encoding_format"] == (encoding or "base64")


@pytest.mark.parametrize(
    "data",
    [None, [], "x", [1], [{}], [{"embedding": "!"}], [{"embedding": "AAA="}], [{"embedding": ""}], [{"embedding": {}}]],
    ids=str,
)
def test_vectors_that_are_none(wire: Any, data: Any) -> None:
    """Whatever a server sends in their place is a ModelError."""
    wire.reply({"data": data})
    with pytest.raises(ModelError, match="model's server"):
        OpenAIEmbeddings(base_url=f"{wire.url}/v1", api_key=KEY, max_retries=0).embed_query("a")


def test_caches_tell_servers_apart() -> None:
    """Of two servers each may call another model by the same name."""
    one, other = (OpenAIEmbeddings(api_key=KEY, base_url=f"http://localhost:{port}/v1") for port in (1, 2))
    assert one._identity() != other._identity()
    assert one._identity() == OpenAIEmbeddings(api_key="k", base_url="http://localhost:1/v1")._identity()
    assert KEY not in one._identity()


def test_parameters_reach_the_server(wire: Any) -> None:
    """Fields, parameters by name, model_kwargs and extra_body arrive, and what was not said does not."""
    wire.reply(ANSWER)
    model = chat(wire, temperature=0, seed=7, top_logprobs=2, model_kwargs={"user": "ann"}, extra_body={"top_k": 1})
    model.invoke("hi", reasoning_effort="low", extra_headers={"x-one": "1"})

    assert wire.body == {
        "messages": [{"role": "user", "content": "hi"}],
        "model": "gpt-4o-mini",
        "stream": False,
        "temperature": 0,
        "seed": 7,
        "top_logprobs": 2,
        "user": "ann",
        "top_k": 1,
        "reasoning_effort": "low",
    }
    assert wire.requests[0]["headers"]["x-one"] == "1"


def test_credentials_reach_the_server(wire: Any) -> None:
    """Key, organization and headers are sent with the request."""
    wire.reply(ANSWER)
    chat(wire, organization="org-1", default_headers={"x-two": "2"}).invoke("hi")
    headers = wire.requests[0]["headers"]

    assert (headers["authorization"], headers["openai-organization"], headers["x-two"]) == (
        f"Bearer {KEY}",
        "org-1",
        "2",
    )


@pytest.mark.parametrize("stream_usage", [True, False])
def test_usage_is_asked_for(wire: Any, stream_usage: bool) -> None:
    """A stream asks for token counts unless its server cannot stand that."""
    wire.stream(*CHUNKS)
    list(chat(wire, stream_usage=stream_usage).stream("hi"))

    assert wire.body.get("stream_options") == ({"include_usage": True} if stream_usage else None)


def test_environment_is_read(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without arguments takes key and address from the environment."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"{wire.url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    wire.reply(ANSWER)

    assert ChatOpenAI().invoke("hi").content == "hi"
    assert wire.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


def test_names_of_elsewhere_are_understood() -> None:
    """Settings may have the names that users of other libraries know."""
    model = ChatOpenAI(model_name="m", openai_api_base="http://127.0.0.1/v1", openai_api_key=KEY, request_timeout=3)

    assert (model.model, model.base_url, model.timeout) == ("m", "http://127.0.0.1/v1", 3)


@pytest.mark.parametrize(
    ("wrong", "meant"), [("temprature", "temperature"), ("top_b", "top_p"), ("max_token", "max_tokens")]
)
def test_misspelt_setting_is_refused(wire: Any, wrong: str, meant: str) -> None:
    """What the API does not document is not sent in silence: neither when it is made, nor when it is called."""
    with pytest.raises(TypeError, match=f"{wrong!r}; did you mean {meant!r}.*extra_body"):
        ChatOpenAI(**{wrong: 1})
    with pytest.raises(TypeError, match=f"{wrong!r}.*extra_body"):
        chat(wire).invoke("hi", **{wrong: 1})


def test_answer_carries_all_generations(wire: Any) -> None:
    """With n the result of generate has all answers, and invoke the first."""
    wire.reply({**ANSWER, "choices": [{**ANSWER["choices"][0], "index": i} for i in range(2)]})  # type: ignore[index]
    model = chat(wire, n=2)

    assert len(model.generate(["hi"]).generations[0]) == 2
    assert model.invoke("hi").content == "hi"


def test_calls_of_tools_stream(wire: Any, run: Any) -> None:
    """A tool that is bound in OpenAI's form is sent, and its call comes back, whole or in pieces."""
    function = {"name": "add", "arguments": '{"a": 1}'}
    if run.is_stream:
        parts = [
            {"index": 0, "id": "c", "function": {"name": "add", "arguments": ""}},
            {"index": 0, "function": {"arguments": '{"a": 1}'}},
        ]
        deltas = [{"choices": [{"index": 0, "delta": {"tool_calls": [part]}}]} for part in parts]
        wire.stream(*deltas, piece(None, "tool_calls"))
    else:
        message = {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": function}]}
        wire.reply({**ANSWER, "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    answer = run(chat(wire).bind(tools=[tool]), "1?")

    assert [(call["name"], call["args"], call["id"]) for call in answer.tool_calls] == [("add", {"a": 1}, "c")]
    assert wire.body["tools"] == [tool]


# --------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_errors_of_the_api_keep_their_type(run: Any, wire: Any, status: int, kind: type[Exception]) -> None:
    """Users catch the SDK's errors by their classes, in every mode."""
    wire.reply({"error": {"message": "so it is", "code": "c"}}, status)

    with pytest.raises(kind, match="so it is"):
        run(chat(wire), "hi")


@pytest.mark.parametrize("echo", [KEY, "sk-proj-*******j9lMn"])
def test_no_part_of_a_key_is_in_an_error(run: Any, wire: Any, echo: str) -> None:
    """A provider that repeats a refused key, whole or in part, is not repeated."""
    wire.reply({"error": {"message": f"Incorrect API key provided: {echo}."}}, 401)

    with pytest.raises(openai.AuthenticationError, match="Incorrect API key provided") as caught:
        run(chat(wire), "hi")
    shown = f"{caught.value!r} {caught.value.body} {caught.value.message}"
    assert not any(part in shown for part in ("sk-proj", "lMn"))


def test_passing_errors_are_repeated(wire: Any) -> None:
    """A request is made again as often as the model is told."""
    wire.reply({"error": {"message": "later"}}, 429, retry_after_ms="1")
    wire.reply(ANSWER)

    assert chat(wire, max_retries=1).invoke("hi").content == "hi"
    assert len(wire.requests) == 2


def test_server_that_is_not_there_is_named(run: Any, wire: Any) -> None:
    """The error says which address could not be reached, and is all that a caller may look for."""
    model = chat(wire, default_query={"key": KEY})
    wire.close()

    with pytest.raises(ModelConnectionError, match=rf"cannot reach .*{wire.url}/v1: ") as caught:
        run(model, "hi")
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value, openai.APIConnectionError)
    assert KEY not in repr(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_server_that_is_slow_is_a_timeout(wire: Any) -> None:
    """The error is the SDK's, ours and the builtin that a caller would expect."""
    wire.held()

    with pytest.raises(ModelConnectionError, match="no answer in time") as caught:
        list(chat(wire, timeout=0.2).stream("hi"))
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, openai.APITimeoutError)


@pytest.mark.parametrize("how", ["cut", "stream"])
def test_half_an_answer_is_an_error(run: Any, wire: Any, how: str) -> None:
    """A server that breaks off, with or without saying so, has not answered: the chunks that came are followed by that."""
    if run.is_stream:
        getattr(wire, how)(piece("h"), piece("i"))
    else:
        wire.raw('{"choices', content_length="999")

    with pytest.raises(ModelConnectionError, match="broke off"):
        run(chat(wire), "hi")


def test_error_within_a_stream_is_raised(run: Any, wire: Any) -> None:
    """An error that comes as a chunk is the API's."""
    wire.stream(piece("h"), {"error": {"message": "overloaded"}})
    if run.is_stream:
        with pytest.raises(openai.APIError, match="overloaded"):
            run(chat(wire), "hi")


def test_redirect_is_not_followed(wire: Any) -> None:
    """A server cannot send a request, and the key with it, somewhere else."""
    wire.reply({}, 307, location=f"{wire.url}/elsewhere")

    with pytest.raises(openai.APIStatusError):
        chat(wire).invoke("hi")
    assert len(wire.requests) == 1


def test_cookies_are_not_kept(wire: Any) -> None:
    """What a server tells one model to remember is not sent by another one."""
    wire.reply(ANSWER, set_cookie="who=ann; Path=/")
    chat(wire).invoke("hi")
    chat(wire).invoke("hi")

    assert [request["headers"]["cookie"] for request in wire.requests] == [None, None]


# ------------------------------------------------------------------------------------------------- streams end on time


def test_closing_a_stream_closes_the_response(wire: Any) -> None:
    """The server sees at once that nobody listens any more."""
    wire.held(piece("h"))
    with closing(chat(wire).stream("hi")) as chunks:
        assert next(chunks).content == "h"

    assert wire.hung_up.wait(10)


async def test_closing_an_async_stream_closes_the_response(wire: Any) -> None:
    """The server sees at once that nobody listens any more."""
    wire.held(piece("h"))
    async with aclosing(chat(wire).astream("hi")) as chunks:
        assert (await anext(chunks)).content == "h"

    assert await asyncio.to_thread(wire.hung_up.wait, 10)


async def test_cancelling_a_call_closes_the_response(wire: Any) -> None:
    """A call that is given up while it waits for its answer is given up at the server, too."""
    wire.held()
    asking = asyncio.create_task(chat(wire).ainvoke("hi"))
    await asyncio.to_thread(wire.asked.wait, 10)
    asking.cancel()
    await asyncio.wait([asking])

    assert await asyncio.to_thread(wire.hung_up.wait, 10)


async def test_stream_left_by_an_error_closes_the_response(wire: Any) -> None:
    """An exception of the reader ends the request like a close."""
    wire.held(piece("h"))
    with pytest.raises(KeyError):
        async with aclosing(chat(wire).astream("hi")) as chunks:
            async for _ in chunks:
                raise KeyError

    assert await asyncio.to_thread(wire.hung_up.wait, 10)


async def test_async_stream_that_was_left_has_ended(model: ChatOpenAI) -> None:
    """When a stream is closed no task is left that would tidy up after it."""
    async with aclosing(model.astream("Tell a long story.", max_tokens=500)) as chunks:
        await anext(chunks)
    for _ in range(3):
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await asyncio.sleep(0)


# ------------------------------------------------------------------------------------------------------------- secrets


def test_key_is_shown_nowhere(caplog: pytest.LogCaptureFixture, wire: Any) -> None:
    """No repr, dump, schema, pickle or log holds the key."""
    wire.reply(ANSWER)
    model = chat(wire, default_headers={"Authorization": f"Bearer {KEY}"})
    with caplog.at_level(logging.DEBUG):
        model.invoke("hi")
        asyncio.run(model.ainvoke("hi"))
    shown = [
        repr(model),
        str(model),
        model.model_dump_json(),
        repr(model.model_dump()),
    ]
    shown += [str(model.model_json_schema()), str(model.output_schema.model_json_schema()), caplog.text]
    shown += [repr(pickle.dumps(model)), repr(vars(model.bind(stop=["x"]))), repr(model | str)]

    assert not any(KEY in text for text in shown)


def test_pickled_model_takes_the_key_of_where_it_is(monkeypatch: pytest.MonkeyPatch, wire: Any) -> None:
    """A pickle carries settings and no key; the unpickled model uses that of its environment."""
    wire.reply(ANSWER)
    pickled = pickle.dumps(chat(wire, temperature=0.5, default_headers={"x-api-key": KEY, "x-team": "t"}))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-machine")
    model = pickle.loads(pickled)
    model.invoke("hi")
    headers = wire.requests[0]["headers"]

    assert model.temperature == 0.5
    assert (headers["authorization"], headers["x-team"], headers["x-api-key"]) == (
        "Bearer sk-of-another-machine",
        "t",
        None,
    )


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: model.model_copy(update={"seed": 1})])
def test_copies_work(copied: Any, wire: Any) -> None:
    """A copy has the key, and calls like its original, also after that has been used."""
    wire.reply(ANSWER)
    model = chat(wire)
    model.invoke("hi")
    copied(model).invoke("hi")

    assert [request["headers"]["authorization"] for request in wire.requests] == [f"Bearer {KEY}"] * 2


def test_model_without_a_key_can_be_made_but_not_called(run: Any) -> None:
    """Schemas and chains need no key; the first call says which variable to set, before anything is sent."""
    model = ChatOpenAI()

    assert (ChatPromptTemplate.from_template("{x}") | model).output_schema.model_json_schema()[
        "title"
    ] == "ChatOpenAIOutput"
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        run(model, "hi")
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        OpenAIEmbeddings(api_key=" ").embed_query("hi")


def test_server_on_this_machine_needs_no_key(wire: Any) -> None:
    """A loopback address is asked without a key."""
    wire.reply(ANSWER)

    assert chat(wire, api_key=None).invoke("hi").content == "hi"


def test_key_that_is_set_later_is_found(wire: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that was made before its key was set uses it."""
    wire.reply(ANSWER)
    model = chat(wire, api_key=None)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model.invoke("hi")

    assert wire.requests[0]["headers"]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("url", ["http://ann:secretpass@127.0.0.1/v1", "127.0.0.1:80/v1", "ftp://127.0.0.1"])
def test_address_that_cannot_be_right_is_refused(url: str) -> None:
    """An address is http or https, and holds no password, since addresses are shown."""
    with pytest.raises(ValueError, match="base_url") as caught:
        ChatOpenAI(base_url=url)

    assert "secretpass" not in str(caught.value)


# --------------------------------------------------------------------------------------------------------- being cheap


def test_repr_shows_what_was_set() -> None:
    """A model shows its settings, not its defaults."""
    assert repr(ChatOpenAI(model="m", temperature=0)) == "ChatOpenAI(model='m', temperature=0.0)"


def test_models_leave_nothing_behind(wire: Any) -> None:
    """Making, using and dropping models leaves no objects."""
    wire.reply(ANSWER)

    def objects_after(rounds: int) -> int:
        for _ in range(rounds):
            chat(wire).invoke("hi")
            list(chat(wire).bind(stop=["x"]).batch(["a", "b"]))
        wire.requests.clear()
        gc.collect()
        return len(gc.get_objects())

    objects_after(3)
    assert -objects_after(1) + objects_after(40) < 40  # not one for every round


def test_message_of_a_model_can_be_sent_back(wire: Any) -> None:
    """An answer is a message of the next conversation."""
    wire.reply(ANSWER)
    answer = chat(wire).invoke("hi")
    chat(wire).invoke([("human", "hi"), answer, ("human", "and?")])

    assert isinstance(answer, AIMessage)
    assert wire.requests[1]["body"]["messages"][1] == {"role": "assistant", "content": "hi"}


SYNC = ["invoke", "stream", "transform", "batch", "batch_iter", "batch_as_completed"]


@pytest.mark.parametrize("modes", [SYNC, [f"a{mode}" for mode in SYNC]], ids=["sync", "async"])
def test_obeys_the_laws_of_runnables(wire: Any, modes: list[str]) -> None:
    """Every verb gives the same, nothing goes on after a call, and the key is in nothing that can be seen."""
    wire.either(ANSWER, *CHUNKS)
    model = chat(wire)
    model.invoke("hi")  # the SDK is imported

    check_runnable(
        model,
        ["hi", [("human", "ho")]],
        equal=lambda one, other: one.content == other.content == "hi",
        errors=[(3, TypeError)],
        modes=modes,
        secrets=[KEY],
        pickles=True,
    )

"""Runs as OpenTelemetry spans: against the real SDK, and over the wire to a collector of our own."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from plait import AIMessage, FakeMessagesListChatModel, RunnableLambda
from plait.runs import DEFAULTS, Run, Scope
from plait.tracers import OpenTelemetryTracer


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def named(exporter: InMemorySpanExporter, name: str) -> Any:
    return next(span for span in exporter.get_finished_spans() if span.name == name)


def everything(exporter: InMemorySpanExporter) -> str:
    """All that was told, as one text."""
    return "".join(span.to_json() for span in exporter.get_finished_spans())


def test_spans_are_nested_as_runs_are(story: Any, provider: Any, exporter: Any) -> None:
    """Each run is one span, whose parent is the span of the run around it."""
    witness = story(OpenTelemetryTracer(provider))
    spans = exporter.get_finished_spans()
    ids = {span.context.span_id for span in spans}

    assert len(spans) == len(witness.runs)
    assert len([span for span in spans if span.parent is None]) == 3
    assert all(span.parent is None or span.parent.span_id in ids for span in spans)
    model = named(exporter, "chat fake-1")
    assert model.parent.span_id == named(exporter, "invoke_workflow answering").context.span_id


def test_model_span_follows_the_conventions(story: Any, provider: Any, exporter: Any) -> None:
    """A chat model's span has operation, model, settings, tokens and the reason why it stopped."""
    story(OpenTelemetryTracer(provider))

    said = dict(named(exporter, "chat fake-1").attributes)

    assert said["gen_ai.operation.name"] == "chat"
    assert (said["gen_ai.request.model"], said["gen_ai.response.model"]) == ("fake-1", "fake-1-2026")
    assert (said["gen_ai.request.temperature"], said["gen_ai.request.max_tokens"]) == (0.5, 64)
    assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (12, 3)
    assert said["gen_ai.response.finish_reasons"] == ("stop",)
    assert said["gen_ai.usage.cache_read.input_tokens"] == 2
    assert said["gen_ai.usage.cache_write.input_tokens"] == 1
    assert said["gen_ai.usage.reasoning.output_tokens"] == 1
    assert (said["gen_ai.provider.name"], said["gen_ai.response.id"]) == ("fake", "chatcmpl-7")
    assert (said["server.address"], said["server.port"]) == ("127.0.0.1", 8080)
    assert said["gen_ai.request.stop_sequences"] == ("END",)


def test_an_id_of_our_own_is_not_the_providers(provider: Any, exporter: Any) -> None:
    """A message that got its id from plait has none that its provider would know."""
    model = FakeMessagesListChatModel(responses=[AIMessage("yes", response_metadata={"stop_reason": "end_turn"})])

    model.invoke("?", {"callbacks": [OpenTelemetryTracer(provider)]})

    said = dict(named(exporter, "chat FakeMessagesListChatModel").attributes)
    assert said["gen_ai.response.finish_reasons"] == ("end_turn",)
    assert "gen_ai.response.id" not in said


class Odd:
    """A model whose settings are nonsense."""

    model = property(lambda self: 1 / 0)
    base_url = "http://[no-url"
    max_tokens = float("nan")
    temperature = "warm"
    search_kwargs = 5


@pytest.mark.parametrize("kind", ["chat_model", "llm", "retriever", "tool", "embedding", "chain"])
def test_odd_runs_have_spans(kind: str, provider: Any, exporter: Any) -> None:
    """What cannot be read of a node, its input or its output costs an attribute, not the span."""
    run = Run("odd", kind, object(), Scope({**DEFAULTS, "tags": [object()], "metadata": {object(): object()}}), Odd())
    tracer = OpenTelemetryTracer(provider, content=True)

    tracer.on_run_start(run)
    tracer.on_run_chunk(run, "odd")
    run.outputs, run.status, run.end_time = [object()], "success", run.start_time
    tracer.on_run_end(run)

    [span] = exporter.get_finished_spans()
    assert span.attributes["plait.run.status"] == "success"
    assert "object object" in span.to_json()


def test_retrieval_has_query_and_documents(story: Any, provider: Any, exporter: Any) -> None:
    """A retriever's span tells how many were asked for, and, when asked, what was sought and found."""
    story(OpenTelemetryTracer(provider, content=True))

    said = dict(named(exporter, "retrieval Search").attributes)
    assert said["gen_ai.retrieval.top_k"] == 2
    assert said["gen_ai.retrieval.query.text"] == "the sky"
    assert json.loads(said["gen_ai.retrieval.documents"]) == [
        {"id": "doc-1", "score": 0.75, "metadata": {"score": 0.75, "token": "***"}, "content": "On the sky"}
    ]


def test_tool_has_arguments_and_result(story: Any, provider: Any, exporter: Any) -> None:
    """A tool's span tells which call it answers, and, when asked, with what it was called and what it gave."""
    story(OpenTelemetryTracer(provider, content=True))

    said = dict(named(exporter, "execute_tool paint").attributes)
    assert (said["gen_ai.tool.description"], said["gen_ai.tool.call.id"]) == ("Paints.", "call-1")
    assert json.loads(said["gen_ai.tool.call.arguments"])["args"] == {"colour": "blue", "api_key": "***"}
    assert json.loads(said["gen_ai.tool.call.result"]) == {"painted": "blue"}


def test_times_are_those_of_the_run(story: Any, provider: Any, exporter: Any) -> None:
    """A span begins and ends with its run; a streamed answer tells how long its first chunk took."""
    witness = story(OpenTelemetryTracer(provider))

    times = {str(run.id): (run.start_time, run.end_time) for run in witness.runs}
    for span in exporter.get_finished_spans():
        begun, ended = times[span.attributes["plait.run.id"]]
        assert (span.start_time, span.end_time) == (int(begun * 1e9), int(ended * 1e9))
    streamed = [span for span in exporter.get_finished_spans() if span.attributes.get("gen_ai.request.stream")]
    assert [span.name for span in streamed] == ["chat fake-1"]
    assert streamed[0].attributes["gen_ai.response.time_to_first_chunk"] >= 0


def test_metadata_cannot_pose_as_something_else(provider: Any, exporter: Any) -> None:
    """J5: what a caller calls his metadata stays under a name of its own, and is masked."""
    config: Any = {
        "callbacks": [OpenTelemetryTracer(provider)],
        "metadata": {"gen_ai.request.model": "forged", "api_key": "abc", "n": 1, "more": {"token": "abc"}},
    }
    RunnableLambda(len).invoke("abc", config)

    said = dict(exporter.get_finished_spans()[0].attributes)
    assert "gen_ai.request.model" not in said
    assert said["plait.metadata.gen_ai.request.model"] == "forged"
    assert (said["plait.metadata.api_key"], said["plait.metadata.n"]) == ("***", 1)
    assert said["plait.metadata.more"] == '{"token":"***"}'


def test_tools_and_retrievers_have_spans_of_their_kinds(story: Any, provider: Any, exporter: Any) -> None:
    """A tool's span says execute_tool and the tool's name, a retriever's says retrieval."""
    story(OpenTelemetryTracer(provider))
    operations = {span.attributes.get("gen_ai.operation.name") for span in exporter.get_finished_spans()}

    assert operations >= {"chat", "execute_tool", "retrieval", "invoke_workflow"}
    assert named(exporter, "execute_tool paint").attributes["gen_ai.tool.name"] == "paint"


def test_content_only_when_asked(story: Any, exporter: Any, provider: Any) -> None:
    """What was said and found is in no attribute, unless it is asked for; keys are masked in any case."""
    story(OpenTelemetryTracer(provider))
    without = everything(exporter)
    exporter.clear()
    story(OpenTelemetryTracer(provider, content=True))
    told = everything(exporter)

    assert "It is blue." not in without
    assert "It is blue." in told
    assert story.KEY not in without + told


def test_failure_is_an_error_and_a_close_is_not(story: Any, provider: Any, exporter: Any) -> None:
    """A run that failed has status ERROR and its exception; one that was given up has neither."""
    story(OpenTelemetryTracer(provider))

    failed = named(exporter, "execute_tool broken")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "ValueError"
    [event] = failed.events
    assert (event.name, event.attributes["exception.type"]) == ("exception", "ValueError")
    assert "api_key=***" in event.attributes["exception.message"]
    assert "raise self._error" in event.attributes["exception.stacktrace"]
    given_up = named(exporter, "invoke_workflow endless")
    assert given_up.status.status_code is not StatusCode.ERROR
    assert given_up.attributes["plait.run.status"] == "cancelled"


def test_root_is_a_child_of_the_span_around(provider: Any, exporter: Any) -> None:
    """A call that is made in a span of the program's own belongs to it."""
    with provider.get_tracer("mine").start_as_current_span("mine") as around:
        RunnableLambda(len).invoke("abc", {"callbacks": [OpenTelemetryTracer(provider)]})

    span = next(span for span in exporter.get_finished_spans() if span.name != "mine")
    assert span.parent.span_id == around.get_span_context().span_id


async def test_async_branches_are_children_of_their_dict(provider: Any, exporter: Any) -> None:
    """Runs of tasks that interleave are children of their own parents."""

    async def wait(number: int) -> int:
        await asyncio.sleep(0)
        return number

    chain = RunnableLambda(wait) | {"a": wait, "b": wait}
    await chain.abatch([1, 2, 3], {"callbacks": [OpenTelemetryTracer(provider)]})

    spans = exporter.get_finished_spans()
    for trace in {span.context.trace_id for span in spans}:
        assert len([span for span in spans if span.context.trace_id == trace]) == 5


def test_nothing_is_kept(story: Any, provider: Any) -> None:
    """P45: when all runs have ended, well or not, the tracer knows of none."""
    tracer = OpenTelemetryTracer(provider)
    for _ in range(50):
        story(tracer)

    assert not tracer._open


class Collector(BaseHTTPRequestHandler):
    """An OTLP endpoint: keeps what it is sent."""

    received: list[ExportTraceServiceRequest]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest()
        request.ParseFromString(body)
        self.server.received.append((self.path, request))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """The test prints nothing."""


@pytest.fixture
def collector() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    server.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_spans_reach_a_collector(story: Any, collector: Any) -> None:
    """Over OTLP, spans arrive at a collector with their attributes, under their parents."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{collector.server_port}/v1/traces", timeout=10)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    witness = story(OpenTelemetryTracer(provider))
    provider.shutdown()

    spans = [
        span
        for path, request in collector.received
        if path == "/v1/traces"
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert len(spans) == len(witness.runs)
    by_id = {span.span_id: span for span in spans}
    model = next(span for span in spans if span.name == "chat fake-1")
    assert by_id[model.parent_span_id].name == "invoke_workflow answering"
    usage = {each.key: each.value.int_value for each in model.attributes}
    assert usage["gen_ai.usage.output_tokens"] == 3


def test_missing_package_is_named() -> None:
    """Without opentelemetry-api the error says which extra to install."""
    code = (
        "import sys; sys.modules['opentelemetry.trace'] = None\n"
        "from plait import MissingExtraError, OpenTelemetryTracer\n"
        "try: OpenTelemetryTracer()\n"
        "except MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert "pip install 'plait[otel]'" in done.stdout

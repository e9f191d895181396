"""What an SDK raises, as callers should see it: with its type, without the key, and with the server that did not answer.

Errors of the API (a refused key, a limit, a bad request) keep the SDK's class and identity. A server that cannot be
reached, or that breaks off, is a ``ModelConnectionError`` that is also the SDK's own ``APIConnectionError``. One that
sends what is no answer of its API is a ``ModelError``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from plait.errors import ModelConnectionError, ModelError
from plait.providers.keys import hidden, place

__all__ = ["Faults"]


class Faults:
    """A context in which calls of an SDK are made; the same for both colours."""

    __slots__ = ("_base_url", "_key", "_sdk")

    def __init__(self, sdk: Any, base_url: str, key: str) -> None:
        self._sdk = sdk
        self._base_url = base_url
        self._key = key

    def __enter__(self) -> None:
        return None

    async def __aenter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception):
            return
        _hide(error, self._key)
        if isinstance(error, self._sdk.APIConnectionError):
            raise self._unreachable(type(error), error) from error
        if _is_transport(error):  # some SDKs let the errors of their HTTP client through while they stream
            slow = "Timeout" in type(error).__name__
            own: type[Any] = self._sdk.APITimeoutError if slow else self._sdk.APIConnectionError
            raise self._unreachable(own, error) from error
        if _is_no_json(error):
            raise ModelError(
                f"the model's server at {place(self._base_url)} sent something that is not JSON: {error}"
            ) from error

    async def __aexit__(  # twin: nothing is awaited
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        self.__exit__(kind, error, trace)

    def _unreachable(self, kind: type[Any], error: Exception) -> ModelConnectionError:
        cause = error.__cause__ or error
        reason = hidden(str(cause), self._key) or type(cause).__name__
        classes: Callable[[Any], type[ModelConnectionError]] = _both
        made = classes(kind)(f"{_what(cause)} {place(self._base_url)}: {reason}")
        vars(made).update(vars(error), message=str(made))
        return made


def _what(cause: BaseException) -> str:
    name = type(cause).__name__
    if name in {"ConnectError", "ConnectTimeout"}:
        return "cannot reach the model's server at"
    if "Timeout" in name:
        return "no answer in time from the model's server at"
    return "the connection broke off to the model's server at"


def _hide(error: Exception, key: str) -> None:
    error.args = tuple(hidden(argument, key) for argument in error.args)
    for name in ("message", "body"):
        if name in vars(error):
            setattr(error, name, hidden(vars(error)[name], key))


def _is_transport(error: Exception) -> bool:
    return isinstance(error, ConnectionError) or any(kind.__name__ == "RequestError" for kind in type(error).__mro__)


def _is_no_json(error: Exception) -> bool:
    return isinstance(error, UnicodeDecodeError) or type(error).__name__ == "JSONDecodeError"


@cache
def _both(kind: type[Any]) -> type[ModelConnectionError]:
    """The class of an error that is ours and the SDK's; there is one for each of the few classes of an SDK."""

    def init(self: Any, message: str) -> None:
        Exception.__init__(self, message)

    def reduce(self: Any) -> Any:  # the SDK's half holds a request, which cannot be pickled
        return ModelConnectionError, (str(self),)

    bases: Any = (ModelConnectionError, kind, *((TimeoutError,) if "Timeout" in kind.__name__ else ()))
    body = {
        "__module__": ModelConnectionError.__module__,
        "__init__": init,
        "__reduce__": reduce,
        "__str__": Exception.__str__,
    }
    return type(ModelConnectionError.__name__, bases, body)

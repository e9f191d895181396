"""Handlers that write to the standard output."""

from __future__ import annotations

import sys
from typing import Any, Final

from plait.callbacks.base import BaseCallbackHandler
from plait.redaction import glimpse

__all__ = ["StdOutCallbackHandler", "StreamingStdOutCallbackHandler"]

_CONTROLS: Final = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")})
"""What a terminal may take for an order: text that a model wrote must not give any."""


def _write(text: str) -> None:
    sys.stdout.write(text.translate(_CONTROLS))
    sys.stdout.flush()


class StdOutCallbackHandler(BaseCallbackHandler):
    """Writes a line when a chain begins, ends or fails, and what tools give; the console tracer shows far more."""

    def on_chain_start(self, serialized: dict[str, Any], inputs: Any, **kwargs: Any) -> None:
        _write(f"> {serialized['name']} begins\n")

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        _write(f"> {kwargs['name']} ends\n")

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        _write(f"> {kwargs['name']} fails: {glimpse(error)}\n")

    def on_chain_cancelled(self, outputs: Any, **kwargs: Any) -> None:
        _write(f"> {kwargs['name']} is cancelled\n")

    def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        _write(f"{kwargs['name']}: {output if isinstance(output, str) else glimpse(output)}\n")


class StreamingStdOutCallbackHandler(BaseCallbackHandler):
    """Writes the text of models as it streams, without the control characters that would steer a terminal."""

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        _write(token)

"""Ready-made listeners that write down what runs do: on a terminal, as lines of JSON, as OpenTelemetry spans.

Each is given as a callback: ``chain.invoke(x, {"callbacks": [ConsoleTracer()]})``. What they keep of a run is gone when
the run has ended.
"""

from plait.tracers.console import ConsoleCallbackHandler, ConsoleTracer, get_debug, set_debug
from plait.tracers.json_lines import JsonLinesTracer
from plait.tracers.open_telemetry import OpenTelemetryTracer

__all__ = [
    "ConsoleCallbackHandler",
    "ConsoleTracer",
    "JsonLinesTracer",
    "OpenTelemetryTracer",
    "get_debug",
    "set_debug",
]

"""HTTP answers from a stranger, of bounded length, also when they would only grow as they are unpacked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

__all__ = ["bounded_transport"]


def bounded_transport(most: int) -> Any:
    """A transport of httpx2 whose answers, but for streams of events, have at most so many bytes.

    What is compressed, or longer, is a StreamError when it is read. Streams of events may last; their reader bounds each.
    """
    import httpx2

    class Body(httpx2.AsyncByteStream):
        def __init__(self, inner: Any, encoding: str) -> None:
            self._inner = inner
            self._encoding = encoding

        async def __aiter__(self) -> AsyncIterator[bytes]:
            if self._encoding != "identity":
                raise httpx2.StreamError(f"the answer is compressed ({self._encoding:.20}), which was not asked for")
            length = 0
            async for chunk in self._inner:
                length += len(chunk)
                if length > most:
                    raise httpx2.StreamError(f"the answer is longer than {most} bytes")
                yield chunk

        async def aclose(self) -> None:
            await self._inner.aclose()

    class Transport(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await super().handle_async_request(request)
            encoding = response.headers.pop("content-encoding", "identity")
            is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
            if encoding != "identity" or not is_stream:
                response.stream = Body(response.stream, encoding)
            return response

    return Transport()

"""Bounds the size of the answers of an HTTP upstream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import cast

import httpx2

from server.llm.openai_errors import AnswerTooLarge


class _BoundedStream(httpx2.AsyncByteStream):
    """Counts the bytes of an answer while they are read, and stops at the bound. Ends once it is closed."""

    def __init__(self, stream: httpx2.AsyncByteStream, most_bytes: int) -> None:
        self._stream = stream
        self._most_bytes = most_bytes
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size_bytes = 0
        async with aclosing(cast("AsyncGenerator[bytes, None]", aiter(self._stream))) as parts:
            async for part in parts:
                size_bytes += len(part)
                if size_bytes > self._most_bytes:
                    raise AnswerTooLarge("An answer is too large.")
                yield part
                if self._closed:
                    break
            # After ``aclose``: what reads from a closed connection fails, and so the library's generators end.
            with suppress(httpx2.HTTPError):
                async for _rest in parts:
                    pass

    async def aclose(self) -> None:
        self._closed = True
        await self._stream.aclose()


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Refuses answers that are too large, and compressed ones, whose size is not known before."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, most_bytes: int) -> None:
        self._transport = transport
        self._most_bytes = most_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request.

        Raises:
            AnswerTooLarge: The answer is compressed. Reading a body that is too large raises it, too.
        """
        response = await self._transport.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise AnswerTooLarge("An answer is compressed.")
        response.stream = _BoundedStream(cast("httpx2.AsyncByteStream", response.stream), self._most_bytes)
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._transport.aclose()

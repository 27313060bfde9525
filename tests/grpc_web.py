"""Speaks gRPC-Web and Connect with an HTTP client, as the libraries of browsers do."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import httpx2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

BINARY: Final = "application/grpc-web+proto"
TEXT: Final = "application/grpc-web-text"
CONNECT: Final = "application/proto"
CONNECT_STREAM: Final = "application/connect+proto"
_HEADER: Final = struct.Struct(">BI")
_TRAILERS: Final = 0x80
_END_OF_CONNECT: Final = 0x02

Sent = TypeVar("Sent", bound=Message)


def frame(*messages: Message) -> bytes:
    """Messages as both protocols send them in a stream: a byte of flags, four of length, the message."""
    packed = [message.SerializeToString() for message in messages]
    return b"".join(_HEADER.pack(0, len(one)) + one for one in packed)


def frames(content: bytes) -> list[tuple[int, bytes]]:
    """The flags and the content of every frame that is whole."""
    found, at = [], 0
    while at + _HEADER.size <= len(content):
        flags, size = _HEADER.unpack_from(content, at)
        at += _HEADER.size + size
        if at > len(content):
            break
        found.append((flags, content[at - size : at]))
    return found


@dataclass(frozen=True)
class Answer:
    """A call of gRPC-Web that has ended.

    Attributes:
        messages: What came, still packed.
        trailers: ``grpc-status`` and the others.
    """

    messages: list[bytes]
    trailers: dict[str, str]

    @property
    def status(self) -> int:
        """The number of the gRPC status."""
        return int(self.trailers["grpc-status"])

    @property
    def reason(self) -> str:
        """The stable reason of the server."""
        packed = self.trailers["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
        assert (status.code, status.message) == (self.status, unquote(self.trailers["grpc-message"]))
        return _reason({detail.type_url: detail.value for detail in status.details})


def _reason(details: Mapping[str, bytes]) -> str:
    info = details["type.googleapis.com/google.rpc.ErrorInfo"]
    return str(error_details_pb2.ErrorInfo.FromString(info).reason)


def answer(response: httpx2.Response) -> Answer:
    """What a response of gRPC-Web says. A call that is refused at once has its trailers in the headers."""
    if "grpc-status" in response.headers:
        return Answer([], dict(response.headers))
    assert response.status_code == 200, (response.status_code, response.content)
    content = response.content
    if response.headers["content-type"].startswith(TEXT):
        content = _decoded(content)
    found = frames(content)
    lines = b"".join(part for flags, part in found if flags & _TRAILERS).decode("ascii").splitlines()
    trailers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer([part for flags, part in found if not flags & _TRAILERS], trailers)


def _decoded(text: bytes) -> bytes:
    """Base64 in pieces, each of which may end with padding."""
    return b"".join(base64.b64decode(text[at : at + 4]) for at in range(0, len(text), 4))


class WebClient:
    """Calls of one client.

    Args:
        http: Has the address of Envoy.
        key: The credential; None for none.
        origin: Of the page that calls; None for none.
    """

    def __init__(self, http: httpx2.AsyncClient, key: str | None, origin: str | None = None) -> None:
        self._http = http
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        if origin:
            self._headers["origin"] = origin

    async def post(self, method: str, content: bytes, content_type: str, **headers: str) -> httpx2.Response:
        """Send a request; the method is named ``SessionService/GetSession``."""
        sent = {**self._headers, "content-type": content_type} | headers
        return await self._http.post(_path(method), content=content, headers=sent)

    async def call(self, method: str, *requests: Message, content_type: str = BINARY) -> Answer:
        """A call of gRPC-Web."""
        content = frame(*requests)
        sent = base64.b64encode(content) if content_type == TEXT else content
        return answer(await self.post(method, sent, content_type, accept=content_type))

    async def connect(self, method: str, request: Message) -> httpx2.Response:
        """A unary call of Connect."""
        headers = {"connect-protocol-version": "1", "connect-timeout-ms": "60000"}
        return await self.post(method, request.SerializeToString(), CONNECT, **headers)

    @asynccontextmanager
    async def stream(self, method: str, request: Message, content_type: str = BINARY) -> AsyncIterator[Stream]:
        """A call with a stream of answers."""
        content = base64.b64encode(frame(request)) if content_type == TEXT else frame(request)
        headers = {**self._headers, "content-type": content_type, "accept": content_type}
        if content_type == CONNECT_STREAM:
            headers["connect-protocol-version"] = "1"
        async with self._http.stream("POST", _path(method), content=content, headers=headers) as response:
            yield Stream(response, text=content_type == TEXT)


class Stream:
    """Answers as they come.

    Args:
        response: Of a streaming call.
        text: Whether it is in base64.
    """

    def __init__(self, response: httpx2.Response, *, text: bool) -> None:
        self._pieces = response.aiter_raw()
        self._text = text
        self._raw = b""
        self._taken = 0
        self.end = b""

    async def next(self, kind: type[Sent]) -> Sent | None:
        """The next message; None at the end, whose frame is then in ``end``."""
        while len(found := self._frames()) <= self._taken:
            self._raw += await anext(self._pieces)
        self._taken += 1
        flags, content = found[self._taken - 1]
        if flags & (_TRAILERS | _END_OF_CONNECT):
            self.end = content
            return None
        return kind.FromString(content)

    def _frames(self) -> list[tuple[int, bytes]]:
        whole = len(self._raw) - len(self._raw) % 4
        return frames(_decoded(self._raw[:whole]) if self._text else self._raw)


def connect_reason(error: Mapping[str, Any]) -> str:
    """The stable reason in an error of Connect."""
    return _reason({one["type"]: base64.b64decode(one["value"] + "==") for one in error["details"]})


def connect_error(content: bytes) -> dict[str, Any]:
    """The error in a unary answer, or at the end of a stream."""
    found = json.loads(content)
    return dict(found.get("error", found))


def _path(method: str) -> str:
    return f"/vestibule.v1.{method}"

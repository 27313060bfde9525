"""The assistant on a transport that answers with given bytes."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from models.text import RedactedText
from server.llm.assistant import OpenAiAssistant
from server.llm.types import Assistant
from tests.unit.llm.assistants import assistant_at
from tests.unit.llm.texts import redacted

SAID = redacted("Hello")
UNSAFE = redacted("My name is Zanzibar", safe=False)


class Wire:
    """Answers every request with the same bytes and keeps what was sent."""

    def __init__(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.content, self.status = content, status
        self.headers = {"content-type": "text/event-stream"} | (headers or {})
        self.sent: list[httpx2.Request] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        return httpx2.Response(self.status, content=self.content, headers=self.headers)

    def body(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.sent[-1].content)
        return content


def assistant_on(wire: Wire, **options: Any) -> OpenAiAssistant:
    return assistant_at("http://llm.test/v1", "key", transport=httpx2.MockTransport(wire.answer), **options)


def events(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"


def token(text: object, finish_reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}]}


async def whole(assistant: Assistant, said: RedactedText = SAID, *, fallback: bool = False) -> str:
    reply = await assistant.reply(said, [], language="en", fallback=fallback)
    return "".join([piece async for piece in reply.pieces])

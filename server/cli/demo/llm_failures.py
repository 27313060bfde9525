"""The failures of the stand-in LLM, and the shapes of the OpenAI API in which it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.responses import JSONResponse, Response

from server.cli.demo.llm_records import check_of, record_of
from server.cli.demo.llm_replies import reply_to
from server.cli.demo.vision_replies import labels_as_json

MODEL = "scripted-clerk"


class Mode(StrEnum):
    """How the next calls are answered."""

    ANSWER = "answer"
    REFUSE = "refuse"  # the connection is closed without an answer
    RATE_LIMIT = "rate_limit"  # 429, with Retry-After when retry_after is set
    ERROR = "error"  # 500
    BAD_REQUEST = "bad_request"  # 400
    HANG = "hang"  # nothing comes back at all
    STALL = "stall"  # the answer begins, then nothing comes
    HALF = "half"  # the answer ends before its end, in an orderly way
    CUT = "cut"  # the connection breaks in the middle of the answer
    GARBAGE = "garbage"  # 200, but no JSON
    EMPTY = "empty"  # 200, without text
    ERROR_EVENT = "error_event"  # 200, and an error inside the answer
    BAD_RECORD = "bad_record"  # JSON that is no record
    HUGE = "huge"  # an answer of 4 MB
    SLOW = "slow"  # delay_s before every token


@dataclass(frozen=True, slots=True)
class Script:
    """The answers to the next calls; a reply that breaks or stalls does so before its word number ``after``, from 0."""

    mode: Mode = Mode.ANSWER
    times: int = 0
    delay_s: float = 0.05
    retry_after: str = ""
    after: int = 2


class Cut(Exception):
    """Raised to make the HTTP server drop the connection in the middle of an answer."""


def immediate_failure(script: Script) -> Response | None:
    """The answer of a script that fails before it answers, or None."""
    if script.mode is Mode.RATE_LIMIT:
        headers = {"retry-after": script.retry_after} if script.retry_after else {}
        return error(429, "Rate limit reached.", headers)
    if script.mode is Mode.ERROR:
        return error(500, "The server had an error.")
    if script.mode is Mode.BAD_REQUEST:
        return error(400, "Unsupported value.")
    if script.mode is Mode.GARBAGE:
        return Response("<html>\x00 not what you asked for", media_type="application/json")
    return None


def breaks(script: Script) -> list[bytes]:
    """What a script sends or raises in the middle of an answer."""
    if script.mode is Mode.CUT:
        raise Cut
    if script.mode is Mode.ERROR_EVENT:
        return [event({"error": {"message": "The server had an error.", "type": "server_error"}})]
    return []


def error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "error", "param": None, "code": None}
    return JSONResponse({"error": error}, status_code=status, headers=headers)


def event(content: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def chunk(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    """One chunk of a streamed answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "scripted", "object": "chat.completion.chunk", "created": 0, "model": MODEL, "choices": [choice]}


def completion(body: dict[str, Any], script: Script) -> dict[str, Any]:
    """A whole answer: a record, a check or labels when the request has the schema of them, a reply otherwise."""
    schema, messages = ((body.get("response_format") or {}).get("json_schema") or {}).get("name", ""), body["messages"]
    answers = {
        "record": lambda: record_of(messages),
        "check": lambda: check_of(messages),
        "labels": lambda: labels_as_json(body),
    }
    text = answers.get(schema, lambda: "".join(reply_to(messages)))()
    text = {Mode.EMPTY: "", Mode.BAD_RECORD: '{"summary": 7}', Mode.HALF: text[: len(text) // 2]}.get(script.mode, text)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "length" if script.mode is Mode.HALF else "stop",
    }
    usage = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return {
        "id": "scripted",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
    }

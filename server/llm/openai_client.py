"""Client of one OpenAI-compatible endpoint: sends a prompt, reads the answer, bounds its time and size.

Retries, breaker and fallback are not here; the assistant has them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx2
import openai
from openai.types.chat import ChatCompletionMessageParam

from models.errors import UpstreamFailed
from models.reasons import Reason
from models.tracing.attributes import Configured
from models.tracing.spans import NO_SPAN, Span
from server.llm.bounded_transport import BoundedTransport
from server.llm.chat_span import note_usage
from server.llm.openai_errors import failed, translated
from server.llm.prompts import Message

MAX_ANSWER_BYTES = 1024 * 1024
"""Largest body of one HTTP answer. A streamed token takes about 250 bytes, so 4,000 tokens fit."""

MAX_REPLY_CHARACTERS = 2000
"""A longer reply is cut before it; three sentences have about 400."""

MAX_RECORD_TOKENS = 4000
MAX_REPLY_TOKENS = 400
MAX_LATE_REPLY_TOKENS = 4000
"""Of a reply for which nobody waits: some scripts take many tokens, and models that think spend some on it."""

CONNECT_S = 5.0
"""Longest time for the TCP and TLS handshakes."""


@dataclass(frozen=True, slots=True)
class ResponseLimits:
    """Bounds of one streamed answer.

    Attributes:
        first_s: Seconds until the first token.
        gap_s: Seconds between two tokens.
        total_s: Seconds until the end.
        tokens: Most of them.
    """

    first_s: float
    gap_s: float
    total_s: float
    tokens: int = MAX_REPLY_TOKENS


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """What a whole answer must look like.

    Attributes:
        name: Of the schema.
        schema: JSON Schema with the keywords of strict mode.
        tokens: Most of them.
    """

    name: str
    schema: dict[str, Any]
    tokens: int


class ChatUpstream:
    """A chat completions endpoint.

    Attributes:
        model: Which model it asks for.

    Args:
        base_url: Ends in ``/v1``.
        api_key: May be empty.
        model: Which model to ask for.
        clock: Seconds, never going back.
        transport: Replaces the network in tests.
        called: What it is called in messages.
        answer_bytes: Largest body of one HTTP answer.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx2.AsyncBaseTransport | None = None,
        called: str = "remote LLM",
        answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self.called = called
        self.model = Configured(model)
        self._clock = clock
        self._http = httpx2.AsyncClient(
            transport=BoundedTransport(transport or httpx2.AsyncHTTPTransport(), answer_bytes),
            headers={"accept-encoding": "identity"},
            follow_redirects=False,  # a redirect could send the key to another host
            trust_env=False,  # a .netrc could replace the key
        )
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            max_retries=0,
            http_client=self._http,
            # Otherwise the library reads these two from the environment, which only settings.py may do.
            default_headers={"OpenAI-Organization": openai.omit, "OpenAI-Project": openai.omit},  # type: ignore[dict-item]
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def stream(
        self, messages: Sequence[Message], limits: ResponseLimits, span: Span = NO_SPAN
    ) -> AsyncGenerator[str, None]:
        """Yield the answer as it comes; never an empty piece. Close it with ``aclosing``.

        Raises:
            UpstreamFailed: There is no answer, no usable one, or a half one.
            Overloaded: Rate limited.
            DeadlineExceeded: A limit was exceeded.
        """
        started_s = self._clock()
        quiet_until_s, end_s = started_s + limits.first_s, started_s + limits.total_s
        arrived, characters, finish_reason = 0, 0, None
        chunks = self._chunks(messages, limits)
        async with aclosing(chunks):
            while True:
                wait_s = min(quiet_until_s, end_s) - self._clock()
                with translated(self.called, begun=characters > 0):
                    if wait_s <= 0:
                        raise TimeoutError  # The time limit applies to data that has already arrived, too.
                    async with asyncio.timeout(wait_s):
                        chunk = await anext(chunks, None)
                    text, reason = ("", None) if chunk is None else _delta(chunk)
                arrived += chunk is not None
                note_usage(span, chunk)
                finish_reason = reason or finish_reason
                if characters + len(text) > MAX_REPLY_CHARACTERS:
                    raise _cut()
                if text:
                    characters += len(text)
                    quiet_until_s = self._clock() + limits.gap_s
                    yield text
                if chunk is None:
                    break
        _check_end(arrived, characters, finish_reason)

    async def _chunks(self, messages: Sequence[Message], limits: ResponseLimits) -> AsyncGenerator[object, None]:
        answer: object = await self._client.chat.completions.create(
            model=self.model,
            messages=_on_the_wire(messages),
            stream=True,
            max_completion_tokens=limits.tokens,
            timeout=_timeouts(max(limits.first_s, limits.gap_s)),
        )
        if not isinstance(answer, openai.AsyncStream):
            raise TypeError("no stream")
        try:
            while (chunk := await anext(answer, None)) is not None:
                yield chunk
        finally:
            await _end(answer)

    async def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any],
        timeout_s: float,
        name: str = "record",
        span: Span = NO_SPAN,
    ) -> str:
        """Return a whole answer, which should be JSON of the schema; the caller must check it.

        Args:
            messages: The prompt.
            schema: Of the answer.
            timeout_s: Longest time for all of it.
            name: What the schema is called.
            span: Gets the tokens of the answer.

        Raises:
            UpstreamFailed: There is no answer, or no usable one.
            Overloaded: Rate limited.
            DeadlineExceeded: ``timeout_s`` was exceeded.
        """
        form = AnswerForm(name, schema, MAX_RECORD_TOKENS)
        return await self._complete(_on_the_wire(messages), form, timeout_s, span)

    async def _complete(
        self, messages: list[ChatCompletionMessageParam], form: AnswerForm, timeout_s: float, span: Span
    ) -> str:
        with translated(self.called):
            async with asyncio.timeout(timeout_s):
                answer: object = await self._client.chat.completions.create(
                    model=self.model,
                    messages=messages,
                    response_format={
                        "type": "json_schema",
                        "json_schema": {"name": form.name, "strict": True, "schema": form.schema},
                    },
                    max_completion_tokens=form.tokens,
                    timeout=_timeouts(timeout_s),
                )
            note_usage(span, answer)
            text, reason = _whole(answer)
        if reason != "stop":
            raise failed(Reason.UPSTREAM_HALF_ANSWER, f"The {self.called}'s answer ends before its end.")
        if not text.strip():
            raise failed(Reason.UPSTREAM_EMPTY, f"The {self.called}'s answer is empty.")
        return text

    async def ping(self, timeout_s: float) -> None:
        """Ask for one token; any well-formed answer will do.

        Raises:
            VestibuleError: As for ``complete``.
        """
        with translated(self.called):
            async with asyncio.timeout(timeout_s):
                answer: object = await self._client.chat.completions.create(
                    model=self.model,
                    messages=[{"role": "user", "content": "ping"}],
                    max_completion_tokens=1,
                    timeout=_timeouts(timeout_s),
                )
            _whole(answer)


async def _end(answer: openai.AsyncStream[Any]) -> None:
    """Close a stream, and have its generators end one after the other in this task.

    The library leaves them to the garbage collector. asyncio then closes them in tasks of its own, in any order, and
    logs what goes wrong.
    """
    await answer.close()  # from now on ``BoundedTransport`` gives nothing
    with suppress(openai.OpenAIError, ValueError):  # an event that was cut in half
        while await anext(answer, None) is not None:
            pass


_CUT_AT: Final = ("length", "content_filter")
"""Other words for a whole answer than "stop" are in use, too."""


def _cut() -> UpstreamFailed:
    return failed(
        Reason.UPSTREAM_ANSWER_CUT, "The remote LLM's answer was cut at its longest length, or by a filter of the LLM."
    )


def _check_end(arrived: int, characters: int, finish_reason: object) -> None:
    if not arrived:
        raise failed(Reason.UPSTREAM_GARBAGE, "The remote LLM's answer is no stream.")
    if not characters:
        raise failed(Reason.UPSTREAM_EMPTY, "The remote LLM's answer is empty.")
    if finish_reason is None:
        raise failed(Reason.UPSTREAM_HALF_ANSWER, "The remote LLM's answer broke off.")
    if finish_reason in _CUT_AT:
        raise _cut()


def _on_the_wire(messages: Sequence[Message]) -> list[ChatCompletionMessageParam]:
    return [
        cast("ChatCompletionMessageParam", {"role": message.role, "content": message.content}) for message in messages
    ]


def _timeouts(read_s: float) -> httpx2.Timeout:
    connect_s = min(CONNECT_S, read_s)
    return httpx2.Timeout(read=read_s, write=connect_s, connect=connect_s, pool=connect_s)


def _delta(chunk: object) -> tuple[str, object]:
    """Text of a chunk, and why the answer ends with it; None or an empty text where it goes on.

    Types are checked here, because the library does not.
    """
    choices = getattr(chunk, "choices", None)
    if not isinstance(choices, list):
        raise TypeError("no chunk")
    if not choices:
        return "", None  # usage, or a keep-alive
    text = getattr(getattr(choices[0], "delta", None), "content", None)
    if not isinstance(text, str | None):
        raise TypeError("no text")
    return text or "", getattr(choices[0], "finish_reason", None)


def _whole(answer: object) -> tuple[str, object]:
    """Text and finish reason of an answer that came in one piece."""
    choices = getattr(answer, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise TypeError("no completion")
    text = getattr(getattr(choices[0], "message", None), "content", None)
    if not isinstance(text, str | None):
        raise TypeError("no text")
    return text or "", getattr(choices[0], "finish_reason", None)

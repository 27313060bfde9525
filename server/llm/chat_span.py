"""The span of one attempt at a remote LLM, by the semantic conventions for generative AI.

The conventions also have attributes for prompts and answers; those are not declared in ``models.tracing.attributes``.
"""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import SpanKind

from models.tracing.attributes import (
    BREAKER_STATE,
    GEN_AI_INPUT_TOKENS,
    GEN_AI_MODEL,
    GEN_AI_OPERATION,
    GEN_AI_OUTPUT_TOKENS,
    GEN_AI_PROVIDER,
    LLM_BACKGROUND,
    LLM_RETRY,
    LLM_TASK,
    LLM_UPSTREAM,
    Configured,
)
from models.tracing.names import SpanName
from models.tracing.spans import Span, child_span
from server.breakers.breaker import AsyncBreaker

NOT_SAID: Final = -1
"""A number of tokens that no attribute takes."""


def chat_span(model: Configured, breaker: AsyncBreaker, task: str, *, retry: bool, background: bool) -> Span:
    """The span of an attempt, with the state of the breaker before it. It is nobody's current span.

    Args:
        model: That is asked for.
        breaker: Guards the upstream.
        task: What is asked for: reply, record, check or labels.
        retry: Whether an attempt for the same failed before.
        background: Whether nobody waits for it.
    """
    span = child_span(SpanName.CHAT, SpanKind.CLIENT, current=False)
    span.set(GEN_AI_OPERATION, "chat")
    span.set(GEN_AI_PROVIDER, "openai")
    span.set(GEN_AI_MODEL, model)
    span.set(LLM_UPSTREAM, breaker.name)
    span.set(LLM_TASK, task)
    span.set(LLM_RETRY, retry)
    span.set(LLM_BACKGROUND, background)
    span.set(BREAKER_STATE, breaker.state)
    return span


def note_usage(span: Span, answer: object) -> None:
    """Note the tokens of an answer, or of a chunk of one, where the upstream says how many there were."""
    usage = getattr(answer, "usage", None)
    if span.recorded and usage is not None:
        sent: int = getattr(usage, "prompt_tokens", NOT_SAID)
        received: int = getattr(usage, "completion_tokens", NOT_SAID)
        span.set(GEN_AI_INPUT_TOKENS, sent)
        span.set(GEN_AI_OUTPUT_TOKENS, received)

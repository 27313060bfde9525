"""Translates the errors of the remote LLM into ours. No text of an answer gets into a message.

============================  =================  ==========================================================
reason                        class              when
============================  =================  ==========================================================
``UPSTREAM_TIMEOUT``          DeadlineExceeded   no first token, a gap, or no end in time
``UPSTREAM_RATE_LIMITED``     Overloaded         HTTP 429; ``retry_after_s`` as the upstream said
``UPSTREAM_UNREACHABLE``      UpstreamFailed     no connection, or it broke before an answer began
``UPSTREAM_ERROR``            UpstreamFailed     HTTP 408 or 5xx, or an error event inside a stream
``UPSTREAM_KEY_REFUSED``      UpstreamFailed     HTTP 401 or 403; it blocks the upstream
``UPSTREAM_REFUSED_REQUEST``  UpstreamFailed     any other HTTP 4xx; our fault, so it does not open the breaker
``UPSTREAM_GARBAGE``          UpstreamFailed     no JSON, no chat completion, too large
``UPSTREAM_EMPTY``            UpstreamFailed     an answer without text
``UPSTREAM_HALF_ANSWER``      UpstreamFailed     it ended before its end
``UPSTREAM_ANSWER_CUT``       UpstreamFailed     a reply was cut at its longest length, or by a filter
``UPSTREAM_INVALID_RECORD``   UpstreamFailed     the record breaks the schema or its meaning
``UPSTREAM_INVALID_LABELS``   UpstreamFailed     labels of a picture break the schema
``UPSTREAM_NOT_SET``          UpstreamFailed     there is no upstream
============================  =================  ==========================================================
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime

import httpx2
import openai

from models.errors import CallerError, DeadlineExceeded, Overloaded, RedactionFailed, UpstreamFailed, VestibuleError
from models.reasons import Reason
from server.breakers.types import Outcome
from server.ledger.types import Clock, utc_now

MAX_RETRY_AFTER_S = 3600.0
"""Longest wait that an upstream may ask for, so that it cannot delay a job for days."""

UNREADABLE = (ValueError, TypeError, AttributeError, KeyError, RecursionError)
"""What the client library raises on JSON that it does not expect; JSONDecodeError and UnicodeError are ValueErrors."""

_OURS = frozenset({Reason.UPSTREAM_REFUSED_REQUEST, Reason.UPSTREAM_NOT_SET})


class AnswerTooLarge(httpx2.TransportError):
    """The answer is larger than its bound."""


def judge_llm_error(error: Exception) -> Outcome:
    """What an error says about the upstream.

    Every one is a failure except a refused key, a refused request and faults of our own. An upstream of which a reply
    is too long works.
    """
    if isinstance(error, VestibuleError) and error.reason == Reason.UPSTREAM_ANSWER_CUT:
        return Outcome.ANSWER
    if isinstance(error, VestibuleError) and error.reason == Reason.UPSTREAM_KEY_REFUSED:
        return Outcome.BLOCKED
    ours = isinstance(error, VestibuleError) and error.reason in _OURS
    return Outcome.NOTHING if ours or isinstance(error, CallerError | RedactionFailed) else Outcome.FAILURE


@contextmanager
def translated(called: str = "remote LLM", *, begun: bool = False, now: Clock = utc_now) -> Iterator[None]:
    """Translate the errors raised in the block.

    Args:
        called: What the upstream is called in messages.
        begun: Whether a part of the answer has arrived; a broken connection then means half an answer.
        now: Wall clock, for a Retry-After that is a date.

    Raises:
        Overloaded: HTTP 429.
        DeadlineExceeded: A timeout, theirs or ours.
        UpstreamFailed: Anything else; see the table.
    """
    try:
        yield
    except TimeoutError:
        raise _timeout(called) from None
    except (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError) as exc:
        # "from None": the original's message quotes the answer.
        raise _ours(exc, called, begun, now) from None
    except UNREADABLE:
        raise failed(Reason.UPSTREAM_GARBAGE, f"The {called}'s answer cannot be read.") from None


def failed(reason: Reason, message: str, *, retry_after_s: float | None = None) -> UpstreamFailed:
    """An UpstreamFailed with one of the reasons of the table."""
    return UpstreamFailed(message, reason=reason, retry_after_s=retry_after_s)


def _timeout(called: str) -> DeadlineExceeded:
    return DeadlineExceeded(f"The {called} did not answer in time.", reason=Reason.UPSTREAM_TIMEOUT, hint=_LATER)


_LATER = "Try again in a moment; operators find the state of the upstream under breakers."


def _ours(exc: Exception, called: str, begun: bool, now: Clock) -> VestibuleError:
    """Translate, most specific first."""
    if isinstance(exc, openai.APITimeoutError | httpx2.TimeoutException):
        return _timeout(called)
    if isinstance(exc, openai.APIStatusError):
        return _by_status(called, exc.status_code, exc.response.headers, now)
    if isinstance(exc, AnswerTooLarge) or isinstance(exc.__cause__, AnswerTooLarge):
        return failed(Reason.UPSTREAM_GARBAGE, f"The {called}'s answer is too large, or compressed.")
    if isinstance(exc, openai.APIConnectionError | httpx2.TransportError):
        return _broken(called, begun)
    if isinstance(exc, openai.APIResponseValidationError | httpx2.DecodingError):
        return failed(Reason.UPSTREAM_GARBAGE, f"The {called}'s answer cannot be read.")
    return failed(Reason.UPSTREAM_ERROR, f"The {called} reports an error of its own.")


def _broken(called: str, begun: bool) -> UpstreamFailed:
    if begun:
        return failed(Reason.UPSTREAM_HALF_ANSWER, f"The {called}'s answer broke off.")
    return failed(Reason.UPSTREAM_UNREACHABLE, f"The {called} cannot be reached.")


def _by_status(called: str, status: int, headers: Mapping[str, str], now: Clock) -> VestibuleError:
    wait_s = retry_after_s(headers, now)
    if status == 429:
        return Overloaded(f"The {called}'s quota is full.", reason=Reason.UPSTREAM_RATE_LIMITED, retry_after_s=wait_s)
    if status in (401, 403):
        return failed(Reason.UPSTREAM_KEY_REFUSED, f"The {called} refuses the key (HTTP {status}).")
    if 400 <= status < 500 and status != 408:  # 408: it, or a gateway before it, ran out of time
        return failed(Reason.UPSTREAM_REFUSED_REQUEST, f"The {called} refuses the request (HTTP {status}).")
    return failed(Reason.UPSTREAM_ERROR, f"The {called} reports HTTP {status}.", retry_after_s=wait_s)


def retry_after_s(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    """Seconds until an upstream wants to be asked again; None when it says nothing usable.

    ``retry-after-ms``, which some send besides, is the more exact one. ``retry-after`` is a number or a date.
    """
    value, milliseconds = headers.get("retry-after"), headers.get("retry-after-ms")
    if milliseconds is not None:
        with suppress(ValueError):
            return _bounded(float(milliseconds) / 1000)
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(value) - now()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return _bounded(seconds)


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S) if math.isfinite(seconds) else None

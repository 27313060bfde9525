"""Every error that Vestibule raises on purpose.

The tree, one sentence a class::

    VestibuleError            anything below; carries a stable reason and a hint
    |-- CallerError           the request itself is wrong; repeating it unchanged cannot succeed
    |   |-- InvalidInput      a field or a value breaks a documented rule
    |   |-- NotFound          no such session, upload or recommendation
    |   |-- Conflict          the thing exists, but its state forbids this step
    |   |-- Unauthenticated   the call has no valid credential
    |   |-- PermissionDenied  the credential is valid, but does not allow this
    |   `-- TooLarge          a size, duration or pixel limit was exceeded
    |-- MediaError            bytes that are no usable audio or image
    |   |-- UnsupportedMedia  the format is not one that we read
    |   |-- BrokenMedia       the format is right, the content does not decode
    |   `-- NoSpeech          decodes well, but nobody speaks in it
    |-- Overloaded            a queue or a quota is full; try again after ``retry_after_s``
    |-- Unavailable           a part of the system cannot answer now
    |   |-- WorkerLost        the worker that held the call died
    |   |-- WorkersMismatch   the workers were built from other settings than this server's, so they refuse its calls
    |   |-- UpstreamFailed    the remote LLM gave no usable answer
    |   |-- BreakerOpen       calls to an upstream are paused
    |   |-- RedactionFailed   text could not be redacted, so it is neither stored nor sent
    |   `-- ShuttingDown      the server is ending; call another one, or try again later
    |-- DeadlineExceeded      the timeout of the caller has passed
    |   `-- WorkTooLong       the work took all the time that a work of its kind may take; it would take it again
    |-- WeightsError          model weights are missing, or not the pinned ones
    `-- InternalError         a defect of ours; the log has the correlation id

Messages never carry what a person said, wrote or photographed: they are written by us, with numbers and
names of fields in them, and that is all that reaches a client, a log or a dead letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from models.reasons import Reason


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that breaks a rule.

    Attributes:
        field: Path of the field in proto syntax, ``config.sample_rate_hz``.
        description: What the rule wants, without the offending value.
    """

    field: str
    description: str


class VestibuleError(Exception):
    """Base of the tree.

    Args:
        message: One plain sentence for the person who reads the reply. No input text.
        reason: The stable reason; None takes that of the class.
        hint: What to do about it; None takes the hint of the reason, or else of the class.
        retry_after_s: Seconds to wait before a retry makes sense, when known.
    """

    default_reason: ClassVar[Reason] = Reason.INTERNAL
    default_hint: ClassVar[str] = "Report the correlation id to the operator."

    def __init__(
        self,
        message: str,
        *,
        reason: Reason | None = None,
        hint: str | None = None,
        retry_after_s: float | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.hint = hint or self.reason.hint or self.default_hint
        self.retry_after_s = retry_after_s
        self.violations = violations

    def __reduce__(self) -> tuple[object, ...]:
        # Ray pickles errors; the default would lose the keyword arguments.
        return _rebuild, (type(self), self.message, self.reason, self.hint, self.retry_after_s, self.violations)


def _rebuild(
    cls: type[VestibuleError],
    message: str,
    reason: Reason,
    hint: str,
    retry_after_s: float | None,
    violations: tuple[FieldViolation, ...],
) -> VestibuleError:
    return cls(message, reason=reason, hint=hint, retry_after_s=retry_after_s, violations=violations)


class CallerError(VestibuleError):
    """The request itself is wrong; repeating it unchanged cannot succeed."""

    default_reason = Reason.INVALID_REQUEST
    default_hint = "Correct the request and send it again."


class InvalidInput(CallerError):
    """A field or a value breaks a documented rule."""

    default_reason = Reason.INVALID_INPUT


class NotFound(CallerError):
    """No such session, upload or recommendation."""

    default_reason = Reason.NOT_FOUND
    default_hint = "Check the id. What was erased, or deleted by age, is not found."


class Conflict(CallerError):
    """The thing exists, but its state forbids this step."""

    default_reason = Reason.WRONG_STATE
    default_hint = "Fetch the current state first."


class Unauthenticated(CallerError):
    """The call has no valid credential."""

    default_reason = Reason.CREDENTIALS_INVALID
    default_hint = (
        "Send the metadata `authorization: Bearer KEY`, with a key that `vestibule keys create` made, or with a token "
        "of the issuer that the server trusts."
    )


class PermissionDenied(CallerError):
    """The credential is valid, but does not allow this."""

    default_reason = Reason.SCOPE_MISSING
    default_hint = "Ask the operator for a key with the scope; `vestibule keys create --scope` makes one."


class TooLarge(CallerError):
    """A size, duration or pixel limit was exceeded."""

    default_reason = Reason.TOO_LARGE
    default_hint = "Send a smaller file; docs/operating/limits.md has the limits."


class MediaError(VestibuleError):
    """Bytes that are no usable audio or image."""

    default_reason = Reason.BAD_MEDIA
    default_hint = "Record or photograph it again."


class UnsupportedMedia(MediaError):
    """The format is not one that we read."""

    default_reason = Reason.UNSUPPORTED_MEDIA
    default_hint = "Use one of the formats that docs/clients/README.md lists."


class BrokenMedia(MediaError):
    """The format is right, the content does not decode."""

    default_reason = Reason.BROKEN_MEDIA


class NoSpeech(MediaError):
    """Decodes well, but nobody speaks in it."""

    default_reason = Reason.NO_SPEECH
    default_hint = "Speak closer to the microphone."


class Overloaded(VestibuleError):
    """A queue or a quota is full; try again after ``retry_after_s``."""

    default_reason = Reason.OVERLOADED
    default_hint = "Wait as long as the retry info says, then try again."


class Unavailable(VestibuleError):
    """A part of the system cannot answer now."""

    default_reason = Reason.UNAVAILABLE
    default_hint = "Try again in a moment."


class WorkerLost(Unavailable):
    """The worker that held the call died."""

    default_reason = Reason.WORKER_LOST


class WorkersMismatch(Unavailable):
    """The workers were built from other settings or redaction policies than this server's, so they refuse its calls."""

    default_reason = Reason.WORKERS_MISMATCH
    default_hint = "Another program replaced the workers of this server on the Ray cluster; restart the server."


class UpstreamFailed(Unavailable):
    """The remote LLM gave no usable answer."""

    default_reason = Reason.UPSTREAM_FAILED


class BreakerOpen(Unavailable):
    """Calls to an upstream that failed are paused: a remote LLM, or the workers of a kind."""

    default_reason = Reason.BREAKER_OPEN


class RedactionFailed(Unavailable):
    """Text could not be redacted, so it is neither stored nor sent."""

    default_reason = Reason.REDACTION_FAILED


class ShuttingDown(Unavailable):
    """The server is ending; call another one, or try again later."""

    default_reason = Reason.SHUTTING_DOWN
    default_hint = "Reconnect; what was acknowledged is kept."


class DeadlineExceeded(VestibuleError):
    """The timeout of the caller has passed."""

    default_reason = Reason.DEADLINE_EXCEEDED
    default_hint = "Give the call more time, or send less at once."


class WorkTooLong(DeadlineExceeded):
    """The work took all the time that a work of its kind may take; it would take it again."""

    default_hint = "Send less at once."


class WeightsError(VestibuleError):
    """Model weights are missing, or not the pinned ones."""

    default_reason = Reason.WEIGHTS_UNAVAILABLE
    default_hint = "Run `vestibule models fetch`, then `vestibule models verify`."


class InternalError(VestibuleError):
    """A defect of ours; the log has the correlation id."""

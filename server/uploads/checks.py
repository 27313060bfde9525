"""The checks of an upload before it is accepted, as one list, cheap ones first.

``default_checks`` is the list. A check gets what is known at its stage, and raises an error to refuse the upload.
Checks that need the whole content belong to ``CheckStage.ARRIVED``. The last one encodes the content anew, and writes
that into the spool. What it writes is kept only if no check refuses, so a check that may refuse stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.amounts import retry_text, size_text
from models.errors import Conflict, InvalidInput, NotFound, Overloaded, TooLarge, UnsupportedMedia
from models.media.declared_types import agrees
from models.media.formats import AUDIO_NAMES, IMAGE_NAMES, MediaKind
from models.reasons import Reason
from server.setting_groups import LimitSettings
from server.uploads.encode_anew import REASONS as ENCODE_ANEW_REASONS
from server.uploads.encode_anew import EncodeAnew, MediaCleaner
from server.uploads.quota import UploadQuota, WithinQuota
from server.uploads.types import CheckStage, CheckStep, DeclaredUpload, ReceivedBytes, UploadCheck

_RETRY_AFTER_S = 5.0
"""When to try again if jobs or bytes must first be worked off; how long that takes is not known."""

_KINDS = {
    MediaKind.RECORDING: ("recording",),
    MediaKind.IMAGE: ("visitor_register", "meter", "document", "site"),
}
"""The kinds of uploads that fit a medium."""


def default_checks(
    limits: LimitSettings, quota: UploadQuota, cleaner: MediaCleaner, scan: UploadCheck | None
) -> tuple[CheckStep, ...]:
    """The list. docs/reference/upload-checks.md shows it.

    Args:
        limits: Bounds on size and work.
        quota: What each client may upload.
        cleaner: Decodes the content, and encodes it anew.
        scan: The malware scanner; None when it is off.
    """
    described, begun, arrived = CheckStage.DESCRIBED, CheckStage.BEGUN, CheckStage.ARRIVED
    return (
        CheckStep(
            described,
            session_is_open,
            (Reason.SESSION_NOT_FOUND, Reason.SESSION_ENDED),
            "Uses what the ledger was asked for already.",
        ),
        CheckStep(
            described, SizeIsAllowed(limits), (Reason.UPLOAD_TOO_LARGE, Reason.UPLOAD_EMPTY), "Compares two numbers."
        ),
        CheckStep(
            described,
            RoomForWork(limits),
            (Reason.JOBS_FULL, Reason.SESSION_JOBS_FULL, Reason.SPOOL_FULL, Reason.UPLOADS_FULL),
            "Compares counts. What could not be worked off is not received.",
            of_repeats=True,
        ),
        CheckStep(
            described,
            WithinQuota(quota),
            (Reason.UPLOAD_QUOTA,),
            "Writes a row to the ledger. From here on an attempt counts, because from here on it costs work.",
            of_repeats=True,
        ),
        CheckStep(
            begun, format_is_read, (Reason.UNSUPPORTED_MEDIA,), "Looks at the first bytes, before most are sent."
        ),
        CheckStep(begun, type_is_as_declared, (Reason.MEDIA_TYPE_MISMATCH,), "Compares two words."),
        CheckStep(begun, type_fits_kind, (Reason.MEDIA_TYPE_MISMATCH,), "Compares two words."),
        CheckStep(arrived, size_is_as_declared, (Reason.SIZE_MISMATCH,), "Compares two numbers."),
        CheckStep(
            arrived, hash_is_as_declared, (Reason.HASH_MISMATCH,), "Compares 32 bytes; the hash was made on arrival."
        ),
        *([_scan_step(scan)] if scan else []),
        CheckStep(
            arrived,
            EncodeAnew(cleaner),
            ENCODE_ANEW_REASONS,
            "Decodes the whole content in a process of its own. From here on there is only the clean form.",
        ),
    )


def _scan_step(scan: UploadCheck) -> CheckStep:
    return CheckStep(
        CheckStage.ARRIVED,
        scan,
        (
            Reason.MALWARE_FOUND,
            Reason.SCAN_INCOMPLETE,
            Reason.SCAN_FAILED,
            Reason.SCANNER_BUSY,
            Reason.SCANNER_UNREACHABLE,
            Reason.SCANNER_UNSAFE,
        ),
        "Dear: another process reads all of it. It comes before anything is changed, to see what the client sent.",
    )


async def session_is_open(seen: ReceivedBytes) -> None:
    """The session must exist and not have ended."""
    if seen.session is None:
        raise NotFound("There is no such session.", reason=Reason.SESSION_NOT_FOUND)
    if seen.session.state.ended:
        raise Conflict("The session has ended.", reason=Reason.SESSION_ENDED, hint="Start a new session.")


@dataclass(frozen=True, slots=True)
class SizeIsAllowed:
    """The declared size must be within the limit; the bytes that arrive are compared with it later."""

    limits: LimitSettings

    async def __call__(self, seen: ReceivedBytes) -> None:
        """See ``UploadCheck``."""
        most = self.limits.upload_bytes
        if seen.description.size_bytes > most:
            raise TooLarge(f"An upload may have {size_text(most)} at most.", reason=Reason.UPLOAD_TOO_LARGE)
        if seen.description.size_bytes <= 0:
            raise InvalidInput("An upload must not be empty.", reason=Reason.UPLOAD_EMPTY)


@dataclass(frozen=True, slots=True)
class RoomForWork:
    """The queue, the spool and the memory for arriving uploads must have room, for the server and for the session."""

    limits: LimitSettings

    async def __call__(self, seen: ReceivedBytes) -> None:
        """See ``UploadCheck``."""
        waiting, limits = seen.waiting, self.limits
        if waiting.jobs > limits.open_jobs:
            raise _full("Too many uploads wait to be read.", Reason.JOBS_FULL)
        if waiting.session_jobs > limits.session_jobs or waiting.session_bytes > limits.session_spool_bytes:
            raise _full("Too many uploads of this session wait to be read.", Reason.SESSION_JOBS_FULL)
        if waiting.spool_bytes > limits.spool_bytes:
            raise _full("Too many bytes wait to be read.", Reason.SPOOL_FULL)
        if waiting.arriving_bytes > limits.arriving_bytes:
            raise _full("Too many uploads are arriving.", Reason.UPLOADS_FULL)


def _full(message: str, reason: Reason) -> Overloaded:
    return Overloaded(message, reason=reason, hint=retry_text(_RETRY_AFTER_S), retry_after_s=_RETRY_AFTER_S)


async def format_is_read(seen: ReceivedBytes) -> None:
    """The content must have a supported format."""
    if seen.found is None:
        raise UnsupportedMedia("The format of the content is not supported.", hint=_formats_hint(seen.description.kind))


def _formats_hint(kind: str) -> str:
    """The formats that an upload of this kind may have."""
    if kind == "recording":
        return f"Send {AUDIO_NAMES}."
    return f"Send {IMAGE_NAMES}." if kind else f"Send a picture as {IMAGE_NAMES}, a recording as {AUDIO_NAMES}."


async def type_is_as_declared(seen: ReceivedBytes) -> None:
    """The declared media type must be one that the table allows for the detected one; it may say nothing."""
    if seen.found is not None and not agrees(seen.description.media_type, seen.found):
        raise InvalidInput("The content is not of the declared media type.", reason=Reason.MEDIA_TYPE_MISMATCH)


async def type_fits_kind(seen: ReceivedBytes) -> None:
    """The declared kind must match the detected media type."""
    kind = seen.description.kind
    if seen.found is None or not kind:
        return
    wanted = MediaKind.RECORDING if kind == "recording" else MediaKind.IMAGE
    if seen.found.kind is not wanted:
        raise InvalidInput(
            f"The content is {seen.found.mime}, which does not match the kind of the upload.",
            reason=Reason.MEDIA_TYPE_MISMATCH,
            hint=f"Kinds for it: {', '.join(_KINDS[seen.found.kind])}.",
        )


async def size_is_as_declared(seen: ReceivedBytes) -> None:
    """All declared bytes must have arrived; more are refused on arrival."""
    if seen.size_bytes != seen.description.size_bytes:
        raise size_mismatch(seen.description)


async def hash_is_as_declared(seen: ReceivedBytes) -> None:
    """The content must have the declared hash, if there is one."""
    if seen.description.sha256 and seen.description.sha256 != seen.sha256:
        raise InvalidInput(
            "The content does not have the declared SHA-256.",
            reason=Reason.HASH_MISMATCH,
            hint="It was damaged during the transfer, or changed since the hash was made. Send it again.",
        )


def size_mismatch(description: DeclaredUpload) -> InvalidInput:
    """The error for more or fewer bytes than declared."""
    return InvalidInput(
        f"The upload was declared with {description.size_bytes} bytes, but another number arrived.",
        reason=Reason.SIZE_MISMATCH,
    )

"""The checks of an upload before it is accepted, as one list, cheap ones first.

``default_checks`` is the list. A check gets what is known at its stage, and raises an error to refuse the upload.
Checks that need the whole content belong to ``CheckStage.ARRIVED``. Such a check may return ``CleanContent``: what it
encoded anew takes the place of the content, for the checks after it and for the spool. So a scanner that must see what
the client sent stands before it, and so do the comparisons with the declared size and hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from models.errors import Conflict, InvalidInput, NotFound, Overloaded, TooLarge, UnsupportedMedia
from models.media.formats import AUDIO_NAMES, IMAGE_NAMES, MediaFormat, MediaKind, declared_kind
from models.reasons import Reason
from server.ledger.types import SessionRow


@dataclass(frozen=True, slots=True)
class DeclaredUpload:
    """What the client declares before it uploads.

    Attributes:
        upload_id: UUID made by the client.
        kind: ``visitor_register``, ``meter``, ``document``, ``site``, ``recording``, or empty.
        sha256: 32 bytes, or empty when the client does not know it.
        media_type: As declared; the detected one decides.
    """

    upload_id: str
    session_id: str
    kind: str
    size_bytes: int
    sha256: bytes = b""
    media_type: str = ""


@dataclass(frozen=True, slots=True)
class ReceivedBytes:
    """What is known about an upload at a stage.

    Attributes:
        session: Its session; None when there is none.
        jobs: Jobs that wait or run, plus this upload and others that are arriving.
        found: Type detected from the bytes that arrived; None before ``CheckStage.BEGUN``, and for a type that is not
            supported.
        size_bytes: Bytes that have arrived.
        sha256: Of all bytes that have arrived; empty before ``CheckStage.ARRIVED``.
        content: All bytes, or their clean form; empty before ``CheckStage.ARRIVED``.
    """

    description: DeclaredUpload
    session: SessionRow | None
    jobs: int
    found: MediaFormat | None = None
    size_bytes: int = 0
    sha256: bytes = b""
    content: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class CleanContent:
    """A form of the content that a check made itself. It is stored instead of what the client sent.

    Attributes:
        content: In a format that ``detect`` knows; its kind decides which worker reads it.
    """

    content: bytes = field(repr=False)


class CheckStage(Enum):
    """When a check runs."""

    DESCRIBED = auto()  # only the description has arrived
    BEGUN = auto()  # the first bytes have arrived
    ARRIVED = auto()  # everything has arrived and is hashed, but not yet stored


class UploadCheck(Protocol):
    """One check of an upload."""

    async def __call__(self, seen: ReceivedBytes, /) -> CleanContent | None:
        """Raise an error of ``models.errors`` to refuse the upload; return a clean form to store that instead."""
        ...


def default_checks(*, upload_bytes: int, open_jobs: int) -> tuple[tuple[CheckStage, UploadCheck], ...]:
    """The list.

    Args:
        upload_bytes: Largest upload.
        open_jobs: Jobs that may wait or run at a time.
    """
    return (
        (CheckStage.DESCRIBED, session_is_open),
        (CheckStage.DESCRIBED, SizeIsAllowed(upload_bytes)),
        (CheckStage.DESCRIBED, RoomForWork(open_jobs)),
        (CheckStage.BEGUN, format_is_read),
        (CheckStage.BEGUN, type_is_as_declared),
        (CheckStage.BEGUN, type_fits_kind),
        (CheckStage.ARRIVED, size_is_as_declared),
        (CheckStage.ARRIVED, hash_is_as_declared),
        # What returns CleanContent comes here, as the last one.
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

    upload_bytes: int

    async def __call__(self, seen: ReceivedBytes) -> None:
        """See ``UploadCheck``."""
        if seen.description.size_bytes > self.upload_bytes:
            raise TooLarge(f"An upload may have {self.upload_bytes} bytes at most.", reason=Reason.UPLOAD_TOO_LARGE)
        if seen.description.size_bytes <= 0:
            raise InvalidInput("An upload must not be empty.", reason=Reason.UPLOAD_EMPTY)


@dataclass(frozen=True, slots=True)
class RoomForWork:
    """The queue must not be full."""

    open_jobs: int

    async def __call__(self, seen: ReceivedBytes) -> None:
        """See ``UploadCheck``."""
        if seen.jobs > self.open_jobs:
            raise Overloaded("Too many uploads wait to be read.", reason=Reason.JOBS_FULL, retry_after_s=5.0)


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
    """The declared media type must match the detected one: picture or recording."""
    claimed = declared_kind(seen.description.media_type)
    if seen.found is not None and claimed not in (None, seen.found.kind):
        raise InvalidInput("The content is not of the declared media type.", reason=Reason.MEDIA_TYPE_MISMATCH)


async def type_fits_kind(seen: ReceivedBytes) -> None:
    """The declared kind must match the detected media type."""
    kind = seen.description.kind
    if seen.found is None or not kind:
        return
    wanted = MediaKind.RECORDING if kind == "recording" else MediaKind.IMAGE
    if seen.found.kind is not wanted:
        raise InvalidInput("The content does not match the kind of the upload.", reason=Reason.MEDIA_TYPE_MISMATCH)


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

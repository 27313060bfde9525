"""What the checks of an upload see, and what a check is. ``checks`` has the list."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from models.media.formats import MediaFormat
from models.reasons import Reason
from server.access.caller import current_caller
from server.ledger.types import SessionRow


@dataclass(frozen=True, slots=True)
class DeclaredUpload:
    """What the client declares before it uploads.

    Attributes:
        upload_id: UUID made by the client.
        kind: ``visitor_register``, ``meter``, ``document``, ``site``, ``recording``, or empty.
        sha256: 32 bytes, or empty when the client does not know it.
        media_type: As declared; the detected one decides.
        display_name: Name of the file as the app gave it; nothing is done to it yet.
    """

    upload_id: str
    session_id: str
    kind: str
    size_bytes: int
    sha256: bytes = b""
    media_type: str = ""
    display_name: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the server holds already, with this upload and all others that are arriving.

    Attributes:
        jobs: Jobs that wait or run and read an upload.
        session_jobs: Those of the session.
        session_bytes: Files of the session that wait to be read, and the declared sizes of those that are arriving.
        arriving_bytes: Declared sizes of all uploads that are arriving.
        spool_bytes: Bytes of the spool's files.
    """

    jobs: int = 0
    session_jobs: int = 0
    session_bytes: int = 0
    arriving_bytes: int = 0
    spool_bytes: int = 0


class PieceWriter(Protocol):
    """``server.uploads.clean_form.CleanForm``."""

    def write(self, piece: bytes | memoryview, /) -> None:
        """Append a piece. Blocks, and may be called in any thread."""
        ...


@dataclass(frozen=True, slots=True)
class ReceivedBytes:
    """What is known about an upload at a stage.

    Attributes:
        attempt_id: UUID of this attempt, made by the server. A repeated attempt has another one.
        session: Its session; None when there is none.
        found: Type detected from the bytes that arrived; None before ``CheckStage.BEGUN``, and for a type that is not
            supported.
        size_bytes: Bytes that have arrived.
        sha256: Of all bytes that have arrived; empty before ``CheckStage.ARRIVED``.
        content: All bytes; empty before ``CheckStage.ARRIVED``.
        clean_form: Takes what is stored; the last check writes it. None before ``CheckStage.ARRIVED``.
    """

    attempt_id: str
    description: DeclaredUpload
    session: SessionRow | None
    waiting: Waiting = Waiting()
    found: MediaFormat | None = None
    size_bytes: int = 0
    sha256: bytes = b""
    content: bytes = field(default=b"", repr=False)
    clean_form: PieceWriter | None = None

    @property
    def client_id(self) -> str:
        """Whose upload it is: the client of the credential, or that of the session if the credential is of none."""
        return current_caller().client_id or (self.session.client_id if self.session else "")


class CheckStage(Enum):
    """When a check runs; the value says it in words."""

    DESCRIBED = "before the first byte"
    BEGUN = "after the first 4 KiB"
    ARRIVED = "after the last byte, before anything is stored"


class UploadCheck(Protocol):
    """One check of an upload."""

    async def __call__(self, seen: ReceivedBytes, /) -> None:
        """Raise an error of ``models.errors`` to refuse the upload."""
        ...


@dataclass(frozen=True, slots=True)
class CheckStep:
    """A check at its place in the list.

    Attributes:
        reasons: What it refuses with; other errors are failures of the server.
        why_here: What it costs, or why it stands before the next one.
        of_repeats: Whether an accepted upload that is sent again without its hash must pass it too, to be read at all.
    """

    stage: CheckStage
    check: UploadCheck
    reasons: tuple[Reason, ...]
    why_here: str
    of_repeats: bool = False

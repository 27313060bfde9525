"""The last check of an upload: its content is decoded in a process of its own, and encoded anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from models.reasons import Reason
from models.tracing.names import SpanName
from models.tracing.spans import child_span
from server.uploads.types import ReceivedBytes

REASONS: Final = (
    Reason.FOREIGN_CONTENT,
    Reason.TRAILING_DATA,
    Reason.ACTIVE_CONTENT,
    Reason.ENCRYPTED_DOCUMENT,
    Reason.MEDIA_TOO_COMPLEX,
    Reason.DECOMPRESSION_BOMB,
    Reason.IMAGE_TOO_LARGE,
    Reason.TOO_MANY_PAGES,
    Reason.AUDIO_TOO_LONG,
    Reason.BROKEN_MEDIA,
    Reason.UNSUPPORTED_MEDIA,
    Reason.MEDIA_NOT_DECODABLE,
    Reason.DECODERS_BUSY,
    Reason.DECODER_UNAVAILABLE,
)
"""What it refuses with."""


class MediaCleaner(Protocol):
    """``server.sandbox.sandbox.MediaSandbox``."""

    async def clean(self, data: bytes, write: Callable[[memoryview], None], client_id: str) -> object:
        """Check a file of a client, decode it, and write its clean form in pieces.

        Raises an error of ``models.errors`` to refuse it. ``write`` blocks; it is called in a thread.
        """
        ...


@dataclass(frozen=True, slots=True)
class EncodeAnew:
    """The content must decode and be nothing else besides; what is stored is encoded anew."""

    cleaner: MediaCleaner

    async def __call__(self, seen: ReceivedBytes) -> None:
        """See ``UploadCheck``."""
        assert seen.clean_form is not None
        with child_span(SpanName.UPLOAD_ENCODE):
            await self.cleaner.clean(seen.content, seen.clean_form.write, seen.client_id)

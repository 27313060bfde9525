"""The last check of an upload: its content is decoded in a process of its own, and encoded anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from models.media.clean import CleanMedia
from models.reasons import Reason
from server.uploads.types import CleanContent, ReceivedBytes

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
    Reason.DECODER_UNAVAILABLE,
)
"""What it refuses with."""


class MediaCleaner(Protocol):
    """``server.sandbox.sandbox.MediaSandbox``."""

    async def clean(self, data: bytes) -> CleanMedia:
        """Check a file, decode it, and encode it anew; raises an error of ``models.errors`` to refuse it."""
        ...


@dataclass(frozen=True, slots=True)
class EncodeAnew:
    """The content must decode and be nothing else besides; what is stored is encoded anew."""

    cleaner: MediaCleaner

    async def __call__(self, seen: ReceivedBytes) -> CleanContent:
        """See ``UploadCheck``."""
        return CleanContent((await self.cleaner.clean(seen.content)).content)

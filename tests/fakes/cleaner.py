"""A cleaner that changes nothing. Real side: ``server.sandbox.sandbox.MediaSandbox``, tested in tests/unit/sandbox."""

from __future__ import annotations

from models.media.clean import CleanMedia
from models.media.formats import MediaFormat, detect


class SameBytes:
    """Gives every file back as it came."""

    async def clean(self, data: bytes) -> CleanMedia:
        return CleanMedia(detect(data) or MediaFormat.JPEG, data, pages=1)

"""Which detected formats fit a declared media type. The content decides; a contradicting declaration is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.media.formats import MediaFormat

_F = MediaFormat

_FORMATS: Final[Mapping[str, frozenset[MediaFormat]]] = {
    name: frozenset(formats)
    for formats, names in (
        ((_F.JPEG,), "image/jpeg image/jpg image/pjpeg"),
        ((_F.PNG,), "image/png image/x-png image/apng"),
        ((_F.WEBP,), "image/webp"),
        ((_F.TIFF,), "image/tiff image/tiff-fx"),
        ((_F.HEIF,), "image/heic image/heif image/heic-sequence image/heif-sequence"),
        ((_F.PDF,), "application/pdf application/x-pdf"),
        ((_F.WAV,), "audio/wav audio/wave audio/x-wav audio/vnd.wave audio/x-pn-wav"),
        ((_F.OGG,), "audio/ogg audio/opus audio/x-opus audio/vorbis application/ogg video/ogg"),
        ((_F.FLAC, _F.OGG), "audio/flac audio/x-flac"),
        # Recorders label a recording as video where the container could hold one.
        ((_F.WEBM,), "audio/webm video/webm audio/x-matroska video/x-matroska audio/matroska video/matroska"),
        ((_F.MP4,), "audio/mp4 audio/x-m4a audio/m4a video/mp4 video/quicktime audio/3gpp video/3gpp"),
        ((_F.MP4,), "audio/3gpp2 video/3gpp2 audio/mp4a-latm"),
        ((_F.MP4, _F.AAC), "audio/aac audio/aacp audio/x-aac audio/x-hx-aac-adts"),
        ((_F.MP3, _F.AAC), "audio/mpeg"),  # ADTS is MPEG audio too
        ((_F.MP3,), "audio/mp3 audio/x-mp3 audio/x-mpeg audio/mpeg3 audio/x-mpeg-3"),
    )
    for name in names.split()
}

_SAYS_NOTHING: Final = frozenset({"", "application/octet-stream", "binary/octet-stream", "image/*", "audio/*"})


def agrees(declared: str, found: MediaFormat) -> bool:
    """Whether content of this format may be declared so. Parameters such as ``codecs=opus`` do not count."""
    name = declared.partition(";")[0].strip().lower()
    return name in _SAYS_NOTHING or found in _FORMATS.get(name, ())

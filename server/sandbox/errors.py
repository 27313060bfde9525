"""What goes wrong with the decoders: a fault of the file, too much work, or a fault of the server."""

from __future__ import annotations

from typing import Final

from models.amounts import retry_text
from models.errors import BrokenMedia, Overloaded, Unavailable
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason

_RETRY_AFTER_S: Final = 10.0
"""When to try again; how long the files before it take is not known."""


def not_decodable() -> BrokenMedia:
    """The error for a file whose child died, used up its CPU or answered nonsense."""
    return BrokenMedia(
        "The content cannot be decoded within the limits.", reason=Reason.MEDIA_NOT_DECODABLE, hint=EXPORT_AGAIN
    )


def decoders_busy() -> Overloaded:
    """The error for a file that waited too long, for its turn or for a CPU."""
    return Overloaded(
        "The decoders are busy with other files.",
        reason=Reason.DECODERS_BUSY,
        hint=retry_text(_RETRY_AFTER_S),
        retry_after_s=_RETRY_AFTER_S,
    )


def decoder_unavailable() -> Unavailable:
    """The error for a file whose child could not be started, or ended with the fork server."""
    return Unavailable("Media cannot be decoded now.", reason=Reason.DECODER_UNAVAILABLE, retry_after_s=5.0)

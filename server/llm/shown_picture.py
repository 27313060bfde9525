"""The picture that the vision upstream sees: a redacted one, smaller and encoded anew. Only here is one made."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from models.errors import MediaError, TooLarge
from models.media.formats import MediaFormat
from models.media.images import JPEG, ImageLimits, decode, encode
from server.ledger.types import UploadRow, UploadState

_FORMATS: Final = frozenset({MediaFormat.JPEG, MediaFormat.PNG})
"""Those of redacted pictures."""
_SHEET_SIDE: Final = 65_535
"""The pages of a document are one below the other; a JPEG cannot be higher."""

_MADE_HERE: Final = object()


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A redacted picture as it may leave the machine.

    Attributes:
        jpeg: The file, without metadata.
    """

    jpeg: bytes = field(repr=False)
    width: int
    height: int
    _proof: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self._proof is not _MADE_HERE:
            raise TypeError("A ShownPicture is made of a redacted picture.")

    @property
    def data_url(self) -> str:
        """The file as a data URL."""
        return f"data:{JPEG};base64,{base64.b64encode(self.jpeg).decode('ascii')}"


def may_be_shown(upload: UploadRow) -> bool:
    """Whether an upload has a redacted picture, and the redactor vouches for everything that was read in it."""
    read = upload.state is UploadState.DONE and upload.text is not None and upload.text.safe_for_llm
    return read and upload.artifact is not None and not upload.artifact.is_recording


def shown_picture(upload: UploadRow, folder: Path, side_px: int) -> ShownPicture | None:
    """The redacted picture of an upload, scaled down and encoded anew; None when there is none that may be shown.

    Args:
        upload: The row, as it is now.
        folder: Of the redacted pictures.
        side_px: Longest side.
    """
    if not may_be_shown(upload) or upload.artifact is None:
        return None
    limits = ImageLimits(side=_SHEET_SIDE, working_side=side_px)
    try:
        pixels = decode((folder / upload.artifact.path).read_bytes(), limits, _FORMATS).pixels
    except (FileNotFoundError, MediaError, TooLarge):  # deleted by age, damaged, or a pile of pages
        return None
    return ShownPicture(encode(pixels, JPEG), pixels.shape[1], pixels.shape[0], _MADE_HERE)

"""Downloads the sizes of Whisper that OpenAI publishes, as checkpoints.

The package ``openai-whisper`` has the list of them: an address each, with the SHA-256 of the file in it. So the lock of
this project pins them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import httpx2

from models.errors import WeightsError
from models.reasons import Reason
from models.weights.adding import not_written, require_room
from models.weights.sources import Progress

LICENCE: Final = "MIT"
"""Of all of them, by OpenAI."""

_READ_BYTES: Final = 1 << 20
_COPIES: Final = 3
"""The download, the copy that is checked, and what is made of it."""
_SILENCE_S: Final = 60.0
"""Longest wait for the next bytes."""


def download_checkpoint(size: str, folder: Path, progress: Progress) -> Path:
    """Download one size into a folder, and compare it with its SHA-256.

    Args:
        size: As in that list, such as ``small``.
        folder: Exists, with room for the file.
        progress: Called with the name of the file, its bytes so far and in all.

    Returns:
        The checkpoint.

    Raises:
        WeightsError: WEIGHTS_FETCH_FAILED, WEIGHTS_MISMATCH, WEIGHTS_NO_ROOM or CACHE_UNUSABLE.
    """
    address = _address_of(size)
    sha256, name = address.split("/")[-2:]
    digest, target = hashlib.sha256(), folder / name
    try:
        with (
            httpx2.stream("GET", address, timeout=_SILENCE_S) as answer,
            target.open("wb") as file,
        ):
            answer.raise_for_status()
            total = int(answer.headers["content-length"])
            require_room(_COPIES * total, folder)
            done = 0
            for piece in answer.iter_raw(_READ_BYTES):  # no more than the length
                digest.update(piece)
                file.write(piece)
                done += len(piece)
                progress(name, done, total)
    except (httpx2.HTTPError, KeyError, ValueError) as error:
        raise WeightsError(
            f"{name} could not be downloaded.",
            reason=Reason.WEIGHTS_FETCH_FAILED,
            hint="Check the network, or bring the checkpoint along and name it with --path.",
        ) from error
    except OSError as error:
        raise not_written(error) from error
    if digest.hexdigest() != sha256:
        raise WeightsError(
            f"{name} is not the published file: its SHA-256 differs.",
            reason=Reason.WEIGHTS_MISMATCH,
            hint="Something between here and its server has changed it. Try another network.",
        )
    return target


def _address_of(size: str) -> str:
    import whisper  # takes a second, for PyTorch

    address: str = whisper._MODELS[size]
    return address

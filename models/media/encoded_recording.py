"""A recording that stays encoded in memory: an hour has 60 MB as FLAC, and 230 MB as samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

import numpy as np

from models.media.audio_decoder import StreamDecoder, check_format
from models.media.audio_headers import AudioLimits
from models.media.formats import HEAD_BYTES, MediaFormat
from models.media.samples import Samples

PIECE_BYTES = 256 * 1024
"""About 16 s of speech as FLAC."""


class EncodedRecording:
    """Decodes a recording a piece at a time, as often as it is asked for.

    Args:
        file: The file, in pieces of any size. Nothing of it is copied, so they may lie in shared memory.
        limits: Bounds on bytes and seconds.
        formats: Those that are accepted.

    Raises:
        UnsupportedMedia: It has another format.
    """

    def __init__(self, file: Sequence[bytes | memoryview], limits: AudioLimits, formats: Set[MediaFormat]) -> None:
        check_format(bytes(file[0][:HEAD_BYTES]) if file else b"", formats)
        self._file = file
        self._limits = limits

    def pieces(self) -> Iterator[Samples]:
        """All samples, in order. Raises as ``StreamDecoder``."""
        with StreamDecoder(self._limits) as decoder:
            for part in self._file:
                for at in range(0, len(part), PIECE_BYTES):
                    yield decoder.feed(bytes(part[at : at + PIECE_BYTES]))
            yield decoder.finish()

    def samples(self) -> Samples:
        """All samples at once."""
        return np.concatenate(list(self.pieces()))


class ForwardReader:
    """Reads spans of a recording, each after the one before.

    Args:
        recording: It is decoded as far as is read.
    """

    def __init__(self, recording: EncodedRecording) -> None:
        self._pieces = recording.pieces()
        self._kept: Samples = np.zeros(0, np.float32)
        self._begin = 0

    def read(self, start: int, end: int) -> Samples:
        """The samples from ``start`` on, up to ``end`` or the end of the recording. ``start`` never goes back."""
        kept = [self._kept]
        reach = self._begin + len(self._kept)
        while reach < end and (piece := next(self._pieces, None)) is not None:
            if reach + len(piece) > start:
                kept.append(piece)
            else:
                kept, self._begin = [], reach + len(piece)
            reach += len(piece)
        whole = np.concatenate(kept) if kept else self._kept[:0]
        self._kept, self._begin = whole[start - self._begin :].copy(), start
        return self._kept[: end - start]

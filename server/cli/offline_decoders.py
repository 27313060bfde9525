"""The processes that decode files for `vestibule read`, the same as those of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.cli.offline_read import Clean
    from server.settings import Settings


@contextmanager
def decoders(settings: Settings) -> Iterator[Clean]:
    """A function that makes a file clean, until the end of the block.

    Raises:
        Unavailable: DECODER_UNAVAILABLE.
    """
    from server.observability.metrics import Metrics
    from server.sandbox.build import build_sandbox

    sandbox = build_sandbox(settings.media, settings.limits, Metrics())
    with asyncio.Runner() as runner:
        runner.run(sandbox.start())

        def clean(data: bytes) -> bytes:
            clean_form = bytearray()
            runner.run(sandbox.clean(data, clean_form.extend, ""))
            return bytes(clean_form)

        try:
            yield clean
        finally:
            runner.run(sandbox.close())

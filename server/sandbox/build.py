"""Builds the sandbox from the settings."""

from __future__ import annotations

from dataclasses import replace

from models.media.clean import MediaLimits
from server.observability.metrics import Metrics
from server.sandbox.client import ChildLimits
from server.sandbox.places import PlaceLimits
from server.sandbox.sandbox import MediaSandbox, SandboxOptions
from server.setting_groups import LimitSettings, MediaSettings


def build_sandbox(media: MediaSettings, limits: LimitSettings, metrics: Metrics) -> MediaSandbox:
    """A sandbox that is not started yet."""
    bounds = MediaLimits()
    options = SandboxOptions(
        PlaceLimits(media.pictures_at_once, media.client_pictures_at_once, media.wait_s),
        PlaceLimits(media.recordings_at_once, media.client_recordings_at_once, media.wait_s),
        ChildLimits(media.memory_bytes, media.stream_memory_bytes, media.picture_cpu_s, media.recording_cpu_s),
        replace(
            bounds,
            images=replace(bounds.images, pixels=limits.image_pixels, file_bytes=limits.upload_bytes),
            documents=replace(bounds.documents, pages=limits.document_pages),
        ),
    )
    return MediaSandbox(options, lambda _signal: metrics.decoder_deaths.inc())

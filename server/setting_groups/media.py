"""Settings of what looks into untrusted media: the decoders and the malware scanner."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from server.setting_groups.fields import MEBIBYTE, checked_address


class MediaSettings(BaseModel):
    """The processes that decode untrusted media, one for each file and each stream with a container."""

    pictures_at_once: int = Field(
        3, ge=1, description="Pictures and PDFs that are decoded at a time; recordings and streams come on top."
    )
    client_pictures_at_once: int = Field(
        2,
        ge=1,
        description="Those of one client. Let it be fewer than all, so that no client holds up the others. A client "
        "has all of them when no other has uploaded for 10 minutes.",
    )
    recordings_at_once: int = Field(2, ge=1, description="Uploaded recordings that are decoded at a time.")
    client_recordings_at_once: int = Field(1, ge=1, description="Those of one client; likewise.")
    wait_s: float = Field(
        60.0, gt=0, description="How long an upload waits for its turn; then it is refused and may be sent again."
    )
    memory_bytes: int = Field(
        288 * MEBIBYTE, ge=64 * MEBIBYTE, description="Memory of one such process; a file that needs more is refused."
    )
    stream_memory_bytes: int = Field(
        64 * MEBIBYTE,
        ge=48 * MEBIBYTE,
        description="The same for a stream that is no plain PCM. Each has a process, so all streams have as many times "
        "this.",
    )
    picture_cpu_s: int = Field(5, ge=1, description="CPU seconds for a picture or a PDF; then it is refused.")
    recording_cpu_s: int = Field(60, ge=1, description="CPU seconds for a recording or the audio of a stream.")


def _checked_scanner(address: str) -> str:
    return address if address.startswith("unix:") else checked_address(address)


class ClamavSettings(BaseModel):
    """The malware scanner of uploads: ClamAV's daemon. It sees whole files, so keep it on this machine or near it."""

    mode: Literal["off", "optional", "required"] = Field(
        "off",
        description="While the scanner cannot be reached, `required` refuses uploads and `optional` accepts them.",
    )
    address: Annotated[str, AfterValidator(_checked_scanner)] = Field(
        "unix:/run/clamav/clamd.ctl",
        description="Its socket: `unix:PATH`, or `HOST:PORT` for TCP, which is plain text.",
    )
    timeout_s: float = Field(30.0, gt=0, description="Bound of one scan, from when it has a free place.")
    at_once: int = Field(4, ge=1, description="Scans that run at the same time.")

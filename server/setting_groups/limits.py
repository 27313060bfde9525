"""Settings of the bounds on what callers send."""

from __future__ import annotations

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from server.setting_groups.fields import MEBIBYTE


class LimitSettings(BaseModel):
    """Bounds on what a caller may send."""

    upload_bytes: int = Field(10 * MEBIBYTE, gt=0, description="Largest upload.")
    upload_bytes_per_s: float = Field(4096.0, gt=0, description="Least rate at which the bytes of an upload must come.")
    upload_stall_s: float = Field(
        30.0, gt=0, description="How long an upload may be behind the least rate, or without a byte."
    )
    upload_s: float = Field(900.0, gt=0, description="Longest time for the bytes of one upload to come.")
    image_pixels: int = Field(40_000_000, gt=0, description="Largest picture.")
    document_pages: int = Field(5, ge=1, le=20, description="Pages of a PDF.")
    stream_s: float = Field(3600.0, gt=0, description="Longest audio of one conversation stream.")
    stream_idle_s: float = Field(60.0, gt=0, description="Silence of a client after which its stream is ended.")
    utterance_s: float = Field(28.0, gt=0, le=29.0, description="Longest utterance; a longer one is cut.")
    streams: int = Field(100, ge=1, description="Open conversation streams.")
    client_streams: int = Field(50, ge=1, description="Open conversation streams of one client.")
    session_streams: int = Field(8, ge=1, description="Open conversation streams of one session.")
    speech_load: float = Field(
        0.8,
        gt=0,
        description="Share of the speech workers' time that streams may need, as measured; one more is refused.",
    )
    speech_floor: int = Field(
        2, ge=1, description="Streams with audio that are admitted whatever the measured load is."
    )
    pace: float = Field(10.0, ge=1, description="How many times as fast as it is spoken audio may come.")
    ahead_s: float = Field(60.0, gt=0, description="Seconds of audio that may come at once on top of that.")
    typed_per_minute: int = Field(60, ge=1, description="Typed texts and asked-for records a minute in one session.")
    client_typed_per_minute: int = Field(600, ge=1, description="The same in all sessions of one client.")
    open_jobs: int = Field(
        1000, ge=1, description="Uploads that wait to be read or are being read; one more is refused."
    )
    session_jobs: int = Field(100, ge=1, description="Those of one session; one more upload of it is refused.")
    session_spool_bytes: int = Field(
        200 * MEBIBYTE, gt=0, description="Uploads of one session that wait to be read, in bytes of the spool."
    )
    spool_bytes: int = Field(
        10 * 1024 * MEBIBYTE, gt=0, description="Largest size of the spool: uploads that wait, and audio of streams."
    )
    client_audio_share: float = Field(
        0.25,
        gt=0,
        le=1,
        description="Share of spool_bytes for the audio of one client's streams, which is kept until a stream is "
        "finished or can no longer be resumed.",
    )
    client_kept_streams: int = Field(
        20_000,
        ge=1,
        description="Streams of one client whose audio is kept: open ones, and those that can be resumed. Streams "
        "without audio do not count.",
    )
    least_free_bytes: int = Field(
        256 * MEBIBYTE,
        ge=0,
        description="Free bytes of the disks of the ledger and of the spool. With less, calls that bring new work are "
        "refused with LEDGER_FULL or SPOOL_FULL and no job begins; what is left is for what was accepted.",
    )
    arriving_bytes: int = Field(
        256 * MEBIBYTE, gt=0, description="Declared sizes of all uploads that arrive at a time; they are in memory."
    )
    client_uploads: int = Field(10, ge=1, description="Uploads of one client in the window, refused ones included.")
    client_upload_bytes: int = Field(50 * MEBIBYTE, gt=0, description="Bytes of one client's uploads in the window.")
    client_upload_window_s: float = Field(
        300.0, gt=0, description="Length of the moving window in which a client's uploads are counted."
    )
    first_message_s: float = Field(
        15.0, gt=0, description="Time for the first message of a call; for most calls that is the request."
    )
    calls: int = Field(1000, ge=1, description="Open calls, streams included.")
    client_calls: int = Field(200, ge=1, description="Open calls of one caller, streams included.")
    client_watches: int = Field(100, ge=1, description="Open calls of one caller that watch something.")
    client_calls_per_s: float = Field(100.0, gt=0, description="Calls a second that one caller may make for long.")
    client_calls_burst: int = Field(500, ge=1, description="Calls that one caller may make at once.")
    network_refused_per_s: float = Field(
        5.0, gt=0, description="Calls a second of one network address that may be refused for their credential."
    )
    network_refused_burst: int = Field(
        200, ge=1, description="Calls of one network address that may be refused for their credential at once."
    )
    network_checks: int = Field(
        50, ge=1, description="Credentials of one network address that are checked at the same time."
    )
    connections: int = Field(1000, ge=1, description="Open connections; one more is closed at once.")
    connection_calls: int = Field(200, ge=1, description="Open calls of one connection.")
    connection_idle_s: float = Field(120.0, gt=0, description="Time without a call after which a connection is closed.")
    handshake_s: float = Field(
        10.0, gt=0, description="Time for a new connection to set itself up, with TLS or without."
    )

    flood_bytes: int = Field(
        16 * MEBIBYTE,
        gt=0,
        description="Bytes that belong to no call, which one network address may send at once. Those of connections "
        "without calls count fourfold, and each connection as 8 KiB. On Linux only.",
    )
    flood_bytes_per_s: int = Field(256 * 1024, gt=0, description="The same a second, for long.")
    flood_refused_s: float = Field(
        30.0,
        ge=0,
        description="How long an address that sent more may not connect. Set 0 behind a proxy or a NAT that has one "
        "address for all clients: then nothing is counted. The log says proxy_seen where that seems to be missing.",
    )

    @model_validator(mode="after")
    def _the_largest_upload_fits(self) -> LimitSettings:
        for name in ("session_spool_bytes", "spool_bytes", "arriving_bytes", "client_upload_bytes"):
            if getattr(self, name) < self.upload_bytes:
                raise PydanticCustomError(
                    "limits_too_small", f"{name} is smaller than upload_bytes, so the largest upload would never fit"
                )
        return self

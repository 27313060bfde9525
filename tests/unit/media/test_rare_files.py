"""Valid files that are rare are read; formats that are not read are refused with what to send instead."""

from __future__ import annotations

import pytest
from PIL import Image

from models.errors import VestibuleError
from models.media.clean import MediaLimits, clean
from tests.unit.media.made_files import heic_file, wav_file
from tests.unit.media.recordings_made import recording
from tests.unit.vision.pictures import encoded

LIMITS = MediaLimits()
GREY = Image.radial_gradient("L").resize((160, 120))
COLOUR = Image.merge("RGB", [GREY, GREY.transpose(Image.Transpose.FLIP_LEFT_RIGHT), GREY])

PICTURES = {
    "progressive jpeg": encoded(COLOUR, "JPEG", progressive=True),
    "cmyk jpeg": encoded(COLOUR.convert("CMYK"), "JPEG"),
    "grey jpeg": encoded(GREY, "JPEG"),
    "jpeg with restarts": encoded(COLOUR, "JPEG", restart_marker_rows=1),
    "rgb jpeg": encoded(COLOUR, "JPEG", keep_rgb=True),
    "multi-picture jpeg": encoded(COLOUR, "MPO", save_all=True, append_images=[COLOUR.resize((80, 60))]),
    "palette png": encoded(COLOUR.quantize(64), "PNG"),
    "bilevel png": encoded(GREY.convert("1"), "PNG"),
    "png with alpha": encoded(COLOUR.convert("RGBA"), "PNG"),
    "16-bit png": encoded(GREY.convert("I").convert("I;16"), "PNG"),
    "lossless webp": encoded(COLOUR, "WEBP", lossless=True),
    "webp with alpha": encoded(COLOUR.convert("RGBA"), "WEBP"),
    "cmyk tiff": encoded(COLOUR.convert("CMYK"), "TIFF"),
    "lab tiff": encoded(COLOUR.convert("LAB"), "TIFF"),
    "fax": encoded(GREY.convert("1"), "TIFF", compression="group4"),
    "old fax": encoded(GREY.convert("1"), "TIFF", compression="group3"),
    **{
        f"{compression} tiff": encoded(COLOUR, "TIFF", compression=compression)
        for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd")
    },
}


XMP = b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"/><?xpacket end="w"?>'
PICTURES["heic with depth and a live photo"] = heic_file(
    COLOUR,
    (b"Exif", b"\0\0\0\6Exif\0\0MM\0\x2a\0\0\0\x08" + bytes(400)),
    (b"mime", XMP),
    (b"hvc1", bytes(range(256)) * 90),
    (b"uri ", b"tag:apple.com,2023:photo:aux:livephoto"),
)


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES.keys())
def test_a_picture_is_read(data: bytes) -> None:
    assert clean(data, LIMITS).pages == 1


SOUNDS = [
    ("wav", "pcm_u8", 8_000, "mono"),
    ("wav", "pcm_s24le", 44_100, "stereo"),
    ("wav", "pcm_s32le", 96_000, "mono"),
    ("wav", "pcm_f32le", 48_000, "stereo"),
    ("wav", "pcm_mulaw", 8_000, "mono"),
    ("wav", "pcm_alaw", 8_000, "mono"),
    ("wav", "adpcm_ms", 22_050, "mono"),
    ("wav", "pcm_s16le", 192_000, "stereo"),
    ("mp3", "libmp3lame", 11_025, "mono"),
    ("ogg", "libopus", 48_000, "5.1"),
    ("ogg", "flac", 16_000, "mono"),
    ("flac", "flac", 192_000, "stereo"),
    ("webm", "libopus", 8_000, "mono"),
    ("matroska", "aac", 48_000, "mono"),
    ("ipod", "alac", 44_100, "stereo"),
    ("mov", "pcm_s16le", 48_000, "mono"),
    ("3gp", "libopencore_amrnb", 8_000, "mono"),
    ("adts", "aac", 8_000, "mono"),
]


@pytest.mark.parametrize(("container", "codec", "rate_hz", "layout"), SOUNDS)
def test_a_recording_is_read(container: str, codec: str, rate_hz: int, layout: str) -> None:
    made = clean(recording(container, codec, 1.0, rate_hz, layout), LIMITS)
    assert made.audio_s == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov"}),
        ("webm", "libopus", {"live": "1"}),
        ("mp3", "libmp3lame", {"write_xing": "0", "id3v2_version": "0"}),
        ("mp3", "libmp3lame", {"write_id3v1": "1"}),
    ],
)
def test_a_recording_is_read_however_its_container_was_written(
    container: str, codec: str, options: dict[str, str]
) -> None:
    made = clean(recording(container, codec, 2.0, options=options), LIMITS)
    assert made.audio_s == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_a_recording_of_many_channels_is_read(channels: int) -> None:
    """PyAV 18 reads beyond the last of eight separate channels, and ends the process."""
    mono = wav_file(0.5)
    samples = mono[44:]
    many = b"".join(samples[at : at + 2] * channels for at in range(0, len(samples), 2))
    shape = mono[:22] + channels.to_bytes(2, "little") + mono[24:28]
    shape += (32_000 * channels).to_bytes(4, "little") + (2 * channels).to_bytes(2, "little") + mono[34:40]
    data = shape + len(many).to_bytes(4, "little") + many
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    assert clean(data, LIMITS).audio_s == pytest.approx(0.5, abs=0.01)


ANIMATION: dict[str, object] = {"save_all": True, "append_images": [COLOUR.rotate(9)], "duration": 100}
REFUSED = {
    "animated png": (encoded(COLOUR, "PNG", **ANIMATION), "TOO_MANY_PAGES"),
    "animated webp": (encoded(COLOUR, "WEBP", **ANIMATION), "TOO_MANY_PAGES"),
    "two pages": (encoded(COLOUR, "TIFF", save_all=True, append_images=[COLOUR]), "TOO_MANY_PAGES"),
    "lzma tiff": (encoded(COLOUR, "TIFF", compression="lzma"), "UNSUPPORTED_MEDIA"),
    "gif": (encoded(COLOUR, "GIF"), "UNSUPPORTED_MEDIA"),
    "bmp": (encoded(COLOUR, "BMP"), "UNSUPPORTED_MEDIA"),
    "avif": (encoded(COLOUR, "AVIF"), "UNSUPPORTED_MEDIA"),
    "amr": (recording("amr", "libopencore_amrnb", 1.0, 8_000), "UNSUPPORTED_MEDIA"),
    "aiff": (recording("aiff", "pcm_s16be", 1.0), "UNSUPPORTED_MEDIA"),
    "no sound": (wav_file(0.0), "BROKEN_MEDIA"),
}


@pytest.mark.parametrize(("data", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_other_files_are_refused_with_what_to_do(data: bytes, expected: str) -> None:
    with pytest.raises(VestibuleError) as caught:
        clean(data, LIMITS)
    assert caught.value.reason == expected
    assert caught.value.hint

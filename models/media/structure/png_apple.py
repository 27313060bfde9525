"""PNG as Apple's tools pack it into apps: raw deflate, blue before red, colours multiplied by alpha.

Such a file begins with a CgBI chunk. Screenshots and photos are never packed so, pictures taken out of an app are.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from PIL import Image

from models.errors import BrokenMedia

_MARK: Final = b"CgBI"
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def is_apple(data: bytes) -> bool:
    """Whether a PNG begins with Apple's chunk."""
    return data[12:16] == _MARK


def as_standard(data: bytes) -> bytes:
    """The same chunks as the standard wants them; the colours stay as they are. ``png.walk`` has seen the file.

    Raises:
        BrokenMedia: The packed pixels are damaged, or more than the header announces.
    """
    out, packed, at = [data[:8]], [], 8
    most = 0
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : end - 4]
        if kind == b"IHDR":
            most = _unpacked_bytes(body)
        if kind == b"IDAT":
            packed.append(body)
        elif kind == b"IEND":
            pixels = _chunk(b"IDAT", zlib.compress(_inflate(b"".join(packed), most), 1))
            return b"".join([*out, pixels, data[at:end]])
        elif kind != _MARK:
            out.append(data[at:end])
        at = end
    raise BrokenMedia("The PNG file is cut off.")


def in_standard_order(picture: Image.Image) -> Image.Image:
    """The picture with red before blue, and colours that are not multiplied by alpha."""
    picture.load()
    if picture.mode == "RGB":
        blue, green, red = picture.split()
        return Image.merge("RGB", (red, green, blue))
    if picture.mode == "RGBA":
        blue, green, red, alpha = picture.split()
        return Image.merge("RGBa", (red, green, blue, alpha)).convert("RGBA")
    return picture


def _unpacked_bytes(header: bytes) -> int:
    """Upper bound of the unpacked pixels. Seven interlaced passes have a filter byte for each of their rows."""
    width, height = (int.from_bytes(header[at : at + 4], "big") for at in (0, 4))
    depth, colour = header[8], header[9]
    row = (width * _CHANNELS.get(colour, 4) * depth + 7) // 8 + 8
    return 2 * row * (height + 8)


def _inflate(packed: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=-15)
    try:
        pixels = unpacker.decompress(packed, most)
    except zlib.error:
        raise BrokenMedia("The PNG picture is damaged.") from None
    if unpacker.unconsumed_tail:
        raise BrokenMedia("The PNG picture has more pixels than its header says.")
    return pixels


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

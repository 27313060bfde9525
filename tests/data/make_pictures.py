"""Draws a visitor register and a water meter and photographs them badly.

A page is rendered flat and large, then treated the way a hand-held phone treats it: perspective, uneven light, a
little blur, sensor noise, JPEG. Orientation, camera and position go into EXIF, so that a test can show they are
dropped.
"""

from __future__ import annotations

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint8]
INK = (28, 30, 44)
PEN = (34, 52, 128)


@dataclass(frozen=True, slots=True)
class Visitor:
    """One row of the register."""

    name: str
    phone: str
    email: str
    address: str
    time_in: str

    def cells(self) -> tuple[str, ...]:
        """The row as it is written."""
        return self.name, self.phone, self.email, self.address, self.time_in


VISITORS = (
    Visitor("Maria Lopez", "(415) 555-0132", "maria.lopez@example.com", "1420 Harbor Street", "08:15"),
    Visitor("James O'Brien", "212-555-0187", "j.obrien@example.org", "77 Maple Avenue", "09:40"),
    Visitor("Aisha Khan", "+1 312 555 0146", "aisha.khan@example.net", "5 Orchard Lane", "10:05"),
    Visitor("Peter Novak", "617-555-0173", "pnovak@example.com", "238 Cedar Road", "11:30"),
)
COLUMNS = (("Name", 300), ("Phone", 310), ("E-mail", 450), ("Address", 370), ("Time in", 150))

REGISTER = {
    "document_type": "visitor_register",
    "text": [
        "VISITOR REGISTER",
        "Please print clearly. Return your badge when you leave.",
        " | ".join(title for title, _ in COLUMNS),
        *(" | ".join(v.cells()) for v in VISITORS),
        "Riverside pumping station, gate 2 | Page 12",
    ],
    "personal": [
        {"type": kind, "value": value}
        for v in VISITORS
        for kind, value in (("NAME", v.name), ("PHONE", v.phone), ("EMAIL", v.email), ("ADDRESS", v.address))
    ],
    "keep": ["VISITOR REGISTER", "Phone", *(v.time_in for v in VISITORS)],
}
METER = {
    "document_type": "meter",
    "text": [
        "WATER METER",
        "Q3 2.5 DN 15 30 bar",
        "04821,7 m3",
        "x0.01 x0.001",
        "No. 7316 2048",
        "Customer: Helen Marsh",
        "31 Willow Court",
    ],
    "personal": [{"type": "NAME", "value": "Helen Marsh"}, {"type": "ADDRESS", "value": "31 Willow Court"}],
    "keep": ["04821", "WATER METER", "7316 2048"],
    "reading": {"value": "04821", "decimals": "7", "unit": "m3"},
}


def make(folder: Path, seed: int) -> list[Path]:
    """Write both pictures and what they contain into the folder."""
    written = []
    for number, (name, draw, content, orientation) in enumerate(
        (("register", draw_register, REGISTER, 6), ("meter", draw_meter, METER, 1))
    ):
        chance = np.random.default_rng(seed + number)
        on_table = name == "register"
        picture = photograph(draw(), chance, lean=0.05 if on_table else 0.035, crop=0.0 if on_table else 0.15)
        path = folder / f"{name}.jpg"
        path.write_bytes(as_phone_jpeg(picture, orientation))
        path.with_suffix(".json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written += [path, path.with_suffix(".json")]
    return written


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The typeface that comes with Pillow."""
    return ImageFont.load_default(size)


def draw_register() -> Pixels:
    """A printed page with a table of visitors, filled in with a blue pen."""
    page = Image.new("RGB", (1760, 1000), (244, 241, 232))
    draw = ImageDraw.Draw(page)
    draw.text((880, 80), "VISITOR REGISTER", INK, font(58), anchor="mm")
    draw.text((880, 150), "Please print clearly. Return your badge when you leave.", INK, font(28), anchor="mm")
    top, height, left = 210, 92, 90
    rows = [tuple(title for title, _ in COLUMNS), *(v.cells() for v in VISITORS), ("",) * 5, ("",) * 5]
    for r, row in enumerate(rows):
        x = left
        for (_, width), cell in zip(COLUMNS, row, strict=True):
            y = top + r * height
            fill = (222, 220, 208) if r == 0 else None
            draw.rectangle((x, y, x + width, y + height), fill=fill, outline=INK, width=3)
            place = (x + 16, y + height // 2 + (r * 7 + x) % 9 - 4) if r else (x + 16, y + height // 2)
            draw.text(place, cell, PEN if r else INK, font(34 if r else 36), anchor="lm")
            x += width
    draw.text((90, 930), "Riverside pumping station, gate 2", INK, font(28), anchor="lm")
    draw.text((1670, 930), "Page 12", INK, font(28), anchor="rm")
    return np.asarray(page)


def draw_meter() -> Pixels:
    """A round meter in a pit wall: digits window, two dials, serial number, a customer's sticker below it."""
    page = Image.new("RGB", (1500, 1700), (112, 106, 98))
    draw = ImageDraw.Draw(page)
    for y in range(0, 1700, 125):  # brickwork behind the meter
        for x in range(-(y // 125 % 2) * 110, 1500, 220):
            draw.rectangle((x + 3, y + 3, x + 214, y + 119), fill=(124 + (x * 7 + y * 3) % 17, 98 + (x + y) % 13, 84))
    draw.ellipse((290, 280, 1210, 1200), fill=(52, 78, 118), outline=(30, 44, 66), width=10)
    draw.ellipse((365, 355, 1135, 1125), fill=(238, 238, 233), outline=(90, 96, 104), width=8)
    draw.text((750, 455), "WATER METER", INK, font(52), anchor="mm")
    draw.text((750, 520), "Q3 2.5    DN 15    30 bar", INK, font(30), anchor="mm")
    digits_window(draw, "04821", "7")
    dial(draw, (600, 880), 78, "x0.01", 3.4)
    dial(draw, (900, 880), 78, "x0.001", 7.8)
    draw.text((750, 1030), "No. 7316 2048", INK, font(40), anchor="mm")
    draw.rectangle((490, 1240, 1010, 1410), fill=(250, 247, 214), outline=(120, 116, 90), width=3)
    draw.text((750, 1290), "Customer: Helen Marsh", INK, font(42), anchor="mm")
    draw.text((750, 1360), "31 Willow Court", INK, font(42), anchor="mm")
    return np.asarray(page)


def digits_window(draw: ImageDraw.ImageDraw, whole: str, decimals: str) -> None:
    """White digits on black rollers, a comma, decimals on red, the unit to the right."""
    left, top, width, height, gap = 412, 610, 92, 130, 34
    right = left + width * len(whole + decimals) + gap
    draw.rectangle((left - 12, top - 12, right + 6, top + height + 12), fill=(20, 20, 20))
    x = left
    for n, digit in enumerate(whole + decimals):
        if n == len(whole):
            draw.text((x + gap // 2 - 2, top + height - 30), ",", (240, 240, 236), font(84), anchor="ms")
            x += gap
        ground = (26, 26, 28) if n < len(whole) else (168, 30, 34)
        draw.rectangle((x + 4, top, x + width - 6, top + height), fill=ground, outline=(70, 70, 70))
        draw.text((x + width // 2, top + height // 2), digit, (240, 240, 236), font(104), anchor="mm")
        x += width
    draw.text((x + 22, top + height // 2 + 22), "m", INK, font(56), anchor="ls")  # the typeface has no superscript
    draw.text((x + 70, top + height // 2 + 4), "3", INK, font(38), anchor="ls")


def dial(draw: ImageDraw.ImageDraw, centre: tuple[int, int], radius: int, title: str, value: float) -> None:
    """A small pointer dial from 0 to 9."""
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(150, 30, 34), width=4)
    for tick in range(10):
        angle = math.tau * tick / 10 - math.pi / 2
        dx, dy = math.cos(angle), math.sin(angle)
        draw.line((x + dx * radius * 0.8, y + dy * radius * 0.8, x + dx * radius, y + dy * radius), INK, 3)
    angle = math.tau * value / 10 - math.pi / 2
    draw.line((x, y, x + math.cos(angle) * radius * 0.72, y + math.sin(angle) * radius * 0.72), (190, 20, 24), 9)
    draw.text((x, y + radius + 22), title, INK, font(26), anchor="mm")


def photograph(page: Pixels, chance: np.random.Generator, lean: float, crop: float) -> Pixels:
    """Lay the page on a table, lean the camera, light it unevenly, blur and noise it.

    Args:
        page: RGB, shape (h, w, 3).
        chance: Source of all randomness.
        lean: Largest shift of a corner as a share of the page's side.
        crop: How much of each side lies outside the picture.
    """
    height, width = page.shape[:2]
    margin = int(0.06 * width)
    size = (width + 2 * margin, height + 2 * margin)
    table = wood(size, chance)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shift = chance.uniform(-lean, lean, (4, 2)) * (width, height)
    target = (corners + margin + shift).astype(np.float32)
    warp = cv2.getPerspectiveTransform(corners, target)
    warped = cv2.warpPerspective(page, warp, size, flags=cv2.INTER_CUBIC).astype(np.float32)
    mask = cv2.warpPerspective(np.full(page.shape[:2], 255, np.uint8), warp, size).astype(np.float32)[..., None] / 255
    shadow = blur(np.roll(mask, (14, 10), (0, 1)), 12)[..., None]
    picture = table * (1 - 0.45 * shadow) * (1 - mask) + warped * mask
    ys, xs = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    lamp = np.hypot((xs / size[0] - 0.32) * 1.1, ys / size[1] - 0.28)
    picture *= (1.06 - 0.42 * lamp)[..., None]
    picture *= np.array([1.0, 0.975, 0.92], np.float32)  # warm indoor light
    grain = blur(chance.normal(0, 9, picture.shape), 0.7)
    y, x = int(crop * size[1]), int(crop * size[0])
    taken: Pixels = np.clip(blur(picture, 1.1) + grain, 0, 255).astype(np.uint8)
    return taken[y : size[1] - y, x : size[0] - x]


def wood(size: tuple[int, int], chance: np.random.Generator) -> npt.NDArray[np.float32]:
    """A brown surface with grain along x, shape (h, w, 3)."""
    width, height = size
    streaks = blur(chance.normal(0, 1, (height, width)), 60, 1.5)
    contrast = 0.35 / float(np.abs(streaks).max())
    return np.array([112, 78, 52], np.float32) * (1 + contrast * streaks[..., None])


def blur(values: npt.NDArray[np.floating], sigma_x: float, sigma_y: float = 0) -> npt.NDArray[np.float32]:
    """Gaussian blur; ``sigma_y`` 0 means the same as ``sigma_x``."""
    blurred = cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigmaX=sigma_x, sigmaY=sigma_y)
    return np.asarray(blurred, np.float32)


def as_phone_jpeg(pixels: Pixels, orientation: int) -> bytes:
    """Encode the way a phone does: turned sensor, orientation tag, camera, time and position in EXIF."""
    turn = {1: None, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270, 3: Image.Transpose.ROTATE_180}
    picture = Image.fromarray(pixels)
    if (step := turn[orientation]) is not None:
        picture = picture.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F], exif[0x0110] = "Vestibule", "Test camera"
    exif[0x0132] = "2026:11:24 09:41:00"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (37.0, 46.0, 29.0)
    gps[3], gps[4] = "W", (122.0, 25.0, 9.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82, exif=exif.tobytes(), subsampling=2)
    return out.getvalue()

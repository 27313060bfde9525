"""Draws what a redacted picture must hide besides its print: a face, and codes with content.

Everything is drawn; nobody exists. The tests draw what they need, so there are no files of it.
"""

from __future__ import annotations

import io

import cv2
import numpy as np
import zxingcpp
from PIL import Image, ImageCms, ImageDraw, ImageFilter, PngImagePlugin

from tests.data.make_pictures import INK, Pixels, font

FACE_PX = 400
SKIN, SHADE, HAIR, LIPS = (224, 180, 152), (206, 158, 130), (52, 36, 28), (176, 84, 80)

VCARD = "BEGIN:VCARD\nVERSION:3.0\nN:Ferreira;Ines\nTEL:+351912345678\nEMAIL:ines.ferreira@example.com\nEND:VCARD"
PRODUCT = "4006381333931"
PLACE = "Lisbon, 38.7223 N"
AUTHOR = "Ines Ferreira"


def draw_face(size: int = FACE_PX) -> Pixels:
    """A portrait, ``size`` pixels square; the face itself is about half as wide and two thirds as high."""
    picture = Image.new("RGB", (FACE_PX, FACE_PX), (150, 160, 170))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((70, 20, 330, 330), fill=HAIR)
    draw.rectangle((160, 300, 240, 380), fill=SHADE)
    draw.ellipse((60, 340, 340, 520), fill=(70, 84, 120))
    draw.ellipse((95, 60, 305, 345), fill=SKIN)
    draw.pieslice((85, 30, 315, 220), 180, 360, fill=HAIR)
    draw.ellipse((100, 100, 300, 340), fill=SKIN)
    for x in (155, 245):
        draw.ellipse((x - 32, 168, x + 32, 200), fill=SHADE)
        draw.ellipse((x - 24, 172, x + 24, 196), fill=(240, 238, 232))
        draw.ellipse((x - 11, 172, x + 11, 195), fill=(70, 48, 34))
        draw.ellipse((x - 5, 178, x + 5, 189), fill=(12, 10, 10))
        draw.arc((x - 34, 140, x + 34, 190), 200, 340, fill=HAIR, width=9)
    draw.polygon([(200, 185), (182, 245), (218, 245)], fill=SHADE)
    draw.ellipse((180, 232, 220, 256), fill=SHADE)
    for x in (189, 211):
        draw.ellipse((x - 5, 244, x + 5, 252), fill=(140, 90, 72))
    draw.ellipse((158, 278, 242, 308), fill=LIPS)
    draw.line((160, 292, 240, 292), fill=(110, 44, 44), width=4)
    soft = np.asarray(picture.filter(ImageFilter.GaussianBlur(3)), np.float64)
    ys, xs = np.mgrid[0:FACE_PX, 0:FACE_PX]
    lit = soft * (1.08 - 0.35 * np.hypot((xs - 150) / FACE_PX, (ys - 140) / FACE_PX))[..., None]
    sharp = Image.fromarray(lit.clip(0, 255).astype(np.uint8))
    return np.asarray(sharp.resize((size, size), Image.Resampling.LANCZOS))


def draw_code(text: str, kind: zxingcpp.BarcodeFormat, scale: int = 4) -> Pixels:
    """A code with its quiet zone, ``scale`` pixels a module."""
    code = zxingcpp.create_barcode(text, kind)
    grey = np.array(zxingcpp.write_barcode_to_image(code, scale=scale, add_quiet_zones=True), np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Turned counter-clockwise in a square that holds all of it, white around it."""
    height, width = pixels.shape[:2]
    side = int(np.ceil(np.hypot(height, width)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix[:, 2] += (side / 2 - width / 2, side / 2 - height / 2)
    return np.asarray(cv2.warpAffine(pixels, matrix, (side, side), borderValue=(255, 255, 255)), np.uint8)


def put(page: Pixels, picture: Pixels, left: int, top: int) -> tuple[int, int, int, int]:
    """Put a picture on a page, in place; returns left, top, right, bottom."""
    height, width = picture.shape[:2]
    page[top : top + height, left : left + width] = picture
    return left, top, left + width, top + height


def draw_badge() -> tuple[Pixels, dict[str, tuple[int, int, int, int]]]:
    """A visitor's badge of 1600 x 1200 with a portrait, visiting card as QR code, a product's bar code; and where."""
    page = Image.new("RGB", (1600, 1200), (246, 246, 242))
    draw = ImageDraw.Draw(page)
    draw.text((100, 70), "VISITOR BADGE", INK, font(64))
    draw.text((700, 260), "Name: Ines Ferreira", INK, font(48))
    draw.text((700, 340), "Valid until 18:00", INK, font(48))
    pixels = np.array(page)
    places = {
        "face": put(pixels, draw_face(420), 140, 220),
        "card": put(pixels, draw_code(VCARD, zxingcpp.BarcodeFormat.QRCode, 7), 180, 720),
        "product": put(pixels, draw_code(PRODUCT, zxingcpp.BarcodeFormat.EAN13, 5), 900, 760),
    }
    return pixels, places


def with_metadata(pixels: Pixels, kind: str) -> bytes:
    """A JPEG or PNG with the author and the place in every metadata field, a JPEG also in a preview after its end."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x9286] = PLACE, AUTHOR, AUTHOR
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0" + AUTHOR.encode()
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'><creator>{AUTHOR}</creator><place>{PLACE}</place></x:xmpmeta>".encode()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + AUTHOR.encode()
    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    if kind == "PNG":
        notes = PngImagePlugin.PngInfo()
        notes.add_text("Author", AUTHOR)
        notes.add_itxt("XML:com.adobe.xmp", xmp.decode())
        picture.save(out, "PNG", pnginfo=notes, exif=exif.tobytes(), icc_profile=profile)
    else:
        picture.save(out, "JPEG", quality=88, exif=exif.tobytes(), xmp=xmp, icc_profile=profile, comment=AUTHOR)
        picture.resize((64, 64)).save(out, "JPEG", comment=AUTHOR + PLACE)
    return out.getvalue()

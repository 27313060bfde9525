"""The labels of the stand-in vision upstream: what rules measure in the picture. It is no model, and reads nothing."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from models.media.pixels import Pixels

DARK, BRIGHT = 85, 170
"""Mean brightness, of 255, below and above which a picture counts as dark or bright."""
COLOURFUL = 24
"""Mean distance between the strongest and the weakest channel of a colourful picture."""
COVERED = 8
"""Brightest channel of a pixel that is covered; JPEG blurs black a little."""
LEAST_COVERED = 0.001
"""Share of the pixels."""


_DATA_URL = re.compile(rb'"url":\s*"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)"')


def pictures_of_requests(received: bytes) -> list[bytes]:
    """The pictures within the bytes of HTTP requests."""
    return [base64.b64decode(found) for found in _DATA_URL.findall(received)]


def pictures_in(body: Any) -> Iterator[bytes]:
    """The pictures of a chat completions request: its data URLs, decoded."""
    for message in body.get("messages", []):
        content = message.get("content")
        for part in content if isinstance(content, list) else []:
            url = str((part.get("image_url") or {}).get("url", ""))
            if url.startswith("data:image/"):
                yield base64.b64decode(url.partition(",")[2])


def labels_as_json(body: Any) -> str:
    """The answer to a request with one picture."""
    return json.dumps({"labels": [label for picture in pictures_in(body) for label in _labels(picture)]})


def _labels(picture: bytes) -> list[dict[str, object]]:
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            pixels = np.asarray(opened.convert("RGB"))
    except (UnidentifiedImageError, OSError):
        return []
    return [{"text": text, "confidence": confidence} for text, confidence in _measured(pixels)]


def _measured(pixels: Pixels) -> Iterator[tuple[str, float]]:
    height, width = pixels.shape[:2]
    yield "upright picture" if height > width else "wide picture", 1.0
    mean = float(pixels.mean())
    yield "dark picture" if mean < DARK else "bright picture" if mean > BRIGHT else "evenly lit picture", 0.9
    spread = float((pixels.max(axis=2).astype(int) - pixels.min(axis=2)).mean())
    yield "colourful picture" if spread > COLOURFUL else "nearly grey picture", 0.8
    if float((pixels.max(axis=2) <= COVERED).mean()) > LEAST_COVERED:
        yield "black covered areas", 0.7

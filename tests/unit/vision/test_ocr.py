"""The contract of every OCR engine, on the real models, which ship inside the rapidocr package."""

from __future__ import annotations

import itertools
import json
import logging
import socket
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from models.media.images import ImageLimits, decode
from models.media.pixels import Pixels
from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redactor
from models.vision.geometry import span_x, span_y
from models.vision.ocr import RapidOcrEngine
from models.vision.ocr_models import OcrOptions
from models.vision.redact import redact_page
from models.vision.types import OcrEngine, OcrLine
from tests.fakes.redactor import PhraseRedactor
from tests.unit.vision.pictures import DATA

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def engine() -> OcrEngine:
    return RapidOcrEngine(OcrOptions(threads=1))


def _page(text: str, degrees: int = 0) -> Pixels:
    picture = Image.new("RGB", (640, 480), (250, 250, 245))
    ImageDraw.Draw(picture).text((60, 200), text, (20, 20, 30), ImageFont.load_default(32))
    return np.asarray(picture.rotate(degrees, expand=True))


def _squeezed(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _content(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _text(engine: OcrEngine, pixels: Pixels) -> str:
    return _squeezed(" ".join(line.text.reveal() for line in engine.read(pixels)))


@pytest.fixture(scope="module")
def readings(engine: OcrEngine) -> dict[str, list[OcrLine]]:
    """Each photograph read once."""
    return {
        n: engine.read(decode((DATA / f"{n}.jpg").read_bytes(), ImageLimits()).pixels) for n in ("register", "meter")
    }


@pytest.mark.parametrize("name", ["register", "meter"])
def test_a_photograph_is_read(readings: dict[str, list[OcrLine]], name: str) -> None:
    content = _content(name)
    read = _squeezed(" ".join(line.text.reveal() for line in readings[name]))
    assert [k for k in content["keep"] if _squeezed(k) not in read] == []
    assert [p for p in content["personal"] if _squeezed(p["value"]) not in read] == [], (
        "the picture is too easy to fail"
    )


def test_every_line_is_made_of_its_words(readings: dict[str, list[OcrLine]]) -> None:
    lines = readings["register"]
    assert len(lines) > 20
    tops = [span_y(line.box)[0] for line in lines]
    assert np.corrcoef(np.arange(len(tops)), tops)[0, 1] > 0.95, "from top to bottom"
    for line in lines:
        assert [w.text.reveal() for w in line.words] == line.text.reveal().split()
        assert 0 <= line.score <= 1
        ends = [span_x(w.box) for w in line.words]
        assert all(a[0] < b[0] for a, b in itertools.pairwise(ends))
        assert span_x(line.box)[0] - 1 <= ends[0][0]
        assert ends[-1][1] <= span_x(line.box)[1] + 1
        assert all(0 <= w.score <= 1 for w in line.words)


def test_a_photographed_register_has_no_reading_of_a_meter(readings: dict[str, list[OcrLine]]) -> None:
    """Its print is small, so many crops look a little like a meter."""
    assert readings["register"]
    assert not [line for line in readings["register"] if line.text.reveal().startswith("reading")]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_word_boxes_lie_on_their_words(engine: OcrEngine, degrees: int) -> None:
    pixels = _page("ALPHA 48217 OMEGA", degrees)
    words = {w.text.reveal(): w for line in engine.read(pixels) for w in line.words}
    assert set(words) == {"ALPHA", "48217", "OMEGA"}
    ink = pixels.min(axis=2) < 120
    for word in words.values():
        inside = np.zeros(ink.shape, np.uint8)
        cv2.fillConvexPoly(inside, np.round(np.array(word.box)).astype(np.int32), (1,))
        others = np.zeros(ink.shape, np.uint8)
        for other in words.values():
            if other is not word:
                cv2.fillConvexPoly(others, np.round(np.array(other.box)).astype(np.int32), (1,))
        assert (ink & (inside > 0)).sum() > 0.2 * ink.sum(), "a third of the ink, more or less"
        assert (inside & others).sum() < 0.1 * inside.sum(), "words do not cover each other"
    left_to_right = sorted(words, key=lambda w: span_x(words[w].box)[0] + span_y(words[w].box)[0])
    assert left_to_right == (["ALPHA", "48217", "OMEGA"] if degrees in {0, 270} else ["OMEGA", "48217", "ALPHA"])


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((200, 300, 3), 255, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((3, 4000, 3), np.uint8),
        np.zeros((4000, 3, 3), np.uint8),
        np.random.default_rng(3).integers(0, 255, (240, 320, 3), np.uint8),
    ],
    ids=["white", "one pixel", "flat", "tall", "noise"],
)
def test_pictures_without_print_are_empty(engine: OcrEngine, pixels: Pixels) -> None:
    assert engine.read(pixels) == []


def test_a_name_that_touches_the_next_column_is_a_cell_of_its_own(engine: OcrEngine) -> None:
    picture = Image.new("RGB", (640, 320), (250, 250, 245))
    canvas, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    names = ("Name", "Ana Ho", "Mai Nguyen", "J. Pike", "Tom Lee")
    column = 41 + round(font.getlength("Mai Nguyen"))  # one pixel after the longest name
    for row, (name, company) in enumerate(
        zip(names, ("Company", "Acme Ltd", "Bolt GmbH", "Tooltown", "Granary"), strict=True)
    ):
        canvas.text((40, 40 + 45 * row), name, (20, 20, 30), font)
        canvas.text((column, 40 + 45 * row), company, (20, 20, 30), font)
    read = [line.text.reveal() for line in engine.read(np.asarray(picture))]
    assert {"Mai Nguyen", "Bolt GmbH", "Ana Ho", "Acme Ltd"} <= set(read), read


def test_nothing_is_downloaded_or_logged(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with caplog.at_level(logging.DEBUG):
        engine = RapidOcrEngine(OcrOptions(threads=2, cuda=False))
        lines = engine.read(_page("Maria Lopez"))
    assert engine.device == "cpu", "no GPU was wanted"
    assert "".join(line.text.reveal() for line in lines).replace(" ", "") == "MariaLopez"
    out, err = capfd.readouterr()
    assert "Maria" not in out + err + caplog.text
    assert out + err == ""


def test_name_and_device(engine: OcrEngine) -> None:
    assert engine.name == "rapidocr"
    assert engine.device in {"cpu", "cuda"}


@pytest.fixture(scope="module", params=["by phrases", "the real one"])
def redactor(request: pytest.FixtureRequest, real_redactor: LocalRedactor) -> Redactor:
    if request.param == "the real one":
        return real_redactor
    values = [p["value"] for name in ("register", "meter") for p in _content(name)["personal"]]
    return PhraseRedactor({r"[\W_]*".join(_squeezed(value)): "NAME" for value in values})


@pytest.mark.parametrize("name", ["register", "meter"])
def test_a_redacted_picture_shows_nobody_and_stays_useful(
    engine: OcrEngine, readings: dict[str, list[OcrLine]], redactor: Redactor, name: str
) -> None:
    content = _content(name)
    pixels = decode((DATA / f"{name}.jpg").read_bytes(), ImageLimits()).pixels
    page = redact_page(pixels, readings[name], redactor, content["document_type"])
    again = _text(engine, decode(page.image, ImageLimits()).pixels)
    for seen in (_squeezed(page.text.value), again):
        assert [p["type"] for p in content["personal"] if _squeezed(p["value"]) in seen] == []
        parts = [part for p in content["personal"] for part in p["value"].split() if len(part) > 3 and part.isalpha()]
        assert [part for part in parts if part.lower() in seen] == []
        assert [k for k in content["keep"] if _squeezed(k) not in seen] == []
    assert page.painted >= len(content["personal"])
    assert page.text.safe_for_llm

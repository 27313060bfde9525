from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from vestibule.v1.media_pb2 import MediaKind

from models.errors import UnsupportedMedia
from models.media.clean import MediaLimits, clean
from models.media.images import ImageLimits
from models.media.pages import unpack
from models.media.pixels import Pixels
from models.redaction.types import Redactor
from models.vision.turns import PageWork
from models.vision.types import OcrLine, OcrPage
from server.cli.offline_decoders import decoders
from server.cli.offline_input import PICTURE_KINDS
from server.cli.offline_read import read_lines
from server.settings import Settings
from tests.fakes.redactor import PhraseRedactor
from tests.unit.media.made_files import heic_file, pdf_file
from tests.unit.vision.pictures import DATA, corners, encoded, line


class _ScriptedEngine:
    """An OCR engine that reads what it is told."""

    name = "scripted"
    device = "cpu"

    def read(self, pixels: Pixels) -> list[OcrLine]:
        return [line("Visitor Maria Lopez", 10, 20)]

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        return OcrPage(tuple(self.read(pixels)))


def _clean(data: bytes) -> bytes:
    return clean(data, MediaLimits()).content


def _answers(requests: list[str], redactor: Redactor | None, limits: ImageLimits | None = None) -> list[dict[str, Any]]:
    out = io.StringIO()
    read_lines(requests, out, _clean, _ScriptedEngine(), redactor, limits)
    return [json.loads(row) for row in out.getvalue().splitlines()]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "a picture.png"
    path.write_bytes(encoded(corners(), "PNG"))
    return str(path)


@pytest.mark.parametrize(
    ("redactor", "text"),
    [(None, "Visitor Maria Lopez"), (PhraseRedactor({"maria lopez": "NAME"}), "Visitor [REDACTED_NAME]")],
)
def test_an_answer_has_the_documented_shape(picture: str, redactor: Redactor | None, text: str) -> None:
    (answer,) = _answers([json.dumps({"id": 7, "image": picture}) + "\n", "\n"], redactor)
    assert set(answer) == {"id", "lines", "compute_s"}
    assert answer["id"] == 7
    assert answer["lines"] == [{"text": text, "box": [[10, 20], [200, 20], [200, 40], [10, 40]], "score": 0.95}]
    assert answer["compute_s"] >= 0


@pytest.mark.parametrize(
    ("request_line", "reason"),
    [
        ("no json", "BAD_JSON"),
        ("[1]", "BAD_JSON"),
        ("[" * 100_000, "BAD_JSON"),
        ('{"id": "x"}', "INVALID_INPUT"),
        ('{"id": "x", "image": 3}', "INVALID_INPUT"),
        ('{"id": "x", "image": "PICTURE", "kind": 3}', "INVALID_INPUT"),
        ('{"id": "x", "image": "PICTURE", "kind": "recording"}', "INVALID_INPUT"),
        ('{"id": "x", "image": "PICTURE", "kind": ["meter"]}', "INVALID_INPUT"),
        ('{"id": "x", "image": "FOLDER"}', "FILE_UNREADABLE"),
        ('{"id": "x", "image": "FOLDER/none.png"}', "NO_SUCH_FILE"),
        ('{"id": "x", "image": "a\\u0000b"}', "FILE_UNREADABLE"),
        ('{"id": "x", "image": "SCRIPT"}', "UNSUPPORTED_MEDIA"),
        ('{"id": "x", "image": "HALF"}', "BROKEN_MEDIA"),
    ],
)
def test_a_bad_line_is_an_error_line_and_the_next_one_is_read(picture: str, request_line: str, reason: str) -> None:
    half = Path(picture).with_name("half.png")
    half.write_bytes(Path(picture).read_bytes()[:60])
    for word, path in {"PICTURE": picture, "FOLDER": str(half.parent), "SCRIPT": __file__, "HALF": str(half)}.items():
        request_line = request_line.replace(word, path)
    first, second = _answers([request_line, json.dumps({"id": 2, "image": picture})], None)
    assert set(first) == {"id", "error"}
    assert first["id"] == (None if reason == "BAD_JSON" else "x")
    assert first["error"]["reason"] == reason
    assert first["error"]["hint"]
    assert str(half.parent) not in first["error"]["message"], "paths of people's files stay out of messages"
    assert second["lines"]


@pytest.mark.parametrize(
    ("given", "default", "kind"),
    [({}, "", ""), ({"kind": None}, "", ""), ({"kind": "meter"}, "", "meter"), ({}, "site", "site"),
     ({"kind": "document"}, "site", "document")],
)  # fmt: skip
def test_the_kind_of_a_picture_reaches_the_redactor(
    picture: str, given: dict[str, str | None], default: str, kind: str
) -> None:
    redactor = PhraseRedactor({"maria lopez": "NAME"})
    out = io.StringIO()
    read_lines([json.dumps({"image": picture, **given})], out, _clean, _ScriptedEngine(), redactor, kind=default)
    assert {context.document_type for context in redactor.contexts} == {kind}
    assert json.loads(out.getvalue())["lines"][0]["text"] == "Visitor [REDACTED_NAME]"


def test_the_kinds_are_those_of_uploads() -> None:
    kinds = {name.removeprefix("MEDIA_KIND_").lower() for name in MediaKind.keys()}  # noqa: SIM118 - no mapping
    assert set(PICTURE_KINDS) == kinds - {"unspecified", "recording"}


def test_a_large_file_is_not_even_read(picture: str) -> None:
    (answer,) = _answers([json.dumps({"id": 1, "image": picture})], None, ImageLimits(file_bytes=10))
    assert answer["error"]["reason"] == "IMAGE_TOO_LARGE"


def test_the_pages_of_a_document_are_read_in_turn(tmp_path: Path) -> None:
    document = tmp_path / "contract.pdf"
    document.write_bytes(pdf_file(3))
    (answer,) = _answers([json.dumps({"id": 1, "image": str(document)})], PhraseRedactor({"maria lopez": "NAME"}))
    assert [(row["page"], row["text"]) for row in answer["lines"]] == [
        (page, "Visitor [REDACTED_NAME]") for page in (1, 2, 3)
    ]
    document.write_bytes(pdf_file(1))
    (answer,) = _answers([json.dumps({"id": 1, "image": str(document)})], None)
    assert set(answer["lines"][0]) == {"text", "box", "score"}
    document.write_bytes(pdf_file(6))
    (answer,) = _answers([json.dumps({"id": 1, "image": str(document)})], None)
    assert answer["error"]["reason"] == "TOO_MANY_PAGES"


def test_a_picture_of_an_iphone_is_read(tmp_path: Path) -> None:
    photo = tmp_path / "photo.heic"
    photo.write_bytes(heic_file(corners()))
    (answer,) = _answers([json.dumps({"id": 1, "image": str(photo)})], None)
    assert answer["lines"][0]["text"] == "Visitor Maria Lopez"


def test_a_recording_is_for_another_command(tmp_path: Path) -> None:
    (answer,) = _answers([json.dumps({"id": 1, "image": str(DATA / "visit.wav")})], None)
    assert answer["error"]["reason"] == "UNSUPPORTED_MEDIA"
    assert "vestibule transcribe" in answer["error"]["hint"]


@pytest.mark.parametrize("content", [b"# Vestibule\n" * 20, b"\x00" * 100, b"PK\x03\x04" + bytes(100), b"<html>" * 20])
def test_what_is_no_picture_is_told_the_formats_of_pictures_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "unknown"
    file.write_bytes(content)
    (answer,) = _answers([json.dumps({"id": 1, "image": str(file)})], None)
    assert answer["error"]["reason"] == "UNSUPPORTED_MEDIA"
    assert answer["error"]["hint"] == "Send JPEG, PNG, WebP, HEIC, a one-page TIFF or a PDF of a few pages."


def test_files_are_decoded_in_the_processes_of_the_server() -> None:
    with decoders(Settings()) as clean_in_child:
        assert len(unpack(clean_in_child(pdf_file(2)))) == 2
        assert clean_in_child(heic_file(corners()))[:2] == b"II"
        with pytest.raises(UnsupportedMedia):
            clean_in_child(b"no picture" * 100)
        assert clean_in_child(encoded(corners(), "PNG"))[:4] == b"\x89PNG"

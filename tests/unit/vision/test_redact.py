from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from PIL import Image

from models.cancellation import Cancellation, Cancelled
from models.errors import BrokenMedia, RedactionFailed, TooLarge, UnsupportedMedia
from models.media.images import PNG, ImageLimits, decode
from models.media.pages import pack
from models.media.pixels import Pixels
from models.redaction.sealing import Sealer
from models.redaction.types import Redaction, RedactionContext, RedactionScope
from models.sealed_values import Binding, SealRequest, SealTarget, open_value
from models.text import Entity, RawText, TextSource
from models.vision.barcodes import Barcode, ZxingBarcodeReader
from models.vision.faces import Face
from models.vision.geometry import rows
from models.vision.line_redaction import UNREADABLE, merge, redact_lines
from models.vision.redact import Detectors, OtherDetections, read_and_redact, redact_page
from models.vision.turns import PageWork
from models.vision.types import OcrLine, OcrPage
from tests.data.make_badge import AUTHOR, PLACE, PRODUCT, draw_badge, draw_face, with_metadata
from tests.fakes.redactor import PhraseRedactor
from tests.unit.media.made_files import heic_file
from tests.unit.vision.pictures import box, corners, encoded, line

WHITE = np.full((400, 1000, 3), 255, np.uint8)
NAMES = {"maria lopez": "NAME", r"\S+@\S+": "EMAIL", r"\(\d+\) [\d-]+": "PHONE", "12 hill road springfield": "ADDRESS"}


class _ScriptedEngine:
    """An OCR engine that reads what it is told."""

    name = "scripted"
    device = "cpu"

    def __init__(self, lines: list[OcrLine]) -> None:
        self._lines = lines

    def read(self, pixels: Pixels) -> list[OcrLine]:
        return self._lines

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        return OcrPage(tuple(self._lines))


class _ScriptedFaces:
    """A face detector that finds what it is told."""

    def __init__(self, *faces: Face) -> None:
        self._faces = list(faces)

    def detect(self, pixels: Pixels) -> list[Face]:
        return self._faces


class _ScriptedBarcodes:
    """A barcode reader that finds what it is told."""

    def __init__(self, *barcodes: Barcode) -> None:
        self._barcodes = list(barcodes)

    def detect(self, pixels: Pixels) -> list[Barcode]:
        return self._barcodes


class _BrokenRedactor:
    """A redactor whose recognizers fail."""

    def redact(self, text: RawText, context: RedactionContext) -> Redaction:
        raise RedactionFailed("A recognizer failed.")

    def redact_many(self, texts: list[RawText], context: RedactionContext) -> list[Redaction]:
        raise RedactionFailed("A recognizer failed.")


def _is_black(pixels: Pixels, left: float, top: float, width: float, height: float = 20) -> bool:
    return bool((pixels[int(top) : int(top + height), int(left) : int(left + width)] == 0).all())


def _is_white(pixels: Pixels, left: float, top: float, width: float, height: float = 20) -> bool:
    return bool((pixels[int(top) : int(top + height), int(left) : int(left + width)] == 255).all())


@pytest.mark.parametrize(
    ("lines", "text", "black", "white"),
    [
        # One line: the words of the entity, the others stay.
        (
            [line("Visitor Maria Lopez left", 100, 50)],
            "Visitor [REDACTED_NAME] left",
            [(180, 50, 110)],
            [(100, 50, 70), (300, 50, 40)],
        ),
        # Two cells of a row.
        ([line("Maria", 100, 50), line("Lopez", 300, 50)], "[REDACTED_NAME] | [REDACTED_NAME]", [(100, 50, 50)], []),
        # Two lines, one below the other.
        (
            [line("12 Hill Road", 100, 50), line("Springfield", 100, 80)],
            "[REDACTED_ADDRESS]\n[REDACTED_ADDRESS]",
            [(100, 50, 120), (100, 80, 110)],
            [],
        ),
        # An entity inside a word covers the whole word; the text keeps the rest.
        ([line("Mail:a@b.org.", 100, 50)], "[REDACTED_EMAIL]", [(100, 50, 130)], []),
        # Nothing personal, nothing painted.
        ([line("WATER METER", 100, 50)], "WATER METER", [], [(0, 0, 900, 390)]),
        ([], "", [], [(0, 0, 900, 390)]),
    ],
)
def test_personal_values_are_removed_from_text_and_picture(
    lines: list[OcrLine], text: str, black: list[tuple[int, ...]], white: list[tuple[int, ...]]
) -> None:
    page = redact_page(WHITE, lines, PhraseRedactor(NAMES), mime=PNG)
    assert page.text.value == text
    pixels = decode(page.image, ImageLimits()).pixels
    assert pixels.shape == WHITE.shape
    assert (page.width, page.height, page.image_mime) == (1000, 400, PNG)
    assert all(_is_black(pixels, *area) for area in black)
    assert all(_is_white(pixels, *area) for area in white)
    assert WHITE.all(), "the given pixels are left as they were"


def test_the_mask_extends_beyond_the_letters() -> None:
    page = redact_page(WHITE, [line("Maria Lopez", 100, 50)], PhraseRedactor(NAMES), mime=PNG)
    pixels = decode(page.image, ImageLimits()).pixels
    assert _is_black(pixels, 98, 50, 114, 20)
    assert _is_black(pixels, 100, 48, 110, 24)


@pytest.mark.parametrize(
    ("text", "scores", "document_type", "expected", "painted"),
    [
        ("Gate Qxz7 open", (0.9, 0.3, 0.9), "", f"Gate [REDACTED_{UNREADABLE}] open", 1),
        ("Gate -- open", (0.9, 0.3, 0.9), "", "Gate -- open", 0),
        ("04821,7 m3", (0.3, 0.9), "meter", "04821,7 m3", 0),
        ("04821,7 m3", (0.3, 0.9), "", f"[REDACTED_{UNREADABLE}] m3", 1),
        ("4155550132 m3", (0.3, 0.9), "meter", f"[REDACTED_{UNREADABLE}] m3", 1),
        ("Qxz Wvk", (0.2, 0.2), "meter", "", 2),  # painted, but no line of noise in the text
    ],
)
def test_unreadable_lines_are_masked_too(
    text: str, scores: tuple[float, ...], document_type: str, expected: str, painted: int
) -> None:
    page = redact_page(WHITE, [line(text, 100, 50, scores)], PhraseRedactor({}), document_type, mime=PNG)
    assert page.text.value == expected
    assert page.painted == painted


def test_column_headers_redact_cells_that_the_redactor_cannot() -> None:
    lines = [line("Name", 0, 0), line("Phone", 300, 0), line("Xq Zt", 0, 40), line("0132", 300, 40)]
    page = redact_page(WHITE, lines, PhraseRedactor({}), "visitor_register", mime=PNG)
    assert page.text.value == "Name | Phone\n[REDACTED_NAME] | [REDACTED_PHONE]"
    assert page.text.counts == {"NAME": 1, "PHONE": 1}
    assert [str(row.text) for row in page.lines] == ["Name", "Phone", "[REDACTED_NAME]", "[REDACTED_PHONE]"]


def test_the_end_of_an_entity_in_the_next_cell_is_not_an_entity() -> None:
    redactor = PhraseRedactor({"238 cedar road 11": "ADDRESS"})
    page = redact_page(WHITE, [line("238 Cedar Road", 0, 50), line("11:30", 300, 50)], redactor, mime=PNG)
    assert page.text.value == "[REDACTED_ADDRESS] | 11:30"


@pytest.mark.parametrize(
    ("phrases", "kind", "text"),
    [
        ({"gate 2 sheet": "ADDRESS"}, "", "[REDACTED_ADDRESS]\n[REDACTED_ADDRESS] nine"),
        ({"gate 2 sheet": "ADDRESS"}, "form", "Gate 2\nSheet nine"),
        ({"gate 2 sheet": "ADDRESS"}, "visitor_register", "Gate 2\nSheet nine"),
        # One of the lines is an address by itself.
        ({"gate 2 sheet|gate 2": "ADDRESS"}, "form", "[REDACTED_ADDRESS]\n[REDACTED_ADDRESS] nine"),
        # A name runs on in the next line, or was found only because of the line above.
        ({"gate 2 sheet": "NAME"}, "form", "[REDACTED_NAME]\n[REDACTED_NAME] nine"),
        ({"(?<=gate[ ]2[ ])sheet": "NAME"}, "form", "Gate 2\nSheet nine"),
        ({"(?<=gate[ ]2[ ])sheet": "NAME"}, "", "Gate 2\n[REDACTED_NAME] nine"),
        ({"(?<=gate[ ]2[ ])sheet": "PHONE"}, "form", "Gate 2\n[REDACTED_PHONE] nine"),
    ],
)
def test_in_cells_the_classifier_finds_no_address_or_name_only_because_of_other_lines(
    phrases: dict[str, str], kind: str, text: str
) -> None:
    lines = [line("Gate 2", 0, 50), line("Sheet nine", 0, 75)]
    page = redact_page(WHITE, lines, PhraseRedactor(phrases, "ner:street_name"), kind, mime=PNG)
    assert page.text.value == text


@pytest.mark.parametrize(
    ("above", "below", "phrase", "text"),
    [
        ("Checked by", "Sheet nine", "(?<=checked[ ]by[ ])sheet nine", "Checked by\n[REDACTED_NAME]"),
        ("Lot 9", "Cashier: 4 Sheet", "sheet(?<=lot[ ]9[ ]cashier:[ ]4[ ]sheet)", "Lot 9\nCashier: 4 [REDACTED_NAME]"),
    ],
)
def test_a_name_that_the_classifier_sees_only_with_another_line_is_hidden_if_a_label_asks_for_it(
    above: str, below: str, phrase: str, text: str
) -> None:
    redactor = PhraseRedactor({phrase: "NAME"}, "ner:surname")
    page = redact_page(WHITE, [line(above, 0, 50), line(below, 0, 75)], redactor, "form", mime=PNG)
    assert page.text.value == text


@pytest.mark.parametrize(
    ("cell", "kind", "hidden"),
    [
        ("Xq Zt", "form", True),
        ("REVISIONS", "form", False),
        ("Made on the site of Xq", "form", False),
        ("Made on the site of Xq", "visitor_register", True),
    ],
)
def test_a_label_or_a_sentence_below_a_header_of_a_form_is_no_name(cell: str, kind: str, hidden: bool) -> None:
    lines = [line("Signature", 0, 0), line("Date", 300, 0), line(cell, 0, 40)]
    page = redact_page(WHITE, lines, PhraseRedactor({}), kind, mime=PNG)
    assert (cell not in page.text.value) is hidden


@pytest.mark.parametrize(
    ("above", "below", "text"),
    [
        ("Yearly cost", "2 Elm Place", "Yearly cost\n[REDACTED_ADDRESS]"),
        ("Elm Place", "2", "[REDACTED_ADDRESS]\n[REDACTED_ADDRESS]"),
    ],
)
def test_words_above_the_number_of_a_house_are_no_part_of_the_address(above: str, below: str, text: str) -> None:
    redactor = PhraseRedactor(
        {f"{above} {below}".casefold(): "ADDRESS", "2 elm place": "ADDRESS"}, "street:number-name-kind"
    )
    page = redact_page(WHITE, [line(above, 0, 50), line(below, 0, 75)], redactor, mime=PNG)
    assert page.text.value == text


@pytest.mark.parametrize(("label", "hidden"), [("Date of birth", True), ("Flat or suite", False)])
def test_the_value_below_a_label_may_be_in_larger_print(label: str, hidden: bool) -> None:
    value = line("22/02/1990", 0, 50 + 20 + 25)
    value = replace(value, box=box(0, 50 + 20 + 25, 200, 30))
    page = redact_page(WHITE, [line(label, 0, 50), value], PhraseRedactor({rf"{label} 22/02/1990": "DOB"}), mime=PNG)
    assert ("1990" not in page.text.value) is hidden


def test_digits_are_unreadable_unless_the_sender_says_meter() -> None:
    lines = [line("0482", 100, 50, [0.2])]
    given, recognised = (
        redact_lines(
            lines, rows(lines), PhraseRedactor({}), RedactionContext(TextSource.OCR, document_type="meter"), kind
        )
        for kind in ("meter", "")
    )
    assert not given.entities[0]
    assert [entity.type for entity in recognised.entities[0]] == [UNREADABLE]


@pytest.mark.parametrize(("recognizer", "found"), [("own:hives", 2), ("phrase", 0)])
def test_words_that_an_added_model_found_in_two_lines_are_hidden_in_both(recognizer: str, found: int) -> None:
    lines = [line("481", 100, 50), line("5162", 100, 75)]
    redactor = PhraseRedactor({"481 5162": "NAME"}, recognizer)
    redacted = redact_lines(lines, rows(lines), redactor, RedactionContext(TextSource.OCR))
    assert sum(len(entities) for entities in redacted.entities) == found


def test_the_redactor_gets_source_and_document_type() -> None:
    redactor = PhraseRedactor({})
    redact_page(WHITE, [line("WATER METER", 100, 50)], redactor, "meter")
    assert set(redactor.contexts) == {RedactionContext(TextSource.OCR, document_type="meter")}


def test_lines_without_word_boxes_are_masked_proportionally() -> None:
    whole = line("Visitor Maria Lopez", 100, 50)
    bare = OcrLine(whole.text, whole.box, whole.score)
    pixels = decode(redact_page(WHITE, [bare], PhraseRedactor(NAMES), mime=PNG).image, ImageLimits()).pixels
    assert _is_black(pixels, 180, 50, 110)
    assert _is_white(pixels, 100, 50, 70)


def test_a_failing_redactor_fails_the_page() -> None:
    with pytest.raises(RedactionFailed):
        redact_page(WHITE, [line("WATER METER", 100, 50)], _BrokenRedactor())


def test_from_bytes_to_a_page() -> None:
    engine = _ScriptedEngine([OcrLine(RawText("Maria Lopez"), box(0, 0, 40), 0.9)])
    detectors = Detectors(
        engine, _ScriptedFaces(Face(box(4, 4, 8, 8), 0.9)), _ScriptedBarcodes(Barcode(box(30, 8, 6, 6), "", None))
    )
    page = read_and_redact(encoded(corners(), "PNG"), ImageLimits(), detectors, PhraseRedactor(NAMES))
    assert page.text.value == "[REDACTED_NAME]"
    assert page.image_mime == PNG
    assert page.compute_s > 0
    assert page.painted_kinds == {"text": 1, "face": 1, "code": 1}
    assert page.painted == 3
    with pytest.raises(TooLarge):
        read_and_redact(encoded(corners(), "PNG"), ImageLimits(pixels=10), detectors, PhraseRedactor(NAMES))
    with pytest.raises(BrokenMedia):
        read_and_redact(b"", ImageLimits(), detectors, PhraseRedactor(NAMES))


@pytest.mark.parametrize("name", ["WEBP", "HEIF"])
def test_only_the_formats_of_clean_pictures_are_decoded(name: str) -> None:
    detectors = Detectors(_EngineOfSizes(), _ScriptedFaces(), _ScriptedBarcodes())
    data = heic_file(corners()) if name == "HEIF" else encoded(corners(), name)
    assert decode(data, ImageLimits()).width
    for form in (data, pack([encoded(corners(), "JPEG"), data])):
        with pytest.raises(UnsupportedMedia):
            read_and_redact(form, ImageLimits(), detectors, PhraseRedactor(NAMES))


def test_faces_are_masked_with_the_whole_head() -> None:
    others = OtherDetections(faces=[Face(box(400, 100, 100, 120), 0.8)])
    page = redact_page(WHITE, [], PhraseRedactor({}), mime=PNG, others=others)
    pixels = decode(page.image, ImageLimits()).pixels
    assert _is_black(pixels, 370, 70, 160, 180)
    assert _is_white(pixels, 0, 0, 340, 400)
    assert (page.painted, page.painted_kinds) == (1, {"face": 1})


@pytest.mark.parametrize(
    ("document_type", "score", "scores", "faces"),
    [
        ("meter", 0.8, (0.95, 0.95), 0),
        ("meter", 0.8, (0.95, 0.4), 1),
        ("meter", 0.8, (), 1),
        ("meter", 0.55, (), 0),
        ("", 0.55, (0.95, 0.95), 1),
    ],
)
def test_a_face_detected_on_a_meter_dial_is_ignored(
    document_type: str, score: float, scores: tuple[float, ...], faces: int
) -> None:
    lines = [replace(line("04821,7", 420, 120 + 40 * n), score=score) for n, score in enumerate(scores)]
    others = OtherDetections(faces=[Face(box(400, 100, 200, 200), score)])
    page = redact_page(WHITE, lines, PhraseRedactor({}), document_type, others=others)
    assert page.painted_kinds.get("face", 0) == faces


@pytest.mark.parametrize(
    ("text", "width", "document_type", "painted"),
    [
        ("", 200, "", 1),
        ("l0l", 200, "visitor_register", 1),
        ("", 120, "meter", 0),  # the digits of a register between two positions
        ("MOL", 120, "meter", 0),
        ("", 200, "meter", 1),
        ("Lopz", 90, "meter", 1),
    ],
)
def test_unread_print_is_masked(text: str, width: float, document_type: str, painted: int) -> None:
    unread = OcrLine(RawText(text), box(100, 50, width), 0.1)
    page = redact_page(WHITE, [], PhraseRedactor({}), document_type, mime=PNG, others=OtherDetections(unread=[unread]))
    assert (page.painted, page.painted_kinds) == (painted, {"unread": 1} if painted else {})
    assert _is_black(decode(page.image, ImageLimits()).pixels, 100, 50, width) == bool(painted)
    assert page.text.value == ""


def test_only_personal_codes_are_covered() -> None:
    pixels, places = draw_badge()
    page = redact_page(
        pixels, [], PhraseRedactor({}), mime=PNG, others=OtherDetections(barcodes=ZxingBarcodeReader().detect(pixels))
    )
    painted = decode(page.image, ImageLimits()).pixels
    assert page.painted_kinds == {"code": 1}
    assert [c.text.reveal() for c in ZxingBarcodeReader().detect(painted) if c.text is not None] == [PRODUCT]
    left, top, right, bottom = places["card"]
    assert _is_black(painted, left + 40, top + 40, right - left - 80, bottom - top - 80)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_only_pixels_of_the_file_are_returned(kind: str) -> None:
    data = with_metadata(draw_face(200), kind)
    assert AUTHOR.encode() in data
    with Image.open(io.BytesIO(data)) as before:
        before.load()
        assert before.getexif()
        assert "icc_profile" in before.info
    detectors = Detectors(_ScriptedEngine([]), _ScriptedFaces(), _ScriptedBarcodes())
    page = read_and_redact(data, ImageLimits(), detectors, PhraseRedactor({}))
    for secret in (
        AUTHOR,
        PLACE,
        "Ferreira",
        "Lisbon",
        "xmpmeta",
        "ICC_PROFILE",
        "iCCP",
        "Exif",
        "eXIf",
        "tEXt",
        "iTXt",
    ):
        assert secret.encode() not in page.image
    with Image.open(io.BytesIO(page.image)) as after:
        after.load()
        assert len(after.getexif()) == 0
        assert set(after.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([("A", 0, 4), ("B", 6, 9)], [("A", 0, 4), ("B", 6, 9)]),
        ([("A", 0, 4), ("B", 2, 9)], [("B", 0, 9)]),
        ([("A", 0, 4), ("A", 0, 4)], [("A", 0, 4)]),
        ([(UNREADABLE, 0, 9), ("A", 2, 4)], [("A", 0, 9)]),
        ([("A", 0, 4), ("B", 4, 9)], [("A", 0, 4), ("B", 4, 9)]),
        ([], []),
    ],
)
def test_overlapping_detections_are_united(
    entities: list[tuple[str, int, int]], expected: list[tuple[str, int, int]]
) -> None:
    merged = merge(Entity(kind, start, end, 0.9) for kind, start, end in entities)
    assert [(e.type, e.start, e.end) for e in merged] == expected


class _EngineOfSizes:
    """An OCR engine that reads the height of the page."""

    name = "sizes"
    device = "cpu"

    def read(self, pixels: Pixels) -> list[OcrLine]:
        return [line(f"height {pixels.shape[0]} maria lopez", 4, 4)]

    def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
        return OcrPage(tuple(self.read(pixels)))


def test_the_pages_of_a_document_become_one_text_and_one_picture() -> None:
    pages = [encoded(Image.new("RGB", size, "white"), "JPEG") for size in ((400, 60), (300, 50))]
    detectors = Detectors(_EngineOfSizes(), _ScriptedFaces(), _ScriptedBarcodes())
    page = read_and_redact(pack(pages), ImageLimits(), detectors, PhraseRedactor(NAMES))
    assert page.text.value == "height 60 [REDACTED_NAME]\nheight 50 [REDACTED_NAME]"
    assert [found.box[0] for found in page.lines] == [(4, 4), (4, 64)]
    assert (page.width, page.height, page.painted, page.painted_kinds) == (400, 110, 2, {"text": 2})
    shown = decode(page.image, ImageLimits()).pixels
    assert shown.shape == (110, 400, 3)
    assert _is_black(shown, 130, 8, 60, 8)
    assert _is_black(shown, 130, 68, 60, 8)


class _Gone(Cancellation):
    """A caller who gives up while the work looks for the nth time."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.looks, self.at = 0, at

    def check(self) -> None:
        self.looks += 1
        if self.looks == self.at:
            self.cancel()
        super().check()


@pytest.mark.parametrize("at", range(1, 5))
def test_a_picture_that_nobody_waits_for_ends_between_any_two_steps(at: int) -> None:
    data = encoded(Image.new("RGB", (400, 60), "white"), "JPEG")
    detectors = Detectors(_EngineOfSizes(), _ScriptedFaces(), _ScriptedBarcodes())
    with pytest.raises(Cancelled):
        read_and_redact(data, ImageLimits(), detectors, PhraseRedactor(NAMES), cancellation=_Gone(at))


def test_the_pages_of_a_document_share_their_call() -> None:
    works: list[PageWork] = []

    class Engine(_EngineOfSizes):
        def read_page(self, pixels: Pixels, work: PageWork | None = None) -> OcrPage:
            assert work is not None
            works.append(work)
            work.used_s += 2.0
            return super().read_page(pixels, work)

    pages = [encoded(Image.new("RGB", (400, 60), "white"), "JPEG")] * 3
    caller = Cancellation()
    detectors = Detectors(Engine(), _ScriptedFaces(), _ScriptedBarcodes())
    read_and_redact(pack(pages), ImageLimits(), detectors, PhraseRedactor(NAMES), cancellation=caller)
    assert [(work.cancellation, work.earlier_s, work.used_s) for work in works] == [
        (caller, 0.0, 2.0),
        (caller, 2.0, 2.0),
        (caller, 4.0, 2.0),
    ]


def test_a_page_comes_with_its_sealed_values() -> None:
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    request = SealRequest((SealTarget("NAME", "visitor", "crm", public), SealTarget("PHONE", "phone", "crm", public)))
    sealer = Sealer(request, RedactionScope("app", "s-1"), b"w" * 32)
    lines = [line("Visitor: Maria Lopez", 20, 20), line("Maria Lopez (415) 555-0132", 20, 90)]
    detectors = Detectors(_ScriptedEngine(lines), _ScriptedFaces(), _ScriptedBarcodes())
    data, redactor = encoded(Image.fromarray(WHITE), "PNG"), PhraseRedactor(NAMES)
    page = read_and_redact(data, ImageLimits(), detectors, redactor, sealer=sealer)
    values = [open_value(v.ciphertext, private, Binding("s-1", v.field, v.type, "crm")).said for v in page.sealed]
    assert values == ["Maria Lopez", "(415) 555-0132"]
    assert read_and_redact(data, ImageLimits(), detectors, redactor).sealed == ()

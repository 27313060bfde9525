"""Pages that are drawn with known personal values: forms, receipts, letters, cards and registers.

Every value is made up by a seeded generator. Names are pairs from two short lists, half of them in no name list.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks._picture_labels import HARMLESS, PERSONAL, PrintedWord
from models.media.pixels import Pixels

KINDS: Final = ("form", "receipt", "letter", "card", "register")
FONTS: Final = Path("/usr/share/fonts/truetype/dejavu")
_FACES: Final = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSansCondensed", "DejaVuSerifCondensed-Italic")
_GIVEN: Final = """
    Ottilie Bram Keziah Tobias Ngozi Rahel Sunniva Anselm Priya Marek Ilse Dilip Fiadh Joaquin Mirela
    Osric Yusra Petra Colm Thuy Zoltan Amina Greta Luca
"""
_SURNAMES: Final = """
    Vandersloot Quillfeather Okonjo Harrowgate Mistelbach Tarnowski Pellingham Devarajan Ossowick
    Brindlemoor Castellane Youssefi Lindqvist Fernsby Achterberg Rosenthal Whitcombe Delgado Marchbanks
    Nakagawa Sorrel Pike Barrow Underhill
"""
_STREETS: Final = ("Harrow Lane", "Mill Road", "Cedar Street", "Station Avenue", "Lindenweg", "Kirchgasse", "Oak Drive")
_TOWNS: Final = ("Wexmoor", "Oldbury", "Springfield", "Neustadt", "Leeds", "Portland")
_ITEMS: Final = (
    "VEGE SPRING ROLL", "PLN RICE", "CHOC MUFFIN 6PK", "TOOTHBRUSH MED", "CABLE TIES BLK 100PCS", "A4 COPY PAPER 80G",
    "MILK UHT 1L", "EGG TART", "HONEY TOAST", "LED BULB 9W", "ICE LATTE LRG", "STAPLER HD", "MINT TEA 20S",
)  # fmt: skip
_SHOPS: Final = ("BLUE HERON TRADING LTD", "KOPI CORNER SDN BHD", "NORTHGATE HARDWARE INC.", "GRANARY BAKERY LLC")
_PURPOSES: Final = ("Delivery", "Meter reading", "Boiler service", "Interview", "Site visit", "Repair")


@dataclass
class DrawnPage:
    """A drawn page: its kind, its pixels and every word of it."""

    kind: str
    pixels: Pixels
    words: list[PrintedWord] = field(default_factory=list)


def drawn_pages(count: int, seed: int = 11) -> list[DrawnPage]:
    """The pages, the kinds in turn."""
    return [_Page(KINDS[n % len(KINDS)], random.Random(seed * 1000 + n)).drawn() for n in range(count)]


class _Page:
    """Draws one page. A part of a text between braces is a personal value."""

    def __init__(self, kind: str, chance: random.Random) -> None:
        self._kind, self._chance = kind, chance
        self._size = {"receipt": (620, 1100), "card": (860, 540)}.get(kind, (1000, 1300))
        self._image = Image.new("RGB", self._size, (chance.randrange(235, 256),) * 3)
        self._canvas = ImageDraw.Draw(self._image)
        self._face = chance.choice(_FACES)
        self._words: list[PrintedWord] = []
        self._values = 0

    def drawn(self) -> DrawnPage:
        """The page with all its words."""
        getattr(self, f"_{self._kind}")()
        pixels = np.asarray(self._image, np.int16)
        noise = np.random.default_rng(self._chance.randrange(2**32)).normal(0, 6, pixels.shape)
        return DrawnPage(self._kind, np.clip(pixels + noise, 0, 255).astype(np.uint8), self._words)

    def _put(self, x: int, y: int, text: str, size: int = 20) -> None:
        """Draw a text whose words' boxes are kept."""
        font = ImageFont.truetype(str(FONTS / f"{self._face}.ttf"), size)
        inside = False
        for piece in text.split(" "):
            begins, inside = piece.startswith("{"), inside or piece.startswith("{")
            self._values += begins
            word = piece.strip("{}") if inside else piece
            self._canvas.text((x, y), word, fill=(self._chance.randrange(70),) * 3, font=font)
            left, top, right, bottom = self._canvas.textbbox((x, y), word, font=font)
            label, value = (PERSONAL, self._values) if inside else (HARMLESS, 0)
            box = ((left, top), (right, top), (right, bottom), (left, bottom))
            self._words.append(PrintedWord(word, box, label, value))
            inside = inside and not piece.endswith("}")
            x = int(right + font.getlength(" "))

    def _form(self) -> None:
        title = self._pick(
            ("SERVICE REQUEST FORM", "PURCHASE REQUISITION", "APPLICATION FOR CONNECTION", "PROJECT CHANGE ORDER")
        )
        self._put(300, 60, title, 28)
        rows = [
            ("Date:", self._date()), ("Project No.", f"{self._digits(3)}-{self._digits(3)}"), ("Name:", self._name()),
            ("Brand / Item", self._pick(("Newlight Filter King", "Marlow Mint 100s", "Kestrel Lamp"))),
            ("Requested by", self._name(initials=True)), ("Telephone", self._phone()), ("E-mail", self._mail()),
            ("Address", self._address()), ("Department", "Quality Assurance"), ("Batch Number:", f"B{self._digits(4)}"),
            ("Approved by:", self._name(title=True)), ("Date of birth", self._birth()),
            ("Supplier", "Granary Foods Inc."),
            ("Quantity", self._digits(2)), ("Passport No.", self._passport()),
            ("Total Cost", f"$ {self._digits(2)},{self._digits(3)}.00"),
        ]  # fmt: skip
        caps = self._chance.random() < 0.4
        for n, (label, value) in enumerate(self._chance.sample(rows, 12)):
            self._put(80, 150 + 60 * n, label.upper() if caps else label)
            self._put(360, 150 + 60 * n, value)
        self._put(80, 930, "Description of change: replace the filter housing and test for leaks at 6 bar.")
        self._put(80, 970, "Conclusion: higher doses were impractical. No further work is planned this quarter.")
        for n, label in enumerate(("Signature", "Study Director", "Department", "Date")):
            self._put(80 + 220 * n, 1100, label)

    def _receipt(self) -> None:
        self._put(90, 40, self._pick(_SHOPS), 26)
        self._put(120, 90, "TAX INVOICE", 22)
        self._put(40, 140, f"INV NO: CS{self._digits(6)}", 18)
        self._put(360, 140, self._date(), 18)
        self._put(40, 170, f"Cashier: {self._name(single=True)}", 18)
        self._put(40, 200, f"Tel: {self._phone()}", 18)
        if self._chance.random() < 0.6:
            self._put(40, 230, f"Customer: {self._name()}", 18)
        for x, head in ((40, "Description"), (360, "Qty"), (430, "U.Price"), (530, "Amt")):
            self._put(x, 280, head, 18)
        for n, item in enumerate(self._chance.sample(_ITEMS, 6)):
            quantity, cents = self._chance.randrange(1, 9), self._chance.randrange(60, 2000)
            self._put(40, 320 + 40 * n, item, 18)
            self._put(370, 320 + 40 * n, str(quantity), 18)
            self._put(430, 320 + 40 * n, f"{cents / 100:.2f}", 18)
            self._put(530, 320 + 40 * n, f"{quantity * cents / 100:.2f}", 18)
        for n, label in enumerate(("SUBTOTAL", "GST 6% SR", "ROUNDING ADJ", "TOTAL", "CASH", "CHANGE")):
            self._put(40, 590 + 36 * n, label, 20)
            self._put(500, 590 + 36 * n, f"{self._chance.randrange(100, 9999) / 100:.2f}", 20)
        if self._chance.random() < 0.6:
            self._put(40, 830, f"CARD NO: {self._card_number()}", 18)
        self._put(90, 880, "GOODS SOLD ARE NOT REFUNDABLE", 18)
        self._put(130, 910, "THANK YOU PLEASE COME AGAIN", 18)

    def _letter(self) -> None:
        name = self._name()
        self._put(80, 70, self._pick(("Northern Water Works", "Riverside Clinic", "City Housing Office")), 26)
        self._put(80, 170, name)
        self._put(80, 200, self._address())
        self._put(720, 240, self._date())
        self._put(80, 320, f"Dear {self._name(single=True, title=True)} ,")
        self._put(80, 370, "Thank you for your letter about the water meter in the basement. Our engineer")
        self._put(
            80, 400, f"{self._name(title=True)} will visit on Monday between 10 and 12 o'clock. The invoice of 48.20"
        )
        self._put(80, 430, "euros has been cancelled. Please keep the pump room clear of boxes until then.")
        self._put(80, 480, f"You can call us on {self._phone()} or write to {self._mail()} at any time.")
        self._put(80, 530, "Reference: order 48213, filter model KX-20, warranty until March 2027.")
        self._put(80, 620, "Yours sincerely,")
        self._put(80, 700, self._name(initials=True))
        self._put(80, 730, "Head of Customer Service")

    def _card(self) -> None:
        if self._chance.random() < 0.5:
            self._put(40, 40, "MEMBERSHIP CARD", 30)
            for n, (label, value) in enumerate(
                (
                    ("Name", self._name()),
                    ("Date of Birth", self._birth()),
                    ("Card No.", "{" + self._digits(9) + "}"),
                    ("Valid until", "12/2028"),
                )
            ):
                self._put(40, 150 + 80 * n, label, 18)
                self._put(40, 176 + 80 * n, value, 26)
            return
        self._put(60, 60, self._name(), 36)
        self._put(60, 120, self._pick(("Regional Sales Manager", "Quality Assurance Engineer", "Purchasing")), 20)
        self._put(60, 160, self._pick(_SHOPS), 20)
        self._put(60, 300, f"Mobile: {self._phone()}", 20)
        self._put(60, 340, self._mail(), 20)
        self._put(60, 380, self._address(), 20)

    def _register(self) -> None:
        self._put(320, 50, "VISITOR REGISTER", 30)
        columns = ((50, "Name"), (330, "Company"), (540, "Phone"), (740, "Purpose"), (890, "In"))
        for x, head in columns:
            self._put(x, 140, head)
        for n in range(8):
            y = 200 + 60 * n
            self._put(50, y, self._name(), 18)
            self._put(330, y, self._pick(("Acme Ltd", "Tooltown", "Granary", "Self")), 18)
            self._put(540, y, self._phone(), 18)
            self._put(740, y, self._pick(_PURPOSES), 18)
            self._put(890, y, f"{self._chance.randrange(8, 18):02d}:{self._chance.randrange(60):02d}", 18)

    def _pick(self, options: Sequence[str]) -> str:
        return self._chance.choice(options)

    def _digits(self, count: int) -> str:
        return "".join(self._chance.choices("0123456789", k=count))

    def _name(self, *, single: bool = False, initials: bool = False, title: bool = False) -> str:
        given, surname = self._pick(_GIVEN.split()), self._pick(_SURNAMES.split())
        words = [surname if title else given] if single else [f"{given[0]}." if initials else given, surname]
        name = " ".join(words)
        name = name.upper() if self._kind in ("receipt", "card") and self._chance.random() < 0.6 else name
        return f"{{{self._pick(('Mr.', 'Ms.', 'Dr.'))} {name}}}" if title else f"{{{name}}}"

    def _phone(self) -> str:
        shape = self._pick(("(###) ###-####", "0## ####-####", "+44 20 7### ####", "###-###-####"))
        return "{" + "".join(self._chance.choice("23456789") if c == "#" else c for c in shape) + "}"

    def _mail(self) -> str:
        return f"{{{self._pick(_GIVEN.split()).lower()}.{self._pick(_SURNAMES.split()).lower()}@example.org}}"

    def _address(self) -> str:
        return f"{{{self._chance.randrange(2, 240)} {self._pick(_STREETS)}, {self._pick(_TOWNS)} {self._digits(5)}}}"

    def _date(self) -> str:
        return f"{self._chance.randrange(1, 29):02d}/{self._chance.randrange(1, 13):02d}/2026"

    def _birth(self) -> str:
        day, month, year = (
            self._chance.randrange(1, 29),
            self._chance.randrange(1, 13),
            self._chance.randrange(1950, 2004),
        )
        return f"{{{day:02d}/{month:02d}/{year}}}"

    def _passport(self) -> str:
        return "{" + self._pick("CDEKLX") + self._digits(8) + "}"

    def _card_number(self) -> str:
        return "{" + " ".join((f"4{self._digits(3)}", self._digits(4), self._digits(4), self._digits(4))) + "}"

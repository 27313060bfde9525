"""Registers, delivery lists and forms whose values nearly touch the next cell, with every cell known.

The widest values of a column end -2 to 8 pixels before the next column. Everything is made up by a seeded generator.
"""

from __future__ import annotations

import math
import random
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks._drawn_pages import FONTS
from models.media.pixels import Pixels

LAYOUTS: Final = ("register", "delivery", "form")
_FACES: Final = (
    "DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSansCondensed", "DejaVuSerifCondensed", "DejaVuSans-Bold",
    "DejaVuSerif-Italic", "DejaVuSansCondensed-Oblique",
)  # fmt: skip
_GIVEN: Final = """
    Mai Ottilie Bram Keziah Tobias Ngozi Rahel Anselm Priya Marek Ilse Dilip Joaquin Mirela Yusra Petra Colm Thuy
    Zoltan Amina Greta Luca Jürgen Zoë José Łukasz Çelik Søren Björn Renée Linh Agnieszka
"""
_SURNAMES: Final = """
    Nguyen Vandersloot Quillfeather Okonjo Mistelbach Tarnowski Pellingham Devarajan Ossowick Castellane Youssefi
    Lindqvist Fernsby Achterberg Rosenthal Delgado Nakagawa Sorrel Pike Müller Weiß García Dvořák Öztürk Lefèvre
    Kowalczyk Ibáñez Pham Ho Underhill
"""
_PEOPLE: Final = ("name", "host", "phone", "email")
_HEADERS: Final[dict[str, dict[str, Sequence[str]]]] = {
    "en": {
        "name": ("Name", "Visitor", "Full name", "Visitor name"), "host": ("Host", "Visiting", "To see"),
        "phone": ("Phone", "Mobile No.", "Tel."), "email": ("E-mail", "Email"), "company": ("Company",),
        "reason": ("Purpose", "Reason"), "in": ("In", "Time in"), "out": ("Out", "Time out"), "date": ("Date",),
        "no": ("No.",),
    },
    "de": {
        "name": ("Name", "Besucher"), "host": ("Ansprechpartner", "Gastgeber"), "phone": ("Telefon", "Handy"),
        "email": ("E-Mail",), "company": ("Firma",), "reason": ("Grund", "Zweck"), "in": ("Ankunft", "Von"),
        "out": ("Abfahrt", "Bis"), "date": ("Datum",), "no": ("Nr.",),
    },
    "fr": {
        "name": ("Nom", "Visiteur"), "host": ("Hôte", "Personne visitée"), "phone": ("Portable", "Téléphone"),
        "email": ("Courriel",), "company": ("Société", "Entreprise"), "reason": ("Motif",), "in": ("Arrivée",),
        "out": ("Départ",), "date": ("Date",), "no": ("No",),
    },
    "es": {
        "name": ("Nombre", "Visitante"), "host": ("Anfitrión", "Visita a"), "phone": ("Teléfono", "Móvil"),
        "email": ("Correo",), "company": ("Empresa",), "reason": ("Motivo",), "in": ("Entrada",), "out": ("Salida",),
        "date": ("Fecha",), "no": ("No.",),
    },
}  # fmt: skip
_COMPANIES: Final = (
    "Bolt GmbH", "Acme Ltd", "Tooltown", "Granary Bakery", "Blue Heron Trading", "Kopi Corner", "Self", "Elektro Wirth",
    "Hydraulik AG", "TransWay", "Northgate Hardware", "QuickParts SA", "Aqua Werke", "Zephyr Labs",
)  # fmt: skip
_REASONS: Final[dict[str, Sequence[str]]] = {
    "en": ("Delivery", "Meter reading", "Boiler service", "Interview", "Site visit", "Repair", "Audit", "Training"),
    "de": ("Lieferung", "Wartung", "Abholung", "Zählerstand", "Termin", "Reparatur", "Besprechung", "Prüfung"),
    "fr": ("Livraison", "Entretien", "Visite du site", "Réparation", "Relevé", "Formation", "Contrôle"),
    "es": ("Entrega", "Mantenimiento", "Recogida", "Visita", "Reparación", "Lectura", "Formación"),
}
_ITEMS: Final = (
    "Filter KX-20",
    "Pump seal",
    "Valve 3/4",
    "LED lamp",
    "Cable 10 m",
    "Toner black",
    "Gasket set",
    "Router",
)
_TITLES: Final[dict[str, Sequence[str]]] = {
    "register": ("VISITOR REGISTER", "Besucherliste", "Registre des visiteurs", "Registro de visitas"),
    "delivery": ("Delivery list", "Lieferliste", "Liste de livraison", "Lista de entregas"),
    "form": ("SERVICE REQUEST FORM", "Antrag auf Wartung", "Demande de service", "Solicitud de servicio"),
}
_PHONES: Final = ("0### #######", "+49 1## #######", "### ### ####", "0# ## ## ## ##", "(###) ###-####", "01##-#######")
_MARGIN_PX: Final = 40
_POOL: Final = 120
_TIGHT: Final = 0.45
"""Share of the cells that reach to the next column."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """A cell of the truth.

    Attributes:
        text: As drawn.
        row: Number of its row, from 0; the header row is -1.
        kind: ``name``, ``phone``, ... or ``label``.
        box: Left, top, right and bottom of its ink before the page was turned.
        tight: Whether it reaches to the next column.
    """

    text: str
    row: int
    kind: str
    box: tuple[float, float, float, float]
    tight: bool = False

    @property
    def personal(self) -> bool:
        """Whether the cell is to be hidden."""
        return self.kind in _PEOPLE


@dataclass(frozen=True, slots=True)
class DrawnTable:
    """A page with its cells.

    Attributes:
        pixels: RGB.
        angle: By which the page was turned about its middle, degrees against the clock.
        font_px: Size of the print.
    """

    name: str
    layout: str
    pixels: Pixels
    cells: tuple[TableCell, ...]
    angle: float
    font_px: int

    def turned(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the page lies in the picture."""
        return self._about_middle(x, y, -self.angle)

    def level(self, x: float, y: float) -> tuple[float, float]:
        """A point of the picture where it was before the page was turned."""
        return self._about_middle(x, y, self.angle)

    def _about_middle(self, x: float, y: float, degrees: float) -> tuple[float, float]:
        height, width = self.pixels.shape[:2]
        turn = math.radians(degrees)
        dx, dy = x - width / 2, y - height / 2
        return width / 2 + dx * math.cos(turn) - dy * math.sin(turn), height / 2 + dx * math.sin(turn) + dy * math.cos(
            turn
        )


def drawn_tables(count: int, seed: int) -> list[DrawnTable]:
    """The pages, the layouts in turn."""
    numbered = ((n, LAYOUTS[n % len(LAYOUTS)]) for n in range(count))
    return [_Table(f"{seed}-{n}", layout, random.Random(seed * 1000 + n)).drawn() for n, layout in numbered]


class _Table:
    def __init__(self, name: str, layout: str, chance: random.Random) -> None:
        self._name, self._layout, self._chance = name, layout, chance
        self._language = chance.choice(tuple(_HEADERS))
        self._size = chance.randrange(12, 31)
        self._font = ImageFont.truetype(str(FONTS / f"{chance.choice(_FACES)}.ttf"), self._size)
        self._gap = chance.randrange(-2, 9)
        self._cells: list[TableCell] = []
        self._texts: list[tuple[float, float, str]] = []
        self._columns: list[float] = []  # left edges, and the right edge of the table

    def drawn(self) -> DrawnTable:
        """The page with all its cells."""
        self._pitch = round(self._size * self._chance.uniform(1.5, 2.4))
        top = _MARGIN_PX + 3 * self._size
        rows = self._chance.randrange(6, 15)
        bottom = self._form(top, rows) if self._layout == "form" else self._table(top, rows)
        size = math.ceil(self._columns[-1]) + _MARGIN_PX, math.ceil(bottom) + 2 * _MARGIN_PX
        image = Image.new("RGB", size, (self._chance.randrange(235, 256),) * 3)
        canvas = ImageDraw.Draw(image)
        self._rules(canvas, top, bottom)
        title = _TITLES[self._layout][list(_HEADERS).index(self._language)]
        canvas.text((_MARGIN_PX, _MARGIN_PX), title, fill=(20,) * 3, font=self._font)
        for x, y, text in self._texts:
            canvas.text((x, y), text, fill=(self._chance.randrange(60),) * 3, font=self._font)
        angle = self._chance.choice((0.0, 0.0, self._chance.uniform(-1.2, 1.2)))
        ground = image.getpixel((0, 0))
        turned = image.rotate(angle, Image.Resampling.BICUBIC, fillcolor=ground)
        numbers = np.random.default_rng(self._chance.randrange(2**32))
        noise = numbers.normal(0, self._chance.choice((1, 6, 12)), (*size[::-1], 3))
        pixels = np.clip(np.asarray(turned, np.int16) + noise, 0, 255).astype(np.uint8)
        return DrawnTable(self._name, self._layout, pixels, tuple(self._cells), angle, self._size)

    def _rules(self, canvas: ImageDraw.ImageDraw, top: float, bottom: float) -> None:
        style = self._chance.choice(("none", "none", "rows", "grid", "columns"))
        shade = (self._chance.randrange(40, 180),) * 3
        thick = self._chance.choice((1, 1, 2))
        left, right = self._columns[0] - 5, self._columns[-1]
        if style in ("rows", "grid"):
            y = top - (self._pitch - self._size) / 2
            while y <= bottom + self._pitch:
                canvas.line((left, y, right, y), shade, thick)
                y += self._pitch
        if style in ("columns", "grid"):
            for x in (*(column - 4 for column in self._columns[:-1]), right):
                canvas.line((x, top - self._pitch / 2, x, bottom), shade, thick)

    def _table(self, top: float, rows: int) -> float:
        kinds = self._kinds()
        has_header = self._chance.random() < 0.85
        caps = self._chance.random() < 0.25
        x = float(_MARGIN_PX)
        for kind in kinds:
            self._columns.append(x)
            head = self._chance.choice(self._headers(kind)) if has_header else ""
            head = head.upper() if caps else head
            values, width = self._values(kind, rows, self._width(head))
            centred = kind in ("in", "out", "no", "date") and self._chance.random() < 0.3
            for row, (text, tight) in enumerate(((head, False), *values), -1):
                shift = (width - self._width(text)) / 2 if centred else 0.0
                y = top + (row + has_header) * self._pitch
                self._put(x + shift, y, text, row, "label" if row < 0 else kind, tight)
            x += width + self._gap
        self._columns.append(x + self._size)
        return top + (rows + has_header) * self._pitch

    def _kinds(self) -> list[str]:
        if self._layout == "delivery":
            personal = self._chance.sample(("name", "phone"), self._chance.randrange(1, 3))
            kinds = [*dict.fromkeys(("name", *personal)), *self._chance.sample(("item", "date", "in"), 2)]
            self._chance.shuffle(kinds)
            return ["no", *kinds]
        personal = ["name", *self._chance.sample(("host", "phone", "email"), self._chance.randrange(1, 3))]
        kinds = [*personal, *self._chance.sample(("company", "reason", "date"), self._chance.randrange(1, 3)), "in"]
        if self._chance.random() < 0.6:
            self._chance.shuffle(kinds)
        return [*kinds, "out"] if self._chance.random() < 0.4 else kinds

    def _form(self, top: float, rows: int) -> float:
        """Two pairs of label and value in a row; the value of the first nearly touches the label of the second."""
        colon = self._chance.choice(("", ":"))
        kinds = ["name", "phone", "email", "host", "name", "phone"]
        lefts = [self._chance.choice(kinds) for _ in range(rows)]
        rights = [self._chance.choice(("company", "reason", "in", "date", "name", "phone")) for _ in range(rows)]
        heads = [[self._chance.choice(self._headers(k)) + colon for k in side] for side in (lefts, rights)]
        x = float(_MARGIN_PX)
        for kinds_of_side, labels in zip((lefts, rights), heads, strict=True):
            self._columns.append(x)
            beside = max(map(self._width, labels)) + self._size * 0.8
            wide = {kind: self._values(kind, rows, 0.0)[0] for kind in dict.fromkeys(kinds_of_side)}
            values = [wide[kind][row] for row, kind in enumerate(kinds_of_side)]
            width = beside + max(self._width(text) for text, _ in values)
            for row, (kind, label, (text, tight)) in enumerate(zip(kinds_of_side, labels, values, strict=True)):
                y = top + row * self._pitch
                self._put(x, y, label, row, "label", False)
                self._put(x + width - self._width(text) if tight else x + beside, y, text, row, kind, tight)
            x += width + self._gap
        self._columns.append(x + self._size)
        return top + rows * self._pitch

    def _put(self, x: float, y: float, text: str, row: int, kind: str, tight: bool) -> None:
        if text:
            self._texts.append((x, y, text))
            left, top, right, bottom = self._font.getbbox(text)
            self._cells.append(TableCell(text, row, kind, (x + left, y + top, x + right, y + bottom), tight))

    def _width(self, text: str) -> float:
        return float(self._font.getlength(text))

    def _headers(self, kind: str) -> Sequence[str]:
        return ("Item",) if kind == "item" else _HEADERS[self._language][kind]

    def _values(self, kind: str, rows: int, at_least: float) -> tuple[list[tuple[str, bool]], float]:
        """Values of a column, each with whether it is tight, and the width that they need."""
        pool = sorted({self._value(kind) for _ in range(_POOL)}, key=lambda value: (self._width(value), value))
        width = max(self._width(pool[int(0.85 * (len(pool) - 1))]), at_least)
        tight = [v for v in pool if width - 3 <= self._width(v) <= width]
        loose = [v for v in pool if self._width(v) < width - 0.6 * self._size] or pool
        picked = []
        for _ in range(rows):
            is_tight = bool(tight) and self._chance.random() < _TIGHT
            picked.append((self._chance.choice(tight if is_tight else loose), is_tight))
        return picked, width

    def _value(self, kind: str) -> str:
        makers: dict[str, Callable[[], str]] = {
            "name": self._person, "host": self._person, "phone": self._phone, "email": self._mail,
            "company": lambda: self._chance.choice(_COMPANIES),
            "reason": lambda: self._chance.choice(_REASONS[self._language]),
            "item": lambda: self._chance.choice(_ITEMS),
            "in": self._time, "out": self._time, "no": lambda: str(self._chance.randrange(1, 100)),
            "date": lambda: f"{self._chance.randrange(1, 29):02d}.{self._chance.randrange(1, 13):02d}.2026",
        }  # fmt: skip
        return makers[kind]()

    def _person(self) -> str:
        given, surname = self._chance.choice(_GIVEN.split()), self._chance.choice(_SURNAMES.split())
        return self._chance.choice(
            (f"{given} {surname}", f"{given} {surname}", f"{surname}, {given}", f"{given[0]}. {surname}")
        )

    def _phone(self) -> str:
        return "".join(self._chance.choice("23456789") if c == "#" else c for c in self._chance.choice(_PHONES))

    def _mail(self) -> str:
        host = self._chance.choice(("example.org", "mail.example", "post.test"))
        return f"{_plain(self._chance.choice(_GIVEN.split()))}.{_plain(self._chance.choice(_SURNAMES.split()))}@{host}"

    def _time(self) -> str:
        return f"{self._chance.randrange(7, 19):02d}:{self._chance.randrange(60):02d}"


def _plain(word: str) -> str:
    """Lower-case ASCII letters of a word."""
    return unicodedata.normalize("NFKD", word.casefold()).encode("ascii", "ignore").decode()

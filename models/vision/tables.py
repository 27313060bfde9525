"""Tables: the header of a column says what its cells hold.

A visitor register often holds names that no classifier knows and numbers too short for any pattern.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from models.vision.geometry import centre, span_x, text_height
from models.vision.types import Box, OcrLine

# Headers of visitor lists and forms in English, German, French and Spanish; folded, see ``_fold``.
_TITLES: Final[dict[str | None, str]] = {
    "NAME": """name, names, full name, first name, last name, surname, family name, print name, your name, visitor,
        visitors, visitor name, visitors name, name of visitor, name of the visitor, guest, guest name, host, host name,
        customer, customer name, contact, contact person, visiting, to see, to meet, whom to meet, person to meet,
        person visited, meeting with, signature, signed, sign, initials,
        vorname, nachname, familienname, vor und nachname, name vorname, besucher, gast, gastgeber, ansprechpartner,
        unterschrift, nom, prenom, nom prenom, nom et prenom, nom du visiteur, visiteur, hote, personne visitee,
        nombre, nombres, apellido, apellidos, nombre y apellido, nombre y apellidos, visitante, visita a, anfitrion""",
    "PHONE": """phone, phone no, phone number, telephone, telephone no, tel, tel no, tel nr, ph no, mobile, mobile no,
        mobile number, mob no, cell, contact no, contact number, telefon, telefonnummer, handy, handynummer, mobil,
        portable, numero de telephone, telefono, numero de telefono, movil, celular""",
    "EMAIL": """email, e mail, mail, mail id, email id, email address, e mail address, e mail adresse, courriel,
        adresse mail, correo, correo electronico""",
    "ADDRESS": """address, home address, street, street address, residence, adresse, anschrift, wohnort, strasse,
        domicile, rue, direccion, domicilio""",
    "DOB": """date of birth, dob, birth date, born, geburtsdatum, geboren, geboren am, date de naissance, ne e le,
        fecha de nacimiento, nacimiento""",
    "PLATE": """plate, plate no, vehicle, vehicle no, vehicle number, car, car no, registration, license plate,
        kennzeichen, kfz kennzeichen, immatriculation, plaque, matricula, placa""",
    "PASSPORT": "passport, passport no, passport number, reisepass, pass nr, passeport, pasaporte",
    "ID": """id, id no, id number, id proof, identity no, aadhaar, aadhaar no, aadhar no, pan, pan no, ausweis,
        ausweisnummer, ausweis nr, piece d identite, numero de piece, dni, nie, dni nie, cedula""",
    None: """time, time in, time out, in, out, in time, out time, arrival, departure, date, purpose, purpose of visit,
        reason, company, badge, badge no, no, nr, sr no, s no, sl no, reading, meter, notes, remarks,
        uhrzeit, zeit, von, bis, ankunft, abfahrt, datum, zweck, grund, anliegen, firma, bemerkung,
        heure, arrivee, depart, motif, societe, entreprise, observations, hora, entrada, salida, fecha, motivo, empresa,
        observaciones""",
}
_HEADERS: Final = {" ".join(title.split()): kind for kind, titles in _TITLES.items() for title in titles.split(",")}
"""Header to entity type of its cells; None for a column that identifies nobody."""

# A row that is further from the last one than this many median distances is not part of the table.
_MAX_GAP: Final = 2.5


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line that is personal because of its column; offsets in code points of the line."""

    line: int
    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class _Header:
    box: Box
    type: str | None


def personal_cells(lines: Sequence[OcrLine], rows: Sequence[Sequence[int]]) -> list[Cell]:
    """Find the cells under personal headers.

    Args:
        lines: All lines of the page.
        rows: Indices into them, row by row, left to right (``geometry.rows``).
    """
    headers: list[_Header] = []
    cells: list[Cell] = []
    distances: list[float] = []
    above = 0.0
    for row in rows:
        here = median(centre(lines[i].box)[1] for i in row)
        if found := _headers(lines, row):
            headers, distances = found, []
        elif headers:
            usual = median(distances) if distances else 3 * median(text_height(h.box) for h in headers)
            if here - above > _MAX_GAP * usual:
                headers = []
                continue
            distances.append(here - above)
            cells += [cell for i in row for cell in _cells(i, lines[i], headers)]
        above = here
    return cells


def _headers(lines: Sequence[OcrLine], row: Sequence[int]) -> list[_Header]:
    """The headers of a header row, else nothing. It has two known headers or more, one of them personal."""
    known = [(lines[i].box, _fold(lines[i].text.reveal())) for i in row]
    headers = [_Header(box, _HEADERS.get(text)) for box, text in known]
    count = sum(text in _HEADERS for _, text in known)
    return headers if count >= 2 and any(h.type for h in headers) else []


def _fold(text: str) -> str:
    """Lower-case words without diacritics: "Prénom(s)" and "PRENOM" are the same; an ß is two letters."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("'", ""))
    return " ".join(re.findall(r"[a-z]+", "".join(c for c in plain if not unicodedata.combining(c))))


def _cells(index: int, line: OcrLine, headers: Sequence[_Header]) -> list[Cell]:
    text = line.text.reveal()
    if not any(c.isalnum() for c in text):
        return []
    left, right = span_x(line.box)
    covered = [h for h in headers if left < centre(h.box)[0] < right]
    if len(covered) < 2 or not line.words:
        kind = _column(line.box, headers).type
        return [Cell(index, 0, len(text), kind)] if kind else []
    cells, position = [], 0  # the detector joined two columns
    for word in line.words:
        start = text.index(word.text.reveal(), position)
        position = start + len(word.text)
        if kind := _column(word.box, headers).type:
            cells.append(Cell(index, start, position, kind))
    return cells


def _column(box: Box, headers: Sequence[_Header]) -> _Header:
    """The header of a cell: the nearest by left edge or by centre."""

    def distance(header: _Header) -> float:
        return min(abs(span_x(box)[0] - span_x(header.box)[0]), abs(centre(box)[0] - centre(header.box)[0]))

    return min(headers, key=distance)

"""Speaks what half a dozen invented people say about themselves, for the search of all that the system writes."""

from __future__ import annotations

import json
from pathlib import Path

from tests.data.make_speech import Recording, encode, join, room, speak

PEOPLE: tuple[tuple[str, str, str, str, str], ...] = (
    # Name, number as said and written, mailbox as said and written.
    (
        "Margaret Whitfield",
        "two one two, five five five, oh one eight seven",
        "2125550187",
        "margaret dot whitfield at example dot com",
        "margaret.whitfield@example.com",
    ),
    (
        "Oliver Pemberton",
        "six one seven, five five five, oh one seven three",
        "6175550173",
        "oliver dot pemberton at example dot org",
        "oliver.pemberton@example.org",
    ),
    (
        "Sandra Kowalski",
        "three one two, five five five, oh one four six",
        "3125550146",
        "sandra underscore kowalski at example dot net",
        "sandra_kowalski@example.net",
    ),
    (
        "Patrick Donnelly",
        "nine oh seven, five five five, oh double nine one",
        "9075550991",
        "patrick dot donnelly at example dot com",
        "patrick.donnelly@example.com",
    ),
    (
        "Victoria Hathaway",
        "five oh three, five five five, oh one two four",
        "5035550124",
        "victoria hathaway at example dot com",
        "victoriahathaway@example.com",
    ),
    (
        "Benjamin Fitzgerald",
        "seven one three, five five five, oh one six eight",
        "7135550168",
        "benjamin dot fitzgerald at example dot org",
        "benjamin.fitzgerald@example.org",
    ),
)
FILE = "voices.ogg"


def make(folder: Path, voice: Path, seed: int) -> list[Path]:
    """Write the recording and what it contains into the folder."""
    sentences, personal = [], []
    for name, phone, digits, mail, address in PEOPLE:
        sentences += [f"Hello, my name is {name}.", f"My phone number is {phone}.", f"My email is {mail}."]
        personal += [
            {"type": "NAME", "value": name, "spoken": name},
            {"type": "PHONE", "value": digits, "spoken": phone},
            {"type": "EMAIL", "value": address, "spoken": mail},
        ]
    clips = speak(sentences, voice, seed)
    whole = room(join(clips, [0.9] * len(clips)), seed)
    path = folder / FILE
    encode(whole, path, Recording("ogg", "ogg", "libopus", 48_000, 20_000))
    described = path.with_suffix(".json")
    content = {"language": "en", "say": " ".join(sentences), "personal": personal, "keep": []}
    described.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return [path, described]

"""Generated lines with addresses, numbers, shops and plain words. The published classifier labels them."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from models.training.name_texts import NameSource, common_words

FORMS = Path(__file__).resolve().parent / "form_sentences"
_SLOT = re.compile(r"\{(\w+)\}")

_LISTS = {
    "city": "Springfield;Leeds;Portland;Bristol;Austin;Houston;Chicago;Toronto;Manchester;Dublin;Lagos;Berlin;Hamburg;"
    "München;Köln;Leipzig;Wien;Zürich;Madrid;Sevilla;Valencia;Bogotá;Lima;Rosario;Paris;Lyon;Nantes;Lille;Genève;"
    "Bruxelles;Delhi;Mumbai;Pune;Jaipur;Lucknow;Kolkata;Chennai;Indore;Patna;Surat;Denver;Boise;Salem;Dayton;Aurora;"
    "Reading;York;Bath;Cork;Perth;San Jose;New Haven;Santa Fe;Fort Worth",
    "state": "Ohio;Texas;TX;CA;California;NY;New York;Florida;FL;Oregon;Kansas;Illinois;Nevada;WA;Kent;Bayern;Bihar;"
    "Punjab;Maharashtra",
    "country": "Spain;Italy;France;Germany;Portugal;Poland;Norway;Sweden;Finland;Denmark;Hungary;Austria;Switzerland;"
    "Tunisia;Morocco;Brazil;Mexico;Argentina;Chile;India;Japan;China;Kenya;Nigeria;Egypt;Greece;Cyprus;Iceland;Greenland;"
    "Netherlands;Belgium;Ireland;United Kingdom;USA;Canada;Australia;New Zealand;South Africa;Slovenia;Croatia",
    "kind": "Street;Road;Avenue;Lane;Drive;Court;Close;Way;Boulevard;Place;St;Rd;Ave;Ln;Dr;St.;Blvd;Straat;gatan;"
    "gate;tie;vej;ulica;utca;köz;Square;Terrace;Park",
    "noun": "Oak;Mill;Harbour;Station;Church;Elm;Maple;Park;Hill;Lake;King;Queen;Victoria;High;Main;First;Second;"
    "Washington;Garden;Cedar;Pine;Spring;North;River",
    "strasse": "Hauptstraße;Bahnhofstraße;Gartenweg;Lindenallee;Schulstraße;Am Markt;Kirchgasse;Bergstraße;Ringstraße;"
    "Mühlweg;Alte Gasse;Ulmenstr.",
    "month": "January;March;May;June;August;October;Dec;Feb;september;Juli;marzo;agosto;août;mars",
    "unit": "cubic meters;cubic metres;m3;kWh;kilowatt hours;litres;liters;gallons;meters;metres;cm;kg;tons;percent;"
    "bar;degrees;volts;amps;units;hours;minutes;days;nights;pieces;Kubikmeter;Kilowattstunden;Liter;Grad;Stück;"
    "metros cúbicos;kilovatios hora;litros;grados;mètres cubes;kilowattheures;degrés;litres;ghan meter",
    "shop": "Walmart;Tesco;Ikea;Lidl;Carrefour;Costco;Aldi;Hilton;Marriott;Netflix;Uber;Vodafone;Airtel;Siemens;Bosch;"
    "Acme Utilities;Northern Water;Delta Foods;Blue Fig Cafe;Pizza Corner;Tooltown;Printwell;Home Depot;Zalando",
    "number": "zero;one;two;three;four;five;six;seven;eight;nine;ten;eleven;twelve;twenty;thirty;fifty;hundred;null;"
    "eins;zwei;drei;vier;uno;dos;tres;cuatro;cinco;un;deux;trois;quatre;ek;do;teen;chaar;paanch",
}
_CHOICES = {name: tuple(values.split(";")) for name, values in _LISTS.items()}

_CHANGED_WORDS = 0.12
_SMALL_LETTERS = 0.35
_JOINED = 0.3


class FormSource:
    """Fills the lines of ``form_sentences``.

    Args:
        lists: Folder of the pinned name lists.
        people: Gives the names.
        chance: Decides everything.
    """

    def __init__(self, lists: Path, people: NameSource, chance: random.Random) -> None:
        self._people = people
        self._chance = chance
        self._frames = {p.stem: p.read_text(encoding="utf-8").splitlines() for p in sorted(FORMS.glob("*.txt"))}
        self._words = {language: common_words(lists, language) for language in self._frames}
        self._slots: dict[str, Callable[[str], str]] = {
            "num": lambda _: self._digits(chance.choice((1, 2, 2, 3, 3, 4, 5))),
            "small": lambda _: self._digits(chance.choice((1, 1, 2))) + chance.choice(("", "", "", "", "A", "b")),
            "zip": lambda _: self._digits(5) if chance.random() < 0.8 else f"{self._letters(2)}{self._digits(1)} 4TQ",
            "pin": lambda _: self._digits(6),
            "street": lambda of: f"{self._street_name(of)} {chance.choice(_CHOICES['kind'])}",
            "place": lambda _: self._place(),
            "phone": lambda _: self._phone(),
            "mail": lambda of: f"{people.name('g', of)}.{people.name('s', of)}@example.com".lower(),
            "url": lambda _: f"https://www.{chance.choice(_CHOICES['noun'])}.example/{self._digits(2)}".lower(),
            "code": lambda _: self._letters(chance.choice((0, 1, 2))) + self._digits(chance.choice((4, 6, 7, 8))),
            "ssn": lambda _: f"{self._digits(3)}-{self._digits(2)}-{self._digits(4)}",
            "tax": lambda _: f"{self._digits(2)}-{self._digits(7)}" if chance.random() < 0.6 else self._digits(11),
            "account": lambda _: self._digits(chance.choice((7, 8, 9, 10, 12))),
            "nine": lambda _: self._digits(9),
            "amount": lambda _: f"{chance.choice('$€£')}{self._digits(2)}.{self._digits(2)}",
            "date": lambda _: self._date(),
            "time": lambda _: f"{chance.randrange(24)}:{chance.randrange(60):02d}",
            "word": lambda of: chance.choice(self._words[of]),
        }  # fmt: skip

    def lines(self, count: int) -> Iterator[str]:
        """That many lines, a third of them English."""
        languages = [*self._frames, "en"]
        for _ in range(count):
            language = self._chance.choice(languages)
            line = self._line(language)
            if self._chance.random() < _JOINED:
                line = f"{line}{self._chance.choice(('. ', ', ', ' and ', chr(10)))}{self._line(language)}"
            yield line.lower() if self._chance.random() < _SMALL_LETTERS else line

    def altered(self, line: str, language: str) -> str:
        """The line with some of its words exchanged for common ones."""
        words = [
            self._chance.choice(self._words[language]) if self._chance.random() < _CHANGED_WORDS else word
            for word in line.split(" ")
        ]
        return " ".join(words)

    def _line(self, language: str) -> str:
        frame = self._chance.choice(self._frames[language])
        filled = _SLOT.sub(lambda slot: self._filling(slot[1], language), frame.replace(r"\n", "\n"))
        return self.altered(filled, language)

    def _filling(self, slot: str, language: str) -> str:
        if slot in _CHOICES:
            return self._chance.choice(_CHOICES[slot])
        return self._slots[slot](language) if slot in self._slots else self._people.name(slot, language)

    def _street_name(self, language: str) -> str:
        return (
            self._people.name("s", language) if self._chance.random() < 0.4 else self._chance.choice(_CHOICES["noun"])
        )

    def _place(self) -> str:
        """A town or a street that no list knows, or one that it does."""
        if self._chance.random() < 0.25:
            return self._chance.choice(_CHOICES["city"])
        name = self._people.name("s", self._chance.choice([*self._frames]))
        opening = self._chance.choice(("", "", "", "", "San ", "Saint-", "Bad ", "Villa ", "Nova ", "Alto de ", "El "))
        ending = self._chance.choice(
            ("", "", "ville", "stad", "ino", "burg", "ia", "holm", " Alta", " do Sul", "pur", "ö")
        )
        return opening + name + ending

    def _phone(self) -> str:
        shape = self._chance.choice(
            ("(###) ###-####", "###-###-####", "+## #### ######", "##########", "0## ### ## ##")
        )
        return "".join(self._digits(1) if c == "#" else c for c in shape)

    def _date(self) -> str:
        day, month = self._chance.randrange(1, 29), self._chance.randrange(1, 13)
        return self._chance.choice(
            (f"{month}/{day}/2024", f"{self._chance.choice(_CHOICES['month'])} {day}", f"{day}.{month}.2025")
        )

    def _digits(self, count: int) -> str:
        return "".join(self._chance.choices(string.digits, k=count))

    def _letters(self, count: int) -> str:
        return "".join(self._chance.choices("ABCDEFGHJKLMNPRSTUVWXYZ", k=count))

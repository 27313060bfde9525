"""What the files of a language may hold. The loader checks each file; docs/reference/lexicons.md lists the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final


class Form(Enum):
    """What the entries of a file are."""

    WORDS = "words"
    TABLES = "tables of words"
    """Each key has a mapping from a value to its words."""
    EXPRESSIONS = "regular expressions"
    """Each entry is compiled, and matches whole words of text in small letters."""


@dataclass(frozen=True)
class Subject:
    """One file of a language.

    Attributes:
        about: What it is for, and what is missing without it.
        form: What its entries are.
        keys: Each key that it may have, and what it holds; empty if the module that reads the file checks them.
        required: Keys that it must have.
    """

    about: str
    form: Form = Form.WORDS
    keys: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    required: tuple[str, ...] = ()


_ASKED: Final = {
    kind: f"Words of questions after which the answer is {what}."
    for kind, what in {
        "PHONE": "a telephone number",
        "EMAIL": "an e-mail address",
        "NAME": "a name",
        "DOB": "a date of birth or an age",
        "ADDRESS": "an address",
        "ID": "the number of a person, a card, an account or a car",
        "READING": "the number of a thing, an amount or a time, which may stay",
    }.items()
}

_LABELLED: Final = ("NAME", "PHONE", "EMAIL", "ADDRESS", "DOB", "PLATE", "PASSPORT", "ID")

SUBJECTS: Final[Mapping[str, Subject]] = MappingProxyType(
    {
        "announcements": Subject(
            "Words that announce a value: 'my number is'. Without it a value is found by its shape only.",
            Form.EXPRESSIONS,
        ),
        "codes": Subject(
            "Names of secret codes of digits. Without it they are found by an announcement only.",
            Form.EXPRESSIONS,
            {
                "short": "Codes of cards and doors, of three digits or more.",
                "long": "Codes that machines have, too, of four digits or more.",
                "at_a_door": "Words after a code that is entered at a door.",
                "sent": "Words for a code that somebody was sent.",
                "ends": "Words before the last digits of a card or an account.",
            },
        ),
        "commands": Subject(
            "What people say to whoever asks them. Without it only the English words are known.",
            keys={
                "skip": "Words that skip a question.",
                "back": "Words that go back to the question before.",
                "polite": "Words that may stand around them.",
                "answers": "Words that answer, hold or correct a talk, and name nobody.",
            },
        ),
        "common_words": Subject(
            "Hindi words that are no names, looked up by their sound.",
            keys={"words": "Words.", "verbs": "Stems of verbs.", "endings": "Endings of verbs."},
        ),
        "dates": Subject(
            "Words around dates. Without it a date of birth is found in speech only.",
            Form.EXPRESSIONS,
            {
                "birth": "Words for birth.",
                "birth_right_before": "Abbreviations for birth that count only right before a date.",
                "days": "Days of a month as ordinals.",
                "months_beside_days": "Names of months that count only beside a day: short forms, misspellings.",
            },
            ("birth",),
        ),
        "documents": Subject(
            "Words by which the kind of a document is recognised. Without it only its layout tells.",
            keys={
                **{kind: f"Words of a {kind}." for kind in ("receipt", "letter", "card", "form")},
                "goods": "Headers of the columns of a list of goods.",
                "totals": "Words of the rows after the goods.",
            },
        ),
        "file_names": Subject(
            "Words of names of files: 'dash', 'left'. Without it a name of one word is hidden as a name of a person.",
            keys={"all": "Words."},
            required=("all",),
        ),
        "function_words": Subject(
            "Pronouns, auxiliaries and greetings. Without it partials show them two words later.",
            keys={"all": "Every function word.", "complete": "Those with which hardly any name begins."},
            required=("all",),
        ),
        "initials": Subject(
            "Words before a person who is named by an initial. Without it such a person stays readable.",
            keys={"before": "Words.", "letters": "Letters that are words or unknowns, too."},
        ),
        "introductions": Subject(
            "Words before names. Without it a name is found by the classifier only.",
            Form.EXPRESSIONS,
            {
                "titles": "Titles. One that begins with a small letter stays readable.",
                "cues": "Words that introduce a name: 'my name is'.",
                "sure": "Parts of cues after which even a word in small letters is a name.",
                "people": "Words for people, and verbs that name them: 'daughter', 'called'.",
            },
        ),
        "labels": Subject(
            "Labels and column headers of documents, without accents. Without it the values after them count as text.",
            keys={
                **{kind: f"Labels of {kind}: their values are personal." for kind in _LABELLED},
                "column": "Columns of a register that identify nobody.",
                "company": "The column of a register with companies.",
                "person": "Words of labels after which a person is named or reached.",
                "thing": "Words of labels whose short value names a thing.",
                "text": "Words of labels whose value is free text, which may mention people.",
            },
        ),
        "months": Subject(
            "Names of months. Without it a date with the name of its month stays readable.",
            keys={"all": "Whole names, with every spelling.", "short": "Short forms."},
            required=("all",),
        ),
        "number_cues": Subject(
            "Words before numbers. Without it the number of a thing is hidden.",
            Form.EXPRESSIONS,
            {
                "of_things": "The number after it is a reading, an amount or a reference number.",
                "of_people": "The number after it identifies a person.",
            },
        ),
        "passwords": Subject(
            "Words before passwords. Without it a password is found after an English word only.",
            Form.EXPRESSIONS,
            {"keywords": "Names of a password.", "verbs": "Verbs between the keyword and the password."},
            ("keywords", "verbs"),
        ),
        "postcode": Subject(
            "Words before postcodes. Without it a postcode of digits is found beside a town only.",
            keys={"all": "Words."},
        ),
        "postcodes": Subject("Shapes of postcodes by country."),
        "regions": Subject("Regions that stand before a postcode, by country."),
        "questions": Subject(
            "Words of the assistant's questions. Without it a bare answer is judged by its shape.",
            Form.EXPRESSIONS,
            {"request": "Words of a request that has no question mark.", **_ASKED},
        ),
        "spelling": Subject(
            "Words of spelling. Without it only English spelling words are known.",
            keys={
                "phonetic": "Words of the telephone alphabet; each stands for its first letter.",
                "joiners": "Words between two numbers that belong together.",
                "letters_as_words": "Letters that are words, too.",
            },
        ),
        "spoken": Subject(
            "Spoken numbers, signs and letters. Without it spoken numbers and e-mail addresses stay readable.",
            Form.TABLES,
            {
                "numbers": "Digits, and the words for them.",
                "scales": "Zeros that a word appends.",
                "repeats": "How often a word repeats the digit after it.",
                "signs": "Signs, and the words for them.",
                "letters": "Letters, and names of them that are no other words.",
                "letter_words": "Letters, and names of them that are common words, too.",
                "ordinals": "Days of a month as ordinals.",
                "more_numbers": "Words that count only in a number on its own.",
                "inner_digits": "What recognition writes for a digit between other digits.",
                "letter_sounds": "What recognition writes for a letter after other letters.",
            },
            ("numbers", "signs"),
        ),
        "streets": Subject(
            "Kinds of streets, by the order of number, name and kind. Without it only the classifier finds streets.",
            Form.EXPRESSIONS,
            {
                "number_name_kind": "'14 Elm Street'.",
                "number_kind_name": "'12 rue de la Paix'.",
                "kind_name_number": "'calle mayor 5'. No other words of the language.",
                "kind_capital_number": "'Via Roma 10'. Other words, too, so the name needs a capital.",
                "capital_kind_number": "'Atatürk Caddesi 12'. The name needs a capital.",
                "name_kind_number": "'lange Gasse 3'.",
                "name_ending_number": "'Hauptstraße 12'.",
                "capital_ending_number": "'Marktplatz 12', 'Alter Weg 3'. Other words end so, too.",
                "units": "Words before the number of a flat or a house: 'flat 4b'.",
                "floors": "After the number of a floor.",
            },
        ),
        "stopwords": Subject(
            "Common words that the classifier takes for names. Without it they are hidden.",
            keys={
                "all": "Words that are nobody's name.",
                "lowercase": "Words that are names only with a capital.",
                "loans": "Loan words in Devanagari.",
            },
        ),
        "units": Subject(
            "Units and counted things. Without it a number before one is hidden.",
            Form.EXPRESSIONS,
            {"after": "Units that stand after their number, as whole words."},
            ("after",),
        ),
    }
)
"""The files that a folder of a language may have."""

"""What the files of a language may hold. The loader checks each file; docs/reference/lexicons.md lists the keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from models.redaction.lexicons.form import Form, Subject
from models.redaction.lexicons.value_subjects import VALUE_SUBJECTS

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

_OTHERS: Final = {
    "announcements": Subject(
        "Words that announce a value: 'my number is'. Without it a value is found by its shape only.",
        Form.EXPRESSIONS,
    ),
    "commands": Subject(
        "What people say to whoever asks them. Without it only the English words are known.",
        keys={
            "skip": "Words that skip a question.",
            "back": "Words that go back to the question before.",
            "polite": "Words that may stand around them.",
            "answers": "Words that answer, hold or correct a talk, and name nobody.",
            "greetings": "Words that greet or thank. Alone in a clause they name nobody.",
            "addresses": "Words after a greeting that name nobody: 'pal'.",
        },
    ),
    "common_words": Subject(
        "Hindi words that are no names, looked up by their sound.",
        keys={"words": "Words.", "verbs": "Stems of verbs.", "endings": "Endings of verbs."},
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
        keys={
            "all": "Every function word.",
            "complete": "Those with which hardly any name begins.",
            "articles": "Articles. One may lead a name.",
            "copulas": "Forms of 'to be' between the name of a value and the value.",
        },
        required=("all",),
    ),
    "initials": Subject(
        "Words before a person who is named by an initial. Without it such a person stays readable.",
        keys={
            "before": "Words.",
            "letters": "Letters that are words or unknowns, too.",
            "between": "Words between two letters of a range.",
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
    "questions": Subject(
        "Words of the assistant's questions. Without it a bare answer is judged by its shape.",
        Form.EXPRESSIONS,
        {
            "request": "Words of a request that has no question mark.",
            **_ASKED,
            "fillers": "Words around an answer that are no part of it.",
            "refusals": "Words of an answer that does not give what was asked for.",
        },
    ),
    "spelling": Subject(
        "Words of spelling. Without it only English spelling words are known.",
        keys={
            "phonetic": "Words of the telephone alphabet; each stands for its first letter.",
            "joiners": "Words between two numbers that belong together.",
            "fillers": "Words that may also stand there once two numbers were said: 'yes'.",
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
            "together": "Words or signs, and the several words that stand for them.",
        },
        ("numbers", "signs"),
    ),
    "stopwords": Subject(
        "Common words that the classifier takes for names. Without it they are hidden.",
        keys={
            "all": "Words that are nobody's name.",
            "lowercase": "Words that are names only with a capital.",
            "loans": "Loan words in Devanagari.",
        },
    ),
}

SUBJECTS: Final[Mapping[str, Subject]] = MappingProxyType(dict(sorted({**_OTHERS, **VALUE_SUBJECTS}.items())))
"""The files that a folder of a language may have."""

__all__ = ["SUBJECTS", "Form", "Subject"]

"""Numbers of patients, clinicians and insurers, by their shape and checksum.

``national_id`` finds what a word introduces directly. Must NOT match: telephone numbers (an NPI has ten digits too, so
it needs its word), batch and lot numbers.
"""

from __future__ import annotations

import re

from stdnum import luhn

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless


def check_npi(text: str) -> bool | None:
    """Luhn over 80840, the prefix of American health cards, and the ten digits."""
    digits = re.sub(r"\D", "", text)
    return bool(luhn.is_valid("80840" + digits))


NPI = PatternRecognizer(
    entity="MEDICAL_ID",
    name="npi",
    needs="0",
    patterns=(Pattern(re.compile(r"(?<![\w.+-])[12]\d{3}[ -]?\d{3}[ -]?\d{3}(?![\w-]|\.\d)"), 0.2),),
    # A right checksum alone is weak evidence: one number in ten has it, and telephone numbers have ten digits too.
    check=lambda text: None if check_npi(text) else False,
    failed_factor=0.6,
    unless=is_harmless,
    context=words("npi", "national provider", "provider (?:id|number|identifier)", "prescriber", "physician"),
)


def check_dea(text: str) -> bool | None:
    """Last digit of (1st + 3rd + 5th) + 2 (2nd + 4th + 6th) is the seventh."""
    d = [int(c) for c in text if c.isdigit()]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


DEA = PatternRecognizer(
    entity="MEDICAL_ID",
    name="dea",
    needs="0",
    patterns=(Pattern(re.compile(r"(?<![\w-])[ABCDEFGHJKLMPRSTUX][A-Z9]\d{7}(?![\w-])"), 0.5),),
    check=check_dea,
    unless=is_harmless,
    context=words("dea", "prescriber", "registration"),
)


def check_health_card(text: str) -> bool | None:
    """German insurance number: the letter as two digits, then Luhn's weights from the left, last digit checks."""
    letter = f"{ord(text[0].upper()) - 64:02d}"
    digits = letter + text[1:9]
    total = sum(sum(divmod(int(digit) * (1 + place % 2), 10)) for place, digit in enumerate(digits))
    return total % 10 == int(text[9])


HEALTH_CARD = PatternRecognizer(
    entity="MEDICAL_ID",
    name="health-card",
    needs="0",
    patterns=(Pattern(re.compile(r"(?<![\w-])[A-Z]\d{9}(?![\w-])"), 0.5, name="de"),),
    check=check_health_card,
    unless=is_harmless,
    context=words(
        "krankenkasse",
        "krankenversicherung",
        "versicherten(?:nummer)?",
        "versichertennr",
        "gesundheitskarte",
        "kvnr",
        "insurance",
        "health",
    ),
)

MEDICARE = PatternRecognizer(
    entity="MEDICAL_ID",
    name="medicare",
    needs="0",
    # 1EG4-TE5-MK73: positions of letters and digits are fixed, S, L, O, I, B and Z do not occur.
    patterns=(
        Pattern(
            re.compile(
                r"(?<![\w-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?"
                r"[AC-HJKMNP-RT-Y]{2}\d{2}(?![\w-])"
            ),
            0.9,
        ),
    ),
)

RECORD = PatternRecognizer(
    entity="MEDICAL_ID",
    name="record",
    needs="0",
    patterns=(
        Pattern(re.compile(r"(?<![\w.-])[A-Z]{0,3}-?\d{6,10}(?![\w-]|\.\d)"), 0.15, name="number"),
        Pattern(
            re.compile(r"(?<![\w-])[A-Z]{2,4}[- ]?\d{3,4}[- ]\d{3,4}(?:[- ]\d{2,4})?(?![\w-])"), 0.2, name="groups"
        ),
    ),
    unless=is_harmless,
    context=words(
        "mrn",
        "medical record",
        "patient(?:en)?(?: id| number| no| file)?",
        "hospital (?:id|number)",
        "chart number",
        "health plan",
        "patientennummer",
        "historia clínica",
        "número de paciente",
        "numéro de patient",
        "dossier médical",
        "मरीज़",
        "रोगी",
    ),
)

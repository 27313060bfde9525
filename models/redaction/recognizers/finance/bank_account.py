"""Bank accounts other than IBAN: routing numbers, sort codes, branch codes, and the accounts beside them.

Must NOT match: dates written like sort codes (``12-05-24``), amounts, meter readings. A bank's own code identifies
nobody, but the account number usually stands beside it.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, digits_of, words
from models.redaction.recognizers.filters.quantity_context import is_harmless


def check_routing(text: str) -> bool | None:
    """Weights 3, 7, 1 over nine digits give a multiple of ten (ABA)."""
    digits = [int(d) for d in digits_of(text)]
    return sum(d * (3, 7, 1)[place % 3] for place, d in enumerate(digits)) % 10 == 0


ROUTING = PatternRecognizer(
    entity="ACCOUNT",
    name="routing",
    needs="0",
    patterns=(Pattern(re.compile(r"(?<![\w.+-])[0-3]\d{8}(?![\w-]|\.\d)"), 0.2),),
    check=lambda text: None if check_routing(text) else False,
    failed_factor=0.6,
    unless=is_harmless,
    context=words("routing", "aba", "rtn", "wire", "ach", "direct deposit", "bank"),
)

BRANCH = PatternRecognizer(
    entity="ACCOUNT",
    name="branch",
    needs="0",
    patterns=(
        # HDFC0001234: four letters of the bank, a zero, the branch.
        Pattern(re.compile(r"(?<![\w-])[A-Z]{4}0[A-Z0-9]{6}(?![\w-])", re.IGNORECASE), 0.35, name="ifsc"),
        Pattern(re.compile(r"(?<![\w/.-])\d{2}[- ]\d{2}[- ]\d{2}(?![\w/.-]| \d)"), 0.15, name="sort-code"),
        # A sort code and the account after it: 20-00-00 55779911.
        Pattern(
            re.compile(
                r"(?<![\w/.-])\d{2}-\d{2}-\d{2}[ ,/]{1,3}(?:a/?c(?: no\.?)? )?\d{8}(?![\w-]|\.\d)", re.IGNORECASE
            ),
            0.75,
            name="sort-code-account",
        ),
        Pattern(re.compile(r"(?<![\w-])\d{3,4}[ -]\d{4}[ -]\d{2}[ -]\d{10}(?![\w-])"), 0.75, name="es-ccc"),
    ),
    unless=is_harmless,
    context=words("ifsc", "ifsc code", "sort ?codes?", "branch code", "neft", "rtgs", "imps"),
)

ACCOUNT = PatternRecognizer(
    entity="ACCOUNT",
    name="account-number",
    needs="0",
    patterns=(Pattern(re.compile(r"(?<![\w.+/-])(?<!\d[ .,])\d(?:[ -]?\d){5,17}(?![\w-]|[.,:]\d|[ -]\d)"), 0.12),),
    check=lambda text: None if 6 <= len(digits_of(text)) <= 18 else False,
    failed_factor=0.0,
    unless=is_harmless,
    context=words(
        "account (?:number|no|num|nr)",
        "acct (?:number|no)",
        "a/c(?: no)?",
        "bank account",
        "my account is",
        "kontonummer",
        "konto(?:nr)?",
        "número de cuenta",
        "cuenta bancaria",
        "numéro de compte",
        "compte bancaire",
        "numero di conto",
        "खाता (?:संख्या|नंबर)",
        "बैंक खाता",
    ),
)

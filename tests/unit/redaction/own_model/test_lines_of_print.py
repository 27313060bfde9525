"""Lines of print with a model of one's own: what it finds clears no doubt about a line."""

from __future__ import annotations

import random

from models.redaction.policy.loader import parse_policies
from models.redaction.policy.policy import STRICT
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import TextSource
from models.vision.geometry import rows
from models.vision.line_redaction import redact_lines
from models.vision.types import OcrLine
from tests.unit.redaction.own_model.made import UNSEEN
from tests.unit.redaction.own_model.test_own_values import EveryNth, local
from tests.unit.vision.pictures import line

OCR = RedactionContext(TextSource.OCR)


def are_safe(lines: list[OcrLine], redactor: LocalRedactor) -> list[bool]:
    """Whether each line may go to the LLM."""
    return [text.safe_for_llm for text in redact_lines(lines, rows(lines), redactor, OCR).texts]


def test_a_part_of_a_doubted_number_makes_its_line_no_safer() -> None:
    lines = [line("the lid says 481 5162 ok", 100, 50), line("all is well", 100, 75)]
    own = EveryNth(words=("5162",))
    assert are_safe(lines, local()) == [False, True]
    assert "5162" not in redact_lines(lines, rows(lines), local(own), OCR).texts[0].value
    assert are_safe(lines, local(own)) == [False, True]


def test_a_line_that_is_unsafe_without_the_model_is_unsafe_with_it() -> None:
    chance, doubted, cleared = random.Random(11), 0, 0
    policies = (STRICT, parse_policies("default: {operators: {ID: keep}}"))
    for _ in range(25):
        numbers = [chance.choice((" ", "-")).join(str(chance.randint(10, 9999)) for _ in range(2)) for _ in range(3)]
        lines = [
            line(f"{chance.choice(UNSEEN)} {number} maria {chance.choice(UNSEEN)}", 100, 50 + 25 * place)
            for place, number in enumerate(numbers)
        ]
        for policy in policies:
            without = are_safe(lines, local(policies=policy))
            own = are_safe(lines, local(EveryNth(chance.choice((1, 2, 3))), policy))
            assert all(before or not after for before, after in zip(without, own, strict=True)), numbers
            doubted += without.count(False)
            cleared += own.count(True)
    assert doubted > 10
    assert cleared > 10, "else every line is unsafe, and this shows nothing"

"""No text can make redaction slow: every expression in the package is walked, and known tricks are refused."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

import models.redaction
from models.redaction.normalize.view import original
from models.redaction.patterns.pattern_recognizer import PatternRecognizer
from models.redaction.patterns.regex_analysis import least_digits
from models.redaction.recognizers.all import ALL
from models.redaction.types import RedactionContext
from tests.unit.redaction.regex_cost import Endless, ways

LIMIT = 20_000
"""Ways at one place of a text: a constant, so the whole is linear. Most expressions have fewer than ten."""

READS_OUR_OWN_FILES = {
    # 500 characters of a policy file at most.
    ("models.redaction.policy.custom_recognizers", "_TOKEN"),
    # Word lists, line by line, when a list is built.
    ("models.redaction.ner.gazetteer", "_BRACKETS"),
}
WITHIN_CAPITALS = {("models.redaction.recognizers.person.spelled_name", "_RUN"): 200_000}
"""Several kinds of words in capitals can begin alike."""


def expressions() -> Iterator[tuple[str, str, re.Pattern[str]]]:
    """(module, name, expression) of all that are reachable from the modules of the package."""
    for info in pkgutil.walk_packages(models.redaction.__path__, "models.redaction."):
        yield from _reachable(importlib.import_module(info.name))


def _reachable(module: ModuleType) -> Iterator[tuple[str, str, re.Pattern[str]]]:
    waiting = [(name, value) for name, value in vars(module).items() if not name.startswith("__")]
    seen: set[int] = set()
    while waiting:
        name, value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, re.Pattern):
            yield module.__name__, name, value
        elif isinstance(value, tuple | list):
            waiting += [(name, item) for item in value]
        elif isinstance(value, dict):
            waiting += [(name, item) for item in value.values()]
        elif getattr(type(value), "__module__", "").startswith("models.redaction") or (
            isinstance(value, type) and value.__module__.startswith("models.redaction")
        ):
            names = sorted({*getattr(value, "__slots__", ()), *getattr(value, "__dict__", {})})
            waiting += [(f"{name}.{n}", getattr(value, n)) for n in names if hasattr(value, n)]


UNIQUE = {regex.pattern: (module, name, regex) for module, name, regex in expressions()}
MODULES = sorted({module for module, _, _ in UNIQUE.values()})


def test_all_expressions_of_the_package_are_collected() -> None:
    assert len(UNIQUE) > 200


@pytest.mark.parametrize("module", MODULES)
def test_the_work_of_every_expression_is_bounded(module: str) -> None:
    found = [(name, regex) for of, name, regex in UNIQUE.values() if of == module]
    for name, regex in found:
        if (module, name) not in READS_OUR_OWN_FILES:
            assert ways(regex) <= WITHIN_CAPITALS.get((module, name), LIMIT), (name, regex.pattern)


@pytest.mark.parametrize("pattern", [r"(a+)+b", r"(a|a)*b", r"\d+\w*x", r"(\w+\s?)*:", r"a*a*b", r"(?:x+x+)+y", r".*@"])
def test_unbounded_expensive_expressions_are_refused(pattern: str) -> None:
    with pytest.raises(Endless):
        ways(re.compile(pattern))


@pytest.mark.parametrize("pattern", [r"(?:\d{1,9}[ -]?){1,9}x", r"(?:a{1,30}){1,12}b", r"(?:a|ab|abc?){1,20}d"])
def test_bounded_expensive_expressions_exceed_the_limit(pattern: str) -> None:
    assert ways(re.compile(pattern)) > LIMIT


@pytest.mark.parametrize(
    ("pattern", "most"),
    [
        (r"\d{1,6}-\d{1,6}-", 1),
        (r"\d{1,6}\w-", 1),
        (r"\d{1,6}\w{1,6}!", 6),
        (r"[a-z]{1,9}a{1,9}z", 81),
        (r"(?:ab|cd){1,9}e", 1),
    ],
)
def test_simple_expressions_have_few_ways_to_match(pattern: str, most: int) -> None:
    assert ways(re.compile(pattern)) <= most


@pytest.mark.parametrize(
    ("pattern", "digits"),
    [
        (r"\d{4}-\d{2}", 6),
        (r"(?:\d{3}|[0-9]{5})x?", 3),
        (r"[A-Z\d]{9}", 0),
        (r"a?\d?", 0),
        (r"(?:\d[ -]?){4,9}", 4),
        ("7", 1),
    ],
)
def test_least_digits_is_a_lower_bound(pattern: str, digits: int) -> None:
    assert least_digits(re.compile(pattern)) == digits


def test_the_prefilter_skips_only_texts_without_a_match() -> None:
    texts = [
        "",
        "call me",
        "on 4 July 1974",
        "4111 1111 1111 1111",
        "age 94",
        "calle mayor 5",
        "Storgatan 52",
        "bearer x",
        "eine 94-jährige Dame",
        "il est âgé de 94",
    ]
    for text in texts:
        view = original(text)
        for recognizer in ALL:
            if isinstance(recognizer, PatternRecognizer):
                for least, hints, _context, pattern in recognizer.quick_tests:
                    skipped = least > view.digits or (hints and not view.has_any(hints))
                    assert not skipped or pattern.regex.search(text) is None


@pytest.mark.parametrize(
    "seed", ["a ", "1 ", "A1 ", "calle ", "12 Elm ", "P<", "account ", "corner of A and ", "9", "A-"]
)
def test_matches_per_character_do_not_grow_with_the_text(seed: str) -> None:
    context = RedactionContext()

    def found(length: int) -> int:
        view = original((seed * length)[:length])
        return sum(1 for recognizer in ALL for _ in recognizer.find(view, context))

    assert found(2_000) <= 11 * max(1, found(200)) + 20

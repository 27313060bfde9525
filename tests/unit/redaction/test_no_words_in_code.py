"""Words of a language are data in the lexicons. No file of the package lists them."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

import models.redaction
from models.redaction.lexicons.loader import languages, word_lists

PACKAGE = Path(models.redaction.__file__).parent

MOST = 3
"""Words that one expression may list. A few, such as two units of time, are no list of a language."""

_WORD = re.compile(r"[^\W\d_]{3,}(?:['\u2019 -][^\W\d_]+)*")
_GROUPS = re.compile(r"\(\?P<\w+>|\\[a-zA-Z]|\[[^\]]*\]")
_ALTERNATIVE = re.compile(r"(?:(?<=[|:(])|^)([^\W\d_]{3,})(?=[|)?]|$)")


def _names_of_lists(subject: str) -> set[str]:
    """Names of the lists of a subject, whole and in their parts: "nouns_PHONE" is the list of nouns for telephones."""
    names = {name for language in languages(subject) for name in word_lists(language, subject)}
    return names | {part for name in names for part in name.split("_")}


NO_LANGUAGE: dict[str, Collection[str]] = {
    # names of activations
    "adding/network.py": {"gelu", "relu", "silu", "tanh"},
    # names of views
    "explain.py": {"original", "folded", "numerals", "print", "spaced", "spoken", "transliterated"},
    # kinds of documents
    "lexicons/schema.py": {"card", "form", "letter", "receipt"},
    # names of arrays
    "ner/name_head.py": {"bias", "features", "out", "states"},
    # names of recognizers
    "postprocess/document_rules.py": {
        "case-number", "introduced-name", "number", "phone", "repeated-name", "titled-name",
    },
    "postprocess/expected_answer.py": {"coded", "open-end", "phone", "short-phone", "spelled"},
    # military post, as it is written
    "recognizers/address/street.py": {"apo", "cmr", "dpo", "fpo", "psc", "unit"},
    # providers and ends of hosts
    "recognizers/contact/email.py": {
        "aol", "gmx", "hotmail", "icloud", "live", "mail", "outlook", "web", "yahoo", "com", "net", "org",
    },
    # names of parameters
    "recognizers/secrets/credentials.py": {"aws", "key", "secret", "token"},
    # names of lists
    "recognizers/secrets/passphrase.py": _names_of_lists("passwords"),
    "slots/announcements.py": _names_of_lists("announcements"),
}  # fmt: skip
"""Modules that list words of no language, and those words."""

WITH_HOSTS = "recognizers/contact/url.py"
"""Lists hosts, parameters and schemes, too many to repeat here."""


def listed_words(source: str) -> Iterator[tuple[int, list[str]]]:
    """Line and words of each expression of a module that lists words in small letters."""
    tree = ast.parse(source)
    texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in texts:
            yield node.lineno, _ALTERNATIVE.findall(_GROUPS.sub("", node.value)) if "|" in node.value else []
        elif isinstance(node, ast.Call):
            yield node.lineno, list(_split(node))
            if getattr(node.func, "id", "") == "words":
                yield node.lineno, _constants(node.args)
        elif isinstance(node, ast.Set | ast.Tuple | ast.List):
            yield node.lineno, _constants(node.elts)


def _split(call: ast.Call) -> Iterator[str]:
    """The words of ``"...".split()``."""
    function = call.func
    if isinstance(function, ast.Attribute) and function.attr == "split" and isinstance(function.value, ast.Constant):
        yield from filter(_WORD.fullmatch, str(function.value.value).split())


def _constants(nodes: list[ast.expr]) -> list[str]:
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if _WORD.fullmatch(text) and text.islower()]


@pytest.mark.parametrize(
    "module", sorted({str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")} - {WITH_HOSTS})
)
def test_a_module_lists_no_words_of_a_language(module: str) -> None:
    allowed = NO_LANGUAGE.get(module, ())
    lists = {
        line: words
        for line, found in listed_words((PACKAGE / module).read_text("utf-8"))
        if len(words := [word for word in found if word not in allowed]) > MOST
    }
    assert not lists, "move them to models/redaction/lexicons/<language>"


@pytest.mark.parametrize(
    "source",
    [
        'X = frozenset("auf unter neben hinter".split())',
        'X = {"rue", "calle", "via", "gasse"}',
        'X = words("call", "ring", "text", "dial")',
        'X = re.compile(r"(?:house|haus|casa|maison)s?")',
        'X = re.compile(rf"{_A}(?: (?:war|was|fue|era))? {_B}")',
    ],
)
def test_a_list_of_words_is_seen(source: str) -> None:
    assert any(len(found) > MOST for _, found in listed_words(source))

"""What a word is."""

from __future__ import annotations

import re

MARKS = r"\u0300-\u036f\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u200c\u200d"
"""Marks inside a word, for a class of characters; Python's ``\\w`` leaves out the vowel signs of Devanagari."""

WORD = re.compile(rf"[^\W_](?:[^\W_]|[{MARKS}]|['\u2019](?=[^\W_]))*")
"""Letters, digits and marks. An underscore is none of them: people join names with it, "maria_lopez"."""

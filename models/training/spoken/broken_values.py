"""Values in parts, and with a mistake, as people say them before they correct themselves."""

from __future__ import annotations

import random
from itertools import pairwise


def parts_of(chance: random.Random, marked: str) -> list[str]:
    """The parts of a value with marks; one long run of digits is cut, and so are words."""
    parts = [part.strip() for part in marked.split("|")]
    if len(parts) > 1 or not (parts[0].startswith("<d:") or parts[0].startswith("<l:")) or " " in parts[0]:
        return _words_apart(chance, parts[0]) if len(parts) == 1 else parts
    mark, text = parts[0][1], parts[0][3:-1]
    if len(text) < 4:
        return parts
    cut = chance.randint(2, len(text) - 2)
    return [f"<{mark}:{text[:cut]}>", f"<{mark}:{text[cut:]}>"]


def in_parts(chance: random.Random, marked: str, count: int) -> list[str]:
    """A value in so many parts, or in fewer if it cannot be cut."""
    parts = parts_of(chance, marked)
    if len(parts) <= count:
        return parts
    at = [round(place * len(parts) / count) for place in range(count + 1)]
    return [" | ".join(parts[start:end]) for start, end in pairwise(at)]


def _words_apart(chance: random.Random, text: str) -> list[str]:
    words = text.split()
    if len(words) < 2:
        return [text]
    cut = chance.randint(1, len(words) - 1)
    return [" ".join(words[:cut]), " ".join(words[cut:])]


def mistaken(chance: random.Random, marked: str) -> str | None:
    """The value with one other digit or letter; None for a value in words."""
    places = [at for at in range(len(marked)) if _may_change(marked, at)]
    if not places:
        return None
    at = chance.choice(places)
    others = "123456789" if marked[at].isdigit() else "ABCDEFGHKLMNPRSTVW"
    return marked[:at] + chance.choice(others.replace(marked[at], "")) + marked[at + 1 :]


def _may_change(marked: str, at: int) -> bool:
    opened = marked.rfind("<", 0, at)
    inside = opened > marked.rfind(">", 0, at) and at > opened + 2 and marked[at] != ">"
    return inside and marked[opened + 1] in "dl"

"""The Markdown pages of the repository, and what of Markdown the tests need to know."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("docs", "benchmarks", "models", "protos", "ray_tasks", "server", "tests")

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")


def page(path: str) -> str:
    """Text of a page, by its path from the root."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def pages() -> tuple[Path, ...]:
    """Every Markdown page of ours."""
    below = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.md") if "node_modules" not in file.parts)
    return tuple(sorted([*ROOT.glob("*.md"), *below]))


def links(text: str) -> list[str]:
    """Targets of the links in a page, those in blocks of code aside."""
    return _LINK.findall(_FENCE.sub("", text))


@cache
def anchors(file: Path) -> frozenset[str]:
    """Anchors of a page's headings, made as repository browsers do it."""
    found: dict[str, int] = {}
    result = set()
    for heading in _HEADING.findall(_FENCE.sub("", file.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = found.get(slug, 0)
        found[slug] = again + 1
        result.add(f"{slug}-{again}" if again else slug)
    return frozenset(result)


def named_paths(text: str) -> list[str]:
    """Paths of files and folders of ours that a page names as code."""
    tops = "|".join(FOLDERS)
    inline = [found.strip("`") for found in _INLINE_CODE.findall(_FENCE.sub("", text))]
    return [name for name in inline if re.fullmatch(rf"(?:{tops})/[\w./-]*", name)]

"""Every link in every Markdown page leads to a file and to a heading that is there. Nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.docs.pages import ROOT, anchors, links, named_paths, pages

IDS = [str(file.relative_to(ROOT)) for file in pages()]


def broken(file: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    found = []
    for target in links(text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        goal = (file.parent / path).resolve() if path else file
        if not goal.is_relative_to(ROOT) or not goal.exists():
            found.append(f"{target}: no such file")
        elif anchor and (goal.suffix != ".md" or anchor not in anchors(goal)):
            found.append(f"{target}: no such heading")
    return found


@pytest.mark.parametrize("file", pages(), ids=IDS)
def test_every_link_has_a_target(file: Path) -> None:
    assert broken(file, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", [f for f in pages() if f.name != "CHANGELOG.md"], ids=lambda f: f.name)
def test_named_files_exist(file: Path) -> None:
    assert [name for name in named_paths(file.read_text(encoding="utf-8")) if not _names_a_file(name)] == []


def _names_a_file(name: str) -> bool:
    """Whether it is a path, a module, or a name in one: ``models/retry``, ``models/retry.POLICIES``."""
    module, _, _ = name.partition(".")
    return (ROOT / name).exists() or ((ROOT / f"{module}.py").exists() and not name.endswith((".py", ".md")))


def test_every_page_is_reachable_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs" / "README.md"]
    while waiting:
        file = waiting.pop()
        if file in reached or file.suffix != ".md" or not file.exists():
            continue
        reached.add(file)
        targets = (target.partition("#")[0] for target in links(file.read_text(encoding="utf-8")))
        waiting += [(file.parent / t).resolve() for t in targets if t and "://" not in t]
    assert {f for f in pages() if f.is_relative_to(ROOT / "docs")} - reached == set()


def test_a_broken_link_is_found() -> None:
    readme = ROOT / "README.md"
    text = "[a](docs/none.md) [b](docs/README.md#none) [c](#none) [d](../x) `[e](none)` [f](https://example.com/none)"
    assert [line.split(":")[0] for line in broken(readme, text)] == [
        "docs/none.md",
        "docs/README.md#none",
        "#none",
        "../x",
        "none",
    ]
    assert broken(readme, "```\n[a](none)\n```\n[b](docs/clients/streaming.md#phones)") == []

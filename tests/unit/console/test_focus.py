"""Parts of pages that come anew while somebody uses the keyboard."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import server.console

TEMPLATES: Final = Path(server.console.__file__).parent / "templates"
FOLLOWING: Final = sorted(path.name for path in TEMPLATES.glob("*.html") if "sse-swap" in path.read_text())
FOCUSABLE: Final = re.compile(r"<(?:(?:a|button|input|select|textarea|audio)\b[^>]*|\w+[^>]*\btabindex[^>]*)>")


@pytest.mark.parametrize("name", [*FOLLOWING, "conversation.html"])
def test_the_focus_stays_where_it_is(name: str) -> None:
    """htmx gives the focus back to an element that has an id, and to no other one."""
    text = (TEMPLATES / name).read_text()
    live = text if name == "conversation.html" else text.partition("{% block live %}")[2].partition("{% endblock %}")[0]
    assert live
    assert [tag for tag in FOCUSABLE.findall(live) if " id=" not in tag] == []


def test_pages_that_follow_changes_are_known() -> None:
    assert {"reviews.html", "running.html", "conversation_page.html", "try_session.html"} <= set(FOLLOWING)

"""How the demo's lines look."""

from __future__ import annotations

import io

from server.cli.demo.reporter import Reporter
from tests.clocks import HandSeconds


def test_growing_text_is_appended_unless_another_speaker_came_between() -> None:
    out = io.StringIO()
    reporter = Reporter(out, HandSeconds())
    reporter.update("person", "")
    reporter.update("person", "Hello,")
    reporter.update("person", "Hello, my name")
    reporter.update("assistant", "Hi")
    reporter.update("assistant", "Hi there")
    reporter.finish("assistant")
    reporter.update("person", "Hello, my name is [REDACTED_NAME].")
    reporter.finish("person")
    reporter.finish("person")
    reporter.line("over")
    assert out.getvalue() == (
        "   person: Hello, my name\n   assistant: Hi there\n   person: Hello, my name is [REDACTED_NAME].\n   over\n"
    )


def test_a_text_that_changes_its_beginning_starts_a_new_line() -> None:
    out = io.StringIO()
    reporter = Reporter(out, HandSeconds())
    reporter.update("person", "Hello my")
    reporter.update("person", "Hello, my")
    reporter.line("")
    assert out.getvalue() == "   person: Hello my\n   person: Hello, my\n\n"


def test_steps_are_numbered_and_timed() -> None:
    out, clock = io.StringIO(), HandSeconds()
    reporter = Reporter(out, clock)
    with reporter.step("First"):
        clock.now_s += 1.5
    with reporter.step("Second"):
        reporter.update("person", "Hi")
    assert out.getvalue() == "\n1. First\n   (1.5 s)\n\n2. Second\n   person: Hi\n   (0.0 s)\n"
    assert reporter.elapsed_s == 1.5

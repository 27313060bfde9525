"""How the demo's lines look."""

from __future__ import annotations

import io

from server.cli.demo.story import Story


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_growing_text_is_appended_and_lanes_take_turns() -> None:
    out = io.StringIO()
    story = Story(out, Clock())
    story.grow("person", "")
    story.grow("person", "Hello,")
    story.grow("person", "Hello, my name")
    story.grow("assistant", "Hi")
    story.grow("assistant", "Hi there")
    story.end("assistant")
    story.grow("person", "Hello, my name is [REDACTED_NAME].")
    story.end("person")
    story.end("person")
    story.say("over")
    assert out.getvalue() == (
        "   person: Hello, my name\n   assistant: Hi there\n   person: Hello, my name is [REDACTED_NAME].\n   over\n"
    )


def test_a_text_that_was_taken_back_begins_a_new_line() -> None:
    out = io.StringIO()
    story = Story(out, Clock())
    story.grow("person", "Hello my")
    story.grow("person", "Hello, my")
    story.say("")
    assert out.getvalue() == "   person: Hello my\n   person: Hello, my\n\n"


def test_steps_are_numbered_and_timed() -> None:
    out, clock = io.StringIO(), Clock()
    story = Story(out, clock)
    with story.step("First"):
        clock.now_s += 1.5
    with story.step("Second"):
        story.grow("person", "Hi")
    assert out.getvalue() == "\n1. First\n   (1.5 s)\n\n2. Second\n   person: Hi\n   (0.0 s)\n"
    assert story.elapsed_s == 1.5

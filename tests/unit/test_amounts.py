"""Sizes and times in messages."""

from __future__ import annotations

import pytest

from models.amounts import count_text, retry_text, size_text, time_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(10 * 1024 * 1024, "10 MiB"), (5_000_000, "4.7 MiB"), (104_857, "104857 bytes"), (104_858, "0.1 MiB")],
)
def test_sizes(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3600.0, "60 minutes"), (300.0, "5 minutes"), (60.0, "1 minute"), (90.0, "90 seconds"), (0.5, "0.5 seconds")],
)
def test_times(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_nobody_is_told_to_come_too_early() -> None:
    assert retry_text(2.1) == "Try again in 3 seconds."
    assert retry_text(1.0) == "Try again in 1 second."


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, ("file",), "0 files"),
        (1, ("file",), "1 file"),
        (2, ("file",), "2 files"),
        (1, ("process", "processes"), "1 process"),
        (0, ("process", "processes"), "0 processes"),
    ],
)
def test_a_noun_has_its_number(number: int, noun: tuple[str, ...], text: str) -> None:
    assert count_text(number, *noun) == text

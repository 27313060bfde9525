"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes

import pytest

from ray_tasks.freed_memory import LARGE_BYTES, give_back_freed_memory, give_back_large_blocks_at_once


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    assert not give_back_freed_memory()
    assert not give_back_large_blocks_at_once()


def test_everything_free_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        kept: tuple[int, ...] = ()

        def malloc_trim(self, kept_bytes: int) -> int:
            self.kept += (kept_bytes,)
            return 1

    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    assert give_back_freed_memory()
    assert library.kept == (0,)


def test_large_blocks_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        given: tuple[tuple[int, int], ...] = ()

        def mallopt(self, option: int, value: int) -> int:
            self.given += ((option, value),)
            return 1

    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: library)
    assert give_back_large_blocks_at_once()
    assert library.given == ((-3, LARGE_BYTES),)

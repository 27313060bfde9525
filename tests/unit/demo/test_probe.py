"""The probe finds a personal value in every form, and nothing where there is none."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path

import pytest

from server.cli.demo.planted import Planted, data_folder, planted_media
from server.cli.demo.probe import Probe
from server.cli.demo.proof import check_probe

NAME = Planted("NAME", "James O'Brien", "", "a")
EMAIL = Planted("EMAIL", "john.carter@example.com", "john dot carter at example dot com", "a")
PHONE = Planted("PHONE", "+1 312 555 0146", "three one two, five five five, oh one four six", "a")
ADDRESS = Planted("ADDRESS", "1420 Harbor Street", "", "a")


def forms(value: Planted, data: bytes) -> set[str]:
    return {hit.form for hit in Probe([value]).search(data)}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (NAME, b"James O'Brien"),
        (NAME, b"JAMES OBRIEN"),
        (NAME, b"james_o_brien"),
        (NAME, "James O\u2019Brien".encode()),
        (NAME, json.dumps("James O\u2019Brien").encode()),
        (NAME, json.dumps("visitor:\nJames").encode()),
        (NAME, b"Mr. Brien, please"),
        (EMAIL, b"john.carter@example.com"),
        (EMAIL, urllib.parse.quote_plus("john.carter@example.com").encode()),
        (EMAIL, b"mailto:john.carter at other dot org"),
        (EMAIL, b"John dot Carter at example dot com"),
        (PHONE, b"three one two five five five oh one four six"),
        (ADDRESS, b"1420HarborStreet"),
        (ADDRESS, b"at Harbor Street, second floor"),
    ],
)
def test_text_is_found_in_any_case_and_spacing(value: Planted, data: bytes) -> None:
    assert "text" in forms(value, b"before " + data + b" after")


@pytest.mark.parametrize(
    "data", [b"3125550146", b"+13125550146", b"(312) 555-0146", b"312.555.0146", "312\u20115550146".encode()]
)
def test_digits_are_found_with_any_separators(data: bytes) -> None:
    assert "digits" in forms(PHONE, data)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
def test_utf_16_text_is_found(encoding: str) -> None:
    assert "UTF-16" in forms(NAME, b"\x01" + "James  O'Brien".encode(encoding) + b"\x01")


@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("value", [NAME, EMAIL, ADDRESS])
def test_base64_is_found_at_every_alignment(before: int, value: Planted) -> None:
    for text in (value.value, value.value.lower(), value.value.upper()):
        data = base64.b64encode(b"?" * before + text.encode() + b"?" * 5)
        assert forms(value, data) == {"Base64"}


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (NAME, b"[REDACTED_NAME] signed in at 08:15"),
        (NAME, b"jamestown, briening, jam es"),
        (EMAIL, b"[REDACTED_EMAIL] carter example.com john"),
        (PHONE, b"312 555, and 0146 later on; 312555014"),
        (ADDRESS, b"1420 boats in the harbor; the street"),
        (ADDRESS, bytes(range(256)) * 64),
    ],
)
def test_texts_without_values_give_no_hit(value: Planted, data: bytes) -> None:
    assert forms(value, data) == set()


def test_the_self_check_passes() -> None:
    check_probe()


def test_every_planted_value_is_found_in_its_source() -> None:
    for medium in planted_media(data_folder()):
        for value in medium.values:
            assert "text" in forms(value, value.value.encode())
            assert "text" in forms(value, medium.said.encode())


def test_known_misheard_forms_are_found() -> None:
    value = Planted("PHONE", "4155550132", "", "a", heard=("1555-a-132",))
    assert forms(value, b"for 1555 A 132.") == {"text"}
    assert forms(value, b"for 1555 or 132.") == set()


def test_texts_that_must_be_kept_give_no_hit() -> None:
    media = planted_media(data_folder())
    probe = Probe([value for medium in media for value in medium.values])
    for medium in media:
        assert [hit for kept in medium.kept for hit in probe.search(kept.encode())] == []


def test_demo_data_is_in_the_repository() -> None:
    assert data_folder() == Path(__file__).resolve().parents[2] / "data"

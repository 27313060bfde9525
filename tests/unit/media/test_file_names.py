"""Names of files lose what could mislead a person or a program, and keep what tells files apart."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.media.file_names import MOST_CHARACTERS, clean_file_name, split_extension, with_spaces


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("meter.jpg", "meter.jpg"),
        ("Zähler im Keller.jpg", "Zähler im Keller.jpg"),
        ("स्कैन.png", "स्कैन.png"),
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system32\\config.sys", "config.sys"),
        ("\uff0f\uff0e\uff0e\uff0fetc\uff0fpasswd", "passwd"),  # full-width forms become plain ones
        ("..%2f..%2Fetc%2fpasswd", "passwd"),
        ("%252e%252e%252fpasswd", "passwd"),
        ("50% off.jpg", "50% off.jpg"),
        ("C:\\Users\\maria\\photo.jpg", "photo.jpg"),
        ("\\\\server\\share\\photo.jpg", "photo.jpg"),
        ("photos/", "photos"),
        ("photo.jpg/..", "photo.jpg"),
        ("photo.jpg:hidden.exe", "photo.jpg_hidden.exe"),
        ("a\u2215b\u2044c.jpg", "a_b_c.jpg"),
        ("..", ""),
        ("...", ""),
        ("/", ""),
        ("", ""),
        (" . . ", ""),
        ("photo\0.jpg", "photo.jpg"),
        ("photo.jpg\0.exe", "photo.jpg.exe"),
        ("photo\r\nSet-Cookie: x=1.jpg", "photo Set-Cookie_ x=1.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),  # shows as photoexe.jpg
        ("\u2066photo\u2069.jpg", "photo.jpg"),
        ("pho\u200bto.jpg", "photo.jpg"),
        ("pho\U000e0041to.jpg", "photo.jpg"),
        ("CON", "_CON"),
        ("con.jpg", "_con.jpg"),
        ("NUL.tar.gz", "_NUL.tar.gz"),
        ("com1.txt", "_com1.txt"),
        ("lpt¹.txt", "_lpt1.txt"),
        ("CON .jpg", "_CON .jpg"),
        ("../aux", "_aux"),
        ("console.jpg", "console.jpg"),
        ("photo.jpg.", "photo.jpg"),
        (".htaccess", "htaccess"),
        ("<script>alert(1)</script>.jpg", "script_.jpg"),
        ("what?*.jpg", "what__.jpg"),
        ("e\u0301t\u00e9.jpg", "\u00e9t\u00e9.jpg"),
    ],
)
def test_names_are_cleaned(given_name: str, kept: str) -> None:
    assert clean_file_name(given_name) == kept


def test_a_long_name_keeps_its_extension() -> None:
    name = clean_file_name("a" * 500 + ".jpeg")
    assert (len(name), name[-6:]) == (MOST_CHARACTERS, "a.jpeg")


@given(st.text(max_size=255))
@example("/\u2100.")
@example(". /.\0/CON")
@example("a" * 119 + " .x")
@example("C\u202eON")
@example("\u00bd/.")
def test_a_cleaned_name_is_harmless_and_stays_as_it_is(given_name: str) -> None:
    name = clean_file_name(given_name)
    assert clean_file_name(name) == name
    assert not set(name) & set('/\\<>:"|?*\0')
    assert not any(unicodedata.category(char) in {"Cc", "Zl", "Zp", "Cs"} for char in name)
    assert not set(name) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    assert len(name) <= MOST_CHARACTERS
    assert name == name.strip(" .")
    assert unicodedata.is_normalized("NFKC", name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("meter.JPG", ("meter", ".jpg")),
        ("maria.lopez", ("maria.lopez", "")),
        ("jpg", ("jpg", "")),
        ("a.b.png", ("a.b", ".png")),
        ("", ("", "")),
    ],
)
def test_only_known_extensions_are_split_off(name: str, parts: tuple[str, str]) -> None:
    assert split_extension(name) == parts


@pytest.mark.parametrize(
    ("stem", "words"),
    [("MariaLopez_scan", "Maria Lopez scan"), ("IMG_4821", "IMG 4821"), ("maria+lopez", "maria lopez")],
)
def test_words_are_told_apart(stem: str, words: str) -> None:
    assert with_spaces(stem) == words

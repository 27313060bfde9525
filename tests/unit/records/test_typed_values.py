"""Values of declared properties: what fits is stored as it came."""

from __future__ import annotations

import pytest

from server.flows.app_events import DeclaredProperty, PropertyKind
from server.records.typed_values import reader_of

COLOURS = ("red", "dark blue", "true", "2026-11-27", "A-1042")


def stored(kind: PropertyKind, value: str) -> str | None:
    reader = reader_of(DeclaredProperty(kind, COLOURS if kind is PropertyKind.ENUMERATION else ()))
    assert reader is not None
    typed = reader.read(value)
    return None if typed is None else typed.json


@pytest.mark.parametrize(
    "value",
    [
        "0",
        "-0",
        "7",
        "20000",
        "0.1",
        "0.10",
        "-12.50",
        "12345678901234567890",
        "1e3",
        "1E+3",
        "2.5e-7",
        "9" * 64,
        "1e308",
        "0e99",
    ],
)
def test_a_number_is_stored_digit_by_digit(value: str) -> None:
    assert stored(PropertyKind.NUMBER, value) == value


@pytest.mark.parametrize(
    "value",
    [
        *("", " 1", "1 ", "+1", ".5", "5.", "01", "1,5", "1_000", "1'000", "0x10", "NaN", "Infinity"),
        *("1e999", "-1e999"),
        *("4111111111111111e0", "41111111111111110e-1", "4.111111111111111e15", "-4.111111111111111E+15"),
        *("9" * 65, "\u0661", "1\n", "12 EUR", "555 123 4567", "1e", "--1", "null", "true", "[1]"),
    ],
)
def test_what_is_no_number_of_json_does_not_fit(value: str) -> None:
    assert stored(PropertyKind.NUMBER, value) is None


@pytest.mark.parametrize("value", ["true", "false"])
def test_a_boolean_is_stored_as_it_is(value: str) -> None:
    assert stored(PropertyKind.BOOLEAN, value) == value


@pytest.mark.parametrize("value", ["", "True", "FALSE", "1", "0", "yes", " true", "null"])
def test_what_is_no_boolean_does_not_fit(value: str) -> None:
    assert stored(PropertyKind.BOOLEAN, value) is None


@pytest.mark.parametrize("value", COLOURS)
def test_a_value_of_an_enumeration_is_stored_as_text_of_json(value: str) -> None:
    assert stored(PropertyKind.ENUMERATION, value) == f'"{value}"'


@pytest.mark.parametrize("value", ["", "Red", "red ", "green", "red,dark blue", "Maria Lopez"])
def test_what_is_no_value_of_the_enumeration_does_not_fit(value: str) -> None:
    assert stored(PropertyKind.ENUMERATION, value) is None


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-27T08:15:00Z",
        "2026-11-27T08:15:00+01:00",
        "2026-11-27T08:15:00.5-08:00",
        "2024-02-29T23:59:59.123456789Z",
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_time_is_stored_as_it_is(value: str) -> None:
    assert stored(PropertyKind.TIME, value) == f'"{value}"'


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "2026-11-27",
            "2026-11-27T08:15:00",
            "2026-11-27 08:15:00Z",
            "2026-02-30T08:15:00Z",
            "2026-11-27T24:00:00Z",
        ),
        *(
            "2026-11-27T08:15:60Z",
            "2026-11-27T08:15:00z",
            "2026-11-27T08:15:00+99:00",
            "2026-11-27T08:15Z",
            "1764231300",
        ),
        *("\u0662026-11-27T08:15:00Z", "2026-11-27T08:15:00Z\n", "0000-01-01T00:00:00Z"),
    ],
)
def test_what_is_no_time_does_not_fit(value: str) -> None:
    assert stored(PropertyKind.TIME, value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("7", "00417", "10862", "A-1042", "v2", "2.13.0-rc1", "2026.11.27-4", "ORD2026X", "EU/DE/4711", "SKU:88231"),
        *("deadbeef-abcd-abcd-abcd-abcdefabcdef", "5F0C7A52-d1e9-4b60-8a55-0f2f8f6e2b11", "4" * 64),
        *("11180", "2.13.0-beta.1", "1.0.0-alpha2", "0000123456", "114-3941689-8772232", "1764231300000", "rc-2"),
        *("01ARZ3NDEKTSV4RRFFQ69G5FAV", "5d18812e", "d6cd1e2bd19e03a81132a23b2025577f84e37558"),
        "a3f00491711234567b2c4d5e6f708192",
        *("1.2.3.4", "2.13.0.1", "126.0.6478.127", "10.0.19045.3803", "17.5.1.100", "24.11.27.1", "12:30:15"),
        *("20-26-11-27-08-15", "2026.1127.0815", "00:1A:2B:3C:4D", "1:2:3:4:5:6:7", "300.168.17.44"),
        *("234567890124", "86095742718", "12345678A", "1HGCM82633A004353", "2345-6789-0125", "ORD2026001"),
        *("20261127-0042", "1Z999AA10123456784", "4006381333931", "1BoatSLRHtKNngkdXEeobR76b53LETtpyU"),
        *("4111-1111-1111-1112", "012345678905", "DE88370400440532013000", "20261127-083015-12"),
    ],
)
def test_a_code_is_stored_as_it_is(value: str) -> None:
    assert stored(PropertyKind.CODE, value) == f'"{value}"'


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "maria",
            "maria-1985",
            "Lopez.2",
            "abc",
            "A-B",
            "12 Elm",
            "12 Elm Street",
            "m.lopez1@example.com",
            "A--1",
        ),
        *("-1", "1-", "(415) 555-0132", "+14155550132", "1042\n", "caf\u00e91", "\u0661", "a" * 64 + "1", "a\u00001"),
    ],
)
def test_what_may_be_words_is_no_code(value: str) -> None:
    assert stored(PropertyKind.CODE, value) is None


@pytest.mark.parametrize(
    "value",
    [
        *("555-123-4567", "1-415-555-0132", "415.555.0132", "415-5550132", "TEL-415-555-0132", "07700900142"),
        *("0171-1234567", "06.12.34.56.78", "00491711234567", "0049-171-1234567"),
        *("4111-1111-1111-1111", "4111111111111111", "ORD-4111111111111111", "3782-822463-10005"),
        *("DE89370400440532013000", "DE89-3704-0044-0532-0130-00", "IBAN:DE89370400440532013000"),
        *("123-45-6789", "529.982.247-25"),
        *("00:1A:2B:3C:4D:5E", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e", "00:1A:2B:3C:4D:5E:6F:70"),
        *("192.168.17.44", "84.123.45.67:443", "192.168.17.0/24", "2001:db8:85a3:0:0:8a2e:370:7334"),
        *("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "0x742d35Cc6634C0532925a3b844Bc454e4438f44e"),
        *("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "1HGCM82633A004352", "1hgcm82633a004352"),
        *("RSSMRA85T10A562S", "12345678Z", "X1234567L", "ABCPE1234F", "86095742719", "86-095-742-719"),
        *("2345-6789-0124", "046-454-286", "756.9217.0769.85", "1-85-05-78-006-084-91", "185057800608491"),
        *("Ana-Paz-1", "John/Doe/42", "ANA-PAZ-1", "Li-Xu-1", "123-Main-St", "123-Elm"),
        *("maria80", "ana80", "80maria", "MARIA80", "maria80.lopez80", "john42doe", "ada1985", "x" * 63 + "1"),
    ],
)
def test_a_code_whose_shape_names_a_person_does_not_fit(value: str) -> None:
    assert stored(PropertyKind.CODE, value) is None


@pytest.mark.parametrize("value", ["4111111111111111", "-4111111111111111", "378282246310005", "4111111111111111.00"])
def test_the_number_of_a_card_is_no_number(value: str) -> None:
    assert stored(PropertyKind.NUMBER, value) is None


@pytest.mark.parametrize("value", ["4111111111111112", "1764231300000", "1764231300000000", "40000000000000", "1e15"])
def test_a_long_number_that_is_no_card_fits(value: str) -> None:
    assert stored(PropertyKind.NUMBER, value) == value


def test_text_is_read_by_the_redactor_alone() -> None:
    assert reader_of(DeclaredProperty(PropertyKind.TEXT)) is None

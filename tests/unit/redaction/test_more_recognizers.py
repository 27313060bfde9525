"""Tables for licences, passports, plates, medical and bank numbers, streets, ages and dates, and what must survive."""

from __future__ import annotations

import pytest

from models.redaction.patterns.checksums import checksum
from models.redaction.recognizers.finance.crypto_wallet import check_wallet
from models.redaction.recognizers.identity.machine_readable import check_digit, check_line
from models.text import TextSource
from tests.unit.redaction.helpers import found

MRZ_TD3 = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"

FOUND = [
    # driving licences
    ("licence MORGA657054SM9IJ", [("LICENCE", "MORGA657054SM9IJ")]),
    ("it is MORGA 657054 SM9IJ thanks", [("LICENCE", "MORGA 657054 SM9IJ")]),
    ("DL MH12 20110062821", [("LICENCE", "MH12 20110062821")]),
    ("Führerschein: B072RRE2I55", [("LICENCE", "B072RRE2I55")]),
    ("le permis de conduire 104718350926", [("LICENCE", "104718350926")]),
    ("a driver's license of Florida, A123-456-78-901-0", [("LICENCE", "A123-456-78-901-0")]),
    # passports
    ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", [("PASSPORT", "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<")]),
    (MRZ_TD3, [("PASSPORT", MRZ_TD3)]),
    ("Reisepass C01X00T47", [("PASSPORT", "C01X00T47")]),
    ("passeport français 12AB34567", [("PASSPORT", "12AB34567")]),
    # vehicles
    ("it is 1HGBH41JXMN109186", [("ID", "1HGBH41JXMN109186")]),
    ("chassis WVWZZZ1JZ3W386752", [("ID", "WVWZZZ1JZ3W386752")]),
    ("a van, MH 12 AB 1234, waits", [("PLATE", "MH 12 AB 1234")]),
    ("AA-123-BB est là", [("PLATE", "AA-123-BB")]),
    ("my car is LB07 SEO", [("PLATE", "LB07 SEO")]),
    ("Kennzeichen B-MW 1234", [("PLATE", "B-MW 1234")]),
    ("matrícula 1234 BCD", [("PLATE", "1234 BCD")]),
    ("la targa AB 123 CD", [("PLATE", "AB 123 CD")]),
    # medical
    ("my provider has NPI 1245319599", [("MEDICAL_ID", "NPI 1245319599")]),
    ("DEA registration AB1234563", [("MEDICAL_ID", "AB1234563")]),
    ("Gesundheitskarte A123456780", [("MEDICAL_ID", "A123456780")]),
    ("1EG4-TE5-MK73", [("MEDICAL_ID", "1EG4-TE5-MK73")]),
    ("the patient file 4471902", [("MEDICAL_ID", "4471902")]),
    # bank
    ("routing 021000021 at the bank", [("ACCOUNT", "021000021")]),
    ("IFSC code HDFC0001234", [("ACCOUNT", "HDFC0001234")]),
    ("sort code 20-00-00", [("ACCOUNT", "20-00-00")]),
    ("pay 20-00-00 55779911", [("ACCOUNT", "20-00-00 55779911")]),
    ("Kontonummer lautet 532013000", [("ACCOUNT", "532013000")]),
    # streets
    ("Er wohnt Am Alten Markt 5 hier", [("ADDRESS", "Alten Markt 5")]),
    ("in der Berliner Straße 12", [("ADDRESS", "Berliner Straße 12")]),
    ("Storgatan 52", [("ADDRESS", "Storgatan 52")]),
    ("au 14 av. du Général Leclerc", [("ADDRESS", "14 av. du Général Leclerc")]),
    ("vivo en calle mayor número 5", [("ADDRESS", "calle mayor número 5")]),
    ("Flat No 302, Lotus Apartments", [("ADDRESS", "Flat No 302, Lotus Apartments")]),
    ("मकान नंबर 12, गांधी नगर", [("ADDRESS", "मकान नंबर 12, गांधी नगर")]),
    ("wait at the corner of Hobart and Ninette Parks", [("ADDRESS", "the corner of Hobart and Ninette Parks")]),
    ("at 218 4406 Sixth Avenue, France", [("ADDRESS", "218 4406 Sixth Avenue, France")]),
    # postcodes with their town
    ("ich wohne in 10115 Berlin", [("ADDRESS", "10115 Berlin")]),
    ("D-80331 München", [("ADDRESS", "D-80331 München")]),
    ("Mumbai - 400001", [("ADDRESS", "Mumbai - 400001")]),
    ("pincode 560001", [("ADDRESS", "560001")]),
    # ages and births
    ("tengo 94 años", [("AGE", "94")]),
    ("aged 97", [("AGE", "97")]),
    ("उम्र 95", [("AGE", "95")]),
    ("nacido el 14 de marzo de 1985", [("DOB", "14 de marzo de 1985")]),
    ("née le 3 février 1974", [("DOB", "3 février 1974")]),
    ("geboren am 3. März 1974", [("DOB", "3. März 1974")]),
    ("जन्म 14 जनवरी 1985", [("DOB", "14 जनवरी 1985")]),
    # wallets, keys, pages
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", [("WALLET", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")]),
    ("glpat-abcdefghij0123456789", [("SECRET", "glpat-abcdefghij0123456789")]),
    ("Authorization: Bearer abcdef0123456789abcdef01", [("SECRET", "abcdef0123456789abcdef01")]),
    ("see jane-roe.blogspot.com", [("URL", "jane-roe.blogspot.com")]),
]  # fmt: skip

SURVIVES = [
    "Meter No. 73162048, reading 04821.7 m3, order 4471902",
    "account is paid, the meter reads 048217",
    "serial number 1HGBH41JXMN10918",
    "the car came at 12:30 and cost 1200 euros",
    "10000 Euro, 50000 Kilometer, 12345 Einheiten",
    "in 2024 we had 95 % of it and 95 degrees",
    "95 years of experience",
    "DN 20, Qn 2.5 m3/h",
    "delivered on 14 de marzo de 2024",
    "the corner of the room and the door",
    "Platz 3 von 10, Gleis 5 um 12 Uhr",
    "the plot of the story, the house no one wants",
    "invoice 20-00-17 of the order 021000021",
    "flight BA 1234 at gate B 12",
    "Am Montag 12 Uhr im Büro 5 Minuten",
    "a << b and b >> c",
    "commit 3f9a2b7c and version 1.2.3",
    "see help.wordpress.com for help",
]


@pytest.mark.parametrize(("text", "expected"), FOUND)
def test_personal_values_are_found(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize("text", SURVIVES)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.OCR])
def test_harmless_texts_are_kept(text: str, source: TextSource) -> None:
    assert found(text, source) == []


def test_an_exception_in_a_checksum_does_not_prevent_redaction() -> None:
    # Of places that its table lacks, python-stdnum's check of Chinese numbers raises KeyError.
    check = checksum("cn.ric")
    assert check is not None
    assert check("411111111111111103") is None
    assert [text for _, text in found("the code is 411111111111111103")] == ["411111111111111103"]


def test_checksums_distinguish_valid_from_invalid_numbers() -> None:
    assert check_line(MRZ_TD3) is True
    assert check_line(MRZ_TD3.replace("C36", "C37")) is None
    assert check_line("I<UTOD231458907<<<<<<<<<<<<<<<") is True
    assert check_digit("520727") == 3
    assert check_wallet("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4") is True
    assert check_wallet("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5") is False
    assert check_wallet("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa") is True
    assert check_wallet("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb") is False
    assert check_wallet("rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh") is True

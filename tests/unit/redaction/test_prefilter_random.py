"""Random texts of every kind of entity: the same is found with the prefilter and without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from models.redaction.detection.views import views_of
from models.redaction.itn.cardinals import NUMERALS
from models.redaction.normalize.view import TextView, original
from models.redaction.patterns.pattern_recognizer import PatternRecognizer
from models.redaction.patterns.prefilter import Prefilter
from models.redaction.recognizers.all import ALL, ON_NUMERALS, Recognizer
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

PIECES: Final = {
    "email": "write to ana.rivas@example.org", "handle": "my instagram is @ana_rivas9", "login": "Benutzername: jkl42",
    "spelled": "it is spelled r i v a s", "introduced-name": "my name is ana rivas",
    "particled-name": "Dr. de Vries signed", "phone": "call 415-555-0132", "short-phone": "phone 90713 please",
    "dictated": "it is 2 7 3 1 8",
    "ssn": "ssn 536 22 1234", "us-ssn": "536-22-1234",
    "us-ssnspaced": "536 22 1234",
    "us-ssnplain": "536221234 is my social", "card": "4111 1111 1111 1111",
    "card-expiry": "the card is valid thru 09/27", "iban": "GB82 WEST 1234 5698 7654 32",
    "ipv4": "from 192.168.10.7", "ipv6": "addr 2001:db8::8a2e:370:7334", "mac": "00:1B:44:11:3A:B7",
    "url": "see jane-roe.blogspot.com", "wallet": "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "secret": "key AKIAIOSFODNN7EXAMPLE", "token": "AC" + 2 * "0123456789abcdef", "code": "the door code is 4821",
    "last-digits": "my visa card ending in 9071", "password": "mi clave es tigre9", "street": "12 Elm Street",

    "initials": "la carta de K. llegó",
    "postcode": "SW1A 1AA", "corner": "the corner of Hobart and Ninette Parks",
    "birth-date": "DOB: 07/04/1974", "age": "aged 101",
    "mrz": "L898902C36UTO7408122F1204159ZE184226B<<<<<10", "de-passport": "Reisepass C01X00T47",
    "fr-passport": "passeport français 12AB34567", "gb-licence": "MORGA657054SM9IJ",
    "in-licence": "DL MH12 20110062821",
    "de-licence": "Führerschein: B072RRE2I55", "fr-licence": "le permis de conduire 104718350926",
    "us-licence": "a driver's license of Florida, A123-456-78-901-0", "us-vin": "1HGBH41JXMN109186",
    "fr-plate": "AA-123-BB", "gb-plate": "my car is LB07 SEO", "in-plate": "MH 12 AB 1234",
    "it-plate": "la targa AB 123 CD", "es-plate": "matrícula 1234 BCD", "de-plate": "Kennzeichen B-MW 1234",
    "us-plate": "license plate HTR 4821", "us-npi": "NPI 1245319599", "us-dea": "DEA registration AB1234563",
    "de-kvnr": "Gesundheitskarte A123456780", "us-mbi": "medicare 1EG4-TE5-MK73", "us-record": "MED-881204",
    "us-rtn": "routing 021000021 at the bank", "gb-sortcode": "sort code 20-00-00",
    "gb-account": "20-00-00 55779911", "in-ifsc": "IFSC code HDFC0001234", "es-ccc": "2100-0418-45-0200051332",
    "spoken-date": "on 4 March 1984",
    "turned-age": "I turn 40 on 4 March", "turned-date": "I turn 40 on 4 March",
    "in-aadhaar": "aadhaar 2341 2341 2346", "in-pan": "PAN ABCPE1234F",
    "ng-nin": "nin 5829 103 7746", "ng-bvn": "bvn 22140981736", "ng-tin": "tin 20148837-0001",
    "in-gstin": "gstin 27AAPFU0939F1ZV", "in-voter": "voter WKH1186253", "gb-nhs": "nhs 943 476 5870",
    "gb-utr": "utr 1955839661", "de-steuer": "steuer-id 36 574 261 809", "fr-nir": "nir 2 95 10 99 126 111 93",
    "es-dni": "DNI 12345678Z", "es-nie": "nie X-2482300-W", "it-cf": "codice RCCMNL83S18D969H",
    "br-cpf": "cpf 111.444.777-35", "nl-bsn": "bsn 111222333", "pl-pesel": "pesel 44051401359",
    "ca-sin": "sin 123-456-782", "au-tfn": "tfn 123 456 782", "mx-curp": "curp BOXW310820HNERXN09",
    "be-nn": "registre national 85.07.30-033 28", "ch-ahv": "ahv 756.9217.0769.85", "fi-hetu": "hetu 131052-308T",
    "dk-cpr": "cpr 211062-5629", "at-svnr": "svnr 1237 010180", "ie-pps": "pps 6433435F", "pt-nif": "nif 501 964 843",
    "za-id": "id number 7503305044089", "mx-rfc": "rfc GODE561231GR8", "cl-rut": "rut 12.531.909-2",
    "tr-kimlik": "kimlik 17291716060", "cn-ric": "360426199101010071", "kr-rrn": "971013-9019902",
    "pk-cnic": "cnic 34201-0891231-8", "se-pnr": "personnummer 880320-0016", "gb-nino": "AB 12 34 56 C",
    "medical-record": "patient 7712093", "provider": "provider 1245319599", "licence": "DL MH12 20110062821",
    "passport": "passport number X1234567", "account": "account 77319055", "personal-number": "member 5521904",
    "plate": "kennzeichen B MW 4821", "case-number": "sumario 31 / 2001",
    "coded": "X3175269", "number": "81210392",
    "spelled-capitals": "spell it RIVAS please", "pictured-plate": "AA-123-BB",
    "answer": "it's ana rivas", "open-end": "my number is 4 1 5",
}  # fmt: skip
"""Of each recognizer, by its name, something that it finds."""

FURTHER: Final = (
    "14 Elm Street, Springfield, IL 62793",
    "expires 09/27", "the alarm code is 9071", "alarm code: 9071",
    "calle mayor 5", "plot 12 sector 7", "i live at twelve elm street", "οδός Ερμού 15", "Mumbai - 400001",
    "née le 3 février 1974", "94 years old", "Petőfi utca 3", "14 Patel Nagar", "lange gasse 3", "Via Roma 10",
    "Straße des 17. Juni 135", "Marktplatz 12", "born in 1981", "it was two seven three one eight",
    "CVC: 907", "IL 62793", "536-22-1234", "Storgatan 52", "tengo 94 años", "MH 12 AB 1234", "Hauptstraße 12",
    "zip code 94110", "pincode 560001", "D-80331 München", "geb. am 14.11.62", "20-00-00 55779911", "garage code: 9071",
    "my pin number 9071", "matrícula 1234 BCD", "kite_7 is my login", "root@[192.168.0.1]", "Berliner Straße 12",
    "my car is LB07 SEO", "la targa AB 123 CD", "* 14.11.1962 in Ulm", "eine 94-jährige Dame", "meine TAN ist 559031",
    "IFSC code HDFC0001234", "GB82WEST12345698765432", "press 9071 at the gate", "Durchwahl: 9071, danke",
    "requête (no 71204 / 03)", "मकान नंबर 12, गांधी नगर", "the password is hunter2!", "14 av. du Général Leclerc",
    "ich wohne in 10115 Berlin", "Führerschein: B072RRE2I55", "Otto Muster, * 14.11.1962", "glpat-abcdefghij0123456789",
    "the code on the back is 412", "passeport français 12AB34567", "his mother is ninety seven now",
    "Er wohnt Am Alten Markt 5 hier", "the last 4 of his social: 9071", "I<UTOD231458907<<<<<<<<<<<<<<<",
    "tarn at the rate gmail dot com", "the code they texted me is 559031", "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
    "le permis de conduire 104718350926", "https://linkedin.com/in/jane-roe-77", "5555 5555 5555 4444 03.11.2025 07:45",
    "the combination for the safe is 31-9-27", "the last four of my credit card are 9071",
    "she was born on three eleven sixty eight", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
    "Authorization: Bearer abcdef0123456789abcdef01", "die letzten vier Ziffern meiner Karte sind 9071",
    "flat two oh five blue lotus enclave sector nine", "a driver's license of Florida, A123-456-78-901-0",
    "3782 822463 10005", "00-1B-44-11-3A-B7", "001b.4411.3ab7", "ftp://ana:rivas@files.example.org/x",
    "https://example.org/~rivas/page", "https://example.org/find?lang=en&email=ana",
    "https://example.org/users/ana-rivas", "tel:+14155550132", "0x" + 5 * "01234aBc", "4A" + "1" * 93,
    "-----BEGIN PRIVATE KEY-----MIIEv", "ghp_" + 5 * "Ab12", "sk-live_" + 5 * "Ab12", "xoxb-" + 3 * "Ab12",
    "eyJhbGciOiJI.eyJzdWIiOiIx.abc", "AIza" + 7 * "Ab12_", "GOCSPX-" + 6 * "Ab12", "AccountKey=" + 12 * "Ab12",
    "aws secret key = " + 10 * "Ab12", "pin: 4821", "123456789:" + 7 * "Ab12_", "the code on the back 412",
    "12 rue de la Paix", "calle Mayor 5", "PSC 1234, Box 5678, APO AE 09021", "ul. Długa 12", "Kossuth Lajos utca 12",
    "P.O. Box 4821", "Straße der Einheit 12", "sector 7, Gurgaon", "postcode sw1a 1aa", "K1A 0B1", "94110-1234",
    "पिन ५६०००१", "esquina de Mayor y Luna", "जन्म १४/०१/१९८५", "7408122F1204159UTO<<<<<<<<<<<6",
    "ERIKSSON<<ANNA<MARIA<<<<<<<<<<", "passport 963545637", "permiso de conducir 12345678-Z",
    "driver's license A1234567", "driver's license 12345678", "22 BH 1234 AB", "plate A123 BCD", "plate ABC 1234",
    "MRN AB 1234-5678", "cuenta 2100 0418 45 0200051332", "Bağdat Cad. 12", "VIC 3000", "ssn 536 22 123",
    "Kundennummer 77319055",
)  # fmt: skip
"""For expressions that have no match in those."""

EVERYTHING: Final = (*PIECES.values(), *FURTHER)

CHANGES: Final[tuple[Callable[[str], str], ...]] = (
    str.upper,
    str.lower,
    str.title,
    lambda piece: piece.replace(" ", ""),
    lambda piece: piece[: len(piece) // 2],
    lambda piece: piece[len(piece) // 2 :],
    lambda piece: piece.replace("1", "7"),
    lambda piece: piece.replace("-", " ").replace(".", " "),
)

RECOGNIZERS: Final = (ALL, tuple(recognizer for recognizer in ALL if recognizer.name in ON_NUMERALS))
"""For all readings but one, and for the one with digits for every number."""
SIEVES: Final = tuple(map(Prefilter, RECOGNIZERS))

CONTEXTS: Final = [
    *(
        RedactionContext(source, asked_for=asked)
        for source in TextSource
        for asked in ((), ("NAME",), ("PHONE", "DOB"))
    ),
    RedactionContext(language="es"),
    RedactionContext(TextSource.OCR, document_type="site"),
]
UNASKED: Final = [
    *(RedactionContext(source) for source in (TextSource.SPEECH, TextSource.OCR)),
    RedactionContext(TextSource.OCR, document_type="site"),
]
"""Typed text has the readings of spoken text."""


def pieces() -> st.SearchStrategy[str]:
    """A piece, as it is or spoiled."""
    whole = st.sampled_from(EVERYTHING)
    return st.one_of(whole, st.builds(lambda piece, change: change(piece), whole, st.sampled_from(CHANGES)))


def one_by_one(which: bool, view: TextView, context: RedactionContext) -> list[tuple[str, Entity]]:
    """Every expression run over everything, without any of the quick tests."""
    return [
        (recognizer.name, entity) for recognizer in RECOGNIZERS[which] for entity in _all_of(recognizer, view, context)
    ]


def _all_of(recognizer: Recognizer, view: TextView, context: RedactionContext) -> Iterator[Entity]:
    if not isinstance(recognizer, PatternRecognizer):
        return recognizer.find(view, context)
    return (entity for pattern in recognizer.patterns for entity in recognizer.matches(view, pattern))


def through_the_prefilter(which: bool, view: TextView, context: RedactionContext) -> list[tuple[str, Entity]]:
    return [(recognizer.name, entity) for recognizer, entity in SIEVES[which].find(view, context)]


def readings(text: str, context: RedactionContext) -> Iterator[tuple[TextView, bool]]:
    """The views of a text, and for each which of the two sieves looks at it."""
    return ((view, view.kind == NUMERALS) for view in views_of(original(text), context))


def test_no_recognizer_and_no_expression_is_left_out() -> None:
    """Else the tests below would say nothing about it."""
    blind = {recognizer.name for recognizer in ALL if not _is_found(recognizer, PIECES.get(recognizer.name, ""))}
    assert blind == set()
    seen = [view for piece in EVERYTHING for context in UNASKED for view in views_of(original(piece), context)]
    expressions = [(r, pattern) for r in ALL if isinstance(r, PatternRecognizer) for pattern in r.patterns]
    assert [
        (r.name, pattern.name) for r, pattern in expressions if not any(any(r.matches(v, pattern)) for v in seen)
    ] == []


def _is_found(recognizer: Recognizer, piece: str) -> bool:
    text = original(piece)
    return any(any(recognizer.find(view, context)) for context in CONTEXTS for view in views_of(text, context))


def test_the_prefilter_changes_no_match_in_a_single_piece() -> None:
    for context in UNASKED:
        for piece in EVERYTHING:
            for view, which in readings(piece, context):
                assert through_the_prefilter(which, view, context) == one_by_one(which, view, context), piece


@given(
    st.lists(pieces(), min_size=1, max_size=6), st.sampled_from([" ", ", ", ". ", "\n", ""]), st.sampled_from(CONTEXTS)
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_prefilter_changes_no_match_in_joined_pieces(
    said: list[str], between: str, context: RedactionContext
) -> None:
    """Seeded: the same texts in every run, and other ones once this test changes."""
    for view, which in readings(between.join(said), context):
        assert through_the_prefilter(which, view, context) == one_by_one(which, view, context)

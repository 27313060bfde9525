"""The recognizers, one entity a file; ``ALL`` is the order in which they run, which decides nothing."""

from __future__ import annotations

from models.redaction.recognizers.address import POSTCODE, STREET
from models.redaction.recognizers.age import AGE
from models.redaction.recognizers.answer import BARE_ANSWER
from models.redaction.recognizers.bank import ACCOUNT, BRANCH, ROUTING
from models.redaction.recognizers.base import Recognizer
from models.redaction.recognizers.birth import BIRTH_DATE, OLD_AGE, SPOKEN_DATE
from models.redaction.recognizers.birth_dates import BIRTH_DATE_WORDS
from models.redaction.recognizers.card import CARD
from models.redaction.recognizers.code import CODE, LAST_DIGITS
from models.redaction.recognizers.corner import CORNER
from models.redaction.recognizers.crypto import WALLET
from models.redaction.recognizers.dictated import CAPITALS, DICTATED
from models.redaction.recognizers.email import EMAIL, LOGIN, SPOKEN_HANDLE
from models.redaction.recognizers.iban import IBAN
from models.redaction.recognizers.identity import CASE_NUMBER, CODED, INTRODUCED, NATIONAL, PREFIXED, UK_NINO
from models.redaction.recognizers.ip import IPV4, IPV6
from models.redaction.recognizers.labelled import LABELLED
from models.redaction.recognizers.licence import LICENCE
from models.redaction.recognizers.mac import MAC
from models.redaction.recognizers.medical import DEA, HEALTH_CARD, MEDICARE, NPI, RECORD
from models.redaction.recognizers.name import INTRODUCED_NAME
from models.redaction.recognizers.number import NUMBER
from models.redaction.recognizers.open_end import OPEN_END
from models.redaction.recognizers.particles import PARTICLED_NAME
from models.redaction.recognizers.passport import MACHINE_READABLE, PASSPORT
from models.redaction.recognizers.password import PASSWORD
from models.redaction.recognizers.phone import PHONE
from models.redaction.recognizers.plate import PLATE
from models.redaction.recognizers.postcode_town import POSTCODE_TOWN
from models.redaction.recognizers.secret import SECRET, TOKEN
from models.redaction.recognizers.short_phone import SHORT_PHONE
from models.redaction.recognizers.spelled import SPELLED
from models.redaction.recognizers.spoken_street import SPOKEN_STREET
from models.redaction.recognizers.ssn import SSN
from models.redaction.recognizers.street_eu import STREET_EU
from models.redaction.recognizers.street_in import STREET_IN
from models.redaction.recognizers.url import URL
from models.redaction.recognizers.vehicle import VIN

ALL: tuple[Recognizer, ...] = (
    EMAIL, SPOKEN_HANDLE, LOGIN, SPELLED, INTRODUCED_NAME, PARTICLED_NAME, PHONE, SHORT_PHONE, SSN, CARD, IBAN, IPV4,
    IPV6, MAC, URL, WALLET, SECRET, TOKEN, CODE, LAST_DIGITS, PASSWORD,
    STREET, STREET_EU, STREET_IN, SPOKEN_STREET, POSTCODE, POSTCODE_TOWN, CORNER, BIRTH_DATE, BIRTH_DATE_WORDS, AGE,
    MACHINE_READABLE, PASSPORT, LICENCE, VIN, PLATE, NPI, DEA, HEALTH_CARD, MEDICARE, RECORD, ROUTING, BRANCH, ACCOUNT,
    SPOKEN_DATE, OLD_AGE, *NATIONAL, UK_NINO, *INTRODUCED, PREFIXED, CASE_NUMBER, CODED, NUMBER,
    LABELLED, DICTATED, CAPITALS, BARE_ANSWER, OPEN_END,
)  # fmt: skip

ON_NUMERALS = frozenset(r.name for r in (SPOKEN_STREET, BIRTH_DATE, BIRTH_DATE_WORDS, SPOKEN_DATE, AGE, OLD_AGE))
"""Names of those that look at the reading with digits for every number; to others its short numbers mean nothing."""

__all__ = ["ALL", "ON_NUMERALS", "Recognizer"]

"""The recognizers, one entity type a file. ``ALL`` lists them; their order does not affect the result."""

from __future__ import annotations

from models.redaction.patterns.pattern_recognizer import Recognizer
from models.redaction.recognizers.address.intersection import INTERSECTION
from models.redaction.recognizers.address.postcode import POSTCODE
from models.redaction.recognizers.address.postcode_city import POSTCODE_CITY
from models.redaction.recognizers.address.street_eu import STREET_EU
from models.redaction.recognizers.address.street_in import STREET_IN
from models.redaction.recognizers.address.street_listed import STREET_LISTED
from models.redaction.recognizers.address.street_spoken import SPOKEN_STREET
from models.redaction.recognizers.address.street_us_uk import STREET
from models.redaction.recognizers.contact.email import EMAIL, LOGIN, SPOKEN_HANDLE
from models.redaction.recognizers.contact.ip import IPV4, IPV6
from models.redaction.recognizers.contact.mac import MAC
from models.redaction.recognizers.contact.phone import PHONE
from models.redaction.recognizers.contact.phone_extension import SHORT_PHONE
from models.redaction.recognizers.contact.url import URL
from models.redaction.recognizers.finance.bank_account import ACCOUNT, BRANCH, ROUTING
from models.redaction.recognizers.finance.credit_card import CARD
from models.redaction.recognizers.finance.crypto_wallet import WALLET
from models.redaction.recognizers.finance.iban import IBAN
from models.redaction.recognizers.identity.driving_licence import LICENCE
from models.redaction.recognizers.identity.licence_plate import PLATE
from models.redaction.recognizers.identity.medical_id import DEA, HEALTH_CARD, MEDICARE, NPI, RECORD
from models.redaction.recognizers.identity.national_id import (
    CASE_NUMBER,
    CODED,
    INTRODUCED,
    NATIONAL,
    PREFIXED,
    UK_NINO,
)
from models.redaction.recognizers.identity.passport import MACHINE_READABLE, PASSPORT
from models.redaction.recognizers.identity.unexplained_number import NUMBER
from models.redaction.recognizers.identity.us_ssn import SSN
from models.redaction.recognizers.identity.vin import VIN
from models.redaction.recognizers.person.age import AGE
from models.redaction.recognizers.person.birth_date import BIRTH_DATE, OLD_AGE, SPOKEN_DATE
from models.redaction.recognizers.person.birth_date_announced import ANNOUNCED_BIRTH_DATE
from models.redaction.recognizers.person.initials import INITIALS
from models.redaction.recognizers.person.introduced_name import INTRODUCED_NAME
from models.redaction.recognizers.person.name_particles import PARTICLED_NAME
from models.redaction.recognizers.person.spelled_name import SPELLED
from models.redaction.recognizers.secrets.credentials import SECRET, TOKEN
from models.redaction.recognizers.secrets.one_time_code import CODE, LAST_DIGITS
from models.redaction.recognizers.secrets.passphrase import PASSWORD
from models.redaction.recognizers.spoken.bare_answer import BARE_ANSWER
from models.redaction.recognizers.spoken.dictated_digits import DICTATED_DIGITS, SPELLED_CAPITALS
from models.redaction.recognizers.spoken.truncated_entity import TRUNCATED_ENTITY

ALL: tuple[Recognizer, ...] = (
    EMAIL, SPOKEN_HANDLE, LOGIN, SPELLED, INTRODUCED_NAME, PARTICLED_NAME, INITIALS, PHONE, SHORT_PHONE, SSN, CARD,
    IBAN, IPV4, IPV6, MAC, URL, WALLET, SECRET, TOKEN, CODE, LAST_DIGITS, PASSWORD,
    STREET, STREET_EU, STREET_IN, STREET_LISTED, SPOKEN_STREET, POSTCODE, POSTCODE_CITY, INTERSECTION, BIRTH_DATE,
    ANNOUNCED_BIRTH_DATE, AGE, MACHINE_READABLE, PASSPORT, LICENCE, VIN, PLATE, NPI, DEA, HEALTH_CARD, MEDICARE, RECORD,
    ROUTING, BRANCH, ACCOUNT, SPOKEN_DATE, OLD_AGE, *NATIONAL, UK_NINO, *INTRODUCED, PREFIXED, CASE_NUMBER, CODED,
    NUMBER, DICTATED_DIGITS, SPELLED_CAPITALS, BARE_ANSWER, TRUNCATED_ENTITY,
)  # fmt: skip

ON_NUMERALS = frozenset(r.name for r in (SPOKEN_STREET, BIRTH_DATE, ANNOUNCED_BIRTH_DATE, SPOKEN_DATE, AGE, OLD_AGE))
"""Names of the recognizers that also run on the numeral view, in which every spoken number is written in digits."""

__all__ = ["ALL", "ON_NUMERALS", "Recognizer"]

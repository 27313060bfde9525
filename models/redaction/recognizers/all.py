"""The recognizers, one entity type a file. ``ALL`` lists them; their order does not affect the result."""

from __future__ import annotations

from models.redaction.patterns.pattern_recognizer import Recognizer
from models.redaction.recognizers.address.postcode import POSTCODE
from models.redaction.recognizers.address.street import INTERSECTION, STREET
from models.redaction.recognizers.contact.email import EMAIL, LOGIN, SPOKEN_HANDLE
from models.redaction.recognizers.contact.ip import IPV4, IPV6
from models.redaction.recognizers.contact.mac import MAC
from models.redaction.recognizers.contact.phone import PHONE
from models.redaction.recognizers.contact.url import URL
from models.redaction.recognizers.finance.card_expiry import CARD_EXPIRY
from models.redaction.recognizers.finance.credit_card import CARD
from models.redaction.recognizers.finance.crypto_wallet import WALLET
from models.redaction.recognizers.finance.iban import IBAN
from models.redaction.recognizers.identity.identifiers import CASE_NUMBER, CODED, INTRODUCED, NATIONAL, SHORT_PHONE
from models.redaction.recognizers.identity.machine_readable import MACHINE_READABLE
from models.redaction.recognizers.identity.pictured_plate import PICTURED_PLATE
from models.redaction.recognizers.identity.unexplained_number import NUMBER
from models.redaction.recognizers.person.age import AGE
from models.redaction.recognizers.person.birth_date import BIRTH_DATE, SPOKEN_DATE
from models.redaction.recognizers.person.initials import INITIALS
from models.redaction.recognizers.person.introduced_name import INTRODUCED_NAME, PARTICLED_NAME
from models.redaction.recognizers.person.spelled_name import DICTATED_DIGITS, SPELLED, SPELLED_CAPITALS
from models.redaction.recognizers.person.turned_age import TURNED_AGE, TURNED_DATE
from models.redaction.recognizers.secrets.credentials import SECRET, TOKEN
from models.redaction.recognizers.secrets.one_time_code import CODE, LAST_DIGITS
from models.redaction.recognizers.secrets.passphrase import PASSWORD
from models.redaction.recognizers.spoken.bare_answer import BARE_ANSWER
from models.redaction.recognizers.spoken.truncated_entity import TRUNCATED_ENTITY

ALL: tuple[Recognizer, ...] = (
    EMAIL, SPOKEN_HANDLE, LOGIN, SPELLED, INTRODUCED_NAME, PARTICLED_NAME, INITIALS, PHONE, SHORT_PHONE, CARD,
    CARD_EXPIRY, IBAN, IPV4, IPV6, MAC, URL, WALLET, SECRET, TOKEN, CODE, LAST_DIGITS, PASSWORD,
    STREET, POSTCODE, INTERSECTION, BIRTH_DATE,
    AGE, TURNED_AGE, TURNED_DATE, MACHINE_READABLE, SPOKEN_DATE, *NATIONAL, *INTRODUCED, CASE_NUMBER, CODED,
    PICTURED_PLATE, NUMBER, DICTATED_DIGITS, SPELLED_CAPITALS, BARE_ANSWER, TRUNCATED_ENTITY,
)  # fmt: skip

ON_NUMERALS = frozenset(r.name for r in (STREET, BIRTH_DATE, SPOKEN_DATE, AGE, TURNED_AGE, TURNED_DATE, CARD_EXPIRY))
"""Names of the recognizers that also run on the numeral view, in which every spoken number is written in digits."""

__all__ = ["ALL", "ON_NUMERALS", "Recognizer"]

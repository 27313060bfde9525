"""Postcodes with the town after them, and Indian PIN codes after a town: "10115 Berlin", "Mumbai - 400001".

German nouns have capitals too, so "10000 Euro" looks the same. A match needs a street, a postal word or the letter of a
country. Must NOT match: amounts, readings, quantities.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless

_TOWN = (
    r"[^\W\d_a-zß-ÿ][^\W\d_]{2,24}(?:[ -](?:(?:de|del|la|le|les|sur|sous|am|an|der|im|bei) "
    r")?[^\W\d_a-zß-ÿ][^\W\d_]{1,24}){0,2}"
)

INDIAN_CITIES = (
    "mumbai delhi bengaluru bangalore hyderabad ahmedabad chennai kolkata surat pune jaipur lucknow kanpur nagpur "
    "indore thane "
    "bhopal visakhapatnam patna vadodara ghaziabad ludhiana agra nashik gurgaon gurugram noida faridabad meerut "
    "rajkot varanasi "
    "srinagar amritsar chandigarh mysore mysuru kochi coimbatore madurai guwahati ranchi raipur jodhpur vijayawada "
    "bhubaneswar "
    "dehradun shimla thiruvananthapuram trivandrum mangalore goa"
).split()

POSTCODE_CITY = PatternRecognizer(
    entity="ADDRESS",
    name="postcode-town",
    needs="0",
    patterns=(
        Pattern(re.compile(rf"(?<![\w.,-])(?:D|F|E|A|CH|I)-\d{{4,5}} {_TOWN}"), 0.8, name="country"),
        Pattern(re.compile(rf"(?<![\w.,-])\d{{5}} {{1,2}}{_TOWN}"), 0.2, name="town"),
        # Mumbai - 400001, New Delhi 110 001: the first digit is a region, never 0 or 9.
        Pattern(
            re.compile(
                rf"(?<!\w)(?:{'|'.join(INDIAN_CITIES)})(?:,? [A-Z][a-z]{{2,20}})? ?[-–,:]? ?[1-8]\d{{2}} "
                rf"?\d{{3}}(?!\w|[.,]\d)",
                re.IGNORECASE,
            ),
            0.6,
            name="in-town",
        ),
        Pattern(re.compile(r"(?<![\w.,-])[1-8]\d{2} ?\d{3}(?!\w|[.,]\d)"), 0.15, name="in"),
        Pattern(re.compile(r"(?<![\w०-९])[१-८][०-९]{5}(?![\w०-९])"), 0.3, name="hi"),
    ),
    context=words(
        "plz",
        "postleitzahl",
        "wohn(?:e|t|haft|ort)?",
        "anschrift",
        "adresse",
        "stra(?:ß|ss)e",
        "weg",
        "gasse",
        "platz",
        "code postal",
        "habite",
        "domicilié?e?",
        "demeurant",
        "rue",
        "avenue",
        "boulevard",
        "chemin",
        "código postal",
        "c\\.? ?p\\.?",
        "calle",
        "avenida",
        "domicilio",
        "vivo",
        "vive",
        "dirección",
        "pin",
        "pin ?code",
        "pincode",
        "nagar",
        "sector",
        "पिन",
        "पिनकोड",
        "पिन कोड",
        "पता",
        "नगर",
    ),
    unless=is_harmless,
)

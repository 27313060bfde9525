"""How digits, signs and letters are said: words as data, one table a language.

English is understood everywhere, because people mix it in. Where a word of one language is a common word of another
("do" is two in Hinglish), it only counts under its own language code.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from models.redaction.itn.spelling_alphabets import LETTER_NAMES, LETTER_WORDS, PHONETIC, PHONETIC_BY_LANGUAGE

OPENINGS = frozenset("o + ( area code open bracket parenthesis".split())
"""What may begin a number besides digits and words for them."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Spoken words of one or more languages.

    Attributes:
        numbers: Word to digits, ``forty`` to ``40``.
        scales: Word to zeros that it appends, ``hundred`` to 2.
        repeats: ``double`` to 2.
        signs: Word to the character that it names.
        letters: Word to a letter, names of letters as some languages write them.
        letter_words: Names of letters that are common words too.
        joiners: Words that may stand between two numbers that belong together.
        phonetic: Words of the telephone alphabet, in runs of them alone.
        letters_as_words: Letters that are words too: "il y a trois" spells nothing.
        begins: Words with which a run of digits or letters can begin, besides digits and letters themselves.
        ats: Words for the sign of an address.
    """

    numbers: dict[str, str] = field(default_factory=dict)
    scales: dict[str, int] = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)
    signs: dict[str, str] = field(default_factory=dict)
    letters: dict[str, str] = field(default_factory=dict)
    joiners: frozenset[str] = frozenset()
    phonetic: dict[str, str] = field(default_factory=dict)
    letter_words: dict[str, str] = field(default_factory=dict)
    letters_as_words: frozenset[str] = frozenset()
    begins: frozenset[str] = field(init=False, default=frozenset())
    ats: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        plus = {word for word, sign in self.signs.items() if sign == "+"}
        named = (self.numbers, self.repeats, self.letters, self.letter_words, self.phonetic, PHONETIC)
        object.__setattr__(self, "begins", frozenset().union(OPENINGS, plus, *named))
        object.__setattr__(self, "ats", frozenset({"@", *(w for w, sign in self.signs.items() if sign == "@")}))

    def __or__(self, other: Lexicon) -> Lexicon:
        return Lexicon(
            self.numbers | other.numbers,
            self.scales | other.scales,
            self.repeats | other.repeats,
            self.signs | other.signs,
            self.letters | other.letters,
            self.joiners | other.joiners,
            self.phonetic | other.phonetic,
            self.letter_words | other.letter_words,
            self.letters_as_words | other.letters_as_words,
        )


def _count(words: str, first: int, step: int = 1) -> dict[str, str]:
    """Number words in order; alternatives share a place with ``/``."""
    places = enumerate(words.split())
    return {_nfc(word): str(first + step * i) for i, place in places for word in place.split("/")}


def _nfc(word: str) -> str:
    return unicodedata.normalize("NFC", word)


def _signs(table: str) -> dict[str, str]:
    """Lines of a character and the words for it."""
    rows = (line.split() for line in table.strip().splitlines())
    return {_nfc(word): row[0] for row in rows for word in row[1:]}


_EN = Lexicon(
    numbers=_count(
        "zero/oh/nought/naught/nil one two/too three four/for five six seven eight nine ten eleven twelve thirteen", 0
    )
    | _count("fourteen fifteen sixteen seventeen eighteen nineteen", 14)
    | _count("twenty thirty forty/fourty fifty sixty seventy eighty ninety", 20, 10),
    scales={"hundred": 2, "thousand": 3},
    repeats={"double": 2, "triple": 3, "treble": 3, "quadruple": 4},
    signs=_signs("""
        . dot point period
        @ at
        - dash hyphen minus
        _ underscore
        / slash
        + plus
        : colon
    """),
    joiners=frozenset({"and", "uh", "um", "er", "erm", "then", "area", "code", "extension", "ext", "space", "pause"}),
    letters_as_words=frozenset("aio"),
)

HOMOPHONES = frozenset({"too", "for", "oh", "o", "point", "do", "char", "che", "ek", "at", "minus", "period", "nil"})
"""Words that are digits or signs only between others; a run does not start with one."""

STARTING_DIGITS = frozenset({"oh", "o", "do", "char", "ek", "che"})
"""Those that a run may start with and end in all the same."""

INNER_DIGITS = {"to": "2", "won": "1", "ate": "8", "tree": "3", "free": "3", "fife": "5", "sex": "6", "fore": "4",
                "nein": "9", "aid": "8", "hate": "8", "sics": "6", "find": "5", "night": "9"}  # fmt: skip
"""What recognition writes for a digit; they count only behind digits that are sure, and before more of them."""

_ES = Lexicon(
    numbers=_count("cero un/uno/una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince", 0)
    | _count(
        "dieciséis/dieciseis diecisiete dieciocho diecinueve veinte veintiuno/veintiún veintidós/veintidos "
        "veintitrés/veintitres",
        16,
    )
    | _count("veinticuatro veinticinco veintiséis/veintiseis veintisiete veintiocho veintinueve", 24)
    | _count("treinta cuarenta cincuenta sesenta setenta ochenta noventa", 30, 10)
    | _count(
        "cien/ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos",
        100,
        100,
    ),
    scales={"mil": 3},
    repeats={"doble": 2, "triple": 3},
    signs=_signs("""
        . punto
        @ arroba
        - guion guión menos
        _ subrayado
        / barra
        + más mas
    """),
    letters=LETTER_NAMES["es"],
    joiners=frozenset({"y", "extensión", "extension"}),
    phonetic=PHONETIC_BY_LANGUAGE["es"],
    letter_words=LETTER_WORDS["es"],
    letters_as_words=frozenset("aeouy"),
)

_FR_UNITS = "zéro/zero un/une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
_FR = Lexicon(
    numbers=_count(_FR_UNITS, 0)
    | _count("vingt/vingts trente quarante cinquante soixante septante huitante/octante nonante", 20, 10),
    scales={"cent": 2, "cents": 2, "mille": 3},
    repeats={"double": 2, "triple": 3},
    signs=_signs("""
        . point
        @ arobase arobas arrobase at
        - tiret moins
        _ souligné
        / slash
        + plus
    """),
    letters=LETTER_NAMES["fr"],
    joiners=frozenset({"et"}),
    phonetic=PHONETIC_BY_LANGUAGE["fr"],
    letter_words=LETTER_WORDS["fr"],
    letters_as_words=frozenset("ay"),
)

_DE_UNITS = (
    "null ein/eins/eine zwei/zwo drei vier fünf/fuenf sechs sieben acht neun zehn elf zwölf/zwoelf dreizehn vierzehn"
)
_DE_TENS = _count("zwanzig dreißig/dreissig vierzig fünfzig/fuenfzig sechzig siebzig achtzig neunzig", 20, 10)
_DE_SMALL = _count("ein zwei/zwo drei vier fünf sechs sieben acht neun", 1)
_DE_COMPOUND = {
    f"{unit}und{ten}": value[0] + digit for unit, digit in _DE_SMALL.items() for ten, value in _DE_TENS.items()
}
_DE_TEENS = _count("zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn", 10)
_DE_DIGITS = _count("eins zwei/zwo drei vier fünf sechs sieben acht neun", 1)
_DE_HUNDREDS = [*_DE_SMALL.items(), ("", "1")]
_DE_RESTS = [
    ("", "00"), *((word, digit.zfill(2)) for word, digit in _DE_DIGITS.items()), *_DE_TEENS.items(), *_DE_TENS.items(),
    *_DE_COMPOUND.items(),
]  # fmt: skip
_DE = Lexicon(
    numbers=_count(_DE_UNITS, 0)
    | _count("fünfzehn sechzehn siebzehn achtzehn neunzehn", 15)
    | _DE_TENS
    | _DE_COMPOUND
    | {
        f"{few}hundert{rest}": few_digit + rest_digits
        for few, few_digit in _DE_HUNDREDS
        for rest, rest_digits in _DE_RESTS
        if few or rest  # "hundert" alone multiplies
    },
    scales={"hundert": 2, "tausend": 3},
    repeats={"doppel": 2, "doppelt": 2, "dreifach": 3},
    signs=_signs("""
        . punkt
        @ at klammeraffe ät
        - bindestrich minus strich
        _ unterstrich
        / slash schrägstrich
        + plus
        : doppelpunkt
    """),
    letters=LETTER_NAMES["de"],
    joiners=frozenset({"und", "durchwahl"}),
    phonetic=PHONETIC_BY_LANGUAGE["de"],
    letter_words=LETTER_WORDS["de"],
)

_HI_TENS = (
    "दस ग्यारह बारह तेरह चौदह पंद्रह/पन्द्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस/बाइस तेईस/तेइस चौबीस "
    "पच्चीस छब्बीस सत्ताईस/सत्ताइस अट्ठाईस/अठाईस उनतीस तीस इकतीस/इकत्तीस बत्तीस तैंतीस/तेंतीस चौंतीस पैंतीस "
    "छत्तीस सैंतीस अड़तीस उनतालीस चालीस इकतालीस बयालीस तैंतालीस चौवालीस/चवालीस पैंतालीस छियालीस सैंतालीस "
    "अड़तालीस उनचास पचास इक्यावन बावन तिरपन/तिरेपन चौवन/चौअन पचपन छप्पन सत्तावन अट्ठावन/अठावन उनसठ साठ इकसठ "
    "बासठ तिरसठ/तिरेसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर "
    "छिहत्तर सतहत्तर अठहत्तर उनासी/उन्यासी अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सतासी/सत्तासी "
    "अठासी/अट्ठासी नवासी नब्बे इक्यानवे/इक्यानबे बानवे/बानबे तिरानवे/तिरानबे चौरानवे/चौरानबे पचानवे/पंचानबे "
    "छियानवे/छियानबे सत्तानवे/सत्तानबे अट्ठानवे/अठानबे निन्यानवे/निन्यानबे"
)
_HI_LETTERS = "ए बी सी डी ई एफ/एफ़ जी एच आई जे के एल एम एन ओ पी क्यू आर एस टी यू वी डब्ल्यू/डबल्यू एक्स वाई/वाय ज़ेड/जेड"
_HI = Lexicon(
    numbers=_count(
        "शून्य/ज़ीरो/जीरो एक/वन दो/टू तीन/थ्री चार/फोर/फ़ोर पाँच/पांच/फाइव छह/छः/छ/छे/सिक्स सात/सेवन/सेवेन आठ/एट नौ/नाइन दस", 0
    )
    | _count(_HI_TENS, 10)
    | _count("shunya ek do/doh teen chaar/char paanch/panch chhah/chhe/che saat aath nau das", 0)
    | _count("gyarah barah terah chaudah pandrah solah satrah atharah unnees bees", 11)
    | _count("tees chalis/chalees pachas/pachaas saatth sattar assi nabbe", 30, 10),
    scales={"सौ": 2, _nfc("हज़ार"): 3, "हजार": 3, "sau": 2, "hazar": 3, "hazaar": 3, "लाख": 5, "lakh": 5},
    repeats={"डबल": 2, "ट्रिपल": 3},
    signs=_signs("""
        . डॉट डाट पॉइंट
        @ एट ऐट
        - हाइफ़न हाइफन डैश
        _ अंडरस्कोर
        / स्लैश
        + प्लस
    """),
    letters={_nfc(w): chr(97 + i) for i, place in enumerate(_HI_LETTERS.split()) for w in place.split("/")},
)

_PT = Lexicon(
    numbers=_count(
        "zero um/uma dois/duas três/tres quatro cinco seis/meia sete oito nove dez onze doze treze quatorze/catorze "
        "quinze",
        0,
    )
    | _count("vinte trinta quarenta cinquenta sessenta setenta oitenta noventa", 20, 10),
    signs=_signs("""
        . ponto
        @ arroba
        - hífen traço
        _ sublinhado
        / barra
        + mais
    """),
    joiners=frozenset({"e"}),
)

_IT = Lexicon(
    numbers=_count(
        "zero uno/una due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici", 0
    )
    | _count("venti trenta quaranta cinquanta sessanta settanta ottanta novanta", 20, 10),
    repeats={"doppio": 2, "triplo": 3},
    signs=_signs("""
        . punto
        @ chiocciola
        - trattino
        / barra
        + più
    """),
)

_BY_LANGUAGE = {"es": _ES, "fr": _FR, "de": _DE, "hi": _HI, "pt": _PT, "it": _IT}
_MERGED = {code: _EN | own for code, own in _BY_LANGUAGE.items()}


def lexicon_for(language: str) -> Lexicon:
    """The words of a language, English included."""
    return _MERGED.get(language[:2].lower(), _EN)


SERVICES = frozenset(
    {"gmail", "hotmail", "yahoo", "outlook", "icloud", "protonmail", "aol", "live", "gmx", "googlemail", "msn",
    "rediffmail", "जीमेल", "याहू", "हॉटमेल",
     "आउटलुक", "रेडिफमेल", "gee-mail"}
)  # fmt: skip

TOP_LEVEL = frozenset(
    {"com", "org", "net", "edu", "gov", "co", "uk", "us", "in", "de", "fr", "es", "it", "ca", "au", "io", "ai", "me",
    "info", "biz", "eu", "ch", "at", "nl",
     "कॉम", "ऑर्ग", "नेट", "इन", "इन्फो"}
)  # fmt: skip

SHORT_WORDS = frozenset(
    """do go he me we us if my no so up or as am an be by hi of on to in is it at ok oh pm uk eu tv id im ya yo ye hm
    mm ah uh um er
    el la le un de du en es il et au se te tu su mi si ja zu da ab um im wo""".split()
)
"""Words of two letters that are no pieces of spelling."""

FUNCTION_WORDS = frozenset(
    """a an the is are am was be to of on in it it's its that's thats i i'm my me you your we us he she his her they at
    and or but so for from with by as this that there here email e-mail mail address emails reach contact write send
    called name number please thanks thank yes no okay ok well um uh correo es mi dirección el la los las un una en
    por escribe adresse est mon le les c'est courriel ist meine mein die der das und schreiben sie मेरा मेरी ईमेल है
    पर का की को और में से phone call text via using use about look meet come go going arrive stay staying see""".split()
)
"""What no address starts with; walking left from "at" stops here."""

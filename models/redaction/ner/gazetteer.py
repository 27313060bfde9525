"""How often words are given names, surnames, and plain words of seven languages.

Compiled once from pinned lists (weights ``name-lists``): the names of a million people with an article in the English
Wikipedia, and the words of English, German, Spanish, French, Italian, Portuguese and Hindi with their frequency.
Many names are also words ("Mark", "Rose", "Berg", "Asha"), so both frequencies of a spelling are kept. ``name_head``
weighs one against the other.

Hindi is looked up in Latin letters, in which a name has many spellings (Aditya, Aadity, Adithya), so names from South
Asia are kept a second time by how they sound, and so are plain Hindi words (paani, pani; accha, achchha).
"""

from __future__ import annotations

import gzip
import math
import pickle
import re
import zlib
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.redaction.lexicons import loader
from models.redaction.ner.hindi_stopwords import HINDI_STOP_WORDS
from models.redaction.normalize.transliterate import transliterate_word
from models.weights import store

WEIGHTS_NAME = "name-lists"
LANGUAGES = ("en", "de", "es", "fr", "it", "pt", "hi")
COLUMNS = ("given", "surname", *LANGUAGES, "sound_given", "sound_surname", "sound_hi")
"""The columns of a row: logarithms of counts or frequencies, scaled to 0..255."""

FIRST_FREQUENCY = COLUMNS.index(LANGUAGES[0])
_FIRST_SOUND = COLUMNS.index("sound_given")
_COMPILED_FILE = "name_table_v5.npz"

_LEAST_PEOPLE = 2
_FEW_PEOPLE = 20
_PLAIN_FREQUENCY = 28 * 5.8
"""Frequency given to the words of ``HINDI_STOP_WORDS``, on the scale of ``frequencies``: that of words that are hardly
ever names.
"""
_D, _FLAPPED_D, _FLAPPED_D_COMPOSED = "\u0921", "\u0921\u093c", "\u095c"
_REMEMBERED_WORDS = 16_384
_NO_ROW = np.zeros(0, np.float32)
_SOUTH_ASIA = frozenset(("Indian", "Pakistani", "Nepalese", "Bangladeshi", "Sri Lankan"))
_PARTICLES = loader.words(loader.ANY, "particles", "in_lists")
_BRACKETS = re.compile(r"\(.*?\)")
_SPACES = re.compile(r"\s+")
_HYPHEN = re.compile(r"[-\u2010-\u2013]")
_NO_WORD = re.compile(r"\d|^$")
_POSSESSIVE = re.compile(r"(?:['\u2019]s?|s)$")

_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"(?<=.{3})a$", ""), (r"c+h", "ch"), (r"aa+", "a"), (r"[ae]h[ae]?", "eh"),
        (r"ee+|y(?![aeiou])|ii+", "i"), (r"oo+|uu+", "u"), (r"w", "v"),
        (r"c(?!h)", "k"), (r"q", "k"), (r"ph", "f"), (r"([bcdgjkpt])h", r"\1"), (r"sh", "s"), (r"z", "j"),
        (r"x", "ks"), (r"(.)\1+", r"\1"),
    )
)  # fmt: skip


def sound_of(word: str) -> str:
    """Reduce a lower-case Latin spelling of a South Asian word to a form that all its usual spellings share."""
    for pattern, sound in _SOUNDS:
        word = pattern.sub(sound, word)
    return word


class Gazetteer:
    """The compiled table.

    Attributes:
        keys: CRC-32 of the words, sorted, shape (words,). Two words share a key once in ten thousand look-ups.
        rows: Shape (words + 1, columns), uint8; the last one, all zero, stands for every other word.
    """

    def __init__(self, keys: npt.NDArray[np.uint32], rows: npt.NDArray[np.uint8]) -> None:
        self.keys = keys
        self.rows = rows
        self._row_of = lru_cache(maxsize=_REMEMBERED_WORDS)(self._find_row)

    @classmethod
    def empty(cls) -> Gazetteer:
        """One that knows no word."""
        return cls(np.zeros(0, np.uint32), np.zeros((1, len(COLUMNS)), np.uint8))

    @classmethod
    def read(cls, path: Path) -> Gazetteer:
        """Read what ``compile_lists`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            return cls(content["keys"], content["rows"])

    def look_up(self, words: list[str]) -> npt.NDArray[np.float32]:
        """Rows of words in any case, shape (words, columns), in [0, 1].

        Names are also looked up without a final s, which may be a genitive: "Merkels Rede", "Maria's".
        """
        found = [_NO_ROW, *map(self._row_of, words)]
        return np.concatenate(found).reshape(-1, len(COLUMNS))

    def _find_row(self, word: str) -> npt.NDArray[np.float32]:
        """The row of a word: of the word itself, of the word without its final s, and of its sound."""
        folded = word.casefold()
        row = self._listed(folded).astype(np.float32)
        names = row[:FIRST_FREQUENCY]
        np.maximum(names, self._listed(_POSSESSIVE.sub("", folded))[:FIRST_FREQUENCY], out=names)
        row[_FIRST_SOUND:] = self._listed(_SOUND_MARK + sound_of(folded))[_FIRST_SOUND:] if folded.isascii() else 0
        row /= np.float32(255)
        row.setflags(write=False)  # it is remembered
        return row

    def _listed(self, word: str) -> npt.NDArray[np.uint8]:
        key = _key(word)
        place = int(np.searchsorted(self.keys, np.uint32(key)))
        row: npt.NDArray[np.uint8] = self.rows[place if place < len(self.keys) and self.keys[place] == key else -1]
        return row


_SOUND_MARK = "~"


def _key(word: str) -> int:
    return zlib.crc32(word.encode())


def words_file(language: str) -> str:
    """The list of a language's words among the weights: the long one, but for Hindi, for which there is none."""
    return f"{'small' if language == 'hi' else 'large'}_{language}.msgpack.gz"


def load_gazetteer(cache: Path) -> Gazetteer:
    """Load the compiled table, fetching and compiling the lists once.

    Raises:
        WeightsError: The lists are neither there nor to be had, or not the pinned ones.
    """
    store.place(WEIGHTS_NAME, cache)
    return Gazetteer.read(store.derived(WEIGHTS_NAME, cache, _COMPILED_FILE, compile_lists))


def compile_lists(folder: Path, target: Path) -> None:
    """Make the table from the unpacked lists; takes about 20 seconds."""
    table: dict[str, bytearray] = {}
    given, surnames, sounds_given, sounds_surname = _people(folder / "name2nats.pkl")
    _put(table, "given", {w: 16 * math.log2(1 + n) for w, n in given.items() if n >= _LEAST_PEOPLE})
    _put(table, "surname", {w: 16 * math.log2(1 + n) for w, n in surnames.items() if n >= _LEAST_PEOPLE})
    _put(table, "sound_given", {w: 16 * math.log2(1 + n) for w, n in sounds_given.items() if n >= _LEAST_PEOPLE})
    _put(table, "sound_surname", {w: 16 * math.log2(1 + n) for w, n in sounds_surname.items() if n >= _LEAST_PEOPLE})
    for language in LANGUAGES:
        _put(table, language, frequencies(folder / words_file(language), language))
    _put(table, "sound_hi", _sounds_of_hindi(folder / words_file("hi"), sounds_given + sounds_surname))
    rows: dict[int, bytearray] = {}
    for spelled, row in table.items():
        if not _NO_WORD.search(spelled):
            rows.setdefault(_key(spelled.casefold()), row)
    ordered = sorted(rows)
    keys = np.array(ordered, dtype=np.uint32)
    packed = b"".join([*(rows[key] for key in ordered), bytes(len(COLUMNS))])
    values = np.frombuffer(packed, dtype=np.uint8).reshape(-1, len(COLUMNS))
    with target.open("wb") as file:
        np.savez_compressed(file, keys=keys, rows=values)


def _put(table: dict[str, bytearray], column: str, values: dict[str, float]) -> None:
    place = COLUMNS.index(column)
    for word, value in values.items():
        row = table.get(word)
        if row is None:
            row = table[word] = bytearray(len(COLUMNS))
        row[place] = min(255, round(value))


class _PlainUnpickler(pickle.Unpickler):
    """Reads strings, lists and dictionaries; anything that would run code is refused."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Refuse."""
        raise pickle.UnpicklingError(f"{module_name}.{global_name} is not plain data")


def read_people(path: Path) -> dict[str, list[str]]:
    """Read full names with nationalities from the pinned list. Code in the pickle is never run.

    Raises:
        pickle.UnpicklingError: The file holds more than plain data.
    """
    with path.open("rb") as file:
        people: dict[str, list[str]] = _PlainUnpickler(file).load()
    return people


_Counts = Counter[str]


def _people(path: Path) -> tuple[_Counts, _Counts, _Counts, _Counts]:
    """Given names and surnames, and those of South Asia by their sound."""
    people = read_people(path)
    given, surnames, sounds_given, sounds_surname = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for full, nations in people.items():
        parts = _SPACES.split(_BRACKETS.sub("", full).split(",")[0].strip().lower())
        if not 2 <= len(parts) <= 4:
            continue
        *first, last = [[w for w in _HYPHEN.split(part) if w not in _PARTICLES] for part in parts]
        firsts = [w for words in first for w in words]
        given.update(firsts)
        surnames.update(last)
        if not _SOUTH_ASIA.isdisjoint(nations):
            sounds_given.update(_SOUND_MARK + sound_of(w) for w in firsts)
            sounds_surname.update(_SOUND_MARK + sound_of(w) for w in last)
    return given, surnames, sounds_given, sounds_surname


def _sounds_of_hindi(path: Path, names: _Counts) -> dict[str, float]:
    """Common Hindi words by their sound. Spellings with the same sound get the highest of their frequencies.

    A word of ``HINDI_STOP_WORDS`` that sounds like a common name keeps its frequency from the list.
    """
    words = _words_by_frequency(path)
    for word in HINDI_STOP_WORDS:
        if names[_SOUND_MARK + sound_of(transliterate_word(word) or word)] <= _FEW_PEOPLE:
            words[word] = max(_PLAIN_FREQUENCY, words.get(word, 0.0))
    result: dict[str, float] = {}
    for word, frequency in words.items():
        # A flapped d is written with r (kira) or with d (kida).
        for spelled in {word, word.replace(_FLAPPED_D, _D), word.replace(_FLAPPED_D_COMPOSED, _D)}:
            sound = _SOUND_MARK + sound_of(transliterate_word(spelled) or spelled)
            result[sound] = max(frequency, result.get(sound, 0.0))
    return result


def frequencies(path: Path, language: str) -> dict[str, float]:
    """Common words with the logarithm of their frequency: 0 is one in a thousand million, and a power of ten adds 28.

    Hindi ones are written in Latin letters.
    """
    result: dict[str, float] = {}
    for word, frequency in _words_by_frequency(path).items():
        latin = transliterate_word(word) if language == "hi" else word
        result.setdefault(latin or word, frequency)
    return result


def _words_by_frequency(path: Path) -> dict[str, float]:
    """The words of a list, the most common first, as they are written."""
    import msgpack

    levels = msgpack.unpackb(gzip.decompress(path.read_bytes()))
    result: dict[str, float] = {}
    for centibels, words in enumerate(levels[1:]):  # the first element is a header
        for word in words:
            result.setdefault(word, 28 * (9 - centibels / 100))
    return result
